"""Every case of hostile.py against a running connector: the stated status and error body; no row changed, no message sent.

One connector (an operator decides, so that every state can be reached and kept) has processes in each state and in both roles. A group of cases is sent to
one of them; before and after it all tables of the database are compared byte for byte, nothing is left out. The answers are checked against what the
specification says of errors: type, both pids as far as the sender may know them, code, reasons.
"""

import itertools
import json
import uuid

import hostile
from connectors import EDC, Peer, Space, message
from harness import Client, main, processes, raw_exchange, tap, wait_until
from hostile import ALLOWED, FIRST, MESSAGES, OPEN

CODES = {
    "negotiations": {"REQUESTED": 200, "OFFERED": 400, "ACCEPTED": 800, "AGREED": 850, "VERIFIED": 1100, "FINALIZED": 1200, "TERMINATED": 1400},
    "transfers": {"REQUESTED": 500, "STARTED": 600, "SUSPENDED": 700, "COMPLETED": 800, "TERMINATED": 850},
}
OPERATOR_DECIDES = {"operator.decides": "agree"}
TABLE = {"negotiations": "negotiation", "transfers": "transfer"}
CHUNKS = b"".join([b'10\r\n{"providerPid":"\r\n'] + [b"100000\r\n" + b"x" * (1 << 20) + b"\r\n"] * 10)
NO_PID = "urn:uuid:00000000-0000-0000-0000-000000000000"


def fresh():
    return f"urn:uuid:{uuid.uuid4()}"


