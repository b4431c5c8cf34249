/*
 * connector/mgmt/answer.c - what is kept, in the compact form that EDC's clients read
 *
 * Members of EDC are written by name; properties, policies and whatever else came as JSON-LD are
 * compacted in the context that the answer names. Each element of a list carries its own context,
 * as in EDC.
 */
#include "connector/mgmt/mgmt_private.h"
#include "lib/log/log.h"
#include "policy/policy.h"
#include "sql_connector.h"

#include "lib/base/banned.h"

#define MEMBERS      "\"@vocab\":\"" LD_EDC "\",\"edc\":\"" LD_EDC "\",\"odrl\":\"" LD_ODRL "\""
#define ANSWER_NODES 4000000 /* JSON values */
#define ROW_MEMORY   MIB(8)  /* of one entity while it is written */
#define PART_MAX     MIB(2)

void mgmt__context(struct jw *w)
{
    jw_kraw(w, "@context", STR("{" MEMBERS "}"));
    jw_object_end(w);
}

void mgmt__context_tx(struct jw *w)
{
    jw_kraw(w, "@context", STR("{" MEMBERS ",\"tx\":\"" MGMT_TX "\"}"));
    jw_object_end(w);
}

/* Objects of version 3 in the form of version 4, one by one: each carries its context. */
static int write_v4(const struct mgmt *mgmt, const struct jval *root, struct buf *out,
                    struct err *err)
{
    if (jtype_of(root) != J_ARRAY)
        return ld_compact_write(mgmt->ld, root, mgmt->v4, NULL, out, err);
    buf_add_char(out, '[');
    for (size_t i = 0; i < jval_len(root); i++) {
        if (i > 0)
            buf_add_char(out, ',');
        if (ld_compact_write(mgmt->ld, jval_at(root, i), mgmt->v4, NULL, out, err) < 0)
            return err_ret(err);
    }
    buf_add_char(out, ']');
    return buf_failed(out) ? err_tell(err, E_LIMIT, "", "the answer is too large: ask for less")
                           : 0;
}

int mgmt__reply(struct rq *rq, struct buf *body, struct err *err)
{
    static const struct jlimits limits = {ANSWER_MAX, LIMIT_JSON_DEPTH, ANSWER_NODES};
    const struct app *app = rq->app;
    AUTO(buf_done) struct buf v4 = buf_init(ANSWER_MAX);
    AUTO(jdoc_free) struct jdoc *doc = NULL;

    if (mgmt__is_v4(rq)) {
        if (jdoc_parse(buf_str(body), &limits, &doc, err) < 0 ||
            write_v4(app->mgmt, jdoc_root(doc), &v4, err) < 0)
            return err_prefix(err, "answer");
        body = &v4;
    }
    rq_reply_buf(rq, 200, "application/json", body);
    return 0;
}

int mgmt__reply_id(struct rq *rq, struct str id, int64_t created_us, struct err *err)
{
    AUTO(buf_done) struct buf body = buf_init(KIB(16));
    struct jw w = jw_init(&body);

    jw_object(&w);
    jw_kc(&w, "@type", "IdResponse");
    jw_kstr(&w, "@id", id);
    jw_ki64(&w, "createdAt", created_us / 1000);
    mgmt__context(&w);
    return mgmt__reply(rq, &body, err);
}

void mgmt__optional(struct jw *w, const char *key, struct str value)
{
    if (str_present(value))
        jw_kstr(w, key, value);
}

/* -- JSON-LD ----------------------------------------------------------------------------------- */

int mgmt__compact(struct mgmt *mgmt, struct jw *w, const char *key, struct str expanded,
                  struct err *err)
{
    AUTO(jdoc_free) struct jdoc *doc = NULL;
    AUTO(jdoc_free) struct jdoc *compacted = NULL;
    const struct ld_options options = {.no_context = true, .context = mgmt->odrl};

    if (jdoc_parse(expanded, &jlimits_default, &doc, err) < 0 ||
        ld_compact(mgmt->ld, jdoc_root(doc), mgmt->edc, &options, &compacted, err) < 0)
        return err_prefix(err, "member '%s'", key);
    jw_kval(w, key, jdoc_root(compacted));
    return 0;
}

/* EDC's clients expect the three kinds of rules, if only as empty lists; in version 4 a list of rules
 * is never empty. */
static void write_policy(const struct policy *policy, bool v4, struct str id, struct buf *out)
{
    static const char *const rules[] = {LD_ODRL "permission", LD_ODRL "prohibition",
                                        LD_ODRL "obligation"};
    AUTO(buf_done) struct buf text = buf_init(PART_MAX);
    AUTO(jdoc_free) struct jdoc *doc = NULL;
    struct jw inner = jw_init(&text);
    struct jw w = jw_init(out);
    struct err ignored = {0};

    policy_write(policy, POLICY_FORM_EXPANDED, &inner);
    IGNORE(jdoc_parse(buf_str(&text), &jlimits_default, &doc, &ignored), "an empty object then");
    jw_object(&w);
    if (str_present(id) && jval_get(jdoc_root(doc), "@id") == NULL)
        jw_kstr(&w, "@id", id);
    for (const struct jiter *it = jiter_first(jdoc_root(doc)); it != NULL;
         it = jiter_next(jdoc_root(doc), it)) {
        jw_key_str(&w, jiter_key(it));
        jw_val(&w, jiter_value(it));
    }
    for (size_t i = 0; i < ARRAY_LEN(rules) && !v4; i++) {
        if (jval_get(jdoc_root(doc), rules[i]) == NULL) {
            jw_key(&w, rules[i]);
            jw_array(&w);
            jw_array_end(&w);
        }
    }
    jw_object_end(&w);
}

