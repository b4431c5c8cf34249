"""The id of an agreement is no secret: two members claim those of others, in every role, with receipts and an order of their own.

The true trades are reported, metered, matched, closed and verified offline as one that nobody meddled with.
"""

import json

from auditlog import Mirror, pull, verify
from auditworld import METERED, Trade, World, canonical, event_id, send
from databank import stamp
from harness import main, tap, temp_dir, wait_until

ROWS = {"currency": "KRW", "kind": "metered", "matching": {"rule": "lower", "tolerance_ppm": 0},
        "components": [{"type": "per_unit", "meter": "rows", "price": "1000000"}]}


class Claims:
    """A provider and a consumer who claim what is not theirs."""

    def __init__(self, world):
        self.world = world
        self.rogue, self.friend = (world.bank.member(slug) for slug in ("rogue", "friend"))
        self.dataset = 0

    def order(self, trade):
        """They trade with each other under the id of another's agreement."""
        self.dataset += 1
        own = Trade(self.world, self.rogue, self.friend, ROWS, None, f"own-{self.dataset}")
        for who, role, other in ((self.rogue, "provider", self.friend), (self.friend, "consumer", self.rogue)):
            answer = who.report(own.order, role, other, agreement=trade.agreement, agreed_at=stamp(self.world.begin), hash="cd" * 32)
            tap.status(answer, 200, f"two others trade under the id of an agreement, says the {role}")
        got = self.friend.client().get(f"/v1/orders/{own.id}").json["order"]
        tap.equal((got["state"], got["agreement"]), ("active", trade.agreement), "that is their affair")
        return own

    def name(self, who, role, trade, other):
        answer = who.report({"order": None, "asset": trade.order["asset"]}, role, other, agreement=trade.agreement,
                            agreed_at=stamp(self.world.begin))
        tap.status(answer, 200, f"a stranger says that it is the {role} of it")

    def send(self, who, lines):
        tap.equal(set(send(who, lines)) <= {"created", "duplicate"}, True, "and sends receipts under it")


def report(world, trade):
    for who, role, other in ((trade.provider, "provider", trade.consumer), (trade.consumer, "consumer", trade.provider)):
        answer = who.report(trade.order, role, other, agreement=trade.agreement, agreed_at=stamp(world.begin))
        tap.status(answer, 200, f"the true {role} reports")
    tap.equal(answer.json["state"], "active", "the true order is active")


def lines_of(world, trade):
    at = world.begin + 100
    pairs = [trade.use(at + i, rows=100 + i, bytes=7) for i in range(20)]
    pairs.append(trade.use(at + 30, rows=1000, consumer_rows=900))
    return [[pair[role] for pair in pairs] for role in ("provider", "consumer")]


def meter(trade, lines):
    for who, of_role, role in ((trade.provider, lines[0], "provider"), (trade.consumer, lines[1], "consumer")):
        tap.equal(set(send(who, of_role)), {"created"}, f"the receipts of the true {role} are accepted")


def changed(lines, **members):
    return [canonical({**json.loads(line), **members}) for line in lines]


def trades(world, claims):
    """Four trades alike: one left alone, the others claimed before and after, in each role."""
    mill, plant, rogue, friend = world.mill, world.plant, claims.rogue, claims.friend
    alone, first, named, later = (Trade(world, mill, plant, METERED, None, f"rows-{i}") for i in range(4))
    lines = {trade: lines_of(world, trade) for trade in (alone, first, named, later)}

    claims.order(first)
    claims.send(rogue, lines[first][0])  # the true provider's own bytes, before it sends them
    claims.send(friend, changed(lines[first][1], rows=1))
    claims.name(rogue, "consumer", named, mill)
    claims.name(friend, "provider", named, plant)
    claims.send(rogue, lines[named][1])
    claims.send(friend, changed(lines[named][0], rows=1000000))
    for trade in (alone, first, named, later):
        report(world, trade)
        meter(trade, lines[trade])
    claims.order(later)
    claims.send(rogue, changed(lines[later][0], rows=1000000))
    claims.send(friend, lines[later][1])
    claims.send(rogue, [canonical({**json.loads(line), "event": event_id((world.begin + 500 + i) * 1000), "since": stamp(world.begin + 500 + i),
                                   "until": stamp(world.begin + 500 + i), "seq": 500 + i}) for i, line in enumerate(lines[first][0])])
    return alone, first, named, later


