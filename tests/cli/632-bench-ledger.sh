#!/bin/sh
# What the ledger says of benches: how each ended, by its true exit status; a baseline in a file is taken back like one with a name.
. "${0%/*}/lib.sh"
cp "$G/onnx/pipelines/ridge/model.onnx" m.onnx
bench() { mlopsctl bench m.onnx --duration 300ms --warmup 100ms "$@"; }
last() { mlopsctl log --json | jq -c '.runs[0]'; }
# ended OUTCOME EXIT STATUS: of the last run, in log and show-run, as JSON and as text
ended()
{
    run=$(last | jq .run) && [ "$(last | jq -r '[.status, .outcome] | join(" ")')" = "done $1" ] &&
        mlopsctl show-run "$run" --json | jq -e ".outcome == \"$1\" and .exit_code == $2 and .status == \"done\"" &&
        mlopsctl log | grep "^ *$run .*done: $1" && mlopsctl show-run "$run" | grep "^outcome *$1"
}

test_expect 'what is held against nothing has no outcome' '
    bench --save-baseline native.json && [ "$(last | jq -r "[.status, .outcome] | tojson")" = "[\"done\",null]" ] && mlopsctl log | grep -q " done  *bench"
'
test_expect 'pass and fail' '
    bench --against native.json --tolerance 9 && ended pass 0 &&
    jq -c ".cases[].medians_ns |= map(. / 10)" native.json >quick.json && expect_code 1 bench --against quick.json && ended fail 1
'
test_expect 'no verdict: done all the same, exit 7 here and there, and the result is kept' '
    jq -c ".cases[] |= (.cpu_ticks = 100 | .stolen_ticks = 50)" native.json >taken.json && expect_code 7 bench --against taken.json && ended inconclusive 7 &&
    mlopsctl show-run "$run" --json | jq -e "any(.artifacts[]; .kind == \"bench\") and any(.metrics[]; .metric == \"verdict\" and .value == 7)"
'
test_expect 'a failure is none of them' '
    expect_code 5 bench --target http://127.0.0.1:9/ && [ "$(last | jq -r "[.status, .outcome] | tojson")" = "[\"failed\",null]" ]
'
test_expect 'interrupted: done, by the signal, and no baseline' '
    expect_code 130 timeout --foreground --preserve-status -s INT 3 "$MLOPSCTL" bench m.onnx --warmup 50ms --duration 30s --save-baseline never.json && ended interrupted 130 && [ ! -e never.json ]
'
test_expect 'a baseline in a file is an effect: a rollback removes what was new' '
    bench --save-baseline new.json && run=$(last | jq .run) && mlopsctl show-run "$run" --json | jq -e ".effects | length == 1 and .[0].kind == \"file\" and .[0].before == null" &&
    mlopsctl rollback "$run" && [ ! -e new.json ]
'
test_expect '... and brings back what it held, with its mode; that can be undone, too' '
    bench --save-baseline b.json && chmod 600 b.json && cp b.json first && bench --save-baseline b.json && cp b.json second && ! cmp -s first second && run=$(last | jq .run) &&
    mlopsctl rollback "$run" && cmp b.json first && [ "$(stat -c %a b.json)" = 600 ] && mlopsctl rollback "$(last | jq .run)" && cmp b.json second && mlopsctl verify --all
'
test_expect 'gc keeps what a rollback needs' '
    bench --save-baseline c.json && cp c.json first && bench --save-baseline c.json && run=$(last | jq .run) && mlopsctl gc && mlopsctl rollback "$run" && cmp c.json first
'
test_expect 'what was changed since is left alone' '
    bench --save-baseline d.json && run=$(last | jq .run) && echo >>d.json && expect_code 6 mlopsctl rollback "$run" 2>err && grep -q "was changed since" err && [ -f d.json ]
'
test_expect 'what is no baseline is not replaced, unless forced; and then it comes back' '
    echo "{\"learner\":{}}" >model.json && cp model.json kept && expect_code 6 bench --save-baseline model.json 2>err && grep -q "not a baseline" err && cmp model.json kept &&
    bench --save-baseline model.json --force && jq -e .cases model.json && mlopsctl rollback "$(last | jq .run)" && cmp model.json kept
'
test_expect 'without a run nothing can be taken back, and nothing is recorded' '
    n=$(last | jq .run) && bench --save-baseline e.json --no-record && [ "$(last | jq .run)" = "$n" ] && jq -e .cases e.json
'
test_expect 'a rollback of a rollback of what cannot be made again says so' '
    tiny_model w.safetensors && mlopsctl pack w.safetensors -t w:1 && mlopsctl export w:1 -o w.tar && mlopsctl rollback --last && expect_code 3 mlopsctl rollback "$(last | jq .run)" 2>err && grep -q "not in the store" err &&
    mlopsctl unpack w:1 -o folder && mlopsctl rollback --last && expect_code 3 mlopsctl rollback "$(last | jq .run)" 2>err && grep -q "unpack the bundle again" err
'
test_done
