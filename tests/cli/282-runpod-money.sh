#!/bin/sh
# What pods cost and who ends them: bills, forecast, what is idle; the reaper and its leases.
. "${0%/*}/lib.sh"
. "$R/tests/tools/runpod.sh"
. "$R/tests/tools/pods.sh"
runpod_start


# A pod that this program did not make.
foreign()
{
    python3 - "$RUNPOD_URL/v2/pods" "$1" <<'END'
import json, sys, urllib.request
body = json.dumps({"name": sys.argv[2], "image": "i", "gpu": {"id": "NVIDIA L4", "count": 1}}).encode()
head = {"Authorization": "Bearer rpa_double_full", "Content-Type": "application/json", "User-Agent": "test/1.0"}
urllib.request.urlopen(urllib.request.Request(sys.argv[1], body, head))
END
}

test_expect 'nothing to reap: not a word, status 0' '
    clean && create --gpu L4 --name a >/dev/null && foreign theirs && mlopsctl runpod reap >out 2>err && [ ! -s out ] && [ ! -s err ] && mlopsctl runpod reap --dry-run && mlopsctl runpod reap --json | json ".pods == []" && [ "$(count)" = 2 ] && ! mlopsctl log | grep -q reap
'
test_expect 'what is over is ended, and nothing else; dry run says so with status 1' '
    clean && create --gpu L4 --name long >/dev/null && mlopsctl runpod pod create --image i --gpu L4 --lease 10m --name short --yes 2>/dev/null >&2 && mlopsctl runpod pod create --image i --gpu L4 --no-lease --name endless --yes 2>/dev/null >&2 && foreign theirs &&
    runpod_ctl clock +900 >/dev/null && expect_code 1 mlopsctl runpod reap -n >out && grep -q "^would end 1 pod" out && [ "$(count)" = 4 ] && mlopsctl runpod reap --json >j && json ".pods | length == 1 and .[0].name == \"short\" and .[0].outcome == \"removed\"" <j &&
    [ "$(pods | jq -r "[.pods[].name] | sort | join(\" \")")" = "endless long theirs" ] && mlopsctl show-run "$(run_id)" | grep -q "irreversible"
'
test_expect 'a lease that was renewed elsewhere counts; so does one that the ledger alone knows' '
    clean && create --gpu L4 --name r >/dev/null && mlopsctl runpod pod lease r 9h --home "$T/other" && runpod_ctl clock +8000 >/dev/null && mlopsctl runpod reap && [ "$(count)" = 1 ] && runpod_ctl clock +30000 >/dev/null && mlopsctl runpod reap --home "$T/third" | grep -q "lease is over" && [ "$(count)" = 0 ]
'
test_expect 'stopped pods and orphans go when asked for, orphans after consent; named ones alone when named' '
    clean && create --gpu L4 --name s >/dev/null && sleep 0.6 && mlopsctl runpod pod stop s && foreign one && foreign two && mlopsctl runpod reap && [ "$(count)" = 3 ] && mlopsctl runpod reap --stopped | grep -q "it is stopped" && [ "$(count)" = 2 ] &&
    expect_code 2 mlopsctl runpod reap --orphans 2>err </dev/null && grep -q "one, .0.40 an hour" err && [ "$(count)" = 2 ] && mlopsctl runpod reap --orphans one --yes >/dev/null && [ "$(pods | jq -r ".pods[].name")" = two ] && mlopsctl runpod reap --orphans --yes >/dev/null && [ "$(count)" = 0 ]
'
test_expect 'one that cannot be ended does not save the others: status 5, then done the next time' '
    clean && create --gpu L4 --name a >/dev/null && create --gpu L4 --name b >/dev/null && runpod_ctl clock +9000 >/dev/null && runpod_ctl set "{\"fail\":[{\"method\":\"DELETE\",\"path\":\"/v2/pods/\",\"status\":403,\"times\":1}]}" >/dev/null && expect_code 5 mlopsctl runpod reap >out 2>err &&
    [ ! -s out ] && [ "$(count)" = 1 ] && grep -q "was removed" err && mlopsctl runpod reap >/dev/null && [ "$(count)" = 0 ] && mlopsctl ledger verify
'
test_expect 'a locked pod is kept, and that is said' '
    clean && create --gpu L4 --name l >/dev/null && id=$(id_of l) && python3 - "$RUNPOD_URL/v2/pods/$id" <<END
import sys, urllib.request
head = {"Authorization": "Bearer rpa_double_full", "Content-Type": "application/json", "User-Agent": "test/1.0"}
urllib.request.urlopen(urllib.request.Request(sys.argv[1], b"{\"locked\": true}", head, method="PATCH"))
END
    runpod_ctl clock +9000 >/dev/null && mlopsctl runpod reap 2>err >out && grep -q "kept although its lease is over: it is locked" err && [ ! -s out ] && [ "$(count)" = 1 ] && mlopsctl runpod pod lease l 1h && clean
'
test_expect 'cost: sums by day and resource agree with the bills, the forecast with the rate' '
    clean && runpod_ctl bill "{\"family\":\"pods\",\"id\":\"oldpod\",\"time\":\"$(date -u -d "40 days ago" +%Y-%m-%dT00:00:00Z)\",\"gpuAmount\":100}" >/dev/null &&
    mlopsctl runpod cost --json >before && runpod_ctl bill "{\"family\":\"pods\",\"id\":\"p1\",\"time\":\"$(date -u +%Y-%m-%dT00:00:00Z)\",\"gpuAmount\":1.5,\"diskAmount\":0.25}" >/dev/null && mlopsctl runpod cost --json >j &&
    jq -e -s "(.[1].spent - .[0].spent - 1.75 | fabs) < 0.05 and (.[1].this_month - .[0].this_month - 1.75 | fabs) < 0.05 and (.[1].resources | map(select(.id == \"p1\")) | .[0].usd == 1.75) and ((.[1].days | map(.usd) | add) - .[1].spent | fabs) < 1e-6" before j >/dev/null &&
    ! grep -q oldpod j && mlopsctl runpod cost --days 60 | grep -q "oldpod *(gone) *.100.00" && mlopsctl runpod cost --csv >csv && head -n 1 csv | grep -qx "day,kind,id,usd" && grep -q ",pod,\"p1\",1.750000" csv && mlopsctl runpod cost | grep -q "####"
'
test_expect 'cost: what is idle' '
    clean && create --gpu L4 --name lazy >/dev/null && create --gpu L4 --name off --persistent 100 >/dev/null && sleep 0.6 && mlopsctl runpod pod stop off && mlopsctl runpod volume create spare --size 100 --dc EU-RO-1 --yes >/dev/null &&
    mlopsctl runpod cost --json >j && json "[.idle[] | .kind + \" \" + .name] == [\"pod lazy\", \"pod off\", \"volume spare\"]" <j && json "(.usd_an_hour - (0.4 + 100 * (0.2 + 0.07) / 730) | fabs) < 1e-9 and (.usd_a_day / .usd_an_hour - 24 | fabs) < 1e-9" <j && mlopsctl runpod volume rm spare --yes
'
test_expect 'misuse: each with its reason' '
    expect_code 2 mlopsctl runpod cost --days 0 && expect_code 2 mlopsctl runpod cost --days 9999 && expect_code 2 mlopsctl runpod cost now && expect_code 2 mlopsctl runpod reap --all && RUNPOD_API_KEY=rpa_double_pods expect_code 5 mlopsctl runpod cost 2>err && grep -q 403 err &&
    RUNPOD_API_KEY= expect_code 3 mlopsctl runpod reap && expect_code 2 mlopsctl runpod gpu --sort age && expect_code 2 mlopsctl runpod gpu --count 0 && mlopsctl runpod gpu H999 | grep -q "no GPU is like that"
'
test_expect 'nothing was asked that a correct client does not ask; the ledger is whole' '
    runpod_strict >out || { cat out; exit 1; }; mlopsctl ledger verify
'
test_done
