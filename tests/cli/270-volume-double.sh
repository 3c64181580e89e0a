#!/bin/sh
# The double itself: that it refuses what RunPod refuses, in RunPod's order, so that tests against it mean something.
. "${0%/*}/lib.sh"
. "$R/tests/tools/runpod.sh"

have jq || skip_all 'needs jq'
runpod_start
ask() { runpod_ctl call "$@" >answer 2>&1; }
# is STATUS TEXT METHOD PATH [BODY [HEADER...]]
is()
{
    is_status=$1 is_text=$2
    shift 2
    ask "$@"
    head -n 1 answer | grep -qx "$is_status" && grep -q -- "$is_text" answer || {
        echo "want $is_status and '$is_text': $*"
        cat answer
        return 1
    }
}
field() { sed '1,/^$/d' answer | jq -er "$1"; }
POD='{"name":"a","image":"x","gpu":{"id":"NVIDIA L4","count":1},"ports":["8000/http"]}'

test_expect 'the edge, then the key, then the path, then the method' '
    is 403 "error code: 1010" GET /v2/nothing "" "User-Agent:" "Authorization:" && is 401 "missing bearer token" PUT /v2/nothing "" "Authorization:" &&
    is 401 "invalid bearer" PUT /v2/nothing "" "Authorization: Bearer rpa_x" && is 404 "resource not found" PUT /v2/nothing "{" &&
    is 405 "Allow: GET, POST" PUT /v2/pods "{" "Authorization: Bearer rpa_double_none" && is 403 "access denied" POST /v2/pods "{" "Authorization: Bearer rpa_double_read" &&
    is 403 "access denied" GET /v2/network-volumes "" "Authorization: Bearer rpa_double_pods"
'
test_expect 'JSON, schema with all faults, existence, rules, capacity' '
    is 400 "not valid JSON" POST /v2/pods "{" && is 422 "additional properties .imageName. not allowed" POST /v2/pods "{\"imageName\":\"x\"}" &&
    grep -q "missing property .name." answer && grep -q "application/problem+json" answer &&
    is 404 "template not found" POST /v2/pods "{\"name\":\"a\",\"templateId\":\"t\",\"gpu\":{\"id\":\"?\"},\"cpu\":{\"id\":\"?\",\"vcpuCount\":3}}" &&
    is 400 "exactly one" POST /v2/pods "{\"name\":\"a\",\"image\":\"x\"}" && is 400 "unknown gpu type" POST /v2/pods "{\"name\":\"a\",\"image\":\"x\",\"gpu\":{\"id\":\"?\",\"count\":1}}" &&
    is 400 "no longer any instances" POST /v2/pods "{\"name\":\"a\",\"image\":\"x\",\"gpu\":{\"id\":\"NVIDIA B200\",\"count\":1}}" &&
    is 413 "above 102400" POST /v2/templates "{\"name\":\"$(head -c 110000 /dev/zero | tr "\0" x)\",\"image\":\"x\"}"
'
test_expect 'rate limits on every answer, and a switch that uses them up' '
    is 200 "RateLimit: \"minute\";r=" GET /v2/pods && grep -q "RateLimit-Policy: .*q=.*w=86400" answer && grep -q "x-request-id: " answer &&
    runpod_ctl set "{\"exhaust\":{\"windows\":{\"minute\":1,\"hour\":2},\"times\":1}}" && is 429 "Retry-After: 1" GET /v2/pods &&
    grep -q "\"minute\";r=0;t=1, \"hour\";r=0;t=2" answer && grep -q "for the minute window" answer && is 200 "" GET /v2/pods &&
    expect_code 1 runpod_ctl strict >v && grep -q "asked again" v
'
test_expect 'a pod lives by the clock, which can stand still' '
    runpod_ctl clock freeze && runpod_ctl set "{\"delays\":{\"provisioning\":60,\"starting\":30}}" && ask POST /v2/pods "$POD" && pod=$(field .id) &&
    runpod_ctl clock +59 && ask GET "/v2/pods/$pod" && [ "$(field .status)" = PROVISIONING ] && field ".runtime == null and .cost == 0.4" &&
    runpod_ctl clock +1 && ask GET "/v2/pods/$pod" && [ "$(field .status)" = STARTING ] && runpod_ctl clock +30 && ask GET "/v2/pods/$pod" && [ "$(field .status)" = RUNNING ] &&
    is 409 "not allowed while" POST "/v2/pods/$pod/action" "{\"action\":\"start\"}" && is 422 "one of" POST "/v2/pods/$pod/action" "{\"action\":\"reset\"}" &&
    is 200 "EXITED" POST "/v2/pods/$pod/action" "{\"action\":\"stop\"}" && field ".cost == 0" &&
    runpod_ctl set "{\"start_refused\":[\"a\"]}" && is 400 "no instances" POST "/v2/pods/$pod/action" "{\"action\":\"start\"}" &&
    is 204 "" DELETE "/v2/pods/$pod" && is 404 "pod not found" GET "/v2/pods/$pod" && is 404 "" DELETE "/v2/pods/$pod" && runpod_ctl clock run
