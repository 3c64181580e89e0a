#!/bin/sh
# Arrow files and request logs as tables: the same answer as for CSV, every way they come, what is refused.
. "${0%/*}/lib.sh"

A=$G/arrow
printf 'n,w\n' >many.csv && sed 1d "$A/many-zstd.arrow.txt" | sed "s/^[0-9]*: //;s/'//g;s/|/,/" >>many.csv

# A log of $1 requests from day $2 of January on, one a minute, with ages around $3; every fiftieth is an error.
requests()
{
    awk -v n="$1" -v day="$2" -v age="$3" 'BEGIN {
        srand(7)
        for (i = 0; i < n; i++) {
            printf "{\"time\":\"2026-01-%02dT%02d:%02d:00Z\",\"id\":\"r%d\",\"model\":\"credit:1@sha256:ab\",", day + int(i / 1440), int(i / 60) % 24, i % 60, i
            if (i % 50 == 49) { printf "\"status\":500,\"latency_ms\":90,\"error\":\"no memory\"}\n"; continue }
            printf "\"status\":200,\"latency_ms\":%.3f,\"inputs\":{\"age\":%d,\"city\":\"c%d\"},\"outputs\":{\"score\":%.3f}}\n", 1 + rand(), age + 20 * rand(), 5 * rand(), rand()
        }
    }'
}

test_expect 'an Arrow file has the profile of its rows as CSV' '
    mlopsctl profile many.csv -o ref.profile && mlopsctl profile --like ref.profile many.csv -o csv.profile &&
    mlopsctl profile --like ref.profile "$A/many-zstd.arrow" -o a.profile && cmp csv.profile a.profile'
test_expect 'by name, by content, through a pipe, compressed' '
    cp "$A/many-zstd.arrow" unnamed && mlopsctl profile --like ref.profile unnamed -o a.profile && cmp csv.profile a.profile &&
    "$MLOPSCTL" profile --like ref.profile - -o a.profile <unnamed && cmp csv.profile a.profile &&
    "$MLOPSCTL" profile --like ref.profile --format arrow - -o a.profile <unnamed && cmp csv.profile a.profile &&
    gzip -k unnamed && mlopsctl profile --like ref.profile unnamed.gz -o a.profile && cmp csv.profile a.profile'
test_expect 'Arrow against CSV: a table is like itself' '
    mlopsctl drift -r many.csv -c "$A/many-zstd.arrow" --json >out && jq -e ".drift == false and .rows_current == 2600" out'
test_expect 'streams of pyarrow and polars' '
    for f in flat-zstd.arrows nested.arrows delta.arrows replaced.arrows polars.arrows; do
        mlopsctl profile "$A/$f" -o x.profile && "$MLOPSCTL" profile - -o y.profile <"$A/$f" && cmp x.profile y.profile || exit
    done'
test_expect 'what is no whole Arrow file is refused' '
    head -c 9000 unnamed >cut && expect_code 4 mlopsctl profile cut -o x 2>err && grep -q "no footer" err &&
    head -c 1500 "$A/polars.arrows" >cut && expect_code 4 mlopsctl profile cut -o x 2>err && grep -q "ends in the middle" err &&
    expect_code 7 mlopsctl profile "$A/big-endian.arrows" -o x 2>err && grep -q big-endian err &&
    printf "FEA1 and so on" >v1 && expect_code 7 mlopsctl profile v1 -o x 2>err && grep -q "version 1" err && [ ! -e x ]'

test_expect 'a request log is a table of requests, inputs and outputs' '
    requests 1000 1 30 >requests.log && mlopsctl profile requests.log -o log.profile --json >out &&
    jq -e "[.columns[].name] == [\"time\", \"status\", \"latency_ms\", \"model\", \"age\", \"city\", \"score\"]" log.profile'
test_expect 'a log that is rotated, compressed and growing' '
    mkdir logs && sed -n "1,400p" requests.log | gzip >logs/requests.log.2.gz && sed -n "401,900p" requests.log >logs/requests.log.1 &&
    sed -n "901,1000p" requests.log >logs/requests.log && printf "{\"time\":\"2026-01-09T0" >>logs/requests.log &&
    mlopsctl profile --like log.profile requests.log -o one.profile && mlopsctl profile --like log.profile logs -o many.profile 2>err &&
    cmp one.profile many.profile && [ ! -s err ]'
test_expect 'a log that was just rotated is empty, and passed over' '
    : >logs/a-new.log && mlopsctl profile --like log.profile logs -o many.profile && cmp one.profile many.profile &&
    mlopsctl profile --format log logs/a-new.log -o empty.profile && jq -e ".rows == 0" empty.profile'
test_expect 'inputs of a log against the training data' '
    { echo age,city; jq -r "select(.inputs) | [.inputs.age, .inputs.city] | @csv" requests.log | tr -d "\""; } >train.csv &&
    requests 800 10 45 >moved.log && expect_code 1 mlopsctl drift -r train.csv -c moved.log --json >out &&
    jq -e ".columns[] | select(.column == \"age\") | .verdict == \"drift\"" out && jq -e ".columns[] | select(.column == \"city\") | .verdict == \"stable\"" out'
test_expect 'only the requests of a period' '
    requests 2880 1 30 >days.log && mlopsctl drift -r train.csv -c days.log --from 2026-01-02 --json >out; jq -e ".rows_current == 1440" out'
test_expect 'lines that are no requests are told' '
    { cat requests.log; echo garbage; echo "[1]"; } >bad.log && mlopsctl drift -r requests.log -c bad.log --ignore time 2>err; cat err; grep -q "2 of the current data are no rows" err &&
    echo garbage >bad.log && expect_code 4 mlopsctl profile --format log bad.log -o x 2>err && grep -q "no JSON object" err'
test_done
