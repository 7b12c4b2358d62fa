#include "tests/support/servers.h"

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <memory>
#include <sstream>
#include <stdexcept>

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/support/packages.h"

namespace migrator::test {
namespace fs = std::filesystem;
using namespace std::chrono_literals;

namespace {

constexpr const char* kFolderPrefix = "migrator-test-";
constexpr const char* kSupervisor = "MIGRATOR_TEST_SUPERVISOR";

int pidfd_of(pid_t pid) { return static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)); }

// False for a zombie, too: where nobody reaps orphans (in a container, say) kill(pid, 0) finds
// those.
// "pid:start time", which no later process of the same number has; "" if it is gone. The start time
// is field 22 of /proc/PID/stat (proc(5)), counted behind the name in parentheses, which is
// field 2.
std::string identity_of(pid_t pid) {
  std::ifstream file("/proc/" + std::to_string(pid) + "/stat");
  std::string stat;
  std::getline(file, stat);
  std::istringstream fields(stat.substr(std::min(stat.rfind(')') + 1, stat.size())));
  std::string field;
  for (int number = 3; number <= 22; ++number) {
    if (!(fields >> field)) return "";
    if (number == 3 && field == "Z") return "";
  }
  return std::to_string(pid) + ":" + field;
}

// Folders of supervisors that were killed: their lock can be had.
void delete_stale_folders() {
  std::error_code ignored;
  for (const auto& entry : fs::directory_iterator(fs::temp_directory_path(), ignored)) {
    if (!entry.path().filename().string().starts_with(kFolderPrefix)) continue;
    const int lock = ::open((entry.path() / "lock").c_str(), O_RDWR | O_CLOEXEC);
    if (lock < 0) continue;
    if (::flock(lock, LOCK_EX | LOCK_NB) == 0) fs::remove_all(entry.path(), ignored);
    ::close(lock);
  }
}

// A folder with a lock that dies with this process.
class LockedFolder {
 public:
  LockedFolder() {
    std::string pattern = (fs::temp_directory_path() / kFolderPrefix).string() + "XXXXXX";
    if (!::mkdtemp(pattern.data())) throw std::runtime_error("cannot make " + pattern);
    path_ = pattern;
    // The servers' accounts must pass through, and nobody need look around.
    ::chmod(path_.c_str(), 0711);
    // Locked under another name first, so that no other supervisor finds it unlocked.
    const std::string file = path_ + "/lock";
    lock_ = ::open((file + ".new").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (lock_ < 0 || ::flock(lock_, LOCK_EX) != 0) throw std::runtime_error("cannot lock " + file);
    fs::rename(file + ".new", file);
  }
  LockedFolder(const LockedFolder&) = delete;
  LockedFolder& operator=(const LockedFolder&) = delete;
  ~LockedFolder() {
    std::error_code ignored;
    fs::remove_all(path_, ignored);
    ::close(lock_);
  }
  const std::string& path() const { return path_; }

 private:
  std::string path_;
  int lock_ = -1;
};

std::string text_of(const ServerEnvironment& environment) {
  std::string text;
  for (const auto& [name, value] : environment) text += name + "=" + value + "\n";
  return text;
}

ServerEnvironment environment_of(std::istream& lines) {
  ServerEnvironment environment;
  for (std::string line; std::getline(lines, line);) {
    const std::size_t equals = line.find('=');
    if (equals != std::string::npos) environment[line.substr(0, equals)] = line.substr(equals + 1);
  }
  return environment;
}

// Passwords are in it.
void write_private_file(const std::string& path, const std::string& text) {
  fs::create_directories(fs::path(path).parent_path());
  const std::string part = path + ".part" + std::to_string(::getpid());
  const int file = ::open(part.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  const bool good =
      file >= 0 && ::write(file, text.data(), text.size()) == static_cast<ssize_t>(text.size());
  if (file >= 0) ::close(file);
  if (!good) throw std::runtime_error("cannot write " + part);
  fs::rename(part, path);
}

void say(int pipe_end, const std::string& text) {
  std::size_t done = 0;
  while (done < text.size()) {
    const ssize_t wrote = ::write(pipe_end, text.data() + done, text.size() - done);
    if (wrote < 0 && errno != EINTR) return;
    if (wrote > 0) done += static_cast<std::size_t>(wrote);
  }
}

std::vector<std::unique_ptr<Server>> start_servers(const std::vector<ServerKind>& kinds,
                                                   const std::string& folder) {
  std::vector<std::unique_ptr<Server>> servers;
  for (const ServerKind kind : kinds) {
    const auto programs = find_server(kind);
    if (!programs) throw std::runtime_error(std::string("there is no ") + name(kind) + " server");
    servers.push_back(std::make_unique<Server>(kind, *programs, folder));
  }
  for (auto& server : servers) server->prepare();
  for (auto& server : servers) server->finish_preparing();
  for (auto& server : servers) server->launch();
  for (auto& server : servers) server->wait_until_ready();
  return servers;
}

void wait_for_the_end(int signals, int watched) {
  pollfd entries[] = {{signals, POLLIN, 0}, {watched, POLLIN, 0}};
  while (::poll(entries, watched >= 0 ? 2 : 1, -1) < 0 && errno == EINTR) {
  }
}

// The life of a supervisor. `report` gets "ready\n" and the environment, or the reason of a
// failure.
void supervise(const SupervisorOptions& options, int report) {
  sigset_t ends;
  sigemptyset(&ends);
  for (const int number : {SIGTERM, SIGINT, SIGHUP}) sigaddset(&ends, number);
  ::sigprocmask(SIG_BLOCK, &ends, nullptr);
  ::signal(SIGPIPE, SIG_IGN);
  const int signals = ::signalfd(-1, &ends, SFD_CLOEXEC);
  const int watched = options.until_exit_of ? pidfd_of(options.until_exit_of) : -1;
  if (options.until_exit_of && watched < 0) return;  // it is gone already
  try {
    delete_stale_folders();
    const LockedFolder folder;
    const auto servers = start_servers(options.kinds, folder.path());
    ServerEnvironment environment;
    environment[kSupervisor] = identity_of(::getpid());
    for (const auto& server : servers) environment[variable_of(server->kind())] = server->url();
    const std::string text = text_of(environment);
    if (!options.env_file.empty()) write_private_file(options.env_file, text);
    say(report, "ready\n" + text);
    ::close(report);
    wait_for_the_end(signals, watched);
    if (!options.env_file.empty()) ::unlink(options.env_file.c_str());
  } catch (const std::exception& problem) {
    say(report, problem.what());
  }
}

}  // namespace

const char* variable_of(ServerKind kind) {
  switch (kind) {
    case ServerKind::postgres:
      return "MIGRATOR_TEST_POSTGRES_URL";
    case ServerKind::mariadb:
      return "MIGRATOR_TEST_MYSQL_URL";
    case ServerKind::oracle_mysql:
      return "MIGRATOR_TEST_ORACLE_MYSQL_URL";
    case ServerKind::newest_postgres:
      return "MIGRATOR_TEST_NEWEST_POSTGRES_URL";
    case ServerKind::sqlite:
      break;
  }
  throw std::logic_error("SQLite has no server");
}

std::vector<ServerKind> available_servers(bool fetch, std::vector<std::string>* reasons) {
  std::vector<ServerKind> kinds = {ServerKind::postgres, ServerKind::mariadb};
  for (const ServerKind kind : {ServerKind::oracle_mysql, ServerKind::newest_postgres}) {
    std::string reason = fetch ? fetch_package(kind) : "";
    if (reason.empty() && !find_server(kind)) reason = "its package has not been fetched";
    if (reason.empty()) {
      kinds.push_back(kind);
    } else if (reasons) {
      reasons->push_back(std::string(name(kind)) + " was NOT had: " + reason);
    }
  }
  return kinds;
}

ServerEnvironment start_supervisor(const SupervisorOptions& options) {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) throw std::runtime_error("pipe failed");
  const pid_t child = ::fork();
  if (child < 0) throw std::runtime_error("fork failed");
  if (child == 0) {
    // Forked twice: the supervisor is nobody's child, and is never left as a zombie.
    if (::fork() != 0) ::_exit(0);
    ::setsid();
    ::close(ends[0]);
    const int null = ::open("/dev/null", O_RDWR);
    for (int stream = 0; stream < 3; ++stream) ::dup2(null, stream);
    // What else was inherited (ctest's pipes) must not be held open by us.
    ::close_range(3, static_cast<unsigned>(ends[1]) - 1, 0);
    ::close_range(static_cast<unsigned>(ends[1]) + 1, ~0U, 0);
    supervise(options, ends[1]);
    ::_exit(0);
  }
  ::close(ends[1]);
  while (::waitpid(child, nullptr, 0) < 0 && errno == EINTR) {
  }
  std::string answer;
  char buffer[4096];
  for (;;) {
    const ssize_t count = ::read(ends[0], buffer, sizeof buffer);
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) break;
    answer.append(buffer, static_cast<std::size_t>(count));
  }
  ::close(ends[0]);
  if (!answer.starts_with("ready\n")) throw std::runtime_error("no test servers: " + answer);
  std::istringstream lines(answer.substr(6));
  return environment_of(lines);
}

