// The indexes of tables, looked up once a session: which one to read a key by, and whether it is
// unique.
#pragma once

#include <string>
#include <vector>

#include "adapters/adapter.h"

namespace migrator::mysql {

class MysqlSession;

class TableKeys {
 public:
  explicit TableKeys(MysqlSession& session) : session_(session) {}

  // The index whose columns are exactly the key's, in that order and whole; "" if there is none.
  // The primary key is preferred.
  std::string index_for(const TableName& table, const std::vector<Column>& key);
  // Whether a unique index is on exactly these columns, in any order.
  bool is_unique(const TableName& table, const std::vector<Column>& key);

 private:
  struct IndexFacts {
    std::string name;
    bool unique = false;
    bool usable = true;  // FORCE INDEX may name it: not ignored, not invisible
    bool whole = true;   // no prefixes, no expressions
    std::vector<std::string> columns;
  };
  std::vector<IndexFacts> indexes(const TableName& table);

  MysqlSession& session_;
};

}  // namespace migrator::mysql
