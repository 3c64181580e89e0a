#!/bin/sh
# The history of names: log, show-run, rollback, recover, ledger verify, export, backup, restore.
. "${0%/*}/lib.sh"

pack() { printf '%s' "$2" >card.md && mlopsctl pack model.safetensors --card card.md -t "$1" -q; }

tiny_model model.safetensors

test_expect 'an empty workspace has no runs, an intact ledger and nothing to undo' '
    mlopsctl log >out && grep -qx "no runs" out &&
    mlopsctl log --json | json ".runs == []" &&
    mlopsctl ledger verify &&
    expect_code 3 mlopsctl rollback --last &&
    expect_code 3 mlopsctl show-run 1 &&
    expect_code 3 mlopsctl ledger backup b.db &&
    mlopsctl recover | grep -qx "nothing to recover" &&
    [ ! -e .mlops/ledger.db ]
'

test_expect 'packing and tagging are runs' '
    pack m:1 one && mlopsctl tag m:1 m:live -q && pack m:2 two && mlopsctl tag m:2 m:live -q &&
    mlopsctl log --json >log && json ".runs | length == 4" <log &&
    json "[.runs[].run] == [4, 3, 2, 1]" <log &&
    json ".runs[0].status == \"done\" and .runs[0].command == \"tag\"" <log &&
    mlopsctl log -n 1 | grep -q "m:live"
'

test_expect 'filters choose runs' '
    mlopsctl log --command pack --json | json "[.runs[].run] == [3, 1]" &&
    mlopsctl log --name m:live --json | json "[.runs[].run] == [4, 2]" &&
    mlopsctl log --name m --json | json "[.runs[].run] == [4, 3, 2, 1]" &&
    mlopsctl log --since 1h --until 2100-01-01 -n 2 --json | json "[.runs[].run] == [4, 3]" &&
    mlopsctl log --until 2000-01-01T00:00:00Z --json | json ".runs == []" &&
    mlopsctl log --grep m:2 --json | json "[.runs[].run] | index(3) != null" &&
    expect_code 2 mlopsctl log --since yesterday &&
    expect_code 2 mlopsctl log --status lost
'

test_expect 'show-run tells what a run changed' '
    mlopsctl show-run 4 --json >run && json ".run == 4 and .place == 4 and .exit_code == 0" <run &&
    json ".argv[1] == \"tag\"" <run &&
    json ".effects | map(select(.kind == \"name\" and .target == \"tag/m:live\" and (.before | startswith(\"sha256:\")))) | length == 1" <run &&
    expect_code 3 mlopsctl show-run 99 && expect_code 2 mlopsctl show-run x
'

test_expect 'rollback --dry-run changes nothing' '
    cp .mlops/ledger.db before.db &&
    mlopsctl rollback --last --dry-run >out && grep -q "would undo run 4" out && grep -q "tag/m:live" out &&
    cmp .mlops/ledger.db before.db
'

test_expect 'rollback moves the name back, and the undo can be undone' '
    mlopsctl show-run 4 --json >run && was=$(jq -r ".effects[0].before" run) && new=$(jq -r ".effects[0].after" run) &&
    mlopsctl rollback 4 >out && grep -q "run 5 undoes this" out &&
    mlopsctl show-run 5 --json >run && json ".undo_of == 4" <run &&
    jq -e --arg d "$was" ".effects | map(select(.kind == \"name\" and .after == \$d)) | length == 1" run &&
    mlopsctl log --json | json "[.runs[] | select(.run == 4)][0].status == \"undone\"" &&
    expect_code 2 mlopsctl rollback 4 &&
    mlopsctl rollback 5 -q &&
    mlopsctl show-run 6 --json | grep -q "$new" &&
    mlopsctl log --json | json "[.runs[] | select(.run == 4)][0].status == \"done\"" &&
    mlopsctl ledger verify
'

test_expect 'a run with later ones on top is refused with the list, --cascade takes them' '
    expect_code 6 mlopsctl rollback 2 2>err && grep -q "4 (tag)" err && grep -q "^hint: --cascade" err &&
    mlopsctl rollback 2 --cascade -q &&
    mlopsctl log --status undone --json | json "[.runs[].run] | index(2) != null and index(4) != null" &&
    mlopsctl ledger verify
'

test_expect 'the graph shows who undid what' '
    mlopsctl log --graph >out && grep -Eq "^\*-.*rollback" out && grep -Eq "^x.*tag" out
'

test_expect 'rollback --to takes back everything after a run' '
    mlopsctl rollback --to 1 -q && mlopsctl log --name m:2 --json | json ".runs[0].command == \"rollback\"" &&
    expect_code 2 mlopsctl rollback 1 --last && expect_code 2 mlopsctl rollback &&
    mlopsctl ledger verify
'

test_expect 'the export has all runs as JSON Lines and CSV' '
    n=$(mlopsctl log -n 0 --json | wc -l) &&
    mlopsctl ledger export >all.jsonl && [ "$(wc -l <all.jsonl)" -eq "$n" ] &&
    jq -se "map(.run) == [range(1; length + 1)] and all(.[]; (.hash | length) == 64)" all.jsonl >/dev/null &&
    mlopsctl ledger export --format csv -o all.csv -q && [ "$(wc -l <all.csv)" -eq $((n + 1)) ] &&
    expect_code 2 mlopsctl ledger export --json
'

test_expect 'a backup restores, and that is recorded' '
    mlopsctl ledger verify --json >head && head=$(jq -r .head head) &&
    mlopsctl ledger backup b.db -q && expect_code 6 mlopsctl ledger backup b.db &&
    pack m:3 three && mlopsctl ledger restore b.db -q &&
    [ -e .mlops/ledger.db.before-restore ] &&
    mlopsctl log -n 1 --json | json ".runs[0].command | test(\"restore\")" &&
    mlopsctl ledger verify --against "$head" &&
    expect_code 1 mlopsctl ledger verify --against "9999:${head#*:}" &&
    expect_code 2 mlopsctl ledger verify --against nonsense
'

test_expect 'a damaged backup is not restored' '
    head -c 20000 b.db >half.db && cp .mlops/ledger.db now.db &&
    must_fail mlopsctl ledger restore half.db && echo text >text.db && expect_code 4 mlopsctl ledger restore text.db &&
    expect_code 3 mlopsctl ledger restore nowhere.db && cmp .mlops/ledger.db now.db
'

if have sqlite3; then
    test_expect 'an edited row is named' '
        cp -r .mlops edited &&
        sqlite3 edited/ledger.db "DROP TRIGGER runs_update; UPDATE runs SET note = 1 WHERE id = 2" &&
        expect_code 1 mlopsctl --home edited ledger verify >out && grep -q "run 2 was edited" out &&
        expect_code 1 mlopsctl --home edited ledger verify --json >out && json ".fault | test(\"run 2\")" <out &&
        must_fail mlopsctl --home edited ledger backup never.db && [ ! -e never.db ]
    '
else
    test_skip 'an edited row is named' 'no sqlite3'
fi

test_done
