#!/usr/bin/env python3
"""Reckons the facts of the small tables of tests/unit/test_drift_estimate.c with scikit-learn, statsmodels and SciPy.

usage: concept.py >tests/golden/drift/concept.inc (recorded with Debian's packages: scikit-learn 1.2.1, statsmodels 0.13.5).
DeLong's variance is written out from its definition.
"""
import numpy as np
import scipy.stats as st
from sklearn.metrics import brier_score_loss, recall_score, roc_auc_score
from statsmodels.stats.contingency_tables import StratifiedTable
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.proportion import confint_proportions_2indep, proportions_ztest

A = [(0.1, 0, 0, 180), (0.1, 0, 1, 20), (0.4, 0, 0, 130), (0.4, 0, 1, 70), (0.6, 1, 0, 90), (0.6, 1, 1, 110), (0.9, 1, 0, 25), (0.9, 1, 1, 175)]
B = [(0.1, 0, 0, 100), (0.1, 0, 1, 40), (0.4, 0, 0, 90), (0.4, 0, 1, 70), (0.6, 1, 0, 95), (0.6, 1, 1, 85), (0.9, 1, 0, 40), (0.9, 1, 1, 80)]


def rows(cells):
    return np.array([(s, p, y) for s, p, y, n in cells for _ in range(n)]).T


def delong(s, y):
    x, z = s[y == 1], s[y == 0]
    psi = (x[:, None] > z[None, :]) + 0.5 * (x[:, None] == z[None, :])
    return psi.mean(), psi.mean(1).var(ddof=1) / len(x) + psi.mean(0).var(ddof=1) / len(z)


def tables(wrong):
    out = []
    for s in (0.1, 0.4, 0.6, 0.9):
        now = [wrong(b)[b[0] == s].sum() for b in (cur,)][0]
        then = wrong(ref)[ref[0] == s].sum()
        m, n = (cur[0] == s).sum(), (ref[0] == s).sum()
        out.append(np.array([[now, m - now], [then, n - then]], float))
    return out


ref, cur = rows(A), rows(B)
expect = []
p = {}
right = [(x[1] == x[2]) for x in (ref, cur)]
k = [int(r.sum()) for r in right]
n = [len(r) for r in right]
expect += [("accuracy", "reference", k[0] / n[0]), ("accuracy", "current", k[1] / n[1])]
low, high = confint_proportions_2indep(k[1], n[1], k[0], n[0], method="newcomb")
expect += [("accuracy", "interval.low", low), ("accuracy", "interval.high", high)]
p["accuracy"] = proportions_ztest(k, n)[1]
recalls = [[recall_score(x[2], x[1], pos_label=c) for x in (ref, cur)] for c in (0, 1)]
ps = []
for c in (0, 1):
    ks = [int(((x[1] == c) & (x[2] == c)).sum()) for x in (ref, cur)]
    ns = [int((x[2] == c).sum()) for x in (ref, cur)]
    ps.append(proportions_ztest(ks, ns)[1])
worst = int(np.argmax([r[0] - r[1] for r in recalls]))
expect += [("recall_worst_class", "reference", recalls[worst][0]), ("recall_worst_class", "current", recalls[worst][1])]
p["recall_worst_class"] = multipletests(ps, method="fdr_bh")[1][worst]
for name, value in (("brier", lambda x: brier_score_loss(x[2], x[0])), ("auc", lambda x: roc_auc_score(x[2], x[0]))):
    expect += [(name, "reference", value(ref)), (name, "current", value(cur))]
square = [(x[0] - x[2]) ** 2 for x in (ref, cur)]
error = np.sqrt(sum(s.var() / len(s) for s in square))
p["brier"] = 2 * st.norm.sf(abs(square[1].mean() - square[0].mean()) / error)
(a, va), (b, vb) = delong(ref[0], ref[2]), delong(cur[0], cur[2])
p["auc"] = 2 * st.norm.sf(abs(a - b) / np.sqrt(va + vb))
z = st.norm.isf(0.025)
expect += [("auc", "interval.low", b - a - z * np.sqrt(va + vb)), ("auc", "interval.high", b - a + z * np.sqrt(va + vb))]
wrong = tables(lambda x: x[1] != x[2])
p["accuracy_same_mix"] = StratifiedTable(wrong).test_null_odds(correction=False).pvalue
weight = [t[0].sum() * t[1].sum() / t.sum() for t in wrong]
change = sum(w * (t[0, 0] / t[0].sum() - t[1, 0] / t[1].sum()) for w, t in zip(weight, wrong)) / sum(weight)
expect += [("accuracy_same_mix", "current", k[0] / n[0] - change)]
yes = tables(lambda x: x[2] == 1)
p["calibration_error"] = st.chi2.sf(sum(st.chi2_contingency(t, correction=False)[0] * (t.sum() - 1) / t.sum() for t in yes), 4)
for side, x in (("reference", ref), ("current", cur)):
    ece = sum(abs(x[2][x[0] == s].mean() - s) * (x[0] == s).mean() for s in (0.1, 0.4, 0.6, 0.9))
    expect += [("calibration_error", side, ece)]
names = list(p)
for name, q in zip(names, multipletests([p[x] for x in names], method="fdr_bh")[1]):
    expect += [(name, "p", q)]
print("/* Made by tests/golden/drift/concept.py. */")
for name, member, value in expect:
    print(f'check_near(fact(&c, "{name}")->{member}, {float(value)!r}, 1e-9);')
