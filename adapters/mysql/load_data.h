// LOAD DATA LOCAL INFILE, fed from memory: the fastest way into MySQL's own servers.
//
// The data is declared CHARACTER SET binary, so that the server transcodes nothing on the way in:
// binary columns get their bytes as they are, and so does text whose bytes are of the column's own
// character set (UTF-8 for utf8 and utf8mb4). Other text goes through a variable and CONVERT(...
// USING utf8mb4). LOCAL implies IGNORE: duplicates are left out and bad values clipped, with
// warnings. So each statement is checked for warnings and for its row count before anything can
// commit.
#pragma once

#include <string>
#include <string_view>

#include "adapters/mysql/row_loader.h"

namespace migrator::mysql {

// Appends a value as a field: backslash, tab, newline and NUL escaped.
void append_field(std::string& out, std::string_view bytes);

// Of "Records: 3  Deleted: 0  Skipped: 1  Warnings: 0"; info may be null.
std::uint64_t skipped_rows(const char* info);

// The statement for these columns.
std::string load_data_statement(const WriteSpec& spec, const ValueEncoder& encoder);

class LoadData final : public RowLoader {
 public:
  LoadData(MysqlSession& session, const WriteSpec& spec, const RowLayout& layout);
  void load(const RowBatch& batch, const RowSelection& rows) override;
  void flush() override;

  // Encodes one row, with its newline. Public for tests.
  void append_row(std::string& out, const RowBatch& batch, const Cell* cells) const;

 private:
  void append_value(std::string& out, std::size_t column, const Encoded& value) const;

  MysqlSession& session_;
  const ValueEncoder encoder_;
  const std::string sql_, doing_, table_;
  std::vector<bool> converted_;
  std::string buffer_;
  std::uint64_t buffered_rows_ = 0;
};

}  // namespace migrator::mysql
