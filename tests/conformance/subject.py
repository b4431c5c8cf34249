"""The connector under test: started as the suites want it, seeded, and steered by its management API alone.

The suites' table of scenarios says what the connector's side does in each test: "on this state, do that". Here an operator made of
Python does it: it looks at the connector's processes and gives the commands that a person would give. The connector knows nothing of
this; it only keeps every step for its operator (operator.decides). Agreements that no test negotiates are rows of its database.
"""

import hashlib
import json
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "it"))
from connectors import EDC, Space  # pylint: disable=wrong-import-position
from harness import BIN, Postgres, tap  # pylint: disable=wrong-import-position

OURS = "CONNECTOR_UNDER_TEST"
PROTOCOL = "dataspace-protocol-http:2025-1"
FINALIZED = 1200
CONTEXT = {"@context": {"@vocab": EDC}}
POLL_S = 0.04


class Subject:
    """A connector with plain HTTP on loopback, the seeds of `table` (scenarios.json), two webhooks and an operator."""

    def __init__(self, table, database="sqlite", delay_s=None, programs=BIN):
        self.table = table
        self.delay_s = table["delay_ms"] / 1000 if delay_s is None else delay_s
        self.postgres = Postgres() if database == "postgresql" else None
        self.space = Space(OURS, table["peer"])
        settings = {"operator.decides": "agree, verify, finalize, start", "fetch.http": "true", "log.level": "warning"}
        if self.postgres:
            settings["database"] = self.postgres.create("subject")
        self.connector = self.space.connector(OURS, programs / "naru-connector", plain=True, **settings)
        self.authorization = self.space.tokens[table["peer"]]
        self.mistakes = []  # what went wrong on this side: a command that was refused, a webhook that could not be served
        self.publish()
        self.add_agreements()
        self.webhooks = self.serve()
        self.operator = Operator(self)

    # -- seeds

    def publish(self):
        """One asset a dataset, one policy, one contract definition that gives the offers their ids."""
        ids = [d["id"] for d in self.table["seed"]["datasets"]]
        form = {d["offer"].replace(d["id"], "{asset}") for d in self.table["seed"]["datasets"]}
        tap.equal(len(form), 1, "the offers' ids have one form")
        path = self.connector.folder / "data.csv"
        path.write_text("time,kwh\n1,2\n")
        for name in ids:
            self.post("/v3/assets", {"@id": name, "properties": {"name": name}, "dataAddress": {"type": "File", "path": str(path)}})
        policy = {"@context": "http://www.w3.org/ns/odrl.jsonld", "@type": "Set", **self.table["policy"]}
        self.post("/v3/policydefinitions", {"@id": "use", "policy": policy})
        self.post("/v3/contractdefinitions", {
            "@id": "all", "accessPolicyId": "use", "contractPolicyId": "use", "assetsSelector": [],
            "privateProperties": {"urn:naru:offer-id": form.pop()}})

    def add_agreements(self):
        """Agreements in force, as if they had been negotiated."""
        now = int(time.time() * 1e6)
        peer = self.table["peer"]
        for a in self.table["seed"]["agreements"]:
            provider, consumer = (OURS, peer) if a["role"] == "provider" else (peer, OURS)
            policy = json.dumps({"@type": "Agreement", "assigner": provider, "assignee": consumer, "target": a["dataset"],
                                 **self.table["policy"]})
            key = hashlib.sha256(policy.encode()).hexdigest()
            self.insert("policy_text", "ON CONFLICT (policy_hash) DO NOTHING", policy_hash=key, policy=policy)
            negotiation = "negotiation-of-" + a["id"]
            self.insert("negotiation", negotiation_id=negotiation, role=a["role"], peer_pid="peer-of-" + a["id"], peer_id=peer,
                        peer_address="http://localhost:1", protocol=PROTOCOL, state=FINALIZED, state_us=now, asset_id=a["dataset"],
                        offer_id="seed", policy_hash=key, agreement_id=a["id"], created_us=now)
            self.insert("agreement", agreement_id=a["id"], negotiation_id=negotiation, role=a["role"], provider_id=provider,
                        consumer_id=consumer, asset_id=a["dataset"], policy_hash=key, agreed_us=now)

    def insert(self, table, more="", **columns):
        values = [str(v) if isinstance(v, int) else "'" + v.replace("'", "''") + "'" for v in columns.values()]
        statement = f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({', '.join(values)}) {more}"
        if self.postgres:
            self.postgres.psql(statement, "subject")
        else:
            self.connector.sql(statement)

    # -- management API

    def post(self, path, body=None):
        """A call that must succeed; what does not is kept in `mistakes`."""
        answer = self.connector.api.post(path, {**CONTEXT, **body} if path.startswith("/v3/") else body)
        if answer.status >= 300:
            self.mistakes.append(f"POST {path}: {answer.status} {answer.text}")
        return answer

    # -- webhooks

    def begin_negotiation(self, asked):
        offer = {"@id": asked["offerId"], "@type": "Offer", **self.table["policy"]}
        self.connector.negotiate(asked["connectorAddress"], asked["providerId"], offer, asked["datasetId"])

    def begin_transfer(self, asked):
        self.post("/v3/transferprocesses", {
            "@type": "TransferRequest", "counterPartyAddress": asked["connectorAddress"], "contractId": asked["agreementId"],
            "protocol": PROTOCOL, "transferType": asked["format"]})

    def serve(self):
        acts = {"/negotiations": self.begin_negotiation, "/transfers": self.begin_transfer}
        mistakes = self.mistakes

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                body = json.loads(self.rfile.read(int(self.headers.get("Content-Length") or 0)))
                try:
                    acts[self.path](body)
                    status = 200
                except (AssertionError, OSError, KeyError) as e:
                    mistakes.append(f"webhook {self.path} {body}: {e!r}")
                    status = 500
                self.send_response(status)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_):
                pass

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, daemon=True).start()
        return f"http://localhost:{server.server_address[1]}"

    def arguments(self):
        """What the runners of the suites want to know of us."""
        return ["-b", self.connector.dsp, "-r", self.connector.base, "-i", OURS, "-a", self.authorization,
                "-c", self.webhooks + "/negotiations", "-t", self.webhooks + "/transfers"]


