-- Several processes of one connector on one database (docs/replicas.md). Number 0: the only one, on SQLite, and what was there before.
ALTER TABLE access ADD COLUMN owner bigint NOT NULL DEFAULT 0;
-- engine: pg
CREATE TABLE replica (
    replica_id bigint PRIMARY KEY,
    name text NOT NULL,
    started_us bigint NOT NULL
);
INSERT INTO replica (replica_id, name, started_us) VALUES (0, 'before', 0);
-- who sends a message
ALTER TABLE outbox ADD COLUMN owner bigint NOT NULL DEFAULT 0;
CREATE INDEX outbox_stream ON outbox (stream, id);
CREATE INDEX outbox_owner ON outbox (owner, id);
-- engine: all
