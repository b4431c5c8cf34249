"""A data bank over TLS with companies that apply, sign and are called as any company would: nothing is put in by SQL.

Keys are P-256, made and used by the openssl command; servers of the scenario's own (a company's connector, a web server with
DID documents, another broker) are `Server`s with certificates of the same authority.
"""

import base64
import contextlib
import hashlib
import http.server
import json
import secrets
import socket
import ssl
import subprocess
import tempfile
import threading
import time
import uuid
from pathlib import Path

from harness import BIN, Authority, Client, Postgres, free_port, start, temp_dir, wait_until

OPERATOR = "operator.token-of-a-test"  # a dot, so that it must not be taken for a JWT


def canonical(value):
    """RFC 8785 for documents without reals and with ASCII keys."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def base64url(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def unbase64url(text):
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def sha256(text):
    return hashlib.sha256(text if isinstance(text, bytes) else text.encode()).hexdigest()


def stamp(seconds=None):
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() if seconds is None else seconds))


def business_number(first_nine):
    """A Korean business registration number with its check digit."""
    d = [int(c) for c in first_nine]
    total = sum(a * b for a, b in zip(d, (1, 3, 7, 1, 3, 7, 1, 3, 5))) + d[8] * 5 // 10
    return f"{first_nine}{(10 - total % 10) % 10}"


def parts(compact):
    """Header, payload (parsed) and payload (bytes) of a compact JWS."""
    header, payload, _ = compact.split(".")
    return json.loads(unbase64url(header)), json.loads(unbase64url(payload)), unbase64url(payload)


class Key:
    """A P-256 key in a file."""

    def __init__(self, path):
        self.path = path
        subprocess.run(["openssl", "genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out", path],
                       check=True, capture_output=True)
        path.chmod(0o600)
        der = subprocess.run(["openssl", "pkey", "-in", path, "-pubout", "-outform", "DER"], check=True,
                             capture_output=True).stdout
        self.jwk = {"alg": "ES256", "crv": "P-256", "kty": "EC", "x": base64url(der[-64:-32]), "y": base64url(der[-32:])}

    def sign(self, data):
        """r and s of 32 bytes each (RFC 7518 §3.4), from openssl's DER."""
        der = subprocess.run(["openssl", "dgst", "-sha256", "-sign", self.path], input=data, check=True,
                             capture_output=True).stdout
        r_length = der[3]
        r, s = der[4:4 + r_length], der[4 + r_length + 2:]
        return b"".join(part.lstrip(b"\0").rjust(32, b"\0") for part in (r, s))

    def jws(self, kid, typ, payload, **header):
        """Compact JWS of a text, or of a value in canonical form; header members of None are left out."""
        text = payload if isinstance(payload, str) else canonical(payload)
        members = {"alg": "ES256", "kid": kid, "typ": typ, **header}
        head = base64url(canonical({k: v for k, v in members.items() if v is not None}).encode())
        signed = f"{head}.{base64url(text.encode())}"
        return f"{signed}.{base64url(self.sign(signed.encode()))}"


def verifies(compact, jwk, folder):
    """True if openssl accepts the ES256 signature with this public JWK."""
    x, y = unbase64url(jwk["x"]), unbase64url(jwk["y"])
    prefix = bytes.fromhex("3059301306072a8648ce3d020106082a8648ce3d030107034200" "04")  # SubjectPublicKeyInfo of P-256
    signed, signature = compact.rsplit(".", 1)
    raw = unbase64url(signature)

    def integer(b):
        b = b.lstrip(b"\0") or b"\0"
        b = b"\0" + b if b[0] & 0x80 else b
        return b"\x02" + bytes([len(b)]) + b

    body = integer(raw[:32]) + integer(raw[32:])
    with tempfile.TemporaryDirectory(dir=folder) as own:  # a mock server's thread may verify another one at the same time
        public, der = Path(own, "public.der"), Path(own, "signature.der")
        public.write_bytes(prefix + x + y)
        der.write_bytes(b"\x30" + bytes([len(body)]) + body)
        done = subprocess.run(["openssl", "dgst", "-sha256", "-verify", public, "-keyform", "DER", "-signature", der],
                              input=signed.encode(), capture_output=True)
    return done.returncode == 0


def did_document(did, *keys, relationships=("authentication", "assertionMethod", "capabilityInvocation")):
    """A document with keys given as (fragment, jwk)."""
    methods = [{"id": f"{did}#{name}", "type": "JsonWebKey2020", "controller": did, "publicKeyJwk": jwk} for name, jwk in keys]
    return {"@context": ["https://www.w3.org/ns/did/v1"], "id": did, "verificationMethod": methods,
            **{r: [m["id"] for m in methods] for r in relationships}}


def jwt_claims(did, audience, life_s=120, **changes):
    """Claims as every program of ours makes them; a change to None leaves a claim out."""
    now = int(time.time())
    claims = {"aud": audience, "exp": now + life_s, "iat": now, "iss": did, "jti": secrets.token_hex(8), "sub": did, **changes}
    return {k: v for k, v in claims.items() if v is not None}


