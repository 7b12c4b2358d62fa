// The neutral database API: what migrator asks of an engine. Read this first; it is the manual.
//
// An Adapter is the stateless entry to one engine. From it come
//   Session   one connection: statements, transactions, catalog, cancellation;
//   Source    a Session that reads tables by key ranges;
//   Target    a Session that loads rows into tables;
//   Dialect   how the engine spells things: quoting, types, DDL. Pure, no connection.
// A backend never knows a phase, a plan or a checkpoint. It is done when it passes
// tests/conformance/.
//
// Threads: Adapter and Dialect are immutable and shared freely. Session, Source and Target belong
// to one thread at a time; only a Canceller may be used from another thread. Lifetime: Streams and
// sinks must be destroyed before their Source or Target. One stream or sink is open on a session at
// a time, and while it is, nothing else may be run on that session (Error(invariant) otherwise).
//
// Errors: everything throws migrator::Error, classified by the adapter (error.h). Destructors never
// throw. After an error of scope `session` only the destructor and canceller() may be called.
//
// Every session: time zone UTC, client encoding UTF-8, strict SQL mode, identifiers as given, no
// autocommit surprises. SQL errors carry SQLSTATE, table where known, and never a row's value.
#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <exception>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "adapters/capture.h"
#include "adapters/row_batch.h"
#include "adapters/schema.h"
#include "adapters/url.h"
#include "adapters/value.h"
#include "migrator/include/migrator/error.h"

