#include "migrator/engine/migration_run.h"

#include <algorithm>
#include <array>
#include <filesystem>
#include <future>
#include <map>
#include <random>
#include <set>

#include <fmt/format.h>

#include "migrator/copy/backoff.h"
#include "migrator/engine/migration_sides.h"
#include "migrator/engine/preflight.h"
#include "migrator/engine/steering.h"
#include "migrator/engine/target_schema.h"

namespace migrator {
namespace {

std::string random_id() {
  std::random_device device;
  std::string id;
  for (int word = 0; word < 4; ++word) id += fmt::format("{:08x}", device());
  return id;
}

// The schemas that the plan's names mention, the session's own first.
std::set<std::string> schemas_of(const Plan& plan, bool target) {
  std::set<std::string> schemas{""};
  for (const TablePlan& table : plan.tables) {
    const std::string& name = target && !table.to.empty() ? table.to : table.name;
    if (target && table.to.empty()) continue;
    const std::size_t dot = name.find('.');
    if (dot != std::string::npos) schemas.insert(name.substr(0, dot));
  }
  return schemas;
}

Catalog read_catalogs(Session& session, const std::set<std::string>& schemas) {
  Catalog catalog = session.catalog();
  for (const std::string& schema : schemas) {
    if (schema.empty()) continue;
    // A dot may just as well be part of a table's name.
    const bool is_name = std::any_of(
        catalog.tables.begin(), catalog.tables.end(),
        [&](const TableSchema& table) { return table.name.name.starts_with(schema + "."); });
    if (is_name) continue;
    Catalog more = session.catalog(schema);
    for (TableSchema& table : more.tables) {
      if (table.name.schema.empty()) table.name.schema = schema;
      catalog.tables.push_back(std::move(table));
    }
  }
  return catalog;
}

void throw_on_errors(const std::vector<Finding>& findings, ErrorKind kind) {
  if (!has_errors(findings)) return;
  std::string text, remedy;
  int count = 0;
  for (const Finding& finding : findings) {
    if (finding.severity != Severity::error) continue;
    if (++count > 10) continue;
    text += fmt::format("{}{}{}{}", text.empty() ? "" : "\n  ", finding.table,
                        finding.table.empty() ? "" : ": ", finding.text);
    if (!finding.remedy.empty()) text += fmt::format("\n    to do: {}", finding.remedy);
  }
  if (count > 10) text += fmt::format("\n  and {} more", count - 10);
  throw Error(kind, text).remedy("`migrate check PLAN` shows everything that was found");
}

}  // namespace

Endpoints endpoints_of(const Plan& plan) {
  return {Url::parse(plan.source_url), Url::parse(plan.target_url), {}, {}};
}

Surroundings look_around(const Plan& plan, Session& source, Session& target) {
  // Both at once: either takes a tenth of a second or, over a slow line, some.
  std::future<Catalog> there =
      std::async(std::launch::async, [&] { return read_catalogs(target, schemas_of(plan, true)); });
  Catalog here = read_catalogs(source, schemas_of(plan, false));
  return {std::move(here), there.get()};
}

void refuse_changed_plan(const Plan& plan, CheckpointStore& store) {
  const auto known = store.migration();
  if (!known || known->plan_fingerprint == fingerprint(plan)) return;
  std::string difference;
  for (const std::string& line : meaning_difference(known->plan_meaning, meaning(plan))) {
    difference += "\n  " + line;
  }
  throw Error(ErrorKind::gate, "the plan has changed since this migration was begun:" + difference)
      .remedy(
          "take the change back; or begin a new migration with another name, checkpoint and empty "
          "target tables");
}

MigrationRun::MigrationRun(Plan plan, Interrupt& interrupt, std::string command)
    : plan_(std::move(plan)),
      endpoints_(endpoints_of(plan_)),
      interrupt_(interrupt),
      command_(std::move(command)),
      fence_(plan_.name) {}

MigrationRun::~MigrationRun() = default;

CheckpointStore& MigrationRun::store() {
  if (!store_) store_ = open_store(plan_.checkpoint, command_);
  return *store_;
}

MigrationRun::Sides& MigrationRun::sides() {
  if (!sides_) {
    auto opened = std::make_unique<Sides>();
    opened->source = open_source(endpoints_, interrupt_);
    opened->target = open_target(endpoints_, interrupt_);
    sides_ = std::move(opened);
    if (LiveChanges::wanted(plan_)) {
      live_.emplace(plan_, endpoints_, fence_, sides_->source.session().server().schema,
                    interrupt_);
    }
  }
  return *sides_;
}

void MigrationRun::renew_sides() {
  const auto alive = [](Session& session) {
    try {
      session.query("SELECT 1");
      return true;
    } catch (const Error&) {
      return false;
    }
  };
  Backoff backoff({}, interrupt_);
  while (true) {
    try {
      if (!sides_->source || !alive(sides_->source.session())) {
        sides_->source.close();
        sides_->source = open_source(endpoints_, interrupt_);
      }
      if (!sides_->target || !alive(sides_->target.session())) {
        sides_->target.close();
        sides_->target = open_target(endpoints_, interrupt_);
      }
      return;
    } catch (const Error& error) {
      if (!backoff.again(error)) throw;
    }
  }
}

MigrationRun::CheckReport MigrationRun::check(const StartOptions& options) {
  CheckReport report;
  Sides& both = sides();
  const Surroundings around = look_around(plan_, both.source.session(), both.target.session());
  Routes routes = resolve_routes(plan_, around.source, around.target,
                                 both.source.session().dialect(), both.target.session().dialect());
  report.findings = routes.findings;
  std::unique_ptr<CheckpointStore> existing;
  const auto refused = [&](const Error& error) {
    report.findings.push_back({Severity::error, "", error.what(), error.remedy()});
  };
  if (std::filesystem::exists(plan_.checkpoint)) {
    try {
      existing = open_store_for_reading(plan_.checkpoint);
      refuse_changed_plan(plan_, *existing);
    } catch (const Error& error) {
      refused(error);
    }
    if (const auto owner = store_owner(plan_.checkpoint)) {
      report.findings.push_back({Severity::warning, "",
                                 fmt::format("pid {} on {} runs this plan now: `{}`", owner->pid,
                                             owner->host, owner->command),
                                 "wait for it to end, or stop it"});
    }
  }
  const std::vector<Finding> more =
      preflight(plan_, routes.tables, *both.source, *both.target, existing.get(),
                {.allow_existing = options.allow_existing});
  report.findings.insert(report.findings.end(), more.begin(), more.end());
  for (const std::string& left : around.source.not_carried) {
    report.findings.push_back({Severity::note, "", left + " is not carried to the target", ""});
  }
  report.statements = TargetSchema(both.target.session()).missing_tables(routes.tables);
  if (live_) {
    LiveChanges::Prospect prospect = live_->look(routes.tables, both.source.session());
    std::move(prospect.findings.begin(), prospect.findings.end(),
              std::back_inserter(report.findings));
    std::move(prospect.statements.begin(), prospect.statements.end(),
              std::back_inserter(report.statements));
  } else {
    report.findings.push_back(
        {Severity::warning, "", "writes to the source are not followed (`capture: none`)",
         "stop the writers from the beginning of the backfill until the target has taken over; or "
         "write `capture: trigger`"});
  }
  return report;
}

std::vector<Finding> MigrationRun::resolve(const StartOptions& options, bool reads_only) {
  Sides& both = sides();
  const Surroundings around = look_around(plan_, both.source.session(), both.target.session());
  Routes routes = resolve_routes(plan_, around.source, around.target,
                                 both.source.session().dialect(), both.target.session().dialect());
  throw_on_errors(routes.findings, ErrorKind::usage);
  both.routes = std::move(routes.tables);
  const std::vector<Finding> more =
      preflight(plan_, both.routes, *both.source, *both.target, store_.get(),
                {.allow_existing = options.allow_existing, .reads_only = reads_only});
  throw_on_errors(more, ErrorKind::gate);
  routes.findings.insert(routes.findings.end(), more.begin(), more.end());
  if (live_ && !reads_only) {
    const std::vector<Finding> gaps = live_->look(both.routes, both.source.session()).findings;
    throw_on_errors(gaps, ErrorKind::gate);
    routes.findings.insert(routes.findings.end(), gaps.begin(), gaps.end());
  }
  return routes.findings;
}

void MigrationRun::adopt_target(const StartOptions& options, StartReport& report) {
  Session& target = sides().target.session();
  const auto known = store().migration();
  if (options.forget_target) {
    if (known) {
      throw Error(ErrorKind::gate,
                  "the checkpoint store of this migration is there: the target is not "
                  "forgotten")
          .remedy(
              "run `migrate backfill PLAN`: it goes on; or, to begin anew, empty the target "
              "tables, "
              "move " +
              plan_.checkpoint + " away and say --forget-target again");
    }
    fence_.install(target);
    fence_.remove(target);
  }
  fence_.install(target);
  if (!known) {
    const std::string id = random_id();
    if (fence_.owner_id(target)) fence_.adopt(target, id);  // throws: it is another's
    store().begin_migration({id, plan_.name, fingerprint(plan_), meaning(plan_)});
    fence_.adopt(target, id);
    return;
  }
  report.resumed = true;
  std::uint64_t chunks_done = 0;
  for (const TableProgress& table : store().tables()) chunks_done += table.chunks_done;
  if (!fence_.owner_id(target) && chunks_done > 0) {
    throw Error(
        ErrorKind::gate,
        fmt::format("the checkpoint store has {} chunks done, but the target knows nothing of "
                    "this migration: it was emptied, restored, or is another database",
                    chunks_done))
        .remedy("give the plan its target back; or empty the target tables, move " +
                plan_.checkpoint + " away and begin anew");
  }
  fence_.adopt(target, known->id);
  refuse_lost_rows();
}

void MigrationRun::refuse_lost_rows() {
  Session& target = sides().target.session();
  const std::string remedy = "give the target its rows back; or empty the target tables, move " +
                             plan_.checkpoint +
                             " away, run `migrate start PLAN --forget-target`, and begin anew";
  std::map<std::string, ChunkFence::Done> done = fence_.done(target);
  for (const TableProgress& table : store().tables()) {
    if (table.chunks_done <= done[table.table].chunks) continue;
    throw Error(
        ErrorKind::gate,
        fmt::format("{}: the checkpoint store has {} chunks done, the target only {}: was the "
                    "target restored from an older copy?",
                    table.table, table.chunks_done, done[table.table].chunks))
        .table(table.table)
        .remedy(remedy);
  }
  for (const TableRoute& route : sides().routes) {
    const std::uint64_t rows = done[route.name].rows;
    if (rows == 0) continue;
    const std::string table = target.dialect().quote(route.write.table);
    // Where changes are followed the application may have deleted every row.
    if (route.target_exists &&
        (live_ || !target.query(fmt::format("SELECT 1 FROM {} LIMIT 1", table)).empty())) {
      continue;
    }
    throw Error(ErrorKind::gate,
                fmt::format("{}: {} rows were copied, but the target table {}", route.name, rows,
                            route.target_exists ? "is empty" : "is gone"))
        .table(route.name)
        .remedy(remedy);
  }
}

StartReport MigrationRun::start(const StartOptions& options) {
  StartReport report;
  CheckpointStore& checkpoint = store();
  refuse_changed_plan(plan_, checkpoint);
  if (checkpoint.step_done(kFinished) || checkpoint.step_done("capture_removed")) {
    throw Error(ErrorKind::gate, "this migration is finished: changes are no longer captured")
        .remedy("`migrate finish PLAN` ends what is left of it; for another copy write a new plan");
  }
  report.findings = resolve(options);
  Sides& both = sides();
  adopt_target(options, report);
  TargetSchema schema(both.target.session());
  report.tables_created = schema.create_tables(both.routes);
  if (live_) {
    report.captured =
        live_->install(both.routes, checkpoint, both.target.session(), options.recapture);
  }
  if (!report.tables_created.empty() || !report.captured.empty()) {
    // The target's own spelling of the new tables' types decides how rows are written, and what the
    // source's tables are like now is what they have to stay like.
    const Surroundings around = look_around(plan_, both.source.session(), both.target.session());
    Routes routes =
        resolve_routes(plan_, around.source, around.target, both.source.session().dialect(),
                       both.target.session().dialect());
    throw_on_errors(routes.findings, ErrorKind::invariant);
    both.routes = std::move(routes.tables);
  }
  for (const TableRoute& route : both.routes) {
    checkpoint.put_table(route.name, route.source.rows_estimate, route.source.bytes_estimate);
  }
  checkpoint.add_event({Clock::now(), "started", "", command_});
  return report;
}

void MigrationRun::take_back_settings(const std::vector<std::string>& given) const {
  std::map<std::string, std::string> taken_back;
  for (const std::string& name : given) taken_back[name] = "";
  if (!taken_back.empty()) change_control(plan_.checkpoint, std::nullopt, taken_back);
}

void MigrationRun::require_started() {
  if (store().migration()) return;
  throw Error(ErrorKind::gate, "this migration was not begun yet")
      .remedy("run `migrate start PLAN` first");
}

}  // namespace migrator
