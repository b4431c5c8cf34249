"""The connector's link to the data bank, against a data bank that is away, slow, rude or forged: membership, orders, receipts,
publications. What was accepted once is not sent again; what was not is sent until it is."""

import hashlib
import json
import sqlite3
import threading
import time
import uuid
from contextlib import closing

from databank import Key, Server, canonical, did_document, jwt_claims, parts, sha256, stamp, verifies
from harness import BIN, Authority, Client, free_port, main, request, start, tap, temp_dir, wait_until

FREE = {"currency": "KRW", "kind": "free", "components": [{"type": "free"}]}
ROWS = {"currency": "KRW", "kind": "metered", "components": [{"type": "per_unit", "meter": "rows", "price": "500000"}]}
CONSUMER = "did:web:consumer.test"
AWAY = object()  # an answer that never comes: the connection is cut


class Broker:
    """A data bank as far as the connector can see it. `usage`, `datasets` and `credentials` hold the next answers."""

    def __init__(self, authority, certificate):
        self.folder = temp_dir()
        self.key, self.second = Key(self.folder / "broker.pem"), Key(self.folder / "second.pem")
        self.server = Server(authority, certificate, self.answer)
        self.url, self.did = self.server.url, f"did:web:localhost%3A{self.server.port}"
        self.lock = threading.Lock()
        self.member = None  # the connector whose messages are checked
        self.calls, self.problems, self.seen_ids = [], [], set()
        self.credentials, self.usage, self.datasets, self.ends = [], [], [], []
        self.life_s = 3600
        self.receipts = {}  # (event, role) -> line, taken
        self.batches = []  # (signature, body) as they came
        self.gate = None

    def document(self):
        return did_document(self.did, ("key-1", self.key.jwk)) | {
            "verificationMethod": did_document(self.did, ("key-1", self.key.jwk), ("log", self.second.jwk))["verificationMethod"]}

    def answer(self, method, path, headers, body):
        if path == "/.well-known/did.json":
            return 200, self.document()
        with self.lock:
            if not self.check_token(headers.get("Authorization", "")):
                return 401, {}  # libcurl repeats a request by itself when a kept connection turns out to be dead
            self.calls.append((method, path, body))
        for prefix, handler in (("/v1/participants/me/credential", self.credential), ("/v1/usage", self.take_usage),
                                ("/v1/datasets/", self.take_dataset), ("/v1/agreements/end", self.take_end)):
            if path.startswith(prefix):
                return handler(method, path, headers, body)
        return 404, {}

    def check_token(self, header):
        """False if the token was used before; what else is wrong with it is a problem of the connector."""
        token = header.removeprefix("Bearer ")
        head, claims, _ = parts(token)
        did = self.member.did
        now = time.time()
        wrong = [name for name, good in {
            "kid": head["kid"] == f"{did}#key-1", "iss": claims["iss"] == did == claims["sub"], "aud": claims["aud"] == self.did,
            "times": claims["iat"] - 5 <= now < claims["exp"] <= claims["iat"] + 300,
            "membership": "membership" not in claims, "signature": verifies(token, self.member.key.jwk, self.folder)}.items() if not good]
        self.problems += wrong
        fresh = claims["jti"] not in self.seen_ids
        self.seen_ids.add(claims["jti"])
        return fresh

    def credential(self, *_):
        status = self.credentials.pop(0) if self.credentials else 200
        if status != 200:
            return status, {}
        now = int(time.time())
        claims = {"iss": self.did, "sub": self.member.did, "iat": now, "exp": now + self.life_s, "jti": str(uuid.uuid4()),
                  "membership": {"participant": str(uuid.uuid4()), "status": "active", "name": "x", "country": "KR",
                                 "business_number_kind": "kr_brn", "roles": []}}
        return 200, {"credential": self.key.jws(f"{self.did}#key-1", "naru-membership+jwt", claims), "expires_at": stamp(now + self.life_s)}

    def take_usage(self, _method, _path, headers, body):
        if self.gate is not None:
            self.gate.wait(60)
        with self.lock:
            self.batches.append((headers["Naru-Signature"], body))
            what = self.usage.pop(0) if self.usage else "take"
            if what is AWAY or isinstance(what, int):
                return None if what is AWAY else (what, {})
            if what == "garbage":
                return 200, b"<html>"
            lines = []
            for line in body.decode().splitlines():
                receipt = json.loads(line)
                known = self.receipts.setdefault((receipt["event"], receipt["role"]), line)
                result = what if what in ("conflict", "refused") else "created" if known is line else "duplicate"
                lines.append({"seq": receipt["seq"], "agreement": receipt["agreement"], "role": receipt["role"], "result": result})
            return None if what == "take and cut" else (200, {"lines": lines})

    def take_end(self, _method, _path, _headers, body):
        with self.lock:
            status = self.ends.pop(0) if self.ends else 200
            return (None if status is AWAY else (status, {}))

    def ended(self):
        """Documents that came to /v1/agreements/end."""
        with self.lock:
            return [json.loads(body)["end"] for _, path, body in self.calls if path == "/v1/agreements/end"]

    def take_dataset(self, method, _path, _headers, body):
        with self.lock:
            status = self.datasets.pop(0) if self.datasets else 200
            if status is AWAY:
                return None
            if method == "DELETE":
                return 204, b""
            return status, {"dataset": "01890a5d-ac96-774b-bcce-b302099a8057", "version": 1, "plans": []} if status == 200 else {}

    def puts(self, asset):
        with self.lock:
            return [(method, json.loads(body) if body else None) for method, path, body in self.calls if path == f"/v1/datasets/{asset}"]

    def asked(self):
        with self.lock:
            return len([1 for _, path, _ in self.calls if path.endswith("/credential")])

    def token(self, audience, key=None, kid=None, **changes):
        return (key or self.key).jws(kid or f"{self.did}#key-1", "JWT", jwt_claims(self.did, audience, **changes))


