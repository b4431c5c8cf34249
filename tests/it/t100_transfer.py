"""Transfers between two connectors over TLS, and with a peer that does what it should not."""

import json
import uuid

from connectors import OF_EDC, EDC, Peer, Space, message
from harness import main, tap, wait_until

REQUESTED, STARTED, SUSPENDED, COMPLETED, TERMINATED = 500, 600, 700, 800, 850
FINALIZED = 1200


def contract(provider, consumer, asset="data-1"):
    catalogue = provider.as_peer("consumer").post("/catalog/request", message("CatalogRequestMessage")).json
    offer = next(d for d in catalogue["dataset"] if d["@id"] == asset)["hasPolicy"][0]
    pid = consumer.negotiate(provider.dsp, "provider", offer, asset)
    consumer.wait_state(pid, FINALIZED)
    agreement = consumer.sql("SELECT agreement_id FROM agreement WHERE negotiation_id = ?", pid)[0][0]
    wait_until(lambda: provider.sql("SELECT state FROM negotiation WHERE agreement_id = ?", agreement) == [(FINALIZED,)], 10,
               "the provider is final too")
    return agreement


def begin(provider, consumer, agreement):
    answer = consumer.api.post("/v3/transferprocesses", {
        "@context": {"@vocab": EDC}, "@type": "TransferRequest", "counterPartyAddress": provider.dsp,
        "contractId": agreement, "protocol": "dataspace-protocol-http:2025-1", "transferType": "HttpData-PULL"})
    assert answer.status == 200, answer.text
    pid = answer.json["@id"]
    consumer.wait_state(pid, STARTED, "transfer")
    theirs = provider.sql("SELECT transfer_id FROM transfer WHERE peer_pid = ?", pid)[0][0]
    provider.wait_state(theirs, STARTED, "transfer")
    return pid, theirs


def act(connector, transfer, verb, reason="because"):
    body = {"@context": {"@vocab": EDC}, "@id": transfer, "reason": reason}
    return connector.api.post(f"/v3/transferprocesses/{transfer}/{verb}", body)


def both_reach(provider, theirs, consumer, pid, state, what):
    consumer.wait_state(pid, state, "transfer")
    provider.wait_state(theirs, state, "transfer")
    tap.ok(True, what)


def whole_life(provider, consumer, agreement):
    pid, theirs = begin(provider, consumer, agreement)
    first = consumer.sql("SELECT token FROM edr WHERE transfer_id = ?", pid)
    tap.equal(len(first), 1, "the consumer keeps a data address")
    for side, mine, verb, state in (
            (consumer, pid, "suspend", SUSPENDED), (consumer, pid, "resume", STARTED),
            (provider, theirs, "suspend", SUSPENDED), (provider, theirs, "resume", STARTED),
            (consumer, pid, "suspend", SUSPENDED), (provider, theirs, "resume", STARTED)):
        tap.ok(act(side, mine, verb).status < 300, f"{side.name}: {verb}")
        both_reach(provider, theirs, consumer, pid, state, f"both reach {state}")
    tap.ok(consumer.sql("SELECT token FROM edr WHERE transfer_id = ?", pid) != first, "the provider's resumption brings a new token")
    tap.status(act(consumer, pid, "resume"), 409, "what runs cannot be resumed")
    tap.ok(act(consumer, pid, "terminate", "enough").status < 300, "the consumer terminates")
    both_reach(provider, theirs, consumer, pid, TERMINATED, "both are TERMINATED")
    tap.equal(provider.error(theirs, "transfer"), "enough", "the reason arrives")
    tap.status(act(consumer, pid, "suspend"), 409, "what has ended cannot be suspended")

    pid, theirs = begin(provider, consumer, agreement)
    tap.ok(act(provider, theirs, "terminate", "maintenance").status < 300, "the provider terminates another one")
    both_reach(provider, theirs, consumer, pid, TERMINATED, "both are TERMINATED")
    tap.equal(consumer.error(pid, "transfer"), "maintenance", "the reason arrives")


