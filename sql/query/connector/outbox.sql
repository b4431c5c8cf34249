-- name: outbox_insert
-- in:   id:i64 stream:text kind:text url:text audience:text body:text deadline_us:i64 attempts:i64 due_us:i64
-- out:
INSERT INTO outbox (id, stream, kind, url, audience, body, deadline_us, attempts, due_us)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9);

-- name: outbox_delete
-- in:   id:i64
-- out:
DELETE FROM outbox
 WHERE id = $1;

-- name: outbox_repeat
-- in:   id:i64 attempts:i64 due_us:i64
-- out:
UPDATE outbox
   SET attempts = $2,
       due_us = $3
 WHERE id = $1;

-- name: outbox_pending
-- in:
-- out:  id:i64 stream:text kind:text url:text audience:text body:text deadline_us:i64 attempts:i64 due_us:i64
SELECT id, stream, kind, url, audience, body, deadline_us, attempts, due_us
  FROM outbox
 ORDER BY id;
