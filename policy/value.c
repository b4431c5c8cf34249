/*
 * policy/value.c - right operands: from JSON to typed values with a canonical text
 *
 * 1. A value is a string, an integer, a boolean, {"@value":…[,"@type":…]} or {"@id":…}; never null,
 * never a number with a fraction or exponent (its digits would depend on the reader).
 * 2. What it means is decided by the operand's type, not by how it is written: "5", 5 and
 * {"@value":"5","@type":xsd:integer} are equal. A stated datatype must be one that the operand's
 * type admits.
 * 3. A dateTime has a zone (without one it is a different instant for each reader). A date is a
 * whole day, in UTC unless a zone follows it ("2026-12-31+09:00").
 */
#include "policy/policy.h"

#include <inttypes.h>

#include "lib/base/check.h"
#include "lib/base/limits.h"
#include "lib/base/timefmt.h"
#include "policy/policy_private.h"

#include "lib/base/banned.h"

#define DECIMAL_DIGITS 18 /* before the point, and behind it */

/* clang-format off */
/* XML Schema datatypes that a value of this type may state */
static const struct { const char *name; unsigned types; } datatypes[] = {
#define V(type) (1U << POLICY_V_##type)
    {"string",             V(STRING) | V(IRI) | V(PLACE) | V(WEEKDAYS) | V(HOURS)},
    {"anyURI",             V(STRING) | V(IRI) | V(PLACE)},
    {"token",              V(STRING)},
    {"boolean",            V(BOOLEAN)},
    {"decimal",            V(DECIMAL)},
    {"integer",            V(INTEGER) | V(DECIMAL)},
    {"int",                V(INTEGER) | V(DECIMAL)},
    {"long",               V(INTEGER) | V(DECIMAL)},
    {"nonNegativeInteger", V(INTEGER) | V(DECIMAL)},
    {"positiveInteger",    V(INTEGER) | V(DECIMAL)},
    {"unsignedLong",       V(INTEGER) | V(DECIMAL)},
    {"date",               V(TIME)},
    {"dateTime",           V(TIME)},
    {"dateTimeStamp",      V(TIME)},
    {"duration",           V(DURATION)},
    {"dayTimeDuration",    V(DURATION)},
    {"yearMonthDuration",  V(DURATION)},
#undef V
};
/* clang-format on */

static const char *const type_words[POLICY_VALUE_TYPE__COUNT] = {
    [POLICY_V_STRING] = "a string",
    [POLICY_V_IRI] = "an IRI",
    [POLICY_V_PLACE] = "a place",
    [POLICY_V_DECIMAL] = "a decimal number as a string",
    [POLICY_V_INTEGER] = "an integer",
    [POLICY_V_BOOLEAN] = "a boolean",
    [POLICY_V_TIME] = "a date, or a date and time with zone",
    [POLICY_V_DURATION] = "a duration such as P30D",
    [POLICY_V_WEEKDAYS] = "days with their zone, such as mon/fri+09:00",
    [POLICY_V_HOURS] = "hours with their zone, such as 09:00/18:00[Asia/Seoul]",
};

/* What was written, before its type is looked at. */
static int read_scalar(struct parse *ps, const struct jval *v, const struct where *w,
                       struct value *value)
{
    int64_t number;

    switch (jtype_of(v)) {
    case J_STR:
        value->text = arena_str(ps->arena, jval_str(v));
        value->tag = TAG_STRING;
        return 0;
    case J_INT:
        if (!jval_i64(v, &number))
            return refuse(ps, w, E_INVALID, "number is out of range");
        value->text = arena_printf(ps->arena, "%" PRId64, number);
        value->tag = TAG_INTEGER;
        return 0;
    case J_BOOL:
        value->text = jval_bool(v) ? STR("true") : STR("false");
        value->tag = TAG_BOOLEAN;
        return 0;
    case J_REAL:
        return refuse(ps, w, E_INVALID, "number is not an integer; write decimals as strings");
    case J_NULL:
    case J_ARRAY:
    case J_OBJECT:
        return refuse(ps, w, E_INVALID, "right operand cannot be %s", jtype_name(jtype_of(v)));
    }
    CHECK_UNREACHABLE();
}

static int read_datatype(struct parse *ps, const struct jval *type, const struct where *w,
                         struct value *value)
{
    char full[NAME_MAX_BYTES];

    if (type == NULL)
        return 0;
    if (jtype_of(type) != J_STR)
        return refuse(ps, w, E_INVALID, "expected a datatype");
    value->datatype = arena_str(ps->arena, policy__expand(&ps->prefixes, jval_str(type), full));
    return 0;
}

/* {"@id":…} or {"@value":…}; nothing else may stand beside */
static int read_object(struct parse *ps, const struct jval *v, const struct where *w,
                       struct value *value)
{
    const struct jval *id = jval_get(v, "@id"), *literal = jval_get(v, "@value");
    const struct jval *type = jval_get(v, "@type");
    const struct where at_value = {.up = w, .key = STR("@value")};
    char full[NAME_MAX_BYTES];

