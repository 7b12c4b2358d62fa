#include "adapters/sqlite/adapter.h"

#include <memory>

#include "adapters/sqlite/dialect.h"
#include "adapters/sqlite/session.h"
#include "adapters/sqlite/source.h"
#include "adapters/sqlite/target.h"

namespace migrator::sqlite {
namespace {

class SqliteAdapter final : public Adapter {
 public:
  const migrator::Dialect& dialect() const override { return sqlite::dialect(); }
  std::unique_ptr<migrator::Source> open_source(const Url& url,
                                                const SessionOptions& options) const override {
    return std::make_unique<Source>(std::make_unique<Session>(url, options, Role::source));
  }
  std::unique_ptr<migrator::Target> open_target(const Url& url,
                                                const SessionOptions& options) const override {
    return std::make_unique<Target>(std::make_unique<Session>(url, options, Role::target));
  }
};

}  // namespace

const Adapter& adapter() {
  static const SqliteAdapter instance;
  return instance;
}

}  // namespace migrator::sqlite
