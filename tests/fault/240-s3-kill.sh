#!/bin/sh
# Pushes to and pulls from a real S3 server that are killed anywhere: what is there is not sent or fetched again, and no
# name ever leads to something incomplete (tests/tools/kill-sync.py says how it counts). KILLS=200 SIZE=1G is the bar.
. "${0%/*}/../cli/lib.sh"
. "$R/tests/tools/s3.sh"
s3_start
b=$(s3_new_bucket) || { echo 'Bail out! no bucket'; exit 1; }
kills=${KILLS:-8} size=${SIZE:-160M} seed=${SEED:-$(date +%s)}
echo "# seed $seed"
export RGW_URL RGW_KEY RGW_SECRET
test_expect "$kills kills of a push and a pull of $size" '
    python3 "$R/tests/tools/kill-sync.py" "$PLAIN" "$T/sync" --s3 "$b" --size "$size" --kills "$kills" --seed "$seed" >out && cat out &&
    grep -q "^$kills kills" out
'
[ ! -e out ] || sed 's/^/# /' out
tiny_model m.safetensors
mlopsctl -q pack m.safetensors -t m:1 || { echo 'Bail out! pack'; exit 1; }
faulty_start
test_expect 'an interrupt ends it in good order, and says how to go on' '
    faulty_rules "[{\"method\":\"PUT\",\"path\":\"packs\",\"stall\":60}]" && expect_code 124 timeout -s INT 3 "$MLOPSCTL" push m:1 "s3://$b/int" 2>err &&
    cat err && grep -q "^hint: run the same command again" err && mlopsctl -q push m:1 "s3://$b/int" && mlopsctl remote check "s3://$b/int"
'
test_done
