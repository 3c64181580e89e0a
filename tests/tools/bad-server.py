#!/usr/bin/env python3
"""A server that misbehaves, for targets of bench. bad-server.py PORT-FILE HOW [AFTER]

It answers {"outputs": []} to each POST, and after AFTER of them (as a rule none) does HOW for good:
stall    takes the request and says nothing      drip    a byte of its answer a second
error    500                                     text    200 with what is no JSON
json     200 with JSON that has no outputs       noise   bytes that are no HTTP
half     less than it announces, then the end    close   the end, without an answer
large    a body of 200 MB                        moved   a redirect
die      ends with status 3
The port is written to PORT-FILE when it listens.
"""
import os
import socket
import sys
import threading
import time

port_file, how, after = sys.argv[1], sys.argv[2], int(sys.argv[3]) if len(sys.argv) > 3 else 0
good = b'{"outputs": []}'
count, lock = 0, threading.Lock()


def answer(body, status=b"200 OK", more=b"", length=None):
    return (b"HTTP/1.1 " + status + b"\r\nContent-Type: application/json\r\n" + more +
            b"Content-Length: %d\r\n\r\n" % (len(body) if length is None else length) + body)


def misbehave(c):
    """False: the connection ends."""
    if how == "die":
        os._exit(3)
    elif how == "stall":
        time.sleep(3600)
    elif how == "drip":
        for byte in answer(good):
            c.sendall(bytes([byte]))
            time.sleep(1)
    elif how == "large":
        c.sendall(answer(b"", length=200 << 20))
        for _ in range(200):
            c.sendall(b" " * (1 << 20))
    elif how != "close":
        c.sendall({"error": answer(b'{"error": "out of memory"}', b"500 Oops"), "text": answer(b"<html>"), "json": answer(b'{"a": 1}'),
                   "noise": b"\x00\xff\x00\xffnonsense\r\n\r\n", "half": answer(good, length=1000),
                   "moved": answer(b"", b"307 Elsewhere", b"Location: http://127.0.0.1:1/\r\n")}[how])
    return how in ("error", "text", "json", "moved", "drip")


def serve(c):
    global count
    stream = c.makefile("rb")
    try:
        while True:
            length = 0
            line = stream.readline()
            if not line:
                return
            while line not in (b"\r\n", b""):
                if line.lower().startswith(b"content-length:"):
                    length = int(line.split(b":")[1])
                line = stream.readline()
            stream.read(length)
            with lock:
                count += 1
                bad = count > after
            if not bad:
                c.sendall(answer(good))
            elif not misbehave(c):
                return
    except OSError:
        pass
    finally:
        stream.close()
        c.close()


listener = socket.create_server(("127.0.0.1", 0))
with open(port_file + ".new", "w") as f:
    f.write(str(listener.getsockname()[1]))
os.rename(port_file + ".new", port_file)
while True:
    threading.Thread(target=serve, args=(listener.accept()[0],), daemon=True).start()
