-- Ids of assets that satisfy up to four criteria (connector/store/asset_search.c chooses among these). Operators: enum criterion_op of
-- connector/store/condition.h, judged by value_matches.

-- How many rows there are between two values of a property, counted as far as `most`.
-- name: asset_probe [sqlite]
-- in:   name:text low:text high:text most:i64
-- out:  n:i64
SELECT count(*) AS n
  FROM (SELECT 1 FROM asset_property f WHERE f.name = $1 AND f.value >= $2 AND f.value <= $3 ORDER BY f.value LIMIT $4) q;

-- The same for ids.
-- name: asset_probe_id [sqlite]
-- in:   low:text high:text most:i64
-- out:  n:i64
SELECT count(*) AS n
  FROM (SELECT 1 FROM asset a WHERE a.asset_id >= $1 AND a.asset_id <= $2 ORDER BY a.asset_id LIMIT $3) q;

-- How many rows there are between two values of a property, counted as far as `most`.
-- name: asset_probe [pg]
-- in:   name:text low:text high:text most:i64
-- out:  n:i64
SELECT count(*) AS n
  FROM (SELECT 1 FROM asset_property f WHERE f.name = $1 AND f.value COLLATE "C" >= $2 AND f.value COLLATE "C" <= $3 ORDER BY f.value COLLATE "C" LIMIT $4) q;

-- The same for ids.
-- name: asset_probe_id [pg]
-- in:   low:text high:text most:i64
-- out:  n:i64
SELECT count(*) AS n
  FROM (SELECT 1 FROM asset a WHERE a.asset_id COLLATE "C" >= $1 AND a.asset_id COLLATE "C" <= $2 ORDER BY a.asset_id COLLATE "C" LIMIT $3) q;

-- How many rows of a property satisfy a comparison: each value is looked at, along the index.
-- name: asset_probe_match
-- in:   name:text op:i64 value:text
-- out:  n:i64
SELECT count(*) AS n
  FROM asset_field f
 WHERE f.name = $1
   AND value_matches($2, f.value, $3);

-- All, in order of creation.
-- name: asset_scan
-- in:   name1:text op1:i64 value1:text
--       name2:text op2:i64 value2:text
--       name3:text op3:i64 value3:text
--       name4:text op4:i64 value4:text
--       skip:i64 most:i64
-- out:  id:text
SELECT a.asset_id AS id
  FROM asset a
 WHERE 1 = 1
   AND ($1 IS NULL OR EXISTS (SELECT 1 FROM asset_field f WHERE f.asset_id = a.asset_id AND f.name = $1 AND value_matches($2, f.value, $3)))
   AND ($4 IS NULL OR EXISTS (SELECT 1 FROM asset_field f WHERE f.asset_id = a.asset_id AND f.name = $4 AND value_matches($5, f.value, $6)))
   AND ($7 IS NULL OR EXISTS (SELECT 1 FROM asset_field f WHERE f.asset_id = a.asset_id AND f.name = $7 AND value_matches($8, f.value, $9)))
   AND ($10 IS NULL OR EXISTS (SELECT 1 FROM asset_field f WHERE f.asset_id = a.asset_id AND f.name = $10 AND value_matches($11, f.value, $12)))
 ORDER BY a.created_us, a.asset_id
 LIMIT $14 OFFSET $13;

-- All, in order of their ids.
-- name: asset_scan_id
-- in:   name1:text op1:i64 value1:text
--       name2:text op2:i64 value2:text
--       name3:text op3:i64 value3:text
--       name4:text op4:i64 value4:text
--       skip:i64 most:i64
-- out:  id:text
SELECT a.asset_id AS id
  FROM asset a
 WHERE 1 = 1
   AND ($1 IS NULL OR EXISTS (SELECT 1 FROM asset_field f WHERE f.asset_id = a.asset_id AND f.name = $1 AND value_matches($2, f.value, $3)))
   AND ($4 IS NULL OR EXISTS (SELECT 1 FROM asset_field f WHERE f.asset_id = a.asset_id AND f.name = $4 AND value_matches($5, f.value, $6)))
   AND ($7 IS NULL OR EXISTS (SELECT 1 FROM asset_field f WHERE f.asset_id = a.asset_id AND f.name = $7 AND value_matches($8, f.value, $9)))
   AND ($10 IS NULL OR EXISTS (SELECT 1 FROM asset_field f WHERE f.asset_id = a.asset_id AND f.name = $10 AND value_matches($11, f.value, $12)))
 ORDER BY a.asset_id
 LIMIT $14 OFFSET $13;

