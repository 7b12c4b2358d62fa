#include "plans/plan.h"

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <random>
#include <set>
#include <sstream>

#include <fcntl.h>
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>
#include <sys/stat.h>
#include <unistd.h>

#include "migrator/include/migrator/error.h"

namespace migrator {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::json;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::StartsWith;

const fs::path kRoot = fs::path(__FILE__).parent_path().parent_path().parent_path();

Environment variables(std::map<std::string, std::string> values = {}) {
  return [values = std::move(values)](const std::string& name) -> std::optional<std::string> {
    const auto found = values.find(name);
    if (found == values.end()) return std::nullopt;
    return found->second;
  };
}

Plan read(std::string_view yaml, const Environment& environment = variables()) {
  return read_plan(yaml, "p.yaml", environment);
}

// The error of a plan that must not be read. Any other exception fails the test by itself.
Error refusal(std::string_view yaml, const Environment& environment = variables()) {
  try {
    read(yaml, environment);
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::usage) << error.what();
    EXPECT_FALSE(error.remedy().empty()) << error.what();
    return error;
  }
  ADD_FAILURE() << "was read:\n" << yaml.substr(0, 400);
  return Error(ErrorKind::invariant, "was read");
}

// Four lines that every plan starts with, so that what is under test starts on line 5.
const std::string kHead = "version: 1\nname: shop\nsource: sqlite:a.db\ntarget: sqlite:b.db\n";
const std::string kTables = "tables: [{name: orders}]\n";

TablePlan table(std::string name, std::string to = "", std::vector<std::string> key = {},
                std::string where = "") {
  TablePlan plan;
  plan.name = std::move(name);
  plan.to = std::move(to);
  plan.key = std::move(key);
  plan.where = std::move(where);
  return plan;
}

std::string file_text(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  EXPECT_TRUE(file) << path;
  return {std::istreambuf_iterator<char>(file), {}};
}

// Everything but `file`.
void expect_equal(const Plan& a, const Plan& b, const std::string& yaml) {
  EXPECT_EQ(a.version, b.version);
  EXPECT_EQ(a.name, b.name);
  EXPECT_EQ(a.source_url, b.source_url);
  EXPECT_EQ(a.target_url, b.target_url);
  EXPECT_EQ(a.checkpoint, b.checkpoint);
  EXPECT_EQ(a.capture, b.capture);
  EXPECT_TRUE(a.tables == b.tables) << yaml;
  EXPECT_TRUE(a.backfill == b.backfill) << yaml;
  EXPECT_TRUE(a.verify == b.verify) << yaml;
}

class PlanFile : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = (fs::temp_directory_path() / "plan-test-XXXXXX").string();
    ASSERT_NE(mkdtemp(pattern.data()), nullptr);
    folder_ = pattern;
  }
  void TearDown() override { fs::remove_all(folder_); }

  std::string write(const std::string& name, const std::string& text) {
    std::ofstream(folder_ / name, std::ios::binary) << text;
    return (folder_ / name).string();
  }
  Error refusal_of(const std::string& path) {
    try {
      read_plan_file(path, variables());
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::usage) << error.what();
      EXPECT_FALSE(error.remedy().empty()) << error.what();
      return error;
    }
    ADD_FAILURE() << "was read: " << path;
    return Error(ErrorKind::invariant, "was read");
  }

  fs::path folder_;
};

TEST(PlanReader, FillsInDefaultsForWhatIsNotSaid) {
  const Plan plan = read(kHead + kTables);
  EXPECT_EQ(plan.version, 1);
  EXPECT_EQ(plan.name, "shop");
  EXPECT_EQ(plan.source_url, "sqlite:a.db");
  EXPECT_EQ(plan.target_url, "sqlite:b.db");
  EXPECT_EQ(plan.checkpoint, "shop.migrate.db");
  EXPECT_EQ(plan.capture, "none");
  ASSERT_EQ(plan.tables.size(), 1u);
  EXPECT_TRUE(plan.tables[0] == table("orders"));
  EXPECT_TRUE(plan.backfill == BackfillPlan{});
  EXPECT_TRUE(plan.verify == VerifyPlan{});
  EXPECT_EQ(plan.file, "");
}

TEST(PlanReader, TakesEmptySectionsForDefaults) {
  const Plan plan = read(kHead + "tables:\n  - name: orders\n    columns:\n" +
                         "backfill:\n  chunk:\n  throttle:\n# all commented out\nverify:\n");
  EXPECT_TRUE(plan.backfill == BackfillPlan{});
  EXPECT_TRUE(plan.verify == VerifyPlan{});
}

TEST(PlanReader, TakesAnchorsMarksCrlfAndCommentsAsYamlDoes) {
  const std::string crlf =
      "\xEF\xBB\xBF%YAML 1.2\r\n---\r\nversion: 1 # one\r\nname: shop\r\nsource: sqlite:a.db\r\n"
      "target: sqlite:b.db\r\ntables:\r\n- name: a\r\n  key: &key [t, id]\r\n- name: b\r\n"
      "  key: *key\r\n...\r\n";
  const Plan plan = read(crlf);
  ASSERT_EQ(plan.tables.size(), 2u);
  EXPECT_THAT(plan.tables[1].key, ElementsAre("t", "id"));
  EXPECT_EQ(plan.target_url, "sqlite:b.db");
}

TEST(PlanReader, ReadsNamesAsTheyAreWritten) {
  const Plan plan =
      read(kHead +
           "tables:\n- name: 007\n  key: [on, 1e3, !!str null]\n"
           "  columns: {2024-01-01: yes, a: \"null\", b: '~', c: null, d: ~, e: e}\n");
  EXPECT_EQ(plan.tables[0].name, "007");
  EXPECT_THAT(plan.tables[0].key, ElementsAre("on", "1e3", "null"));
  const auto& columns = plan.tables[0].columns;
  EXPECT_EQ(columns.at("2024-01-01").to, "yes");
  EXPECT_EQ(columns.at("a").to, "null");
  EXPECT_EQ(columns.at("b").to, "~");
  EXPECT_TRUE(columns.at("c").drop);
  EXPECT_TRUE(columns.at("d").drop);
  EXPECT_TRUE(columns.at("e") == ColumnPlan{}) << "its own name is no change";
}

struct Wrong {
  std::string yaml;
  std::string start;   // of the message: the position
  std::string what;    // in the message
  std::string remedy;  // in the remedy
};

void expect_refusals(const std::vector<Wrong>& cases) {
  for (const Wrong& wrong : cases) {
    SCOPED_TRACE(wrong.yaml.substr(0, 400));
    const Error error = refusal(wrong.yaml);
    EXPECT_THAT(error.what(),
                AllOf(StartsWith("p.yaml:" + wrong.start + ": "), HasSubstr(wrong.what)));
    EXPECT_THAT(error.remedy(), HasSubstr(wrong.remedy));
  }
}

TEST(PlanReader, NamesUnknownKeysAndTheNearestKnownOne) {
  expect_refusals({
      {"souce: x\n" + kHead, "1:1", "unknown key \"souce\"; did you mean \"source\"?",
       "version, name"},
      {kHead + kTables + "backfil: {}\n", "6:1", "did you mean \"backfill\"?", ""},
      {kHead + kTables + "backfill:\n  job: 3\n", "7:3", "did you mean \"jobs\"?", "jobs, chunk"},
      {kHead + kTables + "backfill: {chunk: {max-rows: 3}}\n", "6:20", "\"max_rows\"?",
       "max_bytes"},
      {kHead + kTables + "backfill: {trottle: {}}\n", "6:12", "\"throttle\"?", ""},
      {kHead + kTables + "backfill: {throttle: {max_lga: 1s}}\n", "6:23", "\"max_lag\"?", ""},
      {kHead + kTables + "verify: {Show_Values: true}\n", "6:10", "\"show_values\"?", ""},
      {kHead + "tables:\n  - name: a\n    keys: [id]\n", "7:5", "did you mean \"key\"?", ""},
      {kHead + "tables: [{name: a, columns: {c: {typ: int}}}]\n", "5:34", "\"type\"?", "to, type"},
      {kHead + kTables + "jobs: 4\n", "6:1", "it belongs under backfill", ""},
      {kHead + kTables + "max_rows: 4\n", "6:1", "it belongs under backfill.chunk", ""},
      {kHead + kTables + "verify: {tables: []}\n", "6:10", "it belongs at the top", ""},
  });
  const std::string far = refusal(kHead + kTables + "cutover: {}\n").what();
  EXPECT_THAT(far, AllOf(HasSubstr("6:1: unknown key \"cutover\""), Not(HasSubstr("mean"))));
}

