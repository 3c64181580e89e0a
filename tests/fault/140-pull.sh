#!/bin/sh
. "${0%/*}/../cli/lib.sh"
. "$R/tests/fault/lib.sh"
setup()
{
    digits digits.safetensors digits-tuned.safetensors README.md
    mkdir share
    mlopsctl pack digits-tuned.safetensors README.md -t m:1 && mlopsctl push m:1 ./share &&
        rm -rf .mlops && mkdir -m 700 .mlops && mlopsctl pack digits.safetensors -t other:1
}
sweep 'pull' 'pull m:1 ./share'
test_done
