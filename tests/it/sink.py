"""A destination of pushes for scenarios."""

import hashlib
import ssl
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from harness import wait_until


class Sink:
    """Takes pushes over TLS and keeps their digests; below /status/N it answers N, below /flaky 503 for the first time, below
    /hold it reads on only when `go` is set; /chatty has a long answer, /early one before it has read anything.
    """

    def __init__(self, space):
        self.requests = []
        self.go = threading.Event()
        self.running = self.most = 0
        self.lock = threading.Lock()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            timeout = 120

            def pieces(self):
                if self.headers.get("Transfer-Encoding") == "chunked":
                    while left := int(self.rfile.readline().strip() or b"0", 16):
                        while left:
                            piece = self.rfile.read1(min(left, 1 << 16))
                            if not piece:
                                raise ConnectionError("cut")
                            left -= len(piece)
                            yield piece
                        self.rfile.readline()
                    self.rfile.readline()
                    return
                left = int(self.headers["Content-Length"])
                while left:
                    piece = self.rfile.read1(min(left, 1 << 16))
                    if not piece:
                        raise ConnectionError("cut")
                    left -= len(piece)
                    yield piece

            def take(self, entry):
                digest = hashlib.sha256()
                for piece in self.pieces():
                    digest.update(piece)
                    entry["bytes"] += len(piece)
                    if self.path.startswith("/hold") and entry["bytes"] > 100000:
                        outer.go.wait(60)
                entry["digest"] = digest.hexdigest()
                entry["whole"] = True

            def do_POST(self):
                entry = {"method": self.command, "path": self.path, "headers": dict(self.headers), "bytes": 0, "whole": False}
                with outer.lock:
                    before = [r for r in outer.requests if r["path"] == self.path]
                    outer.requests.append(entry)
                    outer.running += 1
                    outer.most = max(outer.most, outer.running)
                try:
                    if self.path == "/early":
                        self.close_connection = True
                        return self.send(200, b"")
                    self.take(entry)
                except (ConnectionError, ValueError, OSError):
                    self.close_connection = True
                    return
                finally:
                    with outer.lock:
                        outer.running -= 1
                    entry["over"] = True
                status = int(self.path.split("/")[2]) if self.path.startswith("/status/") else 200
                if self.path.startswith("/flaky") and not before:
                    status = 503
                return self.send(status, b"x" * (1 << 20) if self.path == "/chatty" else b"ok")

            def send(self, status, body):
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            do_PUT = do_POST

            def log_message(self, *_):
                pass

        class Server(ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, request, client_address):
                pass  # a push that is cut

        self.server = Server(("127.0.0.1", 0), Handler)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*map(str, space.certificate))
        self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        self.url = f"https://localhost:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def at(self, path):
        return [r for r in self.requests if r["path"] == path]

    def running_paths(self):
        return [r["path"] for r in self.requests if not r.get("over")]

    def wait_whole(self, path, n=1):
        return wait_until(lambda: len([r for r in self.at(path) if r["whole"]]) >= n and self.at(path), 30, f"{path} has its data")

    def wait_begun(self, path, n=1):
        """The nth request has come so far that it is held."""
        return wait_until(lambda: len(self.at(path)) >= n and self.at(path)[n - 1]["bytes"] > 100000, 30, f"{path} is being pushed")
