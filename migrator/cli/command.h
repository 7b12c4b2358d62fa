// The commands of `migrate`. Each file cli/*_command.cc is one family; this is what they share.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include <boost/program_options.hpp>

#include "migrator/copy/interrupt.h"
#include "plans/plan.h"

namespace migrator::cli {

// Exit codes, the same for every command.
enum Exit : int {
  kDone = 0,           // done and clean
  kFailed = 1,         // failed; what was done so far is kept
  kUsage = 2,          // wrong usage or plan
  kDifferences = 3,    // differences or rejects were found
  kRefused = 4,        // a gate refused
  kInterrupted = 130,  // stopped by a signal; the state is saved
};
int exit_code(const Error& error);

struct Invocation {
  std::string command;                 // "backfill"
  std::vector<std::string> arguments;  // behind the command
  std::string line;                    // for people: "migrate backfill shop.yaml", without secrets
  Interrupt& interrupt;
};

struct Command {
  std::string name;
  std::string synopsis;  // "PLAN [options]"
  std::string summary;   // one line
  int (*run)(const Invocation& invocation);
};

// In the order in which people meet them.
const std::vector<Command>& commands();

int run_plan(const Invocation& invocation);
int run_check(const Invocation& invocation);
int run_start(const Invocation& invocation);
int run_backfill(const Invocation& invocation);
int run_relay(const Invocation& invocation);
int run_finish(const Invocation& invocation);
int run_verify(const Invocation& invocation);
int run_status(const Invocation& invocation);
int run_mismatches(const Invocation& invocation);
int run_shadow(const Invocation& invocation);
int run_rejects(const Invocation& invocation);
int run_pause(const Invocation& invocation);
int run_resume(const Invocation& invocation);
int run_set(const Invocation& invocation);

// Parses a command's options and positional arguments. --help prints the command's help and gives
// an empty optional: the command is done. Throws Error(usage), with the nearest known option.
class Options {
 public:
  // positional: names of the positional arguments, the last of which takes all that follow if
  // `many`.
  Options(const Invocation& invocation, std::vector<std::string> positional, bool many = false);

  boost::program_options::options_description_easy_init add() { return description_.add_options(); }
  // False if --help was printed.
  bool parse();
  bool has(const std::string& name) const {
    return values_.count(name) > 0 && !values_[name].defaulted();
  }
  template <typename T>
  T get(const std::string& name) const {
    return values_[name].as<T>();
  }
  bool flag(const std::string& name) const { return values_.count(name) > 0; }
  bool json() const { return flag("json"); }
  // The plan named by the positional argument PLAN.
  Plan plan() const;

  // --jobs, --rows-per-second, --bytes-per-second.
  void add_paces();
  // Puts those that were given into the plan, and returns the names of their settings.
  std::vector<std::string> take_paces(Plan& plan) const;

 private:
  const Invocation& invocation_;
  std::vector<std::string> positional_;
  const bool many_;
  boost::program_options::options_description description_;
  boost::program_options::variables_map values_;
};

}  // namespace migrator::cli
