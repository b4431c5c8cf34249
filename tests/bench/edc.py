"""Ours beside stock EDC: the same calls of the management API, plain HTTP, mock identity; EDC as shipped and in memory, ours with durable commits.

Both are driven by the same code on the same machine, in turns; the one whose turn it is not is stopped. Run by name only: ONLY=edc.
"""

import contextlib
import json
import os
import signal
import sys
import time
from collections import deque
from pathlib import Path

from load import CONTEXT, Client, Pair

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "interop"))

CONNECTIONS = 16
AT_ONCE = (16, 256, 1000)
ROUNDS = 3
LOOK_S = 0.01  # between two looks at the last of many: looks are not what is measured, and take from both what they need themselves
PROTOCOL = "dataspace-protocol-http:2025-1"
ODRL = "http://www.w3.org/ns/odrl.jsonld"


class Side:
    """One connector, whoever made it."""

    def __init__(self, name, management, key, dsp, pid):
        self.name, self.dsp, self.pid = name, dsp, pid
        self.port, self.key = management, key

    def client(self):
        return Client(self.port, f"X-Api-Key: {self.key}")

    def call(self, client, method, path, body=None):
        status, content = client.request(method, "/management" + path, body)
        if status >= 300:
            raise RuntimeError(f"{self.name}: {method} {path}: {status} {content[:300]!r}")
        return json.loads(content) if content else None

    def cpu_s(self):
        fields = Path(f"/proc/{self.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def memory_mib(self):
        return next(int(line.split()[1]) for line in Path(f"/proc/{self.pid}/status").read_text().splitlines()
                    if line.startswith("VmRSS:")) / 1024


class Sides:
    """Provider and consumer of one make."""

    def __init__(self, provider, consumer, identity):
        self.provider, self.consumer, self.identity = provider, consumer, identity

    def cpu_s(self):
        return self.provider.cpu_s() + self.consumer.cpu_s()

    def request(self, **members):
        return {"@context": CONTEXT, "counterPartyAddress": self.provider.dsp, "protocol": PROTOCOL, **members}


@contextlib.contextmanager
def ours(ctx):
    with Pair(ctx).plain() as pair:
        sides = [Side(c.folder.name, c.management, c.api_key, c.dsp, c.program.process.pid) for c in (pair.provider, pair.consumer)]
        yield Sides(*sides, pair.provider.did)


@contextlib.contextmanager
def stock(ctx):
    import edc_peer  # noqa: PLC0415 - needs the kit
    from harness import Skip  # noqa: PLC0415 - found by edc_peer
    try:
        edc_peer.build(edc_peer.MEMORY)
        both = [edc_peer.Edc(name, tuned=False) for name in ("provider", "consumer")]
    except Skip as e:
        raise ctx.unavailable(e) from e
    try:
        yield Sides(*(Side(e.name, int(e.management.split(":")[2].split("/")[0]), e.key, e.dsp, e.process.pid) for e in both), "provider")
    finally:
        for e in both:
            e.process.stop()


def post_all(side, path, bodies):
    """Many POSTs over some connections; returns the answers in order."""
    clients = [side.client() for _ in range(min(CONNECTIONS, len(bodies)))]
    data = {id(b): json.dumps(b).encode() for b in bodies}
    waiting, made = deque(), []

    def take():
        status, content = waiting.popleft().receive()
        if status >= 300:
            raise RuntimeError(f"{side.name}: POST {path}: {status} {content[:300]!r}")
        made.append(content)

    for i, body in enumerate(bodies):
        if len(waiting) == len(clients):
            take()
        client = clients[i % len(clients)]
        client.send("POST", "/management" + path, data[id(body)])
        waiting.append(client)
    while waiting:
        take()
    return made


def until(side, client, path, wanted, pause_s):
    """Asks for the state until it is there; an end that is not wanted counts as lost (False)."""
    end = time.monotonic() + 180
    while True:
        state = side.call(client, "GET", path)["state"]
        if state == wanted or state == "TERMINATED":
            return state == wanted
        if time.monotonic() > end:
            raise RuntimeError(f"{side.name}: {path} stays {state}")
        time.sleep(pause_s)


def publish(sides):
    p, client = sides.provider, sides.provider.client()
    p.call(client, "POST", "/v3/policydefinitions", {"@context": CONTEXT, "@id": "open", "policy": {
        "@context": ODRL, "@type": "Set", "permission": [{"action": "use"}], "prohibition": [], "obligation": []}})
    p.call(client, "POST", "/v3/contractdefinitions", {"@context": CONTEXT, "@id": "open", "accessPolicyId": "open", "contractPolicyId": "open",
                                                       "assetsSelector": []})
    assets(p, 0, 1)


def assets(provider, have, size):
    post_all(provider, "/v3/assets", [{"@context": CONTEXT, "@id": f"asset-{i}", "properties": {"name": f"asset {i}", "version": "1.0"},
                                       "dataAddress": {"type": "HttpData", "baseUrl": "http://127.0.0.1:9/"}} for i in range(have, size)])


def catalogue(sides, limit, client):
    """As bytes, through the consumer's management API."""
    body = sides.request(**{"@type": "CatalogRequest", "counterPartyId": sides.identity, "querySpec": {"offset": 0, "limit": limit}})
    status, content = client.request("POST", "/management/v3/catalog/request", body)
    if status != 200:
        raise RuntimeError(f"catalogue: {status} {content[:300]!r}")
    return content


def protocol_catalogue(sides, limit, client):
    """As bytes, as a peer asks the provider."""
    path = sides.provider.dsp.split("/", 3)[3]
    body = {"@context": ["https://w3id.org/dspace/2025/1/context.jsonld", "https://w3id.org/edc/dspace/v0.0.1"],
            "@type": "CatalogRequestMessage", "filter": [{"@type": "QuerySpec", "offset": 0, "limit": limit}]}
    status, content = client.request("POST", f"/{path}/catalog/request", body)
    if status != 200:
        raise RuntimeError(f"catalogue: {status} {content[:300]!r}")
    return content


def first_offer(sides):
    content = json.loads(catalogue(sides, 1, sides.consumer.client()))
    found = content.get("dcat:dataset", content.get("dataset"))
    dataset = found[0] if isinstance(found, list) else found
    offer = dataset.get("odrl:hasPolicy", dataset.get("hasPolicy"))
    return (offer[0] if isinstance(offer, list) else offer)["@id"]


def contract_request(sides, offer):
    return sides.request(**{"@type": "ContractRequest", "policy": {
        "@context": ODRL, "@type": "odrl:Offer", "@id": offer, "assigner": sides.identity, "target": "asset-0",
        "permission": [{"action": "use"}], "prohibition": [], "obligation": []}})


def alone(sides, body, n, pause_s):
    """Milliseconds from POST to FINALIZED, one at a time."""
    client, times = sides.consumer.client(), []
    for _ in range(n):
        start = time.monotonic()
        made = sides.consumer.call(client, "POST", "/v3/contractnegotiations", body)["@id"]
        if until(sides.consumer, client, f"/v3/contractnegotiations/{made}/state", "FINALIZED", pause_s):
            times.append((time.monotonic() - start) * 1000)
    return times, made


def together(sides, body, n):
    """All posted at once: (per second until the last is FINALIZED, CPU milliseconds each, lost)."""
    client, cpu, start = sides.consumer.client(), sides.cpu_s(), time.monotonic()
    made = post_all(sides.consumer, "/v3/contractnegotiations", [body] * n)
    lost = 0
    end = None
    for content in reversed(made):  # the last one first: the others are mostly done when it is, and looking at them costs no time
        path = f"/v3/contractnegotiations/{json.loads(content)['@id']}/state"
        done = end is not None and sides.consumer.call(client, "GET", path)["state"] == "FINALIZED"
        if not done:
            lost += not until(sides.consumer, client, path, "FINALIZED", LOOK_S)
            end = time.monotonic()
    return (n - lost) / (end - start), (sides.cpu_s() - cpu) / n * 1000, lost


def transfers(sides, negotiation, n, pause_s):
    """Milliseconds from POST to an EDR that can be read, one at a time."""
    client, times = sides.consumer.client(), []
    agreement = sides.consumer.call(client, "GET", f"/v3/contractnegotiations/{negotiation}")["contractAgreementId"]
    body = sides.request(**{"@type": "TransferRequest", "contractId": agreement, "transferType": "HttpData-PULL"})
    for _ in range(n):
        start = time.monotonic()
        made = sides.consumer.call(client, "POST", "/v3/transferprocesses", body)["@id"]
        while client.request("GET", f"/management/v3/edrs/{made}/dataaddress")[0] != 200:
            if time.monotonic() - start > 60:
                raise RuntimeError("no EDR")
            time.sleep(pause_s)
        times.append((time.monotonic() - start) * 1000)
    return times


def catalogues(sides, sizes, repeat, have=1):
    """{size: (protocol, management)} in milliseconds, each a list; `have`: assets that are there."""
    public = Client(int(sides.provider.dsp.split(":")[2].split("/")[0]),
                    'Authorization: {"region":"eu","audience":"x","clientId":"consumer"}')
    client, found = sides.consumer.client(), {}
    for size in sizes:
        assets(sides.provider, have, size)
        have = max(have, size)
        both = []
        for call, one in ((protocol_catalogue, public), (catalogue, client)):
            content = call(sides, size, one)
            if content.count(b'"asset-') < size:
                raise RuntimeError(f"{content.count(b'asset-')} datasets instead of {size}")
            times = []
            for _ in range(repeat(size)):
                start = time.monotonic()
                call(sides, size, one)
                times.append((time.monotonic() - start) * 1000)
            both.append(times)
        found[size] = both
    return found


@contextlib.contextmanager
def paused(sides):
    """Meanwhile these connectors get no time, so that the other make has the machine for itself."""
    pids = [sides.provider.pid, sides.consumer.pid]
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGCONT)


