"""Events: callbacks of processes and of the configuration, their order, repetition and signature; replay and waiting."""

import base64
import http.client
import json
import select
import socket
import threading
import time

from connectors import EDC, Peer, Space
from harness import PATIENCE, Client, Postgres, main, request, run, tap, temp_dir, wait_until

CTX = {"@vocab": EDC}
NEGOTIATION = [f"ContractNegotiation{name}" for name in ("Initiated", "Requested", "Agreed", "Verified", "Finalized")]


class Hook(Peer):
    """A receiver of callbacks: tells by path, and answers as `status` says for the path (default 200)."""

    def __init__(self, space):
        super().__init__(space, "hook")
        self.base = self.url.removesuffix("/dsp")
        self.status = {}
        self.answer = lambda _method, path, _body: (self.status.get(path, 200), None)

    def address(self, path, *events, **more):
        return {"uri": self.base + path, "events": list(events), "transactional": False, **more}

    def at(self, path):
        """(body, headers) of what came to this path, in order."""
        return [(body, headers) for _, p, body, headers in list(self.seen) if p == path]

    def types(self, path):
        return [body["type"] for body, _ in self.at(path)]

    def wait_types(self, path, types, what):
        wait_until(lambda: self.types(path)[-1:] == types[-1:], 20, f"{path}: {types[-1]}")
        tap.equal(self.types(path), types, what)

    def raw(self, event_id):
        return next(t for t in list(self.texts) if json.loads(t)["id"] == event_id)


def publish(connector, asset):
    """An asset with one offer, through the management API."""
    path = connector.folder / f"{asset}.csv"
    path.write_text("time,kwh\n1,2\n")
    policy = {"@context": "http://www.w3.org/ns/odrl.jsonld", "@type": "Set", "permission": [{"action": "use"}]}
    for route, body in (
            ("assets", {"@id": asset, "properties": {"name": asset}, "dataAddress": {"type": "File", "path": str(path)}}),
            ("policydefinitions", {"@id": "use", "policy": policy}),
            ("contractdefinitions", {"@id": "all", "accessPolicyId": "use", "contractPolicyId": "use", "assetsSelector": []})):
        tap.status(connector.api.post(f"/v3/{route}", {"@context": CTX, **body}), 200, f"POST {route}")


def set_secret(connector, name, value):
    tap.status(connector.api.post("/v3/secrets", {"@context": CTX, "@id": name, "value": value}), 200, f"secret {name} is kept")


def all_events(connector, **query):
    """Every event from the first one, a page at a time."""
    found, after = [], 0
    while True:
        text = "&".join(f"{k}={v}" for k, v in {"after": after, **query}.items())
        page = connector.api.get(f"/naru/v1/events?{text}").json
        found += page["events"]
        after = page["next"]
        if not page["more"]:
            return found


def about(connector, pid):
    return [e["type"] for e in all_events(connector) if pid in e["payload"].values()]


def verify(connector, text, signature):
    """A detached JWS (RFC 7515, appendix F) with the key of the connector, by openssl."""
    head, empty, tail = signature.split(".")
    fill = lambda part: base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))
    raw, folder = fill(tail), temp_dir()
    parts = []
    for half in (raw[:32], raw[32:]):
        number = half.lstrip(b"\0")
        number = b"\0" + number if number[0] & 0x80 else number
        parts.append(b"\x02" + bytes([len(number)]) + number)
    (folder / "sig").write_bytes(b"\x30" + bytes([len(b"".join(parts))]) + b"".join(parts))
    (folder / "signed").write_bytes(head.encode() + b"." + base64.urlsafe_b64encode(text).rstrip(b"="))
    run(["openssl", "pkey", "-in", connector.folder / "company.pem", "-pubout", "-out", folder / "public"])
    status, _, _ = run(["openssl", "dgst", "-sha256", "-verify", folder / "public", "-signature", folder / "sig", folder / "signed"])
    return status == 0 and empty == "" and json.loads(fill(head))["typ"] == "naru-event+jws"


