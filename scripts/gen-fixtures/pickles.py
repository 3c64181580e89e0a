#!/usr/bin/env python3
"""Seeds of the pickle fuzz target: harmless and hostile pickles as Python's own pickler writes them, in every protocol.

    python3 scripts/gen-fixtures/pickles.py [OUTDIR]
"""
import collections
import datetime
import os
import pickle
import sys

OUT = sys.argv[1] if len(sys.argv) > 1 else "tests/fuzz/corpus/pickle"


class Calls:
    """Unpickles to a call of `function` with `args`; nothing is called here."""

    def __init__(self, function, *args):
        self.reduced = function, args

    def __reduce__(self):
        return self.reduced


def shared():
    text = "x" * 20
    return [text, text, (text, {text: text})]


values = {
    "plain": {"a": [1, 2.5, None, True, -3, 1 << 40, 1 << 80], "b": (b"bytes", "text \u2764", {1, 2}, frozenset([3]))},
    "ordered": collections.OrderedDict(a=1, b=collections.Counter("aab")),
    "dates": [datetime.date(2026, 1, 2), range(3), slice(1, 2), complex(1, 2), bytearray(b"x")],
    "shared": shared(),
    "system": Calls(os.system, "id"),
    "eval": Calls(eval, "1"),
    "nested": Calls(pickle.loads, pickle.dumps(Calls(os.system, "id"))),
}

os.makedirs(OUT, exist_ok=True)
for name, value in values.items():
    for protocol in range(6):
        with open(os.path.join(OUT, f"{name}-{protocol}"), "wb") as f:
            f.write(pickle.dumps(value, protocol=protocol))
