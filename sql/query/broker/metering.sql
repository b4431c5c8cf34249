-- name: batch_find
-- in:   batch_hash:bytes
-- out:  reporter_id:uuid answer:text
SELECT b.reporter_id, a.answer
  FROM met.batch b
  JOIN met.batch_answer a USING (batch_hash)
 WHERE b.batch_hash = $1;

-- name: batch_insert
-- in:   batch_hash:bytes reporter_id:uuid signature:text lines:i64 received_at:time
-- out:
INSERT INTO met.batch (batch_hash, reporter_id, signature, lines, received_at)
VALUES ($1, $2, $3, $4, $5)
    ON CONFLICT DO NOTHING;

-- name: batch_answer_insert
-- in:   batch_hash:bytes answer:text
-- out:
INSERT INTO met.batch_answer (batch_hash, answer)
VALUES ($1, $2);

-- name: reporter_agreements
-- in:   agreement_id:text[] participant_id:uuid
-- out:  agreement_id:text role:text agreed_at:time ends_at:time
SELECT agreement_id, role, agreed_at, ends_at
  FROM ord.agreement_report
 WHERE agreement_id = ANY ($1::text[])
   AND participant_id = $2
 ORDER BY agreement_id, role;

-- name: receipts_insert
-- in:   reporter_id:uuid batch_hash:bytes received_at:time event_id:uuid[] role:text[] agreement_id:text[] seq:i64[]
--       transfer:text[] since_at:time[] until_at:time[] calls:i64[] bytes:i64[] rows:i64[] line:i64[] body_hash:bytes[]
-- out:
INSERT INTO met.receipt (event_id, role, reporter_id, agreement_id, seq, transfer, since_at, until_at, calls, bytes, rows,
                         batch_hash, line, body_hash, received_at)
SELECT u.event_id, u.role, $1, u.agreement_id, u.seq, u.transfer, u.since_at, u.until_at, u.calls, u.bytes, u.rows,
       $2, u.line, u.body_hash, $3
  FROM unnest($4::uuid[], $5::text[], $6::text[], $7::bigint[], $8::text[], $9::timestamptz[], $10::timestamptz[],
              $11::bigint[], $12::bigint[], $13::bigint[], $14::bigint[], $15::bytea[])
       AS u (event_id, role, agreement_id, seq, transfer, since_at, until_at, calls, bytes, rows, line, body_hash);

-- name: receipts_insert_some
-- in:   reporter_id:uuid batch_hash:bytes received_at:time event_id:uuid[] role:text[] agreement_id:text[] seq:i64[]
--       transfer:text[] since_at:time[] until_at:time[] calls:i64[] bytes:i64[] rows:i64[] line:i64[] body_hash:bytes[]
-- out:
INSERT INTO met.receipt (event_id, role, reporter_id, agreement_id, seq, transfer, since_at, until_at, calls, bytes, rows,
                         batch_hash, line, body_hash, received_at)
SELECT u.event_id, u.role, $1, u.agreement_id, u.seq, u.transfer, u.since_at, u.until_at, u.calls, u.bytes, u.rows,
       $2, u.line, u.body_hash, $3
  FROM unnest($4::uuid[], $5::text[], $6::text[], $7::bigint[], $8::text[], $9::timestamptz[], $10::timestamptz[],
              $11::bigint[], $12::bigint[], $13::bigint[], $14::bigint[], $15::bytea[])
       AS u (event_id, role, agreement_id, seq, transfer, since_at, until_at, calls, bytes, rows, line, body_hash)
    ON CONFLICT DO NOTHING;

-- name: receipts_compare
-- in:   reporter_id:uuid batch_hash:bytes event_id:uuid[] role:text[] line:i64[] body_hash:bytes[]
-- out:  line:i64 result:text
SELECT u.line,
       CASE WHEN r.event_id IS NULL THEN 'seq'
            WHEN r.reporter_id = $1 AND r.batch_hash = $2 AND r.line = u.line THEN 'created'
            WHEN r.body_hash = u.body_hash THEN 'duplicate'
            ELSE 'event' END AS result
  FROM unnest($3::uuid[], $4::text[], $5::bigint[], $6::bytea[]) AS u (event_id, role, line, body_hash)
  LEFT JOIN met.receipt r ON r.event_id = u.event_id AND r.role = u.role
 ORDER BY u.line;