def check_callbacks(provider, consumer, hook, offer):
    set_secret(consumer, "hook-key", "very secret")
    pid = consumer.negotiate(provider.dsp, "provider", offer, callbacks=[
        hook.address("/all", "contract.negotiation", authKey="X-Hook-Key", authCodeId="hook-key"),
        hook.address("/two", "contract.negotiation.ag", "contract.negotiation.finalized", "transfer"),
        {"uri": "local://adapter", "events": ["contract.negotiation"]}])
    hook.wait_types("/all", NEGOTIATION, "a callback is told every event of its prefix, once and in order")
    hook.wait_types("/two", [NEGOTIATION[2], NEGOTIATION[4]], "another one only what it asked for")
    events = hook.at("/all")
    tap.equal({h.get("X-Hook-Key") for _, h in events}, {"very secret"}, "the secret is sent in the header asked for")
    tap.equal({h.get("Content-Type") for _, h in events}, {"application/json"}, "as JSON")
    tap.equal(len({b["id"] for b, _ in events}), 5, "each event has its own id")
    tap.equal([b["id"] for b, _ in hook.at("/two")], [events[2][0]["id"], events[4][0]["id"]], "which all receivers are told")
    final = events[4][0]
    seen = consumer.api.get(f"/v3/contractnegotiations/{pid}").json
    tap.equal(sorted(final), ["at", "id", "payload", "type"], "the envelope is EDC's")
    tap.ok(abs(final["at"] / 1000 - time.time()) < 60, "its time is in milliseconds")
    payload = final["payload"]
    tap.equal((payload["contractNegotiationId"], payload["counterPartyId"], payload["counterPartyAddress"], payload["protocol"], payload["state"]),
              (pid, "provider", provider.dsp, "dataspace-protocol-http:2025-1", "FINALIZED"), "the payload names the process")
    agreement = payload["contractAgreement"]
    tap.equal((agreement["id"], agreement["providerId"], agreement["consumerId"], agreement["assetId"]),
              (seen["contractAgreementId"], "provider", "consumer", "data-1"), "and the agreement")
    tap.ok("contractAgreement" not in events[1][0]["payload"], "which an earlier event does not")
    tap.equal(payload["contractOffers"][0]["assetId"], "data-1", "and the offer")
    for body, headers in (events[0], events[4]):
        tap.ok(verify(consumer, hook.raw(body["id"]), headers["Naru-Signature"]), f"the signature of {body['type']} holds")
    tap.ok(not verify(consumer, hook.raw(final["id"]) + b" ", events[4][1]["Naru-Signature"]), "and no other body has it")
    tap.equal(about(consumer, pid), NEGOTIATION, "a follower reads the same")
    tap.equal([e["id"] for e in all_events(consumer) if pid in e["payload"].values()], [b["id"] for b, _ in events], "under the same ids")
    tap.equal(about(provider, next(e["payload"]["contractNegotiationId"] for e in reversed(all_events(provider)) if "contractNegotiationId" in e["payload"])),
              NEGOTIATION[1:], "the provider has its side of it")
    return agreement["id"]


