"""Companies that trade through the data bank's API for two periods, with everything that the audit log can hold."""

import json
import secrets
import time
import uuid

from auditlog import LogKey, canonical
from databank import DataBank, sha256, stamp

HOUR = 3600
METERED = {"currency": "KRW", "kind": "metered", "vat_ppm": 100000, "fee_ppm": 35000,
           "matching": {"rule": "lower", "tolerance_ppm": 10000}, "rounding": {"mode": "half-up", "per": "line"},
           "components": [{"type": "per_unit", "meter": "rows", "unit": 1000, "model": "graduated",
                           "tiers": [{"up_to": 1000, "price": "1250000333"}, {"price": "900000777"}]},
                          {"type": "minimum", "amount": "500"}]}
RENT = {"currency": "KRW", "kind": "subscription", "vat_ppm": 100000, "fee_ppm": 50000,
        "components": [{"type": "subscription", "amount": "300000", "period": "month", "prorate": True}]}
ONCE = {"currency": "KRW", "kind": "one_off", "vat_ppm": 100000, "fee_ppm": 35000, "components": [{"type": "one_off", "amount": "50005"}]}
COSTLY = {"currency": "KRW", "kind": "metered", "vat_ppm": 100000,
          "components": [{"type": "per_unit", "meter": "calls", "price": "400000000000"}]}


def many_tiers(meters, tiers):
    """A plan whose invoice has a line per tier and meter."""
    return {"currency": "KRW", "kind": "metered", "components": [
        {"type": "per_unit", "meter": meter, "model": "graduated",
         "tiers": [*({"up_to": i + 1, "price": str(1000000 + i)} for i in range(tiers - 1)), {"price": "1000"}]} for meter in meters]}


FREE = {"currency": "KRW", "kind": "free", "components": [{"type": "free"}]}


def event_id(ms):
    b = bytearray(ms.to_bytes(6, "big") + secrets.token_bytes(10))
    b[6] = b[6] & 0x0F | 0x70
    b[8] = b[8] & 0x3F | 0x80
    return str(uuid.UUID(bytes=bytes(b)))


class Trade:
    """An order with its agreement, reported by both sides."""

    def __init__(self, world, provider, consumer, plan, agreed, asset):
        self.provider, self.consumer = provider, consumer
        self.dataset = provider.publish(asset, [plan])
        answer = consumer.client().post("/v1/orders", {"dataset": self.dataset, "plan": sha256(canonical(plan)),
                                                       "purpose": "urn:naru:purpose:carbon-reporting"})
        assert answer.status == 201, answer.text
        self.order = answer.json["order"]
        self.id = self.order["order"]
        self.agreement = f"urn:uuid:{uuid.uuid4()}"
        self.seqs = {}
        if agreed is None:
            return
        for who, role, other in ((provider, "provider", consumer), (consumer, "consumer", provider)):
            answer = who.report(self.order, role, other, agreement=self.agreement, agreed_at=stamp(agreed))
            assert answer.status == 200, answer.text

    def line(self, role, event, since, seq=None, **counts):
        if seq is None:
            seq = self.seqs[role] = self.seqs.get(role, 0) + 1
        return canonical({"agreement": self.agreement, "bytes": 0, "calls": 1, "rows": 0, "event": event, "role": role, "seq": seq,
                          "since": stamp(since), "transfer": f"urn:uuid:{self.id}", "until": stamp(since), **counts})

    def use(self, since, consumer_rows=None, sides=("provider", "consumer"), **counts):
        event = event_id(since * 1000)
        rows = {"provider": counts.get("rows", 0), "consumer": counts.get("rows", 0) if consumer_rows is None else consumer_rows}
        return {role: self.line(role, event, since, **{**counts, "rows": rows[role]}) for role in sides}


def signature(company, body, lines):
    claim = {"batch": "sha256:" + sha256(body), "issued_at": stamp(), "lines": lines, "reporter": company.did}
    return company.sign("naru-batch+jws", claim)


def send(company, lines):
    body = "".join(f"{line}\n" for line in lines).encode()
    answer = company.connector().request("POST", "/v1/usage", body=body, headers={"Content-Type": "application/x-ndjson",
                                                                                 "Naru-Signature": signature(company, body, len(lines))})
    assert answer.status == 200, answer.text
    return [line["result"] for line in answer.json["lines"]]


