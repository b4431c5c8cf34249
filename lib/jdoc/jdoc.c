/*
 * Bounded parsing and read-only views (RFC 8259, RFC 6901).
 *
 * jansson needs up to 45 times the memory of its input, so depth and number of values are counted
 * by a scan of the bytes before it sees them. The scan does not judge syntax; it only never counts
 * less than jansson would build.
 */
#include "lib/jdoc/jdoc.h"

#include "lib/base/check.h"
#include "lib/base/limits.h"
#include "lib/jdoc/jdoc_private.h"

#include "lib/base/banned.h"

const struct jlimits jlimits_default = {
    .bytes = LIMIT_JSON_BYTES,
    .depth = LIMIT_JSON_DEPTH,
    .nodes = LIMIT_JSON_NODES,
};

/* -- parsing -- */

struct place {
    size_t line;
    size_t column;
};

/* Line and column of an offset, both from 1; a column is a code point, as in jansson. */
static struct place place_of(struct str text, size_t offset)
{
    struct place place = {1, 1};

    for (size_t i = 0; i < offset; i++) {
        if (text.p[i] == '\n')
            place = (struct place){place.line + 1, 1};
        else if (((unsigned char)text.p[i] & 0xC0) != 0x80)
            place.column++;
    }
    return place;
}

/* The offset behind the string that starts at `i`; the end of the text if it is not closed. */
static size_t skip_string(struct str text, size_t i)
{
    for (i++; i < text.n && text.p[i] != '"'; i++) {
        if (text.p[i] == '\\')
            i++;
    }
    return i < text.n ? i + 1 : text.n;
}

/* The offset behind the number or literal (or rubbish) that starts at `i`. */
static size_t skip_scalar(struct str text, size_t i)
{
    static const bool ends[256] = {
        [' '] = true, ['\t'] = true, ['\r'] = true, ['\n'] = true, ['"'] = true, [','] = true,
        [':'] = true, ['['] = true,  [']'] = true,  ['{'] = true,  ['}'] = true,
    };

    do {
        i++;
    } while (i < text.n && !ends[(unsigned char)text.p[i]]);
    return i;
}

static int too_much(struct str text, size_t offset, const char *what, unsigned limit,
                    struct err *err)
{
    struct place place = place_of(text, offset);

    return err_tell(err, E_LIMIT, "", "line %zu, column %zu: more than %u %s", place.line,
                    place.column, limit, what);
}

/*
 * Refuses a text with too many values or levels. A string is counted as a value until a ':' shows
 * that it was a key; the value of that key takes its place, so the running count never exceeds the
 * final one of a well-formed text.
 */
static int scan(struct str text, const struct jlimits *limits, struct err *err)
{
    unsigned depth = 0, nodes = 0;
    size_t next;

    for (size_t i = 0; i < text.n; i = next) {
        next = i + 1;
        switch (text.p[i]) {
        case ' ':
        case '\t':
        case '\r':
        case '\n':
        case ',': continue;
        case ':': nodes -= nodes > 0; continue;
        case ']':
        case '}': depth -= depth > 0; continue;
        case '[':
        case '{':
            if (++depth > limits->depth)
                return too_much(text, i, "levels", limits->depth, err);
            break;
        case '"': next = skip_string(text, i); break;
        default: next = skip_scalar(text, i);
        }
        if (++nodes > limits->nodes)
            return too_much(text, i, "values", limits->nodes, err);
    }
    return 0;
}

/* The key whose closing quote stands before `end`, as it is written in the text. */
static struct str key_before(struct str text, size_t end)
{
    size_t from = end > 0 ? end - 1 : 0;

    while (from > 0) {
        size_t slashes = 0;

        if (text.p[--from] != '"')
            continue;
        while (slashes < from && text.p[from - 1 - slashes] == '\\')
            slashes++;
        if (slashes % 2 == 0)
            return str_n(text.p + from + 1, end - 1 - (from + 1));
    }
    return STR_NONE;
}

