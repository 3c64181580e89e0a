#!/bin/sh
. "${0%/*}/../cli/lib.sh"
. "$R/tests/fault/lib.sh"
setup()
{
    mkdir share
    mlopsctl pack "$R/examples/digits/digits-tuned.safetensors" "$R/examples/digits/README.md" -t m:1
    mlopsctl push m:1 share
    rm -rf .mlops
    mkdir -m 700 .mlops
    mlopsctl pack "$R/examples/digits/digits.safetensors" -t other:1
}
sweep 'pull' 'pull m:1 share'
test_done
