/*
 * cli/plan.c - price plans: from the short notation, and into words
 */
#include "cli/plan.h"

#include "lib/base/limits.h"

#include "lib/base/banned.h"

/* "0.5" times 10^digits -> integer; digits beyond that, signs and exponents are refused. */
static bool scale(struct str text, unsigned digits, int64_t *ret)
{
    int64_t value = 0;
    unsigned after = 0;
    bool point = false, any = false;

    for (size_t i = 0; i < text.n; i++) {
        const char c = text.p[i];

        if (c == '.' && !point) {
            point = true;
            continue;
        }
        if (c < '0' || c > '9' || (point && ++after > digits) ||
            __builtin_mul_overflow(value, 10, &value) ||
            __builtin_add_overflow(value, c - '0', &value))
            return false;
        any = true;
    }
    for (; after < digits; after++) {
        if (__builtin_mul_overflow(value, 10, &value))
            return false;
    }
    *ret = value;
    return any && (text.p[text.n - 1] != '.');
}

bool percent_parse(struct str text, int64_t *ret_ppm)
{
    return scale(text, 4, ret_ppm) && *ret_ppm <= PPM;
}

enum part_form { PART_FREE, PART_AMOUNT, PART_PERIOD, PART_PRICE };

struct part_kind {
    const char *name; /* in the notation */
    enum part_form form;
    const char *type, *meter;
    enum plan_kind kind; /* what it makes of the plan */
    bool prorate;
};
/* clang-format off */
static const struct part_kind kinds[] = {
    {"free",         PART_FREE,   "free",         NULL,    PLAN_FREE,         false},
    {"one-off",      PART_AMOUNT, "one_off",      NULL,    PLAN_ONE_OFF,      false},
    {"subscription", PART_PERIOD, "subscription", NULL,    PLAN_SUBSCRIPTION, false},
    {"prorated",     PART_PERIOD, "subscription", NULL,    PLAN_SUBSCRIPTION, true},
    {"per-row",      PART_PRICE,  "per_unit",     "rows",  PLAN_METERED,      false},
    {"per-byte",     PART_PRICE,  "per_unit",     "bytes", PLAN_METERED,      false},
    {"per-call",     PART_PRICE,  "per_unit",     "calls", PLAN_METERED,      false},
    {"minimum",      PART_AMOUNT, "minimum",      NULL,    PLAN_FREE,         false},
    {"maximum",      PART_AMOUNT, "maximum",      NULL,    PLAN_FREE,         false},
};

/* clang-format on */

static const struct part_kind *find_kind(struct str name)
{
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
        if (str_eq_c(name, kinds[i].name))
            return &kinds[i];
    }
    return NULL;
}

static bool is_period(struct str name)
{
    for (const char *const *p = plan_period_names; *p != NULL; p++) {
        if (str_eq_c(name, *p))
            return true;
    }
    return false;
}

static int write_amount(struct str text, const struct currency *currency, struct jw *w)
{
    int64_t minor;

    if (!scale(text, (unsigned)currency->exponent, &minor))
        return -1;
    jw_kc(w, "amount", money_format(minor, currency).c);
    return 0;
}

static int write_price(struct str text, struct str per, const struct currency *currency,
                       struct jw *w)
{
    int64_t micro, unit = 1;
    char digits[24];

    if (!scale(text, (unsigned)currency->exponent + 6, &micro) ||
        (str_present(per) && (!str_to_i64(per, &unit) || unit < 1)))
        return -1;
    snprintf(digits, sizeof(digits), "%lld", (long long)micro);
    if (unit != 1)
        jw_ki64(w, "unit", unit);
    jw_kc(w, "price", digits);
    return 0;
}

static int write_part(struct str part, const struct currency *currency, struct jw *w,
                      enum plan_kind *plan_kind, struct err *err)
{
    struct str value = part, per;
    const struct str name = str_cut(&value, ':');
    const struct part_kind *kind = find_kind(name);
    struct str number;
    int wrong = 0;

