#!/bin/sh
# predict: pipelines of the trainers (tests/golden/predict/make.py), matching of columns, forms, order, limits.
. "${0%/*}/lib.sh"
P=$G/onnx/pipelines D=$G/predict credit=$R/examples/credit

# near A B: CSV files whose rows are the same texts, or numbers within 1e-5 + 1e-4 of each other; headers aside.
near()
{
    awk -F, 'function far(x, y) { return x != y && !(x - y <= 1e-5 + 1e-4 * (y < 0 ? -y : y) && y - x <= 1e-5 + 1e-4 * (y < 0 ? -y : y)) }
        FNR == 1 { next }
        NR == FNR { a[FNR] = $0; n = FNR; next }
        { k = split(a[FNR], x, ","); if (k != NF) bad = 1; for (i = 1; i <= NF; i++) if (x[i] ~ /^[-0-9.e+]+$/ ? far(x[i] + 0, $i + 0) : x[i] != $i) { print FILENAME, FNR, x[i], $i; bad = 1 } }
        END { exit bad || FNR != n }' "$1" "$2"
}
predicts()
{
    case $1 in *regressor) proba= ;; *) proba=--proba ;; esac
    mlopsctl predict -q "$P/$1/model.onnx" "$D/$1.csv" $proba >out && near out "$D/$1.expected.csv"
}
for name in columns-forest columns-logistic logistic-text boosting-3 lightgbm xgboost boosting-regressor mlp svc; do
    test_expect "$name: the trainer's own predictions" "predicts $name"
done
test_expect 'the order of rows is kept on any number of threads, in batches of any size' '
    head -1 "$D/boosting-3.csv" >many.csv && for i in $(seq 3000); do tail -n +2 "$D/boosting-3.csv"; done >>many.csv &&
    mlopsctl predict -q "$P/boosting-3/model.onnx" many.csv --proba --threads 1 >one && [ "$(wc -l <one)" -eq 60001 ] &&
    mlopsctl predict -q "$P/boosting-3/model.onnx" many.csv --proba --threads 5 | cmp - one &&
    mlopsctl predict -q "$P/boosting-3/model.onnx" many.csv --proba --threads 3 --batch 7 | cmp - one &&
    mlopsctl predict -q "$P/boosting-3/model.onnx" --proba <many.csv | cmp - one &&
    mlopsctl predict -q "$P/boosting-3/model.onnx" many.csv --proba --limit 21 | cmp - "$(head -22 one >head22; echo head22)"
'
test_expect 'columns are found by name in any order; others are noted, and with --strict refused' '
    awk -F, "BEGIN { OFS = \",\" } { print \$4, NR == 1 ? \"id\" : NR, \$2, \$1, \$3 }" "$D/columns-forest.csv" >other.csv &&
    mlopsctl predict "$P/columns-forest/model.onnx" other.csv --proba >out 2>err && near out "$D/columns-forest.expected.csv" && grep -q "not used: .id." err &&
    expect_code 4 mlopsctl predict "$P/columns-forest/model.onnx" other.csv --strict 2>err && grep -q "does not take .id." err
'
test_expect 'what is missing or of another type is told in one message' '
    printf "b,c,a\nword,x,1\nother,y,2\n" >bad.csv && expect_code 4 mlopsctl predict "$P/columns-forest/model.onnx" bad.csv >out 2>err && [ ! -s out ] &&
    grep -q "it lacks .d.; not only numbers are in .b." err
'
test_expect 'a word among numbers is named with its line and column; nothing is written' '
    { cat "$D/columns-forest.csv"; printf "oops,1,low,low\n1,nope,low,low\n"; } >bad.csv &&
    expect_code 4 mlopsctl predict "$P/columns-forest/model.onnx" bad.csv -o out.csv 2>err && [ ! -e out.csv ] &&
    grep -q "line 22: column .a. holds .oops.*line 23: column .b. holds .nope." err
'
test_expect 'a matrix without names: by position when it fits, else --features or --by-position' '
    expect_code 4 mlopsctl predict "$credit/credit-1.4.0.onnx" "$credit/current.csv" 2>err && grep -q "hint: --features" err &&
    mlopsctl predict "$credit/credit-1.4.0.onnx" "$credit/current.csv" --by-position >a 2>err &&
    cut -d, -f1-13 "$credit/current.csv" | mlopsctl predict "$credit/credit-1.4.0.onnx" - 2>err >b && grep -q "does not name" err && cmp a b &&
    awk -F, "BEGIN { OFS = \",\" } { t = \$1; \$1 = \$14; \$14 = t } 1" "$credit/current.csv" >turned.csv &&
    mlopsctl predict "$credit/credit-1.4.0.onnx" turned.csv --features "$(head -1 "$credit/current.csv" | cut -d, -f1-13)" 2>err >c && cmp a c
