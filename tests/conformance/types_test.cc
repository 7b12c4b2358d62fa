// Values: what a column of any engine becomes here, and that it holds all that the original could.
#include <cmath>
#include <set>

#include "adapters/canonical_digest.h"
#include "migrator/verify/row_digest.h"
#include "tests/conformance/conformance.h"
#include "tests/conformance/neutral.h"
#include "tests/support/servers.h"

namespace migrator::test {
namespace {

using testing::HasSubstr;
using testing::Not;

class Types : public Conformance {
 protected:
  struct Mapping {
    Column original;
    MappedColumn mapped;
    std::vector<Value> values;  // of the original's type
  };

  const Quirks& quirks_of_engine(Engine engine) const {
    switch (engine) {
      case Engine::postgres:
        return quirks_of(ServerKind::postgres);
      case Engine::mysql:
        return quirks_of(ServerKind::mariadb);
      case Engine::sqlite:
        break;
    }
    return quirks_of(ServerKind::sqlite);
  }

  // `own`: a session's, as versions of one engine differ in their types.
  std::vector<Mapping> mappings_from(Engine from, const Dialect& own) const {
    std::vector<Mapping> mappings;
    const Quirks& theirs = from == quirks.engine ? quirks : quirks_of_engine(from);
    for (const std::string& native : theirs.mappable_types) {
      Mapping mapping;
      const std::string name = "c" + std::to_string(mappings.size());
      mapping.original = adapter_for(from).dialect().column_of_type(name, native);
      mapping.mapped = own.map_column(mapping.original, from);
      EXPECT_EQ(mapping.mapped.refused, "") << native;
      EXPECT_EQ(mapping.mapped.column.name, name) << native;
      mapping.values =
          extremes_of(mapping.original, from, quirks.has_negative_zero && theirs.has_negative_zero);
      mapping.values.push_back(std::monostate{});
      mappings.push_back(std::move(mapping));
    }
    return mappings;
  }

  // One column a mapping; row r has the r-th value of each, or its last: NULL.
  Rows rows_from(const std::vector<Mapping>& mappings, const TableSchema& made) const {
    std::size_t count = 0;
    for (const Mapping& mapping : mappings) count = std::max(count, mapping.values.size());
    Rows rows;
    for (std::size_t at = 0; at < count; ++at) {
      Row& row = rows.emplace_back(Row{static_cast<std::int64_t>(at)});
      for (std::size_t column = 0; column < mappings.size(); ++column) {
        const Mapping& mapping = mappings[column];
        const Value& value = mapping.values[std::min(at, mapping.values.size() - 1)];
        row.push_back(converted(value, mapping.original.type, made.columns[column + 1].type));
      }
    }
    return rows;
  }

  // Of each column that has one, with the id, the canonical digest of the server and that of the
  // rows that it sends. Returns of how many.
  static int compare_digests(Source& source, const TableSchema& made) {
    int compared = 0;
    for (const Column& column : made.columns) {
      ReadSpec spec = read_spec(made);
      spec.columns = {made.columns[0], column};
      spec.misfits = Misfits::mark;
      const auto form = canonical_digest(spec.columns);
      const std::vector<DigestForm> forms = source.digest_forms(spec);
      if (!form || std::find(forms.begin(), forms.end(), *form) == forms.end()) continue;
      ++compared;
      const RangeDigest digest = source.digest(spec, {}, *form);
      RangeRows rows(source, spec, {}, cells_layout(), nullptr, [](auto, auto) {});
      EXPECT_EQ(digest, digest_of(rows, spec.columns))
          << column.native_type << ", " << describe(column.type);
    }
    return compared;
  }

