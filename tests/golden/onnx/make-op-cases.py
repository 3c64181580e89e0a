#!/usr/bin/env python3
"""Random cases of operators in the onnx project's layout; outputs are ONNX Runtime's.

    python3 tests/golden/onnx/make-op-cases.py [FOLDER [N]]   (needs onnx, onnxruntime, numpy; writes tests/golden/onnx/ops and
                                                               tests/fuzz/corpus/model/op-*)

N random cases of each kind (3 are committed; more are worth a run after a change). What ONNX Runtime refuses is not recorded but counted.
"""
import os
import shutil
import sys
import zlib

import numpy as np
import onnx
import onnxruntime as ort
from onnx import helper, numpy_helper

import casefolder

HERE = os.path.dirname(os.path.abspath(__file__))
OUT = sys.argv[1] if len(sys.argv) > 1 else os.path.join(HERE, "ops")
N = int(sys.argv[2]) if len(sys.argv) > 2 else 3
F, I = np.float32, np.int64
MS = "com.microsoft"
OPTIONS = ort.SessionOptions()
OPTIONS.log_severity_level = 4
ort.set_default_logger_severity(4)
OPTIONS.intra_op_num_threads = 1
refused, made, KINDS = {}, 0, []


def port(name, v):
    return helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(v.dtype), [None] * v.ndim)


def run(name, op, inputs, n_out=1, domain="", opset=21, constant=(), **attrs):
    """inputs: arrays, None where one is not given; constant: numbers of those that are weights of the model."""
    global made
    names = ["" if v is None else f"x{i}" for i, v in enumerate(inputs)]
    node = helper.make_node(op, names, [f"y{i}" for i in range(n_out)], domain=domain, **attrs)
    ports = [(n, v) for i, (n, v) in enumerate(zip(names, inputs)) if n and i not in constant]
    weights = [numpy_helper.from_array(inputs[i], f"x{i}") for i in constant if inputs[i] is not None]
    graph = helper.make_graph([node], "g", [port(n, v) for n, v in ports], [onnx.ValueInfoProto(name=f"y{i}") for i in range(n_out)], weights)
    imports = [helper.make_opsetid("", opset)] + ([helper.make_opsetid(domain, 1)] if domain else [])
    model = helper.make_model(graph, opset_imports=imports, ir_version=9, producer_name="cases")
    try:
        session = ort.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"], sess_options=OPTIONS)
        got = session.run(None, dict(ports))
    except Exception as e:  # what ONNX Runtime refuses
        refused.setdefault(op, []).append(str(e).replace("\n", " ")[-150:])
        return
    del model.graph.output[:]
    model.graph.output.extend(port(f"y{i}", v) for i, v in enumerate(got))
    casefolder.save(os.path.join(OUT, name), model, [v for _, v in ports], got)
    made += 1


def kind(fn):
    KINDS.append(fn)
    return fn


def normal(r, *shape):
    return r.normal(size=shape).astype(F)


# ---- resampling ----

@kind
def resize(r, name):
    rank, mode = int(r.integers(1, 3)), str(r.choice(["nearest", "linear", "cubic"]))
    rank = 2 if mode == "cubic" else rank
    shape = [1, 1] + [int(v) for v in r.integers(1, 9, size=rank)]
    attrs = dict(mode=mode, coordinate_transformation_mode=str(r.choice(["half_pixel", "half_pixel_symmetric", "pytorch_half_pixel", "align_corners", "asymmetric"])))
    if mode == "nearest":
        attrs["nearest_mode"] = str(r.choice(["round_prefer_floor", "round_prefer_ceil", "floor", "ceil"]))
    if mode == "cubic":
        attrs.update(cubic_coeff_a=float(r.choice([-0.75, -0.5])), exclude_outside=int(r.integers(2)))
    x = normal(r, *shape)
    # with scales, align_corners is ONNX's here, not ONNX Runtime's (docs/onnx.md)
    if r.integers(2) and attrs["coordinate_transformation_mode"] != "align_corners":
        run(name, "Resize", [x, None, np.array([1, 1] + [float(v) for v in r.choice([0.4, 0.5, 0.75, 1.0, 1.5, 2.0, 2.6], size=rank)], dtype=F)], **attrs)
    else:
        run(name, "Resize", [x, None, None, np.array([1, 1] + [int(v) for v in r.integers(1, 12, size=rank)], dtype=I)], constant=(3,), **attrs)


