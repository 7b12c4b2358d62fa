#include "adapters/mysql/bulk_insert.h"

#include <algorithm>
#include <cstring>

#include "adapters/mysql/result.h"

namespace migrator::mysql {
namespace {

// Rows an execution. Measured on rows of 400 bytes in ten columns: 100 rows load a third slower,
// 1000 are as fast as 5000, and an error costs the fewer rows again the smaller it is.
constexpr std::size_t kRowsPerExecute = 1000;
// Bytes a value costs in the packet beside its text: indicator and length, or the whole of a
// datetime.
constexpr std::size_t kValueOverhead = 13;
constexpr std::size_t kPacketOverhead = 4096;

}  // namespace

#ifdef MARIADB_PACKAGE_VERSION_ID

bool client_has_bulk() { return true; }

namespace {

void set_indicators(MYSQL_BIND& bind, std::vector<char>& indicators) {
  bind.u.indicator = indicators.data();
}

void set_array_size(MYSQL_STMT* statement, std::size_t rows) {
  auto count = static_cast<unsigned>(rows);
  mysql_stmt_attr_set(statement, STMT_ATTR_ARRAY_SIZE, &count);
}

constexpr char kIndicatorNull = STMT_INDICATOR_NULL;
constexpr char kIndicatorNone = STMT_INDICATOR_NONE;

}  // namespace

#else

bool client_has_bulk() { return false; }

namespace {

void set_indicators(MYSQL_BIND&, std::vector<char>&) {}
void set_array_size(MYSQL_STMT*, std::size_t) {}
constexpr char kIndicatorNull = 1;
constexpr char kIndicatorNone = 0;

}  // namespace

#endif

BulkInsert::BulkInsert(MysqlSession& session, const WriteSpec& spec, const RowLayout& layout)
    : session_(session),
      encoder_(spec, layout,
               {.encoding = Encoding::binary, .negative_zero = !session.facts().mariadb}),
      doing_("loading " + spec.table.text()),
      table_(spec.table.text()),
      packet_bytes_max_(
          std::max<std::uint64_t>(session.facts().max_allowed_packet, 2 * kPacketOverhead) -
          kPacketOverhead),
      statement_(mysql_stmt_init(session.handle())) {
  if (!client_has_bulk())
    throw Error(ErrorKind::invariant, "this build's client library cannot bind arrays");
  if (!statement_) session.fail(doing_);
  std::string sql = insert_head(spec) + "(";
  for (std::size_t i = 0; i < spec.columns.size(); ++i) sql += i == 0 ? "?" : ",?";
  sql += ')';
  const MysqlSession::Running running(session_);
  if (mysql_stmt_prepare(statement_.get(), sql.data(), sql.size()) != 0)
    session_.fail(statement_.get(), doing_);
  make_arrays();
  bind();
}

void BulkInsert::make_arrays() {
  for (std::size_t i = 0; i < encoder_.columns(); ++i) {
    Array& array = arrays_.emplace_back();
    array.form = encoder_.form(i);
    if (array.form == Form::text || array.form == Form::bytes || array.form == Form::datetime) {
      array.pointers.resize(kRowsPerExecute);
      array.lengths.resize(kRowsPerExecute);
    } else if (array.form == Form::real) {
      array.reals.resize(kRowsPerExecute);
    } else {
      array.integers.resize(kRowsPerExecute);
    }
    if (encoder_.nullable(i)) array.indicators.resize(kRowsPerExecute);
    if (encoder_.needs_scratch(i)) array.scratch.resize(kRowsPerExecute * kScratchBytes);
  }
}

void BulkInsert::bind() {
  std::vector<MYSQL_BIND> binds(arrays_.size());
  std::memset(binds.data(), 0, binds.size() * sizeof(MYSQL_BIND));
  for (std::size_t i = 0; i < arrays_.size(); ++i) {
    Array& array = arrays_[i];
    MYSQL_BIND& bind = binds[i];
    switch (array.form) {
      case Form::integer:
      case Form::unsigned_integer:
        bind.buffer_type = MYSQL_TYPE_LONGLONG;
        bind.buffer = array.integers.data();
        bind.is_unsigned = array.form == Form::unsigned_integer ? 1 : 0;
        break;
      case Form::real:
        bind.buffer_type = MYSQL_TYPE_DOUBLE;
        bind.buffer = array.reals.data();
        break;
      case Form::datetime:
        bind.buffer_type = MYSQL_TYPE_DATETIME;
        bind.buffer = array.pointers.data();
        bind.length = array.lengths.data();
        break;
      case Form::text:
      case Form::bytes:
        bind.buffer_type = array.form == Form::text ? MYSQL_TYPE_STRING : MYSQL_TYPE_BLOB;
        bind.buffer = array.pointers.data();
        bind.length = array.lengths.data();
        break;
    }
    if (!array.indicators.empty()) set_indicators(bind, array.indicators);
  }
  // Before binding, for binding reads it.
  set_array_size(statement_.get(), 1);
  if (mysql_stmt_bind_param(statement_.get(), binds.data()) != 0)
    session_.fail(statement_.get(), doing_);
}

// Points slot `at` of the arrays at the row's values; returns the bytes they take in the packet.
std::size_t BulkInsert::fill_row(std::size_t at, const RowBatch& batch, const Cell* cells) {
  std::size_t bytes = arrays_.size() * kValueOverhead;
  for (std::size_t i = 0; i < arrays_.size(); ++i) {
    Array& array = arrays_[i];
    char* scratch = array.scratch.empty() ? nullptr : array.scratch.data() + at * kScratchBytes;
    const Encoded value = encoder_.encode(i, batch, cells[i], scratch);
    if (!array.indicators.empty())
      array.indicators[at] = value.null ? kIndicatorNull : kIndicatorNone;
    switch (array.form) {
      case Form::integer:
      case Form::unsigned_integer:
        array.integers[at] = value.integer;
        break;
      case Form::real:
        array.reals[at] = value.real;
        break;
      case Form::datetime:
        array.pointers[at] = value.bytes.data();
        break;
      case Form::text:
      case Form::bytes:
        // An empty value still needs an address: a null pointer is sent as NULL.
        array.pointers[at] = value.bytes.data() != nullptr ? value.bytes.data() : "";
        array.lengths[at] = value.bytes.size();
        bytes += value.bytes.size();
        break;
    }
  }
  return bytes;
}

void BulkInsert::load(const RowBatch& batch, const RowSelection& rows) {
  // Executions of about the same size, so that none is left with a few rows.
  const std::size_t executions = (rows.size() + kRowsPerExecute - 1) / kRowsPerExecute;
  const std::size_t share = executions == 0 ? 0 : (rows.size() + executions - 1) / executions;
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
    if (++count == share) {
      execute(count);
      count = bytes = 0;
    }
  }
  if (count != 0) execute(count);
}

void BulkInsert::execute(std::size_t count) {
  std::uint64_t affected = 0;
  {
    const MysqlSession::Running running(session_);
    set_array_size(statement_.get(), count);
    if (mysql_stmt_execute(statement_.get()) != 0) session_.fail(statement_.get(), doing_);
    affected = mysql_stmt_affected_rows(statement_.get());
  }
  check_loaded(session_, count, affected, mysql_warning_count(session_.handle()), doing_);
}

}  // namespace migrator::mysql
