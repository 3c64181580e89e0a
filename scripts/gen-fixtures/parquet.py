#!/usr/bin/env python3
"""Writes the Parquet fixtures of tests/golden/parquet, with what a correct reader gives for each.

    venv/bin/pip install pyarrow==26.0.1 duckdb==2.0.0 fastparquet==2026.9.0
    npm install hyparquet-writer parquet-wasm      (in the folder that NPM_FOLDER names)
    venv/bin/python scripts/gen-fixtures/parquet.py [OUTDIR]        default: tests/golden/parquet

NAME.KIND.parquet holds what NAME.expected says, in the form of tests/unit/table_help.h; expectations come from the writer's
own reader, or, for files made by hand, from the lists they were made of. bad/ must each be refused as invalid, refused/ as
not available; credit/ is the example's data. Beside what writers make today there is an equivalent of every flat file of apache/parquet-testing:

    alltypes_*, binary, nation.dict-malformed   all.*, old.plain-dictionary
    alltypes_tiny_pages*                        old.bit-packed-levels, all.* (pages of a few values)
    *decimal*, float16_*, int96_*, sort_columns logical.*, int96.*, duckdb.*
    byte_stream_split*, delta_*, rle_boolean*   all.*, duckdb-2.*
    concatenated_gzip_members, *lz4*            members.gzip, lz4.*
    *checksum                                   checksum.*, bad/checksum-*
    datapage_v2*, page_v2_empty_compressed      all.v2-*, empty-page.*, all-null.*
    dict-page-offset-zero, ARROW-GH-43605       dictionary.offset-zero, dictionary.width-0
    int32_with_null_pages, *nan*                nulls.*, logical.*
    unknown-logical-type, *key_value_metadata   unknown.logical, empty.no-rows
    nested, repeated, maps                      nested.*
    bad_data                                    bad/
"""

import datetime
import decimal
import io
import json
import math
import os
import random
import subprocess
import sys
import uuid

import duckdb
import fastparquet
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pv
import pyarrow.parquet as pq

import parquet_by_hand as h

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../..")
OUT = sys.argv[1] if len(sys.argv) > 1 else os.path.join(ROOT, "tests/golden/parquet")
NS_MIN, NS_MAX = -(1 << 63), (1 << 63) - 1


# ---- expectations ----


def escape(b):
    return "".join(chr(c) if 0x20 <= c < 0x7F and chr(c) not in "'|:\\" else f"\\x{c:02x}" for c in b)


def number(v):
    if not math.isfinite(v):
        return "nan"
    for digits in (15, 16, 17):
        text = f"{v:.{digits}g}"
        if float(text) == v:
            return text


def when(ns, text):
    return str(ns) if NS_MIN <= ns <= NS_MAX else f"!'{escape(text.encode())}'"


UNIT = {"s": 10**9, "ms": 10**6, "us": 10**3, "ns": 1}


def kind_of(t):
    if pa.types.is_dictionary(t):
        return kind_of(t.value_type)
    if isinstance(t, pa.BaseExtensionType):
        return "text"
    if pa.types.is_boolean(t):
        return "bool"
    if pa.types.is_integer(t):
        return "int"
    if pa.types.is_decimal(t):
        return "int" if t.scale == 0 else "number"
    if pa.types.is_floating(t) or pa.types.is_time(t):
        return "number"
    if pa.types.is_date(t) or pa.types.is_timestamp(t):
        return "time"
    return "text"


