#!/usr/bin/env python3
"""Statically quantised models (ONNX Runtime's quantize_static): an MLP, a small encoder and a small CNN, QuantizeLinear
and DequantizeLinear around float operators, and operators of bytes.

Needs: pip install numpy onnx onnxruntime (2.x, 1.23.0, 1.31.0). Recorded outputs are ONNX Runtime's without its
optimisations: each node as it is in the file.
"""
import pathlib
import shutil

import numpy as np
import onnx
import onnxruntime as ort
from onnx import TensorProto, helper, numpy_helper
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static

HERE = pathlib.Path(__file__).parent
OUT = HERE / "quantized"
RNG = np.random.default_rng(7)


class Rows(CalibrationDataReader):
    def __init__(self, rows):
        self.rows = iter(rows)

    def get_next(self):
        return next(self.rows, None)


def mlp():
    """Gemm with turned weights, Relu; MatMul, Add, Relu; MatMul."""
    sizes = [(24, 40), (40, 40), (40, 6)]
    init, nodes, at = [], [], "x"
    for i, (k, n) in enumerate(sizes):
        w = RNG.normal(0, 1 / np.sqrt(k), (k, n)).astype(np.float32)
        b = RNG.normal(0, 0.2, n).astype(np.float32)
        init += [numpy_helper.from_array(w.T.copy() if i == 0 else w, f"w{i}"), numpy_helper.from_array(b, f"b{i}")]
        if i == 0:
            nodes.append(helper.make_node("Gemm", [at, "w0", "b0"], ["h0"], transB=1, name="dense0"))
        else:
            nodes += [helper.make_node("MatMul", [at, f"w{i}"], [f"m{i}"], name=f"dense{i}"),
                      helper.make_node("Add", [f"m{i}", f"b{i}"], [f"h{i}"], name=f"bias{i}")]
        at = f"h{i}"
        if i < 2:
            nodes.append(helper.make_node("Relu", [at], [f"r{i}"], name=f"relu{i}"))
            at = f"r{i}"
    graph = helper.make_graph(nodes, "mlp", [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["rows", 24])],
                              [helper.make_tensor_value_info(at, TensorProto.FLOAT, ["rows", 6])], init)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)