def one_by_one(sides, singles, pause_s):
    """(what was measured, a body to go on with), warm."""
    publish(sides)
    body = contract_request(sides, first_offer(sides))
    for _ in range(2):
        together(sides, body, 300)
    times, last = alone(sides, body, singles, pause_s)
    return {"alone": times, "edr": transfers(sides, last, singles, pause_s)}, body


def in_turns(edc_side, own_side, n):
    """Rounds of n at once, one of EDC's and two of ours, because the machine's speed changes: (rates, CPU each, lost) of both, and the
    ratio of the rates in each round. Each side: (sides, body)."""
    edc, own, ratios = [], [], []
    for _ in range(ROUNDS):
        edc.append(together(*edc_side, n))
        with paused(edc_side[0]):
            own += [together(*own_side, n) for _ in range(2)]
        ratios.append((own[-2][0] + own[-1][0]) / 2 / edc[-1][0])
    return list(zip(*edc, strict=True)), list(zip(*own, strict=True)), ratios


def finish(sides, repeat):
    """What is measured after the load."""
    found = {"memory": [sides.provider.memory_mib(), sides.consumer.memory_mib()], "catalogue": catalogues(sides, (10, 1000, 10000), repeat)}
    found["memory after catalogues"] = [sides.provider.memory_mib(), sides.consumer.memory_mib()]
    return found