TEST(PlanReader, RefusesDuplicateKeysAtEveryLevel) {
  expect_refusals({
      {kHead + "name: again\n" + kTables, "5:1", "\"name\" is here twice; first on line 2",
       "one of"},
      {kHead + "tables:\n- name: a\n  name: b\n", "7:3", "\"name\" is here twice", ""},
      {kHead + "tables: [{name: a, columns: {c: d, \"c\": null}}]\n", "5:36", "\"c\" is here twice",
       ""},
      {kHead + kTables + "backfill: {jobs: 1, jobs: 1}\n", "6:21", "\"jobs\" is here twice", ""},
  });
}

TEST(PlanReader, RefusesMissingKeysAndWrongVersions) {
  expect_refusals({
      {"name: shop\n", "1:1", "no key \"version\"", "version: 1"},
      {"version: 1\n", "1:1", "no key \"name\"", "name: shop"},
      {"version: 1\nname: a\ntarget: sqlite:b\n" + kTables, "1:1", "no key \"source\"",
       "SOURCE_URL"},
      {"version: 1\nname: a\nsource: sqlite:b\n" + kTables, "1:1", "no key \"target\"",
       "TARGET_URL"},
      {kHead, "1:1", "no key \"tables\"", "name: orders"},
      {kHead + "tables:\n  - to: b\n", "6:5", "table has no key \"name\"", "name: orders"},
      {"later: {}\nversion: 2\n", "2:10", "newer migrate", "Upgrade migrate"},
      {"version: 0\n", "1:10", "version has to be", ""},
      {"version: one\n", "1:10", "not \"one\"", ""},
      {"version: \"1\"\n", "1:10", "not text", "quotes"},
      {"version:\n", "1:1", "is empty", ""},
  });
}

TEST(PlanReader, RefusesWrongTypes) {
  expect_refusals({
      {"- version: 1\n", "1:1", "a plan has to be a mapping, not a list", ""},
      {"just text\n", "1:1", "a plan has to be a mapping, not a single value", ""},
      {"---\n", "1:4", "the plan is empty", "migrate plan"},
      {kHead + "tables: orders\n", "5:9", "tables has to be a list", "- name"},
      {kHead + "tables: {orders: {}}\n", "5:9", "tables has to be a list", "- name"},
      {kHead + "tables: [orders]\n", "5:10", "a table has to be a mapping", "- name"},
      {kHead + "tables: []\n", "5:9", "tables is empty", "- name"},
      {kHead + "tables:\n", "5:1", "tables is empty", "- name"},
      {kHead + "tables:\n  -\n", "6:3", "a table has to be", "- name"},
      {kHead + "tables: [{name: [a]}]\n", "5:17", "has to be a name, not a list", ""},
      {kHead + "tables: [{name: null}]\n", "5:11", "has to be a name, and is empty", "quotes"},
      {kHead + "tables: [{name: \"\"}]\n", "5:17", "table.name is empty", ""},
      {kHead + "tables: [{name: " + std::string(513, 'a') + "}]\n", "5:17", "longer than 512", ""},
      {kHead + "tables: [{name: a, key: id}]\n", "5:25", "has to be a list of columns",
       "key: [id]"},
      {kHead + "tables: [{name: a, key: []}]\n", "5:25", "not an empty one", "leave it out"},
      {kHead + "tables: [{name: a, where: \" \"}]\n", "5:27", "table.where is empty", ""},
      {kHead + "tables: [{name: a, where: {b: c}}]\n", "5:27", "text, not a mapping", ""},
      {kHead + "tables: [{name: a, columns: [b]}]\n", "5:29", "has to be a mapping", ""},
      {kHead + "tables: [{name: a, columns: {b: [c]}}]\n", "5:33", "has to be a mapping",
       "to, type"},
      {kHead + "tables: [{name: a, columns: {b: {}}}]\n", "5:33", "neither to nor type",
       "take it out"},
      {kHead + "tables: [{name: a, columns: {\"\": b}}]\n", "5:30", "name is empty", ""},
      {kHead + kTables + "backfill: fast\n", "6:11", "backfill has to be a mapping", "jobs"},
      {kHead + kTables + "backfill: {jobs: many}\n", "6:18", "1 to 64, not \"many\"",
       "digits only"},
      {kHead + kTables + "backfill: {jobs: \"4\"}\n", "6:18", "not text", "quotes"},
      {kHead + kTables + "backfill: {jobs: [4]}\n", "6:18", "not a list", ""},
      {kHead + kTables + "verify: {show_values: yes}\n", "6:23", "true or false", "on and off"},
      {kHead + kTables + "verify: {show_values: \"true\"}\n", "6:23", "true or false", "quotes"},
      {kHead + kTables + "checkpoint: [a]\n", "6:13", "checkpoint has to be text", ""},
      {kHead + kTables + "checkpoint: state/\n", "6:13", "folder", "file"},
      {kHead + kTables + "checkpoint: ~/a.db\n", "6:13", "starts with ~", "${HOME}"},
      {"version: 1\nname: my shop\n", "2:7", "not \"my shop\"", ""},
      {"version: 1\nname: a\nsource: {s1: x}\ntarget: x\ntables: []", "3:9", "a URL", ""},
      {"version: 1\nname: a\nsource: nowhere\ntarget: x\ntables: []", "3:9", "source: ", ""},
  });
}

TEST(PlanReader, DropsAColumnOnlyOnAnExplicitNull) {
  const std::string table = kHead + "tables:\n- name: a\n  columns:\n";
  EXPECT_TRUE(read(table + "    b: null # gone\n    c: ~\n").tables[0].columns.at("b").drop);
  EXPECT_TRUE(read(table + "    b: NULL").tables[0].columns.at("b").drop);
  expect_refusals({
      {table + "    b:\n", "8:5", "column \"b\" has no value", "null"},
      {table + "    b:\n    null_to: c\n", "8:5", "column \"b\" has no value", "null"},
      {table + "    b:\n    \"null\": c\n", "8:5", "column \"b\" has no value", "null"},
      {table + "    b: # null\n    c: d\n", "8:5", "column \"b\" has no value", "null"},
      {kHead + "tables: [{name: a, columns: {b: , c: d}}]\n", "5:30", "column \"b\" has no value",
       ""},
  });
}

