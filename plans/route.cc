#include "plans/route.h"

#include <algorithm>
#include <map>
#include <numeric>
#include <set>

#include <fmt/format.h>

namespace migrator {
namespace {

// Everything about one resolution, so that its steps need not pass it round.
class Resolver {
 public:
  Resolver(const Plan& plan, const Catalog& source, const Catalog& target,
           const Dialect& source_dialect, const Dialect& target_dialect)
      : plan_(plan),
        source_(source),
        target_(target),
        from_(source_dialect),
        to_(target_dialect),
        same_engine_(source_dialect.engine() == target_dialect.engine()) {}

  Routes run() {
    for (const TablePlan& table : plan_.tables) {
      const TableSchema* schema = lookup(source_, parse_table_name(table.name, source_));
      if (schema) planned_[schema->name] = &table;
    }
    for (const TablePlan& table : plan_.tables) resolve(table);
    return std::move(routes_);
  }

 private:
  // A schema that is not given means the session's own, however the catalog spells that.
  static const TableSchema* lookup(const Catalog& catalog, const TableName& name) {
    for (const TableSchema& table : catalog.tables) {
      if (table.name.name == name.name &&
          (name.schema.empty() || table.name.schema == name.schema)) {
        return &table;
      }
    }
    return nullptr;
  }

  void find(Severity severity, const std::string& table, std::string text,
            std::string remedy = "") {
    routes_.findings.push_back({severity, table, std::move(text), std::move(remedy)});
  }

  void resolve(const TablePlan& plan) {
    const std::size_t errors_before = errors();
    const TableSchema* source = lookup(source_, parse_table_name(plan.name, source_));
    if (!source) {
      std::vector<std::string> names;
      for (const TableSchema& table : source_.tables) names.push_back(table.name.name);
      const std::string near = nearest(plan.name, names);
      find(Severity::error, plan.name, "the source has no such table",
           near.empty() ? "correct the name in the plan, or take the table out"
                        : fmt::format("did you mean `{}`?", near));
      return;
    }
    TableRoute route;
    route.name = plan.name;
    route.source = *source;
    route.read.table = source->name;
    route.read.where = plan.where;
    route.wanted.name =
        plan.to.empty() ? TableName{"", source->name.name} : parse_table_name(plan.to, target_);
    route.wanted.rows_estimate = source->rows_estimate;
    route.wanted.bytes_estimate = source->bytes_estimate;
    if (same_engine_) {
      route.wanted.without_rowid = source->without_rowid;
      route.wanted.strict = source->strict;
      route.wanted.storage_engine = source->storage_engine;
    }
    map_columns(plan, route);
    choose_key(plan, route);
    map_constraints(plan, route);
    bind_target(route);
    for (const std::string& left : source->not_carried) {
      find(Severity::warning, plan.name, left + " is not carried to the target",
           "make it on the target by hand if it is needed there");
    }
    for (const Trigger& trigger : source->triggers) {
      if (trigger.name.starts_with(kOwnPrefix)) continue;
      find(Severity::warning, plan.name,
           fmt::format("trigger {} ({}) is not carried to the target", trigger.name,
                       trigger.description),
           "make it on the target after the backfill, or its effects will be doubled");
    }
    // However the plan spells the two names: rows of one table must never count as present for the
    // other.
    if (!written_.insert(route.write.table.name).second) {
      find(Severity::error, plan.name,
           fmt::format("another table of the plan goes to the target table {}, too",
                       route.write.table.text()),
           "give one of them another name on the target with `to:`");
    }
    if (errors() == errors_before) routes_.tables.push_back(std::move(route));
  }

  std::size_t errors() const {
    return static_cast<std::size_t>(
        std::count_if(routes_.findings.begin(), routes_.findings.end(),
                      [](const Finding& finding) { return finding.severity == Severity::error; }));
  }

  void map_columns(const TablePlan& plan, TableRoute& route) {
    for (const auto& [column, unused] : plan.columns) {
      if (route.source.find_column(column)) continue;
      std::vector<std::string> names;
      for (const Column& existing : route.source.columns) names.push_back(existing.name);
      const std::string near = nearest(column, names);
      find(Severity::error, plan.name, fmt::format("the source table has no column `{}`", column),
           near.empty() ? "correct the plan's columns" : fmt::format("did you mean `{}`?", near));
    }
    for (const Column& column : route.source.columns) {
      const auto planned = plan.columns.find(column.name);
      const ColumnPlan column_plan = planned == plan.columns.end() ? ColumnPlan{} : planned->second;
      if (column_plan.drop) continue;
      map_column(plan, column, column_plan, route);
    }
    if (route.read.columns.empty()) {
      find(Severity::error, plan.name, "no column of it would be copied",
           "take it out of the plan");
    }
  }

