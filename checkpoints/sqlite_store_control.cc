// Who holds the store, and how a running command is steered from beside it.
#include "checkpoints/sqlite_store.h"

namespace migrator::checkpoint {

std::optional<OwnerRow> read_owner(Connection& connection) {
  auto run = connection.prepared("SELECT pid, host, command, since, released_at FROM owner").run();
  if (!run.row()) return std::nullopt;
  return OwnerRow{{run.integer(0), run.text(1), run.text(2), run.time(3)}, !run.null(4)};
}

void write_owner(Connection& connection, const StoreOwner& owner) {
  Transaction transaction(connection, Transaction::Kind::write);
  connection
      .prepared("REPLACE INTO owner (only, pid, host, command, since) VALUES (1, ?1, ?2, ?3, ?4)")
      .execute(owner.pid, owner.host, owner.command, owner.since);
  transaction.commit();
}

Control read_control(Connection& connection) {
  Control control;
  {
    auto run = connection.prepared("SELECT paused, version FROM control").run();
    if (run.row()) {
      control.paused = run.boolean(0);
      control.version = run.count(1);
    }
  }
  for (auto run = connection.prepared("SELECT name, value FROM settings").run(); run.row();) {
    control.settings.emplace(run.text(0), run.text(1));
  }
  return control;
}

Control update_control(Connection& connection, const std::optional<bool>& paused,
                       const std::map<std::string, std::string>& settings) {
  Transaction transaction(connection, Transaction::Kind::write);
  const Control before = read_control(connection);
  Control after = before;
  after.paused = paused.value_or(before.paused);
  for (const auto& [setting, value] : settings) {
    if (value.empty()) {
      after.settings.erase(setting);
      connection.prepared("DELETE FROM settings WHERE name = ?1").execute(setting);
    } else {
      after.settings[setting] = value;
      connection.prepared("REPLACE INTO settings (name, value) VALUES (?1, ?2)")
          .execute(setting, value);
    }
  }
  if (after.paused != before.paused || after.settings != before.settings) {
    ++after.version;
    connection.prepared("UPDATE control SET paused = ?1, version = ?2")
        .execute(after.paused, after.version);
  }
  transaction.commit();
  return after;
}

Control SqliteStore::control() {
  std::lock_guard guard(mutex_);
  Transaction transaction(*connection_, Transaction::Kind::read);
  return read_control(*connection_);
}

}  // namespace migrator::checkpoint
