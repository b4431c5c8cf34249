-- Transfers that wait for facts about a peer: is there one when it speaks again?
CREATE INDEX transfer_held ON transfer (peer_id) WHERE held IS NOT NULL;
