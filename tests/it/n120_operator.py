"""Every step at an operator's word, a provider that begins with an offer, and offers under ids that a contract definition says."""

import json
import threading
import time
import uuid

from connectors import EDC, Peer, Space, message
from harness import Client, main, tap, wait_until

REQUESTED, OFFERED, ACCEPTED, AGREED, VERIFIED, FINALIZED, TERMINATED = 200, 400, 800, 850, 1100, 1200, 1400
T_REQUESTED, T_STARTED = 500, 600
ALL = "agree, verify, finalize, start"
WORDS = {"agree": "provider", "accept": "consumer", "verify": "consumer", "finalize": "provider"}
PLAN = "cd" * 32


def rules(day):
    return {"permission": [{"action": "use", "constraint": [
        {"leftOperand": "odrl:dateTime", "operator": "lteq", "rightOperand": f"2031-01-{day:02}T00:00:00Z"}]}]}


def say(connector, pid, word, policy=None, kind="negotiations"):
    return connector.api.post(f"/naru/v1/{kind}/{pid}/{word}", {"policy": {"@type": "Offer", **policy}} if policy else None)


def catalogue_offer(provider, consumer, asset="data-1"):
    catalogue = provider.as_peer(consumer).post("/catalog/request", message("CatalogRequestMessage")).json
    return next(d for d in catalogue["dataset"] if d["@id"] == asset)["hasPolicy"][0]


def other(connector, pid, table="negotiation"):
    """Our pid of the process that the other party knows by `pid`."""
    return wait_until(lambda: connector.sql(f"SELECT {table}_id FROM {table} WHERE peer_pid = ?", pid), 10, "the process")[0][0]


class Deal:
    """A negotiation as both connectors see it."""

    def __init__(self, provider, consumer, provider_pid, consumer_pid):
        self.sides = {"provider": (provider, provider_pid), "consumer": (consumer, consumer_pid)}

    @classmethod
    def requested(cls, provider, consumer, asset="data-1"):
        pid = consumer.negotiate(provider.dsp, provider.name, catalogue_offer(provider, consumer.name, asset), asset)
        return cls(provider, consumer, other(provider, pid), pid).reach(REQUESTED)

    @classmethod
    def offered(cls, provider, consumer, **offer):
        answer = propose(provider, consumer.name, consumer.dsp, **offer)
        assert answer.status == 201, answer.text
        pid = answer.json["negotiation"]
        return cls(provider, consumer, pid, other(consumer, pid)).reach(OFFERED)

    def reach(self, state):
        """Both sides are there, and nothing is on its way."""
        for connector, pid in self.sides.values():
            connector.wait_state(pid, state)
            wait_until(lambda c=connector, p=pid: not c.sql("SELECT * FROM outbox WHERE stream = ?", p), 10, "nothing waits")
        return self

    def say(self, word, policy=None, side=None):
        connector, pid = self.sides[side or WORDS[word]]
        return say(connector, pid, word, policy)

    def walk(self, *words):
        for word in words:
            if word in ("request", "offer"):
                tap.status(self.say("offer", rules(7), "consumer" if word == "request" else "provider"), 204, f"operator: {word}")
            else:
                tap.status(self.say(word), 204, f"operator: {word}")
            self.reach({"offer": OFFERED, "request": REQUESTED, "accept": ACCEPTED, "agree": AGREED, "verify": VERIFIED,
                        "finalize": FINALIZED}[word])
        return self

    def refuse(self, *good):
        """Every word of either side that is not `good` now is 409 and changes nothing."""
        before = [c.dump() for c, _ in self.sides.values()]
        for word in WORDS:
            for side in self.sides:
                if (word, side) not in good:
                    tap.status(self.say(word, side=side), 409, f"{side} cannot {word} now")
        tap.equal([c.dump() for c, _ in self.sides.values()], before, "nothing has changed")

    def agreements(self):
        return [c.sql("SELECT agreement_id, ended_us IS NOT NULL FROM agreement WHERE negotiation_id = ?", p)
                for c, p in self.sides.values()]


def propose(provider, name, address, **offer):
    return provider.api.post("/naru/v1/negotiations/offers", {"counterPartyId": name, "counterPartyAddress": address, **offer})


