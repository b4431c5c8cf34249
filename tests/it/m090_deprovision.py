"""EDC's last state of a transfer: DEPROVISIONED, of which the protocol and the other party know nothing."""

from connectors import message
from d020_trade import buy, field, publish, start_transfer
from edc import CTX, pair, query
from harness import main, tap, wait_until


def state(connector, pid):
    return connector.edc.get(f"/v3/transferprocesses/{pid}/state").json["state"]


def act(connector, pid, what, **more):
    body = {"@context": CTX, **more} if more else None
    return connector.edc.post(f"/v3/transferprocesses/{pid}/{what}", body)


def events(connector, pid):
    """Names of what was told of a process."""
    told = connector.api.get("/naru/v1/events?types=transfer.process&limit=1000").json["events"]
    return [e["name"].split(".")[-1] for e in told if e["payload"]["transferProcessId"] == pid]


def found(connector, wanted):
    return [t["@id"] for t in connector.edc.post("/v3/transferprocesses/request", query(("state", "=", wanted))).json]


def of_an_ended_transfer(provider, consumer, agreement, end, protocol):
    pid = start_transfer(provider, consumer, agreement)
    theirs = field(consumer, "transferprocesses", pid, "correlationId")
    for what in ("started", "suspended"):
        refused = act(consumer, pid, "deprovision")
        tap.status(refused, 409, f"{protocol}: not of one that has {what}")
        tap.contains(refused.text, state(consumer, pid), "with its state")
        if what == "started":
            tap.status(act(consumer, pid, "suspend", reason="a pause"), 204, "suspended")
            wait_until(lambda: state(consumer, pid) == "SUSPENDED", 20, "SUSPENDED")
    tap.status(act(consumer, pid, "resume"), 204, "resumed")
    wait_until(lambda: state(consumer, pid) == "STARTED", 20, "STARTED")
    wait_until(lambda: state(provider, theirs) == "STARTED", 20, "STARTED at the provider")
    end(pid, theirs)
    wait_until(lambda: (state(consumer, pid), state(provider, theirs)) == (protocol, protocol), 20, f"{protocol} at both")
    before = field(consumer, "transferprocesses", pid, "stateTimestamp")

    tap.status(act(consumer, pid, "deprovision"), 204, f"{protocol}: deprovisioned")
    tap.equal(state(consumer, pid), "DEPROVISIONED", "the state says so")
    shown = consumer.edc.get(f"/v3/transferprocesses/{pid}").json
    tap.ok(shown["state"] == "DEPROVISIONED" and shown["stateTimestamp"] >= before, "the process too, with its time", shown)
    tap.ok(pid in found(consumer, "DEPROVISIONED") and pid in found(consumer, 1000), "it is found by this state, and its number")
    tap.ok(pid not in found(consumer, protocol), "not by the one before")
    history = consumer.edc.get(f"/v3/transferprocesses/{pid}/history").json["history"]
    tap.equal([h["state"] for h in history][-2:], [protocol, "DEPROVISIONED"], "its history has both")
    tap.equal(events(consumer, pid)[-2:], [protocol.lower(), "deprovisioned"], "its events too")
    tap.status(act(consumer, pid, "deprovision"), 409, "once")
    tap.equal(state(provider, theirs), protocol, "the provider knows nothing of it")
    seen = consumer.as_peer(provider.name).get(f"/transfers/{pid}")
    tap.equal((seen.status, seen.json["state"]), (200, protocol), "and reads the protocol's state")
    late = consumer.as_peer(provider.name).post(f"/transfers/{pid}/suspension", message("TransferSuspensionMessage", consumerPid=pid, providerPid=theirs))
    tap.status(late, 400, "a message that comes late finds it ended")
    tap.status(act(provider, theirs, "deprovision"), 204, "the provider deprovisions its own")
    consumer.restart()
    tap.equal((state(consumer, pid), events(consumer, pid).count("deprovisioned")), ("DEPROVISIONED", 1), "after a restart it is so")


def while_the_message_is_on_its_way(provider, consumer, agreement):
    """The end is decided, and the other party not yet there to hear it: deprovisioned right after."""
    pid = start_transfer(provider, consumer, agreement)
    provider.process.kill()
    tap.status(act(consumer, pid, "terminate", reason="over"), 204, "terminated while the provider is away")
    tap.equal(state(consumer, pid), "TERMINATING", "the message waits")
    tap.status(act(consumer, pid, "deprovision"), 204, "deprovisioned before it has left")
    tap.equal(state(consumer, pid), "DEPROVISIONING", "it will be")
    tap.status(act(consumer, pid, "deprovision"), 204, "asked for again: as in EDC")
    tap.equal(events(consumer, pid)[-1], "started", "nothing is told yet")
    consumer.restart()
    provider.restart(kill=False)
    wait_until(lambda: state(consumer, pid) == "DEPROVISIONED", 40, "DEPROVISIONED")
    tap.equal(events(consumer, pid)[-2:], ["terminated", "deprovisioned"], "told in order, once each")


def scenario():
    provider, consumer = pair()
    (provider.folder / "data.csv").write_text("a,b\n1,2\n")
    publish(provider, "data", {"type": "File", "path": str(provider.folder / "data.csv")})
    agreement, _ = buy(provider, consumer, "data")
    with tap.case("terminated"):
        of_an_ended_transfer(provider, consumer, agreement, lambda pid, _: act(consumer, pid, "terminate", reason="over"), "TERMINATED")
    with tap.case("completed"):
        of_an_ended_transfer(provider, consumer, agreement, lambda _, theirs: act(provider, theirs, "complete"), "COMPLETED")
    with tap.case("while the message is on its way"):
        while_the_message_is_on_its_way(provider, consumer, agreement)
    tap.status(act(consumer, "none", "deprovision"), 404, "of nothing")


main(scenario)
