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
# The first command ever, in a folder without state.
setup()
{
    rmdir .mlops
    mkdir .git
    tiny_model model.safetensors
}
sweep 'first pack' 'pack model.safetensors -t m:1'
test_done
