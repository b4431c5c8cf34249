/*
 * From JSON to structs, driven by field tables.
 *
 * The error of a value is set without a path; each level on the way up puts its own token in front.
 * Nothing of the document may be kept if it is freed before the struct: then texts are copied.
 */
#include "lib/codec/codec.h"

#include "lib/base/check.h"
#include "lib/base/encode.h"
#include "lib/base/limits.h"
#include "lib/base/timefmt.h"

#include "lib/base/banned.h"

struct decoder {
    struct arena *arena;
    bool copy; /* the document will be freed */
};

typedef int decode_fn(const struct decoder *d, const struct field *f, const struct jval *v,
                      void *to, struct err *err);

static int decode_object(const struct decoder *d, const struct object *object, const struct jval *v,
                         void *out, struct err *err);

/* -- errors -- */

/* err->at has a fixed size, so what a token needs beyond it is cut anyway. */
static int at_member(struct err *err, struct str name)
{
    AUTO(buf_done) struct buf token = buf_init(3 * sizeof(err->at));
    char prefix[sizeof(err->at)];

    buf_add_char(&token, '/');
    jpointer_escape(&token, name);
    (void)snprintf(prefix, sizeof(prefix), "%.*s", STR_ARG(buf_str(&token)));
    return err_at_prefix(err, prefix);
}

static int at_element(struct err *err, size_t i)
{
    char prefix[32];

    (void)snprintf(prefix, sizeof(prefix), "/%zu", i);
    return err_at_prefix(err, prefix);
}

#define TIME_EXPECTED "an RFC 3339 time with zone"

static int wrong_type(const char *expected, const struct jval *v, struct err *err)
{
    return err_tell(err, E_INVALID, "", "expected %s, got %s", expected,
                    v != NULL ? jtype_name(jtype_of(v)) : "nothing");
}

static int must_be(enum jtype type, const struct jval *v, struct err *err)
{
    return jtype_of(v) == type ? 0 : wrong_type(jtype_name(type), v, err);
}

/* The arena's cap is a limit on what one request may make us keep. */
static int no_room(struct err *err)
{
    return err_set(err, E_LIMIT, "", "arena is full");
}

/* -- values -- */

static int take_text(const struct decoder *d, struct str text, struct str *ret_text,
                     struct err *err)
{
    if (d->copy) {
        text = arena_str(d->arena, text);
        if (!str_present(text))
            return no_room(err);
    }
    *ret_text = text;
    return 0;
}

static int decode_str(const struct decoder *d, const struct field *f, const struct jval *v,
                      void *to, struct err *err)
{
    struct str text = jval_str(v);

    if (must_be(J_STR, v, err) < 0)
        return err_ret(err);
    if ((f->flags & F_NONEMPTY) && text.n == 0)
        return err_tell(err, E_INVALID, "", "expected a string that is not empty");
    if (text.n > LIMIT_JSON_BYTES)
        return err_tell(err, E_INVALID, "", "expected at most %zu bytes", LIMIT_JSON_BYTES);
    return take_text(d, text, to, err);
}

static int decode_i64(const struct decoder *d, const struct field *f, const struct jval *v,
                      void *to, struct err *err)
{
    int64_t value = 0;

    (void)d;
    if (f->flags & F_TIME) {
        if (!time_parse(jval_str(v), &value))
            return err_tell(err, E_INVALID, "", "expected " TIME_EXPECTED);
    } else if (!jval_i64(v, &value)) {
        return must_be(J_INT, v, err);
    }
    if ((f->flags & F_POSITIVE) && value <= 0)
        return err_tell(err, E_INVALID, "", "expected a value above 0");
    if ((f->flags & F_NATURAL) && value < 0)
        return err_tell(err, E_INVALID, "", "expected a value of 0 or above");
    *(int64_t *)to = value;
    return 0;
}

static int decode_bool(const struct decoder *d, const struct field *f, const struct jval *v,
                       void *to, struct err *err)
{
    (void)d;
    (void)f;
    if (must_be(J_BOOL, v, err) < 0)
        return err_ret(err);
    *(bool *)to = jval_bool(v);
    return 0;
}

static int decode_uuid(const struct decoder *d, const struct field *f, const struct jval *v,
                       void *to, struct err *err)
{
    (void)d;
    (void)f;
    if (must_be(J_STR, v, err) < 0)
        return err_ret(err);
    if (!uuid_parse(jval_str(v), to))
        return err_tell(err, E_INVALID, "", "expected a UUID of %d characters", UUID_TEXT_LEN);
    return 0;
}

