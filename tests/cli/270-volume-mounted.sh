#!/bin/sh
# runpod:// as far as it goes without S3: finding the volume, what is said when that fails, and a pod that has
# the volume mounted.
. "${0%/*}/lib.sh"
. "$R/tests/tools/runpod.sh"

have jq || skip_all 'needs jq'
run_id() { mlopsctl log --json -n 1 | jq -s -r '.[0] | .run // .id // .runs[0].run // .runs[0].id'; }
s3_key() { RUNPOD_S3_ACCESS_KEY=user_double RUNPOD_S3_SECRET_KEY=rps_double "$@"; }
volume() { runpod_ctl put volume "{\"id\":\"$1\",\"name\":\"$2\",\"size\":10,\"dataCenter\":\"$3\"}" >/dev/null; }
# says CODE TEXT HINT COMMAND...: how it fails
says()
{
    says_code=$1 says_text=$2 says_hint=$3
    shift 3
    expect_code "$says_code" "$@" 2>err && grep -q -- "$says_text" err && grep '^hint:' err | grep -q -- "$says_hint" || {
        cat err
        return 1
    }
}

mkdir model
tiny_model model/model.safetensors
head -c 200000 /dev/urandom >model/blob.bin
mlopsctl pack model -t team/m:1 >"$T/log" 2>&1 || skip_all "pack does not work: $(cat "$T/log")"
runpod_start
volume vol0models models EU-RO-1
volume vol1twice twice EU-RO-1
volume vol2twice twice US-KS-2
volume vol3inside inside EU-SE-1

test_expect 'a volume that is not there, and one that may be meant' '
    says 3 "no network volume .model" "did you mean .models" mlopsctl push team/m:1 runpod://model &&
    expect_code 3 mlopsctl pull team/m:1 runpod://zzzzzz
'
test_expect 'a name that fits two volumes: both ids' '
    says 6 "vol1twice.*vol2twice" "by its id" mlopsctl push team/m:1 runpod://twice
'
test_expect 'a data centre without S3: which have it, and the way through a pod' '
    s3_key says 7 "EU-SE-1.* has no S3" "in a pod.*runpod://vol3inside.*EU-RO-1" mlopsctl push team/m:1 runpod://inside
'
test_expect 'no S3 key, or the API key in its place' '
    says 3 "no S3 key" "RUNPOD_S3_ACCESS_KEY" mlopsctl push team/m:1 runpod://models &&
    RUNPOD_S3_ACCESS_KEY=user_x RUNPOD_S3_SECRET_KEY=rpa_double_full says 2 "API key" "S3 API Keys" mlopsctl push team/m:1 runpod://models &&
    ! grep -q rpa_double err
'
test_expect 'an API key that is missing, wrong, or may not' '
    RUNPOD_API_KEY= says 3 "no RunPod API key" "RUNPOD_API_KEY" mlopsctl push team/m:1 runpod://models &&
    RUNPOD_API_KEY=rpa_nobody says 5 "401" "refused the key" mlopsctl push team/m:1 runpod://models && ! grep -q rpa_nobody err &&
    RUNPOD_API_KEY=rpa_double_pods says 5 "403" "lacks the right" mlopsctl push team/m:1 runpod://models &&
    RUNPOD_API_KEY=rps_x says 2 "S3 key" "rpa_" mlopsctl push team/m:1 runpod://models
'
test_expect 'no network' '
    MLOPSCTL_RUNPOD_API=http://127.0.0.1:1/v2 says 5 "cannot connect" "network" mlopsctl push team/m:1 runpod://models
'
test_expect 'addresses that are none' '
    expect_code 2 mlopsctl push team/m:1 runpod:// && expect_code 2 mlopsctl push team/m:1 runpod://models/../up &&
    expect_code 2 mlopsctl push team/m:1 runpod://models/.s3compat_uploads
'
test_expect 'a failed push is no effect' '
    mlopsctl log --json >log.json && ! grep -q "remote-ref" log.json
'

# ---- in a pod: the volume is mounted

