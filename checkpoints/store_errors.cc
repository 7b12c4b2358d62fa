#include "checkpoints/store_errors.h"

#include <cerrno>
#include <cstring>
#include <utility>

#include <fmt/format.h>

namespace migrator::checkpoint {
namespace {

constexpr char kFreeSpace[] =
    "free space for it, or move the file with its -wal beside it to another disk and correct "
    "`checkpoint:` in the plan; then run the same command again, it goes on where it stopped";

// RLIMIT_FSIZE and quotas end in a plain I/O error for SQLite, which knows ENOSPC only.
bool means_no_space(int error_number) {
  return error_number == ENOSPC || error_number == EDQUOT || error_number == EFBIG;
}

Error no_space(const std::string& path, std::string_view detail) {
  return Error(ErrorKind::permanent, fmt::format("no space left to write {}: {}", path, detail))
      .remedy(kFreeSpace);
}

Error no_rights(const std::string& path, std::string_view detail) {
  return Error(ErrorKind::permanent, fmt::format("cannot open or write {}: {}", path, detail))
      .remedy(
          "run as the user who owns the file, and see that its folder can be written: SQLite "
          "keeps a -wal and a -shm file beside it");
}

int last_errno(sqlite3_file* file) {
  int number = 0;
  if (file != nullptr && file->pMethods != nullptr) {
    file->pMethods->xFileControl(file, SQLITE_FCNTL_LAST_ERRNO, &number);
  }
  return number;
}

// The system's error behind an I/O error. SQLite's own notion of it is overwritten by whatever it
// does to clean up, so the files are asked first: the log, where writes go, then the database.
int system_error_of(sqlite3* db) {
  for (const int which : {SQLITE_FCNTL_JOURNAL_POINTER, SQLITE_FCNTL_FILE_POINTER}) {
    sqlite3_file* file = nullptr;
    if (sqlite3_file_control(db, "main", which, &file) != SQLITE_OK) continue;
    if (const int number = last_errno(file); number != 0) return number;
  }
  return sqlite3_system_errno(db);
}

Error classify(sqlite3* db, const std::string& path) {
  const int code = sqlite3_extended_errcode(db);
  const int system_error =
      (code & 0xff) == SQLITE_IOERR || (code & 0xff) == SQLITE_CANTOPEN ? system_error_of(db) : 0;
  std::string detail = sqlite3_errmsg(db);
  switch (code & 0xff) {
    case SQLITE_FULL:
      return no_space(path, detail);
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
      return Error(ErrorKind::transient, fmt::format("{} is locked by another program", path))
          .remedy("end the program that has it open in a transaction, such as an SQLite shell");
    case SQLITE_CONSTRAINT:
      return Error(ErrorKind::invariant, fmt::format("{} refused a change: {}", path, detail))
          .remedy("keep the file and report this");
    case SQLITE_READONLY:
      if (code == SQLITE_READONLY_DBMOVED) {
        return Error(ErrorKind::permanent,
                     fmt::format("{} was moved or deleted while in use", path))
            .remedy("put it back if you can, and start the command again");
      }
      return no_rights(path, detail);
    case SQLITE_CANTOPEN:
    case SQLITE_PERM:
    case SQLITE_AUTH:
      if (means_no_space(system_error)) return no_space(path, std::strerror(system_error));
      if (system_error != 0) detail += fmt::format(" ({})", std::strerror(system_error));
      return no_rights(path, detail);
    case SQLITE_IOERR:
      if (means_no_space(system_error)) return no_space(path, std::strerror(system_error));
      if (system_error != 0) detail += fmt::format(" ({})", std::strerror(system_error));
      return Error(ErrorKind::permanent, fmt::format("cannot read or write {}: {}", path, detail))
          .remedy(
              "check the disk and its file system; a local disk is needed, a network file system "
              "has not the shared memory that the file's log wants");
    case SQLITE_NOMEM:
      return Error(ErrorKind::permanent, fmt::format("out of memory at {}", path))
          .remedy("give the process more memory and run the command again");
    default:
      return Error(ErrorKind::invariant,
                   fmt::format("unexpected SQLite error {} at {}: {}", code, path, detail))
          .remedy("keep the file and report this");
  }
}

}  // namespace

void throw_damaged(const std::string& path, std::string_view detail, std::string_view code) {
  throw Error(ErrorKind::permanent,
              fmt::format("{} is damaged or not a checkpoint: {}", path, detail))
      .remedy(
          "keep the file for inspection, and either put its newest copy back (the fences on the "
          "target refuse one that is too old), or name another `checkpoint:` in the plan to start "
          "anew: the target then decides what is still to be copied")
      .code(std::string(code));
}

void throw_store_error(sqlite3* db, const std::string& path) {
  std::string file = path;
  if (file.empty()) {
    const char* name = sqlite3_db_filename(db, "main");
    file = name != nullptr && *name != '\0' ? name : "the checkpoint";
  }
  const int code = sqlite3_extended_errcode(db);
  if ((code & 0xff) == SQLITE_CORRUPT || (code & 0xff) == SQLITE_NOTADB) {
    throw_damaged(file, sqlite3_errmsg(db), std::to_string(code));
  }
  throw classify(db, file).code(std::to_string(code));
}

void throw_system_error(std::string_view doing, const std::string& path, int error_number) {
  if (means_no_space(error_number)) {
    throw no_space(path, std::strerror(error_number)).code(std::to_string(error_number));
  }
  Error error(ErrorKind::permanent,
              fmt::format("cannot {} {}: {}", doing, path, std::strerror(error_number)));
  switch (error_number) {
    case ENOENT:
    case ENOTDIR:
      error.remedy("make the folder, or correct `checkpoint:` in the plan");
      break;
    case EROFS:
      error.remedy("the file system is read-only: name a `checkpoint:` on one that can be written");
      break;
    case EACCES:
    case EPERM:
      error.remedy("run as the user who owns the file and may write its folder");
      break;
    default:
      error.remedy("check the disk and the limits of this user, then run the command again");
  }
  throw std::move(error).code(std::to_string(error_number));
}

}  // namespace migrator::checkpoint
