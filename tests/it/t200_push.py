"""Pushes: the provider's connector brings the data to an address that the consumer has named."""

import base64
import hashlib
import itertools
import json
import sqlite3
import ssl
import threading
import time
import uuid
from contextlib import closing
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from connectors import EDC, Peer, Space, message
from harness import BIN, main, tap, wait_until
from sink import Sink

STARTED, SUSPENDED, COMPLETED, TERMINATED = 600, 700, 800, 850
FINALIZED = 1200
PUSH = "HttpData-PUSH"
HTTP = "https://w3id.org/idsa/v4.1/HTTP"
LARGE = 256 << 20
LIMIT_S = 6  # negotiation.limit: for so long a push is tried


paths = (f"/{n}" for n in itertools.count(1))


class Pair:
    """Provider and consumer, and what their transfers share."""

    def __init__(self, space):
        self.sink = Sink(space)
        self.provider = space.connector("provider", **{
            "negotiation.limit": f"{LIMIT_S}s", "push.allow": "127.0.0.0/8,::1/128", "fetch.allow": "127.0.0.0/8,::1/128,10.0.0.0/8"})
        self.consumer = space.connector("consumer")
        self.agreements = {}

    def contract(self, asset):
        if asset in self.agreements:
            return self.agreements[asset]
        catalogue = self.provider.as_peer("consumer").post("/catalog/request", message("CatalogRequestMessage")).json
        offer = next(d for d in catalogue["dataset"] if d["@id"] == asset)["hasPolicy"][0]
        pid = self.consumer.negotiate(self.provider.dsp, "provider", offer, asset)
        self.consumer.wait_state(pid, FINALIZED)
        agreement = self.consumer.sql("SELECT agreement_id FROM agreement WHERE negotiation_id = ?", pid)[0][0]
        wait_until(lambda: self.provider.sql("SELECT state FROM negotiation WHERE agreement_id = ?", agreement) == [(FINALIZED,)], 10,
                   "the provider is final too")
        self.agreements[asset] = agreement
        return agreement

    def ask(self, asset, destination, transfer_type=PUSH):
        body = {"@context": {"@vocab": EDC}, "@type": "TransferRequest", "counterPartyAddress": self.provider.dsp,
                "contractId": self.contract(asset), "protocol": "dataspace-protocol-http:2025-1", "transferType": transfer_type}
        if destination:
            body["dataDestination"] = {"@type": "DataAddress", **destination}
        return self.consumer.api.post("/v3/transferprocesses", body)

    def push(self, asset, path, **more):
        """Begins a push; returns both pids."""
        answer = self.ask(asset, {"type": "HttpData", "baseUrl": self.sink.url + path, **more})
        assert answer.status == 200, answer.text
        pid = answer.json["@id"]
        return pid, wait_until(lambda: self.provider.sql("SELECT transfer_id FROM transfer WHERE peer_pid = ?", pid), 10, "asked for")[0][0]

    def reach(self, pids, state, what):
        self.consumer.wait_state(pids[0], state, "transfer", 30)
        self.provider.wait_state(pids[1], state, "transfer", 30)
        tap.ok(True, what)

    def act(self, connector, transfer, verb):
        body = {"@context": {"@vocab": EDC}, "@id": transfer, "reason": "because"}
        tap.ok(connector.api.post(f"/v3/transferprocesses/{transfer}/{verb}", body).status < 300, f"{connector.name}: {verb}")

    def receipts(self, side, transfer):
        lines = (json.loads(row[0]) for row in side.sql("SELECT line FROM receipt ORDER BY agreement_id, seq"))
        return [r for r in lines if r["transfer"] == transfer]

    def wait_receipts(self, transfer, n=1):
        return wait_until(lambda: len(r := self.receipts(self.provider, transfer)) == n and r, 15, f"{n} receipts")


