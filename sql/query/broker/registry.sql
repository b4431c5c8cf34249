-- name: participant_by_id
-- in:   participant_id:uuid
-- out:  participant_id:uuid did:text slug:text name_ko:text name_en:text country:text number_kind:text number:text connector_url:text protocol_url:text public_jwk:text hosted_did:bool state:text reason:text applied_at:time decided_at:time
SELECT participant_id, did, slug, name_ko, name_en, country, number_kind, number, connector_url, protocol_url, public_jwk,
       hosted_did, state, reason, applied_at, decided_at
  FROM reg.participant
 WHERE participant_id = $1;

-- name: participant_lock
-- in:   participant_id:uuid
-- out:  participant_id:uuid did:text slug:text name_ko:text name_en:text country:text number_kind:text number:text connector_url:text protocol_url:text public_jwk:text hosted_did:bool state:text reason:text applied_at:time decided_at:time
SELECT participant_id, did, slug, name_ko, name_en, country, number_kind, number, connector_url, protocol_url, public_jwk,
       hosted_did, state, reason, applied_at, decided_at
  FROM reg.participant
 WHERE participant_id = $1
   FOR UPDATE;

-- A refused application keeps its row; the DID, slug and number are free for another one.
-- name: participant_by_did
-- in:   did:text
-- out:  participant_id:uuid did:text slug:text name_ko:text name_en:text country:text number_kind:text number:text connector_url:text protocol_url:text public_jwk:text hosted_did:bool state:text reason:text applied_at:time decided_at:time
SELECT participant_id, did, slug, name_ko, name_en, country, number_kind, number, connector_url, protocol_url, public_jwk,
       hosted_did, state, reason, applied_at, decided_at
  FROM reg.participant
 WHERE did = $1
 ORDER BY (state = 'refused'), participant_id DESC
 LIMIT 1;

-- name: participant_by_slug
-- in:   slug:text
-- out:  participant_id:uuid did:text slug:text name_ko:text name_en:text country:text number_kind:text number:text connector_url:text protocol_url:text public_jwk:text hosted_did:bool state:text reason:text applied_at:time decided_at:time
SELECT participant_id, did, slug, name_ko, name_en, country, number_kind, number, connector_url, protocol_url, public_jwk,
       hosted_did, state, reason, applied_at, decided_at
  FROM reg.participant
 WHERE slug = $1
   AND state <> 'refused';

-- name: participant_list
-- in:   state:text after:uuid most:i64
-- out:  participant_id:uuid did:text slug:text name_ko:text name_en:text country:text number_kind:text number:text connector_url:text protocol_url:text public_jwk:text hosted_did:bool state:text reason:text applied_at:time decided_at:time
SELECT participant_id, did, slug, name_ko, name_en, country, number_kind, number, connector_url, protocol_url, public_jwk,
       hosted_did, state, reason, applied_at, decided_at
  FROM reg.participant
 WHERE ($1::text IS NULL OR state = $1)
   AND ($2::uuid IS NULL OR participant_id > $2)
 ORDER BY participant_id
 LIMIT $3;

-- name: participant_clash
-- in:   did:text slug:text number_kind:text number:text
-- out:  field:text
SELECT CASE WHEN did = $1 THEN '/did' WHEN slug = $2 THEN '/slug' ELSE '/number' END AS field
  FROM reg.participant
 WHERE state <> 'refused'
   AND (did = $1 OR slug = $2 OR (number_kind = $3 AND number = $4))
 ORDER BY 1
 LIMIT 1;

-- name: participant_insert
-- in:   participant_id:uuid did:text slug:text name_ko:text name_en:text country:text number_kind:text number:text connector_url:text protocol_url:text public_jwk:text hosted_did:bool applied_at:time applied_from:text
-- out:
INSERT INTO reg.participant (participant_id, did, slug, name_ko, name_en, country, number_kind, number, connector_url, protocol_url,
                             public_jwk, hosted_did, state, applied_at, applied_from)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, 'applied', $13, $14);

-- name: participant_decide
-- in:   participant_id:uuid state:text decided_at:time reason:text
-- out:
UPDATE reg.participant
   SET state = $2,
       decided_at = $3,
       reason = $4,
       applied_from = NULL
 WHERE participant_id = $1;

-- name: application_count
-- in:   since:time applied_from:text
-- out:  n:i64
SELECT count(*) AS n
  FROM reg.participant
 WHERE state = 'applied'
   AND applied_at > $1
   AND applied_from = $2;

-- name: check_step_put
-- in:   participant_id:uuid step:text result:text detail:text done_at:time
-- out:
INSERT INTO reg.check_step (participant_id, step, result, detail, done_at)
VALUES ($1, $2, $3, $4, $5)
    ON CONFLICT (participant_id, step) DO UPDATE SET result = excluded.result, detail = excluded.detail, done_at = excluded.done_at;

-- name: check_step_list
-- in:   participant_id:uuid
-- out:  step:text result:text detail:text done_at:time
SELECT step, result, detail, done_at
  FROM reg.check_step
 WHERE participant_id = $1
 ORDER BY step;

-- name: credential_current
-- in:   participant_id:uuid least_expiry:time
-- out:  token:text expires_at:time
SELECT token, expires_at
  FROM reg.credential
 WHERE participant_id = $1
   AND expires_at > $2
   AND revoked_at IS NULL
 ORDER BY issued_at DESC, credential_id
 LIMIT 1;

-- name: credential_insert
-- in:   credential_id:uuid participant_id:uuid token:text issued_at:time expires_at:time
-- out:
INSERT INTO reg.credential (credential_id, participant_id, token, issued_at, expires_at)
VALUES ($1, $2, $3, $4, $5);

