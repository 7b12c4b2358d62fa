#!/bin/sh
# The servers of the tests, for a developer's own use:
#
#   scripts/dev-databases.sh start         starts PostgreSQL and MariaDB (and what npm has) on loopback ports
#   eval "$(scripts/dev-databases.sh env)"  their URLs in MIGRATOR_TEST_POSTGRES_URL and so on
#   scripts/dev-databases.sh stop          stops them and deletes their data
#
# MIGRATOR_BUILD names the build folder (the newest one below build/ if not set); it must have been built.
# Tests that are run from a shell with these variables use these servers.
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)

find_build() {
  if [ -n "${MIGRATOR_BUILD:-}" ]; then
    echo "$MIGRATOR_BUILD"
    return
  fi
  program=$(ls -t "$root"/build/*/tests/support/test_servers "$root"/build/tests/support/test_servers \
    2>/dev/null | head -n 1)
  [ -z "$program" ] || dirname "$(dirname "$(dirname "$program")")"
}

build=$(find_build)
if [ -z "$build" ] || [ ! -x "$build/tests/support/test_servers" ]; then
  echo "test_servers is not built: run cmake --preset dev && cmake --build --preset dev --target test_servers" >&2
  exit 2
fi
# Not the env file of test runs: those stop their servers when they end.
env_file=$build/tests/dev-databases.env
case ${1:-} in
  start|stop|env|report) exec "$build/tests/support/test_servers" "$1" --env-file "$env_file" ;;
  *) echo "usage: $0 start|stop|env|report" >&2; exit 2 ;;
esac
