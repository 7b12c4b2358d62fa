// Rows as the text protocol gives them, and what they become in a batch.
//
// "mysql-text" carries each value's bytes as they came: a text cell, or null. It is chosen between
// columns of the same native type, so nothing is parsed on the way. Columns of a Unicode character
// set come as UTF-8; those of any other come in the bytes of that character set (the session's
// character_set_results is NULL then) and are loaded as these very bytes: no conversion, no loss.
#pragma once

#include <string>
#include <vector>

#include <mysql.h>

#include "adapters/adapter.h"
#include "adapters/mysql/native_type.h"

namespace migrator::mysql {

inline constexpr std::string_view kWireFormat = "mysql-text";

// Character sets whose text arrives as UTF-8 whatever character_set_results is.
bool is_utf8_charset(std::string_view charset);
// A text column whose bytes are not UTF-8 in the wire layout.
bool is_raw_text(const Column& column, const NativeType& native);

RowLayout wire_layout(const std::vector<Column>& columns);

// What to select for a column, in its wire form or as text that RowDecoder reads. A FLOAT is
// printed with six digits, so it is widened to a double, exactly, which is printed with as many as
// it needs.
std::string select_expression(const Column& column, bool wire);

// The text of a column, `sql`, in UTF-8. Of a value with characters that Unicode does not have, for
// which the server would print question marks: behind kNoUnicode, which begins no UTF-8, the
// character set and the value's hash, so that different ones differ.
std::string unicode_expression(const std::string& sql, std::string_view charset);
inline constexpr char kNoUnicode = '\xFF';
bool may_leave_unicode(std::string_view charset);  // whether a text of it may hold such

// Turns rows of text into neutral cells.
class RowDecoder {
 public:
  RowDecoder(const TableName& table, const std::vector<Column>& columns,
             Misfits misfits = Misfits::refuse);

  // Appends one row. For a value that the column's neutral type does not have (a zero or partial
  // date, a time beyond 24 hours, a 2 in a boolean, a character that is not in Unicode) throws
  // Error(data), naming table and column, or marks it.
  void append(RowBatch& batch, MYSQL_ROW row, const unsigned long* lengths) const;

 private:
  struct Field {
    TypeKind kind;
    Base base;
    std::string name;
    bool marked;  // selected by unicode_expression()
  };
  void append_value(RowBatch& batch, const Field& field, std::string_view text) const;
  [[noreturn]] void refuse(const Field& field) const;
  [[noreturn]] void refuse(const Field& field, const std::string& what,
                           const std::string& remedy) const;

  std::string table_;
  Misfits misfits_;
  std::vector<Field> fields_;
};

}  // namespace migrator::mysql
