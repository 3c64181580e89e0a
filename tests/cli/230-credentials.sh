#!/bin/sh
# Keys out of every place, against services that check them; and that no secret is left anywhere.
. "${0%/*}/lib.sh"
. "$R/tests/tools/s3.sh"
s3_start
b=$(s3_new_bucket)
unset AWS_ACCESS_KEY_ID AWS_SECRET_ACCESS_KEY
ours=$XDG_CONFIG_HOME/mlopsctl/credentials
run_id() { mlopsctl log --json -n 1 | jq -r '.runs[0].run'; }
mkdir -p "${ours%/*}"
put_ours()
{
    cat >"$ours" && chmod 600 "$ours"
}

tiny_model m.safetensors
mlopsctl pack m.safetensors -t m:1 >"$T/log" 2>&1 || skip_all "pack does not work: $(cat "$T/log")"

test_expect 'without a key it is said where one is looked for, before anything is asked' '
    expect_code 3 mlopsctl push m:1 "s3://$b/x" 2>err && grep -q "no S3 key was found" err && grep -q "AWS_ACCESS_KEY_ID" err && grep -q "mlopsctl/credentials" err &&
    expect_code 3 mlopsctl remote refs runpod://v 2>err && grep -q "RunPod" err
'
test_expect 'variables' '
    AWS_ACCESS_KEY_ID=$RGW_KEY AWS_SECRET_ACCESS_KEY=$RGW_SECRET mlopsctl push m:1 "s3://$b/env" &&
    expect_code 2 env AWS_ACCESS_KEY_ID="$RGW_KEY" "$MLOPSCTL" remote refs "s3://$b/env" 2>err && grep -q "has AWS_ACCESS_KEY_ID but no AWS_SECRET_ACCESS_KEY" err
'
test_expect 'our file, and a section of it by name' '
    printf "[s3]\naccess_key = %s\nsecret_key = %s\n[s3 bad]\naccess_key = %s\nsecret_key = hunter2\n" "$RGW_KEY" "$RGW_SECRET" "$RGW_KEY" | put_ours &&
    mlopsctl push m:1 "s3://$b/ours" && mlopsctl remote check --read-only "s3://$b/ours" --json | json ".credentials | endswith(\"mlopsctl/credentials [s3]\")" &&
    expect_code 5 env MLOPSCTL_S3_PROFILE=bad "$MLOPSCTL" remote refs "s3://$b/ours" 2>err && ! grep -q hunter2 err && expect_code 5 mlopsctl remote refs "s3://$b/ours?profile=bad"
'
test_expect 'our file is refused when others can read it, with the chmod to run' '
    chmod 640 "$ours" && expect_code 2 mlopsctl remote refs "s3://$b/ours" 2>err && grep -q "^hint: run: chmod 600 .$ours." err && ! grep -q "$RGW_SECRET" err &&
    eval "$(sed -n "s/^hint: run: //p" err)" && mlopsctl remote refs "s3://$b/ours" | grep -q "^m "
'
test_expect 'the files of AWS, with a profile and its region' '
    rm "$ours" && mkdir -p "$HOME/.aws" && printf "[lab]\naws_access_key_id = %s\naws_secret_access_key=%s\n" "$RGW_KEY" "$RGW_SECRET" >"$HOME/.aws/credentials" &&
    printf "[profile lab]\nregion = us-east-1\ns3 =\n  addressing_style = path\n" >"$HOME/.aws/config" && expect_code 3 mlopsctl remote refs "s3://$b/ours" &&
    AWS_PROFILE=lab mlopsctl remote refs "s3://$b/ours" && mlopsctl remote add lab "s3://$b/ours" --profile lab --endpoint "$RGW_URL" &&
    env -u AWS_ENDPOINT_URL "$MLOPSCTL" remote refs lab | grep -q "^m "
'
test_expect 'a wrong key, one that may only read, and an unknown bucket are told apart' '
    expect_code 5 env AWS_ACCESS_KEY_ID=nobody AWS_SECRET_ACCESS_KEY=x "$MLOPSCTL" push m:1 "s3://$b/x" 2>err && grep -q "^hint:" err &&
    expect_code 5 env AWS_ACCESS_KEY_ID="$RGW_RO_KEY" AWS_SECRET_ACCESS_KEY="$RGW_RO_SECRET" "$MLOPSCTL" push m:1 "s3://$b/x" &&
    AWS_ACCESS_KEY_ID=$RGW_RO_KEY AWS_SECRET_ACCESS_KEY=$RGW_RO_SECRET mlopsctl pull m:1 "s3://$b/ours" --home "$T/ro" &&
    AWS_PROFILE=lab must_fail "$MLOPSCTL" push m:1 "s3://$b-no/x"
'
test_expect 'check tells who we are there, the clock, the speed, and that a key may only read' '
    AWS_PROFILE=lab mlopsctl remote check "s3://$b/ours" --json >j && json ".writable and .upload_bytes_per_second > 0 and (.credentials | endswith(\"/.aws/credentials [lab]\"))" <j && json "has(\"clock_ahead_seconds\")" <j &&
    AWS_ACCESS_KEY_ID=$RGW_RO_KEY AWS_SECRET_ACCESS_KEY=$RGW_RO_SECRET mlopsctl remote check "s3://$b/ours" --json >j && json ".writable == false and (.write_error | test(\"denies access\"))" <j &&
    [ -z "$(s3 ls "$b/ours/probe")" ]
'

# ---- RunPod ----