class Connector:
    """A connector with signed identity, its own DID document, and a folder with files."""

    def __init__(self, authority, certificate, broker, name="maker"):
        self.broker, self.ca = broker, authority.ca
        self.folder = temp_dir()
        self.public, self.management = free_port(), free_port()
        self.url = f"https://localhost:{self.public}"
        self.did = f"did:web:localhost%3A{self.public}"
        self.key = Key(self.folder / "company.pem")
        (self.folder / "api-key").write_text("key-of-the-test")
        (self.folder / "api-key").chmod(0o600)
        (self.folder / "files").mkdir()
        options = {"participant.did": self.did, "public.listen": f"127.0.0.1:{self.public}", "public.certificate": certificate[0],
                   "public.key": certificate[1], "management.listen": f"127.0.0.1:{self.management}", "fetch.ca": authority.ca,
                   "fetch.allow": "127.0.0.0/8,::1/128", "data.dir": "files", "database": f"sqlite:{self.folder}/connector.db",
                   **({"broker.url": broker.url, "broker.did": broker.did} if broker else {})}
        (self.folder / "connector.conf").write_text("".join(f"{k} = {v}\n" for k, v in options.items()))
        if broker:
            broker.member = self
        self.process = start(name, [BIN / "naru-connector", "--config", self.folder / "connector.conf"], cwd=self.folder)
        self.api = Client(f"http://127.0.0.1:{self.management}", headers={"X-Api-Key": "key-of-the-test"})
        self.wait()

    def wait(self):
        wait_until(lambda: self.api.get("/naru/v1/membership").status == 200, 20, "connector answers")

    def restart(self):
        self.process.kill()
        self.process.begin()
        self.wait()

    def sql(self, text, *values):
        with closing(sqlite3.connect(self.folder / "connector.db", timeout=20)) as db, db:
            return db.execute(text, values).fetchall()

    def membership(self):
        return self.api.get("/naru/v1/membership").json

    def deliver(self, order, token=None, key=None, typ="naru-order+jws", kid=None, **more):
        """POST /exchange/v1/orders as the data bank would, unless told otherwise."""
        broker = self.broker
        document = order if isinstance(order, str) else (key or broker.key).jws(kid or f"{broker.did}#key-1", typ, order)
        token = token if token is not None else f"Bearer {broker.token(self.did)}"
        return request("POST", f"{self.url}/exchange/v1/orders", json={"order": document, **more},
                       headers={"Authorization": token} if token else {}, ca=self.ca)

    def orders(self):
        return {i["order"]["order"]: (i["role"], i["order"]["version"], i["order"]["state"])
                for i in self.api.get("/naru/v1/orders").json["items"]}

    def answers(self):
        """(seq, answer) of each receipt of the transfer."""
        return [(r["receipt"]["seq"], r.get("answer")) for r in reversed(self.api.get("/naru/v1/usage?limit=1000").json["items"])]

    def all_answered(self, n):
        answers = self.answers()
        return len(answers) == n and all(a for _, a in answers) and answers


