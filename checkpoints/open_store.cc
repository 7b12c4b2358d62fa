// The ways into a store: to run a plan, to look at it, and to steer it.
#include <array>
#include <cerrno>
#include <ctime>
#include <thread>

#include <fmt/format.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include "checkpoints/owner_lock.h"
#include "checkpoints/schema_migrations.h"
#include "checkpoints/sqlite_connection.h"
#include "checkpoints/sqlite_store.h"
#include "checkpoints/store.h"
#include "checkpoints/store_file.h"

namespace migrator {
namespace {

using checkpoint::Connection;
using checkpoint::OpenMode;
using checkpoint::OwnerLock;
using checkpoint::OwnerRow;

// A whole check reads the file once; up to this size that takes some 0.3 s. Larger stores
// are those of hundreds of thousands of chunks, and a damaged page of theirs is noticed when it is
// read.
constexpr std::int64_t kQuickCheckBytesMax = 16 << 20;

// Between taking the lock and writing who took it lie milliseconds, or a schema migration.
constexpr std::chrono::milliseconds kOwnerRowWait{1000};
constexpr std::chrono::milliseconds kOwnerRowPoll{20};

std::string host_name() {
  std::array<char, 256> buffer{};
  if (::gethostname(buffer.data(), buffer.size() - 1) != 0) return "unknown";
  return buffer.data();
}

std::string describe_time(Clock::time_point at) {
  const std::time_t seconds = Clock::to_time_t(at);
  std::tm parts{};
  ::gmtime_r(&seconds, &parts);
  std::array<char, 32> text{};
  std::strftime(text.data(), text.size(), "%Y-%m-%d %H:%M:%S UTC", &parts);
  return text.data();
}

std::optional<OwnerRow> owner_row(const std::string& path) {
  try {
    if (!checkpoint::store_file_exists(path)) return std::nullopt;
    Connection connection(path, OpenMode::read_only);
    return checkpoint::read_owner(connection);
  } catch (const Error&) {
    return std::nullopt;  // in the making, or damaged: the lock alone says that it is held
  }
}

// Whether the row may be the present holder's: an earlier holder says that it is through, or is
// dead.
bool plausible(const OwnerRow& row) {
  if (row.released) return false;
  if (row.owner.host != host_name()) return true;
  return ::kill(static_cast<pid_t>(row.owner.pid), 0) == 0 || errno == EPERM;
}

// The row of whoever holds the lock. Absent once the lock is free. A holder that has not yet
// written its row is waited for a little; then what is known is returned, which may be nothing (pid
// 0).
std::optional<StoreOwner> present_owner(const std::string& path) {
  const auto deadline = std::chrono::steady_clock::now() + kOwnerRowWait;
  while (OwnerLock::held_by_someone(path)) {
    const std::optional<OwnerRow> row = owner_row(path);
    if (row && plausible(*row)) return row->owner;
    if (std::chrono::steady_clock::now() >= deadline) {
      // Alive but not to be seen from here, as a process of another container.
      if (row && !row->released) return row->owner;
      return StoreOwner{};
    }
    std::this_thread::sleep_for(kOwnerRowPoll);
  }
  return std::nullopt;
}

[[noreturn]] void throw_held(const std::string& path, const StoreOwner& owner) {
  std::string holder = "another process, which has not said its name";
  if (owner.pid != 0) {
    holder = fmt::format("pid {} on {} (`{}`) since {}", owner.pid, owner.host, owner.command,
                         describe_time(owner.since));
  }
  throw Error(ErrorKind::gate, fmt::format("the plan is being run by {}", holder))
      .remedy(
          fmt::format("wait for it, or stop it; `migrate status` shows how far it is ({} is the "
                      "lock)",
                      path + ".lock"));
}

OwnerLock hold_plan(const std::string& path) {
  for (int attempt = 0;; ++attempt) {
    if (auto lock = OwnerLock::try_take(path)) return std::move(*lock);
    // Absent: it has just ended, so the lock may be had now. Processes that come and go faster than
    // that are shown like one that stays.
    const std::optional<StoreOwner> owner = present_owner(path);
    if (owner || attempt == 10) throw_held(path, owner.value_or(StoreOwner{}));
  }
}

void quick_check(Connection& connection) {
  const std::int64_t bytes =
      connection.integer("PRAGMA page_count") * connection.integer("PRAGMA page_size");
  if (bytes > kQuickCheckBytesMax) return;
  const std::string finding = connection.text("PRAGMA quick_check(1)");
  if (finding != "ok") {
    checkpoint::throw_damaged(connection.path(), finding, std::to_string(SQLITE_CORRUPT));
  }
}

std::string existing_store(const std::string& path) {
  const std::string resolved = checkpoint::resolve_store_path(path);
  if (!checkpoint::store_file_exists(resolved)) {
    throw Error(ErrorKind::permanent, fmt::format("there is no checkpoint at {}", resolved))
        .remedy(
            "start the migration first (`migrate backfill PLAN`), or correct `checkpoint:` in the "
            "plan");
  }
  return resolved;
}

std::unique_ptr<Connection> connect_current(const std::string& resolved, OpenMode mode) {
  auto connection = std::make_unique<Connection>(resolved, mode);
  const auto migrations = checkpoint::schema_migrations();
  checkpoint::require_current(*connection, migrations,
                              checkpoint::identify(*connection, migrations));
  return connection;
}

}  // namespace

std::unique_ptr<CheckpointStore> open_store(const std::string& path, const std::string& command) {
  const std::string resolved = checkpoint::resolve_store_path(path);
  if (checkpoint::store_file_exists(resolved)) checkpoint::check_store_file(resolved);
  OwnerLock lock = hold_plan(resolved);
  if (!checkpoint::store_file_exists(resolved)) checkpoint::create_store_file(resolved);
  checkpoint::check_store_file(resolved);

  auto connection = std::make_unique<Connection>(resolved, OpenMode::read_write);
  const auto migrations = checkpoint::schema_migrations();
  const int version = checkpoint::identify(*connection, migrations);
  quick_check(*connection);
  connection->use_write_ahead_log();
  if (version != migrations.back().to) {
    connection->set_durability(checkpoint::Durability::power_loss);
    checkpoint::bring_schema_forward(*connection, migrations, version);
  }
  checkpoint::write_owner(*connection, {::getpid(), host_name(), command, Clock::now()});
  return std::make_unique<checkpoint::SqliteStore>(std::move(connection), std::move(lock));
}

std::unique_ptr<CheckpointStore> open_store_for_reading(const std::string& path) {
  return std::make_unique<checkpoint::SqliteStore>(
      connect_current(existing_store(path), OpenMode::read_only), std::nullopt);
}

std::optional<StoreOwner> store_owner(const std::string& path) {
  return present_owner(checkpoint::resolve_store_path(path));
}

Control change_control(const std::string& path, const std::optional<bool>& paused,
                       const std::map<std::string, std::string>& settings) {
  const std::string resolved = existing_store(path);
  checkpoint::check_store_file(resolved);
  const auto connection = connect_current(resolved, OpenMode::read_write);
  return checkpoint::update_control(*connection, paused, settings);
}

}  // namespace migrator
