#!/bin/sh
# Packing: the worked example, the same digest anywhere, what is recorded, what the second pack costs.
. "${0%/*}/lib.sh"

# digest_of REFERENCE
digest_of() { mlopsctl show "$1" --json | jq -r .digest; }
make_model()
{
    mkdir -p "$1/src" && tiny_model "$1/model.safetensors" && echo '{"model_type":"tiny"}' >"$1/config.json" &&
        echo '# tiny' >"$1/README.md" && echo 'print(1)' >"$1/src/train.py"
}

test_expect 'the worked example of the ModelPack fact sheet comes out byte for byte' '
    unset SOURCE_DATE_EPOCH && tiny_model model.safetensors &&
    mlopsctl pack model.safetensors -t tiny:v1 --bare >out && grep -q "^packed tiny:v1  sha256:c6bb9b4270ad  1 file, 72 B" out &&
    mlopsctl show tiny:v1 --raw manifest >manifest && mlopsctl show tiny:v1 --raw config >config &&
    [ "$(sha256sum <manifest)" = "c6bb9b4270ade1ef9cdf9260044225c9e126ad4f6ff97a463ce911b332063b39  -" ] &&
    [ "$(sha256sum <config)" = "96a9a0b5b55970df37ae92172f922d31ec558bebfe2dfec8efd2fc312824ee42  -" ] &&
    test -e .mlops/store/blobs/sha256/9c54a301d1883c1238adad7212e1c8b7a0ee5a828aa7b9a5fc5c4b58af05fe54
'
test_expect 'two packs in two folders on two days give one digest' '
    mkdir one two && make_model one/model && make_model two/elsewhere &&
    find two -exec touch -d 2020-02-02 {} + && chmod 600 two/elsewhere/config.json &&
    (cd one && mlopsctl pack model -t same:1.0 --metric auc=0.9 --metric f1=0.5) &&
    (cd two && mlopsctl pack elsewhere -t same:1.0 --metric f1=0.5 --metric auc=0.9 --home "$T/other" -j 1) &&
    [ "$(digest_of same:1.0)" = "$(mlopsctl show same:1.0 --json --home "$T/other" | jq -r .digest)" ]
'
test_expect 'what the bundle says is in it' '
    mlopsctl show same:1.0 --json >out &&
    json ".parameters == 2 and .n_tensors == 1 and .format == \"safetensors\" and .precision == \"float32\" and .version == \"1.0\"" <out &&
    json ".created == \"2026-01-01T00:00:00Z\"" <out &&
    json "[.files[].path] == [\"README.md\", \"config.json\", \"model.safetensors\", \"src/train.py\"]" <out &&
    json "[.files[].kind] == [\"doc\", \"weight.config\", \"weight\", \"code\"]" <out &&
    json ".metrics == [{key: \"auc\", value: 0.9}, {key: \"f1\", value: 0.5}]" <out
'
test_expect 'nothing of this machine is in it' '
    for part in manifest config extra; do mlopsctl show same:1.0 --raw $part; done >all &&
    ! grep -e "$T" -e "$(hostname)" all && ! grep -w "$(id -un)" all
'
test_expect 'metrics come from a file too, and the option wins' '
    echo "{\"auc\":0.1,\"eval\":{\"f1\":0.2,\"ok\":true}}" >metrics.json &&
    mlopsctl pack one/model -t m:1 --metrics metrics.json --metric auc=0.3 &&
    mlopsctl show m:1 --json | json ".metrics == [{key: \"auc\", value: 0.3}, {key: \"eval.f1\", value: 0.2}, {key: \"eval.ok\", value: 1}]" &&
    mlopsctl log -n 1 --json | json ".runs[0].command == \"pack\""
'
test_expect 'card, lock file, data set, licence and description have their places' '
    echo "a,b" >train.csv && echo "numpy==1.24" >requirements.txt && echo "# card" >card.md && rm one/model/README.md &&
    mlopsctl pack one/model -t m:2 --card card.md --env-lock requirements.txt --dataset train.csv --license MIT --description "scores loans" &&
    mlopsctl show m:2 --json >out && json ".license == \"MIT\" and .description == \"scores loans\"" <out &&
    json ".datasets[0].name == \"train.csv\" and .env[0].name == \"requirements.txt\"" <out &&
    json ".files | map(.path) | index(\"README.md\") != null and index(\"train.csv\") == null" <out
'
test_expect 'several names at once; a name alone is latest' '
    mlopsctl pack one/model -t m:3 -t m -t other/name:x >out && grep -q "^packed m:3, m:latest, other/name:x " out &&
    [ "$(digest_of m)" = "$(digest_of other/name:x)" ]
'
test_expect 'a dry run gives the digest and changes nothing' '
    want=$(digest_of m:3) && find .mlops -type f | sort >before &&
    mlopsctl pack one/model -t m:3 --dry-run --json >out && json ".digest == \"$want\" and .dry_run" <out &&
    find .mlops -type f | sort | cmp - before
'
test_expect 'a second pack of an unchanged tree reads nothing and stores nothing' '
    sleep 2.2 && mlopsctl pack one/model -t m:4 >/dev/null && mlopsctl pack one/model -t m:4 --json >out &&
    json ".files == 3 and .files_not_read == 3 and .stored_bytes == 0" <out
'
test_expect 'a changed byte in an otherwise equal file is seen' '
    before=$(digest_of m:4) && sleep 0.1 && printf "{\"model_type\":\"tinz\"}\n" >one/model/config.json &&
    mlopsctl pack one/model -t m:4 && [ "$(digest_of m:4)" != "$before" ]
'
test_expect 'other tools find the store an image layout' '
    json ".imageLayoutVersion == \"1.0.0\"" <.mlops/store/oci-layout &&
    json ".manifests | map(.annotations[\"org.opencontainers.image.ref.name\"]) | index(\"m:4\") != null" <.mlops/store/index.json
'
test_expect '.mlopsignore keeps files out' '
    mkdir ig && tiny_model ig/m.safetensors && echo x >ig/a.log && mkdir ig/cache && echo y >ig/cache/b &&
    printf "*.log\n/cache\n" >ig/.mlopsignore && mlopsctl pack ig -t ig:1 --json | json ".files == 1"
'
if have skopeo; then
    test_expect 'skopeo reads the store' '
        skopeo inspect --raw "oci:$PWD/.mlops/store:tiny:v1" | cmp - manifest
    '
else
    test_skip 'skopeo reads the store' 'skopeo is not installed'
fi
test_done
