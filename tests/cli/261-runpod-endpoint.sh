#!/bin/sh
# Serverless endpoints at RunPod: made once, guarded, changed and brought back, asked.
. "${0%/*}/lib.sh"
. "$R/tests/tools/runpod.sh"
have jq || skip_all 'needs jq'
runpod_start
export MLOPSCTL_RUNPOD_POLL=50ms TOKEN=topsecret
runpod_ctl set '{"lb_wait": 0.05}' >/dev/null

endpoints() { runpod_ctl get endpoints | jq "[.[] | select(.name == \"$1\")] | length"; }
endpoint() { runpod_ctl get endpoints | jq ".[] | select(.name == \"$1\")"; }
newest() { mlopsctl --json log | jq '.runs[0].run'; }

test_expect 'an endpoint is made under a price limit, with its request shown before' '
    mlopsctl runpod endpoint create batch --type queue --image a/b:1 --pool ADA_24 -e TOKEN --dry-run >out && grep -q "POST /serverless" out && grep -q "nothing while idle, \$3.30 an hour" out && ! grep -q topsecret out &&
    expect_code 7 mlopsctl runpod endpoint create batch --type queue --image a/b:1 --pool ADA_24 --max-price 1 2>err && grep -q "above --max-price" err &&
    expect_code 7 mlopsctl runpod endpoint create batch --type queue --image a/b:1 --pool ADA_24 --max-total 500 2>err && grep -q "above --max-total" err && [ "$(endpoints batch)" -eq 0 ] &&
    mlopsctl --json runpod endpoint create batch --type queue --image a/b:1 --pool ADA_24 -e TOKEN --max-price 3.30 | jq -e "(.price_most * 100 | round) == 330 and .price_always == 0 and .workers_max == 3" &&
    endpoint batch | jq -e ".env.TOKEN == \"topsecret\" and (.env.MLOPSCTL_MARK | length) == 32 and .timeout == 300000 and .scaling.queueDelay == 4" && ! grep -rq topsecret .mlops
'
test_expect 'a lost answer makes one endpoint, whatever became of the first request' '
    for mode in drop 502; do for made in true false; do
        n=$mode-$made
        runpod_ctl set "{\"ambiguous\": [{\"path\": \"/v2/serverless\", \"mode\": \"$mode\", \"made\": $made, \"times\": 1}]}" >/dev/null &&
        mlopsctl runpod endpoint create "$n" --type load-balancer --image a/b:1 --cpu cpu3c:4 -p 8000/http >/dev/null && [ "$(endpoints "$n")" -eq 1 ] || exit 1
    done; done && runpod_strict
'
test_expect 'what RunPod would refuse is refused here, with the reason' '
    expect_code 2 mlopsctl runpod endpoint create x --type queue --image i 2>err && grep -q "GPU pools or CPU" err &&
    expect_code 2 mlopsctl runpod endpoint create x --type load-balancer --image i --pool ADA_24 --scale-delay 4 2>err && grep -q "no queue to scale by" err &&
    expect_code 2 mlopsctl runpod endpoint create x --type queue --pool ADA_24 2>err && grep -q "image or a template" err &&
    expect_code 2 mlopsctl runpod endpoint create x --type queue --image i --cpu cpu3c 2>err && grep -q "cpu3c:4" err &&
    expect_code 3 mlopsctl runpod endpoint create x --type queue --image i --pool ADA_24 --volume nowhere 2>err && grep -q "no network volume" err &&
    expect_code 7 mlopsctl runpod endpoint create x --type queue --image i --pool NO_POOL --max-price 9 2>err && grep -q "not known" err && [ "$(endpoints x)" -eq 0 ]
