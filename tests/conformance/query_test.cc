// Small statements: parameters, results, and errors by class.
#include "tests/conformance/conformance.h"

namespace migrator::test {
namespace {

using testing::HasSubstr;
using testing::Not;

class Query : public Conformance {
 protected:
  std::string placeholders(int count) const {
    std::string text;
    for (int i = 1; i <= count; ++i) text += (i > 1 ? ", " : "") + dialect().placeholder(i);
    return text;
  }
};

constexpr const char* kMarker = "MARKER-4711";

TEST_P(Query, BindsParametersOfEveryKind) {
  create_table("p", "id " + quirks.bigint_type + " NOT NULL PRIMARY KEY, d " + quirks.double_type +
                        ", t " + quirks.text_type + ", b " + quirks.bytes_type);
  const auto target = open_target();
  Session& session = target->session();
  const Bytes bytes{std::string("\x00\xff'\\\n", 5)};
  const std::string text = "it's \"quoted\" \\ $1 ? %s \n\t Ünïcödé 🎉 '; DROP TABLE p; --";
  const Row given = {std::int64_t{INT64_MIN}, -0.1, text, bytes};
  const Result inserted = session.query("INSERT INTO p VALUES (" + placeholders(4) + ")", given);
  EXPECT_EQ(inserted.affected, 1u);
  const Row nulls = {std::int64_t{7}, {}, {}, {}};
  session.query("INSERT INTO p VALUES (" + placeholders(4) + ")", nulls);
  const Result result = session.query("SELECT id, d, t, b FROM p ORDER BY id");
  EXPECT_EQ(result.columns, (std::vector<std::string>{"id", "d", "t", "b"}));
  ASSERT_EQ(result.rows.size(), 2u);
  EXPECT_EQ(result.rows[0], given) << show(result.rows[0]);
  EXPECT_EQ(result.rows[1], nulls) << show(result.rows[1]);
}

TEST_P(Query, TextStandsForAValueOfAnyType) {
  create_table("p", "id " + quirks.bigint_type + " NOT NULL PRIMARY KEY, d date, n decimal(10,3)");
  const auto target = open_target();
  Session& session = target->session();
  const Row row = {std::string("42"), std::string("2024-02-29"), std::string("-1.250")};
  session.query("INSERT INTO p VALUES (" + placeholders(3) + ")", row);
  const Row key = {std::string("2024-02-29")};
  const Result found = session.query("SELECT id FROM p WHERE d = " + dialect().placeholder(1), key);
  ASSERT_EQ(found.rows.size(), 1u);
  EXPECT_EQ(as_integer(found.rows[0][0]), 42);
}

TEST_P(Query, CountsAffectedRows) {
  make_numbered_table(10);
  const auto target = open_target();
  Session& session = target->session();
  EXPECT_EQ(session.query("UPDATE t SET note = 'x' WHERE id > 4").affected, 6u);
  EXPECT_EQ(session.query("DELETE FROM t WHERE id > 8").affected, 2u);
  EXPECT_EQ(session.query("DELETE FROM t WHERE id > 8").affected, 0u);
  EXPECT_EQ(count_of("t"), "8");
}

TEST_P(Query, EmptyResultsHaveTheirColumns) {
  make_numbered_table(0);
  const auto source = open_source();
  const Result result = source->session().query("SELECT id, note FROM t");
  EXPECT_TRUE(result.empty());
  EXPECT_EQ(result.columns, (std::vector<std::string>{"id", "note"}));
}

TEST_P(Query, QuotesAnyIdentifier) {
  const std::string name = "odd \"na`me' \\ [x] ü";
  const auto target = open_target();
  Session& session = target->session();
  const std::string quoted = dialect().quote(name);
  session.execute("CREATE TABLE " + quoted + " (" + quoted + " " + quirks.int_type +
                  " PRIMARY KEY)");
  session.execute("INSERT INTO " + quoted + " VALUES (1)");
  EXPECT_EQ(session.query("SELECT " + quoted + " FROM " + quoted).columns[0], name);
  expect_error(ErrorKind::usage, [&] { (void)dialect().quote(std::string_view("")); });
  expect_error(ErrorKind::usage, [&] { (void)dialect().quote(std::string_view("a\0b", 3)); });
}

TEST_P(Query, MistakesArePermanentAndLeaveTheSessionUsable) {
  const auto source = open_source();
  Session& session = source->session();
  for (const char* sql : {"SELEKT 1", "SELECT * FROM no_such_table", "SELECT no_such_column"}) {
    const auto error = expect_error(ErrorKind::permanent, [&] { session.execute(sql); });
    ASSERT_TRUE(error) << sql;
    EXPECT_NE(error->code(), "") << sql;
    EXPECT_NE(error->scope(), ErrorScope::session) << sql;
  }
  EXPECT_EQ(as_integer(session.query("SELECT 1").rows[0][0]), 1);
}

TEST_P(Query, RefusedValuesAreDataErrorsWithoutTheValue) {
  create_table("d", "id " + quirks.int_type + " NOT NULL PRIMARY KEY, u " + quirks.small_type +
                        " UNIQUE, s varchar(20) NOT NULL UNIQUE, short " + quirks.short_text_type);
  db.exec(std::string("INSERT INTO d VALUES (1, 1, '") + kMarker + "', 'x');");
  const auto target = open_target();
  Session& session = target->session();
  const auto insert = [&](const Row& row) {
    return [&session, row, this] {
      session.query("INSERT INTO d VALUES (" + placeholders(4) + ")", row);
    };
  };
  const std::string marker = kMarker, other = "other";
  std::vector<std::pair<Row, bool>> refused = {
      {{std::int64_t{1}, std::int64_t{2}, other, other}, true},
      {{std::int64_t{2}, std::int64_t{2}, marker, other}, true},
      {{std::int64_t{2}, std::int64_t{2}, {}, other}, false}};
  if (quirks.has_lengths) {
    refused.push_back({{std::int64_t{3}, std::int64_t{3}, other, marker}, false});
    refused.push_back({{std::int64_t{3}, std::int64_t{400711}, other, other}, false});
    refused.push_back({{marker, std::int64_t{3}, other, other}, false});
  }
  for (const auto& [row, duplicate] : refused) {
    const auto error = expect_error(ErrorKind::data, insert(row));
    ASSERT_TRUE(error) << show(row);
    EXPECT_EQ(error->duplicate_key(), duplicate) << show(row);
    EXPECT_NE(error->code(), "");
    EXPECT_THAT(all_text(*error), Not(HasSubstr(kMarker)));
    EXPECT_THAT(all_text(*error), Not(HasSubstr("400711")));
  }
  EXPECT_EQ(count_of("d"), "1");
  insert({std::int64_t{5}, std::int64_t{5}, other, std::string("ok")})();
  EXPECT_EQ(count_of("d"), "2");
}

class NetworkQuery : public Query {};

TEST_P(NetworkQuery, ViolatedForeignKeyIsADataError) {
  make_numbered_table(3);
  create_table("child", "id " + quirks.int_type + " NOT NULL PRIMARY KEY, parent " +
                            quirks.int_type + ", FOREIGN KEY (parent) REFERENCES t (id)");
  // A source's session: a target's may leave foreign keys to the end of a load.
  const auto source = open_source();
  const auto error = expect_error(
      ErrorKind::data, [&] { source->session().execute("INSERT INTO child VALUES (1, 400711)"); });
  ASSERT_TRUE(error);
  EXPECT_FALSE(error->duplicate_key());
  EXPECT_THAT(all_text(*error), Not(HasSubstr("400711")));
}

class CheckedQuery : public Query {};

TEST_P(CheckedQuery, ViolatedCheckIsADataError) {
  create_table("c", "id " + quirks.int_type + " NOT NULL PRIMARY KEY, s " + quirks.text_type +
                        ", CONSTRAINT short_only CHECK (length(s) < 3)");
  const auto target = open_target();
  const auto error = expect_error(ErrorKind::data, [&] {
    const Row row = {std::int64_t{1}, std::string(kMarker)};
    target->session().query("INSERT INTO c VALUES (" + placeholders(2) + ")", row);
  });
  ASSERT_TRUE(error);
  EXPECT_THAT(all_text(*error), Not(HasSubstr(kMarker)));
}

TEST_P(Query, LoadNeverThrows) {
  const auto source = open_source();
  EXPECT_NO_THROW(source->session().load());
  error_of([&] { source->session().execute("SELEKT"); });
  for (int i = 0; i < 5; ++i) EXPECT_NO_THROW(source->session().load());
  const LoadSample sample = source->session().load();
  EXPECT_GE(sample.active_sessions.value_or(0), 0);
}

TEST_P(Query, ManyRowsAndLongTexts) {
  make_numbered_table(3000);
  const auto target = open_target();
  const std::string long_text(3 << 20, 'x');
  const Row parameters = {long_text};
  target->session().query("UPDATE t SET note = " + dialect().placeholder(1) + " WHERE id = 1500",
                          parameters);
  const Result result = target->session().query("SELECT id, note FROM t ORDER BY id");
  ASSERT_EQ(result.rows.size(), 3000u);
  EXPECT_EQ(as_text(result.rows[1499][1]), long_text);
  EXPECT_EQ(as_integer(result.rows[2999][0]), 3000);
}

MIGRATOR_CONFORMANCE_SUITE(Query);
MIGRATOR_CONFORMANCE_SUITE_WHERE(CheckedQuery,
                                 [](const Quirks& quirks) { return quirks.has_checks; });
MIGRATOR_CONFORMANCE_SUITE_WHERE(NetworkQuery,
                                 [](const Quirks& quirks) { return quirks.has_server; });

}  // namespace
}  // namespace migrator::test
