// Child processes for tests: run a command to its end, or keep a server running and stop it surely.
//
// Threads: a Child dies with the THREAD that started it (that is how Linux counts parents for
// PR_SET_PDEATHSIG), so start long-lived ones from the main thread.
#pragma once

#include <chrono>
#include <map>
#include <string>
#include <vector>

#include <sys/types.h>

namespace migrator::test {

struct Command {
  std::vector<std::string> argv;                   // argv[0] is looked up in PATH
  std::map<std::string, std::string> environment;  // added to this process's own
  std::string input;                               // standard input
  std::string user;    // run as this account when we are root; "" or not root: as we are
  std::string folder;  // working directory; "" is ours
  std::chrono::seconds timeout{120};
  int death_signal = 9;     // what the child gets when its parent dies
  std::string output_file;  // standard output and error go there; "" is a private buffer
};

struct CommandResult {
  int status = 0;  // exit status; 128 + signal; 124 after a timeout, as timeout(1) has it
  std::string out, err;
};

// A running child in a process group of its own. The destructor kills the group and reaps the
// child.
class Child {
 public:
  Child() = default;
  explicit Child(const Command& command);  // throws std::runtime_error if it cannot fork
  Child(Child&& other) noexcept;
  Child& operator=(Child&& other) noexcept;
  ~Child();

  pid_t pid() const { return pid_; }
  bool running();                    // reaps it when it has ended
  void signal(int number) noexcept;  // to the child alone
  // Waits for the end; false if it has not come in time.
  bool wait_for(std::chrono::milliseconds time);
  // Kills the whole group now.
  void kill_group() noexcept;
  int status() const { return status_; }  // valid once it has ended
  std::string out() const;                // what it printed, unless it goes to output_file
  std::string err() const;

 private:
  void start(const Command& command);
  void reap(int wait_status);
  void close_files() noexcept;

  pid_t pid_ = -1;
  int status_ = 0;
  int out_ = -1, err_ = -1;  // memory files
};

// Runs to the end. Does not throw for a failing command: look at status.
CommandResult run(const Command& command);
// The same, but a status other than 0 throws std::runtime_error with what it printed on standard
// error.
std::string run_checked(const Command& command);

// The path of a program in PATH, the usual server folders included; "" if there is none.
std::string find_program(const std::string& name);

// The first of these accounts that exists, when we are root and must not run servers ourselves;
// else "".
std::string unprivileged_user(const std::vector<std::string>& candidates);
// Makes that account the owner of the file; no-op for "".
void give_to(const std::string& path, const std::string& user);
// Whether that account may read and execute the file.
bool can_execute(const std::string& path, const std::string& user);

}  // namespace migrator::test
