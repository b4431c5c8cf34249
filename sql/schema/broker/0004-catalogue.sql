-- Plans are immutable and named by the hash of their canonical form; datasets have versions, the newest is searched.
CREATE TABLE cat.plan (
    plan_hash text PRIMARY KEY CONSTRAINT plan_hash_form CHECK (plan_hash ~ '^[0-9a-f]{64}$'),
    text text NOT NULL,
    currency text NOT NULL,
    made_at timestamptz NOT NULL
);
COMMENT ON TABLE cat.plan IS 'price plans: canonical JSON under its SHA-256';
SELECT sys.make_append_only('cat.plan');
CREATE TABLE cat.dataset (
    dataset_id uuid PRIMARY KEY,
    provider_id uuid NOT NULL REFERENCES reg.participant,
    asset_id text NOT NULL,
    version bigint NOT NULL CONSTRAINT dataset_version_positive CHECK (version > 0),
    entry text NOT NULL,
    entry_jws text NOT NULL,
    entry_hash bytea NOT NULL,
    title_ko text NOT NULL,
    title_en text NOT NULL,
    domain text NOT NULL CONSTRAINT dataset_domain CHECK (domain IN ('carbon', 'process', 'supply-chain')),
    semantic_id text NOT NULL DEFAULT '',
    media_type text NOT NULL DEFAULT '',
    visibility text NOT NULL CONSTRAINT dataset_visibility CHECK (visibility IN ('open', 'group', 'bilateral', 'on_request')),
    visible_to text[] NOT NULL DEFAULT '{}',
    price_kind text NOT NULL,
    state text NOT NULL CONSTRAINT dataset_state CHECK (state IN ('listed', 'withdrawn', 'stopped')),
    published_at timestamptz NOT NULL,
    changed_at timestamptz NOT NULL,
    CONSTRAINT dataset_asset_unique UNIQUE (provider_id, asset_id)
);
COMMENT ON TABLE cat.dataset IS 'catalogue: the newest signed entry of each dataset';
CREATE TABLE cat.dataset_plan (
    dataset_id uuid NOT NULL REFERENCES cat.dataset,
    version bigint NOT NULL,
    plan_hash text NOT NULL REFERENCES cat.plan,
    PRIMARY KEY (dataset_id, version, plan_hash)
);
COMMENT ON TABLE cat.dataset_plan IS 'plans offered by each version of a dataset';

-- The search index: one row for each listed dataset, written and removed in the transactions that list and withdraw it. It is narrow, and
-- everything that narrows a search is a term, so that one index answers any search, whatever it filters by and whoever asks:
--   word             a token of title or text (server/catalogue/tokens.c: letters and digits only, so it is never one of the others)
--   ^word            a token of the title
--   domain=carbon    a value to filter by; likewise price=, media_type=, provider=
--   to=*  to=did     who may see it: everybody, or whom it names; its provider sees it by provider=
--   #10.7            the 7th span of 2^10 places
-- A place is the number of the publication: the newest dataset has the highest. Spans of places let a search begin with the newest and
-- stop when it has enough (cat.search_walk). The index has no pending list: every step would read it.
CREATE SEQUENCE cat.place;
CREATE TABLE cat.search (
    place bigint NOT NULL CONSTRAINT search_place_unique UNIQUE,
    dataset_id uuid PRIMARY KEY REFERENCES cat.dataset,
    provider_id uuid NOT NULL,
    domain text NOT NULL,
    price_kind text NOT NULL,
    media_type text NOT NULL,
    title text[] COLLATE "C" NOT NULL,
    terms text[] COLLATE "C" NOT NULL
) WITH (toast_tuple_target = 128);
-- The terms are for the index; whoever reads the rows wants many of them on a page.
ALTER TABLE cat.search ALTER terms SET STORAGE EXTERNAL, ALTER title SET STORAGE MAIN, ALTER media_type SET STORAGE MAIN,
    ALTER domain SET STORAGE MAIN, ALTER price_kind SET STORAGE MAIN;
CREATE INDEX search_terms ON cat.search USING gin (terms) WITH (fastupdate = off);
COMMENT ON TABLE cat.search IS 'search index: what can be found now, by the terms under which it is found';

CREATE FUNCTION cat.search_spans(place bigint) RETURNS text[] LANGUAGE sql IMMUTABLE AS $$
    SELECT ARRAY['#10.' || (place >> 10), '#13.' || (place >> 13), '#16.' || (place >> 16), '#19.' || (place >> 19), '#22.' || (place >> 22),
                 '#25.' || (place >> 25)]
$$;

-- Whose datasets must not be found. Only members publish: who applies or was refused has none.
CREATE FUNCTION cat.search_barred() RETURNS uuid[] LANGUAGE sql STABLE AS $$
    SELECT ARRAY(SELECT participant_id FROM reg.participant WHERE state NOT IN ('active', 'applied', 'refused'))
$$;

-- The newest `most` datasets under all of `wanted` and one of `seers` (null: whoever asks sees everything), none of `untitled` in their
-- titles, with places before `upto` (null: all), newest first; rank is how many of `tokens` stand in the title.
-- It walks from the newest places to older ones. A step takes as many places as promise what is still missing by what the step before
-- gave, but at most eight times as many as that, so that a change of luck costs little; when the rest promises no more than is missing and
-- is at most 64 times as large, it is taken without naming spans: reading their lists would cost more than the hits. So it reads about as many rows as it returns, whether the terms are in every second dataset
-- or in one of a million. The plan is the same for all terms, so it is made once, and it must not depend on what is known of the table.
CREATE FUNCTION cat.search_walk(wanted text[], seers text[], tokens text[], untitled text[], upto bigint, most bigint)
RETURNS TABLE (place bigint, dataset_id uuid, provider_id uuid, domain text, price_kind text, media_type text, rank bigint)
LANGUAGE plpgsql STABLE SET plan_cache_mode = force_generic_plan SET enable_seqscan = off AS $$
DECLARE
    step CONSTANT bigint := 1024;
    barred uuid[] := cat.search_barred();
    before bigint := coalesce(upto, (SELECT max(s.place) + 1 FROM cat.search s), 0);
    size bigint := step;
    few bigint := 0;
    low bigint;
    bits int;
    spans text[];
    got bigint;
