// From YAML to a Plan. What a key means and which values it takes is in README.md and
// plan.schema.json; a test holds the schema against this file.

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <limits>
#include <map>
#include <set>
#include <utility>

#include <fcntl.h>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <sys/stat.h>
#include <unistd.h>

#include "migrator/include/migrator/error.h"
#include "plans/plan.h"
#include "plans/yaml_document.h"
#include "plans/yaml_keys.h"
#include "plans/yaml_values.h"

namespace migrator {
namespace {

using yaml::Field;
using yaml::Node;
using yaml::Section;
using yaml::ValueReader;

constexpr int kVersion = 1;

constexpr std::uint64_t kRejectsMax = 1'000'000'000;
constexpr std::uint64_t kSessionsMax = 100'000;
constexpr std::uint64_t kSampleLogMax = 1'000'000;
constexpr std::size_t kRechecksMost = 10;
constexpr std::chrono::minutes kRecheckMax{5};
constexpr std::chrono::hours kLagMax{24};

// A mapping whose keys are all known.
class Fields {
 public:
  // REQUIRES: field.node outlives this.
  Fields(ValueReader& values, const Field& field, const Section& section)
      : values_(values), field_(field) {
    values_.count_visit(field);
    if (field.node->kind == Node::Kind::null) return;
    if (field.node->kind != Node::Kind::mapping) {
      throw values_
          .error(field,
                 fmt::format("{} has to be a mapping, not {}", called(), describe(*field.node)))
          .remedy(fmt::format("Write keys and values; the keys are {}.",
                              fmt::join(section.keys, ", ")));
    }
    for (const yaml::Entry& entry : field.node->entries) {
      if (std::find(section.keys.begin(), section.keys.end(), entry.key) != section.keys.end()) {
        continue;
      }
      throw values_
          .error({nullptr, entry.key_at, ""},
                 fmt::format("unknown key {}{}", yaml::quote(entry.key),
                             suggest_key(section, entry.key)))
          .remedy(fmt::format("The keys here are {}.", fmt::join(section.keys, ", ")));
    }
  }

  // Field::node is null if the key is not there.
  Field find(std::string_view key) const {
    for (const yaml::Entry& entry : field_.node->entries) {
      if (entry.key != key) continue;
      // An empty value has no place of its own.
      const auto at = entry.value->kind == Node::Kind::null ? entry.key_at : entry.value->at;
      return {entry.value.get(), at, name(key)};
    }
    return {};
  }

  Field require(std::string_view key, const std::string& remedy) const {
    Field found = find(key);
    if (found.node == nullptr) {
      throw values_.error(field_, fmt::format("{} has no key \"{}\"", called(), key))
          .remedy(remedy);
    }
    return found;
  }

 private:
  std::string called() const { return field_.name.empty() ? "the plan" : field_.name; }
  std::string name(std::string_view key) const {
    return field_.name.empty() ? std::string(key) : fmt::format("{}.{}", field_.name, key);
  }

  ValueReader& values_;
  Field field_;
};

class PlanReader {
 public:
  PlanReader(const std::string& label, const Environment& environment)
      : values_(label, environment) {}

  Plan read(const Node& root) {
    const Field top{&root, root.at, ""};
    if (root.kind == Node::Kind::null) {
      throw values_.error(top, "the plan is empty")
          .remedy("Write one with `migrate plan`, or start from an example in plans/examples.");
    }
    if (root.kind != Node::Kind::mapping) {
      throw values_.error(top, fmt::format("a plan has to be a mapping, not {}", describe(root)))
          .remedy("Start with `version: 1`; plans/examples has plans to start from.");
    }
    Plan plan;
    plan.version = read_version(top);
    const Fields fields(values_, top, yaml::kPlanSection);
    plan.name = read_plan_name(fields.require("name", "Give the migration a name: `name: shop`."));
    plan.source_url = values_.read_url(fields.require(
        "source", "Say where the rows come from: `source: ${SOURCE_URL}` or a URL."));
    plan.target_url = values_.read_url(
        fields.require("target", "Say where the rows go to: `target: ${TARGET_URL}` or a URL."));
    plan.checkpoint = read_checkpoint(fields.find("checkpoint"), plan.name);
    if (const Field capture = fields.find("capture"); capture.node) {
      plan.capture = read_capture(capture);
    }
    if (const Field inline_writes = fields.find("inline_writes"); inline_writes.node) {
      plan.inline_writes = values_.read_boolean(inline_writes);
      if (plan.inline_writes && plan.capture == "none") {
        throw values_
            .error(inline_writes,
                   "inline_writes goes together with capture alone: without it "
                   "nothing makes right what a write to the target misses")
            .remedy("Write `capture: trigger` or `capture: shim`, or take the key away.");
      }
    }
    plan.tables =
        read_tables(fields.require("tables", "List the tables: `tables: [{name: orders}]`."));
    if (const Field backfill = fields.find("backfill"); backfill.node) {
      plan.backfill = read_backfill(backfill);
    }
    if (const Field verify = fields.find("verify"); verify.node) plan.verify = read_verify(verify);
    return plan;
  }

