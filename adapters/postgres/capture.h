// Capture by statement-level triggers with transition tables: one INSERT into the journal a
// statement, whatever the number of its rows.
#pragma once

#include "adapters/capture.h"

namespace migrator::postgres {

class PgCapture final : public CaptureDialect {
 public:
  std::vector<CaptureGap> gaps(const CaptureSpec& spec) const override;
  std::string create_journal(const std::string& schema) const override;
  std::string_view age_ms() const override;
  std::vector<std::string> create_triggers(const CaptureSpec& spec) const override;
  std::vector<std::string> drop_triggers(const CaptureSpec& spec) const override;
  std::vector<std::string> trigger_names(const CaptureSpec& spec) const override;
  std::string with_entries(std::string_view change, std::string_view insert,
                           std::string_view constants, std::string_view row_key) const override;
  std::string row_key(const std::vector<Column>& key, const std::string& row) const override;
  Key decode(const std::vector<Column>& key, std::string_view row_key) const override;
  std::string encode(const std::vector<Column>& key, const Key& values) const override;
};

}  // namespace migrator::postgres
