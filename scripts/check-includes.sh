#!/usr/bin/env bash
# Checks that includes point one way only:
#
#   cli -> engine -> {copy, capture, relay, verify, shards} -> {plans, checkpoints} -> adapters
#
# and within the braces: shards -> verify -> copy -> capture, and relay -> copy.
#
# usage: scripts/check-includes.sh [ROOT]
#
# Beside that: the shim includes adapters, capture, and of copy/ and plans/ how a row travels. A backend (adapters/postgres and so on) includes
# neither another backend nor anything of the project outside of adapters/ but the public headers. The public
# headers, migrator/include/, include each other alone. A driver's header is included by its backend alone
# (SQLite's also by checkpoints/), Program_options by the cli alone. Tests may include everything.
# Exit status: 0 clean, 1 a wrong include was found.
set -euo pipefail

root=${1:-$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)}
cd "$root"

folders=()
for folder in adapters plans checkpoints migrator; do
  [[ -d $folder ]] && folders+=("$folder")
done

# shellcheck disable=SC2016  # the $ are those of awk
find "${folders[@]}" \( -name '*.cc' -o -name '*.h' \) -print0 | sort -z |
  xargs -0 --no-run-if-empty awk '
    # The part of the project that a path belongs to; "" if it is none.
    function part(path) {
      if (path ~ /^migrator\/include\//) return "public"
      if (path == "adapters/backends.cc") return "backends"
      if (match(path, /^adapters\/[a-z0-9_]+\//)) return "backend"
      if (path ~ /^adapters\//) return "adapters"
      if (match(path, /^(plans|checkpoints)\//)) return substr(path, 1, RLENGTH - 1)
      if (match(path, /^migrator\/(cli|engine|copy|capture|relay|verify|shards|shim)\//))
        return substr(path, 10, RLENGTH - 10)
      return ""
    }
    function folder(path) { sub(/\/[^\/]*$/, "", path); return path }
    function complain(why) {
      printf "%s:%d: %s\n", FILENAME, FNR, why
      ++wrong
    }
    BEGIN {
      # What each part may include beside itself and the public headers.
      may["public"] = " "
      may["adapters"] = " "
      may["backend"] = " adapters "
      may["backends"] = " adapters backend "
      may["plans"] = may["checkpoints"] = " adapters "
      may["capture"] = " adapters plans checkpoints "
      may["copy"] = may["capture"] "capture "  # a chunk is written together with its fence
      may["relay"] = may["copy"] "copy "       # a row that changed travels as it was copied
      may["verify"] = may["copy"] "copy "      # what the copier reads and writes is what is compared
      may["shards"] = may["verify"] "verify "  # a bucket is moved by the copier and then verified
      # What the shim writes on the other side goes the way of what the relay writes.
      may["shim"] = " adapters plans capture copy "
      may["engine"] = " adapters plans checkpoints capture copy relay verify shards "
      may["cli"] = may["engine"] "engine shim "
      # The one place for the headers of a library.
      only["libpq-fe.h"] = "^adapters/postgres/"
      only["mysql.h"] = only["mysql/mysql.h"] = only["mariadb/mysql.h"] = "^adapters/mysql/"
      only["sqlite3.h"] = "^(adapters/sqlite|checkpoints)/"
      only["boost/program_options.hpp"] = "^migrator/cli/"
    }
    /^[ \t]*#[ \t]*include[ \t]*[<"]/ {
      ++seen
      quoted = $0 ~ /include[ \t]*"/
      header = $0
      sub(/^[^<"]*[<"]/, "", header)
      sub(/[>"].*$/, "", header)
      from = part(FILENAME)
      if (from == "") { complain("this file is in no known part of the project"); next }
      if (header in only && FILENAME !~ only[header])
        complain("only " only[header] " may include " header)
      if (header ~ /^boost\/program_options\// && from != "cli")
        complain("only the cli may include Program_options")
      if (from == "public") {
        if (header ~ /\// && header !~ /^migrator\/[a-z_]+\.h$/)
          complain("a public header includes the standard library and migrator/*.h alone: " header)
        next
      }
      if (!quoted && header !~ /^(adapters|plans|checkpoints|migrator|tests)\//) next
      to = part(header)
      if (header ~ /^migrator\/[a-z_]+\.h$/) to = "public"
      if (to == "") { complain("not rooted at the repository, or of no known part: " header); next }
      if (to == "backend" && from == "backend" && folder(header) != folder(FILENAME))
        complain("a backend includes another: " header)
      else if (to != from && to != "public" && index(may[from], " " to " ") == 0)
        complain(from " may not include " to ": " header)
    }
    END {
      if (seen == 0) { print "check-includes.sh: found no include at all"; exit 1 }
      exit wrong > 0
    }' || exit 1