 private:
  // Before all other keys: those of a later version need not be known here.
  int read_version(const Field& top) {
    for (const yaml::Entry& entry : top.node->entries) {
      if (entry.key != "version") continue;
      const auto at = entry.value->kind == Node::Kind::null ? entry.key_at : entry.value->at;
      const Field field{entry.value.get(), at, "version"};
      const std::uint64_t version = values_.read_number(field, 1, std::numeric_limits<int>::max());
      if (version > kVersion) {
        throw values_
            .error(field, fmt::format("the plan is written for a newer migrate; this one knows "
                                      "version {} of the format",
                                      kVersion))
            .remedy("Upgrade migrate.");
      }
      return static_cast<int>(version);
    }
    throw values_.error(top, "the plan has no key \"version\"")
        .remedy(fmt::format("Add the line `version: {}`.", kVersion));
  }

  // The name becomes part of file names and of what is written into the target.
  std::string read_plan_name(const Field& field) {
    constexpr std::size_t kLengthMax = 63;
    std::string name = values_.read_text(field);
    const bool good =
        name.size() <= kLengthMax && std::all_of(name.begin(), name.end(), [](char c) {
          return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
                 c == '_' || c == '-';
        });
    if (!good) {
      throw values_
          .error(field, fmt::format("name has to be 1 to {} letters (A-Z), digits, _ or -, not {}",
                                    kLengthMax, values_.shown(field)))
          .remedy("Choose a shorter or plainer name, such as shop-to-postgres.");
    }
    return name;
  }

  std::string read_checkpoint(const Field& field, const std::string& plan_name) {
    if (field.node == nullptr) return plan_name + ".migrate.db";
    std::string path = values_.read_text(field);
    if (path.starts_with("~/")) {
      throw values_.error(field, "checkpoint starts with ~, which stands for nothing here")
          .remedy("Write ${HOME} in its place.");
    }
    if (path.ends_with('/')) {
      throw values_.error(field, "checkpoint is a folder's name")
          .remedy("Write the name of a file, such as state/shop.migrate.db.");
    }
    return path;
  }

  std::string read_capture(const Field& field) {
    std::string way = values_.read_text(field);
    if (way == "none" || way == "trigger" || way == "shim") return way;
    throw values_
        .error(field,
               fmt::format("capture has to be trigger, shim or none, not {}", values_.shown(field)))
        .remedy(
            "Write `capture: trigger` to follow every write to the source, `capture: shim` where "
            "all of them go through the shim, or `capture: none` and stop all writers during the "
            "copy.");
  }

  std::vector<TablePlan> read_tables(const Field& field) {
    values_.count_visit(field);
    if (field.node->kind != Node::Kind::sequence && field.node->kind != Node::Kind::null) {
      throw values_
          .error(field, fmt::format("tables has to be a list, not {}", describe(*field.node)))
          .remedy("Start each table with a dash: `- name: orders`.");
    }
    if (field.node->items.empty()) {
      throw values_.error(field, "tables is empty: there is nothing to migrate")
          .remedy("List at least one table: `- name: orders`.");
    }
    std::vector<TablePlan> tables;
    std::map<std::string, yaml::Position> names, targets;
    for (const auto& item : field.node->items) {
      const Field table_field{item.get(), item->kind == Node::Kind::null ? field.at : item->at,
                              "table"};
      if (item->kind != Node::Kind::mapping) {
        throw values_
            .error(table_field, fmt::format("a table has to be a mapping, not {}", describe(*item)))
            .remedy("Write `- name: orders`.");
      }
      const Fields fields(values_, table_field, yaml::kTableSection);
      tables.push_back(read_table(fields));
      refuse_second(names, tables.back().name, fields.find("name"), "is in the plan twice",
                    "Take out one of the two.");
      const std::string& target = tables.back().to.empty() ? tables.back().name : tables.back().to;
      refuse_second(targets, target, fields.find(tables.back().to.empty() ? "name" : "to"),
                    "is the target of two tables",
                    "Give one of them another name on the target with `to`.");
    }
    return tables;
  }

