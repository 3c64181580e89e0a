#!/bin/sh
# ONNX models: inspect, and the onnx project's cases through the engine: ours, and all that Debian's libonnx-testdata has.
. "${0%/*}/lib.sh"
cases=$G/onnx/cases data=/usr/share/libonnx-testdata/data

# counts FOLDER [OPTIONS]: "PASS FAIL UNSUPPORTED"
counts() { mlopsctl onnx conformance "$@" --json | jq -r '"\(.pass) \(.fail) \(.unsupported)"'; }

test_expect 'own cases pass, with and without folding' '
    [ "$(counts "$cases")" = "3 0 0" ] && [ "$(counts "$cases" --plain)" = "3 0 0" ]
'
test_expect 'inspect: inputs, outputs, operators' '
    mlopsctl onnx inspect "$cases/broadcast/model.onnx" --json >out &&
    [ "$(jq -r "[.ports[] | \"\(.way) \(.name) \(.type)\"] | join(\"; \")" out)" = "in a float32[n,3]; out y float32[n,3]" ] &&
    [ "$(jq -r "[.operators[] | \"\(.operator) \(.nodes)\"] | join(\"; \")" out)" = "Add 1; Mul 1" ] && json .runs <out
'
test_expect 'inspect --plan: the steps' '
    mlopsctl onnx inspect "$G/onnx/pipelines/mlp/model.onnx" --plan --json >out &&
    jq -e "[.steps[] | select(.step == \"mlopsctl.Dense\")] | length >= 2" out
'
test_expect 'inspect --cost: operations, bytes and parameters of each node' '
    mlopsctl onnx inspect "$G/onnx/pipelines/mlp/model.onnx" --cost --rows 10 --json >out &&
    jq -e "[.costs[] | select(.operator == \"MatMul\") | .flops, .parameters] as [\$f, \$p] | \$f == 20 * \$p and .flops > \$f" out &&
    [ "$(jq -r "[.costs[] | select(.operator == \"MatMul\").shape] | first | startswith(\"float32[10,\")" out)" = true ] &&
    expect_code 2 mlopsctl onnx inspect "$G/onnx/pipelines/mlp/model.onnx" --cost --dim x
'
test_expect 'a wrong output is exit 1 and named' '
    cp -r "$cases/broadcast" wrong && cp "$cases/function/test_data_set_0/output_0.pb" wrong/test_data_set_0/output_0.pb &&
    expect_code 1 mlopsctl onnx conformance wrong >out && grep -q "output .y." out &&
    cp "$cases/broadcast/test_data_set_0/input_0.pb" wrong/test_data_set_0/output_0.pb && expect_code 1 mlopsctl onnx conformance wrong && mlopsctl onnx conformance wrong --atol 1e6 && expect_code 2 mlopsctl onnx conformance wrong --atol=-1
'
test_expect 'no file is exit 3, a cut one and a text exit 4' '
    head -c 100 "$cases/broadcast/model.onnx" >cut.onnx && echo "not a model" >text.onnx &&
    expect_code 3 mlopsctl onnx inspect none.onnx && expect_code 4 mlopsctl onnx inspect cut.onnx && expect_code 4 mlopsctl onnx inspect text.onnx
'
test_expect 'inspect of what is no model says what is one' '
    mkdir -p folder && expect_code 2 mlopsctl onnx inspect folder 2>err && grep -q "is a folder" err && grep -q "^hint: name the model" err && expect_code 2 mlopsctl predict folder rows.csv 2>err && grep -q "is a folder" err &&
    expect_code 3 mlopsctl onnx inspect bundle:1 2>err && grep -q "^hint: .*mlopsctl show" err && echo "a,b" >rows.csv && expect_code 4 mlopsctl onnx inspect rows.csv 2>err && grep -q "^hint: models are files of ONNX" err
'
test_expect 'inspect --cost without inputs that can be made up says what can be asked instead' '
    expect_code 2 mlopsctl onnx inspect "$G/onnx/pipelines/columns-forest/model.onnx" --cost 2>err && grep -q "input .c. cannot be made up" err && grep -q "^hint: --dim NAME=N .* --nodes" err
'
test_expect 'what holds no cases is said with what a case is: a folder exit 3, a file exit 2' '
    mkdir -p empty bare && cp "$cases/broadcast/model.onnx" bare && expect_code 3 mlopsctl onnx conformance "$cases" empty 2>err && grep -q "empty. holds no cases" err && grep -q "^hint: a case is a folder with model.onnx" err &&
    expect_code 3 mlopsctl onnx conformance bare 2>err && grep -q "no test_data_set_0" err && grep -q "^hint: " err && expect_code 2 mlopsctl onnx conformance bare/model.onnx 2>err && grep -q "is a file, not a folder of cases" err && grep -q "^hint: " err
'
# Recorded wrong in 1.12 and mended by the onnx project since: bfloat16 was cut, not rounded, and `like` is not of its rank; and taken
# out since: floats as texts, of which we write what ONNX Runtime does.
known='test_cast(like)?_FLOAT_to_STRING(_expanded)?|test_cast_FLOAT_to_BFLOAT16|test_castlike_(BFLOAT16_to_FLOAT|FLOAT_to_BFLOAT16)(_expanded)?'
wrong() { mlopsctl onnx conformance "$@" --json | jq -r '.cases[] | select(.result == "FAIL") | .case' | grep -vxE "$known"; }
for set in node pytorch-converted pytorch-operator simple; do
    if [ -d "$data/$set" ]; then
        test_expect "libonnx-testdata, $set: what is supported is right" '
            [ "$(counts "$data/$set" | cut -d" " -f1)" -gt 0 ] && ! wrong "$data/$set" && ! wrong "$data/$set" --plain
        '
    else
        test_skip "libonnx-testdata, $set" "libonnx-testdata is not installed"
    fi
done
test_done