'
test_expect 'scale and update, and back again in any order that holds' '
    mlopsctl runpod endpoint scale batch --workers-min 1 --workers-max 5 >out && grep -q "\$1.10 an hour always, \$5.50 with all workers" out && a=$(newest) &&
    mlopsctl runpod endpoint update batch --image a/b:2 --name renamed --min-cuda 12.4 --dc EU-RO-1 >/dev/null && b=$(newest) &&
    mlopsctl runpod endpoint update renamed --scale-requests 3 >/dev/null && c=$(newest) &&
    endpoint renamed | jq -e ".image == \"a/b:2\" and .workers.max == 5 and .scaling.requestCount == 3 and .gpu.minCudaVersion == \"12.4\"" &&
    expect_code 6 mlopsctl rollback "$a" 2>err && grep -q "later runs build on" err &&
    mlopsctl rollback "$b" && endpoint batch | jq -e ".image == \"a/b:1\" and .dataCenterIds == [] and (.gpu.minCudaVersion // null) == null and .workers.max == 5" &&
    mlopsctl rollback "$a" --cascade && endpoint batch | jq -e ".workers == {min: 0, max: 3, idleTimeout: 10} and .scaling.type == \"QUEUE_DELAY\"" &&
    mlopsctl rollback "$(newest)" && endpoint batch | jq -e ".workers.max == 5 and .scaling.requestCount == 3"
'
test_expect 'an update by a price limit, shown before, and refused when somebody else has changed it' '
    expect_code 7 mlopsctl runpod endpoint scale batch --workers-max 100 --max-price 10 2>err && grep -q above err &&
    mlopsctl --json runpod endpoint scale batch --workers-max 4 --dry-run | jq -e ".method == \"PATCH\" and .body == {workers: {max: 4}} and .price_hour == 4.4" &&
    mlopsctl runpod endpoint scale batch --workers-max 4 >/dev/null && id=$(endpoint batch | jq -r .id) &&
    curl -sf -X PATCH -H "Authorization: Bearer $RUNPOD_API_KEY" -H "User-Agent: tester/1" -H "Content-Type: application/json" -d "{\"workers\":{\"max\":2}}" "$MLOPSCTL_RUNPOD_API/serverless/$id" >/dev/null &&
    expect_code 6 mlopsctl rollback --last 2>err && grep -q "changed since" err && mlopsctl rollback --last --force && endpoint batch | jq -e ".workers.max == 5"
'
test_expect 'variables are replaced after asking, and that is final' '
    expect_code 2 mlopsctl runpod endpoint update batch -e OTHER=1 2>err && grep -q "no rollback brings them back" err &&
    mlopsctl runpod endpoint update batch -e OTHER=1 --disk 30 --yes >/dev/null && endpoint batch | jq -e ".env | has(\"TOKEN\") | not" && endpoint batch | jq -e ".env | has(\"MLOPSCTL_MARK\")" &&
    expect_code 2 mlopsctl rollback --last 2>err && grep -q "cannot be undone" err && mlopsctl rollback --last --partial && endpoint batch | jq -e ".disk == 20 and .env.OTHER == \"1\""
'
test_expect 'releases and workers, and why some do not come up' '
    mlopsctl runpod endpoint releases batch >out && grep -q "template.env" out && ! grep -q "topsecret" out &&
    mlopsctl --json runpod endpoint releases batch | jq -e ".releases | length >= 4" &&
    mlopsctl --json runpod endpoint workers batch | jq -e ".workers | length >= 1" &&
    runpod_ctl set "{\"workers\": {\"batch\": \"THROTTLED\"}}" >/dev/null && mlopsctl runpod endpoint workers batch >out && grep -q "wait for hardware" out &&
    runpod_ctl set "{\"workers\": {\"batch\": \"UNHEALTHY\"}}" >/dev/null && mlopsctl runpod endpoint workers batch >out && grep -q "do not come up" out &&
    w=$(mlopsctl --json runpod endpoint workers batch | jq -r ".workers[0].id") && runpod_ctl log "$w" "import error" "exit 1" >/dev/null &&
    mlopsctl runpod endpoint workers batch --logs "$w" >out && grep -q "import error" out && runpod_ctl set "{\"workers\": {\"batch\": null}}" >/dev/null
