#!/bin/sh
# Parquet in drift and profile: it says what the same table in CSV says; pipes, folders, lists, damage.
. "${0%/*}/lib.sh"

F=$R/tests/golden/parquet
cp "$R/examples/credit/reference.csv" "$R/examples/credit/current.csv" "$F"/credit/*.parquet .
awk -F, 'BEGIN { OFS = "," } NR > 1 { $4 = int($4 * 1.8); if (NR % 3 == 0) $10 = "" } 1' current.csv >moved.csv

# The report without the names of the files.
verdicts() { "$MLOPSCTL" drift -r "$1" -c "$2" --json | jq -S 'del(.reference, .current)'; }

test_expect 'the held-out data has not drifted' '
    mlopsctl drift -r reference.parquet -c current.parquet >out && head -1 out | grep -q "^no drift"'
test_expect 'the report is that of the same data in CSV, to the last digit' '
    verdicts reference.csv moved.csv >want && verdicts reference.parquet moved.parquet >got && cmp want got &&
    jq -e "[.columns[] | select(.verdict == \"drift\") | .column] == [\"age\", \"amount\"]" got'
test_expect 'either side may be either form, exit 1 all the same' '
    verdicts reference.csv moved.parquet >got && cmp want got && verdicts reference.parquet moved.csv >got && cmp want got &&
    expect_code 1 mlopsctl drift -r reference.csv -c moved.parquet'
test_expect 'profiles are the same bytes' '
    mlopsctl profile reference.csv -o a.profile && mlopsctl profile reference.parquet -o b.profile && cmp a.profile b.profile &&
    mlopsctl profile --like a.profile moved.parquet -o c.profile && mlopsctl profile --like a.profile moved.csv -o d.profile && cmp c.profile d.profile'
test_expect 'through a pipe, compressed once more, under another name, in a folder' '
    cat moved.parquet | "$MLOPSCTL" profile --like a.profile - -o f.profile && cmp c.profile f.profile &&
    gzip -kc moved.parquet >moved.parquet.gz && mlopsctl profile --like a.profile moved.parquet.gz -o f.profile && cmp c.profile f.profile &&
    cp moved.parquet part-00000 && mlopsctl profile --like a.profile part-00000 -o f.profile && cmp c.profile f.profile &&
    mkdir parts && cp current.parquet parts/1.parquet && cp moved.parquet parts/2.parquet &&
    mlopsctl profile --like a.profile parts -o f.profile && mlopsctl profile --like a.profile current.csv moved.csv -o g.profile && cmp f.profile g.profile'
test_expect 'a pipe leaves nothing in TMPDIR, and says when there is no room' '
    mkdir tmp && cat moved.parquet | TMPDIR=$PWD/tmp "$MLOPSCTL" profile - -o f.profile && [ -z "$(ls -A tmp)" ] &&
    { cat moved.parquet | TMPDIR=$PWD/nothing expect_code 3 mlopsctl profile - -o f.profile 2>err; } && grep -q TMPDIR err'
test_expect 'any number of threads gives the same bytes' '
    for n in 1 2 5; do mlopsctl profile --threads $n "$F/long.v2.parquet" -o $n.profile || exit; done && cmp 1.profile 2.profile && cmp 1.profile 5.profile'
test_expect 'members of structs are columns, lists and maps are left out and said' '
    mlopsctl profile "$F/nested.v1.parquet" -o n.profile 2>err && grep -q "\"name\":\"who.at.x\"" n.profile && ! grep -q tags n.profile &&
    grep -q "tags., .map., .deep., .inside. hold lists or maps and are left out" err'
test_expect 'no rows are no drift of their own making' '
    mlopsctl profile "$F/empty.no-rows.parquet" -o e.profile >out && grep -q "0 rows of 2 columns" out'

test_expect 'damage is exit 4, with the file, the column and the place' '
    for f in "$F"/bad/*.parquet; do expect_code 4 mlopsctl profile "$f" -o x.profile 2>err && grep -q "${f##*/}" err && [ ! -e x.profile ] || { echo "$f"; cat err; exit 1; }; done &&
    expect_code 4 mlopsctl drift -r reference.csv -c "$F/bad/checksum-data.parquet" 2>err && grep -q "column .*, page at byte [0-9]*: its checksum" err'
test_expect 'what is not read is exit 7, by its name' '
    for w in brotli:Brotli lzo:LZO alp:ALP encrypted:encrypted encrypted-footer:encrypted; do
        expect_code 7 mlopsctl profile "$F/refused/${w%%:*}.parquet" -o x.profile 2>err && grep -q "${w#*:}" err || exit; done'
test_expect 'a file still being written is said to be' '
    head -c 5000 moved.parquet >cut.parquet && expect_code 4 mlopsctl profile cut.parquet -o x.profile 2>err && grep -q "still being written" err'
test_expect 'CSV under the name of Parquet is no Parquet' '
    cp moved.csv wrong.parquet && expect_code 4 mlopsctl profile --format parquet wrong.parquet -o x.profile 2>err && grep -q "begin with PAR1" err'
test_done
