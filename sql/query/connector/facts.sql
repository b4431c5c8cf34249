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

-- The days are those before or after this one.
-- name: facts_use
-- in:   agreement_id:text day:i64
-- out:  calls:i64 bytes:i64 row_count:i64 days:i64
SELECT coalesce(max(u.calls), 0) AS calls, coalesce(max(u.bytes), 0) AS bytes, coalesce(max(u.row_count), 0) AS row_count,
       (SELECT count(*) FROM agreement_day d WHERE d.agreement_id = $1 AND d.day <> $2) AS days
  FROM agreement_use u
 WHERE u.agreement_id = $1;

-- name: facts_peer
-- in:   peer_id:text
-- out:  member:i64 name:text country:text participant:text verified_us:i64 credential_id:text issuer:text issued_us:i64 expires_us:i64 attestations:text
SELECT member, name, country, participant, verified_us, credential_id, issuer, issued_us, expires_us, attestations
  FROM peer
 WHERE peer_id = $1;

-- name: peer_shown
-- in:   peer_id:text
-- out:  member:i64 credential_id:text verified_us:i64
SELECT member, credential_id, verified_us
  FROM peer
 WHERE peer_id = $1;

-- name: peer_waits
-- in:   peer_id:text
-- out:  held:bool
SELECT EXISTS (SELECT 1
                 FROM transfer
                WHERE peer_id = $1
                  AND held IS NOT NULL) AS held;

-- name: peer_put
-- in:   peer_id:text name:text country:text participant:text verified_us:i64 credential_id:text issuer:text issued_us:i64 expires_us:i64 attestations:text
-- out:
INSERT INTO peer (peer_id, member, name, country, participant, verified_us, credential_id, issuer, issued_us, expires_us, attestations)
VALUES ($1, 1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
    ON CONFLICT (peer_id) DO UPDATE SET member = 1, name = excluded.name, country = excluded.country,
                                        participant = excluded.participant, verified_us = excluded.verified_us,
                                        credential_id = excluded.credential_id, issuer = excluded.issuer,
                                        issued_us = excluded.issued_us, expires_us = excluded.expires_us,
                                        attestations = excluded.attestations;

-- name: peer_no_member
-- in:   peer_id:text verified_us:i64
-- out:
UPDATE peer
   SET member = 0,
       verified_us = $2
 WHERE peer_id = $1;

-- Those whose facts may end by themselves.
-- name: facts_partners
-- in:
-- out:  partner_id:text
SELECT peer_id AS partner_id
  FROM peer
 WHERE member = 1
   AND credential_id IS NOT NULL
 UNION
SELECT partner_id
  FROM partner_credential
 ORDER BY 1;

-- What its issuer has said since about a credential.
-- name: facts_credential
-- in:   issuer:text credential_id:text
-- out:  checked_us:i64 max_age_us:i64 revoked_us:i64 reason:text
SELECT coalesce(max(f.checked_us), 0) AS checked_us, coalesce(max(f.max_age_us), 0) AS max_age_us,
       coalesce(max(r.revoked_us), 0) AS revoked_us, max(r.reason) AS reason
  FROM (SELECT CAST($1 AS text) AS issuer, CAST($2 AS text) AS credential_id) q
  LEFT JOIN credential_feed f ON f.issuer = q.issuer
  LEFT JOIN credential_revoked r ON r.issuer = q.issuer AND r.credential_id = q.credential_id;

-- name: facts_recorded
-- in:   partner_id:text now_us:i64 most:i64
-- out:  credential_type:text value:text issuer:text recorded_us:i64 expires_us:i64
SELECT credential_type, value, issuer, recorded_us, expires_us
  FROM partner_credential
 WHERE partner_id = $1
   AND expires_us > $2
 ORDER BY credential_type, value
 LIMIT $3;

-- name: facts_properties
-- in:   asset_id:text most:i64
-- out:  name:text value:text
SELECT name, value
  FROM asset_property
 WHERE asset_id = $1
 ORDER BY name, value
 LIMIT $2;

-- name: facts_groups
-- in:   partner_id:text most:i64
-- out:  name:text
SELECT group_name AS name
  FROM partner_group
 WHERE partner_id = $1
 ORDER BY group_name
 LIMIT $2;
