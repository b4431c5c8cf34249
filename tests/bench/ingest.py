"""Receipts per second, end to end: signed batches of 1,000 from two companies at once, every check, log entries, durable commits.

Anchor: a bare INSERT … SELECT FROM unnest of 1,000 rows with the same columns and the same primary key, one connection, commit after each.
"""

import http.client
import os
import sys
import threading
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "it"))

BATCH = 1000
BATCHES = 40  # of each company and round
ROUNDS = 3

ANCHOR = """
CREATE TABLE anchor (event_id uuid, role text, reporter_id uuid, deal_id uuid, seq bigint, transfer text, since_at timestamptz,
    until_at timestamptz, calls bigint, bytes bigint, rows bigint, batch_id uuid, line bigint, body_hash bytea, received_at timestamptz,
    PRIMARY KEY (event_id, role, reporter_id));
CREATE UNLOGGED TABLE batch AS
SELECT b, array_agg(event_id) AS event_id, array_agg(role) AS role, array_agg(deal_id) AS deal_id, array_agg(seq) AS seq,
       array_agg(transfer) AS transfer, array_agg(since_at) AS since_at, array_agg(until_at) AS until_at, array_agg(calls) AS calls,
       array_agg(bytes) AS bytes, array_agg(rows) AS rows, array_agg(line) AS line, array_agg(body_hash) AS body_hash
  FROM (SELECT b, (substr(h, 1, 8) || '-' || substr(h, 9, 4) || '-7' || substr(md5(h), 1, 3) || '-8' || substr(md5(h), 4, 3) || '-' ||
                substr(md5(h), 7, 12))::uuid AS event_id, 'provider'::text AS role,
               '0193a5a2-5d4c-8a33-8f0e-3d1f5c1b2a77'::uuid AS deal_id, (1000 * b + i)::bigint AS seq,
               'urn:uuid:0193a5a2-5d4c-7a33-8f0e-3d1f5c1b2a78'::text AS transfer, now() AS since_at, now() AS until_at, 1::bigint AS calls,
               4096::bigint AS bytes, 10::bigint AS rows, i::bigint AS line, sha256((1000 * b + i)::text::bytea) AS body_hash
          FROM (SELECT b, i, lpad(to_hex(1700000000000 + 1000 * b + i), 12, '0') AS h
                  FROM generate_series(1, %d) b, generate_series(1, %d) i) n) r
 GROUP BY b;
CREATE PROCEDURE fill() LANGUAGE plpgsql AS $$
DECLARE
    b record;
    n int;
BEGIN
    FOR n IN SELECT batch.b FROM batch ORDER BY batch.b LOOP
        SELECT * INTO b FROM batch WHERE batch.b = n;
        INSERT INTO anchor SELECT u.event_id, u.role, '00000000-0000-0000-0000-000000000000', u.deal_id, u.seq, u.transfer, u.since_at,
               u.until_at, u.calls, u.bytes, u.rows, '00000000-0000-0000-0000-000000000001', u.line, u.body_hash, now()
          FROM unnest(b.event_id, b.role, b.deal_id, b.seq, b.transfer, b.since_at, b.until_at, b.calls, b.bytes, b.rows, b.line,
                      b.body_hash) AS u (event_id, role, deal_id, seq, transfer, since_at, until_at, calls, bytes, rows, line, body_hash);
        COMMIT;
    END LOOP;
END
$$;
"""


def anchor_rate(market):
    market.sql("TRUNCATE anchor")
    market.sql("CHECKPOINT")
    start = time.monotonic()
    market.sql("CALL fill()")
    return BATCH * BATCHES / (time.monotonic() - start)


def prepare(company, order, event_id, role, first_us):
    """Requests that are ready to be sent: (body, headers)."""
    requests = []
    for b in range(BATCHES):
        at = [first_us + (b * BATCH + i) * 1000 for i in range(BATCH)]
        lines = [company.receipt(order, event_id(us), role, us, bytes=4096, rows=10) for us in at]
        body = "".join(f"{line}\n" for line in lines).encode()
        requests.append((body, {"Naru-Signature": company.signature(body, BATCH), "Content-Type": "application/x-ndjson"}))
    for _, headers in requests:
        headers["Authorization"] = f"Bearer {company.jwt()}"
    return requests


def send_all(port, requests, bad):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    for body, headers in requests:
        connection.request("POST", "/v1/usage", body, headers)
        answer = connection.getresponse()
        text = answer.read()
        if answer.status != 200 or text.count(b'"created"') != BATCH:
            bad.append(text[:200])
            return


def bench(ctx):
    os.environ["NARU_BIN"] = str(ctx.bin)
    import market as kit
    from harness import stop_everything

    try:
        market = kit.Market(durable=True, settings={"log.level": "warning"})
        market.sql(ANCHOR % (BATCHES, BATCH))
        begin = kit.stamp(time.time_ns() // 1000 // kit.US * kit.US - 86400 * kit.US)
        mill, plant = kit.Company(market, "mill"), kit.Company(market, "plant")
        plan = {"currency": "KRW", "kind": "free", "components": [{"type": "free"}]}
        order = kit.Order(market, mill, plant, plan, begin)
        rates, anchors = [], []
        for n in range(ROUNDS):
            anchors.append(anchor_rate(market))
            first = kit.micros(begin) + n * BATCH * BATCHES * 1000
            work = [prepare(mill, order, kit.event_id, "provider", first), prepare(plant, order, kit.event_id, "consumer", first)]
            bad = []
            threads = [threading.Thread(target=send_all, args=(market.port, requests, bad)) for requests in work]
            market.sql("CHECKPOINT")
            start = time.monotonic()
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            if bad:
                raise RuntimeError(bad[0])
            rates.append(2 * BATCH * BATCHES / (time.monotonic() - start))
        yield ctx.figure("receipts, batches of 1,000, all checks", rates, "/s", better="higher", anchor=sorted(anchors)[ROUNDS // 2], need=0.4)
    finally:
        stop_everything()
