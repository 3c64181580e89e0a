#!/usr/bin/env python3
"""Writes tests/golden/checkpoints: small files made by the reference writers, each with the index that a reader must find.

    python3 -m venv venv && venv/bin/pip install numpy safetensors gguf
    venv/bin/python scripts/gen-fixtures/checkpoints.py [OUTDIR]

Beside FILE lies FILE.json: format, tensors (name, type, shape, SHA-256 of the contiguous row-major little-endian bytes; null
where there are none), and metadata that must be found. The output is the same every time.
"""
import hashlib
import io
import json
import os
import struct
import sys
import zipfile

import gguf
import numpy as np
import safetensors
import safetensors.numpy

OUT = sys.argv[1] if len(sys.argv) > 1 else "tests/golden/checkpoints"
RNG = np.random.default_rng(7)


def canonical(a):
    a = np.ascontiguousarray(a)
    if a.dtype.byteorder == ">":
        a = a.astype(a.dtype.newbyteorder("<"))
    return a.tobytes()


def tensor(name, dtype, shape, data):
    digest = None if data is None else hashlib.sha256(data).hexdigest()
    return {"name": name, "dtype": dtype, "shape": [int(d) for d in shape], "sha256": digest}


def save(name, data, fmt, tensors, meta=None):
    with open(os.path.join(OUT, name), "wb") as f:
        f.write(data)
    index = {"format": fmt, "tensors": sorted(tensors, key=lambda t: t["name"].encode()), "meta": meta or {}}
    with open(os.path.join(OUT, name + ".json"), "w") as f:
        json.dump(index, f, indent=1, sort_keys=True, ensure_ascii=True)
        f.write("\n")


def make_safetensors():
    arrays = {f"layer.{i}.{np.dtype(t).name}": RNG.integers(0, 2 if t == "?" else 100, (2, 3)).astype(t)
              for i, t in enumerate(["?", "u1", "i1", "<u2", "<i2", "<u4", "<i4", "<u8", "<i8", "<f2", "<f4", "<f8"])}
    arrays["scalar"] = np.array(1.5, "<f4")
    arrays["empty"] = np.zeros((0, 4), "<f4")
    arrays["n\u00e4me \u2764"] = np.array([1, 2], "<f4")
    save("numpy.safetensors", safetensors.numpy.save(arrays, metadata={"format": "np"}), "safetensors",
         [tensor(k, a.dtype.name, a.shape, canonical(a)) for k, a in arrays.items()], {"format": "np"})
    raw = {"b": ("bfloat16", "bfloat16", [3], bytes(range(6))),
           "e4": ("float8_e4m3fn", "float8_e4m3fn", [4], bytes(range(4))),
           "e5": ("float8_e5m2", "float8_e5m2", [2, 2], bytes(range(4))),
           "e8": ("float8_e8m0fnu", "float8_e8m0fnu", [2], bytes(range(2))),
           "f4": ("float4_e2m1fn_x2", "float4_e2m1fn", [2, 2], bytes(range(4)))}
    buffers = {k: np.frombuffer(b, "u1").copy() for k, (_, _, _, b) in raw.items()}  # must outlive the call
    specs = {k: safetensors.TensorSpec(dtype=d, shape=s, data_ptr=buffers[k].ctypes.data, data_len=len(b)) for k, (d, _, s, b) in raw.items()}
    save("raw.safetensors", safetensors.serialize(specs), "safetensors",
         [tensor(k, t, [2, 4] if k == "f4" else s, b) for k, (_, t, s, b) in raw.items()])


class MemoryWriter(gguf.GGUFWriter):
    """GGUFWriter wants a path: this one writes into memory and adds nothing of its own."""

    def bytes(self):
        path = os.path.join(OUT, ".gguf.tmp")
        self.write_header_to_file(path)
        self.write_kv_data_to_file()
        self.write_tensors_to_file()
        self.close()
        with open(path, "rb") as f:
            data = f.read()
        os.unlink(path)
        return data


