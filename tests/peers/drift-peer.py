#!/usr/bin/env python3
"""Another tool's verdict by its defaults on one column: asked by drift-quality, runs under that tool's Python.

usage: drift-peer.py evidently|nannyml <requests, "REFERENCE.csv CURRENT.csv COLUMN" a line; answers "ALARM SCORE", the
lower the score the more drift. NannyML looks at ten chunks of the current rows: the alarm is one of any chunk, the score their mean.
"""
import contextlib
import sys
import warnings

warnings.filterwarnings("ignore")
import numpy as np  # noqa: E402
import pandas as pd  # noqa: E402


def evidently(a, b, name):
    from evidently.legacy.calculations.stattests import registry
    from evidently.legacy.core import ColumnType

    kind = ColumnType.Categorical if name.startswith("c") else ColumnType.Numerical
    x, y = a[name].dropna(), b[name].dropna()
    r = registry.get_stattest(x, y, kind, None)
    r = r(x, y, kind, None)
    p_value = len(x) <= 1000  # above, its defaults are distances
    return bool(r.drifted), float(r.drift_score) * (1 if p_value else -1)


def nannyml(a, b, name):
    from nannyml import UnivariateDriftCalculator

    if name.startswith("c"):
        a, b = a.astype(object), b.astype(object)
    r = UnivariateDriftCalculator(column_names=[name]).fit(a[[name]]).calculate(b[[name]]).filter(period="analysis").to_df()
    return bool(r[(name, "jensen_shannon", "alert")].any()), -float(np.mean(r[(name, "jensen_shannon", "value")].astype(float)))


answer = {"evidently": evidently, "nannyml": nannyml}[sys.argv[1]]
for line in sys.stdin:
    reference, current, column = line.split()
    with contextlib.redirect_stdout(sys.stderr):
        alarm, score = answer(pd.read_csv(reference), pd.read_csv(current), column)
    print(int(alarm), score, flush=True)
