// What a plan means: its fingerprint, the golden file, the examples, the JSON schema, the units.
#include "tests/unit/plan_fixture.h"

namespace migrator {
namespace {

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
  EXPECT_TRUE(plan.verify == (VerifyPlan{200, VerifyPlan{}.recheck, true}));
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
                    plan.capture == plain.capture && plan.inline_writes == plain.inline_writes);
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
  EXPECT_EQ(limits, 11);
  EXPECT_EQ(defaults, 14);
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
