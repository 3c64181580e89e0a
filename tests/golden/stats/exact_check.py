"""exact_check.py GOLDEN.json REPORT.json: every number of the golden file stands in the report's table `exact`. The standard
library is enough: GOLDEN.json was written by exact.py with SciPy."""
import json
import sys

golden, report = (json.load(open(path)) for path in sys.argv[1:3])
exact = {c["column"]: c for c in report["exact"]}
bad = []
for column, want in golden.items():
    for key, v in want.items():
        got = exact[column][key]
        if key.startswith("cramer_von_mises") and got is None:
            continue  # of few different values: not told
        if v is None or got is None:
            fits = got is v
        else:
            fits = abs(got - v) <= 1e-9 * abs(v) + (1e-14 if key.endswith("_p") else 0)
        if not fits:
            bad.append(f"{column} {key}: got {got!r}, want {v!r}")
if not any(exact[c]["cramer_von_mises"] is not None for c in golden):
    bad.append("no column has Cramer-von Mises")
sys.exit("\n".join(bad) or 0)
