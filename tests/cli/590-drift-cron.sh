#!/bin/sh
# Checks that come again: runs of the ledger, what is new since the last one, alarms that wait, hooks, baselines.
. "${0%/*}/lib.sh"

cp "$R/examples/credit/reference.csv" "$R/examples/credit/current.csv" .
awk -F, 'BEGIN { OFS = "," } NR > 1 { $4 = int($4 * 1.8); if (NR % 3 == 0) $10 = "" } 1' current.csv >moved.csv
mlopsctl -q profile reference.csv -o ref.profile
runs() { mlopsctl log --json | jq -s 'if length == 1 and (.[0] | has("runs")) then .[0].runs else . end | [.[] | select(.command == "drift")] | length'; }
# hook_server FOLDER [STATUS]: started here, so that it is ended here; sets url.
servers=
hook_server()
{
    mkdir "$T/$1"
    python3 "$R/tests/tools/webhook.py" "$T/$1" "${2:-200}" &
    servers="$servers $!"
    for _ in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do [ -e "$T/$1/port" ] && break || sleep 0.5; done
    url=http://127.0.0.1:$(cat "$T/$1/port")
}
trap 'kill $servers 2>/dev/null; chmod -R u+rwX "$T" 2>/dev/null; rm -rf "$T"' EXIT

test_expect 'a check without any of it makes no ledger' '
    mkdir plain && cd plain && MLOPSCTL_HOME=$PWD/home mlopsctl drift -r ../reference.csv -c ../current.csv >out && [ ! -e home ]'
test_expect 'quiet: not a word without drift, the table with it' '
    mlopsctl -q drift -r reference.csv -c current.csv >out 2>&1 && [ ! -s out ] &&
    expect_code 1 mlopsctl -q drift -r reference.csv -c moved.csv >out && grep -q "^amount .*drift" out'
test_expect 'a recorded check is a run with figures, both profiles and the report, and the report is what --json prints' '
    expect_code 1 mlopsctl drift -r reference.csv -c moved.csv --record --html page.html --json >out && mlopsctl show-run 1 --json >run &&
    jq -e ".exit_code == 1 and .status == \"done\" and ([.artifacts[].kind] == [\"reference-profile\", \"current-profile\", \"drift-report\", \"drift-page\"])" run &&
    jq -e "[.metrics[] | {(.metric): .value}] | add | .rows_current == 300 and .worst_psi > 2 and .share_drifted > 0.1 and .[\"drift:default\"] == 1 and .[\"alarm:default\"] == 1" run &&
    blob() { echo .mlops/store/blobs/sha256/$(jq -r ".artifacts[] | select(.kind == \"$1\") | .digest" run | cut -d: -f2); } &&
    cmp "$(blob drift-page)" page.html && jq -S ".columns" out >a && jq -S .columns "$(blob drift-report)" | cmp - a &&
    cmp "$(blob reference-profile)" ref.profile && mlopsctl profile --like ref.profile moved.csv -o m.profile && cmp "$(blob current-profile)" m.profile &&
    jq -e ".run == 1 and .alarm and .name == \"default\"" out'
test_expect 'mlops.yaml can have every check recorded, and wants true or false' '
    n=$(runs) && printf "drift: {record: true}\n" >mlops.yaml && mlopsctl drift -r reference.csv -c current.csv >out && grep -q "^run 2, check .default." out && [ $(runs) -eq $((n + 1)) ] &&
    printf "drift: {record: maybe, on_drift: x}\n" >mlops.yaml && expect_code 2 mlopsctl drift -r reference.csv -c current.csv 2>err && grep -q "on-drift" err &&
    printf "drift: {record: maybe}\n" >mlops.yaml && expect_code 2 mlopsctl drift -r reference.csv -c current.csv --record 2>err && grep -q "true or false" err'
rm -f mlops.yaml

# ---- since ----

