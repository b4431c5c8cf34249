/*
 * connector/mgmt/catalog.c - POST /v3/catalog/request, /v3/catalog/dataset/request: what a peer
 * offers
 *
 * The peer's answer is compacted with EDC's prefixes. The request waits suspended; its listener may
 * answer for us when that takes too long, so the peer's text changes hands in one atomic step: who
 * comes last frees it.
 */
#include <stdatomic.h>

#include "connector/dsp/dsp.h"
#include "connector/mgmt/catalog_like.h"
#include "connector/mgmt/mgmt_private.h"

#include "lib/base/banned.h"

#define CATALOG_NODES 4000000 /* JSON values */

struct ask_in {
    struct str id, address, peer_id, protocol;
    const struct jval *query;
};
/* clang-format off */
static const struct form_row ask_rows[] = {
    FORM_ROW(struct ask_in, id,       "@id",                        FORM_ID,   false),
    FORM_ROW(struct ask_in, address,  LD_EDC "counterPartyAddress", FORM_TEXT, true),
    FORM_ROW(struct ask_in, peer_id,  LD_EDC "counterPartyId",      FORM_TEXT, false),
    FORM_ROW(struct ask_in, protocol, LD_EDC "protocol",            FORM_TEXT, true),
    FORM_ROW(struct ask_in, query,    LD_EDC "querySpec",           FORM_NODE, false),
};
FORM(ask_form, ask_rows);

/* clang-format on */

struct text {
    size_t n;
    char bytes[];
};

struct ask {
    struct rq *rq;
    struct ask_in in;
    struct str filter;
    struct query_spec spec;
    struct err err;
    _Atomic(void *) text; /* NULL, the peer's answer (struct text, malloc), or the ask: over */
};

static void asked(void *cls, struct str json, const struct err *err)
{
    struct ask *ask = cls;
    struct text *text = NULL;
    void *expected = NULL;

    ask->err = *err;
    if (err->code == E_OK) {
        text = malloc(sizeof(*text) + json.n);
        if (text == NULL) {
            IGNORE(err_set(&ask->err, E_NO_MEMORY, "", "catalogue"), "it is the answer");
        } else {
            text->n = json.n;
            if (json.n > 0)
                memcpy(text->bytes, json.p, json.n);
            if (!atomic_compare_exchange_strong(&ask->text, &expected, text))
                free(text);
        }
    }
    rq_resume(ask->rq);
}

static void answered(void *cls, uint64_t sent, bool complete)
{
    struct ask *ask = cls;
    void *text = atomic_exchange(&ask->text, ask);

    (void)sent;
    (void)complete;
    if (text != ask)
        free(text);
}

/* The datasets that the caller's offset and limit leave. */
static void write_page(struct jw *w, const struct jval *catalogue, const struct query_spec *spec)
{
    jw_object(w);
    for (const struct jiter *it = jiter_first(catalogue); it != NULL;
         it = jiter_next(catalogue, it)) {
        const struct jval *list = jiter_value(it);

        jw_key_str(w, jiter_key(it));
        if (!str_eq(jiter_key(it), STR("dataset")) || jtype_of(list) != J_ARRAY) {
            jw_val(w, list);
            continue;
        }
        jw_array(w);
        for (size_t i = (size_t)spec->search.offset;
             i < jval_len(list) && i - (size_t)spec->search.offset < (size_t)spec->search.limit;
             i++)
            jw_val(w, jval_at(list, i));
        jw_array_end(w);
    }
    jw_object_end(w);
}

static int cut_page(const struct query_spec *spec, struct jdoc **doc, struct err *err)
{
    static const struct jlimits limits = {LIMIT_CATALOG_BYTES, LIMIT_JSON_DEPTH, CATALOG_NODES};
    AUTO(buf_done) struct buf page = buf_init(LIMIT_CATALOG_BYTES);
    AUTO(jdoc_free) struct jdoc *cut = NULL;
    struct jw w = jw_init(&page);

    if (!spec->limited)
        return 0;
    write_page(&w, jdoc_root(*doc), spec);
    if (jdoc_parse(buf_str(&page), &limits, &cut, err) < 0)
        return err_ret(err);
    jdoc_free(doc);
    *doc = MOVE(cut);
    return 0;
}

static int garbage(struct err *err)
{
    const struct err cause = *err;

    return err_tell(err, E_PEER_REFUSED, "", "the other party's catalogue cannot be read: %s",
                    cause.text);
}

