#!/usr/bin/env python3
"""Writes OCI image layouts as tars that lie or attack:

    hostile-layouts.py GOOD.tar DIR

GOOD.tar is what `mlopsctl export` wrote for a bundle of one weight file and one small file.
DIR/refused/NAME.tar with DIR/cases: lines of NAME <tab> text that the refusal must contain
DIR/accepted/NAME.tar   unusual, and to be taken in
DIR/inner/NAME.tar      taken in, but a layer that is an archive attacks whoever unpacks it
DIR/cut/NNNNN.tar       beginnings of GOOD.tar, cut around every member's header, in its data, and all over
Only the standard library."""
import hashlib
import io
import json
import os
import sys
import tarfile

GOOD, ROOT = sys.argv[1:]
cases = []
with tarfile.open(GOOD) as t:
    MEMBERS = {m.name: t.extractfile(m).read() for m in t if m.isfile()}
INDEX = json.loads(MEMBERS["index.json"])
ENTRY = INDEX["manifests"][0]
MANIFEST = json.loads(MEMBERS["blobs/sha256/" + ENTRY["digest"][7:]])


def blob(data):
    return "blobs/sha256/" + hashlib.sha256(data).hexdigest()


def digest(data):
    return "sha256:" + hashlib.sha256(data).hexdigest()


def compact(doc):
    return json.dumps(doc, separators=(",", ":")).encode()


def info(name, kind=tarfile.REGTYPE, link="", size=0):
    i = tarfile.TarInfo(name)
    i.type, i.linkname, i.size = kind, link, size
    return i


def tar(members):
    """members: list of (name, bytes) or TarInfo"""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as t:
        for m in members:
            if isinstance(m, tarfile.TarInfo):
                t.addfile(m, io.BytesIO(b"\0" * m.size))
            else:
                t.addfile(info(m[0], size=len(m[1])), io.BytesIO(m[1]))
    return out.getvalue()


def write(path, data):
    path = os.path.join(ROOT, path)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "wb") as f:
        f.write(data)


def refuse(name, members, text):
    write(f"refused/{name}.tar", members if isinstance(members, bytes) else tar(members))
    cases.append((name, text))


def accept(name, members):
    write(f"accepted/{name}.tar", tar(members))


def layout(manifest=None, config=None, index=None, entry=None, more=(), ref=None):
    """The good layout with its documents changed, all digests made right again."""
    m = json.loads(json.dumps(MANIFEST))
    blobs = {k: v for k, v in MEMBERS.items() if k.startswith("blobs/")}
    if config:
        c = json.loads(MEMBERS["blobs/sha256/" + m["config"]["digest"][7:]])
        config(c)
        raw = compact(c)
        blobs[blob(raw)] = raw
        m["config"].update(digest=digest(raw), size=len(raw))
    if manifest:
        manifest(m)
    raw = m if isinstance(m, bytes) else compact(m)
    blobs[blob(raw)] = raw
    e = dict(ENTRY, digest=digest(raw), size=len(raw))
    if ref is not None:
        e["annotations"] = {"org.opencontainers.image.ref.name": ref}
    if entry:
        entry(e)
    i = dict(INDEX, manifests=[e])
    if index:
        index(i)
    return [("oci-layout", MEMBERS["oci-layout"]), ("index.json", compact(i)), *blobs.items(), *more]


def members(*, without=(), **change):
    return [(k, change.get(k, v)) for k, v in MEMBERS.items() if k not in without]


def set_in(path, value):
    def change(doc):
        for key in path[:-1]:
            doc = doc[key]
        doc[path[-1]] = value
    return change


