#!/bin/sh
# drift and validate on real tables: what is found, and how long it takes. Needs jq; the tables come from packages:
#
#     VEGA=folder examples/drift/real.sh      folder: an unpacked `npm pack vega-datasets`; without VEGA it is fetched
#
# and from Debian's python3-sklearn, when that is installed. Writes a line for each check; reports go to $OUT, when it is set.
set -eu
MLOPSCTL=${MLOPSCTL:-mlopsctl}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
if [ -z "${VEGA:-}" ]; then
    npm pack --silent vega-datasets >/dev/null
    tar -xzf vega-datasets-*.tgz
    VEGA=$work/package
fi
data=$VEGA/data
sklearn=${SKLEARN:-/usr/lib/python3/dist-packages/sklearn/datasets/data}

# timed WHAT COMMAND...: exit status and seconds, then what the first line says.
timed()
{
    what=$1
    shift
    status=0
    before=$(date +%s.%N)
    "$@" >out 2>err || status=$?
    after=$(date +%s.%N)
    printf '%s | exit %d | %.3f s | ' "$what" "$status" "$(echo "$after - $before" | bc)"
    case $status in 0 | 1) grep -m1 -E '^(no drift|drift):' out || head -1 out ;; *) cat err ;; esac
}
# pair WHAT REFERENCE CURRENT OPTIONS...: drift between them, and rules of the one on the other.
pair()
{
    title=$1 reference=$2 current=$3
    shift 3
    timed "$title: drift" "$MLOPSCTL" drift -r "$reference" -c "$current" "$@" ${OUT:+--html "$OUT/$(echo "$title" | tr -c 'a-z0-9\n' -).html"}
    timed "$title: rules" "$MLOPSCTL" validate --infer "$reference"
    cp out rules.yaml
    timed "$title: validate" "$MLOPSCTL" validate --rules rules.yaml "$current"
}
# halves FILE: odd rows and even rows, which differ by chance alone.
halves()
{
    awk 'NR == 1 { print >"odd.csv"; print >"even.csv"; next } { print >(NR % 2 ? "odd.csv" : "even.csv") }' "$1"
}
# by_year FILE COLUMN YEAR: before, and from then on (dates as YYYY-MM-DD).
by_year()
{
    awk -F, -v c="$2" -v y="$3" 'NR == 1 { print >"before.csv"; print >"after.csv"; next }
        { print >(substr($c, 1, 4) < y ? "before.csv" : "after.csv") }' "$1"
}

# 3,000,000 flights of half a year.
flights=$data/flights-3m.parquet
timed 'flights: profile' "$MLOPSCTL" profile "$flights" -o flights.profile
timed 'flights: January against the rest, by month' "$MLOPSCTL" drift -r "$flights" --reference-to 2001-02-01 -c "$flights" --from 2001-02-01 --window month \
    ${OUT:+--html "$OUT/flights.html"}
grep -E '^ *[0-9]{4}-[0-9]{2} ' out || true
timed 'flights: January against January' "$MLOPSCTL" drift -r "$flights" --reference-to 2001-02-01 -c "$flights" --to 2001-02-01

by_year "$data/seattle-weather.csv" 1 2014
pair 'weather of Seattle 2012-13 against 2014-15' before.csv after.csv --ignore date
halves "$data/seattle-weather.csv"
pair 'weather of Seattle, odd days against even days' odd.csv even.csv --ignore date
timed 'weather of Seattle, months against 2012' "$MLOPSCTL" drift -r "$data/seattle-weather.csv" --reference-to 2013-01-01 -c "$data/seattle-weather.csv" \
    --from 2013-01-01 --window month

by_year "$data/birdstrikes.csv" 4 2000
pair 'bird strikes before 2000 against later' before.csv after.csv
halves "$data/birdstrikes.csv"
pair 'bird strikes, odd rows against even rows' odd.csv even.csv

for side in before after; do
    test $side = before && cmp='<' || cmp='>='
    jq -c ".[] | select(.Year[:4] | tonumber $cmp 1976)" "$data/cars.json" >cars-$side.jsonl
    jq -c ".[] | select((.\"Release Date\" // \"\" | .[-4:] | tonumber? // 0) as \$y | \$y > 0 and (\$y $cmp 2000))" "$data/movies.json" >movies-$side.jsonl
done
pair 'cars before 1976 against later' cars-before.jsonl cars-after.jsonl
pair 'movies before 2000 against later' movies-before.jsonl movies-after.jsonl

if [ -d "$sklearn" ]; then
    for set in breast_cancer wine_data iris; do
        # The first line of these files counts rows and columns; the columns have no names.
        awk -F, 'NR == 1 { next } NR == 2 { for (i = 1; i <= NF; i++) printf "%sx%d", (i > 1 ? "," : ""), i; print "" } { print }' "$sklearn/$set.csv" >$set.csv
        halves $set.csv
        pair "$set, odd rows against even rows" odd.csv even.csv
        n=$(($(wc -l <$set.csv) / 2))
        head -$n $set.csv >first.csv
        { head -1 $set.csv && tail -n +$((n + 1)) $set.csv; } >second.csv
        pair "$set, first half against second" first.csv second.csv
    done
    zcat "$sklearn/digits.csv.gz" | awk -F, 'NR == 1 { for (i = 1; i <= NF; i++) printf "%sx%d", (i > 1 ? "," : ""), i; print "" } { print }' >digits.csv
    halves digits.csv
    pair 'digits, odd rows against even rows' odd.csv even.csv
fi
