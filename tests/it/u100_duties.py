"""Duties of agreements between two connectors and a data bank: deleted at the end of use, confirmed, stated, overdue, late, waived.

The seller's connector has its database on PostgreSQL, the buyer's on SQLite.
"""

import base64
import hashlib
import json
import re
import sqlite3
import sys
import time
import uuid
from datetime import datetime, timedelta, timezone

from auditlog import Mirror, pull, verify
from harness import BIN, PATIENCE, ROOT, main, run, tap, temp_dir

sys.path.insert(0, str(ROOT / "tools" / "demo"))
from world import World, wait_until  # noqa: E402

EDC = "https://w3id.org/edc/v0.0.1/ns/"
CTX = {"@vocab": EDC}
PROTOCOL = "dataspace-protocol-http:2025-1"
ODRL = "http://www.w3.org/ns/odrl/2/"
USE = {"action": "use"}
SOON = 60


def until(condition, what, deadline_s=SOON):
    return wait_until(condition, deadline_s * PATIENCE, what)


def stamp(seconds):
    return (datetime.now(timezone.utc) + timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%SZ")


def before(instant, operator="lteq"):
    return {"leftOperand": "odrl:dateTime", "operator": operator, "rightOperand": instant}


def duty(action, *constraints):
    return {"action": f"odrl:{action}", **({"constraint": list(constraints)} if constraints else {})}


class Space:
    """A data bank with two members."""

    def __init__(self, world):
        self.world = world
        world.make_certificates(["broker", "seller", "buyer"])
        world.start_postgres()
        world.start_broker()
        for slug, number in (("seller", "124-81-00998"), ("buyer", "220-81-62517")):
            company = world.add_company(slug)
            (company.home / "data").mkdir(exist_ok=True)
            self.begin(company)
            company.naru("register", "--name-ko", f"회사 {slug}", "--name-en", f"Company {slug}", "--number", f"kr_brn:{number}")
        for application in world.operate("applications")["items"]:
            world.operate("approve", application["participant"])
        self.seller, self.buyer = world.companies["seller"], world.companies["buyer"]
        for company in (self.seller, self.buyer):
            company.naru("status", "--wait-member")
        self.ids = {p["did"]: p["participant"] for p in self.members()}
        self.counter = 0

    @property
    def database(self):
        """The seller's."""
        return self.world.postgres.conninfo.replace("dbname=postgres", "dbname=seller")

    def begin(self, company, **settings):
        if company.slug == "seller":
            if self.world.postgres.sql("SELECT 1 FROM pg_database WHERE datname = 'seller'") == "":
                self.world.postgres.sql("CREATE DATABASE seller")
            settings = {"database": self.database, **settings}
        self.world.start_connector(company, **{"duty.time": "30s", "data.dir": company.home / "data", **settings})

    def members(self):
        return [c.naru("status")["broker"] for c in (self.seller, self.buyer)]

    def call(self, company, method, path, body=None, want=200):
        status, answer = company.manage(method, path, body)
        assert status == want, (path, status, answer)
        return answer

    def agree(self, **rules):
        """An asset of the seller's under these rules, and an agreement about it."""
        self.counter += 1
        asset = f"data-{self.counter}"
        source = self.seller.home / "data" / f"{asset}.csv"
        source.write_text("time,kwh\n1,2\n")
        policy = {"@context": ["https://w3id.org/dspace/2025/1/odrl-profile.jsonld", {"odrl": ODRL}], "@type": "Set", "permission": [USE], **rules}
        for route, body in (
                ("assets", {"@id": asset, "properties": {"name": asset}, "dataAddress": {"type": "File", "path": str(source)}}),
                ("policydefinitions", {"@id": f"{asset}-policy", "policy": policy}),
                ("policydefinitions", {"@id": f"{asset}-access", "policy": {**policy, "permission": [USE], "obligation": []}}),
                ("contractdefinitions", {"@id": f"{asset}-offer", "accessPolicyId": f"{asset}-access", "contractPolicyId": f"{asset}-policy",
                                         "assetsSelector": [{"operandLeft": f"{EDC}id", "operator": "=", "operandRight": asset}]})):
            self.call(self.seller, "POST", f"/v3/{route}", {"@context": CTX, **body})
        seen = self.call(self.buyer, "POST", "/v3/catalog/dataset/request", {
            "@context": CTX, "@type": "DatasetRequest", "@id": asset, "protocol": PROTOCOL,
            "counterPartyAddress": f"{self.seller.public_url}/dsp/2025-1", "counterPartyId": self.seller.did})
        offer = seen["odrl:hasPolicy"]
        offer = offer[0] if isinstance(offer, list) else offer
        pid = self.call(self.buyer, "POST", "/v3/contractnegotiations", {
            "@context": CTX, "@type": "ContractRequest", "counterPartyAddress": f"{self.seller.public_url}/dsp/2025-1", "protocol": PROTOCOL,
            "policy": {**offer, "@context": "http://www.w3.org/ns/odrl.jsonld", "@type": "odrl:Offer", "assigner": self.seller.did,
                       "target": asset}})["@id"]
        until(lambda: self.call(self.buyer, "GET", f"/v3/contractnegotiations/{pid}")["state"] == "FINALIZED", "an agreement")
        return self.call(self.buyer, "GET", f"/v3/contractnegotiations/{pid}")["contractAgreementId"]

    def duties(self, company, agreement, **query):
        more = "".join(f"&{k}={v}" for k, v in query.items())
        return self.call(company, "GET", f"/naru/v1/duties?agreement={agreement}{more}")["items"]

    def one(self, company, agreement, action="delete"):
        return next(d for d in self.duties(company, agreement) if d["action"].endswith("/" + action))

    def wait(self, company, agreement, state, action="delete"):
        until(lambda: self.one(company, agreement, action)["state"] == state, f"{company.slug}: {action} is {state}")
        return self.one(company, agreement, action)

    def at_broker(self, agreement, company=None, **query):
        more = "".join(f"&{k}={v}" for k, v in query.items())
        token = (company.home / "broker-token").read_text().strip() if company else (self.world.operator / "operator-token").read_text().strip()
        base = self.world.broker_url if company else self.world.operator_url
        status, answer = self.world.http("GET", f"{base}/v1/duties?agreement={agreement}{more}", headers={"Authorization": f"Bearer {token}"})
        assert status == 200, answer
        return answer["items"]

    def wait_broker(self, agreement, state):
        until(lambda: [d["state"] for d in self.at_broker(agreement)] == [state], f"the data bank says {state}")
        return self.at_broker(agreement)[0]

    def entries(self, kind):
        rows = self.world.postgres.sql("SELECT entry FROM (SELECT 0 AS late, log_index AS n, entry FROM aud.entry UNION ALL"
                                       " SELECT 1, pending_id, entry FROM aud.pending) e ORDER BY late, n").splitlines()
        return [e["body"] for e in map(json.loads, rows) if e["kind"] == kind]

    def rows(self, company, statement, *arguments):
        """Of the buyer's database, or the first column of the seller's."""
        if company.slug == "seller":
            postgres = self.world.postgres
            _, out, _ = run([postgres.bin / "psql", self.database, "-XAtqc", statement])
            return [(line,) for line in out.splitlines()]
        with sqlite3.connect(company.home / "connector.db", timeout=20) as db:
            return db.execute(statement, arguments).fetchall()

    def restart(self, company, **settings):
        company.connector.kill()
        self.begin(company, **settings)


def payload(document):
    part = document.split(".")[1]
    return json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))


