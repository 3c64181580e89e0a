#!/bin/sh
# An OCI registry as a remote, against Debian's docker-registry; skopeo and umoci are independent witnesses.
. "${0%/*}/lib.sh"
. "$R/tests/tools/registry.sh"

have docker-registry || skip_all 'docker-registry is not installed'
have python3 || skip_all 'python3 is not installed'
run_id() { mlopsctl log --json -n 1 | jq -s -r '.[0] | .run // .id // .runs[0].run // .runs[0].id'; }
digest_of() { mlopsctl show "$1" --json | jq -r .digest; }

mkdir model && tiny_model model/model.safetensors && echo '# tiny' >model/README.md && head -c 300000 /dev/urandom >model/blob.bin
mlopsctl pack model -t credit:1 >"$T/log" 2>&1 || skip_all "pack does not work: $(cat "$T/log")"
echo more >>model/README.md && mlopsctl pack model -t credit:2 >/dev/null || exit 8
ONE=$(digest_of credit:1) TWO=$(digest_of credit:2)
registry_start open || skip_all "docker-registry does not start: $(cat "$T/registry-open/log")"
U=oci://$registry/team

test_expect 'a push comes back elsewhere with its digest, bit for bit' '
    mlopsctl push credit:1 $U >out && grep -q "^pushed credit:1 to $U: " out && mlopsctl pull credit:1 $U --home "$T/two" && [ "$(mlopsctl show credit:1 --json --home "$T/two" | jq -r .digest)" = "$ONE" ] &&
    mlopsctl verify --all --deep --home "$T/two" && mlopsctl unpack credit:1 -o out1 --home "$T/two" && cp model/README.md keep && mlopsctl unpack credit:1 -o here && diff -r out1 here
'
test_expect 'an unchanged push asks at most five times and sends nothing' '
    mlopsctl push credit:1 $U --json >j && json ".unchanged and .requests <= 5 and .sent == 0" <j && mlopsctl push credit:1 $U | grep -q "already on"
'
test_expect 'a new version sends only the blobs that are new; a dry run says so before' '
    mlopsctl push -n credit:2 $U --json >n && [ -z "$(curl_tags credit | grep 2)" ] && mlopsctl push credit:2 $U --json >j && json ".sent < 20000 and .bytes > 300000" <j && json ".dry_run and .sent > 0 and .sent < 20000" <n
'
test_expect 'the name follows the address, or is its end' '
    mlopsctl push credit:1 $U/credit --as credit:exact && mlopsctl push credit:1 oci://$registry --as team/credit:short && mlopsctl push credit:1 $U/credit --as other:x &&
    curl_tags team/credit >tags && grep -q exact tags && grep -q short tags && curl_tags team/credit/other | grep -q x &&
    mlopsctl pull team/credit:exact oci://$registry --home "$T/two" && mlopsctl pull credit:short $U/credit --home "$T/two"
'
if have skopeo; then
    test_expect 'skopeo sees the digest, copies it out, and what it copies in is pulled' '
        [ "sha256:$(skopeo inspect --raw --tls-verify=false docker://$registry/team/credit:1 | sha256sum | cut -c1-64)" = "$ONE" ] &&
        skopeo copy -q --src-tls-verify=false docker://$registry/team/credit:1 "oci:$PWD/copied:credit:1" && mlopsctl import copied -t copy:1 --home "$T/three" && [ "$(mlopsctl show copy:1 --json --home "$T/three" | jq -r .digest)" = "$ONE" ] &&
        mlopsctl export credit:2 -o two.tar && skopeo copy -q --dest-tls-verify=false oci-archive:two.tar:credit:2 docker://$registry/by/skopeo:2 && mlopsctl pull skopeo:2 oci://$registry/by --home "$T/three" && [ "$(mlopsctl show skopeo:2 --json --home "$T/three" | jq -r .digest)" = "$TWO" ]
    '
else
    test_skip 'skopeo' 'skopeo is not installed'
fi
test_expect 'by digest too, and a tag that leads elsewhere is not that digest' '
    mlopsctl pull "credit@$ONE" $U --as d:1 --home "$T/four" && [ "$(mlopsctl show d:1 --json --home "$T/four" | jq -r .digest)" = "$ONE" ] && mlopsctl pull "credit:2@$TWO" $U --home "$T/four" &&
    expect_code 3 mlopsctl pull "credit:2@$ONE" $U --home "$T/four" 2>err && grep -q "not that digest: it is $TWO" err && expect_code 2 mlopsctl pull "credit@$ONE" $U --home "$T/four" &&
    expect_code 3 mlopsctl pull "credit@sha256:$(printf "%064d" 0)" $U --as d:3 --home "$T/four" 2>err && grep -q "repository .team/credit" err
