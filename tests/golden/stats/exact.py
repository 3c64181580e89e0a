#!/usr/bin/python3
"""Compares `mlopsctl drift --exact --tests all` with SciPy on tables made at random: scales, ties, gaps, outliers.

usage: exact.py PATH-OF-mlopsctl FOLDER [ROWS]. TAP; skipped where python3-scipy is missing.
"""
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


def same(got, want):
    tolerance = 1e-9 if not 0 < abs(want) < 1e-12 else 1e-6
    return got == want or abs(got - want) <= tolerance * abs(want) + (1e-15 if want == 0 else 0)


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
        r = st.ks_2samp(x, y)
        w = st.wasserstein_distance(x, y)
        with np.errstate(all="ignore"):
            sd = math.sqrt(np.mean((x - x.mean()) ** 2)) if k != "outliers" else None
        want = {"ks": r.statistic, "ks_p": r.pvalue, "energy": st.energy_distance(x, y)}
        if sd:
            want["wasserstein"] = w / sd
        ad = st.anderson_ksamp([x, y])
        want["anderson_darling"], want["anderson_darling_p"] = ad.statistic, ad.significance_level
        if k != "outliers":
            es = st.epps_singleton_2samp(x, y)
            want["epps_singleton"] = es.statistic
        if k != "whole":
            cvm = st.cramervonmises_2samp(x, y)
            want["cramer_von_mises"] = cvm.statistic
        faults = [f"{key}: got {exact[k][key]!r}, want {v!r}" for key, v in want.items() if not (exact[k][key] is not None and same(exact[k][key], v))]
        done += 1
        bad += bool(faults)
        print(f"{'not ok' if faults else 'ok'} {done} - {k}, {n} and {m} rows")
        for f in faults:
            print(f"# {f}")
print(f"1..{done}")
sys.exit(bad > 0)
