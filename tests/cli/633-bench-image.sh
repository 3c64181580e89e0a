#!/bin/sh
# A container image as a target: unpacked by us, run by runc or crun, and gone afterwards, however it ends. Images are made by
# tests/tools/oci-image.py; what its layers may not do is tried without a runtime being asked.
. "${0%/*}/lib.sh"
cp "$G/onnx/pipelines/ridge/model.onnx" m.onnx
export XDG_CACHE_HOME="$T/cache"
left() { find "$T/cache/mlopsctl/containers" -mindepth 1 -maxdepth 1 2>/dev/null; }
bench() { mlopsctl bench m.onnx --duration 300ms --warmup 100ms --no-record "$@"; }
image() { python3 "$R/tests/tools/oci-image.py" "$@"; }
ours="/bin/mlopsctl bench --answer /model/m.onnx"
mkdir none && ln -s "$(command -v sh)" none/sh

test_expect 'without a runtime: exit 7, and what to do' '
    image plain --layer "[[\"x\", \"y\"]]" -- /x && PATH=$PWD/none expect_code 7 "$MLOPSCTL" bench m.onnx --no-record --target image:plain 2>err &&
    grep -q "no container runtime is installed" err && grep -q "^hint: install one (apt-get install runc, or crun)" err && [ -z "$(left)" ]
'
# From here on a runtime is found, but as a rule not reached: one that says so will do.
mkdir fake && printf '#!/bin/sh\necho "runtime: $*" >&2\nexit 3\n' >fake/runc && chmod +x fake/runc
refused() # CODE MESSAGE IMAGE-OPTIONS...
{
    code=$1 message=$2 && shift 2 && rm -rf bad && image bad "$@" && PATH=$PWD/fake:$PATH expect_code "$code" bench --target image:oci:bad 2>err &&
        { grep -q "$message" err || { cat err; return 1; } } && [ -z "$(left)" ]
}
test_expect 'layers that reach out of the image are refused' '
    refused 4 "leaves the image" --layer "[[\"../x\", \"y\"]]" -- /x && refused 4 "leaves the image" --layer "[[\"a/../../x\", \"y\"]]" -- /x &&
    refused 4 "other.*digest" --damage --layer "[[\"x\", \"yy\"]]" -- /x && refused 4 "no command" --layer "[[\"x\", \"y\"]]" &&
    refused 4 "takes away a folder.s own name" --layer "[[\"x\", \"y\"]]" --layer "[[\".wh...\", \"\"]]" -- /x &&
    refused 4 "no user or group" --user somebody --layer "[[\"x\", \"y\"]]" -- /x && refused 3 "no image for this machine" --arch z80 --layer "[]" -- /x
'
test_expect 'links lead inside: nothing outside is written, removed or linked' '
    mkdir outside && echo mine >outside/kept && here=$PWD/outside &&
    refused 5 "ended with exit status 3" --layer "[[\"out\", {\"link\": \"$here\"}], [\"up\", {\"link\": \"../../../../../../../..$here\"}], [\"etc\", {\"folder\": 493}]]" --layer "[[\"etc/passwd\", \"root:x:0:0:\"]]" -- /x &&
    refused 4 "is a link to what the image does not have" --layer "[[\"out\", {\"link\": \"$here\"}]]" --layer "[[\"out/kept\", \"theirs\"]]" -- /x && [ "$(cat outside/kept)" = mine ] &&
    refused 3 "stolen" --layer "[[\"out\", {\"link\": \"$here\"}]]" --layer "[[\"stolen\", {\"hard\": \"out/kept\"}]]" -- /x &&
    refused 5 "ended with exit status 3" --layer "[[\"out\", {\"link\": \"$here\"}]]" --layer "[[\"out/.wh.kept\", \"\"], [\"out/.wh..wh..opq\", \"\"]]" -- /x && [ "$(cat outside/kept)" = mine ] && [ "$(stat -c %h outside/kept)" = 1 ]
