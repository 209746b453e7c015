"""A server that decodes and encodes as a chainlet does: with Chains' own functions and field.

``python server.py`` prints its port and serves until its standard input ends. ``/raw`` responds
with the document that it decoded, ``/model`` with the result of a model of Chains.
"""

import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from models import Measurement
from truss.templates.shared import serialization

BINARY = "application/octet-stream"


class Chainlet(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        binary = self.headers["Content-Type"] == BINARY
        if binary:
            value = serialization.truss_msgpack_deserialize(body)
            if self.path == "/model":
                value = Measurement.model_validate(value).model_dump(mode="python")
            response = serialization.truss_msgpack_serialize(value)
        else:
            response = Measurement.model_validate_json(body).model_dump_json().encode()
        self.send_response(200)
        self.send_header("Content-Type", BINARY if binary else "application/json")
        self.send_header("Content-Length", str(len(response)))
        self.end_headers()
        self.wfile.write(response)

    def log_message(self, *args):
        """Print nothing."""


with ThreadingHTTPServer(("127.0.0.1", 0), Chainlet) as server:
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    print(server.server_port, flush=True)
    sys.stdin.read()
    server.shutdown()
    thread.join()
