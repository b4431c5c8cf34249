/*
 * Trees that the algorithms build, in the memory of a run. Objects keep the order of insertion; from 16 members on they
 * have a hash index, so that a stranger cannot make them slow.
 */
#include "lib/ld/ld_private.h"

#include "lib/jdoc/jbuild.h"

#include "lib/base/banned.h"

enum { INDEX_FROM = 16 };

struct val *val_new(struct run *run, enum jtype type)
{
    struct val *v = ARENA_NEW(run->arena, struct val);

    if (v != NULL)
        v->type = type;
    return v;
}

struct val *val_object(struct run *run, size_t members)
{
    struct val *v = val_new(run, J_OBJECT);

    if (v == NULL || members == 0)
        return v;
    v->member = ARENA_ARRAY(run->arena, struct member, members);
    v->cap = v->member != NULL ? (uint32_t)members : 0;
    return v;
}

struct val *val_string(struct run *run, struct str s)
{
    struct val *v = val_new(run, J_STR);

    if (v != NULL)
        v->s = s;
    return v;
}

struct val *val_scalar(struct run *run, const struct jval *json)
{
    struct val *v = val_new(run, jtype_of(json));

    if (v == NULL)
        return NULL;
    switch (v->type) {
    case J_BOOL: v->b = jval_bool(json); break;
    case J_INT: (void)jval_i64(json, &v->i); break;
    case J_REAL: v->json = json; break;
    case J_STR: v->s = jval_str(json); break;
    case J_NULL:
    case J_ARRAY:
    case J_OBJECT: break;
    }
    return v;
}

struct val *val_json(struct run *run, const struct jval *json)
{
    struct val *v = val_new(run, jtype_of(json));

    if (v != NULL)
        v->json = json;
    return v;
}

void val_push(struct run *run, struct val *array, struct val *item)
{
    if (array == NULL || item == NULL)
        return;
    if (array->n == array->cap) {
        uint32_t cap = array->cap > 0 ? 4 * array->cap : 1; /* most have one item */
        struct val **bigger = ARENA_ARRAY(run->arena, struct val *, cap);

        if (bigger == NULL)
            return;
        if (array->n > 0)
            memcpy(bigger, array->item, array->n * sizeof(struct val *));
        array->item = bigger;
        array->cap = cap;
    }
    array->item[array->n++] = item;
}

void val_push_all(struct run *run, struct val *array, struct val *items)
{
    if (!val_is_array(items)) {
        val_push(run, array, items);
        return;
    }
    for (uint32_t i = 0; i < items->n; i++)
        val_push(run, array, items->item[i]);
}

/* Position of the key in the index: that of the member, or the free one. */
static uint32_t index_at(const struct val *object, struct str key)
{
    uint32_t i = key_hash(key) & object->mask;

    while (object->index[i] != 0 && !str_eq(object->member[object->index[i] - 1].key, key))
        i = (i + 1) & object->mask;
    return i;
}

static void index_build(struct run *run, struct val *object)
{
    uint32_t size = 2 * INDEX_FROM;

    while (size < 4 * object->n)
        size *= 2;
    object->index = ARENA_ARRAY(run->arena, uint32_t, size);
    if (object->index == NULL)
        return;
    object->mask = size - 1;
    for (uint32_t i = 0; i < object->n; i++)
        object->index[index_at(object, object->member[i].key)] = i + 1;
}

static struct member *find_member(const struct val *object, struct str key)
{
    if (!val_is_object(object))
        return NULL;
    if (object->index != NULL) {
        uint32_t at = object->index[index_at(object, key)];

        return at > 0 ? &object->member[at - 1] : NULL;
    }
    for (uint32_t i = 0; i < object->n; i++)
        if (str_eq(object->member[i].key, key))
            return &object->member[i];
    return NULL;
}

struct val *val_get(const struct val *object, struct str key)
{
    const struct member *m = find_member(object, key);

    return m != NULL ? m->value : NULL;
}

struct val *val_kw(const struct val *object, enum kw key)
{
    return val_get(object, kw_str(key));
}

void val_set(struct run *run, struct val *object, struct str key, struct val *value)
{
    if (object == NULL || value == NULL)
        return;
    struct member *m = find_member(object, key);

    if (m != NULL) {
        m->value = value;
        return;
    }
    if (object->n == object->cap) {
        uint32_t cap = object->cap > 0 ? 2 * object->cap : 4;
        struct member *bigger = ARENA_ARRAY(run->arena, struct member, cap);

        if (bigger == NULL)
            return;
        if (object->n > 0)
            memcpy(bigger, object->member, object->n * sizeof(struct member));
        object->member = bigger;
        object->cap = cap;
    }
    object->member[object->n++] = (struct member){key, value};
    if (object->index != NULL && 2 * object->n <= object->mask)
        object->index[index_at(object, key)] = object->n;
    else if (object->n >= INDEX_FROM)
        index_build(run, object);
}

