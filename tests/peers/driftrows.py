"""The drift rows of tests/peers/run: two CSV files of 1,000,000 rows and 50 columns, read and compared by several tools.

`b` is the runner: its functions run, table, say, and its paths. The peers come from PyPI into folders of their own, named by
BENCH_PYTHON_DUCKDB, _PANDAS, _EVIDENTLY and _NANNYML (a Python interpreter each; python3 when not set); what is not there is said.
"""
import os
import shutil
import statistics
import subprocess

GB = 10**9
SLOW = 20  # seconds: measured once

PANDAS = "import pandas, sys\nfor f in sys.argv[1:]: pandas.read_csv(f)"
SUMMARIZE = """import duckdb, sys
duckdb.sql("SET threads = 2")
for f in sys.argv[1:]: duckdb.sql(f"SUMMARIZE SELECT * FROM read_csv('{f}')").fetchall()"""
AGGREGATE = """import duckdb, sys
duckdb.sql("SET threads = 2")
for f in sys.argv[1:]:
    names = duckdb.sql(f"SELECT * FROM read_csv('{f}') LIMIT 0").columns
    what = [f"avg({n}), stddev_pop({n}), min({n}), max({n})" if n.startswith("x") else f"histogram({n})" for n in names]
    duckdb.sql(f"SELECT count(*), {', '.join(what)} FROM read_csv('{f}')").fetchall()"""
EVIDENTLY = """import pandas, sys
from evidently import Report
from evidently.presets import DataDriftPreset
a, b = (pandas.read_csv(f) for f in sys.argv[1:])
Report([DataDriftPreset()]).run(b, a).dict()"""
NANNYML = """import pandas, sys
import nannyml
a, b = (pandas.read_csv(f) for f in sys.argv[1:])
c = nannyml.UnivariateDriftCalculator(column_names=list(a.columns), chunk_number=1).fit(a)
c.calculate(b).to_df()"""
PEERS = (("DuckDB, aggregates only", "duckdb", AGGREGATE), ("DuckDB, SUMMARIZE", "duckdb", SUMMARIZE), ("pandas.read_csv only", "pandas", PANDAS),
         ("Evidently, DataDriftPreset", "evidently", EVIDENTLY), ("NannyML, univariate", "nannyml", NANNYML))


def peer(package):
    """Its interpreter and its version, or None."""
    python = shutil.which(os.environ.get("BENCH_PYTHON_" + package.upper(), "python3"))
    if not python:
        return None
    asked = subprocess.run([python, "-c", f"from importlib.metadata import version; import {package}; print(version('{package}'))"],
                           capture_output=True, text=True, check=False)
    return (python, asked.stdout.strip()) if asked.returncode == 0 else None


def make(b, name, *args):
    path = os.path.join(b.work, name)
    with open(path, "wb") as f:
        subprocess.run([os.path.join(os.path.dirname(b.MLO), "tools", "table-gen"), *map(str, args)], stdout=f, check=True)
    return path


def bench(b, path, threads):
    """GB/s of table-bench: text to fields and numbers, summed, nothing counted."""
    tool = os.path.join(os.path.dirname(b.MLO), "tools", "table-bench")
    size = os.path.getsize(path)
    return size / GB / statistics.median(b.run([tool, path, str(threads)])[0] for _ in range(b.RUNS))


def sides(b, files):
    found = {"mlopsctl drift": [b.MLO, "drift", "-r", files[0], "-c", files[1]],
             "mlopsctl drift, one thread": [b.MLO, "drift", "--threads", "1", "-r", files[0], "-c", files[1]]}
    for name, package, script in PEERS:
        there = peer(package)
        if there:
            found[f"{name} ({there[1]})"] = [there[0], "-c", script, *files]
        else:
            b.say(f"{name}: not installed.\n")
    return found


def measure(b):
    b.say("## Drift\n")
    files = [make(b, "a.csv", 1000000, 40, 10, 1), make(b, "b.csv", 1000000, 40, 10, 2)]
    total = sum(map(os.path.getsize, files))
    b.say(f"`tests/tools/table-gen 1000000 40 10 SEED`, seeds 1 and 2: {total / 2e6:.0f} MB each, 40 columns of numbers of up to 17 digits, 10 of categories; "
          "the whole process each time, reading both files from the page cache.\n")
    times, rss = {}, {}
    for name, argv in sides(b, files).items():
        first = b.run(argv)
        runs = [first] if first[0] > SLOW else [b.run(argv) for _ in range(b.RUNS)]
        times[name], rss[name] = statistics.median(r[0] for r in runs), max(r[1] for r in runs)
    ours = times["mlopsctl drift"]
    b.table(["tool", "s", "resident MB", "GB/s of text", "times ours"],
            [(k, f"{v:.2f}", f"{rss[k] / 1024:.0f}", f"{total / GB / v:.2f}", f"{v / ours:.1f}") for k, v in times.items()])
    copy = statistics.median(b.run(f"cat {files[0]} {files[1]} >/dev/null")[0] for _ in range(b.RUNS))
    reading = bench(b, files[0], 1)
    b.say(f"Bars: 0.8 s, 150 MB. Text to fields and numbers alone, one thread: {reading:.2f} GB/s (bar 0.8). The kernel hands the same bytes to `cat` "
          f"at {total / GB / copy:.1f} GB/s, so that reading them takes {copy / ours:.2f} of our time, on one of two cores.\n")
    wide = make(b, "wide.csv", 100000, 900, 100, 3)
    half = make(b, "half.csv", 500000, 40, 10, 4)
    profiles = [os.path.join(b.work, n) for n in ("a.profile", "b.profile")]
    b.run([b.MLO, "profile", files[0], "-o", profiles[0]])
    b.run([b.MLO, "profile", "--like", profiles[0], files[1], "-o", profiles[1]])
    rows = []
    for name, argv, bar in (("drift of 1,000 columns x 100,000 rows against itself", [b.MLO, "drift", "-r", wide, "-c", wide], "2 s"),
                            ("profile of the same", [b.MLO, "profile", wide, "-o", os.path.join(b.work, "w.profile")], ""),
                            ("profile of 1,000,000 x 50", [b.MLO, "profile", files[0], "-o", os.path.join(b.work, "x.profile")], ""),
                            ("profile of 500,000 x 50", [b.MLO, "profile", half, "-o", os.path.join(b.work, "x.profile")], "half of it"),
                            ("drift, profile against profile, 50 columns", [b.MLO, "drift", "-r", *profiles[:1], "-c", profiles[1]], "10 ms"),
                            ("the same with --html", [b.MLO, "drift", "-r", *profiles[:1], "-c", profiles[1], "--html", os.path.join(b.work, "r.html")], "50 ms more")):
        runs = [b.run(argv) for _ in range(b.RUNS)]
        rows.append((name, f"{statistics.median(r[0] for r in runs) * 1e3:.0f}", f"{max(r[1] for r in runs) / 1024:.0f}", bar))
    b.table(["", "ms", "resident MB", "bar"], rows)
