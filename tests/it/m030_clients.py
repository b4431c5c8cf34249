"""What existing clients send to EDC's management API: the bodies of its documentation, and the calls of a whole
trade in the order in which a widely used SDK makes them; and what Tractus-X adds."""

import time

from connectors import Peer
from edc import CTX, EDC, ODRL, PROTOCOL, as_list, pair, query
from harness import Client, main, tap, wait_until

TX = "https://w3id.org/tractusx/v0.0.1/ns/"
ODRL_CONTEXT = "http://www.w3.org/ns/odrl.jsonld"
GROUP = {"leftOperand": f"{TX}BusinessPartnerGroup", "operator": "isAnyOf", "rightOperand": "gold"}

ASSET = {"@context": CTX, "@id": "asset-id", "properties": {"key": "value"}, "privateProperties": {"privateKey": "privateValue"},
         "dataAddress": {"type": "HttpData", "baseUrl": "https://jsonplaceholder.typicode.com/todos", "proxyPath": "true"}}
DEFINED = {"@context": CTX, "@id": "definition-id", "policy": {
    "@context": ODRL_CONTEXT, "@type": "Set", "permission": [{"action": "use", "constraint": [
        {"leftOperand": "spatial", "operator": "eq", "rightOperand": "https://www.wikidata.org/wiki/Q183"}]}],
    "prohibition": [], "obligation": []}, "privateProperties": {}}
OFFERED = {"@context": CTX, "@id": "definition-id", "accessPolicyId": "asset-policy-id", "contractPolicyId": "contract-policy-id",
           "assetsSelector": [{"@type": "Criterion", "operandLeft": f"{EDC}id", "operator": "=", "operandRight": "asset-id"}]}
QUERY = {"@context": CTX, "@type": "QuerySpec", "offset": 0, "limit": 50, "sortOrder": "ASC", "sortField": "createdAt",
         "filterExpression": [{"@type": "Criterion", "operandLeft": f"{EDC}id", "operator": "=", "operandRight": "asset-1"}]}
SECRET = {"@context": CTX, "@id": "secret-id", "value": "secret-value"}


def examples(provider, consumer):
    """Bodies as they are documented, each accepted as it is."""
    api = provider.edc
    address = {"counterPartyAddress": provider.dsp, "counterPartyId": provider.did, "protocol": PROTOCOL}
    for path, body in (("assets", ASSET), ("policydefinitions", DEFINED), ("contractdefinitions", OFFERED), ("secrets", SECRET)):
        tap.status(api.post(f"/v3/{path}", body), 200, f"POST {path}")
    for path in ("assets", "policydefinitions", "contractdefinitions"):
        tap.status(api.post(f"/v3/{path}/request", QUERY), 200, f"POST {path}/request")
    for body in (
            {**QUERY, "sortField": "id"}, {"@context": CTX, **address, "querySpec": None, "additionalScopes": None},
            {"@context": {"edc": EDC, "odrl": ODRL, "dct": "http://purl.org/dc/terms/"}, "@type": "edc:CatalogRequest",
             **{f"edc:{k}": v for k, v in address.items()}, "edc:querySpec": {"@context": CTX, "@type": "QuerySpec", "filterExpression": [
                 {"operandLeft": "'http://purl.org/dc/terms/type'.'@id'", "operator": "=", "operandRight": "x"}]}},
            {"@context": CTX, "@type": "CatalogRequest", **address, "additionalScopes": ["org.eclipse.dspace.dcp.vc.type:Some:read"],
             "querySpec": {"offset": 0, "limit": 50, "sortOrder": "DESC", "sortField": "fieldName", "filterExpression": []}}):
        path = "/v3/assets/request" if "sortField" in body else "/v3/catalog/request"
        tap.status(consumer.edc.post(path, body), 200, f"POST {path} as it is documented")
    tap.status(api.post("/v3/assets", {**ASSET, "@id": "with-metadata", "dataplaneMetadata": {
        "labels": ["l"], "properties": {"k": "v"}}}), 200, "dataplaneMetadata is accepted")
    tap.status(api.post("/v3/assets", {**ASSET, "@id": "catalog", "@type": "CatalogAsset", "isCatalog": True}), 200, "CatalogAsset")
    tap.equal(api.post("/v3/policydefinitions/definition-id/validate", {}).json["isValid"], True, "validate")
    for path in ("check/health", "check/liveness", "check/readiness", "check/startup", "api/check/readiness"):
        tap.status(provider.open.get(f"/{path}"), 200, f"GET /{path}")
        tap.status(provider.open.get(f"/management/{path}"), 200, f"GET /management/{path}")
    for path in ("assets/asset-id", "contractdefinitions/definition-id", "policydefinitions/definition-id", "assets/catalog",
                 "assets/with-metadata", "secrets/secret-id"):
        tap.status(api.delete(f"/v3/{path}"), 204, f"DELETE {path}")