-- Those with one value of a property, in order of creation.
-- name: asset_with
-- in:   name:text value:text
--       name1:text op1:i64 value1:text
--       name2:text op2:i64 value2:text
--       name3:text op3:i64 value3:text
--       name4:text op4:i64 value4:text
--       skip:i64 most:i64
-- out:  id:text
SELECT a.asset_id AS id
  FROM asset_property a
 WHERE a.name = $1
   AND a.value = $2
   AND ($3 IS NULL OR EXISTS (SELECT 1 FROM asset_field f WHERE f.asset_id = a.asset_id AND f.name = $3 AND value_matches($4, f.value, $5)))
   AND ($6 IS NULL OR EXISTS (SELECT 1 FROM asset_field f WHERE f.asset_id = a.asset_id AND f.name = $6 AND value_matches($7, f.value, $8)))
   AND ($9 IS NULL OR EXISTS (SELECT 1 FROM asset_field f WHERE f.asset_id = a.asset_id AND f.name = $9 AND value_matches($10, f.value, $11)))
   AND ($12 IS NULL OR EXISTS (SELECT 1 FROM asset_field f WHERE f.asset_id = a.asset_id AND f.name = $12 AND value_matches($13, f.value, $14)))
 ORDER BY a.created_us, a.asset_id
 LIMIT $16 OFFSET $15;

-- Those with a property, in order of its smallest value.
-- name: asset_sorted [sqlite]
-- in:   sort:text
--       name1:text op1:i64 value1:text
--       name2:text op2:i64 value2:text
--       name3:text op3:i64 value3:text
--       name4:text op4:i64 value4:text
--       skip:i64 most:i64
-- out:  id:text
SELECT a.asset_id AS id
  FROM asset_property a
 WHERE a.name = $1
   AND NOT EXISTS (SELECT 1 FROM asset_property s WHERE s.asset_id = a.asset_id AND s.name = $1 AND s.value < a.value)
   AND ($2 IS NULL OR EXISTS (SELECT 1 FROM asset_field f WHERE f.asset_id = a.asset_id AND f.name = $2 AND value_matches($3, f.value, $4)))
   AND ($5 IS NULL OR EXISTS (SELECT 1 FROM asset_field f WHERE f.asset_id = a.asset_id AND f.name = $5 AND value_matches($6, f.value, $7)))
   AND ($8 IS NULL OR EXISTS (SELECT 1 FROM asset_field f WHERE f.asset_id = a.asset_id AND f.name = $8 AND value_matches($9, f.value, $10)))
   AND ($11 IS NULL OR EXISTS (SELECT 1 FROM asset_field f WHERE f.asset_id = a.asset_id AND f.name = $11 AND value_matches($12, f.value, $13)))
 ORDER BY a.value, a.created_us, a.asset_id
 LIMIT $15 OFFSET $14;

-- Those with a property, in order of its smallest value.
-- name: asset_sorted [pg]
-- in:   sort:text
--       name1:text op1:i64 value1:text
--       name2:text op2:i64 value2:text
--       name3:text op3:i64 value3:text
--       name4:text op4:i64 value4:text
--       skip:i64 most:i64
-- out:  id:text
SELECT a.asset_id AS id
  FROM asset_property a
 WHERE a.name = $1
   AND NOT EXISTS (SELECT 1 FROM asset_property s WHERE s.asset_id = a.asset_id AND s.name = $1 AND s.value COLLATE "C" < a.value COLLATE "C")
   AND ($2 IS NULL OR EXISTS (SELECT 1 FROM asset_field f WHERE f.asset_id = a.asset_id AND f.name = $2 AND value_matches($3, f.value, $4)))
   AND ($5 IS NULL OR EXISTS (SELECT 1 FROM asset_field f WHERE f.asset_id = a.asset_id AND f.name = $5 AND value_matches($6, f.value, $7)))
   AND ($8 IS NULL OR EXISTS (SELECT 1 FROM asset_field f WHERE f.asset_id = a.asset_id AND f.name = $8 AND value_matches($9, f.value, $10)))
   AND ($11 IS NULL OR EXISTS (SELECT 1 FROM asset_field f WHERE f.asset_id = a.asset_id AND f.name = $11 AND value_matches($12, f.value, $13)))
 ORDER BY a.value COLLATE "C", a.created_us, a.asset_id
 LIMIT $15 OFFSET $14;

