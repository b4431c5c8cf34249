-- name: mgmt_asset_get
-- in:   asset_id:text
-- out:  asset_id:text properties:text private_properties:text data_address:text version:i64 created_us:i64 changed_us:i64
SELECT asset_id, properties, private_properties, data_address, version, created_us, changed_us
  FROM asset
 WHERE asset_id = $1;

-- name: mgmt_asset_page
-- in:   most:i64 skip:i64
-- out:  id:text
SELECT asset_id AS id
  FROM asset
 ORDER BY created_us, asset_id
 LIMIT $1 OFFSET $2;

-- name: mgmt_asset_insert
-- in:   asset_id:text properties:text private_properties:text data_address:text now_us:i64
-- out:
INSERT INTO asset (asset_id, properties, private_properties, data_address, version, created_us, changed_us)
VALUES ($1, $2, $3, $4, 1, $5, $5)
    ON CONFLICT (asset_id) DO NOTHING;

-- name: mgmt_asset_update
-- in:   asset_id:text properties:text private_properties:text data_address:text now_us:i64
-- out:
UPDATE asset
   SET properties = $2,
       private_properties = $3,
       data_address = $4,
       version = version + 1,
       changed_us = $5
 WHERE asset_id = $1;

-- name: mgmt_asset_delete
-- in:   asset_id:text
-- out:
DELETE FROM asset
 WHERE asset_id = $1;

-- name: mgmt_asset_agreements
-- in:   asset_id:text
-- out:  n:i64
SELECT count(*) AS n
  FROM agreement
 WHERE asset_id = $1;

-- name: mgmt_property_clear
-- in:   asset_id:text
-- out:
DELETE FROM asset_property
 WHERE asset_id = $1;

-- name: mgmt_property_insert
-- in:   asset_id:text name:text value:text
-- out:
INSERT INTO asset_property (asset_id, name, value, created_us)
SELECT asset_id, $2, $3, created_us
  FROM asset
 WHERE asset_id = $1
    ON CONFLICT DO NOTHING;

-- name: mgmt_policy_get
-- in:   policy_id:text
-- out:  policy_id:text policy:text own_policy:text policy_hash:text private_properties:text version:i64 created_us:i64
SELECT policy_id, policy, own_policy, policy_hash, private_properties, version, created_us
  FROM policy_definition
 WHERE policy_id = $1;

-- name: mgmt_policy_page
-- in:   most:i64 skip:i64
-- out:  id:text
SELECT policy_id AS id
  FROM policy_definition
 ORDER BY created_us, policy_id
 LIMIT $1 OFFSET $2;

-- name: mgmt_policy_insert
-- in:   policy_id:text policy:text policy_hash:text private_properties:text now_us:i64
-- out:
INSERT INTO policy_definition (policy_id, policy, policy_hash, private_properties, version, created_us)
VALUES ($1, $2, $3, $4, 1, $5)
    ON CONFLICT (policy_id) DO NOTHING;

-- name: mgmt_policy_update
-- in:   policy_id:text policy:text policy_hash:text private_properties:text
-- out:
UPDATE policy_definition
   SET policy = $2,
       policy_hash = $3,
       private_properties = $4,
       version = version + 1
 WHERE policy_id = $1;

-- name: mgmt_policy_delete
-- in:   policy_id:text
-- out:
DELETE FROM policy_definition
 WHERE policy_id = $1;

-- name: mgmt_policy_definitions
-- in:   policy_id:text
-- out:  n:i64
SELECT count(*) AS n
  FROM contract_definition
 WHERE access_policy_id = $1
    OR contract_policy_id = $1;

-- name: mgmt_definition_get
-- in:   definition_id:text
-- out:  definition_id:text access_policy_id:text contract_policy_id:text selector:text private_properties:text version:i64 created_us:i64
SELECT definition_id, access_policy_id, contract_policy_id, selector, private_properties, version, created_us
  FROM contract_definition
 WHERE definition_id = $1;

-- name: mgmt_definition_page
-- in:   most:i64 skip:i64
-- out:  id:text
SELECT definition_id AS id
  FROM contract_definition
 ORDER BY created_us, definition_id
 LIMIT $1 OFFSET $2;

