#include "migrator/include/migrator/error.h"

namespace migrator {

std::string_view name(ErrorKind kind) {
  switch (kind) {
    case ErrorKind::transient:
      return "transient";
    case ErrorKind::in_doubt:
      return "in_doubt";
    case ErrorKind::data:
      return "data";
    case ErrorKind::permanent:
      return "permanent";
    case ErrorKind::usage:
      return "usage";
    case ErrorKind::gate:
      return "gate";
    case ErrorKind::fenced:
      return "fenced";
    case ErrorKind::cancelled:
      return "cancelled";
    case ErrorKind::invariant:
      return "invariant";
  }
  return "unknown";
}

}  // namespace migrator
