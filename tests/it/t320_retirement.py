"""A retired agreement: its transfers are terminated on both sides with the reason, whatever dies in between, and do not come back."""

import re
import sqlite3
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

from connectors import EDC
from d020_trade import field
from deal import ask_transfer, begin, contract, pair
from harness import main, tap, wait_until
from n400_replicas import World, again, bought, shared_catalogue

STARTED, SUSPENDED, TERMINATED = 600, 700, 850
TX = "https://w3id.org/tractusx/v0.0.1/ns/"
MANY = 250
CAUSE = "agreement-retired: sold to somebody else"


def retire(api, agreement, reason="sold to somebody else"):
    return api.post("/v3/contractagreements/retirements", {
        "@context": {"@vocab": EDC, "tx": TX}, "@type": "AgreementsRetirementEntry", "agreementId": agreement, "tx:reason": reason})


def take_back(api, agreement):
    return api.delete(f"/v3/contractagreements/retirements/{agreement}")


def of_provider(provider, pid):
    return provider.sql("SELECT transfer_id FROM transfer WHERE peer_pid = ?", pid)[0][0]


def both_are_told(provider, consumer):
    agreement = contract(provider, consumer, "data-1")
    running, _ = begin(provider, consumer, agreement)
    resting, _ = begin(provider, consumer, agreement)
    body = {"@context": {"@vocab": EDC}, "reason": "a pause"}
    tap.status(consumer.api.post(f"/v3/transferprocesses/{resting}/suspend", body), 204, "one transfer rests")
    provider.wait_state(of_provider(provider, resting), SUSPENDED, "transfer")
    consumer.wait_state(resting, SUSPENDED, "transfer")
    other, _ = begin(provider, consumer, contract(provider, consumer, "data-1"))
    tap.status(consumer.api.get(f"/naru/v1/edrs/{running}/data"), 200, "before: data passes")

    tap.status(retire(provider.api, agreement), 204, "retired")
    for pid in (running, resting):
        consumer.wait_state(pid, TERMINATED, "transfer")
        provider.wait_state(of_provider(provider, pid), TERMINATED, "transfer")
        tap.equal(provider.error(of_provider(provider, pid), "transfer"), CAUSE, "the provider says why")
        tap.contains(consumer.error(pid, "transfer"), "sold to somebody else", "the consumer is told why")
    tap.equal(consumer.state(other, "transfer"), STARTED, "a transfer of another agreement goes on")
    asked = ask_transfer(provider, consumer, agreement).json["@id"]
    consumer.wait_state(asked, TERMINATED, "transfer")
    tap.contains(consumer.error(asked, "transfer"), "retired", "no new one begins")

    tap.status(take_back(provider.api, agreement), 204, "taken back")
    fresh, _ = begin(provider, consumer, agreement)
    tap.status(consumer.api.get(f"/naru/v1/edrs/{fresh}/data"), 200, "a new transfer runs")
    tap.equal([consumer.state(p, "transfer") for p in (running, resting)], [TERMINATED] * 2, "the old ones have ended")
    tap.status(consumer.api.get(f"/naru/v1/edrs/{running}/data"), 409, "and give nothing")


def retired_by_the_consumer(provider, consumer):
    """It is the provider who gives: our own retirement as consumer says nothing to him."""
    agreement = contract(provider, consumer, "data-1")
    pid, _ = begin(provider, consumer, agreement)
    tap.status(retire(consumer.api, agreement), 204, "the consumer retires it")
    tap.status(consumer.api.get(f"/naru/v1/edrs/{pid}/data"), 200, "its transfer goes on")


def killed_before_the_message(provider, consumer):
    agreement = contract(provider, consumer, "data-1")
    pid, _ = begin(provider, consumer, agreement)
    consumer.process.kill()
    tap.status(retire(provider.api, agreement), 204, "retired while the consumer is away")
    provider.process.kill()
    provider.restart(kill=False)
    consumer.restart(kill=False)
    consumer.wait_state(pid, TERMINATED, "transfer", 60)
    tap.contains(consumer.error(pid, "transfer"), "sold to somebody else", "the message goes out after the restart, with the reason")


def queued(provider):
    text = provider.api.get("/metrics").text
    return int(re.search(r"^naru_db_queue\{[^}]*\} (\d+)", text, re.MULTILINE)[1])