def every_step_waits(provider, consumer):
    deal = Deal.requested(provider, consumer)
    deal.refuse(("agree", "provider"))
    deal.walk("agree").refuse(("verify", "consumer"))
    kept = deal.agreements()
    tap.equal((len(kept[0]), kept[0]), (1, kept[1]), "the consumer keeps an agreement that it has not verified yet")
    consumer.restart()
    deal.walk("verify").refuse(("finalize", "provider"))
    provider.restart()
    deal.walk("finalize").refuse()
    pid = deal.sides["provider"][1]
    for word in WORDS:
        tap.status(Client(provider.api.base).post(f"/naru/v1/negotiations/{pid}/{word}"), 401, f"{word}: only with the key")
        tap.status(say(provider, "x", word), 404, f"{word}: unknown negotiation")
    return kept[0][0][0]


def begin_transfer(provider, consumer, agreement):
    answer = consumer.api.post("/v3/transferprocesses", {
        "@context": {"@vocab": EDC}, "@type": "TransferRequest", "counterPartyAddress": provider.dsp, "contractId": agreement,
        "protocol": "dataspace-protocol-http:2025-1", "transferType": "HttpData-PULL"})
    assert answer.status == 200, answer.text
    pid = answer.json["@id"]
    theirs = other(provider, pid, "transfer")
    for connector, process in ((provider, theirs), (consumer, pid)):
        connector.wait_state(process, T_REQUESTED, "transfer")
    return theirs, pid


def transfer_waits(provider, consumer, agreement):
    theirs, pid = begin_transfer(provider, consumer, agreement)
    tap.equal(provider.sql("SELECT * FROM outbox"), [], "no start is on its way")
    tap.status(say(consumer, pid, "start", kind="transfers"), 409, "a consumer cannot start")
    resume = {"@context": {"@vocab": EDC}, "@id": theirs}
    tap.status(provider.api.post(f"/v3/transferprocesses/{theirs}/resume", resume), 409, "what has not begun is not resumed")
    tap.status(say(provider, "x", "start", kind="transfers"), 404, "unknown transfer")
    tap.status(Client(provider.api.base).post(f"/naru/v1/transfers/{theirs}/start"), 401, "only with the key")
    tap.equal(consumer.sql("SELECT * FROM edr WHERE transfer_id = ?", pid), [], "no data address yet")
    tap.status(say(provider, theirs, "start", kind="transfers"), 204, "the operator starts it")
    for connector, process in ((provider, theirs), (consumer, pid)):
        connector.wait_state(process, T_STARTED, "transfer")
    tap.equal(len(consumer.sql("SELECT * FROM edr WHERE transfer_id = ?", pid)), 1, "the consumer has its data address")
    tap.status(say(provider, theirs, "start", kind="transfers"), 409, "not twice")
    bad = provider.as_peer(consumer.name).post("/transfers/request", message(
        "TransferRequestMessage", consumerPid="c", agreementId=agreement, format="Carrier-PIGEON", callbackAddress=consumer.dsp))
    tap.status(bad, 400, "what could not be started is refused at once")


def policy_decides_again(provider, consumer):
    """An order that is cancelled between request and start."""
    order = str(uuid.uuid4())
    for connector, role, peer in ((provider, "provider", consumer.name), (consumer, "consumer", provider.name)):
        connector.sql("INSERT INTO purchase VALUES (?,?,?,'paid',?,'urn:purpose:x','open',1,'{}','',NULL,?,?)", order, role, peer, PLAN,
                      int((time.time() + 3600) * 1e6), int(time.time() * 1e6))
    deal = Deal.requested(provider, consumer, "paid").walk("agree", "verify", "finalize")
    theirs, pid = begin_transfer(provider, consumer, deal.agreements()[0][0][0])
    provider.sql("UPDATE purchase SET state = 'cancelled'")
    before = provider.dump()
    answer = say(provider, theirs, "start", kind="transfers")
    tap.status(answer, 409, "a start that the policy refuses by now")
    tap.contains(answer.json["detail"], "refused by policy", "with the reason")
    tap.equal(provider.dump(), before, "the transfer goes on waiting")
    provider.sql("UPDATE purchase SET state = 'contracted'")
    tap.status(say(provider, theirs, "start", kind="transfers"), 204, "once it permits, it starts")
    consumer.wait_state(pid, T_STARTED, "transfer")


