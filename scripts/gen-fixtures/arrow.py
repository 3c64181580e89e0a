#!/usr/bin/env python3
"""Arrow IPC files for the tests, written by pyarrow, polars and DuckDB, each with what is in it as text (tests/unit/table_help.h).

    venv/bin/python scripts/gen-fixtures/arrow.py [OUTDIR]        default: tests/golden/arrow

The text is made from the values that were put in, by this script alone. Files are written with pyarrow 26, polars 2.1 and DuckDB 2.0.
"""
import datetime
import decimal
import math
import os
import sys

import pyarrow as pa

D = decimal.Decimal
OUT = sys.argv[1] if len(sys.argv) > 1 else os.path.join(os.path.dirname(__file__), "../../tests/golden/arrow")


# ---- what is in a column, as text ----

def escaped(b):
    return "".join(chr(c) if 0x20 <= c < 0x7f and chr(c) not in "'|:\\" else "\\x%02x" % c for c in b)


def number(v):
    if math.isnan(v) or math.isinf(v):
        return "nan"
    for digits in (15, 16, 17):
        s = "%.*g" % (digits, v)
        if float(s) == v:
            break
    return s


def quoted(v):
    return "'" + escaped(v.encode() if isinstance(v, str) else bytes(v)) + "'"


NS = {"s": 10**9, "ms": 10**6, "us": 1000, "ns": 1}


def times(col, per):
    out = []
    for v, shown in zip(col.cast(pa.int64() if col.type.bit_width == 64 else pa.int32()).to_pylist(), col):
        if v is None:
            out.append("-")
        elif abs(v * per) >= 2**63:
            out.append("!" + quoted(shown.as_py().isoformat()))
        else:
            out.append(str(v * per))
    return out


