"""Orders: quotes, holds within the credit limit, idempotency, both reports of an agreement, delivery to both connectors."""

import json
import threading
import time
import uuid
from concurrent.futures import ThreadPoolExecutor

from databank import DataBank, Server, canonical, parts, sha256, stamp, verifies
from harness import main, tap, wait_until

FREE = {"currency": "KRW", "kind": "free", "components": [{"type": "free"}]}
ONCE = {"currency": "KRW", "kind": "one_off", "vat_ppm": 100000, "components": [{"type": "one_off", "amount": "200000"}]}
ROWS = {"currency": "KRW", "kind": "metered", "vat_ppm": 100000, "components": [
    {"type": "per_unit", "meter": "rows", "price": "500000"}, {"type": "minimum", "amount": "1000"}],
    "matching": {"rule": "both", "tolerance_ppm": 500}}
DEAR = {"currency": "KRW", "kind": "one_off", "components": [{"type": "one_off", "amount": "1000001"}]}


def plan_hash(plan):
    return sha256(canonical(plan))


class Connector:
    """A company's connector as the data bank sees it: takes orders, or does not."""

    def __init__(self, bank):
        self.bank, self.lock = bank, threading.Lock()
        self.server = Server(bank.authority, bank.certificate, self.answer)
        self.came, self.statuses = [], []

    def answer(self, method, path, headers, body):
        if (method, path) != ("POST", "/exchange/v1/orders"):
            return 404, {}
        with self.lock:
            status = self.statuses.pop(0) if self.statuses else 204
            self.came.append((status, headers["Authorization"], json.loads(body)["order"]))
        return status, b""

    def taken(self):
        """Payloads of the orders that were answered with 204."""
        with self.lock:
            return [parts(order)[1] for status, _, order in self.came if status == 204]

    def states(self, order):
        return [o["state"] for o in self.taken() if o["order"] == order]


def scenario():
    bank = DataBank()
    connectors = [Connector(bank) for _ in range(2)]
    steel, buyer = (bank.member(slug, connector_url=c.server.url) for slug, c in zip(("steel", "parts"), connectors))
    other = bank.member("other")
    datasets = {name: steel.publish(name, [plan]) for name, plan in (("free", FREE), ("once", ONCE), ("rows", ROWS), ("dear", DEAR))}
    datasets["dollars"] = steel.publish("dollars", [{**ONCE, "currency": "USD", "components": [{"type": "one_off", "amount": "1.00"}]}])

    quotes(buyer, steel, datasets)
    first = ordered(bank, steel, buyer, other, datasets)
    delivered(bank, steel, buyer, connectors, first)
    idempotent(bank, buyer, other, datasets)
    refused(bank, steel, buyer, datasets)
    limit(bank, buyer, datasets)
    cancelled(bank, steel, buyer, other, datasets, first, connectors)
    agreed(bank, steel, buyer, other, datasets, connectors)
    disputed(bank, steel, buyer, datasets)
    ill_reported(bank, steel, buyer, other, datasets)
    without_order(bank, steel, buyer)
    listed(bank, steel, buyer, other)
    claimed(bank, steel, buyer, other, datasets)
    stubborn(bank, buyer, datasets, connectors)
    expired(bank, buyer, datasets, connectors)
    overdue(bank, steel, buyer, datasets, connectors)
    ended(bank, steel, buyer, datasets, connectors)
    ended_early(bank, steel, buyer, other, datasets, connectors)
    forgotten(bank, buyer, datasets)
    whole(bank, connectors)


def wanted(dataset, plan, purpose="research", **more):
    return {"dataset": dataset, "plan": plan_hash(plan), "purpose": purpose, **more}


def place(buyer, dataset, plan, **more):
    answer = buyer.client().post("/v1/orders", wanted(dataset, plan, **more))
    assert answer.status == 201, answer.text
    return answer.json


def held(bank, company):
    """What is held on the company's receivable account; 0 without account."""
    rows = bank.sql("SELECT b.debits_pending FROM led.balance b JOIN led.account a USING (account_id)"
                    f" WHERE a.owner_id = '{company.id}' AND a.code = 'receivable' AND a.currency = 'KRW'")
    return int(rows[0][0]) if rows else 0


def waiting(bank):
    """Messages for connectors that run."""
    return int(bank.value("SELECT count(*) FROM sys.outbox WHERE audience NOT LIKE '%:other'"))


def everything(bank):
    """Counts that a refused call must leave alone."""
    return bank.sql("SELECT (SELECT count(*) FROM ord.purchase), (SELECT count(*) FROM led.transfer), (SELECT count(*) FROM led.account),"
                    " (SELECT count(*) FROM ord.agreement_report), (SELECT count(*) FROM sys.idempotency),"
                    " (SELECT count(*) FROM aud.entry) + (SELECT count(*) FROM aud.pending)")