'
test_expect 'the label agrees with the recorded metrics' '
    mlopsctl predict -q "$credit/credit-1.4.0.onnx" "$credit/current.csv" --by-position --proba --keep bad |
        awk -F, "NR > 1 { s += (\$4 - \$1) ^ 2; n++ } END { printf \"%.4f\n\", s / n }" >brier && [ "$(cat brier)" = "$(jq .brier "$credit/metrics-1.4.0.json")" ]
'
test_expect 'kept columns stand first, as they are in the input' '
    printf "name,x0,x1,x2,x3,x4,x5,x6,x7,n\n\"a, \"\"b\"\"\",1,2,3,4,5,6,7,8,007\n,1,2,3,4,5,6,7,8,1.50\n" >kept.csv &&
    mlopsctl predict -q "$P/boosting-regressor/model.onnx" kept.csv --features x0,x1,x2,x3,x4,x5,x6,x7 --keep name,n >out &&
    sed "s/,[^,]*\$//" out >kept && printf "name,n\n\"a, \"\"b\"\"\",007\n,1.50\n" | cmp - kept &&
    mlopsctl predict -q "$P/boosting-regressor/model.onnx" kept.csv --features x0,x1,x2,x3,x4,x5,x6,x7 --keep name,n --output-format jsonl >out &&
    [ "$(jq -c "[.name, .n]" out | paste -sd" ")" = "[\"a, \\\"b\\\"\",\"007\"] [null,\"1.50\"]" ]
'
test_expect 'JSON Lines in and out; --json alone gives them too' '
    printf "{\"a\":1.5,\"b\":null,\"c\":\"low\",\"d\":\"mid\"}\n{\"d\":\"mid\",\"c\":\"low\",\"a\":1.5}\n" >rows.jsonl &&
    mlopsctl predict "$P/columns-forest/model.onnx" rows.jsonl --proba >out && [ "$(jq -c "keys" out | uniq)" = "[\"label\",\"proba_0\",\"proba_1\"]" ] && [ "$(uniq out | wc -l)" -eq 1 ] &&
    mlopsctl predict --json -q "$P/columns-forest/model.onnx" "$D/columns-forest.csv" | jq -es "length == 20"
'
test_expect 'no rows: the header alone' '
    head -1 "$D/logistic-text.csv" | mlopsctl predict -q "$P/logistic-text/model.onnx" --proba >out && [ "$(cat out)" = label,proba_high,proba_low,proba_mid ]
'
test_expect 'a file appears whole; another form by its name' '
    mlopsctl predict -q "$P/mlp/model.onnx" "$D/mlp.csv" --proba -o out.npy && mlopsctl predict "$P/mlp/model.onnx" "$D/mlp.csv" --proba -o out.jsonl 2>err >said && grep -q "predicted 20 rows into out.jsonl" said &&
    [ "$(head -c 6 out.npy | tail -c 5)" = NUMPY ] && [ "$(($(wc -c <out.npy) % 64))" -eq $((20 * 2 * 4 % 64)) ] && grep -aq "(20, 2)" out.npy && [ "$(wc -l <out.jsonl)" -eq 20 ] && [ -z "$(ls .mlo-tmp-* 2>/dev/null)" ]
'
test_expect 'infinite and undefined numbers reach the model as they are' '
    printf "x0,x1,x2,x3,x4,x5,x6,x7\ninf,0,0,0,0,0,0,0\n-inf,0,0,0,0,0,0,0\nnan,0,0,0,0,0,0,0\n" >odd.csv &&
    mlopsctl predict -q "$P/linear/model.onnx" odd.csv >out && [ "$(sed -n "2,4p" out | paste -sd" ")" = "inf -inf nan" ] || { cat out; exit 1; }
'
test_expect 'a model that is none: exit 4; none at all: 3; an operator that is not there: 7' '
    head -c 300 "$P/mlp/model.onnx" >cut.onnx && expect_code 4 mlopsctl predict cut.onnx "$D/mlp.csv" && expect_code 3 mlopsctl predict none.onnx "$D/mlp.csv" 2>err && grep -q "neither a file nor a bundle" err &&
    sed "s/Scaler/Scalar/g" "$P/mlp/model.onnx" >odd.onnx && ! cmp -s odd.onnx "$P/mlp/model.onnx" && expect_code 7 mlopsctl predict odd.onnx "$D/mlp.csv" 2>err && grep -q "Scalar" err && grep -q "^hint: " err
