#!/usr/bin/env python3
"""Random graphs through ONNX Runtime and through our engine, fused and plain: what differs is kept.

    python3 tests/peers/random-graphs.py [--seed 1] [--graphs 500] [--keep FOLDER] [PROGRAM]   (needs onnx, onnxruntime, numpy)

A graph has 3 to 16 nodes: products with and without bias and activation, the parts of LayerNorm, GELU and attention in the forms of
exporters, arithmetic with broadcasting, what moves numbers, branches and loops, and quantised inputs with convolutions of them. Values stay small and no function jumps, so that a difference beyond the
rounding of sums (ATOL) is one of meaning. Exit 1 when an answer differs, and the folder then has those cases alone.
"""
import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile

import numpy as np
import onnx
import onnxruntime as ort
from onnx import helper, numpy_helper

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "golden", "onnx"))
import casefolder

F = np.float32
ATOL = "2e-5"


class Graph:
    """Nodes so far, and each value with its shape: all floats."""

    def __init__(self, r):
        self.r, self.nodes, self.weights, self.values, self.inputs, self.hidden = r, [], [], {}, {}, {}
        for i in range(int(r.integers(1, 4))):
            shape = tuple(int(d) for d in r.integers(1, 9, size=r.integers(2, 5)))
            self.inputs[f"x{i}"] = r.normal(size=shape).astype(F)
            self.values[f"x{i}"] = shape

    def weight(self, array):
        name = f"w{len(self.weights)}"
        self.weights.append(numpy_helper.from_array(np.asarray(array), name))
        return name

    def normal(self, *shape):
        return self.weight(self.r.normal(scale=0.5, size=shape).astype(F))

    def node(self, op, inputs, shape, n=1, **attrs):
        names = [f"v{len(self.values) + len(self.hidden) + i}" for i in range(n)]
        self.nodes.append(helper.make_node(op, inputs, names, **attrs))
        for name, s in zip(names, shape if n > 1 else [shape]):
            self.values[name] = tuple(s)
        return names[0]

    def pick(self, ranks=range(9)):
        """A value, as a rule a late one: chains are what passes look for."""
        names = [v for v, s in self.values.items() if len(s) in ranks]
        if not names:
            return None
        return names[-1] if self.r.random() < 0.6 else str(self.r.choice(names))


def dense(g):
    x = g.pick(range(2, 5))
    shape, n = g.values[x], int(g.r.integers(1, 20))
    y = g.node("MatMul", [x, g.normal(shape[-1], n)], shape[:-1] + (n,))
    if g.r.random() < 0.7:
        pair = [y, g.normal(n)]
        y = g.node("Add", pair if g.r.random() < 0.5 else pair[::-1], g.values[y])
    if g.r.random() < 0.6:
        g.node(str(g.r.choice(["Relu", "Tanh", "Sigmoid", "LeakyRelu", "Elu"])), [y], g.values[y])


def gemm(g):
    x = g.pick([2])
    if x:
        m, k = g.values[x]
        n, turn = int(g.r.integers(1, 20)), int(g.r.integers(2))
        bias = [[g.normal(n)], [g.normal(1, n)], [g.normal(m, 1)], []][int(g.r.integers(4))]
        g.node("Gemm", [x, g.normal(*((n, k) if turn else (k, n)))] + bias, (m, n), transB=turn, alpha=float(g.r.choice([1, 0.5])), beta=float(g.r.choice([1, 2])))


def layer_norm(g):
    x = g.pick(range(2, 5))
    shape = g.values[x]
    one = shape[:-1] + (1,)
    mean = g.node("ReduceMean", [x, g.weight(np.array([-1]))], one)
    away = g.node("Sub", [x, mean], shape)
    square = g.node("Pow", [away, g.weight(np.array(2, dtype=F))], shape) if g.r.random() < 0.7 else g.node("Mul", [away, away], shape)
    variance = g.node("ReduceMean", [square, g.weight(np.array([-1]))], one)
    root = g.node("Sqrt", [g.node("Add", [variance, g.weight(np.array(1e-3, dtype=F))], one)], one)
    y = g.node("Mul", [g.node("Div", [away, root], shape), g.normal(shape[-1])], shape)
    g.node("Add", [y, g.normal(shape[-1])], shape)