  void refuse_second(std::map<std::string, yaml::Position>& seen, const std::string& name,
                     const Field& field, const char* what, const char* remedy) {
    const auto [first, inserted] = seen.emplace(name, field.at);
    if (inserted) return;
    throw values_
        .error(field, fmt::format("the table {} {}; first on line {}", values_.shown(field), what,
                                  first->second.line))
        .remedy(remedy);
  }

  TablePlan read_table(const Fields& fields) {
    TablePlan table;
    table.name =
        values_.read_name(fields.require("name", "Give the table's name: `- name: orders`."));
    if (const Field to = fields.find("to"); to.node) table.to = values_.read_name(to);
    if (table.to == table.name) table.to.clear();
    if (const Field columns = fields.find("columns"); columns.node) {
      table.columns = read_columns(columns);
    }
    if (const Field key = fields.find("key"); key.node) table.key = read_key(key, table.columns);
    if (const Field where = fields.find("where"); where.node)
      table.where = values_.read_text(where);
    return table;
  }

  std::vector<std::string> read_key(const Field& field,
                                    const std::map<std::string, ColumnPlan>& columns) {
    values_.count_visit(field);
    if (field.node->kind != Node::Kind::sequence || field.node->items.empty()) {
      throw values_
          .error(field,
                 fmt::format("{} has to be a list of columns, not {}", field.name,
                             field.node->kind == Node::Kind::sequence ? "an empty one"
                                                                      : describe(*field.node)))
          .remedy("Write `key: [id]`, or leave it out for the primary key.");
    }
    std::vector<std::string> key;
    std::set<std::string> seen;
    for (const auto& item : field.node->items) {
      const Field column{item.get(), item->kind == Node::Kind::null ? field.at : item->at,
                         "a column of the key"};
      key.push_back(values_.read_name(column));
      if (!seen.insert(key.back()).second) {
        throw values_
            .error(column, fmt::format("the column {} is in the key twice", values_.shown(column)))
            .remedy("Take out one of the two.");
      }
      const auto found = columns.find(key.back());
      if (found != columns.end() && found->second.drop) {
        throw values_
            .error(column, fmt::format("the key's column {} is dropped under columns",
                                       values_.shown(column)))
            .remedy("Keep the column: without its key a row cannot be found again on the target.");
      }
    }
    return key;
  }

  std::map<std::string, ColumnPlan> read_columns(const Field& field) {
    values_.count_visit(field);
    std::map<std::string, ColumnPlan> columns;
    if (field.node->kind == Node::Kind::null) return columns;
    if (field.node->kind != Node::Kind::mapping) {
      throw values_
          .error(field,
                 fmt::format("{} has to be a mapping, not {}", field.name, describe(*field.node)))
          .remedy(
              "Write `columns: {old_name: new_name, unwanted: null}`; columns that are not named "
              "are copied as they are.");
    }
    std::map<std::string, yaml::Position> targets;
    for (const yaml::Entry& entry : field.node->entries) {
      const bool empty = entry.value->kind == Node::Kind::null;
      const Field value{entry.value.get(), empty ? entry.key_at : entry.value->at,
                        "column " + yaml::quote(entry.key)};
      if (entry.key.empty()) {
        throw values_.error({nullptr, entry.key_at, ""}, "a column's name is empty")
            .remedy("Write the name of a column of the source.");
      }
      const ColumnPlan column = read_column(value, entry.key);
      columns.emplace(entry.key, column);
      if (column.drop) continue;
      const auto [first, inserted] =
          targets.emplace(column.to.empty() ? entry.key : column.to, value.at);
      if (!inserted) {
        throw values_
            .error(value,
                   fmt::format("{} gets the same name on the target as the column on line {}",
                               value.name, first->second.line))
            .remedy("Give one of the two another name.");
      }
    }
    return columns;
  }