'
test_expect 'jobs: handed in, waited for, looked at, cancelled, failed' '
    echo "{\"a\": [1, 2]}" >in.json && mlopsctl --json runpod endpoint run batch -i in.json --wait 20s | jq -e ".status == \"COMPLETED\" and .output.echo.a == [1, 2]" &&
    job=$(mlopsctl --json runpod endpoint run batch -i - <in.json | jq -r .job) && mlopsctl runpod endpoint status batch >out && grep -q "jobs completed" out &&
    i=0 && until mlopsctl --json runpod endpoint status batch "$job" | jq -r .status | grep -q COMPLETED; do i=$((i + 1)); [ $i -lt 100 ] || exit 1; done &&
    runpod_ctl set "{\"delays\": {\"job_queue\": 60}}" >/dev/null && job=$(mlopsctl --json runpod endpoint run batch -i in.json | jq -r .job) && mlopsctl runpod endpoint cancel batch "$job" >out && grep -q CANCELLED out &&
    expect_code 1 mlopsctl runpod endpoint status batch "$job" && runpod_ctl set "{\"delays\": {\"job_queue\": 0.05}, \"job_fail\": [\"batch\"]}" >/dev/null &&
    expect_code 1 mlopsctl runpod endpoint run batch -i in.json --wait 20s >out && grep -q FAILED out && runpod_ctl set "{\"job_fail\": []}" >/dev/null &&
    expect_code 3 mlopsctl runpod endpoint status batch no-such-job 2>err && grep -q "half an hour" err && echo "[1]" >bad.json && expect_code 2 mlopsctl runpod endpoint run batch -i bad.json 2>err && grep -q "JSON object" err &&
    expect_code 3 mlopsctl runpod endpoint run nowhere -i in.json
'
test_expect 'a job whose answer is lost is not handed in twice' '
    runpod_ctl set "{\"fail\": [{\"method\": \"POST\", \"path\": \"/run\$\", \"status\": 502, \"times\": 1}]}" >/dev/null && n=$(runpod_ctl get jobs | jq length) &&
    expect_code 5 mlopsctl runpod endpoint run batch -i in.json 2>err && grep -q "may have been taken" err && [ "$(runpod_ctl get jobs | jq length)" -eq "$n" ] &&
    runpod_ctl set "{\"job_429\": 1}" >/dev/null && mlopsctl runpod endpoint run batch -i in.json >/dev/null
'
test_expect 'a load balancer is asked until a worker is there' '
    mlopsctl runpod endpoint create lb --type load-balancer --image a/b:1 --pool AMPERE_16 -p 8000/http -e PORT=8000 >/dev/null &&
    mlopsctl runpod endpoint call lb /predict -d in.json >out && jq -e ".path == \"/predict\" and .method == \"POST\"" out &&
    mlopsctl --json runpod endpoint call lb "/x?y=1" | jq -e ".status == 200 and .answer.path == \"/x\"" &&
    expect_code 2 mlopsctl runpod endpoint call lb "no path" 2>err && grep -q "no path" err && runpod_strict
'
test_expect 'removing asks, says what goes with it, and cannot be undone' '
    expect_code 2 mlopsctl runpod endpoint rm lb 2>err && grep -q "its jobs and the template bound to it" err && [ "$(endpoints lb)" -eq 1 ] &&
    mlopsctl runpod endpoint rm lb --yes && [ "$(endpoints lb)" -eq 0 ] && expect_code 2 mlopsctl rollback --last --yes 2>err && grep -q "cannot be undone" err
'
test_expect 'rollback of a creation removes the endpoint' '
    mlopsctl runpod endpoint create once --type queue --image i --pool ADA_24 >/dev/null && expect_code 2 mlopsctl rollback --last 2>err && grep -q "with its workers, its jobs" err &&
    mlopsctl rollback --last --yes >/dev/null && [ "$(endpoints once)" -eq 0 ] && expect_code 2 mlopsctl rollback "$(newest)" --yes 2>err && grep -q "cannot be brought back" err
'
test_expect 'a correct client asked for nothing else' 'runpod_strict'
test_done
