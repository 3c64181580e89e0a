#!/bin/sh
# Targets that stall, die, answer errors or garbage, Ctrl-C meanwhile, and a clock that is set back: bench ends soon, by a documented
# status, says what came, keeps what was measured, and leaves no process behind.
. "${0%/*}/lib.sh"
cp "$G/onnx/pipelines/ridge/model.onnx" m.onnx
bench() { mlopsctl bench m.onnx --duration 1s --warmup 200ms --no-record "$@"; }
: >servers # started by tests, which are shells of their own
trap 'xargs -r kill <servers 2>/dev/null; chmod -R u+rwX "$T" 2>/dev/null; rm -rf "$T"' EXIT
# serve HOW [AFTER]: a server that does it; its URL is $url
serve()
{
    rm -f port
    python3 "$R/tests/tools/bad-server.py" port "$@" &
    server=$! && echo "$server" >>servers
    until [ -s port ]; do sleep 0.05; done
    url=http://127.0.0.1:$(cat port)/
}
# fails HOW CODE WORDS: from the first request on
fails()
{
    serve "$1" && expect_code "$2" bench --target "$url" 2>err && { grep -q "$3" err || { cat err; return 1; }; } && kill "$server" && wait "$server"
    [ $? -le 143 ]
}
test_expect 'a server that answers nothing good: the first failure is told' '
    fails error 5 "500" && fails text 4 "html" && fails noise 5 "" && fails half 5 "" && fails close 5 "" && fails moved 5 "307" && fails large 4 ""
'
test_expect 'JSON without outputs is no answer where a model is asked for by name; else it is one' '
    serve json && bench --target "$url" && serve json && { bench --target "${url}x?y=1" || [ $? -eq 2 ]; }
'
test_expect 'a server that dies in the middle: a failure, or some that are counted' '
    serve die 300 && { bench --target "$url" --json >out 2>err; [ $? = 5 ] || jq -e ".details[0].failures > 0" out; } && grep -q "refused\|closed\|connect\|no answer" err
'
test_expect 'Ctrl-C while a server says nothing, or a byte a second' '
    for how in stall drip; do
        serve $how && from=$(date +%s) && expect_code 130 timeout --foreground --preserve-status -s INT 2 "$MLOPSCTL" bench m.onnx --no-record --target "$url" && [ $(($(date +%s) - from)) -lt 12 ] || exit 1
    done
'
test_expect 'Ctrl-C while a server stalls after good answers: they are shown and kept, marked' '
    serve stall 2000 && expect_code 130 timeout --foreground --preserve-status -s INT 5 "$MLOPSCTL" bench m.onnx --warmup 100ms --duration 60s --target "$url" --json >out && jq -e ".interrupted" out && mlopsctl log --json | jq -e ".runs[0].outcome == \"interrupted\""
'

# Answers three requests, then does what HOW says.
cat >says.sh <<'PROGRAM'
read -r hello
echo mlopsctl-bench 1
while read -r run n; do
    case $n in [0-2]) echo "ok $n" ;; *) eval "$HOW" ;; esac
done
PROGRAM
program() # CODE WORDS HOW
{
    HOW=$3 && export HOW && expect_code "$1" bench --target "command:exec sh $PWD/says.sh" 2>err && { grep -q "$2" err || { cat err; return 1; }; } && ! pgrep -f "$PWD/says.sh"
}
test_expect 'a program that dies, by itself and by a signal' '
    program 5 "ended with exit status 7 in answer to request 3" "exit 7" && program 5 "was ended by signal 9" "kill -KILL \$\$" && program 5 "its last message: out of memory" "echo out of memory >&2; exit 1" && program 5 "closed its output" "exec >&-; sleep 100"
'
test_expect 'a program that answers garbage' '
    program 4 "no answer.*banana" "echo banana" && program 4 "more than one line" "printf \"ok %s\\nok %s\\n\" \$n \$n; sleep 1" && program 4 "no answer" "echo ok 1\$n" && program 4 "4096 bytes" "head -c 9000 /dev/zero | tr \"\\\\0\" x" && program 4 "no answer" "printf \"ok %s\\\\000\\\\n\" \$n"
'
test_expect 'a program that fails requests: counted, and told; one that fails all has no result' '
    HOW="case \$n in *7) echo error \$n out of luck ;; *) echo ok \$n ;; esac" && export HOW && bench --target "command:exec sh $PWD/says.sh" --json >out 2>err && jq -e ".details[0].failures > 0" out && grep -q "failed, the first: .*out of luck" err &&
    program 5 "error in answer to request 3: no luck" "echo error \$n no luck"
'
test_expect 'Ctrl-C while a program says nothing, before it is ready and after: it is ended with what it started' '
    for line in "sleep 1000" "read -r h; echo mlopsctl-bench 1; sleep 1000; :"; do
        expect_code 130 timeout --foreground --preserve-status -s INT 2 "$MLOPSCTL" bench m.onnx --no-record --target "command:: $$; $line" || exit 1
        ! pgrep -f ": $$; sleep 100[0]" || exit 1
    done
'
lib=$(find /usr/lib -name libfaketime.so.1 2>/dev/null | head -1)
if [ -n "$lib" ] && LD_PRELOAD=$lib FAKETIME=+1h "$PLAIN" version >/dev/null 2>&1; then
    test_expect 'a clock that is set back by an hour, and forward: it ends, and figures are sane' '
        for jump in -1h/0.4 -1h/1.2 +1h/1.2; do
            pause=${jump#*/} jump=${jump%/*}
            echo "+0" >clock && { sleep $pause; echo "$jump" >clock.new; mv clock.new clock; } &
            LD_PRELOAD=$lib FAKETIME_TIMESTAMP_FILE=$PWD/clock FAKETIME_NO_CACHE=1 timeout 40 "$PLAIN" bench m.onnx --no-record --duration 2s --warmup 1s --json >out && wait &&
            jq -e ".batches[0] | .p50_ns > 0 and .p50_ns < 60e9 and .p50_ns <= .p90_ns" out || exit 1
        done
    '
else
    test_skip 'a clock that is set back' 'libfaketime is not installed'
fi
test_done
