#!/usr/bin/env python3
"""Signals for a program that waits for an HTTP server.

    interrupt.py once|echo|twice|ignored SIGNAL LOCK-FILE COMMAND...

A server on the loopback takes connections and answers nothing. COMMAND runs with AWS_ENDPOINT_URL set to it. When
the first request is there, SIGNAL (INT or TERM) is sent.

once     the status is that of COMMAND
echo     the signal is sent three times, as by timeout(1), which sends it to the group, too
twice    LOCK-FILE is locked first, so that COMMAND has to wait for it at its end; the signal is sent again then
ignored  COMMAND starts with the signal ignored; after it was sent, every request is answered 403

The status is that of COMMAND, 128 + the signal's number when one ended it. What COMMAND writes goes through.
"""
import fcntl
import os
import signal
import socket
import subprocess
import sys
import threading
import time

mode, name, lock_file, command = sys.argv[1], sys.argv[2], sys.argv[3], sys.argv[4:]
sig = getattr(signal, "SIG" + name)
asked, answer = threading.Event(), threading.Event()


def serve(connection):
    if connection.recv(1):
        asked.set()
    answer.wait()
    body = b"<Error><Code>AccessDenied</Code></Error>"
    connection.sendall(b"HTTP/1.1 403 Forbidden\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))
    connection.close()


def accept(server):
    while True:
        threading.Thread(target=serve, args=(server.accept()[0],), daemon=True).start()


def start():
    for s in (signal.SIGINT, signal.SIGTERM):
        signal.signal(s, signal.SIG_IGN if mode == "ignored" else signal.SIG_DFL)


listener = socket.create_server(("127.0.0.1", 0))
threading.Thread(target=accept, args=(listener,), daemon=True).start()
env = dict(os.environ, AWS_ENDPOINT_URL=f"http://127.0.0.1:{listener.getsockname()[1]}", AWS_ACCESS_KEY_ID="a",
           AWS_SECRET_ACCESS_KEY="b")
child = subprocess.Popen(command, env=env, stderr=subprocess.PIPE, text=True, preexec_fn=start)
if not asked.wait(30):
    child.kill()
    sys.exit("interrupt.py: no request came")
if mode == "twice":
    lock = open(lock_file, "a+b")
    fcntl.flock(lock, fcntl.LOCK_EX)
for _ in range(3 if mode == "echo" else 1):
    child.send_signal(sig)
    time.sleep(0.005)  # else they are one
if mode == "ignored":
    answer.set()
for line in child.stderr:
    sys.stderr.write(line)
    if mode == "twice" and "waiting for the ledger" in line:
        time.sleep(0.3)  # or it would be an echo
        child.send_signal(sig)
status = child.wait()
sys.exit(128 - status if status < 0 else status)
