"""Version 4 of EDC's management API: bodies are checked by its schemas, answers satisfy them, arrays stay arrays."""

import json

from edc import EDC, ODRL, PROTOCOL, pair
from harness import ROOT, main, tap, wait_until

V2 = "https://w3id.org/edc/connector/management/v2"
CTX4 = [V2]
BASE = "https://w3id.org/edc/connector/management/schema/v4/"
SPEC = ROOT.parent / "shared" / "spec"
USE = {"@type": "Set", "permission": [{"action": "use"}]}
SPATIAL = {"@type": "Set", "permission": [{"action": "use", "constraint": [
    {"leftOperand": "odrl:spatial", "operator": "eq", "rightOperand": "KR"}]}]}


def checker():
    """A function (name of a schema, object) that checks an answer; None where schemas or library are absent."""
    try:
        import jsonschema
    except ImportError:
        tap.skip("answers satisfy the schemas", "python3-jsonschema is not installed")
        return None
    folder = SPEC / "edc-management-api" / "v4"
    if not folder.exists():
        tap.skip("answers satisfy the schemas", f"{folder} is absent")
        return None
    found = {BASE + path.name: json.loads(path.read_text()) for path in folder.glob("*.json")}
    policy = SPEC / "dsp-2025-1" / "negotiation" / "contract-schema.json"
    found["https://w3id.org/dspace/2025/1/negotiation/contract-schema.json"] = json.loads(policy.read_text())
    resolver = jsonschema.RefResolver(BASE, {}, store=found)

    def check(name, value, definition=""):
        schema = {"$ref": f"{BASE}{name}-schema.json{definition}"}
        errors = list(jsonschema.Draft201909Validator(schema, resolver=resolver).iter_errors(value))
        tap.equal([e.message for e in errors], [], f"the answer is a good {name} {definition}".strip())
    return check


def doc(kind, **members):
    return {"@context": CTX4, "@type": kind, **members}


def spec(*criteria, **more):
    return doc("QuerySpec", **more, filterExpression=[
        {"@type": "Criterion", "operandLeft": left, "operator": op, "operandRight": right} for left, op, right in criteria])


def asset(name="asset-4", **more):
    return doc("Asset", **{"@id": name, "properties": {"key": "value", "tags": ["a", "b"], "deep": {"leaf": 1}},
                           "privateProperties": {"hidden": "x"},
                           "dataAddress": {"@type": "DataAddress", "type": "HttpData", "baseUrl": "https://x.example"}, **more})


def refused(answer, name, path, text):
    if tap.status(answer, 400, name):
        tap.equal(answer.json[0]["type"], "ValidationFailure", f"{name}: type")
        if path:
            tap.equal(answer.json[0]["path"], path, f"{name}: place")
        tap.contains(answer.json[0]["message"], text, f"{name}: text")


def without(body, *members):
    return {k: v for k, v in body.items() if k not in members}


