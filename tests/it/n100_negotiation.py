"""Negotiation between two connectors over TLS, and with a peer that misbehaves in every way we could think of."""

import json
import threading
import time
import urllib.parse
import uuid

from connectors import OF_EDC, Peer, Space, message
from harness import Client, main, raw_exchange, tap, wait_until

REQUESTED, OFFERED, AGREED, VERIFIED, FINALIZED, TERMINATED = 200, 400, 850, 1100, 1200, 1400


def catalogue_offer(provider, consumer, asset="data-1"):
    catalogue = provider.as_peer(consumer).post("/catalog/request", message("CatalogRequestMessage")).json
    return next(d for d in catalogue["dataset"] if d["@id"] == asset)["hasPolicy"][0]


def ours(connector, peer_pid):
    """Our pid of the process that the peer knows by its own."""
    return connector.sql("SELECT negotiation_id FROM negotiation WHERE peer_pid = ?", peer_pid)[0][0]


def happy_path(provider, consumer):
    pid = consumer.negotiate(provider.dsp, "provider", catalogue_offer(provider, "consumer"))
    consumer.wait_state(pid, FINALIZED)
    theirs = ours(provider, pid)
    provider.wait_state(theirs, FINALIZED)
    agreements = [c.sql("SELECT agreement_id, policy_hash, agreed_us, provider_id, consumer_id, asset_id FROM agreement "
                        "WHERE negotiation_id = ?", n) for c, n in ((provider, theirs), (consumer, pid))]
    tap.equal(agreements[0], agreements[1], "both keep the same agreement")
    tap.equal(len(agreements[0]), 1, "one agreement")
    wait_until(lambda: not provider.sql("SELECT * FROM outbox") and not consumer.sql("SELECT * FROM outbox"), 5, "outboxes empty")
    shown = provider.as_peer("consumer").get(f"/negotiations/{theirs}").json
    tap.equal((shown["state"], shown["providerPid"], shown["consumerPid"]), ("FINALIZED", theirs, pid), "provider shows it")
    tap.equal(consumer.as_peer("provider").get(f"/negotiations/{pid}").json["state"], "FINALIZED", "consumer shows it")
    for c in (provider, consumer):
        tap.contains(c.api.get("/metrics").text, 'naru_negotiations_finalized_total{program="naru-connector"} 1', f"{c.name} counts it")
    late = message("ContractNegotiationTerminationMessage", providerPid=theirs, consumerPid=pid)
    tap.status(provider.as_peer("consumer").post(f"/negotiations/{theirs}/termination", late), 400,
               "no termination after FINALIZED")
    tap.equal(provider.state(theirs), FINALIZED, "it stays FINALIZED")


def haggling(manual, buyer):
    """Offer, counter-request and offer again, until one accepts; each side sees the other's rules."""
    def rules(day):
        return {"permission": [{"action": "use", "constraint": [
            {"leftOperand": "odrl:dateTime", "operator": "lteq", "rightOperand": f"2030-01-{day:02}T00:00:00Z"}]}]}

    def offered(connector, pid):
        return json.loads(connector.sql("SELECT policy FROM negotiation JOIN policy_text USING (policy_hash) "
                                        "WHERE negotiation_id = ?", pid)[0][0])["permission"]

    def say(connector, pid, what, policy=None):
        body = {"policy": {"@type": "Offer", **policy}} if policy else None
        return connector.api.post(f"/naru/v1/negotiations/{pid}/{what}", body)

    pid = buyer.negotiate(manual.dsp, "manual", catalogue_offer(manual, "consumer"))
    buyer.wait_state(pid, REQUESTED)
    theirs = ours(manual, pid)
    tap.status(say(manual, theirs, "offer", {"permission": [{"action": "dance"}]}), 400, "rules that nobody knows")
    for day in (1, 2):
        tap.status(say(manual, theirs, "offer", rules(day)), 204, "the provider offers other rules")
        buyer.wait_state(pid, OFFERED)
        manual.wait_state(theirs, OFFERED)
        tap.equal(offered(buyer, pid), rules(day)["permission"], "the consumer sees them")
        tap.status(say(manual, theirs, "offer", rules(9)), 409, "one offer at a time")
        tap.status(say(buyer, pid, "offer", rules(10 + day)), 204, "the consumer asks for others")
        manual.wait_state(theirs, REQUESTED)
        buyer.wait_state(pid, REQUESTED)
        tap.equal(offered(manual, theirs), rules(10 + day)["permission"], "the provider sees them")
    tap.status(say(manual, theirs, "offer", rules(20)), 204, "a last offer")
    buyer.wait_state(pid, OFFERED)
    tap.status(say(buyer, pid, "accept"), 204, "accepted")
    manual.wait_state(theirs, 800)
    tap.status(say(manual, theirs, "agree"), 204, "and agreed")
    buyer.wait_state(pid, FINALIZED)
    kept = json.loads(buyer.sql("SELECT policy FROM agreement JOIN policy_text USING (policy_hash) WHERE negotiation_id = ?",
                                pid)[0][0])
    tap.equal(kept["permission"], rules(20)["permission"], "the agreement holds the rules of the last offer")


