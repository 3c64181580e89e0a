#!/usr/bin/env python3
"""Writes checkpoints that lie, break off or attack, each in a folder of its own, into a folder:

    hostile.py DIR

DIR/NAME/...        what to pack
DIR/cases           lines of NAME <tab> text that the refusal must contain
DIR/verdicts        lines of FILE <tab> verdict of `mlopsctl scan` <tab> text that a finding must contain
DIR/cut/FORMAT/     every beginning of one small good file of that format, under a name of the format
DIR/good/           the good files themselves
DIR/odd/            names.safetensors: good, with names of tensors that command terminals; bomb.npz: 300 MB in 300 KB
The same bytes every time. Only the standard library."""
import io
import json
import os
import struct
import sys
import tarfile
import zipfile
import zlib

ROOT = sys.argv[1]
cases, verdicts = [], []
FLOATS = struct.pack("<2f", 1.0, -2.0)


def put(path, data):
    path = os.path.join(ROOT, path)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "wb") as f:
        f.write(data)


def refuse(name, files, text):
    """files: bytes (of model.<what name begins with>) or {path: bytes}"""
    kind = name.split("-")[0]
    for path, data in (files if isinstance(files, dict) else {"model." + kind: files}).items():
        put(f"{name}/{path}", data)
    cases.append((name, text))


def scan(name, data, verdict, text):
    put(f"scan/{name}", data)
    verdicts.append((name, verdict, text))


# ---- safetensors ----

def st_raw(header, data=b"", length=None):
    header = header if isinstance(header, bytes) else header.encode()
    return struct.pack("<Q", len(header) if length is None else length) + header + data


def st(tensors, data):
    """tensors: (name, dtype, shape, begin, end)"""
    return st_raw(json.dumps({n: {"dtype": t, "shape": s, "data_offsets": [a, b]} for n, t, s, a, b in tensors}), data)


ST_HEADER = '{"w":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}  '
ST_GOOD = st_raw(ST_HEADER, FLOATS)


def safetensors():
    refuse("safetensors-length-all-ones", st_raw(ST_HEADER, FLOATS, 2**64 - 1), "header length 18446744073709551615 is above 100000000")
    refuse("safetensors-length-of-the-file", st_raw(ST_HEADER, FLOATS, len(ST_HEADER) + 8), "the header does not end with")
    refuse("safetensors-length-past-the-end", st_raw(ST_HEADER, FLOATS, len(ST_HEADER) + 9), "header length 65, but only 64 bytes follow")
    refuse("safetensors-length-100000001", st_raw(ST_HEADER, FLOATS, 100000001), "header length 100000001 is above 100000000")
    refuse("safetensors-offsets-reversed", st([("w", "F32", [2], 8, 0)], FLOATS), "data_offsets [8, 0]")
    refuse("safetensors-overlap-by-one", st([("v", "U8", [4], 0, 4), ("w", "U8", [5], 3, 8)], FLOATS), "an overlap of 1 byte")
    refuse("safetensors-hole-of-one", st([("v", "U8", [4], 0, 4), ("w", "U8", [3], 5, 8)], FLOATS), "a hole of 1 byte")
    refuse("safetensors-one-trailing-byte", ST_GOOD + b"\0", "1 bytes after the last tensor")
    refuse("safetensors-shape-2-to-64", st([("w", "U8", [2**32, 2**32], 0, 0)], b""), "the shape's product overflows")
    refuse("safetensors-bytes-2-to-64", st([("w", "F64", [2**61], 0, 0)], b""), "the byte size overflows")
    refuse("safetensors-count-2-to-60", st([("w", "F32", [2**60], 0, 8)], FLOATS), "the byte size overflows")
    refuse("safetensors-odd-f4", st([("w", "F4", [3], 0, 2)], b"\0\0"), "do not fill whole bytes")
    refuse("safetensors-same-name-twice", st_raw(
        '{"w":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"w":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}', FLOATS), 'two tensors are named "w"')
    refuse("safetensors-same-name-escaped", st_raw(
        '{"w":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"\\u0077":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}', FLOATS), 'two tensors are named "w"')
    for what, number, text in (("nan", "NaN", "bad number"), ("infinite", "1e999", "not a whole number"), ("fraction", "2.0", "not a whole number"),
                               ("exponent", "2e0", "not a whole number"), ("negative", "-2", "not a whole number"), ("text", '"2"', "is not a number")):
        refuse(f"safetensors-{what}-size", st_raw('{"w":{"dtype":"F32","shape":[%s],"data_offsets":[0,8]}}' % number, FLOATS), text)
    refuse("safetensors-nested-10000", st_raw('{"__metadata__":' + '{"a":' * 10000 + "1" + "}" * 10000 + "}"), "nested too deep")
    refuse("safetensors-first-byte-is-a-space", st_raw(" " + ST_HEADER, FLOATS), "is named like safetensors")
    refuse("safetensors-and-a-zip", ST_GOOD + zip_of({"a": b"b"}), "polyglot: safetensors and zip")


