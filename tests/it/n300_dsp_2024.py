"""DSP 2024-1: two connectors that speak it alone trade, others find the version that both speak, and peers' dialects are read."""

import uuid

from connectors import EDC, Peer, Space, message
from harness import Client, Skip, main, tap, wait_until
from schemas import Validator

CONTEXT = "https://w3id.org/dspace/2024/1/context.json"
ANY, OLD, NEW = (f"dataspace-protocol-http{v}" for v in ("", ":2024-1", ":2025-1"))
STARTED, SUSPENDED, TERMINATED = 600, 700, 850
FINALIZED = 1200


def old(kind, **members):
    return {"@context": CONTEXT, "@type": f"dspace:{kind}", **{f"dspace:{k}": v for k, v in members.items()}}


def listed(value):
    return value if isinstance(value, list) else [value]


def catalogue_of(consumer, address, protocol):
    answer = consumer.api.post("/v3/catalog/request", {
        "@context": {"@vocab": EDC}, "counterPartyAddress": address, "counterPartyId": "provider", "protocol": protocol})
    tap.status(answer, 200, f"{consumer.name} asks for the catalogue at {address.rpartition(':')[2]} with {protocol}")
    return answer.json


def trade(provider, consumer, address, protocol, spoken):
    """From the catalogue to the end of a transfer, all through the management API."""
    catalogue = catalogue_of(consumer, address, protocol)
    dataset = next(d for d in listed(catalogue["dcat:dataset"]) if d["@id"] == "data-1")
    offer = listed(dataset["odrl:hasPolicy"])[0]
    tap.equal(offer["odrl:permission"]["odrl:constraint"]["odrl:leftOperand"]["@id"], "odrl:dateTime", "rules keep their meaning")
    answer = consumer.api.post("/v3/contractnegotiations", {
        "@context": {"@vocab": EDC, "odrl": "http://www.w3.org/ns/odrl/2/"}, "@type": "ContractRequest",
        "counterPartyAddress": address, "counterPartyId": "provider", "protocol": protocol,
        "policy": {**offer, "odrl:assigner": {"@id": "provider"}, "odrl:target": {"@id": "data-1"}}})
    tap.status(answer, 200, "a negotiation begins")
    pid = answer.json["@id"]
    consumer.wait_state(pid, FINALIZED)
    shown = consumer.api.get(f"/v3/contractnegotiations/{pid}").json
    tap.equal((shown["protocol"], shown["counterPartyAddress"]), spoken, "in the version that both speak")
    theirs, said = provider.sql("SELECT negotiation_id, protocol FROM negotiation WHERE peer_pid = ?", pid)[0]
    provider.wait_state(theirs, FINALIZED)
    tap.equal(said, spoken[0], "the provider says the same")
    agreement = shown["contractAgreementId"]
    tap.equal(*(c.sql("SELECT policy_hash FROM agreement WHERE agreement_id = ?", agreement) for c in (provider, consumer)),
              "both keep the same agreement")
    transfer(provider, consumer, agreement, address, protocol, spoken[0])


def transfer(provider, consumer, agreement, address, protocol, spoken):
    answer = consumer.api.post("/v3/transferprocesses", {
        "@context": {"@vocab": EDC}, "@type": "TransferRequest", "counterPartyAddress": address, "contractId": agreement,
        "protocol": protocol, "transferType": "HttpData-PULL"})
    tap.status(answer, 200, "a transfer begins")
    pid = answer.json["@id"]
    consumer.wait_state(pid, STARTED, "transfer")
    theirs, said = provider.sql("SELECT transfer_id, protocol FROM transfer WHERE peer_pid = ?", pid)[0]
    tap.equal(said, spoken, "in the same version")
    provider.wait_state(theirs, STARTED, "transfer")
    pull(consumer, pid)
    for side, mine, verb, state in ((consumer, pid, "suspend", SUSPENDED), (consumer, pid, "resume", STARTED),
                                    (provider, theirs, "suspend", SUSPENDED), (provider, theirs, "resume", STARTED)):
        body = {"@context": {"@vocab": EDC}, "@id": mine, "reason": "because"}
        tap.ok(side.api.post(f"/v3/transferprocesses/{mine}/{verb}", body).status < 300, f"{side.name}: {verb}")
        consumer.wait_state(pid, state, "transfer")
        provider.wait_state(theirs, state, "transfer")
    pull(consumer, pid)
    body = {"@context": {"@vocab": EDC}, "@id": pid, "reason": "enough"}
    tap.ok(consumer.api.post(f"/v3/transferprocesses/{pid}/terminate", body).status < 300, "it is terminated")
    consumer.wait_state(pid, TERMINATED, "transfer")
    provider.wait_state(theirs, TERMINATED, "transfer")
    tap.equal(provider.error(theirs, "transfer"), "enough", "the reason arrives")