def scenario():
    authority = Authority()
    certificate = authority.issue()
    broker = Broker(authority, certificate)
    maker = Connector(authority, certificate, broker)  # before the data bank runs
    membership(broker, maker)
    orders(broker, maker)
    receipts(broker, maker)
    ended(broker, maker)
    publications(broker, maker)
    tap.equal(broker.problems, [], "every message to the data bank carried a fresh, well-formed token")
    alone(authority, certificate)


def membership(broker, maker):
    tap.equal((maker.membership()["member"], maker.membership()["broker"]), (False, broker.did), "the data bank is away: no member yet")
    broker.credentials[:] = [403, 404, 503, 429]
    broker.server.start()
    wait_until(lambda: maker.membership()["member"], 40, "the connector asks until it is a member")
    tap.ok(broker.asked() >= 5, "it asked again after each refusal", broker.asked())
    first = maker.membership()["expires_at"]
    asked = broker.asked()
    broker.life_s = 4
    tap.status(maker.api.post("/naru/v1/membership", {}), 202, "it can be told to ask at once")
    wait_until(lambda: broker.asked() >= asked + 3, 20, "a short-lived credential is renewed at half of its life")
    tap.ok(maker.membership()["member"], "so it stays a member")
    tap.ok(maker.membership()["expires_at"] < first, "by the newer credential")
    broker.life_s = 3600
    wait_until(lambda: maker.membership()["expires_at"] > stamp(time.time() + 1800), 20, "a long one again")
    broker.server.stop()
    maker.restart()
    tap.ok(maker.membership()["member"], "the credential outlives a restart, though the data bank is away")
    broker.server.start()


def order_of(broker, maker, **changes):
    order = {"order": str(uuid.uuid4()), "version": 1, "state": "open", "dataset": str(uuid.uuid4()), "asset": "a", "dataset_version": 1,
             "provider": maker.did, "consumer": CONSUMER, "plan": "ab" * 32, "purpose": "research", "issued_at": stamp(),
             "valid_until": stamp(time.time() + 3600), "endpoint": f"{maker.url}/dsp/2025-1",
             "matching": {"rule": "lower", "tolerance_ppm": 0}, **changes}
    return {k: v for k, v in order.items() if v is not None}


