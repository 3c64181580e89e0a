#!/usr/bin/env python3
"""Every text through the reference (PyPI: tokenizers) and through mlopsctl's tokenizer: ids, type ids and mask must be the same.

    compare.py TOKENIZE TOKENIZER.json [TEXTS] [SEED]

TOKENIZE is build/gcc/tools/tokenize. Each of some settings (accents, case, truncation, padding, templates, added tokens) gets
TEXTS random texts: natural words, every plane of Unicode, marks, Hangul, special tokens, pairs. Exit 1 when one differs.
"""
import json
import random
import struct
import subprocess
import sys
import tempfile

import tokenizers

WORDS = ("the of and to a in is model drift data embeddings tokenization unbelievable naïve café Ünïcödé İstanbul DİYARBAKIR ıIiİ Straße "
         "ΟΔΥΣΣΕΥΣ Σίσυφος ΣΑΣ Привет ЁЖИК हिन्दी நிறுத்து ภาษาไทย 中文 日本語 カタカナ がぎぐ 한국어 각 שָׁלוֹם "
         "العَرَبِيَّة 👩‍👩‍👧 🇩🇪 ❤️ ﬁ ℌ Å Å ẛ̣ x² C++ #tag @you don't e-mail 3.14 1,000 https://a.b/c?d=e&f \u200b \u202e \ufeff "
         "[CLS] [SEP] [MASK] [UNK] [PAD] [MASK [mask] ##ing ## # `` ^ ~ $5 \x7f \x00 \ufffd \u3000 \u2028 \x85 \xa0 \t\r\n ՚ ۝").split(" ")
BLOCKS = [(0x20, 0x7f), (0xa0, 0x250), (0x250, 0x370), (0x370, 0x530), (0x530, 0x800), (0x800, 0x1100), (0x1100, 0x1200),
          (0x1200, 0x1e00), (0x1e00, 0x2000), (0x2000, 0x2100), (0x2100, 0x2c00), (0x2c00, 0x3400), (0x3400, 0x3500),
          (0x4e00, 0x5000), (0x9f00, 0xac00), (0xac00, 0xd7a4), (0xd7a4, 0xd800), (0xe000, 0xe100), (0xf900, 0x10000),
          (0x10000, 0x11000), (0x11000, 0x12000), (0x12000, 0x20000), (0x1d100, 0x1d200), (0x1f000, 0x1fb00), (0x20000, 0x20100),
          (0x2a600, 0x2ceb0), (0x2f800, 0x2fa20), (0x30000, 0x31400), (0xe0000, 0xe0200), (0xf0000, 0x110000)]
MARKS = [chr(c) for c in [*range(0x300, 0x370), 0x5b0, 0x5c1, 0x591, 0x64b, 0x670, 0x302a, 0x302e, 0x302f, 0x1d165, 0x1d16d,
                          0x93c, 0x94d, 0x9be, 0xfb1e, 0x16ff0, 0x345, 0x334, 0x20d2, 0x20dd, 0x1dfa, 0x8d3]]


def text(r):
    parts = []
    for _ in range(r.choice((0, 1, 2, 3, 5, 8, 13, 30))):
        kind = r.random()
        if kind < 0.45:
            parts.append(r.choice(WORDS))
        elif kind < 0.6:
            a, b = r.choice(BLOCKS)
            parts.append("".join(chr(r.randrange(a, b)) for _ in range(r.choice((1, 2, 5)))))
        elif kind < 0.75:
            base = r.choice(("a", "E", "ё", "Ω", "가", "क", "é", "中", " ", ""))
            parts.append(base + "".join(r.choice(MARKS) for _ in range(r.choice((1, 2, 3, 6)))))
        elif kind < 0.78:
            parts.append(r.choice(("a", "é", "中", "ß", "-")) * r.choice((99, 100, 101, 102, 200)))
        else:
            parts.append("".join(r.choice("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789'.,-_") for _ in range(r.randrange(1, 12))))
    return "".join(p + r.choice((" ", " ", " ", "", "  ", "\n")) for p in parts)


