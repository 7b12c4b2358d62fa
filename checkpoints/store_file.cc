#include "checkpoints/store_file.h"

#include <cerrno>
#include <cstdio>
#include <filesystem>
#include <system_error>

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include "checkpoints/file_descriptor.h"
#include "checkpoints/schema_migrations.h"
#include "checkpoints/sqlite_connection.h"
#include "checkpoints/store_errors.h"

namespace migrator::checkpoint {
namespace {

namespace fs = std::filesystem;

Error unsafe(const std::string& path, const std::string& why, const std::string& remedy) {
  return Error(ErrorKind::permanent,
               fmt::format("refusing to use the checkpoint {}: {}", path, why))
      .remedy(remedy);
}

bool mine_or_roots(uid_t owner) { return owner == ::geteuid() || owner == 0; }

void sync_folder_of(const std::string& path) {
  const std::string folder = fs::path(path).parent_path();
  FileDescriptor descriptor(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  // Some file systems have no fsync for folders (EINVAL); they keep names in order by themselves.
  if (!descriptor || (::fsync(descriptor.get()) != 0 && errno != EINVAL)) {
    throw_system_error("save the folder", folder, errno);
  }
}

// A new store in the making, under another name until it is complete.
class Draft {
 public:
  explicit Draft(std::string path) : path_(std::move(path)) {
    remove();  // what a crash may have left
    FileDescriptor descriptor(
        ::open(path_.c_str(), O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600));
    if (!descriptor) throw_system_error("create", path_, errno);
    // SQLite gives its -wal and -shm files the mode of the database.
    if (::fchmod(descriptor.get(), 0600) != 0) throw_system_error("protect", path_, errno);
  }
  ~Draft() { remove(); }
  Draft(const Draft&) = delete;
  Draft& operator=(const Draft&) = delete;
  const std::string& path() const { return path_; }
  void rename_to(const std::string& path) {
    if (::renameat2(AT_FDCWD, path_.c_str(), AT_FDCWD, path.c_str(), RENAME_NOREPLACE) == 0) return;
    // File systems that do not know the flag; the plan's lock keeps others like us away.
    const bool unknown = errno == EINVAL || errno == ENOSYS;
    if (!unknown || ::rename(path_.c_str(), path.c_str()) != 0) {
      throw_system_error("create", path, errno);
    }
  }

 private:
  void remove() {
    for (const char* suffix : {"", "-wal", "-shm", "-journal"}) ::unlink((path_ + suffix).c_str());
  }
  std::string path_;
};

}  // namespace

std::string resolve_store_path(const std::string& path) {
  if (path.empty() || path.find('\0') != std::string::npos) {
    throw Error(ErrorKind::usage, "the checkpoint has no usable path")
        .remedy("give `checkpoint:` in the plan the path of a file");
  }
  struct stat link;
  if (::lstat(path.c_str(), &link) == 0) {
    if (S_ISLNK(link.st_mode) && !mine_or_roots(link.st_uid)) {
      throw unsafe(path, fmt::format("it is a symbolic link of user {}", link.st_uid),
                   "name the file itself in the plan's `checkpoint:`");
    }
    std::error_code error;
    const fs::path resolved = fs::canonical(path, error);
    if (error) throw_system_error("follow the link", path, error.value());
    return resolved;
  }
  if (errno != ENOENT) throw_system_error("open", path, errno);
  std::error_code error;
  const fs::path folder = fs::canonical(fs::absolute(path).parent_path(), error);
  if (error) throw_system_error("open", path, error.value());
  return folder / fs::path(path).filename();
}

bool store_file_exists(const std::string& resolved_path) {
  struct stat status;
  if (::lstat(resolved_path.c_str(), &status) == 0) return true;
  if (errno != ENOENT) throw_system_error("open", resolved_path, errno);
  return false;
}

void check_store_file(const std::string& resolved_path) {
  struct stat status;
  if (::lstat(resolved_path.c_str(), &status) != 0) {
    throw_system_error("open", resolved_path, errno);
  }
  if (!S_ISREG(status.st_mode)) {
    throw unsafe(resolved_path, "it is not a regular file",
                 "name another `checkpoint:` in the plan");
  }
  if ((status.st_mode & (S_IWGRP | S_IWOTH)) != 0) {
    throw unsafe(resolved_path,
                 fmt::format("others than its owner can write it (mode {:04o})",
                             static_cast<unsigned>(status.st_mode & 07777)),
                 "if nobody has changed it, run: chmod 600 " + resolved_path);
  }
  if (!mine_or_roots(status.st_uid)) {
    throw unsafe(resolved_path, fmt::format("it belongs to user {}", status.st_uid),
                 "run the command as that user");
  }
  if (status.st_nlink != 1) {
    // Under a second name it would have a second lock and a second log, and be ruined by their use.
    throw unsafe(resolved_path, "it has a second name (a hard link)",
                 "remove the other name, or make a copy in its place");
  }
}

void create_store_file(const std::string& resolved_path) {
  Draft draft(resolved_path + ".new");
  {
    Connection connection(draft.path(), OpenMode::read_write);
    connection.set_durability(Durability::power_loss);
    connection.use_write_ahead_log();
    bring_schema_forward(connection, schema_migrations(), /*from=*/0);
    // What is still in the draft's log would not be renamed with it.
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)");
  }
  draft.rename_to(resolved_path);
  sync_folder_of(resolved_path);
}

}  // namespace migrator::checkpoint
