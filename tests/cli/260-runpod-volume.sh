#!/bin/sh
# Network volumes, templates and registry logins at RunPod: made once, guarded, taken back.
. "${0%/*}/lib.sh"
. "$R/tests/tools/runpod.sh"
have jq || skip_all 'needs jq'
runpod_start

volumes() { runpod_ctl get volumes | jq "[.[] | select(.name == \"$1\")] | length"; }
# The effects of the newest run.
effects() { mlopsctl --json show-run "$(mlopsctl --json log -n 1 | jq -r '.id // .run // .runs[0].run')" | jq -c '.effects'; }

test_expect 'a volume is made, listed, and its request shown before' '
    mlopsctl runpod volume create models --size 100 --dc EU-RO-1 --dry-run >out && grep -q "POST /network-volumes" out && grep -q "\$7.00 a month" out &&
    [ "$(runpod_asked POST /v2/network-volumes)" -eq 0 ] && [ "$(mlopsctl --json runpod volume ls | jq ".volumes | length")" -eq 0 ] &&
    mlopsctl --json runpod volume create models --size 100 --dc EU-RO-1 --dry-run | jq -e ".body.size == 100 and .dry_run and .price_hour < 0.01" &&
    mlopsctl runpod volume create models --size 100 --dc EU-RO-1 >out && grep -q "created volume .* .models.: 100 GB in EU-RO-1, \$7.00 a month" out &&
    mlopsctl --json runpod volume ls | jq -e ".volumes[0] | .name == \"models\" and .size_gb == 100 and .price_month == 7 and .s3"
'
test_expect 'nothing above a limit is asked for' '
    expect_code 7 mlopsctl runpod volume create dear --size 4000 --dc EU-RO-1 --max-total 100 2>err && grep -q "above --max-total" err &&
    expect_code 7 mlopsctl runpod volume create dear --size 4000 --dc EU-RO-1 --max-price 0.01 2>err && grep -q "above --max-price" err &&
    expect_code 7 mlopsctl runpod volume create dear --size 10 --dc EU-CZ-1 --type high-performance --max-price 5 2>err && grep -q "not known" err &&
    expect_code 2 mlopsctl runpod volume create dear --size 9 --dc EU-RO-1 2>/dev/null && [ "$(volumes dear)" -eq 0 ]
'
test_expect 'the service'"'"'s own refusals come through with what they say' '
    expect_code 2 mlopsctl runpod volume create v --size 10 --dc XX-1 2>err && grep -q "EU-RO-1" err && grep -q "request id" err &&
    mlopsctl --json show-run "$(mlopsctl --json log | jq -r ".runs[0].run")" | jq -e ".effects[0].state == \"reverted\""
'
test_expect 'a lost answer makes one volume, whatever became of the first request' '
    for mode in drop 502 504; do for made in true false; do
        n=$mode-$made
        runpod_ctl set "{\"ambiguous\": [{\"path\": \"/v2/network-volumes\", \"mode\": \"$mode\", \"made\": $made, \"times\": 1}]}" >/dev/null &&
        mlopsctl runpod volume create "$n" --size 10 --dc EU-RO-1 >/dev/null && [ "$(volumes "$n")" -eq 1 ] || exit 1
    done; done && runpod_strict
'
test_expect 'a namesake from before is not taken for the new one' '
    mlopsctl runpod volume create twin --size 10 --dc EU-RO-1 >/dev/null &&
    runpod_ctl set "{\"ambiguous\": [{\"path\": \"/v2/network-volumes\", \"mode\": \"drop\", \"made\": false, \"times\": 1}]}" >/dev/null &&
    mlopsctl runpod volume create twin --size 10 --dc EU-RO-1 >/dev/null && [ "$(volumes twin)" -eq 2 ] &&
    expect_code 6 mlopsctl runpod volume grow twin --size 20 --yes 2>err && grep -q "fits two" err && grep -q "by its id" err
'
test_expect 'growing asks, shrinking is refused, and growth is recorded as final' '
    expect_code 2 mlopsctl runpod volume grow models --size 200 2>err && grep -q "cannot shrink again" err && grep -q "yes gives it" err &&
    expect_code 2 mlopsctl runpod volume grow models --size 50 --yes 2>err && grep -q "can only grow" err &&
    mlopsctl runpod volume grow models --size 200 --dry-run >out && grep -q "PATCH /network-volumes/" out &&
    mlopsctl runpod volume grow models --size 200 --yes >out && grep -q "200 GB now: \$14.00 a month" out &&
    expect_code 2 mlopsctl rollback --last --yes 2>err && grep -q "cannot be undone" err