def cnn():
    """Strides and padding, an activation, a pool, groups of kernels, one kernel a channel, one tap, dilations, an uneven padding, a sum."""
    layers = [(3, 16, 3, 1, dict(strides=[2, 2], pads=[1, 1, 1, 1])), (16, 24, 3, 2, dict(pads=[0, 1, 1, 0])), (24, 24, 3, 24, dict(pads=[1, 1, 1, 1])),
              (24, 12, 1, 1, {}), (12, 12, 3, 1, dict(dilations=[2, 1], pads=[2, 1, 2, 1]))]
    init, nodes, at = [], [], "x"
    for i, (inside, out, k, groups, attrs) in enumerate(layers):
        fan = inside // groups * k * k
        init += [numpy_helper.from_array(RNG.normal(0, 1.4 / np.sqrt(fan), (out, inside // groups, k, k)).astype(np.float32), f"w{i}")]
        names = [at, f"w{i}"]
        if i != 3:
            init.append(numpy_helper.from_array(RNG.normal(0, 0.2, out).astype(np.float32), f"b{i}"))
            names.append(f"b{i}")
        nodes.append(helper.make_node("Conv", names, [f"c{i}"], name=f"conv{i}", group=groups, **attrs))
        at = f"c{i}"
        if i < 2:
            nodes.append(helper.make_node("Relu", [at], [f"r{i}"], name=f"relu{i}"))
            at = f"r{i}"
        if i == 0:
            nodes.append(helper.make_node("MaxPool", [at], ["p"], name="pool", kernel_shape=[2, 2], strides=[1, 1]))
            at = "p"
    nodes += [helper.make_node("Add", [at, "c3"], ["s"], name="sum"), helper.make_node("GlobalAveragePool", ["s"], ["g"], name="mean"),
              helper.make_node("Flatten", ["g"], ["f"], name="flat"), helper.make_node("Gemm", ["f", "wd", "bd"], ["y"], name="dense")]
    init += [numpy_helper.from_array(RNG.normal(0, 0.3, (12, 5)).astype(np.float32), "wd"), numpy_helper.from_array(RNG.normal(0, 0.2, 5).astype(np.float32), "bd")]
    graph = helper.make_graph(nodes, "cnn", [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 3, "height", "width"])],
                              [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", 5])], init)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)


def encoder_inputs(rows, length):
    mask = np.ones((rows, length), np.int64)
    mask[0, length // 2:] = 0
    return {"input_ids": RNG.integers(0, 50, (rows, length)), "attention_mask": mask,
            "token_type_ids": np.zeros((rows, length), np.int64)}


def record(folder, data):
    options = ort.SessionOptions()
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = ort.InferenceSession(folder / "model.onnx", options)
    model = onnx.load(folder / "model.onnx")
    for k, given in enumerate(data):
        where = folder / f"test_data_set_{k}"
        where.mkdir()
        for i, port in enumerate(model.graph.input):
            (where / f"input_{i}.pb").write_bytes(numpy_helper.from_array(given[port.name], port.name).SerializeToString())
        for i, value in enumerate(session.run(None, given)):
            name = model.graph.output[i].name
            (where / f"output_{i}.pb").write_bytes(numpy_helper.from_array(value, name).SerializeToString())


def make(name, source, calibration, data, **how):
    folder = OUT / name
    folder.mkdir()
    quantize_static(source, folder / "model.onnx", Rows(calibration), **how)
    record(folder, data)


def product(name, kinds, shape, n, per_column):
    """QLinearMatMul of constant weights alone: every sum is rounded as ONNX Runtime does."""
    types = {"u": (TensorProto.UINT8, np.uint8, 0, 255), "s": (TensorProto.INT8, np.int8, -128, 127)}
    (a_type, a_np, a_low, a_high), (_, b_np, b_low, b_high) = types[kinds[0]], types[kinds[1]]
    y_type, y_np, y_low, y_high = types[kinds[2]]
    k, columns = shape[-1], (n if per_column else 1)

    def draw(low, high, size, t):
        return RNG.integers(low, high + 1, size).astype(t)

    scale = RNG.uniform(0.001, 0.02, columns).astype(np.float32)
    fixed = {"a_scale": np.float32(0.03), "a_zero": a_np(a_low + 99), "b": draw(b_low, b_high, (k, n), b_np),
             "b_scale": scale if per_column else scale[0], "b_zero": np.zeros(columns, b_np) if per_column else b_np(0),
             "y_scale": np.float32(0.05 * np.sqrt(k) * 0.03), "y_zero": y_np(y_low + 131)}
    names = ["a", "a_scale", "a_zero", "b", "b_scale", "b_zero", "y_scale", "y_zero"]
    graph = helper.make_graph([helper.make_node("QLinearMatMul", names, ["y"])], name,
                              [helper.make_tensor_value_info("a", a_type, shape)],
                              [helper.make_tensor_value_info("y", y_type, [*shape[:-1], n])],
                              [numpy_helper.from_array(np.asarray(v), i) for i, v in fixed.items()])
    folder = OUT / name
    folder.mkdir()
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9), folder / "model.onnx")
    record(folder, [{"a": draw(a_low, a_high, shape, a_np)} for _ in range(3)])


def main():
    shutil.rmtree(OUT, ignore_errors=True)
    OUT.mkdir()
    source = OUT / "float.onnx"
    onnx.save(mlp(), source)
    rows = [{"x": RNG.normal(0, 1, (n, 24)).astype(np.float32)} for n in (32, 32, 1, 9)]
    for name, how in {
        "mlp-qdq": {"quant_format": QuantFormat.QDQ},
        "mlp-qdq-columns": {"quant_format": QuantFormat.QDQ, "per_channel": True},
        "mlp-qdq-signed": {"quant_format": QuantFormat.QDQ, "per_channel": True, "activation_type": QuantType.QInt8},
        "mlp-operators": {"quant_format": QuantFormat.QOperator},
        "mlp-operators-columns": {"quant_format": QuantFormat.QOperator, "per_channel": True},
    }.items():
        make(name, source, rows[:2], rows[2:], weight_type=QuantType.QInt8, **how)
    source.unlink()
    float_encoder = HERE / "encoders/layer/model.onnx"
    batches = [encoder_inputs(2, 8), encoder_inputs(3, 12), encoder_inputs(1, 5), encoder_inputs(2, 9)]
    for name, quant_format in {"encoder-qdq": QuantFormat.QDQ, "encoder-operators": QuantFormat.QOperator}.items():
        make(name, float_encoder, batches[:2], batches[2:], quant_format=quant_format, weight_type=QuantType.QInt8,
             per_channel=True, op_types_to_quantize=["MatMul", "Add"])
    product("product-usu", "usu", [5, 70], 45, False)
    product("product-usu-columns", "usu", [2, 9, 64], 33, True)
    product("product-uuu", "uuu", [1, 31], 8, False)
    product("product-sss-columns", "sss", [17, 128], 65, True)
    onnx.save(cnn(), source)
    images = [{"x": RNG.normal(0, 1, (n, 3, h, w)).astype(np.float32)} for n, h, w in ((4, 15, 12), (4, 12, 15), (1, 16, 13), (3, 23, 17))]
    for name, how in {
        "cnn-qdq": {"activation_type": QuantType.QUInt8},
        "cnn-qdq-kernels": {"per_channel": True, "activation_type": QuantType.QUInt8},
        "cnn-qdq-signed": {"per_channel": True, "activation_type": QuantType.QInt8},
        "cnn-qdq-unsigned": {"weight_type": QuantType.QUInt8, "activation_type": QuantType.QUInt8},
    }.items():
        make(name, source, images[:2], images[2:], **{"quant_format": QuantFormat.QDQ, "weight_type": QuantType.QInt8, **how})
    source.unlink()


main()