#include "migrator/engine/planner.h"

#include <algorithm>
#include <set>

#include <fmt/format.h>

#include "migrator/copy/transcoder.h"
#include "migrator/engine/live_changes.h"
#include "migrator/engine/preflight.h"

namespace migrator {
namespace {

// Rows a second that a modest pair of servers takes in, for the estimate only; `migrate backfill`
// shows what it really is.
constexpr std::uint64_t kRowsPerSecondLow = 30'000, kRowsPerSecondHigh = 150'000;

std::string default_name(const Url& source, const Url& target) {
  const auto word = [](const Url& url) {
    std::string text = url.database();
    if (url.engine() == Engine::sqlite) {
      text = text.substr(text.find_last_of('/') + 1);
      text = text.substr(0, text.find('.'));
    }
    std::string out;
    for (const char c : text) {
      const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
      out += plain ? c : '-';
    }
    return out.empty() ? std::string("db") : out.substr(0, 24);
  };
  const char* const to[] = {"postgres", "mysql", "sqlite"};
  return word(source) + "-to-" + to[static_cast<int>(target.engine())];
}

class Drafter {
 public:
  Drafter(const Endpoints& endpoints, const PlannerOptions& options, Interrupt& interrupt)
      : endpoints_(endpoints),
        options_(options),
        interrupt_(interrupt),
        source_(open_source(endpoints, interrupt)),
        target_(open_target(endpoints, interrupt)) {
    draft_.plan.source_url = endpoints.source_url.text();
    draft_.plan.target_url = endpoints.target_url.text();
    draft_.plan.name = options.name.empty()
                           ? default_name(endpoints.source_url, endpoints.target_url)
                           : options.name;
  }

  Draft run() {
    draft_.source_product = source_.session().server().product;
    draft_.target_product = target_.session().server().product;
    source_catalog_ = source_.session().catalog();
    target_catalog_ = target_.session().catalog();
    choose_tables();
    for (TablePlan& table : draft_.plan.tables) {
      interrupt_.check();
      settle_booleans(table);
    }
    draft_.plan.capture = options_.capture;
    draft_.plan.inline_writes = options_.inline_writes;
    const Routes routes = resolve();
    // settle_booleans() has noted some before.
    draft_.findings.insert(draft_.findings.end(), routes.findings.begin(), routes.findings.end());
    for (const std::string& left : source_catalog_.not_carried) {
      draft_.findings.push_back({Severity::note, "", left + " is not carried to the target", ""});
    }
    const std::vector<Finding> more =
        preflight(draft_.plan, routes.tables, *source_, *target_, nullptr, {});
    draft_.findings.insert(draft_.findings.end(), more.begin(), more.end());
    check_capture(routes.tables);
    for (const TableRoute& route : routes.tables) estimate(route);
    return std::move(draft_);
  }

 private:
  Routes resolve() const {
    return resolve_routes(draft_.plan, source_catalog_, target_catalog_,
                          source_.session().dialect(), target_.session().dialect());
  }

  void check_capture(const std::vector<TableRoute>& routes) {
    if (!LiveChanges::wanted(draft_.plan)) return;
    const ChunkFence fence(draft_.plan.name);
    const LiveChanges live(draft_.plan, endpoints_, fence, source_.session().server().schema,
                           interrupt_);
    for (Finding& finding : live.look(routes, source_.session()).findings) {
      if (finding.severity == Severity::error) {
        finding.remedy += "; or plan with --capture none, and stop the writers during the copy";
      }
      draft_.findings.push_back(std::move(finding));
    }
  }

  void choose_tables() {
    std::vector<std::string> names;
    for (const TableSchema& table : source_catalog_.tables) names.push_back(table.name.name);
    for (const auto& list : {options_.only, options_.without}) {
      for (const std::string& name : list) {
        if (std::find(names.begin(), names.end(), name) != names.end()) continue;
        const std::string near = nearest(name, names);
        throw Error(ErrorKind::usage, fmt::format("the source has no table `{}`", name))
            .remedy(near.empty() ? "check the name" : fmt::format("did you mean `{}`?", near));
      }
    }
    const auto listed = [](const std::vector<std::string>& list, const std::string& name) {
      return std::find(list.begin(), list.end(), name) != list.end();
    };
    for (const std::string& name : names) {
      if (!options_.only.empty() && !listed(options_.only, name)) continue;
      if (listed(options_.without, name)) continue;
      TablePlan table;
      table.name = name;
      draft_.plan.tables.push_back(std::move(table));
    }
    if (draft_.plan.tables.empty()) {
      throw Error(ErrorKind::usage, "the source has no tables to migrate")
          .remedy("check the database's name in the URL, and the rights of its user");
    }
  }

