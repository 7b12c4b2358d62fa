// Who may write changes to the target: one relay at a time, decided on the target. (Protocol:
// "Relay round", A12.)
//
// _migrator_lease has one row a migration with an epoch that only rises. A relay takes the lease by
// raising it, whoever had it, and every transaction it makes on the target locks the row and looks
// for its own epoch there. So one that was overtaken, be it asleep or cut off, writes nothing more.
//
// Threads: none of its own; all calls run on the session given.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "adapters/adapter.h"

namespace migrator {

class RelayLease {
 public:
  explicit RelayLease(std::string migration) : migration_(std::move(migration)) {}

  // Makes the table if it is not there. Not within a transaction (MySQL's DDL commits).
  void install(Session& target) const;
  // Takes the lease, in a transaction of its own. next_epoch gives a number never handed out
  // before, greater than the one it is given.
  std::uint64_t take(Session& target,
                     const std::function<std::uint64_t(std::uint64_t)>& next_epoch) const;
  // First statement of every transaction that writes to the target. Throws Error(fenced) unless the
  // lease is at this epoch.
  void check(Session& target, std::uint64_t epoch) const;
  // Within an open transaction, before it locks anything else: no relay writes until its end. For
  // those who would else come across the relay's row locks in another order.
  void hold_off(Session& target) const;
  void remove(Session& target) const;

 private:
  std::string migration_;
};

}  // namespace migrator
