#include "tests/support/process.h"

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <sstream>
#include <stdexcept>
#include <thread>
#include <utility>

#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <pwd.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

namespace migrator::test {
namespace {

int memory_file(const std::string& content) {
  const int file = memfd_create("migrator-test", MFD_CLOEXEC);
  if (file < 0) throw std::runtime_error("memfd_create failed");
  std::size_t done = 0;
  while (done < content.size()) {
    const ssize_t wrote = ::write(file, content.data() + done, content.size() - done);
    if (wrote < 0) {
      if (errno == EINTR) continue;
      ::close(file);
      throw std::runtime_error("cannot write a memory file");
    }
    done += static_cast<std::size_t>(wrote);
  }
  ::lseek(file, 0, SEEK_SET);
  return file;
}

std::string content_of(int file) {
  std::string text;
  if (file < 0) return text;
  char buffer[65536];
  off_t at = 0;
  for (;;) {
    const ssize_t count = ::pread(file, buffer, sizeof buffer, at);
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) return text;
    text.append(buffer, static_cast<std::size_t>(count));
    at += count;
  }
}

struct Account {
  bool change = false;
  uid_t uid = 0;
  gid_t gid = 0;
};

Account account_of(const std::string& user) {
  Account account;
  if (user.empty() || ::geteuid() != 0) return account;
  const passwd* entry = ::getpwnam(user.c_str());
  if (!entry) throw std::runtime_error("no account " + user);
  account = {true, entry->pw_uid, entry->pw_gid};
  return account;
}

// In the child, after fork: only calls that are safe there.
bool become(const Account& account) {
  if (!account.change) return true;
  return ::setgroups(0, nullptr) == 0 && ::setgid(account.gid) == 0 && ::setuid(account.uid) == 0;
}

std::vector<std::string> environment_with(const std::map<std::string, std::string>& added) {
  std::vector<std::string> all;
  for (char** entry = environ; *entry; ++entry) {
    const std::string_view text(*entry);
    const std::string name(text.substr(0, text.find('=')));
    if (!added.contains(name)) all.emplace_back(text);
  }
  for (const auto& [name, value] : added) all.push_back(name + "=" + value);
  return all;
}

std::vector<char*> pointers(const std::vector<std::string>& strings) {
  std::vector<char*> result;
  for (const std::string& text : strings) result.push_back(const_cast<char*>(text.c_str()));
  result.push_back(nullptr);
  return result;
}

}  // namespace

Child::Child(const Command& command) { start(command); }

Child::Child(Child&& other) noexcept
    : pid_(std::exchange(other.pid_, -1)),
      status_(other.status_),
      out_(std::exchange(other.out_, -1)),
      err_(std::exchange(other.err_, -1)) {}

Child& Child::operator=(Child&& other) noexcept {
  if (this != &other) {
    kill_group();
    close_files();
    pid_ = std::exchange(other.pid_, -1);
    status_ = other.status_;
    out_ = std::exchange(other.out_, -1);
    err_ = std::exchange(other.err_, -1);
  }
  return *this;
}

Child::~Child() {
  kill_group();
  close_files();
}

void Child::close_files() noexcept {
  if (out_ >= 0) ::close(out_);
  if (err_ >= 0) ::close(err_);
  out_ = err_ = -1;
}

