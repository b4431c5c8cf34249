-- Double entry guarded by the database (DESIGN §9): a transfer is one row; balances are a cache that only the trigger writes.
CREATE TABLE led.account (
    account_id uuid PRIMARY KEY,
    owner_id uuid REFERENCES reg.participant,
    code text NOT NULL CONSTRAINT account_code CHECK (code IN ('receivable', 'excess', 'payable', 'prepaid', 'revenue', 'fee', 'vat', 'rounding', 'clearing', 'bank')),
    currency text NOT NULL,
    side text NOT NULL CONSTRAINT account_side CHECK (side IN ('debit', 'credit')),
    credit_limit_minor bigint CONSTRAINT account_limit_natural CHECK (credit_limit_minor >= 0),
    opened_at timestamptz NOT NULL,
    CONSTRAINT account_currency_key UNIQUE (account_id, currency)
);
CREATE UNIQUE INDEX account_one_per_code ON led.account (coalesce(owner_id, '00000000-0000-0000-0000-000000000000'), code, currency);
COMMENT ON TABLE led.account IS 'accounts of participants and, without owner, of the operator; credit_limit_minor bounds debits net of credits (posted and held)';
CREATE TABLE led.balance (
    account_id uuid PRIMARY KEY REFERENCES led.account,
    limit_minor bigint,
    debits_posted bigint NOT NULL DEFAULT 0 CONSTRAINT balance_debits_posted_natural CHECK (debits_posted >= 0),
    credits_posted bigint NOT NULL DEFAULT 0 CONSTRAINT balance_credits_posted_natural CHECK (credits_posted >= 0),
    debits_pending bigint NOT NULL DEFAULT 0 CONSTRAINT balance_debits_pending_natural CHECK (debits_pending >= 0),
    credits_pending bigint NOT NULL DEFAULT 0 CONSTRAINT balance_credits_pending_natural CHECK (credits_pending >= 0),
    CONSTRAINT balance_credit_limit CHECK (limit_minor IS NULL OR debits_posted + debits_pending - credits_posted <= limit_minor)
) WITH (fillfactor = 50);
COMMENT ON TABLE led.balance IS 'sums of transfers per account; written by the trigger on led.transfer only';
CREATE TABLE led.transfer (
    transfer_id uuid PRIMARY KEY,
    kind text NOT NULL CONSTRAINT transfer_kind CHECK (kind IN ('normal', 'hold', 'capture', 'void')),
    pending_id uuid REFERENCES led.transfer,
    reverses_id uuid REFERENCES led.transfer,
    journal_id uuid NOT NULL,
    debit_id uuid NOT NULL,
    credit_id uuid NOT NULL,
    amount_minor bigint NOT NULL CONSTRAINT transfer_amount_positive CHECK (amount_minor > 0),
    currency text NOT NULL,
    code text NOT NULL,
    effective_at timestamptz NOT NULL,
    recorded_at timestamptz NOT NULL DEFAULT now(),
    body_hash bytea NOT NULL CONSTRAINT transfer_hash_length CHECK (length(body_hash) = 32),
    CONSTRAINT transfer_two_accounts CHECK (debit_id <> credit_id),
    CONSTRAINT transfer_pending_given CHECK ((kind IN ('capture', 'void')) = (pending_id IS NOT NULL)),
    CONSTRAINT transfer_debit_currency FOREIGN KEY (debit_id, currency) REFERENCES led.account (account_id, currency),
    CONSTRAINT transfer_credit_currency FOREIGN KEY (credit_id, currency) REFERENCES led.account (account_id, currency)
);
CREATE UNIQUE INDEX transfer_hold_resolved_once ON led.transfer (pending_id) WHERE pending_id IS NOT NULL;
CREATE UNIQUE INDEX transfer_reversed_once ON led.transfer (reverses_id) WHERE reverses_id IS NOT NULL;
CREATE INDEX transfer_journal ON led.transfer (journal_id);
CREATE INDEX transfer_debit ON led.transfer (debit_id, transfer_id);
CREATE INDEX transfer_credit ON led.transfer (credit_id, transfer_id);
COMMENT ON TABLE led.transfer IS 'postings: debit and credit of one amount; a hold reserves, a capture (amount <= hold) posts, a void releases';
SELECT sys.make_append_only('led.account');
SELECT sys.make_append_only('led.transfer');

CREATE FUNCTION led.open_balance() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
BEGIN
    INSERT INTO led.balance (account_id, limit_minor) VALUES (NEW.account_id, NEW.credit_limit_minor);
    RETURN NULL;
END
$$;
CREATE TRIGGER account_balance AFTER INSERT ON led.account FOR EACH ROW EXECUTE FUNCTION led.open_balance();

