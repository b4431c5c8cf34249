"""Query specifications: every operator, path, order and page, for each kind of entity; on SQLite and PostgreSQL alike.

There are enough assets that no way of finding them is left out: few candidates, along an index, along the table."""

import re

from connectors import Space
from edc import CTX, EDC, PROTOCOL, connector, query
from harness import Postgres, main, tap, wait_until

DCT = "http://purl.org/dc/terms/"
ASSETS = 1300
POLICY = {"@context": "http://www.w3.org/ns/odrl.jsonld", "@type": "Set", "permission": [{"action": "use"}]}


def asset(i):
    """What the i-th asset holds, by the path that asks for it; a list has several values."""
    made = {"id": f"a-{i * 7919 % ASSETS:05}", "kind": "all", "colour": ("red", "Green", "blue")[i % 3], "rare": "yes" if i % 600 == 5 else None,
            f"'{DCT}type'.'@id'": f"urn:type:{i % 4}", "tags": [f"t{i % 10}", f"u{i % 4}"], "weight": f"{i % 50:03}",
            "privateProperties.'shelf'": f"s{i % 5}", "dataAddress.type": ("HttpData", "File")[i % 2], "path": f"/x_{i % 20}/100%"}
    return {k: v for k, v in made.items() if v is not None}


def body(a):
    public = {k: a[k] for k in ("kind", "colour", "rare", "tags", "weight", "path") if k in a}
    address = {"type": "File", "path": "x"} if a["dataAddress.type"] == "File" else {"type": "HttpData", "baseUrl": "https://x.example"}
    return {"@context": {**CTX, "dct": DCT}, "@id": a["id"], "properties": {**public, "dct:type": {"@id": a[f"'{DCT}type'.'@id'"]}},
            "privateProperties": {"shelf": a["privateProperties.'shelf'"]}, "dataAddress": {**address, "authCode": "hidden"}}


def like(pattern, flags=0):
    out = ""
    for part in re.findall(r"\\.|.", pattern):
        out += {"%": ".*", "_": "."}.get(part, re.escape(part[-1]))
    return lambda value, _: re.fullmatch(out, value, flags) is not None


TESTS = {
    "=": lambda v, r: v == r, "!=": lambda v, r: v != r, "<": lambda v, r: v < r, "<=": lambda v, r: v <= r, ">": lambda v, r: v > r,
    ">=": lambda v, r: v >= r, "in": lambda v, r: v in r, "not in": lambda v, r: v not in r, "contains": lambda v, r: v == r,
}


def holds(a, left, op, right):
    values = a.get(left.replace(EDC, "").removeprefix("properties.").strip("'") if "privateP" not in left and DCT not in left else left)
    values = values if isinstance(values, list) else [] if values is None else [values]
    test = {"like": lambda: like(right), "ilike": lambda: like(right, re.I)}.get(op.lower(), lambda: TESTS[op.lower()])()
    return any(test(v, right) for v in values)


CASES = [
    [("id", "=", "a-00007")], [(f"{EDC}id", "=", "a-00007")], [("id", "in", ["a-00001", "a-00900", "none"])], [("id", "=", "none")],
    [("id", "like", "a-0001%")], [("id", "like", "%9_")], [("id", "<", "a-00004")], [("id", ">=", "a-01295")],
    [("kind", "=", "all")], [("kind", "=", "all"), ("rare", "=", "yes")], [("rare", "=", "yes")], [("colour", "=", "red")],
    [("colour", "!=", "red")], [("colour", "like", "green")], [("colour", "ilike", "GR_EN")], [("COLOUR", "=", "red")],
    [("colour", "in", ["red", "blue"])], [("colour", "NOT IN", ["red", "blue"])], [("properties.'colour'", "=", "blue")],
    [("properties.colour", "=", "blue"), ("weight", ">", "045")], [(f"{EDC}colour", "=", "blue")], [("weight", "<=", "001")],
    [("tags", "contains", "t3")], [("tags", "=", "t3"), ("tags", "=", "u1")], [("path", "like", "/x\\_1/100\\%")],
    [("path", "like", "/x_1/%")], [("privateProperties.'shelf'", "=", "s4")], [("privateProperties.'shelf'", "=", "s4"), ("rare", "=", "yes")],
    [("dataAddress.type", "=", "File")], [("dataAddress.type", "=", "File"), ("colour", "=", "red"), ("weight", "<", "010")],
    [(f"'{DCT}type'.'@id'", "=", "urn:type:2"), ("id", ">", "a-01200")], [("kind", "=", "none")], [("none", "=", "x")], [],
    [("kind", "like", "%"), ("rare", "like", "y%")], [("dataAddress.authCode", "=", "hidden")],
]