def quotes(buyer, steel, datasets):
    client = buyer.client()
    for name, plan, hold in (("free", FREE, "0"), ("once", ONCE, "220000"), ("rows", ROWS, "1100")):
        answer = client.post("/v1/quotes", {"dataset": datasets[name], "plan": plan_hash(plan)})
        tap.equal((answer.status, answer.json.get("hold"), answer.json.get("currency")), (200, hold, "KRW"), f"a quote: {name}")
    tap.status(client.post("/v1/quotes", {"dataset": datasets["once"], "plan": plan_hash(ROWS)}), 400, "a plan of another dataset")
    tap.status(client.post("/v1/quotes", {"dataset": str(uuid.uuid4()), "plan": plan_hash(ROWS)}), 404, "an unknown dataset")
    tap.status(steel.client().post("/v1/quotes", {"dataset": datasets["once"], "plan": plan_hash(ONCE)}), 400, "one's own dataset")


def ordered(bank, steel, buyer, other, datasets):
    before = len(bank.entries("order.changed"))
    answer = buyer.client().post("/v1/orders", wanted(datasets["once"], ONCE, "탄소 연구"))
    tap.status(answer, 201, "an order")
    got = answer.json
    header, order, _ = parts(got["document"])
    tap.equal((header["typ"], header["kid"]), ("naru-order+jws", f"{bank.did}#key-1"), "its document is an order of the data bank")
    tap.ok(verifies(got["document"], bank.key.jwk, bank.folder), "signed by its key")
    tap.equal(order, got["order"], "what is shown is what is signed")
    tap.equal({k: order[k] for k in ("version", "state", "dataset", "asset", "dataset_version", "provider", "consumer", "plan", "purpose",
                                     "endpoint", "matching")},
              {"version": 1, "state": "open", "dataset": datasets["once"], "asset": "once", "dataset_version": 1, "provider": steel.did,
               "consumer": buyer.did, "plan": plan_hash(ONCE), "purpose": "탄소 연구", "endpoint": f"{steel.connector_url}/dsp/2025-1",
               "matching": {"rule": "lower", "tolerance_ppm": 0}}, "what it says")
    tap.ok("agreement" not in order and order["valid_until"] > stamp(time.time() + 6 * 86400), "open for a week")
    tap.equal((got["hold_minor"], held(bank, buyer)), (220000, 220000), "its price is held")
    entry = bank.entries("order.changed")[before]
    tap.equal((entry["order"], entry["state"], entry["hold_minor"], entry["purpose_hash"]),
              (order["order"], "open", 220000, sha256(f"{order['order']}\n탄소 연구")), "the log has it, the purpose as a hash")
    for company, status in ((buyer, 200), (steel, 200), (other, 404)):
        tap.status(company.client().get(f"/v1/orders/{order['order']}"), status, f"the order, for {company.slug}")
    tap.status(bank.api().get(f"/v1/orders/{order['order']}"), 401, "the order, for nobody")
    return got


def delivered(bank, steel, buyer, connectors, first):
    order = first["order"]["order"]
    tap.equal(waiting(bank), 2, "both connectors are away: two messages wait")
    for connector in connectors:
        connector.server.start()
    for company, connector in zip((steel, buyer), connectors):
        wait_until(lambda c=connector: c.states(order) == ["open"], 30, "the order arrives")
        _, token, document = connector.came[0]
        header, claims, _ = parts(token.removeprefix("Bearer "))
        tap.equal((document, header["kid"], claims["iss"], claims["sub"], claims["aud"]),
                  (first["document"], f"{bank.did}#key-1", bank.did, bank.did, company.did),
                  f"the connector of {company.slug} is up: it gets the document, with a token for it")
        tap.ok(verifies(token.removeprefix("Bearer "), bank.key.jwk, bank.folder) and claims["exp"] - claims["iat"] <= 300,
               "that the data bank signed, for five minutes at most")
    wait_until(lambda: waiting(bank) == 0, 10, "nothing waits any more")


