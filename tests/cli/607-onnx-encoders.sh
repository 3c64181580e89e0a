#!/bin/sh
# Encoders in the forms that exporters write, of floats and of bytes: ONNX Runtime's outputs (tests/golden/onnx/make-encoders.py).
. "${0%/*}/lib.sh"

counts() { mlopsctl onnx conformance "$@" --json | jq -r '"\(.pass) \(.fail) \(.unsupported)"'; }

for form in torch layer attention torch-int8 layer-int8; do
    test_expect "the encoder '$form' gives ONNX Runtime's outputs, fused and as it is in the file" '
        [ "$(counts "$G/onnx/encoders/$form")" = "1 0 0" ] && [ "$(counts "$G/onnx/encoders/$form" --plain)" = "1 0 0" ]
    '
done
test_done
