"""The same trades on PostgreSQL: negotiations at once, transfers, terminations, a crash of the database in between."""

import threading

from connectors import EDC, Peer, Space, message
from harness import Postgres, main, tap, wait_until
from sink import Sink


def publish(connector, asset):
    """An asset with one offer, through the management API."""
    path = connector.folder / f"{asset}.csv"
    path.write_text("time,kwh\n1,2\n")
    context = {"@context": {"@vocab": EDC}}
    policy = {"@context": "http://www.w3.org/ns/odrl.jsonld", "@type": "Set", "permission": [{"action": "use"}]}
    for route, body in (
            ("assets", {"@id": asset, "properties": {"name": asset}, "dataAddress": {"type": "File", "path": str(path)}}),
            ("policydefinitions", {"@id": "use", "policy": policy}),
            ("contractdefinitions", {"@id": "all", "accessPolicyId": "use", "contractPolicyId": "use", "assetsSelector": []})):
        tap.status(connector.api.post(f"/v3/{route}", {**context, **body}), 200, f"POST {route}")


def wait_edc(connector, kind, pid, state):
    wait_until(lambda: connector.api.get(f"/v3/{kind}/{pid}/state").json["state"] == state, 20, f"{kind} reaches {state}")


def scenario():
    postgres = Postgres()
    space = Space("provider", "consumer", "peer")
    provider = space.connector("provider", database=postgres.create("provider"), **{"push.allow": "127.0.0.0/8,::1/128"})
    sink = Sink(space)
    consumer = space.connector("consumer", database=postgres.create("consumer"))
    peer = Peer(space, "peer")
    publish(provider, "data-1")
    offer = peer.offer_of(provider)

    pids = []
    threads = [threading.Thread(target=lambda: pids.append(consumer.negotiate(provider.dsp, "provider", offer)))
               for _ in range(20)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    for pid in pids:
        wait_edc(consumer, "contractnegotiations", pid, "FINALIZED")
    counts = [postgres.psql("SELECT count(*), count(DISTINCT policy_hash) FROM agreement", d)[0] for d in ("provider", "consumer")]
    tap.equal(counts, [["20", "1"], ["20", "1"]], "twenty negotiations at once, twenty agreements of one content")
    wait_until(lambda: [postgres.psql("SELECT count(*) FROM outbox", d)[0][0] for d in ("provider", "consumer")] == ["0", "0"],
               10, "outboxes are empty")

    agreement = consumer.api.get(f"/v3/contractnegotiations/{pids[0]}/agreement").json["@id"]
    answer = consumer.api.post("/v3/transferprocesses", {
        "@context": {"@vocab": EDC}, "@type": "TransferRequest", "counterPartyAddress": provider.dsp, "contractId": agreement,
        "protocol": "dataspace-protocol-http:2025-1", "transferType": "HttpData-PULL"})
    transfer = answer.json["@id"]
    wait_edc(consumer, "transferprocesses", transfer, "STARTED")
    tap.equal(len(postgres.psql("SELECT * FROM edr", "consumer")), 1, "the consumer has its data address")

    answer = consumer.api.post("/v3/transferprocesses", {
        "@context": {"@vocab": EDC}, "@type": "TransferRequest", "counterPartyAddress": provider.dsp, "contractId": agreement,
        "protocol": "dataspace-protocol-http:2025-1", "transferType": "HttpData-PUSH",
        "dataDestination": {"type": "HttpData", "baseUrl": sink.url + "/in"}})
    wait_edc(consumer, "transferprocesses", answer.json["@id"], "COMPLETED")
    tap.equal((len(sink.at("/in")), sink.at("/in")[0]["bytes"]), (1, 13), "a push arrives")
    wait_until(lambda: len(postgres.psql("SELECT * FROM receipt", "provider")) == 1, 10, "and has its receipt")
    tap.equal(len(postgres.psql("SELECT * FROM push_delivered", "provider")), 1, "it is on record that it was delivered")

    body = {"@id": f"urn:uuid:{'0' * 8}", **message("ContractRequestMessage", consumerPid="c-1", offer=offer, callbackAddress=peer.url)}
    results = []
    threads = [threading.Thread(target=lambda: results.append(provider.as_peer("peer").post("/negotiations/request", body)))
               for _ in range(8)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    tap.equal({r.status for r in results}, {201}, "the same first message eight times at once")
    tap.equal(len({r.json["providerPid"] for r in results}), 1, "is one negotiation")

    peer.wait("ContractAgreementMessage", consumerPid="c-1")
    postgres.restart(crash=True)
    theirs = results[0].json["providerPid"]
    verification = message("ContractAgreementVerificationMessage", consumerPid="c-1", providerPid=theirs)
    wait_until(lambda: provider.as_peer("peer").post(f"/negotiations/{theirs}/agreement/verification", verification).status == 200,
               20, "the verification is taken after a crash of the database")
    peer.wait("ContractNegotiationEventMessage", 20, consumerPid="c-1")
    tap.equal(len(peer.messages("ContractNegotiationEventMessage", consumerPid="c-1")), 1, "and finalised once")


main(scenario)