# -- the way that works -------------------------------------------------------------------------------------------------
def deleted_and_confirmed(space):
    """Use ends some seconds ahead: the consumer's connector deletes, people confirm, all three have the signed statement."""
    end = stamp(6 * PATIENCE)
    agreement = space.agree(permission=[{**USE, "constraint": [before(end)]}], obligation=[duty("delete")])
    ours, theirs = space.one(space.buyer, agreement), space.one(space.seller, agreement)
    tap.equal((ours["id"], ours["debtor"], ours["ours"]), (theirs["id"], "consumer", True), "both sides know the duty by one id")
    tap.equal((theirs["ours"], theirs["state"], ours["state"]), (False, "open", "open"), "it is open on both sides")

    inside, outside = space.buyer.home / "data" / "inside.csv", space.world.folder / "outside.csv"
    for target in (inside, outside):
        space.buyer.naru("fetch", agreement, "-o", target)
    digest = "sha256:" + hashlib.sha256(inside.read_bytes()).hexdigest()
    copies = space.call(space.buyer, "GET", f"/naru/v1/copies?agreement={agreement}")["items"]
    tap.equal({(c["path"], c["digest"], c["deleted_by_connector"]) for c in copies},
              {(str(inside), digest, True), (str(outside), digest, False)}, "both copies are noted, one for the connector to delete")
    tap.equal(len(space.rows(space.buyer, "SELECT 1 FROM edr JOIN transfer USING (transfer_id) WHERE agreement_id = ?", agreement)), 1, "a token is held")

    until(lambda: "deleted_at" in space.one(space.buyer, agreement), "the connector deletes at the end of use")
    done = space.one(space.buyer, agreement)
    tap.equal((done["state"], {k: v for k, v in done["deleted"].items() if k != "tokens"}), ("open", {"files": 1, "bytes": 13, "digests": [digest]}),
              "what it holds is gone, the rest is open")
    told = space.call(space.buyer, "GET", "/naru/v1/events?types=duty.due&limit=1000")["events"]
    tap.equal([e["payload"]["dutyId"] for e in told], [ours["id"]], "an event tells that people have to confirm")
    tap.ok(not inside.exists() and outside.exists(), "the copy below data.dir is gone, the other one is people's affair")
    tap.equal(space.rows(space.buyer, "SELECT 1 FROM edr JOIN transfer USING (transfer_id) WHERE agreement_id = ?", agreement), [], "no token is left")
    table = space.buyer.naru("duties", "--agreement", agreement, as_json=False, check=False)
    tap.ok(str(outside) in table.stderr and ours["id"] in table.stdout, "naru duties names the copy that is left", table.stdout + table.stderr)

    outside.unlink()
    said = space.buyer.naru("duties", "done", ours["id"], "--statement", "deleted on the analysts' machines as well")
    tap.equal((said["state"], said["by"]), ("done", "operator"), "an operator confirms")
    again = space.buyer.naru("duties", "done", ours["id"], "--statement", "deleted on the analysts' machines as well")
    tap.equal(again["document"], said["document"], "the same word again changes nothing")
    other = space.buyer.naru("duties", "done", ours["id"], "--statement", "something else", check=False)
    tap.ok(other.returncode != 0 and json.loads(other.stderr)["code"] == "conflict", "another word is a conflict", other.stderr)

    theirs = space.wait(space.seller, agreement, "done")
    tap.equal(theirs["document"], said["document"], "the provider has the signed statement")
    tap.equal((theirs["statement"], theirs["by"]), ("deleted on the analysts' machines as well", "operator"), "and the words")
    listed = space.wait_broker(agreement, "done")
    tap.equal([s["document"] for s in listed["said"]], [said["document"]], "so has the data bank")
    until(lambda: space.one(space.buyer, agreement)["told"] == {"counterparty": "told", "data_bank": "told"}, "the consumer knows that both have it")
    statement = payload(said["document"])
    tap.equal({k: statement[k] for k in ("duty", "agreement", "provider", "consumer", "role", "files", "bytes", "digests", "by")},
              {"duty": ours["id"], "agreement": agreement, "provider": space.seller.did, "consumer": space.buyer.did, "role": "consumer",
               "files": 1, "bytes": 13, "digests": [digest], "by": "operator"}, "what it says")
    tap.ok(statement["tokens"] in (0, 1), "tokens that it still held", statement)
    logged = [e for e in space.entries("deletion.stated") if e["agreement"] == agreement]
    tap.equal([e["document"] for e in logged], [said["document"]], "the log has it, once")
    tap.ok("analysts" not in json.dumps(space.entries("deletion.stated")), "what people wrote is not in the log")
    events = space.call(space.seller, "GET", "/naru/v1/events?types=duty.&limit=1000")["events"]
    tap.ok(any(e["name"] == "duty.done" and e["payload"]["dutyId"] == ours["id"] for e in events), "the provider's event", events)
    return agreement, said["document"]


