// Capture by row triggers: one entry a row and event.
//
// TRUNCATE runs no trigger, nor do the cascades of foreign keys. The first is made impossible: an
// empty table `_migrator_..._keep` refers to the captured one, and a server truncates no table that
// is referred to (error 1701). The second is a gap that keeps capture from being installed.
#pragma once

#include "adapters/capture.h"

namespace migrator::mysql {

class MysqlCapture final : public CaptureDialect {
 public:
  std::vector<CaptureGap> gaps(const CaptureSpec& spec) const override;
  std::string create_journal(const std::string& schema) const override;
  std::string_view age_ms() const override;
  std::vector<std::string> create_triggers(const CaptureSpec& spec) const override;
  std::vector<std::string> drop_triggers(const CaptureSpec& spec) const override;
  std::vector<std::string> trigger_names(const CaptureSpec& spec) const override;
  std::string row_key(const std::vector<Column>& key, const std::string& row) const override;
  std::string_view returning_entry() const override { return ""; }
  std::string last_entry(const std::string& schema) const override;
  Key decode(const std::vector<Column>& key, std::string_view row_key) const override;
  std::string encode(const std::vector<Column>& key, const Key& values) const override;
};

}  // namespace migrator::mysql
