#!/usr/bin/env python3
"""A strict and faulty OCI registry, written from the distribution specification 1.1.

    registry-double.py PORT-FILE LOG [FAULT[=VALUE]...]

Listens on two ports of the loopback (the registry and a storage host that redirects lead to) and writes "PORT STORAGE-PORT" to
PORT-FILE when it is ready; ends with the shell that started it. LOG gets one line for each request: METHOD PATH STATUS, and lines that begin with FAULT: for what no
client may do (credentials sent elsewhere, a Location that was not the last one, chunks out of order).

Faults:
  basic, token         who may ask: user "u", password "p"; token gives Bearer tokens at /token on the storage port
  identity             token, and only the POST form with the identity token "idt" is taken
  uses=N               a token serves N requests, then it has expired
  redirect             blobs are read from the storage host
  redirect-upload      PUT and PATCH of uploads are sent to the storage host by 307
  partial              every first chunk of an upload is taken half and answered 416
  cut=N                the first N uploads of data lose the connection half-way; the session keeps what came
  stall=N              from the Nth upload of data on nothing is answered, until the file LOG.go is there
  stall-read=N         likewise for reads of blobs, after half of the bytes
  forget               a session that lost its connection is gone
  put500               the last PUT of every blob is answered 500, though the blob is stored
  manifest500          the first PUT of a manifest is answered 500, though it is stored
  bad-digest=N         the first N last PUTs are answered 400 DIGEST_INVALID
  no-digest, wrong-digest   Docker-Content-Digest is left out, or false
  long                 blobs are sent with more bytes than they have
  short                blobs are cut in the middle, once for each
  no-range             Range is ignored
  flip=N               the first N reads of blobs have one byte changed
  no-referrers         no list of referrers
  loop                 a list of tags goes on for ever
  away                 a list of tags goes on at the storage host
  pages                lists have two entries a page
  busy=N               every Nth request is answered 429 with Retry-After: 0
  max-body=N           larger bodies are answered 413
  no-chunks            PATCH is answered 405
  no-mount             mounts become uploads
  no-delete            DELETE is answered 405
  no-tag-delete        DELETE of a tag is answered 400, of a digest it works
  lax                  manifests may name what is not there, and be anything
  warn                 answers carry a Warning
  usurp                after a tag is written somebody else writes it
  head-bare            HEAD has no Content-Length
"""
import base64
import hashlib
import json
import os
import re
import socket
import sys
import threading
import time
import urllib.parse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

port_file, log_path = sys.argv[1:3]
faults = {}
for word in sys.argv[3:]:
    name, _, value = word.partition("=")
    faults[name] = int(value) if value else 1
