// Statements, rows and commits that are sent ahead: what a writer who cannot wait for each answer
// relies on.
#include <algorithm>
#include <array>
#include <thread>

#include "migrator/capture/inline_guard.h"
#include "tests/conformance/conformance.h"

namespace migrator::test {
namespace {

class SentAhead : public Conformance {
 protected:
  SentAhead() { make_numbered_table(3); }

  std::string insert(int id) const {
    return "INSERT INTO t (id, note) VALUES (" + std::to_string(id) + ", 'new')";
  }
  // Of a statement with two placeholders.
  std::string select() const { return "SELECT note FROM t WHERE id = " + dialect().placeholder(1); }
};

TEST_P(SentAhead, ResultsComeInOrder) {
  const auto source = open_source();
  Session& session = source->session();
  const std::array<Value, 1> first{std::int64_t{1}}, second{std::int64_t{2}};
  for (int turn = 0; turn < 2; ++turn) {  // prepared, and run by its name
    session.send_begin();
    session.send(select(), first);
    session.send(select(), second);
    session.send(insert(10 + turn));
    session.send_commit();
    session.receive();
    EXPECT_EQ(as_text(session.receive().rows.at(0).at(0)), "row 1");
    EXPECT_EQ(as_text(session.receive().rows.at(0).at(0)), "row 2");
    EXPECT_EQ(session.receive().affected, 1u);
    session.receive();
    EXPECT_FALSE(session.in_transaction());
  }
  EXPECT_EQ(count_of("t"), "5");
}

TEST_P(SentAhead, NothingBehindAFailureHasAnyEffect) {
  const auto source = open_source();
  Session& session = source->session();
  session.send_begin();
  session.send(insert(10));
  session.send(insert(1));  // there already
  session.send(insert(11));
  session.send_commit();
  session.receive();
  EXPECT_EQ(session.receive().affected, 1u);
  for (int behind = 0; behind < 3; ++behind) {
    const auto error = error_of([&] { session.receive(); });
    ASSERT_TRUE(error);
    EXPECT_TRUE(error->duplicate_key()) << error->what();
  }
  session.rollback();
  EXPECT_EQ(count_of("t"), "3");
  // The session is as good as before.
  session.send(insert(12));
  EXPECT_EQ(session.receive().affected, 1u);
  EXPECT_EQ(count_of("t"), "4");
}

TEST_P(SentAhead, ACheckThatFindsNoRowStopsTheRest) {
  const auto source = open_source();
  Session& session = source->session();
  const std::array<Value, 1> there{std::int64_t{1}}, missing{std::int64_t{99}};
  session.send_begin();
  session.send_check(select(), there);
  session.send_check(select(), missing);
  session.send(insert(10));
  session.send_commit();
  session.receive();
  session.receive();
  for (int behind = 0; behind < 3; ++behind) {
    expect_error(ErrorKind::fenced, [&] { session.receive(); });
  }
  session.rollback();
  EXPECT_EQ(count_of("t"), "3");
}

TEST_P(SentAhead, ARollbackDropsWhatWasNotReceived) {
  const auto source = open_source();
  Session& session = source->session();
  session.send_begin();
  session.send(insert(10));
  session.send(insert(11));
  session.rollback();
  EXPECT_EQ(count_of("t"), "3");
  session.execute(insert(12));
  EXPECT_EQ(count_of("t"), "4");
}

TEST_P(SentAhead, ASessionThatIsAbandonedGivesUpAtOnce) {
  if (quirks.engine == Engine::sqlite) return;  // nothing there that could stall
  const auto source = open_source(), other = open_source();
  other->session().begin();
  other->session().query("UPDATE t SET note = 'held' WHERE id = 1");
  Session& session = source->session();
  const auto canceller = session.canceller();
  std::thread abandon([&] {
    std::this_thread::sleep_for(std::chrono::milliseconds(200));
    canceller->abandon();
  });
  const Stopwatch watch;
  session.send_begin();
  session.send("UPDATE t SET note = 'waits' WHERE id = 1");
  const auto error = error_of([&] {
    session.receive();
    session.receive();
  });
  abandon.join();
  ASSERT_TRUE(error);
  EXPECT_EQ(error->scope(), ErrorScope::session) << error->what();
  EXPECT_LT(watch.elapsed().count(), 1000);
}

TEST_P(SentAhead, RowsOfEveryKeyAreReadAndReplacedOneByOne) {
  const auto source = open_source();
  const auto target = open_target();
  const auto tables = make_key_tables(source->session());
  for (const KeySet& set : quirks.keys) {
    SCOPED_TRACE(set.name);
    const ReadSpec spec = read_spec(tables.at(set.name));
    ReadSpec key_spec = spec;
    key_spec.columns = spec.key;
    WriteSpec to{spec.table, spec.columns, spec.key};
    std::vector<Key> keys;
    std::optional<Key> lower;
    while (auto key = source->nth_key(spec, {lower, {}}, 1)) lower = keys.emplace_back(*key);
    try {
      target->prepare_single(to);
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::gate);  // several spellings for one key
      continue;
    }
    for (const RowLayout& layout : source->layouts(spec)) {
      const auto takes = target->layouts(to);
      if (std::find(takes.begin(), takes.end(), layout) == takes.end()) continue;
      for (const Key& key : keys) {
        Session& session = source->session();
        source->prepare_read(spec, layout);
        session.send_begin();
        source->send_read(spec, key, layout);
        session.send_commit();
        RowBatch row, key_row;
        session.receive();
        ASSERT_TRUE(source->receive_row(row));
        session.receive();
        source->key_cells(key_spec, {&key, 1}, cells_layout(), key_row);
        // Away, and back again.
        const RowBatch nothing;
        for (const RowBatch* what : {&nothing, static_cast<const RowBatch*>(&row)}) {
          target->session().send_begin();
          target->send_replace(to, key_row, cells_layout(), *what, layout);
          target->session().send_commit();
          for (int at = 0; at < 3; ++at) target->session().receive();
          // Not count_of(): a client for each of these hundreds would take a minute.
          EXPECT_EQ(source->count(spec, {}), set.rows.size() - (what == &nothing ? 1 : 0));
        }
        RowBatch again;
        ASSERT_TRUE(source->read_keys(spec, {&key, 1}, cells_layout())->next(again));
      }
    }
  }
}

TEST_P(SentAhead, AGuardIsRaisedAndNeverLowered) {
  const auto target = open_target();
  Session& session = target->session();
  const InlineGuard guard("m", "");
  guard.install(session);
  const InlineGuard::Name a{"t", "1"}, b{"t", "2"};
  const auto raise = [&](const ChangePlace& place) {
    session.send_begin();
    guard.send_raise(session, a.first, a.second, place);
    session.send_commit();
    const auto error = error_of([&] {
      for (int at = 0; at < 3; ++at) session.receive();
    });
    session.rollback();
    return error;
  };
  session.begin();
  guard.raise(session, {{a, {3, 100}}});
  session.commit();
  EXPECT_EQ(raise({3, 100})->kind(), ErrorKind::fenced);
  EXPECT_EQ(raise({3, 99})->kind(), ErrorKind::fenced);
  EXPECT_EQ(raise({2, 1000})->kind(), ErrorKind::fenced);
  session.begin();
  guard.raise(session, {{a, {3, 50}}, {b, {3, 7}}});
  const std::vector<InlineGuard::Name> names{a, b, {"t", "3"}, {"u", "1"}};
  auto places = guard.lock(session, names);
  session.commit();
  EXPECT_EQ(places.size(), 2u);
  EXPECT_EQ(places[a].place, (ChangePlace{3, 100}));
  EXPECT_TRUE(places[a].by_relay);
  EXPECT_EQ(places[b].place, (ChangePlace{3, 7}));
  session.send_begin();
  guard.send_raise(session, a.first, a.second, {4, 1});
  session.send_commit();
  for (int at = 0; at < 3; ++at) session.receive();
  session.begin();
  places = guard.lock(session, names);
  EXPECT_EQ(places[a].place, (ChangePlace{4, 1}));
  EXPECT_FALSE(places[a].by_relay);
  // The relay that comes to this very change puts its mark there.
  guard.raise(session, {{a, {4, 1}}});
  EXPECT_TRUE(guard.lock(session, names)[a].by_relay);
  session.commit();
  guard.remove(session);
}

MIGRATOR_CONFORMANCE_SUITE(SentAhead);

}  // namespace
}  // namespace migrator::test