  void map_column(const TablePlan& plan, const Column& column, const ColumnPlan& column_plan,
                  TableRoute& route) {
    MappedColumn mapped = to_.map_column(column, from_.engine());
    const std::string& target_name = column_plan.to.empty() ? column.name : column_plan.to;
    if (!column_plan.type.empty()) {
      try {
        const Column typed = to_.column_of_type(target_name, column_plan.type);
        mapped.column.native_type = typed.native_type;
        mapped.column.type = typed.type;
        if (typed.native_type != column.native_type) mapped.column.collation.clear();
        mapped.refused.clear();
      } catch (const Error& error) {
        find(Severity::error, plan.name, fmt::format("column `{}`: {}", column.name, error.what()),
             error.remedy());
        return;
      }
    }
    if (!mapped.refused.empty()) {
      find(Severity::error, plan.name,
           fmt::format("column `{}` ({}): {}", column.name, column.native_type, mapped.refused),
           fmt::format(
               "drop it with `columns: {{{0}: null}}` or give it a type with `columns: {{{0}: "
               "{{type: ...}}}}`",
               column.name));
      return;
    }
    for (const std::string& note : mapped.notes) {
      find(Severity::note, plan.name, fmt::format("column `{}`: {}", column.name, note));
    }
    mapped.column.name = target_name;
    names_[plan.name][column.name] = target_name;
    route.wanted.columns.push_back(mapped.column);
    // Computed on both sides: not copied, but compared. Where the target makes it a plain column,
    // its values travel like any other's.
    if (column.generated && mapped.column.generated) {
      route.computed.emplace_back(column, mapped.column);
    } else {
      route.read.columns.push_back(column);
      route.write.columns.push_back(mapped.column);
    }
  }

  void choose_key(const TablePlan& plan, TableRoute& route) {
    std::vector<std::string> key = plan.key;
    if (key.empty()) key = route.source.primary_key;
    if (key.empty()) {
      for (const Index& index : route.source.indexes) {
        if (index.unique && index.plain && all_not_null(route.source, index.columns)) {
          key = index.columns;
          find(Severity::note, plan.name,
               fmt::format("no primary key: rows are walked by the unique index {}", index.name));
          break;
        }
      }
    }
    if (key.empty()) {
      no_key(plan);
      return;
    }
    if (!plan.key.empty() && !is_unique(route.source, key)) {
      find(Severity::error, plan.name,
           fmt::format(
               "the plan's key ({}) is not a primary key or plain unique index of the source",
               fmt::join(key, ", ")),
           "name the columns of a unique index, in its order");
      return;
    }
    for (const std::string& name : key) {
      const Column* column = route.source.find_column(name);
      const auto at = std::find_if(route.read.columns.begin(), route.read.columns.end(),
                                   [&](const Column& candidate) { return candidate.name == name; });
      if (!column || at == route.read.columns.end()) {
        find(Severity::error, plan.name, fmt::format("key column `{}` is not copied", name),
             "keep the columns of the key");
        return;
      }
      route.read.key.push_back(*column);
      route.write.key.push_back(
          route.write.columns[static_cast<std::size_t>(at - route.read.columns.begin())]);
    }
  }

  // Such a table is copied and compared as a whole. A change of it has no name for the journal.
  void no_key(const TablePlan& plan) {
    const std::string text =
        "it has no usable key: neither a primary key nor a unique index over NOT NULL columns";
    if (plan_.capture != "none") {
      find(Severity::error, plan.name, text + "; its changes cannot be followed",
           "add one to the source; or move the table in a plan of its own, with `capture: none`, "
           "while nobody writes to it");
      return;
    }
    find(Severity::warning, plan.name,
         text +
             ". It is copied in one transaction, which begins anew where it is interrupted, and "
             "compared by how often each row is there",
         "if that takes too long, add a key to the source");
  }

  static bool all_not_null(const TableSchema& table, const std::vector<std::string>& columns) {
    return std::all_of(columns.begin(), columns.end(), [&](const std::string& name) {
      const Column* column = table.find_column(name);
      return column && !column->nullable;
    });
  }

  static bool is_unique(const TableSchema& table, const std::vector<std::string>& key) {
    if (table.primary_key == key) return true;
    return std::any_of(table.indexes.begin(), table.indexes.end(), [&](const Index& index) {
      return index.unique && index.plain && index.columns == key;
    });
  }

  // The names on the target, or nothing if one of them does not travel.
  std::optional<std::vector<std::string>> renamed(const TablePlan& plan,
                                                  const std::vector<std::string>& columns) const {
    std::vector<std::string> out;
    const auto names = names_.find(plan.name);
    for (const std::string& column : columns) {
      if (names == names_.end() || !names->second.contains(column)) return std::nullopt;
      out.push_back(names->second.at(column));
    }
    return out;
  }

