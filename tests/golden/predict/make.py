#!/usr/bin/env python3
"""Rows of some pipelines of tests/golden/onnx/pipelines as CSV, and the trainers' own predictions beside them.

    python3 tests/golden/predict/make.py   (needs onnx; the pipelines are made by tests/golden/onnx/make-ml-pipelines.py)
"""
import csv
import os

import numpy as np
import onnx
from onnx import numpy_helper

HERE = os.path.dirname(os.path.abspath(__file__))
PIPELINES = os.path.join(HERE, "..", "onnx", "pipelines")
NAMES = ["columns-forest", "columns-logistic", "logistic-text", "boosting-3", "lightgbm", "xgboost", "boosting-regressor", "mlp", "svc"]


def tensor(folder, what):
    t = onnx.TensorProto()
    with open(os.path.join(folder, "test_data_set_0", what + ".pb"), "rb") as f:
        t.ParseFromString(f.read())
    return numpy_helper.to_array(t)


def cell(v):
    if isinstance(v, (bytes, str)):
        return v.decode() if isinstance(v, bytes) else v
    if isinstance(v, np.floating):
        return "" if np.isnan(v) else np.format_float_positional(v, unique=True, trim="-")
    return str(v)


def write(path, header, columns):
    with open(path, "w", newline="", encoding="utf-8") as f:
        w = csv.writer(f, lineterminator="\n")
        w.writerow(header)
        w.writerows([[cell(c[r]) for c in columns] for r in range(len(columns[0]))])


for name in NAMES:
    folder = os.path.join(PIPELINES, name)
    graph = onnx.load(os.path.join(folder, "model.onnx")).graph
    header, columns = [], []
    for i, port in enumerate(graph.input):
        x = tensor(folder, f"input_{i}")
        header += [port.name] if x.shape[1] == 1 else [f"{port.name}{k}" for k in range(x.shape[1])]
        columns += list(x.T)
    write(os.path.join(HERE, name + ".csv"), header, columns)
    header, columns = [], []
    for i, port in enumerate(graph.output):
        y = tensor(folder, f"output_{i}")
        y = y.reshape(len(y), -1)
        header += [port.name] if y.shape[1] == 1 else [f"{port.name}{k}" for k in range(y.shape[1])]
        columns += list(y.T)
    write(os.path.join(HERE, name + ".expected.csv"), header, columns)
