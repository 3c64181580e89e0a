#!/bin/sh
# Drift over time: windows of the calendar and of rows, periods, rows without a time, and every form of the report.
. "${0%/*}/lib.sh"

python3 - <<'END'
import datetime, random
random.seed(4)
words = ['red', 'green', 'blue', 'grey']
def row(shift, missing, words): return ['%.4f' % random.gauss(shift, 1), random.choice(words), '' if random.random() < missing else str(random.randint(0, 9))]
with open('ref.csv', 'w') as f:
    f.write('x,w,gap\n' + ''.join(','.join(row(0, .05, words)) + '\n' for _ in range(3000)))
rows = []
for day in range(30):
    for k in range(120):
        t = datetime.datetime(2026, 9, 20) + datetime.timedelta(days=day, seconds=720 * k)
        rows.append([t.strftime('%Y-%m-%dT%H:%M:%SZ')] + row(1.5 if day == 25 else 0, .6 if day == 10 else .05, words))
def write(name, rows):
    with open(name, 'w') as f:
        f.write('t,x,w,gap\n' + ''.join(','.join(r) + '\n' for r in rows))
write('sorted.csv', rows)
random.shuffle(rows)
write('mixed.csv', rows)
write('holes.csv', rows + [['', '0.1', 'red', '3'], ['yesterday', '0.1', 'red', '3']])
END
drift() { mlopsctl drift -r ref.csv "$@"; }

test_expect 'each day by itself: the two days that changed, and what changed' '
    drift -c sorted.csv --window day --time t --json >out &&
    jq -e "[.windows[] | select(.verdict == \"drift\") | [.window, .worst]] == [[\"2026-09-30\", \"gap\"], [\"2026-10-15\", \"x\"]]" out &&
    jq -e ".windows | length == 30 and all(.[]; .rows == 120) and .[0].from == \"2026-09-20T00:00:00Z\" and .[0].to == \"2026-09-21T00:00:00Z\"" out'
test_expect 'the order of the rows is of no account' 'drift -c mixed.csv --window day --time t --json >b && cmp out b'
test_expect 'nor is where they stand: parts, a pipe, JSON Lines, --time-column' '
    { head -1 mixed.csv; sed -n "2,900p" mixed.csv; } >p1.csv && { head -1 mixed.csv; sed -n "901,\$p" mixed.csv; } >p2.csv &&
    drift -c p1.csv -c p2.csv --window day --time-column t --json >b && cmp out b &&
    "$MLOPSCTL" drift -r ref.csv -c - --window day --time t --json <mixed.csv >b && cmp out b &&
    python3 -c "
import csv, json
for r in csv.DictReader(open(\"mixed.csv\")): print(json.dumps({\"t\": r[\"t\"], \"x\": float(r[\"x\"]), \"w\": r[\"w\"], \"gap\": int(r[\"gap\"]) if r[\"gap\"] else None}))" >m.jsonl &&
    drift -c m.jsonl --window day --time t --json >b && cmp out b'
test_expect 'PSI of each column in each window' '
    jq -e ".window_psi.x | length == 30 and .[25] > 1 and .[24] < 0.3" out && jq -e ".window_psi | keys == [\"gap\", \"w\", \"x\"]" out'
test_expect 'the only column of times is found' 'drift -c sorted.csv --window day --json >b && jq -e ".windows | length == 30" b'
test_expect 'weeks begin on Monday, months on the first' '
    drift -c mixed.csv --window week --time t --json >b && jq -e "[.windows[].window] == [\"2026-09-14\", \"2026-09-21\", \"2026-09-28\", \"2026-10-05\", \"2026-10-12\", \"2026-10-19\"]" b &&
    drift -c mixed.csv --window month --time t --json >b && jq -e "[.windows[] | [.window, .rows]] == [[\"2026-09\", 1320], [\"2026-10\", 2280]]" b'
test_expect 'windows of rows, in order of the input' '
    drift -c sorted.csv --window 1200 --json >b && jq -e "[.windows[] | [.window, .rows, .from]] == [[\"rows 1 to 1200\", 1200, null], [\"rows 1201 to 2400\", 1200, null], [\"rows 2401 to 3600\", 1200, null]]" b'
test_expect 'on the terminal: the last windows, and a line for each column' '
    drift -c mixed.csv --window day --time t >b && grep -q "^2026-10-15 .*drift .* x " b && ! grep -q "^2026-09-30" b && grep -q "18 earlier windows, 1 of them with drift" b &&
    grep -q "^x  *▁.*█" b && drift -c mixed.csv --window day --time t --all >b && grep -q "^2026-09-30 .*drift .* gap " b'
test_expect 'rows without a time are in no window, and said' '
    drift -c holes.csv --window day --time t --json >b 2>err && grep -q "2 rows of the current data do not tell their time" err && jq -e "[.windows[].rows] | add == 3600" b'
test_expect 'a period of the current data, and of the reference' '
    drift -c mixed.csv --time t --from 2026-10-01 --to 2026-10-11 --json >b && jq -e ".rows_current == 1200" b &&
    expect_code 1 drift -c mixed.csv --time t --from 2026-10-15 --to 2026-10-16 >b && grep -q "most of all x" b &&
    expect_code 1 mlopsctl drift -r mixed.csv -c mixed.csv --reference-from 2026-10-01 --reference-to 2026-10-11T00:00:00Z --from 2026-10-15 --to 2026-10-16 --json >b && jq -e ".rows_reference == 1200 and .rows_current == 120" b'
test_expect 'the page, and the last window for Prometheus' '
    drift -c mixed.csv --window day --time t --html d.html --prometheus d.prom >b && grep -q "2 of 30 windows show drift, from 2026-09-20 to 2026-10-19" d.html &&
    [ "$(grep -o "<svg class=\"w\"" d.html | wc -l)" = 4 ] && grep -qx "mlopsctl_drift_window 0" d.prom && grep -qx "mlopsctl_drift_window_rows 120" d.prom &&
    grep -q "^mlopsctl_drift_window_psi{column=\"x\"} 0" d.prom && drift -c mixed.csv --window day --time t --to 2026-10-16 --prometheus d.prom && grep -qx "mlopsctl_drift_window 1" d.prom'
test_expect 'what makes no sense is said' '
    expect_code 2 drift -c mixed.csv --window year 2>err && grep -q "an hour, day, week, month or a number of rows" err &&
    expect_code 2 drift -c mixed.csv --window 1 2>err && grep -q "more than 1000 windows" err &&
    expect_code 2 drift -c mixed.csv --window day --time w 2>err && grep -q "holds no time that can be read" err &&
    expect_code 3 drift -c mixed.csv --window day --time when 2>err && grep -q "no column .when." err &&
    expect_code 2 drift -c mixed.csv --from 2026-10-02 --to 2026-10-01 2>err && grep -q "is not before" err &&
    expect_code 3 drift -c mixed.csv --from 2027-01-01 2>err && grep -q "3600 are of another" err &&
    expect_code 2 drift -c mixed.csv --from soon 2>err && grep -q "neither a time nor a duration" err &&
    mlopsctl profile ref.csv -o ref.profile && mlopsctl profile --like ref.profile ref.csv -o cur.profile &&
    expect_code 2 mlopsctl drift -r ref.profile -c cur.profile --window day 2>err && grep -q "is a profile: it keeps no rows" err'
test_done
