#!/bin/sh
# Registries that misbehave while they are read, and what they say of names: tests/tools/registry-double.py is strict about what it is sent and faulty in what it answers.
. "${0%/*}/lib.sh"
. "$R/tests/tools/registry.sh"

have python3 || skip_all 'python3 is not installed'
double_bundle
PASSWORD='"auth":"dTpw"'

test_expect 'a body cut in the middle goes on, with Range and without' '
    double_start short && double_round && double_start short no-range && double_round
'
test_expect 'a flipped byte is fetched again; flipped bytes for ever are told and never stored' '
    double_start flip=2 && double_round && double_start flip=1000 && mlopsctl push m:1 oci://$registry/team && expect_code 4 mlopsctl pull m:1 oci://$registry/team --home "$T/flipped" 2>err && grep -q "sha256:.* hash to\|not those of its digest" err &&
    ! mlopsctl ls --home "$T/flipped" | grep -q "m:1"
'
test_expect 'more bytes than the manifest says are refused' '
    double_start long && mlopsctl push m:1 oci://$registry/team && must_fail mlopsctl pull m:1 oci://$registry/team --home "$T/long" 2>err && grep -q "more" err && ! mlopsctl ls --home "$T/long" | grep -q "m:1"
'
test_expect 'no digest header is fine, a false one is not' '
    double_start no-digest && double_round && double_start wrong-digest && expect_code 4 mlopsctl push m:1 oci://$registry/team 2>err && grep -q "called it" err
'
test_expect 'HEAD without a length' '
    double_start head-bare && double_round && mlopsctl push --check m:1 oci://$registry/team && mlopsctl remote check oci://$registry/team
'
test_expect 'lists page by page; lists without end and lists elsewhere end' '
    double_start pages && for t in a b c d e; do mlopsctl push m:1 oci://$registry/team --as "m:$t" || exit 1; done && [ "$(mlopsctl remote refs oci://$registry --json | jq ".refs | length")" -eq 5 ] &&
    double_start loop && mlopsctl push m:1 oci://$registry/team && expect_code 5 timeout 20 "$MLOPSCTL" remote refs oci://$registry/team/m 2>err && grep -q "no end" err &&
    double_start away && mlopsctl push m:1 oci://$registry/team && expect_code 5 mlopsctl remote refs oci://$registry/team/m 2>err && grep -q "another host" err
'
test_expect 'a mount that is refused becomes an upload' '
    double_start no-mount && double_round && mlopsctl push m:1 oci://$registry/other && mlopsctl pull m:1 oci://$registry/other --home "$T/mount"
'
test_expect 'a mount asks for the right to read there too' '
    double_start token && docker_login $registry "$PASSWORD" && double_round && mlopsctl push m:1 oci://$registry/other --json >j && json ".chunks_sent == 0" <j && double_is_content
'
test_expect 'warnings are shown once, and cannot write to the terminal' '
    double_start warn && mlopsctl push m:1 oci://$registry/team 2>err && [ "$(grep -c "this registry ends" err)" -eq 1 ] && ! grep -q "$(printf "\033")" err
'
test_expect 'somebody writes the tag at the same time: a conflict' '
    double_start usurp && expect_code 6 mlopsctl push m:1 oci://$registry/team 2>err && grep -q "at the same time" err
'
test_expect 'signatures without a list of referrers: the tag is written, others stay in it' '
    mlopsctl sign --keygen key && mlopsctl sign --keygen key2 && double_start no-referrers && mlopsctl sign m:1 --key key.key && mlopsctl push m:1 oci://$registry/team && mlopsctl sign m:1 --key key2.key && mlopsctl push m:1 oci://$registry/team &&
    home=$T/home-sig && mlopsctl pull m:1 oci://$registry/team --home "$home" && double_came && mlopsctl verify m:1 --key key.pub --home "$home" && mlopsctl verify m:1 --key key2.pub --home "$home" && [ "$(double_count "PUT .*manifests/sha256-.* 201")" -eq 2 ]
'
test_expect 'signatures with a list of referrers' '
    double_start && double_round && mlopsctl verify m:1 --key key2.pub --home "$home" && [ "$(double_count "PUT .*manifests/sha256-")" -eq 0 ]
'
run_id() { mlopsctl log --json -n 1 | jq -s -r ".[0] | .run // .id // .runs[0].run // .runs[0].id"; }
test_expect 'a new tag is removed by rollback, by tag or by digest; where it cannot be that is said first' '
    double_start && mlopsctl push m:1 oci://$registry/team && mlopsctl rollback "$(run_id)" && expect_code 3 mlopsctl pull m:1 oci://$registry/team --home "$T/gone" &&
    double_start no-tag-delete && mlopsctl push m:1 oci://$registry/team && mlopsctl rollback "$(run_id)" && expect_code 3 mlopsctl pull m:1 oci://$registry/team --home "$T/gone" &&
    double_start no-delete && mlopsctl push m:1 oci://$registry/team && expect_code 7 mlopsctl rollback "$(run_id)" 2>err && grep -q "does not remove tags" err && mlopsctl pull m:1 oci://$registry/team --home "$T/gone"
'
registry_stop
test_done