def order_row(connector, order, role, peer, purpose, plan, state="open", asset="paid"):
    """A signed order as the data bank delivers it, put where the connector keeps it."""
    connector.sql("INSERT INTO purchase VALUES (?,?,?,?,?,?,?,1,'{}','',NULL,?,?)", order, role, peer, asset, plan, purpose, state,
                  int((time.time() + 3600) * 1e6), int(time.time() * 1e6))


def paid(provider, consumer, plan):
    """An offer that asks for a paid order: only with one, each order once, the one whose purpose fits."""
    offer = catalogue_offer(provider, "consumer", "paid")

    def both(order, purpose, **more):
        order_row(provider, order, "provider", "consumer", purpose, plan, **more)
        order_row(consumer, order, "consumer", "provider", purpose, plan, **more)

    def refused(what):
        pid = consumer.negotiate(provider.dsp, "provider", offer, "paid")
        consumer.wait_state(pid, TERMINATED)
        tap.contains(consumer.error(pid), "refused by policy", what)

    refused("no order, no agreement")
    both("00000000-0000-7000-8000-000000000001", "urn:purpose:advertising")
    refused("nor with an order for another purpose")
    both("00000000-0000-7000-8000-000000000002", "urn:purpose:research", state="cancelled")
    refused("nor with a cancelled one")
    both("00000000-0000-7000-8000-000000000003", "urn:purpose:research")
    both("00000000-0000-7000-8000-000000000004", "urn:purpose:research", asset="data-1")
    pid = consumer.negotiate(provider.dsp, "provider", offer, "paid")
    consumer.wait_state(pid, FINALIZED)
    for c, negotiation in ((consumer, pid), (provider, ours(provider, pid))):
        row = c.sql("SELECT agreement_id, order_id FROM agreement WHERE negotiation_id = ?", negotiation)[0]
        tap.equal(row[1], "00000000-0000-7000-8000-000000000003", f"{c.name}: the order that fits is bound")
        tap.equal(c.sql("SELECT order_id, state FROM purchase WHERE agreement_id = ?", row[0]), [(row[1], "contracted")],
                  f"{c.name}: and used up")
    refused("an order is good for one agreement")


def terminations(manual, consumer):
    """manual: a provider that waits for an operator."""
    offer = catalogue_offer(manual, "consumer")
    pid = consumer.negotiate(manual.dsp, "manual", offer)
    consumer.wait_state(pid, REQUESTED)
    theirs = ours(manual, pid)
    tap.equal(manual.state(theirs), REQUESTED, "the provider waits for an operator")
    tap.ok(consumer.terminate(pid, "changed our mind").status < 300, "the consumer may terminate")
    consumer.wait_state(pid, TERMINATED)
    manual.wait_state(theirs, TERMINATED)
    tap.equal(manual.error(theirs), "changed our mind", "the provider keeps the consumer's reason")
    tap.status(consumer.terminate(pid), 409, "a second termination is a conflict")

    pid = consumer.negotiate(manual.dsp, "manual", offer)
    consumer.wait_state(pid, REQUESTED)
    theirs = ours(manual, pid)
    tap.ok(manual.terminate(theirs, "sold out").status < 300, "the provider may terminate")
    consumer.wait_state(pid, TERMINATED)
    manual.wait_state(theirs, TERMINATED)
    tap.equal(consumer.error(pid), "sold out", "the consumer keeps the provider's reason")


