#!/bin/sh
# Registries that misbehave while they are pushed to: tests/tools/registry-double.py is strict about what it is sent and faulty in what it answers.
. "${0%/*}/lib.sh"
. "$R/tests/tools/registry.sh"

have python3 || skip_all 'python3 is not installed'
double_bundle
PASSWORD='"auth":"dTpw"'

test_expect 'nothing wrong: what is sent obeys the specification' '
    double_start && double_round && [ "$(double_count "^PATCH")" -eq 0 ] && [ "$(double_count "^PUT .*uploads")" -eq 5 ]
'
test_expect 'a login in clear by Basic, among challenges of other kinds' '
    double_start basic && docker_login $registry "$PASSWORD" && double_round && expect_code 5 env HOME="$T/nobody" "$MLOPSCTL" push m:1 oci://$registry/x 2>err && grep -q "asks for a login" err && grep -q "hint: .*log" err
'
test_expect 'a token for what is asked, and no more tokens than needed' '
    double_start token && docker_login $registry "$PASSWORD" && double_round && [ "$(double_count /token)" -le 4 ]
'
test_expect 'a wrong password is said, and stands nowhere' '
    double_start token && docker_login $registry "\"auth\":\"dTpub3QtdGhpcw==\"" && expect_code 5 mlopsctl push m:1 oci://$registry/x 2>err && grep -q "401" err && grep -q "docker" err && ! grep -q "not-this" err && ! grep -rq "not-this" .mlops
'
test_expect 'tokens that expire in the middle of an upload' '
    double_start token uses=3 max-body=2000000 && docker_login $registry "$PASSWORD" && double_round && [ "$(double_count "PATCH .* 401")" -ge 1 ]
'
test_expect 'an identity token buys tokens by the form' '
    double_start identity && docker_login $registry "\"identitytoken\":\"idt\",\"auth\":\"$(printf "%s" "00000000-0000-0000-0000-000000000000:" | base64)\"" && double_round && grep -q "POST /token 200" "$double_log" && ! grep -rq idt .mlops/ledger.db
'
test_expect 'reads are redirected: the token does not go along' '
    double_start token redirect && docker_login $registry "$PASSWORD" && double_round && [ "$(double_count "GET /data/.* 200")" -ge 5 ]
'
test_expect 'uploads are redirected: the token does not go along' '
    double_start token redirect-upload max-body=2000000 && docker_login $registry "$PASSWORD" && double_round && [ "$(double_count "^PUT /team/m/upload/.* 201")" -ge 5 ]
'
test_expect 'too large in one request: in chunks, then in smaller ones' '
    double_start max-body=2000000 && double_round && [ "$(double_count "PATCH .* 202")" -ge 4 ] && [ "$(double_count "PATCH .* 413")" -ge 1 ]
'
test_expect 'a chunk that is taken in part goes on where the registry says' '
    double_start max-body=2000000 partial && double_round && [ "$(double_count "PATCH .* 416")" -ge 1 ] && [ "$(double_count "GET .*uploads.* 204")" -ge 1 ]
'
test_expect 'chunks that are not taken at all' '
    double_start no-chunks cut=1 && double_round
'
test_expect 'lost connections: the session goes on where it stands' '
    double_start cut=3 && double_round && [ "$(double_count "GET .*uploads.* 204")" -ge 1 ]
'
test_expect 'lost connections and lost sessions: from the start' '
    double_start cut=3 forget && double_round && [ "$(double_count "GET .*uploads.* 404")" -ge 1 ]
'
test_expect 'stored, but answered 500: asked for, not sent again' '
    double_start put500 manifest500 && double_round && [ "$(double_count "^PUT .*uploads.* 500")" -eq 5 ]
'
test_expect 'a digest that does not fit once is sent again; twice is told' '
    double_start bad-digest=1 && double_round && double_start bad-digest=20 && expect_code 2 mlopsctl push m:1 oci://$registry/team 2>err && grep -qi "digest.invalid" err
'
test_expect 'busy: 429 is waited for' '
    double_start busy=3 && double_round
'
registry_stop
test_done
