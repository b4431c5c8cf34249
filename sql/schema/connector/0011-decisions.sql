-- When the policy of a transfer is decided again (connector/dsp/reconsider.c): the instant until which its last decision holds, 0: now,
-- the largest number: only if something happens; NULL: it has not begun, or has ended.
ALTER TABLE transfer ADD COLUMN decide_us bigint;
-- Why its policy keeps a transfer from running for now; NULL: it does not.
ALTER TABLE transfer ADD COLUMN held text;
CREATE INDEX transfer_decide ON transfer (decide_us, transfer_id) WHERE decide_us IS NOT NULL;
CREATE INDEX transfer_decide_peer ON transfer (peer_id, decide_us, transfer_id) WHERE decide_us IS NOT NULL;