def check_transfer(provider, consumer, hook, agreement):
    answer = consumer.api.post("/v3/transferprocesses", {
        "@context": CTX, "@type": "TransferRequest", "counterPartyAddress": provider.dsp, "contractId": agreement,
        "protocol": "dataspace-protocol-http:2025-1", "transferType": "HttpData-PULL",
        "callbackAddresses": [hook.address("/transfer", "transfer.process")]})
    tap.status(answer, 200, "POST /v3/transferprocesses")
    pid = answer.json["@id"]
    types = [f"TransferProcess{name}" for name in ("Initiated", "Requested", "Started")]
    hook.wait_types("/transfer", types, "a transfer is told from its beginning to its start")
    payload = hook.at("/transfer")[2][0]["payload"]
    address = payload["dataAddress"]["properties"]
    pulled = request("GET", address[f"{EDC}endpoint"], headers={"Authorization": address[f"{EDC}authorization"]},
                     ca=consumer.space.authority.ca)
    tap.equal((pulled.status, pulled.text), (200, "time,kwh\n1,2\n"), "with the address and the token of the data")
    tap.equal((payload["transferProcessId"], payload["type"], payload["contractId"], payload["assetId"]),
              (pid, "CONSUMER", agreement, "data-1"), "and its ids")
    token = address[f"{EDC}authorization"]
    tap.ok(token not in json.dumps(all_events(consumer)), "no token is read again")
    tap.equal([table for table in ("event", "outbox") if token in str(consumer.sql(f"SELECT * FROM {table}"))], [], "or kept for it")
    for act, type_, more in (("suspend", "Suspended", {"reason": "a pause"}), ("resume", "Started", {}), ("terminate", "Terminated", {"reason": "enough"}),
                             ("deprovision", "Deprovisioned", {})):
        tap.status(consumer.api.post(f"/v3/transferprocesses/{pid}/{act}", {"@context": CTX, **more}), 204, act)
        types.append(f"TransferProcess{type_}")
        hook.wait_types("/transfer", types, f"{act} is told")
        tap.equal(hook.at("/transfer")[-1][0]["payload"].get("reason"), more.get("reason"), "with its reason")


def check_repeats(provider, consumer, hook, offer):
    hook.status["/busy"] = 503
    hook.status["/gone"] = 410
    pid = consumer.negotiate(provider.dsp, "provider", offer, callbacks=[
        hook.address("/busy", "contract.negotiation"), hook.address("/gone", "contract.negotiation")])
    consumer.wait_state(pid, 1200)
    wait_until(lambda: len(hook.at("/busy")) >= 3, 20, "it is tried again")
    tap.equal(len({b["id"] for b, _ in hook.at("/busy")}), 1, "a receiver that is away gets its first event again, no later one")
    consumer.restart()
    before = len(hook.at("/busy"))
    wait_until(lambda: len(hook.at("/busy")) > before, 20, "after a crash too")
    hook.status["/busy"] = 200
    wait_until(lambda: hook.types("/busy")[-1:] == NEGOTIATION[-1:], 60, "it gets the rest")
    told = list(dict.fromkeys((b["id"], b["type"]) for b, _ in hook.at("/busy")))
    tap.equal([t for _, t in told], NEGOTIATION, "all of it in order, the same event under the same id")
    wait_until(lambda: consumer.sql("SELECT count(*) FROM outbox")[0][0] == 0, 20, "nothing waits")
    tap.equal(len({b["id"] for b, _ in hook.at("/gone")}), 5, "what is refused for good is given up, the next event is told")


def check_missing_secret(provider, consumer, hook, offer):
    pid = consumer.negotiate(provider.dsp, "provider", offer, callbacks=[
        hook.address("/later", "contract.negotiation.finalized", authKey="Authorization", authCodeId="not-yet")])
    consumer.wait_state(pid, 1200)
    wait_until(lambda: "there is no secret 'not-yet'" in consumer.process.log_text(), 20, "the missing secret is logged")
    set_secret(consumer, "not-yet", "Basic x")
    hook.wait_types("/later", NEGOTIATION[-1:], "a callback waits for its secret")
    tap.equal(hook.at("/later")[0][1]["Authorization"], "Basic x", "and brings it")
    tap.equal(consumer.process.log_text().count("there is no secret 'not-yet'"), 1, "which is logged once")


def check_dead(provider, consumer, hook, offer):
    release = threading.Event()
    hook.answer = lambda _method, path, _body: release.wait(60) and (200, None)
    pids = [consumer.negotiate(provider.dsp, "provider", offer, callbacks=[
        {"uri": uri, "events": ["contract.negotiation"]} for uri in ("https://127.0.0.1:9/closed", hook.base + "/silent")]) for _ in range(20)]
    for pid in pids:
        wait_until(lambda pid=pid: consumer.state(pid) == 1200, 10, "FINALIZED")
    tap.ok(True, "callbacks that nobody takes delay no negotiation")
    tap.ok(len(hook.at("/silent")) <= 1, "a host that does not answer has one request at a time")
    release.set()
    hook.answer = lambda *_: (200, None)
    wait_until(lambda: len({b["id"] for b, _ in hook.at("/silent")}) == 100, 60, "it is told when it is back")
    tap.ok(True, "and is told all when it answers")
    consumer.sql("DELETE FROM outbox WHERE url LIKE '%closed'")