def idempotent(bank, buyer, other, datasets):
    body, key = wanted(datasets["free"], FREE), {"Idempotency-Key": "k-1"}
    first = buyer.client().post("/v1/orders", body, headers=key)
    before = everything(bank)
    again = buyer.client().post("/v1/orders", body, headers=key)
    tap.equal((first.status, again.status, again.body), (201, 201, first.body), "the same key and body: the same answer")
    tap.equal(everything(bank), before, "and nothing new")
    tap.status(buyer.client().post("/v1/orders", wanted(datasets["free"], FREE, "other"), headers=key), 409, "another body under it")
    theirs = other.client().post("/v1/orders", body, headers=key)
    tap.ok(theirs.status == 201 and theirs.json["order"]["order"] != first.json["order"]["order"], "keys belong to a company")
    tap.status(buyer.client().post("/v1/orders", body, headers={"Idempotency-Key": "x" * 201}), 400, "a key of 201 characters")

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: buyer.client().post("/v1/orders", body, headers={"Idempotency-Key": "k-2"}), range(8)))
    tap.equal((sorted(a.status for a in answers), len({a.body for a in answers})), ([201] * 8, 1),
              "eight at once under one key get one answer")
    tap.equal(bank.value("SELECT count(*) FROM sys.idempotency WHERE key = 'k-2'"), "1", "remembered once")

    own = str(uuid.uuid4())
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: buyer.client().post("/v1/orders", wanted(datasets["free"], FREE, order=own)), range(8)))
    tap.equal((sorted(a.status for a in answers), len({a.body for a in answers})), ([201] * 8, 1),
              "and so do eight at once with an id of one's own")
    own = str(uuid.uuid4())
    first = buyer.client().post("/v1/orders", wanted(datasets["once"], ONCE, order=own))
    before = everything(bank)
    again = buyer.client().post("/v1/orders", wanted(datasets["once"], ONCE, order=own))
    tap.equal((first.json["order"]["order"], again.status, again.json), (own, 201, first.json), "an id of one's own works the same way")
    tap.equal(everything(bank), before, "and nothing new")
    tap.status(buyer.client().post("/v1/orders", wanted(datasets["free"], FREE, order=own)), 409, "the id for another order")
    tap.status(other.client().post("/v1/orders", wanted(datasets["once"], ONCE, order=own)), 409, "the id of another company")
    buyer.client().post(f"/v1/orders/{own}/cancel")


def refused(bank, steel, buyer, datasets):
    once = datasets["once"]
    cases = [
        ("without purpose", wanted(once, ONCE, ""), 400, "/purpose"),
        ("with a purpose of 501 bytes", wanted(once, ONCE, "x" * 501), 413, "/purpose"),
        ("under a plan that is not offered", wanted(once, ROWS), 400, "/plan"),
        ("under no plan", {**wanted(once, ONCE), "plan": "x"}, 400, "/plan"),
        ("of an unknown dataset", wanted(str(uuid.uuid4()), ONCE), 404, "/dataset"),
        ("of a dataset that is no id", wanted("once", ONCE), 400, "/dataset"),
        ("with an unknown member", wanted(once, ONCE, colour="blue"), 400, "/colour"),
        ("with an id that is none", wanted(once, ONCE, order="x"), 400, "/order"),
    ]
    before = everything(bank)
    for name, body, status, at in cases:
        answer = buyer.client().post("/v1/orders", body)
        tap.equal((answer.status, answer.json.get("at")), (status, at), f"an order {name}")
    answer = steel.client().post("/v1/orders", wanted(once, ONCE))
    tap.equal((answer.status, answer.json.get("at")), (400, "/dataset"), "an order of one's own dataset")
    tap.equal(everything(bank), before, "nothing of them is left")


def limit(bank, buyer, datasets):
    before, was_held = everything(bank), held(bank, buyer)
    answer = buyer.client().post("/v1/orders", wanted(datasets["dear"], DEAR))
    tap.equal((answer.status, answer.json["code"]), (402, "payment"), "an order beyond the credit limit")
    tap.equal((everything(bank), held(bank, buyer)), (before, was_held), "leaves nothing behind")
    answer = buyer.client().post("/v1/orders", wanted(datasets["dear"], DEAR), headers={"Idempotency-Key": "dear"})
    tap.equal((answer.status, everything(bank)), (402, before), "also under a key, which stays free")
    dollars = {**ONCE, "currency": "USD", "components": [{"type": "one_off", "amount": "1.00"}]}
    tap.status(buyer.client().post("/v1/orders", wanted(datasets["dollars"], dollars)), 402, "there is no credit in another currency")
    orders = []
    while (answer := buyer.client().post("/v1/orders", wanted(datasets["once"], ONCE))).status == 201:
        orders.append(answer.json["order"]["order"])
    tap.equal((answer.status, len(orders), held(bank, buyer)), (402, 3, was_held + 3 * 220000), "orders add up to the limit")
    with ThreadPoolExecutor(6) as pool:
        for order in orders:
            buyer.client().post(f"/v1/orders/{order}/cancel")
        statuses = sorted(a.status for a in pool.map(lambda _: buyer.client().post("/v1/orders", wanted(datasets["once"], ONCE)), range(6)))
    tap.equal((statuses, held(bank, buyer)), ([201] * 3 + [402] * 3, was_held + 3 * 220000), "six at once: no more than fits")
    for item in buyer.client().get("/v1/orders?state=open").json["items"]:
        if item["order"]["asset"] == "once" and item["order"]["purpose"] == "research":
            buyer.client().post(f"/v1/orders/{item['order']['order']}/cancel")
    tap.equal(held(bank, buyer), was_held, "cancelled again")


