#!/bin/sh
# A baseline in a file in place of another, killed or failing at every write: the file is the former one or the new one, whole.
. "${0%/*}/../cli/lib.sh"
. "$R/tests/fault/lib.sh"

extra() { jq -c '[.cases[].batch]' b.json; }
setup() { cp "$G/onnx/pipelines/ridge/model.onnx" m.onnx && "$MLOPSCTL" bench m.onnx --duration 20ms --warmup 1ms --save-baseline b.json; }
sweep_random='./.mlops/store/blobs/*' # times differ, and with them the digests of results
sweep 'bench --save-baseline FILE' 'bench m.onnx --batch 2 --duration 20ms --warmup 1ms --save-baseline b.json'
test_done
