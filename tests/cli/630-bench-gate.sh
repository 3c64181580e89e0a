#!/bin/sh
# What a gate refuses: a baseline of another machine or model, a machine that is too noisy. What it takes along: a baseline as a file.
. "${0%/*}/lib.sh"
cp "$R/examples/credit/credit-1.4.0.onnx" credit.onnx
bench() { mlopsctl bench --warmup 300ms --duration 1500ms "$@"; }

test_expect 'a baseline as a file goes where there is no ledger' '
    bench credit.onnx --save-baseline native.json --no-record && jq -e ".schema == 1 and (.cases | length) == 1" native.json &&
    bench credit.onnx --against native.json --tolerance 9 --no-record --json >out && jq -e ".verdict == \"pass\" and .forced == null" out
'
test_expect 'one that is not there, is none, or is cut off' '
    expect_code 3 bench credit.onnx --against none.json 2>err && grep -q -- "--save-baseline .none.json. makes it" err &&
    echo "{\"schema\":1,\"cases\":[]}" >bad.json && expect_code 4 bench credit.onnx --against bad.json && head -c 200 native.json >cut.json && expect_code 4 bench credit.onnx --against cut.json
'
test_expect 'a model that is such a file is a model' '
    model=$G/boosters/cases/xgb-linear.json && { bench "$model" --against "$model" --tolerance 9 --no-record || [ $? -eq 7 ]; }
'
test_expect 'of another machine: refused, exit 6; with --force told and marked' '
    jq -c ".machine = \"Another, 4 CPUs\"" native.json >moved.json && expect_code 6 bench credit.onnx --against moved.json 2>err && grep -q "another machine: .Another, 4 CPUs." err &&
    bench credit.onnx --against moved.json --tolerance 9 --force --json >out 2>err && jq -e ".forced == \"machine\"" out && grep -q "machine differs" err &&
    run=$(mlopsctl log --json | jq -r ".runs[0].run") && mlopsctl show-run "$run" --json | jq -e "any(.metrics[]; .metric == \"forced\")"
'
test_expect 'of another model: refused, exit 6; with --force told and marked' '
    cp credit.onnx other.onnx && expect_code 6 bench other.onnx --against native.json 2>err && grep -q "another model: .credit.onnx." err &&
    bench other.onnx --against native.json --tolerance 9 --force --json >out && jq -e ".forced == \"model\"" out
'
test_expect 'what was forced does not stay on the next' 'bench credit.onnx --against native.json --tolerance 9 --json >out && jq -e ".forced == null" out'
test_expect 'another version of the model is what a baseline is for' '
    mkdir a b && cp credit.onnx a/model.onnx && cp "$R/examples/credit/credit-1.3.0.onnx" b/model.onnx && mlopsctl pack a -t credit:1.4.0 && mlopsctl pack b -t credit:1.3.0 &&
    bench credit:1.3.0 --save-baseline native && bench credit:1.4.0 --against native --tolerance 9
'
test_expect 'the machine is the same with fewer CPUs to use, under another name' '
    if have taskset; then taskset -c 0 sh -c "\"$MLOPSCTL\" bench credit.onnx --warmup 300ms --duration 1500ms --against native.json --tolerance 9 --no-record"; fi
'

# A kernel that says that other guests took half of the machine, while the benchmark runs.
cat >busy.sh <<'END'
busy_kernel()
{
    cp /proc/stat stat && mount --bind stat /proc/stat && {
        i=0
        while [ $i -lt 100 ]; do
            i=$((i + 1))
            echo "cpu  $((i * 100)) 0 0 0 0 0 0 $((i * 100)) 0 0" >stat
            sleep 0.1
        done &
        noise=$!
    }
}
END
if unshare -m sh -c 'mount --bind /proc/version /proc/stat' 2>/dev/null; then
    cat >noisy.sh <<'END'
"$MLOPSCTL" bench credit.onnx --against credit.onnx --tolerance 9 --warmup 300ms --duration 2s --no-record --json >out 2>err
echo $? >code
END
    test_expect 'too noisy: no verdict, exit 7, and why' '
        unshare -m sh -c ". ./busy.sh; busy_kernel; . ./noisy.sh; kill \$noise; wait"; [ "$(cat code)" = 7 ] && grep -q "no verdict: other guests took more than a tenth" err &&
        jq -e ".verdict == \"inconclusive\" and (.verdicts[0].why | startswith(\"other guests\")) and .verdicts[0].more == null" out
    '
else
    test_skip 'too noisy: no verdict, exit 7, and why' 'mounts of its own are not allowed here'
fi

container=$R/examples/bench/container.sh
if have runc && "$container" true 2>/dev/null; then
    test_expect 'in a container: the baseline of the ledger and the file are those of this machine' '
        CPUS= "$container" "$MLOPSCTL" bench credit.onnx --warmup 300ms --duration 1500ms --against native.json --tolerance 9 --no-record &&
        "$container" "$MLOPSCTL" bench credit:1.4.0 --warmup 300ms --duration 1500ms --against native --tolerance 9 --json >out && jq -e ".verdict == \"pass\"" out
    '
else
    test_skip 'in a container: the baseline of the ledger and the file are those of this machine' 'runc cannot run here'
fi
test_done
