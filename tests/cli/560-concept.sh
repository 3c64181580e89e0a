#!/bin/sh
# What became of predictions: a change of concept is found and named, one of the mix of rows is not called one; estimates
# without labels; profiles say what tables say, in any order of shards.
. "${0%/*}/lib.sh"

cat >gen.py <<'END'
"""FILE SEED ROWS HOW: a model that knows x and z, with score = P(truth = 1) as it was then. concept: x says the opposite by now;
mix: more rows with x near 0, where the answer is hard; local: the opposite where region is north; open: mix, without labels."""
import math, random, sys
file, seed, rows, how = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4]
r = random.Random(seed)
with open(file, "w") as f:
    f.write("x,z,region,noise,score,answer" + ("" if how == "open" else ",truth") + ",price,guess\n")
    for i in range(rows):
        x, z = r.gauss(0, 1), r.gauss(0, 1)
        if how in ("mix", "open"):
            x = x * 0.35 + 0.2
        region = r.choice(("north", "south", "east", "west", "centre"))
        score = 1 / (1 + math.exp(-2 * x - z))
        p = 1 / (1 + math.exp(0.5 * x - z)) if how == "concept" else 1 - score if how == "local" and region == "north" else score
        truth = "" if how == "open" else f",{int(r.random() < p)}"
        price = 10 + 3 * x + (2 if how == "concept" and z > 0 else 0)
        f.write(f"{x:.5f},{z:.5f},{region},{r.gauss(0, 1):.4f},{score:.6f},{int(score >= 0.5)}{truth},{price:.4f},{10 + 3 * x + r.gauss(0, 1):.4f}\n")
END
python3 gen.py ref.csv 1 5000 none
for how in none concept mix local open; do python3 gen.py $how.csv 2 4000 $how; done
roles='--prediction answer --score score --label truth --ignore price --ignore guess'
# shellcheck disable=SC2086
judge() { mlopsctl drift -r ref.csv -c "$1" $roles --json; }
alarms() { jq -r '[.facts[] | select(.verdict == "drift")] | map(.name + ":" + (.column // "")) | join(" ")' "$1"; }

test_expect 'no drift: labels, scores and answers are stable' '
    judge none.csv >out && [ -z "$(alarms out)" ] && jq -e ".facts | map(.name) | contains([\"accuracy\", \"auc\", \"calibration_error\"])" out'
test_expect 'a changed concept is found at equal inputs, while no feature moved' '
    expect_code 1 judge concept.csv >out && jq -e "[.columns[] | select(.verdict == \"drift\")] == []" out &&
    jq -e "[.facts[] | select(.kind == \"concept\" and .verdict == \"drift\") | .name] | contains([\"accuracy_same_mix\", \"calibration_error\", \"error_by_column\"])" out &&
    jq -e ".facts[] | select(.name == \"error_by_column\") | select(.column == \"x\" and .p < 1e-20)" out'
test_expect 'harder rows are worse performance, not another concept' '
    expect_code 1 judge mix.csv >out && jq -e ".facts[] | select(.name == \"accuracy\") | .verdict == \"drift\"" out &&
    jq -e "[.facts[] | select(.kind == \"concept\" and .verdict == \"drift\")] == []" out && jq -e ".columns[0].column == \"x\"" out'
test_expect 'a concept that changed in one region is found there' '
    expect_code 1 judge local.csv >out && jq -e "[.facts[] | select(.name == \"error_by_column\" and .verdict == \"drift\")][0].column == \"region\"" out &&
    jq -r ".facts[] | select(.column == \"region\") | .why" out | grep -q "where it is north"'
test_expect '--fail-on concept tells the two apart' '
    expect_code 1 mlopsctl drift -r ref.csv -c concept.csv $roles --fail-on concept >out && mlopsctl drift -r ref.csv -c mix.csv $roles --fail-on concept >out'
test_expect 'without labels accuracy is estimated, says so, and is near the truth' '
    expect_code 1 judge open.csv >out && judge mix.csv >known; jq -e "[.facts[] | select(.estimate) | .name] == [\"accuracy\", \"auc\", \"f1\"]" out &&
    jq -e ".facts[] | select(.name == \"accuracy\") | .verdict == \"drift\" and (.why | contains(\"blind to a change of concept\"))" out &&
    jq -s -e "(.[0].facts[] | select(.name == \"accuracy\").current) - (.[1].facts[] | select(.name == \"accuracy\").current) | fabs < 0.03" out known'
test_expect 'answers of numbers: errors with their own limits' '
    expect_code 1 mlopsctl drift -r ref.csv -c concept.csv --prediction guess --label price --ignore score --ignore answer --ignore truth --json >out &&
    [ "$(alarms out)" = "mae: rmse: large_errors_same_mix:noise error_by_column:z" ] &&
    mlopsctl drift -r ref.csv -c none.csv --prediction guess --label price --ignore score --ignore answer --ignore truth --json >out && [ -z "$(alarms out)" ]'

