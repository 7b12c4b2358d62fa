// The checkpoint as a file: where it really lies, whether it can be trusted, and how it comes to
// be.
//
// None of this opens the file itself: closing any descriptor of a database file drops the POSIX
// locks that SQLite holds on it in the same process. Threads: plain functions.
#pragma once

#include <string>

namespace migrator::checkpoint {

// The path with every symbolic link resolved, so that the lock and SQLite's own files have one name
// however the plan spells it. The file itself need not exist, its folder must. Throws
// Error(permanent), also for a link that somebody else (and not root) owns: they could point it
// elsewhere at any time.
std::string resolve_store_path(const std::string& path);

bool store_file_exists(const std::string& resolved_path);

// Throws Error(permanent) unless the file is regular, has one name, and is owned and writable by
// nobody but this user or root: whoever can write it decides which rows count as copied.
void check_store_file(const std::string& resolved_path);

// Makes an empty store of the current version, mode 0600. It appears under its name complete and on
// the disk, or not at all. REQUIRES: the plan's OwnerLock is held, and the file does not exist.
void create_store_file(const std::string& resolved_path);

}  // namespace migrator::checkpoint
