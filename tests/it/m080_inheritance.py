"""Policies with parents, refinements and amounts: from the management API to catalogue, negotiation and agreement."""

from connectors import Space
from edc import CTX, EDC, ODRL, POLICY, PROTOCOL, as_list, connector, pair
from harness import Postgres, main, tap, wait_until

PAYMENT = {"action": {"rdf:value": {"@id": "odrl:compensate"}, "refinement": [
    {"leftOperand": "payAmount", "operator": "eq", "rightOperand": "500.00", "unit": "KRW"}]}}
BASE = {**POLICY, "prohibition": [{"action": "distribute"}], "obligation": [PAYMENT]}
HEIR = {**POLICY, "inheritFrom": "base", "permission": [{"action": "use", "constraint": [
    {"leftOperand": "dateTime", "operator": "lteq", "rightOperand": "2090-01-01T00:00:00Z"}]}]}
POLICIES = "/v3/policydefinitions"


def put(api, name, policy, create=True):
    body = {"@context": CTX, "@id": name, "policy": policy}
    return api.post(POLICIES, body) if create else api.put(POLICIES, body)


def refused(answer, name, text, status=400):
    tap.status(answer, status, name)
    tap.contains(answer.text, text, f"{name}: why")


def definitions(api):
    refused(put(api, "heir", HEIR), "a parent that is not there", "there is no policy 'base'")
    tap.status(put(api, "base", BASE), 200, "a parent is made")
    tap.status(put(api, "heir", HEIR), 200, "an heir is made")
    shown = api.get(f"{POLICIES}/heir").json["policy"]
    tap.equal(as_list(shown.get("odrl:inheritFrom"))[0]["@id"], "base", "it is shown as its author wrote it")
    tap.ok("odrl:distribute" not in str(shown), "without the rules of its parent", shown)
    tap.equal(api.post(f"{POLICIES}/heir/validate", {}).json["isValid"], True, "validate")
    plan = api.post(f"{POLICIES}/heir/evaluationplan", {"@context": CTX, "policyScope": "contract.negotiation"})
    tap.contains(plan.text, "rohibition", "a plan knows the rules of its parent")
    tap.status(put(api, "grandchild", {**POLICY, "inheritFrom": ["heir", "base"]}), 200, "an heir of an heir")
    refused(put(api, "base", {**BASE, "inheritFrom": "grandchild"}, create=False), "a cycle", "would inherit from itself")
    refused(put(api, "self", {**POLICY, "inheritFrom": "self"}), "one's own parent", "would inherit from itself")
    refused(api.delete(f"{POLICIES}/base"), "a parent in use is not deleted", "2 policy definition(s) inherit from it", 409)
    refused(put(api, "odd", {**BASE, "dct:isReplacedBy": {"@id": "urn:x"}}), "a policy that was replaced", "")


def offered(provider, consumer, asset):
    answer = consumer.edc.post("/v3/catalog/request", {"@context": CTX, "@type": "CatalogRequest", "counterPartyAddress": provider.dsp,
                                                       "counterPartyId": provider.did, "protocol": PROTOCOL})
    tap.status(answer, 200, "a catalogue")
    datasets = {d["@id"]: d for d in as_list(answer.json.get("dcat:dataset", []))}
    tap.ok(asset in datasets, "it holds the asset", answer.text)
    return as_list(datasets[asset]["odrl:hasPolicy"])[0]


def offer(provider, asset, policy):
    for route, body in (
        ("/v3/assets", {"@id": asset, "properties": {}, "dataAddress": {"type": "HttpData", "baseUrl": "https://127.0.0.1:1/"}}),
        ("/v3/contractdefinitions", {"@id": f"{asset}-offer", "accessPolicyId": policy, "contractPolicyId": policy, "assetsSelector": [
            {"@type": "Criterion", "operandLeft": f"{EDC}id", "operator": "=", "operandRight": asset}]}),
    ):
        tap.status(provider.edc.post(route, {"@context": CTX, **body}), 200, f"POST {route}")


