#!/bin/sh
# A folder as a remote: what is sent, what comes back, what a rollback takes back, what damage does.
. "${0%/*}/lib.sh"

run_id() { mlopsctl log --json -n 1 | jq -s -r '.[0] | .run // .id // .runs[0].run // .runs[0].id'; }
digest_of() { mlopsctl show "$1" --json | jq -r .digest; }

mkdir model
tiny_model model/model.safetensors
echo '# tiny' >model/README.md
head -c 300000 /dev/urandom >model/blob.bin
mlopsctl pack model -t team/m:1 >"$T/log" 2>&1 || skip_all "pack does not work: $(cat "$T/log")"

test_expect 'a push comes back elsewhere, bit for bit' '
    mlopsctl push team/m:1 ./remote >out && grep -q "^pushed team/m:1 to file:///" out &&
    mlopsctl pull team/m:1 ./remote --home "$T/two" && mlopsctl unpack team/m:1 -o out2 --home "$T/two" && diff -r model out2 &&
    mlopsctl verify --all --deep --home "$T/two" 2>/dev/null || mlopsctl verify --all --home "$T/two"
'
test_expect 'an unchanged push asks at most five times and writes nothing' '
    find remote -type f | sort >before && mlopsctl push team/m:1 ./remote --json >j && json ".unchanged and .requests <= 5 and .sent == 0" <j &&
    find remote -type f | sort | cmp - before && mlopsctl push team/m:1 ./remote | grep -q "already on"
'
test_expect 'a small change sends little' '
    echo more >>model/README.md && mlopsctl pack model -t team/m:2 && mlopsctl push team/m:2 ./remote --json >j &&
    json ".sent < 20000 and .bytes > 300000" <j && mlopsctl pull team/m:2 ./remote --home "$T/two" --json >j && json ".sent < 20000" <j
'
test_expect 'dry run says it and does nothing' '
    mlopsctl push -n team/m:1 ./remote --as team/m:3 | grep -q "^would push" && ! test -e remote/refs/team/m/3 &&
    expect_code 3 mlopsctl push -n team/m:1 ./nowhere && ! test -e nowhere
'
test_expect 'remote refs, ls and check tell what is there' '
    mlopsctl remote refs ./remote >out && grep -q "^team/m  *1 " out && grep -q "^team/m  *2 " out && mlopsctl remote check --deep ./remote | grep -q "no faults" &&
    printf "remotes:\n  prod:\n    url: %s/remote\n" "$PWD" >mlops.yaml && mlopsctl remote ls | grep -q "^prod .*/remote" &&
    mlopsctl remote refs prod | grep -q team/m && mlopsctl push team/m:1 prod | grep -q already &&
    expect_code 3 mlopsctl remote refs nothing 2>err && grep -q "./nothing" err && expect_code 7 mlopsctl push team/m:1 gs://bucket/x &&
    MLOPSCTL_REMOTE_DEFAULT=prod mlopsctl pull team/m:1 --home "$T/three" && expect_code 2 mlopsctl push team/m:1
'
test_expect 'a first push is taken back by rollback, and brought back by rolling that back' '
    mlopsctl push team/m:1 ./remote --as team/m:new && id=$(run_id) && test -e remote/refs/team/m/new && mlopsctl rollback "$id" &&
    ! test -e remote/refs/team/m/new && mlopsctl rollback "$(run_id)" && test -e remote/refs/team/m/new && mlopsctl pull team/m:new ./remote --home "$T/four"
'
test_expect 'a replaced ref comes back as it was' '
    mlopsctl push team/m:1 ./remote --as team/m:prod && cp remote/refs/team/m/prod was && mlopsctl push team/m:2 ./remote --as team/m:prod &&
    id=$(run_id) && ! cmp -s was remote/refs/team/m/prod && mlopsctl rollback "$id" && cmp was remote/refs/team/m/prod
'
test_expect 'what somebody else pushed since is not undone' '
    mlopsctl push team/m:2 ./remote --as team/m:prod && id=$(run_id) && mlopsctl push team/m:1 ./remote --as team/m:prod --home .mlops &&
    expect_code 6 mlopsctl rollback "$id"
'
test_expect 'a pulled name moves back by rollback' '
    mlopsctl tag team/m:1 local:x && was=$(digest_of local:x) && mlopsctl pull team/m:2 ./remote --as local:x && [ "$(digest_of local:x)" != "$was" ] &&
    mlopsctl rollback "$(run_id)" && [ "$(digest_of local:x)" = "$was" ]
'
test_expect 'a damaged remote is noticed, named and mended' '
    pack=$(find remote/packs -type f -size +200k | head -n 1) && cp "$pack" good && printf X | dd of="$pack" bs=1 seek=150000 conv=notrunc 2>/dev/null &&
    expect_code 4 mlopsctl pull team/m:1 ./remote --home "$T/five" 2>err && grep -q "damaged" err && ! mlopsctl ls --home "$T/five" | grep -q team &&
    expect_code 1 mlopsctl remote check --deep ./remote >out && grep -q damaged out && rm "$pack" && expect_code 1 mlopsctl remote check ./remote &&
    expect_code 5 mlopsctl pull team/m:1 ./remote --home "$T/five" &&
    mlopsctl push --check team/m:1 ./remote && mlopsctl pull team/m:1 ./remote --home "$T/five" && mlopsctl verify --all --home "$T/five"
'
test_expect 'names and places that are not there are said' '
    expect_code 3 mlopsctl pull team/m:nope ./remote && expect_code 3 mlopsctl pull team/m:1 ./nowhere && expect_code 3 mlopsctl push nope:1 ./remote &&
    expect_code 2 mlopsctl pull "team/m@sha256:$(printf "%064d" 0)" ./remote && expect_code 3 mlopsctl pull "team/m:1@sha256:$(printf "%064d" 0)" ./remote && expect_code 2 mlopsctl push team/m:1 ./remote --as "BAD NAME"
'
test_done
