-- Transfers that wait for facts about a peer: is there one when it speaks again?
CREATE INDEX transfer_held ON transfer (peer_id) WHERE held IS NOT NULL;

-- What a duty says (policy_owed.key, hexadecimal), and, of a consequence, the duty whose violation it follows from.
ALTER TABLE duty ADD COLUMN rule_key text;
ALTER TABLE duty ADD COLUMN follows text REFERENCES duty;
CREATE INDEX duty_follows ON duty (follows) WHERE follows IS NOT NULL;

-- EDC's DEPROVISIONED is a state of the management API alone: the protocol's stays beside it. 0: asked for while the last message is on its way.
ALTER TABLE transfer ADD COLUMN deprovisioned_us bigint;
CREATE VIEW transfer_shown AS
SELECT transfer_id,
       CASE WHEN deprovisioned_us IS NULL THEN state WHEN deprovisioned_us = 0 THEN 900 ELSE 1000 END AS state,
       CASE WHEN deprovisioned_us > state_us THEN deprovisioned_us ELSE state_us END AS state_us
  FROM transfer;
-- Fields by which processes are found, as before (0005-management.sql) but for the state of a transfer.
DROP VIEW mgmt_field;
CREATE VIEW mgmt_field AS
SELECT 'policy' AS entity, policy_id AS id, CAST('id' AS text) AS name, policy_id AS value FROM policy_definition
UNION ALL SELECT 'policy', policy_id, CAST('createdAt' AS text), CAST(1000000000000000000 + created_us / 1000 AS text) FROM policy_definition

UNION ALL SELECT 'definition', definition_id, CAST('id' AS text), definition_id FROM contract_definition
UNION ALL SELECT 'definition', definition_id, CAST('accessPolicyId' AS text), access_policy_id FROM contract_definition
UNION ALL SELECT 'definition', definition_id, CAST('contractPolicyId' AS text), contract_policy_id FROM contract_definition
UNION ALL SELECT 'definition', definition_id, CAST('createdAt' AS text), CAST(1000000000000000000 + created_us / 1000 AS text) FROM contract_definition

UNION ALL SELECT 'negotiation', negotiation_id, CAST('id' AS text), negotiation_id FROM negotiation
UNION ALL SELECT 'negotiation', negotiation_id, CAST('type' AS text), CAST(upper(role) AS text) FROM negotiation
UNION ALL SELECT 'negotiation', negotiation_id, CAST('correlationId' AS text), peer_pid FROM negotiation
UNION ALL SELECT 'negotiation', negotiation_id, CAST('counterPartyId' AS text), peer_id FROM negotiation
UNION ALL SELECT 'negotiation', negotiation_id, CAST('counterPartyAddress' AS text), peer_address FROM negotiation
UNION ALL SELECT 'negotiation', negotiation_id, CAST('protocol' AS text), protocol FROM negotiation
UNION ALL SELECT 'negotiation', negotiation_id, CAST('agreementId' AS text), agreement_id FROM negotiation
UNION ALL SELECT 'negotiation', negotiation_id, CAST('assetId' AS text), asset_id FROM negotiation
UNION ALL SELECT 'negotiation', negotiation_id, CAST('offerId' AS text), offer_id FROM negotiation
UNION ALL SELECT 'negotiation', negotiation_id, CAST('errorDetail' AS text), error FROM negotiation
UNION ALL SELECT 'negotiation', negotiation_id, CAST('state' AS text), CAST(1000000000000000000 + state AS text) FROM negotiation
UNION ALL SELECT 'negotiation', negotiation_id, CAST('stateTimestamp' AS text), CAST(1000000000000000000 + state_us / 1000 AS text) FROM negotiation
UNION ALL SELECT 'negotiation', negotiation_id, CAST('createdAt' AS text), CAST(1000000000000000000 + created_us / 1000 AS text) FROM negotiation

UNION ALL SELECT 'agreement', agreement_id, CAST('id' AS text), agreement_id FROM agreement
UNION ALL SELECT 'agreement', agreement_id, CAST('providerId' AS text), provider_id FROM agreement
UNION ALL SELECT 'agreement', agreement_id, CAST('consumerId' AS text), consumer_id FROM agreement
UNION ALL SELECT 'agreement', agreement_id, CAST('assetId' AS text), asset_id FROM agreement
UNION ALL SELECT 'agreement', agreement_id, CAST('contractSigningDate' AS text), CAST(1000000000000000000 + agreed_us / 1000000 AS text) FROM agreement

