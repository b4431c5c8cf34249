-- What issuers say of a partner, and how long it counts (docs/policy.md, Facts).
-- The membership credential that it showed last; none: an identity mode without credentials.
ALTER TABLE peer ADD COLUMN credential_id text;
ALTER TABLE peer ADD COLUMN issuer text;
ALTER TABLE peer ADD COLUMN issued_us bigint NOT NULL DEFAULT 0;
ALTER TABLE peer ADD COLUMN expires_us bigint NOT NULL DEFAULT 0;
ALTER TABLE peer ADD COLUMN attestations text;
-- What our operator has checked himself.
CREATE TABLE partner_credential (
    partner_id text NOT NULL,
    credential_type text NOT NULL,
    value text NOT NULL,
    issuer text NOT NULL,
    recorded_us bigint NOT NULL,
    expires_us bigint NOT NULL,
    PRIMARY KEY (partner_id, credential_type, value)
);
-- What an issuer no longer stands for; forgotten once it has expired anyway.
CREATE TABLE credential_revoked (
    issuer text NOT NULL,
    credential_id text NOT NULL,
    subject text NOT NULL,
    reason text NOT NULL,
    revoked_us bigint NOT NULL,
    until_us bigint NOT NULL,
    PRIMARY KEY (issuer, credential_id)
);
CREATE INDEX credential_revoked_until ON credential_revoked (until_us);
-- When an issuer was last asked for what it has revoked, up to which number it told, and how long its silence may last.
CREATE TABLE credential_feed (
    issuer text PRIMARY KEY,
    number bigint NOT NULL,
    checked_us bigint NOT NULL,
    max_age_us bigint NOT NULL
);
-- Use that policies may limit: rows, and days (UTC, since 1970) with at least one access.
ALTER TABLE agreement_use ADD COLUMN row_count bigint NOT NULL DEFAULT 0;
ALTER TABLE access ADD COLUMN reserved_rows bigint NOT NULL DEFAULT 0;
CREATE TABLE agreement_day (
    agreement_id text NOT NULL REFERENCES agreement,
    day bigint NOT NULL,
    PRIMARY KEY (agreement_id, day)
);
