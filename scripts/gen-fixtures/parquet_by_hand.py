"""Parquet files put together byte by byte, for what no writer at hand makes: old forms, rare forms, damage."""

import struct
import zlib

BOOLEAN, INT32, INT64, INT96, FLOAT, DOUBLE, BYTE_ARRAY, FIXED = range(8)
PLAIN, PLAIN_DICTIONARY, RLE, BIT_PACKED, DELTA, DELTA_LENGTH, DELTA_BYTES, RLE_DICTIONARY, SPLIT, ALP = (
    0,
    2,
    3,
    4,
    5,
    6,
    7,
    8,
    9,
    10,
)
NONE, SNAPPY, GZIP, LZO, BROTLI, LZ4_OLD, ZSTD, LZ4 = range(8)


def varint(n):
    out = b""
    while n >= 0x80:
        out += bytes([n & 0x7F | 0x80])
        n >>= 7
    return out + bytes([n])


def zigzag(n):
    return varint((n << 1) ^ (n >> 63) if n < 0 else n << 1)


def thrift(fields):
    """A struct: {id: value}, a value an int (i64; as i32 the bytes are the same), bool, bytes, list or dict."""
    out, last = b"", 0
    for i, v in sorted(fields.items()):
        if v is None:
            continue
        kind, body = encode(v)
        out += bytes([(i - last) << 4 | kind]) if 0 < i - last < 16 else bytes([kind]) + zigzag(i)
        out += body
        last = i
    return out + b"\0"


def encode(v):
    if isinstance(v, bool):
        return (1 if v else 2), b""
    if isinstance(v, int):
        return 6, zigzag(v)
    if isinstance(v, bytes):
        return 8, varint(len(v)) + v
    if isinstance(v, dict):
        return 12, thrift(v)
    if isinstance(v, Raw):
        return v.kind, v.body
    kinds = [encode(x) for x in v]
    kind = kinds[0][0] if kinds else 12
    head = bytes([len(v) << 4 | kind]) if len(v) < 15 else bytes([0xF0 | kind]) + varint(len(v))
    return 9, head + b"".join(body for _, body in kinds)


class Raw:
    """A field as it is to stand there."""

    def __init__(self, kind, body):
        self.kind, self.body = kind, body


# ---- encodings ----


def run(value, count, width=1):
    return varint(count << 1) + value.to_bytes((width + 7) // 8, "little")


def packed(values, width):
    values = list(values) + [0] * (-len(values) % 8)
    bits = 0
    for i, v in enumerate(values):
        bits |= v << (i * width)
    return varint(len(values) // 8 << 1 | 1) + bits.to_bytes(len(values) * width // 8, "little")


def high_bits(values, width):
    bits = "".join(format(v, f"0{width}b") for v in values)
    bits += "0" * (-len(bits) % 8)
    return bytes(int(bits[i : i + 8], 2) for i in range(0, len(bits), 8))


def sized(b):
    return struct.pack("<I", len(b)) + b


def texts(values):
    return b"".join(sized(v) for v in values)


def delta(values, block=128, minis=4):
    out = varint(block) + varint(minis) + varint(len(values)) + zigzag(values[0] if values else 0)
    deltas = [b - a for a, b in zip(values, values[1:])]
    for i in range(0, len(deltas), block):
        part = deltas[i : i + block]
        low, per = min(part), block // minis
        groups = [[d - low for d in part[k : k + per]] for k in range(0, block, per)]
        widths = [max(g).bit_length() if g else 0 for g in groups]
        out += zigzag(low) + bytes(widths)
        for g, w in zip(groups, widths):
            if g:
                g += [0] * (per - len(g))
                out += sum(v << (k * w) for k, v in enumerate(g)).to_bytes(per * w // 8, "little")
    return out


# ---- pages ----


def page(head, body, stored=None, crc=None, size=None, stored_size=None):
    stored = body if stored is None else stored
    fields = dict(head)
    fields.setdefault(2, len(body) if size is None else size)
    fields.setdefault(3, len(stored) if stored_size is None else stored_size)
    if crc is not None:
        fields[4] = crc if crc < 1 << 31 else crc - (1 << 32)
    return thrift(fields) + stored


def data(n, values, encoding=PLAIN, levels=b"", level_encoding=RLE, compress=None, more=None, **kw):
    """Version 1: levels as they stand in the page, length and all."""
    body = levels + values
    head = {1: 0, 5: {1: n, 2: encoding, 3: level_encoding, 4: RLE, **(more or {})}}
    return page(head, body, compress(body) if compress else None, **kw)


def data2(n, nulls, values, encoding=PLAIN, levels=b"", compress=None, is_compressed=None, **kw):
    stored = levels + (compress(values) if compress else values)
    head = {1: 3, 8: {1: n, 2: nulls, 3: n, 4: encoding, 5: len(levels), 6: 0, 7: is_compressed}}
    return page(head, levels + values, stored, **kw)


def dictionary(n, values, encoding=PLAIN, compress=None, **kw):
    return page({1: 2, 7: {1: n, 2: encoding}}, values, compress(values) if compress else None, **kw)


def index_page():
    return page({1: 1, 6: {}}, b"ignored")


def crc(body):
    return zlib.crc32(body)


# ---- files ----


class Column:
    def __init__(
        self,
        name,
        kind,
        pages,
        optional=False,
        codec=NONE,
        width=None,
        converted=None,
        logical=None,
        scale=None,
        precision=None,
        repetition=None,
        values=None,
        dictionary_offset=None,
        forget=0,
        meta=None,
        chunk=None,
        element=None,
        shift=0,
    ):
        self.__dict__.update(locals())


def file(columns, rows, groups=1, schema=None, meta=None, magic=(b"PAR1", b"PAR1"), footer_length=None, group=None):
    out = magic[0]
    row_groups = []
    for _ in range(groups):
        chunks = []
        for c in columns:
            start, body = len(out), b"".join(c.pages)
            out += body
            first = c.pages[0] if c.dictionary_offset is not None else b""
            md = {
                1: c.kind,
                2: [0],
                3: [c.name.encode()],
                4: c.codec,
                5: rows if c.values is None else c.values,
                6: len(body),
                7: len(body) - c.forget,
                9: start + len(first) + c.shift,
                11: None if c.dictionary_offset is None else start if c.dictionary_offset else 0,
            }
            if c.dictionary_offset == 0:
                md[9] = start
            md.update(c.meta or {})
            chunks.append({2: start, 3: md, **(c.chunk or {})})
        row_groups.append({1: chunks, 2: 0, 3: rows, **(group or {})})
    elements = [{4: b"schema", 5: len(columns)}]
    for c in columns:
        repetition = (1 if c.optional else 0) if c.repetition is None else c.repetition
        elements.append(
            {
                1: c.kind,
                2: c.width,
                3: repetition,
                4: c.name.encode(),
                6: c.converted,
                7: c.scale,
                8: c.precision,
                10: c.logical,
                **(c.element or {}),
            }
        )
    footer = thrift(
        {1: 1, 2: elements if schema is None else schema, 3: rows * groups, 4: row_groups, 6: b"by hand", **(meta or {})}
    )
    length = len(footer) if footer_length is None else footer_length
    return out + footer + struct.pack("<I", length) + magic[1]