# -- processes in each state ------------------------------------------------------------------------------------------------------
class World:
    """The connector, the peer, and (kind, role, state) -> (our pid, the peer's)."""

    def __init__(self, made_of=None):
        self.space = Space("connector", "peer", "stranger", "strict")
        self.space.made_of = made_of
        self.connector = self.space.connector("connector", **OPERATOR_DECIDES)
        self.strict = self.space.connector("strict", **OPERATOR_DECIDES, **{"fetch.allow": ""})
        self.peer = Peer(self.space, "peer")
        for connector in (self.connector, self.strict):
            connector.offer()
        self.offer = self.peer.offer_of(self.connector)
        self.processes = {}
        self.agreements = {}

    def say(self, kind, pid, tail, type_, **members):
        answer = self.connector.as_peer("peer").post(f"/{kind}/{pid}/{tail}", message(type_, **members))
        assert answer.status == 200, answer.text

    def operate(self, pid, what, body=None):
        answer = self.connector.api.post(f"/naru/v1/negotiations/{pid}/{what}", body)
        assert answer.status == 204, answer.text

    def reach(self, kind, pid, state):
        self.connector.wait_state(pid, CODES[kind][state], TABLE[kind])

    def set_state(self, kind, pid, state):
        """States in which we never rest, because our own message follows at once: written by hand, while nothing runs."""
        self.connector.sql(f"UPDATE {TABLE[kind]} SET state = ? WHERE {TABLE[kind]}_id = ?", CODES[kind][state], pid)

    def make(self):
        for kind, role, state in ALLOWED:
            pids = getattr(self, f"{kind}_{role}")(state)
            self.processes[kind, role, state] = pids
        self.calm()

    def calm(self):
        for connector in (self.connector, self.strict):
            wait_until(lambda c=connector: not c.sql("SELECT 1 FROM outbox"), 10, "all that was to be sent has been")

    def negotiations_provider(self, state):
        pid, answer = self.peer.request(self.connector, self.offer)
        assert answer.status == 201, answer.text
        own = answer.json["providerPid"]
        both = {"providerPid": own, "consumerPid": pid}
        if state in ("OFFERED", "ACCEPTED"):
            self.operate(own, "offer", {"policy": {"@type": "Offer", "permission": [{"action": "use"}]}})
            self.reach("negotiations", own, "OFFERED")
        if state == "ACCEPTED":
            self.say("negotiations", own, "events", "ContractNegotiationEventMessage", eventType="ACCEPTED", **both)
        if state in ("AGREED", "VERIFIED", "FINALIZED"):
            self.operate(own, "agree")
            self.reach("negotiations", own, "AGREED")
        if state == "VERIFIED":
            self.calm()
            self.set_state("negotiations", own, "VERIFIED")
        if state == "FINALIZED":
            self.say("negotiations", own, "agreement/verification", "ContractAgreementVerificationMessage", **both)
        if state == "TERMINATED":
            assert self.connector.terminate(own).status < 300
        self.reach("negotiations", own, state)
        self.agreements["provider", state] = self.connector.sql("SELECT agreement_id FROM negotiation WHERE negotiation_id = ?", own)[0][0]
        return own, pid

    def negotiations_consumer(self, state):
        own = self.connector.negotiate(self.peer.url, "peer", {**self.offer, "@id": "offer-1"})
        self.reach("negotiations", own, "REQUESTED")
        pid = self.connector.sql("SELECT peer_pid FROM negotiation WHERE negotiation_id = ?", own)[0][0]
        both = {"providerPid": pid, "consumerPid": own}
        if state in ("OFFERED", "ACCEPTED"):
            self.say("negotiations", own, "offers", "ContractOfferMessage", offer={**self.offer, "@id": "offer-2"}, **both)
        if state == "ACCEPTED":
            self.operate(own, "accept")
        if state == "AGREED":
            self.calm()
            self.set_state("negotiations", own, "AGREED")
        if state in ("VERIFIED", "FINALIZED"):
            agreement = {"@id": fresh(), "@type": "Agreement", "target": "data-1", "assigner": "peer", "assignee": "connector",
                         "timestamp": "2026-01-01T00:00:00Z", "permission": [{"action": "use"}]}
            self.say("negotiations", own, "agreement", "ContractAgreementMessage", agreement=agreement, **both)
            self.reach("negotiations", own, "VERIFIED")
            self.agreements["consumer", state] = agreement["@id"]
        if state == "FINALIZED":
            self.say("negotiations", own, "events", "ContractNegotiationEventMessage", eventType="FINALIZED", **both)
        if state == "TERMINATED":
            assert self.connector.terminate(own).status < 300
        self.reach("negotiations", own, state)
        return own, pid

    def end_transfer(self, own, state, both):
        types = {"SUSPENDED": ("suspension", "TransferSuspensionMessage"), "COMPLETED": ("completion", "TransferCompletionMessage"),
                 "TERMINATED": ("termination", "TransferTerminationMessage")}
        if state in types:
            self.say("transfers", own, *types[state], **both)
        self.reach("transfers", own, state)

    def transfers_provider(self, state):
        pid = fresh()
        answer = self.connector.as_peer("peer").post("/transfers/request", message(
            "TransferRequestMessage", consumerPid=pid, agreementId=self.agreements["provider", "FINALIZED"], format="HttpData-PULL",
            callbackAddress=self.peer.url))
        assert answer.status == 201, answer.text
        own = answer.json["providerPid"]
        self.reach("transfers", own, "STARTED")
        if state == "REQUESTED":
            self.calm()
            self.set_state("transfers", own, "REQUESTED")
        self.end_transfer(own, state, {"providerPid": own, "consumerPid": pid})
        return own, pid

    def transfers_consumer(self, state):
        answer = self.connector.api.post("/v3/transferprocesses", {
            "@context": {"@vocab": EDC}, "@type": "TransferRequest", "counterPartyAddress": self.peer.url, "contractId": self.agreements["consumer", "FINALIZED"],
            "protocol": "dataspace-protocol-http:2025-1", "transferType": "HttpData-PULL"})
        assert answer.status == 200, answer.text
        own = answer.json["@id"]
        self.reach("transfers", own, "REQUESTED")
        pid = self.connector.sql("SELECT peer_pid FROM transfer WHERE transfer_id = ?", own)[0][0]
        both = {"providerPid": pid, "consumerPid": own}
        if state != "REQUESTED":
            self.say("transfers", own, "start", "TransferStartMessage", dataAddress=hostile.ADDRESS, **both)
        self.end_transfer(own, state, both)
        return own, pid

    def tokens(self):
        """Of the data plane: what a started transfer is given."""
        own, pid = self.transfers_provider("STARTED")
        self.calm()
        properties = self.peer.messages("TransferStartMessage", providerPid=own, consumerPid=pid)[-1]["dataAddress"]["endpointProperties"]
        values = {p["name"].rsplit("/", 1)[-1]: p["value"] for p in properties}
        return values["authorization"], values["refreshToken"]