@kind
def resize_antialias(r, name):
    x = normal(r, 1, 1, int(r.integers(4, 10)), int(r.integers(4, 10)))
    run(name, "Resize", [x, None, None, np.array([1, 1, *r.integers(2, 8, size=2)], dtype=I)], constant=(3,), mode=str(r.choice(["linear", "cubic"])), antialias=1,
        coordinate_transformation_mode=str(r.choice(["half_pixel", "pytorch_half_pixel"])), exclude_outside=int(r.integers(2)))


@kind
def resize_crop(r, name):
    start = r.random(size=2) * 0.4
    roi = np.array([0, 0, *start, 1, 1, *(start + r.random(size=2))], dtype=F)
    sizes = np.array([1, 1, *r.choice([1, 2, 3, 4, 7, 8], size=2)], dtype=I)  # not the input's: ONNX Runtime does not crop then
    run(name, "Resize", [normal(r, 1, 1, 5, 6), roi, None, sizes], constant=(1, 3), mode=str(r.choice(["nearest", "linear", "cubic"])),
        coordinate_transformation_mode="tf_crop_and_resize", extrapolation_value=float(r.choice([0.0, 7.5])))


@kind
def resize_whole(r, name):
    x = r.integers(-100, 100, size=(1, 1, 4, 5)).astype(r.choice([np.int8, np.int32]))
    run(name, "Resize", [x, None, None, np.array([1, 1, *r.integers(2, 9, size=2)], dtype=I)], constant=(3,), mode="nearest")


@kind
def resize_axes(r, name):
    x = normal(r, 2, 5, 4)
    run(name, "Resize", [x, None, None, np.array(r.integers(2, 9, size=2), dtype=I)], constant=(3,), mode="linear", axes=[2, 1],
        keep_aspect_ratio_policy=str(r.choice(["stretch", "not_larger", "not_smaller"])))


@kind
def upsample(r, name):
    run(name, "Upsample", [normal(r, 1, 1, 3, 4), np.array([1, 1, *r.choice([1.0, 1.5, 2.0, 3.0], size=2)], dtype=F)], opset=9, mode=str(r.choice(["nearest", "linear"])))


@kind
def resize_10(r, name):
    run(name, "Resize", [normal(r, 1, 1, 5, 4), np.array([1, 1, *r.choice([0.5, 0.6, 1.5, 2.0], size=2)], dtype=F)], opset=10, mode=str(r.choice(["nearest", "linear"])))


@kind
def grid_sample(r, name):
    deep = bool(r.integers(2))
    mode = str(r.choice(["nearest", "linear"] if deep else ["nearest", "linear", "cubic"]))
    x = normal(r, 2, 2, *([3, 4, 5] if deep else [4, 5]))
    grid = (r.random(size=(2, *([2, 3, 2, 3] if deep else [3, 4, 2]))) * 3 - 1.5).astype(F)
    run(name, "GridSample", [x, grid], opset=20, mode=mode, padding_mode=str(r.choice(["zeros", "border", "reflection"])), align_corners=int(r.integers(2)))


@kind
def affine_grid(r, name):
    deep = int(r.integers(2))
    run(name, "AffineGrid", [normal(r, 2, 2 + deep, 3 + deep), np.array([2, 1] + [3, 4, 5][:2 + deep], dtype=I)], opset=20, align_corners=int(r.integers(2)))


@kind
def roi_align(r, name):
    corners = r.random(size=(3, 2)) * 6
    rois = np.concatenate([corners, corners + r.random(size=(3, 2)) * 8], axis=1).astype(F)
    run(name, "RoiAlign", [normal(r, 2, 2, 7, 8), rois, np.array([0, 1, 0], dtype=I)], opset=int(r.choice([10, 16])), mode=str(r.choice(["avg", "max"])), output_height=2, output_width=3,
        sampling_ratio=int(r.integers(0, 3)), spatial_scale=float(r.choice([1.0, 0.5])))


