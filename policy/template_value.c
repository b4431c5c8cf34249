/*
 * policy/template_value.c - the types of parameters: what a text must look like, and its bounds
 *
 * 1. A value comes as text, from a command line or from JSON, and is read by the parameter's type.
 * 2. "min" and "max" are inclusive. Of a string they bound its characters, of a list its values, of
 *    everything else the value itself; a duration is measured with months of 30 days.
 * 3. A list has no value twice.
 */
#include "policy/template.h"

#include <inttypes.h>

#include "lib/base/limits.h"
#include "lib/base/timefmt.h"
#include "policy/policy_private.h"
#include "policy/template_private.h"

#include "lib/base/banned.h"

#define STRING_MAX     1000 /* characters, unless the parameter says less */
#define FRACTION_MAX   18   /* digits after the point of a decimal, as in value.c */
#define DAYS_PER_MONTH 30

const char *const policy__parameter_types[PARAMETER__COUNT + 1] = {
    [PARAMETER_STRING] = "string",      [PARAMETER_IRI] = "iri",
    [PARAMETER_PLACE] = "place",        [PARAMETER_INTEGER] = "integer",
    [PARAMETER_DECIMAL] = "decimal",    [PARAMETER_DATE] = "date",
    [PARAMETER_DATE_TIME] = "dateTime", [PARAMETER_DURATION] = "duration",
    [PARAMETER_ENUM] = "enum",          [PARAMETER_LIST] = "list",
};

static const char *const expected[PARAMETER__COUNT] = {
    [PARAMETER_STRING] = "a text of 1 to 1000 characters",
    [PARAMETER_IRI] = "an IRI such as urn:naru:purpose:research",
    [PARAMETER_PLACE] = "a country such as KR, a part of one such as KR-11, or a region such as EU",
    [PARAMETER_INTEGER] = "a whole number",
    [PARAMETER_DECIMAL] = "a decimal number such as 2.5",
    [PARAMETER_DATE] = "a date such as 2027-12-31",
    [PARAMETER_DATE_TIME] = "a time with zone such as 2027-12-31T15:00:00Z",
    [PARAMETER_DURATION] = "a duration such as P30D or PT12H",
    [PARAMETER_ENUM] = "one of the values of the list",
    [PARAMETER_LIST] = "a list",
};

/* What bounds compare: whole part and fraction, the latter in units of 10⁻¹⁸. */
struct measure {
    int64_t whole, fraction;
};

static int compare(struct measure a, struct measure b)
{
    if (a.whole != b.whole)
        return a.whole < b.whole ? -1 : 1;
    return a.fraction < b.fraction ? -1 : a.fraction > b.fraction;
}

/* -- scalars ----------------------------------------------------------------------------------- */

static size_t characters(struct str text)
{
    size_t n = 0;

    for (size_t i = 0; i < text.n; i++)
        n += ((unsigned char)text.p[i] & 0xC0) != 0x80;
    return n;
}

static bool is_printable(struct str text)
{
    for (size_t i = 0; i < text.n; i++) {
        if ((unsigned char)text.p[i] < 0x20 || text.p[i] == 0x7F)
            return false;
    }
    return true;
}

static bool read_string(struct str text, struct scalar *ret, struct measure *ret_size)
{
    (void)ret;
    *ret_size = (struct measure){.whole = (int64_t)characters(text)};
    return text.n > 0 && ret_size->whole <= STRING_MAX && is_printable(text);
}

/* RFC 3987 in so far as it matters here: a scheme, something behind it, nothing that ends an IRI. */
static bool read_iri(struct str text, struct scalar *ret, struct measure *ret_size)
{
    struct str rest = text;
    const struct str scheme = str_cut(&rest, ':');

    (void)ret;
    *ret_size = (struct measure){.whole = (int64_t)characters(text)};
    if (!str_present(rest) || rest.n == 0 || scheme.n == 0 || text.n > LIMIT_ID)
        return false;
    for (size_t i = 0; i < scheme.n; i++) {
        const char c = scheme.p[i];
        const bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');

        if (!letter && (i == 0 || !((c >= '0' && c <= '9') || c == '+' || c == '-' || c == '.')))
            return false;
    }
    for (size_t i = 0; i < text.n; i++) {
        if ((unsigned char)text.p[i] <= 0x20 || strchr("<>\"{}|\\^`\x7F", text.p[i]) != NULL)
            return false;
    }
    return true;
}

static bool read_place(struct str text, struct scalar *ret, struct measure *ret_size)
{
    (void)ret;
    *ret_size = (struct measure){0};
    return text.n <= 64 && is_printable(text) && policy__place_known(text);
}

