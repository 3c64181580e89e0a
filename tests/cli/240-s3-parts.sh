#!/bin/sh
# Objects in parts before a server that goes wrong: what was interrupted goes on, what was lost begins again, and an
# end that nobody heard of is found out.
. "${0%/*}/lib.sh"
. "$R/tests/tools/s3.sh"
s3_start
faulty_start --stall 6
b=$(s3_new_bucket) || { echo 'Bail out! no bucket'; exit 1; }
X="$(dirname "$MLOPSCTL")/tools/s3-transport"
[ -x "$X" ] || skip_all 'the tool s3-transport is not built'
head -c 24000000 /dev/urandom >big
export RGW_URL
proxy=$AWS_ENDPOINT_URL
x() { "$X" --home "$T/work/.mlops" "$@"; }
same() { s3 get "$b/p/$1" | cmp - big; }
test_expect 'too large for one request: smaller ones, down to what is taken' '
    faulty_rules "[{\"larger\":7000000}]" && x "$proxy" "$b/p" put a big && same a && [ -z "$(s3 uploads "$b")" ] && ! ls .mlops/cache/uploads/* 2>err &&
    faulty_rules "[{\"larger\":3000000}]" && expect_code 5 x "$proxy" "$b/p" put b big 2>err && grep -q 413 err && [ -z "$(s3 uploads "$b")" ]
'
# One that was begun, and broke off when two parts of four were there.
begun='{"larger":7000000},{"method":"PUT","path":"partNumber=[34]","times":-1,"status":400,"body":"<Error><Code>Injected</Code></Error>"}'
test_expect 'what was interrupted goes on with the parts that are there' '
    faulty_rules "[$begun]" && expect_code 5 x "$proxy" "$b/p" put c big && [ -n "$(s3 uploads "$b")" ] && faulty_rules "[{\"larger\":7000000}]" &&
    before=$(faulty_asked "PUT .*/p/c.*partNumber") && x "$proxy" "$b/p" put c big && same c && sent=$(($(faulty_asked "PUT .*/p/c.*partNumber") - before)) &&
    [ "$sent" -le 2 ] && [ -z "$(s3 uploads "$b")" ]
'
test_expect 'other bytes under the same key begin anew, and the old parts go' '
    faulty_rules "[$begun]" && expect_code 5 x "$proxy" "$b/p" put d big && faulty_rules "[]" && head -c 150000000 /dev/zero >zeros &&
    x "$proxy" "$b/p" put d zeros && s3 get "$b/p/d" | cmp - zeros && [ -z "$(s3 uploads "$b")" ]
'
rm -f zeros
test_expect 'an upload that the service has forgotten is begun again' '
    faulty_rules "[{\"larger\":7000000},{\"method\":\"PUT\",\"path\":\"partNumber=2\",\"status\":404,\"body\":\"<Error><Code>NoSuchUpload</Code></Error>\"}]" &&
    x "$proxy" "$b/p" put e big && same e
'
test_expect 'an end that a proxy cut while the merge goes on is waited for' '
    faulty_rules "[{\"larger\":7000000},{\"method\":\"POST\",\"path\":\"uploadId\",\"status\":524,\"later\":2}]" && x "$proxy" "$b/p" put f big && same f &&
    [ "$(faulty_asked "POST .*/p/f.uploadId")" -eq 1 ] && ! ls .mlops/cache/uploads/* 2>err
'
test_expect 'an end that was cut, then NoSuchUpload: it is done' '
    faulty_rules "[{\"larger\":7000000},{\"method\":\"POST\",\"path\":\"uploadId\",\"status\":502,\"after\":true},{\"method\":\"HEAD\",\"path\":\"/p/g\",\"skip\":3,\"times\":9,\"status\":503}]" &&
    x "$proxy" "$b/p" put g big && same g
'
test_expect 'an end that never got there is asked for again' '
    faulty_rules "[{\"larger\":7000000},{\"method\":\"POST\",\"path\":\"uploadId\",\"status\":502,\"times\":1}]" && x "$proxy" "$b/p" put h big && same h
'
test_expect 'an end that fails within a 200' '
    faulty_rules "[{\"larger\":7000000},{\"method\":\"POST\",\"path\":\"uploadId\",\"status\":200,\"body\":\"<Error><Code>InvalidPart</Code></Error>\"}]" && x "$proxy" "$b/p" put i big && same i
'
test_expect 'a new version of an object is not taken for done because the old one has its size' '
    head -c 24000000 /dev/urandom >big2 && x "$proxy" "$b/p" put f big2 && faulty_rules "[{\"larger\":7000000},{\"method\":\"POST\",\"path\":\"uploadId\",\"status\":502}]" &&
    x "$proxy" "$b/p" put f big && same f
'
test_expect 'a volume that fills up is said to, and the parts are taken back' '
    faulty_rules "[{\"larger\":7000000},{\"method\":\"PUT\",\"path\":\"partNumber=3\",\"times\":-1,\"status\":507}]" && expect_code 5 x --runpod "$proxy" "$b/p" put j big 2>err &&
    grep -q "volume .* is full" err && ! s3 uploads "$b" | grep " p/j$" && ! ls .mlops/cache/uploads/* 2>err
'
test_expect 'RunPod: AccessDenied passes, a folder is no object, a region in capitals' '
    faulty_rules "[{\"method\":\"GET\",\"times\":2,\"status\":403,\"body\":\"<Error><Code>AccessDenied</Code></Error>\"}]" && x --runpod "$proxy" "$b/p" get a | cmp - big &&
    faulty_rules "[{\"times\":-1,\"status\":400}]" && expect_code 3 x --runpod "$proxy" "$b/p" stat folder &&
    faulty_rules "[{\"region\":\"us-ks-2\"}]" && x --runpod --region US-KS-2 "$proxy" "$b/p" stat a &&
    faulty_rules "[{\"times\":-1,\"status\":403,\"body\":\"<Error><Message>The key does not match any shared API key</Message></Error>\"}]" &&
    expect_code 5 x --runpod "$proxy" "$b/p" stat a 2>err && grep -q "the REST API key is another" err
'
test_expect 'staged parts and markers of folders are no objects; odd names are spelled byte for byte' '
    faulty_rules "[]" && for k in "l/a b+c" "l/%41#x?" "l/ü/z" "l/.s3compat_uploads/part" "l/empty/"; do echo x | s3 put "$b/p/$k" - || exit 1; done &&
    x "$proxy" "$b/p" ls l | sort >out && printf "%s\n" "2 l/%41#x?" "2 l/a b+c" "2 l/ü/z" | cmp - out && x "$proxy" "$b/p" get "l/%41#x?" | grep -q x
'
test_done
