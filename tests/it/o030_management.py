"""The OpenAPI document of the connector says what its management listener serves, it is good OpenAPI, and it is served."""

import json
import re

from edc import pair
from harness import ROOT, main, tap

TABLES = ("connector/dataplane/management_routes.def", "connector/dsp/management_routes.def", "connector/duty/routes.def", "connector/events/routes.def",
          "connector/exchange/routes.def", "connector/market/routes.def", "connector/mgmt/routes.def")
ROUTE = re.compile(r'^ROUTE\((\w+),\s*"([^"]+)",\s*\w+,\s*(\w+)', re.M)
OPERATION = {"summary", "operationId", "parameters", "requestBody", "responses", "security", "tags"}
PARAMETER = {"name", "in", "required", "schema", "description"}


def routes():
    """(method, path): open to all, of every table of the management listener; resources are served in two versions."""
    main_c = (ROOT / "connector" / "main.c").read_text()
    listed = re.search(r"management_routes\[\] = \{(.*?)\};", main_c, re.S)[1]
    known = {re.search(r"(\w+?)(?:_management)?_routes", name)[1] for name in re.findall(r"\w+_routes", listed)}
    tap.equal(sorted(known), sorted({t.split("/")[1] for t in TABLES}), "every table of the listener is looked at")
    found = {(m, p): w == "W_PUBLIC" for t in TABLES for m, p, w in ROUTE.findall((ROOT / t).read_text())}
    for m, p, w in ROUTE.findall((ROOT / "connector/mgmt/resources.def").read_text()):
        found |= {(m, version + p): w == "W_PUBLIC" for version in ("/v3", "/v4")}
    return found


def references(value):
    if isinstance(value, dict):
        for key, inner in value.items():
            if key == "$ref":
                yield inner
            else:
                yield from references(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from references(inner)


def schemas(document):
    yield from document["components"]["schemas"].values()
    for item in document["paths"].values():
        for operation in item.values():
            yield from (p["schema"] for p in operation.get("parameters", []))
            bodies = [operation.get("requestBody", {}), *operation["responses"].values()]
            yield from (c["schema"] for b in bodies for c in b.get("content", {}).values())


def form(document):
    """What OpenAPI asks of the objects that are used here."""
    tap.equal(document["openapi"], "3.1.0", "version of OpenAPI")
    tap.ok({"title", "version"} <= set(document["info"]), "title and version")
    tags = {t["name"] for t in document["tags"]}
    ids, wrong = [], []
    for path, item in document["paths"].items():
        for method, operation in item.items():
            name = f"{method} {path}"
            ids.append(operation["operationId"])
            parameters = operation.get("parameters", [])
            places = [p["name"] for p in parameters if p["in"] == "path" and p["required"]]
            if sorted(places) != sorted(re.findall(r"\{(\w+)\}", path)):
                wrong.append(f"{name}: path parameters")
            if set(operation) - OPERATION or any(set(p) - PARAMETER or p["in"] not in ("path", "query", "header") for p in parameters):
                wrong.append(f"{name}: members")
            if not operation["responses"] or any(not re.fullmatch(r"[1-5]\d\d|default", s) or "description" not in r
                                                 for s, r in operation["responses"].items()):
                wrong.append(f"{name}: responses")
            if not set(operation["tags"]) <= tags:
                wrong.append(f"{name}: tags")
    tap.equal(wrong, [], "operations have the form of OpenAPI")
    tap.equal(sorted({i for i in ids if ids.count(i) > 1}), [], "operation ids are unique")
    try:
        import jsonschema
    except ImportError:
        tap.skip("schemas are good", "python3-jsonschema is not installed")
        return
    with tap.case("schemas are good JSON Schema"):
        for schema in schemas(document):
            jsonschema.Draft202012Validator.check_schema(schema)


def scenario():
    document = json.loads((ROOT / "connector" / "mgmt" / "openapi.json").read_text())
    described = {(method.upper(), path): "security" in operation and not operation["security"]
                 for path, item in document["paths"].items() for method, operation in item.items()}
    served = routes()
    tap.equal(sorted(set(served) - set(described)), [], "every route is described")
    tap.equal(sorted(set(described) - set(served)), [], "nothing is described that is not served")
    tap.equal(sorted(r for r in served if served[r] != described.get(r)), [], "who may call is said rightly")
    known = set(document["components"]["schemas"])
    used = {r.removeprefix("#/components/schemas/") for r in references(document)}
    tap.equal(sorted(used - known), [], "every reference resolves")
    tap.equal(sorted(known - used), [], "every schema is used")
    form(document)
    provider, _ = pair()
    answer = provider.open.get("/openapi.json")
    tap.equal((answer.status, answer.json), (200, document), "the document is served, without a key")
    tap.status(provider.open.get("/management/openapi.json"), 200, "also below the base path of EDC's clients")


main(scenario)
