/*
 * connector/mgmt/request.c - bodies: expansion, and the texts that columns hold
 */
#include "connector/mgmt/mgmt_private.h"
#include "connector/store/policies.h"
#include "policy/policy.h"

#include "lib/base/banned.h"

#define TEXT_MAX MIB(1)

/* What ld says of a document is about the caller's words: tell it. */
static int tell(struct err *err)
{
    const struct err cause = *err;

    return cause.detail[0] != '\0' ? err_ret(err)
                                   : err_tell(err, cause.code, cause.at, "%s", cause.text);
}

int mgmt__expand(struct rq *rq, const struct v4_type *type, bool optional, struct jdoc **ret_doc,
                 const struct jval **ret_node, struct err *err)
{
    const struct app *app = rq->app;
    const bool v4 = mgmt__is_v4(rq);
    AUTO(jdoc_free) struct jdoc *doc = NULL;
    struct ld_options options = {.strict = LD_UNKNOWN_PREFIX};
    const struct jval *root = NULL;

    *ret_node = NULL;
    if (optional && str_trim(rq->body).n == 0)
        return 0;
    if (rq_json(rq, &jlimits_default, &root, err) < 0)
        return err_ret(err);
    if (jtype_of(root) != J_OBJECT)
        return err_tell(err, E_INVALID, "", "expected a JSON object");
    if (v4 && type != NULL && v4_check(type, root, err) < 0)
        return err_ret(err);
    if (v4)
        options.context = app->mgmt->v4_more;
    else
        options.vocab = STR(LD_EDC);
    if (v4 && jval_get(root, "policy") != NULL) { /* what is dropped in silence cannot restrict */
        options.strict |= LD_UNDEFINED_TERM;
        options.strict_below = STR("/policy");
    }
    if (ld_expand(app->mgmt->ld, root, &options, &doc, err) < 0)
        return tell(err);
    *ret_node = ld_root(doc);
    *ret_doc = MOVE(doc);
    return 0;
}

struct str mgmt__id_or_new(struct rq *rq, struct str id)
{
    return str_present(id) ? id : arena_str(rq->arena, str_c(uuid_format(uuid_new(rq->env)).c));
}

static int finish(const struct buf *buf, struct arena *arena, struct str *ret_text, struct err *err)
{
    *ret_text = arena_str(arena, buf_str(buf));
    return buf_failed(buf) || arena_failed(arena)
               ? err_tell(err, E_LIMIT, "", "the request is too large")
               : 0;
}

static bool is_keyword(struct str key)
{
    return key.n > 0 && key.p[0] == '@';
}

int mgmt__properties(const struct jval *node, struct arena *arena, struct str *ret_text,
                     struct err *err)
{
    AUTO(buf_done) struct buf out = buf_init(TEXT_MAX);
    struct jw w = jw_init(&out);

    jw_object(&w);
    for (const struct jiter *it = jiter_first(node); it != NULL; it = jiter_next(node, it)) {
        if (is_keyword(jiter_key(it)) || str_eq(jiter_key(it), STR(LD_EDC "id")))
            continue;
        jw_key_str(&w, jiter_key(it));
        jw_val(&w, jiter_value(it));
    }
    jw_object_end(&w);
    return finish(&out, arena, ret_text, err);
}

/* -- data addresses ---------------------------------------------------------------------------- */

static struct str local_name(struct str iri)
{
    return str_starts(iri, STR(LD_EDC)) ? str_from(iri, sizeof(LD_EDC) - 1) : iri;
}

/* Members of the address itself, then those of a nested "properties" (v4). */
static void write_address(struct jw *w, const struct jval *node, struct arena *arena)
{
    for (const struct jiter *it = jiter_first(node); it != NULL; it = jiter_next(node, it)) {
        const struct str key = local_name(jiter_key(it));
        const struct jval *first = jval_at(jiter_value(it), 0);
        const struct str text = form_scalar(first, arena);

        if (is_keyword(key))
            continue;
        if (str_present(text)) {
            jw_key_str(w, key);
            jw_str(w, text);
        } else if (str_eq(key, STR("properties"))) {
            for (const struct jiter *p = jiter_first(first); p != NULL; p = jiter_next(first, p)) {
                const struct str value = form_scalar(jval_at(jiter_value(p), 0), arena);

                if (is_keyword(jiter_key(p)) || !str_present(value))
                    continue;
                jw_key_str(w, local_name(jiter_key(p)));
                jw_str(w, value);
            }
        }
    }
}

struct address {
    struct str type;
    const struct jval *properties;
};
/* clang-format off */
static const struct form_row address_rows[] = {
    FORM_ROW(struct address, type,       LD_EDC "type",       FORM_TEXT, false),
    FORM_ROW(struct address, properties, LD_EDC "properties", FORM_NODE, false),
};
FORM(address_form, address_rows);

/* clang-format on */

int mgmt__data_address(const struct jval *node, struct arena *arena, struct str *ret_text,
                       struct err *err)
{
    AUTO(buf_done) struct buf out = buf_init(TEXT_MAX);
    struct address address = {0};
    struct jw w = jw_init(&out);

    if (node != NULL) {
        if (form_decode(&address_form, node, arena, &address, err) < 0)
            return err_ret(err);
        if (address.type.n == 0 && ld_text(address.properties, LD_EDC "type").n == 0)
            return form_missing(err, "value", LD_EDC "type");
    }
    jw_object(&w);
    write_address(&w, node, arena);
    jw_object_end(&w);
    return finish(&out, arena, ret_text, err);
}

