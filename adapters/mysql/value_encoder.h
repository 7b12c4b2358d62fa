// Cells of a batch as values that MySQL's protocol and LOAD DATA take.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "adapters/adapter.h"
#include "adapters/mysql/native_type.h"

namespace migrator::mysql {

// How a column's values are sent. Fixed for a column, so that it is bound once.
enum class Form {
  integer,           // 64 bits, signed
  unsigned_integer,  // 64 bits
  real,              // double
  datetime,          // a MYSQL_TIME, in binary; only with Encoding::binary
  text,              // in UTF-8; the server converts it to the column's character set
  bytes,  // taken as they are: binary columns, and text in the column's own character set
};

// What becomes of integers and of dates with a time. In binary the server need not parse them,
// which is worth some five to ten percent of a load; in text they can be spliced and escaped.
enum class Encoding { text, binary };

struct EncoderOptions {
  Encoding encoding = Encoding::text;
  bool negative_zero = true;  // false for MariaDB, which stores -0.0 as 0.0: it is refused
};

struct Encoded {
  bool null = false;
  std::int64_t integer = 0;  // of an unsigned form: the same 64 bits
  double real = 0;
  std::string_view bytes;  // into the batch, or into the scratch that was given
};

// Bytes of scratch a value may need: "2024-02-29 13:05:09.123456", a UUID, a number's digits, a
// MYSQL_TIME. Scratch must be aligned as a MYSQL_TIME is.
inline constexpr std::size_t kScratchBytes = 48;

class ValueEncoder {
 public:
  // The layout must be one that target_layouts() of these columns lists.
  ValueEncoder(const WriteSpec& spec, const RowLayout& layout, const EncoderOptions& options = {});

  std::size_t columns() const { return fields_.size(); }
  Form form(std::size_t column) const { return fields_[column].form; }
  const std::string& name(std::size_t column) const { return fields_[column].name; }
  const NativeType& native(std::size_t column) const { return fields_[column].native; }
  bool raw_text(std::size_t column) const { return fields_[column].raw_text; }
  bool nullable(std::size_t column) const { return fields_[column].nullable; }
  // Whether values of the column are written into scratch; the others point into the batch.
  bool needs_scratch(std::size_t column) const { return fields_[column].scratch; }

  // Throws Error(data) for a value that the column cannot hold and that the server would alter
  // instead of refusing: a NULL that a NOT NULL TIMESTAMP would take for "now", microseconds that
  // it would cut off, NaN.
  Encoded encode(std::size_t column, const RowBatch& batch, const Cell& cell, char* scratch) const;

 private:
  enum class Way {
    wire,
    wire_datetime,
    number,
    year,
    decimal,
    real,
    text,
    bytes,
    date,
    time,
    timestamp,
    uuid,
    either
  };
  struct Field {
    std::string name;
    NativeType native;
    TypeKind kind;
    Form form;
    Way way;
    bool nullable, raw_text, scratch, negative_zero, exact_json;
    unsigned digits;  // of the second's fraction
  };

  static Way way_of(TypeKind kind, const NativeType& native);
  static Form form_of(Way way, TypeKind kind, const NativeType& native, bool raw_text);
  static void make_binary(Field& field);
  std::string_view wire_datetime(const Field& field, std::string_view text, char* scratch) const;
  void encode_number(const Field& field, const Cell& cell, std::string_view text,
                     Encoded& out) const;
  std::string_view print_temporal(const Field& field, const Cell& cell, char* scratch) const;
  std::string_view print_number(const Field& field, const Cell& cell, char* scratch) const;
  [[noreturn]] void refuse_negative_zero(const Field& field) const;
  [[noreturn]] void refuse(const Field& field, std::string_view why,
                           std::string_view code = "22018/1366") const;

  std::string table_;
  std::vector<Field> fields_;
};

}  // namespace migrator::mysql
