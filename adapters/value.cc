#include "adapters/value.h"

#include <charconv>
#include <cmath>
#include <limits>

#include <nlohmann/json.hpp>

#include "adapters/codec.h"
#include "migrator/include/migrator/error.h"

namespace migrator {
namespace {

using Json = nlohmann::json;

template <class... Fs>
struct Overloaded : Fs... {
  using Fs::operator()...;
};
template <class... Fs>
Overloaded(Fs...) -> Overloaded<Fs...>;

[[noreturn]] void refuse_key() {
  throw Error(ErrorKind::invariant, "a stored key is not in the form in which keys are stored")
      .remedy("the checkpoint file or the fence table was changed by hand: restore it");
}

// Exact, and the same on every machine: "0x1.8p+1", "-0x0p+0", "inf", "-inf", "nan".
std::string exact_text(double value) {
  if (std::isnan(value)) return "nan";
  std::string text = std::signbit(value) ? "-" : "";
  if (std::isinf(value)) return text + "inf";
  char buffer[40];
  const auto result =
      std::to_chars(buffer, buffer + sizeof buffer, std::fabs(value), std::chars_format::hex);
  return text + "0x" + std::string(buffer, result.ptr);
}

double double_of_exact(std::string_view text) {
  if (text == "nan") return std::numeric_limits<double>::quiet_NaN();
  const bool negative = text.starts_with('-');
  if (negative) text.remove_prefix(1);
  double value = std::numeric_limits<double>::infinity();
  if (text != "inf") {
    if (!text.starts_with("0x")) refuse_key();
    text.remove_prefix(2);
    const char* end = text.data() + text.size();
    const auto result = std::from_chars(text.data(), end, value, std::chars_format::hex);
    if (result.ec != std::errc() || result.ptr != end) refuse_key();
  }
  return negative ? -value : value;
}

std::string hex(std::string_view bytes) {
  std::string text;
  print_hex(text, bytes);
  return text;
}

std::string bytes_of_hex(const std::string& text) {
  std::string bytes;
  if (!parse_hex(text, bytes)) refuse_key();
  return bytes;
}

Json json_of(const Value& value) {
  return std::visit(Overloaded{
                        [](std::monostate) { return Json(nullptr); },
                        [](std::int64_t integer) { return Json(integer); },
                        [](std::uint64_t number) {
                          return Json{{"u", std::to_string(number)}};
                        },
                        [](double real) {
                          return Json{{"d", exact_text(real)}};
                        },
                        [](const std::string& text) {
                          return is_valid_utf8(text) ? Json(text) : Json{{"t", hex(text)}};
                        },
                        [](const Bytes& bytes) {
                          return Json{{"x", hex(bytes.data)}};
                        },
                    },
                    value);
}

Value tagged_value(const std::string& tag, const std::string& text) {
  if (tag == "u") {
    std::uint64_t number = 0;
    if (!parse_uint64(text, number)) refuse_key();
    return number;
  }
  if (tag == "d") return double_of_exact(text);
  if (tag == "x") return Bytes{bytes_of_hex(text)};
  if (tag == "t") return bytes_of_hex(text);
  refuse_key();
}

Value value_of(const Json& json) {
  if (json.is_null()) return std::monostate{};
  if (json.is_string()) return json.get<std::string>();
  if (json.is_number_unsigned()) {
    constexpr auto kMax = static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max());
    const auto number = json.get<std::uint64_t>();
    if (number > kMax) refuse_key();
    return static_cast<std::int64_t>(number);
  }
  if (json.is_number_integer()) return json.get<std::int64_t>();
  if (!json.is_object() || json.size() != 1 || !json.begin()->is_string()) refuse_key();
  return tagged_value(json.begin().key(), json.begin()->get<std::string>());
}

// Text for a terminal: quotes doubled, and nothing in it that could steer the terminal.
std::string terminal_text(std::string_view text) {
  const bool valid = is_valid_utf8(text);
  std::string out = "'";
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '\'') {
      out += "''";
    } else if (byte < 0x20 || byte == 0x7F || (!valid && byte >= 0x80)) {
      out += "\\x";
      print_hex(out, std::string_view(&c, 1));
    } else {
      out += c;
    }
  }
  return out + "'";
}

std::string describe_value(const Value& value) {
  return std::visit(Overloaded{
                        [](std::monostate) { return std::string("NULL"); },
                        [](std::int64_t integer) { return std::to_string(integer); },
                        [](std::uint64_t number) { return std::to_string(number); },
                        [](double real) {
                          std::string text;
                          print_double(text, real);
                          return text;
                        },
                        [](const std::string& text) { return terminal_text(text); },
                        [](const Bytes& bytes) { return "x'" + hex(bytes.data) + "'"; },
                    },
                    value);
}

}  // namespace

std::string encode_key(const Key& key) {
  Json array = Json::array();
  for (const Value& value : key) array.push_back(json_of(value));
  return array.dump();
}

Key decode_key(std::string_view text) {
  const Json array = Json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (!array.is_array()) refuse_key();
  Key key;
  key.reserve(array.size());
  for (const Json& value : array) key.push_back(value_of(value));
  // The form of a key is unique; whatever else reads as one was not written here.
  if (encode_key(key) != text) refuse_key();
  return key;
}

std::string describe(const Key& key) {
  std::string text = "(";
  for (const Value& value : key) {
    if (text.size() > 1) text += ", ";
    text += describe_value(value);
  }
  return text + ")";
}

std::string describe(const KeyRange& range) {
  if (!range.lower && !range.upper) return "all keys";
  std::string text = "keys";
  if (range.lower) text += " after " + describe(*range.lower);
  if (range.upper) text += " up to " + describe(*range.upper);
  return text;
}

}  // namespace migrator
