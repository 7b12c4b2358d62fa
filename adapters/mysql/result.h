// Small results and parameters: between the client library's forms and Values.
#pragma once

#include <span>
#include <type_traits>
#include <vector>

#include <mysql.h>

#include "adapters/adapter.h"

namespace migrator::mysql {

// my_bool in MariaDB's client, bool in MySQL's from 8.0 on.
using Flag = std::remove_pointer_t<decltype(MYSQL_BIND::is_null)>;

// The rows of a text-protocol result, typed by their fields as adapter.h says of Result.
Result read_text_result(MYSQL_RES* stored);

// The rows of an executed prepared statement. False: the statement has an error.
bool read_prepared_result(MYSQL_STMT* statement, Result& result);

// Parameters of one execution. Points into the values, which must outlive it.
class ParameterBinds {
 public:
  explicit ParameterBinds(std::span<const Value> values);
  MYSQL_BIND* data() const { return const_cast<MYSQL_BIND*>(binds_.data()); }

 private:
  std::vector<MYSQL_BIND> binds_;
  std::vector<unsigned long> lengths_;
};

// Executes a prepared statement. Throws its error, classified, or Error(invariant) where there are
// not as many parameters as placeholders.
Result run_prepared(MYSQL_STMT* statement, std::span<const Value> parameters);

}  // namespace migrator::mysql
