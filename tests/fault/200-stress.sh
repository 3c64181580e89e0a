#!/bin/sh
# 32 processes pack, tag, read, collect and roll back at once. No error but documented ones, no crash, no hang, chain intact.
# No name is lost: every pack that said it was done stands in the ledger with the digest it reported, each change of a name
# starts from what the change before it in the chain left, and the names at the end are what the chain's changes lead to.
. "${0%/*}/../cli/lib.sh"
seconds=${STRESS_SECONDS:-30}
cat >worker <<'W'
i=$1 until=$(($(date +%s) + $2)) n=0
mkdir "w$i"
complain() { echo "$*: $(cat "w$i/err")" >>"w$i/bad"; }
while [ "$(date +%s)" -lt "$until" ]; do
    n=$((n + 1))
    case $((i % 8)) in
    0 | 1 | 2) mkdir -p "w$i/m" && echo "$i $n" >"w$i/m/note.md" && cp a.safetensors "w$i/m/" && set -- pack "w$i/m" -t "w$i:v$((n % 4))" --json ;;
    3) set -- tag base:1 "shared:t$((n % 3))" ;;
    4) set -- ls ;;
    5) set -- rollback --last ;;
    6) [ $((n % 10)) -eq 0 ] && set -- gc --keep 0s || set -- verify --all ;;
    7) set -- log -n 5 ;;
    esac
    timeout 120 "$MLOPSCTL" -q "$@" >"w$i/out" 2>"w$i/err"
    status=$?
    case $1.$status in
    pack.0) echo "tag/w$i:v$((n % 4)) $(grep -o '"digest":"[^"]*"' "w$i/out" | head -n 1 | cut -d'"' -f4)" >>"w$i/packed" ;;
    *.0) ;;
    *.6) echo "$1" >>"w$i/conflicts" ;;
    tag.3) ;;            # base:1 was rolled back
    rollback.[23]) ;;    # nothing to roll back, or gc has taken what it would go back to
    *.124) complain "$1: hangs" ;;
    *) complain "$1: status $status" ;;
    esac
done
echo "$n" >"w$i/count"
W
tiny_model a.safetensors
test_expect 'setup' 'mlopsctl pack a.safetensors -t base:1'
test_expect "32 processes for $seconds s" '
    for i in $(seq 32); do sh worker "$i" "$seconds" & done
    wait
    cat w*/bad 2>/dev/null && exit 1
    [ "$(cat w*/count | wc -l)" -eq 32 ] && [ "$(cat w*/packed | wc -l)" -ge 32 ]
'
echo "# commands: $(cat w*/count | awk '{ n += $1 } END { print n }'), packs: $(cat w*/packed | wc -l), conflicts: $(cat w*/conflicts 2>/dev/null | wc -l)"
test_expect 'the chain is intact' 'mlopsctl ledger verify'
test_expect 'every named bundle is whole' 'mlopsctl verify --all'
mlopsctl ledger export -o runs.jsonl -q >export.log || cat export.log
jq -r 'select(.status != "running") | .place as $p | .effects[] | select(.kind == "name") |
    [$p, .target, .before // "-", .after // "-"] | @tsv' runs.jsonl | sort -n -s >changes
test_expect 'every pack that was done stands in the ledger with its digest' '
    cut -f 2,4 changes | tr "\t" " " | sort -u >recorded
    sort -u w*/packed | comm -23 - recorded >lost
    cat lost
    [ ! -s lost ]
'
test_expect 'each change of a name starts from what the one before left, and the names now are where they lead' '
: >lead
    awk -F "\t" "{ now = (\$2 in at) ? at[\$2] : \"-\"; if (now != \$3) { print \"lost before\", \$0, \"was\", now; bad = 1 }; at[\$2] = \$4 }
        END { for (n in at) if (at[n] != \"-\") print n, at[n] >\"lead\"; close(\"lead\"); exit bad }" changes &&
    mlopsctl ls --json | jq -r ".bundles[] | \"tag/\\(.name) \\(.digest)\"" | sort >names &&
    [ -s changes ] && sort lead | diff - names
'
test_expect 'no run is left open' '[ -z "$(mlopsctl log --status running --json | jq -r ".runs[]?.run // empty")" ]'
test_expect 'nothing is left in tmp' '[ -z "$(ls .mlops/tmp)" ] && [ -z "$(find .mlops -name ".mlo-tmp-*")" ]'
test_done