def check_flat(policy, name):
    tap.ok("inheritFrom" not in str(policy), f"{name} tells nothing of parents", policy)
    tap.equal(as_list(policy["odrl:prohibition"])[0]["odrl:action"], {"@id": "odrl:distribute"}, f"{name} has the parent's prohibition")
    tap.equal(as_list(policy["odrl:permission"])[0]["odrl:action"], {"@id": "odrl:use"}, f"{name} has its own permission")
    action = as_list(policy["odrl:obligation"])[0]["odrl:action"]
    amount = as_list(action["odrl:refinement"])[0]
    tap.equal((amount["odrl:leftOperand"], amount["odrl:rightOperand"], amount["odrl:unit"]), ({"@id": "odrl:payAmount"}, "500.00", "KRW"),
              f"{name} says what is to be paid")


def negotiate(provider, consumer, asset):
    found = offered(provider, consumer, asset)
    check_flat(found, "the offer")
    started = consumer.edc.post("/v3/contractnegotiations", {
        "@context": {**CTX, "odrl": ODRL}, "@type": "ContractRequest", "counterPartyAddress": provider.dsp, "protocol": PROTOCOL,
        "policy": {**found, "@context": "http://www.w3.org/ns/odrl.jsonld", "@type": "odrl:Offer", "assigner": provider.did,
                   "target": asset},
        "callbackAddresses": []})
    tap.status(started, 200, "a negotiation begins")
    path = f"/v3/contractnegotiations/{started.json['@id']}"
    wait_until(lambda: consumer.edc.get(path).json["state"] in ("FINALIZED", "TERMINATED"), 20, "the negotiation ends")
    ended = consumer.edc.get(path).json
    tap.equal(ended["state"], "FINALIZED", f"it is agreed {ended.get('errorDetail', '')}")
    for side in (provider, consumer):
        check_flat(side.edc.get(f"/v3/contractagreements/{ended['contractAgreementId']}").json["policy"], f"the agreement at {side.did}")
    return found


def changes(provider, consumer, before):
    changed = {**BASE, "prohibition": [{"action": ["distribute", "modify"]}]}
    tap.status(put(provider.edc, "base", changed, create=False), 204, "the parent is changed")
    after = offered(provider, consumer, "data")
    tap.ok(after["@id"] != before["@id"], "the heir's offer is another one at once")
    tap.equal(sorted(r["odrl:action"]["@id"] for r in after["odrl:prohibition"]), ["odrl:distribute", "odrl:modify"], "with the new rules")
    bad = {**POLICY, "permission": [{"action": "use", "constraint": [{"leftOperand": "nothing", "operator": "eq", "rightOperand": "x"}]}]}
    tap.status(put(provider.edc, "base", bad, create=False), 400, "a parent that is not understood")
    tap.equal(offered(provider, consumer, "data")["@id"], after["@id"], "nothing has changed")
    # 8,100 rules by itself; twice as many with those of its heir
    wide = {**POLICY, "target": [f"urn:t:{i}" for i in range(90)], "assignee": [f"urn:p:{i}" for i in range(90)], "permission": [{"action": "use"}]}
    refused(put(provider.edc, "base", wide, create=False), "a parent with which its heir would be refused",
            "inherits from it and would not do any more", 413)
    tap.equal(offered(provider, consumer, "data")["@id"], after["@id"], "nothing has changed")


def ends(api):
    tap.status(api.delete("/v3/contractdefinitions/data-offer"), 204, "the offer ends")
    for name in ("grandchild", "heir", "base"):
        tap.status(api.delete(f"{POLICIES}/{name}"), 204, f"DELETE {name}, youngest first")


def scenario():
    provider, consumer = pair()
    definitions(provider.edc)
    offer(provider, "data", "heir")
    changes(provider, consumer, negotiate(provider, consumer, "data"))
    ends(provider.edc)
    with tap.case("PostgreSQL"):
        server = Postgres()
        tap.note("the same on PostgreSQL")
        other = connector(Space("did:web:three.test"), "did:web:three.test", database=server.create("connector"))
        definitions(other.edc)
        tap.status(put(other.edc, "base", {**BASE, "obligation": []}, create=False), 204, "the parent is changed")


main(scenario)
