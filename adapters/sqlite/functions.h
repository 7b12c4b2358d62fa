// What ORDER BY needs beside SQLite's own orders to sort keys in the order that all engines share.
#pragma once

namespace migrator::sqlite {

class Session;

// A date, time or UUID as something that sorts by its value: _migrator_order(value, kind). A value
// that is not one is returned as it is; reading it will say so.
inline constexpr const char* kOrderFunction = "_migrator_order";
// Decimal texts by value.
inline constexpr const char* kDecimalCollation = "_migrator_decimal";

void register_functions(Session& session);

}  // namespace migrator::sqlite