def by_an_operator(manual, consumer, peer):
    """operator.decides = agree: an operator agrees, once."""
    offer = catalogue_offer(manual, "consumer")
    pid = consumer.negotiate(manual.dsp, "manual", offer)
    consumer.wait_state(pid, REQUESTED)
    theirs = ours(manual, pid)
    tap.status(manual.api.post(f"/naru/v1/negotiations/{theirs}/accept"), 409, "a provider cannot accept")
    tap.status(consumer.api.post(f"/naru/v1/negotiations/{pid}/agree"), 409, "a consumer cannot agree")
    tap.status(manual.api.post("/naru/v1/negotiations/x/agree"), 404, "nothing to agree to")
    tap.status(Client(manual.api.base).post(f"/naru/v1/negotiations/{theirs}/agree"), 401, "only with the key")
    tap.status(manual.api.post(f"/naru/v1/negotiations/{theirs}/agree"), 204, "the operator agrees")
    consumer.wait_state(pid, FINALIZED)
    manual.wait_state(theirs, FINALIZED)
    tap.status(manual.api.post(f"/naru/v1/negotiations/{theirs}/agree"), 409, "but not twice")

    # an offer that a provider makes by itself, accepted by our operator
    offer = {"@id": "offer-9", "@type": "Offer", "target": "data-9", "permission": [{"action": "use"}]}
    own = f"urn:uuid:{uuid.uuid4()}"
    answer = manual.as_peer(peer.name).post("/negotiations/offers", message(
        "ContractOfferMessage", providerPid=own, offer=offer, callbackAddress=peer.url + "/"))
    tap.status(answer, 201, "an offer that begins a negotiation")
    tap.equal(answer.json["state"], "OFFERED", "OFFERED")
    theirs = answer.json["consumerPid"]
    tap.status(manual.api.post(f"/naru/v1/negotiations/{theirs}/accept"), 204, "our operator accepts")
    peer.wait("ContractNegotiationEventMessage", consumerPid=theirs, eventType="ACCEPTED")
    agreement = {"@id": f"urn:uuid:{uuid.uuid4()}", "@type": "Agreement", "target": "data-9", "assigner": peer.name,
                 "assignee": "manual", "timestamp": "2026-01-01T00:00:00Z", "permission": [{"action": "use"}]}
    both = {"providerPid": own, "consumerPid": theirs}
    tap.status(manual.as_peer(peer.name).post(f"/negotiations/{theirs}/agreement", message(
        "ContractAgreementMessage", agreement=agreement, **both)), 200, "the agreement follows")
    peer.wait("ContractAgreementVerificationMessage", consumerPid=theirs)


def refused_by_policy(provider, consumer):
    pid = consumer.negotiate(provider.dsp, "provider", catalogue_offer(provider, "consumer", "late"), "late")
    consumer.wait_state(pid, TERMINATED)
    theirs = ours(provider, pid)
    provider.wait_state(theirs, TERMINATED)
    tap.contains(consumer.error(pid), "constraint-false", "the consumer keeps code and reason")
    tap.contains(provider.error(theirs), "date and time", "so does the provider")
    tap.equal(provider.sql("SELECT count(*) FROM agreement WHERE asset_id = 'late'"), [(0,)], "no agreement")
    catalogue = provider.as_peer("consumer").post("/catalog/request", message("CatalogRequestMessage")).json
    tap.ok("hidden" not in [d["@id"] for d in catalogue["dataset"]], "what the access policy hides is not in the catalogue")
    tap.status(provider.as_peer("consumer").get("/catalog/datasets/hidden"), 404, "nor alone")


def refused_edc(provider, peer):
    """Stock EDC that hears of an end while it still reads our answer writes over it: it gets half a second."""
    for name, members, least_s in (("EDC", OF_EDC, 0.4), ("others", {}, 0)):
        began = time.monotonic()
        pid, answer = peer.request(provider, peer.offer_of(provider, "late"), **members)
        tap.status(answer, 201, f"a request that the policy refuses, by {name}")
        peer.wait("ContractNegotiationTerminationMessage", consumerPid=pid)
        tap.ok(time.monotonic() - began >= least_s, f"the end of it reaches {name} when it is due")


def only_the_parties(manual, peer, stranger):
    """Who is not in a negotiation learns nothing about it."""
    pid, answer = peer.request(manual, peer.offer_of(manual))
    theirs = answer.json["providerPid"]
    both = {"providerPid": theirs, "consumerPid": pid}
    before = manual.dump()
    termination = message("ContractNegotiationTerminationMessage", **both)
    place = f"/negotiations/{theirs}"
    for who, client in (("a stranger", manual.as_peer(stranger)), ("an unknown process", manual.as_peer(peer.name))):
        here = place if who == "a stranger" else f"/negotiations/urn:uuid:{uuid.uuid4()}"
        for answer in (client.get(here), client.post(f"{here}/termination", termination)):
            tap.status(answer, 404, f"{who} gets 404")
            tap.equal(answer.json["@type"], "ContractNegotiationError", f"{who} gets a typed error")
    for headers in ({}, {"Authorization": "nonsense"}, {"Authorization": "Bearer "}):
        answer = Client(manual.dsp, manual.space.authority.ca, headers).get(place)
        tap.status(answer, 401, f"without a good token ({headers})")
    tap.equal(manual.dump(), before, "nothing was written")
    return theirs, pid