def pull(consumer, pid):
    endpoint, token = consumer.sql("SELECT endpoint, token FROM edr WHERE transfer_id = ?", pid)[0]
    answer = Client(endpoint, consumer.space.authority.ca, {"Authorization": token}).get("")
    tap.equal((answer.status, answer.text), (200, "time,kwh\n1,2\n"), "the data arrive")


def versions(both, only, consumer):
    paths = {v["version"]: v["path"] for v in both.version().json["protocolVersions"]}
    tap.equal(paths, {"2025-1": "/dsp/2025-1", "2024-1": "/dsp/2024-1"}, "both versions are named")
    tap.equal([v["version"] for v in only.version().json["protocolVersions"]], ["2024-1"], "or one, if it is one")
    document = Client(both.base, both.space.authority.ca).get("/.well-known/dspace-version/dsp").json
    tap.equal(document["@context"], CONTEXT, "2024-1 has a form of its own")
    tap.status(only.as_peer("consumer").post("/catalog/request", message("CatalogRequestMessage")), 404, "what is not listed is not served")
    for name, protocol, address in (("a version of which it is not", NEW, f"{only.base}/dsp/2024-1"), ("an unknown version", ANY + ":2030-1", only.base),
                                    ("an address of that version", ANY, f"{only.base}/dsp/2025-1")):
        answer = only.api.post("/v3/catalog/request", {"@context": {"@vocab": EDC}, "counterPartyAddress": address,
                                                       "counterPartyId": "consumer", "protocol": protocol})
        tap.status(answer, 400, f"{name} is refused")
    for address in (both.base, f"{both.base}/dsp", f"{both.base}/dsp/"):
        catalogue = catalogue_of(consumer, address, ANY)
        tap.equal(listed(catalogue["dcat:service"])[0]["dcat:endpointURL"], f"{both.base}/dsp/2025-1", "the best of two is taken")


def silent(space, consumer):
    """Peers that tell nothing, or nothing that we know."""
    peer = Peer(space, "provider")

    def ask(answer, protocol=ANY):
        peer.answer, peer.seen[:] = answer, []
        body = {"@context": {"@vocab": EDC}, "counterPartyAddress": f"{peer.url}{uuid.uuid4()}", "counterPartyId": "provider",
                "protocol": protocol}
        return consumer.api.post("/v3/catalog/request", body)

    answer = ask(lambda *_: (404, None))
    tap.ok(answer.status >= 400 and "does not tell" in answer.text, "a peer without a version document", answer.text)
    tap.equal(len(peer.seen), 2, "is asked below its address and at its root")
    answer = ask(lambda *_: (200, {"protocolVersions": [{"version": "1999-1", "path": "/x"}]}))
    tap.ok(answer.status >= 400 and "speaks no version" in answer.text, "a peer of another time", answer.text)
    for text in (b"[]", b"{", b'{"protocolVersions":{}}', b'{"protocolVersions":[]}', b'{"protocolVersions":[7,{"version":3}]}',
                 b'{"protocolVersions":[{"version":"2025-1","path":"/a b"}]}', b'{"protocolVersions":[{"version":"2025-1"}]}'):
        tap.ok(ask(lambda *_, text=text: (200, text)).status >= 400, f"a document like {text.decode()}")

    def serve(_method, path, _body):
        if path.endswith("/.well-known/dspace-version"):
            return 200, {"protocolVersions": [{"version": "v0.8", "path": "/"}, {"version": "2024/1", "path": "/2024/1"}]}
        return 200, {"@context": {"dspace": "https://w3id.org/dspace/2024/1/", "dcat": "http://www.w3.org/ns/dcat#", "edc": EDC},
                     "@id": "c", "@type": "dcat:Catalog", "dspace:participantId": "provider", "dcat:dataset": [],
                     "edc:originator": "x"}

    answer = ask(serve)
    tap.status(answer, 200, "older peers write names and paths their own way")
    tap.equal([p for _, p, _, _ in peer.seen][-1].rpartition("/dsp")[2][36:], "/2024/1/catalog/request", "the path of their document is used")
    tap.equal(peer.seen[-1][2]["@type"], "dspace:CatalogRequestMessage", "in their words")


