// Loads rows into tables of a SQLite file.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "adapters/adapter.h"
#include "adapters/sqlite/key_walk.h"
#include "adapters/sqlite/session.h"

namespace migrator::sqlite {

class Target final : public migrator::Target {
 public:
  explicit Target(std::unique_ptr<Session> session) : session_(std::move(session)) {}

  Session& session() override { return *session_; }
  std::vector<RowLayout> layouts(const WriteSpec& spec) const override;
  std::unique_ptr<RowSink> load(const WriteSpec& spec, const RowLayout& layout,
                                LoadMode mode) override;
  std::unique_ptr<RowSink> replace(const WriteSpec& spec, const RowBatch& keys,
                                   const RowLayout& key_layout, const RowLayout& layout) override;
  void prepare_single(const WriteSpec& spec) override;
  void send_replace(const WriteSpec& spec, const RowBatch& key, const RowLayout& key_layout,
                    const RowBatch& row, const RowLayout& layout) override;
  std::unique_ptr<RowSink> rehearse(const WriteSpec& spec, const RowLayout& layout) override;
  std::unique_ptr<Colocation> colocate(migrator::Source& source) override;

 private:
  std::unique_ptr<RowSink> replace_by(const KeyWalk& walk, const WriteSpec& spec,
                                      const RowBatch& keys, const RowLayout& key_layout,
                                      const RowLayout& layout);

  std::unique_ptr<Session> session_;
  std::map<std::string, KeyWalk> singles_;  // by table, of prepare_single()
};

// A load's triggers are off: rows arrive as they were, and a trigger would change them, leave some
// out, or write others. Restored when it goes.
class TriggersOff {
 public:
  explicit TriggersOff(Session& session);
  ~TriggersOff();
  TriggersOff(const TriggersOff&) = delete;
  TriggersOff& operator=(const TriggersOff&) = delete;

 private:
  Session& session_;
};

// "INSERT OR ABORT INTO main.t(a, b)": ABORT stands before any conflict clause of the table's own
// constraints (UNIQUE ... ON CONFLICT REPLACE would delete rows).
std::string insert_head(const WriteSpec& spec);
// The key as the unique index on exactly its columns compares it. Throws Error(permanent) if there
// is none.
KeyWalk unique_key(Session& session, const WriteSpec& spec);
// " ON CONFLICT(key) DO NOTHING" for merge, "" for direct. Throws Error(permanent) if no unique
// index is on exactly the key.
std::string conflict_clause(Session& session, const WriteSpec& spec, LoadMode mode);

}  // namespace migrator::sqlite