  // A column that is called boolean and holds other numbers (MySQL's tinyint(1)) becomes a small
  // integer.
  void settle_booleans(TablePlan& plan) {
    const TableSchema* table = nullptr;
    for (const TableSchema& candidate : source_catalog_.tables) {
      if (candidate.name.name == plan.name) table = &candidate;
    }
    const Dialect& from = source_.session().dialect();
    const Dialect& to = target_.session().dialect();
    if (!table || from.engine() == to.engine()) return;
    for (const Column& column : table->columns) {
      if (column.type.kind != TypeKind::boolean || column.generated) continue;
      const std::string name = from.quote(column.name);
      const Result found = source_.session().query(fmt::format(
          "SELECT COUNT(*) FROM (SELECT {0} FROM {1} WHERE {0} IS NOT NULL{2}) s WHERE {0} "
          "NOT IN (FALSE, TRUE)",
          name, from.quote(table->name),
          options_.scan_rows == UINT64_MAX
              ? ""
              : fmt::format(" LIMIT {}", std::max<std::uint64_t>(options_.scan_rows, 1))));
      const std::int64_t others = as_integer(found.rows.at(0).at(0));
      if (others == 0) continue;
      Column integer = column;
      integer.type = {};
      integer.type.kind = TypeKind::int16;
      integer.default_sql.reset();
      plan.columns[column.name].type = to.map_column(integer, from.engine()).column.native_type;
      draft_.findings.push_back(
          {Severity::note, plan.name,
           fmt::format(
               "column `{}` holds {} values other than 0 and 1: it becomes {}, not a boolean",
               column.name, others, plan.columns[column.name].type),
           ""});
    }
  }

  void estimate(const TableRoute& route) {
    TableEstimate estimate{route.name, route.source.rows_estimate, route.source.bytes_estimate, 0};
    if (options_.scan_rows > 0) {
      try {
        estimate.rows_scanned = scan(route);
      } catch (const Error& error) {
        if (error.kind() != ErrorKind::data && error.kind() != ErrorKind::usage) throw;
        draft_.findings.push_back({Severity::error, route.name,
                                   std::string("a value would not arrive: ") + error.what(),
                                   error.remedy()});
      }
    }
    draft_.rows += estimate.rows;
    draft_.bytes += estimate.bytes;
    draft_.estimates.push_back(std::move(estimate));
  }

  // Encodes rows for the target without sending them.
  std::uint64_t scan(const TableRoute& route) {
    const std::vector<RowLayout> takes = target_->layouts(route.write);
    for (const RowLayout& layout : source_->layouts(route.read)) {
      if (std::find(takes.begin(), takes.end(), layout) == takes.end()) continue;
      if (!(layout == cells_layout())) return 0;  // passed through as it is: nothing can be lost
      break;
    }
    const Transcoder transcoder(route.read.columns, route.write.columns, route.name);
    KeyRange range;
    const bool has_key = !route.read.key.empty();
    if (has_key && options_.scan_rows != UINT64_MAX) {
      range.upper = source_->nth_key(route.read, {}, options_.scan_rows);
    }
    const auto stream = source_->read(route.read, range, cells_layout());
    const auto sink = target_->rehearse(route.write, cells_layout());
    RowBatch batch;
    std::uint64_t rows = 0;
    // Without a key they are the first ones that come.
    while ((has_key || rows < options_.scan_rows) && stream->next(batch)) {
      interrupt_.check();
      transcoder.apply(batch);
      sink->write(batch);
      rows += batch.rows();
    }
    return rows;
  }

