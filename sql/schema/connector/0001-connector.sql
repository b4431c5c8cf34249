-- State of one connector. One text for SQLite and PostgreSQL: times are microseconds since 1970 (…_us), identifiers are opaque text.
CREATE TABLE asset (
    asset_id text PRIMARY KEY,
    properties text NOT NULL,
    private_properties text NOT NULL,
    data_address text NOT NULL,
    version bigint NOT NULL,
    created_us bigint NOT NULL,
    changed_us bigint NOT NULL
);
CREATE INDEX asset_created ON asset (created_us, asset_id);
-- one row per scalar property, for selectors and queries
CREATE TABLE asset_property (
    asset_id text NOT NULL REFERENCES asset ON DELETE CASCADE,
    name text NOT NULL,
    value text NOT NULL,
    PRIMARY KEY (asset_id, name, value)
);
CREATE INDEX asset_property_value ON asset_property (name, value, asset_id);

CREATE TABLE policy_definition (
    policy_id text PRIMARY KEY,
    policy text NOT NULL,
    policy_hash text NOT NULL,
    private_properties text NOT NULL,
    version bigint NOT NULL,
    created_us bigint NOT NULL
);

CREATE TABLE contract_definition (
    definition_id text PRIMARY KEY,
    access_policy_id text NOT NULL,
    contract_policy_id text NOT NULL,
    selector text NOT NULL,
    private_properties text NOT NULL,
    version bigint NOT NULL,
    created_us bigint NOT NULL
);
CREATE INDEX contract_definition_access ON contract_definition (access_policy_id);
CREATE INDEX contract_definition_contract ON contract_definition (contract_policy_id);

CREATE TABLE secret (
    secret_id text PRIMARY KEY,
    value text NOT NULL,
    created_us bigint NOT NULL
);

-- offers and agreements of peers, kept as the text that was sent, under its hash
CREATE TABLE policy_text (
    policy_hash text PRIMARY KEY,
    policy text NOT NULL
);

CREATE TABLE negotiation (
    negotiation_id text PRIMARY KEY,
    role text NOT NULL CONSTRAINT negotiation_role CHECK (role IN ('consumer', 'provider')),
    peer_pid text,
    peer_id text NOT NULL,
    peer_address text NOT NULL,
    protocol text NOT NULL,
    state bigint NOT NULL,
    state_us bigint NOT NULL,
    asset_id text NOT NULL,
    offer_id text NOT NULL,
    policy_hash text NOT NULL REFERENCES policy_text,
    agreement_id text,
    error text,
    callbacks text,
    created_us bigint NOT NULL,
    CONSTRAINT negotiation_peer_pid_once UNIQUE (peer_id, role, peer_pid)
);
CREATE INDEX negotiation_created ON negotiation (created_us, negotiation_id);
CREATE INDEX negotiation_agreement ON negotiation (agreement_id);

CREATE TABLE agreement (
    agreement_id text PRIMARY KEY,
    negotiation_id text NOT NULL REFERENCES negotiation,
    role text NOT NULL CONSTRAINT agreement_role CHECK (role IN ('consumer', 'provider')),
    provider_id text NOT NULL,
    consumer_id text NOT NULL,
    asset_id text NOT NULL,
    policy_hash text NOT NULL REFERENCES policy_text,
    agreed_us bigint NOT NULL,
    ends_us bigint,
    ended_us bigint,
    end_reason text,
    order_id text,
    next_access bigint NOT NULL DEFAULT 1,
    next_seq bigint NOT NULL DEFAULT 1,
    CONSTRAINT agreement_end_reason CHECK ((ended_us IS NULL) = (end_reason IS NULL))
);
CREATE INDEX agreement_asset ON agreement (asset_id, agreement_id);
CREATE INDEX agreement_agreed ON agreement (agreed_us, agreement_id);

CREATE TABLE transfer (
    transfer_id text PRIMARY KEY,
    role text NOT NULL CONSTRAINT transfer_role CHECK (role IN ('consumer', 'provider')),
    peer_pid text,
    peer_id text NOT NULL,
    peer_address text NOT NULL,
    protocol text NOT NULL,
    state bigint NOT NULL,
    state_us bigint NOT NULL,
    agreement_id text NOT NULL REFERENCES agreement,
    asset_id text NOT NULL,
    format text NOT NULL,
    data_address text,
    error text,
    callbacks text,
    private_properties text,
    next_access bigint NOT NULL DEFAULT 1,
    created_us bigint NOT NULL,
    CONSTRAINT transfer_peer_pid_once UNIQUE (peer_id, role, peer_pid)
);
CREATE INDEX transfer_agreement ON transfer (agreement_id);
CREATE INDEX transfer_created ON transfer (created_us, transfer_id);

-- endpoint data references that a provider gave us
CREATE TABLE edr (
    transfer_id text PRIMARY KEY REFERENCES transfer ON DELETE CASCADE,
    endpoint text NOT NULL,
    token text NOT NULL,
    refresh_endpoint text,
    refresh_token text,
    expires_us bigint,
    received_us bigint NOT NULL
);

-- accepted messages of peers (never refused ones), so that a repeated message has no second effect
CREATE TABLE message_seen (
    peer_id text NOT NULL,
    message_id text NOT NULL,
    process_id text NOT NULL,
    seen_us bigint NOT NULL,
    PRIMARY KEY (peer_id, message_id)
);
CREATE INDEX message_seen_us ON message_seen (seen_us);

CREATE TABLE outbox (
    id bigint PRIMARY KEY,
    stream text NOT NULL,
    kind text NOT NULL,
    url text NOT NULL,
    audience text NOT NULL,
    body text NOT NULL,
    deadline_us bigint NOT NULL,
    attempts bigint NOT NULL DEFAULT 0,
    due_us bigint NOT NULL
);

-- signed orders that the broker sent (docs/exchange.md)
CREATE TABLE purchase (
    order_id text PRIMARY KEY,
    role text NOT NULL CONSTRAINT purchase_role CHECK (role IN ('consumer', 'provider')),
    peer_id text NOT NULL,
    asset_id text NOT NULL,
    plan_hash text NOT NULL,
    purpose text NOT NULL,
    state text NOT NULL,
    version bigint NOT NULL,
    document text NOT NULL,
    signed_document text NOT NULL,
    agreement_id text,
    valid_until_us bigint NOT NULL,
    received_us bigint NOT NULL
);
CREATE INDEX purchase_match ON purchase (peer_id, asset_id, state);

-- what we told the broker's catalogue
CREATE TABLE publication (
    asset_id text PRIMARY KEY,
    dataset_id text NOT NULL,
    version bigint NOT NULL,
    entry text NOT NULL,
    state text NOT NULL,
    published_us bigint NOT NULL
);

-- receipts of ours; sent_batch is the batch that carried a line, NULL until then
CREATE TABLE receipt (
    agreement_id text NOT NULL,
    role text NOT NULL,
    seq bigint NOT NULL,
    event_id text NOT NULL,
    line text NOT NULL,
    answer text,
    made_us bigint NOT NULL,
    PRIMARY KEY (agreement_id, role, seq),
    CONSTRAINT receipt_event_once UNIQUE (event_id, role)
);
CREATE INDEX receipt_unanswered ON receipt (made_us) WHERE answer IS NULL;

CREATE TABLE membership (
    participant_id text PRIMARY KEY,
    credential text NOT NULL,
    expires_us bigint NOT NULL
);
