// Capture by row triggers: one entry a row and event.
//
// INSERT OR REPLACE and UPDATE OR REPLACE delete rows that stand in the way of another unique key
// without running their triggers, so triggers in front of each change write down the keys of those
// rows, too.
#pragma once

#include "adapters/capture.h"

namespace migrator::sqlite {

class SqliteCapture final : public CaptureDialect {
 public:
  std::vector<CaptureGap> gaps(const CaptureSpec& spec) const override;
  std::string create_journal(const std::string& schema) const override;
  std::string_view age_ms() const override;
  std::vector<std::string> create_triggers(const CaptureSpec& spec) const override;
  std::vector<std::string> drop_triggers(const CaptureSpec& spec) const override;
  std::vector<std::string> trigger_names(const CaptureSpec& spec) const override;
  std::string row_key(const std::vector<Column>& key, const std::string& row) const override;
  Key decode(const std::vector<Column>& key, std::string_view row_key) const override;
  std::string encode(const std::vector<Column>& key, const Key& values) const override;
};

}  // namespace migrator::sqlite
