"""What a negotiation costs when a million are stored: the rows are made by SQL from a real one, on both sides."""

import sqlite3
from contextlib import closing

from load import Pair
from negotiation import alone, ready, several

STORED = 1_000_000
WINDOW, TOTAL = 256, 4000

NUMBERS = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?)"
ID = "'urn:uuid:00000000-0000-7{kind}00-8000-' || printf('%012x', i)"
COPIES = (  # table, its columns that differ from the real row
    ("negotiation", {"negotiation_id": ID.format(kind=1), "peer_pid": ID.format(kind=2), "agreement_id": ID.format(kind=3),
                     "created_us": "created_us - i * 1000"}),
    ("agreement", {"agreement_id": ID.format(kind=3), "negotiation_id": ID.format(kind=1), "agreed_us": "agreed_us - i * 1000"}),
    ("message_seen", {"message_id": ID.format(kind=4), "process_id": ID.format(kind=1), "seen_us": "seen_us - i * 100"}),
)


def fill(connector, rows):
    """Copies the newest row of each table, all alike but for ids and times."""
    with closing(sqlite3.connect(connector.folder / "connector.db", timeout=60)) as db, db:
        for table, changed in COPIES:
            columns = [c[1] for c in db.execute(f"PRAGMA table_info({table})")]
            values = ", ".join(changed.get(c, c) for c in columns)
            where = "state = 1200" if table == "negotiation" else "1"
            db.execute(f"{NUMBERS} INSERT INTO {table} SELECT {values} FROM n, (SELECT * FROM {table} WHERE {where} LIMIT 1)", (rows,))


def bench(ctx):
    with Pair(ctx) as pair:
        body = ready(pair)
        alone(pair.consumer, body, 50)
        several(pair, body, WINDOW, TOTAL, 1)
        rates, cpu = several(pair, body, WINDOW, TOTAL)
        for c in (pair.provider, pair.consumer):
            c.program.stop()
            fill(c, STORED)
            c.start()
        alone(pair.consumer, body, 50)
        several(pair, body, WINDOW, TOTAL, 1)
        later_rates, later_cpu = several(pair, body, WINDOW, TOTAL)
        yield ctx.figure(f"CPU of both, {STORED:,} stored", [later_cpu], "µs", anchor=cpu, need=1.3)
        yield ctx.figure(f"negotiations per second, {STORED:,} stored", later_rates, "1/s", better="higher", anchor=sorted(rates)[len(rates) // 2])
        yield ctx.figure(f"resident memory, {STORED:,} stored", [pair.provider.memory_mib(), pair.consumer.memory_mib()], "MiB", goal=48)