# ---- GGUF ----

def gg_text(s):
    return struct.pack("<Q", len(s)) + s


def gg_key(key, kind, value):
    return gg_text(key) + struct.pack("<I", kind) + value


def gg_tensor(name, dims, kind=0, offset=0):
    return gg_text(name) + struct.pack("<I", len(dims)) + b"".join(struct.pack("<Q", d) for d in dims) + struct.pack("<IQ", kind, offset)


def gguf_of(keys, tensors, data=b"", n_keys=None, n_tensors=None, align=32, version=3):
    head = b"GGUF" + struct.pack("<IQQ", version, len(tensors) if n_tensors is None else n_tensors, len(keys) if n_keys is None else n_keys)
    head += b"".join(keys) + b"".join(tensors)
    return head + (b"\0" * (-len(head) % align) if tensors else b"") + data


GG_ARCH = gg_key(b"general.architecture", 8, gg_text(b"llama"))
GG_DATA = struct.pack("<8f", *range(8))
GG_GOOD = gguf_of([GG_ARCH], [gg_tensor(b"w", [8])], GG_DATA)


def gguf():
    refuse("gguf-tensors-2-to-60", gguf_of([], [], n_tensors=2**60), "1152921504606846976 tensors")
    refuse("gguf-keys-2-to-60", gguf_of([], [], n_keys=2**60), "1152921504606846976 keys")
    refuse("gguf-string-of-2-to-63", gguf_of([struct.pack("<Q", 2**63) + b"a" * 32], []), "a key of 9223372036854775808 bytes")
    refuse("gguf-value-of-2-to-63", gguf_of([gg_key(b"a", 8, struct.pack("<Q", 2**63))], []), "a string value of 9223372036854775808 bytes")
    refuse("gguf-array-of-2-to-60", gguf_of([gg_key(b"a", 9, struct.pack("<IQ", 0, 2**60))], []), "an array of 1152921504606846976 elements")
    refuse("gguf-array-of-arrays", gguf_of([gg_key(b"a", 9, struct.pack("<IQ", 9, 1) + struct.pack("<IQ", 0, 0))], []), "an array of arrays")
    refuse("gguf-bool-of-two", gguf_of([gg_key(b"a", 7, b"\2")], []), "a bool is neither 0 nor 1")
    for align in (0, 3, 2**31):
        refuse(f"gguf-alignment-{align}", gguf_of([gg_key(b"general.alignment", 4, struct.pack("<I", align))], [gg_tensor(b"w", [8])], GG_DATA), "alignment")
    refuse("gguf-shape-overflow", gguf_of([], [gg_tensor(b"w", [2**32, 2**32])]), "the shape's product overflows")
    refuse("gguf-bytes-overflow", gguf_of([], [gg_tensor(b"w", [2**62])]), "the byte size overflows")  # CVE-2026-33298
    big = 2**63 - 64  # CVE-2025-53630, CVE-2026-27940: sizes that wrap round when summed
    refuse("gguf-sum-overflow", gguf_of([], [gg_tensor(b"v", [big], 24), gg_tensor(b"w", [big], 24, big), gg_tensor(b"x", [160], 24)], b"\0" * 160), "overflow")
    refuse("gguf-data-past-the-end", gguf_of([], [gg_tensor(b"w", [1024])], GG_DATA), "truncated: 4096 bytes at 0 of 32")  # CVE-2026-7482
    refuse("gguf-offset-elsewhere", gguf_of([], [gg_tensor(b"w", [8], 0, 32)], b"\0" * 32 + GG_DATA), "offset 32, but the tensors before it end at 0")
    refuse("gguf-type-4-was-removed", gguf_of([], [gg_tensor(b"w", [32], 4)], b"\0" * 32), "type 4 was removed")
    refuse("gguf-same-name-twice", gguf_of([], [gg_tensor(b"w", [8]), gg_tensor(b"w", [8], 0, 32)], GG_DATA * 2), 'two tensors are named "w"')
    refuse("gguf-big-endian", b"GGUF" + struct.pack(">IQQ", 3, 0, 0), "a big-endian GGUF file")
    refuse("gguf-version-4", gguf_of([], [], version=4), "GGUF version 4")


