"""Rules that are not those on the table: what is taken, what is refused, who reads what about it; and facts that change between two steps."""

import json
import time
import uuid

from connectors import Peer, Space, message
from harness import main, tap, wait_until

REQUESTED, OFFERED, AGREED, VERIFIED, FINALIZED, TERMINATED = 200, 400, 850, 1100, 1200, 1400
TX = "https://w3id.org/tractusx/v0.0.1/ns/"
PLAN = "ef" * 32
YEAR = "2031-01-01T00:00:00Z"


def is_(operand, operator, value):
    return {"leftOperand": operand, "operator": operator, "rightOperand": value}


def use(*constraints, **more):
    return {"permission": [{"action": "use", **({"constraint": list(constraints)} if constraints else {})}], **more}


OURS = use(is_("dateTime", "lteq", YEAR))


def request(provider, peer, asset, rules):
    return peer.request(provider, {**{k: v for k, v in peer.offer_of(provider, asset).items() if k in ("@id", "@type", "target")}, **rules})


def stricter_ones(provider, peer, taken):
    """Every kind of change; only what narrows, and binds nobody else, is taken, and only if we are told to."""
    earlier = is_("dateTime", "lteq", "2030-01-01T00:00:00Z")
    ours = is_("dateTime", "lteq", YEAR)
    rows = (
        ("the same", use(ours), True, ""),
        ("an earlier end", use(earlier), taken, "permission dateTime"),
        ("a later end", use(is_("dateTime", "lteq", "2032-01-01T00:00:00Z")), False, "permission dateTime"),
        ("no end", use(), False, "permission dateTime"),
        ("one limit more", use(ours, is_("count", "lteq", "5")), taken, "permission count"),
        ("a use that is forbidden", use(ours, prohibition=[{"action": "distribute"}]), taken, "prohibition action"),
        ("another action", {"permission": [{"action": "sell", "constraint": [ours]}]}, False, "permission action"),
        ("another action as well", {"permission": [{"action": "use", "constraint": [ours]}, {"action": "sell"}]}, False, "permission action"),
        ("either of two ends", use({"or": [ours, is_("count", "lteq", "5")]}), False, "permission count"),
        ("a term that binds us", use(ours, is_("urn:naru:policy:profitShare", "eq", "1")), False, "permission profitShare"),
        ("a duty", use(ours, obligation=[{"action": "delete"}]), False, "obligation action"),
        ("a duty before the use", {"permission": [{"action": "use", "constraint": [ours], "duty": [{"action": "inform"}]}]}, False, "duty action"),
    )
    for name, rules, good, named in rows:
        pid, answer = request(provider, peer, "data-1", rules)
        tap.status(answer, 201 if good else 400, f"accept_stricter {taken}: {name}")
        if good:
            agreement = peer.wait("ContractAgreementMessage", consumerPid=pid)["agreement"]
            tap.equal(agreement["permission"], rules["permission"], f"{name}: agreed is what was asked for")
        else:
            tap.contains(answer.text, named, f"{name}: the answer names what is other")
            tap.ok("2031" not in answer.text and "2032" not in answer.text, f"{name}: without values")


def changed_agreement(consumer, peer):
    """The provider agrees to other rules than the consumer asked for."""
    offer = {"@id": "offer-1", "@type": "Offer", **OURS}
    pid = consumer.negotiate(peer.url, peer.name, offer)
    consumer.wait_state(pid, REQUESTED)
    own = wait_until(lambda: consumer.sql("SELECT peer_pid FROM negotiation WHERE negotiation_id = ?", pid)[0][0], 10, "its pid")
    changed = use(is_("dateTime", "lteq", YEAR), is_("count", "lteq", "7"))
    agreement = {"@id": f"urn:uuid:{uuid.uuid4()}", "@type": "Agreement", "assigner": peer.name, "assignee": consumer.name,
                 "target": "data-1", "timestamp": "2026-01-01T00:00:00Z", **changed}
    answer = consumer.as_peer(peer.name).post(f"/negotiations/{pid}/agreement", message(
        "ContractAgreementMessage", consumerPid=pid, providerPid=own, agreement=agreement))
    tap.status(answer, 400, "an agreement with one limit more is refused")
    tap.contains(answer.text, "permission count", "the provider reads which operand")
    termination = peer.wait("ContractNegotiationTerminationMessage", consumerPid=pid)
    tap.equal(termination["code"], "agreement-differs", "and the negotiation ends")
    tap.ok("7" not in json.dumps(termination["reason"]), "without values", termination)
    consumer.wait_state(pid, TERMINATED)
    tap.contains(consumer.error(pid), "+ the number of uses is at most 7", "our operator reads what was added")


def counter_offer(consumer, peer):
    """Another offer of the provider waits for our operator, who reads what is other."""
    pid = consumer.negotiate(peer.url, peer.name, {"@id": "offer-2", "@type": "Offer", **OURS})
    consumer.wait_state(pid, REQUESTED)
    own = wait_until(lambda: consumer.sql("SELECT peer_pid FROM negotiation WHERE negotiation_id = ?", pid)[0][0], 10, "its pid")
    for rules, words in ((use(), "- the time is not later than 2031"), (OURS, None)):
        offer = {"@id": f"offer-{uuid.uuid4()}", "@type": "Offer", "target": "data-1", "assigner": peer.name, **rules}
        answer = consumer.as_peer(peer.name).post(f"/negotiations/{pid}/offers", message(
            "ContractOfferMessage", consumerPid=pid, providerPid=own, offer=offer))
        tap.status(answer, 200, "a counter-offer")
        consumer.wait_state(pid, OFFERED)
        error = consumer.error(pid)
        if words:
            tap.contains(error, words, "the operator reads what is other")
            tap.equal(consumer.sql("SELECT count(*) FROM outbox WHERE stream = ?", pid), [(0,)], "nothing follows by itself")
            body = {"policy": {"@type": "Offer", **OURS}}
            tap.status(consumer.api.post(f"/naru/v1/negotiations/{pid}/offer", body), 204, "the operator asks again for what it wanted")
            consumer.wait_state(pid, REQUESTED)
        else:
            tap.equal(error, None, "what was asked for is no difference")


