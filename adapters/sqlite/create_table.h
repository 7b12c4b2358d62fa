// What only the text of a CREATE TABLE says: checks, generated columns, conflict clauses, names of
// foreign keys.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "adapters/schema.h"

namespace migrator::sqlite {

struct CreatedColumn {
  std::string name;
  std::string generated_sql;  // "" unless it is generated
};

struct CreatedForeignKey {
  std::string name;
  bool deferrable = false;  // INITIALLY DEFERRED
};

struct CreatedTable {
  std::vector<CreatedColumn> columns;
  std::vector<Check> checks;
  std::vector<CreatedForeignKey> foreign_keys;  // in the order of the text
  bool conflict_clauses = false;                // some ON CONFLICT REPLACE, IGNORE, ...
};

// False if the text is not understood to its end; nothing of it may be used then.
bool parse_create_table(std::string_view sql, CreatedTable& table);

// "AFTER INSERT" out of a CREATE TRIGGER text; "" if it is not understood.
std::string describe_trigger(std::string_view sql);
// The table that a CREATE INDEX text is for, put in the place of the one that is there. "" if it is
// not understood.
std::string retarget_index(std::string_view sql, std::string_view quoted_table);

}  // namespace migrator::sqlite
