#!/bin/sh
# examples/predict: every script runs, and says what its README says.
. "${0%/*}/lib.sh"
E=$R/examples/predict

test_expect 'the README names every file' 'for f in "$E"/*; do case $f in */README.md) ;; *) grep -q "^| .${f##*/}. |" "$E/README.md" || { echo "$f"; exit 1; } ;; esac; done'
test_expect 'the answers are those of scikit-learn, and as right' '
    "$E/agree.sh" >out && grep -q "300 of 300 labels are the same" out && grep -q "228 of 300 labels are right" out
'
test_expect 'one answer that differs is seen' '
    mkdir -p wrong/predict wrong/credit && cp "$E/loans.onnx" "$E/agree.sh" wrong/predict/ && cp "$R/examples/credit/current.csv" wrong/credit/ && awk -F, "BEGIN { OFS = \",\" } NR == 7 { \$3 += 0.001 } 1" "$E/sklearn.csv" >wrong/predict/sklearn.csv && expect_code 1 wrong/predict/agree.sh
'
test_expect 'rows through a pipe' '"$E/stream.sh" >out && [ "$(jq -r .loan out | paste -sd" ")" = "L106 L170 L186 L213 L250 L255 L276 L280" ] && jq -es "all(.proba_1 > 0.75)" out'
test_expect 'samples on another machine' '"$E/golden.sh" >out && grep -q "verified 1 bundle.*no fault" out'
test_expect 'the commands of the README' '
    cp -r "$R/examples" . && cd examples/predict && mkdir "$T/bin" && ln -s "$MLOPSCTL" "$T/bin/mlopsctl" && PATH=$T/bin:$PATH && sed -n "s/^\(mlopsctl [^#]*\).*/\1/p" README.md >lines && [ "$(wc -l <lines)" -ge 3 ] &&
    while IFS= read -r line; do sh -c "$line" || { echo "$line"; exit 1; }; done <lines
'
test_expect 'make demo predicts and agrees, and is held against its baseline' '"$R/examples/credit/demo.sh" >out 2>err && grep -q "300 of 300 labels are the same" out && grep -q "^verdict  " out && grep -q "^(exit status [017]: 0 pass" out'
test_done