BEGIN
    WHILE before > 0 AND most > 0 LOOP
        IF size >= before AND before <= few AND cardinality(wanted) > 0 THEN
            low := 0;
            spans := coalesce(seers, wanted);
        ELSE
            bits := 10;
            WHILE size > 8::bigint << bits AND bits < 25 LOOP
                bits := bits + 3;
            END LOOP;
            low := greatest(before - size, 0) >> bits << bits;
            spans := ARRAY(SELECT '#' || bits || '.' || n FROM generate_series(low >> bits, (before - 1) >> bits) AS n);
        END IF;
        RETURN QUERY
        SELECT s.place, s.dataset_id, s.provider_id, s.domain, s.price_kind, s.media_type,
               CASE WHEN s.title @> tokens THEN cardinality(tokens) WHEN NOT s.title && tokens THEN 0
                    ELSE (SELECT count(*) FROM unnest(tokens) AS t (token) WHERE t.token = ANY (s.title)) END
          FROM cat.search s
         WHERE s.terms @> wanted
           AND s.terms && spans
           AND s.terms && coalesce(seers, spans)
           AND s.place < before
           AND s.provider_id <> ALL (barred)
           AND (cardinality(untitled) = 0 OR NOT s.title && untitled)
         ORDER BY s.place DESC
         LIMIT most;
        GET DIAGNOSTICS got = ROW_COUNT;
        most := most - got;
        size := most * (before - low) / (got + 1) * 5 / 4;
        few := 64 * (before - low);
        IF size < low OR low > few THEN
            size := least(greatest(size, step), 8 * (before - low));
        END IF;
        before := low;
    END LOOP;
END
$$;

-- The `most` best datasets after (after_rank, after_place): those with more of the tokens in the title first, then the newest. Titles with
-- all of the tokens and with none are walked, and up to four tokens also each choice of some without the others. More tokens are seldom
-- together: there, what lies between is ranked.
CREATE FUNCTION cat.search_best(tokens text[], filters text[], seers text[], after_rank bigint, after_place bigint, most bigint)
RETURNS TABLE (place bigint, dataset_id uuid, rank bigint)
LANGUAGE plpgsql STABLE SET plan_cache_mode = force_generic_plan SET enable_seqscan = off AS $$
DECLARE
    barred uuid[] := cat.search_barred();
    wanted text[] := tokens || filters;
    titled text[] := ARRAY(SELECT '^' || t.token FROM unnest(tokens) AS t (token));
    highest int := cardinality(tokens);
    upto bigint;
    got bigint;
BEGIN
    FOR level IN REVERSE least(highest, after_rank) .. 0 LOOP
        upto := CASE WHEN level = after_rank THEN after_place END;
        IF level = highest THEN
            RETURN QUERY
            SELECT w.place, w.dataset_id, level::bigint
              FROM cat.search_walk(wanted || titled, seers, '{}', '{}', upto, most) w;
        ELSIF level = 0 THEN
            RETURN QUERY
            SELECT w.place, w.dataset_id, 0::bigint
              FROM cat.search_walk(wanted, seers, '{}', tokens, upto, most) w;
        ELSIF highest <= 4 THEN
            RETURN QUERY
            SELECT w.place, w.dataset_id, level::bigint
              FROM (SELECT array_agg('^' || t.token) FILTER (WHERE (c.bits >> (t.n::int - 1)) & 1 = 1) AS inside,
                           array_agg(t.token) FILTER (WHERE (c.bits >> (t.n::int - 1)) & 1 = 0) AS outside
                      FROM generate_series(1, (1 << highest) - 2) AS c (bits)
                     CROSS JOIN unnest(tokens) WITH ORDINALITY AS t (token, n)
                     GROUP BY c.bits
                    HAVING sum((c.bits >> (t.n::int - 1)) & 1) = level) x
             CROSS JOIN LATERAL cat.search_walk(wanted || x.inside, seers, '{}', x.outside, upto, most) w
             ORDER BY w.place DESC
             LIMIT most;
        ELSIF level = least(highest - 1, after_rank) THEN
            RETURN QUERY
            SELECT r.place, r.dataset_id, r.rank
              FROM (SELECT s.place, s.dataset_id,
                           (SELECT count(*) FROM unnest(tokens) AS t (token) WHERE t.token = ANY (s.title)) AS rank
                      FROM cat.search s
                     WHERE s.terms @> wanted
                       AND s.terms && titled
                       AND s.terms && coalesce(seers, wanted)
                       AND s.provider_id <> ALL (barred)) r
             WHERE r.rank <= level
               AND (upto IS NULL OR r.rank < level OR r.place < upto)
             ORDER BY r.rank DESC, r.place DESC
             LIMIT most;
        ELSE
            CONTINUE;
        END IF;
        GET DIAGNOSTICS got = ROW_COUNT;
        most := most - got;
        EXIT WHEN most = 0;
    END LOOP;
END
$$;

GRANT SELECT, INSERT ON cat.plan, cat.dataset_plan TO naru_app;
GRANT SELECT, INSERT, UPDATE ON cat.dataset TO naru_app;
GRANT SELECT, INSERT, UPDATE, DELETE ON cat.search TO naru_app;
GRANT USAGE ON SEQUENCE cat.place TO naru_app;
