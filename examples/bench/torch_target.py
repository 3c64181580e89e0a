#!/usr/bin/env python3
"""PyTorch as a target of `mlopsctl bench`: speaks the line protocol of docs/bench-targets.md.

    torch_target.py MODEL [--device cuda] [--threads N] [--compile MODE]

MODEL is what torch.export.save (.pt2) or torch.jit.save wrote; its inputs are given in the order in which mlopsctl names
them. --compile: default, reduce-overhead (CUDA graphs) or max-autotune, of a .pt2 only.
"""
import argparse
import json
import os
import sys

import torch

TYPES = {"BOOL": torch.bool, "UINT8": torch.uint8, "INT8": torch.int8, "INT16": torch.int16, "INT32": torch.int32,
         "INT64": torch.int64, "FP16": torch.float16, "BF16": torch.bfloat16, "FP32": torch.float32, "FP64": torch.float64}

# Whatever libraries print goes to the messages: standard output is for answers.
answers = os.fdopen(os.dup(1), "w")
os.dup2(2, 1)


def load(args):
    if not args.model.endswith(".pt2"):
        return torch.jit.load(args.model, map_location=args.device).eval()
    model = torch.export.load(args.model).module().to(args.device)
    return torch.compile(model, mode=args.compile) if args.compile else model


def to_cpu(result):
    """The answer counts once it is here: a GPU works on after the call."""
    if isinstance(result, torch.Tensor):
        return result.cpu()
    values = result.values() if isinstance(result, dict) else result
    return [to_cpu(v) for v in values]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("model")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--compile", metavar="MODE")
    args = parser.parse_args()

    hello = json.loads(sys.stdin.readline())
    torch.set_num_threads(args.threads)
    model = load(args)
    requests = [[torch.tensor(i["data"], dtype=TYPES[i["datatype"]]).reshape(i["shape"]) for i in r["inputs"]]
                for r in hello["requests"]]
    print("mlopsctl-bench 1", file=answers, flush=True)

    with torch.inference_mode():
        for line in sys.stdin:
            n = int(line.split()[1])
            try:
                to_cpu(model(*(t.to(args.device) for t in requests[n % len(requests)])))
                print("ok", n, file=answers, flush=True)
            except Exception as e:  # whatever it is, mlopsctl counts it
                print("error", n, " ".join(str(e).split())[:1000], file=answers, flush=True)


main()
