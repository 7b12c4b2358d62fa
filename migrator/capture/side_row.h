// The state row: whether the application may write here now. One row a migration on each side, of
// which at most one is open. (Protocol: "Words", "Change of authority", I1, I2.)
//
// Who writes takes a share of the fence and looks at the row, in this order, and keeps the share
// until the commit; who closes the row takes the fence for itself, and so waits for all who write,
// and whoever comes later finds it closed. Where triggers look at the row no writer gets by.
//
// Threads: none of its own; all calls run on the session given.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "adapters/adapter.h"
#include "migrator/state.h"

namespace migrator {

struct SideRow {
  Side side = Side::source;
  bool open = false;
  std::uint64_t epoch = 0;
  std::uint64_t opened_epoch = 0;  // at which this side was last opened
  Phase phase = Phase::planned;
  std::string capture;         // the plan's
  bool inline_writes = false;  // the shim may write the other side: the guard is in use
  int shadow_percent = 0, read_percent = 0;
  bool operator==(const SideRow&) const = default;
};

// A table as the shim has to know it: names, on both sides.
struct ShimTable {
  std::string relation;  // the plan's name
  TableName source, target;
  std::vector<std::string> key;                              // on the source, in key order
  std::vector<std::pair<std::string, std::string>> columns;  // source's and target's
  std::string where;                                         // of the source
  bool operator==(const ShimTable&) const = default;
};

// A process of the application, as it was last heard of.
struct ShimInstance {
  std::string instance;
  std::uint64_t epoch = 0;  // that none of its transactions is older than
  Phase phase = Phase::planned;
  std::int64_t age_ms = 0;    // since it was heard of, by the server's clock
  std::int64_t lease_ms = 0;  // after so long a silence it counts as gone
  bool gone() const { return age_ms > lease_ms; }
};

class SideTable {
 public:
  // schema: where it lies, ServerInfo::schema of the session that made it; "" for the session's
  // own.
  SideTable(std::string migration, std::string schema)
      : migration_(std::move(migration)), schema_(std::move(schema)) {}

  // Makes the tables if they are not there. Not within a transaction.
  void install(Session& session) const;
  // Absent also where there is no such table.
  std::optional<SideRow> read(Session& session) const;
  // For a row that is not there yet; leaves one alone that is.
  void put(Session& session, const SideRow& row) const;
  bool exists(Session& session) const;
  // Never back to an earlier one.
  void set_phase(Session& session, Phase phase) const;
  // What share of reads is compared, and what share is the target's, absent: as it is. With it
  // comes the phase shadow_read. Leaves a row alone that is beyond that, and gives the row there
  // is then. Waits for the writers who hold it, and for none where it is so already.
  std::optional<SideRow> set_shadow(Session& session, std::optional<int> shadow_percent,
                                    std::optional<int> read_percent) const;
  // Within the session's transaction: holds the fence against all who write, having waited for
  // those who do, and gives the row.
  std::optional<SideRow> lock(Session& session) const;
  // In a transaction of its own: makes the row `wanted` if it is `expected`. Waits out every
  // writer.
  bool exchange(Session& session, const SideRow& expected, const SideRow& wanted) const;

  // The share of the fence, sent ahead within a transaction that was begun the same way: how many
  // results have to be received. The last one fails with Error(fenced) unless the row is open, at
  // this epoch.
  int send_enter(Session& session, std::uint64_t epoch) const;
  // The same on a connection that the application has lent. False: it is not.
  bool enter(Queries& connection, std::uint64_t epoch) const;

  std::vector<ShimTable> tables(Session& session) const;
  void put_tables(Session& session, const std::vector<ShimTable>& tables) const;

  std::vector<ShimInstance> instances(Session& session) const;
  void renew(Session& session, const ShimInstance& instance) const;
  void withdraw(Session& session, const std::string& instance) const;

  // Takes away the migration's rows, and the tables when no other has any.
  void remove(Session& session) const;

 private:
  std::string name(const Queries& session, std::string_view table) const;
  std::string check(const Queries& session, const std::string& suffix) const;

  std::string migration_, schema_;
};

}  // namespace migrator
