/*
 * lib/rating/plan.c - reads and checks price plans (format in rating.h)
 *
 * Each type of component has its own closed field table, so a member that another type knows is an
 * error here.
 */
#include <stdint.h>

#include "lib/base/buf.h"
#include "lib/base/limits.h"
#include "lib/codec/codec.h"
#include "lib/rating/rating_private.h"

#include "lib/base/banned.h"

/* An amount becomes a price of one unit, scaled by 10^6 (rule 1). */
#define AMOUNT_MAX_MINOR (INT64_MAX / PRICE_SCALE)

/* clang-format off */
const char *const plan_kind_names[PLAN_KIND__COUNT + 1] = {
    [PLAN_FREE] = "free", [PLAN_ONE_OFF] = "one_off", [PLAN_SUBSCRIPTION] = "subscription", [PLAN_METERED] = "metered",
};
const char *const component_type_names[COMPONENT__COUNT + 1] = {
    [COMPONENT_FREE] = "free",         [COMPONENT_ONE_OFF] = "one_off", [COMPONENT_SUBSCRIPTION] = "subscription",
    [COMPONENT_PER_UNIT] = "per_unit", [COMPONENT_MINIMUM] = "minimum", [COMPONENT_MAXIMUM] = "maximum",
};
const char *const meter_names[METER__COUNT] = {
    [METER_CALLS] = "calls", [METER_ROWS] = "rows", [METER_BYTES] = "bytes",
};
const char *const price_model_names[PRICE_MODEL__COUNT + 1] = {
    [PRICE_PER_UNIT] = "per_unit", [PRICE_PACKAGE] = "package", [PRICE_GRADUATED] = "graduated", [PRICE_VOLUME] = "volume",
};
const char *const plan_period_names[PLAN_PERIOD__COUNT + 1] = {
    [PERIOD_DAY] = "day", [PERIOD_WEEK] = "week", [PERIOD_MONTH] = "month", [PERIOD_YEAR] = "year",
};
const char *const vat_per_names[VAT_PER__COUNT + 1] = {
    [VAT_PER_LINE] = "line", [VAT_PER_DOCUMENT] = "document",
};

/* clang-format on */

struct rounding_in {
    struct str mode;
    int per;
};

struct matching_in {
    int rule;
    int64_t tolerance_ppm;
};

struct plan_in {
    struct str currency;
    int kind;
    struct rounding_in *rounding;
    int64_t vat_ppm;
    int64_t fee_ppm;
    const struct jval *components;
    struct matching_in *matching;
};

struct tier_in {
    int64_t up_to;
    struct str price;
};

struct component_in {
    int type;
    struct str amount;
    int period;
    bool prorate;
    int meter;
    int64_t unit;
    int model;
    struct str price;
    struct list tiers;
};

/* clang-format off */
static const struct field rounding_fields[] = {
    FIELD(struct rounding_in,      mode, "mode", F_NONEMPTY),
    FIELD_ENUM(struct rounding_in, per,  "per",  0, vat_per_names),
};
static OBJECT(rounding_object, struct rounding_in, rounding_fields, CLOSED);

static const struct field matching_fields[] = {
    FIELD_ENUM(struct matching_in, rule,          "rule",          F_REQUIRED, match_rule_names),
    FIELD(struct matching_in,      tolerance_ppm, "tolerance_ppm", F_NATURAL),
};
static OBJECT(matching_object, struct matching_in, matching_fields, CLOSED);

static const struct field plan_fields[] = {
    FIELD(struct plan_in,      currency,   "currency",   F_REQUIRED),
    FIELD_ENUM(struct plan_in, kind,       "kind",       F_REQUIRED, plan_kind_names),
    FIELD_SUB(struct plan_in,  rounding,   "rounding",   0, &rounding_object),
    FIELD(struct plan_in,      vat_ppm,    "vat_ppm",    F_NATURAL),
    FIELD(struct plan_in,      fee_ppm,    "fee_ppm",    F_NATURAL),
    FIELD(struct plan_in,      components, "components", F_REQUIRED),
    FIELD_SUB(struct plan_in,  matching,   "matching",   0, &matching_object),
};
static OBJECT(plan_object, struct plan_in, plan_fields, CLOSED);

static const struct field tier_fields[] = {
    FIELD(struct tier_in, up_to, "up_to", F_POSITIVE),
    FIELD(struct tier_in, price, "price", F_REQUIRED),
};
static OBJECT(tier_object, struct tier_in, tier_fields, CLOSED);