def check_static(provider, hook):
    events = [b for b, _ in hook.at("/cloud")]
    tap.equal([b["type"] for b in events][:2], ["asset.created", "policy.definition.created"], "a configured address is told")
    wait_until(lambda: [b for b, _ in hook.at("/cloud") if b["type"] == "contract.negotiation.finalized"], 20, "finalized")
    body, headers = next((b, h) for b, h in hook.at("/cloud") if b["type"] == "contract.negotiation.finalized")
    tap.equal({b["type"] for b, _ in hook.at("/cloud")}, {"asset.created", "policy.definition.created", "contract.negotiation.finalized"},
              "what it asked for and nothing else")
    tap.equal(headers["Content-Type"], "application/cloudevents+json", "as CloudEvents")
    tap.equal((body["specversion"], body["source"], body["datacontenttype"], body["subject"]),
              ("1.0", provider.base, "application/json", body["data"]["contractNegotiationId"]), "with their members")
    tap.ok(verify(provider, hook.raw(body["id"]), headers["Naru-Signature"]), "signed as well")
    tap.equal(next(h for b, h in hook.at("/cloud"))["X-Static"], "static value", "and authenticated")


def check_requests(provider, consumer, offer):
    good = {"uri": "https://localhost:1/x", "events": ["contract"]}
    cases = (
        ("no URL", [{**good, "uri": "x"}], 400, "callbackAddresses[0].uri"),
        ("another scheme", [good, {**good, "uri": "ftp://localhost/x"}], 400, "callbackAddresses[1].uri"),
        ("plain http", [{**good, "uri": "http://localhost/x"}], 400, "callbackAddresses[0].uri"),
        ("a private address", [{**good, "uri": "https://10.1.2.3/x"}], 400, "callbackAddresses[0].uri"),
        ("a private address as a number", [{**good, "uri": "https://167772161/x"}], 400, "callbackAddresses[0].uri"),
        ("metadata of a cloud", [{**good, "uri": "https://[fe80::1]/x"}], 400, "callbackAddresses[0].uri"),
        ("credentials in the URL", [{**good, "uri": "https://a:b@localhost/x"}], 400, "callbackAddresses[0].uri"),
        ("a header of ours", [{**good, "authKey": "Host", "authCodeId": "x"}], 400, "callbackAddresses[0].authKey"),
        ("no header name", [{**good, "authKey": "a b", "authCodeId": "x"}], 400, "callbackAddresses[0].authKey"),
        ("a header without secret", [{**good, "authKey": "X-A"}], 400, "callbackAddresses[0].authCodeId"),
        ("nine addresses", [good] * 9, 413, "callbackAddresses"),
        ("33 prefixes", [{**good, "events": ["a"] * 33}], 413, "callbackAddresses[0].events"),
        ("a long prefix", [{**good, "events": ["a" * 129]}], 413, "callbackAddresses[0].events"),
    )
    before = consumer.sql("SELECT count(*) FROM negotiation")
    for name, callbacks, status, place in cases:
        answer = consumer.api.post("/v3/contractnegotiations", {
            "@context": CTX, "@type": "ContractRequest", "counterPartyAddress": provider.dsp, "protocol": "dataspace-protocol-http:2025-1",
            "policy": {"@context": "http://www.w3.org/ns/odrl.jsonld", "@id": offer["@id"], "@type": "Offer", "assigner": "provider",
                       "target": "data-1", "permission": []}, "callbackAddresses": callbacks})
        tap.equal((answer.status, place in answer.json[0]["message"]), (status, True), f"refused: {name}")
    tap.equal(consumer.sql("SELECT count(*) FROM negotiation"), before, "nothing was begun")
    pid = consumer.negotiate(provider.dsp, "provider", offer, callbacks=[{**good, "events": ["b" * 128] * 32}] * 8)
    consumer.wait_state(pid, 1200)
    tap.ok(True, "eight addresses with 32 prefixes of 128 bytes are taken")


