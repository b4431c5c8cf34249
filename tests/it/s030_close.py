"""Closing a period: amounts against an independent computation, once, late use, cut off and done again."""

import json
import subprocess
import time
import xml.etree.ElementTree as ET
from datetime import datetime, timedelta, timezone
from fractions import Fraction

from harness import environment, main, tap, wait_until
from market import DID, OPERATOR, US, ZERO, Company, Market, Order, canonical, derive, micros, sha256, stamp

KOREA = timezone(timedelta(hours=9))
ONE_OFF = {"currency": "KRW", "kind": "one_off", "vat_ppm": 100000, "fee_ppm": 35000,
           "components": [{"type": "one_off", "amount": "50005"}]}
SUBSCRIPTION = {"currency": "KRW", "kind": "subscription", "vat_ppm": 100000, "fee_ppm": 50000,
                "components": [{"type": "subscription", "amount": "300000", "period": "month", "prorate": True}]}
METERED = {"currency": "KRW", "kind": "metered", "vat_ppm": 100000, "fee_ppm": 35000, "matching": {"rule": "lower", "tolerance_ppm": 10000},
           "rounding": {"mode": "half-up", "per": "line"},
           "components": [{"type": "per_unit", "meter": "rows", "unit": 1000, "model": "graduated",
                           "tiers": [{"up_to": 1000, "price": "1250000333"}, {"price": "900000777"}]},
                          {"type": "per_unit", "meter": "calls", "price": "1250000"}]}
COSTLY = {"currency": "KRW", "kind": "metered", "vat_ppm": 100000, "fee_ppm": 0,
          "components": [{"type": "per_unit", "meter": "calls", "price": "400000000000"}]}
ABSURD = {"currency": "KRW", "kind": "metered", "components": [{"type": "per_unit", "meter": "calls", "price": "9000000000000000000"}]}
FREE = {"currency": "KRW", "kind": "free", "components": [{"type": "free"}]}


# -- an independent computation -----------------------------------------------------------------------------------------
def half_even(x):
    return round(x)  # of a Fraction: ties to even


def half_up(x):
    return int(x + Fraction(1, 2)) if x >= 0 else -int(-x + Fraction(1, 2))


class Sum:
    """What one order costs in one period."""

    def __init__(self, exact, plan, rounding=half_even):
        """exact: value of each line."""
        self.lines = [rounding(x) for x in exact]
        vat = Fraction(plan.get("vat_ppm", 0), 10**6)
        fee = Fraction(plan.get("fee_ppm", 0), 10**6)
        self.subtotal = sum(self.lines)
        self.vat = sum(rounding(x * vat) for x in self.lines)
        self.total = self.subtotal + self.vat
        self.fee = rounding(self.subtotal * fee)
        self.fee_vat = rounding(self.fee * vat)
        self.payout = self.total - self.fee - self.fee_vat


def metered(rows, calls):
    below, above = min(rows, 1000), max(rows - 1000, 0)
    exact = [Fraction(below * 1250000333, 1000 * 10**6)]
    if rows > 1000:
        exact.append(Fraction(above * 900000777, 1000 * 10**6))
    return Sum(exact + [Fraction(calls * 1250000, 10**6)], METERED, half_up)


def month(back):
    """(name, from, to) of a calendar month in Korea."""
    first = datetime.now(KOREA).replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    for _ in range(back):
        first = (first - timedelta(days=1)).replace(day=1)
    end = (first + timedelta(days=32)).replace(day=1)
    return first.strftime("%Y-%m"), *(stamp(int(t.timestamp()) * US) for t in (first, end))


def after(text, **delta):
    return stamp(micros(text) + int(timedelta(**delta).total_seconds() * US))


