-- Duties of agreements as tracked work (connector/duty, docs/policy.md "Duties"). A row is made in the transaction in which the agreement becomes
-- final; its id is the same on both sides. `next_us` is the instant at which the connector has to look at it again.
CREATE TABLE duty (
    duty_id text PRIMARY KEY,
    agreement_id text NOT NULL REFERENCES agreement,
    role text NOT NULL CONSTRAINT duty_role CHECK (role IN ('consumer', 'provider')),
    debtor text NOT NULL CONSTRAINT duty_debtor CHECK (debtor IN ('consumer', 'provider')),
    action text NOT NULL,
    rule text NOT NULL,
    provide bigint NOT NULL DEFAULT 0,
    at_end bigint NOT NULL DEFAULT 0,
    state text NOT NULL CONSTRAINT duty_state CHECK (state IN ('open', 'overdue', 'done', 'late', 'waived')),
    state_us bigint NOT NULL,
    created_us bigint NOT NULL,
    due_us bigint,
    act_us bigint,
    next_us bigint,
    acted_us bigint,
    tokens bigint NOT NULL DEFAULT 0,
    files bigint NOT NULL DEFAULT 0,
    bytes bigint NOT NULL DEFAULT 0,
    digests text,
    done_by text,
    statement text,
    document text,
    peer_told text,
    broker_told text
);
CREATE INDEX duty_next ON duty (next_us, duty_id) WHERE next_us IS NOT NULL;
CREATE INDEX duty_waits ON duty (action, agreement_id) WHERE state IN ('open', 'overdue');
CREATE INDEX duty_agreement ON duty (agreement_id);
CREATE INDEX duty_created ON duty (created_us, duty_id);

-- Copies of data that somebody has noted, so that they are deleted when that is owed.
CREATE TABLE held_copy (
    copy_id text PRIMARY KEY,
    agreement_id text NOT NULL REFERENCES agreement,
    path text NOT NULL,
    digest text NOT NULL,
    bytes bigint NOT NULL,
    stamp text, -- of the file itself, if the connector can delete it; else its operator does
    noted_us bigint NOT NULL,
    deleted_us bigint,
    CONSTRAINT held_copy_once UNIQUE (agreement_id, path)
);
