-- name: dsp_message_get
-- in:   peer_id:text message_id:text
-- out:  process_id:text
SELECT process_id
  FROM message_seen
 WHERE peer_id = $1
   AND message_id = $2;

-- name: dsp_message_insert
-- in:   peer_id:text message_id:text process_id:text now_us:i64
-- out:
INSERT INTO message_seen (peer_id, message_id, process_id, seen_us)
VALUES ($1, $2, $3, $4)
    ON CONFLICT (peer_id, message_id) DO NOTHING;

-- name: dsp_message_prune
-- in:   before_us:i64 most:i64
-- out:
DELETE FROM message_seen
 WHERE (peer_id, message_id) IN (SELECT peer_id, message_id
                                   FROM message_seen
                                  WHERE seen_us < $1
                                  ORDER BY seen_us, peer_id, message_id
                                  LIMIT $2);

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
