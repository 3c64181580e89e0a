#!/bin/sh
# What others put into registries, out of Debian's docker-registry, and what hostile ones put there, out of the double.
. "${0%/*}/lib.sh"
. "$R/tests/tools/registry.sh"

have docker-registry || skip_all 'docker-registry is not installed'
have python3 || skip_all 'python3 is not installed'
mkdir model && tiny_model model/model.safetensors && echo '# tiny' >model/README.md
registry_start artifacts || skip_all "docker-registry does not start: $(cat "$T/registry-artifacts/log")"
put() { python3 "$R/tests/tools/artifacts.py" "$registry" "$@"; }
show() { mlopsctl show "$1" --json; }
# pulled NAME: here, whole, with the registry's digest.
pulled()
{
    mlopsctl pull "$1" "oci://$registry/them" && [ "$(show "$1" | jq -r .digest)" = "$2" ] && mlopsctl verify "$1" --deep && rm -rf out && mlopsctl unpack "$1" -o out
}

test_expect 'ModelPack of the older generation' '
    d=$(put modelpack-old them/old:1) && pulled old:1 "$d" && cmp out/model.safetensors model/model.safetensors
'
test_expect 'a KitOps ModelKit: archives, plain and compressed' '
    d=$(put kitops them/kit:1) && pulled kit:1 "$d" && cmp out/model.safetensors model/model.safetensors && [ "$(cat out/docs/README.md)" = "# kit" ] && [ -e out/data/rows.csv ]
'
test_expect 'a Docker model: files without a name get one' '
    d=$(put docker-model them/dmr:1) && pulled dmr:1 "$d" && [ -e out/model.gguf ] && [ -e out/LICENSE ] && [ -e out/sub/tokenizer.json ] && show dmr:1 | json ".files | map(select(.kind == \"weight\")) | length == 1"
'
test_expect 'an Ollama model' '
    d=$(put ollama them/llama:1) && pulled llama:1 "$d" && [ -e out/model.gguf ] && json .temperature <out/params.json && [ -e out/template ]
'
test_expect 'a plain artifact as oras writes it: files by title, a folder as an archive' '
    d=$(put oras them/plain:1) && pulled plain:1 "$d" && cmp out/model.safetensors model/model.safetensors && [ "$(cat out/folder/notes.txt)" = notes ] && mlopsctl show plain:1 | grep -q model.safetensors
'
test_expect 'what came from elsewhere can be signed, pushed on, exported and diffed' '
    d=$(show plain:1 | jq -r .digest) && mlopsctl sign --keygen key && mlopsctl sign plain:1 --key key.key && mlopsctl push plain:1 "oci://$registry/ours" && mlopsctl pull plain:1 "oci://$registry/ours" --home "$T/two" && mlopsctl verify plain:1 --key key.pub --home "$T/two" &&
    mlopsctl export plain:1 -o plain.tar && mlopsctl import plain.tar --home "$T/three" && [ "$(mlopsctl show plain:1 --json --home "$T/three" | jq -r .digest)" = "$d" ] && mlopsctl push plain:1 ./folder && mlopsctl pull plain:1 ./folder --home "$T/four" &&
    { mlopsctl diff plain:1 kit:1 >/dev/null || [ $? -eq 1 ]; }
'
test_expect 'an index with one model in it, and one with two' '
    d=$(put index-one them/index:1) && mlopsctl pull index:1 "oci://$registry/them" && mlopsctl verify index:1 && put index-two them/index:2 >two && expect_code 4 mlopsctl pull index:2 "oci://$registry/them" 2>err && grep -q "of which 2 are models" err &&
    grep -q "hint: pull one of them" err && mlopsctl pull "index@$(sed -n 2p two)" "oci://$registry/them" --as index:chosen
'
if have skopeo; then
    test_expect 'the same artifacts as skopeo copies them into a layout are imported' '
        for m in kit dmr plain; do
            skopeo copy -q --src-tls-verify=false "docker://$registry/them/$m:1" "oci:$PWD/layout-$m:$m:1" && mlopsctl import "layout-$m" --home "$T/imported" && [ "$(mlopsctl show "$m:1" --json --home "$T/imported" | jq -r .digest)" = "$(show "$m:1" | jq -r .digest)" ] || exit 1
        done
    '
else
    test_skip 'the same artifacts are imported' 'skopeo is not installed'
fi
if have umoci && have skopeo; then
    test_expect 'a container image, as umoci makes it, is refused as one' '
        umoci init --layout img && umoci new --image img:1 && skopeo copy -q --dest-tls-verify=false oci:img:1 "docker://$registry/them/image:1" &&
        expect_code 4 mlopsctl pull image:1 "oci://$registry/them" 2>err && grep -q "container image, not a model" err && skopeo copy -q --dest-tls-verify=false --format v2s2 oci:img:1 "docker://$registry/them/image:docker" &&
        expect_code 4 mlopsctl pull image:docker "oci://$registry/them" 2>err && grep -q "container image, not a model" err
    '
else
    test_skip 'a container image is refused as one' 'umoci or skopeo is not installed'
fi
test_expect 'a list of container images is refused too' '
    put image-list them/list:1 && expect_code 4 mlopsctl pull list:1 "oci://$registry/them" 2>err && grep -q "of which 0 are models" err
'
registry_stop
double_start lax
# Refused as invalid data, before anything that they name is fetched; a size that is wrong shows when the bytes come.
for kind in traversal absolute same-path huge-size negative-size sum-overflows no-layers not-json deep index-in-index subject-only upper-digest wrong-size:5 too-large:5; do
    code=${kind#*:}
    kind=${kind%:*}
    [ "$code" != "$kind" ] || code=4
    test_expect "hostile: $kind" '
        : >"$double_log" &&
        put hostile-'"$kind"' them/h:1 >/dev/null && expect_code "$code" timeout 30 "$MLOPSCTL" pull h:1 "oci://$registry/them" --home "$T/h-'"$kind"'" 2>err && grep -q "^mlopsctl: pull: " err && ! grep -q "$(printf "\033")" err &&
        ! mlopsctl ls --home "$T/h-'"$kind"'" 2>/dev/null | grep -q "h:1" && [ ! -e "$T/escaped" ] && [ ! -e escaped ] && [ ! -e ../escaped ] &&
        { [ "$code" -eq 5 ] || ! grep -q "^GET /v2/them/h/blobs/" "$double_log"; } && cat err
    '
done
test_expect 'what stands in a hostile registry is passed over by refs' '
    mlopsctl remote refs "oci://$registry/them/h"
'
registry_stop
test_done
