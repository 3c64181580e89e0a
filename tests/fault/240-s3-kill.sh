#!/bin/sh
# Pushes to and pulls from a real S3 server that are killed anywhere: what is there is not sent or fetched again, and no
# name ever leads to something incomplete. KILLS and FILES make it harder (KILLS=200 FILES=31 is the bar: 1 GB).
. "${0%/*}/../cli/lib.sh"
. "$R/tests/tools/s3.sh"
s3_start
b=$(s3_new_bucket) || { echo 'Bail out! no bucket'; exit 1; }
kills=${KILLS:-4} files=${FILES:-5} seed=${SEED:-$(date +%s)}
echo "# seed $seed"
mkdir model
i=0
while [ "$i" -lt "$files" ]; do
    head -c 33000000 /dev/urandom >"model/part$i.bin"
    i=$((i + 1))
done
mlopsctl -q pack model -t m:1 || { echo 'Bail out! pack'; exit 1; }
rm -rf model
bytes=$((files * 33000000))

# A whole push takes about that long here, in milliseconds.
before=$(date +%s%N)
mlopsctl -q push m:1 "s3://$b/whole" || { echo 'Bail out! push'; exit 1; }
push_ms=$((($(date +%s%N) - before) / 1000000))
packs=$(s3 ls "$b/whole/packs" | wc -l)
before=$(date +%s%N)
mlopsctl -q pull m:1 "s3://$b/whole" --home "$T/whole" || { echo 'Bail out! pull'; exit 1; }
pull_ms=$((($(date +%s%N) - before) / 1000000))
rm -rf "$T/whole"
echo "# push $push_ms ms, pull $pull_ms ms, $packs packs"

# at NUMBER MS: a time of death, in seconds, somewhere in the run.
at() { awk -v s="$seed" -v n="$1" -v ms="$2" 'BEGIN { srand(s + n); printf "%.3f", (0.02 + rand() * 0.95) * ms / 1000 }'; }

# kill_push N: killed once, then run to its end: every pack that had arrived is left alone.
kill_push()
{
    timeout -s KILL "$(at "$1" "$push_ms")" "$MLOPSCTL" -q push m:1 "s3://$b/$1"
    there=$(s3 ls "$b/$1/packs" | wc -l)
    [ -z "$(s3 ls "$b/$1/refs")" ] || mlopsctl remote check "s3://$b/$1" || return
    mlopsctl push m:1 "s3://$b/$1" --json >j && sent=$(jq .packs_sent j) && echo "$there there, $sent sent" &&
        [ "$sent" -le $((packs - there)) ] && mlopsctl remote check "s3://$b/$1" && for k in $(s3 ls "$b/$1" | cut -d' ' -f2); do s3 rm "$b/$k"; done
}
# kill_pull N: likewise; what it fetches then and what it had stays below all and one pack for each connection.
kill_pull()
{
    home=$T/pull$1
    timeout -s KILL "$(at "$1" "$pull_ms")" "$MLOPSCTL" -q pull m:1 "s3://$b/whole" --home "$home"
    ! mlopsctl ls --home "$home" 2>/dev/null | grep -q '^m ' || mlopsctl verify --all --home "$home" || return
    mlopsctl pull m:1 "s3://$b/whole" --home "$home" --json >j && jq .sent j >>fetched && echo "fetched $(jq .sent j) of $bytes" && jq -e ".sent <= $bytes * 1.01" j &&
        mlopsctl verify --all --home "$home" && rm -rf "$home"
}
i=1
while [ "$i" -le "$kills" ]; do
    test_expect "push killed, $i of $kills" "kill_push $i"
    test_expect "pull killed, $i of $kills" "kill_pull $i"
    i=$((i + 1))
done
test_expect 'what killed pulls had fetched was not all fetched again' '
    awk -v all="$bytes" "{ sum += \$1 } END { print sum, NR * all; exit !(sum < NR * all) }" fetched
'
test_expect 'an interrupt ends it in good order, and says how to go on' '
    timeout -s INT "$(at 7 "$push_ms")" "$MLOPSCTL" push m:1 "s3://$b/int" 2>err; code=$?; { [ "$code" -eq 124 ] && ! grep -q "Killed" err; } && mlopsctl -q push m:1 "s3://$b/int" && mlopsctl remote check "s3://$b/int"
'
test_done
