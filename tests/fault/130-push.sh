#!/bin/sh
# Push to a folder and pull from it: the remote's ref is old or new, and whatever it points to is complete.
. "${0%/*}/../cli/lib.sh"
. "$R/tests/fault/lib.sh"
extra()
{
    [ -d share ] || return 0
    "$MLOPSCTL" remote refs share --json | jq -c '[.refs[]? | {name: .name, digest: .digest}] | sort'
    for ref in $("$MLOPSCTL" remote refs share --json | jq -r '.refs[]?.name'); do
        rm -rf "$T/puller"
        "$MLOPSCTL" --home "$T/puller" pull "$ref" share -q || echo "the remote's $ref is not complete"
    done
}
setup()
{
    mlopsctl pack "$R/examples/digits/digits.safetensors" -t m:1
    mlopsctl pack "$R/examples/digits/digits-tuned.safetensors" "$R/examples/digits/README.md" -t m:2
    mkdir share
    mlopsctl push m:1 share
}
sweep 'push' 'push m:2 share'
test_done
