#include "adapters/postgres/cancel.h"

#include <array>
#include <cerrno>
#include <chrono>
#include <cstdint>
#include <thread>

#include <sys/eventfd.h>
#include <unistd.h>

namespace migrator::postgres {
namespace {

// A cancel request is one small connection to a server we are connected to already.
constexpr std::chrono::seconds kRequestMax{1};

}  // namespace

CancelState::CancelState(PGconn* connection) : handle_(PQgetCancel(connection)) {
  wake_fd_ = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  if (wake_fd_ < 0) {
    throw Error(ErrorKind::permanent, "no file descriptor left for a connection")
        .code(std::to_string(errno))
        .scope(ErrorScope::session)
        .remedy("raise the limit of open files (ulimit -n)");
  }
}

CancelState::~CancelState() { ::close(wake_fd_); }

bool CancelState::begin() {
  std::unique_lock lock(mutex_);
  const bool idle = idle_.wait_for(lock, kRequestMax, [this] { return !sending_; });
  if (!idle) return false;
  executing_ = true;
  requested_ = false;
  drain_wake();
  return true;
}

void CancelState::end() {
  const std::lock_guard lock(mutex_);
  executing_ = false;
}

void CancelState::close() {
  const std::lock_guard lock(mutex_);
  open_ = executing_ = false;
}

bool CancelState::requested() const {
  const std::lock_guard lock(mutex_);
  return requested_;
}

void CancelState::send() noexcept {
  {
    const std::lock_guard lock(mutex_);
    if (!open_ || !executing_ || sending_ || !handle_) return;
    sending_ = true;
  }
  try {
    // Detached, as it may hang in connect(); it keeps what it touches alive by its share of this
    // state.
    std::thread([self = shared_from_this()] {
      std::array<char, 256> ignored{};
      PQcancel(self->handle_.get(), ignored.data(), static_cast<int>(ignored.size()));
      const std::lock_guard lock(self->mutex_);
      self->sending_ = false;
      self->idle_.notify_all();
    }).detach();
  } catch (...) {  // no thread to be had: the session's own wait will give up
    const std::lock_guard lock(mutex_);
    sending_ = false;
  }
}

void CancelState::request() noexcept {
  {
    const std::lock_guard lock(mutex_);
    if (!open_ || !executing_) return;
    requested_ = true;
    const std::uint64_t one = 1;
    [[maybe_unused]] const auto written = ::write(wake_fd_, &one, sizeof one);
  }
  send();
}

void CancelState::abandon() noexcept {
  const std::lock_guard lock(mutex_);
  if (!open_ || !executing_) return;
  abandoned_ = true;
  const std::uint64_t one = 1;
  [[maybe_unused]] const auto written = ::write(wake_fd_, &one, sizeof one);
}

void CancelState::drain_wake() noexcept {
  std::uint64_t count = 0;
  [[maybe_unused]] const auto got = ::read(wake_fd_, &count, sizeof count);
}

}  // namespace migrator::postgres
