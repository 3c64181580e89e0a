#!/bin/sh
# Logins at Debian's docker-registry: its own htpasswd, and tokens that a small server signs with a key it trusts.
. "${0%/*}/lib.sh"
. "$R/tests/tools/registry.sh"

have docker-registry || skip_all 'docker-registry is not installed'
have python3 || skip_all 'python3 is not installed'
have openssl || skip_all 'openssl is not installed'
mkdir model && tiny_model model/model.safetensors && echo '# tiny' >model/README.md
mlopsctl pack model -t credit:1 >"$T/log" 2>&1 || skip_all "pack does not work: $(cat "$T/log")"
ONE=$(mlopsctl show credit:1 --json | jq -r .digest)
# login HOST USER PASSWORD
login() { docker_login "$1" "\"auth\":\"$(printf %s "$2:$3" | base64)\""; }
logout() { rm -f "$HOME/.docker/config.json"; }
came() { [ "$(mlopsctl show credit:1 --json --home "$1" | jq -r .digest)" = "$ONE" ] && mlopsctl verify --all --home "$1"; }

# bcrypt of "swordfish"
printf 'anna:%s\n' '$2y$05$abcdefghijklmnopqrstuupWDwJQeCHYIBQy8WvkVB6ImhZ476YYy' >"$T/htpasswd"
registry_start basic "auth: {htpasswd: {realm: \"the, registry\", path: $T/htpasswd}}" || skip_all "docker-registry does not start: $(cat "$T/registry-basic/log")"
basic=$registry
test_expect 'htpasswd: with the login, without one, with a wrong one' '
    login $basic anna swordfish && mlopsctl push credit:1 oci://$basic/team && mlopsctl pull credit:1 oci://$basic/team --home "$T/two" && came "$T/two" &&
    logout && expect_code 5 mlopsctl push credit:1 oci://$basic/other 2>err && grep -q "asks for a login" err && grep -q "mlopsctl-credentials(5)" err &&
    login $basic anna sword-fish && expect_code 5 mlopsctl pull credit:1 oci://$basic/team --home "$T/three" 2>err && grep -q "was refused" err && ! grep -rq "sword" err .mlops "$T/two"
'
test_expect 'our own file serves as well' '
    logout && mkdir -p "$XDG_CONFIG_HOME/mlopsctl" && printf "[registry %s]\nuser = anna\npassword = swordfish\n" $basic >"$XDG_CONFIG_HOME/mlopsctl/credentials" && chmod 600 "$XDG_CONFIG_HOME/mlopsctl/credentials" &&
    mlopsctl pull credit:1 oci://$basic/team --home "$T/four" && came "$T/four"
'
rm -rf "$XDG_CONFIG_HOME/mlopsctl"

openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -keyout "$T/token.key" -out "$T/token.crt" -days 2 -subj /CN=tokens >/dev/null 2>&1 || skip_all 'openssl makes no certificate'
python3 "$R/tests/tools/token-server.py" "$T/token.port" "$T/token.log" "$T/token.key" "$T/token.crt" anna swordfish 2>"$T/token.err" &
echo $! >>"$T/registry.pids"
i=0
while [ ! -e "$T/token.port" ] && [ $i -lt 200 ]; do i=$((i + 1)) && sleep 0.05; done
read -r port <"$T/token.port" || { cat "$T/token.err"; exit 8; }
registry_start token "auth: {token: {realm: \"http://127.0.0.1:$port/token\", service: the-registry, issuer: tokens, rootcertbundle: $T/token.crt}}" || skip_all "docker-registry does not start: $(cat "$T/registry-token/log")"
test_expect 'tokens: what is asked for is what is needed' '
    login $registry anna swordfish && : >"$T/token.log" && mlopsctl push credit:1 oci://$registry/team --json >j && json ".chunks_sent == 4 or .chunks_sent == 3" <j && mlopsctl pull credit:1 oci://$registry/team --home "$T/five" && came "$T/five" &&
    grep -q "anna repository:team/credit:pull,push" "$T/token.log" && [ "$(wc -l <"$T/token.log")" -le 4 ]
'
test_expect 'an unchanged push asks at most five times, the token included' '
    mlopsctl push credit:1 oci://$registry/team --json | json ".unchanged and .requests <= 5"
'
test_expect 'tokens for mounts and for deleting' '
    mlopsctl push credit:1 oci://$registry/elsewhere --json >j && json ".chunks_sent == 0" <j && grep -q "repository:elsewhere/credit:pull,push repository:team/credit:pull" "$T/token.log" &&
    mlopsctl rollback "$(mlopsctl log --json -n 1 | jq -s -r ".[0] | .run // .id // .runs[0].run // .runs[0].id")" && grep -q ":delete" "$T/token.log" && expect_code 3 mlopsctl pull credit:1 oci://$registry/elsewhere --home "$T/six"
'
test_expect 'without the right to push, and without a login' '
    login $registry reader readonly && mlopsctl pull credit:1 oci://$registry/team --home "$T/seven" && expect_code 5 mlopsctl push credit:1 oci://$registry/team --as credit:2 2>err && grep -q "401\|denied\|DENIED\|UNAUTHORIZED" err && grep -q "^hint: " err && ! grep -q readonly err &&
    logout && expect_code 5 mlopsctl pull credit:1 oci://$registry/team --home "$T/eight" 2>err && grep -q "^hint: " err
'
test_expect 'remote check says whether the login may push' '
    login $registry anna swordfish && mlopsctl remote check --json oci://$registry/team/credit | json .writable && login $registry reader readonly &&
    mlopsctl remote check --json oci://$registry/team/credit >j && json ".writable == false and (.write_error | test(\"team/credit\")) and (.faults | length == 0)" <j && ! grep -q readonly j
'
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -keyout "$T/tls.key" -out "$T/tls.crt" -days 2 -subj /CN=registry -addext subjectAltName=IP:127.0.0.1 >/dev/null 2>&1
registry_tls=", tls: {certificate: $T/tls.crt, key: $T/tls.key}" registry_start tls || skip_all "docker-registry does not start: $(cat "$T/registry-tls/log")"
test_expect 'a registry with TLS: with its certificate, and not without' '
    SSL_CERT_FILE=$T/tls.crt mlopsctl push credit:1 oci://$registry/team && SSL_CERT_FILE=$T/tls.crt mlopsctl pull credit:1 oci://$registry/team --home "$T/nine" && came "$T/nine" &&
    expect_code 5 mlopsctl pull credit:1 oci://$registry/team --home "$T/ten" 2>err && grep -qi "certificate" err
'
registry_stop
test_done
