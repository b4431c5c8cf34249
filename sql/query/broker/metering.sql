-- name: batch_find
-- in:   batch_id:uuid
-- out:  answer:text
SELECT answer
  FROM met.batch_answer
 WHERE batch_id = $1;

-- name: batch_insert
-- in:   batch_id:uuid batch_hash:bytes reporter_id:uuid signature:text lines:i64 received_at:time
-- out:
INSERT INTO met.batch (batch_id, batch_hash, reporter_id, signature, lines, received_at)
VALUES ($1, $2, $3, $4, $5, $6)
    ON CONFLICT DO NOTHING;

-- name: batch_answer_insert
-- in:   batch_id:uuid answer:text
-- out:
INSERT INTO met.batch_answer (batch_id, answer)
VALUES ($1, $2);

-- name: reporter_agreements
-- in:   agreement_id:text[] participant_id:uuid
-- out:  agreement_id:text role:text deal_id:uuid agreed_at:time ends_at:time
SELECT agreement_id, role, deal_id, agreed_at,
       least(ends_at, (SELECT min(e.effective_at) FROM ord.agreement_end e WHERE e.deal_id = r.deal_id)) AS ends_at
  FROM ord.agreement_report r
 WHERE agreement_id = ANY ($1::text[])
   AND participant_id = $2
 ORDER BY agreement_id;

-- name: receipts_insert
-- in:   reporter_id:uuid batch_id:uuid received_at:time event_id:uuid[] role:text[] deal_id:uuid[] seq:i64[]
--       transfer:text[] since_at:time[] until_at:time[] calls:i64[] bytes:i64[] rows:i64[] line:i64[] body_hash:bytes[]
-- out:
INSERT INTO met.receipt (event_id, role, reporter_id, deal_id, seq, transfer, since_at, until_at, calls, bytes, rows,
                         batch_id, line, body_hash, received_at)
SELECT u.event_id, u.role, $1, u.deal_id, u.seq, u.transfer, u.since_at, u.until_at, u.calls, u.bytes, u.rows,
       $2, u.line, u.body_hash, $3
  FROM unnest($4::uuid[], $5::text[], $6::uuid[], $7::bigint[], $8::text[], $9::timestamptz[], $10::timestamptz[],
              $11::bigint[], $12::bigint[], $13::bigint[], $14::bigint[], $15::bytea[])
       AS u (event_id, role, deal_id, seq, transfer, since_at, until_at, calls, bytes, rows, line, body_hash);

-- name: receipts_insert_some
-- in:   reporter_id:uuid batch_id:uuid received_at:time event_id:uuid[] role:text[] deal_id:uuid[] seq:i64[]
--       transfer:text[] since_at:time[] until_at:time[] calls:i64[] bytes:i64[] rows:i64[] line:i64[] body_hash:bytes[]
-- out:
INSERT INTO met.receipt (event_id, role, reporter_id, deal_id, seq, transfer, since_at, until_at, calls, bytes, rows,
                         batch_id, line, body_hash, received_at)
SELECT u.event_id, u.role, $1, u.deal_id, u.seq, u.transfer, u.since_at, u.until_at, u.calls, u.bytes, u.rows,
       $2, u.line, u.body_hash, $3
  FROM unnest($4::uuid[], $5::text[], $6::uuid[], $7::bigint[], $8::text[], $9::timestamptz[], $10::timestamptz[],
              $11::bigint[], $12::bigint[], $13::bigint[], $14::bigint[], $15::bytea[])
       AS u (event_id, role, deal_id, seq, transfer, since_at, until_at, calls, bytes, rows, line, body_hash)
    ON CONFLICT DO NOTHING;

-- name: receipts_compare
-- in:   reporter_id:uuid batch_id:uuid event_id:uuid[] role:text[] line:i64[] body_hash:bytes[]
-- out:  line:i64 result:text
SELECT u.line,
       CASE WHEN r.event_id IS NULL THEN 'seq'
            WHEN r.batch_id = $2 AND r.line = u.line THEN 'created'
            WHEN r.body_hash = u.body_hash THEN 'duplicate'
            ELSE 'event' END AS result
  FROM unnest($3::uuid[], $4::text[], $5::bigint[], $6::bytea[]) AS u (event_id, role, line, body_hash)
  LEFT JOIN met.receipt r ON r.event_id = u.event_id AND r.role = u.role AND r.reporter_id = $1
 ORDER BY u.line;

