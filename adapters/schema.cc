#include "adapters/schema.h"

#include <algorithm>

namespace migrator {

std::string_view name(TypeKind kind) {
  switch (kind) {
    case TypeKind::boolean:
      return "boolean";
    case TypeKind::int16:
      return "int16";
    case TypeKind::int32:
      return "int32";
    case TypeKind::int64:
      return "int64";
    case TypeKind::uint64:
      return "uint64";
    case TypeKind::decimal:
      return "decimal";
    case TypeKind::float32:
      return "float32";
    case TypeKind::float64:
      return "float64";
    case TypeKind::text:
      return "text";
    case TypeKind::bytes:
      return "bytes";
    case TypeKind::date:
      return "date";
    case TypeKind::time:
      return "time";
    case TypeKind::timestamp:
      return "timestamp";
    case TypeKind::timestamptz:
      return "timestamptz";
    case TypeKind::json:
      return "json";
    case TypeKind::uuid:
      return "uuid";
    case TypeKind::opaque:
      return "opaque";
  }
  return "unknown";
}

std::string describe(const Type& type) {
  std::string text(name(type.kind));
  switch (type.kind) {
    case TypeKind::decimal:
      if (type.precision != 0) {
        text += "(" + std::to_string(type.precision) + "," + std::to_string(type.scale) + ")";
      }
      break;
    case TypeKind::text:
    case TypeKind::bytes:
      if (type.length != 0) text += "(" + std::to_string(type.length) + ")";
      if (type.fixed) text.insert(0, "fixed ");
      break;
    case TypeKind::time:
    case TypeKind::timestamp:
    case TypeKind::timestamptz:
      text += "(" + std::to_string(type.precision) + ")";
      break;
    default:
      break;
  }
  return text;
}

const Column* TableSchema::find_column(std::string_view column) const {
  const auto found = std::find_if(columns.begin(), columns.end(),
                                  [&](const Column& each) { return each.name == column; });
  return found == columns.end() ? nullptr : &*found;
}

const TableSchema* Catalog::find_table(const TableName& table) const {
  const auto found = std::find_if(tables.begin(), tables.end(),
                                  [&](const TableSchema& each) { return each.name == table; });
  return found == tables.end() ? nullptr : &*found;
}

}  // namespace migrator
