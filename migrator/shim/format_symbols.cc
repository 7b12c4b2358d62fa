// What the installed library needs of the formatting library, so that who links it needs nothing of
// it: a format of every kind, compiled header-only and without optimisation, leaves all of that as
// weak symbols in this object. Where the program links that library by itself, either copy serves.
#define FMT_HEADER_ONLY
#include <string>
#include <string_view>

#include <fmt/format.h>

namespace migrator {

// Called by nobody.
std::string format_everything(double real, float single, long long integer,
                              unsigned long long natural, const void* pointer,
                              std::string_view text, char letter, bool truth) {
  return fmt::format("{} {:.6f} {:g} {} {:016x} {:02x} {} {:>10} {} {} {:?}", real, real, single,
                     integer, natural, natural, pointer, text, letter, truth, text) +
         fmt::vformat("{}", fmt::make_format_args(text));
}

}  // namespace migrator