class Server:
    """HTTPS on loopback. `answer(method, path, headers, body)` gives (status, value or bytes), or None to cut the connection."""

    def __init__(self, authority, certificate, answer, port=None):
        self.port = port or free_port()
        self.answer = answer
        self.url = f"https://localhost:{self.port}"
        self.context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        self.context.load_cert_chain(*certificate)
        self.server = None
        self.connections = []

    def start(self):
        owner = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def setup(self):
                super().setup()
                owner.connections.append(self.connection)

            def handle_any(self):
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                answer = owner.answer(self.command, self.path, self.headers, body)
                if answer is None:
                    self.close_connection = True
                    self.connection.shutdown(socket.SHUT_RDWR)
                    return
                status, content = answer
                data = content if isinstance(content, bytes) else json.dumps(content).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            do_GET = do_POST = do_PUT = do_DELETE = handle_any

            def log_message(self, *_):
                pass

        class Quiet(http.server.ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, *_):
                pass  # a peer that hangs up is part of the scenarios

        self.server = Quiet(("127.0.0.1", self.port), Handler)
        self.server.socket = self.context.wrap_socket(self.server.socket, server_side=True, do_handshake_on_connect=False)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        return self

    def stop(self):
        """As if the machine were switched off: connections end, too."""
        self.server.shutdown()
        self.server.server_close()
        for connection in self.connections:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        self.connections.clear()


class DataBank:
    """PostgreSQL, broker and operator."""

    def __init__(self, **settings):
        self.folder = temp_dir("bank-")
        self.authority = Authority()
        self.certificate = self.authority.issue()
        self.pg = Postgres()
        self.port, self.operator_port = free_port(), free_port()
        self.url = f"https://localhost:{self.port}"
        self.did = f"did:web:localhost%3A{self.port}"
        self.key = Key(self.folder / "broker.pem")
        subprocess.run(["openssl", "genpkey", "-algorithm", "ED25519", "-out", self.folder / "log.pem"], check=True,
                       capture_output=True)
        (self.folder / "token").write_text(OPERATOR)
        for name in ("log.pem", "token"):
            (self.folder / name).chmod(0o600)
        options = {"listen": f"127.0.0.1:{self.port}", "operator.listen": f"127.0.0.1:{self.operator_port}",
                   "tls.certificate": self.certificate[0], "tls.key": self.certificate[1], "database": self.pg.create("broker"),
                   "did": self.did, "key": self.key.path, "log.key": self.folder / "log.pem",
                   "operator.token": self.folder / "token", "fetch.ca": self.authority.ca, "fetch.allow": "127.0.0.0/8,::1/128",
                   "credit.limit": "1000000", **{k.replace("_", "."): v for k, v in settings.items()}}
        self.broker = start("broker", [BIN / "naru-broker", *(f"--{k}={v}" for k, v in options.items())])
        self.wait()

    def wait(self):
        wait_until(lambda: self.api().get("/healthz").status == 200, 20, "broker answers")

    def api(self, token=None):
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        return Client(self.url, self.authority.ca, headers)

    def operator(self, token=OPERATOR):
        return Client(f"https://localhost:{self.operator_port}", self.authority.ca,
                      {"Authorization": f"Bearer {token}"} if token else {})

    def sql(self, text):
        return self.pg.psql(text, "broker")

    def value(self, text):
        return self.sql(text)[0][0]

    def entries(self, kind):
        """Bodies of the log of one kind, sealed or not, in order."""
        rows = self.sql("SELECT entry FROM (SELECT 0 AS late, log_index AS n, entry FROM aud.entry UNION ALL"
                        " SELECT 1, pending_id, entry FROM aud.pending) e ORDER BY late, n")
        return [e["body"] for e in (json.loads(row[0]) for row in rows) if e["kind"] == kind]

    def member(self, slug, **changes):
        """A company that applied and was approved."""
        company = Company(self, slug, **changes)
        answer = company.apply()
        assert answer.status == 201, answer.text
        answer = self.operator().post(f"/v1/participants/{company.id}/approve")
        assert answer.status == 200, answer.text
        return company


