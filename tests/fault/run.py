"""make fault: kills every program at any step of a trade, in a loop, and restarts it; then everything must have ended well.

A buyer trades without pause: order, negotiation, transfer, pull. Beside it the broker and both connectors are killed with SIGKILL at random moments. After the last
kill: every trade that was begun ends with data equal by digest; nothing acknowledged is missing; each receipt counts once; the ledger balances; outboxes
are empty; the audit log verifies. The seed is printed and can be given again.
"""

import argparse
import hashlib
import http.client
import random
import sqlite3
import sys
import threading
import time
import urllib.error
import uuid
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent.parent / "tools" / "demo"))
from world import Trouble, World, wait_until

CONTEXT = {"@vocab": "https://w3id.org/edc/v0.0.1/ns/"}
PROTOCOL = "dataspace-protocol-http:2025-1"
PURPOSE = "urn:naru:purpose:test"
PATIENCE_S = 90


class Killer(threading.Thread):
    """Kills and restarts one program after the other until told to stop."""

    def __init__(self, world, kills, seed):
        super().__init__(daemon=True)
        self.world, self.kills, self.random = world, kills, random.Random(seed)
        self.done, self.counts, self.error = 0, {}, None
        self.finished = threading.Event()

    def run(self):
        try:
            while self.done < self.kills and not self.finished.is_set():
                # the moment is the point of the campaign: any instant of a trade
                self.finished.wait(self.random.uniform(0.02, 0.35))
                victim = self.random.choice(self.world.programs())
                victim.kill()
                victim.start()
                self.done += 1
                self.counts[victim.name] = self.counts.get(victim.name, 0) + 1
        except Exception as e:  # noqa: BLE001 - reported by the main thread
            self.error = e
        finally:
            self.finished.set()


def stubborn(call, good, what, deadline_s=PATIENCE_S):
    """Repeats a call through refused connections and 5xx, as a client would, until good(status, answer) gives something."""
    seen = [None]

    def once():
        try:
            status, answer = call()
        except (urllib.error.URLError, http.client.HTTPException, OSError, ValueError) as e:
            seen[0] = str(e)
            return None
        seen[0] = (status, answer)
        return good(status, answer)

    try:
        return wait_until(once, deadline_s, what)
    except Trouble as e:
        raise Trouble(f"{e}; last seen: {seen[0]}") from None