# -- what is pushed -----------------------------------------------------------------------------------------------------
def whole_push(pair):
    content = (pair.provider.folder / "data-1.csv").read_bytes()
    path = next(paths)
    pids = pair.push("data-1", path, authKey="X-Key", authCode="s3cret", **{"header:X-Plant": "7"})
    pair.reach(pids, COMPLETED, "a file is pushed, both are COMPLETED")
    request = pair.sink.wait_whole(path)[0]
    headers = request["headers"]
    tap.equal((request["method"], request["bytes"], request["digest"]), ("POST", len(content), hashlib.sha256(content).hexdigest()),
              "the destination has its bytes, by POST")
    tap.equal((headers["Content-Type"], headers["Content-Length"]), ("text/csv", str(len(content))), "with media type and length")
    tap.equal((headers.get("X-Key"), headers.get("X-Plant"), headers.get("Authorization")), ("s3cret", "7", None),
              "with the headers that the consumer asked for")
    tap.equal(headers.get("Repr-Digest"), "sha-256=:" + base64.b64encode(hashlib.sha256(content).digest()).decode() + ":", "with its digest")
    tap.equal(headers.get("Idempotency-Key"), f'"{pids[1]}"', "under a key that is the transfer's")
    receipt = pair.wait_receipts(pids[1])[0]
    tap.equal((receipt["bytes"], receipt["rows"], receipt["calls"], receipt["event"]), (len(content), 1, 1, headers["Naru-Event"]),
              "the provider's receipt says so")
    tap.equal(pair.receipts(pair.consumer, pids[1]), [], "the consumer's connector has measured nothing")
    tap.equal(pair.consumer.sql("SELECT count(*) FROM edr WHERE transfer_id = ?", pids[0])[0][0], 0, "and has no endpoint")
    text = pair.provider.process.log_text()
    tap.ok("s3cret" not in text and "s3cret" not in pair.consumer.process.log_text(), "no log holds the credential")
    pair.provider.restart(kill=False)
    pids = pair.push("data-1", next(paths))
    pair.reach(pids, COMPLETED, "another one after a restart")
    tap.equal(len(pair.sink.at(path)), 1, "what was completed is not sent again")


def sources(pair):
    path = next(paths)
    pids = pair.push("table", path, method="PUT", queryParams="a=b%20c")
    pair.reach(pids, COMPLETED, "a query's rows are pushed")
    request = pair.sink.at(f"{path}?a=b%20c")[0]
    tap.equal((request["method"], request["headers"]["Content-Type"], request["headers"].get("Transfer-Encoding")),
              ("PUT", "text/csv; charset=utf-8", "chunked"), "in pieces, since nobody knows how many there will be")
    receipt = pair.wait_receipts(pids[1])[0]
    tap.equal((receipt["rows"], receipt["bytes"]), (3000, request["bytes"]), "and its rows are counted")
    pids = pair.push("origin", next(paths))
    pair.reach(pids, COMPLETED, "an origin's answer is pushed")
    tap.equal(pair.wait_receipts(pids[1])[0]["bytes"], 500000, "all of it")
    path = next(paths)
    pids = pair.push("empty", path)
    pair.reach(pids, COMPLETED, "an empty file is pushed")
    tap.equal((pair.sink.at(path)[0]["bytes"], pair.wait_receipts(pids[1])[0]["calls"]), (0, 1), "it is one call without bytes")
    pids = pair.push("gone", next(paths))
    pair.reach(pids, TERMINATED, "a file that is no longer there ends the transfer")
    tap.contains(pair.consumer.error(pids[0], "transfer"), "no such file", "with the reason")


def rss_kib(process):
    with open(f"/proc/{process.pid}/status", encoding="ascii") as f:
        return next(int(line.split()[1]) for line in f if line.startswith("VmRSS:"))


def large_push(pair):
    before = peak = rss_kib(pair.provider.process)
    path = next(paths)
    pids = pair.push("large", path)

    def ended():
        nonlocal peak
        peak = max(peak, rss_kib(pair.provider.process))
        return pair.provider.state(pids[1], "transfer") in (COMPLETED, TERMINATED)

    wait_until(ended, 120, "a large push ends")
    request = pair.sink.wait_whole(path)[0]
    tap.equal(request["bytes"], LARGE, "256 MiB are pushed")
    most = 600 if "san" in BIN.name else 24  # MiB; sanitizers keep freed memory for a while
    tap.ok(peak - before < most * 1024, "they are streamed, never held", f"{before} -> {peak} KiB")
    tap.equal(pair.wait_receipts(pids[1])[0]["bytes"], LARGE, "and counted")


