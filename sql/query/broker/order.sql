-- name: purchase_insert
-- in:   order_id:uuid dataset_id:uuid dataset_version:i64 provider_id:uuid consumer_id:uuid plan_hash:text purpose:text document:text hold_id:uuid hold_minor:i64 made_at:time valid_until:time
-- out:
INSERT INTO ord.purchase (order_id, dataset_id, dataset_version, provider_id, consumer_id, plan_hash, purpose, state, version, document,
                          hold_id, hold_minor, made_at, valid_until)
VALUES ($1, $2, $3, $4, $5, $6, $7, 'open', 1, $8, $9, $10, $11, $12);

-- name: purchase_lock
-- in:   order_id:uuid
-- out:  order_id:uuid dataset_id:uuid dataset_version:i64 provider_id:uuid consumer_id:uuid plan_hash:text purpose:text state:text version:i64 document:text hold_id:uuid hold_minor:i64 agreement_id:text deal_id:uuid made_at:time valid_until:time active_at:time ended_at:time reason:text asset_id:text
SELECT o.order_id, o.dataset_id, o.dataset_version, o.provider_id, o.consumer_id, o.plan_hash, o.purpose, o.state, o.version, o.document,
       o.hold_id, o.hold_minor, o.agreement_id, o.deal_id, o.made_at, o.valid_until, o.active_at, o.ended_at, o.reason, d.asset_id
  FROM ord.purchase o
  JOIN cat.dataset d USING (dataset_id)
 WHERE o.order_id = $1
   FOR UPDATE OF o;

-- name: purchase_get
-- in:   order_id:uuid
-- out:  order_id:uuid dataset_id:uuid dataset_version:i64 provider_id:uuid consumer_id:uuid plan_hash:text purpose:text state:text version:i64 document:text hold_id:uuid hold_minor:i64 agreement_id:text deal_id:uuid made_at:time valid_until:time active_at:time ended_at:time reason:text asset_id:text
SELECT o.order_id, o.dataset_id, o.dataset_version, o.provider_id, o.consumer_id, o.plan_hash, o.purpose, o.state, o.version, o.document,
       o.hold_id, o.hold_minor, o.agreement_id, o.deal_id, o.made_at, o.valid_until, o.active_at, o.ended_at, o.reason, d.asset_id
  FROM ord.purchase o
  JOIN cat.dataset d USING (dataset_id)
 WHERE o.order_id = $1;

-- name: purchase_list
-- in:   party:uuid state:text before_at:time before_id:uuid most:i64
-- out:  order_id:uuid dataset_id:uuid dataset_version:i64 provider_id:uuid consumer_id:uuid plan_hash:text purpose:text state:text version:i64 document:text hold_id:uuid hold_minor:i64 agreement_id:text deal_id:uuid made_at:time valid_until:time active_at:time ended_at:time reason:text asset_id:text
SELECT o.order_id, o.dataset_id, o.dataset_version, o.provider_id, o.consumer_id, o.plan_hash, o.purpose, o.state, o.version, o.document,
       o.hold_id, o.hold_minor, o.agreement_id, o.deal_id, o.made_at, o.valid_until, o.active_at, o.ended_at, o.reason, d.asset_id
  FROM ord.purchase o
  JOIN cat.dataset d USING (dataset_id)
 WHERE ($1::uuid IS NULL OR o.consumer_id = $1 OR o.provider_id = $1)
   AND ($2::text IS NULL OR o.state = $2)
   AND ($3::timestamptz IS NULL OR o.made_at < $3 OR (o.made_at = $3 AND o.order_id > $4))
 ORDER BY o.made_at DESC, o.order_id
 LIMIT $5;

-- name: purchase_advance
-- in:   order_id:uuid state:text version:i64 document:text agreement_id:text deal_id:uuid active_at:time ended_at:time reason:text
-- out:
UPDATE ord.purchase
   SET state = $2,
       version = $3,
       document = $4,
       agreement_id = $5,
       deal_id = $6,
       active_at = $7,
       ended_at = $8,
       reason = $9
 WHERE order_id = $1;

-- Orders that wait for a report: open ones are cancelled, contracted ones disputed when their time is over.
-- name: purchase_open
-- in:
-- out:  order_id:uuid due_at:time
SELECT order_id, valid_until AS due_at
  FROM ord.purchase
 WHERE state IN ('open', 'contracted')
 ORDER BY valid_until, order_id;

-- The end of an agreement is what its provider reported.
-- name: purchase_ending
-- in:
-- out:  order_id:uuid due_at:time
SELECT o.order_id, a.ends_at AS due_at
  FROM ord.purchase o
  JOIN ord.agreement_report a ON a.deal_id = o.deal_id AND a.role = 'provider'
 WHERE o.state = 'active'
   AND a.ends_at IS NOT NULL
 ORDER BY a.ends_at, o.order_id;

-- name: agreement_report_get
-- in:   deal_id:uuid role:text
-- out:  deal_id:uuid role:text order_id:uuid agreement_hash:text agreed_at:time ends_at:time
SELECT deal_id, role, order_id, agreement_hash, agreed_at, ends_at
  FROM ord.agreement_report
 WHERE deal_id = $1
   AND role = $2;

-- name: agreement_report_own
-- in:   agreement_id:text participant_id:uuid
-- out:  deal_id:uuid role:text order_id:uuid agreement_hash:text agreed_at:time ends_at:time
SELECT deal_id, role, order_id, agreement_hash, agreed_at, ends_at
  FROM ord.agreement_report
 WHERE agreement_id = $1
   AND participant_id = $2;

-- name: agreement_report_insert
-- in:   deal_id:uuid role:text agreement_id:text participant_id:uuid peer:text order_id:uuid agreement_hash:text agreed_at:time ends_at:time reported_at:time
-- out:
INSERT INTO ord.agreement_report (deal_id, role, agreement_id, participant_id, peer, order_id, agreement_hash, agreed_at, ends_at, reported_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10);

-- What is said about one deal is taken down one after the other.
-- name: deal_lock
-- in:   deal_id:uuid
-- out:
SELECT pg_advisory_xact_lock(hashtextextended($1::uuid::text, 0));

-- name: purchase_of_deal
-- in:   deal_id:uuid
-- out:  order_id:uuid
SELECT order_id
  FROM ord.purchase
 WHERE deal_id = $1;

-- name: agreement_end_list
-- in:   deal_id:uuid
-- out:  role:text ended_at:time effective_at:time
SELECT role, ended_at, effective_at
  FROM ord.agreement_end
 WHERE deal_id = $1
 ORDER BY received_at, role;

-- name: agreement_end_insert
-- in:   deal_id:uuid role:text ended_at:time effective_at:time document:text received_at:time
-- out:
INSERT INTO ord.agreement_end (deal_id, role, ended_at, effective_at, document, received_at)
VALUES ($1, $2, $3, $4, $5, $6);
