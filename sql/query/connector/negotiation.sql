-- name: dsp_negotiation_get
-- in:   id:text
-- out:  id:text role:text peer_pid:text peer_id:text peer_address:text protocol:text state:i64 asset_id:text offer_id:text policy_hash:text policy:text agreement_id:text error:text
SELECT n.negotiation_id AS id, n.role, n.peer_pid, n.peer_id, n.peer_address, n.protocol, n.state, n.asset_id, n.offer_id, n.policy_hash, t.policy, n.agreement_id, n.error
  FROM negotiation n
  JOIN policy_text t ON t.policy_hash = n.policy_hash
 WHERE n.negotiation_id = $1;

-- name: dsp_negotiation_by_peer
-- in:   peer_id:text role:text peer_pid:text
-- out:  id:text role:text peer_pid:text peer_id:text peer_address:text protocol:text state:i64 asset_id:text offer_id:text policy_hash:text policy:text agreement_id:text error:text
SELECT n.negotiation_id AS id, n.role, n.peer_pid, n.peer_id, n.peer_address, n.protocol, n.state, n.asset_id, n.offer_id, n.policy_hash, t.policy, n.agreement_id, n.error
  FROM negotiation n
  JOIN policy_text t ON t.policy_hash = n.policy_hash
 WHERE n.peer_id = $1
   AND n.role = $2
   AND n.peer_pid = $3;

-- name: dsp_negotiation_lock [sqlite]
-- in:   id:text message_id:text
-- out:  state:i64 policy_hash:text peer_pid:text error:text listened:i64 seen:i64
SELECT n.state, n.policy_hash, n.peer_pid, n.error, CAST(CASE WHEN n.callbacks IS NULL THEN 0 ELSE 1 END AS bigint) AS listened,
       (SELECT count(*) FROM message_seen m WHERE m.process_id = $1 AND m.message_id = $2) AS seen
  FROM negotiation n
 WHERE n.negotiation_id = $1;

-- name: dsp_negotiation_lock [pg]
-- in:   id:text message_id:text
-- out:  state:i64 policy_hash:text peer_pid:text error:text listened:i64 seen:i64
SELECT n.state, n.policy_hash, n.peer_pid, n.error, CAST(CASE WHEN n.callbacks IS NULL THEN 0 ELSE 1 END AS bigint) AS listened,
       (SELECT count(*) FROM message_seen m WHERE m.process_id = $1 AND m.message_id = $2) AS seen
  FROM negotiation n
 WHERE n.negotiation_id = $1
   FOR UPDATE OF n;

-- name: dsp_negotiation_insert
-- in:   id:text role:text peer_pid:text peer_id:text peer_address:text protocol:text state:i64 now_us:i64 asset_id:text offer_id:text
--       policy_hash:text callbacks:text agreement_id:text error:text
-- out:
INSERT INTO negotiation (negotiation_id, role, peer_pid, peer_id, peer_address, protocol, state, state_us, asset_id, offer_id, policy_hash,
                         callbacks, agreement_id, error, created_us, history)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $8, '!' || CAST($7 AS text) || '@' || CAST($8 AS text));

-- name: dsp_negotiation_advance
-- in:   id:text state:i64 now_us:i64 peer_pid:text agreement_id:text offer_id:text policy_hash:text error:text
-- out:
UPDATE negotiation
   SET state = $2,
       state_us = $3,
       history = CASE WHEN length(history) > 4000 THEN substr(history, 2000) ELSE history END || ' ' || CAST($2 AS text) || '@' || CAST($3 AS text),
       peer_pid = coalesce(peer_pid, $4),
       agreement_id = coalesce($5, agreement_id),
       offer_id = coalesce($6, offer_id),
       policy_hash = coalesce($7, policy_hash),
       error = nullif(coalesce($8, error), '')
 WHERE negotiation_id = $1;

-- name: dsp_negotiation_settle
-- in:   id:text sending:i64 rest:i64 now_us:i64 peer_pid:text
-- out:  error:text listened:i64
UPDATE negotiation
   SET state = $3,
       state_us = $4,
       history = CASE WHEN length(history) > 4000 THEN substr(history, 2000) ELSE history END || ' ' || CAST($3 AS text) || '@' || CAST($4 AS text),
       peer_pid = coalesce(peer_pid, $5)
 WHERE negotiation_id = $1
   AND state = $2
RETURNING error, CAST(CASE WHEN callbacks IS NULL THEN 0 ELSE 1 END AS bigint) AS listened;

-- name: dsp_negotiation_learn
-- in:   id:text peer_pid:text
-- out:
UPDATE negotiation
   SET peer_pid = $2
 WHERE negotiation_id = $1
   AND peer_pid IS NULL;

-- name: dsp_policy_text_insert
-- in:   policy_hash:text policy:text
-- out:
INSERT INTO policy_text (policy_hash, policy)
VALUES ($1, $2)
    ON CONFLICT (policy_hash) DO NOTHING;
