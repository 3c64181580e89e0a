#!/usr/bin/env python3
"""Cases of the ai.onnx.ml operators in the onnx project's layout; outputs are ONNX Runtime's.

    python3 tests/golden/onnx/make-ml-cases.py [FOLDER]   (needs onnx, onnxruntime, numpy; writes tests/golden/onnx/ml)

What ONNX Runtime refuses or leaves open is not recorded; those cases are listed at the end.
"""
import os
import shutil
import sys

import numpy as np
import onnx
import onnxruntime as ort
from onnx import TensorProto as T
from onnx import helper, numpy_helper

import casefolder

HERE = os.path.dirname(os.path.abspath(__file__))
OUT = sys.argv[1] if len(sys.argv) > 1 else os.path.join(HERE, "ml")
TYPES = {np.dtype("float32"): T.FLOAT, np.dtype("float64"): T.DOUBLE, np.dtype("int64"): T.INT64, np.dtype("int32"): T.INT32,
         np.dtype("O"): T.STRING, np.dtype("int16"): T.INT16}
F = np.float32
NAN, INF = float("nan"), float("inf")
refused, made = [], 0


def proto(v):
    if isinstance(v, list):
        s = onnx.SequenceProto(elem_type=onnx.SequenceProto.MAP)
        for m in v:
            s.map_values.append(map_proto(m))
        return s
    if isinstance(v, dict):
        return map_proto(v)
    return numpy_helper.from_array(v)


def map_proto(m):
    p = onnx.MapProto()
    keys = list(m)
    if isinstance(keys[0], str):
        p.key_type = T.STRING
        p.string_keys.extend(k.encode() for k in keys)
    else:
        p.key_type = T.INT64
        p.keys.extend(keys)
    p.values.elem_type = onnx.SequenceProto.TENSOR
    for v in m.values():
        p.values.tensor_values.append(numpy_helper.from_array(np.array(v, dtype=object if isinstance(v, str) else F)))
    return p


def map_type(m):
    k, v = next(iter(m.items()))
    value = helper.make_tensor_type_proto(T.STRING if isinstance(v, str) else T.FLOAT, [])
    return helper.make_map_type_proto(T.STRING if isinstance(k, str) else T.INT64, value)


def port(name, v):
    if isinstance(v, dict):
        return helper.make_value_info(name, map_type(v))
    return helper.make_tensor_value_info(name, TYPES[v.dtype], [None] * v.ndim)


def save(name, model, inputs, outputs):
    global made
    made += 1
    casefolder.save(os.path.join(OUT, name), model, inputs, outputs, proto)


def case(name, op, inputs, outputs=("y",), version=1, out_types=None, **attrs):
    node = helper.make_node(op, [f"x{i}" for i in range(len(inputs))], list(outputs), domain="ai.onnx.ml", **attrs)
    infos = [port(f"x{i}", v) for i, v in enumerate(inputs)]
    outs = out_types or [onnx.ValueInfoProto(name=o) for o in outputs]
    graph = helper.make_graph([node], "g", infos, outs)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("ai.onnx.ml", version), helper.make_opsetid("", 18)],
                              ir_version=9, producer_name="cases")
    try:
        session = ort.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"], sess_options=OPTIONS)
        got = session.run(None, {f"x{i}": v for i, v in enumerate(inputs)})
    except Exception as e:  # what ONNX Runtime refuses
        refused.append(name + ": " + str(e).replace("\n", " ")[-200:])
        return
    for info, v, o in zip(list(graph.output), got, session.get_outputs()):
        if isinstance(v, np.ndarray):
            info.CopyFrom(port(info.name, v))
        elif isinstance(v, list) and isinstance(v[0], dict) if v else False:
            info.CopyFrom(helper.make_value_info(info.name, helper.make_sequence_type_proto(map_type(v[0]))))
    model.graph.output[0].CopyFrom(graph.output[0])
    del model.graph.output[:]
    model.graph.output.extend(graph.output)
    save(name, model, inputs, got)