-- All, in the reverse order of creation.
-- name: asset_scan_desc
-- in:   name1:text op1:i64 value1:text
--       name2:text op2:i64 value2:text
--       name3:text op3:i64 value3:text
--       name4:text op4:i64 value4:text
--       skip:i64 most:i64
-- out:  id:text
SELECT a.asset_id AS id
  FROM asset a
 WHERE 1 = 1
   AND ($1 IS NULL OR EXISTS (SELECT 1 FROM asset_field f WHERE f.asset_id = a.asset_id AND f.name = $1 AND value_matches($2, f.value, $3)))
   AND ($4 IS NULL OR EXISTS (SELECT 1 FROM asset_field f WHERE f.asset_id = a.asset_id AND f.name = $4 AND value_matches($5, f.value, $6)))
   AND ($7 IS NULL OR EXISTS (SELECT 1 FROM asset_field f WHERE f.asset_id = a.asset_id AND f.name = $7 AND value_matches($8, f.value, $9)))
   AND ($10 IS NULL OR EXISTS (SELECT 1 FROM asset_field f WHERE f.asset_id = a.asset_id AND f.name = $10 AND value_matches($11, f.value, $12)))
 ORDER BY a.created_us DESC, a.asset_id DESC
 LIMIT $14 OFFSET $13;

-- All, in the reverse order of their ids.
-- name: asset_scan_id_desc
-- in:   name1:text op1:i64 value1:text
--       name2:text op2:i64 value2:text
--       name3:text op3:i64 value3:text
--       name4:text op4:i64 value4:text
--       skip:i64 most:i64
-- out:  id:text
SELECT a.asset_id AS id
  FROM asset a
 WHERE 1 = 1
   AND ($1 IS NULL OR EXISTS (SELECT 1 FROM asset_field f WHERE f.asset_id = a.asset_id AND f.name = $1 AND value_matches($2, f.value, $3)))
   AND ($4 IS NULL OR EXISTS (SELECT 1 FROM asset_field f WHERE f.asset_id = a.asset_id AND f.name = $4 AND value_matches($5, f.value, $6)))
   AND ($7 IS NULL OR EXISTS (SELECT 1 FROM asset_field f WHERE f.asset_id = a.asset_id AND f.name = $7 AND value_matches($8, f.value, $9)))
   AND ($10 IS NULL OR EXISTS (SELECT 1 FROM asset_field f WHERE f.asset_id = a.asset_id AND f.name = $10 AND value_matches($11, f.value, $12)))
 ORDER BY a.asset_id DESC
 LIMIT $14 OFFSET $13;

-- Those with one value of a property, in the reverse order of creation.
-- name: asset_with_desc
-- in:   name:text value:text
--       name1:text op1:i64 value1:text
--       name2:text op2:i64 value2:text
--       name3:text op3:i64 value3:text
--       name4:text op4:i64 value4:text
--       skip:i64 most:i64
-- out:  id:text
SELECT a.asset_id AS id
  FROM asset_property a
 WHERE a.name = $1
   AND a.value = $2
   AND ($3 IS NULL OR EXISTS (SELECT 1 FROM asset_field f WHERE f.asset_id = a.asset_id AND f.name = $3 AND value_matches($4, f.value, $5)))
   AND ($6 IS NULL OR EXISTS (SELECT 1 FROM asset_field f WHERE f.asset_id = a.asset_id AND f.name = $6 AND value_matches($7, f.value, $8)))
   AND ($9 IS NULL OR EXISTS (SELECT 1 FROM asset_field f WHERE f.asset_id = a.asset_id AND f.name = $9 AND value_matches($10, f.value, $11)))
   AND ($12 IS NULL OR EXISTS (SELECT 1 FROM asset_field f WHERE f.asset_id = a.asset_id AND f.name = $12 AND value_matches($13, f.value, $14)))
 ORDER BY a.created_us DESC, a.asset_id DESC
 LIMIT $16 OFFSET $15;

