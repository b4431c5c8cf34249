-- SQLite numbers a row without seq itself.
-- name: event_insert
-- in:   seq:i64 type:text subject:text detail:text at_us:i64 waits:i64
-- out:
INSERT INTO event (seq, type, subject, detail, at_us, waits)
VALUES ($1, $2, $3, $4, $5, $6);

-- The number before the first of this transaction.
-- name: event_turn [pg]
-- in:
-- out:  before:i64
SELECT base + 65536 * CAST(CAST(pg_current_xact_id() AS text) AS bigint) AS before
  FROM event_base;

-- name: event_rebase [pg]
-- in:
-- out:
UPDATE event_base
   SET base = m.seq + 65536 - 65536 * CAST(CAST(pg_current_xact_id() AS text) AS bigint)
  FROM (SELECT max(seq) AS seq FROM event) m
 WHERE m.seq >= base + 65536 * CAST(CAST(pg_current_xact_id() AS text) AS bigint);

-- name: event_due [sqlite]
-- in:   tag:i64 before_us:i64 most:i64
-- out:  seq:i64 type:text subject:text callbacks:text
SELECT e.seq, e.type, e.subject, v.callbacks
  FROM event e
  JOIN event_told v ON v.seq = e.seq
 WHERE e.waits <> 0
   AND (e.waits = $1 OR e.at_us < $2)
 ORDER BY e.seq
 LIMIT $3;

-- name: event_due [pg]
-- in:   tag:i64 before_us:i64 most:i64
-- out:  seq:i64 type:text subject:text callbacks:text
SELECT e.seq, e.type, e.subject, v.callbacks
  FROM event e
  JOIN event_told v ON v.seq = e.seq
 WHERE e.waits <> 0
   AND (e.waits = $1 OR e.at_us < $2)
 ORDER BY e.seq
 LIMIT $3
   FOR UPDATE OF e;

-- name: event_dispatched
-- in:   seq:i64
-- out:
UPDATE event
   SET waits = 0
 WHERE seq = $1;

-- name: event_backlog
-- in:
-- out:  n:i64
SELECT count(*) AS n
  FROM outbox
 WHERE kind LIKE 'event.%';

-- name: event_get
-- in:   seq:i64
-- out:  seq:i64 type:text subject:text detail:text at_us:i64 role:text peer_id:text peer_address:text protocol:text asset_id:text offer_id:text
--       callbacks:text policy:text agreement_id:text provider_id:text consumer_id:text agreed_us:i64 agreed_policy:text endpoint:text token:text
SELECT v.seq, v.type, v.subject, v.detail, v.at_us, v.role, v.peer_id, v.peer_address, v.protocol, v.asset_id, v.offer_id, v.callbacks, v.policy,
       v.agreement_id, v.provider_id, v.consumer_id, v.agreed_us, v.agreed_policy, d.endpoint, d.token
  FROM event_told v
  LEFT JOIN edr d ON d.transfer_id = v.subject AND v.type = 'transfer.process.started'
 WHERE v.seq = $1;

-- name: event_page [sqlite]
-- in:   after:i64 most:i64
-- out:  seq:i64 type:text subject:text detail:text at_us:i64 role:text peer_id:text peer_address:text protocol:text asset_id:text offer_id:text
--       callbacks:text policy:text agreement_id:text provider_id:text consumer_id:text agreed_us:i64 agreed_policy:text
SELECT v.seq, v.type, v.subject, v.detail, v.at_us, v.role, v.peer_id, v.peer_address, v.protocol, v.asset_id, v.offer_id, v.callbacks, v.policy,
       v.agreement_id, v.provider_id, v.consumer_id, v.agreed_us, v.agreed_policy
  FROM event_told v
 WHERE v.seq > $1
 ORDER BY v.seq
 LIMIT $2;

-- name: event_page [pg]
-- in:   after:i64 most:i64
-- out:  seq:i64 type:text subject:text detail:text at_us:i64 role:text peer_id:text peer_address:text protocol:text asset_id:text offer_id:text
--       callbacks:text policy:text agreement_id:text provider_id:text consumer_id:text agreed_us:i64 agreed_policy:text
SELECT v.seq, v.type, v.subject, v.detail, v.at_us, v.role, v.peer_id, v.peer_address, v.protocol, v.asset_id, v.offer_id, v.callbacks, v.policy,
       v.agreement_id, v.provider_id, v.consumer_id, v.agreed_us, v.agreed_policy
  FROM event_told v
 WHERE v.seq > $1
   AND v.seq < (SELECT base FROM event_base) + 65536 * CAST(CAST(pg_snapshot_xmin(pg_current_snapshot()) AS text) AS bigint)
 ORDER BY v.seq
 LIMIT $2;

-- name: event_latest [sqlite]
-- in:
-- out:  seq:i64
SELECT coalesce(max(seq), 0) AS seq
  FROM event;

-- name: event_latest [pg]
-- in:
-- out:  seq:i64
SELECT coalesce(max(seq), 0) AS seq
  FROM event
 WHERE seq < (SELECT base FROM event_base) + 65536 * CAST(CAST(pg_snapshot_xmin(pg_current_snapshot()) AS text) AS bigint);

-- name: event_secret
-- in:   id:text
-- out:  value:text
SELECT value
  FROM secret
 WHERE secret_id = $1;

-- name: event_gone_put
-- in:   negotiation_id:text gone_us:i64
-- out:
INSERT INTO event_gone (negotiation_id, role, peer_id, peer_address, protocol, asset_id, offer_id, policy_hash, callbacks, gone_us)
SELECT negotiation_id, role, peer_id, peer_address, protocol, asset_id, offer_id, policy_hash, callbacks, $2
  FROM negotiation
 WHERE negotiation_id = $1;

-- name: event_prune
-- in:   before_us:i64 most:i64
-- out:
DELETE FROM event
 WHERE seq IN (SELECT o.seq
                 FROM (SELECT seq, at_us FROM event ORDER BY seq LIMIT $2) o
                WHERE o.at_us < $1)
   AND seq < (SELECT max(seq) FROM event);

-- name: event_gone_prune
-- in:   before_us:i64
-- out:
DELETE FROM event_gone
 WHERE gone_us < $1;
