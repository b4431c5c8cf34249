-- Policy definitions that inherit from others.

-- name: lineage_source
-- in:   policy_id:text
-- out:  policy:text
SELECT coalesce(own_policy, policy) AS policy
  FROM policy_definition
 WHERE policy_id = $1;

-- name: lineage_heirs
-- in:   ancestor_id:text most:i64
-- out:  policy_id:text
SELECT policy_id
  FROM policy_ancestor
 WHERE ancestor_id = $1
 ORDER BY policy_id
 LIMIT $2;

-- name: lineage_heirs_count
-- in:   ancestor_id:text
-- out:  n:i64
SELECT count(*) AS n
  FROM policy_ancestor
 WHERE ancestor_id = $1;

-- name: lineage_clear
-- in:   policy_id:text
-- out:
DELETE FROM policy_ancestor
 WHERE policy_id = $1;

-- name: lineage_add
-- in:   policy_id:text ancestor_id:text
-- out:
INSERT INTO policy_ancestor (policy_id, ancestor_id)
VALUES ($1, $2)
    ON CONFLICT (policy_id, ancestor_id) DO NOTHING;

-- name: lineage_put
-- in:   policy_id:text policy:text policy_hash:text own_policy:text
-- out:
UPDATE policy_definition
   SET policy = $2,
       policy_hash = $3,
       own_policy = $4
 WHERE policy_id = $1;

-- name: lineage_changed
-- in:   policy_id:text
-- out:
UPDATE policy_definition
   SET version = version + 1
 WHERE policy_id = $1;