/* What jansson found, with the place. Its own words fit but where they speak of its options. */
static int refuse(struct str text, const json_error_t *cause, struct err *err)
{
    enum json_error_code code = json_error_code(cause);
    const char *what = cause->text;
    struct str key = STR_NONE;

    if (code == json_error_null_character || code == json_error_null_byte_in_key)
        what = "\\u0000 is not allowed";
    if (code == json_error_duplicate_key && cause->position > 0) {
        what = "duplicate key ";
        key = key_before(text, (size_t)cause->position);
    }
    return err_tell(err, code == json_error_stack_overflow ? E_LIMIT : E_SYNTAX, "",
                    "line %d, column %d: %s%.*s", cause->line, cause->column, what, STR_ARG(key));
}

int jdoc_parse(struct str text, const struct jlimits *limits, struct jdoc **ret_doc,
               struct err *err)
{
    json_error_t cause = {0};
    AUTO(jdoc_free) struct jdoc *doc = NULL;

    if (limits == NULL)
        limits = &jlimits_default;
    if (text.n > limits->bytes)
        return err_tell(err, E_LIMIT, "", "%zu bytes, more than %zu", text.n, limits->bytes);
    if (scan(text, limits, err) < 0)
        return err_ret(err);

    if ((doc = jdoc__new()) == NULL)
        return err_set(err, E_NO_MEMORY, "", "JSON document");
    jdoc__make(doc);
    doc->root = json_loadb(text.p != NULL ? text.p : "", text.n,
                           JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &cause);
    jdoc__make(NULL);
    if (arena_failed(doc->memory)) /* jansson calls it many things */
        return err_set(err, E_NO_MEMORY, "", "JSON text of %zu bytes", text.n);
    if (doc->root == NULL)
        return refuse(text, &cause, err);
    *ret_doc = MOVE(doc);
    return 0;
}

const struct jval *jdoc_root(const struct jdoc *doc)
{
    return doc != NULL ? jdoc__view(doc->root) : NULL;
}

/* -- views -- */

enum jtype jtype_of(const struct jval *v)
{
    static const enum jtype types[] = {
        [JSON_OBJECT] = J_OBJECT, [JSON_ARRAY] = J_ARRAY, [JSON_STRING] = J_STR,
        [JSON_INTEGER] = J_INT,   [JSON_REAL] = J_REAL,   [JSON_TRUE] = J_BOOL,
        [JSON_FALSE] = J_BOOL,    [JSON_NULL] = J_NULL,
    };

    return v != NULL ? types[json_typeof(jdoc__json(v))] : J_NULL;
}

const char *jtype_name(enum jtype type)
{
    static const char *const names[] = {
        [J_NULL] = "null",  [J_BOOL] = "boolean", [J_INT] = "integer",   [J_REAL] = "number",
        [J_STR] = "string", [J_ARRAY] = "array",  [J_OBJECT] = "object",
    };

    CHECK((size_t)type < ARRAY_LEN(names));
    return names[type];
}

const struct jval *jval_get(const struct jval *object, const char *key)
{
    return jdoc__view(json_object_get(jdoc__json(object), key));
}

const struct jval *jval_get_str(const struct jval *object, struct str key)
{
    return jdoc__view(json_object_getn(jdoc__json(object), key.p != NULL ? key.p : "", key.n));
}

size_t jval_len(const struct jval *v)
{
    const json_t *json = jdoc__json(v);

    return json_is_array(json) ? json_array_size(json) : json_object_size(json);
}

const struct jval *jval_at(const struct jval *array, size_t i)
{
    return jdoc__view(json_array_get(jdoc__json(array), i));
}

struct str jval_str(const struct jval *v)
{
    const json_t *json = jdoc__json(v);

    if (!json_is_string(json))
        return STR_NONE;
    return str_n(json_string_value(json), json_string_length(json));
}

bool jval_i64(const struct jval *v, int64_t *ret_value)
{
    const json_t *json = jdoc__json(v);

    if (!json_is_integer(json))
        return false;
    *ret_value = json_integer_value(json);
    return true;
}

double jval_real(const struct jval *v)
{
    return json_number_value(jdoc__json(v));
}

bool jval_bool(const struct jval *v)
{
    return json_is_true(jdoc__json(v));
}

const struct jiter *jiter_first(const struct jval *object)
{
    return json_object_iter(jdoc__json(object));
}

