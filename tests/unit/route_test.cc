// A plan against two catalogs: what travels, what is refused, and by which name.
#include "plans/route.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "adapters/sqlite/adapter.h"

namespace migrator {
namespace {

using testing::Contains;
using testing::Field;
using testing::HasSubstr;

Column column(const std::string& name, const std::string& native, TypeKind kind,
              bool nullable = true) {
  Column out;
  out.name = name;
  out.native_type = native;
  out.type.kind = kind;
  out.nullable = nullable;
  return out;
}

TableSchema orders() {
  TableSchema table;
  table.name = {"", "orders"};
  table.columns = {column("id", "INTEGER", TypeKind::int64, false),
                   column("customer", "INTEGER", TypeKind::int64),
                   column("note", "TEXT", TypeKind::text)};
  table.primary_key = {"id"};
  return table;
}

class RouteTest : public testing::Test {
 protected:
  Routes resolve() {
    const Dialect& dialect = sqlite::adapter().dialect();
    return resolve_routes(plan, source, target, dialect, dialect);
  }
  static std::string errors(const Routes& routes) {
    std::string text;
    for (const Finding& finding : routes.findings) {
      if (finding.severity == Severity::error) text += finding.text + " | " + finding.remedy + "\n";
    }
    return text;
  }

  RouteTest() {
    source.tables = {orders()};
    TablePlan table;
    table.name = "orders";
    plan.tables = {table};
  }
  Plan plan;
  Catalog source, target;
};

TEST_F(RouteTest, TakesEveryColumnAndThePrimaryKey) {
  const Routes routes = resolve();
  ASSERT_EQ(routes.tables.size(), 1u) << errors(routes);
  const TableRoute& route = routes.tables[0];
  EXPECT_EQ(route.read.columns.size(), 3u);
  EXPECT_EQ(route.read.key.at(0).name, "id");
  EXPECT_FALSE(route.target_exists);
  EXPECT_TRUE(route.same_types);
}

TEST_F(RouteTest, NamesTheNearestTableAndColumn) {
  plan.tables[0].name = "order";
  EXPECT_THAT(errors(resolve()), HasSubstr("`orders`"));
  plan.tables[0].name = "orders";
  plan.tables[0].columns["notes"] = {.drop = true, .to = "", .type = ""};
  EXPECT_THAT(errors(resolve()), HasSubstr("`note`"));
}

TEST_F(RouteTest, TakesATableWithoutAKeyWhereNoChangesAreFollowed) {
  source.tables[0].primary_key.clear();
  const Routes whole = resolve();
  ASSERT_EQ(whole.tables.size(), 1u) << errors(whole);
  EXPECT_TRUE(whole.tables[0].read.key.empty());
  EXPECT_TRUE(whole.tables[0].wanted.primary_key.empty());
  plan.capture = "trigger";
  EXPECT_THAT(errors(resolve()), HasSubstr("no usable key"));
  Index nullable;
  nullable.name = "u";
  nullable.columns = {"customer"};
  nullable.unique = true;
  source.tables[0].indexes = {nullable};
  EXPECT_THAT(errors(resolve()), HasSubstr("no usable key")) << "customer may be NULL";
  source.tables[0].columns[1].nullable = false;
  const Routes routes = resolve();
  ASSERT_EQ(routes.tables.size(), 1u) << errors(routes);
  EXPECT_EQ(routes.tables[0].read.key.at(0).name, "customer");
  EXPECT_EQ(routes.tables[0].wanted.primary_key, std::vector<std::string>{"customer"});
}

TEST_F(RouteTest, RefusesAKeyThatIsNotUniqueOrNotCopied) {
  plan.tables[0].key = {"customer"};
  EXPECT_THAT(errors(resolve()), HasSubstr("not a primary key"));
  plan.tables[0].key = {"id"};
  plan.tables[0].columns["id"].drop = true;
  EXPECT_THAT(errors(resolve()), HasSubstr("`id` is not copied"));
}

TEST_F(RouteTest, RenamesAndDropsWithEverythingThatHangsOnTheColumn) {
  Index index;
  index.name = "by_customer";
  index.columns = {"customer"};
  Index on_note;
  on_note.name = "by_note";
  on_note.columns = {"note"};
  source.tables[0].indexes = {index, on_note};
  plan.tables[0].columns["customer"].to = "buyer";
  plan.tables[0].columns["note"].drop = true;
  const Routes routes = resolve();
  ASSERT_EQ(routes.tables.size(), 1u) << errors(routes);
  const TableSchema& wanted = routes.tables[0].wanted;
  ASSERT_EQ(wanted.indexes.size(), 1u);
  EXPECT_EQ(wanted.indexes[0].columns, std::vector<std::string>{"buyer"});
  EXPECT_EQ(routes.tables[0].write.columns.size(), 2u);
  EXPECT_THAT(routes.findings, Contains(Field(&Finding::text, HasSubstr("by_note"))));
}

TEST_F(RouteTest, ATargetWithoutTheColumnOrKeyIsRefused) {
  target.tables = {orders()};
  target.tables[0].columns.pop_back();
  EXPECT_THAT(errors(resolve()), HasSubstr("no column `note`"));
  target.tables = {orders()};
  target.tables[0].primary_key.clear();
  EXPECT_THAT(errors(resolve()), HasSubstr("no primary key or unique index"));
  target.tables = {orders()};
  target.tables[0].columns.push_back(column("must", "TEXT", TypeKind::text, false));
  EXPECT_THAT(errors(resolve()), HasSubstr("`must`"));
}

TEST_F(RouteTest, AForeignKeyFollowsItsParentsNewName) {
  TableSchema customers = orders();
  customers.name.name = "customers";
  ForeignKey key;
  key.name = "fk";
  key.columns = {"customer"};
  key.referenced_table = {"", "customers"};
  key.referenced_columns = {"id"};
  source.tables[0].foreign_keys = {key};
  source.tables.push_back(customers);
  EXPECT_THAT(resolve().findings, Contains(Field(&Finding::text, HasSubstr("not in the plan"))));
  TablePlan parent;
  parent.name = "customers";
  parent.to = "buyers";
  parent.columns["id"].to = "buyer_id";
  plan.tables.push_back(parent);
  const Routes routes = resolve();
  ASSERT_EQ(routes.tables.size(), 2u) << errors(routes);
  ASSERT_EQ(routes.tables[0].wanted.foreign_keys.size(), 1u);
  EXPECT_EQ(routes.tables[0].wanted.foreign_keys[0].referenced_table.name, "buyers");
  EXPECT_EQ(routes.tables[0].wanted.foreign_keys[0].referenced_columns,
            std::vector<std::string>{"buyer_id"});
}

TEST(Nearest, FindsATypoAndNothingFarAway) {
  EXPECT_EQ(nearest("backfil", {"plan", "backfill"}), "backfill");
  EXPECT_EQ(nearest("xyz", {"plan", "backfill"}), "");
}

}  // namespace
}  // namespace migrator
