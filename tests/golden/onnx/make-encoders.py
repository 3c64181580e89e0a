#!/usr/bin/env python3
"""Makes encoders of the BERT family as ONNX, in the forms that exporters write:

    make-encoders.py                                  the small ones with recorded outputs, into encoders/
    make-encoders.py CONFIG SAFETENSORS OUT.onnx      a real one (float32; opset 14) and OUT-int8.onnx

Forms: `torch` (opset 14: everything decomposed, as torch.onnx has written it for years), `layer` (opset 17: LayerNormalization,
scores scaled on both sides), `attention` (opset 23: Attention, Gelu), `heads` (the same of four
dimensions), `fused` and `fused-apart` (com.microsoft's operators, as ONNX Runtime's optimiser writes them). The int8 models are what onnxruntime.quantization's
quantize_dynamic makes of them. Needs numpy, onnx, onnxruntime. Recorded outputs are ONNX Runtime's, without its optimisations.
"""
import json
import os
import sys

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

HERE = os.path.dirname(os.path.abspath(__file__))


class Graph:
    def __init__(self):
        self.nodes, self.weights, self.known = [], [], {}

    def const(self, value, name=None):
        value = np.asarray(value)
        key = (value.dtype.str, value.shape, value.tobytes())
        if key not in self.known:
            self.known[key] = name or f"c{len(self.weights)}"
            self.weights.append(numpy_helper.from_array(value, self.known[key]))
        return self.known[key]

    def op(self, kind, *inputs, **attrs):
        out = attrs.pop("name", f"{kind}_{len(self.nodes)}")
        self.nodes.append(helper.make_node(kind, list(inputs), [out], name=out, **attrs))
        return out


def f32(v):
    return np.asarray(v, np.float32)


