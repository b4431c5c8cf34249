-- What has happened, for callbacks and followers (connector/events, docs/events.md). A row is written in the transaction of its fact; what a body
-- says of a process is read from the process. Sequence numbers ascend in the order in which readers may see the rows.
-- engine: sqlite
CREATE TABLE event (
    seq integer PRIMARY KEY, -- the newest row is never pruned, so numbers do not come again
    type text NOT NULL,
    subject text NOT NULL,
    detail text,
    at_us bigint NOT NULL,
    waits bigint NOT NULL
);
-- engine: pg
CREATE TABLE event (
    seq bigint PRIMARY KEY, -- base + 65536 * transaction + position in it
    type text NOT NULL,
    subject text NOT NULL,
    detail text,
    at_us bigint NOT NULL,
    waits bigint NOT NULL
);
-- raised when the database has moved to a server whose transactions are numbered lower
CREATE TABLE event_base (
    base bigint NOT NULL
);
INSERT INTO event_base VALUES (0);
-- engine: all
-- rows whose callbacks have not been put into the outbox
CREATE INDEX event_waits ON event (seq) WHERE waits = 1;
-- what events say of negotiations that an operator has deleted
CREATE TABLE event_gone (
    negotiation_id text PRIMARY KEY,
    role text NOT NULL,
    peer_id text NOT NULL,
    peer_address text NOT NULL,
    protocol text NOT NULL,
    asset_id text NOT NULL,
    offer_id text NOT NULL,
    policy_hash text NOT NULL,
    callbacks text,
    gone_us bigint NOT NULL
);
-- an event with what its body says of the process, without secrets
CREATE VIEW event_told AS
SELECT e.seq, e.type, e.subject, e.detail, e.at_us,
       coalesce(n.role, t.role, g.role) AS role,
       coalesce(n.peer_id, t.peer_id, g.peer_id) AS peer_id,
       coalesce(n.peer_address, t.peer_address, g.peer_address) AS peer_address,
       coalesce(n.protocol, t.protocol, g.protocol) AS protocol,
       coalesce(n.asset_id, t.asset_id, g.asset_id) AS asset_id,
       coalesce(n.offer_id, g.offer_id) AS offer_id,
       coalesce(n.callbacks, t.callbacks, g.callbacks) AS callbacks,
       p.policy,
       coalesce(n.agreement_id, t.agreement_id) AS agreement_id,
       a.provider_id, a.consumer_id, a.agreed_us,
       ap.policy AS agreed_policy
  FROM event e
  LEFT JOIN negotiation n ON n.negotiation_id = e.subject AND e.type LIKE 'contract.negotiation.%'
  LEFT JOIN event_gone g ON g.negotiation_id = e.subject AND e.type LIKE 'contract.negotiation.%'
  LEFT JOIN policy_text p ON p.policy_hash = coalesce(n.policy_hash, g.policy_hash)
  LEFT JOIN agreement a ON a.agreement_id = n.agreement_id
  LEFT JOIN policy_text ap ON ap.policy_hash = a.policy_hash
  LEFT JOIN transfer t ON t.transfer_id = e.subject AND e.type LIKE 'transfer.process.%';
