/*
 * connector/mgmt/form.c - expanded JSON-LD to structs, by tables
 */
#include "connector/mgmt/form.h"

#include "lib/base/buf.h"
#include "lib/base/limits.h"

#include "lib/base/banned.h"

#define NUMBER_BYTES 64

int form_missing(struct err *err, const char *what, const char *iri)
{
    char at[160];

    (void)snprintf(at, sizeof(at), "/%s", iri);
    return err_tell(err, E_INVALID, at, "mandatory %s '%s' is missing", what, iri);
}

int form_at(struct err *err, const char *iri)
{
    char prefix[160];

    (void)snprintf(prefix, sizeof(prefix), "/%s", iri);
    return err_at_prefix(err, prefix);
}

static int wrong(struct err *err, const struct form_row *row, const char *expected)
{
    char at[160];

    (void)snprintf(at, sizeof(at), "/%s", row->iri);
    return err_tell(err, E_INVALID, at, "'%s' must be %s", row->iri, expected);
}

struct str form_scalar(const struct jval *value, struct arena *arena)
{
    const struct jval *inner = ld_value_of(value);
    AUTO(buf_done) struct buf text = buf_init(NUMBER_BYTES);

    if (inner == NULL)
        return arena_str(arena, ld_id(value));
    switch (jtype_of(inner)) {
    case J_STR: return arena_str(arena, jval_str(inner));
    case J_INT:
    case J_REAL:
    case J_BOOL: jval_write(&text, inner); return arena_str(arena, buf_str(&text));
    case J_NULL:
    case J_ARRAY:
    case J_OBJECT: return STR_NONE;
    }
    return STR_NONE;
}

static int decode_text(const struct form_row *row, const struct jval *value, struct arena *arena,
                       struct str *out, struct err *err)
{
    const struct str text = form_scalar(value, arena);

    if (!str_present(text))
        return arena_failed(arena) ? err_set(err, E_LIMIT, "", "memory of the request")
                                   : wrong(err, row, "a value");
    if (row->required && str_trim(text).n == 0) {
        char at[160];

        (void)snprintf(at, sizeof(at), "/%s", row->iri);
        return err_tell(err, E_INVALID, at, "mandatory value '%s' is blank", row->iri);
    }
    *out = text;
    return 0;
}

static int decode_flag(const struct form_row *row, struct str text, bool *out, struct err *err)
{
    *out = str_eq_nocase(text, STR("true"));
    return *out || str_eq_nocase(text, STR("false")) ? 0 : wrong(err, row, "a boolean");
}

static int decode_row(const struct form_row *row, const struct jval *node, struct arena *arena,
                      void *out, struct err *err)
{
    const struct jval *values = ld_values(node, row->iri);
    const struct jval *first = jval_at(values, 0);
    void *member = (char *)out + row->offset;

    if (first == NULL) {
        static const char *const what[] = {
            [FORM_TEXT] = "value",  [FORM_FLAG] = "value", [FORM_I64] = "value",
            [FORM_NODE] = "object", [FORM_LIST] = "array", [FORM_ID] = "value"};

        if (values != NULL && row->kind == FORM_LIST)
            *(const struct jval **)member = values;
        else if (row->required)
            return form_missing(err, what[row->kind], row->iri);
        return 0;
    }
    switch (row->kind) {
    case FORM_ID: return 0;
    case FORM_TEXT: return decode_text(row, first, arena, member, err);
    case FORM_FLAG: return decode_flag(row, form_scalar(first, arena), member, err);
    case FORM_I64:
        return str_to_i64(form_scalar(first, arena), member) ? 0 : wrong(err, row, "an integer");
    case FORM_NODE:
        if (ld_value_of(first) != NULL)
            return wrong(err, row, "an object");
        *(const struct jval **)member = first;
        return 0;
    case FORM_LIST: *(const struct jval **)member = values; return 0;
    }
    return 0;
}

static int decode_id(const struct form_row *row, const struct jval *node, struct arena *arena,
                     void *out, struct err *err)
{
    const struct str id = ld_id(node);

    if (!str_present(id))
        return row->required ? form_missing(err, "value", "@id") : 0;
    if (str_trim(id).n == 0)
        return err_tell(err, E_INVALID, "/@id", "'@id' cannot be blank");
    if (id.n > LIMIT_ID)
        return err_tell(err, E_LIMIT, "/@id", "'@id' is longer than %d bytes", LIMIT_ID);
    *(struct str *)(void *)((char *)out + row->offset) = arena_str(arena, id);
    return 0;
}

int form_decode(const struct form *form, const struct jval *node, struct arena *arena, void *out,
                struct err *err)
{
    for (size_t i = 0; i < form->n; i++) {
        const struct form_row *row = &form->rows[i];
        const int failed = row->kind == FORM_ID ? decode_id(row, node, arena, out, err)
                                                : decode_row(row, node, arena, out, err);

        if (failed < 0)
            return err_ret(err);
    }
    return arena_failed(arena) ? err_set(err, E_LIMIT, "", "memory of the request") : 0;
}