void stop_supervisor(const ServerEnvironment& environment) {
  const auto found = environment.find(kSupervisor);
  if (found == environment.end()) return;
  const pid_t pid = std::stoi(found->second);
  const int handle = pidfd_of(pid);
  if (handle < 0) return;
  if (identity_of(pid) != found->second) {  // another process has got its number
    ::close(handle);
    return;
  }
  ::kill(pid, SIGTERM);
  pollfd entry{handle, POLLIN, 0};
  while (::poll(&entry, 1, 40'000) < 0 && errno == EINTR) {
  }
  if (!(entry.revents & POLLIN)) ::kill(pid, SIGKILL);
  ::close(handle);
}

ServerEnvironment read_env_file(const std::string& path) {
  std::ifstream file(path);
  ServerEnvironment environment = environment_of(file);
  const auto found = environment.find(kSupervisor);
  if (found == environment.end()) return {};
  return identity_of(std::stoi(found->second)) == found->second ? environment : ServerEnvironment{};
}

std::string psql_folder() {
  const std::string folder = postgres_folder();
  return !folder.empty() && fs::exists(folder + "/psql") ? folder : "";
}

void export_servers(bool start) {
  if (const std::string folder = psql_folder(); !folder.empty()) {
    const char* path = std::getenv("PATH");
    ::setenv("PATH", (folder + ":" + (path ? path : "")).c_str(), 1);
  }
  if (!server_url(ServerKind::postgres).empty() && !server_url(ServerKind::mariadb).empty()) return;
  ServerEnvironment environment = read_env_file(MIGRATOR_TEST_SERVERS_ENV);
  if (environment.empty() && start) {
    SupervisorOptions options;
    options.kinds = available_servers(false, nullptr);
    options.until_exit_of = ::getpid();
    environment = start_supervisor(options);
  }
  for (const auto& [name, value] : environment) ::setenv(name.c_str(), value.c_str(), 0);
}

std::string server_url(ServerKind kind) {
  const char* value = std::getenv(variable_of(kind));
  return value ? value : "";
}

}  // namespace migrator::test