def orders(broker, maker):
    broker.server.stop()
    maker.restart()
    order = order_of(broker, maker)
    answer = maker.deliver(order)
    tap.ok(answer.status in (502, 503, 504), "an order whose signature cannot be checked now is not refused for good", answer.status)
    broker.server.start()
    wait_until(lambda: maker.deliver(order).status == 204, 20, "it is taken when the data bank's key can be read")
    name = order["order"]
    tap.equal(maker.orders(), {name: ("provider", 1, "open")}, "it is kept")
    tap.status(maker.deliver(order), 204, "it comes again: acknowledged")
    tap.status(maker.deliver({**order, "version": 3, "state": "active", "agreement": "urn:uuid:x"}), 204, "a newer version")
    tap.equal(maker.orders(), {name: ("provider", 3, "active")}, "replaces it")
    tap.status(maker.deliver({**order, "version": 2, "state": "cancelled"}), 204, "an older one is acknowledged")
    tap.equal(maker.orders(), {name: ("provider", 3, "active")}, "without effect")
    bought = order_of(broker, maker, provider="did:web:seller.test", consumer=maker.did)
    tap.status(maker.deliver(bought), 204, "an order in which we buy")
    before = {name: ("provider", 3, "active"), bought["order"]: ("consumer", 1, "open")}
    tap.equal(maker.orders(), before, "is kept as such")

    right = order_of(broker, maker)
    stranger = Key(temp_dir() / "stranger.pem")
    other = f"Bearer {broker.token(maker.did, key=maker.key, kid=f'{maker.did}#key-1', iss=maker.did, sub=maker.did)}"
    used = broker.token(maker.did, jti="one")
    cases = [
        ("without token", maker.deliver(right, token=""), 401),
        ("with a token of somebody else", maker.deliver(right, token=other), 401),
        ("with a token for somebody else", maker.deliver(right, token=f"Bearer {broker.token(CONSUMER)}"), 401),
        ("with a token that has expired", maker.deliver(right, token=f"Bearer {broker.token(maker.did, exp=int(time.time()) - 1)}"), 401),
        ("with a token of a stranger", maker.deliver(right, token=f"Bearer {broker.token(maker.did, key=stranger)}"), 401),
        ("with a token by the key of the log",
         maker.deliver(right, token=f"Bearer {broker.token(maker.did, key=broker.second, kid=f'{broker.did}#log')}"), 401),
        ("signed by a stranger", maker.deliver(right, key=stranger), 401),
        ("signed by us", maker.deliver(right, key=maker.key, kid=f"{maker.did}#key-1"), 401),
        ("signed by the key of the log", maker.deliver(right, key=broker.second, kid=f"{broker.did}#log"), 401),
        ("under an unknown key", maker.deliver(right, kid=f"{broker.did}#key-2"), 401),
        ("of another typ", maker.deliver(right, typ="naru-dataset+jws"), 401),
        ("that is no document", maker.deliver("x"), 401),
        ("of others", maker.deliver({**right, "provider": "did:web:a.test", "consumer": "did:web:b.test"}), 400),
        ("without purpose", maker.deliver({k: v for k, v in right.items() if k != "purpose"}), 400),
        ("in an unknown state", maker.deliver({**right, "state": "lost"}), 400),
        ("with another member beside it", maker.deliver(right, token=f"Bearer {used}", extra=1), 400),
    ]
    for what, answer, status in cases:
        tap.status(answer, status, f"an order {what}")
    altered = broker.key.jws(f"{broker.did}#key-1", "naru-order+jws", right).split(".")
    altered[1] = "e30"
    tap.status(maker.deliver(".".join(altered)), 401, "an order whose content was changed")
    tap.equal(maker.orders(), before, "nothing of them is kept")


class Deal:
    """A contract and a running transfer of a file, written into the connector's database, with a pull token by its key."""

    def __init__(self, maker):
        self.maker, self.agreement, self.pid = maker, f"urn:uuid:{uuid.uuid4()}", f"urn:uuid:{uuid.uuid4()}"
        peer_pid = f"urn:uuid:{uuid.uuid4()}"
        path = maker.folder / "files" / "pulled.csv"
        path.write_text("time,kwh\n1,2\n3,4\n")
        now = int(time.time() * 1e6)
        policy = {"@type": "Agreement", "@id": self.agreement, "target": "pulled", "assigner": maker.did, "assignee": CONSUMER,
                  "permission": [{"action": "use"}]}
        text = json.dumps(policy)
        digest, negotiation = hashlib.sha256(text.encode()).hexdigest(), f"urn:uuid:{uuid.uuid4()}"
        maker.sql("INSERT OR IGNORE INTO asset VALUES ('pulled', '{}', '{}', ?, 1, ?, ?)", json.dumps({"type": "File", "path": str(path)}), now, now)
        maker.sql("INSERT INTO policy_text VALUES (?, ?)", digest, text)
        maker.sql("INSERT INTO negotiation (negotiation_id, role, peer_id, peer_address, protocol, state, state_us, asset_id, offer_id,"
                  " policy_hash, agreement_id, created_us) VALUES (?, 'provider', ?, 'http://x', 'dataspace-protocol-http:2025-1', 1200, ?, 'pulled', 'o', ?, ?, ?)",
                  negotiation, CONSUMER, now, digest, self.agreement, now)
        maker.sql("INSERT INTO agreement (agreement_id, negotiation_id, role, provider_id, consumer_id, asset_id, policy_hash, agreed_us)"
                  " VALUES (?, ?, 'provider', ?, ?, 'pulled', ?, ?)", self.agreement, negotiation, maker.did, CONSUMER, digest, now - 10**7)
        maker.sql("INSERT INTO transfer (transfer_id, role, peer_pid, peer_id, peer_address, protocol, state, state_us, agreement_id,"
                  " asset_id, format, created_us) VALUES (?, 'provider', ?, ?, 'http://x', 'dataspace-protocol-http:2025-1', 600, ?, ?, 'pulled',"
                  " 'HttpData-PULL', ?)", self.pid, peer_pid, CONSUMER, now, self.agreement, now)

    def ask(self):
        now = time.time()
        claims = {"agreement": self.agreement, "aud": CONSUMER, "exp": int(now + 300), "iat": int(now) - 1, "iss": self.maker.did,
                  "issued_us": int(now * 1e6), "jti": str(uuid.uuid4()), "sub": self.pid}
        token = self.maker.key.jws(f"{self.maker.did}#key-1", "naru-pull+jwt", claims)
        return request("GET", f"{self.maker.url}/data", headers={"Authorization": token}, ca=self.maker.ca)

    def pull(self, n=1):
        for _ in range(n):
            answer = self.ask()
            assert answer.status == 200, (answer.status, answer.text)


