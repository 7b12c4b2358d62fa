#include "adapters/sqlite/functions.h"

#include <string_view>

#include <sqlite3.h>

#include "adapters/codec.h"
#include "adapters/sqlite/decimal.h"
#include "adapters/sqlite/session.h"

namespace migrator::sqlite {
namespace {

bool order_number(TypeKind kind, std::string_view text, std::int64_t& number) {
  switch (kind) {
    case TypeKind::date:
      return parse_date(text, number);
    case TypeKind::time:
      return parse_time(text, number);
    case TypeKind::timestamp:
      return parse_timestamp(text, number);
    case TypeKind::timestamptz:
      return parse_timestamptz(text, number);
    default:
      return false;
  }
}

void order_value(sqlite3_context* context, int, sqlite3_value** arguments) {
  const auto kind = static_cast<TypeKind>(sqlite3_value_int(arguments[1]));
  if (sqlite3_value_type(arguments[0]) == SQLITE_TEXT) {
    const auto* bytes = reinterpret_cast<const char*>(sqlite3_value_text(arguments[0]));
    if (bytes == nullptr) return sqlite3_result_error_nomem(context);
    const std::string_view text(bytes, static_cast<std::size_t>(sqlite3_value_bytes(arguments[0])));
    std::int64_t number = 0;
    if (order_number(kind, text, number)) return sqlite3_result_int64(context, number);
    if (kind == TypeKind::text) {
      return sqlite3_result_blob64(context, text.data(), text.size(), SQLITE_TRANSIENT);
    }
    char uuid[16];
    if (kind == TypeKind::uuid && parse_uuid(text, uuid)) {
      return sqlite3_result_blob(context, uuid, sizeof uuid, SQLITE_TRANSIENT);
    }
  }
  sqlite3_result_value(context, arguments[0]);
}

int compare_texts(void*, int a_size, const void* a, int b_size, const void* b) {
  return compare_decimals({static_cast<const char*>(a), static_cast<std::size_t>(a_size)},
                          {static_cast<const char*>(b), static_cast<std::size_t>(b_size)});
}

}  // namespace

void register_functions(Session& session) {
  // DIRECTONLY: no schema object can call it.
  session.check(sqlite3_create_function_v2(session.handle(), kOrderFunction, 2,
                                           SQLITE_UTF8 | SQLITE_DETERMINISTIC | SQLITE_DIRECTONLY,
                                           nullptr, order_value, nullptr, nullptr, nullptr),
                "cannot register a function");
  session.check(sqlite3_create_collation_v2(session.handle(), kDecimalCollation, SQLITE_UTF8,
                                            nullptr, compare_texts, nullptr),
                "cannot register a collation");
}

}  // namespace migrator::sqlite
