#!/bin/sh
# Types and shapes that are derived when a model is opened: against runs, against onnx.shape_inference
# (tests/golden/onnx/make-shapes.py), and as formulas of what a model costs.
. "${0%/*}/lib.sh"
O=$G/onnx

for set in node ops ml pipelines encoders networks cases flow; do
    test_expect "every value of the recorded runs has the type and shape that were derived: $set" '
        mlopsctl onnx conformance "$O/$set" --plain --json >out && jq -e ".fail == 0 and .derived > 0" out
    '
done
test_expect 'of encoders all shapes are derived, of the cases of the onnx project two in three' '
    mlopsctl onnx conformance "$O/encoders" --plain --json | jq -e ".derived == .values" &&
    mlopsctl onnx conformance "$O/node" --plain --json | jq -e ".derived * 3 >= .values * 2"
'

# ours: as in shapes.txt
ours() {
    for model in "$O"/encoders/* "$O"/networks/* "$O"/pipelines/* "$O"/flow/*; do
        mlopsctl onnx inspect "$model/model.onnx" --nodes --json |
            jq -r --arg m "${model#"$O"/}" '.shapes | to_entries[] | "\($m) \(.key) \(.value.type)"'
    done
}
test_expect 'what onnx.shape_inference knows of encoders, networks, pipelines and graphs in graphs is derived, too' '
    ours >ours && [ "$(wc -l <ours)" = "$(wc -l <"$O/shapes.txt")" ] &&
    paste -d" " ours "$O/shapes.txt" | awk "
        function split_type(t, parts) { sub(/\]/, \"\", t); return split(t, parts, /[\[,]/) }
        \$1 != \$4 || \$2 != \$5 { print; wrong++; next }
        \$6 ~ /\?\$/ && \$6 !~ /\[/ { next }
        {
            n = split_type(\$3, a); m = split_type(\$6, b); known++
            if (a[1] != b[1]) { print; wrong++; next }
            if (b[2] == \"...\") next
            if (n != m) { print; wrong++; next }
            for (i = 2; i <= n; i++) if (b[i] != \"?\" && a[i] != b[i]) { print; wrong++ }
        }
        END { exit wrong > 0 || known < 900 }"
'
test_expect 'formulas with sizes put in are what a run is counted to' '
    for form in torch layer attention torch-int8; do
        set -- "$O/encoders/$form/model.onnx" --dim batch=3 --dim sequence=7
        mlopsctl onnx inspect "$@" --nodes --json >formulas && mlopsctl onnx inspect "$@" --cost --json >counted &&
            [ "$(jq -c "[.shapes[] | .flops, .bytes, .type]" formulas)" = "$(jq -c "[.costs[] | (.flops | tostring), (.bytes | tostring), .shape]" counted)" ] &&
            [ "$(jq -r .flops_formula formulas)" = "$(jq -r .flops counted)" ] || return 1
    done
'
test_expect 'a formula has the names of the open dimensions' '
    mlopsctl onnx inspect "$O/encoders/layer/model.onnx" --nodes --json | jq -e "
        (.flops_formula | test(\"^[0-9]+\\\\*batch\\\\*sequence\\\\^2\\\\+[0-9]+\\\\*batch\\\\*sequence\")) and
        ([.shapes[].type] | index(\"float32[batch,4,sequence,sequence]\") != null)"
'
test_expect 'a model that cannot run is exit 4 when it is opened, and its node is named' '
    expect_code 4 mlopsctl onnx inspect "$O/wrong-shapes.onnx" 2>err && grep -q "node .second. (MatMul): columns and rows: 4 and 5 do not fit" err
'
test_expect 'columns that are not declared are those of the weights, and a bench takes them' '
    mlopsctl onnx inspect "$O/open-columns.onnx" --json | jq -e ".ports[0].type == \"float32[n,?]\" and .ports[0].derived == \"float32[n,3]\"" &&
    mlopsctl onnx inspect "$O/open-columns.onnx" --cost --json | jq -e ".costs[0].flops == 24" &&
    expect_code 4 mlopsctl onnx inspect "$O/open-columns.onnx" --dim x_1=5
'
test_done