def cancelled(bank, steel, buyer, other, datasets, first, connectors):
    order = first["order"]["order"]
    was_held = held(bank, buyer)
    tap.status(steel.client().post(f"/v1/orders/{order}/cancel"), 404, "the provider cannot cancel it")
    tap.status(other.client().post(f"/v1/orders/{order}/cancel"), 404, "nor can others")
    answer = buyer.client().post(f"/v1/orders/{order}/cancel")
    tap.equal((answer.status, answer.json["order"]["state"], answer.json["order"]["version"]), (200, "cancelled", 2), "the buyer can")
    tap.equal(held(bank, buyer), was_held - 220000, "its hold is released")
    again = buyer.client().post(f"/v1/orders/{order}/cancel")
    tap.equal((again.status, again.json), (200, answer.json), "once is as good as twice")
    for connector in connectors:
        wait_until(lambda c=connector: c.states(order) == ["open", "cancelled"], 20, "the connector hears of it")
    tap.equal([e["state"] for e in bank.entries("order.changed") if e["order"] == order], ["open", "cancelled"], "and the log")
    answer = steel.report(first["order"], "provider", buyer)
    tap.equal((answer.status, answer.json.get("at")), (409, "/report/order"), "a cancelled order cannot be contracted")


def agreed(bank, steel, buyer, other, datasets, connectors):
    order = place(buyer, datasets["rows"], ROWS)["order"]
    agreement, agreed_at = f"urn:uuid:{uuid.uuid4()}", stamp()
    report = {"agreement": agreement, "agreed_at": agreed_at}
    answer = buyer.report(order, "consumer", steel, **report)
    tap.equal((answer.status, answer.json), (200, {"agreement": agreement, "order": order["order"], "state": "contracted"}),
              "the first report contracts the order")
    before = everything(bank)
    again = buyer.report(order, "consumer", steel, **report)
    tap.equal((again.status, again.json["agreement"], everything(bank)), (200, agreement, before), "the same report again changes nothing")
    tap.status(buyer.report(order, "consumer", steel, **{**report, "hash": "cd" * 32}), 409, "another content for it is a conflict")
    tap.status(buyer.client().post(f"/v1/orders/{order['order']}/cancel"), 409, "a contracted order cannot be cancelled")
    tap.status(other.report(order, "provider", buyer, **report), 400, "a report of a third company")
    tap.status(steel.report(order, "provider", buyer, agreement="urn:uuid:other"), 409, "a report of another agreement")
    answer = steel.report(order, "provider", buyer, **report)
    tap.equal((answer.status, answer.json["state"]), (200, "active"), "the second equal report activates it")
    got = buyer.client().get(f"/v1/orders/{order['order']}").json
    tap.equal((got["order"]["version"], got["order"]["state"], got["order"]["agreement"], got["active_at"]),
              (3, "active", agreement, agreed_at), "the order is bound to the agreement, from its instant on")
    tap.equal(got["order"]["matching"], {"rule": "both", "tolerance_ppm": 500}, "with the matching of its plan")
    for connector in connectors:
        wait_until(lambda c=connector: c.states(order["order"]) == ["open", "contracted", "active"], 20, "both connectors hear of each state")
    reported = [e for e in bank.entries("agreement.reported") if e["agreement"] == agreement]
    tap.equal([(e["role"], e["participant"], e["order"]) for e in reported],
              [("consumer", buyer.id, order["order"]), ("provider", steel.id, order["order"])], "both reports are in the log")
    tap.equal(held(bank, buyer), 1100, "the hold stays")


def disputed(bank, steel, buyer, datasets):
    order = place(buyer, datasets["free"], FREE)["order"]
    agreement = f"urn:uuid:{uuid.uuid4()}"
    steel.report(order, "provider", buyer, agreement=agreement, hash="ab" * 32)
    answer = buyer.report(order, "consumer", steel, agreement=agreement, hash="ba" * 32)
    tap.equal((answer.status, answer.json["state"]), (200, "disputed"), "reports that differ make a dispute")
    tap.equal(buyer.client().get("/v1/orders?state=disputed").json["items"][0]["order"]["order"], order["order"], "which both can see")


def ill_reported(bank, steel, buyer, other, datasets):
    order = place(buyer, datasets["free"], FREE)["order"]
    before = everything(bank)
    cases = [
        ("in the other side's role", buyer.report(order, "provider", steel), 400, "/report/role"),
        ("in another's name", buyer.report(order, "consumer", steel, consumer=other.did), 400, "/report/reporter"),
        ("by another reporter", buyer.report(order, "consumer", steel, reporter=steel.did), 400, "/report/reporter"),
        ("with another provider", buyer.report(order, "consumer", other), 400, "/report/provider"),
        ("of another dataset", buyer.report({**order, "asset": "once"}, "consumer", steel), 400, "/report/asset"),
        ("of an unknown order", buyer.report({**order, "order": str(uuid.uuid4())}, "consumer", steel), 404, "/report/order"),
        ("of an order that is no id", buyer.report({**order, "order": "x"}, "consumer", steel), 400, "/report/order"),
        ("without hash", buyer.report(order, "consumer", steel, hash=None), 400, "/report/hash"),
        ("with an unknown member", buyer.report(order, "consumer", steel, colour="blue"), 400, "/report/colour"),
    ]
    report = canonical({"agreement": "a", "role": "consumer"})
    for name, jws in (("signed by another", buyer.sign("naru-agreement+jws", report, key=steel.key)),
                      ("of another typ", buyer.sign("naru-order+jws", report)), ("that is no JWS", "x")):
        cases.append((name, buyer.connector().post("/v1/agreements", {"report": jws}), 400, "/report"))
    for name, answer, status, at in cases:
        tap.equal((answer.status, answer.json.get("at")), (status, at), f"a report {name}")
    tap.equal(everything(bank), before, "nothing of them is left")
    tap.status(buyer.client().post("/v1/agreements", {"report": "x"}), 403, "people do not report agreements")


