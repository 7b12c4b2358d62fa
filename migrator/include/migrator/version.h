// The version of the library and of `migrate`.
#pragma once

#include <string_view>

namespace migrator {

inline constexpr std::string_view kVersion = "0.1.0";

}  // namespace migrator
