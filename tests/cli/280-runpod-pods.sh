#!/bin/sh
# Pods against RunPod's double: which hardware is tried, what it may cost, what is waited for, what an unclear answer or a
# failure leaves (never two pods, never one that nobody knows), and the way back.
. "${0%/*}/lib.sh"
. "$R/tests/tools/runpod.sh"
. "$R/tests/tools/pods.sh"
runpod_start

test_expect 'a pod is made, listed with cost and lease, and shown without its secrets' '
    clean && create --name train --gpu "RTX 4090" -e TOKEN=very-secret-1 --persistent 20 -p 8000/http >out 2>err && grep -q "^created pod .*(train): 1 x NVIDIA GeForce RTX 4090 in EU-RO-1, .0.60 an hour until" out &&
    grep -q "^pod .train. from i" err && grep -q "at most .1.20 until the lease ends" err && pods | json ".pods[0] | .name == \"train\" and .cost == 0.6 and .marked and (.endless | not)" &&
    mlopsctl runpod pod show train >out && grep -q "TOKEN MLOPSCTL_LEASE MLOPSCTL_MARK" out && grep -q "/8000/" out && ! grep -rq very-secret-1 out err .mlops && runpod_ctl get pods | grep -q very-secret-1
'
test_expect 'dry run: the offers, the money, the request without its secrets; nothing is made' '
    clean && mlopsctl runpod pod create --image i --lease 2h --min-vram 48 --max-price 1 -e A=very-secret-2 -n --json >j && json ".dry_run and .price == 0.5 and .most == 1.8 and ([.offers[].gpu] == [\"NVIDIA RTX A6000\", \"NVIDIA L40S\"])" <j &&
    json ".request.env.MLOPSCTL_LEASE != null" <j && ! grep -q very-secret-2 j && [ "$(count)" = 0 ] && ! mlopsctl log | grep -q "dry-run"
'
test_expect 'without consent nothing is made' '
    clean && expect_code 2 mlopsctl runpod pod create --image i --gpu L4 --lease 1h 2>err && grep -q "needs consent" err && grep -q "^hint: --yes" err && [ "$(count)" = 0 ] && [ "$(runpod_asked POST /v2/pods)" = 1 ]
'
test_expect 'capacity: the next offer, each refusal said; other refusals end it' '
    clean && runpod_ctl set "{\"no_capacity\":[\"NVIDIA RTX A6000\"]}" && create --min-vram 48 --max-price 1 >out 2>err && grep -q "1 x NVIDIA RTX A6000: no capacity" err && grep -q "NVIDIA L40S" out && clean &&
    runpod_ctl set "{\"no_capacity\":[\"NVIDIA RTX A6000\",\"NVIDIA L40S\"]}" && expect_code 7 create --min-vram 48 --max-price 1 2>err && grep -q "refused every offer" err && [ "$(count)" = 0 ] &&
    expect_code 2 mlopsctl rollback "$(run_id)" && clean && runpod_ctl set "{\"balance\":0.01}" && expect_code 5 create --min-vram 48 2>err && grep -q "402" err
'
test_expect 'data centres are tried in the order that was given' '
    clean && runpod_ctl set "{\"no_capacity\":[\"NVIDIA GeForce RTX 4090@US-KS-2\"]}" && create --gpu "RTX 4090" --dc US-KS-2 --dc EU-CZ-1 2>err >out && grep -q "in US-KS-2: no capacity" err && grep -q "in EU-CZ-1," out
'
test_expect 'a price above the limit is not paid: not by the catalog, nor by the bill' '
    clean && expect_code 7 create --gpu H200 --max-price 1 2>err && grep -q "costs at most 1.00" err && expect_code 7 create --gpu L4 --max-total 0.5 2>err && [ "$(count)" = 0 ] &&
    runpod_ctl set "{\"cost_factor\":{\"NVIDIA L4\":3}}" && expect_code 7 create --gpu L4 --max-price 0.5 --name dear 2>err && grep -q "it costs 1.20 USD an hour, above --max-price 0.50; it was removed" err &&
    [ "$(count)" = 0 ] && expect_code 2 mlopsctl rollback "$(run_id)"
'
test_expect 'waiting: until the port answers, not only until it runs' '
    clean && runpod_ctl set "{\"delays\":{\"service\":0.5}}" && create --gpu L4 --name web -p 80/http --wait >out && curl -sf -A test/1.0 --noproxy "*" "$(sed -n "s/^url *//p" out)" >/dev/null && true
'
test_expect 'what does not answer is removed, or kept' '
    clean && runpod_ctl set "{\"error_pods\":[\"bad\"],\"stuck_pods\":[\"slow\"]}" && expect_code 5 create --gpu L4 --name bad --wait 2>err && grep -q "is ERROR; it was removed" err && [ "$(count)" = 0 ] &&
    expect_code 5 create --gpu L4 --name slow --wait --timeout 300ms 2>err && grep -q "does not answer after .*it is PROVISIONING; it was removed" err && [ "$(count)" = 0 ] &&
    expect_code 5 create --gpu L4 --name slow --wait --timeout 300ms --keep 2>err && grep -q "it was kept" err && [ "$(count)" = 1 ] && mlopsctl rollback "$(run_id)" --yes && [ "$(count)" = 0 ]
