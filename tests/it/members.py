"""Members of a data bank (databank.py) whose connectors run, and trades between them through their management APIs."""

import sqlite3
from contextlib import closing

from databank import Company
from edc import CTX, EDC, PROTOCOL, as_list
from harness import BIN, Client, free_port, start, temp_dir, wait_until

CX = "https://w3id.org/catenax/2025/9/policy/"


class Member:
    """A company of the data bank, and its connector, which serves the company's own DID document."""

    def __init__(self, bank, slug, **settings):
        self.bank, self.slug = bank, slug
        self.folder = temp_dir()
        self.public, self.management = free_port(), free_port()
        self.url = f"https://localhost:{self.public}"
        self.dsp = f"{self.url}/dsp/2025-1"
        self.did = f"did:web:localhost%3A{self.public}"
        self.company = Company(bank, slug, connector_url=self.url, did=self.did)
        (self.folder / "api-key").write_text("key-of-the-test")
        (self.folder / "api-key").chmod(0o600)
        options = {"participant.did": self.did, "identity.key": self.company.key.path, "public.listen": f"127.0.0.1:{self.public}",
                   "public.certificate": bank.certificate[0], "public.key": bank.certificate[1],
                   "management.listen": f"127.0.0.1:{self.management}", "fetch.ca": bank.authority.ca,
                   "fetch.allow": "127.0.0.0/8,::1/128", "data.roots": self.folder, "database": f"sqlite:{self.folder}/connector.db",
                   "broker.url": bank.url, "broker.did": bank.did, **settings}
        (self.folder / "connector.conf").write_text("".join(f"{k} = {v}\n" for k, v in options.items()))
        self.process = start(slug, [BIN / "naru-connector", "--config", self.folder / "connector.conf"], cwd=self.folder)
        self.api = Client(f"http://127.0.0.1:{self.management}", headers={"X-Api-Key": "key-of-the-test"})
        self.edc = Client(f"http://127.0.0.1:{self.management}/management", headers={"X-Api-Key": "key-of-the-test"})
        self.ready()

    def ready(self):
        wait_until(lambda: self.api.get("/naru/v1/membership").status == 200, 20, f"{self.slug} answers")

    def join(self):
        """Applies, is approved, and has its credential."""
        assert self.company.apply().status == 201
        answer = self.bank.operator().post(f"/v1/participants/{self.company.id}/approve")
        assert answer.status == 200, answer.text
        self.api.post("/naru/v1/membership", {})
        wait_until(self.is_member, 20, f"{self.slug} is a member")
        return self

    def is_member(self):
        return self.api.get("/naru/v1/membership").json["member"]

    def sql(self, text, *values):
        with closing(sqlite3.connect(self.folder / "connector.db", timeout=20)) as db, db:
            return db.execute(text, values).fetchall()

    def attest(self, kind, value, verb="", **more):
        """What the operator of the data bank records about us."""
        return self.bank.operator().post(f"/v1/participants/{self.company.id}/attestations{verb}", {"kind": kind, "value": value, **more})

    def suspend(self):
        return self.bank.operator().post(f"/v1/participants/{self.company.id}/suspend")

    def said_of(self, other):
        """What we know of another one by credentials."""
        return self.api.get(f"/naru/v1/partners/{other.did.replace('%', '%25')}/credentials").json


def constraint(operand, operator, value):
    return {"leftOperand": {"@id": operand}, "operator": {"@id": f"odrl:{operator}"}, "rightOperand": value}


def rules(*constraints):
    return {"@context": "http://www.w3.org/ns/odrl.jsonld", "@type": "Set",
            "permission": [{"action": "use", **({"constraint": list(constraints)} if constraints else {})}]}


def publish(provider, asset, contract, access=None, content=b"a,b\n1,2\n", **properties):
    """A file with one offer."""
    path = provider.folder / f"{asset}.csv"
    path.write_bytes(content)
    for route, body in (
        ("/v3/assets", {"@id": asset, "properties": {"name": asset, **properties}, "dataAddress": {"type": "File", "path": str(path)}}),
        ("/v3/policydefinitions", {"@id": f"{asset}-access", "policy": access or rules()}),
        ("/v3/policydefinitions", {"@id": f"{asset}-contract", "policy": contract}),
        ("/v3/contractdefinitions", {"@id": f"{asset}-offer", "accessPolicyId": f"{asset}-access",
                                     "contractPolicyId": f"{asset}-contract", "assetsSelector": [
                                         {"@type": "Criterion", "operandLeft": f"{EDC}id", "operator": "=", "operandRight": asset}]}),
    ):
        answer = provider.edc.post(route, {"@context": CTX, **body})
        assert answer.status == 200, answer.text


def catalogue(consumer, provider):
    """Offers by dataset, as the consumer sees them."""
    answer = consumer.edc.post("/v3/catalog/request", {"@context": CTX, "@type": "CatalogRequest", "protocol": PROTOCOL,
                                                       "counterPartyAddress": provider.dsp, "counterPartyId": provider.did})
    assert answer.status == 200, answer.text
    return {d["@id"]: as_list(d["odrl:hasPolicy"])[0] for d in as_list(answer.json.get("dcat:dataset", [])) if "odrl:hasPolicy" in d}


def negotiate(consumer, provider, asset, offer):
    """Asks for a contract; our pid."""
    answer = consumer.edc.post("/v3/contractnegotiations", {
        "@context": CTX, "@type": "ContractRequest", "counterPartyAddress": provider.dsp, "protocol": PROTOCOL,
        "policy": {**offer, "@context": "http://www.w3.org/ns/odrl.jsonld", "@type": "odrl:Offer", "assigner": provider.did,
                   "target": asset}})
    assert answer.status == 200, answer.text
    return answer.json["@id"]


def field(member, kind, pid, name):
    return member.edc.get(f"/v3/{kind}/{pid}").json.get(name)


def ends_as(consumer, pid, state, kind="contractnegotiations"):
    return wait_until(lambda: field(consumer, kind, pid, "state") == state, 20, f"{kind} {state}")


def agree(consumer, provider, asset):
    """An agreement about an asset."""
    pid = negotiate(consumer, provider, asset, catalogue(consumer, provider)[asset])
    ends_as(consumer, pid, "FINALIZED")
    return field(consumer, "contractnegotiations", pid, "contractAgreementId")


def transfer(consumer, provider, agreement):
    answer = consumer.edc.post("/v3/transferprocesses", {
        "@context": CTX, "@type": "TransferRequest", "counterPartyAddress": provider.dsp, "contractId": agreement,
        "protocol": PROTOCOL, "transferType": "HttpData-PULL"})
    assert answer.status == 200, answer.text
    return answer.json["@id"]


def begin(consumer, provider, agreement):
    """A transfer that runs."""
    pid = transfer(consumer, provider, agreement)
    ends_as(consumer, pid, "STARTED", "transferprocesses")
    return pid


def pull(consumer, pid):
    return consumer.api.get(f"/naru/v1/edrs/{pid}/data").status
