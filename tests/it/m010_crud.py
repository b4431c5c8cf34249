"""Assets, policies, contract definitions and secrets by EDC's management API: shapes, errors, queries."""

import json

from connectors import Space
from edc import CTX, EDC, ODRL, POLICY, as_list, connector, query
from harness import Client, Postgres, main, raw_exchange, tap

DCT = "http://purl.org/dc/terms/"
ASSET = {"@context": CTX, "@id": "asset-id", "properties": {"key": "value"}, "privateProperties": {"privateKey": "privateValue"},
         "dataAddress": {"type": "HttpData", "baseUrl": "https://jsonplaceholder.typicode.com/todos", "proxyPath": "true"}}
DEFINITION = {"@context": CTX, "@id": "definition-id", "accessPolicyId": "asset-policy-id", "contractPolicyId": "contract-policy-id",
              "assetsSelector": [{"@type": "Criterion", "operandLeft": f"{EDC}id", "operator": "=", "operandRight": "asset-id"}]}
SPATIAL = {**POLICY, "permission": [{"action": "use", "constraint": [
    {"leftOperand": "spatial", "operator": "eq", "rightOperand": "https://www.wikidata.org/wiki/Q183"}]}]}
DEFINED = {"@context": CTX, "@id": "definition-id", "policy": SPATIAL, "privateProperties": {}}


def error(answer, status, kind, name, path=None, text=None):
    """An error array of EDC."""
    if not tap.status(answer, status, name):
        return
    body = answer.json
    tap.ok(isinstance(body, list) and len(body) == 1 and set(body[0]) == {"message", "type", "path", "invalidValue"},
           f"{name}: the shape of an error", answer.text)
    tap.equal(body[0]["type"], kind, f"{name}: type")
    if path is not None:
        tap.equal(body[0]["path"], path, f"{name}: path")
    if text is not None:
        tap.contains(body[0]["message"], text, f"{name}: text")


def created(answer, name, wanted=None):
    tap.status(answer, 200, name)
    tap.equal(answer.json["@type"], "IdResponse", f"{name}: IdResponse")
    tap.equal(answer.json["@context"], {"@vocab": EDC, "edc": EDC, "odrl": ODRL}, f"{name}: context")
    tap.ok(answer.json["createdAt"] > 1_600_000_000_000, f"{name}: created at milliseconds")
    if wanted:
        tap.equal(answer.json["@id"], wanted, f"{name}: id")
    return answer.json["@id"]


def ids(answer):
    return [e["@id"] for e in answer.json] if answer.status == 200 else answer.text


def crud(api, path, body, changed, type_name, seen):
    """What every entity has in common; `changed` alters a member, `seen` reads it back."""
    created(api.post(path, body), f"POST {path}", body["@id"])
    error(api.post(path, body), 409, "ObjectConflict", f"POST {path} again", text=body["@id"])
    got = api.get(f"{path}/{body['@id']}")
    tap.status(got, 200, f"GET {path}/…")
    tap.equal((got.json["@id"], got.json["@type"]), (body["@id"], type_name), f"{type_name} as it was made")
    tap.status(api.put(path, changed), 204, f"PUT {path}")
    tap.ok(seen(api.get(f"{path}/{body['@id']}").json), f"{type_name} has changed", api.get(f"{path}/{body['@id']}").text)
    error(api.put(path, {**changed, "@id": "no-such"}), 404, "ObjectNotFound", f"PUT {path} of nothing", text="no-such")
    error(api.put(path, {k: v for k, v in changed.items() if k != "@id"}), 400, "ValidationFailure", f"PUT {path} without id", "@id")
    error(api.get(f"{path}/no-such"), 404, "ObjectNotFound", f"GET {path}/no-such", text="Object of type")
    error(api.delete(f"{path}/no-such"), 404, "ObjectNotFound", f"DELETE {path}/no-such")
    fresh = created(api.post(path, {k: v for k, v in body.items() if k != "@id"}), f"POST {path} without id")
    tap.status(api.delete(f"{path}/{fresh}"), 204, f"DELETE {path}/…")
    tap.status(api.get(f"{path}/{fresh}"), 404, f"{type_name} is gone")