def iso(days, ns):
    z = days + 719468
    era = z // 146097
    doe = z - era * 146097
    yoe = (doe - doe // 1460 + doe // 36524 - doe // 146096) // 365
    doy = doe - (365 * yoe + yoe // 4 - yoe // 100)
    mp = (5 * doy + 2) // 153
    month = mp + 3 if mp < 10 else mp - 9
    date = f"{yoe + era * 400 + (month <= 2):04d}-{month:02d}-{doy - (153 * mp + 2) // 5 + 1:02d}"
    if ns is None:
        return date
    s = ns // 10**9
    text = f"{date}T{s // 3600:02d}:{s // 60 % 60:02d}:{s % 60:02d}"
    return text + (f".{ns % 10**9:09d}".rstrip("0") if ns % 10**9 else "")


def cell(v, t):
    """v: a pyarrow scalar."""
    if not v.is_valid:
        return "-"
    if pa.types.is_dictionary(t):
        return cell(v.value if hasattr(v, "value") else v, t.value_type)
    if isinstance(t, pa.BaseExtensionType):
        storage = v.value.as_py()
        if t.extension_name == "arrow.uuid":
            storage = str(uuid.UUID(bytes=storage))
        return "'" + escape(storage if isinstance(storage, bytes) else storage.encode()) + "'"
    if pa.types.is_boolean(t):
        return "true" if v.as_py() else "false"
    if pa.types.is_date(t):
        days = v.cast(pa.int32()).as_py() if pa.types.is_date32(t) else v.cast(pa.int64()).as_py() // 86400000
        return when(days * 86400 * 10**9, iso(days, None))
    if pa.types.is_timestamp(t):
        ns = v.cast(pa.int64()).as_py() * UNIT[t.unit]
        return when(ns, iso(ns // (86400 * 10**9), ns % (86400 * 10**9)))
    if pa.types.is_time(t):
        raw = v.cast(pa.int32() if t.bit_width == 32 else pa.int64()).as_py()
        return number(raw / (10**9 // UNIT[t.unit]))
    if pa.types.is_integer(t) or pa.types.is_floating(t) or pa.types.is_decimal(t):
        return number(float(v.as_py()))
    b = v.as_py()
    return "'" + escape(b if isinstance(b, bytes) else b.encode()) + "'"


def flat(table):
    """Members of structs as columns of their own, lists and maps away."""
    out = []
    for name, col in zip(table.column_names, table.columns):
        col = col.combine_chunks() if isinstance(col, pa.ChunkedArray) else col
        if pa.types.is_struct(col.type):
            parts = [pc.struct_field(col, i) for i in range(col.type.num_fields)]
            out += [(f"{name}.{n}", c) for n, c in flat(pa.table(parts, [f.name for f in col.type]))]
        elif not pa.types.is_nested(col.type):
            out.append((name, col))
    return out


def dump(table):
    columns = flat(table)
    lines = ["|".join(f"{escape(n.encode())}:{kind_of(c.type)}" for n, c in columns)]
    for i in range(len(columns[0][1]) if columns else 0):
        lines.append(f"{i + 1}: " + "|".join(cell(c[i], c.type) for _, c in columns))
    return "\n".join(lines) + "\n"


def rows_of(names, kinds, rows):
    """Lists of ready cells."""
    head = "|".join(f"{n}:{k}" for n, k in zip(names, kinds))
    return "\n".join([head] + [f"{i + 1}: " + "|".join(r) for i, r in enumerate(rows)]) + "\n"


def put(name, content):
    with open(os.path.join(OUT, name), "wb") as f:
        f.write(content if isinstance(content, bytes) else content.encode())


def put_expected(name, content):
    path = os.path.join(OUT, name + ".expected")
    if name in put_expected.seen:
        assert open(path).read() == content, f"{name}: readers differ"
    put_expected.seen.add(name)
    put(name + ".expected", content)


put_expected.seen = set()


# ---- pyarrow: encodings by codecs by page versions ----


def some(values, every=5):
    return [None if i % every == every - 1 else v for i, v in enumerate(values)]


def all_table(n=48):
    r = random.Random(7)
    words = ["alpha", "beta", "", "gamma delta", "épsilon", "beta", "a" * 40]
    ints = [r.randrange(-(1 << 31), 1 << 31) for _ in range(n)]
    longs = [r.randrange(-(1 << 63), 1 << 63) for _ in range(n)]
    small = [r.randrange(-5, 6) for _ in range(n)]
    floats = [np.float32(r.uniform(-1e6, 1e6)).item() for _ in range(n)]
    doubles = [r.gauss(0, 1) * 10 ** r.randrange(-300, 300, 50) for _ in range(n)]
    doubles[3], doubles[8], doubles[9] = math.inf, -math.inf, math.nan
    text = [r.choice(words) for _ in range(n)]
    paths = sorted(f"/data/{r.randrange(4)}/{r.randrange(1000)}.csv" for _ in range(n))
    fixed = [bytes(r.randrange(256) for _ in range(5)) for _ in range(n)]
    bools = [r.random() < 0.3 for _ in range(n)]
    c, enc, dictionary, fields = [], {}, [], []

    def add(name, values, t, encoding, optional):
        if optional:
            values = some(values, 3 + len(c) % 5)
        c.append(pa.array(values, t))
        fields.append(pa.field(name, t, nullable=optional))
        if encoding == "DICT":
            dictionary.append(name)
        else:
            enc[name] = encoding

    for opt in (False, True):
        o = "o" if opt else "r"
        add(f"b_{o}", bools, pa.bool_(), "PLAIN" if opt else "RLE", opt)
        add(f"b_rle_{o}", bools, pa.bool_(), "RLE" if opt else "PLAIN", opt)
        for name, values, t in (("i32", ints, pa.int32()), ("i64", longs, pa.int64())):
            for e, short in (("PLAIN", "p"), ("DELTA_BINARY_PACKED", "d"), ("BYTE_STREAM_SPLIT", "s")):
                add(f"{name}_{short}_{o}", values, t, e, opt)
            add(f"{name}_c_{o}", small, t, "DICT", opt)
        for name, values, t in (("f", floats, pa.float32()), ("d", doubles, pa.float64())):
            for e, short in (("PLAIN", "p"), ("BYTE_STREAM_SPLIT", "s"), ("DICT", "c")):
                add(f"{name}_{short}_{o}", values, t, e, opt)
        for e, short in (("PLAIN", "p"), ("DELTA_LENGTH_BYTE_ARRAY", "l"), ("DICT", "c")):
            add(f"s_{short}_{o}", text, pa.string(), e, opt)
        add(f"s_d_{o}", paths, pa.string(), "DELTA_BYTE_ARRAY", opt)
        for e, short in (("PLAIN", "p"), ("DELTA_BYTE_ARRAY", "d"), ("BYTE_STREAM_SPLIT", "s"), ("DICT", "c")):
            add(f"x_{short}_{o}", fixed, pa.binary(5), e, opt)
    return pa.table(c, schema=pa.schema(fields)), enc, dictionary


def write(table, name, **kw):
    path = os.path.join(OUT, name)
    kw.setdefault("write_statistics", False)
    kw.setdefault("store_schema", False)
    pq.write_table(table, path, **kw)
    return path


def plain_read(path):
    """Without dictionaries or the writer's Arrow schema, as the file itself says."""
    return pq.ParquetFile(path).read()


def make_all():
    table, enc, dictionary = all_table()
    for version in ("1.0", "2.0"):
        for codec in ("none", "snappy", "gzip", "zstd", "lz4"):
            small = codec != "none"
            path = write(
                table,
                f"all.v{version[0]}-{codec}.parquet",
                data_page_version=version,
                compression=codec,
                column_encoding=enc,
                use_dictionary=dictionary,
                row_group_size=48 if small else 20,
                data_page_size=100,
                write_batch_size=24 if small else 7,
            )
            put_expected("all", dump(plain_read(path)))
    # a dictionary that grows too large half way: codes, then texts, in one batch
    r = random.Random(3)
    words = pa.table({"word": [f"w{r.randrange(12 if i < 200 else 900)}" for i in range(500)], "n": [i // 7 for i in range(500)]})
    path = write(words, "fallback.pages.parquet", dictionary_pagesize_limit=150, data_page_size=300, write_batch_size=20)
    put_expected("fallback", dump(plain_read(path)))
    path = write(
        words,
        "fallback.v2.parquet",
        dictionary_pagesize_limit=150,
        data_page_size=300,
        write_batch_size=20,
        data_page_version="2.0",
        compression="zstd",
        row_group_size=130,
    )
    put_expected("fallback", dump(plain_read(path)))
    # 2,500 rows: several batches, pages that end elsewhere in each column
    n = 2500
    long = pa.table(
        {
            "i": pa.array(range(n), pa.int32()),
            "x": pa.array([None if i % 11 == 0 else i * 0.5 for i in range(n)]),
            "c": pa.array([["red", "green", None, "blue"][i * i % 4 if i % 3 else 2] for i in range(n)]),
        }
    )
    for version in ("1.0", "2.0"):
        path = write(
            long,
            f"long.v{version[0]}.parquet",
            data_page_version=version,
            compression="zstd",
            data_page_size=2000,
            write_batch_size=100,
            row_group_size=2300,
            column_encoding={"i": "DELTA_BINARY_PACKED", "x": "PLAIN"},
            use_dictionary=["c"],
        )
        put_expected("long", dump(plain_read(path)))


def make_logical():
    D = decimal.Decimal
    day, ts = datetime.date, datetime.datetime
    far = [
        day(1970, 1, 1),
        day(1677, 9, 21),
        day(2262, 4, 12),
        day(9999, 12, 31),
        day(1, 1, 1),
        day(2000, 2, 29),
        None,
        day(1969, 12, 31),
    ]
    times = [0, 1, -1, 1 << 40, -(1 << 40), 86399999, None, -86400000]
    t = pa.table(
        {
            "i8": pa.array([0, 1, -1, 127, -128, 5, None, 7], pa.int8()),
            "u8": pa.array([0, 1, 2, 127, 255, 5, None, 7], pa.uint8()),
            "i16": pa.array([0, 1, -1, 32767, -32768, 5, None, 7], pa.int16()),
            "u16": pa.array([0, 1, 2, 32767, 65535, 5, None, 7], pa.uint16()),
            "u32": pa.array([0, 1, 2, 2147483648, 4294967295, 5, None, 7], pa.uint32()),
            "u64": pa.array([0, 1, 2, 1 << 63, (1 << 64) - 1, 5, None, 7], pa.uint64()),
            "half": pa.array(np.array([0, 1.5, -2, 65504, 6e-8, np.inf, np.nan, -0.0], np.float16)),
            "dec9": pa.array(
                [D("0.00"), D("1.23"), D("-9999999.99"), D("9999999.99"), D("0.01"), None, D("-0.01"), D("5.00")],
                pa.decimal128(9, 2),
            ),
            "dec18": pa.array(
                [D("0"), D("1"), D("-999999999999999999"), D("123456789012345678"), None, D("9007199254740993"), D("-1"), D("5")],
                pa.decimal128(18, 0),
            ),
            "dec38": pa.array(
                [
                    D("0"),
                    D("1e-10"),
                    D("-9999999999999999999999999999.9999999999"),
                    D("1234567890123456789012345678.0123456789"),
                    None,
                    D("0.1"),
                    D("-0.1"),
                    D("5"),
                ],
                pa.decimal128(38, 10),
            ),
            "dec76": pa.array(
                [D("0"), D("1e-3"), D("-" + "9" * 73 + ".999"), D("123456789" * 8 + ".5"), None, D("0.1"), D("-0.1"), D("5")],
                pa.decimal256(76, 3),
            ),
            "date": pa.array(far, pa.date32()),
            "clock_ms": pa.array([0, 1, 86399999, 500, None, 1000, 60000, 3600000], pa.time32("ms")),
            "clock_us": pa.array([0, 1, 86399999999, 500, None, 1000, 60000, 3600000], pa.time64("us")),
            "clock_ns": pa.array([0, 1, 86399999999999, 500, None, 1000, 60000, 3600000], pa.time64("ns")),
            "at_ms": pa.array(times, pa.timestamp("ms")),
            "at_us": pa.array(times, pa.timestamp("us", tz="UTC")),
            "at_ns": pa.array(times, pa.timestamp("ns")),
            "far_ms": pa.array([x and x * 50000 for x in times], pa.timestamp("ms")),
            "far_us": pa.array([x and x * 8000000 for x in times], pa.timestamp("us")),
            "blob": pa.array([b"", b"\0\xff", b"|'\\:", b"x" * 300, None, b"a", b"b", b"\xc3\x28"]),
            "name": pa.array(["", "NA", "nan", "null", None, "é", "日本", "x|y"]),
            "big": pa.array(["", "NA", "nan", "null", None, "é", "日本", "x|y"], pa.large_string()),
            "uuid": pa.array(
                [uuid.UUID(int=i * 0x1234567890ABCDEF1234567890ABC).bytes if i != 4 else None for i in range(8)], pa.binary(16)
            ).cast(pa.uuid()),
            "none": pa.nulls(8),
            "code": pa.array(["b", "a", None, "b", "a", "a", "c", "b"]).dictionary_encode(),
            "year": pa.array([2020, 2021, 2020, None, 2020, 2021, 2020, 2020]).dictionary_encode(),
            "a.b|c'": pa.array(range(8), pa.int32()),
        }
    )
    for name, kw in (
        ("logical.v1.parquet", {}),
        ("logical.v2.parquet", {"data_page_version": "2.0", "compression": "zstd", "row_group_size": 3}),
        (
            "logical.integers.parquet",
            {"store_decimal_as_integer": True, "use_dictionary": False, "write_statistics": True, "write_page_index": True},
        ),
        ("logical.crc.parquet", {"write_page_checksum": True, "compression": "gzip"}),
    ):
        path = os.path.join(OUT, name)
        pq.write_table(t, path, **kw)
        put_expected("logical", dump(pq.ParquetFile(path).read()))
    old = pa.table(
        {"at": pa.array([0, 1, -1, 10**18, None, 86400 * 10**9, -(86400 * 10**9), 1700000000123456789], pa.timestamp("ns"))}
    )
    for codec in ("none", "snappy"):
        path = write(old, f"int96.{codec}.parquet", use_deprecated_int96_timestamps=True, compression=codec)
        put_expected("int96", dump(pq.ParquetFile(path).read()))


def make_nested():
    t = pa.table(
        {
            "id": pa.array([1, 2, 3, 4], pa.int64()),
            "who": pa.array(
                [
                    {"name": "a", "age": 3, "at": {"x": 1.5}},
                    {"name": None, "age": 4, "at": None},
                    None,
                    {"name": "d", "age": None, "at": {"x": None}},
                ],
                pa.struct([("name", pa.string()), ("age", pa.int32()), ("at", pa.struct([("x", pa.float64())]))]),
            ),
            "tags": pa.array([["a"], [], None, ["b", "c"]], pa.list_(pa.string())),
            "map": pa.array([[("k", 1)], [], None, [("l", 2), ("m", 3)]], pa.map_(pa.string(), pa.int32())),
            "deep": pa.array([[{"p": [1]}], [], None, []], pa.list_(pa.struct([("p", pa.list_(pa.int32()))]))),
            "inside": pa.array(
                [{"plain": 1, "many": [1, 2]}, None, {"plain": None, "many": []}, {"plain": 4, "many": None}],
                pa.struct([("plain", pa.int8()), ("many", pa.list_(pa.int32()))]),
            ),
            "last": pa.array(["x", None, "y", "x"]),
        }
    )
    for name, kw in (("nested.v1.parquet", {}), ("nested.v2.parquet", {"data_page_version": "2.0", "row_group_size": 1})):
        path = write(t, name, **kw)
        put_expected("nested", dump(t))


# ---- other writers ----


def make_duckdb():
    con = duckdb.connect()
    con.execute("set threads=1")
    con.execute(
        """create table t as select i::integer i, (i*i*37)::bigint l, i::utinyint u, case when i%7=3 then null else i*0.1 end x, (i*0.3)::float f,
        (i/3.0)::decimal(9,3) m, (i*1e15)::decimal(30,4) big, 'word ' || (i%5) w, case when i%4=0 then null else 'long ' || repeat(chr((65+i%26)::int), i::int) end s,
        i%3=0 b, date '2024-02-28' + i::integer d, time '01:02:03.5' + interval (i) minute h, timestamp '1969-12-31 23:59:58.25' + interval (i*7) second as "at",
        (timestamp '2024-01-01' + interval (i) hour)::timestamp_ms ms, (timestamp '2024-01-01' + interval (i) hour)::timestamp_ns ns,
        timestamptz '2024-03-01 00:00:00+02' + interval (i) day tz, md5(i::varchar)::uuid u4, encode('blob' || i) bl, ('e' || (i%3))::enum('e0','e1','e2') e,
        case when i%2=0 then nan::double else null end nn
        from range(60) r(i), (select 'nan'::double nan) k"""
    )
    for name, how in (
        ("duckdb.v1-snappy", ""),
        ("duckdb.v1-lz4", ", compression lz4_raw, row_group_size 20"),
        ("duckdb.v2-zstd", ", parquet_version v2, compression zstd"),
        ("duckdb.v2-plain", ", parquet_version v2, compression uncompressed, dictionary_size_limit 0"),
    ):
        path = os.path.join(OUT, name + ".parquet")
        con.execute(f"copy t to '{path}' (format parquet{how})")
        got = con.execute(f"select * replace (u4::varchar as u4) from '{path}'").to_arrow_table()
        put_expected("duckdb", dump(got))


def make_fastparquet():
    n = 50
    df = pd.DataFrame(
        {
            "i": pd.Series(range(n), dtype="int64"),
            "x": [None if i % 6 == 0 else i / 7 for i in range(n)],
            "w": [f"word{i % 4}" for i in range(n)],
            "b": [i % 3 == 0 for i in range(n)],
            "at": pd.to_datetime([1700000000 * 10**9 + i * 10**9 for i in range(n)]),
            "c": pd.Categorical([f"k{i % 3}" for i in range(n)]),
            "i32": pd.Series([i * i for i in range(n)], dtype="Int32").mask([i % 9 == 1 for i in range(n)]),
        }
    )
    for name, kw in (
        ("fastparquet.int96-gzip", dict(times="int96", compression="GZIP")),
        ("fastparquet.snappy", dict(compression="SNAPPY", row_group_offsets=[0, 20])),
        ("fastparquet.plain", dict(has_nulls=True, compression=None)),
        ("fastparquet.zstd", dict(compression="ZSTD", stats=False)),
    ):
        path = os.path.join(OUT, name + ".parquet")
        fastparquet.write(path, df, object_encoding={"w": "utf8"}, write_index=False, **kw)
        back = fastparquet.ParquetFile(path).to_pandas()
        back["c"], back["w"] = back["c"].astype(object), back["w"].astype(object)
        rows = [
            [
                number(float(r.i)),
                "-" if pd.isna(r.x) else number(float(r.x)),
                f"'{r.w}'",
                "true" if r.b else "false",
                str(r.at.as_unit("ns").value),
                f"'{r.c}'",
                "-" if pd.isna(r.i32) else number(float(r.i32)),
            ]
            for r in back.itertuples()
        ]
        rows = [[("nan" if fastparquet_nan(path, "x") and c == "-" and k == 1 else c) for k, c in enumerate(r)] for r in rows]
        put_expected(
            "fastparquet",
            rows_of(["i", "x", "w", "b", "at", "c", "i32"], ["int", "number", "text", "bool", "time", "text", "int"], rows),
        )


def fastparquet_nan(path, column):
    """Is the column stored with NaN for what is missing?"""
    return pq.ParquetFile(path).read([column]).column(0).null_count == 0


NODE = """
import * as hw from 'hyparquet-writer';
import { parquetReadObjects } from 'hyparquet';
import fs from 'fs';
import { createRequire } from 'module';
const out = process.argv[1], pw = createRequire(process.cwd() + '/')('parquet-wasm');
const n = 40, r = (f) => Array.from({ length: n }, (_, i) => f(i));
const columnData = [
  { name: 'i', data: r(i => i * 3 - 7), type: 'INT32' }, { name: 'l', data: r(i => i % 5 ? BigInt(i) * 10000000019n : null), type: 'INT64' },
  { name: 'x', data: r(i => i % 4 ? i / 3 : null), type: 'DOUBLE' }, { name: 'w', data: r(i => 'name ' + i % 3), type: 'STRING' },
  { name: 'b', data: r(i => i % 2 === 0), type: 'BOOLEAN' }, { name: 'at', data: r(i => new Date(1700000000000 + i * 86400000)), type: 'TIMESTAMP' },
];
const buf = hw.parquetWriteBuffer({ columnData, rowGroupSize: 25 });
fs.writeFileSync(out + '/hyparquet.writer.parquet', Buffer.from(buf));
const rows = await parquetReadObjects({ file: { byteLength: buf.byteLength, slice: (a, b) => buf.slice(a, b) } });
console.log(JSON.stringify(rows, (k, v) => typeof v === 'bigint' ? v.toString() : v));
const table = pw.readParquet(new Uint8Array(buf));
const props = new pw.WriterPropertiesBuilder().setCompression(pw.Compression.ZSTD).setWriterVersion(pw.WriterVersion.V2).build();
fs.writeFileSync(out + '/hyparquet.rust-v2.parquet', Buffer.from(pw.writeParquet(table, props)));
"""


def make_node():
    rows = json.loads(
        subprocess.run(
            ["node", "--input-type=module", "-e", NODE, os.path.abspath(OUT)],
            cwd=os.environ["NPM_FOLDER"],
            check=True,
            capture_output=True,
            text=True,
        ).stdout
    )
    cells = []
    for r in rows:
        at = datetime.datetime.fromisoformat(r["at"].replace("Z", "+00:00"))
        ns = round(at.timestamp() * 1000) * 10**6
        cells.append(
            [
                number(float(r["i"])),
                "-" if r["l"] is None else number(float(int(r["l"]))),
                "-" if r["x"] is None else number(float(r["x"])),
                f"'{r['w']}'",
                "true" if r["b"] else "false",
                str(ns),
            ]
        )
    put_expected("hyparquet", rows_of(["i", "l", "x", "w", "b", "at"], ["int", "int", "number", "text", "bool", "time"], cells))


# ---- by hand ----


def le32(values):
    return b"".join(v.to_bytes(4, "little", signed=True) for v in values)


def present(flags):
    return h.sized(h.packed(flags, 1))


def zip_snappy(b):
    return pa.compress(b, "snappy", asbytes=True)


def zip_lz4(b):
    return pa.compress(b, "lz4_raw", asbytes=True)


def framed(*parts):
    out = b""
    for p in parts:
        z = zip_lz4(p)
        out += len(p).to_bytes(4, "big") + len(z).to_bytes(4, "big") + z
    return out


def zip_gzip(b):
    import gzip

    return gzip.compress(b, mtime=0)


def zip_zstd(b):
    return pa.compress(b, "zstd", asbytes=True)


def one_int(pages, rows, **kw):
    return h.file([h.Column("i", h.INT32, pages, **kw)], rows)


def ints(values):
    return rows_of(["i"], ["int"], [["-" if v is None else str(v)] for v in values])


def make_by_hand():
    v = [5, -3, 1000000, 7, 0, 9, 12, -1]
    opt = [5, None, 1000000, 7, None, None, 12, -1]
    flags, there = [x is not None for x in opt], [x for x in opt if x is not None]
    flags = [int(x) for x in flags]
    put_expected("old", ints(opt))
    put(
        "old.bit-packed-levels.parquet",
        one_int([h.data(8, le32(there), levels=h.high_bits(flags, 1), level_encoding=h.BIT_PACKED)], 8, optional=True),
    )
    put(
        "old.plain-dictionary.parquet",
        one_int(
            [
                h.dictionary(5, le32(there), encoding=h.PLAIN_DICTIONARY),
                h.data(8, b"\x03" + h.packed(range(5), 3), encoding=h.PLAIN_DICTIONARY, levels=present(flags)),
            ],
            8,
            optional=True,
            dictionary_offset=1,
        ),
    )
    put(
        "old.forgotten-head.parquet",
        one_int(
            [
                h.dictionary(5, le32(there)),
                h.data(8, b"\x03" + h.packed(range(5), 3), encoding=h.RLE_DICTIONARY, levels=present(flags)),
            ],
            8,
            optional=True,
            dictionary_offset=1,
            forget=13,
        ),
    )
    put(
        "old.level-runs.parquet",
        one_int(
            [h.data(8, le32(there), levels=h.sized(h.run(1, 1) + h.run(0, 1) + h.run(1, 2) + h.run(0, 2) + h.run(1, 2)))],
            8,
            optional=True,
        ),
    )
    put(
        "old.pages-of-one.parquet",
        one_int(
            [h.data(1, b"" if x is None else le32([x]), levels=h.sized(h.run(int(x is not None), 1))) for x in opt],
            8,
            optional=True,
        ),
    )
    put(
        "old.more-fields.parquet",
        h.file(
            [h.Column("i", h.INT32, [h.data(8, le32(there), levels=present(flags))], optional=True)],
            8,
            group={5: 1, 6: 2, 7: 3},
            meta={5: [{1: b"k", 2: b"v"}], 30: b"more", 31: [1, 2], 32: True},
        ),
    )
    put(
        "old.zero-metadata-rows.parquet",
        h.file([h.Column("i", h.INT32, [h.data(8, le32(there), levels=present(flags))], optional=True)], 8, meta={3: 0}),
    )
    put(
        "old.index-page.parquet",
        one_int([h.index_page(), h.data(8, le32(there), levels=present(flags)), h.index_page()], 8, optional=True),
    )
    put(
        "old.empty-pages.parquet",
        one_int([h.data(0, b"", levels=h.sized(b"")), h.data(8, le32(there), levels=present(flags))], 8, optional=True),
    )
    put(
        "old.v2-not-compressed.parquet",
        one_int([h.data2(8, 3, le32(there), levels=h.packed(flags, 1), is_compressed=False)], 8, optional=True, codec=h.SNAPPY),
    )
    put(
        "old.v2-default-compressed.parquet",
        one_int([h.data2(8, 3, le32(there), levels=h.packed(flags, 1), compress=zip_snappy)], 8, optional=True, codec=h.SNAPPY),
    )
    put(
        "old.delta-blocks-of-8.parquet",
        one_int([h.data(8, h.delta(there, 8, 1), encoding=h.DELTA, levels=present(flags))], 8, optional=True),
    )
    body = present(flags) + le32(there)
    put("old.crc.parquet", one_int([h.data(8, le32(there), levels=present(flags), crc=h.crc(body))], 8, optional=True))
    put_expected("members", ints(v))
    put(
        "members.gzip.parquet",
        one_int([h.data(8, le32(v), compress=lambda b: zip_gzip(b[:5]) + zip_gzip(b[5:6]) + zip_gzip(b[6:]))], 8, codec=h.GZIP),
    )
    put_expected("lz4", ints(v))
    put("lz4.hadoop.parquet", one_int([h.data(8, le32(v), compress=lambda b: framed(b))], 8, codec=h.LZ4_OLD))
    put("lz4.hadoop-blocks.parquet", one_int([h.data(8, le32(v), compress=lambda b: framed(b[:7], b[7:]))], 8, codec=h.LZ4_OLD))
    put("lz4.bare-block.parquet", one_int([h.data(8, le32(v), compress=zip_lz4)], 8, codec=h.LZ4_OLD))
    put("lz4.raw.parquet", one_int([h.data(8, le32(v), compress=zip_lz4)], 8, codec=h.LZ4))
    put_expected("dictionary", ints([7] * 8))
    put(
        "dictionary.offset-zero.parquet",
        one_int(
            [h.dictionary(1, le32([7])), h.data(8, b"\x01" + h.run(0, 8), encoding=h.RLE_DICTIONARY)], 8, dictionary_offset=0
        ),
    )
    put(
        "dictionary.no-offset.parquet",
        one_int([h.dictionary(1, le32([7])), h.data(8, b"\x01" + h.packed([0] * 8, 1), encoding=h.RLE_DICTIONARY)], 8),
    )
    put(
        "dictionary.width-0.parquet",
        one_int(
            [h.dictionary(1, le32([7])), h.data(8, b"\x00" + h.run(0, 8, 0), encoding=h.RLE_DICTIONARY)], 8, dictionary_offset=1
        ),
    )
    put(
        "dictionary.width-0-bare.parquet",
        one_int([h.dictionary(1, le32([7])), h.data(8, b"\x00", encoding=h.RLE_DICTIONARY)], 8, dictionary_offset=1),
    )
    put(
        "dictionary.width-32.parquet",
        one_int(
            [h.dictionary(1, le32([7])), h.data(8, b"\x20" + h.run(0, 3, 32) + h.packed([0] * 5, 32), encoding=h.RLE_DICTIONARY)],
            8,
            dictionary_offset=1,
        ),
    )
    put_expected("nulls", ints([None] * 8))
    put("nulls.v1.parquet", one_int([h.data(8, b"", levels=h.sized(h.run(0, 8)))], 8, optional=True))
    put(
        "nulls.v1-dictionary.parquet",
        one_int(
            [h.dictionary(0, b""), h.data(8, b"", encoding=h.RLE_DICTIONARY, levels=h.sized(h.run(0, 8)))],
            8,
            optional=True,
            dictionary_offset=1,
        ),
    )
    put("nulls.v1-delta.parquet", one_int([h.data(8, b"", encoding=h.DELTA, levels=h.sized(h.run(0, 8)))], 8, optional=True))
    put("nulls.v2-snappy.parquet", one_int([h.data2(8, 8, b"", levels=h.run(0, 8))], 8, optional=True, codec=h.SNAPPY))
    put(
        "nulls.v2-split.parquet",
        one_int([h.data2(8, 8, b"", encoding=h.SPLIT, levels=h.run(0, 8), compress=zip_zstd)], 8, optional=True, codec=h.ZSTD),
    )
    put_expected("unknown", rows_of(["i"], ["text"], [["'ab'"], ["'c'"]]))
    put(
        "unknown.logical.parquet",
        h.file([h.Column("i", h.BYTE_ARRAY, [h.data(2, h.texts([b"ab", b"c"]))], logical={77: {1: 5}})], 2),
    )
    put(
        "unknown.mismatch.parquet",
        h.file([h.Column("i", h.BYTE_ARRAY, [h.data(2, h.texts([b"ab", b"c"]))], logical={8: {1: True, 2: {1: {}}}})], 2),
    )
    put_expected("empty", rows_of(["i", "s"], ["int", "text"], []))
    put(
        "empty.no-rows.parquet",
        h.file([h.Column("i", h.INT32, []), h.Column("s", h.BYTE_ARRAY, [], converted=0, optional=True)], 0, groups=0),
    )
    put(
        "empty.empty-group.parquet",
        h.file([h.Column("i", h.INT32, []), h.Column("s", h.BYTE_ARRAY, [], converted=0, optional=True)], 0),
    )
    # decimals of texts, INT96 beyond 64 bits of nanoseconds, old annotations
    D = [b"", b"\x01", b"\xff", b"\x00" * 20 + b"\x05", b"\x7f" + b"\xff" * 7, b"\x80" + b"\0" * 8, b"\x01" + b"\0" * 15]
    values = [int.from_bytes(b, "big", signed=True) for b in D]
    dec = decimal.Context(prec=100)
    put_expected("decimals", rows_of(["m"], ["number"], [[number(float(decimal.Decimal(x).scaleb(-2, dec)))] for x in values]))
    put(
        "decimals.texts.parquet",
        h.file([h.Column("m", h.BYTE_ARRAY, [h.data(len(D), h.texts(D))], converted=5, scale=2, precision=50)], len(D)),
    )
    put(
        "decimals.delta.parquet",
        h.file(
            [
                h.Column(
                    "m",
                    h.BYTE_ARRAY,
                    [h.data(len(D), h.delta([len(x) for x in D]) + b"".join(D), encoding=h.DELTA_LENGTH)],
                    logical={5: {1: 2, 2: 50}},
                )
            ],
            len(D),
        ),
    )
    stamps = [
        (0, 2440588),
        (1, 2440589),
        (86400 * 10**9 - 1, 2440587),
        (0, 2440588 + 200000),
        (0, 2440588 - 200000),
        (10**18, 2440588),
        (0, 0),
        (0, 4294967295),
    ]
    cells = []
    for ns, jd in stamps:
        days = jd - 2440588
        total = days * 86400 * 10**9 + ns
        cells.append([when(total, iso(days + ns // (86400 * 10**9), ns % (86400 * 10**9)))])
    put_expected("far", rows_of(["at"], ["time"], cells))
    raw = [ns.to_bytes(8, "little") + jd.to_bytes(4, "little") for ns, jd in stamps]
    put("far.int96.parquet", h.file([h.Column("at", h.INT96, [h.data(len(raw), b"".join(raw))])], len(raw)))
    put(
        "far.int96-dictionary.parquet",
        h.file(
            [
                h.Column(
                    "at",
                    h.INT96,
                    [
                        h.dictionary(len(raw), b"".join(raw)),
                        h.data(len(raw), b"\x03" + h.packed(range(len(raw)), 3), encoding=h.RLE_DICTIONARY),
                    ],
                    dictionary_offset=1,
                )
            ],
            len(raw),
        ),
    )
    old = {
        "i8": (15, h.INT32, [-1, 5]),
        "u8": (11, h.INT32, [255, 5]),
        "u16": (12, h.INT32, [65535, 5]),
        "u32": (13, h.INT32, [-1, 5]),
        "date": (6, h.INT32, [-1, 5]),
        "ms": (7, h.INT32, [86399999, 5]),
        "us": (8, h.INT64, [86399999999, 5]),
        "at_ms": (9, h.INT64, [-1, 5]),
        "at_us": (10, h.INT64, [-1, 5]),
        "u64": (14, h.INT64, [-1, 5]),
        "i64": (18, h.INT64, [-1, 5]),
    }
    columns = [
        h.Column(
            k, t, [h.data(2, b"".join(x.to_bytes(4 if t == h.INT32 else 8, "little", signed=True) for x in xs))], converted=c
        )
        for k, (c, t, xs) in old.items()
    ]
    columns += [
        h.Column("json", h.BYTE_ARRAY, [h.data(2, h.texts([b"{}", b"[1]"]))], converted=19),
        h.Column("enum", h.BYTE_ARRAY, [h.data(2, h.texts([b"a", b"b"]))], converted=4),
        h.Column("span", h.FIXED, [h.data(2, b"\1\0\0\0\2\0\0\0\3\0\0\0" * 2)], width=12, converted=21),
    ]
    kinds = ["int"] * 4 + ["time", "number", "number", "time", "time", "int", "int", "text", "text", "text"]
    span = "'" + escape(b"\1\0\0\0\2\0\0\0\3\0\0\0") + "'"
    first = [
        "-1",
        "255",
        "65535",
        "4294967295",
        str(-86400 * 10**9),
        number(86399.999),
        number(86399.999999),
        "-1000000",
        "-1000",
        number(float((1 << 64) - 1)),
        "-1",
        "'{}'",
        "'a'",
        span,
    ]
    second = [
        "5",
        "5",
        "5",
        "5",
        str(5 * 86400 * 10**9),
        number(0.005),
        number(5e-6),
        "5000000",
        "5000",
        "5",
        "5",
        "'[1]'",
        "'b'",
        span,
    ]
    put_expected("converted", rows_of([c.name for c in columns], kinds, [first, second]))
    put("converted.types.parquet", h.file(columns, 2))
    # three levels of optional groups, one required group: level 3
    leaf = [{4: b"r", 5: 1}, {4: b"a", 3: 1, 5: 1}, {4: b"b", 3: 0, 5: 1}, {4: b"c", 3: 1, 5: 1}, {1: h.INT32, 4: b"d", 3: 1}]
    put_expected("deep", rows_of(["a.b.c.d"], ["int"], [["1"], ["-"], ["-"], ["-"], ["2"]]))
    put(
        "deep.runs.parquet",
        h.file([h.Column("d", h.INT32, [h.data(5, le32([1, 2]), levels=h.sized(h.packed([3, 2, 1, 0, 3], 2)))])], 5, schema=leaf),
    )
    put(
        "deep.bit-packed.parquet",
        h.file(
            [
                h.Column(
                    "d", h.INT32, [h.data(5, le32([1, 2]), levels=h.high_bits([3, 2, 1, 0, 3], 2), level_encoding=h.BIT_PACKED)]
                )
            ],
            5,
            schema=leaf,
        ),
    )
    put_expected("wide", rows_of(["w"], ["text"], [["'ab'"], ["'cd'"], ["'ef'"]]))
    put("wide.split.parquet", h.file([h.Column("w", h.FIXED, [h.data(3, b"acebdf", encoding=h.SPLIT)], width=2)], 3))
    put(
        "wide.delta.parquet",
        h.file(
            [
                h.Column(
                    "w",
                    h.FIXED,
                    [h.data(3, h.delta([0, 0, 0]) + h.delta([2, 2, 2]) + b"abcdef", encoding=h.DELTA_BYTES)],
                    width=2,
                )
            ],
            3,
        ),
    )


# ---- damage ----


def make_bad():
    v = list(range(8))
    ok = le32(v)
    whole = open(os.path.join(OUT, "logical.v1.parquet"), "rb").read()
    start = len(whole) - 8 - int.from_bytes(whole[-8:-4], "little")  # of the footer
    crc_file = open(os.path.join(OUT, "logical.crc.parquet"), "rb").read()
    meta = pq.ParquetFile(io.BytesIO(crc_file)).metadata.row_group(0).column(9)
    at = meta.data_page_offset + meta.total_compressed_size // 2
    bad = {
        "checksum-data": crc_file[:at] + bytes([crc_file[at] ^ 1]) + crc_file[at + 1 :],
        "checksum-uncompressed": one_int([h.data(8, ok, crc=h.crc(ok) ^ 1)], 8),
        "checksum-dictionary": one_int(
            [h.dictionary(1, le32([7]), crc=5), h.data(8, b"\x01" + h.run(0, 8), encoding=h.RLE_DICTIONARY)],
            8,
            dictionary_offset=1,
        ),
        "checksum-v2": one_int([h.data2(8, 0, ok, crc=1)], 8),
        "cut-footer": whole[:-20],
        "cut-half": whole[: len(whole) // 2],
        "cut-magic": whole[:-1],
        "only-magic": b"PAR1PAR1",
        "empty-footer": b"PAR1" + b"\0\0\0\0PAR1",
        "footer-too-long": whole[:-8] + b"\xff\xff\xff\x7fPAR1",
        "footer-wrong-length": whole[:-8] + (5).to_bytes(4, "little") + b"PAR1",
        "head-missing": b"XXXX" + whole[4:],
        "garbage-footer": whole[:start] + bytes(len(whole) - 8 - start) + whole[-8:],
        "negative-dictionary": one_int(
            [h.dictionary(-1, ok), h.data(8, b"\x01" + h.run(0, 8), encoding=h.RLE_DICTIONARY)], 8, dictionary_offset=1
        ),
        "huge-dictionary": one_int(
            [h.dictionary(1 << 30, ok), h.data(8, b"\x01" + h.run(0, 8), encoding=h.RLE_DICTIONARY)], 8, dictionary_offset=1
        ),
        "dictionary-missing": one_int([h.data(8, b"\x01" + h.run(0, 8), encoding=h.RLE_DICTIONARY)], 8),
        "dictionary-twice": one_int(
            [h.dictionary(1, le32([7])), h.dictionary(1, le32([7])), h.data(8, b"\x01" + h.run(0, 8), encoding=h.RLE_DICTIONARY)],
            8,
            dictionary_offset=1,
        ),
        "dictionary-late": one_int(
            [h.data(4, ok[:16]), h.dictionary(1, le32([7])), h.data(4, b"\x01" + h.run(0, 4), encoding=h.RLE_DICTIONARY)], 8
        ),
        "dictionary-encoding": one_int(
            [h.dictionary(1, le32([7]), encoding=h.DELTA), h.data(8, b"\x01" + h.run(0, 8), encoding=h.RLE_DICTIONARY)],
            8,
            dictionary_offset=1,
        ),
        "code-out-of-range": one_int(
            [h.dictionary(1, le32([7])), h.data(8, b"\x03" + h.packed([0, 0, 0, 0, 0, 0, 0, 1], 3), encoding=h.RLE_DICTIONARY)],
            8,
            dictionary_offset=1,
        ),
        "code-of-empty-dictionary": one_int(
            [h.dictionary(0, b""), h.data(8, b"\x00", encoding=h.RLE_DICTIONARY)], 8, dictionary_offset=1
        ),
        "code-width-33": one_int(
            [h.dictionary(1, le32([7])), h.data(8, b"\x21" + h.run(0, 8, 33), encoding=h.RLE_DICTIONARY)], 8, dictionary_offset=1
        ),
        "codes-short": one_int(
            [h.dictionary(1, le32([7])), h.data(8, b"\x01" + h.run(0, 7), encoding=h.RLE_DICTIONARY)], 8, dictionary_offset=1
        ),
        "run-cut": one_int(
            [h.dictionary(1, le32([7])), h.data(8, b"\x10" + b"\x10\0", encoding=h.RLE_DICTIONARY)], 8, dictionary_offset=1
        ),
        "values-short": one_int([h.data(8, ok[:-1])], 8),
        "levels-short": one_int([h.data(8, ok, levels=h.sized(h.run(1, 7)))], 8, optional=True),
        "levels-beyond": one_int([h.data(8, ok, levels=b"\xff\xff\xff\x7f")], 8, optional=True),
        "levels-cut": one_int([h.data(8, b"\x01")], 8, optional=True),
        "levels-encoding": one_int([h.data(8, ok, levels=h.sized(h.run(1, 8)), level_encoding=h.PLAIN)], 8, optional=True),
        "levels-bit-packed-short": one_int([h.data(20, b"\xff", level_encoding=h.BIT_PACKED)], 20, optional=True),
        "levels-v2-too-long": one_int([h.page({1: 3, 8: {1: 8, 2: 0, 3: 8, 4: 0, 5: 1000, 6: 0}}, ok)], 8),
        "levels-v2-negative": one_int([h.page({1: 3, 8: {1: 8, 2: 0, 3: 8, 4: 0, 5: -5, 6: 5}}, ok)], 8),
        "column-lengths-differ": h.file(
            [h.Column("a", h.INT32, [h.data(8, ok)]), h.Column("b", h.INT32, [h.data(7, ok[:28])], values=7)], 8
        ),
        "column-ends-early": one_int([h.data(7, ok[:28])], 8),
        "page-too-many-rows": one_int([h.data(9, le32(range(9)))], 8),
        "negative-values": one_int([h.data(-8, ok)], 8),
        "negative-size": one_int([h.data(8, ok, size=-1)], 8),
        "negative-stored": one_int([h.data(8, ok, stored_size=-1)], 8),
        "page-beyond-chunk": one_int([h.data(8, ok, stored_size=10000, size=10000)], 8),
        "page-size-differs": one_int([h.data(8, ok, size=40)], 8),
        "page-type": one_int([h.page({1: 9, 5: {1: 8, 2: 0, 3: 3, 4: 3}}, ok)], 8),
        "page-headless": one_int([h.page({1: 0}, ok)], 8),
        "page-head-garbage": one_int([b"\xff" * 60], 8),
        "page-encoding-unknown": one_int([h.data(8, ok, encoding=55)], 8),
        "page-encoding-wrong": one_int([h.data(8, ok, encoding=h.DELTA_LENGTH)], 8),
        "page-over-1-gib": one_int([h.data(8, ok, size=(1 << 30) + 1, compress=zip_snappy)], 8, codec=h.SNAPPY),
        "bomb-snappy": one_int([h.data(8, ok, size=1 << 29, compress=zip_snappy)], 8, codec=h.SNAPPY),
        "bomb-gzip": one_int([h.data(8, ok, size=1 << 29, compress=zip_gzip)], 8, codec=h.GZIP),
        "bomb-lz4": one_int([h.data(8, ok, size=1 << 29, compress=zip_lz4)], 8, codec=h.LZ4),
        "bomb-zstd": one_int([h.data(8, ok, size=1 << 29, compress=zip_zstd)], 8, codec=h.ZSTD),
        "size-snappy": one_int([h.data(8, ok, size=33, compress=zip_snappy)], 8, codec=h.SNAPPY),
        "size-gzip": one_int([h.data(8, ok, size=31, compress=zip_gzip)], 8, codec=h.GZIP),
        "size-gzip-more": one_int([h.data(8, ok, size=33, compress=zip_gzip)], 8, codec=h.GZIP),
        "size-zstd": one_int([h.data(8, ok, size=33, compress=zip_zstd)], 8, codec=h.ZSTD),
        "size-lz4": one_int([h.data(8, ok, size=33, compress=zip_lz4)], 8, codec=h.LZ4),
        "size-lz4-hadoop": one_int([h.data(8, ok, size=33, compress=framed)], 8, codec=h.LZ4_OLD),
        "garbage-snappy": one_int([h.data(8, ok, compress=lambda b: b"\x20" + b"\xff" * 20)], 8, codec=h.SNAPPY),
        "garbage-gzip": one_int([h.data(8, ok, compress=lambda b: zip_gzip(b)[:-9])], 8, codec=h.GZIP),
        "garbage-zstd": one_int([h.data(8, ok, compress=lambda b: zip_zstd(b)[:-3])], 8, codec=h.ZSTD),
        "garbage-lz4": one_int([h.data(8, ok, compress=lambda b: b"\xff" * 20)], 8, codec=h.LZ4),
        "codec-unknown": one_int([h.data(8, ok)], 8, codec=42),
        "codec-negative": one_int([h.data(8, ok)], 8, codec=-1),
        "chunk-outside": one_int([h.data(8, ok)], 8, shift=1 << 40),
        "chunk-negative": one_int([h.data(8, ok)], 8, meta={9: -4}),
        "chunk-too-long": one_int([h.data(8, ok)], 8, meta={7: 1 << 62}),
        "chunk-negative-length": one_int([h.data(8, ok)], 8, meta={7: -1}),
        "chunk-other-type": one_int([h.data(8, ok)], 8, meta={1: h.INT64}),
        "chunk-undescribed": one_int([h.data(8, ok)], 8, chunk={3: None}),
        "group-negative-rows": h.file([h.Column("i", h.INT32, [h.data(8, ok)])], 8, group={3: -8}),
        "group-without-columns": h.file([h.Column("i", h.INT32, [h.data(8, ok)])], 8, group={1: []}),
        "group-too-many-rows": h.file([h.Column("i", h.INT32, [h.data(8, ok)])], 8, group={3: (1 << 62)}),
        "schema-missing": h.file([h.Column("i", h.INT32, [h.data(8, ok)])], 8, schema=[]),
        "schema-cut": h.file([h.Column("i", h.INT32, [h.data(8, ok)])], 8, schema=[{4: b"r", 5: 2}, {1: 1, 3: 0, 4: b"i"}]),
        "schema-negative": h.file([h.Column("i", h.INT32, [h.data(8, ok)])], 8, schema=[{4: b"r", 5: 1}, {5: -2, 3: 0, 4: b"i"}]),
        "schema-type": h.file([h.Column("i", 9, [h.data(8, ok)])], 8),
        "schema-leaf-with-children": h.file([h.Column("i", h.INT32, [h.data(8, ok)], element={5: 1})], 8),
        "schema-repetition": h.file([h.Column("i", h.INT32, [h.data(8, ok)], repetition=7)], 8),
        "schema-width-0": h.file([h.Column("i", h.FIXED, [h.data(8, b"")], width=0)], 8),
        "schema-width-huge": h.file([h.Column("i", h.FIXED, [h.data(8, b"")], width=1 << 30)], 8),
        "schema-scale": h.file([h.Column("i", h.INT32, [h.data(8, ok)], converted=5, scale=1 << 20)], 8),
        "schema-deep": h.file(
            [h.Column("i", h.INT32, [h.data(8, ok)])], 8, schema=[{4: b"g", 5: 1}] * 80 + [{1: 1, 3: 0, 4: b"i"}]
        ),
        "schema-zero-in-name": h.file([h.Column("a\0b", h.INT32, [h.data(8, ok)])], 8),
        "schema-twice": h.file([h.Column("i", h.INT32, [h.data(8, ok)])], 8, schema=[{4: b"r", 5: 0}]),
        "thrift-deep": h.file([h.Column("i", h.INT32, [h.data(8, ok)])], 8, meta={20: h.Raw(12, b"\x1c" * 200)}),
        "thrift-type": h.file([h.Column("i", h.INT32, [h.data(8, ok)])], 8, meta={20: h.Raw(14, b"")}),
        "thrift-list": h.file(
            [h.Column("i", h.INT32, [h.data(8, ok)])], 8, meta={20: h.Raw(9, b"\xf8\xff\xff\xff\xff\xff\xff\xff\xff\x7f")}
        ),
        "thrift-text-for-number": h.file([h.Column("i", h.INT32, [h.data(8, ok)])], 8, group={3: b"eight"}),
        "thrift-varint": h.file([h.Column("i", h.INT32, [h.data(8, ok)])], 8, meta={20: h.Raw(6, b"\xff" * 12)}),
        "bool-short": h.file([h.Column("b", h.BOOLEAN, [h.data(9, b"\xff")])], 9),
        "bool-rle-length": h.file([h.Column("b", h.BOOLEAN, [h.data(8, h.sized(h.run(1, 8))[:-1], encoding=h.RLE)])], 8),
        "bool-dictionary": h.file(
            [
                h.Column(
                    "b",
                    h.BOOLEAN,
                    [h.dictionary(2, b"\x02"), h.data(8, b"\x01" + h.run(0, 8), encoding=h.RLE_DICTIONARY)],
                    dictionary_offset=1,
                )
            ],
            8,
        ),
        "text-beyond": h.file([h.Column("s", h.BYTE_ARRAY, [h.data(2, h.texts([b"ab"]) + b"\xff\xff\xff\xff")])], 2),
        "text-cut": h.file([h.Column("s", h.BYTE_ARRAY, [h.data(2, h.texts([b"ab"]) + b"\x01")])], 2),
        "split-uneven": h.file([h.Column("x", h.DOUBLE, [h.data(1, b"1234567", encoding=h.SPLIT)])], 1),
        "split-short": h.file([h.Column("x", h.DOUBLE, [h.data(2, b"12345678", encoding=h.SPLIT)])], 2),
        "delta-short": one_int([h.data(8, h.delta(v)[:-2], encoding=h.DELTA)], 8),
        "delta-fewer": one_int([h.data(8, h.delta(v[:7]), encoding=h.DELTA)], 8),
        "delta-width": one_int(
            [h.data(8, h.varint(128) + h.varint(4) + h.varint(8) + b"\0\0" + b"\x41" * 4 + bytes(5000), encoding=h.DELTA)], 8
        ),
        "delta-miniblocks": one_int(
            [h.data(8, h.varint(128) + h.varint(0) + h.varint(8) + b"\0" + bytes(50), encoding=h.DELTA)], 8
        ),
        "delta-block": one_int([h.data(8, h.varint(100) + h.varint(4) + h.varint(8) + b"\0" + bytes(50), encoding=h.DELTA)], 8),
        "length-negative": h.file(
            [h.Column("s", h.BYTE_ARRAY, [h.data(2, h.delta([1, -1]) + b"ab", encoding=h.DELTA_LENGTH)])], 2
        ),
        "length-beyond": h.file([h.Column("s", h.BYTE_ARRAY, [h.data(2, h.delta([1, 5]) + b"ab", encoding=h.DELTA_LENGTH)])], 2),
        "prefix-too-long": h.file(
            [h.Column("s", h.BYTE_ARRAY, [h.data(2, h.delta([0, 3]) + h.delta([2, 1]) + b"abc", encoding=h.DELTA_BYTES)])], 2
        ),
        "prefix-of-first": h.file(
            [h.Column("s", h.BYTE_ARRAY, [h.data(2, h.delta([1, 0]) + h.delta([2, 1]) + b"abc", encoding=h.DELTA_BYTES)])], 2
        ),
        "prefix-negative": h.file(
            [h.Column("s", h.BYTE_ARRAY, [h.data(2, h.delta([0, -1]) + h.delta([2, 1]) + b"abc", encoding=h.DELTA_BYTES)])], 2
        ),
        "fixed-of-other-length": h.file(
            [h.Column("s", h.FIXED, [h.data(2, h.delta([0, 0]) + h.delta([2, 1]) + b"abc", encoding=h.DELTA_BYTES)], width=2)], 2
        ),
        "decimal-too-long": h.file([h.Column("m", h.BYTE_ARRAY, [h.data(1, h.texts([b"\x11" * 65]))], converted=5)], 1),
        "rows-bomb": h.file([h.Column("i", h.INT32, [h.data(1 << 60, b"\x00", encoding=h.RLE_DICTIONARY)])], 1 << 60),
    }
    for name, b in bad.items():
        put(f"bad/{name}.parquet", b)
    refused = {
        "brotli": one_int([h.data(8, ok, compress=lambda b: pa.compress(b, "brotli", asbytes=True))], 8, codec=h.BROTLI),
        "lzo": one_int([h.data(8, ok)], 8, codec=h.LZO),
        "alp": h.file([h.Column("x", h.DOUBLE, [h.data(8, ok * 2, encoding=h.ALP)])], 8),
        "encrypted-footer": h.file([h.Column("i", h.INT32, [h.data(8, ok)])], 8, magic=(b"PARE", b"PARE")),
        "encrypted": h.file([h.Column("i", h.INT32, [h.data(8, ok)])], 8, meta={8: {1: {2: b"aad"}}}),
        "encrypted-column": one_int([h.data(8, ok)], 8, chunk={8: {1: {}}}),
        "other-file": one_int([h.data(8, ok)], 8, chunk={1: b"part-0.parquet"}),
    }
    for name, b in refused.items():
        put(f"refused/{name}.parquet", b)


def make_credit():
    """The tables of the example, and one that has drifted: as tests/cli/530-parquet.sh makes it of the CSV."""
    for name in ("reference", "current"):
        table = pv.read_csv(f"{ROOT}/examples/credit/{name}.csv")
        pq.write_table(table, f"{OUT}/credit/{name}.parquet", compression="zstd")
    amount = [int(v * 1.8) for v in table["amount"].to_pylist()]
    age = [None if (i + 2) % 3 == 0 else v for i, v in enumerate(table["age"].to_pylist())]
    for name, values in (("amount", amount), ("age", age)):
        table = table.set_column(table.column_names.index(name), name, pa.array(values, pa.int64()))
    pq.write_table(table, f"{OUT}/credit/moved.parquet", row_group_size=100, data_page_version="2.0")


for folder in ("bad", "refused", "credit"):
    os.makedirs(os.path.join(OUT, folder), exist_ok=True)
for step in (make_credit, make_all, make_logical, make_nested, make_duckdb, make_fastparquet, make_node, make_by_hand, make_bad):
    step()
