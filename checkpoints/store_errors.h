// What SQLite's and the system's errors mean for a checkpoint, and what the user should do about
// them.
//
// Threads: plain functions. None of them puts a row's value into a message: SQLite's own messages
// name tables and columns only, and every value is bound.
#pragma once

#include <string>
#include <string_view>

#include <sqlite3.h>

#include "migrator/include/migrator/error.h"

namespace migrator::checkpoint {

// Throws the Error for the last failure on this connection: permanent for a full disk, a damaged
// file and missing rights, transient for a lock that was not given up in time, invariant for a
// broken constraint. `path` names the file in the message; "" asks the connection.
[[noreturn]] void throw_store_error(sqlite3* db, const std::string& path = "");

// Error(permanent) for a file that SQLite cannot make sense of. `detail` is SQLite's finding.
[[noreturn]] void throw_damaged(const std::string& path, std::string_view detail,
                                std::string_view code);

// Error(permanent) for a failed system call, by errno: "cannot open /a/b: Permission denied".
[[noreturn]] void throw_system_error(std::string_view doing, const std::string& path,
                                     int error_number);

}  // namespace migrator::checkpoint