def publish(provider):
    api = provider.edc
    path = provider.folder / "data.csv"
    path.write_text("time,kwh\n1,2\n")
    api.post("/v3/assets", {"@context": {**CTX, "dct": "http://purl.org/dc/terms/"}, "@id": "asset-1", "properties": {
        "dct:type": {"@id": "https://w3id.org/x/Submodel"}}, "dataAddress": {"@type": "DataAddress", "type": "File", "path": str(path)}})
    policy = {"@context": ODRL_CONTEXT, "@type": "Set", "permission": [{"action": "use"}]}
    api.post("/v3/policydefinitions", {"@context": CTX, "@id": "use", "policy": policy})
    api.post("/v3/policydefinitions", {"@context": CTX, "@id": "gold", "policy": {
        **policy, "permission": [{"action": "use", "constraint": [GROUP]}]}})
    api.post("/v3/contractdefinitions", {"@context": CTX, "@id": "offer", "accessPolicyId": "use", "contractPolicyId": "use",
                                         "assetsSelector": []})


def trade(provider, consumer):
    """Steps 1 to 9 of the SDK's consumer; returns (agreement, transfer)."""
    api = consumer.edc
    found = api.post("/v4alpha/connectordiscovery/dspversionparams", {
        "@context": {"edc": EDC, "tx": TX}, "@type": "tx:ConnectorParamsDiscoveryRequest", "tx:bpnl": provider.did,
        "edc:counterPartyAddress": provider.dsp.removesuffix("/2025-1")})
    tap.status(found, 200, "1: how to address the provider")
    address, peer, protocol = (found.json[EDC + k] for k in ("counterPartyAddress", "counterPartyId", "protocol"))
    tap.equal((address, peer, protocol), (provider.dsp, provider.did, PROTOCOL), "1: with the full names of its members")
    catalogue = api.post("/v3/catalog/request", {
        "@context": {"edc": EDC, "odrl": ODRL, "dct": "http://purl.org/dc/terms/"}, "@type": "edc:CatalogRequest",
        "edc:counterPartyAddress": address, "edc:counterPartyId": peer, "edc:protocol": protocol, "edc:additionalScopes": None,
        "edc:querySpec": {"@type": "edc:QuerySpec", "edc:filterExpression": [{
            "@type": "edc:Criterion", "edc:operandLeft": "'http://purl.org/dc/terms/type'.'@id'", "edc:operator": "=",
            "edc:operandRight": "https://w3id.org/x/Submodel"}]}}).json
    dataset = as_list(catalogue["dcat:dataset"])[0]
    offer = as_list(dataset["odrl:hasPolicy"])[0]
    asked = api.post("/v3/edrs", {
        "@context": [ODRL_CONTEXT, CTX], "@type": "ContractRequest", "counterPartyAddress": address, "protocol": protocol,
        "policy": {"@id": offer["@id"], "@type": "odrl:Offer", "assigner": {"@id": peer}, "target": {"@id": dataset["@id"]},
                   **{k.removeprefix("odrl:"): v for k, v in offer.items() if k == "odrl:permission"}}, "callbackAddresses": []})
    tap.status(asked, 200, "3: one shot")
    negotiation = asked.json["@id"]
    wait_until(lambda: api.get(f"/v3/contractnegotiations/{negotiation}/state").json["state"] == "FINALIZED", 30, "4: FINALIZED")
    agreement = api.get(f"/v3/contractnegotiations/{negotiation}").json["contractAgreementId"]

    def processes():
        for key in ("contractAgreementId", "contractId", "agreementId"):
            answer = api.post("/v3/transferprocesses/request", query((key, "=", agreement)))
            if answer.status == 200:
                return [t for t in as_list(answer.json) if t["state"] == "STARTED"]
        return []
    tap.status(api.post("/v3/transferprocesses/request", query(("contractAgreementId", "=", agreement))), 400, "6: an unknown field")
    transfer = wait_until(processes, 30, "6: the transfer has started")[-1]["@id"]
    entries = api.post("/v3/edrs/request", query(("contractNegotiationId", "=", negotiation))).json
    tap.equal([e["transferProcessId"] for e in entries], [transfer], "7: its entry")
    edr = api.get(f"/v3/edrs/{transfer}/dataaddress?auto_refresh=True").json
    pulled = pull(provider, edr)
    tap.equal((pulled.status, pulled.text), (200, "time,kwh\n1,2\n"), "9: the data, with the bare token")
    for path in ("", "/v3/"):
        tap.status(api.get(f"{path}/contractagreements/{agreement}"), 200, f"GET {path}/contractagreements")
        tap.equal(api.get(f"{path}/contractagreements/{agreement}/negotiation").json["@id"], negotiation, "and its negotiation")
        tap.equal(len(api.post(f"{path}/contractagreements/request", query(("assetId", "=", "asset-1"))).json), 1, "and a query")
    return agreement, transfer


