#!/bin/sh
# What is written for the user: a signature, a tar file, a folder. Each is there whole or not at all, and a second run, or a
# recovery, leaves no temporary beside it.
. "${0%/*}/../cli/lib.sh"
. "$R/tests/fault/lib.sh"
setup()
{
    digits digits.safetensors README.md
    mlopsctl pack digits.safetensors README.md -t m:1 && mlopsctl sign --keygen k
}

extra()
{
    "$MLOPSCTL" -q verify m:1 --key k.pub && echo 'signed' || echo 'not signed'
    [ ! -e m.sig ] || cmp -s m.sig m.sig || echo 'cannot be read'
}
sweep_random='./.mlops/store/blobs/sha256/*' # each signature is another
sweep 'sign' 'sign m:1 --key k.key'
sweep_random=

extra()
{
    [ -e m.tar ] || { echo 'no file'; return; }
    rm -rf "$T/importer"
    "$MLOPSCTL" --home "$T/importer" import m.tar -q && echo 'file is whole' || echo 'file is broken'
}
sweep 'export' 'export m:1 -o m.tar'

extra()
{
    [ -d out ] || { echo 'no folder'; return; }
    (cd out && sha256sum digits.safetensors README.md && find . | sort)
}
sweep 'unpack' 'unpack m:1 -o out'
test_done