# -- filling in -----------------------------------------------------------------------------------------------------------------------
def filled(value, names):
    if isinstance(value, str):
        for name, text in names.items():
            value = value.replace(name, text() if callable(text) and name in value else text if not callable(text) else "")
        return value
    if isinstance(value, dict):
        return {k: filled(v, names) for k, v in value.items()}
    return [filled(v, names) for v in value] if isinstance(value, list) else value


class Group:
    """Cases against one process (or none): sent, answers checked, and the database compared."""

    def __init__(self, world, connector, name, own=fresh, peer=fresh, more=None):
        self.world, self.connector, self.name = world, connector, name
        self.own, self.peer = own, peer
        self.names = {hostile.OWN: own, hostile.PEER: peer, "<OWN>": own if callable(own) else own.upper(), hostile.FRESH: fresh,
                      hostile.OFFER_ID: world.offer["@id"], hostile.ASSET: "data-1", hostile.CALLBACK: world.peer.url,
                      hostile.AGREEMENT_ID: world.agreements.get(("provider", "FINALIZED")) or fresh, **(more or {})}

    def headers(self, who):
        tokens = self.world.space.tokens
        if isinstance(who, tuple):  # a header as it is
            return {"Authorization": filled(who[1], self.names)}
        if who in ("key", "wrong key"):
            return {"X-Api-Key": self.connector.key if who == "key" else "wrong"}
        return {} if who is None else {"Authorization": tokens.get(who, who)}

    def send(self, case, base):
        path = filled(case.path, self.names)
        body = filled(case.body, self.names)
        if isinstance(body, str):  # a form
            body = body.encode()
        elif isinstance(body, (dict, list)):
            body = json.dumps(body).encode()
        headers = {**self.headers(case.who), **({} if body is None else {"Content-Type": case.raw or "application/json"})}
        return Client(base, self.connector.space.authority.ca).request(case.method, path, body=body, headers=headers), body

    def run(self, cases, base, check):
        connector = self.connector
        sent, before = len(self.world.peer.seen), connector.dump()
        watch = connector.watch()
        version = watch()
        for case in cases:
            answer, body = self.send(case, base)
            problems = list(check(self, case, answer, body))
            now = watch()
            if now != version:  # somebody has written, if perhaps the same
                version, after = now, connector.dump()
                problems += [f"row changed: {line[:300]}" for line in set(before) ^ set(after)][:6]
                before = after
            tap.ok(not problems, f"{self.name}: {case.name}", "\n".join([*problems, f"{answer.status} {answer.text[:600]}"]))
        after = connector.dump()
        tap.ok(after == before, f"{self.name}: no row changed", "\n".join(line[:300] for line in sorted(set(before) ^ set(after))[:6]))
        tap.equal(len(self.world.peer.seen), sent, f"{self.name}: no message was sent")


# -- what an answer must be ---------------------------------------------------------------------------------------------------------------
def check_status(want, answer):
    if want.status is None and not 400 <= answer.status < 500:
        yield f"status {answer.status}, want 4xx"
    elif want.status is not None and answer.status != want.status:
        yield f"status {answer.status}, want {want.status}"


