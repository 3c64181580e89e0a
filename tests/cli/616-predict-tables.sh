#!/bin/sh
# predict into Parquet and Arrow: the values of CSV, types, what is kept, order, forms by name and by input, misuse of
# --output. pyarrow is asked where $ARROW_PYTHON (python3) has it.
. "${0%/*}/lib.sh"
P=$G/onnx/pipelines D=$G/predict PY=${ARROW_PYTHON:-python3}
forest=$P/columns-forest/model.onnx boosting=$P/boosting-regressor/model.onnx
X=x0,x1,x2,x3,x4,x5,x6,x7

# Rows with an identifier, a word with holes, a truth value, a fraction, and a code of more digits than a double has.
awk -F, 'BEGIN { OFS = "," } NR == 1 { print $0, "id", "word", "yes", "part", "code"; next }
    { n = NR % 3 ? "w \"" NR "\"" : ""; gsub(/"/, "\"\"", n); if (n != "") n = "\"" n "\""; print $0, 1000 + NR, n, NR % 2 ? "true" : "false", NR / 8, "900719925474" 1000 + NR }' "$D/boosting-regressor.csv" >rows.csv
predict() { mlopsctl predict -q "$boosting" "$@"; }
kept="--features $X --keep id,word,yes,part,code"

test_expect 'read back as rows, the answers are those of CSV, in each form' '
    predict rows.csv $kept >want.csv && [ "$(wc -l <want.csv)" -gt 10 ] &&
    for form in parquet arrow arrows; do
        predict rows.csv $kept --keep $X -o "out.$form" && predict "out.$form" $kept --keep variable 2>err >got.csv || { cat err; exit 1; }
        cut -d, -f1-6 got.csv | cmp - want.csv || { diff got.csv want.csv | head; exit 1; }
    done
'
test_expect 'the same bytes on any number of threads, in a file and through a pipe' '
    { cat rows.csv; for i in $(seq 2000); do tail -n +2 rows.csv; done; } >many.csv &&
    for form in parquet arrow arrows; do
        predict many.csv $kept --threads 1 -o one.$form && predict many.csv $kept --threads 5 --output-format $form | cmp - one.$form && predict $kept --threads 3 --output-format $form <many.csv | cmp - one.$form || exit 1
    done
'
test_expect 'the form: by the name, by what is said, by the input; a stream gets binary forms only when they are asked for' '
    predict rows.csv $kept --keep $X -o in.pq && [ "$(head -c 4 in.pq)" = PAR1 ] && predict in.pq $kept -o out && [ "$(head -c 4 out)" = PAR1 ] && predict in.pq $kept | head -1 | grep -q "^id,word,yes,part," &&
    predict in.pq $kept -o out.feather && [ "$(head -c 6 out.feather)" = ARROW1 ] && predict in.pq $kept -o out.csv && grep -q "^id,word" out.csv && predict in.pq $kept -o out.csv --output-format arrows && [ "$(head -c 4 out.csv | od -An -tx1 | tr -d " ")" = ffffffff ] &&
    predict in.pq --json $kept | jq -es "length > 10" >/dev/null && predict in.pq $kept -o /dev/stdout | head -1 | grep -q "^id,word"
'
test_expect 'a cell that is not of the type that its column is kept as: exit 4 with its line, and no file' '
    { head -3 rows.csv; for i in $(seq 3000); do sed -n "2,5p" rows.csv; done; tail -1 rows.csv | sed "s/,10[0-9][0-9],/,7.5,/"; } >late.csv &&
    expect_code 4 predict late.csv $kept -o out2.parquet 2>err && grep -q "line 12004: column .id., which is kept as int64, holds .7.5." err && grep -q "^hint: --output-format csv" err && [ ! -e out2.parquet ] &&
    predict late.csv $kept | tail -1 | grep -q "^7.5,"
'
test_expect 'a folder in which no file can be made: the whole name, and what to do' '
    expect_code 8 predict rows.csv $kept -o /proc/answers.csv 2>err && grep -q "/proc/answers.csv" err && grep -q "^hint: --output names a file" err &&
    expect_code 3 predict rows.csv $kept -o nowhere/answers.csv 2>err && grep -q "folder .nowhere.: No such" err && grep -q "^hint: --output names a file" err
