#!/bin/sh
# Everything that S3 services and the gateways before them were seen to do wrong, one by one, before a real server:
# what passes is got over, what does not is said, and nothing wrong is ever taken for right.
. "${0%/*}/lib.sh"
. "$R/tests/tools/s3.sh"
s3_start
faulty_start --stall 6
b=$(s3_new_bucket) || { echo 'Bail out! no bucket'; exit 1; }
export MLOPSCTL_NET_STALL=2s MLOPSCTL_NET_PATIENCE=3s

mkdir model
tiny_model model/model.safetensors
head -c 2000000 /dev/urandom >model/blob.bin
mlopsctl pack model -t m:1 >"$T/log" 2>&1 || skip_all "pack does not work: $(cat "$T/log")"

# A test that begins without faults.
s3_test() { faulty_rules '[]' && test_expect "$@"; }
# a_round RULES: a push to a new place under the rules, then a pull from there, also under them; all is right after it.
a_round()
{
    n=$(od -An -N4 -tx1 /dev/urandom | tr -d ' ')
    faulty_rules "$1" && mlopsctl push m:1 "s3://$b/$n" && faulty_rules "$1" && mlopsctl pull m:1 "s3://$b/$n" --home "$T/h$n" &&
        faulty_rules '[]' && mlopsctl verify --all --home "$T/h$n" && mlopsctl unpack m:1 -o "out$n" --home "$T/h$n" && diff -r model "out$n"
}