@kind
def deform_conv(r, name):
    groups, shifts = int(r.integers(1, 3)), int(r.integers(1, 3))
    run(name, "DeformConv", [normal(r, 2, 4, 5, 6), normal(r, 4, 4 // groups, 2, 2), normal(r, 2, shifts * 8, 4, 5), normal(r, 4), r.random(size=(2, shifts * 4, 4, 5)).astype(F)], opset=19,
        group=groups, offset_group=shifts, kernel_shape=[2, 2])


# ---- losses ----

@kind
def likelihood(r, name):
    shape = [3, 4, 2, 2][:int(r.integers(2, 5))]
    more = dict(ignore_index=1) if r.integers(2) else {}
    run(name, "NegativeLogLikelihoodLoss", [normal(r, *shape), r.integers(0, 4, size=[shape[0], *shape[2:]]).astype(I), r.random(size=4).astype(F) if r.integers(2) else None],
        opset=13, reduction=str(r.choice(["none", "sum", "mean"])), **more)


@kind
def cross_entropy(r, name):
    shape = [3, 4, 2, 2][:int(r.integers(2, 5))]
    more = dict(ignore_index=1) if r.integers(2) else {}
    run(name, "SoftmaxCrossEntropyLoss", [normal(r, *shape) * 20, r.integers(0, 4, size=[shape[0], *shape[2:]]).astype(I), r.random(size=4).astype(F) if r.integers(2) else None],
        n_out=2, opset=13, reduction=str(r.choice(["none", "sum", "mean"])), **more)


# ---- texts ----

WORDS = ["the", "Cat", "sat", "", "on", "The", "mat", "ÄPFEL", "straße", "a b", " lead", "x,y,,z", "Ωmega"]


def words(r, *shape):
    return r.choice(np.array(WORDS, dtype=object), size=shape)


@kind
def string_concat(r, name):
    run(name, "StringConcat", [words(r, 2, 3), words(r, 3)], opset=20)


@kind
def string_split(r, name):
    more = dict(delimiter=str(r.choice([",", "a", "t"]))) if r.integers(2) else {}
    if r.integers(2):
        more["maxsplit"] = int(r.integers(1, 3))
    run(name, "StringSplit", [words(r, 4)], n_out=2, opset=20, **more)


@kind
def string_normalizer(r, name):
    run(name, "StringNormalizer", [words(r, 6)], opset=10, case_change_action=str(r.choice(["LOWER", "UPPER", "NONE"])), is_case_sensitive=int(r.integers(2)), locale="C.UTF-8",
        **(dict(stopwords=["the", "Cat"]) if r.integers(2) else {}))


@kind
def regex_full_match(r, name):
    texts = np.array(["", "a", "The cat", "sat\v", "A", "é", "ΛΛ", "12-ab", "a{,2}", "k\n", "\u212a", "x.y@gmail.com"], dtype=object).reshape(3, 4)
    patterns = [r"\s|[^\s]*", r"(?i:[a-z]+)|\p{Greek}+", r"a{,2}|(?m)k$\n^", r"(?P<who>[\w.]+)@(gmail|yahoo)\.com|[[:alpha:]]*", r"(?U)\d+?-\w{1,2}|(?s:.)", r"(\W|^)*\PL\S*", r"(?i)K"]
    run(name, "RegexFullMatch", [texts], opset=20, pattern=str(r.choice(patterns)))


@kind
def tfidf(r, name):
    text = bool(r.integers(2))
    pool = dict(pool_strings=["the", "Cat", "sat", "the", "Cat", "sat", "on"]) if text else dict(pool_int64s=[1, 2, 3, 1, 2, 3, 4])
    x = words(r, 2, 8) if text else r.integers(1, 5, size=(2, 8)).astype(I)
    more = dict(weights=[0.5, 1.5, 2.0, 0.25, 3.0]) if r.integers(2) else {}
    run(name, "TfIdfVectorizer", [x], opset=9, mode=str(r.choice(["TF", "IDF", "TFIDF"])), min_gram_length=int(r.integers(1, 3)), max_gram_length=2,
        max_skip_count=int(r.integers(0, 4)), ngram_counts=[0, 3], ngram_indexes=[4, 1, 0, 2, 3], **pool, **more)


@kind
def quantize_linear(r, name):
    shape, form = [int(v) for v in r.integers(2, 40, size=3)], int(r.integers(3))
    axis, block = int(r.integers(3)), int(r.integers(2, 9))
    t = np.int8 if r.integers(2) else np.uint8
    scales = [[], [shape[axis]], [-(-n // block) if i == axis else n for i, n in enumerate(shape)]][form]
    scale = np.asarray(r.uniform(0.01, 0.1, size=scales), F)
    zero = np.asarray(r.integers(np.iinfo(t).min, np.iinfo(t).max + 1, size=scales)).astype(t)
    x = (3 * r.normal(size=shape)).astype(F)
    x.flat[:4] = [1e4, -1e4, 0.05, -0.0]
    run(name, "QuantizeLinear", [x, scale, zero], axis=axis, **(dict(block_size=block) if form == 2 else {}))


@kind
def cast_to_text(r, name):
    x = np.array([0.1, 1 / 3, 1e10, -0.0, 123456789, 1e-7, 65504, np.nan, np.inf, -np.inf, *r.normal(size=4)])
    run(name, "Cast", [x.astype(r.choice([np.float64, F])) if r.integers(4) else x[:2] > 0.2], to=8)


@kind
def cast_from_text(r, name):
    to = int(r.choice([1, 7, 11]))
    run(name, "Cast", [np.array(["9223372036854775807", "-12", " 7"] + ([] if to == 7 else ["1.5", "1e3", "-INF", "NaN"]), dtype=object)], to=to)


# ---- signals and algebra ----

@kind
def dft(r, name):
    inverse = int(r.integers(2))
    onesided = 0 if inverse else int(r.integers(2))
    x = r.normal(size=(2, int(r.integers(1, 20)), 1 if onesided or r.integers(2) else 2))
    length = [np.array(int(r.integers(1, 24)), dtype=I)] if r.integers(2) else [None]
    run(name, "DFT", [x, *length, np.array(1, dtype=I)], opset=20, inverse=inverse, onesided=onesided)


@kind
def stft(r, name):
    frame = int(r.choice([4, 6, 7]))
    run(name, "STFT", [r.normal(size=(2, 20, 1)), np.array(int(r.integers(1, 5)), dtype=I), r.random(size=frame) if r.integers(2) else None, np.array(frame, dtype=I)],
        opset=17, onesided=int(r.integers(2)))


@kind
def mel(r, name):
    run(name, "MelWeightMatrix", [np.array(v, dtype=t) for v, t in ((int(r.integers(3, 9)), I), (int(r.choice([16, 64, 100])), I), (8000, I), (float(r.choice([0, 60])), F), (4000.0, F))], opset=17)


@kind
def einsum(r, name):
    a, b, c = normal(r, 2, 3, 4), normal(r, 4, 5), normal(r, 3)
    forms = [("ijk,kl->ijl", [a, b]), ("ijk->kij", [a]), ("ijk,kl", [a, b]), ("...k,kl->l...", [a, b]), ("ijk,kl,j->li", [a, b, c]), ("i...->...", [a]),
             ("bij,bij->b", [a, a]), ("ii->i", [normal(r, 3, 3)]), ("ii", [normal(r, 3, 3)]), ("i,j->ij", [c, c]), ("ijk,j->", [a, c]), ("b i j , b k j -> b i k", [a, normal(r, 2, 5, 4)])]
    equation, x = forms[int(r.integers(len(forms)))]
    run(name, "Einsum", x, opset=12, equation=equation)


@kind
def det(r, name):
    n = int(r.integers(1, 5))
    run(name, "Det", [normal(r, 2, n, n)], opset=11)


@kind
def unique(r, name):
    x = r.integers(0, 3, size=(4, 3)).astype(r.choice([F, I, np.int8]))
    more = dict(axis=int(r.integers(-2, 2))) if r.integers(2) else {}
    run(name, "Unique", [x], n_out=4, opset=11, sorted=int(r.integers(2)), **more)


@kind
def suppression(r, name):
    boxes = r.random(size=(2, 12, 4)).astype(F)
    run(name, "NonMaxSuppression", [boxes, r.random(size=(2, 2, 12)).astype(F).round(1), np.array([int(r.integers(1, 6))], dtype=I), np.array([r.random()], dtype=F)] +
        ([np.array([0.4], dtype=F)] if r.integers(2) else []), opset=11, center_point_box=int(r.integers(2)))


@kind
def centre(r, name):
    run(name, "CenterCropPad", [normal(r, 4, 5, 3), r.integers(1, 9, size=2).astype(I)], opset=18, axes=[int(r.integers(2)), 2])


@kind
def reverse(r, name):
    run(name, "ReverseSequence", [normal(r, 3, 4, 2), r.integers(1, 4, size=4).astype(I)], opset=10)


@kind
def col2im(r, name):
    run(name, "Col2Im", [normal(r, 2, 12, 4 * 5), np.array([5, 6], dtype=I), np.array([2, 2], dtype=I)], opset=18)


# ---- bytes ----

def u8(r, *shape):
    return r.integers(0, 256, size=shape).astype(np.uint8)


def i8(r, *shape):
    return r.integers(-127, 128, size=shape).astype(np.int8)


def scale(r, *shape):
    return np.asarray(r.random(size=shape) * 0.1 + 0.01, dtype=F)


@kind
def qlinear_conv(r, name):
    group = int(r.integers(1, 3))
    each = bool(r.integers(2))
    w = i8(r, 4, 4 // group, 2, 3)
    run(name, "QLinearConv", [u8(r, 2, 4, 5, 6), scale(r), np.array(int(r.integers(256)), dtype=np.uint8), w, scale(r, 4) if each else scale(r), np.zeros(4 if each else (), dtype=np.int8), np.array(2.5, dtype=F),
        np.array(100, dtype=np.uint8)] + ([r.integers(-500, 500, size=4).astype(np.int32)] if r.integers(2) else []), opset=10, group=group, pads=[1, 0, 1, 2], strides=[1, 2])


@kind
def conv_integer(r, name):
    run(name, "ConvInteger", [u8(r, 1, 2, 5, 6), u8(r, 3, 2, 2, 2), np.array(7, dtype=np.uint8), u8(r, 1)], opset=10, pads=[1, 1, 0, 0])


# ---- com.microsoft ----

@kind
def gelus(r, name):
    x = normal(r, 2, 3, 4) * 3
    op = str(r.choice(["Gelu", "BiasGelu", "FastGelu", "QuickGelu"]))
    run(name, op, [x] + ([normal(r, 4)] if op == "BiasGelu" or (op == "FastGelu" and r.integers(2)) else []), domain=MS)


@kind
def fused_matmul(r, name):
    ta, tb = int(r.integers(2)), int(r.integers(2))
    a, b = normal(r, 2, 3, 4), normal(r, 2, 4, 5)
    run(name, "FusedMatMul", [a.swapaxes(1, 2).copy() if ta else a, b.swapaxes(1, 2).copy() if tb else b], domain=MS, transA=ta, transB=tb, alpha=float(r.choice([1.0, 0.125])))


@kind
def fused_gemm(r, name):
    run(name, "FusedGemm", [normal(r, 3, 4), normal(r, 4, 5), normal(r, 5)], domain=MS, alpha=0.5, activation=str(r.choice(["Relu", "Tanh", "Sigmoid", "LeakyRelu"])), activation_alpha=0.1)


@kind
def fused_conv(r, name):
    activation = str(r.choice(["Relu", "LeakyRelu", "Clip", "Tanh"]))
    more = dict(activation_params={"LeakyRelu": [0.1], "Clip": [-0.5, 0.5]}[activation]) if activation in ("LeakyRelu", "Clip") else {}
    run(name, "FusedConv", [normal(r, 1, 2, 5, 5), normal(r, 3, 2, 2, 2), normal(r, 3)], domain=MS, activation=activation, **more)


@kind
def skip_layer(r, name):
    simple = bool(r.integers(2))
    more = [normal(r, 8)] if simple else [normal(r, 8), normal(r, 8)]
    run(name, "SkipSimplifiedLayerNormalization" if simple else "SkipLayerNormalization", [normal(r, 2, 3, 8), normal(r, 2, 3, 8), normal(r, 8)] + more, domain=MS, epsilon=1e-5)


@kind
def embed(r, name):
    ids, segments = r.integers(0, 10, size=(2, 5)).astype(np.int32), r.integers(0, 2, size=(2, 5)).astype(np.int32)
    mask = (np.arange(5) < np.array([[3], [5]])).astype(np.int32)
    run(name, "EmbedLayerNormalization", [ids, segments if r.integers(2) else None, normal(r, 10, 8), normal(r, 6, 8), normal(r, 2, 8), normal(r, 8), normal(r, 8), mask], n_out=2, domain=MS, constant=(2, 3, 4, 5, 6), epsilon=1e-5)


@kind
def cdist(r, name):
    run(name, "CDist", [normal(r, 4, 3), normal(r, 5, 3)], domain=MS, metric=str(r.choice(["euclidean", "sqeuclidean"])))


@kind
def dynamic_matmul(r, name):
    each = bool(r.integers(2))
    run(name, "DynamicQuantizeMatMul", [normal(r, 2, 3, 8), i8(r, 8, 5), scale(r, 5) if each else scale(r, 1), i8(r, 5) if each else i8(r, 1), normal(r, 5) if r.integers(2) else None], domain=MS)


@kind
def matmul_to_float(r, name):
    run(name, "MatMulIntegerToFloat", [u8(r, 3, 8), i8(r, 8, 5), scale(r, 1), scale(r, 5), u8(r, 1), i8(r, 5), normal(r, 5) if r.integers(2) else None], domain=MS)


@kind
def n_bits(r, name):
    bits, block, k, n = int(r.choice([2, 4, 8])), int(r.choice([16, 32])), int(r.choice([32, 48, 40])), 6
    blocks = -(-k // block)
    zeros = u8(r, n, -(-blocks * bits // 8)) if r.integers(2) else None
    inputs = [normal(r, 2, 3, k), u8(r, n, blocks, block * bits // 8), scale(r, n, blocks), zeros, None, normal(r, n) if r.integers(2) else None]
    run(name, "MatMulNBits", inputs, domain=MS, constant=(1, 2, 3, 5), K=k, N=n, bits=bits, block_size=block)


def qx(r):
    return [u8(r, 2, 3, 4), scale(r), np.array(120, dtype=np.uint8)]


@kind
def qlinear_binary(r, name):
    run(name, str(r.choice(["QLinearAdd", "QLinearMul"])), qx(r) + qx(r) + [np.array(0.21, dtype=F), np.array(90, dtype=np.uint8)], domain=MS)


@kind
def qlinear_unary(r, name):
    op = str(r.choice(["QLinearSigmoid", "QLinearLeakyRelu"]))
    run(name, op, qx(r) + [np.array(0.01, dtype=F), np.array(3, dtype=np.uint8)], domain=MS, **(dict(alpha=0.2) if op == "QLinearLeakyRelu" else {}))


@kind
def qlinear_pool(r, name):
    run(name, "QLinearGlobalAveragePool", [u8(r, 1, 3, 4, 5), np.array(0.03, dtype=F), np.array(120, dtype=np.uint8), np.array(0.02, dtype=F), np.array(100, dtype=np.uint8)], domain=MS)


@kind
def qlinear_concat(r, name):
    run(name, "QLinearConcat", [np.array(0.05, dtype=F), np.array(100, dtype=np.uint8)] + qx(r) + qx(r), domain=MS, axis=int(r.integers(3)))


@kind
def qgemm(r, name):
    tb, floats = int(r.integers(2)), bool(r.integers(2))
    b = i8(r, 8, 5)
    run(name, "QGemm", [u8(r, 3, 8), scale(r), np.array(100, dtype=np.uint8), b.T.copy() if tb else b, scale(r, 5), np.zeros(5, dtype=np.int8), r.integers(-999, 999, size=5).astype(np.int32)] +
        ([] if floats else [np.array(1.5, dtype=F), np.array(128, dtype=np.uint8)]), domain=MS, transB=tb, alpha=float(r.choice([1.0, 0.5])))


def mask_of(r, total):
    lengths = np.array([3, total], dtype=np.int32)
    return [None, lengths, (np.arange(total) < lengths[:, None]).astype(np.int32)][int(r.integers(3))]


@kind
def attention(r, name):
    past = normal(r, 2, 2, 2, 3, 4) if r.integers(2) else None
    mask = mask_of(r, 5 + (3 if past is not None else 0))
    run(name, "Attention", [normal(r, 2, 5, 6), normal(r, 6, 24), normal(r, 24), mask, past], n_out=2 if past is not None else 1, domain=MS, num_heads=2, unidirectional=int(r.integers(2)))


@kind
def qattention(r, name):
    run(name, "QAttention", [u8(r, 2, 5, 6), i8(r, 6, 24), normal(r, 24), scale(r), scale(r), mask_of(r, 5), np.array(120, dtype=np.uint8), np.array(1, dtype=np.int8)], domain=MS, num_heads=2)


@kind
def multi_head(r, name):
    past = bool(r.integers(2))
    more = [normal(r, 2, 2, 3, 4), normal(r, 2, 2, 3, 4)] if past else []
    bias = normal(r, 1, 2, 5, 5 + 3 * past) if r.integers(2) else None
    run(name, "MultiHeadAttention", [normal(r, 2, 5, 8), normal(r, 2, 5, 8), normal(r, 2, 5, 8), normal(r, 24) if r.integers(2) else None, mask_of(r, 5 + 3 * past), bias] + more,
        n_out=3 if past else 1, domain=MS, num_heads=2, unidirectional=0 if past else int(r.integers(2)), scale=float(r.choice([0.0, 0.3])))


def seeds():
    """Where the fuzzer starts: one case of each kind, and the onnx project's, as models whose inputs are all constants."""
    corpus = os.path.join(HERE, "..", "..", "fuzz", "corpus", "model")
    for old in os.listdir(corpus):
        if old.startswith("op-"):
            os.remove(os.path.join(corpus, old))
    cases = [os.path.join(OUT, f"{fn.__name__}-0") for fn in KINDS] + [os.path.join(HERE, "node", c) for c in sorted(os.listdir(os.path.join(HERE, "node")))]
    seen = set()
    for case in cases:
        model = onnx.load(os.path.join(case, "model.onnx"))
        op = model.graph.node[0].op_type
        if op in seen:
            continue
        seen.add(op)
        for i, p in enumerate(list(model.graph.input)):
            with open(os.path.join(case, "test_data_set_0", f"input_{i}.pb"), "rb") as f:
                tensor = onnx.TensorProto.FromString(f.read())
            tensor.name = p.name
            model.graph.initializer.append(tensor)
        del model.graph.input[:]
        with open(os.path.join(corpus, "op-" + op.lower()), "wb") as f:
            f.write(model.SerializeToString())


if __name__ == "__main__":
    shutil.rmtree(OUT, ignore_errors=True)
    for fn in KINDS:
        for i in range(N):
            fn(np.random.default_rng([zlib.crc32(fn.__name__.encode()), i]), f"{fn.__name__}-{i}")
    print(f"{made} cases")
    for op, reasons in refused.items():
        print("refused", op, len(reasons), reasons[0])
    if len(sys.argv) == 1:
        seeds()