mkdir "$T/mount"
RUNPOD_VOLUME_ID=vol0models MLOPSCTL_RUNPOD_MOUNT=$T/mount
export RUNPOD_VOLUME_ID MLOPSCTL_RUNPOD_MOUNT
test_expect 'in a pod the volume is a folder, by its id without key or network' '
    before=$(runpod_asked GET /v2/network-volumes) &&
    RUNPOD_API_KEY= mlopsctl push team/m:1 runpod://vol0models/store >out && grep -q "to runpod://vol0models/store" out &&
    test -e "$T/mount/store/refs/team/m/1" && [ "$(runpod_asked GET /v2/network-volumes)" = "$before" ] &&
    RUNPOD_API_KEY= mlopsctl pull team/m:1 runpod://vol0models/store --home "$T/two" && mlopsctl unpack team/m:1 -o out2 --home "$T/two" &&
    diff -r model out2
'
test_expect 'by its name too, which is asked for' '
    mlopsctl push team/m:1 runpod://models/store | grep -q "is already on runpod://vol0models/store" &&
    RUNPOD_API_KEY= says 3 "no RunPod API key" "runpod://vol0models needs neither" mlopsctl push team/m:1 runpod://models/store &&
    MLOPSCTL_RUNPOD_API=http://127.0.0.1:1/v2 says 5 "cannot connect" "runpod://vol0models needs neither" mlopsctl push team/m:1 runpod://models/store
'
test_expect 'another volume is not the mounted one' '
    says 3 "no S3 key" "RUNPOD_S3_ACCESS_KEY" mlopsctl push team/m:1 runpod://vol1twice
'
test_expect 'rollback reaches the volume after it was renamed' '
    mlopsctl push team/m:1 runpod://models/store --as team/m:new && id=$(run_id) && test -e "$T/mount/store/refs/team/m/new" &&
    runpod_ctl call PATCH /v2/network-volumes/vol0models "{\"name\":\"other\"}" && expect_code 3 mlopsctl push team/m:1 runpod://models/store &&
    mlopsctl rollback "$id" && ! test -e "$T/mount/store/refs/team/m/new"
'
test_expect 'a folder of the mounted volume that is not there' '
    expect_code 3 mlopsctl pull team/m:1 runpod://vol0models/nothing 2>err && grep -q "cannot open folder" err && ! test -e "$T/mount/nothing"
'
# in_a_pod COMMAND: with a file system of its own at /workspace, and one at /runpod-volume when $both is set
in_a_pod()
{
    root=$T/root
    mkdir -p "$root"
    # shellcheck disable=SC2016 # expanded inside
    root=$root both=${both-} body=$1 unshare -rm sh -c '
        mount -t tmpfs none "$root" && cd "$root" &&
        for d in /bin /sbin /lib /lib32 /lib64 /libx32 /usr /etc /proc /dev /tmp "$R" "$T/work" "${MLOPSCTL%/*}"; do
            [ ! -d "$d" ] || { mkdir -p "$root$d" && mount --rbind "$d" "$root$d"; } || exit 1
        done
        mkdir -p workspace runpod-volume && mount -t tmpfs none workspace && { [ -z "$both" ] || mount -t tmpfs none runpod-volume; } &&
        exec chroot "$root" sh -c "cd \"$T/work\" && $body"'
}
unset MLOPSCTL_RUNPOD_MOUNT
export RUNPOD_API_KEY=
if (in_a_pod true) >/dev/null 2>&1; then
    test_expect 'the mounted volume is found by itself, where workers and where pods have it' '
        in_a_pod "\"$MLOPSCTL\" push team/m:1 runpod://vol0models/store && test -e /workspace/store/refs/team/m/1" &&
        both=1 in_a_pod "\"$MLOPSCTL\" push team/m:1 runpod://vol0models/store && test -e /runpod-volume/store/refs/team/m/1 && ! test -e /workspace/store"
    '
else
    test_skip 'the mounted volume is found by itself' 'no mount namespaces here'
fi
test_expect 'a pod whose volume is mounted elsewhere: where is asked for' '
    says 3 "no RunPod API key" "runpod.mount" mlopsctl push team/m:1 runpod://vol0models/store
'
test_expect 'nothing was asked of RunPod that a correct client does not ask' 'runpod_strict'
test_done