def nothing_received(space):
    """No transfer, so nothing is left for people; ended by the consumer before its time."""
    agreement = space.agree(permission=[USE], obligation=[duty("delete")])
    early = space.buyer.naru("duties", "done", space.one(space.buyer, agreement)["id"], "--statement", "x", check=False)
    tap.ok(early.returncode != 0 and json.loads(early.stderr)["code"] == "conflict", "nobody confirms before use has ended", early.stderr)
    tap.equal((space.one(space.buyer, agreement)["at_end_of_use"], "due_at" in space.one(space.buyer, agreement)), (True, False), "due with the end of use")
    space.buyer.naru("end", agreement, "--reason", "no need")
    said = space.wait(space.buyer, agreement, "done")
    tap.equal(said["by"], "connector", "the connector itself states that nothing is left")
    space.wait(space.seller, agreement, "done")
    space.wait_broker(agreement, "done")


# -- overdue, late, waived ----------------------------------------------------------------------------------------------
def overdue_and_late(space):
    agreement = space.agree(permission=[USE], obligation=[duty("anonymize", before(stamp(5 * PATIENCE)))])
    for company in (space.buyer, space.seller):
        space.wait(company, agreement, "overdue", "anonymize")
    listed = space.wait_broker(agreement, "overdue")
    until(lambda: len(space.at_broker(agreement)[0]["said"]) == 2, "both sides have told the data bank")
    tap.equal({s["role"] for s in space.at_broker(agreement)[0]["said"]}, {"provider", "consumer"}, "each for itself")
    tap.equal([d["duty"] for d in space.at_broker(agreement, space.seller, state="overdue")], [listed["duty"]], "a party sees its own")
    for company in (space.buyer, space.seller):
        tap.ok(company.naru("status")["duties"]["overdue"] >= 1, f"{company.slug}: naru status counts it")
        events = space.call(company, "GET", "/naru/v1/events?types=duty.overdue&limit=1000")["events"]
        tap.equal(len([e for e in events if e["payload"]["dutyId"] == listed["duty"]]), 1, f"{company.slug}: one event")
        status, metrics = company.manage("GET", "/metrics")
        tap.ok(status == 200 and re.search(r"^naru_duties_overdue\{[^}]*\} 1$", metrics, re.M), f"{company.slug}: the gauge", metrics[-500:])
    text = space.buyer.naru("duties", "--state", "overdue", as_json=False)
    tap.ok("OVERDUE" in text and listed["duty"] in text, "naru duties marks it", text)
    said = space.buyer.naru("duties", "done", listed["duty"], "--statement", "names removed", "--by", "system")
    tap.equal((said["state"], said["by"]), ("late", "system"), "done late")
    tap.equal(space.wait(space.seller, agreement, "late", "anonymize")["document"], said["document"], "the provider sees it as late, too")
    space.wait_broker(agreement, "late")
    for company in (space.buyer, space.seller):
        until(lambda c=company: re.search(r"^naru_duties_overdue\{[^}]*\} 0$", c.manage("GET", "/metrics")[1], re.M), f"{company.slug}: the gauge goes down")


