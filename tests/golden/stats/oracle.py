#!/usr/bin/env python3
"""Compares build/<...>/tools/stats-calc with SciPy, statsmodels and scikit-learn on random inputs: sizes, ties, scales.

usage: oracle.py PATH-OF-stats-calc [ROUNDS]. TAP; skipped where the packages (python3-scipy, -statsmodels, -sklearn) are missing.
"""
import math
import subprocess
import sys
import warnings

try:
    import numpy as np
    import scipy.spatial.distance as distance
    import scipy.special as special
    import scipy.stats as st
    from sklearn.isotonic import isotonic_regression
    from sklearn.metrics import roc_auc_score
    from statsmodels.stats.contingency_tables import StratifiedTable
    from statsmodels.stats.multitest import multipletests
    from statsmodels.stats.proportion import confint_proportions_2indep, proportion_confint, proportions_ztest
except ImportError as e:
    print(f"1..0 # SKIP {e.name} is not installed")
    sys.exit(0)
warnings.filterwarnings("ignore")

calc = subprocess.Popen([sys.argv[1]], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
rounds = int(sys.argv[2]) if len(sys.argv) > 2 else 40
rng = np.random.default_rng(20261121)
faults = {}
counted = {}


def ours(name, *vectors):
    """One request: a name and vectors of numbers; one line of numbers back."""
    words = [name, str(len(vectors))]
    for v in vectors:
        v = np.atleast_1d(v)
        words += [str(len(v))] + [repr(float(x)) for x in v]
    calc.stdin.write(" ".join(words) + "\n")
    calc.stdin.flush()
    return [float(x) for x in calc.stdout.readline().split()]


def same(group, got, want, what):
    counted[group] = counted.get(group, 0) + 1
    for g, w in zip(got, want):
        tolerance = 1e-9 if not 0 < abs(w) < 1e-12 else 1e-6
        if not (g == w or (math.isnan(g) and math.isnan(w)) or abs(g - w) <= max(tolerance * abs(w), 1e-16 if w == 0 else 0)):
            faults.setdefault(group, []).append(f"{what}: got {g!r}, want {w!r}")


def samples():
    n, m = (int(10 ** rng.uniform(0.9, 3.7)) for _ in "xy")
    scale, shift = 10 ** rng.uniform(-6, 6), rng.uniform(-0.4, 0.4)
    kind = rng.integers(4)
    if kind == 0:
        x, y = rng.normal(0, 1, n), rng.normal(shift, 1, m)
    elif kind == 1:
        x, y = rng.exponential(1, n), rng.exponential(1 + shift, m)
    elif kind == 2:
        x, y = rng.integers(0, 12, n).astype(float), rng.integers(0, 12, m) + np.round(2 * shift)
    else:
        x, y = rng.uniform(0, 1, n), rng.uniform(0, 1 + shift, m)
    return x * scale, y * scale


def two_samples(i):
    x, y = samples()
    what = f"round {i}, n {len(x)}, m {len(y)}"
    r = st.ks_2samp(x, y)
    same("ks", ours("ks", x, y), [r.statistic, r.pvalue], what)
    same("wasserstein", ours("wasserstein", x, y), [st.wasserstein_distance(x, y)], what)
    same("energy", ours("energy", x, y), [st.energy_distance(x, y)], what)
    if max(len(x), len(y)) > 20:
        r = st.cramervonmises_2samp(x, y)
        got = ours("cvm", x, y)
        same("cramer-von-mises", got[:1], [r.statistic], what)
        if r.pvalue > 1e-7:  # SciPy takes 1 - CDF and stops its series at 1e-7
            counted["cramer-von-mises p"] = counted.get("cramer-von-mises p", 0) + 1
            if abs(got[1] - r.pvalue) > 2e-7:
                faults.setdefault("cramer-von-mises p", []).append(f"{what}: {got[1]} {r.pvalue}")
    r = st.anderson_ksamp([x, y])
    same("anderson-darling", ours("ad", x, y), [r.statistic, r.significance_level], what)
    try:
        r = st.epps_singleton_2samp(x, y)
        same("epps-singleton", [round(v, 9) for v in ours("es", x, y)[:1]], [round(r.statistic, 9)], what)
    except ValueError:
        pass
    if min(len(x), len(y)) > 8 or max(len(x), len(y)) < 100:  # else SciPy's exact law takes minutes
        r = st.mannwhitneyu(x, y)
        same("mann-whitney", ours("mwu", x, y), [r.statistic, r.pvalue], what)
    for name, equal in (("t", True), ("welch", False)):
        r = st.ttest_ind(x, y, equal_var=equal)
        same(name, ours(name, x, y), [r.statistic, r.pvalue], what)
    same("moments", ours("moments", x), [np.mean(x), np.var(x), st.skew(x), st.kurtosis(x)], what)
    for q in rng.uniform(0, 1, 3):
        same("quantile", ours("quantile", x, q), [np.quantile(x, q)], what)


def classes(what):
    """Scores in bins: area under the curve with DeLong's variance from its definition; isotonic regression."""
    bins = int(rng.integers(2, 20))
    yes, no = rng.integers(0, 30, bins), rng.integers(0, 30, bins)
    yes[0] += 2
    no[-1] += 2
    s = np.arange(bins)
    x, y = np.repeat(s, yes), np.repeat(s, no)
    won = (x[:, None] > y[None, :]) + 0.5 * (x[:, None] == y[None, :])
    variance = won.mean(1).var(ddof=1) / len(x) + won.mean(0).var(ddof=1) / len(y)
    area = roc_auc_score(np.r_[np.ones(len(x)), np.zeros(len(y))], np.r_[x, y])
    same("auc of bins", ours("auc", yes, no), [area, variance], what)
    v, w = rng.normal(s / bins, 0.5), rng.uniform(0.1, 9, bins)
    same("isotonic", ours("isotonic", v, w), isotonic_regression(v, sample_weight=w), what)


def tables(i):
    bins = int(rng.integers(2, 40))
    a, b = rng.integers(0, 300, bins), rng.integers(0, 300, bins)
    keep = (a + b) > 0
    what = f"round {i}, {bins} bins"
    t = np.array([a[keep], b[keep]])
    if t.shape[1] > 1:
        r = st.chi2_contingency(t)
        same("chi-square", ours("chi2", a, b), [r[0], r[1]], what)
        r = st.chi2_contingency(t, lambda_="log-likelihood")
        same("g-test", ours("g", a, b), [r[0], r[1]], what)
    same("js", ours("js", a, b), [distance.jensenshannon(a, b)], what)
    p = a + 1
    same("kl", ours("kl", p, b + 1), [st.entropy(p, b + 1)], what)
    f = rng.integers(0, 10 ** rng.integers(1, 5), 4) + (rng.integers(4) > 0)
    r = st.fisher_exact(f.reshape(2, 2))
    same("fisher", ours("fisher", f), [r[1]], f"table {f}")
    k1, n1, k2, n2 = f[0], f[0] + f[1] + 1, f[2], f[2] + f[3] + 1
    z, p = proportions_ztest([k1, k2], [n1, n2])
    if not math.isnan(z):
        same("two-proportions", ours("z", [k1, n1, k2, n2]), [z, p], what)
    same("wilson", ours("wilson", [k1, n1]), proportion_confint(k1, n1, method="wilson"), what)
    same("newcombe", ours("newcombe", [k1, n1, k2, n2]), confint_proportions_2indep(k1, n1, k2, n2, method="newcomb"), what)
    strata = [rng.integers(1, 60, (2, 2)) for _ in range(int(rng.integers(2, 9)))]
    s = StratifiedTable(strata)
    r = s.test_null_odds(correction=False)
    same("cmh", ours("cmh", np.concatenate([x.ravel() for x in strata])), [r.statistic, st.chi2.sf(r.statistic, 1), s.oddsratio_pooled], what)
    classes(what)
    p = rng.uniform(0, 1, int(rng.integers(1, 60))) ** 3
    same("holm", ours("holm", p), multipletests(p, method="holm")[1], what)
    same("benjamini-hochberg", ours("bh", p), multipletests(p, method="fdr_bh")[1], what)


def functions(i):
    what = f"round {i}"
    df, x = 10 ** rng.uniform(-0.3, 4), 10 ** rng.uniform(-2, 4)
    same("chi2 sf", ours("chi2sf", [x, df]), [st.chi2.sf(x, df)], f"{what} x {x} df {df}")
    q = 10 ** rng.uniform(-8, -0.01)
    same("chi2 isf", ours("chi2isf", [q, df]), [st.chi2.isf(q, df)], f"{what} p {q} df {df}")
    same("normal isf", ours("normisf", [q]), [st.norm.isf(q)], what)
    a, b, u = 10 ** rng.uniform(-0.5, 3), 10 ** rng.uniform(-0.5, 3), rng.uniform(0, 1)
    same("beta", ours("beta", [a, b, u]), [special.betainc(a, b, u)], f"{what} {a} {b} {u}")
    n = int(10 ** rng.uniform(0.5, 6))
    k = int(rng.integers(0, n + 1))
    same("binomial", ours("binom", [k, n, u]), [st.binom.pmf(k, n, u)], f"{what} {k} {n} {u}")
    n, d = int(10 ** rng.uniform(0.3, 6)), 0
    d = rng.uniform(0.3, 3) / math.sqrt(n)
    if d < 1:
        same("kolmogorov", ours("kolmogorov", [n, d]), [st.kstwo.sf(d, n)], f"{what} n {n} d {d}")


for i in range(rounds):
    two_samples(i)
    tables(i)
    functions(i)
calc.stdin.close()
calc.wait()
for number, group in enumerate(sorted(counted), 1):
    for line in faults.get(group, [])[:5]:
        print(f"# {line}")
    print(f"{'not ok' if group in faults else 'ok'} {number} - {group}: {counted[group]} comparisons")
print(f"1..{len(counted)}")
sys.exit(bool(faults))
