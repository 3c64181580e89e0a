#!/bin/sh
. "${0%/*}/../cli/lib.sh"
. "$R/tests/fault/lib.sh"
setup()
{
    tiny_model a.safetensors
    digits digits.safetensors
    mlopsctl pack a.safetensors -t m:1 && mlopsctl pack digits.safetensors -t m:2 && mlopsctl untag m:2
}
sweep 'gc' 'gc --keep 0s'
test_done
