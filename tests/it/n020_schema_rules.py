"""Every rule of the schemas of DSP 2025-1 has a message that breaks it: made from good ones, judged by the schemas themselves.

A good message of each kind is changed at each of its members (left out, of another type, empty, another word, a member too
many). What the schema refuses must be refused with 400 and change nothing; what is taken all the same is listed, with its
reason. In the end the good message is taken, so the refusals were of the form.
"""

import copy
import json
import uuid

from connectors import Peer, Space, message
from harness import main, tap, wait_until
from schemas import SCHEMAS, Validator

REQUESTED, AGREED, VERIFIED, FINALIZED = 200, 850, 1100, 1200
STARTED, SUSPENDED = 600, 700
OTHER = (None, 7, True, "", "other", [], {}, [7], ["other"], [{}])

EXTRA = ({"providerPid": "p"}, {"consumerPid": "c"}, {"callbackAddress": "https://localhost/x"}, {"code": 7}, {"reason": []},
         {"reason": "text"}, {"filter": {}}, {"filter": "x"}, {"dataAddress": {}}, {"eventType": "x"})

# what is taken although the schema refuses it, and why
LENIENT = {
    "null: filter": "in JSON-LD null says the same as nothing; so for the other optional members",
    "null: code": "", "null: reason": "", "null: dataAddress": "",
    "no: offer/permission": "EDC writes a policy without rules as one without its lists",
    "[]: offer/permission": "the same",
}


def places(node, path=()):
    """Every member and element below a document."""
    items = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    for key, value in items:
        yield path + (key,)
        yield from places(value, path + (key,))


def at(path, change):
    """A change of the member there, as a function from a document to another."""
    def apply(document):
        document = copy.deepcopy(document)
        node = document
        for key in path[:-1]:
            node = node[key]
        change(node, path[-1])
        return document
    return apply


def mutations(good):
    """(what, place, change): everything that makes one place differ from the good message."""
    for path in places(good):
        yield "no", path, at(path, lambda node, key: node.pop(key))
        for value in OTHER:
            yield json.dumps(value), path, at(path, lambda node, key, value=value: node.__setitem__(key, value))
        if path[-1] == "constraint":
            for more in ({"and": []}, {"and": [], "or": []}):
                yield f"also {json.dumps(more)}", path, at(path, lambda node, key, more=more: node[key][0].update(more))
    for extra in EXTRA:
        yield "also", tuple(extra), lambda document, extra=extra: {**document, **extra}


class Kind:
    """One kind of message: `make` gives (client, path, good message, pid of the process or None)."""

    def __init__(self, connector, validator, make, state=None, table="negotiation"):
        self.connector, self.validator, self.make = connector, validator, make
        self.state, self.table = state, table
        self.again()

    def again(self):
        self.client, self.path, self.good, self.pid = self.make()

    def unharmed(self):
        return self.pid is None or self.connector.state(self.pid, self.table) == self.state

    def run(self, name):
        taken, refused, odd = set(), 0, []
        for what, place, change in list(mutations(self.good)):
            document = change(self.good)
            if not self.validator.errors(document, SCHEMAS[self.good["@type"]]):
                continue
            answer = self.client.post(self.path, document)
            where = "/".join(str(k) for k in place if not isinstance(k, int))
            if answer.status in (200, 201):
                taken.add(f"{what}: {where}")
                self.again()
            elif answer.status == 400 and self.good["@type"] != "CatalogRequestMessage" and not answer.json["@type"].endswith("Error"):
                odd.append(f"{what}: {where}: {answer.text}")
            elif answer.status != 400:
                odd.append(f"{what}: {where}: {answer.status} {answer.text}")
            else:
                refused += 1
                if not self.unharmed(): # an agreement that differs from the offer ends the negotiation
                    self.again()
        tap.equal(odd, [], f"{name}: what the schema refuses is answered 400 with a typed error, or taken")
        tap.ok(refused >= 10, f"{name}: {refused} are refused")
        tap.equal(taken - set(LENIENT), set(), f"{name}: what is taken all the same is known")
        answer = self.client.post(self.path, self.good)
        tap.ok(answer.status in (200, 201), f"{name}: the good one is taken", answer.text)
        return taken


RULES = {"permission": [{"action": "use", "constraint": [
    {"leftOperand": "dateTime", "operator": "lt", "rightOperand": "2099-12-31T00:00:00Z"}]}]}


