-- name: membership_get
-- in:   participant_id:text
-- out:  credential:text expires_us:i64
SELECT credential, expires_us
  FROM membership
 WHERE participant_id = $1;

-- name: membership_put
-- in:   participant_id:text credential:text expires_us:i64
-- out:
INSERT INTO membership (participant_id, credential, expires_us)
VALUES ($1, $2, $3)
    ON CONFLICT (participant_id) DO UPDATE SET credential = excluded.credential, expires_us = excluded.expires_us;

-- name: membership_drop
-- in:   participant_id:text
-- out:
DELETE FROM membership
 WHERE participant_id = $1;

-- name: purchase_get
-- in:   order_id:text
-- out:  order_id:text role:text peer_id:text asset_id:text plan_hash:text purpose:text state:text version:i64 document:text agreement_id:text valid_until_us:i64 received_us:i64
SELECT order_id, role, peer_id, asset_id, plan_hash, purpose, state, version, document, agreement_id, valid_until_us, received_us
  FROM purchase
 WHERE order_id = $1;

-- name: purchase_put
-- in:   order_id:text role:text peer_id:text asset_id:text plan_hash:text purpose:text state:text version:i64 document:text signed_document:text agreement_id:text valid_until_us:i64 received_us:i64
-- out:
INSERT INTO purchase (order_id, role, peer_id, asset_id, plan_hash, purpose, state, version, document, signed_document, agreement_id,
                      valid_until_us, received_us)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)
    ON CONFLICT (order_id) DO UPDATE SET state = excluded.state, version = excluded.version, document = excluded.document,
                                         signed_document = excluded.signed_document,
                                         agreement_id = coalesce(excluded.agreement_id, purchase.agreement_id),
                                         valid_until_us = excluded.valid_until_us
 WHERE purchase.version < excluded.version;

-- An order that is over ends the agreement that it was bound to: ours with the same other party.
-- name: purchase_over
-- in:   order_id:text
-- out:  agreement_id:text
SELECT a.agreement_id
  FROM purchase p
  JOIN agreement a ON a.agreement_id = p.agreement_id AND a.role = p.role
 WHERE p.order_id = $1
   AND p.state IN ('ended', 'cancelled')
   AND p.peer_id = CASE a.role WHEN 'provider' THEN a.consumer_id ELSE a.provider_id END
   AND a.ended_us IS NULL;

-- name: agreement_over
-- in:   agreement_id:text
-- out:  agreement_id:text
SELECT a.agreement_id
  FROM purchase p
  JOIN agreement a ON a.agreement_id = p.agreement_id AND a.role = p.role
 WHERE a.agreement_id = $1
   AND p.state IN ('ended', 'cancelled')
   AND p.peer_id = CASE a.role WHEN 'provider' THEN a.consumer_id ELSE a.provider_id END
 ORDER BY p.order_id
 LIMIT 1;

-- name: purchase_parties
-- in:
-- out:  peer_id:text
SELECT DISTINCT peer_id
  FROM purchase
 WHERE state IN ('open', 'contracted', 'active')
 ORDER BY peer_id
 LIMIT 1000;

-- name: purchase_list
-- in:   state:text most:i64
-- out:  order_id:text role:text peer_id:text asset_id:text plan_hash:text purpose:text state:text version:i64 document:text agreement_id:text valid_until_us:i64 received_us:i64
SELECT order_id, role, peer_id, asset_id, plan_hash, purpose, state, version, document, agreement_id, valid_until_us, received_us
  FROM purchase
 WHERE ($1 IS NULL OR state = $1)
 ORDER BY received_us DESC, order_id
 LIMIT $2;

-- name: publication_get
-- in:   asset_id:text
-- out:  asset_id:text dataset_id:text version:i64 entry:text state:text published_us:i64
SELECT asset_id, dataset_id, version, entry, state, published_us
  FROM publication
 WHERE asset_id = $1;

-- name: publication_list
-- in:   after:text most:i64
-- out:  asset_id:text dataset_id:text version:i64 entry:text state:text published_us:i64
SELECT asset_id, dataset_id, version, entry, state, published_us
  FROM publication
 WHERE ($1 IS NULL OR asset_id > $1)
 ORDER BY asset_id
 LIMIT $2;