OPTIONS = ort.SessionOptions()
OPTIONS.log_severity_level = 4
OPTIONS.intra_op_num_threads = 1
RNG = np.random.default_rng(7)
shutil.rmtree(OUT, ignore_errors=True)
TABLE = np.array([[1, -2, 0], [0.5, 3, -1], [NAN, 2, 2], [0, -0.0, 0], [INF, -INF, 1]], dtype=F)


# ---- numbers ----

def scale():
    for t in (F, np.float64, np.int64, np.int32):
        x = np.array([[1, 2, 3], [-4, 5, 0], [7, 8, 9]], dtype=t)
        n = np.dtype(t).name
        case(f"scaler-{n}", "Scaler", [x], offset=[0.1, 0.2, 0.3], scale=[2.0, 0.5, 3.0])
        case(f"scaler-one-{n}", "Scaler", [x], offset=[0.1], scale=[2.0])
        for norm in ("MAX", "L1", "L2"):
            case(f"normalizer-{norm}-{n}", "Normalizer", [x], norm=norm)
        case(f"binarizer-{n}", "Binarizer", [x], threshold=2.5)
    case("scaler-odd", "Scaler", [TABLE], offset=[0.0, 1.0, 2.0], scale=[1.0, 0.0, -1.0])
    case("scaler-row", "Scaler", [TABLE[0]], offset=[0.0, 1.0, 2.0], scale=[1.0, 0.5, -1.0])
    case("scaler-none", "Scaler", [TABLE[:0]], offset=[0.0, 1.0, 2.0], scale=[1.0, 0.5, -1.0])
    for norm in ("MAX", "L1", "L2"):
        case(f"normalizer-{norm}-odd", "Normalizer", [TABLE], norm=norm)
        case(f"normalizer-{norm}-row", "Normalizer", [TABLE[1]], norm=norm)
        case(f"normalizer-{norm}-negative", "Normalizer", [-np.abs(TABLE[:2]) - 1], norm=norm)
    case("binarizer-odd", "Binarizer", [TABLE], threshold=0.0)
    case("imputer-nan", "Imputer", [TABLE], imputed_value_floats=[1.0, 2.0, 3.0], replaced_value_float=NAN)
    case("imputer-zero", "Imputer", [TABLE], imputed_value_floats=[9.0], replaced_value_float=0.0)
    case("imputer-row", "Imputer", [TABLE[2]], imputed_value_floats=[1.0, 2.0, 3.0], replaced_value_float=NAN)
    case("imputer-int64", "Imputer", [np.array([[1, -1], [-1, 4]], dtype=np.int64)], imputed_value_int64s=[5, 6], replaced_value_int64=-1)
    case("feature-vectorizer", "FeatureVectorizer", [TABLE, np.array([[1, 2]] * 5, dtype=F)], inputdimensions=[3, 2])
    case("feature-vectorizer-cut", "FeatureVectorizer", [TABLE, np.array([[1, 2]] * 5, dtype=F)], inputdimensions=[2, 4])
    case("feature-vectorizer-int64", "FeatureVectorizer", [np.array([[1, 2], [3, 4]], dtype=np.int64)], inputdimensions=[2])
    case("feature-vectorizer-row", "FeatureVectorizer", [TABLE[0], TABLE[1]], inputdimensions=[3, 3])
    at = np.array([2, 0, 2], dtype=np.int64)
    for t in (F, np.float64, np.int64, np.int32):
        case(f"array-feature-extractor-{np.dtype(t).name}", "ArrayFeatureExtractor", [np.arange(12, dtype=t).reshape(4, 3), at])
    case("array-feature-extractor-row", "ArrayFeatureExtractor", [TABLE[0], at])
    case("array-feature-extractor-cube", "ArrayFeatureExtractor", [np.arange(24, dtype=F).reshape(2, 3, 4), at])
    case("array-feature-extractor-text", "ArrayFeatureExtractor", [np.array([["a", "b", "c"]], dtype=object), at])
    case("array-feature-extractor-scalar", "ArrayFeatureExtractor", [TABLE, np.array([1], dtype=np.int64)])


# ---- categories ----

