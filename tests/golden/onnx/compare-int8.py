#!/usr/bin/env python3
"""How near the outputs of bytes are to those of floats, here and in ONNX Runtime, and whether layers of bytes are the same:

    compare-int8.py ENCODER-BENCH FOLDER

FOLDER holds minilm.onnx and minilm-int8.onnx (make-encoders.py). First each layer alone, on the same random floats: how many of the outputs
are not the same bits. Then whole encoders on random tokens, the least and the mean cosine of vectors: ours, ONNX Runtime's (`ort`) and ONNX
Runtime's without its optimisations (`plain`), of bytes, each with the others and with ONNX Runtime's of floats. Needs numpy, onnx, onnxruntime.
"""
import os
import subprocess
import sys
import tempfile

import numpy as np
import onnx
import onnxruntime as ort
from onnx import TensorProto, helper, numpy_helper

NAMES = ("input_ids", "attention_mask", "token_type_ids")
ROWS = 64
LENGTHS = {"1 x 16": [16], "1 x 128": [128], "8 x 16": [16] * 8, "6 padded": [4, 9, 17, 33, 50, 63]}
SEEDS = 8
PAIRS = (("ours", "floats"), ("ort", "floats"), ("plain", "floats"), ("ours", "ort"), ("ours", "plain"), ("ort", "plain"))
ALL, NONE = ort.GraphOptimizationLevel.ORT_ENABLE_ALL, ort.GraphOptimizationLevel.ORT_DISABLE_ALL


def session(model, level):
    o = ort.SessionOptions()
    o.intra_op_num_threads, o.graph_optimization_level = 1, level
    return ort.InferenceSession(model, o, providers=["CPUExecutionProvider"])


def ours(bench, model, given, folder):
    path = os.path.join(folder, "in")
    with open(path, "wb") as f:
        for k in NAMES:
            f.write(np.ascontiguousarray(given[k]).tobytes())
    subprocess.run([bench, model], input="1 {} {} {}\n".format(*given["input_ids"].shape, path), text=True, capture_output=True, check=True)
    return np.fromfile(path + ".out", np.float32).reshape(*given["input_ids"].shape, -1)


# ---- layers ----

def layers(graph):
    """Of each: nodes, weights and the name of the output of DynamicQuantizeLinear, MatMulInteger, Cast, Mul, Add."""
    made = {o: n for n in graph.node for o in n.output}
    for node in graph.node:
        if node.op_type != "MatMulInteger":
            continue
        start, end, nodes, todo = made[node.input[0]].input[0], node.output[0], [], []
        for kind in ("Cast", "Mul", "Add"):
            end = next(n for n in graph.node if n.op_type == kind and end in n.input).output[0]
        todo.append(end)
        while todo:
            name = todo.pop()
            if name != start and name in made and made[name] not in nodes:
                nodes.insert(0, made[name])
                todo += made[name].input
        nodes = [n for n in graph.node if n in nodes]
        used = {i for n in nodes for i in n.input}
        yield start, end, nodes, [w for w in graph.initializer if w.name in used]


def compare_layers(bench, path, folder):
    model, r, differ, values, n = onnx.load(path), np.random.default_rng(1), 0, 0, 0
    for start, end, nodes, weights in layers(model.graph):
        width = max(w.dims[0] for w in weights if len(w.dims) == 2)
        table = np.float32(r.normal(size=(ROWS, width)) * np.exp(r.normal(size=width)))
        nodes = [helper.make_node("Gather", ["table", "input_ids"], [start])] + nodes
        ports = [helper.make_tensor_value_info(k, TensorProto.INT64, ["b", "s"]) for k in NAMES]
        graph = helper.make_graph(nodes, "layer", ports, [helper.make_tensor_value_info(end, TensorProto.FLOAT, ["b", "s", None])],
                                  weights + [numpy_helper.from_array(table, "table")])
        cut = os.path.join(folder, "layer.onnx")
        onnx.save(helper.make_model(graph, opset_imports=model.opset_import, ir_version=model.ir_version), cut)
        for rows in (1, 13, ROWS):
            given = {k: np.arange(rows)[None] for k in NAMES}
            mine, want = ours(bench, cut, given, folder), session(cut, ALL).run(None, given)[0]
            differ, values = differ + int((mine.view(np.int32) != want.view(np.int32)).sum()), values + mine.size
        n += 1
    print(f"{n} layers, {values:,} values, {differ:,} differ")


# ---- encoders ----

def cosine(a, b):
    a, b = a.astype(np.float64), b.astype(np.float64)
    return (a * b).sum(1) / np.linalg.norm(a, axis=1) / np.linalg.norm(b, axis=1)


def tokens(lengths, seed):
    r = np.random.default_rng(seed)
    mask = np.int64([[i < v for i in range(max(lengths))] for v in lengths])
    return {"input_ids": r.integers(1000, 30000, mask.shape) * mask, "attention_mask": mask, "token_type_ids": 0 * mask}


def compare_encoders(bench, floats, quantised, folder):
    sessions = {"floats": session(floats, ALL), "ort": session(quantised, ALL), "plain": session(quantised, NONE)}
    for name, lengths in LENGTHS.items():
        found = {p: [] for p in PAIRS}
        for seed in range(SEEDS):
            given = tokens(lengths, seed)
            counted = given["attention_mask"].astype(bool)
            out = {k: s.run(None, given)[0][counted] for k, s in sessions.items()}
            out["ours"] = ours(bench, quantised, given, folder)[counted]
            for p in PAIRS:
                found[p].append(cosine(out[p[0]], out[p[1]]))
        print(name, *(f"{a}-{b} {np.min(c):.4f} {np.mean(c):.5f}" for (a, b), v in found.items() for c in [np.concatenate(v)]), sep="  ")


def main():
    bench, models = sys.argv[1:]
    floats, quantised = (os.path.join(models, f"minilm{kind}.onnx") for kind in ("", "-int8"))
    with tempfile.TemporaryDirectory() as folder:
        compare_layers(bench, quantised, folder)
        compare_encoders(bench, floats, quantised, folder)


main()