mkdir in && cp current.csv in/a.csv
since() { mlopsctl drift -r ref.profile -c "in/*" --name s --since last --json; }
test_expect 'since last: the first check sees all, the second nothing, as a result of its own and no run' '
    since >out && jq -e ".rows_current == 300" out && n=$(runs) && since >out && jq -e ".nothing_new and (.drift | not)" out && [ "$(runs)" -eq "$n" ] &&
    mlopsctl drift -r ref.profile -c "in/*" --name s --since last | grep -q "^nothing new since the last check .s." &&
    mlopsctl -q drift -r ref.profile -c "in/*" --name s --since last >out 2>&1 && [ ! -s out ]'
test_expect 'another name has seen nothing' 'mlopsctl drift -r ref.profile -c "in/*" --name other --since last --json | jq -e ".rows_current == 300"'
test_expect 'a new file alone is read' 'head -n 101 moved.csv >in/b.csv && expect_code 1 since >out && jq -e ".rows_current == 100" out'
test_expect 'and of a file that grew what was added' '
    sed -n "102,201p" moved.csv >>in/b.csv && expect_code 1 mlopsctl drift -r ref.profile -c "in/*" --name s --since last --json --html since.html >out &&
    jq -e ".rows_current == 100" out && grep -q "/in/b.csv, what was added" since.html && ! grep -q run- since.html && since | jq -e .nothing_new'
test_expect 'a last line that was cut is read again when the rest of it has come' '
    sed -n "202,220p" moved.csv >>in/b.csv && sed -n 221p moved.csv | cut -c1-9 | tr -d "\n" >>in/b.csv && since >out 2>err; jq -e ".rows_current == 19" out && grep -q "1 of the current data are no rows" err &&
    { sed -n 221p moved.csv | cut -c10- ; sed -n 222,260p moved.csv; } >>in/b.csv && since >out 2>err; jq -e ".rows_current == 40" out && [ ! -s err ]'
test_expect 'a last line without its end that was whole is not read twice' '
    sed -n 261,280p moved.csv | head -c -1 >>in/b.csv && since >out; jq -e ".rows_current == 20" out &&
    { echo; sed -n "281,290p" moved.csv; } >>in/b.csv && since >out; jq -e ".rows_current == 10" out'
test_expect 'a file written anew under its old name is new, one that was touched too' '
    head -n 51 current.csv >in/b.csv && since >out; jq -e ".rows_current == 50" out && touch -d "2020-01-01" in/b.csv && since >out; jq -e ".rows_current == 50" out'
test_expect 'a log that was rotated is not read again, what came before and after the rotation is' '
    mkdir logs && log() { i=$1; while [ "$i" -le "$2" ]; do echo "{\"time\":\"2026-11-21T09:00:00Z\",\"n\":$i,\"v\":$((i * 37 % 101))}"; i=$((i + 1)); done; } &&
    log 1 500 >then.jsonl && log 501 700 >logs/r.jsonl && check() { mlopsctl drift -r then.jsonl -c "logs/*" --ignore n --name logs --since last --json; } && check >out; jq -e ".rows_current == 200" out &&
    log 701 720 >>logs/r.jsonl && mv logs/r.jsonl logs/r.jsonl.1 && log 721 750 >logs/r.jsonl && check >out; jq -e ".rows_current == 50" out &&
    mv logs/r.jsonl.1 logs/r.jsonl.2 && mv logs/r.jsonl logs/r.jsonl.1 && : >logs/r.jsonl && check | jq -e .nothing_new && log 751 760 >>logs/r.jsonl && check >out; jq -e ".rows_current == 10" out'
test_expect 'compressed files are read whole when they change' '
    mkdir z && gzip -c current.csv >z/a.csv.gz && check() { mlopsctl drift -r ref.profile -c z --name z --since last --json; } && check | jq -e ".rows_current == 300" &&
    check | jq -e .nothing_new && tail -n +2 current.csv | gzip -c >>z/a.csv.gz && check | jq -e ".rows_current == 600"'
