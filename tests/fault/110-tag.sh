#!/bin/sh
. "${0%/*}/../cli/lib.sh"
. "$R/tests/fault/lib.sh"
setup()
{
    tiny_model a.safetensors
    digits metrics.json
    mlopsctl pack a.safetensors -t m:1 && mlopsctl pack a.safetensors metrics.json -t m:2
}
sweep 'tag' 'tag m:1 m:champion'
sweep 'untag' 'untag m:2'
test_done
