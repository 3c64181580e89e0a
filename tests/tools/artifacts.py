#!/usr/bin/env python3
"""Puts artifacts of other tools, and hostile ones, into a registry without logins.

    artifacts.py HOST:PORT KIND REPOSITORY:TAG      # prints the manifest's digest; index-* also those of its manifests
"""
import gzip
import hashlib
import io
import json
import sys
import tarfile
import urllib.parse
import urllib.request

host, kind, reference = sys.argv[1:4]
repository, tag = reference.split(":")
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
INDEX = "application/vnd.oci.image.index.v1+json"
DOCKER = "application/vnd.docker.distribution.manifest.v2+json"
EMPTY = "application/vnd.oci.empty.v1+json"
KITOPS = "application/vnd.kitops.modelkit."
TITLE = "org.opencontainers.image.title"
TINY = open("model/model.safetensors", "rb").read()


def call(method, url, data=None, **headers):
    request = urllib.request.Request(url, data=data, method=method, headers={k.replace("_", "-"): v for k, v in headers.items()})
    return urllib.request.urlopen(request)


def digest(data):
    return "sha256:" + hashlib.sha256(data).hexdigest()


def blob(media_type, data, annotations=None, **more):
    answer = call("POST", "http://%s/v2/%s/blobs/uploads/" % (host, repository), b"")
    url = urllib.parse.urljoin("http://%s/" % host, answer.headers["Location"])
    url += ("&" if "?" in url else "?") + "digest=" + digest(data)
    call("PUT", url, data, Content_Type="application/octet-stream")
    d = {"mediaType": media_type, "digest": digest(data), "size": len(data)}
    if annotations:
        d["annotations"] = annotations
    d.update(more)
    return d


def put(name, text, media_type):
    text = text if isinstance(text, bytes) else json.dumps(text).encode()
    call("PUT", "http://%s/v2/%s/manifests/%s" % (host, repository, name), text, Content_Type=media_type)
    return {"mediaType": media_type, "digest": digest(text), "size": len(text)}


def manifest(config, layers, media_type=MANIFEST, name=None, **more):
    doc = {"schemaVersion": 2, "mediaType": media_type, "config": config, "layers": layers}
    doc.update(more)
    return put(name or tag, doc, media_type)


def tar(files, compress=False):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as t:
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            t.addfile(info, io.BytesIO(data))
    return gzip.compress(out.getvalue(), mtime=0) if compress else out.getvalue()


def modelpack(prefix="cncf", ids="diffIds", name=None):
    layer = blob("application/vnd.%s.model.weight.v1.raw" % prefix, TINY, {"org.%s.model.filepath" % prefix: "model.safetensors"})
    config = {"descriptor": {"name": "x"}, "config": {}, "modelfs": {"type": "layers", ids: [layer["digest"]]}}
    return manifest(blob("application/vnd.%s.model.config.v1+json" % prefix, json.dumps(config).encode()), [layer], name=name,
                    artifactType="application/vnd.%s.model.manifest.v1+json" % prefix)


def titled(name=None, data=TINY):
    return manifest(blob(EMPTY, b"{}"), [blob("application/octet-stream", data, {TITLE: "model.safetensors"})], name=name, artifactType="a/b")


def index(children, media_type=INDEX):
    return put(tag, {"schemaVersion": 2, "mediaType": media_type, "manifests": children}, media_type)


def image(name, media_type=MANIFEST):
    config = blob("application/vnd.oci.image.config.v1+json", b'{"architecture":"amd64","os":"linux","rootfs":{"type":"layers","diff_ids":[]}}')
    return manifest(config, [blob("application/vnd.oci.image.layer.v1.tar", tar({"bin/sh": b"x"}))], media_type, name=name)


