#!/bin/sh
# Push and pull killed at random points: what has come across is not moved again (tests/tools/kill-sync.py says how it counts).
. "${0%/*}/../cli/lib.sh"
place=$T
room=$(df -k --output=avail /dev/shm 2>/dev/null | tail -n 1)
[ ! -w /dev/shm ] || [ "${room:-0}" -lt 2000000 ] || place=$(mktemp -d /dev/shm/mlo-kill-XXXXXX)
[ "$place" = "$T" ] || trap 'chmod -R u+rwX "$T" 2>/dev/null; rm -rf "$T" "$place"' EXIT
test_expect '12 kills of a push and a pull of 160 MB' '
    python3 "$R/tests/tools/kill-sync.py" "$PLAIN" "$place/sync" --size 160M --kills 12 --seed $$ >out && cat out &&
    grep -q "^12 kills" out
'
test_done