# ---- npy and npz ----

def npy_of(header, data=b"", newline=b"\n", length=None):
    header = header.encode("latin-1") + newline
    return b"\x93NUMPY\1\0" + struct.pack("<H", len(header) if length is None else length) + header + data


NPY_HEADER = "{'descr': '<f4', 'fortran_order': False, 'shape': (2,), }"
NPY_GOOD = npy_of(NPY_HEADER.ljust(117), FLOATS)


def npy():
    refuse("npy-no-newline", npy_of(NPY_HEADER + " ", FLOATS, b""), "does not end with a newline")
    refuse("npy-header-past-the-end", npy_of(NPY_HEADER, FLOATS, length=60000), "truncated: header of 60010 bytes in a file of 76")
    refuse("npy-shape-minus-one", npy_of(NPY_HEADER.replace("2,", "-1,"), FLOATS), "a negative number")
    refuse("npy-shape-2-to-60", npy_of(NPY_HEADER.replace("2,", "1152921504606846976,"), FLOATS), "the byte size overflows")
    refuse("npy-shape-2-to-64", npy_of(NPY_HEADER.replace("2,", "4294967296, 4294967296"), FLOATS), "the shape's product overflows")
    refuse("npy-shape-of-60-digits", npy_of(NPY_HEADER.replace("2,", "1" * 60 + ","), FLOATS), "a number too large")
    refuse("npy-key-twice", npy_of("{'descr': '<f4', 'descr': '<f4', 'fortran_order': False, 'shape': (2,), }", FLOATS), 'repeated key "descr"')
    refuse("npy-key-unknown", npy_of("{'descr': '<f4', 'fortran_order': False, 'shape': (2,), 'x': 1}", FLOATS), 'unknown key "x"')
    refuse("npy-expression", npy_of("{'descr': '<f4', 'fortran_order': False, 'shape': (__import__('os').system('id'),), }", FLOATS), "expected a number")
    refuse("npy-nested-5000", npy_of("{'descr': " + "[" * 5000 + "]" * 5000 + ", 'fortran_order': False, 'shape': (2,), }", FLOATS), "expected")
    refuse("npy-trailing-byte", NPY_GOOD + b"\0", "need 8 bytes, 9 follow")
    refuse("npy-object-that-runs", npy_of("{'descr': '|O', 'fortran_order': False, 'shape': (1,), }", EVIL), "dangerous pickle: posix.system")  # CVE-2019-6446


def zip_of(members, method=zipfile.ZIP_STORED):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as z:
        for name, data in members.items() if isinstance(members, dict) else members:
            info = zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))
            info.compress_type = method
            z.writestr(info, data)
    return out.getvalue()