void Child::start(const Command& command) {
  const std::string program = find_program(command.argv.at(0));
  if (program.empty()) throw std::runtime_error("no program " + command.argv[0]);
  // Everything that allocates comes before fork.
  const Account account = account_of(command.user);
  const std::vector<std::string> environment = environment_with(command.environment);
  const std::vector<char*> argv = pointers(command.argv), envp = pointers(environment);
  const int in = memory_file(command.input);
  if (command.output_file.empty()) {
    out_ = memory_file("");
    err_ = memory_file("");
  } else {
    out_ = ::open(command.output_file.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
    if (out_ < 0) throw std::runtime_error("cannot write " + command.output_file);
    err_ = ::dup(out_);
  }
  const pid_t parent = ::getpid();
  pid_ = ::fork();
  if (pid_ < 0) {
    ::close(in);
    throw std::runtime_error("fork failed");
  }
  if (pid_ == 0) {
    ::setpgid(0, 0);
    sigset_t none;
    sigemptyset(&none);
    ::sigprocmask(SIG_SETMASK, &none, nullptr);
    ::dup2(in, 0);
    ::dup2(out_, 1);
    ::dup2(err_, 2);
    // A change of account clears the death signal, so it is asked for afterwards.
    if (!become(account)) ::_exit(126);
    ::prctl(PR_SET_PDEATHSIG, command.death_signal);
    if (::getppid() != parent) ::_exit(126);
    if (!command.folder.empty() && ::chdir(command.folder.c_str()) != 0) ::_exit(126);
    ::execve(program.c_str(), argv.data(), envp.data());
    ::_exit(127);
  }
  ::setpgid(pid_, pid_);  // both sides set it: whoever comes first
  ::close(in);
}

void Child::reap(int wait_status) {
  status_ = WIFEXITED(wait_status) ? WEXITSTATUS(wait_status) : 128 + WTERMSIG(wait_status);
  ::kill(-pid_, SIGKILL);  // what it left behind in its group
  pid_ = -1;
}

bool Child::running() {
  if (pid_ < 0) return false;
  int wait_status = 0;
  const pid_t got = ::waitpid(pid_, &wait_status, WNOHANG);
  if (got == pid_) reap(wait_status);
  return pid_ >= 0;
}

void Child::signal(int number) noexcept {
  if (pid_ > 0) ::kill(pid_, number);
}

bool Child::wait_for(std::chrono::milliseconds time) {
  if (!running()) return true;
  const int handle = static_cast<int>(::syscall(SYS_pidfd_open, pid_, 0));
  if (handle < 0) return !running();
  pollfd entry{handle, POLLIN, 0};
  while (::poll(&entry, 1, static_cast<int>(time.count())) < 0 && errno == EINTR) {
  }
  ::close(handle);
  return !running();
}

void Child::kill_group() noexcept {
  if (pid_ <= 0) return;
  ::kill(-pid_, SIGKILL);
  ::kill(pid_, SIGKILL);
  int wait_status = 0;
  while (::waitpid(pid_, &wait_status, 0) < 0 && errno == EINTR) {
  }
  status_ = 128 + SIGKILL;
  pid_ = -1;
}

std::string Child::out() const { return content_of(out_); }
std::string Child::err() const { return content_of(err_); }

CommandResult run(const Command& command) {
  Child child(command);
  CommandResult result;
  if (child.wait_for(command.timeout)) {
    result.status = child.status();
  } else {
    child.kill_group();
    result.status = 124;
  }
  if (command.output_file.empty()) {
    result.out = child.out();
    result.err = child.err();
  }
  return result;
}

std::string run_checked(const Command& command) {
  CommandResult result = run(command);
  if (result.status != 0) {
    throw std::runtime_error(command.argv[0] + " failed with status " +
                             std::to_string(result.status) + ": " + result.err + result.out);
  }
  return std::move(result.out);
}

std::string find_program(const std::string& name) {
  if (name.find('/') != std::string::npos) return ::access(name.c_str(), X_OK) == 0 ? name : "";
  const char* path = std::getenv("PATH");
  std::istringstream folders(std::string(path ? path : "") + ":/usr/sbin:/usr/local/sbin:/sbin");
  for (std::string folder; std::getline(folders, folder, ':');) {
    if (folder.empty()) continue;
    const std::string file = folder + "/" + name;
    if (::access(file.c_str(), X_OK) == 0) return file;
  }
  return "";
}

std::string unprivileged_user(const std::vector<std::string>& candidates) {
  if (::geteuid() != 0) return "";
  for (const std::string& user : candidates) {
    if (::getpwnam(user.c_str())) return user;
  }
  throw std::runtime_error("servers do not run as root, and there is no other account to run them");
}

void give_to(const std::string& path, const std::string& user) {
  const Account account = account_of(user);
  if (account.change && ::chown(path.c_str(), account.uid, account.gid) != 0) {
    throw std::runtime_error("cannot give " + path + " to " + user);
  }
}

bool can_execute(const std::string& path, const std::string& user) {
  const Account account = account_of(user);
  const pid_t child = ::fork();
  if (child < 0) return false;
  if (child == 0) ::_exit(become(account) && ::access(path.c_str(), R_OK | X_OK) == 0 ? 0 : 1);
  int status = 0;
  while (::waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

}  // namespace migrator::test
