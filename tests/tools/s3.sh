# Sourced after lib.sh by tests that need a real S3 server:
#
#     . "$R/tests/tools/s3.sh"
#     s3_start                          starts radosgw, or finds the one that all tests of a run share; skips the whole
#                                       file when it is not installed
#     s3_bucket=$(s3_new_bucket)        a bucket of this test alone
#     s3 ls "$s3_bucket"                a plain client: tests/tools/s3.py says what it does
#     mlopsctl push m:1 "s3://$s3_bucket/here"
#
# s3_start points the settings and variables of the current shell at the server. The server ends with tests/run when
# that started the test, else with the test itself.
# shellcheck shell=sh
s3() { python3 "$R/tests/tools/s3.py" "$@"; }

s3_start()
{
    for tool in python3 radosgw ceph-mon ceph-osd ceph-mgr radosgw-admin; do
        have "$tool" || skip_all "needs $tool"
    done
    s3_dir=${MLO_TEST_SHARED:+$MLO_TEST_SHARED/radosgw}
    [ -n "$s3_dir" ] || trap '"$R/tests/tools/radosgw" stop "$T/radosgw"; rm -rf "$T"' EXIT
    "$R/tests/tools/radosgw" start "${s3_dir:=$T/radosgw}" "${MLO_TEST_OWNER:-$$}" >"$T/radosgw.env" || {
        echo 'Bail out! radosgw does not start'
        exit 1
    }
    # shellcheck source=/dev/null
    . "$T/radosgw.env"
    AWS_ACCESS_KEY_ID=$RGW_KEY AWS_SECRET_ACCESS_KEY=$RGW_SECRET AWS_ENDPOINT_URL=$RGW_URL AWS_REGION=us-east-1
    export AWS_ACCESS_KEY_ID AWS_SECRET_ACCESS_KEY AWS_ENDPOINT_URL AWS_REGION
    unset AWS_SESSION_TOKEN AWS_PROFILE AWS_ENDPOINT_URL_S3 AWS_DEFAULT_REGION
    unset http_proxy https_proxy all_proxy HTTP_PROXY HTTPS_PROXY ALL_PROXY no_proxy NO_PROXY
}

s3_new_bucket()
{
    s3_name=b-$(od -An -N6 -tx1 /dev/urandom | tr -d ' \n')
    s3 bucket "$s3_name" >&2 && echo "$s3_name"
}

# ---- the same server behind a proxy that goes wrong (tests/tools/faulty-s3.py says how) ----

# faulty_start [OPTIONS]: starts it and points the settings at it.
faulty_start()
{
    python3 "$R/tests/tools/faulty-s3.py" serve "$T/faulty" "$RGW_URL" "$@" >/dev/null 2>"$T/faulty.err" &
    faulty_tries=0
    until [ -e "$T/faulty/url" ]; do
        faulty_tries=$((faulty_tries + 1))
        [ "$faulty_tries" -lt 200 ] || {
            echo "Bail out! the faulty proxy does not start: $(cat "$T/faulty.err")"
            exit 1
        }
        sleep 0.05
    done
    AWS_ENDPOINT_URL=$(cat "$T/faulty/url")
    export AWS_ENDPOINT_URL
}
faulty_rules() { python3 "$R/tests/tools/faulty-s3.py" rules "$T/faulty" "$1"; }
faulty_asked() { python3 "$R/tests/tools/faulty-s3.py" asked "$T/faulty" "$1"; }
