#!/usr/bin/env python3
"""What other readers find in the files that tests/unit/test_table_write.c leaves.

    TABLE_WRITE_FOLDER=DIR build/gcc/unit/test_table_write && written.py DIR

Needs pyarrow 26; DuckDB and Polars are asked where they are there. The values are computed here again.
"""
import math
import os
import re
import sys

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.ipc as ipc
import pyarrow.parquet as pq

TYPES = {"bool": pa.bool_(), "i8": pa.int8(), "u8": pa.uint8(), "i16": pa.int16(), "u16": pa.uint16(), "i32": pa.int32(), "u32": pa.uint32(),
         "i64": pa.int64(), "u64": pa.uint64(), "f32": pa.float32(), "f64": pa.float64(), "text": pa.string()}
COLUMNS = "bool bool_n i8 i8_n u8 i16 u16 i32 i32_n u32 i64 i64_n u64 f32 f32_n f64 f64_n text text_n".split()
NULLABLE = {"bool_n", "i8_n", "u8", "i16", "i32_n", "u32", "i64_n", "u64", "f32_n", "f64_n", "text_n"}
TEXTS = ["", "a", "h\u00f6he", "a comma, a \"quote\"", "two\nlines",
         "a text that is too long for statistics: more than sixty-three bytes"]


def value(kind, row):
    w = row * 37 % 101 - 50
    if kind == "text":
        return TEXTS[row % (5 if row < 100 else 6)]
    if kind == "bool":
        return row % 2 != 0
    if kind[0] == "f":
        return [math.nan, math.inf, -math.inf, -0.0][row % 10] if row % 10 < 4 and row > 10 else w / 8
    return w if kind[0] == "i" else w + 50


def expected(rows):
    missing = [r % 3 == 1 or 64 <= r < 80 for r in range(rows)]
    columns = [pa.array([None if c in NULLABLE and missing[r] else value(c.split("_")[0], r) for r in range(rows)],
                        TYPES[c.split("_")[0]]) for c in COLUMNS]
    return pa.table(columns, pa.schema([pa.field(c, a.type, c in NULLABLE) for c, a in zip(COLUMNS, columns)]))


def bits(column):
    """Floats by their bits, so that NaN equals itself and -0.0 only itself."""
    column = column.combine_chunks()
    if pa.types.is_floating(column.type):
        whole = pa.int32() if column.type == pa.float32() else pa.int64()
        nan = pc.fill_null(pc.is_nan(column), False)
        return pc.if_else(nan, pa.scalar(-1, whole), column.view(whole))
    return column


def compare(name, got, want):
    assert got.schema.equals(want.schema), (name, got.schema, want.schema)
    for c in COLUMNS:
        assert bits(got[c]).equals(bits(want[c])), (name, c)


def check_statistics(name, path, want):
    meta = pq.ParquetFile(path).metadata
    at = 0
    for g in range(meta.num_row_groups):
        group, part = meta.row_group(g), None
        part = want.slice(at, group.num_rows)
        at += group.num_rows
        for i, c in enumerate(COLUMNS):
            s, column = group.column(i).statistics, part[c].combine_chunks()
            assert s.null_count == column.null_count, (name, c)
            if pa.types.is_floating(column.type):
                column = column.filter(pc.invert(pc.fill_null(pc.is_nan(column), True)))
            if len(column) == column.null_count or (c.startswith("text") and pc.max(pc.binary_length(column)).as_py() > 63):
                assert not s.has_min_max, (name, c)
                continue
            low, high = (min(column.drop_null().to_pylist()), max(column.drop_null().to_pylist()))
            assert s.has_min_max and s.min == low and s.max == high, (name, c, s.min, low, s.max, high)
    assert at == want.num_rows == meta.num_rows, name
    return meta.num_row_groups


def ask_duckdb(name, path, want):
    try:
        import duckdb
    except ImportError:
        return ""
    got = duckdb.sql(f"select * from read_parquet('{path}')").to_arrow_table().cast(want.schema)
    compare(name + " (DuckDB)", got, want)
    return ", DuckDB"


def ask_polars(name, path, want):
    try:
        import polars
    except ImportError:
        return ""
    read = polars.read_parquet if path.endswith("parquet") else polars.read_ipc if path.endswith("arrow") else polars.read_ipc_stream
    got = read(path).to_arrow()
    compare(name + " (Polars)", got.cast(want.schema), want)
    return ", Polars"


def main(folder):
    tables, n = {}, 0
    for name in sorted(os.listdir(folder)):
        path = os.path.join(folder, name)
        rows = int(re.match(r"(\d+)-", name).group(1))
        want = tables.setdefault(rows, expected(rows))
        if name.endswith(".parquet"):
            got, groups = pq.read_table(path, page_checksum_verification=True), check_statistics(name, path, want)
            more = f" in {groups} row groups" + ask_duckdb(name, path, want)
        else:
            with pa.OSFile(path) as f:
                reader = ipc.open_file(f) if name.endswith(".arrow") else ipc.open_stream(f)
                got, more = reader.read_all(), ""
            got.validate(full=True)
        compare(name, got, want)
        print(f"{name}: {rows} rows{more}" + ask_polars(name, path, want))
        n += 1
    assert n > 0, "no files"


main(sys.argv[1])
