-- name: close_lock
-- in:
-- out:
SELECT pg_advisory_xact_lock(4853, 2);

-- name: period_find
-- in:   name:text
-- out:  period_id:uuid name:text from_at:time to_at:time closed_at:time
SELECT period_id, name, from_at, to_at, closed_at
  FROM bil.period
 WHERE name = $1;

-- name: period_last
-- in:
-- out:  period_id:uuid name:text from_at:time to_at:time closed_at:time
SELECT period_id, name, from_at, to_at, closed_at
  FROM bil.period
 ORDER BY to_at DESC
 LIMIT 1;

-- name: period_insert
-- in:   period_id:uuid name:text from_at:time to_at:time closed_at:time
-- out:
INSERT INTO bil.period (period_id, name, from_at, to_at, closed_at)
VALUES ($1, $2, $3, $4, $5);

-- name: close_orders
-- in:   from_at:time to_at:time reach_at:time
-- out:  order_id:uuid dataset_id:uuid dataset_version:i64 asset_id:text title_ko:text title_en:text provider_id:uuid
--       consumer_id:uuid plan_hash:text plan_text:text agreement_id:text deal_id:uuid active_at:time active_end:time hold_id:uuid
--       hold_minor:i64 billed_before:bool
SELECT o.order_id, o.dataset_id, o.dataset_version, d.asset_id, d.title_ko, d.title_en, o.provider_id, o.consumer_id, o.plan_hash,
       p.text AS plan_text, o.agreement_id, o.deal_id, o.active_at, least(o.ended_at, a.ends_at) AS active_end,
       CASE WHEN r.transfer_id IS NULL THEN o.hold_id END AS hold_id, o.hold_minor,
       EXISTS (SELECT 1 FROM bil.billed_order b WHERE b.order_id = o.order_id) AS billed_before
  FROM ord.purchase o
  JOIN cat.dataset d USING (dataset_id)
  JOIN cat.plan p USING (plan_hash)
  LEFT JOIN ord.agreement_report a ON a.deal_id = o.deal_id AND a.role = 'provider'
  LEFT JOIN led.transfer r ON r.pending_id = o.hold_id
 WHERE o.agreement_id IS NOT NULL
   AND o.active_at < $2
   AND (coalesce(least(o.ended_at, a.ends_at), 'infinity') > least($1, $3)
        OR NOT EXISTS (SELECT 1 FROM bil.billed_order b WHERE b.order_id = o.order_id))
 ORDER BY o.order_id;

-- name: close_events
-- in:   after_event:uuid after_deal:uuid before_event:uuid most:i64
-- out:  event_id:uuid deal_id:uuid since_at:time has_provider:bool has_consumer:bool provider_calls:i64
--       provider_bytes:i64 provider_rows:i64 consumer_calls:i64 consumer_bytes:i64 consumer_rows:i64
SELECT r.event_id, r.deal_id, min(r.since_at) AS since_at,
       bool_or(r.role = 'provider') AS has_provider, bool_or(r.role = 'consumer') AS has_consumer,
       min(r.calls) FILTER (WHERE r.role = 'provider') AS provider_calls,
       min(r.bytes) FILTER (WHERE r.role = 'provider') AS provider_bytes,
       min(r.rows) FILTER (WHERE r.role = 'provider') AS provider_rows,
       min(r.calls) FILTER (WHERE r.role = 'consumer') AS consumer_calls,
       min(r.bytes) FILTER (WHERE r.role = 'consumer') AS consumer_bytes,
       min(r.rows) FILTER (WHERE r.role = 'consumer') AS consumer_rows
  FROM met.receipt r
 WHERE r.event_id >= $1
   AND (r.event_id, r.deal_id) > ($1, $2)
   AND r.event_id < $3
   AND NOT EXISTS (SELECT 1 FROM bil.billed_event b WHERE b.event_id = r.event_id AND b.deal_id = r.deal_id)
 GROUP BY r.event_id, r.deal_id
 ORDER BY r.event_id, r.deal_id
 LIMIT $4;

-- name: close_missing
-- in:   deal_id:uuid[]
-- out:  deal_id:uuid role:text missing:i64
SELECT r.deal_id, r.role, max(r.seq) - count(*) AS missing
  FROM met.receipt r
 WHERE r.deal_id = ANY ($1::uuid[])
 GROUP BY r.deal_id, r.role
HAVING max(r.seq) > count(*)
 ORDER BY r.deal_id, r.role;