-- Those with a property, in the reverse order of its largest value.
-- name: asset_sorted_desc [sqlite]
-- in:   sort:text
--       name1:text op1:i64 value1:text
--       name2:text op2:i64 value2:text
--       name3:text op3:i64 value3:text
--       name4:text op4:i64 value4:text
--       skip:i64 most:i64
-- out:  id:text
SELECT a.asset_id AS id
  FROM asset_property a
 WHERE a.name = $1
   AND NOT EXISTS (SELECT 1 FROM asset_property s WHERE s.asset_id = a.asset_id AND s.name = $1 AND s.value > a.value)
   AND ($2 IS NULL OR EXISTS (SELECT 1 FROM asset_field f WHERE f.asset_id = a.asset_id AND f.name = $2 AND value_matches($3, f.value, $4)))
   AND ($5 IS NULL OR EXISTS (SELECT 1 FROM asset_field f WHERE f.asset_id = a.asset_id AND f.name = $5 AND value_matches($6, f.value, $7)))
   AND ($8 IS NULL OR EXISTS (SELECT 1 FROM asset_field f WHERE f.asset_id = a.asset_id AND f.name = $8 AND value_matches($9, f.value, $10)))
   AND ($11 IS NULL OR EXISTS (SELECT 1 FROM asset_field f WHERE f.asset_id = a.asset_id AND f.name = $11 AND value_matches($12, f.value, $13)))
 ORDER BY a.value DESC, a.created_us DESC, a.asset_id DESC
 LIMIT $15 OFFSET $14;

-- Those with a property, in the reverse order of its largest value.
-- name: asset_sorted_desc [pg]
-- in:   sort:text
--       name1:text op1:i64 value1:text
--       name2:text op2:i64 value2:text
--       name3:text op3:i64 value3:text
--       name4:text op4:i64 value4:text
--       skip:i64 most:i64
-- out:  id:text
SELECT a.asset_id AS id
  FROM asset_property a
 WHERE a.name = $1
   AND NOT EXISTS (SELECT 1 FROM asset_property s WHERE s.asset_id = a.asset_id AND s.name = $1 AND s.value COLLATE "C" > a.value COLLATE "C")
   AND ($2 IS NULL OR EXISTS (SELECT 1 FROM asset_field f WHERE f.asset_id = a.asset_id AND f.name = $2 AND value_matches($3, f.value, $4)))
   AND ($5 IS NULL OR EXISTS (SELECT 1 FROM asset_field f WHERE f.asset_id = a.asset_id AND f.name = $5 AND value_matches($6, f.value, $7)))
   AND ($8 IS NULL OR EXISTS (SELECT 1 FROM asset_field f WHERE f.asset_id = a.asset_id AND f.name = $8 AND value_matches($9, f.value, $10)))
   AND ($11 IS NULL OR EXISTS (SELECT 1 FROM asset_field f WHERE f.asset_id = a.asset_id AND f.name = $11 AND value_matches($12, f.value, $13)))
 ORDER BY a.value COLLATE "C" DESC, a.created_us DESC, a.asset_id DESC
 LIMIT $15 OFFSET $14;

-- How many have the property, and satisfy the criteria.
-- name: asset_sorted_count
-- in:   sort:text
--       name1:text op1:i64 value1:text
--       name2:text op2:i64 value2:text
--       name3:text op3:i64 value3:text
--       name4:text op4:i64 value4:text
-- out:  n:i64
SELECT count(DISTINCT a.asset_id) AS n
  FROM asset_property a
 WHERE a.name = $1
   AND ($2 IS NULL OR EXISTS (SELECT 1 FROM asset_field f WHERE f.asset_id = a.asset_id AND f.name = $2 AND value_matches($3, f.value, $4)))
   AND ($5 IS NULL OR EXISTS (SELECT 1 FROM asset_field f WHERE f.asset_id = a.asset_id AND f.name = $5 AND value_matches($6, f.value, $7)))
   AND ($8 IS NULL OR EXISTS (SELECT 1 FROM asset_field f WHERE f.asset_id = a.asset_id AND f.name = $8 AND value_matches($9, f.value, $10)))
   AND ($11 IS NULL OR EXISTS (SELECT 1 FROM asset_field f WHERE f.asset_id = a.asset_id AND f.name = $11 AND value_matches($12, f.value, $13)));

