#!/usr/bin/env python3
"""Pushes and pulls a bundle while killing the program at random points, and counts what has to be moved again.

    kill-sync.py MLOPSCTL FOLDER [--s3 BUCKET] [--size 1G] [--kills 200] [--parallel 2] [--seed 1]

Half of the kills hit pushes to a remote, half hit pulls from it: a folder below FOLDER, or a bucket (the service and
the key come from RGW_URL, RGW_KEY, RGW_SECRET). After each kill
  - `remote check --deep` finds no fault, and the tag leads to the old or to the new bundle,
  - what was moved (to a folder: what the program wrote; S3: what a proxy in between passed on) is compared with what
    is whole since: the difference was moved in vain and will be moved again. It must not exceed one pack (a pull: one
    request) per connection.
Exit 1 when something of that does not hold. The last line holds the figures.
"""
import argparse
import hashlib
import json
import os
import random
import shutil
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
import urllib.parse

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import s3  # noqa: E402

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


class Folder:
    """A folder remote; what was moved is what the program wrote."""

    def __init__(self, folder):
        self.url = os.path.join(folder, "share")
        self.env = dict(os.environ)

    def keep_old(self):
        shutil.copytree(self.url, self.url + ".old")

    def as_of_old(self):
        shutil.rmtree(self.url, ignore_errors=True)
        shutil.copytree(self.url + ".old", self.url)

    def begin(self):
        pass

    def moved(self, pid, _what):
        try:
            with open(f"/proc/{pid}/io") as f:
                return int(next(line for line in f if line.startswith("wchar")).split()[1])
        except (OSError, StopIteration, ProcessLookupError):
            return 0

    def settled(self, moved, _what):
        return moved

    def packs(self):
        """{pack: (what changes when it is sent again, size)}"""
        found = {}
        for folder, _, names in os.walk(os.path.join(self.url, "packs")):
            for name in names:
                if not name.startswith("."):
                    st = os.stat(os.path.join(folder, name))
                    found[name] = (st.st_ino, st.st_size)
        return found

    def recipes(self):
        for folder, _, names in os.walk(os.path.join(self.url, "recipes")):
            for name in names:
                with open(os.path.join(folder, name)) as f:
                    yield json.load(f)


class Proxy:
    """Passes on and counts what goes through each way."""

    def __init__(self, upstream):
        self.upstream = urllib.parse.urlsplit(upstream)
        self.server = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.url = f"http://127.0.0.1:{self.server.getsockname()[1]}"
        self.bytes = {"push": 0, "pull": 0}
        self.open = 0
        self.lock = threading.Lock()
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            near, _ = self.server.accept()
            far = socket.create_connection((self.upstream.hostname, self.upstream.port))
            near.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 18)  # what waits here counts as moved
            for s in (near, far):
                s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with self.lock:
                self.open += 2
            for way in ((near, far, "push"), (far, near, "pull")):
                threading.Thread(target=self.pump, args=way, daemon=True).start()

    def pump(self, source, sink, what):
        try:
            while piece := source.recv(1 << 18):
                with self.lock:
                    self.bytes[what] += len(piece)
                sink.sendall(piece)
        except OSError:
            pass
        for s in (source, sink):
            try:
                s.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
        with self.lock:
            self.open -= 1

    def drained(self):
        """Waits until both ends of every connection are closed."""
        while True:
            with self.lock:
                if self.open == 0:
                    return dict(self.bytes)
            time.sleep(0.01)


class Bucket:
    """A place in a bucket, another one for each push; what was moved is what the proxy passed on."""

    def __init__(self, bucket):
        self.bucket, self.number = bucket, 0
        self.proxy = Proxy(os.environ["RGW_URL"])
        self.env = dict(os.environ, AWS_ENDPOINT_URL=self.proxy.url, AWS_ACCESS_KEY_ID=os.environ["RGW_KEY"],
                        AWS_SECRET_ACCESS_KEY=os.environ["RGW_SECRET"], AWS_REGION="us-east-1")
        self.push_old = None  # set by the bench

    @property
    def url(self):
        return f"s3://{self.bucket}/{self.number}"

    def keep_old(self):
        pass

    def as_of_old(self):
        for _, key in list(s3.listing(self.bucket, f"{self.number}/")):
            s3.call("DELETE", f"/{self.bucket}/{key}")
        self.number += 1
        self.push_old()

    def begin(self):
        self.proxy.drained()
        self.proxy.bytes = {"push": 0, "pull": 0}

    def moved(self, _pid, _what):
        return 0

    def settled(self, _moved, what):
        """What has come to the server whole becomes an object though nobody waits for the answer."""
        moved, seen = self.proxy.drained()[what], None
        while seen != (seen := self.packs()):
            time.sleep(0.2)
        return moved

    def packs(self):
        return {e["Key"]: (e["LastModified"], int(e["Size"]))
                for e in s3.entries(self.bucket, f"{self.number}/packs/")}

    def recipes(self):
        for _, key in s3.listing(self.bucket, f"{self.number}/recipes/"):
            yield json.loads(s3.call("GET", f"/{self.bucket}/{key}")[2])