def npz():
    import warnings
    warnings.simplefilter("ignore")
    refuse("npz-same-name-twice", zip_of([("w.npy", NPY_GOOD), ("w.npy", NPY_GOOD)]), "two entries of one name")
    refuse("npz-traversal", zip_of({"../w.npy": NPY_GOOD}), '"../w.npy": zip: unsafe name')
    refuse("npz-absolute", zip_of({"/w.npy": NPY_GOOD}), "unsafe name")
    good = zip_of({"w.npy": NPY_GOOD})
    central = good.index(b"PK\1\2")
    refuse("npz-other-name-in-the-directory", good[:central] + good[central:].replace(b"w.npy", b"v.npy"), "local and central names differ")  # CVE-2025-1944
    refuse("npz-flag-of-encryption", good[:6] + b"\1" + good[7:], "flagged as encrypted")  # CVE-2025-1945
    refuse("npz-flag-of-encryption-in-the-directory", good[:central + 8] + b"\1" + good[central + 9:], "flagged as encrypted")
    sizes = struct.pack("<II", len(NPY_GOOD), len(NPY_GOOD))
    refuse("npz-sizes-differ", good[:18] + struct.pack("<II", 8, 8) + good[26:], "do not agree")
    refuse("npz-sizes-of-4-gib", good.replace(sizes, b"\xfe\xff\xff\xff" * 2), "no local header")
    refuse("npz-in-front-of-it-a-program", b"#!/bin/sh\nexit\n" + good, "zip at the end of another file")
    refuse("npz-two-directories", good + good, "does not end at the end record")
    refuse("npz-deflate-that-lies", deflate_lies(), "not of the size promised")
    refuse("npz-bomb", zip_of({"w.npy": npy_of(NPY_HEADER.replace("2,", "16777216,"), b"\0" * 4096)}, zipfile.ZIP_DEFLATED), "need 67108864 bytes, 4096 follow")
    refuse("npz-member-that-runs", zip_of({"w.npy": npy_of("{'descr': '|O', 'fortran_order': False, 'shape': (1,), }", EVIL)}, zipfile.ZIP_DEFLATED), "dangerous pickle: posix.system")


def deflate_lies():
    """The directory promises 136 bytes, the stream gives 64 MiB."""
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    body = packer.compress(NPY_GOOD + b"\0" * (64 << 20)) + packer.flush()
    crc = zlib.crc32(NPY_GOOD)
    fields = struct.pack("<HHHHIII", 0, 8, 0, 33, crc, len(body), len(NPY_GOOD))
    local = b"PK\3\4\x14\0" + fields + struct.pack("<HH", 5, 0) + b"w.npy" + body
    central = b"PK\1\2\x14\0\x14\0" + fields + struct.pack("<HHHHHII", 5, 0, 0, 0, 0, 0, 0) + b"w.npy"
    return local + central + b"PK\5\6" + struct.pack("<HHHHIIH", 0, 0, 1, 1, len(central), len(local), 0)


# ---- ONNX ----

def varint(n):
    out = b""
    while n > 127:
        out += bytes([n & 127 | 128])
        n >>= 7
    return out + bytes([n])


def pb(field, value):
    if isinstance(value, int):
        return varint(field << 3) + varint(value)
    return varint(field << 3 | 2) + varint(len(value)) + value


def onnx_tensor(name=b"w", dims=(2,), kind=1, raw=FLOATS, external=()):
    body = b"".join(pb(1, d) for d in dims) + pb(2, kind) + pb(8, name)
    if external:
        return body + b"".join(pb(13, pb(1, k) + pb(2, v)) for k, v in external) + pb(14, 1)
    return body + pb(9, raw)


def onnx_of(graph):
    return pb(1, 8) + pb(8, pb(1, b"") + pb(2, 17)) + pb(7, graph)


ONNX_GOOD = onnx_of(pb(2, b"g") + pb(5, onnx_tensor()))


