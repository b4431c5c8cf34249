-- name: dsp_transfer_get
-- in:   id:text
-- out:  id:text role:text peer_pid:text peer_id:text peer_address:text protocol:text state:i64 asset_id:text agreement_id:text format:text data_address:text error:text held:text
SELECT transfer_id AS id, role, peer_pid, peer_id, peer_address, protocol, state, asset_id, agreement_id, format, data_address, error, held
  FROM transfer
 WHERE transfer_id = $1;

-- name: dsp_transfer_by_peer
-- in:   peer_id:text role:text peer_pid:text
-- out:  id:text role:text peer_pid:text peer_id:text peer_address:text protocol:text state:i64 asset_id:text agreement_id:text format:text data_address:text error:text held:text
SELECT transfer_id AS id, role, peer_pid, peer_id, peer_address, protocol, state, asset_id, agreement_id, format, data_address, error, held
  FROM transfer
 WHERE peer_id = $1
   AND role = $2
   AND peer_pid = $3;

-- name: dsp_transfer_lock [sqlite]
-- in:   id:text message_id:text
-- out:  state:i64 peer_pid:text error:text listened:i64 deprovision:i64 seen:i64
SELECT n.state, n.peer_pid, n.error, CAST(CASE WHEN n.callbacks IS NULL THEN 0 ELSE 1 END AS bigint) AS listened,
       CAST(CASE WHEN n.deprovisioned_us = 0 THEN 1 ELSE 0 END AS bigint) AS deprovision,
       (SELECT count(*) FROM message_seen m WHERE m.process_id = $1 AND m.message_id = $2) AS seen
  FROM transfer n
 WHERE n.transfer_id = $1;

-- name: dsp_transfer_lock [pg]
-- in:   id:text message_id:text
-- out:  state:i64 peer_pid:text error:text listened:i64 deprovision:i64 seen:i64
SELECT n.state, n.peer_pid, n.error, CAST(CASE WHEN n.callbacks IS NULL THEN 0 ELSE 1 END AS bigint) AS listened,
       CAST(CASE WHEN n.deprovisioned_us = 0 THEN 1 ELSE 0 END AS bigint) AS deprovision,
       (SELECT count(*) FROM message_seen m WHERE m.process_id = $1 AND m.message_id = $2) AS seen
  FROM transfer n
 WHERE n.transfer_id = $1
   FOR UPDATE OF n;

-- What was judged while its agreement stood, and is written after the end of it, is due at once.
-- name: dsp_transfer_insert
-- in:   id:text role:text peer_pid:text peer_id:text peer_address:text protocol:text state:i64 now_us:i64 agreement_id:text asset_id:text
--       format:text data_address:text private_properties:text callbacks:text error:text decide_us:i64
-- out:
INSERT INTO transfer (transfer_id, role, peer_pid, peer_id, peer_address, protocol, state, state_us, agreement_id, asset_id, format,
                      data_address, private_properties, callbacks, error, created_us, decide_us, history)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $8,
        CASE WHEN $16 IS NOT NULL AND EXISTS (SELECT 1
                                                FROM agreement a
                                               WHERE a.agreement_id = $9
                                                 AND coalesce(a.ended_us, a.retired_us) IS NOT NULL) THEN 0 ELSE $16 END,
        '!' || CAST($7 AS text) || '@' || CAST($8 AS text));

-- name: dsp_transfer_advance
-- in:   id:text state:i64 now_us:i64 peer_pid:text error:text decide_us:i64 held:text
-- out:
UPDATE transfer
   SET state = $2,
       state_us = $3,
       history = CASE WHEN length(history) > 4000 THEN substr(history, 2000) ELSE history END || ' ' || CAST($2 AS text) || '@' || CAST($3 AS text),
       peer_pid = coalesce(peer_pid, $4),
       error = nullif(coalesce($5, error), ''),
       decide_us = CASE WHEN $2 IN (750, 800, 825, 850) THEN NULL
                        WHEN $6 IS NOT NULL AND EXISTS (SELECT 1
                                                          FROM agreement a
                                                         WHERE a.agreement_id = transfer.agreement_id
                                                           AND coalesce(a.ended_us, a.retired_us) IS NOT NULL) THEN 0
                        ELSE coalesce($6, decide_us) END,
       held = CASE WHEN $2 IN (750, 800, 825, 850) THEN NULL ELSE nullif(coalesce($7, held), '') END
 WHERE transfer_id = $1;

-- name: dsp_transfer_settle
-- in:   id:text sending:i64 rest:i64 now_us:i64 peer_pid:text
-- out:  error:text listened:i64 deprovision:i64
UPDATE transfer
   SET state = $3,
       state_us = $4,
       history = CASE WHEN length(history) > 4000 THEN substr(history, 2000) ELSE history END || ' ' || CAST($3 AS text) || '@' || CAST($4 AS text),
       peer_pid = coalesce(peer_pid, $5)
 WHERE transfer_id = $1
   AND state = $2
