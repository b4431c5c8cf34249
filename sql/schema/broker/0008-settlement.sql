-- Period close, invoices, provider statements, payouts. All append-only; ids are derived, so a rerun finds what it made.
CREATE TABLE bil.period (
    period_id uuid PRIMARY KEY,
    name text NOT NULL CONSTRAINT period_name_unique UNIQUE,
    from_at timestamptz NOT NULL,
    to_at timestamptz NOT NULL,
    closed_at timestamptz NOT NULL,
    CONSTRAINT period_half_open CHECK (from_at < to_at),
    CONSTRAINT period_no_overlap EXCLUDE USING gist (tstzrange(from_at, to_at) WITH &&)
);
COMMENT ON TABLE bil.period IS 'closed periods, half open';
CREATE TABLE bil.document (
    document_id uuid PRIMARY KEY,
    kind text NOT NULL CONSTRAINT document_kind CHECK (kind IN ('invoice', 'statement')),
    number text NOT NULL CONSTRAINT document_number_unique UNIQUE,
    period_id uuid NOT NULL REFERENCES bil.period,
    participant_id uuid NOT NULL REFERENCES reg.participant,
    currency text NOT NULL,
    net_minor bigint NOT NULL,
    vat_minor bigint NOT NULL,
    fee_minor bigint NOT NULL DEFAULT 0,
    total_minor bigint NOT NULL,
    body text NOT NULL,
    parties text NOT NULL,
    issued_at timestamptz NOT NULL
);
CREATE INDEX document_participant ON bil.document (participant_id, issued_at DESC);
CREATE INDEX document_period ON bil.document (period_id, number);
COMMENT ON TABLE bil.document IS 'invoices to consumers and self-billing statements to providers; body is canonical JSON and goes into the log, parties (names and numbers of companies) goes there as its hash only';
CREATE TABLE bil.billed_order (
    order_id uuid NOT NULL REFERENCES ord.purchase,
    period_id uuid NOT NULL REFERENCES bil.period,
    invoice_id uuid NOT NULL REFERENCES bil.document,
    statement_id uuid NOT NULL REFERENCES bil.document,
    PRIMARY KEY (order_id, period_id)
);
COMMENT ON TABLE bil.billed_order IS 'which documents hold an order; an order without a row has not had its first period';
CREATE TABLE bil.unbilled_order (
    order_id uuid NOT NULL REFERENCES ord.purchase,
    period_id uuid NOT NULL REFERENCES bil.period,
    reason text NOT NULL,
    PRIMARY KEY (order_id, period_id)
);
COMMENT ON TABLE bil.unbilled_order IS 'orders whose amounts a close could not work out: their events stay open, the operator decides';
CREATE TABLE bil.billed_event (
    event_id uuid NOT NULL,
    deal_id uuid NOT NULL,
    period_id uuid NOT NULL REFERENCES bil.period,
    calls bigint NOT NULL,
    bytes bigint NOT NULL,
    rows bigint NOT NULL,
    match_state text NOT NULL,
    PRIMARY KEY (event_id, deal_id)
);
COMMENT ON TABLE bil.billed_event IS 'events that a close has billed, with the quantities it used: late usage goes into the next period once';
CREATE TABLE bil.payout (
    payout_id uuid PRIMARY KEY,
    period_id uuid NOT NULL REFERENCES bil.period,
    participant_id uuid NOT NULL REFERENCES reg.participant,
    document_id uuid NOT NULL REFERENCES bil.document,
    currency text NOT NULL,
    amount_minor bigint NOT NULL CONSTRAINT payout_amount_positive CHECK (amount_minor > 0),
    made_at timestamptz NOT NULL
);
COMMENT ON TABLE bil.payout IS 'payment instructions to providers (ISO 20022 pain.001); the id is the EndToEndId';
SELECT sys.make_append_only('bil.period');
SELECT sys.make_append_only('bil.document');
SELECT sys.make_append_only('bil.billed_order');
SELECT sys.make_append_only('bil.unbilled_order');
SELECT sys.make_append_only('bil.billed_event');
SELECT sys.make_append_only('bil.payout');
GRANT SELECT, INSERT ON bil.period, bil.document, bil.billed_order, bil.unbilled_order, bil.billed_event, bil.payout TO naru_app;
GRANT SELECT ON bil.period, bil.document, bil.billed_order, bil.unbilled_order, bil.billed_event, bil.payout TO naru_auditor;