def waived(space):
    agreement = space.agree(permission=[USE], obligation=[duty("anonymize", before(stamp(3600)))])
    ours = space.one(space.buyer, agreement, "anonymize")
    own = space.buyer.naru("duties", "waive", ours["id"], "--reason", "we would rather not", check=False)
    tap.ok(own.returncode != 0 and json.loads(own.stderr)["code"] == "conflict", "nobody waives his own duty", own.stderr)
    wrong = space.seller.naru("duties", "done", ours["id"], "--statement", "they have", check=False)
    tap.ok(wrong.returncode != 0 and json.loads(wrong.stderr)["code"] == "conflict", "nor confirms another's", wrong.stderr)
    tap.equal(space.seller.naru("duties", "waive", ours["id"], "--reason", "not needed any more")["state"], "waived", "the provider waives")
    tap.equal(space.wait(space.buyer, agreement, "waived", "anonymize")["statement"], "not needed any more", "the consumer hears why")
    space.wait_broker(agreement, "waived")


def informed(space):
    agreement = space.agree(permission=[USE], obligation=[duty("inform")])
    said = space.wait(space.buyer, agreement, "done", "inform")
    tap.equal(said["by"], "connector", "informing is done by the connector")
    tap.equal(space.wait(space.seller, agreement, "done", "inform")["document"], said["document"], "the provider has the notice")
    space.wait_broker(agreement, "done")