TEST(PlanReader, RefusesNumbersOutOfRangeAndWrongUnits) {
  const auto backfill = [](const std::string& text) {
    return kHead + kTables + "backfill: {" + text + "}\n";
  };
  expect_refusals({
      {backfill("jobs: 0"), "6:18", "1 to 64, not \"0\"", ""},
      {backfill("jobs: 65"), "6:18", "1 to 64", ""},
      {backfill("jobs: -1"), "6:18", "1 to 64", ""},
      {backfill("jobs: 4.0"), "6:18", "whole number", ""},
      {backfill("jobs: 1e1"), "6:18", "whole number", ""},
      {backfill("jobs: 010"), "6:18", "whole number", "leading zero"},
      {backfill("jobs: 0x10"), "6:18", "whole number", ""},
      {backfill("rows_per_second: 99999999999999999999999"), "6:29", "1000000000", ""},
      {backfill("rows_per_second: 10k"), "6:29", "whole number", "without a unit"},
      {backfill("chunk: {max_rows: 0}"), "6:30", "1 to 10000000", ""},
      {backfill("chunk: {max_rows: 10000001}"), "6:30", "1 to 10000000", ""},
      {backfill("chunk: {target_ms: 500ms}"), "6:31", "whole number", "without a unit"},
      {backfill("chunk: {max_bytes: 16MB}"), "6:31", "1KiB to 1GiB, not \"16MB\"", "MiB"},
      {backfill("chunk: {max_bytes: 16 MiB}"), "6:31", "a size", "no space"},
      {backfill("chunk: {max_bytes: 2GiB}"), "6:31", "1KiB to 1GiB", "limits"},
      {backfill("chunk: {max_bytes: 1023}"), "6:31", "1KiB to 1GiB", "limits"},
      {backfill("bytes_per_second: -1"), "6:30", "a size from 0", ""},
      {backfill("throttle: {max_lag: 5}"), "6:32", "a duration", "5s"},
      {backfill("throttle: {max_lag: 1.5s}"), "6:32", "a duration", "whole"},
      {backfill("throttle: {max_lag: 25h}"), "6:32", "0s to 24h", "limits"},
      {backfill("throttle: {window: 22-06}"), "6:31", "time of day", "HH:MM"},
      {backfill("throttle: {window: \"24:00-06:00\"}"), "6:31", "time of day", "HH:MM"},
      {backfill("throttle: {window: \"06:00-06:00\"}"), "6:31", "time of day", "two different"},
      {backfill("throttle: {window: \"06:0a-07:00\"}"), "6:31", "time of day", "HH:MM"},
  });
  const Plan plan = read(backfill("throttle: {max_lag: 0}, bytes_per_second: 1024GiB"));
  EXPECT_EQ(plan.backfill.throttle.max_lag.count(), 0);
  EXPECT_EQ(plan.backfill.bytes_per_second, std::uint64_t{1} << 40);
}

TEST(PlanReader, RefusesPlansThatContradictThemselves) {
  const auto tables = [](const std::string& text) { return kHead + "tables: [" + text + "]\n"; };
  expect_refusals({
      {tables("{name: a}, {name: a}"), "5:28", "\"a\" is in the plan twice; first on line 5", ""},
      {tables("{name: a, to: c}, {name: b, to: c}"), "5:42", "target of two tables", "`to`"},
      {tables("{name: a, to: b}, {name: b}"), "5:35", "\"b\" is the target of two tables", "`to`"},
      {tables("{name: a, key: [x, y, x]}"), "5:32", "\"x\" is in the key twice", ""},
      {tables("{name: a, key: [x], columns: {x: null}}"), "5:26", "\"x\" is dropped", "Keep"},
      {tables("{name: a, columns: {x: z, y: z}}"), "5:39", "same name on the target", ""},
      {tables("{name: a, columns: {x: y, y: {type: int}}}"), "5:39", "same name", ""},
  });
  EXPECT_EQ(read(tables("{name: a, to: b}, {name: b, to: a}")).tables.size(), 2u)
      << "a swap is fine";
  EXPECT_EQ(read(tables("{name: a, columns: {x: y, y: x}}")).tables[0].columns.size(), 2u);
  EXPECT_EQ(read(tables("{name: a, columns: {x: y, y: null}}")).tables[0].columns.size(), 2u);
}

TEST(PlanReader, RefusesEveryCaptureButNoneAndSaysToStopTheWriters) {
  EXPECT_EQ(read(kHead + kTables + "capture: none\n").capture, "none");
  for (const std::string capture : {"trigger", "shim", "None", "\"\"", "[none]", "null"}) {
    const Error error = refusal(kHead + kTables + "capture: " + capture + "\n");
    EXPECT_THAT(error.what(), StartsWith("p.yaml:6:")) << capture;
  }
  const Error error = refusal(kHead + kTables + "capture: trigger\n");
  EXPECT_THAT(error.what(),
              HasSubstr("6:10: capture has to be none, not \"trigger\": following live "
                        "writes is not in this version yet"));
  EXPECT_THAT(error.remedy(), HasSubstr("stop all writers"));
}

TEST(PlanReader, RefusesWhatIsNotOneYamlDocumentInUtf8) {
  using namespace std::string_literals;
  expect_refusals({
      {"", "1:1", "the plan is empty", "migrate plan"},
      {"# nothing\n", "1:10", "the plan is empty", ""},
      {kHead + kTables + "---\nversion: 1\n", "6:1", "second YAML document", "one plan"},
      {kHead + "tables:\n\t- name: a\n", "6:1", "a tab is used for indentation", "spaces"},
      {kHead + kTables + "backfill:\n\tjobs: 3\n", "7:1", "a tab is used for indentation",
       "spaces"},
      {kHead + "tables:\n  - name: a\n  \tto: b\n", "7:3", "a tab is used for indentation",
       "spaces"},
      {"version: 1\nname: \xE9\n", "2:7", "not UTF-8", "UTF-8"},
      {"version: 1\nname: é\xC0\x80\n", "2:8", "not UTF-8", "UTF-8"},
      {"\xFF\xFEv\0"s, "1:1", "not UTF-8", "UTF-8"},
      {"version: 1\nname: \x04\n", "2:7", "control character (0x04)", "\\x"},
      {"version: 1\0\n"s, "1:11", "control character (0x00)", "\\x"},
      {"version: 1\rname: a\n", "1:11", "carriage return", ""},
      {"version: 1\nname: \"a\\0\"\n", "2:7", "NUL", ""},
      {"version: 1\nname: [a\n", "2:9", "not valid YAML", "brackets"},
      {"version: 1\nname: \"a\n", "2:9", "a quote is not closed", "quote"},
      {"version: 1\nname: 'a\n\n# end", "4:6", "a quote is not closed", "quote"},
      {"version: 1\nname: a: b\n", "2:8", "not valid YAML", "quotes"},
      {"version: *nothing\n", "1:10", "not valid YAML", ""},
      {"version: &v [*v]\n", "1:14", "part of", "Write"},
      {"<<: {version: 1}\n", "1:1", "merge keys", "alias"},
      {kHead + "tables: [{name: a, columns: {<<: {b: c}}}]\n", "5:30", "merge keys", ""},
      {"null: 1\n", "1:1", "a key has to be text", "quotes"},
      {"[a, b]: 1\n", "1:1", "a key has to be text", ""},
      {"? {a: b}\n: 1\n", "1:3", "a key has to be text", ""},
      {"version: !!int 1\n", "1:10", "no YAML tags", "tag"},
      {"version: !mine {a: b}\n", "1:10", "no YAML tags", "tag"},
      {"a: " + std::string(30, '[') + std::string(30, ']'), "1:23", "nested more than 20 deep",
       "bracket"},
      {std::string((1 << 20) + 1, '#'), "1:1", "larger than 1 MiB", "several"},
  });
}

TEST(PlanReader, RefusesLayoutThatOnlyLooksRight) {
  for (const std::string& yaml :
       {std::string("version: 1\n  name: shop\n"),  // deeper than its siblings
        kHead + kTables + "backfill:\n    jobs: 4\n  rows_per_second: 3\n",
        kHead + kTables + "  to: b\n", kHead + "tables:\n  - name: a\n   to: b\n",
        kHead + "tables:\n  - name: a\n  to: b\n", kHead + "tables: [{name: a to: b}]\n",
        kHead + "tables: [{name: a, key: [x y: z]}]\n", kHead + "tables: [{name: a}}]\n",
        kHead + "tables: [{name: a}]]\n", kHead + "tables: [{name: \"a\" b}]\n",
        kHead + "tables: [{name: a, key: [x,, y]}]\n", kHead + "tables: [{name: a}],\n",
        kHead + "tables: [{name: a, key: [x: y]}]\n", kHead + "tables: [{name: a, to}]\n",
        kHead + "tables:\n  -name: a\n", kHead + "tables:\n  - name:a\n",
        kHead + kTables + "jobs\n", kHead + kTables + "...\njobs: 4\n"}) {
    SCOPED_TRACE(yaml);
    EXPECT_THAT(refusal(yaml).what(), StartsWith("p.yaml:"));
  }
}

