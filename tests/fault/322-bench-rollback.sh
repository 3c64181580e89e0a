#!/bin/sh
# The rollback of a baseline in a file, killed or failing at every write.
. "${0%/*}/../cli/lib.sh"
. "$R/tests/fault/lib.sh"

extra() { jq -c '[.cases[].batch]' b.json; }
# An effect names its file by its whole path: the state is made where the cases will stand.
setup()
{
    cp -a "$T/template" "$T/case" && cd "$T/case" && cp "$G/onnx/pipelines/ridge/model.onnx" m.onnx || return
    for batch in 1 2; do "$MLOPSCTL" bench m.onnx --batch "$batch" --duration 20ms --warmup 1ms --save-baseline b.json || return; done
    cp -a . "$T/template"
}
sweep 'rollback of a file' 'rollback 2' '2 6'
test_done
