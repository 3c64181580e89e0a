#!/usr/bin/env python3
"""docs/onnx-conformance.md from a folder of the onnx project's node cases.

    MLOPSCTL=build/gcc/mlopsctl python3 tests/golden/onnx/conformance-table.py FOLDER 'where the cases come from' >docs/onnx-conformance.md

A case counts for the operators of its model; those that spell out an operator's body by others ("_expanded") are counted by themselves.
"""
import collections
import json
import os
import subprocess
import sys

MLO, folder, source = os.environ["MLOPSCTL"], sys.argv[1], sys.argv[2]
LEFT_OUT = ("ai.onnx.preview.training", "ImageDecoder")


def ask(*words):
    return json.loads(subprocess.run([MLO, "onnx", *words, "--json"], stdout=subprocess.PIPE, text=True, check=False).stdout)


def operators(case):
    return [o["operator"] for o in ask("inspect", os.path.join(folder, case, "model.onnx")).get("operators", [])]


whole = ask("conformance", folder, "--all")
table, expanded, special = collections.defaultdict(collections.Counter), collections.Counter(), collections.Counter()
for c in whole["cases"]:
    if "_expanded" in c["case"]:
        expanded[c["result"]] += 1
        continue
    ops = operators(c["case"]) or ["(not read)"]
    if any(o.startswith(LEFT_OUT) or "Sequence" in o or "Optional" in o for o in ops):
        special[c["result"]] += 1
    for o in ops[:1] if len(ops) == 1 else [o for o in ops if o != "Constant"]:
        table[o][c["result"]] += 1
total = whole["pass"] + whole["fail"] + whole["unsupported"]
core = total - sum(special.values())
print("# Conformance with the onnx project's node cases\n")
print(f"Written by `tests/golden/onnx/conformance-table.py` from {source}.\n")
print(f"{total} cases: {whole['pass']} pass, {whole['fail']} fail, {whole['unsupported']} need something that the engine refuses by name. Without training, sequences, "
      f"optionals and image decoding: {whole['pass'] - special['pass']} of {core} pass ({100 * (whole['pass'] - special['pass']) / core:.1f} %; wanted: 95 %). "
      f"Of the {sum(expanded.values())} cases that spell out an operator by others, {expanded['pass']} pass.\n")
print("| operator | pass | fail | unsupported |\n|---|---|---|---|")
for op in sorted(table):
    n = table[op]
    print(f"| {op} | {n['pass']} | {n['FAIL']} | {n['unsupported']} |")