'
test_expect 'creates of which nobody knows what became, and who sends one twice without looking' '
    runpod_ctl strict reset && runpod_ctl set "{\"ambiguous\":[{\"path\":\"/v2/pods\",\"mode\":\"502\"}],\"delays\":{\"provisioning\":0}}" && is 502 cloudflare POST /v2/pods "$POD" &&
    ask GET /v2/pods && field ".pods | length == 1" && is 201 "" POST /v2/pods "$POD" && runpod_ctl strict &&
    runpod_ctl set "{\"ambiguous\":[{\"path\":\"/v2/pods\",\"mode\":\"drop\",\"made\":false}]}" && ! ask POST /v2/pods "$POD" && ask POST /v2/pods "$POD" &&
    expect_code 1 runpod_ctl strict >v && grep -q "created again without looking" v
'
test_expect 'lists with pages and without' '
    runpod_ctl set "{\"pagination\":{\"size\":2}}" && ask GET /v2/pods && field ".pods | length == 2" && field .pagination.hasNextPage && cursor=$(field .pagination.nextCursor) &&
    ask GET "/v2/pods?cursor=$cursor" && field "(.pods | length == 1) and (.pagination.hasNextPage | not)" && is 422 cursor GET "/v2/pods?cursor=xyz" &&
    runpod_ctl set "{\"pagination\":null}" && ask GET /v2/pods && field "(.pods | length == 3) and (has(\"pagination\") | not)"
'
test_expect 'volumes: bounds, growth, data centres, use' '
    is 422 "minimum 10" POST /v2/network-volumes "{\"name\":\"v\",\"size\":9,\"dataCenter\":\"EU-RO-1\"}" && is 400 "valid: .*EU-RO-1" POST /v2/network-volumes "{\"name\":\"v\",\"size\":10,\"dataCenter\":\"XX\"}" &&
    is 422 "dataCenterId" POST /v2/network-volumes "{\"name\":\"v\",\"size\":10,\"dataCenterId\":\"EU-RO-1\"}" &&
    is 201 STANDARD POST /v2/network-volumes "{\"name\":\"v\",\"size\":20,\"dataCenter\":\"EU-RO-1\"}" && v=$(field .id) && is 400 "nothing to update" PATCH "/v2/network-volumes/$v" "{}" &&
    is 400 shrink PATCH "/v2/network-volumes/$v" "{\"size\":10}" && is 200 "" PATCH "/v2/network-volumes/$v" "{\"size\":30}" && field ".size == 30" &&
    is 422 path POST /v2/pods "{\"name\":\"b\",\"image\":\"x\",\"gpu\":{\"id\":\"NVIDIA L4\",\"count\":1},\"mounts\":{\"network\":[{\"volumeId\":\"$v\"}]}}" &&
    is 201 "" POST /v2/pods "{\"name\":\"b\",\"image\":\"x\",\"gpu\":{\"id\":\"NVIDIA L4\",\"count\":1},\"mounts\":{\"network\":[{\"volumeId\":\"$v\",\"path\":\"/workspace\"}]}}" &&
    is 400 "in use" DELETE "/v2/network-volumes/$v"
'
test_expect 'the catalog has stock by product, count and cloud' '
    is 400 "go together" GET "/v2/catalog/gpus?include=AVAILABILITY" && is 400 "go together" GET "/v2/catalog/gpus?product=POD" && is 400 "valid only" GET "/v2/catalog/gpus?count=2" &&
    ask GET "/v2/catalog/gpus?include=AVAILABILITY&product=POD&count=8" && field ".gpus[] | select(.id == \"NVIDIA L4\") | .availability == \"NONE\" and (has(\"dataCenters\") | not)" &&
    ask GET "/v2/catalog/gpus/NVIDIA%20L4?include=AVAILABILITY&product=POD" && field ".dataCenters[0].id == \"EU-RO-1\""
