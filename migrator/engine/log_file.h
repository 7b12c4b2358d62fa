// A file that lines are appended to, so that it may be read while it grows.
//
// Threads: one.
#pragma once

#include <string>

#include "migrator/include/migrator/error.h"

namespace migrator {

class LogFile {
 public:
  // Mode 0600 if it is made now. "": no file, and nothing is written. Throws Error(permanent).
  explicit LogFile(const std::string& path);
  ~LogFile();
  LogFile(const LogFile&) = delete;
  LogFile& operator=(const LogFile&) = delete;

  void append(const std::string& lines) const;

 private:
  Error failed() const;

  const std::string path_;
  int descriptor_ = -1;
};

}  // namespace migrator
