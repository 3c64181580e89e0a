#!/usr/bin/env python3
"""Writes the PyTorch and ONNX files of tests/golden/checkpoints, each with the index that a reader must find.

    python3 -m venv venv && venv/bin/pip install torch==2.13.0 numpy onnx
    venv/bin/python scripts/gen-fixtures/torch_onnx.py [OUTDIR]

FILE.json: format, tensors (name, type, shape, SHA-256 of the contiguous row-major little-endian bytes; null where there are
none), metadata that must be found.
"""
import hashlib
import json
import os
import sys

import numpy as np
import onnx
import torch
from onnx import TensorProto as T
from onnx import helper, numpy_helper

OUT = sys.argv[1] if len(sys.argv) > 1 else "tests/golden/checkpoints"
torch.manual_seed(7)


def tensor(name, dtype, shape, data):
    digest = None if data is None else hashlib.sha256(data).hexdigest()
    return {"name": name, "dtype": dtype, "shape": [int(d) for d in shape], "sha256": digest}


def index(name, fmt, tensors, meta=None):
    doc = {"format": fmt, "tensors": sorted(tensors, key=lambda t: t["name"].encode()), "meta": meta or {}}
    with open(os.path.join(OUT, name + ".json"), "w") as f:
        json.dump(doc, f, indent=1, sort_keys=True, ensure_ascii=True)
        f.write("\n")


# ---- PyTorch ----


def torch_bytes(t):
    t = t.detach().contiguous()
    if t.numel() == 0:
        return b""
    return bytes(t.reshape(-1).view(torch.uint8).numpy())


def entry(name, t):
    return tensor(name, str(t.dtype).removeprefix("torch."), t.shape, torch_bytes(t))


def flat(prefix, value):
    if isinstance(value, torch.Tensor):
        return [entry(prefix, value)]
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, (list, tuple)) else []
    return [e for k, v in items for e in flat(f"{prefix}.{k}" if prefix else str(k), v)]


def save(name, obj, tensors=None, meta=None, **options):
    torch.save(obj, os.path.join(OUT, name), **options)
    fmt = "pytorch-legacy" if "_use_new_zipfile_serialization" in options else "pytorch"
    index(name, fmt, flat("", obj) if tensors is None else tensors, meta)


def make_torch():
    model = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.ReLU(), torch.nn.Linear(4, 2))
    state = model.state_dict()
    save("state.pt", state, meta={"torch.byteorder": "little", "torch.file_version": "3"})
    save("state-legacy.pt", state, _use_new_zipfile_serialization=False)
    save("module.pt", model, flat("", state))
    base = torch.arange(24.0).reshape(2, 3, 4)
    save("views.pt", {
        "base": base, "turned": base.permute(2, 0, 1), "part": base[:, 1:, ::2], "row": base[1, 2], "one": torch.ones(1).expand(3, 3),
        "scalar": torch.tensor(3.5), "empty": torch.zeros(0, 3), "tied": [base, base.view(6, 4)]})
    save("views-legacy.pt", {"base": base, "turned": base.permute(2, 0, 1), "part": base[:, 1:, ::2]},
         _use_new_zipfile_serialization=False)
    names = ["float64", "float32", "float16", "bfloat16", "int64", "int32", "int16", "int8", "uint8", "bool", "complex64",
             "complex128", "uint16", "uint32", "uint64", "float8_e4m3fn", "float8_e5m2", "float8_e4m3fnuz", "float8_e5m2fnuz",
             "float8_e8m0fnu"]
    save("types.pt", {n: torch.arange(6).to(torch.float32).to(getattr(torch, n)) for n in names})
    optimizer = torch.optim.Adam(model.parameters())
    model(torch.ones(2, 3)).sum().backward()
    optimizer.step()
    checkpoint = {"epoch": 3, "name": "tiny", "model": model.state_dict(), "optimizer": optimizer.state_dict()}
    save("checkpoint.pt", checkpoint, meta={"epoch": "3", "name": "tiny"})
    sparse = torch.eye(3).to_sparse()
    save("special.pt", {"parameter": torch.nn.Parameter(torch.ones(2)), "sparse": sparse, "meta": torch.zeros(3, device="meta")},
         [entry("parameter", torch.ones(2)), entry("sparse.0", sparse.indices()), entry("sparse.1", sparse.values()),
          tensor("meta", "float32", [3], None)])
    torch.jit.save(torch.jit.script(model), os.path.join(OUT, "script.pt"))
    index("script.pt", "torchscript", flat("", model.state_dict()))


# ---- ONNX ----


def array(name, a):
    return tensor(name, a.dtype.name, a.shape, np.ascontiguousarray(a).tobytes())


def external(name, dims, path, offset, length):
    t = T(name=name, data_type=T.FLOAT, dims=dims, data_location=T.EXTERNAL)
    for key, value in (("location", path), ("offset", str(offset)), ("length", str(length))):
        t.external_data.add(key=key, value=value)
    return t


