#!/bin/sh
# Models of XGBoost and LightGBM as their trainers save them: inspect, predict, scan, pack.
. "${0%/*}/lib.sh"
cases=$G/boosters/cases
printf 'a,b,c,d,e,f\n1,2,3,4,5,6\n0.5,,1,0,1,2\n' >rows.csv
printf 'f,e,d,c,b,a\n6,5,4,3,2,1\n2,1,0,1,,0.5\n' >turned.csv

test_expect 'inspect: trainer, objective, what goes in and comes out' '
    mlopsctl onnx inspect "$cases/xgb-ubj-multi-cats.ubj" --json >out &&
    [ "$(jq -r .objective out)" = multi:softprob ] && json .runs <out &&
    [ "$(jq -r "[.ports[] | \"\(.way) \(.name) \(.type)\"] | join(\"; \")" out)" = \
      "in input float32[N,6]; out label int64[N]; out probabilities float32[N,3]; out margin float32[N,3]" ]
'
test_expect 'inspect tells rounds behind the best' '
    mlopsctl onnx inspect "$cases/xgb-early.json" >out && grep -q "of .*best_iteration" out
'
test_expect 'predict takes columns by the names in the model' '
    mlopsctl predict "$cases/xgb-ubj.ubj" rows.csv >out && mlopsctl predict "$cases/xgb-ubj.ubj" turned.csv >out2 &&
    cmp out out2 && [ "$(wc -l <out)" = 3 ]
'
test_expect 'predict: LightGBM in doubles' '
    mlopsctl predict "$cases/lgb-regression.txt" rows.csv >out 2>err && [ "$(wc -l <out)" = 3 ] && grep -q "in their order" err
'
# margins NAME ROUNDS: the trainer's own, from the rows of a case (features first, then margins).
rounds_agree()
{
    { echo a,b,c,d,e,f; tail -n +2 "$cases/$2.rows" | cut -d" " -f1-6 | python3 -c "import sys
for line in sys.stdin: print(*[repr(float.fromhex(v)) for v in line.split()], sep=\",\")"; } >in.csv &&
        tail -n +2 "$cases/$2.rows" | python3 -c "import sys
for line in sys.stdin: print(repr(float.fromhex(line.split()[-1])))" >expected &&
        mlopsctl predict -q "$cases/$1" in.csv --rounds "$3" --output-format jsonl | jq ".prediction" >got &&
        paste got expected | awk '{ d = $1 - $2; if (d < 0) d = -d; if (!(d < 1e-6)) { print; bad = 1 } } END { exit bad || NR == 0 }'
}
test_expect "--rounds: the trainers' own answers" '
    rounds_agree xgb-early.json xgb-early.1-4 1:4 && rounds_agree xgb-early.json xgb-early.0-4 all && rounds_agree xgb-early.json xgb-early.0-4 4 &&
    rounds_agree lgb-rf.txt lgb-rf.1-3 1:3 && rounds_agree xgb-early.json xgb-early 0:1
'
test_expect '--rounds that are not there: exit 2; a model without rounds says so' '
    expect_code 2 mlopsctl predict "$cases/xgb-early.json" rows.csv --rounds 31 2>err && grep -q "rounds" err && grep -q "^hint: " err &&
    for bad in "" x 1: 3:3 -1 0 1:2:3; do expect_code 2 mlopsctl predict "$cases/lgb-linear.txt" rows.csv --rounds "$bad" 2>/dev/null || [ "$bad" = 1: ] || { echo "$bad"; exit 1; }; done &&
    expect_code 2 mlopsctl predict "$G/onnx/pipelines/mlp/model.onnx" rows.csv --rounds 1 2>err && grep -q "has no rounds" err &&
    expect_code 2 mlopsctl predict "$cases/xgb-linear.json" rows.csv --rounds 1 2>err && grep -q "linear" err
'
test_expect 'scan knows the forms' '
    mlopsctl scan "$cases/xgb-ubj.ubj" "$cases/xgb-cats.json" "$cases/lgb-cats.txt" >out &&
    [ "$(grep -c xgboost out)" = 2 ] && grep -q lightgbm out
'
test_expect 'a bundle holds such a model as weights, and it is run from there' '
    cp "$cases/xgb-ubj.ubj" model.ubj && mlopsctl pack model.ubj -t trees:1 >out 2>err && ! grep -q "no weights" err &&
    mlopsctl predict trees:1 rows.csv >out && mlopsctl predict "$cases/xgb-ubj.ubj" rows.csv >out2 && cmp out out2
'
test_expect 'what is wrong is exit 4 with tree and node, what is not known exit 7' '
    sed "s/\"left_children\":\[1,/\"left_children\":[99,/" "$cases/xgb-cats.json" >bad.json &&
    expect_code 4 mlopsctl onnx inspect bad.json 2>err && grep -q "tree 0, node 0: child 99" err &&
    sed s/reg:squarederror/reg:nonsense/ "$cases/xgb-cats.json" >strange.json &&
    expect_code 7 mlopsctl predict strange.json rows.csv 2>err && grep -q reg:nonsense err
'
named=$G/boosters/categories
# names_agree MODEL ROWS: what the trainer predicts for the rows as pandas has them
names_agree()
{
    mlopsctl predict -q "$named/$1" "$named/$2" --output-format jsonl | jq .prediction >got &&
        paste got "$named/$1.expected" | awk '{ d = $1 - $2; if (d < 0) d = -d; if (!(d < 1e-6)) { print; bad = 1 } } END { exit bad || NR != 60 }'
}
test_expect 'categories are taken by the names that the model carries, as pandas gives them to the trainers' '
    names_agree xgb-sets.json xgb.csv && names_agree xgb-sets.ubj xgb.csv && names_agree xgb-one-hot.json xgb.csv && names_agree lgb.txt lgb.csv
'
test_expect 'a name that XGBoost has not seen is refused with its line, as by the trainer; names beyond ASCII, which it writes wrongly, are not believed' '
    expect_code 4 mlopsctl predict "$named/xgb-sets.json" "$named/lgb.csv" 2>err && grep -q "line 3: column .city. holds .paris., which is no category of the model" err && grep -q "hint: .mlopsctl onnx inspect. lists" err &&
    expect_code 4 mlopsctl predict "$named/xgb-beyond-ascii.json" "$named/lgb.csv" 2>err && grep -q "column .city. holds" err
'
test_expect 'inspect names the categories' '
    mlopsctl onnx inspect "$named/lgb.txt" --json | jq -e ".categories == [{column: \"city\", names: [\"Kyjiv\", \"bern\", \"n\u00e4s\", \"oslo\", \"rome \\\"x\\\", lazio\"], categories: \"Kyjiv, bern, n\u00e4s, oslo, rome \\\"x\\\", lazio\"}, {column: \"grade\", names: [\"1\", \"7\", \"12\", \"30\"], categories: \"1, 7, 12, 30\"}]" &&
    mlopsctl onnx inspect "$named/xgb-beyond-ascii.json" --json | jq -e "[.categories[].column] == [\"grade\"]"
'
test_expect 'a bundle of several models names them' '
    cp "$named/lgb.txt" "$named/xgb-sets.json" . && mlopsctl pack -q lgb.txt xgb-sets.json -t two:1 && expect_code 2 mlopsctl predict two:1 "$named/lgb.csv" 2>err && grep -q "^hint: --model-file says which: .lgb.txt., .xgb-sets.json.$" err &&
    expect_code 3 mlopsctl predict two:1 "$named/lgb.csv" --model-file other 2>err && grep -q "^hint: --model-file says which: .lgb.txt., .xgb" err && mlopsctl predict -q two:1 "$named/lgb.csv" --model-file lgb.txt >out && [ "$(wc -l <out)" -eq 61 ]
'
test_expect 'rounds and margins that are not there' '
    expect_code 2 mlopsctl predict "$named/xgb-sets.json" "$named/xgb.csv" --rounds 2:2 2>err && grep -q "rounds: .2:2. holds none" err && grep -q "^hint: N, the first" err &&
    expect_code 2 mlopsctl predict "$named/xgb-sets.json" "$named/xgb.csv" --rounds 200 2>err && grep -q "has 8 rounds: 0:200 are not among them" err && grep -q "^hint: .*all are 0:8" err &&
    expect_code 2 mlopsctl predict "$named/lgb.txt" "$named/lgb.csv" --margin 2>err && grep -q "no margins" err && grep -q "^hint: " err
'
test_expect 'show of a bundle of trees: who made them, what they take and give, categories by name, all of them in JSON' '
    many=$(seq -s", " 1 300) && sed "s/^pandas_categorical:.*/pandas_categorical:[[\"a\",\"b\"], [$many]]/" "$named/lgb.txt" >m.txt && mlopsctl pack -q m.txt -t shown:1 && mlopsctl show shown:1 >out &&
    grep -q "^made by  *LightGBM" out && grep -q "^trees  *[0-9]" out && grep -q "^input  *input  *float64  *.N,4.  *m.txt" out && grep -q "^output  *prediction" out && grep -q "^features  *city, " out &&
    grep -q "^city  *a, b$" out && grep -q "^grade  *1, 2, .*, 20 and 280 more$" out && mlopsctl show shown:1 --json | jq -e "(.categories[1].names | length) == 300 and .categories[1].names[299] == \"300\" and (.signature | length) == 2" &&
    names=$(seq -s" " -f "c%g" 1 40) && sed "s/^feature_names=.*/feature_names=$names/; s/^max_feature_idx=.*/max_feature_idx=39/; s/^feature_infos=.*/feature_infos=$(yes none | head -40 | paste -sd" ")/; /^pandas_categorical/d" "$cases/lgb-regression.txt" >wide.txt &&
    mlopsctl pack -q wide.txt -t wide:1 && mlopsctl show wide:1 | grep -q "c19, c20 and 20 more" && mlopsctl show wide:1 --json | jq -e ".features | endswith(\"c39, c40\")" &&
    sed s/reg:squarederror/reg:nonsense/ "$cases/xgb-cats.json" >strange.json && mlopsctl pack -q strange.json -t strange:1 && mlopsctl show strange:1 | grep -q "^not read  *.*reg:nonsense"
'
test_done
