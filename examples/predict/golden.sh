#!/bin/sh
# A model is packed with what it answered for a few rows; any other machine can then tell whether it answers the same.
# Works in a temporary folder and removes it.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
: "${MLOPSCTL:=mlopsctl}"
work=$(mktemp -d "${TMPDIR:-/tmp}/mlopsctl-golden-XXXXXX")
trap 'chmod -R u+w "$work"; rm -rf "$work"' EXIT
trap 'exit 130' INT TERM
cp "$here/loans.onnx" "$here/../credit/reference.csv" "$work"
cd "$work"

export MLOPSCTL_HOME="$work/laptop"
"$MLOPSCTL" pack loans.onnx -t loans:1.0 --samples reference.csv --samples-limit 50
"$MLOPSCTL" push loans:1.0 ./share
export MLOPSCTL_HOME="$work/server"
"$MLOPSCTL" pull loans:1.0 ./share
"$MLOPSCTL" verify loans:1.0 --run
