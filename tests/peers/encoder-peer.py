#!/usr/bin/env python3
"""Times an encoder here and in ONNX Runtime, in turns in one run, and compares the outputs:

    encoder-peer.py ENCODER-BENCH MODEL.onnx [THREADS] [SECONDS]

One line of JSON for each shape: median microseconds of both, and the least cosine of rows of the outputs. `mixed`: 16 rows of 4 to 64 tokens,
padded to the longest for ONNX Runtime (one by one for the cosine), and here without the padding, once more by length (grouped_us). Needs numpy and onnxruntime.
"""
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time

import numpy as np
import onnxruntime as ort

VOCABULARY = 30000
REST = 0.1  # seconds behind ONNX Runtime's runs, whose threads go on spinning (45 ms on two threads) on the cores that ours need next


def inputs(lengths, seed):
    r = np.random.default_rng(seed)
    n = max(lengths)
    mask = np.int64([[i < v for i in range(n)] for v in lengths])
    return {"input_ids": r.integers(1000, VOCABULARY, mask.shape) * mask, "attention_mask": mask, "token_type_ids": 0 * mask}


LAYERS, HIDDEN, INNER = 6, 384, 1536  # of MiniLM-L6


def operations(lengths):
    """Multiplications and additions without padding: the layers' weights, then scores and mixed values."""
    return sum(2 * LAYERS * n * (4 * HIDDEN * HIDDEN + 2 * HIDDEN * INNER + 2 * n * HIDDEN) for n in lengths)


def cosine(a, b):
    a, b = a.reshape(-1, a.shape[-1]).astype(np.float64), b.reshape(-1, b.shape[-1]).astype(np.float64)
    return float(((a * b).sum(1) / np.linalg.norm(a, axis=1) / np.linalg.norm(b, axis=1)).min())


def session(model, threads):
    o = ort.SessionOptions()
    o.intra_op_num_threads = threads
    o.inter_op_num_threads = 1
    return ort.InferenceSession(model, o, providers=["CPUExecutionProvider"])


def write_rows(given, rows, n, path):
    """The line to ask for the first n tokens of these rows."""
    with open(path, "wb") as f:
        for k in ("input_ids", "attention_mask", "token_type_ids"):
            f.write(np.ascontiguousarray(given[k][rows, :n]).tobytes())
    return f"1 {len(rows)} {n} {path}\n"


def write_groups(given, lengths, folder):
    """Rows of one length together, so that nothing is padded."""
    return [write_rows(given, [i for i, v in enumerate(lengths) if v == n], n, os.path.join(folder, f"in{n}")) for n in sorted(set(lengths))]


def ask(ours, lines):
    """Microseconds of all of them."""
    ours.stdin.write("".join(lines))
    ours.stdin.flush()
    return sum(float(ours.stdout.readline()) for _ in lines) / 1e3


def outputs_alone(theirs, given, lengths):
    """Of each row by itself where lengths differ: padding and neighbours would take part in the scales of bytes."""
    if len(set(lengths)) == 1:
        return list(theirs.run(None, given)[0])
    return [theirs.run(None, {k: v[i : i + 1, :n] for k, v in given.items()})[0][0] for i, n in enumerate(lengths)]


def compare(name, ours, theirs, lengths, seconds, folder):
    given = inputs(lengths, len(lengths) + lengths[0])
    path = os.path.join(folder, "in")
    padded, groups = [write_rows(given, list(range(len(lengths))), max(lengths), path)], write_groups(given, lengths, folder)
    times = {"us": [], "ort_us": [], "grouped_us": []}
    end = time.monotonic() + seconds
    while time.monotonic() < end or len(times["us"]) < 6:
        times["us"] += [ask(ours, padded) for _ in range(3)]
        if len(groups) > 1:
            times["grouped_us"] += [ask(ours, groups) for _ in range(3)]
        for _ in range(3):
            start = time.perf_counter()
            theirs.run(None, given)
            times["ort_us"].append(1e6 * (time.perf_counter() - start))
        time.sleep(REST)
    got = np.fromfile(path + ".out", np.float32).reshape(len(lengths), max(lengths), -1)
    least = min(cosine(got[i, :n], want) for i, (n, want) in enumerate(zip(lengths, outputs_alone(theirs, given, lengths))))
    times = {k: v for k, v in times.items() if v}
    row = {"shape": name, **{k: round(statistics.median(v), 1) for k, v in times.items()},
           **{k.replace("us", "best_us"): round(min(v), 1) for k, v in times.items()}, "cosine": least, "operations": operations(lengths)}
    row["ratio"] = round(row["ort_us"] / row["us"], 2)
    print(json.dumps(row), flush=True)


def main():
    bench, model = sys.argv[1:3]
    threads, seconds = int((sys.argv[3:] or [1])[0]), float((sys.argv[4:] or [2])[0])
    ours = subprocess.Popen([bench, model, str(threads)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    load, kb = ours.stdout.readline().split()
    start = time.perf_counter()
    theirs = session(model, threads)
    print(json.dumps({"load_ms": float(load), "resident_mb": int(kb) / 1024, "file_mb": os.path.getsize(model) / 2**20,
                      "ort_load_ms": round(1e3 * (time.perf_counter() - start), 1)}), flush=True)
    mixed = list(np.random.default_rng(1).integers(4, 65, 16))
    with tempfile.TemporaryDirectory() as folder:
        for name, lengths in (("1 x 16", [16]), ("1 x 128", [128]), ("8 x 32", [32] * 8), ("mixed", mixed)):
            compare(name, ours, theirs, [int(v) for v in lengths], seconds, folder)
    ours.stdin.close()
    ours.wait()


main()