'
test_expect 'no rows: a table with its columns; where these are not known, it is said' '
    head -1 rows.csv >none.csv && for form in parquet arrow arrows; do predict none.csv --features $X -o none.$form && [ -s none.$form ] || exit 1; done &&
    predict none.parquet --features variable,variable 2>err; ! grep -q "damaged\|not a\|truncated" err
'
test_expect 'answers in the place of what is read are refused, whatever it is called' '
    cp rows.csv mine.csv && ln mine.csv other.csv && ln -s mine.csv link.csv && cp "$boosting" m.onnx &&
    for o in mine.csv other.csv link.csv; do expect_code 2 mlopsctl predict m.onnx mine.csv $kept -o $o 2>err && grep -q "is read here" err && grep -q "^hint: " err || exit 1; done &&
    expect_code 2 mlopsctl predict m.onnx mine.csv $kept -o m.onnx && cmp m.onnx "$boosting" && cmp mine.csv rows.csv && mkdir dir && cp mine.csv dir/a.csv && expect_code 2 mlopsctl predict m.onnx dir $kept -o dir/a.csv
'
test_expect 'a name of compressed bytes is refused; a folder that is not there, a folder as a name and a full device are said' '
    expect_code 2 predict rows.csv $kept -o out.csv.gz 2>err && grep -q "would not be compressed" err && expect_code 2 predict rows.csv $kept -o x.npy.zst && expect_code 2 predict rows.csv $kept -o x.npy 2>err && grep -q "one array: --keep" err && expect_code 2 predict rows.csv $kept -o x.xlsx 2>err && grep -q "^hint: .*--output-format" err && predict rows.csv $kept -o x.json --output-format jsonl &&
    expect_code 3 predict rows.csv $kept -o no/such/out.csv 2>err && grep -q "no/such" err && mkdir -p folder && expect_code 2 predict rows.csv $kept -o folder 2>err && grep -q "is a folder" err &&
    expect_code 8 predict rows.csv $kept -o /dev/full --output-format parquet 2>err && grep -q "No space left" err
'
if "$PY" -c 'import pyarrow.parquet' 2>/dev/null; then
    test_expect 'pyarrow: types, values, nulls, checksums, statistics' '
        predict rows.csv $kept -o a.parquet && predict rows.csv $kept -o a.arrow && predict rows.csv $kept -o a.arrows && predict many.csv $kept -o many.parquet && predict many.csv $kept --output-format jsonl >many.jsonl && predict rows.csv $kept --output-format jsonl >a.jsonl && "$PY" - <<"EOF"
import json, pyarrow as pa, pyarrow.ipc as ipc, pyarrow.parquet as pq
a = pq.read_table("a.parquet", page_checksum_verification=True)
assert [(f.name, str(f.type), f.nullable) for f in a.schema] == [("id", "int64", True), ("word", "string", True), ("yes", "bool", True), ("part", "double", True), ("code", "string", True), ("variable", "float", False)], a.schema
assert ipc.open_file("a.arrow").read_all().equals(a) and ipc.open_stream("a.arrows").read_all().equals(a)
for name, table in ("a", a), ("many", pq.read_table("many.parquet", page_checksum_verification=True)):
    rows = [json.loads(line) for line in open(name + ".jsonl")]
    want = pa.table({c: pa.array([r[c] for r in rows], a.schema.field(c).type) for c in a.schema.names}, a.schema)
    assert table.equals(want), name
meta = pq.ParquetFile("many.parquet").metadata
assert meta.num_rows == len(rows) and meta.row_group(0).column(0).statistics.min == a["id"].to_pylist()[0] and meta.row_group(0).column(0).compression == "ZSTD"
big = 2**53 + 1
x = pa.table({**{f"x{i}": [0.5, 1.5] for i in range(8)}, "n": pa.array([big, None], "int64"), "t": pa.array([1, 2], pa.timestamp("ns", "UTC"))})
pq.write_table(x, "big.parquet")
EOF
        predict big.parquet --features $X --keep n,t -o big.arrow && "$PY" -c "import pyarrow.ipc as i; t = i.open_file(\"big.arrow\").read_all(); assert t[\"n\"].to_pylist() == [2**53 + 1, None] and str(t.schema.field(\"t\").type) == \"string\", t"
    '
else
    test_skip 'pyarrow: types, values, nulls, checksums, statistics' "$PY has no pyarrow (ARROW_PYTHON)"
fi
test_done