def catalogue(pair):
    answer = pair.provider.as_peer("consumer").post("/catalog/request", message("CatalogRequestMessage")).json
    formats = {d["@id"]: [x["format"] for x in d["distribution"]] for d in answer["dataset"]}
    for asset in ("data-1", "table", "origin"):
        tap.equal(formats[asset], ["HttpData-PULL", PUSH], f"catalogue: {asset} may be pulled and pushed")
    tap.equal(formats["folder"], ["HttpData-PULL"], "catalogue: a folder may be pulled")


# -- the protocol -------------------------------------------------------------------------------------------------------
def edc_address(url, **properties):
    """As EDC writes it: the type of the destination, and names of its namespace."""
    return {"@type": "DataAddress", "endpointType": "HttpData", "endpointProperties": [
        {"@type": "EndpointProperty", "name": EDC + name, "value": value}
        for name, value in {"baseUrl": url, "type": "HttpData", **properties}.items()]}


def spec_address(url, **properties):
    address = {"@type": "DataAddress", "endpointType": HTTP, "endpoint": url}
    if properties:
        address["endpointProperties"] = [{"@type": "EndpointProperty", "name": n, "value": v} for n, v in properties.items()]
    return address


def foreign_consumer(pair, peer):
    agreement = peer.agreed(pair.provider)[2]["@id"]
    client = pair.provider.as_peer(peer.name)

    def ask(address, transfer_type=PUSH):
        pid = f"urn:uuid:{uuid.uuid4()}"
        body = message("TransferRequestMessage", consumerPid=pid, agreementId=agreement, format=transfer_type, callbackAddress=peer.url)
        return pid, client.post("/transfers/request", body if address is None else {**body, "dataAddress": address})

    sink = pair.sink
    for name, address, header in (
            ("EDC's form", edc_address(sink.url, path="edc", authKey="X-Api-Key", authCode="k"), ("X-Api-Key", "k")),
            ("the protocol's form", spec_address(f"{sink.url}/edc?x=1", authorization="t0k", authType="bearer"), ("Authorization", "Bearer t0k")),
            ("a bare endpoint", spec_address(f"{sink.url}/edc"), ("Authorization", None))):
        before = len(sink.requests)
        pid, answer = ask(address)
        tap.status(answer, 201, f"a destination in {name}")
        start = peer.wait("TransferStartMessage", consumerPid=pid)
        tap.ok("dataAddress" not in start, f"{name}: the start brings no endpoint", json.dumps(start))
        peer.wait("TransferCompletionMessage", consumerPid=pid, deadline_s=30)
        request = sink.requests[before]
        tap.equal((request["path"].split("?")[0], request["headers"].get(header[0])), ("/edc", header[1]), f"{name}: is understood")

    before = len(sink.requests)
    for name, address in (
            ("none", None), ("another type", {**edc_address(sink.url), "endpointType": "AmazonS3"}),
            ("the type of a pull", {**edc_address(sink.url), "endpointType": "HttpProxy"}), ("no URL", spec_address("")),
            ("plain http", edc_address("http://localhost/x")), ("another scheme", spec_address("ftp://localhost/x")),
            ("a user in the URL", edc_address("https://a:b@localhost/x")), ("a fragment", spec_address("https://localhost/x#y")),
            ("a secret of the provider's", edc_address(sink.url, secretName="plant-key")),
            ("a token of the provider's", edc_address(sink.url, **{"oauth2:tokenUrl": "https://localhost/t"})),
            ("a header of ours", edc_address(sink.url, **{"header:Host": "x"})),
            ("an event of its own", edc_address(sink.url, **{"header:Naru-Event": "x"})),
            ("two lines in a header", edc_address(sink.url, **{"header:X": "a\r\nY: b"})),
            ("two lines in a key", edc_address(sink.url, authKey="X: y\r\nZ", authCode="b")),
            ("another method", edc_address(sink.url, method="DELETE")), ("a blank in the path", edc_address(sink.url, path="a b")),
            ("too long a URL", spec_address("https://localhost/" + "x" * 5000)),
            ("too many properties", edc_address(sink.url, **{f"p{n}": "x" for n in range(70)}))):
        stored = pair.provider.sql("SELECT count(*) FROM transfer")
        _, answer = ask(address)
        tap.ok(answer.status in (400, 413), f"refused: {name}", f"{answer.status} {answer.text}")
        tap.ok("ataAddress" in answer.text, f"refused: {name}: names it", answer.text)
        tap.equal(pair.provider.sql("SELECT count(*) FROM transfer"), stored, f"refused: {name}: nothing is kept")
    tap.equal(len(sink.requests), before, "nothing was sent for those")
    pid, answer = ask({"@type": "DataAddress", "endpointType": "HttpProxy"}, "HttpData-PULL")
    tap.status(answer, 201, "a destination beside a pull says nothing")


