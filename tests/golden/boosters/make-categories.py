#!/usr/bin/env python3
"""Models that carry the names of their categories, rows with names, and what the trainers answer for them.

    python3 tests/golden/boosters/make-categories.py     (pandas 2.x or 3.x, xgboost 3.2, lightgbm 4.7; writes tests/golden/boosters/categories)

xgb.csv and lgb.csv are rows with names, some missing; lgb.csv also has names that the training has not seen, which XGBoost refuses (or
takes for a neighbour). NAME.expected is what the trainer predicts for these rows as pandas has them. XGBoost 3.2 writes names beyond ASCII wrongly:
xgb-beyond-ascii.json has such.
"""
import os
import shutil

import lightgbm as lgb
import numpy as np
import pandas as pd
import xgboost as xgb

OUT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "categories")
R = np.random.default_rng(11)
CITIES, GRADES = ["oslo", "bern", 'rome "x", lazio', "Kyjiv"], [30, 1, 7, 12]


def draw(n, cities, grades, missing):
    frame = pd.DataFrame({"city": R.choice(cities, n), "size": R.normal(size=n).round(3), "grade": R.choice(grades, n), "flag": R.choice([True, False], n)})
    frame["city"] = frame["city"].where(R.random(n) >= missing, None)
    return frame


def typed(frame):
    """As a user of pandas has it: columns of categories; of rows, the categories are those that occur."""
    out = frame.copy()
    for c in ("city", "grade"):
        out[c] = pd.Categorical(out[c])
    return out


def target(frame):
    effect = frame["city"].map({"oslo": 1, "bern": 3, "näs": -2}).fillna(0) + frame["grade"].map({30: 2, 7: -1}).fillna(0)
    return effect + frame["size"] * np.where(frame["flag"], 1, -1)


def write(name, got):
    with open(os.path.join(OUT, name + ".expected"), "w") as f:
        f.writelines(f"{float(v)!r}\n" for v in got)


shutil.rmtree(OUT, ignore_errors=True)
os.makedirs(OUT)
train, rows = draw(600, CITIES, GRADES, 0.05), draw(60, CITIES, GRADES, 0.1)
rows.to_csv(os.path.join(OUT, "xgb.csv"), index=False)
for name, one_hot in (("xgb-sets.json", 1), ("xgb-sets.ubj", 1), ("xgb-one-hot.json", 64)):
    model = xgb.XGBRegressor(n_estimators=8, max_depth=4, enable_categorical=True, max_cat_to_onehot=one_hot, tree_method="hist", n_jobs=1)
    model.fit(typed(train), target(train))
    model.save_model(os.path.join(OUT, name))
    write(name, model.predict(typed(rows)))
train, rows = draw(600, CITIES + ["näs"], GRADES, 0.05), draw(60, CITIES + ["näs", "paris", "Oslo"], GRADES + [8], 0.1)
rows.to_csv(os.path.join(OUT, "lgb.csv"), index=False)
model = xgb.XGBRegressor(n_estimators=2, max_depth=2, enable_categorical=True, n_jobs=1)
model.fit(typed(train), target(train))
model.save_model(os.path.join(OUT, "xgb-beyond-ascii.json"))
model = lgb.LGBMRegressor(n_estimators=8, verbose=-1, min_child_samples=5, min_data_per_group=5, cat_smooth=1, n_jobs=1)
model.fit(typed(train), target(train))
model.booster_.save_model(os.path.join(OUT, "lgb.txt"))
write("lgb.txt", model.predict(typed(rows)))
