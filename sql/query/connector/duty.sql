-- name: duty_agreement
-- in:   negotiation_id:text
-- out:  agreement_id:text negotiation_id:text role:text provider_id:text consumer_id:text asset_id:text policy_hash:text policy:text
--       agreed_us:i64 ends_us:i64 ended_us:i64 order_id:text
SELECT a.agreement_id, a.negotiation_id, a.role, a.provider_id, a.consumer_id, a.asset_id, a.policy_hash, t.policy,
       a.agreed_us, a.ends_us, a.ended_us, a.order_id
  FROM agreement a
  JOIN policy_text t ON t.policy_hash = a.policy_hash
 WHERE a.negotiation_id = $1
   AND a.ended_us IS NULL;

-- name: duty_deal
-- in:   agreement_id:text
-- out:  agreement_id:text negotiation_id:text role:text provider_id:text consumer_id:text asset_id:text policy_hash:text policy:text
--       agreed_us:i64 ends_us:i64 ended_us:i64 order_id:text
SELECT a.agreement_id, a.negotiation_id, a.role, a.provider_id, a.consumer_id, a.asset_id, a.policy_hash, t.policy,
       a.agreed_us, a.ends_us, a.ended_us, a.order_id
  FROM agreement a
  JOIN policy_text t ON t.policy_hash = a.policy_hash
 WHERE a.agreement_id = $1;

-- A negotiation may be told twice that it is final.
-- name: duty_insert
-- in:   duty_id:text agreement_id:text role:text debtor:text action:text rule:text provide:i64 at_end:i64 now_us:i64 due_us:i64 act_us:i64
--       next_us:i64 rule_key:text follows:text
-- out:
INSERT INTO duty (duty_id, agreement_id, role, debtor, action, rule, provide, at_end, state, state_us, created_us, due_us, act_us, next_us,
                  rule_key, follows)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, 'open', $9, $9, $10, $11, $12, $13, $14)
    ON CONFLICT (duty_id) DO NOTHING;

-- An agreement that never counted leaves no duties.
-- name: duty_void
-- in:   negotiation_id:text
-- out:
DELETE FROM duty
 WHERE agreement_id IN (SELECT agreement_id FROM agreement WHERE negotiation_id = $1);

-- What an agreement's end brings forward: see connector/duty/made.c.
-- name: duty_ended
-- in:   agreement_id:text now_us:i64 due_us:i64
-- out:
UPDATE duty
   SET due_us = CASE WHEN at_end = 1 AND (due_us IS NULL OR due_us > $3) THEN $3 ELSE due_us END,
       act_us = CASE WHEN act_us IS NULL OR act_us > $2 THEN $2 ELSE act_us END,
       next_us = $2
 WHERE agreement_id = $1
   AND state = 'open'
   AND acted_us IS NULL
   AND (provide = 1 OR at_end = 1 OR role = debtor);

-- name: duty_get
-- in:   duty_id:text
-- out:  duty_id:text agreement_id:text role:text debtor:text action:text rule:text rule_key:text follows:text provide:i64 at_end:i64 state:text state_us:i64 created_us:i64
--       due_us:i64 act_us:i64 acted_us:i64 tokens:i64 files:i64 bytes:i64 digests:text done_by:text statement:text document:text
--       peer_told:text broker_told:text provider_id:text consumer_id:text asset_id:text agreed_us:i64 ended_us:i64 order_id:text
--       peer_address:text
SELECT d.duty_id, d.agreement_id, d.role, d.debtor, d.action, d.rule, d.rule_key, d.follows, d.provide, d.at_end, d.state, d.state_us, d.created_us,
       d.due_us, d.act_us, d.acted_us, d.tokens, d.files, d.bytes, d.digests, d.done_by, d.statement, d.document,
       d.peer_told, d.broker_told, a.provider_id, a.consumer_id, a.asset_id, a.agreed_us, a.ended_us, a.order_id, n.peer_address
  FROM duty d
  JOIN agreement a ON a.agreement_id = d.agreement_id
  JOIN negotiation n ON n.negotiation_id = a.negotiation_id
 WHERE d.duty_id = $1;

-- name: duty_list
-- in:   state:text agreement_id:text after_us:i64 after_id:text most:i64
-- out:  duty_id:text agreement_id:text role:text debtor:text action:text rule:text rule_key:text follows:text provide:i64 at_end:i64 state:text state_us:i64 created_us:i64
--       due_us:i64 act_us:i64 acted_us:i64 tokens:i64 files:i64 bytes:i64 digests:text done_by:text statement:text document:text
--       peer_told:text broker_told:text provider_id:text consumer_id:text asset_id:text agreed_us:i64 ended_us:i64 order_id:text
--       peer_address:text
SELECT d.duty_id, d.agreement_id, d.role, d.debtor, d.action, d.rule, d.rule_key, d.follows, d.provide, d.at_end, d.state, d.state_us, d.created_us,
       d.due_us, d.act_us, d.acted_us, d.tokens, d.files, d.bytes, d.digests, d.done_by, d.statement, d.document,
       d.peer_told, d.broker_told, a.provider_id, a.consumer_id, a.asset_id, a.agreed_us, a.ended_us, a.order_id, n.peer_address
  FROM duty d
  JOIN agreement a ON a.agreement_id = d.agreement_id
  JOIN negotiation n ON n.negotiation_id = a.negotiation_id
 WHERE ($1 IS NULL OR d.state = $1)
   AND ($2 IS NULL OR d.agreement_id = $2)
   AND (d.created_us > $3 OR (d.created_us = $3 AND d.duty_id > $4))
 ORDER BY d.created_us, d.duty_id
 LIMIT $5;