UNION ALL SELECT 'transfer', transfer_id, CAST('id' AS text), transfer_id FROM transfer
UNION ALL SELECT 'transfer', transfer_id, CAST('type' AS text), CAST(upper(role) AS text) FROM transfer
UNION ALL SELECT 'transfer', transfer_id, CAST('correlationId' AS text), peer_pid FROM transfer
UNION ALL SELECT 'transfer', transfer_id, CAST('counterPartyAddress' AS text), peer_address FROM transfer
UNION ALL SELECT 'transfer', transfer_id, CAST('protocol' AS text), protocol FROM transfer
UNION ALL SELECT 'transfer', transfer_id, CAST('assetId' AS text), asset_id FROM transfer
UNION ALL SELECT 'transfer', transfer_id, CAST('contractId' AS text), agreement_id FROM transfer
UNION ALL SELECT 'transfer', transfer_id, CAST('transferType' AS text), format FROM transfer
UNION ALL SELECT 'transfer', transfer_id, CAST('errorDetail' AS text), error FROM transfer
UNION ALL SELECT 'transfer', transfer_id, CAST('state' AS text), CAST(1000000000000000000 + state AS text) FROM transfer_shown
UNION ALL SELECT 'transfer', transfer_id, CAST('stateTimestamp' AS text), CAST(1000000000000000000 + state_us / 1000 AS text) FROM transfer_shown
UNION ALL SELECT 'transfer', transfer_id, CAST('createdAt' AS text), CAST(1000000000000000000 + created_us / 1000 AS text) FROM transfer

UNION ALL SELECT 'edr', e.transfer_id, CAST('transferProcessId' AS text), e.transfer_id FROM edr e
UNION ALL SELECT 'edr', e.transfer_id, CAST('createdAt' AS text), CAST(1000000000000000000 + e.received_us / 1000 AS text) FROM edr e
UNION ALL SELECT 'edr', t.transfer_id, CAST('assetId' AS text), t.asset_id FROM transfer t WHERE EXISTS (SELECT 1 FROM edr e WHERE e.transfer_id = t.transfer_id)
UNION ALL SELECT 'edr', t.transfer_id, CAST('agreementId' AS text), t.agreement_id FROM transfer t WHERE EXISTS (SELECT 1 FROM edr e WHERE e.transfer_id = t.transfer_id)
UNION ALL SELECT 'edr', t.transfer_id, CAST('providerId' AS text), t.peer_id FROM transfer t WHERE EXISTS (SELECT 1 FROM edr e WHERE e.transfer_id = t.transfer_id)
UNION ALL SELECT 'edr', t.transfer_id, CAST('contractNegotiationId' AS text), a.negotiation_id
            FROM agreement a JOIN transfer t ON t.agreement_id = a.agreement_id
           WHERE EXISTS (SELECT 1 FROM edr e WHERE e.transfer_id = t.transfer_id)

UNION ALL SELECT 'negotiation', negotiation_id, CAST('updatedAt' AS text), CAST(1000000000000000000 + state_us / 1000 AS text) FROM negotiation
UNION ALL SELECT 'negotiation', negotiation_id, CAST('stateCount' AS text), CAST(1000000000000000000 + 1 AS text) FROM negotiation
UNION ALL SELECT 'negotiation', negotiation_id, CAST('pending' AS text), CAST('false' AS text) FROM negotiation
UNION ALL SELECT 'transfer', transfer_id, CAST('updatedAt' AS text), CAST(1000000000000000000 + state_us / 1000 AS text) FROM transfer_shown
UNION ALL SELECT 'transfer', transfer_id, CAST('stateCount' AS text), CAST(1000000000000000000 + 1 AS text) FROM transfer
UNION ALL SELECT 'transfer', transfer_id, CAST('pending' AS text), CAST('false' AS text) FROM transfer
UNION ALL SELECT 'negotiation', a.negotiation_id, CAST('contractAgreement.providerId' AS text), a.provider_id FROM agreement a
UNION ALL SELECT 'negotiation', a.negotiation_id, CAST('contractAgreement.consumerId' AS text), a.consumer_id FROM agreement a
UNION ALL SELECT 'negotiation', a.negotiation_id, CAST('contractAgreement.contractSigningDate' AS text), CAST(1000000000000000000 + a.agreed_us / 1000000 AS text) FROM agreement a

UNION ALL SELECT 'retirement', agreement_id, CAST('agreementId' AS text), agreement_id FROM agreement WHERE retired_us IS NOT NULL
UNION ALL SELECT 'retirement', agreement_id, CAST('reason' AS text), retire_reason FROM agreement WHERE retired_us IS NOT NULL
UNION ALL SELECT 'retirement', agreement_id, CAST('agreementRetirementDate' AS text), CAST(1000000000000000000 + retired_us / 1000000 AS text) FROM agreement WHERE retired_us IS NOT NULL

UNION ALL SELECT entity, id, name, value FROM entity_property;
