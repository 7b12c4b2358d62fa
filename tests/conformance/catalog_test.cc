// What the catalog says, and that DDL made from it makes the same again.
#include <algorithm>

#include "tests/conformance/conformance.h"

namespace migrator::test {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;
using Names = std::vector<std::string>;

class CatalogOf : public Conformance {
 protected:
  const Index* find_index(const TableSchema& schema, const std::string& name) const {
    const auto found = std::find_if(schema.indexes.begin(), schema.indexes.end(),
                                    [&](const Index& index) { return index.name == name; });
    return found == schema.indexes.end() ? nullptr : &*found;
  }
  // SQLite keeps no names of unique constraints.
  const Index* find_unique(const TableSchema& schema, const std::string& column) const {
    const auto found = std::find_if(
        schema.indexes.begin(), schema.indexes.end(),
        [&](const Index& index) { return index.unique && index.columns == Names{column}; });
    return found == schema.indexes.end() ? nullptr : &*found;
  }
  const ForeignKey* find_foreign_key(const TableSchema& schema, const Names& columns) const {
    const auto found = std::find_if(schema.foreign_keys.begin(), schema.foreign_keys.end(),
                                    [&](const ForeignKey& key) { return key.columns == columns; });
    return found == schema.foreign_keys.end() ? nullptr : &*found;
  }
  static Names column_names(const TableSchema& schema) {
    Names names;
    for (const Column& column : schema.columns) names.push_back(column.name);
    return names;
  }
  // In the words of the standard: MySQL treats RESTRICT and NO ACTION as one, and some versions
  // print one for the other.
  std::string action(const std::string& text) const {
    return quirks.engine == Engine::mysql && text == "RESTRICT" ? "NO ACTION" : text;
  }
};

TEST_P(CatalogOf, ListsTablesByNameWithoutItsOwn) {
  db.exec(quirks.catalog_script);
  const auto source = open_source();
  const Catalog catalog = source->session().catalog();
  Names names;
  for (const TableSchema& schema : catalog.tables) {
    names.push_back(schema.name.name);
    EXPECT_EQ(schema.name.schema, "");
  }
  EXPECT_THAT(names, ElementsAre("catalog_customers", "catalog_lines", "catalog_orders"));
  EXPECT_THAT(catalog.not_carried, Contains(HasSubstr("catalog_view")));
  EXPECT_NE(catalog.find_table({"", "catalog_lines"}), nullptr);
  EXPECT_EQ(catalog.find_table({"", "catalog_view"}), nullptr);
}

TEST_P(CatalogOf, EmptyDatabaseHasNoTables) {
  EXPECT_TRUE(open_source()->session().catalog().tables.empty());
}

TEST_P(CatalogOf, KnowsColumns) {
  db.exec(quirks.catalog_script);
  const auto source = open_source();
  const TableSchema customers = table(source->session(), "catalog_customers");
  Names expected = {"id", "email", "name", "amount", "doubled", "tax_number"};
  if (!quirks.has_generated) std::erase(expected, "doubled");
  EXPECT_EQ(column_names(customers), expected);
  const Column& id = *customers.find_column("id");
  EXPECT_TRUE(id.identity);
  EXPECT_FALSE(id.nullable);
  const Column& email = *customers.find_column("email");
  EXPECT_FALSE(email.nullable);
  EXPECT_FALSE(email.identity);
  EXPECT_EQ(email.type.kind, TypeKind::text);
  EXPECT_EQ(email.type.length, 60u);
  EXPECT_FALSE(email.default_sql);
  const Column& name_column = *customers.find_column("name");
  EXPECT_TRUE(name_column.nullable);
  ASSERT_TRUE(name_column.default_sql);
  EXPECT_THAT(*name_column.default_sql, HasSubstr("nobody"));
  const Column& amount = *customers.find_column("amount");
  EXPECT_FALSE(amount.nullable);
  if (quirks.has_lengths) {
    EXPECT_EQ(amount.type, (Type{TypeKind::decimal, 0, 12, 2, false}));
  }
  EXPECT_FALSE(amount.generated);
  if (quirks.has_generated) {
    const Column& doubled = *customers.find_column("doubled");
    EXPECT_TRUE(doubled.generated);
    EXPECT_TRUE(doubled.generated_stored);
    EXPECT_THAT(doubled.generated_sql, HasSubstr("amount"));
  }
}

TEST_P(CatalogOf, KnowsKeysInTheirOwnOrder) {
  db.exec(quirks.catalog_script);
  const auto source = open_source();
  const TableSchema orders = table(source->session(), "catalog_orders");
  EXPECT_THAT(orders.primary_key, ElementsAre("region", "number"));
  EXPECT_EQ(column_names(orders)[0], "number");
  const TableSchema customers = table(source->session(), "catalog_customers");
  EXPECT_THAT(customers.primary_key, ElementsAre("id"));
  const Index* email = find_unique(customers, "email");
  ASSERT_NE(email, nullptr);
  EXPECT_TRUE(email->plain);
  EXPECT_NE(find_unique(customers, "tax_number"), nullptr);
  EXPECT_EQ(find_unique(customers, "id"), nullptr) << "the primary key is no secondary index";
}

TEST_P(CatalogOf, KnowsIndexesAndWhichAreMoreThanTheirColumns) {
  db.exec(quirks.catalog_script);
  const auto source = open_source();
  const TableSchema orders = table(source->session(), "catalog_orders");
  const Index* plain = find_index(orders, "orders_customer_index");
  ASSERT_NE(plain, nullptr);
  EXPECT_TRUE(plain->plain);
  EXPECT_FALSE(plain->unique);
  EXPECT_THAT(plain->columns, ElementsAre("customer_id"));
  const Index* descending = find_index(orders, "orders_placed_index");
  ASSERT_NE(descending, nullptr);
  EXPECT_THAT(descending->columns, ElementsAre("placed", "number"));
  if (quirks.has_descending) {
    EXPECT_THAT(descending->descending, ElementsAre(true, false));
  }
  const Index* odd = find_index(orders, "orders_odd_index");
  ASSERT_NE(odd, nullptr);
  EXPECT_FALSE(odd->plain) << "partial, or on a prefix";
}

TEST_P(CatalogOf, KnowsForeignKeysWithTheirActions) {
  db.exec(quirks.catalog_script);
  const auto source = open_source();
  const TableSchema orders = table(source->session(), "catalog_orders");
  ASSERT_EQ(orders.foreign_keys.size(), 2u);
  const ForeignKey* customer = find_foreign_key(orders, {"customer_id"});
  ASSERT_NE(customer, nullptr);
  EXPECT_EQ(customer->referenced_table.name, "catalog_customers");
  EXPECT_THAT(customer->referenced_columns, ElementsAre("id"));
  EXPECT_EQ(customer->on_delete, "CASCADE");
  EXPECT_EQ(action(customer->on_update), action("RESTRICT"));
  const ForeignKey* follows = find_foreign_key(orders, {"follows_region", "follows_number"});
  ASSERT_NE(follows, nullptr);
  EXPECT_EQ(follows->referenced_table.name, "catalog_orders");
  EXPECT_THAT(follows->referenced_columns, ElementsAre("region", "number"));
  EXPECT_EQ(action(follows->on_delete), "NO ACTION");
}

TEST_P(CatalogOf, KnowsChecksAndTriggers) {
  db.exec(quirks.catalog_script);
  const auto source = open_source();
  if (quirks.has_checks) {
    const TableSchema customers = table(source->session(), "catalog_customers");
    ASSERT_EQ(customers.checks.size(), 1u);
    EXPECT_THAT(customers.checks[0].sql, HasSubstr("amount"));
    EXPECT_EQ(customers.checks[0].name, "customers_amount_check");
  }
  const TableSchema orders = table(source->session(), "catalog_orders");
  ASSERT_EQ(orders.triggers.size(), 1u);
  EXPECT_EQ(orders.triggers[0].name, "orders_touch");
  EXPECT_THAT(orders.triggers[0].description, HasSubstr("BEFORE INSERT"));
}

TEST_P(CatalogOf, EstimatesRowsFromStatistics) {
  make_numbered_table(1000);
  db.exec(quirks.engine == Engine::mysql ? "ANALYZE TABLE t;" : "ANALYZE t;");
  const auto source = open_source();
  const TableSchema schema = table(source->session(), "t");
  EXPECT_GE(schema.rows_estimate, 500u);
  EXPECT_LE(schema.rows_estimate, 2000u);
  if (quirks.has_server) {
    EXPECT_GT(schema.bytes_estimate, 0u);
  }
}

TEST_P(CatalogOf, TypesOfColumnsAreTheSameByCatalogAndByName) {
  db.exec(quirks.all_types_script);
  const auto source = open_source();
  const TableSchema schema = table(source->session(), "all_types");
  for (const Column& column : schema.columns) {
    if (column.type.kind == TypeKind::opaque) continue;
    // PostgreSQL's enum types are made by users, and a dialect has no connection to look them up.
    if (quirks.engine == Engine::postgres && !column.enum_values.empty()) continue;
    const Column named = dialect().column_of_type(column.name, column.native_type);
    EXPECT_EQ(named.type, column.type)
        << column.native_type << " is " << describe(named.type) << " by name, "
        << describe(column.type) << " in the catalog";
    EXPECT_EQ(named.name, column.name);
  }
  expect_error(ErrorKind::usage, [&] { dialect().column_of_type("c", "no such (type"); });
}

class DdlOf : public CatalogOf {
 protected:
  void make_all(Session& session, const Catalog& catalog) {
    const Dialect& own = session.dialect();
    // Referenced tables first: SQLite makes foreign keys with the table.
    for (const char* table_name : {"catalog_customers", "catalog_orders", "catalog_lines"}) {
      const TableSchema* schema = catalog.find_table({"", table_name});
      ASSERT_NE(schema, nullptr);
      for (const std::string& statement : own.create_table(*schema)) session.execute(statement);
    }
    for (const TableSchema& schema : catalog.tables) {
      for (const Index& index : schema.indexes) {
        session.execute(own.create_index(schema, index));
      }
    }
    for (const TableSchema& schema : catalog.tables) {
      for (const ForeignKey& key : schema.foreign_keys) {
        const std::string statement = own.add_foreign_key(schema, key);
        if (!statement.empty()) session.execute(statement);
      }
    }
    for (const TableSchema& schema : catalog.tables) {
      for (const std::string& statement : own.after_load(schema)) session.execute(statement);
    }
  }