static bool read_integer(struct str text, struct scalar *ret, struct measure *ret_size)
{
    if (!str_to_i64(text, &ret->number))
        return false;
    *ret_size = (struct measure){.whole = ret->number};
    return true;
}

static bool read_decimal(struct str text, struct scalar *ret, struct measure *ret_size)
{
    const bool minus = text.n > 0 && text.p[0] == '-';
    struct str fraction = minus ? str_from(text, 1) : text;
    const struct str whole = str_cut(&fraction, '.');
    int64_t scaled = 0;

    (void)ret;
    if (!str_present(fraction))
        fraction = STR("0");
    if (whole.n == 0 || whole.n > FRACTION_MAX || fraction.n == 0 || fraction.n > FRACTION_MAX ||
        whole.p[0] == '-' || fraction.p[0] == '-' || !str_to_i64(whole, &ret_size->whole) ||
        !str_to_i64(fraction, &scaled))
        return false;
    for (size_t i = fraction.n; i < FRACTION_MAX; i++)
        scaled *= 10;
    ret_size->fraction = minus ? -scaled : scaled;
    ret_size->whole = minus ? -ret_size->whole : ret_size->whole;
    return true;
}

static bool read_date(struct str text, struct scalar *ret, struct measure *ret_size)
{
    if (!date_parse(text, &ret->number))
        return false;
    *ret_size = (struct measure){.whole = ret->number};
    return true;
}

static bool read_date_time(struct str text, struct scalar *ret, struct measure *ret_size)
{
    if (!time_parse(text, &ret->number))
        return false;
    *ret_size = (struct measure){.whole = ret->number};
    return true;
}

static bool read_duration(struct str text, struct scalar *ret, struct measure *ret_size)
{
    int64_t months, us, all;

    (void)ret;
    if (!duration_parse(text, &months, &us) ||
        __builtin_mul_overflow(months, DAYS_PER_MONTH * US_PER_DAY, &all) ||
        __builtin_add_overflow(all, us, &ret_size->whole))
        return false;
    ret_size->fraction = 0;
    return true;
}

/* Which values there are, the parameter says. */
static bool read_enum(struct str text, struct scalar *ret, struct measure *ret_size)
{
    (void)ret;
    *ret_size = (struct measure){0};
    return text.n > 0;
}

typedef bool read_fn(struct str text, struct scalar *ret, struct measure *ret_size);

static read_fn *const readers[PARAMETER_LIST] = {
    [PARAMETER_STRING] = read_string,       [PARAMETER_IRI] = read_iri,
    [PARAMETER_PLACE] = read_place,         [PARAMETER_INTEGER] = read_integer,
    [PARAMETER_DECIMAL] = read_decimal,     [PARAMETER_DATE] = read_date,
    [PARAMETER_DATE_TIME] = read_date_time, [PARAMETER_DURATION] = read_duration,
    [PARAMETER_ENUM] = read_enum,
};

/* -- bounds ------------------------------------------------------------------------------------ */

/* A bound is written as its type is; of a string it is a number of characters. It was checked when
 * its template was added. */
static struct measure bound_of(int type, const struct jval *bound)
{
    struct measure measure = {0};
    struct scalar ignored;
    int64_t number;

    if (jval_i64(bound, &number))
        return (struct measure){.whole = number};
    IGNORE(readers[type](jval_str(bound), &ignored, &measure), "checked before");
    return measure;
}

static struct str bound_text(const struct jval *bound, struct arena *arena)
{
    int64_t number;

    return jval_i64(bound, &number) ? arena_printf(arena, "%" PRId64, number) : jval_str(bound);
}

static int outside(const char *what, const struct jval *bound, const char *of, struct arena *arena,
                   struct err *err)
{
    return err_tell(err, E_INVALID, "", "expected %s %.*s%s", what,
                    STR_ARG(bound_text(bound, arena)), of);
}

static int check_bounds(const struct parameter *p, int type, struct measure size,
                        struct arena *arena, struct err *err)
{
    const char *of = type == PARAMETER_STRING || type == PARAMETER_IRI ? " characters" : "";

    if (p->min != NULL && compare(size, bound_of(type, p->min)) < 0)
        return outside("at least", p->min, of, arena, err);
    if (p->max != NULL && compare(size, bound_of(type, p->max)) > 0)
        return outside("at most", p->max, of, arena, err);
    return 0;
}

static int check_choice(const struct parameter *p, struct str text, struct err *err)
{
    AUTO(buf_done) struct buf all = buf_init(256);

    for (size_t i = 0; i < p->choices.n; i++) {
        const struct choice *choice = &LIST_ITEMS(struct choice, p->choices)[i];

        if (str_eq(choice->value, text))
            return 0;
        buf_add_c(&all, i > 0 ? ", " : "");
        buf_add_str(&all, choice->value);
    }
    return err_tell(err, E_INVALID, "", "expected one of: %.*s", STR_ARG(buf_str(&all)));
}