'
test_expect 'blobs of another repository are mounted, not sent' '
    mlopsctl push credit:1 oci://$registry/elsewhere --json >j && json ".sent < 3000 and .chunks_sent == 0" <j && mlopsctl pull credit:1 oci://$registry/elsewhere --home "$T/five"
'
test_expect 'signatures travel' '
    mlopsctl sign --keygen key && mlopsctl sign credit:1 --key key.key &&
    mlopsctl push credit:1 $U && mlopsctl push credit:1 $U --json | json ".unchanged and .requests <= 5" && mlopsctl pull credit:1 $U --home "$T/six" && mlopsctl verify credit:1 --key key.pub --home "$T/six" &&
    curl_tags team/credit | grep -q "sha256-" && mlopsctl remote refs $U >refs && ! grep -q "sha256-" refs && grep -q "^credit  *2 " refs
'
test_expect 'remote refs and check tell what is there' '
    mlopsctl remote refs $U >out && grep -q "^credit  *1 " out && grep -q "^credit  *exact " out && mlopsctl remote refs $U/credit | grep -q "^credit  *1 " && mlopsctl remote refs oci://$registry | grep -q "^team/credit  *1 " &&
    mlopsctl remote check --deep $U | grep -q "no faults"
'
test_expect 'remote check begins an upload and cancels it, and nothing of it stays; with --read-only it does not' '
    for where in $U/credit $U oci://$registry oci://$registry/nobody; do mlopsctl remote check --json $where | json .writable || exit 1; done &&
    mlopsctl remote check $U >out && grep -q "^writable  *yes" out && [ -z "$(find "$registry_folder/data" -name startedat)" ] && [ -z "$(find "$registry_folder/data" -path "*/_uploads/*/data")" ] && ! mlopsctl remote refs oci://$registry | grep check &&
    mlopsctl remote check --read-only --json $U >j && json "has(\"writable\") | not" <j
'
test_expect 'a first push is taken back by rollback, and brought back by rolling that back' '
    mlopsctl push credit:2 $U --as fresh:1 && mlopsctl rollback "$(run_id)" && expect_code 3 mlopsctl pull fresh:1 $U --home "$T/six" && mlopsctl push credit:2 $U --as fresh:1 && mlopsctl pull fresh:1 $U --home "$T/six"
'
test_expect 'a moved tag goes back to what it was; what somebody moved since is not undone' '
    mlopsctl push credit:1 $U --as credit:prod && mlopsctl push credit:2 $U --as credit:prod && id=$(run_id) && mlopsctl rollback "$id" && mlopsctl pull credit:prod $U --home "$T/seven" && [ "$(mlopsctl show credit:prod --json --home "$T/seven" | jq -r .digest)" = "$ONE" ] &&
    mlopsctl push credit:2 $U --as credit:prod && id=$(run_id) && mlopsctl push credit:1 $U --as credit:prod && expect_code 6 mlopsctl rollback "$id"
'
test_expect 'a tag whose manifest others share is not removed behind their back' '
    mlopsctl push credit:1 $U --as credit:shared && id=$(run_id) && expect_code 7 mlopsctl rollback "$id" 2>err && grep -q "another tag" err && mlopsctl pull credit:1 $U --home "$T/two"
'
test_expect 'names, addresses and places that are not there are said' '
    expect_code 3 mlopsctl pull credit:nope $U 2>err && grep -q "credit:nope" err && expect_code 2 mlopsctl push credit:1 oci://$registry/Team 2>err && expect_code 2 mlopsctl push credit:1 $U/credit:1 2>err && grep -q "hint: write it as oci://" err &&
    expect_code 2 mlopsctl push credit:1 oci://user:secret@$registry/x 2>err && ! grep -q secret err && expect_code 3 mlopsctl push nope:1 $U && expect_code 2 mlopsctl push credit:1 $U --layout files
'
test_expect 'a blob that is gone there is sent again by push --check' '
    registry_forget model/blob.bin && expect_code 1 mlopsctl remote check $U/credit >out && grep -q missing out && must_fail mlopsctl pull credit:1 $U --home "$T/eight" && mlopsctl push --check credit:1 $U && mlopsctl pull credit:1 $U --home "$T/eight"
'
registry_stop
test_done