def gelu(g):
    x = g.pick()
    shape = g.values[x]
    number = lambda v: g.weight(np.array(v, dtype=F))
    erf = g.node("Erf", [g.node("Div", [x, number(2**0.5)], shape)], shape)
    one = g.node("Add", [erf, number(1)], shape)
    if g.r.random() < 0.5:
        g.node("Mul", [g.node("Mul", [x, one], shape), number(0.5)], shape)
    else:
        g.node("Mul", [g.node("Mul", [x, number(0.5)], shape), one], shape)


def attention(g):
    x = g.pick([3])
    if not x:
        return
    b, s, k = g.values[x]
    heads, d = int(g.r.integers(1, 4)), int(g.r.integers(1, 9))
    parts = []
    for turn in ([0, 2, 1, 3], [0, 2, 3, 1], [0, 2, 1, 3]):
        y = g.node("Add", [g.node("MatMul", [x, g.normal(k, heads * d)], (b, s, heads * d)), g.normal(heads * d)], (b, s, heads * d))
        y = g.node("Reshape", [y, g.weight(np.array([0, 0, heads, d]))], (b, s, heads, d))
        parts.append(g.node("Transpose", [y], tuple((b, s, heads, d)[t] for t in turn), perm=turn))
    scores = g.node("MatMul", parts[:2], (b, heads, s, s))
    scores = g.node("Div", [scores, g.weight(np.array(d**0.5, dtype=F))], g.values[scores])
    if g.r.random() < 0.5:
        scores = g.node("Add", [scores, g.normal(b, 1, 1, s)], g.values[scores])
    y = g.node("MatMul", [g.node("Softmax", [scores], g.values[scores], axis=-1), parts[2]], (b, heads, s, d))
    y = g.node("Transpose", [y], (b, s, heads, d), perm=[0, 2, 1, 3])
    g.node("Reshape", [y, g.weight(np.array([0, 0, heads * d]))], (b, s, heads * d))


def unary(g):
    x = g.pick()
    g.node(str(g.r.choice(["Tanh", "Sigmoid", "Neg", "Abs", "Softplus", "Softsign", "Erf", "Sin", "Identity", "HardSigmoid", "Selu"])), [x], g.values[x])


def binary(g):
    x, y = g.pick(), g.pick()
    try:
        shape = np.broadcast_shapes(g.values[x], g.values[y])
    except ValueError:
        shape = g.values[x]
        y = g.normal(*[d if g.r.random() < 0.5 else 1 for d in shape[int(g.r.integers(len(shape))):]])
    g.node(str(g.r.choice(["Add", "Sub", "Mul", "Max", "Min"])), [x, y] if g.r.random() < 0.5 else [y, x], shape)


def transpose(g):
    x = g.pick()
    perm = [int(p) for p in g.r.permutation(len(g.values[x]))]
    g.node("Transpose", [x], tuple(g.values[x][p] for p in perm), perm=perm)


def reshape(g):
    x = g.pick()
    shape = g.values[x]
    to = [(int(np.prod(shape[:-1])), shape[-1]), (int(np.prod(shape)), 1), (1,) + shape][int(g.r.integers(3))]
    if len(to) < 6:
        g.node("Reshape", [x, g.weight(np.array(to))], to)


def concat(g):
    x = g.pick()
    shape, axis = list(g.values[x]), int(g.r.integers(len(g.values[x])))
    other = g.normal(*[int(g.r.integers(1, 5)) if i == axis else d for i, d in enumerate(shape)])
    shape[axis] += onnx.TensorProto.FromString(g.weights[-1].SerializeToString()).dims[axis]
    g.node("Concat", [x, other] if g.r.random() < 0.5 else [other, x], shape, axis=axis)


def slice_(g):
    x = g.pick()
    shape, axis = list(g.values[x]), int(g.r.integers(len(g.values[x])))
    start = int(g.r.integers(shape[axis]))
    end, step = int(g.r.integers(start + 1, shape[axis] + 1)), int(g.r.integers(1, 3))
    shape[axis] = len(range(start, end, step))
    g.node("Slice", [x] + [g.weight(np.array([v])) for v in (start, end, axis, step)], shape)


def split(g):
    x = g.pick()
    axis = int(g.r.integers(len(g.values[x])))
    shape = list(g.values[x])
    if shape[axis] > 1:
        a, b = list(shape), list(shape)
        a[axis] = int(g.r.integers(1, shape[axis]))
        b[axis] = shape[axis] - a[axis]
        g.node("Split", [x, g.weight(np.array([a[axis], b[axis]]))], [a, b], n=2, axis=axis)


