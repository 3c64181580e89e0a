#!/usr/bin/env python3
"""Compares build/<...>/tools/table-dump with pandas on generated CSV files that are as nasty as RFC 4180 lets them be.

usage: oracle.py PATH-OF-table-dump [ROUNDS]. TAP; skipped where pandas (python3-pandas) is missing.

Every cell is compared: numbers to the last bit, texts byte for byte, missing with missing. pandas reads each column as what this
tool found it to be, so the types are this tool's and the values are pandas'.
"""
import io
import os
import random
import re
import subprocess
import sys
import tempfile

try:
    import pandas as pd
except ImportError as e:
    print(f"1..0 # SKIP {e.name} is not installed")
    sys.exit(0)

dump, rounds = sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 60
MISSING = ["", "NA", "NaN", "null", "N/A", "#N/A", "<NA>", "nan", "None", "n/a"]
WORDS = ["a", "it's", "say \"hi\"", "x,y", "l1\nl2", "l1\r\nl2", "", " lead", "trail ", "\"", "\"\"", "\u00e4\u00f6", "\U0001f600", "1,000", "5\" pipe", "NAN",
         "true-ish", "-", "0x10", "a;b|c\td", "\u2028", "12 monkeys", "x" * 300]


def number(r):
    kind = r.randrange(8)
    if kind == 0:
        return str(r.randrange(-10**6, 10**6))
    if kind == 1:
        return repr(r.uniform(-1, 1))
    if kind == 2:
        return repr(r.uniform(-1, 1) * 10.0 ** r.randrange(-300, 300))
    if kind == 3:
        return "%.*e" % (r.randrange(25), r.uniform(-10, 10))
    if kind == 4:
        return "%.3f" % r.gauss(0, 1e5)
    if kind == 5:
        return r.choice(["0", "-0", "0.0", "+7", ".5", "5.", "1e308", "-1E-308", "4.9e-324", "1e5", "9007199254740991"])
    if kind == 6:
        return "%d.%030d" % (r.randrange(100), r.randrange(10**30))
    return " %d " % r.randrange(1000) if r.random() < 0.1 else "%d" % r.randrange(1000)


def cell(r, kind):
    if r.random() < 0.07:
        return r.choice(MISSING)
    if kind == "number":
        return number(r)
    if kind == "bool":
        return r.choice(["True", "False", "TRUE", "FALSE", "true", "false"])
    return r.choice(WORDS)


def field(r, text, sep):
    must = any(c in text for c in (sep, "\n", "\r")) or text[:1] == '"'
    return '"' + text.replace('"', '""') + '"' if must or r.random() < 0.1 else text


def make(r):
    """A file and how it is to be read."""
    sep, end = r.choice([",", ",", ";", "\t", "|"]), r.choice(["\n", "\n", "\r\n"])
    columns, rows = r.randrange(2, 9), r.choice([0, 1, 2, 7, 40, 400])
    kinds = [r.choice(["number", "number", "text", "bool"]) for _ in range(columns)]
    names = [r.choice(["n%d", "\u00e4 %d", "with \"quote\" %d", "with %d" + sep, "l\n%d"]) % i for i in range(columns)]
    lines = [sep.join(field(r, n, sep) for n in names)]
    for _ in range(rows):
        lines.append(sep.join(field(r, cell(r, k), sep) for k in kinds))
        if r.random() < 0.03:
            lines.append("")
    text = end.join(lines) + (end if r.random() < 0.8 else "")
    return ("\ufeff" if r.random() < 0.2 else "") + text, sep


def unescape(s):
    return re.sub(rb"\\x(..)", lambda m: bytes([int(m.group(1), 16)]), s.encode()).decode()


def ours(path, threads, sep):
    form = "tsv" if sep == "\t" else "-"
    out = subprocess.run([dump, form, str(threads), path], capture_output=True, text=True, check=False)
    if out.returncode:
        return None, out.stderr
    lines = out.stdout.split("\n")[:-1]
    columns = [c.rsplit(":", 1) for c in lines[0].split("|")]
    return [(unescape(n), t) for n, t in columns], [line.split(": ", 1)[1].split("|") for line in lines[1:]]


def theirs(text, sep, columns):
    types = {n: "float64" if t in ("int", "number") else "str" for n, t in columns}
    return pd.read_csv(io.BytesIO(text.encode()), sep=sep, dtype=types, float_precision="round_trip", encoding="utf-8-sig", na_values=["None"])


def same(t, a, b):
    """Our cell, as it is written, and that of pandas."""
    if a in ("-", "nan"):
        return pd.isna(b) or (a == "nan" and abs(b) == float("inf"))
    if pd.isna(b):
        return False
    if t in ("int", "number"):
        return float(a) == b
    if t == "bool":
        return str(b).lower() == a
    return t == "text" and unescape(a[1:-1]) == b


def compare(text, sep, path, threads):
    columns, rows = ours(path, threads, sep)
    if columns is None:
        return "refused: " + rows
    frame = theirs(text, sep, columns)
    if [n for n, _ in columns] != list(frame.columns):
        return f"columns {columns} against {list(frame.columns)}"
    if len(rows) != len(frame):
        return f"{len(rows)} rows against {len(frame)}"
    for c, (name, t) in enumerate(columns):
        values = frame.iloc[:, c].tolist()
        for i, row in enumerate(rows):
            if not same(t, row[c], values[i]):
                return f"row {i + 1}, {name} ({t}): {row[c]} against {values[i]!r}"
    return None


def main():
    bad = 0
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "t.csv")
        for seed in range(rounds):
            text, sep = make(random.Random(seed))
            with open(path, "w", newline="", encoding="utf-8") as f:
                f.write(text)
            fault = compare(text, sep, path, 1 + seed % 3)
            if fault and bad < 10:
                print(f"# seed {seed}, separator {sep!r}: {fault}")
            bad += fault is not None
    print(("not ok" if bad else "ok") + f" 1 - every cell of {rounds} generated tables is what pandas {pd.__version__} reads")
    print("1..1")
    return bad > 0


sys.exit(main())
