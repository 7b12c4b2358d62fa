#include "tests/faults/trial.h"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <thread>

#include <fmt/format.h>
#include <stdlib.h>

namespace migrator::test {
namespace fs = std::filesystem;

namespace {

const char* const kTables[] = {"entries", "marks"};

std::string create_tables(ServerKind kind) {
  const std::string text = is_mysql(kind) ? "VARCHAR(300)" : "TEXT";
  const std::string integer = kind == ServerKind::sqlite ? "INTEGER" : "BIGINT";
  return fmt::format(
      "CREATE TABLE entries (id {0} NOT NULL PRIMARY KEY, account INTEGER NOT NULL, note {1});"
      "CREATE TABLE marks (region VARCHAR(8) NOT NULL, seq INTEGER NOT NULL, body {1} NOT NULL, "
      "PRIMARY KEY (region, seq));",
      integer, text);
}

// A row's text depends on its number alone. Lengths from 0 to some 200 bytes, not all of them
// ASCII.
std::string note_of(int n) {
  static const char* const kWords[] = {"plain", "grün",  "naïve",      "数据",
                                       "🦉",  "it''s", "\"quoted\"", "%s"};
  std::string note;
  for (int word = 0; word < n % 17; ++word) {
    note += fmt::format("{}{} ", kWords[(n + word * 5) % 8], n * 7919LL % 100003);
  }
  return note;
}

void append_rows(std::string& script, const std::string& table, int count,
                 const std::function<std::string(int)>& row) {
  for (int n = 1; n <= count; ++n) {
    script += n % 500 == 1 ? fmt::format("INSERT INTO {} VALUES ", table) : ", ";
    script += row(n);
    if (n % 500 == 0 || n == count) script += ";\n";
  }
}

std::string insert_rows(const Rows& rows) {
  std::string script = "BEGIN;\n";
  append_rows(script, "entries", rows.entries, [](int n) {
    return fmt::format("({}, {}, {})", n * 3LL - n % 2, n % 500,
                       n % 11 == 0 ? "NULL" : "'" + note_of(n) + "'");
  });
  static const char* const kRegions[] = {"AP", "EU", "EUW", "NA"};
  append_rows(script, "marks", rows.marks, [](int n) {
    return fmt::format("('{}', {}, '{}')", kRegions[n % 4], n * 2, note_of(n + 3));
  });
  return script + "COMMIT;\n";
}

long long rows_in(const nlohmann::json& status) {
  long long rows = 0;
  for (const auto& table : status["tables"]) rows += table["rows"].get<long long>();
  return rows;
}

// Where two texts part, for a message.
std::string first_difference(const std::string& expected, const std::string& found) {
  std::size_t at = 0, line_start = 0;
  while (at < expected.size() && at < found.size() && expected[at] == found[at]) {
    if (expected[at++] == '\n') line_start = at;
  }
  const auto line = [&](const std::string& text) {
    if (line_start >= text.size()) return std::string("nothing");
    return "\"" + text.substr(line_start, text.find('\n', line_start) - line_start) + "\"";
  };
  return fmt::format("expected {}, found {}", line(expected), line(found));
}

}  // namespace

bool eventually(const std::function<bool()>& condition, std::chrono::milliseconds time) {
  using Clock = std::chrono::steady_clock;
  const auto deadline = Clock::now() + time;
  for (;;) {
    const auto asked = Clock::now();
    if (condition()) return true;
    const auto now = Clock::now();
    if (now > deadline) return false;
    // Many a condition starts a process: those must not take a processor from what is waited for.
    std::this_thread::sleep_for(std::max<Clock::duration>(5ms, now - asked));
  }
}

std::string shown(const CommandResult& result) {
  // Without the lines of progress, but for the last.
  std::string log, progress;
  std::istringstream lines(result.err);
  for (std::string line; std::getline(lines, line);) {
    if (line.find("\"progress\":") == std::string::npos) {
      log += line + "\n";
    } else {
      progress = line + "\n";
    }
  }
  return fmt::format("status {}\n--- standard output\n{}--- standard error\n{}---", result.status,
                     result.out.substr(0, 4000), (log + progress).substr(0, 4000));
}

std::string shown(const Child& child) { return shown({child.status(), child.out(), child.err()}); }

Trial::Trial(ServerKind from_kind, ServerKind to_kind) : Trial(from_kind, to_kind, "") {}

Trial::Trial(ServerKind from_kind, ServerKind to_kind, const std::string& target)
    : from(from_kind), to(to_kind) {
  source_database_.emplace(TestDatabase::on(from));
  source_direct_ = source_database_->url_text();
  target_direct_ = target;
  if (target.empty()) {
    target_database_.emplace(TestDatabase::on(to));
    target_direct_ = target_database_->url_text();
  }
  source_url = source_direct_;
  target_url = target_direct_;
  folder_ = (fs::temp_directory_path() / "migrator-trial-XXXXXX").string();
  if (!::mkdtemp(folder_.data())) throw std::runtime_error("cannot make " + folder_);
}

Trial::~Trial() {
  std::error_code ignored;
  fs::remove_all(folder_, ignored);
}

void Trial::prepare(const Rows& rows, const std::string& backfill) {
  rows_ = rows;
  backfill_ = backfill;
  source_sql(create_tables(from) + insert_rows(rows));
  write_plan("plan.yaml", "state.db");
}

void Trial::write_plan(const std::string& file, const std::string& checkpoint) const {
  std::ofstream stream(path(file));
  stream << "version: 1\nname: trial\nsource: ${SOURCE_URL}\ntarget: ${TARGET_URL}\ncheckpoint: "
         << checkpoint << "\ntables:\n";
  for (const char* table : kTables) stream << "  - name: " << table << "\n";
  stream << "backfill: {" << backfill_ << "}\n";
  if (!stream.flush()) throw std::runtime_error("cannot write " + path(file));
}

void Trial::begin_anew() {
  target_sql(
      "DROP TABLE IF EXISTS entries; DROP TABLE IF EXISTS marks;"
      "DROP TABLE IF EXISTS _migrator_chunk; DROP TABLE IF EXISTS _migrator_state;");
  for (const auto& entry : fs::directory_iterator(folder_)) {
    if (entry.path().filename().string().starts_with("state.db")) fs::remove(entry.path());
  }
}

long long Trial::target_number(const std::string& query) const {
  const std::string text = target_sql(query + ";");
  return std::stoll(text);
}

Child Trial::target_client(const std::string& script) const {
  Command client;
  client.input = script;
  const std::string& url = target_direct_;
  if (to == ServerKind::sqlite) {
    client.argv = {"sqlite3", "-batch",         "-bail",
                   "-cmd",    ".timeout 10000", url.substr(url.find(':') + 1)};
    return Child(client);
  }
  // scheme://user:password@127.0.0.1:port/database
  const std::size_t user = url.find("://") + 3, password = url.find(':', user) + 1,
                    at = url.find('@');
  const std::size_t port = url.find(':', at) + 1, database = url.find('/', port) + 1;
  const std::string user_name = url.substr(user, password - 1 - user);
  const std::string port_number = url.substr(port, database - 1 - port);
  if (is_postgres(to)) {
    client.argv = {"psql",      "-X", "-q",      "-h", "127.0.0.1", "-p",
                   port_number, "-U", user_name, "-f", "-",         url.substr(database)};
    client.environment["PGPASSWORD"] = url.substr(password, at - password);
  } else {
    client.argv = {"mariadb",          "--no-defaults",  "--unbuffered",      "-h127.0.0.1",
                   "-P" + port_number, "-u" + user_name, url.substr(database)};
    client.environment["MYSQL_PWD"] = url.substr(password, at - password);
  }
  return Child(client);
}

Command Trial::command(const std::vector<std::string>& arguments,
                       const Environment& environment) const {
  Command command;
  command.argv = {MIGRATE_PROGRAM};
  command.argv.insert(command.argv.end(), arguments.begin(), arguments.end());
  command.environment = environment;
  command.environment["SOURCE_URL"] = source_url;
  command.environment["TARGET_URL"] = target_url;
  command.folder = folder_;
  command.timeout = 30s;
  return command;
}

CommandResult Trial::migrate(const std::vector<std::string>& arguments,
                             const Environment& environment) const {
  return run(command(arguments, environment));
}

Child Trial::start(const std::vector<std::string>& arguments,
                   const Environment& environment) const {
  return Child(command(arguments, environment));
}

int Trial::backfill_until_done(int runs, const std::vector<std::string>& options) const {
  std::vector<std::string> arguments{"backfill", "plan.yaml"};
  arguments.insert(arguments.end(), options.begin(), options.end());
  for (int count = 1; count <= runs; ++count) {
    const CommandResult result = migrate(arguments);
    if (result.status == 0) return count;
    EXPECT_EQ(result.status, 1) << shown(result);
    EXPECT_NE(result.err.find("to do: "), std::string::npos) << shown(result);
    EXPECT_EQ(result.err.find("this is a bug"), std::string::npos) << shown(result);
    if (count == runs) ADD_FAILURE() << "not done after " << runs << " runs: " << shown(result);
  }
  return runs;
}

nlohmann::json Trial::status(const std::string& plan) const {
  const CommandResult result = migrate({"status", plan, "--json"});
  const auto document = nlohmann::json::parse(result.out, nullptr, /*allow_exceptions=*/false);
  if (result.status == 0 && document.is_object()) return document;
  ADD_FAILURE() << "migrate status: " << shown(result);
  return {{"tables", nlohmann::json::array()}, {"events", nlohmann::json::array()}};
}

long long Trial::rows_recorded(const std::string& plan) const { return rows_in(status(plan)); }

long long Trial::chunks_retried() const {
  return std::stoll(run_sql("sqlite:" + path("state.db"),
                            "SELECT count(*) FROM events WHERE kind = 'chunk_retried';"));
}

void Trial::expect_same_rows(const std::string& entries_condition) const {
  const std::string where =
      entries_condition.empty() ? "" : " WHERE NOT (" + entries_condition + ")";
  const std::string script =
      "SELECT id, account, note FROM entries{} ORDER BY id, account, note;"
      "SELECT region, seq, body FROM marks ORDER BY region, seq, body;";
  const std::string expected = source_sql(fmt::format(fmt::runtime(script), where));
  const std::string found = target_sql(fmt::format(fmt::runtime(script), ""));
  ASSERT_FALSE(expected.empty());
  EXPECT_TRUE(expected == found) << first_difference(expected, found);
}

void Trial::expect_equal() const { expect_same_rows(""); }
void Trial::expect_equal_without(const std::string& condition) const {
  expect_same_rows(condition);
}

std::vector<std::string> Trial::target_rows(const std::string& queries) const {
  std::vector<std::string> rows;
  std::istringstream lines(target_sql(queries));
  for (std::string line; std::getline(lines, line);) rows.push_back(line);
  return rows;
}

long long Trial::expect_never_ahead() const {
  // The store first: meanwhile the fences can only get further.
  const nlohmann::json stored = status();
  const auto& tables = stored["tables"];
  if (tables.empty()) return 0;
  std::string queries;
  for (const auto& table : tables) {
    // One statement a table, so of one moment: a server may still be ending the killed process's
    // transaction.
    queries += fmt::format(
        "SELECT (SELECT COUNT(*) FROM {0}), COALESCE(SUM(chunk_rows), 0), COUNT(*) "
        "FROM _migrator_chunk WHERE source_table = '{0}' AND chunk_state = 'done';",
        table["table"].get<std::string>());
  }
  const std::vector<std::string> rows = target_rows(queries);
  if (rows.size() != tables.size()) {
    ADD_FAILURE() << rows.size() << " answers of the target to: " << queries;
    return 0;
  }
  for (std::size_t at = 0; at < rows.size(); ++at) {
    const std::string name = tables[at]["table"].get<std::string>();
    long long in_table = -1, in_fences = -1, chunks = -1;
    std::istringstream(rows[at]) >> in_table >> in_fences >> chunks;
    EXPECT_EQ(in_table, in_fences)
        << name << ": rows in the table, and rows that its fences call done";
    EXPECT_LE(tables[at]["chunks_done"].get<long long>(), chunks)
        << name << ": chunks that the store calls done, and those that the target does";
  }
  return rows_in(stored);
}

void Trial::expect_finished() const {
  expect_never_ahead();
  const nlohmann::json stored = status();
  const auto& tables = stored["tables"];
  ASSERT_EQ(tables.size(), 2U);
  std::string queries;
  for (const auto& table : tables) {
    queries += fmt::format(
        "SELECT COUNT(*), COALESCE(SUM(CASE WHEN chunk_state = 'done' THEN 1 ELSE 0 "
        "END), 0), (SELECT COUNT(*) FROM {0}) FROM _migrator_chunk WHERE source_table "
        "= '{0}';",
        table["table"].get<std::string>());
  }
  const std::vector<std::string> rows = target_rows(queries);
  ASSERT_EQ(rows.size(), tables.size());
  for (std::size_t at = 0; at < rows.size(); ++at) {
    const auto& table = tables[at];
    const std::string name = table["table"].get<std::string>();
    EXPECT_EQ(table["state"], "finished") << name;
    EXPECT_EQ(table["chunks_done"], table["chunks_cut"]) << name;
    EXPECT_TRUE(table["cut_to_end"].get<bool>()) << name;
    long long fences = -1, done = -1, in_table = -1;
    std::istringstream(rows[at]) >> fences >> done >> in_table;
    EXPECT_EQ(fences, table["chunks_cut"].get<long long>()) << name;
    EXPECT_EQ(done, fences) << name;
    EXPECT_EQ(table["rows"].get<long long>(), in_table) << name;
  }
}

}  // namespace migrator::test
