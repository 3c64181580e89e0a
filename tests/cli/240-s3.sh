#!/bin/sh
# S3 remotes against a real server that verifies signatures (Ceph's radosgw): push, pull, verify, undo, keys that
# may not, buckets that are not there, and other tools' view of what was written.
. "${0%/*}/lib.sh"
. "$R/tests/tools/s3.sh"
s3_start
b=$(s3_new_bucket) || { echo 'Bail out! no bucket'; exit 1; }

run_id() { mlopsctl log --json -n 1 | jq -s -r '.[0] | .run // .id // .runs[0].run // .runs[0].id'; }
mkdir model
python3 - <<'END'
import json, random, struct
random.seed(4)
names = [f"layer.{i}.weight" for i in range(8)]
size = 96 * 1024
header = json.dumps({n: {"dtype": "F32", "shape": [size // 4], "data_offsets": [i * size, (i + 1) * size]} for i, n in enumerate(names)})
header += " " * (-len(header) % 8)
with open("model/model.safetensors", "wb") as f:
    f.write(struct.pack("<Q", len(header)) + header.encode() + random.randbytes(8 * size))
END
echo '# for S3' >model/README.md
mlopsctl pack model -t team/m:1 >"$T/log" 2>&1 || skip_all "pack does not work: $(cat "$T/log")"

test_expect 'a push comes back elsewhere, bit for bit' '
    mlopsctl push team/m:1 "s3://$b/here" >out && grep -q "^pushed team/m:1 to s3://$b/here?endpoint=http://127.0.0.1:" out &&
    mlopsctl pull team/m:1 "s3://$b/here" --home "$T/two" && mlopsctl unpack team/m:1 -o two --home "$T/two" && diff -r model two &&
    mlopsctl verify --all --home "$T/two"
'
test_expect 'what it says it wrote is there, and nothing else' '
    s3 ls "$b" >listing && grep -q " here/refs/team/m/1$" listing && awk "{ print \$2 }" listing | cut -d/ -f2 | sort -u >kinds &&
    printf "%s\n" heads manifests packs recipes refs | cmp - kinds && [ -z "$(s3 uploads "$b")" ] &&
    for k in $(awk "\$2 ~ /(packs|recipes|manifests)/ { print \$2 }" listing); do
        [ "$(s3 get "$b/$k" | sha256sum | cut -c1-64)" = "${k##*/}" ] || exit 1
    done
'
test_expect 'an unchanged push asks at most five times and writes nothing' '
    s3 ls "$b" >before && mlopsctl push team/m:1 "s3://$b/here" --json >j && json ".unchanged and .requests <= 5 and .sent == 0" <j &&
    s3 ls "$b" | cmp before -
'
test_expect 'one changed tensor of eight is sent, and no more' '
    printf X | dd of=model/model.safetensors bs=1 seek=300000 conv=notrunc 2>dd.err && mlopsctl pack model -t team/m:2 &&
    mlopsctl push team/m:2 "s3://$b/here" --json >j && json ".sent > 98000 and .sent < 98304 * 1.01 + 12000 and .bytes > 786432" <j &&
    mlopsctl pull team/m:2 "s3://$b/here" --home "$T/two" --json >j && json ".sent < 98304 * 1.01 + 12000" <j &&
    mlopsctl unpack team/m:2 -o two2 --home "$T/two" && diff -r model two2
'
test_expect 'refs, their check, and a bucket without any' '
    mlopsctl remote refs "s3://$b/here" >out && grep -q "^team/m  *1 " out && grep -q "^team/m  *2 " out &&
    mlopsctl remote check --deep "s3://$b/here" | grep -q "no faults" && mlopsctl remote refs "s3://$b/elsewhere" | grep -q "nothing has been pushed"
'
test_expect 'rollback restores the former ref at the same endpoint, without its setting' '
    mlopsctl push team/m:1 "s3://$b/here" --as team/m:prod && s3 get "$b/here/refs/team/m/prod" >was &&
    mlopsctl push team/m:2 "s3://$b/here" --as team/m:prod && id=$(run_id) && ! s3 get "$b/here/refs/team/m/prod" | cmp -s was - &&
    env -u AWS_ENDPOINT_URL "$MLOPSCTL" rollback "$id" && s3 get "$b/here/refs/team/m/prod" | cmp was -
'
test_expect 'a first push is taken back, and brought back' '
    mlopsctl push team/m:1 "s3://$b/here" --as team/m:new && mlopsctl rollback "$(run_id)" && ! s3 size "$b/here/refs/team/m/new" &&
    mlopsctl rollback "$(run_id)" && s3 size "$b/here/refs/team/m/new"
'
test_expect 'a remote has a name and settings of its own in mlops.yaml' '
    printf "remotes:\n  prod:\n    url: s3://%s/here\n    endpoint: %s\n    region: eu-xy-1\n" "$b" "$AWS_ENDPOINT_URL" >mlops.yaml &&
    env -u AWS_ENDPOINT_URL -u AWS_REGION "$MLOPSCTL" push team/m:1 prod | grep -q already && rm mlops.yaml
'
test_expect 'a key out of a credentials file, and none at all' '
    mkdir -p "$HOME/.aws" && printf "[default]\naws_access_key_id=%s\naws_secret_access_key=%s\n" "$RGW_KEY" "$RGW_SECRET" >"$HOME/.aws/credentials" &&
    chmod 600 "$HOME/.aws/credentials" && env -u AWS_ACCESS_KEY_ID -u AWS_SECRET_ACCESS_KEY "$MLOPSCTL" remote refs "s3://$b/here" && rm "$HOME/.aws/credentials" &&
    expect_code 3 env -u AWS_ACCESS_KEY_ID -u AWS_SECRET_ACCESS_KEY "$MLOPSCTL" remote refs "s3://$b/here" 2>err && grep -q "no S3 key" err
'
test_expect 'a wrong secret is told from a key that may not write; neither is shown' '
    AWS_SECRET_ACCESS_KEY=not-the-secret expect_code 5 mlopsctl push team/m:1 "s3://$b/here" 2>err && grep -q "key pair (the environment) is wrong" err &&
    ! grep -q not-the-secret err && AWS_ACCESS_KEY_ID=UNKNOWNKEY expect_code 5 mlopsctl push team/m:1 "s3://$b/here" 2>err && grep -q InvalidAccessKeyId err &&
    AWS_ACCESS_KEY_ID=$RGW_RO_KEY AWS_SECRET_ACCESS_KEY=$RGW_RO_SECRET && export AWS_ACCESS_KEY_ID AWS_SECRET_ACCESS_KEY &&
    mlopsctl pull team/m:1 "s3://$b/here" --home "$T/ro" && s3 ls "$b" >before && expect_code 5 mlopsctl push team/m:1 "s3://$b/here" --as team/m:ro 2>err &&
    grep -q "denies access" err && grep -q "^hint: " err && s3 ls "$b" | cmp before - && ! grep -rq "$RGW_SECRET" .mlops
'
test_expect 'no bucket, no server, no such address, each with what to do' '
    expect_code 5 mlopsctl push team/m:1 s3://no-such-bucket/x 2>err && grep -q "has no bucket .no-such-bucket" err && grep -q "^hint: " err &&
    expect_code 5 mlopsctl pull team/m:1 s3://no-such-bucket/x 2>err && expect_code 3 mlopsctl pull team/m:none "s3://$b/here" 2>err &&
    AWS_ENDPOINT_URL=http://127.0.0.1:9 expect_code 5 mlopsctl remote refs "s3://$b/here" 2>err && grep -q "cannot connect" err &&
    AWS_ENDPOINT_URL=http://example.invalid expect_code 2 mlopsctl remote refs "s3://$b/here" 2>err && grep -q "without encryption" err &&
    for u in s3:// "s3://$b/../x" "s3://$b/a//b" "s3://user:hidden@$b/x" "s3://$b/x?versionId=1" "s3://b%20/x"; do
        expect_code 2 mlopsctl remote refs "$u" 2>err && ! grep -q hidden err || exit 1
    done
'
test_expect 'a full quota is said to be one, and costs nothing that was there' '
    RGW_KEY=$RGW_SMALL_KEY RGW_SECRET=$RGW_SMALL_SECRET && export RGW_KEY RGW_SECRET && small=$(s3_new_bucket) &&
    AWS_ACCESS_KEY_ID=$RGW_SMALL_KEY AWS_SECRET_ACCESS_KEY=$RGW_SMALL_SECRET && export AWS_ACCESS_KEY_ID AWS_SECRET_ACCESS_KEY &&
    mlopsctl push team/m:1 "s3://$small/x" && head -c 9000000 /dev/urandom >big.bin && mkdir big && mv big.bin big/ && mlopsctl pack big -t big:1 &&
    expect_code 5 mlopsctl push big:1 "s3://$small/x" 2>err && grep -q "no more room" err && grep -q "^hint: " err &&
    ! s3 size "$small/x/refs/big/1" && mlopsctl pull team/m:1 "s3://$small/x" --home "$T/small"
'
test_expect 'a clock that is hours off is corrected by the server'"'"'s' '
    if [ "$MLOPSCTL" = "$PLAIN" ] || [ -x "$PLAIN" ]; then have faketime || exit 0
        faketime -f +5h "$PLAIN" remote refs "s3://$b/here" --home "$T/clock" >out && grep -q team/m out; fi
'
test_expect 'two writers on one tag are noticed' '
    mlopsctl push team/m:1 "s3://$b/here" --as team/m:two && id=$(run_id) && mlopsctl push team/m:2 "s3://$b/here" --as team/m:two &&
    expect_code 6 mlopsctl rollback "$id"
'
test_expect 'a pack with a flipped byte is found; verify and pull name it, push --check mends it' '
    k=$(s3 ls "$b/here/packs" | sort -rn | head -n 1 | cut -d" " -f2) && s3 get "$b/$k" >pack && cp pack bad &&
    printf X | dd of=bad bs=1 seek=5000 conv=notrunc 2>dd.err && s3 put "$b/$k" bad &&
    expect_code 4 mlopsctl pull team/m:1 "s3://$b/here" --home "$T/bad" 2>err && grep -q damaged err && ! mlopsctl ls --home "$T/bad" | grep -q team &&
    expect_code 1 mlopsctl remote check --deep "s3://$b/here" && s3 rm "$b/$k" && expect_code 1 mlopsctl remote check "s3://$b/here" &&
    mlopsctl push --check team/m:1 "s3://$b/here" && mlopsctl pull team/m:1 "s3://$b/here" --home "$T/bad"
'
if have rclone; then
    test_expect 'rclone sees the same objects' '
        rclone lsl --s3-provider Ceph --s3-endpoint "$AWS_ENDPOINT_URL" --s3-env-auth ":s3:$b" >rl 2>err && s3 ls "$b" >mine &&
        awk "{ print \$1, \$NF }" rl | sort >a && sort mine | cmp - a
    '
fi
test_done