CREATE FUNCTION led.apply_transfers() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
DECLARE
    bad uuid;
BEGIN
    SELECT n.transfer_id INTO bad
      FROM fresh n JOIN led.transfer h ON h.transfer_id = n.pending_id
     WHERE h.kind <> 'hold' OR n.amount_minor > h.amount_minor OR n.debit_id <> h.debit_id
        OR n.credit_id <> h.credit_id OR n.currency <> h.currency OR (n.kind = 'void' AND n.amount_minor <> h.amount_minor)
     LIMIT 1;
    IF bad IS NOT NULL THEN
        RAISE EXCEPTION 'transfer % does not fit its hold', bad
            USING ERRCODE = 'check_violation', CONSTRAINT = 'transfer_fits_hold';
    END IF;
    SELECT n.transfer_id INTO bad
      FROM fresh n JOIN led.transfer r ON r.transfer_id = n.reverses_id
     WHERE n.kind <> 'normal' OR r.kind NOT IN ('normal', 'capture') OR n.amount_minor <> r.amount_minor
        OR n.debit_id <> r.credit_id OR n.credit_id <> r.debit_id
     LIMIT 1;
    IF bad IS NOT NULL THEN
        RAISE EXCEPTION 'transfer % does not mirror what it reverses', bad
            USING ERRCODE = 'check_violation', CONSTRAINT = 'transfer_mirrors_original';
    END IF;
    PERFORM 1 FROM led.balance b
      WHERE b.account_id IN (SELECT debit_id FROM fresh UNION SELECT credit_id FROM fresh)
      ORDER BY b.account_id FOR NO KEY UPDATE;
    WITH leg AS (
        SELECT n.debit_id AS account_id, n.amount_minor * (n.kind IN ('normal', 'capture'))::int AS dp, 0::bigint AS cp,
               CASE n.kind WHEN 'hold' THEN n.amount_minor WHEN 'capture' THEN -h.amount_minor WHEN 'void' THEN -h.amount_minor ELSE 0 END AS dh,
               0::bigint AS ch
          FROM fresh n LEFT JOIN led.transfer h ON h.transfer_id = n.pending_id
        UNION ALL
        SELECT n.credit_id, 0, n.amount_minor * (n.kind IN ('normal', 'capture'))::int, 0,
               CASE n.kind WHEN 'hold' THEN n.amount_minor WHEN 'capture' THEN -h.amount_minor WHEN 'void' THEN -h.amount_minor ELSE 0 END
          FROM fresh n LEFT JOIN led.transfer h ON h.transfer_id = n.pending_id
    ), delta AS (
        SELECT account_id, sum(dp)::bigint AS dp, sum(cp)::bigint AS cp, sum(dh)::bigint AS dh, sum(ch)::bigint AS ch
          FROM leg GROUP BY account_id
    )
    UPDATE led.balance b
       SET debits_posted = b.debits_posted + d.dp, credits_posted = b.credits_posted + d.cp,
           debits_pending = b.debits_pending + d.dh, credits_pending = b.credits_pending + d.ch
      FROM delta d WHERE b.account_id = d.account_id;
    RETURN NULL;
END
$$;
CREATE TRIGGER transfer_balances AFTER INSERT ON led.transfer REFERENCING NEW TABLE AS fresh
    FOR EACH STATEMENT EXECUTE FUNCTION led.apply_transfers();
ALTER TABLE led.transfer ENABLE ALWAYS TRIGGER transfer_balances;

-- A period close must know how much of an invoice fits below the credit limit before it posts; the balances stay locked until its end.
CREATE FUNCTION led.headroom(accounts uuid[]) RETURNS TABLE (account_id uuid, headroom_minor bigint)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
BEGIN
    PERFORM 1 FROM led.balance b WHERE b.account_id = ANY (accounts) ORDER BY b.account_id FOR NO KEY UPDATE;
    RETURN QUERY
        SELECT b.account_id, greatest(b.limit_minor - b.debits_posted - b.debits_pending + b.credits_posted, 0)
          FROM led.balance b
         WHERE b.account_id = ANY (accounts) AND b.limit_minor IS NOT NULL
         ORDER BY b.account_id;
END
$$;
REVOKE ALL ON FUNCTION led.headroom(uuid[]), led.open_balance(), led.apply_transfers() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION led.headroom(uuid[]) TO naru_app;
GRANT SELECT, INSERT ON led.account TO naru_app;
GRANT SELECT ON led.balance, led.transfer TO naru_app;
GRANT INSERT (transfer_id, kind, pending_id, reverses_id, journal_id, debit_id, credit_id, amount_minor, currency, code, effective_at, body_hash)
    ON led.transfer TO naru_app;
GRANT SELECT ON led.account, led.balance, led.transfer TO naru_auditor;
