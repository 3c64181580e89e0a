#!/bin/sh
# 32 processes pack, tag, read, collect and roll back at once. No error but documented conflicts, no lost name, chain intact.
. "${0%/*}/../cli/lib.sh"
seconds=${STRESS_SECONDS:-30}
cat >worker <<'W'
i=$1 until=$(($(date +%s) + $2)) n=0
mkdir "w$i"
while [ "$(date +%s)" -lt "$until" ]; do
    n=$((n + 1))
    case $((i % 8)) in
    0 | 1 | 2) echo "$i $n" >"w$i/note.md"; cp a.safetensors "w$i/"; set -- pack "w$i" -t "w$i:v$((n % 4))" ;;
    3) set -- tag base:1 "shared:t$((n % 3))" ;;
    4) set -- ls ;;
    5) set -- rollback --last ;;
    6) [ $((n % 10)) -eq 0 ] && set -- gc --keep 0s || set -- verify --all ;;
    7) set -- log -n 5 ;;
    esac
    "$MLOPSCTL" -q "$@" >"w$i/out" 2>"w$i/err"
    status=$?
    case $status in
    0 | 6) ;;
    2 | 3) [ "$1" = rollback ] || { echo "$1: status $status: $(cat "w$i/err")" >>"w$i/bad"; } ;;
    *) echo "$1: status $status: $(cat "w$i/err")" >>"w$i/bad" ;;
    esac
done
echo "$n" >"w$i/count"
W
tiny_model a.safetensors
test_expect 'setup' 'mlopsctl pack a.safetensors -t base:1'
test_expect "32 processes for $seconds s" '
    for i in $(seq 32); do sh worker "$i" "$seconds" & done
    wait
    cat w*/count | paste -sd+ | bc 2>/dev/null || cat w*/count
    ! cat w*/bad 2>/dev/null
'
test_expect 'the chain is intact' 'mlopsctl ledger verify'
test_expect 'every named bundle is whole' 'mlopsctl verify --all'
test_expect 'no run is left open' '[ -z "$(mlopsctl log --status running --json | jq -r ".runs[]?.id // empty")" ]'
test_expect 'nothing is left in tmp' '[ -z "$(ls .mlops/tmp)" ]'
test_done