def check_batch(broker, maker, signature, body):
    header, claim, payload = parts(signature)
    lines = body.decode().splitlines()
    good = {
        "typ": header["typ"] == "naru-batch+jws", "kid": header["kid"] == f"{maker.did}#key-1",
        "signature": verifies(signature, maker.key.jwk, broker.folder), "canonical claim": payload.decode() == canonical(claim),
        "hash": claim["batch"] == f"sha256:{sha256(body)}", "lines": claim["lines"] == len(lines), "reporter": claim["reporter"] == maker.did,
        "end of line": body.endswith(b"\n"), "canonical lines": all(canonical(json.loads(line)) == line for line in lines)}
    return [name for name, ok in good.items() if not ok]


def receipts(broker, maker):
    deal = Deal(maker)
    deal.pull(2)
    wait_until(lambda: maker.all_answered(2), 20, "two accesses, two receipts, answered")
    tap.equal(maker.answers(), [(1, "created"), (2, "created")], "each by the data bank")

    # one batch at a time: what comes meanwhile makes the next
    n = len(broker.batches)
    broker.gate = threading.Event()
    deal.pull()
    wait_until(lambda: len(maker.answers()) == 3, 10, "the receipt is stored")
    deal.pull(4)
    wait_until(lambda: len(maker.answers()) == 7, 10, "more receipts while the data bank thinks")
    tap.equal(maker.sql("SELECT count(*) FROM outbox WHERE kind = 'broker.usage'")[0][0], 1, "one batch is on its way")
    broker.gate.set()
    broker.gate = None
    wait_until(lambda: maker.all_answered(7), 20, "all are answered")
    tap.equal([len(body.splitlines()) for _, body in broker.batches[n:]], [1, 4], "the others came together")

    # errors, cuts: the same bytes until they are answered
    for name, script in (("answers 500 twice", [500, 500]), ("is overloaded", [429]), ("does not know us for a moment", [401, 403]),
                         ("cuts the connection before it reads", [AWAY]), ("takes the batch and cuts the connection", ["take and cut"])):
        n, before = len(broker.batches), len(maker.answers())
        broker.usage[:] = script
        deal.pull()
        wait_until(lambda b=before: maker.all_answered(b + 1), 30, "answered in the end")
        bodies = [body for _, body in broker.batches[n:]]
        tap.equal((len(bodies), len(set(bodies))), (len(script) + 1, 1), f"the data bank {name}: the same batch again, until it is answered")
        want = "duplicate" if script == ["take and cut"] else "created"
        tap.equal(maker.answers()[-1], (before + 1, want), "and then no more")

    # away for a while, the connector killed meanwhile
    n, before = len(broker.batches), len(maker.answers())
    broker.server.stop()
    deal.pull(3)
    wait_until(lambda: len(maker.answers()) == before + 3, 10, "receipts are stored while the data bank is away")
    waiting = wait_until(lambda: maker.sql("SELECT body FROM outbox WHERE kind = 'broker.usage'"), 10, "the first of them are on their way")
    maker.restart()
    tap.equal(maker.sql("SELECT body FROM outbox WHERE kind = 'broker.usage'"), waiting, "what waited for it waits after a kill")
    broker.server.start()
    wait_until(lambda: maker.all_answered(before + 3), 90, "all are answered when it is back")
    tap.equal(broker.batches[n][1].decode(), waiting[0][0], "first the batch that waited, byte for byte")

    seqs = sorted(json.loads(line)["seq"] for line in broker.receipts.values())
    tap.equal(seqs, list(range(1, before + 4)), "every receipt arrived, numbered without gap")
    tap.equal([p for signature, body in broker.batches for p in check_batch(broker, maker, signature, body)], [],
              "every batch was signed, and its lines canonical")
    one = json.loads(next(iter(broker.receipts.values())))
    tap.equal((one["agreement"], one["transfer"], one["role"], one["bytes"], one["calls"]), (deal.agreement, deal.pid, "provider", 17, 1),
              "and say what was used")

    # refusals are kept
    for what, want in (("conflict", "conflict"), ("refused", "refused"), (400, "batch refused"), ("garbage", "batch refused")):
        before, n = len(maker.answers()), len(broker.batches)
        broker.usage[:] = [what]
        deal.pull()
        wait_until(lambda b=before: maker.all_answered(b + 1), 20, "answered")
        tap.equal((maker.answers()[-1][1], len(broker.batches)), (want, n + 1), f"the data bank answers '{what}': kept, not sent again")
    deal.pull()
    wait_until(lambda b=len(maker.answers()): maker.answers()[-1][1] == "created", 20, "the next receipt goes its way")
    tap.ok(maker.answers()[-1][1] == "created", "a refusal stops nothing")