RETURNING error, CAST(CASE WHEN callbacks IS NULL THEN 0 ELSE 1 END AS bigint) AS listened,
          CAST(CASE WHEN deprovisioned_us = 0 THEN 1 ELSE 0 END AS bigint) AS deprovision;

-- name: dsp_transfer_end_of
-- in:   id:text
-- out:  state:i64 listened:i64 deprovision:i64 deprovisioned:i64
SELECT state, CAST(CASE WHEN callbacks IS NULL THEN 0 ELSE 1 END AS bigint) AS listened,
       CAST(CASE WHEN deprovisioned_us = 0 THEN 1 ELSE 0 END AS bigint) AS deprovision,
       CAST(CASE WHEN deprovisioned_us > 0 THEN 1 ELSE 0 END AS bigint) AS deprovisioned
  FROM transfer
 WHERE transfer_id = $1;

-- name: dsp_transfer_deprovision_asked
-- in:   id:text
-- out:
UPDATE transfer
   SET deprovisioned_us = 0
 WHERE transfer_id = $1;

-- name: dsp_transfer_deprovisioned
-- in:   id:text now_us:i64 state:i64
-- out:
UPDATE transfer
   SET deprovisioned_us = $2,
       history = CASE WHEN length(history) > 4000 THEN substr(history, 2000) ELSE history END || ' ' || CAST($3 AS text) || '@' || CAST($2 AS text)
 WHERE transfer_id = $1;

-- name: dsp_transfer_learn
-- in:   id:text peer_pid:text
-- out:
UPDATE transfer
   SET peer_pid = $2
 WHERE transfer_id = $1
   AND peer_pid IS NULL;

-- name: dsp_transfer_running
-- in:   agreement_id:text most:i64
-- out:  id:text role:text peer_pid:text peer_id:text peer_address:text protocol:text state:i64 asset_id:text agreement_id:text format:text data_address:text error:text held:text
SELECT transfer_id AS id, role, peer_pid, peer_id, peer_address, protocol, state, asset_id, agreement_id, format, data_address, error, held
  FROM transfer
 WHERE agreement_id = $1
   AND state NOT IN (800, 825, 850)
 ORDER BY transfer_id
 LIMIT $2;

-- name: dsp_transfer_undecided
-- in:   now_us:i64 most:i64
-- out:  id:text role:text peer_pid:text peer_id:text peer_address:text protocol:text state:i64 asset_id:text agreement_id:text format:text data_address:text error:text held:text
SELECT transfer_id AS id, role, peer_pid, peer_id, peer_address, protocol, state, asset_id, agreement_id, format, data_address, error, held
  FROM transfer
 WHERE decide_us IS NOT NULL
   AND decide_us <= $1
 ORDER BY decide_us, transfer_id
 LIMIT $2;

-- The transfers of an agreement that has ended.
-- name: dsp_transfer_over
-- in:   agreement_id:text
-- out:
UPDATE transfer
   SET decide_us = 0
 WHERE agreement_id = $1
   AND state NOT IN (800, 825, 850);

-- name: dsp_transfer_decided
-- in:   id:text decide_us:i64 held:text
-- out:
UPDATE transfer
   SET decide_us = $2,
       held = nullif(coalesce($3, held), '')
 WHERE transfer_id = $1;

-- name: dsp_transfer_decide_next
-- in:
-- out:  due_us:i64
SELECT decide_us AS due_us
  FROM transfer
 WHERE decide_us IS NOT NULL
 ORDER BY decide_us, transfer_id
 LIMIT 1;

-- name: dsp_transfer_doubt
-- in:   peer_id:text most:i64
-- out:
UPDATE transfer
   SET decide_us = 0
 WHERE transfer_id IN (SELECT transfer_id
                         FROM transfer
                        WHERE peer_id = $1
                          AND decide_us IS NOT NULL
                          AND decide_us > 0
                        ORDER BY decide_us, transfer_id
                        LIMIT $2);

-- name: dsp_transfer_doubt_all
-- in:   most:i64
-- out:
UPDATE transfer
   SET decide_us = 0
 WHERE transfer_id IN (SELECT transfer_id
                         FROM transfer
                        WHERE decide_us IS NOT NULL
                          AND decide_us > 0
                        ORDER BY decide_us, transfer_id
                        LIMIT $1);

-- What a program before this one has left without an instant is decided with the others.
-- name: dsp_transfer_adopt
-- in:
-- out:
UPDATE transfer
   SET decide_us = 0
 WHERE decide_us IS NULL
   AND state IN (550, 600, 650, 700, 720);

-- name: dsp_edr_drop
-- in:   transfer_id:text
-- out:
DELETE FROM edr
 WHERE transfer_id = $1;