# -- kills, and a data bank that is away --------------------------------------------------------------------------------
def killed(space):
    """Each process is killed at some point on the way; what was said arrives once all the same."""
    agreement = space.agree(permission=[{**USE, "constraint": [before(stamp(8 * PATIENCE))]}], obligation=[duty("delete")])
    space.buyer.naru("fetch", agreement, "-o", space.buyer.home / "data" / "killed.csv")
    space.restart(space.buyer)
    until(lambda: "deleted_at" in space.one(space.buyer, agreement), "the end of use after a kill")
    tap.ok(not (space.buyer.home / "data" / "killed.csv").exists(), "a killed connector deletes, too")
    space.seller.connector.kill()
    space.world.broker.kill()
    done = space.buyer.naru("duties", "done", space.one(space.buyer, agreement)["id"], "--statement", "all gone")
    tap.equal(done["told"], {"counterparty": "waiting", "data_bank": "waiting"}, "acknowledged while both others are away")
    space.restart(space.buyer)
    space.begin(space.seller)
    space.world.broker.start()
    tap.equal(space.wait(space.seller, agreement, "done")["document"], done["document"], "the provider gets it")
    space.wait_broker(agreement, "done")
    tap.equal(len([e for e in space.entries("deletion.stated") if e["agreement"] == agreement]), 1, "the log has it once")
    tap.equal(len([e for e in space.entries("agreement.reported") if e["agreement"] == agreement]), 2, "behind the reports of the agreement")


def missed_while_down(space):
    """The instants lie in a time in which the connector does not run."""
    agreement = space.agree(permission=[{**USE, "constraint": [before(stamp(4 * PATIENCE))]}], obligation=[duty("anonymize", before(stamp(4 * PATIENCE)))])
    space.buyer.connector.kill()
    space.wait(space.seller, agreement, "overdue", "anonymize")
    space.begin(space.buyer)
    space.wait(space.buyer, agreement, "overdue", "anonymize")
    return agreement


# -- what is refused ----------------------------------------------------------------------------------------------------
class Signer:
    """Speaks as a company: tokens and documents with its key."""

    def __init__(self, space, company):
        self.space, self.did = space, company.did
        sys.path.insert(0, str(ROOT / "tests" / "it"))
        from databank import Key  # a key that is there
        self.key = Key.__new__(Key)
        self.key.path = company.home / "company.pem"

    def jws(self, typ, value):
        from databank import Key
        return Key.jws(self.key, f"{self.did}#key-1", typ, value)

    def token(self, audience, **more):
        now = int(time.time())
        return self.jws("JWT", {"iss": self.did, "sub": self.did, "aud": audience, "iat": now, "exp": now + 120, "jti": uuid.uuid4().hex, **more})


def in_order(space):
    """A paid order: paying and reporting use are done by the connectors themselves."""
    source = space.seller.home / "data" / "sold.csv"
    source.write_text("time,kwh\n1,2\n")
    names = ("--title-en", "Sold", "--title-ko", "판매", "--domain", "process", "--plan", "one-off:1000")
    plan = space.buyer.naru("show", space.seller.naru("publish", source, *names)["dataset"])["plans"][0]["hash"]
    policy = space.world.folder / "policy.json"
    order = {"leftOperand": "urn:naru:policy:order", "operator": "isAnyOf", "rightOperand": [f"urn:naru:plan:{plan}"]}
    policy.write_text(json.dumps({
        "@context": ["https://w3id.org/dspace/2025/1/odrl-profile.jsonld", {"odrl": ODRL}], "@type": "Set", "profile": ["urn:naru:profile:commercial:1"],
        "permission": [{**USE, "constraint": [order]}], "obligation": [duty("compensate"), duty("acceptTracking", before(stamp(20 * PATIENCE)))]}))
    dataset = space.seller.naru("publish", source, *names, "--policy", policy)["dataset"]
    bought = space.buyer.naru("buy", dataset, "--purpose", "urn:naru:purpose:research")
    agreement = bought["agreement"]
    tap.equal({d["action"].split("/")[-1] for d in space.duties(space.buyer, agreement)}, {"compensate", "acceptTracking"}, "paying and reporting are owed")
    for company in (space.buyer, space.seller):
        tap.equal(space.wait(company, agreement, "done", "compensate")["by"], "connector", f"{company.slug}: the active order is the payment")
    space.buyer.naru("fetch", agreement, "-o", space.world.folder / "sold.csv")
    for company in (space.buyer, space.seller):
        tap.equal(space.wait(company, agreement, "done", "acceptTracking")["by"], "connector", f"{company.slug}: answered receipts are the report of use")
    until(lambda: {d["state"] for d in space.at_broker(agreement)} == {"done"} and len(space.at_broker(agreement)) == 2, "the data bank has both")


