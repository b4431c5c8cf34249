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


def push(provider, consumer, agreement, url):
    answer = consumer.api.post("/v3/transferprocesses", {
        "@context": {"@vocab": EDC}, "@type": "TransferRequest", "counterPartyAddress": provider.dsp, "contractId": agreement,
        "protocol": "dataspace-protocol-http:2025-1", "transferType": "HttpData-PUSH",
        "dataDestination": {"type": "HttpData", "baseUrl": url}})
    return answer.json["@id"]


def claimed(postgres, provider, consumer, agreement, sink):
    """A push that another process of the connector has claimed is left to it, as long as that one is connected."""
    path = "/status/503"  # tried again and again
    pid = push(provider, consumer, agreement, sink.url + path)
    wait_until(lambda: len(sink.at(path)) == 1, 10, "the first attempt")
    theirs = postgres.psql(f"SELECT transfer_id FROM transfer WHERE peer_pid = '{pid}'", "provider")[0][0]
    other = threading.Thread(target=postgres.psql, args=(
        f"SELECT pg_advisory_lock(hashtextextended('{theirs}', 0)); SELECT pg_sleep(5)", "provider"))
    other.start()
    wait_until(lambda: postgres.psql("SELECT count(*) FROM pg_locks JOIN pg_stat_activity USING (pid) WHERE locktype = 'advisory' AND granted"
                                     " AND objsubid = 1 AND query LIKE '%pg_sleep%' AND pid <> pg_backend_pid()", "provider") == [["1"]],
               10, "the other has it")
    before = len(sink.at(path))
    other.join()
    tap.equal(len(sink.at(path)), before, "a push that another process has claimed is not begun")
    wait_until(lambda: len(sink.at(path)) > before, 20, "it is begun")
    tap.ok(True, "when that one is gone it is")
    consumer.api.post(f"/v3/transferprocesses/{pid}/terminate", {"@context": {"@vocab": EDC}, "@id": pid, "reason": "test"})
    wait_edc(consumer, "transferprocesses", pid, "TERMINATED")


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

    wait_edc(consumer, "transferprocesses", push(provider, consumer, agreement, sink.url + "/in"), "COMPLETED")
    tap.equal((len(sink.at("/in")), sink.at("/in")[0]["bytes"]), (1, 13), "a push arrives")
    wait_until(lambda: len(postgres.psql("SELECT * FROM receipt", "provider")) == 1, 10, "and has its receipt")
    tap.equal(len(postgres.psql("SELECT * FROM push_delivered", "provider")), 1, "it is on record that it was delivered")

    claimed(postgres, provider, consumer, agreement, sink)

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