def wrong_wishes(pair):
    answer = pair.ask("data-1", None)
    tap.status(answer, 400, "the consumer's own connector wants a destination")
    pids = pair.ask("folder", {"type": "HttpData", "baseUrl": pair.sink.url}).json["@id"]
    pair.consumer.wait_state(pids, TERMINATED, "transfer")
    tap.contains(pair.consumer.error(pids, "transfer"), "not offered", "a folder is not pushed")


# -- destinations that do not take it -----------------------------------------------------------------------------------
def refusals(pair):
    for status in (401, 403, 404, 302):
        path = f"/status/{status}"
        pids = pair.push("data-1", path)
        pair.reach(pids, TERMINATED, f"a destination that answers {status} ends the transfer")
        tap.contains(pair.consumer.error(pids[0], "transfer"), f"the destination answered {status}", "with the reason")
        tap.equal(len(pair.sink.at(path)), 1, "it is asked once")
    pids = pair.push("data-1", "/flaky")
    pair.reach(pids, COMPLETED, "a destination that is busy is asked again")
    keys = {r["headers"]["Idempotency-Key"] for r in pair.sink.at("/flaky")}
    events = {r["headers"]["Naru-Event"] for r in pair.sink.at("/flaky")}
    tap.equal((len(keys), len(events)), (1, 2), "under the same key, each attempt with its own event")
    tap.equal({r["event"] for r in pair.wait_receipts(pids[1], 2)}, events, "and each has its receipt, as its bytes have left")
    began = time.monotonic()
    pids = pair.push("data-1", "/status/500")
    pair.reach(pids, TERMINATED, "a destination that stays out of order ends the transfer")
    tap.ok(time.monotonic() - began >= LIMIT_S - 1 and len(pair.sink.at("/status/500")) > 2, "after some attempts",
           len(pair.sink.at("/status/500")))
    answer = pair.ask("data-1", {"type": "HttpData", "baseUrl": "https://10.0.0.1/x"})
    pid = answer.json["@id"]
    pair.consumer.wait_state(pid, TERMINATED, "transfer")
    tap.contains(pair.consumer.error(pid, "transfer"), "not allowed", "an address that only the connector itself may contact ends it at once")
    theirs = pair.provider.sql("SELECT transfer_id FROM transfer WHERE peer_pid = ?", pid)[0][0]
    tap.equal(pair.receipts(pair.provider, theirs), [], "what has not left is not counted")


def strange_answers(pair):
    pids = pair.push("data-1", "/chatty")
    pair.reach(pids, COMPLETED, "nobody reads what a destination answers")
    pids = pair.push("large", "/early")
    pair.reach(pids, TERMINATED, "a destination that answers before it has the data has not got it")
    tap.contains(pair.consumer.error(pids[0], "transfer"), "the destination", "with the reason")


def many(pair):
    """More pushes at once than may be under way for one consumer."""
    pair.sink.go.clear()
    pair.sink.most = 0
    held = [f"/hold/many/{n}" for n in range(12)]
    pids = [pair.push("large", path) for path in held]
    wait_until(lambda: pair.sink.running == 8, 20, "eight are under way")
    small = [pair.push("data-1", next(paths)) for _ in range(30)]
    for mine, _ in small:
        pair.consumer.wait_state(mine, STARTED, "transfer")
    tap.equal((len(pair.sink.running_paths()), pair.sink.most <= 8), (8, True), "eight at once, the others wait for their turn")
    for mine, _ in pids:
        pair.act(pair.consumer, mine, "terminate")
    pair.sink.go.set()
    for both in small:
        pair.reach(both, COMPLETED, "it comes")
    pair.sink.go.clear()
    wait_until(lambda: all(len(pair.receipts(pair.provider, t)) == 1 for _, t in small), 15, "receipts")
    tap.ok(True, "each has one receipt")
    tap.equal(max(len(pair.sink.at(path)) for path in held), 1, "what has ended is not begun again")


