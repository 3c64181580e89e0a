#!/bin/sh
# Rows from one program to another: JSON Lines through a pipe, in order, with an identifier beside each answer.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
: "${MLOPSCTL:=mlopsctl}"

awk -F, 'NR == 1 { split($0, name, ","); next }
    { printf "{\"loan\":\"L%03d\"", NR - 1; for (i = 1; i < NF; i++) printf ",\"%s\":%s", name[i], $i == "" ? "null" : $i; print "}" }' "$here/../credit/current.csv" |
    "$MLOPSCTL" predict -q "$here/loans.onnx" - --proba --keep loan |
    awk -F'"proba_1":' '{ if ($2 + 0 > 0.75) print }' # those that will go bad with more than 75 %
