#!/bin/sh
. "${0%/*}/../cli/lib.sh"
. "$R/tests/fault/lib.sh"
setup()
{
    mkdir m
    tiny_model m/model.safetensors
    echo '{"a": 1}' >m/config.json
    echo 'hello' >m/README.md
    mlopsctl pack m -t m:1 && cp "$R/examples/digits/digits.safetensors" m/
}
sweep 'pack' 'pack m -t m:2'
# With a profile, which is a layer more.
setup()
{
    mkdir m
    tiny_model m/model.safetensors
    printf 'a,b\n1,x\n2,y\n' >t.csv && mlopsctl profile t.csv -o t.profile
    mlopsctl pack m -t m:1
}
sweep 'pack with a profile' 'pack m -t m:2 --profile t.profile'
# With samples: the model is opened, run, and opened again to see that it is the file that was packed.
setup()
{
    mkdir m
    cp "$R/tests/golden/onnx/pipelines/tree/model.onnx" m/
    cp "$R/tests/golden/predict/mlp.csv" rows.csv
    mlopsctl pack m -t m:1
}
sweep 'pack with samples' 'pack m -t m:2 --samples rows.csv'
# The first command ever, in a folder without state.
setup()
{
    rmdir .mlops
    mkdir .git
    tiny_model model.safetensors
}
sweep 'first pack' 'pack model.safetensors -t m:1'
test_done