def reduce_(g):
    x = g.pick()
    axis = int(g.r.integers(len(g.values[x])))
    shape = [1 if i == axis else d for i, d in enumerate(g.values[x])]
    g.node(str(g.r.choice(["ReduceMean", "ReduceMax", "ReduceSum", "ReduceL2", "ReduceLogSumExp"])), [x, g.weight(np.array([axis]))], shape)


def softmax(g):
    x = g.pick()
    g.node(str(g.r.choice(["Softmax", "LogSoftmax"])), [x], g.values[x], axis=int(g.r.integers(-1, len(g.values[x]))))


def quantized(g):
    """An input of the graph, whose bytes are the same on both sides."""
    x, t = str(g.r.choice(list(g.inputs))), [np.uint8, np.int8][int(g.r.integers(2))]
    shape = g.values[x]
    axis, each = int(g.r.integers(len(shape))), g.r.random() < 0.5
    n = shape[axis] if each else None
    scale, zero = g.weight(np.asarray(g.r.uniform(0.01, 0.05, size=n), F)), g.weight(np.asarray(g.r.integers(*((90, 160) if t == np.uint8 else (-40, 40)), size=n)).astype(t))
    q = g.node("QuantizeLinear", [x, scale, zero], shape, axis=axis)
    g.values.pop(q)
    g.hidden[q] = None
    return g.node("DequantizeLinear", [q, scale, zero], shape, axis=axis)


def quantized_conv(g):
    x = quantized(g)
    shape = g.values[x]
    if len(shape) < 3:
        return
    kernel = [int(g.r.integers(1, min(d, 3) + 1)) for d in shape[2:]]
    out, t = int(g.r.integers(1, 20)), [np.uint8, np.int8][int(g.r.integers(2))]
    w = g.weight(g.r.integers(np.iinfo(t).min, np.iinfo(t).max + 1, size=[out, shape[1]] + kernel).astype(t))
    n = out if g.r.random() < 0.5 else None
    scale, zero = g.weight(np.asarray(g.r.uniform(0.001, 0.01, size=n), F)), g.weight(np.zeros([] if n is None else [n], t) + t(0 if t == np.int8 else 128))
    name = g.node("DequantizeLinear", [w, scale, zero], [out, shape[1]] + kernel, axis=0)
    g.values.pop(name)
    g.hidden[name] = None
    pads = [int(g.r.integers(k)) for k in kernel + kernel]
    strides = [int(g.r.integers(1, 3)) for _ in kernel]
    to = [(d + pads[i] + pads[i + len(kernel)] - kernel[i]) // strides[i] + 1 for i, d in enumerate(shape[2:])]
    y = g.node("Conv", [x, name] + ([g.normal(out)] if g.r.random() < 0.5 else []), (shape[0], out, *to), pads=pads, strides=strides)
    if g.r.random() < 0.5:
        g.node("Relu", [y], g.values[y])


def float_port(name, shape=None):
    return helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, shape)


def branch(g):
    x, k = g.pick(), len(g.values)
    bodies = {f"{w}_branch": helper.make_graph([helper.make_node(str(g.r.choice(["Neg", "Abs", "Tanh", "Identity"])), [x], [f"{w}{k}"])], w, [], [float_port(f"{w}{k}")]) for w in ("then", "else")}
    g.node("If", [g.weight(np.array(bool(g.r.integers(2))))], g.values[x], **bodies)


def loop(g):
    """What goes round is halved and gets another value; each turn is listed."""
    x, k, turns = g.pick(), len(g.values), int(g.r.integers(1, 4))
    shape = g.values[x]
    same = [v for v, s in g.values.items() if s == shape]
    other, half = str(g.r.choice(same)), g.weight(np.array(0.5, F))
    nodes = [helper.make_node("Mul", [f"s{k}", half], [f"h{k}"]), helper.make_node("Add", [f"h{k}", other], [f"o{k}"]), helper.make_node("Identity", [f"c{k}"], [f"d{k}"]), helper.make_node("Tanh", [f"o{k}"], [f"e{k}"])]
    ports = [helper.make_tensor_value_info(f"i{k}", onnx.TensorProto.INT64, []), helper.make_tensor_value_info(f"c{k}", onnx.TensorProto.BOOL, []), float_port(f"s{k}")]
    body = helper.make_graph(nodes, "body", ports, [helper.make_tensor_value_info(f"d{k}", onnx.TensorProto.BOOL, []), float_port(f"o{k}"), float_port(f"e{k}")])
    g.node("Loop", [g.weight(np.array(turns)), "", x], [shape, (turns, *shape)], n=2, body=body)


