-- Ids that satisfy up to four criteria; the first form enumerates an entity, the second starts from an equality, through its index.
-- Operators: enum criterion_op of connector/store/condition.h.
-- name: mgmt_find [sqlite]
-- in:   entity:text name:text
--       name1:text op1:i64 value1:text
--       name2:text op2:i64 value2:text
--       name3:text op3:i64 value3:text
--       name4:text op4:i64 value4:text
--       sort:text descending:i64 skip:i64 most:i64
-- out:  id:text
WITH e AS MATERIALIZED (SELECT id FROM mgmt_field WHERE entity = $1 AND name = $2)
SELECT q.id
  FROM (SELECT e.id, (SELECT s.value FROM mgmt_field s WHERE s.entity = $1 AND s.id = e.id AND s.name = $15) AS sort
          FROM e
         WHERE ($3 IS NULL OR EXISTS (
               SELECT 1 FROM mgmt_field f
                WHERE f.entity = $1 AND f.id = e.id AND f.name = $3
                  AND CASE $4 WHEN 0 THEN f.value = $5 WHEN 1 THEN f.value <> $5
                               WHEN 2 THEN instr($5, char(31) || f.value || char(31)) > 0 WHEN 3 THEN instr($5, char(31) || f.value || char(31)) = 0
                               WHEN 4 THEN f.value GLOB $5 WHEN 5 THEN lower(f.value) GLOB lower($5)
                               WHEN 6 THEN f.value < $5 WHEN 7 THEN f.value <= $5
                               WHEN 8 THEN f.value > $5 WHEN 9 THEN f.value >= $5 END))
           AND ($6 IS NULL OR EXISTS (
               SELECT 1 FROM mgmt_field f
                WHERE f.entity = $1 AND f.id = e.id AND f.name = $6
                  AND CASE $7 WHEN 0 THEN f.value = $8 WHEN 1 THEN f.value <> $8
                               WHEN 2 THEN instr($8, char(31) || f.value || char(31)) > 0 WHEN 3 THEN instr($8, char(31) || f.value || char(31)) = 0
                               WHEN 4 THEN f.value GLOB $8 WHEN 5 THEN lower(f.value) GLOB lower($8)
                               WHEN 6 THEN f.value < $8 WHEN 7 THEN f.value <= $8
                               WHEN 8 THEN f.value > $8 WHEN 9 THEN f.value >= $8 END))
           AND ($9 IS NULL OR EXISTS (
               SELECT 1 FROM mgmt_field f
                WHERE f.entity = $1 AND f.id = e.id AND f.name = $9
                  AND CASE $10 WHEN 0 THEN f.value = $11 WHEN 1 THEN f.value <> $11
                               WHEN 2 THEN instr($11, char(31) || f.value || char(31)) > 0 WHEN 3 THEN instr($11, char(31) || f.value || char(31)) = 0
                               WHEN 4 THEN f.value GLOB $11 WHEN 5 THEN lower(f.value) GLOB lower($11)
                               WHEN 6 THEN f.value < $11 WHEN 7 THEN f.value <= $11
                               WHEN 8 THEN f.value > $11 WHEN 9 THEN f.value >= $11 END))
           AND ($12 IS NULL OR EXISTS (
               SELECT 1 FROM mgmt_field f
                WHERE f.entity = $1 AND f.id = e.id AND f.name = $12
                  AND CASE $13 WHEN 0 THEN f.value = $14 WHEN 1 THEN f.value <> $14
                               WHEN 2 THEN instr($14, char(31) || f.value || char(31)) > 0 WHEN 3 THEN instr($14, char(31) || f.value || char(31)) = 0
                               WHEN 4 THEN f.value GLOB $14 WHEN 5 THEN lower(f.value) GLOB lower($14)
                               WHEN 6 THEN f.value < $14 WHEN 7 THEN f.value <= $14
                               WHEN 8 THEN f.value > $14 WHEN 9 THEN f.value >= $14 END))) q
 ORDER BY CASE WHEN $16 = 0 THEN q.sort END, CASE WHEN $16 = 1 THEN q.sort END DESC, q.id
 LIMIT $18 OFFSET $17;