-- Those without the property, in order of creation: they follow the others.
-- name: asset_unsorted
-- in:   sort:text
--       name1:text op1:i64 value1:text
--       name2:text op2:i64 value2:text
--       name3:text op3:i64 value3:text
--       name4:text op4:i64 value4:text
--       skip:i64 most:i64
-- out:  id:text
SELECT a.asset_id AS id
  FROM asset a
 WHERE NOT EXISTS (SELECT 1 FROM asset_property s WHERE s.asset_id = a.asset_id AND s.name = $1)
   AND ($2 IS NULL OR EXISTS (SELECT 1 FROM asset_field f WHERE f.asset_id = a.asset_id AND f.name = $2 AND value_matches($3, f.value, $4)))
   AND ($5 IS NULL OR EXISTS (SELECT 1 FROM asset_field f WHERE f.asset_id = a.asset_id AND f.name = $5 AND value_matches($6, f.value, $7)))
   AND ($8 IS NULL OR EXISTS (SELECT 1 FROM asset_field f WHERE f.asset_id = a.asset_id AND f.name = $8 AND value_matches($9, f.value, $10)))
   AND ($11 IS NULL OR EXISTS (SELECT 1 FROM asset_field f WHERE f.asset_id = a.asset_id AND f.name = $11 AND value_matches($12, f.value, $13)))
 ORDER BY a.created_us, a.asset_id
 LIMIT $15 OFFSET $14;

-- Few: those with a value between two of them, in any order.
-- name: asset_between [sqlite]
-- in:   name:text low:text high:text
--       name1:text op1:i64 value1:text
--       name2:text op2:i64 value2:text
--       name3:text op3:i64 value3:text
--       name4:text op4:i64 value4:text
--       sort:text descending:i64 skip:i64 most:i64
-- out:  id:text
WITH a AS MATERIALIZED (SELECT DISTINCT f.asset_id FROM asset_field f WHERE f.name = $1 AND f.value >= $2 AND f.value <= $3)
SELECT q.id
  FROM (SELECT a.asset_id AS id, CASE $16 WHEN 'createdAt' THEN NULL WHEN 'https://w3id.org/edc/v0.0.1/ns/id' THEN a.asset_id
                    ELSE (SELECT CASE $17 WHEN 0 THEN min(s.value) ELSE max(s.value) END
                            FROM asset_property s WHERE s.asset_id = a.asset_id AND s.name = $16) END AS sort,
               (SELECT m.created_us FROM asset m WHERE m.asset_id = a.asset_id) AS made
          FROM a
         WHERE 1 = 1
           AND ($4 IS NULL OR EXISTS (SELECT 1 FROM asset_field f WHERE f.asset_id = a.asset_id AND f.name = $4 AND value_matches($5, f.value, $6)))
           AND ($7 IS NULL OR EXISTS (SELECT 1 FROM asset_field f WHERE f.asset_id = a.asset_id AND f.name = $7 AND value_matches($8, f.value, $9)))
           AND ($10 IS NULL OR EXISTS (SELECT 1 FROM asset_field f WHERE f.asset_id = a.asset_id AND f.name = $10 AND value_matches($11, f.value, $12)))
           AND ($13 IS NULL OR EXISTS (SELECT 1 FROM asset_field f WHERE f.asset_id = a.asset_id AND f.name = $13 AND value_matches($14, f.value, $15)))) q
 ORDER BY CASE WHEN q.sort IS NULL THEN 1 ELSE 0 END, CASE WHEN $17 = 0 THEN q.sort END, CASE WHEN $17 = 1 THEN q.sort END DESC,
       CASE WHEN $17 = 0 THEN q.made END, CASE WHEN $17 = 1 THEN q.made END DESC, q.id
 LIMIT $19 OFFSET $18;

