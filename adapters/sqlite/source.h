// Reads tables of a SQLite file by key ranges.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "adapters/adapter.h"
#include "adapters/sqlite/key_walk.h"
#include "adapters/sqlite/session.h"

namespace migrator::sqlite {

class Source final : public migrator::Source {
 public:
  explicit Source(std::unique_ptr<Session> session) : session_(std::move(session)) {}

  Session& session() override { return *session_; }
  std::vector<RowLayout> layouts(const ReadSpec& spec) const override;
  std::optional<Key> nth_key(const ReadSpec& spec, const KeyRange& range, std::uint64_t n) override;
  std::optional<Key> last_key(const ReadSpec& spec) override;
  std::uint64_t null_keys(const ReadSpec& spec) override;
  std::uint64_t count(const ReadSpec& spec, const KeyRange& range) override;
  std::string range_order(const ReadSpec& spec) override;
  std::vector<DigestForm> digest_forms(const ReadSpec& spec) override;
  RangeDigest digest(const ReadSpec& spec, const KeyRange& range, const DigestForm& form) override;
  std::unique_ptr<RowStream> read(const ReadSpec& spec, const KeyRange& range,
                                  const RowLayout& layout, ReadOrder order) override;
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
  // Looked up once: the schema of a table that is being migrated must not change, and a chunk's
  // order with it. If its index is dropped all the same, reading fails by name.
  const KeyWalk& walk(const ReadSpec& spec);
  std::optional<Key> one_key(const ReadSpec& spec, const KeyWalk& walk, const std::string& sql,
                             const KeyRange& range, std::optional<std::int64_t> offset);
  std::string canonical_order(const ReadSpec& spec) const;

  std::unique_ptr<Session> session_;
  std::map<std::string, KeyWalk> walks_;
};

// " WHERE ..." of a range and the plan's own filter; "" for neither.
std::string where_clause(const KeyWalk& walk, const KeyRange& range, const std::string& filter);
// "a", "b"
std::string column_list(const std::vector<Column>& columns);
// The layout in which values keep their storage class; column types as declared, and for STRICT
// tables' ANY, which converts nothing, told apart from other tables' ANY, which does.
RowLayout native_layout(Session& session, const std::string& schema, const TableName& table,
                        const std::vector<Column>& columns);

}  // namespace migrator::sqlite