def without_order(bank, steel, buyer):
    loose = {"order": None, "asset": "anything"}
    agreement = f"urn:uuid:{uuid.uuid4()}"
    for company, role, peer in ((steel, "provider", buyer), (buyer, "consumer", steel)):
        answer = company.report(loose, role, peer, agreement=agreement)
        tap.equal((answer.status, answer.json), (200, {"agreement": agreement}), f"an agreement without order, by the {role}")
    tap.equal(bank.value(f"SELECT count(*) FROM ord.agreement_report WHERE agreement_id = '{agreement}' AND order_id IS NULL"), "2",
              "is recorded")
    answer = buyer.report(loose, "provider", steel, agreement=f"{agreement}-2")
    answer = buyer.report(loose, "consumer", steel, agreement=f"{agreement}-2")
    tap.equal((answer.status, answer.json.get("at")), (409, "/report/role"), "nobody is both sides of an agreement")


def claimed(bank, steel, buyer, other, datasets):
    """A third member names an agreement of others before they do, in either role, alone and with an order of its own."""
    theirs = other.publish("theirs", [FREE])
    for what, claims in (
            ("as its provider", lambda a: [other.report({"order": None, "asset": "free"}, "provider", buyer, agreement=a)]),
            ("as its consumer", lambda a: [other.report({"order": None, "asset": "free"}, "consumer", steel, agreement=a)]),
            ("for an order of the true consumer", lambda a: [other.report(place(buyer, theirs, FREE)["order"], "provider", buyer, agreement=a)]),
            ("for an order of its own, as the consumer", lambda a: [other.report(place(other, datasets["free"], FREE)["order"], "consumer", steel,
                                                                                 agreement=a)])):
        order = place(buyer, datasets["free"], FREE)["order"]
        report = {"agreement": f"urn:uuid:{uuid.uuid4()}", "agreed_at": stamp()}
        tap.equal([a.status for a in claims(report["agreement"])], [200], f"a third company reports an agreement of others, {what}")
        states = [steel.report(order, "provider", buyer, **report), buyer.report(order, "consumer", steel, **report)]
        tap.equal([(a.status, a.json.get("state")) for a in states], [(200, "contracted"), (200, "active")], "the true parties' reports activate theirs")
        tap.status(steel.report({**order, "order": None}, "provider", other, **report), 409, "nobody reports it with two counterparties")
    before = everything(bank)
    answer = steel.report({"order": None, "asset": "free"}, "provider", steel)
    tap.equal((answer.status, answer.json.get("at"), everything(bank)), (400, "/report/consumer", before), "an agreement with oneself")
    one, two = (place(buyer, datasets["free"], FREE)["order"] for _ in range(2))
    report = {"agreement": f"urn:uuid:{uuid.uuid4()}", "agreed_at": stamp()}
    answers = [steel.report(one, "provider", buyer, **report), buyer.report(two, "consumer", steel, **report)]
    tap.equal([(a.status, a.json.get("at")) for a in answers], [(200, None), (409, "/report/order")], "both sides must mean the same order")


def listed(bank, steel, buyer, other):
    whole = [i["order"]["order"] for i in buyer.client().get("/v1/orders?limit=1000").json["items"]]
    tap.equal(sorted(whole), sorted(i["order"]["order"] for i in bank.api(steel.token).get("/v1/orders?limit=1000").json["items"]
                                    if i["order"]["consumer"] == buyer.did), "both parties see the same orders")
    tap.equal({i["order"]["consumer"] for i in other.client().get("/v1/orders").json["items"]}, {other.did}, "others see theirs")
    pages, before = [], ""
    while True:
        answer = buyer.client().get(f"/v1/orders?limit=4{before}").json
        pages += [i["order"]["order"] for i in answer["items"]]
        if "next" not in answer:
            break
        before = f"&before={answer['next']}"
    tap.equal(pages, whole, "pages make up the whole")
    tap.status(buyer.client().get("/v1/orders?before=x"), 400, "a place that is none")
    tap.status(buyer.client().get("/v1/orders?limit=0"), 400, "no orders asked for")
    states = {i["order"]["state"] for i in buyer.client().get("/v1/orders?state=cancelled").json["items"]}
    tap.equal(states, {"cancelled"}, "orders of one state")


