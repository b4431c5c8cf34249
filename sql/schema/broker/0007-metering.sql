-- Receipts (DESIGN §8): an event once per reporter and role, sequences without gap per reporter and agreement.
CREATE TABLE met.batch (
    batch_id uuid PRIMARY KEY,
    batch_hash bytea NOT NULL CONSTRAINT batch_hash_length CHECK (length(batch_hash) = 32),
    reporter_id uuid NOT NULL REFERENCES reg.participant,
    signature text NOT NULL,
    lines bigint NOT NULL,
    received_at timestamptz NOT NULL
);
COMMENT ON TABLE met.batch IS 'signed batches of receipts; the id is derived from reporter and hash, so the same bytes of two reporters are two batches';
SELECT sys.make_append_only('met.batch');
CREATE TABLE met.batch_answer (
    batch_id uuid PRIMARY KEY REFERENCES met.batch,
    answer text NOT NULL
);
COMMENT ON TABLE met.batch_answer IS 'what was answered: a repeated batch gets the same answer';
SELECT sys.make_append_only('met.batch_answer');
CREATE TABLE met.receipt (
    event_id uuid NOT NULL,
    role text NOT NULL CONSTRAINT receipt_role CHECK (role IN ('provider', 'consumer')),
    reporter_id uuid NOT NULL,
    deal_id uuid NOT NULL,
    seq bigint NOT NULL CONSTRAINT receipt_seq_positive CHECK (seq > 0),
    transfer text NOT NULL,
    since_at timestamptz NOT NULL,
    until_at timestamptz NOT NULL,
    calls bigint NOT NULL CONSTRAINT receipt_calls_natural CHECK (calls >= 0),
    bytes bigint NOT NULL CONSTRAINT receipt_bytes_natural CHECK (bytes >= 0),
    rows bigint NOT NULL CONSTRAINT receipt_rows_natural CHECK (rows >= 0),
    batch_id uuid NOT NULL,
    line bigint NOT NULL CONSTRAINT receipt_line_positive CHECK (line > 0),
    body_hash bytea NOT NULL CONSTRAINT receipt_hash_length CHECK (length(body_hash) = 32),
    received_at timestamptz NOT NULL,
    PRIMARY KEY (event_id, role, reporter_id),
    CONSTRAINT receipt_seq_once UNIQUE (deal_id, role, seq),
    CONSTRAINT receipt_time_order CHECK (since_at <= until_at)
);
COMMENT ON TABLE met.receipt IS 'usage receipts of both sides; a reporter has one role in a deal (ord.agreement_report); batch and line say where each was signed';
SELECT sys.make_append_only('met.receipt');
-- A foreign key would look at every row; all rows of a statement have one batch, and neither table ever loses rows.
CREATE FUNCTION met.check_batch() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
BEGIN
    IF EXISTS (SELECT 1 FROM (SELECT DISTINCT batch_id, reporter_id FROM fresh) f
                 LEFT JOIN met.batch b USING (batch_id, reporter_id) WHERE b.lines IS NULL) THEN
        RAISE EXCEPTION 'a receipt has no batch of its reporter'
            USING ERRCODE = 'foreign_key_violation', CONSTRAINT = 'receipt_batch';
    END IF;
    RETURN NULL;
END
$$;
REVOKE ALL ON FUNCTION met.check_batch() FROM PUBLIC;
CREATE TRIGGER receipt_batch AFTER INSERT ON met.receipt REFERENCING NEW TABLE AS fresh
    FOR EACH STATEMENT EXECUTE FUNCTION met.check_batch();
ALTER TABLE met.receipt ENABLE ALWAYS TRIGGER receipt_batch;
CREATE TABLE met.resolution (
    event_id uuid NOT NULL,
    deal_id uuid NOT NULL,
    state text NOT NULL CONSTRAINT resolution_state CHECK (state IN ('provider', 'consumer', 'lower', 'waived')),
    decided_by uuid NOT NULL,
    decided_at timestamptz NOT NULL,
    PRIMARY KEY (event_id, deal_id)
);
COMMENT ON TABLE met.resolution IS 'disputed events that were decided';
SELECT sys.make_append_only('met.resolution');
GRANT SELECT, INSERT ON met.batch, met.batch_answer, met.receipt, met.resolution TO naru_app;
GRANT SELECT ON met.batch, met.batch_answer, met.receipt, met.resolution TO naru_auditor;
