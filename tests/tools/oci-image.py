#!/usr/bin/env python3
"""Makes a container image as an OCI layout, by nothing but the standard library.

    oci-image.py OUT [--tar] [--gzip] [--tag NAME]... [--user USER] [--cwd PATH] [--env NAME=VALUE]... [--file FROM:TO]...
                 [--layer JSON]... [--arch NAME] -- WORD...

OUT is a folder, with --tar a file. The first layer has each --file, and for programs the libraries that ldd names, at their own
paths. Every --layer is one more: a list of entries, [path, what] where what is text for a file, {"link": to}, {"hard": to},
{"folder": mode}, {"device": true}, or {"mode": n, "text": ..., "uid": n, "name": bytes in latin-1}. WORD... is what the image runs.
"""
import argparse
import gzip
import hashlib
import io
import json
import os
import platform
import shutil
import subprocess
import sys
import tarfile
import tempfile

words = sys.argv[sys.argv.index("--") + 1:] if "--" in sys.argv else []
options = argparse.ArgumentParser()
options.add_argument("out")
options.add_argument("--tar", action="store_true")
options.add_argument("--gzip", action="store_true")
options.add_argument("--damage", action="store_true", help="the last layer has other bytes than its name says")
for many in ("tag", "env", "file", "layer"):
    options.add_argument("--" + many, action="append", default=[])
for one in ("user", "cwd"):
    options.add_argument("--" + one)
options.add_argument("--arch", default={"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), platform.machine()))
o = options.parse_args(sys.argv[1:sys.argv.index("--")] if "--" in sys.argv else None)


def libraries(path):
    told = subprocess.run(["ldd", path], capture_output=True, text=True).stdout
    for line in told.splitlines():
        for word in line.split():
            if word.startswith("/") and os.path.exists(word):
                yield word


def layer_of_files():
    seen, buf = set(), io.BytesIO()
    with tarfile.open(fileobj=buf, mode="w", format=tarfile.PAX_FORMAT) as tar:
        def add(source, name):
            if name in seen:
                return
            seen.add(name)
            info = tar.gettarinfo(os.path.realpath(source), name.lstrip("/"))
            info.uid = info.gid = 0
            with open(source, "rb") as f:
                tar.addfile(info, f)
        for pair in o.file:
            source, name = pair.split(":")
            add(source, name)
            for library in libraries(source):
                add(library, library)
    return buf.getvalue()


def layer_of_entries(entries):
    buf = io.BytesIO()
    with tarfile.open(fileobj=buf, mode="w", format=tarfile.GNU_FORMAT) as tar:
        for path, what in entries:
            info, text = tarfile.TarInfo(path), b""
            what = {"text": what} if isinstance(what, str) else what
            info.mode, info.uid = what.get("mode", 0o755), what.get("uid", 0)
            if "link" in what:
                info.type, info.linkname = tarfile.SYMTYPE, what["link"]
            elif "hard" in what:
                info.type, info.linkname = tarfile.LNKTYPE, what["hard"]
            elif "folder" in what:
                info.type, info.mode = tarfile.DIRTYPE, what["folder"]
            elif "device" in what:
                info.type = tarfile.CHRTYPE
            else:
                text = what["text"].encode()
            info.size = len(text)
            tar.addfile(info, io.BytesIO(text))
    return buf.getvalue()


folder = tempfile.mkdtemp() if o.tar else o.out
os.makedirs(folder + "/blobs/sha256", exist_ok=True)


def blob(data, media_type, bad=False):
    digest = hashlib.sha256(data).hexdigest()
    with open(f"{folder}/blobs/sha256/{digest}", "wb") as f:
        f.write(data[:-1] + b"x" if bad else data)
    return {"mediaType": media_type, "digest": "sha256:" + digest, "size": len(data)}


plain = ([layer_of_files()] if o.file else []) + [layer_of_entries(json.loads(text)) for text in o.layer]
layers = []
for i, data in enumerate(plain):
    packed = gzip.compress(data, mtime=0) if o.gzip else data
    layers.append(blob(packed, "application/vnd.oci.image.layer.v1.tar" + ("+gzip" if o.gzip else ""),
                       o.damage and i + 1 == len(plain)))
config = {"architecture": o.arch, "os": "linux",
          "config": {k: v for k, v in (("Entrypoint", words), ("User", o.user), ("WorkingDir", o.cwd), ("Env", o.env)) if v},
          "rootfs": {"type": "layers", "diff_ids": ["sha256:" + hashlib.sha256(p).hexdigest() for p in plain]}}
manifest = {"schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "config": blob(json.dumps(config).encode(), "application/vnd.oci.image.config.v1+json"), "layers": layers}
entry = blob(json.dumps(manifest).encode(), manifest["mediaType"])
entry["platform"] = {"architecture": o.arch, "os": "linux"}
index = {"schemaVersion": 2, "manifests": [dict(entry, annotations={"org.opencontainers.image.ref.name": tag}) for tag in o.tag] or [entry]}
with open(folder + "/index.json", "w") as f:
    json.dump(index, f)
with open(folder + "/oci-layout", "w") as f:
    f.write('{"imageLayoutVersion": "1.0.0"}')
if o.tar:
    with tarfile.open(o.out, "w") as tar:
        for name in ("oci-layout", "index.json", "blobs"):
            tar.add(f"{folder}/{name}", name)
    shutil.rmtree(folder)
