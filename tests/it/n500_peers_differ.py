"""Peers differ: what other connectors and the conformance suite really send and answer, one entry each, and our connector gets along with it.

Sources: `dsp` is shared/reference/dsp.md, `edc` is edc-peer.md. Entries of this file:

     1  dsp 1.1, 3.4-2    pids in paths with ':' as it is, as %3A, in lower case, wholly escaped; ours go out with ':'
     2  dsp 1.1           callback addresses with and without slashes at the end
     3  dsp 1.8-4, edc 3.2  further contexts, in any order
     4  dsp 1.1           unknown members; message-level @id, or none
     5  dsp 2.4, edc 3.2  Content-Type with charset, ld+json, none at all; a request in chunks; header names in any case
     6  dsp 3.3, edc 3.2  200 where 201 is asked
     7  dsp 2.5           answers without Content-Type, in empty chunks, in chunks, with a text, with HTML, without length
     8  edc 3.3           409 for a row that is locked, to each of our notifications
     9  edc 3.3, dsp 2.6-2  messages that overtake our own answer, or the peer's: offer, agreement, start, termination
    10  edc 3.3           409 until the peer has stored its own step: repeated after about 10, 20, 40 … ms
    11  dsp 2.4           the same message again after an answer that was lost; a repetition with another id
    12  dsp 3.4-6         the same first message again, also with another @id: one process
    13  edc 3.2           offers and agreements without any rule
    14  dsp 1.8-6         compacted single elements, in requests and agreements
    15  dsp 1.9, 3.4-10   typed literals, instants without seconds, with fractions, with offsets
    16  dsp 1.7           operands and operators as term, prefixed and as IRI are the same
    17  dsp 2.4           agreement with nanoseconds and a further callbackAddress, its id a bare UUID; no timestamp at all
    18  dsp 2.4           offers that name assigner and assignee; pids that are bare UUIDs, or any text
    19  dsp 1.9           reasons that are texts, objects with message, with @value; a code alone; nothing
    20  dsp 2.6-5, 2.3    GET shows -ING states as their target, transfers of a consumer too
    21  edc 3.2           a data address whose endpoint stands among the properties, under full IRIs
    22  dsp 2.5, 3.4-1    connections closed behind an answer, without an answer, in the middle of one
    23  dsp 3.2           404 while nobody listens yet
    24  edc 3.1           errors that are HTML, problems, texts: the reason is kept as far as there is one
    25  dsp 1.1, edc 3.3  messages of one process at the same time: one after the other
    26  edc 3.3           409 for ever to an end that it has taken, and whose answer was lost: GET tells

Elsewhere: filter, pages and gzip of the catalogue (c100_catalogue.py), redirects and endless answers (n100_negotiation.py, test_fetch.c), peers that never answer
(n100: silence), mock identity (identity's own tests), management of other connectors (tests/interop), each status code (n505_answers.py).
"""

import http.client
import json
import ssl
import threading
import time
import urllib.parse
import uuid

from connectors import CONTEXT, EDC, Peer, Space, message
from harness import Client, main, raw_exchange, tap, wait_until

REQUESTED, OFFERED, AGREED, VERIFIED, FINALIZED, TERMINATED = 200, 400, 850, 1100, 1200, 1400
STARTED, SUSPENDED, COMPLETED, T_TERMINATED = 600, 700, 800, 850
OFFER = {"@id": "offer-1", "@type": "Offer", "permission": [{"action": "use"}]}


def new_pid():
    return f"urn:uuid:{uuid.uuid4()}"


