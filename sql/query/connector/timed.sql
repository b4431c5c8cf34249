-- name: agreement_due
-- in:
-- out:  agreement_id:text ends_us:i64
SELECT agreement_id, ends_us
  FROM agreement
 WHERE ended_us IS NULL
   AND ends_us IS NOT NULL
 ORDER BY agreement_id;
