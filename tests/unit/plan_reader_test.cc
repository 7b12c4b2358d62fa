// Plans as they are read, and what is refused with which words.
#include "tests/unit/plan_fixture.h"

namespace migrator {
namespace {

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
      {kHead + kTables + "verify: {recheck: 5s}\n", "6:19", "a list of 1 to 10 durations", "50ms"},
      {kHead + kTables + "verify: {recheck: []}\n", "6:19", "a list of 1 to 10 durations", ""},
      {kHead + kTables + "verify: {recheck: [50ms, 10m]}\n", "6:26", "a duration from 0s to 5m",
       ""},
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

TEST(PlanReader, KnowsTheWaysOfCapture) {
  EXPECT_EQ(read(kHead + kTables + "capture: none\n").capture, "none");
  EXPECT_EQ(read(kHead + kTables + "capture: trigger\n").capture, "trigger");
  for (const std::string capture : {"log", "None", "\"\"", "[none]", "null"}) {
    const Error error = refusal(kHead + kTables + "capture: " + capture + "\n");
    EXPECT_THAT(error.what(), StartsWith("p.yaml:6:")) << capture;
  }
  const Error error = refusal(kHead + kTables + "capture: triggers\n");
  EXPECT_THAT(error.what(),
              HasSubstr("6:10: capture has to be trigger, shim or none, not \"triggers\""));
  EXPECT_THAT(error.remedy(), HasSubstr("stop all writers"));
  EXPECT_EQ(read(kHead + kTables + "capture: shim\n").capture, "shim");
  EXPECT_TRUE(read(kHead + kTables + "capture: shim\ninline_writes: true\n").inline_writes);
  EXPECT_THAT(refusal(kHead + kTables + "inline_writes: true\n").what(),
              HasSubstr("inline_writes goes together with capture alone"));
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

}  // namespace
}  // namespace migrator
