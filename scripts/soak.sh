#!/usr/bin/env bash
# Migrates a source that eight writers change all the time, kills the migration every moment and resumes it, and
# compares both sides in the end. The writers use SQL of their own, and triggers capture it; or the shim, which writes
# the target as well.
#
# usage: scripts/soak.sh [--minutes N] [--pair FROM:TO] [--by sql|shim] [--seed N] [--no-setup]
#
#   --minutes N      how long each pair is written to (1)
#   --pair FROM:TO   only this pair, of pg, mysql and sqlite; else all nine, one after the other (five of them by shim)
#   --by sql|shim    only writers of that kind; else both, one after the other
#   --seed N         the writers' and the kills' random numbers; the run prints its own
#   --no-setup       do not run scripts/setup.sh first
#   --help           this text
#
# Exit status: 0 every pair ended equal, 1 one did not or the build failed, 2 wrong usage.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
minutes=1
pair='.*'
ways='Pairs/(Shim)?'
setup=true

usage() { sed -n '2,/^set -/{/^set -/d;s/^# \{0,1\}//p}' "${BASH_SOURCE[0]}"; }

usage_error() {
  echo "soak.sh: $1; see scripts/soak.sh --help" >&2
  exit 2
}

engine() {
  case $1 in
    pg | postgres | postgresql) echo postgres ;;
    mysql | mariadb) echo mariadb ;;
    sqlite) echo sqlite ;;
    *) usage_error "no engine $1: pg, mysql or sqlite" ;;
  esac
}

while (($#)); do
  case $1 in
    --minutes)
      [[ ${2:-} =~ ^[1-9][0-9]*$ ]] || usage_error "--minutes needs a number from 1"
      minutes=$2
      shift
      ;;
    --pair)
      [[ ${2:-} == *:* ]] || usage_error "--pair needs FROM:TO, such as pg:mysql"
      from=$(engine "${2%%:*}")
      to=$(engine "${2#*:}")
      pair="${from}_to_$to"
      shift
      ;;
    --by)
      case ${2:-} in
        sql) ways='Pairs/' ;;
        shim) ways='Pairs/Shim' ;;
        *) usage_error "--by needs sql or shim" ;;
      esac
      shift
      ;;
    --seed)
      [[ ${2:-} =~ ^[0-9]+$ ]] || usage_error "--seed needs a number"
      export MIGRATOR_TEST_SEED=$2
      shift
      ;;
    --no-setup) setup=false ;;
    -h | --help)
      usage
      exit 0
      ;;
    *) usage_error "unknown option $1" ;;
  esac
  shift
done

cd "$root"
if $setup; then scripts/setup.sh; fi
cmake --preset release -DMIGRATOR_TESTS=ON >/dev/null
cmake --build --preset release --target live_soak test_servers
export MIGRATOR_SOAK_SECONDS=$((minutes * 60))
# -V: the seeds and what was done are shown as they come.
ctest --test-dir build/release --no-tests=error -V --timeout $((minutes * 60 + 1800)) -R "${ways}Soak\.EndsEqual/$pair"