class Trade:
    """One purchase, from order to data, with every step repeated until it has worked."""

    def __init__(self, world, dataset, plan, digest, seen):
        self.world, self.dataset, self.plan, self.digest = world, dataset, plan, digest
        self.seen = seen  # negotiations of earlier trades
        self.seller, self.buyer = world.companies["seller"], world.companies["buyer"]
        self.order = str(uuid.uuid4())

    def run(self):
        self.place_order()
        agreement = self.negotiate()
        self.pull(agreement)
        return agreement

    def place_order(self):
        token = (self.buyer.home / "broker-token").read_text().strip()
        body = {"order": self.order, "dataset": self.dataset["dataset"], "plan": self.plan, "purpose": PURPOSE}
        stubborn(lambda: self.world.http("POST", f"{self.world.broker_url}/v1/orders", body, {"Authorization": f"Bearer {token}"}),
                 lambda s, a: s in (200, 201), "order")
        for company in (self.seller, self.buyer):
            stubborn(lambda c=company: c.manage("GET", "/naru/v1/orders?limit=1000"),
                     lambda s, a: s == 200 and any(o["order"]["order"] == self.order for o in a["items"]), "order arrives")

    def offer(self):
        body = {"@context": CONTEXT, "counterPartyAddress": f"{self.seller.public_url}/dsp/2025-1", "counterPartyId": self.seller.did,
                "protocol": PROTOCOL}

        def find(status, answer):
            if status != 200:
                return None
            found = answer.get("dcat:dataset", [])
            found = found if isinstance(found, list) else [found]
            return next((d for d in found if d["@id"] == self.dataset["asset"]), None)

        dataset = stubborn(lambda: self.buyer.manage("POST", "/v3/catalog/request", body), find, "catalogue")
        policy = dataset["odrl:hasPolicy"]
        return policy[0] if isinstance(policy, list) else policy

    def unseen(self):
        """A negotiation of ours that no answer has told us of: the program was killed between its commit and its answer."""
        query = {"@context": CONTEXT, "@type": "QuerySpec", "sortField": "createdAt", "sortOrder": "DESC", "limit": 20}
        found = stubborn(lambda: self.buyer.manage("POST", "/v3/contractnegotiations/request", query),
                         lambda s, a: (s == 200 and isinstance(a, list)) and (a,), "negotiations")[0]
        return next((n["@id"] for n in found if n["@id"] not in self.seen and n["state"] != "TERMINATED"), None)

    def begin(self):
        body = {"@context": {**CONTEXT, "odrl": "http://www.w3.org/ns/odrl/2/"}, "@type": "ContractRequest",
                "counterPartyAddress": f"{self.seller.public_url}/dsp/2025-1", "protocol": PROTOCOL,
                "policy": {**self.offer(), "@type": "odrl:Offer", "odrl:assigner": {"@id": self.seller.did},
                           "odrl:target": {"@id": self.dataset["asset"]}}}
        try:
            status, answer = self.buyer.manage("POST", "/v3/contractnegotiations", body)
        except (urllib.error.URLError, http.client.HTTPException, OSError, ValueError):
            return None  # it may have begun all the same: unseen() tells
        return answer["@id"] if status == 200 else None

    def negotiate(self):
        end, reason = time.monotonic() + PATIENCE_S, None
        while time.monotonic() < end:
            made = self.unseen() or self.begin()
            if made is None:
                continue
            self.seen.add(made)
            state = stubborn(lambda m=made: self.buyer.manage("GET", f"/v3/contractnegotiations/{m}"),
                             lambda s, a: s == 200 and a["state"] in ("FINALIZED", "TERMINATED") and a, "end of the negotiation")
            if state["state"] == "FINALIZED":
                return state["contractAgreementId"]
            reason = state.get("errorDetail")
        raise Trouble(f"order {self.order}: no negotiation succeeds, the last says: {reason}")

    def pull(self, agreement):
        body = {"@context": CONTEXT, "@type": "TransferRequest", "counterPartyAddress": f"{self.seller.public_url}/dsp/2025-1",
                "contractId": agreement, "protocol": PROTOCOL, "transferType": "HttpData-PULL"}
        made = stubborn(lambda: self.buyer.manage("POST", "/v3/transferprocesses", body), lambda s, a: s == 200 and a["@id"], "transfer")
        stubborn(lambda: self.buyer.manage("GET", f"/v3/transferprocesses/{made}/state"), lambda s, a: s == 200 and a["state"] == "STARTED",
                 "start of the transfer")
        stubborn(lambda: self.buyer.manage("GET", f"/naru/v1/edrs/{made}/data"),
                 lambda s, a: s == 200 and hashlib.sha256(a.encode()).hexdigest() == self.digest, "data")


def prepare(world):
    """Two companies, one dataset with a price per row."""
    world.make_certificates(["broker", "seller", "buyer"])
    world.start_postgres()
    world.start_broker()
    data = world.folder / "data"
    data.mkdir()
    source = data / "rows.csv"
    source.write_text("row,value\n" + "".join(f"{n},{n * n}\n" for n in range(200)))
    for number, slug in (("124-81-00998", "seller"), ("220-81-62517", "buyer")):
        company = world.add_company(slug)
        world.start_connector(company, **{"data.roots": data, "log.level": "warning"})
        company.naru("register", "--name-ko", slug, "--name-en", slug, "--country", "KR", "--number", f"kr_brn:{number}")
    for application in world.operate("applications")["items"]:
        world.operate("approve", application["participant"])
    for company in world.companies.values():
        company.naru("status", "--wait-member")
    dataset = world.companies["seller"].naru("publish", source, "--title-en", "Rows", "--domain", "process", "--media-type", "text/csv",
                                             "--plan", "per-row:1", "--purpose", PURPOSE)
    return dataset, hashlib.sha256(source.read_bytes()).hexdigest()


