-- Roles and schemas (DESIGN §11). Roles belong to the cluster, so they are made only where they are missing. The login role of the
-- broker is a member of the others and takes one of them per connection (SET ROLE): nothing runs with the rights of the owner.
DO $$
DECLARE
    r text;
BEGIN
    FOREACH r IN ARRAY ARRAY['naru_owner', 'naru_app', 'naru_sealer', 'naru_auditor'] LOOP
        IF NOT EXISTS (SELECT 1 FROM pg_roles WHERE rolname = r) THEN
            EXECUTE format('CREATE ROLE %I NOLOGIN', r);
        END IF;
        IF NOT pg_has_role(current_user, r, 'MEMBER') THEN
            EXECUTE format('GRANT %I TO CURRENT_USER', r);
        END IF;
    END LOOP;
END
$$;

CREATE SCHEMA sys;
CREATE SCHEMA reg;
CREATE SCHEMA cat;
CREATE SCHEMA ord;
CREATE SCHEMA met;
CREATE SCHEMA led;
CREATE SCHEMA bil;
CREATE SCHEMA aud;
COMMENT ON SCHEMA sys IS 'outbox, idempotency, tokens used';
COMMENT ON SCHEMA reg IS 'participants, keys, credentials, access tokens';
COMMENT ON SCHEMA cat IS 'datasets, plans, search index';
COMMENT ON SCHEMA ord IS 'orders and the agreements bound to them';
COMMENT ON SCHEMA met IS 'usage receipts and their matching';
COMMENT ON SCHEMA led IS 'double-entry ledger';
COMMENT ON SCHEMA bil IS 'periods, invoices, statements, payouts';
COMMENT ON SCHEMA aud IS 'append-only Merkle log';
GRANT USAGE ON SCHEMA sys, reg, cat, ord, met, led, bil, aud TO naru_app;
GRANT USAGE ON SCHEMA aud TO naru_sealer;
GRANT USAGE ON SCHEMA aud, led, bil, met, ord TO naru_auditor;

-- One trigger function for every append-only table: nobody updates, deletes or truncates, the owner included.
CREATE FUNCTION sys.refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% is append-only: % refused', TG_TABLE_SCHEMA || '.' || TG_TABLE_NAME, TG_OP
        USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = TG_TABLE_NAME || '_append_only';
END
$$;
CREATE FUNCTION sys.make_append_only(t regclass) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE format('CREATE TRIGGER append_only_row BEFORE UPDATE OR DELETE ON %s FOR EACH ROW EXECUTE FUNCTION sys.refuse_change()', t);
    EXECUTE format('CREATE TRIGGER append_only_table BEFORE TRUNCATE ON %s FOR EACH STATEMENT EXECUTE FUNCTION sys.refuse_change()', t);
    EXECUTE format('ALTER TABLE %s ENABLE ALWAYS TRIGGER append_only_row', t);
    EXECUTE format('ALTER TABLE %s ENABLE ALWAYS TRIGGER append_only_table', t);
END
$$;
REVOKE ALL ON FUNCTION sys.make_append_only(regclass) FROM PUBLIC;

CREATE TABLE sys.outbox (
    id bigint PRIMARY KEY,
    stream text NOT NULL,
    kind text NOT NULL,
    url text NOT NULL,
    audience text NOT NULL,
    body text NOT NULL,
    deadline_us timestamptz NOT NULL,
    attempts bigint NOT NULL DEFAULT 0,
    due_us timestamptz NOT NULL
);
COMMENT ON TABLE sys.outbox IS 'messages to connectors that wait to be sent or repeated (lib/sm/outbox.h)';
GRANT SELECT, INSERT, UPDATE, DELETE ON sys.outbox TO naru_app;

CREATE TABLE sys.idempotency (
    participant_id uuid NOT NULL,
    key text NOT NULL CONSTRAINT idempotency_key_length CHECK (length(key) BETWEEN 1 AND 200),
    body_hash bytea NOT NULL CONSTRAINT idempotency_hash_length CHECK (length(body_hash) = 32),
    status bigint NOT NULL,
    answer text NOT NULL,
    made_at timestamptz NOT NULL,
    PRIMARY KEY (participant_id, key)
);
CREATE INDEX idempotency_made ON sys.idempotency (made_at);
COMMENT ON TABLE sys.idempotency IS 'answers given under an Idempotency-Key: same key and body answers the same, another body conflicts; forgotten after 30 days';
GRANT SELECT, INSERT, DELETE ON sys.idempotency TO naru_app;

CREATE TABLE sys.token_used (
    issuer text NOT NULL,
    jti text NOT NULL,
    expires_at timestamptz NOT NULL,
    PRIMARY KEY (issuer, jti)
);
CREATE INDEX token_used_expiry ON sys.token_used (expires_at);
COMMENT ON TABLE sys.token_used IS 'single use of signed tokens: the insertion is the check';
GRANT SELECT, INSERT, DELETE ON sys.token_used TO naru_app;
