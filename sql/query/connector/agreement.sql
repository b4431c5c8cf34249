-- name: dsp_agreement_get
-- in:   agreement_id:text
-- out:  agreement_id:text negotiation_id:text role:text provider_id:text consumer_id:text asset_id:text policy_hash:text policy:text
--       agreed_us:i64 ends_us:i64 ended_us:i64 end_reason:text order_id:text next_access:i64 next_seq:i64
--       retired_us:i64 retire_reason:text negotiation_state:i64 peer_address:text protocol:text
SELECT a.agreement_id, a.negotiation_id, a.role, a.provider_id, a.consumer_id, a.asset_id, a.policy_hash, t.policy,
       a.agreed_us, a.ends_us, a.ended_us, a.end_reason, a.order_id, a.next_access, a.next_seq,
       a.retired_us, a.retire_reason, n.state AS negotiation_state, n.peer_address, n.protocol
  FROM agreement a
  JOIN policy_text t ON t.policy_hash = a.policy_hash
  JOIN negotiation n ON n.negotiation_id = a.negotiation_id
 WHERE a.agreement_id = $1;

-- name: dsp_asset_address
-- in:   asset_id:text
-- out:  data_address:text
SELECT data_address
  FROM asset
 WHERE asset_id = $1;

-- name: dsp_agreement_insert
-- in:   agreement_id:text negotiation_id:text role:text provider_id:text consumer_id:text asset_id:text policy_hash:text agreed_us:i64
--       ends_us:i64 order_id:text
-- out:
INSERT INTO agreement (agreement_id, negotiation_id, role, provider_id, consumer_id, asset_id, policy_hash, agreed_us, ends_us, order_id)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10);

-- name: dsp_agreement_end
-- in:   agreement_id:text now_us:i64 reason:text
-- out:
UPDATE agreement
   SET ended_us = $2,
       end_reason = $3
 WHERE agreement_id = $1
   AND ended_us IS NULL;

-- name: dsp_agreement_retire
-- in:   agreement_id:text now_us:i64 reason:text
-- out:
UPDATE agreement
   SET retired_us = $2,
       retire_reason = $3
 WHERE agreement_id = $1
   AND retired_us IS NULL;

-- name: dsp_agreement_void
-- in:   negotiation_id:text now_us:i64 reason:text
-- out:
UPDATE agreement
   SET ended_us = $2,
       end_reason = $3
 WHERE negotiation_id = $1
   AND ended_us IS NULL;

-- name: dsp_agreement_remove
-- in:   negotiation_id:text
-- out:
DELETE FROM agreement
 WHERE negotiation_id = $1;

-- name: dsp_purchase_open
-- in:   role:text peer_id:text asset_id:text now_us:i64
-- out:  order_id:text plan_hash:text purpose:text
SELECT order_id, plan_hash, purpose
  FROM purchase
 WHERE role = $1
   AND peer_id = $2
   AND asset_id = $3
   AND state = 'open'
   AND agreement_id IS NULL
   AND valid_until_us > $4
 ORDER BY order_id
 LIMIT 16;

-- name: dsp_purchase_bind
-- in:   order_id:text agreement_id:text
-- out:
UPDATE purchase
   SET agreement_id = $2,
       state = 'contracted'
 WHERE order_id = $1
   AND state = 'open'
   AND agreement_id IS NULL;

-- name: dsp_purchase_release
-- in:   negotiation_id:text
-- out:
UPDATE purchase
   SET agreement_id = NULL,
       state = 'open'
 WHERE state = 'contracted'
   AND agreement_id IN (SELECT agreement_id FROM agreement WHERE negotiation_id = $1);
