#!/usr/bin/env python3
"""Embeddings of mlopsctl beside those of ONNX Runtime with the reference tokenizer, for a sentence encoder on this machine.

    compare-embeddings.py MLOPSCTL FOLDER [TEXTS]

FOLDER is that of a sentence-transformers model with mean pooling, with tokenizer.json and model.onnx. Prints the lowest cosine over
TEXTS (100) texts of mixed kinds and lengths; exit 1 below 0.99999. Needs tokenizers, onnxruntime, numpy.
"""
import json
import os
import random
import subprocess
import sys
import tempfile

import numpy as np
import onnxruntime
import tokenizers

SENTENCES = """The quick brown fox jumps over the lazy dog.|A model is data, not a program.|Drift is found before anybody complains.|Ünïcödé and naïve café
İstanbul'da hava güzel.|Die Straße ist naß; der Fluß auch.|Ο Οδυσσέας και οι ΣΕΙΡΗΝΕΣ.|Привет, мир! Ёжик в тумане.|我喜欢机器学习。|日本語のテキストです。|한국어 문장입니다.
मशीन लर्निंग|👩‍👩‍👧 family 🇩🇪 ❤️|e-mail me at a.b@c.org, or call +49 30 1234567!|x = y ** 2 + 3*z  # comment|SELECT id FROM runs WHERE status = 'done';|[CLS] in the text [MASK]
What is the capital of France?|Paris is the capital of France.|He said: "don't".|3.14159 2.71828 1,000,000|https://example.org/a/b?c=d&e=f#g|short||   |a""".replace("\n", "|").split("|")


def texts(n):
    r = random.Random(3)
    out = list(SENTENCES)
    while len(out) < n:
        out.append(" ".join(r.choice(SENTENCES) for _ in range(r.choice((1, 2, 4, 8, 16, 40)))))
    return out[:n]


def reference(folder, model, inputs):
    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    tokenizer = tokenizers.Tokenizer.from_file(os.path.join(folder, "tokenizer.json"))
    with open(os.path.join(folder, "sentence_bert_config.json"), encoding="utf-8") as f:
        tokenizer.enable_truncation(json.load(f)["max_seq_length"])
    tokenizer.no_padding()
    for text in inputs:
        e = tokenizer.encode(text)
        values = {"input_ids": e.ids, "attention_mask": e.attention_mask, "token_type_ids": e.type_ids}
        hidden = session.run(None, {i.name: np.array([values[i.name]], np.int64) for i in session.get_inputs()})[0]
        mean = hidden[0].astype(np.float64).mean(axis=0)
        yield mean / np.linalg.norm(mean)


def ours(program, model, inputs):
    with tempfile.TemporaryDirectory() as folder:
        rows, out = os.path.join(folder, "rows.jsonl"), os.path.join(folder, "out.npy")
        with open(rows, "w", encoding="utf-8") as f:
            f.writelines(json.dumps({"text": t}) + "\n" for t in inputs)
        subprocess.run([program, "predict", "-q", model, rows, "--text-column", "text", "-o", out], check=True)
        return np.load(out).astype(np.float64)


def main():
    program, folder = sys.argv[1:3]
    model = os.path.join(folder, "model.onnx")
    inputs = texts(int(sys.argv[3]) if len(sys.argv) > 3 else 100)
    pairs = zip(ours(program, model, inputs), reference(folder, model, inputs))
    cosines = [float(a @ b / np.linalg.norm(a)) for a, b in pairs]
    worst = min(range(len(cosines)), key=cosines.__getitem__)
    print(f"{len(inputs)} texts: lowest cosine {cosines[worst]:.9f} ({inputs[worst][:60]!a})")
    sys.exit(min(cosines) < 0.99999)


main()
