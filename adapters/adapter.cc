#include "adapters/adapter.h"

#include <algorithm>
#include <limits>

#include <fmt/format.h>

#include "adapters/codec.h"

namespace migrator {
namespace {

Error not_a(std::string_view wanted, std::string_view found) {
  return Error(ErrorKind::invariant, "the database answered with " + std::string(found) +
                                         " where " + std::string(wanted) + " was expected");
}

std::int64_t integer_of_text(std::string_view text) {
  std::int64_t parsed = 0;
  if (!parse_int64(text, parsed)) throw not_a("an integer", "a text that is none");
  return parsed;
}

std::int64_t integer_of_real(double value) {
  // 2^63 is a double exactly; every integral double below it fits.
  constexpr double kLimit = 9223372036854775808.0;
  if (!(value >= -kLimit && value < kLimit)) throw not_a("an integer", "a number out of range");
  const auto truncated = static_cast<std::int64_t>(value);
  if (static_cast<double>(truncated) != value) throw not_a("an integer", "a fraction");
  return truncated;
}

}  // namespace

std::int64_t as_integer(const Value& value) {
  if (const auto* integer = std::get_if<std::int64_t>(&value)) return *integer;
  if (const auto* number = std::get_if<std::uint64_t>(&value)) {
    constexpr auto kMax = static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max());
    if (*number > kMax) throw not_a("an integer", "a number out of range");
    return static_cast<std::int64_t>(*number);
  }
  if (const auto* real = std::get_if<double>(&value)) return integer_of_real(*real);
  if (const auto* text = std::get_if<std::string>(&value)) return integer_of_text(*text);
  // MySQL gives what it computes in a binary character set (version(), SHOW, ...) as bytes.
  if (const auto* bytes = std::get_if<Bytes>(&value)) return integer_of_text(bytes->data);
  throw not_a("an integer", "NULL");
}

std::string as_text(const Value& value) {
  if (const auto* text = std::get_if<std::string>(&value)) return *text;
  if (const auto* bytes = std::get_if<Bytes>(&value)) return bytes->data;
  if (const auto* integer = std::get_if<std::int64_t>(&value)) return std::to_string(*integer);
  if (const auto* number = std::get_if<std::uint64_t>(&value)) return std::to_string(*number);
  if (const auto* real = std::get_if<double>(&value)) {
    std::string text;
    print_double(text, *real);
    return text;
  }
  throw not_a("a text", "NULL");
}

// --- statements sent ahead, where the engine knows no such thing

void Session::send_work(const std::function<Result()>& work) {
  Sent& sent = sent_.emplace_back();
  if (!sent_error_) {
    try {
      sent.result = work();
      return;
    } catch (...) {
      sent_error_ = std::current_exception();
    }
  }
  sent.error = sent_error_;
}

void Session::send(std::string_view sql, std::span<const Value> parameters) {
  send_work([&] { return query(sql, parameters); });
}

void Session::send_otherwise(std::string_view sql, std::span<const Value> parameters) {
  if (sent_.empty()) throw Error(ErrorKind::invariant, "nothing was sent before");
  const bool done = sent_.back().result.affected > 0;
  send_work([&] { return done ? Result{} : query(sql, parameters); });
}

void Session::send_check(std::string_view sql, std::span<const Value> parameters) {
  send_work([&] {
    Result result = query(sql, parameters);
    if (result.empty() && result.affected == 0) {
      throw Error(ErrorKind::fenced, "the row that a statement stands on is not as it was");
    }
    return result;
  });
}

void Session::send_begin() {
  send_work([&] {
    begin();
    return Result{};
  });
}

void Session::send_commit() {
  send_work([&] {
    commit();
    return Result{};
  });
}

Result Session::receive() {
  if (sent_.empty()) throw Error(ErrorKind::invariant, "nothing was sent whose result is due");
  const Sent sent = std::move(sent_.front());
  sent_.pop_front();
  if (sent_.empty()) sent_error_ = nullptr;
  if (sent.error) std::rethrow_exception(sent.error);
  return sent.result;
}

void Session::drop_sent() noexcept {
  sent_.clear();
  sent_error_ = nullptr;
}

RangeDigest Source::digest(const ReadSpec& spec, const KeyRange&, const DigestForm&) {
  throw Error(ErrorKind::invariant, "there is no digest of " + spec.table.text());
}

void Source::send_read(const ReadSpec& spec, const Key& key, const RowLayout& layout) {
  session().send_work([&] {
    Result result;
    RowBatch& row = sent_rows_.emplace_back();
    try {
      const auto stream = read_keys(spec, {&key, 1}, layout);
      result.affected = stream->next(row) ? row.rows() : 0;
    } catch (const Error& error) {
      if (error.kind() != ErrorKind::data) throw;
      row.clear();
      result.affected = 1;
    }
    return result;
  });
}

bool Source::receive_row(RowBatch& batch) {
  batch.clear();
  const Result result = [&] {
    try {
      return session().receive();
    } catch (...) {
      sent_rows_.clear();  // all behind it have failed, too
      throw;
    }
  }();
  batch = std::move(sent_rows_.front());
  sent_rows_.pop_front();
  return result.affected > 0;
}

void Target::send_replace(const WriteSpec& spec, const RowBatch& key, const RowLayout& key_layout,
                          const RowBatch& row, const RowLayout& layout) {
  session().send_work([&] {
    const auto sink = replace(spec, key, key_layout, layout);
    if (!row.empty()) sink->write(row);
    sink->finish();
    return Result{};
  });
}

// --- SQL that most engines share

std::vector<Dialect::BoundSql> Dialect::upsert(const TableName& table,
                                               const std::vector<std::string>& columns,
                                               const std::vector<std::size_t>& key) const {
  BoundSql insert;
  std::string names, values, keys, set;
  for (std::size_t at = 0; at < columns.size(); ++at) {
    const std::string name = quote(columns[at]);
    const char* comma = at == 0 ? "" : ", ";
    names += comma + name;
    values += comma + placeholder(static_cast<int>(at) + 1);
    insert.parameters.push_back(at);
    if (std::find(key.begin(), key.end(), at) != key.end()) continue;
    set += fmt::format("{}{} = excluded.{}", set.empty() ? "" : ", ", name, name);
  }
  for (const std::size_t at : key) keys += (keys.empty() ? "" : ", ") + quote(columns.at(at));
  insert.sql = fmt::format("INSERT INTO {} ({}) VALUES ({}) ON CONFLICT ({}) DO {}", quote(table),
                           names, values, keys, set.empty() ? "NOTHING" : "UPDATE SET " + set);
  return {insert};
}

std::string Dialect::own_raise(std::string_view table, const std::vector<std::string>& columns,
                               std::size_t key_columns) const {
  std::string names, values, keys, set, old, fresh;
  for (std::size_t at = 0; at < columns.size(); ++at) {
    const std::string comma = at == 0 ? "" : ", ";
    names += comma + columns[at];
    values += comma + placeholder(static_cast<int>(at) + 1);
    if (at < key_columns) {
      keys += comma + columns[at];
      continue;
    }
    const std::string between = set.empty() ? "" : ", ";
    set += between + columns[at] + " = excluded." + columns[at];
    old += between + "held." + columns[at];
    fresh += between + "excluded." + columns[at];
  }
  return fmt::format(
      "INSERT INTO {} AS held ({}) VALUES ({}) ON CONFLICT ({}) DO UPDATE SET {} WHERE ({}) < ({}) "
      "RETURNING 1",
      table, names, values, keys, set, old, fresh);
}

}  // namespace migrator