def judged_before_and_written_after(provider, consumer):
    """A transfer is asked for, and found permitted, while the retirement waits for the database: it starts behind it, and ends."""
    agreement = contract(provider, consumer, "data-1")
    begin(provider, consumer, agreement)  # all is known of the consumer
    asset = {"@context": {"@vocab": EDC}, "@id": "other", "properties": {}, "dataAddress": {"type": "File", "path": str(provider.folder / "data-1.csv")}}
    with ThreadPoolExecutor(2) as pool, closing(sqlite3.connect(provider.folder / "connector.db", isolation_level=None, timeout=20)) as db:
        db.execute("BEGIN IMMEDIATE")
        pool.submit(provider.api.post, "/v3/assets", asset)  # the writer waits with it
        before = wait_until(lambda: provider.api.get("/metrics").status == 200, 10, "metrics") and queued(provider)
        retired = pool.submit(retire, provider.api, agreement)
        wait_until(lambda: queued(provider) > before, 10, "the retirement waits")
        pid = ask_transfer(provider, consumer, agreement).json["@id"]
        wait_until(lambda: queued(provider) > before + 1, 10, "the transfer waits behind it")
        db.execute("ROLLBACK")
        tap.status(retired.result(30), 204, "retired")
    wait_until(lambda: consumer.state(pid, "transfer") in (STARTED, TERMINATED), 20, "the transfer is answered")
    consumer.wait_state(pid, TERMINATED, "transfer", 30)
    tap.contains(consumer.error(pid, "transfer"), "sold to somebody else", "a transfer that was judged before it ends, too")


def many(provider, consumer):
    """More than end in the operation itself; the provider dies when some are done."""
    agreement = contract(provider, consumer, "data-1")
    now = int(time.time() * 1e6)
    provider.process.kill()
    with closing(sqlite3.connect(provider.folder / "connector.db", timeout=20)) as db, db:
        db.executemany(
            "INSERT INTO transfer (transfer_id, role, peer_pid, peer_id, peer_address, protocol, state, state_us, agreement_id, asset_id, format,"
            " created_us, decide_us) VALUES (?,'provider',?,?,'https://127.0.0.1:9','dataspace-protocol-http:2025-1',600,?,?,'data-1',"
            "'HttpData-PULL',?,9223372036854775807)", [(f"many-{i}", f"m-{i}", consumer.name, now, agreement, now) for i in range(MANY)])
    provider.restart(kill=False)
    tap.status(retire(provider.api, agreement), 204, f"an agreement with {MANY} transfers is retired")
    provider.process.kill()
    left = provider.sql("SELECT count(*) FROM transfer WHERE transfer_id LIKE 'many-%' AND state = 600")[0][0]
    provider.restart(kill=False)
    wait_until(lambda: take_back(provider.api, agreement).status == 204, 30, "taken back, once all have ended")
    tap.equal(provider.sql("SELECT count(*) FROM transfer WHERE transfer_id LIKE 'many-%' AND state NOT IN (825, 850)"), [(0,)],
              f"all have ended, {left} of them after a restart")
    tap.equal(provider.sql("SELECT DISTINCT error FROM transfer WHERE transfer_id LIKE 'many-%'"), [(CAUSE,)], "with the reason")
    sent = provider.sql("SELECT count(*), count(DISTINCT stream) FROM outbox WHERE kind = 'dsp.transfer.termination' AND stream LIKE 'many-%'")[0]
    tap.equal(sent, (MANY, MANY), "each is told once")


def over_replicas():
    """What one replica began another one retires, and dies with it; the others tell the consumer."""
    world = World()
    shared_catalogue(world)
    agreement, pid = bought(world.peer, world.ours, "data")
    world.peer.process.kill()
    victim = world.replicas[2]
    tap.status(retire(victim.api, agreement), 204, "retired at the third replica")
    victim.process.kill()
    world.peer.restart(kill=False)
    wait_until(lambda: field(world.peer, "transferprocesses", pid, "state") == "TERMINATED", 60, "the consumer is told by another replica")
    tap.contains(field(world.peer, "transferprocesses", pid, "errorDetail"), "sold to somebody else", "the consumer is told by another replica")
    tap.status(again(lambda: take_back(world.replicas[0].api, agreement), 204, "taken back"), 204, "taken back at the first")
    again_pid = again(lambda: world.peer.edc.post("/v3/transferprocesses", {
        "@context": {"@vocab": EDC}, "@type": "TransferRequest", "counterPartyAddress": world.ours.dsp, "contractId": agreement,
        "protocol": "dataspace-protocol-http:2025-1", "transferType": "HttpData-PULL"}), 200, "a transfer").json["@id"]
    wait_until(lambda: field(world.peer, "transferprocesses", again_pid, "state") == "STARTED", 60, "a new transfer runs")
    tap.equal(field(world.peer, "transferprocesses", pid, "state"), "TERMINATED", "the old one does not")


def scenario():
    provider, consumer = pair()
    provider.offer()
    for step in (both_are_told, retired_by_the_consumer, killed_before_the_message, judged_before_and_written_after, many):
        with tap.case(step.__name__):
            step(provider, consumer)
    with tap.case("over_replicas"):
        over_replicas()


main(scenario)
