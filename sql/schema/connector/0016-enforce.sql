-- Transfers that wait for facts about a peer: is there one when it speaks again?
CREATE INDEX transfer_held ON transfer (peer_id) WHERE held IS NOT NULL;

-- What a duty says (policy_owed.key, hexadecimal), and, of a consequence, the duty whose violation it follows from.
ALTER TABLE duty ADD COLUMN rule_key text;
ALTER TABLE duty ADD COLUMN follows text REFERENCES duty;
CREATE INDEX duty_follows ON duty (follows) WHERE follows IS NOT NULL;
