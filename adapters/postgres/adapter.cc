#include "adapters/postgres/adapter.h"

#include "adapters/postgres/dialect.h"
#include "adapters/postgres/source.h"
#include "adapters/postgres/target.h"

namespace migrator::postgres {
namespace {

class PgAdapter : public Adapter {
 public:
  const Dialect& dialect() const override { return postgres::dialect(); }
  std::unique_ptr<Source> open_source(const Url& url,
                                      const SessionOptions& options) const override {
    return std::make_unique<PgSource>(url, options);
  }
  std::unique_ptr<Target> open_target(const Url& url,
                                      const SessionOptions& options) const override {
    return std::make_unique<PgTarget>(url, options);
  }
};

}  // namespace

const Adapter& adapter() {
  static const PgAdapter instance;
  return instance;
}

}  // namespace migrator::postgres
