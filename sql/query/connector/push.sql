-- name: push_due
-- in:   after:text most:i64
-- out:  transfer_id:text consumer_id:text destination:text delivered:bool
SELECT t.transfer_id, t.peer_id AS consumer_id, t.data_address AS destination,
       EXISTS (SELECT 1 FROM push_delivered AS d WHERE d.transfer_id = t.transfer_id) AS delivered
  FROM transfer AS t
 WHERE t.role = 'provider'
   AND t.format = 'HttpData-PUSH'
   AND t.state = 600
   AND t.transfer_id > $1
 ORDER BY t.transfer_id
 LIMIT $2;

-- name: push_mark
-- in:   transfer_id:text delivered_us:i64
-- out:
INSERT INTO push_delivered (transfer_id, delivered_us)
VALUES ($1, $2)
    ON CONFLICT (transfer_id) DO NOTHING;

-- name: push_is_due
-- in:   transfer_id:text
-- out:  delivered:bool
SELECT EXISTS (SELECT 1 FROM push_delivered AS d WHERE d.transfer_id = t.transfer_id) AS delivered
  FROM transfer AS t
 WHERE t.transfer_id = $1
   AND t.state = 600;

-- Several processes may share a PostgreSQL database: who pushes holds a lock of its session, which ends with it. A SQLite database has
-- one process.

-- name: push_claim [sqlite]
-- in:   transfer_id:text
-- out:  claimed:bool
SELECT $1 IS NOT NULL AS claimed;

-- name: push_claim [pg]
-- in:   transfer_id:text
-- out:  claimed:bool
SELECT pg_try_advisory_lock(hashtextextended($1, 0)) AS claimed;

-- name: push_release [sqlite]
-- in:   transfer_id:text
-- out:  claimed:bool
SELECT $1 IS NOT NULL AS claimed;

-- name: push_release [pg]
-- in:   transfer_id:text
-- out:  claimed:bool
SELECT pg_advisory_unlock(hashtextextended($1, 0)) AS claimed;

-- name: push_session [sqlite]
-- in:
-- out:  session:i64
SELECT 0 AS session;

-- name: push_session [pg]
-- in:
-- out:  session:i64
SELECT pg_backend_pid()::bigint AS session;
