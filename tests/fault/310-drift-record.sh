#!/bin/sh
# A check in the ledger, killed or failing at every write: what was seen, its figures, reports and the baseline are there as
# a whole or not at all, and the next check does what did not come to pass. The page is the old one or the new one.
. "${0%/*}/../cli/lib.sh"
. "$R/tests/fault/lib.sh"

# All that checks left which count. That names are where the last effects moved them, `ledger verify` looks at.
extra()
{
    "$MLOPSCTL" ledger export | jq -c 'select(.command == "drift" and .status == "done") | [.metrics, .artifacts, [.effects[] | .target, .after]]' | sort -u
    case $(cat page.html) in old | *'<h1>'*'</html>') ;; *) echo "half a page" ;; esac
}
setup()
{
    cut -d, -f1-3 "$R/examples/credit/reference.csv" | head -n 61 >r.csv && cut -d, -f1-3 "$R/examples/credit/current.csv" | head -n 61 >c.csv &&
        echo old >page.html && "$MLOPSCTL" drift -r r.csv -c r.csv --name n --accept
}
[ -n "${FAULT_ALL:-}" ] || sweep_kills_only=1 # with calls that fail it takes minutes; a full disk is in 300-full-disk.sh
sweep 'drift --since last --accept' 'drift -r baseline -c c.csv --name n --since last --accept --html page.html'

# A kill while the hook runs: the check has not taken place, so the next one finds the data again and calls again.
test_expect 'killed while its hook runs, the next check judges the same data and calls it again' '
    cd "$T/work" && cut -d, -f1-3 "$R/examples/credit/reference.csv" >r.csv && awk -F, "BEGIN { OFS = \",\" } NR > 1 { \$2 = \$2 * 3 } 1" r.csv >c.csv &&
    { "$MLOPSCTL" drift -r r.csv -c c.csv --name k --since last --on-drift "echo x >>called; sleep 60" >/dev/null 2>&1 & } && pid=$! &&
    while [ ! -s called ]; do sleep 0.1; done && kill -KILL $pid && wait $pid 2>/dev/null; mlopsctl ledger verify &&
    expect_code 1 mlopsctl drift -r r.csv -c c.csv --name k --since last --on-drift "echo x >>called" --json >out && jq -e ".rows_current == 700 and .hooks == \"called\"" out && [ "$(wc -l <called)" -eq 2 ] &&
    mlopsctl drift -r r.csv -c c.csv --name k --since last --json | jq -e .nothing_new'
test_done