def hostile(what):
    layer = {"mediaType": "application/octet-stream", "digest": digest(TINY), "size": len(TINY), "annotations": {TITLE: "model.safetensors"}}
    config = blob(EMPTY, b"{}")
    blob("application/octet-stream", TINY)
    layers = [layer]
    if what == "traversal":
        layer["annotations"][TITLE] = "../../escaped"
    elif what == "absolute":
        layer["annotations"][TITLE] = "/tmp/escaped\x1b[31m"
    elif what == "same-path":
        layers.append(dict(layer))
    elif what == "huge-size":
        layer["size"] = 2 ** 60
    elif what == "negative-size":
        layer["size"] = -1
    elif what == "sum-overflows":
        layers = [dict(layer, size=2 ** 50, digest="sha256:%064x" % i, annotations={TITLE: "f%d" % i}) for i in range(4000)]
    elif what == "wrong-size":
        layer["size"] = 10
    elif what == "no-layers":
        layers = []
    elif what == "upper-digest":
        layer["digest"] = layer["digest"].upper()
    elif what == "subject-only":
        return manifest(config, layers, subject={"mediaType": MANIFEST, "digest": digest(b"x"), "size": 1})
    elif what == "not-json":
        return put(tag, b"\x1b[31m<html>", MANIFEST)
    elif what == "too-large":
        return put(tag, b" " * (5 << 20) + b"{}", MANIFEST)
    elif what == "deep":
        return put(tag, b'{"schemaVersion":2,"config":' + b"[" * 100000 + b"]" * 100000 + b"}", MANIFEST)
    elif what == "index-in-index":
        inner = put("inner", {"schemaVersion": 2, "mediaType": INDEX, "manifests": []}, INDEX)
        return index([inner] * 3)
    return manifest(config, layers)


if kind == "modelpack-old":
    done = modelpack("cnai", "diff_ids")
elif kind == "kitops":
    done = manifest(blob(KITOPS + "config.v1+json", b'{"manifestVersion":"1.0","model":{"path":"model.safetensors"}}'), [
        blob(KITOPS + "model.v1.tar+gzip", tar({"model.safetensors": TINY}, True)), blob(KITOPS + "docs.v1.tar", tar({"docs/README.md": b"# kit\n"})),
        blob(KITOPS + "dataset.v1.tar+gzip", tar({"data/rows.csv": b"a,b\n"}, True))])
elif kind == "docker-model":
    prefix = "application/vnd.docker.ai."
    done = manifest(blob(prefix + "model.config.v0.2+json", b'{"config":{"format":"gguf"},"descriptor":{},"rootfs":{}}'), [
        blob(prefix + "gguf.v3", b"GGUF-not-really"), blob(prefix + "license", b"free"),
        blob(prefix + "model.file", b"{}", {"org.cncf.model.filepath": "sub/tokenizer.json"})])
elif kind == "ollama":
    prefix = "application/vnd.ollama.image."
    done = manifest(blob("application/vnd.docker.container.image.v1+json", b'{"model_format":"gguf"}'), [
        blob(prefix + "model", b"GGUF-not-really"), blob(prefix + "params", b'{"temperature":0.5}'), blob(prefix + "template", b"{{ .Prompt }}")], DOCKER)
elif kind == "oras":
    done = manifest(blob(EMPTY, b"{}"), [
        blob("application/vnd.oci.image.layer.v1.tar", TINY, {TITLE: "model.safetensors"}),
        blob("application/vnd.oci.image.layer.v1.tar+gzip", tar({"folder/notes.txt": b"notes\n"}, True),
             {TITLE: "folder", "io.deis.oras.content.unpack": "true"})], artifactType="application/x-model")
elif kind == "index-one":
    done = index([dict(image("img"), platform={"architecture": "amd64", "os": "linux"}), modelpack(name="one")])
elif kind == "index-two":
    children = [modelpack(name="one"), titled("two")]
    print(index(children)["digest"])
    print(children[1]["digest"])
    sys.exit(0)
elif kind == "image-list":
    done = index([dict(image("img", DOCKER), platform={"architecture": "amd64", "os": "linux"})],
                 "application/vnd.docker.distribution.manifest.list.v2+json")
elif kind.startswith("hostile-"):
    done = hostile(kind[8:])
else:
    sys.exit("artifacts.py: no kind '%s'" % kind)
print(done["digest"])