s3_test 'without faults' 'mlopsctl push m:1 "s3://$b/many"'
s3_test 'bad gateways, twice for every kind of request' '
    a_round "[{\"method\":\"GET\",\"times\":2,\"status\":502,\"body\":\"<html><title>502</title></html>\"},{\"method\":\"PUT\",\"times\":2,\"status\":504},
        {\"method\":\"HEAD\",\"times\":2,\"status\":520},{\"method\":\"PUT\",\"path\":\"refs\",\"times\":1,\"status\":500,\"after\":true}]"
'
s3_test 'cut answers, resets before and in the middle' '
    a_round "[{\"method\":\"GET\",\"path\":\"packs\",\"cut\":70000,\"times\":3},{\"method\":\"GET\",\"path\":\"recipes\",\"cut\":10},
        {\"method\":\"PUT\",\"path\":\"packs\",\"reset_body\":300000,\"times\":2},{\"method\":\"PUT\",\"path\":\"manifests\",\"reset\":true},{\"method\":\"HEAD\",\"reset\":true}]"
'
s3_test 'a transfer that stands still, and an answer that does not come' '
    a_round "[{\"method\":\"GET\",\"path\":\"packs\",\"stall_body\":100000},{\"method\":\"PUT\",\"path\":\"packs\",\"stall\":6}]"
'
s3_test 'SlowDown, and a conflict that passes' '
    a_round "[{\"method\":\"PUT\",\"times\":2,\"status\":503,\"body\":\"<Error><Code>SlowDown</Code></Error>\"},
        {\"method\":\"PUT\",\"path\":\"refs\",\"status\":409,\"body\":\"<Error><Code>OperationAborted</Code></Error>\"},
        {\"method\":\"GET\",\"path\":\"packs\",\"status\":400,\"body\":\"<Error><Code>RequestTimeout</Code></Error>\"}]"
'
s3_test 'HEAD refused where GET is not, and HEAD that knows nothing yet' '
    a_round "[{\"method\":\"HEAD\",\"times\":-1,\"status\":403}]" &&
    a_round "[{\"method\":\"HEAD\",\"path\":\"packs\",\"times\":2,\"skip\":1,\"status\":404}]"
'
s3_test 'an object that was taken and lost is noticed, and nothing leads to it' '
    faulty_rules "[{\"method\":\"PUT\",\"path\":\"packs\",\"lost\":true}]" && expect_code 5 mlopsctl push m:1 "s3://$b/lost" 2>err &&
    grep -q "not there whole" err && ! s3 size "$b/lost/refs/m/1" && mlopsctl push m:1 "s3://$b/lost" && mlopsctl pull m:1 "s3://$b/lost" --home "$T/lost"
'
s3_test 'another region than the one signed for is corrected once, and said when it cannot be' '
    a_round "[{\"region\":\"eu-de-1\"}]" && faulty_rules "[{\"times\":-1,\"status\":400,\"body\":\"<Error><Code>AuthorizationHeaderMalformed</Code></Error>\"}]" &&
    expect_code 5 mlopsctl pull m:1 "s3://$b/many" --home "$T/region" 2>err && grep -q "s3.region" err
'
s3_test 'an answer without namespaces, listings in many pages' '
    for i in 1 2 3 4 5 6 7; do mlopsctl push m:1 "s3://$b/many" --as "m:t$i" -q || exit 1; done &&
    faulty_rules "[{\"no_namespace\":true},{\"max_keys\":2}]" && mlopsctl remote refs "s3://$b/many" >refs && [ "$(grep -c "^m " refs)" -eq 8 ] &&
    [ "$(faulty_asked "GET .*continuation-token")" -ge 3 ]
'
s3_test 'a page that leads to itself is asked for again; for ever is too long' '
    faulty_rules "[{\"max_keys\":2},{\"path\":\"continuation-token\",\"same_token\":true,\"times\":2}]" && mlopsctl remote refs "s3://$b/many" >refs2 && cmp refs refs2 &&
    faulty_rules "[{\"max_keys\":2},{\"path\":\"continuation-token\",\"same_token\":true,\"times\":-1}]" &&
    expect_code 5 mlopsctl remote refs "s3://$b/many" 2>err && grep -q "leads to itself" err
'
s3_test 'half a document with 200 is no document' '
    faulty_rules "[{\"path\":\"list-type\",\"truncate\":true,\"times\":2}]" && mlopsctl remote refs "s3://$b/many" >refs3 && cmp refs refs3
'
s3_test 'a redirect to another host is not followed' '
    faulty_rules "[{\"times\":-1,\"status\":307,\"headers\":{\"Location\":\"http://127.0.0.1:9/stolen\"}}]" &&
    expect_code 5 mlopsctl pull m:1 "s3://$b/many" --home "$T/moved" 2>err && grep -q "credentials do not follow" err && grep -q "127.0.0.1:9" err
'
s3_test 'more bytes than announced are refused' '
    faulty_rules "[{\"method\":\"GET\",\"path\":\"packs\",\"extra\":100,\"times\":-1}]" &&
    must_fail mlopsctl pull m:1 "s3://$b/many" --home "$T/extra" 2>err && ! mlopsctl ls --home "$T/extra" | grep "^m:"
'
s3_test 'a byte flipped on the way is fetched again; for ever is damage' '
    a_round "[{\"method\":\"GET\",\"path\":\"packs\",\"flip\":12345}]" &&
    faulty_rules "[{\"method\":\"GET\",\"path\":\"packs\",\"flip\":12345,\"times\":-1}]" && expect_code 4 mlopsctl pull m:1 "s3://$b/many" --home "$T/flip" 2>err &&
    grep -q damaged err && ! mlopsctl ls --home "$T/flip" | grep "^m:"
'
s3_test 'bodies refused for their size: smaller packs, and never in parts; plain files go in parts' '
    head -c 12000000 /dev/urandom >large.bin && mlopsctl pack large.bin -t large:1 && faulty_rules "[{\"larger\":2500000}]" && before=$(faulty_asked "POST .*upload") &&
    mlopsctl push large:1 "s3://$b/small" && [ "$(faulty_asked "POST .*upload")" -eq "$before" ] && s3 ls "$b/small/packs" >packs && cat packs &&
    [ "$(wc -l <packs)" -ge 4 ] && ! awk "\$1 > 2500000" packs | grep . && mlopsctl pull large:1 "s3://$b/small" --home "$T/small" && mlopsctl verify --all --home "$T/small" &&
    faulty_rules "[{\"larger\":7000000}]" && mlopsctl push large:1 "s3://$b/plain" --layout files && [ "$(faulty_asked "POST .*plain.*upload")" -ge 1 ] &&
    s3 get "$b/plain/files/large/1/large.bin" | cmp - large.bin && faulty_rules "[{\"larger\":500000}]" && expect_code 5 mlopsctl push large:1 "s3://$b/none" 2>err && grep -q 413 err
'
# beaten ROUND OTHER: m:1 is pushed to a tag, but before its ref arrives somebody else has pushed OTHER there.
beaten()
{
    faulty_rules "[{\"method\":\"PUT\",\"path\":\"/refs/m/1\",\"hold\":\"$T/go$1\"}]" && before=$(faulty_asked "PUT .*/tag/refs/m/1") || return
    mlopsctl push m:1 "s3://$b/tag" 2>err &
    pid=$! i=0
    until [ "$(faulty_asked "PUT .*/tag/refs/m/1")" -gt "$before" ]; do i=$((i + 1)) && [ $i -lt 600 ] && sleep 0.05 || return; done
    mlopsctl push "$2" "s3://$b/tag" --as m:1 --home "$T/other"
    second=$?
    : >"$T/go$1"
    wait "$pid"
    first=$?
    cat err && echo "$first $second" && [ "$first" -eq 6 ] && [ "$second" -eq 0 ] && grep -q "has moved meanwhile" err && mlopsctl remote refs "s3://$b/tag" --json |
        json ".refs[] | select(.tag == \"1\") | .digest == \"$(mlopsctl show "$2" --home "$T/other" --json | jq -r .digest)\""
}
tiny_model other.safetensors
s3_test 'a tag that somebody else wrote in the last moment is not written over, a new one and one that was there' '
    mlopsctl pack other.safetensors -t o:1 --home "$T/other" && cp -r model model3 && echo 3 >model3/more && mlopsctl pack model3 -t o:2 --home "$T/other" && beaten 1 o:1 && beaten 2 o:2 &&
    faulty_rules "[]" && before=$(faulty_asked "PUT .*/tag/refs/m/1") && mlopsctl push m:1 "s3://$b/tag" && mlopsctl remote check "s3://$b/tag" &&
    [ $(($(faulty_asked "PUT .*/tag/refs/m/1") - before)) -le 2 ] # the second way of saying If-Match is understood here
'
s3_test 'a service that does not know conditions, and one whose answer to the tag is lost' '
    for i in 1 2; do a_round "[{\"method\":\"PUT\",\"path\":\"/refs/\",\"status\":501,\"body\":\"<Error><Code>NotImplemented</Code></Error>\"}]" || exit 1; done &&
    for status in 500 412; do a_round "[{\"method\":\"PUT\",\"path\":\"/refs/\",\"status\":$status,\"after\":true}]" || exit 1; done
'
s3_test 'an unwelcome User-Agent, a page of a proxy, a full volume, a token that has expired: said as what they are' '
    faulty_rules "[{\"times\":-1,\"status\":403,\"body\":\"error code: 1010\"}]" && expect_code 5 mlopsctl pull m:1 "s3://$b/many" --home "$T/x" 2>err && grep -q User-Agent err &&
    faulty_rules "[{\"times\":-1,\"status\":404,\"body\":\"<Error><Code>NoSuchBucket</Code></Error>\"}]" && expect_code 5 mlopsctl pull m:1 "s3://$b/many" --home "$T/x" 2>err && grep -q "no bucket" err &&
    faulty_rules "[{\"method\":\"PUT\",\"times\":-1,\"status\":507,\"body\":\"no space left\"}]" && expect_code 5 mlopsctl push m:1 "s3://$b/full" 2>err && grep -q "no more room" err &&
    faulty_rules "[{\"times\":-1,\"status\":403,\"body\":\"<Error><Code>ExpiredToken</Code></Error>\"}]" && expect_code 5 mlopsctl pull m:1 "s3://$b/many" --home "$T/x" 2>err && grep -q "has expired" err &&
    faulty_rules "[{\"times\":-1,\"status\":403,\"body\":\"<html><title>Blocked by policy</title></html>\"}]" && expect_code 5 mlopsctl pull m:1 "s3://$b/many" --home "$T/x" 2>err && grep -q "denies access" err
'

test_done
