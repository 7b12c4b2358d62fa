// The rows of one SELECT, as the server sends them.
#pragma once

#include <memory>
#include <string>

#include "adapters/mysql/codec.h"
#include "adapters/mysql/session.h"

namespace migrator::mysql {

class MysqlRowStream final : public RowStream {
 public:
  MysqlRowStream(MysqlSession& session, std::unique_ptr<MysqlSession::Exclusive> exclusive,
                 const ReadSpec& spec, const std::string& sql, bool wire);
  ~MysqlRowStream() override;
  bool next(RowBatch& batch) override;

 private:
  void append_wire(RowBatch& batch, MYSQL_ROW row, const unsigned long* lengths) const;
  [[noreturn]] void fail(RowBatch& batch);
  void finish_early() noexcept;

  MysqlSession& session_;
  std::unique_ptr<MysqlSession::Exclusive> exclusive_;
  std::unique_ptr<MysqlSession::Running> running_;  // until the last row
  const RowDecoder decoder_;
  const std::string doing_;
  const unsigned columns_;
  const bool wire_;
  ResultHandle result_;
};

}  // namespace migrator::mysql
