#!/bin/sh
# Bundles out and in: one deterministic tar that other tools read, hostile archives refused, files unpacked and taken back.
. "${0%/*}/lib.sh"

digest_of() { mlopsctl show "$1" --json | jq -r .digest; }
run_id() { mlopsctl log --json -n 1 | jq -s -r '.[0] | .run // .id // .runs[0].run // .runs[0].id'; }

mkdir -p model/src
tiny_model model/model.safetensors
echo '{"model_type":"tiny"}' >model/config.json
echo '# tiny' >model/README.md
printf '#!/bin/sh\n' >model/src/run.sh
chmod +x model/src/run.sh
mlopsctl pack model -t credit:1.4.0 >"$T/log" 2>&1 || skip_all "pack does not work: $(cat "$T/log")"

test_expect 'an exported bundle is a plain tar, the same every time' '
    mlopsctl export credit:1.4.0 -o a.tar >out && grep -q "^exported credit:1.4.0 to .*/a.tar" out &&
    mlopsctl export credit:1.4.0 -o b.tar && cmp a.tar b.tar && mlopsctl export credit:1.4.0 -o - | cmp - a.tar &&
    tar -tf a.tar >list && head -n 2 list | tr "\n" " " | grep -qx "oci-layout index.json " &&
    tail -n +3 list | LC_ALL=C sort -c && ! tar -tvf a.tar | grep -v " 0/0 .* 1970-01-01 "
'
test_expect 'the exported index is the worked example of the fact sheet' '
    unset SOURCE_DATE_EPOCH && tiny_model model.safetensors && mlopsctl pack model.safetensors -t tiny:v1 --bare && mlopsctl export tiny:v1 -o v1.tar &&
    tar -xOf v1.tar index.json | sed "s/tiny:v1/v1/" | sha256sum | grep -q ^26ae91c1f28f7153f945b56942fde411ff1fb141675b455232294eaa6b80cf1f
'
test_expect 'a file that is there stays, unless --force' '
    echo mine >there && expect_code 6 mlopsctl export credit:1.4.0 -o there 2>err && grep -q "there already" err && grep -qx mine there &&
    mlopsctl export credit:1.4.0 -o there --force && cmp there a.tar &&
    expect_code 8 mlopsctl export credit:1.4.0 -o - >/dev/full && expect_code 3 mlopsctl export nothing -o x.tar && ! test -e x.tar
'
test_expect 'import brings it back under its name, or under another' '
    mlopsctl import a.tar --home "$T/two" >out && grep -q "^imported credit:1.4.0" out &&
    [ "$(digest_of credit:1.4.0)" = "$(mlopsctl show credit:1.4.0 --json --home "$T/two" | jq -r .digest)" ] &&
    mlopsctl verify --all --home "$T/two" && mlopsctl import -t risk:1 - 2>/dev/null </dev/null
    mlopsctl import -t risk:1 /dev/stdin --home "$T/two" <a.tar && mlopsctl ls --home "$T/two" | grep -q "^risk:1 "
'
test_expect 'the store itself and an unpacked layout are read as folders' '
    mkdir layout && tar -xf a.tar -C layout && mlopsctl import layout -t x:1 --home "$T/three" &&
    mlopsctl import .mlops/store -t x:2 --home "$T/four" 2>err; grep -q "bundles" err || mlopsctl ls --home "$T/four" | grep -q x:2
'
test_expect 'a tar without a name needs one' '
    mkdir bare && tar -xf a.tar -C bare && jq -c "del(.manifests[0].annotations)" bare/index.json >i && mv i bare/index.json &&
    expect_code 2 mlopsctl import bare --home "$T/five" 2>err && grep -q -- "-t NAME:TAG" err && mlopsctl import bare -t n:1 --home "$T/five"
'
test_expect 'index.json may stand last' '
    tar -cf last.tar -C layout blobs oci-layout index.json && mlopsctl import last.tar --home "$T/six"
