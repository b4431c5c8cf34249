/*
 * From structs to JSON, driven by field tables. The canonical form differs in the order of members
 * and in the text of members that hold JSON themselves.
 */
#include "lib/codec/codec.h"

#include "lib/base/check.h"
#include "lib/base/encode.h"
#include "lib/base/limits.h"
#include "lib/base/timefmt.h"

#include "lib/base/banned.h"

enum { FIELDS_MAX = 64 };

struct encoder {
    struct jw *w;
    bool canonical;
};

typedef void encode_fn(const struct encoder *e, const struct field *f, const void *from);
typedef bool empty_fn(const void *from);

static void encode_object(const struct encoder *e, const struct object *object, const void *in);

/* -- values -- */

static void encode_str(const struct encoder *e, const struct field *f, const void *from)
{
    (void)f;
    jw_str(e->w, *(const struct str *)from);
}

static bool empty_str(const void *from)
{
    return ((const struct str *)from)->n == 0;
}

static void encode_i64(const struct encoder *e, const struct field *f, const void *from)
{
    int64_t value = *(const int64_t *)from;

    if (f->flags & F_TIME)
        jw_c(e->w, time_format(value).c);
    else
        jw_i64(e->w, value);
}

static bool empty_i64(const void *from)
{
    return *(const int64_t *)from == 0;
}

static void encode_bool(const struct encoder *e, const struct field *f, const void *from)
{
    (void)f;
    jw_bool(e->w, *(const bool *)from);
}

static bool empty_bool(const void *from)
{
    return !*(const bool *)from;
}

static void encode_uuid(const struct encoder *e, const struct field *f, const void *from)
{
    (void)f;
    jw_c(e->w, uuid_format(*(const struct uuid *)from).c);
}

static bool empty_uuid(const void *from)
{
    return uuid_is_zero(*(const struct uuid *)from);
}

static void encode_str_list(const struct encoder *e, const struct field *f, const void *from)
{
    const struct str_list *list = from;

    (void)f;
    jw_array(e->w);
    for (size_t i = 0; i < list->n; i++)
        jw_str(e->w, list->items[i]);
    jw_array_end(e->w);
}

static bool empty_str_list(const void *from)
{
    return ((const struct str_list *)from)->n == 0;
}

/* Failure is passed on to the buffer that the caller will ask. */
static void add_canonical(struct jw *w, const struct jval *v)
{
    AUTO(buf_done) struct buf text = buf_init(LIMIT_CATALOG_BYTES);

    jval_canonical(&text, v);
    if (buf_failed(&text)) {
        w->out->failed = true;
        jw_null(w);
        return;
    }
    jw_raw(w, buf_str(&text));
}

static void encode_jval(const struct encoder *e, const struct field *f, const void *from)
{
    const struct jval *v = *(const struct jval *const *)from;

    (void)f;
    if (e->canonical)
        add_canonical(e->w, v);
    else
        jw_val(e->w, v);
}

static bool empty_jval(const void *from)
{
    return *(const struct jval *const *)from == NULL;
}

static void encode_bytes(const struct encoder *e, const struct field *f, const void *from)
{
    const struct bytes *bytes = from;
    AUTO(buf_done) struct buf text = buf_init(LIMIT_CATALOG_BYTES);

    (void)f;
    if (bytes->p == NULL) {
        jw_null(e->w);
        return;
    }
    encode_base64url(&text, bytes->p, bytes->n);
    if (buf_failed(&text))
        e->w->out->failed = true;
    jw_str(e->w, buf_str(&text));
}

static bool empty_bytes(const void *from)
{
    return ((const struct bytes *)from)->n == 0;
}

static void encode_enum(const struct encoder *e, const struct field *f, const void *from)
{
    int value = *(const int *)from;

    CHECK(value >= 0);
    for (int i = 0; i <= value; i++)
        CHECK(f->names[i] != NULL);
    jw_c(e->w, f->names[value]);
}

static bool empty_enum(const void *from)
{
    return *(const int *)from == 0;
}

/* The member is a pointer to some struct. */
static const void *sub_of(const void *from)
{
    const void *sub;

    memcpy(&sub, from, sizeof(sub));
    return sub;
}

