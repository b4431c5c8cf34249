"""What benchmarks share: two connectors without a broker, a plain HTTP client that is cheap enough to drive them, figures of a process."""

import json
import os
import socket
import ssl
import struct
import subprocess
import tempfile
from pathlib import Path
from urllib.parse import quote

from world import ROOT, Program, free_ports, wait_until


class Client:
    """Keep-alive HTTP/1.1 on one socket; just enough of the protocol for our own listeners on loopback."""

    def __init__(self, port, credential, ca=None):
        """credential: a header line. ca: file of the authority, for TLS."""
        self.port, self.head, self.ca = port, f"Host: localhost:{port}\r\n{credential}\r\n", ca
        self.socket = None

    def request(self, method, path, body=None):
        self.send(method, path, body)
        return self.receive()

    def send(self, method, path, body=None):
        if self.socket is None:
            self.socket = socket.create_connection(("127.0.0.1", self.port))
            self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, struct.pack("ll", 60, 0))  # the kernel's: no poll before each call
            if self.ca is not None:
                self.socket = ssl.create_default_context(cafile=self.ca).wrap_socket(self.socket, server_hostname="localhost")
            self.rest = bytearray()
        data = b"" if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()
        kind = "Content-Type: application/json\r\n" if data else ""
        self.socket.sendall(f"{method} {path} HTTP/1.1\r\n{self.head}{kind}Content-Length: {len(data)}\r\n\r\n".encode() + data)

    def receive(self):
        while b"\r\n\r\n" not in self.rest:
            self._more()
        head = self._take(self.rest.index(b"\r\n\r\n"), 4)
        status = int(head[9:12])
        lower = head.lower()
        if b"transfer-encoding: chunked" in lower:
            return status, self._chunked()
        at = lower.find(b"content-length:")
        length = int(lower[at + 15:lower.find(b"\r\n", at) if lower.find(b"\r\n", at) > 0 else None]) if at >= 0 else 0
        while len(self.rest) < length:
            self._more()
        return status, self._take(length)

    def _take(self, n, skip=0):
        taken = bytes(memoryview(self.rest)[:n])
        del self.rest[:n + skip]
        return taken

    def _more(self):
        piece = self.socket.recv(1 << 16)  # more is memory that is mapped and given back for every answer
        if not piece:
            raise ConnectionError("closed")
        self.rest += piece

    def _chunked(self):
        out = bytearray()
        while True:
            while b"\r\n" not in self.rest:
                self._more()
            n = int(self._take(self.rest.index(b"\r\n"), 2), 16)
            while len(self.rest) < n + 2:
                self._more()
            out += self._take(n, 2)
            if n == 0:
                return bytes(out)


class Connector:
    """A connector of its own: naru identity with self-hosted DID, TLS outside, plain HTTP inside."""

    def __init__(self, binaries, folder, name, settings=None):
        self.folder = Path(folder) / name
        self.folder.mkdir(parents=True)
        self.public, self.management = free_ports(2)
        self.did = f"did:web:localhost%3A{self.public}"
        self.dsp = f"https://localhost:{self.public}/dsp/2025-1"
        certs = Path(folder) / "certs"
        subprocess.run([ROOT / "certs" / "make-certs", certs, name], check=True, capture_output=True)
        mask = os.umask(0o077)
        subprocess.run(["openssl", "genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out",
                        self.folder / "company.pem"], check=True, capture_output=True)
        self.api_key = "bench-key-0123456789abcdef"
        (self.folder / "api-key").write_text(self.api_key)
        os.umask(mask)
        keys = {"participant.did": self.did, "public.listen": f"127.0.0.1:{self.public}",
                "public.url": f"https://localhost:{self.public}", "public.certificate": certs / f"{name}.crt",
                "public.key": certs / f"{name}.key", "management.listen": f"127.0.0.1:{self.management}",
                "database": f"sqlite:{self.folder}/connector.db", "fetch.ca": certs / "ca.crt",
                "fetch.allow": "127.0.0.0/8, ::1/128", "data.roots": folder, "log.level": "warning", **(settings or {})}
        conf = self.folder / "connector.conf"
        conf.write_text("".join(f"{k} = {v}\n" for k, v in keys.items()))
        self.program = Program(name, [Path(binaries) / "naru-connector", "--config", conf], self.folder)

    def start(self):
        self.program.start()
        return self

    def client(self):
        return Client(self.management, f"X-Api-Key: {self.api_key}")

    def call(self, method, path, body=None, expect=(200, 204)):
        status, content = self.client().request(method, path, body)
        if status not in expect:
            raise RuntimeError(f"{method} {path}: {status} {content[:300]!r}")
        return json.loads(content) if content else None

    def metric(self, name, client=None):
        _, text = (client or self.client()).request("GET", "/metrics")
        for line in text.decode().splitlines():
            if line.startswith(name + "_total") or line.startswith(name + "{") or line.startswith(name + " "):
                return float(line.rsplit(" ", 1)[1])
        raise RuntimeError(f"no metric {name}")

    def memory_mib(self):
        """Resident memory of the process."""
        with open(f"/proc/{self.program.process.pid}/status") as f:
            return next(int(line.split()[1]) for line in f if line.startswith("VmRSS:")) / 1024

    def cpu_s(self):
        with open(f"/proc/{self.program.process.pid}/stat") as f:
            fields = f.read().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


