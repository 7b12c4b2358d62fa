#include "adapters/codec.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstring>
#include <limits>

namespace migrator {
namespace {

constexpr std::int64_t kMicrosPerMinute = 60 * kMicrosPerSecond;
constexpr std::int64_t kMicrosPerHour = 60 * kMicrosPerMinute;
// PostgreSQL's dates end in 5874897; more digits than that is no date of any engine.
constexpr std::size_t kYearDigitsMax = 7;
// Beyond this many days from 1970 a count of microseconds does not fit 64 bits.
constexpr std::int64_t kDaysMax = std::numeric_limits<std::int64_t>::max() / kMicrosPerDay - 1;
// Time zones of the world lie within -12:00 and +14:00; PostgreSQL takes up to 15:59.
constexpr unsigned kZoneHoursMax = 15;

constexpr char kHexDigits[] = "0123456789abcdef";

bool is_digit(char c) { return static_cast<unsigned char>(c - '0') < 10; }

bool two_digits(const char* at, unsigned& value) {
  if (!is_digit(at[0]) || !is_digit(at[1])) return false;
  value = static_cast<unsigned>(at[0] - '0') * 10 + static_cast<unsigned>(at[1] - '0');
  return true;
}

bool is_leap(std::int64_t year) { return year % 4 == 0 && (year % 100 != 0 || year % 400 == 0); }

unsigned days_in_month(std::int64_t year, unsigned month) {
  constexpr unsigned char kDays[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
  return month == 2 && is_leap(year) ? 29 : kDays[month - 1];
}

// The fraction of a second, without its point: one digit at least, what is behind the sixth must be
// zero.
bool parse_fraction(std::string_view text, std::int64_t& micros) {
  if (text.empty()) return false;
  std::int64_t value = 0;
  std::int64_t weight = kMicrosPerSecond / 10;
  for (const char c : text) {
    if (!is_digit(c)) return false;
    if (weight == 0 && c != '0') return false;
    value += (c - '0') * weight;
    weight /= 10;
  }
  micros = value;
  return true;
}

// "Z", "+05", "+0530", "+05:30"; seconds to add to UTC to get the local time.
bool parse_zone(std::string_view text, std::int64_t& seconds) {
  if (text == "Z") {
    seconds = 0;
    return true;
  }
  if (text.size() < 3 || (text[0] != '+' && text[0] != '-')) return false;
  unsigned hours = 0, minutes = 0;
  if (!two_digits(text.data() + 1, hours) || hours > kZoneHoursMax) return false;
  std::string_view rest = text.substr(3);
  if (!rest.empty()) {
    if (rest[0] == ':') rest.remove_prefix(1);
    if (rest.size() != 2 || !two_digits(rest.data(), minutes) || minutes > 59) return false;
  }
  const std::int64_t magnitude = std::int64_t{hours} * 3600 + std::int64_t{minutes} * 60;
  seconds = text[0] == '-' ? -magnitude : magnitude;
  return true;
}

int hex_value(char c) {
  if (is_digit(c)) return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

char* put_two(char* at, unsigned value) {
  at[0] = static_cast<char>('0' + value / 10);
  at[1] = static_cast<char>('0' + value % 10);
  return at + 2;
}

// Room for any date or time: a 64-bit year, and what follows it.
constexpr std::size_t kPrintedMax = 64;

char* put_date(char* at, std::int64_t days) {
  std::int64_t year = 0;
  unsigned month = 0, day = 0;
  civil_from_days(days, year, month, day);
  if (year >= 0 && year <= 9999) {
    at = put_two(at, static_cast<unsigned>(year / 100));
    at = put_two(at, static_cast<unsigned>(year % 100));
  } else {
    if (year < 0) {
      *at++ = '-';
      year = -year;
    }
    for (std::int64_t limit = 1000; year < limit && limit > 1; limit /= 10) *at++ = '0';
    at = std::to_chars(at, at + 20, year).ptr;
  }
  *at++ = '-';
  at = put_two(at, month);
  *at++ = '-';
  return put_two(at, day);
}

char* put_time(char* at, std::int64_t micros, unsigned digits) {
  std::int64_t seconds = micros / kMicrosPerSecond;
  auto fraction = static_cast<unsigned>(micros % kMicrosPerSecond);
  const std::int64_t hours = seconds / 3600;
  seconds %= 3600;
  if (hours < 100) {
    at = put_two(at, static_cast<unsigned>(hours));
  } else {
    at = std::to_chars(at, at + 20, hours).ptr;
  }
  *at++ = ':';
  at = put_two(at, static_cast<unsigned>(seconds / 60));
  *at++ = ':';
  at = put_two(at, static_cast<unsigned>(seconds % 60));
  if (digits == 0) return at;
  *at++ = '.';
  unsigned weight = 100'000;
  for (unsigned i = 0; i < std::min(digits, 6u); ++i, weight /= 10) {
    *at++ = static_cast<char>('0' + fraction / weight);
    fraction %= weight;
  }
  return at;
}

template <typename Real>
void print_real(std::string& out, Real value) {
  if (std::isnan(value)) {
    out += "NaN";
  } else if (std::isinf(value)) {
    out += value < 0 ? "-Infinity" : "Infinity";
  } else {
    char buffer[32];  // the shortest form of a double has at most 24 characters
    const auto result = std::to_chars(buffer, buffer + sizeof buffer, value);
    out.append(buffer, static_cast<std::size_t>(result.ptr - buffer));
  }
}

bool equals_ignoring_case(std::string_view text, std::string_view lower) {
  return text.size() == lower.size() &&
         std::equal(text.begin(), text.end(), lower.begin(), [](char a, char b) {
           return (a >= 'A' && a <= 'Z' ? static_cast<char>(a + ('a' - 'A')) : a) == b;
         });
}

// How many bytes the UTF-8 character at the front of text has; 0 if it is none. RFC 3629: no
// overlong forms, no surrogates, nothing above U+10FFFF.
std::size_t utf8_length(const unsigned char* at, std::size_t left) {
  const auto continues = [&](std::size_t i) { return (at[i] & 0xC0) == 0x80; };
  const unsigned char lead = at[0];
  if (lead < 0x80) return 1;
  if (lead < 0xC2) return 0;
  if (lead < 0xE0) return left >= 2 && continues(1) ? 2 : 0;
  if (lead < 0xF0) {
    if (left < 3 || !continues(1) || !continues(2)) return 0;
    if (lead == 0xE0 && at[1] < 0xA0) return 0;
    if (lead == 0xED && at[1] >= 0xA0) return 0;
    return 3;
  }
  if (lead > 0xF4 || left < 4 || !continues(1) || !continues(2) || !continues(3)) return 0;
  if (lead == 0xF0 && at[1] < 0x90) return 0;
  if (lead == 0xF4 && at[1] >= 0x90) return 0;
  return 4;
}

}  // namespace

std::int64_t days_from_civil(std::int64_t year, unsigned month, unsigned day) {
  year -= month <= 2;
  const std::int64_t era = (year >= 0 ? year : year - 399) / 400;
  const auto year_of_era = static_cast<unsigned>(year - era * 400);
  const unsigned day_of_year = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1;
  const unsigned day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
  return era * 146'097 + static_cast<std::int64_t>(day_of_era) - 719'468;
}

void civil_from_days(std::int64_t days, std::int64_t& year, unsigned& month, unsigned& day) {
  days += 719'468;
  const std::int64_t era = (days >= 0 ? days : days - 146'096) / 146'097;
  const auto day_of_era = static_cast<unsigned>(days - era * 146'097);
  const unsigned year_of_era =
      (day_of_era - day_of_era / 1460 + day_of_era / 36'524 - day_of_era / 146'096) / 365;
  const unsigned day_of_year =
      day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
  const unsigned shifted_month = (5 * day_of_year + 2) / 153;  // 0 is March
  day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
  month = shifted_month < 10 ? shifted_month + 3 : shifted_month - 9;
  year = static_cast<std::int64_t>(year_of_era) + era * 400 + (month <= 2);
}

bool parse_date(std::string_view text, std::int64_t& days) {
  if (text.size() < 10 || text.size() > kYearDigitsMax + 6) return false;
  const std::size_t year_digits = text.size() - 6;
  if (year_digits > 4 && text[0] == '0') return false;
  std::int64_t year = 0;
  for (std::size_t i = 0; i < year_digits; ++i) {
    if (!is_digit(text[i])) return false;
    year = year * 10 + (text[i] - '0');
  }
  const char* rest = text.data() + year_digits;
  unsigned month = 0, day = 0;
  if (rest[0] != '-' || !two_digits(rest + 1, month) || rest[3] != '-' ||
      !two_digits(rest + 4, day)) {
    return false;
  }
  if (year == 0 || month == 0 || month > 12 || day == 0) return false;
  if (day > 28 && day > days_in_month(year, month)) return false;
  days = days_from_civil(year, month, day);
  return true;
}

bool parse_time(std::string_view text, std::int64_t& micros) {
  unsigned hours = 0, minutes = 0, seconds = 0;
  if (text.size() < 8 || !two_digits(text.data(), hours) || text[2] != ':' ||
      !two_digits(text.data() + 3, minutes) || text[5] != ':' ||
      !two_digits(text.data() + 6, seconds)) {
    return false;
  }
  if (hours > 24 || minutes > 59 || seconds > 59) return false;
  std::int64_t fraction = 0;
  if (text.size() > 8 && (text[8] != '.' || !parse_fraction(text.substr(9), fraction))) {
    return false;
  }
  const std::int64_t total =
      hours * kMicrosPerHour + minutes * kMicrosPerMinute + seconds * kMicrosPerSecond + fraction;
  if (total > kMicrosPerDay) return false;
  micros = total;
  return true;
}

bool parse_timestamp(std::string_view text, std::int64_t& micros) {
  // The date ends at the first character that cannot be of it; it has ten at least.
  std::size_t split = 10;
  while (split < text.size() && split <= kYearDigitsMax + 6 && text[split] != ' ' &&
         text[split] != 'T') {
    ++split;
  }
  if (split >= text.size() || (text[split] != ' ' && text[split] != 'T')) return false;
  std::int64_t days = 0, time = 0;
  if (!parse_date(text.substr(0, split), days) || !parse_time(text.substr(split + 1), time)) {
    return false;
  }
  // 24:00:00 of a day would come back as 00:00:00 of the next, which is another text.
  if (time == kMicrosPerDay || days > kDaysMax) return false;
  micros = days * kMicrosPerDay + time;
  return true;
}

bool parse_timestamptz(std::string_view text, std::int64_t& micros) {
  if (text.size() < 20) return false;
  // A zone is at the end and begins with Z, + or -; the dates' own - are before the 14th from the
  // end.
  std::size_t zone = text.size() - 1;
  const std::size_t first = text.size() - 6;
  while (zone > first && text[zone] != 'Z' && text[zone] != '+' && text[zone] != '-') --zone;
  std::int64_t seconds = 0, local = 0;
  if (!parse_zone(text.substr(zone), seconds) || !parse_timestamp(text.substr(0, zone), local)) {
    return false;
  }
  micros = local - seconds * kMicrosPerSecond;
  return true;
}

bool parse_uuid(std::string_view text, char* bytes) {
  if (text.size() != 36) return false;
  if (text[8] != '-' || text[13] != '-' || text[18] != '-' || text[23] != '-') return false;
  char parsed[16];
  std::size_t at = 0;
  for (char& byte : parsed) {
    if (text[at] == '-') ++at;
    const int high = hex_value(text[at]), low = hex_value(text[at + 1]);
    if (high < 0 || low < 0) return false;
    byte = static_cast<char>(high * 16 + low);
    at += 2;
  }
  std::memcpy(bytes, parsed, sizeof parsed);
  return true;
}

bool is_plain_decimal(std::string_view text) {
  if (!text.empty() && (text[0] == '-' || text[0] == '+')) text.remove_prefix(1);
  std::size_t at = 0;
  while (at < text.size() && is_digit(text[at])) ++at;
  if (at == text.size()) return at > 0;
  if (text[at] != '.' || at + 1 == text.size()) return false;
  return std::all_of(text.begin() + static_cast<std::ptrdiff_t>(at) + 1, text.end(), is_digit);
}

bool parse_int64(std::string_view text, std::int64_t& value) {
  const char* end = text.data() + text.size();
  std::int64_t parsed = 0;
  const auto result = std::from_chars(text.data(), end, parsed);
  if (result.ec != std::errc() || result.ptr != end) return false;
  value = parsed;
  return true;
}

bool parse_uint64(std::string_view text, std::uint64_t& value) {
  const char* end = text.data() + text.size();
  std::uint64_t parsed = 0;
  const auto result = std::from_chars(text.data(), end, parsed);
  if (result.ec != std::errc() || result.ptr != end) return false;
  value = parsed;
  return true;
}

bool parse_double(std::string_view text, double& value) {
  if (text.empty()) return false;
  std::string_view digits = text;
  const bool negative = digits[0] == '-';
  if (negative || digits[0] == '+') digits.remove_prefix(1);
  if (digits.empty()) return false;
  if (!is_digit(digits[0]) && digits[0] != '.') {
    constexpr double kInfinity = std::numeric_limits<double>::infinity();
    if (equals_ignoring_case(text, "nan")) {
      value = std::numeric_limits<double>::quiet_NaN();
      return true;
    }
    if (text[0] == '+') return false;
    if (!equals_ignoring_case(digits, "infinity") && !equals_ignoring_case(digits, "inf")) {
      return false;
    }
    value = negative ? -kInfinity : kInfinity;
    return true;
  }
  const char* end = digits.data() + digits.size();
  double parsed = 0;
  // Out of range, on either end, is false: the double nearest to it would be another number.
  const auto result = std::from_chars(digits.data(), end, parsed);
  if (result.ec != std::errc() || result.ptr != end) return false;
  value = negative ? -parsed : parsed;
  return true;
}

void print_date(std::string& out, std::int64_t days) {
  char buffer[kPrintedMax];
  const char* end = put_date(buffer, days);
  out.append(buffer, static_cast<std::size_t>(end - buffer));
}

void print_time(std::string& out, std::int64_t micros, unsigned digits) {
  char buffer[kPrintedMax];
  char* at = buffer;
  if (micros < 0) {  // out of the type's range, and for the caller to refuse; but never garbage
    *at++ = '-';
    micros = -micros;
  }
  const char* end = put_time(at, micros, digits);
  out.append(buffer, static_cast<std::size_t>(end - buffer));
}

void print_timestamp(std::string& out, std::int64_t micros, unsigned digits) {
  std::int64_t days = micros / kMicrosPerDay;
  std::int64_t time = micros % kMicrosPerDay;
  if (time < 0) {
    time += kMicrosPerDay;
    --days;
  }
  char buffer[kPrintedMax];
  char* at = put_date(buffer, days);
  *at++ = ' ';
  const char* end = put_time(at, time, digits);
  out.append(buffer, static_cast<std::size_t>(end - buffer));
}

void print_uuid(std::string& out, const char* bytes) {
  char buffer[36];
  char* at = buffer;
  for (int i = 0; i < 16; ++i) {
    if (i == 4 || i == 6 || i == 8 || i == 10) *at++ = '-';
    const auto byte = static_cast<unsigned char>(bytes[i]);
    *at++ = kHexDigits[byte >> 4];
    *at++ = kHexDigits[byte & 15];
  }
  out.append(buffer, sizeof buffer);
}

bool parse_hex(std::string_view text, std::string& bytes) {
  if (text.size() % 2 != 0) return false;
  for (std::size_t at = 0; at < text.size(); at += 2) {
    unsigned char byte = 0;
    const char* digits = text.data() + at;
    const auto result = std::from_chars(digits, digits + 2, byte, 16);
    if (result.ec != std::errc() || result.ptr != digits + 2) return false;
    bytes += static_cast<char>(byte);
  }
  return true;
}

void print_hex(std::string& out, std::string_view bytes) {
  const std::size_t begin = out.size();
  out.resize(begin + 2 * bytes.size());
  char* at = out.data() + begin;
  for (const char c : bytes) {
    const auto byte = static_cast<unsigned char>(c);
    *at++ = kHexDigits[byte >> 4];
    *at++ = kHexDigits[byte & 15];
  }
}

void print_double(std::string& out, double value) { print_real(out, value); }
void print_float(std::string& out, float value) { print_real(out, value); }

bool is_valid_utf8(std::string_view text) {
  const auto* at = reinterpret_cast<const unsigned char*>(text.data());
  std::size_t left = text.size();
  while (left > 0) {
    // Most text is ASCII: eight bytes at a time while none has its high bit set.
    std::uint64_t word = 0;
    while (left >= sizeof word) {
      std::memcpy(&word, at, sizeof word);
      if ((word & 0x8080808080808080u) != 0) break;
      at += sizeof word;
      left -= sizeof word;
    }
    if (left == 0) break;
    const std::size_t length = utf8_length(at, left);
    if (length == 0) return false;
    at += length;
    left -= length;
  }
  return true;
}

}  // namespace migrator