# -- a market with two months -------------------------------------------------------------------------------------------
class World:
    def __init__(self):
        self.market = market = Market(settings={"credit.limit": "1000000"})
        self.mill, self.plant, self.parts = (Company(market, name) for name in ("mill", "plant", "parts"))
        self.stranger = Company(market, "stranger")
        self.first, self.second = month(2), month(1)
        begin = self.first[1]
        self.one_off = Order(market, self.mill, self.plant, ONE_OFF, after(begin, days=1), hold=60000)
        self.rent = Order(market, self.mill, self.plant, SUBSCRIPTION, after(begin, days=9, hours=12), hold=330000)
        self.mill.end(self.rent, after(self.second[1], days=3))
        self.rows = Order(market, self.plant, self.parts, METERED, begin)
        self.costly = Order(market, self.mill, self.parts, COSTLY, begin)
        self.free = Order(market, self.parts, self.mill, FREE, begin, hold=1000)
        self.absurd = Order(market, self.mill, self.parts, ABSURD, begin)
        self.vast = Order(market, self.mill, self.parts, {**METERED, "fee_ppm": 1}, begin)
        self.pending = Order(market, self.mill, self.parts, ONE_OFF, after(self.second[2], hours=1))  # not active yet
        self.send_use()

    def send_use(self):
        begin = self.first[1]
        pairs = [self.rows.use(after(begin, hours=i), calls=1, rows=100 + i) for i in range(20)]
        self.used_rows, self.used_calls = sum(100 + i for i in range(20)), 20
        pairs.append(self.rows.use(after(begin, days=2), rows=1000, consumer_rows=995))  # within the tolerance
        pairs.append(self.rows.use(after(begin, days=3), rows=1000, consumer_rows=900))  # a dispute of 100
        self.used_rows += 995 + 900
        self.used_calls += 2
        late = self.rows.use(after(begin, days=4), rows=50)  # the consumer's report comes after the close
        pairs.append((late[0], None))
        self.late = late[1]
        pairs.append(self.rows.use(after(self.second[1], days=1), rows=7))  # of the next month
        both(pairs, self.plant, self.parts)
        both([self.costly.use(after(begin, days=5), calls=3), self.absurd.use(after(begin, days=7), calls=5),
              *(self.vast.use(after(begin, days=8 + i), rows=2**62) for i in range(2))], self.mill, self.parts)
        both([self.free.use(after(begin, days=6), calls=1, bytes=1000)], self.parts, self.mill)

    def close(self, name, body=None):
        return self.market.operator().post(f"/v1/periods/{name}/close", json=body)


def both(pairs, provider, consumer):
    for who, lines in ((provider, [p for p, _ in pairs if p]), (consumer, [c for _, c in pairs if c])):
        answer = who.send(lines)
        if {line["result"] for line in answer.json["lines"]} != {"created"}:
            raise RuntimeError(answer.text)


def days_of(world, from_, to):
    """Share of the month that is paid for, exactly."""
    name, first, end = world
    return Fraction(micros(to) - micros(from_), micros(end) - micros(first))


def expected(world):
    """Sums per order: first and second month."""
    rent_from = after(world.first[1], days=9, hours=12)
    first = {
        world.one_off.id: Sum([Fraction(50005)], ONE_OFF),
        world.rent.id: Sum([300000 * days_of(world.first, rent_from, world.first[2])], SUBSCRIPTION),
        world.rows.id: metered(world.used_rows, world.used_calls),
        world.costly.id: Sum([Fraction(3 * 400000)], COSTLY),
        world.free.id: Sum([Fraction(0)], FREE),
    }
    second = {
        world.rent.id: Sum([300000 * days_of(world.second, world.second[1], after(world.second[1], days=3))], SUBSCRIPTION),
        world.rows.id: metered(50 + 7, 2),
        world.costly.id: Sum([Fraction(0)], COSTLY),
        world.free.id: Sum([Fraction(0)], FREE),
    }
    return first, second


def scenario():
    world = World()
    refusals(world)
    cut_off(world)
    first_month(world)
    second_month(world)
    files(world)
    whole_log(world)


