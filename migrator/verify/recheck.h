// Differences that a comparison found while both sides were changing, read again until each is
// known to be one, or to be none. (Protocol: A17.)
//
// A comparison reads the two sides of a row at two moments, and a change is on the target only when
// the relay has brought it there. So a difference counts as a mismatch only if it stays: looked at
// after each of the plan's waits, with the row of the source read before and after that of the
// target and the same both times, and no change of its key in the journal in front of or behind
// them. Rows that keep changing are looked at for a while longer; those that then still have not
// come to rest are no mismatches, and the table is not verified, either.
//
// A lost connection or a lock is waited out. A row is looked for by its key as the comparison has
// it. Where that may not be the spelling that finds it (a UUID in capitals in SQLite, a date that
// is a text on one side), its differences stay as they were found, and are counted as not looked at
// again.
//
// Repair is the same act as everything else that writes to the target: the keys go into the
// journal, and the relay copies their rows as they are then.
//
// A relay has to be at work meanwhile. Threads: none of its own.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "migrator/capture/change_feed.h"
#include "migrator/copy/endpoints.h"
#include "migrator/verify/comparer.h"

namespace migrator {

class FoundKeys;

class Recheck {
 public:
  // words: as ComparedTable's. followed: throws if no relay is at work any more.
  Recheck(const Endpoints& endpoints, Interrupt& interrupt, const ChangeFeed& feed,
          std::vector<std::chrono::milliseconds> waits, const ValueWords* words,
          std::function<void()> followed)
      : endpoints_(endpoints),
        interrupt_(interrupt),
        feed_(feed),
        waits_(std::move(waits)),
        words_(words),
        followed_(std::move(followed)) {}

  // Leaves in `result` what stays, with the counters of it. Returns how many settled. Where some
  // did not come to rest, or were not looked at although there were changes, it is not complete and
  // has an error that says so. quiet: whether there was no change since before the comparison.
  std::uint64_t settle(const TableRoute& route, TableComparison& result,
                       const std::function<bool()>& quiet);

  // Has the rows found copied again, and those that only the target has deleted where `extras` is
  // set; then settle(), whose result it gives: those that are equal now. Rows that cannot be looked
  // for are left alone.
  std::uint64_t repair(const TableRoute& route, TableComparison& result, bool extras,
                       const std::function<bool()>& quiet);

  // Looks at the rows of some keys, as the journal has them, whatever is known of them. In the
  // result are those that stay different; it is not complete where others could not be looked at,
  // and `moving` has those that have not come to rest.
  struct Examined {
    TableComparison result;
    std::vector<Key> equal;           // in the target's types
    std::vector<std::string> moving;  // as given
  };
  Examined examine(const TableRoute& route, std::span<const std::string> row_keys);

  // No change of the table is in the journal now.
  bool nothing_pending(const TableRoute& route);

 private:
  struct Look;
  struct Looks;

  // Looks until each has come to rest, or the time is up. Takes out of those open what is equal.
  void look_until_at_rest(const ComparedTable& table, const FoundKeys& keys,
                          TableComparison& result, Looks& looks, std::chrono::seconds restless);
  static void say_what_is_open(const TableRoute& route, TableComparison& result,
                               std::uint64_t moving, const std::function<bool()>& quiet);

  void open();
  void close(const Error& error);
  void look(const ComparedTable& table, const FoundKeys& keys, TableComparison& result,
            Looks& looks);
  void look_once(const ComparedTable& table, const FoundKeys& keys, TableComparison& result,
                 Looks& looks);
  void look_at_all(const ComparedTable& table, const FoundKeys& keys, TableComparison& result,
                   std::span<Look> looks);
  void look_at_some(const ComparedTable& table, const FoundKeys& keys, TableComparison& result,
                    std::span<Look> looks);
  std::set<std::string> pending(const ComparedTable& table, bool& any);

  const Endpoints& endpoints_;
  Interrupt& interrupt_;
  const ChangeFeed& feed_;
  const std::vector<std::chrono::milliseconds> waits_;
  const ValueWords* const words_;
  const std::function<void()> followed_;
  Opened<Source> source_, target_;
  std::size_t keys_per_read_ = 1;  // rises as long as their rows are small
};

}  // namespace migrator
