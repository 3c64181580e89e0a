#!/usr/bin/env python3
"""Records what other tools say about the tables of tables.py, for tests/cli/582-compat.sh.

usage: compat.py TOOL (evidently, nannyml, deepchecks or scipy, each from PyPI in an environment of its own), once for each; results go
to compat/TOOL.json beside this file.
"""
import json
import math
import os
import pathlib
import sys
import tempfile
import warnings

import numpy as np
import pandas as pd

import tables

warnings.filterwarnings("ignore")
os.environ["NML_DISABLE_USAGE_LOGGING"] = os.environ["DO_NOT_TRACK"] = "1"  # they would call home
HERE = pathlib.Path(__file__).parent / "compat"
HERE.mkdir(exist_ok=True)


def sides(case):
    with tempfile.TemporaryDirectory() as folder:
        return [pd.read_csv(p) for p in tables.write(folder, case)]


def plain(v):
    return None if v is None or (isinstance(v, float) and not math.isfinite(v)) else float(v)


def evidently(a, b):
    from evidently import Dataset
    from evidently.core.datasets import infer_column_type
    from evidently.legacy.calculations.stattests import registry
    from evidently.legacy.core import ColumnType

    methods = [None, "ks", "wasserstein", "psi", "kl_div", "jensenshannon", "hellinger", "ed", "anderson", "es", "t_test", "chisquare", "z"]
    rows = []
    for method in methods:
        for c in a.columns:
            kind = ColumnType(infer_column_type(b[c]).value)
            x, y = (t[c].replace([-np.inf, np.inf], np.nan).dropna() for t in (a, b))
            try:
                test = registry.get_stattest(x, y, kind, method)
            except Exception:
                continue
            if kind == ColumnType.Text:
                continue
            r = test(x, y, kind, None)
            rows.append([method, c, kind.value, test.name, plain(r.drift_score), plain(r.actual_threshold), bool(r.drifted)])
    # The whole, through its front door: the same numbers, and the share of columns.
    from evidently import Report
    from evidently.presets import DataDriftPreset

    snapshot = Report([DataDriftPreset()]).run(Dataset.from_pandas(b), Dataset.from_pandas(a)).dict()
    whole = [m for m in snapshot["metrics"] if "DriftedColumnsCount" in m["metric_name"]][0]["value"]
    values = {m["config"]["column"]: float(m["value"]) for m in snapshot["metrics"] if "ValueDrift" in m["metric_name"]}
    for r in rows:
        if r[0] is None:
            assert abs(values[r[1]] - r[4]) <= 1e-12 * abs(r[4]), (r, values[r[1]])
    return {"rows": rows, "drifted": int(whole["count"]), "share": float(whole["share"])}


def nannyml(a, b):
    from nannyml import UnivariateDriftCalculator

    numbers = [c for c in a.columns if c in ("normal", "skewed", "whole", "few", "gaps")]
    a, b = (t.astype({c: object for c in t.columns if c not in numbers}) for t in (a, b))
    rows = []
    calc = UnivariateDriftCalculator(
        column_names=list(a.columns),
        continuous_methods=["jensen_shannon", "hellinger", "kolmogorov_smirnov", "wasserstein"],
        categorical_methods=["jensen_shannon", "hellinger", "chi2", "l_infinity"],
    )
    r = calc.fit(a).calculate(b).filter(period="analysis").to_df()
    for c in a.columns:
        for method in ["jensen_shannon", "hellinger"] + (["kolmogorov_smirnov", "wasserstein"] if c in numbers else ["chi2", "l_infinity"]):
            for i in range(len(r)):
                row = r.iloc[i]
                rows.append(
                    [method, c, int(row[("chunk", "chunk", "start_index")]), plain(row[(c, method, "value")]), plain(row[(c, method, "upper_threshold")]), bool(row[(c, method, "alert")])]
                )
    return {"rows": rows}


def deepchecks(a, b):
    from deepchecks.tabular import Dataset
    from deepchecks.tabular.checks import FeatureDrift

    rows = []
    for methods in (("KS", "cramers_v"), ("EMD", "PSI")):
        check = FeatureDrift(numerical_drift_method=methods[0], categorical_drift_method=methods[1], min_samples=10)
        check.add_condition_drift_score_less_than()
        result = check.run(Dataset(a), Dataset(b))
        for c, v in result.value.items():
            name = {"Kolmogorov-Smirnov": "ks", "Earth Mover's Distance": "emd", "Cramer's V": "cramers_v", "PSI": "psi"}.get(v["Method"])
            if name:
                rows.append([name, c, float(v["Drift score"])])
    return {"rows": rows}


def scipy(a, b):
    import scipy.stats as st

    rows = []
    for c in a.columns:
        x, y = a[c].dropna(), b[c].dropna()
        if x.dtype == object or x.dtype.name == "str":
            counts = pd.concat([x.value_counts(), y.value_counts()], axis=1).fillna(0)
            r = st.chi2_contingency(counts)
            rows.append(["chi2_contingency", c, float(r[0]), float(r[1])])
            continue
        for name in ("ks_2samp", "epps_singleton_2samp", "mannwhitneyu", "ttest_ind"):
            r = getattr(st, name)(x, y)
            rows.append([name, c, float(r[0]), float(r[1])])
        r = st.anderson_ksamp([x, y])
        rows.append(["anderson_ksamp", c, float(r[0]), float(r.pvalue if hasattr(r, "pvalue") else r[2])])
        for name in ("wasserstein_distance", "energy_distance"):
            rows.append([name, c, float(getattr(st, name)(x, y)), None])
    return {"rows": rows}


def main():
    tool = sys.argv[1]
    module = __import__(tool)
    out = {"tool": tool, "version": module.__version__, "cases": {}}
    for name in tables.CASES:
        out["cases"][name] = globals()[tool](*sides(name))
    text = json.dumps(out)
    (HERE / f"{tool}.json").write_text(text.replace("[[", "[\n[").replace("], [", "],\n[") + "\n")


main()
