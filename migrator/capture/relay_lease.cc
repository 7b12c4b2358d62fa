#include "migrator/capture/relay_lease.h"

#include <array>
#include <optional>

#include <fmt/format.h>

#include "migrator/capture/own_table.h"

namespace migrator {
namespace {

constexpr std::string_view kLease = "_migrator_lease";

// The epoch that the lease is at, its row locked.
std::optional<std::uint64_t> locked_epoch(Session& target, const std::string& migration) {
  const std::array<Value, 1> parameters{migration};
  const Result found = target.query(
      spell(target.dialect(), "SELECT epoch FROM _migrator_lease WHERE migration = {1} {lock}"),
      parameters);
  if (found.empty()) return std::nullopt;
  return static_cast<std::uint64_t>(as_integer(found.rows[0][0]));
}

}  // namespace

void RelayLease::install(Session& target) const {
  const Dialect& dialect = target.dialect();
  target.execute(fmt::format(
      "CREATE TABLE IF NOT EXISTS {} (migration {} NOT NULL PRIMARY KEY, epoch {} NOT NULL){}",
      dialect.quote(kLease), dialect.own_key_type(), dialect.own_integer_type(),
      dialect.own_table_options()));
  if (locked_epoch(target, migration_)) return;
  const std::array<Value, 1> parameters{migration_};
  try {
    target.query(spell(dialect, "INSERT INTO _migrator_lease (migration, epoch) VALUES ({1}, 0)"),
                 parameters);
  } catch (const Error& error) {
    if (!error.duplicate_key()) throw;  // another process was quicker
  }
}

std::uint64_t RelayLease::take(
    Session& target, const std::function<std::uint64_t(std::uint64_t)>& next_epoch) const {
  target.begin();
  try {
    const std::optional<std::uint64_t> held = locked_epoch(target, migration_);
    if (!held) {
      throw Error(ErrorKind::gate, "the target has no lease for the relay of this migration")
          .remedy("run `migrate start PLAN` first");
    }
    const std::uint64_t epoch = next_epoch(*held);
    const std::array<Value, 2> parameters{static_cast<std::int64_t>(epoch), migration_};
    target.query(
        spell(target.dialect(), "UPDATE _migrator_lease SET epoch = {1} WHERE migration = {2}"),
        parameters);
    target.commit();
    return epoch;
  } catch (...) {
    target.rollback();
    throw;
  }
}

void RelayLease::check(Session& target, std::uint64_t epoch) const {
  const std::optional<std::uint64_t> held = locked_epoch(target, migration_);
  if (held == epoch) return;
  throw Error(ErrorKind::fenced,
              fmt::format("this relay has the lease of epoch {}, but the target's is {}", epoch,
                          held ? fmt::format("of epoch {}", *held) : std::string("gone")))
      .remedy("another relay of this plan has taken over; let it go on, and do not start a second");
}

void RelayLease::hold_off(Session& target) const { locked_epoch(target, migration_); }

void RelayLease::remove(Session& target) const { remove_own_rows(target, kLease, migration_); }

}  // namespace migrator
