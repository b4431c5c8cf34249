-- pushes that their destination has taken whole: they are never sent again, whatever becomes of the message that says so
CREATE TABLE push_delivered (
    transfer_id text PRIMARY KEY REFERENCES transfer ON DELETE CASCADE,
    delivered_us bigint NOT NULL
);

-- pushes under way (query push_due; 600 is STARTED), few among many transfers
CREATE INDEX transfer_push ON transfer (transfer_id) WHERE role = 'provider' AND format = 'HttpData-PUSH' AND state = 600;