def access(c):
    bare = Client(f"http://127.0.0.1:{c.management}")
    for client, name in ((bare, "without key"), (Client(bare.base, headers={"X-Api-Key": "wrong"}), "wrong key")):
        error(client.get("/v3/assets/x"), 401, "AuthenticationFailed", name)
    tap.equal(bare.get("/naru/v1/status").json["code"], "unauthenticated", "/naru answers problem documents")
    tap.status(Client(bare.base, headers={"x-api-KEY": c.key}).post("/v3/assets/request"), 200, "header names have no case")
    for path in ("/api/check/health", "/check/liveness", "/management/check/readiness", "/management/api/check/startup"):
        answer = bare.get(path)
        tap.ok(answer.status == 200 and answer.json["isSystemHealthy"] is True, f"GET {path}", answer.text)
    tap.status(bare.get("/healthz"), 200, "GET /healthz")
    tap.contains(bare.get("/metrics").text, "naru_http_requests", "GET /metrics")
    for path in ("//v3//assets/request", "/v3/assets/request/", "/management//v3/assets//request/"):
        tap.status(Client(bare.base, headers={"X-Api-Key": c.key}).post(path, {}), 200, f"POST {path}")
    error(c.edc.get("/v3/nothing"), 404, "ObjectNotFound", "an unknown path")
    tap.status(c.edc.request("PATCH", "/v3/assets"), 405, "a known path with another method")
    status = c.edc.get("/naru/v1/status").json
    tap.equal((status["participant"], status["dsp"], status["broker"]), (c.did, c.dsp, None), "GET /naru/v1/status")


def assets(api):
    crud(api, "/v3/assets", ASSET, {**ASSET, "properties": {"key": "other"}}, "Asset", lambda a: a["properties"]["key"] == "other")
    got = api.get("/v3/assets/asset-id").json
    tap.equal(got["properties"], {"id": "asset-id", "key": "other"}, "properties repeat the id")
    tap.equal(got["privateProperties"], {"privateKey": "privateValue"}, "private properties")
    tap.equal(got["dataAddress"], {"@type": "DataAddress", **ASSET["dataAddress"]}, "data address")
    rich = {"@context": {**CTX, "dct": DCT, "cx": "https://w3id.org/catenax/ontology/common#"}, "@id": "rich/asset #1",
            "properties": {"dct:type": {"@id": "cx:Submodel"}, "cx:version": "3.0", "tags": ["a", "b"], "size": 12, "open": True,
                           "deep": {"inner": {"leaf": "x"}}},
            "dataAddress": {"@type": "DataAddress", "type": "HttpData", "baseUrl": "https://x.example", "header:X-Key": "k",
                            "edc:oauth2:tokenUrl": "https://t.example", "proxyBody": True}}
    rich["@context"]["edc"] = EDC
    created(api.post("/v3/assets", rich), "an asset with properties of other vocabularies", "rich/asset #1")
    got = api.get("/v3/assets/rich%2Fasset%20%231").json
    tap.equal(got["properties"], {
        "id": "rich/asset #1", f"{DCT}type": {"@id": "https://w3id.org/catenax/ontology/common#Submodel"},
        "https://w3id.org/catenax/ontology/common#version": "3.0", "tags": ["a", "b"], "size": 12, "open": True,
        "deep": {"inner": {"leaf": "x"}}}, "they come back with full names")
    tap.equal(got["dataAddress"], {"@type": "DataAddress", "type": "HttpData", "baseUrl": "https://x.example", "header:X-Key": "k",
                                   "oauth2:tokenUrl": "https://t.example", "proxyBody": "true"}, "addresses hold texts")
    created(api.post("/v3/assets", {"@context": CTX, "@id": "nested", "properties": {}, "dataAddress": {
        "type": "HttpData", "properties": {"baseUrl": "https://n.example"}}}), "a nested data address")
    tap.equal(api.get("/v3/assets/nested").json["dataAddress"]["baseUrl"], "https://n.example", "it is flattened")
    created(api.post("/v3/assets", {"@id": "plain", "properties": {"key": "v"}}), "no context at all")
    tap.equal(api.get("/v3/assets/plain").json["properties"]["key"], "v", "it is EDC's vocabulary")


