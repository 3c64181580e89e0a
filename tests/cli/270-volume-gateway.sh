#!/bin/sh
# The quirks of RunPod's S3 gateway that docs/runpod.md lists, before a real S3 server, as a volume sees them.
. "${0%/*}/lib.sh"
. "$R/tests/tools/s3.sh"
. "$R/tests/tools/runpod.sh"

have jq || skip_all 'needs jq'
mkdir model
tiny_model model/model.safetensors
head -c 6000000 /dev/urandom >model/blob.bin
mlopsctl pack model -t team/m:1 >"$T/log" 2>&1 || skip_all "pack does not work: $(cat "$T/log")"
s3_start
faulty_start
runpod_start
RUNPOD_S3_ACCESS_KEY=$RGW_KEY RUNPOD_S3_SECRET_KEY=$RGW_SECRET MLOPSCTL_RUNPOD_S3=$AWS_ENDPOINT_URL
export RUNPOD_S3_ACCESS_KEY RUNPOD_S3_SECRET_KEY MLOPSCTL_RUNPOD_S3
unset AWS_ACCESS_KEY_ID AWS_SECRET_ACCESS_KEY AWS_ENDPOINT_URL AWS_REGION
V=$(s3_new_bucket)
runpod_ctl put volume "{\"id\":\"$V\",\"name\":\"models\",\"size\":10,\"dataCenter\":\"EU-RO-1\"}" >/dev/null
comes_back() { rm -rf "$T/two" out && mlopsctl pull team/m:1 "runpod://models/$1" --home "$T/two" && mlopsctl unpack team/m:1 -o out --home "$T/two" && diff -r model out; }
DENIED='<Error><Code>AccessDenied</Code><Message>no</Message></Error>'

test_expect 'a full volume is said as what it is, and nothing points to what is not there; room helps' '
    faulty_rules "[{\"method\":\"PUT\",\"status\":507,\"times\":-1}]" && expect_code 5 mlopsctl push team/m:1 runpod://models/full 2>err &&
    grep -q "is full" err && grep "^hint" err | grep -q "runpod volume du" && faulty_rules "[]" && ! s3 ls "$V/full/refs" | grep . &&
    mlopsctl push team/m:1 runpod://models/full && comes_back full
'
test_expect 'bodies that the edge finds too large go in smaller ones' '
    faulty_rules "[{\"larger\":2000000}]" && mlopsctl push team/m:1 runpod://models/small && faulty_rules "[]" && comes_back small
'
head -c 24000000 /dev/urandom >large.bin
test_expect 'a large file whose upload was cut off goes on with the parts that are there' '
    mlopsctl pack large.bin -t team/large:1 && large="{\"larger\":7000000}" &&
    faulty_rules "[$large,{\"method\":\"PUT\",\"path\":\"partNumber=[34]\",\"times\":-1,\"status\":400,\"body\":\"<Error><Code>Injected</Code></Error>\"}]" &&
    expect_code 5 mlopsctl push team/large:1 runpod://models/parts --layout files && [ -n "$(s3 uploads "$V")" ] && ls .mlops/cache/uploads/* &&
    faulty_rules "[$large]" && before=$(faulty_asked "PUT .*partNumber") && mlopsctl push team/large:1 runpod://models/parts --layout files &&
    [ $(($(faulty_asked "PUT .*partNumber") - before)) -le 2 ] && s3 get "$V/parts/files/team/large/1/large.bin" | cmp - large.bin &&
    [ -z "$(s3 uploads "$V")" ] && ! ls .mlops/cache/uploads/*
'
test_expect 'the region in small letters only' '
    faulty_rules "[{\"region\":\"eu-ro-1\"}]" && mlopsctl push team/m:1 runpod://models/region && comes_back region && faulty_rules "[]"
'
test_expect 'HEAD refused where GET works' '
    faulty_rules "[{\"method\":\"HEAD\",\"status\":403,\"times\":-1}]" && mlopsctl push team/m:1 runpod://models/head && comes_back head && faulty_rules "[]"
'
test_expect 'access denied for a moment' '
    faulty_rules "[{\"method\":\"GET\",\"status\":403,\"body\":\"$DENIED\",\"times\":2}]" && mlopsctl push team/m:1 runpod://models/moment 2>err && ! grep -q "3 minutes" err && faulty_rules "[]"
'
test_expect 'access denied for longer: a new volume, which is waited for' '
    faulty_rules "[{\"method\":\"GET\",\"status\":403,\"body\":\"$DENIED\",\"times\":5}]" && mlopsctl push team/m:1 runpod://models/longer 2>err && grep -q "takes up to 3 minutes: waiting" err && faulty_rules "[]"
'
test_expect 'an upload that is reported as done and is not there' '
    faulty_rules "[{\"method\":\"PUT\",\"path\":\"/packs/\",\"lost\":true}]" && { mlopsctl push team/m:1 runpod://models/lost 2>err || grep -q "not there" err; } &&
    mlopsctl push team/m:1 runpod://models/lost && comes_back lost
'
test_expect '502 as a page, and an answer that ends in the middle' '
    faulty_rules "[{\"method\":\"PUT\",\"status\":502,\"body\":\"<html>\",\"times\":2},{\"method\":\"GET\",\"path\":\"/packs/\",\"cut\":100000,\"times\":2}]" &&
    mlopsctl push team/m:1 runpod://models/page && comes_back page && faulty_rules "[]"
'
test_expect 'listings that are cut in the middle or lead to themselves' '
    faulty_rules "[{\"path\":\"list-type\",\"truncate\":true},{\"path\":\"list-type\",\"same_token\":true}]" && mlopsctl remote refs runpod://models/page | grep -q "^team/m " && faulty_rules "[]"
'
test_expect 'every request has a User-Agent of ours' '
    faulty_rules "[]" && mlopsctl push team/m:1 runpod://models/agent && jq -se "all(.[]; .agent | startswith(\"mlopsctl/\") or . == \"test/1\")" "$T/runpod/requests.jsonl"
'
test_done