def refused_at_once(provider, consumer, seller):
    """Waiting for an operator does not make a bad message a good one."""
    pid = consumer.negotiate(provider.dsp, provider.name, catalogue_offer(provider, consumer.name, "late"), "late")
    consumer.wait_state(pid, TERMINATED)
    tap.contains(consumer.error(pid), "constraint-false", "what the policy refuses does not wait")

    offer = {"@id": "offer-1", "@type": "Offer", "permission": [{"action": "use"}]}
    pid = consumer.negotiate(seller.url, seller.name, offer)
    consumer.wait_state(pid, REQUESTED)
    own = consumer.sql("SELECT peer_pid FROM negotiation WHERE negotiation_id = ?", pid)[0][0]
    agreement = {"@id": f"urn:uuid:{uuid.uuid4()}", "@type": "Agreement", "assigner": seller.name, "assignee": consumer.name,
                 "target": "data-2", "timestamp": "2026-01-01T00:00:00Z", "permission": [{"action": "use"}]}
    answer = consumer.as_peer(seller.name).post(f"/negotiations/{pid}/agreement", message(
        "ContractAgreementMessage", consumerPid=pid, providerPid=own, agreement=agreement))
    tap.status(answer, 400, "an agreement on other data is refused, not kept for the operator")
    consumer.wait_state(pid, TERMINATED)


def begun_by_the_provider(provider, consumer):
    offer = catalogue_offer(provider, consumer.name)
    for name, what in (("an offer of the catalogue", {"offerId": offer["@id"]}),
                       ("rules for a data set", {"assetId": "data-1", "policy": {"@type": "Offer", **rules(3)}})):
        deal = Deal.offered(provider, consumer, **what)
        connector, pid = deal.sides["consumer"]
        row = connector.sql("SELECT role, peer_id, asset_id, offer_id, policy FROM negotiation JOIN policy_text USING (policy_hash) "
                            "WHERE negotiation_id = ?", pid)[0]
        tap.equal(row[:3], ("consumer", provider.name, "data-1"), f"{name}: the consumer has it")
        tap.equal(json.loads(row[4])["permission"], what.get("policy", offer)["permission"], f"{name}: with its rules")
        tap.ok("offerId" not in what or row[3] == offer["@id"], f"{name}: under its id")
        deal.refuse(("accept", "consumer"))
        deal.walk("accept").refuse(("agree", "provider"))
        deal.walk("agree", "verify", "finalize")
        tap.equal([len(a) for a in deal.agreements()], [1, 1], f"{name}: one agreement")
        for c, pid in deal.sides.values():
            tap.status(c.terminate(pid), 409, f"{name}: final is final")

    deal = Deal.offered(provider, consumer, offerId=offer["@id"]).walk("request", "offer", "request", "offer", "accept")
    deal.walk("agree", "verify", "finalize")
    kept = provider.sql("SELECT policy FROM agreement JOIN policy_text USING (policy_hash) WHERE negotiation_id = ?",
                        deal.sides["provider"][1])
    tap.equal(json.loads(kept[0][0])["permission"], rules(7)["permission"], "agreed is what was haggled over")
    deal = Deal.offered(provider, consumer, offerId=offer["@id"]).walk("request")
    deal.refuse(("agree", "provider"))
    deal.walk("agree", "verify", "finalize")


def by_themselves(provider, consumer):
    """Without an operator, only the acceptance is a decision."""
    deal = Deal.offered(provider, consumer, offerId=catalogue_offer(provider, consumer.name)["@id"])
    tap.status(deal.say("accept"), 204, "accepted")
    deal.reach(FINALIZED)
    deal = Deal.offered(provider, consumer, assetId="data-1", policy={"@type": "Offer", "permission": [
        {"action": "use", "constraint": [{"leftOperand": "dateTime", "operator": "lt", "rightOperand": "2020-01-01T00:00:00Z"}]}]})
    tap.status(deal.say("accept"), 204, "accepted")
    deal.reach(TERMINATED)
    tap.contains(consumer.error(deal.sides["consumer"][1]), "constraint-false", "the policy decides once the offer is accepted")


