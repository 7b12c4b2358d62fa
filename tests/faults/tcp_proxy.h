// A TCP proxy on the loopback that does to connections what networks do: cuts them, stalls them,
// and loses the answer to a COMMIT.
//
// Threads: the public members may be called from any thread; two threads of its own carry each
// connection.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <list>
#include <memory>
#include <mutex>
#include <string>
#include <thread>

namespace migrator::test {

class TcpProxy {
 public:
  // In front of the server that the URL names (scheme://user:password@127.0.0.1:port/database).
  explicit TcpProxy(const std::string& url);
  ~TcpProxy();

  // The same URL, through the proxy.
  const std::string& url() const { return url_; }

  enum class Fate {
    answer_lost,   // the server gets the COMMIT and carries it out; the connection breaks then
    request_lost,  // the connection breaks before the server gets it: it will roll back
  };
  // From now on the nth COMMIT meets this fate, and after it again every nth, `times` in all.
  void lose_commits(Fate fate, int nth, int times);
  int commits_lost() const { return lost_; }

  // Nothing moves, in either direction, until it is released.
  void stall(bool on);
  // Breaks every connection there is now.
  void cut();
  // Payload forwarded so far, both directions.
  std::uint64_t bytes() const { return bytes_; }

 private:
  struct Connection;

  void accept_all();
  void pump(const std::shared_ptr<Connection>& connection, bool from_client);
  bool is_doomed_commit(const char* data, std::size_t size, Fate& fate);

  int port_of_server_ = 0, listener_ = -1;
  std::string url_;

  std::mutex mutex_;
  std::condition_variable released_;
  bool stalled_ = false, over_ = false;
  Fate fate_ = Fate::answer_lost;
  int nth_ = 0, seen_ = 0, left_ = 0;
  std::list<std::weak_ptr<Connection>> connections_;
  std::list<std::thread> pumps_;
  std::atomic<int> lost_{0};
  std::atomic<std::uint64_t> bytes_{0};
  std::thread acceptor_;  // last: it uses all of the above
};

}  // namespace migrator::test