'
test_expect 'which image is meant' '
    image two --tag a --tag b --layer "[[\"x\", \"y\"]]" -- /x && PATH=$PWD/fake:$PATH && expect_code 2 bench --target image:oci:two 2>err && grep -q "has 2 images" err && grep -q "PATH:TAG" err &&
    expect_code 3 bench --target image:oci:two:c 2>err && grep -q "no image .c." err && expect_code 5 bench --target image:oci:two:a && expect_code 5 bench --target image:two:b && expect_code 3 bench --target image:nowhere 2>err && grep -q nowhere err &&
    mkdir none.d && expect_code 3 bench --target image:none.d 2>err && grep -q "hint: an image is" err && echo no tar >none.tar && expect_code 4 bench --target image:none.tar 2>err && grep -q "hint: an image is" err
'
test_expect 'crun is told that it need not make a control group' '
    mkdir fake2 && cp fake/runc fake2/crun && PATH=$PWD/fake2 expect_code 5 "$MLOPSCTL" bench m.onnx --no-record --target image:plain 2>err && grep -q "runtime: --cgroup-manager=disabled --root .* run --bundle" err && [ -z "$(left)" ]
'
test_expect 'what a layer takes away is gone, what it brings is there: as umoci unpacks it' '
    have umoci || exit 0
    image many --tag t --layer "[[\"a/one\", \"1\"], [\"a/two\", \"2\"], [\"b/three\", \"3\"], [\"lib\", {\"link\": \"usr/lib\"}], [\"usr/lib/x\", \"x\"], [\"gone\", {\"folder\": 493}], [\"gone/f\", \"f\"], [\"./c//d\", \"d\"]]" \
        --layer "[[\"a/.wh.one\", \"\"], [\"b/new\", \"n\"], [\"b/.wh..wh..opq\", \"\"], [\".wh.gone\", \"\"], [\"h\", {\"hard\": \"a/two\"}], [\"a/two\", {\"link\": \"../c/d\"}], [\"dev0\", {\"device\": true}], [\"set\", {\"mode\": 2541, \"text\": \"s\"}]]" -- /x
    mkdir -p saver && printf "#!/bin/sh\ncp -a \"\$5/rootfs\" \"$PWD/ours\"; exit 3\n" >saver/runc && chmod +x saver/runc
    PATH=$PWD/saver:$PATH expect_code 5 bench --target image:oci:many:t && umoci unpack --rootless --image many:t theirs >/dev/null 2>&1
    (cd ours && find . ! -name dev0 ! -name set -printf "%p %y %l\n" | sort) >o && (cd theirs/rootfs && find . ! -name dev0 ! -name set -printf "%p %y %l\n" | sort) >t && diff o t &&
    [ ! -e ours/dev0 ] && [ ! -u ours/set ] && [ "$(cat ours/h)" = 2 ]
'

