// Rows by their keys, made what they are elsewhere (Target::replace): two temporary tables, of the
// keys and of the rows that have come; what has a key and no row is deleted, and the rows are
// upserted.
//
// The upsert leaves rows that refer to these alone. Only where a unique value moves from one row to
// another, which no order of single updates can follow, are the rows deleted and inserted instead;
// not where that would delete or change rows of other tables with them (ON DELETE CASCADE and its
// like).
//
// The temporary tables are kept for the session, and empty between two transactions.
#pragma once

#include <optional>
#include <string>

#include "adapters/adapter.h"
#include "adapters/postgres/copy_encoding.h"
#include "adapters/postgres/session.h"

namespace migrator::postgres {

// How one row takes the place of the one with its key, looked up once for a session and table.
struct UpsertForm {
  // Two spellings may be one key: what an upsert takes for the same row may be another one.
  bool loose_key = false;
  // " ON CONFLICT (key) DO UPDATE ...", or "" where the key's index or the columns do not allow it.
  std::string clause;
  bool updates = false;  // else it does nothing where the row is there: all columns are the key's
};
// Throws Error(permanent) if the key has no unique index.
UpsertForm upsert_form(PgSession& session, const WriteSpec& spec);

class Replacement final : public RowSink {
 public:
  Replacement(PgSession& session, WriteSpec spec, UpsertForm upsert, const RowBatch& keys,
              const RowLayout& key_layout, const RowLayout& layout);
  void write(const RowBatch& batch) override;
  LoadCount finish() override;

 private:
  void make_tables();
  std::string same_key(const char* left, const char* right) const;
  // INSERT ... SELECT of the rows that came, with what is to be done where their key is there.
  std::string insert(const std::string& on_conflict, const std::string& where = {}) const;
  void delete_and_insert(const Error& why);
  void check_inserted(std::uint64_t inserted) const;
  template <typename Work>
  void named(const Work& work);

  PgSession& session_;
  const WriteSpec spec_;
  const UpsertForm upsert_;
  const std::string table_, keys_, rows_;  // quoted
  std::optional<CopyIn> copy_;
};

}  // namespace migrator::postgres
