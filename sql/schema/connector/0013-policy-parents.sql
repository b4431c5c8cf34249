-- Policy definitions that inherit from others (docs/policy.md). What a definition has in `policy` is what it means: its own rules with
-- those of its ancestors. What its author wrote stands in own_policy; NULL: the same.
ALTER TABLE policy_definition ADD COLUMN own_policy text;
-- every ancestor of a definition, however far
CREATE TABLE policy_ancestor (
    policy_id text NOT NULL,
    ancestor_id text NOT NULL,
    PRIMARY KEY (policy_id, ancestor_id)
);
CREATE INDEX policy_ancestor_of ON policy_ancestor (ancestor_id, policy_id);
