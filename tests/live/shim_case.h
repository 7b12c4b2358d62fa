// An application that embeds the shim, beside the real `migrate`: the test is that application.
//
//   t(id bigint key, u int unique, v varchar(40))       v is called w on the target
//   pairs(a int, b varchar(20), n int; key a, b)
#pragma once

#include <algorithm>
#include <functional>
#include <iterator>
#include <string>
#include <vector>

#include <fmt/format.h>

#include "migrator/capture/side_row.h"
#include "migrator/shim.h"
#include "tests/integration/migration_case.h"
#include "tests/live/writers.h"

namespace migrator::test {

struct ShimRoute {
  ServerKind from, to;
};
inline const ShimRoute kRoutes[] = {
    {ServerKind::postgres, ServerKind::postgres}, {ServerKind::mariadb, ServerKind::sqlite},
    {ServerKind::sqlite, ServerKind::mariadb},    {ServerKind::postgres, ServerKind::mariadb},
    {ServerKind::mariadb, ServerKind::postgres},
};

inline std::string route_name(const testing::TestParamInfo<ShimRoute>& info) {
  return std::string(migrator::test::name(info.param.from)) + "_to_" +
         std::string(migrator::test::name(info.param.to));
}

inline std::vector<ShimRoute> routes_where(const std::function<bool(const ShimRoute&)>& wanted) {
  std::vector<ShimRoute> routes;
  std::copy_if(std::begin(kRoutes), std::end(kRoutes), std::back_inserter(routes), wanted);
  return routes;
}

class OnShim : public testing::TestWithParam<ShimRoute> {
 protected:
  OnShim() : trial(GetParam().from, GetParam().to) {
    if (GetParam().from == ServerKind::sqlite) trial.source.exec("PRAGMA journal_mode = WAL;");
    trial.source.exec(
        "CREATE TABLE t (id bigint NOT NULL PRIMARY KEY, u int UNIQUE, v varchar(40));"
        "CREATE TABLE pairs (a int NOT NULL, b varchar(20) NOT NULL, n int, PRIMARY KEY (a, b));");
  }

  void begin(const std::string& capture, bool inline_writes, const std::string& rest = "") {
    trial.plan(
        "  - {name: t, columns: {v: {to: w}}}\n  - name: pairs\n",
        "capture: " + capture + "\n" + (inline_writes ? "inline_writes: true\n" : "") + rest);
    run({"start", "plan.yaml"});
  }
  void run(const std::vector<std::string>& arguments, int status = 0) {
    const CommandResult result = trial.migrate(arguments);
    ASSERT_EQ(result.status, status) << shown(result);
  }
  ShimOptions options(WriteMode mode) const {
    ShimOptions options;
    options.migration = name();
    options.source = database_at(trial.source.url_text());
    options.target = database_at(trial.target.url_text());
    options.defaults.mode = mode;
    options.defaults.budget = 5s;
    options.closed_wait = 500ms;
    return options;
  }
  std::string name() const {
    const std::string plan = trial.read("plan.yaml");
    const std::size_t at = plan.find("name: ") + 6;
    return plan.substr(at, plan.find('\n', at) - at);
  }
  std::string journal() const {
    return trial.source.value("SELECT COUNT(*) FROM _migrator_journal");
  }
  std::string on_target(const std::string& column, int id) const {
    return trial.target.value(fmt::format("SELECT {} FROM t WHERE id = {}", column, id));
  }
  void expect_relayed_and_equal() {
    run({"backfill", "plan.yaml"});
    run({"relay", "plan.yaml"});
    EXPECT_EQ(journal(), "0");
    trial.expect_equal({"pairs"});
    run({"verify", "plan.yaml"});
  }
  static void upsert(Shim& shim, int id, const std::string& v) {
    Transaction transaction = shim.begin();
    transaction.upsert("t", {{"id", std::int64_t{id}}, {"v", v}});
    transaction.commit();
  }
  // An open source is closed, as a cutover does it; or the other way round.
  bool exchange(bool open) const {
    const Url url = trial.source.url();
    const auto source = adapter_for(url.engine()).open_source(url, {});
    const SideTable table(name(), "");
    const auto row = table.read(source->session());
    SideRow wanted = *row;
    wanted.open = open;
    wanted.epoch += 1;
    return table.exchange(source->session(), *row, wanted);
  }

  MigrationCase trial;
};

}  // namespace migrator::test
