// Puts capture on the source's tables, and takes it away. (Protocol: "Capture".)
//
// A trigger waits for the transactions that have written to its table before, and everything behind
// it waits for the trigger: so it waits for a second only, lets the others pass, and tries again.
//
// Threads: none of its own.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "migrator/capture/journal.h"
#include "migrator/copy/endpoints.h"
#include "plans/route.h"

namespace migrator {

class CaptureInstallation {
 public:
  // source: a session of its own, opened with options().
  CaptureInstallation(std::string migration, const Journal& journal, Session& source,
                      Interrupt& interrupt);
  // With the lock timeout that installing needs.
  static SessionOptions options(SessionOptions source);

  // What capture would not see, or cannot be put on at all.
  std::vector<Finding> gaps(const TableRoute& route) const;
  // Every trigger of the table itself is there and enabled, by what the route's catalog says; those
  // of its partitions are not looked at.
  bool complete(const TableRoute& route) const;
  // What install() would run.
  std::vector<std::string> statements(const TableRoute& route) const;

  bool journal_exists() const { return journal_.exists(source_); }
  void install_journal() const;
  // Makes the triggers anew. When it returns, every change that commits from now on is in the
  // journal, and all others are visible. Throws Error(transient) when the table could not be locked
  // for some minutes.
  void install(const TableRoute& route) const;
  void remove(const TableRoute& route) const;

 private:
  CaptureSpec spec(const TableRoute& route) const;
  // `what` is done, in one transaction; `of` whom, for errors.
  void run(const std::function<void()>& what, const std::string& of) const;

  const std::string migration_;
  const Journal& journal_;
  Session& source_;
  Interrupt& interrupt_;
};

}  // namespace migrator