/* Checks that v is an array and makes room for its elements. */
static int new_array(const struct decoder *d, const struct field *f, const struct jval *v,
                     size_t size, void **ret_items, struct err *err)
{
    void *items;

    if (must_be(J_ARRAY, v, err) < 0)
        return err_ret(err);
    if ((f->flags & F_NONEMPTY) && jval_len(v) == 0)
        return err_tell(err, E_INVALID, "", "expected an array that is not empty");
    if ((items = arena_alloc_array(d->arena, jval_len(v), size)) == NULL)
        return no_room(err);
    *ret_items = items;
    return 0;
}

static int decode_str_list(const struct decoder *d, const struct field *f, const struct jval *v,
                           void *to, struct err *err)
{
    static const struct field element = {.type = FT_STR};
    void *items = NULL;

    if (new_array(d, f, v, sizeof(struct str), &items, err) < 0)
        return err_ret(err);
    for (size_t i = 0; i < jval_len(v); i++) {
        if (decode_str(d, &element, jval_at(v, i), (struct str *)items + i, err) < 0)
            return at_element(err, i);
    }
    *(struct str_list *)to = (struct str_list){items, jval_len(v)};
    return 0;
}

static int decode_jval(const struct decoder *d, const struct field *f, const struct jval *v,
                       void *to, struct err *err)
{
    (void)f;
    if (!EXPECT(!d->copy))
        return err_set(err, E_INTERNAL, "", "object_parse cannot keep a view of its document");
    *(const struct jval **)to = v;
    return 0;
}

static int decode_bytes(const struct decoder *d, const struct field *f, const struct jval *v,
                        void *to, struct err *err)
{
    struct str text = jval_str(v), kept;
    AUTO(buf_done) struct buf bytes = buf_init(text.n + 1);

    if (must_be(J_STR, v, err) < 0)
        return err_ret(err);
    if (text.n > LIMIT_JSON_BYTES)
        return err_tell(err, E_INVALID, "", "expected at most %zu bytes", LIMIT_JSON_BYTES);
    if (!decode_base64url(&bytes, text))
        return err_tell(err, E_INVALID, "", "expected base64url without padding");
    if (buf_failed(&bytes))
        return err_set(err, E_NO_MEMORY, "", "%zu bytes of base64url", text.n);
    if ((f->flags & F_NONEMPTY) && bytes.n == 0)
        return err_tell(err, E_INVALID, "", "expected base64url that is not empty");
    kept = arena_str(d->arena, buf_str(&bytes));
    if (!str_present(kept))
        return no_room(err);
    *(struct bytes *)to = (struct bytes){(const uint8_t *)kept.p, kept.n};
    return 0;
}

static int decode_enum(const struct decoder *d, const struct field *f, const struct jval *v,
                       void *to, struct err *err)
{
    AUTO(buf_done) struct buf known = buf_init(sizeof(err->detail));

    (void)d;
    if (must_be(J_STR, v, err) < 0)
        return err_ret(err);
    for (int i = 0; f->names[i] != NULL; i++) {
        if (str_eq_c(jval_str(v), f->names[i])) {
            *(int *)to = i;
            return 0;
        }
    }
    for (int i = 0; f->names[i] != NULL; i++)
        buf_printf(&known, "%s'%s'", i > 0 ? ", " : "", f->names[i]);
    return err_tell(err, E_INVALID, "", "expected one of %.*s", STR_ARG(buf_str(&known)));
}

static int decode_sub(const struct decoder *d, const struct field *f, const struct jval *v,
                      void *to, struct err *err)
{
    void *sub;

    if (must_be(J_OBJECT, v, err) < 0)
        return err_ret(err);
    if ((sub = arena_alloc(d->arena, f->sub->size)) == NULL)
        return no_room(err);
    if (decode_object(d, f->sub, v, sub, err) < 0)
        return err_ret(err);
    memcpy(to, &sub, sizeof(sub)); /* the member is a pointer to some struct */
    return 0;
}

static int decode_list(const struct decoder *d, const struct field *f, const struct jval *v,
                       void *to, struct err *err)
{
    void *items = NULL;

    if (new_array(d, f, v, f->sub->size, &items, err) < 0)
        return err_ret(err);
    for (size_t i = 0; i < jval_len(v); i++) {
        if (decode_object(d, f->sub, jval_at(v, i), (char *)items + i * f->sub->size, err) < 0)
            return at_element(err, i);
    }
    *(struct list *)to = (struct list){items, jval_len(v)};
    return 0;
}

static int decode_raw(const struct decoder *d, const struct field *f, const struct jval *v,
                      void *to, struct err *err)
{
    AUTO(buf_done) struct buf text = buf_init(LIMIT_CATALOG_BYTES);
    struct str kept;

    (void)f;
    jval_write(&text, v);
    if (buf_failed(&text))
        return err_set(err, E_LIMIT, "", "JSON text of a member");
    kept = arena_str(d->arena, buf_str(&text));
    if (!str_present(kept))
        return no_room(err);
    *(struct str *)to = kept;
    return 0;
}

