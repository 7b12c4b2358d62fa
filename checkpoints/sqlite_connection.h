// One connection to a checkpoint file, with its settings, its statements and its transactions.
//
// Threads: one at a time; the store's mutex sees to that. Errors: those of throw_store_error().
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>

#include <sqlite3.h>

#include "checkpoints/sqlite_statement.h"

namespace migrator::checkpoint {

enum class OpenMode { read_write, read_only };

// What a commit survives once it has returned. The first costs a write to the system's cache, the
// second waits for the disk.
enum class Durability { process_kill, power_loss };

class Connection {
 public:
  // Opens an existing file. It is not changed by that, whatever it is: the caller must identify it
  // (schema_migrations.h) before use_write_ahead_log() and before it writes.
  Connection(std::string path, OpenMode mode);
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  const std::string& path() const { return path_; }
  sqlite3* handle() const { return db_.get(); }

  // Readers do not block the writer then, nor the writer them, and a commit needs no fsync.
  void use_write_ahead_log();

  // For statements without parameters, of whatever number; rows are dropped.
  void execute(const char* sql);
  std::int64_t integer(std::string_view sql);  // the first cell; 0 for none
  std::string text(std::string_view sql);

  // The statement, prepared at its first use. REQUIRES: `sql` is a literal.
  Statement& prepared(std::string_view sql);

  // Applies to the transactions that begin from now on.
  void set_durability(Durability durability);

  // True once the file's name belongs to another file, or to none: what is written is lost then.
  bool moved() const;

 private:
  struct Close {
    // _v2: a Statement that outlives this by mistake leaks instead of crashing.
    void operator()(sqlite3* db) const { sqlite3_close_v2(db); }
  };
  void open(const std::string& name, int flags);
  void open_read_only();

  std::string path_;
  std::unique_ptr<sqlite3, Close> db_;
  std::unordered_map<std::string_view, std::unique_ptr<Statement>> statements_;
  Durability durability_ = Durability::process_kill;
};

// Rolled back unless committed.
class Transaction {
 public:
  enum class Kind { read, write };
  // A write transaction waits here for another writer, up to the busy timeout, and never later.
  Transaction(Connection& connection, Kind kind);
  ~Transaction();
  Transaction(const Transaction&) = delete;
  Transaction& operator=(const Transaction&) = delete;
  void commit();

 private:
  Connection& connection_;
  bool open_ = true;
};

}  // namespace migrator::checkpoint
