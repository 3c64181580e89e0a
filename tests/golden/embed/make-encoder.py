#!/usr/bin/env python3
"""Writes tiny/: a sentence encoder of random weights as sentence-transformers would keep it, and what the references make of texts.

cases.jsonl holds, a line a text (or pair), ids and type ids by PyPI's tokenizers, and for single texts the embedding by ONNX Runtime
with mean pooling and normalization as sentence-transformers does them. Needs `pip install tokenizers onnx onnxruntime numpy`.
"""
import json
import os

import numpy as np
import onnx
import onnxruntime
import tokenizers
from onnx import TensorProto, helper, numpy_helper

HERE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "tiny")
WIDTH, HEADS, INNER, LENGTH, LAYERS = 16, 4, 32, 24, 2
WORDS = ("the a of and to is in it you that he was for on are with as his they at be this from have or by one had not but what all were when "
         "we there can an your which their said if do will each how model drift data sentence small cat dog run walk good bad new old "
         "cafe istanbul strasse straße παν σας 中 文 日 한 국 ß é i ı").split()
PIECES = ["##" + p for p in ("ing", "ed", "er", "s", "ly", "un", "able", "ly", "文", "σ", "ς", *"abcdefghijklmnopqrstuvwxyz0123456789")]
TEXTS = ["the cat is small", "The CAT, it is not a dog!", "Walking the dogs; running modeled drifts.", "Café İstanbul STRASSE Straße", "ΠΑΝ ΣΑΣ",
         "中文 日本語 한국어", "", "   \t\n ", "a\u0301e\u0323\u0301 caf\u0065\u0301", "[CLS] the [MASK] of [SEP] data [PAD]", "x" * 101, "y" * 100,
         "the " * 60, "\u200bdata\u202e \ufeffdrift\ufffd", "👩‍👩‍👧 🇩🇪 ❤️ good", "don't e-mail 3.14 #1", "ı i I İ", "\u3000old\u00a0new\u2028bad\u0085x",
         "unwalkable", "data data data", "What is it that you said, and when?", "q", "[cls] [CLS][SEP]", "ﬁ x² ℌ Å"]
PAIRS = [("the cat", "a dog"), ("the " * 30, "dog " * 3), ("a", "good " * 50), ("one " * 40, "new " * 40), ("", ""), ("中", "")]


def write(path, data):
    path = os.path.join(HERE, path)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w", encoding="utf-8") as f:
        f.write(data if isinstance(data, str) else json.dumps(data, ensure_ascii=False, indent=1) + "\n")


def vocabulary():
    tokens = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *"abcdefghijklmnopqrstuvwxyz0123456789.,!?;'#-[]", *WORDS, *PIECES]
    return list(dict.fromkeys(tokens))


def tokenizer_document(tokens):
    ids = {t: i for i, t in enumerate(tokens)}

    def token(name, kind=0):
        return {"SpecialToken": {"id": name, "type_id": kind}}

    a, b = {"Sequence": {"id": "A", "type_id": 0}}, {"Sequence": {"id": "B", "type_id": 1}}
    return {
        "version": "1.0",
        "truncation": {"direction": "Right", "max_length": LENGTH, "strategy": "LongestFirst", "stride": 0},
        "padding": None,
        "added_tokens": [{"id": ids[t], "content": t, "single_word": False, "lstrip": False, "rstrip": False, "normalized": False,
                          "special": True} for t in tokens[:5]],
        "normalizer": {"type": "BertNormalizer", "clean_text": True, "handle_chinese_chars": True, "strip_accents": None, "lowercase": True},
        "pre_tokenizer": {"type": "BertPreTokenizer"},
        "post_processor": {"type": "TemplateProcessing", "single": [token("[CLS]"), a, token("[SEP]")],
                           "pair": [token("[CLS]"), a, token("[SEP]"), b, token("[SEP]", 1)],
                           "special_tokens": {t: {"id": t, "ids": [ids[t]], "tokens": [t]} for t in ("[CLS]", "[SEP]")}},
        "decoder": {"type": "WordPiece", "prefix": "##", "cleanup": True},
        "model": {"type": "WordPiece", "unk_token": "[UNK]", "continuing_subword_prefix": "##", "max_input_chars_per_word": 100, "vocab": ids}}


