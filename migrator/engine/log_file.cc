#include "migrator/engine/log_file.h"

#include <cerrno>
#include <cstring>

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

namespace migrator {

LogFile::LogFile(const std::string& path) : path_(path) {
  if (path.empty()) return;
  descriptor_ = ::open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
  if (descriptor_ < 0) throw failed();
}

LogFile::~LogFile() {
  if (descriptor_ >= 0) ::close(descriptor_);
}

void LogFile::append(const std::string& lines) const {
  if (descriptor_ < 0) return;
  for (std::size_t written = 0; written < lines.size();) {
    const ssize_t count = ::write(descriptor_, lines.data() + written, lines.size() - written);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) throw failed();
    written += static_cast<std::size_t>(count);
  }
}

Error LogFile::failed() const {
  return Error(ErrorKind::permanent, fmt::format("{}: {}", path_, std::strerror(errno)))
      .remedy("give --log a file that can be written");
}

}  // namespace migrator
