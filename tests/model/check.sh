#!/usr/bin/env bash
# Checks the models of the protocol exhaustively, and that each guard is needed: without it, spin must find a
# counterexample.
#
# usage: tests/model/check.sh [--large] [--keep DIR] [CASE_REGEX]
#
#   --large   the bounds of a nightly run: hours of one core and some 20 GB of memory at most, instead of a minute
#   --keep    leave the generated programs and trails in DIR; `spin -t -p -g FLAGS model.pml` there shows one
set -euo pipefail

models=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
large=false
keep=""
only=""
while (($#)); do
  case $1 in
    --large) large=true ;;
    --keep) keep=${2:?--keep needs a folder}; shift ;;
    -h | --help) sed -n '2,/^set/{/^set/d;s/^# \{0,1\}//;p}' "${BASH_SOURCE[0]}"; exit 0 ;;
    -*) echo "check.sh: unknown option $1" >&2; exit 2 ;;
    *) only=$1 ;;
  esac
  shift
done
for tool in spin gcc; do
  command -v "$tool" >/dev/null || { echo "check.sh: $tool is missing: run scripts/setup.sh" >&2; exit 1; }
done
if [[ -n $keep ]]; then
  mkdir -p "$keep"
  work=$(cd "$keep" && pwd)
else
  work=$(mktemp -d)
  trap 'rm -rf "$work"' EXIT
fi

failed=0
# check EXPECTED NAME MODEL FLAGS...: EXPECTED is `holds` or `broken`.
check() {
  local expected=$1 name=$2 model=$3 output states verdict
  shift 3
  [[ -z $only || $name =~ $only ]] || return 0
  local folder="$work/${name//[^a-z0-9]/_}"
  mkdir -p "$folder"
  cp "$models/$model" "$folder/"
  output=$(cd "$folder" && spin -a "$@" "$model" && gcc -O2 -w -DSAFETY -DCOLLAPSE -DMEMLIM="$memory_mib" -o pan pan.c &&
    ./pan -m1000000 2>&1) || true
  states=$(sed -n 's/^ *\([0-9.e+]*\) states, stored.*/\1/p' <<<"$output")
  # A search that ran out of depth or memory has shown nothing.
  if grep -qE 'max search depth too small|out of memory|reached MEMLIM|not compiled' <<<"$output" || [[ -z $states ]]; then
    verdict="not finished"
  elif grep -q 'errors: 0$' <<<"$output"; then
    verdict=holds
  else
    verdict=broken
  fi
  printf '%-9s %-13s %12s states  %s\n' "$([[ $verdict == "$expected" ]] && echo ok || echo FAILED)" "$verdict" "$states" "$name"
  if [[ $verdict != "$expected" ]]; then
    failed=1
    echo "  expected: $expected; flags: $*"
    tail -n 40 <<<"$output" | sed 's/^/  | /'
  fi
}

memory_mib=6000
check holds "convergence: inline writes, two keys" convergence.pml
check holds "convergence: inline writes, one key, four changes" convergence.pml -DKEYS=1 -DKEY_CHANGES=0 -DCHANGES=2
check holds "convergence: journal only, two keys" convergence.pml -DSYNC=0 -DGUARD=0
check holds "convergence: inline writes, rows read later than the journal" convergence.pml -DSNAPSHOT=0
check holds "convergence: journal only, rows read later than the journal" convergence.pml -DSYNC=0 -DGUARD=0 -DSNAPSHOT=0
check holds "convergence: the lease is not needed beside the guard" convergence.pml -DLEASE=0
check broken "convergence: without the guard" convergence.pml -DGUARD=0
check broken "convergence: without the chunk fence" convergence.pml -DFENCE=0
check broken "convergence: without deferral" convergence.pml -DDEFERRAL=0
check broken "convergence: journal cleared up to a high-water mark" convergence.pml -DEXACT=0
check broken "convergence: rows read before the journal" convergence.pml -DREAD_AFTER=0
check broken "convergence: journal only, without the relay's lease" convergence.pml -DSYNC=0 -DGUARD=0 -DLEASE=0
check broken "convergence: chunks that overwrite move a row back" convergence.pml -DIF_ABSENT=0
if $large; then
  memory_mib=20000
  check holds "large: two copiers, two relays, one key" convergence.pml -DKEYS=1 -DKEY_CHANGES=0 -DCOPIERS=2 -DRELAYS=2
  check holds "large: two keys, two changes a writer" convergence.pml -DCHANGES=2
  check holds "large: journal only, two changes a writer" convergence.pml -DCHANGES=2 -DSYNC=0 -DGUARD=0
fi
exit "$failed"
