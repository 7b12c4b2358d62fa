// The lock that makes a plan one process's: an advisory lock on `<checkpoint>.lock`.
//
// A file of its own, and not a range of the database file: the lock is taken before the database
// exists, it holds while a copy is put back in the database's place, and it stays clear of SQLite's
// own locks, which a process loses as soon as it closes any descriptor of that file.
//
// An open file description lock (fcntl F_OFD_SETLK), because it dies with the process however it
// ends, excludes a second opener within the same process as well, and can be looked at
// (F_OFD_GETLK) without being taken, so that asking who runs the plan never makes somebody else's
// start fail. The file is empty and stays behind: removing it could take the lock from under a
// process that has just opened it.
//
// Threads: immutable once taken.
#pragma once

#include <optional>
#include <string>
#include <utility>

#include "checkpoints/file_descriptor.h"

namespace migrator::checkpoint {

class OwnerLock {
 public:
  // Absent if somebody holds it. Does not wait. Throws Error(permanent) when the file cannot be
  // made.
  static std::optional<OwnerLock> try_take(const std::string& resolved_path);
  static bool held_by_someone(const std::string& resolved_path);

 private:
  explicit OwnerLock(FileDescriptor descriptor) : descriptor_(std::move(descriptor)) {}
  FileDescriptor descriptor_;
};

}  // namespace migrator::checkpoint