def onnx():
    def outside(location):
        return onnx_of(pb(2, b"g") + pb(5, onnx_tensor(external=((b"location", location),))))
    refuse("onnx-varint-of-11-bytes", ONNX_GOOD[:1] + b"\x88" + b"\x80" * 9 + b"\0" + ONNX_GOOD[2:], "is named like onnx")
    refuse("onnx-dimension-2-to-62", onnx_of(pb(2, b"g") + pb(5, onnx_tensor(dims=(2**62,)))), "the byte size overflows")
    refuse("onnx-dimension-negative", onnx_of(pb(2, b"g") + pb(5, onnx_tensor(dims=(2**64 - 1,)))), "a negative dimension")
    refuse("onnx-shape-overflow", onnx_of(pb(2, b"g") + pb(5, onnx_tensor(dims=(2**32, 2**32)))), "the shape's product overflows")
    refuse("onnx-data-too-short", onnx_of(pb(2, b"g") + pb(5, onnx_tensor(dims=(3,)))), "raw_data has another size")
    deep = b""
    for _ in range(10000):
        deep = pb(1, pb(5, pb(6, deep)))
    refuse("onnx-subgraphs-10000-deep", onnx_of(pb(2, b"g") + deep), "nested deeper than 64")
    for what, location, text in (("traversal", b"../w.bin", "unsafe path '../w.bin'"), ("absolute", b"/etc/passwd", "it is absolute"), ("empty", b"", "it is empty"),
                                 ("backslash", b"..\\w.bin", "a backslash"), ("drive", b"C:w.bin", "'C:w.bin' is not among the packed files"),
                                 ("inner-traversal", b"a/../../w.bin", "a component '..'"), ("nul", b"w\0.bin", "a NUL byte"), ("missing", b"w.bin", "'w.bin' is not among")):
        refuse(f"onnx-external-{what}", outside(location), text)
    refuse("onnx-external-too-short", {"m.onnx": outside(b"w.bin"), "w.bin": b"\0" * 7}, "its data file is too short")
    wide = onnx_of(pb(2, b"g") + pb(5, onnx_tensor(external=((b"location", b"w.bin"), (b"offset", b"18446744073709551612"), (b"length", b"8")))))
    refuse("onnx-external-offset-wraps", {"m.onnx": wide, "w.bin": b"\0" * 16}, "external data")
    refuse("onnx-external-symlink", {"m.onnx": outside(b"w.bin")}, "'w.bin': a symbolic link")
    os.symlink("/etc/passwd", os.path.join(ROOT, "onnx-external-symlink", "w.bin"))
    refuse("onnx-external-through-a-link", {"m.onnx": outside(b"d/w.bin")}, "'d': a symbolic link")
    os.symlink("/etc", os.path.join(ROOT, "onnx-external-through-a-link", "d"))
    refuse("onnx-external-fifo", {"m.onnx": outside(b"w.bin")}, "'w.bin': a FIFO")
    os.mkfifo(os.path.join(ROOT, "onnx-external-fifo", "w.bin"))


# ---- pickle and PyTorch ----

EVIL = b"\x80\x02cposix\nsystem\nX\x02\0\0\0id\x85R."
TENSOR_ONLY = b"\x80\x02ccollections\nOrderedDict\nq\0)Rq\1X\1\0\0\0aq\2K\1s."
TORCH_PICKLE = (b"\x80\x02}X\1\0\0\0wctorch._utils\n_rebuild_tensor_v2\n((X\7\0\0\0storagectorch\nFloatStorage\nX\1\0\0\x000X\3\0\0\0cpuK\2tQ"
                b"K\0K\2\x85K\1\x85\x89ccollections\nOrderedDict\n)RtRs.")
TORCH_MEMBERS = {"m/data.pkl": TORCH_PICKLE, "m/byteorder": b"little", "m/data/0": FLOATS, "m/version": b"3\n"}
TORCH_GOOD = zip_of(TORCH_MEMBERS)