TEST(PlanReader, RefusesAnyDepthWithoutLosingItsStack) {
  for (const std::string piece :
       {"[", "{", "{a: ", "[a: ", "- ", "? ", "&a ", "a:\n ", "\"", "|\n", "*"}) {
    std::string yaml;
    for (int i = 0; i < 20'000; ++i) yaml += piece;
    EXPECT_THAT(refusal(yaml).what(), StartsWith("p.yaml:")) << piece;
  }
}

TEST(PlanReader, CountsColumnsInCharacters) {
  expect_refusals({{kHead + "tables: [{name: étéß€𝄞, bad: 1}]\n", "5:25", "unknown key", ""}});
}

TEST(PlanReader, BoundsTheWorkThatAliasesCanMake) {
  std::string yaml = kHead + "tables:\n- name: t\n  key: &k [";
  for (int i = 0; i < 5000; ++i) yaml += fmt::format("c{},", i);
  yaml += "]\n";
  for (int i = 0; i < 200; ++i) yaml += fmt::format("- {{name: t{}, key: *k}}\n", i);
  EXPECT_THAT(refusal(yaml).what(), HasSubstr("more than 500000 values"));
}

TEST(PlanVariables, FillEveryTextOfThePlan) {
  const Plan plan = read(
      "version: 1\nname: ${NAME}\nsource: ${URL}\ntarget: 'sqlite:${FILE}-2'\n"
      "checkpoint: \"${NOT_SET:-state}/x.db\"\ncapture: ${CAPTURE:-none}\n"
      "tables: [{name: '${T}', key: ['${T}_id'], columns: {c: '${NULL}', d: {type: '${T}'}},\n"
      "          where: 'a = ${T} AND b = $T AND c <> ''$${T}'' AND d = $$${T}'}]\n"
      "backfill: {rows_per_second: \"${RATE}\", bytes_per_second: \"${SIZE:-0}\",\n"
      "           throttle: {max_lag: '${LAG}', window: '${WINDOW}'}}\n"
      "verify:\n  sample_log: ${RATE}\n  show_values: ${YES}\n",
      variables({{"NAME", "123"},
                 {"URL", "postgresql://u:p@h/db"},
                 {"FILE", "a"},
                 {"EMPTY", ""},
                 {"T", "t"},
                 {"NULL", "null"},
                 {"RATE", "20000"},
                 {"SIZE", ""},
                 {"LAG", "5s"},
                 {"WINDOW", "22:00-06:00"},
                 {"YES", "true"}}));
  EXPECT_EQ(plan.name, "123");
  EXPECT_EQ(plan.source_url, "postgresql://u:p@h/db");
  EXPECT_EQ(plan.target_url, "sqlite:a-2");
  EXPECT_EQ(plan.checkpoint, "state/x.db");
  EXPECT_EQ(plan.tables[0].name, "t");
  EXPECT_THAT(plan.tables[0].key, ElementsAre("t_id"));
  EXPECT_EQ(plan.tables[0].columns.at("c").to, "null") << "an expansion is text, never a null";
  EXPECT_FALSE(plan.tables[0].columns.at("c").drop);
  EXPECT_EQ(plan.tables[0].columns.at("d").type, "t");
  EXPECT_EQ(plan.tables[0].where, "a = t AND b = $T AND c <> '${T}' AND d = $${T}");
  EXPECT_EQ(plan.backfill.rows_per_second, 20000u);
  EXPECT_EQ(plan.backfill.bytes_per_second, 0u) << "a default is for an empty variable, too";
  EXPECT_EQ(plan.backfill.throttle.max_lag.count(), 5000);
  EXPECT_EQ(plan.backfill.throttle.window, "22:00-06:00");
  EXPECT_TRUE(plan.verify.show_values);
}

TEST(PlanVariables, AreTextAndNeverYaml) {
  const std::string value = "a\nb: {c: d} # ${OTHER} \"'\t";
  const Plan plan = read(kHead + "tables: [{name: a, where: '${W}'}]\n", variables({{"W", value}}));
  EXPECT_EQ(plan.tables[0].where, value);
}

TEST(PlanVariables, AreNamedWithTheirPositionWhenMissingOrMalformed) {
  const auto where = [](const std::string& text) {
    return kHead + "tables: [{name: a, where: '" + text + "'}]\n";
  };
  expect_refusals({
      {where("x ${MISSING}"), "5:27", "the variable MISSING is not set", "${MISSING:-...}"},
      {where("${OPEN"), "5:27", "without its closing }", "$${"},
      {where("${}"), "5:27", "not a variable's name", ""},
      {where("${1A}"), "5:27", "not a variable's name", ""},
      {where("${A-b}"), "5:27", "not a variable's name", ""},
      {where("${E:-}"), "5:27", "table.where is empty", ""},
  });
}

TEST(PlanVariables, AreNeverShownInAnError) {
  const std::string secret = "hunter2";
  const std::vector<std::string> secrets = {secret,
                                            "postgresql://u:" + secret,
                                            "postgresql://u:" + secret + "@h:99999/db",
                                            secret + "://x",
                                            "mysql://" + secret + "@",
                                            "sqlite:" + secret + "?" + secret,
                                            "{" + secret,
                                            secret + "\nx: y",
                                            "${" + secret + "}",
                                            secret + "\xFF",
                                            "mysql://u:" + secret + "%zz@h/db?" + secret};
  const std::vector<std::string> plans = {
      "version: ${S}\n",
      "version: 1\nname: ${S}!\n",
      "version: 1\nname: a\nsource: 'x${S}'\ntarget: sqlite:b\ntables: []\n",
      "version: 1\nname: a\nsource: sqlite:a\ntarget: '${NO:-q}${S}@'\ntables: []\n",
      kHead + "capture: '${S}'\n" + kTables,
      kHead + "checkpoint: '${S}/'\n" + kTables,
      kHead + "tables: [{name: '${S}'}, {name: '${S}'}]\n",
      kHead + "tables: [{name: a, to: '${S}'}, {name: b, to: '${S}'}]\n",
      kHead + "tables: [{name: a, key: ['${S}', '${S}']}]\n",
      kHead + "tables: [{name: a, key: ['${S}'], columns: {c: '${S}', d: '${S}'}}]\n",
      kHead + kTables + "backfill: {jobs: '${S}'}\n",
      kHead + kTables + "backfill: {chunk: {max_bytes: '${S}'}}\n",
      kHead + kTables + "backfill: {throttle: {max_lag: '${S}'}}\n",
      kHead + kTables + "backfill: {throttle: {window: '${S}'}}\n",
      kHead + kTables + "verify: {show_values: '${S}'}\n"};
  for (const std::string& yaml : plans) {
    for (const std::string& value : secrets) {
      const Error error = refusal(yaml, variables({{"S", value}}));
      EXPECT_THAT(error.what(), Not(HasSubstr(secret))) << yaml;
      EXPECT_THAT(error.remedy(), Not(HasSubstr(secret))) << yaml;
      EXPECT_THAT(error.what(), StartsWith("p.yaml:")) << yaml;
    }
  }
  // A URL that stands in the file itself, and one in the wrong place.
  const std::string url = "postgresql://u:" + secret + "@h:99999/db";
  for (const std::string& yaml :
       {"version: 1\nname: a\nsource: '" + url + "'\ntarget: sqlite:b\ntables: []\n",
        "version: 1\nname: '" + url + "'\n", kHead + kTables + "backfill: {jobs: '" + url + "'}\n",
        kHead + kTables + "backfill: {jobs: '${X:-" + url + "}'}\n"}) {
    const Error error = refusal(yaml);
    EXPECT_THAT(error.what(), Not(HasSubstr(secret))) << yaml;
    EXPECT_THAT(error.remedy(), Not(HasSubstr(secret))) << yaml;
  }
}

TEST(PlanVariables, ComeFromTheProcessByDefault) {
  ASSERT_EQ(setenv("MIGRATOR_PLAN_TEST", "x y", 1), 0);
  EXPECT_EQ(process_environment()("MIGRATOR_PLAN_TEST"), "x y");
  ASSERT_EQ(unsetenv("MIGRATOR_PLAN_TEST"), 0);
  EXPECT_EQ(process_environment()("MIGRATOR_PLAN_TEST"), std::nullopt);
}

TEST_F(PlanFile, PutsTheCheckpointBesideThePlan) {
  const std::string path = write("plan.yaml", kHead + kTables);
  const Plan plan = read_plan_file(path, variables());
  EXPECT_EQ(plan.checkpoint, (folder_ / "shop.migrate.db").string());
  EXPECT_EQ(plan.file, path);
  EXPECT_THAT(write_plan(plan, {}), Not(HasSubstr("checkpoint"))) << "it is the default";

  const Plan relative =
      read_plan_file(write("b.yaml", kHead + kTables + "checkpoint: state/../s.db\n"), variables());
  EXPECT_EQ(relative.checkpoint, (folder_ / "s.db").string());
  EXPECT_THAT(write_plan(relative, {}), HasSubstr("checkpoint: s.db\n"));

  const Plan absolute =
      read_plan_file(write("c.yaml", kHead + kTables + "checkpoint: /var/lib/s.db\n"), variables());
  EXPECT_EQ(absolute.checkpoint, "/var/lib/s.db");
  EXPECT_THAT(write_plan(absolute, {}), HasSubstr("checkpoint: /var/lib/s.db\n"));
}

TEST_F(PlanFile, SaysWhyAFileCannotBeRead) {
  const std::string missing = (folder_ / "no.yaml").string();
  EXPECT_THAT(refusal_of(missing).what(), AllOf(StartsWith(missing), HasSubstr("No such file")));
  EXPECT_EQ(refusal_of(missing).code(), std::to_string(ENOENT));
  EXPECT_THAT(refusal_of(folder_.string()).what(), HasSubstr("this is a folder"));
  EXPECT_THAT(refusal_of("/proc/self/mem").what(), HasSubstr("cannot read the plan"));
  EXPECT_THAT(refusal_of(write("big.yaml", std::string((1 << 20) + 1, ' '))).what(),
              HasSubstr("larger than 1 MiB"));
  EXPECT_THAT(refusal_of(write("empty.yaml", "")).what(), HasSubstr("empty"));
}

TEST_F(PlanFile, SaysThatAFileIsNotReadableForThisUser) {
  const std::string path = write("plan.yaml", kHead + kTables);
  ASSERT_EQ(chmod(path.c_str(), 0), 0);
  const bool root = geteuid() == 0;  // whom no mode stops
  if (root) {
    ASSERT_EQ(chmod(folder_.c_str(), 0755), 0);
    ASSERT_EQ(seteuid(65534), 0);
  }
  const Error error = refusal_of(path);
  if (root) {
    ASSERT_EQ(seteuid(0), 0);
  }
  EXPECT_THAT(error.what(), HasSubstr("Permission denied"));
  EXPECT_THAT(error.remedy(), HasSubstr("chmod"));
}

TEST(PlanWriter, WritesWhatAPersonWouldHaveWritten) {
  Plan plan;
  plan.name = "shop";
  plan.source_url = "${SOURCE_URL}";
  plan.target_url = "postgresql://writer@h:5432/shop?sslmode=require";
  plan.checkpoint = "shop.migrate.db";
  TablePlan orders = table("orders", "sales.orders", {"tenant", "id"});
  orders.columns["legacy_note"].drop = true;
  orders.columns["placed"].to = "placed_at";
  orders.columns["total"] = {false, "amount", "numeric(12,2)"};
  orders.columns["vip"].type = "boolean";
  orders.where = "state <> 'gone'\n  AND note <> '${x}'";
  plan.tables = {table("customers"), orders};
  plan.backfill.jobs = 8;
  plan.backfill.chunk_bytes_max = 8 << 20;
  plan.backfill.throttle.max_lag = std::chrono::seconds(90);
  plan.backfill.throttle.window = "22:00-06:00";
  plan.verify.show_values = true;
  const std::string expected = R"yaml(# Written for the shop.

version: 1
name: shop
source: ${SOURCE_URL}
target: postgresql://writer@h:5432/shop?sslmode=require

tables:
  - name: customers
  # no primary key:
  # walked by uq_orders
  - name: orders
    to: sales.orders
    key: [tenant, id]
    columns:
      legacy_note: null
      placed: placed_at
      total: {to: amount, type: "numeric(12,2)"}
      vip: {type: boolean}
    where: |-
      state <> 'gone'
        AND note <> '$${x}'

backfill:
  jobs: 8
  chunk: {max_bytes: 8MiB}
  throttle: {max_lag: 90s, window: "22:00-06:00"}

verify:
  show_values: true
)yaml";
  const std::string yaml = write_plan(plan, {{"", {"Written for the shop."}},
                                             {"orders", {"no primary key:\nwalked by uq_orders"}}});
  EXPECT_EQ(yaml, expected);
  plan.source_url = "sqlite:a.db";
  expect_equal(read(yaml, variables({{"SOURCE_URL", "sqlite:a.db"}})), plan, yaml);
}

