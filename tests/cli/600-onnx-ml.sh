#!/bin/sh
# The operators of ai.onnx.ml against ONNX Runtime's outputs (tests/golden/onnx/make-ml-cases.py).
. "${0%/*}/lib.sh"
cases=$G/onnx/ml

# counts FOLDER [OPTIONS]: "FAIL UNSUPPORTED"
counts() { mlopsctl onnx conformance "$@" --json | jq -r '"\(.fail) \(.unsupported)"'; }

test_expect 'all cases pass, with and without folding' '
    [ "$(find "$cases" -name model.onnx | wc -l)" -gt 300 ] && [ "$(counts "$cases")" = "0 0" ] && [ "$(counts "$cases" --plain)" = "0 0" ]
'
test_expect 'pipelines of scikit-learn, XGBoost and LightGBM give the trainers'"'"' own predictions (make-ml-pipelines.py)' '
    [ "$(find "$G/onnx/pipelines" -name model.onnx | wc -l)" -ge 40 ] && [ "$(counts "$G/onnx/pipelines")" = "0 0" ]
'
test_expect 'another label is a failure' '
    cp -r "$cases/classes-int64" wrong && cp "$cases/classes-none/test_data_set_0/output_0.pb" wrong/test_data_set_0/ &&
    expect_code 1 mlopsctl onnx conformance wrong >out && grep -q "output .l." out
'
test_expect 'maps are compared by key' '
    cp -r "$cases/zip-map-int" map && cp "$cases/zip-map-text/test_data_set_0/output_0.pb" map/test_data_set_0/ &&
    expect_code 1 mlopsctl onnx conformance map >out && grep -q "other keys" out
'
test_done
