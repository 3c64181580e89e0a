#!/bin/sh
# Operators beyond models of tables: cases of the onnx project (tests/golden/onnx/take-node-cases.py) and ONNX Runtime's answers to
# random ones (make-op-cases.py).
. "${0%/*}/lib.sh"
cases=$G/onnx/node

# counts FOLDER [OPTIONS]: "FAIL UNSUPPORTED"
counts() { mlopsctl onnx conformance "$@" --json | jq -r '"\(.fail) \(.unsupported)"'; }

test_expect 'cases of the onnx project pass, with and without folding' '
    [ "$(find "$cases" -name model.onnx | wc -l)" -ge 100 ] && [ "$(counts "$cases")" = "0 0" ] && [ "$(counts "$cases" --plain)" = "0 0" ]
'
test_expect 'random cases give what ONNX Runtime gives, with and without folding' '
    [ "$(find "$G/onnx/ops" -name model.onnx | wc -l)" -ge 120 ] && [ "$(counts "$G/onnx/ops")" = "0 0" ] && [ "$(counts "$G/onnx/ops" --plain)" = "0 0" ]
'
test_expect 'branches and loops give what ONNX Runtime gives' '
    [ "$(find "$G/onnx/flow" -name model.onnx | wc -l)" = 14 ] && [ "$(counts "$G/onnx/flow")" = "0 0" ] && [ "$(counts "$G/onnx/flow" --plain)" = "0 0" ]
'
test_done
