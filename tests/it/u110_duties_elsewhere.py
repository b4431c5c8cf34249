"""Duties towards a connector of another make: it has no path for what we say of them, and nothing else is disturbed by that."""

import json

from connectors import Peer, Space, message
from harness import main, tap, wait_until

RULES = {"permission": [{"action": "use"}], "obligation": [{"action": "inform"}]}
FINALIZED = 1200


def contract(us, peer):
    """A contract with a provider made of Python; the agreement's id."""
    offer = {"@id": "offer-1", "@type": "Offer", "target": "data-1", **RULES}
    pid = us.negotiate(peer.url, peer.name, offer)
    request = peer.wait("ContractRequestMessage", consumerPid=pid)
    us.wait_state(pid, 200)
    agreement = {"@id": "urn:uuid:agreement-1", "@type": "Agreement", "target": "data-1", "assigner": peer.name, "assignee": us.name,
                 "timestamp": "2026-11-21T00:00:00Z", **{k: request["offer"][k] for k in ("permission", "obligation")}}
    provider_pid = us.sql("SELECT peer_pid FROM negotiation WHERE negotiation_id = ?", pid)[0][0]
    say = us.as_peer(peer.name)
    tap.status(say.post(f"/negotiations/{pid}/agreement", message("ContractAgreementMessage", providerPid=provider_pid, consumerPid=pid, agreement=agreement)),
               200, "the agreement is taken")
    peer.wait("ContractAgreementVerificationMessage", consumerPid=pid)
    tap.status(say.post(f"/negotiations/{pid}/events", message("ContractNegotiationEventMessage", providerPid=provider_pid, consumerPid=pid,
                                                               eventType="FINALIZED")), 200, "it is final")
    us.wait_state(pid, FINALIZED)
    return agreement["@id"]


def duty(us, agreement):
    return us.api.get(f"/naru/v1/duties?agreement={agreement}").json["items"][0]


def scenario():
    space = Space("us", "them")
    us, peer = space.connector("us"), Peer(space, "them")
    accept = peer.answer
    peer.answer = lambda method, path, body: (404, {}) if "/exchange/" in path else accept(method, path, body)
    agreement = contract(us, peer)
    wait_until(lambda: duty(us, agreement)["state"] == "done", 20, "the duty is done on our side")
    wait_until(lambda: duty(us, agreement)["told"] == {"counterparty": "refused"}, 60, "it is shown that the other side did not take it")
    asked = [path for _, path, body, _ in peer.seen if body and "document" in body]
    tap.ok(0 < len(asked) <= 12, "it was asked a few times, not for ever", len(asked))
    tap.equal(set(asked), {"/exchange/v1/duties"}, "beside its protocol address")
    tap.ok(duty(us, agreement)["document"].count(".") == 2, "the signed document is there for whoever asks", json.dumps(duty(us, agreement)))
    other = us.api.get("/naru/v1/duties?state=nonsense")
    tap.status(other, 400, "an unknown state")
    for name, body in (("no statement", {}), ("an empty one", {"statement": ""}), ("a long one", {"statement": "x" * 501}), ("as the connector", {"statement": "x", "by": "connector"}),
                       ("as a person", {"statement": "x", "by": "kim"}), ("with more", {"statement": "x", "more": 1})):
        answer = us.api.post(f"/naru/v1/duties/{duty(us, agreement)['id']}/done", body)
        tap.ok(answer.status in (400, 413), f"done: {name}", f"{answer.status}: {answer.text}")
    tap.status(us.api.post("/naru/v1/duties/nothing/done", {"statement": "x"}), 404, "an unknown duty")
    note = {"agreement": agreement, "path": "/tmp/x", "digest": "sha256:" + "0" * 64, "bytes": 1}
    for name, change, want in (("an unknown agreement", {"agreement": "urn:x"}, 404), ("a relative path", {"path": "x"}, 400), ("no digest", {"digest": "x"}, 400),
                               ("a negative size", {"bytes": -1}, 400), ("a long path", {"path": "/" + "x" * 5000}, 400)):
        tap.status(us.api.post("/naru/v1/copies", {**note, **change}), want, f"copy: {name}")
    own = us.api.post("/naru/v1/copies", {**note, "path": str(us.folder / "company.pem")})
    tap.equal(own.json["deleted_by_connector"], False, "a key of the connector's is not for it to delete")


main(scenario)
