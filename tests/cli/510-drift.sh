#!/bin/sh
# drift and profile as people use them: exit codes, forms, compressed and piped input, shards, misuse.
. "${0%/*}/lib.sh"

cp "$R/examples/credit/reference.csv" "$R/examples/credit/current.csv" .
awk -F, 'BEGIN { OFS = "," } NR > 1 { $4 = int($4 * 1.8); if (NR % 3 == 0) $10 = "" } 1' current.csv >moved.csv

test_expect 'the held-out data has not drifted' '
    mlopsctl drift -r reference.csv -c current.csv >out && head -1 out | grep -q "^no drift"'
test_expect 'a table is like itself, in any order of columns' '
    awk -F, "BEGIN { OFS = \",\" } { t = \$1; \$1 = \$NF; \$NF = t } 1" current.csv >swapped.csv &&
    mlopsctl drift -r current.csv -c swapped.csv --json >out && jq -e ".drift == false and all(.columns[]; .psi == 0)" out'
test_expect 'moved amounts and missing ages are drift, worst first, in JSON too' '
    expect_code 1 mlopsctl drift -r reference.csv -c moved.csv >out && sed -n 3p out | grep -q "^age .*drift" && sed -n 4p out | grep -q "^amount .*drift" &&
    expect_code 1 mlopsctl drift -r reference.csv -c moved.csv --json >out && jq -e "[.columns[] | select(.verdict == \"drift\") | .column] == [\"age\", \"amount\"]" out'
test_expect 'a profile says what its table says' '
    mlopsctl profile reference.csv -o ref.profile && mlopsctl profile --like ref.profile moved.csv -o cur.profile &&
    expect_code 1 mlopsctl drift -r reference.csv -c moved.csv --json >a && expect_code 1 mlopsctl drift -r ref.profile -c moved.csv --json >b &&
    expect_code 1 mlopsctl drift -r ref.profile -c cur.profile --json >c && cmp a b && cmp a c'
test_expect 'profiles of shards merge to that of the whole' '
    sed -n "1,90p" moved.csv >s1.csv && { head -1 moved.csv; sed -n "91,\$p" moved.csv; } >s2.csv &&
    for i in 1 2; do mlopsctl profile --like ref.profile s$i.csv -o s$i.profile || exit; done &&
    mlopsctl profile merge s2.profile s1.profile -o all.profile && cmp all.profile cur.profile'
test_expect 'roles are kept: an ignored column is not counted, an unlabelled table is fine' '
    mlopsctl profile reference.csv --label bad --ignore age --prediction job -o r.profile && mlopsctl profile --like r.profile moved.csv -o m.profile &&
    jq -e "[.columns[] | select(.role) | [.name, .role, .n]] == [[\"age\", \"ignore\", 0], [\"job\", \"prediction\", 700], [\"bad\", \"label\", 700]]" r.profile &&
    expect_code 1 mlopsctl drift -r r.profile -c m.profile --json >a && expect_code 1 mlopsctl drift -r reference.csv -c moved.csv --label bad --ignore age --prediction job --json >b &&
    cmp a b && jq -e "[.columns[] | select(.verdict == \"drift\") | .column] == [\"amount\"]" a &&
    awk -F, "BEGIN { OFS = \",\" } { NF--; print }" current.csv >open.csv && mlopsctl drift -r reference.csv -c open.csv --label bad >out &&
    expect_code 3 mlopsctl drift -r reference.csv -c open.csv --label worse 2>err && grep -q "no column .worse.*label" err'
test_expect 'gzip, tabs and standard input hold the same table' '
    gzip -k moved.csv && tr , "\t" <moved.csv >moved.tsv &&
    for f in moved.csv.gz moved.tsv; do mlopsctl profile --like ref.profile $f -o f.profile && cmp f.profile cur.profile || exit; done &&
    "$MLOPSCTL" profile --like ref.profile - -o f.profile <moved.csv && cmp f.profile cur.profile'