class Pair:
    """Provider and consumer in one temporary folder."""

    def __init__(self, ctx, settings=None):
        self.temp = tempfile.TemporaryDirectory(prefix="naru-bench-")
        self.provider = Connector(ctx.bin, self.temp.name, "provider", settings)
        self.consumer = Connector(ctx.bin, self.temp.name, "consumer", settings)

    def static_identity(self):
        """Before the start: fixed tokens instead of signed ones, so that a benchmark can speak for the consumer."""
        for own, other in ((self.provider, self.consumer), (self.consumer, self.provider)):
            tokens = own.folder / "tokens"
            tokens.touch(0o600)
            tokens.write_text("".join(f"token-of-{c.folder.name} {c.did}\n" for c in (own, other)))
            with open(own.folder / "connector.conf", "a") as conf:
                conf.write(f"identity.mode = static\nidentity.static_tokens = {tokens}\n")
        return self

    def plain(self):
        """Before the start: plain HTTP and the mock identity of other connectors, as they are measured by their makers."""
        for c in (self.provider, self.consumer):
            conf = c.folder / "connector.conf"
            base = f"http://127.0.0.1:{c.public}"
            kept = [line for line in conf.read_text().splitlines() if not line.startswith("public.") or line.startswith("public.listen")]
            conf.write_text("\n".join([*kept, f"public.url = {base}", "fetch.http = true", "identity.mode = static",
                                       "identity.static_form = json"]) + "\n")
            c.dsp = f"{base}/dsp/2025-1"
        return self

    def on(self, postgres):
        """Before the start: the rows in two databases of this cluster."""
        for c in (self.provider, self.consumer):
            postgres.sql(f'CREATE DATABASE "{c.folder.name}"')
            conf = c.folder / "connector.conf"
            url = f"postgresql://naru@/{c.folder.name}?host={quote(str(postgres.folder), safe='')}"
            conf.write_text("".join(f"database = {url}\n" if line.startswith("database") else line + "\n"
                                    for line in conf.read_text().splitlines()))
        return self

    def peer_client(self):
        """The consumer as the provider's public listener sees it, with static identity."""
        return Client(self.provider.public, f"Authorization: token-of-{self.consumer.folder.name}", self.folder / "certs" / "ca.crt")

    def __enter__(self):
        self.provider.start()
        self.consumer.start()
        return self

    def __exit__(self, *_):
        self.provider.program.stop()
        self.consumer.program.stop()
        self.temp.cleanup()

    @property
    def folder(self):
        return Path(self.temp.name)


CONTEXT = {"@vocab": "https://w3id.org/edc/v0.0.1/ns/"}


def offer(connector, asset, address, policy_id="open"):
    """Publishes one asset under a policy that permits use, through the management API."""
    connector.call("POST", "/v3/assets", {"@context": CONTEXT, "@id": asset, "properties": {"name": asset}, "dataAddress": address})


def open_offers(connector):
    """Policy and contract definition under which every asset is offered to everybody."""
    policy = {"@context": "http://www.w3.org/ns/odrl.jsonld", "@type": "Set", "permission": [{"action": "use"}], "prohibition": [],
              "obligation": []}
    connector.call("POST", "/v3/policydefinitions", {"@context": CONTEXT, "@id": "open", "policy": policy})
    connector.call("POST", "/v3/contractdefinitions", {"@context": CONTEXT, "@id": "open", "accessPolicyId": "open",
                                                       "contractPolicyId": "open", "assetsSelector": []})


def catalogue(consumer, provider, limit=50, client=None):
    """The provider's catalogue through the consumer's management API, as bytes."""
    body = {"@context": CONTEXT, "counterPartyAddress": provider.dsp, "counterPartyId": provider.did,
            "protocol": "dataspace-protocol-http:2025-1", "querySpec": {"offset": 0, "limit": limit}}
    status, content = (client or consumer.client()).request("POST", "/v3/catalog/request", body)
    if status != 200:
        raise RuntimeError(f"catalogue: {status} {content[:300]!r}")
    return content


def contract_request(consumer, provider, dataset):
    """Body of POST /v3/contractnegotiations for the first offer of a dataset."""
    policy = dataset["odrl:hasPolicy"]
    policy = policy[0] if isinstance(policy, list) else policy
    return {"@context": {**CONTEXT, "odrl": "http://www.w3.org/ns/odrl/2/"}, "@type": "ContractRequest", "counterPartyAddress": provider.dsp,
            "protocol": "dataspace-protocol-http:2025-1",
            "policy": {**policy, "@type": "odrl:Offer", "odrl:assigner": {"@id": provider.did}, "odrl:target": {"@id": dataset["@id"]}}}


def first_dataset(content):
    found = json.loads(content)["dcat:dataset"]
    return found[0] if isinstance(found, list) else found


def contract(consumer, provider, dataset):
    """Negotiates and returns the agreement's id."""
    made = consumer.call("POST", "/v3/contractnegotiations", contract_request(consumer, provider, dataset))

    def done():
        n = consumer.call("GET", f"/v3/contractnegotiations/{made['@id']}")
        if n["state"] == "TERMINATED":
            raise RuntimeError(f"negotiation refused: {n.get('errorDetail')}")
        return n if n["state"] == "FINALIZED" else None

    return wait_until(done, 30, "negotiation")["contractAgreementId"]


def transfer(consumer, provider, agreement):
    """Starts a pull transfer and returns (transfer id, EDR data address)."""
    made = consumer.call("POST", "/v3/transferprocesses", {
        "@context": CONTEXT, "@type": "TransferRequest", "counterPartyAddress": provider.dsp, "contractId": agreement,
        "protocol": "dataspace-protocol-http:2025-1", "transferType": "HttpData-PULL"})
    wait_until(lambda: consumer.call("GET", f"/v3/transferprocesses/{made['@id']}/state")["state"] == "STARTED", 30, "transfer")
    return made["@id"], consumer.call("GET", f"/v3/edrs/{made['@id']}/dataaddress")