EDC_CONTEXT = {"@vocab": EDC, "edc": EDC, "dcat": "http://www.w3.org/ns/dcat#", "dct": "http://purl.org/dc/terms/",
               "odrl": "http://www.w3.org/ns/odrl/2/", "dspace": "https://w3id.org/dspace/2024/1/"}


class OldPeer:
    """Speaks 2024-1 to a provider, and checks all that it hears against the schemas."""

    def __init__(self, space, provider, validator):
        self.peer, self.provider, self.validator = Peer(space, "consumer"), provider, validator
        self.client = Client(f"{provider.base}/dsp/2024-1", space.authority.ca, {"Authorization": space.tokens["consumer"]})

    def heard(self, kind, pid):
        def found():
            return [b for _, _, b, _ in self.peer.seen if b and b["@type"] == f"dspace:{kind}" and b["dspace:consumerPid"] == pid]
        return wait_until(found, 10, f"a {kind}")[-1]

    def post(self, path, body, status, what):
        answer = self.client.post(path, body)
        tap.status(answer, status, what)
        if answer.text:
            self.validator.check(answer.json, f"{what}: the answer")
        return answer

    def negotiate(self, offer, context=CONTEXT, event="dspace:ACCEPTED"):
        pid = f"urn:uuid:{uuid.uuid4()}"
        body = {**old("ContractRequestMessage", consumerPid=pid, offer=offer, callbackAddress=self.peer.url), "@context": context}
        answer = self.post("/negotiations/request", body, 201, "a request is taken")
        tap.equal(answer.json["dspace:state"], "dspace:REQUESTED", "and shown")
        theirs = answer.json["dspace:providerPid"]
        agreement = self.heard("ContractAgreementMessage", pid)
        both = {"consumerPid": pid, "providerPid": theirs}
        self.validator.check(self.client.get(f"/negotiations/{theirs}").json, "a negotiation shown")
        early = {**old("ContractNegotiationEventMessage", eventType=event, **both), "@context": context}
        self.post(f"/negotiations/{theirs}/events", early, 400, "an acceptance too late is refused")
        tap.equal(self.client.get(f"/negotiations/{theirs}").json["dspace:state"], "dspace:AGREED", "and changes nothing")
        self.post(f"/negotiations/{theirs}/agreement/verification", old("ContractAgreementVerificationMessage", **both), 200, "verified")
        tap.equal(self.heard("ContractNegotiationEventMessage", pid)["dspace:eventType"], "dspace:FINALIZED", "final")
        wait_until(lambda: self.provider.state(theirs) == FINALIZED, 10, "FINALIZED")
        return agreement["dspace:agreement"], theirs

    def life(self, agreement, context=CONTEXT, form="HttpData-PULL"):
        pid = f"urn:uuid:{uuid.uuid4()}"
        body = {**old("TransferRequestMessage", consumerPid=pid, agreementId=agreement["@id"], callbackAddress=self.peer.url),
                "dct:format": form, "@context": context}
        theirs = self.post("/transfers/request", body, 201, "a transfer request is taken").json["dspace:providerPid"]
        address = self.heard("TransferStartMessage", pid)["dspace:dataAddress"]
        tap.ok(address["dspace:endpoint"].endswith("/data"), "the start names the endpoint")
        wait_until(lambda: self.provider.state(theirs, "transfer") == STARTED, 10, "STARTED")
        both = {"consumerPid": pid, "providerPid": theirs}
        suspension = old("TransferSuspensionMessage", reason=[{"@value": "pause", "@language": "en"}], **both)
        self.post(f"/transfers/{theirs}/suspension", suspension, 200, "suspended")
        tap.equal(self.provider.error(theirs, "transfer"), "pause", "with the reason")
        self.validator.check(self.client.get(f"/transfers/{theirs}").json, "a transfer shown")
        self.post(f"/transfers/{theirs}/start", old("TransferStartMessage", **both), 200, "resumed")
        self.post(f"/transfers/{theirs}/completion", old("TransferCompletionMessage", **both), 200, "completed")
        again = old("TransferStartMessage", **both) | {"@id": f"urn:uuid:{uuid.uuid4()}"}
        self.post(f"/transfers/{theirs}/start", again, 400, "a start after the end is refused")


