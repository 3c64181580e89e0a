#!/bin/sh
# drift --compat: the numbers, methods and limits of other tools, as those tools gave them; what cannot be compared; misuse.
. "${0%/*}/lib.sh"

cp "$R/examples/credit/reference.csv" "$R/examples/credit/current.csv" .
for tool in evidently nannyml deepchecks scipy; do
    test_expect "$tool: as recorded" '
        PYTHONDONTWRITEBYTECODE=1 python3 "$G/stats/compat_check.py" "$MLOPSCTL" "$T" $tool >tap; status=$?; grep "^not ok\|^#" tap; [ $status -eq 0 ] && [ "$(grep -c ^ok tap)" -ge 14 ]'
done
test_expect 'the numbers of the fact sheet' '
    awk "function u() { s = (1664525 * s + 1013904223) % 4294967296; return s / 4294967296 }
        BEGIN { s = 12345; print \"x\" >\"a.csv\"; for (i = 0; i < 2000; i++) printf \"%.17g\n\", u() >\"a.csv\"
                s = 54321; print \"x\" >\"b.csv\"; for (i = 0; i < 1500; i++) { v = u(); printf \"%.17g\n\", v * (0.5 + 0.5 * v) >\"b.csv\" } }" &&
    value() { mlopsctl drift -r a.csv -c b.csv --compat "$1" --json | jq ".columns[0].value"; } &&
    near() { awk -v a="$(value "$1")" -v b="$2" "BEGIN { exit !(a - b < 1e-9 * b && b - a < 1e-9 * b) }" || { echo "$1: $(value "$1")" && return 1; }; } &&
    near evidently:psi 0.14128912357506404 && near evidently:kl_div 0.06895103147109824 && near evidently:jensenshannon 0.1320100267137283 &&
    near evidently:wasserstein 0.3417480404114781 && near evidently:hellinger 0.13244877036988215 && near evidently:ed 0.15043460327593963 && near deepchecks:emd 0.10622960815585905'
test_expect 'what cannot be compared has its reason, and no tool aborts' '
    printf "a,b,c,d,e\n1,,2026-01-01,x1,5\n2,,2026-01-02,x2,6\n3,,2026-01-03,x3,7\n" >r.csv && printf "a,b,c,d,e\n1,,2026-01-01,y1,x\n2,,2026-01-02,y2,y\n2,,2026-01-03,y3,z\n" >c.csv &&
    for tool in evidently nannyml deepchecks scipy; do
        mlopsctl drift -r r.csv -c c.csv --compat $tool --json >out; [ $? -le 1 ] || exit
        jq -e "[.columns[] | select(.column == \"b\" or .column == \"c\" or .column == \"e\") | .why] == [\"no values\", \"times are left out\", \"of mixed types\"]" out || exit
    done'
test_expect 'exit status as the tool would decide: evidently by half of the columns' '
    awk -F, "BEGIN { OFS = \",\" } NR > 1 { \$4 = \$4 * 3 } 1" current.csv >moved.csv && mlopsctl drift -r reference.csv -c moved.csv --compat evidently --json >out &&
    jq -e ".drift == false and .drifted >= 1 and .share_drifted < 0.5" out && expect_code 1 mlopsctl drift -r reference.csv -c moved.csv --compat deepchecks >out && head -1 out | grep -q "^drift, as deepchecks"'
test_expect 'columns can be left out' '
    mlopsctl drift -r reference.csv -c moved.csv --compat deepchecks --ignore amount --json | jq -e "[.columns[].column] | index(\"amount\") == null"'
test_expect 'misuse says what to do' '
    expect_code 2 mlopsctl drift -r reference.csv -c current.csv --compat alibi 2>err && grep -q "evidently, nannyml" err &&
    expect_code 2 mlopsctl drift -r reference.csv -c current.csv --compat evidently:mmd 2>err && grep -q "mmd" err &&
    expect_code 2 mlopsctl drift -r reference.csv -c current.csv --compat scipy --html x.html 2>err && [ ! -e x.html ] &&
    expect_code 3 mlopsctl drift -r nothing.csv -c current.csv --compat scipy'
test_done