test_expect 'a check that fails has seen nothing' '
    mkdir f && cp current.csv f/a.csv && check() { mlopsctl drift -r ref.profile -c f --name f --since last --json; } && check >/dev/null && cp moved.csv f/b.csv && head -c 4000 /dev/zero >f/c.csv &&
    expect_code 4 check 2>err && rm f/c.csv && expect_code 1 check >out && jq -e ".rows_current == 300" out'
test_expect 'a check that was rolled back has not seen its data' '
    mkdir u && cp moved.csv u/a.csv && mlopsctl drift -r ref.profile -c u --name u --since last --accept >out && run=$(sed -n "s/^run \([0-9]*\),.*/\1/p" out) &&
    mlopsctl -q rollback "$run" >/dev/null && expect_code 1 mlopsctl drift -r ref.profile -c u --name u --since last --json >out && jq -e ".rows_current == 300" out'
test_expect 'gc keeps what the last check saw, whatever its age, and lets old reports go' '
    page=.mlops/store/blobs/sha256/$(sha256sum <page.html | cut -c1-64) && [ -e "$page" ] && mlopsctl gc --keep 1d >out && [ -e "$page" ] &&
    mlopsctl gc --keep 0s >out && [ ! -e "$page" ] && since | jq -e .nothing_new && mlopsctl ledger verify'
test_expect 'standard input and pipes cannot be seen again' '
    expect_code 2 mlopsctl drift -r ref.profile -c - --since last 2>err && grep -q "standard input" err &&
    mkfifo pipe && expect_code 2 mlopsctl drift -r ref.profile -c pipe --since last 2>err && grep -q "is no file" err'

# ---- one at a time ----

test_expect 'two checks of one name do not overlap, two of different names do' '
    mkfifo go && { mlopsctl drift -r ref.profile -c moved.csv --name one --on-drift "echo in >began; read x <go" >first 2>&1; echo $? >status; } &
    while [ ! -e began ]; do sleep 0.1; done; expect_code 6 mlopsctl drift -r ref.profile -c moved.csv --name one 2>err; ok=$?
    mlopsctl drift -r ref.profile -c current.csv --name two >/dev/null && ok2=1; echo >go; wait
    [ $ok -eq 0 ] && [ "$ok2" = 1 ] && grep -q "a check named .one. is under way" err && [ "$(cat status)" = 1 ] && mlopsctl drift -r ref.profile -c current.csv --name one >/dev/null'

# ---- alarms that wait ----

test_expect 'two of three: drift is shown at once, the alarm and its hook come with the second' '
    check() { mlopsctl drift -r ref.profile -c "$1" --name k --alarm-after 2/3 --on-drift "echo \$DRIFT_RUN >>called" --json; } &&
    check moved.csv >a && jq -e ".drift and (.alarm | not) and .checks == 1" a && check current.csv >b && jq -e "(.drift | not) and .checks_drifted == 1" b && [ ! -e called ] &&
    expect_code 1 check moved.csv >c && jq -e ".alarm and .checks == 3 and .checks_drifted == 2" c && [ "$(wc -l <called)" -eq 1 ] && check current.csv >/dev/null && check current.csv >/dev/null &&
    check moved.csv >d && jq -e ".drift and (.alarm | not) and .checks_drifted == 1" d && [ "$(wc -l <called)" -eq 1 ]'
test_expect 'a drift that is no alarm yet is said, and quiet is quiet' '
    mlopsctl drift -r ref.profile -c moved.csv --name q --alarm-after 3/3 >out && grep -q "^no alarm yet: 1 of the last 1 checks drifted, 3 of 3 would be one" out &&
    mlopsctl -q drift -r ref.profile -c moved.csv --name q --alarm-after 3/3 >out 2>&1 && [ ! -s out ] &&
    expect_code 1 mlopsctl -q drift -r ref.profile -c moved.csv --name q --alarm-after 3/3 >out && head -1 out | grep -q "^q  *drift: 2 of 14"'