class World:
    def __init__(self):
        self.space = Space("ours", "manual", "peer", "other")
        self.ours = self.space.connector("ours")
        self.manual = self.space.connector("manual", **{"operator.decides": "agree"})
        self.peer = Peer(self.space, "peer")
        for connector in (self.ours, self.manual):
            connector.offer()
        self.asked = {"permission": [{"action": "use", "constraint": [
            {"leftOperand": "dateTime", "operator": "lteq", "rightOperand": "2090-12-31T06:00:00Z"}]}]}
        self.ours.offer("dated", policy={"@type": "Offer", **self.asked})

    def post(self, connector, path, body, **options):
        return connector.as_peer("peer").post(path, body, **options)

    def say(self, connector, kind, pid, tail, type_, status=200, **members):
        answer = self.post(connector, f"/{kind}/{pid}/{tail}", message(type_, **members))
        tap.ok(answer.status == status, f"  {type_} is answered {status}", f"{answer.status} {answer.text}")

    # -- we are the provider
    def requested(self, connector=None, **members):
        """A request that waits for an operator: (our pid, theirs)."""
        pid, answer = self.peer.request(connector or self.manual, self.peer.offer_of(connector or self.manual), **members)
        assert answer.status == 201, answer.text
        return answer.json["providerPid"], pid

    def contract(self):
        pid, own, agreement = self.peer.agreed(self.ours)
        return own, pid, agreement["@id"]

    # -- we are the consumer
    def asking(self, offer=None, state=REQUESTED):
        pid = self.ours.negotiate(self.peer.url, "peer", offer or OFFER)
        if state is None:
            return pid, None
        self.ours.wait_state(pid, state)
        return pid, self.ours.sql("SELECT peer_pid FROM negotiation WHERE negotiation_id = ?", pid)[0][0]

    def agreement(self, **changes):
        return {"@id": new_pid(), "@type": "Agreement", "target": "data-1", "assigner": "peer", "assignee": "ours", "timestamp": "2026-01-01T00:00:00Z",
                "permission": [{"action": "use"}], **changes}

    def agree(self, pid, own, agreement=None, **members):
        return self.post(self.ours, f"/negotiations/{pid}/agreement", message(
            "ContractAgreementMessage", consumerPid=pid, providerPid=own, agreement=agreement or self.agreement(), **members))

    def bought(self):
        """A final agreement as consumer."""
        pid, own = self.asking()
        agreement = self.agreement()
        assert self.agree(pid, own, agreement).status == 200
        self.peer.wait("ContractAgreementVerificationMessage", consumerPid=pid)
        self.say(self.ours, "negotiations", pid, "events", "ContractNegotiationEventMessage", consumerPid=pid, providerPid=own, eventType="FINALIZED")
        return agreement["@id"]

    def transfer(self, agreement):
        answer = self.ours.api.post("/v3/transferprocesses", {
            "@context": {"@vocab": EDC}, "@type": "TransferRequest", "counterPartyAddress": self.peer.url, "contractId": agreement,
            "protocol": "dataspace-protocol-http:2025-1", "transferType": "HttpData-PULL"})
        assert answer.status == 200, answer.text
        return answer.json["@id"]

    def act(self, transfer, verb):
        answer = self.ours.api.post(f"/v3/transferprocesses/{transfer}/{verb}", {"@context": {"@vocab": EDC}, "@id": transfer, "reason": "r"})
        assert answer.status < 300, answer.text


def ask_for(peer, agreement):
    return message("TransferRequestMessage", consumerPid=new_pid(), agreementId=agreement, format="HttpData-PULL", callbackAddress=peer.url)


# -- paths, addresses, bodies -----------------------------------------------------------------------------------------------------------
def escaped_pids(w):
    own, pid = w.requested()
    both = {"providerPid": own, "consumerPid": pid}
    for name, text in (("as it is", own), ("%3A", own.replace(":", "%3A")), ("%3a", own.replace(":", "%3a")),
                       ("wholly escaped", "".join(f"%{ord(c):02X}" for c in own))):
        tap.status(w.manual.as_peer("peer").get(f"/negotiations/{text}"), 200, f"a pid {name}")
    termination = message("ContractNegotiationTerminationMessage", **both)
    tap.status(w.post(w.manual, f"/negotiations/{own.replace(':', '%3A')}/termination", termination), 200, "a message to an escaped pid")
    for pid in (new_pid(), "a b/c?d#e%f", "한글", str(uuid.uuid4()), "."):
        w.peer.request(w.ours, w.peer.offer_of(w.ours), consumerPid=pid)
        agreement = w.peer.wait("ContractAgreementMessage", consumerPid=pid)
        path = next(p for _, p, b, _ in w.peer.seen if b == agreement)
        segment = path.split("/")[-2]
        tap.equal(urllib.parse.unquote(segment), pid, f"our message to the pid {pid[:12]!r} names it in one segment")
        tap.ok(all(c not in segment for c in " ?#/") and (":" in segment) == (":" in pid), "  ':' as it is, the rest escaped", path)


def slashes(w):
    for tail in ("", "/", "//"):
        pid = new_pid()
        answer = w.post(w.ours, "/negotiations/request", message(
            "ContractRequestMessage", consumerPid=pid, offer=w.peer.offer_of(w.ours), callbackAddress=w.peer.url + tail))
        tap.status(answer, 201, f"a callback address with {len(tail)} slashes at the end")
        w.peer.wait("ContractAgreementMessage", consumerPid=pid)
        path = next(p for _, p, b, _ in w.peer.seen if b and b.get("consumerPid") == pid)
        tap.equal(path, f"/dsp/negotiations/{pid}/agreement", "  one slash between")