def wrong_messages(manual, peer, theirs, pid):
    """In REQUESTED, as provider: what the table refuses is 400 and changes nothing."""
    both = {"providerPid": theirs, "consumerPid": pid}
    client = manual.as_peer(peer.name)
    place = f"/negotiations/{theirs}"
    offer = {**peer.offer_of(manual)}
    agreement = {"@id": "a", "@type": "Agreement", "target": "data-1", "assigner": "consumer", "assignee": "provider",
                 "permission": [{"action": "use"}]}
    cases = [
        ("verification in REQUESTED", "/agreement/verification", message("ContractAgreementVerificationMessage", **both)),
        ("ACCEPTED in REQUESTED", "/events", message("ContractNegotiationEventMessage", eventType="ACCEPTED", **both)),
        ("FINALIZED from a consumer", "/events", message("ContractNegotiationEventMessage", eventType="FINALIZED", **both)),
        ("another event", "/events", message("ContractNegotiationEventMessage", eventType="VERIFIED", **both)),
        ("counter-request in REQUESTED", "/request", message("ContractRequestMessage", offer=offer, **both)),
        ("agreement from a consumer", "/agreement", message("ContractAgreementMessage", agreement=agreement, **both)),
        ("offer from a consumer", "/offers", message("ContractOfferMessage", offer=offer, **both)),
        ("message of another type", "/termination", message("ContractAgreementVerificationMessage", **both)),
        ("another providerPid", "/termination", message("ContractNegotiationTerminationMessage", providerPid="x", consumerPid=pid)),
        ("another consumerPid", "/termination", message("ContractNegotiationTerminationMessage", providerPid=theirs, consumerPid="x")),
        ("no consumerPid", "/termination", message("ContractNegotiationTerminationMessage", providerPid=theirs)),
        ("empty reason", "/termination", message("ContractNegotiationTerminationMessage", reason=[], **both)),
        ("reason without array", "/termination", message("ContractNegotiationTerminationMessage", reason="x", **both)),
        ("context as a string", "/termination", {**message("ContractNegotiationTerminationMessage", **both),
                                                 "@context": "https://w3id.org/dspace/2025/1/context.jsonld"}),
        ("no context", "/termination", {"@type": "ContractNegotiationTerminationMessage", **both}),
        ("a pid that is a number", "/termination", message("ContractNegotiationTerminationMessage", providerPid=1, consumerPid=pid)),
        ("a pid of 4 KiB", "/termination", message("ContractNegotiationTerminationMessage", providerPid="x" * 4096, consumerPid=pid)),
    ]
    before = manual.dump()
    for name, tail, body in cases:
        answer = client.post(place + tail, body)
        tap.status(answer, 400, name)
        tap.equal(answer.json["@type"], "ContractNegotiationError", f"{name}: typed error")
    for name, text in (("not JSON", b"{"), ("no body", b""), ("a key twice", b'{"@type":"x","@type":"y"}'),
                       ("not UTF-8", b'{"@type":"\xff"}')):
        answer = client.request("POST", place + "/termination", body=text, headers={"Content-Type": "application/json"})
        tap.status(answer, 400, name)
    # only announced: a body that is refused at once may cut its sender off before the answer is read
    target = urllib.parse.urlsplit(client.base + place + "/termination")
    head = "".join(f"{name}: {value}\r\n" for name, value in client.headers.items())
    answer = raw_exchange(target.port, f"POST {target.path} HTTP/1.1\r\nHost: localhost\r\n{head}Content-Length: {2 << 20}\r\n\r\n".encode(),
                          client.ca)
    tap.contains(answer.split(b"\r\n", 1)[0].decode(), " 413 ", "2 MiB are too large")
    tap.equal(manual.dump(), before, "nothing was written")


def wrong_requests(provider, peer):
    offer = peer.offer_of(provider)
    cases = [
        ("an unknown offer", {**offer, "@id": "b2ZmZXI:ZGF0YQ:00"}, {}),
        ("an offer id that is none of ours", {**offer, "@id": "x"}, {}),
        ("an offer for other data", {**offer, "target": "data-2"}, {}),
        ("no target", {k: v for k, v in offer.items() if k != "target"}, {}),
        ("other rules", {**offer, "permission": [{"action": "transfer"}]}, {}),
        ("a constraint less", {**offer, "permission": []}, {}),
        ("another assigner", {**offer, "assigner": "somebody"}, {}),
        ("a rule that nobody knows", {**offer, "permission": [{"action": "dance"}]}, {}),
        ("both callback and providerPid", offer, {"providerPid": "x"}),
        ("a callback that is no URL", offer, {"callbackAddress": "ftp://localhost/x"}),
        ("a callback with a query", offer, {"callbackAddress": "https://localhost/x?y"}),
        ("plain http", offer, {"callbackAddress": "http://localhost/x"}),
    ]
    before = provider.dump()
    for name, what, members in cases:
        body = message("ContractRequestMessage", consumerPid=f"urn:uuid:{uuid.uuid4()}", offer=what,
                       **{"callbackAddress": peer.url, **members})
        tap.status(provider.as_peer(peer.name).post("/negotiations/request", body), 400, name)
    tap.equal(provider.dump(), before, "nothing was written")


