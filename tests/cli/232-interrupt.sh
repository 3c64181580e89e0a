#!/bin/sh
# Ctrl-C and SIGTERM while a command waits for the network: clean, recorded, and how to go on is said.
. "${0%/*}/lib.sh"
have python3 || skip_all 'needs python3'

interrupt() { timeout 60 python3 "$R/tests/tools/interrupt.py" "$@"; }
last_run() { mlopsctl log --json -n 1 | jq -r ".runs[0].$1"; }
tiny_model m.safetensors
mlopsctl pack m.safetensors -t m:1 >"$T/log" 2>&1 || skip_all "pack does not work: $(cat "$T/log")"

for s in INT:130 TERM:143; do
    test_expect "SIG${s%:*} ends a push by that signal, and the run is recorded as failed" "
        expect_code ${s#*:} interrupt once ${s%:*} .mlops/lock \"$MLOPSCTL\" push m:1 s3://b/x 2>err && cat err && grep -q '^hint: run the same command again' err &&
        [ \"\$(last_run command)\" = push ] && [ \"\$(last_run status)\" = failed ] && [ -z \"\$(ls .mlops/tmp)\" ]
    "
done
test_expect 'one signal that comes several times, as from timeout, is one' '
    expect_code 143 interrupt echo TERM .mlops/lock "$MLOPSCTL" push m:1 s3://b/x 2>err && cat err && grep -q "^hint: run the same command again" err && [ "$(last_run status)" = failed ]
'
test_expect 'a pull leaves nothing behind' '
    expect_code 130 interrupt once INT .mlops/lock "$MLOPSCTL" pull m:2 s3://b/x 2>err && grep -q "^hint: run the same" err && [ "$(last_run command)" = pull ] &&
    [ "$(last_run status)" = failed ] && [ -z "$(ls .mlops/tmp)" ] && ! mlopsctl ls | grep "^m:2"
'
test_expect 'with --json the failure is one document' '
    expect_code 130 interrupt once INT .mlops/lock "$MLOPSCTL" push m:1 s3://b/x --json 2>err && json .error.hint <err
'
test_expect 'a command that only reads ends so too' '
    expect_code 130 interrupt once INT .mlops/lock "$MLOPSCTL" remote refs s3://b/x
'
test_expect 'the second signal ends it at once, and the next command recovers' '
    expect_code 130 interrupt twice INT .mlops/lock "$MLOPSCTL" push m:1 s3://b/x 2>err && grep -q "waiting for the ledger" err &&
    mlopsctl tag m:1 m:again 2>err && grep -q "had died" err && mlopsctl verify m:1
'
test_expect 'a signal that was ignored when it started stays ignored' '
    expect_code 5 interrupt ignored INT .mlops/lock "$MLOPSCTL" remote refs s3://b/x
'
test_done
