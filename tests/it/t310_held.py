"""Transfers that are held because nothing is known of the partner any more: its next message frees them.

Identities that prove nothing have no credential that is renewed; what is known of a partner grows old until it speaks again.
"""

import json

from connectors import Space, message
from deal import begin, contract
from harness import main, tap, wait_until

STARTED, SUSPENDED = 600, 700
TX = "https://w3id.org/tractusx/v0.0.1/ns/"
CX = "https://w3id.org/catenax/2025/9/policy/"
MEMBERS = {"@type": "Offer", "profile": [CX], "permission": [{"action": "use", "constraint": [
    {"leftOperand": f"{CX}Membership", "operator": "eq", "rightOperand": "active"}]}]}
DAYS_US = 3 * 24 * 3600 * 1_000_000


def asked_again(provider):
    """The provider decides about the consumer's transfers once more: an operator has changed the consumer's groups."""
    answer = provider.api.post("/v3/business-partner-groups", {"@context": {"tx": TX}, "@id": "consumer", "tx:groups": ["any"]})
    assert answer.status == 204, answer.text


def known_since(provider):
    return provider.sql("SELECT verified_us FROM peer WHERE peer_id = 'consumer'")[0][0]


def grow_old(provider):
    provider.sql("UPDATE peer SET verified_us = verified_us - ?", DAYS_US)


def held(form):
    space = Space("provider", "consumer")
    if form == "json":
        space.tokens = {n: json.dumps({"region": "eu", "audience": "any", "clientId": n}) for n in space.tokens}
    settings = {"identity.static_form": form}
    provider, consumer = space.connector("provider", **settings), space.connector("consumer", **settings)
    provider.offer("members", policy=MEMBERS)
    pid, _ = begin(provider, consumer, contract(provider, consumer, "members"))
    theirs = provider.sql("SELECT transfer_id FROM transfer WHERE peer_pid = ?", pid)[0][0]

    grow_old(provider)
    before = known_since(provider)
    provider.restart()
    if form == "token":  # whom the file names is known from the start
        wait_until(lambda: known_since(provider) > before, 10, "the file's names are known")
        grow_old(provider)
    asked_again(provider)
    provider.wait_state(theirs, SUSPENDED, "transfer")
    consumer.wait_state(pid, SUSPENDED, "transfer")
    tap.contains(provider.error(theirs, "transfer"), "fact", f"{form}: the transfer is held for want of a fact")

    tap.status(provider.as_peer("consumer").post("/catalog/request", message("CatalogRequestMessage")), 200, f"{form}: the consumer speaks")
    provider.wait_state(theirs, STARTED, "transfer")
    consumer.wait_state(pid, STARTED, "transfer")
    tap.equal(provider.sql("SELECT held, error FROM transfer WHERE transfer_id = ?", theirs), [(None, None)], f"{form}: and the transfer goes on")
    tap.status(consumer.api.get(f"/naru/v1/edrs/{pid}/data"), 200, f"{form}: with its data")


def scenario():
    for form in ("token", "json"):
        with tap.case(form):
            held(form)


main(scenario)
