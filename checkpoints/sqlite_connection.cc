#include "checkpoints/sqlite_connection.h"

#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <utility>

#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

namespace migrator::checkpoint {
namespace {

// The longest that anything of ours holds the write lock is a schema migration of a big file or a
// checkpoint of the log on a slow disk: seconds. Beyond that it is a forgotten shell.
constexpr int kBusyTimeoutMs = 10'000;

// As a URI, in which only these need no escape.
std::string immutable_uri(const std::string& path) {
  std::string uri = "file://";
  for (const char c : path) {
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                       c == '/' || c == '.' || c == '-' || c == '_';
    if (plain) {
      uri += c;
    } else {
      uri += fmt::format("%{:02X}", static_cast<unsigned char>(c));
    }
  }
  return uri + "?immutable=1";
}

bool has_content(const std::string& path) {
  struct stat status;
  return ::stat(path.c_str(), &status) == 0 && status.st_size > 0;
}

}  // namespace

Connection::Connection(std::string path, OpenMode mode) : path_(std::move(path)) {
  if (mode == OpenMode::read_only) {
    open_read_only();
  } else {
    open(path_, SQLITE_OPEN_READWRITE);
    // The first access: tells a file that is no database at all.
    integer("SELECT count(*) FROM sqlite_schema");
  }
}

void Connection::open(const std::string& name, int flags) {
  statements_.clear();
  db_.reset();
  sqlite3* db = nullptr;
  const int code = sqlite3_open_v2(
      name.c_str(), &db, flags | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_NOFOLLOW | SQLITE_OPEN_EXRESCODE,
      nullptr);
  db_.reset(db);
  if (db == nullptr) throw_system_error("open", path_, ENOMEM);
  if (code != SQLITE_OK) throw_store_error(db, path_);
  sqlite3_busy_timeout(db, kBusyTimeoutMs);
  // The file is outside input: what it says must not make SQLite run anything, and a damaged page
  // is to be noticed when it is read.
  sqlite3_db_config(db, SQLITE_DBCONFIG_DEFENSIVE, 1, nullptr);
  sqlite3_db_config(db, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, nullptr);
  sqlite3_db_config(db, SQLITE_DBCONFIG_ENABLE_FKEY, 1, nullptr);
  // NORMAL: a commit waits for no disk. That is enough wherever the store only follows the target;
  // the calls that the target could not make good again ask for Durability::power_loss.
  execute("PRAGMA cell_size_check = ON; PRAGMA synchronous = NORMAL");
  durability_ = Durability::process_kill;
}

// Reading a write-ahead log takes an index of it in shared memory, the -shm file, which a reader
// that comes first must make. Where that cannot be, the file can still be read if its log is empty
// and nobody can be writing.
void Connection::open_read_only() {
  try {
    open(path_, SQLITE_OPEN_READONLY);
    integer("SELECT count(*) FROM sqlite_schema");
    return;
  } catch (const Error& error) {
    const int code = std::atoi(error.code().c_str()) & 0xff;
    if (code != SQLITE_CANTOPEN && code != SQLITE_READONLY) throw;
    const std::filesystem::path file = path_;
    if (::access(file.c_str(), R_OK) != 0) throw;
    if (::access(file.parent_path().c_str(), W_OK) == 0) throw;
    if (errno != EROFS || has_content(path_ + "-wal")) {
      throw Error(ErrorKind::permanent,
                  fmt::format("cannot read {}: its folder cannot be written, and reading its log "
                              "takes a file {}-shm beside it",
                              path_, file.filename().string()))
          .remedy(fmt::format("copy {0} and {0}-wal to a folder that you can write, and read the "
                              "copy there; or make the folder writable",
                              path_))
          .code(error.code());
    }
  }
  open(immutable_uri(path_), SQLITE_OPEN_READONLY | SQLITE_OPEN_URI);
  integer("SELECT count(*) FROM sqlite_schema");
}

void Connection::use_write_ahead_log() {
  const std::string mode = text("PRAGMA journal_mode = WAL");
  if (mode != "wal") {
    throw Error(ErrorKind::permanent,
                fmt::format("{} cannot keep a write-ahead log (journal mode is {})", path_, mode))
        .remedy("put the checkpoint on a local file system");
  }
  // A log that a long reader once made grow is cut down again; four times what a checkpoint starts
  // at.
  execute("PRAGMA journal_size_limit = 16777216");
}

void Connection::execute(const char* sql) {
  if (sqlite3_exec(db_.get(), sql, nullptr, nullptr, nullptr) != SQLITE_OK) {
    throw_store_error(db_.get(), path_);
  }
}

std::int64_t Connection::integer(std::string_view sql) {
  Statement statement(handle(), sql);
  auto run = statement.run();
  return run.row() ? run.integer(0) : 0;
}

std::string Connection::text(std::string_view sql) {
  Statement statement(handle(), sql);
  auto run = statement.run();
  return run.row() ? run.text(0) : std::string();
}

Statement& Connection::prepared(std::string_view sql) {
  auto& statement = statements_[sql];
  if (!statement) statement = std::make_unique<Statement>(handle(), sql);
  return *statement;
}

void Connection::set_durability(Durability durability) {
  if (durability == durability_) return;
  execute(durability == Durability::power_loss ? "PRAGMA synchronous = FULL"
                                               : "PRAGMA synchronous = NORMAL");
  durability_ = durability;
}

bool Connection::moved() const {
  int moved = 0;
  return sqlite3_file_control(handle(), "main", SQLITE_FCNTL_HAS_MOVED, &moved) == SQLITE_OK &&
         moved != 0;
}

Transaction::Transaction(Connection& connection, Kind kind) : connection_(connection) {
  if (kind == Kind::write) {
    connection_.prepared("BEGIN IMMEDIATE").execute();
  } else {
    connection_.prepared("BEGIN").execute();
  }
}

Transaction::~Transaction() {
  // After a full disk or an I/O error SQLite may have rolled back by itself.
  if (open_ && sqlite3_get_autocommit(connection_.handle()) == 0) {
    sqlite3_exec(connection_.handle(), "ROLLBACK", nullptr, nullptr, nullptr);
  }
}

void Transaction::commit() {
  connection_.prepared("COMMIT").execute();
  open_ = false;
}

}  // namespace migrator::checkpoint
