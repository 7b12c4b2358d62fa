#include "adapters/mysql/insert_rows.h"

#include <algorithm>
#include <cstring>

namespace migrator::mysql {
namespace {

// Rows a statement: beyond a few hundred the server gains nothing more.
constexpr std::size_t kRowsPerStatement = 250;
// The protocol counts parameters in 16 bits.
constexpr std::size_t kParametersMax = 65'535;
constexpr std::size_t kValueOverhead = 12;
constexpr std::size_t kPacketOverhead = 4096;

}  // namespace

InsertRows::InsertRows(MysqlSession& session, const WriteSpec& spec, const RowLayout& layout)
    : session_(session),
      encoder_(spec, layout, {.negative_zero = !session.facts().mariadb}),
      head_(insert_head(spec)),
      doing_("loading " + spec.table.text()),
      table_(spec.table.text()),
      packet_bytes_max_(
          std::max<std::uint64_t>(session.facts().max_allowed_packet, 2 * kPacketOverhead) -
          kPacketOverhead),
      rows_max_(std::clamp<std::size_t>(
          kParametersMax / std::max<std::size_t>(1, spec.columns.size()), 1, kRowsPerStatement)) {
  const std::size_t values = rows_max_ * encoder_.columns();
  values_.resize(values);
  lengths_.resize(values);
  binds_.resize(values);
  scratch_.resize(values * kScratchBytes);
}

void InsertRows::prepare(std::size_t rows) {
  if (prepared_rows_ == rows) return;
  std::string row = "(";
  for (std::size_t i = 0; i < encoder_.columns(); ++i) row += i == 0 ? "?" : ",?";
  row += ')';
  std::string sql = head_;
  for (std::size_t i = 0; i < rows; ++i) {
    if (i != 0) sql += ',';
    sql += row;
  }
  statement_.reset(mysql_stmt_init(session_.handle()));
  if (!statement_) session_.fail(doing_);
  if (mysql_stmt_prepare(statement_.get(), sql.data(), sql.size()) != 0)
    session_.fail(statement_.get(), doing_);
  prepared_rows_ = rows;
}

std::size_t InsertRows::fill_row(std::size_t at, const RowBatch& batch, const Cell* cells) {
  std::size_t bytes = 0;
  for (std::size_t i = 0; i < encoder_.columns(); ++i) {
    const std::size_t slot = at * encoder_.columns() + i;
    values_[slot] = encoder_.encode(i, batch, cells[i], scratch_.data() + slot * kScratchBytes);
    bytes += values_[slot].bytes.size() + kValueOverhead;
  }
  return bytes;
}

void InsertRows::load(const RowBatch& batch, const RowSelection& rows) {
  std::size_t count = 0, bytes = 0;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    const Cell* cells = batch.row(rows[i]);
    std::size_t row_bytes = fill_row(count, batch, cells);
    if (row_bytes > packet_bytes_max_) refuse_long_row(table_);
    if (bytes + row_bytes > packet_bytes_max_) {
      execute(count);
      count = bytes = 0;
      row_bytes = fill_row(count, batch, cells);
    }
    bytes += row_bytes;
    if (++count == rows_max_) {
      execute(count);
      count = bytes = 0;
    }
  }
  if (count != 0) execute(count);
}

void InsertRows::execute(std::size_t count) {
  std::uint64_t affected = 0;
  {
    const MysqlSession::Running running(session_);
    prepare(count);
    std::memset(binds_.data(), 0, binds_.size() * sizeof(MYSQL_BIND));
    for (std::size_t slot = 0; slot < count * encoder_.columns(); ++slot) {
      MYSQL_BIND& bind = binds_[slot];
      Encoded& value = values_[slot];
      const Form form = encoder_.form(slot % encoder_.columns());
      if (value.null) {
        bind.buffer_type = MYSQL_TYPE_NULL;
      } else if (form == Form::integer || form == Form::unsigned_integer) {
        bind.buffer_type = MYSQL_TYPE_LONGLONG;
        bind.buffer = &value.integer;
        bind.is_unsigned = form == Form::unsigned_integer ? 1 : 0;
      } else if (form == Form::real) {
        bind.buffer_type = MYSQL_TYPE_DOUBLE;
        bind.buffer = &value.real;
      } else {
        bind.buffer_type = form == Form::text ? MYSQL_TYPE_STRING : MYSQL_TYPE_BLOB;
        bind.buffer = const_cast<char*>(value.bytes.data() != nullptr ? value.bytes.data() : "");
        lengths_[slot] = value.bytes.size();
        bind.buffer_length = lengths_[slot];
        bind.length = &lengths_[slot];
      }
    }
    if (mysql_stmt_bind_param(statement_.get(), binds_.data()) != 0)
      session_.fail(statement_.get(), doing_);
    if (mysql_stmt_execute(statement_.get()) != 0) session_.fail(statement_.get(), doing_);
    affected = mysql_stmt_affected_rows(statement_.get());
  }
  check_loaded(session_, count, affected, mysql_warning_count(session_.handle()), doing_);
}

}  // namespace migrator::mysql