def repetitions(provider, peer):
    """The same message twice has one effect, with and without an id."""
    for members in ({"@id": f"urn:uuid:{uuid.uuid4()}"}, {}):
        kind = "with an id" if members else "without an id"
        peer.seen.clear()
        pid, first = peer.request(provider, peer.offer_of(provider), **members)
        _, second = peer.request(provider, peer.offer_of(provider), consumerPid=pid, **members)
        tap.status(second, 201, f"a request again, {kind}")
        tap.equal(second.json["providerPid"], first.json["providerPid"], f"the same process, {kind}")
        theirs = first.json["providerPid"]
        peer.wait("ContractAgreementMessage", consumerPid=pid)
        body = message("ContractAgreementVerificationMessage", providerPid=theirs, consumerPid=pid, **(
            {"@id": f"urn:uuid:{uuid.uuid4()}"} if members else {}))
        place = f"/negotiations/{theirs}/agreement/verification"
        results = []
        threads = [threading.Thread(target=lambda: results.append(provider.as_peer(peer.name).post(place, body).status))
                   for _ in range(8)]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        tap.equal(sorted(results), [200] * 8, f"eight verifications at once, {kind}")
        provider.wait_state(theirs, FINALIZED)
        tap.equal(len(peer.messages("ContractNegotiationEventMessage", consumerPid=pid)), 1, f"one event, {kind}")
        tap.equal(len(peer.messages("ContractAgreementMessage", consumerPid=pid)), 1, f"one agreement, {kind}")
        if members:
            other = {**body, "@id": f"urn:uuid:{uuid.uuid4()}"}
            peer.seen.clear()
            tap.status(provider.as_peer(peer.name).post(place, other), 400, "another verification is refused")
            tap.status(provider.as_peer(peer.name).post(place, {**other, **OF_EDC}), 200, "an EDC that has lost its step verifies again")
            event = peer.wait("ContractNegotiationEventMessage", consumerPid=pid)
            tap.equal(event["eventType"], "FINALIZED", "and is told again that the contract is final")
            wait_until(lambda: provider.sql("SELECT count(*) FROM outbox") == [(0,)], 10, "that is acknowledged")
            tap.equal(provider.state(theirs), FINALIZED, "which it stays")
    _, answer = peer.request(provider, peer.offer_of(provider, "data-2"), consumerPid=pid)
    tap.status(answer, 400, "a pid that is in use by another negotiation")


def patience(provider, peer):
    """409, 404 at first, 503 and a broken connection mean that the message comes again."""
    for name, answer, times in (("409", (409, None), 3), ("404", (404, None), 3), ("503", (503, b"<html>"), 3), ("a reset", None, 3),
                                ("405 of a server whose connector is not there yet", (405, b"<html>"), 10)):
        left = [times]

        def stubborn(method, path, body, answer=answer, left=left):
            if path.endswith("/agreement") and left[0] > 0:
                left[0] -= 1
                return answer
            return Peer.accept(method, path, body)

        peer.answer = stubborn
        peer.agreed(provider)
        tap.equal(left[0], 0, f"{name} {times} times, then accepted")
    peer.answer = Peer.accept


def hard_refusal(provider, peer):
    peer.answer = lambda *_: (400, message("ContractNegotiationError", providerPid="x", consumerPid="y", code="17",
                                           reason=["we do not like it", {"message": "at all"}]))
    pid, answer = peer.request(provider, peer.offer_of(provider))
    theirs = answer.json["providerPid"]
    provider.wait_state(theirs, TERMINATED)
    tap.equal(provider.error(theirs), "17: we do not like it; at all", "the peer's reason is kept")
    ended = provider.sql("SELECT ended_us IS NOT NULL FROM agreement WHERE negotiation_id = ?", theirs)
    tap.equal(ended, [(1,)], "its agreement does not count")
    tap.equal(provider.sql("SELECT * FROM outbox"), [], "nothing waits")
    peer.answer = Peer.accept
    return pid


def silence(provider, impatient, peer):
    """A peer that never answers costs a process, nothing else."""
    done = threading.Event()

    def hang(*_):
        done.wait(30)

    peer.answer = hang
    _, answer = peer.request(impatient, peer.offer_of(impatient))
    theirs = answer.json["providerPid"]
    impatient.wait_state(theirs, TERMINATED, deadline_s=30)
    tap.contains(impatient.error(theirs), "in time", "the reason says that nobody took the message")
    done.set()
    peer.answer = Peer.accept
    peer.agreed(provider)
    tap.ok(True, "others go on")


