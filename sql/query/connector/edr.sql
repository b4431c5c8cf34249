-- name: edr_store
-- in:   transfer_id:text endpoint:text token:text refresh_endpoint:text refresh_token:text expires_us:i64 received_us:i64
-- out:
INSERT INTO edr (transfer_id, endpoint, token, refresh_endpoint, refresh_token, expires_us, received_us)
VALUES ($1, $2, $3, $4, $5, $6, $7)
    ON CONFLICT (transfer_id) DO UPDATE SET endpoint = excluded.endpoint, token = excluded.token,
                                            refresh_endpoint = excluded.refresh_endpoint,
                                            refresh_token = excluded.refresh_token, expires_us = excluded.expires_us,
                                            received_us = excluded.received_us;

-- name: edr_renew
-- in:   transfer_id:text token:text refresh_token:text expires_us:i64 received_us:i64
-- out:
UPDATE edr
   SET token = $2,
       refresh_token = coalesce($3, refresh_token),
       expires_us = $4,
       received_us = $5
 WHERE transfer_id = $1;

-- name: edr_view
-- in:   transfer_id:text
-- out:  transfer_id:text state:i64 peer_id:text peer_pid:text agreement_id:text asset_id:text endpoint:text token:text
--       refresh_endpoint:text refresh_token:text expires_us:i64 received_us:i64 held:text
SELECT t.transfer_id, t.state, t.peer_id, t.peer_pid, t.agreement_id, t.asset_id, e.endpoint, e.token, e.refresh_endpoint,
       e.refresh_token, e.expires_us, e.received_us, t.held
  FROM transfer AS t
  LEFT JOIN edr AS e ON e.transfer_id = t.transfer_id
 WHERE t.transfer_id = $1
   AND t.role = 'consumer';
