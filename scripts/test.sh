#!/usr/bin/env bash
# Builds migrator and runs its tests.
#
# usage: scripts/test.sh [--preset NAME] [--filter REGEX] [--label REGEX] [--jobs N] [--no-setup]
#
#   --preset NAME    a preset of CMakePresets.json: release (the default), dev, asan-ubsan, tsan, tidy
#   --filter REGEX   only tests whose name matches
#   --label REGEX    only tests with such a label: unit, conformance, integration, faults, model
#   --jobs N         how many tests run at once (twice the processors, and 8 at most: they mostly wait)
#   --all            the known failures of tests/known-failures.txt, too
#   --no-setup       do not run scripts/setup.sh first
#   --help           this text
#
# The tests start the servers they need in temporary folders on free ports of the loopback interface, as an
# unprivileged user, and remove them at the end. The folders are in memory (/dev/shm) where there is plenty of
# it, unless TMPDIR says where they are to be.
# Exit status: 0 every test passed, 1 the build or a test failed, 2 wrong usage.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
preset=release
jobs=$(($(nproc) > 3 ? 8 : $(nproc) * 2))
setup=true
known_failures=true
selection=()

usage() { sed -n '2,/^set -/{/^set -/d;s/^# \{0,1\}//p}' "${BASH_SOURCE[0]}"; }

usage_error() {
  echo "test.sh: $1; see scripts/test.sh --help" >&2
  exit 2
}

while (($#)); do
  case $1 in
    --preset | --filter | --label | --jobs)
      [[ ${2:-} ]] || usage_error "$1 needs a value"
      case $1 in
        --preset) preset=$2 ;;
        --filter) selection+=(--tests-regex "$2") ;;
        --label) selection+=(--label-regex "$2") ;;
        --jobs) jobs=$2 ;;
      esac
      shift
      ;;
    --no-setup) setup=false ;;
    --all) known_failures=false ;;
    -h | --help)
      usage
      exit 0
      ;;
    *) usage_error "unknown option $1" ;;
  esac
  shift
done
[[ $jobs =~ ^[1-9][0-9]*$ ]] || usage_error "--jobs needs a number from 1"

cd "$root"
started=$SECONDS
stage="the setup"
memory=""
summary() {
  local status=$?
  if [[ $memory ]]; then rm -rf "$memory"; fi
  ((status == 0)) || echo "test.sh: FAILED in $stage after $((SECONDS - started)) s (preset $preset)"
}
trap summary EXIT

if $setup; then
  scripts/setup.sh
fi
stage="configuring"
if ! cmake --list-presets=configure | grep -q "\"$preset\""; then
  echo "test.sh: there is no preset \"$preset\"" >&2
  exit 2
fi
cmake --preset "$preset" -DMIGRATOR_TESTS=ON >/dev/null
stage="the build"
cmake --build --preset "$preset"

stage="the tests"
# Most of what a small test costs is making and deleting the files of its databases. Tests kill processes, and
# never the machine: what a killed server or a killed migrate has written is there in memory as it is on a disk.
use_memory() {
  [[ -z ${TMPDIR:-} && -d /dev/shm && -w /dev/shm ]] || return 0
  local room free
  room=$(df --output=avail -BM /dev/shm | tail -n 1)
  free=$(sed -n 's/^MemAvailable: *\([0-9]*\) kB$/\1/p' /proc/meminfo)
  ((${room%M} >= 4096 && free / 1024 >= 8192)) || return 0
  memory=$(mktemp -d /dev/shm/migrator-tests.XXXXXX)
  # As /tmp: the servers' accounts put their temporary files there.
  chmod 1777 "$memory"
  export TMPDIR=$memory
}
use_memory
known=()
if $known_failures; then
  mapfile -t known < <(grep -v '^#' tests/known-failures.txt | cut -f1 | grep . || true)
fi
if ((${#known[@]})); then
  selection+=(--exclude-regex "$(IFS='|'; echo "${known[*]}")")
fi
build=build/$preset
# The fixture writes here which servers there were; a run of unit tests alone has none.
servers=$build/tests/servers.env.report
rm -f "$servers"
report=$build/tests/junit.xml
# What a log's reader sees first is its end: what each failed test found wrong, without the rest of its output.
show_failures() {
  local log=$build/Testing/Temporary/LastTest.log
  [[ -s $log ]] || return 0
  awk '/^[0-9]+\/[0-9]+ Testing: / { test = $3; shown = 0; left = 0 }
       /: Failure$|^unknown file: |Sanitizer: |runtime error: /  { if (shown++ < 3) left = 12 }
       left-- > 0 { if (test != last) print "--- " test; last = test; print "  " substr($0, 1, 240) }' "$log"
}
ctest --test-dir "$build" --output-on-failure --no-tests=error -j "$jobs" \
  --output-junit "$root/$report" "${selection[@]}" || { show_failures; exit 1; }

# JUnit's own counts, so that the summary line says how many tests really ran.
count() { sed -n "s/^[[:space:]]*$1=\"\([0-9]*\)\".*/\1/p" "$report" | head -n 1; }
if [[ -s $servers ]]; then cat "$servers"; fi
if ((${#known[@]})); then
  echo "test.sh: NOT RUN, known failures (tests/known-failures.txt; --all runs them):"
  grep -v '^#' tests/known-failures.txt | grep . | sed 's/^/  /'
fi
skipped=$(count skipped)
disabled=$(count disabled)
ran=$(($(count tests) - skipped - disabled))
echo "test.sh: all $ran tests passed, $((skipped + disabled)) left out," \
  "${#known[@]} patterns of known failures not run, in $((SECONDS - started)) s (preset $preset)"