#define TYPE FIELD_ENUM(struct component_in, type, "type", F_REQUIRED, component_type_names)
static const struct field type_fields[] = {TYPE};
static OBJECT(type_object, struct component_in, type_fields, OPEN);

static const struct field free_fields[] = {TYPE};
static OBJECT(free_object, struct component_in, free_fields, CLOSED);

static const struct field amount_fields[] = {
    TYPE,
    FIELD(struct component_in, amount, "amount", F_REQUIRED),
};
static OBJECT(amount_object, struct component_in, amount_fields, CLOSED);

static const struct field subscription_fields[] = {
    TYPE,
    FIELD(struct component_in,      amount,  "amount",  F_REQUIRED),
    FIELD_ENUM(struct component_in, period,  "period",  F_REQUIRED, plan_period_names),
    FIELD(struct component_in,      prorate, "prorate", 0),
};
static OBJECT(subscription_object, struct component_in, subscription_fields, CLOSED);

static const struct field per_unit_fields[] = {
    TYPE,
    FIELD_ENUM(struct component_in, meter, "meter", F_REQUIRED, meter_names),
    FIELD(struct component_in,      unit,  "unit",  F_POSITIVE),
    FIELD_ENUM(struct component_in, model, "model", 0, price_model_names),
    FIELD(struct component_in,      price, "price", F_NONEMPTY),
    FIELD_LIST(struct component_in, tiers, "tiers", F_NONEMPTY, &tier_object),
};
static OBJECT(per_unit_object, struct component_in, per_unit_fields, CLOSED);
#undef TYPE

static const struct object *const component_objects[COMPONENT__COUNT] = {
    [COMPONENT_FREE] = &free_object,                 [COMPONENT_ONE_OFF] = &amount_object,
    [COMPONENT_SUBSCRIPTION] = &subscription_object, [COMPONENT_PER_UNIT] = &per_unit_object,
    [COMPONENT_MINIMUM] = &amount_object,            [COMPONENT_MAXIMUM] = &amount_object,
};

/* The kind that a component makes; the strongest of a plan is the plan's. */
static const enum plan_kind kind_of[COMPONENT__COUNT] = {
    [COMPONENT_FREE] = PLAN_FREE,                 [COMPONENT_ONE_OFF] = PLAN_ONE_OFF,
    [COMPONENT_SUBSCRIPTION] = PLAN_SUBSCRIPTION, [COMPONENT_PER_UNIT] = PLAN_METERED,
    [COMPONENT_MINIMUM] = PLAN_FREE,              [COMPONENT_MAXIMUM] = PLAN_FREE,
};

/* clang-format on */

static bool model_has_tiers(int model)
{
    return model == PRICE_GRADUATED || model == PRICE_VOLUME;
}

static int read_price(struct str text, int64_t *ret_price, struct err *err)
{
    int64_t price = 0;

    if (!str_to_i64(text, &price) || price < 0)
        return err_tell(err, E_INVALID, "/price",
                        "expected a price as decimal digits, in 10^-6 minor units");
    *ret_price = price;
    return 0;
}

static int read_amount(struct str text, const struct currency *currency, int64_t *ret_minor,
                       struct err *err)
{
    int64_t minor = 0;

    if (!money_parse(text, currency, &minor) || minor < 0)
        return err_tell(err, E_INVALID, "/amount",
                        "expected an amount in %s as decimal text with at most %d fraction digits",
                        currency->code, currency->exponent);
    if (minor > AMOUNT_MAX_MINOR)
        return err_tell(err, E_INVALID, "/amount", "the amount is beyond the largest of a plan");
    *ret_minor = minor;
    return 0;
}

/* Tier i of a list: bounds ascend, only the last has none. */
static int read_tier(const struct tier_in *in, size_t i, bool last, struct plan_tier *tiers,
                     struct err *err)
{
    if (last != (in->up_to == 0))
        return err_tell(err, E_INVALID, "/up_to",
                        last ? "the last tier has no 'up_to'"
                             : "only the last tier has no 'up_to'");
    if (!last && i > 0 && in->up_to <= tiers[i - 1].up_to)
        return err_tell(err, E_INVALID, "/up_to", "expected more than the tier before");
    tiers[i].up_to = last ? INT64_MAX : in->up_to;
    return read_price(in->price, &tiers[i].price_micro, err);
}

