#!/bin/sh
# A push killed at every rename, removal and sync: the name there is the old or the new one, all of it is there, and the next push does the rest.
. "${0%/*}/lib.sh"

have strace || skip_all 'no strace'
strace -o /dev/null true 2>/dev/null || skip_all 'tracing is not allowed here'

mkdir model
tiny_model model/model.safetensors
head -c 50000 /dev/urandom >model/blob.bin
{ mlopsctl pack model -t m:1 && mlopsctl push m:1 ./remote && echo x >>model/blob.bin && mlopsctl pack model -t m:2; } >"$T/log" 2>&1 ||
    skip_all "push does not work: $(cat "$T/log")"
cp -r .mlops mlops.before
cp -r remote remote.before

# sweep CALL STEP: kills at call 1, 1 + STEP, ... until the push gets through
sweep()
{
    n=1
    while :; do
        rm -rf .mlops remote && cp -r mlops.before .mlops && cp -r remote.before remote || return 1
        strace -f -o /dev/null -e "trace=$1" -e "inject=$1:signal=SIGKILL:when=$n" "$MLOPSCTL" push m:2 ./remote --as m:1 >/dev/null 2>&1
        status=$?
        echo "$1 $n: $status"
        mlopsctl remote check --deep ./remote && mlopsctl ledger verify && mlopsctl tag m:1 any:1 && mlopsctl verify --all &&
            mlopsctl push m:2 ./remote --as m:1 && mlopsctl pull m:1 ./remote --as back:1 &&
            [ "$(mlopsctl show back:1 --json | jq -r .digest)" = "$(mlopsctl show m:2 --json | jq -r .digest)" ] || return 1
        [ "$status" -eq 0 ] && break
        [ "$status" -eq 137 ] || return 1
        n=$((n + $2))
    done
    [ "$n" -gt 1 ]
}

test_expect 'killed at each rename' 'sweep renameat 1'
test_expect 'killed at each removal' 'sweep unlinkat 1'
test_expect 'killed at every third sync' 'sweep fsync 3'
test_done