def catena(space):
    """Catena-X: use that ends obliges to delete, provision that ends obliged to provide."""
    cx = "https://w3id.org/catenax/2025/9/policy/"
    end = stamp(5 * PATIENCE)
    agreement = space.agree(
        profile=[cx], permission=[{**USE, "constraint": [{"leftOperand": f"{cx}DataUsageEndDate", "operator": "eq", "rightOperand": end}]}],
        obligation=[{**USE, "constraint": [{"leftOperand": f"{cx}DataProvisioningEndDate", "operator": "eq", "rightOperand": end}]}])
    for company in (space.buyer, space.seller):
        tap.equal({(d["action"].split("/")[-1], d["debtor"]) for d in space.duties(company, agreement)}, {("delete", "consumer"), ("use", "provider")},
                  f"{company.slug}: who owes what")
        space.wait(company, agreement, "done", "use")
        tap.equal(space.wait(company, agreement, "done")["by"], "connector", f"{company.slug}: nothing was received, nothing is left")


def membership(space, company):
    return space.rows(company, "SELECT credential FROM membership")[0][0]


def refusals(space):
    """Documents that do not count, at the provider's connector and at the data bank."""
    agreement = space.agree(permission=[USE], obligation=[duty("anonymize", before(stamp(3600))), duty("delete", before(stamp(7200)))])
    erase, mask = space.one(space.buyer, agreement), space.one(space.buyer, agreement, "anonymize")
    buyer, seller = Signer(space, space.buyer), Signer(space, space.seller)
    deal = {"agreement": agreement, "provider": space.seller.did, "consumer": space.buyer.did}
    deletion = {"duty": erase["id"], **deal, "role": "consumer", "due_at": erase["due_at"], "deleted_at": stamp(0), "tokens": 0, "files": 0, "bytes": 0, "by": "operator"}
    report = {"duty": mask["id"], **deal, "role": "consumer", "debtor": "consumer", "action": ODRL + "anonymize", "due_at": mask["due_at"],
              "state": "done", "at": stamp(0), "by": "operator"}
    until(lambda: len([e for e in space.entries("agreement.reported") if e["agreement"] == agreement]) == 2, "both have reported the agreement")

    def to_peer(document, text=None, who=buyer, company=space.buyer):
        token = who.token(space.seller.did, membership=membership(space, company))
        return space.world.http("POST", f"{space.seller.public_url}/exchange/v1/duties", {"document": document, **({"text": text} if text else {})},
                                {"Authorization": f"Bearer {token}"})

    def to_broker(path, member, document, text=None, who=buyer):
        return space.world.http("POST", f"{space.world.broker_url}/v1/agreements/{path}", {member: document, **({"text": text} if text else {})},
                                {"Authorization": f"Bearer {who.token(space.world.broker_did)}"})

    def forged(document):
        head, _, signature = document.split(".")
        body = base64.urlsafe_b64encode(json.dumps({**payload(document), "files": 7}).encode()).rstrip(b"=").decode()
        return f"{head}.{body}.{signature}"

    good = buyer.jws("naru-deletion+jws", deletion)
    bad = [
        ("a forged statement", forged(good), {}, (401, 400)),
        ("another type", buyer.jws("naru-duty+jws", deletion), {}, (400, 400)),
        ("the provider's signature", seller.jws("naru-deletion+jws", deletion), {}, (401, 400)),
        ("the wrong party", buyer.jws("naru-deletion+jws", {**deletion, "role": "provider"}), {}, (400, 400)),
        ("another provider", buyer.jws("naru-deletion+jws", {**deletion, "provider": "did:web:other.example"}), {}, (404, 404)),
        ("a foreign agreement", buyer.jws("naru-deletion+jws", {**deletion, "agreement": "urn:uuid:0"}), {}, (404, 404)),
        ("an unknown duty", buyer.jws("naru-deletion+jws", {**deletion, "duty": str(uuid.uuid4())}), {}, (404, None)),
        ("another duty's id", buyer.jws("naru-deletion+jws", {**deletion, "duty": mask["id"]}), {}, (404, None)),
        ("a time in the future", buyer.jws("naru-deletion+jws", {**deletion, "deleted_at": stamp(1000)}), {}, (400, 400)),
        ("a time before the agreement", buyer.jws("naru-deletion+jws", {**deletion, "deleted_at": stamp(-100000)}), {}, (400, 400)),
        ("no digest", buyer.jws("naru-deletion+jws", {**deletion, "files": 1, "digests": ["md5:1"]}), {}, (400, 400)),
        ("more digests than files", buyer.jws("naru-deletion+jws", {**deletion, "digests": ["sha256:" + "0" * 64]}), {}, (400, 400)),
        ("an unknown member", buyer.jws("naru-deletion+jws", {**deletion, "more": 1}), {}, (400, 400)),
        ("a text that was not signed", good, {"text": "hello"}, (400, 400)),
        ("another text", buyer.jws("naru-deletion+jws", {**deletion, "text_hash": "sha256:" + "0" * 64}), {"text": "hello"}, (400, 400)),
    ]
    state = (space.duties(space.seller, agreement), space.at_broker(agreement))
    for name, document, more, (peer, bank) in bad:
        status, answer = to_peer(document, **more)
        tap.ok(status == peer, f"connector: {name}", f"want {peer}, got {status}: {answer}")
        if bank is not None:
            status, answer = to_broker("deletions", "statement", document, **more)
            tap.ok(status == bank, f"data bank: {name}", f"want {bank}, got {status}: {answer}")
    for name, change, want in (
            ("his own duty waived", {"state": "waived"}, 400), ("open", {"state": "open"}, 400), ("overdue before its date", {"state": "overdue"}, 400),
            ("the other side's duty done", {"debtor": "provider"}, 400), ("deleting without a statement", {"duty": erase["id"], "action": ODRL + "delete"}, 400)):
        document = buyer.jws("naru-duty+jws", {**report, **change})
        status, answer = to_peer(document)
        tap.ok(status == want, f"connector: {name}", f"want {want}, got {status}: {answer}")
        status, answer = to_broker("duties", "report", document)
        tap.ok(status == want, f"data bank: {name}", f"want {want}, got {status}: {answer}")
    status, answer = to_peer(good, who=seller, company=space.seller)
    tap.ok(status in (400, 401), "connector: a stranger brings it", f"{status}: {answer}")
    tap.equal((space.duties(space.seller, agreement), space.at_broker(agreement)), state, "nothing has changed")

    for send in (lambda d: to_peer(d), lambda d: to_broker("deletions", "statement", d)):
        tap.ok(send(good)[0] in (200, 204), "a good one is taken")
        tap.ok(send(good)[0] in (200, 204), "again: the same answer")
        tap.ok(send(buyer.jws("naru-deletion+jws", deletion))[0] in (200, 204), "signed anew: the same answer")
        tap.equal(send(buyer.jws("naru-deletion+jws", {**deletion, "files": 1, "bytes": 1}))[0], 409, "another digest or count is a conflict")
    tap.equal(len([e for e in space.entries("deletion.stated") if e["agreement"] == agreement]), 1, "the log has it once")


