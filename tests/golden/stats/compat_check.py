#!/usr/bin/env python3
"""Compares `mlopsctl drift --compat` with what the tools themselves said (compat/*.json, recorded by compat.py).

usage: compat_check.py PATH-OF-mlopsctl FOLDER TOOL. TAP.
"""
import json
import pathlib
import subprocess
import sys

import tables

program, folder, tool = sys.argv[1:]
recorded = json.loads((pathlib.Path(__file__).parent / "compat" / f"{tool}.json").read_text())
asked = {}
done = bad = 0


def ours(case, method):
    """Rows by column and first row of the chunk, from one run."""
    if (case, method) not in asked:
        a, b = tables.write(folder, case)
        words = [program, "drift", "-r", a, "-c", b, "--compat", tool + (f":{method}" if method else ""), "--json"]
        out = subprocess.run(words, capture_output=True, text=True)
        doc = json.loads(out.stdout)
        assert out.returncode == (1 if doc["drift"] else 0), (words, out)
        rows = {(c["column"], c.get("from") or 1): c for c in doc["columns"]}
        asked[case, method] = doc, rows
    return asked[case, method]


def same(got, want):
    if want is None or got is None:
        return got is want
    tolerance = 1e-9 if not 0 < abs(want) < 1e-12 else 1e-6
    return abs(got - want) <= max(tolerance * abs(want), 1e-15)


def check(what, pairs):
    """pairs: name, ours, theirs."""
    global done, bad
    done += 1
    faults = [f"{name}: got {got!r}, want {want!r}" for name, got, want in pairs if not (got == want if isinstance(want, (bool, str)) else same(got, want))]
    bad += bool(faults)
    print(f"{'not ok' if faults else 'ok'} {done} - {what}: {len(pairs)} numbers")
    for f in faults[:8]:
        print(f"# {f}")


KINDS = {"num": "numerical", "cat": "categorical"}
for case, theirs in recorded["cases"].items():
    pairs = {}
    for row in theirs["rows"]:
        method, column = row[0], row[1]
        mine = ours(case, method)[1].get((column, row[2] + 1 if tool == "nannyml" else 1), {})
        to = pairs.setdefault(method, [])
        if tool == "evidently":
            to += [(f"{column} {k}", mine.get(k), v) for k, v in (("kind", KINDS[row[2]]), ("method", row[3]), ("value", row[4]), ("threshold", row[5]), ("drift", row[6]))]
        elif tool == "nannyml":
            to += [(f"{column} {row[2]} {k}", mine.get(k), v) for k, v in (("value", row[3]), ("threshold", row[4]), ("drift", row[5]))]
        elif tool == "deepchecks":
            to.append((column, mine.get("value"), row[2]))
        else:
            to += [(f"{column} statistic", mine.get("statistic"), row[2]), (f"{column} p", mine.get("value"), row[3] if row[3] is not None else row[2])]
    if tool == "evidently":
        doc = ours(case, None)[0]
        pairs[None] += [("drifted columns", doc["drifted"], theirs["drifted"]), ("share", doc["share_drifted"], theirs["share"])]
    for method, list_ in pairs.items():
        check(f"{tool} {recorded['version']}, {case}, {method or 'defaults'}", list_)
print(f"1..{done}")
sys.exit(bad > 0)