if have zstd; then
    test_expect 'zstd too' 'zstd -q moved.csv && mlopsctl profile --like ref.profile moved.csv.zst -o f.profile && cmp f.profile cur.profile'
else
    test_skip 'zstd too' 'zstd is not installed'
fi
test_expect 'and JSON Lines' '
    python3 -c "
import csv, json
for row in csv.DictReader(open(\"moved.csv\")):
    print(json.dumps({k: None if v == \"\" else float(v) if \".\" in v else int(v) for k, v in row.items()}))" >moved.jsonl &&
    mlopsctl profile --like ref.profile moved.jsonl -o f.profile && cmp f.profile cur.profile'
test_expect 'a folder and a pattern are one table' '
    mkdir parts && cp s1.csv parts/a.csv && cp s2.csv parts/b.csv && mlopsctl profile --like ref.profile parts -o f.profile && cmp f.profile cur.profile &&
    mlopsctl profile --like ref.profile "parts/*.csv" -o f.profile && cmp f.profile cur.profile'
test_expect 'a sorted reference has good bins, whatever the number of threads' '
    awk "BEGIN { print \"t\"; for (i = 0; i < 2000000; i++) printf \"%.1f\\n\", i + 1000000.5 }" >sorted.csv && { echo t; tail -n 900000 sorted.csv; } >late.csv &&
    expect_code 1 mlopsctl drift -r sorted.csv -c late.csv --json >out && jq -e ".columns[0] | .psi > 1 and (.ks > 0.53 and .ks < 0.57)" out &&
    for t in 1 3; do mlopsctl profile --threads $t sorted.csv -o t$t.profile || exit; done && cmp t1.profile t3.profile && rm sorted.csv late.csv'

test_expect 'what is no table is refused with what it is' '
    expect_code 3 mlopsctl drift -r nothing.csv -c current.csv 2>err && grep -q nothing.csv err &&
    head -c 4000 /dev/zero >noise.csv && expect_code 4 mlopsctl drift -r reference.csv -c noise.csv 2>err && grep -q binary err &&
    : >empty.csv && expect_code 4 mlopsctl drift -r reference.csv -c empty.csv 2>err && grep -q empty err &&
    head -c 900 moved.csv.gz >cut.csv.gz && expect_code 4 mlopsctl drift -r reference.csv -c cut.csv.gz 2>err && grep -q "ends in the middle" err'
test_expect 'profiles in other bins are not compared' '
    mlopsctl profile moved.csv -o other.profile && expect_code 2 mlopsctl drift -r ref.profile -c other.profile 2>err && grep -q -e --like err &&
    expect_code 2 mlopsctl profile merge ref.profile other.profile -o x.profile && [ ! -e x.profile ]'
test_expect 'ragged lines are left out and said' '
    { cat current.csv; echo 1,2,3; echo too,short; } >ragged.csv && mlopsctl drift -r reference.csv -c ragged.csv 2>err && grep -q "2 of the current data are no rows" err'
test_expect 'a table that fails leaves the old profile' '
    cp ref.profile kept && expect_code 4 mlopsctl profile cut.csv.gz -o ref.profile && cmp ref.profile kept'
test_expect 'a sorted table that can be read only once is told of; the same as a file is seen whole' '
    awk "BEGIN { print \"x\"; for (i = 0; i < 3000000; i++) printf \"%.9f\\n\", i / 1000 }" >big.csv && awk "NR == 1 || NR % 50 == 0 { print NR == 1 || \$1 < 1500 ? \$1 : \$1 + 800 }" big.csv >upper.csv && gzip -1 -k big.csv &&
    mlopsctl drift -r big.csv.gz -c upper.csv >out 2>err; grep -q "of .x. lie beyond the bins" err && expect_code 1 mlopsctl drift -r big.csv -c upper.csv >out 2>err && [ ! -s err ]'
test_done
