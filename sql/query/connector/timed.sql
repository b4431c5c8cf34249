-- name: agreement_due
-- in:
-- out:  agreement_id:text ends_us:i64
SELECT agreement_id, ends_us
  FROM agreement
 WHERE ended_us IS NULL
   AND ends_us IS NOT NULL
 ORDER BY agreement_id;

-- name: agreement_orphaned
-- in:
-- out:  agreement_id:text ends_us:i64
SELECT DISTINCT a.agreement_id, p.received_us AS ends_us
  FROM purchase p
  JOIN agreement a ON a.agreement_id = p.agreement_id AND a.role = p.role
 WHERE p.state IN ('ended', 'cancelled')
   AND p.peer_id = CASE a.role WHEN 'provider' THEN a.consumer_id ELSE a.provider_id END
   AND a.ended_us IS NULL
 ORDER BY a.agreement_id;
