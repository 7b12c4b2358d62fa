// The target's schema: tables before the rows, indexes, foreign keys and sequences after them.
//
// Every step looks at what is there first, so it may be repeated after a crash at any point. What
// is there already is left as it is, never dropped or changed.
//
// Threads: calls run on the session given; build_indexes() may run for several tables at once, each
// with a session of its own.
#pragma once

#include <string>
#include <vector>

#include "adapters/adapter.h"
#include "plans/route.h"

namespace migrator {

class TargetSchema {
 public:
  explicit TargetSchema(Session& target) : target_(target) {}

  // What would be done now, one SQL statement each: for `migrate check`.
  std::vector<std::string> missing_tables(const std::vector<TableRoute>& routes) const;

  // Creates the tables that do not exist yet. Returns their names.
  std::vector<std::string> create_tables(const std::vector<TableRoute>& routes);
  // The table's secondary indexes that are not there yet. Throws Error(data) with a remedy when a
  // unique one is broken by the rows.
  void build_indexes(const TableRoute& route);
  // The table's foreign keys that are not there yet: when all rows of all tables are in.
  void add_foreign_keys(const TableRoute& route);
  // Rows that refer to none by a foreign key of the target, as "orders.customer: 3 rows ...": where
  // the engine did not look while they were loaded, and nobody has said so.
  std::vector<std::string> orphans(const TableRoute& route);
  // Sequences past the highest value, statistics.
  void after_load(const TableRoute& route);

 private:
  std::vector<std::string> table_statements(const TableRoute& route) const;
  const TableSchema* find(const Catalog& catalog, const TableRoute& route) const;

  Session& target_;
};

}  // namespace migrator