'
test_expect 'rollback says what it destroys, asks, and removes what was made' '
    run=$(mlopsctl --json log --grep "create\",\"drop-true" | jq -r ".runs[0].run") && mlopsctl rollback "$run" --dry-run >out &&
    grep -q "removes the volume .drop-true. (10 GB in EU-RO-1, \$0.70 a month), with all files on it" out &&
    expect_code 2 mlopsctl rollback "$run" 2>err && grep -q "all files on it" err && [ "$(volumes drop-true)" -eq 1 ] &&
    mlopsctl rollback "$run" --yes >out && [ "$(volumes drop-true)" -eq 0 ]
'
test_expect 'what is removed does not come back, and is gone without a fuss when it was gone' '
    expect_code 2 mlopsctl rollback "$(mlopsctl --json log | jq -r ".runs[0].run")" --yes 2>err && grep -q "cannot be brought back" err &&
    mlopsctl runpod volume create gone --size 10 --dc EU-RO-1 >/dev/null && expect_code 2 mlopsctl runpod volume rm gone 2>err && grep -q "10 GB in EU-RO-1" err &&
    mlopsctl runpod volume rm gone --yes >out && grep -q "removed volume" out && [ "$(volumes gone)" -eq 0 ] &&
    run=$(mlopsctl --json log --grep "create\",\"gone" | jq -r ".runs[0].run") && expect_code 6 mlopsctl rollback "$run" --yes 2>err && grep -q "gone already" err &&
    mlopsctl rollback "$run" --yes --force >/dev/null
'
# died MADE: a program that dies while it makes the volume "orphan", which comes to be (true) or not.
died()
{
    next=$(($(mlopsctl --json log | jq ".runs[0].run") + 1)) &&
        runpod_ctl set "{\"slow\": [{\"path\": \"/v2/network-volumes\", \"seconds\": 1.5}]}" >/dev/null || return 1
    "$MLOPSCTL" runpod volume create orphan --size 10 --dc EU-RO-1 >/dev/null 2>&1 &
    pid=$! i=0
    until [ "$(mlopsctl --json show-run $next 2>/dev/null | jq -r '.effects[0].state')" = intended ]; do
        i=$((i + 1)) && [ $i -lt 200 ] || return 1
        sleep 0.02
    done
    sleep 0.4 # the request leaves
    kill -9 $pid
    wait $pid 2>/dev/null
    runpod_ctl set '{"slow": []}' >/dev/null
    i=0
    until [ "$1" = false ] || [ "$(volumes orphan)" -eq 1 ]; do
        i=$((i + 1)) && [ $i -lt 200 ] || return 1
        sleep 0.05
    done
}
test_expect 'a program that died while it made a volume: recover finds it, rollback removes it' '
    died true && mlopsctl recover >out && mlopsctl --json show-run $next | jq -e ".status == \"died\" and .effects[0].state == \"done\"" &&
    mlopsctl rollback $next --yes && [ "$(volumes orphan)" -eq 0 ]
'
test_expect 'and when nothing came of it, nothing is left to undo' '
    runpod_ctl set "{\"fail\": [{\"method\": \"POST\", \"path\": \"/v2/network-volumes\", \"status\": 503, \"times\": 1}]}" >/dev/null &&
    died false && sleep 2 && [ "$(volumes orphan)" -eq 0 ] && mlopsctl recover >out &&
    mlopsctl --json show-run $next | jq -e ".status == \"died\" and .effects[0].state == \"reverted\"" && must_fail mlopsctl rollback $next --yes
'
test_expect 'du adds up what lies on a volume that is mounted here' '
    id=$(mlopsctl --json runpod volume ls | jq -r ".volumes[] | select(.name == \"models\") | .id") && mkdir -p mnt/a/b mnt/c && printf 12345 >mnt/a/x && printf 123 >mnt/a/b/y && printf 1 >mnt/.hidden && printf 1 >mnt/c/z &&
    export RUNPOD_VOLUME_ID=$id MLOPSCTL_RUNPOD_MOUNT=$PWD/mnt && mlopsctl --json runpod volume du "$id" >out &&
    jq -e ".files == 4 and .bytes == 10 and .names[0].name == \"a/\" and .names[0].bytes == 8 and .names[0].files == 2" out &&
    mlopsctl --json runpod volume du "$id" a | jq -e ".bytes == 8" &&
    expect_code 2 mlopsctl runpod volume rm "$id" 2>err && grep -q "4 files of 10 B on it" err
