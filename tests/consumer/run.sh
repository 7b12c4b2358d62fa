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

for file in bin/migrate include/migrator/shim.h include/migrator/sqlite.h include/migrator/dual_call.h \
  share/bash-completion/completions/migrate share/zsh/site-functions/_migrate; do
  [[ -e $prefix/$file ]] || fail "$file was not installed"
done
# No path of the build or the source tree, and no library of ours, may have come along.
source=$(cached CMAKE_HOME_DIRECTORY)
if grep -rlF -e "$source/" -e "$build/" --include='*.cmake' --include='*.h' "$prefix"; then
  fail "the files above name the build or source tree"
fi
if grep -rliE 'fmt::|fmt/|spdlog|yaml|boost|nlohmann|xxhash' --include='*.cmake' --include='*.h' "$prefix"; then
  fail "the files above ask for libraries of the build"
fi

# The project outside: copied, so that nothing of the source tree is beside it. It takes the sanitizers of
# the build, which the library was compiled with, and nothing else.
cp "$here/CMakeLists.txt" "$here/main.cc" "$work/"
sanitize=$(cached MIGRATOR_SANITIZE)
flags=${sanitize:+-fsanitize=$sanitize}
cmake -S "$work" -B "$work/build" -G Ninja -DCMAKE_PREFIX_PATH="$prefix" \
  -DCMAKE_CXX_COMPILER="$(cached CMAKE_CXX_COMPILER)" -DCMAKE_CXX_FLAGS="$flags" \
  -DCMAKE_FIND_USE_PACKAGE_REGISTRY=OFF >"$work/configure.log" 2>&1 ||
  { cat "$work/configure.log"; fail "find_package(migrator)"; }
cmake --build "$work/build" >"$work/build.log" 2>&1 ||
  { cat "$work/build.log"; fail "building against the installed library"; }
# What it links is what it asked for.
if ldd "$work/build/consumer" | grep -E 'libpq|libmariadb|libmysql|libfmt|libspdlog|libyaml|libboost|libxxhash'; then
  fail "the consumer links the libraries above"
fi

cd "$work"
sqlite3 shop.db "PRAGMA journal_mode = WAL;
  CREATE TABLE orders (id INTEGER PRIMARY KEY, title TEXT NOT NULL, cents INTEGER NOT NULL);
  CREATE TABLE stock (id INTEGER PRIMARY KEY, books INTEGER NOT NULL); INSERT INTO stock VALUES (1, 5000);" >/dev/null
cat >plan.yaml <<'PLAN'
version: 1
name: shop
source: sqlite:shop.db
target: sqlite:new.db
capture: shim
inline_writes: true
tables:
  - name: orders
  - name: stock
PLAN
for command in start backfill; do
  "$prefix/bin/migrate" $command plan.yaml >"$command.log" 2>&1 || { cat "$command.log"; fail "migrate $command"; }
done
"$work/build/consumer" | tee consumer.log || fail "the consumer itself"
grep -q '^sold 1000, of which 1000 orders' consumer.log || fail "not all of it was written to the new database"
for command in relay verify; do
  "$prefix/bin/migrate" $command plan.yaml >"$command.log" 2>&1 || { cat "$command.log"; fail "migrate $command"; }
done
[[ $(sqlite3 new.db 'SELECT COUNT(*), (SELECT books FROM stock) FROM orders') == '1000|4000' ]] ||
  fail "the new database has not what was sold"
# The README shows this very program.
if [[ -f $source/README.md ]]; then
  python3 - "$here/main.cc" "$source/README.md" <<'PY' || fail "README.md does not show tests/consumer/main.cc as it is"
import sys
program, readme = (open(path, encoding="utf-8").read() for path in sys.argv[1:])
sys.exit(program.strip() not in readme)
PY
fi
"$prefix/bin/migrate" --version | grep -qE '^migrate [0-9]+\.[0-9]+\.[0-9]+' ||
  fail "the installed migrate does not tell its version"
echo "consumer: passed"
