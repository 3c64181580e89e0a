#!/bin/sh
# --backend: models on a device that is this CPU (tests/fakes/device.c): the same answers, and each way in which it can fail.
. "${0%/*}/lib.sh"
fakes=$R/tests/fakes models=$G/onnx/pipelines rows=$G/predict
if ! command -v cc >/dev/null; then skip_all 'no C compiler'; fi
mkdir plugins driver
cc -shared -fPIC -o driver/libcuda.so.1 "$fakes/libcuda.c" &&
    cc -O2 -D_GNU_SOURCE -shared -fPIC -I "$R/include" -o plugins/mlopsctl-cuda.so "$fakes/device.c" -lm || exit 1
chmod 755 plugins/mlopsctl-cuda.so
export LD_LIBRARY_PATH="$PWD/driver" MLOPSCTL_PLUGINS="$PWD/plugins"

# on NAME BACKEND [VARIABLE=VALUE...]: predicts the rows of that name into `out`, what is said into `err`; programs and runs are in `log`
on()
{
    (
        name=$1 backend=$2
        shift 2
        rm -f log
        [ $# -eq 0 ] || export "$@"
        export FAKE_DEVICE_LOG=log
        mlopsctl predict "$models/$name/model.onnx" "$rows/$name.csv" --backend "$backend" --threads 1 >out 2>err
    )
}
# same NAME PROGRAM: the GPU runs this program, and answers what the CPU does
same()
{
    on "$1" cpu && mv out cpu && on "$1" cuda && cmp cpu out && grep -qx "program $2" log && grep -q '^run$' log && ! grep -q 'the CPU computed' err
}

test_expect 'trees of three classes' 'same boosting-3 "rank ranked trees"'
test_expect 'trees of a regressor' 'same boosting-regressor "rank ranked trees"'
test_expect 'columns filled in, scaled and put together, and trees, are one program behind the texts of the CPU' 'same columns-forest "replace scale place place place rank ranked trees"'
test_expect 'XGBoost, by way of ONNX' 'same xgboost "rank ranked trees"'
test_expect 'a network behind a scaler' 'same mlp "scale dense dense"'
test_expect 'nobody asks for a GPU: nothing is opened' '
    on mlp cpu && ! test -e log && mlopsctl predict "$models/mlp/model.onnx" "$rows/mlp.csv" >plain 2>/dev/null && cmp plain out && ! test -e log
'
test_expect 'rows in several programs: whole batches, and what is left' '
    mlopsctl predict "$models/mlp/model.onnx" "$rows/mlp.csv" >cpu 2>/dev/null && FAKE_DEVICE_LOG=log2 mlopsctl predict "$models/mlp/model.onnx" "$rows/mlp.csv" --backend cuda --batch 7 --threads 1 >out &&
    cmp cpu out && [ "$(grep -c program log2)" -ge 2 ]
'

# falls BACKEND TEXT: the CPU answers, and the reason is told
falls() { cmp cpu out && grep -q "$1" err || { cat err; false; }; }
on mlp cpu && mv out cpu
test_expect 'auto: a model that no device can run, and which node it is' '
    on svc cpu && mv out other && on svc auto && cmp other out && grep -q "the CPU computes: node .SVMc. (SVMClassifier): the device has no such operator" err && ! test -e log
'
test_expect 'cuda: the same is exit 7' 'on svc cuda; [ $? -eq 7 ] && grep -q "cannot run this model: node .SVMc." err && ! test -s out'
test_expect 'auto: a device that is lost between two runs' 'on mlp auto FAKE_DEVICE_LOST=2 && falls "the device is lost: it fell off the bus"'
test_expect 'auto: a device that is lost in the first run' 'on mlp auto FAKE_DEVICE_LOST=0 && falls "the device is lost: it fell off the bus" && [ "$(grep -c lost log)" -eq 1 ]'
test_expect 'cuda: the same is exit 7' 'on mlp cuda FAKE_DEVICE_LOST=2; [ $? -eq 7 ] && grep -q "the device is lost: it fell off the bus" err'
test_expect 'auto: no memory for a program' 'on mlp auto FAKE_DEVICE_FULL=1000 && falls "the device.s memory is full"'
test_expect 'cuda: the same is exit 7' 'on mlp cuda FAKE_DEVICE_FULL=2000; [ $? -eq 7 ] && grep -q "memory is full: [0-9]* bytes are not there" err'
test_expect 'auto: no memory for the weights' 'on mlp auto FAKE_DEVICE_NO_WEIGHTS=1 && falls "the CPU computes: the weights do not get to the device: out of memory"'
test_expect 'cuda: the same is exit 7' 'on mlp cuda FAKE_DEVICE_NO_WEIGHTS=1; [ $? -eq 7 ]'
test_expect 'auto: a device that computes something else is not believed' 'on mlp auto FAKE_DEVICE_WRONG=1 && falls "what the device answers is not what the CPU does: output .* is off by"'
test_expect 'cuda: the same is exit 7' 'on mlp cuda FAKE_DEVICE_WRONG=1; [ $? -eq 7 ] && grep -q "not what the CPU does" err'
test_expect 'auto: no plugin' 'on mlp auto MLOPSCTL_PLUGINS="$PWD/driver" && falls "the CPU computes: the plugin mlopsctl-cuda.so is not installed"'
test_expect 'cuda: an old driver is exit 7' 'on mlp cuda FAKE_CUDA_VERSION=12040; [ $? -eq 7 ] && grep -q "too old" err'

test_expect 'auto: a slow device is not asked again, and what was measured is told' '
    on mlp auto FAKE_DEVICE_COST=30000 && cmp cpu out && grep -q "the CPU is faster: up to 1 rows were tried" err && [ "$(grep -c run log)" -eq 5 ]
'
test_expect 'backends MODEL: the times of both sides, in a table and in JSON' '
    mlopsctl backends "$models/mlp/model.onnx" >out && grep -q "^ROWS  *CPU  *GPU  *FASTER" out && grep -Eq "^ *1 .* cpu$" out &&
    mlopsctl backends "$models/mlp/model.onnx" --json | jq -e "(.model_backend == \"This CPU\") and .model_reason == null and (.crossover | length >= 1 and all(.rows >= 1 and .cpu_ns > 0 and .gpu_ns > 0 and .faster == \"cpu\"))" &&
    mlopsctl backends "$models/svc/model.onnx" --json | jq -e ".crossover == [] and .reason == null and .model_backend == \"cpu\" and (.model_reason | contains(\"SVMClassifier\"))" && mlopsctl backends "$models/svc/model.onnx" 2>err && grep -q "SVMClassifier" err &&
    expect_code 2 mlopsctl backends "$models/mlp/model.onnx" --dim x
'
test_expect 'cuda: a slow device is asked' 'on mlp cuda FAKE_DEVICE_COST=30000 && cmp cpu out && ! grep -q faster err'
# near TOLERANCE: the numbers of `out` are those of `cpu` but for so much
near() { python3 - "$1" <<X
import csv, sys
a, b = (list(csv.reader(open(f)))[1:] for f in ("cpu", "out"))
worst = max(abs(float(x) - float(y)) for r, s in zip(a, b) for x, y in zip(r, s))
print(worst)
sys.exit(not (len(a) == len(b) and worst <= float(sys.argv[1])))
X
}
test_expect 'halves: networks are converted where they begin and end, and answer nearly the same' '
    for p in fp16:0.002 bf16:0.02; do
        for b in cpu cuda; do
            precision=; [ $b = cpu ] || precision="--precision ${p%:*}"
            FAKE_DEVICE_LOG=log5 mlopsctl predict "$models/mlp/model.onnx" "$rows/mlp.csv" --proba --backend $b $precision >out.$b || exit 1
        done
        mv out.cpu cpu && mv out.cuda out && ! cmp -s cpu out && near "${p#*:}" || exit 1
    done
    grep -q "^program scale convert dense dense.* convert$" log5
'
test_expect 'trees are of floats whatever the precision: the same bytes' '
    on boosting-3 cpu && mv out cpu && mlopsctl predict "$models/boosting-3/model.onnx" "$rows/boosting-3.csv" --backend cuda --precision bf16 >out && cmp cpu out
'
test_expect 'a precision that the CPU has not is exit 7' '
    for p in fp16 int8 fp8; do
        mlopsctl predict "$models/mlp/model.onnx" "$rows/mlp.csv" --precision $p 2>err; [ $? -eq 7 ] && grep -q "the CPU computes in what the model is written in, not in $p" err || exit 1
    done
'
# speeds MODEL PRECISION BATCH: the program of a bench is in `log7`
speeds() { FAKE_DEVICE_LOG=log7 mlopsctl bench "$G/onnx/$1/model.onnx" --backend cuda --precision "$2" --batch "$3" --dim sequence=3 --duration 10ms --warmup 1ms --no-record >out 2>err; }
bytes='quantize rows dense of bytes'
test_expect 'a network in bytes: large layers, between floats of 16 bits; small ones stay floats' '
    for p in int8:9 fp8:1; do
        rm -f log7 && speeds networks/mlp ${p%:*} ${p#*:} && grep -qx "program convert $bytes $bytes dense softmax convert" log7 || exit 1
    done
'
test_expect 'an encoder in bytes' '
    rm -f log7 && speeds encoders/torch int8 1 && grep -q "norm quantize rows .*dense of bytes attention.* $bytes norm $bytes $bytes norm" log7
'
test_expect 'floats of 8 bits on a device that has none: exit 7, or the CPU with the reason' '
    export FAKE_DEVICE_MAJOR=8
    speeds networks/mlp fp8 1; [ $? -eq 7 ] && grep -q "floats of 8 bits need a device of compute capability 9.0, this has 8.0" err &&
    mlopsctl predict "$models/mlp/model.onnx" "$rows/mlp.csv" --backend auto --precision fp8 2>err >out && grep -q "the CPU computes: floats of 8 bits need" err
    rc=$?; unset FAKE_DEVICE_MAJOR; [ $rc -eq 0 ]
'
awk 'BEGIN { srand(3); for (i = 0; i < 24; i++) printf "%sx_%d", i ? "," : "", i; print ""; for (r = 0; r < 13; r++) { for (i = 0; i < 24; i++) printf "%s%.3f", i ? "," : "", 4 * rand() - 2; print "" } }' >wide.csv
test_expect 'quantised networks compute in bytes by themselves, and answer what the CPU does' '
    for m in mlp-qdq mlp-qdq-columns mlp-qdq-signed; do
        rm -f log7
        mlopsctl predict "$G/onnx/quantized/$m/model.onnx" wide.csv --threads 1 >cpu 2>err && FAKE_DEVICE_LOG=log7 mlopsctl predict "$G/onnx/quantized/$m/model.onnx" wide.csv --threads 1 --backend cuda >out 2>err &&
            grep -q "program quantize dense of bytes quantize dense of bytes quantize dequantize add quantize dense of bytes" log7 && near 1e-6 || { cat err; exit 1; }
    done
'
test_expect 'operators of bytes: the bytes of the CPU, in few rows and many' '
    for m in mlp-operators mlp-operators-columns; do
        for n in 1 13; do
            rm -f log7
            mlopsctl predict "$G/onnx/quantized/$m/model.onnx" wide.csv --threads 1 >cpu 2>err && FAKE_DEVICE_LOG=log7 mlopsctl predict "$G/onnx/quantized/$m/model.onnx" wide.csv --batch $n --threads 1 --backend cuda >out 2>err &&
                grep -q "program quantize dense of bytes quantize dense of bytes quantize dequantize add quantize dense of bytes quantize dequantize add quantize dequantize$" log7 && cmp cpu out || { cat err; exit 1; }
        done
    done
'
test_expect 'quantised encoders, too: scales are found on the device' '
    for m in layer-int8; do
        rm -f log7 && speeds encoders/$m fp32 1 && grep -q "norm extremes span quantize dense of bytes .*attention.* extremes span quantize dense of bytes norm" log7 || { cat err; exit 1; }
    done
'
# texts BACKEND [OPTION...]: some of different lengths; programs and runs are in `log9`
texts()
{
    rm -f log9
    FAKE_DEVICE_LOG=log9 mlopsctl predict "$G/embed/tiny/model.onnx" --text 'the cat is small' --text '' --text 'a dog, a cat and the other dog' --text the --text cat --output-format csv --backend "$@" >out 2>err
}
one_each='program gather .*dense attention dense norm .* norm pool'
test_expect 'texts stand one behind the other, and one vector each comes back, whatever the pooling' '
    for o in "--pool mean" "--pool cls" "--pool max" "--pool mean --normalize" ""; do
        texts cpu $o && mv out cpu && texts cuda $o && near 1e-5 && grep -qx "$one_each" log9 && [ "$(grep -c program log9)" -eq 1 ] || { cat err log9; exit 1; }
    done
'
test_expect 'texts in batches of one and of two: a program for each rounded number of tokens and texts' '
    texts cpu && mv out cpu && texts cuda --batch 2 && near 1e-5 && [ "$(grep -c program log9)" -eq 3 ]
'
test_expect 'texts in halves: what is pooled is float32' '
    for p in fp16:0.005 bf16:0.03; do texts cuda --precision "${p%:*}" && near "${p#*:}" && ! cmp -s cpu out && grep -qx "$one_each" log9 || exit 1; done
'
test_expect 'a vector a token comes back when that is asked for' '
    for b in cpu cuda; do FAKE_DEVICE_LOG=log10 mlopsctl predict "$G/embed/tiny/model.onnx" --text "the cat" --text a --pool none --backend $b | jq -c ".embedding | length" >out.$b || exit 1; done
    cmp out.cpu out.cuda && [ "$(cat out.cuda | paste -sd" ")" = "4 3" ] && grep -q "program gather .* norm$" log10
'
test_expect 'texts: a device that is lost, or slow, leaves them to the CPU; with cuda it is exit 7' '
    export FAKE_DEVICE_LOST=1; texts auto; rc=$?; texts cuda; [ $? -eq 7 ] && grep -q "the device is lost" err && [ $rc -eq 0 ] || exit 1
    unset FAKE_DEVICE_LOST; export FAKE_DEVICE_COST=30000; texts auto && cmp cpu out && grep -q "the CPU is faster: up to 1 tokens were tried" err
    rc=$?; unset FAKE_DEVICE_COST; [ $rc -eq 0 ]
'
test_expect 'an encoder of halves' '
    FAKE_DEVICE_LOG=log6 mlopsctl bench "$G/onnx/encoders/torch/model.onnx" --dim sequence=3 --batch 2 --backend cuda --precision bf16 --duration 10ms --warmup 1ms --no-record >out && grep -q "program gather gather add .* dense attention dense .* norm convert$" log6
'
test_expect 'an encoder is one program; bench says that it ran on a GPU' '
    FAKE_DEVICE_LOG=log3 mlopsctl bench "$G/onnx/encoders/torch/model.onnx" --dim sequence=3 --batch 2 --backend cuda --duration 10ms --warmup 1ms --json >out 2>err &&
    [ "$(grep -c program log3)" -eq 1 ] && grep -q "gather gather add gather add norm dense attention dense norm" log3 && jq -e ".backend == \"This CPU\"" out
'
test_expect 'samples of a bundle answer on the GPU as they did on the CPU' '
    cp "$models/mlp/model.onnx" . && mlopsctl pack model.onnx -t m:1 --samples "$rows/mlp.csv" >/dev/null 2>&1 && FAKE_DEVICE_LOG=log4 mlopsctl verify m:1 --run --backend cuda && grep -q run log4
'
export XDG_CACHE_HOME="$PWD/cache"
test_expect 'algorithms of products are timed once, and kept in the folder of caches' '
    on mlp cuda FAKE_DEVICE_TUNES=1 && grep -q "^timed " log && ls cache/mlopsctl/algorithms-* &&
    on mlp cuda FAKE_DEVICE_TUNES=1 && grep -q "^kept " log && ! grep -q "^timed " log && ! grep -q "is not used" err
'
test_expect 'those of another library are measured again, beside the others' '
    on mlp cuda FAKE_DEVICE_TUNES=2 && grep -q "^timed " log && ! grep -q "^kept " log && [ "$(ls cache/mlopsctl | grep -c algorithms)" -eq 2 ]
'
test_expect 'a damaged file is not used, said, and written again' '
    for f in cache/mlopsctl/algorithms-*; do echo "1 2 3" >>"$f"; done
    on mlp cuda FAKE_DEVICE_TUNES=1 && grep -q "is not used: the file of algorithms is damaged" err && grep -q "^timed " log &&
    on mlp cuda FAKE_DEVICE_TUNES=1 && grep -q "^kept " log && ! grep -q "is not used" err
'
test_expect 'a folder of caches that cannot be written: a warning, and the answer' '
    mkdir -p unwritable && : >unwritable/mlopsctl && on mlp cuda FAKE_DEVICE_TUNES=1 XDG_CACHE_HOME="$PWD/unwritable" && grep -q "is not kept" err && test -s out
'
# explains [VARIABLE=VALUE...]
explains()
{
    (
        rm -f log
        [ $# -eq 0 ] || export "$@"
        FAKE_DEVICE_LOG=log mlopsctl bench "$G/onnx/networks/mlp/model.onnx" --backend cuda --explain --batch 1,4 --duration 10ms --warmup 1ms --no-record --json >out 2>err
    )
}
test_expect 'bench --explain: what the GPU can do is measured once and kept; launching binds small requests' '
    explains && grep -q "^limits" log && ls cache/mlopsctl/gpu-limits.json &&
    jq -e ".device_limits.copy == 4e12 and (.on_device | length) == 2 and .on_device[0].bound == \"launch\" and .on_device[0].launch_ns == 9600 and .on_device[1].batch == 4 and .on_device[0].own_ns >= 6000" out &&
    explains && ! grep -q "^limits" log
'
test_expect 'bench --explain: each step of the device has its time, its bytes and its limit; copies are steps; they add up to the run' '
    jq -e "[.explained[].batch] == [1, 4] and all(.explained[]; .run_ns > 0 and .runs >= 5 and .timing_ns == 500 and (.answer | length) > 20)" out &&
    jq -e "[.steps[] | select(.batch == 4)] | (map(.step) | unique) == [\"copy in\", \"copy out\", \"dense\", \"softmax\"] and all(.[]; .ns >= 2000 and .limit_ns > 0 and .gain >= 1 and (.limit | IN(\"launch\", \"transfer\")))" out &&
    jq -e ". as \$d | all(.explained[]; . as \$e | (([\$d.steps[] | select(.batch == \$e.batch).ns] | add) + \$e.rest_ns - \$e.run_ns | fabs) < 10)" out &&
    jq -e "[.steps[] | select(.step == \"dense\")] | length == 6 and ([.[] | select(.batch == 4).flops] | add) == 4 * ([.[] | select(.batch == 1).flops] | add)" out &&
    jq -e "(has(\"limits\") | not) and ([.bounds[].steps] | add) == (.steps | length) and (.around | length) == 4" out
'
test_expect 'bench --explain: what the CPU is faster at is explained as such' '
    FAKE_DEVICE_COST=30000 mlopsctl bench "$models/mlp/model.onnx" --backend auto --explain --batch 2 --duration 10ms --warmup 1ms --no-record --json >out 2>err &&
    jq -e "has(\"limits\") and (has(\"on_device\") | not) and any(.steps[]; .step == \"Scaler\")" out
'
test_expect 'bench --explain: text, and a page with a roofline and a bar for each step' '
    mlopsctl bench "$G/onnx/encoders/torch/model.onnx" --dim sequence=3 --batch 2 --backend cuda --precision bf16 --explain --duration 10ms --warmup 1ms --no-record --html page.html >out 2>err &&
    grep -q "WHAT HOLDS IT BACK" out && grep -Eq "^ *2  attention  .*bfloat16\[2,3,32\].* launch" out && ! grep -q "^machine " out &&
    python3 - page.html <<"X"
import sys, xml.etree.ElementTree as E
text = open(sys.argv[1], encoding="utf-8").read()
root = E.fromstring(text.replace("<!DOCTYPE html>", ""))
said = "".join(root.itertext())
assert "Roofline of the GPU" in said and "The GPU computes" in said and "One core" not in said and "around the GPU" in said, said
assert [t.tag for t in root.iter()].count("circle") >= 8
assert said.count("attention Reshape") >= 2, said
X
'
test_expect 'bench --explain: steps that cannot be timed are exit 7' 'explains FAKE_DEVICE_NO_TIMES=1; [ $? -eq 7 ] && grep -q "its clock stands still" err'
test_expect 'bench --explain: a device that cannot be measured is exit 7' '
    rm -f cache/mlopsctl/gpu-limits.json; explains FAKE_DEVICE_NO_LIMITS=1; [ $? -eq 7 ] && grep -q "it does not hold still" err
'
test_expect 'make check-gpu: its script, with this device' '
    KIT=true BATCHES=1,2 "$R/tests/gpu/run" >out && grep -q "^# 0 of 38 failed" out || { cat out; false; }
'
test_expect 'make check-gpu: one that answers something else fails' '
    FAKE_DEVICE_WRONG=1 KIT=true BATCHES=1 "$R/tests/gpu/run" >out; [ $? -eq 1 ] && grep -q "not ok .* samples of mlp" out && grep -q "not ok .* encoder torch, bf16" out
'
test_expect 'make check-gpu: without a GPU it is skipped, with the reason' '
    FAKE_CUDA_VERSION=12040 "$R/tests/gpu/run" >out && grep -q "^1..0 # SKIP no GPU can be used: .*too old" out
'
test_done
