// test_servers: the servers of a test run, from the command line.
//
//   test_servers start [--env-file FILE] [--with-parent] [--no-extra]
//   test_servers stop  [--env-file FILE]
//   test_servers env   [--env-file FILE]        prints `export NAME='value'` lines for a shell
//   test_servers report [--env-file FILE]       prints which servers this run has
//   test_servers run [--no-extra] -- COMMAND    starts servers, runs COMMAND with their variables
//   set
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <fstream>
#include <iostream>
#include <string>
#include <vector>

#include <unistd.h>

#include "tests/support/servers.h"

namespace {

using namespace migrator::test;

struct Arguments {
  std::string verb, env_file = MIGRATOR_TEST_SERVERS_ENV;
  bool with_parent = false, extra = true;
  std::vector<std::string> command;
};

bool parse(int argc, char** argv, Arguments& arguments) {
  if (argc < 2) return false;
  arguments.verb = argv[1];
  for (int i = 2; i < argc; ++i) {
    const std::string word = argv[i];
    if (word == "--env-file" && i + 1 < argc) {
      arguments.env_file = argv[++i];
    } else if (word == "--with-parent") {
      arguments.with_parent = true;
    } else if (word == "--no-extra") {
      arguments.extra = false;
    } else if (word == "--") {
      arguments.command.assign(argv + i + 1, argv + argc);
      return !arguments.command.empty();
    } else {
      return false;
    }
  }
  return arguments.verb != "run";
}

std::string list_of(const std::vector<ServerKind>& kinds) {
  std::string text;
  for (const ServerKind kind : kinds) text += std::string(text.empty() ? "" : ", ") + name(kind);
  return text;
}

// Starts what there is, and says in `report` what there is not: a package that cannot be fetched,
// or whose server does not start, must not take the usual servers along.
ServerEnvironment start_servers(SupervisorOptions options, bool extra, std::string& report) {
  std::vector<std::string> reasons;
  options.kinds = {ServerKind::postgres, ServerKind::mariadb};
  if (extra) options.kinds = available_servers(true, &reasons);
  ServerEnvironment environment;
  try {
    environment = start_supervisor(options);
  } catch (const std::exception& problem) {
    if (options.kinds.size() <= 2) throw;
    reasons.push_back(std::string("extra servers were NOT had: ") + problem.what());
    std::replace(reasons.back().begin(), reasons.back().end(), '\n', ' ');
    options.kinds = {ServerKind::postgres, ServerKind::mariadb};
    environment = start_supervisor(options);
  }
  report = "servers of this run: sqlite (no server), " + list_of(options.kinds) + "\n";
  if (!extra) report += "extra servers were NOT asked for\n";
  for (const std::string& reason : reasons) report += reason + "\n";
  return environment;
}

std::string report_file(const Arguments& arguments) { return arguments.env_file + ".report"; }

int start(const Arguments& arguments) {
  if (!read_env_file(arguments.env_file).empty()) {
    std::printf("they run already: %s\n", arguments.env_file.c_str());
    return 0;
  }
  SupervisorOptions options;
  options.env_file = arguments.env_file;
  if (arguments.with_parent) options.until_exit_of = ::getppid();
  std::string report;
  start_servers(options, arguments.extra, report);
  std::printf("%s", report.c_str());
  std::ofstream(report_file(arguments)) << report;
  return 0;
}

int print_env(const Arguments& arguments) {
  const ServerEnvironment environment = read_env_file(arguments.env_file);
  for (const auto& [name, value] : environment) {
    std::printf("export %s='%s'\n", name.c_str(), value.c_str());
  }
  if (const std::string folder = psql_folder(); !folder.empty()) {
    std::printf("export PATH='%s':\"$PATH\"\n", folder.c_str());
  }
  return environment.empty() ? 1 : 0;
}

int report(const Arguments& arguments) {
  std::ifstream file(report_file(arguments));
  std::cout << file.rdbuf();
  return file && !read_env_file(arguments.env_file).empty() ? 0 : 1;
}

int run_with_servers(const Arguments& arguments) {
  SupervisorOptions options;
  // After exec this process id is the command's: the servers end with it.
  options.until_exit_of = ::getpid();
  std::string report;
  for (const auto& [name, value] : start_servers(options, arguments.extra, report)) {
    ::setenv(name.c_str(), value.c_str(), 1);
  }
  std::vector<char*> argv;
  for (const std::string& word : arguments.command) argv.push_back(const_cast<char*>(word.c_str()));
  argv.push_back(nullptr);
  std::fflush(stdout);
  ::execvp(argv[0], argv.data());
  std::fprintf(stderr, "cannot run %s\n", argv[0]);
  return 127;
}

int act(const Arguments& arguments) {
  if (arguments.verb == "start") return start(arguments);
  if (arguments.verb == "env") return print_env(arguments);
  if (arguments.verb == "report") return report(arguments);
  if (arguments.verb == "run") return run_with_servers(arguments);
  if (arguments.verb == "stop") {
    stop_supervisor(read_env_file(arguments.env_file));
    return 0;
  }
  return 2;
}

}  // namespace

int main(int argc, char** argv) {
  Arguments arguments;
  if (!parse(argc, argv, arguments)) {
    std::fprintf(stderr, "usage: test_servers start|stop|env|report|run [--env-file FILE] ...\n");
    return 2;
  }
  try {
    return act(arguments);
  } catch (const std::exception& problem) {
    std::fprintf(stderr, "%s\n", problem.what());
    return 1;
  }
}
