"""Catalogue requests with 10, 1,000 and 10,000 datasets: the provider's own answer, and through the management API of the consumer."""

import json
import time

from load import Pair, catalogue, offer, open_offers

# datasets, repetitions, most milliseconds of the protocol's answer and through management
SIZES = ((10, 20, None, None), (1000, 10, None, None), (10000, 9, 150, 230))

ASK = json.dumps({"@context": ["https://w3id.org/dspace/2025/1/context.jsonld"], "@type": "CatalogRequestMessage"}).encode()


def ask(client):
    """The catalogue by the protocol, over TLS, as bytes."""
    status, content = client.request("POST", "/dsp/2025-1/catalog/request", ASK)
    if status != 200:
        raise RuntimeError(f"catalogue: {status} {content[:300]!r}")
    return content


def times_ms(call, repeat):
    times = []
    for _ in range(repeat):
        start = time.monotonic()
        call()
        times.append((time.monotonic() - start) * 1000)
    return times


def check(content, kind, size):
    n = content.count(kind)
    if n != size:
        raise RuntimeError(f"{n} datasets instead of {size}")


def bench(ctx):
    with Pair(ctx).static_identity() as pair:
        source = pair.folder / "data.csv"
        source.write_text("a,b\n1,2\n")
        open_offers(pair.provider)
        made = 0
        peer, client = pair.peer_client(), pair.consumer.client()
        for size, repeat, goal, goal_management in SIZES:
            while made < size:
                offer(pair.provider, f"asset-{made}", {"type": "File", "path": str(source)})
                made += 1
            yield ctx.figure(f"catalogue of {size:,} datasets, first request", times_ms(lambda: check(ask(peer), b'"Dataset"', size), 1), "ms")
            yield ctx.figure(f"catalogue of {size:,} datasets", times_ms(lambda: ask(peer), repeat), "ms", goal=goal)
            check(catalogue(pair.consumer, pair.provider, size, client), b'"dcat:Dataset"', size)
            yield ctx.figure(f"catalogue of {size:,} datasets by management",
                             times_ms(lambda: catalogue(pair.consumer, pair.provider, size, client), repeat), "ms", goal=goal_management)
