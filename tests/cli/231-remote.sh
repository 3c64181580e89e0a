#!/bin/sh
# Names of remotes, and whether a remote can be used.
. "${0%/*}/lib.sh"

run_id() { mlopsctl log --json -n 1 | jq -r '.runs[0].run'; }

tiny_model m.safetensors
mlopsctl pack m.safetensors -t m:1 >"$T/log" 2>&1 || skip_all "pack does not work: $(cat "$T/log")"
mkdir models

test_expect 'add makes mlops.yaml, and the name works' '
    mlopsctl remote add disk ./models | grep -q "remote disk is in $PWD/mlops.yaml" && grep -q "url: .*$PWD/models" mlops.yaml &&
    mlopsctl remote ls | grep -q "^disk  *$PWD/models$" && mlopsctl push m:1 disk && (mkdir -p sub && cd sub && mlopsctl remote refs disk | grep -q "^m ")
'
test_expect 'a name that is there already is a conflict, and nothing is changed' '
    cp mlops.yaml was && expect_code 6 mlopsctl remote add disk ./other 2>err && grep -q "line 2" err && cmp was mlops.yaml
'
test_expect 'what else is in the file stays, byte for byte' '
    printf "# mine\ngc: {retention: 30d}   # long\nremotes:\n  # the disk\n  disk:\n    url: %s/models\n\nuser:\n  name: ann\n" "$PWD" >mlops.yaml && cp mlops.yaml was &&
    chmod 640 mlops.yaml && mlopsctl remote add prod s3://models/credit --endpoint https://minio.example.org --region eu-1 --profile lab --style path &&
    [ "$(stat -c %a mlops.yaml)" = 640 ] && [ "$(mlopsctl config gc.retention)" = 30d ] && mlopsctl remote ls | grep -q "^prod  *s3://models/credit" &&
    diff was mlops.yaml | grep -c "^>" >n && [ "$(cat n)" -eq 6 ] && ! diff was mlops.yaml | grep -q "^<" &&
    mlopsctl remote rm prod && cmp was mlops.yaml
'
test_expect 'a link to the file stays a link' '
    mkdir elsewhere && mv mlops.yaml elsewhere/real.yaml && ln -s elsewhere/real.yaml mlops.yaml && mlopsctl remote add two ./two &&
    test -L mlops.yaml && grep -q "two:" elsewhere/real.yaml && mlopsctl remote rm two && rm mlops.yaml && mv elsewhere/real.yaml mlops.yaml
'
test_expect 'rollback takes the entry back and leaves what was written by hand since' '
    mlopsctl remote add a ./a && id=$(run_id) && echo "pack.license: MIT" >>mlops.yaml && mlopsctl remote add b ./b &&
    mlopsctl rollback "$id" && ! mlopsctl remote ls | grep -q "^a " && mlopsctl remote ls | grep -q "^b " && grep -q "license: MIT" mlops.yaml &&
    mlopsctl rollback --last && ! mlopsctl remote ls | grep -q "^b "
'
test_expect 'rollback of rm brings all keys back; an entry that was changed since is left' '
    mlopsctl remote add prod s3://b --region eu-1 && mlopsctl remote rm prod && mlopsctl rollback --last --dry-run | grep -q "mlops.yaml#prod" && mlopsctl rollback --last &&
    grep -A2 "^  prod:" mlops.yaml | grep -q "region: eu-1" && mlopsctl remote rm prod && mlopsctl remote add prod s3://other && id=$(run_id) &&
    sed -i s,s3://other,s3://changed, mlops.yaml && expect_code 6 mlopsctl rollback "$id" 2>err && grep -q "changed since" err && mlopsctl remote rm prod
'
test_expect 'rollback of rm brings back the comments and the way it was written, and leaves what was written elsewhere since' '
    cp mlops.yaml keep && printf "# mine\nremotes:\n  # the disk\n  disk:   # fast\n    # where\n    url:   \"%s/models\"\n\n  two: /two # short\nuser: {name: ann}\n" "$PWD" >mlops.yaml && cp mlops.yaml was &&
    for name in disk two; do mlopsctl remote rm $name && ! cmp -s was mlops.yaml && mlopsctl rollback --last && cmp was mlops.yaml || exit 1; done &&
    mlopsctl remote rm disk && id=$(run_id) && echo "pack.license: MIT # new" >>mlops.yaml && mlopsctl rollback "$id" && { cat was && echo "pack.license: MIT # new"; } | cmp - mlops.yaml &&
    mlopsctl remote rm disk && id=$(run_id) && mlopsctl remote add three /three && mlopsctl rollback "$id" && mlopsctl remote ls | grep -q "^disk  *$PWD/models$" && mlopsctl remote ls | grep -q "^three " && cp keep mlops.yaml
