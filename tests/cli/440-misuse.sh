#!/bin/sh
# Every command used wrongly: the status, the form of the message, the hint; in JSON too.
. "${0%/*}/lib.sh"

mkdir m && tiny_model m/model.safetensors
{ mlopsctl pack m -t credit:1.0 && mlopsctl pack m -t credit:2.0 --metric a=1; } >/dev/null || exit 8
all_commands >commands

# wrong STATUS TEXT WORDS...: in text and in JSON; stdout stays empty, the message has its form.
wrong()
{
    status=$1 text=$2 name=
    shift 2
    case $1 in ledger | remote | onnx) name="$1${2:+ $2}" ;; runpod) name="$1${2:+ $2}( $3)?" ;; *) name=$1 ;; esac
    expect_code "$status" mlopsctl "$@" >out 2>err </dev/null || { cat err && return 1; }
    [ ! -s out ] && grep -qF -- "$text" err && grep -qE "^mlopsctl: ($name|$1): ." err && [ "$(grep -c '^mlopsctl: ' err)" -eq 1 ] && ! grep -qvE '^(mlopsctl|hint): ' err ||
        { echo "want '$text' from: $*" && cat out err && return 1; }
    expect_code "$status" mlopsctl --json "$@" >out 2>err </dev/null && [ ! -s out ] && [ "$(wc -l <err)" -eq 1 ] && jq -e '.schema == 1 and (.error.kind | length) > 0 and (.error.message | length) > 0' err >/dev/null ||
        { echo "JSON of: $*" && cat out err && return 1; }
}

test_expect 'an unknown option of every command: named, with the way to help; one letter off: offered' '
    while read -r c v; do
        wrong 2 "unknown option '"'--zzzzzz'"'" "$c" $v --zzzzzz && wrong 2 "unknown option" "$c" $v -Z && wrong 2 "did you mean --quiet" "$c" $v --quie || exit 1
    done <commands
'
test_expect 'too many words for every command that counts them' '
    while read -r c v; do
        case "$c $v" in "pack " | "scan " | "ls " | "untag " | "verify " | "runpod gpu" | "runpod reap" | "onnx conformance" | "validate " | "predict ") continue ;; esac
        wrong 2 "" "$c" $v a b c d e f g h i j || exit 1
    done <commands
'
test_expect 'commands that need words say which' '
    for c in predict pack tag untag show diff verify scan sign export import unpack push pull show-run rollback completion "ledger backup" "ledger restore" "remote refs"; do
        set -f && wrong 2 "" $c || exit 1
    done
'
test_expect 'families without a verb, or with a wrong one' '
    wrong 2 "verify" ledger && wrong 2 "did you mean" ledger verfy && wrong 2 "refs" remote && wrong 2 "did you mean" remote ref
'
test_expect 'a reference that is not there: status 3, and the nearest one' '
    for c in "show X" "tag X a:1" "untag X" "verify X" "export X -o o.tar" "unpack X -o u" "diff X credit:1.0" "diff credit:1.0 X" "push X r" "predict X m"; do
        set -f && wrong 3 "credit:3.0" $(echo "$c" | sed "s/X/credit:3.0/") && grep -q "\"hint\":\"" err || { echo "$c" && exit 1; }
    done; [ ! -e o.tar ] && [ ! -e u ] && [ ! -e r ]
'
test_expect 'a reference that cannot be one: status 2' '
    for c in "show X" "tag X a:1" "tag credit:1.0 X" "untag X" "verify X" "export X -o o.tar" "unpack X -o u" "diff X credit:1.0" "pack m -t X" "import f -t X"; do
        for bad in Upper a:b:c a@sha256:12 "a b" ../a "-" ""; do
            set -f && IFS=" " && set -- && for w in $c; do case $w in X) set -- "$@" "$bad" ;; *) set -- "$@" "$w" ;; esac; done
            case "$c/$bad" in "import f"*) : >f ;; esac
            mlopsctl "$@" >out 2>err
            got=$?
            [ $got -ge 2 ] && [ $got -le 4 ] && [ ! -s out ] || { echo "$c with $bad: $got" && cat err && exit 1; }
            case $bad in Upper | "a b" | ../a) [ $got -eq 2 ] || case $c in import*) ;; *) echo "$c with $bad: $got, want 2" && cat err && exit 1 ;; esac ;; esac
        done
    done
'
test_expect 'numbers, durations, words and times of the wrong kind' '
    wrong 2 "threads" pack m -t a:1 -j 0 && wrong 2 "threads" pack m -t a:1 -j 99999 && wrong 2 "threads" pack m -t a:1 -j two && wrong 2 "threads" verify --all -j -1 &&
    wrong 2 "number" log -n x && wrong 2 "status" log --status finished && wrong 2 "" log --since yesterday-ish && wrong 2 "keep" gc --keep 3x && wrong 2 "" gc --keep -1d &&
    wrong 2 "" pack m -t a:1 --metric auc && wrong 2 "" pack m -t a:1 --metric auc=high && wrong 2 "" pack m -t a:1 --metric auc=nan && wrong 2 "" pack m -t a:1 --metric =1 &&
    wrong 2 "progress" ls --progress=fast && wrong 2 "" show credit:1.0 --raw everything && wrong 2 "" completion tcsh && wrong 2 "" show-run one && wrong 2 "" rollback one && wrong 3 "" show-run 999999 && wrong 3 "" rollback 999999 &&
    wrong 2 "" config no.such.key && wrong 2 "" rollback 18446744073709551616 && wrong 2 "" push credit:1.0 r --parallel 0