test_expect 'within the cool-down the alarm stands and the hook rests' '
    check() { mlopsctl drift -r ref.profile -c moved.csv --name c --cool-down 6h --on-drift "echo x >>rang" --json; } &&
    expect_code 1 check >a && jq -e ".hooks == \"called\"" a && expect_code 1 check >b && jq -e ".alarm and .hooks == \"cool-down\"" b && [ "$(wc -l <rang)" -eq 1 ]'
if have faketime; then
    test_expect 'it ends when the time has gone by, and when the clock went back' '
        check() { faketime "$1" "$PLAIN" drift -r ref.profile -c moved.csv --name c2 --cool-down 6h --on-drift true --json; } &&
        expect_code 1 check "2026-05-01 12:00:00" >a && jq -e ".hooks == \"called\"" a && expect_code 1 check "2026-05-01 17:59:00" >b && jq -e ".hooks == \"cool-down\"" b &&
        expect_code 1 check "2026-05-01 18:01:00" >a && jq -e ".hooks == \"called\"" a && expect_code 1 check "2026-05-01 10:00:00" >a && jq -e ".hooks == \"called\"" a && mlopsctl ledger verify'
else
    test_skip 'it ends when the time has gone by, and when the clock went back' 'faketime is not installed'
fi
test_expect 'what cannot be meant is refused' '
    for o in "--alarm-after 3/2" "--alarm-after 0/2" "--alarm-after 2" "--cool-down soon" "--name ../x" "--name -x" "--hook-timeout x" "--since yesterday" "--compat scipy --record" "--webhook chat.example/SECRET"; do
        expect_code 2 mlopsctl drift -r ref.profile -c current.csv $o 2>err || exit; ! grep SECRET err || exit; done'

# ---- hooks ----

test_expect 'a command hears what was found and where it stands; what it prints is no part of the result' '
    expect_code 1 mlopsctl drift -r ref.profile -c moved.csv --name h --html "my page.html" --json --on-drift "
        echo noise; printf \"%s|\" \"\$DRIFT_NAME\" \"\$DRIFT_COLUMN\" \"\$DRIFT_VERDICT\" >heard; cmp \"\$DRIFT_PAGE\" \"my page.html\" && jq -e .drift \"\$DRIFT_REPORT\" >/dev/null" >out 2>err &&
    grep -q "^h|age|drift: 2 of 14" heard && jq -e ".hooks == \"called\"" out && grep -q noise err'
test_expect 'what is in the data is data in a command too' '
    awk -F, "BEGIN { OFS = \",\" } NR == 1 { \$4 = \"\\\"\$(touch owned);\`touch owned\`\\\"\" } 1" reference.csv >evil-ref.csv &&
    awk -F, "BEGIN { OFS = \",\" } NR == 1 { \$4 = \"\\\"\$(touch owned);\`touch owned\`\\\"\" } 1" moved.csv >evil.csv &&
    expect_code 1 mlopsctl drift -r evil-ref.csv -c evil.csv --name e --on-drift "echo \$DRIFT_COLUMN \$DRIFT_VERDICT" >out && [ ! -e owned ]'
test_expect 'a command that fails is told even when quiet, recorded, and called again; the verdict stays' '
    check() { mlopsctl -q drift -r ref.profile -c moved.csv --name hf --cool-down 1d --on-drift "$1" --json; } &&
    expect_code 1 check "exit 7" >out 2>err && grep -q "on-drift failed.*status 7" err && jq -e ".hooks == \"failed\"" out && expect_code 1 check "exit 7" >out 2>err && jq -e ".hooks == \"failed\"" out &&
    mlopsctl show-run "$(jq .run out)" --json | jq -e "[.metrics[] | select(.metric == \"hooks-called:hf\")][0].value == 0" &&
    expect_code 1 check true >out && jq -e ".hooks == \"called\"" out && expect_code 1 check true >out && jq -e ".hooks == \"cool-down\"" out'
