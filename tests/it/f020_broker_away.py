"""The data bank is away during a trade: an order that exists is negotiated, delivered and counted all the same; the receipts
arrive when it is back, each once, and what follows from them too.
"""

import importlib.util
import sys

from harness import BIN, ROOT, main, tap, temp_dir

sys.path.insert(0, str(ROOT / "tools" / "demo"))
from world import World, wait_until  # noqa: E402


def load_fault():
    """The fault campaign's way to trade through the connectors' own APIs."""
    spec = importlib.util.spec_from_file_location("fault", ROOT / "tests" / "fault" / "run.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def receipts(fault, company):
    """(event, answer) of everything that the company has counted."""
    return dict(fault.rows(company, "SELECT event_id, answer FROM receipt"))


def stored(world, role):
    return int(world.postgres.sql(f"SELECT count(*) FROM met.receipt WHERE role = '{role}'"))


def check_away(fault, world, trades, how):
    """Trades whose orders are placed go on to the data while the broker is away; returns their agreements."""
    for trade in trades:
        trade.place_order()
    companies = _, buyer = list(world.companies.values())
    counted = [len(receipts(fault, c)) for c in companies]
    how(world.broker)
    agreements = []
    for n, trade in enumerate(trades):
        agreements.append(trade.negotiate())
        trade.pull(agreements[-1])
        if n == 0:
            trade.pull(agreements[-1])
            tap.ok(True, "with the broker away an order is negotiated, and its data pulled twice")
    for company in companies:
        company.connector.kill()
        company.connector.start()
    for company, before in zip(companies, counted):
        now = receipts(fault, company)
        tap.equal(len(now) - before, len(trades) + 1, f"the {company.slug} has counted each pull, also when it was killed since")
        tap.equal(sum(answer is None for answer in now.values()), len(trades) + 1, "and waits for the broker's answers")
    done = world.naru("search", "rows", home=buyer.home, check=False)
    tap.equal(done.returncode, 3, "who asks the data bank itself is told that it is away")
    ready, _ = buyer.manage("GET", "/readyz")
    tap.equal(ready, 200, "the connectors are ready all the same")

    world.broker.start()
    fault.settle(world, [t.order for t in trades])
    events = [receipts(fault, c) for c in companies]
    tap.equal(set(events[0]), set(events[1]), "both sides have counted the same events")
    for company, role, own in zip(companies, ("provider", "consumer"), events):
        tap.equal(set(own.values()), {"created"}, f"back again, the broker has taken each receipt of the {company.slug}")
        tap.equal(stored(world, role), len(own), "once")
    for agreement in agreements:
        usage = wait_until(lambda a=agreement: (u := buyer.naru("usage", a))["events"] and all(e["state"] == "matched" for e in u["events"]) and u,
                           30, "usage")
        tap.ok(usage["events"] and all(e["rows"] == 200 for e in usage["events"]), "the meters match")
    return agreements


def scenario():
    fault = load_fault()
    world = World(BIN, folder=temp_dir(), companies=2, durable=False)
    try:
        dataset, digest = fault.prepare(world)
        seen = set()
        trades = [fault.Trade(world, dataset, dataset["plans"][0], digest, seen) for _ in range(4)]
        agreements = check_away(fault, world, trades[:2], lambda broker: broker.stop())
        agreements += check_away(fault, world, trades[2:], lambda broker: broker.kill())
        tap.equal(fault.examine(world, agreements), [], "agreements, receipts, ledger and log are in order")
    except Exception:
        for program in world.programs():
            tap.note(program.tail(20))
        for company in world.companies.values():
            tap.note("\n".join(str(row) for row in fault.rows(company, "SELECT event_id, line FROM receipt ORDER BY event_id")))
        raise
    finally:
        codes = world.stop()
    tap.equal({k: v for k, v in codes.items() if v != 0}, {}, "all programs stop cleanly")


main(scenario)
