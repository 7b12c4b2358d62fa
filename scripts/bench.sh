#!/usr/bin/env bash
# Measures migrator against the servers' own bulk paths and against other tools, side by side.
#
# usage: scripts/bench.sh NAME [--rows N] [--runs N] [--peers] [--only CASE_REGEX] [--json FILE] [--keep]
#
#   --rows N          rows of the table that is moved (2000000, some 400 bytes each)
#   --runs N          runs of each contender, in turn (3); figures are medians
#   --peers           measure other tools too; missing ones are installed from Debian's packages
#   --only REGEX      only the cases whose name matches, e.g. '^pg-pg/workers=1'
#   --limits          leave `migrate` out: what the reference programs and peers reach on this machine
#   --json FILE       write the figures as JSON
#   --keep            leave the temporary folder (server logs, data, plans) behind
#   --build-dir DIR   use this build instead of making the release preset
#   --help            this text; `scripts/bench.sh NAME --help` for what one bench can do
#
# Servers are started in a temporary folder (under TMPDIR) on free ports of the loopback interface, as an
# unprivileged user, and are stopped and deleted at the end.
# Exit status: 0 every bar is met, 1 a contender or the bench failed, 2 wrong usage, 3 a bar is missed.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
benches=$root/tests/bench

# A bench is one file tests/bench/NAME.py whose second line is its one-line description in quotes.
list_benches() {
  local file
  for file in "$benches"/*.py; do
    if [[ $(head -n 1 "$file") == '#!'* ]]; then
      printf '  %-10s %s\n' "$(basename "$file" .py)" "$(sed -n '2s/"""//gp' "$file")"
    fi
  done
}

usage() {
  sed -n '2,/^set -/{/^set -/d;s/^# \{0,1\}//p}' "${BASH_SOURCE[0]}"
  echo
  echo "Benches:"
  list_benches
}

die() {
  echo "bench.sh: $1" >&2
  exit "${2:-1}"
}

install_peers() {
  local missing=()
  command -v pgcopydb >/dev/null || missing+=(pgcopydb)
  command -v pgloader >/dev/null || missing+=(pgloader)
  command -v myloader >/dev/null || missing+=(mydumper)
  ((${#missing[@]})) || return 0
  local as_root=()
  ((EUID == 0)) || as_root=(sudo)
  echo "bench.sh: installing ${missing[*]}" >&2
  "${as_root[@]}" apt-get update -qq >&2
  DEBIAN_FRONTEND=noninteractive "${as_root[@]}" apt-get install -y -qq --no-install-recommends \
    "${missing[@]}" >&2
}

name=""
build=""
peers=false
limits=false
help=false
passed=()
while (($#)); do
  case $1 in
    --build-dir) build=${2:?--build-dir needs a folder}; shift ;;
    --build-dir=*) build=${1#*=} ;;
    --peers) peers=true; passed+=("$1") ;;
    --limits) limits=true; passed+=("$1") ;;
    --help | -h) help=true ;;
    # Options with a value, so that the value is not taken for the name.
    --rows | --runs | --only | --json) passed+=("$1" "${2:?$1 needs a value}"); shift ;;
    -*) passed+=("$1") ;;
    *) [[ -z $name ]] || die "one bench at a time: $name or $1?" 2
       name=$1 ;;
  esac
  shift
done

if [[ -z $name ]]; then
  usage
  $help && exit 0 || exit 2
fi
bench=$benches/$name.py
[[ -f $bench && $(head -n 1 "$bench") == '#!'* ]] || die "no bench '$name'; there are:
$(list_benches)" 2
if $help; then
  exec python3 -B "$bench" --help
fi

targets=(bench_references)
$limits || targets+=(migrate)
if [[ -z $build ]]; then
  build=$root/build/release
  (cd "$root" && cmake --preset release >&2 && cmake --build --preset release --target "${targets[@]}" >&2) ||
    die "the build failed"
else
  build=$(realpath -e -- "$build") || die "there is no build in $build"
fi
[[ -x $build/tests/bench/mysql_bulk_pipe ]] ||
  die "$build has no reference programs: configure it with -DMIGRATOR_BENCH=ON and build bench_references"
migrate=$(find "$build" -name migrate -type f -perm -u+x -print -quit)
$limits || [[ -n $migrate ]] || die "$build has no binary 'migrate'"
! $peers || install_peers

exec python3 -B "$bench" --references "$build/tests/bench" --migrate "${migrate:-}" \
  ${passed[@]+"${passed[@]}"}
