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
--   #11.7            the 7th span of 2^11 places
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
);
CREATE INDEX search_terms ON cat.search USING gin (terms) WITH (fastupdate = off);
COMMENT ON TABLE cat.search IS 'search index: what can be found now, by the terms under which it is found';

CREATE FUNCTION cat.search_spans(place bigint) RETURNS text[] LANGUAGE sql IMMUTABLE AS $$
    SELECT ARRAY['#11.' || (place >> 11), '#14.' || (place >> 14), '#17.' || (place >> 17), '#20.' || (place >> 20), '#23.' || (place >> 23),
                 '#26.' || (place >> 26)]
$$;

-- How many of the tokens stand in a title.
CREATE FUNCTION cat.search_rank(title text[], tokens text[]) RETURNS bigint LANGUAGE sql IMMUTABLE AS $$
    SELECT CASE WHEN title @> tokens THEN cardinality(tokens) WHEN NOT title && tokens THEN 0
                ELSE (SELECT count(*) FROM unnest(tokens) AS t (token) WHERE t.token = ANY (title)) END
$$;

-- Whose datasets must not be found. Only members publish: who applies or was refused has none.
CREATE FUNCTION cat.search_barred() RETURNS uuid[] LANGUAGE sql STABLE AS $$
    SELECT ARRAY(SELECT participant_id FROM reg.participant WHERE state NOT IN ('active', 'applied', 'refused'))
$$;

-- The newest `most` datasets under all of `wanted` and one of `seers` (null: whoever asks sees everything), none of `untitled` in their
-- titles, with places before `upto` (null: all), newest first. It walks from the newest span to older ones, and takes wider spans while
-- they give little: about 1,000 rows are read whether the terms are in every second dataset or in every thousandth, and about twenty
-- steps of the index suffice to see that there is none. The plan is the same for all terms, so it is made once; the index is the point.
CREATE FUNCTION cat.search_walk(wanted text[], seers text[], untitled text[], upto bigint, most bigint)
RETURNS TABLE (place bigint, dataset_id uuid, provider_id uuid, domain text, price_kind text, media_type text, title text[])
LANGUAGE plpgsql STABLE SET plan_cache_mode = force_generic_plan SET enable_seqscan = off AS $$
DECLARE
    barred uuid[] := cat.search_barred();
    before bigint := coalesce(upto, (SELECT max(s.place) + 1 FROM cat.search s), 0);
    widest int := 11;
    bits int;
    span text;
    got bigint;
BEGIN
    WHILE before > 0 AND most > 0 LOOP
        bits := widest;
        WHILE bits > 11 AND before & ((1::bigint << bits) - 1) <> 0 LOOP
            bits := bits - 3;
        END LOOP;
        span := '#' || bits || '.' || ((before - 1) >> bits);
        RETURN QUERY
        SELECT s.place, s.dataset_id, s.provider_id, s.domain, s.price_kind, s.media_type, s.title
          FROM cat.search s
         WHERE s.terms @> (wanted || span)
           AND s.terms && coalesce(seers, ARRAY[span])
           AND s.place < before
           AND s.provider_id <> ALL (barred)
           AND NOT s.title && untitled
         ORDER BY s.place DESC
         LIMIT most;
        GET DIAGNOSTICS got = ROW_COUNT;
        most := most - got;
        before := ((before - 1) >> bits) << bits;
        IF got * 8 < most AND bits = widest AND widest < 26 THEN
            widest := widest + 3;
        ELSIF got > most AND widest > 11 THEN
            widest := widest - 3;
        END IF;
    END LOOP;
END
$$;

-- The `most` best datasets after (after_rank, after_place): those with more of the tokens in the title first, then the newest. Those with
-- all of them and those with none come by walking; those with some are ranked together.
CREATE FUNCTION cat.search_best(tokens text[], titled text[], filters text[], seers text[], after_rank bigint, after_place bigint, most bigint)
RETURNS TABLE (place bigint, dataset_id uuid, rank bigint)
LANGUAGE plpgsql STABLE SET plan_cache_mode = force_generic_plan SET enable_seqscan = off AS $$
DECLARE
    barred uuid[] := cat.search_barred();
    highest bigint := cardinality(tokens);
    got bigint;
BEGIN
    after_rank := coalesce(after_rank, highest + 1);
    IF after_rank >= highest THEN
        RETURN QUERY
        SELECT w.place, w.dataset_id, highest
          FROM cat.search_walk(tokens || titled || filters, seers, '{}', CASE WHEN after_rank = highest THEN after_place END, most) w;
        GET DIAGNOSTICS got = ROW_COUNT;
        most := most - got;
    END IF;
    IF highest > 1 AND after_rank > 0 AND most > 0 THEN
        RETURN QUERY
        SELECT r.place, r.dataset_id, r.rank
          FROM (SELECT s.place, s.dataset_id, cat.search_rank(s.title, tokens) AS rank
                  FROM cat.search s
                 WHERE s.terms @> (tokens || filters)
                   AND s.terms && titled
                   AND s.terms && coalesce(seers, tokens)
                   AND s.provider_id <> ALL (barred)) r
         WHERE r.rank < highest
           AND (r.rank, r.place) < (after_rank, after_place)
         ORDER BY r.rank DESC, r.place DESC
         LIMIT most;
        GET DIAGNOSTICS got = ROW_COUNT;
        most := most - got;
    END IF;
    IF highest > 0 AND most > 0 THEN
        RETURN QUERY
        SELECT w.place, w.dataset_id, 0::bigint
          FROM cat.search_walk(tokens || filters, seers, tokens, CASE WHEN after_rank = 0 THEN after_place END, most) w;
    END IF;
END
$$;

GRANT SELECT, INSERT ON cat.plan, cat.dataset_plan TO naru_app;
GRANT SELECT, INSERT, UPDATE ON cat.dataset TO naru_app;
GRANT SELECT, INSERT, UPDATE, DELETE ON cat.search TO naru_app;
GRANT USAGE ON SEQUENCE cat.place TO naru_app;
