#!/bin/sh
# monitor: the streams of River's documentation, errors out of labels and predictions, times, states, misuse.
. "${0%/*}/lib.sh"

cp "$G/stats/stream-bits.csv" "$G/stats/stream-steps.csv" .
# events FILTER OPTIONS...: rows of those that are drifts or warnings.
events()
{
    kind=$1
    shift
    mlopsctl monitor --json "$@" | jq -r ".events[] | select(.signal == \"$kind\") | .row"
}

test_expect 'ADWIN and Page-Hinkley find the step where River does (its index + 1)' '
    [ "$(events drift stream-steps.csv -c x)" = 1024 ] && [ "$(events drift stream-steps.csv -c x -d page-hinkley)" = 1007 ]'
test_expect 'DDM, EDDM and HDDM too' '
    [ "$(events drift stream-bits.csv -c x -d ddm)" = 1335 ] && events warning stream-bits.csv -c x -d ddm | head -1 | grep -qx 1085 &&
    [ "$(events drift stream-bits.csv -c x -d eddm:warning=0.8,drift=0.75)" = 1279 ] && [ "$(events drift stream-bits.csv -c x -d hddm-a)" = 1207 ] &&
    [ "$(events drift stream-bits.csv -c x -d hddm-w)" = 1078 ]'
test_expect 'drift is exit status 1, none is 0' '
    expect_code 1 mlopsctl monitor stream-steps.csv -c x >out && grep -q "^drift: rows: 2000, drifts: 1" out &&
    head -1001 stream-steps.csv >calm.csv && mlopsctl monitor calm.csv -c x -d adwin -d kswin -d page-hinkley >out && grep -q "^no drift: rows: 1000" out'
test_expect 'standard input, gzip and JSON Lines are the same stream' '
    gzip -k stream-steps.csv && { echo; sed "1d;s/.*/{\"x\":&}/" stream-steps.csv; } | sed 1d >steps.jsonl &&
    for f in stream-steps.csv.gz steps.jsonl; do [ "$(events drift $f -c x)" = 1024 ] || exit; done &&
    [ "$("$MLOPSCTL" monitor - -c x --json <stream-steps.csv | jq -r ".events[0].row")" = 1024 ]'

cat >make.awk <<'END'
BEGIN { print "when,paid,answer,class,guess,score"
    for (i = 1; i <= 3000; i++) {
        s = (s * 1103515245 + 12345) % 2147483648; u = s / 2147483648
        y = i % 2; wrong = u < (i <= 1500 ? 0.1 : 0.5); p = wrong ? 1 - y : y
        printf "2026-01-01T%02d:%02d:00Z,%d,%d,%s,%s,%.2f\n", int(i / 60) % 24, i % 60, y, p, y ? "good" : "bad", p ? "good" : "bad", p ? 0.9 : 0.2
    }
}
END
awk -f make.awk >answers.csv
test_expect 'labels and predictions make the stream of errors: numbers, words, a score beside its threshold' '
    events drift answers.csv --label paid --prediction answer >a && events drift answers.csv --label class --prediction guess >b &&
    events drift answers.csv --label paid --prediction score --threshold 0.5 >c && cmp a b && cmp a c &&
    [ "$(wc -l <a)" = 1 ] && [ "$(cat a)" -gt 1500 ] && [ "$(cat a)" -lt 1700 ]'
test_expect 'a score without one is a distance' '
    mlopsctl monitor answers.csv --label paid --prediction score --json | jq -e "[.events[].value] | all(. > 0 and . < 1)" &&
    expect_code 2 mlopsctl monitor answers.csv --label paid --prediction score -d ddm 2>err && grep -q "ddm needs 0 and 1" err'
test_expect 'events have their time, from the only column of times' '
    mlopsctl monitor answers.csv --label paid --prediction answer --json | jq -e ".events[0].time | startswith(\"2026-01-01T\")"'
all="--label paid --prediction answer -d adwin -d ddm -d eddm -d hddm-a -d hddm-w -d page-hinkley:threshold=10 -d kswin"
# shellcheck disable=SC2016 # words of $all
test_expect 'a state goes on where the run before ended' '
    sed -n "1,1201p" answers.csv >one.csv && { head -1 answers.csv; sed "1,1201d" answers.csv; } >two.csv &&
    expect_code 1 mlopsctl monitor answers.csv $all --state whole --json >w &&
    { mlopsctl monitor one.csv $all --state parts --json >p1; mlopsctl monitor two.csv $all --state parts --json >p2; cmp whole parts; } &&
    jq -s "(.[0].events) == (.[1].events + .[2].events)" w p1 p2 | grep -qx true'
test_expect 'a state of something else is refused and stays' '
    cp whole kept && expect_code 2 mlopsctl monitor answers.csv -c paid --state whole 2>err && grep -q "other columns" err &&
    expect_code 2 mlopsctl monitor answers.csv --label paid --prediction answer -d adwin --state whole 2>err &&
    echo "{}" >bad && expect_code 4 mlopsctl monitor answers.csv -c paid --state bad 2>err && grep -q "no state" err &&
    sed "s/0x/zz/" whole >bad && expect_code 4 mlopsctl monitor answers.csv $all --state bad 2>err && cmp whole kept'
test_expect 'missing values are passed over and told' '
    printf "a,b\n1,2\n,3\nNaN,4\n5,6\n7\n" >gaps.csv && mlopsctl monitor gaps.csv -c a --json >out 2>err && jq -e ".rows == 4 and .skipped == 2 and .ragged == 1" out'
test_expect 'misuse says what to do' '
    expect_code 2 mlopsctl monitor stream-steps.csv 2>err && grep -q "no column was named" err &&
    expect_code 2 mlopsctl monitor answers.csv --label paid 2>err && grep -q "go together" err &&
    expect_code 3 mlopsctl monitor answers.csv -c pad 2>err && grep -q "did you mean .paid" err &&
    expect_code 2 mlopsctl monitor answers.csv -c class 2>err && grep -q "no numbers" err &&
    expect_code 2 mlopsctl monitor stream-steps.csv -c x -d adwim 2>err && grep -q "no detector .adwim" err &&
    expect_code 2 mlopsctl monitor stream-steps.csv -c x -d adwin:delta=2 2>err && grep -q "between 0 and 1" err &&
    expect_code 2 mlopsctl monitor stream-steps.csv -c x -d adwin:delta 2>err && grep -q "KEY=VALUE" err &&
    expect_code 2 mlopsctl monitor stream-steps.csv -c x --time x 2>err && grep -q "times" err &&
    expect_code 3 mlopsctl monitor nothing.csv -c x'
test_done
