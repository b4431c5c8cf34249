-- Old messages are found by their process, whose id tells when it began: an index by time cost every message a page more.
DROP INDEX message_seen_us;
