"""What a provider shows to whom: pages, filters, access, change, compression."""

import base64
import gzip
import json
import re

from connectors import EDC, Peer, Space, message
from harness import Client, Skip, main, tap
from schemas import Validator

ASSETS = 25
PROTOCOL = "dataspace-protocol-http:2025-1"


def ask(client, path="/catalog/request", headers=None, **members):
    return client.request("POST", path, message("CatalogRequestMessage", **members), headers=headers)


def ids(answer):
    return [d["@id"] for d in answer.json.get("dataset", [])]


def spec(**members):
    return [{"@type": "QuerySpec", "offset": 0, "limit": 50, "sortOrder": "ASC", "filterExpression": [], **members}]


def criterion(left, operator, right):
    return {"@type": "Criterion", "operandLeft": left, "operator": operator, "operandRight": right}


def links(answer, base):
    """Paths of the Link headers, by relation."""
    found = {}
    for header in answer.headers.get_all("Link") or []:
        match = re.fullmatch(r'<([^>]+)>; rel="(next|previous)"', header)
        assert match, header
        found[match[2]] = match[1].removeprefix(base)
    return found


def pages(client, base):
    everything = [f"asset-{i:03}" for i in range(ASSETS)]
    answer = ask(client)
    tap.equal(ids(answer), everything, "all datasets in one answer")
    tap.equal(answer.headers.get("Link"), None, "no further page")
    seen, path, n = [], "/catalog/request", 0
    while path and n < 20:
        answer = ask(client, path, filter=spec(limit=7))
        seen += ids(answer)
        n += 1
        path = links(answer, base).get("next")
    tap.equal((seen, n), (everything, 4), "four pages by link")
    back = []
    while answer and n > -5:
        n -= 1
        back = ids(answer) + back
        path = links(answer, base).get("previous")
        answer = ask(client, path, filter=spec(limit=7)) if path else None
    tap.equal((back, n), (everything, 0), "and four pages back")
    answer = ask(client, filter=spec(limit=7, offset=3))
    tap.equal(ids(answer), everything[3:10], "a first page behind an offset")
    tap.equal(ids(ask(client, links(answer, base)["next"], filter=spec(limit=7, offset=3))), everything[10:17],
              "which counts once")
    tap.equal(ids(ask(client, links(answer, base)["previous"], filter=spec(limit=7, offset=3))), everything[:3],
              "what was left out is before it")
    tap.equal(ids(ask(client, filter=spec(offset=20, limit=3))), everything[20:23], "offset and limit")
    for token in ("!", "enp6", "YQ", ""):
        tap.status(ask(client, f"/catalog/request?continuationToken={token}"), 400, f"a token that is not ours: '{token}'")
    tap.equal(ids(ask(client, "/catalog/request?continuationToken=YXp6eg")), [], "a token past the end")


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


