// One table of the plan in one direction, from the authority to the other side: how its rows are
// written, how the journal is, and how rows travel across.
//
// Threads: immutable, and shared by all transactions.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "migrator/capture/entry_writer.h"
#include "migrator/capture/side_row.h"
#include "migrator/copy/row_form.h"
#include "migrator/shim.h"

namespace migrator {

// Finds tables in the catalogs of a session, each schema read once.
class CatalogView {
 public:
  explicit CatalogView(Session& session) : session_(session) {}
  // Throws Error(gate) if there is none.
  const TableSchema& table(const TableName& name);

 private:
  Session& session_;
  std::map<std::string, Catalog> catalogs_;
};

class TableLane {
 public:
  // authority: a session's catalog of the side that is written to; journal_schema: where that one's
  // journal is.
  TableLane(const ShimTable& table, Side authority, CatalogView& catalog, const Dialect& dialect,
            const std::string& migration, const std::string& journal_schema, TableOptions options);

  const std::string& relation() const { return table_.relation; }
  const TableOptions& options() const { return options_; }
  const EntryWriter& entries() const { return entries_; }

  // The key's values in its order. Throws Error(usage) if they are not exactly those of the key.
  Key key_of(const NamedValues& key) const;
  // The key within a row; absent if none of its columns are there. Throws Error(usage) if only some
  // are.
  std::optional<Key> key_in(const NamedValues& row) const;
  // The key's text is the same whatever the settings of the session that prints it.
  bool plain_key() const;
  // Of the keys that are written in mode sync.
  bool chosen(const Key& key) const;

  // A statement with its parameters bound.
  struct Statement {
    std::string sql;
    std::vector<Value> parameters;
    bool otherwise = false;  // Session::send_otherwise()
  };
  std::vector<Statement> upsert(const NamedValues& row) const;
  Statement update(const Key& key, const NamedValues& changes) const;
  Statement erase(const Key& key) const;

  // The way across: what row_form() and key_form() ask for. `other`: the catalog of the other side.
  TableRoute route(CatalogView& other) const;

 private:
  const std::string& column(const std::string& name) const;
  std::string same_key(int first) const;

  const ShimTable table_;
  const bool reversed_;  // the target is the authority
  const TableOptions options_;
  const Dialect& dialect_;
  const TableSchema schema_;
  std::map<std::string, std::string> columns_;  // the plan's names to those here
  std::vector<Column> key_;
  EntryWriter entries_;
};

}  // namespace migrator
