// Plans as they are written, and texts that no one would write.
#include "tests/unit/plan_fixture.h"

namespace migrator {
namespace {

TEST(PlanWriter, WritesWhatAPersonWouldHaveWritten) {
  Plan plan;
  plan.name = "shop";
  plan.source_url = "${SOURCE_URL}";
  plan.target_url = "postgresql://writer@h:5432/shop?sslmode=require";
  plan.checkpoint = "shop.migrate.db";
  plan.capture = "trigger";
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
capture: trigger

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
    if (below(2) == 0) {
      std::vector<std::chrono::milliseconds> waits(1 + below(10));
      for (auto& wait : waits) wait = std::chrono::milliseconds(below(300'001));
      plan.verify = {below(1'000'001), waits, below(2) == 0, 1 + below(kRangeRowsMax)};
    }
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

}  // namespace
}  // namespace migrator