-- Those with one of some values (a JSON array), in any order.
-- name: asset_among [sqlite]
-- in:   name:text list:text
--       name1:text op1:i64 value1:text
--       name2:text op2:i64 value2:text
--       name3:text op3:i64 value3:text
--       name4:text op4:i64 value4:text
--       sort:text descending:i64 skip:i64 most:i64
-- out:  id:text
WITH v AS MATERIALIZED (SELECT CAST(j.value AS text) AS value FROM json_each($2) j),
     a AS MATERIALIZED (SELECT f.asset_id FROM v CROSS JOIN asset_property f WHERE f.name = $1 AND f.value = v.value
                         UNION SELECT s.asset_id FROM v CROSS JOIN asset s
                                WHERE s.asset_id = v.value AND $1 = 'https://w3id.org/edc/v0.0.1/ns/id')
SELECT q.id
  FROM (SELECT a.asset_id AS id, CASE $15 WHEN 'createdAt' THEN NULL WHEN 'https://w3id.org/edc/v0.0.1/ns/id' THEN a.asset_id
                    ELSE (SELECT CASE $16 WHEN 0 THEN min(s.value) ELSE max(s.value) END
                            FROM asset_property s WHERE s.asset_id = a.asset_id AND s.name = $15) END AS sort,
               (SELECT m.created_us FROM asset m WHERE m.asset_id = a.asset_id) AS made
          FROM a
         WHERE 1 = 1
           AND ($3 IS NULL OR EXISTS (SELECT 1 FROM asset_field f WHERE f.asset_id = a.asset_id AND f.name = $3 AND value_matches($4, f.value, $5)))
           AND ($6 IS NULL OR EXISTS (SELECT 1 FROM asset_field f WHERE f.asset_id = a.asset_id AND f.name = $6 AND value_matches($7, f.value, $8)))
           AND ($9 IS NULL OR EXISTS (SELECT 1 FROM asset_field f WHERE f.asset_id = a.asset_id AND f.name = $9 AND value_matches($10, f.value, $11)))
           AND ($12 IS NULL OR EXISTS (SELECT 1 FROM asset_field f WHERE f.asset_id = a.asset_id AND f.name = $12 AND value_matches($13, f.value, $14)))) q
 ORDER BY CASE WHEN q.sort IS NULL THEN 1 ELSE 0 END, CASE WHEN $16 = 0 THEN q.sort END, CASE WHEN $16 = 1 THEN q.sort END DESC,
       CASE WHEN $16 = 0 THEN q.made END, CASE WHEN $16 = 1 THEN q.made END DESC, q.id
 LIMIT $18 OFFSET $17;

-- Few: those with a value between two of them, in any order.
-- name: asset_between [pg]
-- in:   name:text low:text high:text
--       name1:text op1:i64 value1:text
--       name2:text op2:i64 value2:text
--       name3:text op3:i64 value3:text
--       name4:text op4:i64 value4:text
--       sort:text descending:i64 skip:i64 most:i64
-- out:  id:text
WITH a AS MATERIALIZED (SELECT DISTINCT f.asset_id FROM asset_field f WHERE f.name = $1 AND f.value COLLATE "C" >= $2 AND f.value COLLATE "C" <= $3)
SELECT q.id
  FROM (SELECT a.asset_id AS id, CASE $16 WHEN 'createdAt' THEN NULL WHEN 'https://w3id.org/edc/v0.0.1/ns/id' THEN a.asset_id
                    ELSE (SELECT CASE $17 WHEN 0 THEN min(s.value COLLATE "C") ELSE max(s.value COLLATE "C") END
                            FROM asset_property s WHERE s.asset_id = a.asset_id AND s.name = $16) END AS sort,
               (SELECT m.created_us FROM asset m WHERE m.asset_id = a.asset_id) AS made
          FROM a
         WHERE 1 = 1
           AND ($4 IS NULL OR EXISTS (SELECT 1 FROM asset_field f WHERE f.asset_id = a.asset_id AND f.name = $4 AND value_matches($5, f.value, $6)))
           AND ($7 IS NULL OR EXISTS (SELECT 1 FROM asset_field f WHERE f.asset_id = a.asset_id AND f.name = $7 AND value_matches($8, f.value, $9)))
           AND ($10 IS NULL OR EXISTS (SELECT 1 FROM asset_field f WHERE f.asset_id = a.asset_id AND f.name = $10 AND value_matches($11, f.value, $12)))
           AND ($13 IS NULL OR EXISTS (SELECT 1 FROM asset_field f WHERE f.asset_id = a.asset_id AND f.name = $13 AND value_matches($14, f.value, $15)))) q
 ORDER BY CASE WHEN q.sort IS NULL THEN 1 ELSE 0 END, CASE WHEN $17 = 0 THEN q.sort END COLLATE "C", CASE WHEN $17 = 1 THEN q.sort END COLLATE "C" DESC,
       CASE WHEN $17 = 0 THEN q.made END, CASE WHEN $17 = 1 THEN q.made END DESC, q.id
 LIMIT $19 OFFSET $18;

