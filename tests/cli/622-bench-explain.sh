#!/bin/sh
# bench --explain: figures that hang together, kept limits, hostile names. How long anything takes is nobody's business here.
. "${0%/*}/lib.sh"
model=$G/onnx/pipelines/mlp/model.onnx trees=$G/onnx/pipelines/forest/model.onnx
export XDG_CACHE_HOME="$T/cache"
kept=$XDG_CACHE_HOME/mlopsctl/limits.json
explain() { mlopsctl bench "$@" --explain --no-record --duration 200ms --warmup 200ms; }

test_expect 'each step has its time, its rates and its limit; they add up to the run' '
    explain "$model" --batch 1,64 --json >out && jq -e "
        (.explained | map(.batch)) == [1, 64] and all(.explained[]; .run_ns > 0 and .runs >= 5 and (.answer | length) > 20)" out &&
    jq -e ". as \$d | all(.explained[]; . as \$e | ([\$d.steps[] | select(.batch == \$e.batch).ns] | add) <= \$e.run_ns)" out &&
    jq -e "all(.steps[]; .share >= 0 and .share <= 1 and .gain >= 1 and .of_limit <= 2 and .limit_ns >= 0 and .bytes >= .weights)" out &&
    jq -e "([.bounds[].steps] | add) == (.steps | length) and all(.bounds[]; .limit | IN(\"compute\", \"first cache\", \"second cache\", \"third cache\", \"memory\", \"step\"))" out
'
test_expect 'dense layers are counted by rows, columns and weights' '
    jq -e "[.steps[] | select(.step == \"Dense\" and .batch == 64) | .flops] | length >= 2 and all(. > 0)" out &&
    jq -e "[.steps[] | select(.step == \"Dense\")] | group_by(.node) | all(.[0].weights == .[1].weights and ([.[].flops] | max / min | round) == 64)" out
'
test_expect 'text: a sentence, the machine, limits, steps' '
    explain "$model" >out && grep -q "WHAT HOLDS IT BACK" out && grep -q "% of the time" out && grep -q "^computes .*GFLOP/s of float32" out && ! awk "/WHAT HOLDS/, /^machine/ { if (length > 80) print }" out | grep . && grep -q "IF REACHED" out
'
test_expect 'trees: what they read again and again is counted' '
    explain "$trees" --batch 64 --json >out && jq -e ".steps[] | select(.step | startswith(\"TreeEnsemble\")) | .gb_per_s > 0 and .bytes > 0" out
'
test_expect 'limits are measured once and kept; --calibrate measures again; another machine is measured' '
    [ -f "$kept" ] && jq ".f32 = 1.5e30 | .step_ns = 0" "$kept" >edited && cp edited "$kept" && explain "$model" --json 2>err | jq -e ".limits.float32_per_s == 1.5e30" && ! grep -q measuring err &&
    explain "$model" --calibrate --json | jq -e ".limits.float32_per_s < 1e15" && jq -e ".f32 < 1e15" "$kept" &&
    jq ".cpu = \"another\"" "$kept" >edited && cp edited "$kept" && explain "$model" 2>err && grep -q "measuring what the machine can do" err && ! grep -q another "$kept"
'
test_expect 'damage is measured again; a folder that cannot be written to only costs the next time' '
    echo "{\"schema\":1" >"$kept" && explain "$model" && jq -e .f32 "$kept" && : >file &&
    XDG_CACHE_HOME=$PWD/file explain "$model" 2>err && grep -q "limits are not kept" err
'
test_expect 'requests that come by themselves and several callers are explained, too' '
    explain "$model" --rate 500 --json | jq -e ".explained[0].run_ns > 0" && explain "$model" --scenario multi --callers 3 --json | jq -e ".explained[0].run_ns > 0" &&
    mlopsctl bench "$trees" --against "$model" --explain --batch 64 --duration 1s --warmup 200ms --json >out; jq -e ".explained[0].batch == 64 and (.steps[0].step | length) > 0" out
'
test_expect 'what another answers: the rest of a request is told, and whose the steps are' '
    explain "$model" --target "command:$R/examples/bench/target.sh" --json >out && jq -e ".explained_here and (.around | map(.what)) == [\"way\"] and .around[0].share > 0.5 and (.explained[0].answer | test(\"^[0-9]+ % of a request is the way\"))" out &&
    explain "$model" --wrap env >out && grep -q "^the target is not looked into" out && ! grep -q "^ *1  parse" out &&
    rm -f port && { python3 "$R/tests/tools/bad-server.py" port json & } && until [ -s port ]; do sleep 0.05; done &&
    explain "$model" --target "http://127.0.0.1:$(cat port)/" --batch 64 --json >out; status=$?; kill $!; [ "$status" = 0 ] &&
    jq -e "(.around | map(.what)) == [\"parse\", \"answer\", \"way\"] and ([.around[].share] | add) < 1" out
