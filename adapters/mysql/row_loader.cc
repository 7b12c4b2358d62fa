#include "adapters/mysql/row_loader.h"

#include <fmt/format.h>

#include "adapters/mysql/key_range.h"

namespace migrator::mysql {

std::string insert_head(const WriteSpec& spec) {
  std::string sql = "INSERT INTO " + quote_name(spec.table) + " (";
  for (std::size_t i = 0; i < spec.columns.size(); ++i) {
    if (i != 0) sql += ", ";
    sql += quote_name(spec.columns[i].name);
  }
  return sql += ") VALUES ";
}

void check_loaded(MysqlSession& session, std::uint64_t sent, std::uint64_t affected,
                  unsigned warnings, const std::string& doing) {
  session.refuse_warnings(warnings, doing);
  if (affected != sent) {
    throw Error(ErrorKind::data,
                fmt::format("{}: {} rows were sent and {} arrived", doing, sent, affected))
        .remedy("look for triggers or a storage engine on the target that drop rows");
  }
}

void refuse_long_row(const std::string& table) {
  throw Error(ErrorKind::data,
              "a row of " + table + " is longer than max_allowed_packet of the target")
      .code("08S01/1153")
      .table(table)
      .remedy("raise max_allowed_packet on the server above the size of the largest row");
}

}  // namespace migrator::mysql