def scan(g):
    x, k = g.pick(), len(g.values)
    shape, axis = g.values[x], int(g.r.integers(len(g.values[x])))
    row = tuple(d for i, d in enumerate(shape) if i != axis)
    nodes = [helper.make_node("Add", [f"s{k}", f"r{k}"], [f"t{k}"]), helper.make_node("Tanh", [f"t{k}"], [f"o{k}"]), helper.make_node("Neg", [f"o{k}"], [f"e{k}"])]
    body = helper.make_graph(nodes, "body", [float_port(f"s{k}", row), float_port(f"r{k}", row)], [float_port(f"o{k}", row), float_port(f"e{k}", row)])
    g.node("Scan", [g.normal(*row), x], [row, (*row, shape[axis])], n=2, body=body, num_scan_inputs=1, scan_input_axes=[axis], scan_output_axes=[len(row)], scan_input_directions=[int(g.r.integers(2))])


PARTS = [quantized, quantized_conv, quantized_conv, branch, loop, scan, dense, dense, dense, gemm, gemm, layer_norm, gelu, attention, unary, unary, binary, binary, binary, transpose, reshape, concat, slice_, split, reduce_, softmax]


def make(seed):
    g = Graph(np.random.default_rng(seed))
    for _ in range(int(g.r.integers(3, 17))):
        PARTS[int(g.r.integers(len(PARTS)))](g)
    used = {i for n in g.nodes for i in n.input}
    for n in g.nodes:
        used |= {i for a in n.attribute if a.HasField("g") for inner in a.g.node for i in inner.input}
    outputs = [v for v in g.values if v not in used and v not in g.inputs]
    outputs += [v for v in g.values if v in used and v not in g.inputs and g.r.random() < 0.1]
    inputs = [helper.make_tensor_value_info(n, onnx.TensorProto.FLOAT, [None] * v.ndim) for n, v in g.inputs.items()]
    ports = [helper.make_tensor_value_info(n, onnx.TensorProto.FLOAT, [None] * len(g.values[n])) for n in outputs]
    graph = helper.make_graph(g.nodes, "g", inputs, ports, g.weights)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9, producer_name="cases"), g.inputs


def record(folder, first, n):
    """ONNX Runtime's answers, without its own fusing: it is the reference."""
    options = ort.SessionOptions()
    options.log_severity_level, options.intra_op_num_threads = 4, 1
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    made = 0
    for seed in range(first, first + n):
        model, inputs = make(seed)
        if not model.graph.node:
            continue
        got = ort.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"]).run(None, inputs)
        if all(np.isfinite(v).all() for v in got):
            casefolder.save(os.path.join(folder, f"graph-{seed}"), model, inputs.values(), got)
            made += 1
    return made


def differing(program, folder):
    wrong = {}
    for how in ([], ["--plain"]):
        out = subprocess.run([program, "onnx", "conformance", folder, "--json", "--atol", ATOL, *how], stdout=subprocess.PIPE).stdout
        for case in json.loads(out)["cases"]:
            if case["result"] != "pass":
                wrong.setdefault(case["case"], []).append((how or ["fused"])[0].strip("-") + ": " + str(case.get("why")))
    return wrong


def main():
    args = argparse.ArgumentParser()
    args.add_argument("program", nargs="?", default="build/gcc/mlopsctl")
    args.add_argument("--seed", type=int, default=1)
    args.add_argument("--graphs", type=int, default=500)
    args.add_argument("--keep")
    a = args.parse_args()
    folder = a.keep or tempfile.mkdtemp()
    made = record(folder, a.seed, a.graphs)
    wrong = differing(a.program, folder)
    for case in os.listdir(folder):
        if case not in wrong:
            shutil.rmtree(os.path.join(folder, case))
    for case, why in sorted(wrong.items()):
        print(case, *why, sep="\n  ")
    print(f"{made} graphs, {len(wrong)} differ" + (f", kept in {folder}" if wrong else ""))
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
