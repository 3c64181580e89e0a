#!/bin/sh
# The front end: help, errors, exit codes, streams.
. "${0%/*}/lib.sh"

test_expect 'alone it prints the overview' '
    mlopsctl >out 2>err && [ ! -s err ] && grep -q "^usage: mlopsctl" out && mlopsctl help | cmp - out && mlopsctl -h | cmp - out
'
test_expect 'help, X -h, X --help and -h X print the same, without a home' '
    rm -rf .mlops && unset HOME XDG_DATA_HOME XDG_CONFIG_HOME && cd / &&
    mlopsctl help config >"$T/1" && mlopsctl config -h >"$T/2" && mlopsctl config --help >"$T/3" &&
    mlopsctl config --nonsense -h >"$T/4" && false || [ -s "$T/1" ] && cmp "$T/1" "$T/2" && cmp "$T/1" "$T/3"
'
test_expect 'help changes nothing' '
    mlopsctl help >/dev/null && mlopsctl config -h >/dev/null && [ -z "$(ls -A .mlops)" ]
'
test_expect 'every command and verb answers -h with status 0 and its own usage' '
    for c in $(mlopsctl help --names); do
        mlopsctl "$c" -h >out 2>err && [ ! -s err ] && grep -q "^usage: mlopsctl $c" out || { echo "$c"; exit 1; }
        for v in $(sed -n "/^verbs:/,/^$/s/^  \([a-z-]*\) .*/\1/p" out); do
            mlopsctl help "$c" "$v" >out2 && grep -q "^usage: mlopsctl $c $v" out2 && mlopsctl "$c" "$v" -h | cmp - out2 || { echo "$c $v"; exit 1; }
        done
    done
'
test_expect 'an unknown command is a usage error with the nearest one' '
    expect_code 2 mlopsctl verison >out 2>err && [ ! -s out ] &&
    printf "mlopsctl: there is no command '"'verison'"'\nhint: did you mean version?\n" | diff - err
'
test_expect 'an unknown option is a usage error of its command' '
    expect_code 2 mlopsctl config --show-orign 2>err && grep -q "^mlopsctl: config: unknown option" err && grep -q "^hint: did you mean --show-origin?" err
'
test_expect 'help of an unknown command is a usage error' '
    expect_code 2 mlopsctl help confg 2>err && grep -q "did you mean config" err
'
test_expect 'global options stand before and after the command' '
    mlopsctl --json config gc.retention >1 && mlopsctl config --json gc.retention >2 && mlopsctl config gc.retention --json >3 &&
    cmp 1 2 && cmp 1 3 && [ "$(json .value <1)" = 90d ]
'
test_expect 'with --json a failure leaves stdout empty and is a document on stderr' '
    expect_code 2 mlopsctl --json config gc.retentio >out 2>err && [ ! -s out ] && [ "$(json .error.kind <err)" = usage ] &&
    json .error.message <err && [ "$(json .error.hint <err)" = "did you mean gc.retention?" ] && [ "$(json .schema <err)" = 1 ]
'
test_expect 'a result that cannot be written is status 8' '
    expect_code 8 mlopsctl config >/dev/full 2>err && grep -q "standard output: No space left" err &&
    expect_code 8 mlopsctl help >/dev/full && expect_code 8 mlopsctl --json version >/dev/full && expect_code 8 mlopsctl config -h >/dev/full
'
test_expect 'a closed stdout is status 8 and no file is written instead' '
    expect_code 8 mlopsctl config >&- 2>err && grep -q "standard output" err
'
test_expect 'a closed stderr does not change the status' '
    expect_code 2 mlopsctl nonsense 2>&- && expect_code 0 mlopsctl version >/dev/null 2>&-
'
test_expect 'a reader that goes away is not told' '
    { mlopsctl help 2>err; } | true; [ ! -s err ]
'
test_expect 'version tells version and libraries, and --version is the same' '
    mlopsctl version >1 && mlopsctl --version >2 && cmp 1 2 && grep -q "^mlopsctl  [0-9]" 1 && grep -q "^libyaml  *[0-9]" 1 &&
    [ "$(mlopsctl version --json | json .command)" = version ]
'
test_expect 'colour only where it is wanted' '
    unset NO_COLOR
    mlopsctl config >out && ! grep -q "$(printf "\033")" out &&
    MLOPSCTL_COLOR=always mlopsctl config >out && grep -q "$(printf "\033")\[1m" out &&
    MLOPSCTL_COLOR=always mlopsctl config --no-color >out && ! grep -q "$(printf "\033")" out &&
    MLOPSCTL_COLOR=always NO_COLOR=1 mlopsctl config >out && ! grep -q "$(printf "\033")" out
'
test_expect 'no option of a command hides a global one' '
    mlopsctl help | sed -n "/^options of every command/,\$s/^  \(-., \|    \)--\([a-z-]*\).*/\2/p" >globals && [ "$(wc -l <globals)" -ge 9 ] &&
    for c in $(mlopsctl help --names); do
        mlopsctl "$c" -h | sed -n "/^options:/,/^\(examples\|options of every\)/p" >own
        while read -r g; do grep -q -- "--$g\b" own && grep -E "^ +(-., )?--$g( |\$)" own && echo "$c: $g" && exit 1; done <globals
    done; true
'
test_expect 'letters are not used twice in a command' '
    for c in $(mlopsctl help --names); do
        mlopsctl "$c" -h | sed -n "s/^  -\(.\), --.*/\1/p" | sort | uniq -d | grep . && echo "$c" && exit 1
    done; true
'
test_done
