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
