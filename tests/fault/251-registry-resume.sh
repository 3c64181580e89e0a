#!/bin/sh
# Killed in the middle of a transfer: the next run goes on where the last one stopped.
. "${0%/*}/../cli/lib.sh"
. "$R/tests/tools/registry.sh"

have python3 || skip_all 'python3 is not installed'
mkdir model && tiny_model model/model.safetensors && head -c 24000000 /dev/urandom >model/blob.bin
mlopsctl pack model -t m:1 >"$T/log" 2>&1 || skip_all "pack does not work: $(cat "$T/log")"
DIGEST=$(mlopsctl show m:1 --json | jq -r .digest)
# Until what arrived before the stall has been written: nothing grows any more. What a pull has begun is known to be half of
# the 24 MB: $fills names its folder.
# The file has its whole length from the start: its bytes tell how far it is.
half_is_there()
{
    for part in $(find "$fills" -path "*partial*" -type f 2>/dev/null); do
        [ "$(dd if="$part" bs=1000 skip=11500 count=1 2>/dev/null | tr -d '\0' | wc -c)" -gt 0 ] && return 0
    done
    return 1
}
settled()
{
    was= i=0
    while [ -n "$fills" ] && ! half_is_there && [ $i -lt 300 ]; do i=$((i + 1)) && sleep 0.1; done
    while now=$(du -sk "$T" | cut -f1) && [ "$now" != "$was" ]; do was=$now && sleep 0.8; done
}
# killed COMMAND...: started, and killed when the double has stalled.
fills=
killed()
{
    "$MLOPSCTL" "$@" >/dev/null 2>&1 &
    victim=$!
    i=0
    while ! grep -q STALL "$double_log" && [ $i -lt 400 ]; do i=$((i + 1)) && sleep 0.05; done
    settled
    kill -9 $victim
    wait $victim 2>/dev/null
    grep -q STALL "$double_log" && cp "$double_log" "$double_log.before" && : >"$double_log" && : >"$double_log.go"
}
# moved WORD: bytes in the log's lines of this kind.
moved() { awk -v w="$1" '$1 == w { n += $2 } END { print n + 0 }' "$double_log"; }

test_expect 'a push in chunks goes on with the session of the killed one' '
    double_start max-body=3500000 stall=6 && killed push m:1 oci://$registry/team --parallel 1 && mlopsctl push m:1 oci://$registry/team && sent=$(moved DATA) && echo "sent $sent" && [ "$sent" -lt 19000000 ] && [ "$sent" -gt 5000000 ] && double_is_content &&
    mlopsctl pull m:1 oci://$registry/team --home "$T/two" && [ "$(mlopsctl show m:1 --json --home "$T/two" | jq -r .digest)" = "$DIGEST" ] && mlopsctl verify --all --home "$T/two" && ! find .mlops/cache/registry-uploads -type f | grep .
'
test_expect 'a session that the registry forgot meanwhile begins anew' '
    double_start max-body=3500000 stall=6 && killed push m:1 oci://$registry/team --parallel 1 && python3 -c "import sys, urllib.request as u; u.urlopen(sys.argv[1])" "http://$registry/forget-sessions" && mlopsctl push m:1 oci://$registry/team && double_is_content && mlopsctl pull m:1 oci://$registry/team --home "$T/three"
'
test_expect 'no tag before all is there: what the killed push left is not to be seen' '
    double_start stall=1 && killed push m:1 oci://$registry/team && expect_code 3 mlopsctl pull m:1 oci://$registry/team --home "$T/four" && mlopsctl push m:1 oci://$registry/team && mlopsctl pull m:1 oci://$registry/team --home "$T/four"
'
test_expect 'a pull goes on where the killed one stopped' '
    double_start stall-read=1 && { mlopsctl push m:1 oci://$registry/team || exit 1; } && fills=$T/five && killed pull m:1 oci://$registry/team --home "$T/five" && mlopsctl pull m:1 oci://$registry/team --home "$T/five" --json >j && got=$(moved BLOB) && echo "got $got" && [ "$got" -lt 14000000 ] &&
    mlopsctl verify --all --home "$T/five" && json ".reused > 9000000" <j
'
test_expect 'what a killed pull left and something spoilt is fetched again' '
    double_start stall-read=1 && { mlopsctl push m:1 oci://$registry/team || exit 1; } && fills=$T/six && killed pull m:1 oci://$registry/team --home "$T/six" && left=$(find "$T/six" -path "*partial*" -type f) && printf X | dd of="$left" bs=1 seek=100 conv=notrunc 2>/dev/null &&
    mlopsctl pull m:1 oci://$registry/team --home "$T/six" && mlopsctl verify --all --home "$T/six"
'
test_expect 'interrupted: clean, and it goes on' '
    double_start max-body=3500000 stall=6 && { "$MLOPSCTL" push m:1 oci://$registry/team --parallel 1 >/dev/null 2>err & } && victim=$! && i=0 && while ! grep -q STALL "$double_log" && [ $i -lt 400 ]; do i=$((i + 1)) && sleep 0.05; done &&
    kill -TERM $victim; wait $victim; [ $? -ne 0 ] && : >"$double_log" && : >"$double_log.go" && mlopsctl push m:1 oci://$registry/team && [ "$(moved DATA)" -lt 19000000 ] && mlopsctl pull m:1 oci://$registry/team --home "$T/seven"
'
registry_stop
test_done
