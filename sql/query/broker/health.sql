-- name: health_ping
-- in:
-- out:
SELECT 1;