class Encoder:
    def __init__(self, config, weights, form):
        self.g, self.c, self.w, self.form = Graph(), config, weights, form
        self.opset = {"torch": 14, "layer": 17, "attention": 23, "heads": 23, "fused": 17,
                      "fused-apart": 17}[form]
        self.heads = config["num_attention_heads"]
        self.size = config["hidden_size"] // self.heads

    def norm(self, x, name):
        g, w, b = self.g, self.w[name + ".weight"], self.w[name + ".bias"]
        eps = self.c["layer_norm_eps"]
        if self.form != "torch":
            return g.op("LayerNormalization", x, g.const(w), g.const(b), axis=-1, epsilon=eps)
        d = g.op("Sub", x, g.op("ReduceMean", x, axes=[-1]))
        var = g.op("ReduceMean", g.op("Pow", d, g.const(f32(2))), axes=[-1])
        n = g.op("Div", d, g.op("Sqrt", g.op("Add", var, g.const(f32(eps)))))
        return g.op("Add", g.op("Mul", n, g.const(w)), g.const(b))

    def linear(self, x, name):
        g = self.g
        y = g.op("MatMul", x, g.const(np.ascontiguousarray(self.w[name + ".weight"].T)))
        return g.op("Add", g.const(self.w[name + ".bias"]), y)

    def gelu(self, x):
        g = self.g
        if self.form in ("attention", "heads"):
            return g.op("Gelu", x)
        e = g.op("Add", g.op("Erf", g.op("Div", x, g.const(f32(np.sqrt(2))))), g.const(f32(1)))
        if self.form == "torch":
            return g.op("Mul", g.op("Mul", x, e), g.const(f32(0.5)))
        return g.op("Mul", x, g.op("Mul", e, g.const(f32(0.5))))

    def dim(self, x, i):
        g = self.g
        return g.op("Gather", g.op("Shape", x), g.const(np.int64(i)), axis=0)

    def joined(self, x, *last):
        g = self.g
        parts = [g.op("Unsqueeze", self.dim(x, i), g.const(np.int64([0]))) for i in (0, 1)]
        return g.op("Concat", *parts, *[g.const(np.int64([v])) for v in last], axis=0)

    def heads_of(self, x, perm):
        g = self.g
        return g.op("Transpose", g.op("Reshape", x, self.joined(x, self.heads, self.size)), perm=perm)

    def attention(self, x, mask, at):
        g = self.g
        q, k, v = (self.linear(x, f"{at}.attention.self.{n}") for n in ("query", "key", "value"))
        if self.form == "attention":
            y = g.op("Attention", q, k, v, mask, q_num_heads=self.heads, kv_num_heads=self.heads)
        elif self.form == "heads":
            y = g.op("Attention", *[self.heads_of(part, [0, 2, 1, 3]) for part in (q, k, v)], mask)
            y = g.op("Transpose", y, perm=[0, 2, 1, 3])
            y = g.op("Reshape", y, self.joined(y, self.heads * self.size))
        else:
            q, v = self.heads_of(q, [0, 2, 1, 3]), self.heads_of(v, [0, 2, 1, 3])
            k = self.heads_of(k, [0, 2, 3, 1])
            if self.form == "layer":
                root = g.const(f32(self.size ** -0.25))
                s = g.op("MatMul", g.op("Mul", q, root), g.op("Mul", k, root))
            else:
                s = g.op("Div", g.op("MatMul", q, k), g.const(f32(np.sqrt(self.size))))
            p = g.op("Softmax", g.op("Add", s, mask), axis=-1)
            y = g.op("Transpose", g.op("MatMul", p, v), perm=[0, 2, 1, 3])
            y = g.op("Reshape", y, self.joined(y, self.heads * self.size))
        y = g.op("Add", self.linear(y, f"{at}.attention.output.dense"), x)
        return self.norm(y, f"{at}.attention.output.LayerNorm")

    def fused(self):
        """Masks are counted by the first node, or given with each; biases are in operators or before them."""
        g, w, c, e = self.g, self.w, self.c, "embeddings"
        whole = lambda name: g.op("Cast", name, to=TensorProto.INT32)
        own = lambda kind, *inputs, **attrs: g.op(kind, *inputs, domain="com.microsoft", **attrs)
        weights = lambda *names: [g.const(w[n]) for n in names]
        mask, eps = whole("attention_mask"), dict(epsilon=c["layer_norm_eps"])
        x = own("EmbedLayerNormalization", whole("input_ids"), whole("token_type_ids"),
                *weights(*[f"{e}.{n}_embeddings.weight" for n in ("word", "position", "token_type")],
                         f"{e}.LayerNorm.weight", f"{e}.LayerNorm.bias"), mask, **eps)
        apart = self.form == "fused-apart"
        g.nodes[-1].output.append("counted")
        for i in range(c["num_hidden_layers"]):
            at = f"encoder.layer.{i}"
            three = [f"{at}.attention.self.{n}" for n in ("query", "key", "value")]
            bias = g.const(np.concatenate([w[n + ".bias"] for n in three]))
            parts = [np.ascontiguousarray(w[n + ".weight"].T) for n in three]
            if apart:
                q, k, v = (g.op("MatMul", x, g.const(p)) for p in parts)
                y = own("MultiHeadAttention", q, k, v, bias, mask, num_heads=self.heads)
            else:
                y = own("Attention", x, g.const(np.concatenate(parts, 1)), bias, "counted", num_heads=self.heads)
            norm = lambda name: weights(f"{at}.{name}.LayerNorm.weight", f"{at}.{name}.LayerNorm.bias")
            product = lambda x, name: g.op("MatMul", x, g.const(np.ascontiguousarray(w[f"{at}.{name}.weight"].T)))
            y = product(y, "attention.output.dense")
            x = own("SkipLayerNormalization", y, x, *norm("attention.output"),
                    g.const(w[f"{at}.attention.output.dense.bias"]), **eps)
            y = own("FastGelu" if apart else "BiasGelu", product(x, "intermediate.dense"),
                    g.const(w[f"{at}.intermediate.dense.bias"]))
            y = g.op("Add", product(y, "output.dense"), g.const(w[f"{at}.output.dense.bias"]))
            x = own("SkipLayerNormalization", y, x, *norm("output"), **eps)
        return self.model([helper.make_opsetid("", self.opset), helper.make_opsetid("com.microsoft", 1)])

    def build(self):
        if self.form.startswith("fused"):
            return self.fused()
        g, e = self.g, "embeddings"
        n = self.dim("input_ids", 1)
        ids = g.op("Slice", g.const(np.arange(self.c["max_position_embeddings"], dtype=np.int64)[None]), g.const(np.int64([0])),
                   g.op("Unsqueeze", n, g.const(np.int64([0]))), g.const(np.int64([1])))
        mask = g.op("Unsqueeze", g.op("Unsqueeze", "attention_mask", g.const(np.int64([1]))), g.const(np.int64([2])))
        mask = g.op("Mul", g.op("Sub", g.const(f32(1)), g.op("Cast", mask, to=TensorProto.FLOAT)),
                    g.const(f32(np.finfo(np.float32).min)))
        if self.form in ("attention", "heads"):  # ONNX Runtime wants as many rows as there are queries
            rows = [g.op("Unsqueeze", self.dim("input_ids", i), g.const(np.int64([0]))) for i in (0, 1)]
            mask = g.op("Expand", mask, g.op("Concat", rows[0], g.const(np.int64([1])), rows[1], rows[1], axis=0))
        table = lambda name, i: g.op("Gather", g.const(self.w[f"{e}.{name}_embeddings.weight"]), i)
        x = g.op("Add", table("word", "input_ids"), table("token_type", "token_type_ids"))
        x = self.norm(g.op("Add", x, table("position", ids)), f"{e}.LayerNorm")
        for i in range(self.c["num_hidden_layers"]):
            at = f"encoder.layer.{i}"
            x = self.attention(x, mask, at)
            y = self.gelu(self.linear(x, f"{at}.intermediate.dense"))
            y = g.op("Add", self.linear(y, f"{at}.output.dense"), x)
            x = self.norm(y, f"{at}.output.LayerNorm")
        return self.model([helper.make_opsetid("", self.opset)])

    def model(self, opsets):
        g = self.g
        g.nodes[-1].output[0] = "last_hidden_state"
        hidden = self.c["hidden_size"]
        port = lambda name, t, shape: helper.make_tensor_value_info(name, t, shape)
        graph = helper.make_graph(
            g.nodes, "encoder", [port(n, TensorProto.INT64, ["batch", "sequence"]) for n in
                                 ("input_ids", "attention_mask", "token_type_ids")],
            [port("last_hidden_state", TensorProto.FLOAT, ["batch", "sequence", hidden])], g.weights)
        model = helper.make_model(graph, opset_imports=opsets, ir_version=8)
        if self.opset > 21:
            model.ir_version = 11
        onnx.checker.check_model(model)
        return model