def encode():
    words = np.array([["b", "a"], ["", "zz"], ["c", "b"]], dtype=object)
    ints = np.array([[2, 0], [7, -1], [1, 2]], dtype=np.int64)
    floats = np.array([[1.5, NAN], [-0.0, 2], [INF, 7]], dtype=F)
    case("label-encoder-1-text", "LabelEncoder", [words], classes_strings=["a", "b", "c"], default_int64=-7)
    case("label-encoder-1-int", "LabelEncoder", [ints], classes_strings=["a", "b", "c"], default_string="none")
    case("label-encoder-1-usual", "LabelEncoder", [ints], classes_strings=["a", "b", "c"])
    case("label-encoder-1-twice", "LabelEncoder", [words], classes_strings=["a", "b", "a"])
    lists = {"strings": ["a", "b", "c"], "int64s": [0, 2, 1], "floats": [1.5, NAN, 0.0]}
    data = {"strings": words, "int64s": ints, "floats": floats}
    for version in (2, 4):
        for k in lists:
            for v in lists:
                case(f"label-encoder-{version}-{k}-{v}", "LabelEncoder", [data[k]], version=version,
                     **{f"keys_{k}": lists[k], f"values_{v}": lists[v]}, default_string="none", default_int64=-9, default_float=0.25)
        case(f"label-encoder-{version}-usual", "LabelEncoder", [words], version=version, keys_strings=["a"], values_floats=[1.0])
        case(f"label-encoder-{version}-twice", "LabelEncoder", [words], version=version, keys_strings=["a", "b", "a"], values_int64s=[1, 2, 3])
    for k, v in ((np.int64, np.float64), (np.float64, np.int64), (np.int32, F), (F, np.int16), (np.float64, np.float64)):
        keys, values = np.array([1, 2, 3], dtype=k), np.array([4, 5, 6], dtype=v)
        case(f"label-encoder-4-tensor-{np.dtype(k).name}-{np.dtype(v).name}", "LabelEncoder", [np.array([2, 9, 1], dtype=k)], version=4,
             keys_tensor=numpy_helper.from_array(keys), values_tensor=numpy_helper.from_array(values),
             default_tensor=numpy_helper.from_array(np.array([8], dtype=v)))
    case("label-encoder-4-tensor-nan", "LabelEncoder", [np.array([NAN, 2], dtype=np.float64)], version=4,
         keys_tensor=numpy_helper.from_array(np.array([NAN, 3.0])), values_tensor=numpy_helper.from_array(np.array([4.0, 5.0])),
         default_tensor=numpy_helper.from_array(np.array([8.0])))
    case("category-mapper-text", "CategoryMapper", [words], cats_strings=["a", "b", "c"], cats_int64s=[10, 20, 30])
    case("category-mapper-int", "CategoryMapper", [ints], cats_strings=["a", "b", "c"], cats_int64s=[0, 1, 2], default_string="?")
    case("category-mapper-twice", "CategoryMapper", [words], cats_strings=["a", "b", "a"], cats_int64s=[1, 2, 3])
    case("one-hot-text", "OneHotEncoder", [words], cats_strings=["a", "b", "c"])
    case("one-hot-int64", "OneHotEncoder", [ints], cats_int64s=[0, 1, 2])
    case("one-hot-row", "OneHotEncoder", [ints[0]], cats_int64s=[0, 1, 2])
    case("one-hot-strict", "OneHotEncoder", [ints[:1]], cats_int64s=[0, 1, 2], zeros=0)
    case("one-hot-twice", "OneHotEncoder", [ints[:1]], cats_int64s=[0, 2, 2])
    case("one-hot-float", "OneHotEncoder", [np.array([[0.9, 1.0], [2.7, -0.5]], dtype=F)], cats_int64s=[0, 1, 2])
    case("one-hot-float64", "OneHotEncoder", [np.array([[0.9, 1.0], [2.7, -1.5]])], cats_int64s=[0, 1, 2])
    case("one-hot-none", "OneHotEncoder", [ints[:0]], cats_int64s=[0, 1, 2])


# ---- maps ----