def typed_tensors():
    values = {
        "f32": (T.FLOAT, np.array([1.5, -2], "<f4")), "f64": (T.DOUBLE, np.array([1.5, -2], "<f8")),
        "i8": (T.INT8, np.array([1, -2], "i1")), "u8": (T.UINT8, np.array([1, 255], "u1")),
        "i16": (T.INT16, np.array([1, -300], "<i2")), "u16": (T.UINT16, np.array([1, 65535], "<u2")),
        "i32": (T.INT32, np.array([1, -2], "<i4")), "i64": (T.INT64, np.array([1, -(1 << 40)], "<i8")),
        "u32": (T.UINT32, np.array([1, 1 << 31], "<u4")), "u64": (T.UINT64, np.array([1, 1 << 63], "<u8")),
        "bool": (T.BOOL, np.array([True, False])), "f16": (T.FLOAT16, np.array([1.5, -2], "<f2")),
        "c64": (T.COMPLEX64, np.array([1 + 2j, 3 - 4j], "<c8")), "c128": (T.COMPLEX128, np.array([1 + 2j], "<c16"))}
    made = [helper.make_tensor(n, t, a.shape, a.tolist()) for n, (t, a) in values.items()]
    return made, [array(n, a) for n, (_, a) in values.items()]


def value(name, dtype, shape):
    return helper.make_tensor_value_info(name, dtype, shape)


def make_onnx():
    made, want = typed_tensors()
    raw = np.arange(6, dtype="<f4").reshape(2, 3)
    made.append(numpy_helper.from_array(raw, "raw"))
    want.append(array("raw", raw))
    made.append(helper.make_tensor("i4", T.INT4, [3], [1, -2, 3]))
    want.append(tensor("i4", "int4", [3], bytes([0xE1, 0x03])))
    unpacked = T(name="unpacked", data_type=T.INT32, dims=[3]).SerializeToString()
    unpacked += b"".join(bytes([0x28, v]) for v in (1, 2, 127))  # int32_data, one field a value
    made.append(T.FromString(unpacked))
    want.append(array("unpacked", np.array([1, 2, 127], "<i4")))
    made.append(helper.make_tensor("text", T.STRING, [2], [b"a", b"b"]))
    want.append(tensor("text", "string", [2], None))
    made.append(external("outside", [4], "weights.bin", 16, 16))
    weights = np.arange(8, dtype="<f4")
    weights.tofile(os.path.join(OUT, "weights.bin"))
    want.append(array("outside", weights[4:]))
    sparse_values, sparse_indices = np.array([1, 2], "<f4"), np.array([0, 3], "<i8")
    sparse = helper.make_sparse_tensor(numpy_helper.from_array(sparse_values, "sparse"),
                                       numpy_helper.from_array(sparse_indices, "sparse_at"), [5])
    want += [array("sparse/values", sparse_values), array("sparse/indices", sparse_indices)]
    seven = np.array([7], "<i4")
    nodes = [helper.make_node("Constant", [], ["c1"], name="constant", value=numpy_helper.from_array(seven)),
             helper.make_node("Constant", [], ["c2"], value_floats=[1.0, 2.0]),
             helper.make_node("Constant", [], ["c3"], value_ints=[1, -2, 300])]
    want += [array("constant/value", seven), array("c2/value_floats", np.array([1, 2], "<f4")),
             array("c3/value_ints", np.array([1, -2, 300], "<i8"))]
    ones, zeros = np.ones(2, "<f4"), np.zeros(2, "<f4")
    then = helper.make_graph([helper.make_node("Identity", ["w"], ["o1"])], "then", [], [value("o1", T.FLOAT, [2])],
                             [numpy_helper.from_array(ones, "w")])
    other = helper.make_graph([helper.make_node("Constant", [], ["o2"], value=numpy_helper.from_array(zeros))], "else", [],
                              [value("o2", T.FLOAT, [2])])
    nodes.append(helper.make_node("If", ["cond"], ["y"], name="branch", then_branch=then, else_branch=other))
    nodes.append(helper.make_node("Double", ["x"], ["z"], domain="my.domain"))
    want += [array("branch/then_branch/w", ones), array("branch/else_branch/o2/value", zeros)]
    nine = np.array([9], "<f8")
    opsets = [helper.make_opsetid("", 21), helper.make_opsetid("my.domain", 1)]
    function = helper.make_function("my.domain", "Double", ["x"], ["z"], [
        helper.make_node("Constant", [], ["k"], value=numpy_helper.from_array(nine)), helper.make_node("Identity", ["x"], ["z"])],
        opsets[:1])
    want.append(array("my.domain.Double/k/value", nine))
    graph = helper.make_graph(nodes, "main", [value("x", T.FLOAT, ["N", 3]), value("cond", T.BOOL, []), value("raw", T.FLOAT, [2, 3])],
                              [value("y", T.FLOAT, [2])], made, sparse_initializer=[sparse])
    model = helper.make_model(graph, functions=[function], opset_imports=opsets, producer_name="gen", ir_version=10)
    model.metadata_props.add(key="author", value="me")
    with open(os.path.join(OUT, "all.onnx"), "wb") as f:
        f.write(model.SerializeToString(deterministic=True))
    index("all.onnx", "onnx", want, {"author": "me", "onnx.producer": "gen", "onnx.ir_version": "10", "onnx.opset.ai.onnx": "21"})


os.makedirs(OUT, exist_ok=True)
make_torch()
make_onnx()