def validation(api):
    """(path of the API, body, expanded path, words)"""
    criterion = {"operandLeft": "id", "operator": "=", "operandRight": "x"}
    offer = {"@id": "o", "@type": "Offer", "assigner": "p", "target": "a", "permission": [{"action": "use"}]}
    contract = doc("ContractRequest", counterPartyAddress="https://x.example", protocol=PROTOCOL, policy=offer)
    transfer = doc("TransferRequest", counterPartyAddress="https://x.example", protocol=PROTOCOL, contractId="c",
                   transferType="HttpData-PULL")
    policy = doc("PolicyDefinition", policy=USE)
    catalog = doc("CatalogRequest", counterPartyAddress="https://x.example", counterPartyId="p", protocol=PROTOCOL)
    rule = f"{EDC}policy/{ODRL}permission"
    cases = [
        ("assets", without(asset(), "@context"), "@context", "required property '@context' not found"),
        ("assets", {**asset(), "@context": {"@vocab": EDC}}, "@context", "object found, array expected"),
        ("assets", {**asset(), "@context": ["http://www.w3.org/ns/odrl.jsonld"]}, "@context", V2),
        ("assets", without(asset(), "@type"), "@type", "required property '@type' not found"),
        ("assets", {**asset(), "@type": "edc:Asset"}, "@type", "must be the constant value 'Asset'"),
        ("assets", without(asset(), "properties"), f"{EDC}properties", "required property 'properties' not found"),
        ("assets", {**asset(), "properties": []}, f"{EDC}properties", "array found, object expected"),
        ("assets", {**asset(), "@id": 5}, "@id", "integer found, string expected"),
        ("assets", {**asset(), "dataAddress": {"type": "HttpData"}}, f"{EDC}dataAddress/@type", "'@type'"),
        ("assets", {**asset(), "dataplaneMetadata": {"labels": "l"}}, f"{EDC}dataplaneMetadata/{EDC}labels", "string found"),
        ("assets/request", without(spec(), "@type"), "@type", "'@type'"),
        ("assets/request", spec(limit=0), f"{EDC}limit", "must have a minimum value of 1"),
        ("assets/request", spec(offset="1"), f"{EDC}offset", "string found, integer expected"),
        ("assets/request", spec(sortOrder="UP"), f"{EDC}sortOrder", "enumeration"),
        ("assets/request", doc("QuerySpec", filterExpression=[criterion]), f"{EDC}filterExpression/@type", "'@type'"),
        ("assets/request", doc("QuerySpec", filterExpression=[{"@type": "Criterion", **without(criterion, "operandRight")}]),
         f"{EDC}filterExpression/{EDC}operandRight", "'operandRight'"),
        ("policydefinitions", without(policy, "policy"), f"{EDC}policy", "'policy'"),
        ("policydefinitions", {**policy, "policy": without(USE, "@type")}, f"{EDC}policy/@type", "'@type'"),
        ("policydefinitions", {**policy, "policy": {**USE, "permission": []}}, rule, "at least 1 items"),
        ("policydefinitions", {**policy, "policy": {**USE, "permission": {"action": "use"}}}, rule, "array expected"),
        ("policydefinitions", {**policy, "policy": {**USE, "permission": [{}]}}, f"{rule}/{ODRL}action", "'action'"),
        ("policydefinitions", {**policy, "policy": {**USE, "permission": [{"action": "use", "constraint": [
            {"leftOperand": "spatial", "rightOperand": "KR"}]}]}}, f"{rule}/{ODRL}constraint/{ODRL}operator", "'operator'"),
        ("policydefinitions", {**policy, "policy": {**USE, "permission": [{"action": "use", "constraint": [
            {"and": [{"leftOperand": "spatial", "operator": "eq"}]}]}]}}, None, "'rightOperand'"),
        ("policydefinitions", {**policy, "policy": {**USE, "prohibitions": [{"action": "use"}]}}, None, "prohibitions"),
        ("contractdefinitions", doc("ContractDefinition", accessPolicyId="a"), f"{EDC}contractPolicyId", "'contractPolicyId'"),
        ("contractdefinitions", doc("ContractDefinition", accessPolicyId="a", contractPolicyId="b",
                                    assetsSelector={"@type": "Criterion", **criterion}), f"{EDC}assetsSelector", "array expected"),
        ("secrets", doc("Secret"), f"{EDC}value", "'value'"),
        ("catalog/request", without(catalog, "protocol"), f"{EDC}protocol", "required property 'protocol' not found"),
        ("catalog/request", without(catalog, "counterPartyId"), f"{EDC}counterPartyId", "'counterPartyId'"),
        ("catalog/request", {**catalog, "querySpec": {"limit": 5}}, f"{EDC}querySpec/@type", "'@type'"),
        ("catalog/request", {**catalog, "additionalScopes": "s"}, f"{EDC}additionalScopes", "array expected"),
        ("catalog/dataset/request", {**catalog, "@type": "DatasetRequest"}, "@id", "'@id'"),
        ("contractnegotiations", without(contract, "policy"), f"{EDC}policy", "'policy'"),
        ("contractnegotiations", {**contract, "policy": without(offer, "assigner")}, f"{EDC}policy/{ODRL}assigner", "'assigner'"),
        ("contractnegotiations", {**contract, "policy": {**offer, "target": {"@id": "a"}}}, f"{EDC}policy/{ODRL}target",
         "object found, string expected"),
        ("contractnegotiations", {**contract, "policy": without(offer, "permission")}, f"{EDC}policy/{ODRL}permission", "permission"),
        ("contractnegotiations", {**contract, "callbackAddresses": [{"@type": "CallbackAddress", "uri": "x", "events": []}]},
         f"{EDC}callbackAddresses/{EDC}transactional", "'transactional'"),
        ("contractnegotiations/x/terminate", doc("Terminate"), "@type", "'TerminateNegotiation'"),
        ("transferprocesses", without(transfer, "transferType"), f"{EDC}transferType", "'transferType'"),
        ("transferprocesses", {**transfer, "dataDestination": {"type": "HttpData"}}, f"{EDC}dataDestination/@type", "'@type'"),
        ("transferprocesses/x/suspend", doc("SuspendTransfer", reason=1), f"{EDC}reason", "string expected"),
    ]
    for path, body, place, text in cases:
        refused(api.post(f"/v4/{path}", body), f"{path}: {text}", place, text)