    if (kind == NULL)
        return err_tell(err, E_CONFIG, "--plan",
                        "no price called '%.*s'; known: free one-off subscription prorated per-row "
                        "per-byte per-call minimum maximum",
                        STR_ARG(name));
    per = value;
    number = str_cut(&per, '/');
    jw_object(w);
    jw_kc(w, "type", kind->type);
    switch (kind->form) {
    case PART_FREE: wrong = str_present(value); break;
    case PART_AMOUNT: wrong = str_present(per) || write_amount(number, currency, w) < 0; break;
    case PART_PERIOD:
        wrong = !is_period(per) || write_amount(number, currency, w) < 0;
        jw_kstr(w, "period", per);
        jw_kbool(w, "prorate", kind->prorate);
        break;
    case PART_PRICE:
        jw_kc(w, "meter", kind->meter);
        wrong = write_price(number, per, currency, w) < 0;
        break;
    }
    jw_object_end(w);
    if (kind->kind > *plan_kind)
        *plan_kind = kind->kind;
    if (wrong)
        return err_tell(err, E_CONFIG, "--plan",
                        "'%.*s' is no price; e.g. one-off:50000, "
                        "subscription:300000/month, per-row:0.5",
                        STR_ARG(part));
    return 0;
}

int plan_from_short(struct arena *arena, struct str notation, const struct plan_terms *terms,
                    struct buf *out, struct err *err)
{
    const struct currency *currency = currency_find(terms->currency);
    AUTO(buf_done) struct buf components = buf_init(KIB(8));
    AUTO(buf_done) struct buf made = buf_init(KIB(16));
    enum plan_kind kind = PLAN_FREE;
    struct jw c = jw_init(&components), w = jw_init(&made);
    const struct plan *checked;

    if (currency == NULL)
        return err_tell(err, E_CONFIG, "--currency", "unknown currency '%.*s'",
                        STR_ARG(terms->currency));
    jw_array(&c);
    for (struct str rest = notation; str_present(rest);) {
        if (write_part(str_cut(&rest, '+'), currency, &c, &kind, err) < 0)
            return err_ret(err);
    }
    jw_array_end(&c);
    jw_object(&w);
    jw_kstr(&w, "currency", terms->currency);
    jw_kc(&w, "kind", plan_kind_names[kind]);
    if (kind != PLAN_FREE) {
        jw_ki64(&w, "vat_ppm", terms->vat_ppm);
        jw_ki64(&w, "fee_ppm", terms->fee_ppm);
    }
    jw_kraw(&w, "components", buf_str(&components));
    jw_object_end(&w);
    if (buf_failed(&made) || buf_failed(&components))
        return err_tell(err, E_CONFIG, "--plan", "the plan is too long");
    if (plan_parse(buf_str(&made), arena, &checked, err) < 0)
        return err_tell(err, E_CONFIG, "--plan", "'%.*s': %s", STR_ARG(notation),
                        err->detail[0] != '\0' ? err->detail : err->text);
    buf_add_str(out, buf_str(&made));
    return 0;
}

/* -- words ------------------------------------------------------------------------------------- */

static const char *const meter_en[METER__COUNT] = {"call", "row", "byte", ""};
static const char *const meter_ko[METER__COUNT] = {"호출", "행", "바이트", ""};
static const char *const period_en[PLAN_PERIOD__COUNT] = {"day", "week", "month", "year"};
static const char *const period_ko[PLAN_PERIOD__COUNT] = {"일", "주", "월", "년"};

/* value / 10^digits without trailing zeros. */
static void decimal_text(int64_t value, unsigned digits, char out[static 40])
{
    int64_t whole = 1;
    int n;

    for (unsigned i = 0; i < digits; i++)
        whole *= 10;
    n = snprintf(out, 40, "%lld.%0*lld", (long long)(value / whole), (int)digits,
                 (long long)(value % whole));
    while (n > 0 && out[n - 1] == '0')
        out[--n] = '\0';
    if (n > 0 && out[n - 1] == '.')
        out[--n] = '\0';
}

