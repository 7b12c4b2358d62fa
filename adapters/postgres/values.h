// What a PostgreSQL column can hold, checked before a value is sent: shared by the binary and the
// text encoder. The server rejects most of it itself, but not all, and a plan wants to know without
// loading.
//
// Every check throws Error(data) that names the column, never the value.
#pragma once

#include <cstdint>
#include <string_view>

#include "adapters/row_batch.h"
#include "adapters/schema.h"
#include "migrator/include/migrator/error.h"

namespace migrator::postgres {

// Days and microseconds from 1970-01-01 to 2000-01-01, where PostgreSQL counts from.
inline constexpr std::int64_t kEpochDays = 10'957;
inline constexpr std::int64_t kEpochMicros = kEpochDays * 86'400'000'000;

// The error for a value of this column, with a SQLSTATE such as the server would give.
[[nodiscard]] Error value_error(const Column& column, const char* sqlstate,
                                const std::string& what);

// The cell as an integer of the column's kind (boolean, int16, int32, int64).
std::int64_t checked_integer(const Column& column, const RowBatch& batch, const Cell& cell);
// As a floating point number of the column's kind, not rounded.
double checked_real(const Column& column, const Cell& cell);
// As decimal digits; `scratch` holds what had to be printed.
std::string_view checked_decimal(const Column& column, const RowBatch& batch, const Cell& cell,
                                 std::string& scratch);
// As text of kind text or json: UTF-8, no NUL byte, not longer than the column, one of its enum
// values.
std::string_view checked_text(const Column& column, const RowBatch& batch, const Cell& cell);
std::string_view checked_bytes(const Column& column, const RowBatch& batch, const Cell& cell);
// As days since 1970, microseconds of the day, microseconds since 1970: in the server's range, and
// with no more digits than the column keeps.
std::int64_t checked_date(const Column& column, const Cell& cell);
std::int64_t checked_time(const Column& column, const Cell& cell);
std::int64_t checked_timestamp(const Column& column, const Cell& cell);
// As the 16 bytes of a uuid; `scratch` (16 bytes) holds what had to be parsed.
const char* checked_uuid(const Column& column, const RowBatch& batch, const Cell& cell,
                         char* scratch);
// NULL, where the column takes it.
void check_null(const Column& column);

}  // namespace migrator::postgres
