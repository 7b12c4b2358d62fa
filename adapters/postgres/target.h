// Loading tables by COPY FROM STDIN: straight into the table, or into a temporary one that is
// merged.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <utility>

#include "adapters/adapter.h"
#include "adapters/postgres/replacement.h"
#include "adapters/postgres/session.h"

namespace migrator::postgres {

class PgTarget : public Target {
 public:
  PgTarget(const Url& url, const SessionOptions& options) : session_(url, options) {}

  PgSession& session() override { return session_; }
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

 private:
  const UpsertForm& upsert_form(const WriteSpec& spec);

  PgSession session_;
  std::map<std::pair<TableName, std::string>, UpsertForm> upserts_;  // by the columns' list
};

// A way to copy inside the target's session, or nullptr if the two sessions are not proven to be of
// one database and one user.
std::unique_ptr<Colocation> make_colocation(PgSession& source, PgSession& target);

}  // namespace migrator::postgres
