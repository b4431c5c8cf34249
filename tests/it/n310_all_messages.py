"""Everything that a connector says, in both roles and in both versions, validates against the schemas of the version."""

import uuid

from connectors import EDC, Peer, Space
from harness import Client, main, tap, wait_until
from schemas import FOLDERS, Validator

CONTEXTS = {"2025-1": ["https://w3id.org/dspace/2025/1/context.jsonld"], "2024-1": "https://w3id.org/dspace/2024/1/context.json"}
ODRL = {"permission", "action", "constraint", "leftOperand", "operator", "rightOperand", "target", "assigner", "assignee"}
RULES, OTHER = ({"permission": [{"action": "use", "constraint": [
    {"leftOperand": "dateTime", "operator": "lt", "rightOperand": f"{year}-12-31T00:00:00Z"}]}]} for year in (2098, 2099))
STATES = {"REQUESTED": 200, "OFFERED": 400, "AGREED": 850, "VERIFIED": 1100, "FINALIZED": 1200,
          "requested": 500, "started": 600, "suspended": 700}
SAID = set(FOLDERS["negotiation"] + FOLDERS["transfer"]) - {
    "ContractNegotiation", "ContractNegotiationError", "TransferProcess", "TransferError"}


def old(key, value):
    """A member in the words of 2024-1."""
    if key == "@type":
        return key, ("odrl:" if value in ("Offer", "Agreement") else "dspace:") + value
    if isinstance(value, dict):
        value = dict(old(k, v) for k, v in value.items())
    elif isinstance(value, list):
        value = [dict(old(k, v) for k, v in item.items()) if isinstance(item, dict) else item for item in value]
    elif key in ("action", "leftOperand", "operator"):
        value = f"odrl:{value}"
    elif key == "eventType":
        value = f"dspace:{value}"
    prefix = "" if key[0] == "@" else "odrl:" if key in ODRL else "dct:" if key == "format" else "dspace:"
    return prefix + key, value


