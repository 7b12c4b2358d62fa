// The keys that a relay brings over, gathered on their way, so that their rows can be compared
// afterwards: a feed in front of another one.
//
// What a relay retires is on the target by then. Memory is bounded: where more keys wait than that,
// a table is said to have to be compared as a whole.
//
// Threads: a relay's one calls what a feed has; take() and give_back() may be called from any.
#pragma once

#include <map>
#include <mutex>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "migrator/capture/change_feed.h"

namespace migrator {

class ChangedKeys final : public ChangeFeed {
 public:
  // most: keys that wait, of all tables; some hundred bytes each.
  explicit ChangedKeys(const ChangeFeed& feed, std::size_t most = 200'000)
      : feed_(feed), most_(most) {}

  struct Taken {
    std::map<std::string, std::set<std::string>> keys;  // by relation, as Change::row_key
    std::set<std::string> whole;  // relations of which any row may have changed
  };
  // What has come since, and is forgotten here.
  Taken take();
  // Keys that have to wait for another time.
  void give_back(const std::string& relation, std::span<const std::string> row_keys);

  std::vector<Change> read(Session& source, std::size_t limit) const override;
  void retire(Session& source, std::span<const std::int64_t> seqs) const override;
  std::vector<std::optional<std::string>> pending(Session& source, const std::string& relation,
                                                  std::size_t most) const override {
    return feed_.pending(source, relation, most);
  }
  void append(Session& source, const std::string& relation,
              const std::string& row_key) const override {
    feed_.append(source, relation, row_key);
  }
  Backlog backlog(Session& source) const override { return feed_.backlog(source); }

 private:
  void put(const std::string& relation, const std::optional<std::string>& row_key) const;

  const ChangeFeed& feed_;
  const std::size_t most_;
  mutable std::mutex mutex_;
  mutable std::map<std::int64_t, Change> read_;  // and not retired
  mutable Taken changed_;
  mutable std::size_t count_ = 0;
};

}  // namespace migrator