if { have runc || have crun; } && image self --file "$PLAIN:/bin/mlopsctl" -- $ours && bench --target image:self >log 2>&1; then
    test_expect 'our own program in an image: a folder, packed layers, a tar' '
        bench --target image:self --json >out && jq -e ".batches[0].p50_ns > 0 and .batches[0].memory > 0" out && [ -z "$(left)" ] &&
        image packed --gzip --tag v1 --file "$PLAIN:/bin/mlopsctl" -- $ours && bench --target image:oci:packed:v1 && image one.tar --tar --file "$PLAIN:/bin/mlopsctl" -- $ours && bench --target image:one.tar && [ -z "$(left)" ]
    '
    if have skopeo; then
        test_expect 'as skopeo copies it' '
            image src --tag t --file "$PLAIN:/bin/mlopsctl" -- $ours && skopeo --insecure-policy copy -q oci:src:t oci-archive:copied.tar:x && bench --target image:copied.tar:x
        '
    fi
    test_expect 'several callers, several batches, and beside the engine' '
        bench --target image:self --scenario multi --callers 3 --batch 1,8 && { mlopsctl bench m.onnx --against image:self --tolerance 9 --duration 1s --warmup 100ms || [ $? -eq 7 ]; } && [ -z "$(left)" ]
    '
    test_expect 'the model of a bundle is in it, by its name' '
        mkdir d && cp m.onnx d && mlopsctl pack d -t ridge:1 && mlopsctl bench ridge:1 --target image:self --duration 300ms --warmup 100ms
    '
    test_expect 'a runtime bundle, left as it is but for folders to mount on' '
        mkdir -p rb/rootfs && image unpacked --file "$PLAIN:/bin/mlopsctl" -- /x && tar -xf unpacked/blobs/sha256/"$(jq -r .manifests[0].digest unpacked/index.json | xargs -I{} sh -c "jq -r .layers[0].digest unpacked/blobs/sha256/\${0#*:}" {} | cut -d: -f2)" -C rb/rootfs &&
        (cd rb && "$(command -v runc || command -v crun)" spec && jq ".process.args = (\"$ours\" | split(\" \"))" config.json >c && mv c config.json) && find rb -type f | sort >before && bench --target image:rb && find rb -type f ! -path rb/rootfs/model/m.onnx | sort | diff before - && [ -z "$(left)" ]
    '
    test_expect 'no network, no privileges, its own processes, its user' '
        image who --user 1000:1000 --cwd /tmp --env A=b --file "$(command -v busybox || echo /bin/busybox):/bin/busybox" -- /bin/busybox sh -c "read h; echo no: \$(id -u) \$A \$(pwd) \$(ls /proc | grep -c ^[0-9]) \$(cat /proc/net/route | wc -l) \$(grep CapEff /proc/self/status)" 2>/dev/null || exit 0
        [ -x "$(command -v busybox)" ] || exit 0
        ! bench --target image:who 2>err && grep -q "no: 1000 b /tmp [1-4] 1 CapEff: 0000000000000000" err || { cat err; exit 1; }
    '
    test_expect 'one that does not speak is ended, and says why' '
        image mute --file "$(command -v sleep):/sleep" -- /sleep 1000 && ! timeout --foreground -s INT 3 "$MLOPSCTL" bench m.onnx --no-record --target image:mute && [ -z "$(left)" ] && image wrong --file "$(command -v cat):/cat" -- /cat && expect_code 4 bench --target image:wrong 2>err && grep -q "image:wrong.*said something other" err && [ -z "$(left)" ]
    '
    test_expect 'killed: the next run ends the container and removes its files' '
        timeout -s KILL 3 "$MLOPSCTL" bench m.onnx --no-record --target image:mute; was=$(left) && [ -n "$was" ] && [ -d "$was/state/$(ls "$was/state")" ] && pid=$(jq .init_process_pid "$was"/state/*/state.json) && kill -0 "$pid" &&
        bench --target image:self && [ -z "$(left)" ] && ! kill -0 "$pid"
    '
    if unshare -U true 2>/dev/null && have setpriv; then
        mkdir "$T/nobody" && chmod 777 "$T/nobody" && chmod 755 "$T" "$T/work" && chmod 755 .mlops && chmod a+rx "$T/work/self" && chmod -R a+rX "$T/work/self" "$T/work/m.onnx" && cp "$PLAIN" "$T/nobody/mlopsctl"
        as_nobody() { setpriv --reuid 65534 --regid 65534 --clear-groups env HOME="$T/nobody" XDG_CACHE_HOME="$T/nobody/cache" XDG_RUNTIME_DIR="$T/nobody" "$@"; }
        if [ "$(id -u)" = 0 ] && as_nobody unshare -U true 2>/dev/null; then
            test_expect 'without being root' '
                as_nobody "$T/nobody/mlopsctl" bench m.onnx --no-record --duration 300ms --warmup 100ms --target image:self --json >out && jq -e ".batches[0].p50_ns > 0" out && [ -z "$(ls "$T/nobody/cache/mlopsctl/containers")" ]
            '
        fi
    fi
else
    test_skip 'our own program in an image' 'no runtime can run here'
fi

# The same by crun alone. It refuses machines that mix both versions of control groups: there it is shown one of them.
mkdir only && ln -s "$(command -v crun)" only/crun
one_version() { unshare -m sh -c 'mount -t cgroup2 none /sys/fs/cgroup && exec "$@"' sh "$@"; }
by_crun() { "$@" env PATH="$PWD/only" "$MLOPSCTL" bench m.onnx --duration 300ms --warmup 100ms --no-record --target image:self --json; }
if ! have crun || ! have runc; then
    test_skip 'crun in place of runc' 'not both are installed'
elif by_crun >out 2>err || { grep -q 'hybrid mode' err && by_crun one_version >out 2>err; }; then
    test_expect 'crun in place of runc' 'jq -e ".batches[0].p50_ns > 0 and .batches[0].memory > 0" out && [ -z "$(left)" ]'
else
    test_skip 'crun in place of runc' "crun cannot run here: $(tail -1 err)"
fi
test_done