  ColumnPlan read_column(const Field& field, const std::string& name) {
    ColumnPlan column;
    if (field.node->kind == Node::Kind::null) {
      values_.count_visit(field);
      // Nothing after the colon is more often a line not finished than a wish to lose the column.
      if (!field.node->spelled) {
        throw values_.error(field, fmt::format("{} has no value", field.name))
            .remedy(
                "Write null to leave the column out, or its new name, or {to: ..., type: ...}.");
      }
      column.drop = true;
      return column;
    }
    if (field.node->kind == Node::Kind::scalar) {
      column.to = values_.read_name(field);
    } else {
      const Fields fields(values_, field, yaml::kColumnSection);
      const Field to = fields.find("to"), type = fields.find("type");
      if (to.node == nullptr && type.node == nullptr) {
        throw values_.error(field, fmt::format("{} says neither to nor type", field.name))
            .remedy("Write {to: new_name}, {type: \"numeric(12,2)\"} or both, or take it out.");
      }
      if (to.node != nullptr) column.to = values_.read_name(to);
      if (type.node != nullptr) column.type = values_.read_text(type);
    }
    if (column.to == name) column.to.clear();
    return column;
  }

  BackfillPlan read_backfill(const Field& field) {
    BackfillPlan plan;
    const Fields fields(values_, field, yaml::kBackfillSection);
    std::uint64_t jobs = static_cast<std::uint64_t>(plan.jobs);
    number(fields, "jobs", 1, kJobsMax, jobs);
    plan.jobs = static_cast<int>(jobs);
    if (const Field chunk = fields.find("chunk"); chunk.node) read_chunk(chunk, plan);
    number(fields, "rows_per_second", 0, kRowsPerSecondMax, plan.rows_per_second);
    size(fields, "bytes_per_second", 0, kBytesPerSecondMax, plan.bytes_per_second);
    number(fields, "max_rejects", 0, kRejectsMax, plan.rejects_max);
    if (const Field throttle = fields.find("throttle"); throttle.node) {
      plan.throttle = read_throttle(throttle);
    }
    return plan;
  }

  void read_chunk(const Field& field, BackfillPlan& plan) {
    const Fields fields(values_, field, yaml::kChunkSection);
    std::uint64_t target_ms = 0, bytes_max = 0;  // 0, which neither may be: not given
    number(fields, "target_ms", 1, kChunkTargetMsMax, target_ms);
    if (target_ms > 0) plan.chunk_target = std::chrono::milliseconds(target_ms);
    number(fields, "max_rows", 1, kChunkRowsMax, plan.chunk_rows_max);
    size(fields, "max_bytes", kChunkBytesMin, kChunkBytesMax, bytes_max);
    if (bytes_max > 0) plan.chunk_bytes_max = bytes_max;
  }

  ThrottlePlan read_throttle(const Field& field) {
    ThrottlePlan plan;
    const Fields fields(values_, field, yaml::kThrottleSection);
    if (const Field lag = fields.find("max_lag"); lag.node) {
      plan.max_lag = values_.read_duration(lag, kLagMax);
    }
    std::uint64_t sessions = 0, lock_waits = 0;
    number(fields, "max_active_sessions", 0, kSessionsMax, sessions);
    number(fields, "max_lock_waits", 0, kSessionsMax, lock_waits);
    plan.max_active_sessions = static_cast<std::int64_t>(sessions);
    plan.max_lock_waits = static_cast<std::int64_t>(lock_waits);
    if (const Field window = fields.find("window"); window.node) {
      plan.window = values_.read_window(window);
    }
    return plan;
  }

  VerifyPlan read_verify(const Field& field) {
    VerifyPlan plan;
    const Fields fields(values_, field, yaml::kVerifySection);
    if (const Field recheck = fields.find("recheck"); recheck.node) {
      plan.recheck = read_recheck(recheck);
    }
    number(fields, "range_rows", 1, kRangeRowsMax, plan.range_rows);
    number(fields, "sample_log", 0, kSampleLogMax, plan.sample_log);
    if (const Field show = fields.find("show_values"); show.node) {
      plan.show_values = values_.read_boolean(show);
    }
    return plan;
  }