def maps():
    p = np.array([[0.25, 0.75], [1.0, 0.0]], dtype=F)
    case("zip-map-int", "ZipMap", [p], classlabels_int64s=[4, 2])
    case("zip-map-text", "ZipMap", [p], classlabels_strings=["no", "yes"])
    numbers, texts = {3: 1.5, 1: -2.0}, {2: "7", 0: "-3"}
    for form in ("DENSE", "SPARSE"):
        for to in ("TO_FLOAT", "TO_INT64", "TO_STRING"):
            case(f"cast-map-{form}-{to}-numbers", "CastMap", [numbers], cast_to=to, map_form=form, max_map=5)
            case(f"cast-map-{form}-{to}-texts", "CastMap", [texts], cast_to=to, map_form=form, max_map=2)
    case("dict-vectorizer-text", "DictVectorizer", [{"a": 1.0, "c": 2.0}], string_vocabulary=["c", "b", "a"])
    case("dict-vectorizer-int", "DictVectorizer", [{5: 1.0, 1: 2.0}], int64_vocabulary=[1, 2, 5])


# ---- linear ----

POSTS = ("NONE", "SOFTMAX", "LOGISTIC", "SOFTMAX_ZERO", "PROBIT")


def linear():
    x = np.array([[0.1, 0.2], [-0.3, 0.4], [0, 0], [0.5, -0.25]], dtype=F)
    three = dict(coefficients=[0.5, -1.0, 0.25, 0.75, -0.5, 0.5], intercepts=[0.1, 0.3, 0.2])
    for post in POSTS:
        case(f"linear-regressor-{post}", "LinearRegressor", [x], coefficients=[0.5, 0.75], intercepts=[0.3], post_transform=post)
        case(f"linear-regressor-3-{post}", "LinearRegressor", [x], targets=3, post_transform=post, **three)
        case(f"linear-classifier-3-{post}", "LinearClassifier", [x], ("l", "p"), classlabels_ints=[5, 3, 9], post_transform=post, **three)
        if post != "PROBIT":
            case(f"linear-classifier-one-row-{post}", "LinearClassifier", [x], ("l", "p"), coefficients=[1.0, 2.0], intercepts=[-0.2],
                 classlabels_strings=["no", "yes"], post_transform=post)
        case(f"linear-classifier-2-{post}", "LinearClassifier", [x], ("l", "p"), coefficients=[-1.0, -2.0, 1.0, 2.0], intercepts=[0.2, -0.2],
             classlabels_strings=["no", "yes"], post_transform=post)
        case(f"linear-classifier-1-{post}", "LinearClassifier", [x], ("l", "p"), coefficients=[1.0, 2.0], intercepts=[0.2],
             classlabels_ints=[4], post_transform=post)
    case("linear-regressor-bare", "LinearRegressor", [x], coefficients=[0.5, 0.75])
    case("linear-regressor-row", "LinearRegressor", [x[0]], coefficients=[0.5, 0.75], intercepts=[1.0])
    case("linear-regressor-none", "LinearRegressor", [x[:0]], coefficients=[0.5, 0.75], intercepts=[1.0])
    for t in (np.float64, np.int64, np.int32):
        case(f"linear-classifier-{np.dtype(t).name}", "LinearClassifier", [(x * 10).astype(t)], ("l", "p"), classlabels_ints=[5, 3, 9], **three)


# ---- support vectors ----