def dialects(space, provider, validator):
    """What 2024-1 peers write, in the form of the schemas and in that of EDC."""
    us = OldPeer(space, provider, validator)
    catalogue = us.post("/catalog/request", old("CatalogRequestMessage"), 200, "the catalogue").json
    dataset = next(d for d in catalogue["dcat:dataset"] if d["@id"] == "data-1")
    validator.check({**us.client.get("/catalog/datasets/data-1").json}, "a dataset")
    us.post("/catalog/request", old("CatalogRequestMessage", filter=["x"]), 400, "a filter that is not understood")
    tap.status(us.client.get("/catalog/datasets/none"), 404, "no such dataset")
    offer = {**dataset["odrl:hasPolicy"][0], "odrl:target": "data-1"}
    agreement, theirs = us.negotiate(offer)
    us.life(agreement)
    tap.status(provider.as_peer("consumer").get(f"/negotiations/{theirs}"), 404, "a process is in its own version only")

    rule = offer["odrl:permission"][0]
    constraint = rule["odrl:constraint"][0]
    theirs = {"@id": offer["@id"], "@type": "odrl:Offer", "odrl:assigner": {"@id": "provider"}, "odrl:target": {"@id": "data-1"},
              "odrl:permission": {"odrl:action": {"@id": "odrl:use"}, "odrl:constraint": {
                  "odrl:leftOperand": {"@id": constraint["odrl:leftOperand"]}, "odrl:operator": {"@id": constraint["odrl:operator"]},
                  "odrl:rightOperand": constraint["odrl:rightOperand"]}},
              "odrl:prohibition": [], "odrl:obligation": []}
    agreement, _ = us.negotiate(theirs, EDC_CONTEXT, {"@id": "dspace:ACCEPTED"})
    us.life(agreement, EDC_CONTEXT, {"@id": "HttpData-PULL"})
    bad = {**old("CatalogRequestMessage"), "@context": ["https://w3id.org/dspace/2025/1/context.jsonld"]}
    us.post("/catalog/request", bad, 400, "the context of another version is refused")
    body = old("ContractRequestMessage", consumerPid="c", offer=offer)
    us.post("/negotiations/request", body, 400, "every request says where to answer")
    body = old("ContractRequestMessage", consumerPid="c", providerPid="p", offer=offer, callbackAddress=us.peer.url)
    us.post("/negotiations/request", body, 400, "a first one names no process")
    for _, _, body, _ in us.peer.seen:
        validator.check(body, "a message of ours")


def scenario():
    policy = {"@type": "Offer", "permission": [{"action": "use", "constraint": [
        {"leftOperand": "dateTime", "operator": "lt", "rightOperand": "2099-12-31T00:00:00Z"}]}]}
    space = Space("provider", "consumer")
    provider, consumer = (space.connector(name, **{"dsp.versions": "2024-1"}) for name in ("provider", "consumer"))
    provider.offer(policy=policy)
    spoken = (OLD, f"{provider.base}/dsp/2024-1")
    trade(provider, consumer, spoken[1], OLD, spoken)
    tap.equal(consumer.api.get("/naru/v1/status").json["protocols"], [OLD], "its state names what it speaks")

    modern = space.connector("consumer")
    trade(provider, modern, provider.base, ANY, spoken)
    trade(provider, modern, f"{provider.base}/dsp", NEW.rpartition(":")[0], spoken)
    both = space.connector("provider")
    both.offer(policy=policy)
    versions(both, provider, modern)
    trade(both, consumer, both.base, ANY, (OLD, f"{both.base}/dsp/2024-1"))
    trade(both, modern, both.base, ANY, (NEW, f"{both.base}/dsp/2025-1"))
    silent(space, modern)
    try:
        validator = Validator("2024-1")
    except Skip as skip:
        tap.skip("what we write against the schemas of 2024-1", str(skip))
        return
    dialects(space, both, validator)


main(scenario)