-- Those with one of some values (a JSON array), in any order.
-- name: asset_among [pg]
-- in:   name:text list:text
--       name1:text op1:i64 value1:text
--       name2:text op2:i64 value2:text
--       name3:text op3:i64 value3:text
--       name4:text op4:i64 value4:text
--       sort:text descending:i64 skip:i64 most:i64
-- out:  id:text
WITH v AS MATERIALIZED (SELECT jsonb_array_elements_text(CAST($2 AS jsonb)) AS value),
     a AS MATERIALIZED (SELECT f.asset_id FROM v CROSS JOIN asset_property f WHERE f.name = $1 AND f.value = v.value
                         UNION SELECT s.asset_id FROM v CROSS JOIN asset s
                                WHERE s.asset_id = v.value AND $1 = 'https://w3id.org/edc/v0.0.1/ns/id')
SELECT q.id
  FROM (SELECT a.asset_id AS id, CASE $15 WHEN 'createdAt' THEN NULL WHEN 'https://w3id.org/edc/v0.0.1/ns/id' THEN a.asset_id
                    ELSE (SELECT CASE $16 WHEN 0 THEN min(s.value COLLATE "C") ELSE max(s.value COLLATE "C") END
                            FROM asset_property s WHERE s.asset_id = a.asset_id AND s.name = $15) END AS sort,
               (SELECT m.created_us FROM asset m WHERE m.asset_id = a.asset_id) AS made
          FROM a
         WHERE 1 = 1
           AND ($3 IS NULL OR EXISTS (SELECT 1 FROM asset_field f WHERE f.asset_id = a.asset_id AND f.name = $3 AND value_matches($4, f.value, $5)))
           AND ($6 IS NULL OR EXISTS (SELECT 1 FROM asset_field f WHERE f.asset_id = a.asset_id AND f.name = $6 AND value_matches($7, f.value, $8)))
           AND ($9 IS NULL OR EXISTS (SELECT 1 FROM asset_field f WHERE f.asset_id = a.asset_id AND f.name = $9 AND value_matches($10, f.value, $11)))
           AND ($12 IS NULL OR EXISTS (SELECT 1 FROM asset_field f WHERE f.asset_id = a.asset_id AND f.name = $12 AND value_matches($13, f.value, $14)))) q
 ORDER BY CASE WHEN q.sort IS NULL THEN 1 ELSE 0 END, CASE WHEN $16 = 0 THEN q.sort END COLLATE "C", CASE WHEN $16 = 1 THEN q.sort END COLLATE "C" DESC,
       CASE WHEN $16 = 0 THEN q.made END, CASE WHEN $16 = 1 THEN q.made END DESC, q.id
 LIMIT $18 OFFSET $17;