def rows(company, sql):
    with sqlite3.connect(f"file:{company.home}/connector.db?mode=ro", uri=True) as db:
        return db.execute(sql).fetchall()


def settle(world, orders):
    """Everything that waits has been sent and answered."""
    for company in world.companies.values():
        wait_until(lambda c=company: rows(c, "SELECT count(*) FROM outbox") == [(0,)], PATIENCE_S, f"outbox of {company.slug} empties")
        wait_until(lambda c=company: rows(c, "SELECT count(*) FROM receipt WHERE answer IS NULL") == [(0,)], PATIENCE_S,
                   f"receipts of {company.slug} are answered")
    wait_until(lambda: world.postgres.sql("SELECT count(*) FROM sys.outbox") == "0", PATIENCE_S, "outbox of the broker empties")
    wait_until(lambda: world.postgres.sql("SELECT count(*) FROM aud.pending") == "0", PATIENCE_S, "log is sealed")
    listed = ",".join(f"'{o}'" for o in orders)
    wait_until(lambda: world.postgres.sql(f"SELECT count(*) FROM ord.purchase WHERE state = 'active' AND order_id IN ({listed})") == str(len(orders)),
               PATIENCE_S, "orders are active")


def examine(world, agreements):
    """What must hold when the dust has settled."""
    problems = []
    for company, role in ((world.companies["seller"], "provider"), (world.companies["buyer"], "consumer")):
        have = {a for (a,) in rows(company, "SELECT agreement_id FROM agreement")}
        problems += [f"{company.slug} lost agreement {a}" for a in agreements if a not in have]
        sent = dict(rows(company, "SELECT answer, count(*) FROM receipt GROUP BY answer"))
        bad = {answer: n for answer, n in sent.items() if answer not in ("created", "duplicate")}
        if bad:
            problems.append(f"receipts of {company.slug}: {bad}")
        stored = int(world.postgres.sql(f"SELECT count(*) FROM met.receipt WHERE role = '{role}'"))
        if stored != sum(sent.values()):
            problems.append(f"{company.slug} sent {sum(sent.values())} receipts, the broker has {stored}")
    balance = world.operate("trial-balance")
    problems += [f"ledger does not balance: {c}" for c in balance["currencies"] if not c["balanced"]]
    token = world.operate("token", "--role", "auditor", "--label", "fault")["token"]
    (world.folder / "auditor-token").write_text(token)
    (world.folder / "auditor-token").chmod(0o600)
    mirror = world.folder / "mirror"
    world.naru("audit", "pull", mirror, "--broker", world.broker_url, "--ca", world.ca, "--token-file", world.folder / "auditor-token")
    done = world.naru("audit", "verify", mirror, check=False)
    if done.returncode != 0:
        problems.append(f"audit verify: exit {done.returncode}: {done.stdout[:1000]}")
    return problems


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bin", required=True)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    args = parser.parse_args()
    print(f"fault: {args.kills} kills, seed {args.seed}", flush=True)
    with World(args.bin, companies=2) as world:
        try:
            dataset, digest = prepare(world)
            killer = Killer(world, args.kills, args.seed)
            killer.start()
            orders, agreements, seen = [], [], set()
            while not killer.finished.is_set():
                trade = Trade(world, dataset, dataset["plans"][0], digest, seen)
                agreements.append(trade.run())
                orders.append(trade.order)
                print(f"  trade {len(orders)} ended, {killer.done} kills", flush=True)
            if killer.error:
                raise killer.error
            settle(world, orders)
            problems = examine(world, agreements)
        except Exception as e:
            for program in world.programs():
                print(f"--- {program.log}\n{program.tail(12)}", file=sys.stderr)
            print(f"fault: {type(e).__name__}: {e} (seed {args.seed})", file=sys.stderr)
            return 1
    for problem in problems:
        print(f"  {problem}")
    print(f"fault: {sum(killer.counts.values())} kills ({', '.join(f'{n} {k}' for k, n in sorted(killer.counts.items()))}), {len(orders)} trades, "
          f"{len(problems)} problems")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