class Operator:
    """Looks at the newest processes again and again; a rule's command follows the state that it waits for."""

    ROUTES = {"negotiation": "/v3/contractnegotiations", "transfer": "/v3/transferprocesses"}
    KEYS = {"negotiation": "assetId", "transfer": "contractId"}

    def __init__(self, subject):
        self.subject = subject
        tests = subject.table["tests"]
        self.rules = {t.get("agreement") or t.get("dataset"): t["rules"] for t in tests}
        self.seen = {}  # (kind, id) -> (state, timestamp)
        self.entries = {}  # (kind, id, state) -> how often it was entered
        threading.Thread(target=self.watch, daemon=True).start()

    def watch(self):
        while self.subject.connector.process.must_live:
            for kind in self.ROUTES:
                try:
                    self.look(kind)
                except (OSError, ValueError) as e:
                    if self.subject.connector.process.must_live:
                        self.subject.mistakes.append(f"{kind}: {e!r}")
            time.sleep(POLL_S)

    def look(self, kind):
        query = {**CONTEXT, "@type": "QuerySpec", "limit": 30, "sortField": "createdAt", "sortOrder": "DESC"}
        for process in self.subject.connector.api.post(self.ROUTES[kind] + "/request", query).json:
            key = kind, process["@id"]
            now = process["state"], process["stateTimestamp"]
            if self.seen.get(key) == now:
                continue
            self.seen[key] = now
            nth = self.entries[(*key, now[0])] = self.entries.get((*key, now[0]), 0) + 1
            for rule in self.rules.get(process[self.KEYS[kind]], []):
                if rule["on"] == now[0] and rule.get("nth", 1) == nth:
                    timer = threading.Timer(self.subject.delay_s, self.act, (kind, process, rule["do"]))
                    timer.daemon = True
                    timer.start()

    def act(self, kind, process, word):
        """One command of an operator."""
        pid, s = process["@id"], self.subject
        naru, edc = f"/naru/v1/{kind}s/{pid}", f"{self.ROUTES[kind]}/{pid}"
        if word in ("offer", "request"):  # as provider an offer, as consumer a counter-request
            s.post(f"{naru}/offer", {"policy": {"@type": "Offer", **s.table["policy"]}})
        elif word in ("terminate", "suspend", "complete"):
            s.post(f"{edc}/{word}", {"@id": pid, "reason": "the scenario says so"})
        elif word == "start" and process["state"] == "SUSPENDED":
            s.post(f"{edc}/resume", {"@id": pid})
        else:  # agree, accept, verify, finalize, start
            s.post(f"{naru}/{word}")
