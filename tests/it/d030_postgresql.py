"""The data plane of connectors that keep their state in PostgreSQL: accesses at once, receipts, a crash, a query as a source."""

from concurrent.futures import ThreadPoolExecutor

from d020_trade import both_agree, buy, publish, pull, receipts
from edc import connector
from connectors import Space
from harness import Postgres, main, tap, wait_until


def scenario():
    postgres = Postgres()
    space = Space("did:web:provider.test", "did:web:consumer.test")
    provider, consumer = [connector(space, f"did:web:{name}.test", database=postgres.create(name), **{"data.token_life": "10s"})
                          for name in ("provider", "consumer")]
    postgres.psql("CREATE TABLE reading AS SELECT n, 'name ' || n AS name, n / 4.0 AS value FROM generate_series(1, 3000) AS n", "postgres")
    (provider.folder / "a.csv").write_text("a,b\n" + "1,2\n" * 100)
    publish(provider, "file", {"type": "File", "path": str(provider.folder / "a.csv")})
    publish(provider, "rows", {"type": "SqlQuery", "database": postgres.url(), "format": "ndjson",
                               "query": "SELECT n, name, value, NULL AS nothing FROM reading ORDER BY n"})
    agreement, pid = buy(provider, consumer, "file")
    with ThreadPoolExecutor(8) as pool:
        statuses = set(pool.map(lambda _: pull(consumer, pid).status, range(40)))
    tap.equal(statuses, {200}, "pulls side by side")
    both_agree(provider, consumer, agreement, 40)
    tap.equal({r["rows"] for r in receipts(provider, agreement).values()}, {100}, "their rows")
    agreement, pid = buy(provider, consumer, "rows")
    answer = pull(consumer, pid)
    lines = answer.text.splitlines()
    tap.equal((answer.status, len(lines), lines[0]), (200, 3000, '{"n":1,"name":"name 1","value":0.25000000000000000000,"nothing":null}'),
              "rows of PostgreSQL")
    both_agree(provider, consumer, agreement, 1)
    provider.process.kill()
    provider.process.begin()
    wait_until(lambda: provider.version().status == 200, 20, "the provider is back")
    wait_until(lambda: pull(consumer, pid).status == 200, 20, "it serves again")
    both_agree(provider, consumer, agreement, 2)


main(scenario)