def restart_of_provider(provider, peer):
    """Killed while the agreement cannot be delivered: it is delivered afterwards, once."""
    peer.answer = lambda *_: (503, None)
    pid, answer = peer.request(provider, peer.offer_of(provider))
    theirs = answer.json["providerPid"]
    peer.wait("ContractAgreementMessage", consumerPid=pid)
    provider.restart()
    peer.seen.clear()
    peer.answer = Peer.accept
    agreement = peer.wait("ContractAgreementMessage", 30, consumerPid=pid)
    provider.wait_state(theirs, AGREED)
    both = {"providerPid": theirs, "consumerPid": pid}
    body = message("ContractAgreementVerificationMessage", **both)
    tap.status(provider.as_peer(peer.name).post(f"/negotiations/{theirs}/agreement/verification", body), 200, "verified")
    provider.wait_state(theirs, FINALIZED)
    tap.equal(len(provider.sql("SELECT * FROM agreement WHERE agreement_id = ?", agreement["agreement"]["@id"])), 1,
              "one agreement after the restart")


class Seller(Peer):
    """A provider made of Python; `plan` says what it does when a request comes."""

    offer = {"@id": "offer-1", "@type": "Offer", "permission": [{"action": "use"}]}

    def agreement(self, request, **changes):
        return {"@id": f"urn:uuid:{uuid.uuid4()}", "@type": "Agreement", "assigner": self.name, "assignee": "consumer",
                "target": request["offer"]["target"], "timestamp": "2026-01-01T00:00:00Z",
                "permission": request["offer"]["permission"], **changes}

    def send(self, consumer, tail, kind, pid, own, **members):
        return consumer.as_peer(self.name).post(f"/negotiations/{pid}/{tail}",
                                                message(kind, consumerPid=pid, providerPid=own, **members))


def sell(seller, consumer, **changes):
    """Request taken, agreement sent: returns (consumer's pid, ours, the answer to the agreement)."""
    pid = consumer.negotiate(seller.url, seller.name, seller.offer)
    request = seller.wait("ContractRequestMessage", consumerPid=pid)
    consumer.wait_state(pid, REQUESTED)
    own = consumer.sql("SELECT peer_pid FROM negotiation WHERE negotiation_id = ?", pid)[0][0]
    answer = seller.send(consumer, "agreement", "ContractAgreementMessage", pid, own,
                         agreement=seller.agreement(request, **changes))
    return pid, own, answer


def as_consumer(consumer, seller):
    pid, own, answer = sell(seller, consumer)
    tap.status(answer, 200, "a good agreement is accepted")
    seller.wait("ContractAgreementVerificationMessage", consumerPid=pid)
    event = {"tail": "events", "kind": "ContractNegotiationEventMessage", "pid": pid, "own": own}
    tap.status(seller.send(consumer, eventType="ACCEPTED", **event), 400, "ACCEPTED is not a provider's event")
    tap.status(seller.send(consumer, eventType="FINALIZED", **event), 200, "FINALIZED is")
    tap.equal(consumer.state(pid), FINALIZED, "final at once")
    tap.status(seller.send(consumer, eventType="FINALIZED", **event), 200, "and again, without effect")

    for name, changes in (("other data", {"target": "data-2"}), ("another assigner", {"assigner": "somebody"}),
                          ("another assignee", {"assignee": "somebody"}), ("wider rules", {"permission": [
                              {"action": "use"}, {"action": "transfer"}]}),
                          ("rules that nobody knows", {"permission": [{"action": "dance"}]}),
                          ("narrower rules", {"permission": [{"action": "use", "constraint": [
                              {"leftOperand": "dateTime", "operator": "lt", "rightOperand": "2030-01-01T00:00:00Z"}]}]})):
        pid, own, answer = sell(seller, consumer, **changes)
        tap.status(answer, 400, f"an agreement with {name} is refused")
        seller.wait("ContractNegotiationTerminationMessage", consumerPid=pid)
        consumer.wait_state(pid, TERMINATED)
        tap.equal(consumer.sql("SELECT count(*) FROM agreement WHERE negotiation_id = ?", pid), [(0,)], f"{name}: none kept")


