"""Receipts: signed batches, answered line by line, stored once."""

import hashlib
import json
import time

from harness import main, raw_exchange, tap
from market import Company, Market, Order, canonical, event_id, micros, stamp, US

PLAN = {"currency": "KRW", "kind": "metered", "components": [{"type": "per_unit", "meter": "rows", "price": "1000000"}]}


def results(response):
    return [line["result"] for line in response.json["lines"]] if response.status == 200 else response.text


def scenario():
    market = Market()
    mill, plant = (Company(market, name) for name in ("mill", "plant"))
    stranger = Company(market, "stranger")
    start = stamp(time.time_ns() // 1000 // US * US - 86400 * US)
    order = Order(market, mill, plant, PLAN, start)
    other = Order(market, mill, plant, PLAN, start, ends=stamp(micros(start) + 3600 * US))
    at = [micros(start) + i * 1000 * 1000 for i in range(100)]

    good(market, mill, plant, order, at)
    repeated(market, mill, order, at)
    refused_lines(market, mill, plant, stranger, order, other, at)
    refused_batches(market, mill, plant, order, at)
    claimed(market, mill, plant, stranger, at)
    ended_early(market, mill, plant, at)
    sizes(market, mill, order, at)
    log(market)
    read_back(market, mill, plant, stranger, order)


def good(market, mill, plant, order, at):
    events = [event_id(us) for us in at[:5]]
    answer = mill.send([mill.receipt(order, e, "provider", us, rows=10 + i) for i, (e, us) in enumerate(zip(events, at))])
    tap.status(answer, 200, "a batch of the provider is accepted")
    tap.equal(results(answer), ["created"] * 5, "each line is new")
    tap.equal([(line["seq"], line["role"], line["agreement"]) for line in answer.json["lines"]],
              [(i + 1, "provider", order.agreement) for i in range(5)], "each line is named in the answer")
    answer = plant.send([plant.receipt(order, e, "consumer", us, rows=10 + i) for i, (e, us) in enumerate(zip(events, at))])
    tap.equal(results(answer), ["created"] * 5, "the consumer reports the same events")
    tap.equal(market.value("SELECT count(*) FROM met.receipt"), "10", "all are stored")


def repeated(market, mill, order, at):
    lines = [mill.receipt(order, event_id(at[10 + i]), "provider", at[10 + i], rows=1) for i in range(3)]
    body = "".join(f"{line}\n" for line in lines).encode()
    signature = mill.signature(body, 3)
    first, again = mill.send(lines, signature), mill.send(lines, signature)
    tap.equal(results(first), ["created"] * 3, "a new batch")
    tap.equal((again.status, again.body), (200, first.body), "the same batch gets the same answer")
    tap.equal(results(mill.send(lines)), ["created"] * 3, "also under a new signature")
    tap.equal(results(mill.send(lines[:2])), ["duplicate"] * 2, "the same lines in another batch are duplicates")
    tap.equal(results(mill.send([lines[0], lines[0]])), ["duplicate"] * 2, "also twice in one batch")
    fresh = mill.receipt(order, event_id(at[15]), "provider", at[15], rows=1)
    tap.equal(results(mill.send([fresh, fresh])), ["created", "duplicate"], "a line that comes twice in one batch counts once")
    changed = json.loads(lines[1]) | {"rows": 2}
    tap.equal(results(mill.send([canonical(changed)])), ["conflict"], "other content under the same event is a conflict")
    used = mill.receipt(order, event_id(at[16]), "provider", at[16], seq=json.loads(lines[1])["seq"])
    tap.equal(results(mill.send([used])), ["conflict"], "another event under a used number is a conflict")
    gap = mill.receipt(order, event_id(at[17]), "provider", at[17], seq=1000)
    tap.equal(results(mill.send([gap])), ["created"], "a gap in the numbers is accepted")


def refused_lines(market, mill, plant, stranger, order, other, at):
    now = time.time_ns() // 1000 // US * US
    stored = market.value("SELECT count(*) FROM met.receipt")

    def line(who=mill, of=order, role="provider", us=at[20], seq=500, **changes):
        return who.receipt(of, changes.pop("event", None) or event_id(us), role, us, seq=seq, **changes)

    unknown = json.loads(line()) | {"agreement": "urn:uuid:unknown"}
    cases = [
        ("an unknown agreement", mill, canonical(unknown), "not-found"),
        ("the other side's role", mill, line(role="consumer"), "not-found"),
        ("an agreement of others", stranger, line(), "not-found"),
        ("a time before the agreement", mill, line(us=micros(stamp(order.active_us)) - US), "range"),
        ("a time after its end", mill, line(of=other, us=other.active_us + 3600 * US), "range"),
        ("a time in the future", mill, line(us=now + 600 * US), "range"),
        ("an event that began at another time", mill, line(since=stamp(at[21])), "invalid"),
        ("an event of another version", mill, line(event="018f0000-0000-4000-8000-000000000000"), "invalid"),
        ("an end before the start", mill, line(until=stamp(at[19])), "invalid"),
        ("a negative count", mill, line(rows=-1), "invalid"),
        ("a real number", mill, line(rows=1.5), "invalid"),
        ("number 0", mill, line(seq=0), "invalid"),
        ("an unknown member", mill, line(extra=1), "unknown-field"),
        ("a missing member", mill, canonical({k: v for k, v in json.loads(line()).items() if k != "rows"}), "invalid"),
        ("white space", mill, line().replace(":", ": ", 1), "syntax"),
        ("members in another order", mill, json.dumps(dict(reversed(json.loads(line()).items())), separators=(",", ":")), "syntax"),
        ("a time in another form", mill, line(since=stamp(at[20]).replace("Z", "+00:00")), "syntax"),
        ("an escaped letter", mill, line().replace("provider", "\\u0070rovider"), "syntax"),
        ("text that is no JSON", mill, "hello", "syntax"),
        ("an empty line", mill, "", "syntax"),
    ]
    for what, who, text, code in cases:
        answer = who.send([text])
        got = [(x["result"], x.get("code")) for x in answer.json["lines"]] if answer.status == 200 else answer.text
        tap.equal(got, [("refused", code)], f"{what} is refused")
    tap.equal(market.value("SELECT count(*) FROM met.receipt"), stored, "nothing of these was stored")
    mixed = mill.send(["hello", line(us=at[30], seq=601), line(us=at[31], seq=602, rows=-1), line(us=at[32], seq=603)])
    tap.equal(results(mixed), ["refused", "created", "refused", "created"], "bad lines don't stop the good ones")


def refused_batches(market, mill, plant, order, at):
    batches = market.value("SELECT count(*) FROM met.batch")
    lines = [mill.receipt(order, event_id(at[40]), "provider", at[40], seq=700)]
    body = f"{lines[0]}\n".encode()
    signed = mill.signature(body, 1)
    cases = [
        ("no signature", "", 401),
        ("a signature of another body", mill.signature(b"x\n", 1), 401),
        ("another number of lines", mill.signature(body, 2), 401),
        ("another reporter", mill.signature(body, 1, reporter=plant.did), 401),
        ("a signature of another company", plant.signature(body, 1), 401),
        ("another type of document", mill.key.jws(f"{mill.did}#key-1", "naru-order+jws", "{}"), 401),
        ("a changed signature", signed[:-8] + ("A" * 8 if signed[-8:] != "A" * 8 else "B" * 8), 401),
        ("a time in the future", mill.signature(body, 1, issued_at=stamp(time.time_ns() // 1000 // US * US + 3600 * US)), 401),
        ("an unknown member", mill.signature(body, 1, extra=1), 400),
        ("a payload that is not canonical", mill.key.jws(f"{mill.did}#key-1", "naru-batch+jws", json.dumps(
            {"batch": "sha256:", "issued_at": stamp(0), "lines": 1, "reporter": mill.did})), 401),
    ]
    for what, signature, status in cases:
        tap.status(mill.send(lines, signature), status, f"{what}: the batch is refused")
    tap.status(market.client().post("/v1/usage", body=body, headers={"Naru-Signature": signed}), 401, "without token")
    tap.status(mill.client().post("/v1/usage", body=body, headers={"Naru-Signature": signed}), 403, "with the token of a person")
    open_end = market.client().post("/v1/usage", body=body[:-1], headers={
        "Authorization": f"Bearer {mill.jwt()}", "Naru-Signature": mill.signature(body[:-1], 1)})
    tap.status(open_end, 400, "a last line without its end")
    tap.status(mill.send([]), 400, "an empty batch")
    tap.status(mill.send([lines[0], mill.receipt(order, event_id(at[41]), "provider", at[41], seq=701, transfer="t" * 4000)]), 413,
               "a line of more than 4096 bytes")
    odd = b"\xff\n"
    tap.status(market.client().post("/v1/usage", body=odd, headers={"Authorization": f"Bearer {mill.jwt()}",
                                                                    "Naru-Signature": mill.signature(odd, 1)}), 400, "bytes that are no text")
    tap.equal(market.value("SELECT count(*) FROM met.batch"), batches, "none of them left anything")
    tap.equal(results(mill.send(lines, signed)), ["created"], "the line was good all the same")
    tap.equal(results(plant.send(lines)), ["refused"], "another's batch under an own signature is refused")
    tap.equal(results(mill.send(lines, signed)), ["created"], "and does not hide the answer that its owner got")
    early = [mill.receipt(order, event_id(at[42]), "provider", at[42], seq=702)]
    tap.equal(results(plant.send(early)), ["refused"], "also if it comes before the owner's")
    tap.equal(results(mill.send(early)), ["created"], "which then is accepted")


def claimed(market, mill, plant, stranger, at):
    """Two others trade under the id of an agreement, and send its receipts before and after its parties do."""
    true = Order(market, mill, plant, PLAN, stamp(at[0]))
    Order(market, stranger, Company(market, "friend"), PLAN, stamp(at[0]), agreement=true.agreement)
    lines = {who: [who.receipt(true, event_id(us), role, us, rows=3) for us in at[60:64]] for who, role in ((mill, "provider"), (plant, "consumer"))}
    lines[plant] = [canonical(json.loads(line) | {"event": json.loads(twin)["event"]}) for line, twin in zip(lines[plant], lines[mill])]
    tap.equal(results(stranger.send(lines[mill])), ["created"] * 4, "the bytes of another's batch, as receipts of an own agreement with the same id")
    tap.equal(results(mill.send(lines[mill])), ["created"] * 4, "its owner's batch is accepted all the same")
    tap.equal(results(plant.send(lines[plant])), ["created"] * 4, "and so are the other side's")
    tap.equal(results(stranger.send(lines[plant])), ["refused"] * 4, "nobody has two roles")
    tap.equal(results(mill.send(lines[mill][:2])), ["duplicate"] * 2, "a reporter's own are its duplicates")
    seen = mill.client().get(f"/v1/usage?agreement={true.agreement}").json
    tap.equal(([e["state"] for e in seen["events"]], seen["missing"]), (["matched"] * 4, []), "the parties see their own")
    theirs = stranger.client().get(f"/v1/usage?agreement={true.agreement}").json
    tap.equal([e["state"] for e in theirs["events"]], ["provider_only"] * 4, "and the others theirs")


def ended_early(market, mill, plant, at):
    order = Order(market, mill, plant, PLAN, stamp(at[0]))
    mill.end(order, stamp(at[72]))
    for who, role in ((mill, "provider"), (plant, "consumer")):
        answer = who.send([who.receipt(order, event_id(us), role, us) for us in at[71:73]])
        tap.equal([(x["result"], x.get("code")) for x in answer.json["lines"]], [("created", None), ("refused", "range")],
                  f"the {role}'s receipts of accesses after the early end of an agreement are refused")


def sizes(market, mill, order, at):
    line = mill.receipt(order, event_id(at[50]), "provider", at[50], seq=800)
    tap.status(mill.send(["x"] * 10001), 413, "more than 10,000 lines")
    full = mill.send([line] + ["x"] * 9999)
    tap.equal(results(full)[:2] if full.status == 200 else full.text[:300], ["created", "refused"], "10,000 lines are accepted")
    head = f"POST /v1/usage HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {mill.jwt()}\r\nContent-Length: {8 * 1024 * 1024 + 1}\r\n\r\n"
    tap.contains(raw_exchange(market.port, head.encode()).decode(), " 413 ", "more than 8 MiB are refused before they are read")


def log(market):
    accepted = market.entries("receipt.accepted")
    tap.equal(len(accepted), int(market.value("SELECT count(*) FROM met.receipt")), "one entry per stored receipt")
    tap.equal(len(market.entries("batch.accepted")), int(market.value("SELECT count(*) FROM met.batch")), "one entry per batch")
    stored = {row[0] for row in market.sql("SELECT encode(body_hash, 'hex') FROM met.receipt")}
    tap.equal({hashlib.sha256(canonical(e["receipt"]).encode()).hexdigest() for e in accepted}, stored,
              "the log holds the receipts whole")
    refused = market.entries("receipt.refused")
    tap.ok(any(e["text"] == "hello" and e["code"] for e in refused), "refused lines are in the log with their reason")
    lines = {(e["batch"], e["line"]): canonical(e["receipt"]) for e in accepted} | {(e["batch"], e["line"]): e["text"] for e in refused}
    hashes = {b["batch"]: b["hash"] for b in market.entries("batch.accepted")}
    made = {b["batch"]: "".join(lines.get((b["batch"], n + 1), "?") + "\n" for n in range(b["lines"])) for b in market.entries("batch.accepted")}
    tap.equal({b for b, text in made.items() if "sha256:" + hashlib.sha256(text.encode()).hexdigest() != hashes[b]}, set(),
              "the signed bytes of every batch can be made from the log")


def read_back(market, mill, plant, stranger, order):
    answer = mill.client().get(f"/v1/usage?agreement={order.agreement}&limit=3")
    tap.status(answer, 200, "usage of an agreement")
    page = answer.json
    tap.equal([e["state"] for e in page["events"]], ["matched"] * 3, "the first events are matched")
    tap.equal(page["events"][0]["billable"], {"calls": 1, "bytes": 0, "rows": 10}, "what is billable")
    rest = mill.client().get(f"/v1/usage?agreement={order.agreement}&limit=1000&after={page['next']}").json
    states = [e["state"] for e in page["events"] + rest["events"]]
    tap.equal((states.count("matched"), set(states)), (5, {"matched", "provider_only"}), "a second page follows")
    missing = {(m["role"], m["from"], m["to"]) for m in page["missing"]}
    tap.ok(("provider", 801, 999) in missing, "missing numbers are named", page["missing"])
    tap.status(plant.client().get(f"/v1/usage?agreement={order.agreement}"), 200, "the other side sees the same")
    tap.status(stranger.client().get(f"/v1/usage?agreement={order.agreement}"), 404, "a stranger sees nothing")
    mine = plant.client().get("/v1/usage")
    tap.status(mine, 200, "without agreement: all own agreements")
    counted = {i["agreement"]: (i["provider_events"], i["consumer_events"]) for i in mine.json["items"]}
    tap.equal(counted.get(order.agreement, (0, 0))[1], 5, "with the number of reports of each side")


main(scenario)
