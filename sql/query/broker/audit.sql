-- name: audit_append
-- in:   entries:text[]
-- out:
WITH noted AS (
    SELECT pg_notify('naru_audit', '')
)
INSERT INTO aud.pending (entry)
SELECT u.entry
  FROM noted, unnest($1::text[]) WITH ORDINALITY AS u (entry, n)
 ORDER BY u.n;

-- name: sealer_lock
-- in:
-- out:  locked:bool
SELECT pg_try_advisory_lock(4853, 1) AS locked;

-- name: sealer_last
-- in:
-- out:  tree_size:i64 root:bytes
SELECT tree_size, root
  FROM aud.checkpoint
 ORDER BY tree_size DESC
 LIMIT 1;

-- name: sealer_snapshot
-- in:
-- out:  snapshot:text
SELECT pg_current_snapshot()::text AS snapshot;

-- name: sealer_take
-- in:   snapshot:text most:i64
-- out:  entry:text
WITH taken AS (
    DELETE FROM aud.pending
     WHERE pending_id IN (SELECT pending_id
                            FROM aud.pending
                           WHERE pg_visible_in_snapshot(made_in, $1::pg_snapshot)
                           ORDER BY pending_id
                           LIMIT $2)
    RETURNING pending_id, entry
)
SELECT entry
  FROM taken
 ORDER BY pending_id;

-- name: sealer_entries
-- in:   first_index:i64 entries:text[]
-- out:
-- members come in canonical order: at is the first value, kind the last
INSERT INTO aud.entry (log_index, kind, at, entry)
SELECT $1 + u.n - 1, split_part(u.entry, '"', -2), split_part(u.entry, '"', 4)::timestamptz, u.entry
  FROM unnest($2::text[]) WITH ORDINALITY AS u (entry, n);

-- name: sealer_tiles
-- in:   levels:i64[] indexes:i64[] widths:i64[] data:bytes[]
-- out:
INSERT INTO aud.tile (level, idx, width, data)
SELECT u.level, u.idx, u.width, u.data
  FROM unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::bytea[]) AS u (level, idx, width, data)
    ON CONFLICT (level, idx) DO UPDATE SET width = excluded.width, data = excluded.data
 WHERE aud.tile.width < excluded.width;

-- name: sealer_checkpoint
-- in:   tree_size:i64 root:bytes note:text signed_at:time
-- out:
INSERT INTO aud.checkpoint (tree_size, root, note, signed_at)
VALUES ($1, $2, $3, $4);

-- name: audit_tile
-- in:   level:i64 idx:i64
-- out:  width:i64 data:bytes
SELECT width, data
  FROM aud.tile
 WHERE level = $1
   AND idx = $2;

-- name: audit_checkpoint
-- in:
-- out:  tree_size:i64 note:text
SELECT tree_size, note
  FROM aud.checkpoint
 ORDER BY tree_size DESC
 LIMIT 1;

-- name: audit_entries
-- in:   first_index:i64 most:i64
-- out:  entry:text
SELECT entry
  FROM aud.entry
 WHERE log_index >= $1
   AND log_index < $1 + $2
 ORDER BY log_index;

-- name: audit_export
-- in:   after:i64 kind:text from_at:time to_at:time most:i64
-- out:  log_index:i64 kind:text at:time entry:text
SELECT log_index, kind, at, entry
  FROM aud.entry
 WHERE log_index > $1
   AND ($2::text IS NULL OR kind = $2)
   AND ($3::timestamptz IS NULL OR at >= $3)
   AND ($4::timestamptz IS NULL OR at < $4)
 ORDER BY log_index
 LIMIT $5;