def refusals(world):
    now = stamp(time.time_ns() // 1000 // US * US)
    tap.status(world.close("nonsense"), 400, "a period needs a month or a range")
    tap.status(world.close("a/b".replace("/", "%2F")), 400, "a name has letters, digits and hyphens")
    tap.status(world.close("x", {"from": now, "to": world.first[1]}), 400, "a range that ends before it begins")
    tap.status(world.close("x", {"from": world.first[1], "to": after(now, hours=1)}), 409, "a range that has not ended")
    tap.status(world.close(datetime.now(KOREA).strftime("%Y-%m")), 409, "a month that has not ended")
    tap.status(world.close(world.first[0], {"from": world.first[1], "to": now}), 400, "a month with another range")
    tap.status(world.market.client({"Authorization": f"Bearer {OPERATOR}"}).post(f"/v1/periods/{world.first[0]}/close"), 404,
               "the API listener does not close periods")
    tap.equal(world.market.value("SELECT count(*) FROM bil.period"), "0", "nothing was closed")


def cut_off(world):
    """The broker is killed while the close waits at one table after the other."""
    market = world.market
    for table in ("bil.period", "bil.billed_event", "bil.document", "bil.payout", "bil.billed_order", "led.transfer"):
        psql = subprocess.Popen([market.pg.bin / "psql", "-X", "-q", "-h", market.pg.folder, "-p", str(market.pg.port), "-U", "naru", "-d",
                                 "broker"], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True, env=environment())
        psql.stdin.write(f"BEGIN; LOCK TABLE {table} IN EXCLUSIVE MODE;\n")
        psql.stdin.flush()
        wait_until(lambda: market.value("SELECT count(*) FROM pg_locks WHERE mode = 'ExclusiveLock' AND relation = "
                                        f"'{table}'::regclass AND granted") == "1", 10, f"{table} is locked")
        request = subprocess.Popen(["curl", "-s", "-o", "/dev/null", "-X", "POST", "-H", f"Authorization: Bearer {OPERATOR}",
                                    f"http://127.0.0.1:{market.operator_port}/v1/periods/{world.first[0]}/close"])
        wait_until(lambda: market.value("SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = "
                                        f"'{table}'::regclass") == "1", 10, f"the close waits for {table}")
        market.broker.kill()
        psql.stdin.close()
        psql.wait()
        request.wait()
        market.broker.begin()
        market.wait()
        wait_until(lambda: market.value("SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'") == "0", 10, "no one waits")
    tap.equal([market.value(f"SELECT count(*) FROM {t}") for t in ("bil.period", "bil.document", "bil.billed_event", "bil.payout")], ["0"] * 4,
              "a close that was cut off six times has left nothing")


def check_orders(world, documents, sums, what):
    """Each order's amounts in every document that holds it."""
    bad = []
    seen = set()
    for listed in documents:
        whole = world.market.operator().get(f"/v1/documents/{listed['document']}").json
        for part in whole["orders"]:
            want, rating = sums[part["order"]], part["rating"]
            seen.add((listed["kind"], part["order"]))
            got = [rating[k] for k in ("subtotal", "vat", "total", "fee", "fee_vat", "payout")]
            if got != [str(v) for v in (want.subtotal, want.vat, want.total, want.fee, want.fee_vat, want.payout)]:
                bad.append((part["order"], got, vars(want)))
            if [line["amount"] for line in rating["lines"]] != [str(v) for v in want.lines]:
                bad.append((part["order"], rating["lines"], want.lines))
        total = sum(int(part["rating"]["payout" if listed["kind"] == "statement" else "total"]) for part in whole["orders"])
        if str(total) != whole["payout" if listed["kind"] == "statement" else "total"]:
            bad.append((listed["number"], "sum"))
    tap.equal(bad, [], f"{what}: every amount is the computed one")
    tap.equal(seen, {(kind, order) for order in sums for kind in ("invoice", "statement")},
              f"{what}: each order stands in one invoice and one statement")


def first_month(world):
    market = world.market
    sums = expected(world)[0]
    answer = world.close(world.first[0])
    tap.status(answer, 200, "the month is closed")
    documents = answer.json["documents"]
    tap.equal(sorted(d["number"] for d in documents), [f"{k}-{world.first[0]}-{n:05d}" for k in "IS" for n in (1, 2, 3)],
              "three invoices and three statements, numbered through")
    period = derive("period", world.first[0], f"{world.first[1]}/{world.first[2]}")
    tap.equal({d["document"] for d in documents},
              {derive(kind, period, f"{who.id}/KRW/1") for kind, parties in (("invoice", (world.plant, world.parts, world.mill)),
                                                                              ("statement", (world.mill, world.plant, world.parts)))
               for who in parties}, "their ids follow from period and party")
    check_orders(world, documents, sums, "first month")
    tap.equal({u["order"] for u in answer.json["not_billed"]}, {world.absurd.id, world.vast.id},
              "orders whose amounts don't fit are named, and don't hold up the others")
    again = world.close(world.first[0])
    tap.equal((again.status, again.body), (200, answer.body), "a second close answers the same")
    tap.status(world.close("other", {"from": world.first[1], "to": world.first[2]}), 409, "a range that was closed under another name")
    ledger(world, sums, "first month")
    tap.equal(market.balance(world.parts.id, "excess"), sums[world.rows.id].total + sums[world.costly.id].total - 1000000,
              "what is owed beyond the credit limit is posted apart")
    tap.equal(market.value("SELECT count(*) FROM led.transfer WHERE kind = 'capture'"), "2", "two holds were captured")
    tap.equal(market.value("SELECT count(*) FROM led.transfer WHERE kind = 'void'"), "1", "the hold of the free order was released")
    tap.equal(market.value("SELECT sum(debits_pending) FROM led.balance"), "0", "nothing is held any more")
    world.documents = documents


def ledger(world, sums, what):
    """Balances against the sums of all months so far."""
    market = world.market
    orders = {o.id: o for o in (world.one_off, world.rent, world.rows, world.costly, world.free)}
    owed, due, fee, vat = {}, {}, 0, 0
    for order, s in sums.items():
        owed[orders[order].consumer.id] = owed.get(orders[order].consumer.id, 0) + s.total
        due[orders[order].provider.id] = due.get(orders[order].provider.id, 0) + s.payout
        fee, vat = fee + s.fee, vat + s.fee_vat
    got = {who: market.balance(who, "receivable") + (market.balance(who, "excess") or 0) for who in owed}
    tap.equal(got, owed, f"{what}: consumers owe their invoices")
    tap.equal({who: -market.balance(who, "payable") for who in due}, due, f"{what}: providers are owed their payouts")
    tap.equal((-market.balance(ZERO, "fee"), -market.balance(ZERO, "vat")), (fee, vat), f"{what}: fee and its VAT")
    tap.equal((market.balance(ZERO, "clearing"), market.balance(ZERO, "clearing", "KRW/6") + market.balance(ZERO, "rounding", "KRW/6")), (0, 0),
              f"{what}: clearing is empty")
    trial = market.operator().get("/v1/ledger/trial-balance").json
    tap.equal([(c["currency"], c["balanced"]) for c in trial["currencies"]], [("KRW", True), ("KRW/6", True)],
              f"{what}: the trial balance is balanced")


def second_month(world):
    market = world.market
    first, sums = expected(world)
    answer = world.parts.send([world.late])
    tap.equal([line["result"] for line in answer.json["lines"]], ["created"], "the consumer reports an event of the closed month")
    answer = world.close(world.second[0])
    tap.status(answer, 200, "the next month is closed")
    check_orders(world, answer.json["documents"], sums, "second month")
    part = [p for d in answer.json["documents"] if d["kind"] == "invoice"
            for p in market.operator().get(f"/v1/documents/{d['document']}").json["orders"] if p["order"] == world.rows.id][0]
    tap.equal((part["usage"]["events"], part["usage"]["rows"], part["usage"]["first_period"]), (2, 57, False),
              "late use is billed here, once")
    tap.equal(market.value("SELECT count(*) - count(DISTINCT event_id) FROM bil.billed_event"), "0", "no event is billed twice")
    together = {k: first.get(k) for k in first}
    total = dict(together)
    for order, s in sums.items():
        merged = Sum([], FREE)
        for name in ("total", "payout", "fee", "fee_vat"):
            setattr(merged, name, getattr(s, name) + getattr(first[order], name))
        total[order] = merged
    ledger(world, total, "second month")
    tap.status(world.close("older", {"from": after(world.first[1], days=-40), "to": world.first[1]}), 409, "an older range is too late")
    residue = sum(part["rating"]["residue_micro"] for d in market.operator().get("/v1/documents?kind=invoice&limit=1000").json["items"]
                  for part in market.operator().get(f"/v1/documents/{d['document']}").json["orders"])
    tap.ok(residue != 0, "something was left by rounding")
    tap.equal(market.balance(ZERO, "rounding", "KRW/6"), residue, "and is posted in millionths")
    used = world.plant.client().get(f"/v1/usage?agreement={world.rows.agreement}").json
    open_ = world.mill.client().get(f"/v1/usage?agreement={world.vast.agreement}").json["events"]
    tap.equal([(e["state"], "billed_in" in e) for e in open_], [("matched", False)] * 2, "events of an order that cannot be billed stay open")
    tap.equal([sum(e.get("billed_in") == name for e in used["events"]) for name in (world.first[0], world.second[0])], [22, 2],
              "usage names the period that billed each event")


def files(world):
    market = world.market
    mine = world.plant.client().get("/v1/documents").json["items"]
    tap.equal({d["participant"] for d in mine}, {world.plant.id}, "a company sees its own documents")
    other = [d for d in world.documents if d["participant"] != world.plant.id][0]["document"]
    tap.status(world.plant.client().get(f"/v1/documents/{other}"), 404, "and no others'")
    tap.equal(world.stranger.client().get("/v1/documents").json["items"], [], "a stranger has none")
    page = world.plant.client().get(f"/v1/documents/{mine[0]['document']}", headers={"Accept": "text/html,*/*;q=0.8"})
    tap.status(page, 200, "a document as a page")
    tap.contains(page.headers["Content-Type"], "text/html", "is HTML")
    tap.contains(page.text, "회사 plant &lt;&amp;&gt;", "names are escaped")
    tap.ok("<b>" not in page.text and "<script" not in page.text, "titles too, and there is no script")
    market.token("auditor-token", "auditor")
    auditor = market.client({"Authorization": "Bearer auditor-token"})
    tap.equal(len(auditor.get("/v1/documents?limit=1000").json["items"]), int(market.value("SELECT count(*) FROM bil.document")),
              "the auditor sees all")
    tap.status(auditor.get("/v1/ledger/trial-balance"), 200, "and the trial balance")
    tap.status(world.plant.client().get("/v1/ledger/trial-balance"), 403, "which a company does not")
    accounts = auditor.get(f"/v1/ledger/accounts?owner={world.parts.id}").json["items"]
    tap.equal({a["code"]: a["balance"] for a in accounts}["receivable"], "1000000", "accounts of a company")
    payments(world)


def payments(world):
    market = world.market
    answer = market.operator().get(f"/v1/periods/{world.first[0]}/payments")
    tap.status(answer, 200, "the payment file")
    space = {"p": "urn:iso:std:iso:20022:tech:xsd:pain.001.001.09"}
    root = ET.fromstring(answer.body)
    transfers = root.findall(".//p:CdtTrfTxInf", space)
    paid = {t.find(".//p:EndToEndId", space).text: (t.find(".//p:InstdAmt", space).text, t.find(".//p:InstdAmt", space).get("Ccy"))
            for t in transfers}
    want = {row[0].replace("-", ""): (row[1], "KRW") for row in market.sql(
        "SELECT payout_id, amount_minor FROM bil.payout JOIN bil.period USING (period_id) WHERE name = " + f"'{world.first[0]}'")}
    tap.equal(paid, want, "holds every payout with its id and amount")
    tap.equal({t.text for t in root.findall(".//p:CtrlSum", space)}, {str(sum(int(v[0]) for v in want.values()))}, "control sums")
    tap.equal({t.text for t in root.findall(".//p:NbOfTxs", space)}, {str(len(want))}, "numbers of transfers")
    tap.ok(all(len(i) <= 35 for i in paid) and len(root.find(".//p:MsgId", space).text) <= 35, "ids have at most 35 characters")
    tap.equal(root.find(".//p:DbtrAcct//p:Id/p:Othr/p:Id", space).text, "110-123-456789", "the account that pays")
    tap.status(market.operator().get("/v1/periods/1999-01/payments"), 404, "a period that was not closed has none")


def whole_log(world):
    """What the offline verifier needs is in the log: the ledger can be replayed from it, and documents stand in it whole."""
    market = world.market
    side = {}
    for t in market.entries("transfer.posted"):
        if t["transfer_kind"] in ("normal", "capture"):
            side[t["debit"]] = side.get(t["debit"], 0) + t["amount_minor"]
            side[t["credit"]] = side.get(t["credit"], 0) - t["amount_minor"]
    stored = {row[0]: int(row[1]) for row in market.sql("SELECT account_id, debits_posted - credits_posted FROM led.balance")}
    tap.equal({k: v for k, v in side.items() if v}, {k: v for k, v in stored.items() if v}, "replayed postings give the balances")
    bodies = {e["document"]: e["body"] for e in market.entries("document.issued")}
    same = all(canonical(bodies[row[0]]) == row[1] and bodies[row[0]]["parties_hash"] == "sha256:" + sha256(row[2]).hex()
               for row in market.sql("SELECT document_id, body, parties FROM bil.document"))
    tap.ok(bodies and same, "document bodies in the log are those of the documents")
    tap.ok("회사" not in json.dumps(list(bodies.values()), ensure_ascii=False) and "mill-number" not in json.dumps(list(bodies.values())),
           "names and numbers of companies are not in the log")
    tap.equal(len(market.entries("event.billed")), int(market.value("SELECT count(*) FROM bil.billed_event")), "one entry per billed event")
    tap.equal([e["name"] for e in market.entries("period.closed")], [world.first[0], world.second[0]], "and one per closed period")
    tap.equal(bodies[world.documents[0]["document"]]["issuer"], DID, "documents name their issuer")


main(scenario)
