#!/bin/sh
# Which texts are near to this one?  neighbours.sh [TEXT [TABLE [ENCODER]]]
#
# The encoder, a folder with model.onnx and its tokenizer, is packed; texts of the table's column `subject` and the one
# asked for become vectors of length 1, so that their product is the cosine of the angle between them.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
text=${1:-drift in the data of our model}
table=${2:-$here/tickets.csv}
encoder=${3:-$here/../../tests/golden/embed/tiny}
: "${MLOPSCTL:=mlopsctl}"
MLOPSCTL_HOME=$(mktemp -d)
export MLOPSCTL_HOME
trap 'rm -rf "$MLOPSCTL_HOME"' EXIT

cp -R "$encoder" "$MLOPSCTL_HOME/encoder" # a copy: a folder within a git tree with changes is not packed
"$MLOPSCTL" pack -q "$MLOPSCTL_HOME/encoder" -t encoder:1
"$MLOPSCTL" predict -q encoder:1 "$table" --text-column subject --keep id --normalize -o "$MLOPSCTL_HOME/vectors.csv"
"$MLOPSCTL" predict -q encoder:1 --text "$text" --normalize --output-format csv |
    awk -F, 'FNR == 1 { next }
        NR == FNR { n = split($0, want); next }
        { cosine = 0; for (i = 1; i <= n; i++) cosine += want[i] * $(i + 1); printf "%.4f %s\n", cosine, $1 }' - "$MLOPSCTL_HOME/vectors.csv" |
    sort -rn | head -n 3 >"$MLOPSCTL_HOME/nearest"
while read -r cosine id; do
    printf '%s  %s  %s\n' "$cosine" "$id" "$(awk -v id="$id" 'index($0, id ",") == 1 { print substr($0, length(id) + 2) }' "$table")"
done <"$MLOPSCTL_HOME/nearest"