static int compact(const struct rq *rq, const struct query_spec *spec, struct str text,
                   struct buf *body, struct err *err)
{
    const struct app *app = rq->app;
    const struct mgmt *mgmt = app->mgmt;
    const struct catalog_form form = {.context =
                                          mgmt__is_v4(rq) ? mgmt->catalogue_v4 : mgmt->catalogue,
                                      .key = mgmt__is_v4(rq) ? "dataset" : "dcat:dataset"};

    static const struct jlimits limits = {LIMIT_CATALOG_BYTES, LIMIT_JSON_DEPTH, CATALOG_NODES};
    const struct ld_options options = {.memory = 4 * LIMIT_CATALOG_BYTES};
    const struct catalog_page page = {.offset = spec->limited ? (size_t)spec->search.offset : 0,
                                      .limit =
                                          spec->limited ? (size_t)spec->search.limit : SIZE_MAX};
    AUTO(jdoc_free) struct jdoc *doc = NULL;

    if (catalog_like_write(mgmt->ld, &form, text, page, body))
        return 0;
    if (jdoc_parse(text, &limits, &doc, err) < 0 || cut_page(spec, &doc, err) < 0 ||
        ld_compact_write(mgmt->ld, jdoc_root(doc), form.context, &options, body, err) < 0)
        return garbage(err);
    return 0;
}

static int show(struct rq *rq, struct err *err)
{
    struct ask *ask = rq->cls;
    const struct text *text = atomic_load(&ask->text);
    AUTO(buf_done) struct buf body = buf_init(LIMIT_CATALOG_BYTES);

    if (ask->err.code != E_OK) {
        *err = ask->err;
        return err_ret(err);
    }
    if (text == NULL)
        return err_set(err, E_INTERNAL, "", "no answer and no error");
    if (compact(rq, &ask->spec, str_n(text->bytes, text->n), &body, err) < 0)
        return err_ret(err);
    if (buf_failed(&body))
        return err_tell(err, E_LIMIT, "", "the catalogue is too large");
    rq_reply_buf(rq, 200, "application/json", &body);
    return 0;
}

static int read_query(struct ask *ask, struct rq *rq, struct err *err)
{
    const struct jval *filter = ld_values(ask->in.query, LD_EDC "filterExpression");
    AUTO(buf_done) struct buf text = buf_init(KIB(64));

    if (query_spec_read(ask->in.query, ENTITY_ASSET, rq->arena, &ask->spec, err) < 0)
        return form_at(err, LD_EDC "querySpec");
    if (jval_len(filter) == 0)
        return 0;
    if (criteria_write(filter, rq->arena, &text, err) < 0)
        return form_at(err, LD_EDC "querySpec");
    ask->filter = arena_str(rq->arena, buf_str(&text));
    return 0;
}

static int read_ask(struct rq *rq, const struct v4_type *type, struct ask **ret, struct err *err)
{
    struct ask *ask = ARENA_NEW(rq->arena, struct ask);
    AUTO(jdoc_free) struct jdoc *doc = NULL;
    const struct jval *node;

    if (ask == NULL)
        return err_set(err, E_LIMIT, "", "memory of the request");
    ask->rq = rq;
    if (mgmt__expand(rq, type, false, &doc, &node, err) < 0 ||
        form_decode(&ask_form, node, rq->arena, &ask->in, err) < 0 || read_query(ask, rq, err) < 0)
        return err_ret(err);
    ask->in.query = NULL; /* of a document that ends here */
    if (ask->in.peer_id.n == 0)
        ask->in.peer_id = ask->in.address;
    *ret = ask;
    return arena_failed(rq->arena) ? err_set(err, E_LIMIT, "", "memory of the request") : 0;
}

static void wait_for(struct rq *rq, struct ask *ask)
{
    rq->cls = ask;
    rq_on_sent(rq, answered, ask);
    rq_suspend(rq, show);
}

int mgmt_catalog_request(struct rq *rq, struct err *err)
{
    struct ask *ask;

    if (read_ask(rq, &v4_catalog_request, &ask, err) < 0)
        return err_ret(err);
    wait_for(rq, ask);
    return dsp_catalogue_request(rq->app, ask->in.address, ask->in.peer_id, ask->filter, asked, ask,
                                 err);
}

int mgmt_dataset_request(struct rq *rq, struct err *err)
{
    struct ask *ask;

    if (read_ask(rq, &v4_dataset_request, &ask, err) < 0)
        return err_ret(err);
    if (!str_present(ask->in.id))
        return form_missing(err, "value", "@id");
    wait_for(rq, ask);
    return dsp_dataset_request(rq->app, ask->in.address, ask->in.peer_id, ask->in.id, asked, ask,
                               err);
}