def crud(api, check):
    made = api.post("/v4/assets", asset())
    tap.status(made, 200, "an asset")
    tap.equal((made.json["@context"], made.json["@id"]), (CTX4, "asset-4"), "its context is that of version 4")
    if check:
        check("id-response", made.json)
    tap.status(api.post("/v4/assets", asset()), 409, "the same again")
    got = api.get("/v4/assets/asset-4").json
    tap.equal((got["@context"], got["@type"], got["properties"], got["privateProperties"], got["dataAddress"]),
              (CTX4, "Asset", {"id": "asset-4", "key": "value", "tags": ["a", "b"], "deep": {"leaf": 1}}, {"hidden": "x"},
               {"@type": "DataAddress", "type": "HttpData", "baseUrl": "https://x.example"}), "the asset as it was made")
    tap.equal(api.get("/v3/assets/asset-4").json["properties"], got["properties"], "version 3 has the same asset")
    tap.status(api.put("/v4/assets", asset(properties={"key": "other"})), 204, "changed")
    tap.status(api.post("/v4/policydefinitions", doc("PolicyDefinition", **{"@id": "p4", "policy": SPATIAL})), 200, "a policy")
    policy = api.get("/v4/policydefinitions/p4").json
    tap.equal({k: v for k, v in policy["policy"].items() if k != "@id"}, SPATIAL, "a policy in the words of the protocol")
    selector = [{"@type": "Criterion", "operandLeft": f"{EDC}id", "operator": "=", "operandRight": "asset-4"}]
    tap.status(api.post("/v4/contractdefinitions", doc("ContractDefinition", **{
        "@id": "d4", "accessPolicyId": "p4", "contractPolicyId": "p4", "assetsSelector": selector})), 200, "a contract definition")
    definition = api.get("/v4/contractdefinitions/d4").json
    tap.equal(definition["assetsSelector"], selector, "one criterion is a list of one")
    tap.status(api.post("/v4/secrets", doc("Secret", **{"@id": "s4", "value": "v"})), 200, "a secret")
    listed = api.post("/v4/assets/request", spec((f"{EDC}id", "=", "asset-4"))).json
    tap.equal([(a["@id"], a["@context"]) for a in listed], [("asset-4", CTX4)], "each element has its own context")
    tap.equal(api.post("/v4/assets/request", spec(("id", "=", "none"))).json, [], "an empty list")
    tap.equal(api.post("/v4/assets/request", None).status, 200, "no query at all")
    if check:
        check("asset", got)
        check("policy-definition", policy)
        check("contract-definition", definition)
        check("secret", api.get("/v4/secrets/s4").json)
        check("policy-validation-result", api.post("/v4/policydefinitions/p4/validate", {}).json)
    error = api.get("/v4/assets/none")
    tap.equal((error.status, error.json[0]["type"]), (404, "ObjectNotFound"), "errors are arrays as before")
    for path in ("contractdefinitions/d4", "policydefinitions/p4", "assets/asset-4", "secrets/s4"):
        tap.status(api.delete(f"/v4/{path}"), 204, f"DELETE {path}")


def state(api, path, wanted):
    wait_until(lambda: api.get(f"/v4/{path}/state").json["state"] == wanted, 20, f"{path} is {wanted}")