TEST(PlanWriter, QuotesOnlyWhatNeedsIt) {
  Plan plan;
  plan.name = "p";
  plan.source_url = plan.target_url = "sqlite:a";
  plan.tables = {table("t")};
  const std::map<std::string, std::string> spellings = {{"orders", "orders"},
                                                        {"sales.orders", "sales.orders"},
                                                        {"two words", "two words"},
                                                        {"größe", "größe"},
                                                        {"it's", "it's"},
                                                        {"a:b", "a:b"},
                                                        {"C#", "C#"},
                                                        {"2fast", "2fast"},
                                                        {"on", "\"on\""},
                                                        {"No", "\"No\""},
                                                        {"null", "\"null\""},
                                                        {"~", "\"~\""},
                                                        {"1e3", "\"1e3\""},
                                                        {"0x1F", "\"0x1F\""},
                                                        {"1:30", "\"1:30\""},
                                                        {"2024-01-01", "\"2024-01-01\""},
                                                        {".inf", "\".inf\""},
                                                        {"007", "\"007\""},
                                                        {"a: b", "\"a: b\""},
                                                        {"a:", "\"a:\""},
                                                        {"a #b", "\"a #b\""},
                                                        {" a", "\" a\""},
                                                        {"a ", "\"a \""},
                                                        {"- a", "\"- a\""},
                                                        {"*a", "\"*a\""},
                                                        {"\"a\"", "'\"a\"'"},
                                                        {"a\tb", "\"a\\tb\""},
                                                        {"a\nb", "\"a\\nb\""},
                                                        {"a\u00A0b", "\"a\\xA0b\""},
                                                        {"a\u202Eb", "\"a\\u202Eb\""},
                                                        {"a\U000E0001", "\"a\\U000E0001\""},
                                                        {"${A}", "$${A}"}};
  for (const auto& [name, spelling] : spellings) {
    plan.tables[0].name = name;
    EXPECT_THAT(write_plan(plan, {}), EndsWith("  - name: " + spelling + "\n")) << name;
  }
}

