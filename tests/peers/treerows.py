"""The row infer-trees of tests/peers/run: ensembles of trees, ours and every peer that is installed, in turn, in one run.

`b` is the runner: its functions say and table, and its paths. BENCH_PYTHON_TREES names Python interpreters (separated by colons) that
have the peers: xgboost, onnxmltools and onnxruntime make the models and are needed; lightgbm, scikit-learn, lleaves, treelite and
tl2cgen are peers where one of the interpreters has them. BENCH_TREES: a folder for the models, which are made once; BENCH_PREFIX: a
command that each measurement is run by.
"""
import json
import os
import re
import shlex
import shutil
import statistics
import subprocess

TREES, DEPTH, COLUMNS, ROWS = (100, 500, 1000), 6, 32, 4096
BARS = {(100, 1): "0.8 us", (100, ROWS): "2.5 ns", (500, ROWS): "2.0 ns", (1000, ROWS): "2.0 ns"}
QUESTION = 2  # operations of one question of a filled tree: a comparison and a choice of bytes

# The same boosted trees for all: trained by XGBoost, converted for ONNX Runtime and for us; LightGBM and scikit-learn train their own of
# the same number and size on the same rows.
MAKE = """import sys
import numpy as np, xgboost
from onnxmltools import convert_xgboost
from onnxmltools.convert.common.data_types import FloatTensorType
folder, trees, depth, columns = sys.argv[1], *map(int, sys.argv[2:])
random = np.random.default_rng(7)
x = random.random((60000, columns), dtype=np.float32)
y = np.sin(x @ random.normal(size=(columns, 8))) @ random.normal(size=8) + random.normal(size=len(x)) * .5
model = xgboost.XGBRegressor(n_estimators=trees, max_depth=depth, tree_method="hist", learning_rate=.1, min_child_weight=0, n_jobs=2).fit(x, y)
model.save_model(f"{folder}/{trees}.ubj")
with open(f"{folder}/{trees}.onnx", "wb") as f:
    f.write(convert_xgboost(model, initial_types=[("x", FloatTensorType([None, columns]))]).SerializeToString())
np.savez(f"{folder}/rows.npz", x=x, y=y)
try:
    import lightgbm
    data = lightgbm.Dataset(x, y)
    lightgbm.train(dict(objective="regression", num_leaves=2**depth, max_depth=depth, min_data_in_leaf=1, verbose=-1, num_threads=2), data, trees).save_model(f"{folder}/{trees}.txt")
except ImportError:
    pass
"""
# One peer: prints the best of a second of short rounds, microseconds of a call. Each by the fastest way that its Python package has.
PEER = """import os, pickle, sys, time
os.environ["OMP_NUM_THREADS"] = sys.argv[5]
import numpy as np
peer, folder, trees, rows, threads = sys.argv[1], sys.argv[2], *map(int, sys.argv[3:6])
data = np.load(f"{folder}/rows.npz")
x = np.ascontiguousarray(data["x"][:rows])
if peer == "ONNX Runtime":
    import onnxruntime
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    session = onnxruntime.InferenceSession(f"{folder}/{trees}.onnx", options, providers=["CPUExecutionProvider"])
    bound = session.io_binding()
    bound.bind_ortvalue_input(session.get_inputs()[0].name, onnxruntime.OrtValue.ortvalue_from_numpy(x))
    bound.bind_output(session.get_outputs()[0].name)
    call = lambda: session.run_with_iobinding(bound)
elif peer == "XGBoost":
    import xgboost
    model = xgboost.Booster(params=dict(nthread=threads), model_file=f"{folder}/{trees}.ubj")
    model.set_param("nthread", threads)
    call = lambda: model.inplace_predict(x)
elif peer == "LightGBM":
    import ctypes, lightgbm
    from lightgbm.basic import _LIB as lib
    model = lightgbm.Booster(model_file=f"{folder}/{trees}.txt")
    out, n, handle = np.zeros(rows), ctypes.c_int64(), ctypes.c_void_p()
    pointer, options = x.ctypes.data_as(ctypes.c_void_p), f"num_threads={threads}".encode()
    to = out.ctypes.data_as(ctypes.POINTER(ctypes.c_double))
    if rows == 1:
        assert lib.LGBM_BoosterPredictForMatSingleRowFastInit(model._handle, 0, 0, -1, 0, x.shape[1], options, ctypes.byref(handle)) == 0
        call = lambda: lib.LGBM_BoosterPredictForMatSingleRowFast(handle, pointer, ctypes.byref(n), to)
    else:
        call = lambda: lib.LGBM_BoosterPredictForMat(model._handle, pointer, 0, rows, x.shape[1], 1, 0, 0, -1, options, ctypes.byref(n), to)
elif peer == "scikit-learn":
    from sklearn.ensemble import HistGradientBoostingRegressor
    kept = f"{folder}/{trees}.pickle"
    if os.path.exists(kept):
        with open(kept, "rb") as f:
            model = pickle.load(f)
    else:
        model = HistGradientBoostingRegressor(max_iter=trees, max_leaf_nodes=64, max_depth=6, min_samples_leaf=1, early_stopping=False).fit(data["x"], data["y"])
        with open(kept, "wb") as f:
            pickle.dump(model, f)
    call = lambda: model.predict(x)
elif peer == "lleaves":
    import lleaves
    model = lleaves.Model(model_file=f"{folder}/{trees}.txt")
    model.compile(cache=f"{folder}/{trees}.lleaves")
    x = x.astype(np.float64)
    call = lambda: model.predict(x, n_jobs=threads)
elif peer == "TL2cgen":
    import tl2cgen, treelite
    library = f"{folder}/{trees}.so"
    if not os.path.exists(library):
        tl2cgen.export_lib(treelite.frontend.load_xgboost_model(f"{folder}/{trees}.ubj"), toolchain="gcc", libpath=library, params=dict(parallel_comp=2))
    model, rows_of = tl2cgen.Predictor(library, nthread=threads), tl2cgen.DMatrix(x, dtype="float32")
    call = lambda: model.predict(rows_of)
elif peer == "treelite GTIL":
    import treelite
    model = treelite.frontend.load_xgboost_model(f"{folder}/{trees}.ubj")
    call = lambda: treelite.gtil.predict(model, x, nthread=threads)
best, rounds = 1e9, 20 if rows == 1 else 1
call()
end = time.perf_counter() + 1
while time.perf_counter() < end:
    start = time.perf_counter()
    for _ in range(rounds):
        call()
    best = min(best, (time.perf_counter() - start) / rounds)
print(best * 1e6)
"""
PACKAGES = {"ONNX Runtime": ("onnxruntime",), "XGBoost": ("xgboost",), "LightGBM": ("lightgbm",), "scikit-learn": ("sklearn",), "lleaves": ("lleaves",),
            "TL2cgen": ("tl2cgen", "treelite"), "treelite GTIL": ("treelite",)}