def nested(provider, consumer):
    """An asset that is a catalogue is shown as one, with the place to ask; it is no dataset, and nothing to negotiate."""
    context = {"@vocab": EDC}
    places = {"sub-1": {"@type": "CatalogAsset", "properties": {"name": "steel"}},
              "sub-2": {"@type": "Asset", "properties": {"isCatalog": True}},
              "no-place": {"@type": "CatalogAsset", "properties": {}}}
    for asset, body in places.items():
        address = {"type": "HttpData"} | ({} if asset == "no-place" else {"baseUrl": f"https://{asset}.example/dsp/2025-1"})
        answer = provider.api.post("/v3/assets", {"@context": context, "@id": asset, "dataAddress": address, **body})
        tap.status(answer, 200, f"{asset} is made")
        selector = [{"operandLeft": EDC + "id", "operator": "=", "operandRight": asset}]
        answer = provider.api.post("/v3/contractdefinitions", {
            "@context": context, "@id": f"{asset}/offer", "accessPolicyId": "private/access", "contractPolicyId": "private/contract",
            "assetsSelector": selector})
        tap.status(answer, 200, f"and offered to the friend: {asset}")
    tap.equal(provider.api.get("/v3/assets/sub-1").json["@type"], "CatalogAsset", "it stays what it is")
    tap.equal(provider.api.get("/v3/assets/asset-003").json["@type"], "Asset", "as others do")
    catalogue = ask(provider.as_peer("friend")).json
    tap.equal([c["@id"] for c in catalogue["catalog"]], ["sub-1", "sub-2"], "two catalogues are nested")
    tap.ok(not {"sub-1", "sub-2", "no-place"} & {d["@id"] for d in catalogue["dataset"]}, "and are no datasets")
    sub = catalogue["catalog"][0]
    service = sub["service"][0]
    tap.equal((sub["@type"], service["@type"], service["endpointURL"]), ("Catalog", "DataService", "https://sub-1.example/dsp/2025-1"),
              "with the place to ask")
    tap.equal(sub["distribution"], [{"@type": "Distribution", "format": "HttpData", "accessService": service}], "and the way")
    tap.equal(sub[EDC + "name"], [{"@value": "steel"}], "and its properties")
    tap.ok("hasPolicy" not in sub, "but no offers")
    tap.ok("catalog" not in ask(provider.as_peer("other")).json, "nobody else sees them")
    tap.status(provider.as_peer("friend").get("/catalog/datasets/sub-1"), 404, "it cannot be asked for as a dataset")
    definition, asset = (base64.urlsafe_b64encode(t.encode()).decode().rstrip("=") for t in ("sub-1/offer", "sub-1"))
    some = next(d for d in catalogue["dataset"] if d["@id"] == "private")["hasPolicy"][0]
    answer = provider.as_peer("friend").post("/negotiations/request", message(
        "ContractRequestMessage", consumerPid="c", callbackAddress="https://localhost/x",
        offer={**some, "@id": f"{definition}:{asset}:{some['@id'].rpartition(':')[2]}", "target": "sub-1"}))
    tap.status(answer, 400, "nor negotiated for")
    only = ask(provider.as_peer("friend"), filter=[criterion("id", "in", ["sub-1", "sub-2"])])
    tap.ok("dataset" not in only.json and len(only.json["catalog"]) == 2, "a filter takes them as others")
    try:
        Validator().check(catalogue, "a catalogue with others in it")
        old = Client(f"{provider.base}/dsp/2024-1", provider.space.authority.ca, {"Authorization": provider.space.tokens["friend"]})
        # not asset-001, whose operator lteq is missing in the schema of 2024-1 (its examples have it)
        answer = old.post("/catalog/request", {"@context": "https://w3id.org/dspace/2024/1/context.json",
                                               "@type": "dspace:CatalogRequestMessage",
                                               "dspace:filter": [criterion("id", "in", ["asset-003", "sub-1", "sub-2"])]})
        Validator("2024-1").check(answer.json, "the same in 2024-1")
        tap.equal([c["@id"] for c in answer.json["dcat:catalog"]], ["sub-1", "sub-2"], "nested there too")
    except Skip as skip:
        tap.skip("the catalogue's schema", str(skip))
    answer = consumer.api.post("/v3/catalog/request", {"@context": context, "counterPartyAddress": provider.dsp,
                                                       "counterPartyId": "provider", "protocol": PROTOCOL})
    tap.equal([c["@id"] for c in answer.json["dcat:catalog"]], ["sub-1", "sub-2"], "a consumer hears of them")


def paged(space, consumer):
    """A peer's pages are put together as far as the query reaches; a link to another host is not followed."""
    peer, elsewhere = Peer(space, "provider"), Peer(space, "provider")
    size, base = 3, peer.url.removesuffix("/dsp")

    def page(_method, path, body):
        n = int(path.partition("?at=")[2] or 0)
        entries = [{"@id": f"d{i}", "@type": "Dataset"} for i in range(n * size, n * size + size)]
        return 200, message("Catalog", **{"@id": "c", "participantId": "provider", "dataset": entries,
                                          **({"catalog": [{"@id": f"c{n}", "@type": "Catalog"}]} if n < 2 else {})})

    def ask_all(link, **members):
        peer.answer, peer.links, peer.seen[:] = page, link, []
        answer = consumer.api.post("/v3/catalog/request", {
            "@context": {"@vocab": EDC}, "counterPartyAddress": peer.url, "counterPartyId": "provider", "protocol": PROTOCOL, **members})
        return [d["@id"] for d in answer.json["dcat:dataset"]], answer

    def usual(path):
        n = int(path.partition("?at=")[2] or 0)
        back = [f'<{peer.url}/catalog/request?at={n - 1}>; rel="prev"'] if n else []
        return ([f'<{peer.url}/catalog/request?at={n + 1}>; title="x, y"; rel="next"'] if n < 3 else []) + back

    everything = [f"d{i}" for i in range(12)]
    found, answer = ask_all(usual)
    tap.equal(found, everything, "all pages are put together")
    tap.equal([c["@id"] for c in answer.json["dcat:catalog"]], ["c0", "c1"], "so are their nested catalogues")
    tap.equal([(m, b["@type"]) for m, _, b, _ in peer.seen], [("POST", "CatalogRequestMessage")] * 4, "each is asked with the same POST")
    tap.equal(ask_all(usual, querySpec={"@type": "QuerySpec", "offset": 2, "limit": 3})[0], everything[2:5], "a query that ends before")
    tap.equal(len(peer.seen), 2, "needs no more pages")
    tap.equal(len(ask_all(lambda path: [", ".join(usual(path))] if usual(path) else [])[0]), 12, "links in one header")
    for url in (f"{elsewhere.url}/catalog/request?at=1", "http://localhost/x", f"{base}.example/x", "/dsp?at=1", ""):
        tap.equal(len(ask_all(lambda _, url=url: [f'<{url}>; rel="next"'])[0]), size, f"no further page at '{url}'")
    tap.equal(elsewhere.seen, [], "nobody else gets our token")


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
    consumer = space.connector("friend")
    nested(provider, consumer)
    paged(space, consumer)


main(scenario)