class World:
    def __init__(self):
        self.bank = DataBank()
        self.key = LogKey(self.bank.folder / "log.pem")
        self.now = int(time.time())
        self.begin, self.middle, self.end = self.now - 3 * HOUR, self.now - HOUR, self.now - 10
        token = self.bank.operator().post("/v1/tokens", {"role": "auditor", "label": "audit"}).json["token"]
        self.token_file = self.bank.folder / "auditor"
        self.token_file.write_text(token)
        self.token_file.chmod(0o600)
        self.auditor = self.bank.api(token)

    def join(self):
        self.mill, self.plant, self.parts = (self.bank.member(slug) for slug in ("mill", "plant", "parts"))

    def vouch(self):
        """Words about companies: one withdrawn, one company suspended."""
        self.checked, self.barred = (self.bank.member(slug, connector_url="https://127.0.0.1:1") for slug in ("checked", "barred"))
        self.bank.broker.expect_log("a connector does not answer")
        for company in (self.checked, self.barred):
            assert company.connector().get("/v1/participants/me/credential").status == 200
        said = {"kind": "framework_agreement", "value": "DataExchangeGovernance:1.0"}
        for verb, status in (("", 201), ("/withdraw", 200), ("", 201)):
            answer = self.bank.operator().post(f"/v1/participants/{self.checked.id}/attestations{verb}", said)
            assert answer.status == status, answer.text
        assert self.bank.operator().post(f"/v1/participants/{self.barred.id}/suspend").status == 200

    def order(self):
        mill, plant, parts, agreed = self.mill, self.plant, self.parts, self.begin
        self.rows = Trade(self, mill, plant, METERED, agreed, "rows")
        self.rent = Trade(self, mill, plant, RENT, agreed, "rent")
        self.once = Trade(self, mill, parts, ONCE, agreed + 60, "once")
        self.costly = Trade(self, plant, parts, COSTLY, agreed, "costly")
        self.free = Trade(self, parts, plant, FREE, agreed, "free")
        # sections of 18 KiB, of which a document holds two; and one of which only the hash of its lines fits
        self.long = [Trade(self, mill, plant, many_tiers(("rows", "bytes"), 40 + i), agreed, f"long-{i}") for i in range(3)]
        self.longest = Trade(self, mill, plant, many_tiers(("rows", "bytes"), 64), agreed, "longest")
        self.brief, self.left = (Trade(self, mill, parts, RENT, agreed, asset) for asset in ("brief", "left"))
        answer = mill.end(self.brief.agreement, "provider", parts, ended_at=stamp(agreed + 1800), reason="a person's name")
        assert answer.json["state"] == "ended", answer.text
        self.cancelled = Trade(self, mill, parts, ONCE, None, "cancelled")
        answer = parts.client().post(f"/v1/orders/{self.cancelled.id}/cancel")
        assert answer.status < 300, answer.text
        stuck = Trade(self, mill, parts, ONCE, None, "stuck")
        answer = mill.report(stuck.order, "provider", parts, agreement=stuck.agreement)
        assert answer.json["state"] == "contracted", answer.text
        answer = self.bank.operator().post(f"/v1/orders/{stuck.id}/cancel", {"reason": "a person's name"})
        assert answer.json["order"]["state"] == "cancelled", answer.text

    def trade(self):
        """Both meters of both periods; with refused, repeated, late and missing lines."""
        rows, at = self.rows, self.begin + 100
        pairs = [rows.use(at + i, rows=100 + i, bytes=7) for i in range(300)]
        pairs.append(rows.use(at + 400, rows=1000, consumer_rows=995))  # within the tolerance
        pairs.append(rows.use(at + 401, rows=1000, consumer_rows=900))  # a dispute
        pairs.append(rows.use(self.middle + 100, rows=7))               # of the second period
        late = rows.use(at + 402, rows=50)                              # the consumer's report comes later
        self.late = late["consumer"]
        rows.seqs["provider"] += 1                                      # a report that never comes
        provider = [p["provider"] for p in pairs] + [late["provider"]]
        unknown = canonical({**json.loads(provider[0]), "agreement": "urn:uuid:unknown"})
        results = send(self.mill, provider + ["no receipt at all \" \\ \t", unknown, provider[0],
                                              rows.line("provider", event_id((at + 500) * 1000), at + 500, rows=1)])
        assert results.count("created") == len(provider) + 1 and len(set(results)) == 3, results
        assert set(send(self.plant, [p["consumer"] for p in pairs])) == {"created"}
        pair = self.costly.use(at, calls=4)
        for who, role in ((self.plant, "provider"), (self.parts, "consumer")):
            assert send(who, [pair[role]]) == ["created"]
        pairs = [trade.use(at, rows=100, bytes=100) for trade in (*self.long, self.longest)]
        for who, role in ((self.mill, "provider"), (self.plant, "consumer")):
            assert set(send(who, [pair[role] for pair in pairs])) == {"created"}
        pair = self.free.use(at, bytes=1000)
        for who, role in ((self.parts, "provider"), (self.plant, "consumer")):
            assert send(who, [pair[role]]) == ["created"]

    def close(self, name, start, end):
        answer = self.bank.operator().post(f"/v1/periods/{name}/close", {"from": stamp(start), "to": stamp(end)})
        assert answer.status == 200, answer.text
        return answer.json

    def first(self):
        return self.close("first", self.begin - 60, self.middle)

    def second(self):
        assert send(self.plant, [self.late]) == ["created"]
        closed = self.close("second", self.middle, self.end)
        answer = self.parts.end(self.left.agreement, "consumer", self.mill)
        assert answer.json["state"] == "ended", answer.text
        return closed

    def sealed(self):
        return self.bank.value("SELECT count(*) FROM aud.pending") == "0"