# -- the auditor --------------------------------------------------------------------------------------------------------
def audited(space, agreement, document):
    folder = temp_dir("audit-")
    token = folder / "token"
    token.touch(0o600)
    token.write_text(space.world.operate("token", "--role", "auditor", "--label", "duties")["token"])
    until(lambda: space.world.postgres.sql("SELECT count(*) FROM aud.pending") == "0", "everything is sealed")
    mirror = Mirror(folder / "mirror")
    status, report = pull(mirror.folder, space.world.broker_url, space.world.ca, token)
    tap.equal(status, 0, "the auditor pulls")
    verdict = verify(mirror.folder)
    tap.ok(verdict.status == 0 and verdict.report["findings_count"] == 0, "and verifies without findings", verdict)
    tap.ok(verdict.report["duties"] >= 6, "with all that was said of duties", verdict.report)
    line = next(i for i, e in enumerate(mirror.entries()) if e["kind"] == "deletion.stated" and e["body"]["document"] == document)
    path = mirror.bundle_path(line)
    data = path.read_bytes()
    tampered = data.replace(b'"deleted_at":"20', b'"deleted_at":"19', 1)
    tap.ok(tampered != data, "an entry is changed")
    path.write_bytes(tampered)
    verdict = verify(mirror.folder)
    tap.ok(verdict.status != 0 and verdict.report["findings_count"] > 0, "a changed statement is found", verdict)


def walk(space, steps):
    for step in steps:
        with tap.case(step.__name__):
            step(space)


def scenario():
    with World(BIN, companies=2, durable=False) as world:
        space = Space(world)
        agreement, document = deleted_and_confirmed(space)
        walk(space, (nothing_received, overdue_and_late, waived, informed))
        audited(space, agreement, document)


if __name__ == "__main__":
    main(scenario)
