"""Connectors for scenarios: start, seed with an offer, speak DSP to them as another participant."""

import json
import secrets
import sqlite3
import ssl
import threading
import time
import uuid
from contextlib import closing
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from harness import BIN, Authority, Client, free_port, run, start, temp_dir, wait_until

CONTEXT = ["https://w3id.org/dspace/2025/1/context.jsonld"]
OF_EDC = {"@context": [*CONTEXT, "https://w3id.org/edc/dspace/v0.0.1"]}  # what stock EDC sends has a context of its own beside it
USE = {"permission": [{"action": "use"}]}
EDC = "https://w3id.org/edc/v0.0.1/ns/"


def new_key(path):
    status, _, err = run(["openssl", "genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out", path])
    if status:
        raise RuntimeError(err)
    path.chmod(0o600)


class Space:
    """Certificates and fixed tokens that the connectors of one scenario share."""

    made_of = None  # another kind of Connector

    def __init__(self, *names):
        self.authority = Authority()
        self.certificate = self.authority.issue()
        self.tokens = {name: secrets.token_hex(16) for name in names}

    def connector(self, name, program=None, plain=False, **settings):
        """A connector of this space; `plain`: without TLS."""
        return (self.made_of or Connector)(self, name, program or BIN / "naru-connector", settings, plain)


class Connector:
    def __init__(self, space, name, program, settings, plain=False):
        self.space, self.name = space, name
        self.folder = temp_dir()
        self.public, self.management = free_port(), free_port()
        plain = plain or settings.get("public.certificate") == ""
        self.base = f"http://127.0.0.1:{self.public}" if plain else f"https://localhost:{self.public}"
        self.dsp = f"{self.base}/dsp/2025-1"
        self.key = "key-" + secrets.token_hex(8)
        (self.folder / "api-key").write_text(self.key)
        (self.folder / "api-key").chmod(0o600)
        others = [n for n in space.tokens if n != name]
        (self.folder / "tokens").write_text("".join(f"{space.tokens[n]} {n}\n" for n in [name, *others]))
        (self.folder / "tokens").chmod(0o600)
        new_key(self.folder / "company.pem")
        certificate, key = ("", "") if plain else space.certificate
        values = {
            "participant.did": name, "identity.mode": "static", "identity.static_tokens": "tokens",
            "public.listen": f"127.0.0.1:{self.public}", "public.url": self.base, "public.certificate": certificate, "public.key": key,
            "management.listen": f"127.0.0.1:{self.management}", "fetch.ca": space.authority.ca,
            "fetch.allow": "127.0.0.0/8,::1/128", "database": f"sqlite:{self.folder}/connector.db",
            "data.roots": self.folder, "log.level": "info", **settings,
        }
        conf = self.folder / "connector.conf"
        conf.write_text("".join(f"{k} = {v}\n" for k, v in values.items()))
        self.process = start(name, [program, "--config", conf], cwd=self.folder)
        self.api = Client(f"http://127.0.0.1:{self.management}", headers={"X-Api-Key": self.key})
        wait_until(lambda: self.version().status == 200, 15, f"{name} answers")

    def version(self):
        return Client(self.base, self.space.authority.ca).get("/.well-known/dspace-version")

    def restart(self, kill=True):
        if kill:
            self.process.kill()
        else:
            self.process.stop()
        self.process.begin()
        wait_until(lambda: self.version().status == 200, 15, f"{self.name} is back")

    def as_peer(self, name):
        """DSP client that speaks to us as the participant `name`."""
        return Client(self.dsp, self.space.authority.ca, {"Authorization": self.space.tokens[name]})

    def sql(self, statement, *arguments):
        """Reads our database (or writes it, while we do nothing)."""
        with closing(sqlite3.connect(self.folder / "connector.db", timeout=20)) as db, db:
            return db.execute(statement, arguments).fetchall()

    def negotiate(self, address, provider, offer, asset="data-1", callbacks=None):
        """Begins a negotiation as consumer; returns our pid."""
        rules = {k: v for k, v in offer.items() if k not in ("@id", "@type", "target")}
        body = {
            "@context": {"@vocab": EDC}, "@type": "ContractRequest", "counterPartyAddress": address,
            "counterPartyId": provider, "protocol": "dataspace-protocol-http:2025-1",
            "policy": {"@context": "http://www.w3.org/ns/odrl.jsonld", "@id": offer["@id"], "@type": "Offer",
                       "assigner": provider, "target": asset, **rules},
            **({"callbackAddresses": callbacks} if callbacks else {}),
        }
        answer = self.api.post("/v3/contractnegotiations", body)
        assert answer.status == 200, answer.text
        return answer.json["@id"]

    def terminate(self, negotiation, reason="an operator ends it"):
        body = {"@context": {"@vocab": EDC}, "@type": "TerminateNegotiation", "@id": negotiation, "reason": reason}
        return self.api.post(f"/v3/contractnegotiations/{negotiation}/terminate", body)

    def wait_state(self, process, state, table="negotiation", deadline_s=10):
        wait_until(lambda: self.state(process, table) == state, deadline_s, f"{self.name}: {table} reaches {state}")

    def error(self, process, table="negotiation"):
        return self.sql(f"SELECT error FROM {table} WHERE {table}_id = ?", process)[0][0]

    def state(self, negotiation, table="negotiation"):
        rows = self.sql(f"SELECT state FROM {table} WHERE {table}_id = ?", negotiation)
        return rows[0][0] if rows else None

    def dump(self):
        """All that is stored, to see that nothing changed."""
        with closing(sqlite3.connect(self.folder / "connector.db", timeout=20)) as db:
            return list(db.iterdump())

    def watch(self):
        """A function whose value changes once somebody has written to our database."""
        db = sqlite3.connect(self.folder / "connector.db", timeout=20, isolation_level=None)
        return lambda: db.execute("PRAGMA data_version").fetchone()

    def offer(self, asset="data-1", policy=None, address=None, access=None):
        """An asset with one offer, put into the database before the catalogue is read for the first time."""
        now = int(time.time() * 1e6)
        path = self.folder / f"{asset}.csv"
        path.write_text("time,kwh\n1,2\n")
        address = address or {"type": "File", "path": str(path)}
        policies = {"access": access or {"@type": "Set", **USE}, "contract": policy or {"@type": "Offer", **USE}}
        self.sql("INSERT INTO asset VALUES (?,?,'{}',?,1,?,?)",
                 asset, json.dumps({EDC + "name": [{"@value": asset}]}), json.dumps(address), now, now)
        for kind, text in policies.items():
            self.sql("INSERT INTO policy_definition (policy_id, policy, policy_hash, private_properties, version, created_us) "
                     "VALUES (?,?,?,'{}',1,?)", f"{asset}/{kind}", json.dumps(text), f"{asset}/{kind}", now)
        selector = [{"operandLeft": EDC + "id", "operator": "=", "operandRight": asset}]
        self.sql("INSERT INTO contract_definition VALUES (?,?,?,?,'{}',1,?)",
                 f"{asset}/offer", f"{asset}/access", f"{asset}/contract", json.dumps(selector), now)


