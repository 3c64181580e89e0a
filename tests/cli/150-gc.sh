#!/bin/sh
# gc and du: what goes, what stays, what is said about it.
. "${0%/*}/lib.sh"


test_expect 'an empty workspace is a normal answer' '
    mlopsctl du >out && grep -q "no names" out &&
    mlopsctl gc --dry-run >out && grep -q "would remove 0 blobs" out &&
    ! test -e .mlops/ledger.db
'
test_expect 'du tells unique from shared bytes' '
    mkdir a b && tiny_model a/w.safetensors && cp a/w.safetensors b &&
    head -c 2000000 /dev/zero >b/big.bin &&
    mlopsctl pack a -t m:1 && mlopsctl pack b -t m:2 &&
    mlopsctl du --json >out &&
    json ".names[] | select(.name == \"m:2\") | .unique >= 2000000 and .shared >= 72" <out &&
    json ".names[] | select(.name == \"m:1\") | .total == .unique + .shared" <out &&
    json ".unreferenced_bytes == 0 and .bytes == .named_bytes + .history_bytes" <out
'
test_expect 'two names of one bundle have nothing unique' '
    mlopsctl tag m:2 m:latest && mlopsctl du --json >out &&
    json "[.names[] | select(.name != \"m:1\") | .unique] == [0, 0]" <out
'
test_expect 'an untagged bundle stays for its retention' '
    mlopsctl untag m:2 && mlopsctl untag m:latest && mlopsctl gc --keep 1h >out && grep -q "removed 0 blobs" out &&
    mlopsctl du --json | json ".history_bytes >= 2000000"
'
test_expect 'a dry run says what is lost and removes nothing' '
    sleep 1 && find .mlops/store/blobs -type f | sort >before &&
    mlopsctl gc -n --keep 0s --json >out &&
    json ".removed_bytes >= 2000000 and .dry_run" <out && json ".lost | map(.command) | index(\"untag\")" <out &&
    find .mlops/store/blobs -type f | sort | cmp - before
'
test_expect 'gc removes it, keeps the rest whole, and records that it cannot be undone' '
    untag=$(mlopsctl log -n 9 --json | json ".runs | map(select(.command == \"untag\"))[-1].run") &&
    mlopsctl gc --keep 0s >out && grep -q "cannot be rolled back" out &&
    mlopsctl verify m:1 && mlopsctl ledger verify &&
    expect_code 3 mlopsctl rollback "$untag" 2>err && grep -q "gc has collected it" err &&
    gc=$(mlopsctl log -n 1 --json | json ".runs[0] | select(.command == \"gc\").run") &&
    expect_code 2 mlopsctl rollback "$gc" 2>err && grep -q "cannot be undone" err
'
test_expect 'the store is an image layout before and after' '
    have skopeo || exit 0
    skopeo inspect --raw "oci:$PWD/.mlops/store:m:1" >manifest &&
    sha256sum manifest | cut -c 1-12 >want && mlopsctl show m:1 --json | grep -q "$(cat want)" &&
    umoci ls --layout .mlops/store | grep -qx m:1
'
test_expect 'a second gc has nothing to do' 'mlopsctl gc --keep 0s --json | json ".removed_blobs == 0"'
test_expect 'a damaged manifest stops gc before anything goes' '
    mlopsctl show m:1 --json >out &&
    for f in .mlops/store/blobs/sha256/*; do
        if grep -q schemaVersion "$f"; then chmod u+w "$f" && echo x >>"$f"; fi
    done &&
    find .mlops/store/blobs -type f | sort >before &&
    expect_code 4 mlopsctl gc --keep 0s 2>err && grep -q "m:1" err && grep -q -- --repair err &&
    find .mlops/store/blobs -type f | sort | cmp - before
'
test_expect 'a duration that is none is wrong use' 'expect_code 2 mlopsctl gc --keep 3x'
test_done
