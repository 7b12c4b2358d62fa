// A plan resolved against what the two databases hold: for each table, what is read, what is
// written, and how the target's table has to look. Pure: works on catalogs and dialects, asks no
// server.
#pragma once

#include <string>
#include <vector>

#include "adapters/adapter.h"
#include "plans/plan.h"

namespace migrator {

enum class Severity {
  note,     // worth knowing
  warning,  // works, and something is lost or slower: indexes not carried, say
  error,    // the migration must not start
};
std::string_view name(Severity severity);

// Something that planning or a check has found, with what to do about it.
struct Finding {
  Severity severity = Severity::note;
  std::string table;  // "" for the whole migration
  std::string text;
  std::string remedy;  // "" where nothing needs to be done
};
bool has_errors(const std::vector<Finding>& findings);

struct TableRoute {
  std::string name;    // the plan's name of the table
  TableSchema source;  // as the source's catalog has it
  TableSchema wanted;  // as create_table would make it on the target: columns mapped, keys renamed
  bool target_exists = false;
  TableSchema target;  // as the target's catalog has it; `wanted` where it does not exist yet
  // Columns that travel, in the same order on both sides: no generated ones, no dropped ones.
  ReadSpec read;
  WriteSpec write;
  // Generated columns that both sides have: not copied, but compared by verify.
  std::vector<std::pair<Column, Column>> computed;
  // True where one session that reaches both sides could copy: same engine, and every column's
  // native type equal. Whether it can is for Target::colocate to say.
  bool same_types = false;
};

struct Routes {
  std::vector<TableRoute> tables;  // in the plan's order; those with errors left out
  std::vector<Finding> findings;
};

// Resolves every table of the plan. What cannot be resolved is a finding of severity error that
// names the table, what was looked for, and the nearest name there is.
Routes resolve_routes(const Plan& plan, const Catalog& source, const Catalog& target,
                      const Dialect& source_dialect, const Dialect& target_dialect);

// "orders" -> {"", "orders"}, "sales.orders" -> {"sales", "orders"}. A name with a dot in it that
// the catalog has is taken whole.
TableName parse_table_name(std::string_view text, const Catalog& catalog);

// The candidate nearest to the word by edit distance, or "" if none is near.
std::string nearest(std::string_view word, const std::vector<std::string>& candidates);

}  // namespace migrator
