-- negotiations that a transfer shall follow (POST /v3/edrs); marked: the transfer is being asked for
CREATE TABLE one_shot (
    negotiation_id text PRIMARY KEY REFERENCES negotiation ON DELETE CASCADE,
    marked bigint NOT NULL DEFAULT 0
);