def ids(answer):
    return [e["@id"] for e in answer.json] if answer.status == 200 else f"{answer.status} {answer.text}"


def assets(api):
    made = [asset(i) for i in range(ASSETS)]
    for a in made:
        answer = api.post("/v3/assets", body(a))
        if answer.status != 200:
            tap.status(answer, 200, "an asset")
    for criteria in CASES:
        wanted = [a["id"] for a in made if all(holds(a, *c) for c in criteria)]
        name = " and ".join(f"{left} {op} {right}" for left, op, right in criteria) or "everything"

        def found(**more):
            return ids(api.post("/v3/assets/request", query(*criteria, **more)))
        tap.equal(found(limit=10000), wanted, f"{name}: all of them, in order of creation")
        tap.equal(found(limit=10, offset=5), wanted[5:15], f"{name}: a page")
        tap.equal(found(limit=7, sortOrder="DESC"), wanted[::-1][:7], f"{name}: the last ones first")
        tap.equal(found(limit=10000, sortField="id"), sorted(wanted), f"{name}: by id")
        tap.equal(found(limit=9, offset=2, sortField="id", sortOrder="DESC"), sorted(wanted)[::-1][2:11], f"{name}: by id, downwards")
    by_weight = [a["id"] for a in sorted(made, key=lambda a: a["weight"])]
    pages = [ids(api.post("/v3/assets/request", query(sortField="weight", limit=500, offset=o))) for o in (0, 500, 1000, 1500)]
    tap.equal(sum(pages, []), by_weight, "pages in order of a property")
    rare = [a["id"] for a in made if "rare" in a]
    rest = [a["id"] for a in made if "rare" not in a]
    pages = [ids(api.post("/v3/assets/request", query(sortField="rare", limit=2, offset=o))) for o in (0, 2, 4)]
    tap.equal(sum(pages, []), (rare + rest)[:6], "those without the property follow")
    tap.equal(ids(api.post("/v3/assets/request", query(("kind", "=", "all"), sortField="weight", sortOrder="DESC", limit=3))),
              [a["id"] for a in sorted(made, key=lambda a: (a["weight"], made.index(a)), reverse=True)][:3], "downwards, with a filter")
    tap.equal(len(ids(api.post("/v3/assets/request"))), 50, "no body: fifty")
    api.put("/v3/assets", body({**made[0], "colour": "white"}))
    tap.equal(ids(api.post("/v3/assets/request", query(("colour", "=", "white")))), [made[0]["id"]], "a change is found")
    api.delete(f"/v3/assets/{made[0]['id']}")
    tap.equal(ids(api.post("/v3/assets/request", query(("colour", "=", "white")))), [], "what is deleted is not")


