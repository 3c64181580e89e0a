#!/bin/sh
# The tour: a real model is packed, tagged, moved, verified, damaged, repaired, replaced and rolled back. Works in a temporary
# folder and removes it. $MLOPSCTL names the program (default: mlopsctl from the PATH).
set -eu

here=$(cd "$(dirname "$0")" && pwd)
: "${MLOPSCTL:=mlopsctl}"
work=$(mktemp -d "${TMPDIR:-/tmp}/mlopsctl-demo-XXXXXX")
trap 'chmod -R u+w "$work"; rm -rf "$work"' EXIT
trap 'exit 130' INT TERM
export MLOPSCTL_HOME="$work/laptop"
cd "$work"

bold='' plain=''
if [ -t 1 ] && [ -z "${NO_COLOR:-}" ]; then bold=$(printf '\033[1m') plain=$(printf '\033[0m'); fi
say() { printf '\n%s# %s%s\n' "$bold" "$*" "$plain"; }
# Shows a command as a user would type it, then runs it.
mlopsctl()
{
    printf '%s$ mlopsctl' "$bold"
    for word; do
        case $word in *' '*) printf " '%s'" "$word" ;; *) printf ' %s' "$word" ;; esac
    done
    printf '%s\n' "$plain"
    "$MLOPSCTL" "$@"
}
# A command that must answer by this exit status.
answers()
{
    want=$1
    shift
    status=0
    mlopsctl "$@" || status=$?
    printf '(exit status %s)\n' "$status"
    [ "$status" -eq "$want" ]
}

cp "$here"/credit-1.3.0.onnx "$here"/credit-1.4.0.onnx "$here"/metrics-*.json "$here"/reference.csv "$here"/current.csv .
mkdir v1.3.0 v1.4.0
mv credit-1.3.0.onnx v1.3.0/model.onnx
mv credit-1.4.0.onnx v1.4.0/model.onnx

say 'Pack two versions of a model. Weights are parsed and scanned; the digest is the same on every machine.'
mlopsctl pack v1.3.0 -t credit:1.3.0 --metrics metrics-1.3.0.json --dataset reference.csv --license Apache-2.0
mlopsctl pack v1.4.0 -t credit:1.4.0 --metrics metrics-1.4.0.json --dataset reference.csv --license Apache-2.0

say 'Give the better one the name that production uses.'
mlopsctl tag credit:1.3.0 credit:champion
mlopsctl ls

say 'What is in it?'
mlopsctl show credit:champion
answers 1 diff credit:1.3.0 credit:1.4.0

say 'Predict, without Python: a pipeline of scikit-learn, held against what scikit-learn itself answered and what turned out to be true.'
cp "$here"/../predict/loans.onnx .
mlopsctl pack loans.onnx -t loans:1.0 --samples reference.csv
mlopsctl predict loans:1.0 current.csv --proba --keep bad -o answers.csv
MLOPSCTL="$MLOPSCTL" "$here"/../predict/agree.sh

say 'Push to a shared folder. A network volume mounted somewhere is just such a folder.'
mlopsctl push credit:1.3.0 ./share
mlopsctl push credit:1.4.0 ./share
mlopsctl push loans:1.0 ./share

say 'Pull on another machine, verify every byte, unpack.'
MLOPSCTL_HOME="$work/server"
mlopsctl pull credit:1.4.0 ./share
mlopsctl verify credit:1.4.0
mlopsctl pull loans:1.0 ./share
mlopsctl verify loans:1.0 --run # the samples, on this machine
mlopsctl unpack credit:1.4.0 -o served
cmp v1.4.0/model.onnx served/model.onnx && echo 'served/model.onnx is the file that was packed'

say 'Flip one bit of the weights in the store: it is found, named, and repaired from a good copy.'
digest=$(sha256sum <v1.4.0/model.onnx | cut -d' ' -f1)
blob=$MLOPSCTL_HOME/store/blobs/sha256/$digest
chmod u+w "$blob"
printf '\377' | dd of="$blob" bs=1 seek=20000 conv=notrunc 2>/dev/null
answers 1 verify credit:1.4.0
mlopsctl verify credit:1.4.0 --repair ./share
MLOPSCTL_HOME="$work/laptop"

say 'Release 1.4.0 by moving the name. It turns out worse, so take that back: nothing is copied, the history stays.'
mlopsctl tag credit:1.4.0 credit:champion -m 'release 1.4.0'
mlopsctl rollback --last -m 'AUC fell from 0.784 to 0.774'
mlopsctl ls

say 'Do new loans look like those it learned from? What the reference looks like is kept without its rows.'
mlopsctl profile reference.csv -o reference.profile
mlopsctl drift -r reference.profile -c current.csv --name daily

say 'A year later the amounts have risen by 80 % and a join loses every third age. Both are found; the page is report.html.'
awk -F, 'BEGIN { OFS = "," } NR > 1 { $4 = int($4 * 1.8); if (NR % 3 == 0) $10 = "" } 1' current.csv >later.csv
answers 1 drift -r reference.profile -c later.csv --name daily --html report.html

say 'Is it as fast as on the day its baseline was saved? 25 % slower would be no: this may be a busy machine.'
mlopsctl bench credit:1.4.0 --batch 64 --duration 2s --save-baseline native
status=0
mlopsctl bench credit:1.4.0 --batch 64 --duration 2s --against native --tolerance 0.25 || status=$?
printf '(exit status %s: 0 pass, 1 fail, 7 inconclusive)\n' "$status"
case $status in 0 | 1 | 7) ;; *) exit "$status" ;; esac

say 'Everything that happened, and the proof that nobody edited it.'
mlopsctl log
mlopsctl ledger verify

say 'Done. Next: mlopsctl help'