-- name: mgmt_definition_insert
-- in:   definition_id:text access_policy_id:text contract_policy_id:text selector:text private_properties:text now_us:i64
-- out:
INSERT INTO contract_definition (definition_id, access_policy_id, contract_policy_id, selector, private_properties, version, created_us)
VALUES ($1, $2, $3, $4, $5, 1, $6)
    ON CONFLICT (definition_id) DO NOTHING;

-- name: mgmt_definition_update
-- in:   definition_id:text access_policy_id:text contract_policy_id:text selector:text private_properties:text
-- out:
UPDATE contract_definition
   SET access_policy_id = $2,
       contract_policy_id = $3,
       selector = $4,
       private_properties = $5,
       version = version + 1
 WHERE definition_id = $1;

-- name: mgmt_definition_delete
-- in:   definition_id:text
-- out:
DELETE FROM contract_definition
 WHERE definition_id = $1;

-- name: mgmt_secret_get
-- in:   secret_id:text
-- out:  secret_id:text value:text created_us:i64
SELECT secret_id, value, created_us
  FROM secret
 WHERE secret_id = $1;

-- name: mgmt_secret_insert
-- in:   secret_id:text value:text now_us:i64
-- out:
INSERT INTO secret (secret_id, value, created_us)
VALUES ($1, $2, $3)
    ON CONFLICT (secret_id) DO NOTHING;

-- name: mgmt_secret_update
-- in:   secret_id:text value:text
-- out:
UPDATE secret
   SET value = $2
 WHERE secret_id = $1;

-- name: mgmt_secret_delete
-- in:   secret_id:text
-- out:
DELETE FROM secret
 WHERE secret_id = $1;

-- name: mgmt_negotiation_get
-- in:   negotiation_id:text
-- out:  negotiation_id:text role:text peer_pid:text peer_id:text peer_address:text protocol:text state:i64 state_us:i64 asset_id:text
--       offer_id:text agreement_id:text error:text callbacks:text created_us:i64
SELECT negotiation_id, role, peer_pid, peer_id, peer_address, protocol, state, state_us, asset_id, offer_id, agreement_id, error,
       callbacks, created_us
  FROM negotiation
 WHERE negotiation_id = $1;

-- name: mgmt_negotiation_history
-- in:   negotiation_id:text
-- out:  history:text
SELECT history
  FROM negotiation
 WHERE negotiation_id = $1;

-- name: mgmt_negotiation_page
-- in:   most:i64 skip:i64
-- out:  id:text
SELECT negotiation_id AS id
  FROM negotiation
 ORDER BY created_us, negotiation_id
 LIMIT $1 OFFSET $2;

-- name: mgmt_negotiation_delete
-- in:   negotiation_id:text
-- out:
DELETE FROM negotiation
 WHERE negotiation_id = $1;

-- name: mgmt_agreement_get
-- in:   agreement_id:text
-- out:  agreement_id:text negotiation_id:text role:text provider_id:text consumer_id:text asset_id:text policy_hash:text policy:text
--       agreed_us:i64 ends_us:i64 ended_us:i64 end_reason:text order_id:text
SELECT a.agreement_id, a.negotiation_id, a.role, a.provider_id, a.consumer_id, a.asset_id, a.policy_hash, p.policy, a.agreed_us,
       a.ends_us, a.ended_us, a.end_reason, a.order_id
  FROM agreement a
  JOIN policy_text p ON p.policy_hash = a.policy_hash
 WHERE a.agreement_id = $1;

-- name: mgmt_agreement_page
-- in:   most:i64 skip:i64
-- out:  id:text
SELECT agreement_id AS id
  FROM agreement
 ORDER BY agreed_us, agreement_id
 LIMIT $1 OFFSET $2;

-- name: mgmt_transfer_history
-- in:   transfer_id:text
-- out:  history:text
SELECT history
  FROM transfer
 WHERE transfer_id = $1;

-- name: mgmt_transfer_get
-- in:   transfer_id:text
-- out:  transfer_id:text role:text peer_pid:text peer_id:text peer_address:text protocol:text state:i64 state_us:i64 agreement_id:text
--       asset_id:text format:text data_address:text error:text callbacks:text private_properties:text created_us:i64
SELECT t.transfer_id, t.role, t.peer_pid, t.peer_id, t.peer_address, t.protocol, s.state, s.state_us, t.agreement_id, t.asset_id, t.format,
       t.data_address, t.error, t.callbacks, t.private_properties, t.created_us
  FROM transfer t
  JOIN transfer_shown s ON s.transfer_id = t.transfer_id
 WHERE t.transfer_id = $1;

