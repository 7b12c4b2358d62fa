// INSERT with many rows of bound values: works everywhere, and is the slowest of the three.
#pragma once

#include <vector>

#include <mysql.h>

#include "adapters/mysql/row_loader.h"

namespace migrator::mysql {

class InsertRows final : public RowLoader {
 public:
  InsertRows(MysqlSession& session, const WriteSpec& spec, const RowLayout& layout);
  void load(const RowBatch& batch, const RowSelection& rows) override;

 private:
  void prepare(std::size_t rows);
  std::size_t fill_row(std::size_t at, const RowBatch& batch, const Cell* cells);
  void execute(std::size_t count);

  MysqlSession& session_;
  const ValueEncoder encoder_;
  const std::string head_, doing_, table_;
  const std::size_t packet_bytes_max_, rows_max_;
  StatementHandle statement_;
  std::size_t prepared_rows_ = 0;
  // One of each a value: rows_max_ times columns.
  std::vector<Encoded> values_;
  std::vector<unsigned long> lengths_;
  std::vector<MYSQL_BIND> binds_;
  std::vector<char> scratch_;
};

}  // namespace migrator::mysql