'
test_expect 'a volume fixes the place; a template and a CPU pod' '
    clean && vol=$(mlopsctl runpod volume create data --size 10 --dc EU-CZ-1 --yes --json | jq -r .id) && create --gpu "RTX 4090" --volume data --name onvol && pods | json ".pods[0] | .data_center == \"EU-CZ-1\" and .volume == \"$vol\"" &&
    mlopsctl runpod pod show onvol | grep -q "$vol at /workspace" && expect_code 2 create --gpu L4 --volume data --dc EU-RO-1 2>err && grep -q "is in EU-CZ-1" err && expect_code 2 create --gpu L4 --volume data --cloud community &&
    mlopsctl runpod template create web --image nginx --port 80/http >/dev/null && mlopsctl runpod pod create --template web --cpu cpu3c:4 --lease 1h --yes --wait >out && grep -q "4 x cpu3c vCPU" out && grep -q "^url " out &&
    expect_code 3 create --cpu nothing 2>err && grep -q "cpu3c, cpu3g" err && expect_code 2 create --cpu cpu3c:3 && clean && mlopsctl runpod volume rm data --yes
'
test_expect 'an answer that is lost: the pod is found by its mark, there is one' '
    clean && for mode in drop 502 504; do
        runpod_ctl set "{\"ambiguous\":[{\"path\":\"/v2/pods\",\"mode\":\"$mode\",\"made\":true,\"times\":1}]}" >/dev/null && create --gpu L4 --name "lost-$mode" >out || exit 1
        runpod_ctl set "{\"ambiguous\":[{\"path\":\"/v2/pods\",\"mode\":\"$mode\",\"made\":false,\"times\":1}]}" >/dev/null && create --gpu L4 --name "never-$mode" >out || exit 1
    done && [ "$(count)" = 6 ] && [ "$(pods | jq -r ".pods[].name" | sort -u | wc -l)" = 6 ]
'
test_expect 'nobody knows what became of it: said, and a rollback or reap takes it away' '
    clean && runpod_ctl set "{\"ambiguous\":[{\"path\":\"/v2/pods\",\"mode\":\"drop\",\"made\":true,\"times\":1}],\"fail\":[{\"method\":\"GET\",\"path\":\"/v2/pods\$\",\"status\":403,\"times\":1}]}" &&
    expect_code 5 create --gpu L4 --name doubt 2>err && grep -q "MLOPSCTL_MARK=" err && [ "$(count)" = 1 ] && mlopsctl runpod reap >out && grep -q "making it was taken back" out && [ "$(count)" = 0 ]
'
# Killed when the request is on its way: a busy machine may need longer until it is.
test_expect 'killed between create and answer: the next command takes the pod away' '
    for delay in 0.1 0.4 1 2; do
        clean && runpod_ctl set "{\"slow\":[{\"path\":\"/v2/pods\$\",\"seconds\":3}]}" >/dev/null || exit 1
        "$MLOPSCTL" runpod pod create --image i --gpu L4 --lease 1h --yes --name killed >/dev/null 2>&1 &
        pid=$!
        until mlopsctl log --json -n 1 | grep -q running; do kill -0 $pid || exit 1; done
        sleep $delay; kill -9 $pid; wait $pid; sleep 3.2; runpod_ctl set "{\"slow\":[]}" >/dev/null
        [ "$(count)" = 0 ] && mlopsctl recover || break
    done
    [ "$(count)" = 1 ] && mlopsctl recover >out 2>&1 && [ "$(count)" = 0 ] && mlopsctl ledger verify && mlopsctl log --json -n 1 | grep -q died
'
test_expect 'variables: from here, from a file, never our own' '
    clean && printf "# comment\n\nFROM_FILE=a b=c\r\nTWICE=1\n" >vars && HERE=1 create --gpu L4 --name e --env-file vars -e HERE -e TWICE=2 >/dev/null && runpod_ctl get pods | json ".[0].env // .pods[0].env // (to_entries[0].value.env) | .FROM_FILE == \"a b=c\" and .HERE == \"1\" and .TWICE == \"2\"" && clean &&
    expect_code 2 create --gpu L4 -e MLOPSCTL_LEASE=x && expect_code 2 create --gpu L4 -e "1A=x" && expect_code 2 create --gpu L4 -e NOT_SET_HERE && echo "no value" >vars && expect_code 2 create --gpu L4 --env-file vars 2>err && grep -q "line 1" err && expect_code 3 create --gpu L4 --env-file nowhere
'
test_expect 'misuse: each with its reason' '
    no() { expect_code 2 mlopsctl runpod pod "$@" 2>err && grep -q "^mlopsctl: runpod pod" err; } &&
    no create --gpu L4 --lease 1h && no create --image i --lease 1h && no create --image i --gpu L4 && no create --image i --gpu L4 --lease 1h --no-lease && no create --image i --gpu L4 --no-lease --max-total 5 --yes &&
    no create --image i --gpu L4 --cpu cpu3c --lease 1h && no create --image i --gpu L4 --lease 1h --mount /x && no create --image i --gpu L4 --lease 1h -p 80 && no create --image i --gpu L4 --lease 1h -p 99999/http && no create --image i --gpu L4 --lease 1h --keep &&
    no create --image i --gpu L4 --lease 1h --probe 81 && no create --image i --gpu L4 --lease soon && no create --image i --gpu L4 --lease 1h --max-price -1 && no lease x && no lease x 0s && no stop && no logs x --tail 9999 && no exec && [ "$(count)" = 0 ]
'
test_expect 'no key, a key that may only read, no service' '
    RUNPOD_API_KEY="" expect_code 3 mlopsctl runpod pod ls && RUNPOD_API_KEY=rpa_double_read expect_code 5 mlopsctl runpod pod create --image i --gpu L4 --lease 1h --yes 2>err && grep -q 403 err && [ "$(count)" = 0 ]
'
test_expect 'nothing was asked that a correct client does not ask; the ledger is whole' '
    runpod_strict >out || { cat out; exit 1; }; mlopsctl ledger verify
'
test_done
