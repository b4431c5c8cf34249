"""Negotiations between two connectors on PostgreSQL: TLS, signed tokens, a durable cluster of its own that both share."""

import tempfile

from load import Pair
from negotiation import alone, ready, several
from world import Postgres


def bench(ctx):
    with tempfile.TemporaryDirectory(prefix="npg-") as folder:
        postgres = Postgres(folder).start()
        try:
            with Pair(ctx).on(postgres) as pair:
                body = ready(pair)
                alone(pair.consumer, body, 30)
                yield ctx.figure("negotiation on PostgreSQL: alone", alone(pair.consumer, body, 100), "ms")
                for window, total, goal in ((16, 1000, None), (256, 2000, None), (1000, 4000, 1000)):
                    rates, cpu = several(pair, body, window, total)
                    yield ctx.figure(f"PostgreSQL: negotiations, {window} at once", rates, "1/s", goal=goal, better="higher")
                    yield ctx.figure(f"PostgreSQL: CPU of both connectors, {window} at once", [cpu], "µs")
        finally:
            postgres.stop()
