-- The log (DESIGN §10). Facts append to aud.pending in their own transaction; a single sealer takes what one snapshot shows, so that a checkpoint
-- covers whole transactions, gives each entry its index, and writes tiles and the signed checkpoint.
CREATE TABLE aud.pending (
    pending_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    made_in xid8 NOT NULL DEFAULT pg_current_xact_id(),
    entry text NOT NULL CONSTRAINT pending_entry_size CHECK (octet_length(entry) BETWEEN 2 AND 65535)
);
ALTER TABLE aud.pending ALTER COLUMN entry SET STORAGE EXTERNAL; -- read once within a second: not worth compressing
COMMENT ON TABLE aud.pending IS 'canonical entries that wait for the sealer, one or several of a fact in one row: one a line';
CREATE TABLE aud.entry (
    log_index bigint PRIMARY KEY CONSTRAINT entry_index_natural CHECK (log_index >= 0),
    kind text NOT NULL,
    at timestamptz NOT NULL,
    entry text NOT NULL
);
CREATE INDEX entry_kind ON aud.entry (kind, log_index);
CREATE INDEX entry_at ON aud.entry USING brin (at); -- entries are nearly in the order of their times
COMMENT ON TABLE aud.entry IS 'sealed entries; the leaf hash is over the bytes of entry';
CREATE TABLE aud.tile (
    level bigint NOT NULL,
    idx bigint NOT NULL,
    width bigint NOT NULL CONSTRAINT tile_width CHECK (width BETWEEN 1 AND 256),
    data bytea NOT NULL,
    PRIMARY KEY (level, idx),
    CONSTRAINT tile_length CHECK (length(data) = 32 * width)
);
COMMENT ON TABLE aud.tile IS 'hashes of a C2SP tile; a partial tile grows in place until it is full';
CREATE TABLE aud.checkpoint (
    tree_size bigint PRIMARY KEY CONSTRAINT checkpoint_size_natural CHECK (tree_size >= 0),
    root bytea NOT NULL CONSTRAINT checkpoint_root_length CHECK (length(root) = 32),
    note text NOT NULL,
    signed_at timestamptz NOT NULL
);
COMMENT ON TABLE aud.checkpoint IS 'signed notes, one per sealed batch';
SELECT sys.make_append_only('aud.entry');
SELECT sys.make_append_only('aud.checkpoint');
GRANT INSERT ON aud.pending TO naru_app;
GRANT SELECT ON aud.entry, aud.tile, aud.checkpoint TO naru_app, naru_auditor;
GRANT SELECT, DELETE ON aud.pending TO naru_sealer;
GRANT SELECT, INSERT ON aud.entry, aud.checkpoint TO naru_sealer;
GRANT SELECT, INSERT, UPDATE ON aud.tile TO naru_sealer;