-- name: mgmt_find [pg]
-- in:   entity:text name:text
--       name1:text op1:i64 value1:text
--       name2:text op2:i64 value2:text
--       name3:text op3:i64 value3:text
--       name4:text op4:i64 value4:text
--       sort:text descending:i64 skip:i64 most:i64
-- out:  id:text
WITH e AS MATERIALIZED (SELECT id FROM mgmt_field WHERE entity = $1 AND name = $2)
SELECT q.id
  FROM (SELECT e.id, (SELECT min(s.value) FROM mgmt_field s WHERE s.entity = $1 AND s.id = e.id AND s.name = $15) AS sort
          FROM e
         WHERE ($3 IS NULL OR EXISTS (
               SELECT 1 FROM mgmt_field f
                WHERE f.entity = $1 AND f.id = e.id AND f.name = $3
                  AND CASE $4 WHEN 0 THEN f.value = $5 WHEN 1 THEN f.value <> $5
                               WHEN 2 THEN strpos($5, chr(31) || f.value || chr(31)) > 0 WHEN 3 THEN strpos($5, chr(31) || f.value || chr(31)) = 0
                               WHEN 4 THEN f.value LIKE $5 WHEN 5 THEN f.value ILIKE $5
                               WHEN 6 THEN f.value COLLATE "C" < $5 WHEN 7 THEN f.value COLLATE "C" <= $5
                               WHEN 8 THEN f.value COLLATE "C" > $5 WHEN 9 THEN f.value COLLATE "C" >= $5 END))
           AND ($6 IS NULL OR EXISTS (
               SELECT 1 FROM mgmt_field f
                WHERE f.entity = $1 AND f.id = e.id AND f.name = $6
                  AND CASE $7 WHEN 0 THEN f.value = $8 WHEN 1 THEN f.value <> $8
                               WHEN 2 THEN strpos($8, chr(31) || f.value || chr(31)) > 0 WHEN 3 THEN strpos($8, chr(31) || f.value || chr(31)) = 0
                               WHEN 4 THEN f.value LIKE $8 WHEN 5 THEN f.value ILIKE $8
                               WHEN 6 THEN f.value COLLATE "C" < $8 WHEN 7 THEN f.value COLLATE "C" <= $8
                               WHEN 8 THEN f.value COLLATE "C" > $8 WHEN 9 THEN f.value COLLATE "C" >= $8 END))
           AND ($9 IS NULL OR EXISTS (
               SELECT 1 FROM mgmt_field f
                WHERE f.entity = $1 AND f.id = e.id AND f.name = $9
                  AND CASE $10 WHEN 0 THEN f.value = $11 WHEN 1 THEN f.value <> $11
                               WHEN 2 THEN strpos($11, chr(31) || f.value || chr(31)) > 0 WHEN 3 THEN strpos($11, chr(31) || f.value || chr(31)) = 0
                               WHEN 4 THEN f.value LIKE $11 WHEN 5 THEN f.value ILIKE $11
                               WHEN 6 THEN f.value COLLATE "C" < $11 WHEN 7 THEN f.value COLLATE "C" <= $11
                               WHEN 8 THEN f.value COLLATE "C" > $11 WHEN 9 THEN f.value COLLATE "C" >= $11 END))
           AND ($12 IS NULL OR EXISTS (
               SELECT 1 FROM mgmt_field f
                WHERE f.entity = $1 AND f.id = e.id AND f.name = $12
                  AND CASE $13 WHEN 0 THEN f.value = $14 WHEN 1 THEN f.value <> $14
                               WHEN 2 THEN strpos($14, chr(31) || f.value || chr(31)) > 0 WHEN 3 THEN strpos($14, chr(31) || f.value || chr(31)) = 0
                               WHEN 4 THEN f.value LIKE $14 WHEN 5 THEN f.value ILIKE $14
                               WHEN 6 THEN f.value COLLATE "C" < $14 WHEN 7 THEN f.value COLLATE "C" <= $14
                               WHEN 8 THEN f.value COLLATE "C" > $14 WHEN 9 THEN f.value COLLATE "C" >= $14 END))) q
 ORDER BY CASE WHEN $16 = 0 THEN q.sort END COLLATE "C", CASE WHEN $16 = 1 THEN q.sort END COLLATE "C" DESC, q.id
 LIMIT $18 OFFSET $17;

