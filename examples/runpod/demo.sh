#!/bin/sh
# A model goes to a RunPod volume, a pod reads it, the lease runs out and the reaper ends the pod: without RunPod and without a
# network. The double of tests/tools answers for its REST interface. The volume's S3 is Ceph's radosgw where that is installed;
# else (or with INSIDE=1) everything is done from inside the "pod", where the volume is a folder.
# real.sh has the same commands for the real service. $MLOPSCTL names the program (default: mlopsctl from the PATH).
set -eu

here=$(cd "$(dirname "$0")" && pwd)
tools=$here/../../tests/tools
: "${MLOPSCTL:=mlopsctl}"
work=$(mktemp -d "${TMPDIR:-/tmp}/mlopsctl-runpod-XXXXXX")
trap '[ ! -e "$work/radosgw" ] || "$tools/radosgw" stop "$work/radosgw"; chmod -R u+w "$work"; rm -rf "$work"' EXIT
trap 'exit 130' INT TERM
export MLOPSCTL_HOME="$work/laptop" HOME="$work/home"
mkdir "$work/home" "$work/volume"
cd "$work"

bold='' plain=''
if [ -t 1 ] && [ -z "${NO_COLOR:-}" ]; then bold=$(printf '\033[1m') plain=$(printf '\033[0m'); fi
say() { printf '\n%s# %s%s\n' "$bold" "$*" "$plain"; }
mlopsctl()
{
    printf '%s$ mlopsctl' "$bold"
    for word; do
        case $word in *' '*) printf " '%s'" "$word" ;; *) printf ' %s' "$word" ;; esac
    done
    printf '%s\n' "$plain"
    "$MLOPSCTL" "$@"
}
double() { python3 "$tools/runpod-double.py" ctl "$work/double" "$@" >/dev/null; }

# ---- what stands in for RunPod; it ends with this script

python3 "$tools/runpod-double.py" serve "$work/double" >/dev/null 2>&1 &
until [ -e "$work/double/url" ]; do sleep 0.1; done
url=$(cat "$work/double/url")
export RUNPOD_API_KEY=rpa_double_full MLOPSCTL_RUNPOD_API="$url/v2" MLOPSCTL_RUNPOD_POLL=200ms
export MLOPSCTL_RUNPOD_PROXY="$url/proxy/{id}/{port}"
double put volume '{"id":"demovolume","name":"models","size":20,"dataCenter":"EU-RO-1"}'
outside=
if [ -z "${INSIDE:-}" ] && command -v radosgw >/dev/null && command -v ceph-osd >/dev/null; then
    "$tools/radosgw" start "$work/radosgw" "$$" >"$work/env"
    # shellcheck source=/dev/null
    . "$work/env"
    export RGW_URL RGW_KEY RGW_SECRET
    python3 "$tools/s3.py" bucket demovolume
    export MLOPSCTL_RUNPOD_S3="$RGW_URL" RUNPOD_S3_ACCESS_KEY="$RGW_KEY" RUNPOD_S3_SECRET_KEY="$RGW_SECRET"
    outside=1
fi
# The volume as a pod has it: its files, in a folder.
in_pod()
{
    if [ -n "$outside" ]; then
        python3 "$tools/s3.py" ls demovolume | while read -r _ key; do
            mkdir -p "$work/volume/$(dirname "$key")"
            python3 "$tools/s3.py" get "demovolume/$key" >"$work/volume/$key"
        done
    fi
    export RUNPOD_VOLUME_ID=demovolume MLOPSCTL_RUNPOD_MOUNT="$work/volume"
}

say 'A model and its fine-tuned variant.'
cp "$here"/../digits/digits.safetensors "$here"/../digits/digits-tuned.safetensors .
mlopsctl pack digits.safetensors -t digits:1.0
mlopsctl pack digits-tuned.safetensors -t digits:1.1

[ -n "$outside" ] || in_pod
say 'Push both to the volume. Of the second only what changed is sent.'
mlopsctl push digits:1.0 runpod://models
mlopsctl push digits:1.1 runpod://models

say 'Which GPU? The cheapest with 24 GB in the data centre of the volume.'
mlopsctl runpod gpu --min-vram 24 --dc EU-RO-1

say 'A pod with the volume, for two hours at most, at a dollar an hour at most.'
mlopsctl runpod pod create --name train --image pytorch/pytorch --volume models --min-vram 24 --max-price 1 --lease 2h \
    --port 8000/http --wait --yes
mlopsctl runpod pod ls

say 'In the pod the volume is a folder: no key, no network.'
(
    in_pod
    unset RUNPOD_API_KEY RUNPOD_S3_ACCESS_KEY RUNPOD_S3_SECRET_KEY
    export MLOPSCTL_HOME="$work/pod"
    mlopsctl pull digits:1.1 runpod://demovolume
    mlopsctl unpack digits:1.1 -o served
    cmp served/digits-tuned.safetensors digits-tuned.safetensors && echo 'the pod has the file that was packed'
)

say 'Two hours and ten minutes later the lease is over. The reaper ends the pod.'
double clock +7800
mlopsctl runpod cost
mlopsctl runpod reap --yes
mlopsctl runpod pod ls

say 'The push of 1.1 is taken back. The packs stay, the name is gone.'
mlopsctl push digits:1.1 runpod://models --as digits:prod
mlopsctl rollback --last -m 'not yet'

say 'Was anything asked of RunPod that a correct client does not ask?'
double strict
echo 'no'
