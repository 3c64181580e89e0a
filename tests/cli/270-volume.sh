#!/bin/sh
# A bundle on a RunPod network volume and back: the double for REST, a real radosgw as the volume's S3.
. "${0%/*}/lib.sh"
. "$R/tests/tools/s3.sh"
. "$R/tests/tools/runpod.sh"

have jq || skip_all 'needs jq'
run_id() { mlopsctl log --json -n 1 | jq -s -r '.[0] | .run // .id // .runs[0].run // .runs[0].id'; }

mkdir model
tiny_model model/model.safetensors
head -c 3000000 /dev/urandom >model/blob.bin
mlopsctl pack model -t team/m:1 >"$T/log" 2>&1 || skip_all "pack does not work: $(cat "$T/log")"
s3_start
runpod_start
RUNPOD_S3_ACCESS_KEY=$RGW_KEY RUNPOD_S3_SECRET_KEY=$RGW_SECRET MLOPSCTL_RUNPOD_S3=$RGW_URL
export RUNPOD_S3_ACCESS_KEY RUNPOD_S3_SECRET_KEY MLOPSCTL_RUNPOD_S3
unset AWS_ACCESS_KEY_ID AWS_SECRET_ACCESS_KEY AWS_ENDPOINT_URL AWS_REGION
# new_volume NAME: a volume whose S3 answers at once; prints the id
new_volume()
{
    new_id=$(s3_new_bucket) && runpod_ctl put volume "{\"id\":\"$new_id\",\"name\":\"$1\",\"size\":10,\"dataCenter\":\"EU-RO-1\"}" >/dev/null && echo "$new_id"
}
# $T/mount becomes what a pod sees that mounts the volume
mounted()
{
    mkdir -p "$T/mount"
    s3 ls "$1" | while read -r _ key; do
        mkdir -p "$T/mount/$(dirname "$key")" && s3 get "$1/$key" >"$T/mount/$key" || exit 1
    done
}
V=$(new_volume models)

test_expect 'a push to a volume by its name comes back by its id, bit for bit' '
    mlopsctl push team/m:1 runpod://models >out && grep -q "^pushed team/m:1 to runpod://$V:" out && s3 size "$V/refs/team/m/1" &&
    mlopsctl pull team/m:1 "runpod://$V" --home "$T/two" && mlopsctl verify team/m:1 --home "$T/two" && mlopsctl unpack team/m:1 -o out2 --home "$T/two" && diff -r model out2
'
test_expect 'an unchanged push asks the volume at most five times, and RunPod once' '
    before=$(runpod_asked GET /v2/network-volumes) && mlopsctl push team/m:1 runpod://models --json >j && json ".unchanged and .requests <= 5 and .sent == 0" <j &&
    [ "$(runpod_asked GET /v2/network-volumes)" -eq $((before + 1)) ]
'
test_expect 'a small change sends little' '
    cp -r model model2 && printf X | dd of=model2/blob.bin bs=1 seek=100 conv=notrunc 2>/dev/null && mlopsctl pack model2 -t team/m:2 &&
    mlopsctl push team/m:2 runpod://models --json >j && json ".sent < 2000000 and .bytes > 3000000" <j && mlopsctl remote refs runpod://models | grep -q "^team/m  *2 "
'
test_expect 'a pod that mounts the volume reads it as a folder, without key and network' '
    mounted "$V" && RUNPOD_API_KEY= RUNPOD_S3_ACCESS_KEY= RUNPOD_S3_SECRET_KEY= RUNPOD_VOLUME_ID=$V MLOPSCTL_RUNPOD_MOUNT=$T/mount \
        mlopsctl pull team/m:2 "runpod://$V" --home "$T/pod" && mlopsctl unpack team/m:2 -o out3 --home "$T/pod" && diff -r model2 out3
'
test_expect 'rollback takes the name back, also after the volume was renamed; and the way back' '
    mlopsctl push team/m:2 runpod://models --as team/m:1 && id=$(run_id) && runpod_ctl call PATCH "/v2/network-volumes/$V" "{\"name\":\"renamed\"}" &&
    mlopsctl rollback "$id" && mlopsctl push team/m:1 runpod://renamed | grep -q "is already on" &&
    mlopsctl push team/m:1 runpod://renamed --as team/m:new && id=$(run_id) && s3 size "$V/refs/team/m/new" && mlopsctl rollback "$id" && ! s3 size "$V/refs/team/m/new" &&
    mlopsctl rollback "$(run_id)" && s3 size "$V/refs/team/m/new"
