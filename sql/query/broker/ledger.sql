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

-- name: ledger_hold
-- in:   transfer_id:uuid
-- out:  kind:text journal_id:uuid debit_id:uuid credit_id:uuid amount_minor:i64 currency:text resolved:text
SELECT h.kind, h.journal_id, h.debit_id, h.credit_id, h.amount_minor, h.currency, r.kind AS resolved
  FROM led.transfer h
  LEFT JOIN led.transfer r ON r.pending_id = h.transfer_id
 WHERE h.transfer_id = $1;

-- name: ledger_trial_balance
-- in:
-- out:  currency:text code:text side:text accounts:i64 debits:i64 credits:i64 held_debits:i64 held_credits:i64
SELECT a.currency, a.code, min(a.side) AS side, count(*) AS accounts, sum(b.debits_posted)::bigint AS debits,
       sum(b.credits_posted)::bigint AS credits, sum(b.debits_pending)::bigint AS held_debits,
       sum(b.credits_pending)::bigint AS held_credits
  FROM led.account a
  JOIN led.balance b USING (account_id)
 GROUP BY a.currency, a.code
 ORDER BY a.currency, a.code;

-- name: ledger_posted
-- in:
-- out:  currency:text transfers:i64 posted:i64
SELECT currency, count(*) AS transfers, (sum(amount_minor) FILTER (WHERE kind IN ('normal', 'capture')))::bigint AS posted
  FROM led.transfer
 GROUP BY currency
 ORDER BY currency;

-- name: ledger_accounts
-- in:   owner_id:uuid after:uuid most:i64
-- out:  account_id:uuid owner_id:uuid did:text code:text currency:text side:text limit_minor:i64 debits:i64 credits:i64
--       held_debits:i64 held_credits:i64 opened_at:time
SELECT a.account_id, a.owner_id, p.did, a.code, a.currency, a.side, coalesce(b.limit_minor, -1) AS limit_minor, b.debits_posted AS debits,
       b.credits_posted AS credits, b.debits_pending AS held_debits, b.credits_pending AS held_credits, a.opened_at
  FROM led.account a
  JOIN led.balance b USING (account_id)
  LEFT JOIN reg.participant p ON p.participant_id = a.owner_id
 WHERE ($1::uuid IS NULL OR a.owner_id = $1)
   AND ($2::uuid IS NULL OR a.account_id > $2)
 ORDER BY a.account_id
 LIMIT $3;
