#!/usr/bin/env python3
"""A few of the onnx project's node cases for each operator that the other golden cases do not reach.

    python3 tests/golden/onnx/take-node-cases.py FOLDER     (the folder of all cases; writes tests/golden/onnx/node)

Of each operator the smallest cases are taken, so many as stands behind it. The cases are the onnx project's (Apache-2.0), unchanged.
"""
import os
import re
import shutil
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
OUT = os.path.join(HERE, "node")
OPERATORS = {
    "nllloss_NC": 2, "nllloss_NCd": 3, "sce": 4,
    "linear_attention": 5, "causal_conv_with_state": 5, "tensorscatter": 3,
    "resize_(down|up)sample_(scales|sizes)_nearest": 6, "resize_(down|up)sample_(scales|sizes)_linear": 5, "resize_(down|up)sample_(scales|sizes)_cubic": 5, "resize_tf_crop": 4,
    "upsample": 1,
    "gridsample": 6, "gridsample_volumetric": 1, "affine_grid": 2, "roialign": 3, "(basic_)?deform_conv": 2,
    "flexattention_(gqa|causal_mask|prob_mod|fp16)": 4, "regex_full_match": 3, "string_concat": 2, "string_split": 4, "strnormalizer": 4, "tfidfvectorizer": 4, "dft": 3, "stft": 1, "(hann|hamming|blackman)window": 4, "melweightmatrix": 1,
    "einsum": 6, "det": 2, "unique": 6, "nonmaxsuppression": 5, "center_crop_pad": 4, "reversesequence": 2, "qlinearconv": 1, "convinteger": 2, "maxunpool": 2, "col2im": 3,
}


def size(folder):
    return sum(os.path.getsize(os.path.join(d, f)) for d, _, files in os.walk(folder) for f in files)


names = [n for n in os.listdir(sys.argv[1]) if "_expanded" not in n]
shutil.rmtree(OUT, ignore_errors=True)
for operator, n in OPERATORS.items():
    own = sorted((size(os.path.join(sys.argv[1], c)), c) for c in names if re.match(f"test_{operator}", c))
    assert own, operator
    for _, c in own[:n]:
        shutil.copytree(os.path.join(sys.argv[1], c), os.path.join(OUT, c), dirs_exist_ok=True)