def asset_errors(c):
    api = c.edc

    def post(**changes):
        return api.post("/v3/assets", {k: v for k, v in {**ASSET, "@id": "bad", **changes}.items() if v is not None})

    error(post(properties=None), 400, "ValidationFailure", "no properties", f"{EDC}properties", "mandatory object")
    error(post(dataAddress={"baseUrl": "x"}), 400, "ValidationFailure", "an address without type",
          f"{EDC}dataAddress/{EDC}type", "mandatory value")
    error(post(privateProperties={"key": "twice"}), 400, "ValidationFailure", "a key that is public and private")
    error(post(properties={"odrl:x": 1}), 400, "ValidationFailure", "an unknown prefix", text="odrl:x")
    error(post(**{"@id": " "}), 400, "ValidationFailure", "a blank id", "@id")
    error(post(**{"@context": "https://unknown.example/context"}), 400, "ValidationFailure", "an unknown context", "@context")
    for body, name in ((b"{", "half a document"), (b'{"a":1,"a":2}', "a key twice"), (b"\xff", "no UTF-8"), (b"[]", "an array"),
                       (b"", "nothing"), (b'{"a":' * 100 + b"1" + b"}" * 100, "too deep")):
        answer = api.request("POST", "/v3/assets", body=body, headers={"Content-Type": "application/json"})
        tap.ok(answer.status in (400, 413) and isinstance(answer.json, list), f"{name} is refused", f"{answer.status} {answer.text}")
    head = f"POST /v3/assets HTTP/1.1\r\nHost: x\r\nX-Api-Key: {c.key}\r\nContent-Length: 1048577\r\n\r\n"
    tap.contains(raw_exchange(c.management, head.encode()), b" 413 ", "more than a megabyte")
    tap.status(api.get("/v3/assets/bad"), 404, "nothing of it was kept")


def policies(api):
    crud(api, "/v3/policydefinitions", DEFINED, {**DEFINED, "policy": {**POLICY, "permission": [{"action": "use"}]}},
         "PolicyDefinition", lambda p: "odrl:constraint" not in as_list(p["policy"]["odrl:permission"])[0])
    tap.status(api.put("/v3/policydefinitions/definition-id", {k: v for k, v in DEFINED.items() if k != "@id"}), 204,
               "PUT …/{id} without id in the body")
    got = api.get("/v3/policydefinitions/definition-id").json["policy"]
    tap.equal({k: v for k, v in got.items() if k != "@id"}, {
        "@type": "odrl:Set", "odrl:prohibition": [], "odrl:obligation": [], "odrl:permission": {
            "odrl:action": {"@id": "odrl:use"}, "odrl:constraint": {
                "odrl:leftOperand": {"@id": "odrl:spatial"}, "odrl:operator": {"@id": "odrl:eq"},
                "odrl:rightOperand": "https://www.wikidata.org/wiki/Q183"}}}, "the policy in EDC's form")
    prefixed = {"@context": {"edc": EDC, "odrl": ODRL}, "@type": "edc:PolicyDefinition", "@id": "prefixed", "edc:policy": {
        "@type": "odrl:Set", "odrl:permission": {"odrl:action": {"@id": "odrl:use"}}, "odrl:prohibition": [], "odrl:obligation": []}}
    created(api.post("/v3/policydefinitions", prefixed), "a policy with prefixes", "prefixed")
    empty = {"@context": CTX, "@id": "empty", "policy": POLICY}
    created(api.post("/v3/policydefinitions", empty), "an empty policy", "empty")
    tap.equal(api.post("/v3/policydefinitions/empty/validate", {}).json["isValid"], True, "validate")
    error(api.post("/v3/policydefinitions", {"@context": CTX}), 400, "ValidationFailure", "no policy", f"{EDC}policy")
    error(api.post("/v3/policydefinitions", {"@context": CTX, "policy": {**POLICY, "@type": "Offer"}}), 400, "ValidationFailure",
          "an offer is no set", f"{EDC}policy/@type")
    bad = {**POLICY, "permission": [{"action": "use", "constraint": [{"leftOperand": "spatial", "rightOperand": "x"}]}]}
    answer = api.post("/v3/policydefinitions", {"@context": CTX, "policy": bad})
    error(answer, 400, "ValidationFailure", "a constraint without operator")
    tap.contains(answer.json[0]["path"], f"{EDC}policy/{ODRL}permission", "its place is the expanded path")
    unknown = {**POLICY, "permission": [{"action": "use", "constraint": [
        {"leftOperand": "https://x.example/none", "operator": "eq", "rightOperand": "x"}]}]}
    error(api.post("/v3/policydefinitions", {"@context": CTX, "policy": unknown}), 400, "ValidationFailure", "an unknown operand")
    text = api.post("/naru/v1/policies/explain", {"policy": SPATIAL})
    tap.ok(text.status == 200 and text.json["en"], "a policy in words", text.text)
    tap.equal(api.post("/naru/v1/policies/explain", {}).json["at"], "/policy", "an error in words")