def counted_uses(pair):
    pids = pair.push("once", next(paths))
    pair.reach(pids, COMPLETED, "a policy permits one use")
    pair.wait_receipts(pids[1])
    pids = pair.push("once", path := next(paths))
    pair.reach(pids, TERMINATED, "the second push is refused")
    tap.equal((pair.sink.at(path), pair.receipts(pair.provider, pids[1])), ([], []), "nothing was sent nor counted")


# -- in the middle ------------------------------------------------------------------------------------------------------
def cut(pair, path, n=1):
    """Waits until the provider has let go of a held request."""
    pair.sink.go.set()
    wait_until(lambda: pair.sink.at(path)[n - 1].get("over"), 20, "the push is broken off")
    tap.ok(not pair.sink.at(path)[n - 1]["whole"], "what was broken off is not taken for whole")
    pair.sink.go.clear()


def suspensions(pair):
    for n, side in enumerate((pair.consumer, pair.provider)):
        path = f"/hold/suspended/{n}"
        pids = pair.push("large", path)
        pair.sink.wait_begun(path)
        pair.act(side, pids[n], "suspend")
        pair.reach(pids, SUSPENDED, "both are SUSPENDED")
        cut(pair, path)
        partial = pair.wait_receipts(pids[1])[0]
        tap.ok(100000 < partial["bytes"] < LARGE, "what had left is counted", partial)
        pair.sink.go.set()
        pair.act(side, pids[n], "resume")
        pair.reach(pids, COMPLETED, "resumed, it begins again and is completed")
        pair.sink.go.clear()
        tap.equal([r["bytes"] for r in pair.wait_receipts(pids[1], 2)][1], LARGE, "all of it")
        tap.equal(len(pair.sink.at(path)), 2, "in one further request")
    pids = pair.push("data-1", "/hold/marked")  # too small to be held
    pair.reach(pids, COMPLETED, "a push whose completion will be lost")
    for side, pid in ((pair.provider, pids[1]), (pair.consumer, pids[0])):
        side.process.kill()
        side.sql("UPDATE transfer SET state = ? WHERE transfer_id = ?", SUSPENDED, pid)
        side.restart()
    pair.act(pair.consumer, pids[0], "resume")
    pair.reach(pids, COMPLETED, "suspended before it was told: it is completed when it is resumed")
    tap.equal(len(pair.sink.at("/hold/marked")), 1, "without being sent again")


def ends(pair):
    for verb in ("terminate", "agreement"):
        path = f"/hold/ended/{verb}"
        pids = pair.push("large", path)
        pair.sink.wait_begun(path)
        if verb == "terminate":
            pair.act(pair.consumer, pids[0], verb)
        else:
            pair.provider.api.post(f"/naru/v1/agreements/{pair.agreements.pop('large')}/end", {"reason": "test"})
        pair.reach(pids, TERMINATED, f"ended by {verb} in the middle")
        cut(pair, path)
        tap.ok(0 < pair.wait_receipts(pids[1])[0]["bytes"] < LARGE, "what had left is counted")
        tap.equal(len(pair.sink.at(path)), 1, "and no further request is made")


def policy_turns(pair):
    """The consumer leaves the group that the policy asks for while its push is under way."""
    def groups(ask, name):
        answer = ask("/v3/business-partner-groups", {"@context": {"tx": "https://w3id.org/tractusx/v0.0.1/ns/"}, "@id": "consumer",
                                                     "tx:groups": [name]})
        tap.status(answer, 204, f"the consumer is in group {name}")

    groups(pair.provider.api.post, "gold")
    path = "/hold/grouped"
    pids = pair.push("grouped", path)
    pair.sink.wait_begun(path)
    groups(pair.provider.api.put, "silver")
    pair.reach(pids, TERMINATED, "ended by its policy in the middle")
    cut(pair, path)
    tap.ok(0 < pair.wait_receipts(pids[1])[0]["bytes"] < LARGE, "what had left is counted")
    tap.contains(pair.consumer.error(pids[0], "transfer"), "business partner group", "the consumer is told why")