DISTRIBUTIONS = {"sklearn": "scikit-learn"}


def output(argv):
    return subprocess.run([str(a) for a in argv], capture_output=True, text=True, check=True).stdout


def prefix():
    """A command that measurements are run by, such as one that stops all else."""
    return shlex.split(os.environ.get("BENCH_PREFIX", ""))


def peers():
    """Of each peer that is there: its interpreter and version."""
    found = {}
    for python in os.environ.get("BENCH_PYTHON_TREES", "python3").split(":"):
        python = shutil.which(python)
        for name, packages in PACKAGES.items():
            code = f"import {', '.join(packages)}; from importlib.metadata import version; print(version({DISTRIBUTIONS.get(packages[0], packages[0])!r}))"
            asked = subprocess.run([python, "-c", code], capture_output=True, text=True, check=False) if python and name not in found else None
            if asked and asked.returncode == 0:
                found[name] = (python, asked.stdout.strip())
    return found


def ours(b, folder, trees, rows, threads):
    tool = os.path.join(os.path.dirname(b.MLO), "tools", "infer-bench")
    text = output([*prefix(), tool, f"{folder}/{trees}.onnx", COLUMNS, rows] + ([threads] if threads > 1 else []))
    load, one, many = re.search(r"load ([0-9.]+) ms, one row ([0-9.]+) us, \d+ rows ([0-9.]+) us", text).groups()
    return float(one) if rows == 1 else float(many) * rows, float(load)


