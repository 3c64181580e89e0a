#!/usr/bin/python3
"""A receiver of webhooks: webhook.py FOLDER [STATUS]. Writes its port to FOLDER/port once it listens, every body
that comes to FOLDER/1.json, 2.json, ... and answers with STATUS (200); with STATUS 0 it never answers."""
import http.server
import os
import sys
import time

folder, status = sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 200
count = 0


class Receiver(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        global count
        count += 1
        body = self.rfile.read(int(self.headers["Content-Length"]))
        with open(f"{folder}/{count}.tmp", "wb") as f:
            f.write(body)
        os.rename(f"{folder}/{count}.tmp", f"{folder}/{count}.json")
        with open(f"{folder}/types", "a") as f:
            f.write(f"{self.path} {self.headers['Content-Type']}\n")
        if status == 0:
            time.sleep(600)
        self.send_response(status)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *args):
        pass


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Receiver)
server.daemon_threads = True
with open(f"{folder}/port.tmp", "w") as f:
    f.write(str(server.server_address[1]))
os.rename(f"{folder}/port.tmp", f"{folder}/port")
server.serve_forever()
