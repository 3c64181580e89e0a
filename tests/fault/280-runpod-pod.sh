#!/bin/sh
# A create and a removal of a pod, killed at every request and every write: there is never more than one pod, and after the
# next command never one that the ledger does not know, nor one that it calls gone.
. "${0%/*}/../cli/lib.sh"
. "$R/tests/fault/lib.sh"
. "$R/tests/tools/runpod.sh"

have jq || skip_all 'needs jq'
runpod_start
tool=$PLAIN
cd "$T/work" && mkdir -p -m 700 .mlops || exit 1

list() { "$tool" runpod pod ls --json >"$T/pods" && jq -r '.pods[].id' "$T/pods"; }
count() { list | wc -l; }
clean()
{
    for p in $(list); do "$tool" -q runpod pod rm "$p" --yes || return; done
    chmod -R u+w .mlops && rm -rf .mlops && mkdir -m 700 .mlops
}
create='runpod pod create --image i --gpu L4 --lease 1h --name one --yes -q'
# Calls of an undisturbed run, per thread the most; of the many writes of SQLite every fourth is hit.
counted()
{
    strace -f -qq -o "$T/trace" -e trace=sendto,write,pwrite64,fsync,fdatasync,unlink,unlinkat,renameat2,mkdirat "$tool" "$@" 2>"$T/err" || return
    awk '/<unfinished/ || !/resumed>/ { split($2, part, "("); n = ++seen[$1, part[1]]; if (n > most[part[1]]) most[part[1]] = n }
        END { for (c in most) print c, most[c] }' "$T/trace" | grep '^[a-z]' | sort >"$T/counts"
}
step() { case $1 in pwrite64) echo 4 ;; *) echo 1 ;; esac; }

# The next command settles it: what is there is known, what is not there is not promised.
settled()
{
    [ "$(count)" -le 1 ] || { echo "two pods"; return 1; }
    "$tool" -q recover >"$T/out" 2>&1 || { echo "recover fails"; cat "$T/out"; return 1; }
    n=$(count)
    [ "$n" -le 1 ] || { echo "two pods after recover"; return 1; }
    "$tool" runpod reap --dry-run >"$T/out" 2>&1 || { echo "a pod that the ledger does not know or calls gone"; cat "$T/out"; return 1; }
    if [ "$n" = 1 ]; then
        "$tool" show-run 1 --json | jq -e '[.effects[] | select(.kind == "runpod-pod" and .state == "done")] | length == 1' >/dev/null || { echo "a pod whose create is not done"; return 1; }
    fi
    "$tool" ledger verify -q >/dev/null || { echo "the ledger does not verify"; return 1; }
}
killed() { strace -f -qq -o "$T/trace" -e "trace=$1" -e "inject=$1:signal=SIGKILL:when=$2" "$tool" $3 >"$T/out" 2>&1; }
# sweep_create / sweep_rm: at every call; hits counted so that a sweep that hits nothing fails.
sweep_create()
{
    clean && counted $create && clean || return
    hits=0
    while read -r c most; do
        i=1
        while [ "$i" -le "$most" ]; do
            killed "$c" "$i" "$create" && { clean || return; i=$((i + $(step "$c"))); continue; }
            hits=$((hits + 1))
            settled || { echo "killed at $c $i of $most"; return 1; }
            before=$(count)
            "$tool" $create >"$T/out" 2>&1 && [ "$(count)" = $((before + 1)) ] || { echo "the next create, after $c $i"; cat "$T/out"; return 1; }
            clean || return
            i=$((i + $(step "$c")))
        done
    done <"$T/counts"
    echo "$hits places" && [ "$hits" -ge 30 ]
}
sweep_rm()
{
    clean && "$tool" $create 2>/dev/null && counted runpod pod rm one --yes -q && clean || return
    hits=0
    while read -r c most; do
        case $c in sendto | fdatasync) ;; *) continue ;; esac
        i=1
        while [ "$i" -le "$most" ]; do
            "$tool" $create 2>/dev/null || return
            killed "$c" "$i" 'runpod pod rm one --yes -q' || { hits=$((hits + 1)) && settled || { echo "rm killed at $c $i of $most"; return 1; }; }
            [ "$(count)" = 0 ] || "$tool" runpod pod rm one --yes -q || { echo "the next rm, after $c $i"; return 1; }
            [ "$(count)" = 0 ] || return
            clean || return
            i=$((i + 1))
        done
    done <"$T/counts"
    echo "$hits places" && [ "$hits" -ge 5 ]
}
test_expect 'create: killed at every request and write' sweep_create
test_expect 'rm: killed at every request and commit' sweep_rm
test_expect 'nothing was asked that a correct client does not ask' 'runpod_strict'
test_done
