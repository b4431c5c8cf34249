-- name: ledger_account_find
-- in:   account_id:uuid
-- out:  code:text
SELECT code
  FROM led.account
 WHERE account_id = $1;

-- name: ledger_account_open
-- in:   account_id:uuid owner_id:uuid code:text currency:text side:text credit_limit_minor:i64 opened_at:time
-- out:
INSERT INTO led.account (account_id, owner_id, code, currency, side, credit_limit_minor, opened_at)
VALUES ($1, $2, $3, $4, $5, $6, $7)
    ON CONFLICT DO NOTHING;

-- name: ledger_post
-- in:   transfer_id:uuid[] kind:text[] pending_id:uuid[] reverses_id:uuid[] journal_id:uuid[] debit_id:uuid[] credit_id:uuid[]
--       amount_minor:i64[] currency:text[] code:text[] effective_at:time[] body_hash:bytes[]
-- out:  transfer_id:uuid
INSERT INTO led.transfer (transfer_id, kind, pending_id, reverses_id, journal_id, debit_id, credit_id, amount_minor, currency, code,
                          effective_at, body_hash)
SELECT u.transfer_id, u.kind, nullif(u.pending_id, '00000000-0000-0000-0000-000000000000'),
       nullif(u.reverses_id, '00000000-0000-0000-0000-000000000000'), u.journal_id, u.debit_id, u.credit_id, u.amount_minor,
       u.currency, u.code, u.effective_at, u.body_hash
  FROM unnest($1::uuid[], $2::text[], $3::uuid[], $4::uuid[], $5::uuid[], $6::uuid[], $7::uuid[], $8::bigint[], $9::text[],
              $10::text[], $11::timestamptz[], $12::bytea[])
       WITH ORDINALITY AS u (transfer_id, kind, pending_id, reverses_id, journal_id, debit_id, credit_id, amount_minor, currency,
                             code, effective_at, body_hash, n)
 ORDER BY u.n
    ON CONFLICT (transfer_id) DO NOTHING
RETURNING transfer_id;

-- name: ledger_differing
-- in:   transfer_id:uuid[] body_hash:bytes[]
-- out:  transfer_id:uuid
SELECT u.transfer_id
  FROM unnest($1::uuid[], $2::bytea[]) AS u (transfer_id, body_hash)
  LEFT JOIN led.transfer t USING (transfer_id)
 WHERE t.body_hash IS DISTINCT FROM u.body_hash
 ORDER BY u.transfer_id
 LIMIT 1;
