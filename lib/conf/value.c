/*
 * lib/conf/value.c - texts of settings and their stored values, both directions
 *
 * One row per type holds parser and writer, so that a type cannot be read without being printed.
 */
#include <assert.h>

#include "lib/base/cleanup.h"
#include "lib/base/timefmt.h"
#include "lib/conf/conf_private.h"

#include "lib/base/banned.h"

struct unit {
    const char *name;
    int64_t factor;
};

/* largest first: the writer takes the first that divides */
static const struct unit size_units[] = {
    {"G",  INT64_C(1) << 30},
    {"M",  INT64_C(1) << 20},
    {"K",  INT64_C(1) << 10},
    {"",   1               },
    {NULL, 0               },
};

static const struct unit duration_units[] = {
    {"d",  US_PER_DAY},
    {"h",  US_PER_H  },
    {"m",  US_PER_MIN},
    {"s",  US_PER_S  },
    {"ms", 1000      },
    {NULL, 0         },
};

static const struct unit no_units[] = {
    {"",   1},
    {NULL, 0},
};

static const struct unit *units_of(enum conf_type type)
{
    return type == CONF_SIZE ? size_units : type == CONF_DURATION ? duration_units : no_units;
}

static void format_number(struct buf *out, enum conf_type type, int64_t value)
{
    const struct unit *unit = units_of(type);

    while (unit[1].name != NULL && (value == 0 || value % unit->factor != 0))
        unit++;
    buf_add_i64(out, value / unit->factor);
    buf_add_c(out, unit->name);
}

static void format_range(struct buf *out, const struct conf_key *key)
{
    if (key->min == 0 && key->max == 0)
        return;
    format_number(out, key->type, key->min);
    buf_add_c(out, "..");
    if (key->max != INT64_MAX)
        format_number(out, key->type, key->max);
}

/* What a parser needs besides the text. */
struct place {
    const struct conf_key *key;
    struct str folder;
    struct arena *arena;
    void *member;
};

static int expected(struct err *err, struct str text, const char *what)
{
    return err_set(err, E_CONFIG, "", "'%.*s' is not %s", STR_ARG(text), what);
}

static int keep(const struct place *place, struct str text, struct err *err)
{
    struct str copy = arena_str(place->arena, text);

    if (!str_present(copy))
        return err_set(err, E_NO_MEMORY, "", "settings");
    *(struct str *)place->member = copy;
    return 0;
}

static int parse_str(const struct place *place, struct str text, struct err *err)
{
    return keep(place, text, err);
}

static int parse_path(const struct place *place, struct str text, struct err *err)
{
    struct str path = text;

    if (text.n > 0 && text.p[0] != '/') {
        path = arena_printf(place->arena, "%.*s/%.*s", STR_ARG(place->folder), STR_ARG(text));
        if (!str_present(path))
            return err_set(err, E_NO_MEMORY, "", "settings");
    }
    return keep(place, path, err);
}

static int parse_bool(const struct place *place, struct str text, struct err *err)
{
    static const struct {
        const char *name;
        bool value;
    } names[] = {
        {"true",  true },
        {"yes",   true },
        {"on",    true },
        {"false", false},
        {"no",    false},
        {"off",   false},
    };

    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        if (str_eq_c(text, names[i].name)) {
            *(bool *)place->member = names[i].value;
            return 0;
        }
    }
    return expected(err, text, "true or false");
}

static int parse_number(const struct place *place, struct str text, struct err *err)
{
    static const char *const what[] = {
        [CONF_INT] = "a whole number",
        [CONF_SIZE] = "a number of bytes like 512, 64K, 10M or 1G",
        [CONF_DURATION] = "a time with unit like 500ms, 10s, 5m, 24h or 7d",
    };
    const struct conf_key *key = place->key;
    AUTO(buf_done) struct buf range = buf_init(64);
    struct str digits = text;
    int64_t value;

    while (digits.n > 0 && (digits.p[digits.n - 1] < '0' || digits.p[digits.n - 1] > '9'))
        digits.n--;
    if (!str_to_i64(digits, &value) || (key->type != CONF_INT && value < 0))
        return expected(err, text, what[key->type]);

    const struct unit *unit = units_of(key->type);
    while (unit->name != NULL && !str_eq_c(str_from(text, digits.n), unit->name))
        unit++;
    if (unit->name == NULL && !(key->type == CONF_DURATION && str_eq_c(text, "0")))
        return expected(err, text, what[key->type]);
    if (unit->name != NULL && __builtin_mul_overflow(value, unit->factor, &value))
        return expected(err, text, "that small: it does not fit 64 bits");

    if ((key->min != 0 || key->max != 0) && (value < key->min || value > key->max)) {
        format_range(&range, key);
        return err_set(err, E_CONFIG, "", "'%.*s' is not within %.*s", STR_ARG(text),
                       STR_ARG(buf_str(&range)));
    }
    *(int64_t *)place->member = value;
    return 0;
}

/* Index of `text` among the choices of the key. */
static int find_choice(const struct conf_key *key, struct str text, int64_t *ret_index,
                       struct err *err)
{
    struct str choices = str_c(key->choices);