def contexts(w):
    for name, context in (("EDC's", [*CONTEXT, "https://w3id.org/edc/dspace/v0.0.1"]), ("one of its own in front", ["https://x.example/context.jsonld", *CONTEXT]),
                          ("twice the same", CONTEXT * 2)):
        own, pid = w.requested()
        body = {**message("ContractNegotiationTerminationMessage", providerPid=own, consumerPid=pid), "@context": context}
        tap.status(w.post(w.manual, f"/negotiations/{own}/termination", body), 200, f"further contexts: {name}")


def unknown_members(w):
    for name, members in (("an @id", {"@id": str(uuid.uuid4())}), ("none", {}), ("unknown members", {"x": [1, {"y": None}], "edc:z": "z", "dspace:state": "?"})):
        own, pid = w.requested(**members)
        tap.status(w.post(w.manual, f"/negotiations/{own}/termination", message(
            "ContractNegotiationTerminationMessage", providerPid=own, consumerPid=pid, **members)), 200, f"a message with {name}")


def bodies(w):
    for media in ("application/json; charset=utf-8", "application/ld+json", "APPLICATION/JSON", "", None):
        own, pid = w.requested()
        text = json.dumps(message("ContractNegotiationTerminationMessage", providerPid=own, consumerPid=pid)).encode()
        headers = {} if media is None else {"content-type": media}
        answer = w.manual.as_peer("peer").request("POST", f"/negotiations/{own}/termination", body=text, headers=headers)
        tap.status(answer, 200, f"Content-Type {media!r}")
    own, pid = w.requested()
    text = json.dumps(message("ContractNegotiationTerminationMessage", providerPid=own, consumerPid=pid)).encode()
    chunks = b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in (text[:7], text[7:100], text[100:])) + b"0\r\n\r\n"
    head = (f"POST /dsp/2025-1/negotiations/{own}/termination HTTP/1.1\r\nhOST: localhost\r\nauthorization: {w.space.tokens['peer']}\r\n"
            "CONTENT-TYPE: application/json\r\ntransfer-encoding: chunked\r\nconnection: close\r\n\r\n").encode()
    answer = raw_exchange(w.manual.public, head + chunks, w.space.authority.ca)
    tap.ok(answer.startswith(b"HTTP/1.1 200 "), "a message in chunks", answer[:200])


def kept_connection(w):
    """One connection for many messages, as okhttp keeps it."""
    parts = urllib.parse.urlsplit(w.manual.dsp)
    context = ssl.create_default_context(cafile=str(w.space.authority.ca))
    connection = http.client.HTTPSConnection(parts.hostname, parts.port, timeout=20, context=context)
    for status, pid in ((200, None), (404, new_pid()), (200, None)):
        pid = pid or w.requested()[0]
        connection.request("GET", f"{parts.path}/negotiations/{pid}", headers={"Authorization": w.space.tokens["peer"], "Connection": "Keep-Alive"})
        answer = connection.getresponse()
        answer.read()
        tap.equal(answer.status, status, "a kept connection")
    connection.close()


# -- answers of peers ----------------------------------------------------------------------------------------------------------------------
def created_200(w):
    def answer(method, path, body):
        _, reply = Peer.accept(method, path, body)
        return 200, reply

    w.peer.answer = answer
    agreement = w.bought()
    tap.ok(True, "200 to a first message of a negotiation")
    pid = w.transfer(agreement)
    w.ours.wait_state(pid, 500, "transfer")
    tap.ok(True, "200 to a first message of a transfer")
    w.peer.answer = Peer.accept


def raw(text):
    """An answer as bytes; the connection ends behind it."""
    def write(handler):
        handler.wfile.write(text)
        handler.close_connection = True
    return write