def address_of_edc(provider, consumer, agreement):
    """A start of what runs brings another address; EDC names everything among the properties, by full IRIs."""
    pid, theirs = begin(provider, consumer, agreement)
    properties = {"endpoint": "https://localhost/public", "authType": "bearer", "authorization": "of-edc"}
    address = {"@type": "DataAddress", "endpointType": "https://w3id.org/idsa/v4.1/HTTP", "endpointProperties": [
        {"@type": "EndpointProperty", "name": EDC + name, "value": value} for name, value in properties.items()]}
    start = message("TransferStartMessage", consumerPid=pid, providerPid=theirs, dataAddress=address)
    tap.status(consumer.as_peer("provider").post(f"/transfers/{pid}/start", start), 400, "a start of what runs is refused")
    start.update(OF_EDC)
    tap.status(consumer.as_peer("provider").post(f"/transfers/{pid}/start", start), 200, "but for EDC")
    tap.equal(consumer.sql("SELECT endpoint, token FROM edr WHERE transfer_id = ?", pid),
              [(properties["endpoint"], properties["authorization"])], "its address counts from now on")
    start["dataAddress"]["endpointProperties"] = [p for p in address["endpointProperties"] if not p["name"].endswith("endpoint")]
    tap.status(consumer.as_peer("provider").post(f"/transfers/{pid}/start", start), 400, "an address without endpoint is refused")
    tap.ok(act(consumer, pid, "terminate").status < 300, "terminated")
    both_reach(provider, theirs, consumer, pid, TERMINATED, "on both sides")


def end_of_agreement(provider, consumer):
    agreement = contract(provider, consumer)
    running = [begin(provider, consumer, agreement) for _ in range(3)]
    answer = provider.api.post(f"/naru/v1/agreements/{agreement}/end", {"reason": "no longer sold"})
    tap.ok(answer.status < 300, "the provider ends the agreement", answer.text)
    for pid, theirs in running:
        both_reach(provider, theirs, consumer, pid, TERMINATED, "a running transfer ends on both sides")
    tap.contains(consumer.error(running[0][0], "transfer"), "no longer sold", "with the reason")
    answer = consumer.api.post("/v3/transferprocesses", {
        "@context": {"@vocab": EDC}, "@type": "TransferRequest", "counterPartyAddress": provider.dsp, "contractId": agreement,
        "protocol": "dataspace-protocol-http:2025-1", "transferType": "HttpData-PULL"})
    pid = answer.json["@id"]
    consumer.wait_state(pid, TERMINATED, "transfer")
    tap.contains(consumer.error(pid, "transfer"), "the agreement has ended", "no new transfer under it")


def ends_in_time(provider, consumer):
    """An agreement that has an end ends by itself, on both sides."""
    agreement = contract(provider, consumer, "short")
    ends = [c.sql("SELECT ends_us FROM agreement WHERE agreement_id = ?", agreement)[0][0] for c in (provider, consumer)]
    tap.ok(ends[0] and ends[0] == ends[1], "both know when it ends", ends)
    pid, theirs = begin(provider, consumer, agreement)
    both_reach(provider, theirs, consumer, pid, TERMINATED, "the transfer ends with it")
    for c in (provider, consumer):
        wait_until(lambda c=c: c.sql("SELECT ended_us FROM agreement WHERE agreement_id = ?", agreement)[0][0], 10, "ended")
    tap.ok(True, "the agreement has ended on both sides")


