#!/usr/bin/env python3
"""Makes small networks in the form in which PyTorch exports them, with random weights, and records ONNX Runtime's outputs (without its
optimisations) in networks/: a classifier of rows, a convolutional one of images, LSTM and GRU over series. Needs numpy, onnx, onnxruntime."""
import os

import numpy as np
import onnx
import onnxruntime as ort
from onnx import TensorProto, helper, numpy_helper

HERE = os.path.dirname(os.path.abspath(__file__))
random = np.random.default_rng(11)


class Net:
    def __init__(self, **dims):
        self.nodes, self.weights, self.dims = [], [], dims

    def weight(self, *shape, spread=None):
        spread = spread or 1 / np.sqrt(max(1, np.prod(shape[1:])))
        return self.constant((random.standard_normal(shape) * spread).astype(np.float32))

    def constant(self, a):
        self.weights.append(numpy_helper.from_array(np.asarray(a), f"w{len(self.weights)}"))
        return self.weights[-1].name

    def op(self, kind, *inputs, outputs=1, **attrs):
        out = [f"{kind.lower()}{len(self.nodes)}_{i}" for i in range(outputs)]
        self.nodes.append(helper.make_node(kind, list(inputs), out, **attrs))
        return out[0] if outputs == 1 else out

    def linear(self, x, k, n):
        return self.op("Gemm", x, self.weight(n, k), self.weight(n, spread=0.1), transB=1)

    def save(self, name, y, shapes):
        port = lambda port_name, shape: helper.make_tensor_value_info(port_name, TensorProto.FLOAT, shape)
        graph = helper.make_graph(self.nodes, name, [port("x", self.dims["x"])], [port(y, ["batch", None])], self.weights)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
        onnx.checker.check_model(model)
        folder = os.path.join(HERE, "networks", name)
        os.makedirs(folder, exist_ok=True)
        onnx.save(model, os.path.join(folder, "model.onnx"))
        opts = ort.SessionOptions()
        opts.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
        session = ort.InferenceSession(os.path.join(folder, "model.onnx"), opts, providers=["CPUExecutionProvider"])
        for k, shape in enumerate(shapes):
            case = os.path.join(folder, f"test_data_set_{k}")
            os.makedirs(case, exist_ok=True)
            x = random.standard_normal(shape).astype(np.float32)
            for part, a in (("input_0", x), ("output_0", session.run(None, {"x": x})[0])):
                with open(os.path.join(case, part + ".pb"), "wb") as f:
                    f.write(numpy_helper.from_array(a).SerializeToString())


def mlp():
    n = Net(x=["batch", 32])
    h = n.op("Relu", n.linear("x", 32, 64))
    h = n.op("Tanh", n.linear(h, 64, 24))
    n.save("mlp", n.op("Softmax", n.linear(h, 24, 5), axis=-1), [(1, 32), (17, 32)])


def cnn():
    n = Net(x=["batch", 3, 16, 16])
    h, channels = "x", 3
    for more in (8, 12):
        h = n.op("Conv", h, n.weight(more, channels, 3, 3), n.weight(more, spread=0.1), kernel_shape=[3, 3], pads=[1, 1, 1, 1], strides=[1, 1])
        moments = [n.constant(np.abs(random.standard_normal(more)).astype(np.float32) + k) for k in (0.5, 0, 0, 0.5)]
        h = n.op("Relu", n.op("BatchNormalization", h, *moments, epsilon=1e-5))
        h, channels = n.op("MaxPool", h, kernel_shape=[2, 2], strides=[2, 2]), more
    h = n.op("Conv", h, n.weight(12, 1, 3, 3), kernel_shape=[3, 3], pads=[1, 1, 1, 1], group=12)
    h = n.op("Flatten", n.op("GlobalAveragePool", n.op("Sigmoid", h)), axis=1)
    n.save("cnn", n.linear(h, 12, 10), [(1, 3, 16, 16), (4, 3, 16, 16)])


def recurrent(kind, gates):
    """Two layers, the first in both directions, as PyTorch takes them apart; the last step goes on."""
    n, size, columns = Net(x=["batch", "steps", 10]), 12, 10
    h = n.op("Transpose", "x", perm=[1, 0, 2])
    for directions in (2, 1):
        attrs = {"hidden_size": size, "direction": "bidirectional" if directions == 2 else "forward"}
        if kind == "GRU":
            attrs["linear_before_reset"] = 1
        y = n.op(kind, h, n.weight(directions, gates * size, columns, spread=0.3), n.weight(directions, gates * size, size, spread=0.3),
                 n.weight(directions, 2 * gates * size, spread=0.1), outputs=3 if kind == "LSTM" else 2, **attrs)[0]
        y = n.op("Transpose", y, perm=[0, 2, 1, 3])
        h, columns = n.op("Reshape", y, n.constant(np.int64([0, 0, -1]))), directions * size
    last = n.op("Gather", h, n.constant(np.int64(-1)), axis=0)
    n.save(kind.lower(), n.linear(last, size, 3), [(1, 1, 10), (3, 20, 10)])


mlp()
cnn()
recurrent("LSTM", 4)
recurrent("GRU", 3)