def column(col):
    """Kind of a column, and its cells."""
    t = col.type
    if pa.types.is_dictionary(t):
        kind, cells = column(col.dictionary)
        return kind, ["-" if i is None else cells[i] for i in col.indices.to_pylist()]
    if pa.types.is_null(t):
        return "text", ["-"] * len(col)
    if pa.types.is_timestamp(t):
        return "time", times(col, NS[t.unit])
    if pa.types.is_date(t):
        return "time", times(col, 86400 * 10**9 if pa.types.is_date32(t) else 10**6)
    if pa.types.is_time(t) or pa.types.is_duration(t):
        ints = col.cast(pa.int64() if t.bit_width == 64 else pa.int32()).to_pylist()
        return "number", ["-" if v is None else number(v / (10**9 // NS[t.unit])) for v in ints]
    values = col.to_pylist()
    if pa.types.is_boolean(t):
        return "bool", ["-" if v is None else "true" if v else "false" for v in values]
    if pa.types.is_integer(t) or pa.types.is_floating(t) or pa.types.is_decimal(t):
        kind = "int" if pa.types.is_integer(t) or (pa.types.is_decimal(t) and t.scale == 0) else "number"
        return kind, ["-" if v is None else number(float(v)) for v in values]
    return "text", ["-" if v is None else quoted(v) for v in values]


def is_flat(t):
    return not pa.types.is_nested(t) and not pa.types.is_run_end_encoded(t) and t != pa.month_day_nano_interval()


def text_of(batches, schema):
    at = [i for i, f in enumerate(schema)
          if is_flat(f.type) and not (pa.types.is_dictionary(f.type) and not is_flat(f.type.value_type))]
    lines, cells, rows = [], {i: [] for i in at}, 0
    kinds = {i: column(pa.nulls(0, schema[i].type))[0] for i in at}
    for b in batches:
        rows += b.num_rows
        for i in at:
            cells[i] += column(b.column(i))[1]
    lines.append("|".join("%s:%s" % (escaped(schema[i].name.encode()), kinds[i]) for i in at))
    lines += ["%d: %s" % (r + 1, "|".join(cells[i][r] for i in at)) for r in range(rows)]
    return "\n".join(lines) + "\n"


def save(name, schema, batches, stream, **options):
    """Written by pyarrow as a file or a stream."""
    with open(os.path.join(OUT, name), "wb") as f:
        new = pa.ipc.new_stream if stream else pa.ipc.new_file
        with new(f, schema, options=pa.ipc.IpcWriteOptions(**options)) as w:
            for b in batches:
                w.write_batch(b)
    expect(name, text_of(batches, schema))


def expect(name, text):
    with open(os.path.join(OUT, name + ".txt"), "w") as f:
        f.write(text)


# ---- tables ----

def flat():
    """Every flat type, with what is special of it."""
    day = datetime.date
    moment = datetime.datetime
    ints = {f"{'u' if u else 'i'}{b}": pa.array([0, (1 << (b - (0 if u else 1))) - 1, None if u else -(1 << (b - 1)), 7],
                                               getattr(pa, f"{'u' if u else ''}int{b}")()) for u in (0, 1) for b in (8, 16, 32, 64)}
    cols = dict(ints)
    import numpy as np
    cols["half"] = pa.array([np.float16(1.5), np.float16("nan"), None, np.float16(6e-8)], pa.float16())
    cols["single"] = pa.array([0.1, float("inf"), None, -3.5], pa.float32())
    cols["double"] = pa.array([0.1, float("nan"), None, 1e308])
    cols["yes"] = pa.array([True, None, False, True])
    cols["word"] = pa.array(["", "it's|a:\\b", None, "\u00e4\n"])
    cols["big"] = pa.array(["x" * 30, "NA", None, ""], pa.large_string())
    cols["bytes"] = pa.array([b"\x00\xff", b"", None, b"z"])
    cols["big_bytes"] = pa.array([b"\x00", b"", None, b"zz"], pa.large_binary())
    cols["fixed"] = pa.array([b"abc", b"\x00\x01\x02", None, b"   "], pa.binary(3))
    cols["view"] = pa.array(["twelve bytes", "thirteen byte", None, "longer than thirteen bytes"], pa.string_view())
    cols["bytes_view"] = pa.array([b"", b"\xff" * 20, None, b"\x00"], pa.binary_view())
    cols["null"] = pa.nulls(4)
    cols["d32"] = pa.array([D("1.23"), D("-99999.99"), None, D("0.00")], pa.decimal32(7, 2))
    cols["d64"] = pa.array([D("1.2345"), D("-99999999999999.9999"), None, D("0")], pa.decimal64(18, 4))
    cols["d128"] = pa.array([D("0.1"), D("-12345678901234567890123456789.5"), None, D("7")], pa.decimal128(38, 1))
    cols["d256"] = pa.array([D(1), D(-10**60), None, D(10**70)], pa.decimal256(76, 0))
    cols["date"] = pa.array([day(1970, 1, 2), day(9999, 12, 31), None, day(1969, 12, 31)])
    cols["date_ms"] = pa.array([day(1970, 1, 2), day(2026, 2, 28), None, day(1900, 1, 1)], pa.date64())
    cols["t_s"] = pa.array([1, 86399, None, 0], pa.time32("s"))
    cols["t_ms"] = pa.array([1, 86399999, None, 0], pa.time32("ms"))
    cols["t_us"] = pa.array([1, 86399999999, None, 0], pa.time64("us"))
    cols["t_ns"] = pa.array([1, 86399999999999, None, 0], pa.time64("ns"))
    for unit in NS:
        cols["ts_" + unit] = pa.array([0, 1_000_000_007, None, -1], pa.timestamp(unit))
    cols["ts_far"] = pa.array([moment(9999, 12, 31, 23, 59, 59), moment(1, 1, 1), None, moment(2000, 1, 1)], pa.timestamp("us"))
    cols["ts_zone"] = pa.array([0, 1, None, -1], pa.timestamp("ms", "Europe/Berlin"))
    cols["took"] = pa.array([1500, -1, None, 0], pa.duration("ms"))
    cols["code"] = pa.array(["a", "b", None, "a"]).dictionary_encode()
    return pa.record_batch(list(cols.values()), names=list(cols))


def nested():
    """Flat columns between nested ones of every kind, which take up nodes and buffers."""
    ree = pa.RunEndEncodedArray.from_arrays(pa.array([2, 3], pa.int32()), pa.array(["r", "s"]))
    struct = pa.array([{"x": 1, "y": "a"}, None, {"x": None, "y": "c"}])
    cols = [
        ("a", pa.array([1, 2, None])),
        ("list", pa.array([[1, 2], None, []], pa.list_(pa.int8()))),
        ("b", pa.array(["b1", None, "b3"])),
        ("struct", struct),
        ("map", pa.array([[("k", 1)], None, []], pa.map_(pa.string(), pa.int32()))),
        ("c", pa.array([True, False, None])),
        ("pairs", pa.array([[1, 2], None, [3, 4]], pa.list_(pa.int16(), 2))),
        ("dense", pa.UnionArray.from_dense(pa.array([0, 1, 0], pa.int8()), pa.array([0, 0, 1], pa.int32()), [pa.array([1, 2]), pa.array(["u"])])),
        ("sparse", pa.UnionArray.from_sparse(pa.array([0, 1, 0], pa.int8()), [pa.array([1, 2, 3]), pa.array(["u", "v", "w"])])),
        ("runs", ree),
        ("d", pa.array([1.5, None, 2.5])),
        ("views", pa.array([["a view that is long enough"], None, ["x"]], pa.list_(pa.string_view()))),
        ("deep", pa.array([[[{"z": ["q"]}]], None, []], pa.list_(pa.list_(pa.struct([("z", pa.list_(pa.string()))]))))),
        ("lv", pa.array([[1], None, [2, 3]], pa.list_view(pa.int32()))),
        ("llv", pa.array([[1], None, [2, 3]], pa.large_list_view(pa.int32()))),
        ("interval", pa.array([(1, 2, 3), None, (4, 5, 6)], pa.month_day_nano_interval())),
        ("struct_code", pa.DictionaryArray.from_arrays(pa.array([0, None, 1], pa.int8()), pa.array([{"x": 1}, {"x": 2}]))),
        ("e", pa.array(["a view that is long enough", None, "short"], pa.string_view())),
        ("f", pa.array(["f", "g", None]).dictionary_encode()),
    ]
    return pa.record_batch([c for _, c in cols], names=[n for n, _ in cols])


def coded(values, codes, index=pa.int32()):
    return pa.DictionaryArray.from_arrays(pa.array(codes, index), pa.array(values) if isinstance(values, list) else values)


def dictionaries():
    """Values of every kind, codes of every width, null among codes and among values."""
    day = datetime.date
    cols = [
        ("i8", coded(["a", "b"], [1, 0, None, 1], pa.int8())),
        ("u8", coded(["a"] + ["v%d" % i for i in range(200)], [200, 0, None, 128], pa.uint8())),
        ("i16", coded([1.5, None, float("nan")], [0, 1, None, 2], pa.int16())),
        ("u16", coded([7, 8], [0, 1, None, 0], pa.uint16())),
        ("i64", coded([True, False], [0, 1, None, 0], pa.int64())),
        ("u32", coded([day(1970, 1, 2), day(9999, 1, 1)], [0, 1, None, 0], pa.uint32())),
        ("u64", coded(pa.array(["text of a view, long", None], pa.string_view()), [0, 1, None, 0], pa.uint64())),
        ("none", coded([], [None] * 4).cast(pa.dictionary(pa.int32(), pa.string()))),
    ]
    return pa.record_batch([c for _, c in cols], names=[n for n, _ in cols])


def main():
    os.makedirs(OUT, exist_ok=True)
    b = flat()
    save("flat.arrow", b.schema, [b, b.slice(1, 2), b.slice(0, 0), b], False)
    save("flat.arrows", b.schema, [b, b.slice(3)], True)
    save("flat-lz4.arrow", b.schema, [b], False, compression="lz4")
    save("flat-zstd.arrows", b.schema, [b], True, compression="zstd")
    save("legacy.arrows", pa.schema([("x", pa.int32())]), [pa.record_batch([pa.array([1, None], pa.int32())], names=["x"])], True,
         use_legacy_format=True, metadata_version=pa.ipc.MetadataVersion.V4)
    b = nested()
    save("nested.arrow", b.schema, [b, b.slice(1)], False)
    save("nested.arrows", b.schema, [b], True, compression="zstd")
    b = dictionaries()
    save("dictionaries.arrow", b.schema, [b], False)
    save("dictionaries-lz4.arrows", b.schema, [b, b], True, compression="lz4")
    parts = [pa.record_batch([coded(v, c)], names=["w"]) for v, c in
             ((["a", "b"], [0, 1]), (["a", "b", "c"], [2, None]), (["a", "b", "c", "d"], [3, 0]))]
    save("delta.arrows", parts[0].schema, parts, True, emit_dictionary_deltas=True)
    save("delta.arrow", parts[0].schema, parts, False, emit_dictionary_deltas=True)
    parts = [pa.record_batch([coded(v, [0, 1])], names=["w"]) for v in (["a", "b"], ["x", "y"], ["a", "z"])]
    save("replaced.arrows", parts[0].schema, parts, True)
    save("empty.arrow", pa.schema([("x", pa.int32()), ("w", pa.string())]), [], False)
    save("empty.arrows", pa.schema([("x", pa.int32()), ("w", pa.string())]), [], True)
    many = pa.record_batch([pa.array(range(2600)), pa.array(["row %d" % (i % 37) for i in range(2600)])], names=["n", "w"])
    save("many-zstd.arrow", many.schema, [many.slice(0, 2300), many.slice(2300)], False, compression="zstd")
    with open(os.path.join(OUT, "big-endian.arrows"), "wb") as f:  # the schema's endianness set by hand
        sink = pa.BufferOutputStream()
        schema = pa.schema([pa.field("x", pa.int32())])
        with pa.ipc.new_stream(sink, schema):
            pass
        f.write(big_endian(sink.getvalue().to_pybytes()))
    others()


def big_endian(data):
    """Of a schema without anything else: its table gets the field that pyarrow leaves out, in the place of the fields' slot."""
    import struct
    n = struct.unpack_from("<i", data, 4)[0]
    meta = bytearray(data[8:8 + n])
    root = struct.unpack_from("<I", meta)[0]
    vtable = root - struct.unpack_from("<i", meta, root)[0]
    header = root + struct.unpack_from("<H", meta, vtable + 4 + 4)[0]
    schema = header + struct.unpack_from("<I", meta, header)[0]
    vtable = schema - struct.unpack_from("<i", meta, schema)[0]
    fields = struct.unpack_from("<H", meta, vtable + 6)[0]
    struct.pack_into("<H", meta, vtable + 4, fields)  # endianness reads the low bytes of an offset, which are not 0
    return data[:8] + bytes(meta) + data[8 + n:]


def others():
    """The same small table by other writers."""
    import duckdb
    import polars as pl
    frame = pl.DataFrame({"n": [1, 2, None], "x": [0.5, None, float("nan")], "w": ["a long word indeed", None, "b"],
                          "c": pl.Series(["u", "v", "u"], dtype=pl.Categorical), "t": [datetime.datetime(2026, 1, 2, 3, 4, 5, 6), None, None],
                          "l": [[1], None, []]})
    want = ("n:int|x:number|w:text|c:text|t:time\n1: 1|0.5|'a long word indeed'|'u'|1767323045000006000\n2: 2|-|-|'v'|-\n"
            "3: -|nan|'b'|'u'|-\n")
    for name, packing in (("polars.arrow", "uncompressed"), ("polars-lz4.arrow", "lz4"), ("polars-zstd.arrow", "zstd")):
        frame.write_ipc(os.path.join(OUT, name), compression=packing)
        expect(name, want)
    frame.write_ipc_stream(os.path.join(OUT, "polars.arrows"))
    expect("polars.arrows", want)
    table = duckdb.sql("select 1 as i, 2.50::decimal(9,2) as d, 'x' as s, date '2026-01-02' as t, true as b union all select null, null, null, null, null")
    t = table.to_arrow_table()
    save("duckdb.arrow", t.schema, t.to_batches(), False)


main()
