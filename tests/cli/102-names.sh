#!/bin/sh
# ls, show, tag, untag: names and what they point at.
. "${0%/*}/lib.sh"

test_expect 'an empty workspace lists nothing and stays empty' '
    mlopsctl ls >out && grep -q "no bundles yet" out && mlopsctl ls --json | json ".bundles == []" &&
    [ "$(ls -A .mlops)" = "" ] && rmdir .mlops && mlopsctl ls --home "$T/nowhere" >/dev/null && ! test -e "$T/nowhere" && mkdir .mlops
'
test_expect 'ls shows name, digest, size, format and run' '
    mkdir m && tiny_model m/model.safetensors && mlopsctl pack m -t credit:1.0 -t team/risk:x &&
    mlopsctl ls --json >out && json ".bundles | length == 2" <out &&
    json ".bundles[0] | .name == \"credit:1.0\" and .format == \"safetensors\" and .run == 1 and .size > 72" <out
'
test_expect 'ls takes patterns of names and of name:tag' '
    mlopsctl pack m -t credit:2.0 --metric a=1 &&
    mlopsctl ls credit --json | json "[.bundles[].name] == [\"credit:1.0\", \"credit:2.0\"]" &&
    mlopsctl ls "credit:1*" "team/*" --json | json "[.bundles[].name] == [\"credit:1.0\", \"team/risk:x\"]" &&
    mlopsctl ls nothing --json | json ".bundles == []"
'
test_expect 'tag points a name at a bundle and moves one that exists' '
    one=$(mlopsctl show credit:1.0 --json | jq -r .digest) && two=$(mlopsctl show credit:2.0 --json | jq -r .digest) && [ "$one" != "$two" ] &&
    mlopsctl tag credit:1.0 credit:champion >out && grep -q "^tagged credit:champion  sha256:" out &&
    mlopsctl tag credit:2.0 credit:champion && [ "$(mlopsctl show credit:champion --json | jq -r .digest)" = "$two" ] &&
    mlopsctl rollback --last && [ "$(mlopsctl show credit:champion --json | jq -r .digest)" = "$one" ]
'
test_expect 'digests and their beginnings are references' '
    one=$(mlopsctl show credit:1.0 --json | jq -r .digest) && short=$(echo "$one" | cut -c1-19) &&
    mlopsctl tag "$one" a:1 && mlopsctl tag "$short" a:2 && mlopsctl show "credit@$one" >/dev/null
'
test_expect 'untag takes all names or none' '
    expect_code 3 mlopsctl untag a:1 a:3 2>err && grep -q "a:3" err && mlopsctl show a:1 >/dev/null &&
    mlopsctl untag a:1 a:2 >out && grep -q "untagged a:1" out && expect_code 3 mlopsctl show a:1 2>/dev/null &&
    mlopsctl rollback --last && mlopsctl show a:1 >/dev/null && mlopsctl show a:2 >/dev/null
'
test_expect 'unknown and malformed names have their statuses' '
    expect_code 3 mlopsctl show credit:1.9 2>err && grep -q "did you mean" err && expect_code 3 mlopsctl tag nothing x:1 2>/dev/null &&
    expect_code 2 mlopsctl tag credit:1.0 X 2>/dev/null && expect_code 2 mlopsctl tag credit:1.0 2>/dev/null &&
    expect_code 2 mlopsctl untag "a@sha256:$(printf %064d 0)" 2>/dev/null
'
test_expect 'show lists tensors with their digests' '
    mlopsctl show credit:1.0 --tensors --json >out &&
    json ".tensors == [{name: \"w\", type: \"float32\", shape: \"[2]\", bytes: 8, digest: \"sha256:ee4ac73c2bd27756ab82780f27c73a7bc4d3f0bb6acb37e008bc27eccd7e588b\", file: \"model.safetensors\"}]" <out &&
    mlopsctl show credit:1.0 | grep -q "^precision  *float32$"
'
test_expect 'show prints the documents as they are stored' '
    [ "sha256:$(mlopsctl show credit:1.0 --raw manifest | sha256sum | cut -c1-64)" = "$(mlopsctl show credit:1.0 --json | jq -r .digest)" ] &&
    mlopsctl show credit:1.0 --raw extra | json ".schema == 1" && mlopsctl pack m -t bare:1 --bare && expect_code 3 mlopsctl show bare:1 --raw extra 2>/dev/null
'
test_expect 'a damaged bundle does not hide the others' '
    d=$(mlopsctl show bare:1 --json | jq -r .digest | cut -c8-) && chmod u+w .mlops/store/blobs/sha256/$d && echo x >.mlops/store/blobs/sha256/$d &&
    mlopsctl ls >out 2>err && grep -q "^bare:1 .*damaged" out && grep -q "^credit:1.0 .*safetensors" out && grep -q "verify --all" err &&
    expect_code 4 mlopsctl show bare:1 2>/dev/null
'
test_done