'
test_expect 'damaged and hostile archives are refused with exit 4 and name nothing' '
    size=$(stat -c %s a.tar) && for at in 0 600 3000 $((size / 2)) $((size - 2000)); do
        head -c "$at" a.tar >cut.tar && expect_code 4 mlopsctl import cut.tar -t bad:1 --home "$T/seven" || exit 1; done &&
    cp a.tar flip.tar && printf X | dd of=flip.tar bs=1 seek=$((size - 1500)) conv=notrunc 2>/dev/null &&
    expect_code 4 mlopsctl import flip.tar -t bad:1 --home "$T/seven" &&
    mkdir evil && cp -r layout/. evil && ln -s /etc/passwd evil/link && tar -cf evil.tar -C evil . &&
    expect_code 4 mlopsctl import evil.tar -t bad:1 --home "$T/seven" 2>err && grep -q "links are refused" err &&
    tar -cPf up.tar --transform "s,^layout/oci-layout,../up," layout/oci-layout && expect_code 4 mlopsctl import up.tar --home "$T/seven" &&
    ! test -e ../up && ! mlopsctl ls --home "$T/seven" | grep bad
'
if have skopeo; then
    test_expect 'skopeo reads and copies the file and the store' '
        skopeo inspect --raw oci-archive:a.tar >raw && [ "sha256:$(sha256sum <raw | cut -d" " -f1)" = "$(digest_of credit:1.4.0)" ] &&
        skopeo copy oci-archive:a.tar oci:copied:1 && mlopsctl import copied -t c:1 --home "$T/eight" &&
        [ "$(mlopsctl show c:1 --json --home "$T/eight" | jq -r .digest)" = "$(digest_of credit:1.4.0)" ] &&
        skopeo inspect --raw oci:.mlops/store:credit:1.4.0 | cmp - raw
    '
else
    test_skip 'skopeo reads and copies the file and the store' 'no skopeo'
fi
if have umoci; then
    test_expect 'umoci lists the layout' 'umoci ls --layout layout | grep -qx credit:1.4.0'
else
    test_skip 'umoci lists the layout' 'no umoci'
fi

test_expect 'unpack gives the files back, executable where they were' '
    mlopsctl unpack credit:1.4.0 -o files >said && grep -q "4 files" said && diff -r model files && test -x files/src/run.sh && ! test -x files/config.json &&
    [ "$(stat -c %h files/model.safetensors)" = 1 ]
'
test_expect 'a full folder is refused, --force leaves what is not in the bundle' '
    expect_code 6 mlopsctl unpack credit:1.4.0 -o files && echo mine >files/mine && echo changed >files/config.json &&
    mlopsctl unpack credit:1.4.0 -o files --force && cmp model/config.json files/config.json && grep -qx mine files/mine
'
test_expect 'parts can be unpacked' '
    mlopsctl unpack credit:1.4.0 -o part --select "*.json" --select src && [ "$(cd part && find . -type f | sort | tr "\n" " ")" = "./config.json ./src/run.sh " ] &&
    expect_code 3 mlopsctl unpack credit:1.4.0 -o none --select "*.xyz" && ! test -e none
'
test_expect 'an unpacked folder and an exported file can be rolled back while they are as they were' '
    mlopsctl unpack credit:1.4.0 -o whole && mlopsctl rollback "$(run_id)" && ! test -e whole &&
    mlopsctl export credit:1.4.0 -o back.tar && id=$(run_id) && mlopsctl rollback "$id" && ! test -e back.tar &&
    mlopsctl unpack credit:1.4.0 -o edited && id=$(run_id) && echo more >>edited/config.json &&
    expect_code 6 mlopsctl rollback "$id" && test -e edited/config.json
'
test_expect 'damage in the store is not passed on' '
    blob=.mlops/store/blobs/sha256/9c54a301d1883c1238adad7212e1c8b7a0ee5a828aa7b9a5fc5c4b58af05fe54 && cp "$blob" good && chmod u+w "$blob" &&
    printf X | dd of="$blob" bs=1 seek=70 conv=notrunc 2>/dev/null &&
    expect_code 4 mlopsctl export credit:1.4.0 -o damaged.tar && ! test -e damaged.tar &&
    expect_code 4 mlopsctl unpack credit:1.4.0 -o damaged && ! test -e damaged && [ -z "$(find . -maxdepth 1 -name ".mlo-tmp*")" ] &&
    cp good "$blob"
'
test_done