const struct jiter *jiter_next(const struct jval *object, const struct jiter *it)
{
    return json_object_iter_next(jdoc__json(object), (void *)(uintptr_t)it);
}

struct str jiter_key(const struct jiter *it)
{
    void *iter = (void *)(uintptr_t)it;

    return str_n(json_object_iter_key(iter), json_object_iter_key_len(iter));
}

const struct jval *jiter_value(const struct jiter *it)
{
    return jdoc__view(json_object_iter_value((void *)(uintptr_t)it));
}

/* -- pointers and equality -- */

/* Compares a key with a reference token: '~0' stands for '~' and '~1' for '/' (RFC 6901 §3). */
static bool token_is(struct str token, struct str key)
{
    size_t k = 0;

    for (size_t t = 0; t < token.n; t++, k++) {
        char c = token.p[t];

        if (c == '~') {
            if (++t == token.n || (token.p[t] != '0' && token.p[t] != '1'))
                return false;
            c = token.p[t] == '0' ? '~' : '/';
        }
        if (k == key.n || key.p[k] != c)
            return false;
    }
    return k == key.n;
}

static const struct jval *member_by_token(const struct jval *object, struct str token)
{
    if (token.n == 0 || memchr(token.p, '~', token.n) == NULL)
        return jval_get_str(object, token);
    for (const struct jiter *it = jiter_first(object); it != NULL; it = jiter_next(object, it)) {
        if (token_is(token, jiter_key(it)))
            return jiter_value(it);
    }
    return NULL;
}

/* RFC 6901 §4: digits without leading zero; "-" is the place behind the end, so nothing. */
static const struct jval *element_by_token(const struct jval *array, struct str token)
{
    int64_t index;

    if (token.n == 0 || token.p[0] == '-' || (token.n > 1 && token.p[0] == '0') ||
        !str_to_i64(token, &index))
        return NULL;
    return jval_at(array, (size_t)index);
}

const struct jval *jval_pointer(const struct jval *v, struct str pointer)
{
    if (pointer.n == 0)
        return v;
    if (pointer.p[0] != '/')
        return NULL;
    pointer = str_from(pointer, 1);
    while (v != NULL && str_present(pointer)) {
        struct str token = str_cut(&pointer, '/');

        v = jtype_of(v) == J_ARRAY ? element_by_token(v, token) : member_by_token(v, token);
    }
    return v;
}

/* Exact, unlike a conversion of the integer to double, which would make 2^53 and 2^53 + 1 equal. */
static bool i64_is_real(int64_t i, double d)
{
    return d >= -0x1p63 && d < 0x1p63 && (double)(int64_t)d == d && (int64_t)d == i;
}

static bool number_eq(const json_t *a, const json_t *b)
{
    if (json_is_integer(a) && json_is_integer(b))
        return json_integer_value(a) == json_integer_value(b);
    if (json_is_integer(a))
        return i64_is_real(json_integer_value(a), json_real_value(b));
    if (json_is_integer(b))
        return i64_is_real(json_integer_value(b), json_real_value(a));
    return json_real_value(a) == json_real_value(b);
}

bool jval_eq(const struct jval *a, const struct jval *b)
{
    if (a == NULL || b == NULL)
        return a == b;
    if (json_is_number(jdoc__json(a)) && json_is_number(jdoc__json(b)))
        return number_eq(jdoc__json(a), jdoc__json(b));
    if (jtype_of(a) != jtype_of(b) || jval_len(a) != jval_len(b))
        return false;
    switch (jtype_of(a)) {
    case J_NULL: return true;
    case J_BOOL: return jval_bool(a) == jval_bool(b);
    case J_STR: return str_eq(jval_str(a), jval_str(b));
    case J_ARRAY:
        for (size_t i = 0; i < jval_len(a); i++) {
            if (!jval_eq(jval_at(a, i), jval_at(b, i)))
                return false;
        }
        return true;
    case J_OBJECT:
        for (const struct jiter *it = jiter_first(a); it != NULL; it = jiter_next(a, it)) {
            const struct jval *other = jval_get_str(b, jiter_key(it));

            if (other == NULL || !jval_eq(jiter_value(it), other))
                return false;
        }
        return true;
    case J_INT:
    case J_REAL: break;
    }
    CHECK_UNREACHABLE();
}