def trade(provider, consumer, check):
    api = provider.edc
    path = provider.folder / "data.csv"
    path.write_text("time,kwh\n1,2\n")
    api.post("/v4/assets", doc("Asset", **{"@id": "traded", "properties": {"name": "traded"}, "dataAddress": {
        "@type": "DataAddress", "type": "File", "path": str(path)}}))
    api.post("/v4/policydefinitions", doc("PolicyDefinition", **{"@id": "use", "policy": USE}))
    api.post("/v4/contractdefinitions", doc("ContractDefinition", **{"@id": "offer", "accessPolicyId": "use",
                                                                     "contractPolicyId": "use", "assetsSelector": []}))
    peer = {"counterPartyAddress": provider.dsp, "counterPartyId": provider.did, "protocol": PROTOCOL}
    catalogue = consumer.edc.post("/v4/catalog/request", doc("CatalogRequest", **peer))
    tap.status(catalogue, 200, "the catalogue")
    datasets = catalogue.json["dataset"]
    tap.equal([d["@id"] for d in datasets], ["traded"], "a list of one dataset")
    offer = datasets[0]["hasPolicy"][0]
    tap.equal((catalogue.json["@type"], offer["@type"], offer["permission"]), ("Catalog", "Offer", [{"action": "use"}]),
              "in the words of the protocol")
    one = consumer.edc.post("/v4/catalog/dataset/request", doc("DatasetRequest", **{"@id": "traded", **peer}))
    tap.equal((one.status, one.json["@id"], type(one.json["hasPolicy"])), (200, "traded", list), "one dataset")
    callback = {"@type": "CallbackAddress", "transactional": False, "uri": "https://callback.example", "events": ["transfer"],
                "authKey": "X-Key", "authCodeId": "code"}
    asked = consumer.edc.post("/v4/contractnegotiations", doc(
        "ContractRequest", counterPartyAddress=provider.dsp, protocol=PROTOCOL, callbackAddresses=[callback],
        policy={"@id": offer["@id"], "@type": "Offer", "assigner": provider.did, "target": "traded", "permission": offer["permission"]}))
    tap.status(asked, 200, "a negotiation")
    process = f"contractnegotiations/{asked.json['@id']}"
    state(consumer.edc, process, "FINALIZED")
    negotiation = consumer.edc.get(f"/v4/{process}").json
    tap.equal(negotiation["callbackAddresses"][0]["events"], ["transfer"], "lists in lists")
    tap.equal(consumer.edc.get(f"/v3/{process}").json["callbackAddresses"]["authKey"], "X-Key", "nothing was lost on the way")
    agreement = consumer.edc.get(f"/v4/{process}/agreement").json
    begun = consumer.edc.post("/v4/transferprocesses/", doc(
        "TransferRequest", counterPartyAddress=provider.dsp, protocol=PROTOCOL, contractId=agreement["@id"],
        transferType="HttpData-PULL", privateProperties={"mine": "x"}))
    tap.status(begun, 200, "a transfer")
    process = f"transferprocesses/{begun.json['@id']}"
    state(consumer.edc, process, "STARTED")
    transfer = consumer.edc.get(f"/v4/{process}").json
    wait_until(lambda: consumer.edc.post("/v4/edrs/request", spec(("transferProcessId", "=", begun.json["@id"]))).json, 10, "an EDR")
    entry = consumer.edc.post("/v4/edrs/request", spec(("transferProcessId", "=", begun.json["@id"]))).json[0]
    tap.ok(consumer.edc.get(f"/v4/edrs/{begun.json['@id']}/dataaddress").json["authorization"], "its data address")
    tap.status(consumer.edc.post(f"/v4/{process}/suspend", doc("SuspendTransfer", reason="pause")), 204, "suspended")
    state(consumer.edc, process, "SUSPENDED")
    tap.status(consumer.edc.post(f"/v4/{process}/resume"), 204, "resumed")
    state(consumer.edc, process, "STARTED")
    tap.status(consumer.edc.post(f"/v4/{process}/terminate", doc("TerminateTransfer", reason="over")), 204, "terminated")
    tap.status(consumer.edc.post(f"/v4/{process}/deprovision"), 404, "version 4 has no deprovision")
    if check:
        check("contract-negotiation", negotiation)
        check("contract-agreement", agreement)
        check("transfer-process", transfer)
        check("edr-entry", entry)


def scenario():
    provider, consumer = pair()
    check = checker()
    validation(provider.edc)
    crud(provider.edc, check)
    trade(provider, consumer, check)


main(scenario)