def svm():
    x = np.array([[0.1, 0.2, -1], [-0.3, 0.4, 0.5], [0, 0, 0], [1.5, -0.25, 2]], dtype=F)
    vectors = [float(v) for v in RNG.normal(size=15).round(2)]
    for kernel, params in (("LINEAR", [0.5, 0.1, 2.0]), ("POLY", [0.5, 0.1, 3.0]), ("RBF", [0.5, 0.0, 3.0]), ("SIGMOID", [0.5, 0.1, 3.0])):
        common = dict(kernel_type=kernel, kernel_params=params)
        for one in (0, 1):
            case(f"svm-regressor-{kernel}-{one}", "SVMRegressor", [x], n_supports=5, support_vectors=vectors, coefficients=[1.0, -0.5, 0.25, -1.0, 0.5],
                 rho=[0.2], one_class=one, **common)
        for n, per in ((2, [3, 2]), (3, [2, 2, 1]), (4, [1, 2, 1, 1])):
            pairs = n * (n - 1) // 2
            coefficients = [float(v) for v in RNG.normal(size=5 * (n - 1)).round(2)]
            for what, more in (("", {}), ("-p", dict(prob_a=[-1.5] * pairs, prob_b=[0.1] * pairs))):
                case(f"svm-classifier-{kernel}-{n}{what}", "SVMClassifier", [x], ("l", "p"), vectors_per_class=per, support_vectors=vectors,
                     coefficients=coefficients, rho=[0.1, -0.2, 0.3, 0.05, -0.1, 0.2][:pairs], classlabels_ints=[7, 3, 5, 1][:n], **common, **more)
    for post in POSTS:
        for n in (2, 3) if post != "PROBIT" else (3,):  # of two columns it would write one
            pairs = n * (n - 1) // 2
            case(f"svm-classifier-{n}-{post}", "SVMClassifier", [x], ("l", "p"), vectors_per_class=[3, 2] if n == 2 else [2, 2, 1], support_vectors=vectors,
                 coefficients=[0.5, 0.25, 1.0, -0.75, -0.5, 0.3, -0.2, 0.1, 0.4, -0.6][:5 * (n - 1)], rho=[0.1, 0.2, -0.1][:pairs],
                 classlabels_strings=["a", "b", "c"][:n], kernel_type="RBF", kernel_params=[0.5, 0.0, 3.0], post_transform=post)
        case(f"svm-linear-{post}", "SVMClassifier", [x], ("l", "p"), coefficients=[0.5, -1.0, 0.25, 0.75, -0.5, 0.5, 0.1, 0.2, 0.3], rho=[0.1, 0.2, 0.3],
             classlabels_ints=[7, 3, 5], kernel_type="LINEAR", kernel_params=[0.0, 0.0, 0.0], post_transform=post)
        case(f"svm-linear-2-{post}", "SVMClassifier", [x], ("l", "p"), coefficients=[0.5, -1.0, 0.25, 0.75, -0.5, 0.5], rho=[0.1],
             classlabels_ints=[7, 3], kernel_type="LINEAR", kernel_params=[0.0, 0.0, 0.0], post_transform=post)
    case("svm-classifier-positive", "SVMClassifier", [x], ("l", "p"), vectors_per_class=[3, 2], support_vectors=vectors, coefficients=[0.5] * 5, rho=[-0.6],
         classlabels_ints=[7, 3], kernel_type="RBF", kernel_params=[0.5, 0.0, 3.0])
    case("svm-regressor-linear", "SVMRegressor", [x], coefficients=[1.0, -0.5, 0.25], rho=[0.2], n_supports=0, kernel_type="LINEAR", kernel_params=[0.0, 0.0, 0.0])
    for t in (np.float64, np.int64, np.int32):
        case(f"svm-classifier-{np.dtype(t).name}", "SVMClassifier", [(x * 4).astype(t)], ("l", "p"), vectors_per_class=[3, 2], support_vectors=vectors,
             coefficients=[0.5, 0.25, 1.0, -0.75, -0.5], rho=[0.1], classlabels_ints=[7, 3], kernel_type="RBF", kernel_params=[0.05, 0.0, 3.0])


# ---- trees ----