namespace migrator {

struct SessionOptions {
  std::chrono::milliseconds connect_timeout{10'000};
  // No single statement runs longer; 0: no limit. For SQLite it is enforced by the progress
  // handler.
  std::chrono::milliseconds statement_timeout{0};
  // A statement that waits for another transaction's lock gives up after this (transient).
  std::chrono::milliseconds lock_timeout{10'000};
  std::string application_name = "migrate";
  // For an application's own transactions: what its statements mean is left as the server has it
  // (row security), and what they may do (MySQL: writes under whatever format the binlog has).
  bool application = false;
};

// Stops what a session is executing, from any thread, within a second; the statement then throws
// Error(cancelled). Idle sessions are not disturbed for longer than the call. Outlives its session
// harmlessly. Best effort: never throws, may come too late.
class Canceller {
 public:
  virtual ~Canceller() = default;
  virtual void cancel() noexcept = 0;
  // As cancel(), but does not wait for the server to agree: the connection is cut, and the session
  // is lost. For who has promised not to wait any longer.
  virtual void abandon() noexcept = 0;
};

// How busy a server is; the throttle's input. What the session's privileges do not show is absent.
struct LoadSample {
  std::optional<double> replica_lag_seconds;    // the worst of the replicas this server knows of
  std::optional<std::int64_t> lock_waits;       // sessions now waiting for a lock of another
  std::optional<std::int64_t> active_sessions;  // other than this tool's own
};

struct ServerInfo {
  std::string product;  // "PostgreSQL 15.18", "MariaDB 10.11.19", "MySQL 5.6.24", "SQLite 3.40.1"
  int version = 0;      // 150018, 101119, 50624, 34001
  bool read_only = false;  // writes would fail: a replica, read_only, a read-only file
  std::string database;    // the database or file that the session is in
  // Where its tables are made unless they are named with another one: PostgreSQL's current schema,
  // MySQL's database; "" on SQLite.
  std::string schema;
  bool reads_block_writes = false;  // a commit waits for every read: SQLite's rollback journal
};

class Dialect;
struct ReadSpec;
struct WriteSpec;

// What can run statements: a session, or a connection that an application has lent in the middle of
// its transaction.
class Queries {
 public:
  virtual ~Queries() = default;
  virtual const Dialect& dialect() const = 0;
  // Runs one statement. Parameters are bound as Dialect::placeholder spells them, never spliced. A
  // text parameter may stand for a value of any type (a key's date, say).
  virtual Result query(std::string_view sql, std::span<const Value> parameters = {}) = 0;
  void execute(std::string_view sql) { query(sql); }
};

class Session : public Queries {
 public:
  virtual const ServerInfo& server() const = 0;

  // Transactions. READ COMMITTED where the engine knows it. begin() takes SQLite's write lock at
  // once (BEGIN IMMEDIATE, waiting up to lock_timeout). Savepoints are plain SQL and the same
  // everywhere: SAVEPOINT x, ROLLBACK TO SAVEPOINT x, RELEASE SAVEPOINT x.
  virtual void begin() = 0;
  // A transaction that reads, and sees the database as of one moment throughout. The tables that it
  // will read are named, so that their form cannot change under it: PostgreSQL shows a table that
  // was rewritten in the meantime as empty.
  virtual void begin_snapshot(std::span<const TableName> tables) = 0;
  // Throws Error(in_doubt) when the answer was lost: the transaction may or may not be committed.
  virtual void commit() = 0;
  virtual void rollback() noexcept = 0;  // no-op outside a transaction
  virtual bool in_transaction() const = 0;

  // --- Statements sent ahead, for who writes a transaction and cannot wait for each answer.
  //
  // Where the engine can (PostgreSQL), nothing is sent before the first receive(), and everything
  // until then costs one round trip; elsewhere each is run at once. receive() gives the results in
  // the order of the calls, and all of them have to be received before anything else is run or
  // sent; rollback() drops those that were not. Once one has failed none behind it has any effect,
  // a commit included, and receive() throws its error for each of them.

  virtual void send(std::string_view sql, std::span<const Value> parameters = {});
  // Left out where the one sent before is known to have affected a row: the rest of an upsert in
  // two statements.
  virtual void send_otherwise(std::string_view sql, std::span<const Value> parameters = {});
  // Fails with Error(fenced) unless the statement gives at least one row, or has changed one. (For
  // PostgreSQL it must give it: RETURNING.)
  virtual void send_check(std::string_view sql, std::span<const Value> parameters = {});
  virtual void send_begin();
  // Its receive() throws Error(in_doubt) when no answer came.
  virtual void send_commit();
  virtual Result receive();

  // For implementations of what else can be sent ahead: runs the work now, unless something sent
  // before it has failed, and keeps what it gives or throws for receive().
  void send_work(const std::function<Result()>& work);

  virtual std::shared_ptr<Canceller> canceller() = 0;

  // The tables of `schema` ("": the session's own), migrator's own `_migrator_*` tables left out,
  // with every column, key, index, foreign key, check, trigger and estimate. Estimates come from
  // statistics and never from a scan; SQLite, which keeps none, counts up to a limit by its
  // smallest index.
  virtual Catalog catalog(const std::string& schema = "") = 0;

  // Cheap enough to be asked every second. Never throws for missing privileges.
  virtual LoadSample load() = 0;

 protected:
  // For rollback().
  void drop_sent() noexcept;

 private:
  struct Sent {
    Result result;
    std::exception_ptr error;
  };
  std::deque<Sent> sent_;
  std::exception_ptr sent_error_;  // of one of those, and of all behind it
};

// What a read of cells does with a value that its column's type cannot hold: SQLite's text in an
// integer column, MySQL's zero date, PostgreSQL's infinite timestamp.
enum class Misfits {
  refuse,  // next() throws Error(data), and the stream is over: nothing is copied that is not
           // understood
  mark,    // the cell is Cell::Tag::misfit: how the verifier gets past it and counts it
};

// What to read of a table. Columns are in the order in which rows carry them.
struct ReadSpec {
  TableName table;
  std::vector<Column> columns;
  std::vector<Column> key;  // a unique, walkable key: not NULL in any row
  std::string where;        // SQL of the source's own, "" is none; already validated by check()
  Misfits misfits = Misfits::refuse;
};

enum class ReadOrder {
  any,  // as comes fastest; normally the key's index order
  // By the key in an order that all engines share: numbers by value, false before true, dates by
  // time, text by its UTF-8 bytes (whatever the column's collation), bytes and uuid by bytes.
  canonical,
};

inline constexpr const char* kCanonicalOrder = "canonical";

// A stream of the rows of one range. Destroying it before the end cancels the rest; within a
// transaction or snapshot that may end with it: roll back, and begin anew.
class RowStream {
 public:
  virtual ~RowStream() = default;
  // Clears the batch, then fills it with about kBatchBytesTarget bytes, at least one row. False,
  // with an empty batch, at the end; after that it must not be called again. Throws Error(data) on
  // a value that its column's type cannot hold, unless ReadSpec::misfits has them marked: the
  // stream is over then.
  virtual bool next(RowBatch& batch) = 0;
};

// How the engine walks a key, found out by EXPLAIN.
struct AccessPath {
  bool by_index = false;    // a range of the key is read by an index, without a sort
  std::string description;  // the engine's own words
};

// How a server can reduce the rows of a table to a digest. Two sources whose forms are equal
// compute the same digest of rows that are equal.
struct DigestForm {
  std::string algorithm;
  std::vector<std::string> column_types;
  bool operator==(const DigestForm&) const = default;
};

// Rows of a range, reduced: their number, and the sum over them of a hash of each, of 128 bits. A
// sum, so that neither their order matters nor two rows that are alike cancel each other.
struct RangeDigest {
  std::uint64_t rows = 0;
  std::string sum;
  bool operator==(const RangeDigest&) const = default;
};

class Source {
 public:
  virtual ~Source() = default;
  virtual Session& session() = 0;

  // The layouts in which this table's columns can be read, best first. "cells" is last and always
  // there.
  virtual std::vector<RowLayout> layouts(const ReadSpec& spec) const = 0;

  // The key of the nth row (n >= 1) of the range in key order; absent if the range has fewer.
  // Ignores `where`, so that it is answered by the key's index alone. Order and membership are the
  // database's own: whatever its collation says. nth_key(range(lower), n) == upper implies that
  // (lower, upper] has n rows, and consecutive ranges neither overlap nor leave a gap.
  virtual std::optional<Key> nth_key(const ReadSpec& spec, const KeyRange& range,
                                     std::uint64_t n) = 0;
  // The last key in key order; absent if the table is empty.
  virtual std::optional<Key> last_key(const ReadSpec& spec) = 0;
  // Rows whose key is NULL in some part (possible in SQLite): no range holds them, so they must not
  // exist.
  virtual std::uint64_t null_keys(const ReadSpec& spec) = 0;
  virtual std::uint64_t count(const ReadSpec& spec, const KeyRange& range) = 0;  // honours `where`

  // The order that decides which rows a range holds, by a name: kCanonicalOrder where it is that of
  // ReadOrder::canonical, "" where it may be like no other's. Where both sides call it by the same
  // name, a range means the same rows on both.
  virtual std::string range_order(const ReadSpec& spec) = 0;

  // The rows of the range, in one statement and so of one moment.
  virtual std::unique_ptr<RowStream> read(const ReadSpec& spec, const KeyRange& range,
                                          const RowLayout& layout,
                                          ReadOrder order = ReadOrder::any) = 0;

  // --- rows that are reduced where they are

  // Best first; none where this engine cannot, or not for these columns. (canonical_digest.h has
  // the one that several engines share.) Equal values may hash differently where they are spelled
  // differently (JSON, 1.50 and 1.5); of those that differ in any bit, the forms that are hashed
  // differ, too.
  virtual std::vector<DigestForm> digest_forms(const ReadSpec&) { return {}; }
  // In one statement; honours `where`.
  virtual RangeDigest digest(const ReadSpec& spec, const KeyRange& range, const DigestForm& form);

  // --- single rows, by keys as nth_key() and CaptureDialect::decode() give them

  // The rows that have one of these keys now, each once, in one statement and any order. For a key
  // that no row has, or whose row `where` leaves out, there is none.
  virtual std::unique_ptr<RowStream> read_keys(const ReadSpec& spec, std::span<const Key> keys,
                                               const RowLayout& layout) = 0;
  // For each key whether one of the ranges holds it, in the database's own order, as if a row had
  // it.
  virtual std::vector<bool> in_ranges(const ReadSpec& spec, std::span<const Key> keys,
                                      std::span<const KeyRange> ranges) = 0;
  // The layouts in which key_cells() gives keys, best first, as rows that have the key's columns
  // alone. Those between columns of the same type carry every key that there is. "cells" is last
  // and always there.
  virtual std::vector<RowLayout> key_layouts(const ReadSpec&) const { return {cells_layout()}; }
  // Appends a row a key to the batch. In the layout "cells" throws Error(data) for a value that the
  // column's neutral type does not have; the batch is of no use then.
  virtual void key_cells(const ReadSpec& spec, std::span<const Key> keys, const RowLayout& layout,
                         RowBatch& batch) = 0;

  // The keys of rows of cells (layout "cells") that have the key's columns: the way back of
  // key_cells(). Throws Error(data) for a value that no key here can have.
  virtual std::vector<Key> keys_of(const ReadSpec& spec, const RowBatch& batch) = 0;

  virtual AccessPath explain(const ReadSpec& spec) = 0;

  // The row of one key as the session's transaction sees it, sent ahead (Session::send): in place
  // of Session::receive() stands receive_row(), which fills the batch with the row, or gives false
  // where there is none. A row that has no form in the layout (one of layouts()) leaves the batch
  // empty and fails nothing: it is no matter of the transaction that has it read. prepare_read()
  // comes first, while nothing is sent ahead; it looks things up once for a session and table.
  virtual void prepare_read(const ReadSpec&, const RowLayout&) { sent_rows_.clear(); }
  virtual void send_read(const ReadSpec& spec, const Key& key, const RowLayout& layout);
  virtual bool receive_row(RowBatch& batch);

 private:
  std::deque<RowBatch> sent_rows_;
};

// Where rows go. Columns are in the order in which rows carry them, with the target's own types.
struct WriteSpec {
  TableName table;
  std::vector<Column> columns;
  // Decides what "absent" means in LoadMode::merge, and "the row" in replace().
  std::vector<Column> key;
};

enum class LoadMode {
  direct,  // fastest; a row whose key is there already fails the load (duplicate_key)
  // Insert each row whose key is absent, leave the others as they are. Absent by THAT key only: a
  // conflict with another unique key is an error, never swallowed.
  merge,
};

struct LoadCount {
  std::uint64_t inserted = 0;
  std::uint64_t present = 0;  // merge: left alone
};

// Loads rows within the session's open transaction. After an error, and when it is destroyed before
// finish(), what it loaded must be rolled back by the caller (to a savepoint or altogether).
class RowSink {
 public:
  virtual ~RowSink() = default;
  // Takes the rows; the batch may be reused on return. May buffer. Throws Error(data) for values
  // that the target cannot hold.
  virtual void write(const RowBatch& batch) = 0;
  // Flushes, and checks that every row arrived without warning: inserted + present equals the rows
  // written, else Error(data).
  virtual LoadCount finish() = 0;
};

// A table copied by one session that reaches both sides, without the rows passing through this
// process.
class Colocation {
 public:
  virtual ~Colocation() = default;
  // INSERT ... SELECT of the range, in key order, within the target session's open transaction.
  virtual LoadCount copy(const ReadSpec& from, const WriteSpec& to, const KeyRange& range,
                         LoadMode mode) = 0;
  virtual std::string description() const = 0;  // "ATTACH", "one server"
};

class Target {
 public:
  virtual ~Target() = default;
  virtual Session& session() = 0;

  // The layouts that can be loaded into these columns; "cells" is always among them.
  virtual std::vector<RowLayout> layouts(const WriteSpec& spec) const = 0;

  // REQUIRES: session().in_transaction().
  virtual std::unique_ptr<RowSink> load(const WriteSpec& spec, const RowLayout& layout,
                                        LoadMode mode) = 0;

  // Makes the rows with these keys what the sink is given: a row that comes is inserted, or takes
  // the place of the one with its key; a key for which none comes is deleted. Whatever comes has
  // one of the keys. Rows may swap unique values among each other. `keys` are rows of the key's
  // columns in `key_layout`, one a key; a key may be there twice. A row whose key is spelled
  // otherwise than all of them, and yet equal by the table's collation, is left alone. What the
  // sink counts as inserted is the rows that came. write() or finish() throws Error(data,
  // duplicate_key) where a row of no given key holds a unique value that a row needs. REQUIRES:
  // session().in_transaction().
  virtual std::unique_ptr<RowSink> replace(const WriteSpec& spec, const RowBatch& keys,
                                           const RowLayout& key_layout,
                                           const RowLayout& layout) = 0;

  // replace() of one key, by what at most one row of the batch says, sent ahead (Session::send);
  // its result tells nothing. For who writes row by row: no temporary tables, but also no swaps of
  // unique values. prepare_single() comes first, once for a session and table, and outside of a
  // transaction; it throws Error(gate) for a table that cannot be written to in this way.
  virtual void prepare_single(const WriteSpec&) {}
  virtual void send_replace(const WriteSpec& spec, const RowBatch& key, const RowLayout& key_layout,
                            const RowBatch& row, const RowLayout& layout);

  // Encodes rows as load() would and throws what load() would throw for a value that has no form
  // here, but sends nothing: how `migrate plan` scans values.
  virtual std::unique_ptr<RowSink> rehearse(const WriteSpec& spec, const RowLayout& layout) = 0;

  // A way to copy from that source inside one session, or nullptr. Each pair of columns must have
  // the same native type; the caller has checked that.
  virtual std::unique_ptr<Colocation> colocate(Source& source) = 0;
};

// What a column of another engine (or the same) becomes here.
struct MappedColumn {
  Column column;  // native_type and type are this dialect's
  std::vector<std::string>
      notes;            // worth telling the user: "collation utf8mb4_general_ci is not carried"
  std::string refused;  // not empty: there is no safe form, and why
};

// How much of a table one transaction should load, unless the plan says otherwise. The default
// leaves room below the 143 MiB at which MySQL's group replication refuses a transaction
// (group_replication_transaction_size_limit).
struct BulkTransaction {
  std::chrono::milliseconds duration{500};
  std::uint64_t bytes = 64u << 20;
};

// Which texts that differ a column takes for the same key.
enum class Looseness {
  none,
  trailing_spaces,  // 'a' and 'a '
  spellings,        // 'a' and 'A', and others
};

class Dialect {
 public:
  virtual ~Dialect() = default;
  virtual Engine engine() const = 0;

  // What suits this engine as the target.
  virtual BulkTransaction bulk_transaction() const { return {}; }

  // Quoted for SQL. Throws Error(usage) for a NUL byte or an empty name.
  virtual std::string quote(std::string_view identifier) const = 0;
  std::string quote(const TableName& table) const {
    return table.schema.empty() ? quote(table.name) : quote(table.schema) + "." + quote(table.name);
  }
  virtual std::string placeholder(int position) const = 0;  // from 1: "$1" or "?"
  // Behind a SELECT (and a space) in a transaction: locks the rows until its end. "" where begin()
  // has.
  virtual std::string_view row_lock() const = 0;
  // False where one transaction at a time can write (SQLite): more workers than one would only
  // wait.
  virtual bool concurrent_writers() const { return true; }
  // True where foreign keys that the target has already are enforced while rows are loaded
  // (PostgreSQL): parents must then be copied before their children.
  virtual bool enforces_foreign_keys() const { return false; }
  // False where load() keeps the table's triggers from running (SQLite).
  virtual bool fires_triggers() const { return true; }
  // Of a text column that is part of a key, by its collation.
  virtual Looseness looseness(const Column&) const { return Looseness::none; }
  // The server's clock, as an expression: milliseconds since 1970.
  virtual std::string_view now_ms() const = 0;

  // How an application's transaction excludes that the authority over its data moves while it is
  // open, and how the move waits for all that are. Either: a statement that runs first ("": none),
  // and what stands behind the SELECT of the row that says who may write.
  struct FenceLock {
    std::string statement, suffix;
  };
  // `any_isolation`: the transaction may be of a stricter isolation than READ COMMITTED.
  virtual FenceLock shared_fence(std::string_view /*name*/, bool /*any_isolation*/) const {
    return {};
  }
  virtual FenceLock exclusive_fence(std::string_view /*name*/) const {
    return {"", std::string(row_lock())};
  }

  // Statements with placeholders, and which of the values given each is to be bound to, in order.
  struct BoundSql {
    std::string sql;
    std::vector<std::size_t> parameters;
  };
  // Makes the row with this key what it is said to be, whether it is there or not, and no other
  // row: where another one holds a unique value that it needs, that is an error. `key`: positions
  // in `columns`. Statements are run in this order; those behind the first need not be where the
  // one before has affected a row.
  virtual std::vector<BoundSql> upsert(const TableName& table,
                                       const std::vector<std::string>& columns,
                                       const std::vector<std::size_t>& key) const;
  // For a table of migrator's own, whose only unique key is its first `key_columns` columns:
  // inserts the row, or raises the other columns of the one that is there; unless these, compared
  // one after the other, already are as high or higher. In the form of Session::send_check().
  virtual std::string own_raise(std::string_view table, const std::vector<std::string>& columns,
                                std::size_t key_columns) const;

  // Types for migrator's own tables: a short text that can be a key, compared byte by byte; a text
  // of any length; a 64-bit integer.
  virtual std::string_view own_key_type() const = 0;
  virtual std::string_view own_text_type() const = 0;
  virtual std::string_view own_integer_type() const = 0;
  // Behind the closing bracket of their CREATE TABLE: what makes them take part in transactions.
  virtual std::string_view own_table_options() const { return ""; }
  // Whether a table's rows go back with a transaction that is rolled back: always, but in some of
  // MySQL's storage engines.
  virtual bool transactional(const TableSchema&) const { return true; }

  // The column here for a column of `from`. With the same engine, type, default, collation,
  // identity and generation are carried verbatim; across engines per the table in docs of types
  // (README of adapters).
  virtual MappedColumn map_column(const Column& column, Engine from) const = 0;
  // The neutral type of a native type as written in a plan ("numeric(12,2)"). Throws Error(usage)
  // if this engine does not know it.
  virtual Column column_of_type(std::string_view name, std::string_view native_type) const = 0;

  // DDL, each a complete statement. create_table makes columns, primary key, checks and generated
  // columns; no secondary index and no foreign key, except where the engine cannot add them later
  // (SQLite's foreign keys). Sequence: create_table, rows, create_index*, add_foreign_key*,
  // after_load*.
  virtual std::vector<std::string> create_table(const TableSchema& table) const = 0;
  virtual std::string create_index(const TableSchema& table, const Index& index) const = 0;
  // "" where create_table has made it.
  virtual std::string add_foreign_key(const TableSchema& table, const ForeignKey& key) const = 0;
  // What the target needs once the rows are in: identity and sequence values past the highest,
  // ANALYZE.
  virtual std::vector<std::string> after_load(const TableSchema& table) const = 0;

  // How changes of its tables are captured.
  virtual const CaptureDialect& capture() const = 0;
};

class Adapter {
 public:
  virtual ~Adapter() = default;
  virtual const Dialect& dialect() const = 0;
  virtual std::unique_ptr<Source> open_source(const Url& url,
                                              const SessionOptions& options) const = 0;
  virtual std::unique_ptr<Target> open_target(const Url& url,
                                              const SessionOptions& options) const = 0;
};

// The adapter of an engine. Lives as long as the process. (backends.cc: the only list of engines.)
const Adapter& adapter_for(Engine engine);

}  // namespace migrator
