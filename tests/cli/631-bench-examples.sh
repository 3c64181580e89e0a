#!/bin/sh
# The files of examples/bench do what they say: their commands are taken out of them and run. How fast is nobody's business here.
. "${0%/*}/lib.sh"

E=$R/examples/bench
mkdir "$T/bin" && PATH=$T/bin:$PATH
# Short, and as a rule nothing is slower: the examples are run, the machine is not judged.
cat >"$T/bin/mlopsctl" <<'END'
#!/bin/sh
command=$1
shift
[ "$command" != bench ] || set -- "$@" --duration 1s --warmup 200ms
exec "$MLOPSCTL" "$command" "$@"
END
chmod +x "$T/bin/mlopsctl"
cp "$R/examples/credit/credit-1.4.0.onnx" model.onnx
answered() { "$@"; case $? in 0 | 1 | 7) ;; *) return 1 ;; esac }
cron() { sed -n 's/^11 3 \* \* \* //p' "$E/crontab" >line && [ "$(wc -l <line)" -eq 1 ] && PROJECT=$PWD sh -c "$(cat line)"; }

if have make; then
    test_expect 'make: the baseline is made once, a slower one fails the target' '
        mkdir make && cp model.onnx "$E/Makefile" make && make -C make native.json && make -C make -q native.json && answered make -C make bench >out; grep -q "^ *1 .*\(pass\|fail\|inconclusive\)" out &&
        jq -c ".cases[].medians_ns |= map(. / 10)" make/native.json >quick && cp quick make/native.json && ! make -C make bench >out 2>&1 && grep -q "^verdict  fail" out
    '
else
    test_skip 'make' 'make is not installed'
fi
test_expect 'cron: silent when all is well, the figures when it is not' '
    mkdir m && cp model.onnx m && mlopsctl pack m -t credit:1 -t credit:champion >/dev/null && { cron >out 2>&1; grep -q "no baseline" out; } &&
    mlopsctl bench credit:champion --batch 1,64 --save-baseline native >/dev/null && cron >out 2>&1 && { [ ! -s out ] || grep -q "^verdict" out; }
'
if python3 -c 'import yaml' 2>/dev/null || /usr/bin/python3 -c 'import yaml' 2>/dev/null; then
    python3 -c 'import yaml' 2>/dev/null && python=python3 || python=/usr/bin/python3
    test_expect 'GitHub Actions: passes for the same model, fails for a slower one' '
        "$python" -c "import sys, yaml; print(yaml.safe_load(open(sys.argv[1]))[\"jobs\"][\"bench\"][\"steps\"][1][\"run\"])" "$E/github-actions.yml" >step &&
        git init -q -b main . && git add model.onnx && git commit -q -m model && git update-ref refs/remotes/origin/main HEAD &&
        answered bash -e step >out && { ! [ -s out ] || grep -q "^batch 64: " out; } &&
        cp model.onnx slow.onnx && cp "$G/onnx/pipelines/ridge/model.onnx" . && git commit -qam quick && git update-ref refs/remotes/origin/main HEAD && cp slow.onnx model.onnx &&
        expect_code 1 bash -e step >out && grep -q "^batch 64: fail" out && jq -e ".verdict == \"fail\"" bench.json
    '
else
    test_skip 'GitHub Actions' 'python3 has no yaml'
fi
test_done
