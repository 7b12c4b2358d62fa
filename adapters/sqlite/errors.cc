#include "adapters/sqlite/errors.h"

#include <fmt/format.h>
#include <sqlite3.h>

namespace migrator::sqlite {
namespace {

struct Rule {
  int code;  // extended, or primary for all of its extended codes; the first match counts
  ErrorKind kind;
  bool duplicate_key;
  const char* remedy;
};

constexpr const char* kBusyRemedy =
    "another process holds the database's lock: let it finish, or raise the lock timeout";
constexpr const char* kValueRemedy =
    "look at the row in the source, then correct it there or relax the target's column";
constexpr const char* kCorruptRemedy =
    "run `PRAGMA integrity_check` on the file, and restore it or rebuild it with `.recover`";
constexpr const char* kDiskRemedy = "check the disk and the file system under the database file";

// Extended codes stand before the primary code that they belong to.
constexpr Rule kRules[] = {
    {SQLITE_CONSTRAINT_UNIQUE, ErrorKind::data, true,
     "the target holds a row with this key already, or the source has it twice"},
    {SQLITE_CONSTRAINT_PRIMARYKEY, ErrorKind::data, true,
     "the target holds a row with this key already, or the source has it twice"},
    {SQLITE_CONSTRAINT_ROWID, ErrorKind::data, true,
     "the target holds a row with this key already, or the source has it twice"},
    {SQLITE_CONSTRAINT, ErrorKind::data, false, kValueRemedy},
    {SQLITE_MISMATCH, ErrorKind::data, false, kValueRemedy},
    {SQLITE_TOOBIG, ErrorKind::data, false,
     "the row is larger than SQLite's limit of 1'000'000'000 bytes"},
    {SQLITE_BUSY, ErrorKind::transient, false, kBusyRemedy},
    {SQLITE_LOCKED, ErrorKind::transient, false, kBusyRemedy},
    {SQLITE_PROTOCOL, ErrorKind::transient, false, kBusyRemedy},
    {SQLITE_SCHEMA, ErrorKind::transient, false,
     "the schema is being changed by another process: let it finish"},
    {SQLITE_ABORT_ROLLBACK, ErrorKind::transient, false, nullptr},
    {SQLITE_ABORT, ErrorKind::cancelled, false, nullptr},
    {SQLITE_INTERRUPT, ErrorKind::cancelled, false, nullptr},
    {SQLITE_FULL, ErrorKind::permanent, false,
     "free space on the disk of the database file (or raise max_page_count), then run it again"},
    {SQLITE_READONLY, ErrorKind::permanent, false,
     "give this user write permission on the database file and on its folder, and leave out "
     "mode=ro"},
    {SQLITE_CANTOPEN, ErrorKind::permanent, false,
     "check the path, and this user's permission on the file and on its folder"},
    {SQLITE_PERM, ErrorKind::permanent, false, "check this user's permission on the file"},
    {SQLITE_AUTH, ErrorKind::permanent, false, "check this user's permission on the file"},
    {SQLITE_CORRUPT, ErrorKind::permanent, false, kCorruptRemedy},
    {SQLITE_NOTADB, ErrorKind::permanent, false,
     "name a file that is a SQLite database (an encrypted one cannot be read)"},
    {SQLITE_IOERR_NOMEM, ErrorKind::transient, false, "free some memory"},
    {SQLITE_IOERR_LOCK, ErrorKind::transient, false, kDiskRemedy},
    {SQLITE_IOERR_BLOCKED, ErrorKind::transient, false, kDiskRemedy},
    {SQLITE_IOERR, ErrorKind::permanent, false, kDiskRemedy},
    {SQLITE_NOMEM, ErrorKind::transient, false, "free some memory"},
    {SQLITE_NOLFS, ErrorKind::permanent, false, kDiskRemedy},
    {SQLITE_MISUSE, ErrorKind::invariant, false, nullptr},
    {SQLITE_RANGE, ErrorKind::invariant, false, nullptr},
    {SQLITE_INTERNAL, ErrorKind::invariant, false, nullptr},
    // SQLITE_ERROR: no such table, a syntax error, an overflow in an expression.
    {SQLITE_ERROR, ErrorKind::permanent, false,
     "check that the tables and columns that the plan names are there"},
};

}  // namespace

Error classify(int extended_code, std::string_view doing, std::string_view message) {
  Error error(ErrorKind::permanent, fmt::format("{}: {}", doing, message));
  error.code(std::to_string(extended_code));
  for (const Rule& rule : kRules) {
    if (rule.code != extended_code && rule.code != (extended_code & 0xff)) continue;
    Error found(rule.kind, fmt::format("{}: {}", doing, message));
    found.code(std::to_string(extended_code)).duplicate_key(rule.duplicate_key);
    if (rule.remedy != nullptr) found.remedy(rule.remedy);
    return found;
  }
  return error;
}

}  // namespace migrator::sqlite
