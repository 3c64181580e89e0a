#!/bin/sh
# The programs of examples/bench as targets. What becomes of bad ones: tests/unit/test_bench_command.c.
. "${0%/*}/lib.sh"
ask="$R/build/gcc/tools/target-bench"
model=$G/onnx/pipelines/ridge/model.onnx
examples=$R/examples/bench
[ -x "$ask" ] || make -s -C "$R" build/gcc/tools/target-bench >/dev/null

good() { grep -q '^command: p50 .* requests, 0 failures' out; }

test_expect 'every file of the folder is named in its README, and every file that it names is there' '
    for f in "$examples"/*; do [ "${f##*/}" = README.md ] || grep -q "^| .${f##*/}. |" "$examples/README.md" || exit 1; done &&
    sed -n "s/^| .\([a-z_]*\.[a-z]*\). |.*/\1/p" "$examples/README.md" >named && [ "$(wc -l <named)" -ge 4 ] &&
    while read -r f; do [ -x "$examples/$f" ] || exit 1; done <named
'
test_expect 'a shell script' '
    "$ask" command "$examples/target.sh" "$model" 1 >out && good
'
test_expect 'one that is slower takes longer' '
    "$ask" command "$examples/target.sh 0.05" "$model" 1 >out && good && awk "{ exit !(\$3 > 50000) }" out
'

# A stand-in that checks what it is given, where ONNX Runtime is not installed: the script is what is tested.
mkdir -p "$T/stand-in"
cat >"$T/stand-in/onnxruntime.py" <<'END'
import os
class SessionOptions: pass
class InferenceSession:
    def __init__(self, model, options, providers):
        print("a library that prints")
        if not os.path.exists(model):
            raise FileNotFoundError(model)
    def run(self, outputs, feed):
        (x,) = feed.values()
        assert x.dtype == "float32" and x.ndim == 2 and len(x) in (1, 8) and x.any(), x
END
python_with() { # MODULE...: an interpreter that has them
    for p in "${MLO_TEST_PYTHON:-}" "$R/build/peers/bin/python3" python3; do
        if [ -n "$p" ] && "$p" -c "import $1" 2>/dev/null; then echo "$p" && return; fi
    done
}
ort=$(python_with onnxruntime,numpy)
numpy=$(python_with numpy)
if [ -n "$ort$numpy" ]; then
    [ -n "$ort" ] || export PYTHONPATH="$T/stand-in"
    ort=${ort:-$numpy}
    test_expect 'ONNX Runtime' '
        "$ask" command "$ort $examples/onnxruntime_target.py" "$model" 8 >out && good &&
        "$ask" command "$ort $examples/onnxruntime_target.py $model --threads 2" "$model" 1 >out && good
    '
    test_expect 'a model that it cannot read is told in its words' '
        ! "$ask" command "$ort $examples/onnxruntime_target.py none.onnx" "$model" 1 2>err &&
        grep -q "ended with exit status 1 before it was ready" err && grep -q "its last message: .*none.onnx" err
    '
else
    test_skip 'ONNX Runtime' 'numpy is not installed'
fi

torch=$(python_with torch)
if [ -n "$torch" ]; then
    test_expect 'PyTorch: TorchScript, and what torch.export wrote' '
        "$torch" -c "
import torch
m = torch.nn.Sequential(torch.nn.Linear(8, 1)).eval()
x = torch.zeros(8, 8)
torch.jit.trace(m, x).save(\"m.pt\")
torch.export.save(torch.export.export(m, (x,)), \"m.pt2\")" &&
        "$ask" command "$torch $examples/torch_target.py m.pt" "$model" 8 >out && good &&
        "$ask" command "$torch $examples/torch_target.py m.pt2" "$model" 8 >out && good
    '
else
    test_skip 'PyTorch' 'torch is not installed'
fi
test_done
