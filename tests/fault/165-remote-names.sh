#!/bin/sh
# A remote's name is in the settings file or is not; the rest of the file is always there.
. "${0%/*}/../cli/lib.sh"
. "$R/tests/fault/lib.sh"
setup()
{
    tiny_model a.safetensors
    printf '# mine\nremotes:\n  # old\n  old: /x\ngc:\n  retention: 30d\n' >mlops.yaml
    mlopsctl pack a.safetensors -t m:1
}
extra() { cat mlops.yaml; }
sweep 'remote add' 'remote add prod s3://models/credit --region eu-1'
test_done