static int read_tiers(const struct list *in, struct arena *arena, struct plan_component *c,
                      struct err *err)
{
    if (in->n > LIMIT_PLAN_TIERS)
        return err_tell(err, E_LIMIT, "/tiers", "more than %d tiers", LIMIT_PLAN_TIERS);
    struct plan_tier *tiers = ARENA_ARRAY(arena, struct plan_tier, in->n);
    if (tiers == NULL)
        return err_set(err, E_NO_MEMORY, "/tiers", "tiers of a plan");
    for (size_t i = 0; i < in->n; i++) {
        if (read_tier(&LIST_ITEMS(struct tier_in, *in)[i], i, i + 1 == in->n, tiers, err) < 0) {
            char at[40];
            snprintf(at, sizeof(at), "/tiers/%zu", i);
            return err_at_prefix(err, at);
        }
    }
    c->tiers = tiers;
    c->n_tiers = in->n;
    return 0;
}

static int read_per_unit(const struct component_in *in, struct arena *arena,
                         struct plan_component *c, struct err *err)
{
    bool tiered = model_has_tiers(in->model);

    c->meter = (enum meter)in->meter;
    c->model = (enum price_model)in->model;
    c->unit = in->unit;
    if (tiered ? str_present(in->price) : in->tiers.n > 0)
        return err_tell(err, E_INVALID, tiered ? "/price" : "/tiers", "model '%s' has %s",
                        price_model_names[in->model],
                        tiered ? "tiers, each with its price" : "one price and no tiers");
    if (tiered ? in->tiers.n == 0 : !str_present(in->price))
        return err_tell(err, E_INVALID, tiered ? "/tiers" : "/price", "model '%s' needs %s",
                        price_model_names[in->model], tiered ? "tiers" : "a price");
    if (tiered)
        return read_tiers(&in->tiers, arena, c, err);
    struct plan_tier *only = ARENA_NEW(arena, struct plan_tier);
    if (only == NULL)
        return err_set(err, E_NO_MEMORY, "", "price of a plan");
    only->up_to = INT64_MAX;
    c->tiers = only;
    c->n_tiers = 1;
    return read_price(in->price, &only->price_micro, err);
}

static int read_component(const struct jval *value, const struct currency *currency,
                          struct arena *arena, struct plan_component *c, struct err *err)
{
    struct component_in in = {.unit = 1};

    if (object_decode(&type_object, value, arena, &in, err) < 0 ||
        object_decode(component_objects[in.type], value, arena, &in, err) < 0)
        return err_ret(err);
    c->type = (enum component_type)in.type;
    c->meter = METER_NONE;
    if (c->type == COMPONENT_FREE)
        return 0;
    if (c->type == COMPONENT_PER_UNIT)
        return read_per_unit(&in, arena, c, err);
    c->period = (enum plan_period)in.period;
    c->prorate = in.prorate;
    return read_amount(in.amount, currency, &c->amount_minor, err);
}

static int read_components(const struct jval *array, struct arena *arena, struct plan *plan,
                           struct err *err)
{
    size_t n = jval_len(array);

    if (jtype_of(array) != J_ARRAY || n == 0)
        return err_tell(err, E_INVALID, "/components", "expected an array with components");
    if (n > LIMIT_PLAN_COMPONENTS)
        return err_tell(err, E_LIMIT, "/components", "more than %d components",
                        LIMIT_PLAN_COMPONENTS);
    struct plan_component *components = ARENA_ARRAY(arena, struct plan_component, n);
    if (components == NULL)
        return err_set(err, E_NO_MEMORY, "/components", "components of a plan");
    for (size_t i = 0; i < n; i++) {
        if (read_component(jval_at(array, i), plan->currency, arena, &components[i], err) < 0) {
            char at[40];
            snprintf(at, sizeof(at), "/components/%zu", i);
            return err_at_prefix(err, at);
        }
    }
    plan->components = components;
    plan->n_components = n;
    return 0;
}

static int refuse_component(size_t i, const char *why, struct err *err)
{
    char at[40];

    snprintf(at, sizeof(at), "/components/%zu", i);
    return err_tell(err, E_INVALID, at, "%s", why);
}

