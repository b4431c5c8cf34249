"""Bodies that are no good, against every route of both programs that takes one: what breaks the rules of JSON is refused before
anything happens, what has the wrong form is refused by name, and whatever comes the programs stay up and store nothing.

The routes come from the tables of the programs, so a new one is tested from its first day.
"""

import json
import re
import secrets
import ssl
import socket

import databank
from connectors import EDC, Space, message
from harness import ROOT, Client, main, processes, raw_exchange, tap

ROUTE = re.compile(r'^ROUTE\((POST|PUT),\s+"([^"]+)",\s+(\w+),\s*([^,]+),\s*([^,]+),', re.MULTILINE)
ID = "01a1fd00-0000-7000-8000-000000000001"
PLAN = {"currency": "KRW", "kind": "metered", "components": [{"type": "per_unit", "meter": "rows", "price": "500000"}]}
ODRL = "http://www.w3.org/ns/odrl.jsonld"
DEEP = 33  # LIMIT_JSON_DEPTH and one more
HUGE = (8 << 20) + 4096  # above the largest body that any route takes

BROKEN = [
    ("cut", b'{"a":'), ("a comma too many", b'{"a":1,}'), ("a second value", b'{"a":1}{"a":1}'), ("text behind", b"{} x"),
    ("single quotes", b"{'a':1}"), ("no value at all", b" \n"), ("a comment", b'{"a":1/**/}'), ("a bare word", b"nonsense"),
    ("NaN", b'{"a":NaN}'), ("a number too large", b'{"a":1e999}'), ("a member twice", b'{"@id":"x","a":1,"a":2}'),
    ("a member twice, once escaped", b'{"a":1,"\\u0061":2}'), ("a member twice, deep", b'{"x":[{"y":{"a":1,"a":1}}]}'),
    ("not UTF-8", b'{"a":"\xff\xfe"}'), ("half a character", b'{"a":"\xea\xb0"}'), ("an overlong form", b'{"a":"\xc0\xaf"}'),
    ("a surrogate", b'{"a":"\xed\xa0\x80"}'), ("half a surrogate pair", b'{"a":"\\ud800"}'), ("a NUL", b'{"a":"x\\u0000y"}'),
    ("a raw control character", b'{"a":"x\ny"}'), ("UTF-16", '{"a":1}'.encode("utf-16")), ("a byte order mark", b"\xef\xbb\xbf{}"),
    ("too deep", b'{"a":' + b"[" * DEEP + b"]" * DEEP + b"}"), ("very deep", b"[" * 30000), ("very deep objects", b'{"a":' * 5000),
    ("too many values", b'{"a":[' + b"1," * 25000 + b"1]}"),
]
SHAPES = [("an array", b"[]"), ("a text", b'"x"'), ("a number", b"1"), ("true", b"true"), ("null", b"null")]


def routes(*tables, below=("",)):
    """(method, path with ids filled in, handler) of the routes that take a JSON body."""
    found = []
    for table in tables:
        for method, path, handler, who, limit in ROUTE.findall((ROOT / table).read_text()):
            if limit.strip() != "0" or "dsp/routes" in table:
                found += [(method, re.sub(r"\{\w+\}", ID, base + path), handler) for base in below]
    assert found, tables
    return found


class Target:
    """One listener of a program, a caller with all rights there, and how its errors look."""

    def __init__(self, name, client, found, error_of):
        self.name, self.client, self.routes, self.error_of = name, client, found, error_of
        self.authorisation = lambda: {}  # fresh for each request

    def send(self, method, path, body, content_type="application/json"):
        return self.client().request(method, path, body=body, headers={"Content-Type": content_type, **self.authorisation()})


def problem(answer):
    return answer.headers["Content-Type"] == "application/problem+json" and {"code", "status", "title", "request"} <= set(answer.json)


def edc_error(answer):
    return problem(answer) if isinstance(answer.json, dict) else set(answer.json[0]) >= {"message", "type"}


def dsp_error(answer):
    return problem(answer) or (answer.json["@type"].endswith("Error") and "code" in answer.json)


def is_refusal(target, answer, statuses=(400,)):
    return answer.status in statuses and target.error_of(answer)