'
test_expect 'no secret of a comment gets into the ledger' '
    cp mlops.yaml keep && printf "remotes:\n  # Authorization: Bearer hunter2hunter2hunter2\n  disk: /x\n" >mlops.yaml && mlopsctl remote rm disk && ! grep -rq hunter2 .mlops &&
    mlopsctl rollback --last && mlopsctl remote ls | grep -q "^disk  */x" && cp keep mlops.yaml
'
test_expect 'the user has names of his own for all projects' '
    mlopsctl remote add --user mine /srv/models && test -f "$XDG_CONFIG_HOME/mlopsctl/config.yaml" && mlopsctl remote ls | grep -q "^mine  */srv/models" &&
    expect_code 3 mlopsctl remote rm mine && mlopsctl remote rm --user mine && ! mlopsctl remote ls | grep -q ^mine
'
test_expect 'what is no remote is refused, and no secret gets into the file' '
    cp mlops.yaml was && expect_code 2 mlopsctl remote add x https://example.org/x && expect_code 2 mlopsctl remote add x s3://user:hunter2@b 2>err && ! grep -q hunter2 err &&
    expect_code 2 mlopsctl remote add x ./folder --region eu && expect_code 2 mlopsctl remote add a/b ./x && expect_code 2 mlopsctl remote add a.b ./x &&
    expect_code 3 mlopsctl remote rm nothing && cmp was mlops.yaml
'
test_expect 'a file in braces is left to its owner, with the line to write' '
    cp mlops.yaml keep && echo "remotes: {disk: $PWD/models}" >mlops.yaml && cp mlops.yaml was && expect_code 7 mlopsctl remote add x ./x 2>err &&
    grep -q "by hand" err && grep -q "{ x: $PWD/x }" err && cmp was mlops.yaml && cp keep mlops.yaml
'
test_expect 'two at once both get in' '
    for i in 1 2 3 4 5 6; do mlopsctl remote add "at-once-$i" "./r$i" >/dev/null & done; wait; [ "$(mlopsctl remote ls | grep -c ^at-once-)" -eq 6 ]
'
test_expect 'check writes an object, reads it back and leaves nothing' '
    find models | sort >before && mlopsctl remote check disk >out && grep -q "^writable  *yes" out && grep -q "^up  *[0-9.]* .iB/s" out && grep -q "no faults" out &&
    find models | sort | cmp - before && mlopsctl remote check --json disk | json ".writable and .upload_bytes_per_second > 0 and .download_bytes_per_second > 0 and (.faults | length == 0)"
'
test_expect 'check --read-only asks for no write' '
    mlopsctl remote check --read-only --json disk >j && json "has(\"writable\") | not" <j
'
mkdir ro && mlopsctl push m:1 ./ro >"$T/log"
# root may write where others may not: for root the folder is mounted read-only on itself
if [ "$(id -u)" -ne 0 ]; then chmod 500 ro; elif ! { mount --bind ro ro && mount -o remount,bind,ro ro; } 2>/dev/null; then
    umount ro 2>/dev/null
    mode=writable
fi
if [ -n "${mode-}" ]; then
    test_skip 'a remote that cannot be written to is said, with the reason' 'root can write anywhere and may not mount here'
else
    test_expect 'a remote that cannot be written to is said, with the reason' '
        mlopsctl remote check --json ./ro >j && json ".writable == false and (.write_error | length > 0) and (.faults | length == 0)" <j
    '
    [ "$(id -u)" -ne 0 ] || umount ro
    chmod 700 ro
fi
test_expect 'refs tell what a name led to before' '
    printf "\001" | dd of=m.safetensors bs=1 seek=70 conv=notrunc 2>/dev/null && mlopsctl pack m.safetensors -t m:2 && mlopsctl push m:1 disk --as m:prod && mlopsctl push m:2 disk --as m:prod &&
    mlopsctl remote refs disk m:prod --history >out && [ "$(grep -c "^m  *prod " out)" -eq 2 ] && grep -q " now$" out && grep -q " before$" out &&
    mlopsctl remote refs disk --json | json "[.refs[] | select(.tag == \"prod\")] | length == 1" && mlopsctl remote refs disk nothing | grep -q "nothing of that name"
'
test_expect 'an address with a query that is not understood is a mistake' '
    expect_code 2 mlopsctl remote refs "s3://b/p?regin=x" 2>err && grep -q "endpoint=URL" err && expect_code 2 mlopsctl remote refs "s3://b?style=odd" &&
    expect_code 2 env MLOPSCTL_S3_STYLE=odd "$MLOPSCTL" remote refs s3://b 2>err && grep -q MLOPSCTL_S3_STYLE err
'
test_expect 'a key for RunPod is not given to another remote' '
    echo rpa_x >key && expect_code 2 mlopsctl remote refs s3://b --token-file key 2>err && grep -q "none of RunPod" err
'
test_done
