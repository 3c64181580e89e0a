#!/bin/sh
# A request log as input: latency and failed requests as facts, beside tables, profiles and other logs; windows and periods.
. "${0%/*}/lib.sh"

python3 - <<'END'
import datetime, json, random
random.seed(8)
def log(name, n, scale, failing, rows=1):
    with open(name, 'w') as f:
        for i in range(n):
            t = datetime.datetime(2026, 10, 1) + datetime.timedelta(minutes=12 * i)
            bad = random.random() < failing
            for row in range(rows):
                r = {'time': t.strftime('%Y-%m-%dT%H:%M:%SZ'), 'id': '%x' % i, 'model': 'm:1@sha256:' + '0' * 8}
                if row == 0:
                    r.update(status=503 if bad else 404 if i % 50 == 0 else 200, latency_ms=round(scale * random.lognormvariate(0, .5), 3))
                else:
                    r.update(row=row)
                r.update(inputs={'x': round(random.gauss(0, 1), 4), 'w': random.choice('abc')})
                if not bad:
                    r.update(outputs={'score': round(random.random(), 4)})
                f.write(json.dumps(r) + '\n')
log('ref.jsonl', 3000, 20, 0.002)
log('same.jsonl', 2000, 20, 0.002)
log('slow.jsonl', 2000, 80, 0.002)
log('failing.jsonl', 2000, 20, 0.03)
log('few.jsonl', 30, 20, 0)
log('rows.jsonl', 1000, 20, 0.002, rows=3)
with open('few.jsonl', 'a') as f:
    f.write('{"time":"2026-10-01T00:00:00Z","id":"f","model":"m","status":500,"latency_ms":300}\n')
with open('train.csv', 'w') as f:
    f.write('x,w\n' + ''.join('%.4f,%s\n' % (random.gauss(0, 1), random.choice('abc')) for _ in range(3000)))
END
drift() { mlopsctl drift -r ref.jsonl "$@"; }
# fact NAME: of the last JSON report
fact() { jq -e --arg n "$1" '.facts[] | select(.name == $n or .fact == $n)' out; }

test_expect 'a log against a log: four facts of the service, none of them an alarm' '
    drift -c same.jsonl --json >out && [ "$(jq "[.facts[] | select(.kind == \"operation\")] | length" out)" = 4 ] && fact error_rate | jq -e ".verdict == \"stable\" and .limit == 0.01"'
test_expect 'the quantiles are those of the values, to 3 %' '
    for q in 50 95 99; do
        want=$(jq -s "[.[].latency_ms | select(. != null)] | sort | .[(length - 1) * $q / 100 | floor]" same.jsonl) &&
        fact latency_p${q}_ms | jq -e --argjson w "$want" "(.current / \$w - 1) | fabs < 0.035" || exit 1
    done'
test_expect 'slow answers are drift of operation, and of nothing else' '
    expect_code 1 drift -c slow.jsonl --json >out && fact latency_p95_ms | jq -e ".verdict == \"drift\" and .current > 150 and .reference < 50" &&
    drift -c slow.jsonl --fail-on feature,quality,prediction && expect_code 1 drift -c slow.jsonl | grep -q "^drift: latency_p95_ms"'
test_expect 'so are failed requests; those the client is to blame for are not' '
    expect_code 1 drift -c failing.jsonl --json >out && fact error_rate | jq -e ".verdict == \"drift\" and .current > 0.02 and .current < 0.04 and .p < 0.001" && fact latency_p95_ms | jq -e ".verdict == \"stable\""'
test_expect 'one failure among few requests proves nothing' '
    drift -c few.jsonl --json >out && fact error_rate | jq -e ".current > 0.03 and .verdict == \"stable\" and (.why | test(\"not surely above 1 %\"))"'
test_expect 'limits are settings' '
    printf "drift:\n  latency-p95-ms: 400\n  error-rate: 0.1\n" >mlops.yaml && drift -c slow.jsonl && drift -c failing.jsonl && printf "drift:\n  latency-p95-ms: 30\n" >mlops.yaml && expect_code 1 drift -c same.jsonl; got=$?; rm mlops.yaml; [ $got = 0 ]'
test_expect 'requests are counted once, whatever rows they have' '
    drift -c rows.jsonl --json >out && fact error_rate | jq -e ".why | test(\"of 1000 requests\")" && jq -e ".rows_current == 3000" out'
test_expect 'a log against the training data, and its profile' '
    expect_code 1 mlopsctl drift -r train.csv -c failing.jsonl --json >out && fact error_rate | jq -e ".verdict == \"drift\" and .reference == null" &&
    jq -e "[.columns[] | select(.column == \"x\") | .verdict] == [\"stable\"]" out && jq -e "[.columns[] | select(.column == \"latency_ms\" or .column == \"status\" or .column == \"time\" or .column == \"model\") | .verdict] | unique == [\"ignored\"]" out &&
    mlopsctl profile train.csv -o train.profile && mlopsctl profile --like train.profile failing.jsonl -o cur.profile && expect_code 1 mlopsctl drift -r train.profile -c cur.profile --json >b && cmp out b'
test_expect 'shards of a log merge to the same facts' '
    mlopsctl profile ref.jsonl -o ref.profile && head -700 slow.jsonl >s1.jsonl && tail -n +701 slow.jsonl >s2.jsonl &&
    for i in 1 2; do mlopsctl profile --like ref.profile s$i.jsonl -o s$i.profile || exit 1; done && mlopsctl profile merge s1.profile s2.profile -o all.profile &&
    mlopsctl profile --like ref.profile slow.jsonl -o whole.profile && cmp all.profile whole.profile && expect_code 1 drift -c all.profile --json >a && expect_code 1 drift -c slow.jsonl --json >b && cmp a b'
test_expect 'a period of the log, and windows over it' '
    drift -c slow.jsonl --to 2026-10-01 2>err; grep -q "no rows of that time" err && expect_code 1 drift -c slow.jsonl --from 2026-10-02 --to 2026-10-05 --window day --json >out &&
    jq -e ".rows_current == 360 and [.windows[].rows] == [120, 120, 120]" out && fact latency_p95_ms | jq -e ".verdict == \"drift\""'
test_expect 'the log may be compressed, piped and in parts' '
    gzip -k slow.jsonl && expect_code 1 drift -c s1.jsonl -c s2.jsonl --json >b && cmp a b && expect_code 1 drift -c slow.jsonl.gz --json >b && cmp a b && expect_code 1 sh -c "\"\$MLOPSCTL\" drift -r ref.jsonl -c - --format log --json <slow.jsonl >b" && cmp a b'
test_expect 'the other forms have the facts' '
    expect_code 1 drift -c slow.jsonl --html d.html --junit d.xml --prometheus d.prom --github 2>err && grep -q "latency_p95_ms" d.html && grep -q "classname=\"drift.operation\" name=\"latency_p95_ms\"" d.xml && grep -q "latency_p95_ms" d.prom && grep -q "^::error title=drift in latency_p95_ms" err'
test_done