def settings(doc):
    """(name, change of the document), each over the file as it is."""
    def with_(**changes):
        d = json.loads(json.dumps(doc))
        d["truncation"] = d["padding"] = None
        for key, value in changes.items():
            target = d["normalizer"] if key in d["normalizer"] else d
            target[key] = value
        return d

    vocab = doc["model"]["vocab"]
    cls, sep = vocab["[CLS]"], vocab["[SEP]"]
    new = []

    def added(content, **on):
        if content not in vocab:
            new.append(content)
        return {"id": vocab[content] if content in vocab else len(vocab) + len(new) - 1, "content": content, "single_word": False,
                "lstrip": False, "rstrip": False, "normalized": False, "special": True, **on}

    cut = {"direction": "Right", "max_length": 12, "strategy": "LongestFirst", "stride": 0}
    pad = {"strategy": "BatchLongest", "direction": "Right", "pad_to_multiple_of": None, "pad_id": 0, "pad_type_id": 0,
           "pad_token": "[PAD]"}
    yield "as it is", doc
    yield "nothing cut", with_()
    yield "cased", with_(lowercase=False)
    yield "cased without accents", with_(lowercase=False, strip_accents=True)
    yield "lower case with accents", with_(strip_accents=False)
    yield "not cleaned", with_(clean_text=False)
    yield "no spaces around CJK", with_(handle_chinese_chars=False)
    yield "nothing normalized", with_(clean_text=False, handle_chinese_chars=False, strip_accents=False, lowercase=False)
    yield "cut left, padded left", with_(truncation={**cut, "direction": "Left"},
                                         padding={**pad, "direction": "Left", "pad_to_multiple_of": 8, "pad_id": 7, "pad_type_id": 1})
    yield "cut to a fixed width", with_(truncation=cut, padding={**pad, "strategy": {"Fixed": 16}})
    yield "cut the first", with_(truncation={**cut, "strategy": "OnlyFirst", "max_length": 20})
    yield "BertProcessing", with_(post_processor={"type": "BertProcessing", "sep": ["[SEP]", sep], "cls": ["[CLS]", cls]})
    yield "no post-processor", with_(post_processor=None)
    yield "added tokens", with_(added_tokens=[
        *(added(c) for c in ("[PAD]", "[UNK]", "[CLS]", "[SEP]")), added("[MASK]", lstrip=True),
        added("café", rstrip=True, lstrip=True), added("caf", special=False), added("ΣΑΣ", normalized=True, special=False),
        added("Å e", normalized=True, special=False), added("the", normalized=True, special=False, lstrip=True, rstrip=True)])
    small = with_()
    small["model"] = {**small["model"], "continuing_subword_prefix": "", "max_input_chars_per_word": 7}
    yield "no prefix, short words", small


def expected(reference, texts):
    try:
        e = reference.encode(*texts)
    except Exception:  # its one class of error
        return "error"
    return " ".join(f"{i}/{t}/{m}" for i, t, m in zip(e.ids, e.type_ids, e.attention_mask))


def record(texts):
    return struct.pack("<I", len(texts)) + b"".join(struct.pack("<I", len(t.encode())) + t.encode() for t in texts)


def compare(program, doc, cases):
    reference = tokenizers.Tokenizer.from_str(json.dumps(doc))
    with tempfile.NamedTemporaryFile("w", suffix=".json") as f:
        json.dump(doc, f)
        f.flush()
        run = subprocess.run([program, f.name], input=b"".join(map(record, cases)), stdout=subprocess.PIPE, check=True)
    lines = run.stdout.decode().split("\n")[:-1]
    if len(lines) != len(cases):
        sys.exit(f"compare.py: {len(lines)} answers to {len(cases)} texts")
    bad = 0
    for case, got in zip(cases, lines):
        want = expected(reference, case)
        if got != want and not (want == "error" and got.startswith("error")):
            bad += 1
            if bad <= 3:
                print(f"  {case!a}\n    reference: {want}\n    mlopsctl:  {got}")
    return bad


def main():
    program, path = sys.argv[1], sys.argv[2]
    n = int(sys.argv[3]) if len(sys.argv) > 3 else 7000
    seed = int(sys.argv[4]) if len(sys.argv) > 4 else 1
    with open(path, encoding="utf-8") as f:
        doc = json.load(f)
    r, total, wrong = random.Random(seed), 0, 0
    for name, changed in settings(doc):
        cases = [[text(r)] if r.random() < 0.8 else [text(r), text(r)] for _ in range(n)]
        cases += [[""], [" "], ["", ""], ["a" * 100000], ["é" * 101 + " x"]]
        bad = compare(program, changed, cases)
        print(f"{name}: {len(cases)} texts, {bad} differ")
        total, wrong = total + len(cases), wrong + bad
    print(f"tokenizers {tokenizers.__version__}: {total} texts, {wrong} differ")
    sys.exit(wrong > 0)


main()