'
test_expect 'what is not looked into' '
    expect_code 2 mlopsctl bench "$model" --explain --history &&
    expect_code 2 mlopsctl bench "$model" --calibrate
'
# page FILE: well-formed, of one piece, and what it says as text in the file "said".
page()
{
    python3 - "$1" <<'PY'
import re, sys
import xml.etree.ElementTree as ET
text = open(sys.argv[1], encoding="utf-8").read()
root = ET.fromstring(text.replace("<!DOCTYPE html>", ""))
tags = [t.tag for t in root.iter()]
assert tags.count("script") == 1 and not {"img", "iframe", "object", "link", "a", "i"} & set(tags), tags
assert tags.count("style") == 1 and tags.count("h1") == 1
for t in root.iter():
    for k, v in t.attrib.items():
        assert not k.startswith("on") and k not in ("src", "href", "style"), (t.tag, k)
        assert "NaN" not in v and "inf" not in v.split(), (t.tag, k, v)
assert not re.search(r"url\(|@import|https?:", text)
open("said", "w").write("".join(root.itertext()))
open("circles", "w").write(str(tags.count("circle")))
PY
}
test_expect 'the page: sentence, machine, charts, steps; of one piece' '
    explain "$model" --batch 1,64 --html page.html && page page.html && grep -q "% of the time" said && grep -q "GFLOP/s of float32" said && grep -q "Roofline of one core" said &&
    [ "$(cat circles)" -ge 4 ] && grep -q "p50 " said && grep -q "longest first" said && [ "$(grep -c "prefers-color-scheme:dark" page.html)" -ge 1 ] && grep -q "style-src .sha256-" page.html
'
test_expect 'without --explain: requests alone' '
    mlopsctl bench "$model" --no-record --duration 200ms --warmup 200ms --html plain.html && page plain.html && ! grep -q Roofline said && grep -q "Batch 1 takes" said
'
test_expect 'a comparison: the ratio with its interval, both histograms, exit 1 told by the page alone' '
    expect_code 1 mlopsctl bench "$model" --against "$trees" --batch 64 --explain --no-record --duration 4s --warmup 500ms --html both.html 2>err && [ ! -s err ] || { grep -q "not become steady" err && ! grep -q "does not exist" err; } &&
    page both.html && grep -q "Slower than" said && grep -q "Times as long" said && grep -q "Outlined: now" said
'
test_expect 'hostile names of model and node are text' '
    evil="<img src=x onerror=alert(1)>\"'"'"'&.onnx" && python3 - "$trees" "$evil" <<"PY"
import sys
d, node = open(sys.argv[1], "rb").read(), b"TreeEnsembleClassifier"
at = d.index(b"\x1a" + bytes([len(node)]) + node) + 2
hostile = b"</title><i>\"&]]><b>\xe2\x80\xae"
open(sys.argv[2], "wb").write(d[:at] + hostile.ljust(len(node), b"x") + d[at + len(node):])
PY
    mlopsctl bench "$evil" --explain --no-record --duration 200ms --warmup 200ms --html evil.html --json >out && page evil.html && grep -qF "onerror=alert(1)>" said && grep -qF "</title><i>" said && ! grep -qF "<img" evil.html
'
test_expect 'the history as a page, and a file that cannot be written' '
    for i in 1 2 3; do mlopsctl bench "$model" --duration 100ms --warmup 100ms; done && mlopsctl bench "$model" --history --html history.html && page history.html &&
    grep -q "No change in 3 measurements" said && [ "$(cat circles)" = 3 ] && expect_code 3 mlopsctl bench "$model" --history --html none/history.html &&
    runs=$(mlopsctl log --json | jq "[.runs[] | select(.status == \"done\")] | length") && expect_code 3 mlopsctl bench "$model" --duration 1h --html none/x.html && expect_code 2 mlopsctl bench "$model" --duration 1h --html . && [ "$(mlopsctl log --json | jq "[.runs[] | select(.status == \"done\")] | length")" = "$runs" ]
'
test_done
