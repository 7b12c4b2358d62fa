#include "migrator/verify/changed_keys.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace migrator {
namespace {

using testing::ElementsAre;

// Gives what it is told, and retires nothing by itself.
class GivenFeed : public ChangeFeed {
 public:
  std::vector<Change> changes;
  std::vector<Change> read(Session&, std::size_t) const override { return changes; }
  bool loses_answers = false;
  void retire(Session&, std::span<const std::int64_t>) const override {
    if (loses_answers) throw Error(ErrorKind::transient, "the answer was lost");
  }
  std::vector<std::optional<std::string>> pending(Session&, const std::string&,
                                                  std::size_t) const override {
    return {};
  }
  void append(Session&, const std::string&, const std::string&) const override {}
  Backlog backlog(Session&) const override { return {}; }
};

class ChangedKeysTest : public testing::Test {
 protected:
  // A session that nobody looks at.
  Session& none() { return *reinterpret_cast<Session*>(&nobody_); }
  void relay(const ChangedKeys& changed, const std::vector<std::int64_t>& done) {
    changed.read(none(), 100);
    changed.retire(none(), done);
  }
  GivenFeed feed;

 private:
  char nobody_ = 0;
};

TEST_F(ChangedKeysTest, AreThoseThatWereRetired) {
  feed.changes = {{1, "t", "a", 0}, {2, "t", "b", 0}, {3, "u", "a", 0}, {4, "t", "a", 0}};
  ChangedKeys changed(feed);
  relay(changed, {1, 3, 4});
  const auto taken = changed.take();
  EXPECT_THAT(taken.keys.at("t"), ElementsAre("a"));
  EXPECT_THAT(taken.keys.at("u"), ElementsAre("a"));
  EXPECT_TRUE(taken.whole.empty());
  EXPECT_TRUE(changed.take().keys.empty());
  relay(changed, {2});
  EXPECT_THAT(changed.take().keys.at("t"), ElementsAre("b"));
}

TEST_F(ChangedKeysTest, AreNotLostWithAnAnswer) {
  feed.changes = {{1, "t", "a", 0}};
  feed.loses_answers = true;
  ChangedKeys changed(feed);
  EXPECT_THROW(relay(changed, {1}), Error);
  EXPECT_THAT(changed.take().keys.at("t"), ElementsAre("a"));
}

TEST_F(ChangedKeysTest, AnyRowOfATableIsTheWholeTable) {
  feed.changes = {{1, "t", "a", 0}, {2, "t", std::nullopt, 0}, {3, "t", "b", 0}};
  ChangedKeys changed(feed);
  relay(changed, {1, 2, 3});
  const auto taken = changed.take();
  EXPECT_THAT(taken.whole, ElementsAre("t"));
  EXPECT_FALSE(taken.keys.contains("t"));
}

TEST_F(ChangedKeysTest, AreBounded) {
  ChangedKeys changed(feed, 3);
  for (int key = 0; key < 5; ++key) feed.changes.push_back({key, "t", std::to_string(key), 0});
  feed.changes.push_back({5, "u", "x", 0});
  relay(changed, {0, 1, 2, 3, 4, 5});
  auto taken = changed.take();
  EXPECT_THAT(taken.whole, ElementsAre("t"));
  EXPECT_THAT(taken.keys.at("u"), ElementsAre("x"));  // there was room again
  const std::vector<std::string> back{"y"};
  changed.give_back("u", back);
  EXPECT_THAT(changed.take().keys.at("u"), ElementsAre("y"));
}

}  // namespace
}  // namespace migrator