def scenario():
    validator = Validator()
    space = Space("naru", "peer")
    naru = space.connector("naru")
    naru.offer(policy={"@type": "Offer", **RULES})
    peer = Peer(space, "peer")
    client = naru.as_peer("peer")
    offer = {**peer.offer_of(naru), **RULES}
    address = {"@type": "DataAddress", "endpointType": "https://w3id.org/idsa/v4.1/HTTP", "endpoint": "https://localhost/data",
               "endpointProperties": [{"@type": "EndpointProperty", "name": "authorization", "value": "t"}]}

    def urn():
        return f"urn:uuid:{uuid.uuid4()}"

    def catalogue():
        return client, "/catalog/request", message("CatalogRequestMessage", filter=[]), None

    def request():
        return client, "/negotiations/request", message("ContractRequestMessage", consumerPid=urn(), offer=offer,
                                                        callbackAddress=peer.url), None

    def first_offer():
        return client, "/negotiations/offers", message("ContractOfferMessage", providerPid=urn(), callbackAddress=peer.url,
                                                       offer={**offer, "@id": "o"}), None

    def as_consumer():
        pid = naru.negotiate(peer.url, "peer", offer)
        theirs = wait_until(lambda: naru.state(pid) == REQUESTED and naru.sql(
            "SELECT peer_pid FROM negotiation WHERE negotiation_id = ?", pid)[0][0], 10, "REQUESTED")
        return pid, {"consumerPid": pid, "providerPid": theirs}

    def later_offer():
        pid, both = as_consumer()
        return client, f"/negotiations/{pid}/offers", message("ContractOfferMessage", offer={**offer, "@id": "o"}, **both), pid

    def agreement():
        pid, both = as_consumer()
        good = {"@id": urn(), "@type": "Agreement", "target": "data-1", "assigner": "peer", "assignee": "naru",
                "timestamp": "2026-01-01T00:00:00Z", **RULES}
        return client, f"/negotiations/{pid}/agreement", message("ContractAgreementMessage", agreement=good, **both), pid

    def termination():
        pid, both = as_consumer()
        return client, f"/negotiations/{pid}/termination", message(
            "ContractNegotiationTerminationMessage", code="1", reason=["r"], **both), pid

    def requested():
        pid, answer = peer.request(naru, offer)
        theirs = answer.json["providerPid"]
        peer.wait("ContractAgreementMessage", consumerPid=pid)
        naru.wait_state(theirs, AGREED)
        return theirs, {"consumerPid": pid, "providerPid": theirs}

    def verification():
        pid, both = requested()
        return client, f"/negotiations/{pid}/agreement/verification", message("ContractAgreementVerificationMessage", **both), pid

    def event():
        pid, both = as_consumer()
        _, path, good, _ = client, f"/negotiations/{pid}/agreement", message("ContractAgreementMessage", agreement={
            "@id": urn(), "@type": "Agreement", "target": "data-1", "assigner": "peer", "assignee": "naru",
            "timestamp": "2026-01-01T00:00:00Z", **RULES}, **both), pid
        assert client.post(path, good).status == 200
        naru.wait_state(pid, VERIFIED)
        return client, f"/negotiations/{pid}/events", message("ContractNegotiationEventMessage", eventType="FINALIZED", **both), pid

    _, _, agreed = peer.agreed(naru)

    def transfer():
        return client, "/transfers/request", message("TransferRequestMessage", consumerPid=urn(), agreementId=agreed["@id"],
                                                     format="HttpData-PULL", callbackAddress=peer.url, dataAddress=address), None

    def running():
        _, path, good, _ = transfer()
        theirs = client.post(path, good).json["providerPid"]
        naru.wait_state(theirs, STARTED, "transfer")
        return theirs, {"consumerPid": good["consumerPid"], "providerPid": theirs}

    def of_transfer(tail, kind, suspended=False, **members):
        def make():
            pid, both = running()
            if suspended:
                assert client.post(f"/transfers/{pid}/suspension", message("TransferSuspensionMessage", **both)).status == 200
            return client, f"/transfers/{pid}/{tail}", message(kind, **members, **both), pid
        return make

    reasoned = {"code": "1", "reason": ["r"]}
    taken = set()
    for name, make, state, table in (
            ("CatalogRequestMessage", catalogue, None, None), ("ContractRequestMessage", request, None, None),
            ("ContractOfferMessage, first", first_offer, None, None), ("ContractOfferMessage", later_offer, REQUESTED, "negotiation"),
            ("ContractAgreementMessage", agreement, REQUESTED, "negotiation"),
            ("ContractAgreementVerificationMessage", verification, AGREED, "negotiation"),
            ("ContractNegotiationEventMessage", event, VERIFIED, "negotiation"),
            ("ContractNegotiationTerminationMessage", termination, REQUESTED, "negotiation"),
            ("TransferRequestMessage", transfer, None, None),
            ("TransferStartMessage", of_transfer("start", "TransferStartMessage", True, dataAddress=address), SUSPENDED, "transfer"),
            ("TransferSuspensionMessage", of_transfer("suspension", "TransferSuspensionMessage", **reasoned), STARTED, "transfer"),
            ("TransferCompletionMessage", of_transfer("completion", "TransferCompletionMessage"), STARTED, "transfer"),
            ("TransferTerminationMessage", of_transfer("termination", "TransferTerminationMessage", **reasoned), STARTED, "transfer")):
        taken |= Kind(naru, validator, make, state, table).run(name)
    tap.equal(set(LENIENT) - taken, set(), "nothing is listed that is not taken")


main(scenario)
