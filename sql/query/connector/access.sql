-- name: access_view
-- in:   transfer_id:text
-- out:  transfer_id:text state:i64 agreement_id:text asset_id:text provider_id:text consumer_id:text agreed_us:i64 ends_us:i64
--       ended_us:i64 order_id:text policy:text data_address:text
SELECT t.transfer_id, t.state, t.agreement_id, t.asset_id, a.provider_id, a.consumer_id, a.agreed_us, a.ends_us,
       coalesce(a.ended_us, a.retired_us) AS ended_us, a.order_id, p.policy, s.data_address
  FROM transfer AS t
  JOIN agreement AS a ON a.agreement_id = t.agreement_id
  JOIN policy_text AS p ON p.policy_hash = a.policy_hash
  LEFT JOIN asset AS s ON s.asset_id = t.asset_id
 WHERE t.transfer_id = $1
   AND t.role = 'provider';

-- name: access_take
-- in:   transfer_id:text starting:i64 started:i64 resuming:i64 now_us:i64 n:i64
-- out:  number:i64
UPDATE transfer
   SET next_access = next_access + $6
 WHERE transfer_id = $1
   AND role = 'provider'
   AND state IN ($2, $3, $4)
   AND EXISTS (SELECT 1
                 FROM agreement AS a
                WHERE a.agreement_id = transfer.agreement_id
                  AND a.ended_us IS NULL
                  AND a.retired_us IS NULL
                  AND (a.ends_us IS NULL OR a.ends_us <= 0 OR a.ends_us > $5))
RETURNING next_access - $6 AS number;

-- name: access_put
-- in:   event_id:text role:text agreement_id:text transfer_id:text since_us:i64 reserved_bytes:i64 reserved_rows:i64 owner:i64
-- out:
INSERT INTO access (event_id, role, agreement_id, transfer_id, since_us, reserved_bytes, reserved_rows, bytes, row_count, seen_us, owner)
VALUES ($1, $2, $3, $4, $5, $6, $7, 0, 0, $5, $8);

-- name: access_drop
-- in:   event_id:text role:text
-- out:
DELETE FROM access
 WHERE event_id = $1
   AND role = $2;

-- name: access_left
-- in:   owner:i64 most:i64
-- out:  event_id:text role:text agreement_id:text transfer_id:text since_us:i64 reserved_bytes:i64 reserved_rows:i64 bytes:i64 row_count:i64 seen_us:i64
SELECT event_id, role, agreement_id, transfer_id, since_us, reserved_bytes, reserved_rows, bytes, row_count, seen_us
  FROM access
 WHERE owner = $1
 ORDER BY since_us, event_id, role
 LIMIT $2;

-- name: access_known
-- in:   agreement_id:text event_id:text role:text
-- out:  agreement:bool receipt:bool
SELECT EXISTS (SELECT 1 FROM agreement WHERE agreement_id = $1) AS agreement,
       EXISTS (SELECT 1 FROM receipt WHERE event_id = $2 AND role = $3) AS receipt;

-- name: access_seen
-- in:   event_id:text role:text bytes:i64 row_count:i64 seen_us:i64
-- out:
UPDATE access
   SET bytes = $3,
       row_count = $4,
       seen_us = $5
 WHERE event_id = $1
   AND role = $2;

-- name: use_add
-- in:   agreement_id:text calls:i64 bytes:i64 row_count:i64
-- out:
INSERT INTO agreement_use (agreement_id, calls, bytes, row_count)
VALUES ($1, $2, $3, $4)
    ON CONFLICT (agreement_id) DO UPDATE SET calls = agreement_use.calls + excluded.calls,
                                             bytes = agreement_use.bytes + excluded.bytes,
                                             row_count = agreement_use.row_count + excluded.row_count;

-- name: use_day
-- in:   agreement_id:text day:i64
-- out:
INSERT INTO agreement_day (agreement_id, day)
VALUES ($1, $2)
    ON CONFLICT DO NOTHING;

-- name: grant_use
-- in:   transfer_id:text issued_us:i64
-- out:
INSERT INTO pull_grant (transfer_id, used_us)
VALUES ($1, $2)
    ON CONFLICT (transfer_id) DO UPDATE SET used_us = excluded.used_us
 WHERE pull_grant.used_us <= excluded.used_us;

-- name: data_secret
-- in:   secret_id:text
-- out:  value:text
SELECT value
  FROM secret
 WHERE secret_id = $1;
