// `migrate`: finds the command, and turns signals and errors into exit codes.

#include <algorithm>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <thread>

#include <fmt/format.h>
#include <nlohmann/json.hpp>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>
#include <unistd.h>

#include "migrator/cli/command.h"
#include "migrator/cli/console.h"
#include "migrator/include/migrator/version.h"
#include "plans/route.h"

namespace migrator::cli {
namespace {

void print_help() {
  std::printf(
      "migrate %s: zero-downtime migrations between PostgreSQL, MySQL/MariaDB and SQLite\n\n"
      "usage: migrate COMMAND ...\n\n",
      std::string(kVersion).c_str());
  std::vector<std::vector<std::string>> rows{{"command", ""}};
  for (const Command& command : commands()) {
    rows.push_back({"  " + command.name + " " + command.synopsis, command.summary});
  }
  rows.erase(rows.begin());
  std::fputs(columns(rows).c_str(), stdout);
  std::printf(
      "\nmigrate COMMAND --help shows a command's options.\n"
      "Exit status: 0 done, 1 failed, 2 wrong usage or plan, 3 differences or rejects, 4 refused\n"
      "by a gate, 130 interrupted (state saved: run it again to go on).\n");
}

// A password on the command line is there for every user of the machine to see: it is blotted out
// as soon as it has been read. (Better: put the URL into a variable and give '${SOURCE_URL}'.)
void hide_secrets(int argc, char** argv) {
  for (int at = 1; at < argc; ++at) {
    char* scheme = std::strstr(argv[at], "://");
    if (!scheme) continue;
    // Up to the last @, even where a / or ? before it makes the URL wrong: better too much than too
    // little.
    char* const stop = argv[at] + std::strlen(argv[at]);
    char* sign = nullptr;
    for (char* c = scheme + 3; c < stop; ++c) {
      if (*c == '@') sign = c;
    }
    char* colon = sign ? static_cast<char*>(std::memchr(
                             scheme + 3, ':', static_cast<std::size_t>(sign - scheme - 3)))
                       : nullptr;
    if (colon) std::memset(colon + 1, '*', static_cast<std::size_t>(sign - colon - 1));
    // Which parameters hold secrets the drivers know best, so all values go.
    char* query = std::strchr(scheme, '?');
    bool value = false;
    for (char* c = query ? query + 1 : stop; c < stop; ++c) {
      if (*c == '&' || *c == '=') {
        value = *c == '=' || (value && *c != '&');
      } else if (value) {
        *c = '*';
      }
    }
  }
}

// SIGINT and SIGTERM stop the command in good order; a second one at once. The signals are taken by
// a thread of their own, where everything is allowed.
void watch_signals(Interrupt& interrupt) {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGINT);
  sigaddset(&signals, SIGTERM);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  std::signal(SIGPIPE, SIG_IGN);
  // A file that may not grow is an error to report, not a reason to die.
  std::signal(SIGXFSZ, SIG_IGN);
  std::thread([signals, &interrupt] {
    for (int count = 0;; ++count) {
      int signal = 0;
      if (sigwait(&signals, &signal) != 0) continue;
      if (count > 0) _exit(kInterrupted);
      std::fprintf(
          stderr,
          "\nmigrate: stopping; the chunks in hand are rolled back (once more to stop at once)\n");
      // Again and again: a statement that begins just after it was cancelled runs on.
      std::thread([&interrupt] {
        for (;; std::this_thread::sleep_for(std::chrono::milliseconds(100))) interrupt.request();
      }).detach();
    }
  }).detach();
}

int run(std::vector<std::string> words, Interrupt& interrupt) {
  if (words.empty()) {
    print_help();
    return kUsage;
  }
  if (words[0] == "help" && words.size() > 1) words = {words[1], "--help"};
  if (words[0] == "help" || words[0] == "--help" || words[0] == "-h") {
    print_help();
    return kDone;
  }
  if (words[0] == "version" || words[0] == "--version") {
    std::printf("migrate %s\n", std::string(kVersion).c_str());
    return kDone;
  }
  std::vector<std::string> names;
  for (const Command& command : commands()) {
    names.push_back(command.name);
    if (command.name != words[0]) continue;
    const std::string plan =
        words.size() > 1 && words[1].find("://") == std::string::npos ? words[1] : "";
    const Invocation invocation{command.name,
                                {words.begin() + 1, words.end()},
                                "migrate " + command.name + (plan.empty() ? "" : " " + plan),
                                interrupt};
    return command.run(invocation);
  }
  const std::string near = nearest(words[0], names);
  throw Error(ErrorKind::usage, "unknown command `" + words[0] + "`")
      .remedy(near.empty() ? "`migrate help` lists the commands" : "did you mean `" + near + "`?");
}

// What a command that was asked for JSON and could not finish has to say on standard output.
void print_json_error(const Error& error) {
  const nlohmann::json document = {{"error",
                                    {{"text", error.what()},
                                     {"remedy", error.remedy()},
                                     {"code", error.code()},
                                     {"table", error.table()},
                                     {"exit", exit_code(error)}}}};
  std::printf("%s\n",
              document.dump(2, ' ', false, nlohmann::json::error_handler_t::replace).c_str());
}

int guarded(const std::vector<std::string>& words, Interrupt& interrupt) {
  const auto failed = [&](const Error& error) {
    print_error(error);
    const bool json = std::find(words.begin(), words.end(), "--json") != words.end();
    if (json) print_json_error(error);
    return exit_code(error);
  };
  try {
    const int code = run(words, interrupt);
    if (std::fflush(stdout) != 0) {
      std::fprintf(stderr, "migrate: the result could not be written to standard output\n");
      return kFailed;
    }
    return code;
  } catch (const Error& error) {
    return failed(error);
  } catch (const std::bad_alloc&) {
    return failed(
        Error(ErrorKind::permanent, "out of memory").remedy("lower backfill.jobs or max_bytes"));
  } catch (const std::exception& error) {
    return failed(Error(ErrorKind::invariant, error.what())
                      .remedy("this is a bug: please report it with the command and the plan"));
  }
}

}  // namespace
}  // namespace migrator::cli

int main(int argc, char** argv) {
  const std::vector<std::string> words(argv + 1, argv + argc);
  migrator::cli::hide_secrets(argc, argv);
  // Leaked on purpose: the signal thread may use it until the process ends.
  auto& interrupt = *new migrator::Interrupt;
  migrator::cli::watch_signals(interrupt);
  const int code = migrator::cli::guarded(words, interrupt);
  std::fflush(nullptr);
  // No destructors of statics while the signal thread lives.
  std::_Exit(code);
}
