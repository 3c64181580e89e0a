#!/usr/bin/env python3
"""ONNX Runtime as a target of `mlopsctl bench`: speaks the line protocol of docs/bench-targets.md.

    onnxruntime_target.py [MODEL.onnx] [--threads N] [--provider NAME]

Without MODEL the model that mlopsctl names.
"""
import argparse
import json
import os
import sys

import numpy
import onnxruntime

TYPES = {"BOOL": numpy.bool_, "FP16": numpy.float16, "FP32": numpy.float32, "FP64": numpy.float64, "BYTES": numpy.object_,
         **{f"{kind.upper()}{bits}": numpy.dtype(f"{kind}{bits}") for kind in ("int", "uint") for bits in (8, 16, 32, 64)}}

# Whatever libraries print goes to the messages: standard output is for answers.
answers = os.fdopen(os.dup(1), "w")
os.dup2(2, 1)


def feed(request):
    return {i["name"]: numpy.array(i["data"], dtype=TYPES[i["datatype"]]).reshape(i["shape"]) for i in request["inputs"]}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("model", nargs="?")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--provider", default="CPUExecutionProvider")
    args = parser.parse_args()

    hello = json.loads(sys.stdin.readline())
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = args.threads
    session = onnxruntime.InferenceSession(args.model or hello["model"], options, providers=[args.provider])
    feeds = [feed(r) for r in hello["requests"]]
    print("mlopsctl-bench 1", file=answers, flush=True)

    for line in sys.stdin:
        n = int(line.split()[1])
        try:
            session.run(None, feeds[n % len(feeds)])
            print("ok", n, file=answers, flush=True)
        except Exception as e:  # whatever it is, mlopsctl counts it
            print("error", n, " ".join(str(e).split())[:1000], file=answers, flush=True)


main()