TEST(PlanWriter, KeepsCommentsWithinTheirLines) {
  Plan plan;
  plan.name = "p";
  plan.source_url = plan.target_url = "sqlite:a";
  plan.checkpoint = "p.migrate.db";
  plan.tables = {table("t")};
  const std::string yaml = write_plan(
      plan, {{"t", {"a\r- name: b", "c\u2028d: \x04", "bad \xFF", ""}}, {"other", {"not shown"}}});
  expect_equal(read(yaml), plan, yaml);
  EXPECT_THAT(yaml, AllOf(HasSubstr("  # a - name: b\n"), Not(HasSubstr("not shown"))));
}

// Random text that is hard on a writer of YAML.
class OddText {
 public:
  explicit OddText(std::uint64_t seed) : random_(seed) {}

  std::uint64_t below(std::uint64_t n) { return random_() % n; }

  std::string text(std::size_t length_max) {
    static const std::vector<std::string> kPieces = {
        "a",      "B",      "z9",         "0",          "1",     "é",      "ß",      "漢",
        "𝄞",      " ",      "  ",         "\t",         "\n",    "\n\n",   "\r\n",   ":",
        ": ",     "#",      " #",         "-",          "- ",    "?",      "!",      "&",
        "*",      "%",      "@",          "`",          "|",     ">",      "'",      "''",
        "\"",     "\\",     "\\n",        "{",          "}",     "[",      "]",      ",",
        "${",     "$${",    "$",          "}",          "${A}",  "~",      "null",   "on",
        "Yes",    "1e3",    "0x1f",       "2024-01-01", "22:00", ".",      "...",    "---",
        "<<",     "=",      "\x01",       "\x04",       "\x7F",  "\u0085", "\u00A0", "\u2028",
        "\uFEFF", "\uFFFD", "\U0010FFFF", "_",          "/"};
    std::string result;
    const std::uint64_t pieces = 1 + below(length_max);
    for (std::uint64_t i = 0; i < pieces; ++i) result += kPieces[below(kPieces.size())];
    return result;
  }

  Plan plan() {
    Plan plan;
    plan.name = fmt::format("p_{}-x", below(1000));
    plan.source_url = "sqlite:a.db";
    plan.target_url = "mysql://u@h:3306/db?a=b";
    plan.checkpoint = below(2) == 0 ? plan.name + ".migrate.db" : "x" + text(4) + "y";
    std::map<std::string, TablePlan> tables;
    const std::uint64_t count = 1 + below(4);
    for (std::uint64_t i = 0; i < count; ++i) {
      TablePlan table = odd_table(i);
      tables.emplace(table.name, std::move(table));
    }
    for (auto& [name, table] : tables) plan.tables.push_back(std::move(table));
    if (below(2) == 0) plan.backfill = odd_backfill();
    if (below(2) == 0) plan.verify = {below(1'000'001), below(2) == 0};
    return plan;
  }

 private:
  TablePlan odd_table(std::uint64_t number) {
    TablePlan table;
    table.name = text(5);
    if (below(2) == 0) table.to = fmt::format("{}{}", text(3), number);
    if (table.to.empty()) table.name += fmt::format("n{}", number);
    if (table.to == table.name) table.to.clear();
    if (below(2) == 0) table.where = "w" + text(12);
    std::set<std::string> key;
    for (std::uint64_t i = below(4); i > 0; --i) key.insert(text(4));
    table.key.assign(key.rbegin(), key.rend());
    for (std::uint64_t i = below(5); i > 0; --i) {
      const std::string name = text(4);
      ColumnPlan column;
      if (below(3) == 0 && !key.contains(name)) {
        column.drop = true;
      } else {
        if (below(2) == 0) column.to = fmt::format("{}:{}", text(3), i);
        if (below(2) == 0) column.type = "t" + text(3);
      }
      if (column.to != name) table.columns[name] = column;
    }
    return table;
  }

