// Cancelling what a connection executes, from another thread.
//
// cancel() asks the server by libpq's cancel request, which opens a connection of its own and may
// block for as long as the network likes; it is therefore sent from a short-lived thread. It also
// wakes the session's own wait, which gives up its connection if the server does not react within a
// second: so a statement ends in time even when the network is stalled.
//
// Threads: every member may be called from any thread. begin(), end() and wake_fd() are the
// session's.
#pragma once

#include <atomic>
#include <condition_variable>
#include <memory>
#include <mutex>

#include <libpq-fe.h>

#include "adapters/adapter.h"

namespace migrator::postgres {

class CancelState : public std::enable_shared_from_this<CancelState> {
 public:
  // Throws Error(permanent) if the process is out of file descriptors.
  explicit CancelState(PGconn* connection);
  ~CancelState();
  CancelState(const CancelState&) = delete;
  CancelState& operator=(const CancelState&) = delete;

  // From begin() to end() a statement is being executed, and cancel() has something to do. begin()
  // waits for a request under way, so that it cannot hit the statement that begins; false if that
  // takes longer than the network may: the connection is then not to be used again.
  bool begin();
  void end();
  // The session is closed: cancel() does nothing from now on.
  void close();

  // Asked by cancel() since begin()?
  bool requested() const;
  // Sends the request to the server (again), without waiting. Nothing if one is under way.
  void send() noexcept;
  // The same for the session itself, which wants to be rid of the rest of a COPY.
  void request() noexcept;
  // The session gives up its connection at once.
  void abandon() noexcept;
  bool abandoned() const { return abandoned_; }
  // Readable once somebody has called request().
  int wake_fd() const { return wake_fd_; }
  void drain_wake() noexcept;

 private:
  struct Freer {
    void operator()(PGcancel* handle) const { PQfreeCancel(handle); }
  };

  mutable std::mutex mutex_;
  std::condition_variable idle_;
  std::unique_ptr<PGcancel, Freer> handle_;
  int wake_fd_ = -1;
  bool open_ = true, executing_ = false, requested_ = false, sending_ = false;
  std::atomic<bool> abandoned_ = false;
};

class PgCanceller : public Canceller {
 public:
  explicit PgCanceller(std::shared_ptr<CancelState> state) : state_(std::move(state)) {}
  void cancel() noexcept override { state_->request(); }
  void abandon() noexcept override { state_->abandon(); }

 private:
  std::shared_ptr<CancelState> state_;
};

}  // namespace migrator::postgres