def middle(values):
    return sorted(values)[len(values) // 2]


def bench(ctx):
    ratios = {}
    with stock(ctx) as edc_sides, ours(ctx) as own_sides:
        edc, edc_body = one_by_one(edc_sides, 8, 0.02)
        with paused(edc_sides):
            own, own_body = one_by_one(own_sides, 60, 0.0005)
        for n in AT_ONCE:
            edc[n], own[n], ratios[n] = in_turns((edc_sides, edc_body), (own_sides, own_body), n)
        edc |= finish(edc_sides, lambda size: 2 if size == 10000 else 5)
        with paused(edc_sides):
            own |= finish(own_sides, lambda size: 9)
    f = ctx.figure
    yield f("negotiation alone, POST to FINALIZED", own["alone"], "ms", goal=5, anchor=middle(edc["alone"]))
    yield f("pull transfer alone, POST to EDR", own["edr"], "ms", anchor=middle(edc["edr"]))
    for n in AT_ONCE:
        rates, cpu, lost = own[n]
        anchor_rates, anchor_cpu, anchor_lost = edc[n]
        most = n == AT_ONCE[-1]
        yield f(f"{n} negotiations at once", rates, "1/s", better="higher", anchor=middle(anchor_rates), need=40 if most else None)
        yield f(f"{n} at once: ours over EDC's, by round", ratios[n], "×", better="higher")
        yield f(f"{n} at once: CPU of both, each", cpu, "ms", anchor=middle(anchor_cpu), need=0.025 if most else None)
        yield f(f"{n} at once: lost", [sum(lost)], "", goal=0, anchor=sum(anchor_lost))
    yield f("1000 negotiations at once, absolute", own[1000][0], "1/s", goal=2000, better="higher")
    yield f("1000 at once: CPU of both, each, absolute", own[1000][1], "ms", goal=0.8)
    yield f("resident memory under load", own["memory"], "MiB", goal=48, anchor=middle(edc["memory"]))
    for size in edc["catalogue"]:
        for i, (kind, need) in enumerate((("protocol", 0.01), ("management", 1 / 30))):
            yield f(f"catalogue of {size:,}, {kind}", own["catalogue"][size][i], "ms", anchor=middle(edc["catalogue"][size][i]),
                    need=round(need, 4) if size == 10000 else None)
    yield f("resident memory after catalogues", own["memory after catalogues"], "MiB", anchor=middle(edc["memory after catalogues"]))
    yield from large_catalogue(ctx)


def large_catalogue(ctx):
    """A page of 10,000 out of 100,000 datasets."""
    with ours(ctx) as sides:
        publish(sides)
        assets(sides.provider, 1, 100000)
        found = catalogues(sides, (10000,), lambda size: 5, have=100000)
        for i, kind in enumerate(("protocol", "management")):
            yield ctx.figure(f"10,000 of 100,000 datasets, {kind}", found[10000][i], "ms")
