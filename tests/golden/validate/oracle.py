"""validate's counts against pandas: the same table, the same rules, every count equal.

oracle.py MLOPSCTL SEEDS prints TAP."""
import json
import random
import subprocess
import sys
import tempfile

import numpy
import pandas

program, seeds = sys.argv[1], int(sys.argv[2])
WORDS = ["Bern", "Köln", "a b", "x,y", "it's", 'q"', "Ünal"]


def make(rng, n):
    base = pandas.Timestamp("2026-01-01")
    price = [round(rng.gauss(1e6, 3), rng.choice([0, 3, 6])) if rng.random() > 0.05 else None for _ in range(n)]
    return pandas.DataFrame({
        "id": [rng.randrange(2 * n) for _ in range(n)],
        "city": [rng.choice(WORDS) if rng.random() > 0.1 else None for _ in range(n)],
        "code": [rng.choice("ABC") + str(rng.randrange(10 ** rng.randrange(1, 5))) for _ in range(n)],
        "price": price,
        "other": [None if rng.random() < 0.1 else rng.gauss(1e6, 3) for _ in range(n)],
        "day": [(base + pandas.Timedelta(minutes=i - (7 if rng.random() < 0.02 else 0))).isoformat() + "Z" for i in range(n)],
        "k": [rng.randrange(3) for _ in range(n)], "j": [rng.randrange(20) for _ in range(n)], "label": [int(rng.random() < 0.2) for _ in range(n)]})


RULES = """validate:
  columns:
    id: {type: integer, unique: true}
    city: {nullable: false, in: [Bern, "K\\u00f6ln", 'a b'], length: [4, 4]}
    code: {regex: '[AB][0-9]{1,3}'}
    price: {range: [999998, 1000002], mean: [0, 1], sd: [0, 1e-9], type: number}
    other: {missing: 0, type: number}
    day: {type: time, monotone: increasing}
  table:
    - unique: [k, j]
    - compare: price <= other
    - together: [price, other]
    - conflict: {features: [k, j], label: label}
    - overlap: {with: other.csv, key: [id]}
"""


def expected(d, other):
    price, o = d.price, d.other
    both = price.notna() & o.notna()
    day = pandas.to_datetime(d.day)
    mixed = d.groupby(["k", "j"]).label.transform("nunique") > 1
    return {
        ("id", "type"): (0, len(d)), ("id", "unique"): (int(d.id.duplicated().sum()), len(d)),
        ("city", "nullable"): (int(d.city.isna().sum()), len(d)),
        ("city", "in"): (int((~d.city.isin(["Bern", "Köln", "a b"]) & d.city.notna()).sum()), int(d.city.notna().sum())),
        ("city", "length"): (int((d.city.dropna().str.len() != 4).sum()), int(d.city.notna().sum())),
        ("code", "regex"): (int((~d.code.str.fullmatch("[AB][0-9]{1,3}")).sum()), len(d)),
        ("price", "range"): (int((~price.dropna().between(999998, 1000002)).sum()), int(price.notna().sum())),
        ("other", "missing"): (int(o.isna().sum()), len(d)),
        ("day", "monotone"): (int((day.diff().dropna() < pandas.Timedelta(0)).sum()), len(d)),
        ("k, j", "unique"): (int(d.duplicated(["k", "j"]).sum()), len(d)),
        ("price, other", "compare"): (int((price[both] > o[both]).sum()), int(both.sum())),
        ("price, other", "together"): (int((price.isna() != o.isna()).sum()), len(d)),
        ("k, j", "conflict"): (int(mixed.sum()), len(d)),
        ("id", "overlap"): (int(d.id.isin(other.id).sum()), len(d))}


def check(seed):
    rng = random.Random(seed)
    with tempfile.TemporaryDirectory() as tmp:
        d, other = make(rng, rng.choice([1, 30, 2000, 20000])), make(rng, 50)
        d.to_csv(f"{tmp}/d.csv", index=False)
        other.to_csv(f"{tmp}/other.csv", index=False)
        open(f"{tmp}/rules.yaml", "w").write(RULES)
        run = subprocess.run([program, "validate", f"{tmp}/d.csv", "--rules", f"{tmp}/rules.yaml", "--json", "--threads", str(rng.choice([1, 2, 4]))],
                             capture_output=True, text=True)
        assert run.returncode in (0, 1), run.stderr
        got = {(r["column"], r["rule"]): r for r in json.loads(run.stdout)["rules"]}
        back = pandas.read_csv(f"{tmp}/d.csv")
        for key, want in expected(back, other).items():
            have = (got[key]["failed"], got[key]["checked"])
            assert have == want, f"{key}: {have}, pandas says {want}"
        for word, value in (("mean", back.price.mean()), ("sd", back.price.std() if back.price.count() > 1 else 0.0)):
            why = got[("price", word)]["why"]
            if back.price.count():
                assert abs(float(why.split()[-1]) - value) <= 1e-5 * max(abs(value), 1e-30), (word, why, value)
        first = back.index[back.city.isna()]
        if len(first):
            assert [e["line"] for e in got[("city", "nullable")]["examples"]] == [int(i) + 2 for i in first[:5]]


bad = 0
for seed in range(seeds):
    try:
        check(seed)
        print(f"ok {seed + 1} - counts of table {seed} are those of pandas {pandas.__version__}, numpy {numpy.__version__}")
    except AssertionError as e:
        bad += 1
        print(f"not ok {seed + 1} - table {seed}\n# {e}")
print(f"1..{seeds}")
sys.exit(bad > 0)
