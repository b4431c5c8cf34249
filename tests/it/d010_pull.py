"""The data plane alone: two connectors whose contracts are written into their databases, pulls of every kind, receipts.

The provider's tokens are made here with its key, as TransferStart would carry them; negotiation and transfer have
scenarios of their own.
"""

import base64
import csv
import hashlib
import http.client
import io
import itertools
import json
import os
import sqlite3
import subprocess
import sys
import threading
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from harness import BIN, Client, PATIENCE, free_port, main, request, start, tap, temp_dir, wait_until

PROVIDER, CONSUMER = "did:web:provider.test", "did:web:consumer.test"
STARTED, SUSPENDED = 600, 700
PLAN = "ab" * 32


def b64url(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


class Connector:
    def __init__(self, name, did, peers, extra=""):
        self.did = did
        self.folder = temp_dir()
        self.public, self.management = free_port(), free_port()
        subprocess.run(["openssl", "genpkey", "-algorithm", "ED25519", "-out", self.folder / "company.pem"], check=True)
        for file, text in (("api-key", "key-of-the-test"), ("tokens", "\n".join(peers) + "\n")):
            (self.folder / file).write_text(text)
        for file in ("company.pem", "api-key", "tokens"):
            os.chmod(self.folder / file, 0o600)
        (self.folder / "files").mkdir()
        conf = self.folder / "connector.conf"
        conf.write_text(f"""participant.did = {did}
identity.mode = static
identity.static_tokens = tokens
public.listen = 127.0.0.1:{self.public}
management.listen = 127.0.0.1:{self.management}
database = sqlite:{self.folder}/connector.db
data.dir = files
fetch.allow = 127.0.0.0/8
fetch.http = true
{extra}""")
        self.process = start(name, [BIN / "naru-connector", "--config", conf], cwd=self.folder)
        self.api = Client(f"http://127.0.0.1:{self.management}", headers={"X-Api-Key": "key-of-the-test"})
        self.wait()

    def wait(self):
        wait_until(lambda: request("GET", f"http://127.0.0.1:{self.public}/data").status == 401, 20, "connector answers")

    def sql(self, text, *values):
        with closing(sqlite3.connect(self.folder / "connector.db", timeout=20)) as db, db:
            return db.execute(text, values).fetchall()

    def sign(self, typ, claims):
        head = b64url(json.dumps({"alg": "EdDSA", "kid": f"{self.did}#key-1", "typ": typ}).encode())
        text = f"{head}.{b64url(json.dumps(claims).encode())}"
        (self.folder / "to-sign").write_text(text)
        signature = subprocess.run(["openssl", "pkeyutl", "-sign", "-rawin", "-inkey", self.folder / "company.pem", "-in",
                                    self.folder / "to-sign"], check=True, capture_output=True).stdout
        return f"{text}.{b64url(signature)}"

    def receipts(self, role):
        rows = self.sql("SELECT line FROM receipt WHERE role = ? ORDER BY agreement_id, seq", role)
        return {r["event"]: r for r in (json.loads(row[0]) for row in rows)}


class Deal:
    """A contract and a transfer, known to both sides."""

    numbers = itertools.count(1)

    def __init__(self, space, address, constraints=(), agreed_ago_s=60, ends_in_s=None, life_s=300):
        n = next(self.numbers)
        self.space, self.asset, self.agreement = space, f"asset-{n}", f"urn:uuid:{uuid.uuid4()}"
        self.provider_pid, self.consumer_pid = f"urn:uuid:{uuid.uuid4()}", f"urn:uuid:{uuid.uuid4()}"
        now = int(time.time() * 1e6)
        agreed, ends = now - int(agreed_ago_s * 1e6), now + int(ends_in_s * 1e6) if ends_in_s else None
        policy = {"@type": "Agreement", "@id": self.agreement, "target": self.asset, "assigner": PROVIDER,
                  "assignee": CONSUMER, "permission": [{"action": "use", **({"constraint": list(constraints)} if constraints else {})}]}
        text = json.dumps(policy)
        digest = hashlib.sha256(text.encode()).hexdigest()
        space.provider.sql("INSERT INTO asset VALUES (?, '{}', '{}', ?, 1, ?, ?)", self.asset, json.dumps(address), now, now)
        for side, role, own, other, peer in ((space.provider, "provider", self.provider_pid, self.consumer_pid, CONSUMER),
                                             (space.consumer, "consumer", self.consumer_pid, self.provider_pid, PROVIDER)):
            negotiation = f"urn:uuid:{uuid.uuid4()}"
            side.sql("INSERT INTO policy_text VALUES (?, ?)", digest, text)
            side.sql("INSERT INTO negotiation (negotiation_id, role, peer_id, peer_address, protocol, state, state_us, asset_id,"
                     " offer_id, policy_hash, agreement_id, created_us) VALUES (?,?,?,?,?,?,?,?,?,?,?,?)", negotiation, role, peer,
                     "http://x", "p", 1200, now, self.asset, "o", digest, self.agreement, now)
            side.sql("INSERT INTO agreement (agreement_id, negotiation_id, role, provider_id, consumer_id, asset_id, policy_hash,"
                     " agreed_us, ends_us) VALUES (?,?,?,?,?,?,?,?,?)", self.agreement, negotiation, role, PROVIDER, CONSUMER,
                     self.asset, digest, agreed, ends)
            side.sql("INSERT INTO transfer (transfer_id, role, peer_pid, peer_id, peer_address, protocol, state, state_us,"
                     " agreement_id, asset_id, format, created_us) VALUES (?,?,?,?,?,?,?,?,?,?,?,?)", own, role, other, peer,
                     "http://127.0.0.1:9", "dataspace-protocol-http:2025-1", STARTED, now, self.agreement, self.asset, "HttpData-PULL", now)
        self.token = self.make_token(life_s=life_s)
        self.refresh = self.make_token("naru-refresh+jwt", life_s=3600)
        space.consumer.sql("INSERT INTO edr VALUES (?,?,?,?,?,?,?)", self.consumer_pid, space.data_url, self.token,
                           f"{space.data_url}/token", self.refresh, now + int(life_s * 1e6), now)

    def make_token(self, typ="naru-pull+jwt", life_s=300, signer=None, issued_us=None, **changes):
        now = time.time()
        claims = {"agreement": self.agreement, "aud": CONSUMER, "exp": int(now + life_s), "iat": int(now) - 1, "iss": PROVIDER,
                  "issued_us": issued_us or int(now * 1e6), "jti": str(uuid.uuid4()), "sub": self.provider_pid, **changes}
        return (signer or self.space.provider).sign(typ, {k: v for k, v in claims.items() if v is not None})

    def get(self, rest="", method="GET", token=None, **headers):
        """Straight to the provider."""
        all_headers = {"Authorization": self.token if token is None else token,
                       **{k.replace("_", "-"): v for k, v in headers.items()}}
        return request(method, self.space.data_url + rest, headers=all_headers)

    def pull(self, rest="", method="GET", **headers):
        """Through the consumer's connector."""
        return self.space.consumer.api.request(method, f"/naru/v1/edrs/{self.consumer_pid}/data{rest}",
                                               headers={k.replace("_", "-"): v for k, v in headers.items()})

    def end(self, path):
        """By the provider's own command; its message to the consumer goes nowhere, which changes nothing for the data."""
        status = self.space.provider.api.request("POST", path, {"@context": {"@vocab": "https://w3id.org/edc/v0.0.1/ns/"}, "reason": "test"}
                                                 if path.startswith("/v3") else {"reason": "test"}).status
        tap.equal(status, 204, f"the provider ends it: {path.rpartition('/')[2]}")

    def terminate(self):
        self.end(f"/v3/transferprocesses/{self.provider_pid}/terminate")

    def counted(self, role="provider"):
        side = self.space.provider if role == "provider" else self.space.consumer
        return [r for r in side.receipts(role).values() if r["agreement"] == self.agreement]

    def wait_counted(self, n, role="provider"):
        return wait_until(lambda: len(self.counted(role)) == n and self.counted(role), 15, f"{n} receipts of the {role}")


class Space:
    def __init__(self):
        self.provider = Connector("provider", PROVIDER, [f"p-token {PROVIDER}", f"c-token {CONSUMER}"])
        self.consumer = Connector("consumer", CONSUMER, [f"c-token {CONSUMER}", f"p-token {PROVIDER}"])
        self.data_url = f"http://127.0.0.1:{self.provider.public}/data"

    def file(self, name, content):
        path = self.provider.folder / "files" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        return path


# -- files --------------------------------------------------------------------------------------------------------------
def rows_text(n):
    return b"time,value\n" + b"".join(b"2026-01-01T00:%02d:00Z,%d\n" % (i % 60, i) for i in range(n))


def files(space):
    content = rows_text(1000)
    path = space.file("a.csv", content)
    deal = Deal(space, {"type": "File", "path": str(path)})
    whole = deal.get()
    tap.status(whole, 200, "a file is pulled")
    tap.ok(whole.body == content, "all its bytes arrive")
    tap.equal(whole.headers["Repr-Digest"], "sha-256=:" + base64.b64encode(hashlib.sha256(content).digest()).decode() + ":",
              "its digest is announced")
    tap.equal(whole.headers["Content-Type"], "text/csv", "its media type is known")
    tag = whole.headers["ETag"]
    tap.equal(uuid.UUID(whole.headers["Naru-Event"]).version, 7, "the access has an event id")
    table = [("the first bytes", {"Range": "bytes=0-9"}, 206, content[:10]), ("the last bytes", {"Range": "bytes=-7"}, 206, content[-7:]),
             ("from the middle on", {"Range": "bytes=100-"}, 206, content[100:]),
             ("a range of this version", {"Range": "bytes=5-6", "If-Range": tag}, 206, content[5:7]),
             ("a range of another version is the whole", {"Range": "bytes=5-6", "If-Range": '"old"'}, 200, content),
             ("several ranges are the whole", {"Range": "bytes=0-1,5-6"}, 200, content),
             ("a range behind the end", {"Range": f"bytes={len(content)}-"}, 416, None),
             ("the version that is known", {"If-None-Match": tag}, 304, b""), ("any version that is known", {"If-None-Match": "*"}, 304, b""),
             ("another version", {"If-None-Match": '"old"'}, 200, content), ("the right version", {"If-Match": tag}, 200, content),
             ("the wrong version", {"If-Match": '"old"'}, 412, None)]
    for name, headers, status, body in table:
        answer = request("GET", space.data_url, headers={"Authorization": "Bearer " + deal.token, **headers})
        tap.status(answer, status, f"file: {name}")
        tap.ok(body is None or answer.body == body, f"file: {name}: the bytes")
    head = deal.get(method="HEAD")
    tap.equal((head.status, head.body, head.headers["Content-Length"]), (200, b"", str(len(content))), "HEAD tells the size")
    good = 1 + sum(1 for _, _, status, _ in table if status < 400) + 1
    receipts = deal.wait_counted(good)
    tap.equal(sum(r["calls"] for r in receipts), good, "each answer is one call, refusals are none")
    by_event = {r["event"]: r for r in receipts}
    tap.equal(by_event[whole.headers["Naru-Event"]]["bytes"], len(content), "the receipt has the bytes")
    tap.equal(by_event[whole.headers["Naru-Event"]]["rows"], 1000, "the receipt has the rows, without the header")
    tap.equal((by_event[head.headers["Naru-Event"]]["bytes"], by_event[head.headers["Naru-Event"]]["rows"]), (0, 0), "HEAD has no bytes")
    tap.equal(sorted(r["seq"] for r in receipts), list(range(1, good + 1)), "the sequence has no gap")
    ranges = Deal(space, {"type": "File", "path": "a.csv"})
    for n in (0, 333, 5000, 20000):
        ranges.get(Range=f"bytes={n}-{ {0: 332, 333: 4999, 5000: 19999}.get(n, '') }")
    tap.equal(sum(r["rows"] for r in ranges.wait_counted(4)), 1000, "rows of ranges add up")


def folders(space):
    space.file("folder/one.txt", b"one")
    space.file("folder/sub/두.txt", b"two")
    space.file("folder/.hidden", b"hidden")
    space.file("secret.txt", b"secret")
    os.symlink("../secret.txt", space.provider.folder / "files" / "folder" / "link.txt")
    deal = Deal(space, {"type": "File", "path": "folder"})
    for rest, status, body in (("/one.txt", 200, b"one"), ("/sub/%EB%91%90.txt", 200, b"two"), ("", 404, None), ("/", 404, None),
                               ("/sub", 404, None), ("/none.txt", 404, None), ("/link.txt", 404, None), ("/.hidden", 400, None),
                               ("/../secret.txt", 400, None), ("/%2e%2e/secret.txt", 400, None), ("/sub/..%2f..%2fsecret.txt", 400, None),
                               ("/sub%2f%EB%91%90.txt", 400, None), ("//one.txt", 400, None), ("/one.txt/", 404, None),
                               ("/%252e%252e/secret.txt", 400, None), ("/a%00b", 400, None), ("/..%5csecret.txt", 400, None)):
        answer = deal.get(rest)
        tap.status(answer, status, f"folder: '{rest}'")
        tap.ok(body is None or answer.body == body, f"folder: '{rest}': the bytes")
    tap.equal(len(deal.wait_counted(2)), 2, "refused paths are no accesses")
    own = Deal(space, {"type": "File", "path": "../company.pem"})
    tap.status(own.get(), 404, "nothing above data.dir is served")
    os.link(space.provider.folder / "company.pem", space.provider.folder / "files" / "key.pem")
    tap.status(Deal(space, {"type": "File", "path": "key.pem"}).get(), 404, "the connector's own key is no data")


# -- tokens -------------------------------------------------------------------------------------------------------------
def tokens(space):
    space.file("t.txt", b"text")
    deal, other = Deal(space, {"type": "File", "path": "t.txt"}), Deal(space, {"type": "File", "path": "t.txt"})
    tap.status(deal.get(token=""), 401, "no token")
    head, payload, signature = deal.token.split(".")
    bad = {"garbage": "abc", "three parts of garbage": "a.b.c", "another signature": f"{head}.{payload}.{other.token.split('.')[2]}",
           "no signature": f"{head}.{payload}.", "expired": deal.make_token(life_s=-1), "no exp": deal.make_token(exp=None),
           "a refresh token": deal.refresh, "another issuer": deal.make_token(iss="did:web:mallory.test"),
           "signed by somebody else": deal.make_token(signer=space.consumer), "another consumer": deal.make_token(aud="did:web:mallory.test"),
           "another agreement": deal.make_token(agreement=other.agreement), "another transfer": deal.make_token(sub=other.provider_pid),
           "an unknown transfer": deal.make_token(sub="urn:uuid:none"), "the consumer's pid": deal.make_token(sub=deal.consumer_pid),
           "no agreement": deal.make_token(agreement=None), "issued in the future": deal.make_token(iat=int(time.time()) + 600)}
    for name, token in bad.items():
        answer = deal.get(token=token)
        tap.status(answer, 403, f"token: {name}")
        tap.ok(answer.json.get("code") in ("pull-token", "not-in-force") and answer.json.get("detail"), f"token: {name}: code and reason", answer.text)
    tap.status(deal.get(token="Bearer " + deal.token), 200, "token with Bearer")
    tap.equal([len(deal.wait_counted(1)), len(other.counted())], [1, 0], "refused tokens are not counted")


def changes(space):
    """What happens to a file between two accesses shows in the second, also when the connector keeps it open."""
    folder = space.file("changing.txt", b"first").parent
    path, other = folder / "changing.txt", folder / "other.txt"
    deal = Deal(space, {"type": "File", "path": str(path)})

    def settle():
        wait_until(lambda: time.time() - path.stat().st_ctime > 1.2, 10, "the file has been as it is for a while")
        return [deal.get().body for _ in range(3)]

    tap.equal(settle(), [b"first"] * 3, "changes: a file is read")
    path.write_bytes(b"in its place")
    tap.equal(settle(), [b"in its place"] * 3, "changes: written anew in its place")
    path.write_bytes(b"at once")
    tap.equal(deal.get().body, b"at once", "changes: and at once after that")
    settle()
    other.write_bytes(b"another file")
    other.rename(path)
    tap.equal(deal.get().body, b"another file", "changes: another file under its name")
    settle()
    path.rename(other)
    tap.status(deal.get(), 404, "changes: moved away")
    other.rename(path)
    settle()
    path.unlink()
    tap.status(deal.get(), 404, "changes: removed")
    other.write_bytes(b"elsewhere")
    path.symlink_to(other)
    tap.status(deal.get(), 404, "changes: a symbolic link in its place")


def endings(space):
    space.file("e.txt", b"text")
    for name, end in (("suspended", lambda d: d.end(f"/v3/transferprocesses/{d.provider_pid}/suspend")), ("terminated", Deal.terminate),
                      ("its agreement ended", lambda d: d.end(f"/naru/v1/agreements/{d.agreement}/end"))):
        deal = Deal(space, {"type": "File", "path": "e.txt"})
        tap.equal([deal.get().status for _ in range(3)], [200] * 3, f"transfer before it is {name}")
        end(deal)
        answer = deal.get()
        tap.status(answer, 403, f"transfer: {name}: the next access is refused")
        tap.equal(answer.json["code"], "not-in-force", f"transfer: {name}: the code")
    deal = Deal(space, {"type": "File", "path": "e.txt"}, ends_in_s=1.5 * PATIENCE)
    tap.status(deal.get(), 200, "an agreement before its end")
    wait_until(lambda: deal.get().status == 403, 10, "the agreement expires by itself")


def policies(space):
    space.file("p.txt", b"0123456789")
    order = {"leftOperand": "urn:naru:policy:order", "operator": "isAnyOf", "rightOperand": [f"urn:naru:plan:{PLAN}"]}
    deal = Deal(space, {"type": "File", "path": "p.txt"}, [order])
    answer = deal.get()
    tap.status(answer, 403, "policy: without an order")
    tap.equal(answer.json["code"], "policy", "policy: the code")
    now = int(time.time() * 1e6)
    space.provider.sql("INSERT INTO purchase VALUES (?, 'provider', ?, ?, ?, 'urn:x', 'active', 1, '{}', 'x', ?, ?, ?)", str(uuid.uuid4()),
                       CONSUMER, deal.asset, PLAN, deal.agreement, now + 10**9, now)
    tap.status(deal.get(), 200, "policy: with an order")
    member = {"leftOperand": "https://w3id.org/catenax/2025/9/policy/Membership", "operator": "eq", "rightOperand": "active"}
    tap.status(Deal(space, {"type": "File", "path": "p.txt"}, [member]).get(), 200, "policy: a member long after its message")
    count = {"leftOperand": "http://www.w3.org/ns/odrl/2/count", "operator": "lteq", "rightOperand": "50"}
    deal = Deal(space, {"type": "File", "path": "p.txt"}, [count])
    with ThreadPoolExecutor(24) as pool:
        statuses = sorted(pool.map(lambda _: deal.get().status, range(200)))
    tap.equal((statuses.count(200), statuses.count(403)), (50, 150), "policy: a count holds exactly under 200 accesses at once")
    deal.wait_counted(50)
    volume = {"leftOperand": "urn:naru:policy:volumeBytes", "operator": "lteq", "rightOperand": "95"}
    deal = Deal(space, {"type": "File", "path": "p.txt"}, [volume])
    with ThreadPoolExecutor(24) as pool:
        statuses = sorted(pool.map(lambda _: deal.get().status, range(60)))
    tap.equal(statuses.count(200), 9, "policy: a volume holds exactly: nine times ten of 95 bytes")
    tap.equal(sum(r["bytes"] for r in deal.wait_counted(9)), 90, "policy: and that is what is counted")


# -- queries ------------------------------------------------------------------------------------------------------------
def queries(space):
    with closing(sqlite3.connect(space.provider.folder / "files" / "plant.db")) as db, db:
        db.execute("CREATE TABLE reading (id integer, name text, value real)")
        db.executemany("INSERT INTO reading VALUES (?, ?, ?)", [(i, f'a "quoted", name\nof {i}' if i % 7 == 0 else f"이름 {i}", i / 4)
                                                               for i in range(5000)])
        db.execute("INSERT INTO reading VALUES (NULL, NULL, NULL)")
    query = "SELECT id, name, value FROM reading ORDER BY rowid"
    address = {"type": "SqlQuery", "database": "sqlite:plant.db", "query": query}
    deal = Deal(space, {**address, "format": "csv"})
    answer = deal.get()
    rows = list(csv.reader(io.StringIO(answer.text)))
    tap.equal((answer.status, len(rows), rows[0], rows[1][1]), (200, 5002, ["id", "name", "value"], 'a "quoted", name\nof 0'), "query: CSV")
    tap.equal(deal.wait_counted(1)[0]["rows"], 5001, "query: rows of CSV are counted, also with line feeds inside")
    limited = Deal(space, {**address, "format": "csv"}, [{"leftOperand": "urn:naru:policy:volumeBytes", "operator": "lteq", "rightOperand": "100000"}])
    got = 0
    for _ in range(5):
        try:
            got += len(limited.get().body)
        except http.client.IncompleteRead as e:
            got += len(e.partial)
        except ConnectionError:
            pass
    tap.ok(got <= 100000, "query: a volume holds for an answer of unknown length, which breaks off", got)
    tap.status(limited.get(), 403, "query: then it is used up")
    deal = Deal(space, {**address, "format": "ndjson"})
    answer = deal.get()
    lines = [json.loads(line) for line in answer.text.splitlines()]
    tap.equal((len(lines), lines[4], lines[-1]), (5001, {"id": 4, "name": "이름 4", "value": 1.0}, {"id": None, "name": None, "value": None}),
              "query: NDJSON")
    tap.equal(deal.wait_counted(1)[0]["rows"], 5001, "query: rows of NDJSON are counted")
    tap.status(Deal(space, {**address, "query": "SELECT nothing FROM nowhere"}).get(), 502, "query: one that fails is the provider's trouble")
    tap.status(Deal(space, {**address, "query": "DELETE FROM reading"}).get(), 502, "query: nothing is written")
    own = Deal(space, {**address, "database": f"sqlite:{space.provider.folder}/connector.db", "query": "SELECT value FROM secret"})
    tap.status(own.get(), 404, "query: the connector's own database is no source")
    tap.equal(own.counted(), [], "query: what was not delivered is not counted")


# -- origins ------------------------------------------------------------------------------------------------------------
class Origin(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    seen = []
    big = 1 << 30

    def do_GET(self):
        Origin.seen.append((self.command, self.path, dict(self.headers)))
        status = int(self.path[8:11]) if self.path.startswith("/status/") else 200
        body = b"origin says hello" if status == 200 else b"trouble"
        self.send_response(status)
        if self.path == "/big":
            self.send_header("Content-Length", str(self.big))
        elif self.path == "/short":
            self.send_header("Content-Length", "1000")
        else:
            self.send_header("Content-Length", str(len(body)))
        for name, value in (("Content-Type", "text/plain"), ("Set-Cookie", "a=b"), ("X-Internal", "yes"), ("ETag", '"v1"')):
            self.send_header(name, value)
        self.end_headers()
        if self.command == "HEAD":
            return
        if self.path == "/big":
            piece = bytes(range(256)) * 4096
            for _ in range(self.big // len(piece)):
                self.wfile.write(piece)
        else:
            self.wfile.write(body)
        self.close_connection = self.path == "/short"

    do_HEAD = do_GET

    def log_message(self, *_):
        pass


def rss_kib(process):
    with open(f"/proc/{process.pid}/status", encoding="ascii") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmRSS"))


def origins(space):
    server = ThreadingHTTPServer(("127.0.0.1", 0), Origin)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    base = f"http://127.0.0.1:{server.server_port}"
    space.provider.sql("INSERT INTO secret VALUES ('origin-key', 'Basic c2VjcmV0', 0)")
    address = {"type": "HttpData", "baseUrl": f"{base}/api", "proxyPath": "true", "proxyQueryParams": "true", "secretName": "origin-key",
               "header:X-Plant": "one"}
    deal = Deal(space, address)
    answer = deal.get("/a%20b/c?x=1%262&y", Cookie="c=d", X_Forwarded_For="1.2.3.4", Accept="text/plain")
    tap.equal((answer.status, answer.body), (200, b"origin says hello"), "origin: its answer passes")
    method, path, headers = Origin.seen[-1]
    tap.equal((method, path), ("GET", "/api/a%20b/c?x=1%262&y"), "origin: path and query pass unchanged")
    tap.equal((headers.get("Authorization"), headers.get("X-Plant"), headers.get("Accept")), ("Basic c2VjcmV0", "one", "text/plain"),
              "origin: its own credentials and headers")
    tap.equal([h for h in headers if h.lower() in ("cookie", "x-forwarded-for")], [], "origin: foreign headers do not pass")
    tap.equal([answer.headers.get(n) for n in ("Set-Cookie", "X-Internal", "ETag")], [None, None, '"v1"'], "origin: its private headers do not pass")
    tap.status(deal.get("/a/../b"), 400, "origin: a path that leaves")
    plain = Deal(space, {"type": "HttpData", "baseUrl": f"{base}/fixed", "queryParams": "k=v"})
    tap.status(plain.get("/more"), 404, "origin: no path where the address allows none")
    tap.status(plain.get("?more=1"), 200, "origin: the query is dropped where the address allows none")
    tap.equal(Origin.seen[-1][1], "/fixed?k=v", "origin: its own query")
    for status, want in ((401, 502), (403, 502), (404, 404), (500, 502), (503, 502), (302, 502), (429, 429)):
        refused = Deal(space, {"type": "HttpData", "baseUrl": f"{base}/status/{status}"})
        tap.status(refused.get(), want, f"origin: its {status}")
        tap.equal(refused.counted(), [], f"origin: its {status} is not counted")
    tap.status(Deal(space, {"type": "HttpData", "baseUrl": f"http://127.0.0.1:{free_port()}/"}).get(), 502, "origin: nobody there")
    short = Deal(space, {"type": "HttpData", "baseUrl": f"{base}/short"})
    try:
        complete = len(short.get().body) == 1000
    except (http.client.IncompleteRead, ConnectionError):
        complete = False
    tap.ok(not complete, "origin: one that breaks off is not taken for complete")
    slow_consumer(space, f"{base}/big")
    server.shutdown()


def slow_consumer(space, url):
    deal = Deal(space, {"type": "HttpData", "baseUrl": url})
    before = rss_kib(space.provider.process)
    connection = http.client.HTTPConnection("127.0.0.1", space.provider.public, timeout=60)
    connection.request("GET", "/data", headers={"Authorization": deal.token})
    answer = connection.getresponse()
    total, peak = 0, before
    while piece := answer.read(1 << 20):
        total += len(piece)
        peak = max(peak, rss_kib(space.provider.process))
    connection.close()
    tap.equal(total, Origin.big, "origin: a large answer arrives")
    most = 600 if "san" in BIN.name else 24  # MiB; sanitizers keep freed memory for a while
    tap.ok(peak - before < most * 1024, "origin: it is streamed, never held", f"{before} -> {peak} KiB")
    tap.equal(deal.wait_counted(1)[0]["bytes"], Origin.big, "origin: its bytes are counted")


# -- the consumer's side ------------------------------------------------------------------------------------------------
def consumer(space):
    content = rows_text(20000)
    space.file("c.csv", content)
    space.file("empty.csv", b"")
    deal = Deal(space, {"type": "File", "path": "c.csv"})
    answer = deal.pull()
    tap.ok(answer.status == 200 and answer.body == content, "pull: all bytes through the consumer's connector", answer.status)
    tag = answer.headers["ETag"]
    part = deal.pull(Range="bytes=100-199")
    tap.equal((part.status, part.body), (206, content[100:200]), "pull: a range")
    tap.status(deal.pull(If_None_Match=tag), 304, "pull: nothing new")
    head = deal.pull(method="HEAD")
    tap.equal((head.status, head.headers["Content-Length"]), (200, str(len(content))), "pull: HEAD")
    tap.status(deal.pull(Range="bytes=99999999-"), 416, "pull: a refusal passes")
    ours, theirs = deal.wait_counted(4, "consumer"), deal.wait_counted(4)
    strip = lambda r: {k: r[k] for k in ("event", "bytes", "rows", "calls", "transfer", "agreement")}
    key = lambda r: r["event"]
    tap.equal(sorted(map(strip, ours), key=key), sorted(map(strip, theirs), key=key), "pull: both receipts agree")
    folder = Deal(space, {"type": "File", "path": "folder"})
    tap.equal(folder.pull("/sub/%EB%91%90.txt").body, b"two", "pull: a path behind the endpoint")
    tap.equal(Deal(space, {"type": "File", "path": "empty.csv"}).pull().body, b"", "pull: an empty file")
    state = space.consumer.api.get(f"/naru/v1/edrs/{deal.consumer_pid}")
    tap.equal((state.status, state.json["state"], state.json["refreshable"], "token" in state.text), (200, "STARTED", True, False),
              "pull: what is known of an endpoint, without its token")
    tap.status(space.consumer.api.get("/naru/v1/edrs/none/data"), 404, "pull: an unknown transfer")
    space.consumer.sql("UPDATE transfer SET state = ? WHERE transfer_id = ?", SUSPENDED, deal.consumer_pid)
    tap.status(deal.pull(), 409, "pull: a suspended transfer")


class FalseProvider(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    event = "0190163d-8694-739b-aea5-966c26f8ad90"  # a UUIDv7, the same for every delivery
    both = threading.Barrier(2, timeout=30)

    def do_GET(self):
        body = b"x" * 100000
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        if self.path == "/twice":
            self.send_header("Naru-Event", self.event)
        if self.path == "/at-once":
            self.send_header("Naru-Event", self.event[:-1] + "1")
        self.send_header("Content-Type", "text/plain")
        if self.path == "/wrong":
            self.send_header("Repr-Digest", "sha-256=:" + base64.b64encode(hashlib.sha256(b"y").digest()).decode() + ":")
        self.end_headers()
        if self.path == "/at-once":
            self.wfile.write(body[:50000])
            self.both.wait()
            body = body[50000:]
        self.wfile.write(body)

    def log_message(self, *_):
        pass


def foreign(space):
    server = ThreadingHTTPServer(("127.0.0.1", 0), FalseProvider)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    space.file("f.txt", b"text")
    deal = Deal(space, {"type": "File", "path": "f.txt"})
    for path, good in (("/right", True), ("/wrong", False)):
        space.consumer.sql("UPDATE edr SET endpoint = ? WHERE transfer_id = ?", f"http://127.0.0.1:{server.server_port}{path}",
                           deal.consumer_pid)
        try:
            complete = len(deal.pull().body) == 100000
        except (http.client.IncompleteRead, ConnectionError):
            complete = False
        tap.equal(complete, good, f"pull: a foreign provider, digest {path[1:]}")
    tap.equal(deal.counted("consumer"), [], "pull: without an event there is no receipt")
    repeated_events(space, deal, f"http://127.0.0.1:{server.server_port}")
    server.shutdown()


def repeated_events(space, deal, base):
    """A provider that names one event for several deliveries is paid for one."""
    at = lambda path: space.consumer.sql("UPDATE edr SET endpoint = ? WHERE transfer_id = ?", base + path, deal.consumer_pid)
    at("/twice")
    tap.status(deal.pull(), 200, "event: the first delivery")
    deal.wait_counted(1, "consumer")
    again = deal.pull()
    tap.status(again, 502, "event: a second one under the same event is refused")
    tap.contains(again.text, "has been counted before", "event: and says why")
    at("/at-once")
    with ThreadPoolExecutor(2) as pool:
        answers = list(pool.map(lambda _: len(deal.pull().body), range(2)))
    tap.equal(answers, [100000, 100000], "event: two deliveries at once, neither was counted before")
    deal.wait_counted(2, "consumer")
    wait_until(lambda: slots(space.consumer)[1] == [], 15, "nothing is tried again for ever")
    tap.equal([r["bytes"] for r in deal.counted("consumer")], [100000, 100000], "event: each is counted once")


def renewals(space):
    space.file("r.txt", b"text")
    deal = Deal(space, {"type": "File", "path": "r.txt"}, life_s=5)
    with ThreadPoolExecutor(12) as pool:
        statuses = list(pool.map(lambda _: deal.pull().status, range(12)))
    tap.equal(statuses, [200] * 12, "renewal: twelve pulls with a token that is about to expire")
    fresh = space.consumer.sql("SELECT token, refresh_token FROM edr WHERE transfer_id = ?", deal.consumer_pid)[0]
    tap.ok(fresh[0] != deal.token and fresh[1] != deal.refresh, "renewal: the fresh token is kept")
    tap.status(deal.get(token=fresh[0]), 200, "renewal: the fresh token is taken")
    ask = lambda token, who="c-token", **form: request("POST", f"{space.data_url}/token", body="&".join(
        f"{k}={v}" for k, v in {"grant_type": "refresh_token", "refresh_token": token, **form}.items()).encode(),
        headers={"Authorization": who, "Content-Type": "application/x-www-form-urlencoded"})
    again = ask(deal.refresh)
    tap.status(again, 200, "renewal: the old one counts until a newer one is used (a lost answer)")
    tap.equal(sorted(again.json), ["access_token", "expires_in", "refresh_token", "token_type"], "renewal: the answer")
    tap.status(ask(again.json["refresh_token"]), 200, "renewal: the newer one is used")
    tap.status(ask(deal.refresh), 403, "renewal: then the old one is retired")
    query = request("POST", f"{space.data_url}/token?grant_type=refresh_token&refresh_token={again.json['refresh_token']}",
                    headers={"Authorization": "Bearer c-token"})
    tap.status(query, 200, "renewal: as a query")
    tap.status(ask(again.json["refresh_token"], who="p-token"), 403, "renewal: for somebody else")
    tap.status(ask(again.json["refresh_token"], who="none"), 401, "renewal: by nobody")
    tap.status(ask(deal.token), 403, "renewal: with a pull token")
    tap.status(ask(again.json["refresh_token"], grant_type="password"), 400, "renewal: another grant type")
    deal.terminate()
    wait_until(lambda: ask(again.json["refresh_token"]).status == 403, 10, "renewal: of a transfer that has ended")
    lost = Deal(space, {"type": "File", "path": "r.txt"})
    space.consumer.sql("UPDATE edr SET token = ? WHERE transfer_id = ?", lost.make_token(life_s=-5), lost.consumer_pid)
    tap.status(lost.pull(), 200, "renewal: a token that was refused is renewed and the pull repeated")


# -- bad luck -----------------------------------------------------------------------------------------------------------
def open_pull(space, deal):
    connection = http.client.HTTPConnection("127.0.0.1", space.provider.public, timeout=60)
    connection.request("GET", "/data", headers={"Authorization": deal.token})
    answer = connection.getresponse()
    answer.read(1000)
    return connection, answer


def read_rest(answer):
    """Bytes until the end; None if it breaks off."""
    total = 1000
    try:
        while piece := answer.read(1 << 20):
            total += len(piece)
    except (http.client.IncompleteRead, ConnectionError):
        return None
    return total


def cuts(space):
    size = 256 << 20
    path = space.file("large.bin", b"")
    os.truncate(path, size)
    os.truncate(space.file("large.csv", b""), size)
    for name in ("large.bin", "large.csv"):
        deal = Deal(space, {"type": "File", "path": name})
        tap.equal(len(deal.get(Range="bytes=0-99").body), 100, f"{name}: before")
        connection, answer = open_pull(space, deal)
        deal.terminate()
        began = time.monotonic()
        wait_until(lambda: len(deal.counted()) == 2, 20, f"{name}: the open delivery is cut")
        # what is known of a transfer lives 5 s, and open deliveries are looked at every 2 s
        tap.ok(time.monotonic() - began < 8 * PATIENCE, f"{name}: an ended transfer cuts an open delivery within seconds")
        total = read_rest(answer)
        tap.ok(total is None or total < size, f"{name}: and it is not taken for complete", total)
        connection.close()
        last = max(deal.counted(), key=lambda r: r["seq"])
        tap.ok(0 < last["bytes"] < size, f"{name}: what had left is counted", last)
    deal = Deal(space, {"type": "File", "path": "large.bin"})
    connection, answer = open_pull(space, deal)
    connection.sock.close()
    answer.close()
    connection.close()
    tap.ok(deal.wait_counted(1)[0]["bytes"] < size, "a consumer that leaves: what was sent is counted")


def crash(space):
    deal = Deal(space, {"type": "File", "path": "large.bin"}, [{"leftOperand": "count", "operator": "lteq", "rightOperand": 9}])
    connection, _ = open_pull(space, deal)
    seen = lambda side: side.sql("SELECT bytes FROM access WHERE agreement_id = ?", deal.agreement)
    wait_until(lambda: seen(space.provider) and seen(space.provider)[0][0] > 0, 10, "what the access has taken is noted while it runs")
    noted = seen(space.provider)[0][0]
    space.provider.process.kill()
    connection.close()
    space.provider.process.begin()
    space.provider.wait()
    receipt = deal.wait_counted(1)[0]
    tap.ok(receipt["calls"] == 1 and receipt["bytes"] >= noted, "crash: the access has its receipt after the restart", (receipt, noted))
    tap.equal(space.provider.sql("SELECT count(*) FROM access")[0][0], 0, "crash: nothing is left open")
    tap.status(deal.get(Range="bytes=0-9"), 206, "crash: the token still counts")
    deal = Deal(space, {"type": "File", "path": "large.bin"})
    connection = http.client.HTTPConnection("127.0.0.1", space.consumer.management, timeout=60)
    connection.request("GET", f"/naru/v1/edrs/{deal.consumer_pid}/data", headers={"X-Api-Key": "key-of-the-test"})
    connection.getresponse().read(1000)
    wait_until(lambda: any(n > 0 for n in slots(space.consumer)[1]), 10, "and so on the consumer's side, in its journal")
    space.consumer.process.kill()
    connection.close()
    space.consumer.process.begin()
    wait_until(lambda: deal.counted("consumer"), 20, "crash: the consumer's receipt too")
    tap.equal(deal.counted("consumer")[0]["event"], deal.wait_counted(1)[0]["event"], "crash: both name the same event")


def crash_at_end(space):
    """The consumer is killed when its client has the last byte: its receipt says all the same what arrived."""
    content = rows_text(20000)[:-1]  # the last row has no line feed
    space.file("end.csv", content)
    for n in range(3):
        deal = Deal(space, {"type": "File", "path": "end.csv"})
        wait_until(lambda: space.consumer.api.get("/naru/v1/edrs/none").status == 404, 20, "the consumer is back")
        whole = deal.pull().body == content
        space.consumer.process.kill()
        space.consumer.process.begin()
        receipt = deal.wait_counted(1, "consumer")[0]
        tap.equal((whole, receipt["bytes"], receipt["rows"]), (True, len(content), 20000), f"crash at the end, {n + 1}: the true numbers")
    tap.equal(slots(space.consumer)[1], [], "crash at the end: no slot is left")


def slots(connector):
    """The journal's file, and the bytes noted in each of its slots that is in use."""
    path = connector.folder / "connector.db-accesses"
    data = path.read_bytes()
    return path, [int.from_bytes(data[at + 8:at + 16], sys.byteorder) for at in range(512, len(data), 512) if data[at] != 0]


def crash_in_journal(space):
    """The second access of a transfer has its number at hand: a slot of the journal stands for its receipt."""
    deal = Deal(space, {"type": "File", "path": "large.bin"})
    tap.status(deal.get(Range="bytes=0-9"), 206, "journal: the first access asks the writer")
    wait_until(lambda: slots(space.provider)[1] == [], 10, "the first one's receipt is written")
    connection, answer = open_pull(space, deal)
    wait_until(lambda: any(n > 0 for n in slots(space.provider)[1]), 10, "what the access has taken is noted in its slot")
    path, noted = slots(space.provider)
    tap.equal((len(noted), space.provider.sql("SELECT count(*) FROM access")[0][0]), (1, 0), "journal: one slot, and no row in the database")
    before = path.read_bytes()
    answer.close()
    connection.close()
    deal.wait_counted(2)
    wait_until(lambda: slots(space.provider)[1] == [], 10, "the slot is free when the receipt is written")
    uses = lambda: space.provider.sql("SELECT calls, bytes FROM agreement_use WHERE agreement_id = ?", deal.agreement)[0]
    used = uses()
    space.provider.process.kill()
    path.write_bytes(before)  # as if it had been killed between the commit and the freeing
    space.provider.process.begin()
    space.provider.wait()
    tap.equal((len(deal.counted()), uses(), slots(space.provider)[1]), (2, used, []), "journal: a receipt that is there is not made again")

    deal.get(Range="bytes=0-9")
    wait_until(lambda: slots(space.provider)[1] == [], 10, "and the receipt of this one")
    connection, _ = open_pull(space, deal)
    wait_until(lambda: any(n > 0 for n in slots(space.provider)[1]), 10, "noted")
    noted = slots(space.provider)[1][0]
    space.provider.process.kill()
    connection.close()
    space.provider.process.begin()
    space.provider.wait()
    last = deal.wait_counted(4)[-1]
    tap.ok(last["calls"] == 1 and last["bytes"] >= noted, "journal: an access that was cut off has its receipt after the restart", (last, noted))
    tap.equal(sorted(r["seq"] for r in deal.counted()), [1, 2, 3, 4], "journal: no number of a receipt is missing")
    tap.equal(uses()[0], 4, "journal: each use is counted once")


def scenario():
    space = Space()
    for part in (files, folders, changes, tokens, endings, policies, queries, origins, consumer, foreign, renewals, cuts, crash, crash_at_end,
                 crash_in_journal):
        with tap.case(part.__name__):
            part(space)


if __name__ == "__main__":
    main(scenario)
