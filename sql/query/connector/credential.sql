-- name: credential_revoke
-- in:   issuer:text credential_id:text subject:text reason:text revoked_us:i64 until_us:i64
-- out:
INSERT INTO credential_revoked (issuer, credential_id, subject, reason, revoked_us, until_us)
VALUES ($1, $2, $3, $4, $5, $6)
    ON CONFLICT (issuer, credential_id) DO NOTHING;

-- name: credential_forget
-- in:   now_us:i64
-- out:
DELETE FROM credential_revoked
 WHERE until_us <= $1;

-- name: credential_feed_get
-- in:   issuer:text
-- out:  number:i64 checked_us:i64 max_age_us:i64
SELECT number, checked_us, max_age_us
  FROM credential_feed
 WHERE issuer = $1;

-- name: credential_feed_limit
-- in:   issuer:text max_age_us:i64
-- out:
INSERT INTO credential_feed (issuer, number, checked_us, max_age_us)
VALUES ($1, 0, 0, $2)
    ON CONFLICT (issuer) DO UPDATE SET max_age_us = excluded.max_age_us;

-- Another replica may have asked later.
-- name: credential_feed_move
-- in:   issuer:text number:i64 checked_us:i64
-- out:
UPDATE credential_feed
   SET number = CASE WHEN number < $2 THEN $2 ELSE number END,
       checked_us = CASE WHEN checked_us < $3 THEN $3 ELSE checked_us END
 WHERE issuer = $1;

-- name: partner_credential_put
-- in:   partner_id:text credential_type:text value:text issuer:text recorded_us:i64 expires_us:i64
-- out:
INSERT INTO partner_credential (partner_id, credential_type, value, issuer, recorded_us, expires_us)
VALUES ($1, $2, $3, $4, $5, $6);

-- name: partner_credential_clear
-- in:   partner_id:text credential_type:text
-- out:
DELETE FROM partner_credential
 WHERE partner_id = $1
   AND credential_type = $2;

-- name: partner_credential_list
-- in:   partner_id:text credential_type:text most:i64
-- out:  credential_type:text value:text issuer:text recorded_us:i64 expires_us:i64
SELECT credential_type, value, issuer, recorded_us, expires_us
  FROM partner_credential
 WHERE partner_id = $1
   AND ($2 IS NULL OR credential_type = $2)
 ORDER BY credential_type, value
 LIMIT $3;
