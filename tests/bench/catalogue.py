"""Catalogue requests with 10, 1,000 and 10,000 datasets, through the management API of the consumer."""

import time

from load import Pair, catalogue, offer, open_offers

SIZES = ((10, 20, None), (1000, 10, None), (10000, 7, 150))


def bench(ctx):
    with Pair(ctx) as pair:
        source = pair.folder / "data.csv"
        source.write_text("a,b\n1,2\n")
        open_offers(pair.provider)
        made = 0
        client = pair.consumer.client()
        for size, repeat, goal in SIZES:
            while made < size:
                offer(pair.provider, f"asset-{made}", {"type": "File", "path": str(source)})
                made += 1
            n = catalogue(pair.consumer, pair.provider, size, client).count(b'"dcat:Dataset"')
            if n != size:
                raise RuntimeError(f"{n} datasets instead of {size}")
            times = []
            for _ in range(repeat):
                start = time.monotonic()
                catalogue(pair.consumer, pair.provider, size, client)
                times.append((time.monotonic() - start) * 1000)
            yield ctx.figure(f"catalogue of {size:,} datasets", times, "ms", goal=goal)
