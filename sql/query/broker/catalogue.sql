-- name: dataset_by_asset
-- in:   provider_id:uuid asset_id:text
-- out:  dataset_id:uuid provider_id:uuid asset_id:text version:i64 entry_hash:bytes state:text
SELECT dataset_id, provider_id, asset_id, version, entry_hash, state
  FROM cat.dataset
 WHERE provider_id = $1
   AND asset_id = $2
   FOR UPDATE;

-- name: dataset_put
-- in:   dataset_id:uuid provider_id:uuid asset_id:text version:i64 entry:text entry_jws:text entry_hash:bytes title_ko:text title_en:text domain:text semantic_id:text media_type:text visibility:text visible_to:text[] price_kind:text now:time
-- out:
INSERT INTO cat.dataset (dataset_id, provider_id, asset_id, version, entry, entry_jws, entry_hash, title_ko, title_en, domain,
                         semantic_id, media_type, visibility, visible_to, price_kind, state, published_at, changed_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, 'listed', $16, $16)
    ON CONFLICT (provider_id, asset_id) DO UPDATE
   SET version = excluded.version, entry = excluded.entry, entry_jws = excluded.entry_jws, entry_hash = excluded.entry_hash,
       title_ko = excluded.title_ko, title_en = excluded.title_en, domain = excluded.domain, semantic_id = excluded.semantic_id,
       media_type = excluded.media_type, visibility = excluded.visibility, visible_to = excluded.visible_to,
       price_kind = excluded.price_kind, state = 'listed', changed_at = excluded.changed_at;

-- Lists a dataset as the newest.
-- name: search_put
-- in:   dataset_id:uuid provider_id:uuid domain:text price_kind:text media_type:text title:text[] terms:text[]
-- out:
INSERT INTO cat.search (place, dataset_id, provider_id, domain, price_kind, media_type, title, terms)
SELECT n.place, $1, $2, $3, $4, $5, $6, $7::text[] || cat.search_spans(n.place)
  FROM (SELECT nextval('cat.place') AS place) n
    ON CONFLICT (dataset_id) DO UPDATE
   SET place = excluded.place, domain = excluded.domain, price_kind = excluded.price_kind, media_type = excluded.media_type,
       title = excluded.title, terms = excluded.terms;

-- name: search_remove
-- in:   dataset_id:uuid
-- out:
DELETE FROM cat.search
 WHERE dataset_id = $1;

-- name: dataset_withdraw
-- in:   dataset_id:uuid now:time
-- out:
UPDATE cat.dataset
   SET state = 'withdrawn',
       changed_at = $2
 WHERE dataset_id = $1;

-- name: plan_insert
-- in:   plan_hash:text text:text currency:text now:time
-- out:
INSERT INTO cat.plan (plan_hash, text, currency, made_at)
VALUES ($1, $2, $3, $4)
    ON CONFLICT DO NOTHING;

-- name: plan_get
-- in:   plan_hash:text
-- out:  text:text
SELECT text
  FROM cat.plan
 WHERE plan_hash = $1;

-- name: dataset_plan_insert
-- in:   dataset_id:uuid version:i64 plan_hash:text
-- out:
INSERT INTO cat.dataset_plan (dataset_id, version, plan_hash)
VALUES ($1, $2, $3)
    ON CONFLICT DO NOTHING;

-- name: dataset_plans
-- in:   dataset_id:uuid version:i64
-- out:  plan_hash:text text:text
SELECT p.plan_hash, p.text
  FROM cat.dataset_plan d
  JOIN cat.plan p USING (plan_hash)
 WHERE d.dataset_id = $1
   AND d.version = $2
 ORDER BY p.plan_hash;

-- name: dataset_visible
-- in:   dataset_id:uuid viewer:uuid viewer_did:text
-- out:  dataset_id:uuid provider_id:uuid asset_id:text version:i64 entry:text state:text visibility:text price_kind:text published_at:time changed_at:time
SELECT d.dataset_id, d.provider_id, d.asset_id, d.version, d.entry, d.state, d.visibility, d.price_kind, d.published_at, d.changed_at
  FROM cat.dataset d
  JOIN reg.participant p ON p.participant_id = d.provider_id
 WHERE d.dataset_id = $1
   AND ($2::uuid IS NULL OR d.provider_id = $2
        OR (p.state = 'active' AND d.state = 'listed'
            AND (d.visibility IN ('open', 'on_request') OR $3 = ANY (d.visible_to))));

