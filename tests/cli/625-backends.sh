#!/bin/sh
# backends: each step to a GPU that can fail, with fake drivers and plugins.
. "${0%/*}/lib.sh"
fakes=$R/tests/fakes include=$R/include
if ! command -v cc >/dev/null; then test_skip 'all of it' 'no C compiler'; test_done; exit; fi
mkdir plugins driver empty
cc -shared -fPIC -o driver/libcuda.so.1 "$fakes/libcuda.c" && cc -shared -fPIC -I "$include" -o plugins/mlopsctl-cuda.so "$fakes/plugin.c" || exit 1
chmod 755 plugins/mlopsctl-cuda.so

# backends [NAME=VALUE...]: with both fakes; the answer is in `out`
backends() {
    (
        export LD_LIBRARY_PATH="$PWD/driver" MLOPSCTL_PLUGINS="$PWD/plugins"
        [ $# -eq 0 ] || export "$@"
        mlopsctl backends --json >out
    )
}
# says STEP TEXT: this step failed, with these words, and the CPU computes
says() {
    [ "$(jq -r .backend out)" = cpu ] && jq -e --arg t "$2" '.reason | contains($t)' out >/dev/null && jq -e --arg s "$1" --arg t "$2" '[.steps[] | select(.step == $s and .ok == "no" and (.detail | contains($t)))] | length == 1' out >/dev/null || { cat out; false; }
}

test_expect 'all is there' '
    backends && [ "$(jq -r .backend out)" = cuda ] && jq -e "[.steps[] | select(.ok == \"no\")] == [] and .reason == null" out && grep -q "Fake 0, compute capability 9.0, 132" out
'
test_expect 'two devices' 'backends FAKE_PLUGIN_DEVICES=2 && grep -q "Fake 1" out'
test_expect 'no driver' 'backends LD_LIBRARY_PATH="$PWD/empty" && { says driver "no libcuda.so.1" || [ "$(jq -r .backend out)" = cuda ]; }'
test_expect 'a driver that does not start' 'backends FAKE_CUDA_INIT=999 && says driver "CUDA error 999"'
test_expect 'an old driver' 'backends FAKE_CUDA_VERSION=12040 && says driver "too old: it has CUDA 12.4, at least 13.0"'
test_expect 'a driver without its functions' '
    echo "int nothing;" >none.c && mkdir hollow && cc -shared -fPIC -o hollow/libcuda.so.1 none.c &&
    backends LD_LIBRARY_PATH="$PWD/hollow" && says driver "lacks the functions"
'
test_expect 'no plugin; the current folder does not count' '
    cp plugins/mlopsctl-cuda.so . && backends MLOPSCTL_PLUGINS="$PWD/empty" && says plugin "not installed"
'
test_expect 'a plugin of another interface' 'backends FAKE_PLUGIN_ABI=7 && says plugin "interface 7, not 4"'
test_expect 'a plugin of fewer functions' 'backends FAKE_PLUGIN_SIZE=8 && says plugin "another version"'
test_expect 'a plugin that refuses' 'backends FAKE_PLUGIN_NULL=1 && says plugin "another version"'
test_expect 'no device' 'backends FAKE_PLUGIN_DEVICES=0 && says device "no device"'
test_expect 'a device that is lost' 'backends FAKE_PLUGIN_FAIL="the device fell off the bus" && says device "fell off the bus" && jq -e "[.steps[] | select(.step == \"plugin\")][0].ok == \"ok\"" out'
test_expect 'a plugin that anybody may change is not opened' '
    mkdir open && cp plugins/mlopsctl-cuda.so open/ && chmod 777 open/mlopsctl-cuda.so &&
    backends MLOPSCTL_PLUGINS="$PWD/open" && says plugin "may be changed by others"
'
test_expect 'no library, and one without the entry' '
    mkdir text other && echo text >text/mlopsctl-cuda.so && chmod 644 text/mlopsctl-cuda.so && backends MLOPSCTL_PLUGINS="$PWD/text" && says plugin "cannot be opened" &&
    cc -shared -fPIC -DNO_ENTRY -I "$include" -o other/mlopsctl-cuda.so "$fakes/plugin.c" && chmod 755 other/mlopsctl-cuda.so &&
    backends MLOPSCTL_PLUGINS="$PWD/other" && says plugin "has no mlo_device_plugin"
'
test_done
