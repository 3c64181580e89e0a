#!/bin/sh
# bench: what is measured is there and in order. How long it takes is nobody's business here.
. "${0%/*}/lib.sh"
model=$G/onnx/pipelines/ridge/model.onnx
bench() { mlopsctl bench "$@" --duration 200ms --warmup 500ms; }

test_expect 'a row for each batch, percentiles in order' '
    bench "$model" --batch 1,64 --json >out && [ "$(jq -c "[.batches[].batch]" out)" = "[1,64]" ] &&
    jq -e "all(.batches[]; (.p50_us | length > 1) and (.rows_per_s | tonumber > 0))" out
'
test_expect 'several callers, and requests that come by themselves' '
    bench "$model" --scenario multi --callers 3 && bench "$model" --scenario offline --batch 256 && bench "$model" --rate 500
'
test_expect 'few requests have no high percentiles' '
    bench "$model" --rate 100 --json >out && jq -e ".batches[0].p99_us == \"-\"" out
'
test_expect 'misuse is exit 2' '
    expect_code 2 bench "$model" --batch 0 && expect_code 2 bench "$model" --batch 1,x && expect_code 2 bench "$model" --scenario server &&
    expect_code 2 bench "$model" --scenario single --callers 2 && expect_code 2 bench "$model" --dim seq && expect_code 2 bench "$model" --rate 5 --scenario multi
'
test_expect 'what cannot be made up is said by name' '
    expect_code 2 bench "$G/onnx/pipelines/columns-forest/model.onnx" 2>err && grep -q "input .c. cannot be made up: it holds text" err
'
test_expect 'no model is exit 3, no ONNX exit 4' '
    expect_code 3 bench none.onnx && echo text >text.onnx && expect_code 4 bench text.onnx
'
test_done
