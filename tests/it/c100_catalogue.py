"""What a provider shows to whom: pages, filters, access, change, compression."""

import gzip
import json
import re

from connectors import EDC, Space, message
from harness import main, tap

ASSETS = 25


def ask(client, path="/catalog/request", headers=None, **members):
    return client.request("POST", path, message("CatalogRequestMessage", **members), headers=headers)


def ids(answer):
    return [d["@id"] for d in answer.json.get("dataset", [])]


def spec(**members):
    return [{"@type": "QuerySpec", "offset": 0, "limit": 50, "sortOrder": "ASC", "filterExpression": [], **members}]


def criterion(left, operator, right):
    return {"@type": "Criterion", "operandLeft": left, "operator": operator, "operandRight": right}


def pages(client, base):
    everything = [f"asset-{i:03}" for i in range(ASSETS)]
    answer = ask(client)
    tap.equal(ids(answer), everything, "all datasets in one answer")
    tap.equal(answer.headers.get("Link"), None, "no further page")
    seen, path, n = [], "/catalog/request", 0
    while path and n < 20:
        answer = ask(client, path, filter=spec(limit=7))
        seen += ids(answer)
        link = answer.headers.get("Link")
        n += 1
        found = re.fullmatch(r'<([^>]+)>; rel="next"', link) if link else None
        path = found[1].removeprefix(base) if found else None
    tap.equal((seen, n), (everything, 4), "four pages by link")
    tap.equal(ids(ask(client, filter=spec(offset=20, limit=3))), everything[20:23], "offset and limit")
    tap.status(ask(client, "/catalog/request?continuationToken=!"), 400, "a token that is not ours")
    tap.equal(ids(ask(client, "/catalog/request?continuationToken=enp6")), [], "a token past the end")


def filters(client):
    one = criterion(EDC + "id", "=", "asset-007")
    tap.equal(ids(ask(client, filter=spec(filterExpression=[one]))), ["asset-007"], "by id, as EDC sends it")
    tap.equal(ids(ask(client, filter=[one])), ["asset-007"], "by id, a bare criterion")
    tap.equal(ids(ask(client, filter=[criterion("id", "in", ["asset-001", "asset-002", "no"])])), ["asset-001", "asset-002"], "in")
    tap.equal(ids(ask(client, filter=[criterion(EDC + "group", "=", "odd")])), [f"asset-{i:03}" for i in range(1, ASSETS, 2)],
              "by a property")
    tap.equal(ids(ask(client, filter=[criterion("id", "like", "asset-00%")])), [f"asset-{i:03}" for i in range(10)], "like")
    both = [criterion("group", "=", "odd"), criterion("id", "in", ["asset-001", "asset-002"])]
    tap.equal(ids(ask(client, filter=both)), ["asset-001"], "all criteria must hold")
    tap.equal(ids(ask(client, filter=[criterion(EDC + "group", "=", "none")])), [], "nothing found")
    empty = ask(client, filter=[criterion(EDC + "group", "=", "none")])
    tap.ok("dataset" not in empty.json, "an empty list is left out")
    for name, what in (("an operator", [criterion("id", "resembles", "asset%")]), ("no operand", [{"operator": "="}]),
                       ("an object", [criterion("id", "=", {})]), ("a private field", [criterion("privateProperties.x", "=", "y")]), ("sorting", spec(sortField="x")), ("a limit", spec(limit=-1)),
                       ("text", ["asset-001"]), ("many criteria", [one] * 17), ("an offset", spec(offset="2"))):
        answer = ask(client, filter=what)
        tap.status(answer, 400, f"{name} that is not understood")
        tap.equal(answer.json["@type"], "CatalogError", f"{name}: typed error")


def access(provider):
    catalogue = ask(provider.as_peer("friend"))
    tap.ok("private" in ids(catalogue), "the friend sees what is for it")
    tap.ok("private" not in ids(ask(provider.as_peer("other"))), "nobody else does")
    tap.status(provider.as_peer("friend").get("/catalog/datasets/private"), 200, "also alone")
    tap.status(provider.as_peer("other").get("/catalog/datasets/private"), 404, "nor alone")
    offer = next(d for d in catalogue.json["dataset"] if d["@id"] == "private")["hasPolicy"][0]
    answer = provider.as_peer("other").post("/negotiations/request", message(
        "ContractRequestMessage", consumerPid="c", callbackAddress="https://localhost/x", offer={**offer, "target": "private"}))
    tap.status(answer, 400, "nor by negotiating for an id that it heard of")
    tap.contains(answer.text, "no such offer", "as if there were none")


def changes(provider):
    client = provider.as_peer("other")
    before = client.get("/catalog/datasets/asset-001").json["hasPolicy"][0]["@id"]
    policy = {"@type": "Set", "@context": "http://www.w3.org/ns/odrl.jsonld", "permission": [{"action": "use", "constraint": [
        {"leftOperand": "dateTime", "operator": "lteq", "rightOperand": "2090-01-01T00:00:00Z"}]}]}
    answer = provider.api.put("/v3/policydefinitions/asset-001%2Fcontract", {
        "@context": {"@vocab": EDC}, "@type": "PolicyDefinition", "@id": "asset-001/contract", "policy": policy})
    tap.ok(answer.status < 300, "a policy is changed", answer.text)
    after = client.get("/catalog/datasets/asset-001").json["hasPolicy"][0]
    tap.ok(after["@id"] != before, "the offer has another id at once")
    tap.equal(after["permission"][0]["constraint"][0]["leftOperand"].rsplit("/")[-1].removeprefix("odrl:"), "dateTime", "and shows the new rule")
    request = message("ContractRequestMessage", consumerPid="c1", callbackAddress="https://localhost/x",
                      offer={"@id": before, "@type": "Offer", "target": "asset-001", "permission": [{"action": "use"}]})
    tap.status(client.post("/negotiations/request", request), 400, "the old offer is gone")
    tap.ok(provider.api.delete("/v3/contractdefinitions/asset-002%2Foffer").status < 300, "a definition is deleted")
    tap.status(client.get("/catalog/datasets/asset-002"), 404, "its dataset is gone at once")


def compressed(client):
    plain = ask(client)
    packed = ask(client, headers={"Accept-Encoding": "gzip"})
    tap.equal(packed.headers.get("Content-Encoding"), "gzip", "compressed where asked for")
    tap.equal(json.loads(gzip.decompress(packed.body)), plain.json, "with the same content")
    again = ask(client, headers={"Accept-Encoding": "br, gzip;q=0.5"})
    tap.equal(again.body, packed.body, "and again")
    for refused in ("gzip;q=0", "identity", "br"):
        tap.equal(ask(client, headers={"Accept-Encoding": refused}).headers.get("Content-Encoding"), None, f"not for '{refused}'")


def scenario():
    space = Space("provider", "friend", "other")
    provider = space.connector("provider")
    for i in range(ASSETS):
        provider.offer(f"asset-{i:03}")
        provider.sql("INSERT INTO asset_property (asset_id, name, value) VALUES (?,?,?)", f"asset-{i:03}", EDC + "group", "odd" if i % 2 else "even")
    client = provider.as_peer("other")
    pages(client, provider.dsp)
    filters(client)
    compressed(client)
    provider.restart()
    provider.offer("private", access={"@type": "Set", "permission": [{"action": "use", "assignee": "friend"}]})
    access(provider)
    changes(provider)


main(scenario)
