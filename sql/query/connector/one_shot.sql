-- name: mgmt_one_shot_insert
-- in:   negotiation_id:text
-- out:
INSERT INTO one_shot (negotiation_id)
VALUES ($1)
    ON CONFLICT DO NOTHING;

-- name: mgmt_one_shot_count
-- in:
-- out:  n:i64
SELECT count(*) AS n
  FROM one_shot;

-- name: mgmt_one_shot_done
-- in:
-- out:
DELETE FROM one_shot
 WHERE EXISTS (SELECT 1
                 FROM negotiation n
                 JOIN transfer t ON t.agreement_id = n.agreement_id
                WHERE n.negotiation_id = one_shot.negotiation_id);

-- A mark is one more than the number of the replica that set it.
-- name: mgmt_one_shot_reset
-- in:   mark:i64
-- out:
UPDATE one_shot
   SET marked = 0
 WHERE marked = $1;

-- One look-up per wish: there are few of them, and many negotiations.
-- name: mgmt_one_shot_due
-- in:   agreed:i64 failed:i64 most:i64
-- out:  negotiation_id:text agreement_id:text callbacks:text
SELECT o.negotiation_id,
       (SELECT CASE WHEN n.state = $1 THEN n.agreement_id END FROM negotiation n WHERE n.negotiation_id = o.negotiation_id) AS agreement_id,
       (SELECT n.callbacks FROM negotiation n WHERE n.negotiation_id = o.negotiation_id) AS callbacks
  FROM one_shot o
 WHERE o.marked = 0
   AND (SELECT n.state FROM negotiation n WHERE n.negotiation_id = o.negotiation_id) IN ($1, $2)
 ORDER BY o.negotiation_id
 LIMIT $3;

-- name: mgmt_one_shot_mark
-- in:   negotiation_id:text mark:i64
-- out:
UPDATE one_shot
   SET marked = $2
 WHERE negotiation_id = $1;

-- name: mgmt_one_shot_delete
-- in:   negotiation_id:text
-- out:
DELETE FROM one_shot
 WHERE negotiation_id = $1;