def make_gguf():
    w = MemoryWriter(None, "llama")
    w.add_uint8("t.u8", 200)
    w.add_int8("t.i8", -5)
    w.add_uint16("t.u16", 60000)
    w.add_int16("t.i16", -300)
    w.add_uint32("t.u32", 4000000000)
    w.add_int32("t.i32", -70000)
    w.add_float32("t.f32", 0.5)
    w.add_float64("t.f64", -0.25)
    w.add_bool("t.bool", True)
    w.add_string("t.string", "caf\u00e9")
    w.add_uint64("t.u64", 1 << 63)
    w.add_int64("t.i64", -(1 << 62))
    w.add_array("t.few", [1, 2, 3])
    w.add_array("t.many", list(range(100)))
    w.add_array("tokenizer.ggml.tokens", ["a", "bc", ""])
    w.add_quantization_version(2)
    f32 = RNG.standard_normal((4, 64)).astype("<f4")
    plain = {"f32": f32, "f16": f32.astype("<f2"), "i8": np.arange(-3, 3, dtype="i1"), "i32": np.arange(5, dtype="<i4"),
             "i64": np.arange(3, dtype="<i8"), "f64": np.arange(3, dtype="<f8"), "cube": np.arange(24, dtype="<f4").reshape(2, 3, 4)}
    tensors = []
    for name, a in plain.items():
        w.add_tensor(name, a)
        tensors.append(tensor(name, a.dtype.name, a.shape, canonical(a)))
    for q in ("Q8_0", "Q4_0", "Q5_1", "BF16"):
        t = gguf.GGMLQuantizationType[q]
        data = gguf.quants.quantize(f32, t)
        w.add_tensor(q.lower(), data, raw_dtype=t)
        tensors.append(tensor(q.lower(), "bfloat16" if q == "BF16" else q.lower(), f32.shape, data.tobytes()))
    save("llama.gguf", w.bytes(), "gguf", tensors,
         {"general.architecture": "llama", "t.u8": "200", "t.i8": "-5", "t.u16": "60000", "t.i16": "-300", "t.u32": "4000000000",
          "t.i32": "-70000", "t.f32": "0.5", "t.f64": "-0.25", "t.bool": "true", "t.string": "caf\u00e9",
          "t.u64": str(1 << 63), "t.i64": str(-(1 << 62)), "t.few": "[1, 2, 3]", "t.many": "[100 x int32]",
          "tokenizer.ggml.tokens": "[3 x string]", "general.quantization_version": "2"})
    for version, size in ((1, "<I"), (2, "<Q")):
        make_old_gguf(version, size)


def make_old_gguf(version, size):
    """Versions 1 and 2 have no writer any more: by hand. Version 1 counts in 32 bits."""
    def text(s):
        return struct.pack(size, len(s)) + s.encode()
    data = np.arange(6, dtype="<f4")
    head = b"GGUF" + struct.pack("<I", version) + struct.pack(size, 1) + struct.pack(size, 2)
    head += text("general.architecture") + struct.pack("<I", 8) + text("gpt2")
    head += text("a.list") + struct.pack("<II", 9, 8) + struct.pack(size, 2) + text("x") + text("yz")
    head += text("w") + struct.pack("<I", 2) + struct.pack(size, 3) + struct.pack(size, 2) + struct.pack("<IQ", 0, 0)
    head += b"\0" * (-len(head) % 32)
    save(f"v{version}.gguf", head + data.tobytes() + b"\0" * 8, "gguf", [tensor("w", "float32", [2, 3], data.tobytes())],
         {"general.architecture": "gpt2", "a.list": "[2 x string]"})


def npy_bytes(a, **options):
    out = io.BytesIO()
    np.lib.format.write_array(out, a, **options)
    return out.getvalue()


