-- Advisory locks have the table's number as their first half. The second: 1024 for what all writers take in turn, else a replica's
-- number, which its writer holds as long as it is connected.

-- name: replica_turn [pg]
-- in:
-- out:  n:i64
SELECT count(pg_advisory_xact_lock('replica'::regclass::oid::int, 1024)) AS n;

-- A replica that has stopped in the middle of a transaction must not stop the others for long; one whose machine is gone is noticed.
-- name: replica_session [pg]
-- in:
-- out:  n:i64
SELECT count(set_config('idle_in_transaction_session_timeout', '10000', false)
             || set_config('tcp_keepalives_idle', '5', false)
             || set_config('tcp_keepalives_interval', '2', false)
             || set_config('tcp_keepalives_count', '3', false)) AS n;

-- name: replica_free [pg]
-- in:
-- out:  replica_id:i64
SELECT min(n)::bigint AS replica_id
  FROM generate_series(1, 1023) AS n
 WHERE NOT EXISTS (SELECT 1 FROM replica AS r WHERE r.replica_id = n);

-- name: replica_hold [pg]
-- in:   replica_id:i64
-- out:  held:bool
SELECT pg_try_advisory_lock('replica'::regclass::oid::int, $1::int) AS held;

-- name: replica_insert [pg]
-- in:   replica_id:i64 name:text started_us:i64
-- out:
INSERT INTO replica (replica_id, name, started_us)
VALUES ($1, $2, $3);

-- name: replica_there [pg]
-- in:   replica_id:i64
-- out:  n:i64
SELECT count(*) AS n
  FROM replica
 WHERE replica_id = $1;

-- name: replica_list [pg]
-- in:
-- out:  replica_id:i64 name:text started_us:i64 alive:bool
SELECT r.replica_id, r.name, r.started_us,
       EXISTS (SELECT 1
                 FROM pg_locks AS l
                WHERE l.locktype = 'advisory'
                  AND l.database = (SELECT d.oid FROM pg_database AS d WHERE d.datname = current_database())
                  AND l.classid = 'replica'::regclass::oid
                  AND l.objid = r.replica_id
                  AND l.objsubid = 2
                  AND l.granted) AS alive
  FROM replica AS r
 ORDER BY r.replica_id;

-- name: replica_is_dead [pg]
-- in:   replica_id:i64
-- out:  dead:bool
SELECT pg_try_advisory_xact_lock('replica'::regclass::oid::int, $1::int) AS dead;

-- name: replica_forget [pg]
-- in:   replica_id:i64
-- out:
DELETE FROM replica
 WHERE replica_id = $1;

-- name: replica_tell [pg]
-- in:   payload:text
-- out:  n:i64
SELECT count(pg_notify('naru_replica', $1)) AS n;