class Company:
    """A company; its connector is the scenario's affair."""

    count = 0

    def __init__(self, bank, slug, connector_url=None, did=None):
        Company.count += 1
        self.bank, self.slug = bank, slug
        self.key = Key(temp_dir() / f"{slug}.pem")
        self.number = business_number(f"1{Company.count:08d}")
        self.self_hosted = did is not None
        self.did = did or f"{bank.did}:participants:{slug}"
        self.connector_url = connector_url or f"https://localhost:{free_port()}"
        self.id = self.token = None
        self.versions = {}

    def proof(self, key=None, **changes):
        return (key or self.key).jws(f"{self.did}#key-1", "JWT", jwt_claims(self.did, self.bank.did, **changes))

    def application(self, **changes):
        body = {"name": {"ko": f"{self.slug} 주식회사", "en": f"{self.slug} Ltd."}, "country": "KR",
                "number": {"kind": "kr_brn", "value": self.number}, "slug": self.slug, "jwk": self.key.jwk,
                "connector_url": self.connector_url, "protocol_url": f"{self.connector_url}/dsp/2025-1", "proof": self.proof(),
                **({"did": self.did} if self.self_hosted else {}), **changes}
        return {k: v for k, v in body.items() if v is not None}

    def apply(self, **changes):
        answer = self.bank.api().post("/v1/applications", self.application(**changes))
        if answer.status == 201:
            self.id, self.token = answer.json["participant"], answer.json["token"]
        return answer

    def jwt(self, key=None, kid="", audience=None, header=None, **changes):
        """A token for the data bank; `kid` is ours unless given (None: left out)."""
        claims = jwt_claims(self.did, audience or self.bank.did, **changes)
        return (key or self.key).jws(f"{self.did}#key-1" if kid == "" else kid, "JWT", claims, **(header or {}))

    def client(self):
        """As people of the company."""
        return self.bank.api(self.token)

    def connector(self):
        """As its connector, with a fresh token: good for one request."""
        return self.bank.api(self.jwt())

    def entry(self, asset, plans, **changes):
        """A catalogue entry in its next version."""
        version = self.versions[asset] = self.versions.get(asset, 0) + 1
        entry = {"asset": asset, "issued_at": stamp(), "version": version, "provider": self.did,
                 "title": {"ko": "강판 탄소 배출량", "en": "Carbon footprint of steel plate"}, "domain": "carbon",
                 "media_type": "text/csv", "plans": plans, "visibility": "open", "endpoint": f"{self.connector_url}/dsp/2025-1",
                 "formats": ["HttpData-PULL"],
                 "policy": {"@context": ["https://w3id.org/dspace/2025/1/odrl-profile.jsonld"], "@type": "Set",
                            "permission": [{"action": "use"}]}, **changes}
        return {k: v for k, v in entry.items() if v is not None}

    def sign(self, typ, value, key=None, kid=None):
        return (key or self.key).jws(kid or f"{self.did}#key-1", typ, value)

    def put(self, entry, asset=None, jws=None):
        """Publishes an entry as the connector does."""
        return self.connector().put(f"/v1/datasets/{asset or entry['asset']}",
                                    {"entry": jws or self.sign("naru-dataset+jws", entry)})

    def publish(self, asset, plans, **changes):
        """Publishes, and returns the dataset's id."""
        answer = self.put(self.entry(asset, plans, **changes))
        assert answer.status == 200, answer.text
        return answer.json["dataset"]

    def report(self, order, role, other, **changes):
        """POST /v1/agreements about an order document."""
        mine, theirs = ("provider", "consumer") if role == "provider" else ("consumer", "provider")
        report = {"agreement": f"urn:uuid:{uuid.uuid4()}", "role": role, "order": order["order"], "asset": order["asset"],
                  mine: self.did, theirs: other.did, "hash": "ab" * 32, "agreed_at": stamp(), "reporter": self.did, **changes}
        report = {k: v for k, v in report.items() if v is not None}
        return self.connector().post("/v1/agreements", {"report": self.sign("naru-agreement+jws", report)})

    def end(self, agreement, role, other, **changes):
        """POST /v1/agreements/end."""
        mine, theirs = ("provider", "consumer") if role == "provider" else ("consumer", "provider")
        end = {"agreement": agreement, "role": role, mine: self.did, theirs: other.did, "ended_at": stamp(), **changes}
        return self.connector().post("/v1/agreements/end", {"end": self.sign("naru-agreement-end+jws", {k: v for k, v in end.items() if v is not None})})

    def deleted(self, agreement, provider, duty, **changes):
        """POST /v1/agreements/deletions, as consumer."""
        statement = {"duty": duty, "agreement": agreement, "provider": provider.did, "consumer": self.did, "role": "consumer", "deleted_at": stamp(),
                     "tokens": 1, "files": 0, "bytes": 0, "by": "operator", **changes}
        return self.connector().post("/v1/agreements/deletions", {"statement": self.sign("naru-deletion+jws", statement)})

    def duty(self, agreement, role, other, duty, **changes):
        """POST /v1/agreements/duties."""
        mine, theirs = ("provider", "consumer") if role == "provider" else ("consumer", "provider")
        report = {"duty": duty, "agreement": agreement, mine: self.did, theirs: other.did, "role": role, "debtor": "consumer",
                  "action": "http://www.w3.org/ns/odrl/2/inform", "due_at": stamp(time.time() - 60), "state": "overdue", "at": stamp(), "by": "connector", **changes}
        return self.connector().post("/v1/agreements/duties", {"report": self.sign("naru-duty+jws", report)})