def definitions(api):
    crud(api, "/v3/contractdefinitions", DEFINITION, {**DEFINITION, "accessPolicyId": "empty"}, "ContractDefinition",
         lambda d: d["accessPolicyId"] == "empty")
    got = api.get("/v3/contractdefinitions/definition-id").json
    tap.equal(got["assetsSelector"], DEFINITION["assetsSelector"][0], "one criterion stands for itself")
    created(api.post("/v3/contractdefinitions", {**DEFINITION, "@id": "all", "assetsSelector": []}), "an empty selector")
    tap.equal(api.get("/v3/contractdefinitions/all").json["assetsSelector"], [], "it stays empty")
    created(api.post("/v3/contractdefinitions", {**DEFINITION, "@id": "single", "assetsSelector": {
        "operandLeft": f"{EDC}id", "operator": "in", "operandRight": ["a", "b"]}}), "an object instead of an array")
    tap.equal(api.get("/v3/contractdefinitions/single").json["assetsSelector"]["operandRight"], ["a", "b"], "with two values")
    for member in ("accessPolicyId", "contractPolicyId"):
        error(api.post("/v3/contractdefinitions", {k: v for k, v in DEFINITION.items() if k != member}), 400, "ValidationFailure",
              f"no {member}", f"{EDC}{member}", "mandatory value")
    error(api.delete("/v3/policydefinitions/empty"), 409, "ObjectConflict", "a policy in use is not deleted")
    tap.equal(ids(api.post("/v3/contractdefinitions/request", query(("accessPolicyId", "=", "empty")))), ["definition-id"],
              "definitions by policy")


def secrets(api):
    secret = {"@context": CTX, "@id": "secret-id", "value": "secret-value"}
    crud(api, "/v3/secrets", secret, {**secret, "value": "other"}, "Secret", lambda s: s["value"] == "other")
    error(api.post("/v3/secrets", {"@context": CTX, "@id": "x"}), 400, "ValidationFailure", "no value", f"{EDC}value")