def forest(modes, n_trees=2, depth=3, features=4, votes=1, targets=1, missing=None, positive=False, tensor=False, early=0.2):
    """Trees with few distinct thresholds, so that rows of the same numbers hit them; some leaves come early."""
    n = {k: [] for k in ("treeids", "nodeids", "featureids", "modes", "values", "truenodeids", "falsenodeids", "missing_value_tracks_true")}
    v = {k: [] for k in ("treeids", "nodeids", "ids", "weights")}
    grid = np.array([-1.5, -0.0, 0.0, 0.5, 1.0, 2.0])
    for t in range(n_trees):
        count = [0]

        def grow(level):
            me = count[0]
            count[0] += 1
            at = len(n["nodeids"])
            leaf = level == depth or (level > 0 and RNG.random() < early)
            for k, value in (("treeids", t), ("nodeids", me), ("featureids", 0 if leaf else int(RNG.integers(features))),
                             ("modes", "LEAF" if leaf else modes[int(RNG.integers(len(modes)))]),
                             ("values", 0.0 if leaf else float(RNG.choice(grid))), ("truenodeids", 0), ("falsenodeids", 0),
                             ("missing_value_tracks_true", int(RNG.integers(2)))):
                n[k].append(value)
            if leaf:
                for k in RNG.choice(targets, size=min(votes, targets), replace=False):
                    w = float(np.round(RNG.random() / n_trees if positive else RNG.normal(), 3))
                    for key, value in (("treeids", t), ("nodeids", me), ("ids", int(k)), ("weights", w)):
                        v[key].append(value)
            else:
                n["truenodeids"][at] = grow(level + 1)
                n["falsenodeids"][at] = grow(level + 1)
            return me

        grow(0)
    attrs = {f"nodes_{k}": x for k, x in n.items()}
    if not missing:
        del attrs["nodes_missing_value_tracks_true"]
    if tensor:
        attrs["nodes_values_as_tensor"] = numpy_helper.from_array(np.array(attrs.pop("nodes_values"), dtype=np.float64) + 1e-9)
    return attrs, v


def rows(n=24, features=4):
    x = RNG.choice(np.array([-1.5, -0.0, 0.0, 0.5, 1.0, 2.0, NAN, INF, -INF, 0.25]), size=(n, features)).astype(F)
    return x


MODES = ("BRANCH_LEQ", "BRANCH_LT", "BRANCH_GTE", "BRANCH_GT", "BRANCH_EQ", "BRANCH_NEQ")


def votes_of(v, prefix, tensor=False):
    a = {f"{prefix}_{k}": x for k, x in v.items()}
    if tensor:
        a[f"{prefix}_weights_as_tensor"] = numpy_helper.from_array(np.array(a.pop(f"{prefix}_weights"), dtype=np.float64))
    return a


def regressors():
    for mode in MODES + ("mixed",):
        for missing in (False, True):
            n, v = forest(MODES if mode == "mixed" else (mode,), missing=missing)
            case(f"trees-{mode}-{int(missing)}", "TreeEnsembleRegressor", [rows()], **n, **votes_of(v, "target"), n_targets=1)
    for aggregate in ("SUM", "AVERAGE", "MIN", "MAX"):
        for targets in (1, 3):
            for base in (0, targets):
                n, v = forest(MODES, votes=2, targets=targets)
                more = dict(base_values=[0.5, -0.25, 1.0][:base]) if base else {}
                case(f"trees-{aggregate}-{targets}-{base}", "TreeEnsembleRegressor", [rows(8)], **n, **votes_of(v, "target"), n_targets=targets,
                     aggregate_function=aggregate, **more)
    for post in POSTS:
        for targets in (1, 3):
            n, v = forest(MODES, targets=targets, votes=targets, positive=True)
            case(f"trees-{post}-{targets}", "TreeEnsembleRegressor", [rows(6)], **n, **votes_of(v, "target"), n_targets=targets, post_transform=post)
    for t in (np.float64, np.int64, np.int32):
        n, v = forest(MODES[:4])
        x = np.nan_to_num(rows(), posinf=3, neginf=-3).astype(t) if t != np.float64 else rows().astype(t)
        case(f"trees-{np.dtype(t).name}", "TreeEnsembleRegressor", [x], **n, **votes_of(v, "target"), n_targets=1)
    n, v = forest(MODES, tensor=True, missing=True, targets=2)
    x = rows().astype(np.float64)
    x[::2] += 1e-9
    case("trees-3-float64", "TreeEnsembleRegressor", [x], version=3, **n, **votes_of(v, "target", True), n_targets=2,
         base_values_as_tensor=numpy_helper.from_array(np.array([1e-9, 0.5])))
    n, v = forest(MODES, n_trees=11, depth=4)
    for r in (0, 1):
        case(f"trees-rows-{r}", "TreeEnsembleRegressor", [rows(r)], **n, **votes_of(v, "target"), n_targets=1)
    case("trees-row", "TreeEnsembleRegressor", [rows(1)[0]], **n, **votes_of(v, "target"), n_targets=1)
    case("trees-many", "TreeEnsembleRegressor", [rows(100)], **n, **votes_of(v, "target"), n_targets=1)
    n, v = forest(("BRANCH_LEQ",), n_trees=9, depth=14, features=6, early=0.42)
    case("trees-deep", "TreeEnsembleRegressor", [rows(20, 6)], **n, **votes_of(v, "target"), n_targets=1)
    one = dict(nodes_treeids=[0], nodes_nodeids=[0], nodes_featureids=[0], nodes_modes=["LEAF"], nodes_values=[0.0], nodes_truenodeids=[0], nodes_falsenodeids=[0])
    case("trees-leaf", "TreeEnsembleRegressor", [rows(3)], **one, target_treeids=[0], target_nodeids=[0], target_ids=[0], target_weights=[2.5], n_targets=1)