def bad_offers(provider, consumer):
    offer = catalogue_offer(provider, consumer.name)["@id"]
    policy = {"@type": "Offer", **rules(1)}
    before = provider.dump()
    for name, address, what in (
            ("an unknown offer", consumer.dsp, {"offerId": "x"}),
            ("an unknown data set", consumer.dsp, {"assetId": "x", "policy": policy}),
            ("rules that nobody knows", consumer.dsp, {"assetId": "data-1", "policy": {"permission": [{"action": "dance"}]}}),
            ("nothing to offer", consumer.dsp, {}), ("a data set without rules", consumer.dsp, {"assetId": "data-1"}),
            ("rules without a data set", consumer.dsp, {"policy": policy}),
            ("both", consumer.dsp, {"offerId": offer, "assetId": "data-1", "policy": policy}),
            ("a member that nobody knows", consumer.dsp, {"offerId": offer, "price": 1}),
            ("plain http", "http://localhost/dsp", {"offerId": offer}), ("no URL", "x", {"offerId": offer})):
        tap.status(propose(provider, consumer.name, address, **what), 400, name)
    tap.status(propose(provider, "", consumer.dsp, offerId=offer), 400, "nobody")
    tap.status(Client(provider.api.base).post("/naru/v1/negotiations/offers", {}), 401, "only with the key")
    tap.equal(provider.dump(), before, "nothing was written")


def terminated_everywhere(provider, consumer):
    """From each state by each side; an agreement that was made on the way does not count."""
    offer = catalogue_offer(provider, consumer.name)["@id"]
    for words in ((), ("request",), ("accept",), ("accept", "agree"), ("accept", "agree", "verify")):
        for side in ("provider", "consumer"):
            deal = Deal.offered(provider, consumer, offerId=offer).walk(*words)
            connector, pid = deal.sides[side]
            name = f"{side} ends it after {words[-1] if words else 'the offer'}"
            tap.ok(connector.terminate(pid, name).status < 300, name)
            deal.reach(TERMINATED)
            tap.equal({c.error(p) for c, p in deal.sides.values()}, {name}, "both know why")
            tap.ok(all(ended for rows in deal.agreements() for _, ended in rows), "no agreement counts")
            deal.refuse()


def unwilling(provider, peer):
    """A party that refuses an offer, answers nonsense, or is slow while we think better of it."""
    offer = catalogue_offer(provider, peer.name)["@id"]
    for name, answer, reason in (
            ("refused", (400, message("ContractNegotiationError", providerPid="x", consumerPid="y", code="9", reason=["no, thanks"])), "no, thanks"),
            ("answered with nonsense", (200, b"<html>"), "names no process")):
        peer.answer = lambda *_, a=answer: a
        pid = propose(provider, peer.name, peer.url, offerId=offer).json["negotiation"]
        provider.wait_state(pid, TERMINATED)
        tap.contains(provider.error(pid), reason, f"an offer that is {name} ends the negotiation")

    hold = threading.Event()

    def slow(_method, path, body):
        if not path.endswith("/offers"):
            return 200, None
        hold.wait(20)
        return 201, message("ContractNegotiation", providerPid=body["providerPid"], consumerPid="their-pid", state="OFFERED")

    peer.answer = slow
    pid = propose(provider, peer.name, peer.url, offerId=offer).json["negotiation"]
    sent = peer.wait("ContractOfferMessage", providerPid=pid)
    tap.equal((sent["offer"]["assigner"], sent["offer"]["assignee"], sent["callbackAddress"]),
              (provider.name, peer.name, provider.dsp), "the offer names both parties and where to answer")
    tap.ok("consumerPid" not in sent, "it begins a negotiation")
    tap.ok(provider.terminate(pid, "changed our mind").status < 300, "terminated while the offer is on its way")
    hold.set()
    tap.equal(peer.wait("ContractNegotiationTerminationMessage", providerPid=pid)["consumerPid"], "their-pid", "the other party hears of it")
    provider.wait_state(pid, TERMINATED)
    peer.answer = Peer.accept