def set_groups(provider, partner, *groups, create=False):
    body = {"@context": {"tx": TX}, "@id": partner, "tx:groups": list(groups)}
    answer = (provider.api.post if create else provider.api.put)("/v3/business-partner-groups", body)
    assert answer.status == 204, answer.text


def agreed(provider, peer, asset):
    pid, answer = peer.request(provider, peer.offer_of(provider, asset))
    assert answer.status == 201, answer.text
    theirs = peer.wait("ContractAgreementMessage", consumerPid=pid)["providerPid"]
    provider.wait_state(theirs, AGREED)
    return pid, theirs


def verify(provider, peer, pid, theirs):
    return provider.as_peer(peer.name).post(f"/negotiations/{theirs}/agreement/verification", message(
        "ContractAgreementVerificationMessage", consumerPid=pid, providerPid=theirs))


def facts_change(provider, peer):
    """Between agreement and verification: a group is left, an order cancelled, the offer is for others only."""
    set_groups(provider, peer.name, "gold", "seen", create=True)
    for asset, change, code, words in (
            ("grouped", lambda: set_groups(provider, peer.name, "seen"), "constraint-false", "business partner group"),
            ("ordered", lambda: provider.sql("UPDATE purchase SET state = 'cancelled'"), "constraint-false", "order"),
            ("shown", lambda: set_groups(provider, peer.name, "gold"), "offer-withdrawn", "does not stand")):
        set_groups(provider, peer.name, "gold", "seen")
        pid, theirs = agreed(provider, peer, asset)
        change()
        tap.status(verify(provider, peer, pid, theirs), 200, f"{asset}: verified, which is no mistake")
        termination = peer.wait("ContractNegotiationTerminationMessage", consumerPid=pid)
        tap.equal(termination["code"], code, f"{asset}: but nothing becomes final")
        tap.contains(json.dumps(termination["reason"]), words, f"{asset}: with the reason")
        provider.wait_state(theirs, TERMINATED)
        ended = provider.sql("SELECT ended_us IS NOT NULL FROM agreement WHERE negotiation_id = ?", theirs)
        tap.equal(ended, [(1,)], f"{asset}: the agreement never counted")
    set_groups(provider, peer.name, "gold", "seen")
    pid, theirs = agreed(provider, peer, "grouped")
    tap.status(verify(provider, peer, pid, theirs), 200, "nothing has changed")
    provider.wait_state(theirs, FINALIZED)


def operator_too(provider, peer):
    """A word of the operator's is judged like a message."""
    (provider.folder / "connector.conf").write_text((provider.folder / "connector.conf").read_text() + "operator.decides = agree, finalize\n")
    provider.restart()
    set_groups(provider, peer.name, "gold", "seen")
    pid, answer = peer.request(provider, peer.offer_of(provider, "grouped"))
    theirs = answer.json["providerPid"]
    set_groups(provider, peer.name, "seen")
    refused = provider.api.post(f"/naru/v1/negotiations/{theirs}/agree")
    tap.status(refused, 409, "the operator agrees to what the policy refuses by now")
    tap.contains(refused.text, "business partner group", "and reads why not")
    set_groups(provider, peer.name, "gold", "seen")
    tap.status(provider.api.post(f"/naru/v1/negotiations/{theirs}/agree"), 204, "once it permits, it is agreed")
    peer.wait("ContractAgreementMessage", consumerPid=pid)
    provider.wait_state(theirs, AGREED)
    tap.status(verify(provider, peer, pid, theirs), 200, "verified")
    provider.wait_state(theirs, VERIFIED)
    set_groups(provider, peer.name, "gold")
    tap.status(provider.api.post(f"/naru/v1/negotiations/{theirs}/finalize"), 204, "the offer is still shown")
    provider.wait_state(theirs, FINALIZED)


def scenario():
    space = Space("provider", "consumer", "peer")
    provider, taking = space.connector("provider"), space.connector("consumer", **{"negotiation.accept_stricter": "true"})
    peer = Peer(space, "peer")
    for connector in (provider, taking):
        connector.offer(policy={"@type": "Offer", **OURS})
        stricter_ones(connector, peer, connector is taking)
    changed_agreement(taking, peer)
    counter_offer(taking, peer)
    now = int(time.time() * 1e6)
    provider.sql("INSERT INTO purchase VALUES (?,'provider','peer','ordered',?,'urn:purpose:x','open',1,'{}','',NULL,?,?)",
                 str(uuid.uuid4()), PLAN, now + 3600 * 10**6, now)
    provider.offer("grouped", policy={"@type": "Offer", **use(is_("BusinessPartnerGroup", "isAnyOf", ["gold"]))})
    provider.offer("ordered", policy={"@type": "Offer", **use(is_("urn:naru:policy:order", "isAnyOf", [f"urn:naru:plan:{PLAN}"]))})
    provider.offer("shown", access={"@type": "Set", **use(is_("BusinessPartnerGroup", "isAnyOf", ["seen"]))})
    facts_change(provider, peer)
    operator_too(provider, peer)


main(scenario)
