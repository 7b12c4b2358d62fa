#include "migrator/verify/json_form.h"

#include <cstdint>
#include <map>
#include <vector>

#include <nlohmann/json.hpp>

namespace migrator {
namespace {

// "1.50e3" -> "15e2": the digits without zeros at either end, and the power of ten. So any two
// spellings of one number give one text, with no rounding on the way.
std::string canonical_number(std::string_view text) {
  std::string digits;
  std::int64_t exponent = 0;
  bool negative = false, fraction = false;
  std::size_t at = 0;
  if (!text.empty() && text[0] == '-') negative = true, at = 1;
  for (; at < text.size(); ++at) {
    const char c = text[at];
    if (c == '.') {
      fraction = true;
    } else if (c == 'e' || c == 'E') {
      exponent += std::strtoll(std::string(text.substr(at + 1)).c_str(), nullptr, 10);
      break;
    } else {
      digits += c;
      if (fraction) --exponent;
    }
  }
  const std::size_t first = digits.find_first_not_of('0');
  if (first == std::string::npos) return "0";
  digits.erase(0, first);
  while (digits.back() == '0') digits.pop_back(), ++exponent;
  return (negative ? "-" : "") + digits + "e" + std::to_string(exponent);
}

// Builds the canonical text as the parser calls: one open container a level.
class Canonicaliser : public nlohmann::json_sax<nlohmann::json> {
 public:
  std::string result;

  bool null() override { return put("null"); }
  bool boolean(bool value) override { return put(value ? "true" : "false"); }
  bool number_integer(number_integer_t value) override {
    return put(canonical_number(std::to_string(value)));
  }
  bool number_unsigned(number_unsigned_t value) override {
    return put(canonical_number(std::to_string(value)));
  }
  bool number_float(number_float_t, const string_t& text) override {
    return put(canonical_number(text));
  }
  bool string(string_t& value) override { return put(nlohmann::json(value).dump()); }
  bool binary(binary_t&) override { return false; }
  bool start_object(std::size_t) override {
    open_.push_back({true, {}, {}, {}});
    return true;
  }
  bool key(string_t& value) override {
    open_.back().key = value;
    return true;
  }
  bool end_object() override {
    std::string text = "{";
    for (const auto& [key, value] : open_.back().members) {
      if (text.size() > 1) text += ',';
      text += nlohmann::json(key).dump() + ":" + value;
    }
    open_.pop_back();
    return put(text + "}");
  }
  bool start_array(std::size_t) override {
    open_.push_back({false, {}, {}, {}});
    return true;
  }
  bool end_array() override {
    const std::string text = "[" + open_.back().elements + "]";
    open_.pop_back();
    return put(text);
  }
  bool parse_error(std::size_t, const std::string&, const nlohmann::detail::exception&) override {
    return false;
  }

 private:
  struct Container {
    bool object;
    std::string key;
    std::map<std::string, std::string> members;
    std::string elements;
  };

  bool put(std::string text) {
    if (open_.empty()) {
      result = std::move(text);
    } else if (open_.back().object) {
      open_.back().members[open_.back().key] = std::move(text);
    } else {
      if (!open_.back().elements.empty()) open_.back().elements += ',';
      open_.back().elements += text;
    }
    return true;
  }

  std::vector<Container> open_;
};

}  // namespace

std::optional<std::string> canonical_json(std::string_view text) {
  Canonicaliser canonicaliser;
  if (!nlohmann::json::sax_parse(text.begin(), text.end(), &canonicaliser)) return std::nullopt;
  return std::move(canonicaliser.result);
}

}  // namespace migrator
