-- name: dsp_message_insert
-- in:   process_id:text message_id:text now_us:i64
-- out:
INSERT INTO message_seen (process_id, message_id, seen_us)
VALUES ($1, $2, $3)
    ON CONFLICT (process_id, message_id) DO NOTHING;

-- name: dsp_message_prune
-- in:   before_us:i64 before_id:text most:i64
-- out:
DELETE FROM message_seen
 WHERE (process_id, message_id) IN (SELECT process_id, message_id
                                      FROM message_seen
                                     WHERE process_id < $2
                                       AND seen_us < $1
                                     ORDER BY process_id, message_id
                                     LIMIT $3);

-- name: dsp_outbox_forget
-- in:   stream:text
-- out:
DELETE FROM outbox
 WHERE stream = $1;

-- name: dsp_outbox_waiting
-- in:   stream:text
-- out:  n:i64
SELECT count(*) AS n
  FROM outbox
 WHERE stream = $1;
