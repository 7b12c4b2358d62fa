// The guard G: the newest change of a key that a live write has brought to this side. It keeps a
// write that was held up from replacing what a newer one, or the relay, has written since.
// (Protocol: "Live write", A1, A6, A21.)
//
// A change's place is (epoch, seq): the epoch of the authority, and the number of its entry in that
// one's journal, drawn while the row was locked. Deletes leave their guard behind. Rows are never
// removed before the migration's end, as nobody knows how late a write may come.
//
// Keys are hashed (128 bits), so that they fit every engine's index. Two keys of one hash would
// only have one of them wait for the relay.
//
// Threads: none of its own; all calls run on the session given.
#pragma once

#include <compare>
#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "adapters/adapter.h"

namespace migrator {

struct ChangePlace {
  std::uint64_t epoch = 0;
  std::int64_t seq = 0;
  auto operator<=>(const ChangePlace&) const = default;
};

class InlineGuard {
 public:
  // schema: as of SideTable.
  InlineGuard(std::string migration, std::string schema)
      : migration_(std::move(migration)), schema_(std::move(schema)) {}

  // Makes the table if it is not there. Not within a transaction.
  void install(Session& session) const;

  // Sent ahead, in the transaction that writes the row: its receive() throws Error(fenced) if the
  // guard is at this place or beyond.
  void send_raise(Session& session, const std::string& relation, const std::string& row_key,
                  const ChangePlace& place) const;

  // What a key's guard goes by: "=" and its text, or "#" and 32 hexadecimal digits. Who locks
  // several locks them in the order of these, within a relation.
  static std::string label(const std::string& row_key);

  using Name = std::pair<std::string, std::string>;  // relation, row_key
  struct Held {
    ChangePlace place;
    bool by_relay = false;
  };
  // The guards of these keys that there are, their rows locked. REQUIRES: a transaction.
  std::map<Name, Held> lock(Session& session, std::span<const Name> names) const;
  // For the relay: raises them to these places; none is lowered. REQUIRES: a transaction.
  void raise(Session& session, const std::map<Name, ChangePlace>& places) const;

  void remove(Session& session) const;

 private:
  std::string table(const Queries& session) const;

  std::string migration_, schema_;
};

}  // namespace migrator