  void map_constraints(const TablePlan& plan, TableRoute& route) {
    TableSchema& wanted = route.wanted;
    if (const auto key = renamed(plan, route.source.primary_key)) wanted.primary_key = *key;
    if (wanted.primary_key.empty()) {
      // The chosen unique key takes its place: insert-if-absent needs a unique index on the target.
      for (const Column& column : route.write.key) wanted.primary_key.push_back(column.name);
    }
    // A primary key is never NULL on the target, whatever the source's declaration says (SQLite's
    // may be: preflight counts such rows and refuses them).
    for (const std::string& name : wanted.primary_key) {
      for (Column& column : wanted.columns) {
        if (column.name == name) column.nullable = false;
      }
      for (Column& column : route.write.columns) {
        if (column.name == name) column.nullable = false;
      }
    }
    for (const Index& index : route.source.indexes) map_index(plan, index, wanted);
    for (const ForeignKey& key : route.source.foreign_keys) map_foreign_key(plan, key, wanted);
    for (const Check& check : route.source.checks) {
      if (same_engine_ && plan.columns.empty()) {
        wanted.checks.push_back(check);
      } else {
        find(Severity::warning, plan.name,
             fmt::format("check {} is not carried to the target",
                         check.name.empty() ? "(" + check.sql + ")" : check.name),
             "make it on the target by hand, in its own SQL");
      }
    }
  }

  void map_index(const TablePlan& plan, const Index& index, TableSchema& wanted) {
    const auto columns = renamed(plan, index.columns);
    const bool verbatim = same_engine_ && plan.columns.empty() && plan.to.empty();
    if (!index.plain && !verbatim) {
      find(Severity::warning, plan.name,
           fmt::format(
               "index {} is partial, on an expression or of a special kind, and is not carried",
               index.name),
           "make it on the target by hand");
      return;
    }
    if (index.plain && !columns) {
      find(Severity::warning, plan.name,
           fmt::format("index {} is not carried: a column of it is dropped", index.name));
      return;
    }
    Index mapped = index;
    if (columns && index.plain) mapped.columns = *columns;
    if (!same_engine_) {
      mapped.definition.clear();
      mapped.method.clear();
    }
    wanted.indexes.push_back(std::move(mapped));
  }

  void map_foreign_key(const TablePlan& plan, const ForeignKey& key, TableSchema& wanted) {
    const TableSchema* parent = lookup(source_, key.referenced_table);
    const auto parent_plan = parent ? planned_.find(parent->name) : planned_.end();
    const auto columns = renamed(plan, key.columns);
    if (parent_plan == planned_.end() || !columns) {
      find(Severity::warning, plan.name,
           fmt::format("foreign key {} to {} is not carried: {}", key.name,
                       key.referenced_table.name,
                       columns ? "that table is not in the plan" : "a column of it is dropped"));
      return;
    }
    const TablePlan& other = *parent_plan->second;
    ForeignKey mapped = key;
    mapped.columns = *columns;
    mapped.referenced_table =
        other.to.empty() ? TableName{"", parent->name.name} : parse_table_name(other.to, target_);
    for (std::string& name : mapped.referenced_columns) {
      const auto renamed_column = other.columns.find(name);
      if (renamed_column == other.columns.end()) continue;
      if (renamed_column->second.drop) {
        find(Severity::warning, plan.name,
             fmt::format("foreign key {} is not carried: a column that it refers to is dropped",
                         key.name));
        return;
      }
      if (!renamed_column->second.to.empty()) name = renamed_column->second.to;
    }
    wanted.foreign_keys.push_back(std::move(mapped));
  }

  void bind_target(TableRoute& route) {
    const TableSchema* existing = lookup(target_, route.wanted.name);
    route.target_exists = existing != nullptr;
    route.target = existing ? *existing : route.wanted;
    route.write.table = existing ? existing->name : route.wanted.name;
    if (existing) {
      bind_columns(route, *existing);
      check_key(route, *existing);
    }
    route.same_types = same_engine_;
    for (std::size_t at = 0; at < route.read.columns.size(); ++at) {
      const Column &from = route.read.columns[at], &to = route.write.columns[at];
      route.same_types = route.same_types && from.native_type == to.native_type &&
                         from.charset == to.charset && from.type == to.type;
    }
  }

