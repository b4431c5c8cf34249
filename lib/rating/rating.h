/*
 * lib/rating/rating.h - price plans, and what a period of use costs under one
 *
 * A plan is data: a closed JSON object whose canonical text (RFC 8785) is its identity (SHA-256,
 * lower-case hex, taken by the caller). Rating is a function of (plan, usage) and nothing else, so
 * the offline verifier repeats every invoice line.
 *
 *   {"currency": "KRW", "kind": "free|one_off|subscription|metered",
 *    "rounding": {"mode": "half-even|half-up|down", "per": "line|document"},      default
 * half-even, line "vat_ppm": 100000, "fee_ppm": 35000, default 0, at most 1000000 "components": [
 *      {"type": "free"},                                                          stands alone
 *      {"type": "one_off", "amount": "50000"},                                    in the
 * agreement's first period
 *      {"type": "subscription", "amount": "300000", "period": "day|week|month|year", "prorate":
 * true},
 *      {"type": "per_unit", "meter": "calls|rows|bytes", "unit": 1000, "model": "per_unit|package",
 * "price": "1250000"},
 *      {"type": "per_unit", "meter": "rows", "unit": 1000, "model": "graduated|volume",
 *       "tiers": [{"up_to": 1000, "price": "1250000"}, {"price": "900000"}]},
 *      {"type": "minimum", "amount": "10000"}, {"type": "maximum", "amount": "900000"}],
 *    "matching": {"rule": "provider|consumer|lower|both", "tolerance_ppm": 0}}    default lower, 0
 *
 * `kind` is that of the strongest component: metered (any per_unit), else subscription, else
 * one_off, else free. Amounts are decimal text in the plan's currency with its fraction digits;
 * prices are integers in text, 10^-6 of a minor unit per `unit` (default 1) of the meter; `model`
 * defaults to per_unit, `prorate` to false.
 *
 * Rules (each line refers to them in its `rule`):
 *  1. Every line's amount is round(quantity * price_micro / (unit * 10^6)) by the plan's rounding
 * mode, once, with exact intermediates. residue_micro is what rounding left: exact value minus
 * amount, in 10^-6 minor units, cut towards 0.
 *  2. one_off: quantity 1, in the first period only.
 *  3. subscription: time is cut into calendar steps (day, week from Monday, month, year) of the
 * accounting zone. With proration a step costs amount * (time of the step that is active and in the
 * period) / (length of the step): exact ratio in microseconds, so that periods add up. Without
 * proration a step costs the whole amount in the period that holds its first active instant. One
 * line per step; periods and activity are half open.
 *  4. per_unit: the quantity as metered. package: each begun `unit` costs the price. graduated:
 * each tier's part at its price, one line per tier that is reached. volume: everything at the price
 * of the tier that holds the total. A tier holds quantities up to and including `up_to`, in single
 * meter units; the last has none.
 *  5. minimum, maximum: bounds of the sum of all per_unit lines of a period; the difference is a
 * line of its own (negative for the maximum). The minimum holds for every period in which the
 * agreement is active at all.
 *  6. VAT: per line, each line's VAT is rounded and summed; per document, VAT is rounded once on
 * the subtotal.
 *  7. The operator's fee is fee_ppm of the subtotal; its VAT is vat_ppm of the fee; both rounded by
 * the plan's mode. payout = total - fee - fee_vat.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/arena.h"
#include "lib/base/err.h"
#include "lib/base/money.h"
#include "lib/jdoc/jdoc.h"
#include "lib/rating/match.h"

enum plan_kind { PLAN_FREE, PLAN_ONE_OFF, PLAN_SUBSCRIPTION, PLAN_METERED, PLAN_KIND__COUNT };

enum component_type {
    COMPONENT_FREE,
    COMPONENT_ONE_OFF,
    COMPONENT_SUBSCRIPTION,
    COMPONENT_PER_UNIT,
    COMPONENT_MINIMUM,
    COMPONENT_MAXIMUM,
    COMPONENT__COUNT
};

enum meter { METER_CALLS, METER_ROWS, METER_BYTES, METER_NONE, METER__COUNT };

enum price_model {
    PRICE_PER_UNIT,
    PRICE_PACKAGE,
    PRICE_GRADUATED,
    PRICE_VOLUME,
    PRICE_MODEL__COUNT
};

enum plan_period { PERIOD_DAY, PERIOD_WEEK, PERIOD_MONTH, PERIOD_YEAR, PLAN_PERIOD__COUNT };

enum vat_per { VAT_PER_LINE, VAT_PER_DOCUMENT, VAT_PER__COUNT };

/* The names used in JSON, NULL-terminated, indexed by the enum; METER_NONE has none. */
extern const char *const plan_kind_names[PLAN_KIND__COUNT + 1];
extern const char *const component_type_names[COMPONENT__COUNT + 1];
extern const char *const meter_names[METER__COUNT];
extern const char *const price_model_names[PRICE_MODEL__COUNT + 1];
extern const char *const plan_period_names[PLAN_PERIOD__COUNT + 1];
extern const char *const vat_per_names[VAT_PER__COUNT + 1];