-- name: mgmt_transfer_page
-- in:   most:i64 skip:i64
-- out:  id:text
SELECT transfer_id AS id
  FROM transfer
 ORDER BY created_us, transfer_id
 LIMIT $1 OFFSET $2;

-- name: mgmt_edr_get
-- in:   transfer_id:text
-- out:  transfer_id:text agreement_id:text negotiation_id:text asset_id:text provider_id:text endpoint:text token:text
--       refresh_endpoint:text refresh_token:text expires_us:i64 received_us:i64 held:text
SELECT e.transfer_id, t.agreement_id, a.negotiation_id, t.asset_id, t.peer_id AS provider_id, e.endpoint, e.token, e.refresh_endpoint,
       e.refresh_token, e.expires_us, e.received_us, t.held
  FROM edr e
  JOIN transfer t ON t.transfer_id = e.transfer_id
  JOIN agreement a ON a.agreement_id = t.agreement_id
 WHERE e.transfer_id = $1;

-- name: mgmt_edr_page
-- in:   most:i64 skip:i64
-- out:  id:text
SELECT transfer_id AS id
  FROM edr
 ORDER BY received_us, transfer_id
 LIMIT $1 OFFSET $2;

-- name: mgmt_edr_delete
-- in:   transfer_id:text
-- out:
DELETE FROM edr
 WHERE transfer_id = $1;

-- name: mgmt_counts
-- in:
-- out:  assets:i64 policies:i64 definitions:i64 negotiations:i64 agreements:i64 transfers:i64 outbox:i64
SELECT (SELECT count(*) FROM asset) AS assets,
       (SELECT count(*) FROM policy_definition) AS policies,
       (SELECT count(*) FROM contract_definition) AS definitions,
       (SELECT count(*) FROM negotiation) AS negotiations,
       (SELECT count(*) FROM agreement) AS agreements,
       (SELECT count(*) FROM transfer) AS transfers,
       (SELECT count(*) FROM outbox) AS outbox;

-- name: mgmt_alive
-- in:
-- out:  n:i64
SELECT count(*) AS n
  FROM membership;

-- name: mgmt_retirement_get
-- in:   agreement_id:text
-- out:  agreement_id:text reason:text retired_us:i64
SELECT agreement_id, retire_reason AS reason, retired_us
  FROM agreement
 WHERE agreement_id = $1
   AND retired_us IS NOT NULL;

-- name: mgmt_retirement_page
-- in:   most:i64 skip:i64
-- out:  id:text
SELECT agreement_id AS id
  FROM agreement
 WHERE retired_us IS NOT NULL
 ORDER BY retired_us, agreement_id
 LIMIT $1 OFFSET $2;

-- Not before all that ran under it has ended: that does not come back.
-- name: mgmt_agreement_reactivate
-- in:   agreement_id:text
-- out:
UPDATE agreement
   SET retired_us = NULL,
       retire_reason = NULL
 WHERE agreement_id = $1
   AND retired_us IS NOT NULL
   AND NOT EXISTS (SELECT 1
                     FROM transfer t
                    WHERE t.agreement_id = $1
                      AND t.role = 'provider'
                      AND t.decide_us = 0);

-- name: mgmt_group_insert
-- in:   partner_id:text group_name:text
-- out:
INSERT INTO partner_group (partner_id, group_name)
VALUES ($1, $2)
    ON CONFLICT DO NOTHING;

-- name: mgmt_group_clear
-- in:   partner_id:text
-- out:
DELETE FROM partner_group
 WHERE partner_id = $1;

-- name: mgmt_partner_groups
-- in:   partner_id:text most:i64
-- out:  name:text
SELECT group_name AS name
  FROM partner_group
 WHERE partner_id = $1
 ORDER BY group_name
 LIMIT $2;

-- name: mgmt_group_partners
-- in:   group_name:text most:i64
-- out:  name:text
SELECT partner_id AS name
  FROM partner_group
 WHERE group_name = $1
 ORDER BY partner_id
 LIMIT $2;

-- name: mgmt_groups
-- in:   most:i64
-- out:  name:text
SELECT DISTINCT group_name AS name
  FROM partner_group
 ORDER BY group_name
 LIMIT $1;