static void encode_sub(const struct encoder *e, const struct field *f, const void *from)
{
    const void *sub = sub_of(from);

    if (sub != NULL)
        encode_object(e, f->sub, sub);
    else
        jw_null(e->w);
}

static bool empty_sub(const void *from)
{
    return sub_of(from) == NULL;
}

static void encode_list(const struct encoder *e, const struct field *f, const void *from)
{
    const struct list *list = from;

    jw_array(e->w);
    for (size_t i = 0; i < list->n; i++)
        encode_object(e, f->sub, (const char *)list->items + i * f->sub->size);
    jw_array_end(e->w);
}

static bool empty_list(const void *from)
{
    return ((const struct list *)from)->n == 0;
}

/* The text may come from a database, so it is allowed to be wrong; the buffer then fails. */
static void add_raw_canonical(struct jw *w, struct str text)
{
    static const struct jlimits limits = {
        .bytes = LIMIT_CATALOG_BYTES, .depth = LIMIT_JSON_DEPTH, .nodes = UINT32_MAX};
    AUTO(jdoc_free) struct jdoc *doc = NULL;
    struct err err = {0};

    if (jdoc_parse(text, &limits, &doc, &err) < 0) {
        w->out->failed = true;
        jw_null(w);
        return;
    }
    add_canonical(w, jdoc_root(doc));
}

static void encode_raw(const struct encoder *e, const struct field *f, const void *from)
{
    struct str text = *(const struct str *)from;

    (void)f;
    if (text.n == 0)
        jw_null(e->w);
    else if (e->canonical)
        add_raw_canonical(e->w, text);
    else
        jw_raw(e->w, text);
}

static const struct {
    encode_fn *encode;
    empty_fn *empty;
} encoders[] = {
    [FT_STR] = {encode_str,      empty_str     },
    [FT_I64] = {encode_i64,      empty_i64     },
    [FT_BOOL] = {encode_bool,     empty_bool    },
    [FT_UUID] = {encode_uuid,     empty_uuid    },
    [FT_STR_LIST] = {encode_str_list, empty_str_list},
    [FT_JVAL] = {encode_jval,     empty_jval    },
    [FT_BYTES] = {encode_bytes,    empty_bytes   },
    [FT_ENUM] = {encode_enum,     empty_enum    },
    [FT_SUB] = {encode_sub,      empty_sub     },
    [FT_LIST] = {encode_list,     empty_list    },
    [FT_RAW] = {encode_raw,      empty_str     },
};

/* -- objects -- */

static void encode_field(const struct encoder *e, const struct field *f, const void *from)
{
    if (f->flags & F_SECRET)
        return;
    if ((f->flags & F_OMIT) && encoders[f->type].empty(from))
        return;
    jw_key(e->w, f->name);
    encoders[f->type].encode(e, f, from);
}

/* Insertion sort: tables are short. */
static void sort_fields(const struct object *object, const struct field **sorted)
{
    for (size_t i = 0; i < object->n; i++) {
        const struct field *f = &object->fields[i];
        size_t j = i;

        for (; j > 0 && jkey_cmp(str_c(sorted[j - 1]->name), str_c(f->name)) > 0; j--)
            sorted[j] = sorted[j - 1];
        sorted[j] = f;
    }
}

static void encode_object(const struct encoder *e, const struct object *object, const void *in)
{
    const struct field *sorted[FIELDS_MAX];

    if (e->canonical) {
        CHECK(object->n <= ARRAY_LEN(sorted));
        sort_fields(object, sorted);
    }
    jw_object(e->w);
    for (size_t i = 0; i < object->n; i++) {
        const struct field *f = e->canonical ? sorted[i] : &object->fields[i];

        encode_field(e, f, (const char *)in + f->offset);
    }
    jw_object_end(e->w);
}

void object_encode(const struct object *object, const void *in, struct jw *w)
{
    encode_object(&(struct encoder){.w = w}, object, in);
}

void object_canonical(const struct object *object, const void *in, struct buf *out)
{
    struct jw w = jw_init(out);

    encode_object(&(struct encoder){.w = &w, .canonical = true}, object, in);
}
