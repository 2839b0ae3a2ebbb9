"""Posts a file by Python's http.client over TLS, once HTTP/2 was refused.

Usage: tls.py HOST PORT PATH FILE CA NAME. It prints what ALPN chose when both
versions were offered, then the status, the answer's size and its SHA-256.
"""

import hashlib
import http.client
import socket
import ssl
import sys

host, port, path, file, ca, name = sys.argv[1:]


def connect(offer):
    context = ssl.create_default_context(cafile=ca)
    context.set_alpn_protocols(offer)
    return context.wrap_socket(socket.create_connection((host, int(port))), server_hostname=name)


with connect(["h2", "http/1.1"]) as both:
    print(both.selected_alpn_protocol())
connection = http.client.HTTPConnection(name)
connection.sock = connect(["http/1.1"])
with open(file, "rb") as body:
    connection.request("POST", path, body)
answer = connection.getresponse()
content = answer.read()
print(answer.status, len(content), hashlib.sha256(content).hexdigest())