def check_code(want, code, at):
    if want.code is not None and code != want.code:
        yield f"code {code!r}, want {want.code!r}"
    if want.at is not None and at != want.at:
        yield f"at {at!r}, want {want.at!r}"


def check_problem(_group, case, answer, _body):
    """RFC 9457."""
    yield from check_status(case.want, answer)
    if answer.headers["Content-Type"] != "application/problem+json":
        yield f"Content-Type {answer.headers['Content-Type']}"
        return
    if answer.json["status"] != answer.status or not {"type", "title", "code", "request"} <= set(answer.json):
        yield "not a problem"
    yield from check_code(case.want, answer.json["code"], answer.json.get("at"))


def check_management(_group, case, answer, _body):
    """EDC's array of errors."""
    yield from check_status(case.want, answer)
    items = answer.json
    if not isinstance(items, list) or not items or any(not {"message", "type"} <= set(i) or not i["message"] for i in items):
        yield "not an array of errors"
        return
    last = (case.want.at or "").split("/")[-1]
    if items[0]["type"] != case.want.code or (last and last not in (items[0]["path"] or "")):
        yield f"want {case.want.code} at {case.want.at}"


ERRORS = {"/negotiations": "ContractNegotiationError", "/transfers": "TransferError", "/catalog": "CatalogError"}


def known(group, case, member, body):
    """Pids that an error may name: the sender's claim, ours if it is a party, or that there is none."""
    unread = case.want.status == 401 or case.want.code == "syntax" or isinstance(case.body, bytes)
    if unread:  # what nobody says is not read, nor what comes to a place that cannot be; what is no JSON says nothing
        return {NO_PID}
    try:
        claim = json.loads(body)[member]
    except (LookupError, TypeError):
        claim = None
    allowed = {claim} if isinstance(claim, str) and len(claim) <= 2048 else {NO_PID}
    return allowed | {group.own, group.peer} if case.who == "peer" and not callable(group.own) else allowed


def check_dsp(group, case, answer, body):
    """ContractNegotiationError, TransferError, CatalogError (DSP 2025-1, error schemas)."""
    yield from check_status(case.want, answer)
    kind = next((t for prefix, t in ERRORS.items() if case.path.startswith(prefix)), None)
    if answer.headers["Content-Type"] != "application/json":
        yield f"Content-Type {answer.headers['Content-Type']}"
        return
    error = answer.json
    if error["@context"] != hostile.CONTEXT or error["@type"] != kind:
        yield f"not a {kind}"
    if kind != "CatalogError":
        yield from (f"{m} {error.get(m)!r}" for m in ("providerPid", "consumerPid") if error.get(m) not in known(group, case, m, body))
    reasons = error.get("reason")
    if not isinstance(reasons, list) or not reasons or not all(isinstance(r, str) and r for r in reasons):
        yield f"reason {reasons!r}"
        return
    at = reasons[0].split(": ", 1)[0] if reasons[0].startswith("/") else ""
    yield from check_code(case.want, error.get("code"), at)
    if answer.status == 405 and not answer.headers["Allow"]:
        yield "no Allow"


# -- the groups -----------------------------------------------------------------------------------------------------------------------------
def check_processes(world):
    connector = world.connector
    for (kind, role, state), (own, peer) in world.processes.items():
        group = Group(world, connector, f"{TABLE[kind]} as {role} in {state}", own, peer)
        group.run(hostile.state_cases(kind, role, state), connector.dsp, check_dsp)
    for (kind, role), states in OPEN.items():
        for name, state in states.items():
            own, peer = world.processes[kind, role, state]
            group = Group(world, connector, f"{name} to the {role} of a {TABLE[kind]}", own, peer)
            group.run(itertools.chain(hostile.pid_cases(kind, role, name), hostile.field_cases(kind, role, name)), connector.dsp, check_dsp)
    for kind in MESSAGES:
        own, peer = world.processes[kind, "provider", "REQUESTED"]
        Group(world, connector, f"a {TABLE[kind]}", own, peer).run(hostile.show_cases(kind), connector.dsp, check_dsp)


