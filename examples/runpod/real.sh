#!/bin/sh
# The commands of demo.sh for the real service. THIS COSTS MONEY: a volume of 20 GB (about 1.40 USD a month until it is removed) and a
# pod for at most two hours at most 1 USD an hour. Both are removed at the end. Never run by this project's tests.
#
#   examples/runpod/real.sh DATA-CENTER        such as EU-RO-1
#
# The keys come from ~/.config/mlopsctl/credentials: docs/runpod.md, section 1.
set -eu

dc=${1:?usage: real.sh DATA-CENTER}
here=$(cd "$(dirname "$0")" && pwd)
name=mlopsctl-demo-$$
work=$(mktemp -d "${TMPDIR:-/tmp}/mlopsctl-real-XXXXXX")
export MLOPSCTL_HOME="$work/home"
cd "$work"
set -x

mlopsctl runpod gpu --min-vram 24 --dc "$dc" --max-price 1
mlopsctl runpod volume create "$name" --size 20 --dc "$dc" --max-total 2
clean_up()
{
    mlopsctl runpod pod rm "$name" --yes || true
    mlopsctl runpod volume rm "$name" --yes || echo "remove the volume $name yourself: it costs until then" >&2
}
trap clean_up EXIT
trap 'exit 130' INT TERM

mlopsctl pack "$here/../digits/digits.safetensors" -t digits:1.0
mlopsctl pack "$here/../digits/digits-tuned.safetensors" -t digits:1.1
mlopsctl push digits:1.0 "runpod://$name"
mlopsctl push digits:1.1 "runpod://$name"
mlopsctl remote check --deep "runpod://$name"

mlopsctl runpod pod create --name "$name" --image runpod/pytorch:1.0.2-cu1281-torch280-ubuntu2404 --volume "$name" --min-vram 24 \
    --max-price 1 --lease 2h --port 22/tcp --ssh
mlopsctl runpod pod ls
mlopsctl runpod pod exec "$name"
mlopsctl runpod cost
# In the pod, with this program copied there:   mlopsctl pull digits:1.1 runpod://$RUNPOD_VOLUME_ID
