#include "adapters/mysql/adapter.h"

#include "adapters/mysql/connection.h"
#include "adapters/mysql/dialect.h"
#include "adapters/mysql/source.h"
#include "adapters/mysql/target.h"

namespace migrator::mysql {
namespace {

class MysqlAdapter final : public Adapter {
 public:
  const Dialect& dialect() const override { return common_dialect(); }
  std::unique_ptr<Source> open_source(const Url& url,
                                      const SessionOptions& options) const override {
    return std::make_unique<MysqlSource>(connection_settings(url, options), options);
  }
  std::unique_ptr<Target> open_target(const Url& url,
                                      const SessionOptions& options) const override {
    return std::make_unique<MysqlTarget>(connection_settings(url, options), options);
  }
};

}  // namespace

const Adapter& adapter() {
  static const MysqlAdapter instance;
  return instance;
}

}  // namespace migrator::mysql