def classifiers():
    for post in POSTS:
        for classes in (1, 2, 3):
            for positive in (False, True):
                for votes in (1, 3) if classes > 1 else (1,):
                    one = classes == 2 and votes == 1
                    if one and post == "PROBIT":
                        continue  # ONNX Runtime leaves the second column as it finds it
                    n, v = forest(MODES, targets=1 if one else classes, votes=votes, positive=positive, missing=True)
                    texts = votes == 1 and classes > 1
                    labels = dict(classlabels_strings=["x", "y", "z"][:classes]) if texts else dict(classlabels_int64s=[7, 3, 5][:classes])
                    for base in sorted({0, 1 if classes == 2 else 0, classes}) if post in ("NONE", "LOGISTIC") and classes > 1 else (0,):
                        more = dict(base_values=[0.5, -0.25, 0.125][:base]) if base else {}
                        case(f"classes-{post}-{classes}-{'pos' if positive else 'mix'}-{votes}-{base}", "TreeEnsembleClassifier", [rows(6)], ("l", "p"), **n,
                             **votes_of(v, "class"), post_transform=post, **labels, **more)
    for t in (np.float64, np.int64, np.int32):
        n, v = forest(MODES[:4], targets=3)
        x = np.nan_to_num(rows(), posinf=3, neginf=-3).astype(t) if t != np.float64 else rows().astype(t)
        case(f"classes-{np.dtype(t).name}", "TreeEnsembleClassifier", [x], ("l", "p"), **n, **votes_of(v, "class"), classlabels_int64s=[7, 3, 5])
    n, v = forest(MODES, targets=3, tensor=True)
    case("classes-3-float64", "TreeEnsembleClassifier", [rows().astype(np.float64)], ("l", "p"), version=3, **n, **votes_of(v, "class", True), classlabels_int64s=[7, 3, 5])
    n, v = forest(MODES, targets=3)
    case("classes-none", "TreeEnsembleClassifier", [rows(0)], ("l", "p"), **n, **votes_of(v, "class"), classlabels_int64s=[7, 3, 5])
    v["ids"] = [1] * len(v["ids"])
    case("classes-second-only", "TreeEnsembleClassifier", [rows()], ("l", "p"), **n, **votes_of(v, "class"), classlabels_int64s=[7, 3])


