#include "adapters/mysql/row_stream.h"

#include <utility>

#include "adapters/mysql/errors.h"

namespace migrator::mysql {
namespace {

// An execution of the bulk protocol has at most the rows of a batch, and is worth a thousand
// (bulk_insert.cc).
constexpr std::size_t kRowsWorthWaiting = 1000, kBatchBytesMost = kBatchBytesTarget / 4 * 7;

}  // namespace

MysqlRowStream::MysqlRowStream(MysqlSession& session,
                               std::unique_ptr<MysqlSession::Exclusive> exclusive,
                               const ReadSpec& spec, const std::string& sql, bool wire)
    : session_(session),
      exclusive_(std::move(exclusive)),
      running_(std::make_unique<MysqlSession::Running>(session)),
      decoder_(spec.table, spec.columns, spec.misfits),
      doing_("reading " + spec.table.text()),
      columns_(static_cast<unsigned>(spec.columns.size())),
      wire_(wire) {
  if (mysql_real_query(session_.handle(), sql.data(), sql.size()) != 0) session_.fail(doing_);
  result_.reset(mysql_use_result(session_.handle()));
  if (!result_) session_.fail(doing_);
}

MysqlRowStream::~MysqlRowStream() {
  if (result_) finish_early();
}

bool MysqlRowStream::next(RowBatch& batch) {
  batch.clear();
  batch.set_columns(columns_);
  if (!result_) return false;  // the last batch found the end
  while (batch.bytes() < kBatchBytesTarget ||
         (batch.rows() < kRowsWorthWaiting && batch.bytes() < kBatchBytesMost)) {
    MYSQL_ROW row = mysql_fetch_row(result_.get());
    if (row == nullptr) {
      // The end, or an error: then what came before it is no answer either.
      if (mysql_errno(session_.handle()) != 0) fail(batch);
      result_.reset();
      running_.reset();
      return !batch.empty();
    }
    const unsigned long* lengths = mysql_fetch_lengths(result_.get());
    if (wire_) {
      append_wire(batch, row, lengths);
    } else {
      decoder_.append(batch, row, lengths);
    }
  }
  return true;
}

void MysqlRowStream::fail(RowBatch& batch) {
  batch.clear();
  // Freeing the result clears the connection's error in some versions of the library: it is taken
  // first.
  const unsigned number = mysql_errno(session_.handle());
  Error error =
      classify(number, mysql_sqlstate(session_.handle()), mysql_error(session_.handle()), doing_);
  result_.reset();
  running_.reset();
  session_.fail(std::move(error), number);
}

void MysqlRowStream::append_wire(RowBatch& batch, MYSQL_ROW row,
                                 const unsigned long* lengths) const {
  for (unsigned i = 0; i < columns_; ++i) {
    if (row[i] == nullptr) {
      batch.push_null();
    } else {
      batch.push_text({row[i], lengths[i]});
    }
  }
  batch.end_cell_row();
}

// The client library can only skip rows that it has not read, so the server is told to stop sending
// them.
void MysqlRowStream::finish_early() noexcept {
  try {
    constexpr int kWorthReading =
        200;  // rows that are read faster than a second connection is made
    for (int i = 0; i < kWorthReading; ++i) {
      if (mysql_fetch_row(result_.get()) == nullptr) {
        if (mysql_errno(session_.handle()) >= 2000) session_.mark_dead();
        result_.reset();
        return;
      }
    }
    session_.cancel_running();
    result_.reset();  // reads what is under way
    if (mysql_errno(session_.handle()) >= 2000) session_.mark_dead();
  } catch (...) {
    session_.mark_dead();
  }
}

}  // namespace migrator::mysql