-- name: duty_due
-- in:   now_us:i64 most:i64
-- out:  duty_id:text agreement_id:text role:text debtor:text action:text rule:text rule_key:text follows:text provide:i64 at_end:i64 state:text state_us:i64 created_us:i64
--       due_us:i64 act_us:i64 acted_us:i64 tokens:i64 files:i64 bytes:i64 digests:text done_by:text statement:text document:text
--       peer_told:text broker_told:text provider_id:text consumer_id:text asset_id:text agreed_us:i64 ended_us:i64 order_id:text
--       peer_address:text
SELECT d.duty_id, d.agreement_id, d.role, d.debtor, d.action, d.rule, d.rule_key, d.follows, d.provide, d.at_end, d.state, d.state_us, d.created_us,
       d.due_us, d.act_us, d.acted_us, d.tokens, d.files, d.bytes, d.digests, d.done_by, d.statement, d.document,
       d.peer_told, d.broker_told, a.provider_id, a.consumer_id, a.asset_id, a.agreed_us, a.ended_us, a.order_id, n.peer_address
  FROM duty d
  JOIN agreement a ON a.agreement_id = d.agreement_id
  JOIN negotiation n ON n.negotiation_id = a.negotiation_id
 WHERE d.next_us <= $1
 ORDER BY d.next_us, d.duty_id
 LIMIT $2;

-- name: duty_next
-- in:
-- out:  next_us:i64
SELECT coalesce(min(next_us), 0) AS next_us
  FROM duty
 WHERE next_us IS NOT NULL;

-- An open order covers a payment (not one that follows from a violation) once the data bank says that it is active: its amount is held, or was billed.
-- name: duty_paid
-- in:   action:text now_us:i64
-- out:
UPDATE duty
   SET next_us = $2,
       act_us = $2
 WHERE state IN ('open', 'overdue')
   AND action = $1
   AND follows IS NULL
   AND acted_us IS NULL
   AND EXISTS (SELECT 1
                 FROM agreement a
                 JOIN purchase p ON p.order_id = a.order_id AND p.agreement_id = a.agreement_id
                WHERE a.agreement_id = duty.agreement_id
                  AND p.state IN ('active', 'ended'));

-- name: duty_is_paid
-- in:   agreement_id:text
-- out:  n:i64
SELECT count(*) AS n
  FROM agreement a
  JOIN purchase p ON p.order_id = a.order_id AND p.agreement_id = a.agreement_id
 WHERE a.agreement_id = $1
   AND p.state IN ('active', 'ended');

-- name: duty_unreported
-- in:   agreement_id:text role:text
-- out:  n:i64
SELECT count(*) AS n
  FROM receipt
 WHERE agreement_id = $1
   AND role = $2
   AND answer IS NULL;

-- name: duty_acted
-- in:   duty_id:text now_us:i64 tokens:i64 files:i64 bytes:i64 digests:text next_us:i64
-- out:
UPDATE duty
   SET acted_us = coalesce(acted_us, $2),
       tokens = $3,
       files = $4,
       bytes = $5,
       digests = $6,
       next_us = $7
 WHERE duty_id = $1;

-- name: duty_look_again
-- in:   duty_id:text next_us:i64
-- out:
UPDATE duty
   SET next_us = $2
 WHERE duty_id = $1;

-- name: duty_settle
-- in:   duty_id:text state:text now_us:i64 done_by:text statement:text document:text peer_told:text broker_told:text
-- out:
UPDATE duty
   SET state = $2,
       state_us = $3,
       next_us = NULL,
       done_by = $4,
       statement = $5,
       document = coalesce($6, document),
       peer_told = $7,
       broker_told = $8
 WHERE duty_id = $1;

-- name: duty_peer_told
-- in:   duty_id:text document:text told:text
-- out:
UPDATE duty
   SET peer_told = $3
 WHERE duty_id = $1
   AND document = $2;

-- name: duty_broker_told
-- in:   duty_id:text document:text told:text
-- out:
UPDATE duty
   SET broker_told = $3
 WHERE duty_id = $1
   AND document = $2;

-- name: duty_edr_delete
-- in:   agreement_id:text
-- out:
DELETE FROM edr
 WHERE transfer_id IN (SELECT transfer_id FROM transfer WHERE agreement_id = $1 AND role = 'consumer');