def quantized(path, out):
    import logging
    logging.disable(logging.WARNING)
    from onnxruntime.quantization import QuantType, quantize_dynamic
    quantize_dynamic(path, out, weight_type=QuantType.QInt8, op_types_to_quantize=["MatMul"])


def read_safetensors(path):
    with open(path, "rb") as f:
        n = int.from_bytes(f.read(8), "little")
        head = json.loads(f.read(n))
        body = f.read()
    return {k: np.frombuffer(body[v["data_offsets"][0]:v["data_offsets"][1]], np.float32).reshape(v["shape"])
            for k, v in head.items() if v.get("dtype") == "F32"}


def random_weights(c, seed):
    r = np.random.default_rng(seed)
    h, inner = c["hidden_size"], c["intermediate_size"]
    w = {f"embeddings.{n}_embeddings.weight": f32(r.normal(0, 0.5, (k, h))) for n, k in
         (("word", c["vocab_size"]), ("position", c["max_position_embeddings"]), ("token_type", c["type_vocab_size"]))}

    def norm(name):
        w[name + ".weight"], w[name + ".bias"] = f32(r.normal(1, 0.2, h)), f32(r.normal(0, 0.2, h))

    def linear(name, n, k):
        w[name + ".weight"], w[name + ".bias"] = f32(r.normal(0, 1 / np.sqrt(k), (n, k))), f32(r.normal(0, 0.1, n))
    norm("embeddings.LayerNorm")
    for i in range(c["num_hidden_layers"]):
        at = f"encoder.layer.{i}"
        for n in ("query", "key", "value"):
            linear(f"{at}.attention.self.{n}", h, h)
        linear(f"{at}.attention.output.dense", h, h)
        norm(f"{at}.attention.output.LayerNorm")
        linear(f"{at}.intermediate.dense", inner, h)
        linear(f"{at}.output.dense", h, inner)
        norm(f"{at}.output.LayerNorm")
    return w