  void bind_columns(TableRoute& route, const TableSchema& existing) {
    const auto take = [&](Column& column) {
      const Column* there = existing.find_column(column.name);
      if (!there) {
        find(Severity::error, route.name,
             fmt::format("the target table has no column `{}`", column.name),
             "add it to the target, rename it with `columns:`, or drop it there with null");
        return;
      }
      column = *there;
      if (column.generated) {
        find(
            Severity::error, route.name,
            fmt::format("column `{}` is computed on the target and cannot be written", column.name),
            fmt::format("drop it from the copy with `columns: {{{}: null}}`", column.name));
      }
    };
    // A column that both sides compute need not be written, whatever its type would have become.
    for (std::size_t at = route.read.columns.size(); at-- > 0;) {
      const Column* there = existing.find_column(route.write.columns[at].name);
      if (!there || !there->generated || !route.read.columns[at].generated) continue;
      route.computed.emplace_back(route.read.columns[at], *there);
      route.read.columns.erase(route.read.columns.begin() + static_cast<std::ptrdiff_t>(at));
      route.write.columns.erase(route.write.columns.begin() + static_cast<std::ptrdiff_t>(at));
    }
    // One that the target holds as a plain column travels, or its values would be lost.
    std::erase_if(route.computed, [&](const auto& pair) {
      const Column* there = existing.find_column(pair.second.name);
      if (there && there->generated) return false;
      route.read.columns.push_back(pair.first);
      route.write.columns.push_back(pair.second);
      return true;
    });
    std::set<std::string> written;
    for (Column& column : route.write.columns) take(column), written.insert(column.name);
    for (Column& column : route.write.key) take(column);
    for (const Column& column : existing.columns) {
      const bool filled =
          column.nullable || column.default_sql || column.generated || column.identity;
      if (!written.contains(column.name) && !filled) {
        find(Severity::error, route.name,
             fmt::format(
                 "the target's column `{}` is NOT NULL without a default, and no column of the "
                 "source goes there",
                 column.name),
             "give it a default on the target, or name the source column with `columns:`");
      }
    }
  }

  void check_key(const TableRoute& route, const TableSchema& existing) {
    if (route.write.key.empty()) return;
    std::vector<std::string> key;
    for (const Column& column : route.write.key) key.push_back(column.name);
    if (is_unique(existing, key)) return;
    // An index over the same columns in another order decides the same absence.
    const auto same_set = [&](std::vector<std::string> columns) {
      std::vector<std::string> wanted = key;
      std::sort(columns.begin(), columns.end());
      std::sort(wanted.begin(), wanted.end());
      return columns == wanted;
    };
    if (same_set(existing.primary_key)) return;
    for (const Index& index : existing.indexes) {
      if (index.unique && index.plain && same_set(index.columns)) return;
    }
    find(Severity::error, route.name,
         fmt::format("the target table has no primary key or unique index on ({})",
                     fmt::join(key, ", ")),
         "add one: without it a chunk that is copied again would double its rows");
  }

  const Plan& plan_;
  const Catalog &source_, &target_;
  const Dialect &from_, &to_;
  const bool same_engine_;
  Routes routes_;
  std::map<TableName, const TablePlan*> planned_;
  std::set<std::string> written_;  // names of the target's tables; of one schema, to be careful
  std::map<std::string, std::map<std::string, std::string>>
      names_;  // table -> source -> target column
};

}  // namespace

std::string_view name(Severity severity) {
  switch (severity) {
    case Severity::note:
      return "note";
    case Severity::warning:
      return "warning";
    case Severity::error:
      return "error";
  }
  return "?";
}

bool has_errors(const std::vector<Finding>& findings) {
  return std::any_of(findings.begin(), findings.end(),
                     [](const Finding& finding) { return finding.severity == Severity::error; });
}

Routes resolve_routes(const Plan& plan, const Catalog& source, const Catalog& target,
                      const Dialect& source_dialect, const Dialect& target_dialect) {
  return Resolver(plan, source, target, source_dialect, target_dialect).run();
}

TableName parse_table_name(std::string_view text, const Catalog& catalog) {
  for (const TableSchema& table : catalog.tables) {
    if (table.name.name == text) return {"", std::string(text)};
  }
  const std::size_t dot = text.find('.');
  if (dot == std::string_view::npos) return {"", std::string(text)};
  return {std::string(text.substr(0, dot)), std::string(text.substr(dot + 1))};
}

std::string nearest(std::string_view word, const std::vector<std::string>& candidates) {
  std::string best;
  std::size_t best_distance = std::max<std::size_t>(2, word.size() / 3) + 1;
  for (const std::string& candidate : candidates) {
    // Levenshtein distance, one row at a time.
    std::vector<std::size_t> row(candidate.size() + 1);
    std::iota(row.begin(), row.end(), std::size_t{0});
    for (std::size_t i = 1; i <= word.size(); ++i) {
      std::size_t diagonal = row[0];
      row[0] = i;
      for (std::size_t j = 1; j <= candidate.size(); ++j) {
        const std::size_t substitute = diagonal + (word[i - 1] == candidate[j - 1] ? 0 : 1);
        diagonal = row[j];
        row[j] = std::min({row[j] + 1, row[j - 1] + 1, substitute});
      }
    }
    if (row.back() < best_distance) {
      best_distance = row.back();
      best = candidate;
    }
  }
  return best;
}

}  // namespace migrator
