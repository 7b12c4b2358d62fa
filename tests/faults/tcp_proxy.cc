#include "tests/faults/tcp_proxy.h"

#include <stdexcept>
#include <string_view>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

namespace migrator::test {
namespace {

sockaddr_in loopback(int port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(static_cast<std::uint16_t>(port));
  return address;
}

int tcp_socket() {
  const int socket = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const int on = 1;
  ::setsockopt(socket, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  return socket;
}

bool send_all(int socket, const char* data, std::size_t size) {
  while (size > 0) {
    const ssize_t sent = ::send(socket, data, size, MSG_NOSIGNAL);
    if (sent <= 0) return false;
    data += sent;
    size -= static_cast<std::size_t>(sent);
  }
  return true;
}

}  // namespace

struct TcpProxy::Connection {
  int client = -1, server = -1;
  // The server's next answer is to be thrown away, and the connection with it.
  std::atomic<bool> answer_doomed{false};

  ~Connection() {
    if (client >= 0) ::close(client);
    if (server >= 0) ::close(server);
  }
  void cut() const {
    ::shutdown(client, SHUT_RDWR);
    ::shutdown(server, SHUT_RDWR);
  }
};

TcpProxy::TcpProxy(const std::string& url) {
  const std::size_t colon = url.rfind(':'), slash = url.find('/', colon);
  port_of_server_ = std::stoi(url.substr(colon + 1, slash - colon - 1));
  listener_ = tcp_socket();
  sockaddr_in address = loopback(0);
  socklen_t size = sizeof address;
  auto* generic = reinterpret_cast<sockaddr*>(&address);
  if (::bind(listener_, generic, size) != 0 || ::listen(listener_, 64) != 0 ||
      ::getsockname(listener_, generic, &size) != 0) {
    throw std::runtime_error("the proxy has no port");
  }
  url_ = url.substr(0, colon + 1) + std::to_string(ntohs(address.sin_port)) + url.substr(slash);
  acceptor_ = std::thread([this] { accept_all(); });
}

TcpProxy::~TcpProxy() {
  {
    const std::lock_guard lock(mutex_);
    over_ = true;
    stalled_ = false;
  }
  released_.notify_all();
  ::shutdown(listener_, SHUT_RDWR);
  acceptor_.join();
  ::close(listener_);
  cut();
  for (std::thread& pump : pumps_) pump.join();
}

void TcpProxy::lose_commits(Fate fate, int nth, int times) {
  const std::lock_guard lock(mutex_);
  fate_ = fate;
  nth_ = nth;
  seen_ = 0;
  left_ = times;
}

void TcpProxy::stall(bool on) {
  {
    const std::lock_guard lock(mutex_);
    stalled_ = on;
  }
  released_.notify_all();
}

void TcpProxy::cut() {
  const std::lock_guard lock(mutex_);
  for (const auto& weak : connections_) {
    if (const auto connection = weak.lock()) connection->cut();
  }
}

void TcpProxy::accept_all() {
  while (true) {
    const int client = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
    if (client < 0) return;
    auto connection = std::make_shared<Connection>();
    connection->client = client;
    connection->server = tcp_socket();
    const int on = 1;
    ::setsockopt(client, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    const sockaddr_in address = loopback(port_of_server_);
    // A server that is away: the client sees its connection closed.
    if (::connect(connection->server, reinterpret_cast<const sockaddr*>(&address),
                  sizeof address) != 0) {
      continue;
    }
    const std::lock_guard lock(mutex_);
    if (over_) return;
    connections_.remove_if([](const auto& weak) { return weak.expired(); });
    connections_.push_back(connection);
    pumps_.emplace_back([this, connection] { pump(connection, true); });
    pumps_.emplace_back([this, connection] { pump(connection, false); });
  }
}

// A COMMIT is a packet of its own, a few bytes long, in the protocol of PostgreSQL as in that of
// MySQL.
bool TcpProxy::is_doomed_commit(const char* data, std::size_t size, Fate& fate) {
  // By itself; or prepared and run, where statements are sent ahead.
  constexpr std::size_t kCommitMost = 160;
  if (size > kCommitMost || std::string_view(data, size).find("COMMIT") == std::string_view::npos)
    return false;
  const std::lock_guard lock(mutex_);
  if (left_ == 0 || ++seen_ % nth_ != 0) return false;
  --left_;
  fate = fate_;
  return true;
}

void TcpProxy::pump(const std::shared_ptr<Connection>& connection, bool from_client) {
  const int in = from_client ? connection->client : connection->server;
  const int out = from_client ? connection->server : connection->client;
  char data[65536];
  while (true) {
    const ssize_t got = ::recv(in, data, sizeof data, 0);
    if (got <= 0) break;
    {
      std::unique_lock lock(mutex_);
      released_.wait(lock, [this] { return !stalled_; });
    }
    if (!from_client && connection->answer_doomed) {
      ++lost_;
      break;
    }
    Fate fate{};
    if (from_client && is_doomed_commit(data, static_cast<std::size_t>(got), fate)) {
      if (fate == Fate::request_lost) {
        ++lost_;
        break;
      }
      connection->answer_doomed = true;
    }
    if (!send_all(out, data, static_cast<std::size_t>(got))) break;
    bytes_ += static_cast<std::uint64_t>(got);
  }
  connection->cut();
}

}  // namespace migrator::test
