/*
 * lib/rating/rate.c - charges of one period, and what is held at order time (rules in rating.h)
 */
#include <stdint.h>

#include "lib/base/check.h"
#include "lib/base/limits.h"
#include "lib/base/timefmt.h"
#include "lib/rating/rating_private.h"

#include "lib/base/banned.h"

#define YEAR_10000_US  (INT64_C(253402300800) * US_PER_S)
#define ZONE_LIMIT_MIN 1440

/* One rating in the making. */
struct sheet {
    const struct plan *plan;
    const struct rating_usage *usage;
    struct arena *arena;
    struct rating *rating;
    struct rating_line *lines;
    size_t cap;
    int64_t metered_minor; /* sum of the per_unit lines, what minimum and maximum look at */
};

static int64_t higher(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

static int64_t lower(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static int grow(struct sheet *sheet, struct err *err)
{
    size_t n = sheet->rating->n_lines;
    size_t cap = sheet->cap == 0 ? 16 : sheet->cap * 2;

    if (n >= LIMIT_RATING_LINES)
        return err_tell(err, E_LIMIT, "", "more than %d lines in one period", LIMIT_RATING_LINES);
    struct rating_line *lines = ARENA_ARRAY(sheet->arena, struct rating_line, cap);
    if (lines == NULL)
        return err_set(err, E_NO_MEMORY, "", "lines of a rating");
    if (n > 0)
        memcpy(lines, sheet->lines, n * sizeof(*lines));
    sheet->lines = lines;
    sheet->cap = cap;
    return 0;
}

static int add_to(int64_t *sum, int64_t amount, struct err *err)
{
    int64_t total = 0;

    if (money_add(*sum, amount, &total, err) < 0)
        return err_ret(err);
    *sum = total;
    return 0;
}

/* Rules 1 and 6 for one line, and its place in the sums. */
static int add_line(struct sheet *sheet, struct rating_line line, struct err *err)
{
    const struct plan *plan = sheet->plan;
    struct rating *r = sheet->rating;
    int64_t vat_residue = 0;

    if ((r->n_lines == sheet->cap || r->n_lines >= LIMIT_RATING_LINES) && grow(sheet, err) < 0)
        return err_ret(err);
    if (!str_present(line.pointer) || !str_present(line.rule))
        return err_set(err, E_NO_MEMORY, "", "text of a rating line");
    if (rating__amount(line.quantity, line.price_micro, line.unit, plan->rounding,
                       &line.amount_minor, &line.residue_micro, err) < 0)
        return err_ret(err);
    if (plan->vat_per == VAT_PER_LINE &&
        rating__amount(line.amount_minor, plan->vat_ppm, 1, plan->rounding, &line.vat_minor,
                       &vat_residue, err) < 0)
        return err_ret(err);
    if (add_to(&r->subtotal_minor, line.amount_minor, err) < 0 ||
        add_to(&r->vat_minor, line.vat_minor, err) < 0 ||
        add_to(&r->residue_micro, line.residue_micro + vat_residue, err) < 0 ||
        (line.type == COMPONENT_PER_UNIT &&
         add_to(&sheet->metered_minor, line.amount_minor, err) < 0))
        return err_ret(err);
    sheet->lines[r->n_lines++] = line;
    return 0;
}

static struct rating_line line_of(const struct sheet *sheet, size_t i)
{
    const struct plan_component *c = &sheet->plan->components[i];

    return (struct rating_line){
        .component = i,
        .pointer = arena_printf(sheet->arena, "/components/%zu", i),
        .rule = str_c(component_type_names[c->type]),
        .type = c->type,
        .meter = c->meter,
        .quantity = 1,
        .unit = 1,
    };
}

static int charge_free(struct sheet *sheet, size_t i, struct err *err)
{
    return add_line(sheet, line_of(sheet, i), err);
}

static int charge_one_off(struct sheet *sheet, size_t i, struct err *err)
{
    struct rating_line line = line_of(sheet, i);

    if (!sheet->usage->first_period)
        return 0;
    line.price_micro = sheet->plan->components[i].amount_minor * PRICE_SCALE;
    return add_line(sheet, line, err);
}

/* Rule 3 for one calendar step that holds time which is active and in the period. */
static int charge_step(struct sheet *sheet, size_t i, struct calendar_step step, struct err *err)
{
    const struct plan_component *c = &sheet->plan->components[i];
    const struct rating_usage *u = sheet->usage;
    struct rating_line line = line_of(sheet, i);
    struct calendar_step paid = step;

    if (c->prorate) {
        paid.from_us = higher(step.from_us, higher(u->period_from_us, u->active_from_us));
        paid.to_us = lower(step.to_us, lower(u->period_to_us, u->active_to_us));
    } else if (higher(step.from_us, u->active_from_us) < u->period_from_us) {
        return 0; /* charged in the period that held the step's first active instant */
    }
    line.rule = arena_printf(sheet->arena, "subscription per %s, %s", plan_period_names[c->period],
                             c->prorate ? "by time" : "whole");
    line.quantity = paid.to_us - paid.from_us;
    line.unit = step.to_us - step.from_us;
    line.price_micro = c->amount_minor * PRICE_SCALE;
    line.from_us = paid.from_us;
    line.to_us = paid.to_us;
    return add_line(sheet, line, err);
}

static int charge_subscription(struct sheet *sheet, size_t i, struct err *err)
{
    const struct plan_component *c = &sheet->plan->components[i];
    const struct rating_usage *u = sheet->usage;
    int64_t at_us = higher(u->period_from_us, u->active_from_us);
    int64_t end_us = lower(u->period_to_us, u->active_to_us);

    while (at_us < end_us) {
        struct calendar_step step = rating__step(c->period, at_us, u->zone_min);
        if (charge_step(sheet, i, step, err) < 0)
            return err_ret(err);
        at_us = step.to_us;
    }
    return 0;
}

static int charge_tier(struct sheet *sheet, size_t i, size_t tier, int64_t quantity,
                       struct err *err)
{
    const struct plan_component *c = &sheet->plan->components[i];
    struct rating_line line = line_of(sheet, i);

    line.pointer = arena_printf(sheet->arena, "/components/%zu/tiers/%zu", i, tier);
    line.rule = arena_printf(sheet->arena, "per_unit %s, tier %zu of %zu",
                             price_model_names[c->model], tier + 1, c->n_tiers);
    line.quantity = quantity;
    line.unit = c->unit;
    line.price_micro = c->tiers[tier].price_micro;
    return add_line(sheet, line, err);
}

static int charge_graduated(struct sheet *sheet, size_t i, int64_t quantity, struct err *err)
{
    const struct plan_component *c = &sheet->plan->components[i];
    int64_t below = 0;

    for (size_t t = 0; t < c->n_tiers; t++) {
        int64_t part = lower(quantity, c->tiers[t].up_to) - below;
        if (charge_tier(sheet, i, t, part, err) < 0)
            return err_ret(err);
        if (quantity <= c->tiers[t].up_to)
            return 0;
        below = c->tiers[t].up_to;
    }
    CHECK_UNREACHABLE(); /* the last tier has no end */
}

static int charge_volume(struct sheet *sheet, size_t i, int64_t quantity, struct err *err)
{
    const struct plan_component *c = &sheet->plan->components[i];
    size_t t = 0;

    while (quantity > c->tiers[t].up_to)
        t++;
    return charge_tier(sheet, i, t, quantity, err);
}

static int64_t metered(const struct rating_usage *usage, enum meter meter)
{
    switch (meter) {
    case METER_CALLS: return usage->calls;
    case METER_ROWS: return usage->rows;
    case METER_BYTES: return usage->bytes;
    case METER_NONE:
    case METER__COUNT: break;
    }
    CHECK_UNREACHABLE();
}

static int charge_per_unit(struct sheet *sheet, size_t i, struct err *err)
{
    const struct plan_component *c = &sheet->plan->components[i];
    int64_t quantity = metered(sheet->usage, c->meter);
    struct rating_line line = line_of(sheet, i);

    line.rule = arena_printf(sheet->arena, "per_unit %s", price_model_names[c->model]);
    line.price_micro = c->tiers[0].price_micro;
    switch (c->model) {
    case PRICE_PER_UNIT:
        line.quantity = quantity;
        line.unit = c->unit;
        return add_line(sheet, line, err);
    case PRICE_PACKAGE:
        /* rule 4: a begun unit is a whole one; the line counts packages */
        line.quantity = quantity / c->unit + (quantity % c->unit != 0);
        return add_line(sheet, line, err);
    case PRICE_GRADUATED: return charge_graduated(sheet, i, quantity, err);
    case PRICE_VOLUME: return charge_volume(sheet, i, quantity, err);
    case PRICE_MODEL__COUNT: break;
    }
    CHECK_UNREACHABLE();
}

/* Rule 5: the difference in minor units, each at the price of one. */
static int charge_difference(struct sheet *sheet, size_t i, int64_t minor, struct err *err)
{
    struct rating_line line = line_of(sheet, i);

    line.quantity = minor;
    line.price_micro = PRICE_SCALE;
    return add_line(sheet, line, err);
}

static int charge_minimum(struct sheet *sheet, size_t i, struct err *err)
{
    const struct rating_usage *u = sheet->usage;
    int64_t amount = sheet->plan->components[i].amount_minor;
    bool active =
        higher(u->period_from_us, u->active_from_us) < lower(u->period_to_us, u->active_to_us);

    if (!active || sheet->metered_minor >= amount)
        return 0;
    return charge_difference(sheet, i, amount - sheet->metered_minor, err);
}

static int charge_maximum(struct sheet *sheet, size_t i, struct err *err)
{
    int64_t amount = sheet->plan->components[i].amount_minor;

    if (sheet->metered_minor <= amount)
        return 0;
    return charge_difference(sheet, i, amount - sheet->metered_minor, err);
}

/* A whole step, whichever it will be. */
static int hold_subscription(struct sheet *sheet, size_t i, struct err *err)
{
    const struct plan_component *c = &sheet->plan->components[i];
    struct rating_line line = line_of(sheet, i);

    line.rule =
        arena_printf(sheet->arena, "subscription per %s, first", plan_period_names[c->period]);
    line.price_micro = c->amount_minor * PRICE_SCALE;
    return add_line(sheet, line, err);
}

static int hold_minimum(struct sheet *sheet, size_t i, struct err *err)
{
    return charge_difference(sheet, i, sheet->plan->components[i].amount_minor, err);
}

typedef int charge_fn(struct sheet *sheet, size_t i, struct err *err);

/* Bounds come last: they look at the sum of the rest. NULL: nothing to charge. */
/* clang-format off */
struct charges {
    charge_fn *first[COMPONENT__COUNT];
    charge_fn *last[COMPONENT__COUNT];
};
static const struct charges rate_charges = {
    .first = {
        [COMPONENT_FREE] = charge_free,                 [COMPONENT_ONE_OFF] = charge_one_off,
        [COMPONENT_SUBSCRIPTION] = charge_subscription, [COMPONENT_PER_UNIT] = charge_per_unit,
    },
    .last = {[COMPONENT_MINIMUM] = charge_minimum, [COMPONENT_MAXIMUM] = charge_maximum},
};
static const struct charges quote_charges = {
    .first = {
        [COMPONENT_FREE] = charge_free,               [COMPONENT_ONE_OFF] = charge_one_off,
        [COMPONENT_SUBSCRIPTION] = hold_subscription,
    },
    .last = {[COMPONENT_MINIMUM] = hold_minimum},
};

/* clang-format on */

static int charge_all(struct sheet *sheet, charge_fn *const fns[COMPONENT__COUNT], struct err *err)
{
    for (size_t i = 0; i < sheet->plan->n_components; i++) {
        charge_fn *fn = fns[sheet->plan->components[i].type];
        if (fn != NULL && fn(sheet, i, err) < 0) {
            char at[40];
            snprintf(at, sizeof(at), "/components/%zu", i);
            return err_at_prefix(err, at);
        }
    }
    return 0;
}

/* Rules 6 and 7. */
static int finish(struct sheet *sheet, struct err *err)
{
    const struct plan *plan = sheet->plan;
    struct rating *r = sheet->rating;
    int64_t residue = 0;
    int64_t unused = 0;

    r->lines = sheet->lines;
    if (plan->vat_per == VAT_PER_DOCUMENT &&
        (rating__amount(r->subtotal_minor, plan->vat_ppm, 1, plan->rounding, &r->vat_minor,
                        &residue, err) < 0 ||
         add_to(&r->residue_micro, residue, err) < 0))
        return err_ret(err);
    if (rating__amount(r->subtotal_minor, plan->fee_ppm, 1, plan->rounding, &r->fee_minor, &unused,
                       err) < 0 ||
        rating__amount(r->fee_minor, plan->vat_ppm, 1, plan->rounding, &r->fee_vat_minor, &unused,
                       err) < 0 ||
        money_add(r->subtotal_minor, r->vat_minor, &r->total_minor, err) < 0 ||
        money_add(r->total_minor, -r->fee_minor, &r->payout_minor, err) < 0 ||
        money_add(r->payout_minor, -r->fee_vat_minor, &r->payout_minor, err) < 0)
        return err_ret(err);
    return 0;
}

static int run(const struct plan *plan, const struct rating_usage *usage,
               const struct charges *charges, struct arena *arena, const struct rating **ret_rating,
               struct err *err)
{
    struct sheet sheet = {.plan = plan, .usage = usage, .arena = arena};

    sheet.rating = ARENA_NEW(arena, struct rating);
    if (sheet.rating == NULL)
        return err_set(err, E_NO_MEMORY, "", "rating");
    sheet.rating->plan = plan;
    if (charge_all(&sheet, charges->first, err) < 0 || charge_all(&sheet, charges->last, err) < 0 ||
        finish(&sheet, err) < 0)
        return err_ret(err);
    *ret_rating = sheet.rating;
    return 0;
}

static int check_usage(const struct rating_usage *u, struct err *err)
{
    if (u->calls < 0)
        return err_tell(err, E_INVALID, "/calls", "expected a natural number");
    if (u->rows < 0)
        return err_tell(err, E_INVALID, "/rows", "expected a natural number");
    if (u->bytes < 0)
        return err_tell(err, E_INVALID, "/bytes", "expected a natural number");
    if (u->period_from_us < 0)
        return err_tell(err, E_INVALID, "/period_from", "expected a time after 1970");
    if (u->period_to_us <= u->period_from_us || u->period_to_us > YEAR_10000_US)
        return err_tell(err, E_INVALID, "/period_to",
                        "expected a time after the start of the period and before the year 10000");
    if (u->active_to_us < u->active_from_us)
        return err_tell(err, E_INVALID, "/active_to", "expected a time not before 'active_from'");
    if (u->zone_min < -ZONE_LIMIT_MIN || u->zone_min > ZONE_LIMIT_MIN)
        return err_tell(err, E_INVALID, "/zone_min", "expected minutes east of UTC");
    return 0;
}

int rating_rate(const struct plan *plan, const struct rating_usage *usage, struct arena *arena,
                const struct rating **ret_rating, struct err *err)
{
    if (check_usage(usage, err) < 0)
        return err_ret(err);
    return run(plan, usage, &rate_charges, arena, ret_rating, err);
}

int rating_quote(const struct plan *plan, struct arena *arena, const struct rating **ret_rating,
                 struct err *err)
{
    static const struct rating_usage none = {.first_period = true};

    return run(plan, &none, &quote_charges, arena, ret_rating, err);
}
