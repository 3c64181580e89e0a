#!/bin/sh
. "${0%/*}/../cli/lib.sh"
. "$R/tests/fault/lib.sh"
setup()
{
    digits digits.safetensors README.md
    tiny_model a.safetensors
    mlopsctl pack digits.safetensors README.md -t m:1 && mlopsctl export m:1 -o m.tar &&
        rm -rf .mlops && mkdir -m 700 .mlops && mlopsctl pack a.safetensors -t other:1
}
sweep 'import' 'import m.tar'
test_done
