#!/usr/bin/env bash
# Checks what the compiler does not: formatting, who includes whom, the scripts.
#
# usage: scripts/lint.sh [--fix] [--tidy]
#
#   --fix     format the sources in place
#   --tidy    also build the preset "tidy", which runs clang-tidy on every source (minutes)
#   --help    this text
#
# Exit status: 0 clean, 1 something was found, 2 wrong usage or a missing tool.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$root"

usage() { sed -n '2,/^set -/{/^set -/d;s/^# \{0,1\}//p}' "${BASH_SOURCE[0]}"; }

fix=false
tidy=false
for argument in "$@"; do
  case $argument in
    --fix) fix=true ;;
    --tidy) tidy=true ;;
    -h | --help)
      usage
      exit 0
      ;;
    *)
      echo "lint.sh: unknown option $argument; see scripts/lint.sh --help" >&2
      exit 2
      ;;
  esac
done
tools=(clang-format shellcheck)
if $tidy; then tools+=(clang-tidy); fi
for tool in "${tools[@]}"; do
  if ! command -v "$tool" >/dev/null; then
    echo "lint.sh: $tool is missing; scripts/setup.sh --lint installs it" >&2
    exit 2
  fi
done

failed=()
run() {
  local what=$1
  shift
  echo "lint.sh: $what"
  "$@" || failed+=("$what")
}

sources() { find adapters plans checkpoints migrator tests \( -name '*.cc' -o -name '*.h' \) -print0; }
format_check() { sources | xargs -0 clang-format --dry-run -Werror; }
format_fix() { sources | xargs -0 clang-format -i; }
script_check() { find scripts tests .ci -type f \( -name '*.sh' -o -path .ci/run \) -exec shellcheck -x -S warning {} +; }
tidy_build() { cmake --preset tidy >/dev/null && cmake --build --preset tidy; }

if $fix; then run "formatting" format_fix; else run "formatting" format_check; fi
run "include directions" scripts/check-includes.sh
run "scripts" script_check
if $tidy; then run "clang-tidy" tidy_build; fi

if ((${#failed[@]})); then
  printf 'lint.sh: FAILED: %s\n' "${failed[@]}" >&2
  exit 1
fi
echo "lint.sh: clean"
