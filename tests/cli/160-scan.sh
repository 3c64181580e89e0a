#!/bin/sh
# scan: verdicts, exit statuses, folders, JSON; foreign names are escaped.
. "${0%/*}/lib.sh"

evil() { printf '\200\002cposix\nsystem\nX\002\000\000\000id\205R.'; }

test_expect 'weights without pickles pass' '
    tiny_model model.safetensors &&
    mlopsctl scan model.safetensors >out &&
    grep -q "model.safetensors *safetensors *none" out
'
test_expect 'tensor-only and known files pass' '
    mlopsctl scan "$G/checkpoints/state.pt" "$G/checkpoints/state-legacy.pt" >out &&
    grep -q "state.pt *pytorch *tensor-only" out
'
test_expect 'a hostile pickle is named, with exit status 1' '
    evil >notes.txt &&
    expect_code 1 mlopsctl scan notes.txt >out &&
    grep -q "dangerous.*posix.system" out
'
test_expect 'folders are walked, links in them are not' '
    mkdir -p tree/deep && evil >tree/deep/m.bin && ln -s deep tree/link && ln -s ../notes.txt tree/other && mkfifo tree/fifo &&
    expect_code 1 mlopsctl scan --json tree >out &&
    json ".verdict == \"dangerous\" and (.files | length) == 1 and .files[0].file == \"tree/deep/m.bin\"" <out
'
test_expect 'unscanned is not clean' '
    printf "BZh91AY&SY" >m.pkl.bz2 &&
    expect_code 1 mlopsctl scan --json m.pkl.bz2 >out &&
    json ".verdict == \"unscanned\"" <out
'
test_expect 'names with control bytes are escaped' '
    evil >"$(printf "a\033[31m")" &&
    expect_code 1 mlopsctl scan . >out &&
    ! grep -q "$(printf "\033")" out
'
test_expect 'nothing there is not found; no argument is wrong use' '
    expect_code 3 mlopsctl scan missing.pt &&
    expect_code 2 mlopsctl scan
'
test_done