  const Endpoints& endpoints_;
  const PlannerOptions& options_;
  Interrupt& interrupt_;
  Opened<Source> source_;
  Opened<Target> target_;
  Catalog source_catalog_, target_catalog_;
  Draft draft_;
};

std::string human_bytes(std::uint64_t bytes) {
  const char* const units[] = {"B", "KiB", "MiB", "GiB", "TiB"};
  double value = static_cast<double>(bytes);
  int unit = 0;
  while (value >= 1024 && unit < 4) value /= 1024, ++unit;
  return unit == 0 ? fmt::format("{} B", bytes) : fmt::format("{:.1f} {}", value, units[unit]);
}

std::string human_seconds(std::uint64_t seconds) {
  if (seconds < 60) return fmt::format("{} s", std::max<std::uint64_t>(seconds, 1));
  if (seconds < 3600) return fmt::format("{} min", (seconds + 59) / 60);
  return fmt::format("{:.1f} h", static_cast<double>(seconds) / 3600);
}

}  // namespace

std::map<std::string, std::vector<std::string>> Draft::comments() const {
  std::map<std::string, std::vector<std::string>> out;
  for (const TableEstimate& estimate : estimates) {
    out[estimate.table].push_back(
        fmt::format("about {} rows, {}", estimate.rows, human_bytes(estimate.bytes)));
  }
  for (const Finding& finding : findings) {
    if (finding.table.empty() || finding.severity != Severity::error) continue;
    out[finding.table].push_back("ERROR: " + finding.text.substr(0, finding.text.find('\n')));
  }
  return out;
}

Draft draft_plan(const Url& source, const Url& target, const PlannerOptions& options,
                 Interrupt& interrupt) {
  const Endpoints endpoints{source, target, {}, {}};
  return Drafter(endpoints, options, interrupt).run();
}

std::string write_report(const Draft& draft, const std::string& plan_file) {
  std::string out = fmt::format("# Migration plan `{}`\n\n", draft.plan.name);
  out += fmt::format("From {} to {}. The plan is in `{}`.\n\n", draft.source_product,
                     draft.target_product, plan_file);
  out += fmt::format(
      "About {} rows in {} tables, {}. The copy may take from {} to {}; the target needs about {} "
      "of "
      "space, and as much again for its log.\n\n",
      draft.rows, draft.plan.tables.size(), human_bytes(draft.bytes),
      human_seconds(draft.rows / kRowsPerSecondHigh), human_seconds(draft.rows / kRowsPerSecondLow),
      human_bytes(draft.bytes + draft.bytes / 4));
  out += "| table | rows (estimate) | bytes (estimate) | rows whose values were scanned |\n";
  out += "| --- | ---: | ---: | ---: |\n";
  for (const TableEstimate& estimate : draft.estimates) {
    out += fmt::format("| {} | {} | {} | {} |\n", estimate.table, estimate.rows,
                       human_bytes(estimate.bytes), estimate.rows_scanned);
  }
  for (const Severity severity : {Severity::error, Severity::warning, Severity::note}) {
    const char* const titles[] = {"Notes", "Warnings", "Must be decided before it can run"};
    bool titled = false;
    for (const Finding& finding : draft.findings) {
      if (finding.severity != severity) continue;
      if (!titled) out += fmt::format("\n## {}\n\n", titles[static_cast<int>(severity)]);
      titled = true;
      out += fmt::format("- {}{}{}\n",
                         finding.table.empty() ? "" : "`" + finding.table + "`: ", finding.text,
                         finding.remedy.empty() ? "" : "\n  - " + finding.remedy);
    }
  }
  out += "\n## Next\n\n```\n";
  out +=
      fmt::format("migrate check {0}\nmigrate backfill {0}\nmigrate verify {0}\n```\n", plan_file);
  out += LiveChanges::wanted(draft.plan)
             ? "\nThe application may go on writing to the source: changes are captured and "
               "relayed.\nWhen both sides are equal, stop the writers, run `migrate finish`, "
               "and point the application at the target.\n"
             : "\nWrites to the source are not followed (`capture: none`): stop the writers before "
               "the backfill.\n";
  return out;
}

}  // namespace migrator