. "$R/tests/tools/runpod.sh"
runpod_start
unset RUNPOD_API_KEY
test_expect 'the key of RunPod from a file, standard input, our file and the one of runpodctl' '
    expect_code 3 mlopsctl runpod gpu 2>err && grep -q -e "--token-file" err && echo rpa_double_full >key && mlopsctl runpod gpu --token-file key >want && [ -s want ] &&
    mlopsctl runpod gpu --token-file - <key | cmp - want && printf "[runpod]\napi_key = rpa_double_full\n" | put_ours && mlopsctl runpod gpu | cmp - want && rm "$ours" &&
    mkdir -p "$HOME/.runpod" && echo "apikey = \"rpa_double_full\"" >"$HOME/.runpod/config.toml" && mlopsctl runpod gpu | cmp - want && mlopsctl doctor --online | grep -q "^RunPod online  *ok" &&
    rm -r "$HOME/.runpod" && expect_code 5 env RUNPOD_API_KEY=rpa_wrong "$MLOPSCTL" runpod gpu 2>err && ! grep -q rpa_wrong err
'
test_expect 'one key for all of RunPod is not enough: volumes have a pair of their own' '
    export RUNPOD_API_KEY=rpa_double_full && id=$(mlopsctl runpod volume create vol --size 10 --dc EU-RO-1 --json --yes | jq -r ".volume.id // .id // .volumes[0].id") &&
    expect_code 3 mlopsctl remote refs "runpod://$id" 2>err && grep -q "no S3 key of RunPod" err &&
    expect_code 2 env RUNPOD_S3_ACCESS_KEY=user_a RUNPOD_S3_SECRET_KEY=rpa_double_full "$MLOPSCTL" remote refs "runpod://$id" 2>err && grep -q "rps_" err && ! grep -q rpa_double err
'
unset RUNPOD_API_KEY

# ---- rollback over the network ----

export AWS_PROFILE=lab
test_expect 'a push is undone with the settings of its time, not those of today' '
    mlopsctl push m:1 lab --as m:gone && id=$(run_id) && mlopsctl remote rm lab && unset AWS_PROFILE && export AWS_ENDPOINT_URL=http://127.0.0.1:1 &&
    mlopsctl rollback "$id" --dry-run | grep -q "s3://$b/ours.*endpoint=.*profile=lab#m:gone" && mlopsctl rollback "$id" &&
    ! mlopsctl remote refs "s3://$b/ours?endpoint=$RGW_URL&profile=lab" | grep -q " gone "
'
test_expect 'what cannot be undone is said before anything is touched' '
    mlopsctl push m:1 "s3://$b/ours" --as m:stays && id=$(run_id) && mlopsctl log --json >before && mv "$HOME/.aws/credentials" hidden &&
    expect_code 3 mlopsctl rollback "$id" 2>err && grep -q "no S3 key" err && expect_code 3 mlopsctl rollback "$id" --dry-run && mlopsctl log --json | cmp - before &&
    mv hidden "$HOME/.aws/credentials" && mlopsctl remote refs "s3://$b/ours" | grep -q " stays " && mlopsctl rollback "$id" && ! mlopsctl remote refs "s3://$b/ours" | grep -q " stays "
'

# ---- nothing is left anywhere ----

test_expect 'no secret is in the ledger, the state, settings, output or the list of processes' '
    secret=$RGW_SECRET && mkdir leak && AWS_ACCESS_KEY_ID=$RGW_KEY AWS_SECRET_ACCESS_KEY=$secret RUNPOD_API_KEY=rpa_plantedplantedplantedplanted0123 &&
    export AWS_ACCESS_KEY_ID AWS_SECRET_ACCESS_KEY RUNPOD_API_KEY && unset AWS_PROFILE &&
    head -c 30000000 /dev/urandom >big.safetensors.bin && mkdir bigm && mv big.safetensors.bin bigm/blob.bin && mlopsctl pack bigm -t big:1 >leak/pack 2>&1 &&
    { mlopsctl -vv push big:1 "s3://$b/leak" --progress json >leak/push 2>&1 & pid=$!
      while kill -0 $pid 2>/dev/null; do cat /proc/$pid/cmdline; done >leak/cmdline 2>/dev/null; wait $pid; } && [ -s leak/cmdline ] &&
    mlopsctl -vv pull big:1 "s3://$b/leak" --json --home "$T/leak-home" >leak/pull 2>&1 && mlopsctl remote check --json "s3://$b/leak" >leak/check 2>&1 && mlopsctl doctor >leak/doctor 2>&1
    mlopsctl config --show-origin >leak/config && mlopsctl log --json >leak/log && mlopsctl ledger export >leak/ledger 2>&1; mlopsctl show-run "$(run_id)" --json >leak/run
    AWS_SECRET_ACCESS_KEY=${secret}x mlopsctl push big:1 "s3://$b/leak" >leak/wrong 2>&1; [ $? -eq 5 ] || exit 1
    mlopsctl push big:1 "s3://x:$secret@$b/leak" >leak/url 2>&1; mlopsctl remote add bad "s3://x:$secret@$b/leak" >leak/url2 2>&1
    grep -q "$secret" /proc/$$/environ || echo "(the test of this test: it is in the environment of children only)"
    printf %s "$secret" >"$T/planted" && grep -rlaFf "$T/planted" leak .mlops "$T/leak-home" mlops.yaml && exit 1
    grep -rlaF rpa_plantedplanted leak .mlops "$T/leak-home" mlops.yaml && exit 1
    cp "$T/planted" leak/planted && grep -rqaFf "$T/planted" leak
'
test_done
