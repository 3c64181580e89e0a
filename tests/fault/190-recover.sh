#!/bin/sh
# A recovery that is itself killed, or cannot write: the next one ends what the first began.
. "${0%/*}/../cli/lib.sh"
. "$R/tests/fault/lib.sh"

# killed CALL N COMMAND...: the command, killed at its n-th such call.
killed()
{
    call=$1 n=$2
    shift 2
    strike /dev/null kill "$call" "$n" "$MLOPSCTL" "$@"
    [ $? -eq 137 ] || { echo "not killed: $*"; return 1; }
}
setup()
{
    tiny_model a.safetensors
    digits digits.safetensors
    mlopsctl pack a.safetensors -t m:1 && killed renameat 2 pack digits.safetensors -t m:2 && ls .mlops/tmp | grep run-
}
extra() { "$MLOPSCTL" log --json | grep -oE '"status":"[^"]*"'; }
sweep 'recover a pack' 'recover'

# The tar file has its name, the ledger does not say so yet.
setup()
{
    tiny_model a.safetensors
    mlopsctl pack a.safetensors -t m:1 && killed renameat2 1 export m:1 -o m.tar && [ ! -e m.tar ]
}
extra() { "$MLOPSCTL" log --json | grep -oE '"status":"[^"]*"'; [ ! -e m.tar ] || echo 'there is a file'; }
sweep 'recover an export' 'recover'
test_done
