// Keys in SQL: values as literals, and ranges as conditions that the optimiser reads by an index.
//
// A range is written with literals because the statement is streamed over the text protocol, which
// cannot bind. Nothing is spliced as it came: numbers are checked digit by digit, text and bytes
// are hexadecimal.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "adapters/mysql/native_type.h"
#include "adapters/schema.h"
#include "adapters/value.h"

namespace migrator::mysql {

// A column of a key, with what is needed to write conditions on it.
struct KeyColumn {
  std::string sql;  // quoted name, with a table alias where one is needed
  NativeType native;
  std::string charset;  // of text
};

// Throws Error(permanent) for a type that no index walk can go by: FLOAT (no literal equals a value
// of it), SET, JSON, spatial types.
KeyColumn key_column(const Column& column, std::string_view alias = {});
std::vector<KeyColumn> key_columns(const std::vector<Column>& key, std::string_view alias = {});

// What to select so that the text that comes back identifies the key's value: ENUM and BIT as
// numbers, for an ENUM is ordered by its number and may hold the invalid value 0.
std::string key_expression(const KeyColumn& column);
// The value of that text. `text` is as the text protocol gave it.
Value key_value(const KeyColumn& column, std::string_view text);

// The value as a literal of the column's type. Throws Error(invariant) for a value that no key of
// that type can be.
void append_literal(std::string& sql, const KeyColumn& column, const Value& value);

// "(a >= 1 AND (a > 1 OR (a = 1 AND b > 2)))", or "" for an unbounded range. MySQL and MariaDB read
// (a, b) > (1, 2) by a scan, and this by a range of the index; the collation is each column's own.
std::string range_condition(const std::vector<KeyColumn>& key, const KeyRange& range);

// "a = 1 AND b = 2"
std::string equality_condition(const std::vector<KeyColumn>& key, const Key& values);

std::string quote_name(std::string_view identifier);  // throws Error(usage) for "" and NUL
std::string quote_name(const TableName& table);

}  // namespace migrator::mysql
