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

-- In a table that replicas share a message goes to who has the others of its stream, behind them; ids end in the number of their maker.
-- name: outbox_shared_insert [pg]
-- in:   id:i64 stream:text kind:text url:text audience:text body:text deadline_us:i64 attempts:i64 due_us:i64 owner:i64
-- out:  id:i64 owner:i64 behind:bool
INSERT INTO outbox (id, stream, kind, url, audience, body, deadline_us, attempts, due_us, owner)
SELECT CASE WHEN o.id >= $1 THEN (o.id / 1024 + 1) * 1024 + $10 ELSE $1 END, $2, $3, $4, $5, $6, $7, $8, $9, coalesce(o.owner, $10)
  FROM (SELECT 1 AS n) AS one
  LEFT JOIN (SELECT id, owner FROM outbox WHERE stream = $2 ORDER BY id DESC LIMIT 1) AS o ON true
RETURNING id, owner, EXISTS (SELECT 1 FROM outbox AS b WHERE b.stream = outbox.stream AND b.id < outbox.id) AS behind;

-- name: outbox_shared_delete [pg]
-- in:   id:i64 owner:i64
-- out:
DELETE FROM outbox
 WHERE id = $1
   AND owner = $2;

-- name: outbox_shared_repeat [pg]
-- in:   id:i64 attempts:i64 due_us:i64 owner:i64
-- out:
UPDATE outbox
   SET attempts = $2,
       due_us = $3
 WHERE id = $1
   AND owner = $4;

-- name: outbox_shared_pending [pg]
-- in:   owner:i64
-- out:  id:i64 stream:text kind:text url:text audience:text body:text deadline_us:i64 attempts:i64 due_us:i64 owner:i64
SELECT id, stream, kind, url, audience, body, deadline_us, attempts, due_us, owner
  FROM outbox
 WHERE owner = $1
 ORDER BY id;

-- name: outbox_shared_one [pg]
-- in:   id:i64 owner:i64
-- out:  id:i64 stream:text kind:text url:text audience:text body:text deadline_us:i64 attempts:i64 due_us:i64 owner:i64
SELECT id, stream, kind, url, audience, body, deadline_us, attempts, due_us, owner
  FROM outbox
 WHERE id = $1
   AND owner = $2;

-- name: outbox_shared_first [pg]
-- in:   owner:i64 most:i64
-- out:  id:i64 stream:text kind:text url:text audience:text body:text deadline_us:i64 attempts:i64 due_us:i64
SELECT id, stream, kind, url, audience, body, deadline_us, attempts, due_us
  FROM outbox
 WHERE owner = $1
 ORDER BY id
 LIMIT $2;

-- name: outbox_shared_move [pg]
-- in:   from_owner:i64 last_id:i64 to_owner:i64
-- out:
UPDATE outbox
   SET owner = $3
 WHERE owner = $1
   AND id <= $2;
