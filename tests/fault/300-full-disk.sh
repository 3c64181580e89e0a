#!/bin/sh
# A file system that really is full: the pack that does not fit fails with a clear message and leaves nothing; what fits
# is packed afterwards.
. "${0%/*}/../cli/lib.sh"
mkdir "$T/small"
mount -t tmpfs -o size=6m,mode=700 none "$T/small" 2>/dev/null || {
    # a user who may not mount can in a name space of its own
    [ -z "${FULL_DISK_INSIDE:-}" ] && unshare -rm true 2>/dev/null && { rm -rf "$T"; FULL_DISK_INSIDE=1 exec unshare -rm "$0"; }
    skip_all 'a small file system cannot be mounted here'
}
trap 'cd /; umount "$T/small"; rm -rf "$T"' EXIT
tiny_model "$T/small.safetensors"
mkdir "$T/big"
{
    printf '\130\000\000\000\000\000\000\000'
    printf '%-88s' '{"w":{"dtype":"U8","shape":[8388608],"data_offsets":[0,8388608]}}'
    head -c 8388608 /dev/urandom
} >"$T/big/model.safetensors"
cd "$T/small" && mkdir -m 700 .mlops || exit 1
used() { df --output=used -B 1024 . | tail -n 1; }
test_expect 'setup: a small model' 'mlopsctl pack "$T/small.safetensors" -t m:1'
used >"$T/before"
test_expect 'a pack that does not fit says so with status 8' '
    expect_code 8 mlopsctl pack "$T/big" -t m:2 2>"$T/err" && cat "$T/err" && grep -q "No space left on device" "$T/err"
'
test_expect 'and leaves nothing: no name, no temporary, no room taken' '
    [ "$(mlopsctl ls --json | jq -r ".bundles[].name")" = m:1 ] && [ -z "$(ls .mlops/tmp)" ] &&
    [ -z "$(find . -name ".mlo-tmp-*")" ] && [ "$(used)" -le $(($(cat "$T/before") + 256)) ]
'
test_expect 'ledger and store are intact' 'mlopsctl ledger verify && mlopsctl verify --all'
test_expect 'a small pack fits afterwards' 'mlopsctl pack "$T/small.safetensors" -t m:3 && mlopsctl verify m:3'
test_expect 'a restore, an export and an unpack that do not fit leave nothing' '
    mlopsctl ledger backup "$T/b.db" && mlopsctl export m:1 -o "$T/m.tar" &&
    head -c 100m /dev/zero >filler 2>/dev/null
    must_fail mlopsctl ledger restore "$T/b.db" && must_fail mlopsctl export m:1 -o m.tar &&
    must_fail mlopsctl unpack m:1 -o out && must_fail mlopsctl pack "$T/small.safetensors" -t m:4 &&
    rm filler && [ ! -e m.tar ] && [ ! -e out ] && [ -z "$(find . -name ".mlo-tmp-*")" ] &&
    mlopsctl ledger verify && mlopsctl verify --all && [ -z "$(mlopsctl ls --json | grep m:4)" ]
'
test_expect 'a drift report that does not fit leaves the old one' '
    echo old >report.html && cp "$R/examples/credit/reference.csv" "$R/examples/credit/current.csv" "$T" &&
    head -c 100m /dev/zero >filler 2>/dev/null
    expect_code 8 mlopsctl drift -r "$T/reference.csv" -c "$T/current.csv" --html report.html 2>"$T/err" && cat "$T/err" &&
    grep -q "No space left on device" "$T/err" && [ "$(cat report.html)" = old ] && rm filler &&
    mlopsctl drift -r "$T/reference.csv" -c "$T/current.csv" --html report.html && grep -q "<h1>" report.html
'
test_expect 'a recorded check whose report does not fit is no check: page, history and baseline are what they were' '
    rm report.html && echo old >report.html && check() { mlopsctl drift -r "$T/reference.csv" -c "$T/current.csv" --name n --since last --accept --html report.html; } &&
    head -c 100m /dev/zero >filler 2>/dev/null
    expect_code 8 check 2>"$T/err" && cat "$T/err" && [ "$(cat report.html)" = old ] && rm filler && mlopsctl ledger verify && mlopsctl verify --all &&
    expect_code 3 mlopsctl drift -r baseline:n -c "$T/current.csv" 2>"$T/err" && check >out && grep -q "<h1>" report.html && mlopsctl drift -r baseline:n -c "$T/current.csv" >out && [ -z "$(ls .mlops/tmp)" ]
'
test_expect 'a bench whose result does not fit is none, and its baseline is what it was' '
    model=$R/tests/golden/onnx/pipelines/ridge/model.onnx && save() { mlopsctl bench "$model" --duration 50ms --warmup 1ms --save-baseline native; } &&
    baseline() { mlopsctl ledger export | jq -c "select(.command == \"bench\" and .status == \"done\") | [.artifacts, .effects]"; } && save && baseline >"$T/baseline" && [ -s "$T/baseline" ] &&
    head -c 100m /dev/zero >filler 2>/dev/null
    expect_code 8 save 2>"$T/err" && cat "$T/err" && grep -qE "No space left on device|ledger: (disk I/O error|database or disk is full)" "$T/err" && rm filler && baseline | cmp - "$T/baseline" &&
    mlopsctl ledger verify && mlopsctl verify --all && [ -z "$(ls .mlops/tmp)" ] && [ -z "$(find . -name ".mlo-tmp-*")" ] && save
'
test_expect 'answers that do not fit leave the old ones' '
    cp "$R/tests/golden/onnx/pipelines/boosting-3/model.onnx" "$T/m.onnx" && rows=$R/tests/golden/predict/boosting-3.csv && { cat "$rows"; for i in $(seq 2000); do tail -n +2 "$rows"; done; } >"$T/rows.csv" && echo old >answers &&
    head -c 100m /dev/zero >filler 2>/dev/null
    for form in csv parquet arrow npy; do
        expect_code 8 mlopsctl predict -q "$T/m.onnx" "$T/rows.csv" -o answers --output-format $form 2>"$T/err" && grep -q "No space left on device" "$T/err" && [ "$(cat answers)" = old ] || { cat "$T/err"; exit 1; }
    done && rm filler && [ -z "$(find . -name ".mlo-tmp-*")" ] && mlopsctl predict -q "$T/m.onnx" "$T/rows.csv" -o answers && rm answers
'
test_expect 'everything works again with room' '
    mlopsctl export m:1 -o m.tar && cmp m.tar "$T/m.tar" && mlopsctl pack "$T/small.safetensors" -t m:4 && [ -z "$(ls .mlops/tmp)" ]
'
test_done
