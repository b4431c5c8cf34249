"""A broker of its own with companies, plans, datasets, orders and agreements, made by SQL so that a test owns their times.

What is tested goes through the broker's API: receipts, closing, documents, ledger, log.
"""

import base64
import hashlib
import json
import os
import secrets
import subprocess
import time
import uuid
from datetime import datetime, timezone

from harness import BIN, Client, Postgres, start, temp_dir, wait_until, free_port

DID = "did:web:broker.test"
OPERATOR = "operator-token-of-a-test"
ZERO = str(uuid.UUID(int=0))
US = 1_000_000


def canonical(value):
    """RFC 8785 for what receipts, plans and documents hold: no reals, keys in ASCII."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def base64url(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def sha256(text):
    return hashlib.sha256(text if isinstance(text, bytes) else text.encode()).digest()


def derive(*parts):
    """The same ids as ledger_derive: UUIDv8 of SHA-256."""
    b = bytearray(sha256("|".join(parts))[:16])
    b[6] = b[6] & 0x0F | 0x80
    b[8] = b[8] & 0x3F | 0x80
    return str(uuid.UUID(bytes=bytes(b)))


def deal(provider, consumer, agreement):
    """The same ids as order_deal."""
    b = bytearray(sha256(b"".join(b"%d:%s," % (len(p.encode()), p.encode()) for p in (provider, consumer, agreement)))[:16])
    b[6] = b[6] & 0x0F | 0x80
    b[8] = b[8] & 0x3F | 0x80
    return str(uuid.UUID(bytes=bytes(b)))


def stamp(us):
    """RFC 3339 as the programs write it."""
    seconds, fraction = divmod(us, US)
    text = datetime.fromtimestamp(seconds, timezone.utc).strftime("%Y-%m-%dT%H:%M:%S")
    return f"{text}.{fraction:06d}Z" if fraction else f"{text}Z"


def micros(text):
    return int(datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp() * US)


def quoted(text):
    return "'" + str(text).replace("'", "''") + "'"


def event_id(us):
    """A version 7 id at this time."""
    b = bytearray((us // 1000).to_bytes(6, "big") + secrets.token_bytes(10))
    b[6] = b[6] & 0x0F | 0x70
    b[8] = b[8] & 0x3F | 0x80
    return str(uuid.UUID(bytes=bytes(b)))


class Key:
    """An Ed25519 key in a file; openssl signs."""

    def __init__(self, path):
        self.path = path
        subprocess.run(["openssl", "genpkey", "-algorithm", "ED25519", "-out", path], check=True, capture_output=True)
        os.chmod(path, 0o600)
        der = subprocess.run(["openssl", "pkey", "-in", path, "-pubout", "-outform", "DER"], check=True,
                             capture_output=True).stdout
        self.jwk = {"alg": "EdDSA", "crv": "Ed25519", "kty": "OKP", "x": base64url(der[-32:])}

    def sign(self, data):
        message = f"{self.path}.message"
        with open(message, "wb") as out:
            out.write(data)
        return subprocess.run(["openssl", "pkeyutl", "-sign", "-rawin", "-inkey", self.path, "-in", message],
                              check=True, capture_output=True).stdout

    def jws(self, kid, typ, payload):
        head = base64url(canonical({"alg": "EdDSA", "kid": kid, "typ": typ}).encode())
        signed = f"{head}.{base64url(payload.encode())}"
        return f"{signed}.{base64url(self.sign(signed.encode()))}"


class Company:
    def __init__(self, market, name):
        self.market, self.name = market, name
        self.id = event_id(time.time_ns() // 1000)
        self.did = f"did:web:{name}.test"
        self.key = Key(str(market.folder / f"{name}.pem"))
        self.seqs = {}
        market.sql("INSERT INTO reg.participant (participant_id, did, slug, name_ko, name_en, country, number_kind, number, connector_url,"
                   " protocol_url, public_jwk, hosted_did, state, applied_at) VALUES"
                   f" ('{self.id}', '{self.did}', '{name}', '회사 {name} <&>', 'Company {name} <&>', 'KR', 'kr_brn', '{name}-number', '', '',"
                   f" {quoted(canonical(self.key.jwk))}, true, 'active', now())")
        self.token = f"naru_{secrets.token_hex(16)}"
        market.token(self.token, "admin", self.id)

    def client(self):
        return self.market.client({"Authorization": f"Bearer {self.token}"})

    def jwt(self):
        now = int(time.time())
        claims = {"aud": DID, "exp": now + 120, "iat": now, "iss": self.did, "jti": secrets.token_hex(8), "sub": self.did}
        return self.key.jws(f"{self.did}#key-1", "JWT", canonical(claims))

    def receipt(self, order, event, role, since_us, calls=1, bytes=0, rows=0, seq=None, **other):
        """One line; seq counts by itself."""
        if seq is None:
            seq = self.seqs[order.agreement, role] = self.seqs.get((order.agreement, role), 0) + 1
        line = {"agreement": order.agreement, "bytes": bytes, "calls": calls, "event": event, "role": role, "rows": rows, "seq": seq,
                "since": stamp(since_us), "transfer": f"urn:uuid:transfer-{order.agreement[-4:]}", "until": stamp(since_us + 1000)}
        return canonical({**line, **other})

    def signature(self, body, lines, **claims):
        claim = {"batch": "sha256:" + sha256(body).hex(), "issued_at": stamp(time.time_ns() // US * 1000), "lines": lines,
                 "reporter": self.did}
        return self.key.jws(f"{self.did}#key-1", "naru-batch+jws", canonical({**claim, **claims}))

    def end(self, order, instant):
        """Ends an order's agreement before its time, as its provider; the connectors of all companies are switched off."""
        self.market.broker.expect_log("a connector does not answer")
        self.market.sql("UPDATE reg.participant SET connector_url = 'http://127.0.0.1:1'")
        end = {"agreement": order.agreement, "role": "provider", "provider": self.did, "consumer": order.consumer.did, "ended_at": instant}
        answer = self.market.client({"Authorization": f"Bearer {self.jwt()}"}).post("/v1/agreements/end", {
            "end": self.key.jws(f"{self.did}#key-1", "naru-agreement-end+jws", canonical(end))})
        assert answer.status == 200 and answer.json["state"] == "ended", answer.text

    def send(self, lines, signature=None, client=None):
        """POST /v1/usage of lines."""
        body = "".join(f"{line}\n" for line in lines).encode()
        headers = {"Authorization": f"Bearer {self.jwt()}", "Content-Type": "application/x-ndjson"}
        if signature != "":
            headers["Naru-Signature"] = signature or self.signature(body, len(lines))
        return (client or self.market.client()).post("/v1/usage", body=body, headers=headers)


