-- What the parties of an agreement say of its duties: signed documents, kept as they came.
CREATE TABLE ord.duty_word (
    deal_id uuid NOT NULL,
    duty_id uuid NOT NULL,
    role text NOT NULL,
    state text NOT NULL CONSTRAINT duty_word_state CHECK (state IN ('overdue', 'done', 'waived')),
    agreement_id text COLLATE "C" NOT NULL,
    provider text NOT NULL,
    consumer text NOT NULL,
    debtor text NOT NULL CONSTRAINT duty_word_debtor CHECK (debtor IN ('provider', 'consumer')),
    action text NOT NULL,
    due_at timestamptz,
    stated_at timestamptz NOT NULL,
    deletion boolean NOT NULL,
    document text NOT NULL,
    remark text,
    received_at timestamptz NOT NULL,
    PRIMARY KEY (deal_id, duty_id, role, state),
    CONSTRAINT duty_word_reported FOREIGN KEY (deal_id, role) REFERENCES ord.agreement_report
);
CREATE INDEX duty_word_received ON ord.duty_word (received_at, duty_id);
CREATE INDEX duty_word_provider ON ord.duty_word (provider);
CREATE INDEX duty_word_consumer ON ord.duty_word (consumer);
COMMENT ON TABLE ord.duty_word IS 'what one side of an agreement says of a duty: overdue, done (a deletion with its own statement), waived; remark: the text whose hash the document has';
SELECT sys.make_append_only('ord.duty_word');
GRANT SELECT, INSERT ON ord.duty_word TO naru_app;
GRANT SELECT ON ord.duty_word TO naru_auditor;