  TableSchema table_from(const std::vector<Mapping>& mappings) const {
    TableSchema schema;
    schema.name.name = "mapped";
    Column id = dialect().column_of_type("id", quirks.bigint_type);
    id.nullable = false;
    schema.columns = {id};
    schema.primary_key = {"id"};
    for (const Mapping& mapping : mappings) schema.columns.push_back(mapping.mapped.column);
    return schema;
  }
};

TEST_P(Types, MappedColumnsHoldTheExtremesOfEveryEngine) {
  for (const Engine from : {Engine::postgres, Engine::mysql, Engine::sqlite}) {
    SCOPED_TRACE(name(from));
    const TestDatabase fresh = TestDatabase::on(GetParam());
    const auto target = open_target(fresh);
    const std::vector<Mapping> mappings = mappings_from(from, target->session().dialect());
    const TableSchema planned = table_from(mappings);
    for (const std::string& statement : target->session().dialect().create_table(planned)) {
      target->session().execute(statement);
    }
    const TableSchema made = table(target->session(), "mapped");
    ASSERT_EQ(made.columns.size(), planned.columns.size());
    for (std::size_t at = 0; at < made.columns.size(); ++at) {
      EXPECT_EQ(made.columns[at].type, planned.columns[at].type)
          << (at ? mappings[at - 1].original.native_type : "id") << " as "
          << made.columns[at].native_type << ": planned " << describe(planned.columns[at].type)
          << ", made " << describe(made.columns[at].type);
      EXPECT_EQ(made.columns[at].nullable, planned.columns[at].nullable);
    }
    const Rows rows = rows_from(mappings, made);
    // A row at a time, so that a message names the one that fails.
    for (const Row& row : rows) {
      target->session().begin();
      const LoadCount count = load_rows(*target, write_spec(made), {row});
      EXPECT_EQ(count.inserted, 1u);
      target->session().commit();
    }
    const auto source = open_source(fresh);
    const Rows back = read_rows(*source, read_spec(made));
    ASSERT_EQ(back.size(), rows.size());
    for (std::size_t at = 0; at < rows.size(); ++at) {
      for (std::size_t column = 0; column < rows[at].size(); ++column) {
        EXPECT_TRUE(same_value(back[at][column], rows[at][column], made.columns[column].type))
            << (column ? mappings[column - 1].original.native_type : "id") << " as "
            << made.columns[column].native_type << ": wrote " << show(rows[at][column]) << ", read "
            << show(back[at][column]);
      }
    }
    EXPECT_GE(compare_digests(*source, made), quirks.engine == Engine::sqlite ? 0 : 8);
  }
}

TEST_P(Types, OwnColumnsAreCarriedVerbatim) {
  for (const std::string& native : quirks.mappable_types) {
    Column column = dialect().column_of_type("c", native);
    column.nullable = false;
    const MappedColumn mapped = dialect().map_column(column, quirks.engine);
    EXPECT_EQ(mapped.refused, "") << native;
    EXPECT_EQ(mapped.column.native_type, column.native_type);
    EXPECT_EQ(mapped.column.type, column.type) << native;
    EXPECT_FALSE(mapped.column.nullable);
  }
}

TEST_P(Types, OwnTypesForKeysTextsAndIntegersWork) {
  const auto target = open_target();
  Session& session = target->session();
  session.execute("CREATE TABLE own (k " + std::string(dialect().own_key_type()) +
                  " NOT NULL PRIMARY KEY, t " + std::string(dialect().own_text_type()) + ", n " +
                  std::string(dialect().own_integer_type()) + ")");
  const std::string sql = "INSERT INTO own VALUES (" + dialect().placeholder(1) + ", " +
                          dialect().placeholder(2) + ", " + dialect().placeholder(3) + ")";
  // Compared byte by byte: neither case nor spaces make two keys one.
  std::int64_t number = INT64_MAX;
  for (const char* key : {"a", "A", "a ", "ä", ""}) {
    const Row row = {std::string(key), std::string(100'000, 'x'), number--};
    session.query(sql, row);
  }
  EXPECT_EQ(count_of("own"), "5");
}

TEST_P(Types, RefusesValuesThatHaveNoFormHere) {
  create_table("r", "id " + quirks.int_type + " NOT NULL PRIMARY KEY, i " + quirks.int_type +
                        ", d " + quirks.double_type + ", t " + quirks.text_type);
  const auto target = open_target();
  const WriteSpec spec = write_spec(table(target->session(), "r"));
  std::vector<Row> refused;
  const std::string marker = "MARKER4711";
  if (quirks.checks_utf8) refused.push_back({std::int64_t{1}, {}, {}, marker + "\xff\xfe"});
  if (!quirks.text_holds_nul) refused.push_back({std::int64_t{1}, {}, {}, marker + '\0' + "x"});
  if (quirks.engine == Engine::mysql) {
    refused.push_back({std::int64_t{1}, {}, std::nan(""), {}});
    refused.push_back({std::int64_t{1}, {}, HUGE_VAL, {}});
  }
  if (!quirks.has_negative_zero) refused.push_back({std::int64_t{1}, {}, -0.0, {}});
  if (quirks.engine == Engine::sqlite) refused.push_back({std::int64_t{1}, {}, std::nan(""), {}});
  for (const Row& row : refused) {
    target->session().begin();
    const auto error = expect_error(ErrorKind::data, [&] { load_rows(*target, spec, {row}); });
    target->session().rollback();
    ASSERT_TRUE(error) << show(row);
    EXPECT_THAT(all_text(*error), Not(HasSubstr(marker)));
    const auto rehearsed = expect_error(ErrorKind::data, [&] {
      const auto sink = target->rehearse(spec, cells_layout());
      sink->write(batch_of({row}));
      sink->finish();
    });
    ASSERT_TRUE(rehearsed) << show(row);
    EXPECT_THAT(all_text(*rehearsed), Not(HasSubstr(marker)));
  }
  EXPECT_EQ(count_of("r"), "0");
}

class SqliteTypes : public Types {};

TEST_P(SqliteTypes, TheSourceRefusesValuesThatItsColumnCannotHold) {
  create_table("loose", "id INTEGER PRIMARY KEY, n INTEGER, b BOOLEAN");
  db.exec("INSERT INTO loose VALUES (1, 5, 1), (2, 'MARKER4711', 0);");
  const auto source = open_source();
  const ReadSpec spec = read_spec(table(source->session(), "loose"));
  const auto error = expect_error(ErrorKind::data, [&] { read_rows(*source, spec); });
  ASSERT_TRUE(error);
  EXPECT_THAT(all_text(*error), Not(HasSubstr("MARKER4711")));
  EXPECT_THAT(std::string(error->what()), HasSubstr("n"));
  EXPECT_EQ(read_rows(*source, spec, {{}, Key{std::int64_t{1}}}).size(), 1u);
  db.exec("UPDATE loose SET n = 6, b = 7 WHERE id = 2;");
  expect_error(ErrorKind::data, [&] { read_rows(*source, spec); });
}

class MysqlTypes : public Types {};

TEST_P(MysqlTypes, ZeroAndPartialDatesOfMysqlAreDataErrors) {
  create_table("z", "id int NOT NULL PRIMARY KEY, d date");
  db.exec("SET sql_mode = ''; INSERT INTO z VALUES (1, '0000-00-00'), (2, '2024-00-10');");
  const auto source = open_source();
  const ReadSpec spec = read_spec(table(source->session(), "z"));
  expect_error(ErrorKind::data, [&] { read_rows(*source, spec, {{}, Key{std::int64_t{1}}}); });
  expect_error(ErrorKind::data, [&] { read_rows(*source, spec, {Key{std::int64_t{1}}, {}}); });
}

class PostgresTypes : public Types {};

TEST_P(PostgresTypes, InfiniteDatesOfPostgresAreDataErrors) {
  create_table("z", "id int NOT NULL PRIMARY KEY, d date, t timestamptz");
  db.exec("INSERT INTO z VALUES (1, 'infinity', now()), (2, '2024-01-01', '-infinity');");
  const auto source = open_source();
  const ReadSpec spec = read_spec(table(source->session(), "z"));
  expect_error(ErrorKind::data, [&] { read_rows(*source, spec, {{}, Key{std::int64_t{1}}}); });
  expect_error(ErrorKind::data, [&] { read_rows(*source, spec, {Key{std::int64_t{1}}, {}}); });
}

MIGRATOR_CONFORMANCE_SUITE(Types);
MIGRATOR_CONFORMANCE_SUITE_WHERE(PostgresTypes, [](const Quirks& quirks) {
  return quirks.engine == Engine::postgres;
});
MIGRATOR_CONFORMANCE_SUITE_WHERE(MysqlTypes, [](const Quirks& quirks) {
  return quirks.engine == Engine::mysql;
});
MIGRATOR_CONFORMANCE_SUITE_WHERE(SqliteTypes, [](const Quirks& quirks) {
  return quirks.engine == Engine::sqlite;
});

}  // namespace
}  // namespace migrator::test
