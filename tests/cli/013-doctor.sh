#!/bin/sh
# doctor: healthy machines, broken state, secrets that stay where they are.
. "${0%/*}/lib.sh"

test_expect 'a new workspace is healthy and stays untouched' '
    mlopsctl doctor >out && grep -q "^ledger  *ok" out && grep -q "0 failures" out && [ -z "$(ls -A .mlops)" ]
'
test_expect 'the JSON has an advice for whatever is not ok, and none for what is' '
    mlopsctl doctor --json >out && json ".healthy" <out && json ".checks | length > 12" <out &&
    json "[.checks[] | (.status == \"ok\") == (.advice == null)] | all" <out &&
    json "[.checks[].status] - [\"ok\",\"note\",\"warn\",\"fail\"] | length == 0" <out
'
test_expect 'a broken mlops.yaml is a failure, and status 1' '
    printf "gc: {retenton: 1d}\n" >mlops.yaml && expect_code 1 mlopsctl doctor >out && grep -q "^settings  *fail .*mlops.yaml:1" out; rm -f mlops.yaml
'
test_expect 'a ledger that is none is a failure, and told' '
    mkdir bad && chmod 700 bad && head -c 8192 /dev/zero >bad/ledger.db && expect_code 1 mlopsctl --home bad doctor >out && grep -q " fail " out
'
test_expect 'a home that is a file is a failure' '
    : >file && expect_code 1 mlopsctl --home file doctor >out && grep -q "^home  *fail" out
'
test_expect 'a home that others can enter is warned of' '
    mkdir -m 755 open && mlopsctl --home open doctor >out && grep -q "^home  *warn" out
'
test_expect 'credentials are seen and never shown' '
    AWS_ACCESS_KEY_ID=AKIAIOSFODNN7EXAMPLE AWS_SECRET_ACCESS_KEY=wJalrXUtnFEMIsecret RUNPOD_API_KEY=rpa_topsecret mlopsctl doctor >out &&
    grep -q "^S3 credentials  *ok" out && grep -q "^RunPod credentials  *ok" out && ! grep -qi "AKIA\|secret\$\|wJal\|rpa_" out &&
    AWS_ACCESS_KEY_ID=x mlopsctl doctor | grep -q "^S3 credentials  *warn"
'
test_expect 'an API key where the S3 key of volumes belongs is told apart' '
    RUNPOD_API_KEY=rpa_a mlopsctl doctor >out && grep -q "^RunPod S3 credentials  *note" out && grep -q "API key does not open them" out &&
    RUNPOD_S3_ACCESS_KEY=user_a RUNPOD_S3_SECRET_KEY=rpa_topsecret mlopsctl doctor >out && grep -q "^RunPod S3 credentials  *warn.*API key (rpa_...)" out && ! grep -q topsecret out &&
    RUNPOD_API_KEY=rps_topsecret mlopsctl doctor >out && grep -q "^RunPod credentials  *warn" out && ! grep -q topsecret out &&
    mkdir -p "$XDG_CONFIG_HOME/mlopsctl" && echo "[s3]" >"$XDG_CONFIG_HOME/mlopsctl/credentials" && chmod 644 "$XDG_CONFIG_HOME/mlopsctl/credentials" &&
    mlopsctl doctor | grep -q "chmod 600" && rm "$XDG_CONFIG_HOME/mlopsctl/credentials"
'
test_expect 'online it asks every remote of the settings' '
    mkdir -p here && printf "remotes:\n  good: %s/here\n  gone: %s/nowhere\n" "$PWD" "$PWD" >mlops.yaml && expect_code 1 mlopsctl doctor --online >out &&
    grep -q "^remote good  *ok" out && grep -q "^remote gone  *fail" out && ! mlopsctl doctor | grep -q "^remote " && rm mlops.yaml
'
test_expect 'a pod, Kubernetes and CI are detected' '
    RUNPOD_POD_ID=abc KUBERNETES_SERVICE_HOST=10.0.0.1 GITHUB_ACTIONS=true mlopsctl doctor >out &&
    grep -q "^RunPod  *note  *pod abc" out && grep -q "^Kubernetes  *note" out && grep -q "^CI  *note  *GitHub Actions" out
'
if have faketime; then
    test_expect 'a clock of the last century is a failure' '
        expect_code 1 faketime "1999-01-01 00:00:00" "${PLAIN:-$MLOPSCTL}" doctor >out && grep -q "^clock  *fail" out
    '
fi
test_done