class Bench:
    def __init__(self, options):
        self.o = options
        self.rng = random.Random(options.seed)
        self.place = Bucket(options.s3) if options.s3 else Folder(options.folder)
        self.place.push_old = lambda: self.run(self.here, "push", "m:1", self.place.url)
        self.here = os.path.join(options.folder, "here")
        self.there = os.path.join(options.folder, "there")
        self.kills = 0
        self.worst = {"push": 0, "pull": 0}
        self.again = {"push": 0, "pull": 0}

    def command(self, home, *args):
        return [self.o.mlopsctl, "--home", home, "-q", *args]

    def run(self, home, *args):
        done = subprocess.run(self.command(home, *args), capture_output=True, text=True,
                              env=self.place.env)
        if done.returncode != 0:
            sys.exit(f"{' '.join(args)}: exit {done.returncode}\n{done.stderr}")
        return done.stdout

    def killed(self, home, what, args, limit):
        """Runs a command and kills it after a random time. (bytes moved, finished)"""
        self.place.begin()
        child = subprocess.Popen(self.command(home, what, *args), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
                                 env=self.place.env)
        time.sleep(self.rng.uniform(0, limit))
        child.send_signal(signal.SIGSTOP)
        moved = self.place.moved(child.pid, what)
        child.send_signal(signal.SIGKILL)
        error = child.stderr.read().decode()
        if child.wait() > 0:
            sys.exit(f"{what} {' '.join(args)}: exit {child.returncode}\n{error}")
        self.kills += child.returncode < 0
        return self.place.settled(moved, what), child.returncode == 0

    def count(self, what, moved, gained):
        vain = max(0, moved - gained)
        self.again[what] += vain
        self.worst[what] = max(self.worst[what], vain)
        if vain > self.o.parallel * PACK + SLACK:
            sys.exit(f"{what}: {vain} bytes have to be moved again after one kill")

    def digest(self):
        refs = json.loads(self.run(self.here, "remote", "refs", self.place.url, "--json"))["refs"]
        return [r["digest"] for r in refs if r["tag"] == "1"][0]

    def check(self, allowed):
        self.run(self.here, "remote", "check", "--read-only", "--deep", self.place.url)
        now = self.digest()
        if now not in allowed:
            sys.exit(f"the tag leads to {now}, which is neither the old bundle nor the new one")
        return now

    # what is whole

    def recipe(self, digest):
        for r in self.place.recipes():
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
        self.place.as_of_old()
        shutil.rmtree(os.path.join(self.here, "cache"), ignore_errors=True)
        done = False
        while not done and self.kills < self.o.kills // 2:
            before = self.place.packs()
            moved, done = self.killed(self.here, "push", ["m:2", self.place.url, "--as", "m:1", *self.width], limit)
            after = self.place.packs()
            if any(after.get(name) != stat for name, stat in before.items()):
                sys.exit("a pack that was there was sent again")
            self.check({old, new})
            if not done:
                self.count("push", moved, sum(s for n, (_, s) in after.items() if n not in before))

    def pull_once(self, recipe, limit):
        shutil.rmtree(self.there, ignore_errors=True)
        done, before = False, 0
        while not done and self.kills < self.o.kills:
            moved, done = self.killed(self.there, "pull", ["m:1", self.place.url, *self.width], limit)
            after = self.whole(recipe)
            if not done:
                self.count("pull", moved, after - before)
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
        self.run(self.here, "push", "m:1", self.place.url)
        old = self.digest()
        self.place.keep_old()
        limit = self.time(self.here, "push", "m:2", self.place.url, "--as", "m:1", *self.width)
        new = self.digest()
        while self.kills < self.o.kills // 2:
            self.push_once(old, new, limit)
        self.run(self.here, "push", "m:2", self.place.url, "--as", "m:1")
        self.check({new})
        limit = self.time(self.there, "pull", "m:1", self.place.url, *self.width)
        recipe = self.recipe(new)
        while self.kills < self.o.kills:
            self.pull_once(recipe, limit)
        self.run(self.there, "pull", "m:1", self.place.url)
        self.run(self.there, "verify", "--all")
        mib = {k: v >> 20 for k, v in self.worst.items()}
        print(f"{self.kills} kills; moved again after one kill at most {mib['push']} MiB (push), {mib['pull']} MiB (pull); "
              f"in all {self.again['push'] >> 20} and {self.again['pull'] >> 20} MiB; no name led to less than all")
        shutil.rmtree(self.o.folder)


def main():
    p = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    p.add_argument("mlopsctl")
    p.add_argument("folder", help="made, and removed at the end")
    p.add_argument("--s3", metavar="BUCKET", help="it is there; RGW_URL, RGW_KEY and RGW_SECRET say where")
    p.add_argument("--size", type=size, default=1 << 30)
    p.add_argument("--kills", type=int, default=200)
    p.add_argument("--parallel", type=int, default=2)
    p.add_argument("--seed", type=int, default=1)
    Bench(p.parse_args()).go()


main()
