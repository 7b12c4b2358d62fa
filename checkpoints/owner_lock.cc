#include "checkpoints/owner_lock.h"

#include <cerrno>

#include <fcntl.h>
#include <unistd.h>

#include "checkpoints/store_errors.h"

namespace migrator::checkpoint {
namespace {

std::string lock_path(const std::string& resolved_path) { return resolved_path + ".lock"; }

struct flock whole_file() {
  struct flock range {};
  range.l_type = F_WRLCK;
  range.l_whence = SEEK_SET;
  return range;
}

[[noreturn]] void throw_no_lock(const std::string& path, int error_number) {
  if (error_number == ENOLCK || error_number == EINVAL || error_number == EOPNOTSUPP) {
    throw Error(ErrorKind::permanent, "the file system of " + path + " has no file locks")
        .remedy(
            "put the checkpoint on a local file system: without a lock two processes could run "
            "the same plan")
        .code(std::to_string(error_number));
  }
  throw_system_error("lock", path, error_number);
}

}  // namespace

std::optional<OwnerLock> OwnerLock::try_take(const std::string& resolved_path) {
  const std::string path = lock_path(resolved_path);
  FileDescriptor descriptor(::open(path.c_str(), O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600));
  if (!descriptor) throw_system_error("open the lock file", path, errno);
  struct flock range = whole_file();
  if (::fcntl(descriptor.get(), F_OFD_SETLK, &range) == 0) return OwnerLock(std::move(descriptor));
  if (errno == EAGAIN || errno == EACCES) return std::nullopt;
  throw_no_lock(path, errno);
}

bool OwnerLock::held_by_someone(const std::string& resolved_path) {
  const std::string path = lock_path(resolved_path);
  FileDescriptor descriptor(::open(path.c_str(), O_RDONLY | O_NOFOLLOW | O_CLOEXEC));
  if (!descriptor) {
    if (errno == ENOENT) return false;
    throw_system_error("open the lock file", path, errno);
  }
  struct flock range = whole_file();
  if (::fcntl(descriptor.get(), F_OFD_GETLK, &range) != 0) throw_no_lock(path, errno);
  return range.l_type != F_UNLCK;
}

}  // namespace migrator::checkpoint
