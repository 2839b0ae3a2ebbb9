"""Runs transfers over one connection of Python's http.client.

Usage: client.py HOST PORT, with a transfer a line on standard input:
method, path, length|chunked, file to send (or -). It prints a line for each: the
status, the answer's Transfer-Encoding (or -), its size and its SHA-256; and at
last the number of connections it took.
"""

import hashlib
import http.client
import os
import sys


class Connection(http.client.HTTPConnection):
    connects = 0

    def connect(self):
        self.connects += 1
        super().connect()


connection = Connection(sys.argv[1], int(sys.argv[2]), timeout=60, blocksize=256 << 10)
for line in sys.stdin:
    method, path, framing, file = line.split()
    if file == "-":
        connection.request(method, path)
    else:
        with open(file, "rb") as body:
            if framing == "chunked":
                connection.request(method, path, body, {"Transfer-Encoding": "chunked"}, encode_chunked=True)
            else:
                connection.request(method, path, body, {"Content-Length": str(os.path.getsize(file))})
    answer = connection.getresponse()
    digest, size = hashlib.sha256(), 0
    while part := answer.read(256 << 10):
        digest.update(part)
        size += len(part)
    print(answer.status, answer.getheader("Transfer-Encoding") or "-", size, digest.hexdigest(), flush=True)
print("connections", connection.connects)