def broken_bodies(target):
    """Each route refuses each of them with 400 (413 for size), or finds the object that the path names missing."""
    for method, path, handler in target.routes:
        bad = []
        for what, body in BROKEN + SHAPES:
            if what == "no value at all" and path.endswith("/request") and target.name == "management":
                continue  # an empty query asks for everything
            answer = target.send(method, path, body)
            if not is_refusal(target, answer, (400, 404, 413) if ID in path else (400, 413) if "many" in what or "deep" in what else (400,)):
                bad.append(f"{what}: {answer.status} {answer.text[:200]}")
        answer = target.send(method, path, b'{"a":1}', "text/xml")
        if answer.status not in ((404, 415) if ID in path else (415,)):
            bad.append(f"media type text/xml: {answer.status} {answer.text[:200]}")
        tap.equal(bad, [], f"{target.name}: {handler} refuses broken JSON")


GETTERS = re.compile(r'^ROUTE\(GET,\s+"([^"]+)",\s+(\w+),', re.MULTILINE)
PARAMETERS = ("q", "state", "after", "before", "kind", "from", "to", "period", "agreement", "participant", "provider", "domain", "price", "limit")


def no_text(target, *tables):
    """Bytes that are no UTF-8 where a path or a query has a text: the other side's mistake, whatever the database says of it."""
    bad, n = [], 0
    for table in tables:
        for path, handler in GETTERS.findall((ROOT / table).read_text()):
            variants = [re.sub(r"\{\w+\}", "%ff", path)] if "{" in path else []
            variants += [f"{re.sub(r'{[a-z]+}', ID, path)}?{name}=%ff%fe" for name in PARAMETERS]
            for variant in variants:
                n += 1
                answer = target.client().request("GET", variant, headers=target.authorisation())
                if answer.status >= 500 or (answer.status < 400 and "%ff" in variant.split("?")[0]):
                    bad.append(f"{handler} {variant}: {answer.status} {answer.text[:200]}")
    tap.equal(bad, [], f"{target.name}: {n} paths and queries that are no text, no failure")


def too_large(target, port, ca):
    """Announced, the size is refused before the body is sent; sent without announcement, as soon as it is too much."""
    for method, path, handler in target.routes:
        auth = "".join(f"{k}: {v}\r\n" for k, v in {**target.client().headers, **target.authorisation()}.items())
        head = f"{method} {path} HTTP/1.1\r\nHost: localhost\r\n{auth}Content-Type: application/json\r\nConnection: close\r\n"
        answer = raw_exchange(port, f"{head}Content-Length: {HUGE}\r\n\r\n".encode(), ca)
        tap.ok(answer.startswith(b"HTTP/1.1 413 "), f"{target.name}: {handler} refuses a body that is announced as too large", answer[:300])
    method, path, handler = target.routes[0]
    auth = "".join(f"{k}: {v}\r\n" for k, v in {**target.client().headers, **target.authorisation()}.items())
    head = f"{method} {path} HTTP/1.1\r\nHost: localhost\r\n{auth}Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
    sent = stream(port, head.encode(), b'{"a":"', ca)
    tap.ok(sent < 8 * HUGE, f"{target.name}: {handler} cuts an endless body", f"took {sent} bytes")


def stream(port, head, begin, ca):
    """Sends chunks until the other side has had enough, at most 8 * HUGE; how many bytes it let us send."""
    with socket.create_connection(("127.0.0.1", port), 20) as raw:
        raw = ssl.create_default_context(cafile=str(ca)).wrap_socket(raw, server_hostname="localhost") if ca else raw
        chunk, sent = b"10000\r\n" + b"x" * 0x10000 + b"\r\n", 0
        try:
            raw.sendall(head + b"%x\r\n%s\r\n" % (len(begin), begin))
            while sent < 8 * HUGE:
                raw.sendall(chunk)
                sent += 0x10000
        except OSError:
            pass
        return sent


# -- bodies that are JSON, but of the wrong form ------------------------------------------------------------------------------
WRONG = [None, True, 5, -1, 1.5, 10**30, "", "x", "x" * 70000, "\u202e\u0007", [], [[]], {}, {"a": {"b": []}}, ["x"] * 300]


