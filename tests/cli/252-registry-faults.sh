#!/bin/sh
# Registries that misbehave while they are pushed to: tests/tools/registry-double.py is strict about what it is sent and faulty in what it answers.
. "${0%/*}/lib.sh"
. "$R/tests/tools/registry.sh"

have python3 || skip_all 'python3 is not installed'
mkdir model && tiny_model model/model.safetensors && echo '# tiny' >model/README.md && head -c 6000000 /dev/urandom >model/blob.bin
mlopsctl pack model -t m:1 >"$T/log" 2>&1 || skip_all "pack does not work: $(cat "$T/log")"
DIGEST=$(mlopsctl show m:1 --json | jq -r .digest)
# login REGISTRY TEXT: what docker keeps for it.
login()
{
    mkdir -p "$HOME/.docker" && printf '{"auths":{"%s":{%s}}}' "$1" "$2" >"$HOME/.docker/config.json" && chmod 600 "$HOME/.docker/config.json"
}
PASSWORD='"auth":"dTpw"'
# round: push, and pull into a new home ($home); the same bundle arrives.
round()
{
    home=$(mktemp -d "$T/home-XXXXXX")
    mlopsctl push m:1 "oci://$registry/team" "$@" && mlopsctl pull m:1 "oci://$registry/team" --home "$home" && came
}
came() { [ "$(mlopsctl show m:1 --json --home "$home" | jq -r .digest)" = "$DIGEST" ] && mlopsctl verify --all --home "$home" && double_is_content; }
sent() { grep -c "$1" "$double_log"; }

test_expect 'nothing wrong: what is sent obeys the specification' '
    double_start && round && [ "$(sent "^PATCH")" -eq 0 ] && [ "$(sent "^PUT .*uploads")" -eq 5 ]
'
test_expect 'a login in clear by Basic, among challenges of other kinds' '
    double_start basic && login $registry "$PASSWORD" && round && expect_code 5 env HOME="$T/nobody" "$MLOPSCTL" push m:1 oci://$registry/x 2>err && grep -q "asks for a login" err && grep -q "hint: .*log" err
'
test_expect 'a token for what is asked, and no more tokens than needed' '
    double_start token && login $registry "$PASSWORD" && round && [ "$(sent /token)" -le 4 ]
'
test_expect 'a wrong password is said, and stands nowhere' '
    double_start token && login $registry "\"auth\":\"dTpub3QtdGhpcw==\"" && expect_code 5 mlopsctl push m:1 oci://$registry/x 2>err && grep -q "401" err && grep -q "docker" err && ! grep -q "not-this" err && ! grep -rq "not-this" .mlops
'
test_expect 'tokens that expire in the middle of an upload' '
    double_start token uses=3 max-body=2000000 && login $registry "$PASSWORD" && round && [ "$(sent "PATCH .* 401")" -ge 1 ]
'
test_expect 'an identity token buys tokens by the form' '
    double_start identity && login $registry "\"identitytoken\":\"idt\",\"auth\":\"$(printf "%s" "00000000-0000-0000-0000-000000000000:" | base64)\"" && round && grep -q "POST /token 200" "$double_log" && ! grep -rq idt .mlops/ledger.db
'
test_expect 'reads are redirected: the token does not go along' '
    double_start token redirect && login $registry "$PASSWORD" && round && [ "$(sent "GET /data/.* 200")" -ge 5 ]
'
test_expect 'uploads are redirected: the token does not go along' '
    double_start token redirect-upload max-body=2000000 && login $registry "$PASSWORD" && round && [ "$(sent "^PUT /team/m/upload/.* 201")" -ge 5 ]
'
test_expect 'too large in one request: in chunks, then in smaller ones' '
    double_start max-body=2000000 && round && [ "$(sent "PATCH .* 202")" -ge 4 ] && [ "$(sent "PATCH .* 413")" -ge 1 ]
'
test_expect 'a chunk that is taken in part goes on where the registry says' '
    double_start max-body=2000000 partial && round && [ "$(sent "PATCH .* 416")" -ge 1 ] && [ "$(sent "GET .*uploads.* 204")" -ge 1 ]
'
test_expect 'chunks that are not taken at all' '
    double_start no-chunks cut=1 && round
'
test_expect 'lost connections: the session goes on where it stands' '
    double_start cut=3 && round && [ "$(sent "GET .*uploads.* 204")" -ge 1 ]
'
test_expect 'lost connections and lost sessions: from the start' '
    double_start cut=3 forget && round && [ "$(sent "GET .*uploads.* 404")" -ge 1 ]
'
test_expect 'stored, but answered 500: asked for, not sent again' '
    double_start put500 manifest500 && round && [ "$(sent "^PUT .*uploads.* 500")" -eq 5 ]
'
test_expect 'a digest that does not fit once is sent again; twice is told' '
    double_start bad-digest=1 && round && double_start bad-digest=20 && expect_code 2 mlopsctl push m:1 oci://$registry/team 2>err && grep -qi "digest.invalid" err
'
test_expect 'busy: 429 is waited for' '
    double_start busy=3 && round
'
registry_stop
test_done