def wide(t=F, modes=range(7), targets=2, missing=True, **more):
    """TreeEnsemble 5: two trees by hand-made tables."""
    k = 12
    modes = [int(RNG.choice(list(modes))) for _ in range(k)]
    sets = [v for m in modes if m == 6 for v in (1.0, 2.0, 5.0, NAN)]  # ONNX Runtime takes whole ones only
    grid = [-1.5, 0.0, 0.5, 1.0, 2.0]
    attrs = dict(nodes_featureids=[int(v) for v in RNG.integers(4, size=k)], nodes_modes=numpy_helper.from_array(np.array(modes, dtype=np.uint8)),
                 nodes_splits=numpy_helper.from_array(RNG.choice(grid, size=k).astype(t)), tree_roots=[0, 6])
    yes, no, yl, nl, leaf = [], [], [], [], 0
    for i in range(k):  # each half: node i has children i+1 (or a leaf) and a leaf
        last = i % 6 == 5
        yes.append(leaf if last else i + 1)
        yl.append(int(last))
        leaf += last
        no.append(leaf)
        nl.append(1)
        leaf += 1
    attrs.update(nodes_truenodeids=yes, nodes_falsenodeids=no, nodes_trueleafs=yl, nodes_falseleafs=nl, n_targets=targets,
                 leaf_targetids=[int(v) for v in RNG.integers(targets, size=leaf)], leaf_weights=numpy_helper.from_array(RNG.normal(size=leaf).round(3).astype(t)))
    if sets:
        attrs["membership_values"] = numpy_helper.from_array(np.array(sets, dtype=t))
    if missing:
        attrs["nodes_missing_value_tracks_true"] = [int(v) for v in RNG.integers(2, size=k)]
    attrs.update(more)
    return attrs


def half(v):
    """Floats in an array or attribute rounded to float16; what is not of floats stays."""
    a = numpy_helper.to_array(v) if isinstance(v, onnx.TensorProto) else v
    if not isinstance(a, np.ndarray) or a.dtype != F:
        return v
    return numpy_helper.from_array(a.astype(np.float16), v.name) if isinstance(v, onnx.TensorProto) else a.astype(np.float16)


def wide_half():
    """ONNX Runtime has no trees of float16: it runs the same numbers as floats, and its sums are rounded once."""
    attrs = {k: numpy_helper.from_array(numpy_helper.to_array(half(v)).astype(F)) if half(v) is not v else v for k, v in wide().items()}
    x = rows().astype(np.float16).astype(F)
    case("wide-float16", "TreeEnsemble", [x], version=5, **attrs)
    folder = os.path.join(OUT, "wide-float16")
    model = onnx.load(os.path.join(folder, "model.onnx"))
    for a in model.graph.node[0].attribute:
        if a.type == onnx.AttributeProto.TENSOR:
            a.t.CopyFrom(half(a.t))
    for p in list(model.graph.input) + list(model.graph.output):
        p.type.tensor_type.elem_type = T.FLOAT16
    onnx.save(model, os.path.join(folder, "model.onnx"))
    for name in ("input_0", "output_0"):
        file = os.path.join(folder, "test_data_set_0", name + ".pb")
        with open(file, "rb") as f:
            v = onnx.TensorProto.FromString(f.read())
        with open(file, "wb") as f:
            f.write(half(v).SerializeToString())


def wides():
    for m in range(7):
        for missing in (False, True):
            case(f"wide-{m}-{int(missing)}", "TreeEnsemble", [rows()], version=5, **wide(modes=[m], missing=missing))
    for a in range(4):
        for targets in (1, 3):
            case(f"wide-aggregate-{a}-{targets}", "TreeEnsemble", [rows(8)], version=5, **wide(targets=targets, aggregate_function=a))
    for p in range(5):
        case(f"wide-post-{p}", "TreeEnsemble", [rows(8)], version=5, **wide(targets=3, post_transform=p))
    case("wide-float64", "TreeEnsemble", [rows().astype(np.float64)], version=5, **wide(np.float64))
    case("wide-none", "TreeEnsemble", [rows(0)], version=5, **wide())
    case("wide-leaf", "TreeEnsemble", [rows(3)], version=5, nodes_featureids=[0], nodes_modes=numpy_helper.from_array(np.array([0], dtype=np.uint8)),
         nodes_splits=numpy_helper.from_array(np.array([0], dtype=F)), tree_roots=[0], nodes_truenodeids=[0], nodes_falsenodeids=[0], nodes_trueleafs=[1],
         nodes_falseleafs=[1], n_targets=1, leaf_targetids=[0], leaf_weights=numpy_helper.from_array(np.array([2.5], dtype=F)))
    wide_half()


for family in (scale, encode, maps, linear, svm, regressors, classifiers, wides):
    family()
print(f"{made} cases")
for line in refused:
    print("refused", line)
