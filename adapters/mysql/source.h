// Reads tables of a MySQL or MariaDB server by key ranges.
#pragma once

#include <memory>

#include "adapters/mysql/session.h"
#include "adapters/mysql/table_keys.h"

namespace migrator::mysql {

class MysqlSource final : public Source {
 public:
  MysqlSource(ConnectionSettings settings, const SessionOptions& options);

  MysqlSession& session() override { return session_; }
  std::vector<RowLayout> layouts(const ReadSpec& spec) const override;
  std::optional<Key> nth_key(const ReadSpec& spec, const KeyRange& range, std::uint64_t n) override;
  std::optional<Key> last_key(const ReadSpec& spec) override;
  std::uint64_t null_keys(const ReadSpec& spec) override;
  std::uint64_t count(const ReadSpec& spec, const KeyRange& range) override;
  std::string range_order(const ReadSpec& spec) override;
  std::vector<DigestForm> digest_forms(const ReadSpec& spec) override;
  RangeDigest digest(const ReadSpec& spec, const KeyRange& range, const DigestForm& form) override;
  std::unique_ptr<RowStream> read(const ReadSpec& spec, const KeyRange& range,
                                  const RowLayout& layout,
                                  ReadOrder order = ReadOrder::any) override;
  std::unique_ptr<RowStream> read_keys(const ReadSpec& spec, std::span<const Key> keys,
                                       const RowLayout& layout) override;
  std::vector<bool> in_ranges(const ReadSpec& spec, std::span<const Key> keys,
                              std::span<const KeyRange> ranges) override;
  std::vector<RowLayout> key_layouts(const ReadSpec& spec) const override;
  void key_cells(const ReadSpec& spec, std::span<const Key> keys, const RowLayout& layout,
                 RowBatch& batch) override;
  std::vector<Key> keys_of(const ReadSpec& spec, const RowBatch& batch) override;
  AccessPath explain(const ReadSpec& spec) override;

 private:
  // The rows that meet the condition; `order`: " ORDER BY ..." or "".
  std::unique_ptr<RowStream> stream(const ReadSpec& spec, const std::string& condition,
                                    const std::string& order, const RowLayout& layout,
                                    bool by_index = true);
  std::optional<Key> one_key(const ReadSpec& spec, const std::string& tail);
  // " FROM `t` FORCE INDEX (`k`)": without the hint the optimiser may prefer a scan and a sort for
  // a range that looks large to it.
  std::string from(const ReadSpec& spec);

  MysqlSession session_;
  TableKeys keys_;
};

// The conditions of a range and of the spec's own `where`, as " WHERE ..." or "".
std::string where_clause(const std::string& range, const std::string& where);

}  // namespace migrator::mysql