'
test_expect 'jobs and their end' '
    is 201 "" POST /v2/serverless "{\"name\":\"q\",\"type\":\"QUEUE\",\"image\":\"x\",\"timeout\":1000,\"scaling\":{\"type\":\"QUEUE_DELAY\",\"queueDelay\":1},\"gpu\":{\"pools\":[\"ADA_24\"]}}" && q=$(field .id) &&
    is 200 COMPLETED POST "/jobs/v2/$q/runsync" "{\"input\":{\"a\":1}}" && field ".output.echo.a == 1" && is 200 IN_QUEUE POST "/jobs/v2/$q/run" "{\"input\":{}}" && j=$(field .id) &&
    runpod_ctl clock +1 && is 200 "" GET "/jobs/v2/$q/status/$j" && runpod_ctl clock +1 && is 200 COMPLETED GET "/jobs/v2/$q/status/$j" && runpod_ctl clock +1801 &&
    is 404 "job not found" GET "/jobs/v2/$q/status/$j" && runpod_ctl set "{\"workers\":{\"q\":\"THROTTLED\"}}" && is 200 IN_QUEUE POST "/jobs/v2/$q/runsync?wait=1000" "{\"input\":{}}" &&
    ask GET "/v2/serverless/$q/workers" && field ".summary.throttled == 1"
'
test_expect 'a load balancer wakes, answers, and serves nothing on a wrong port' '
    is 400 "REQUEST_COUNT only" POST /v2/serverless "{\"name\":\"l\",\"type\":\"LOAD_BALANCER\",\"image\":\"x\",\"timeout\":1000,\"scaling\":{\"type\":\"QUEUE_DELAY\",\"queueDelay\":1},\"gpu\":{\"pools\":[\"ADA_24\"]}}" &&
    is 201 "" POST /v2/serverless "{\"name\":\"l\",\"type\":\"LOAD_BALANCER\",\"image\":\"x\",\"timeout\":1000,\"ports\":[\"80/http\"],\"scaling\":{\"type\":\"REQUEST_COUNT\",\"requestCount\":1},\"gpu\":{\"pools\":[\"ADA_24\"]}}" && l=$(field .id) &&
    runpod_ctl set "{\"delays\":{\"worker\":50},\"lb_wait\":0}" && is 204 "" GET "/lb/$l/ping" && is 503 "no workers available" GET "/lb/$l/x" && runpod_ctl clock +51 && is 200 "" GET "/lb/$l/ping" && is 200 "/x" GET "/lb/$l/x" &&
    is 200 "" PATCH "/v2/serverless/$l" "{\"ports\":[\"81/http\"]}" && is 502 "Bad Gateway" GET "/lb/$l/x" && ask GET "/v2/serverless/$l/releases" && field ".releases[0].diff[0].field == \"template.ports\""
'
test_expect 'the bill follows the clock' '
    ask GET /v2/billing/network-volumes && before=$(field .metadata.totals.totalAmount) && runpod_ctl clock +86400 && ask GET /v2/billing/network-volumes &&
    [ "$(field ".metadata.totals.totalAmount - $before > 0.06")" = true ] && is 400 "excludes" GET "/v2/billing?lastN=2&startTime=2026-01-01T00:00:00Z"
'
test_expect 'what is retired' '
    is 410 Gone GET /v1/pods && is 200 clientBalance POST /graphql "{\"query\":\"query { myself { clientBalance } }\"}" && grep -q "^Sunset" answer &&
    runpod_ctl set "{\"graphql\":false}" && is 410 Gone POST /graphql "{\"query\":\"query { myself { clientBalance } }\"}"
'
test_expect 'what a client should not do is counted, and secrets are not written down' '
    runpod_ctl strict reset && is 200 "" GET "/v2/pods?sttaus=RUNNING" && is 400 "instances" POST /v2/pods "{\"name\":\"a\",\"image\":\"x\",\"gpu\":{\"id\":\"NVIDIA L4\"}}" &&
    is 201 "" POST /v2/registries "{\"name\":\"r\",\"username\":\"u\",\"password\":\"hunter2\"}" && is 200 "" GET /v2/pods "" "X-Key: rpa_double_full" &&
    expect_code 1 runpod_ctl strict >v && grep -q "unknown query parameter .sttaus" v && grep -q "gpu.count is missing" v && grep -q "key is in the header" v && jq -e ".violations == 3" <v &&
    ! grep "hunter2\|rpa_double" "$T/runpod/requests.jsonl" && ! grep "the double failed" "$T/runpod.err"
'
test_done
