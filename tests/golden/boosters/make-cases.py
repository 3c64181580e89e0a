#!/usr/bin/env python3
"""Models of XGBoost and LightGBM with rows and what the trainers answer, for tests/unit/test_infer_booster.c.

    make-cases.py FOLDER          the committed cases (XGBoost 3.2, LightGBM 4.7)
    make-cases.py --old FOLDER    some of them by older trainers (XGBoost 1.7, LightGBM 3.3), named "old-..."
    make-cases.py --rounds FOLDER what some of the models that are there answer with other rounds
    make-cases.py --large FOLDER  larger models and more rows, to be compared once

NAME.FIRST-END.rows is what NAME answers with its rounds from FIRST on below END. A case is NAME.json, NAME.ubj or NAME.txt and NAME.rows: a line "features outputs results", then a line a row:
its features, the scores before the link, the predictions; numbers in C's hexadecimal form. Rows hold missing values, and numbers
at limits of the model and beside them.
"""
import json
import os
import re
import sys
import warnings

import lightgbm as lgb
import numpy as np
import xgboost as xgb

warnings.filterwarnings("ignore")
LARGE = "--large" in sys.argv
OLD = "--old" in sys.argv
FOLDER = sys.argv[-1]
N_TRAIN, N_ROWS, ROUNDS, DEPTH, LEAVES = (3000, 2000, 150, 7, 63) if LARGE else (400, 24, 4, 3, 7)
rng = np.random.default_rng(2026)
F = 6
CAT = [4, 5]  # columns of categories: 12 of them, and 70


def table(n, cats):
    x = rng.normal(size=(n, F))
    x[:, 2] = np.round(x[:, 2] * 2)
    x[:, 3] *= rng.random(n) < 0.5  # zeros
    if cats:
        x[:, 4] = rng.integers(0, 12, n)
        x[:, 5] = rng.integers(0, 70, n)
    return x


def score(x):
    return x[:, 0] * 2 + np.sin(x[:, 1] * 3) + x[:, 2] * (x[:, 3] > 0) + np.cos(x[:, 4] * 5) + (x[:, 5] % 3)


def holes(x, p=0.1):
    x = x.copy()
    x[rng.random(x.shape) < p] = np.nan
    return x