/* -- callback addresses ------------------------------------------------------------------------ */

struct callback {
    struct str uri, auth_key, auth_code_id;
    bool transactional;
    const struct jval *events;
};
/* clang-format off */
static const struct form_row callback_rows[] = {
    FORM_ROW(struct callback, uri,           LD_EDC "uri",           FORM_TEXT, true),
    FORM_ROW(struct callback, auth_key,      LD_EDC "authKey",       FORM_TEXT, false),
    FORM_ROW(struct callback, auth_code_id,  LD_EDC "authCodeId",    FORM_TEXT, false),
    FORM_ROW(struct callback, transactional, LD_EDC "transactional", FORM_FLAG, false),
    FORM_ROW(struct callback, events,        LD_EDC "events",        FORM_LIST, true),
};
FORM(callback_form, callback_rows);

/* clang-format on */

/* Errors of a member, told with its place. */
static int wrong_callback(struct err *err, size_t i)
{
    const struct err cause = *err;
    char at[160];

    (void)snprintf(at, sizeof(at), "/" LD_EDC "callbackAddresses/%zu/" LD_EDC "%.40s", i, cause.at);
    return err_tell(err, cause.code, at, "callbackAddresses[%zu].%s", i, cause.detail);
}

static int read_events(const struct jval *values, struct arena *arena, struct str_list *ret,
                       struct err *err)
{
    ret->n =
        jval_len(values) <= LIMIT_CALLBACK_EVENTS ? jval_len(values) : LIMIT_CALLBACK_EVENTS + 1;
    ret->items = ARENA_ARRAY(arena, struct str, ret->n);
    if (ret->n > 0 && ret->items == NULL)
        return err_set(err, E_LIMIT, "", "memory of the request");
    for (size_t i = 0; i < ret->n; i++) {
        ret->items[i] = form_scalar(jval_at(values, i), arena);
        if (!str_present(ret->items[i]))
            return err_tell(err, E_INVALID, "events", "events: expected texts");
    }
    return 0;
}

static int write_callback(struct rq *rq, struct jw *w, const struct jval *node, size_t i,
                          struct err *err)
{
    struct callback callback = {0};
    struct str_list events = {0};

    if (form_decode(&callback_form, node, rq->arena, &callback, err) < 0)
        return form_at(err, LD_EDC "callbackAddresses");
    if (read_events(callback.events, rq->arena, &events, err) < 0 ||
        events_callback_check(rq->app, callback.uri, &events, callback.auth_key,
                              callback.auth_code_id, err) < 0)
        return wrong_callback(err, i);
    jw_object(w);
    jw_kstr(w, "uri", callback.uri);
    jw_kbool(w, "transactional", callback.transactional);
    jw_key(w, "events");
    jw_array(w);
    for (size_t k = 0; k < events.n; k++)
        jw_str(w, events.items[k]);
    jw_array_end(w);
    mgmt__optional(w, "authKey", callback.auth_key);
    mgmt__optional(w, "authCodeId", callback.auth_code_id);
    jw_object_end(w);
    return 0;
}

int mgmt__callbacks(struct rq *rq, const struct jval *nodes, struct str *ret_text, struct err *err)
{
    AUTO(buf_done) struct buf out = buf_init(KIB(256));
    struct jw w = jw_init(&out);

    *ret_text = STR_NONE;
    if (jval_len(nodes) == 0)
        return 0;
    if (jval_len(nodes) > LIMIT_CALLBACKS)
        return err_tell(err, E_LIMIT, "/" LD_EDC "callbackAddresses",
                        "callbackAddresses: at most %d", LIMIT_CALLBACKS);
    jw_array(&w);
    for (size_t i = 0; i < jval_len(nodes); i++) {
        if (write_callback(rq, &w, jval_at(nodes, i), i, err) < 0)
            return err_ret(err);
    }
    jw_array_end(&w);
    return finish(&out, rq->arena, ret_text, err);
}

/* -- policies ---------------------------------------------------------------------------------- */

/* A JSON pointer into an expanded document as the path of its IRIs. */
static void iri_path(const char *pointer, struct buf *out)
{
    struct str rest = str_from(str_c(pointer), 1);

    while (str_present(rest)) {
        const struct str token = str_cut(&rest, '/');
        int64_t index;

        if (token.n == 0 || str_to_i64(token, &index))
            continue;
        buf_add_char(out, '/');
        for (size_t i = 0; i < token.n; i++) {
            if (token.p[i] == '~' && i + 1 < token.n)
                buf_add_char(out, token.p[++i] == '1' ? '/' : '~');
            else
                buf_add_char(out, token.p[i]);
        }
    }
}

int mgmt__compile(const struct app *app, const struct jval *node, struct policy **ret_policy,
                  struct err *err)
{
    return policies_of(app->policies, node, ret_policy, err) == 0 ? 0 : mgmt__policy_place(err);
}

int mgmt__policy_place(struct err *err)
{
    AUTO(buf_done) struct buf path = buf_init(KIB(1));
    const struct err cause = *err;

    if (cause.detail[0] == '\0')
        return err_ret(err);
    iri_path(cause.at, &path);
    buf_add_char(&path, '\0');
    IGNORE(err_tell(err, cause.code, buf_failed(&path) ? "" : buf_str(&path).p, "%s", cause.detail),
           "it is the cause with another place");
    return form_at(err, LD_EDC "policy");
}
