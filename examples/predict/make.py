#!/usr/bin/env python3
"""Makes loans.onnx and sklearn.csv. Run once by the authors; the results are committed.

    pip install scikit-learn skl2onnx pandas && ./make.py

A pipeline as people build them: numbers imputed, codes as categories, a gradient-boosted classifier; an input for each
column. Its own predictions for ../credit/current.csv are recorded beside it. Data: see ../credit/README.md.
"""
import os

import numpy as np
import pandas as pd
from skl2onnx import convert_sklearn
from skl2onnx.common.data_types import FloatTensorType, StringTensorType
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import GradientBoostingClassifier
from sklearn.impute import SimpleImputer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder

HERE = os.path.dirname(os.path.abspath(__file__))
CREDIT = os.path.join(HERE, "..", "credit")
CODES = ["checking", "history", "savings", "employed", "property", "job"]
NUMBERS = ["months", "amount", "rate", "residence", "age", "credits", "liable"]


def load(name):
    table = pd.read_csv(os.path.join(CREDIT, name), dtype={c: str for c in CODES})
    table[NUMBERS] = table[NUMBERS].astype(np.float32)
    return table


reference, current = load("reference.csv"), load("current.csv")
model = make_pipeline(
    ColumnTransformer([("numbers", SimpleImputer(strategy="median"), NUMBERS),
                       ("codes", OneHotEncoder(handle_unknown="ignore"), CODES)]),
    GradientBoostingClassifier(max_depth=3, n_estimators=80, learning_rate=0.08, random_state=7))
model.fit(reference[NUMBERS + CODES], reference["bad"])
ports = [(c, FloatTensorType([None, 1])) for c in NUMBERS] + [(c, StringTensorType([None, 1])) for c in CODES]
onnx = convert_sklearn(model, initial_types=ports, options={id(model): {"zipmap": False}}, target_opset={"": 17, "ai.onnx.ml": 3})
onnx.graph.name = "loans"
with open(os.path.join(HERE, "loans.onnx"), "wb") as f:
    f.write(onnx.SerializeToString(deterministic=True))
proba = model.predict_proba(current[NUMBERS + CODES])
pd.DataFrame({"label": model.predict(current[NUMBERS + CODES]), "proba_0": proba[:, 0], "proba_1": proba[:, 1]}).to_csv(
    os.path.join(HERE, "sklearn.csv"), index=False, float_format="%.9g")
print("right:", float((model.predict(current[NUMBERS + CODES]) == current["bad"]).mean()))