'
test_expect 'templates: made once with variables that nobody sees, removed after asking' '
    runpod_ctl set "{\"ambiguous\": [{\"path\": \"/v2/templates\", \"mode\": \"502\", \"made\": true, \"times\": 1}]}" >/dev/null &&
    export TOKEN=topsecret && printf "# none\nOTHER=hushhush\n" >vars && mlopsctl runpod template create t --image a/b:1 --serverless -p 80/http -e TOKEN --env-file vars --persistent 20 >out &&
    runpod_ctl get templates | jq -e "[.[] | select(.name == \"t\")] | length == 1 and (.[0].env | .TOKEN == \"topsecret\" and .OTHER == \"hushhush\")" &&
    mlopsctl runpod template ls >out && grep -q "OTHER TOKEN\|TOKEN OTHER" out && ! grep -q "topsecret\|hushhush" out &&
    ! grep -rq "topsecret\|hushhush" .mlops && mlopsctl runpod template create u --image a/b:1 -e TOKEN --dry-run >out && ! grep -q topsecret out &&
    expect_code 2 mlopsctl runpod template rm t 2>/dev/null && mlopsctl runpod template rm t --yes && [ "$(runpod_ctl get templates | jq length)" -eq 0 ]
'
test_expect 'registry logins: the password comes from a file or standard input and stays nowhere' '
    printf "swordfish\n" >pw && mlopsctl runpod registry add ghcr -u acme --password-file pw && echo "swordfish2" | mlopsctl runpod registry add second -u acme --password-file - &&
    mlopsctl --json runpod registry ls | jq -e ".registries | length == 2" && ! grep -rq swordfish .mlops &&
    mlopsctl runpod registry add x -u acme --password-file pw --dry-run >out && grep -q hidden out && ! grep -q swordfish out &&
    expect_code 2 mlopsctl runpod registry add x -u acme 2>err && grep -q "nobody is there to ask" err &&
    mlopsctl rollback --last && mlopsctl --json runpod registry ls | jq -e ".registries | length == 1" && mlopsctl runpod registry rm ghcr --yes
'
test_expect 'a password is asked for without showing it' '
    cat >ask.py <<X
import os, pty, sys, time
pid, fd = pty.fork()
if pid == 0:
    os.execv(sys.argv[1], [sys.argv[1], "runpod", "registry", "add", "typed", "-u", "acme"])
seen = b""
while b"password: " not in seen:
    seen += os.read(fd, 1000)
os.write(fd, b"opensesame\n")
try:
    while True:
        more = os.read(fd, 1000)
        if not more: break
        seen += more
except OSError:
    pass
sys.stdout.write(seen.decode())
sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
X
    python3 ask.py "$MLOPSCTL" >out && grep -q "added registry login" out && ! grep -q opensesame out &&
    tail -n 3 "$T/runpod/requests.jsonl" | grep -q "typed"
'
test_expect 'keys: none, a wrong one, one that may only read, one without the right' '
    (unset RUNPOD_API_KEY && expect_code 3 mlopsctl runpod volume ls 2>err && grep -q RUNPOD_API_KEY err) &&
    RUNPOD_API_KEY=rpa_wrong expect_code 5 mlopsctl runpod volume ls 2>err && grep -q "401" err && grep -q "REST key" err && ! grep -q rpa_wrong err &&
    RUNPOD_API_KEY=rpa_double_pods expect_code 5 mlopsctl runpod volume ls 2>err && grep -q "lacks the right" err &&
    RUNPOD_API_KEY=rpa_double_read expect_code 5 mlopsctl runpod volume create v --size 10 --dc EU-RO-1 2>err && grep -q "lacks the right" err &&
    MLOPSCTL_RUNPOD_API=$RUNPOD_URL/v1 expect_code 5 mlopsctl runpod volume ls 2>err && grep -q "410" err && grep -q "REST v2" err && { runpod_ctl strict reset || :; } >/dev/null
'
test_expect 'lists come in pages' '
    runpod_ctl set "{\"pagination\": null}" >/dev/null && a=$(mlopsctl --json runpod template ls | jq -c .templates) &&
    for i in 1 2 3; do mlopsctl runpod endpoint create "e$i" --type queue --image i --pool ADA_24 >/dev/null || exit 1; done &&
    runpod_ctl set "{\"pagination\": {\"size\": 2}}" >/dev/null && [ "$(mlopsctl --json runpod endpoint ls | jq ".endpoints | length")" -eq 3 ] &&
    runpod_ctl set "{\"pagination\": {\"size\": 2, \"repeat\": true}}" >/dev/null && expect_code 4 mlopsctl runpod endpoint ls 2>err && grep -q "comes back to a page" err &&
    runpod_ctl set "{\"pagination\": {\"size\": 1000}}" >/dev/null
'
test_expect 'a correct client asked for nothing else' 'runpod_strict'
test_done
