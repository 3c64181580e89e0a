"""The rows of tests/peers/run about inference: models run by our engine and by ONNX Runtime, one after the other, in one run.

`b` is the runner: its functions say and table, and its paths. BENCH_PYTHON_ONNXRUNTIME names a Python interpreter that has onnx and
onnxruntime (python3 when not set); what is not there is said.
"""
import os
import re
import shlex
import shutil
import statistics
import subprocess

MLPS = (("32-128-64-2", (1, 256)), ("256-512-256-10", (1, 256)), ("384-1536-384", (16, 128)))
BARS = {("32-128-64-2", 1): "0.4", ("256-512-256-10", 1): "12"}

MAKE = """import sys
import numpy as np
from onnx import TensorProto, helper, numpy_helper, save
path, sizes = sys.argv[1], [int(s) for s in sys.argv[2].split("-")]
random, nodes, weights, x = np.random.default_rng(1), [], [], "x"
for i, (k, n) in enumerate(zip(sizes, sizes[1:])):
    weights.append(numpy_helper.from_array((random.standard_normal((n, k)) / np.sqrt(k)).astype(np.float32), f"w{i}"))
    weights.append(numpy_helper.from_array(random.standard_normal(n).astype(np.float32), f"b{i}"))
    last = i == len(sizes) - 2
    nodes.append(helper.make_node("Gemm", [x, f"w{i}", f"b{i}"], ["y" if last else f"h{i}"], transB=1))
    if not last:
        nodes.append(helper.make_node("Relu", [f"h{i}"], [f"r{i}"]))
    x = f"r{i}"
port = lambda name, n: helper.make_tensor_value_info(name, TensorProto.FLOAT, ["batch", n])
graph = helper.make_graph(nodes, "mlp", [port("x", sizes[0])], [port("y", sizes[-1])], weights)
save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)
"""
# Inputs and outputs bound once: nothing is copied or allocated in a call. The best of many short rounds, as infer-bench has it.
PEER = """import sys, time
import numpy as np
import onnxruntime as ort
path, columns, rows, threads = sys.argv[1], *map(int, sys.argv[2:])
options = ort.SessionOptions()
options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
session = ort.InferenceSession(path, options, providers=["CPUExecutionProvider"])
x = ort.OrtValue.ortvalue_from_numpy(np.random.default_rng(1).random((rows, columns), dtype=np.float32))
bound = session.io_binding()
bound.bind_ortvalue_input("x", x)
bound.bind_output("y")
run, best, end = session.run_with_iobinding, 1e9, time.perf_counter() + 1
while time.perf_counter() < end:
    start = time.perf_counter()
    for _ in range(20):
        run(bound)
    best = min(best, (time.perf_counter() - start) / 20)
print(best * 1e6)
"""


def python():
    """Its path and the version of onnxruntime, or None."""
    path = shutil.which(os.environ.get("BENCH_PYTHON_ONNXRUNTIME", "python3"))
    asked = subprocess.run([path, "-c", "import onnx, onnxruntime; print(onnxruntime.__version__)"], capture_output=True, text=True, check=False)
    return (path, asked.stdout.strip()) if asked.returncode == 0 else None


def output(argv):
    argv = [*shlex.split(os.environ.get("BENCH_PREFIX", "")), *argv]  # one that stops all else, for instance
    return subprocess.run([str(a) for a in argv], capture_output=True, text=True, check=True).stdout


def ours(b, path, columns, rows, threads):
    """Microseconds of one call."""
    text = output([os.path.join(os.path.dirname(b.MLO), "tools", "infer-bench"), path, columns, rows, threads])
    one, many = re.search(r"one row ([0-9.]+) us, \d+ rows ([0-9.]+) us", text).groups()
    return float(one) if rows == 1 else float(many) * rows


def limits(b):
    """GFLOP/s and GB/s of the second cache, of one core."""
    text = output([os.path.join(os.path.dirname(b.MLO), "tools", "machine-limits")])
    return float(re.search(r"([0-9.]+) GFLOP/s", text).group(1)), float(re.search(r"GB/s of \d+ KiB, ([0-9.]+) GB/s of", text).group(1)), text.strip()


def row(b, peer, name, path, rows, threads, limit):
    sizes = [int(s) for s in name.split("-")]
    weights = sum(k * n for k, n in zip(sizes, sizes[1:]))
    times = {"ours": [], "peer": []}
    for _ in range(b.RUNS):
        times["ours"].append(ours(b, path, sizes[0], rows, threads))
        if peer:
            times["peer"].append(float(output([peer[0], "-c", PEER, path, sizes[0], rows, threads])))
    us = statistics.median(times["ours"])
    other = statistics.median(times["peer"]) if peer else None
    gflops, gbytes = 2 * weights * rows / us * 1e-3, 4 * weights / us * 1e-3
    share = f"{gflops / limit[0] / threads:.2f} of FLOP/s" if rows > 7 else f"{gbytes / limit[1]:.2f} of GB/s"
    return (name, rows, threads, f"{us:.2f}", BARS.get((name, rows), "") if threads == 1 else "", f"{other:.2f}" if peer else "", f"{other / us:.1f}" if peer else "",
            f"{2 * weights * rows:,}", f"{4 * weights:,}", share)


def mlps(b):
    b.say("## Inference: dense layers\n")
    peer, limit = python(), limits(b)
    b.say(f"Layers with bias and ReLU between them (`tests/peers/run infer-mlp`), random weights and rows; microseconds of one call, the best of a second, medians of {b.RUNS} processes each, "
          f"ours and {'ONNX Runtime ' + peer[1] if peer else 'nothing else'} in turn. Ours through `mlo_session_run`, ONNX Runtime through Python with bound inputs and outputs (about 1 us of a call is "
          f"Python's). One core of this machine, by `machine-limits`: {limit[2]}.\n")
    rows = []
    for name, batches in MLPS:
        path = os.path.join(b.work, f"mlp-{name}.onnx")
        if not peer:
            b.say("onnx or onnxruntime is not installed.\n")
            return
        output([peer[0], "-c", MAKE, path, name])
        rows += [row(b, peer, name, path, n, threads, limit) for n in batches for threads in ((1, 2) if n > 1 else (1,))]
    b.table(["layers", "rows", "threads", "us", "bar", "ONNX Runtime us", "times ours", "operations", "bytes of weights", "share of the machine's limit"], rows)
    b.say("One row reads each weight once: its limit is the second cache, and more than 1 of it means that zeros behind a ReLU were skipped with their weights. "
          "More rows are multiplications.\n")