def places(value, path=()):
    """Paths of all members and items."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        yield (*path, key)
        yield from places(inner, (*path, key))


def changed(value, path, change):
    """A copy in which the place is changed; change(container, key) does it."""
    copy = json.loads(json.dumps(value))
    at = copy
    for key in path[:-1]:
        at = at[key]
    change(at, path[-1])
    return copy


def variants(body):
    for path in places(body):
        name = "/".join(map(str, path))
        yield f"{name} missing", changed(body, path, lambda at, key: at.pop(key))
        for value in WRONG:
            yield f"{name} = {str(value)[:20]}", changed(body, path, lambda at, key, v=value: at.__setitem__(key, v))


def wrong_forms(target, method, path, body, required, fresh=lambda body: body):
    """Every member takes every wrong value: never a server error; a required member of the wrong type is refused."""
    bad, n = [], 0
    for what, variant in variants(body):
        n += 1
        answer = target.send(method, path, json.dumps(fresh(variant)).encode())
        if answer.status >= 500 or (answer.status >= 400 and not target.error_of(answer)):
            bad.append(f"{what}: {answer.status} {answer.text[:200]}")
    tap.equal(bad, [], f"{target.name}: {method} {path}: {n} bodies of a wrong form, no failure")
    for name in required:
        for what, change in (("missing", lambda at, key: at.pop(key)), ("an object", lambda at, key: at.__setitem__(key, {"a": 1})),
                             ("an empty array", lambda at, key: at.__setitem__(key, []))):
            answer = target.send(method, path, json.dumps(fresh(changed(body, tuple(name.split("/")), change))).encode())
            tap.ok(is_refusal(target, answer), f"{target.name}: {method} {path}: '{name}' {what} is refused", answer.text[:500])


def unknown_members(target, method, path, body, additions, fresh=lambda body: body):
    """What is not understood must not be passed over where it could change a right, a price or a duty."""
    control = target.send(method, path, json.dumps(fresh(body)).encode())
    tap.ok(control.status < 300, f"{target.name}: {method} {path}: without them it is taken", control.text[:500])
    for at, member in additions:
        variant = json.loads(json.dumps(body))
        place = variant
        for key in at:
            place = place[key]
        place.update(member)
        answer = target.send(method, path, json.dumps(fresh(variant)).encode())
        tap.ok(is_refusal(target, answer), f"{target.name}: {method} {path}: unknown {'/'.join(map(str, at))}/{list(member)[0]} is refused",
               f"{answer.status} {answer.text[:500]}")


# -- the connector ------------------------------------------------------------------------------------------------------------
def connector_targets(connector):
    management = Target("management", lambda: connector.api, routes(
        "connector/mgmt/routes.def", "connector/exchange/routes.def", "connector/market/routes.def", "connector/dsp/management_routes.def")
        + routes("connector/mgmt/resources.def", below=("/v3", "/v4")), edc_error)
    peer = Target("dsp", lambda: Client(connector.base, connector.space.authority.ca, {"Authorization": connector.space.tokens["peer"]}),
                  routes("connector/dsp/routes.def"), dsp_error)
    management.routes = [r for r in management.routes if not r[1].startswith("/contractagreements")]
    # answered by 'no broker' before they look
    management.routes = [r for r in management.routes if r[2] not in ("market_publish", "exchange_membership_ask")]
    return management, peer


def check_connector():
    space = Space("connector", "peer")
    connector = space.connector("connector")
    connector.offer("data-1")
    connector.as_peer("peer").post("/catalog/request", message("CatalogRequestMessage"))
    management, peer = connector_targets(connector)
    before = connector.dump()
    for target in (management, peer):
        broken_bodies(target)
    no_text(management, "connector/mgmt/routes.def", "connector/exchange/routes.def", "connector/market/routes.def")
    no_text(peer, "connector/dsp/routes.def")
    too_large(management, connector.management, None)
    too_large(peer, connector.public, space.authority.ca)
    tap.ok(connector.dump() == before, "nothing of all this is stored")

    ctx = {"@vocab": EDC}
    policy = {"@context": ODRL, "@type": "Set", "permission": [{"action": "use", "constraint": [
        {"leftOperand": "purpose", "operator": "eq", "rightOperand": "urn:naru:purpose:research"}]}]}
    path = str(connector.folder / "data-1.csv")

    def new_id(body):
        return {**body, "@id": secrets.token_hex(8)} if isinstance(body.get("@id"), str) and body["@id"] == "same" else body

    for route, body, required in (
            ("/v3/assets", {"@context": ctx, "@id": "same", "properties": {"name": "x"}, "dataAddress": {"type": "File", "path": path}}, ()),
            ("/v3/policydefinitions", {"@context": ctx, "@id": "same", "policy": policy}, ("policy",)),
            ("/v3/contractdefinitions", {"@context": ctx, "@id": "same", "accessPolicyId": "data-1/access", "contractPolicyId": "data-1/contract",
                                         "assetsSelector": [{"operandLeft": f"{EDC}id", "operator": "=", "operandRight": "none"}]},
             ("accessPolicyId", "contractPolicyId")),
            ("/v3/assets/request", {"@context": ctx, "offset": 0, "limit": 5, "sortOrder": "DESC", "filterExpression": [
                {"operandLeft": "id", "operator": "=", "operandRight": "x"}]}, ()),
            ("/v3/secrets", {"@context": ctx, "@id": "same", "value": "v"}, ("value",)),
            ("/naru/v1/policies/explain", {"policy": policy}, ("policy",))):
        wrong_forms(management, "POST", route, body, required, new_id)
    unknown_members(management, "POST", "/v3/policydefinitions", {"@context": ctx, "@id": "same", "policy": policy}, [
        (("policy",), {"permision": []}), (("policy", "permission", 0), {"constraints": []}),
        (("policy", "permission", 0, "constraint", 0), {"unit": "x"})], new_id)
    unknown_members(management, "POST", "/naru/v1/policies/explain", {"policy": policy}, [((), {"language": "en"})])

    offer = next(d for d in connector.as_peer("peer").post("/catalog/request", message("CatalogRequestMessage")).json["dataset"]
                 if d["@id"] == "data-1")["hasPolicy"][0]
    request = message("ContractRequestMessage", consumerPid="same", offer={**offer, "target": "data-1"}, callbackAddress="https://localhost:1/dsp")

    def new_pid(body):
        return {**body, "consumerPid": f"urn:uuid:{secrets.token_hex(8)}"} if body.get("consumerPid") == "same" else body

    wrong_forms(peer, "POST", "/dsp/2025-1/negotiations/request", request, ("@type", "consumerPid", "offer", "callbackAddress"), new_pid)
    wrong_forms(peer, "POST", "/dsp/2025-1/catalog/request", message("CatalogRequestMessage", filter=[]), ("@type",))
    rule = {"leftOperand": "purpose", "operator": "eq", "rightOperand": "x"}
    answer = peer.send("POST", "/dsp/2025-1/negotiations/request", json.dumps(new_pid(
        {**request, "offer": {**request["offer"], "permission": [{"action": "use", "constraint": [rule], "refinement": []}]}})).encode())
    tap.ok(answer.status in (400, 201), "an offer that is not ours is refused or negotiated, not agreed", answer.text)
    tap.status(connector.api.get("/readyz"), 200, "the connector is well")


# -- the broker -----------------------------------------------------------------------------------------------------------------
def broker_target(bank, company, name, tables, **kind):
    target = Target(name, lambda: bank.operator() if kind.get("operator") else bank.api(), routes(*tables), problem)
    if not kind.get("operator"):
        target.authorisation = lambda: {"Authorization": f"Bearer {company.token if kind.get('people') else company.jwt()}"}
    return target


def state_of(bank):
    tables = bank.sql("SELECT format('%I.%I', schemaname, tablename) FROM pg_tables WHERE schemaname IN ('reg','cat','ord','met','led','bil','sys')"
                      " ORDER BY 1")
    return {t: bank.value(f"SELECT count(*) FROM {t}") for (t,) in tables if "token_seen" not in t and "jti" not in t and "used" not in t}


def check_broker():
    bank = databank.DataBank()
    mill, plant = bank.member("mill"), bank.member("plant")
    people = broker_target(bank, mill, "people", ("server/order/routes.def", "server/registry/routes.def"), people=True)
    machine = broker_target(bank, mill, "machine", ("server/catalogue/routes.def", "server/order/routes.def"))
    operator = broker_target(bank, mill, "operator", ("server/registry/operator_routes.def", "server/settlement/operator_routes.def"), operator=True)
    people.routes = [r for r in people.routes if r[2] not in ("order_agreement", "order_agreement_end")]  # connectors'
    machine.routes = [r for r in machine.routes if r[2] in ("catalogue_put", "order_agreement", "order_agreement_end")]
    operator.routes = [r for r in operator.routes if r[2] != "period_close"]  # takes no body
    before = state_of(bank)
    for target in (people, machine, operator):
        broken_bodies(target)
    too_large(people, bank.port, bank.authority.ca)
    too_large(operator, bank.operator_port, bank.authority.ca)
    tap.equal(state_of(bank), before, "nothing of all this is stored")
    no_text(people, *(f"server/{unit}/routes.def" for unit in ("order", "registry", "metering", "catalogue", "settlement", "evidence")))
    no_text(operator, *(f"server/{unit}/operator_routes.def" for unit in ("order", "registry", "settlement")))
    broker_forms(bank, mill, plant, mill.put(mill.entry("a", [PLAN])).json)
    tap.status(bank.api().get("/readyz"), 200, "the broker is well")


def broker_forms(bank, mill, plant, dataset):
    buyer = broker_target(bank, plant, "buyer", ("server/order/routes.def",), people=True)
    order = {"dataset": dataset["dataset"], "plan": dataset["plans"][0], "purpose": "urn:naru:purpose:research"}
    orders = bank.value("SELECT count(*) FROM ord.purchase")
    for path in ("/v1/orders", "/v1/quotes"):
        body = order if path == "/v1/orders" else {k: order[k] for k in ("dataset", "plan")}
        wrong_forms(buyer, "POST", path, body, ("dataset", "plan"))
        unknown_members(buyer, "POST", path, body, [((), {"price": "0"}), ((), {"discount": 100}), ((), {"provider": plant.did})])
    tap.ok(int(bank.value("SELECT count(*) FROM ord.purchase")) - int(orders) < 40, "only bodies that say the same make orders")
    applicant = databank.Company(bank, "late")
    anyone = Target("anyone", bank.api, [], problem)
    body = applicant.application()
    wrong_forms(anyone, "POST", "/v1/applications", {k: v for k, v in body.items() if k != "proof"}, (),
                lambda b: {**b, "proof": body["proof"]} if isinstance(b, dict) else b)
    for member in ({"state": "active"}, {"role": "operator"}, {"credit_limit": 10**9}):
        answer = anyone.send("POST", "/v1/applications", json.dumps({**databank.Company(bank, f"x{list(member)[0][:2]}").application(), **member}).encode())
        tap.ok(is_refusal(anyone, answer), f"an application with '{list(member)[0]}' is refused", answer.text)
    machine = broker_target(bank, mill, "machine", ("server/catalogue/routes.def",))
    entry = mill.entry("a", [])

    def signed(body):
        return {"entry": mill.sign("naru-dataset+jws", body)}

    wrong_forms(machine, "PUT", "/v1/datasets/b", {**entry, "asset": "b", "version": 1, "plans": [PLAN]}, ("provider", "title"), signed)
    unknown_members(machine, "PUT", "/v1/datasets/c", {**entry, "asset": "c", "version": 1, "plans": [PLAN]}, [
        ((), {"price": "0"}), (("plans", 0), {"minimal": "0"}), (("plans", 0, "components", 0), {"discount": "1"}),
        (("policy",), {"permision": []}), (("policy", "permission", 0), {"constraints": []})], signed)


def scenario():
    with tap.case("the connector"):
        check_connector()
    with tap.case("the broker"):
        check_broker()
    for process in processes:
        bad = [line for line in process.log_text().splitlines() if re.search(r"level=(error|alarm)", line)]
        tap.equal(bad, [], f"{process.name}: a stranger's mistake is no error of ours") if process.name != "postgres" else None


main(scenario)