'
test_expect 'options that need a value, have one twice over, or take none' '
    wrong 2 "tag" pack m -t && wrong 2 "tag" pack m --tag && wrong 2 "" pack m -t a:1 --bare=yes && wrong 2 "" export credit:1.0 -o && wrong 2 "" ls --home
'
test_expect 'options that exclude each other' '
    wrong 2 "" verify credit:1.0 --all && wrong 2 "" rollback 1 --last && wrong 2 "" rollback --last --to 1 && wrong 2 "" rollback 1 --to 1 && wrong 2 "" sign credit:1.0 --keygen k && wrong 2 "" sign credit:1.0
'
test_expect 'files of the wrong kind' '
    mkfifo p && echo "{" >broken.json && echo "[1]" >list.json && wrong 3 "nowhere" pack nowhere -t a:1 && wrong 4 "FIFO" pack p -t a:1 && wrong 3 "nowhere" pack m -t a:1 --metrics nowhere && wrong 4 "broken.json" pack m -t a:1 --metrics broken.json &&
    wrong 4 "list.json" pack m -t a:1 --metrics list.json && wrong 3 "nowhere" pack m -t a:1 --card nowhere && wrong 3 "nowhere" pack m -t a:1 --dataset nowhere && wrong 3 "nowhere" pack m -t a:1 --env-lock nowhere &&
    wrong 3 "nowhere" import nowhere && wrong 4 "" import m/model.safetensors && wrong 3 "nowhere" sign credit:1.0 --key nowhere && wrong 4 "" sign credit:1.0 --key m/model.safetensors && wrong 4 "" verify credit:1.0 --key m/model.safetensors &&
    wrong 3 "nowhere" verify credit:1.0 --repair nowhere && wrong 3 "nowhere" ledger restore nowhere && wrong 4 "" ledger restore m/model.safetensors && wrong 3 "nowhere" scan nowhere
'
test_expect 'places that cannot be written to' '
    wrong 3 "" export credit:1.0 -o no/such/folder/o.tar && echo x >there && wrong 6 "there" export credit:1.0 -o there && wrong 6 "" unpack credit:1.0 -o m && wrong 6 "there" ledger backup there && [ "$(cat there)" = x ] &&
    must_fail mlopsctl unpack credit:1.0 -o there 2>err && must_fail mlopsctl push credit:1.0 there 2>err && [ "$(cat there)" = x ] && must_fail mlopsctl ls --home there 2>err && must_fail mlopsctl pack m -t a:1 --home there/h 2>err
'
test_expect 'remotes that are none' '
    wrong 3 "" pull credit:1.0 nowhere && wrong 2 "" push credit:1.0 && wrong 2 "" pull credit:1.0 && must_fail mlopsctl push credit:1.0 ftp://example.org/x 2>err && grep -q "^mlopsctl: push: " err &&
    mkdir empty && wrong 3 "" pull credit:1.0 empty && wrong 3 "" pull credit:1.0 empty --as a:1
'
test_expect 'a result that cannot be written is status 8, whatever the command' '
    mlopsctl export credit:1.0 -o for-import.tar >/dev/null && mlopsctl push credit:1.0 "$PWD/remote" >/dev/null &&
    for c in "ls" "show credit:1.0" "show credit:1.0 --raw manifest" "show credit:1.0 --tensors" "diff credit:1.0 credit:1.0" "verify --all" "scan m" "du" "gc -n" "log" "show-run 1" "ledger verify" "ledger export" "doctor" "config" "help" "help pack" "version" "completion bash" \
        "export credit:1.0 -o -" "pack m -t credit:9 -n" "remote refs $PWD/remote" "tag credit:1.0 a:9" "import for-import.tar -t a:8"; do
        set -f && expect_code 8 mlopsctl $c >/dev/full 2>err && grep -q "^mlopsctl: .*No space left" err && expect_code 8 mlopsctl $c >&- 2>err && [ "$(wc -l <err)" -ge 1 ] || { echo "$c" && cat err && exit 1; }
        case $c in "show credit:1.0 --raw"* | completion* | *"-o -" | help* | "ledger export") continue ;; esac
        expect_code 8 mlopsctl --json $c >/dev/full 2>err && tail -n 1 err | jq -e .error.kind >/dev/null || { echo "JSON: $c" && cat err && exit 1; }
    done
'
test_expect 'nothing of all this left a trace: the two bundles, whole' '
    mlopsctl untag a:9 a:8 && mlopsctl ls --json | json "[.bundles[].name] == [\"credit:1.0\", \"credit:2.0\"]" && mlopsctl verify --all && mlopsctl ledger verify && [ -z "$(ls -A .mlops/tmp 2>/dev/null)" ]
'
test_expect 'no command waits for somebody to answer' '
    while read -r c v; do timeout 20 "$MLOPSCTL" "$c" $v </dev/null >/dev/null 2>&1; [ $? -ne 124 ] || { echo "$c $v" && exit 1; }; done <commands
    for c in "unpack credit:1.0 -o m" "export credit:1.0 -o for-import.tar" "gc" "untag nothing"; do set -f; timeout 20 "$MLOPSCTL" $c </dev/null >/dev/null 2>&1; [ $? -ne 124 ] || { echo "$c" && exit 1; }; done
'
test_done
