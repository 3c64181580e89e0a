#!/bin/sh
# A backup appears whole or not at all, and a restore replaces the ledger whole or not at all.
. "${0%/*}/../cli/lib.sh"
. "$R/tests/fault/lib.sh"
extra()
{
    if [ -e b.db ]; then
        rm -rf "$T/restored"
        mkdir -m 700 "$T/restored"
        "$MLOPSCTL" --home "$T/restored" ledger restore b.db -q && echo 'backup is whole' || echo 'backup is broken'
    else
        echo 'no backup'
    fi
}
setup()
{
    tiny_model a.safetensors
    mlopsctl pack a.safetensors -t m:1 && mlopsctl tag m:1 m:champion
}
sweep 'backup' 'ledger backup b.db'
extra() { :; }
setup()
{
    tiny_model a.safetensors
    mlopsctl pack a.safetensors -t m:1 && mlopsctl ledger backup b.db && mlopsctl tag m:1 m:champion
}
sweep 'restore' 'ledger restore b.db'
test_done