    if (id != NULL && jval_len(v) == 1 && jtype_of(id) == J_STR && jval_str(id).n > 0) {
        struct str iri = policy__expand(&ps->prefixes, jval_str(id), full);

        value->text = arena_str(ps->arena, str_present(iri) ? iri : jval_str(id));
        value->tag = TAG_IRI;
        return 0;
    }
    if (literal == NULL || jval_len(v) != (type != NULL ? 2U : 1U))
        return refuse(ps, w, E_POLICY_UNSUPPORTED,
                      "expected a value, {\"@value\": …} or {\"@id\": …}");
    if (read_scalar(ps, literal, &at_value, value) < 0)
        return err_ret(ps->err);
    return read_datatype(ps, type, w, value);
}

static bool datatype_admits(struct str datatype, enum policy_value_type type)
{
    if (!str_present(datatype))
        return true;
    for (size_t i = 0; i < ARRAY_LEN(datatypes); i++) {
        if (str_starts(datatype, STR(XSD)) &&
            str_eq_c(str_from(datatype, sizeof(XSD) - 1), datatypes[i].name))
            return (datatypes[i].types >> type & 1) != 0;
    }
    return false;
}

/* date with an optional zone: its whole day */
static bool parse_day(struct str text, struct value *value)
{
    struct str day = {text.p, text.n < 10 ? text.n : 10}, zone = str_from(text, 10);
    char midnight[48];
    int64_t us;
    int n;

    if (!date_parse(day, &us))
        return false;
    if (zone.n > 0) {
        n = snprintf(midnight, sizeof(midnight), "%.*sT00:00:00%.*s", STR_ARG(day), STR_ARG(zone));
        if (n < 0 || (size_t)n >= sizeof(midnight) || !time_parse(str_n(midnight, (size_t)n), &us))
            return false;
    }
    value->first = us;
    value->last = us + US_PER_DAY - 1;
    return true;
}

/* EDC: contractAgreement+<n>(s|m|h|d); n may be negative */
static bool parse_relative(struct str text, struct value *value)
{
    static const struct {
        char unit;
        int64_t us;
    } units[] = {
        {'s', US_PER_S  },
        {'m', US_PER_MIN},
        {'h', US_PER_H  },
        {'d', US_PER_DAY}
    };
    struct str prefix = STR("contractAgreement+");
    struct str number;
    int64_t n;

    if (!str_starts(text, prefix) && !str_starts(text, STR("contractagreement+")))
        return false;
    number = str_from(text, prefix.n);
    for (size_t i = 0; i < ARRAY_LEN(units) && number.n > 1; i++) {
        if (number.p[number.n - 1] == units[i].unit &&
            str_to_i64(str_n(number.p, number.n - 1), &n) &&
            !__builtin_mul_overflow(n, units[i].us, &value->first)) {
            value->last = value->first;
            value->relative = true;
            return true;
        }
    }
    return false;
}

static bool parse_time(const struct operand_row *row, struct value *value)
{
    if (row->meaning == MEANING_IN_FORCE && parse_relative(value->text, value))
        return true;
    if (time_parse(value->text, &value->first)) {
        value->last = value->first;
        return true;
    }
    return parse_day(value->text, value);
}

bool policy__decimal(struct str text, int64_t *ret_whole, int64_t *ret_fraction)
{
    struct str rest = text, whole, fraction;
    bool minus = rest.n > 0 && rest.p[0] == '-';
    int64_t parts = 0;

    rest = minus ? str_from(rest, 1) : rest;
    whole = str_cut(&rest, '.');
    fraction = str_present(rest) ? rest : STR("0");
    if (whole.n == 0 || whole.n > DECIMAL_DIGITS || fraction.n == 0 || fraction.n > DECIMAL_DIGITS)
        return false;
    for (size_t i = 0; i < whole.n + fraction.n; i++) {
        char c = i < whole.n ? whole.p[i] : fraction.p[i - whole.n];

        if (c < '0' || c > '9')
            return false;
    }
    for (size_t i = 0; i < DECIMAL_DIGITS; i++)
        parts = parts * 10 + (i < fraction.n ? fraction.p[i] - '0' : 0);
    if (!str_to_i64(whole, ret_whole))
        return false;
    *ret_whole = minus ? -*ret_whole : *ret_whole;
    *ret_fraction = minus ? -parts : parts;
    return true;
}

/* Canonical: no needless zeros, no sign of zero. */
static bool parse_decimal(struct parse *ps, struct value *value)
{
    char digits[24];
    int64_t whole, fraction;
    size_t n = DECIMAL_DIGITS;

    if (!policy__decimal(value->text, &value->first, &value->last))
        return false;
    whole = value->first < 0 ? -value->first : value->first;
    fraction = value->last < 0 ? -value->last : value->last;
    (void)snprintf(digits, sizeof(digits), "%018" PRId64, fraction);
    while (n > 0 && digits[n - 1] == '0')
        n--;
    value->canon = arena_printf(ps->arena, "%s%" PRId64 "%s%.*s",
                                value->first < 0 || value->last < 0 ? "-" : "", whole,
                                n > 0 ? "." : "", (int)n, digits);
    return true;
}

