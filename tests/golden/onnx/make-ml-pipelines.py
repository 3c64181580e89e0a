#!/usr/bin/env python3
"""Real pipelines of scikit-learn, XGBoost and LightGBM through the converters, in the onnx project's layout; outputs are the trainers' own.

    python3 tests/golden/onnx/make-ml-pipelines.py [FOLDER]   (needs scikit-learn, skl2onnx, xgboost, lightgbm, onnxmltools)
"""
import os
import shutil
import sys
import warnings

import lightgbm
import numpy as np
import xgboost
from onnxmltools.convert.lightgbm.operator_converters.LightGbm import convert_lightgbm
from onnxmltools.convert.xgboost.operator_converters.XGBoost import convert_xgboost
from skl2onnx import convert_sklearn, update_registered_converter
from skl2onnx.common.data_types import FloatTensorType, StringTensorType
from skl2onnx.common.shape_calculator import calculate_linear_classifier_output_shapes, calculate_linear_regressor_output_shapes
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import ColumnTransformer
from sklearn.datasets import make_classification, make_regression
from sklearn.ensemble import (AdaBoostClassifier, BaggingClassifier, ExtraTreesClassifier, ExtraTreesRegressor, GradientBoostingClassifier,
                              GradientBoostingRegressor, RandomForestClassifier, RandomForestRegressor, VotingClassifier)
from sklearn.impute import SimpleImputer
from sklearn.linear_model import ElasticNet, Lasso, LinearRegression, LogisticRegression, Ridge, SGDClassifier
from sklearn.naive_bayes import GaussianNB
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MaxAbsScaler, MinMaxScaler, Normalizer, OneHotEncoder, OrdinalEncoder, RobustScaler, StandardScaler
from sklearn.svm import SVC, SVR
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

import casefolder

warnings.filterwarnings("ignore")
HERE = os.path.dirname(os.path.abspath(__file__))
OUT = sys.argv[1] if len(sys.argv) > 1 else os.path.join(HERE, "pipelines")
F = np.float32
OPSET = {"": 18, "ai.onnx.ml": 3}
made, failed = 0, []

for model, name, shape, convert, options in (
        (xgboost.XGBClassifier, "XgboostXGBClassifier", calculate_linear_classifier_output_shapes, convert_xgboost, {"nocl": [True, False], "zipmap": [True, False, "columns"]}),
        (xgboost.XGBRegressor, "XgboostXGBRegressor", calculate_linear_regressor_output_shapes, convert_xgboost, {}),
        (lightgbm.LGBMClassifier, "LightGbmLGBMClassifier", calculate_linear_classifier_output_shapes, convert_lightgbm, {"nocl": [True, False], "zipmap": [True, False, "columns"]}),
        (lightgbm.LGBMRegressor, "LightGbmLGBMRegressor", calculate_linear_regressor_output_shapes, convert_lightgbm, {"split": None})):
    update_registered_converter(model, name, shape, convert, options=options)


def save(name, model, inputs, outputs):
    global made
    made += 1
    model.graph.doc_string = ""
    casefolder.save(os.path.join(OUT, name), model, inputs, outputs)


def pipeline(name, model, x, y, inputs=None, ports=None):
    try:
        model.fit(x, y)
        classifies = hasattr(model, "predict_proba")
        last = model.steps[-1][1] if hasattr(model, "steps") else model
        options = {id(last): {"zipmap": False}} if classifies else None
        sample = x[:20] if ports is None else x.iloc[:20]
        ports = ports or [("x", FloatTensorType([None, x.shape[1]]))]
        onx = convert_sklearn(model, initial_types=ports, options=options, target_opset=OPSET)
        labels = model.predict(sample)
        if labels.dtype.kind in "OU":
            outputs = [labels.astype(object)]
        else:
            outputs = [labels.astype(np.int64) if classifies or labels.dtype.kind == "i" else labels.astype(F).reshape(-1, 1)]
        if classifies:
            outputs.append(model.predict_proba(sample).astype(F))
        elif hasattr(model, "decision_function") and len(onx.graph.output) > 1:
            scores = model.decision_function(sample).astype(F)
            outputs.append(scores.reshape(len(scores), -1))
        for i, o in enumerate(onx.graph.output[:len(outputs)]):
            o.type.tensor_type.ClearField("shape")
        del onx.graph.output[len(outputs):]
        save(name, onx, inputs(sample) if inputs else [sample.astype(F)], outputs)
    except Exception as e:
        failed.append(f"{name}: {str(e)[:150]}")


shutil.rmtree(OUT, ignore_errors=True)
X, Y = make_classification(300, 8, n_informative=5, random_state=1)
X3, Y3 = make_classification(300, 8, n_informative=5, n_classes=3, random_state=2)
XR, YR = make_regression(300, 8, noise=5, random_state=1)
X, X3, XR = X.astype(F), X3.astype(F), XR.astype(F)
XN = X.copy()
XN[::7, 2] = np.nan
XN[3::5, 5] = np.nan
NAMES = np.array(["low", "mid", "high"])

