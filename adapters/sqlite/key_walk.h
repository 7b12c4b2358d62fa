// How a key is walked: in which order, by which index, and the SQL of ranges in that order.
//
// A chunk's bounds only mean something in the order in which they were cut. That order is the
// index's own: its collations (NOCASE, RTRIM) and its directions, so that walking it never sorts.
// Where no index fits it is the columns' own collation, ascending, and SQLite sorts.
#pragma once

#include <string>
#include <vector>

#include <sqlite3.h>

#include "adapters/adapter.h"

namespace migrator::sqlite {

class Session;

struct KeyPart {
  std::string term;  // the column quoted, with COLLATE where the index's differs from the column's
  bool descending = false;
  std::string collation = "BINARY";  // that the term is compared by
};

class KeyWalk {
 public:
  // Reads the schema: of `schema`, "main" or an attached one. Throws Error(permanent) if the table
  // or a column of the key is not there.
  static KeyWalk find(Session& session, const std::string& schema, const std::string& table,
                      const std::vector<Column>& key);

  // Behind the table's name in FROM: "NOT INDEXED" (walk the table itself), "INDEXED BY x", "".
  const std::string& hint() const { return hint_; }
  // Condition of the range, "" if it is unbounded; its parameters are those that bind() binds.
  std::string condition(const KeyRange& range) const;
  // Binds the range's bounds and returns the first position that is free.
  int bind(sqlite3_stmt* statement, const KeyRange& range) const;
  // The condition for values that are no row's: parameters behind those of the range stand for
  // them. "1" if the range is unbounded.
  std::string condition_on_values(const KeyRange& range) const;
  // "a = ?1 AND b = ?2", each compared as the index does; or with other names than ?1, ?2.
  std::string equality(const char* parameter = "?") const;
  // Of VALUES: "column1 COLLATE x AS _migrator_1, ...", for SELECT DISTINCT.
  std::string distinct_values() const;
  // ` ORDER BY "a", "b" DESC`; "" without a key
  std::string order(bool reversed = false) const;
  std::string columns() const;  // quoted, in the key's order
  // Ascending, and texts by their bytes.
  bool plain() const;
  // The same for two walks that order in the same way.
  std::string fingerprint() const;
  // Columns that SQLite lets be NULL.
  const std::vector<std::string>& nullable() const { return nullable_; }

  // What ON CONFLICT must name for "absent by this key", in any order of columns; "" if no unique
  // index (not partial, not on expressions) is on exactly these columns.
  const std::string& conflict_target() const { return conflict_target_; }

 private:
  bool mixed() const;
  static std::string bound(const std::vector<KeyPart>& parts, bool lower, int first,
                           std::size_t part);

  std::vector<KeyPart> parts_;
  std::string hint_, columns_, conflict_target_;
  std::vector<std::string> nullable_;
};

}  // namespace migrator::sqlite