-- name: usage_rule
-- in:   agreement_id:text participant_id:uuid
-- out:  plan_text:text
SELECT p.text AS plan_text
  FROM ord.agreement_report r
  LEFT JOIN ord.purchase o USING (agreement_id)
  LEFT JOIN cat.plan p USING (plan_hash)
 WHERE r.agreement_id = $1
   AND ($2::uuid IS NULL OR r.participant_id = $2)
 ORDER BY r.role
 LIMIT 1;

-- name: usage_events
-- in:   agreement_id:text from_at:time to_at:time after:uuid most:i64
-- out:  event_id:uuid agreement_id:text since_at:time has_provider:bool has_consumer:bool provider_calls:i64
--       provider_bytes:i64 provider_rows:i64 consumer_calls:i64 consumer_bytes:i64 consumer_rows:i64 period:text
SELECT r.event_id, r.agreement_id, min(r.since_at) AS since_at,
       bool_or(r.role = 'provider') AS has_provider, bool_or(r.role = 'consumer') AS has_consumer,
       min(r.calls) FILTER (WHERE r.role = 'provider') AS provider_calls,
       min(r.bytes) FILTER (WHERE r.role = 'provider') AS provider_bytes,
       min(r.rows) FILTER (WHERE r.role = 'provider') AS provider_rows,
       min(r.calls) FILTER (WHERE r.role = 'consumer') AS consumer_calls,
       min(r.bytes) FILTER (WHERE r.role = 'consumer') AS consumer_bytes,
       min(r.rows) FILTER (WHERE r.role = 'consumer') AS consumer_rows,
       min(p.name) AS period
  FROM met.receipt r
  LEFT JOIN bil.billed_event b USING (event_id, agreement_id)
  LEFT JOIN bil.period p USING (period_id)
 WHERE r.agreement_id = $1
   AND ($2::timestamptz IS NULL OR r.since_at >= $2)
   AND ($3::timestamptz IS NULL OR r.since_at < $3)
   AND ($4::uuid IS NULL OR r.event_id > $4)
 GROUP BY r.event_id, r.agreement_id
 ORDER BY r.event_id
 LIMIT $5;

-- name: usage_missing
-- in:   agreement_id:text most:i64
-- out:  role:text from_seq:i64 to_seq:i64
SELECT g.role, g.before + 1 AS from_seq, g.seq - 1 AS to_seq
  FROM (SELECT role, seq, lag(seq, 1, 0::bigint) OVER (PARTITION BY role ORDER BY seq) AS before
          FROM met.receipt
         WHERE agreement_id = $1) g
 WHERE g.seq > g.before + 1
 ORDER BY g.role, g.seq
 LIMIT $2;

-- name: usage_summary
-- in:   participant_id:uuid after:text most:i64
-- out:  agreement_id:text provider_events:i64 consumer_events:i64 provider_bytes:i64 consumer_bytes:i64 provider_rows:i64
--       consumer_rows:i64 first_at:time last_at:time
SELECT a.agreement_id,
       count(*) FILTER (WHERE r.role = 'provider') AS provider_events,
       count(*) FILTER (WHERE r.role = 'consumer') AS consumer_events,
       coalesce(sum(r.bytes) FILTER (WHERE r.role = 'provider'), 0)::bigint AS provider_bytes,
       coalesce(sum(r.bytes) FILTER (WHERE r.role = 'consumer'), 0)::bigint AS consumer_bytes,
       coalesce(sum(r.rows) FILTER (WHERE r.role = 'provider'), 0)::bigint AS provider_rows,
       coalesce(sum(r.rows) FILTER (WHERE r.role = 'consumer'), 0)::bigint AS consumer_rows,
       min(r.since_at) AS first_at, max(r.since_at) AS last_at
  FROM (SELECT DISTINCT agreement_id
          FROM ord.agreement_report
         WHERE ($1::uuid IS NULL OR participant_id = $1)
           AND ($2::text IS NULL OR agreement_id > $2)
         ORDER BY agreement_id
         LIMIT $3) a
  LEFT JOIN met.receipt r USING (agreement_id)
 GROUP BY a.agreement_id
 ORDER BY a.agreement_id;