def check_follow(provider, consumer, offer):
    tap.equal(request("GET", consumer.api.base + "/naru/v1/events").status, 401, "events are read with the key only")
    whole = all_events(consumer, limit=1000)
    tap.equal(all_events(consumer, limit=3), whole, "pages have no gap and no overlap")
    numbers = [e["seq"] for e in whole]
    tap.equal(numbers, list(range(1, len(numbers) + 1)), "numbers ascend one by one")
    some = all_events(consumer, limit=2, types="secret,contract.negotiation.final")
    tap.equal(some, [e for e in whole if e["name"].startswith(("secret", "contract.negotiation.final"))], "types are prefixes")
    for query in ("after=x", "after=-1", "limit=0", "limit=1001", "wait=51", "types=" + "a" * 129):
        tap.ok(consumer.api.get(f"/naru/v1/events?{query}").status in (400, 413), f"refused: {query}")
    began = time.monotonic()
    page = consumer.api.get("/naru/v1/events?after=latest&wait=1").json
    tap.equal((page["events"], page["next"], page["more"]), ([], numbers[-1], False), "nothing new: an empty page after the wait")
    tap.ok(time.monotonic() - began >= 1, "which was waited for")
    answers = []
    waiting = [threading.Thread(target=lambda t=t: answers.append(consumer.api.get(f"/naru/v1/events?after={numbers[-1]}&wait=40{t}", timeout_s=60).json))
               for t in ("", "&types=secret", "&types=contract")]
    for t in waiting:
        t.start()
    began = time.monotonic()
    set_secret(consumer, "wakes", "x")
    for t in waiting[:2]:
        t.join()
    tap.ok(time.monotonic() - began < 10, "who waits is woken by the event")
    tap.equal([[e["name"] for e in a["events"]] for a in answers], [["secret.created"]] * 2, "and told of it")
    pid = consumer.negotiate(provider.dsp, "provider", offer)
    waiting[2].join()
    tap.equal((answers[2]["events"][0]["name"], answers[2]["events"][0]["payload"]["contractNegotiationId"]), ("contract.negotiation.initiated", pid),
              "who waits for another type goes on waiting")
    consumer.wait_state(pid, 1200)


class Stream:
    """Server-Sent Events of a connector, read by a thread."""

    def __init__(self, connector, query="", last=None):
        self.events, self.over = [], False
        self.connection = http.client.HTTPConnection("127.0.0.1", connector.management, timeout=30 * PATIENCE)
        headers = {"X-Api-Key": connector.key, **({"Last-Event-ID": str(last)} if last is not None else {})}
        self.connection.request("GET", f"/naru/v1/events/stream{query}", headers=headers)
        self.answer = self.connection.getresponse()
        self.thread = threading.Thread(target=self.read)
        self.thread.start()

    def read(self):
        event = {}
        for line in self.answer:
            name, _, value = line.decode().rstrip("\n").partition(": ")
            if line.startswith(b":"):
                continue  # a comment: nothing has happened yet
            if name:
                event[name] = value
            elif event:
                self.events.append(event)
                event = {}
        self.over = True


