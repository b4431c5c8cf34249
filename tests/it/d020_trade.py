"""Pulls in a real trade over TLS: tokens as TransferStart brings them, renewed for each pull, suspension, the end of the agreement.

The token's life is shorter than the spare time before which the consumer renews, so each pull renews.
"""

import base64
import hashlib
import os
import ssl
import socket
import time
from concurrent.futures import ThreadPoolExecutor

from edc import CTX, EDC, POLICY, PROTOCOL, as_list, pair
from harness import main, request, tap, wait_until

FILES = {"table": ("table.csv", b"time,kwh\n" + b"2026-01-01T00:00:00Z,12.5\n" * 200000), "blob": ("blob.bin", os.urandom(3 << 20))}


def publish(provider, asset, address):
    for route, body in (
        ("/v3/assets", {"@id": asset, "properties": {"name": asset}, "dataAddress": address}),
        ("/v3/policydefinitions", {"@id": f"{asset}-policy", "policy": {**POLICY, "permission": [{"action": "use"}]}}),
        ("/v3/contractdefinitions", {"@id": f"{asset}-offer", "accessPolicyId": f"{asset}-policy",
                                     "contractPolicyId": f"{asset}-policy", "assetsSelector": [
                                         {"@type": "Criterion", "operandLeft": f"{EDC}id", "operator": "=", "operandRight": asset}]}),
    ):
        answer = provider.edc.post(route, {"@context": CTX, **body})
        assert answer.status == 200, answer.text


def field(connector, kind, pid, name):
    return connector.edc.get(f"/v3/{kind}/{pid}").json.get(name)


def buy(provider, consumer, asset):
    """Catalogue, negotiation, transfer; returns agreement and transfer of the consumer."""
    seen = consumer.edc.post("/v3/catalog/request", {"@context": CTX, "@type": "CatalogRequest", "protocol": PROTOCOL,
                                                     "counterPartyAddress": provider.dsp, "counterPartyId": provider.did}).json
    dataset = next(d for d in as_list(seen["dcat:dataset"]) if d["@id"] == asset)
    offer = as_list(dataset["odrl:hasPolicy"])[0]
    pid = consumer.edc.post("/v3/contractnegotiations", {
        "@context": CTX, "@type": "ContractRequest", "counterPartyAddress": provider.dsp, "protocol": PROTOCOL,
        "policy": {**offer, "@context": "http://www.w3.org/ns/odrl.jsonld", "@type": "odrl:Offer", "assigner": provider.did,
                   "target": asset}}).json["@id"]
    wait_until(lambda: field(consumer, "contractnegotiations", pid, "state") == "FINALIZED", 20, "an agreement")
    agreement = field(consumer, "contractnegotiations", pid, "contractAgreementId")
    return agreement, start_transfer(provider, consumer, agreement)


def start_transfer(provider, consumer, agreement):
    pid = consumer.edc.post("/v3/transferprocesses", {
        "@context": CTX, "@type": "TransferRequest", "counterPartyAddress": provider.dsp, "contractId": agreement,
        "protocol": PROTOCOL, "transferType": "HttpData-PULL"}).json["@id"]
    wait_until(lambda: field(consumer, "transferprocesses", pid, "state") == "STARTED", 20, "a transfer")
    return pid


def pull(consumer, pid, rest="", **headers):
    return consumer.api.get(f"/naru/v1/edrs/{pid}/data{rest}", headers=headers)


def receipts(connector, agreement):
    items = connector.api.get(f"/naru/v1/usage?agreement={agreement}&limit=1000").json["items"]
    return {i["receipt"]["event"]: i["receipt"] for i in items}


def both_agree(provider, consumer, agreement, n):
    wait_until(lambda: len(receipts(provider, agreement)) == n == len(receipts(consumer, agreement)), 20, f"{n} receipts on both sides")
    ours, theirs = receipts(consumer, agreement), receipts(provider, agreement)
    want = {e: {k: v for k, v in r.items() if k not in ("role", "seq", "until")} for e, r in theirs.items()}
    got = {e: {k: v for k, v in r.items() if k not in ("role", "seq", "until")} for e, r in ours.items()}
    # the consumer knows the start from the event's id, in milliseconds; a whole second has no fraction
    for r in (*want.values(), *got.values()):
        seconds, _, fraction = r["since"].rstrip("Z").partition(".")
        r["since"] = f"{seconds}.{fraction:0<3.3}"
    return tap.equal(got, want, f"{n} receipts of both sides are the same")


