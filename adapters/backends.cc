#include "adapters/adapter.h"
#include "adapters/mysql/adapter.h"
#include "adapters/postgres/adapter.h"
#include "adapters/sqlite/adapter.h"

namespace migrator {

const Adapter& adapter_for(Engine engine) {
  switch (engine) {
    case Engine::postgres:
      return postgres::adapter();
    case Engine::mysql:
      return mysql::adapter();
    case Engine::sqlite:
      return sqlite::adapter();
  }
  throw Error(ErrorKind::invariant, "unknown engine");
}

}  // namespace migrator
