#include "adapters/canonical_digest.h"

namespace migrator {

std::string_view canonical_type(const Type& type) {
  switch (type.kind) {
    case TypeKind::boolean:
    case TypeKind::int16:
    case TypeKind::int32:
    case TypeKind::int64:
    case TypeKind::uint64:
    case TypeKind::decimal:
      return "number";
    case TypeKind::text:
      return type.fixed ? "fixed text" : "text";
    case TypeKind::bytes:
      return "bytes";
    case TypeKind::date:
      return "date";
    case TypeKind::time:
      return "time";
    case TypeKind::timestamp:
    case TypeKind::timestamptz:
      return "moment";
    case TypeKind::uuid:
      return "uuid";
    case TypeKind::float32:
    case TypeKind::float64:
    case TypeKind::json:
    case TypeKind::opaque:
      break;
  }
  return "";
}

std::optional<DigestForm> canonical_digest(const std::vector<Column>& columns) {
  DigestForm form{kCanonicalDigest, {}};
  for (const Column& column : columns) {
    const std::string_view type = canonical_type(column.type);
    if (type.empty()) return std::nullopt;
    form.column_types.emplace_back(type);
  }
  return form;
}

}  // namespace migrator