def stubborn(bank, buyer, datasets, connectors):
    provider = connectors[0]
    wait_until(lambda: waiting(bank) == 0, 20, "all is delivered")
    for statuses, taken in (([500, 404, 429, 401], True), ([400], False)):
        provider.statuses[:] = statuses
        order = place(buyer, datasets["free"], FREE)["order"]["order"]
        wait_until(lambda o=order: connectors[1].states(o) == ["open"], 20, "the other side has it")
        wait_until(lambda: not provider.statuses and waiting(bank) == 0, 20, "the message has ended")
        tap.equal(provider.states(order), ["open"] if taken else [],
                  f"a connector that answers {statuses} {'gets it again until it takes it' if taken else 'is not asked again'}")


def ended(bank, steel, buyer, datasets, connectors):
    for name, away in (("ends with its agreement", False), ("also if that happens while the data bank is down", True)):
        order = place(buyer, datasets["free"], FREE)["order"]
        report = {"agreement": f"urn:uuid:{uuid.uuid4()}", "agreed_at": stamp(), "ends_at": stamp(time.time() + 3)}
        steel.report(order, "provider", buyer, **report)
        answer = buyer.report(order, "consumer", steel, **report)
        tap.equal((answer.status, answer.json.get("state")), (200, "active"), "an order with an agreement that ends soon is active")
        if away:
            bank.broker.stop()
            bank.broker.begin()
            bank.wait()
        for connector in connectors:
            wait_until(lambda c=connector: c.states(order["order"])[-1:] == ["ended"], 20, "the connector hears of the end")
        got = buyer.client().get(f"/v1/orders/{order['order']}").json
        tap.equal((got["order"]["state"], got["order"]["version"], got["ended_at"]), ("ended", 4, report["ends_at"]), f"it {name}")
        tap.equal([e["ended_at"] for e in bank.entries("order.changed") if e["order"] == order["order"] and e["state"] == "ended"],
                  [report["ends_at"]], "the log has the instant")


def agreement(steel, buyer, datasets, **more):
    """An order of `free` and its agreement, reported by both sides: (order, agreement's id)."""
    order = place(buyer, datasets["free"], FREE)["order"]
    report = {"agreement": f"urn:uuid:{uuid.uuid4()}", "agreed_at": stamp(time.time() - 60), **more}
    steel.report(order, "provider", buyer, **report)
    answer = buyer.report(order, "consumer", steel, **report)
    assert answer.json["state"] == "active", answer.text
    return order["order"], report["agreement"]


