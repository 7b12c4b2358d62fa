#include "tests/integration/migration_case.h"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <thread>

#include <fmt/format.h>
#include <stdlib.h>

namespace migrator::test {
namespace fs = std::filesystem;

std::string shown(const CommandResult& result) {
  return fmt::format("status {}\n--- standard output\n{}--- standard error\n{}---", result.status,
                     result.out.substr(0, 3000), result.err.substr(0, 3000));
}

json document(const CommandResult& result) {
  json parsed = json::parse(result.out, nullptr, /*allow_exceptions=*/false);
  if (!parsed.is_discarded()) return parsed;
  ADD_FAILURE() << "standard output is not one JSON document: " << shown(result);
  return nullptr;
}

std::vector<std::string> keys_of(const json& object) {
  std::vector<std::string> keys;
  for (const auto& [key, unused] : object.items()) keys.push_back(key);
  return keys;
}

std::string numbers(ServerKind kind, int count) {
  if (is_postgres(kind)) return fmt::format("generate_series(1, {}) AS s(n)", count);
  if (is_mysql(kind))
    return fmt::format("(SELECT CAST(seq AS SIGNED) AS n FROM seq_1_to_{}) s", count);
  return fmt::format(
      "(WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c WHERE n < {}) SELECT n FROM "
      "c) s",
      count);
}

bool eventually(const std::function<bool()>& condition, std::chrono::seconds time) {
  using Clock = std::chrono::steady_clock;
  const auto deadline = Clock::now() + time;
  for (;;) {
    const auto asked = Clock::now();
    if (condition()) return true;
    const auto now = Clock::now();
    if (now > deadline) return false;
    // Many a condition starts a process: those must not take a processor from what is waited for.
    std::this_thread::sleep_for(std::max<Clock::duration>(20ms, now - asked));
  }
}

namespace {

std::string password_in(const std::string& url) {
  const std::size_t start = url.find("://"), at = url.find('@');
  if (start == std::string::npos || at == std::string::npos) return "";
  const std::size_t colon = url.find(':', start + 3);
  return colon < at ? url.substr(colon + 1, at - colon - 1) : "";
}

}  // namespace

MigrationCase::MigrationCase(ServerKind from, ServerKind to)
    : source(TestDatabase::on(from)),
      target(TestDatabase::on(to)),
      source_url(source.url_text()),
      target_url(target.url_text()),
      folder_((fs::temp_directory_path() / "migrator-case-XXXXXX").string()) {
  if (!::mkdtemp(folder_.data())) throw std::runtime_error("cannot make " + folder_);
  for (const std::string& url : {source_url, target_url}) {
    if (const std::string password = password_in(url); !password.empty()) add_secret(password);
  }
}

MigrationCase::~MigrationCase() {
  for (const std::string& secret : secrets_) {
    const std::size_t at = printed_.find(secret);
    EXPECT_EQ(at, std::string::npos) << "a password was printed: ..."
                                     << printed_.substr(at < 200 ? 0 : at - 200, 200) << "<here>";
    for (const auto& entry : fs::recursive_directory_iterator(folder_)) {
      if (!entry.is_regular_file()) continue;
      const std::string name = entry.path().filename();
      EXPECT_EQ(read(name).find(secret), std::string::npos) << "a password is in the file " << name;
    }
  }
  std::error_code ignored;
  fs::remove_all(folder_, ignored);
}

std::string MigrationCase::read(const std::string& file) const {
  std::ifstream stream(path(file), std::ios::binary);
  std::ostringstream text;
  text << stream.rdbuf();
  return text.str();
}

void MigrationCase::write(const std::string& file, const std::string& text) const {
  std::ofstream stream(path(file), std::ios::binary | std::ios::trunc);
  stream << text;
  if (!stream.flush()) throw std::runtime_error("cannot write " + path(file));
}

bool MigrationCase::exists(const std::string& file) const { return fs::exists(path(file)); }

void MigrationCase::plan(const std::string& table_list, const std::string& rest) {
  write("plan.yaml",
        "version: 1\nname: trial\nsource: ${SOURCE_URL}\ntarget: ${TARGET_URL}\n"
        "checkpoint: state.db\ntables:\n" +
            table_list + rest);
}

std::string MigrationCase::tables(const std::vector<std::string>& names) {
  std::string yaml;
  for (const std::string& name : names) yaml += "  - name: " + name + "\n";
  return yaml;
}

Command MigrationCase::command(const std::vector<std::string>& arguments) const {
  Command command;
  command.argv = {MIGRATE_PROGRAM};
  command.argv.insert(command.argv.end(), arguments.begin(), arguments.end());
  command.environment = environment;
  command.environment["SOURCE_URL"] = source_url;
  command.environment["TARGET_URL"] = target_url;
  command.folder = folder_;
  command.timeout = 60s;
  return command;
}

CommandResult MigrationCase::migrate(const std::vector<std::string>& arguments) {
  CommandResult result = run(command(arguments));
  printed_ += result.out + result.err;
  return result;
}

CommandResult MigrationCase::migrate_under(const std::string& prepare,
                                           const std::vector<std::string>& arguments) {
  Command under = command(arguments);
  std::vector<std::string> argv{"sh", "-c", prepare + "; exec \"$@\"", "sh"};
  argv.insert(argv.end(), under.argv.begin(), under.argv.end());
  under.argv = std::move(argv);
  CommandResult result = run(under);
  printed_ += result.out + result.err;
  return result;
}

Child MigrationCase::start(const std::vector<std::string>& arguments) {
  return Child(command(arguments));
}

json MigrationCase::status() { return document(migrate({"status", "plan.yaml", "--json"})); }

std::uint64_t MigrationCase::rows_recorded() {
  if (!exists("state.db")) return 0;
  const json found = status();
  std::uint64_t rows = 0;
  for (const json& table : found["tables"]) rows += table["rows"].get<std::uint64_t>();
  return rows;
}

CommandResult MigrationCase::oracle(const std::vector<std::string>& table_list) const {
  Command command;
  command.argv = {MIGRATOR_PYTHON, MIGRATOR_ORACLE, source.url_text(), target.url_text()};
  command.argv.insert(command.argv.end(), table_list.begin(), table_list.end());
  return run(command);
}

void MigrationCase::expect_equal(const std::vector<std::string>& table_list) {
  const CommandResult verified = migrate({"verify", "plan.yaml", "--json"});
  EXPECT_EQ(verified.status, 0) << shown(verified);
  const json found = document(verified);
  if (found.is_object()) {
    EXPECT_EQ(found["equal"], true);
    for (const json& table : found["tables"])
      EXPECT_EQ(table["equal"], true) << table.dump().substr(0, 1000);
  }
  const CommandResult judged = oracle(table_list);
  EXPECT_EQ(judged.status, 0) << shown(judged);
}

void MigrationCase::expect_target_untouched() const {
  const char* const query =
      is_postgres(target.kind()) ? "SELECT tablename FROM pg_tables WHERE schemaname = 'public'"
      : is_mysql(target.kind())
          ? "SELECT table_name FROM information_schema.tables WHERE table_schema = DATABASE()"
          : "SELECT name FROM sqlite_master WHERE type = 'table'";
  EXPECT_EQ(target.cli(query), "") << "something was made on the target";
}

void expect_refusal(const CommandResult& result, int status,
                    const std::vector<std::string>& texts) {
  EXPECT_EQ(result.status, status) << shown(result);
  EXPECT_NE(result.err.find("to do: "), std::string::npos) << shown(result);
  for (const std::string& text : texts) {
    EXPECT_NE(result.err.find(text), std::string::npos)
        << "`" << text << "` is missing: " << shown(result);
  }
  EXPECT_EQ(result.err.find("this is a bug"), std::string::npos) << shown(result);
}

std::string pair_name(const testing::TestParamInfo<std::pair<ServerKind, ServerKind>>& info) {
  return std::string(name(info.param.first)) + "_to_" + name(info.param.second);
}

std::vector<std::pair<ServerKind, ServerKind>> all_pairs() {
  std::vector<std::pair<ServerKind, ServerKind>> pairs;
  for (const ServerKind from : {ServerKind::sqlite, ServerKind::postgres, ServerKind::mariadb}) {
    for (const ServerKind to : {ServerKind::sqlite, ServerKind::postgres, ServerKind::mariadb}) {
      pairs.emplace_back(from, to);
    }
  }
  return pairs;
}

}  // namespace migrator::test
