#include "adapters/mysql/interrupt.h"

#include <string>
#include <utility>

#include <sys/socket.h>

namespace migrator::mysql {

Interrupter::Interrupter(ConnectionSettings settings, unsigned long connection_id, int socket)
    : settings_(std::move(settings)), connection_id_(connection_id), socket_(socket) {
  // A cancel that cannot get through soon is of no use any more.
  settings_.connect_timeout = std::chrono::seconds(2);
  settings_.local_infile = false;
}

void Interrupter::expect_server(std::string identity) {
  const std::lock_guard lock(mutex_);
  server_ = std::move(identity);
}

void Interrupter::cancel() noexcept {
  try {
    const std::lock_guard lock(mutex_);
    if (!running_ || closed_) return;
    const Handle handle = open_connection(settings_);
    const std::string_view ask = server_identity_sql();
    if (mysql_real_query(handle.get(), ask.data(), ask.size()) != 0) return;
    {
      const ResultHandle answer(mysql_store_result(handle.get()));
      MYSQL_ROW row = answer ? mysql_fetch_row(answer.get()) : nullptr;
      if (row == nullptr || row[0] == nullptr || server_ != row[0]) return;
    }
    const std::string sql = "KILL QUERY " + std::to_string(connection_id_);
    mysql_real_query(handle.get(), sql.data(), sql.size());
  } catch (...) {
    // Best effort: the statement then runs on to its end or its timeout.
  }
}

void Interrupter::abandon() noexcept {
  const std::lock_guard lock(mutex_);
  if (running_ && !closed_) ::shutdown(socket_, SHUT_RDWR);
}

void Interrupter::started() {
  const std::lock_guard lock(mutex_);
  running_ = true;
}

void Interrupter::finished() {
  const std::lock_guard lock(mutex_);
  running_ = false;
}

void Interrupter::closed() {
  const std::lock_guard lock(mutex_);
  closed_ = true;
}

Watchdog::~Watchdog() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  changed_.notify_one();
  if (thread_.joinable()) thread_.join();
}

void Watchdog::arm(std::chrono::milliseconds limit) {
  {
    const std::lock_guard lock(mutex_);
    deadline_ = std::chrono::steady_clock::now() + limit;
    armed_ = true;
    fired_ = false;
  }
  if (!thread_.joinable()) {
    thread_ = std::thread([this] { watch(); });
  } else {
    changed_.notify_one();
  }
}

bool Watchdog::disarm() {
  const std::lock_guard lock(mutex_);
  armed_ = false;
  return fired_;
}

void Watchdog::watch() {
  std::unique_lock lock(mutex_);
  while (!stopping_) {
    if (!armed_) {
      changed_.wait(lock);
    } else if (std::chrono::steady_clock::now() < deadline_) {
      // Woken only by a later arm() or the end; a disarmed deadline is found out when it passes.
      const auto until = deadline_;
      changed_.wait_until(lock, until);
    } else {
      armed_ = false;
      fired_ = true;
      lock.unlock();
      interrupter_->cancel();
      lock.lock();
    }
  }
}

}  // namespace migrator::mysql