static bool parse_number(const struct operand_row *row, struct value *value)
{
    if (row->type == POLICY_V_INTEGER)
        return value->tag != TAG_BOOLEAN && str_to_i64(value->text, &value->first);
    value->first = str_eq(value->text, STR("true"));
    return value->tag != TAG_INTEGER && (value->first == 1 || str_eq(value->text, STR("false")));
}

static struct str time_canon(struct parse *ps, const struct value *value)
{
    if (value->relative)
        return arena_printf(ps->arena, "agreement%+" PRId64 "us", value->first);
    if (value->last != value->first)
        return arena_printf(ps->arena, "%s/P1D", time_format(value->first).c);
    return arena_str(ps->arena, str_c(time_format(value->first).c));
}

/* True if the text has the operand's form; then canon and the numbers are set. */
static bool give_type(struct parse *ps, const struct operand_row *row, struct value *value)
{
    bool ok = false;

    if (value->tag == TAG_IRI && row->type != POLICY_V_IRI && row->type != POLICY_V_PLACE)
        return false;
    switch (row->type) {
    case POLICY_V_STRING:
    case POLICY_V_IRI:
    case POLICY_V_PLACE:
        value->canon = value->text;
        return value->text.n > 0 && (value->tag == TAG_STRING || value->tag == TAG_IRI);
    case POLICY_V_DECIMAL: return value->tag != TAG_BOOLEAN && parse_decimal(ps, value);
    case POLICY_V_INTEGER:
    case POLICY_V_BOOLEAN:
        ok = parse_number(row, value);
        value->last = value->first;
        value->canon = row->type == POLICY_V_BOOLEAN
                           ? (value->first != 0 ? STR("true") : STR("false"))
                           : arena_printf(ps->arena, "%" PRId64, value->first);
        return ok;
    case POLICY_V_TIME:
        ok = value->tag == TAG_STRING && parse_time(row, value);
        value->canon = ok ? time_canon(ps, value) : STR_NONE;
        return ok;
    case POLICY_V_DURATION:
        ok = value->tag == TAG_STRING && duration_parse(value->text, &value->months, &value->first);
        value->last = value->first;
        value->canon =
            arena_printf(ps->arena, "P%" PRId64 "M%" PRId64 "us", value->months, value->first);
        return ok;
    case POLICY_V_WEEKDAYS:
        return value->tag == TAG_STRING && policy__weekdays(ps->arena, value->text, value);
    case POLICY_V_HOURS:
        return value->tag == TAG_STRING && policy__hours(ps->arena, value->text, value);
    case POLICY_VALUE_TYPE__COUNT: break;
    }
    CHECK_UNREACHABLE();
}

/* What the constraint says of all its values, against what the value says of itself. */
static int join_datatype(struct parse *ps, struct str datatype, const struct where *w,
                         struct value *value)
{
    if (!str_present(datatype))
        return 0;
    if (str_present(value->datatype) && !str_eq(value->datatype, datatype))
        return refuse(ps, w, E_INVALID, "datatype '%.*s' is another one than '%.*s'",
                      STR_ARG(value->datatype), STR_ARG(datatype));
    if (value->tag == TAG_IRI && !str_eq(datatype, STR(XSD "anyURI")))
        return refuse(ps, w, E_INVALID, "datatype '%.*s' does not fit an IRI", STR_ARG(datatype));
    value->datatype = datatype;
    return 0;
}

int policy__value(struct parse *ps, enum policy_operand operand, struct str datatype,
                  const struct jval *v, const struct where *w, struct value *ret_value)
{
    const struct operand_row *row = &policy__operands[operand];
    bool closed;
    struct value value = {0};
    int status =
        jtype_of(v) == J_OBJECT ? read_object(ps, v, w, &value) : read_scalar(ps, v, w, &value);

    if (status < 0 || join_datatype(ps, datatype, w, &value) < 0)
        return err_ret(ps->err);
    if (value.text.n > LIMIT_ID)
        return refuse(ps, w, E_LIMIT, "value is longer than %d bytes", LIMIT_ID);
    if (value.tag != TAG_IRI && !datatype_admits(value.datatype, row->type))
        return refuse(ps, w, E_INVALID, "datatype '%.*s' does not fit: expected %s",
                      STR_ARG(value.datatype), type_words[row->type]);
    if (!give_type(ps, row, &value))
        return refuse(ps, w, E_INVALID, "'%.*s' is not %s", STR_ARG(value.text),
                      type_words[row->type]);
    if (policy__code(operand, value.canon, &closed) == NULL && closed)
        return refuse(ps, w, E_POLICY_UNSUPPORTED, "'%.*s' is not a value of '%s'",
                      STR_ARG(value.text), row->iri.p);
    *ret_value = value;
    return 0;
}
