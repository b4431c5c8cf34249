/*
 * lib/rating/match.c - compares two reports of one event (rules in match.h)
 */
#include "lib/rating/match.h"

#include <assert.h>
#include <stdbool.h>
#include <stddef.h>

#include "lib/base/check.h"
#include "lib/base/cleanup.h"
#include "lib/base/money.h"

#include "lib/base/banned.h"

const char *const match_rule_names[MATCH_RULE__COUNT + 1] = {
    [MATCH_RULE_PROVIDER] = "provider",
    [MATCH_RULE_CONSUMER] = "consumer",
    [MATCH_RULE_LOWER] = "lower",
    [MATCH_RULE_BOTH] = "both",
};

const char *const match_state_names[MATCH_STATE__COUNT + 1] = {
    [MATCH_MATCHED] = "matched",
    [MATCH_UNEQUAL] = "unequal",
    [MATCH_PROVIDER_ONLY] = "provider_only",
    [MATCH_CONSUMER_ONLY] = "consumer_only",
};

enum source { BILL_NOTHING, BILL_PROVIDER, BILL_CONSUMER, BILL_LOWER };

/* The table of match.h, row by row. */
/* clang-format off */
static const enum source billed[MATCH_RULE__COUNT][MATCH_STATE__COUNT] = {
    /*                        matched        unequal       provider_only  consumer_only */
    [MATCH_RULE_PROVIDER] = {BILL_PROVIDER, BILL_LOWER,   BILL_PROVIDER, BILL_NOTHING},
    [MATCH_RULE_CONSUMER] = {BILL_CONSUMER, BILL_LOWER,   BILL_NOTHING,  BILL_CONSUMER},
    [MATCH_RULE_LOWER]    = {BILL_LOWER,    BILL_LOWER,   BILL_NOTHING,  BILL_NOTHING},
    [MATCH_RULE_BOTH]     = {BILL_LOWER,    BILL_NOTHING, BILL_NOTHING,  BILL_NOTHING},
};

static const size_t meters[] = {
    offsetof(struct match_counts, calls),
    offsetof(struct match_counts, rows),
    offsetof(struct match_counts, bytes),
};
/* clang-format on */
static_assert(ARRAY_LEN(meters) * sizeof(int64_t) == sizeof(struct match_counts),
              "every meter of match_counts is compared");

static int64_t *meter_of(struct match_counts *counts, size_t i)
{
    return (int64_t *)((char *)counts + meters[i]);
}

static bool within(int64_t p, int64_t c, int64_t tolerance_ppm)
{
    int64_t high = p > c ? p : c;
    int64_t low = p > c ? c : p;

    return (__int128_t)(high - low) * PPM <= (__int128_t)tolerance_ppm * high;
}

static int64_t choose(enum source source, int64_t p, int64_t c)
{
    switch (source) {
    case BILL_NOTHING: return 0;
    case BILL_PROVIDER: return p;
    case BILL_CONSUMER: return c;
    case BILL_LOWER: return p < c ? p : c;
    }
    CHECK_UNREACHABLE();
}

static enum match_state compare(struct match_counts *p, struct match_counts *c,
                                int64_t tolerance_ppm)
{
    for (size_t i = 0; i < ARRAY_LEN(meters); i++) {
        if (!within(*meter_of(p, i), *meter_of(c, i), tolerance_ppm))
            return MATCH_UNEQUAL;
    }
    return MATCH_MATCHED;
}

struct match_result match_event(const struct match_counts *provider,
                                const struct match_counts *consumer, enum match_rule rule,
                                int64_t tolerance_ppm)
{
    CHECK(provider != NULL || consumer != NULL);
    struct match_counts p = provider != NULL ? *provider : (struct match_counts){0};
    struct match_counts c = consumer != NULL ? *consumer : (struct match_counts){0};
    struct match_result result = {0};

    if (consumer == NULL)
        result.state = MATCH_PROVIDER_ONLY;
    else if (provider == NULL)
        result.state = MATCH_CONSUMER_ONLY;
    else
        result.state = compare(&p, &c, tolerance_ppm);
    for (size_t i = 0; i < ARRAY_LEN(meters); i++) {
        int64_t a = *meter_of(&p, i);
        int64_t b = *meter_of(&c, i);
        int64_t bill = choose(billed[rule][result.state], a, b);
        *meter_of(&result.billable, i) = bill;
        if (result.state != MATCH_MATCHED)
            *meter_of(&result.disputed, i) = (a > b ? a : b) - bill;
    }
    return result;
}