def ended_early(bank, steel, buyer, other, datasets, connectors):
    def at(order):
        return buyer.client().get(f"/v1/orders/{order}").json["ended_at"]

    order, name = agreement(steel, buyer, datasets)
    then = stamp(time.time() - 30)
    answer = steel.end(name, "provider", buyer, ended_at=then, reason="no longer made")
    tap.equal((answer.status, answer.json), (200, {"agreement": name, "order": order, "state": "ended"}), "the provider ends an agreement")
    tap.equal(at(order), then, "from the instant on that it names")
    for connector in connectors:
        wait_until(lambda c=connector: c.states(order)[-1:] == ["ended"], 20, "both connectors hear of it")
    before = everything(bank)
    again = steel.end(name, "provider", buyer, ended_at=then)
    tap.equal((again.status, again.json, everything(bank)), (200, answer.json, before), "once is as good as twice")
    tap.status(steel.end(name, "provider", buyer, ended_at=stamp(time.time() - 20)), 409, "another instant is a conflict")
    tap.status(buyer.end(name, "consumer", steel), 200, "the consumer ends it, too")
    tap.equal(at(order), then, "the first end counts")
    entries = [e for e in bank.entries("agreement.ended") if e["agreement"] == name]
    tap.equal([(e["role"], e["participant"], e["peer"], e["effective_at"]) for e in entries],
              [("provider", steel.id, buyer.did, then), ("consumer", buyer.id, steel.did, then)], "the log has both")
    tap.ok("no longer made" not in json.dumps(entries), "without the reason")

    order, name = agreement(steel, buyer, datasets)
    before = time.time()
    answer = buyer.end(name, "consumer", steel, ended_at=stamp(before - 50))
    tap.ok((answer.status, answer.json["state"]) == (200, "ended") and at(order)[:19] >= stamp(before)[:19], "a consumer's end counts from when it is heard", at(order))

    regular = stamp(time.time() + 3)
    order, name = agreement(steel, buyer, datasets, ends_at=regular)
    steel.end(name, "provider", buyer)
    early, version = at(order), buyer.client().get(f"/v1/orders/{order}").json["order"]["version"]
    wait_until(lambda: stamp(time.time() - 1) > regular, 10, "the time of the regular end has come")
    tap.equal((at(order), buyer.client().get(f"/v1/orders/{order}").json["order"]["version"]), (early, version), "the regular end does not come again")

    order = place(buyer, datasets["free"], FREE)["order"]
    report = {"agreement": f"urn:uuid:{uuid.uuid4()}", "agreed_at": stamp(time.time() - 60)}
    steel.report(order, "provider", buyer, **report)
    answer = steel.end(report["agreement"], "provider", buyer, ended_at=then)
    tap.equal((answer.status, answer.json["state"]), (200, "contracted"), "an end before the other side's report waits for it")
    answer = buyer.report(order, "consumer", steel, **report)
    tap.equal((answer.json["state"], at(order["order"])), ("ended", then), "which then ends the order at once")
    for connector in connectors:
        wait_until(lambda c=connector: c.states(order["order"])[-2:] == ["active", "ended"], 20, "both connectors hear of both")

    order, name = agreement(steel, buyer, datasets)
    before = everything(bank)
    for what, answer, status, where in (
            ("by a third company", other.end(name, "provider", buyer), 404, "/end/agreement"),
            ("in the other role", buyer.end(name, "provider", steel), 404, "/end/agreement"),
            ("with another counterparty", steel.end(name, "provider", other), 404, "/end/agreement"),
            ("in another's name", buyer.end(name, "provider", steel, provider=steel.did, consumer=buyer.did), 400, "/end/role"),
            ("that nobody has reported", steel.end("urn:uuid:none", "provider", buyer), 404, "/end/agreement"),
            ("before it began", steel.end(name, "provider", buyer, ended_at=stamp(time.time() - 61)), 400, "/end/ended_at"),
            ("in the future", steel.end(name, "provider", buyer, ended_at=stamp(time.time() + 3600)), 400, "/end/ended_at"),
            ("with a reason of 501 bytes", steel.end(name, "provider", buyer, reason="x" * 501), 413, "/end/reason"),
            ("without an instant", steel.end(name, "provider", buyer, ended_at=None), 400, "/end/ended_at"),
            ("with an unknown member", steel.end(name, "provider", buyer, colour="blue"), 400, "/end/colour")):
        tap.equal((answer.status, answer.json.get("at")), (status, where), f"an end {what}")
    tap.equal(everything(bank), before, "nothing of them is left")


def expired(bank, buyer, datasets, connectors):
    before = held(bank, buyer)
    order = place(buyer, datasets["once"], ONCE)["order"]["order"]
    tap.equal(held(bank, buyer), before + 220000, "an order that nobody contracts")
    bank.broker.stop()
    bank.sql(f"UPDATE ord.purchase SET valid_until = now() + interval '1 s' WHERE order_id = '{order}'")
    bank.broker.begin()
    bank.wait()
    wait_until(lambda: held(bank, buyer) == before, 20, "its hold is released")
    wait_until(lambda: connectors[0].states(order) == ["open", "cancelled"], 20, "the provider hears of it")
    got = buyer.client().get(f"/v1/orders/{order}").json
    tap.equal((got["order"]["state"], got["order"]["version"]), ("cancelled", 2), "is cancelled when its time is over, also after a restart")


def contracted(steel, buyer, dataset, plan, **more):
    """(order document, agreement's id) of an order that its provider alone has reported."""
    order = place(buyer, dataset, plan)["order"]
    name = f"urn:uuid:{uuid.uuid4()}"
    answer = steel.report(order, "provider", buyer, agreement=name, **more)
    assert answer.json["state"] == "contracted", answer.text
    return order, name


def state(bank, order):
    return bank.value(f"SELECT state FROM ord.purchase WHERE order_id = '{order['order']}'")