-- name: mgmt_find_equal [sqlite]
-- in:   entity:text name:text value:text
--       name1:text op1:i64 value1:text
--       name2:text op2:i64 value2:text
--       name3:text op3:i64 value3:text
--       name4:text op4:i64 value4:text
--       sort:text descending:i64 skip:i64 most:i64
-- out:  id:text
WITH e AS MATERIALIZED (SELECT id FROM mgmt_field WHERE entity = $1 AND name = $2 AND value = $3)
SELECT q.id
  FROM (SELECT e.id, (SELECT s.value FROM mgmt_field s WHERE s.entity = $1 AND s.id = e.id AND s.name = $16) AS sort
          FROM e
         WHERE ($4 IS NULL OR EXISTS (
               SELECT 1 FROM mgmt_field f
                WHERE f.entity = $1 AND f.id = e.id AND f.name = $4
                  AND CASE $5 WHEN 0 THEN f.value = $6 WHEN 1 THEN f.value <> $6
                               WHEN 2 THEN instr($6, char(31) || f.value || char(31)) > 0 WHEN 3 THEN instr($6, char(31) || f.value || char(31)) = 0
                               WHEN 4 THEN f.value GLOB $6 WHEN 5 THEN lower(f.value) GLOB lower($6)
                               WHEN 6 THEN f.value < $6 WHEN 7 THEN f.value <= $6
                               WHEN 8 THEN f.value > $6 WHEN 9 THEN f.value >= $6 END))
           AND ($7 IS NULL OR EXISTS (
               SELECT 1 FROM mgmt_field f
                WHERE f.entity = $1 AND f.id = e.id AND f.name = $7
                  AND CASE $8 WHEN 0 THEN f.value = $9 WHEN 1 THEN f.value <> $9
                               WHEN 2 THEN instr($9, char(31) || f.value || char(31)) > 0 WHEN 3 THEN instr($9, char(31) || f.value || char(31)) = 0
                               WHEN 4 THEN f.value GLOB $9 WHEN 5 THEN lower(f.value) GLOB lower($9)
                               WHEN 6 THEN f.value < $9 WHEN 7 THEN f.value <= $9
                               WHEN 8 THEN f.value > $9 WHEN 9 THEN f.value >= $9 END))
           AND ($10 IS NULL OR EXISTS (
               SELECT 1 FROM mgmt_field f
                WHERE f.entity = $1 AND f.id = e.id AND f.name = $10
                  AND CASE $11 WHEN 0 THEN f.value = $12 WHEN 1 THEN f.value <> $12
                               WHEN 2 THEN instr($12, char(31) || f.value || char(31)) > 0 WHEN 3 THEN instr($12, char(31) || f.value || char(31)) = 0
                               WHEN 4 THEN f.value GLOB $12 WHEN 5 THEN lower(f.value) GLOB lower($12)
                               WHEN 6 THEN f.value < $12 WHEN 7 THEN f.value <= $12
                               WHEN 8 THEN f.value > $12 WHEN 9 THEN f.value >= $12 END))
           AND ($13 IS NULL OR EXISTS (
               SELECT 1 FROM mgmt_field f
                WHERE f.entity = $1 AND f.id = e.id AND f.name = $13
                  AND CASE $14 WHEN 0 THEN f.value = $15 WHEN 1 THEN f.value <> $15
                               WHEN 2 THEN instr($15, char(31) || f.value || char(31)) > 0 WHEN 3 THEN instr($15, char(31) || f.value || char(31)) = 0
                               WHEN 4 THEN f.value GLOB $15 WHEN 5 THEN lower(f.value) GLOB lower($15)
                               WHEN 6 THEN f.value < $15 WHEN 7 THEN f.value <= $15
                               WHEN 8 THEN f.value > $15 WHEN 9 THEN f.value >= $15 END))) q
 ORDER BY CASE WHEN $17 = 0 THEN q.sort END, CASE WHEN $17 = 1 THEN q.sort END DESC, q.id
 LIMIT $19 OFFSET $18;