'
test_expect 'the model of a bundle; a damaged one is exit 4' '
    cp "$P/columns-forest/model.onnx" m.onnx && mlopsctl pack m.onnx -t cf:1 >/dev/null && mlopsctl predict -q cf:1 "$D/columns-forest.csv" --proba >out && near out "$D/columns-forest.expected.csv" &&
    blob=.mlops/store/blobs/sha256/$(sha256sum <"$P/columns-forest/model.onnx" | cut -d" " -f1) && chmod u+w "$blob" && printf X | dd of="$blob" bs=1 seek=900 conv=notrunc 2>/dev/null &&
    expect_code 4 mlopsctl predict cf:1 "$D/columns-forest.csv" 2>err && grep -q "hint: .mlopsctl verify --repair" err &&
    expect_code 3 mlopsctl predict cf "$D/columns-forest.csv" 2>err && grep -q "^hint: did you mean .cf:1.?" err
'
test_expect 'what a new user does wrong is said with the way out' '
    m=$P/columns-forest/model.onnx d=$D/columns-forest.csv && expect_code 4 mlopsctl predict "$d" "$m" 2>err && grep -q "^hint: the model comes first" err &&
    expect_code 4 mlopsctl predict "$m" </dev/null 2>err && grep -q "standard input. is empty" err && grep -q "^hint: " err && : >empty.csv && expect_code 4 mlopsctl predict "$m" empty.csv 2>err && grep -q "empty.csv. is empty" err &&
    cut -d, -f1-3 "$d" >few.csv && expect_code 4 mlopsctl predict "$m" few.csv 2>err && grep -q "it lacks .d." err && grep -q "^hint: the table has .a., .b., .c.;" err &&
    printf "a,b,c,d\n1,2,x\n1,2,x,y\n1,2,x,y,z\n" >ragged.csv && mlopsctl predict "$m" ragged.csv >out 2>err && [ "$(wc -l <out)" -eq 2 ] && grep -q "2 lines of another number of fields got no answer: .ragged.csv. line 2 (3), .ragged.csv. line 4 (5)" err
'
# waits_for LINES FILE: until it has as many; a minute at most.
waits_for()
{
    for i in $(seq 1200); do
        [ "$(wc -l <"$2")" -ge "$1" ] && return
        sleep 0.05
    done
    return 1
}
test_expect 'what is no table says what makes one of it; standard input is called so' '
    m=$P/columns-forest/model.onnx && says() { expect_code 4 mlopsctl predict "$m" "$1" 2>err && grep -q "$2" err && grep -q "^hint: .*$3" err || { cat err; return 1; }; } &&
    printf "[{\"a\":1},\n{\"a\":2}]\n" >array.json && says array.json "one array of JSON" "jq -c" && printf " [ \n {\"a\":1} ]" >array2.json && says array2.json "one array" jq &&
    printf "PK\003\004\0\0" >book.xlsx && says book.xlsx "binary data" "as CSV" && printf "\377\376a\0,\0" >wide.csv && says wide.csv "binary data" UTF-16 &&
    printf "\223NUMPY\001\0" | expect_code 4 mlopsctl predict "$m" 2>err && grep -q "standard input. is no table" err && grep -q "^hint: an .npy file is given by its name" err &&
    { head -2 "$D/columns-forest.csv"; echo oops,1,low,low; } | expect_code 4 mlopsctl predict -q "$m" 2>err >out && grep -q "standard input. line 3: column .a. holds .oops" err
'
test_expect 'lines that are no JSON, rows without a header, a full device are said as what they are' '
    m=$P/columns-forest/model.onnx && { printf "{\"a\":1.5,\"b\":2,\"c\":\"low\",\"d\":\"mid\"}\nnot json\n" >odd.jsonl; } && mlopsctl predict -q "$m" odd.jsonl >out 2>err && grep -q "1 line without a JSON object got no answer: .odd.jsonl. line 2$" err &&
    tail -n +2 "$D/columns-forest.csv" | expect_code 4 mlopsctl predict "$m" 2>err && grep -q "^hint: the first line of a table names its columns; this one begins with " err &&
    if [ -w /dev/full ]; then expect_code 8 mlopsctl predict -q "$m" "$D/columns-forest.csv" -o /dev/full 2>err && grep -q "./dev/full.: .*No space" err && expect_code 8 mlopsctl predict -q "$m" "$D/columns-forest.csv" 2>err >/dev/full && grep -q "standard output.*No space" err; fi