    for (int64_t i = 0; str_present(choices); i++) {
        if (str_eq(str_cut(&choices, '|'), text)) {
            *ret_index = i;
            return 0;
        }
    }
    return err_set(err, E_CONFIG, "", "'%.*s' is none of %s", STR_ARG(text), key->choices);
}

static int parse_enum(const struct place *place, struct str text, struct err *err)
{
    return find_choice(place->key, text, place->member, err);
}

static int parse_set(const struct place *place, struct str text, struct err *err)
{
    struct str rest = text;
    int64_t index, set = 0;

    while (text.n > 0 && str_present(rest)) {
        if (find_choice(place->key, str_trim(str_cut(&rest, ',')), &index, err) < 0)
            return err_ret(err);
        set |= INT64_C(1) << index;
    }
    *(int64_t *)place->member = set;
    return 0;
}

static int parse_list(const struct place *place, struct str text, struct err *err)
{
    struct conf_list list = {0};
    struct str rest;
    size_t count = 1;

    for (size_t i = 0; i < text.n; i++)
        count += text.p[i] == ',';
    list.items = ARENA_ARRAY(place->arena, struct str, count);
    text = arena_str(place->arena, text);
    if (list.items == NULL || !str_present(text))
        return err_set(err, E_NO_MEMORY, "", "settings");
    for (rest = text; text.n > 0 && str_present(rest); list.n++) {
        list.items[list.n] = str_trim(str_cut(&rest, ','));
        if (list.items[list.n].n == 0)
            return expected(err, text, "a list: an item between commas is empty");
    }
    *(struct conf_list *)place->member = list;
    return 0;
}

static void format_str(struct buf *out, const struct conf_key *key, const void *member)
{
    (void)key;
    buf_add_str(out, *(const struct str *)member);
}

static void format_bool(struct buf *out, const struct conf_key *key, const void *member)
{
    (void)key;
    buf_add_c(out, *(const bool *)member ? "true" : "false");
}

static void format_int(struct buf *out, const struct conf_key *key, const void *member)
{
    format_number(out, key->type, *(const int64_t *)member);
}

static void format_enum(struct buf *out, const struct conf_key *key, const void *member)
{
    struct str choices = str_c(key->choices);

    for (int64_t i = 0; i < *(const int64_t *)member; i++)
        str_cut(&choices, '|');
    buf_add_str(out, str_cut(&choices, '|'));
}

static void format_list(struct buf *out, const struct conf_key *key, const void *member)
{
    const struct conf_list *list = member;

    (void)key;
    for (size_t i = 0; i < list->n; i++) {
        buf_add_c(out, i > 0 ? ", " : "");
        buf_add_str(out, list->items[i]);
    }
}

static void format_set(struct buf *out, const struct conf_key *key, const void *member)
{
    struct str choices = str_c(key->choices);
    bool first = true;

    for (int64_t rest = *(const int64_t *)member; rest != 0; rest >>= 1) {
        const struct str choice = str_cut(&choices, '|');

        if ((rest & 1) == 0)
            continue;
        buf_add_c(out, first ? "" : ", ");
        buf_add_str(out, choice);
        first = false;
    }
}

typedef int parse_fn(const struct place *place, struct str text, struct err *err);
typedef void format_fn(struct buf *out, const struct conf_key *key, const void *member);

/* clang-format off */
static const struct { parse_fn *parse; format_fn *format; } types[] = {
    [CONF_STR]         = {parse_str,    format_str},
    [CONF_BOOL]        = {parse_bool,   format_bool},
    [CONF_INT]         = {parse_number, format_int},
    [CONF_SIZE]        = {parse_number, format_int},
    [CONF_DURATION]    = {parse_number, format_int},
    [CONF_ENUM]        = {parse_enum,   format_enum},
    [CONF_LIST]        = {parse_list,   format_list},
    [CONF_SET]         = {parse_set,    format_set},
    [CONF_PATH]        = {parse_path,   format_str},
    [CONF_SECRET_FILE] = {parse_path,   format_str},
};

/* clang-format on */
static_assert(ARRAY_LEN(types) == CONF_SECRET_FILE + 1, "one row per type");

int conf__value_parse(const struct conf_key *key, struct str text, struct str folder,
                      struct arena *arena, void *settings, struct err *err)
{
    struct place place = {key, folder, arena, (char *)settings + key->offset};
    struct str trimmed = str_trim(text);

    for (size_t i = 0; i < trimmed.n; i++)
        if ((unsigned char)trimmed.p[i] < ' ' || trimmed.p[i] == 0x7f)
            return err_set(err, E_CONFIG, "", "the value holds a control character");
    if (!str_is_utf8(trimmed))
        return err_set(err, E_CONFIG, "", "the value is not UTF-8");
    return types[key->type].parse(&place, str_present(trimmed) ? trimmed : STR(""), err);
}

void conf__value_format(struct buf *out, const struct conf_key *key, const void *settings)
{
    types[key->type].format(out, key, (const char *)settings + key->offset);
}

void conf__value_range(struct buf *out, const struct conf_key *key)
{
    if (key->type == CONF_ENUM || key->type == CONF_SET)
        buf_add_c(out, key->choices);
    else if (key->type == CONF_BOOL)
        buf_add_c(out, "true|false");
    else
        format_range(out, key);
}