def definitions(api):
    for i in range(6):
        api.post("/v3/policydefinitions", {"@context": CTX, "@id": f"p{i}", "policy": POLICY, "privateProperties": {"owner": f"o{i % 2}"}})
        api.post("/v3/contractdefinitions", {"@context": CTX, "@id": f"d{i}", "accessPolicyId": f"p{i % 3}", "contractPolicyId": "p5",
                                             "privateProperties": {"owner": f"o{i % 2}"}, "assetsSelector": [
                                                 {"operandLeft": f"{EDC}id", "operator": "=", "operandRight": f"a-{i}"}]})
    for path, criteria, wanted in (
            ("policydefinitions", [("id", "in", ["p1", "p4"])], ["p1", "p4"]),
            ("policydefinitions", [("privateProperties.'owner'", "=", "o1")], ["p1", "p3", "p5"]),
            ("policydefinitions", [(f"privateProperties.'{EDC}owner'", "=", "o1"), ("id", "!=", "p3")], ["p1", "p5"]),
            ("policydefinitions", [("createdAt", ">", 5), ("id", "<", "p2")], ["p0", "p1"]),
            ("contractdefinitions", [("accessPolicyId", "=", "p1")], ["d1", "d4"]),
            ("contractdefinitions", [("privateProperties.owner", "=", "o0"), ("contractPolicyId", "=", "p5")], ["d0", "d2", "d4"]),
            ("contractdefinitions", [("assetsSelector.operandRight", "=", "a-3")], ["d3"])):
        name = f"{path}: {criteria}"
        tap.equal(ids(api.post(f"/v3/{path}/request", query(*criteria))), wanted, name)
        tap.equal(ids(api.post(f"/v3/{path}/request", query(*criteria, sortField="id", sortOrder="DESC", limit=1, offset=1))),
                  wanted[::-1][1:2], f"{name}: a page downwards")
    api.put("/v3/policydefinitions/p1", {"@context": CTX, "policy": POLICY, "privateProperties": {"owner": "new"}})
    tap.equal(ids(api.post("/v3/policydefinitions/request", query(("privateProperties.'owner'", "=", "new")))), ["p1"], "a change is found")
    api.delete("/v3/contractdefinitions/d3")
    tap.equal(ids(api.post("/v3/contractdefinitions/request", query(("assetsSelector.operandRight", "=", "a-3")))), [], "what is deleted is not")