def npy_type(dtype):
    kinds = {"S": lambda d: f"bytes{d.itemsize}", "U": lambda d: f"str{d.itemsize // 4}", "M": lambda d: d.newbyteorder("=").name,
             "m": lambda d: d.newbyteorder("=").name, "V": lambda d: ("struct" if d.names is not None else "raw") + str(d.itemsize),
             "O": lambda d: "object"}
    return kinds.get(dtype.kind, lambda d: d.name)(dtype)


def make_npy():
    long_names = np.dtype([(f"field_with_a_long_name_{i:05d}", "<f4") for i in range(300)])
    big_transposed = np.arange(30, dtype=">f4").reshape(2, 3, 5).transpose(2, 1, 0)
    arrays = {
        "f4": np.arange(12, dtype="<f4").reshape(3, 4), "fortran": np.asfortranarray(np.arange(24, dtype="<i2").reshape(2, 3, 4)),
        "big": np.arange(6, dtype=">f8").reshape(2, 3), "bigfortran": np.asfortranarray(big_transposed),
        "f2": np.arange(5, dtype="<f2"), "c8": np.array([1 + 2j, -3j], "<c8"), "bigc16": np.array([1 + 2j, -3j], ">c16"),
        "bool": np.array([True, False]), "u1": np.arange(4, dtype="u1"), "scalar": np.array(7, "<i8"),
        "empty": np.zeros((3, 0), "<f4"), "str": np.array(["a", "b\u00e9"]), "bigstr": np.array(["a", "bc"], ">U2"),
        "bytes": np.array([b"ab", b"c"]), "time": np.array(["2026-01-01"], "<M8[ns]"), "span": np.array([1, 2], "<m8[25s]"),
        "struct": np.array([(1, 2.0, (3, 4))], np.dtype([("a", "<i4"), ("b", "<f8"), ("c", "<u2", (2,))])),
        "raw": np.array([b"ab", b"cd"], "V2"),
    }
    for name, a in arrays.items():
        save(f"{name}.npy", npy_bytes(a), "npy", [tensor("arr_0", npy_type(a.dtype), a.shape, canonical(a))])
    a = np.zeros(1, long_names)
    save("version2.npy", npy_bytes(a, version=(2, 0)), "npy", [tensor("arr_0", npy_type(a.dtype), a.shape, canonical(a))])
    a = np.zeros(2, np.dtype([("\u00e9\u4e16", "<f4")]))
    save("version3.npy", npy_bytes(a, version=(3, 0)), "npy", [tensor("arr_0", npy_type(a.dtype), a.shape, canonical(a))])
    a = np.array([None, 1], object)
    save("object.npy", npy_bytes(a), "npy", [tensor("arr_0", "object", a.shape, None)])
    return {k: arrays[k] for k in ("f4", "fortran", "big", "bigfortran", "scalar", "empty", "bool")}


def make_npz(arrays):
    arrays = dict(arrays, zeros=np.zeros((64, 64), "<f4"))
    for name, method in (("stored", zipfile.ZIP_STORED), ("deflated", zipfile.ZIP_DEFLATED)):
        out = io.BytesIO()
        with zipfile.ZipFile(out, "w", method, allowZip64=True) as z:
            for key, a in arrays.items():
                # as numpy.savez does, but with a fixed time
                info = zipfile.ZipInfo(key + ".npy", (1980, 1, 1, 0, 0, 0))
                info.compress_type = method
                with z.open(info, "w", force_zip64=True) as f:
                    np.lib.format.write_array(f, a)
        save(f"{name}.npz", out.getvalue(), "npz", [tensor(k, npy_type(a.dtype), a.shape, canonical(a)) for k, a in arrays.items()])
    out = io.BytesIO()
    np.savez_compressed(out, x=np.arange(3, dtype="<i4"))
    save("savez.npz", out.getvalue(), "npz", [tensor("x", "int32", [3], canonical(np.arange(3, dtype="<i4")))])


os.makedirs(OUT, exist_ok=True)
make_safetensors()
make_gguf()
make_npz(make_npy())