def record(folder, model):
    """The model and cases of it: a batch of rows of different lengths, one full row, one token."""
    import onnxruntime as ort
    opts = ort.SessionOptions()
    opts.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    os.makedirs(folder, exist_ok=True)
    with open(os.path.join(folder, "model.onnx"), "wb") as f:
        f.write(model if isinstance(model, bytes) else model.SerializeToString())
    s = ort.InferenceSession(os.path.join(folder, "model.onnx"), opts, providers=["CPUExecutionProvider"])
    r = np.random.default_rng(5)
    for k, lengths in enumerate(([13, 5, 1], [24], [1])):
        n = max(lengths)
        mask = np.int64([[i < v for i in range(n)] for v in lengths])
        given = {"input_ids": r.integers(0, SMALL["vocab_size"], mask.shape) * mask, "attention_mask": mask,
                 "token_type_ids": r.integers(0, 2, mask.shape) * mask}
        case = os.path.join(folder, f"test_data_set_{k}")
        os.makedirs(case, exist_ok=True)
        out = s.run(None, given)
        for kind, arrays in (("input", [given[i.name] for i in s.get_inputs()]), ("output", out)):
            for i, a in enumerate(arrays):
                with open(os.path.join(case, f"{kind}_{i}.pb"), "wb") as f:
                    f.write(numpy_helper.from_array(a).SerializeToString())


SMALL = {"hidden_size": 32, "num_attention_heads": 4, "num_hidden_layers": 2, "intermediate_size": 64, "vocab_size": 50,
         "max_position_embeddings": 32, "type_vocab_size": 2, "layer_norm_eps": 1e-12}


# Apart from the others, of which all shapes are derived: onnx has no shapes of com.microsoft's operators.
FOLDERS = {"fused": "fused/counted", "fused-apart": "fused/apart"}


def make_small():
    for form in ("torch", "layer", "attention", "heads", "fused", "fused-apart"):
        folder = os.path.join(HERE, FOLDERS.get(form, "encoders/" + form))
        record(folder, Encoder(SMALL, random_weights(SMALL, 3), form).build())
        if form not in ("torch", "layer"):
            continue
        int8 = os.path.join(HERE, "encoders", form + "-int8")
        quantized(os.path.join(folder, "model.onnx"), folder + ".tmp")
        with open(folder + ".tmp", "rb") as f:
            record(int8, f.read())
        os.unlink(folder + ".tmp")


if __name__ == "__main__":
    if len(sys.argv) == 4:
        with open(sys.argv[1]) as f:
            config = json.load(f)
        onnx.save(Encoder(config, read_safetensors(sys.argv[2]), "torch").build(), sys.argv[3])
        quantized(sys.argv[3], sys.argv[3].replace(".onnx", "-int8.onnx"))
    else:
        make_small()
