#!/bin/sh
# Push to a folder: the remote's ref is old or new, and whatever it points to is complete.
. "${0%/*}/../cli/lib.sh"
. "$R/tests/fault/lib.sh"
extra()
{
    [ -d share ] || return 0
    "$MLOPSCTL" remote refs ./share --json | grep -oE '"(name|tag|digest)":"[^"]*"'
    "$MLOPSCTL" remote check --read-only --deep ./share -q >"$T/check" || echo "what the remote's names lead to is not complete"
}
setup()
{
    digits digits.safetensors digits-tuned.safetensors README.md
    mkdir share
    mlopsctl pack digits.safetensors -t m:1 && mlopsctl pack digits-tuned.safetensors README.md -t m:2 &&
        mlopsctl push m:1 ./share
}
sweep_random='./share/heads/*' # the head follows the ref; pushing what is there already does not write it again
sweep 'push' 'push m:2 ./share'
test_expect 'what a push left in the folder of heads goes with the next push of the name' '
    fresh && mkdir -p share/heads/sha256 && head=$(find share/heads -type f) && left=${head%/*}/.mlo-tmp-1-1 &&
    touch -d yesterday "$left" && mlopsctl push m:2 ./share && [ ! -e "$left" ]
'
test_done