lock = threading.RLock()
log = open(log_path, "a", buffering=1, encoding="utf-8")
blobs, repositories, sessions, tokens = {}, {}, {}, {}
counters = {"uploads": 0, "reads": 0, "request": 0, "session": 0, "token": 0, "short": set(), "manifest500": 0}
NAME = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*(?:/[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*)*"
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
INDEX = "application/vnd.oci.image.index.v1+json"


def digest_of(data):
    return "sha256:" + hashlib.sha256(data).hexdigest()


def violation(text):
    log.write("FAULT: %s\n" % text)


def spend(name):
    """True as often as the fault's number says."""
    with lock:
        if faults.get(name, 0) <= 0:
            return False
        faults[name] -= 1
        return True


class Repository:
    def __init__(self):
        self.blobs, self.manifests, self.tags = set(), {}, {}


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    storage = False

    def log_message(self, *args):
        pass

    # ---- answers ----

    def answer(self, status, body=b"", **headers):
        log.write("%s %s %d\n" % (self.command, self.path.split("?")[0], status))
        self.send_response(status)
        if "warn" in faults and not self.storage:
            self.send_header("Warning", '299 - "this registry ends \x1b[31msoon"')
        for key, value in headers.items():
            for one in value if isinstance(value, list) else [value]:
                if one is not None:
                    self.send_header(key.replace("_", "-"), str(one))
        if "Content_Length" not in headers and status not in (204, 304):
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD" and body:
            self.wfile.write(body)

    def error(self, status, code, message="", **headers):
        body = json.dumps({"errors": [{"code": code, "message": message or code.lower()}]}).encode()
        self.answer(status, body, Content_Type="application/json", **headers)

    def stall(self, what, name):
        counters[what] += 1
        if faults.get(name) and counters[what] >= faults[name] and not os.path.exists(log_path + ".go"):
            log.write("STALL\n")
            while not os.path.exists(log_path + ".go"):
                time.sleep(0.02)
            self.hang_up()
            return True
        return False

    def hang_up(self):
        log.write("%s %s cut\n" % (self.command, self.path.split("?")[0]))
        self.close_connection = True
        try:
            self.connection.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass

    # ---- bodies ----

    def read_body(self, part=1.0):
        length = int(self.headers.get("Content-Length", "0"))
        return self.rfile.read(int(length * part))

    # ---- who may ask ----

    def challenge(self, scope):
        if "basic" in faults:
            return ['Basic realm="a \\"quoted\\" realm"', "Negotiate"]
        realm = "http://127.0.0.1:%d/token" % storage_port
        return ['Bearer realm="%s",service="double, strict",scope="%s"' % (realm, scope), 'Basic realm="not this"']

    def allowed(self, scope):
        got = self.headers.get("Authorization", "")
        if "basic" in faults:
            return got == "Basic " + base64.b64encode(b"u:p").decode()
        if "token" not in faults and "identity" not in faults:
            return True
        with lock:
            entry = tokens.get(got[7:] if got.startswith("Bearer ") else "")
            if not entry or entry["uses"] <= 0:
                return False
            entry["uses"] -= 1
            have = entry["scopes"]
        if scope == "":
            return True
        kind, name, actions = scope.split(":")
        return any(h.split(":")[0] == kind and h.split(":")[1] == name and set(actions.split(",")) <= set(h.split(":")[2].split(","))
                   for h in have)

    def check(self, scope):
        counters["request"] += 1
        if faults.get("busy") and counters["request"] % faults["busy"] == 0:
            self.read_body()
            self.error(429, "TOOMANYREQUESTS", Retry_After=0)
            return False
        if self.allowed(scope):
            return True
        self.read_body()
        self.error(401, "UNAUTHORIZED", WWW_Authenticate=self.challenge(scope))
        return False

    def give_token(self, form):
        got = self.headers.get("Authorization", "")
        if "identity" in faults:
            if self.command != "POST" or form.get("refresh_token") != ["idt"] or form.get("grant_type") != ["refresh_token"]:
                return self.error(401, "UNAUTHORIZED")
            scopes = form.get("scope", [""])[0].split(" ")
        else:
            if got != "Basic " + base64.b64encode(b"u:p").decode():
                return self.error(401, "UNAUTHORIZED", "wrong login")
            scopes = form.get("scope", [])
        if form.get("service") != ["double, strict"]:
            violation("service is %r" % form.get("service"))
        with lock:
            counters["token"] += 1
            text = "tok-%d" % counters["token"]
            tokens[text] = {"scopes": [s for s in scopes if s], "uses": faults.get("uses", 1000000)}
        self.answer(200, json.dumps({"access_token": text, "expires_in": 300}).encode(), Content_Type="application/json")

    # ---- methods ----

    def handle_method(self):
        parts = urllib.parse.urlsplit(self.path)
        self.query = urllib.parse.parse_qs(parts.query, keep_blank_values=True)
        path = parts.path
        if self.storage:
            return self.storage_method(path)
        if path == "/forget-sessions":  # not of the protocol: for tests
            sessions.clear()
            return self.answer(204)
        if path == "/v2/":
            return self.answer(200, b"{}") if self.check("") else None
        if path == "/v2/_catalog":
            if self.check("registry:catalog:*"):
                self.listing("repositories", sorted(repositories))
            return None
        for pattern, method in (("/v2/(%s)/blobs/uploads/" % NAME, self.uploads), ("/v2/(%s)/blobs/uploads/([^/]+)" % NAME, self.session),
                                ("/v2/(%s)/blobs/([^/]+)" % NAME, self.blob), ("/v2/(%s)/manifests/([^/]+)" % NAME, self.manifest),
                                ("/v2/(%s)/referrers/([^/]+)" % NAME, self.referrers), ("/v2/(%s)/tags/list" % NAME, self.tags)):
            m = re.fullmatch(pattern, path)
            if m:
                return method(*m.groups())
        self.read_body()
        return self.error(404, "NAME_INVALID")

    do_GET = do_HEAD = do_PUT = do_POST = do_PATCH = do_DELETE = handle_method

    def storage_method(self, path):
        if path == "/token":
            form = urllib.parse.parse_qs(self.read_body().decode()) if self.command == "POST" else self.query
            return self.give_token(form)
        if self.headers.get("Authorization"):
            violation("credentials at the storage host: %s %s" % (self.command, path))
        m = re.fullmatch("/data/([^/]+)", path)
        if m:
            return self.send_blob(m.group(1))
        m = re.fullmatch("/(%s)/upload/([^/]+)" % NAME, path)
        if m:
            return self.take_upload(*m.groups())
        return self.error(404, "UNKNOWN")

    # ---- blobs ----

    def send_blob(self, digest):
        data = blobs[digest]
        if self.command == "HEAD":
            return self.answer(200, Content_Length=None if "head-bare" in faults else len(data), Docker_Content_Digest=digest)
        first, status, extra = 0, 200, {}
        m = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
        if m and "no-range" not in faults:
            first = int(m.group(1))
            last = min(int(m.group(2) or len(data) - 1), len(data) - 1)
            extra["Content_Range"] = "bytes %d-%d/%d" % (first, last, len(data))
            status = 206
        body = data[first:]
        if body and spend("flip"):
            body = body[:-1] + bytes([body[-1] ^ 1])
        if "long" in faults:
            body += b"more"
        if "short" in faults and len(body) > 1000 and digest not in counters["short"]:
            counters["short"].add(digest)
            self.answer(status, b"", Content_Length=len(body), **extra)
            self.wfile.write(body[:len(body) // 2])
            self.wfile.flush()
            return self.hang_up()
        log.write("BLOB %d\n" % len(body))
        if "stall-read" in faults and len(body) > 1000:
            self.send_response(status)
            for key, value in extra.items():
                self.send_header(key.replace("_", "-"), value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body[:len(body) // 2])
            self.wfile.flush()
            return None if self.stall("reads", "stall-read") else self.wfile.write(body[len(body) // 2:])
        return self.answer(status, body, Docker_Content_Digest=digest, **extra)

    def blob(self, name, digest):
        if not self.check("repository:%s:pull" % name):
            return None
        repository = repositories.get(name)
        if not repository or digest not in repository.blobs:
            return self.error(404, "BLOB_UNKNOWN")
        if self.command == "GET" and "redirect" in faults:
            return self.answer(307, Location="http://127.0.0.1:%d/data/%s" % (storage_port, digest))
        return self.send_blob(digest)

    def location(self, name, uuid):
        s = sessions[uuid]
        s["state"] += 1
        return "/v2/%s/blobs/uploads/%s?state=%d&with=a%%20query" % (name, uuid, s["state"])

    def uploads(self, name):
        if "mount" in self.query:
            source = self.query["from"][0]
            if not self.check("repository:%s:pull,push" % name):
                return None
            digest = self.query["mount"][0]
            if "no-mount" not in faults and digest in repositories.get(source, Repository()).blobs:
                if "token" in faults and not self.allowed("repository:%s:pull" % source):
                    violation("mount without the right to read %s" % source)
                repositories.setdefault(name, Repository()).blobs.add(digest)
                return self.answer(201, Location="/v2/%s/blobs/%s" % (name, digest), Docker_Content_Digest=digest)
        elif not self.check("repository:%s:pull,push" % name):
            return None
        self.read_body()
        with lock:
            counters["session"] += 1
            uuid = "u%d" % counters["session"]
            sessions[uuid] = {"data": b"", "state": 0, "patched": False, "lock": threading.RLock()}
        return self.answer(202, Location=self.location(name, uuid), Range="0-0", Docker_Upload_UUID=uuid)

    def session(self, name, uuid):
        if not self.check("repository:%s:pull,push" % name):
            return None
        if self.command in ("PUT", "PATCH") and "redirect-upload" in faults:
            self.read_body()
            query = urllib.parse.urlsplit(self.path).query
            return self.answer(307, Location="http://127.0.0.1:%d/%s/upload/%s?%s" % (storage_port, name, uuid, query))
        return self.take_upload(name, uuid)

    def take_upload(self, name, uuid):
        s = sessions.get(uuid)
        if not s:
            self.read_body()
            return self.error(404, "BLOB_UPLOAD_UNKNOWN")
        with s["lock"]:
            return self.take_locked(name, uuid, s)

    def progress(self, s):
        return "0-%d" % max(len(s["data"]) - 1, 0)

    def take_locked(self, name, uuid, s):
        if uuid not in sessions:  # while it waited
            self.read_body()
            return self.error(404, "BLOB_UPLOAD_UNKNOWN")
        if self.query.get("with") != ["a query"]:
            violation("the location's query was not kept: %s" % self.path)
        if self.command == "GET":
            return self.answer(204, Location=self.location(name, uuid), Range=self.progress(s))
        if self.query.get("state") != [str(s["state"])]:
            violation("an old location: %s, now state %d" % (self.path, s["state"]))
        if self.command == "DELETE":
            del sessions[uuid]
            return self.answer(204)
        length = int(self.headers.get("Content-Length", "0"))
        if faults.get("max-body") and length > faults["max-body"]:
            self.read_body()
            return self.error(413, "SIZE_INVALID")
        if length > 1 and self.stall("uploads", "stall"):
            return None
        log.write("DATA %d\n" % length)
        if length > 1 and spend("cut"):
            s["data"] += self.read_body(0.5)
            if "forget" in faults:
                del sessions[uuid]
            return self.hang_up()
        return self.patch(name, uuid, s) if self.command == "PATCH" else self.put(name, uuid, s)

    def patch(self, name, uuid, s):
        if "no-chunks" in faults:
            self.read_body()
            return self.error(405, "UNSUPPORTED")
        data = self.read_body()
        m = re.fullmatch(r"(\d+)-(\d+)", self.headers.get("Content-Range", ""))
        if not m or int(m.group(2)) - int(m.group(1)) + 1 != len(data):
            violation("Content-Range %r for %d bytes" % (self.headers.get("Content-Range"), len(data)))
        if int(m.group(1)) != len(s["data"]):
            return self.error(416, "BLOB_UPLOAD_INVALID", Range=self.progress(s), Location=self.location(name, uuid))
        if "partial" in faults and not s["patched"]:
            s["patched"] = True
            s["data"] += data[:len(data) // 2]
            return self.error(416, "BLOB_UPLOAD_INVALID", Location=self.location(name, uuid))
        s["data"] += data
        return self.answer(202, Location=self.location(name, uuid), Range=self.progress(s))

    def put(self, name, uuid, s):
        s["data"] += self.read_body()
        digest = self.query.get("digest", [""])[0]
        if spend("bad-digest") or digest_of(s["data"]) != digest:
            del sessions[uuid]
            return self.error(400, "DIGEST_INVALID")
        blobs[digest] = s["data"]
        repositories.setdefault(name, Repository()).blobs.add(digest)
        del sessions[uuid]
        if "put500" in faults:
            return self.error(500, "UNKNOWN", "stored, but I do not tell")
        return self.answer(201, Location="/v2/%s/blobs/%s" % (name, digest), Docker_Content_Digest=digest)

    # ---- manifests ----

    def manifest(self, name, reference):
        actions = {"GET": "pull", "HEAD": "pull", "PUT": "pull,push", "DELETE": "delete"}
        if not self.check("repository:%s:%s" % (name, actions.get(self.command, "push"))):
            return None
        if self.command == "PUT":
            return self.put_manifest(name, reference)
        repository = repositories.get(name)
        if not repository:
            return self.error(405 if self.command == "DELETE" and "no-delete" in faults else 404, "NAME_UNKNOWN")
        if self.command == "DELETE":
            return self.delete_manifest(repository, reference)
        digest = repository.tags.get(reference, reference)
        if digest not in repository.manifests:
            return self.error(404, "MANIFEST_UNKNOWN")
        kind, text = repository.manifests[digest]
        if kind not in self.headers.get("Accept", ""):
            violation("Accept %r lacks %s" % (self.headers.get("Accept"), kind))
        said = None if "no-digest" in faults else "sha256:" + "0" * 64 if "wrong-digest" in faults else digest
        return self.answer(200, text, Content_Type=kind, Docker_Content_Digest=said)

    def put_manifest(self, name, reference):
        text = self.read_body()
        repository = repositories.setdefault(name, Repository())
        digest, kind = digest_of(text), self.headers.get("Content-Type", "")
        subject = None
        if "lax" not in faults:
            doc = json.loads(text)
            if doc.get("mediaType", MANIFEST) != kind:
                violation("Content-Type %s for %s" % (kind, doc.get("mediaType")))
            for d in [doc["config"]] + doc["layers"] if "layers" in doc else []:
                if d["digest"] not in repository.blobs:
                    return self.error(404, "MANIFEST_BLOB_UNKNOWN", d["digest"])
            subject = doc.get("subject", {}).get("digest")
        repository.manifests[digest] = (kind, text)
        if not reference.startswith("sha256:"):
            repository.tags[reference] = digest
            if "usurp" in faults:
                other = b'{"schemaVersion":2,"manifests":[]}'
                repository.manifests[digest_of(other)] = (INDEX, other)
                repository.tags[reference] = digest_of(other)
        elif reference != digest:
            return self.error(400, "DIGEST_INVALID")
        if "manifest500" in faults and counters["manifest500"] < 1:
            counters["manifest500"] += 1
            return self.error(500, "UNKNOWN")
        return self.answer(201, Location="/v2/%s/manifests/%s" % (name, digest), Docker_Content_Digest=digest,
                           OCI_Subject=subject if "no-referrers" not in faults else None)

    def delete_manifest(self, repository, reference):
        if "no-delete" in faults:
            return self.error(405, "UNSUPPORTED")
        if not reference.startswith("sha256:"):
            if "no-tag-delete" in faults:
                return self.error(400, "DIGEST_INVALID")
            return self.answer(202) if repository.tags.pop(reference, None) else self.error(404, "MANIFEST_UNKNOWN")
        if reference not in repository.manifests:
            return self.error(404, "MANIFEST_UNKNOWN")
        del repository.manifests[reference]
        repository.tags = {t: d for t, d in repository.tags.items() if d != reference}
        return self.answer(202)

    def referrers(self, name, digest):
        if not self.check("repository:%s:pull" % name):
            return None
        if "no-referrers" in faults:
            return self.error(404, "NOT_FOUND")
        found = []
        for d, (kind, text) in repositories.get(name, Repository()).manifests.items():
            doc = json.loads(text) if "lax" not in faults else {}
            if doc.get("subject", {}).get("digest") == digest:
                found.append({"mediaType": kind, "digest": d, "size": len(text), "artifactType": doc.get("artifactType", "")})
        return self.answer(200, json.dumps({"schemaVersion": 2, "mediaType": INDEX, "manifests": found}).encode(), Content_Type=INDEX)

    def listing(self, member, names):
        last, size = self.query.get("last", [""])[0], 2 if "pages" in faults or "loop" in faults or "away" in faults else 1000
        page = [n for n in names if n > last][:size]
        link = None
        host = "http://127.0.0.1:%d" % storage_port if "away" in faults else ""
        path = urllib.parse.urlsplit(self.path).path
        if "loop" in faults or "away" in faults or [n for n in names if page and n > page[-1]]:
            again = last if "loop" in faults else page[-1] if page else ""
            link = '<%s%s?n=%d&last=%s>; rel="next"' % (host, path, size, urllib.parse.quote(again))
        self.answer(200, json.dumps({"name": "x", member: page}).encode(), Content_Type="application/json", Link=link)

    def tags(self, name):
        if not self.check("repository:%s:pull" % name):
            return None
        if name not in repositories:
            return self.error(404, "NAME_UNKNOWN")
        return self.listing("tags", sorted(repositories[name].tags))


class Storage(Handler):
    storage = True


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64

    def handle_error(self, request, client_address):
        if not isinstance(sys.exc_info()[1], OSError):
            violation("the double itself: %r" % (sys.exc_info()[1],))


def end_with_parent(parent):
    """The test that started us may be killed."""
    while os.getppid() == parent:
        time.sleep(0.2)
    os._exit(0)


threading.Thread(target=end_with_parent, args=(os.getppid(),), daemon=True).start()
storage_server = Server(("127.0.0.1", 0), Storage)
storage_port = storage_server.server_address[1]
server = Server(("127.0.0.1", 0), Handler)
threading.Thread(target=storage_server.serve_forever, daemon=True).start()
with open(port_file + ".new", "w", encoding="utf-8") as f:
    f.write("%d %d\n" % (server.server_address[1], storage_port))
os.rename(port_file + ".new", port_file)
server.serve_forever()
