#!/usr/bin/env python3
"""Small cases in the onnx project's layout, made with its own library; outputs are NumPy's.

    python3 tests/golden/onnx/make-cases.py      (needs onnx and numpy; writes tests/golden/onnx/cases and tests/fuzz/corpus/model)
"""
import os
import shutil

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

import casefolder

HERE = os.path.dirname(os.path.abspath(__file__))


def case(name, model, inputs, outputs):
    folder = os.path.join(HERE, "cases", name)
    shutil.rmtree(folder, ignore_errors=True)
    onnx.checker.check_model(model)
    casefolder.save(folder, model, inputs, outputs)


def port(name, dtype, shape):
    return helper.make_tensor_value_info(name, dtype, shape)


def model(graph, functions=(), opset=17, more=()):
    opsets = [helper.make_opsetid("", opset), *more]
    return helper.make_model(graph, opset_imports=opsets, functions=list(functions), ir_version=9)


def broadcast():
    a, b = np.arange(6, dtype=np.float32).reshape(2, 3), np.array([10, 20, 30], dtype=np.float32)
    nodes = [helper.make_node("Add", ["a", "b"], ["t"], name="sum"), helper.make_node("Mul", ["t", "t"], ["y"], name="square")]
    graph = helper.make_graph(nodes, "g", [port("a", TensorProto.FLOAT, ["n", 3])], [port("y", TensorProto.FLOAT, ["n", 3])],
                              [numpy_helper.from_array(b, "b")])
    case("broadcast", model(graph), [a], [(a + b) ** 2])


def function():
    """A function with an attribute, called twice, once inside another."""
    own = [helper.make_opsetid("", 17), helper.make_opsetid("own", 1)]
    scale = helper.make_node("Constant", [], ["k"])
    scale.attribute.append(onnx.AttributeProto(name="value_float", ref_attr_name="by", type=onnx.AttributeProto.FLOAT))
    times = helper.make_function("own", "Times", ["x"], ["y"], [scale, helper.make_node("Mul", ["x", "k"], ["y"])], own, ["by"])
    twice = helper.make_function("own", "Twice", ["x"], ["y"],
                                 [helper.make_node("Times", ["x"], ["t"], domain="own", by=3.0), helper.make_node("Add", ["t", "x"], ["y"])], own, [])
    a = np.arange(4, dtype=np.float32)
    nodes = [helper.make_node("Twice", ["a"], ["t"], domain="own", name="first"),
             helper.make_node("Times", ["t"], ["y"], domain="own", name="second", by=0.5)]
    graph = helper.make_graph(nodes, "g", [port("a", TensorProto.FLOAT, [4])], [port("y", TensorProto.FLOAT, [4])])
    case("function", model(graph, [times, twice], more=[helper.make_opsetid("own", 1)]), [a], [a * 4 * np.float32(0.5)])


def gemm_add():
    """beta is of Gemm's own bias: not of a constant that is added behind it."""
    a, w = np.arange(6, dtype=np.float32).reshape(2, 3), np.arange(12, dtype=np.float32).reshape(3, 4) - 5
    b = np.array([[0.5, -1, 2, 3]], dtype=np.float32)
    nodes = [helper.make_node("Gemm", ["a", "w"], ["t"], alpha=0.5, beta=2.0), helper.make_node("Add", ["b", "t"], ["y"])]
    graph = helper.make_graph(nodes, "g", [port("a", TensorProto.FLOAT, ["n", 3])], [port("y", TensorProto.FLOAT, ["n", 4])],
                              [numpy_helper.from_array(w, "w"), numpy_helper.from_array(b, "b")])
    case("gemm-add", model(graph), [a], [np.float32(0.5) * (a @ w) + b])


def seeds():
    """One small model for each of many operators: where the fuzzer starts."""
    folder = os.path.join(HERE, "..", "..", "fuzz", "corpus", "model")
    os.makedirs(folder, exist_ok=True)
    F, I = TensorProto.FLOAT, TensorProto.INT64

    def ints(name, *values):
        return numpy_helper.from_array(np.array(values, dtype=np.int64), name)

    def seed(op, inputs, constants=(), outputs=1, out=F, opset=17, domain="", **attrs):
        names = [n for n, _ in inputs] + [c.name for c in constants]
        node = helper.make_node(op, names, [f"y{i}" for i in range(outputs)], domain=domain, **attrs)
        graph = helper.make_graph([node], "g", [port(n, F, shape) for n, shape in inputs], [port(f"y{i}", out, None) for i in range(outputs)], list(constants))
        more = [helper.make_opsetid(domain, 3)] if domain else []
        with open(os.path.join(folder, op.lower()), "wb") as f:
            f.write(model(graph, opset=opset, more=more).SerializeToString())

    x, m = [("x", [2, 3, 4])], [("x", [3, 4])]
    seed("Slice", x, [ints("s", 0, -1), ints("e", 2, -5), ints("a", 1, 2), ints("t", 1, -2)])
    seed("Gather", x, [ints("i", 0, -1)], axis=1)
    seed("GatherND", x, [numpy_helper.from_array(np.array([[0, 1], [1, 2]]), "i")])
    seed("ScatterElements", m, [numpy_helper.from_array(np.array([[1, 0]]), "i"), numpy_helper.from_array(np.ones((1, 2), np.float32), "u")], axis=1)
    seed("ReduceSum", x, [ints("a", 1)])
    seed("ReduceLogSumExp", x, axes=[0, 2])
    seed("Split", m, [ints("s", 1, 2)], outputs=2)
    seed("Transpose", x, perm=[2, 0, 1])
    seed("Concat", [("x", [2, 3]), ("z", [2, 3])], axis=1)
    seed("TopK", m, [ints("k", 2)], outputs=2)
    seed("Softmax", m, axis=1)
    seed("Cast", m, to=TensorProto.STRING)
    seed("Gemm", [("x", [2, 3]), ("z", [4, 3]), ("c", [4])], transB=1, alpha=0.5)
    seed("MatMul", [("x", [2, 3, 4]), ("z", [4, 5])])
    seed("Reshape", x, [ints("s", 0, -1)])
    seed("OneHot", [("x", [3])], [ints("d", 4), numpy_helper.from_array(np.array([0, 1], np.float32), "v")])
    seed("Expand", [("x", [3, 1])], [ints("s", 2, 1, 4)])
    seed("Tile", m, [ints("r", 2, 1)])
    seed("Where", m, [])
    seed("Unsqueeze", m, [ints("a", 0, -1)])
    seed("ConstantOfShape", [], [ints("s", 2, 2)])
    seed("Range", [], [ints("a", 0), ints("b", 5), ints("c", 2)], out=I)
    seed("Trilu", m, upper=0)
    seed("Pow", [("x", [2]), ("z", [1])])
    seed("Max", [("x", [2]), ("z", [1]), ("w", [3, 1])])
    for name in ("broadcast", "function"):
        shutil.copy(os.path.join(HERE, "cases", name, "model.onnx"), os.path.join(folder, name))


broadcast()
function()
gemm_add()
seeds()