-- The datasets of one page as rows of facet 'item' (n: rank), and unless it continues a page the values of each facet and the total.
-- What the viewer may see is a condition of every step: what is hidden influences nothing. `hit` are the newest cap + 1. They hold the page
-- if they are all there is, or enough of them have every token in the title; else it comes from cat.search_best.
-- name: dataset_search
-- in:   tokens:text[] filters:text[] seers:text[] after_rank:i64 after_place:i64 most:i64 cap:i64
-- out:  facet:text value:text n:i64 dataset_id:uuid place:i64
WITH hit AS MATERIALIZED (
    SELECT line, place, dataset_id, provider_id, domain, price_kind, media_type, rank
      FROM cat.search_walk($1::text[] || $2::text[], $3, $1, '{}', NULL, $7 + 1) WITH ORDINALITY
        AS w (place, dataset_id, provider_id, domain, price_kind, media_type, rank, line)
), total AS MATERIALIZED (
    SELECT count(*) AS n
      FROM hit
), enough AS MATERIALIZED (
    SELECT (SELECT n FROM total) <= $7
        OR count(*) FILTER (WHERE rank = cardinality($1) AND ($4::bigint IS NULL OR (rank, place) < ($4, $5))) >= $6 AS yes
      FROM hit
), best AS (
    (SELECT place, dataset_id, rank
       FROM hit
      WHERE (SELECT yes FROM enough)
        AND ($4::bigint IS NULL OR (rank, place) < ($4, $5))
      ORDER BY rank DESC, place DESC
      LIMIT $6)
    UNION ALL
    SELECT place, dataset_id, rank
      FROM cat.search_best($1, $2, $3, $4, $5, $6)
     WHERE NOT (SELECT yes FROM enough)
), counted AS (
    SELECT CASE WHEN grouping(domain) = 0 THEN 'domain' WHEN grouping(price_kind) = 0 THEN 'price'
                WHEN grouping(media_type) = 0 THEN 'media_type' ELSE 'provider' END AS facet,
           coalesce(domain, price_kind, media_type) AS value, provider_id, count(*) AS n
      FROM hit
     WHERE $4::bigint IS NULL
       AND line <= $7
     GROUP BY GROUPING SETS ((domain), (price_kind), (media_type), (provider_id))
), numbered AS (
    SELECT facet, value, provider_id, n, row_number() OVER (PARTITION BY facet ORDER BY n DESC, value, provider_id) AS line
      FROM counted
)
SELECT 'item' AS facet, '' AS value, rank AS n, dataset_id, place
  FROM best
 UNION ALL
SELECT c.facet, coalesce(c.value, p.did), c.n, NULL, 0
  FROM numbered c
  LEFT JOIN reg.participant p ON p.participant_id = c.provider_id
 WHERE c.line <= 50
 UNION ALL
SELECT 'total', '', n, NULL, 0
  FROM total
 ORDER BY facet, n DESC, place DESC, value;

-- What a page says of each of these datasets, in their order.
-- name: dataset_items
-- in:   datasets:uuid[]
-- out:  dataset_id:uuid asset_id:text version:i64 title_ko:text title_en:text domain:text media_type:text semantic_id:text price_kind:text visibility:text provider_did:text provider_ko:text provider_en:text changed_at:time
SELECT d.dataset_id, d.asset_id, d.version, d.title_ko, d.title_en, d.domain, d.media_type, d.semantic_id, d.price_kind, d.visibility,
       p.did AS provider_did, p.name_ko AS provider_ko, p.name_en AS provider_en, d.changed_at
  FROM unnest($1::uuid[]) WITH ORDINALITY AS i (dataset_id, line)
  JOIN cat.dataset d USING (dataset_id)
  JOIN reg.participant p ON p.participant_id = d.provider_id
 ORDER BY i.line;
