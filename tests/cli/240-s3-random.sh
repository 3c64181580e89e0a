#!/bin/sh
# Pushes and pulls while a part of all requests goes wrong at random: bad gateways, resets, cut bodies, stalls. Every
# one succeeds with the right content. ROUNDS, RATE and STALL make it harder: ROUNDS=100 RATE=0.05 STALL=30 is the bar.
# A stall lasts STALL seconds; when that is given, the program waits for a stalled answer as long as it usually does.
. "${0%/*}/lib.sh"
. "$R/tests/tools/s3.sh"
s3_start
b=$(s3_new_bucket) || { echo 'Bail out! no bucket'; exit 1; }
rounds=${ROUNDS:-10} seed=${SEED:-$(date +%s)}
faulty_start --rate "${RATE:-0.05}" --seed "$seed" --stall "${STALL:-3}"
[ -n "${STALL:-}" ] || export MLOPSCTL_NET_STALL=2s MLOPSCTL_NET_PATIENCE=10s
echo "# seed $seed"

mkdir model
i=0
while [ "$i" -lt 6 ]; do
    head -c 1500000 /dev/urandom >"model/part$i.bin"
    i=$((i + 1))
done

# a_round I: one file of six changes, is pushed, and pulled into a store that has nothing and one that has the rest.
a_round()
{
    head -c 1500000 /dev/urandom >"model/part$(($1 % 6)).bin" && mlopsctl -q pack model -t "m:$1" &&
        mlopsctl -q push "m:$1" "s3://$b/r" && rm -rf "$T/empty" out && mlopsctl -q pull "m:$1" "s3://$b/r" --home "$T/empty" &&
        mlopsctl -q unpack "m:$1" -o out --home "$T/empty" && diff -r model out && rm -rf out &&
        mlopsctl -q pull "m:$1" "s3://$b/r" --home "$T/kept" && mlopsctl -q unpack "m:$1" -o out --home "$T/kept" && diff -r model out
}
i=1
while [ "$i" -le "$rounds" ]; do
    test_expect "round $i of $rounds" "a_round $i"
    i=$((i + 1))
done
faults=$(python3 "$R/tests/tools/faulty-s3.py" faults "$T/faulty")
echo "# $faults faults in $(faulty_asked .) requests"
test_expect 'there were faults' '[ "$faults" -ge 1 ]'
AWS_ENDPOINT_URL=$RGW_URL
test_expect 'and the remote is whole' 'mlopsctl remote check --deep "s3://$b/r"'
test_done