def pull(provider, edr):
    return Client(edr["endpoint"], provider.space.authority.ca).get("", headers={"Authorization": edr["authorization"]})


def ask_transfer(provider, consumer, agreement):
    return consumer.edc.post("/v3/transferprocesses", {
        "@context": CTX, "@type": "TransferRequest", "counterPartyAddress": provider.dsp, "protocol": PROTOCOL,
        "contractId": agreement, "transferType": "HttpData-PULL"}).json["@id"]


def retire(provider, consumer, agreement, transfer):
    """No more accesses, transfers are terminated and no new one begins; until it is taken back."""
    api = provider.edc
    edr = consumer.edc.get(f"/v3/edrs/{transfer}/dataaddress").json
    body = {"@context": {**CTX, "tx": TX}, "@type": "AgreementsRetirementEntry", "edc:agreementId": agreement, "tx:reason": "sold"}
    body["@context"]["edc"] = EDC
    tap.status(api.post("/v3/contractagreements/retirements", {k: v for k, v in body.items() if k != "tx:reason"}), 400, "no reason")
    tap.status(api.post("/v3/contractagreements/retirements", {**body, "edc:agreementId": "none"}), 404, "no agreement")
    tap.status(pull(provider, edr), 200, "an access before")
    tap.status(api.post("/v3//contractagreements/retirements", body), 204, "retired")
    tap.status(api.post("/v3/contractagreements/retirements", body), 409, "once")
    tap.status(pull(provider, edr), 403, "the next access is refused")
    wait_until(lambda: consumer.edc.get(f"/v3/transferprocesses/{transfer}/state").json["state"] == "TERMINATED", 20, "the consumer is told")
    listed = api.post("/v3/contractagreements/retirements/request", query(("agreementId", "=", agreement))).json
    tap.equal([(r["agreementId"], r["tx:reason"]) for r in listed], [(agreement, "sold")], "it is on the list")
    tap.ok(time.time() - 60 < listed[0]["tx:agreementRetirementDate"] <= time.time() + 1, "with its time")
    tap.equal(len(api.post("/v3/contractagreements/retirements/request", {}).json), 1, "without a filter too")
    tap.status(api.post("/v3/contractagreements/retirements/request", query(("other", "=", "x"))), 400, "an unknown field")
    asked = ask_transfer(provider, consumer, agreement)
    wait_until(lambda: consumer.edc.get(f"/v3/transferprocesses/{asked}/state").json["state"] == "TERMINATED", 20, "refused")
    tap.contains(consumer.edc.get(f"/v3/transferprocesses/{asked}").json["errorDetail"], "retired", "no new transfer")
    provider.restart()
    tap.status(pull(provider, edr), 403, "after a restart too")
    tap.status(api.delete(f"/v3/contractagreements/retirements/{agreement}"), 204, "taken back")
    tap.status(api.delete(f"/v3/contractagreements/retirements/{agreement}"), 404, "once")
    tap.status(pull(provider, edr), 403, "what has ended stays so")
    tap.equal(api.post("/v3/contractagreements/retirements/request", {}).json, [], "the list is empty")


