#include <cstdio>
#include <thread>
#include <vector>

#include <migrator/shim.h>
#include <migrator/sqlite.h>

// Sells a thousand books with four clerks while the shop's database is migrated.
int main() {
  try {
    migrator::Shim shim({.migration = "shop",
                         .source = migrator::sqlite_at("sqlite:shop.db"),
                         .target = migrator::sqlite_at("sqlite:new.db"),
                         .defaults = {.mode = migrator::WriteMode::sync}});
    const auto sell = [&shim](std::int64_t first) {
      for (std::int64_t id = first; id < first + 250; ++id) {
        migrator::Transaction sale = shim.begin();
        sale.upsert("orders", {{"id", id}, {"title", "A book"}, {"cents", std::int64_t{1250}}});
        // The application's own SQL; what it changes is named.
        sale.execute("UPDATE stock SET books = books - 1 WHERE id = ?", {std::int64_t{1}});
        sale.touch("stock", {{"id", std::int64_t{1}}});
        sale.commit();
      }
    };
    std::vector<std::jthread> clerks;
    for (std::int64_t clerk = 0; clerk < 4; ++clerk) clerks.emplace_back(sell, 1 + 250 * clerk);
    clerks.clear();  // joins them
    const migrator::ShimCounters counters = shim.counters();
    std::printf("sold %llu, of which %llu orders are in the new database already\n",
                static_cast<unsigned long long>(counters.committed),
                static_cast<unsigned long long>(counters.inline_written));
  } catch (const migrator::Error& error) {
    std::fprintf(stderr, "%s\nto do: %s\n", error.what(), error.remedy().c_str());
    return 1;
  }
  return 0;
}
