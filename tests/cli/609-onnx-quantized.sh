#!/bin/sh
# Models quantised before they run (tests/golden/onnx/make-quantized.py): ONNX Runtime's outputs, products of bytes in place of
# floats between QuantizeLinear and DequantizeLinear.
. "${0%/*}/lib.sh"
Q=$G/onnx/quantized

steps() { mlopsctl onnx inspect "$Q/$1/model.onnx" --plan | sed -n '/^STEP/,$p' | grep -c "^$2 "; }

test_expect 'outputs are those of ONNX Runtime, fused and as it is in the file' '
    mlopsctl onnx conformance "$Q" --json | jq -e ".pass == 15 and .fail == 0" &&
    mlopsctl onnx conformance "$Q" --plain --json | jq -e ".pass == 15 and .fail == 0 and .derived > 500"
'
test_expect 'products between QuantizeLinear and DequantizeLinear are of bytes: one scale, one a column, signed' '
    for form in mlp-qdq mlp-qdq-columns mlp-qdq-signed; do
        [ "$(steps "$form" mlopsctl.Int8Dense) $(steps "$form" MatMul) $(steps "$form" Gemm)" = "3 0 0" ] || return 1
    done
    [ "$(steps encoder-qdq mlopsctl.Int8Dense) $(steps encoder-qdq MatMul)" = "12 4" ]
'
test_expect 'what went into such a product alone is not made floats' '
    [ "$(steps mlp-qdq DequantizeLinear)" = 3 ] && [ "$(steps mlp-qdq QuantizeLinear)" = 6 ]
'
test_expect 'convolutions between them are of bytes, but where a group has few kernels; so are those of signed and of unsigned kernels' '
    for form in cnn-qdq cnn-qdq-kernels cnn-qdq-signed cnn-qdq-unsigned; do
        [ "$(steps "$form" mlopsctl.Int8Conv) $(steps "$form" Conv) $(steps "$form" mlopsctl.Int8Dense)" = "4 1 1" ] || return 1
    done
    mlopsctl onnx inspect "$Q/cnn-qdq/model.onnx" --cost --dim n=1 --dim height=16 --dim width=16 --json | jq -e ".flops > 100000"
'
test_done
