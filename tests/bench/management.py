"""Queries of the management API over 100,000 assets: a page of fifty by id, by a property, in several orders."""

import json
import sqlite3
import time
from contextlib import closing

from load import Pair

ASSETS = 100_000
EDC = "https://w3id.org/edc/v0.0.1/ns/"
GOAL = 10


def fill(connector):
    """As POST /v3/assets would, in one transaction: what is measured is reading."""
    address = json.dumps({"type": "HttpData", "baseUrl": "https://x.example"})
    with closing(sqlite3.connect(connector.folder / "connector.db", timeout=60)) as db, db:
        for i in range(ASSETS):
            name, made = f"asset-{i * 7919 % ASSETS:06}", 1_700_000_000_000_000 + i
            public = {"name": f"asset number {i}", "kind": "all", "colour": ("red", "green", "blue")[i % 3], "batch": f"b{i % 2000}"}
            text = json.dumps({EDC + k: [{"@value": v}] for k, v in public.items()})
            private = json.dumps({EDC + "shelf": [{"@value": f"s{i % 500}"}]})
            db.execute("INSERT INTO asset VALUES (?,?,?,?,1,?,?)", (name, text, private, address, made, made))
            rows = [(name, EDC + k, v, made) for k, v in public.items()]
            rows += [(name, f"private:{EDC}shelf", f"s{i % 500}", made), (name, "private:dataAddress.type", "HttpData", made)]
            db.executemany("INSERT INTO asset_property (asset_id, name, value, created_us) VALUES (?,?,?,?)", rows)
        db.execute("ANALYZE")


def spec(*criteria, **more):
    return {"@context": {"@vocab": EDC}, "@type": "QuerySpec", **more, "filterExpression": [
        {"@type": "Criterion", "operandLeft": left, "operator": op, "operandRight": right} for left, op, right in criteria]}


QUERIES = (
    ("first page", spec(), GOAL), ("page 1,000", spec(offset=50_000), None), ("last ones first", spec(sortOrder="DESC"), GOAL),
    ("in order of ids", spec(sortField="id"), GOAL), ("one by id", spec(("id", "=", "asset-054321")), GOAL),
    ("fifty by id", spec(("id", "in", [f"asset-{i * 1999 % ASSETS:06}" for i in range(50)])), GOAL),
    ("ids like asset-0543%", spec(("id", "like", "asset-0543%")), GOAL), ("a property that all have", spec(("kind", "=", "all")), GOAL),
    ("a third, last ones first", spec(("colour", "=", "red"), sortOrder="DESC"), GOAL), ("50 of 100,000", spec(("batch", "=", "b77")), GOAL),
    ("a private property", spec(("privateProperties.'shelf'", "=", "s42")), GOAL), ("type of the data address", spec(("dataAddress.type", "=", "HttpData")), GOAL),
    ("two properties", spec(("kind", "=", "all"), ("batch", "=", "b77")), GOAL), ("like 'asset number 777%'", spec(("name", "like", "asset number 777%")), GOAL),
    ("in order of a property", spec(sortField="name"), GOAL), ("like '%9999%', anywhere", spec(("name", "like", "%9999%")), None),
    ("greater than", spec(("id", ">", "asset-099900")), GOAL),
)


def bench(ctx):
    with Pair(ctx).static_identity() as pair:
        fill(pair.provider)
        client = pair.provider.client()
        for name, body, goal in QUERIES:
            for version in ("v3", "v4"):
                asked = body if version == "v3" else {**body, "@context": ["https://w3id.org/edc/connector/management/v2"]}
                times = []
                for _ in range(21):
                    start = time.monotonic()
                    status, content = client.request("POST", f"/{version}/assets/request", asked)
                    times.append((time.monotonic() - start) * 1000)
                    if status != 200 or not json.loads(content):
                        raise RuntimeError(f"{name}: {status} {content[:300]!r}")
                if version == "v3" or name == "first page":
                    yield ctx.figure(f"100,000 assets, {name}{' (v4)' if version == 'v4' else ''}", times, "ms", goal=goal)