def check_crossed(world):
    """A process of one role, kind or peer named where another is meant."""
    connector = world.connector
    for (kind, role), states in OPEN.items():
        for name, state in states.items():
            own, peer = world.processes[kind, role, state]
            other = world.processes[kind, role, "TERMINATED"]
            tail, body = MESSAGES[kind](role)[name]
            want = hostile.invalid("/providerPid" if role == "provider" else "/consumerPid")
            case = hostile.post(f"{name} to another of the same peer", kind, tail, filled(body, {hostile.OWN: own, hostile.PEER: peer}), want)
            Group(world, connector, f"crossed {TABLE[kind]}", *other).run([case], connector.dsp, check_dsp)
            crossed = "transfers" if kind == "negotiations" else "negotiations"
            case = hostile.post(f"{name} to a {TABLE[crossed]}", kind, tail, body, hostile.Want(404, "not-found", ""),
                                pid=world.processes[crossed, role, "REQUESTED"][0])
            Group(world, connector, f"crossed {TABLE[kind]}", own, peer).run([case], connector.dsp, check_dsp)


def check_first(world):
    connector = world.connector
    for name in FIRST:
        Group(world, connector, f"first {name}").run(hostile.first_cases(name), connector.dsp, check_dsp)
    own, peer = world.processes["negotiations", "provider", "REQUESTED"]
    path, body = FIRST["request"]
    group = Group(world, connector, "first request", own, peer)
    other = {**body, "consumerPid": peer, "offer": {**body["offer"], "@id": "another"}}
    group.run([hostile.Case("a pid that is in use", "peer", "POST", path, other, hostile.invalid("/consumerPid"))], connector.dsp, check_dsp)
    own, peer = world.processes["transfers", "provider", "STARTED"]
    path, body = FIRST["transfer"]
    group = Group(world, connector, "first transfer", own, peer)
    other = {**body, "consumerPid": peer, "agreementId": "another"}
    stolen = {**body, "consumerPid": fresh(), "agreementId": world.agreements["provider", "FINALIZED"]}
    unfinished = {**stolen, "agreementId": world.agreements["provider", "AGREED"]}
    unknown = hostile.invalid("/agreementId")
    group.run([hostile.Case("a pid that is in use", "peer", "POST", path, other, hostile.invalid("/consumerPid")),
               hostile.Case("another's agreement", "stranger", "POST", path, stolen, unknown),
               hostile.Case("an agreement that is not final", "peer", "POST", path, unfinished, unknown)], connector.dsp, check_dsp)


def check_addresses(world):
    for name in FIRST:  # judged before the offer and the agreement
        Group(world, world.strict, f"first {name}").run(hostile.address_cases(name), world.strict.dsp, check_dsp)
    path, body = FIRST["offer"]
    for url in ("https://peer.example/dsp", "https://8.8.8.8/dsp/", "https://[2606:4700:4700::1111]:8443/dsp", "https://localhost.example/dsp"):
        group = Group(world, world.strict, "control")
        answer, _ = group.send(hostile.Case(url, "peer", "POST", path, {**body, "callbackAddress": url}, None), world.strict.dsp)
        tap.status(answer, 201, f"a callback to {url} is taken")


def check_bodies(world):
    connector = world.connector
    own, peer = world.processes["negotiations", "provider", "REQUESTED"]
    for path in ("/negotiations/request", f"/negotiations/{own}/termination", "/transfers/request", "/catalog/request"):
        Group(world, connector, f"POST …{path[-12:]}", own, peer).run(hostile.body_cases(path), connector.dsp, check_dsp)