int mgmt__policy(const struct rq *rq, struct jw *w, const char *key, struct str text, struct str id,
                 struct err *err)
{
    const struct app *app = rq->app;

    AUTO(jdoc_free) struct jdoc *doc = NULL;
    AUTO(policy_unref) struct policy *policy = NULL;
    AUTO(buf_done) struct buf expanded = buf_init(PART_MAX);

    if (jdoc_parse(text, &jlimits_default, &doc, err) < 0)
        return err_prefix(err, "policy");
    if (policy_compile(jdoc_root(doc), &policy, err) < 0) {
        err_clear(err); /* kept by a version that understood more: shown as it is */
        return mgmt__compact(app->mgmt, w, key, text, err);
    }
    write_policy(policy, mgmt__is_v4(rq), id, &expanded);
    return mgmt__compact(app->mgmt, w, key, buf_str(&expanded), err);
}

/* A list as JSON-LD compacts it: one element stands for itself. */
static void write_collapsed(struct jw *w, const char *key, const struct jval *list)
{
    if (jval_len(list) == 1)
        jw_kval(w, key, jval_at(list, 0));
    else
        jw_kval(w, key, list);
}

static void write_callback(struct jw *w, const struct jval *callback)
{
    jw_object(w);
    jw_kc(w, "@type", "CallbackAddress");
    for (const struct jiter *it = jiter_first(callback); it != NULL;
         it = jiter_next(callback, it)) {
        if (str_eq(jiter_key(it), STR("events"))) {
            write_collapsed(w, "events", jiter_value(it));
        } else {
            jw_key_str(w, jiter_key(it));
            jw_val(w, jiter_value(it));
        }
    }
    jw_object_end(w);
}

int mgmt__write_callbacks(struct jw *w, struct str text, struct err *err)
{
    AUTO(jdoc_free) struct jdoc *doc = NULL;
    const struct jval *list;

    jw_key(w, "callbackAddresses");
    if (text.n == 0) {
        jw_raw(w, STR("[]"));
        return 0;
    }
    if (jdoc_parse(text, &jlimits_default, &doc, err) < 0)
        return err_prefix(err, "callback addresses");
    list = jdoc_root(doc);
    if (jval_len(list) == 1) {
        write_callback(w, jval_at(list, 0));
        return 0;
    }
    jw_array(w);
    for (size_t i = 0; i < jval_len(list); i++)
        write_callback(w, jval_at(list, i));
    jw_array_end(w);
    return 0;
}

int mgmt__write_address(struct jw *w, const char *key, struct str text, struct err *err)
{
    AUTO(jdoc_free) struct jdoc *doc = NULL;

    if (text.n == 0 || str_eq(text, STR("{}")))
        return 0;
    if (jdoc_parse(text, &jlimits_default, &doc, err) < 0)
        return err_prefix(err, "data address");
    jw_key(w, key);
    jw_object(w);
    jw_kc(w, "@type", "DataAddress");
    for (const struct jiter *it = jiter_first(jdoc_root(doc)); it != NULL;
         it = jiter_next(jdoc_root(doc), it)) {
        jw_key_str(w, jiter_key(it));
        jw_val(w, jiter_value(it));
    }
    jw_object_end(w);
    return 0;
}

/* -- one, or the result of a query ------------------------------------------------------------- */

int mgmt__read(struct rq *rq, enum entity_kind kind, struct str id, mgmt__write_fn *write,
               struct err *err)
{
    AUTO(buf_done) struct buf body = buf_init(ANSWER_MAX);
    struct jw w = jw_init(&body);
    bool found = false;

    if (write(rq, id, rq->arena, &w, &found, err) < 0)
        return err_ret(err);
    if (!found)
        return mgmt__not_found(err, entity_type(kind), id);
    return mgmt__reply(rq, &body, err);
}

static int write_all(struct rq *rq, const struct list *ids, mgmt__write_fn *write, struct jw *w,
                     struct err *err)
{
    AUTO(arena_free) struct arena *scratch = arena_new(ROW_MEMORY);

    if (scratch == NULL)
        return err_set(err, E_NO_MEMORY, "", "answer");
    jw_array(w);
    for (size_t i = 0; i < ids->n; i++) {
        const struct str id = LIST_ITEMS(struct str, *ids)[i];
        bool found = false; /* or deleted meanwhile */

        if (write(rq, id, scratch, w, &found, err) < 0)
            return err_prefix(err, "'%.*s'", STR_ARG(id));
        arena_reset(scratch);
    }
    jw_array_end(w);
    return buf_failed(w->out) ? err_tell(err, E_LIMIT, "", "the answer is too large: ask for less")
                              : 0;
}

int mgmt__query(struct rq *rq, enum entity_kind kind, mgmt__write_fn *write, struct err *err)
{
    const struct worker *worker = rq->thread;
    AUTO(jdoc_free) struct jdoc *doc = NULL;
    AUTO(buf_done) struct buf body = buf_init(ANSWER_MAX);
    struct jw w = jw_init(&body);
    const struct jval *node;
    struct query_spec spec;
    struct list ids = {0};

    if (mgmt__expand(rq, &v4_query_spec, true, &doc, &node, err) < 0 ||
        query_spec_read(node, kind, rq->arena, &spec, err) < 0 ||
        condition_search(worker->db, kind, &spec.search, rq->arena, &ids, err) < 0 ||
        write_all(rq, &ids, write, &w, err) < 0)
        return err_ret(err);
    return mgmt__reply(rq, &body, err);
}
