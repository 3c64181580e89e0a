#!/bin/sh
# Golden samples: pack runs the model and keeps what it answered, verify --run compares.
. "${0%/*}/lib.sh"
P=$G/onnx/pipelines D=$G/predict credit=$R/examples/credit
mkdir model && cp "$P/columns-forest/model.onnx" model/ && cp "$D/columns-forest.csv" rows.csv

test_expect 'the same samples give the same bundle; show tells of them' '
    mlopsctl pack model -t cf:1 --samples rows.csv >/dev/null && mlopsctl pack model -t cf:2 --samples rows.csv >/dev/null && mlopsctl ls --json | jq -e "[.bundles[].digest] | unique | length == 1" &&
    mlopsctl show cf:1 --json >shown && json ".samples == 16" <shown && [ "$(jq -r ".features // \"none\"" shown)" = none ] &&
    mlopsctl show cf:1 --raw extra | jq -e ".samples | .model == \"model.onnx\" and (.inputs | map(.name) == [\"a\", \"b\", \"c\", \"d\"]) and .inputs[2].texts[0] == \"low\" and .outputs[0].dtype == \"int64\" and .outputs[1].rtol == 0.0001"
'
test_expect 'verify --run: no output is off' '
    mlopsctl verify cf:1 --run >out && grep -q "no fault" out && mlopsctl verify cf:1 --run --rtol 0 --atol 0 --json >out && json ".good and ([.outputs[].differ] == [0, 0]) and .outputs[1].values == 32" <out
'
test_expect 'a model that answers otherwise: exit 1, the output named' '
    mlopsctl show cf:1 --raw extra >extra.json && mkdir other && cp "$P/columns-logistic/model.onnx" other/ && mlopsctl pack other -t cl:1 --samples rows.csv >/dev/null &&
    # a bundle of the one model with the samples of the other, as a careless hand would make it
    mlopsctl export cl:1 -o cl.tar >/dev/null && mkdir t && tar xf cl.tar -C t && python3 - <<X && (cd t && tar cf ../forged.tar *) && mlopsctl import forged.tar -t forged:1 >/dev/null &&
import hashlib, json, os
b = "t/blobs/sha256/"
read = lambda h: json.load(open(b + h))
def put(doc):
    text = json.dumps(doc, separators=(",", ":")).encode()
    h = hashlib.sha256(text).hexdigest()
    open(b + h, "wb").write(text)
    return "sha256:" + h, len(text)
index = json.load(open("t/index.json"))
old = index["manifests"][0]["digest"].split(":")[1]
manifest = read(old)
layer = [l for l in manifest["layers"] if l["annotations"].get("org.cncf.model.filepath") == "mlopsctl.json"][0]
config = read(manifest["config"]["digest"].split(":")[1])
extra = read(layer["digest"].split(":")[1])
extra["samples"]["outputs"] = json.load(open("extra.json"))["samples"]["outputs"]
was = layer["digest"]
layer["digest"], layer["size"] = put(extra)
config["modelfs"]["diffIds"] = [layer["digest"] if d == was else d for d in config["modelfs"]["diffIds"]]
manifest["config"]["digest"], manifest["config"]["size"] = put(config)
index["manifests"][0]["digest"], index["manifests"][0]["size"] = put(manifest)
json.dump(index, open("t/index.json", "w"))
X
    expect_code 1 mlopsctl verify forged:1 --run >out && grep -q "probabilities" out && grep -q "differ from what was recorded" out && mlopsctl verify forged:1 >/dev/null &&
    mlopsctl verify forged:1 --run --atol 1 >out2; [ $? -eq 1 ] && expect_code 1 mlopsctl verify forged:1 --run --json >out && json ".good == false and .outputs[1].differ > 0 and .outputs[1].max_abs > 0.01" <out
'
test_expect 'names of a matrix come with the samples, and predict then goes by them' '
    cut -d, -f1-13 "$credit/current.csv" >loans.csv && cp "$credit/credit-1.4.0.onnx" . && mlopsctl pack credit-1.4.0.onnx -t credit:1 --samples loans.csv --samples-limit 5 >/dev/null &&
    mlopsctl show credit:1 --json | json ".samples == 5 and (.features | startswith(\"checking, months\"))" &&
    awk -F, "BEGIN { OFS = \",\" } { t = \$1; \$1 = \$14; \$14 = t } 1" "$credit/current.csv" >turned.csv && mlopsctl predict credit:1 turned.csv >a 2>err && ! grep -q warning err &&
    mlopsctl predict -q credit-1.4.0.onnx "$credit/current.csv" --by-position >b && cmp a b &&
    expect_code 4 mlopsctl predict credit:1 rows.csv 2>err && grep -q "it lacks .checking., .months." err
'
test_expect '--features names them without samples; wrong ones are refused' '
    mlopsctl pack credit-1.4.0.onnx -t credit:2 --features "$(head -1 loans.csv)" >/dev/null && mlopsctl predict -q credit:2 turned.csv | cmp - b && expect_code 7 mlopsctl verify credit:2 --run 2>err && grep -q "hint: pack the model with --samples" err &&
    expect_code 2 mlopsctl pack credit-1.4.0.onnx -t credit:3 --features a,b 2>err && ! mlopsctl show credit:3 2>/dev/null
'
test_expect 'rows that do not fit, none, a model that is not there, --bare: refused, and nothing is named' '
    expect_code 4 mlopsctl pack credit-1.4.0.onnx -t no:1 --samples "$credit/current.csv" 2>err && grep -q "hint: --features" err && head -1 loans.csv >none.csv && expect_code 4 mlopsctl pack credit-1.4.0.onnx -t no:1 --samples none.csv &&
    expect_code 3 mlopsctl pack model -t no:1 --samples rows.csv --model-file nowhere.onnx && expect_code 2 mlopsctl pack model -t no:1 --samples rows.csv --bare && expect_code 2 mlopsctl pack model -t no:1 --model-file model.onnx &&
    mkdir two && cp model/model.onnx two/a.onnx && cp model/model.onnx two/b.onnx && expect_code 2 mlopsctl pack two -t no:1 --samples rows.csv && mlopsctl pack two -t two:1 --samples rows.csv --model-file b.onnx >/dev/null && mlopsctl verify two:1 --run >/dev/null &&
    expect_code 2 mlopsctl predict two:1 rows.csv 2>err && grep -q "hint: --model-file" err && mlopsctl predict -q two:1 rows.csv --model-file a.onnx >/dev/null && tiny_model w.safetensors && expect_code 2 mlopsctl pack w.safetensors -t no:1 --samples rows.csv && ! mlopsctl show no:1 2>/dev/null
'
test_expect 'a dry run says the digest of the bundle that would be' '
    [ "$(mlopsctl pack model -t cf:9 --samples rows.csv --dry-run --json | jq -r .digest)" = "$(mlopsctl show cf:1 --json | jq -r .digest)" ]
'
test_expect 'a pull keeps the samples' '
    mlopsctl push cf:1 ./share >/dev/null && MLOPSCTL_HOME=$T/other mlopsctl pull cf:1 ./share >/dev/null && MLOPSCTL_HOME=$T/other mlopsctl verify cf:1 --run >/dev/null
'
test_expect '--run is for bundles by name' 'expect_code 2 mlopsctl verify --all --run'
test_done
