#!/bin/sh
# A small part of `make bench-drift`: 200 seeds of tables without drift and with it, and of streams. Seeds are fixed, so counts are
# too; bounds are what a rate of 5 % exceeds once in thousands of sets of 200 seeds.
. "${0%/*}/lib.sh"

tool=${PLAIN:-$MLOPSCTL}
tool=${tool%/*}/tools/drift-quality
case $tool in /*) ;; *) tool=$R/$tool ;; esac
[ -x "$tool" ] || {
    echo '1..0 # SKIP drift-quality is not built (make tools)'
    exit 0
}
# alarms KIND CHANGE ROWS: tables of 200 that are called drifted.
alarms()
{
    "$tool" run "$1" "$2" "$3" 1 200 | awk '{ n++; alarms += $2 } END { if (n != 200) exit 1; print alarms }'
}

for kind in normal missing c2 c10 c50 c500 mixed; do
    for rows in 200 1000; do
        test_expect "no drift, $kind, $rows rows: at most 20 of 200 alarms" \
            "n=\$(alarms $kind none $rows) && echo \"# \$n\" && [ \"\$n\" -le 20 ]"
    done
done
for case in 'normal shift0.5 180' 'skewed shift0.5 180' 'normal hidden0.5 180' 'normal gone0.1 180' 'c50 share0.3 180'; do
    # shellcheck disable=SC2086 # three words
    set -- $case
    test_expect "drift is found: $1, $2, 200 rows: in at least $3 of 200" \
        "n=\$(alarms $1 $2 200) && echo \"# \$n\" && [ \"\$n\" -ge $3 ]"
done
test_expect 'scores, not chi-square alone: small shifts of numbers are significant in at least half of the tables' '
    n=$("$tool" run normal shift0.25 200 1 200 | awk "\$5 < 0.05 { n++ } END { print n }") && echo "# $n" && [ "$n" -ge 100 ]'
test_expect 'a change of concept is found, and only that' '
    "$tool" concept sea 1000 1 50 >out && [ "$(awk "\$2 + \$3 + \$4 > 0" out | wc -l)" -le 6 ] && [ "$(awk "\$5" out | wc -l)" -ge 45 ]'
test_expect 'ADWIN finds every change of a stream within 1,000 rows, with hardly a false alarm' '
    "$tool" stream sea 6000 1 50 >out && [ "$(grep -c ^adwin out)" = 50 ] && [ "$(awk "\$1 == \"adwin\" && \$2 > 0" out | wc -l)" -le 2 ] &&
    [ "$(awk "\$1 == \"adwin\" && (\$3 < 0 || \$3 > 1000)" out | wc -l)" = 0 ]'

test_done
