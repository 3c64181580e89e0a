#!/bin/sh
# What a pod left on its volume, brought here over a real S3 service: cuts, changes on both sides, hostile names, the way
# back.
. "${0%/*}/lib.sh"
. "$R/tests/tools/s3.sh"
. "$R/tests/tools/runpod.sh"

have jq || skip_all 'needs jq'
s3_start
faulty_start
runpod_start
. "$R/tests/tools/pods.sh"
RUNPOD_S3_ACCESS_KEY=$RGW_KEY RUNPOD_S3_SECRET_KEY=$RGW_SECRET MLOPSCTL_RUNPOD_S3=$AWS_ENDPOINT_URL
export RUNPOD_S3_ACCESS_KEY RUNPOD_S3_SECRET_KEY MLOPSCTL_RUNPOD_S3
unset AWS_ACCESS_KEY_ID AWS_SECRET_ACCESS_KEY AWS_ENDPOINT_URL AWS_REGION
V=$(s3_new_bucket)
runpod_ctl put volume "{\"id\":\"$V\",\"name\":\"data\",\"size\":10,\"dataCenter\":\"EU-RO-1\"}" >/dev/null
mkdir -p made/out/deep
head -c 3000000 /dev/urandom >made/out/model.bin
head -c 5000 /dev/urandom >made/out/deep/log
: >made/out/empty
echo other >made/else
for f in out/model.bin out/deep/log out/empty else; do s3 put "$V/$f" "made/$f" >/dev/null || exit 8; done
sync() { mlopsctl runpod sync "$@"; }

test_expect 'a folder of the volume comes here, no more and no less; again: nothing to do' '
    sync data out ./here >out.txt && grep -q "^fetched 3 of 3 files, 2.9 MiB" out.txt && diff -r made/out here && [ ! -e here/.mlopsctl-sync ] && sync data out ./here | grep -q "^fetched 0 of 3" && sync "$V" /out/ here/ --json | json "[.files[].outcome] == [\"same\",\"same\",\"same\"]"
'
test_expect 'one file; the whole volume; by the path in a pod' '
    sync data out/model.bin one >/dev/null && cmp made/out/model.bin one/model.bin && sync data / all >/dev/null && diff -r made all && create --gpu "RTX 4090" --volume data --name done >/dev/null &&
    sync done /workspace/out bypod >/dev/null && diff -r made/out bypod && expect_code 2 sync done /root/x no 2>err && grep -q "mounted at /workspace" err && clean
'
test_expect 'dry run fetches nothing' '
    sync data out dry -n >out.txt && grep -q "^would fetch 3 of 3" out.txt && [ ! -e dry ] && ! mlopsctl log | grep -q "dry"
'
test_expect 'each file is an effect with an artifact; rollback removes them, not what was changed since' '
    sync data out back >/dev/null && run=$(run_id) && mlopsctl show-run "$run" --json | json "[.effects[] | select(.kind == \"file\" and .state == \"done\")] | length == 3" && mlopsctl show-run "$run" | grep -q "$(sha256sum <made/out/deep/log | cut -c1-12)" &&
    mlopsctl rollback "$run" && [ ! -e back/model.bin ] && [ ! -e back/deep/log ] && sync data out back >/dev/null && echo x >>back/deep/log && expect_code 6 mlopsctl rollback "$(run_id)" && [ -e back/model.bin ]
'
test_expect 'what differs here is kept, unless --force; nothing else was touched before that was known' '
    mkdir keep && echo mine >keep/model.bin && expect_code 6 sync data out keep 2>err && grep -q "1 file in .* differs" err && [ "$(cat keep/model.bin)" = mine ] && [ ! -e keep/empty ] && sync data out keep --force >/dev/null && diff -r made/out keep &&
    expect_code 2 mlopsctl rollback "$(run_id)" && printf X | dd of=keep/model.bin bs=1 seek=1500000 conv=notrunc 2>/dev/null && head -c 3000000 /dev/urandom >keep/model.bin && expect_code 6 sync data out keep
'
test_expect 'a cut is gone on with where it stopped' '
    faulty_rules "[{\"method\":\"GET\",\"path\":\"/out/model.bin\",\"cut\":1500000,\"times\":1},{\"method\":\"GET\",\"path\":\"/out/model.bin\",\"status\":403,\"times\":-1}]" && expect_code 5 sync data out/model.bin cut 2>err; part=$(find cut/.mlopsctl-sync -type f -size +1000k) && [ -n "$part" ] && [ ! -e cut/model.bin ] &&
    faulty_rules "[]" && sync data out/model.bin cut >/dev/null && cmp made/out/model.bin cut/model.bin && [ ! -e cut/.mlopsctl-sync ]
'
test_expect 'a part of what has changed there since is not gone on with' '
    faulty_rules "[{\"method\":\"GET\",\"path\":\"/out/model.bin\",\"cut\":1500000,\"times\":1},{\"method\":\"GET\",\"path\":\"/out/model.bin\",\"status\":403,\"times\":-1}]" && expect_code 5 sync data out/model.bin cut2; faulty_rules "[]" &&
    head -c 3000000 /dev/urandom >new.bin && s3 put "$V/out/model.bin" new.bin >/dev/null && sync data out/model.bin cut2 >/dev/null && cmp new.bin cut2/model.bin
'
test_expect 'nothing is written outside the folder: links here, a folder where a file is' '
    mkdir trap elsewhere && ln -s ../elsewhere trap/deep && must_fail "$MLOPSCTL" runpod sync data out trap 2>err && [ -z "$(ls elsewhere)" ] && mkdir -p blocked/model.bin && expect_code 6 sync data out blocked && [ ! -e blocked/empty ]
'
test_expect 'what is not there: volume, path, a pod without a volume' '
    expect_code 3 sync nothing out x 2>err && grep -q "no volume and no pod" err && expect_code 3 sync data nowhere x 2>err && grep -q "nothing is at .nowhere." err && expect_code 2 sync data ../up x && expect_code 2 sync data out &&
    create --gpu L4 --name bare >/dev/null && expect_code 7 sync bare /workspace/out x 2>err && grep -q "has no network volume" err && clean && [ ! -e x ]
'
test_expect 'two at once in one folder: the second is refused' '
    mkdir -p busy/.mlopsctl-sync && exec 8<busy/.mlopsctl-sync && flock -x 8 && expect_code 6 sync data out busy 2>err && grep -q "another sync works" err && exec 8<&- && sync data out busy >/dev/null
'
test_expect 'the ledger is whole' 'mlopsctl ledger verify'
test_done