small = dict(n_estimators=5, max_depth=3, random_state=0)
pipeline("logistic", make_pipeline(StandardScaler(), LogisticRegression()), X, Y)
pipeline("logistic-3", make_pipeline(MinMaxScaler(), LogisticRegression()), X3, Y3)
pipeline("logistic-text", make_pipeline(StandardScaler(), LogisticRegression()), X3, NAMES[Y3])
pipeline("sgd", make_pipeline(RobustScaler(), SGDClassifier(loss="log_loss", random_state=0)), X, Y)
pipeline("normalizer-logistic", make_pipeline(Normalizer(), LogisticRegression()), X, Y)
pipeline("tree", DecisionTreeClassifier(max_depth=4), X, Y)
pipeline("tree-3", DecisionTreeClassifier(max_depth=4), X3, Y3)
pipeline("tree-regressor", DecisionTreeRegressor(max_depth=4), XR, YR)
pipeline("forest", RandomForestClassifier(**small), X, Y)
pipeline("forest-3", RandomForestClassifier(**small), X3, Y3)
pipeline("forest-text", RandomForestClassifier(**small), X3, NAMES[Y3])
pipeline("forest-regressor", RandomForestRegressor(**small), XR, YR)
pipeline("extra", make_pipeline(StandardScaler(), ExtraTreesClassifier(**small)), X, Y)
pipeline("extra-regressor", ExtraTreesRegressor(**small), XR, YR)
pipeline("boosting", GradientBoostingClassifier(**small), X, Y)
pipeline("boosting-3", GradientBoostingClassifier(**small), X3, Y3)
pipeline("boosting-regressor", GradientBoostingRegressor(**small), XR, YR)
pipeline("ada", AdaBoostClassifier(n_estimators=4, random_state=0), X, Y)
pipeline("bagging", BaggingClassifier(DecisionTreeClassifier(max_depth=3), n_estimators=3, random_state=0), X, Y)
pipeline("voting", VotingClassifier([("a", LogisticRegression()), ("b", DecisionTreeClassifier(max_depth=3))], voting="soft", flatten_transform=False), X, Y)
pipeline("imputer-logistic", make_pipeline(SimpleImputer(), MaxAbsScaler(), LogisticRegression()), XN, Y)
pipeline("linear", LinearRegression(), XR, YR)
pipeline("ridge", make_pipeline(StandardScaler(), Ridge()), XR, YR)
pipeline("lasso", make_pipeline(StandardScaler(), Lasso()), XR, YR)
pipeline("elastic", ElasticNet(), XR, YR)
pipeline("svc", make_pipeline(StandardScaler(), SVC(probability=True, random_state=0)), X[:60], Y[:60])
pipeline("svc-3", make_pipeline(StandardScaler(), SVC(probability=True, random_state=0)), X3[:60], Y3[:60])
pipeline("svr", make_pipeline(StandardScaler(), SVR()), XR[:60], YR[:60])
pipeline("bayes", GaussianNB(), X, Y)
pipeline("mlp", make_pipeline(StandardScaler(), MLPClassifier((8,), max_iter=50, random_state=0)), X, Y)
pipeline("mlp-regressor", make_pipeline(StandardScaler(), MLPRegressor(hidden_layer_sizes=(8,), max_iter=50, random_state=0)), XR, YR)
pipeline("xgboost", xgboost.XGBClassifier(n_estimators=5, max_depth=3), XN, Y)
pipeline("xgboost-3", xgboost.XGBClassifier(n_estimators=4, max_depth=3), X3, Y3)
pipeline("xgboost-regressor", xgboost.XGBRegressor(n_estimators=5, max_depth=3), XR, YR)
pipeline("xgboost-scaled", make_pipeline(StandardScaler(), xgboost.XGBClassifier(n_estimators=5, max_depth=3)), X, Y)
pipeline("lightgbm", lightgbm.LGBMClassifier(n_estimators=5, num_leaves=7, verbose=-1), XN, Y)
pipeline("lightgbm-3", lightgbm.LGBMClassifier(n_estimators=4, num_leaves=7, verbose=-1), X3, Y3)
pipeline("lightgbm-regressor", lightgbm.LGBMRegressor(n_estimators=5, num_leaves=7, verbose=-1), XR, YR)
try:
    import pandas
    t = pandas.DataFrame({"a": X[:, 0], "b": XN[:, 2], "c": NAMES[np.arange(300) % 3], "d": NAMES[np.arange(300) // 7 % 3]})
    columns = ColumnTransformer([("n", make_pipeline(SimpleImputer(), StandardScaler()), ["a", "b"]), ("t", OneHotEncoder(handle_unknown="ignore"), ["c"]),
                                 ("o", OrdinalEncoder(), ["d"])])
    ports = [("a", FloatTensorType([None, 1])), ("b", FloatTensorType([None, 1])), ("c", StringTensorType([None, 1])), ("d", StringTensorType([None, 1]))]

    def inputs(s):
        return [s[[c]].to_numpy().astype(F if c in "ab" else object) for c in "abcd"]
    pipeline("columns-logistic", make_pipeline(columns, LogisticRegression()), t, Y, inputs, ports)
    pipeline("columns-forest", make_pipeline(columns, RandomForestClassifier(**small)), t, Y, inputs, ports)
except ImportError as e:
    failed.append(str(e))
print(f"{made} pipelines")
for line in failed:
    print("not converted", line)
