#!/usr/bin/env python3
"""Small cases in the onnx project's layout, made with its own library; outputs are NumPy's.

    python3 tests/golden/onnx/make-cases.py      (needs onnx and numpy; writes tests/golden/onnx/cases)
"""
import os
import shutil

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

HERE = os.path.dirname(os.path.abspath(__file__))


def case(name, model, inputs, outputs):
    folder = os.path.join(HERE, "cases", name)
    shutil.rmtree(folder, ignore_errors=True)
    data = os.path.join(folder, "test_data_set_0")
    os.makedirs(data)
    onnx.checker.check_model(model)
    onnx.save(model, os.path.join(folder, "model.onnx"))
    for what, arrays in (("input", inputs), ("output", outputs)):
        for i, a in enumerate(arrays):
            with open(os.path.join(data, f"{what}_{i}.pb"), "wb") as f:
                f.write(numpy_helper.from_array(a).SerializeToString())


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


broadcast()
function()
