#!/usr/bin/env python3
"""Makes the remote in a folder lie about one bundle, with digests that are right for what it says.

    hostile-remote.py FOLDER NAME/TAG KIND

KIND: traversal, absolute, huge-layer, huge-blob, huge-chunk, other-manifest, no-manifest, no-recipe, flipped-manifest,
flipped-recipe, nothing, not-json, long-ref, deep-ref
"""
import hashlib
import json
import os
import sys


def path_of(folder, kind, digest):
    return os.path.join(folder, kind, "sha256", digest[:2], digest)


def load(folder, kind, digest):
    with open(path_of(folder, kind, digest), encoding="utf-8") as f:
        return json.load(f)


def save(folder, kind, document):
    text = json.dumps(document, separators=(",", ":")).encode()
    digest = hashlib.sha256(text).hexdigest()
    os.makedirs(os.path.dirname(path_of(folder, kind, digest)), exist_ok=True)
    with open(path_of(folder, kind, digest), "wb") as f:
        f.write(text)
    return digest


def lie(folder, kind, manifest, recipe):
    """Digests of a manifest and a recipe that say it."""
    if kind in ("traversal", "absolute"):
        manifest["layers"][0]["annotations"]["org.cncf.model.filepath"] = {
            "traversal": "../escaped", "absolute": os.path.abspath(folder) + "-escaped"}[kind]
    elif kind == "huge-layer":
        manifest["layers"][0]["size"] = 1 << 62
        for blob in recipe["blobs"]:
            if "sha256:" + blob[0] == manifest["layers"][0]["digest"]:
                blob[1] = 1 << 62
    elif kind == "huge-blob":
        recipe["blobs"][0][1] = 1 << 62
    elif kind == "huge-chunk":
        recipe["blobs"][0][1] = recipe["blobs"][0][2][1] = 1 << 31
    digest = save(folder, "manifests", manifest)
    recipe["manifest"] = digest if kind != "other-manifest" else "0" * 64
    return digest, save(folder, "recipes", recipe)


def main(folder, name, kind):
    path = os.path.join(folder, "refs", name)
    with open(path, encoding="utf-8") as f:
        ref = json.load(f)
    digest, recipe = ref["manifest"][7:], ref["recipe"][7:]
    if kind == "no-manifest":
        os.unlink(path_of(folder, "manifests", digest))
    elif kind == "no-recipe":
        os.unlink(path_of(folder, "recipes", recipe))
    elif kind in ("flipped-manifest", "flipped-recipe"):
        with open(path_of(folder, *{"manifest": ("manifests", digest), "recipe": ("recipes", recipe)}[kind[8:]]), "r+b") as f:
            f.seek(20)
            f.write(b"~")
    elif kind == "nothing":
        ref["manifest"], ref["recipe"] = "sha256:" + "1" * 64, "sha256:" + "2" * 64
    else:
        digest, recipe = lie(folder, kind, load(folder, "manifests", digest), load(folder, "recipes", recipe))
        ref["manifest"], ref["recipe"] = "sha256:" + digest, "sha256:" + recipe
    text = json.dumps(ref, separators=(",", ":"))
    text = {"not-json": "{", "long-ref": text + " " * 5000, "deep-ref": "[" * 4000}.get(kind, text)
    with open(path, "w", encoding="utf-8") as f:
        f.write(text)


main(*sys.argv[1:])
