"""A contract and a transfer between two connectors of connectors.py, made through their own APIs."""

import hashlib

from connectors import EDC, Space, message
from harness import wait_until

FINALIZED, STARTED = 1200, 600
PROTOCOL = "dataspace-protocol-http:2025-1"


def pair(**settings):
    """Provider and consumer over TLS with fixed tokens."""
    space = Space("provider", "consumer")
    return space.connector("provider", **settings), space.connector("consumer", **settings)


def publish(provider, asset, content):
    """Offers bytes as a file; before the first catalogue request. Returns their digest."""
    path = provider.folder / f"{asset}.bin"
    provider.offer(asset, address={"type": "File", "path": str(path)})
    path.write_bytes(content)
    return hashlib.sha256(content).hexdigest()


def contract(provider, consumer, asset):
    """Negotiates; the agreement's id, once both sides are final."""
    catalogue = provider.as_peer(consumer.name).post("/catalog/request", message("CatalogRequestMessage")).json
    offer = next(d for d in catalogue["dataset"] if d["@id"] == asset)["hasPolicy"][0]
    pid = consumer.negotiate(provider.dsp, provider.name, offer, asset)
    consumer.wait_state(pid, FINALIZED)
    agreement = consumer.sql("SELECT agreement_id FROM agreement WHERE negotiation_id = ?", pid)[0][0]
    wait_until(lambda: provider.sql("SELECT state FROM negotiation WHERE agreement_id = ?", agreement) == [(FINALIZED,)], 10,
               "the provider is final too")
    return agreement


def ask_transfer(provider, consumer, agreement):
    return consumer.api.post("/v3/transferprocesses", {
        "@context": {"@vocab": EDC}, "@type": "TransferRequest", "counterPartyAddress": provider.dsp, "contractId": agreement,
        "protocol": PROTOCOL, "transferType": "HttpData-PULL"})


def begin(provider, consumer, agreement):
    """Starts a transfer; (our pid, token) of the consumer, once both sides have started."""
    answer = ask_transfer(provider, consumer, agreement)
    assert answer.status == 200, answer.text
    pid = answer.json["@id"]
    consumer.wait_state(pid, STARTED, "transfer")
    wait_until(lambda: provider.sql("SELECT state FROM transfer WHERE peer_pid = ?", pid) == [(STARTED,)], 10, "the provider has started")
    address = consumer.api.get(f"/v3/edrs/{pid}/dataaddress").json
    return pid, address["authorization"]
