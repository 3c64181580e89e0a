#!/bin/sh
# What other tools make of what we write, and we of what they write.
. "${0%/*}/lib.sh"

mkdir m && tiny_model m/model.safetensors && echo '{"a":1}' >m/config.json && echo 'print(1)' >m/train.py && chmod 755 m/train.py
{ mlopsctl pack m -t credit:1.4.0 --metric auc=0.9 && mlopsctl export credit:1.4.0 -o credit.tar; } >/dev/null || exit 8
DIGEST=$(mlopsctl show credit:1.4.0 --json | jq -r .digest)

if have skopeo; then
    test_expect 'skopeo finds the digest in the exported file and in the store' '
        for from in "oci-archive:credit.tar:credit:1.4.0" "oci:$PWD/.mlops/store:credit:1.4.0"; do
            [ "sha256:$(skopeo inspect --raw "$from" | sha256sum | cut -c1-64)" = "$DIGEST" ] && skopeo inspect --raw "$from" | cmp - .mlops/store/blobs/sha256/"${DIGEST#sha256:}" || exit 1
        done
    '
    test_expect 'skopeo copies file to folder, store to file, folder to folder: import gives the digest back' '
        skopeo copy -q "oci-archive:credit.tar:credit:1.4.0" "oci:$PWD/copy1:credit:1.4.0" && skopeo copy -q "oci:$PWD/.mlops/store:credit:1.4.0" "oci-archive:copy2.tar:credit:1.4.0" &&
        skopeo copy -q "oci:$PWD/copy1:credit:1.4.0" "oci:$PWD/copy3:credit:1.4.0" &&
        for c in copy1 copy2.tar copy3; do
            mlopsctl import $c --home "$PWD/h-$c" && [ "$(mlopsctl show credit:1.4.0 --json --home "$PWD/h-$c" | jq -r .digest)" = "$DIGEST" ] &&
            mlopsctl verify credit:1.4.0 --deep --home "$PWD/h-$c" && mlopsctl unpack credit:1.4.0 -o "u-$c" --home "$PWD/h-$c" && diff -r m "u-$c" && [ -x "u-$c/train.py" ] || exit 1
        done
    '
    test_expect 'skopeo takes the bare bundle of the worked example, digest unchanged' '
        tiny_model model.safetensors && (unset SOURCE_DATE_EPOCH; mlopsctl pack model.safetensors -t tiny:v1 --bare) && mlopsctl export tiny:v1 -o tiny.tar && skopeo copy -q "oci-archive:tiny.tar:tiny:v1" "oci:$PWD/t:v1" &&
        [ -e t/blobs/sha256/c6bb9b4270ade1ef9cdf9260044225c9e126ad4f6ff97a463ce911b332063b39 ] && [ -e t/blobs/sha256/96a9a0b5b55970df37ae92172f922d31ec558bebfe2dfec8efd2fc312824ee42 ] &&
        mlopsctl import t -t tiny:back && [ "$(mlopsctl show tiny:back --json | jq -r .digest)" = sha256:c6bb9b4270ade1ef9cdf9260044225c9e126ad4f6ff97a463ce911b332063b39 ]
    '
else
    test_skip 'skopeo' 'skopeo is not installed'
fi
if have umoci; then
    test_expect 'umoci lists the names of the store and of an unpacked export' '
        mlopsctl tag credit:1.4.0 team/risk:x && umoci ls --layout .mlops/store | sort >got && grep -qx credit:1.4.0 got && grep -qx team/risk:x got &&
        mkdir layout && tar -xf credit.tar -C layout && [ "$(umoci ls --layout layout)" = credit:1.4.0 ]
    '
else
    test_skip 'umoci' 'umoci is not installed'
fi
test_expect 'plain tar lists the export: layout, index, blobs, nothing else, no owner of this machine' '
    tar -tvf credit.tar >list && awk "{print \$6}" list | LC_ALL=C sort >names && grep -qx oci-layout names && grep -qx index.json names &&
    [ "$(grep -cvE "^(oci-layout|index.json|blobs/|blobs/sha256/|blobs/sha256/[0-9a-f]{64})$" names)" -eq 0 ] && [ -z "$(uniq -d names)" ] && ! grep -vE "^.{10} (0/0|root/root) " list &&
    tar -xf credit.tar --to-command="sha256sum >>$PWD/sums" --wildcards "blobs/sha256/????*" && [ "$(wc -l <sums)" -eq "$(grep -c "blobs/sha256/." names)" ] &&
    sed "s/ .*//;s|^|blobs/sha256/|" sums | LC_ALL=C sort >hashed && grep "blobs/sha256/." names | cmp - hashed
'
test_expect 'the layers that are archives are plain tars' '
    n=0 && for l in $(mlopsctl show credit:1.4.0 --raw manifest | jq -r ".layers[] | select(.mediaType | endswith(\".tar\")) | .digest[7:]"); do
        tar -tvf .mlops/store/blobs/sha256/"$l" >>inside && n=$((n + 1))
    done && [ $n -ge 1 ] && grep -q " config.json$" inside && grep -q "^-rwxr-xr-x.* train.py$" inside && ! grep -qw "$(id -un)" inside || grep -qw root inside
