// Stopping a running statement from outside: by the user (Canceller) or by its deadline.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>

#include "adapters/mysql/connection.h"

namespace migrator::mysql {

// Sends KILL QUERY over a short connection of its own. Shared by a session and whoever may cancel
// it, and keeps the credentials for that, so it outlives the session harmlessly.
class Interrupter final : public Canceller {
 public:
  // socket: of the session's connection.
  Interrupter(ConnectionSettings settings, unsigned long connection_id, int socket);
  // What server_identity_sql() gave on the session. Behind a load balancer the second connection
  // may reach another server, where the number is that of somebody else's connection: then nothing
  // is killed.
  void expect_server(std::string identity);
  static std::string_view server_identity_sql() {
    return "SELECT CONCAT_WS(':', @@hostname, @@port, @@server_id)";
  }

  // Any thread. Kills only while a statement runs. Once finished() has returned, no kill of this
  // object is under way any more: the next statement of the session is never hit by one meant for
  // the last.
  void cancel() noexcept override;
  // Shuts the socket down; only while a statement runs.
  void abandon() noexcept override;

  // The session's thread.
  void started();
  void finished();
  void closed();

 private:
  std::mutex mutex_;  // held while a kill is sent
  ConnectionSettings settings_;
  const unsigned long connection_id_;
  const int socket_;
  std::string server_;
  bool running_ = false, closed_ = false;
};

// Cancels a statement that runs past its deadline, on servers that have no such limit of their own
// (MySQL before 5.7.8, and later for everything but SELECT). One thread, started with the first
// deadline.
class Watchdog {
 public:
  explicit Watchdog(std::shared_ptr<Interrupter> interrupter)
      : interrupter_(std::move(interrupter)) {}
  ~Watchdog();
  Watchdog(const Watchdog&) = delete;
  Watchdog& operator=(const Watchdog&) = delete;

  void arm(std::chrono::milliseconds limit);
  // True if the deadline passed while it was armed.
  bool disarm();
  bool fired() const { return fired_.load(); }

 private:
  void watch();

  std::shared_ptr<Interrupter> interrupter_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::chrono::steady_clock::time_point deadline_;
  bool armed_ = false, stopping_ = false;
  std::atomic<bool> fired_{false};
  std::thread thread_;
};

}  // namespace migrator::mysql
