#!/bin/sh
# Operators beyond models of tables: cases of the onnx project (tests/golden/onnx/take-node-cases.py).
. "${0%/*}/lib.sh"
cases=$G/onnx/node

# counts FOLDER [OPTIONS]: "FAIL UNSUPPORTED"
counts() { mlopsctl onnx conformance "$@" --json | jq -r '"\(.fail) \(.unsupported)"'; }

test_expect 'cases of the onnx project pass, with and without folding' '
    [ "$(find "$cases" -name model.onnx | wc -l)" -ge 100 ] && [ "$(counts "$cases")" = "0 0" ] && [ "$(counts "$cases" --plain)" = "0 0" ]
'
test_done