class Order:
    """An order whose agreement both sides have reported."""

    def __init__(self, market, provider, consumer, plan, active, ended=None, hold=0, ends=None, agreement=None):
        now = time.time_ns() // 1000
        self.id, self.dataset = event_id(now), event_id(now)
        self.agreement = agreement or f"urn:uuid:{uuid.uuid4()}"
        self.deal = deal(provider.did, consumer.did, self.agreement)
        self.provider, self.consumer, self.plan, self.hold = provider, consumer, plan, hold
        self.active_us = micros(active)
        hash_ = market.plan(plan)
        hold_id = market.hold(self, consumer, hold, plan["currency"]) if hold else None
        end = f"'{ended}'" if ended else "NULL"
        market.sql(
            "INSERT INTO cat.dataset (dataset_id, provider_id, asset_id, version, entry, entry_jws, entry_hash, title_ko, title_en, domain,"
            " visibility, price_kind, state, published_at, changed_at) VALUES"
            f" ('{self.dataset}', '{provider.id}', 'asset-{self.dataset}', 1, '', '', '', '데이터', 'data <b>', 'carbon', 'open', 'metered',"
            " 'listed', now(), now());"
            "INSERT INTO ord.purchase (order_id, dataset_id, dataset_version, provider_id, consumer_id, plan_hash, purpose, state, document,"
            " hold_id, hold_minor, agreement_id, deal_id, made_at, valid_until, active_at, ended_at) VALUES"
            f" ('{self.id}', '{self.dataset}', 1, '{provider.id}', '{consumer.id}', '{hash_}', 'p', 'active', '',"
            f" {quoted(hold_id) if hold_id else 'NULL'}, {hold}, '{self.agreement}', '{self.deal}', '{active}', '{active}', '{active}', {end});" +
            "".join(f"INSERT INTO ord.agreement_report VALUES ('{self.deal}', '{role}', '{self.agreement}', '{who.id}', '{peer.did}', '{self.id}',"
                    f" 'hash', '{active}', {quoted(ends) if ends else 'NULL'}, now());" for role, who, peer in (("provider", provider, consumer), ("consumer", consumer, provider))))

    def use(self, since, calls=1, bytes=0, rows=0, consumer_rows=None, sides=("provider", "consumer")):
        """One event, as lines of provider and consumer (None for a side that does not report)."""
        us = micros(since)
        event = event_id(us)
        lines = {}
        for role, who in (("provider", self.provider), ("consumer", self.consumer)):
            counted = consumer_rows if role == "consumer" and consumer_rows is not None else rows
            lines[role] = who.receipt(self, event, role, us, calls, bytes, counted) if role in sides else None
        return lines["provider"], lines["consumer"]


