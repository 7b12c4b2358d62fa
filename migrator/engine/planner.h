// `migrate plan`: looks at both databases and drafts the plan that a person would have written,
// with a report of everything that was found.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "migrator/copy/endpoints.h"
#include "plans/route.h"

namespace migrator {

struct PlannerOptions {
  std::string name;                  // "": made of the databases' names
  std::vector<std::string> only;     // tables to take; empty: all
  std::vector<std::string> without;  // tables to leave out
  std::string capture = "trigger";   // Plan::capture
  bool inline_writes = false;
  // Rows of each table whose values are read and encoded for the target, without being sent: what
  // would be refused is found now and not at two in the morning. 0: none.
  std::uint64_t scan_rows = 20'000;
};

struct TableEstimate {
  std::string table;
  std::uint64_t rows = 0, bytes = 0;
  std::uint64_t rows_scanned = 0;
};

struct Draft {
  Plan plan;  // source_url and target_url with their secrets, for use in this process
  std::vector<Finding> findings;
  std::vector<TableEstimate> estimates;
  std::string source_product, target_product;
  std::uint64_t rows = 0, bytes = 0;  // of all tables

  // What goes beside a table in the plan file.
  std::map<std::string, std::vector<std::string>> comments() const;
};

// Throws Error; findings of severity error mean that the plan needs a decision of the user before
// it runs.
Draft draft_plan(const Url& source, const Url& target, const PlannerOptions& options,
                 Interrupt& interrupt);

// The report in Markdown: what is copied, how it is mapped, what is not carried, how long it may
// take.
std::string write_report(const Draft& draft, const std::string& plan_file);

}  // namespace migrator