def crashes(pair):
    for kill in (True, False):
        path = f"/hold/crash/{kill}"
        pids = pair.push("large", path)
        pair.sink.wait_begun(path)
        if kill:  # a stop writes the receipt itself
            wait_until(lambda: noted(pair.provider), 10, "what has left is noted")
        pair.sink.most = 0
        pair.provider.restart(kill)
        pair.sink.wait_begun(path, 2)
        cut(pair, path)
        pair.sink.go.set()
        pair.reach(pids, COMPLETED, f"{'killed' if kill else 'stopped'} in the middle, it begins again and is completed")
        pair.sink.go.clear()
        partial, whole = pair.wait_receipts(pids[1], 2)
        tap.ok(0 < partial["bytes"] < LARGE and whole["bytes"] == LARGE, "a receipt says what each attempt delivered", (partial, whole))
        tap.equal((len(pair.sink.at(path)), len({r["headers"]["Idempotency-Key"] for r in pair.sink.at(path)})), (2, 1),
                  "two requests under one key")
    pair.provider.restart()
    pids = pair.push("data-1", next(paths))
    pair.reach(pids, COMPLETED, "a last push after a kill")
    tap.equal(len(pair.sink.at("/hold/crash/True")), 2, "completed ones are left alone")


def noted(connector):
    """Bytes in any slot of the journal."""
    data = (connector.folder / "connector.db-accesses").read_bytes()
    return any(data[at] and any(data[at + 8:at + 16]) for at in range(512, len(data), 512))


# -- the world ----------------------------------------------------------------------------------------------------------
def origin_server():
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.send_header("Content-Type", "application/octet-stream")
            self.send_header("Content-Length", "500000")
            self.end_headers()
            self.wfile.write(b"x" * 500000)

        def log_message(self, *_):
            pass

    return Handler


def seed(space, provider):
    folder = provider.folder
    (folder / "folder").mkdir()
    with open(folder / "large.bin", "wb") as f:
        f.truncate(LARGE)
    (folder / "empty.bin").write_bytes(b"")
    (folder / "gone.bin").write_bytes(b"x")
    with closing(sqlite3.connect(folder / "plant.db")) as db, db:
        db.execute("CREATE TABLE reading (n integer, kwh integer)")
        db.executemany("INSERT INTO reading VALUES (?, ?)", ((n, n * 7) for n in range(3000)))
    server = ThreadingHTTPServer(("127.0.0.1", 0), origin_server())
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*map(str, space.certificate))
    server.socket = context.wrap_socket(server.socket, server_side=True)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    provider.offer()
    for name in ("large", "empty", "gone"):
        provider.offer(name, address={"type": "File", "path": str(folder / f"{name}.bin")})
    provider.offer("folder", address={"type": "File", "path": str(folder / "folder")})
    provider.offer("table", address={"type": "SqlQuery", "database": f"sqlite:{folder}/plant.db", "query": "SELECT * FROM reading"})
    provider.offer("origin", address={"type": "HttpData", "baseUrl": f"https://localhost:{server.server_address[1]}/"})
    provider.offer("grouped", address={"type": "File", "path": str(folder / "large.bin")}, policy={"@type": "Offer", "permission": [
        {"action": "use", "constraint": [{"leftOperand": "BusinessPartnerGroup", "operator": "isAnyOf", "rightOperand": ["gold"]}]}]})
    provider.offer("once", policy={"@type": "Offer", "permission": [{"action": "use", "constraint": [
        {"leftOperand": "count", "operator": "lteq", "rightOperand": 1}]}]})


def scenario():
    space = Space("provider", "consumer", "peer")
    pair = Pair(space)
    peer = Peer(space, "peer")
    seed(space, pair.provider)
    catalogue(pair)
    pair.contract("gone")
    (pair.provider.folder / "gone.bin").unlink()
    for part in (whole_push, sources, large_push, wrong_wishes, refusals, strange_answers, counted_uses, many, suspensions, ends, policy_turns, crashes):
        with tap.case(part.__name__):
            part(pair)
    with tap.case("foreign_consumer"):
        foreign_consumer(pair, peer)


main(scenario)