def queries(api):
    for i in range(30):
        api.post("/v3/assets", {"@context": {**CTX, "dct": DCT}, "@id": f"q-{i:02}", "properties": {
            "colour": "red" if i % 2 else "blue", "name": f"100%_{i}", "dct:type": {"@id": f"urn:type:{i % 3}"}, "tags": ["x", f"t{i}"]},
            "privateProperties": {"shelf": f"s{i % 5}"}})

    def found(*criteria, **more):
        return ids(api.post("/v3/assets/request", query(*criteria, limit=100, **more)))

    tap.equal(found((f"{EDC}id", "=", "q-07")), ["q-07"], "id by IRI")
    tap.equal(found(("id", "=", "q-07")), ["q-07"], "id by term")
    tap.equal(found(("id", "in", ["q-07", "q-03", "none"])), ["q-03", "q-07"], "in")
    tap.equal(found(("colour", "=", "red"), ("id", "<", "q-05"), ("id", "like", "q-%")), ["q-01", "q-03"], "and, <, like")
    tap.equal(found(("colour", "!=", "red"), ("id", "<=", "q-04")), ["q-00", "q-02", "q-04"], "!=, <=")
    tap.equal(found(("properties.'colour'", "=", "blue"), ("id", ">=", "q-28")), ["q-28"], "quoted property")
    tap.equal(found((f"'{DCT}type'.'@id'", "=", "urn:type:2"), ("id", ">", "q-25")), ["q-26", "q-29"], "type's id")
    tap.equal(found((f"{DCT}type", "=", "urn:type:2"), ("id", ">", "q-25")), ["q-26", "q-29"], "a property by IRI")
    tap.equal(found(("privateProperties.'shelf'", "=", "s4"), ("id", "not in", ["q-04", "q-09"])), ["q-14", "q-19", "q-24", "q-29"],
              "private property, not in")
    tap.equal(found(("tags", "contains", "t5")), ["q-05"], "contains")
    tap.equal(found(("name", "like", "100\\%\\_2_")), [f"q-{i}" for i in range(20, 30)], "like with escapes")
    tap.equal(found(("colour", "like", "RED")), [], "like knows case")
    tap.equal(len(found(("colour", "ilike", "RE_"))), 15, "ilike does not")
    tap.equal(found(("nothing", "=", "x")), [], "a property that no asset has")
    tap.equal(found(("id", "=", "x' OR '1'='1")), [], "quotes are data")
    page = [ids(api.post("/v3/assets/request", query(("id", "like", "q-%"), offset=o, limit=10, sortField="id", sortOrder="DESC")))
            for o in (0, 10, 20, 30)]
    tap.equal(sum(page, []), [f"q-{i:02}" for i in reversed(range(30))], "pages, sorted downwards")
    tap.equal([len(p) for p in page], [10, 10, 10, 0], "pages are full until the end")
    tap.equal(len(ids(api.post("/v3/assets/request"))), min(50, len(ids(api.post("/v3/assets/request", query(limit=1000))))),
              "without body: fifty")
    first = ids(api.post("/v3/assets/request", query(limit=3)))
    tap.equal(ids(api.post("/v3/assets/request", query(limit=2, offset=1))), first[1:], "in order of creation")
    spec = query(("id", "=", "q-01"))
    for change, name in (({"limit": 0}, "limit 0"), ({"offset": -1}, "offset -1"), ({"sortOrder": "UP"}, "an unknown order"),
                         ({"limit": "many"}, "a limit that is no number"), (query(("id", "~", "x")), "an unknown operator"),
                         (query(("id", "=", ["a", "b"])), "two values for ="), (query(("a.b.c", "=", "x")), "an unknown path"),
                         (query(*[("id", "=", "x")] * 5), "five criteria"), ({"filterExpression": [{"operator": "="}]}, "no operand")):
        answer = api.post("/v3/assets/request", {**spec, **change})
        tap.ok(answer.status in (400, 413) and isinstance(answer.json, list), name, f"{answer.status} {answer.text}")
    for path in ("policydefinitions", "contractdefinitions", "contractnegotiations", "contractagreements", "transferprocesses", "edrs"):
        tap.status(api.post(f"/v3/{path}/request", query(("nothing", "=", "x"))), 400, f"{path}: an unknown field")
        tap.status(api.post(f"/v3/{path}/request", query(sortField="nothing")), 400, f"{path}: an unknown sort field")
        tap.status(api.post(f"/v3/{path}/request", query(("id", "=", "x"), ("createdAt" if path != "contractagreements" else
                                                                              "contractSigningDate", ">", 5))), 200, f"{path}: known fields")


def left_over(c):
    """A policy that this version does not understand is shown all the same, and said to be invalid."""
    odd = {"@type": "Set", "permission": [{"action": "use", "constraint": [
        {"leftOperand": "https://x.example/none", "operator": "eq", "rightOperand": "x"}]}]}
    c.sql("INSERT INTO policy_definition (policy_id, policy, policy_hash, private_properties, version, created_us) VALUES ('odd', ?, 'hash', '{}', 1, 1)", json.dumps(odd))
    got = c.edc.get("/v3/policydefinitions/odd")
    tap.status(got, 200, "a policy that is not understood any more")
    tap.contains(got.text, "https://x.example/none", "it is shown")
    verdict = c.edc.post("/v3/policydefinitions/odd/validate").json
    tap.ok(verdict["isValid"] is False and verdict["errors"], "validate says why", verdict)
    tap.status(c.edc.post("/v3/policydefinitions/request"), 200, "it breaks no list")


def run_all(c):
    assets(c.edc)
    asset_errors(c)
    policies(c.edc)
    definitions(c.edc)
    secrets(c.edc)
    queries(c.edc)


def scenario():
    space = Space("did:web:one.test", "did:web:two.test")
    sqlite = connector(space, "did:web:one.test")
    access(sqlite)
    run_all(sqlite)
    tap.status(sqlite.edc.delete("/v3/assets/asset-id"), 204, "DELETE /v3/assets/…")
    left_over(sqlite)
    with tap.case("PostgreSQL"):
        server = Postgres()
        tap.note("the same on PostgreSQL")
        run_all(connector(space, "did:web:two.test", database=server.create("connector")))


main(scenario)