def groups(provider, consumer):
    api = provider.edc
    peer = {"counterPartyAddress": provider.dsp, "counterPartyId": provider.did, "protocol": PROTOCOL}

    def offers():
        catalogue = consumer.edc.post("/v3/catalog/request", {"@context": CTX, **peer}).json
        return len(as_list(catalogue["dcat:dataset"])) if catalogue.get("dcat:dataset") else 0

    definition = {"@context": CTX, "@id": "offer", "accessPolicyId": "gold", "contractPolicyId": "use", "assetsSelector": []}
    tap.status(api.put("/v3/contractdefinitions", definition), 204, "offered to a group only")
    tap.equal(offers(), 0, "nobody is in it")
    body = {"@context": {"tx": TX}, "@id": consumer.did, "tx:groups": ["silver", "gold"]}
    tap.status(api.put("/v3/business-partner-groups", body), 404, "nothing to change yet")
    tap.status(api.post("/v3/business-partner-groups", {k: v for k, v in body.items() if k != "tx:groups"}), 400, "no groups")
    tap.status(api.post("/v3/business-partner-groups", body), 204, "the consumer is put into groups")
    tap.status(api.post("/v3/business-partner-groups", body), 409, "once")
    tap.equal(offers(), 1, "and sees the offer")
    got = api.get(f"/v3/business-partner-groups/{consumer.did}").json
    tap.equal((got["@id"], got["tx:groups"]), (consumer.did, ["gold", "silver"]), "its groups")
    tap.equal(api.get("/v3/business-partner-groups/groups").json["tx:groups"], ["gold", "silver"], "all groups")
    members = api.get("/v3/business-partner-groups/group/gold").json
    tap.equal((members["@id"], members["tx:bpns"]), ("gold", consumer.did), "who is in a group")
    tap.status(api.put("/v3/business-partner-groups", {**body, "tx:groups": ["silver"]}), 204, "changed")
    tap.equal(offers(), 0, "and sees it no more")
    tap.status(api.delete(f"/v3/business-partner-groups/{consumer.did}"), 204, "deleted")
    for path in (consumer.did, "group/gold"):
        tap.status(api.get(f"/v3/business-partner-groups/{path}"), 404, "then it is gone")
    tap.status(api.put("/v3/contractdefinitions", {**definition, "accessPolicyId": "use"}), 204, "offered to all again")