def agreed_again(consumer, seller):
    """A provider that has lost its step makes the agreement anew, and then knows only that (stock EDC under load)."""
    pid, own, answer = sell(seller, consumer)
    tap.status(answer, 200, "an agreement")
    first = seller.wait("ContractAgreementVerificationMessage", consumerPid=pid)
    request = seller.messages("ContractRequestMessage", consumerPid=pid)[-1]
    anew = seller.agreement(request)
    tap.status(seller.send(consumer, "agreement", "ContractAgreementMessage", pid, own, agreement=anew), 400, "another one is refused, but for EDC")
    for name in ("under another id", "the same once more"):
        seen = len(seller.messages("ContractAgreementVerificationMessage", consumerPid=pid))
        tap.status(seller.send(consumer, "agreement", "ContractAgreementMessage", pid, own, agreement=anew,
                               **{"@id": f"urn:uuid:{uuid.uuid4()}"}, **OF_EDC), 200, f"and again, {name}")
        wait_until(lambda: len(seller.messages("ContractAgreementVerificationMessage", consumerPid=pid)) > seen, 10,
                   f"verified again, {name}")
        tap.equal(consumer.sql("SELECT agreement_id FROM agreement WHERE negotiation_id = ?", pid), [(anew["@id"],)],
                  f"only the last one is kept, {name}")
    last = seller.messages("ContractAgreementVerificationMessage", consumerPid=pid)[-1]
    tap.ok(last["@id"] != first["@id"], "each verification is a message of its own")
    wider = {**anew, "@id": "wider", "permission": [{"action": "use"}, {"action": "transfer"}]}
    event = {"tail": "events", "kind": "ContractNegotiationEventMessage", "pid": pid, "own": own}
    for i in range(2):
        tap.status(seller.send(consumer, eventType="FINALIZED", **event, **{"@id": f"final-{pid}-{i}"}, **OF_EDC), 200, f"final, {i}")
    tap.equal(consumer.state(pid), FINALIZED, "and final it is")
    before = consumer.dump()
    tap.status(seller.send(consumer, "agreement", "ContractAgreementMessage", pid, own, agreement=anew,
                           **{"@id": f"late-{pid}"}, **OF_EDC), 400, "a final contract is not agreed again")
    tap.equal(consumer.dump(), before, "nothing was written")

    pid, own, _ = sell(seller, consumer)
    seller.wait("ContractAgreementVerificationMessage", consumerPid=pid)
    tap.status(seller.send(consumer, "agreement", "ContractAgreementMessage", pid, own, agreement=wider, **OF_EDC), 400,
               "an agreement that comes again with other rules is refused")
    seller.wait("ContractNegotiationTerminationMessage", consumerPid=pid)
    consumer.wait_state(pid, TERMINATED)


def overtaking(consumer, seller):
    """The agreement comes before the answer to the request, and again before that is recorded."""
    results = []

    def eager(method, path, body):
        if path.endswith("/request"):
            own = f"urn:uuid:{uuid.uuid4()}"
            results.append(seller.send(consumer, "agreement", "ContractAgreementMessage", body["consumerPid"], own,
                                       agreement=seller.agreement(body)).status)
            return 201, message("ContractNegotiation", providerPid=own, consumerPid=body["consumerPid"], state="REQUESTED")
        return 200, None

    seller.answer = eager
    pid = consumer.negotiate(seller.url, seller.name, seller.offer)
    verification = seller.wait("ContractAgreementVerificationMessage", consumerPid=pid)
    seller.answer = Peer.accept
    tap.equal(results, [200], "an agreement that overtakes our own request's answer is accepted")
    own = verification["providerPid"]
    tap.status(seller.send(consumer, "events", "ContractNegotiationEventMessage", pid, own, eventType="FINALIZED"), 200,
               "and final")
    consumer.wait_state(pid, FINALIZED)


def garbage(consumer, seller):
    for name, answer, reason in (
            ("HTML", (200, b"<html>"), "names no process"), ("no body", (201, b""), "names no process"),
            ("an array", (201, [1]), "names no process"), ("a pid of 4 KiB", (201, {"providerPid": "x" * 4096}), "names no process"),
            ("a pid too long for a URL", (201, {"providerPid": "한" * 682}), "names no process"),
            ("a redirect", (302, None), "302"), ("401", (401, None), "401"),
            ("300 KiB", (200, b" " * 300_000), "large")):
        seller.answer = lambda *_, answer=answer: answer
        pid = consumer.negotiate(seller.url, seller.name, seller.offer)
        consumer.wait_state(pid, TERMINATED)
        tap.contains(consumer.error(pid), reason, f"answered with {name}: the reason is kept")
    seller.answer = Peer.accept


def restart_of_consumer(consumer, seller):
    pid = consumer.negotiate(seller.url, seller.name, seller.offer)
    request = seller.wait("ContractRequestMessage", consumerPid=pid)
    consumer.wait_state(pid, REQUESTED)
    own = consumer.sql("SELECT peer_pid FROM negotiation WHERE negotiation_id = ?", pid)[0][0]
    consumer.restart()
    answer = seller.send(consumer, "agreement", "ContractAgreementMessage", pid, own, agreement=seller.agreement(request))
    tap.status(answer, 200, "after a restart the consumer goes on")
    seller.wait("ContractAgreementVerificationMessage", consumerPid=pid)
    consumer.restart()
    tap.status(seller.send(consumer, "events", "ContractNegotiationEventMessage", pid, own, eventType="FINALIZED"), 200,
               "and after another one")
    tap.equal(consumer.state(pid), FINALIZED, "to its end")


