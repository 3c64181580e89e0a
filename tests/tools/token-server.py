#!/usr/bin/env python3
"""Tokens for docker-registry (docs/spec/auth/token): JWTs signed with ES256 by openssl, so that the registry itself judges them.

    token-server.py PORT-FILE LOG KEY CERTIFICATE USER PASSWORD

USER may do everything, "reader" (password "readonly") may pull, nobody else anything. LOG: a line USER SCOPE... for each token.
"""
import base64
import json
import os
import subprocess
import sys
import time
import urllib.parse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

port_file, log_path, key, certificate, user, password = sys.argv[1:7]
users = {user: password, "reader": "readonly"}


def b64(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def raw_signature(der):
    """r and s of 32 bytes each, out of SEQUENCE { INTEGER, INTEGER }."""
    out, at = b"", 2
    for _ in range(2):
        n = der[at + 1]
        out += der[at + 2:at + 2 + n].lstrip(b"\0").rjust(32, b"\0")
        at += 2 + n
    return out


def token(name, scopes):
    access = []
    for scope in scopes:
        kind, repository, actions = scope.rsplit(":", 2) if scope.count(":") == 2 else (scope, "", "")
        granted = [a for a in actions.split(",") if name == user or a == "pull"]
        access.append({"type": kind, "name": repository, "actions": granted})
    chain = open(certificate, encoding="ascii").read().replace("-----BEGIN CERTIFICATE-----", "").replace("-----END CERTIFICATE-----", "")
    head = {"typ": "JWT", "alg": "ES256", "x5c": ["".join(chain.split())]}
    now = int(time.time())
    body = {"iss": "tokens", "sub": name, "aud": "the-registry", "exp": now + 120, "nbf": now - 10, "iat": now - 10, "jti": str(now), "access": access}
    text = b64(json.dumps(head).encode()) + "." + b64(json.dumps(body).encode())
    signed = subprocess.run(["openssl", "dgst", "-sha256", "-sign", key], input=text.encode(), stdout=subprocess.PIPE, check=True).stdout
    return text + "." + b64(raw_signature(signed))


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *args):
        pass

    def answer(self, status, doc):
        body = json.dumps(doc).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self):
        query = urllib.parse.parse_qs(urllib.parse.urlsplit(self.path).query)
        login = self.headers.get("Authorization", "")
        name, _, word = base64.b64decode(login[6:]).decode().partition(":") if login.startswith("Basic ") else ("", "", "")
        if users.get(name) != word or not word:
            return self.answer(401, {"errors": [{"code": "UNAUTHORIZED", "message": "who are you?"}]})
        scopes = query.get("scope", [])
        with open(log_path, "a", encoding="utf-8") as log:
            log.write("%s %s\n" % (name, " ".join(scopes)))
        return self.answer(200, {"token": token(name, scopes), "expires_in": 120})


server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
with open(port_file + ".new", "w", encoding="utf-8") as f:
    f.write("%d\n" % server.server_address[1])
os.rename(port_file + ".new", port_file)
server.serve_forever()