def plan(api):
    body = {"@context": CTX, "@type": "PolicyEvaluationPlanRequest", "policyScope": "catalog"}
    constraints = [GROUP, {"leftOperand": f"{TX}BusinessPartnerNumber", "operator": "eq", "rightOperand": "BPNL1"},
                   {"or": [{"leftOperand": "dateTime", "operator": "lt", "rightOperand": "2100-01-01T00:00:00Z"},
                           {"leftOperand": "spatial", "operator": "eq", "rightOperand": "KR"}]}]
    api.post("/v3/policydefinitions", {"@context": CTX, "@id": "planned", "policy": {
        "@context": ODRL_CONTEXT, "@type": "Set", "permission": [{"action": "use", "constraint": constraints}],
        "obligation": [{"action": "delete", "constraint": [
            {"leftOperand": "dateTime", "operator": "lt", "rightOperand": "2100-01-01T00:00:00Z"}]}]}})
    answer = api.post("/v3/policydefinitions/planned/evaluationplan", body)
    tap.status(answer, 200, "an evaluation plan")
    steps = {}

    def collect(step):
        for inner in as_list(step.get("constraintSteps", [])):
            if inner["@type"] == "AtomicConstraintStep":
                steps[inner["functionParams"][0].strip("'").rpartition("/")[2]] = inner
            else:
                steps[inner["@type"]] = inner
                collect(inner)
    collect(answer.json["permissionSteps"])
    tap.equal({name: s["isFiltered"] for name, s in steps.items() if "isFiltered" in s},
              {"BusinessPartnerGroup": False, "BusinessPartnerNumber": False, "dateTime": False, "spatial": False},
              "nothing is filtered: each fact has a source")
    tap.ok("OrConstraintStep" in steps, "the structure is that of the policy", answer.text)
    tap.equal(steps["BusinessPartnerGroup"]["functionParams"][1:], ["IS_ANY_OF", "'gold'"], "operator and right operand")
    tap.equal(answer.json["obligationSteps"]["isFiltered"], True, "obligations wait for the agreement")
    later = api.post("/v3/policydefinitions/planned/evaluationplan", {**body, "policyScope": "transfer.process"}).json
    tap.equal(later["obligationSteps"]["isFiltered"], False, "and count afterwards")
    other = api.post("/v3/policydefinitions/planned/evaluationplan", {**body, "policyScope": "elsewhere"}).json
    tap.equal(other["permissionSteps"]["isFiltered"], True, "nothing is decided in a scope that is none of ours")
    collect(other["permissionSteps"])
    tap.contains(steps["BusinessPartnerNumber"]["filteringReasons"], "'elsewhere'", "with the reason")
    tap.status(api.post("/v3/policydefinitions/none/evaluationplan", body), 404, "a plan of nothing")
    tap.status(api.post("/v3/policydefinitions/planned/evaluationplan", {"@context": CTX}), 400, "a plan for no scope")
    four = api.post("/v4/policydefinitions/planned/evaluationplan", {**body, "@context": ["https://w3id.org/edc/connector/management/v2"]})
    tap.ok(isinstance(four.json["permissionSteps"], list) and isinstance(four.json["preValidators"], list), "version 4 has lists", four.text)
    tap.status(api.delete("/v3/policydefinitions/planned"), 204, "deleted")


def discovery(provider, consumer):
    api = consumer.edc
    request = {"@context": CTX, "@type": "ProtocolVersionRequest", "counterPartyAddress": provider.dsp, "counterPartyId": provider.did,
               "protocol": PROTOCOL}
    for version in ("v3", "v4alpha"):
        answer = api.post(f"/{version}/protocol-versions/request", request)
        tap.ok(answer.status == 200 and {"2025-1"} <= {v["version"] for v in answer.json["protocolVersions"]},
               f"{version}: versions of a peer", answer.text)
    answer = api.post("/v4/protocol-versions/request", {**request, "@context": ["https://w3id.org/edc/connector/management/v2"]})
    tap.status(answer, 200, "v4: versions of a peer")
    tap.status(api.post("/v3/protocol-versions/request", {"@context": CTX}), 400, "no address")
    tap.status(api.post("/v3/protocol-versions/request", {**request, "counterPartyAddress": "http://10.0.0.1/dsp"}), 400, "no https")
    closed = f"https://localhost:{consumer.management}/dsp"
    tap.status(api.post("/v3/protocol-versions/request", {**request, "counterPartyAddress": closed}), 502, "nobody answers")
    host = Peer(provider.space, provider.did)
    did = "did:web:localhost%3A" + host.url.split(":")[2].split("/")[0]
    services = [{"id": "#1", "type": "CatalogService", "serviceEndpoint": provider.dsp},
                {"id": "#2", "type": "DataService", "serviceEndpoint": f"{provider.base}/dsp/.well-known/dspace-version"},
                {"id": "#3", "type": "DataService", "serviceEndpoint": closed},
                {"id": "#4", "type": "CredentialService", "serviceEndpoint": "https://wallet.example"}]
    host.answer = lambda method, path, body: (200, {"id": did, "service": services}) if path == "/.well-known/did.json" else (404, {})
    body = {"@context": {"edc": EDC, "tx": TX}, "@type": "tx:ConnectorServiceDiscoveryRequest", "edc:counterPartyId": did}
    for version in ("v3", "v4alpha"):
        found = api.post(f"/{version}/connectordiscovery/connectors", body)
        tap.status(found, 200, f"{version}: connectors of a participant")
        tap.equal([(c[EDC + "counterPartyId"], c[EDC + "counterPartyAddress"]) for c in found.json], [(did, provider.dsp)] * 2,
                  f"{version}: those that its document names and that answer")
    tap.status(api.post("/v3/connectordiscovery/connectors", {**body, "edc:counterPartyId": "BPNL1"}), 400, "no did:web")
    tap.status(api.post("/v3/connectordiscovery/connectors", {**body, "edc:counterPartyId": did + ":none"}), 502, "no document")


