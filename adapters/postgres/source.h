// Reading tables by COPY (SELECT ...) TO STDOUT: wire rows as they come, or cells decoded from
// binary.
#pragma once

#include <deque>
#include <map>
#include <memory>
#include <string>
#include <utility>

#include "adapters/adapter.h"
#include "adapters/postgres/codec_binary.h"
#include "adapters/postgres/session.h"

namespace migrator::postgres {

inline constexpr const char* kBinaryFormat = "pgcopy-binary";
inline constexpr const char* kTextFormat = "pgcopy-text";

// The layouts for these columns, best first; the same on both sides.
std::vector<RowLayout> copy_layouts(const std::vector<Column>& columns);

// The table as it stands behind FROM. Not a partitioned one is read with ONLY: rows of tables that
// inherit from it are theirs.
std::string from_clause(const PgSession::Table& table, const TableName& name);

// " WHERE ..." for the range and the condition, or "".
std::string where_clause(const Connection& connection, const ReadSpec& spec, const KeyRange& range,
                         bool with_condition);

class PgSource : public Source {
 public:
  PgSource(const Url& url, const SessionOptions& options) : session_(url, options) {}

  PgSession& session() override { return session_; }
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
  void prepare_read(const ReadSpec& spec, const RowLayout& layout) override;
  void send_read(const ReadSpec& spec, const Key& key, const RowLayout& layout) override;
  bool receive_row(RowBatch& batch) override;

 private:
  // A row that was sent for, and how it becomes one of the layout that was asked for.
  struct SentRead {
    bool binary = false;
    std::size_t columns = 0;
    std::shared_ptr<const BinaryDecoder> decoder;  // for cells
  };
  std::deque<SentRead> sent_reads_;
  // By the table and what is selected.
  std::map<std::pair<TableName, std::string>, std::string> selects_;
  const std::string& single_select(const ReadSpec& spec, bool cells);

  // Up to and with the table.
  std::string select(const ReadSpec& spec, bool cells);
  std::unique_ptr<RowStream> stream(const ReadSpec& spec, const std::string& sql,
                                    const RowLayout& layout);
  void check_columns(const ReadSpec& spec, const PgSession::Table& table) const;
  void plan_for(const KeyRange& range);

  PgSession session_;
};

}  // namespace migrator::postgres