class Talk:
    """A connector that does nothing by itself, and the other party, who speaks one version."""

    def __init__(self, version):
        self.version, self.validator = version, Validator(version)
        space = Space("naru", "peer")
        self.naru = space.connector("naru", **{"dsp.versions": version, "operator.decides": "agree, verify, finalize, start"})
        self.naru.offer(policy={"@type": "Offer", **RULES})
        self.peer = Peer(space, "peer")
        self.peer.answer = self.answer
        self.client = Client(f"{self.naru.base}/dsp/{version}", space.authority.ca, {"Authorization": space.tokens["peer"]})

    def form(self, kind, **members):
        body = {"@type": kind, **members}
        if self.version == "2024-1":
            body = dict(old(k, v) for k, v in body.items())
        return {"@context": CONTEXTS[self.version], **body}

    def member(self, body, name):
        return body.get(name, body.get(f"dspace:{name}"))

    def answer(self, _method, path, body):
        if path.endswith("/catalog/request"):
            kind = "Catalog" if self.version == "2025-1" else "dcat:Catalog"
            return 200, {"@context": CONTEXTS[self.version], "@id": "c", "@type": kind}
        first = path.endswith(("/negotiations/request", "/negotiations/offers", "/transfers/request"))
        if not first:
            return 200, None
        pids = {name: self.member(body, name) or f"urn:uuid:{uuid.uuid4()}" for name in ("providerPid", "consumerPid")}
        return 201, self.form("TransferProcess" if "/transfers/" in path else "ContractNegotiation", state="REQUESTED", **pids)

    def tell(self, path, kind, status=200, **members):
        if self.version == "2024-1" and kind in ("ContractRequestMessage", "ContractOfferMessage", "ContractAgreementMessage"):
            members.setdefault("callbackAddress", self.peer.url)
        body = self.form(kind, **members)
        self.validator.check(body, "what the other party says")
        answer = self.client.post(path, body)
        tap.status(answer, status, f"{self.version}: {kind} is taken")
        if answer.text:
            self.validator.check(answer.json, "the answer")
        return answer.json if answer.text else None

    def say(self, pid, word, kind="negotiations", **body):
        tap.status(self.naru.api.post(f"/naru/v1/{kind}/{pid}/{word}", body or None), 204, f"{self.version}: the operator says {word}")

    def act(self, pid, verb, kind="transferprocesses"):
        answer = self.naru.api.post(f"/v3/{kind}/{pid}/{verb}", {"@context": {"@vocab": EDC}, "@id": pid, "reason": "so"})
        tap.ok(answer.status < 300, f"{self.version}: {verb}", answer.text)

    def reach(self, pid, state):
        self.naru.wait_state(pid, STATES[state], "transfer" if state.islower() else "negotiation")

    def ask(self, path, **body):
        answer = self.naru.api.post(path, {"@context": {"@vocab": EDC}, "counterPartyAddress": self.peer.url, "counterPartyId": "peer",
                                           "protocol": f"dataspace-protocol-http:{self.version}", **body})
        tap.ok(answer.status < 300, f"{self.version}: {path}", answer.text)
        return answer.json

    def both(self, pid, table="negotiation"):
        role, theirs = wait_until(lambda: [r for r in self.naru.sql(
            f"SELECT role, peer_pid FROM {table} WHERE {table}_id = ?", pid) if r[1]], 10, "the peer's pid")[0]
        return {"providerPid": pid, "consumerPid": theirs} if role == "provider" else {"providerPid": theirs, "consumerPid": pid}

    def as_provider(self):
        body = {"counterPartyId": "peer", "counterPartyAddress": self.peer.url, "assetId": "data-1",
                "policy": {"@type": "Offer", **RULES}, "protocol": f"dataspace-protocol-http:{self.version}"}
        answer = self.naru.api.post("/naru/v1/negotiations/offers", body)
        tap.status(answer, 201, "we begin with an offer")
        self.reach(answer.json["negotiation"], "OFFERED")
        self.act(answer.json["negotiation"], "terminate", "contractnegotiations")

        catalogue = self.tell("/catalog/request", "CatalogRequestMessage")
        dataset = (catalogue.get("dataset") or catalogue["dcat:dataset"])[0]
        offer = (dataset.get("hasPolicy") or dataset["odrl:hasPolicy"])[0]
        offer = {"@id": offer["@id"], "@type": "Offer", "assigner": "naru", "target": "data-1", **RULES}
        request = self.tell("/negotiations/request", "ContractRequestMessage", 201, consumerPid=f"urn:uuid:{uuid.uuid4()}",
                            offer=offer, callbackAddress=self.peer.url)
        pid = self.member(request, "providerPid")
        self.say(pid, "offer", policy={"@type": "Offer", **OTHER})
        self.reach(pid, "OFFERED")
        self.tell(f"/negotiations/{pid}/events", "ContractNegotiationEventMessage", eventType="ACCEPTED", **self.both(pid))
        self.say(pid, "agree")
        self.reach(pid, "AGREED")
        self.tell(f"/negotiations/{pid}/agreement/verification", "ContractAgreementVerificationMessage", **self.both(pid))
        self.say(pid, "finalize")
        self.reach(pid, "FINALIZED")
        agreement = self.naru.sql("SELECT agreement_id FROM negotiation WHERE negotiation_id = ?", pid)[0][0]
        for end in ("complete", "terminate"):
            answer = self.tell("/transfers/request", "TransferRequestMessage", 201, consumerPid=f"urn:uuid:{uuid.uuid4()}",
                               agreementId=agreement, format="HttpData-PULL", callbackAddress=self.peer.url)
            transfer = self.member(answer, "providerPid")
            self.say(transfer, "start", "transfers")
            self.life(transfer, end)

    def as_consumer(self):
        rules = {"@context": "http://www.w3.org/ns/odrl.jsonld", "@id": "theirs", "@type": "Offer", "assigner": "peer",
                 "target": "their-data", **RULES}
        pid = self.ask("/v3/contractnegotiations", policy=rules)["@id"]
        self.reach(pid, "REQUESTED")
        both = self.both(pid)

        def offer(rules):
            self.tell(f"/negotiations/{pid}/offers", "ContractOfferMessage", **both, offer={
                "@id": f"urn:uuid:{uuid.uuid4()}", "@type": "Offer", "assigner": "peer", "target": "their-data", **rules})
            self.reach(pid, "OFFERED")

        offer(OTHER)
        self.say(pid, "offer", policy={"@type": "Offer", **RULES})
        self.reach(pid, "REQUESTED")
        offer(RULES)
        self.say(pid, "accept")
        wait_until(lambda: self.naru.state(pid) == 800, 10, "ACCEPTED")
        agreement = f"urn:uuid:{uuid.uuid4()}"
        self.tell(f"/negotiations/{pid}/agreement", "ContractAgreementMessage", **both, agreement={
            "@id": agreement, "@type": "Agreement", "assigner": "peer", "assignee": "naru", "target": "their-data", **RULES})
        self.say(pid, "verify")
        self.reach(pid, "VERIFIED")
        self.tell(f"/negotiations/{pid}/events", "ContractNegotiationEventMessage", eventType="FINALIZED", **both)
        self.reach(pid, "FINALIZED")
        for end in ("complete", "terminate"):
            transfer = self.ask("/v3/transferprocesses", contractId=agreement, transferType="HttpData-PULL")["@id"]
            self.reach(transfer, "requested")
            self.tell(f"/transfers/{transfer}/start", "TransferStartMessage", **self.both(transfer, "transfer"), dataAddress={
                "@type": "DataAddress", "endpointType": "https://w3id.org/idsa/v4.1/HTTP", "endpoint": "https://localhost/x",
                "endpointProperties": [{"@type": "EndpointProperty", "name": "authorization", "value": "t"}]})
            self.life(transfer, end)
        push = {"type": "HttpData", "baseUrl": "https://localhost/take"}
        self.ask("/v3/transferprocesses", contractId=agreement, transferType="HttpData-PUSH", dataDestination=push)
        self.ask("/v3/catalog/request")

    def life(self, transfer, end):
        self.reach(transfer, "started")
        self.act(transfer, "suspend")
        self.reach(transfer, "suspended")
        self.act(transfer, "resume")
        self.reach(transfer, "started")
        self.act(transfer, end)
        wait_until(lambda: self.naru.state(transfer, "transfer") >= 800, 10, "the end")

    def run(self):
        self.as_provider()
        self.as_consumer()
        said = set()
        for _, _, body, _ in self.peer.seen:
            if body is not None:
                said.add(body["@type"].rpartition(":")[2])
                self.validator.check(body, f"{self.version}: what we say")
        tap.equal(said, SAID | {"CatalogRequestMessage"}, f"{self.version}: all messages were said")


def scenario():
    for version in CONTEXTS:
        Talk(version).run()


main(scenario)
