#!/usr/bin/env python3
"""Pushes and pulls a bundle while killing the program at random points, and counts what has to be moved again.

    kill-sync.py MLOPSCTL FOLDER [--size 1G] [--kills 200] [--parallel 2] [--seed 1]

Half of the kills hit pushes to a folder remote below FOLDER, half hit pulls from it. After each kill
  - `remote check --deep` finds no fault, and the tag leads to the old or to the new bundle,
  - what the program had written is compared with what is whole since: the difference was moved in vain and will be
    moved again. It must not exceed one pack (a pull: one request) per connection.
Exit 1 when something of that does not hold. The last line holds the figures.
"""
import argparse
import hashlib
import json
import os
import random
import shutil
import signal
import struct
import subprocess
import sys
import time

SLACK = 4 << 20  # ledger, cache, refs
PACK = 64 << 20


def size(text):
    return int(text[:-1]) << {"K": 10, "M": 20, "G": 30}[text[-1]] if text[-1] in "KMG" else int(text)


def safetensors(path, total, piece, seed):
    """One file of `total` bytes in tensors of `piece` bytes."""
    rng, head = random.Random(seed), {}
    n = max(1, total // piece)
    for i in range(n):
        head[f"t{i:05}"] = {"dtype": "F32", "shape": [piece // 4], "data_offsets": [i * piece, (i + 1) * piece]}
    text = json.dumps(head).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as f:
        f.write(struct.pack("<Q", len(text)) + text)
        for _ in range(n):
            f.write(rng.randbytes(piece))


class Bench:
    def __init__(self, options):
        self.o = options
        self.rng = random.Random(options.seed)
        self.share = os.path.join(options.folder, "share")
        self.here = os.path.join(options.folder, "here")
        self.there = os.path.join(options.folder, "there")
        self.kills = 0
        self.worst = {"push": 0, "pull": 0}
        self.again = {"push": 0, "pull": 0}

    def command(self, home, *args):
        return [self.o.mlopsctl, "--home", home, "-q", *args]

    def run(self, home, *args):
        done = subprocess.run(self.command(home, *args), capture_output=True, text=True)
        if done.returncode != 0:
            sys.exit(f"{' '.join(args)}: exit {done.returncode}\n{done.stderr}")
        return done.stdout

    def killed(self, home, args, limit):
        """Runs a command and kills it after a random time. (bytes written, finished)"""
        child = subprocess.Popen(self.command(home, *args), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        time.sleep(self.rng.uniform(0, limit))
        child.send_signal(signal.SIGSTOP)
        try:
            with open(f"/proc/{child.pid}/io") as f:
                written = int(next(line for line in f if line.startswith("wchar")).split()[1])
        except (OSError, StopIteration, ProcessLookupError):
            written = 0
        child.send_signal(signal.SIGKILL)
        error = child.stderr.read().decode()
        if child.wait() > 0:
            sys.exit(f"{' '.join(args)}: exit {child.returncode}\n{error}")
        self.kills += child.returncode < 0
        return written, child.returncode == 0

    def count(self, what, moved, gained):
        vain = max(0, moved - gained)
        self.again[what] += vain
        self.worst[what] = max(self.worst[what], vain)
        if vain > self.o.parallel * PACK + SLACK:
            sys.exit(f"{what}: {vain} bytes have to be moved again after one kill")

    def digest(self):
        refs = json.loads(self.run(self.here, "remote", "refs", self.share, "--json"))["refs"]
        return [r["digest"] for r in refs if r["tag"] == "1"][0]

    def check(self, allowed):
        self.run(self.here, "remote", "check", "--read-only", "--deep", self.share)
        now = self.digest()
        if now not in allowed:
            sys.exit(f"the tag leads to {now}, which is neither the old bundle nor the new one")
        return now

    # what is whole

    def packs(self):
        found = {}
        for folder, _, names in os.walk(os.path.join(self.share, "packs")):
            for name in names:
                if not name.startswith("."):
                    st = os.stat(os.path.join(folder, name))
                    found[name] = (st.st_ino, st.st_size)
        return found

    def recipe(self, digest):
        for folder, _, names in os.walk(os.path.join(self.share, "recipes")):
            for name in names:
                with open(os.path.join(folder, name)) as f:
                    r = json.load(f)
                if "sha256:" + r["manifest"] == digest:
                    return r
        sys.exit("no recipe of the new bundle")

    def whole(self, recipe):
        """Bytes of the bundle that are in the store, or whole pieces of a begun blob."""
        total = 0
        for name, length, *pieces in recipe["blobs"]:
            if os.path.exists(f"{self.there}/store/blobs/sha256/{name}"):
                total += length
                continue
            begun = f"{self.there}/store/partial/{name}"
            if not os.path.exists(begun):
                continue
            with open(begun, "rb") as f:
                total += sum(n for d, n, *_ in pieces if hashlib.sha256(f.read(n)).hexdigest() == d)
        return total

    # the two halves

    def push_once(self, old, new, limit):
        """A push from nothing, killed until it comes through."""
        shutil.rmtree(self.share, ignore_errors=True)
        shutil.copytree(self.share + ".old", self.share)
        shutil.rmtree(os.path.join(self.here, "cache"), ignore_errors=True)
        done = False
        while not done and self.kills < self.o.kills // 2:
            before = self.packs()
            written, done = self.killed(self.here, ["push", "m:2", self.share, "--as", "m:1", *self.width], limit)
            after = self.packs()
            if any(after.get(name) != stat for name, stat in before.items()):
                sys.exit("a pack that was there was sent again")
            self.check({old, new})
            if not done:
                self.count("push", written, sum(s for n, (_, s) in after.items() if n not in before))

    def pull_once(self, recipe, limit):
        shutil.rmtree(self.there, ignore_errors=True)
        done, before = False, 0
        while not done and self.kills < self.o.kills:
            written, done = self.killed(self.there, ["pull", "m:1", self.share, *self.width], limit)
            after = self.whole(recipe)
            if not done:
                self.count("pull", written, after - before)
            before = after
        if done:
            self.run(self.there, "verify", "--all")

    def time(self, home, *args):
        start = time.monotonic()
        self.run(home, *args)
        return time.monotonic() - start

    def go(self):
        self.width = ["--parallel", str(self.o.parallel)]
        shutil.rmtree(self.o.folder, ignore_errors=True)
        os.makedirs(self.o.folder)
        for tag, total in (("m:1", 1 << 20), ("m:2", self.o.size)):
            model = os.path.join(self.o.folder, "model.safetensors")
            safetensors(model, total, min(total, 5 << 20), self.o.seed + total)
            self.run(self.here, "pack", model, "-t", tag)
            os.unlink(model)
        self.run(self.here, "push", "m:1", self.share)
        old = self.digest()
        shutil.copytree(self.share, self.share + ".old")
        limit = self.time(self.here, "push", "m:2", self.share, "--as", "m:1", *self.width)
        new = self.digest()
        while self.kills < self.o.kills // 2:
            self.push_once(old, new, limit)
        self.run(self.here, "push", "m:2", self.share, "--as", "m:1")
        self.check({new})
        limit = self.time(self.there, "pull", "m:1", self.share, *self.width)
        recipe = self.recipe(new)
        while self.kills < self.o.kills:
            self.pull_once(recipe, limit)
        self.run(self.there, "pull", "m:1", self.share)
        self.run(self.there, "verify", "--all")
        mib = {k: v >> 20 for k, v in self.worst.items()}
        print(f"{self.kills} kills; moved again after one kill at most {mib['push']} MiB (push), {mib['pull']} MiB (pull); "
              f"in all {self.again['push'] >> 20} and {self.again['pull'] >> 20} MiB; no name led to less than all")
        shutil.rmtree(self.o.folder)


def main():
    p = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    p.add_argument("mlopsctl")
    p.add_argument("folder", help="made, and removed at the end")
    p.add_argument("--size", type=size, default=1 << 30)
    p.add_argument("--kills", type=int, default=200)
    p.add_argument("--parallel", type=int, default=2)
    p.add_argument("--seed", type=int, default=1)
    Bench(p.parse_args()).go()


main()