-- Few: those that satisfy one comparison, in any order.
-- name: asset_matching [sqlite]
-- in:   name:text op:i64 value:text
--       name1:text op1:i64 value1:text
--       name2:text op2:i64 value2:text
--       name3:text op3:i64 value3:text
--       name4:text op4:i64 value4:text
--       sort:text descending:i64 skip:i64 most:i64
-- out:  id:text
WITH a AS MATERIALIZED (SELECT DISTINCT f.asset_id FROM asset_field f WHERE f.name = $1 AND value_matches($2, f.value, $3))
SELECT q.id
  FROM (SELECT a.asset_id AS id, CASE $16 WHEN 'createdAt' THEN NULL WHEN 'https://w3id.org/edc/v0.0.1/ns/id' THEN a.asset_id
                    ELSE (SELECT CASE $17 WHEN 0 THEN min(s.value) ELSE max(s.value) END
                            FROM asset_property s WHERE s.asset_id = a.asset_id AND s.name = $16) END AS sort,
               (SELECT m.created_us FROM asset m WHERE m.asset_id = a.asset_id) AS made
          FROM a
         WHERE 1 = 1
           AND ($4 IS NULL OR EXISTS (SELECT 1 FROM asset_field f WHERE f.asset_id = a.asset_id AND f.name = $4 AND value_matches($5, f.value, $6)))
           AND ($7 IS NULL OR EXISTS (SELECT 1 FROM asset_field f WHERE f.asset_id = a.asset_id AND f.name = $7 AND value_matches($8, f.value, $9)))
           AND ($10 IS NULL OR EXISTS (SELECT 1 FROM asset_field f WHERE f.asset_id = a.asset_id AND f.name = $10 AND value_matches($11, f.value, $12)))
           AND ($13 IS NULL OR EXISTS (SELECT 1 FROM asset_field f WHERE f.asset_id = a.asset_id AND f.name = $13 AND value_matches($14, f.value, $15)))) q
 ORDER BY CASE WHEN q.sort IS NULL THEN 1 ELSE 0 END, CASE WHEN $17 = 0 THEN q.sort END, CASE WHEN $17 = 1 THEN q.sort END DESC,
       CASE WHEN $17 = 0 THEN q.made END, CASE WHEN $17 = 1 THEN q.made END DESC, q.id
 LIMIT $19 OFFSET $18;

-- Few: those that satisfy one comparison, in any order.
-- name: asset_matching [pg]
-- in:   name:text op:i64 value:text
--       name1:text op1:i64 value1:text
--       name2:text op2:i64 value2:text
--       name3:text op3:i64 value3:text
--       name4:text op4:i64 value4:text
--       sort:text descending:i64 skip:i64 most:i64
-- out:  id:text
WITH a AS MATERIALIZED (SELECT DISTINCT f.asset_id FROM asset_field f WHERE f.name = $1 AND value_matches($2, f.value, $3))
SELECT q.id
  FROM (SELECT a.asset_id AS id, CASE $16 WHEN 'createdAt' THEN NULL WHEN 'https://w3id.org/edc/v0.0.1/ns/id' THEN a.asset_id
                    ELSE (SELECT CASE $17 WHEN 0 THEN min(s.value COLLATE "C") ELSE max(s.value COLLATE "C") END
                            FROM asset_property s WHERE s.asset_id = a.asset_id AND s.name = $16) END AS sort,
               (SELECT m.created_us FROM asset m WHERE m.asset_id = a.asset_id) AS made
          FROM a
         WHERE 1 = 1
           AND ($4 IS NULL OR EXISTS (SELECT 1 FROM asset_field f WHERE f.asset_id = a.asset_id AND f.name = $4 AND value_matches($5, f.value, $6)))
           AND ($7 IS NULL OR EXISTS (SELECT 1 FROM asset_field f WHERE f.asset_id = a.asset_id AND f.name = $7 AND value_matches($8, f.value, $9)))
           AND ($10 IS NULL OR EXISTS (SELECT 1 FROM asset_field f WHERE f.asset_id = a.asset_id AND f.name = $10 AND value_matches($11, f.value, $12)))
           AND ($13 IS NULL OR EXISTS (SELECT 1 FROM asset_field f WHERE f.asset_id = a.asset_id AND f.name = $13 AND value_matches($14, f.value, $15)))) q
 ORDER BY CASE WHEN q.sort IS NULL THEN 1 ELSE 0 END, CASE WHEN $17 = 0 THEN q.sort END COLLATE "C", CASE WHEN $17 = 1 THEN q.sort END COLLATE "C" DESC,
       CASE WHEN $17 = 0 THEN q.made END, CASE WHEN $17 = 1 THEN q.made END DESC, q.id
 LIMIT $19 OFFSET $18;