  BackfillPlan odd_backfill() {
    BackfillPlan plan;
    plan.jobs = static_cast<int>(1 + below(64));
    if (below(4) > 0) plan.chunk_target = std::chrono::milliseconds(1 + below(600'000));
    plan.chunk_rows_max = 1 + below(10'000'000);
    if (below(4) > 0) {
      plan.chunk_bytes_max = below(2) == 0 ? 1024 + below(1 << 30) / 2 : 1024 << below(20);
    }
    plan.rows_per_second = below(1'000'000'000);
    plan.bytes_per_second = below(2) == 0 ? below(1 << 30) : std::uint64_t{1} << below(41);
    plan.rejects_max = below(1'000'000'001);
    plan.throttle.max_lag = std::chrono::milliseconds(below(86'400'001));
    if (below(2) == 0) plan.throttle.max_lag = std::chrono::minutes(below(1441));
    plan.throttle.max_active_sessions = static_cast<std::int64_t>(below(100'001));
    plan.throttle.max_lock_waits = static_cast<std::int64_t>(below(100'001));
    if (below(2) == 0) {
      plan.throttle.window =
          fmt::format("{:02}:{:02}-{:02}:00", below(24), 1 + below(59), below(24));
    }
    return plan;
  }

  std::mt19937_64 random_;
};

TEST(PlanWriter, IsReadBackToTheSamePlanWhateverTheNames) {
  for (std::uint64_t seed = 1; seed <= 3000; ++seed) {
    const Plan plan = OddText(seed).plan();
    const std::string yaml = write_plan(plan, {});
    SCOPED_TRACE(fmt::format("seed {}", seed));
    try {
      expect_equal(read(yaml), plan, yaml);
    } catch (const Error& error) {
      FAIL() << error.what() << "\n" << yaml;
    }
    if (HasFailure()) return;
  }
}

TEST(PlanReader, RefusesOrReadsAnyTextAndNeverDoesAnythingElse) {
  const std::string valid = file_text(kRoot / "tests/golden/plan-v1.yaml");
  const Environment environment =
      variables({{"SOURCE_URL", "postgresql://u:p@h/db"}, {"RATE", "20000"}});
  static const std::vector<std::string> kPieces = {"\t",
                                                   "\n",
                                                   ":",
                                                   ": ",
                                                   "- ",
                                                   "-",
                                                   "#",
                                                   "&a ",
                                                   "*a",
                                                   "!",
                                                   "!!int ",
                                                   "|",
                                                   ">",
                                                   "'",
                                                   "\"",
                                                   "{",
                                                   "}",
                                                   "[",
                                                   "]",
                                                   ",",
                                                   "? ",
                                                   "%",
                                                   "@",
                                                   "---\n",
                                                   "...\n",
                                                   "<<: ",
                                                   "null",
                                                   "~",
                                                   "${",
                                                   "${A}",
                                                   "$${",
                                                   "\x04",
                                                   "\xFF",
                                                   std::string(1, '\0'),
                                                   "\r",
                                                   "\xEF\xBB\xBF",
                                                   "999999999999999999999",
                                                   "-1",
                                                   "\\",
                                                   "\u2028"};
  int read_count = 0, refused = 0;
  for (std::uint64_t seed = 1; seed <= 2000; ++seed) {
    std::mt19937_64 random(seed);
    std::string text = valid;
    for (std::uint64_t edits = 1 + random() % 4; edits > 0 && !text.empty(); --edits) {
      const std::size_t at = random() % text.size();
      const std::size_t length = random() % 12;
      switch (random() % 5) {
        case 0:
          text.erase(at, length);
          break;
        case 1:
          text.insert(at, kPieces[random() % kPieces.size()]);
          break;
        case 2:
          text[at] = static_cast<char>(random());
          break;
        case 3:
          text.insert(at, text.substr(random() % text.size(), length * 8));
          break;
        case 4:
          text.resize(at);
          break;
      }
    }
    SCOPED_TRACE(fmt::format("seed {}", seed));
    try {
      const Plan plan = read(text, environment);
      EXPECT_FALSE(plan.tables.empty());
      ++read_count;
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::usage) << error.what();
      EXPECT_THAT(error.what(), StartsWith("p.yaml:"));
      ++refused;
    }
  }
  // Both have to happen, or the mutations test only one half.
  EXPECT_GT(read_count, 100);
  EXPECT_GT(refused, 500);
}

TEST(PlanMeaning, IsTheSameForEverySpellingOfAPlan) {
  const Plan a = read(
      "version: 1\nname: shop\nsource: postgres://u:one@h/db?b=2&a=1\ntarget: "
      "mariadb://u@h/db\n"
      "tables:\n- {name: b}\n- {name: a, key: [x, y], columns: {c: d, e: null, f: {type: "
      "int}}}\n");
  const Plan b = read(
      "# in another order\ntables:\n"
      "- {columns: {f: {type: int, to: f}, g: g, e: ~, c: {to: d}}, key: [x, y], to: a, "
      "name: a}\n"
      "- {name: b, to: b}\nverify: {sample_log: 3}\ncapture: none\n"
      "backfill: {jobs: 9, rows_per_second: 9, bytes_per_second: 9, max_rejects: 9,\n"
      "  chunk: {target_ms: 9, max_rows: 9, max_bytes: 9KiB}, throttle: {max_lag: 9s}}\n"
      "checkpoint: elsewhere.db\n"
      "target: mysql://u@h/db\nsource: \"postgresql://u:two@h/db?a=1&b=2\"\nname: "
      "'shop'\nversion: 1\n");
  EXPECT_EQ(meaning(a), meaning(b));
  EXPECT_EQ(fingerprint(a), fingerprint(b));
  EXPECT_THAT(meaning_difference(meaning(a), meaning(b)), IsEmpty());
  EXPECT_THAT(meaning(a),
              ElementsAre("capture = none", "name = shop", "source = postgresql://u@h/db?a=1&b=2",
                          "target = mysql://u@h/db", "tables.a.columns.c.to = d",
                          "tables.a.columns.e = dropped", "tables.a.columns.f.type = int",
                          "tables.a.key = x, y", "tables.a.to = a", "tables.b.to = b"));
}

TEST(PlanMeaning, ShowsEachChangeAndNothingElse) {
  const std::string base =
      "version: 1\nname: shop\nsource: postgresql://u@h/db\ntarget: sqlite:b\ntables:\n"
      "- {name: a, to: z, key: [x, y], columns: {c: d, e: null, f: {type: int}}, where: v = "
      "1}\n";
  struct Change {
    std::string from, to;
    std::vector<std::string> difference;
  };
  const std::vector<Change> changes = {
      {"name: shop", "name: shop2", {"- name = shop", "+ name = shop2"}},
      {"h/db", "h2/db", {"- source = postgresql://u@h/db", "+ source = postgresql://u@h2/db"}},
      {"h/db",
       "h/db?o=1",
       {"- source = postgresql://u@h/db", "+ source = postgresql://u@h/db?o=1"}},
      {"sqlite:b", "sqlite:c", {"- target = sqlite:b", "+ target = sqlite:c"}},
      {"[x, y]", "[y, x]", {"- tables.a.key = x, y", "+ tables.a.key = y, x"}},
      {"[x, y]", "['x, y']", {"- tables.a.key = x, y", "+ tables.a.key = \"x, y\""}},
      {"key: [x, y], ", "", {"- tables.a.key = x, y"}},
      {"to: z", "to: y", {"- tables.a.to = z", "+ tables.a.to = y"}},
      {"to: z, ", "", {"- tables.a.to = z", "+ tables.a.to = a"}},
      {"v = 1", "v = 2", {"- tables.a.where = v = 1", "+ tables.a.where = v = 2"}},
      {", where: v = 1", "", {"- tables.a.where = v = 1"}},
      {"c: d", "c: g", {"- tables.a.columns.c.to = d", "+ tables.a.columns.c.to = g"}},
      {"c: d, ", "", {"- tables.a.columns.c.to = d"}},
      {"e: null, ", "", {"- tables.a.columns.e = dropped"}},
      {"e: null",
       "e: 'null'",
       {"- tables.a.columns.e = dropped", "+ tables.a.columns.e.to = null"}},
      {"type: int",
       "type: text",
       {"- tables.a.columns.f.type = int", "+ tables.a.columns.f.type = text"}},
      {"tables:\n", "tables:\n- name: n\n", {"+ tables.n.to = n"}},
  };
  const Plan before = read(base);
  for (const Change& change : changes) {
    std::string text = base;
    text.replace(text.find(change.from), change.from.size(), change.to);
    const Plan after = read(text);
    EXPECT_NE(fingerprint(before), fingerprint(after)) << text;
    EXPECT_EQ(meaning_difference(meaning(before), meaning(after)), change.difference) << text;
  }
}

TEST(PlanMeaning, KeepsSecretsOut) {
  const Plan plan = read(
      "version: 1\nname: p\nsource: postgresql://u:hunter2@h/db?password=hunter2\n"
      "target: mysql://u:hunter2@h/db\n" +
      kTables);
  for (const std::string& line : meaning(plan)) EXPECT_THAT(line, Not(HasSubstr("hunter2")));
}

TEST(PlanMeaning, NeverGivesTwoPlansTheSameLines) {
  Plan a, b;
  a.source_url = a.target_url = b.source_url = b.target_url = "sqlite:x";
  a.tables = {table("a")};
  a.tables[0].columns["b"].to = "c";
  b.tables = {table("a.columns.b", "c"), table("a")};
  EXPECT_NE(meaning(a), meaning(b));
  a.tables = {table("a", "", {"x", "y"})};
  b.tables = {table("a", "", {"x, y"})};
  EXPECT_NE(meaning(a), meaning(b));
  a.tables = {table("a", "", {}, "1\ntables.b.to = b")};
  b.tables = {table("a", "", {}, "1"), table("b")};
  EXPECT_NE(fingerprint(a), fingerprint(b));
  a.tables = {table("a", "", {}, "a\nb")};
  b.tables = {table("a", "", {}, "\"a\\nb\"")};
  EXPECT_NE(meaning(a), meaning(b));
}

TEST(PlanGolden, OpensAPlanOfVersion1WithTheSameMeaningForEver) {
  const Environment environment =
      variables({{"SOURCE_URL", "mysql://reader:secret@db1.example/shop"}, {"RATE", "20000"}});
  const fs::path path = kRoot / "tests/golden/plan-v1.yaml";
  const Plan plan = read_plan_file(path.string(), environment);
  EXPECT_EQ(plan.version, 1);
  EXPECT_EQ(plan.name, "shop-to-postgres");
  EXPECT_EQ(plan.source_url, "mysql://reader:secret@db1.example/shop");
  EXPECT_EQ(plan.target_url,
            "postgresql://writer@db2.example:5432/shop?sslmode=require&application_name=migrate");
  EXPECT_EQ(plan.checkpoint,
            fs::absolute(path.parent_path() / "state/shop.migrate.db").lexically_normal());
  EXPECT_EQ(plan.capture, "none");
  ASSERT_EQ(plan.tables.size(), 2u);
  TablePlan orders = table("orders", "sales.orders", {"tenant", "id"});
  orders.columns["legacy_note"].drop = true;
  orders.columns["on"].to = "null";
  orders.columns["placed"].to = "placed_at";
  orders.columns["total"] = {false, "amount", "numeric(12,2)"};
  orders.columns["état"].type = "text";
  orders.where = "deleted_at IS NULL\n  AND note <> '${none}'\n";
  EXPECT_TRUE(plan.tables[0] == orders);
  EXPECT_TRUE(plan.tables[1] == table("sales.customers"));
  BackfillPlan backfill;
  backfill.jobs = 8;
  backfill.chunk_target = std::chrono::milliseconds(250);
  backfill.chunk_rows_max = 20000;
  backfill.chunk_bytes_max = 8 << 20;
  backfill.rows_per_second = 20000;
  backfill.bytes_per_second = 50 << 20;
  backfill.rejects_max = 100;
  backfill.throttle = {std::chrono::seconds(5), 80, 3, "22:00-06:00"};
  EXPECT_TRUE(plan.backfill == backfill);
  EXPECT_TRUE(plan.verify == (VerifyPlan{200, true}));
  EXPECT_THAT(
      meaning(plan),
      ElementsAre(
          "capture = none", "name = shop-to-postgres", "source = mysql://reader@db1.example/shop",
          "target = postgresql://writer@db2.example:5432/"
          "shop?application_name=migrate&sslmode=require",
          "tables.orders.columns.legacy_note = dropped", "tables.orders.columns.on.to = null",
          "tables.orders.columns.placed.to = placed_at", "tables.orders.columns.total.to = amount",
          "tables.orders.columns.total.type = numeric(12,2)",
          "tables.orders.columns.état.type = text", "tables.orders.key = tenant, id",
          "tables.orders.to = sales.orders",
          "tables.orders.where = \"deleted_at IS NULL\\n  AND note <> '${none}'\"",
          "tables.\"sales.customers\".to = sales.customers"));
  EXPECT_EQ(fingerprint(plan), "aa7830c9b4d921b6");
}

TEST(PlanExamples, CanAllBeRead) {
  const Environment environment =
      variables({{"SOURCE_URL", "mysql://reader@db1.example/shop"},
                 {"TARGET_URL", "postgresql://writer@db2.example/shop"}});
  int count = 0;
  for (const auto& entry : fs::directory_iterator(kRoot / "plans/examples")) {
    SCOPED_TRACE(entry.path());
    const Plan plan = read_plan_file(entry.path().string(), environment);
    EXPECT_FALSE(plan.tables.empty());
    EXPECT_THAT(file_text(entry.path()),
                StartsWith("# yaml-language-server: $schema=../plan.schema.json\n"));
    const std::string again = write_plan(plan, {});
    Plan copy = read(again, environment);
    copy.checkpoint = plan.checkpoint;  // relative to another folder now
    expect_equal(copy, plan, again);
    ++count;
  }
  EXPECT_EQ(count, 3);
}

// One kind of mapping in the schema, and how to put a key of it into a plan.
struct SchemaSection {
  std::string title;
  Json schema;
  Json::json_pointer place;
};

class PlanSchema : public ::testing::Test {
 protected:
  std::vector<SchemaSection> sections() const {
    const Json& defs = schema_.at("$defs");
    return {{"plan", schema_, Json::json_pointer("")},
            {"table", defs.at("table"), Json::json_pointer("/tables/0")},
            {"column", defs.at("column"), Json::json_pointer("/tables/0/columns/c")},
            {"backfill", defs.at("backfill"), Json::json_pointer("/backfill")},
            {"chunk", defs.at("chunk"), Json::json_pointer("/backfill/chunk")},
            {"throttle", defs.at("throttle"), Json::json_pointer("/backfill/throttle")},
            {"verify", defs.at("verify"), Json::json_pointer("/verify")}};
  }

  // A plan with this key in it. JSON is YAML.
  static std::string plan_with(const SchemaSection& section, const std::string& key,
                               const Json& value) {
    Json plan = {{"version", 1},
                 {"name", "p"},
                 {"source", "sqlite:a"},
                 {"target", "sqlite:b"},
                 {"tables", Json::array({{{"name", "orders"}}})}};
    plan[section.place][key] = value;
    return plan.dump();
  }

  const Json schema_ = Json::parse(file_text(kRoot / "plans/plan.schema.json"));
};

TEST_F(PlanSchema, KnowsTheKeysThatTheReaderKnows) {
  for (const SchemaSection& section : sections()) {
    SCOPED_TRACE(section.title);
    EXPECT_EQ(section.schema.at("additionalProperties"), false);
    const std::string list = refusal(plan_with(section, "no_such_key_at_all", 1)).remedy();
    std::set<std::string> known, described;
    std::istringstream words(list.substr(std::string("The keys here are ").size()));
    for (std::string word; words >> word;) known.insert(word.substr(0, word.find_first_of(",.")));
    for (const auto& [key, property] : section.schema.at("properties").items())
      described.insert(key);
    EXPECT_EQ(known, described);
  }
}

TEST_F(PlanSchema, HasExamplesThatTheReaderTakes) {
  const Plan plain = read(kHead + kTables);
  int changed = 0;
  for (const SchemaSection& section : sections()) {
    for (const auto& [key, property] : section.schema.at("properties").items()) {
      if (!property.contains("examples")) continue;  // a section of its own
      const std::string yaml = plan_with(section, key, property.at("examples").at(0));
      SCOPED_TRACE(yaml);
      const Plan plan = read(yaml);
      changed += !(plan.tables == plain.tables && plan.backfill == plain.backfill &&
                   plan.verify == plain.verify);
    }
  }
  EXPECT_GT(changed, 15) << "the examples should not be the defaults";
}

TEST_F(PlanSchema, HasTheLimitsAndDefaultsOfTheReader) {
  const Plan plain = read(kHead + kTables);
  int limits = 0, defaults = 0;
  for (const SchemaSection& section : sections()) {
    for (const auto& [key, property] : section.schema.at("properties").items()) {
      SCOPED_TRACE(section.title + "." + key);
      if (property.contains("default")) {
        const Plan plan = read(plan_with(section, key, property.at("default")));
        EXPECT_TRUE(plan.backfill == plain.backfill && plan.verify == plain.verify &&
                    plan.capture == plain.capture);
        ++defaults;
      }
      if (!property.contains("anyOf") || !property.at("anyOf").at(0).contains("minimum")) continue;
      const auto min = property.at("anyOf").at(0).at("minimum").get<std::int64_t>();
      const auto max = property.at("anyOf").at(0).at("maximum").get<std::int64_t>();
      read(plan_with(section, key, min));
      read(plan_with(section, key, max));
      refusal(plan_with(section, key, min - 1));
      refusal(plan_with(section, key, max + 1));
      ++limits;
    }
  }
  EXPECT_EQ(limits, 10);
  EXPECT_EQ(defaults, 11);
}

TEST(PlanUnits, AreReadExactlyOrRefused) {
  EXPECT_EQ(parse_duration("0s").count(), 0);
  EXPECT_EQ(parse_duration("500ms").count(), 500);
  EXPECT_EQ(parse_duration("5s").count(), 5'000);
  EXPECT_EQ(parse_duration("2m").count(), 120'000);
  EXPECT_EQ(parse_duration("24h").count(), 86'400'000);
  EXPECT_EQ(parse_duration("9223372036854775807ms").count(), 9223372036854775807);
  EXPECT_EQ(parse_size("0"), 0u);
  EXPECT_EQ(parse_size("4096"), 4096u);
  EXPECT_EQ(parse_size("64KiB"), 65'536u);
  EXPECT_EQ(parse_size("16MiB"), 16'777'216u);
  EXPECT_EQ(parse_size("1GiB"), 1'073'741'824u);
  EXPECT_EQ(parse_size("18446744073709551615"), 18446744073709551615u);
  for (const std::string text :
       {"", "5", "s", "-5s", "+5s", "5 s", " 5s", "5s ", "5S", "5sec", "1.5s", "1e3s", "05s", "5d",
        "5s5s", "9223372036854775808ms", "99999999999999999999h", "2562047788016h"}) {
    EXPECT_THROW(parse_duration(text), Error) << text;
  }
  for (const std::string text :
       {"", "MiB", "-1", "+1", "1 MiB", "1MB", "1kb", "1K", "1mib", "1.5MiB", "01", "1B", "1TiB",
        "18446744073709551616", "17179869184GiB"}) {
    try {
      parse_size(text);
      ADD_FAILURE() << text;
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::usage);
      EXPECT_THAT(error.remedy(), HasSubstr("MiB"));
    }
  }
}

}  // namespace
}  // namespace migrator