-- name: duty_transfers
-- in:   agreement_id:text
-- out:  n:i64
SELECT count(*) AS n
  FROM transfer
 WHERE agreement_id = $1
   AND role = 'consumer';

-- name: duty_counts
-- in:
-- out:  open:i64 overdue:i64 ours_overdue:i64
SELECT coalesce(sum(CASE WHEN state = 'open' THEN 1 ELSE 0 END), 0) AS open,
       coalesce(sum(CASE WHEN state = 'overdue' THEN 1 ELSE 0 END), 0) AS overdue,
       coalesce(sum(CASE WHEN state = 'overdue' AND role = debtor THEN 1 ELSE 0 END), 0) AS ours_overdue
  FROM duty
 WHERE state IN ('open', 'overdue');

-- name: copy_note
-- in:   copy_id:text agreement_id:text path:text digest:text bytes:i64 stamp:text now_us:i64
-- out:
INSERT INTO held_copy (copy_id, agreement_id, path, digest, bytes, stamp, noted_us)
VALUES ($1, $2, $3, $4, $5, $6, $7)
    ON CONFLICT (agreement_id, path) DO UPDATE SET digest = excluded.digest, bytes = excluded.bytes, stamp = excluded.stamp,
                                                   noted_us = excluded.noted_us, deleted_us = NULL;

-- name: copy_list
-- in:   agreement_id:text most:i64
-- out:  copy_id:text agreement_id:text path:text digest:text bytes:i64 stamp:text noted_us:i64 deleted_us:i64
SELECT copy_id, agreement_id, path, digest, bytes, stamp, noted_us, deleted_us
  FROM held_copy
 WHERE agreement_id = $1
 ORDER BY noted_us, copy_id
 LIMIT $2;

-- Copies that our connector has to delete now.
-- name: copy_due
-- in:   action:text now_us:i64 most:i64
-- out:  copy_id:text agreement_id:text path:text digest:text bytes:i64 stamp:text noted_us:i64 deleted_us:i64
SELECT c.copy_id, c.agreement_id, c.path, c.digest, c.bytes, c.stamp, c.noted_us, c.deleted_us
  FROM held_copy c
 WHERE c.deleted_us IS NULL
   AND c.stamp IS NOT NULL
   AND EXISTS (SELECT 1
                 FROM duty d
                WHERE d.agreement_id = c.agreement_id
                  AND d.role = d.debtor
                  AND d.action = $1
                  AND d.acted_us IS NULL
                  AND d.state IN ('open', 'overdue')
                  AND d.act_us <= $2)
 ORDER BY c.noted_us, c.copy_id
 LIMIT $3;

-- Copies that can be removed when an operator says that a duty is done.
-- name: copy_of_duty
-- in:   duty_id:text action:text most:i64
-- out:  copy_id:text agreement_id:text path:text digest:text bytes:i64 stamp:text noted_us:i64 deleted_us:i64
SELECT c.copy_id, c.agreement_id, c.path, c.digest, c.bytes, c.stamp, c.noted_us, c.deleted_us
  FROM held_copy c
  JOIN duty d ON d.agreement_id = c.agreement_id
 WHERE d.duty_id = $1
   AND d.role = d.debtor
   AND d.action = $2
   AND d.state IN ('open', 'overdue')
   AND c.deleted_us IS NULL
   AND c.stamp IS NOT NULL
 ORDER BY c.noted_us, c.copy_id
 LIMIT $3;

-- name: copy_deleted
-- in:   copy_id:text now_us:i64
-- out:
UPDATE held_copy
   SET deleted_us = $2
 WHERE copy_id = $1
   AND deleted_us IS NULL;

-- It is not the file that was noted, or cannot be removed: people's affair from now on.
-- name: copy_left
-- in:   copy_id:text
-- out:
UPDATE held_copy
   SET stamp = NULL
 WHERE copy_id = $1;

-- name: copy_sums
-- in:   agreement_id:text
-- out:  files:i64 bytes:i64 left_over:i64
SELECT coalesce(sum(CASE WHEN deleted_us IS NULL THEN 0 ELSE 1 END), 0) AS files,
       CAST(coalesce(sum(CASE WHEN deleted_us IS NULL THEN 0 ELSE bytes END), 0) AS bigint) AS bytes,
       coalesce(sum(CASE WHEN deleted_us IS NULL THEN 1 ELSE 0 END), 0) AS left_over
  FROM held_copy
 WHERE agreement_id = $1;

-- name: copy_digests
-- in:   agreement_id:text most:i64
-- out:  digest:text
SELECT DISTINCT digest
  FROM held_copy
 WHERE agreement_id = $1
   AND deleted_us IS NOT NULL
 ORDER BY digest
 LIMIT $2;

-- name: facts_performed
-- in:   agreement_id:text most:i64
-- out:  action:text debtor:text state:text state_us:i64 rule_key:text
SELECT action, debtor, state, state_us, rule_key
  FROM duty
 WHERE agreement_id = $1
   AND state IN ('done', 'late', 'overdue', 'waived')
 ORDER BY duty_id
 LIMIT $2;
