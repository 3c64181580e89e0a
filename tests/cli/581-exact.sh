#!/bin/sh
# drift --exact: statistics of the values against SciPy, and what it needs.
. "${0%/*}/lib.sh"

cp "$R/examples/credit/reference.csv" "$R/examples/credit/current.csv" .
test_expect 'exact statistics and tests equal SciPy' '
    mkdir tables && /usr/bin/python3 "$G/stats/exact.py" "$PLAIN" tables >tap; status=$?; grep "^not ok\|^#" tap; [ $status -eq 0 ]'
test_expect 'exact statistics and tests equal what SciPy said, without it too' '
    mlopsctl drift -r reference.csv -c current.csv --tests all --json >all && python3 "$G/stats/exact_check.py" "$G/stats/exact-credit.json" all &&
    jq "(.exact[] | select(.column == \"amount\")).energy += 1e-6" all >off && ! python3 "$G/stats/exact_check.py" "$G/stats/exact-credit.json" off'
test_expect 'they are the same from one thread, many, pipes and other forms' '
    mlopsctl drift -r reference.csv -c current.csv --tests all --json --threads 1 >one && gzip -k reference.csv &&
    mlopsctl drift -r reference.csv.gz -c current.csv --tests all --json --threads 4 >four && cmp one four &&
    "$MLOPSCTL" drift -r reference.csv -c - --tests all --json <current.csv >pipe && cmp one pipe'
test_expect 'a table against itself has no distance' '
    mlopsctl drift -r current.csv -c current.csv --exact --json | jq -e "all(.exact[]; .ks == 0 and .ks_p == 1 and .wasserstein == 0 and .energy == 0)"'
test_expect 'the main table has the exact values too' '
    jq -e "(.columns | map({(.column): .ks}) | add) as \$k | all(.exact[]; .ks == \$k[.column])" one'
test_expect 'only what was asked for' '
    mlopsctl drift -r reference.csv -c current.csv --exact --json | jq -e ".exact[0] | has(\"energy\") and (has(\"epps_singleton\") | not)" &&
    mlopsctl drift -r reference.csv -c current.csv --tests es --json | jq -e ".exact[] | select(.column == \"age\") | .epps_singleton > 0 and .anderson_darling == null" &&
    mlopsctl drift -r reference.csv -c current.csv --json | jq -e "has(\"exact\") | not"'
test_expect 'a few different values have no Cramer-von Mises' '
    jq -e ".exact[] | select(.column == \"job\") | .cramer_von_mises == null" one && mlopsctl drift -r reference.csv -c current.csv --tests cvm | grep -q "^job .* -  *-"'
test_expect 'empty, constant and text columns do no harm' '
    printf "a,b,c,d\n1,,x,5\n1,,y,6\n1,,z,7\n" >r.csv && printf "a,b,c,d\n1,2,x,\n1,3,y,\n2,4,z,\n" >c.csv &&
    expect_code 1 mlopsctl drift -r r.csv -c c.csv --tests all --json >out && jq -e "[.exact[].column] == [\"a\"]" out'
test_expect 'profiles have no values: said, with what to do' '
    mlopsctl profile reference.csv -o ref.profile && expect_code 2 mlopsctl drift -r ref.profile -c current.csv --exact 2>err && grep -q "need the values" err && grep -q "give tables" err'
test_expect 'unknown tests are refused' '
    expect_code 2 mlopsctl drift -r reference.csv -c current.csv --tests cvm,ks 2>err && grep -q "no test .ks" err && grep -q "cvm, ad, es" err'
test_done
