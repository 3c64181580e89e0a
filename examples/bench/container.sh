#!/bin/sh
# container.sh COMMAND...: runs it in a container of runc or crun (RUNTIME says which), as a wrapper of `mlopsctl bench --wrap`.
#
#     mlopsctl bench credit:1.4.0 --wrap examples/bench/container.sh --against native
#
# The container's files are those of this machine, for reading only, and the current folder as it is: program and model are
# found where they are outside. It sees only its own processes. CPUS=0.5 in the environment gives it half of a processor's time.
# Needs root.
set -eu
runtime=${RUNTIME:-$(command -v runc || command -v crun)} || { echo 'container.sh: neither runc nor crun is installed' >&2 && exit 7; }
# Without a limit crun needs no control group, and not every machine lets it make one.
[ "${runtime##*/}${CPUS:-}" != crun ] || runtime="$runtime --cgroup-manager=disabled"
id=mlopsctl-bench-$$
bundle=$(mktemp -d)
trap '$runtime delete -f "$id" >/dev/null 2>&1 || :; rm -rf --one-file-system "$bundle"' EXIT
trap 'exit 130' INT TERM
mkdir "$bundle/rootfs"

quoted() { printf '%s' "$1" | sed 's/[\\"]/\\&/g'; }
args=
for word; do args="$args${args:+, }\"$(quoted "$word")\""; done
mounts='{"destination": "/proc", "type": "proc", "source": "proc"},
    {"destination": "/dev", "type": "tmpfs", "source": "tmpfs", "options": ["nosuid", "mode=755"]}'
for folder in /*; do
    case $folder in
    /proc | /sys | /dev) ;;
    *) mounts="$mounts,
    {\"destination\": \"$folder\", \"type\": \"bind\", \"source\": \"$folder\", \"options\": [\"rbind\", \"ro\"]}" ;;
    esac
done
here=$(quoted "$PWD")
mounts="$mounts,
    {\"destination\": \"$here\", \"type\": \"bind\", \"source\": \"$here\", \"options\": [\"rbind\"]}"
limits=
[ -z "${CPUS:-}" ] || limits=", \"resources\": {\"cpu\": {\"period\": 100000, \"quota\": $(awk "BEGIN { print int($CPUS * 100000) }")}}"
cat >"$bundle/config.json" <<END
{"ociVersion": "1.0.2", "root": {"path": "rootfs"},
  "process": {"user": {"uid": 0, "gid": 0}, "cwd": "$here", "args": [$args],
    "env": ["PATH=$(quoted "$PATH")", "HOME=$(quoted "${HOME:-/}")"]},
  "mounts": [$mounts],
  "linux": {"namespaces": [{"type": "pid"}, {"type": "mount"}, {"type": "ipc"}, {"type": "uts"}]$limits}}
END
$runtime run --bundle "$bundle" "$id"
