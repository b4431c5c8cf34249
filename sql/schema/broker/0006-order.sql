-- Orders and agreements.
CREATE TABLE ord.purchase (
    order_id uuid PRIMARY KEY,
    dataset_id uuid NOT NULL REFERENCES cat.dataset,
    dataset_version bigint NOT NULL,
    provider_id uuid NOT NULL REFERENCES reg.participant,
    consumer_id uuid NOT NULL REFERENCES reg.participant,
    plan_hash text NOT NULL REFERENCES cat.plan,
    purpose text NOT NULL,
    state text NOT NULL CONSTRAINT purchase_state CHECK (state IN ('open', 'contracted', 'active', 'ended', 'cancelled', 'disputed')),
    version bigint NOT NULL DEFAULT 1,
    document text NOT NULL,
    hold_id uuid REFERENCES led.transfer,
    hold_minor bigint NOT NULL DEFAULT 0 CONSTRAINT purchase_hold_natural CHECK (hold_minor >= 0),
    agreement_id text,
    deal_id uuid,
    made_at timestamptz NOT NULL,
    valid_until timestamptz NOT NULL,
    active_at timestamptz,
    ended_at timestamptz,
    reason text,
    CONSTRAINT purchase_two_parties CHECK (provider_id <> consumer_id),
    CONSTRAINT purchase_agreement_deal CHECK ((agreement_id IS NULL) = (deal_id IS NULL))
);
CREATE INDEX purchase_consumer ON ord.purchase (consumer_id, made_at DESC);
CREATE INDEX purchase_provider ON ord.purchase (provider_id, made_at DESC);
CREATE UNIQUE INDEX purchase_deal ON ord.purchase (deal_id) WHERE deal_id IS NOT NULL;
CREATE INDEX purchase_open ON ord.purchase (valid_until) WHERE state IN ('open', 'contracted');
COMMENT ON TABLE ord.purchase IS 'orders: price snapshot by plan hash, purpose, hold; document is the signed form both connectors get; reason: why the operator cancelled it';
-- The id of an agreement is a text that its provider chose, and anybody may name it. What counts is the deal: the id together with both parties
-- (order_deal). So nobody's report, order or receipt can stand in the way of another's.
CREATE TABLE ord.agreement_report (
    deal_id uuid NOT NULL,
    role text NOT NULL CONSTRAINT agreement_report_role CHECK (role IN ('provider', 'consumer')),
    agreement_id text COLLATE "C" NOT NULL,
    participant_id uuid NOT NULL REFERENCES reg.participant,
    peer text NOT NULL,
    order_id uuid REFERENCES ord.purchase,
    agreement_hash text NOT NULL,
    agreed_at timestamptz NOT NULL,
    ends_at timestamptz,
    reported_at timestamptz NOT NULL,
    PRIMARY KEY (deal_id, role),
    CONSTRAINT agreement_report_once UNIQUE (agreement_id, participant_id)
);
COMMENT ON TABLE ord.agreement_report IS 'what each side says of an agreement with the peer (DID) it names, once and in one role; equal hashes bind it to its order';
SELECT sys.make_append_only('ord.agreement_report');
CREATE TABLE ord.agreement_end (
    deal_id uuid NOT NULL,
    role text NOT NULL,
    ended_at timestamptz NOT NULL,
    effective_at timestamptz NOT NULL,
    document text NOT NULL,
    received_at timestamptz NOT NULL,
    PRIMARY KEY (deal_id, role),
    CONSTRAINT agreement_end_reported FOREIGN KEY (deal_id, role) REFERENCES ord.agreement_report
);
COMMENT ON TABLE ord.agreement_end IS 'who has ended an agreement before its time: the signed document, the instant it names, and the one that counts';
SELECT sys.make_append_only('ord.agreement_end');
GRANT SELECT, INSERT, UPDATE ON ord.purchase TO naru_app;
GRANT SELECT, INSERT ON ord.agreement_report, ord.agreement_end TO naru_app;
GRANT SELECT ON ord.purchase, ord.agreement_report, ord.agreement_end TO naru_auditor;