'
test_expect 'rows that are long in coming are answered as they come; --limit ends without the end of the rows' '
    mkfifo slow && d=$D/columns-forest.csv m=$P/columns-forest/model.onnx && : >out && mlopsctl predict -q "$m" "$d" >want &&
    { mlopsctl predict -q "$m" - <slow >out & } && exec 7>slow && head -2 "$d" >&7 && waits_for 2 out && sed -n 3,5p "$d" >&7 && waits_for 5 out && tail -n +6 "$d" >&7 && exec 7>&- && wait $! && cmp out want &&
    { mlopsctl predict -q "$m" slow --limit 2 --output-format jsonl >out & } && exec 7>slow && printf "{\"a\":1.5,\"c\":\"low\",\"d\":\"mid\"}\n" >&7 && sleep 0.1 && printf "{\"a\":1.5,\"b\":2,\"c\":\"low\",\"d\":\"mid\"}\n" >&7 &&
    waits_for 2 out && wait $! && [ "$(wc -l <out)" -eq 2 ] && exec 7>&-
'
test_expect 'what was begun is removed by a signal, wherever the rows are; what was there stays' '
    mkdir -p signalled && mkfifo held && echo old >signalled/out.csv && { "$MLOPSCTL" predict -q "$P/columns-forest/model.onnx" held -o signalled/out.csv & } && pid=$! && exec 7>held &&
    { head -1 "$D/columns-forest.csv"; awk "BEGIN { for (i = 0; i < 150000; i++) print \"1.5,2.5,low,mid\" }"; } >&7 &&
    for i in $(seq 1200); do [ -n "$(ls signalled/.mlo-tmp-* 2>/dev/null)" ] && break; sleep 0.05; done && [ -n "$(ls signalled/.mlo-tmp-*)" ] && kill -TERM $pid && expect_code 143 wait $pid && exec 7>&- &&
    [ -z "$(ls signalled/.mlo-tmp-* 2>/dev/null)" ] && [ "$(cat signalled/out.csv)" = old ]
'
test_expect 'a model that changes on disk while rows come changes nothing' '
    printf "a,b,c,d,e,f\n" >trees.csv && for i in $(seq 9); do echo "$i,2,3,4,5,6"; done >>trees.csv && mkfifo late &&
    for f in "$P/columns-forest/model.onnx $D/columns-forest.csv" "$G/boosters/cases/xgb-ubj.ubj trees.csv"; do
        cp "${f%% *}" m.model && { cat "${f##* }" && awk "NR > 1 { row[n++] = \$0 } END { for (i = 0; i < 200000; i++) print row[i % n] }" "${f##* }"; } >rows.csv && mlopsctl predict -q m.model rows.csv >want || exit 1
        mlopsctl predict -q m.model - --threads 1 <late >out &
        { head -150000 rows.csv; until [ -s out ]; do sleep 0.05; done; : >m.model; tail -n +150001 rows.csv; } >late
        wait $! && cmp out want && [ ! -s m.model ] || exit 1
    done
'
test_expect 'a bundle without a model says so' '
    tiny_model w.safetensors && mlopsctl pack w.safetensors -t w:1 >/dev/null && expect_code 7 mlopsctl predict w:1 "$D/mlp.csv" 2>err && grep -q "hint: its weights are safetensors" err
'
test_expect 'usage: probabilities of a regression, .npy to a pipe, names that do not count up' '
    expect_code 2 mlopsctl predict "$P/linear/model.onnx" "$D/mlp.csv" --proba && expect_code 2 mlopsctl predict "$P/linear/model.onnx" "$D/mlp.csv" --output-format npy &&
    expect_code 2 mlopsctl predict "$P/linear/model.onnx" "$D/mlp.csv" --features a,b && expect_code 2 mlopsctl predict "$P/linear/model.onnx" "$D/mlp.csv" --features a,,b
