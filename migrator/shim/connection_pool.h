// Connections to one side, each used by one thread at a time and given back.
//
// Threads: any. Lifetime: what was taken is given back before the pool ends.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <utility>
#include <vector>

#include "adapters/adapter.h"

namespace migrator {

template <typename T>  // Source or Target
class ConnectionPool {
 public:
  using Clock = std::chrono::steady_clock;
  struct Connection {
    std::unique_ptr<T> side;
    std::shared_ptr<Canceller> canceller;
    std::uint64_t generation = 0;
  };

  // Given back when it is destroyed: kept for the next one, unless it is said to be lost.
  class Lease {
   public:
    Lease() = default;
    Lease(ConnectionPool& pool, Connection connection)
        : pool_(&pool), connection_(std::move(connection)) {}
    Lease(Lease&& other) noexcept
        : pool_(std::exchange(other.pool_, nullptr)), connection_(std::move(other.connection_)) {}
    Lease& operator=(Lease&& other) noexcept {
      if (this != &other) {
        release();
        pool_ = std::exchange(other.pool_, nullptr);
        connection_ = std::move(other.connection_);
      }
      return *this;
    }
    ~Lease() { release(); }

    explicit operator bool() const { return connection_.side != nullptr; }
    T& operator*() const { return *connection_.side; }
    T* operator->() const { return connection_.side.get(); }
    Session& session() const { return connection_.side->session(); }
    const std::shared_ptr<Canceller>& canceller() const { return connection_.canceller; }
    void lose() { connection_.side.reset(); }
    void release() {
      if (pool_ != nullptr) std::exchange(pool_, nullptr)->put(std::move(connection_));
      connection_ = {};
    }

   private:
    ConnectionPool* pool_ = nullptr;
    Connection connection_;
  };

  ConnectionPool(std::size_t most, std::function<std::unique_ptr<T>()> open)
      : most_(most), open_(std::move(open)) {}

  // An idle one, or a new one, which is opened here and now. Throws what opening throws, and
  // Error(transient) where none is free in time.
  Lease take(std::chrono::milliseconds wait) {
    {
      std::unique_lock lock(mutex_);
      const bool ready =
          changed_.wait_for(lock, wait, [this] { return !idle_.empty() || count_ < most_; });
      if (!ready) {
        throw Error(ErrorKind::transient, "all connections of the shim are in use")
            .remedy("raise connections_max, or end transactions sooner");
      }
      if (!idle_.empty()) return take_idle();
      ++count_;
    }
    return open_one();
  }

  // An idle one by then, or none: while it waits another thread may open one, see open().
  Lease take_idle_until(Clock::time_point deadline) {
    std::unique_lock lock(mutex_);
    if (idle_.empty()) {
      wanted_ = true;
      wants_.notify_all();
      changed_.wait_until(lock, deadline, [this] { return !idle_.empty() || over_; });
    }
    if (idle_.empty()) return {};
    return take_idle();
  }
  // Waits until somebody has waited in vain, or the time is over; true if a connection is to be
  // opened.
  bool wanted(std::chrono::milliseconds wait) {
    std::unique_lock lock(mutex_);
    wants_.wait_for(lock, wait, [this] { return wanted_ || over_; });
    const bool asked = std::exchange(wanted_, false);
    return asked && !over_ && idle_.empty() && count_ < most_;
  }
  // Opens one and puts it with the idle ones. Throws what opening throws.
  void open() {
    {
      const std::lock_guard lock(mutex_);
      if (over_ || count_ >= most_) return;
      ++count_;
    }
    open_one();  // given back at once
  }

  // Nobody waits any longer, and what is idle is closed. Connections that were opened before are
  // not taken again.
  void renew() {
    const std::lock_guard lock(mutex_);
    ++generation_;
    count_ -= idle_.size();
    idle_.clear();
    changed_.notify_all();
  }
  void close() {
    {
      const std::lock_guard lock(mutex_);
      over_ = true;
      wants_.notify_all();
    }
    renew();
  }

 private:
  Lease take_idle() {
    Connection connection = std::move(idle_.back());
    idle_.pop_back();
    return Lease(*this, std::move(connection));
  }

  Lease open_one() {
    Connection connection;
    try {
      connection.side = open_();
      connection.canceller = connection.side->session().canceller();
    } catch (...) {
      put({});
      throw;
    }
    const std::lock_guard lock(mutex_);
    connection.generation = generation_;
    return Lease(*this, std::move(connection));
  }

  void put(Connection connection) {
    if (connection.side && connection.side->session().in_transaction()) {
      connection.side->session().rollback();
    }
    {
      const std::lock_guard lock(mutex_);
      if (connection.side && !over_ && connection.generation == generation_) {
        idle_.push_back(std::move(connection));
      } else {
        --count_;
      }
    }
    changed_.notify_one();
  }

  const std::size_t most_;
  const std::function<std::unique_ptr<T>()> open_;
  std::mutex mutex_;
  std::condition_variable changed_, wants_;
  std::vector<Connection> idle_;
  std::size_t count_ = 0;  // idle, or taken
  std::uint64_t generation_ = 0;
  bool wanted_ = false, over_ = false;
};

}  // namespace migrator
