-- name: push_due
-- in:   after:text most:i64
-- out:  transfer_id:text consumer_id:text destination:text delivered:bool
SELECT t.transfer_id, t.peer_id AS consumer_id, t.data_address AS destination,
       EXISTS (SELECT 1 FROM push_delivered AS d WHERE d.transfer_id = t.transfer_id) AS delivered
  FROM transfer AS t
 WHERE t.role = 'provider'
   AND t.format = 'HttpData-PUSH'
   AND t.state = 600
   AND t.transfer_id > $1
 ORDER BY t.transfer_id
 LIMIT $2;

-- name: push_mark
-- in:   transfer_id:text delivered_us:i64
-- out:
INSERT INTO push_delivered (transfer_id, delivered_us)
VALUES ($1, $2)
    ON CONFLICT (transfer_id) DO NOTHING;

-- Of replicas each looks for what nobody else has claimed.
-- name: push_due_shared [pg]
-- in:   after:text most:i64 owner:i64
-- out:  transfer_id:text consumer_id:text destination:text delivered:bool
SELECT t.transfer_id, t.peer_id AS consumer_id, t.data_address AS destination,
       EXISTS (SELECT 1 FROM push_delivered AS d WHERE d.transfer_id = t.transfer_id) AS delivered
  FROM transfer AS t
 WHERE t.role = 'provider'
   AND t.format = 'HttpData-PUSH'
   AND t.state = 600
   AND t.transfer_id > $1
   AND NOT EXISTS (SELECT 1 FROM push_claim AS c WHERE c.transfer_id = t.transfer_id AND c.owner <> $3)
 ORDER BY t.transfer_id
 LIMIT $2;

-- Changes a row if it is ours now, or was before.
-- name: push_claim [pg]
-- in:   transfer_id:text owner:i64
-- out:
INSERT INTO push_claim (transfer_id, owner)
VALUES ($1, $2)
    ON CONFLICT (transfer_id) DO UPDATE SET owner = excluded.owner
 WHERE push_claim.owner = excluded.owner;

-- name: push_unclaim [pg]
-- in:   owner:i64
-- out:
DELETE FROM push_claim
 WHERE owner = $1;