'
test_expect '--explain-missing: how many, and what becomes of them' '
    mlopsctl predict "$P/columns-forest/model.onnx" "$D/columns-forest.csv" --explain-missing 2>err >out && grep -q ".a.: 0 of 20 are missing; what is missing is replaced by 0.26685816" err && grep -q ".b.: 3 of 20 are missing; what is missing is replaced by -0.491954" err &&
    mlopsctl predict -q "$P/imputer-logistic/model.onnx" "$D/lightgbm.csv" --explain-missing -o m.csv --json >out &&
    [ "$(jq -r "[.missing[] | .missing] | join(\",\")" out)" = "$(awk -F, "NR > 1 { for (i = 1; i <= 8; i++) n[i] += \$i == \"\" } END { for (i = 1; i <= 8; i++) printf \"%s%d\", (i > 1 ? \",\" : \"\"), n[i] }" "$D/lightgbm.csv")" ] &&
    json ".missing[2].then == \"is replaced by -0.49195397\"" <out && mlopsctl predict "$P/lightgbm/model.onnx" "$D/lightgbm.csv" --proba --explain-missing 2>err >out && near out "$D/lightgbm.expected.csv" && grep -q ".x2.: 3 of 20 are missing; what is missing goes the way" err
'
# npy FILE VALUE...: float64 [N, 8], all elements of row N being the value N.
if have python3; then
    npy() { python3 -c "
import struct, sys
rows = [[float(v)] * 8 for v in sys.argv[2:]]
head = (\"{\x27descr\x27: \x27<f8\x27, \x27fortran_order\x27: False, \x27shape\x27: (%d, 8), }\" % len(rows)).ljust(117) + chr(10)
open(sys.argv[1], \"wb\").write(b\"\x93NUMPY\x01\x00\" + struct.pack(\"<H\", len(head)) + head.encode() + b\"\".join(struct.pack(\"<8d\", *r) for r in rows))" "$@"; }
    test_expect 'an .npy file in and out: the rows of the same table' '
        npy in.npy 1 -2 0.5 3 && mlopsctl predict "$P/mlp-regressor/model.onnx" in.npy -q -o out.csv && printf "a,b,c,d,e,f,g,h\n1,1,1,1,1,1,1,1\n-2,-2,-2,-2,-2,-2,-2,-2\n.5,.5,.5,.5,.5,.5,.5,.5\n3,3,3,3,3,3,3,3\n" >same.csv &&
        mlopsctl predict "$P/mlp-regressor/model.onnx" same.csv -q | cmp - out.csv && mlopsctl predict "$P/mlp-regressor/model.onnx" in.npy -q --batch 1 --threads 3 >one.csv && near one.csv out.csv && mlopsctl predict "$P/mlp-regressor/model.onnx" in.npy -q --limit 2 >two.csv && head -3 out.csv >h && near two.csv h &&
        mlopsctl predict "$P/mlp-regressor/model.onnx" in.npy -q -o out.npy && [ "$(tail -c 16 out.npy | od -An -tf4 -w16 | tr -s " ")" = "$(tail -n +2 out.csv | awk "{ printf \" %s\", \$1 }")" ] || { tail -c 16 out.npy | od -An -tf4 -w16; cat out.csv; exit 1; }
    '
    test_expect 'an array that does not fit is refused' '
        npy in.npy 1 && sed "s/(1, 8)/(2, 4)/" in.npy >wide.npy && expect_code 4 mlopsctl predict -q "$P/mlp/model.onnx" wide.npy 2>err && grep -q "wide.npy. is float64\[2,4\], but the model takes 8 columns" err &&
        head -c 150 in.npy >cut.npy && expect_code 4 mlopsctl predict -q "$P/mlp/model.onnx" cut.npy 2>err && grep -q "cut.npy" err &&
        sed "s/order.: False/order'"'"': True /" in.npy >fortran.npy && expect_code 7 mlopsctl predict -q "$P/mlp/model.onnx" fortran.npy && expect_code 2 mlopsctl predict -q "$P/columns-forest/model.onnx" in.npy && expect_code 2 mlopsctl predict -q "$P/mlp/model.onnx" in.npy --keep a
    '
else
    test_skip 'an .npy file in and out' 'python3 is not installed'
fi
test_expect 'ten times the rows take no more memory' '
    for i in $(seq 9); do tail -n +2 many.csv; done | cat many.csv - >more.csv && [ "$(wc -c <more.csv)" -gt 40000000 ] &&
    peak() { (ulimit -v "$1" && exec "$PLAIN" predict -q "$P/boosting-3/model.onnx" more.csv --threads 2 >more.out) && [ "$(wc -l <more.out)" -eq "$(wc -l <more.csv)" ]; }
    peak 120000
'
test_expect 'a device is written to, not replaced; a file stays when the input is wrong' '
    mlopsctl predict -q "$P/mlp/model.onnx" "$D/mlp.csv" -o /dev/null && [ -c /dev/null ] && echo old >kept.out && printf "x0,x1,x2,x3,x4,x5,x6,x7\n1,2,3,4,5,6,7,eight\n" >wrong.csv &&
    expect_code 4 mlopsctl predict -q "$P/mlp/model.onnx" wrong.csv -o kept.out && [ "$(cat kept.out)" = old ] && expect_code 8 mlopsctl predict -q "$P/mlp/model.onnx" "$D/mlp.csv" >/dev/full
'
test_expect 'a prediction is no run' '[ "$(mlopsctl log --json | jq "[.runs[]? | select(.command == \"predict\")] | length")" = 0 ]'
test_done
