#!/bin/sh
# One side inside a wrapper, the other outside: what passes, what fails, what is refused. A container is such a wrapper.
. "${0%/*}/lib.sh"
tool="$R/build/gcc/tools/target-bench"
[ -x "$tool" ] || make -s -C "$R" build/gcc/tools/target-bench >/dev/null
cp "$R/examples/credit/credit-1.4.0.onnx" credit.onnx
bench() { mlopsctl bench --warmup 500ms "$@"; }
# Equal sides on whatever machine this is: a wide tolerance; what is slower is slower by more than that.
native() { bench credit.onnx --batch 64 --against native --tolerance 0.5 --duration 10s "$@"; }

test_expect 'our engine speaks the line protocol' '
    bench credit.onnx --target "command:$MLOPSCTL bench credit.onnx --answer" --duration 1s --json >out &&
    jq -e ".batches[0].p50_ns > 0 and .batches[0].p50_ns < 20000000" out
'
test_expect 'what it is not asked for in the protocol ends it with a reason' '
    expect_code 4 mlopsctl bench credit.onnx --answer </dev/null 2>err && grep -q "no first line" err &&
    echo "{\"version\":1,\"requests\":[{\"inputs\":[]}]}" | expect_code 4 mlopsctl bench credit.onnx --answer 2>err && grep -q "is missing" err &&
    expect_code 3 mlopsctl bench none.onnx --answer </dev/null && [ "$(mlopsctl log --json | jq ".runs | length")" = 1 ]
'
test_expect 'a wrapper that changes nothing passes' 'native --wrap "env -u NONE" --json >out && jq -e ".verdict == \"pass\"" out'
test_expect 'one that makes it slower fails with exit 1' '
    expect_code 1 native --wrap "$tool slow 100" --json >out && jq -e ".verdicts[0].low > 1.5 and .verdicts[0].ratio < 3" out
'
test_expect 'alone it is measured inside' 'bench credit.onnx --wrap "$tool slow 10" --duration 1s && mlopsctl bench credit.onnx --wrap "$tool slow 10" --history --json >out && jq -e "(.history | length) == 1" out'
test_expect 'a bundle is found inside, too, and a model beside it stays outside' '
    mkdir m && cp credit.onnx m/model.onnx && mlopsctl pack m -t credit:1 && bench credit:1 --wrap "env A=1" --against native --tolerance 9 --duration 2s &&
    bench credit:1 --wrap env --against credit.onnx --tolerance 9 --duration 2s
'
test_expect 'another model of the same name inside is refused' '
    mkdir elsewhere && cp "$R/examples/credit/credit-1.3.0.onnx" elsewhere/credit.onnx &&
    expect_code 5 bench credit.onnx --wrap "env -C elsewhere" 2>err && grep -q "the model here is another" err
'
test_expect 'a wrapper that is not there, or swallows the command, is told' '
    expect_code 5 bench credit.onnx --wrap ./none 2>err && grep -q "status 127" err && grep -q "not found" err &&
    must_fail bench credit.onnx --wrap "echo hello" 2>err && grep -q "hello" err && grep -q "^hint: a wrapper runs the words behind it" err
'
test_expect 'one that ends without an answer: its status, and what to try' '
    expect_code 5 bench credit.onnx --wrap false 2>err && grep -q "wrapper .false.: ended with exit status 1 before it was ready" err && grep -q "^hint: .*try: false .*mlopsctl version$" err &&
    expect_code 5 bench credit.onnx --wrap true --json 2>err && jq -e ".error.hint | contains(\"true\")" err && expect_code 5 bench credit.onnx --target command:true 2>err && grep -q "^hint: .*line protocol" err
'
test_expect 'of what is said inside, the fault is shown and not its hint' '
    expect_code 5 bench credit.onnx --wrap "env -C /" 2>err && grep -q "its last message: mlopsctl: bench: .credit.onnx. is neither" err
'
test_expect 'a wrapper goes with no other target, and must be something' '
    expect_code 2 bench credit.onnx --wrap nice --target http://127.0.0.1:9/ && expect_code 2 bench credit.onnx --wrap ""
'

container=$R/examples/bench/container.sh
if ! have runc && ! have crun; then
    test_skip 'in a container' 'neither runc nor crun is installed'
elif ! "$container" true 2>why; then
    test_skip 'in a container' "no container can run here: $(tail -1 why)"
else
    test_expect 'in a container: as fast as outside' 'native --wrap "$container" --json >out && jq -e ".verdict == \"pass\"" out'
    test_expect 'in a container with a planted slowdown: exit 1' '
        expect_code 1 native --wrap "$container $tool slow 100" --json >out && jq -e ".verdict == \"fail\" and .verdicts[0].low > 1.5" out
    '
    test_expect 'its status is that of the command, and nothing of it stays' '
        mkdir tmp && export TMPDIR="$PWD/tmp" && expect_code 7 "$container" sh -c "exit 7" && [ -z "$(ls tmp)" ]
    '
fi
# crun refuses machines that mix both versions of control groups: there it is shown one of them.
one_version() { unshare -m sh -c 'mount -t cgroup2 none /sys/fs/cgroup && exec "$@"' sh "$@"; }
if ! have crun; then
    test_skip 'in a container of crun' 'crun is not installed'
elif RUNTIME=crun "$container" true 2>why || { grep -q 'hybrid mode' why && RUNTIME=crun one_version "$container" true 2>why; }; then
    test_expect 'in a container of crun' '
        one=; RUNTIME=crun "$container" true || one=one_version; export RUNTIME=crun;
        $one "$container" sh -c "exit 7"; [ $? -eq 7 ] &&
        $one "$MLOPSCTL" bench credit.onnx --warmup 100ms --wrap "$container" --duration 300ms --no-record --json >out && jq -e ".batches[0].p50_ns > 0" out
    '
else
    test_skip 'in a container of crun' "crun cannot run here: $(tail -1 why)"
fi
test_done
