#!/usr/bin/env python3
"""Records what River's detectors say about the streams of its documentation and about others, for tests/unit/test_stats_detect.c.

usage: detectors.py (with River 0.26 from PyPI); writes detectors.txt, stream-bits.csv and stream-steps.csv beside itself.
"""
import pathlib
import random

import river
from river import drift
from river.drift import kswin
from river.drift.binary import DDM, EDDM, HDDMA, HDDMW

HERE = pathlib.Path(__file__).parent
U64 = (1 << 64) - 1


class Sampler:
    """In place of Python's generator in KSWIN: ours (splitmix64 that begins at seed + values so far, Fisher-Yates)."""

    def __init__(self, seed):
        self.seed, self.calls = seed, 0

    def sample(self, older, n):
        pool = list(older)
        state = self.seed + len(pool) + n + self.calls
        self.calls += 1
        for i in range(n):
            state = (state + 0x9E3779B97F4A7C15) & U64
            z = state
            z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & U64
            z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & U64
            z ^= z >> 31
            j = i + int((z >> 11) * 2.0**-53 * (len(pool) - i))
            pool[i], pool[j] = pool[j], pool[i]
        return pool[:n]


class Random:
    Random = Sampler


kswin.random = Random

BINARY = [
    ("ddm", lambda: DDM()),
    ("ddm warm=50 warning=1.5 drift=2.5", lambda: DDM(50, 1.5, 2.5)),
    ("eddm", lambda: EDDM()),
    ("eddm warning=0.8 drift=0.75", lambda: EDDM(alpha=0.8, beta=0.75)),
    ("hddm-a", lambda: HDDMA()),
    ("hddm-a drift=0.01 warning=0.05", lambda: HDDMA(0.01, 0.05)),
    ("hddm-w", lambda: HDDMW()),
    ("hddm-w lambda=0.01", lambda: HDDMW(lambda_val=0.01)),
]
ANY = [
    ("adwin", lambda: drift.ADWIN()),
    ("adwin delta=0.05 clock=1", lambda: drift.ADWIN(delta=0.05, clock=1)),
    ("adwin min-part=20 grace=100", lambda: drift.ADWIN(min_window_length=20, grace_period=100)),
    ("page-hinkley", lambda: drift.PageHinkley()),
    ("page-hinkley threshold=5 delta=0.01", lambda: drift.PageHinkley(threshold=5, delta=0.01)),
    ("kswin", lambda: drift.KSWIN(seed=42)),
    ("kswin alpha=0.0001 window=200 recent=50 seed=7", lambda: drift.KSWIN(alpha=0.0001, window_size=200, stat_size=50, seed=7)),
]


def numbers(kind, seed, segments):
    """The generator of docs/statistics.md: bits with P(1) = level, or uniform numbers around level."""
    for n, level in segments:
        for _ in range(n):
            seed = (1664525 * seed + 1013904223) % 2**32
            u = seed / 2**32
            yield int(u < level) if kind == "bits" else level + u - 0.5


def signals(detector, stream):
    """Every drift, and every change between warning and none."""
    before, said = "n", []
    for i, x in enumerate(stream):
        detector.update(x)
        now = "d" if detector.drift_detected else "w" if getattr(detector, "warning_detected", False) else "n"
        if now == "d" or now != before:
            said.append(f"{i}{now}")
        before = now
    return " ".join(said)


def main():
    rng = random.Random(42)
    bits = rng.choices([0, 1], k=1000) + rng.choices([0, 1], k=1000, weights=[0.3, 0.7])
    rng = random.Random(12345)
    steps = rng.choices([0, 1], k=1000) + rng.choices(range(4, 8), k=1000)
    out = [f"# Made by detectors.py with River {river.__version__}: index and d(rift), w(arning) or n(either)."]
    for name, stream, detectors in (("bits", bits, BINARY + ANY), ("steps", steps, ANY)):
        (HERE / f"stream-{name}.csv").write_text("x\n" + "".join(f"{x}\n" for x in stream))
        out.append(f"file stream-{name}.csv")
        out += [f"{words}: {signals(make(), stream)}" for words, make in detectors]
    rng = random.Random(20261121)
    for i in range(24):
        kind = "bits" if i % 2 == 0 else "numbers"
        segments = [(rng.randrange(300, 2500), round(rng.uniform(0, 0.9) if kind == "bits" else rng.uniform(-1, 1), 3)) for _ in range(4)]
        if i % 4 >= 2:  # no change at all
            segments = segments[:1]
        seed = rng.randrange(2**32)
        out.append(f"{kind} {seed} " + " ".join(f"{n} {level!r}" for n, level in segments))
        stream = list(numbers(kind, seed, segments))
        out += [f"{words}: {signals(make(), stream)}" for words, make in (BINARY if kind == "bits" else []) + ANY]
    (HERE / "detectors.txt").write_text("\n".join(out) + "\n")


main()