def check_stream(consumer):
    whole = all_events(consumer)
    stream = Stream(consumer)
    wait_until(lambda: len(stream.events) == len(whole), 10, "all events come")
    tap.equal(stream.answer.headers["Content-Type"], "text/event-stream", "a stream of server-sent events")
    tap.equal([json.loads(e["data"]) for e in stream.events], whole, "begins with what was before")
    tap.equal([(int(e["id"]), e["event"]) for e in stream.events], [(e["seq"], e["name"]) for e in whole], "with number and name")
    later = Stream(consumer, "?after=0&types=secret", last=whole[-1]["seq"])
    set_secret(consumer, "streamed", "x")
    wait_until(lambda: len(later.events) == 1 and len(stream.events) == len(whole) + 1, 10, "an event comes")
    tap.equal((later.events[0]["event"], later.events[0]["id"]), ("secret.created", str(whole[-1]["seq"] + 1)), "one that comes back goes on after its last")
    left = Client(consumer.api.base, headers=consumer.api.headers)
    for _ in range(3):  # who leaves is forgotten
        try:
            left.get("/naru/v1/events/stream?after=latest", timeout_s=0.2)
        except TimeoutError:
            pass
    set_secret(consumer, "nobody", "x")
    consumer.restart(kill=False)
    for s in (stream, later):
        s.thread.join(20)
    tap.equal((stream.over, later.over), (True, True), "streams end in order when the connector stops")


def check_crowd(consumer):
    """More requests than may wait."""
    head = "GET /naru/v1/events?after=latest&wait=30 HTTP/1.1\r\nHost: localhost\r\nX-Api-Key: " + consumer.key + "\r\n\r\n"
    sockets = []
    try:
        for _ in range(257):
            sockets.append(socket.create_connection(("127.0.0.1", consumer.management), 20))
            sockets[-1].sendall(head.encode())
        wait_until(lambda: select.select(sockets, [], [], 0)[0], 20, "one has no place")
        set_secret(consumer, "crowd", "x")
        answers = [s.recv(65536) for s in sockets]
        tap.equal((sum(b'"events":[]' in a for a in answers), sum(b'"name":"secret.created"' in a for a in answers)), (1, 256),
                  "256 requests wait and are woken, one more is answered at once")
    finally:
        for s in sockets:
            s.close()


def check_deleted(provider, consumer, hook, offer):
    pid = consumer.negotiate(provider.dsp, "provider", {**offer, "@id": "unknown"}, callbacks=[hook.address("/deleted", "contract.negotiation")])
    wait_until(lambda: consumer.state(pid) == 1400, 10, "TERMINATED")
    tap.status(consumer.api.delete(f"/v3/contractnegotiations/{pid}"), 204, "a negotiation is deleted")
    events = [e for e in all_events(consumer) if e["payload"].get("contractNegotiationId") == pid]
    tap.equal([e["type"] for e in events], [NEGOTIATION[0], "ContractNegotiationTerminated"], "its events stay")
    tap.ok(events[1]["payload"]["counterPartyId"] == "provider" and events[1]["payload"]["reason"], "with what they said")


def check_forgetting(consumer):
    newest = all_events(consumer)[-1]["seq"]
    consumer.process.kill()
    consumer.sql("UPDATE event SET at_us = at_us - 31 * 86400 * 1000000")
    consumer.process.begin()
    wait_until(lambda: consumer.version().status == 200, 15, "back")
    wait_until(lambda: len(all_events(consumer)) == 1, 20, "old events are forgotten")
    set_secret(consumer, "after", "x")
    tap.equal([e["seq"] for e in all_events(consumer)], [newest, newest + 1], "but the last one, so that numbers go on")