def bad_messages(provider, peer):
    """What the table of states refuses is 400 with a typed error and writes nothing."""
    _, _, agreement = peer.agreed(provider)
    client = provider.as_peer(peer.name)

    def request(**members):
        body = message("TransferRequestMessage", **{
            "consumerPid": f"urn:uuid:{uuid.uuid4()}", "agreementId": agreement["@id"], "format": "HttpData-PULL",
            "callbackAddress": peer.url, **members})
        return body, client.post("/transfers/request", body)

    before = provider.dump()
    for name, members in (("unknown agreement", {"agreementId": "x"}), ("unknown format", {"format": "Carrier-PIGEON"}),
                          ("no callback", {"callbackAddress": None}), ("callback that is no URL", {"callbackAddress": "x"}),
                          ("data address without type", {"dataAddress": {"@type": "DataAddress"}})):
        body, answer = request(**members)
        tap.status(answer, 400, name)
        tap.equal((answer.json["@type"], answer.json["consumerPid"]), ("TransferError", body["consumerPid"]), f"{name}: typed error")
    answer = provider.as_peer("consumer").post("/transfers/request", message(
        "TransferRequestMessage", consumerPid="c", agreementId=agreement["@id"], format="HttpData-PULL", callbackAddress=peer.url))
    tap.status(answer, 400, "another's agreement")
    tap.equal(provider.dump(), before, "nothing was written")

    body, answer = request()
    pid, theirs = body["consumerPid"], answer.json["providerPid"]
    start = peer.wait("TransferStartMessage", consumerPid=pid)
    names = {p["name"] for p in start["dataAddress"]["endpointProperties"]}
    tap.ok({"authorization", EDC + "authorization"} & names, "the start carries a token", json.dumps(start))
    provider.wait_state(theirs, STARTED, "transfer")
    both = {"consumerPid": pid, "providerPid": theirs}
    starts = len(peer.messages("TransferStartMessage", consumerPid=pid))
    before = provider.dump()
    again = client.post("/transfers/request", body)
    tap.status(again, 201, "the same request again")
    tap.equal(provider.dump(), before, "which changes nothing")
    again = client.post("/transfers/request", {**body, **OF_EDC})
    tap.status(again, 201, "the same request again, by an EDC that has lost our start")
    tap.equal((again.json["providerPid"], again.json["state"]), (theirs, "STARTED"), "is the same transfer")
    wait_until(lambda: len(peer.messages("TransferStartMessage", consumerPid=pid)) > starts, 10, "and is started again")
    wait_until(lambda: provider.sql("SELECT count(*) FROM outbox") == [(0,)], 10, "that is acknowledged")
    provider.wait_state(theirs, STARTED, "transfer")
    before = provider.dump()
    tap.status(client.post(f"/transfers/{theirs}/start", message("TransferStartMessage", **both)), 400, "start of what runs")
    for client_name, path in (("consumer", f"/transfers/{theirs}"), (peer.name, "/transfers/urn:uuid:0")):
        other = provider.as_peer(client_name)
        tap.status(other.get(path), 404, f"GET {path[:20]} as {client_name}")
        tap.status(other.post(f"{path}/termination", message("TransferTerminationMessage", **both)), 404, "and its termination")
    tap.equal(provider.dump(), before, "nothing was written")

    suspension = message("TransferSuspensionMessage", reason=["pause"], **both)
    tap.status(client.post(f"/transfers/{theirs}/suspension", suspension), 200, "suspended")
    tap.status(client.post(f"/transfers/{theirs}/suspension", suspension), 200, "the same again is a repetition")
    tap.status(client.post(f"/transfers/{theirs}/completion", message("TransferCompletionMessage", **both)), 400,
               "no completion while suspended")
    start = message("TransferStartMessage", **both, **OF_EDC)
    starts = len(peer.messages("TransferStartMessage", consumerPid=pid))
    tap.status(client.post(f"/transfers/{theirs}/start", start), 200, "resumed")
    fresh = wait_until(lambda: peer.messages("TransferStartMessage", consumerPid=pid)[starts:], 10, "a start in answer")[0]
    tap.ok(EDC + "authorization" in {p["name"] for p in fresh["dataAddress"]["endpointProperties"]},
           "an EDC that resumes gets a fresh address")
    tap.status(client.post(f"/transfers/{theirs}/suspension", suspension), 200, "suspended again, by an equal text without id")
    provider.wait_state(theirs, SUSPENDED, "transfer")
    tap.status(client.post(f"/transfers/{theirs}/start", start), 200, "resumed again")
    provider.wait_state(theirs, STARTED, "transfer")
    tap.status(client.post(f"/transfers/{theirs}/completion", message("TransferCompletionMessage", **both)), 200, "completed")
    for tail, kind in (("start", "TransferStartMessage"), ("suspension", "TransferSuspensionMessage"),
                       ("termination", "TransferTerminationMessage")):
        tap.status(client.post(f"/transfers/{theirs}/{tail}", message(kind, code="9", **both)), 400, f"no {tail} after completion")


def restarts(provider, consumer, agreement):
    pid, theirs = begin(provider, consumer, agreement)
    provider.process.kill()
    tap.ok(act(consumer, pid, "suspend").status < 300, "suspended while the provider is away")
    provider.restart()
    both_reach(provider, theirs, consumer, pid, SUSPENDED, "it hears of it when it is back")
    consumer.restart()
    tap.ok(act(provider, theirs, "resume").status < 300, "resumed after a restart of the consumer")
    both_reach(provider, theirs, consumer, pid, STARTED, "both are STARTED")


def scenario():
    space = Space("provider", "consumer", "peer")
    provider = space.connector("provider")
    consumer = space.connector("consumer")
    peer = Peer(space, "peer")
    provider.offer()
    provider.offer("short", policy={"@type": "Offer", "permission": [{"action": "use", "constraint": [
        {"leftOperand": "elapsedTime", "operator": "lteq", "rightOperand": "PT6S"}]}]})

    agreement = contract(provider, consumer)
    whole_life(provider, consumer, agreement)
    address_of_edc(provider, consumer, agreement)
    end_of_agreement(provider, consumer)
    ends_in_time(provider, consumer)
    bad_messages(provider, peer)
    restarts(provider, consumer, agreement)


main(scenario)