test_expect 'a command that hangs is ended with all that it started' '
    expect_code 1 mlopsctl drift -r ref.profile -c moved.csv --name hh --hook-timeout 1s --on-drift "echo \$\$ >pid; trap \"\" TERM; sleep 600 & sleep 600; sleep 600" --json >out 2>err &&
    grep -q "took longer than 1.0 s and was ended" err && jq -e ".hooks == \"failed\"" out && [ -z "$(ps -o pid= -g "$(cat pid)" 2>/dev/null)" ]'
test_expect 'an interrupt while it runs ends it too, and the check has not taken place' '
    { "$MLOPSCTL" drift -r ref.profile -c moved.csv --name hi --on-drift "echo \$\$ >hook; sleep 600" >out 2>err & } && pid=$! && while [ ! -s hook ]; do sleep 0.1; done && kill -TERM $pid; wait $pid; [ $? -gt 128 ] &&
    [ -z "$(ps -o pid= -g "$(cat hook)" 2>/dev/null)" ] && mlopsctl log --json | jq -e ".runs[0] | .command == \"drift\" and .status == \"failed\""'
test_expect 'settings name the hooks; a check that is not recorded calls none' '
    mkdir set && cd set && printf "drift:\n  on-drift: echo x >>called\n  alarm-after: 1/2\n  cool-down: 0s\n" >mlops.yaml && mkdir .mlops &&
    expect_code 1 mlopsctl drift -r ../ref.profile -c ../moved.csv >/dev/null && [ ! -e called ] && expect_code 1 mlopsctl drift -r ../ref.profile -c ../moved.csv --record >/dev/null && [ -e called ]'
if have python3; then
    hook_server w
    test_expect 'a webhook gets the alarm as JSON, its address stays out of the ledger' '
        expect_code 1 mlopsctl drift -r ref.profile -c moved.csv --name w --webhook "$url/services/T0/SECRETPATH" --json >out && jq -e ".hooks == \"called\"" out &&
        jq -e ".event == \"drift\" and .name == \"w\" and .column == \"age\" and .psi > 2 and (.verdict | startswith(\"drift: 2 of 14\"))" "$T/w/1.json" &&
        [ "$(jq .run "$T/w/1.json")" = "$(jq .run out)" ] && grep -q "^/services/T0/SECRETPATH application/json" "$T/w/types" && [ ! -e "$T/w/2.json" ] &&
        mlopsctl show-run "$(jq .run out)" --json >run && grep -q redacted run && ! grep -q SECRETPATH run'
    hook_server w5 500
    test_expect 'one that fails is told once and not asked twice' '
        expect_code 1 mlopsctl drift -r ref.profile -c moved.csv --name w5 --webhook "$url/SECRETPATH" >out 2>err && grep -q "webhook failed.*500" err && ! grep -q SECRETPATH err && [ ! -e "$T/w5/2.json" ]'
    hook_server w0 0
    test_expect 'one that never answers, and one that is down, cost no more than their time' '
        expect_code 1 mlopsctl drift -r ref.profile -c moved.csv --name w0 --hook-timeout 1s --webhook "$url" >out 2>err && grep -q "webhook failed" err && [ -e "$T/w0/1.json" ] && [ ! -e "$T/w0/2.json" ] &&
        expect_code 1 mlopsctl drift -r ref.profile -c moved.csv --name wd --hook-timeout 2s --webhook http://127.0.0.1:1/ --json >out 2>err && jq -e ".hooks == \"failed\"" out && grep -q "127.0.0.1" err'
else
    test_skip 'webhooks' 'python3 is not installed'
fi

# ---- baselines ----

