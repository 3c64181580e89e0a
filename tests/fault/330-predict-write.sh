#!/bin/sh
# Answers that predict writes: the old file or the new one, whatever fails, in text and in Parquet; no temporary stays.
. "${0%/*}/../cli/lib.sh"
. "$R/tests/fault/lib.sh"
extra() { cat result 2>/dev/null | sha256sum; }
setup()
{
    cp "$G/onnx/pipelines/boosting-3/model.onnx" m.onnx && head -5 "$G/predict/boosting-3.csv" >rows.csv && echo old >result
}
sweep 'predict -o' 'predict m.onnx rows.csv -o result --threads 2'
sweep 'predict into Parquet' 'predict m.onnx rows.csv -o result --output-format parquet --threads 1'
test_done