-- name: credential_revoke
-- in:   participant_id:uuid now:time
-- out:  credential_id:uuid expires_at:time
UPDATE reg.credential
   SET revoked_at = $2
 WHERE participant_id = $1
   AND expires_at > $2
   AND revoked_at IS NULL
RETURNING credential_id, expires_at;

-- name: attestation_insert
-- in:   attestation_id:uuid participant_id:uuid kind:text value:text valid_until:time recorded_by:text recorded_at:time
-- out:
INSERT INTO reg.attestation (attestation_id, participant_id, kind, value, valid_until, recorded_by, recorded_at)
VALUES ($1, $2, $3, $4, $5, $6, $7);

-- name: attestation_list
-- in:   participant_id:uuid
-- out:  attestation_id:uuid kind:text value:text valid_until:time recorded_at:time
SELECT attestation_id, kind, value, valid_until, recorded_at
  FROM reg.attestation
 WHERE participant_id = $1
   AND withdrawn_at IS NULL
 ORDER BY recorded_at, attestation_id;

-- Another company's business partner number.
-- name: attestation_holder
-- in:   value:text participant_id:uuid
-- out:  participant_id:uuid
SELECT participant_id
  FROM reg.attestation
 WHERE kind = 'business_partner_number'
   AND value = $1
   AND withdrawn_at IS NULL
   AND participant_id <> $2;

-- name: attestation_withdraw
-- in:   attestation_id:uuid withdrawn_by:text withdrawn_at:time
-- out:
UPDATE reg.attestation
   SET withdrawn_by = $2,
       withdrawn_at = $3
 WHERE attestation_id = $1
   AND withdrawn_at IS NULL;

-- Numbers are given in the order of the commits, so that whoever asks for those after the last one misses none.
-- name: revocation_turn
-- in:
-- out:
SELECT pg_advisory_xact_lock(hashtextextended('reg.revocation', 0));

-- name: revocation_last
-- in:
-- out:  number:i64
SELECT coalesce(max(number), 0) AS number
  FROM reg.revocation;

-- name: revocation_insert
-- in:   number:i64 participant_id:uuid document:text made_at:time until_at:time
-- out:
INSERT INTO reg.revocation (number, participant_id, document, made_at, until_at)
VALUES ($1, $2, $3, $4, $5);

-- name: revocation_list
-- in:   since:i64 now:time most:i64
-- out:  number:i64 document:text
SELECT number, document
  FROM reg.revocation
 WHERE number > $1
   AND until_at > $2
 ORDER BY number
 LIMIT $3;

-- Members, and the one whom it is about.
-- name: participant_reach
-- in:   subject:uuid
-- out:  participant_id:uuid did:text connector_url:text
SELECT participant_id, did, connector_url
  FROM reg.participant
 WHERE (state = 'active' OR participant_id = $1)
   AND connector_url <> ''
 ORDER BY participant_id;

-- name: access_token_find
-- in:   token_hash:bytes now:time
-- out:  role:text label:text participant_id:uuid did:text state:text
SELECT t.role, t.label, t.participant_id, p.did, p.state
  FROM reg.access_token t
  LEFT JOIN reg.participant p USING (participant_id)
 WHERE t.token_hash = $1
   AND t.revoked_at IS NULL
   AND (t.expires_at IS NULL OR t.expires_at > $2);

-- name: access_token_insert
-- in:   token_hash:bytes participant_id:uuid role:text label:text made_at:time expires_at:time
-- out:
INSERT INTO reg.access_token (token_hash, participant_id, role, label, made_at, expires_at)
VALUES ($1, $2, $3, $4, $5, $6);

-- name: access_token_label
-- in:   participant_id:uuid label:text now:time
-- out:  label:text
SELECT label
  FROM reg.access_token
 WHERE participant_id IS NOT DISTINCT FROM $1
   AND label = $2
   AND revoked_at IS NULL
   AND (expires_at IS NULL OR expires_at > $3)
 ORDER BY token_hash
 LIMIT 1;

-- name: access_token_revoke
-- in:   participant_id:uuid label:text now:time
-- out:
UPDATE reg.access_token
   SET revoked_at = $3
 WHERE participant_id IS NOT DISTINCT FROM $1
   AND label = $2
   AND revoked_at IS NULL;

-- name: token_use
-- in:   issuer:text jti:text expires_at:time
-- out:
INSERT INTO sys.token_used (issuer, jti, expires_at)
VALUES ($1, $2, $3)
    ON CONFLICT DO NOTHING;

-- name: token_used_purge
-- in:   now:time
-- out:
DELETE FROM sys.token_used
 WHERE expires_at < $1;

-- name: idempotency_find
-- in:   participant_id:uuid key:text
-- out:  body_hash:bytes status:i64 answer:text
SELECT body_hash, status, answer
  FROM sys.idempotency
 WHERE participant_id = $1
   AND key = $2;

-- name: idempotency_forget
-- in:   before_at:time most:i64
-- out:
DELETE FROM sys.idempotency
 WHERE (participant_id, key) IN (SELECT participant_id, key
                                   FROM sys.idempotency
                                  WHERE made_at < $1
                                  ORDER BY made_at, participant_id, key
                                  LIMIT $2);

-- name: idempotency_insert
-- in:   participant_id:uuid key:text body_hash:bytes status:i64 answer:text made_at:time
-- out:
INSERT INTO sys.idempotency (participant_id, key, body_hash, status, answer, made_at)
VALUES ($1, $2, $3, $4, $5, $6);
