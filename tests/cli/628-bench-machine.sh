#!/bin/sh
# bench: what is told beside times: memory, quotas, the GPU and energy, what the machine took; and Ctrl-C.
. "${0%/*}/lib.sh"
have python3 || skip_all 'needs python3'
model=$G/onnx/pipelines/ridge/model.onnx
bench() { mlopsctl bench "$model" --no-record --duration 1s --warmup 500ms "$@"; }
detail() { jq -e ".details[0] | $1" out; }

# a target that has 64 MB while it loads and 32 MB in a child of its own afterwards
cat >memory.py <<'END'
import subprocess, sys
if len(sys.argv) == 1:
    block = bytearray(b"x" * (64 << 20))
    del block
    child = subprocess.Popen([sys.executable, __file__, "child"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    child.stdout.readline()
    sys.stdin.readline()
    print("mlopsctl-bench 1", flush=True)
    for line in sys.stdin:
        print("ok", line.split()[1], flush=True)
else:
    block = bytearray(b"x" * (32 << 20))
    print(flush=True)
    sys.stdin.read()
END

test_expect 'the engine: loading, memory, the timer and the loop that always does the same' '
    bench --batch 1,8 --json >out && jq -e "(.details | length) == 2 and all(.batches[]; .load_ns > 0 and .memory > 0)" out &&
    detail ".load_ns > 0 and .memory.load_peak > 0 and .memory.run_peak >= .memory.rss and .memory.rss >= .memory.pss and .memory.pss > 0" &&
    detail ".timer.overhead_ns > 0 and .timer.tick_ns > 0 and .clock_share <= 0.02 and .control.fast_ns <= .control.median_ns and .waits >= 0" &&
    detail ".steady != null and .stopped == false and .gpu == null and .throttled_share <= 1"
'
test_expect 'a program: its children count, and what it had before it was ready is told apart' '
    bench --target "command:python3 memory.py" --json >out &&
    detail "(.memory.load_peak > 96000000) and (.memory.run_peak > 32000000) and (.memory.run_peak < .memory.load_peak) and (.memory.pss > 32000000) and .preempted == 0"
'
test_expect 'a timing that reading the clock takes part of is told' '
    bench --rate 2000 --json >out && detail ".clock_share > 0" && if detail ".clock_share > 0.01"; then jq -e "any(.machine[]; .what | startswith(\"reading the clock\"))" out; fi
'

# ---- quotas ----

# A group with a tenth of a processor, and one inside it, in which the program runs.
group= file=
for base in /sys/fs/cgroup/cpu /sys/fs/cgroup; do
    if [ -e "$base/cgroup.procs" ] && mkdir -p "$base/mlo-test-$$/in" 2>/dev/null; then
        group=$base/mlo-test-$$
        { [ -e "$group/cpu.cfs_quota_us" ] && echo 10000 >"$group/cpu.cfs_quota_us"; } 2>/dev/null ||
            { echo +cpu >"$base/cgroup.subtree_control" && echo "10000 100000" >"$group/cpu.max" && echo +cpu >"$group/cgroup.subtree_control"; } 2>/dev/null && file=$group/in/cgroup.procs
        [ -z "$file" ] || break
        rmdir "$group/in" "$group"
    fi
done
trap 'rmdir "$group/in" "$group" 2>/dev/null; chmod -R u+rwX "$T" 2>/dev/null; rm -rf "$T"' EXIT
limited() { sh -c "echo \$\$ >$file && exec \"\$@\"" sh "$@"; }
if [ -n "$file" ]; then
    test_expect 'a quota of a group above its own is told, with what to do' '
        limited "$MLOPSCTL" bench "$model" --no-record --duration 1s --warmup 100ms --json >out && detail ".throttled_share > 0.5 and .quota.periods > 3 and .quota.throttled_ns > 0" &&
        jq -e "any(.machine[]; (.what | startswith(\"a CPU quota held it back in\")) and (.advice | startswith(\"raise the quota\")))" out
    '
    printf 'read -r h; echo mlopsctl-bench 1; while read -r r n; do i=0; while [ $i -lt 20000 ]; do i=$((i + 1)); done; echo ok $n; done\n' >busy.sh
    test_expect 'what a quota held back is slower: a failure, with the reason' '
        expect_code 1 bench --target "command:echo \$\$ >$file; exec sh busy.sh" --against "command:exec sh busy.sh" --duration 10s --json >out && jq -e ".verdict == \"fail\" and .verdicts[0].low > 1.05 and (.verdicts[0].why | startswith(\"throttled by a CPU quota of 0.1\"))" out &&
        expect_code 1 bench --target "command:echo \$\$ >$file; exec sh busy.sh" --against "command:exec sh busy.sh" --duration 10s >text && grep -q "fail.*throttled by a CPU quota of 0.1" text
    '
    test_expect 'when it is the other that was held back nothing is shown: no verdict' '
        expect_code 7 bench --target "command:exec sh busy.sh" --against "command:echo \$\$ >$file; exec sh busy.sh" --json >out 2>err && grep -q "no verdict" err &&
        jq -e ".verdict == \"inconclusive\" and (.verdicts[0].why | startswith(\"a CPU quota\"))" out
    '
    limited "$MLOPSCTL" bench "$model" --duration 2s --warmup 100ms --save-baseline slow >/dev/null 2>&1
    mlopsctl bench "$model" --duration 2s --warmup 100ms --save-baseline free >/dev/null 2>&1
    test_expect 'the same against a baseline from outside' '
        expect_code 1 limited "$MLOPSCTL" bench "$model" --duration 3s --warmup 500ms --against free --json >out && jq -e ".verdicts[0].why | startswith(\"throttled by a CPU quota of 0.1\")" out
    '
    test_expect 'nor against a baseline that was held back' '
        expect_code 7 mlopsctl bench "$model" --duration 2s --warmup 500ms --against slow --json >out 2>err && jq -e ".verdicts[0].why | startswith(\"a CPU quota\")" out
    '
else
    test_skip 'a quota of a group above its own' 'no control group can be made here'
fi

# ---- the GPU ----

quick="command:sh $R/examples/bench/target.sh"
gpu() { (export LD_LIBRARY_PATH="$PWD/driver" "$@" && bench --target "$quick" --json >out); }
if have cc && mkdir driver && cc -shared -fPIC -o driver/libnvidia-ml.so.1 "$R/tests/fakes/libnvidia-ml.c"; then
    test_expect 'a GPU: what it did, and energy' '
        gpu A=1 && detail ".gpu.name == \"Fake 0\" and .gpu.busy == 80 and .gpu.memory_busy == 20 and .gpu.power_w == 350 and .gpu.power_limit_w == 700 and .gpu.mhz == 1500 and .gpu.mhz_max == 1980 and .gpu.memory == 2147483648" &&
        detail "(.gpu.joules == .gpu.readings) and (.joules_per_request > 0) and (.wh_per_million > 0)" &&
        jq -e "any(.machine[]; .what == \"Fake 0: busy 80 %, 350 W of 700, 1500 MHz of 1980, 2.0 GiB in use\") and any(.machine[]; .what | test(\"energy of the .*GPU: .* J a request\"))" out
    '
    test_expect 'clocks that were lowered are told with the reason' '
        gpu FAKE_NVML_REASONS=0x24 && jq -e "[.machine[].what | select(startswith(\"its clocks were lowered for its power limit in 100\") or startswith(\"its clocks were lowered for its temperature in 100\"))] | length == 2" out &&
        gpu FAKE_NVML_REASONS=1 && ! grep -q "clocks were lowered" out
    '
    test_expect 'what the driver does not give is absent' '
        gpu FAKE_NVML_WITHOUT="Name UtilizationRates MemoryInfo EnforcedPowerLimit ClocksThrottleReasons MaxClock" &&
        detail ".gpu.name == \"GPU 0\" and .gpu.busy == null and .gpu.memory == null and .gpu.power_limit_w == null and .gpu.mhz_max == null and .gpu.power_w == 350" &&
        gpu FAKE_NVML_WITHOUT="TotalEnergyConsumption PowerUsage ClockInfo" && detail ".gpu.joules == null and .gpu.power_w == null and .gpu.mhz == null"
    '
    test_expect 'the device that CUDA programs see' '
        gpu CUDA_VISIBLE_DEVICES=1,0 && detail ".gpu.name == \"Fake 1\"" && gpu CUDA_VISIBLE_DEVICES=GPU-1 && detail ".gpu.name == \"Fake 1\"" && gpu CUDA_VISIBLE_DEVICES=7 && detail ".gpu == null"
    '
    test_expect 'a library that does not start, and one that lacks its functions' '
        gpu FAKE_NVML_INIT=9 && detail ".gpu == null" && mkdir hollow && echo "int nothing;" >none.c && cc -shared -fPIC -o hollow/libnvidia-ml.so.1 none.c &&
        gpu LD_LIBRARY_PATH="$PWD/hollow" && detail ".gpu == null"
    '
    test_expect 'our engine on the CPU asks no GPU' 'LD_LIBRARY_PATH="$PWD/driver" bench --json >out && detail ".gpu == null"'
else
    test_skip 'a GPU' 'no C compiler'
fi
test_expect 'precision: fp32 on the CPU, everything else is refused with what is possible' '
    bench --precision fp32 && for p in tf32 fp16 bf16 int8; do expect_code 7 bench --precision $p 2>err && grep -q "^hint: --precision fp32 is possible here" err || exit 1; done &&
    expect_code 2 bench --precision fp64 && expect_code 2 bench --precision fp32 --target "$quick"
'

# ---- Ctrl-C ----

# A target that sends SIGINT to who asks it with request $1, after $2 seconds.
cat >interrupts.sh <<'END'
read -r hello
echo mlopsctl-bench 1
while read -r run n; do
    [ "$n" != "$1" ] || (sleep "$2"; kill -INT "$PPID") &
    echo "ok $n"
done
END
whole() { timeout -k 5 50 "$MLOPSCTL" bench "$model" --warmup 1ms --duration 1000s "$@"; }
last() { mlopsctl log --json -n 1 | jq -r ".runs[0].run"; }
test_expect 'while nothing is due for long, Ctrl-C ends it at once' '
    expect_code 130 whole --rate 0.01 --callers 2 --target "command:exec sh interrupts.sh 0 1" --json >out 2>err && grep -q "interrupted" err &&
    jq -e ".interrupted and .details[0].stopped and .batches[0].p50_ns == null and .details[0].requests == 0" out
'
test_expect 'what was measured until then is shown, kept and marked, and is no baseline' '
    expect_code 130 whole --target "command:exec sh interrupts.sh 300 0.5" --batch 1,2 --save-baseline half --json >out 2>err &&
    jq -e ".interrupted and (.batches | length) == 1 and .batches[0].p50_ns > 0 and .details[0].stopped and .details[0].requests > 300" out &&
    mlopsctl show-run "$(last)" --json | jq -e ".status == \"done\" and .artifacts[0].kind == \"bench\" and any(.metrics[]; .metric == \"interrupted\")" &&
    expect_code 3 mlopsctl bench "$model" --target "$quick" --against half
'
test_expect 'nor is it in the history' '
    mlopsctl bench "$model" --target "$quick" --callers 1 --history --json | jq -e "(.history | length) == 0"
'
test_expect 'a comparison that was interrupted has no verdict that passes' '
    bench_run() { mlopsctl bench "$model" --target "$quick" --duration 1s --warmup 500ms "$@"; } && bench_run --save-baseline b &&
    expect_code 130 whole --target "command:exec sh interrupts.sh 300 0" --against b --json >out 2>err && jq -e ".interrupted and .verdict == null" out
'
test_done
