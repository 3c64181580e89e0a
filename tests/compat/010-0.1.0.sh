#!/bin/sh
# What release 0.1.0 wrote still opens: its ledger, its bundle with signature, its remote.
. "${0%/*}/../cli/lib.sh"
old=$R/tests/compat/0.1.0
digest_of() { jq -r --arg n "$1" '.[] | select(.name == $n) | .digest' "$old/names.json"; }
test_expect 'the ledger opens, verifies and says what was done' '
    mlopsctl ledger restore "$old/ledger.db" &&
    mlopsctl ledger verify &&
    mlopsctl log --command rollback | grep "took it back" &&
    mlopsctl show-run 1 --json | json .run
'
rm -rf .mlops
test_expect 'the bundle imports with the digest it had' '
    mlopsctl import "$old/tiny-1.1.tar" &&
    [ "$(mlopsctl ls --json | jq -r ".bundles[0].digest")" = "$(digest_of tiny:1.1)" ] &&
    mlopsctl verify tiny:1.1 --deep --key "$old/release.pub" &&
    mlopsctl show tiny:1.1 --tensors | grep float32
'
test_expect 'both bundles come back from the remote' '
    tar xzf "$old/share.tar.gz" &&
    mlopsctl pull tiny:1.0 ./share && mlopsctl pull tiny:1.1 ./share &&
    [ "$(mlopsctl show tiny:1.0 --json | jq -r .digest)" = "$(digest_of tiny:1.0)" ] &&
    mlopsctl verify --all
'
test_expect 'the remote takes a push of today on top' '
    tiny_model x.safetensors && mlopsctl pack x.safetensors -t tiny:2.0 && mlopsctl push tiny:2.0 ./share &&
    mlopsctl remote refs ./share | grep -E "tiny +2.0"
'
test_expect 'the same files pack to the same digest as then' '
    mlopsctl unpack tiny:1.1 -o m && mlopsctl pack m -t again:1.1 --metric auc=0.6 &&
    [ "$(mlopsctl show again:1.1 --json | jq -r .tensor_set)" = "$(mlopsctl show tiny:1.1 --json | jq -r .tensor_set)" ]
'
test_done
