#!/bin/sh
# Pods that are there: stopped, started, leased, followed, removed; what of it can be taken back.
. "${0%/*}/lib.sh"
. "$R/tests/tools/runpod.sh"
. "$R/tests/tools/pods.sh"
runpod_start

test_expect 'stop, start, restart and lease are effects; rm is for ever' '
    clean && create --gpu L4 --name s --persistent 10 >/dev/null && sleep 0.6 && mlopsctl runpod pod stop s >out && grep -q "disk still costs .2.00 a month" out && stop=$(run_id) && pods | json ".pods[0].status == \"EXITED\"" &&
    mlopsctl runpod pod stop s | grep -q "EXITED already" && mlopsctl rollback "$stop" --yes && pods | json ".pods[0].status != \"EXITED\"" && mlopsctl runpod pod lease s 5h && l=$(run_id) && was=$(pods | jq -r ".pods[0].lease_end") &&
    mlopsctl rollback "$l" && [ "$(pods | jq -r ".pods[0].lease_end")" != "$was" ] && mlopsctl runpod pod lease s none && pods | json ".pods[0].endless" && mlopsctl runpod pod show s --json | json ".name == \"s\"" &&
    sleep 0.6 && mlopsctl runpod pod restart s && expect_code 2 mlopsctl rollback "$(run_id)" && expect_code 2 mlopsctl runpod pod rm s </dev/null && mlopsctl runpod pod rm s --yes && expect_code 2 mlopsctl rollback "$(run_id)" 2>err && grep -q "cannot be undone" err && [ "$(count)" = 0 ]
'
test_expect 'a start without capacity and one whose lease is over' '
    clean && create --gpu L4 --name t >/dev/null && sleep 0.6 && mlopsctl runpod pod stop t && runpod_ctl set "{\"start_refused\":[\"t\"]}" && expect_code 7 mlopsctl runpod pod start t 2>err && grep -q "bound to its host" err &&
    runpod_ctl set "{\"start_refused\":[]}" && runpod_ctl clock +8000 && expect_code 2 mlopsctl runpod pod start t 2>err && grep -q "lease of pod .* ended at" err && mlopsctl runpod pod start t --lease 1h
'
test_expect 'rollback of a create says what is lost, asks, removes; a second time it is gone' '
    clean && create --gpu L4 --name r --persistent 20 >/dev/null && run=$(run_id) && mlopsctl rollback "$run" --dry-run >out && grep -q "removes the pod .r. .*with its disk of 20 GB at /workspace" out && expect_code 2 mlopsctl rollback "$run" </dev/null &&
    [ "$(count)" = 1 ] && mlopsctl rollback "$run" --yes && [ "$(count)" = 0 ] && expect_code 2 mlopsctl rollback "$(run_id)" 2>err && grep -q "cannot be brought back" err &&
    create --gpu L4 --name r >/dev/null && run=$(run_id) && mlopsctl runpod pod rm r --yes && expect_code 6 mlopsctl rollback "$run"
'
test_expect 'names: one that fits two pods, one that fits none' '
    clean && create --gpu L4 --name twin >/dev/null && create --gpu L4 --name twin >/dev/null && expect_code 6 mlopsctl runpod pod stop twin 2>err && grep -q "fits two pods" err && expect_code 3 mlopsctl runpod pod stop nobody 2>err && grep -q "there is no pod" err
'
test_expect 'logs: the last lines, JSON Lines, and following across cuts without a line twice' '
    clean && create --gpu L4 --name talk >/dev/null && sleep 0.6 && id=$(id_of talk) && runpod_ctl log "$id" one two three >/dev/null && mlopsctl runpod pod logs talk --tail 2 >out && printf "two\nthree\n" | diff - out &&
    mlopsctl runpod pod logs talk --json --source container >j && jq -e -s "map(.line) | .[-3:] == [\"one\",\"two\",\"three\"]" j >/dev/null && runpod_ctl set "{\"log_close_after\":2}" &&
    { "$MLOPSCTL" runpod pod logs -f talk >followed 2>err & } && pid=$! && sleep 1 && runpod_ctl log "$id" four five >/dev/null && until grep -q five followed || ! kill -0 $pid; do sleep 0.1; done; kill -TERM $pid; wait $pid
    [ ! -s err ] && [ "$(sort followed | uniq -d | grep -c -x -e one -e two -e three -e four -e five)" = 0 ] && grep -qx four followed && grep -qx five followed
'
test_expect 'nothing was asked that a correct client does not ask; the ledger is whole' '
    runpod_strict >out || { cat out; exit 1; }; mlopsctl ledger verify
'
test_done
