#!/bin/sh
# The walk-through of docs/runpod.md still says what the program says, and the offline demo runs.
. "${0%/*}/lib.sh"

test_expect 'docs/runpod.md is current' '
    "$R/scripts/gen-runpod-doc" --check "$MLOPSCTL" || { [ $? -eq 77 ] && echo skipped >"$T/skipped"; }
'
[ ! -e "$T/skipped" ] || test_skip 'docs/runpod.md is current' 'needs radosgw, ceph and jq'
test_expect 'the demo runs to its end' '
    INSIDE=1 sh "$R/examples/runpod/demo.sh" >out && grep -q "the pod has the file that was packed" out && tail -n 1 out | grep -qx no
'
test_done