ANSWERS = [
    ("no Content-Type, no body", b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"), ("empty chunks", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
    ("chunks with a text", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"),
    ("JSON and no body", b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 0\r\n\r\n"),
    ("HTML", b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 6\r\n\r\n<html>"), ("a body without length", b"HTTP/1.1 200 OK\r\n\r\n{}"),
    ("204", b"HTTP/1.1 204 No Content\r\n\r\n"), ("202", b"HTTP/1.1 202 Accepted\r\nContent-Length: 2\r\n\r\n{}"),
    ("HTTP/1.0", b"HTTP/1.0 200 OK\r\n\r\n"), ("an early hint first", b"HTTP/1.1 103 Early Hints\r\nLink: <x>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"),
]


def empty_answers(w):
    for name, text in ANSWERS:
        asked = []

        def answer(_method, path, _body, text=text, asked=asked):
            asked.append(path)
            return raw(text)

        w.peer.answer = answer
        pid, reply = w.peer.request(w.ours, w.peer.offer_of(w.ours))
        w.ours.wait_state(reply.json["providerPid"], AGREED)
        tap.equal(len(asked), 1, f"our notification answered with {name}: taken, once")
    for name, head in (("chunks without Content-Type", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"),
                       ("text/plain", b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nTransfer-Encoding: chunked\r\n\r\n")):
        def first(method, path, body, head=head):
            text = json.dumps(Peer.accept(method, path, body)[1]).encode()
            return raw(head + b"%x\r\n%s\r\n0\r\n\r\n" % (len(text), text))

        w.peer.answer = first
        w.asking()
        tap.ok(True, f"our first message answered in {name}")
    w.peer.answer = Peer.accept


def refusing(tail, times, status=409):
    """A peer that answers `status` so often to the messages of this kind."""
    left, at = [times], []

    def answer(method, path, body):
        if path.endswith(tail):
            at.append(time.monotonic())
            if left[0] > 0:
                left[0] -= 1
                return status, message("ContractNegotiationError", providerPid="x", consumerPid="y", code=str(status), reason=["currently leased!"])
        return Peer.accept(method, path, body)

    return answer, at


def locked_rows(w):
    """Each of our messages meets a locked row twice, and gets through."""
    def through(tail, run, times=2):
        w.peer.answer, at = refusing(tail, times)
        run()
        wait_until(lambda: len(at) == times + 1, 10, f"{tail} came {times + 1} times, came {len(at)}")
        tap.ok(True, f"409 twice to {tail}")
        w.peer.answer = Peer.accept

    through("/negotiations/request", w.asking)
    through("/agreement", lambda: w.peer.agreed(w.ours))
    through("/events", lambda: w.peer.agreed(w.ours))
    through("/agreement/verification", w.bought)
    agreement = w.bought()
    through("/transfers/request", lambda: w.ours.wait_state(w.transfer(agreement), 500, "transfer"))
    _, _, sold = w.contract()
    for tail, verb, state in (("/suspension", "suspend", SUSPENDED), ("/completion", "complete", COMPLETED), ("/termination", "terminate", T_TERMINATED)):
        own = w.post(w.ours, "/transfers/request", ask_for(w.peer, sold)).json["providerPid"]
        w.ours.wait_state(own, STARTED, "transfer")

        def end(own=own, verb=verb, state=state):
            w.act(own, verb)
            w.ours.wait_state(own, state, "transfer")

        through(tail, end)
    through("/start", lambda: w.ours.wait_state(w.post(w.ours, "/transfers/request", ask_for(w.peer, sold)).json["providerPid"], STARTED, "transfer"))
    pid, _ = w.asking()
    through("/termination", lambda: (w.ours.terminate(pid), w.ours.wait_state(pid, TERMINATED)))


def overtaking(w):
    """What the peer sends while it answers our message, or before: taken, and the late answer changes nothing."""
    agreement = w.bought()
    results = []

    def eager(send):
        def answer(method, path, body):
            reply = Peer.accept(method, path, body)
            if path.endswith("/request"):
                reply[1]["providerPid"] = own = new_pid()
                results.append(send(body, {"consumerPid": body["consumerPid"], "providerPid": own}).status)
            return reply
        return answer

    def post(tail, type_, kind="negotiations", **members):
        return lambda body, both: w.post(w.ours, f"/{kind}/{body['consumerPid']}/{tail}", message(type_, **both, **members))

    offer = {**OFFER, "target": "data-1"}
    address = {"@type": "DataAddress", "endpointType": "https://w3id.org/idsa/v4.1/HTTP", "endpoint": "https://data.example/"}
    for name, begin, send, state in (
            ("an offer", lambda: w.asking(state=None)[0], post("offers", "ContractOfferMessage", offer=offer), OFFERED),
            ("an agreement", lambda: w.asking(state=None)[0], post("agreement", "ContractAgreementMessage", agreement=w.agreement()), VERIFIED),
            ("a termination", lambda: w.asking(state=None)[0], post("termination", "ContractNegotiationTerminationMessage"), TERMINATED),
            ("a start", lambda: w.transfer(agreement), post("start", "TransferStartMessage", "transfers", dataAddress=address), STARTED),
            ("a transfer's termination", lambda: w.transfer(agreement), post("termination", "TransferTerminationMessage", "transfers"), T_TERMINATED)):
        results.clear()
        w.peer.answer = eager(send)
        pid = begin()
        table = "transfer" if "start" in name or "transfer" in name else "negotiation"
        w.ours.wait_state(pid, state, table)
        wait_until(lambda pid=pid: not w.ours.sql("SELECT 1 FROM outbox WHERE stream = ?", pid), 10, "the late answer is recorded")
        tap.equal((results, w.ours.state(pid, table)), ([200], state), f"{name} that overtakes the answer to our request")
    w.peer.answer = Peer.accept


def not_yet(w):
    """The gaps between repetitions of a message that the peer cannot take yet."""
    w.peer.answer, at = refusing("/agreement", 6)
    w.peer.agreed(w.ours)
    gaps = [1000 * (b - a) for a, b in zip(at, at[1:])]
    least = [0.75 * 10 * 2**n for n in range(6)]
    tap.ok(len(gaps) == 6 and all(gap >= low - 1 for gap, low in zip(gaps, least)), "409: repeated after 10, 20, 40 … ms, never sooner", gaps)
    tap.ok(sum(gaps) < 5000, "  and soon", gaps)
    w.peer.answer = Peer.accept


def in_doubt(w):
    """Its answer to our last message is lost, and it refuses the repetitions: asked where the process stands, it says that it is there."""
    for state, repeated in (("FINALIZED", False), ("VERIFIED", True)):
        tries, asked = [], []

        def answer(method, path, body, state=state, tries=tries, asked=asked):
            if method == "GET":
                asked.append(path)
                return 200, message("ContractNegotiation", providerPid="x", consumerPid="y", state=state)
            if not path.endswith("/events"):
                return Peer.accept(method, path, body)
            tries.append(path)
            if len(tries) == 1:
                return None
            return (200, None) if state != "FINALIZED" and len(asked) > 1 else (409, None)

        w.peer.answer = Peer.accept
        own, pid = w.requested(w.ours)
        w.peer.wait("ContractAgreementMessage", consumerPid=pid)
        w.ours.wait_state(own, AGREED)
        w.peer.answer = answer
        tap.status(w.post(w.ours, f"/negotiations/{own}/agreement/verification", message(
            "ContractAgreementVerificationMessage", providerPid=own, consumerPid=pid)), 200, f"a verification; the end is taken, and 409 from then on: {state}")
        w.ours.wait_state(own, FINALIZED, deadline_s=60)
        tap.ok(asked and all(path == tries[0].removesuffix("/events") for path in asked), "  asked by GET of the process", asked)
        tap.equal(len(asked) > 1, repeated, "  it counts as taken" if not repeated else "  another state decides nothing: it is repeated")
    w.peer.answer = Peer.accept


# -- repetitions -----------------------------------------------------------------------------------------------------------------------------
def repetitions(w):
    own, pid = w.requested(w.ours)
    w.peer.wait("ContractAgreementMessage", consumerPid=pid)
    body = message("ContractAgreementVerificationMessage", **{"@id": str(uuid.uuid4())}, providerPid=own, consumerPid=pid)
    for name, again in (("a verification", body), ("the same again", body), ("the same, written in another order", dict(reversed(body.items())))):
        tap.status(w.post(w.ours, f"/negotiations/{own}/agreement/verification", again), 200, name)
    tap.status(w.post(w.ours, f"/negotiations/{own}/agreement/verification", {**body, "@id": str(uuid.uuid4())}), 400, "another one")
    w.ours.wait_state(own, FINALIZED)
    tap.equal(len(w.peer.messages("ContractNegotiationEventMessage", consumerPid=pid)), 1, "one event follows")
    same = str(uuid.uuid4())  # a peer whose messages all have one id
    own, pid = w.requested(**{"@id": same})
    tap.status(w.post(w.manual, f"/negotiations/{own}/termination", message(
        "ContractNegotiationTerminationMessage", **{"@id": same}, providerPid=own, consumerPid=pid)), 200, "an id that was a request's")
    tap.equal(w.manual.state(own), TERMINATED, "  counts for this message all the same")


def first_again(w):
    body = message("ContractRequestMessage", consumerPid=new_pid(), offer=w.peer.offer_of(w.ours), callbackAddress=w.peer.url)
    pids = {w.post(w.ours, "/negotiations/request", {**body, **more}).json["providerPid"]
            for more in ({}, {}, {"@id": str(uuid.uuid4())}, {"@id": str(uuid.uuid4())})}
    tap.equal(len(pids), 1, "a request again, with other ids: one negotiation")
    w.peer.wait("ContractAgreementMessage", consumerPid=body["consumerPid"])
    tap.equal(len(w.peer.messages("ContractAgreementMessage", consumerPid=body["consumerPid"])), 1, "  and one agreement")
    _, _, sold = w.contract()
    body = ask_for(w.peer, sold)
    answers, threads = [], []
    for n in range(8):
        threads.append(threading.Thread(target=lambda n=n: answers.append(w.post(w.ours, "/transfers/request", {**body, "@id": f"id-{n % 3}"}))))
        threads[-1].start()
    for thread in threads:
        thread.join()
    tap.equal({a.status for a in answers}, {201}, "eight equal transfer requests at once")
    tap.equal(len({a.json["providerPid"] for a in answers}), 1, "  one transfer")


# -- rules ------------------------------------------------------------------------------------------------------------------------------------------
def no_rules(w):
    offer = {"@id": "offer-2", "@type": "Offer"}
    pid, own = w.asking(offer)
    agreement = {k: v for k, v in w.agreement().items() if k != "permission"}
    tap.status(w.agree(pid, own, agreement), 200, "an agreement without any rule, as the offer had none")
    w.peer.wait("ContractAgreementVerificationMessage", consumerPid=pid)
    own = new_pid()
    answer = w.post(w.manual, "/negotiations/offers", message("ContractOfferMessage", providerPid=own, offer={**offer, "target": "t"}, callbackAddress=w.peer.url))
    tap.status(answer, 201, "an offer without any rule")


DATED = {"leftOperand": "dateTime", "operator": "lteq", "rightOperand": "2090-12-31T06:00:00Z"}
ODRL = "http://www.w3.org/ns/odrl/2/"


def ask_dated(w, name, rules):
    offer = {**w.peer.offer_of(w.ours, "dated"), "permission": rules}
    pid, answer = w.peer.request(w.ours, offer)
    tap.status(answer, 201, name)
    w.peer.wait("ContractAgreementMessage", consumerPid=pid)


def single_elements(w):
    for name, rules in (("a single permission", {"action": "use", "constraint": [DATED]}), ("a single constraint", [{"action": "use", "constraint": DATED}]),
                        ("both", {"action": "use", "constraint": DATED}), ("an action as a list", [{"action": ["use"], "constraint": [DATED]}]),
                        ("an action as a reference", [{"action": {"@id": "odrl:use"}, "constraint": [DATED]}])):
        ask_dated(w, f"{name}, not in a list", rules)
    pid, own = w.asking()
    tap.status(w.agree(pid, own, w.agreement(permission={"action": "use"})), 200, "an agreement whose permission is not in a list")


def literals(w):
    for name, value in (("a typed literal", {"@value": "2090-12-31T06:00:00Z", "@type": "xsd:dateTime"}),
                        ("a literal with the full type", {"@value": "2090-12-31T06:00:00Z", "@type": "http://www.w3.org/2001/XMLSchema#dateTime"}),
                        ("a literal without type", {"@value": "2090-12-31T06:00:00Z"}), ("no seconds", "2090-12-31T06:00Z"),
                        ("fractions", "2090-12-31T06:00:00.000Z"), ("nanoseconds", "2090-12-31T06:00:00.000000000Z"),
                        ("an offset", "2090-12-31T15:00:00+09:00"), ("in a list", ["2090-12-31T06:00:00Z"])):
        ask_dated(w, f"an instant as {name}", [{"action": "use", "constraint": [{**DATED, "rightOperand": value}]}])


def names(w):
    for name, of in (("prefixed", lambda t: f"odrl:{t}"), ("IRIs", lambda t: ODRL + t), ("references", lambda t: {"@id": ODRL + t})):
        ask_dated(w, f"operands, operators and actions as {name}", [{"action": of("use"), "constraint": [
            {"leftOperand": of("dateTime"), "operator": of("lteq"), "rightOperand": DATED["rightOperand"]}]}])
    ask_dated(w, "the operator 'term-lteq' of the schema", [{"action": "use", "constraint": [{**DATED, "operator": "term-lteq"}]}])


def timestamps(w):
    for name, changes in (("nanoseconds", {"timestamp": "2026-01-01T00:00:00.123456789Z"}), ("an offset", {"timestamp": "2026-01-01T09:00:00+09:00"}),
                          ("a bare UUID as id", {"@id": str(uuid.uuid4())}), ("no timestamp", {"timestamp": None})):
        pid, own = w.asking()
        agreement = {k: v for k, v in w.agreement(**changes).items() if v is not None}
        tap.status(w.agree(pid, own, agreement, callbackAddress=w.peer.url), 200, f"an agreement with {name}, and a callbackAddress")
        w.peer.wait("ContractAgreementVerificationMessage", consumerPid=pid)


def parties(w):
    offer = {**w.peer.offer_of(w.ours), "assigner": "ours", "assignee": "peer"}
    for pid in (str(uuid.uuid4()), "1", "negotiation 7 / 한글"):
        _, answer = w.peer.request(w.ours, offer, consumerPid=pid)
        tap.status(answer, 201, f"an offer that names both parties, the pid {pid[:12]!r}")
        tap.equal(answer.json["consumerPid"], pid, "  which comes back as it was")
        w.peer.wait("ContractAgreementMessage", consumerPid=pid)


# -- reasons, states, addresses -------------------------------------------------------------------------------------------------------------------------
def reasons(w):
    for name, members, want in (
            ("a text", {"reason": ["sold out"]}, "sold out"), ("two", {"reason": ["a", "b"]}, "a; b"), ("an object with message", {"reason": [{"message": "m"}]}, "m"),
            ("a literal", {"reason": [{"@value": "v", "@language": "en"}]}, "v"), ("a code alone", {"code": "1"}, "1"), ("both", {"code": "1", "reason": ["r"]}, "1: r"),
            ("neither", {}, "terminated by the other party"), ("nothing readable", {"reason": [1, None, {}]}, "terminated by the other party")):
        own, pid = w.requested()
        w.say(w.manual, "negotiations", own, "termination", "ContractNegotiationTerminationMessage", providerPid=own, consumerPid=pid, **members)
        tap.equal(w.manual.error(own), want, f"the reason as {name} is kept")


def shown_states(w):
    """While our message is on its way, what it leads to is shown."""
    hold, shown = threading.Event(), []

    def slow(method, path, body):
        if path.endswith(("/agreement", "/start")):
            kind = "transfers" if "/transfers/" in path else "negotiations"
            shown.append(w.ours.as_peer("peer").get(f"/{kind}/{body['providerPid']}").json["state"])
            hold.wait(10)
        return Peer.accept(method, path, body)

    w.peer.answer = slow
    pid, answer = w.peer.request(w.ours, w.peer.offer_of(w.ours))
    tap.equal(answer.json["state"], "REQUESTED", "the answer shows the request's state, whatever follows")
    wait_until(lambda: shown, 10, "the agreement is on its way")
    hold.set()
    tap.equal(shown, ["AGREED"], "AGREEING is shown as AGREED")
    w.peer.answer = Peer.accept
    pid = w.transfer(w.bought())
    w.ours.wait_state(pid, 500, "transfer")
    answer = w.ours.as_peer("peer").get(f"/transfers/{pid}")
    tap.equal((answer.status, answer.json["@type"], answer.json["state"], answer.json["consumerPid"]), (200, "TransferProcess", "REQUESTED", pid),
              "GET of a transfer at its consumer")


def data_addresses(w):
    edc = [{"@type": "EndpointProperty", "name": EDC + name, "value": value} for name, value in (
        ("endpoint", "https://data.example/public"), ("authType", "bearer"), ("endpointType", "https://w3id.org/idsa/v4.1/HTTP"), ("authorization", "token-of-edc"))]
    plain = [{"@type": "EndpointProperty", "name": "authorization", "value": "token-of-edc"}]
    agreement = w.bought()
    for name, address in (("EDC's form", {"endpointProperties": edc}), ("the specification's form", {"endpoint": "https://data.example/public", "endpointProperties": plain})):
        pid = w.transfer(agreement)
        w.ours.wait_state(pid, 500, "transfer")
        own = w.ours.sql("SELECT peer_pid FROM transfer WHERE transfer_id = ?", pid)[0][0]
        w.say(w.ours, "transfers", pid, "start", "TransferStartMessage", consumerPid=pid, providerPid=own,
              dataAddress={"@type": "DataAddress", "endpointType": "https://w3id.org/idsa/v4.1/HTTP", **address})
        tap.equal(w.ours.sql("SELECT endpoint, token FROM edr WHERE transfer_id = ?", pid), [("https://data.example/public", "token-of-edc")],
                  f"a data address in {name} is kept")


# -- connections and errors ---------------------------------------------------------------------------------------------------------------------------------
def connections(w):
    """The message gets through whatever becomes of the connection; where the answer was lost it comes again."""
    for name, text, times in (("closed behind the answer", b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", 1), ("closed without an answer", b"", 3),
                              ("closed in the head", b"HTTP/1.1 200 OK\r\nConte", 3), ("closed in the body", b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{}", 3),
                              ("garbage instead of HTTP", b"\x00\x01\x02\r\n\r\n", 3)):
        asked = []

        def answer(method, path, body, text=text, times=times, asked=asked):
            asked.append(path)
            return raw(text) if len(asked) < times or times == 1 else Peer.accept(method, path, body)

        w.peer.answer = answer
        _, reply = w.peer.request(w.ours, w.peer.offer_of(w.ours))
        w.ours.wait_state(reply.json["providerPid"], AGREED)
        tap.equal(len(asked), times, f"a connection {name}")
    w.peer.answer = Peer.accept


def nobody_listens(w):
    for tail, run in (("/agreement", lambda: w.peer.agreed(w.ours)), ("/agreement/verification", w.bought), ("/negotiations/request", w.asking)):
        w.peer.answer, at = refusing(tail, 4, 404)
        run()
        wait_until(lambda at=at: len(at) == 5, 10, f"{tail} came five times")
        tap.ok(True, f"404 four times to {tail}, then taken")
        w.peer.answer = Peer.accept
    w.peer.answer = lambda *_: (404, message("ContractNegotiationError", providerPid="x", consumerPid="y", reason=["no such negotiation"]))
    _, reply = w.peer.request(w.ours, w.peer.offer_of(w.ours))
    w.ours.wait_state(reply.json["providerPid"], TERMINATED)
    tap.equal(w.ours.error(reply.json["providerPid"]), "no such negotiation", "404 for good ends it after a while")
    w.peer.answer = Peer.accept


def errors(w):
    for name, reply, want in (
            ("HTML", b"<html>Bad Request</html>", "the other party answered 400"), ("nothing", b"", "the other party answered 400"),
            ("a reason that is a text", {"code": "7", "reason": "broken"}, "7: broken"), ("a reason that is an object", {"reason": {"message": "broken"}}, "broken"),
            ("a context that is a text", {"@context": CONTEXT[0], "@type": "ContractNegotiationError", "reason": ["broken"]}, "broken"),
            ("a problem", {"title": "Bad Request", "detail": "broken", "status": 400}, "broken"), ("an array", [1, 2], "the other party answered 400"),
            ("a member twice", b'{"reason":["a"],"reason":["b"]}', "the other party answered 400"), ("no reason", {"@type": "x"}, "the other party answered 400"),
            ("a long reason", {"reason": ["x" * 5000]}, "x" * 512)):
        w.peer.answer = lambda *_, reply=reply: (400, reply)
        _, answer = w.peer.request(w.ours, w.peer.offer_of(w.ours))
        own = answer.json["providerPid"]
        w.ours.wait_state(own, TERMINATED)
        tap.equal(w.ours.error(own), want, f"an error that is {name}")
    w.peer.answer = Peer.accept


def at_once(w):
    """Different messages for one process from many connections: an order is found, and each is judged in it."""
    for _ in range(5):
        own, pid = w.requested(w.ours)
        w.peer.wait("ContractAgreementMessage", consumerPid=pid)
        both = {"providerPid": own, "consumerPid": pid}
        answers, threads = {"verification": [], "termination": []}, []
        for n in range(8):
            tail, kind = (("agreement/verification", "ContractAgreementVerificationMessage"), ("termination", "ContractNegotiationTerminationMessage"))[n % 2]
            threads.append(threading.Thread(target=lambda tail=tail, kind=kind, n=n: answers[tail.split("/")[-1]].append(
                w.post(w.ours, f"/negotiations/{own}/{tail}", message(kind, **{"@id": f"{own}-{n}"}, **both)).status)))
            threads[-1].start()
        for thread in threads:
            thread.join()
        taken = {name: list.count(codes, 200) for name, codes in answers.items()}
        state = FINALIZED if taken["verification"] else TERMINATED
        w.ours.wait_state(own, state)
        tap.ok(sum(taken.values()) == 1 and not {c for codes in answers.values() for c in codes} - {200, 400, 503},
               "eight messages at once: one is taken, the others see its state", answers)


ENTRIES = [
    (1, escaped_pids), (2, slashes), (3, contexts), (4, unknown_members), (5, bodies), (5, kept_connection), (6, created_200), (7, empty_answers), (8, locked_rows),
    (9, overtaking), (10, not_yet), (11, repetitions), (12, first_again), (13, no_rules), (14, single_elements), (15, literals), (16, names), (17, timestamps),
    (18, parties), (19, reasons), (20, shown_states), (21, data_addresses), (22, connections), (23, nobody_listens), (24, errors), (25, at_once), (26, in_doubt),
]


def scenario():
    world = World()
    for number, run in ENTRIES:
        with tap.case(f"entry {number}: {run.__name__}"):
            run(world)
        world.peer.answer = Peer.accept
    tap.status(Client(world.ours.api.base).get("/readyz"), 200, "our connector is well")


main(scenario)
