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
test_done