def hostile_members():
    everything = list(MEMBERS.items())
    for what, name, text in (("traversal", "../escaped", "a component '..'"), ("inner-traversal", "blobs/../../escaped", "a component '..'"), ("absolute", "/tmp/escaped", "it is absolute"),
                             ("escape-in-a-name", "a\x1b[2Jb", "a\\x1B[2Jb"), ("backslash", "..\\escaped", "backslash")):
        refuse(f"member-{what}", [(name, b"x")] + everything, text)
    refuse("member-symlink", [info("blobs", tarfile.SYMTYPE, "/tmp")] + everything, "links are refused")
    refuse("member-symlink-then-a-file-through-it", [info("d", tarfile.SYMTYPE, "/tmp"), ("d/escaped", b"x")] + everything, "links are refused")
    refuse("member-hard-link", everything + [info("x", tarfile.LNKTYPE, "index.json")], "links are refused")
    refuse("member-hard-link-out", [info("blobs/sha256/" + "0" * 64, tarfile.LNKTYPE, "/etc/passwd")] + everything, "links are refused")
    for what, kind in (("device", tarfile.CHRTYPE), ("block-device", tarfile.BLKTYPE), ("fifo", tarfile.FIFOTYPE)):
        refuse(f"member-{what}", [info("x", kind)] + everything, "neither a regular file nor a folder")
    refuse("member-twice", everything + [("index.json", MEMBERS["index.json"])], "'index.json': occurs twice")
    refuse("member-blob-twice", everything + [everything[-1]], "occurs twice")
    refuse("member-larger-than-the-archive", b"".join((tar([("x", b"")])[:512].replace(b"00000000000\0", b"77777777777\0", 1),)), "archive")
    header = bytearray(info("x", size=8**11 - 1).tobuf(tarfile.USTAR_FORMAT))
    refuse("member-of-8-gib", bytes(header) + tar(everything), "larger than the archive can hold")


def hostile_blobs():
    name = "blobs/sha256/" + ENTRY["digest"][7:]
    weights = MANIFEST["layers"][0]
    weight_name = "blobs/sha256/" + weights["digest"][7:]
    refuse("blob-manifest-altered", members(**{name: MEMBERS[name][:-1] + b" "}), "but its bytes hash to sha256:")
    refuse("blob-weights-altered", members(**{weight_name: b"\0" + MEMBERS[weight_name][1:]}), "but its bytes hash to sha256:")
    refuse("blob-weights-cut", members(**{weight_name: MEMBERS[weight_name][:-1]}), "but its bytes hash to sha256:")
    refuse("blob-name-is-no-digest", [("blobs/sha256/abc", b"x")] + members(), "a digest has 64 hex digits")
    refuse("blob-name-in-upper-case", [("blobs/sha256/" + "A" * 64, b"x")] + members(), "lower-case hex digits only")
    refuse("blob-missing-manifest", members(without=(name,)), "layout lacks sha256:")
    refuse("blob-missing-weights", members(without=(weight_name,)), "layout lacks sha256:")
    refuse("blob-missing-config", members(without=("blobs/sha256/" + MANIFEST["config"]["digest"][7:],)), "layout lacks sha256:")


def hostile_documents():
    refuse("layout-missing", members(without=("oci-layout",)), "no oci-layout")
    refuse("layout-of-version-2", members(**{"oci-layout": b'{"imageLayoutVersion":"2.0.0"}'}), "version is not 1.0.0")
    refuse("layout-of-a-megabyte", members(**{"oci-layout": b" " * (1 << 20)}), "larger than")
    refuse("index-missing", members(without=("index.json",)), "no index.json")
    refuse("index-empty", members(**{"index.json": b""}), "unfinished document")
    refuse("index-no-json", members(**{"index.json": b"\x1b[2J"}), "index.json: JSON")
    refuse("index-key-twice", members(**{"index.json": MEMBERS["index.json"].replace(b'{"schemaVersion"', b'{"schemaVersion":2,"schemaVersion"', 1)}), "'schemaVersion' stands twice")
    refuse("index-nested-1000", members(**{"index.json": b"[" * 1000 + b"]" * 1000}), "nested too deep")
    refuse("index-without-manifests", members(**{"index.json": b'{"schemaVersion":2}'}), "has no manifests")
    refuse("index-of-nothing", members(**{"index.json": b'{"schemaVersion":2,"manifests":[]}'}), "holds no model")
    refuse("index-of-5-mib", members(**{"index.json": MEMBERS["index.json"] + b" " * (5 << 20)}), "index.json is larger than")
    many = dict(INDEX, manifests=[dict(ENTRY, mediaType="x")] * 10001)
    refuse("index-of-10001-entries", members(**{"index.json": compact(many)}), "more than 10000 entries")
    for what, value in (("negative", -1), ("fraction", 1.5), ("text", "521"), ("2-to-64", 2**64), ("wrong", ENTRY["size"] + 1)):
        refuse(f"index-size-{what}", layout(entry=set_in(["size"], value)), "another size" if what == "wrong" else "'size' is")
    for what, value in (("short", "sha256:abc"), ("traversal", "sha256:../../../../etc/passwd"), ("sha1", "sha1:" + "0" * 40), ("upper-case", ENTRY["digest"].upper())):
        refuse(f"index-digest-{what}", layout(entry=set_in(["digest"], value)), "a digest ")
    refuse("manifest-layer-size-lies", layout(manifest=set_in(["layers", 0, "size"], 71)), "another size than its descriptor says")
    refuse("manifest-of-5-mib", layout(manifest=set_in(["annotations"], {"a": "x" * (5 << 20)})), "manifest is larger than")
    refuse("manifest-without-layers", layout(manifest=lambda m: m.pop("layers")), "has no layers")
    refuse("manifest-of-an-image", layout(manifest=set_in(["config", "mediaType"], "application/vnd.oci.image.config.v1+json")), "holds no model")
    for what, path in (("traversal", "../../etc/cron.d/x"), ("absolute", "/etc/passwd"), ("control", "a\x1b[2Jb"), ("empty", "")):
        refuse(f"manifest-path-{what}", layout(manifest=set_in(["layers", 0, "annotations", "org.cncf.model.filepath"], path)), "unsafe path")
    twice = json.loads(json.dumps(MANIFEST["layers"]))
    refuse("manifest-path-twice", layout(manifest=set_in(["layers"], twice[:1] + twice), config=lambda c: c["modelfs"]["diffIds"].insert(0, twice[0]["digest"])), "differs from its layer")
    refuse("config-unknown-member", layout(config=set_in(["surprise"], 1)), "member 'surprise'")
    refuse("config-other-diff-ids", layout(config=lambda c: c["modelfs"]["diffIds"].__setitem__(0, "sha256:" + "0" * 64)), "diffId 0 is not its layer's digest")
    refuse("config-too-few-diff-ids", layout(config=lambda c: c["modelfs"]["diffIds"].pop()), "fewer diffIds than layers")


