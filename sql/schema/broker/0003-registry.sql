-- Participants (DESIGN §6). State decides everything: only ACTIVE participants act.
CREATE TABLE reg.participant (
    participant_id uuid PRIMARY KEY,
    did text NOT NULL,
    slug text NOT NULL CONSTRAINT participant_slug_form CHECK (slug ~ '^[a-z0-9](-?[a-z0-9]){1,39}$'),
    name_ko text NOT NULL,
    name_en text NOT NULL,
    country text NOT NULL CONSTRAINT participant_country_form CHECK (country ~ '^[A-Z]{2}$'),
    number_kind text NOT NULL,
    number text NOT NULL,
    connector_url text NOT NULL,
    protocol_url text NOT NULL,
    public_jwk text NOT NULL,
    hosted_did boolean NOT NULL,
    state text NOT NULL CONSTRAINT participant_state_known CHECK (state IN ('applied', 'active', 'refused', 'suspended', 'expelled')),
    reason text,
    applied_at timestamptz NOT NULL,
    applied_from text,
    decided_at timestamptz
);
-- What was refused blocks nothing: anybody can apply with the number of another company.
CREATE UNIQUE INDEX participant_did_unique ON reg.participant (did) WHERE state <> 'refused';
CREATE UNIQUE INDEX participant_slug_unique ON reg.participant (slug) WHERE state <> 'refused';
CREATE UNIQUE INDEX participant_number_unique ON reg.participant (number_kind, number) WHERE state <> 'refused';
CREATE INDEX participant_applied ON reg.participant (applied_from, applied_at) WHERE state = 'applied';
CREATE INDEX participant_barred ON reg.participant (participant_id) WHERE state NOT IN ('active', 'applied', 'refused');
COMMENT ON TABLE reg.participant IS 'companies: applications and members';
COMMENT ON COLUMN reg.participant.applied_from IS 'network address of an application that waits, to limit them; forgotten with the decision';
COMMENT ON COLUMN reg.participant.reason IS 'why the operator decided so, shown to the participant';
CREATE TABLE reg.check_step (
    participant_id uuid NOT NULL REFERENCES reg.participant,
    step text NOT NULL,
    result text NOT NULL CONSTRAINT check_step_result CHECK (result IN ('passed', 'failed', 'pending')),
    detail text NOT NULL DEFAULT '',
    done_at timestamptz NOT NULL,
    PRIMARY KEY (participant_id, step)
);
COMMENT ON TABLE reg.check_step IS 'checks of an application, each restartable: number, did, key, connector';
CREATE TABLE reg.credential (
    credential_id uuid PRIMARY KEY,
    participant_id uuid NOT NULL REFERENCES reg.participant,
    token text NOT NULL,
    issued_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL
);
CREATE INDEX credential_participant ON reg.credential (participant_id, expires_at);
COMMENT ON TABLE reg.credential IS 'membership credentials issued (short-lived, renewed by the connector)';
CREATE TABLE reg.access_token (
    token_hash bytea PRIMARY KEY CONSTRAINT access_token_hash_length CHECK (length(token_hash) = 32),
    participant_id uuid REFERENCES reg.participant,
    role text NOT NULL CONSTRAINT access_token_role CHECK (role IN ('operator', 'admin', 'publisher', 'buyer', 'auditor')),
    label text NOT NULL,
    made_at timestamptz NOT NULL,
    expires_at timestamptz,
    revoked_at timestamptz,
    CONSTRAINT access_token_owner CHECK (participant_id IS NOT NULL OR role IN ('operator', 'auditor'))
);
COMMENT ON TABLE reg.access_token IS 'bearer tokens of people and machines, stored as SHA-256 only';
GRANT SELECT, INSERT, UPDATE ON reg.participant, reg.check_step, reg.access_token TO naru_app;
GRANT SELECT, INSERT ON reg.credential TO naru_app;
