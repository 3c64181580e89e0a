#!/bin/sh
# The real GPU plugin: what is in it, what it shows, what it says where there is no GPU. On one, gpu-kit computes.
. "${0%/*}/lib.sh"
build=$(dirname "${PLAIN:-$MLOPSCTL}") fakes=$R/tests/fakes
plugin=$build/mlopsctl-cuda.so kit=$build/tools/gpu-kit
mkdir driver empty
command -v cc >/dev/null && cc -shared -fPIC -o driver/libcuda.so.1 "$fakes/libcuda.c"

"$kit" "$build" >out 2>err
status=$?
if [ $status -eq 7 ]; then
    test_expect 'without a GPU gpu-kit ends with 7 and the reason' 'grep -q "^gpu-kit: no GPU can be used: ." err && ! test -s out'
else
    test_expect 'the GPU computes what the CPU computes' 'cat out && [ $status -eq 0 ]'
fi
test_expect 'gpu-kit without a plugin' '! LD_LIBRARY_PATH="$PWD/driver" "$kit" "$PWD/empty" 2>err && grep -q "not installed" err'

if ! [ -e "$plugin" ]; then
    test_skip 'the plugin' 'no nvcc'
    test_done
    exit
fi
if command -v nm >/dev/null; then
    test_expect 'it shows one symbol' '[ "$(nm -D --defined-only "$plugin" | cut -d" " -f3)" = mlo_device_plugin ]'
else
    test_skip 'it shows one symbol' 'no nm'
fi
if command -v cuobjdump >/dev/null; then
    test_expect 'it holds code for 8.0, 9.0 and newer devices' '
        cuobjdump -lelf -lptx "$plugin" >code && grep -q "sm_80.cubin" code && grep -q "sm_90.cubin" code && grep -q "sm_90.ptx" code
    '
    test_expect 'every kernel is there for 9.0, and none spills registers' '
        cuobjdump -arch sm_90 -res-usage "$plugin" >usage 2>&1 &&
        [ "$(grep -c "Function.*gpu_" usage)" -eq "$(cat "$R"/src/backend/cuda/*.h | awk "/^GPU_KERNEL\(|^TENSOR_KERNEL\(|^GPU_FEW_BYTES\(/ { n++ } /^GPU_TYPED\(/ { n += 3 } END { print n }")" ] &&
        ! grep "STACK:[1-9]\|LOCAL:[1-9]" usage
    '
    for arch in sm_80 sm_90; do
        test_expect "attention of halves is on the tensor cores of $arch, that of floats is not" '
            cuobjdump -arch $arch -sass "$plugin" 2>&1 | awk "/Function :/ { f = \$3 } /HMMA/ { n[f]++ } END { for (f in n) print f, n[f] }" >hmma &&
            [ "$(grep -c "gpu_tensor_.*f16" hmma)" -eq 6 ] && ! grep -v "gpu_tensor_\|gpu_tiles_e4m3" hmma
        '
        test_expect "products of bytes are on the tensor cores of $arch: those of int8 as they are, those of float8 as halves on 9.0" '
            cuobjdump -arch $arch -sass "$plugin" 2>&1 | awk "/Function :/ { f = \$3 } /IMMA.16832.S8.S8/ { print f }" | sort -u >imma && [ "$(grep -c . imma)" -eq 1 ] && grep -q gpu_tiles_i8 imma &&
            { [ $arch = sm_80 ] || grep -q gpu_tiles_e4m3 hmma; }
        '
    done
else
    test_skip 'it holds code for 8.0, 9.0 and newer devices, and instructions of tensor cores' 'no cuobjdump'
fi
test_expect 'a driver that is none: it is opened, asked, and says why' '
    LD_LIBRARY_PATH="$PWD/driver" MLOPSCTL_PLUGINS="$build" mlopsctl backends --json >out &&
    jq -e ".backend == \"cpu\" and ([.steps[] | select(.step == \"device\" and .ok == \"no\" and (.detail | contains(\"cannot count the devices\")))] | length == 1)" out
'
test_done