'
if have python3; then
    test_expect 'python reads layout, documents and weights by the rules of safetensors' '
        cat >check.py <<-"END"
		import hashlib, json, struct, sys, tarfile
		with tarfile.open(sys.argv[1]) as t:
		    files = {m.name: t.extractfile(m).read() for m in t if m.isfile()}
		    assert all(m.isfile() or m.isdir() for m in t), "only files and folders"
		def once(pairs):
		    assert len({k for k, _ in pairs}) == len(pairs), "a key stands twice"
		    return dict(pairs)
		def blob(d):
		    data = files["blobs/sha256/" + d["digest"][7:]]
		    assert len(data) == d["size"] and "sha256:" + hashlib.sha256(data).hexdigest() == d["digest"]
		    return data
		assert json.loads(files["oci-layout"]) == {"imageLayoutVersion": "1.0.0"}
		index = json.loads(files["index.json"], object_pairs_hook=once)
		assert index["schemaVersion"] == 2 and len(index["manifests"]) == 1
		manifest = json.loads(blob(index["manifests"][0]), object_pairs_hook=once)
		assert manifest["artifactType"] == "application/vnd.cncf.model.manifest.v1+json"
		config = json.loads(blob(manifest["config"]), object_pairs_hook=once)
		layers = [blob(l) for l in manifest["layers"]]
		assert config["modelfs"]["type"] == "layers" and len(config["modelfs"]["diffIds"]) == len(layers)
		for raw, diff in zip(layers, config["modelfs"]["diffIds"]):
		    assert "sha256:" + hashlib.sha256(raw).hexdigest() == diff
		weights = [raw for raw, l in zip(layers, manifest["layers"]) if l["mediaType"].endswith("weight.v1.raw")]
		assert len(weights) == 1
		n = struct.unpack("<Q", weights[0][:8])[0]
		header = json.loads(weights[0][8:8 + n], object_pairs_hook=once)
		assert weights[0][8:9] == b"{" and (8 + n) % 8 == 0
		end = 0
		for t in sorted((v for k, v in header.items() if k != "__metadata__"), key=lambda v: v["data_offsets"]):
		    assert t["data_offsets"][0] == end
		    end = t["data_offsets"][1]
		assert 8 + n + end == len(weights[0])
		assert struct.unpack("<2f", weights[0][8 + n:]) == (1.0, -2.0)
		END
        python3 check.py credit.tar
    '
    test_expect 'zips and arrays that python writes are read, and come back as python wrote them' '
        python3 "$R/tests/tools/hostile.py" h && mlopsctl pack h/good -t good:1 && mlopsctl unpack good:1 -o back && diff -r h/good back &&
        python3 -c "import zipfile; assert zipfile.ZipFile(\"back/model.npz\").testzip() is None and zipfile.ZipFile(\"back/model.pt\").testzip() is None" &&
        mlopsctl show good:1 --tensors --json | json "[.tensors[].digest] | unique | length == 2"
    '
else
    test_skip 'python' 'python3 is not installed'
fi
if have faketime && have git; then
    test_expect 'two packs of one input on two days in two folders by two settings of the machine give one digest' '
        program=${PLAIN:-$MLOPSCTL} && mkdir -p "$T/day1" "$T/day2/deeper" && cp -r m "$T/day1/model" && (cd m && tar -cf - .) | (mkdir "$T/day2/deeper/model" && cd "$T/day2/deeper/model" && umask 077 && tar -xf -) &&
        find "$T/day2" -type f -exec touch -d "2031-05-05 05:05:05" {} + &&
        for where in day1 day2/deeper; do
            (cd "$T/$where" && git init -q . && git add -A && GIT_AUTHOR_DATE="2026-01-02T03:04:05Z" GIT_COMMITTER_DATE="2026-01-02T03:04:05Z" git commit -qm one) || exit 1
        done
        unset SOURCE_DATE_EPOCH && export NO_FAKE_STAT=1 && (cd "$T/day1" && TZ=UTC LC_ALL=C.UTF-8 faketime "2026-03-01 10:00:00" "$program" pack model -t same:1.0 --metric a=0.5 --home "$T/day1/h" --json -j 1) >1 &&
        (cd "$T/day2/deeper" && umask 077 && TZ=Asia/Tokyo LC_ALL=C USER=somebody faketime "2029-12-31 23:59:59" "$program" pack model -t same:1.0 --metric a=0.5 --home "$T/day2/h" --json -j 3) >2 &&
        json .digest <1 && [ "$(json .digest <1)" = "$(json .digest <2)" ] &&
        mlopsctl export same:1.0 -o 1.tar --home "$T/day1/h" && (umask 077 && cd "$T/day2" && mlopsctl export same:1.0 -o "$T/work/2.tar" --home "$T/day2/h") && cmp 1.tar 2.tar
    '
else
    test_skip 'two packs on two days' 'faketime or git is not installed'
fi
test_done
