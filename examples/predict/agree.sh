#!/bin/sh
# Predicts the loans of ../credit/current.csv and holds the answers against those that scikit-learn gave (sklearn.csv), and against what
# turned out to be true. $MLOPSCTL names the program (default: mlopsctl from the PATH).
set -eu
here=$(cd "$(dirname "$0")" && pwd)
: "${MLOPSCTL:=mlopsctl}"

"$MLOPSCTL" predict -q "$here/loans.onnx" "$here/../credit/current.csv" --proba --keep bad |
    awk -F, '
        FNR == 1 { next }
        NR == FNR { bad[FNR] = $1; label[FNR] = $2; proba[FNR] = $4; next }
        {
            n++; same += label[FNR] == $1; right += label[FNR] == bad[FNR]
            off = proba[FNR] - $3; off = off < 0 ? -off : off; most = off > most ? off : most
        }
        END {
            printf "scikit-learn: %d of %d labels are the same, probabilities differ by at most %.1e\n", same, n, most
            printf "what turned out to be true: %d of %d labels are right\n", right, n
            exit n == 0 || same < n || most > 1e-6
        }' - "$here/sklearn.csv"
