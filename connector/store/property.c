/*
 * connector/store/property.c - rows of entity_property
 */
#include "connector/store/property.h"

#include "lib/base/limits.h"
#include "lib/jdoc/jdoc.h"
#include "lib/ld/ld.h"
#include "sql_connector.h"

#include "lib/base/banned.h"

struct put {
    struct db *tx;
    struct str entity, id;
    size_t n;
};

bool property_is_secret(struct str key)
{
    static const char *const secrets[] = {"authCode",        "authorization", "password",
                                          "secretAccessKey", "sessionToken",  "token"};

    for (size_t i = 0; i < ARRAY_LEN(secrets); i++) {
        if (str_eq_nocase(key, str_c(secrets[i])))
            return true;
    }
    return str_starts(key, STR("header:"));
}

/* A scalar, or what expanded JSON-LD makes of one; false for anything else. */
static bool scalar(const struct jval *value, struct buf *out)
{
    if (jtype_of(value) == J_OBJECT)
        value = ld_value_of(value) != NULL ? ld_value_of(value) : jval_get(value, "@id");
    switch (jtype_of(value)) {
    case J_STR: buf_add_str(out, jval_str(value)); return true;
    case J_INT:
    case J_REAL:
    case J_BOOL: jval_write(out, value); return true;
    case J_NULL:
    case J_ARRAY:
    case J_OBJECT: return false;
    }
    return false;
}

static int put_value(struct put *put, struct str name, const struct jval *value, struct err *err)
{
    AUTO(buf_done) struct buf text = buf_init(LIMIT_JSON_BYTES);

    if (value == NULL || !scalar(value, &text))
        return 0;
    if (++put->n > PROPERTY_ROWS_MAX)
        return err_tell(err, E_LIMIT, "", "more than %d properties", PROPERTY_ROWS_MAX);
    return db_exec(
        put->tx, &q_entity_property_insert,
        DB_ARGS(DB_TEXT(put->entity), DB_TEXT(put->id), DB_TEXT(name), DB_TEXT(buf_str(&text))),
        NULL, err);
}

static int put_object(struct put *put, const char *prefix, const struct jval *object,
                      struct err *err)
{
    for (const struct jiter *it = jiter_first(object); it != NULL; it = jiter_next(object, it)) {
        const struct str key = jiter_key(it);
        const struct jval *value = jiter_value(it);
        const bool list = jtype_of(value) == J_ARRAY;
        AUTO(buf_done) struct buf name = buf_init(LIMIT_JSON_BYTES);

        if (key.n == 0 || key.p[0] == '@' || property_is_secret(key))
            continue;
        buf_add_c(&name, prefix);
        buf_add_str(&name, key);
        for (size_t i = 0; i < (list ? jval_len(value) : 1); i++) {
            if (put_value(put, buf_str(&name), list ? jval_at(value, i) : value, err) < 0)
                return err_ret(err);
        }
    }
    return 0;
}

int property_put(struct db *tx, enum entity_kind kind, struct str id, const char *prefix,
                 struct str json, struct err *err)
{
    AUTO(jdoc_free) struct jdoc *doc = NULL;
    struct put put = {.tx = tx, .entity = str_c(entity_name(kind)), .id = id};
    const struct jval *root;

    if (json.n == 0 || str_eq(json, STR("{}")))
        return 0;
    if (jdoc_parse(json, &jlimits_default, &doc, err) < 0)
        return err_prefix(err, "%s", prefix);
    root = jdoc_root(doc);
    if (jtype_of(root) != J_ARRAY)
        return put_object(&put, prefix, root, err);
    for (size_t i = 0; i < jval_len(root); i++) {
        if (put_object(&put, prefix, jval_at(root, i), err) < 0)
            return err_ret(err);
    }
    return 0;
}

int property_clear(struct db *tx, enum entity_kind kind, struct str id, struct err *err)
{
    return db_exec(tx, &q_entity_property_clear,
                   DB_ARGS(DB_TEXT(str_c(entity_name(kind))), DB_TEXT(id)), NULL, err);
}