def processes(provider, consumer):
    path = provider.folder / "data.csv"
    path.write_text("a\n1\n")
    provider.edc.post("/v3/assets", {"@context": CTX, "@id": "traded", "properties": {}, "dataAddress": {"type": "File", "path": str(path)}})
    provider.edc.post("/v3/contractdefinitions", {"@context": CTX, "@id": "offer", "accessPolicyId": "p0", "contractPolicyId": "p0",
                                                  "assetsSelector": [{"operandLeft": f"{EDC}id", "operator": "=", "operandRight": "traded"}]})
    api = consumer.edc
    dataset = api.post("/v3/catalog/dataset/request", {"@context": CTX, "@id": "traded", "counterPartyAddress": provider.dsp,
                                                       "counterPartyId": provider.did, "protocol": PROTOCOL}).json
    offer = dataset["odrl:hasPolicy"]["@id"]
    callback = {"@type": "CallbackAddress", "transactional": False, "uri": "https://callback.example", "events": ["contract", "transfer"]}
    negotiation = api.post("/v3/contractnegotiations", {
        "@context": CTX, "counterPartyAddress": provider.dsp, "protocol": PROTOCOL, "callbackAddresses": [callback], "policy": {
            **POLICY, "@type": "Offer", "@id": offer, "assigner": provider.did, "target": "traded"}}).json["@id"]
    wait_until(lambda: api.get(f"/v3/contractnegotiations/{negotiation}/state").json["state"] == "FINALIZED", 30, "FINALIZED")
    agreement = api.get(f"/v3/contractnegotiations/{negotiation}/agreement").json["@id"]
    transfer = api.post("/v3/transferprocesses", {
        "@context": CTX, "counterPartyAddress": provider.dsp, "protocol": PROTOCOL, "contractId": agreement, "transferType": "HttpData-PULL",
        "dataDestination": {"type": "HttpProxy", "token": "hidden"}, "privateProperties": {"mine": "x"},
        "callbackAddresses": [callback]}).json["@id"]
    wait_until(lambda: api.get(f"/v3/transferprocesses/{transfer}/state").json["state"] == "STARTED", 30, "STARTED")
    wait_until(lambda: api.post("/v3/edrs/request").json, 10, "an EDR")
    n, t, a = "contractnegotiations", "transferprocesses", "contractagreements"
    for path, left, op, right, hit in (
            (n, "state", "=", "FINALIZED", True), (n, "state", "=", 1200, True), (n, "state", "in", ["TERMINATED", 1200], True),
            (n, "state", "<", 1200, False), (n, "type", "=", "CONSUMER", True), (n, "counterPartyId", "like", "did:%", True),
            (n, "contractAgreement.assetId", "=", "traded", True), (n, "contractAgreement.id", "=", agreement, True),
            (n, "contractAgreement.providerId", "=", provider.did, True), (n, "contractAgreement.contractSigningDate", ">", 1_600_000_000, True),
            (n, "contractOffers.assetId", "=", "traded", True), (n, "contractOffers.id", "=", offer, True),
            (n, "callbackAddresses.uri", "=", "https://callback.example", True), (n, "callbackAddresses.events", "contains", "transfer", True),
            (n, "pending", "=", False, True), (n, "stateCount", ">=", 1, True), (n, "updatedAt", ">", 1_600_000_000_000, True),
            (n, "traceContext.traceparent", "=", "x", False), (n, "errorDetail", "=", "x", False),
            (t, "contractId", "=", agreement, True), (t, "state", "=", "STARTED", True), (t, "state", "=", "600", True),
            (t, "state", "!=", 600, False), (t, "assetId", "ilike", "TRADED", True), (t, "transferType", "=", "HttpData-PULL", True),
            (t, "dataDestination.type", "=", "HttpProxy", True), (t, "dataDestination.token", "=", "hidden", False),
            (t, "privateProperties.'mine'", "=", "x", True), (t, "privateProperties.'mine'", "=", "y", False),
            (t, "callbackAddresses.uri", "like", "%callback%", True), (t, "claims.x", "=", "y", False),
            (t, "contentDataAddress.type", "=", "x", False), (t, "dataPlaneId", "=", "x", False), (t, "correlationId", "like", "%", True),
            (t, "createdAt", ">=", 5, True), (t, "stateTimestamp", "<", 5, False),
            (a, "agreementId", "=", agreement, True), (a, "consumerId", "=", consumer.did, True), (a, "assetId", "in", ["x", "traded"], True),
            (a, "contractSigningDate", "<", 5, False), (a, "policy.target", "=", "x", False),
            ("edrs", "assetId", "=", "traded", True), ("edrs", "providerId", "=", provider.did, True),
            ("edrs", "contractNegotiationId", "=", negotiation, True), ("edrs", "agreementId", "=", "x", False)):
        found = api.post(f"/v3/{path}/request", query((left, op, right)))
        tap.equal(ids(found), [{n: negotiation, t: transfer, a: agreement, "edrs": transfer}[path]] if hit else [],
                  f"{path}: {left} {op} {right}")
        if op == "=":
            tap.status(api.post(f"/v3/{path}/request", query(sortField=left)), 200, f"{path}: sorted by {left}")
    for path, left in ((n, "contractAgreementId"), (n, "state.x"), (n, "policy"), (t, "contractAgreementId"), (t, "counterPartyId"),
                       (t, "dataDestination"), (a, "state"), ("edrs", "state"), ("contractdefinitions", "policy.x"), ("assets", "a.b.c")):
        answer = api.post(f"/v3/{path}/request", query((left, "=", "x")))
        tap.ok(answer.status == 400 and f"Field {left} not found on type class" in answer.json[0]["message"],
               f"{path}: there is no field {left}", answer.text)
    tap.status(api.post(f"/v3/{t}/request", query(("state", "=", "NO_STATE"))), 400, "an unknown state")


def both(space, names, **settings):
    provider, consumer = (connector(space, name, **{k: v() for k, v in settings.items()}) for name in names)
    assets(provider.edc)
    definitions(provider.edc)
    processes(provider, consumer)
    visitor = provider.as_peer(consumer.did)
    for left in ("privateProperties.'shelf'", "dataAddress.type", "'private:dataAddress.type'"):
        answer = visitor.post("/catalog/request", {"@context": ["https://w3id.org/dspace/2025/1/context.jsonld"], "@type": "CatalogRequestMessage",
                                                   "filter": [{"operandLeft": left, "operator": "=", "operandRight": "File"}]})
        tap.ok(answer.status == 400, f"a peer's filter cannot name {left}", answer.text)


def scenario():
    names = "did:web:one.test", "did:web:two.test"
    both(Space(*names), names)
    with tap.case("PostgreSQL"):
        server = Postgres()
        count = iter(range(9))
        tap.note("the same on PostgreSQL")
        names = "did:web:three.test", "did:web:four.test"
        both(Space(*names), names, database=lambda: server.create(f"connector{next(count)}"))


main(scenario)
