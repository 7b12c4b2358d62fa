// Loads rows into tables of a MySQL or MariaDB server.
#pragma once

#include <memory>

#include "adapters/mysql/row_loader.h"
#include "adapters/mysql/session.h"
#include "adapters/mysql/table_keys.h"

namespace migrator::mysql {

class MysqlTarget final : public Target {
 public:
  MysqlTarget(ConnectionSettings settings, const SessionOptions& options);

  MysqlSession& session() override { return session_; }
  std::vector<RowLayout> layouts(const WriteSpec& spec) const override;
  std::unique_ptr<RowSink> load(const WriteSpec& spec, const RowLayout& layout,
                                LoadMode mode) override;
  std::unique_ptr<RowSink> replace(const WriteSpec& spec, const RowBatch& keys,
                                   const RowLayout& key_layout, const RowLayout& layout) override;
  void prepare_single(const WriteSpec& spec) override;
  void send_replace(const WriteSpec& spec, const RowBatch& key, const RowLayout& key_layout,
                    const RowBatch& row, const RowLayout& layout) override;
  std::unique_ptr<RowSink> rehearse(const WriteSpec& spec, const RowLayout& layout) override;
  std::unique_ptr<Colocation> colocate(Source& source) override;

  // The way that load() takes: what the URL forces, or the fastest that server and client library
  // know.
  LoadPath load_path() const { return path_; }

 private:
  LoadPath choose_path() const;
  // replace(), by a key that is known to be unique.
  std::unique_ptr<RowSink> replace_by_key(const WriteSpec& spec, const RowBatch& keys,
                                          const RowLayout& key_layout, const RowLayout& layout);
  std::unique_ptr<RowLoader> make_loader(const WriteSpec& spec, const RowLayout& layout);
  void check_layout(const WriteSpec& spec, const RowLayout& layout) const;

  MysqlSession session_;
  TableKeys keys_;
  const LoadPath path_;
};

// Throws Error(permanent) unless a unique index is on exactly the key: "absent by key" has no
// meaning else.
void check_merge_key(TableKeys& keys, const WriteSpec& spec);

}  // namespace migrator::mysql