def message(kind, **members):
    return {"@context": CONTEXT, "@type": kind, **members}


class Peer:
    """A participant made of Python: takes messages over TLS, records them, answers as told.

    `answer(method, path, message)` gives (status, body), None to hang up, or a function that writes the answer to the handler it is given; the
    default accepts everything.
    """

    def __init__(self, space, name):
        self.space, self.name = space, name
        self.seen = []
        self.texts = []  # bodies as they came
        self.answer = self.accept
        self.links = lambda _path: []  # Link headers of an answer
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def handle_any(self):
                length = int(self.headers.get("Content-Length") or 0)
                text = self.rfile.read(length)
                body = json.loads(text) if text else None
                outer.texts.append(text)
                outer.seen.append((self.command, self.path, body, dict(self.headers)))
                answer = outer.answer(self.command, self.path, body)
                if answer is None:
                    self.close_connection = True
                    return
                if callable(answer):
                    answer(self)
                    return
                status, reply = answer
                reply = reply if isinstance(reply, bytes) else b"" if reply is None else json.dumps(reply).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(reply)))
                for link in outer.links(self.path):
                    self.send_header("Link", link)
                self.end_headers()
                self.wfile.write(reply)

            do_GET = do_POST = handle_any

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*map(str, space.certificate))
        self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        self.url = f"https://localhost:{self.server.server_address[1]}/dsp"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    @staticmethod
    def accept(_method, path, body):
        if path.endswith("/request") and body.get("callbackAddress"):
            kind, state = ("TransferProcess" if "/transfers/" in path else "ContractNegotiation"), "REQUESTED"
            return 201, message(kind, providerPid=f"urn:uuid:{uuid.uuid4()}", consumerPid=body["consumerPid"], state=state)
        return 200, None

    def messages(self, kind, **members):
        """Bodies of this @type that have these members, in the order in which they came."""
        return [b for _, _, b, _ in self.seen
                if b and b["@type"] == kind and all(b.get(k) == v for k, v in members.items())]

    def wait(self, kind, deadline_s=10, **members):
        return wait_until(lambda: self.messages(kind, **members), deadline_s, f"{self.name} gets a {kind}")[-1]

    def offer_of(self, connector, asset="data-1"):
        """An offer of the connector's catalogue, as a request repeats it."""
        catalogue = connector.as_peer(self.name).post("/catalog/request", message("CatalogRequestMessage")).json
        dataset = next(d for d in catalogue["dataset"] if d["@id"] == asset)
        return {**dataset["hasPolicy"][0], "target": asset}

    def request(self, connector, offer, **members):
        """A contract request to the connector; returns (our pid, the answer)."""
        pid = members.pop("consumerPid", f"urn:uuid:{uuid.uuid4()}")
        body = message("ContractRequestMessage", consumerPid=pid, offer=offer, callbackAddress=self.url, **members)
        return pid, connector.as_peer(self.name).post("/negotiations/request", body)

    def agreed(self, connector, asset="data-1"):
        """A whole negotiation as consumer; returns (our pid, its pid, agreement)."""
        pid, answer = self.request(connector, self.offer_of(connector, asset))
        assert answer.status == 201, answer.text
        agreement = self.wait("ContractAgreementMessage", consumerPid=pid)
        theirs = agreement["providerPid"]
        path = f"/negotiations/{theirs}/agreement/verification"
        verification = message("ContractAgreementVerificationMessage", consumerPid=pid, providerPid=theirs)
        assert connector.as_peer(self.name).post(path, verification).status == 200
        self.wait("ContractNegotiationEventMessage", consumerPid=pid)
        wait_until(lambda: connector.state(theirs) == 1200, 10, "FINALIZED")
        return pid, theirs, agreement["agreement"]