def measure_case(b, found, folder, trees, rows, threads):
    """Medians, microseconds of a call; None: the peer failed."""
    times, loads = {}, []
    for _ in range(b.RUNS):
        us, load = ours(b, folder, trees, rows, threads)
        times.setdefault("mlopsctl", []).append(us)
        loads.append(load)
        for name, (python, _version) in found.items():
            done = subprocess.run([*prefix(), python, "-c", PEER, name, folder, str(trees), str(rows), str(threads)], capture_output=True, text=True, check=False)
            if done.returncode == 0:
                times.setdefault(name, []).append(float(done.stdout))
    return {name: statistics.median(t) for name, t in times.items()}, min(loads)


def table(b, found, cases):
    names = ["mlopsctl", *[n for n in found if any(n in times for _, times in cases)]]
    shown = []
    for (trees, rows, threads), times in cases:
        unit = (lambda us: us) if rows == 1 else (lambda us, per=trees * rows: 1e3 * us / per)
        best = min(t for n, t in times.items() if n != "mlopsctl")
        shown.append([trees, rows, threads, BARS.get((trees, rows), "") if threads == 1 else "", *[f"{unit(times[n]):.2f}" if n in times else "" for n in names],
                      f"{best / times['mlopsctl']:.1f}"])
    b.table(["trees", "rows", "threads", "bar", *names, "best peer, times ours"], shown)


def trees(b):
    b.say("## Inference: trees\n")
    found = peers()
    if not {"XGBoost", "ONNX Runtime"} <= set(found):
        b.say("xgboost or onnxruntime is not installed.\n")
        return
    folder, cases, loads = os.environ.get("BENCH_TREES", os.path.join(b.work, "trees")), [], {}
    os.makedirs(folder, exist_ok=True)
    for n in TREES:
        if not os.path.exists(f"{folder}/{n}.onnx"):
            output([found["XGBoost"][0], "-c", MAKE, folder, n, DEPTH, COLUMNS])
        for name, (python, _version) in found.items():  # what is compiled or trained first is kept in the folder
            subprocess.run([python, "-c", PEER, name, folder, str(n), "1", "1"], capture_output=True, check=False)
        for rows, threads in ((1, 1), (ROWS, 1), (ROWS, 2)):
            times, load = measure_case(b, found, folder, n, rows, threads)
            cases.append(((n, rows, threads), times))
            loads[n] = min(load, loads.get(n, load))
    versions = ", ".join(f"{n} {v}" for n, (_, v) in found.items())
    b.say(f"Boosted trees of depth {DEPTH} over {COLUMNS} columns (`tests/peers/run infer-trees`), XGBoost's own for all but LightGBM, lleaves and scikit-learn, which have their own of the same "
          f"number and size; one row: microseconds of a call; {ROWS} rows: nanoseconds of a tree and row. Each the best of a second, medians of {b.RUNS} processes, in turn. Ours through "
          f"`mlo_session_run`; the others by the fastest call of their Python packages (of one row, up to 1 us is Python's; scikit-learn's much more). {versions}.\n")
    table(b, found, cases)
    questions = (1 << DEPTH) - 1
    b.say(f"Load and plan: {', '.join(f'{n} trees {ms:.1f} ms' for n, ms in loads.items())}. A block of 64 rows asks all {questions} questions of a tree: {questions * QUESTION} operations on bytes, "
          f"{QUESTION * questions * 64:,} a block and tree, and reads {questions * 8 + 256} bytes of tree and {questions * 64:,} of ranks out of the first cache.\n")
    with open(os.path.join(folder, "times.json"), "w", encoding="utf-8") as f:
        json.dump([[case, times] for case, times in cases], f)
