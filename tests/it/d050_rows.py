"""Policies that limit rows and days, and that look at properties of the data: what passes, what is broken off, what is refused."""

import http.client
import json
import time
from concurrent.futures import ThreadPoolExecutor

from connectors import EDC, USE, Space
from deal import begin, contract
from harness import main, request, tap, wait_until

NARU, ODRL = "urn:naru:policy:", "http://www.w3.org/ns/odrl/2/"
TABLE = "a,b\n" + "".join(f"{n},{n * n}\n" for n in range(10))  # ten rows below a header


class Deal:
    """One asset under one policy, and a running transfer of it."""

    def __init__(self, space, provider, consumer, asset):
        self.space, self.provider, self.consumer = space, provider, consumer
        self.agreement = contract(provider, consumer, asset)
        self.pid, self.token = begin(provider, consumer, self.agreement)

    def get(self, **headers):
        """Status and the bytes that came, also of an answer that breaks off."""
        try:
            answer = request("GET", f"{self.provider.base}/data", headers={"Authorization": self.token, **headers}, ca=self.space.authority.ca)
            return answer.status, answer.body
        except http.client.IncompleteRead as e:
            return "broken off", e.partial
        except ConnectionError:
            return "broken off", b""

    def used(self):
        return self.provider.sql("SELECT calls, bytes, row_count FROM agreement_use WHERE agreement_id = ?", self.agreement)

    def settled(self):
        """No access is under way."""
        wait_until(lambda: self.provider.sql("SELECT count(*) FROM access") == [(0,)], 10, "all accesses are settled")


def limit(operand, operator, value):
    return {"@type": "Offer", "permission": [{"action": "use", "constraint": [
        {"leftOperand": operand, "operator": operator, "rightOperand": value}]}]}


def scenario():
    space = Space("provider", "consumer")
    provider, consumer = space.connector("provider"), space.connector("consumer")
    offers = {"rows": ("csv", TABLE, limit(NARU + "rows", "lteq", "25")), "lines": ("ndjson", '{"n":1}\n' * 40, limit(NARU + "rows", "lteq", "25")),
              "blob": ("bin", "x" * 100, limit(NARU + "rows", "lteq", "25")), "many": ("csv", TABLE, limit(NARU + "rows", "lteq", "95")),
              "large": ("csv", "a\n" + "1\n" * 200000, limit(NARU + "rows", "lteq", "150000")),
              "days": ("csv", TABLE, limit(NARU + "days", "lteq", "2")), "korean": ("csv", TABLE, limit(ODRL + "language", "eq", "ko")),
              "english": ("csv", TABLE, limit(ODRL + "language", "eq", "ko")), "silent": ("csv", TABLE, limit(ODRL + "language", "isNoneOf", ["en"]))}
    for asset, (kind, content, policy) in offers.items():
        path = provider.folder / f"{asset}.{kind}"
        provider.offer(asset, policy=policy, access={"@type": "Set", **USE}, address={"type": "File", "path": str(path)})
        path.write_text(content)
    for asset, language in (("korean", "ko"), ("english", "en")):
        provider.sql("INSERT INTO asset_property (asset_id, name, value, created_us) VALUES (?, ?, ?, 1)", asset, EDC + "language", language)
    deal = lambda asset: Deal(space, provider, consumer, asset)
    rows(deal("rows"))
    parts_of_rows(deal("lines"))
    large(deal("large"))
    status, _ = deal("blob").get()
    tap.equal(status, 403, "data that has no rows to count does not pass a limit of rows")
    at_once(deal("many"))
    days(deal("days"))
    properties(space, provider, consumer)


def rows(deal):
    for n in (1, 2):
        tap.equal(deal.get(), (200, TABLE.encode()), f"ten rows pass, {n} times")
        deal.settled()
    tap.equal(deal.used()[0][2], 20, "they are counted without the header")
    status, body = deal.get()
    tap.equal((status, body.decode()), ("broken off", "".join(TABLE.splitlines(True)[:6])), "the last answer breaks off after the row that is the last one allowed")
    deal.settled()
    tap.equal((deal.used()[0][2], deal.get()[0]), (25, 403), "then nothing more")


def parts_of_rows(deal):
    """Bytes between two line feeds are part of a row, and a row that has begun counts."""
    size, got = len('{"n":1}\n'), 0
    for n in range(40):
        status, body = deal.get(Range=f"bytes={n * size}-{n * size + 3}")
        deal.settled()
        if status != 206:
            break
        got += 1
    tap.equal((got, status), (25, 403), "rows are not had piece by piece")


def large(deal):
    status, body = deal.get()
    tap.equal((status, body.count(b"\n") <= 150001), ("broken off", True), "of a large file no more than the limit passes")
    deal.settled()
    tap.ok(140000 < deal.used()[0][2] <= 150000, "and what passed is counted", deal.used())


def at_once(deal):
    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(lambda _: deal.get(), range(64)))
    deal.settled()
    seen = sum(body.count(b"\n") - 1 for status, body in answers if body)
    tap.ok(seen <= 95 and {s for s, _ in answers} <= {200, 403, "broken off"}, "a limit of rows holds under parallel accesses", (seen, {s for s, _ in answers}))
    while deal.get()[0] == 200:
        deal.settled()
    deal.settled()
    tap.equal(deal.used()[0][2], 95, "and is used up to the last row")


def days(deal):
    for _ in range(3):
        tap.equal(deal.get()[0], 200, "many accesses of one day")
    deal.settled()
    today = int(time.time() // 86400)
    tap.equal(deal.provider.sql("SELECT day FROM agreement_day WHERE agreement_id = ?", deal.agreement), [(today,)], "are one day")
    deal.provider.sql("INSERT INTO agreement_day VALUES (?, ?)", deal.agreement, today - 1)
    tap.equal(deal.get()[0], 200, "the second day is within two")
    deal.provider.sql("INSERT INTO agreement_day VALUES (?, ?)", deal.agreement, today - 7)
    tap.equal(deal.get()[0], 403, "a third is not")


def properties(space, provider, consumer):
    tap.equal(Deal(space, provider, consumer, "korean").get()[0], 200, "data whose properties say what the policy demands")
    for asset, why in (("english", "say something else"), ("silent", "say nothing: it is not known that it is in no other language")):
        catalogue = provider.as_peer("consumer").post("/catalog/request", {"@context": ["https://w3id.org/dspace/2025/1/context.jsonld"],
                                                                          "@type": "CatalogRequestMessage"}).json
        offer = next(d for d in catalogue["dataset"] if d["@id"] == asset)["hasPolicy"][0]
        pid = consumer.negotiate(provider.dsp, "provider", offer, asset)
        wait_until(lambda: consumer.state(pid) == 1300 or consumer.state(pid) == 1400, 10, "the negotiation ends")
        tap.ok(consumer.error(pid), f"data whose properties {why}: no contract", json.dumps(consumer.state(pid)))


main(scenario)
