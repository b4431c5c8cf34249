-- What the data plane remembers (connector/dataplane, connector/facts).

-- members as their credentials last told us: an access is decided long after the message that proved them
CREATE TABLE peer (
    peer_id text PRIMARY KEY,
    member bigint NOT NULL,
    name text NOT NULL,
    country text NOT NULL,
    participant text NOT NULL,
    verified_us bigint NOT NULL
);

-- uses of an agreement so far: accesses that were let through, and the bytes that they took
CREATE TABLE agreement_use (
    agreement_id text PRIMARY KEY REFERENCES agreement,
    calls bigint NOT NULL,
    bytes bigint NOT NULL
);

-- an access between its first byte and its receipt; what is found here at start was cut off and gets its receipt then
CREATE TABLE access (
    event_id text NOT NULL,
    role text NOT NULL CONSTRAINT access_role CHECK (role IN ('consumer', 'provider')),
    agreement_id text NOT NULL REFERENCES agreement,
    transfer_id text NOT NULL,
    since_us bigint NOT NULL,
    reserved_bytes bigint NOT NULL,
    bytes bigint NOT NULL,
    row_count bigint NOT NULL,
    seen_us bigint NOT NULL,
    PRIMARY KEY (event_id, role)
);
CREATE INDEX access_agreement ON access (agreement_id);

-- pull tokens: nothing older than the newest refresh token or pull token that was used counts any more
CREATE TABLE pull_grant (
    transfer_id text PRIMARY KEY REFERENCES transfer ON DELETE CASCADE,
    used_us bigint NOT NULL
);
