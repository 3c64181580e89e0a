#!/bin/sh
# What pack refuses, with which status, and that nothing is named then.
. "${0%/*}/lib.sh"

# refused STATUS TEXT ARGS...: pack fails so, says so, and names nothing.
refused()
{
    status=$1 text=$2
    shift 2
    expect_code "$status" mlopsctl pack "$@" -t refused:1 2>err || return 1
    grep -qF "$text" err || {
        echo "no '$text' in:" && cat err
        return 1
    }
    grep -q '^mlopsctl: pack: ' err && expect_code 3 mlopsctl show refused:1 2>/dev/null
}
tree()
{
    rm -rf m && mkdir m && tiny_model m/model.safetensors
}

test_expect 'a FIFO and a link that loops, both named' '
    tree && mkfifo m/pipe && ln -s . m/loop && refused 4 "'"'pipe': a FIFO"'" m && grep -qF "'"'loop': a symbolic link"'" err
'
test_expect 'a FIFO named on the command line' '
    tree && mkfifo p && refused 4 "a FIFO" p
'
test_expect 'names that differ only in case' '
    tree && echo a >m/A.txt && echo b >m/a.txt && refused 4 "collides with" m
'
test_expect 'names with control bytes, shown escaped' '
    tree && echo a >"m/$(printf "a\033[2Jb")" && refused 4 "a\\x1B[2Jb" m && ! grep -q "$(printf "\033")" err
'
test_expect 'a dangerous pickle, whatever its name is' '
    tree && printf "\200\002cposix\nsystem\nX\002\000\000\000id\205R." >m/notes.txt &&
    refused 4 "dangerous pickle" m && grep -q posix.system err && refused 4 "dangerous pickle" m --accept-unknown
'
test_expect 'an unknown pickle unless accepted' '
    tree && printf "\200\002cmy_package\nThing\n)R." >m/extra.pkl && refused 4 "unknown pickle" m &&
    mlopsctl pack m -t accepted:1 --accept-unknown
'
test_expect 'a secret by content or by name unless accepted; the secret is nowhere recorded' '
    tree && echo "aws = \"AKIA""QWERTYUIOPASDFGH\"" >m/train.py && echo "A=b" >m/.env &&
    refused 4 "a secret (aws-access-key" m && grep -q "a file of secrets" err && ! grep -q QWERTYUIOP err &&
    ! grep -rq QWERTYUIOP .mlops && mlopsctl pack m -t accepted:2 --accept-secrets
'
test_expect 'malformed weights' '
    tree && printf "x" >>m/model.safetensors && refused 4 "model.safetensors" m
'
test_expect 'a shard that the index names and that is not there' '
    tree && mv m/model.safetensors m/model-00001-of-00002.safetensors &&
    echo "{\"metadata\":{},\"weight_map\":{\"w\":\"model-00001-of-00002.safetensors\",\"v\":\"model-00002-of-00002.safetensors\"}}" >m/model.safetensors.index.json &&
    refused 4 "model-00002-of-00002" m
'
test_expect 'all refusals are listed' '
    tree && for i in 1 2 3; do printf "\200\002cposix\nsystem\nX\002\000\000\000id\205R." >m/$i.pkl; done &&
    refused 4 "3 refused" m && grep -q 1.pkl err && grep -q 2.pkl err && grep -q 3.pkl err
'
test_expect 'nothing, or nothing there' '
    mkdir empty && refused 4 "no files" empty && refused 3 "nowhere" nowhere
'
test_expect 'wrong words' '
    tree && expect_code 2 mlopsctl pack m 2>err && grep -q -- "--tag" err &&
    expect_code 2 mlopsctl pack m -t Upper 2>/dev/null && expect_code 2 mlopsctl pack m -t "a@sha256:00" 2>/dev/null &&
    expect_code 2 mlopsctl pack m -t a --metric auc 2>/dev/null && expect_code 2 mlopsctl pack m -t a --metric auc=x 2>/dev/null &&
    expect_code 2 mlopsctl pack -t a 2>/dev/null
'
if [ "$(id -u)" -ne 0 ]; then
    test_expect 'a file that may not be read' '
        tree && echo x >m/locked.txt && chmod 000 m/locked.txt && refused 8 "locked.txt" m
    '
elif have setpriv; then
    test_expect 'a file that may not be read' '
        tree && echo x >m/locked.txt && chmod 000 m/locked.txt && chmod 711 "$T" && chmod -R o+rX "$T/work/m" && chmod 000 m/locked.txt &&
        expect_code 8 setpriv --reuid 65534 --clear-groups "$MLOPSCTL" pack m -t x:1 -n --home "$T/none" 2>err && grep -q locked.txt err
    '
else
    test_skip 'a file that may not be read' 'root reads everything'
fi
test_expect 'a refusal in JSON is one object on stderr' '
    tree && mkfifo m/pipe && expect_code 4 mlopsctl pack m -t a:1 --json >out 2>err && ! test -s out && json ".error.kind == \"invalid\"" <err
'

if have git; then
    test_expect 'a dirty tree unless allowed, and then the bundle says so' '
        rm -rf repo && git init -q repo && cd repo && mkdir m && tiny_model m/model.safetensors && echo "print(1)" >train.py &&
        git add -A && git commit -qm one && mlopsctl pack m -t clean:1 && mlopsctl show clean:1 --json | json ".dirty == false" &&
        echo "print(2)" >train.py && refused 6 "train.py" m && grep -q "^hint: .*--allow-dirty" err &&
        mlopsctl pack m -t dirty:1 --allow-dirty && mlopsctl show dirty:1 --json | json ".dirty" &&
        mlopsctl show dirty:1 --json | json ".revision == \"$(git rev-parse HEAD)\""
    '
    test_expect 'files unknown to git count only among the packed ones' '
        cd repo && git checkout -q train.py && echo x >scratch.txt && mlopsctl pack m -t clean:2 &&
        echo y >m/new.txt && refused 6 "m/new.txt" m && echo new.txt >.gitignore && git add .gitignore && git commit -qm ignore && mlopsctl pack m -t clean:3
    '
    test_expect 'the time in a bundle is the commit'"'"'s without SOURCE_DATE_EPOCH' '
        cd repo && unset SOURCE_DATE_EPOCH && mlopsctl pack m -t clean:4 &&
        want=$(TZ=UTC git show -s --date=format-local:%Y-%m-%dT%H:%M:%SZ --format=%cd) &&
        [ "$(mlopsctl show clean:4 --json | jq -r .created)" = "$want" ]
    '
fi
cat >npz.py <<'E'
import struct, zipfile
head = b"{'descr': '<f4', 'fortran_order': False, 'shape': (524288,), }"
head += b" " * (118 - len(head) - 1) + b"\n"
with zipfile.ZipFile("w.npz", "w", zipfile.ZIP_STORED) as z:
    z.writestr(zipfile.ZipInfo("a.npy"), b"\x93NUMPY\x01\x00" + struct.pack("<H", 118) + head + bytes(range(256)) * 8192)
E
test_expect 'a flipped byte in a stored array is found by the CRC of its archive' '
    python3 npz.py && mlopsctl pack w.npz -t w:1 &&
    printf "\377\376" | dd of=w.npz bs=1 seek=1000000 conv=notrunc &&
    expect_code 4 mlopsctl pack w.npz -t w:2 2>err && grep -F "\"a.npy\"" err && grep CRC-32 err && must_fail mlopsctl show w:2
'
test_done