def seen(company, trade):
    answer = company.client().get(f"/v1/usage?agreement={trade.agreement}")
    assert answer.status == 200, answer.text
    strip = ("event", "since")
    return ({k: v for k, v in answer.json.items() if k not in ("agreement", "events")},
            [{k: v for k, v in e.items() if k not in strip} for e in answer.json["events"]])


def usage(world, claims, alone, others):
    for trade in others:
        for company in (world.mill, world.plant):
            tap.equal(seen(company, trade), seen(company, alone), f"the {company.slug} sees the use that it would see without the claims")
    items = {i["agreement"]: i for i in world.mill.client().get("/v1/usage").json["items"]}
    tap.equal([(items[t.agreement]["provider_events"], items[t.agreement]["consumer_events"], items[t.agreement]["consumer"]) for t in others],
              [(21, 21, world.plant.did)] * len(others), "and the same sums")
    theirs = claims.rogue.client().get(f"/v1/usage?agreement={others[0].agreement}").json
    tap.equal((theirs["provider"], theirs["consumer"]), (claims.rogue.did, claims.friend.did), "the claimants see what they said to each other")
    tap.status(world.parts.client().get(f"/v1/usage?agreement={others[0].agreement}"), 404, "a third sees nothing")
    answer = world.auditor.get(f"/v1/usage?agreement={others[0].agreement}")
    tap.equal((answer.status, answer.json["at"]), (409, "?participant"), "an auditor must name a party")
    answer = world.auditor.get(f"/v1/usage?agreement={others[0].agreement}&participant={world.mill.id}")
    tap.equal(answer.json["provider"], world.mill.did, "and then sees its trade")
    pages, after = [], ""
    while after is not None:
        page = world.auditor.get(f"/v1/usage?limit=2{after}").json
        pages += [(i["agreement"], i["provider"], i["consumer"]) for i in page["items"]]
        after = f"&after={page['next']}" if "next" in page else None
    tap.equal((len(pages), len(set(pages))), (8, 8), "page by page, each of them once")


def closed(world, claims, alone, others):
    world.close("first", world.begin - 60, world.end)
    documents = world.bank.entries("document.issued")
    sections = {s["order"]: s for d in documents if d["document_kind"] == "invoice" for s in d["body"]["orders"]}
    want = sections[alone.id]
    tap.ok(int(want["rating"]["total"]) > 0 and want["usage"]["events"] == 21, "the trade that was left alone is billed", want)
    for trade in others:
        got = sections[trade.id]
        tap.equal((got["usage"], got["rating"]), (want["usage"], want["rating"]), "a claimed one is billed alike")
    tap.equal({d["body"]["orders"][0]["provider"] for d in documents if d["participant"] == world.plant.id}, {world.mill.id},
              "the true consumer pays nobody else")
    paid = {p["participant"] for p in world.bank.entries("payout.ordered")}
    own = {s["consumer"] for s in sections.values() if s["provider"] == claims.rogue.id}
    tap.equal((world.mill.id in paid, own), (True, {claims.friend.id}), "the claimants bill each other, and nobody else")


def verified(world, folder):
    wait_until(world.sealed, 10, "everything is sealed")
    mirror = Mirror(folder / "mirror")
    status, said = pull(mirror.folder, world.bank.url, world.bank.authority.ca, world.token_file)
    tap.equal(status, 0, "the log is pulled")
    verdict = verify(mirror.folder)
    tap.ok(verdict.status == 0 and verdict.report["findings_count"] == 0, "and verified without findings", verdict)
    tap.equal(verdict.report["receipts"], int(world.bank.value("SELECT count(*) FROM met.receipt")), "with all receipts")


def scenario():
    world = World()
    world.join()
    claims = Claims(world)
    alone, *others = trades(world, claims)
    usage(world, claims, alone, others)
    closed(world, claims, alone, others)
    verified(world, temp_dir("claims-"))


main(scenario)
