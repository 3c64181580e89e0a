#!/bin/sh
# bench: what is measured is there and in order, kept and compared. How long it takes is nobody's business here.
. "${0%/*}/lib.sh"
model=$G/onnx/pipelines/ridge/model.onnx slow=$G/onnx/pipelines/random-forest/model.onnx
[ -f "$slow" ] || slow=$(ls "$G"/onnx/pipelines/*forest*/model.onnx | grep -v columns | head -1)
bench() { mlopsctl bench "$@" --duration 1s --warmup 500ms; }

test_expect 'a row for each batch, percentiles in order' '
    bench "$model" --batch 1,64 --json >out && [ "$(jq -c "[.batches[].batch]" out)" = "[1,64]" ] &&
    jq -e "all(.batches[]; .p50_ns > 0 and .p50_ns <= .p90_ns and .p90_ns <= .p99_ns and .p99_ns <= .max_ns and .rows_per_s > 0)" out
'
test_expect 'several callers, and requests that come by themselves' '
    bench "$model" --scenario multi --callers 3 && bench "$model" --scenario offline --batch 256 && bench "$model" --rate 500
'
test_expect 'few requests have no high percentiles' '
    bench "$model" --rate 100 --json >out && jq -e ".batches[0].p99_ns == null" out
'
test_expect 'each is a run with its result; --no-record is not' '
    n=$(mlopsctl log --json | jq ".runs | length") && bench "$model" --no-record && [ "$(mlopsctl log --json | jq ".runs | length")" = "$n" ] &&
    mlopsctl show-run "$n" --json | jq -e "(.artifacts[0].kind == \"bench\") and (.metrics[0].metric | startswith(\"p50_ns\"))"
'
test_expect 'a baseline, and a run, are held against' '
    bench "$model" --batch 1,8 --save-baseline native && mlopsctl log --json | jq -r ".runs[0].run" >run &&
    bench "$model" --batch 8 --against native --tolerance 9 --json >out && jq -e ".verdict == \"pass\" and .verdicts[0].batch == 8 and .verdicts[0].low <= .verdicts[0].ratio" out &&
    bench "$model" --against "$(cat run)" --tolerance 9
'
test_expect 'a rollback takes the baseline back' '
    mlopsctl rollback "$(cat run)" && expect_code 3 bench "$model" --against native 2>err && grep -q "no baseline" err
'
test_expect 'a slower model beside it fails with exit 1, a faster one passes' '
    expect_code 1 mlopsctl bench "$slow" --against "$model" --batch 64 --duration 4s --warmup 500ms --json >out && jq -e ".verdict == \"fail\" and .verdicts[0].low > 1.05" out &&
    mlopsctl bench "$model" --against "$slow" --batch 64 --duration 4s --warmup 500ms
'
test_expect 'another load or batch is not compared, unless forced' '
    bench "$model" --save-baseline native && expect_code 6 bench "$model" --rate 200 --against native &&
    expect_code 6 bench "$model" --threads 2 --against native && expect_code 3 bench "$model" --batch 2 --against native &&
    { bench "$model" --rate 500 --against native --force --tolerance 10 2>err || [ $? -le 7 ]; } && grep -q "load differs" err
'
test_expect 'a program that speaks lines, alone and in turns with the engine' '
    bench "$model" --target "command:sh $R/examples/bench/target.sh" --json >out && jq -e ".batches[0].p50_ns > 0" out &&
    mlopsctl bench "$model" --against "command:sh $R/examples/bench/target.sh" --duration 2s --warmup 500ms --json >out && jq -e ".verdicts[0].ratio < 1" out
'
test_expect 'one that does not speak, and a server that is not there' '
    expect_code 2 bench "$model" --target localhost:80 2>err && grep -q "^hint: a URL begins with http" err &&
    ! bench "$model" --target "command:echo hello" 2>err && grep -q hello err && expect_code 5 bench "$model" --target http://127.0.0.1:9/
'
test_expect 'the history of a model has its runs, and no others' '
    mlopsctl bench "$slow" --history --json >none && jq -e ".history | all(.batch == 1)" none && bench "$model" --batch 2,4 && bench "$model" --batch 4 &&
    mlopsctl bench "$model" --batch 4 --history --json >out && jq -e "(.history | length) == 2 and all(.history[]; .batch == 4 and .p50_ns > 0 and .change == null)" out
'
test_expect 'misuse is exit 2' '
    expect_code 2 bench "$model" --batch 0 && expect_code 2 bench "$model" --batch 1,x && expect_code 2 bench "$model" --scenario server &&
    expect_code 2 bench "$model" --scenario single --callers 2 && expect_code 2 bench "$model" --dim seq && expect_code 2 bench "$model" --rate 5 --scenario multi &&
    expect_code 2 bench "$model" --threads 2 --target "command:true" && expect_code 2 bench "$model" --threads 0 &&
    expect_code 2 bench "$model" --tolerance 11 && expect_code 2 bench "$model" --no-record --save-baseline x && expect_code 2 bench "$model" --target foo
'
test_expect 'what cannot be made up is said by name' '
    expect_code 2 bench "$G/onnx/pipelines/columns-forest/model.onnx" 2>err && grep -q "input .c. cannot be made up: it holds text" err
'
test_expect 'no model is exit 3, no ONNX exit 4' '
    expect_code 3 bench none.onnx && echo text >text.onnx && expect_code 4 bench text.onnx
'
test_done