-- name: billed_events_insert
-- in:   period_id:uuid event_id:uuid[] deal_id:uuid[] calls:i64[] bytes:i64[] rows:i64[] match_state:text[]
-- out:
INSERT INTO bil.billed_event (event_id, deal_id, period_id, calls, bytes, rows, match_state)
SELECT u.event_id, u.deal_id, $1, u.calls, u.bytes, u.rows, u.match_state
  FROM unnest($2::uuid[], $3::uuid[], $4::bigint[], $5::bigint[], $6::bigint[], $7::text[])
       AS u (event_id, deal_id, calls, bytes, rows, match_state);

-- name: billed_orders_insert
-- in:   period_id:uuid order_id:uuid[] invoice_id:uuid[] statement_id:uuid[]
-- out:
INSERT INTO bil.billed_order (order_id, period_id, invoice_id, statement_id)
SELECT u.order_id, $1, u.invoice_id, u.statement_id
  FROM unnest($2::uuid[], $3::uuid[], $4::uuid[]) AS u (order_id, invoice_id, statement_id);

-- name: unbilled_order_insert
-- in:   order_id:uuid period_id:uuid reason:text
-- out:
INSERT INTO bil.unbilled_order (order_id, period_id, reason)
VALUES ($1, $2, $3);

-- name: unbilled_order_list
-- in:   period:text
-- out:  order_id:uuid reason:text
SELECT u.order_id, u.reason
  FROM bil.unbilled_order u
  JOIN bil.period p USING (period_id)
 WHERE p.name = $1
 ORDER BY u.order_id;

-- name: document_insert
-- in:   document_id:uuid kind:text number:text period_id:uuid participant_id:uuid currency:text net_minor:i64 vat_minor:i64
--       fee_minor:i64 total_minor:i64 body:text parties:text issued_at:time
-- out:
INSERT INTO bil.document (document_id, kind, number, period_id, participant_id, currency, net_minor, vat_minor, fee_minor,
                          total_minor, body, parties, issued_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13);

-- name: payout_insert
-- in:   payout_id:uuid period_id:uuid participant_id:uuid document_id:uuid currency:text amount_minor:i64 made_at:time
-- out:
INSERT INTO bil.payout (payout_id, period_id, participant_id, document_id, currency, amount_minor, made_at)
VALUES ($1, $2, $3, $4, $5, $6, $7);

-- name: close_headroom
-- in:   account_id:uuid[]
-- out:  account_id:uuid headroom_minor:i64
SELECT account_id, headroom_minor
  FROM led.headroom($1::uuid[]);

-- name: document_list
-- in:   participant_id:uuid kind:text period:text after:text most:i64
-- out:  document_id:uuid kind:text number:text period:text participant_id:uuid did:text currency:text net_minor:i64
--       vat_minor:i64 fee_minor:i64 total_minor:i64 issued_at:time
SELECT d.document_id, d.kind, d.number, p.name AS period, d.participant_id, m.did, d.currency, d.net_minor, d.vat_minor,
       d.fee_minor, d.total_minor, d.issued_at
  FROM bil.document d
  JOIN bil.period p USING (period_id)
  JOIN reg.participant m USING (participant_id)
 WHERE ($1::uuid IS NULL OR d.participant_id = $1)
   AND ($2::text IS NULL OR d.kind = $2)
   AND ($3::text IS NULL OR p.name = $3)
   AND ($4::text IS NULL OR d.number > $4)
 ORDER BY d.number
 LIMIT $5;

-- name: document_get
-- in:   document_id:uuid
-- out:  document_id:uuid kind:text participant_id:uuid body:text parties:text issued_at:time
SELECT document_id, kind, participant_id, body, parties, issued_at
  FROM bil.document
 WHERE document_id = $1;

-- name: payout_list
-- in:   period:text
-- out:  payout_id:uuid participant_id:uuid name_en:text name_ko:text country:text number_kind:text number:text
--       document_number:text currency:text amount_minor:i64
SELECT o.payout_id, o.participant_id, m.name_en, m.name_ko, m.country, m.number_kind, m.number, d.number AS document_number,
       o.currency, o.amount_minor
  FROM bil.payout o
  JOIN bil.period p USING (period_id)
  JOIN reg.participant m USING (participant_id)
  JOIN bil.document d USING (document_id)
 WHERE p.name = $1
 ORDER BY o.currency, d.number;
