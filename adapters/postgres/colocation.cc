// Copying between two tables of one database inside the target's session.
#include <random>

#include "adapters/postgres/dialect.h"
#include "adapters/postgres/keys.h"
#include "adapters/postgres/source.h"
#include "adapters/postgres/stage.h"
#include "adapters/postgres/target.h"
#include "adapters/postgres/types.h"

namespace migrator::postgres {
namespace {

// An advisory lock with a random number, taken by one session and seen by the other, proves that
// both are of one server and one database, through whatever names and addresses they were reached;
// pg_locks is readable by all. 62 random bits: it stays positive in SQL.
bool same_database(PgSession& source, PgSession& target) {
  std::random_device random;
  const std::int64_t number =
      static_cast<std::int64_t>((static_cast<std::uint64_t>(random()) << 32 | random()) >> 2);
  const std::vector<Value> key{number};
  try {
    source.query("SELECT pg_advisory_lock($1::bigint)", key);
  } catch (const Error& error) {
    if (error.scope() == ErrorScope::session) throw;
    return false;  // a server that has no such locks, or none for this user: nothing is proven
  }
  bool seen = false;
  try {
    // objsubid 1 marks a lock with one 64-bit number, in two halves.
    const Result found = target.query(
        "SELECT EXISTS (SELECT FROM pg_locks WHERE locktype = 'advisory' AND granted AND objsubid "
        "= 1"
        " AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
        " AND (classid::bigint << 32 | objid::bigint) = $1::bigint)",
        key);
    seen = as_integer(found.rows.at(0).at(0)) != 0;
  } catch (...) {
    source.query("SELECT pg_advisory_unlock($1::bigint)", key);
    throw;
  }
  source.query("SELECT pg_advisory_unlock($1::bigint)", key);
  return seen;
}

std::string one_text(PgSession& session, const std::string& sql) {
  const Result result = session.query(sql);
  const Value& value = result.rows.at(0).at(0);
  return is_null(value) ? "" : as_text(value);
}

class SameDatabase : public Colocation {
 public:
  SameDatabase(PgSession& source, PgSession& target)
      : source_(source),
        target_(target),
        source_path_(one_text(source, "SELECT current_setting('search_path')")),
        target_path_(one_text(target, "SELECT current_setting('search_path')")) {}

  LoadCount copy(const ReadSpec& from, const WriteSpec& to, const KeyRange& range,
                 LoadMode mode) override {
    if (!target_.in_transaction()) {
      throw Error(ErrorKind::invariant, "rows are loaded in a transaction only");
    }
    // By the session that the name belongs to; from then on with its schema.
    ReadSpec read = from;
    WriteSpec write = to;
    const PgSession::Table source_table = source_.table(from.table);
    target_.forget_tables();
    const PgSession::Table target_table = target_.table(to.table);
    if (source_table.oid == target_table.oid) {
      throw Error(ErrorKind::permanent, "source and target are the same table, \"" +
                                            source_table.schema + "." + source_table.name + "\"")
          .table(to.table.text())
          .remedy("give the target another database, schema or table name");
    }
    read.table = {source_table.schema, source_table.name};
    write.table = {target_table.schema, target_table.name};
    const std::string rows = column_list(read.columns) + from_clause(source_table, read.table) +
                             where_clause(target_.connection(), read, range, true);
    if (range.lower || range.upper) target_.execute("SET LOCAL enable_seqscan = off");
    if (mode == LoadMode::merge) return merge(read, write, rows);
    return insert(read, write, rows);
  }

  std::string description() const override { return "one server"; }

 private:
  LoadCount merge(const ReadSpec& read, const WriteSpec& write, const std::string& rows) {
    Stage stage(target_, write);
    const Result staged = as_source(read, "INSERT INTO " + Stage::table() + " (" +
                                              column_list(write.columns) + ") SELECT " + rows);
    return stage.merge(staged.affected);
  }

  LoadCount insert(const ReadSpec& read, const WriteSpec& write, const std::string& rows) {
    const std::string into = "INSERT INTO " + dialect().quote(write.table) + " (" +
                             column_list(write.columns) + ") OVERRIDING SYSTEM VALUE ";
    const std::string order = order_clause(target_.connection(), read.key, ReadOrder::any);
    LoadCount count;
    if (!may_drop_rows(write.table)) {
      count.inserted = as_source(read, into + "SELECT " + rows + order).affected;
      return count;
    }
    // What was read is counted too, and compared.
    const Result both = as_source(
        read, "WITH source_rows AS MATERIALIZED (SELECT " + rows + order + "), made AS (" + into +
                  "SELECT * FROM source_rows RETURNING 1)"
                  " SELECT (SELECT count(*) FROM source_rows), (SELECT count(*) FROM made)");
    count.inserted = static_cast<std::uint64_t>(as_integer(both.rows.at(0).at(1)));
    if (both.rows.at(0).at(0) != both.rows.at(0).at(1)) {
      throw Error(ErrorKind::data, "not every row that was read arrived in the table")
          .table(write.table.text())
          .remedy("a trigger of the target throws rows away: disable it for the load");
    }
    return count;
  }

  // A BEFORE trigger may return nothing, a rule may do something else.
  bool may_drop_rows(const TableName& table) {
    const std::vector<Value> name{dialect().quote(table)};
    const Result found = target_.query(
        "SELECT EXISTS (SELECT FROM pg_trigger WHERE tgrelid = to_regclass($1::text)"
        " AND NOT tgisinternal AND (tgtype & 7) = 7 AND tgenabled <> 'D')"
        " OR EXISTS (SELECT FROM pg_class WHERE oid = to_regclass($1::text)"
        " AND (relhasrules OR relkind = 'p'))",
        name);
    return as_integer(found.rows.at(0).at(0)) != 0;
  }

  // The plan's condition, and the types that bounds are cast to, mean what they mean to the source.
  Result as_source(const ReadSpec& read, const std::string& sql) {
    bool own_names = !read.where.empty();
    for (const Column& column : read.key) {
      own_names = own_names || !parse_native_type(column.native_type);
    }
    if (!own_names || source_path_ == target_path_) return target_.query(sql);
    set_path(source_path_);
    Result result = target_.query(sql);
    set_path(target_path_);
    return result;
  }
  void set_path(const std::string& path) {
    const std::vector<Value> value{path};
    target_.query("SELECT set_config('search_path', $1::text, true)", value);
  }

  PgSession& source_;
  PgSession& target_;
  const std::string source_path_, target_path_;
};

}  // namespace

std::unique_ptr<Colocation> make_colocation(PgSession& source, PgSession& target) {
  if (one_text(source, "SELECT current_user::text") !=
      one_text(target, "SELECT current_user::text")) {
    return nullptr;  // it might not be allowed to read, or be shown other rows
  }
  if (!same_database(source, target)) return nullptr;
  return std::make_unique<SameDatabase>(source, target);
}

}  // namespace migrator::postgres