-- A participant has one deal under an agreement's id; two rows tell those who see everything that they must name one of its parties.
-- name: usage_deal
-- in:   agreement_id:text participant_id:uuid
-- out:  deal_id:uuid provider:text consumer:text plan_text:text
SELECT DISTINCT r.deal_id, CASE r.role WHEN 'provider' THEN m.did ELSE r.peer END AS provider,
       CASE r.role WHEN 'consumer' THEN m.did ELSE r.peer END AS consumer, p.text AS plan_text
  FROM ord.agreement_report r
  JOIN reg.participant m USING (participant_id)
  LEFT JOIN ord.purchase o USING (deal_id)
  LEFT JOIN cat.plan p USING (plan_hash)
 WHERE r.agreement_id = $1
   AND ($2::uuid IS NULL OR r.participant_id = $2)
 ORDER BY r.deal_id
 LIMIT 2;

-- name: usage_events
-- in:   deal_id:uuid from_at:time to_at:time after:uuid most:i64
-- out:  event_id:uuid deal_id:uuid since_at:time has_provider:bool has_consumer:bool provider_calls:i64
--       provider_bytes:i64 provider_rows:i64 consumer_calls:i64 consumer_bytes:i64 consumer_rows:i64 period:text
SELECT r.event_id, r.deal_id, min(r.since_at) AS since_at,
       bool_or(r.role = 'provider') AS has_provider, bool_or(r.role = 'consumer') AS has_consumer,
       min(r.calls) FILTER (WHERE r.role = 'provider') AS provider_calls,
       min(r.bytes) FILTER (WHERE r.role = 'provider') AS provider_bytes,
       min(r.rows) FILTER (WHERE r.role = 'provider') AS provider_rows,
       min(r.calls) FILTER (WHERE r.role = 'consumer') AS consumer_calls,
       min(r.bytes) FILTER (WHERE r.role = 'consumer') AS consumer_bytes,
       min(r.rows) FILTER (WHERE r.role = 'consumer') AS consumer_rows,
       min(p.name) AS period
  FROM met.receipt r
  LEFT JOIN bil.billed_event b USING (event_id, deal_id)
  LEFT JOIN bil.period p USING (period_id)
 WHERE r.deal_id = $1
   AND ($2::timestamptz IS NULL OR r.since_at >= $2)
   AND ($3::timestamptz IS NULL OR r.since_at < $3)
   AND ($4::uuid IS NULL OR r.event_id > $4)
 GROUP BY r.event_id, r.deal_id
 ORDER BY r.event_id
 LIMIT $5;

-- name: usage_missing
-- in:   deal_id:uuid most:i64
-- out:  role:text from_seq:i64 to_seq:i64
SELECT g.role, g.before + 1 AS from_seq, g.seq - 1 AS to_seq
  FROM (SELECT role, seq, lag(seq, 1, 0::bigint) OVER (PARTITION BY role ORDER BY seq) AS before
          FROM met.receipt
         WHERE deal_id = $1) g
 WHERE g.seq > g.before + 1
 ORDER BY g.role, g.seq
 LIMIT $2;

-- name: usage_summary
-- in:   participant_id:uuid after:text after_deal:uuid most:i64
-- out:  agreement_id:text deal_id:uuid provider:text consumer:text provider_events:i64 consumer_events:i64 provider_bytes:i64
--       consumer_bytes:i64 provider_rows:i64 consumer_rows:i64 first_at:time last_at:time
SELECT a.agreement_id, a.deal_id, a.provider, a.consumer,
       count(*) FILTER (WHERE r.role = 'provider') AS provider_events,
       count(*) FILTER (WHERE r.role = 'consumer') AS consumer_events,
       coalesce(sum(r.bytes) FILTER (WHERE r.role = 'provider'), 0)::bigint AS provider_bytes,
       coalesce(sum(r.bytes) FILTER (WHERE r.role = 'consumer'), 0)::bigint AS consumer_bytes,
       coalesce(sum(r.rows) FILTER (WHERE r.role = 'provider'), 0)::bigint AS provider_rows,
       coalesce(sum(r.rows) FILTER (WHERE r.role = 'consumer'), 0)::bigint AS consumer_rows,
       min(r.since_at) AS first_at, max(r.since_at) AS last_at
  FROM (SELECT DISTINCT s.agreement_id, s.deal_id, CASE s.role WHEN 'provider' THEN m.did ELSE s.peer END AS provider,
               CASE s.role WHEN 'consumer' THEN m.did ELSE s.peer END AS consumer
          FROM ord.agreement_report s
          JOIN reg.participant m USING (participant_id)
         WHERE ($1::uuid IS NULL OR s.participant_id = $1)
           AND ($2::text IS NULL OR (s.agreement_id, s.deal_id) > ($2, $3))
         ORDER BY s.agreement_id, s.deal_id
         LIMIT $4) a
  LEFT JOIN met.receipt r USING (deal_id)
 GROUP BY a.agreement_id, a.deal_id, a.provider, a.consumer
 ORDER BY a.agreement_id, a.deal_id;
