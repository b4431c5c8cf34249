-- name: duty_word_get
-- in:   deal_id:uuid duty_id:uuid role:text state:text
-- out:  document:text
SELECT document
  FROM ord.duty_word
 WHERE deal_id = $1
   AND duty_id = $2
   AND role = $3
   AND state = $4;

-- name: duty_word_count
-- in:   deal_id:uuid
-- out:  n:i64
SELECT count(*) AS n
  FROM ord.duty_word
 WHERE deal_id = $1;

-- name: duty_word_insert
-- in:   deal_id:uuid duty_id:uuid role:text state:text agreement_id:text provider:text consumer:text debtor:text action:text due_at:time
--       stated_at:time deletion:bool document:text remark:text received_at:time
-- out:
INSERT INTO ord.duty_word (deal_id, duty_id, role, state, agreement_id, provider, consumer, debtor, action, due_at, stated_at, deletion,
                           document, remark, received_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15);

-- One row a duty. What is done after somebody has called it overdue, or after its date, is late, whatever instant it names itself.
-- name: duty_list
-- in:   party:text state:text agreement_id:text after_at:time after_id:uuid most:i64
-- out:  duty_id:uuid agreement_id:text provider:text consumer:text debtor:text action:text due_at:time first_at:time state:text said:json
WITH word AS (
    SELECT deal_id, duty_id, debtor, action, min(agreement_id) AS agreement_id, min(provider) AS provider, min(consumer) AS consumer,
           min(due_at) AS due_at, min(received_at) AS first_at, bool_or(state = 'overdue') AS missed,
           (array_agg(state ORDER BY received_at) FILTER (WHERE state <> 'overdue'))[1] AS settled,
           min(received_at) FILTER (WHERE state = 'done') AS done_at,
           json_agg(json_build_object('role', role, 'state', state, 'at', to_char(stated_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'),
                                      'received_at', to_char(received_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'),
                                      'text', remark, 'document', document) ORDER BY received_at, role) AS said
      FROM ord.duty_word
     WHERE ($1::text IS NULL OR provider = $1 OR consumer = $1)
       AND ($3::text IS NULL OR agreement_id = $3)
     GROUP BY deal_id, duty_id, debtor, action
), duty AS (
    SELECT duty_id, agreement_id, provider, consumer, debtor, action, due_at, first_at, said,
           CASE WHEN settled = 'waived' THEN 'waived'
                WHEN settled = 'done' AND (missed OR done_at > due_at) THEN 'late'
                WHEN settled = 'done' THEN 'done'
                ELSE 'overdue' END AS state
      FROM word
)
SELECT duty_id, agreement_id, provider, consumer, debtor, action, due_at, first_at, state, said
  FROM duty
 WHERE ($2::text IS NULL OR state = $2)
   AND ($4::timestamptz IS NULL OR first_at > $4 OR (first_at = $4 AND duty_id > $5))
 ORDER BY first_at, duty_id, debtor, action
 LIMIT $6;
