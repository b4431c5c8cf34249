-- Messages are looked for within their process: ids ascend with time, so its messages stand together and a new one costs no page of its own
-- (a key that begins with a hash costs a random one).
DROP INDEX message_seen_us;
ALTER TABLE message_seen RENAME TO message_seen_before;
-- engine: sqlite
CREATE TABLE message_seen (
    process_id text NOT NULL,
    message_id text NOT NULL,
    seen_us bigint NOT NULL,
    PRIMARY KEY (process_id, message_id)
) WITHOUT ROWID;
-- engine: pg
CREATE TABLE message_seen (
    process_id text NOT NULL,
    message_id text NOT NULL,
    seen_us bigint NOT NULL,
    PRIMARY KEY (process_id, message_id)
);
-- engine: all
INSERT INTO message_seen (process_id, message_id, seen_us)
SELECT process_id, message_id, max(seen_us)
  FROM message_seen_before
 GROUP BY process_id, message_id;
DROP TABLE message_seen_before;
CREATE INDEX message_seen_us ON message_seen (seen_us);

-- most negotiations change state several times before they have an agreement
DROP INDEX negotiation_agreement;
CREATE INDEX negotiation_agreement ON negotiation (agreement_id) WHERE agreement_id IS NOT NULL;

-- few agreements are ever retired
DROP INDEX agreement_retired;
CREATE INDEX agreement_retired ON agreement (retired_us, agreement_id) WHERE retired_us IS NOT NULL;