-- name: mgmt_find_equal [pg]
-- in:   entity:text name:text value:text
--       name1:text op1:i64 value1:text
--       name2:text op2:i64 value2:text
--       name3:text op3:i64 value3:text
--       name4:text op4:i64 value4:text
--       sort:text descending:i64 skip:i64 most:i64
-- out:  id:text
WITH e AS MATERIALIZED (SELECT id FROM mgmt_field WHERE entity = $1 AND name = $2 AND value = $3)
SELECT q.id
  FROM (SELECT e.id, (SELECT min(s.value) FROM mgmt_field s WHERE s.entity = $1 AND s.id = e.id AND s.name = $16) AS sort
          FROM e
         WHERE ($4 IS NULL OR EXISTS (
               SELECT 1 FROM mgmt_field f
                WHERE f.entity = $1 AND f.id = e.id AND f.name = $4
                  AND CASE $5 WHEN 0 THEN f.value = $6 WHEN 1 THEN f.value <> $6
                               WHEN 2 THEN strpos($6, chr(31) || f.value || chr(31)) > 0 WHEN 3 THEN strpos($6, chr(31) || f.value || chr(31)) = 0
                               WHEN 4 THEN f.value LIKE $6 WHEN 5 THEN f.value ILIKE $6
                               WHEN 6 THEN f.value COLLATE "C" < $6 WHEN 7 THEN f.value COLLATE "C" <= $6
                               WHEN 8 THEN f.value COLLATE "C" > $6 WHEN 9 THEN f.value COLLATE "C" >= $6 END))
           AND ($7 IS NULL OR EXISTS (
               SELECT 1 FROM mgmt_field f
                WHERE f.entity = $1 AND f.id = e.id AND f.name = $7
                  AND CASE $8 WHEN 0 THEN f.value = $9 WHEN 1 THEN f.value <> $9
                               WHEN 2 THEN strpos($9, chr(31) || f.value || chr(31)) > 0 WHEN 3 THEN strpos($9, chr(31) || f.value || chr(31)) = 0
                               WHEN 4 THEN f.value LIKE $9 WHEN 5 THEN f.value ILIKE $9
                               WHEN 6 THEN f.value COLLATE "C" < $9 WHEN 7 THEN f.value COLLATE "C" <= $9
                               WHEN 8 THEN f.value COLLATE "C" > $9 WHEN 9 THEN f.value COLLATE "C" >= $9 END))
           AND ($10 IS NULL OR EXISTS (
               SELECT 1 FROM mgmt_field f
                WHERE f.entity = $1 AND f.id = e.id AND f.name = $10
                  AND CASE $11 WHEN 0 THEN f.value = $12 WHEN 1 THEN f.value <> $12
                               WHEN 2 THEN strpos($12, chr(31) || f.value || chr(31)) > 0 WHEN 3 THEN strpos($12, chr(31) || f.value || chr(31)) = 0
                               WHEN 4 THEN f.value LIKE $12 WHEN 5 THEN f.value ILIKE $12
                               WHEN 6 THEN f.value COLLATE "C" < $12 WHEN 7 THEN f.value COLLATE "C" <= $12
                               WHEN 8 THEN f.value COLLATE "C" > $12 WHEN 9 THEN f.value COLLATE "C" >= $12 END))
           AND ($13 IS NULL OR EXISTS (
               SELECT 1 FROM mgmt_field f
                WHERE f.entity = $1 AND f.id = e.id AND f.name = $13
                  AND CASE $14 WHEN 0 THEN f.value = $15 WHEN 1 THEN f.value <> $15
                               WHEN 2 THEN strpos($15, chr(31) || f.value || chr(31)) > 0 WHEN 3 THEN strpos($15, chr(31) || f.value || chr(31)) = 0
                               WHEN 4 THEN f.value LIKE $15 WHEN 5 THEN f.value ILIKE $15
                               WHEN 6 THEN f.value COLLATE "C" < $15 WHEN 7 THEN f.value COLLATE "C" <= $15
                               WHEN 8 THEN f.value COLLATE "C" > $15 WHEN 9 THEN f.value COLLATE "C" >= $15 END))) q
 ORDER BY CASE WHEN $17 = 0 THEN q.sort END COLLATE "C", CASE WHEN $17 = 1 THEN q.sort END COLLATE "C" DESC, q.id
 LIMIT $19 OFFSET $18;