class Graph:
    """Nodes and weights of an encoder, as exporters spell one."""

    def __init__(self, seed):
        self.random, self.nodes, self.weights, self.n = np.random.default_rng(seed), [], [], 0

    def op(self, kind, *inputs, **attrs):
        self.n += 1
        self.nodes.append(helper.make_node(kind, inputs, [f"v{self.n}"], f"{kind}_{self.n}", **attrs))
        return f"v{self.n}"

    def const(self, values, kind=np.float32):
        self.n += 1
        self.weights.append(numpy_helper.from_array(np.asarray(values, kind), f"w{self.n}"))
        return f"w{self.n}"

    def weight(self, *shape, scale=None):
        return self.const(self.random.normal(0, scale or 1 / np.sqrt(shape[0]), shape))

    def linear(self, x, n, m):
        return self.op("Add", self.op("MatMul", x, self.weight(n, m)), self.weight(m, scale=0.1))

    def norm(self, x):
        g = self.const(1 + self.random.normal(0, 0.1, WIDTH))
        return self.op("LayerNormalization", x, g, self.weight(WIDTH, scale=0.1), axis=-1, epsilon=1e-12)

    def heads(self, x):
        return self.op("Transpose", self.op("Reshape", x, self.const([0, 0, HEADS, WIDTH // HEADS], np.int64)), perm=[0, 2, 1, 3])

    def attention(self, x, mask):
        q, k, v = (self.heads(self.linear(x, WIDTH, WIDTH)) for _ in range(3))
        scores = self.op("MatMul", q, self.op("Transpose", k, perm=[0, 1, 3, 2]))
        scores = self.op("Add", self.op("Div", scores, self.const(np.sqrt(WIDTH / HEADS))), mask)
        out = self.op("Transpose", self.op("MatMul", self.op("Softmax", scores, axis=-1), v), perm=[0, 2, 1, 3])
        return self.linear(self.op("Reshape", out, self.const([0, 0, WIDTH], np.int64)), WIDTH, WIDTH)

    def gelu(self, x):
        erf = self.op("Erf", self.op("Div", x, self.const(np.sqrt(2))))
        return self.op("Mul", self.op("Mul", x, self.op("Add", erf, self.const(1.0))), self.const(0.5))


def encoder(n_tokens):
    g = Graph(7)
    mask = g.op("Unsqueeze", g.op("Cast", "attention_mask", to=TensorProto.FLOAT), g.const([1, 2], np.int64))
    mask = g.op("Mul", g.op("Sub", g.const(1.0), mask), g.const(-10000.0))
    length = g.op("Gather", g.op("Shape", "input_ids"), g.const(1, np.int64))
    positions = g.op("Range", g.const(0, np.int64), length, g.const(1, np.int64))
    x = g.op("Gather", g.weight(n_tokens, WIDTH, scale=1), "input_ids")
    x = g.op("Add", x, g.op("Gather", g.weight(2, WIDTH, scale=0.3), "token_type_ids"))
    x = g.norm(g.op("Add", x, g.op("Gather", g.weight(LENGTH, WIDTH, scale=0.3), positions)))
    for _ in range(LAYERS):
        x = g.norm(g.op("Add", x, g.attention(x, mask)))
        inner = g.gelu(g.linear(x, WIDTH, INNER))
        x = g.norm(g.op("Add", x, g.linear(inner, INNER, WIDTH)))
    g.nodes.append(helper.make_node("Identity", [x], ["last_hidden_state"], "out"))
    shape = ["batch", "sequence"]
    inputs = [helper.make_tensor_value_info(n, TensorProto.INT64, shape) for n in ("input_ids", "attention_mask", "token_type_ids")]
    output = helper.make_tensor_value_info("last_hidden_state", TensorProto.FLOAT, [*shape, WIDTH])
    model = helper.make_model(helper.make_graph(g.nodes, "tiny-encoder", inputs, [output], g.weights), ir_version=8,
                              opset_imports=[helper.make_opsetid("", 17)], producer_name="make-encoder.py")
    onnx.checker.check_model(model, full_check=True)
    return model


def embed(session, e):
    feed = {"input_ids": e.ids, "attention_mask": e.attention_mask, "token_type_ids": e.type_ids}
    (hidden,) = session.run(None, {k: np.array([v], np.int64) for k, v in feed.items()})
    mean = hidden[0].mean(axis=0)
    return [float(f"{x:.8g}") for x in mean / max(np.linalg.norm(mean), 1e-12)]


def main():
    tokens = vocabulary()
    document = tokenizer_document(tokens)
    write("tokenizer.json", document)
    write("vocab.txt", "".join(t + "\n" for t in tokens))
    write("tokenizer_config.json", {"do_lower_case": True, "tokenizer_class": "BertTokenizer", "model_max_length": LENGTH})
    write("modules.json", [{"idx": i, "name": str(i), "path": p, "type": "sentence_transformers.models." + t}
                           for i, (p, t) in enumerate([("", "Transformer"), ("1_Pooling", "Pooling"), ("2_Normalize", "Normalize")])])
    write("1_Pooling/config.json", {"word_embedding_dimension": WIDTH, "pooling_mode_cls_token": False, "pooling_mode_mean_tokens": True,
                                    "pooling_mode_max_tokens": False, "pooling_mode_mean_sqrt_len_tokens": False})
    write("sentence_bert_config.json", {"max_seq_length": LENGTH, "do_lower_case": False})
    model = encoder(len(tokens))
    with open(os.path.join(HERE, "model.onnx"), "wb") as f:
        f.write(model.SerializeToString())
    reference = tokenizers.Tokenizer.from_str(json.dumps(document))
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    lines = []
    for texts in [(t,) for t in TEXTS] + PAIRS:
        e = reference.encode(*texts)
        case = {"texts": texts, "ids": e.ids, "types": e.type_ids}
        if len(texts) == 1:
            case["embedding"] = embed(session, e)
        lines.append(json.dumps(case))
    write("cases.jsonl", "\n".join(lines) + "\n")
    print(f"{len(tokens)} tokens, {len(lines)} cases; tokenizers {tokenizers.__version__}, onnxruntime {onnxruntime.__version__}")


main()
