#!/usr/bin/python3
"""Compares `mlopsctl drift --exact --tests all` with SciPy on tables made at random: scales, ties, gaps, outliers.

usage: exact.py PATH-OF-mlopsctl FOLDER [ROWS]. TAP; skipped where python3-scipy is missing.
       exact.py --golden A.csv B.csv: SciPy's values for the tables' columns of numbers; so was exact-credit.json made.
"""
import csv
import json
import math
import subprocess
import sys
import warnings

try:
    import numpy as np
    import scipy.stats as st
except ImportError as e:
    print(f"1..0 # SKIP {e.name} is not installed")
    sys.exit(0)
warnings.filterwarnings("ignore")

def scipy_says(x, y):
    """What SciPy says of two samples, by the members of the report."""
    r = st.ks_2samp(x, y)
    sd = math.sqrt(np.mean((x - x.mean()) ** 2))
    ad, cvm = st.anderson_ksamp([x, y]), st.cramervonmises_2samp(x, y, method="asymptotic")
    try:
        es = st.epps_singleton_2samp(x, y)
        es = (es.statistic, es.pvalue)
    except np.linalg.LinAlgError:  # the middle half of the values is one value
        es = (None, None)
    return {"ks": r.statistic, "ks_p": r.pvalue, "wasserstein": st.wasserstein_distance(x, y) / sd, "energy": st.energy_distance(x, y),
            "anderson_darling": ad.statistic, "anderson_darling_p": ad.significance_level,
            "epps_singleton": es[0], "epps_singleton_p": es[1], "cramer_von_mises": cvm.statistic, "cramer_von_mises_p": cvm.pvalue}


if sys.argv[1] == "--golden":
    tables = [list(csv.DictReader(open(path))) for path in sys.argv[2:4]]
    golden = {}
    for name in tables[0][0]:
        x, y = (np.array([float(row[name]) for row in t]) for t in tables)
        if len(set(x)) > 2:
            golden[name] = scipy_says(x, y)
    print(json.dumps(golden, indent=1))
    sys.exit(0)
rng = np.random.default_rng(20261121)
rows = int(sys.argv[3]) if len(sys.argv) > 3 else 0
bad = done = 0


def column(kind, n, shift):
    if kind == "normal":
        x = rng.normal(shift, 1, n)
    elif kind == "lognormal":
        x = rng.lognormal(shift, 2, n) * 1e6
    elif kind == "whole":
        x = rng.integers(-500, 500, n) + round(20 * shift)
    elif kind == "small":
        x = rng.uniform(0, 1e-7 * (1 + shift), n)
    else:  # outliers on both sides
        x = rng.normal(shift, 1, n)
        x[rng.integers(0, n, 3)] = [1e9, -1e12, 1e300]
    x = x.astype(float)
    if kind == "normal":
        x[rng.random(n) < 0.1] = np.nan
    return x


def write(path, table):
    with open(path, "w") as f:
        f.write(",".join(table) + "\n")
        for row in zip(*table.values()):
            f.write(",".join("" if math.isnan(v) else repr(float(v)) for v in row) + "\n")


def same(key, got, want):
    if got is None or want is None:
        return got is want
    if key.endswith("_p"):  # SciPy takes small ones as 1 - (nearly 1), or from an inverse of a nearly singular matrix
        return abs(got - want) <= 1e-8 * want + 1e-14
    return got == want or abs(got - want) <= 1e-9 * abs(want) + (1e-15 if want == 0 else 0)


kinds = ["normal", "lognormal", "whole", "small", "outliers"]
for i in range(1 if rows else 6):
    n, m = (rows, rows // 2) if rows else (int(10 ** rng.uniform(2.5, 4.6)) for _ in "xy")
    a, b = ({k: column(k, size, shift) for k in kinds} for size, shift in ((n, 0), (m, rng.choice([0, 0.02, 0.3]))))
    write(sys.argv[2] + "/a.csv", a)
    write(sys.argv[2] + "/b.csv", b)
    out = subprocess.run([sys.argv[1], "drift", "-r", sys.argv[2] + "/a.csv", "-c", sys.argv[2] + "/b.csv", "--tests", "all", "--json"], capture_output=True, text=True)
    exact = {c["column"]: c for c in json.loads(out.stdout)["exact"]}
    for k in kinds:
        x, y = (t[k][~np.isnan(t[k])] for t in (a, b))
        want = scipy_says(x, y)
        left_out = []
        if k == "outliers":  # squares of 1e300
            left_out += ["wasserstein", "epps_singleton", "epps_singleton_p"]
        if k == "whole":  # few different values
            left_out += ["cramer_von_mises", "cramer_von_mises_p"]
        for key in left_out:
            del want[key]
        faults = [f"{key}: got {exact[k][key]!r}, want {v!r}" for key, v in want.items() if not same(key, exact[k][key], v)]
        done += 1
        bad += bool(faults)
        print(f"{'not ok' if faults else 'ok'} {done} - {k}, {n} and {m} rows")
        for f in faults:
            print(f"# {f}")
print(f"1..{done}")
sys.exit(bad > 0)