struct plan_tier {
    int64_t up_to; /* last quantity of this tier; INT64_MAX for the last tier */
    int64_t price_micro;
};

struct plan_component {
    enum component_type type;
    int64_t amount_minor;          /* one_off, subscription, minimum, maximum */
    enum plan_period period;       /* subscription */
    bool prorate;                  /* subscription */
    enum meter meter;              /* per_unit; else METER_NONE */
    enum price_model model;        /* per_unit */
    int64_t unit;                  /* per_unit */
    const struct plan_tier *tiers; /* per_unit; one tier without end for the models without tiers */
    size_t n_tiers;
};

struct plan {
    const struct currency *currency; /* static */
    enum plan_kind kind;
    enum rounding rounding;
    enum vat_per vat_per;
    int64_t vat_ppm;
    int64_t fee_ppm;
    enum match_rule match_rule;
    int64_t tolerance_ppm;
    const struct plan_component *components;
    size_t n_components;
    struct str canonical; /* RFC 8785 text of the document as given (defaults are not filled in) */
};

/*
 * Reads a plan. *ret_plan is arena memory and holds no view of the document or the text.
 * Errors: E_SYNTAX, E_LIMIT  not JSON, or too large; more components or tiers than
 * LIMIT_PLAN_COMPONENTS, LIMIT_PLAN_TIERS E_UNKNOWN_FIELD, E_INVALID  at = JSON pointer, with
 * public detail
 */
MUST_CHECK int plan_parse(struct str text, struct arena *arena, const struct plan **ret_plan,
                          struct err *err);
MUST_CHECK int plan_decode(const struct jval *value, struct arena *arena,
                           const struct plan **ret_plan, struct err *err);

/* The canonical text: the bytes whose SHA-256 names the plan. Borrowed from the plan. */
struct str plan_canonical(const struct plan *plan);

/* Use of one agreement in one billing period. Quantities are the billable ones (match.h), times UTC
 * microseconds. */
struct rating_usage {
    int64_t calls;
    int64_t rows;
    int64_t bytes;
    int64_t period_from_us; /* [from, to) */
    int64_t period_to_us;
    int64_t active_from_us; /* when the agreement is in force: [from, to) */
    int64_t active_to_us;   /* INT64_MAX: no end yet */
    int64_t zone_min;  /* accounting zone, minutes east of UTC (Korea 540); calendar steps only */
    bool first_period; /* the agreement's first billing period */
};

/*
 * One charge. component is the index in the plan, pointer the JSON pointer into the plan of what
 * set the price
 * ("/components/3/tiers/1"). For subscriptions quantity and unit are microseconds and [from, to) is
 * the time paid for.
 */
struct rating_line {
    size_t component;
    struct str pointer;
    struct str rule; /* "per_unit graduated, tier 2", for people */
    enum component_type type;
    enum meter meter;
    int64_t quantity;
    int64_t unit;
    int64_t price_micro;
    int64_t from_us;
    int64_t to_us;
    int64_t amount_minor;
    int64_t residue_micro;
    int64_t vat_minor; /* per line: of this line; per document: 0 */
};

struct rating {
    const struct plan *plan; /* borrowed */
    const struct rating_line *lines;
    size_t n_lines;
    int64_t subtotal_minor; /* sum of the lines */
    int64_t residue_micro;  /* sum of the lines' residues and of the residues of VAT */
    int64_t vat_minor;
    int64_t total_minor; /* subtotal + VAT: what the buyer pays */
    int64_t fee_minor;
    int64_t fee_vat_minor;
    int64_t payout_minor; /* what the provider gets */
};

/*
 * What the use costs. *ret_rating and everything in it is arena memory.
 * Errors: E_INVALID  negative quantity, empty or reversed period (at = "/period_to" …)
 *         E_RANGE    an amount does not fit (at = pointer of the component, or "" for a sum)
 *         E_LIMIT    more than LIMIT_RATING_LINES lines
 */
MUST_CHECK int rating_rate(const struct plan *plan, const struct rating_usage *usage,
                           struct arena *arena, const struct rating **ret_rating, struct err *err);

/*
 * What is held when the plan is ordered: one_off, one whole step of each subscription, and the
 * minimum, with VAT. Use beyond that is not known at this time. Errors as rating_rate.
 */
MUST_CHECK int rating_quote(const struct plan *plan, struct arena *arena,
                            const struct rating **ret_rating, struct err *err);

/*
 * Writes a result as one JSON object (invoice and verifier compare these texts): currency, lines,
 * subtotal, vat, total, fee, fee_vat, payout as decimal text, residue_micro as an integer.
 */
void rating_write(const struct rating *rating, struct jw *w);
