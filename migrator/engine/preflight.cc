#include "migrator/engine/preflight.h"

#include <algorithm>
#include <map>
#include <set>

#include <fmt/format.h>

#include "migrator/copy/transcoder.h"
#include "migrator/engine/live_changes.h"

namespace migrator {
namespace {

class Preflight {
 public:
  Preflight(const Plan& plan, const std::vector<TableRoute>& routes, Source& source, Target& target,
            CheckpointStore* store, const PreflightOptions& options)
      : plan_(plan),
        routes_(routes),
        source_(source),
        target_(target),
        store_(store),
        options_(options) {
    if (!store) return;
    for (const TableProgress& progress : store->tables()) progress_[progress.table] = progress;
  }

  std::vector<Finding> run() {
    if (!options_.reads_only && target_.session().server().read_only) {
      add(Severity::error, "", "the target is read-only (a replica, or set so)",
          "give the plan the URL of the primary, or make the target writable");
    }
    // The relay's snapshots and a backfill's chunks are reads of some length.
    if (LiveChanges::wanted(plan_) && source_.session().server().reads_block_writes) {
      add(Severity::warning, "",
          "the source is in a rollback-journal mode: whoever writes to it waits for every read",
          "run PRAGMA journal_mode = WAL on it, once: readers and the writer then do not meet");
    }
    for (const TableRoute& route : routes_) {
      try {
        check(route);
      } catch (const Error& error) {
        if (error.scope() == ErrorScope::session || error.kind() == ErrorKind::cancelled) throw;
        target_.session().rollback();
        add(Severity::error, route.name, error.what(), error.remedy());
      }
    }
    if (!options_.reads_only) check_foreign_keys();
    return std::move(findings_);
  }

 private:
  void add(Severity severity, const std::string& table, std::string text, std::string remedy) {
    findings_.push_back({severity, table, std::move(text), std::move(remedy)});
  }

  void check(const TableRoute& route) {
    check_identity(route);
    check_types(route);
    if (!check_readable(route)) return;
    check_key(route);
    if (LiveChanges::wanted(plan_)) check_spellings(route);
    if (route.target_exists && !options_.reads_only) {
      check_writable(route);
      check_transactional(route);
      check_triggers(route);
      check_empty(route);
    }
  }

  TableState state_of(const TableRoute& route) const {
    const auto known = progress_.find(route.name);
    return known == progress_.end() ? TableState::pending : known->second.state;
  }

  void check_identity(const TableRoute& route) {
    if (plan_.source_url == plan_.target_url && route.read.table == route.write.table) {
      add(Severity::error, route.name, "source and target are the same table",
          "give the target another URL, or the table another name with `to:`");
    }
  }

  bool check_readable(const TableRoute& route) {
    const Dialect& dialect = source_.session().dialect();
    std::string columns;
    for (const Column& column : route.read.columns) {
      columns += (columns.empty() ? "" : ", ") + dialect.quote(column.name);
    }
    std::string sql = fmt::format("SELECT {} FROM {}", columns, dialect.quote(route.read.table));
    if (!route.read.where.empty()) sql += " WHERE (" + route.read.where + "\n)";
    try {
      source_.session().execute(sql + " LIMIT 0");
      return true;
    } catch (const Error& error) {
      if (error.scope() == ErrorScope::session) throw;
      add(Severity::error, route.name, std::string("the source cannot be read: ") + error.what(),
          route.read.where.empty()
              ? error.remedy()
              : "check the plan's `where` for this table: it is SQL of the source");
      return false;
    }
  }

  void check_types(const TableRoute& route) {
    for (std::size_t at = 0; at < route.read.columns.size(); ++at) {
      const Column &from = route.read.columns[at], &to = route.write.columns[at];
      const bool wire =
          source_.session().dialect().engine() == target_.session().dialect().engine() &&
          from.native_type == to.native_type;
      const std::string why = wire ? "" : Transcoder::refusal(from, to);
      if (why.empty()) continue;
      add(Severity::error, route.name,
          fmt::format("column `{}` ({}) cannot go to `{}` ({}): {}", from.name, from.native_type,
                      to.name, to.native_type, why),
          "change the column's type on the target, or drop it with `columns:`");
    }
  }

  void check_key(const TableRoute& route) {
    if (route.read.key.empty()) {
      const auto known = progress_.find(route.name);
      if (known != progress_.end() && (known->second.frontier || known->second.chunks_cut > 1)) {
        add(Severity::error, route.name,
            "the source's table had a key when its copy began, and has none now",
            "give it its key back: what was copied so far goes by it");
      }
      return;
    }
    const bool nullable = std::any_of(route.read.key.begin(), route.read.key.end(),
                                      [](const Column& column) { return column.nullable; });
    if (nullable) {
      if (const std::uint64_t rows = source_.null_keys(route.read)) {
        add(Severity::error, route.name,
            fmt::format("{} rows have NULL in their key, and no range of keys holds them", rows),
            "give these rows a key, or name another one with `key:`");
      }
    }
    const AccessPath path = source_.explain(route.read);
    if (!path.by_index) {
      add(Severity::warning, route.name,
          "the source does not walk this key by an index: " + path.description,
          "each chunk may read the whole table; run ANALYZE on the source, or name another key");
    }
  }