/* What no field table can say: which components go together. */
static int check_whole(const struct plan *plan, struct err *err)
{
    size_t count[COMPONENT__COUNT] = {0};
    size_t last[COMPONENT__COUNT] = {0};
    enum plan_kind kind = PLAN_FREE;

    for (size_t i = 0; i < plan->n_components; i++) {
        enum component_type type = plan->components[i].type;
        count[type]++;
        last[type] = i;
        kind = kind_of[type] > kind ? kind_of[type] : kind;
    }
    if (count[COMPONENT_FREE] > 0 && plan->n_components > 1)
        return refuse_component(last[COMPONENT_FREE], "'free' stands alone", err);
    for (enum component_type type = COMPONENT_MINIMUM; type <= COMPONENT_MAXIMUM; type++) {
        if (count[type] > 1)
            return refuse_component(last[type], "a plan has one of these at most", err);
        if (count[type] > 0 && count[COMPONENT_PER_UNIT] == 0)
            return refuse_component(last[type], "bounds metered charges, the plan has none", err);
    }
    if (count[COMPONENT_MINIMUM] > 0 && count[COMPONENT_MAXIMUM] > 0 &&
        plan->components[last[COMPONENT_MINIMUM]].amount_minor >
            plan->components[last[COMPONENT_MAXIMUM]].amount_minor)
        return refuse_component(last[COMPONENT_MINIMUM], "the minimum is above the maximum", err);
    if (kind != plan->kind)
        return err_tell(err, E_INVALID, "/kind", "expected '%s', the kind of its components",
                        plan_kind_names[kind]);
    return 0;
}

/* A share in ppm is at most the whole. */
static int check_ppm(int64_t ppm, const char *at, struct err *err)
{
    if (ppm > PPM)
        return err_tell(err, E_INVALID, at, "expected at most 1000000 ppm");
    return 0;
}

static int read_head(const struct plan_in *in, struct plan *plan, struct err *err)
{
    plan->currency = currency_find(in->currency);
    if (plan->currency == NULL)
        return err_tell(err, E_INVALID, "/currency", "currency is not known");
    plan->kind = (enum plan_kind)in->kind;
    plan->rounding = ROUND_HALF_EVEN;
    plan->vat_per = VAT_PER_LINE;
    if (in->rounding != NULL) {
        plan->vat_per = (enum vat_per)in->rounding->per;
        if (str_present(in->rounding->mode) && !rounding_parse(in->rounding->mode, &plan->rounding))
            return err_tell(err, E_INVALID, "/rounding/mode",
                            "expected half-even, half-up or down");
    }
    plan->match_rule = MATCH_RULE_LOWER;
    if (in->matching != NULL) {
        plan->match_rule = (enum match_rule)in->matching->rule;
        plan->tolerance_ppm = in->matching->tolerance_ppm;
    }
    plan->vat_ppm = in->vat_ppm;
    plan->fee_ppm = in->fee_ppm;
    if (check_ppm(plan->vat_ppm, "/vat_ppm", err) < 0 ||
        check_ppm(plan->fee_ppm, "/fee_ppm", err) < 0 ||
        check_ppm(plan->tolerance_ppm, "/matching/tolerance_ppm", err) < 0)
        return err_ret(err);
    return 0;
}

int plan_decode(const struct jval *value, struct arena *arena, const struct plan **ret_plan,
                struct err *err)
{
    struct plan_in in = {0};
    struct plan *plan = ARENA_NEW(arena, struct plan);
    AUTO(buf_done) struct buf canonical = buf_init(LIMIT_JSON_BYTES);

    if (plan == NULL)
        return err_set(err, E_NO_MEMORY, "", "plan");
    if (object_decode(&plan_object, value, arena, &in, err) < 0 || read_head(&in, plan, err) < 0 ||
        read_components(in.components, arena, plan, err) < 0 || check_whole(plan, err) < 0)
        return err_ret(err);
    jval_canonical(&canonical, value);
    plan->canonical = arena_str(arena, buf_str(&canonical));
    if (buf_failed(&canonical) || !str_present(plan->canonical))
        return err_set(err, E_NO_MEMORY, "", "canonical text of a plan");
    *ret_plan = plan;
    return 0;
}

int plan_parse(struct str text, struct arena *arena, const struct plan **ret_plan, struct err *err)
{
    AUTO(jdoc_free) struct jdoc *doc = NULL;

    if (jdoc_parse(text, &jlimits_default, &doc, err) < 0)
        return err_ret(err);
    return plan_decode(jdoc_root(doc), arena, ret_plan, err);
}

struct str plan_canonical(const struct plan *plan)
{
    return plan->canonical;
}