/* `expected` is said of a required member that is missing. */
static const struct {
    decode_fn *decode;
    const char *expected;
} decoders[] = {
    [FT_STR] = {decode_str,      "string" },
      [FT_I64] = {decode_i64,      "integer"},
    [FT_BOOL] = {decode_bool,     "boolean"},
      [FT_UUID] = {decode_uuid,     "string" },
    [FT_STR_LIST] = {decode_str_list, "array"  },
      [FT_JVAL] = {decode_jval,     "a value"},
    [FT_BYTES] = {decode_bytes,    "string" },
      [FT_ENUM] = {decode_enum,     "string" },
    [FT_SUB] = {decode_sub,      "object" },
      [FT_LIST] = {decode_list,     "array"  },
    [FT_RAW] = {decode_raw,      "a value"},
};

static int missing(const struct field *f, struct err *err)
{
    bool time = f->type == FT_I64 && (f->flags & F_TIME);

    return wrong_type(time ? TIME_EXPECTED : decoders[f->type].expected, NULL, err);
}

/* -- objects -- */

const struct field *object_field(const struct object *object, struct str name)
{
    for (size_t i = 0; i < object->n; i++) {
        if (str_eq_c(name, object->fields[i].name))
            return &object->fields[i];
    }
    return NULL;
}

enum { NAME_MAX_COMPARED = 48 };

/* Levenshtein's distance: insertions, deletions and replacements of one byte. */
static size_t distance(struct str a, struct str b)
{
    size_t row[NAME_MAX_COMPARED + 1];

    if (a.n > NAME_MAX_COMPARED || b.n > NAME_MAX_COMPARED)
        return SIZE_MAX;
    for (size_t j = 0; j <= b.n; j++)
        row[j] = j;
    for (size_t i = 0; i < a.n; i++) {
        size_t diagonal = row[0];

        row[0] = i + 1;
        for (size_t j = 0; j < b.n; j++) {
            size_t best = diagonal + (a.p[i] != b.p[j]);

            diagonal = row[j + 1];
            if (row[j] + 1 < best)
                best = row[j] + 1;
            if (diagonal + 1 < best)
                best = diagonal + 1;
            row[j + 1] = best;
        }
    }
    return row[b.n];
}

/* The field whose name differs least; NULL if more than a third of it would have to change. */
static const struct field *nearest_field(const struct object *object, struct str name)
{
    const struct field *nearest = NULL;
    size_t least = SIZE_MAX;

    for (size_t i = 0; i < object->n; i++) {
        struct str known = str_c(object->fields[i].name);
        size_t d = distance(name, known);

        if (d < least && d <= (known.n + 2) / 3 && d < known.n) {
            least = d;
            nearest = &object->fields[i];
        }
    }
    return nearest;
}

static int refuse_unknown(const struct object *object, const struct jval *v, struct err *err)
{
    for (const struct jiter *it = jiter_first(v); it != NULL; it = jiter_next(v, it)) {
        struct str name = jiter_key(it);
        const struct field *near;

        if (object_field(object, name) != NULL)
            continue;
        near = nearest_field(object, name);
        if (near != NULL)
            (void)err_tell(err, E_UNKNOWN_FIELD, "", "unknown member, did you mean '%s'",
                           near->name);
        else
            (void)err_tell(err, E_UNKNOWN_FIELD, "", "unknown member");
        return at_member(err, name);
    }
    return 0;
}

static int decode_object(const struct decoder *d, const struct object *object, const struct jval *v,
                         void *out, struct err *err)
{
    if (must_be(J_OBJECT, v, err) < 0)
        return err_ret(err);
    if (object->world == CLOSED && refuse_unknown(object, v, err) < 0)
        return err_ret(err);
    for (size_t i = 0; i < object->n; i++) {
        const struct field *f = &object->fields[i];
        const struct jval *member = jval_get(v, f->name);
        int rc = 0;

        if (member == NULL && (f->flags & F_REQUIRED))
            rc = missing(f, err);
        else if (jtype_of(member) != J_NULL || (f->flags & F_REQUIRED))
            rc = decoders[f->type].decode(d, f, member, (char *)out + f->offset, err);
        if (rc < 0)
            return at_member(err, str_c(f->name));
    }
    return 0;
}

int object_decode(const struct object *object, const struct jval *value, struct arena *arena,
                  void *out, struct err *err)
{
    struct decoder d = {.arena = arena};

    return decode_object(&d, object, value, out, err);
}

int object_parse(const struct object *object, struct str text, const struct jlimits *limits,
                 struct arena *arena, void *out, struct err *err)
{
    struct decoder d = {.arena = arena, .copy = true};
    AUTO(jdoc_free) struct jdoc *doc = NULL;

    if (jdoc_parse(text, limits, &doc, err) < 0)
        return err_ret(err);
    return decode_object(&d, object, jdoc_root(doc), out, err);
}
