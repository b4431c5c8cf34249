-- What the operator has checked about companies, and which credentials the data bank no longer stands for (docs/exchange.md §2).
ALTER TABLE reg.credential ADD COLUMN revoked_at timestamptz;
COMMENT ON COLUMN reg.credential.revoked_at IS 'since when it does not count; told to all connectors (reg.revocation)';
CREATE INDEX credential_live ON reg.credential (participant_id) WHERE revoked_at IS NULL;
GRANT UPDATE (revoked_at) ON reg.credential TO naru_app;
CREATE TABLE reg.attestation (
    attestation_id uuid PRIMARY KEY,
    participant_id uuid NOT NULL REFERENCES reg.participant,
    kind text NOT NULL CONSTRAINT attestation_kind_known CHECK (kind IN ('business_partner_number', 'framework_agreement')),
    value text NOT NULL,
    valid_until timestamptz,
    recorded_by text NOT NULL,
    recorded_at timestamptz NOT NULL,
    withdrawn_by text,
    withdrawn_at timestamptz,
    CONSTRAINT attestation_withdrawn_by CHECK ((withdrawn_at IS NULL) = (withdrawn_by IS NULL))
);
CREATE UNIQUE INDEX attestation_once ON reg.attestation (participant_id, kind, value) WHERE withdrawn_at IS NULL;
-- A business partner number is one company's, and a company has one.
CREATE UNIQUE INDEX attestation_number_once ON reg.attestation (value)
 WHERE withdrawn_at IS NULL AND kind = 'business_partner_number';
CREATE UNIQUE INDEX attestation_one_number ON reg.attestation (participant_id)
 WHERE withdrawn_at IS NULL AND kind = 'business_partner_number';
COMMENT ON TABLE reg.attestation IS 'what the operator has checked about a company; stands in its membership credential';
COMMENT ON COLUMN reg.attestation.valid_until IS 'end that the operator set; none: until it is withdrawn';
CREATE TABLE reg.revocation (
    number bigint PRIMARY KEY CONSTRAINT revocation_number_positive CHECK (number > 0),
    participant_id uuid NOT NULL REFERENCES reg.participant,
    document text NOT NULL,
    made_at timestamptz NOT NULL,
    until_at timestamptz NOT NULL
);
COMMENT ON TABLE reg.revocation IS 'signed revocations, numbered in the order of their commits: connectors ask for those after the last one they know';
COMMENT ON COLUMN reg.revocation.until_at IS 'when the last of its credentials has expired: nobody needs it any more';
SELECT sys.make_append_only('reg.revocation');
GRANT SELECT, INSERT ON reg.revocation TO naru_app;
GRANT SELECT, INSERT ON reg.attestation TO naru_app;
GRANT UPDATE (withdrawn_by, withdrawn_at) ON reg.attestation TO naru_app;
