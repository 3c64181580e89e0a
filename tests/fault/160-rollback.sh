#!/bin/sh
. "${0%/*}/../cli/lib.sh"
. "$R/tests/fault/lib.sh"
setup()
{
    tiny_model a.safetensors
    digits digits.safetensors
    mlopsctl pack a.safetensors -t m:1 && mlopsctl pack digits.safetensors -t m:2 &&
        mlopsctl tag m:1 m:champion && mlopsctl tag m:2 m:champion
}
# The number, not --last: the second, undisturbed run of the sweep must mean the same run.
sweep 'rollback' 'rollback 4' 2
test_done
