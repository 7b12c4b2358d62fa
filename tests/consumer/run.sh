#!/usr/bin/env bash
# Installs a build of migrator into a temporary prefix, and builds and runs a project outside of the tree
# against it, which must see none of the libraries that migrator itself is built with.
#
# usage: tests/consumer/run.sh BUILD_DIR
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
build=$(cd "${1:?usage: tests/consumer/run.sh BUILD_DIR}" && pwd)
work=$(mktemp -d "${TMPDIR:-/tmp}/migrator-consumer.XXXXXX")
trap 'rm -rf "$work"' EXIT
prefix=$work/prefix

fail() {
  echo "consumer: FAILED: $1" >&2
  exit 1
}

cached() { sed -n "s/^$1:[A-Z]*=//p" "$build/CMakeCache.txt"; }

DESTDIR='' cmake --install "$build" --prefix "$prefix" >"$work/install.log" ||
  { cat "$work/install.log"; fail "cmake --install"; }

for file in bin/migrate include/migrator/error.h include/migrator/version.h \
  share/bash-completion/completions/migrate share/zsh/site-functions/_migrate; do
  [[ -e $prefix/$file ]] || fail "$file was not installed"
done
# No path of the build or the source tree, and no library of ours, may have come along.
source=$(cached CMAKE_HOME_DIRECTORY)
if grep -rlF -e "$source/" -e "$build/" --include='*.cmake' --include='*.h' "$prefix"; then
  fail "the files above name the build or source tree"
fi
if grep -rliE 'fmt::|spdlog|libpq|mysql|sqlite3|yaml-cpp|Boost::' --include='*.cmake' "$prefix"; then
  fail "the files above ask for libraries of the build"
fi

# The project outside: copied, so that nothing of the source tree is beside it. It takes the sanitizers of
# the build, which the library was compiled with, and nothing else.
cp "$here/CMakeLists.txt" "$here/main.cc" "$work"
sanitize=$(cached MIGRATOR_SANITIZE)
flags=${sanitize:+-fsanitize=$sanitize}
cmake -S "$work" -B "$work/build" -G Ninja -DCMAKE_PREFIX_PATH="$prefix" \
  -DCMAKE_CXX_COMPILER="$(cached CMAKE_CXX_COMPILER)" -DCMAKE_CXX_FLAGS="$flags" \
  -DCMAKE_FIND_USE_PACKAGE_REGISTRY=OFF >"$work/configure.log" 2>&1 ||
  { cat "$work/configure.log"; fail "find_package(migrator)"; }
cmake --build "$work/build" >"$work/build.log" 2>&1 ||
  { cat "$work/build.log"; fail "building against the installed library"; }
"$work/build/consumer" || fail "the consumer itself"
"$prefix/bin/migrate" --version | grep -qE '^migrate [0-9]+\.[0-9]+\.[0-9]+' ||
  fail "the installed migrate does not tell its version"
echo "consumer: passed"
