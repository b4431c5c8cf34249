-- What the management API may filter and sort by: one row per entity and field, as text. Whole numbers have 10^18 added, so that
-- their texts have one length and sort as the numbers do (connector/store/condition.c). Equality on an indexed column uses its index.
CREATE VIEW mgmt_field AS
SELECT 'asset' AS entity, asset_id AS id, name, value FROM asset_property
UNION ALL SELECT 'asset', asset_id, CAST('https://w3id.org/edc/v0.0.1/ns/id' AS text), asset_id FROM asset
UNION ALL SELECT 'asset', asset_id, CAST('createdAt' AS text), CAST(1000000000000000000 + created_us / 1000 AS text) FROM asset

UNION ALL SELECT 'policy', policy_id, CAST('id' AS text), policy_id FROM policy_definition
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
UNION ALL SELECT 'transfer', transfer_id, CAST('state' AS text), CAST(1000000000000000000 + state AS text) FROM transfer
UNION ALL SELECT 'transfer', transfer_id, CAST('stateTimestamp' AS text), CAST(1000000000000000000 + state_us / 1000 AS text) FROM transfer
UNION ALL SELECT 'transfer', transfer_id, CAST('createdAt' AS text), CAST(1000000000000000000 + created_us / 1000 AS text) FROM transfer

UNION ALL SELECT 'edr', e.transfer_id, CAST('transferProcessId' AS text), e.transfer_id FROM edr e
UNION ALL SELECT 'edr', e.transfer_id, CAST('createdAt' AS text), CAST(1000000000000000000 + e.received_us / 1000 AS text) FROM edr e
UNION ALL SELECT 'edr', t.transfer_id, CAST('assetId' AS text), t.asset_id FROM transfer t WHERE EXISTS (SELECT 1 FROM edr e WHERE e.transfer_id = t.transfer_id)
UNION ALL SELECT 'edr', t.transfer_id, CAST('agreementId' AS text), t.agreement_id FROM transfer t WHERE EXISTS (SELECT 1 FROM edr e WHERE e.transfer_id = t.transfer_id)
UNION ALL SELECT 'edr', t.transfer_id, CAST('providerId' AS text), t.peer_id FROM transfer t WHERE EXISTS (SELECT 1 FROM edr e WHERE e.transfer_id = t.transfer_id)
UNION ALL SELECT 'edr', t.transfer_id, CAST('contractNegotiationId' AS text), a.negotiation_id
            FROM agreement a JOIN transfer t ON t.agreement_id = a.agreement_id
           WHERE EXISTS (SELECT 1 FROM edr e WHERE e.transfer_id = t.transfer_id);

CREATE INDEX agreement_negotiation ON agreement (negotiation_id);
CREATE INDEX negotiation_state ON negotiation (state);
CREATE INDEX transfer_state ON transfer (state);
CREATE INDEX policy_definition_created ON policy_definition (created_us, policy_id);
CREATE INDEX contract_definition_created ON contract_definition (created_us, definition_id);
