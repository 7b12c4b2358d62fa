#!/usr/bin/env bash
# Installs what migrator needs from Debian's packages. Safe to run again; says nothing to do when all is there.
#
# usage: scripts/setup.sh [--demo | --lint | --bench] [--check]
#
#   (nothing)   what the build and the tests need: libraries, and PostgreSQL, MariaDB and SQLite
#   --demo      only what the build and the demo need: no servers
#   --lint      what a plain run installs, and clang-format, clang-tidy, shellcheck
#   --bench     what a plain run installs, and the tools that the bench compares with
#   --check     install nothing; list what is missing
#   --help      this text
#
# Servers that are installed here are not started, and running ones are left alone. Needs root or sudo.
# Exit status: 0 all is there, 1 something could not be installed, or is missing with --check; 2 wrong usage.
set -euo pipefail

build_packages=(
  git ca-certificates g++ cmake ninja-build pkg-config ccache
  libpq-dev default-libmysqlclient-dev libsqlite3-dev
  libboost-program-options-dev libspdlog-dev libfmt-dev libyaml-cpp-dev nlohmann-json3-dev libxxhash-dev libssl-dev)
demo_packages=(sqlite3)
test_packages=(libgtest-dev libgmock-dev sqlite3 postgresql mariadb-server mariadb-client python3 procps spin)
lint_packages=(clang-format clang-tidy shellcheck)
bench_packages=(pgcopydb pgloader mydumper)

# Marks our own policy-rc.d, so that one left behind by a killed run is known again.
policy_file=/usr/sbin/policy-rc.d
policy_mark='migrator: made by scripts/setup.sh, removed at its end'

usage() { sed -n '2,/^set -/{/^set -/d;s/^# \{0,1\}//p}' "${BASH_SOURCE[0]}"; }

say() { echo "setup.sh: $*" >&2; }

die() {
  say "$1"
  exit "${2:-1}"
}

as_root() {
  if ((EUID == 0)); then "$@"; else sudo "$@"; fi
}

missing_packages() {
  local package
  # One call of dpkg-query; it exits 1 and prints less when it does not know a package.
  declare -A installed=()
  while read -r package status; do
    [[ $status == installed ]] && installed[$package]=1
  done < <(dpkg-query -W -f '${Package} ${db:Status-Status}\n' "$@" 2>/dev/null || true)
  for package in "$@"; do
    [[ ${installed[$package]:-} ]] || echo "$package"
  done
}

remove_own_policy() {
  if grep -qsF "$policy_mark" "$policy_file"; then as_root rm -f "$policy_file"; fi
}

# Debian starts a server as soon as it is installed, unless a policy says no. One that is there already is
# the administrator's, and stays.
deny_server_starts() {
  [[ -e $policy_file ]] && return 0
  trap remove_own_policy EXIT
  trap 'exit 130' INT
  trap 'exit 143' TERM HUP
  as_root sh -c "umask 022; printf '#!/bin/sh\n# %s\nexit 101\n' '$policy_mark' >'$policy_file'; \
    chmod 755 '$policy_file'"
}

install() {
  local apt=(env DEBIAN_FRONTEND=noninteractive apt-get -qq -o DPkg::Lock::Timeout=300
    -o Dpkg::Use-Pty=0 -o Acquire::Retries=3)
  say "installing $# packages: $*"
  remove_own_policy
  deny_server_starts
  as_root "${apt[@]}" update >&2 ||
    die "apt-get update failed, see above: correct the sources of apt or the network, then run this again"
  as_root "${apt[@]}" install -y --no-install-recommends "$@" >&2 ||
    die "apt-get install failed, see above: correct that, then run this again"
}

wanted=()
demo=false
check=false
while (($#)); do
  case $1 in
    --demo) demo=true ;;
    --lint) wanted+=("${lint_packages[@]}") ;;
    --bench) wanted+=("${bench_packages[@]}") ;;
    --check) check=true ;;
    -h | --help)
      usage
      exit 0
      ;;
    *) die "unknown option $1; see scripts/setup.sh --help" 2 ;;
  esac
  shift
done
wanted+=("${build_packages[@]}")
if $demo; then wanted+=("${demo_packages[@]}"); else wanted+=("${test_packages[@]}"); fi

if ! command -v dpkg-query >/dev/null || ! command -v apt-get >/dev/null; then
  say "this is no Debian: install with your own package manager what these Debian packages hold:"
  echo "${wanted[*]}" | fold -sw 100 >&2
  exit 1
fi

mapfile -t missing < <(missing_packages "${wanted[@]}")
if ((${#missing[@]} == 0)); then
  say "all ${#wanted[@]} packages are installed"
  exit 0
fi
if $check; then
  say "not installed: ${missing[*]}"
  exit 1
fi
if ((EUID != 0)) && ! command -v sudo >/dev/null; then
  die "run this as root, or install sudo; missing are: ${missing[*]}"
fi
install "${missing[@]}"
mapfile -t missing < <(missing_packages "${wanted[@]}")
((${#missing[@]} == 0)) || die "still not installed: ${missing[*]}"
say "done"