def hostile_inner_tars():
    """A layer that is an archive, with the same tricks one level deeper."""
    at = next(i for i, l in enumerate(MANIFEST["layers"]) if l["mediaType"].endswith(".tar"))

    def inner(members):
        raw = tar(members)

        def manifest(m):
            m["layers"][at].update(digest=digest(raw), size=len(raw))
        changed = layout(manifest=manifest, config=lambda c: c["modelfs"]["diffIds"].__setitem__(at, digest(raw)))
        return changed + [(blob(raw), raw)]
    for what, list_ in (("traversal", [("../x", b"x")]), ("absolute", [("/x", b"x")]), ("symlink", [info("config.json", tarfile.SYMTYPE, "/etc/passwd")]),
                        ("hard-link", [("a", b"x"), info("config.json", tarfile.LNKTYPE, "a")]), ("twice", [("config.json", b"x"), ("config.json", b"y")])):
        write(f"inner/{what}.tar", tar(inner(list_)))


def accepted():
    accept("as-it-was", layout())
    accept("reversed", list(reversed(layout())))
    accept("dot-slash", [("./" + n, d) for n, d in layout()])
    accept("unknown-files", layout(more=[("README", b"x"), ("blobs.txt", b"y")]))
    accept("spaces-in-index", [(n, json.dumps(json.loads(d), indent=4).encode() if n == "index.json" else d) for n, d in layout()])
    accept("diff_ids", layout(config=lambda c: c["modelfs"].update(diff_ids=c["modelfs"].pop("diffIds"))))

    def old(m):
        text = compact(m).decode().replace("vnd.cncf.model", "vnd.cnai.model").replace("org.cncf.model", "org.cnai.model")
        m.clear()
        m.update(json.loads(text))
    accept("cnai", layout(manifest=old))
    other = dict(ENTRY, mediaType="application/vnd.oci.image.index.v1+json")
    accept("an-index-beside-it", layout(index=lambda i: i["manifests"].append(other)))
    accept("no-name", layout(entry=lambda e: e.pop("annotations")))
    accept("odd-name", layout(ref="v1\x1b[2J"))
    accept("same-name-twice", layout(index=lambda i: i["manifests"].insert(0, dict(ENTRY))))


def cut():
    with open(GOOD, "rb") as f:
        good = f.read()
    with tarfile.open(GOOD) as t:
        at = {m.offset + d for m in t.getmembers() for d in (0, 1, 511, 512, 513)} | {m.offset_data + m.size // 2 for m in t.getmembers()}
    for n in sorted(at | set(range(0, len(good.rstrip(b"\0")), 997))):
        if n < len(good.rstrip(b"\0")):
            write(f"cut/{n:05d}.tar", good[:n])


for part in (hostile_members, hostile_blobs, hostile_documents, hostile_inner_tars, accepted, cut):
    part()
write("cases", "".join("\t".join(c) + "\n" for c in cases).encode())
