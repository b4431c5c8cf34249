-- name: batch_find
-- in:   batch_hash:bytes reporter_id:uuid
-- out:  answer:text
SELECT answer
  FROM met.batch
 WHERE batch_hash = $1
   AND reporter_id = $2;

-- name: batch_insert
-- in:   batch_hash:bytes reporter_id:uuid signature:text lines:i64 answer:text received_at:time
-- out:
INSERT INTO met.batch (batch_hash, reporter_id, signature, lines, answer, received_at)
VALUES ($1, $2, $3, $4, $5, $6)
    ON CONFLICT DO NOTHING;

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
