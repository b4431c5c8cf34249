-- Ids that satisfy up to four criteria. Operators: enum criterion_op of connector/store/condition.h, judged by value_matches.

-- Entities other than assets: the first form enumerates them, the second starts from an equality, through its index.
-- name: mgmt_find [sqlite]
-- in:   entity:text name:text
--       name1:text op1:i64 value1:text
--       name2:text op2:i64 value2:text
--       name3:text op3:i64 value3:text
--       name4:text op4:i64 value4:text
--       sort:text descending:i64 skip:i64 most:i64
-- out:  id:text
WITH e AS MATERIALIZED (SELECT f0.id FROM mgmt_field f0 WHERE f0.entity = $1 AND f0.name = $2)
SELECT q.id
  FROM (SELECT e.id, (SELECT s.value FROM mgmt_field s WHERE s.entity = $1 AND s.id = e.id AND s.name = $15) AS sort
          FROM e
         WHERE 1 = 1
           AND ($3 IS NULL OR EXISTS (SELECT 1 FROM mgmt_field f WHERE f.entity = $1 AND f.id = e.id AND f.name = $3 AND value_matches($4, f.value, $5)))
           AND ($6 IS NULL OR EXISTS (SELECT 1 FROM mgmt_field f WHERE f.entity = $1 AND f.id = e.id AND f.name = $6 AND value_matches($7, f.value, $8)))
           AND ($9 IS NULL OR EXISTS (SELECT 1 FROM mgmt_field f WHERE f.entity = $1 AND f.id = e.id AND f.name = $9 AND value_matches($10, f.value, $11)))
           AND ($12 IS NULL OR EXISTS (SELECT 1 FROM mgmt_field f WHERE f.entity = $1 AND f.id = e.id AND f.name = $12 AND value_matches($13, f.value, $14)))) q
 ORDER BY CASE WHEN $16 = 0 THEN q.sort END, CASE WHEN $16 = 1 THEN q.sort END DESC, q.id
 LIMIT $18 OFFSET $17;

-- name: mgmt_find_equal [sqlite]
-- in:   entity:text name:text value:text
--       name1:text op1:i64 value1:text
--       name2:text op2:i64 value2:text
--       name3:text op3:i64 value3:text
--       name4:text op4:i64 value4:text
--       sort:text descending:i64 skip:i64 most:i64
-- out:  id:text
WITH e AS MATERIALIZED (SELECT f0.id FROM mgmt_field f0 WHERE f0.entity = $1 AND f0.name = $2 AND f0.value = $3)
SELECT q.id
  FROM (SELECT e.id, (SELECT s.value FROM mgmt_field s WHERE s.entity = $1 AND s.id = e.id AND s.name = $16) AS sort
          FROM e
         WHERE 1 = 1
           AND ($4 IS NULL OR EXISTS (SELECT 1 FROM mgmt_field f WHERE f.entity = $1 AND f.id = e.id AND f.name = $4 AND value_matches($5, f.value, $6)))
           AND ($7 IS NULL OR EXISTS (SELECT 1 FROM mgmt_field f WHERE f.entity = $1 AND f.id = e.id AND f.name = $7 AND value_matches($8, f.value, $9)))
           AND ($10 IS NULL OR EXISTS (SELECT 1 FROM mgmt_field f WHERE f.entity = $1 AND f.id = e.id AND f.name = $10 AND value_matches($11, f.value, $12)))
           AND ($13 IS NULL OR EXISTS (SELECT 1 FROM mgmt_field f WHERE f.entity = $1 AND f.id = e.id AND f.name = $13 AND value_matches($14, f.value, $15)))) q
 ORDER BY CASE WHEN $17 = 0 THEN q.sort END, CASE WHEN $17 = 1 THEN q.sort END DESC, q.id
 LIMIT $19 OFFSET $18;

-- name: mgmt_find [pg]
-- in:   entity:text name:text
--       name1:text op1:i64 value1:text
--       name2:text op2:i64 value2:text
--       name3:text op3:i64 value3:text
--       name4:text op4:i64 value4:text
--       sort:text descending:i64 skip:i64 most:i64
-- out:  id:text
WITH e AS MATERIALIZED (SELECT f0.id FROM mgmt_field f0 WHERE f0.entity = $1 AND f0.name = $2)
SELECT q.id
  FROM (SELECT e.id, (SELECT min(s.value COLLATE "C") FROM mgmt_field s WHERE s.entity = $1 AND s.id = e.id AND s.name = $15) AS sort
          FROM e
         WHERE 1 = 1
           AND ($3 IS NULL OR EXISTS (SELECT 1 FROM mgmt_field f WHERE f.entity = $1 AND f.id = e.id AND f.name = $3 AND value_matches($4, f.value, $5)))
           AND ($6 IS NULL OR EXISTS (SELECT 1 FROM mgmt_field f WHERE f.entity = $1 AND f.id = e.id AND f.name = $6 AND value_matches($7, f.value, $8)))
           AND ($9 IS NULL OR EXISTS (SELECT 1 FROM mgmt_field f WHERE f.entity = $1 AND f.id = e.id AND f.name = $9 AND value_matches($10, f.value, $11)))
           AND ($12 IS NULL OR EXISTS (SELECT 1 FROM mgmt_field f WHERE f.entity = $1 AND f.id = e.id AND f.name = $12 AND value_matches($13, f.value, $14)))) q
 ORDER BY CASE WHEN $16 = 0 THEN q.sort END COLLATE "C", CASE WHEN $16 = 1 THEN q.sort END COLLATE "C" DESC, q.id
 LIMIT $18 OFFSET $17;

-- name: mgmt_find_equal [pg]
-- in:   entity:text name:text value:text
--       name1:text op1:i64 value1:text
--       name2:text op2:i64 value2:text
--       name3:text op3:i64 value3:text
--       name4:text op4:i64 value4:text
--       sort:text descending:i64 skip:i64 most:i64
-- out:  id:text
WITH e AS MATERIALIZED (SELECT f0.id FROM mgmt_field f0 WHERE f0.entity = $1 AND f0.name = $2 AND f0.value = $3)
SELECT q.id
  FROM (SELECT e.id, (SELECT min(s.value COLLATE "C") FROM mgmt_field s WHERE s.entity = $1 AND s.id = e.id AND s.name = $16) AS sort
          FROM e
         WHERE 1 = 1
           AND ($4 IS NULL OR EXISTS (SELECT 1 FROM mgmt_field f WHERE f.entity = $1 AND f.id = e.id AND f.name = $4 AND value_matches($5, f.value, $6)))
           AND ($7 IS NULL OR EXISTS (SELECT 1 FROM mgmt_field f WHERE f.entity = $1 AND f.id = e.id AND f.name = $7 AND value_matches($8, f.value, $9)))
           AND ($10 IS NULL OR EXISTS (SELECT 1 FROM mgmt_field f WHERE f.entity = $1 AND f.id = e.id AND f.name = $10 AND value_matches($11, f.value, $12)))
           AND ($13 IS NULL OR EXISTS (SELECT 1 FROM mgmt_field f WHERE f.entity = $1 AND f.id = e.id AND f.name = $13 AND value_matches($14, f.value, $15)))) q
 ORDER BY CASE WHEN $17 = 0 THEN q.sort END COLLATE "C", CASE WHEN $17 = 1 THEN q.sort END COLLATE "C" DESC, q.id
 LIMIT $19 OFFSET $18;
