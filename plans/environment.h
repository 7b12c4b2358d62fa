// ${NAME} in the values of a plan.
#pragma once

#include <string>
#include <string_view>

#include "plans/plan.h"

namespace migrator {

struct Expansion {
  std::string text;
  bool from_environment = false;  // a variable or its default went into it: never show the text
};

// Puts in the variables: ${NAME}, and ${NAME:-default} where NAME is not set or empty. `$${` stands
// for the characters `${`. What a variable holds is not expanded again. Throws Error(usage) that
// names the variable and never what it holds; the caller adds the position.
Expansion expand(std::string_view text, const Environment& environment);

// The text that expand() turns back into `literal`.
std::string escape_expansion(std::string_view literal);

}  // namespace migrator
