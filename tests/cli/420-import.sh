#!/bin/sh
# Layouts from elsewhere: those that lie or attack are refused whole, unusual ones are taken in.
. "${0%/*}/lib.sh"

have python3 || skip_all 'python3 is not installed'
mkdir m && tiny_model m/model.safetensors && echo '{}' >m/config.json
{ mlopsctl pack m -t good:1 && mlopsctl export good:1 -o good.tar; } >/dev/null || exit 8
python3 "$R/tests/tools/hostile-layouts.py" good.tar lay || exit 8
DIGEST=$(mlopsctl show good:1 --json | jq -r .digest)
esc=$(printf '\033')
home=$PWD/h
# Nothing of a refused import has a name, and nothing was written beside the state.
nothing_came() { mlopsctl ls --home "$home" --json | json '.bundles == []' && [ ! -e escaped ] && [ ! -e ../escaped ] && [ ! -e /tmp/escaped ]; }

for kind in member blob layout index manifest config; do
    test_expect "hostile layouts are refused, each with its reason: $kind" '
        n=0 bad=0
        while IFS="$(printf "\t")" read -r name text; do
            case $name in "$kind"-*) ;; *) continue ;; esac
            n=$((n + 1))
            rm -rf "$home"
            timeout 20 "$MLOPSCTL" import "lay/refused/$name.tar" -t x:1 --home "$home" >out 2>err
            got=$?
            if [ $got -ne 4 ] || [ -s out ] || ! grep -qF -- "$text" err || ! grep -q "^mlopsctl: import: .lay/refused/$name.tar.: " err || grep -q "$esc" err || ! nothing_came; then
                echo "$name: status $got, want 4 and: $text" && cat -v err
                bad=$((bad + 1))
            fi
        done <lay/cases
        [ $n -gt 1 ] && [ $bad -eq 0 ]
    '
done
test_expect 'a tar cut off anywhere is refused, and nothing of it has a name' '
    rm -rf "$home" && bad=0 && [ "$(ls lay/cut | wc -l)" -ge 30 ] &&
    for f in lay/cut/*; do
        timeout 20 "$MLOPSCTL" import "$f" --home "$home" >out 2>err
        got=$?
        [ $got -eq 4 ] && [ ! -s out ] || { echo "$f: status $got" && cat err && bad=1; }
    done && [ $bad -eq 0 ] && nothing_came
'
test_expect 'after all these the good one still comes in' '
    mlopsctl import good.tar --home "$home" && mlopsctl verify --all --home "$home" && mlopsctl ledger verify --home "$home"
'
test_expect 'unusual but sound layouts are taken in, and come out as they were packed' '
    for f in lay/accepted/*; do
        rm -rf "$home" u && mlopsctl import "$f" -t x:1 --home "$home" && mlopsctl verify x:1 --deep --home "$home" && mlopsctl unpack x:1 -o u --home "$home" && diff -r m u || { echo "$f" && exit 1; }
    done
'
test_expect 'what changes no document changes no digest' '
    for f in as-it-was reversed dot-slash unknown-files spaces-in-index no-name odd-name same-name-twice an-index-beside-it; do
        rm -rf "$home" && mlopsctl import "lay/accepted/$f.tar" -t x:1 --home "$home" >/dev/null && [ "$(mlopsctl show x:1 --json --home "$home" | jq -r .digest)" = "$DIGEST" ] || { echo "$f" && exit 1; }
    done
'
test_expect 'the older generation of names and the other spelling of diffIds are read' '
    rm -rf "$home" && mlopsctl import lay/accepted/cnai.tar --home "$home" && mlopsctl show good:1 --home "$home" --json | json ".format == \"safetensors\" and (.files | map(.path) | index(\"model.safetensors\") != null)" &&
    rm -rf "$home" && mlopsctl import lay/accepted/diff_ids.tar --home "$home" && mlopsctl show good:1 --home "$home" --json | json ".parameters == 2"
'
test_expect 'a name that is none, or none at all, asks for --tag' '
    rm -rf "$home" && for f in no-name odd-name; do
        expect_code 2 mlopsctl import lay/accepted/$f.tar --home "$home" 2>err && grep -q "^hint: name it with -t" err && ! grep -q "$esc" err || exit 1
    done && mlopsctl import lay/accepted/same-name-twice.tar --home "$home" >out && [ "$(wc -l <out)" -eq 1 ] && grep -q "^imported good:1 " out
'
test_expect 'archives inside that attack are refused by unpack, which leaves nothing' '
    for f in lay/inner/*; do
        rm -rf "$home" && mlopsctl import "$f" -t x:1 --home "$home" && expect_code 4 mlopsctl unpack x:1 -o inner-out --home "$home" 2>err && grep -q "layer sha256:.*archive" err &&
        [ ! -e inner-out ] && [ ! -e x ] && [ ! -e ../x ] && [ ! -e /x ] || { echo "$f" && cat err && exit 1; }
    done
'
test_expect 'folders: the same rules, and links inside are not followed' '
    rm -rf "$home" lf && mkdir lf && tar -xf good.tar -C lf && mlopsctl import lf -t x:1 --home "$home" && rm -rf "$home" &&
    b=lf/blobs/sha256/9c54a301d1883c1238adad7212e1c8b7a0ee5a828aa7b9a5fc5c4b58af05fe54 && mv "$b" w && ln -s "$PWD/w" "$b" && expect_code 4 mlopsctl import lf -t x:1 --home "$home" 2>/dev/null &&
    rm "$b" && mkfifo "$b" && expect_code 4 timeout 20 "$MLOPSCTL" import lf -t x:1 --home "$home" 2>/dev/null && rm "$b" && printf "%072d" 0 >"$b" && expect_code 4 mlopsctl import lf -t x:1 --home "$home" 2>err && grep -q "does not match its name" err &&
    cp w "$b" && mv lf/blobs lf/elsewhere && ln -s elsewhere lf/blobs && expect_code 4 mlopsctl import lf -t x:1 --home "$home" 2>err && grep -qi "link" err && nothing_came
'
test_expect 'what is no archive at all' '
    : >empty && expect_code 4 mlopsctl import empty 2>/dev/null && head -c 10240 /dev/zero >zeros && expect_code 4 mlopsctl import zeros 2>/dev/null && expect_code 4 mlopsctl import m/model.safetensors 2>/dev/null &&
    expect_code 4 mlopsctl import m 2>err && grep -q "no oci-layout" err && expect_code 3 mlopsctl import nowhere 2>/dev/null && expect_code 4 timeout 20 "$MLOPSCTL" import /dev/null 2>/dev/null &&
    gzip <good.tar >good.tar.gz && must_fail mlopsctl import good.tar.gz -t x:1 && expect_code 4 timeout 20 "$MLOPSCTL" import /dev/zero 2>/dev/null
'
test_expect 'a tar through a pipe' '
    rm -rf "$home" && mlopsctl import /dev/stdin --home "$home" <good.tar && rm -rf "$home" && cat good.tar | mlopsctl import /dev/stdin --home "$home" && mlopsctl verify --all --home "$home" &&
    head -c 3000 good.tar | expect_code 4 mlopsctl import /dev/stdin --home "$home/2" 2>/dev/null
'
test_done
