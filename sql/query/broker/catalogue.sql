-- name: dataset_by_asset
-- in:   provider_id:uuid asset_id:text
-- out:  dataset_id:uuid provider_id:uuid asset_id:text version:i64 entry_hash:bytes state:text
SELECT dataset_id, provider_id, asset_id, version, entry_hash, state
  FROM cat.dataset
 WHERE provider_id = $1
   AND asset_id = $2
   FOR UPDATE;

-- name: dataset_put
-- in:   dataset_id:uuid provider_id:uuid asset_id:text version:i64 entry:text entry_jws:text entry_hash:bytes title_ko:text title_en:text domain:text semantic_id:text media_type:text visibility:text visible_to:text[] price_kind:text tokens:text[] title_tokens:text[] now:time
-- out:
INSERT INTO cat.dataset (dataset_id, provider_id, asset_id, version, entry, entry_jws, entry_hash, title_ko, title_en, domain,
                         semantic_id, media_type, visibility, visible_to, price_kind, tokens, title_tokens, state, published_at, changed_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, 'listed', $18, $18)
    ON CONFLICT (provider_id, asset_id) DO UPDATE
   SET version = excluded.version, entry = excluded.entry, entry_jws = excluded.entry_jws, entry_hash = excluded.entry_hash,
       title_ko = excluded.title_ko, title_en = excluded.title_en, domain = excluded.domain, semantic_id = excluded.semantic_id,
       media_type = excluded.media_type, visibility = excluded.visibility, visible_to = excluded.visible_to,
       price_kind = excluded.price_kind, tokens = excluded.tokens, title_tokens = excluded.title_tokens, state = 'listed',
       changed_at = excluded.changed_at;

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

-- What the viewer may see, before ranking and counting: what is hidden influences nothing.
-- name: dataset_search
-- in:   tokens:text[] viewer:uuid viewer_did:text domain:text price_kind:text media_type:text provider:uuid after_rank:i64 after_at:time after_id:uuid most:i64
-- out:  dataset_id:uuid asset_id:text version:i64 title_ko:text title_en:text domain:text media_type:text semantic_id:text price_kind:text visibility:text provider_did:text provider_ko:text provider_en:text changed_at:time rank:i64
SELECT dataset_id, asset_id, version, title_ko, title_en, domain, media_type, semantic_id, price_kind, visibility, provider_did, provider_ko,
       provider_en, changed_at, rank
  FROM (SELECT d.dataset_id, d.asset_id, d.version, d.title_ko, d.title_en, d.domain, d.media_type, d.semantic_id, d.price_kind,
               d.visibility, p.did AS provider_did, p.name_ko AS provider_ko, p.name_en AS provider_en, d.changed_at,
               (SELECT count(*) FROM unnest($1::text[]) AS t (token) WHERE t.token = ANY (d.title_tokens)) AS rank
          FROM cat.dataset d
          JOIN reg.participant p ON p.participant_id = d.provider_id
         WHERE d.state = 'listed'
           AND p.state = 'active'
           AND ($1::text[] IS NULL OR d.tokens @> $1)
           AND ($2::uuid IS NULL OR d.provider_id = $2 OR d.visibility IN ('open', 'on_request') OR $3 = ANY (d.visible_to))
           AND ($4::text IS NULL OR d.domain = $4)
           AND ($5::text IS NULL OR d.price_kind = $5)
           AND ($6::text IS NULL OR d.media_type = $6)
           AND ($7::uuid IS NULL OR d.provider_id = $7)) AS found
 WHERE $8::bigint IS NULL
    OR rank < $8
    OR (rank = $8 AND (changed_at < $9 OR (changed_at = $9 AND dataset_id > $10)))
 ORDER BY rank DESC, changed_at DESC, dataset_id
 LIMIT $11;

-- name: dataset_facets
-- in:   tokens:text[] viewer:uuid viewer_did:text domain:text price_kind:text media_type:text provider:uuid most:i64
-- out:  facet:text value:text n:i64
WITH found AS (
    SELECT d.domain, d.price_kind, d.media_type, p.did AS provider
      FROM cat.dataset d
      JOIN reg.participant p ON p.participant_id = d.provider_id
     WHERE d.state = 'listed'
       AND p.state = 'active'
       AND ($1::text[] IS NULL OR d.tokens @> $1)
       AND ($2::uuid IS NULL OR d.provider_id = $2 OR d.visibility IN ('open', 'on_request') OR $3 = ANY (d.visible_to))
       AND ($4::text IS NULL OR d.domain = $4)
       AND ($5::text IS NULL OR d.price_kind = $5)
       AND ($6::text IS NULL OR d.media_type = $6)
       AND ($7::uuid IS NULL OR d.provider_id = $7)
     ORDER BY d.dataset_id
     LIMIT $8
)
SELECT CASE WHEN grouping(domain) = 0 THEN 'domain' WHEN grouping(price_kind) = 0 THEN 'price' WHEN grouping(media_type) = 0 THEN 'media_type'
            WHEN grouping(provider) = 0 THEN 'provider' ELSE 'total' END AS facet,
       coalesce(domain, price_kind, media_type, provider, '') AS value,
       count(*) AS n
  FROM found
 GROUP BY GROUPING SETS ((domain), (price_kind), (media_type), (provider), ())
 ORDER BY 1, 3 DESC, 2
 LIMIT 200;