static void metered_words(const struct plan *plan, const struct plan_component *c, bool korean,
                          struct buf *out)
{
    const char *meter = korean ? meter_ko[c->meter] : meter_en[c->meter];

    for (size_t i = 0; i < c->n_tiers; i++) {
        char price[40];

        decimal_text(c->tiers[i].price_micro, 6 + (unsigned)plan->currency->exponent, price);
        buf_printf(out, "%s%s %s ", i > 0 ? "; " : "", price, plan->currency->code);
        if (c->unit == 1)
            buf_printf(out, korean ? "/ %s" : "per %s", meter);
        else
            buf_printf(out, korean ? "/ %lld%s" : "per %lld %ss", (long long)c->unit, meter);
        if (c->tiers[i].up_to != INT64_MAX)
            buf_printf(out, korean ? " (%lld까지)" : " (up to %lld)", (long long)c->tiers[i].up_to);
    }
}

static void component_words(const struct plan *plan, const struct plan_component *c, bool korean,
                            struct buf *out)
{
    const struct money_text amount = money_format(c->amount_minor, plan->currency);
    const char *code = plan->currency->code;

    switch (c->type) {
    case COMPONENT_FREE: buf_add_c(out, korean ? "무료" : "free"); break;
    case COMPONENT_ONE_OFF:
        buf_printf(out, korean ? "%s %s 한 번" : "%s %s once", amount.c, code);
        break;
    case COMPONENT_SUBSCRIPTION:
        buf_printf(out, "%s %s / %s", amount.c, code,
                   korean ? period_ko[c->period] : period_en[c->period]);
        if (c->prorate)
            buf_add_c(out, korean ? " (일할)" : " (prorated)");
        break;
    case COMPONENT_PER_UNIT: metered_words(plan, c, korean, out); break;
    case COMPONENT_MINIMUM:
        buf_printf(out, korean ? "최소 %s %s" : "at least %s %s", amount.c, code);
        break;
    case COMPONENT_MAXIMUM:
        buf_printf(out, korean ? "최대 %s %s" : "at most %s %s", amount.c, code);
        break;
    case COMPONENT__COUNT: break;
    }
}

void plan_words(const struct plan *plan, bool korean, struct buf *out)
{
    for (size_t i = 0; i < plan->n_components; i++) {
        if (i > 0)
            buf_add_c(out, " + ");
        component_words(plan, &plan->components[i], korean, out);
    }
    if (plan->vat_ppm > 0) {
        char percent[40];

        decimal_text(plan->vat_ppm, 4, percent);
        buf_printf(out, korean ? ", 부가세 %s %%" : ", VAT %s %%", percent);
    }
}

/* -- options ----------------------------------------------------------------------------------- */

int plan_terms_given(struct str currency, struct str vat, struct str fee,
                     struct plan_terms *ret_terms, struct err *err)
{
    ret_terms->currency = currency.n > 0 ? currency : STR("KRW");
    if (!percent_parse(vat.n > 0 ? vat : STR("10"), &ret_terms->vat_ppm) ||
        !percent_parse(fee.n > 0 ? fee : STR("3.5"), &ret_terms->fee_ppm))
        return err_tell(err, E_CONFIG, "--vat",
                        "--vat and --fee are percentages such as 10 or 3.5");
    return 0;
}

int plan_given(struct cli *cli, struct str given, const struct plan_terms *terms,
               const struct plan **ret_plan, struct err *err)
{
    AUTO(buf_done) struct buf plan = buf_init(KIB(64));
    struct str text;

    if (str_starts(given, STR("@"))) {
        if (cli_read_file(cli, str_from(given, 1), KIB(64), &text, err) < 0)
            return err_ret(err);
    } else {
        if (plan_from_short(cli->arena, given, terms, &plan, err) < 0)
            return err_ret(err);
        text = arena_str(cli->arena, buf_str(&plan));
    }
    return plan_parse(text, cli->arena, ret_plan, err) < 0 ? err_at_prefix(err, "--plan") : 0;
}