def in_force(maker, deal):
    return maker.sql("SELECT ended_us IS NULL FROM agreement WHERE agreement_id = ?", deal.agreement) == [(1,)]


def ended(broker, maker):
    """An agreement's early end goes to the data bank; an order that is over ends its agreement."""
    deal = Deal(maker)
    deal.pull()
    broker.ends[:] = [AWAY, 503]
    before = time.time()
    tap.status(maker.api.post(f"/naru/v1/agreements/{deal.agreement}/end", {"reason": "no longer made"}), 204, "an agreement is ended")
    wait_until(lambda: len(broker.ended()) == 3, 40, "the data bank hears of it, in the end")
    documents = broker.ended()
    header, end, payload = parts(documents[0])
    tap.equal((header["typ"], header["kid"], payload.decode()), ("naru-agreement-end+jws", f"{maker.did}#key-1", canonical(end)), "in a signed document")
    tap.ok(verifies(documents[0], maker.key.jwk, broker.folder), "that its key has signed", documents[0])
    tap.equal(len(set(documents)), 1, "the same each time")
    said = end.pop("ended_at")
    tap.equal(end, {"agreement": deal.agreement, "role": "provider", "provider": maker.did, "consumer": CONSUMER, "reason": "no longer made"},
              "that names agreement and parties")
    tap.ok(stamp(before)[:19] <= said[:19] <= stamp()[:19], "and the instant", said)

    wait_until(lambda: maker.deliver(order_of(broker, maker)).status == 204, 20, "the data bank's key can be read again")
    for state in ("ended", "cancelled"):
        deal = Deal(maker)
        deal.pull()
        order = order_of(broker, maker, agreement=deal.agreement)
        for what, wrong in (("of another consumer", {"consumer": "did:web:other.test"}), ("in which we buy", {"provider": CONSUMER, "consumer": maker.did}),
                            ("of another agreement", {"agreement": "urn:uuid:another"})):
            tap.status(maker.deliver({**order, "order": str(uuid.uuid4()), "state": state, **wrong}), 204, f"an order {what} is {state}")
        deal.pull()
        tap.ok(in_force(maker, deal), "that does not touch ours")
        for version, step in enumerate(("contracted", "active"), 2):
            maker.deliver({**order, "version": version, "state": step})
        deal.pull()
        tap.status(maker.deliver({**order, "version": 4, "state": state}), 204, f"its own order is {state}")
        wait_until(lambda d=deal: not in_force(maker, d), 20, "the agreement is over")
        tap.equal(deal.ask().status, 403, "the next access is refused")
        tap.status(maker.api.post(f"/naru/v1/agreements/{deal.agreement}/end", {"reason": "x"}), 409, "it cannot be ended again")
    deal = Deal(maker)
    order = order_of(broker, maker, agreement=deal.agreement, version=4, state="ended")
    maker.process.kill()
    maker.sql("INSERT INTO purchase VALUES (?, 'provider', ?, 'a', 'p', 'r', 'ended', 4, '{}', '', ?, 0, 0)", order["order"], CONSUMER, deal.agreement)
    maker.process.begin()
    maker.wait()
    wait_until(lambda: not in_force(maker, deal), 20, "also if the connector was stopped in between")
    tap.equal(len(broker.ended()), 3, "the data bank is not told what it has said itself")


