-- A retired agreement gives no transfers and accesses any more, until it is taken back.
ALTER TABLE agreement ADD COLUMN retired_us bigint;
ALTER TABLE agreement ADD COLUMN retire_reason text;
CREATE INDEX agreement_retired ON agreement (retired_us, agreement_id);

-- the groups that partners are put into here, for policies
CREATE TABLE partner_group (
    partner_id text NOT NULL,
    group_name text NOT NULL,
    PRIMARY KEY (partner_id, group_name)
);
CREATE INDEX partner_group_name ON partner_group (group_name, partner_id);

-- Queries of assets go by property, and by creation among those with the same value.
ALTER TABLE asset_property ADD COLUMN created_us bigint NOT NULL DEFAULT 0;
UPDATE asset_property SET created_us = (SELECT a.created_us FROM asset a WHERE a.asset_id = asset_property.asset_id);
CREATE INDEX asset_property_created ON asset_property (name, value, created_us, asset_id);
DROP INDEX asset_property_value;
-- engine: pg
CREATE INDEX asset_property_bytes ON asset_property (name, value COLLATE "C", created_us, asset_id);
-- engine: all

-- properties of other entities: one row per scalar
CREATE TABLE entity_property (
    entity text NOT NULL,
    id text NOT NULL,
    name text NOT NULL,
    value text NOT NULL,
    PRIMARY KEY (entity, id, name, value)
);
CREATE INDEX entity_property_value ON entity_property (entity, name, value, id);

-- What assets may be filtered and sorted by; the names are those of asset_property, but for these two. Numbers as in mgmt_field.
CREATE VIEW asset_field AS
SELECT asset_id, name, value FROM asset_property
UNION ALL SELECT asset_id, CAST('https://w3id.org/edc/v0.0.1/ns/id' AS text), asset_id FROM asset
UNION ALL SELECT asset_id, CAST('createdAt' AS text), CAST(1000000000000000000 + created_us / 1000 AS text) FROM asset;

-- The same for all other entities: one row per entity and field, as text. Whole numbers have 10^18 added, so that their texts have
-- one length and sort as the numbers do (connector/store/condition.c). Equality on an indexed column uses its index.
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
           WHERE EXISTS (SELECT 1 FROM edr e WHERE e.transfer_id = t.transfer_id)

UNION ALL SELECT 'negotiation', negotiation_id, CAST('updatedAt' AS text), CAST(1000000000000000000 + state_us / 1000 AS text) FROM negotiation
UNION ALL SELECT 'negotiation', negotiation_id, CAST('stateCount' AS text), CAST(1000000000000000000 + 1 AS text) FROM negotiation
UNION ALL SELECT 'negotiation', negotiation_id, CAST('pending' AS text), CAST('false' AS text) FROM negotiation
UNION ALL SELECT 'transfer', transfer_id, CAST('updatedAt' AS text), CAST(1000000000000000000 + state_us / 1000 AS text) FROM transfer
UNION ALL SELECT 'transfer', transfer_id, CAST('stateCount' AS text), CAST(1000000000000000000 + 1 AS text) FROM transfer
UNION ALL SELECT 'transfer', transfer_id, CAST('pending' AS text), CAST('false' AS text) FROM transfer
UNION ALL SELECT 'negotiation', a.negotiation_id, CAST('contractAgreement.providerId' AS text), a.provider_id FROM agreement a
UNION ALL SELECT 'negotiation', a.negotiation_id, CAST('contractAgreement.consumerId' AS text), a.consumer_id FROM agreement a
UNION ALL SELECT 'negotiation', a.negotiation_id, CAST('contractAgreement.contractSigningDate' AS text), CAST(1000000000000000000 + a.agreed_us / 1000000 AS text) FROM agreement a

UNION ALL SELECT 'retirement', agreement_id, CAST('agreementId' AS text), agreement_id FROM agreement WHERE retired_us IS NOT NULL
UNION ALL SELECT 'retirement', agreement_id, CAST('reason' AS text), retire_reason FROM agreement WHERE retired_us IS NOT NULL
UNION ALL SELECT 'retirement', agreement_id, CAST('agreementRetirementDate' AS text), CAST(1000000000000000000 + retired_us / 1000000 AS text) FROM agreement WHERE retired_us IS NOT NULL

UNION ALL SELECT entity, id, name, value FROM entity_property;

-- One comparison of texts by a number; SQLite has it from lib/db/sqlite_match.c.
-- engine: pg
CREATE FUNCTION value_matches(op bigint, value text, operand text) RETURNS boolean LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT CASE op WHEN 0 THEN value = operand WHEN 1 THEN value <> operand
                   WHEN 2 THEN strpos(operand, chr(31) || value || chr(31)) > 0 WHEN 3 THEN strpos(operand, chr(31) || value || chr(31)) = 0
                   WHEN 4 THEN value LIKE operand WHEN 5 THEN value ILIKE operand
                   WHEN 6 THEN value COLLATE "C" < operand WHEN 7 THEN value COLLATE "C" <= operand
                   WHEN 8 THEN value COLLATE "C" > operand WHEN 9 THEN value COLLATE "C" >= operand END
$$;