-- name: publication_put
-- in:   asset_id:text dataset_id:text version:i64 entry:text state:text published_us:i64
-- out:
INSERT INTO publication (asset_id, dataset_id, version, entry, state, published_us)
VALUES ($1, $2, $3, $4, $5, $6)
    ON CONFLICT (asset_id) DO UPDATE SET version = excluded.version, entry = excluded.entry, state = excluded.state,
                                         published_us = excluded.published_us;

-- The broker's answer to an entry. What was withdrawn while the entry waited stays so: the withdrawal follows it.
-- name: publication_answered
-- in:   asset_id:text state:text dataset_id:text
-- out:
UPDATE publication
   SET state = CASE WHEN state = 'withdrawn' THEN state ELSE $2 END,
       dataset_id = coalesce($3, dataset_id)
 WHERE asset_id = $1;

-- name: publication_withdraw
-- in:   asset_id:text
-- out:
UPDATE publication
   SET state = 'withdrawn'
 WHERE asset_id = $1;

-- name: publish_asset
-- in:   asset_id:text properties:text data_address:text now_us:i64
-- out:
INSERT INTO asset (asset_id, properties, private_properties, data_address, version, created_us, changed_us)
VALUES ($1, $2, '{}', $3, 1, $4, $4)
    ON CONFLICT (asset_id) DO UPDATE SET properties = excluded.properties, data_address = excluded.data_address,
                                         version = asset.version + 1, changed_us = excluded.changed_us;

-- name: publish_property_clear
-- in:   asset_id:text
-- out:
DELETE FROM asset_property
 WHERE asset_id = $1;

-- name: publish_property
-- in:   asset_id:text name:text value:text
-- out:
INSERT INTO asset_property (asset_id, name, value, created_us)
SELECT asset_id, $2, $3, created_us
  FROM asset
 WHERE asset_id = $1;

-- name: publish_policy
-- in:   policy_id:text policy:text policy_hash:text now_us:i64
-- out:
INSERT INTO policy_definition (policy_id, policy, policy_hash, private_properties, version, created_us)
VALUES ($1, $2, $3, '{}', 1, $4)
    ON CONFLICT (policy_id) DO UPDATE SET policy = excluded.policy, policy_hash = excluded.policy_hash,
                                          version = policy_definition.version + 1;

-- name: publish_definition
-- in:   definition_id:text access_policy_id:text contract_policy_id:text selector:text now_us:i64
-- out:
INSERT INTO contract_definition (definition_id, access_policy_id, contract_policy_id, selector, private_properties, version, created_us)
VALUES ($1, $2, $3, $4, '{}', 1, $5)
    ON CONFLICT (definition_id) DO UPDATE SET access_policy_id = excluded.access_policy_id,
                                              contract_policy_id = excluded.contract_policy_id, selector = excluded.selector,
                                              version = contract_definition.version + 1;

-- name: unpublish_definition
-- in:   definition_id:text
-- out:
DELETE FROM contract_definition
 WHERE definition_id = $1;

-- name: receipt_next_seq
-- in:   agreement_id:text n:i64
-- out:  seq:i64
UPDATE agreement
   SET next_seq = next_seq + $2
 WHERE agreement_id = $1
RETURNING next_seq - $2 AS seq;

-- name: receipt_insert
-- in:   agreement_id:text role:text seq:i64 event_id:text line:text made_us:i64
-- out:
INSERT INTO receipt (agreement_id, role, seq, event_id, line, made_us)
VALUES ($1, $2, $3, $4, $5, $6);

-- name: receipt_unanswered
-- in:   most:i64
-- out:  line:text
SELECT line
  FROM receipt
 WHERE answer IS NULL
 ORDER BY made_us, agreement_id, role, seq
 LIMIT $1;

-- name: receipt_answer
-- in:   agreement_id:text role:text seq:i64 answer:text
-- out:
UPDATE receipt
   SET answer = $4
 WHERE agreement_id = $1
   AND role = $2
   AND seq = $3;

-- name: receipt_list
-- in:   agreement_id:text most:i64
-- out:  line:text answer:text made_us:i64
SELECT line, answer, made_us
  FROM receipt
 WHERE ($1 IS NULL OR agreement_id = $1)
 ORDER BY made_us DESC, agreement_id, role, seq DESC
 LIMIT $2;

-- name: outbox_count_kind
-- in:   kind:text
-- out:  n:i64
SELECT count(*) AS n
  FROM outbox
 WHERE kind = $1;
