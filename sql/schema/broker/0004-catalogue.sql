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
    tokens text[] NOT NULL,
    title_tokens text[] NOT NULL,
    state text NOT NULL CONSTRAINT dataset_state CHECK (state IN ('listed', 'withdrawn', 'stopped')),
    published_at timestamptz NOT NULL,
    changed_at timestamptz NOT NULL,
    CONSTRAINT dataset_asset_unique UNIQUE (provider_id, asset_id)
);
CREATE INDEX dataset_tokens ON cat.dataset USING gin (tokens);
CREATE INDEX dataset_listed ON cat.dataset (changed_at DESC, dataset_id) WHERE state = 'listed';
COMMENT ON TABLE cat.dataset IS 'catalogue: the newest signed entry of each dataset with its search index';
CREATE TABLE cat.dataset_plan (
    dataset_id uuid NOT NULL REFERENCES cat.dataset,
    version bigint NOT NULL,
    plan_hash text NOT NULL REFERENCES cat.plan,
    PRIMARY KEY (dataset_id, version, plan_hash)
);
COMMENT ON TABLE cat.dataset_plan IS 'plans offered by each version of a dataset';
GRANT SELECT, INSERT ON cat.plan, cat.dataset_plan TO naru_app;
GRANT SELECT, INSERT, UPDATE ON cat.dataset TO naru_app;