def torch():
    def model(**change):
        return zip_of({**TORCH_MEMBERS, **{"m/" + k.replace("__", "/").replace("_pkl", ".pkl"): v for k, v in change.items()}})
    refuse("pt-that-runs", model(data_pkl=EVIL), "dangerous pickle: posix.system")  # CVE-2025-32434, CVE-2026-24747
    refuse("pt-storage-too-short", model(data__0=FLOATS[:4]), "its storage has another size")
    refuse("pt-view-outside-its-storage", model(data_pkl=TORCH_PICKLE.replace(b"K\0K\2\x85", b"K\1K\2\x85")), "reaches outside its storage")
    refuse("pt-storage-missing", zip_of({k: v for k, v in TORCH_MEMBERS.items() if k != "m/data/0"}), "its storage is not in the file")
    refuse("pt-damaged-storage", TORCH_GOOD.replace(FLOATS, b"\0" * 8, 1), "CRC-32 does not match")
    refuse("pt-traversal-in-a-key", zip_of([(k.replace("m/data/0", "m/data/../0"), v) for k, v in TORCH_MEMBERS.items()]), "unsafe name")
    refuse("pt-and-a-safetensors", ST_GOOD + TORCH_GOOD, "polyglot: safetensors and zip")
    old = io.BytesIO()
    with tarfile.open(fileobj=old, mode="w", format=tarfile.USTAR_FORMAT) as t:
        for name in ("sys_info", "pickle", "storages", "tensors"):
            info = tarfile.TarInfo(name)
            info.size = len(TENSOR_ONLY)
            t.addfile(info, io.BytesIO(TENSOR_ONLY))
    refuse("pt-of-the-tar-age", old.getvalue(), "PyTorch tar: its loader runs what it finds")

    scan("harmless.pkl", TENSOR_ONLY, "tensor-only", "")
    scan("weights.pt", TORCH_GOOD, "tensor-only", "")
    scan("evil.txt", EVIL, "dangerous", "posix.system")  # never by name: CVE-2025-1889, CVE-2025-10155
    scan("cut-after-reduce.bin", EVIL[:-1], "dangerous", "posix.system")  # payload, then a broken stream
    scan("after-stop.pkl", TENSOR_ONLY + EVIL, "dangerous", "posix.system")
    scan("stack-global.pkl", b"\x80\x04\x8c\x05posix\x8c\x06system\x93\x8c\x02id\x85R.", "dangerous", "posix.system")
    scan("memo.pkl", b"\x80\x04\x8c\x05posix\x94\x8c\x06system\x94h\0h\1\x93\x8c\x02id\x85R.", "dangerous", "posix.system")
    scan("submodule.pkl", b"\x80\x02casyncio.unix_events\n_UnixSubprocessTransport._start\n)R.", "dangerous", "asyncio")  # CVE-2025-10157
    scan("pip.pkl", b"\x80\x02cpip\nmain\n]\x85R.", "dangerous", "pip")  # CVE-2025-1716
    scan("unknown.pkl", b"\x80\x02cmy_package\nThing\n)R.", "unknown", "my_package")
    scan("zip-crc-broken.zip", zip_of({"a.pkl": EVIL}).replace(struct.pack("<I", zlib.crc32(EVIL)), b"\0\0\0\0"), "dangerous", "posix.system")
    scan("nested.zip", zip_of({"inner.zip": zip_of({"a.dat": EVIL}, zipfile.ZIP_DEFLATED)}), "dangerous", "posix.system")
    scan("deflated.npz", zip_of({"a.npy": npy_of("{'descr': '|O', 'fortran_order': False, 'shape': (1,), }", EVIL)}, zipfile.ZIP_DEFLATED), "dangerous", "posix.system")
    scan("zlib.joblib", zlib.compress(EVIL), "dangerous", "posix.system")
    scan("gzip.joblib", b"\x1f\x8b\x08\0\0\0\0\0\0\3" + zlib.compress(EVIL)[2:-4] + struct.pack("<II", zlib.crc32(EVIL), len(EVIL)), "dangerous", "posix.system")
    scan("seven.7z", b"7z\xbc\xaf\x27\x1c\0\4" + b"\0" * 24, "unscanned", "")
    evil_name = zip_of({"\x1b[2J\u202e.pkl": EVIL})
    scan("names.zip", evil_name, "dangerous", "posix.system")


def good_and_cut():
    for name, data in (("model.safetensors", ST_GOOD), ("model.gguf", GG_GOOD), ("model.npy", NPY_GOOD), ("model.npz", zip_of({"w.npy": NPY_GOOD})),
                       ("model.onnx", ONNX_GOOD), ("model.pt", TORCH_GOOD)):
        put(f"good/{name}", data)
        kind = name.split(".")[1]
        for n in range(len(data)):
            put(f"cut/{kind}/{n:04d}.{kind}", data[:n])


def odd():
    put("odd/names.safetensors", st([("../../\x1b[2J", "U8", [1], 0, 1), ("\u202ex", "U8", [0], 1, 1)], b"x"))
    with zipfile.ZipFile(os.path.join(ROOT, "odd", "bomb.npz"), "w", zipfile.ZIP_DEFLATED) as z:
        info = zipfile.ZipInfo("w.npy", (1980, 1, 1, 0, 0, 0))
        info.compress_type = zipfile.ZIP_DEFLATED
        with z.open(info, "w") as f:
            f.write(npy_of("{'descr': '|O', 'fortran_order': False, 'shape': (1,), }"))
            for _ in range(300):
                f.write(bytes(1 << 20))


for part in (safetensors, gguf, npy, npz, onnx, torch, good_and_cut, odd):
    part()
for file, rows in (("cases", cases), ("verdicts", verdicts)):
    put(file, "".join("\t".join(row) + "\n" for row in rows).encode())
