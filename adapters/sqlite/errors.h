// What SQLite's result codes mean to a caller: one table, tested by table.
#pragma once

#include <string>
#include <string_view>

#include "migrator/include/migrator/error.h"

namespace migrator::sqlite {

// The error for an extended result code. `doing` says what was tried ("cannot open shop.db");
// `message` is SQLite's own text, which names tables and columns and never a value. code() is the
// extended code.
Error classify(int extended_code, std::string_view doing, std::string_view message);

}  // namespace migrator::sqlite
