-- name: facts_orders
-- in:   peer_id:text asset_id:text now_us:i64 agreement_id:text order_id:text most:i64
-- out:  order_id:text plan_hash:text purpose:text agreement_id:text valid_until_us:i64
SELECT order_id, plan_hash, purpose, agreement_id, valid_until_us
  FROM purchase
 WHERE peer_id = $1
   AND asset_id = $2
   AND state IN ('open', 'contracted', 'active')
   AND valid_until_us > $3
   AND (agreement_id IS NULL OR agreement_id = $4 OR order_id = $5)
 ORDER BY received_us, order_id
 LIMIT $6;

-- name: facts_use
-- in:   agreement_id:text
-- out:  calls:i64 bytes:i64
SELECT calls, bytes
  FROM agreement_use
 WHERE agreement_id = $1;

-- name: facts_peer
-- in:   peer_id:text
-- out:  member:i64 name:text country:text participant:text verified_us:i64
SELECT member, name, country, participant, verified_us
  FROM peer
 WHERE peer_id = $1;

-- name: peer_put
-- in:   peer_id:text name:text country:text participant:text verified_us:i64
-- out:
INSERT INTO peer (peer_id, member, name, country, participant, verified_us)
VALUES ($1, 1, $2, $3, $4, $5)
    ON CONFLICT (peer_id) DO UPDATE SET member = 1, name = excluded.name, country = excluded.country,
                                        participant = excluded.participant, verified_us = excluded.verified_us;

-- name: peer_no_member
-- in:   peer_id:text verified_us:i64
-- out:
UPDATE peer
   SET member = 0,
       verified_us = $2
 WHERE peer_id = $1;

-- name: facts_groups
-- in:   partner_id:text most:i64
-- out:  name:text
SELECT group_name AS name
  FROM partner_group
 WHERE partner_id = $1
 ORDER BY group_name
 LIMIT $2;