def publish(maker, asset, **changes):
    body = {"asset": asset, "title": {"ko": "강판", "en": "Plate"}, "domain": "carbon", "media_type": "text/csv",
            "source": {"type": "File", "path": "table.csv"}, "plans": [ROWS], **changes}
    return maker.api.post("/naru/v1/datasets", {k: v for k, v in body.items() if v is not None})


def state_of(maker, asset):
    return maker.api.get(f"/naru/v1/datasets/{asset}").json["state"]


def publications(broker, maker):
    content = "time,kwh\n" + "".join(f"{i},{i}\n" for i in range(1000))
    (maker.folder / "files" / "table.csv").write_text(content)
    answer = publish(maker, "plate", terms={"purposes": ["urn:naru:purpose:research"], "members_only": True}, plans=[ROWS, FREE])
    tap.status(answer, 200, "a dataset is published in one call")
    got = answer.json
    plans = [sha256(canonical(plan)) for plan in (ROWS, FREE)]
    tap.equal((got["version"], got["state"], got["plans"], got["bytes"], got["digest"]),
              (1, "sent", plans, len(content), f"sha256:{sha256(content)}"), "measured, and sent to the data bank")
    wait_until(lambda: state_of(maker, "plate") == "listed", 20, "the data bank lists it")
    jws = broker.puts("plate")[0][1]["entry"]
    header, entry, payload = parts(jws)
    tap.equal((header["typ"], header["kid"], payload.decode() == canonical(entry)), ("naru-dataset+jws", f"{maker.did}#key-1", True),
              "the entry is a document of the company, in canonical form")
    tap.ok(verifies(jws, maker.key.jwk, broker.folder), "signed by its key")
    tap.equal((entry["asset"], entry["version"], entry["provider"], entry["digest"], entry["endpoint"], entry["plans"]),
              ("plate", 1, maker.did, got["digest"], f"{maker.url}/dsp/2025-1", [ROWS, FREE]), "and says what is offered")
    constraints = {c["leftOperand"].rsplit(":")[-1].rsplit("/")[-1]: c["rightOperand"] for c in entry["policy"]["permission"][0]["constraint"]}
    tap.equal(constraints.get("order"), [f"urn:naru:plan:{h}" for h in plans], "its policy asks for an order under one of the plans")
    tap.ok({"purpose", "Membership"} <= set(constraints), "and for what the terms say", constraints)
    listed = maker.api.get("/naru/v1/datasets/plate").json
    tap.equal((listed["dataset"], listed["entry"]), ("01890a5d-ac96-774b-bcce-b302099a8057", entry), "it is shown with the data bank's id")
    for table, n in (("asset", 1), ("policy_definition", 2), ("contract_definition", 1)):
        column = {"asset": "asset_id", "policy_definition": "policy_id", "contract_definition": "definition_id"}[table]
        tap.equal(maker.sql(f"SELECT count(*) FROM {table} WHERE {column} LIKE 'plate%'")[0][0], n, f"one {table} or two stand behind it")

    tap.equal(publish(maker, "plate", title={"en": "Plate, new"}).json["version"], 2, "publishing again makes the next version")
    wait_until(lambda: len(broker.puts("plate")) == 2 and state_of(maker, "plate") == "listed", 20, "which is sent, too")
    tap.equal(parts(broker.puts("plate")[1][1]["entry"])[1]["version"], 2, "as such")

    broker.datasets[:] = [500, AWAY, 409]
    publish(maker, "unwanted")
    wait_until(lambda: state_of(maker, "unwanted") == "refused", 30, "repeated after errors, refused at last")
    tap.equal([m for m, _ in broker.puts("unwanted")], ["PUT"] * 3, "what the data bank refuses is not sent again")

    broker.server.stop()
    publish(maker, "brief")
    tap.status(maker.api.delete("/naru/v1/datasets/brief"), 204, "a dataset is withdrawn before it was listed")
    maker.restart()
    broker.server.start()
    wait_until(lambda: [m for m, _ in broker.puts("brief")] == ["PUT", "DELETE"], 90, "the data bank hears of both, in order")
    wait_until(lambda: maker.sql("SELECT count(*) FROM outbox")[0][0] == 0, 20, "nothing waits")
    tap.equal(state_of(maker, "brief"), "withdrawn", "it stays withdrawn")
    tap.equal(maker.sql("SELECT count(*) FROM contract_definition WHERE definition_id LIKE 'brief%'")[0][0], 0, "and is offered no more")
    tap.status(maker.api.delete("/naru/v1/datasets/never"), 404, "what was never published")

    before = maker.sql("SELECT count(*) FROM asset")
    odrl = {"@context": ["https://w3id.org/dspace/2025/1/odrl-profile.jsonld"], "@type": "Set", "permission": [{"action": "use"}]}
    unknown = {**odrl, "permission": [{"action": "use", "constraint": [
        {"leftOperand": "https://unknown.test/x", "operator": "eq", "rightOperand": "x"}]}]}
    cases = [
        ("without title", {"title": None}, 400), ("with an empty title", {"title": {}}, 400), ("without domain", {"domain": None}, 400),
        ("without plans", {"plans": []}, 400), ("with a plan that is not understood", {"plans": [{"kind": "free"}]}, 400),
        ("of a file outside", {"source": {"type": "File", "path": "/etc/passwd"}}, 400),
        ("of a file that leads outside", {"source": {"type": "File", "path": "../connector.db"}}, 400),
        ("of an unknown kind of source", {"source": {"type": "Dream"}}, 400), ("without source", {"source": None}, 400),
        ("with a policy and terms", {"policy": odrl, "terms": {}}, 400), ("with a policy that is not understood", {"policy": unknown}, 400),
        ("with a price and a policy that asks for no order", {"policy": odrl}, 400),
        ("for a partner who is not named", {"visibility": "bilateral"}, 400), ("with an unknown member", {"colour": "blue"}, 400),
        ("with terms that are unknown", {"terms": {"weather": "fine"}}, 400), ("with a sample of 8193 bytes", {"sample": "x" * 8193}, 413),
        ("under an id of 513 bytes", {"asset": "x" * 513}, 413),
    ]
    for name, changes, status in cases:
        tap.status(publish(maker, changes.pop("asset", "bad"), **changes), status, f"a dataset {name}")
    tap.equal(maker.sql("SELECT count(*) FROM asset"), before, "nothing of them is stored")
    tap.equal(broker.puts("bad"), [], "or sent")


