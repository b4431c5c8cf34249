"""Negotiations from POST to FINALIZED between two connectors: TLS, signed tokens, durable commits on both sides."""

import json
import time
from collections import deque

from load import Pair, catalogue, contract_request, first_dataset, offer, open_offers

ALONE = 150
CONNECTIONS = 16


def alone(consumer, body, n):
    """One at a time; the state is asked for until it is there."""
    client, times = consumer.client(), []
    for _ in range(n):
        start = time.monotonic()
        status, content = client.request("POST", "/v3/contractnegotiations", body)
        path = f"/v3/contractnegotiations/{json.loads(content)['@id']}/state"
        while json.loads(client.request("GET", path)[1])["state"] != "FINALIZED":
            if time.monotonic() - start > 10:
                raise RuntimeError("negotiation does not end")
        times.append((time.monotonic() - start) * 1000)
    return times


def together(consumer, body, window, total):
    """`window` in flight: as many posted as finished, counted by the connector's own metric. Returns negotiations per second after the first fifth."""
    clients = [consumer.client() for _ in range(min(CONNECTIONS, window))]
    metrics = consumer.client()
    before = consumer.metric("naru_negotiations_finalized", metrics)
    posted = done = 0
    waiting = deque()
    skip, start = total // 5, None
    end = time.monotonic() + 120
    while done < total:
        while posted < total and posted - done < window and len(waiting) < len(clients):
            client = clients[posted % len(clients)]
            client.send("POST", "/v3/contractnegotiations", body)
            waiting.append(client)
            posted += 1
        while waiting:
            status, content = waiting.popleft().receive()
            if status != 200:
                raise RuntimeError(f"{status} {content[:200]!r}")
        if posted - done >= window or posted == total:
            done = int(consumer.metric("naru_negotiations_finalized", metrics) - before)
        if start is None and done >= skip:
            start, first = time.monotonic(), done
        if time.monotonic() > end:
            raise RuntimeError(f"only {done} of {total} negotiations ended")
    return (done - first) / (time.monotonic() - start)


def several(pair, body, window, total, repeats=3):
    """Rates of some runs, and microseconds of CPU of both connectors for each negotiation."""
    cpu = pair.consumer.cpu_s() + pair.provider.cpu_s()
    rates = [together(pair.consumer, body, window, total) for _ in range(repeats)]
    return rates, (pair.consumer.cpu_s() + pair.provider.cpu_s() - cpu) / (repeats * total) * 1e6


def ready(pair):
    """One offer, and the request for it as bytes."""
    source = pair.folder / "data.csv"
    source.write_text("a,b\n1,2\n")
    open_offers(pair.provider)
    offer(pair.provider, "asset", {"type": "File", "path": str(source)})
    return json.dumps(contract_request(pair.consumer, pair.provider,
                                       first_dataset(catalogue(pair.consumer, pair.provider)))).encode()


def bench(ctx):
    with Pair(ctx) as pair:
        body = ready(pair)
        alone(pair.consumer, body, 30)
        times = alone(pair.consumer, body, ALONE)
        yield ctx.figure("negotiation: latency to FINALIZED, alone", times, "ms", goal=10)
        for window, total, goal in ((16, 2000, None), (256, 6000, 800), (1000, 8000, 1500)):
            rates, cpu = several(pair, body, window, total)
            yield ctx.figure(f"negotiations per second, {window} at once", rates, "1/s", goal=goal, better="higher")
            yield ctx.figure(f"CPU of both connectors each, {window} at once", [cpu], "µs")
        yield ctx.figure("connector: resident memory under load", [pair.consumer.memory_mib(), pair.provider.memory_mib()], "MiB", goal=48)
    with Pair(ctx, {"identity.fresh_tokens": "true"}) as pair:
        body = ready(pair)
        alone(pair.consumer, body, 30)
        rates, cpu = several(pair, body, 1000, 4000)
        yield ctx.figure("negotiations per second with a fresh token in each message, 1000 at once", rates, "1/s", goal=1000, better="higher")
        yield ctx.figure("CPU of both connectors each, fresh tokens, 1000 at once", [cpu], "µs")
