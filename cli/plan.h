/*
 * cli/plan.h - price plans: a short notation, and plans in words
 *
 * Notation: parts joined by '+', each NAME[:VALUE[/PER]]; the whole of a currency, not minor units.
 *   free                         nothing to pay
 *   one-off:50000                once
 *   subscription:300000/month    per day, week, month or year; by-the-day/… is written prorated:…
 *   prorated:300000/month        the same, by the time that is used
 *   per-row:0.5  per-byte:…  per-call:…   for each; per-row:500/1000 for each 1,000
 *   minimum:10000  maximum:900000          bounds of the metered part of a period
 */
#pragma once

#include "cli/cli.h"
#include "lib/rating/rating.h"

struct plan_terms {
    struct str currency; /* "KRW" */
    int64_t vat_ppm, fee_ppm;
};

/* Appends the plan as JSON. Errors: E_CONFIG with a text that names the part. */
MUST_CHECK int plan_from_short(struct arena *arena, struct str notation,
                               const struct plan_terms *terms, struct buf *out, struct err *err);
/* A plan in short notation, or "@FILE" with one as JSON; checked. Errors: as above, E_CONFIG. */
MUST_CHECK int plan_given(struct cli *cli, struct str given, const struct plan_terms *terms,
                          const struct plan **ret_plan, struct err *err);
/* The terms of the options --currency, --vat and --fee; "" is their default. Errors: E_CONFIG. */
MUST_CHECK int plan_terms_given(struct str currency, struct str vat, struct str fee,
                                struct plan_terms *ret_terms, struct err *err);
/* "10", "3.5" (percent) -> ppm; false if it is none, or above 100. */
bool percent_parse(struct str text, int64_t *ret_ppm);
/* One line: "0.5 KRW per row, VAT 10 %". */
void plan_words(const struct plan *plan, bool korean, struct buf *out);
