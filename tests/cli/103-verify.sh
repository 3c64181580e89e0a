#!/bin/sh
# verify: damage is found wherever it is, and repaired from whatever holds the bytes.
. "${0%/*}/lib.sh"

W=9c54a301d1883c1238adad7212e1c8b7a0ee5a828aa7b9a5fc5c4b58af05fe54
blob() { echo ".mlops/store/blobs/sha256/$1"; }
# flip DIGEST OFFSET: one byte of a blob becomes another.
flip()
{
    chmod u+w "$(blob "$1")" && printf '\001' | dd of="$(blob "$1")" bs=1 seek="$2" conv=notrunc 2>/dev/null
}
# layer N: hex digest of a layer of m:1
layer() { mlopsctl show m:1 --raw manifest | jq -r ".layers[$1].digest" | cut -c8-; }

test_expect 'all of nothing is good' '
    mlopsctl verify --all
'
test_expect 'a good bundle' '
    mkdir m && tiny_model m/model.safetensors && echo "print(1)" >m/train.py && echo "# x" >m/README.md && mlopsctl pack m -t m:1 &&
    mlopsctl verify m:1 >out && grep -q "^verified 1 bundle, .*: no fault$" out && mlopsctl verify m:1 --deep && mlopsctl verify --all --json | json ".good and .bundles == 1 and .faults == []"
'
test_expect 'a flipped byte is found and named; status 1' '
    flip $W 70 && expect_code 1 mlopsctl verify m:1 >out && grep -q "layer model.safetensors .*damaged" out &&
    expect_code 1 mlopsctl verify --all --json >out && json ".good == false and (.faults | length) == 1 and .faults[0].digest == \"sha256:$W\"" <out
'
test_expect 'repair takes the bytes from the files the bundle was made of' '
    mlopsctl verify m:1 --repair m >out && grep -q "repaired, no fault left" out && mlopsctl verify --all --deep &&
    mlopsctl log -n 1 --json | json ".runs[0].command == \"verify\""
'
test_expect 'a layer that is an archive is built again from its files' '
    flip "$(layer 1)" 0 && expect_code 1 mlopsctl verify m:1 >/dev/null && mlopsctl verify m:1 --repair m && mlopsctl verify m:1
'
test_expect 'several missing and damaged blobs at once, the manifest among them, from another store' '
    cp -r .mlops other && d=$(mlopsctl show m:1 --json | jq -r .digest | cut -c8-) && a=$(layer 1) && b=$(layer 2) &&
    rm -f "$(blob $W)" "$(blob "$a")" && flip "$b" 3 && flip "$d" 9 && expect_code 1 mlopsctl verify m:1 >/dev/null &&
    mlopsctl verify m:1 --repair other/store >out && mlopsctl verify --all
'
test_expect 'what cannot be found stays a fault' '
    mkdir empty && flip $W 70 && expect_code 1 mlopsctl verify m:1 --repair empty >out && grep -q "1 fault left" out &&
    expect_code 3 mlopsctl verify m:1 --repair nowhere 2>/dev/null && mlopsctl verify m:1 --repair empty --repair m/model.safetensors
'
test_expect 'wrong bytes of the right size are not taken' '
    flip $W 70 && mkdir wrong && head -c 72 /dev/zero >wrong/model.safetensors && expect_code 1 mlopsctl verify m:1 --repair wrong >/dev/null &&
    mlopsctl verify m:1 --repair m
'
test_expect 'blobs without a name are looked at by --all' '
    mlopsctl pack m -t gone:1 --metric x=1 && d=$(mlopsctl show gone:1 --json | jq -r .digest | cut -c8-) && mlopsctl untag gone:1 &&
    mlopsctl verify --all && flip "$d" 5 && expect_code 1 mlopsctl verify --all >out && grep -q "(no name)" out && rm -f "$(blob "$d")"
'
test_expect 'wrong words' '
    expect_code 2 mlopsctl verify 2>/dev/null && expect_code 2 mlopsctl verify m:1 --all 2>/dev/null && expect_code 3 mlopsctl verify nothing 2>/dev/null
'
if mlopsctl help --names | grep -qx push; then
    test_expect 'a remote is a place to repair from' '
        mlopsctl push m:1 ./remote && flip $W 70 && flip "$(layer 1)" 7 && mlopsctl verify m:1 --repair ./remote && mlopsctl verify --all --deep
    '
fi
if mlopsctl help --names | grep -qx sign && have openssl; then
    test_expect 'a key that signed, and one that did not' '
        openssl ecparam -name prime256v1 -genkey -noout -out a.pem 2>/dev/null && openssl ec -in a.pem -pubout -out a.pub 2>/dev/null &&
        openssl ecparam -name prime256v1 -genkey -noout -out b.pem 2>/dev/null && openssl ec -in b.pem -pubout -out b.pub 2>/dev/null &&
        expect_code 1 mlopsctl verify m:1 --key a.pub >/dev/null && mlopsctl sign m:1 --key a.pem && mlopsctl verify m:1 --key a.pub &&
        expect_code 1 mlopsctl verify m:1 --key b.pub >out && grep -q signature out
    '
else
    test_skip 'a key that signed, and one that did not' 'this build has no sign'
fi
test_done