def check_postgresql():
    postgres = Postgres()
    space = Space("provider", "consumer", "hook")
    hook = Hook(space)
    provider = space.connector("provider", database=postgres.create("provider"))
    database = postgres.create("consumer")
    consumers = [space.connector("consumer", database=database) for _ in range(2)]
    consumer, other = consumers
    publish(provider, "data-1")
    found = consumer.api.post("/v3/catalog/request", {"@context": CTX, "@type": "CatalogRequest", "counterPartyAddress": provider.dsp,
                                                      "counterPartyId": "provider", "protocol": "dataspace-protocol-http:2025-1"}).json
    offer = {"@id": found["dcat:dataset"]["odrl:hasPolicy"]["@id"], "permission": [{"action": "use"}]}
    pid = consumer.negotiate(provider.dsp, "provider", offer, callbacks=[hook.address("/pg", "contract.negotiation")])
    hook.wait_types("/pg", NEGOTIATION, "PostgreSQL: callbacks in order")
    tap.equal(about(consumer, pid), NEGOTIATION, "PostgreSQL: a follower reads the same")
    start = all_events(other)[-1]["seq"]

    def write(connector, number):
        for i in range(100):
            connector.api.post("/v3/secrets", {"@context": CTX, "@id": f"{number}-{i}", "value": "x"})

    writers = [threading.Thread(target=write, args=(c, f"{n}-{k}")) for n, c in enumerate(consumers) for k in range(2)]
    for t in writers:
        t.start()
    seen, after = [], start
    until = time.monotonic() + 60
    while len(seen) < 400 and time.monotonic() < until:
        page = other.api.get(f"/naru/v1/events?after={after}&wait=5&limit=7").json
        seen += page["events"]
        after = page["next"]
    for t in writers:
        t.join()
    wanted = {f"{n}-{k}-{i}" for n in range(2) for k in range(2) for i in range(100)}
    tap.equal((len(seen), {e["payload"]["secretId"] for e in seen} == wanted), (400, True),
              "PostgreSQL: a follower beside two writing processes misses nothing and reads nothing twice")
    numbers = [e["seq"] for e in seen]
    tap.ok(numbers == sorted(set(numbers)), "PostgreSQL: numbers ascend")
    for c in consumers:
        c.process.stop()
    postgres.psql("UPDATE event SET seq = seq + 1000000000000", "consumer")
    for c in consumers:
        c.process.begin()
        wait_until(lambda c=c: c.version().status == 200, 15, "back")
    pid = consumer.negotiate(provider.dsp, "provider", offer, callbacks=[hook.address("/left", "contract.negotiation")])
    hook.wait_types("/left", NEGOTIATION, "PostgreSQL: callbacks in order beside another process")
    hook.seen.clear()
    postgres.psql("UPDATE event SET waits = 1, at_us = at_us - 20 * 1000000 WHERE subject = '" + pid + "'", "consumer")
    consumer.process.stop()
    hook.wait_types("/left", NEGOTIATION, "PostgreSQL: what a dead process has left is taken over")
    consumer.process.begin()
    wait_until(lambda: consumer.version().status == 200, 15, "back")
    newest = consumer.api.get("/naru/v1/events?after=latest").json["next"]
    tap.ok(newest > 1000000000000, "PostgreSQL: a database from a server with higher transaction numbers")
    set_secret(other, "moved", "x")
    page = consumer.api.get(f"/naru/v1/events?after={newest}&wait=5").json
    tap.equal([e["payload"] for e in page["events"]], [{"secretId": "moved"}], "PostgreSQL: its numbers go on")


def scenario():
    space = Space("provider", "consumer", "peer", "hook")
    hook = Hook(space)
    static = temp_dir() / "callbacks.json"
    static.write_text(json.dumps({"callbacks": [
        {"uri": hook.base + "/cloud", "events": ["asset", "policy", "contract.negotiation.finalized"], "format": "cloudevents",
         "authKey": "X-Static", "authCodeId": "static"}]}))
    provider = space.connector("provider", **{"events.callbacks": static})
    consumer = space.connector("consumer")
    set_secret(provider, "static", "static value")
    publish(provider, "data-1")
    offer = Peer(space, "peer").offer_of(provider)
    agreement = check_callbacks(provider, consumer, hook, offer)
    check_static(provider, hook)
    check_transfer(provider, consumer, hook, agreement)
    check_repeats(provider, consumer, hook, offer)
    check_missing_secret(provider, consumer, hook, offer)
    check_dead(provider, consumer, hook, offer)
    check_requests(provider, consumer, offer)
    check_follow(provider, consumer, offer)
    check_stream(consumer)
    check_crowd(consumer)
    check_deleted(provider, consumer, hook, offer)
    check_forgetting(consumer)
    check_postgresql()


main(scenario)
