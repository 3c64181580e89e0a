#!/bin/sh
# bench: its documents have the members of their schemas, and show-run draws what was kept.
. "${0%/*}/lib.sh"
have python3 || skip_all 'needs python3'
model=$G/onnx/pipelines/ridge/model.onnx
other=$(ls "$G"/onnx/pipelines/*forest*/model.onnx | grep -v columns | head -1)
bench() { mlopsctl bench "$model" --duration 1s --warmup 300ms "$@"; }
any()
{
    "$@"
    case $? in 0 | 1 | 7) ;; *) return 1 ;; esac
}
agree() { python3 "$R/tests/tools/schema-check.py" "$@"; }
last() { mlopsctl log --json -n 1 | jq -r ".runs[0].run"; }
# the kept document of a kind of the last run
kept() { cat ".mlops/store/blobs/sha256/$(mlopsctl show-run "$(last)" --json | jq -er --arg k "$1" '.artifacts[] | select(.kind == $k) | .digest | ltrimstr("sha256:")')"; }

test_expect 'every form of bench has the members of its schema' '
    bench --batch 1,8 --save-baseline b --json >plain && kept bench >result && bench --explain --json >explained && bench --explain --rate 200 --batch 2 --json >waiting && any bench --batch 8 --against b --json >held && kept bench-against >against &&
    any bench --against "$other" --batch 64 --json >beside && kept bench-against >beside-against && kept bench >beside-result && bench --history --json >history && bench --rate 50 --backend cpu --json >rate && any bench --tolerance 0.0001 --against "$model" --json >same 2>err &&
    for f in plain explained waiting held beside history rate same; do agree "$R/docs/bench.schema.json" $f || { echo $f; exit 1; }; done'
test_expect 'and so have the results that are kept' '
    for f in result against beside-result beside-against; do agree "$R/docs/bench-result.schema.json" $f || { echo $f; exit 1; }; done &&
    jq -e "[.cases[].batch] == [1, 8] and .cases[0].times.buckets[0][1] > 0" result && jq -S .cases[1].times result >a && jq -S .cases[1].times against >b && cmp a b'
test_expect 'a document with one member more or less is told' '
    jq ".details[0].more = 1" plain >more && ! agree "$R/docs/bench.schema.json" more && jq "del(.details[0].memory.pss)" plain >fewer && ! agree "$R/docs/bench.schema.json" fewer &&
    for edit in ".explained[0].more = 1" ".limits.more = 1" ".limits.bytes_per_s.more = 1" ".bounds[0].limit = \"luck\"" ".around[0].what = \"luck\"" ".steps[0].gain = 0.5" "del(.steps[0].flops)"; do jq "$edit" explained >edited && ! agree "$R/docs/bench.schema.json" edited || exit 1; done &&
    jq -e "[.around[].what] == [\"parse\", \"answer\", \"queue\"] and all(.around[]; .ns > 0)" waiting'
python=$(for p in python3 /usr/bin/python3; do "$p" -c 'import jsonschema' 2>/dev/null && echo "$p" && break; done)
if [ -n "$python" ]; then
    test_expect 'another validator agrees' '
        for f in plain explained waiting held beside history rate same; do "$python" -c "import json, jsonschema, sys; jsonschema.Draft202012Validator(json.load(open(sys.argv[1]))).validate(json.load(open(sys.argv[2])))" "$R/docs/bench.schema.json" $f || exit 1; done'
else
    test_skip 'another validator agrees' 'python3-jsonschema is not installed'
fi
if have cc && mkdir driver && cc -shared -fPIC -o driver/libnvidia-ml.so.1 "$R/tests/fakes/libnvidia-ml.c"; then
    test_expect 'with a GPU, too, and what was kept is read again' '
        LD_LIBRARY_PATH="$PWD/driver" bench --target "command:exec sh $R/examples/bench/target.sh" --save-baseline g --json >gpu && jq -e ".details[0].gpu.name == \"Fake 0\"" gpu && agree "$R/docs/bench.schema.json" gpu &&
        kept bench >result && agree "$R/docs/bench-result.schema.json" result && any bench --target "command:exec sh $R/examples/bench/target.sh" --against g --json && kept bench-against >again && jq -S . result >a && jq -S . again >b && cmp a b'
else
    test_skip 'with a GPU, too' 'no C compiler'
fi

test_expect 'members that earlier versions did not write are not required' '
    bench --save-baseline old >/dev/null && kept bench | jq -c "del(.cases[].load_ns, .cases[].memory, .cases[].timer, .cases[].quota, .cases[].gpu, .cases[].cpu_joules, .cases[].cpu_ticks, .cases[].stolen_ticks, .cases[].waits, .cases[].preempted)" >old.json &&
    agree "$R/docs/bench-result.schema.json" old.json'

# ---- the picture ----

bench --batch 1,8 >/dev/null && alone=$(last)
any bench --against "$other" --batch 64 >/dev/null && beside=$(last)
test_expect 'a run of bench is drawn: bars, percentiles and an axis for each batch' '
    mlopsctl show-run "$alone" >out && grep -c "^times, batch" out | grep -x 2 && grep -q "█" out && [ "$(grep -c " p50.*p90" out)" = 2 ] && [ "$(grep -cE "^  [0-9.]+ [num]?s .* [0-9.]+ (ns|us|ms|s)$" out)" = 2 ] &&
    [ "$(awk "{ print length(\$0) }" out | sort -n | tail -1)" -lt 4000 ] && ! mlopsctl -q show-run "$alone" | grep "█"'
test_expect 'what it was held against stands above it, on the same axis' '
    mlopsctl show-run "$beside" >out && grep -n "^held against, batch 64\|^times, batch 64" out | cut -d: -f2 | cut -d, -f1 | paste -sd, | grep -x "held against,times" && [ "$(grep -cE "^  [0-9.]+ (ns|us) .* (us|ms|s)$" out)" = 1 ]'
test_expect 'in JSON the buckets, which hold every timing' '
    mlopsctl show-run "$beside" --json >out && jq -e "[.histograms[] | [.side, .batch]] == [[\"measured\", 64], [\"against\", 64]] and all(.histograms[]; .timings == ([.buckets[].count] | add) and all(.buckets[]; .from_ns <= .to_ns))" out &&
    jq -e ".histograms[0].buckets | [.[].from_ns] == ([.[].from_ns] | sort)" out'
test_expect 'a run of another command has none' '
    tiny_model m.safetensors && mlopsctl pack m.safetensors -t m:1 && mlopsctl show-run "$(last)" --json | jq -e "has(\"histograms\") | not"'
test_done