test_expect 'profiles say what the tables say, merged in any order' '
    mlopsctl profile ref.csv $roles -o ref.profile && mlopsctl profile --like ref.profile concept.csv -o cur.profile &&
    expect_code 1 judge concept.csv >a && expect_code 1 mlopsctl drift -r ref.profile -c cur.profile --json >b && cmp a b &&
    for i in 1 2 3; do { head -1 concept.csv; sed 1d concept.csv | awk "NR % 3 + 1 == $i"; } >s$i.csv && mlopsctl profile --like ref.profile s$i.csv -o s$i.profile || exit; done &&
    mlopsctl profile merge s1.profile s2.profile s3.profile -o m1 && mlopsctl profile merge s3.profile s1.profile s2.profile -o m2 && cmp m1 m2 && cmp m1 cur.profile'
test_expect 'classes in words need the positive one named' '
    awk -F, "BEGIN { OFS = \",\" } NR > 1 { \$6 = \$6 ? \"pay\" : \"default\"; \$7 = \$7 ? \"pay\" : \"default\" } 1" ref.csv >words.csv &&
    awk -F, "BEGIN { OFS = \",\" } NR > 1 { \$6 = \$6 ? \"pay\" : \"default\"; \$7 = \$7 ? \"pay\" : \"default\" } 1" concept.csv >words2.csv &&
    expect_code 1 mlopsctl drift -r words.csv -c words2.csv $roles --positive pay --json >a && expect_code 1 judge concept.csv >b &&
    jq -c "[.facts[] | select(.kind != \"prediction\") | [.name, .column, .current, .p]]" a >fa && jq -c "[.facts[] | select(.kind != \"prediction\") | [.name, .column, .current, .p]]" b >fb && cmp fa fb &&
    expect_code 1 mlopsctl drift -r words.csv -c words2.csv $roles --json >a && jq -e "[.facts[].name] | contains([\"auc\"]) | not" a'
test_expect 'the other forms name the facts' '
    expect_code 1 mlopsctl drift -r ref.csv -c concept.csv $roles --html d.html --junit d.xml --prometheus d.prom --github >out 2>d.github &&
    grep -q "error_by_column: x" d.html && grep -q "classname=\"[a-z.]*concept\" name=\"error_by_column: x\"" d.xml &&
    grep -q "^mlopsctl_drift_fact{name=\"accuracy\",kind=\"performance\",column=\"\",estimate=\"0\",data=\"current\"} 0.5" d.prom &&
    grep -q "^::error title=drift in accuracy" d.github && ! grep -q NaN d.prom && grep -q "^accuracy_same_mix " out'
test_expect '--classifier names what moved together, from tables only' '
    python3 -c "
import random
r = random.Random(1)
for name, sign in ((\"up\", 1), (\"down\", -1)):
    with open(name + \".csv\", \"w\") as f:
        print(\"a,b,c\", file=f)
        for i in range(3000):
            a = r.gauss(0, 1)
            print(f\"{a:.4f},{0.8 * sign * a + 0.6 * r.gauss(0, 1):.4f},{r.random():.4f}\", file=f)" &&
    mlopsctl drift -r up.csv -c down.csv >out && expect_code 1 mlopsctl drift -r up.csv -c down.csv --classifier --threads 1 --json >a &&
    expect_code 1 mlopsctl drift -r up.csv -c down.csv --classifier --threads 3 --json >b && cmp a b &&
    jq -e ".facts[0] | .name == \"domain_auc\" and .kind == \"feature\" and .current > 0.8 and (.why | test(\"most by [ab] .*, [ab] \"))" a &&
    mlopsctl profile up.csv -o up.profile && mlopsctl drift -r up.profile -c down.csv --classifier --json >out 2>err && jq -e ".facts == []" out && grep -q "needs tables on both sides" err'
test_expect 'limits of facts are settings' '
    printf "drift: {accuracy-drop: 0.9, auc-drop: 0.9, calibration-rise: 0.9, mean-error-rise: 9, prediction: {psi: 99}, psi: 99}\n" >mlops.yaml &&
    judge concept.csv >out && [ -z "$(alarms out)" ] && judge mix.csv >out && rm mlops.yaml'
test_expect 'a label and a prediction of different types are no failure but a word' '
    awk -F, "BEGIN { OFS = \",\" } NR > 1 { \$7 = \"c\" \$7 } 1" ref.csv >odd.csv && mlopsctl drift -r odd.csv -c odd.csv $roles --json >out &&
    jq -e ".facts[] | select(.name == \"accuracy\") | .verdict == \"ignored\" and (.why | contains(\"not of one type\"))" out'
test_done