def check_sizes(world):
    """An id of 10 MiB: refused by what is announced, and, where nothing is, as soon as it is too much."""
    connector, before = world.connector, world.connector.dump()
    start = b'{"providerPid":"' + b"x" * 1024
    for path in ("/negotiations/request", "/negotiations/x/termination", "/transfers/request", "/transfers/x/start", "/catalog/request"):
        for name, framing, body in (("announced", f"Content-Length: {10 << 20}", start), ("in chunks", "Transfer-Encoding: chunked", CHUNKS)):
            head = (f"POST /dsp/2025-1{path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: {world.space.tokens['peer']}\r\n"
                    f"Content-Type: application/json\r\nConnection: close\r\n{framing}\r\n\r\n").encode()
            answer = raw_exchange(connector.public, head + body, connector.space.authority.ca)
            tap.ok(answer.startswith(b"HTTP/1.1 413 ") or (name == "in chunks" and not answer), f"{path}: an id of 10 MiB, {name}", answer[:300])
    tap.ok(connector.dump() == before, "sizes: no row changed")


def check_replays(world):
    """Messages that were taken, again and again and out of order: answered as before, or refused; never a second effect."""
    connector, client = world.connector, world.connector.as_peer("peer")
    own, pid = world.transfers_provider("STARTED")
    both = {"providerPid": own, "consumerPid": pid}
    taken = []
    for tail, type_ in (("suspension", "TransferSuspensionMessage"), ("start", "TransferStartMessage"), ("suspension", "TransferSuspensionMessage"),
                        ("start", "TransferStartMessage"), ("completion", "TransferCompletionMessage")):
        body = message(type_, **{"@id": fresh()}, **both)
        assert client.post(f"/transfers/{own}/{tail}", body).status == 200
        taken.append((tail, body))
    world.calm()
    before, sent = connector.dump(), len(world.peer.seen)
    for order in itertools.permutations(taken, 2):
        for tail, body in order:
            tap.status(client.post(f"/transfers/{own}/{tail}", body), 200, f"{tail} again")
    for tail, body in taken:
        tap.status(client.post(f"/transfers/{own}/{tail}", {**body, "@id": fresh()}), 400, f"{tail} under a new id")
        other, theirs = world.processes["transfers", "provider", "TERMINATED"]
        tap.status(client.post(f"/transfers/{other}/{tail}", {**body, "providerPid": other, "consumerPid": theirs}), 400,
                   f"the id of a {tail} in another transfer")
    tail, body = taken[0]
    wrong = message("TransferTerminationMessage", **{"@id": body["@id"]}, **both)
    tap.status(client.post(f"/transfers/{own}/termination", wrong), 400, "the id of a suspension in a termination")
    tap.ok(connector.dump() == before, "replays: no row changed")
    tap.equal(len(world.peer.seen), sent, "replays: no message was sent")


def scenario(made_of=None):
    world = World(made_of)
    world.make()
    check_processes(world)
    check_crossed(world)
    check_first(world)
    check_addresses(world)
    check_bodies(world)
    check_sizes(world)
    check_replays(world)
    connector = world.connector
    Group(world, connector, "catalogue").run(hostile.catalogue_cases(), connector.dsp, check_dsp)
    Group(world, connector, "outside the protocol").run(hostile.VERSION_CASES, connector.base, check_problem)
    access, refresh = world.tokens()
    tokens = {"<token>": access, "<token-changed>": access[:-4] + "AAAA", "<token-cut>": access[:-9], "<refresh>": refresh, "<refresh-cut>": refresh[:-9]}
    Group(world, connector, "data", more=tokens).run(hostile.data_cases(), connector.base, check_problem)
    Group(world, connector, "management").run(hostile.management_cases(), connector.api.base, check_management)
    tap.status(connector.api.get("/readyz"), 200, "the connector is well")
    for process in processes:
        bad = [line for line in process.log_text().splitlines() if "level=error" in line]
        tap.equal(bad[:3], [], f"{process.name}: a stranger's mistake is no error of ours")


if __name__ == "__main__":
    main(scenario)
