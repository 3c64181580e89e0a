#!/usr/bin/env python3
"""A reverse proxy in front of a real S3 server that goes wrong when it is told to.

    faulty-s3.py serve DIR UPSTREAM-URL [--rate 0.05] [--seed N] [--stall SECONDS]
                                  DIR/url then holds its address; it ends when DIR/stop appears or DIR goes away
    faulty-s3.py rules DIR JSON   sets what goes wrong from now on: a list of rules, [] for nothing
    faulty-s3.py asked DIR REGEX  how many requests "METHOD PATH?QUERY" so far matched
    faulty-s3.py faults DIR       how many faults there were so far

The Host header is passed on as it came, so a client's signature for this proxy is valid behind it. A rule applies to
requests that match all it says, and is used up after `times`:

    {"method": "PUT", "path": REGEX on PATH?QUERY, "skip": 0, "times": 1 (-1: for ever), ...one of...}

    "status": 502, "body": TEXT, "headers": {}   instead of asking upstream
        "after": true                            having asked upstream, whose answer is lost
        "later": SECONDS                         upstream is asked that much later, after the answer
    "cut": N          the answer's body ends after N bytes, with the connection
    "reset": true     the connection is reset instead of an answer
    "reset_body": N   and that after N bytes of the request's body
    "hold": PATH      it is passed on when this file is there
    "stall": SECONDS  nothing happens for so long, then the connection ends
    "stall_body": N   likewise (for --stall seconds), after N bytes of the answer's body
    "larger": N       413 for a request's body above N bytes; never used up
    "lost": true      a PUT is answered 200 and thrown away
    "extra": N        N bytes more than was announced
    "flip": N         byte N of the answer's body is another one
    "same_token": true    a listing leads to the page that was asked for
    "truncate": true      half of the document, with 200
    "no_namespace": true  a document without xmlns; never used up
    "region": NAME    refuses requests that are signed for another region; never used up
    "max_keys": N     pages of a listing hold so many keys (the request is signed again); never used up

--rate: besides the rules, that part of all requests goes wrong in some way.
"""
import http.client
import http.server
import json
import os
import random
import re
import socket
import struct
import sys
import threading
import time
import urllib.parse
import urllib.request

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import s3  # noqa: E402

PIECE = 1 << 16
LASTING = ("larger", "no_namespace", "region", "max_keys")


