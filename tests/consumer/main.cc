// Uses the installed headers and library as an application would; exits 1 if something is not as
// promised.
#include <cstdio>
#include <string>

#include <migrator/error.h>
#include <migrator/version.h>

namespace {

void refuse() {
  throw migrator::Error(migrator::ErrorKind::gate, "the gate is shut")
      .remedy("open it")
      .code("55000")
      .scope(migrator::ErrorScope::transaction);
}

}  // namespace

int main() {
  try {
    refuse();
  } catch (const migrator::Error& error) {
    const bool as_promised = migrator::name(error.kind()) == "gate" &&
                             error.scope() == migrator::ErrorScope::transaction &&
                             error.remedy() == "open it" && error.code() == "55000" &&
                             std::string(error.what()) == "the gate is shut";
    std::printf("migrator %s: %s\n", std::string(migrator::kVersion).c_str(),
                as_promised ? "as promised" : "NOT as promised");
    return as_promised ? 0 : 1;
  }
  std::printf("nothing was thrown\n");
  return 1;
}