  std::vector<std::chrono::milliseconds> read_recheck(const Field& field) {
    values_.count_visit(field);
    const auto& items = field.node->items;
    if (field.node->kind != Node::Kind::sequence || items.empty() || items.size() > kRechecksMost) {
      throw values_
          .error(field, fmt::format("recheck has to be a list of 1 to {} durations", kRechecksMost))
          .remedy("Write `recheck: [50ms, 500ms, 5s]`, or leave it out.");
    }
    std::vector<std::chrono::milliseconds> waits;
    for (const auto& item : items) {
      const Field wait{item.get(), item->kind == Node::Kind::null ? field.at : item->at,
                       "a wait of recheck"};
      waits.push_back(values_.read_duration(wait, kRecheckMax));
    }
    return waits;
  }

  // Both leave `value` at its default if the key is not there.
  void number(const Fields& fields, std::string_view key, std::uint64_t min, std::uint64_t max,
              std::uint64_t& value) {
    if (const Field field = fields.find(key); field.node) {
      value = values_.read_number(field, min, max);
    }
  }
  void size(const Fields& fields, std::string_view key, std::uint64_t min, std::uint64_t max,
            std::uint64_t& value) {
    if (const Field field = fields.find(key); field.node)
      value = values_.read_size(field, min, max);
  }

  ValueReader values_;
};

class FileDescriptor {
 public:
  explicit FileDescriptor(int fd) : fd_(fd) {}
  FileDescriptor(const FileDescriptor&) = delete;
  FileDescriptor& operator=(const FileDescriptor&) = delete;
  ~FileDescriptor() {
    if (fd_ >= 0) ::close(fd_);
  }
  int get() const { return fd_; }

 private:
  int fd_;
};

Error file_error(const std::string& path, const char* what, int number) {
  const char* remedy = "Check the disk and the path.";
  if (number == ENOENT || number == ENOTDIR) {
    remedy = "Check the path, or write a plan with `migrate plan`.";
  } else if (number == EACCES || number == EPERM) {
    remedy = "Let this user read the file (chmod, or run the command as its owner).";
  }
  return Error(ErrorKind::usage, fmt::format("{}: {}: {}", path, what, std::strerror(number)))
      .code(std::to_string(number))
      .remedy(remedy);
}

struct FileText {
  std::string text;
  bool regular = true;
};

FileText read_file(const std::string& path) {
  const FileDescriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (file.get() < 0) throw file_error(path, "cannot open the plan", errno);
  struct stat status {};
  if (::fstat(file.get(), &status) != 0) throw file_error(path, "cannot read the plan", errno);
  if (S_ISDIR(status.st_mode)) {
    throw Error(ErrorKind::usage, fmt::format("{}: this is a folder, not a plan", path))
        .code(std::to_string(EISDIR))
        .remedy("Name the plan file in it.");
  }
  FileText result{"", S_ISREG(status.st_mode)};
  char buffer[65536];
  // One byte more than allowed is enough to know; parse() refuses it.
  while (result.text.size() <= yaml::kTextBytesMax) {
    const ssize_t count = ::read(file.get(), buffer, sizeof buffer);
    if (count == 0) break;
    if (count < 0) {
      if (errno == EINTR) continue;
      throw file_error(path, "cannot read the plan", errno);
    }
    result.text.append(buffer, static_cast<std::size_t>(count));
  }
  return result;
}

}  // namespace

Plan read_plan(std::string_view text, const std::string& file_label,
               const Environment& environment) {
  const auto root = yaml::parse(text, file_label);
  return PlanReader(file_label, environment).read(*root);
}

Plan read_plan_file(const std::string& path, const Environment& environment) {
  const FileText file = read_file(path);
  Plan plan = read_plan(file.text, path, environment);
  plan.file = path;
  // Absolute, so that it stays the same file wherever it is opened from. Beside a pipe there is no
  // folder.
  namespace fs = std::filesystem;
  const fs::path folder = file.regular ? fs::path(path).parent_path() : fs::path();
  std::error_code problem;
  const fs::path full = fs::absolute(folder / plan.checkpoint, problem);
  if (!problem) plan.checkpoint = full.lexically_normal().string();
  return plan;
}

}  // namespace migrator
