#!/bin/sh
# What changed between two bundles; signatures and who believes them.
. "${0%/*}/lib.sh"

mkdir model
tiny_model model/model.safetensors
echo '# tiny' >model/README.md
mlopsctl pack model -t m:1 --metric auc=0.9 >"$T/log" 2>&1 || skip_all "pack does not work: $(cat "$T/log")"

test_expect 'a bundle is the same as itself' '
    mlopsctl diff m:1 m:1 >out && grep -q "tensors are the same" out && mlopsctl diff m:1 m:1 --json | json ".files == [] and .tensors == [] and .tensors_same == 1"
'
test_expect 'files, tensors, metrics and settings that differ are said, with exit 1' '
    printf "\000\000\240\077" | dd of=model/model.safetensors bs=1 seek=64 conv=notrunc 2>/dev/null && echo more >model/new.txt && rm model/README.md &&
    mlopsctl pack model -t m:2 --metric auc=0.95 --license MIT && expect_code 1 mlopsctl diff m:1 m:2 >out &&
    grep -q "^added  *new.txt" out && grep -q "^removed  *README.md" out && grep -q "^changed  *w .*0.25" out && grep -q "^changed  *auc  *0.9  *0.95" out &&
    expect_code 1 mlopsctl diff m:1 m:2 --json >j && json ".tensors[0] | .name == \"w\" and .differ == 1 and .max_abs == 0.25 and .mean_abs == 0.125" <j &&
    json ".settings[] | select(.key == \"licenses\") | .change == \"added\" and .a == null" <j &&
    expect_code 1 mlopsctl diff --no-stats m:1 m:2 --json | json ".tensors[0].max_abs == null"
'
test_expect 'wrong names are said' 'expect_code 3 mlopsctl diff m:1 m:9 && expect_code 2 mlopsctl diff m:1'

test_expect 'keys are made once and the private one is private' '
    mlopsctl sign --keygen release && [ "$(stat -c %a release.key)" = 600 ] && grep -q "BEGIN PUBLIC KEY" release.pub &&
    expect_code 6 mlopsctl sign --keygen release && expect_code 2 mlopsctl sign m:1 && expect_code 2 mlopsctl sign --keygen x m:1
'
test_expect 'a signature is believed with its key and with no other' '
    mlopsctl sign m:1 --key release.key -o model.sig && mlopsctl verify m:1 --key release.pub &&
    mlopsctl sign --keygen other && expect_code 1 mlopsctl verify m:1 --key other.pub && expect_code 1 mlopsctl verify m:2 --key release.pub &&
    expect_code 4 mlopsctl sign m:1 --key release.pub && expect_code 3 mlopsctl sign m:1 --key nowhere.key
'
test_expect 'openssl finds the signature good' '
    jq -r .dsseEnvelope.payload model.sig | base64 -d >payload && jq -r ".dsseEnvelope.signatures[0].sig" model.sig | base64 -d >sig &&
    { printf "DSSEv1 28 application/vnd.in-toto+json %s " "$(stat -c %s payload)" && cat payload; } >message &&
    openssl dgst -sha256 -verify release.pub -signature sig message &&
    json ".predicate.resources[] | select(.name == \"model.safetensors\") | .digest == \"9c54a301d1883c1238adad7212e1c8b7a0ee5a828aa7b9a5fc5c4b58af05fe54\"" <payload &&
    [ "$(jq -r .verificationMaterial.publicKey.hint model.sig)" = "$(sha256sum <release.pub | cut -d" " -f1)" ]
'
python=${MODEL_SIGNING_PYTHON:-python3}
if "$python" -c 'import model_signing.verifying' 2>/dev/null; then
    test_expect 'the reference tool believes the unpacked folder, and not a changed one' '
        mlopsctl unpack m:1 -o files && "$python" -m model_signing verify key files --signature model.sig --public_key release.pub &&
        echo x >>files/README.md && ! "$python" -m model_signing verify key files --signature model.sig --public_key release.pub
    '
else
    test_skip 'the reference tool believes the unpacked folder, and not a changed one' 'no model-signing for python3'
fi
test_expect 'signatures travel with export and push' '
    mlopsctl export m:1 -o m.tar && mlopsctl import m.tar --home "$T/two" && mlopsctl verify m:1 --key release.pub --home "$T/two" &&
    mlopsctl push m:1 ./remote && mlopsctl pull m:1 ./remote --home "$T/three" && mlopsctl verify m:1 --key release.pub --home "$T/three" &&
    mlopsctl push m:1 ./remote | grep -q "already" && mlopsctl sign m:1 --key other.key && mlopsctl push m:1 ./remote &&
    mlopsctl pull m:1 ./remote --home "$T/three" && mlopsctl verify m:1 --key other.pub --home "$T/three" &&
    mlopsctl verify --all --home "$T/three"
'
test_done