def overdue(bank, steel, buyer, datasets, connectors):
    """The second report does not come: after a restart, while it runs, in the end all the same; and what the operator makes of it."""
    before = held(bank, buyer)
    order, name = contracted(steel, buyer, datasets["once"], ONCE)
    equal, equal_name = contracted(steel, buyer, datasets["free"], FREE)
    other, other_name = contracted(steel, buyer, datasets["free"], FREE)
    running, _ = contracted(steel, buyer, datasets["free"], FREE)
    tap.status(bank.operator().post(f"/v1/orders/{running['order']}/cancel", {"reason": "asked for"}), 200, "the operator cancels a contracted order")
    bank.broker.stop()
    bank.sql(f"UPDATE ord.purchase SET valid_until = now() + interval '1 s' WHERE state = 'contracted' AND agreement_id IN"
             f" ('{name}', '{equal_name}', '{other_name}')")
    bank.broker.begin()
    bank.wait()
    for one in (order, equal, other):
        for connector in connectors:
            wait_until(lambda c=connector, o=one: c.states(o["order"]) == ["open", "contracted", "disputed"], 20, "both connectors hear of the dispute")
    tap.equal(held(bank, buyer), before + 220000, "an order whose second report does not come is disputed, its hold stays")
    path = f"/v1/orders/{order['order']}/cancel"
    tap.status(buyer.client().post(path), 409, "the buyer cannot cancel it")
    tap.status(steel.client().post(path), 404, "nor the provider")
    tap.ok(order["order"] in {i["order"]["order"] for i in bank.operator().get("/v1/orders?state=disputed").json["items"]}, "the operator sees it")
    for what, body, status in (("without reason", {}, 400), ("with an empty one", {"reason": ""}, 400), ("with one of 501 bytes", {"reason": "x" * 501}, 413)):
        tap.status(bank.operator().post(path, body), status, f"and does not cancel it {what}")
    tap.equal(state(bank, order), "disputed", "all that has changed nothing")
    answer = bank.operator().post(path, {"reason": "both sides agree"})
    tap.equal((answer.status, answer.json["order"]["state"], answer.json["reason"]), (200, "cancelled", "both sides agree"), "but cancels it with one")
    tap.equal(held(bank, buyer), before, "which releases the hold")
    tap.equal(bank.operator().post(path, {"reason": "again"}).json["reason"], "both sides agree", "once is as good as twice")
    for company, connector in zip((steel, buyer), connectors):
        wait_until(lambda c=connector: c.states(order["order"])[-1] == "cancelled", 20, "both connectors hear of it")
        tap.equal(company.client().get(f"/v1/orders/{order['order']}").json["reason"], "both sides agree", "and both companies see why")
    acted = [e for e in bank.entries("operator.acted") if e["action"] == "order.cancel"]
    tap.equal([e["subject"] for e in acted], [running["order"], order["order"]], "the log has what the operator did")
    tap.ok("both sides agree" not in json.dumps(acted + bank.entries("order.changed")), "without the reason")
    answer = buyer.report(order, "consumer", steel, agreement=name)
    tap.equal((answer.status, answer.json["at"], state(bank, order)), (409, "/report/order", "cancelled"), "a report that comes after that is too late")
    answer = buyer.report(equal, "consumer", steel, agreement=equal_name)
    tap.equal((answer.status, answer.json["state"]), (200, "active"), "a late report that is equal activates a disputed order")
    answer = buyer.report(other, "consumer", steel, agreement=other_name, hash="ba" * 32)
    tap.equal((answer.status, answer.json["state"]), (200, "disputed"), "one that differs leaves it disputed")
    tap.status(bank.operator().post(f"/v1/orders/{equal['order']}/cancel", {"reason": "x"}), 409, "the operator does not cancel an active order")
    free = place(buyer, datasets["free"], FREE)["order"]
    tap.status(bank.operator().post(f"/v1/orders/{free['order']}/cancel", {"reason": "x"}), 200, "but an open one")


def forgotten(bank, buyer, datasets):
    """Answers under an Idempotency-Key are kept for 30 days."""
    def rows(days):
        return int(bank.value(f"SELECT count(*) FROM sys.idempotency WHERE key LIKE 'old-{days}-%'"))

    for days, n in ((31, 2500), (29, 10)):
        bank.sql(f"INSERT INTO sys.idempotency SELECT '{buyer.id}', 'old-{days}-' || i, sha256('x'), 201, '{{}}', now() - interval '{days} days'"
                 f" FROM generate_series(1, {n}) i")
    body, key = wanted(datasets["free"], FREE), {"Idempotency-Key": "old-31-7"}
    tap.status(buyer.client().post("/v1/orders", body, headers=key), 409, "a key that is remembered")
    bank.broker.stop()
    bank.broker.begin()
    bank.wait()
    wait_until(lambda: rows(31) == 0, 20, "after 30 days answers are forgotten, piece by piece")
    tap.equal(rows(29), 10, "younger ones are kept")
    tap.equal(bank.value("SELECT count(*) FROM sys.idempotency WHERE key = 'k-2'"), "1", "so are today's")
    tap.status(buyer.client().post("/v1/orders", body, headers=key), 201, "a forgotten key is free again")
    tap.equal([r[0] for r in bank.sql("SELECT grantee FROM information_schema.role_table_grants WHERE table_schema = 'sys'"
                                      " AND table_name = 'idempotency' AND privilege_type = 'DELETE' AND grantee LIKE 'naru_%'"
                                      " AND grantee <> 'naru_owner'")], ["naru_app"], "the application alone may forget them")


def whole(bank, connectors):
    real = {row[0] for row in bank.sql("SELECT order_id FROM ord.purchase")}
    for connector in connectors:
        sent = [(o["order"], o["version"]) for o in connector.taken()]
        tap.ok(len(sent) == len(set(sent)) and {o for o, _ in sent} <= real, "each version of an order went out once, and none that is not",
               sorted(o for o in sent if sent.count(o) > 1 or o[0] not in real))
    tap.equal(bank.value("SELECT sum(debits_pending) - sum(credits_pending) FROM led.balance"), "0", "holds balance")


main(scenario)