def odd_rows(limits, kind, cats):
    """Training-like rows, then such with limits of the model, their neighbours and other edges put in."""
    x = holes(table(N_ROWS, cats), 0.15)
    with np.errstate(all="ignore"):
        pool = [np.nan, 0.0, -0.0, 1e-35, -1e-35, 1e-36, 2e-35, 1e30, -1e30]
        for v in limits:
            pool += [v, np.nextafter(kind(v), kind(np.inf)), np.nextafter(kind(v), kind(-np.inf))]
    edge = [-1.0, -0.5, 0.5, 11.0, 12.0, 11.99, 69.0, 70.0, 1e6, 16777216.0, 3e9, np.nan, 2.7]
    for i in range(N_ROWS // 3, N_ROWS):
        for c in range(F):
            if cats and c in CAT:
                if rng.random() < 0.3:
                    x[i, c] = edge[rng.integers(len(edge))]
            elif rng.random() < 0.6:
                x[i, c] = pool[rng.integers(len(pool))]
    return x.astype(kind)


def write(name, x, margin, result):
    n = len(x)
    margin, result = np.asarray(margin).reshape(n, -1), np.asarray(result).reshape(n, -1)
    with open(f"{FOLDER}/{name}.rows", "w") as f:
        print(x.shape[1], margin.shape[1], result.shape[1], file=f)
        for row in zip(x, margin, result):
            print(*[("nan" if np.isnan(v) else short(float(v))) for part in row for v in part], file=f)


def short(v):
    return re.sub(r"\.?0*p", "p", v.hex())


# ---- XGBoost ----


def xgb_limits(path):
    return [float(m) for t in re.findall(r'"split_conditions":\[([^]]*)\]', open(path).read()) for m in t.split(",")][:200]


def xgb_case(name, params, label=None, cats=False, form="json", rounds=ROUNDS, old=None, **more):
    x = holes(table(N_TRAIN, cats)).astype(np.float32)
    s = score(np.nan_to_num(x))
    y = s if label is None else label(s)
    d = xgb.DMatrix(x, y, feature_types=["c" if cats and i in CAT else "q" for i in range(F)], enable_categorical=cats,
                    feature_names=more.pop("names", None))
    if "group" in more:
        d.set_group(more.pop("group"))
    if "bounds" in more:
        low, high = more.pop("bounds")(s)
        d.set_float_info("label_lower_bound", low)
        d.set_float_info("label_upper_bound", high)
    params = {"max_depth": DEPTH, "eta": 0.4, "seed": 1, "nthread": 1, "verbosity": 0, **params}
    if more.pop("early", False):
        xv = table(N_TRAIN, cats).astype(np.float32)
        more.update(evals=[(xgb.DMatrix(xv, rng.permutation(y)), "v")], early_stopping_rounds=3, verbose_eval=False)
    b = xgb.train(params, d, rounds, **more)
    path = f"{FOLDER}/{name}.{form}"
    b.save_model(f"{FOLDER}/{name}.json")
    limits = xgb_limits(f"{FOLDER}/{name}.json")
    b.save_model(path)
    if form != "json":
        os.remove(f"{FOLDER}/{name}.json")
    b = xgb.Booster(model_file=path)
    r = odd_rows(limits, np.float32, cats)
    if cats:  # the trainer refuses what is no category, but for missing ones
        for c in CAT:
            r[:, c] = np.where((r[:, c] >= 0) & (r[:, c] < 16777216), r[:, c], np.nan)
    q = xgb.DMatrix(r, feature_types=d.feature_types, feature_names=d.feature_names, enable_categorical=cats)
    end = (0, b.best_iteration + 1) if "best_iteration" in b.attributes() else (0, 0)
    write(name, r, b.predict(q, output_margin=True, iteration_range=end), b.predict(q, iteration_range=end))
    if old:
        doc = json.load(open(path))
        old(doc)
        json.dump(doc, open(path, "w"), separators=(",", ":"))


def up(s):
    return (s > 1).astype(float)


def three(s):
    return np.digitize(s, [0, 2]).astype(float)


def positive(s):
    return np.exp(s / 4)


def one_base(doc):
    """As before 3.1: one base score, no list; before 1.6: no index of rounds; truth values; no categories."""
    p = doc["learner"]["learner_model_param"]
    p["base_score"] = p["base_score"].strip("[]").split(",")[0]
    m = doc["learner"]["gradient_booster"]["model"]
    del m["cats"], m["iteration_indptr"], p["num_target"]
    doc["version"] = [1, 2, 0]
    for t in m["trees"]:
        t["default_left"] = [bool(v) for v in t["default_left"]]
        for k in [k for k in t if k.startswith("categories") or k == "split_type"]:
            del t[k]


def nodes_weights(doc):
    """Trees of several targets as before 3.1: base_weights of leaves, no leaf_weights."""
    for t in doc["learner"]["gradient_booster"]["model"]["trees"]:
        k = int(t["tree_param"]["size_leaf_vector"])
        for i, left in enumerate(t["left_children"]):
            if left == -1:
                leaf = t["right_children"][i]
                t["base_weights"][i * k:(i + 1) * k] = t["leaf_weights"][leaf * k:(leaf + 1) * k]
                t["right_children"][i] = -1
        del t["leaf_weights"]


def xgboost_cases():
    for o in ["reg:squarederror", "reg:absoluteerror", "reg:pseudohubererror", "rank:pairwise", "rank:ndcg", "rank:map"]:
        more = {"group": [N_TRAIN // 4] * 4, "label": up} if "rank" in o else {}
        xgb_case("xgb-" + o.replace(":", "-"), {"objective": o}, **more)
    for o in ["count:poisson", "reg:gamma", "reg:tweedie", "survival:cox", "reg:squaredlogerror"]:
        xgb_case("xgb-" + o.replace(":", "-"), {"objective": o}, label=positive)
    for o in ["binary:logistic", "binary:logitraw", "binary:hinge", "reg:logistic"]:
        xgb_case("xgb-" + o.replace(":", "-"), {"objective": o}, label=up)
    for o in ["multi:softprob", "multi:softmax"]:
        xgb_case("xgb-" + o.replace(":", "-"), {"objective": o, "num_class": 3}, label=three)
    xgb_case("xgb-survival-aft", {"objective": "survival:aft"}, bounds=lambda s: (positive(s), positive(s) * 2))
    xgb_case("xgb-quantiles", {"objective": "reg:quantileerror", "quantile_alpha": [0.1, 0.5, 0.9]})
    xgb_case("xgb-ubj", {"objective": "binary:logistic"}, label=up, form="ubj", names=list("abcdef"))
    xgb_case("xgb-names", {"objective": "reg:squarederror"}, names=["age", "h\u00f6he", "a b", "x\"y", "e", "f"])
    xgb_case("xgb-ubj-multi-cats", {"objective": "multi:softprob", "num_class": 3}, label=three, form="ubj", cats=True)
    xgb_case("xgb-cats", {"objective": "reg:squarederror", "max_cat_threshold": 64}, cats=True)
    xgb_case("xgb-cats-onehot", {"objective": "binary:logistic", "max_cat_to_onehot": 100}, label=up, cats=True)
    xgb_case("xgb-dart", {"booster": "dart", "objective": "reg:squarederror", "rate_drop": 0.4}, rounds=ROUNDS + 4)
    xgb_case("xgb-dart-multi", {"booster": "dart", "objective": "multi:softprob", "num_class": 3, "rate_drop": 0.5}, label=three)
    xgb_case("xgb-linear", {"booster": "gblinear", "objective": "reg:squarederror"})
    xgb_case("xgb-linear-multi", {"booster": "gblinear", "objective": "multi:softprob", "num_class": 3}, label=three)
    xgb_case("xgb-forest", {"objective": "binary:logistic", "num_parallel_tree": 3, "subsample": 0.5}, label=up, rounds=2)
    xgb_case("xgb-early", {"objective": "reg:squarederror", "eta": 1}, early=True, rounds=30)
    xgb_case("xgb-base", {"objective": "count:poisson", "base_score": 2.5}, label=positive)
    xgb_case("xgb-all-true", {"objective": "binary:logistic"}, label=lambda s: np.ones(len(s)))
    xgb_case("xgb-all-false", {"objective": "binary:logistic"}, label=lambda s: np.zeros(len(s)))
    xgb_case("xgb-all-zero", {"objective": "count:poisson"}, label=lambda s: np.zeros(len(s)))
    xgb_case("xgb-stump", {"objective": "reg:squarederror", "gamma": 1e9})
    xgb_case("xgb-old", {"objective": "binary:logistic"}, label=up, old=one_base)
    xgb_case("xgb-targets", {"objective": "reg:squarederror"}, label=lambda s: np.c_[s, -s, s * s])
    xgb_case("xgb-many-labels", {"objective": "binary:logistic"}, label=lambda s: np.c_[up(s), up(-s)])
    xgb_case("xgb-vector-leaves", {"objective": "reg:squarederror", "multi_strategy": "multi_output_tree"},
             label=lambda s: np.c_[s, -s, s * s])
    xgb_case("xgb-vector-leaves-ubj", {"objective": "reg:squarederror", "multi_strategy": "multi_output_tree"},
             label=lambda s: np.c_[s, -s], form="ubj")
    xgb_case("xgb-vector-leaves-old", {"objective": "reg:squarederror", "multi_strategy": "multi_output_tree"},
             label=lambda s: np.c_[s, -s], old=nodes_weights)


# ---- LightGBM ----


def lgb_case(name, params, label=None, cats=False, rounds=ROUNDS, **more):
    x = holes(table(N_TRAIN, cats))
    if more.pop("zeros", False):
        x = np.nan_to_num(x)
    s = score(np.nan_to_num(x))
    y = s if label is None else label(s)
    params = {"num_leaves": LEAVES, "verbose": -1, "seed": 1, "min_data_in_leaf": 5, "learning_rate": 0.3, "num_threads": 1,
              "deterministic": True, "cat_smooth": 1, "min_data_per_group": 5, **params}
    d = lgb.Dataset(x, y, categorical_feature=CAT if cats else [], group=more.pop("group", None))
    b = lgb.train(params, d, rounds)
    path = f"{FOLDER}/{name}.txt"
    b.save_model(path)
    if not LARGE:  # what the trainer's options were is long and not read
        text = open(path).read()
        open(path, "w").write(text[:text.index("\nfeature_importances:")] + "\n")
    b = lgb.Booster(model_file=path)
    limits = [float(v) for t in re.findall(r"threshold=(.*)", open(path).read()) for v in t.split()][:200]
    r = odd_rows(limits, np.float64, cats)
    write(name, r, b.predict(r, raw_score=True), b.predict(r))


def lightgbm_cases():
    for o in ["regression", "regression_l1", "huber", "fair", "quantile", "mape"]:
        lgb_case("lgb-" + o, {"objective": o})
    for o in ["poisson", "gamma", "tweedie"]:
        lgb_case("lgb-" + o, {"objective": o}, label=positive)
    for o in ["binary", "cross_entropy", "cross_entropy_lambda"]:
        lgb_case("lgb-" + o, {"objective": o}, label=up)
    for o in ["lambdarank", "rank_xendcg"]:
        lgb_case("lgb-" + o, {"objective": o}, label=lambda s: three(s).astype(int), group=[N_TRAIN // 4] * 4)
    for o in ["multiclass", "multiclassova"]:
        lgb_case("lgb-" + o, {"objective": o, "num_class": 3}, label=three)
    lgb_case("lgb-sigmoid", {"objective": "binary", "sigmoid": 2.5}, label=up)
    lgb_case("lgb-sqrt", {"objective": "regression", "reg_sqrt": True})
    lgb_case("lgb-rf", {"objective": "regression", "boosting": "rf", "bagging_freq": 1, "bagging_fraction": 0.6})
    lgb_case("lgb-rf-binary", {"objective": "binary", "boosting": "rf", "bagging_freq": 1, "bagging_fraction": 0.6}, label=up)
    lgb_case("lgb-dart", {"objective": "regression", "boosting": "dart", "drop_rate": 0.5}, rounds=ROUNDS + 4)
    lgb_case("lgb-cats", {"objective": "binary"}, label=up, cats=True)
    lgb_case("lgb-cats-multi", {"objective": "multiclass", "num_class": 3}, label=three, cats=True)
    lgb_case("lgb-cats-onehot", {"objective": "regression", "max_cat_to_onehot": 100}, cats=True)
    lgb_case("lgb-zero-missing", {"objective": "regression", "zero_as_missing": True})
    lgb_case("lgb-zero-missing-cats", {"objective": "regression", "zero_as_missing": True}, cats=True)
    lgb_case("lgb-no-missing", {"objective": "regression", "use_missing": False})
    lgb_case("lgb-no-holes", {"objective": "regression"}, zeros=True)
    lgb_case("lgb-linear", {"objective": "regression", "linear_tree": True})
    lgb_case("lgb-constant", {"objective": "regression", "min_gain_to_split": 1e12})
    lgb_case("lgb-none", {"objective": lambda p, d: (p - d.get_label(), np.ones(len(p)))})


def old_cases():
    xgb_case("old-xgb-squared", {"objective": "reg:squarederror"})
    xgb_case("old-xgb-logitraw", {"objective": "binary:logitraw", "base_score": 0.3}, label=up)
    xgb_case("old-xgb-dart", {"booster": "dart", "objective": "count:poisson", "rate_drop": 0.4}, label=positive, rounds=8)
    xgb_case("old-xgb-cats", {"objective": "multi:softprob", "num_class": 3, "tree_method": "hist"}, label=three, form="ubj",
             cats=True)
    xgb_case("old-xgb-linear", {"booster": "gblinear", "objective": "binary:logistic"}, label=up)
    lgb_case("old-lgb-cats", {"objective": "multiclass", "num_class": 3}, label=three, cats=True)
    lgb_case("old-lgb-linear", {"objective": "regression", "linear_tree": True})


def rounds_cases():
    """iteration_range of XGBoost, start_iteration and num_iteration of LightGBM."""
    for name, form, ranges in [("xgb-early", "json", [(0, 30), (1, 4)]), ("xgb-multi-softprob", "json", [(0, 2), (3, 4)]),
                               ("xgb-forest", "json", [(1, 2)]), ("xgb-dart", "json", [(2, 7)]), ("xgb-ubj", "ubj", [(1, 3)]),
                               ("xgb-vector-leaves", "json", [(1, 3)]), ("xgb-old", "json", [(0, 3)])]:
        b = xgb.Booster(model_file=f"{FOLDER}/{name}.{form}")
        x = rows_of(name).astype(np.float32)
        for first, end in ranges:
            end = min(end, b.num_boosted_rounds())
            d = xgb.DMatrix(x, feature_names=b.feature_names)
            write(f"{name}.{first}-{end}", x, *[b.predict(d, output_margin=m, iteration_range=(first, end)) for m in (True, False)])
    for name, ranges in [("lgb-multiclass", [(0, 2), (1, 3)]), ("lgb-rf", [(1, 3)]), ("lgb-binary", [(2, 4)]), ("lgb-linear", [(1, 2)])]:
        b = lgb.Booster(model_file=f"{FOLDER}/{name}.txt")
        x = rows_of(name)
        for first, end in ranges:
            write(f"{name}.{first}-{end}", x, *[b.predict(x, raw_score=m, start_iteration=first, num_iteration=end - first)
                                               for m in (True, False)])


def rows_of(name):
    lines = open(f"{FOLDER}/{name}.rows").read().splitlines()
    n = int(lines[0].split()[0])
    return np.array([[float.fromhex(v) for v in line.split()[:n]] for line in lines[1:]])


if OLD:
    old_cases()
elif "--rounds" in sys.argv:
    rounds_cases()
else:
    xgboost_cases()
    lightgbm_cases()