def whole_files(provider, consumer):
    for asset, (name, content) in FILES.items():
        (provider.folder / name).write_bytes(content)
        publish(provider, asset, {"type": "File", "path": str(provider.folder / name)})
    for asset, (_, content) in FILES.items():
        agreement, pid = buy(provider, consumer, asset)
        answer = pull(consumer, pid)
        tap.ok(answer.status == 200 and answer.body == content, f"{asset}: all bytes over TLS", (answer.status, len(answer.body)))
        digest = base64.b64encode(hashlib.sha256(content).digest()).decode()
        tap.equal(answer.headers["Repr-Digest"], f"sha-256=:{digest}:", f"{asset}: its digest")
        halves = [pull(consumer, pid, Range="bytes=0-999999"), pull(consumer, pid, Range="bytes=1000000-")]
        tap.ok(b"".join(h.body for h in halves) == content, f"{asset}: in two ranges", [h.status for h in halves])
        both_agree(provider, consumer, agreement, 3)
        rows = sum(r["rows"] for r in receipts(provider, agreement).values())
        tap.equal(rows, 2 * 200000 if asset == "table" else 0, f"{asset}: its rows")


def renewals(provider, consumer):
    agreement, pid = buy(provider, consumer, "blob")
    before = consumer.sql("SELECT token FROM edr WHERE transfer_id = ?", pid)
    with ThreadPoolExecutor(8) as pool:
        bodies = list(pool.map(lambda _: pull(consumer, pid, Range="bytes=0-9").body, range(24)))
    tap.equal(set(bodies), {FILES["blob"][1][:10]}, "pulls side by side, each with a renewed token")
    tap.ok(consumer.sql("SELECT token FROM edr WHERE transfer_id = ?", pid) != before, "the token was renewed")
    both_agree(provider, consumer, agreement, 24)


def life_of_a_transfer(provider, consumer):
    agreement, pid = buy(provider, consumer, "table")
    tap.status(pull(consumer, pid, Range="bytes=0-9"), 206, "while it runs")
    old = consumer.edc.get(f"/v3/edrs/{pid}/dataaddress").json["authorization"]
    direct = lambda: request("GET", f"{provider.base}/data", headers={"Authorization": old, "Range": "bytes=0-9"},
                             ca=provider.space.authority.ca)
    tap.status(direct(), 206, "the token itself, at the provider")
    tap.status(consumer.edc.post(f"/v3/transferprocesses/{pid}/suspend", {"@context": CTX, "reason": "a test"}), 204, "suspend")
    wait_until(lambda: direct().status == 403, 10, "a suspended transfer serves nobody")
    tap.status(pull(consumer, pid), 409, "nor is it asked")
    tap.status(consumer.edc.post(f"/v3/transferprocesses/{pid}/resume"), 204, "resume")
    wait_until(lambda: pull(consumer, pid, Range="bytes=0-9").status == 206, 10, "a resumed transfer serves again")
    tap.status(provider.api.post(f"/naru/v1/agreements/{agreement}/end", {"reason": "a test"}), 204, "the provider ends the agreement")
    answer = wait_until(lambda: (a := direct()).status == 403 and a, 10, "its next access is refused")
    tap.equal(answer.json["code"], "not-in-force", "with a code")
    wait_until(lambda: field(consumer, "transferprocesses", pid, "state") == "TERMINATED", 20, "the consumer learns of it")
    ended = len(receipts(provider, agreement))
    both = receipts(consumer, agreement)
    tap.ok(set(both) < set(receipts(provider, agreement)) and ended > len(both), "what was not pulled through a connector has one receipt")


def open_delivery_is_cut(provider, consumer):
    """A slow consumer of a large file over TLS."""
    path = provider.folder / "large.bin"
    path.write_bytes(b"")
    os.truncate(path, 1 << 30)
    publish(provider, "large", {"type": "File", "path": str(path)})
    agreement, pid = buy(provider, consumer, "large")
    token = consumer.edc.get(f"/v3/edrs/{pid}/dataaddress").json["authorization"]
    context = ssl.create_default_context(cafile=str(provider.space.authority.ca))
    with socket.create_connection(("localhost", provider.public)) as plain, \
            context.wrap_socket(plain, server_hostname="localhost") as secure:
        secure.sendall(f"GET /data HTTP/1.1\r\nHost: localhost\r\nAuthorization: {token}\r\n\r\n".encode())
        tap.ok(secure.recv(1000).startswith(b"HTTP/1.1 200"), "a large delivery begins")
        tap.status(consumer.edc.post(f"/v3/transferprocesses/{pid}/terminate", {"@context": CTX, "reason": "a test"}), 204, "terminate")
        began = time.monotonic()
        got = 0
        try:
            while piece := secure.recv(65536):
                got += len(piece)
                time.sleep(0.001)
        except OSError:
            pass
        tap.ok(got < 1 << 30, "termination cuts it", got)
        tap.note(f"cut {time.monotonic() - began:.2f} s after the termination, at {got} bytes")
    wait_until(lambda: len(receipts(provider, agreement)) == 1, 20, "what was delivered is counted")
    tap.ok(got <= next(iter(receipts(provider, agreement).values()))["bytes"] < 1 << 30, "and only that")  # perhaps no byte has left


def scenario():
    provider, consumer = pair(**{"data.token_life": "10s"})
    whole_files(provider, consumer)
    for part in (renewals, life_of_a_transfer, open_delivery_is_cut):
        with tap.case(part.__name__):
            part(provider, consumer)


if __name__ == "__main__":
    main(scenario)
