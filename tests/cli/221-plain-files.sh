#!/bin/sh
# The layout of plain files in a folder, two writers, names that would share a path, and how much memory all that takes.
. "${0%/*}/lib.sh"

run_id() { mlopsctl log --json -n 1 | jq -s -r '.[0] | .run // .id // .runs[0].run // .runs[0].id'; }
listed() { # do the files of the list have its digests, and is there no other?
    jq -r '.files[] | .sha256 + "  " + .path' "remote/lists/$1" >sums && (cd "remote/files/$1" && sha256sum --quiet -c) <sums &&
        [ "$(find "remote/files/$1" -type f | wc -l)" -eq "$(wc -l <sums)" ]
}

mkdir -p model/sub
tiny_model model/model.safetensors
head -c 2000000 /dev/urandom >model/sub/table.bin
echo '# tiny' >model/README.md
mlopsctl pack model -t m:1 >"$T/log" 2>&1 || skip_all "pack does not work: $(cat "$T/log")"

test_expect 'programs find the files of the bundle, and a list that sha256sum agrees with' '
    mlopsctl push m:1 ./remote --layout files >out && diff -r model remote/files/m/1 >differs; ! grep -v "mlopsctl.json" differs &&
    json .complete <remote/lists/m/1 && listed m/1 && mlopsctl remote check --deep ./remote | grep -q "no faults"
'
test_expect 'such a tag is pulled like any other' '
    mlopsctl pull m:1 ./remote --home "$T/two" && mlopsctl unpack m:1 -o back --home "$T/two" && diff -r model back &&
    mlopsctl verify --all --home "$T/two"
'
test_expect 'what did not change is not sent again, what is gone from the bundle goes' '
    mlopsctl push m:1 ./remote --layout files --json >j && json ".unchanged and .requests <= 5" <j &&
    rm model/README.md && echo new >model/NEW.md && mlopsctl pack model -t m:2 && mlopsctl push m:2 ./remote --as m:1 --layout files --json >j &&
    json ".sent < 100000" <j && ! test -e remote/files/m/1/README.md && grep -q new remote/files/m/1/NEW.md && listed m/1
'
test_expect 'an undo says which file of the former version is gone, and touches nothing' '
    id=$(run_id) && cp remote/refs/m/1 was && expect_code 6 mlopsctl rollback "$id" 2>err && grep -q "README.md" err && grep -q "push" err && cmp was remote/refs/m/1 && listed m/1
'
test_expect 'the undo of a first push leaves a folder that is nobody'\''s, which the next push takes up' '
    mlopsctl push m:1 ./remote --as m:new --layout files && mlopsctl rollback "$(run_id)" && ! test -e remote/refs/m/new &&
    json ".complete | not" <remote/lists/m/new && mlopsctl push m:1 ./remote --as m:new --layout files --json >j && json ".sent < 100000" <j && listed m/new
'
test_expect 'a file that was spoilt is named, and a checked push mends what has another size' '
    printf X | dd of=remote/files/m/new/sub/table.bin bs=1 seek=70000 conv=notrunc 2>/dev/null &&
    expect_code 4 mlopsctl pull m:new ./remote --home "$T/three" 2>err && grep -q "files/m/new/sub/table.bin.* is damaged at byte" err &&
    : >remote/files/m/new/sub/table.bin && expect_code 1 mlopsctl remote check ./remote >out && grep -q table.bin out &&
    mlopsctl push --check m:1 ./remote --as m:new --layout files && mlopsctl pull m:new ./remote --home "$T/three" && listed m/new
'
test_expect 'a name and a tag that would share a path exclude each other' '
    mlopsctl push m:1 ./remote --as m:x && find remote | sort >before && expect_code 6 mlopsctl push m:1 ./remote --as m/x:1 2>err && grep -q "m:x" err && grep -q -e "--as" err &&
    find remote | sort | cmp - before && mlopsctl push m:1 ./remote --as deep/er:1 && expect_code 6 mlopsctl push m:1 ./remote --as deep:er 2>err && grep -q "deep/er" err
'
test_expect 'of two writers on one tag at the same time none says done who was not' '
    echo other >model/OTHER.md && mlopsctl pack model -t m:1 --home "$T/other" || return
    for i in 1 2 3 4 5 6 7 8; do
        mlopsctl -q push m:1 ./remote --as both:1 --home "$T/other" 2>err.other & there=$!
        mlopsctl -q push m:1 ./remote --as both:1 2>err.here; here=$?
        wait "$there"; there=$?
        case "$here $there" in "0 0" | "0 6" | "6 0") ;; *) echo "exit $here and $there"; cat err.*; return 1 ;; esac
        now=$(mlopsctl remote refs ./remote --json | jq -r ".refs[] | select(.name == \"both\" and .tag == \"1\") | .digest")
        one=$(mlopsctl show m:1 --json | jq -r .digest) two=$(mlopsctl show m:1 --json --home "$T/other" | jq -r .digest)
        { [ "$here" = 0 ] && [ "$now" = "$one" ]; } || { [ "$there" = 0 ] && [ "$now" = "$two" ]; } || { echo "the tag leads to $now"; return 1; }
        mlopsctl remote check ./remote || return
    done
'
test_expect 'a pull of 300 MB takes little memory, and so does its push' '
    head -c 300000000 /dev/urandom >big.bin && mlopsctl pack big.bin -t big:1 && rm big.bin &&
    for c in "push big:1 ./remote" "pull big:1 ./remote --home $T/four"; do
        python3 -c "import resource,subprocess,sys; r=subprocess.run(sys.argv[1:]).returncode; print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss); sys.exit(r)" "$PLAIN" -q $c >peak || return
        [ "$(cat peak)" -le 131072 ] || { cat peak; return 1; }
    done
'
test_done
