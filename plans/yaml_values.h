// Single values of a plan: their expansion, type and range.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>

#include "plans/plan.h"
#include "plans/yaml_document.h"

namespace migrator::yaml {

// A value and what to call it in an error: "backfill.jobs".
struct Field {
  const Node* node = nullptr;
  Position at;
  std::string name;
};

// Turns fields into values. Every function throws Error(usage) with the position of the field and
// what it has to be. Errors show the spelling in the file and never what a variable put into it.
//
// Threads: use one for one reading in one thread.
class ValueReader {
 public:
  ValueReader(std::string label, const Environment& environment)
      : label_(std::move(label)), environment_(environment) {}

  Error error(const Field& field, const std::string& message) const {
    return error_at(label_, field.at, message);
  }
  // As written, cut short, in quotes; not shown where a URL with a password may have got there by
  // mistake.
  std::string shown(const Field& field) const;
  // Counts what has been looked at, so that nested aliases cannot make a small file endless work.
  void count_visit(const Field& field);

  // Not empty, and not a plain null.
  std::string read_text(const Field& field);
  // A table's, column's or type's name: at most 512 bytes.
  std::string read_name(const Field& field);
  std::uint64_t read_number(const Field& field, std::uint64_t min, std::uint64_t max);
  std::uint64_t read_size(const Field& field, std::uint64_t min, std::uint64_t max);
  // A bare 0 is taken for 0s: without a quantity there is no unit to get wrong.
  std::chrono::milliseconds read_duration(const Field& field, std::chrono::milliseconds max);
  bool read_boolean(const Field& field);
  // Checked by Url::parse; returned as it stands.
  std::string read_url(const Field& field);
  // "HH:MM-HH:MM".
  std::string read_window(const Field& field);

 private:
  struct Value {
    std::string text;
    bool from_environment = false;
  };
  // `what`: what the field has to be, for the error: "a whole number".
  Value expanded(const Field& field, const std::string& what);
  Error wrong(const Field& field, const std::string& what) const;

  std::string label_;
  const Environment& environment_;
  std::uint64_t visits_ = 0;
};

}  // namespace migrator::yaml
