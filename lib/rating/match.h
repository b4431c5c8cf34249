/*
 * lib/rating/match.h - two meters, one delivery: what agrees, what may be billed, what is disputed
 *
 * Both connectors report the same event with their own totals. The agreement's plan names a rule
 * and a tolerance; the result depends on these alone, so that the verifier can repeat it. Each
 * meter (calls, rows, bytes) is treated by itself; the state is that of the whole event.
 *
 *   state           when
 *   matched         both reported and |p - c| * 10^6 <= tolerance_ppm * max(p, c) for every meter
 *   unequal         both reported, at least one meter is further apart
 *   provider_only   the consumer's report is missing;   consumer_only   the provider's is
 *
 *   billed by rule  matched      unequal      provider_only   consumer_only
 *   provider        provider's   lower        provider's      nothing
 *   consumer        consumer's   lower        nothing         consumer's
 *   lower           lower        lower        nothing         nothing
 *   both            lower        nothing      nothing         nothing
 *
 * A rule that names one side believes it within the tolerance and without the other's report;
 * against the other's report it is believed only in the undisputed part. Disputed is what the
 * higher report claims beyond the billed part; it is zero when matched.
 */
#pragma once

#include <stdint.h>

enum match_rule {
    MATCH_RULE_PROVIDER,
    MATCH_RULE_CONSUMER,
    MATCH_RULE_LOWER,
    MATCH_RULE_BOTH,
    MATCH_RULE__COUNT
};

enum match_state {
    MATCH_MATCHED,
    MATCH_UNEQUAL,
    MATCH_PROVIDER_ONLY,
    MATCH_CONSUMER_ONLY,
    MATCH_STATE__COUNT
};

/* "provider", "consumer", "lower", "both"; "matched", "unequal", "provider_only", "consumer_only";
 * NULL-terminated. */
extern const char *const match_rule_names[MATCH_RULE__COUNT + 1];
extern const char *const match_state_names[MATCH_STATE__COUNT + 1];

/* Totals of one event; never negative. */
struct match_counts {
    int64_t calls;
    int64_t rows;
    int64_t bytes;
};

struct match_result {
    enum match_state state;
    struct match_counts billable;
    struct match_counts disputed;
};

/*
 * provider, consumer   borrowed; NULL if this side has not reported; at least one is there
 * tolerance_ppm        0 to 1,000,000
 */
struct match_result match_event(const struct match_counts *provider,
                                const struct match_counts *consumer, enum match_rule rule,
                                int64_t tolerance_ppm);
