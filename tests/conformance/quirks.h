// What is different about each server, so that the suite itself need not know which one it runs on.
//
// The model is the one of Arrow ADBC's validation suite: one set of tests, and an object a driver
// that says how the driver spells things and what its engine cannot do. A flag here is a fact about
// the ENGINE, documented by its maker; it is never a way round a defect of an adapter.
#pragma once

#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "adapters/schema.h"
#include "tests/support/server.h"

namespace migrator::test {

// A key's columns with values in its engine's SQL, one vector a row, and how rows sort in the
// neutral order (adapter.h, ReadOrder::canonical) is decided by the cells.
struct KeySet {
  std::string name;                                          // "bigint"
  std::vector<std::pair<std::string, std::string>> columns;  // name, type
  std::vector<std::vector<std::string>> rows;                // SQL literals
};

struct Quirks {
  ServerKind kind;
  Engine engine;
  std::string product;  // ServerInfo::product begins with this

  // Facts about the engine.
  bool has_server = true;         // connects over a network, with a password
  bool has_generated = true;      // generated columns
  bool has_checks = true;         // CHECK is enforced and kept
  bool has_descending = true;     // index columns can be DESC
  bool has_lengths = true;        // varchar(n), smallint: the engine enforces them
  bool has_negative_zero = true;  // a double keeps the sign of zero
  bool has_row_locks = true;      // writers wait for each other's rows, not for the whole database
  bool read_committed = true;     // a transaction sees what others commit meanwhile
  bool text_holds_nul = false;    // text may hold NUL characters
  bool checks_utf8 = true;        // the engine, or what it promises, refuses text that is not UTF-8

  // Types for tests' own tables.
  std::string int_type, bigint_type, double_type, text_type, short_text_type, bytes_type;
  std::string small_type;     // 16 bits, where has_lengths
  std::string identity_type;  // a whole column definition, primary key included
  // After the closing bracket of CREATE TABLE.
  std::string table_suffix;

  // A query that runs for much longer than any test (half a minute or more) and needs no table.
  std::string endless_query;
  // A condition on a table `t` with column `id` that makes every row take some 20 ms or more.
  std::string slow_condition;
  // A query for the session's own number, and the statement that ends a session of that number.
  std::string own_session_query, kill_statement;
  // Statements that make a session print values in other ways than this product's own do.
  std::string odd_session;
  // Settings every session must have made: query and the text it must give.
  std::vector<std::pair<std::string, std::string>> session_settings;

  // A script that makes tables catalog_customers, catalog_orders, catalog_lines (catalog_test.cc).
  std::string catalog_script;
  // A script that makes table all_types (id and every supported type) with rows of extremes and
  // NULLs, and the SELECT that prints it losslessly.
  std::string all_types_script, all_types_dump;
  // Native types as a plan may name them that every engine can map (types_test.cc).
  std::vector<std::string> mappable_types;

  std::vector<KeySet> keys;
  std::string keys_preamble;  // what their types need beforehand

  std::string text_literal(const std::string& text) const;
  std::string bytes_literal(const std::string& hex) const;
};

const Quirks& quirks_of(ServerKind kind);

Quirks postgres_quirks(ServerKind kind);
Quirks mysql_quirks(ServerKind kind);
Quirks sqlite_quirks();

// The servers that this run has, or those of them that meet the predicate.
std::vector<ServerKind> tested_servers();
std::vector<ServerKind> tested_servers(const std::function<bool(const Quirks&)>& predicate);

}  // namespace migrator::test
