#!/usr/bin/env python3
"""What onnx.shape_inference derives for the recorded models: shapes.txt, one line for the first output of each node.

Needs: pip install onnx (1.23.0). A "?" is a dimension that it does not know (or names itself: "unk__3"), "[...]" a
rank. Also writes wrong-shapes.onnx, whose second product does not fit, and open-columns.onnx, whose columns are not
declared and follow from the weights.
"""
import pathlib

import onnx
from onnx import TensorProto, helper, numpy_helper, shape_inference
import numpy as np

HERE = pathlib.Path(__file__).parent
TYPES = {
    TensorProto.FLOAT: "float32", TensorProto.DOUBLE: "float64", TensorProto.INT64: "int64", TensorProto.INT32: "int32",
    TensorProto.STRING: "string", TensorProto.BOOL: "bool", TensorProto.UINT8: "uint8", TensorProto.INT8: "int8",
    TensorProto.FLOAT16: "float16",
}


def told(dim, names):
    if dim.HasField("dim_value"):
        return str(dim.dim_value)
    return dim.dim_param if dim.dim_param in names else "?"


def text(info, names):
    if info is None or info.type.WhichOneof("value") != "tensor_type" or not info.type.tensor_type.elem_type:
        return "?"
    t = info.type.tensor_type
    if not t.HasField("shape"):
        return TYPES[t.elem_type] + "[...]"
    dims = ",".join(told(d, names) for d in t.shape.dim)
    return f"{TYPES[t.elem_type]}[{dims}]"


def record(path):
    model = onnx.load(path)
    del model.graph.value_info[:]
    derived = shape_inference.infer_shapes(model, data_prop=True)
    names = {d.dim_param for i in model.graph.input for d in i.type.tensor_type.shape.dim if d.dim_param}
    known = {v.name: v for v in list(derived.graph.value_info) + list(derived.graph.output)}
    where = path.parent.relative_to(HERE)
    return [f"{where} {i} {text(known.get(n.output[0]), names)}" for i, n in enumerate(model.graph.node)]


def small(name, nodes, columns, weights):
    graph = helper.make_graph(
        nodes, name, [helper.make_tensor_value_info("x", TensorProto.FLOAT, columns)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
        [numpy_helper.from_array(np.ones(s, np.float32), n) for n, s in weights.items()])
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9), HERE / f"{name}.onnx")


def main():
    lines = []
    for kind in ("encoders", "networks", "pipelines", "flow"):
        for path in sorted((HERE / kind).glob("*/model.onnx")):
            lines += record(path)
    (HERE / "shapes.txt").write_text("\n".join(lines) + "\n")
    small("wrong-shapes", [helper.make_node("MatMul", ["x", "v"], ["h"], name="first"), helper.make_node("MatMul", ["h", "w"], ["y"], name="second")],
          ["n", 3], {"v": (3, 4), "w": (5, 2)})
    small("open-columns", [helper.make_node("MatMul", ["x", "v"], ["y"], name="only")], ["n", None], {"v": (3, 4)})


main()