void val_set_kw(struct run *run, struct val *object, enum kw key, struct val *value)
{
    val_set(run, object, kw_str(key), value);
}

void val_remove(struct run *run, struct val *object, struct str key)
{
    struct member *m = find_member(object, key);

    if (m == NULL)
        return;
    size_t at = (size_t)(m - object->member);

    memmove(m, m + 1, (object->n - at - 1) * sizeof(*m));
    object->n--;
    object->index = NULL;
    if (object->n >= INDEX_FROM)
        index_build(run, object);
}

void val_add(struct run *run, struct val *object, struct str key, struct val *value, bool as_array)
{
    struct member *m = find_member(object, key);

    if (m == NULL) {
        if (as_array && !val_is_array(value)) {
            struct val *array = val_new(run, J_ARRAY);

            val_push(run, array, value);
            value = array;
        } else if (val_is_array(value)) {
            /* a copy: the caller's array must not grow with ours */
            struct val *array = val_new(run, J_ARRAY);

            val_push_all(run, array, value);
            value = !as_array && value->n == 1 ? value->item[0] : array;
        }
        val_set(run, object, key, value);
        return;
    }
    if (val_is_array(value) && value->n == 0)
        return;
    if (!val_is_array(m->value)) {
        struct val *array = val_new(run, J_ARRAY);

        val_push(run, array, m->value);
        m->value = array;
    }
    val_push_all(run, m->value, value);
}

struct val *val_as_array(struct run *run, struct val *v)
{
    if (v == NULL || val_is_array(v))
        return v;
    struct val *array = val_new(run, J_ARRAY);

    val_push(run, array, v);
    return array;
}

bool val_is_list(const struct val *v)
{
    return val_kw(v, KW_LIST) != NULL;
}

bool val_is_value(const struct val *v)
{
    return val_kw(v, KW_VALUE) != NULL;
}

bool val_is_graph(const struct val *v)
{
    if (val_kw(v, KW_GRAPH) == NULL)
        return false;
    for (uint32_t i = 0; i < v->n; i++) {
        enum kw kw = kw_of(v->member[i].key);

        if (kw != KW_GRAPH && kw != KW_ID && kw != KW_INDEX)
            return false;
    }
    return true;
}

bool val_is_simple_graph(const struct val *v)
{
    return val_is_graph(v) && val_kw(v, KW_ID) == NULL;
}

static void build(struct jbuild *b, const struct val *v)
{
    if (v->json != NULL) {
        jbuild_val(b, v->json);
        return;
    }
    switch (v->type) {
    case J_NULL: jbuild_null(b); break;
    case J_BOOL: jbuild_bool(b, v->b); break;
    case J_INT: jbuild_i64(b, v->i); break;
    case J_REAL: break; /* has json */
    case J_STR: jbuild_str(b, v->s); break;
    case J_ARRAY:
        jbuild_array(b);
        for (uint32_t i = 0; i < v->n; i++)
            build(b, v->item[i]);
        jbuild_end(b);
        break;
    case J_OBJECT:
        jbuild_object(b);
        for (uint32_t i = 0; i < v->n; i++) {
            jbuild_key(b, v->member[i].key);
            build(b, v->member[i].value);
        }
        jbuild_end(b);
        break;
    }
}

void val_write(struct buf *out, const struct val *v)
{
    if (v->json != NULL) {
        jval_write(out, v->json);
        return;
    }
    switch (v->type) {
    case J_NULL:
    case J_REAL: buf_add(out, "null", 4); break; /* a real has json */
    case J_BOOL: buf_add_c(out, v->b ? "true" : "false"); break;
    case J_INT: buf_add_i64(out, v->i); break;
    case J_STR: json_quote(out, v->s); break;
    case J_ARRAY:
        buf_add_char(out, '[');
        for (uint32_t i = 0; i < v->n; i++) {
            if (i > 0)
                buf_add_char(out, ',');
            val_write(out, v->item[i]);
        }
        buf_add_char(out, ']');
        break;
    case J_OBJECT:
        buf_add_char(out, '{');
        for (uint32_t i = 0; i < v->n; i++) {
            if (i > 0)
                buf_add_char(out, ',');
            json_quote(out, v->member[i].key);
            buf_add_char(out, ':');
            val_write(out, v->member[i].value);
        }
        buf_add_char(out, '}');
        break;
    }
}

int val_document(struct run *run, const struct val *v, struct jdoc **ret_doc)
{
    AUTO(jbuild_free) struct jbuild *b = jbuild_new();

    if (b == NULL)
        return err_set(run->err, E_NO_MEMORY, "", "json-ld document");
    build(b, v);
    return jbuild_take(&b, ret_doc, run->err);
}