test_expect 'accepted data is the baseline, in bins of its own, and no alarm' '
    mlopsctl drift -r ref.profile -c moved.csv --name b --accept --json >out && jq -e ".drift and .accepted and (.alarm | not)" out && mlopsctl profile moved.csv -o own.profile &&
    run=$(jq .run out) && mlopsctl show-run "$run" --json >shown && jq -e ".effects[] | select(.kind == \"name\" and .target == \"baseline/b\")" shown &&
    cmp ".mlops/store/blobs/sha256/$(jq -r ".artifacts[] | select(.kind == \"baseline-profile\") | .digest" shown | cut -d: -f2)" own.profile &&
    mlopsctl drift -r baseline -c moved.csv --name b --json | jq -e "all(.columns[]; .psi == 0)" && mlopsctl drift -r baseline:b -c moved.csv >/dev/null && expect_code 1 mlopsctl drift -r baseline:b -c current.csv >/dev/null'
test_expect 'it keeps roles and outlives gc' '
    mlopsctl profile reference.csv --label bad --ignore age -o roles.profile && mlopsctl drift -r roles.profile -c current.csv --name roles --accept >/dev/null && mlopsctl gc --keep 0s >/dev/null &&
    mlopsctl drift -r baseline -c current.csv --name roles --json | jq -e "[.columns[] | select(.column == \"age\")][0].verdict == \"ignored\""'
test_expect 'a profile is the baseline of a name at once, with a file or without, and rollback takes it back' '
    mlopsctl profile reference.csv --baseline p >out && grep -q "into baseline p" out && ! ls p 2>/dev/null && mlopsctl drift -r baseline -c reference.csv --name p --json | jq -e "all(.columns[]; .psi == 0)" &&
    mlopsctl profile moved.csv --baseline p -o p.profile --json >out && jq -e ".file == \"p.profile\" and .baseline == \"p\"" out && mlopsctl drift -r baseline:p -c moved.csv >/dev/null &&
    mlopsctl profile merge own.profile --baseline m >/dev/null && mlopsctl drift -r baseline:m -c moved.csv >/dev/null &&
    cmp ".mlops/store/blobs/sha256/$(mlopsctl show-run "$(jq .run out)" --json | jq -r ".artifacts[] | select(.kind == \"baseline-profile\") | .digest" | cut -d: -f2)" p.profile &&
    mlopsctl rollback "$(jq .run out)" >/dev/null && expect_code 1 mlopsctl drift -r baseline:p -c moved.csv >/dev/null && mlopsctl drift -r baseline:p -c reference.csv >/dev/null'
test_expect 'a profile goes somewhere, under a name that can be one' '
    expect_code 2 mlopsctl profile reference.csv 2>err && grep -q -e "--baseline NAME" err && expect_code 2 mlopsctl profile reference.csv --baseline ../x 2>err && grep -q -e "--baseline takes" err &&
    runs=$(mlopsctl log --json | jq ".runs | length") && expect_code 3 mlopsctl profile nothing.csv --baseline q 2>err && [ "$(mlopsctl log --json | jq ".runs | length")" = "$runs" ]'
test_expect 'rollback takes it back to what it was, whatever was checked since' '
    mlopsctl drift -r baseline:b -c current.csv --name b --accept --json >out && mlopsctl drift -r baseline -c current.csv --name b >/dev/null && mlopsctl rollback "$(jq .run out)" >/dev/null &&
    mlopsctl drift -r baseline -c moved.csv --name b --json | jq -e "all(.columns[]; .psi == 0)"'
test_expect 'after it, earlier drift does not count towards an alarm' '
    check() { mlopsctl drift -r ref.profile -c moved.csv --name ba --alarm-after 2/2 --json "$@"; } && check >/dev/null && check --accept >/dev/null && check >out && jq -e ".drift and (.alarm | not) and .checks == 1" out'
test_expect 'a baseline that is not there is not found, with the way to make it; a file of that name is the file' '
    expect_code 3 mlopsctl drift -r baseline -c current.csv --name none 2>err && grep -q "there is no baseline .none." err && grep -q -e "profile TABLE --baseline none" err &&
    cp ref.profile baseline && mlopsctl drift -r baseline -c current.csv --name none >out && rm baseline &&
    expect_code 2 mlopsctl drift -r ref.profile -c - --accept 2>err && grep -q "standard input" err'
test_done