  void expect_same_columns(const TableSchema& made, const TableSchema& original) {
    ASSERT_EQ(column_names(made), column_names(original));
    for (std::size_t at = 0; at < made.columns.size(); ++at) {
      const Column &got = made.columns[at], &want = original.columns[at];
      const std::string where = original.name.name + "." + want.name;
      EXPECT_EQ(got.native_type, want.native_type) << where;
      EXPECT_EQ(got.type, want.type) << where;
      EXPECT_EQ(got.nullable, want.nullable) << where;
      EXPECT_EQ(got.generated, want.generated) << where;
      EXPECT_EQ(got.generated_sql, want.generated_sql) << where;
      EXPECT_EQ(got.generated_stored, want.generated_stored) << where;
      EXPECT_EQ(got.identity, want.identity) << where;
      EXPECT_EQ(got.identity_always, want.identity_always) << where;
      EXPECT_EQ(got.default_sql, want.default_sql) << where;
      EXPECT_EQ(got.charset, want.charset) << where;
      EXPECT_EQ(got.collation, want.collation) << where;
      EXPECT_EQ(got.enum_values, want.enum_values) << where;
    }
  }

  static Names described_indexes(const TableSchema& schema) {
    Names all;
    for (const Index& index : schema.indexes) {
      std::string text =
          (index.unique ? "unique " : "") + std::string(index.plain ? "plain" : "odd");
      for (const std::string& column : index.columns) text += " " + column;
      for (const bool down : index.descending) text += down ? " down" : " up";
      all.push_back(text);
    }
    std::sort(all.begin(), all.end());
    return all;
  }
  static Names described_foreign_keys(const TableSchema& schema) {
    Names all;
    for (const ForeignKey& key : schema.foreign_keys) {
      std::string text;
      for (const std::string& column : key.columns) text += column + " ";
      text += "-> " + key.referenced_table.text();
      for (const std::string& column : key.referenced_columns) text += " " + column;
      all.push_back(text + " " + key.on_delete + "/" + key.on_update);
    }
    std::sort(all.begin(), all.end());
    return all;
  }
  static Names described_checks(const TableSchema& schema) {
    Names all;
    for (const Check& check : schema.checks) all.push_back(check.name + ": " + check.sql);
    std::sort(all.begin(), all.end());
    return all;
  }
};

TEST_P(DdlOf, MakesTheSameTablesAgain) {
  db.exec(quirks.catalog_script);
  const Catalog original = open_source()->session().catalog();
  const TestDatabase copy = TestDatabase::on(GetParam());
  const auto target = open_target(copy);
  ASSERT_NO_FATAL_FAILURE(make_all(target->session(), original));
  const Catalog made = open_source(copy)->session().catalog();
  ASSERT_EQ(made.tables.size(), original.tables.size());
  for (std::size_t at = 0; at < made.tables.size(); ++at) {
    const TableSchema &got = made.tables[at], &want = original.tables[at];
    SCOPED_TRACE(want.name.name);
    EXPECT_EQ(got.name, want.name);
    expect_same_columns(got, want);
    EXPECT_EQ(got.primary_key, want.primary_key);
    EXPECT_EQ(described_indexes(got), described_indexes(want));
    EXPECT_EQ(described_foreign_keys(got), described_foreign_keys(want));
    EXPECT_EQ(described_checks(got), described_checks(want));
    EXPECT_EQ(got.without_rowid, want.without_rowid);
    EXPECT_EQ(got.strict, want.strict);
    EXPECT_EQ(got.storage_engine, want.storage_engine);
  }
}

TEST_P(DdlOf, MakesEveryTypeAgain) {
  db.exec(quirks.all_types_script);
  const TableSchema original = table(open_source()->session(), "all_types");
  const TestDatabase copy = TestDatabase::on(GetParam());
  if (quirks.engine == Engine::postgres) {
    copy.exec("CREATE TYPE mood AS ENUM ('sad', 'ok', 'happy');");  // types are not a table's
  }
  const auto target = open_target(copy);
  for (const std::string& statement : target->session().dialect().create_table(original)) {
    target->session().execute(statement);
  }
  expect_same_columns(table(open_source(copy)->session(), "all_types"), original);
}

TEST_P(DdlOf, OddNamesAreQuotedEverywhere) {
  TableSchema schema;
  schema.name.name = "order";
  Column id = dialect().column_of_type("select \"x` y", quirks.bigint_type);
  id.nullable = false;
  Column other = dialect().column_of_type("Group", quirks.int_type);
  schema.columns = {id, other};
  schema.primary_key = {id.name};
  Index index;
  index.name = "the 'index'";
  index.columns = {"Group"};
  const auto target = open_target();
  for (const std::string& statement : target->session().dialect().create_table(schema)) {
    target->session().execute(statement);
  }
  target->session().execute(target->session().dialect().create_index(schema, index));
  for (const std::string& statement : target->session().dialect().after_load(schema)) {
    target->session().execute(statement);
  }
  const TableSchema made = table(open_source()->session(), "order");
  EXPECT_EQ(column_names(made), (Names{id.name, "Group"}));
  EXPECT_EQ(made.primary_key, Names{id.name});
  ASSERT_EQ(made.indexes.size(), 1u);
  EXPECT_EQ(made.indexes[0].columns, Names{"Group"});
}

MIGRATOR_CONFORMANCE_SUITE(CatalogOf);
MIGRATOR_CONFORMANCE_SUITE(DdlOf);

}  // namespace
}  // namespace migrator::test
