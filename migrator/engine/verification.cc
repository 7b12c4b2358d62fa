#include "migrator/engine/verification.h"

#include <algorithm>

#include <fmt/format.h>

#include "migrator/copy/stop_point.h"
#include "migrator/engine/steering.h"
#include "migrator/verify/mismatch_log.h"
#include "migrator/verify/recheck.h"
#include "plans/route.h"

namespace migrator {
namespace {

// Differences that are looked at again: a hundred bytes or two each. Beyond them a table is not on
// its way to being equal.
constexpr std::size_t kLookedAtAgain = 100'000;

// How often it is written down how far a comparison has come.
constexpr std::chrono::seconds kProgressWritten{1};

// Between looks at what has changed; and between comparisons of a table of which any row may have.
constexpr std::chrono::milliseconds kWatched{1000};
constexpr std::chrono::seconds kComparedAgain{60};
// Keys that are looked at together: what is found is written down in between.
constexpr std::size_t kKeysWatched = 5'000;

}  // namespace

void Verification::check(const VerifyOptions& options) const {
  for (const std::string& name : options.only) {
    const bool known = std::any_of(plan_.tables.begin(), plan_.tables.end(),
                                   [&](const TablePlan& table) { return table.name == name; });
    if (known) continue;
    std::vector<std::string> names;
    for (const TablePlan& table : plan_.tables) names.push_back(table.name);
    const std::string near = nearest(name, names);
    throw Error(ErrorKind::usage, fmt::format("the plan has no table `{}`", name))
        .remedy(near.empty() ? "name a table of the plan"
                             : fmt::format("did you mean `{}`?", near));
  }
  if (options.continuous && changed_ == nullptr) {
    throw Error(ErrorKind::usage,
                "--continuous follows changes, and this migration has none (any more)")
        .remedy("verify without --continuous, or begin with `capture: trigger` in the plan");
  }
  if (options.repair == VerifyOptions::Repair::none) return;
  if (options.continuous) {
    throw Error(ErrorKind::usage, "--repair and --continuous do not go together")
        .remedy("repair first; what --continuous finds is to be understood before it is repaired");
  }
  if (feed_ != nullptr) return;
  throw Error(ErrorKind::usage,
              "rows are repaired through the journal, and this migration has none (any more)")
      .remedy(
          "verify without --repair; rows that are missing come with a new copy into an empty "
          "table, or begin with `capture: trigger` in the plan");
}

// What was equal yesterday must not stand for what was not looked at to its end today. Where an
// interrupted verify is gone on with, those tables count that it has found equal: not earlier than
// it began, which is when the tables without a pass were marked.
std::map<std::string, VerifyOutcome> Verification::begin(
    const std::vector<const TableRoute*>& chosen, const VerifyOptions& options) {
  std::map<std::string, VerifyOutcome> done;
  Clock::time_point began = Clock::now();
  if (options.resume) {
    std::vector<VerifyOutcome> outcomes = store_.verify_outcomes();
    // Of several, the last one: what did not pass before is older.
    std::optional<Clock::time_point> last;
    for (const VerifyOutcome& outcome : outcomes) {
      if (!outcome.passed()) last = std::max(last.value_or(outcome.at), outcome.at);
    }
    const bool interrupted = last.has_value();
    if (last) began = *last;
    for (VerifyOutcome& outcome : outcomes) {
      const std::string table = outcome.table;
      if (outcome.passed() && outcome.at >= began) done.emplace(table, std::move(outcome));
    }
    const bool over = std::all_of(chosen.begin(), chosen.end(), [&](const TableRoute* route) {
      return done.contains(route->name);
    });
    if (!interrupted || over) {
      throw Error(ErrorKind::usage, "no verify was interrupted: the last one found all rows equal")
          .remedy("verify anew, without --resume");
    }
  }
  for (const TableRoute* route : chosen) {
    if (done.contains(route->name)) continue;
    if (!options.resume) store_.clear_verify_progress(route->name);
    store_.put_verify({route->name, began, 0, 0, 0, 0, false, 0});
  }
  resumed_ = began;
  return done;
}

std::vector<TableComparison> Verification::run(
    const std::vector<TableRoute>& routes, const VerifyOptions& options,
    const std::function<void(const TableComparison&)>& tick) {
  check(options);
  log_.emplace(options.log);  // before hours of comparing
  Pacer pacer(interrupt_);
  Comparer comparer(endpoints_, interrupt_, pacer, compare_options(options));
  const Steering steering(plan_.backfill, store_, endpoints_, interrupt_, pacer,
                          [&](const BackfillPlan& now) { comparer.set_workers(now.jobs); });
  std::vector<const TableRoute*> chosen;
  for (const TableRoute& route : routes) {
    if (options.only.empty() ||
        std::find(options.only.begin(), options.only.end(), route.name) != options.only.end()) {
      chosen.push_back(&route);
    }
  }
  std::map<std::string, VerifyOutcome> done = begin(chosen, options);
  std::vector<TableComparison> results;
  for (const TableRoute* each : chosen) {
    const TableRoute& route = *each;
    if (const auto before = done.find(route.name); before != done.end()) {
      TableComparison result;
      result.table = route.name;
      result.rows_source = result.rows_target = before->second.rows;
      result.in_flux = before->second.in_flux;
      result.complete = true;
      results.push_back(std::move(result));
    } else {
      results.push_back(verify_once(route, comparer, options, tick));
    }
  }
  if (options.continuous) {
    if (options.compared) options.compared(results);
    watch(chosen, comparer, options);
  }
  return results;
}

// One table, whose errors are in its result, and written down whatever it is.
TableComparison Verification::verify_once(const TableRoute& route, Comparer& comparer,
                                          const VerifyOptions& options,
                                          const std::function<void(const TableComparison&)>& tick) {
  TableComparison result;
  // What was reported before its first row is read has been looked at when it is through.
  ReportedReads::Reports reports;
  if (!options.resume) reports = reads_.of(route.name);
  try {
    result = verify(route, comparer, options, tick);
    store_.clear_verify_progress(route.name);  // nothing is left to go on with
  } catch (const Error& error) {
    // A statement that somebody else has cancelled is an error as others are.
    if (interrupt_.requested()) throw;
    relayed_();
    result = {};
    result.table = route.name;
    result.begun = Clock::now();
    result.error = error.what();
    result.remedy = error.remedy();
  }
  // What was equal while nobody followed the changes is no pass.
  relayed_();
  write_down(result);
  note_unlisted(result);
  log_->append(log_lines(result));
  if (result.complete && !reports.empty()) {
    result.reported = reports.size();
    store_.add_event({Clock::now(), "reports_verified", route.name,
                      fmt::format("{} rows that applications had read differently were among those "
                                  "compared",
                                  reports.size())});
    reads_.judged(reports);
  }
  result.found.resize(std::min<std::size_t>(result.found.size(), plan_.verify.sample_log));
  if (tick) tick(result);
  return result;
}

// Rows as they change, table by table. What is found is written down at once, and takes the pass
// away that the table may have had.
void Verification::watch(const std::vector<const TableRoute*>& chosen, Comparer& comparer,
                         const VerifyOptions& options) {
  WatchProgress progress;
  try {
    watch_until_stopped(chosen, comparer, options, progress);
  } catch (const Error&) {
    // Of what was found since the last second, too.
    progress.different = any_different(chosen);
    if (options.watched) options.watched(progress);
    throw;
  }
}

// More rows differ than are listed.
bool Verification::has_unlisted(const TableComparison& result) const {
  std::uint64_t listed = 0;
  for (std::size_t at = 0; at < result.found.size() && at < plan_.verify.sample_log; ++at) {
    listed += result.found[at].copies;
  }
  return listed < result.differences();
}

// Those that are not listed are not looked at again one by one, so nothing settles them here. A
// comparison that failed says nothing new.
void Verification::note_unlisted(const TableComparison& result) {
  if (!result.complete) return;
  if (has_unlisted(result)) {
    unlisted_.insert(result.table);
  } else {
    unlisted_.erase(result.table);
  }
}

bool Verification::any_different(const std::vector<const TableRoute*>& chosen) {
  return std::any_of(chosen.begin(), chosen.end(), [&](const TableRoute* route) {
    return unlisted_.contains(route->name) || store_.open_mismatches(route->name) > 0;
  });
}

void Verification::watch_until_stopped(const std::vector<const TableRoute*>& chosen,
                                       Comparer& comparer, const VerifyOptions& options,
                                       WatchProgress& progress) {
  std::optional<Recheck> recheck;
  std::set<std::string> whole, voided;  // tables that have to be compared again, and have no pass
  for (const VerifyOutcome& outcome : store_.verify_outcomes()) {
    const bool asked = std::any_of(chosen.begin(), chosen.end(), [&](const TableRoute* route) {
      return route->name == outcome.table;
    });
    if (asked && !outcome.complete) whole.insert(outcome.table);
  }
  VerifyOptions anew = options;
  anew.resume = false;
  anew.repair = VerifyOptions::Repair::none;
  Clock::time_point compared = Clock::now();
  while (true) {
    if (!interrupt_.sleep(kWatched)) interrupt_.check();
    relayed_();
    ChangedKeys::Taken taken = changed_->take();
    for (const TableRoute* route : chosen) {
      if (taken.whole.contains(route->name)) whole.insert(route->name);
    }
    std::map<std::string, ReportedReads::Reports> reported = reads_.fresh();
    progress.waiting = 0;
    for (const TableRoute* route : chosen) {
      const std::set<std::string>& keys = taken.keys[route->name];
      std::vector<std::string> left(keys.begin(), keys.end());
      try {
        if (!recheck) {
          recheck.emplace(endpoints_, interrupt_, *feed_, plan_.verify.recheck, &words_,
                          [this] { relayed_(); });
        }
        if (!watch_table(*route, left, *recheck, progress)) whole.insert(route->name);
        watch_reports(*route, std::move(reported[route->name]), *recheck, progress);
      } catch (const Error& error) {
        // A server that is away: the relay says when it has been for too long.
        if (interrupt_.requested() ||
            (error.kind() != ErrorKind::transient && error.kind() != ErrorKind::in_doubt &&
             error.kind() != ErrorKind::cancelled)) {
          throw;
        }
        changed_->give_back(route->name, left);
        recheck.reset();
      }
    }
    for (const std::string& table : whole) {
      // Any row of it may have changed: it has not passed until it was compared again.
      if (!voided.insert(table).second) continue;
      store_.put_verify({table, Clock::now(), 0, 0, 0, 0, false, 0});
    }
    if (Clock::now() - compared >= kComparedAgain) {
      for (const TableRoute* route : chosen) {
        if (!whole.contains(route->name) && !reads_.comparison_due(route->name)) continue;
        const TableComparison result = verify_once(*route, comparer, anew, {});
        reads_.compared(route->name);
        if (result.error.empty()) {
          whole.erase(route->name);
          voided.erase(route->name);
        }
        ++progress.tables;
        progress.mismatches += result.differences();
        for (const Difference& one : result.found) progress.found.emplace_back(route->name, one);
      }
      compared = Clock::now();
    }
    progress.different = any_different(chosen);
    if (options.watched) options.watched(progress);
    progress.found.clear();
  }
}

// A hint voids no pass: only what is found does.
void Verification::watch_reports(const TableRoute& route, ReportedReads::Reports reports,
                                 Recheck& recheck, WatchProgress& progress) {
  if (reports.empty()) return;
  std::vector<std::string> keys;
  for (const ShadowReports::Report& one : reports) keys.push_back(one.row_key);
  std::set<std::string> restless;
  const bool all = watch_table(route, keys, recheck, progress, &restless);
  std::erase_if(reports, [&](const auto& one) { return restless.contains(one.row_key); });
  if (!all) return reads_.await_comparison(route.name);
  progress.reported += reports.size();
  reads_.judged(reports);
}

// Takes from `left` what it has looked at. False where some could not be. restless: gets those that
// are looked at again.
bool Verification::watch_table(const TableRoute& route, std::vector<std::string>& left,
                               Recheck& recheck, WatchProgress& progress,
                               std::set<std::string>* restless) {
  bool all = true;
  while (!left.empty()) {
    const std::size_t count = std::min(kKeysWatched, left.size());
    Recheck::Examined examined =
        recheck.examine(route, std::span(left).subspan(left.size() - count));
    left.resize(left.size() - count);
    changed_->give_back(route.name, examined.moving);
    if (restless) restless->insert(examined.moving.begin(), examined.moving.end());
    progress.waiting += examined.moving.size();
    const TableComparison& result = examined.result;
    all = all && result.complete;
    progress.rows += result.rows_source;
    progress.mismatches += result.found.size();
    if (store_.open_mismatches(route.name) > 0)
      store_.settle_mismatches(route.name, examined.equal);
    write_down_watched(examined.result, progress);
  }
  return all;
}

// A row that was known to differ in the same way is seen once more, and not one more.
void Verification::write_down_watched(const TableComparison& result, WatchProgress& progress) {
  if (result.found.empty()) return;
  // Beyond that it is known that the table differs, and more of the same is only counted.
  const bool listed = store_.open_mismatches(result.table) < plan_.verify.sample_log;
  std::set<std::pair<std::string, std::string>> known;  // key, kind and columns
  const auto looks = [](std::string_view kind, const std::vector<std::string>& columns) {
    return fmt::format("{} {}", kind, fmt::join(columns, ","));
  };
  for (const Mismatch& one : store_.mismatches(result.table, true, plan_.verify.sample_log)) {
    known.emplace(encode_key(one.key), looks(one.kind, one.columns));
  }
  TableComparison anew;
  anew.table = result.table;
  anew.found = result.found;
  std::erase_if(anew.found, [&](const Difference& one) {
    return known.contains({encode_key(one.key), looks(name(one.kind), one.columns)});
  });
  if (listed) store_.put_mismatches(result.table, mismatches_of(result), false);
  for (VerifyOutcome outcome : store_.verify_outcomes()) {
    if (outcome.table != result.table) continue;
    for (const Difference& one : anew.found) {
      (one.kind == DifferenceKind::missing ? outcome.missing
       : one.kind == DifferenceKind::extra ? outcome.extra
                                           : outcome.differing) += 1;
    }
    store_.put_verify(outcome);
  }
  if (mismatches_of(result).size() < result.found.size() || (!listed && !anew.found.empty())) {
    unlisted_.insert(result.table);
  }
  if (!listed || anew.found.empty()) return;
  log_->append(log_lines(anew));
  for (const Difference& one : anew.found) progress.found.emplace_back(result.table, one);
}

CompareOptions Verification::compare_options(const VerifyOptions& options) const {
  CompareOptions result;
  result.keep_differences = feed_ == nullptr
                                ? plan_.verify.sample_log
                                : std::max<std::size_t>(plan_.verify.sample_log, kLookedAtAgain);
  result.workers = plan_.backfill.jobs;
  result.mode = options.mode;
  result.keep_values = plan_.verify.sample_log;
  result.range_rows = plan_.verify.range_rows;
  result.words = &words_;
  return result;
}

// What has been found equal is remembered as it grows, so that an interrupted verify can go on.
TableComparison Verification::compare(const TableRoute& route, Comparer& comparer,
                                      const VerifyOptions& options,
                                      const std::function<void(const TableComparison&)>& tick) {
  VerifyProgress progress{route.name, Clock::now(), {}, 0, 0};
  std::optional<EqualPart> behind;
  if (options.resume) {
    for (const VerifyProgress& known : store_.verify_progress()) {
      if (known.table != route.name || known.begun < resumed_) continue;
      progress = known;
      behind = EqualPart{known.upto, known.rows_source, known.rows_target};
    }
  }
  Clock::time_point written{};
  TableComparison result = comparer.compare(route, behind, tick, [&](const EqualPart& part) {
    const Clock::time_point now = Clock::now();
    if (now - written < kProgressWritten) return;
    written = now;
    progress.upto = part.upto;
    progress.rows_source = part.rows_source;
    progress.rows_target = part.rows_target;
    store_.put_verify_progress(progress);
    stop_point("verify_progress_recorded");
  });
  result.begun = progress.begun;
  return result;
}

TableComparison Verification::verify(const TableRoute& route, Comparer& comparer,
                                     const VerifyOptions& options,
                                     const std::function<void(const TableComparison&)>& tick) {
  if (!route.target_exists) {
    throw Error(ErrorKind::permanent, "the target has no table " + route.write.table.text())
        .remedy("run `migrate backfill PLAN` first");
  }
  const std::uint64_t relayed_before = relayed_().entries;
  TableComparison result = compare(route, comparer, options, tick);
  if (feed_ == nullptr) return result;
  Recheck recheck(endpoints_, interrupt_, *feed_, plan_.verify.recheck, &words_,
                  [this] { relayed_(); });
  const auto quiet = [&] {
    return recheck.nothing_pending(route) && relayed_().entries == relayed_before;
  };
  result.in_flux = recheck.settle(route, result, quiet);
  if (options.repair == VerifyOptions::Repair::none || result.found.empty()) return result;
  const std::size_t wrong = result.found.size();
  const bool extras = options.repair == VerifyOptions::Repair::with_extra;
  store_.add_event(
      {Clock::now(), "repairing", route.name,
       fmt::format("{} missing, {} differing, {} extra rows, which are {}", result.missing,
                   result.differing, result.extra, extras ? "deleted" : "left")});
  result.repaired = recheck.repair(route, result, extras, quiet);
  store_.add_event({Clock::now(), "repaired", route.name,
                    fmt::format("{} of {} rows that differed", result.repaired, wrong)});
  return result;
}

std::vector<Mismatch> Verification::mismatches_of(const TableComparison& result) const {
  std::vector<Mismatch> found;
  for (const Difference& difference : result.found) {
    if (found.size() == plan_.verify.sample_log) break;
    Mismatch& mismatch = found.emplace_back();
    mismatch.table = result.table;
    mismatch.key = difference.key;
    mismatch.kind = name(difference.kind);
    mismatch.columns = difference.columns;
    for (const auto& [source, target] : difference.values) {
      mismatch.values.push_back({source, target});
    }
    mismatch.phase = phase_;
  }
  return found;
}

void Verification::write_down(const TableComparison& result) {
  const std::vector<Mismatch> found = mismatches_of(result);
  // Only where everything that differs is among them do the others not differ.
  const bool whole = result.complete && !has_unlisted(result);
  store_.put_mismatches(result.table, found, whole);
  // A repair says nothing of the rows that were not looked at again: it needs a verify of its own.
  store_.put_verify({result.table, result.begun, result.rows_source, result.missing, result.extra,
                     result.differing, result.complete && result.repaired == 0, result.in_flux});
}

std::string Verification::log_lines(const TableComparison& result) const {
  std::string lines;
  const std::size_t count = std::min<std::size_t>(result.found.size(), plan_.verify.sample_log);
  if (count == 0) return lines;
  const MismatchContext context{plan_.name, result.table, phase_, relayed_().seq, Clock::now()};
  for (std::size_t at = 0; at < count; ++at) {
    lines += mismatch_line(result.found[at], context);
  }
  return lines;
}

}  // namespace migrator
