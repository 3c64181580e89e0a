#!/usr/bin/env python3
"""A plain S3 client for tests, by the rules of AWS's Signature Version 4 and nothing of the program under test.

    s3.py bucket NAME            makes a bucket
    s3.py put BUCKET/KEY FILE    "-" is stdin
    s3.py get BUCKET/KEY         to stdout
    s3.py size BUCKET/KEY
    s3.py rm BUCKET/KEY
    s3.py ls BUCKET[/PREFIX]     "SIZE KEY" per line, sorted
    s3.py uploads BUCKET         "UPLOAD-ID KEY" of each multipart upload that is under way
    s3.py METHOD PATH[?QUERY]    prints status and body

The service and the key come from RGW_URL, RGW_KEY, RGW_SECRET. Ends with 1 when the answer is no success.
"""
import datetime
import hashlib
import hmac
import http.client
import os
import sys
import urllib.parse
import xml.etree.ElementTree as ET

UNSIGNED = "UNSIGNED-PAYLOAD"


def authorization(method, path, query, headers, payload_hash, key, secret, region="us-east-1", service="s3"):
    """The Authorization value; headers: all that are signed, x-amz-date among them; path and query as sent."""
    when = headers["x-amz-date"]
    names = sorted(headers)
    pairs = sorted(p.partition("=")[::2] for p in query.split("&")) if query else []
    canonical = "\n".join([method, path, "&".join(f"{k}={v}" for k, v in pairs)]
                          + [f"{n}:{' '.join(headers[n].split())}" for n in names] + ["", ";".join(names), payload_hash])
    scope = f"{when[:8]}/{region}/{service}/aws4_request"
    to_sign = "\n".join(["AWS4-HMAC-SHA256", when, scope, hashlib.sha256(canonical.encode()).hexdigest()])
    k = ("AWS4" + secret).encode()
    for part in (when[:8], region, service, "aws4_request"):
        k = hmac.new(k, part.encode(), hashlib.sha256).digest()
    signature = hmac.new(k, to_sign.encode(), hashlib.sha256).hexdigest()
    return f"AWS4-HMAC-SHA256 Credential={key}/{scope}, SignedHeaders={';'.join(names)}, Signature={signature}"


def signed_headers(method, host, path, query, payload_hash, key, secret, extra=None):
    """Headers of a request, signed, for a connection of the caller's."""
    headers = {k.lower(): v for k, v in (extra or {}).items()}
    headers["host"] = host
    headers["x-amz-date"] = datetime.datetime.now(datetime.timezone.utc).strftime("%Y%m%dT%H%M%SZ")
    headers["x-amz-content-sha256"] = payload_hash
    headers["authorization"] = authorization(method, path, query, headers, payload_hash, key, secret)
    return headers


def call(method, path, query="", body=b""):
    where = urllib.parse.urlsplit(os.environ["RGW_URL"])
    connection = http.client.HTTPConnection(where.hostname, where.port, timeout=120)
    path = urllib.parse.quote(path, safe="/-._~")
    headers = signed_headers(method, where.netloc, path, query, hashlib.sha256(body).hexdigest(),
                             os.environ["RGW_KEY"], os.environ["RGW_SECRET"])
    connection.request(method, path + ("?" + query if query else ""), body=body or None, headers=headers)
    answer = connection.getresponse()
    return answer.status, answer.headers, answer.read()


def name_of(element):
    return element.tag.rpartition("}")[2]


def children(text, wanted):
    for element in ET.fromstring(text):
        if name_of(element) == wanted:
            yield {name_of(e): e.text or "" for e in element}


def entries(bucket, prefix):
    """What a listing says of each object: {"Key", "Size", "LastModified", ...}."""
    token = ""
    while True:
        query = "list-type=2&prefix=" + urllib.parse.quote(prefix, safe="")
        query += "&continuation-token=" + urllib.parse.quote(token, safe="") if token else ""
        status, _, body = call("GET", "/" + bucket, query)
        if status != 200:
            sys.exit(f"{status} {body.decode(errors='replace')}")
        yield from children(body, "Contents")
        token = next((e.text for e in ET.fromstring(body) if name_of(e) == "NextContinuationToken"), "")
        if not token:
            return


def listing(bucket, prefix):
    return ((int(e["Size"]), e["Key"]) for e in entries(bucket, prefix))


def main(verb, what, *rest):
    if verb == "ls":
        bucket, _, prefix = what.partition("/")
        for size, key in sorted(listing(bucket, prefix), key=lambda e: e[1]):
            print(size, key)
        return
    if verb == "uploads":
        status, _, body = call("GET", "/" + what, "uploads=")
        for entry in children(body, "Upload"):
            print(entry["UploadId"], entry["Key"])
        return
    method = {"bucket": "PUT", "put": "PUT", "get": "GET", "size": "HEAD", "rm": "DELETE"}.get(verb, verb)
    data = b""
    if verb == "put":
        data = sys.stdin.buffer.read() if rest[0] == "-" else open(rest[0], "rb").read()
    path, _, query = what.partition("?") if method == verb else (what, "", "")
    status, headers, body = call(method, "/" + path.lstrip("/"), query, data)
    if method == verb:
        print(status)
    if verb == "size" and status == 200:
        print(headers["Content-Length"])
    elif verb in ("get", method) or status >= 300:
        sys.stdout.buffer.write(body)
    sys.exit(0 if status < 300 else 1)


if __name__ == "__main__":
    main(*sys.argv[1:])
