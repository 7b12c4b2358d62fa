#include "adapters/mysql/load_data.h"

#include <array>
#include <charconv>

#include <fmt/format.h>

#include "adapters/codec.h"
#include "adapters/mysql/codec.h"
#include "adapters/mysql/key_range.h"

namespace migrator::mysql {
namespace {

// Bytes a statement: some ten thousand rows, so that its own cost does not count, and few enough to
// be sent again after an error.
constexpr std::size_t kStatementBytes = 4u << 20;

constexpr std::array<bool, 256> make_special() {
  std::array<bool, 256> special{};
  special[0] = special['\\'] = special['\t'] = special['\n'] = true;
  return special;
}
constexpr std::array<bool, 256> kSpecial = make_special();

// Text in UTF-8 that is not stored as UTF-8: the server must convert it. JSON, UUID and INET want
// to be told that it is text at all.
bool is_converted(const Column& column, const ValueEncoder& encoder, std::size_t i) {
  if (encoder.form(i) != Form::text) return false;
  const NativeType& native = encoder.native(i);
  if (native.base == Base::json || native.base == Base::uuid || native.base == Base::inet)
    return true;
  const bool as_is =
      column.charset == "utf8mb4" || column.charset == "utf8" || column.charset == "utf8mb3";
  return native.is_text() && !as_is;
}

}  // namespace

std::uint64_t skipped_rows(const char* info) {
  if (info == nullptr) return 0;
  const std::string_view text = info;
  constexpr std::string_view kLabel = "Skipped: ";
  const std::size_t at = text.find(kLabel);
  if (at == std::string_view::npos) return 0;
  std::uint64_t skipped = 0;
  std::from_chars(text.data() + at + kLabel.size(), text.data() + text.size(), skipped);
  return skipped;
}

void append_field(std::string& out, std::string_view bytes) {
  std::size_t begin = 0;
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    const auto c = static_cast<unsigned char>(bytes[i]);
    if (!kSpecial[c]) continue;
    out.append(bytes.data() + begin, i - begin);
    begin = i + 1;
    out += '\\';
    out += c == 0 ? '0' : c == '\t' ? 't' : c == '\n' ? 'n' : '\\';
  }
  out.append(bytes.data() + begin, bytes.size() - begin);
}

std::string load_data_statement(const WriteSpec& spec, const ValueEncoder& encoder) {
  std::string sql = "LOAD DATA LOCAL INFILE 'rows' INTO TABLE " + quote_name(spec.table) +
                    " CHARACTER SET binary FIELDS TERMINATED BY '\\t' ESCAPED BY '\\\\' LINES "
                    "TERMINATED BY '\\n' (";
  std::string set;
  for (std::size_t i = 0; i < spec.columns.size(); ++i) {
    const std::string column = quote_name(spec.columns[i].name);
    if (i != 0) sql += ", ";
    if (!is_converted(spec.columns[i], encoder, i)) {
      sql += column;
      continue;
    }
    const std::string variable = "@c" + std::to_string(i);
    sql += variable;
    set += (set.empty() ? " SET " : ", ") + column + " = CONVERT(" + variable + " USING utf8mb4)";
  }
  return sql + ")" + set;
}

LoadData::LoadData(MysqlSession& session, const WriteSpec& spec, const RowLayout& layout)
    : session_(session),
      encoder_(spec, layout, {.negative_zero = !session.facts().mariadb}),
      sql_(load_data_statement(spec, encoder_)),
      doing_("loading " + spec.table.text()),
      table_(spec.table.text()) {
  for (std::size_t i = 0; i < spec.columns.size(); ++i)
    converted_.push_back(is_converted(spec.columns[i], encoder_, i));
}

void LoadData::append_value(std::string& out, std::size_t column, const Encoded& value) const {
  char digits[32];
  if (value.null) {
    out += "\\N";
    return;
  }
  switch (encoder_.form(column)) {
    case Form::integer:
    case Form::unsigned_integer:
      if (encoder_.native(column).base == Base::bit) {
        // A BIT takes its bytes: digits would be read as characters.
        std::string bytes;
        const std::size_t width = (encoder_.native(column).length + 7) / 8;
        for (std::size_t i = width; i-- > 0;)
          bytes += static_cast<char>(value.integer >> (8 * i) & 0xff);
        append_field(out, bytes);
      } else if (encoder_.native(column).base == Base::year) {
        // Four digits: "0" would be read as the year 2000.
        const auto end = std::to_chars(digits, digits + sizeof digits, 10'000 + value.integer);
        out.append(digits + 1, end.ptr);
      } else {
        const bool big = encoder_.form(column) == Form::unsigned_integer;
        const auto end = big ? std::to_chars(digits, digits + sizeof digits,
                                             static_cast<std::uint64_t>(value.integer))
                             : std::to_chars(digits, digits + sizeof digits, value.integer);
        out.append(digits, end.ptr);
      }
      return;
    case Form::real:
      print_double(out, value.real);
      return;
    case Form::text:
      if (converted_[column] && !is_valid_utf8(value.bytes)) {
        throw Error(ErrorKind::data, "column " + encoder_.name(column) + " of " + table_ +
                                         ": text that is not UTF-8")
            .table(table_)
            .code("HY000/1366");
      }
      append_field(out, value.bytes);
      return;
    case Form::bytes:
      append_field(out, value.bytes);
      return;
    case Form::datetime:
      break;
  }
  throw Error(ErrorKind::invariant, "a binary value in LOAD DATA");
}

void LoadData::append_row(std::string& out, const RowBatch& batch, const Cell* cells) const {
  char scratch[kScratchBytes];
  for (std::size_t i = 0; i < encoder_.columns(); ++i) {
    if (i != 0) out += '\t';
    append_value(out, i, encoder_.encode(i, batch, cells[i], scratch));
  }
  out += '\n';
}

void LoadData::load(const RowBatch& batch, const RowSelection& rows) {
  for (std::size_t i = 0; i < rows.size(); ++i) {
    append_row(buffer_, batch, batch.row(rows[i]));
    ++buffered_rows_;
    if (buffer_.size() >= kStatementBytes) flush();
  }
}

void LoadData::flush() {
  if (buffered_rows_ == 0) return;
  const std::uint64_t sent = buffered_rows_;
  const std::uint64_t affected = session_.run_load_data(sql_, buffer_, doing_);
  const unsigned warnings = mysql_warning_count(session_.handle());
  const std::uint64_t skipped = skipped_rows(mysql_info(session_.handle()));
  buffer_.clear();
  buffered_rows_ = 0;
  if (buffer_.capacity() > 4 * kStatementBytes) buffer_.shrink_to_fit();
  session_.refuse_warnings(warnings, doing_);
  // Before MySQL 5.7, duplicates are left out without a warning, and nothing else is.
  if (skipped != 0) {
    throw Error(ErrorKind::data,
                fmt::format("{}: {} rows have a key that is there already", doing_, skipped))
        .code("23000/1062")
        .table(table_)
        .duplicate_key(true);
  }
  check_loaded(session_, sent, affected, 0, doing_);
}

}  // namespace migrator::mysql
