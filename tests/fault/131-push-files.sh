#!/bin/sh
# Plain files on a folder, replaced in place: whatever a name leads to is complete, and whatever the list says of a file is so. While
# files are replaced the tag leads nowhere, so it is not compared with before and after.
. "${0%/*}/../cli/lib.sh"
. "$R/tests/fault/lib.sh"
extra()
{
    "$MLOPSCTL" remote check --read-only --deep ./share -q >"$T/check" || echo "what the remote's names lead to is not complete"
    [ -e share/lists/m/1 ] || return 0
    jq -r '.files[] | select(.sha256) | .sha256 + "  " + .path' share/lists/m/1 >"$T/sums"
    [ ! -s "$T/sums" ] || (cd share/files/m/1 && sha256sum --quiet -c) <"$T/sums" || echo 'the list is not true'
}
setup()
{
    digits digits.safetensors
    mkdir share
    mlopsctl pack digits.safetensors -t m:1 && mlopsctl push m:1 ./share --layout files &&
        digits digits-tuned.safetensors && mlopsctl pack digits-tuned.safetensors -t m:2
}
sweep_random='./share/heads/*'
sweep_kills_only=1 # errors of the folder are those of 130-push.sh
sweep 'push of plain files' 'push m:2 ./share --as m:1 --layout files'
test_done
