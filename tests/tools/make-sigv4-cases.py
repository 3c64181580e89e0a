#!/usr/bin/env python3
"""Writes tests/unit/sigv4_cases.txt: requests and their signatures, as botocore (of Debian's awscli) computes them.

One case a line, fields separated by tabs: method, path, query ("-" for none), region, session token ("-"), payload
hash, time, signature, then header names and values in turn. Run it only to change the cases; the test reads the file.
"""
import os
import random

import botocore.auth
import botocore.awsrequest
import botocore.credentials

KEY, SECRET = "AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
HERE = os.path.dirname(os.path.abspath(__file__))
rng = random.Random(20260711)


def encode(text, keep=""):
    safe = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~" + keep
    return "".join(c if c in safe else "".join("%%%02X" % b for b in c.encode()) for c in text)


def word():
    alphabet = "abcXYZ019-._~ +/=&%$@:,;!'()*\u00e9\u4e2d"
    return "".join(rng.choice(alphabet) for _ in range(rng.randint(1, 12)))


def case(i):
    method = rng.choice(["GET", "PUT", "HEAD", "DELETE", "POST"])
    path = "/" + "/".join(encode(word()) for _ in range(rng.randint(0, 4)))
    pairs = [encode(rng.choice(["a", "a-b", "ab", "A", "a1", "prefix", "list-type", word()]))
             + rng.choice(["", "=", "=" + encode(word()), "=1", "=2"]) for _ in range(rng.randint(0, 6))]
    query = "&".join(pairs)
    host = rng.choice(["example.amazonaws.com", "s3api-eu-ro-1.runpod.io", "127.0.0.1:8000", "[::1]:80"])
    token = rng.choice([None, None, "FQoGZXIvYXdzE" + "x" * 40 + "=="])
    region = rng.choice(["us-east-1", "EU-RO-1", "eu-ro-1"])
    payload = rng.choice(["UNSIGNED-PAYLOAD", "%064x" % rng.getrandbits(256)])
    stamp = "20%02d%02d%02dT%02d%02d%02dZ" % (rng.randint(15, 37), rng.randint(1, 12), rng.randint(1, 28),
                                             rng.randint(0, 23), rng.randint(0, 59), rng.randint(0, 59))
    headers = [("host", host), ("x-amz-date", stamp), ("x-amz-content-sha256", payload)]
    if token:
        headers.append(("x-amz-security-token", token))
    for _ in range(rng.randint(0, 3)):
        headers.append((rng.choice(["x-amz-meta-one", "x-amz-meta-two", "x-amz-acl", "range", "content-type"]),
                        rng.choice(["v", "bytes=0-9", "two  words", "  lead and trail ", "a,b; c", "Ab=Cd/+"])))
    rng.shuffle(headers)
    request = botocore.awsrequest.AWSRequest(method=method, url="https://" + host + path + ("?" + query if query else ""))
    for name, value in headers:
        request.headers[name] = value  # a second of the same name is added, as in an HTTP message
    request.context["timestamp"] = stamp
    auth = botocore.auth.S3SigV4Auth(botocore.credentials.Credentials(KEY, SECRET, token), "s3", region)
    signature = auth.signature(auth.string_to_sign(request, auth.canonical_request(request)), request)
    return [method, path, query or "-", region, token or "-", payload, stamp, signature] + [t for h in headers for t in h]


with open(os.path.join(HERE, "..", "unit", "sigv4_cases.txt"), "w") as out:
    for i in range(100):
        out.write("\t".join(case(i)) + "\n")
