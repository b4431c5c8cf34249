"""docs/from-edc.md: its requests give its answers, run in order against two connectors."""

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import document
from edc import pair
from harness import ROOT, main, tap

DATA = b"time,kwh\n2026-01-01T00:00:00Z,12.5\n"


class Origin(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Length", str(len(DATA)))
        self.end_headers()
        self.wfile.write(DATA)

    def log_message(self, *_):
        pass


def origin():
    server = ThreadingHTTPServer(("127.0.0.1", 0), Origin)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return f"http://127.0.0.1:{server.server_address[1]}"


def scenario():
    provider, consumer = pair(**{"fetch.http": "true"})
    count = document.run(ROOT / "docs" / "from-edc.md", {
        "PROVIDER": provider.edc.base, "PROVIDER_KEY": provider.key, "PROVIDER_DSP": provider.dsp, "PROVIDER_ID": provider.did,
        "CONSUMER": consumer.edc.base, "CONSUMER_KEY": consumer.key, "ORIGIN": origin(),
        "CURL_CA_BUNDLE": str(provider.space.authority.ca)})
    blocks = (ROOT / "docs" / "from-edc.md").read_text().count("```sh\n")
    tap.equal(count, blocks, "every request of the document has its answer")


main(scenario)
