#!/bin/sh
# Files that drift, profile, validate and monitor write: the old one or the new one, whatever fails, and no temporary stays.
. "${0%/*}/../cli/lib.sh"
. "$R/tests/fault/lib.sh"
extra() { cat result* mlops.yaml 2>/dev/null | sha256sum; }
setup()
{
    printf 'a,w,y,p\n1,x,1,1\n2,y,0,1\n3,x,1,1\n4,z,0,0\n' >t.csv
    echo old >result
}
sweep 'profile -o' 'profile t.csv -o result'
sweep 'drift --html' 'drift -r t.csv -c t.csv --html result'
setup()
{
    printf 'a\n1\n2\n' >t.csv
    printf 'user: {name: ann} # mine\n' >mlops.yaml
}
sweep 'validate --write' 'validate --infer t.csv --write'
# The state of a monitor counts on from run to run: it is there as a whole or not at all.
extra() { if [ -e state ]; then jq -e .rows state >/dev/null && echo whole; fi; }
sweep_kills_only=1
sweep 'monitor --state' 'monitor t.csv -c a --state state'
test_done
