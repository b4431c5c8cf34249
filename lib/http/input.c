/*
 * lib/http/input.c - what a handler reads from its request
 */
#include <inttypes.h>
#include <strings.h>

#include "lib/base/check.h"
#include "lib/base/encode.h"
#include "lib/http/http_private.h"
#include "lib/jdoc/jdoc.h"

#include "lib/base/banned.h"

struct str rq_header(const struct rq *rq, const char *name)
{
    const char *value = NULL;
    size_t n = 0;

    if (MHD_lookup_connection_value_n(rq->priv->con, MHD_HEADER_KIND, name, strlen(name), &value,
                                      &n) != MHD_YES)
        return STR_NONE;
    return value != NULL ? str_trim(str_n(value, n)) : STR("");
}

struct str rq_param(const struct rq *rq, const char *name)
{
    struct str path = str_c(rq->route->path);
    unsigned index = 0;

    while (str_present(path)) {
        struct str segment = str_cut(&path, '/');

        if (segment.n < 2 || segment.p[0] != '{')
            continue;
        if (str_eq_c(str_n(segment.p + 1, segment.n - 2), name)) {
            CHECK(index < rq->priv->n_params);
            return rq->priv->params[index];
        }
        index++;
    }
    CHECK_UNREACHABLE();
}

/* application/x-www-form-urlencoded; text that is not well-formed is returned as it stands. */
static struct str decode_form(const struct rq *rq, struct str raw)
{
    AUTO(buf_done) struct buf out = buf_init(raw.n);
    struct str copy;

    if (raw.n == 0 || (memchr(raw.p, '%', raw.n) == NULL && memchr(raw.p, '+', raw.n) == NULL))
        return raw;
    copy = arena_str(rq->arena, raw);
    if (!str_present(copy))
        return raw;
    for (size_t i = 0; i < copy.n; i++)
        if (copy.p[i] == '+')
            ((char *)(uintptr_t)copy.p)[i] = ' ';
    if (!decode_percent(&out, copy) || buf_failed(&out))
        return raw;
    copy = arena_str(rq->arena, buf_str(&out));
    return str_present(copy) ? copy : raw;
}

struct str rq_query(const struct rq *rq, const char *name)
{
    struct str rest = rq->query;

    while (str_present(rest)) {
        struct str value = str_cut(&rest, '&');
        struct str key = str_cut(&value, '=');

        if (str_eq_c(decode_form(rq, key), name))
            return str_present(value) ? decode_form(rq, value) : STR("");
    }
    return STR_NONE;
}

int rq_query_i64(const struct rq *rq, const char *name, int64_t dflt, int64_t min, int64_t max,
                 int64_t *ret_value, struct err *err)
{
    struct str text = rq_query(rq, name);
    int64_t value = dflt;
    char at[64];

    snprintf(at, sizeof(at), "?%s", name);
    if (str_present(text) && !str_to_i64(text, &value))
        return err_tell(err, E_INVALID, at, "'%s' is not an integer", name);
    if (str_present(text) && (value < min || value > max))
        return err_tell(err, E_INVALID, at, "'%s' must be between %" PRId64 " and %" PRId64, name,
                        min, max);
    *ret_value = value;
    return 0;
}

/* application/json, anything with the suffix +json, or nothing said; parameters do not matter. */
static bool is_json_type(struct str type)
{
    if (!str_present(type))
        return true;
    type = str_trim(str_cut(&type, ';'));
    if (type.n >= 5 && str_eq_nocase(str_from(type, type.n - 5), STR("+json")))
        return true;
    return type.n == 0 || str_eq_nocase(type, STR("application/json"));
}

int rq_json(struct rq *rq, const struct jlimits *limits, const struct jval **ret_root,
            struct err *err)
{
    struct rq_private *priv = rq->priv;

    if (!is_json_type(rq_header(rq, "Content-Type")))
        return err_tell(err, E_MEDIA_TYPE, "Content-Type", "expected application/json");
    if (str_trim(rq->body).n == 0)
        return err_tell(err, E_SYNTAX, "", "body is empty, expected JSON");
    if (priv->doc == NULL && jdoc_parse(rq->body, limits, &priv->doc, err) < 0)
        return err_ret(err);
    *ret_root = jdoc_root(priv->doc);
    return 0;
}

void rq_keep_doc(struct rq *rq, struct jdoc **doc)
{
    jdoc_free(&rq->priv->kept_doc);
    rq->priv->kept_doc = MOVE(*doc);
}

int rq_decode(struct rq *rq, const struct object *object, void *out, struct err *err)
{
    const struct jval *root;

    if (rq_json(rq, &jlimits_default, &root, err) < 0)
        return err_ret(err);
    return object_decode(object, root, rq->arena, out, err);
}

void rq_body_sink(struct rq *rq,
                  int (*sink)(struct rq *rq, const void *p, size_t n, struct err *err),
                  http_handler *done)
{
    rq->priv->sink = sink;
    rq->priv->done = done;
}