'
test_expect 'folders of a volume are remotes of their own' '
    mlopsctl push team/m:1 runpod://renamed/a/b/ >out && grep -q "to runpod://$V/a/b:" out && s3 size "$V/a/b/refs/team/m/1" && expect_code 3 mlopsctl pull team/m:1 "runpod://$V/a" --home "$T/three"
'
test_expect 'plain files lie on the volume as they are, and come back as a bundle' '
    mlopsctl push team/m:1 "runpod://$V/plain" --layout files && s3 get "$V/plain/files/team/m/1/blob.bin" | cmp - model/blob.bin &&
    mlopsctl pull team/m:1 "runpod://$V/plain" --home "$T/plain" && mlopsctl verify team/m:1 --home "$T/plain"
'
test_expect 'du adds up over S3 what lies on the volume, and below one of its folders' '
    all=$(s3 ls "$V" | jq -Rn "[inputs | split(\" \")[0] | tonumber] | {n: length, bytes: add}") && plain=$(s3 ls "$V/plain/" | jq -Rn "[inputs | split(\" \")[0] | tonumber] | add") &&
    mlopsctl --json runpod volume du renamed >du && jq -e --argjson all "$all" --argjson plain "$plain" "
        .files == \$all.n and .bytes == \$all.bytes and (.names | map(select(.name == \"plain/\"))[0].bytes) == \$plain and ([.names[].bytes] | add) == .bytes" du &&
    mlopsctl --json runpod volume du "$V" plain | jq -e --argjson plain "$plain" ".bytes == \$plain and any(.names[]; .name == \"files/\")" &&
    mlopsctl runpod volume du renamed >out && grep -q "^plain/ " out && RUNPOD_S3_SECRET_KEY=rps_wrong expect_code 5 mlopsctl runpod volume du "$V" 2>err && grep -qi key err
'
test_expect 'remote check finds what is gone from the volume; a checked push mends it' '
    mlopsctl remote check --deep "runpod://$V/a/b" && key=$(s3 ls "$V/a/b/packs" | head -n 1 | cut -d" " -f2) && s3 rm "$V/$key" &&
    expect_code 1 mlopsctl remote check "runpod://$V/a/b" && mlopsctl push --check team/m:1 "runpod://$V/a/b" && mlopsctl remote check --deep "runpod://$V/a/b"
'
test_expect 'a damaged blob at home is mended from the volume' '
    digest=$(sha256sum <model/blob.bin | cut -d" " -f1) && blob=$(find .mlops/store -name "$digest") && chmod u+w "$blob" && printf X | dd of="$blob" bs=1 seek=1000 conv=notrunc &&
    expect_code 1 mlopsctl verify team/m:1 && mlopsctl verify team/m:1 --repair "runpod://$V" && mlopsctl verify team/m:1
'
test_expect 'a wrong S3 key is refused at once, and said' '
    RUNPOD_S3_SECRET_KEY=rps_wrong expect_code 5 mlopsctl push team/m:1 "runpod://$V" 2>err && grep -qi "key" err && ! grep -q "still does not open" err
'
test_expect 'a volume that was just made does not answer yet: the push waits for it, and says so' '
    late=b-late$$ && runpod_ctl put volume "{\"id\":\"$late\",\"name\":\"late\",\"size\":10,\"dataCenter\":\"US-KS-2\"}" && { (sleep 2; s3 bucket "$late") & } &&
    mlopsctl push team/m:1 runpod://late >out 2>err && grep -q "to runpod://$late" out && grep -q "takes up to 3 minutes" err
'
test_expect 'Ctrl-C ends the waiting' '
    runpod_ctl put volume "{\"id\":\"b-never$$\",\"name\":\"never\",\"size\":10,\"dataCenter\":\"EU-RO-1\"}" && mkfifo note && { env --default-signal=INT "$MLOPSCTL" push team/m:1 runpod://never 2>note & } && pid=$! &&
    { read -r line; kill -INT "$pid"; cat >rest; } <note && echo "$line" | grep -q "takes up to 3 minutes" && expect_code 130 wait "$pid"
'
test_expect 'no secret was written down' '
    ! grep -rqF "$RGW_SECRET" .mlops "$T/runpod" && ! grep -rqF rpa_double .mlops
'
test_expect 'nothing was asked of RunPod that a correct client does not ask' 'runpod_strict'
test_done
