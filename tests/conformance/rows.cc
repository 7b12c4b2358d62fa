#include "tests/conformance/rows.h"

#include <bit>
#include <cmath>

#include <nlohmann/json.hpp>

namespace migrator {
void PrintTo(const Type& type, std::ostream* out) {
  *out << describe(type) << (type.fixed ? " fixed" : "") << " digits " << type.precision;
}
}  // namespace migrator

namespace migrator::test {
namespace {

Value value_of(const RowBatch& batch, const Cell& cell) {
  switch (cell.tag) {
    case Cell::Tag::null:
      return std::monostate{};
    case Cell::Tag::integer:
      return cell.integer;
    case Cell::Tag::unsigned_integer:
      return cell.unsigned_integer;
    case Cell::Tag::real:
      return cell.real;
    case Cell::Tag::text:
      return std::string(batch.bytes_of(cell));
    case Cell::Tag::bytes:
      return Bytes{std::string(batch.bytes_of(cell))};
    case Cell::Tag::misfit:
      return "misfit: " + std::string(batch.bytes_of(cell));
  }
  return std::monostate{};
}

void push(RowBatch& batch, const Value& value) {
  if (const auto* integer = std::get_if<std::int64_t>(&value)) {
    batch.push_integer(*integer);
  } else if (const auto* natural = std::get_if<std::uint64_t>(&value)) {
    batch.push_unsigned(*natural);
  } else if (const auto* real = std::get_if<double>(&value)) {
    batch.push_real(*real);
  } else if (const auto* text = std::get_if<std::string>(&value)) {
    batch.push_text(*text);
  } else if (const auto* bytes = std::get_if<Bytes>(&value)) {
    batch.push_bytes(bytes->data);
  } else {
    batch.push_null();
  }
}

// "-001.500" and "-1.5" are one number: sign, digits, exponent of nothing else.
std::string plain_number(std::string text) {
  bool negative = false;
  if (!text.empty() && (text[0] == '-' || text[0] == '+')) {
    negative = text[0] == '-';
    text.erase(0, 1);
  }
  if (text.empty() || text.find_first_not_of("0123456789.") != std::string::npos) {
    return (negative ? "-" : "") + text;  // NaN, Infinity
  }
  text.erase(0, std::min(text.find_first_not_of('0'), text.size()));
  if (text.find('.') != std::string::npos) {
    text.erase(text.find_last_not_of('0') + 1);
    if (text.back() == '.') text.pop_back();
  }
  if (text.empty() || text == ".") return "0";
  if (text[0] == '.') text = "0" + text;
  return (negative ? "-" : "") + text;
}

std::string without_padding(std::string text) {
  text.erase(text.find_last_not_of(' ') + 1);
  return text;
}

}  // namespace

Rows rows_of(const RowBatch& batch) {
  Rows rows;
  for (std::size_t at = 0; at < batch.rows(); ++at) {
    const Cell* cells = batch.row(at);
    Row& row = rows.emplace_back();
    for (std::size_t column = 0; column < batch.columns(); ++column) {
      row.push_back(value_of(batch, cells[column]));
    }
  }
  return rows;
}

RowBatch batch_of(const Rows& rows) {
  RowBatch batch;
  batch.set_columns(rows.empty() ? 0 : rows[0].size());
  for (const Row& row : rows) {
    for (const Value& value : row) push(batch, value);
    batch.end_cell_row();
  }
  return batch;
}

Rows drain(RowStream& stream, std::size_t columns) {
  Rows all;
  RowBatch batch;
  while (stream.next(batch)) {
    if (batch.columns() != columns) throw std::logic_error("a batch of other columns");
    for (Row& row : rows_of(batch)) all.push_back(std::move(row));
  }
  if (!batch.empty()) throw std::logic_error("a batch behind the end");
  return all;
}

Rows read_rows(Source& source, const ReadSpec& spec, const KeyRange& range, ReadOrder order) {
  const auto stream = source.read(spec, range, cells_layout(), order);
  return drain(*stream, spec.columns.size());
}

LoadCount copy_rows(Source& source, const ReadSpec& from, Target& target, const WriteSpec& to,
                    const RowLayout& layout, const KeyRange& range, LoadMode mode) {
  const auto stream = source.read(from, range, layout);
  const auto sink = target.load(to, layout, mode);
  RowBatch batch;
  while (stream->next(batch)) sink->write(batch);
  return sink->finish();
}

LoadCount load_rows(Target& target, const WriteSpec& to, const Rows& rows, LoadMode mode) {
  const auto sink = target.load(to, cells_layout(), mode);
  if (!rows.empty()) sink->write(batch_of(rows));
  return sink->finish();
}

ReadSpec read_spec(const TableSchema& table) {
  ReadSpec spec;
  spec.table = table.name;
  spec.columns = table.columns;
  for (const std::string& name : table.primary_key) spec.key.push_back(*table.find_column(name));
  return spec;
}

ReadSpec read_spec_for(const TableSchema& table) {
  ReadSpec spec = read_spec(table);
  std::erase_if(spec.columns, [](const Column& column) { return column.generated; });
  return spec;
}

WriteSpec write_spec(const TableSchema& table) {
  const ReadSpec read = read_spec_for(table);
  return {read.table, read.columns, read.key};
}

bool same_value(const Value& left, const Value& right, const Type& type) {
  if (left.index() != right.index()) return false;
  if (const auto* real = std::get_if<double>(&left)) {
    const double other = std::get<double>(right);
    if (std::isnan(*real) || std::isnan(other)) return std::isnan(*real) && std::isnan(other);
    return std::bit_cast<std::uint64_t>(*real) == std::bit_cast<std::uint64_t>(other);
  }
  if (const auto* text = std::get_if<std::string>(&left)) {
    const std::string& other = std::get<std::string>(right);
    if (type.kind == TypeKind::decimal) return plain_number(*text) == plain_number(other);
    if (type.kind == TypeKind::json) {
      return nlohmann::json::parse(*text) == nlohmann::json::parse(other);
    }
    if (type.fixed) return without_padding(*text) == without_padding(other);
  }
  return left == right;
}

std::string show(const Value& value) { return describe(Key{value}); }

std::string show(const Row& row) { return describe(row); }

}  // namespace migrator::test