def early_termination(consumer, seller):
    """Terminated before the provider's pid is known: the termination follows the answer."""
    hold = threading.Event()

    def slow(method, path, body):
        hold.wait(20)
        return Peer.accept(method, path, body)

    seller.answer = slow
    pid = consumer.negotiate(seller.url, seller.name, seller.offer)
    seller.wait("ContractRequestMessage", consumerPid=pid)
    tap.ok(consumer.terminate(pid, "too slow").status < 300, "terminated while the request is on its way")
    hold.set()
    termination = seller.wait("ContractNegotiationTerminationMessage", consumerPid=pid)
    tap.equal(termination["reason"], ["too slow"], "the provider hears of it")
    consumer.wait_state(pid, TERMINATED)
    seller.answer = Peer.accept


def both_killed(provider, consumer):
    """Twelve negotiations while both are killed and started again: all end well, nothing twice."""
    offer = catalogue_offer(provider, "consumer")
    pids = []
    for i in range(12):
        pids.append(consumer.negotiate(provider.dsp, "provider", offer))
        if i % 4 == 1:
            provider.restart()
        if i % 4 == 3:
            consumer.restart()
        time.sleep(0)
    for pid in pids:
        consumer.wait_state(pid, FINALIZED, deadline_s=40)
        provider.wait_state(ours(provider, pid), FINALIZED, deadline_s=40)
    marks = ",".join("?" * len(pids))
    tap.equal(consumer.sql(f"SELECT count(*) FROM agreement WHERE negotiation_id IN ({marks})", *pids), [(12,)],
              "one agreement each")


def old_messages(provider):
    tap.note("what was taken more than a week ago is forgotten, in old processes and only there")

    def begun(days):
        ms = f"{int((time.time() - 86400 * days) * 1000):012x}"
        return f"urn:uuid:{ms[:8]}-{ms[8:]}-7000-8000-000000000000"

    before = provider.sql("SELECT count(*) FROM message_seen")[0][0]
    for process, days in ((begun(9), 9), (begun(9), 1), (begun(6), 6)):
        provider.sql("INSERT INTO message_seen (process_id, message_id, seen_us) VALUES (?, ?, ?)", process, f"{days} days ago",
                     int((time.time() - 86400 * days) * 1e6))
    provider.restart(kill=False)
    wait_until(lambda: not provider.sql("SELECT 1 FROM message_seen WHERE message_id = '9 days ago'"), 15, "the old one is forgotten")
    tap.equal(provider.sql("SELECT count(*) FROM message_seen")[0][0], before + 2, "the others are remembered")


def scenario():
    space = Space("provider", "manual", "impatient", "consumer", "peer", "stranger", "seller")
    provider = space.connector("provider")
    manual = space.connector("manual", **{"operator.decides": "agree"})
    impatient = space.connector("impatient", **{"negotiation.limit": "1s"})
    consumer = space.connector("consumer")
    peer, seller = Peer(space, "peer"), Seller(space, "seller")
    past = {"permission": [{"action": "use", "constraint": [
        {"leftOperand": "dateTime", "operator": "lt", "rightOperand": "2020-01-01T00:00:00Z"}]}]}
    for c in (provider, manual, impatient):
        c.offer()
    provider.offer("data-2")
    provider.offer("late", policy={"@type": "Offer", **past})
    provider.offer("hidden", access={"@type": "Set", **past})

    plan = "ab" * 32
    provider.offer("paid", policy={"@type": "Offer", "permission": [{"action": "use", "constraint": [
        {"leftOperand": "urn:naru:policy:order", "operator": "isAnyOf", "rightOperand": [f"urn:naru:plan:{plan}"]},
        {"leftOperand": "purpose", "operator": "isAnyOf", "rightOperand": ["urn:purpose:research"]}]}]})

    happy_path(provider, consumer)
    paid(provider, consumer, plan)
    refused_by_policy(provider, consumer)
    refused_edc(provider, peer)
    terminations(manual, consumer)
    by_an_operator(manual, consumer, peer)
    haggling(manual, consumer)
    theirs, pid = only_the_parties(manual, peer, "stranger")
    wrong_messages(manual, peer, theirs, pid)
    wrong_requests(provider, peer)
    repetitions(provider, peer)
    patience(provider, peer)
    hard_refusal(provider, peer)
    as_consumer(consumer, seller)
    agreed_again(consumer, seller)
    overtaking(consumer, seller)
    early_termination(consumer, seller)
    garbage(consumer, seller)
    restart_of_provider(provider, peer)
    restart_of_consumer(consumer, seller)
    both_killed(provider, consumer)
    old_messages(provider)
    silence(provider, impatient, peer)


main(scenario)
