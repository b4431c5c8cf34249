-- Which states a process went through: "<code>@<us>", separated by blanks, the newest last. "!" stands before the first; long ones lose their beginning.
ALTER TABLE negotiation ADD COLUMN history text NOT NULL DEFAULT '';
ALTER TABLE transfer ADD COLUMN history text NOT NULL DEFAULT '';