def ids_of_offers(provider, consumer):
    """A definition may say its offers' ids; the rules in force are agreed all the same."""
    def put(method, kind, body):
        answer = provider.api.request(method, f"/v3/{kind}", {"@context": {"@vocab": EDC}, **body})
        tap.ok(answer.status < 300, f"{method} {kind}", answer.text)

    def definition(method, form, name="papers", contract="paper"):
        put(method, "contractdefinitions", {"@id": name, "accessPolicyId": "paper", "contractPolicyId": contract, "assetsSelector": [
            {"operandLeft": EDC + "id", "operator": "=", "operandRight": "data-2"}], "privateProperties": {"urn:naru:offer-id": form}})

    def policy(method, day):
        where = "policydefinitions" + ("/paper" if method == "PUT" else "")
        put(method, where, {"@id": "paper", "policy": {"@context": "http://www.w3.org/ns/odrl.jsonld", "@type": "Set", **rules(day)}})

    def ids():
        catalogue = provider.as_peer(consumer.name).post("/catalog/request", message("CatalogRequestMessage")).json
        return {o["@id"]: o for d in catalogue["dataset"] if d["@id"] == "data-2" for o in d["hasPolicy"]}

    made_by_us = set(ids())
    policy("POST", 1)
    definition("POST", "contract 7/{asset}, annex")
    shown = ids()
    tap.equal(set(shown) - made_by_us, {"contract 7/data-2, annex"}, "the catalogue shows the id that the definition says")
    tap.ok(made_by_us and made_by_us <= set(shown), "another definition's ids stay as they are")
    offer = shown["contract 7/data-2, annex"]
    pid = consumer.negotiate(provider.dsp, provider.name, offer, "data-2")
    consumer.wait_state(pid, FINALIZED)
    policy("PUT", 2)
    tap.ok("contract 7/data-2, annex" in ids(), "it outlives a change of the policy")
    pid = consumer.negotiate(provider.dsp, provider.name, offer, "data-2")
    consumer.wait_state(pid, TERMINATED)
    tap.contains(consumer.error(pid), "rules are not those", "the old rules are refused")
    offer = ids()["contract 7/data-2, annex"]
    definition("POST", "contract 7/{asset}, annex", "papers again", "data-1/contract")
    ids()
    tap.contains(provider.process.log_text(), "two offers have the same id", "the log tells of an id that two definitions give")
    pid = consumer.negotiate(provider.dsp, provider.name, offer, "data-2")
    consumer.wait_state(pid, FINALIZED)
    provider.api.delete("/v3/contractdefinitions/papers%20again")
    definition("PUT", "x" * 2048 + "{asset}")
    tap.equal(set(ids()), made_by_us, "an id that is too long is not offered")
    for form in ("no place for it", ""):
        definition("PUT", form)
        tap.equal(set(ids()), made_by_us, f"'{form}' gives no ids: nothing is offered")
    pid = consumer.negotiate(provider.dsp, provider.name, offer, "data-2")
    consumer.wait_state(pid, TERMINATED)
    tap.contains(consumer.error(pid), "no such offer", "nor agreed")


def scenario():
    space = Space("provider", "consumer", "auto-provider", "auto-consumer", "seller")
    manual = {"operator.decides": ALL}
    provider, consumer = (space.connector(name, **manual) for name in ("provider", "consumer"))
    automatic = [space.connector(name) for name in ("auto-provider", "auto-consumer")]
    seller = Peer(space, "seller")
    past = {"@type": "Offer", "permission": [{"action": "use", "constraint": [
        {"leftOperand": "dateTime", "operator": "lt", "rightOperand": "2020-01-01T00:00:00Z"}]}]}
    for connector in (provider, automatic[0]):
        connector.offer()
        connector.offer("data-2")
    provider.offer("late", policy=past)
    provider.offer("paid", policy={"@type": "Offer", "permission": [{"action": "use", "constraint": [
        {"leftOperand": "urn:naru:policy:order", "operator": "isAnyOf", "rightOperand": [f"urn:naru:plan:{PLAN}"]}]}]})

    agreement = every_step_waits(provider, consumer)
    transfer_waits(provider, consumer, agreement)
    policy_decides_again(provider, consumer)
    refused_at_once(provider, consumer, seller)
    bad_offers(provider, consumer)
    begun_by_the_provider(provider, consumer)
    by_themselves(*automatic)
    terminated_everywhere(provider, consumer)
    unwilling(provider, seller)
    ids_of_offers(*automatic)


main(scenario)
