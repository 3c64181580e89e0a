#!/bin/sh
# A bench that saves a baseline, killed or failing at every write: the run, its result and the baseline are there as a whole
# or not at all, and what is there can be read.
. "${0%/*}/../cli/lib.sh"
. "$R/tests/fault/lib.sh"

extra()
{
    "$MLOPSCTL" ledger export | jq -c 'select(.command == "bench" and .status == "done") | [[.artifacts[].kind], [.effects[].target]]' | sort -u
    for run in $("$MLOPSCTL" log --json | jq -r '.runs[] | select(.status == "done") | .run'); do
        "$MLOPSCTL" show-run "$run" --json | jq -r '.histograms[] | select(([.buckets[].count] | add) != .timings) | "half a result"' || echo "a result that cannot be read"
    done
}
setup() { cp "$G/onnx/pipelines/ridge/model.onnx" m.onnx && "$MLOPSCTL" bench m.onnx --duration 20ms --warmup 1ms --save-baseline first; }
sweep_random='./.mlops/store/blobs/*' # times differ, and with them the digests of results
sweep 'bench --save-baseline' 'bench m.onnx --duration 20ms --warmup 1ms --save-baseline second'
test_done