def alone(authority, certificate):
    hermit = Connector(authority, certificate, None, "hermit")
    (hermit.folder / "files" / "table.csv").write_text("a\n1\n")
    tap.equal(hermit.membership()["member"], False, "without a data bank there is no membership")
    tap.status(hermit.api.post("/naru/v1/membership", {}), 404, "nor anybody to ask for it")
    for terms in (None, {}, {"purposes": ["urn:naru:purpose:research"]}):
        answer = publish(hermit, "gift", plans=[FREE], terms=terms)
        tap.equal((answer.status, answer.json.get("state")), (200, "local"), f"a free dataset can be offered, under terms {terms}")
    text = hermit.sql("SELECT policy FROM policy_definition WHERE policy_id = 'gift/contract'")[0][0]
    tap.ok("order" not in text, "and asks for no order", text)
    answer = publish(hermit, "ware", plans=[FREE, ROWS])
    tap.equal((answer.status, answer.json["at"]), (400, "/plans/1"), "one with a price cannot")
    answer = request("POST", f"{hermit.url}/exchange/v1/orders", json={"order": "x"}, headers={"Authorization": "Bearer x"}, ca=authority.ca)
    tap.status(answer, 404, "orders are not taken")
    document = request("GET", f"{hermit.url}/.well-known/did.json", ca=authority.ca).json
    tap.equal((document["id"], document["verificationMethod"][0]["publicKeyJwk"], document["service"][0]["type"]),
              (hermit.did, hermit.key.jwk, "DataService"), "its DID document names key and service")


main(scenario)