/* -- values ------------------------------------------------------------------------------------ */

static int read_scalar(const struct parameter *p, int type, struct str text, struct arena *arena,
                       struct scalar *ret, struct err *err)
{
    struct measure size = {0};

    *ret = (struct scalar){.text = arena_str(arena, text)};
    if (!str_present(ret->text))
        return err_set(err, E_NO_MEMORY, "", "value");
    if (!readers[type](text, ret, &size))
        return err_tell(err, E_INVALID, "", "expected %s, got '%.*s'", expected[type],
                        (int)(text.n > 60 ? 60 : text.n), text.p);
    if (type == PARAMETER_ENUM)
        return check_choice(p, text, err);
    /* the bounds of a list are those of its length */
    return p->type == PARAMETER_LIST ? 0 : check_bounds(p, type, size, arena, err);
}

static int check_list(const struct parameter *p, const struct typed *typed, struct arena *arena,
                      struct err *err)
{
    const struct measure size = {.whole = (int64_t)typed->n};

    if (p->min != NULL && compare(size, bound_of(PARAMETER_INTEGER, p->min)) < 0)
        return outside("at least", p->min, " values", arena, err);
    if (p->max != NULL && compare(size, bound_of(PARAMETER_INTEGER, p->max)) > 0)
        return outside("at most", p->max, " values", arena, err);
    for (size_t i = 0; i < typed->n; i++) {
        for (size_t j = 0; j < i; j++) {
            if (str_eq(typed->items[i].text, typed->items[j].text))
                return err_tell(err, E_INVALID, "", "'%.*s' is there twice",
                                (int)(typed->items[i].text.n > 60 ? 60 : typed->items[i].text.n),
                                typed->items[i].text.p);
        }
    }
    return 0;
}

int policy__typed(const struct parameter *parameter, const struct str_list *given,
                  struct arena *arena, struct typed *ret_typed, struct err *err)
{
    const bool list = parameter->type == PARAMETER_LIST;
    const int type = list ? parameter->of : parameter->type;
    struct scalar *items;

    if (!list && given->n != 1)
        return err_tell(err, E_INVALID, "", "expected one value: %s", expected[type]);
    if (given->n > POLICY_TEMPLATE_VALUES)
        return err_tell(err, E_LIMIT, "", "expected at most %d values", POLICY_TEMPLATE_VALUES);
    items = ARENA_ARRAY(arena, struct scalar, given->n);
    if (items == NULL)
        return err_set(err, E_NO_MEMORY, "", "values");
    for (size_t i = 0; i < given->n; i++) {
        if (read_scalar(parameter, type, given->items[i], arena, &items[i], err) < 0)
            return err_ret(err);
    }
    *ret_typed = (struct typed){given->n, items};
    return list ? check_list(parameter, ret_typed, arena, err) : 0;
}

static bool text_of(const struct jval *value, struct arena *arena, struct str *ret)
{
    int64_t number;

    if (jtype_of(value) == J_STR)
        *ret = jval_str(value);
    else if (jval_i64(value, &number))
        *ret = arena_printf(arena, "%" PRId64, number);
    else
        return false;
    return str_present(*ret);
}

bool policy__texts_of(const struct jval *value, struct arena *arena, struct str_list *ret_texts)
{
    const bool array = jtype_of(value) == J_ARRAY;
    const size_t n = array ? jval_len(value) : 1;
    struct str *items = ARENA_ARRAY(arena, struct str, n);

    for (size_t i = 0; items != NULL && i < n; i++) {
        if (!text_of(array ? jval_at(value, i) : value, arena, &items[i]))
            return false;
    }
    *ret_texts = (struct str_list){items, n};
    return items != NULL;
}

bool policy__plus(enum parameter_type type, const struct scalar *value, int64_t days,
                  struct arena *arena, struct scalar *ret_sum)
{
    const bool time = type == PARAMETER_DATE || type == PARAMETER_DATE_TIME;
    const int64_t last = time_from_civil((struct civil){9999, 12, 31, 23, 59, 59});
    int64_t more, sum;

    if (__builtin_mul_overflow(days, time ? US_PER_DAY : 1, &more) ||
        __builtin_add_overflow(value->number, more, &sum) || (time && sum > last))
        return false;
    ret_sum->number = sum;
    if (!time)
        ret_sum->text = arena_printf(arena, "%" PRId64, sum);
    else
        ret_sum->text =
            arena_printf(arena, "%.*s", type == PARAMETER_DATE ? 10 : 40, time_format(sum).c);
    return str_present(ret_sum->text);
}
