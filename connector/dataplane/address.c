/*
 * connector/dataplane/address.c - the drivers, and data addresses
 */
#include "connector/dataplane/dataplane_private.h"
#include "lib/base/limits.h"

#include "lib/base/banned.h"

#define FORMAT_PULL "HttpData-PULL"

static const struct source_ops *const sources[] = {&source_file, &source_http, &source_sql};

const struct source_ops *dataplane__source(const struct jval *address)
{
    const struct str type = dataplane__member(address, "type");

    for (size_t i = 0; i < ARRAY_LEN(sources); i++) {
        if (str_eq_c(type, sources[i]->type))
            return sources[i];
    }
    return NULL;
}

struct str dataplane__member(const struct jval *address, const char *name)
{
    return jval_str(jval_get(address, name));
}

bool dataplane__flag(const struct jval *address, const char *name)
{
    const struct jval *v = jval_get(address, name);

    return jval_bool(v) || str_eq(jval_str(v), STR("true"));
}

int dataplane_check_address(struct app *app, struct str data_address, struct str format,
                            struct err *err)
{
    AUTO(jdoc_free) struct jdoc *doc = NULL;
    const struct source_ops *ops;

    if (data_address.n > ADDRESS_MAX)
        return err_tell(err, E_LIMIT, "", "the data address is longer than %zu bytes", ADDRESS_MAX);
    if (jdoc_parse(data_address, &jlimits_default, &doc, err) < 0)
        return err_ret(err);
    if (jtype_of(jdoc_root(doc)) != J_OBJECT)
        return err_tell(err, E_INVALID, "", "a data address is an object");
    ops = dataplane__source(jdoc_root(doc));
    if (ops == NULL)
        return err_tell(err, E_INVALID, "/type",
                        "expected one of 'File', 'HttpData', 'SqlQuery', not '%.*s'",
                        STR_ARG(dataplane__member(jdoc_root(doc), "type")));
    if (!str_eq(format, STR(FORMAT_PULL)))
        return err_tell(err, E_INVALID, "", "format '%.*s' is not served, only '" FORMAT_PULL "'",
                        STR_ARG(format));
    return ops->check(app, jdoc_root(doc), err);
}

struct str_list dataplane_formats(struct str data_address)
{
    static const struct str pull = STR_INIT(FORMAT_PULL);
    AUTO(jdoc_free) struct jdoc *doc = NULL;
    struct err ignored = {0};

    if (data_address.n > ADDRESS_MAX ||
        jdoc_parse(data_address, &jlimits_default, &doc, &ignored) < 0 ||
        dataplane__source(jdoc_root(doc)) == NULL)
        return (struct str_list){0};
    /* the list is read-only for its users; the type has no const form */
    return (struct str_list){(struct str *)(uintptr_t)&pull, 1};
}

int dataplane_abilities(struct arena *arena, struct str_list *ret_sources,
                        struct str_list *ret_formats, struct err *err)
{
    AUTO(buf_done) struct buf address = buf_init(KIB(1));

    ret_sources->items = ARENA_ARRAY(arena, struct str, ARRAY_LEN(sources));
    if (ret_sources->items == NULL)
        return err_set(err, E_NO_MEMORY, "", "data plane");
    ret_sources->n = 0;
    ret_formats->n = 0;
    for (size_t i = 0; i < ARRAY_LEN(sources); i++) {
        struct str_list formats;

        ret_sources->items[ret_sources->n++] = str_c(sources[i]->type);
        buf_reset(&address);
        buf_printf(&address, "{\"type\":\"%s\"}", sources[i]->type);
        formats = dataplane_formats(buf_str(&address));
        if (formats.n > ret_formats->n)
            *ret_formats = formats; /* every source is served in the formats of the first ones */
    }
    return 0;
}
