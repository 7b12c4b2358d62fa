// MariaDB's array binding: one prepared INSERT, executed for a thousand rows at once.
#pragma once

#include <vector>

#include <mysql.h>

#include "adapters/mysql/row_loader.h"

namespace migrator::mysql {

// Whether the client library this was built with has it.
bool client_has_bulk();

// Values are not copied: the arrays point into the batch. REQUIRES: client_has_bulk(), and a server
// with it.
class BulkInsert final : public RowLoader {
 public:
  BulkInsert(MysqlSession& session, const WriteSpec& spec, const RowLayout& layout);
  void load(const RowBatch& batch, const RowSelection& rows) override;

 private:
  struct Array {
    Form form;
    std::vector<const char*> pointers;   // text, bytes, datetime
    std::vector<unsigned long> lengths;  // text, bytes
    std::vector<std::int64_t> integers;
    std::vector<double> reals;
    std::vector<char> indicators;  // empty for a column that is NOT NULL
    std::vector<char> scratch;     // kScratchBytes a row, where values are printed
  };

  void make_arrays();
  void bind();
  std::size_t fill_row(std::size_t at, const RowBatch& batch, const Cell* cells);
  void execute(std::size_t count);

  MysqlSession& session_;
  const ValueEncoder encoder_;
  const std::string doing_;
  const std::string table_;
  const std::size_t packet_bytes_max_;
  StatementHandle statement_;
  std::vector<Array> arrays_;
};

}  // namespace migrator::mysql