class Faults:
    """The rules, the log, and the dice."""

    def __init__(self, upstream, rate, seed, stall):
        self.upstream = urllib.parse.urlsplit(upstream)
        self.rate, self.dice, self.stall = rate, random.Random(seed), stall
        self.rules, self.log, self.count = [], [], 0
        self.lock = threading.Lock()

    def choose(self, method, path):
        """The rules for this request; those that last come with the first other one."""
        chosen = {}
        with self.lock:
            self.log.append(f"{method} {path}")
            for rule in self.rules:
                if rule.get("method", method) != method or not re.search(rule.get("path", ""), path):
                    continue
                lasting = [k for k in LASTING if k in rule]
                if lasting:
                    chosen.update({k: rule[k] for k in lasting})
                elif rule.get("skip", 0) > 0:
                    rule["skip"] -= 1
                elif rule.get("times", 1) != 0 and not chosen.get("once"):
                    rule["times"] = rule.get("times", 1) - 1
                    chosen.update(rule, once=True)
                    self.count += 1
            if not chosen and self.dice.random() < self.rate:
                chosen = self.dice.choice([{"status": 502, "body": "<html><title>502 Bad Gateway</title></html>"},
                                           {"status": 503, "body": "<Error><Code>SlowDown</Code></Error>"},
                                           {"status": 500, "after": True}, {"cut": self.dice.randrange(1, 1 << 20)},
                                           {"reset": True}, {"reset_body": self.dice.randrange(1 << 20)},
                                           {"truncate": True, "xml_only": True}, {"stall_body": 1000},
                                           {"stall": self.stall}])
                self.count += 1
        return chosen


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    faults = None

    def log_message(self, *args):
        pass

    def setup(self):
        super().setup()
        self.connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    # ---- what is at hand ----

    def body(self):
        left = int(self.headers.get("Content-Length") or 0)
        while left > 0:
            piece = self.rfile.read(min(PIECE, left))
            if not piece:
                raise ConnectionError("the client went away")
            left -= len(piece)
            yield piece

    def drain(self, most=None):
        got = 0
        for piece in self.body():
            got += len(piece)
            if most is not None and got >= most:
                return

    def reset(self):
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.connection.close()
        self.close_connection = True

    def answer(self, status, body=b"", headers=None):
        self.send_response_only(status)
        self.send_header("Date", self.date_time_string())
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    # ---- upstream ----

    def ask(self, path, headers, body):
        up = self.faults.upstream
        connection = http.client.HTTPConnection(up.hostname, up.port, timeout=300)
        connection.putrequest(self.command, path, skip_host=True, skip_accept_encoding=True)
        for name, value in headers:
            connection.putheader(name, value)
        connection.endheaders()
        for piece in body:
            connection.send(piece)
        return connection, connection.getresponse()

    def resigned(self, max_keys):
        path, _, query = self.path.partition("?")
        query += f"&max-keys={max_keys}"
        headers = s3.signed_headers(self.command, self.headers["Host"], path, query, self.headers["x-amz-content-sha256"],
                                    os.environ["RGW_KEY"], os.environ["RGW_SECRET"])
        return path + "?" + query, list(headers.items())

    def pass_on(self, fault):
        while "hold" in fault and not os.path.exists(fault["hold"]):
            time.sleep(0.05)
        path, headers = self.path, list(self.headers.items())
        if "max_keys" in fault and "list-type=2" in path:
            path, headers = self.resigned(fault["max_keys"])
        connection, response = self.ask(path, headers, self.body())
        length = response.getheader("Content-Length")
        rewrite = any(k in fault for k in ("same_token", "truncate", "no_namespace", "extra", "flip"))
        if self.command == "HEAD" or not rewrite and length is not None:
            self.stream(response, int(length or 0), fault)
        else:
            self.rewritten(response, response.read(), fault)
        connection.close()

    def head(self, response, length):
        self.send_response_only(response.status, response.reason)
        for name, value in response.getheaders():
            if name.lower() not in ("content-length", "transfer-encoding", "connection"):
                self.send_header(name, value)
        if length is not None:
            self.send_header("Content-Length", str(length))
        self.end_headers()

    def stream(self, response, length, fault):
        self.head(response, length)
        left = 0 if self.command == "HEAD" else length
        stop = fault.get("cut", fault.get("stall_body"))
        sent = 0
        while left > 0:
            piece = response.read(min(PIECE, left))
            if not piece:
                break
            if stop is not None and sent + len(piece) > stop:
                self.wfile.write(piece[:max(0, stop - sent)])
                self.wfile.flush()
                if "stall_body" in fault:
                    time.sleep(self.faults.stall)
                self.close_connection = True
                self.connection.shutdown(socket.SHUT_RDWR)
                return
            self.wfile.write(piece)
            sent += len(piece)
            left -= len(piece)

    def rewritten(self, response, body, fault):
        good = 200 <= response.status < 300
        xml = body[:1] == b"<"
        if "no_namespace" in fault:
            body = re.sub(rb' xmlns="[^"]*"', b"", body)
        if "same_token" in fault:
            token = dict(urllib.parse.parse_qsl(self.path.partition("?")[2])).get("continuation-token", "")
            body = re.sub(rb"(<NextContinuationToken>)[^<]*", lambda m: m.group(1) + token.encode(), body)
        if "truncate" in fault and good and (xml or not fault.get("xml_only")):
            body = body[:len(body) // 2]
        if "flip" in fault and good and body:
            at = fault["flip"] % len(body)
            body = body[:at] + bytes([body[at] ^ 1]) + body[at + 1:]
        if "extra" in fault and good:
            self.chunked(response, body + b"x" * fault["extra"])
            return
        self.head(response, len(body))
        self.wfile.write(body)

    def chunked(self, response, body):
        self.send_response_only(response.status, response.reason)
        for name, value in response.getheaders():
            if name.lower() not in ("content-length", "transfer-encoding", "connection"):
                self.send_header(name, value)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        self.wfile.write(b"%x\r\n" % len(body) + body + b"\r\n0\r\n\r\n")

    # ---- faults ----

    def ask_later(self, seconds, body):
        """Upstream hears of it when the client has its answer already."""
        headers = list(self.headers.items())

        def run():
            time.sleep(seconds)
            connection, response = self.ask(self.path, headers, body)
            response.read()
            connection.close()
        threading.Thread(target=run, daemon=True).start()

    def with_status(self, fault):
        if "later" in fault:
            self.ask_later(fault["later"], list(self.body()))
        elif fault.get("after"):
            connection, response = self.ask(self.path, list(self.headers.items()), self.body())
            response.read()
            connection.close()
        else:
            self.drain()
        self.answer(fault["status"], fault.get("body", "").encode(), fault.get("headers"))

    def wrong_region(self, name):
        scope = re.search(r"Credential=[^/]+/\d+/([^/]+)/", self.headers.get("Authorization", ""))
        return scope is None or scope.group(1) != name

    def refuse_region(self, name):
        self.drain()
        got = re.search(r"Credential=[^/]+/\d+/([^/]+)/", self.headers.get("Authorization", "Credential=x/0/none/"))
        self.answer(400, (f"<Error><Code>AuthorizationHeaderMalformed</Code><Message>The authorization header is malformed; "
                          f"the region '{got.group(1)}' is wrong; expecting '{name}'</Message><Region>{name}</Region></Error>").encode())

    def misbehave(self, fault):
        """True when the request has been dealt with."""
        size = int(self.headers.get("Content-Length") or 0)
        if size > fault.get("larger", size):
            self.answer(413, b"<html><head><title>413 Request Entity Too Large</title></head></html>")
            self.close_connection = True
        elif "region" in fault and self.wrong_region(fault["region"]):
            self.refuse_region(fault["region"])
        elif "status" in fault:
            self.with_status(fault)
        elif "lost" in fault:
            self.drain()
            self.answer(200, b"", {"ETag": '"d41d8cd98f00b204e9800998ecf8427e"'})
        elif "stall" in fault:
            time.sleep(fault["stall"])
            self.reset()
        elif "reset" in fault:
            self.drain()
            self.reset()
        elif "reset_body" in fault:
            self.drain(fault["reset_body"])
            self.reset()
        else:
            return False
        return True

    def handle_request(self):
        if self.path.startswith("/-/"):
            self.control()
            return
        fault = self.faults.choose(self.command, self.path)
        try:
            if not self.misbehave(fault):
                self.pass_on(fault)
        except (ConnectionError, http.client.HTTPException, OSError):
            self.close_connection = True

    do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = handle_request

    def control(self):
        with self.faults.lock:
            if self.command == "POST":
                self.faults.rules = json.loads(b"".join(self.body()))
            answer = {"log": self.faults.log, "faults": self.faults.count}
        self.answer(200, json.dumps(answer).encode())


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def handle_error(self, request, client_address):
        pass


def serve(folder, upstream, *options):
    given = dict(zip(options[::2], options[1::2]))
    Handler.faults = Faults(upstream, float(given.get("--rate", 0)), int(given.get("--seed", 1)),
                            float(given.get("--stall", 30)))
    server = Server(("127.0.0.1", 0), Handler)
    os.makedirs(folder, exist_ok=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    with open(folder + "/url.new", "w", encoding="utf-8") as out:
        out.write(f"http://127.0.0.1:{server.server_address[1]}\n")
    os.rename(folder + "/url.new", folder + "/url")
    owner = os.getppid()
    while os.path.exists(folder + "/url") and not os.path.exists(folder + "/stop") and os.getppid() == owner:
        time.sleep(0.2)


def state(folder, rules=None):
    url = open(folder + "/url", encoding="utf-8").read().strip() + "/-/"
    data = rules.encode() if rules is not None else None
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    return json.load(opener.open(url, data=data, timeout=30))


def main(verb, folder, *rest):
    if verb == "serve":
        serve(folder, *rest)
    elif verb == "rules":
        json.loads(rest[0])
        state(folder, rest[0])
    elif verb == "asked":
        print(sum(1 for line in state(folder)["log"] if re.search(rest[0], line)))
    elif verb == "faults":
        print(state(folder)["faults"])
    else:
        sys.exit(__doc__)


if __name__ == "__main__":
    main(*sys.argv[1:])
