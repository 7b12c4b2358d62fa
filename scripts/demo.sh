#!/usr/bin/env bash
# A real migration on SQLite, from nothing: installs what is needed, builds `migrate`, makes a shop of half a
# million rows, plans, backfills, kills the backfill in the middle, resumes it, and proves both sides equal.
#
#   scripts/demo.sh [--folder DIR] [--no-setup]
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
folder=""
setup=1
while [ $# -gt 0 ]; do
  case $1 in
    --folder) folder=${2:?--folder needs a directory}; shift 2 ;;
    --no-setup) setup=0; shift ;;
    -h|--help) sed -n '2,6p' "$0" | sed 's/^# \{0,1\}//'; exit 0 ;;
    *) echo "demo.sh: unknown argument $1 (see --help)" >&2; exit 2 ;;
  esac
done

bold="" plain=""
if [[ -t 1 && -z ${NO_COLOR:-} ]]; then
  bold=$'\033[1m'
  plain=$'\033[0m'
fi
say() { printf '\n%s== %s%s\n' "$bold" "$*" "$plain"; }
show() { printf '$ %s\n' "$*"; "$@"; }

if [ "$setup" = 1 ]; then
  say "Installing what the build needs, from Debian's packages"
  "$root/scripts/setup.sh" --demo
fi
say "Building migrate"
(cd "$root" && cmake --preset release -DMIGRATOR_TESTS=OFF -DMIGRATOR_BENCH=OFF -B build/demo >/dev/null &&
  cmake --build build/demo --target migrate)
PATH="$root/build/demo/migrator:$PATH"

folder=${folder:-$(mktemp -d "${TMPDIR:-/tmp}/migrate-demo.XXXXXX")}
mkdir -p "$folder"
cd "$folder"
rm -f new-shop.db* shop.yaml shop.report.md shop-demo.migrate.db*

say "A shop of half a million rows in eleven tables: $folder/shop.db"
"$root/scripts/demo-shop.sh" shop.db --force

say "1. Plan: look at both sides, write down what will be done"
show migrate plan --source sqlite:shop.db --target sqlite:new-shop.db --name shop-demo -o shop.yaml --force
echo
sed -n '1,12p' shop.yaml
echo "   ... (all of it in $folder/shop.yaml, the report in $folder/shop.report.md)"

say "2. Backfill, at a gentle pace, and kill -9 in the middle"
echo '$ migrate backfill shop.yaml --rows-per-second 150000 &'
migrate backfill shop.yaml --rows-per-second 150000 >backfill.log 2>&1 &
pid=$!
disown  # the shell need not report its death: that is the point
# In the middle: when some rows are in and some are not.
for _ in $(seq 200); do
  rows=$(migrate status shop.yaml --json 2>/dev/null | sed -n 's/^ *"rows": \([0-9]*\),*$/\1/p' |
    awk '{sum += $1} END {print sum + 0}')
  [ "${rows:-0}" -gt 150000 ] && break
  kill -0 "$pid" 2>/dev/null || break
  sleep 0.05
done
kill -9 "$pid" 2>/dev/null || { echo "the backfill was over before it could be killed" >&2; exit 1; }
while kill -0 "$pid" 2>/dev/null; do sleep 0.01; done
echo "\$ kill -9 $pid"
echo
show migrate status shop.yaml

say "3. Meanwhile the shop goes on selling: changes of rows that are copied, and of rows that are not"
sell="UPDATE orders SET status = 'shipped' WHERE id % 100 = 0; DELETE FROM payments WHERE id % 500 = 0;
UPDATE payments SET id = id + 1000000 WHERE id % 700 = 0;"
printf '$ sqlite3 shop.db "%s"\n' "$sell"
sqlite3 -cmd '.timeout 10000' shop.db "$sell"
echo "\$ sqlite3 shop.db 'SELECT relation, COUNT(*) FROM _migrator_journal GROUP BY relation'"
sqlite3 shop.db 'SELECT relation, COUNT(*) FROM _migrator_journal GROUP BY relation'

say "4. The same command again: it goes on where the target says it stopped, and follows what has changed"
show migrate backfill shop.yaml 2>backfill.log

say "5. Verify: every row of both sides, compared"
show migrate verify shop.yaml

say "6. Finish: nothing of migrate is left on either side"
show migrate finish shop.yaml

say "Done"
cat <<TEXT
The two databases are equal, row by row. Everything lies in $folder:
  shop.db               the source
  new-shop.db           the target
  shop.yaml             the plan
  shop.report.md        what planning found
  shop-demo.migrate.db  the checkpoint store: what makes it resumable
Run any of the commands again there (PATH=$root/build/demo/migrator:\$PATH).
TEXT