class Market:
    def __init__(self, durable=False, settings=None):
        self.folder = temp_dir("market-")
        self.pg = Postgres(durable=durable)
        self.url = self.pg.create("broker")
        subprocess.run(["openssl", "genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out",
                        self.folder / "broker.pem"], check=True, capture_output=True)
        subprocess.run(["openssl", "genpkey", "-algorithm", "ED25519", "-out", self.folder / "log.pem"], check=True,
                       capture_output=True)
        (self.folder / "token").write_text(OPERATOR)
        for name in ("broker.pem", "log.pem", "token"):
            os.chmod(self.folder / name, 0o600)
        self.port, self.operator_port = free_port(), free_port()
        options = {"listen": f"127.0.0.1:{self.port}", "operator.listen": f"127.0.0.1:{self.operator_port}", "database": self.url,
                   "did": DID, "key": self.folder / "broker.pem", "log.key": self.folder / "log.pem",
                   "operator.token": self.folder / "token", "fetch.http": "true", "credit.limit": "1000000",
                   "settlement.account": "110-123-456789", **(settings or {})}
        self.broker = start("broker", [BIN / "naru-broker", *(f"--{k}={v}" for k, v in options.items())])
        self.wait()

    def wait(self):
        wait_until(self._ready, 20, "broker answers")

    def _ready(self):
        try:
            return self.client().get("/healthz").status == 200
        except OSError:
            return False

    def client(self, headers=None):
        return Client(f"http://127.0.0.1:{self.port}", headers=headers)

    def operator(self):
        return Client(f"http://127.0.0.1:{self.operator_port}", headers={"Authorization": f"Bearer {OPERATOR}"})

    def sql(self, text):
        return self.pg.psql(text, "broker")

    def value(self, text):
        return self.sql(text)[0][0]

    def token(self, token, role, participant=None):
        owner = f"'{participant}'" if participant else "NULL"
        self.sql("INSERT INTO reg.access_token (token_hash, participant_id, role, label, made_at) VALUES"
                 f" ('\\x{sha256(token).hex()}', {owner}, '{role}', 'test', now())")

    def plan(self, plan):
        text = canonical(plan)
        name = sha256(text).hex()
        self.sql(f"INSERT INTO cat.plan VALUES ('{name}', {quoted(text)}, '{plan['currency']}', now()) ON CONFLICT DO NOTHING")
        return name

    def account(self, owner, code, currency="KRW", side="debit", limit=None):
        """Opens an account as the broker would; returns its id."""
        name = derive(owner, code, currency)
        self.sql("INSERT INTO led.account VALUES"
                 f" ('{name}', {'NULL' if owner == ZERO else quoted(owner)}, '{code}', '{currency}', '{side}',"
                 f" {'NULL' if limit is None else limit}, now()) ON CONFLICT DO NOTHING")
        return name

    def hold(self, order, consumer, minor, currency):
        debit = self.account(consumer.id, "receivable", currency, limit=1000000)
        credit = self.account(ZERO, "clearing", currency, "credit")
        name = str(uuid.uuid4())
        self.sql("INSERT INTO led.transfer (transfer_id, kind, journal_id, debit_id, credit_id, amount_minor, currency, code, effective_at,"
                 f" body_hash) VALUES ('{name}', 'hold', '{order.id}', '{debit}', '{credit}', {minor}, '{currency}', 'order.hold', now(),"
                 f" '\\x{sha256(name).hex()}')")
        return name

    def balance(self, owner, code, currency="KRW"):
        """Debits less credits, posted; None if there is no such account."""
        rows = self.sql(f"SELECT debits_posted - credits_posted FROM led.balance WHERE account_id = '{derive(owner, code, currency)}'")
        return int(rows[0][0]) if rows else None

    def entries(self, kind=None):
        """Bodies of the log, sealed and pending, in order."""
        rows = self.sql("SELECT entry FROM (SELECT 0 AS late, log_index AS n, entry FROM aud.entry UNION ALL"
                        " SELECT 1, pending_id, entry FROM aud.pending) e ORDER BY late, n")
        all_ = [json.loads(row[0]) for row in rows]  # psql prints a row of several entries on several lines
        return [e["body"] for e in all_ if kind in (None, e["kind"])]