  // With the relay beside it a copy cannot tell a row that is there from one that only counts as
  // the same.
  void check_spellings(const TableRoute& route) {
    const Dialect &from = source_.session().dialect(), &to = target_.session().dialect();
    for (std::size_t at = 0; at < route.read.key.size(); ++at) {
      const Column &source = route.read.key[at], &target = route.write.key[at];
      const Looseness loose = to.looseness(target);
      if (loose == Looseness::none || loose <= from.looseness(source)) continue;
      const bool spaces = loose == Looseness::trailing_spaces;
      add(spaces ? Severity::warning : Severity::error, route.name,
          fmt::format(
              "key column `{}` of the target takes texts for one that the source tells apart: "
              "those that differ {}",
              target.name, spaces ? "in spaces at their end" : "in case or accents, say"),
          spaces
              ? "where the source has such keys, `migrate verify` shows which row is missing"
              : "give it a binary collation (utf8mb4_bin, BINARY, text in place of citext), or let "
                "migrate make the table");
    }
  }

  void check_writable(const TableRoute& route) {
    if (std::any_of(route.write.columns.begin(), route.write.columns.end(),
                    [](const Column& column) { return column.identity_always; })) {
      return;
    }
    const Dialect& dialect = target_.session().dialect();
    std::string columns;
    for (const Column& column : route.write.columns) {
      columns += (columns.empty() ? "" : ", ") + dialect.quote(column.name);
    }
    const std::string table = dialect.quote(route.write.table);
    target_.session().begin();
    target_.session().execute(
        fmt::format("INSERT INTO {0} ({1}) SELECT {1} FROM {0} WHERE 1 = 0", table, columns));
    target_.session().rollback();
  }

  // A chunk's rows and its fence have to be there together, or not at all.
  void check_transactional(const TableRoute& route) {
    if (target_.session().dialect().transactional(route.target)) return;
    add(Severity::error, route.name,
        fmt::format("the target table is of engine {}, which keeps the rows of a transaction that "
                    "was rolled back",
                    route.target.storage_engine),
        "ALTER TABLE ... ENGINE=InnoDB on the target, or let migrate make the table");
  }

  // A trigger may change the rows that are loaded, throw them away, or do a second time what the
  // source's has done already.
  void check_triggers(const TableRoute& route) {
    const bool relayed = plan_.capture != "none";
    if (!target_.session().dialect().fires_triggers() ||
        (state_of(route) >= TableState::copied && !relayed)) {
      return;
    }
    for (const Trigger& trigger : route.target.triggers) {
      if (!trigger.fires || trigger.name.starts_with(kOwnPrefix) ||
          (trigger.description.find("INSERT") == std::string::npos && !relayed))
        continue;
      add(Severity::error, route.name,
          fmt::format("trigger {} ({}) of the target table would run for every row that is {}",
                      trigger.name, trigger.description, relayed ? "copied or relayed" : "copied"),
          fmt::format("drop or disable it until the {} is done",
                      relayed ? "migration" : "backfill"));
    }
  }

  void check_empty(const TableRoute& route) {
    const bool keyless = route.read.key.empty();  // what is there already could not be told
    if (state_of(route) != TableState::pending || (options_.allow_existing && !keyless)) return;
    // The relay brings in rows ahead of the copy.
    if (store_ && store_->step_done(LiveChanges::step_of(route))) return;
    const std::string table = target_.session().dialect().quote(route.write.table);
    if (target_.session().query(fmt::format("SELECT 1 FROM {} LIMIT 1", table)).empty()) return;
    if (keyless) {
      add(Severity::error, route.name,
          "the target table already holds rows, and has no key by which to tell them from those "
          "that are to come",
          "empty it");
      return;
    }
    add(Severity::error, route.name, "the target table already holds rows",
        "empty it, or say --allow-existing: rows whose key is there are then left as they are, and "
        "`migrate verify` shows where they differ");
  }

  // Where the target enforces foreign keys at once, parents are copied before their children; that
  // leaves tables that refer to themselves, and circles.
  void check_foreign_keys() {
    if (!target_.session().dialect().enforces_foreign_keys()) return;
    std::map<std::string, std::set<std::string>> parents;
    for (const TableRoute& route : routes_) {
      // Once its rows are in, its keys are the ones that were made after them.
      if (!route.target_exists || state_of(route) >= TableState::copied) continue;
      for (const ForeignKey& key : route.target.foreign_keys) {
        parents[route.write.table.name].insert(key.referenced_table.name);
        if (key.referenced_table.name != route.write.table.name) continue;
        add(Severity::error, route.name,
            fmt::format(
                "foreign key {} of the target refers to its own table, and rows come in the "
                "order of their key",
                key.name),
            "drop it on the target; where the source has it, it is made again after the rows");
      }
    }
    for (const TableRoute& route : routes_) {
      if (in_circle(route.write.table.name, parents)) {
        add(Severity::error, route.name,
            "the target's foreign keys go in a circle through this table",
            "drop one of them on the target; where the source has it, it is made again after the "
            "rows");
      }
    }
  }

  static bool in_circle(const std::string& start,
                        const std::map<std::string, std::set<std::string>>& parents) {
    std::set<std::string> seen;
    std::vector<std::string> open{start};
    while (!open.empty()) {
      const std::string table = std::move(open.back());
      open.pop_back();
      const auto found = parents.find(table);
      if (found == parents.end()) continue;
      for (const std::string& parent : found->second) {
        if (parent == table) continue;
        if (parent == start) return true;
        if (seen.insert(parent).second) open.push_back(parent);
      }
    }
    return false;
  }

  const Plan& plan_;
  const std::vector<TableRoute>& routes_;
  Source& source_;
  Target& target_;
  CheckpointStore* const store_;
  const PreflightOptions options_;
  std::map<std::string, TableProgress> progress_;
  std::vector<Finding> findings_;
};

}  // namespace

std::vector<Finding> preflight(const Plan& plan, const std::vector<TableRoute>& routes,
                               Source& source, Target& target, CheckpointStore* store,
                               const PreflightOptions& options) {
  return Preflight(plan, routes, source, target, store, options).run();
}

}  // namespace migrator
