#!/bin/sh
# Encoders in the forms that exporters write, of floats and of bytes, and small networks: ONNX Runtime's outputs
# (tests/golden/onnx/make-encoders.py, make-networks.py).
. "${0%/*}/lib.sh"

counts() { mlopsctl onnx conformance "$@" --json | jq -r '"\(.pass) \(.fail) \(.unsupported)"'; }

# steps FORM NAME: how many of them the engine makes
steps() { mlopsctl onnx inspect "$G/onnx/encoders/$1/model.onnx" --plan | grep -c "^mlopsctl.$2 "; }

for form in torch layer attention torch-int8 layer-int8; do
    test_expect "the encoder '$form' gives ONNX Runtime's outputs, fused and as it is in the file" '
        [ "$(counts "$G/onnx/encoders/$form")" = "1 0 0" ] && [ "$(counts "$G/onnx/encoders/$form" --plain)" = "1 0 0" ]
    '
done
test_expect 'blocks are fused: queries, keys and values as one product, heads, normalisation with the sum before it, dense layers of floats and of bytes' '
    for form in torch layer torch-int8 layer-int8; do
        [ "$(steps $form JoinedHeads) $(steps $form LayerNorm)" = "2 5" ] || return 1
    done
    [ "$(steps torch Dense) $(steps layer Dense) $(steps torch-int8 Int8Dense) $(steps layer-int8 Int8Dense)" = "8 8 8 8" ] &&
    ! mlopsctl onnx inspect "$G/onnx/encoders/torch/model.onnx" --plan | sed -n "/^STEP/,\$p" | grep -E "^(Erf|Softmax|Sqrt|Concat) "
'
test_expect 'a classifier of rows, a convolutional network, LSTM and GRU' '
    [ "$(counts "$G/onnx/networks")" = "4 0 0" ] && [ "$(counts "$G/onnx/networks" --plain)" = "4 0 0" ]
'
test_done
