"""The OpenAPI document says what the broker serves: every route is described, nothing else is, and references resolve."""

import json
import re

from harness import ROOT, main, tap


def routes():
    """(method, path) of every row of a routes.def, and of the tables that stand in C."""
    found = set()
    for path in (ROOT / "server").glob("*/*routes.def"):
        found |= set(re.findall(r'^ROUTE\((\w+),\s*"([^"]+)"', path.read_text(), re.M))
    for path in (ROOT / "server").rglob("*.c"):
        found |= set(re.findall(r'\.method = "(\w+)",\s*\.path = "([^"]+)"', path.read_text()))
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


def scenario():
    document = json.loads((ROOT / "server" / "openapi" / "openapi.json").read_text())
    described = {(method.upper(), path) for path, item in document["paths"].items() for method in item}
    served = routes()
    tap.equal(sorted(served - described), [], "every route is described")
    tap.equal(sorted(described - served), [], "nothing is described that is not served")
    schemas = document["components"]["schemas"]
    missing = [r for r in references(document) if r.removeprefix("#/components/schemas/") not in schemas]
    tap.equal(missing, [], "every reference resolves")
    used = {r.removeprefix("#/components/schemas/") for r in references(document)}
    tap.equal(sorted(set(schemas) - used), [], "every schema is used")
    for path, item in document["paths"].items():
        for method, operation in item.items():
            wanted = set(re.findall(r"\{(\w+)\}", path))
            given = {p["name"] for p in operation.get("parameters", []) if p["in"] == "path"}
            if wanted != given:
                tap.equal(given, wanted, f"{method} {path}: path parameters")
    tap.equal(document["openapi"], "3.1.0", "version of OpenAPI")


main(scenario)
