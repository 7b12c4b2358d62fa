// The three ways to get rows into a table; target.cc chooses.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include "adapters/adapter.h"
#include "adapters/mysql/session.h"
#include "adapters/mysql/value_encoder.h"

namespace migrator::mysql {

// All rows of a batch, or those that a list names.
class RowSelection {
 public:
  explicit RowSelection(std::size_t count) : count_(count) {}
  explicit RowSelection(std::span<const std::uint32_t> rows)
      : rows_(rows.data()), count_(rows.size()) {}
  std::size_t size() const { return count_; }
  std::size_t operator[](std::size_t i) const { return rows_ == nullptr ? i : rows_[i]; }

 private:
  const std::uint32_t* rows_ = nullptr;
  std::size_t count_;
};

class RowLoader {
 public:
  virtual ~RowLoader() = default;
  // The batch may be reused on return.
  virtual void load(const RowBatch& batch, const RowSelection& rows) = 0;
  virtual void flush() {}
};

// "INSERT INTO `t` (`a`, `b`) VALUES "
std::string insert_head(const WriteSpec& spec);

// Checks what an INSERT says of itself: as many rows as were sent, and no warning.
void check_loaded(MysqlSession& session, std::uint64_t sent, std::uint64_t affected,
                  unsigned warnings, const std::string& doing);

// Throws Error(data) for a row that max_allowed_packet does not let through.
[[noreturn]] void refuse_long_row(const std::string& table);

}  // namespace migrator::mysql