def planes(api):
    for path in ("/v3//dataplanes", "/v4alpha//dataplanes", "/v4/dataplanes"):
        answer = api.get(path)
        tap.status(answer, 200, f"GET {path}")
        plane = answer.json[0]
        tap.equal((plane["@type"], plane["state"]), ("DataPlaneInstance", "AVAILABLE"), "our data plane")
        tap.ok("HttpData-PULL" in as_list(plane["allowedTransferTypes"]) and "File" in plane["allowedSourceTypes"], "and what it can", plane)


def deprovision(provider, consumer, agreement):
    transfer = ask_transfer(provider, consumer, agreement)
    wait_until(lambda: consumer.edc.get(f"/v3/transferprocesses/{transfer}/state").json["state"] == "STARTED", 20, "STARTED")
    path = f"/v3/transferprocesses/{transfer}"
    tap.status(consumer.edc.post(f"{path}/deprovision"), 409, "a running transfer is not deprovisioned")
    tap.status(consumer.edc.post(f"{path}/terminate", {"@context": CTX, "@type": "TerminateTransfer", "reason": "over"}), 204, "terminated")
    wait_until(lambda: consumer.edc.get(f"{path}/state").json["state"] == "TERMINATED", 20, "TERMINATED")
    tap.status(consumer.edc.post(f"{path}/deprovision"), 204, "afterwards it is")
    tap.equal(consumer.edc.get(f"{path}/state").json["state"], "DEPROVISIONED", "and says so")
    tap.status(consumer.edc.post("/v3/transferprocesses/none/deprovision"), 404, "of nothing")


def etags(api):
    """A change made on the ground of an old state is refused; who names no state notices nothing."""
    policy = {"@context": ODRL_CONTEXT, "@type": "Set", "permission": [{"action": "use"}]}
    for path, body in (("assets", {**ASSET, "@id": "tagged"}), ("policydefinitions", {"@context": CTX, "@id": "tagged", "policy": policy}),
                       ("contractdefinitions", {**OFFERED, "@id": "tagged"})):
        one = f"/v3/{path}/tagged"
        api.post(f"/v3/{path}", body)
        tag = api.get(one).headers["ETag"]
        tap.equal(api.get(one.replace("v3", "v4")).headers["ETag"], tag, f"{path}: one tag in both versions")
        tap.equal(api.post(f"/v3/{path}/request", query(("id", "=", "tagged"))).headers.get("ETag"), None, f"{path}: none for a list")
        tap.status(api.put(f"/v3/{path}", body, headers={"If-Match": '"0-0"'}), 412, f"{path}: PUT with another tag")
        tap.status(api.put(f"/v3/{path}", body, headers={"If-Match": f'"0-0", {tag}'}), 204, f"{path}: PUT with its tag")
        new = api.get(one).headers["ETag"]
        tap.ok(new != tag, f"{path}: a new state has a new tag")
        late = api.delete(one, headers={"If-Match": tag})
        tap.equal((late.status, late.json[0]["type"]), (412, "PreconditionFailed"), f"{path}: DELETE with the old tag")
        tap.status(api.put(f"/v3/{path}", body), 204, f"{path}: PUT without a tag")
        tap.status(api.put(f"/v3/{path}", {**body, "@id": "none"}, headers={"If-Match": "*"}), 404, f"{path}: what does not exist")
        tap.status(api.delete(one, headers={"If-Match": "*"}), 204, f"{path}: DELETE of any state")
        api.post(f"/v3/{path}", body)
        tap.status(api.delete(one, headers={"If-Match": tag}), 412, f"{path}: made anew, it is another")
        tap.status(api.delete(one), 204, f"{path}: DELETE without a tag")


def scenario():
    provider, consumer = pair()
    examples(provider, consumer)
    etags(provider.edc)
    publish(provider)
    plan(provider.edc)
    planes(provider.edc)
    agreement, transfer = trade(provider, consumer)
    retire(provider, consumer, agreement, transfer)
    groups(provider, consumer)
    discovery(provider, consumer)
    deprovision(provider, consumer, agreement)


main(scenario)
