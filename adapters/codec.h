// Text forms of neutral values, shared by the backends' codecs: each engine prints dates, decimals
// and UUIDs in much the same ISO forms, and they are parsed and printed here, once.
//
// parse_* read exactly the form named and return false on anything else (never a guess); the caller
// turns that into Error(data) naming column and table. print_* append to a buffer and are their
// inverses.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace migrator {

// Days since 1970-01-01 in the proleptic Gregorian calendar, and back.
// After H. Hinnant, "chrono-Compatible Low-Level Date Algorithms" (days_from_civil).
std::int64_t days_from_civil(std::int64_t year, unsigned month, unsigned day);
void civil_from_days(std::int64_t days, std::int64_t& year, unsigned& month, unsigned& day);

inline constexpr std::int64_t kMicrosPerSecond = 1'000'000;
inline constexpr std::int64_t kMicrosPerDay = 86'400 * kMicrosPerSecond;

// "2024-02-29"; years of four or more digits, 0001 and later. Checks month and day (no 2023-02-29,
// no zero parts).
bool parse_date(std::string_view text, std::int64_t& days);
// "13:05:09", "13:05:09.000123"; up to six digits of fraction (more only if they are zeros); up to
// 24:00:00.
bool parse_time(std::string_view text, std::int64_t& micros);
// "2024-02-29 13:05:09.5" or with 'T'. Without a zone.
bool parse_timestamp(std::string_view text, std::int64_t& micros);
// The same with 'Z', '+00', '+05:30', '+0530' behind it; the result is UTC. A missing zone is
// false.
bool parse_timestamptz(std::string_view text, std::int64_t& micros);
// "550e8400-e29b-41d4-a716-446655440000", either case, 36 characters; bytes has 16.
bool parse_uuid(std::string_view text, char* bytes);
// -12.340, 5, +7 are; 1e5, "", ".", "1." are not (".5" is). NaN and Infinity are not.
bool is_plain_decimal(std::string_view text);

bool parse_int64(std::string_view text, std::int64_t& value);
bool parse_uint64(std::string_view text, std::uint64_t& value);
// Any finite decimal or exponent form, and NaN, Infinity, -Infinity (any case, "inf" too).
bool parse_double(std::string_view text, double& value);

// digits: how many digits of the second's fraction are printed, 0..6; trailing ones are kept. Years
// before 1 or after 9999 are printed in as many digits as they need and are for the caller to
// refuse.
void print_date(std::string& out, std::int64_t days);
void print_time(std::string& out, std::int64_t micros, unsigned digits);
void print_timestamp(std::string& out, std::int64_t micros, unsigned digits);
void print_uuid(std::string& out, const char* bytes);  // canonical lower case
void print_hex(std::string& out, std::string_view bytes);
// Pairs of digits of either case; appends to `bytes`.
bool parse_hex(std::string_view text, std::string& bytes);
// The shortest text that reads back as the same double / float.
void print_double(std::string& out, double value);
void print_float(std::string& out, float value);

bool is_valid_utf8(std::string_view text);

}  // namespace migrator
