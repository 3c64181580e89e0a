#!/bin/sh
# Money per million predictions: arithmetic on what was measured and what the catalog says; nothing is guessed.
. "${0%/*}/lib.sh"
. "$R/tests/tools/runpod.sh"
cp "$R/examples/credit/credit-1.4.0.onnx" credit.onnx
bench() { mlopsctl bench credit.onnx --warmup 200ms --duration 700ms "$@"; }

test_expect 'with a price alone: no catalog, and that is said; the sum is right' '
    bench --cost --price 0.36 --json >out 2>err && grep -q "no prices of GPUs" err &&
    jq -e ".cost[0] as \$c | (.cost | length) == 1 and \$c.usd_per_hour == 0.36 and (\$c.usd_per_million - 100 / \$c.rows_per_s | fabs) < 1e-3 / \$c.rows_per_s * 100 and .cheapest == \$c.device and (has(\"unmeasured\") | not)" out
'
test_expect 'with neither: no answer, exit 7, the measurement is shown' '
    expect_code 7 bench --cost --json >out 2>err && grep -q "nothing that was measured has a price" err && jq -e ".batches[0].p50_ns > 0 and .cost[0].usd_per_hour == null" out
'
test_expect 'a goal that is met, one that is not, one that too few requests can tell' '
    bench --cost --price 1 --goal p50=1s --json >out && jq -e ".cost[0].goal == \"yes\"" out &&
    expect_code 1 bench --cost --price 1 --goal p50=0.001us --json >out && jq -e ".cost[0].goal == \"no\" and .cheapest == null" out &&
    expect_code 7 bench --home "$PWD/fresh" --rate 50 --cost --price 1 --goal p99=1s --json >out 2>err && grep -q "too few requests" err
'
test_expect 'misuse' '
    expect_code 2 bench --goal p99=1s && expect_code 2 bench --price 1 && expect_code 2 bench --cost --goal p98=1s && expect_code 2 bench --cost --goal p99 &&
    expect_code 2 bench --cost --goal p99=0s && expect_code 2 bench --cost --price -1 && expect_code 2 bench --cost --history
'

runpod_start
measured_on() # NAME SECONDS: a run of the ledger that a GPU of this name answered
{
    LD_LIBRARY_PATH="$PWD/driver" FAKE_NVML_NAME=$1 bench --target "command:sh $R/examples/bench/target.sh $2" >/dev/null
}
if have cc && mkdir driver && cc -shared -fPIC -o driver/libnvidia-ml.so.1 "$R/tests/fakes/libnvidia-ml.c"; then
    test_expect 'GPUs measured before are there with the price of the catalog; the cheapest that meets the goal is named' '
        measured_on "NVIDIA L4" 0.02 && measured_on "NVIDIA H200" 0.001 && measured_on "A card that is not to be had" 0.001 &&
        bench --cost --price 1000000 --goal p50=10ms --json >out &&
        jq -e "[.cost[] | select(.device == \"NVIDIA L4\")][0] | .goal == \"no\" and .usd_per_hour == 0.4 and .run > 0" out &&
        jq -e ".cheapest == \"NVIDIA H200\" and any(.cost[]; .device == \"A card that is not to be had\" and .usd_per_hour == null)" out
    '
    test_expect 'without a goal the slow and cheap one may win' '
        bench --cost --price 1000000 --json >out && jq -e ".cheapest as \$c | [.cost[] | select(.usd_per_million != null)] | min_by(.usd_per_million).device == \$c" out
    '
    test_expect 'what was not measured is told, with how fast it would have to be' '
        bench --cost --price 1000000 --json >out && jq -e "([.unmeasured[].gpu] | index(\"NVIDIA L4\")) == null and (.unmeasured | length) > 3" out &&
        jq -e "([.cost[].usd_per_million | select(. != null)] | min) as \$best | all(.unmeasured[]; (.worth_from_rows_per_s * 3600 * \$best / 1e6 / .usd_per_hour - 1 | fabs) < 0.5)" out
    '
else
    test_skip 'GPUs measured before' 'no C compiler'
fi
test_expect 'later without network: the prices that were kept, and how old they are' '
    bench --cost --price 1 >/dev/null && MLOPSCTL_RUNPOD_API=http://127.0.0.1:9/v2 bench --cost --price 1 --json >out 2>err &&
    grep -q "prices of GPUs are .* old" err && jq -e "(.unmeasured | length) > 3" out
'
test_expect 'a copy that is damaged is none' '
    echo "{" >.mlops/cache/runpod-prices.json && MLOPSCTL_RUNPOD_API=http://127.0.0.1:9/v2 bench --cost --price 1 2>err && grep -q "no prices of GPUs" err
'
test_expect 'as a table' 'bench --cost --price 1 >out && grep -q "NOT MEASURED" out && grep -q "^cheapest" out'
test_done
