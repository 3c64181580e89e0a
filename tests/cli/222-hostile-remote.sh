#!/bin/sh
# A remote that lies, and no network at all: said with what to do, by the documented status; nothing is named, nothing lost.
. "${0%/*}/lib.sh"
have python3 || skip_all 'needs python3'
mkdir model
tiny_model model/model.safetensors
echo '# tiny' >model/README.md
mlopsctl pack model -t m:1 >"$T/log" 2>&1 || skip_all "pack does not work: $(cat "$T/log")"
mlopsctl push m:1 ./honest >"$T/log" 2>&1 || skip_all "push does not work: $(cat "$T/log")"

# lies KIND STATUS WORDS: a pull from a remote that lies so.
lies()
{
    rm -rf lying "$T/home2" && cp -r honest lying && python3 "$R/tests/tools/hostile-remote.py" lying m/1 "$1" || return
    expect_code "$2" mlopsctl pull m:1 ./lying --home "$T/home2" 2>err && cat err && grep -qE "$3" err || return
    ! find "$T" -name '*escaped*' | grep . && ! mlopsctl ls --home "$T/home2" | grep '^m:' && mlopsctl verify --all --home "$T/home2" &&
        mlopsctl pull m:1 ./honest --home "$T/home2" && mlopsctl verify m:1 --home "$T/home2"
}
lie() { test_expect "a remote that lies: $1" "lies '$1' '$2' '$3'"; }
lie traversal 4 'unsafe path'
lie absolute 4 'unsafe path'
lie huge-layer 4 'is beyond'
lie huge-blob 4 'is beyond'
lie huge-chunk 4 recipe
lie other-manifest 4 recipe
lie not-json 4 ref
lie long-ref 4 'larger than'
lie deep-ref 4 ref
for kind in no-manifest no-recipe nothing flipped-manifest flipped-recipe; do
    case $kind in flipped-*) lie "$kind" 4 damaged ;; *) lie "$kind" 5 lacks ;; esac
    test_expect "$kind: the way to mend it is said, check finds it, push --check mends it" '
        grep -q "^hint: .*push --check" err && expect_code 1 mlopsctl remote check ./lying && mlopsctl push --check m:1 ./lying &&
        mlopsctl remote check --deep ./lying && mlopsctl pull m:1 ./lying --home "$T/mended-'"$kind"'" && mlopsctl verify m:1 --home "$T/mended-'"$kind"'"
    '
done

if unshare -rn true 2>/dev/null; then
    export AWS_ACCESS_KEY_ID=a AWS_SECRET_ACCESS_KEY=b RUNPOD_API_KEY=rpa_x RUNPOD_S3_ACCESS_KEY=user_x RUNPOD_S3_SECRET_KEY=rps_x
    test_expect 'no network at all: push and pull say so, for every kind of remote; what is here stays' '
        for u in s3://b/x oci://registry.example.org/x runpod://models; do
            for verb in push pull; do
                expect_code 5 unshare -rn "$MLOPSCTL" $verb m:1 $u 2>err && cat err && grep -q "cannot find the host" err && grep -q "^hint: .*network" err || exit 1
            done
        done && mlopsctl verify --all && mlopsctl ledger verify && mlopsctl ls | grep -q "^m:1 "
    '
    test_expect 'and without it all that is local works' 'unshare -rn "$MLOPSCTL" push m:1 ./again && unshare -rn "$MLOPSCTL" tag m:1 m:2 && unshare -rn "$MLOPSCTL" rollback --last'
else
    test_skip 'no network at all' 'namespaces may not be made here'
fi
test_done
