/*
 * connector/mgmt/versions.c - which versions of the protocol peers speak, and where
 *
 *   POST /v3/protocol-versions/request                  what the peer's version document says
 *   POST /v3/connectordiscovery/dspversionparams        how to address it in a version of ours
 *   POST /v3/connectordiscovery/connectors              the same for every connector that its DID
 *                                                       document names (Tractus-X)
 *
 * The version documents are asked for at once; the request waits suspended until the last has come.
 * Answers are copied into memory that was put by before, since they come in the fetcher's thread.
 */
#include <stdatomic.h>

#include "connector/dsp/dsp.h"
#include "connector/identity/identity.h"
#include "connector/mgmt/mgmt_private.h"

#include "lib/base/banned.h"

#define DOCUMENT_MAX KIB(16) /* a version document */
#define WELL_KNOWN   "/.well-known/dspace-version"

/* Versions of ours, the newest first, and how EDC names them in "protocol". */
static const struct {
    const char *version, *protocol;
} spoken[] = {
    {"2025-1", "dataspace-protocol-http:2025-1"},
};

struct versions_in {
    struct str address, peer_id, bpnl;
};
/* clang-format off */
static const struct form_row versions_rows[] = {
    FORM_ROW(struct versions_in, address, LD_EDC "counterPartyAddress", FORM_TEXT, false),
    FORM_ROW(struct versions_in, peer_id, LD_EDC "counterPartyId",      FORM_TEXT, false),
    FORM_ROW(struct versions_in, bpnl,    MGMT_TX "bpnl",               FORM_TEXT, false),
};
FORM(versions_form, versions_rows);

/* clang-format on */

struct look;

/* One version document. */
struct document {
    struct look *look;
    struct str base; /* where it was asked for */
    struct err err;
    size_t n;
    char text[DOCUMENT_MAX];
};

struct look {
    struct rq *rq;
    struct str peer_id;
    atomic_size_t left;
    size_t n;
    struct document *documents;
};

static void one_less(struct look *look)
{
    if (atomic_fetch_sub(&look->left, 1) == 1)
        rq_resume(look->rq);
}

static void came(void *cls, struct str json, const struct err *err)
{
    struct document *d = cls;

    d->err = *err;
    if (err->code == E_OK && json.n > sizeof(d->text)) {
        IGNORE(
            err_tell(&d->err, E_PEER_REFUSED, "", "the other party's version document is too long"),
            "it is the answer");
    } else if (err->code == E_OK && json.n > 0) {
        memcpy(d->text, json.p, json.n);
        d->n = json.n;
    }
    one_less(d->look);
}

/* Asks at all addresses; `then` runs when all have answered. */
static int ask(struct rq *rq, struct look *look, http_handler *then)
{
    look->rq = rq;
    rq->cls = look;
    atomic_init(&look->left, look->n + 1);
    rq_suspend(rq, then);
    for (size_t i = 0; i < look->n; i++) {
        struct document *d = &look->documents[i];
        struct err err = {0};

        d->look = look;
        if (dsp_version_request(rq->app, d->base, came, d, &err) < 0)
            came(d, STR_NONE, &err);
    }
    one_less(look);
    return 0;
}

static struct look *look_new(struct rq *rq, struct str peer_id, size_t n, struct err *err)
{
    struct look *look = ARENA_NEW(rq->arena, struct look);

    if (look == NULL || (look->documents = ARENA_ARRAY(rq->arena, struct document, n)) == NULL) {
        (void)err_set(err, E_LIMIT, "", "memory of the request");
        return NULL;
    }
    look->peer_id = peer_id;
    look->n = n;
    return look;
}

/* Without what stands behind the base: the document's own path, or a version. */
static struct str base_of(struct str address)
{
    static const char *const tails[] = {WELL_KNOWN, "/2025-1", "/2024/1"};

    while (address.n > 0 && address.p[address.n - 1] == '/')
        address.n--;
    for (size_t i = 0; i < ARRAY_LEN(tails); i++) {
        const struct str tail = str_c(tails[i]);

        if (address.n > tail.n && str_eq(str_from(address, address.n - tail.n), tail))
            return str_n(address.p, address.n - tail.n);
    }
    return address;
}

static int garbage(struct err *err)
{
    return err_tell(err, E_PEER_REFUSED, "", "the other party's version document cannot be read");
}

/* "protocolVersions" of a document that has come. */
static int read_versions(const struct document *d, struct jdoc **ret_doc,
                         const struct jval **ret_list, struct err *err)
{
    struct err ignored = {0};

    if (d->err.code != E_OK) {
        *err = d->err;
        return err_ret(err);
    }
    if (jdoc_parse(str_n(d->text, d->n), &jlimits_default, ret_doc, &ignored) < 0)
        return garbage(err);
    *ret_list = jval_get(jdoc_root(*ret_doc), "protocolVersions");
    return jtype_of(*ret_list) == J_ARRAY ? 0 : garbage(err);
}

/* -- what it says ------------------------------------------------------------------------------ */

static int show_versions(struct rq *rq, struct err *err)
{
    const struct look *look = rq->cls;
    AUTO(jdoc_free) struct jdoc *doc = NULL;
    AUTO(buf_done) struct buf body = buf_init(2 * DOCUMENT_MAX);
    const struct jval *versions;
    struct jw w = jw_init(&body);

    if (read_versions(&look->documents[0], &doc, &versions, err) < 0)
        return err_ret(err);
    jw_object(&w);
    jw_kval(&w, "protocolVersions", versions);
    jw_object_end(&w);
    rq_reply_buf(rq, 200, "application/json", &body);
    return 0;
}

static int read_request(struct rq *rq, const struct v4_type *type, struct versions_in *ret,
                        struct err *err)
{
    AUTO(jdoc_free) struct jdoc *doc = NULL;
    const struct jval *node;

    if (mgmt__expand(rq, type, false, &doc, &node, err) < 0 ||
        form_decode(&versions_form, node, rq->arena, ret, err) < 0)
        return err_ret(err);
    if (!str_present(ret->peer_id))
        ret->peer_id = ret->bpnl;
    return 0;
}

static int ask_one(struct rq *rq, const struct versions_in *in, http_handler *then, struct err *err)
{
    struct look *look;

    if (in->address.n == 0)
        return form_missing(err, "value", LD_EDC "counterPartyAddress");
    look = look_new(rq, in->peer_id, 1, err);
    if (look == NULL)
        return err_ret(err);
    look->documents[0].base = base_of(in->address);
    return ask(rq, look, then);
}

int mgmt_versions_request(struct rq *rq, struct err *err)
{
    struct versions_in in = {0};

    if (read_request(rq, &v4_version_request, &in, err) < 0)
        return err_ret(err);
    return ask_one(rq, &in, show_versions, err);
}

/* -- how to address it ------------------------------------------------------------------------- */

/* Clients read the full names; the object is JSON-LD all the same. */
static void write_params(struct jw *w, const struct look *look, const struct document *d,
                         struct str path, const char *protocol, struct arena *arena)
{
    jw_object(w);
    jw_kstr(w, LD_EDC "counterPartyId", look->peer_id);
    jw_kstr(w, LD_EDC "counterPartyAddress",
            arena_printf(arena, "%.*s%.*s", STR_ARG(d->base), STR_ARG(path)));
    jw_kc(w, LD_EDC "protocol", protocol);
    jw_kraw(w, "@context", STR("{\"edc\":\"" LD_EDC "\"}"));
    jw_object_end(w);
}

/* The newest version that both speak. */
static int choose(const struct look *look, const struct document *d, struct arena *arena,
                  struct jw *w, struct err *err)
{
    AUTO(jdoc_free) struct jdoc *doc = NULL;
    const struct jval *versions;

    if (read_versions(d, &doc, &versions, err) < 0)
        return err_ret(err);
    for (size_t i = 0; i < ARRAY_LEN(spoken); i++) {
        for (size_t k = 0; k < jval_len(versions); k++) {
            const struct jval *version = jval_at(versions, k);
            const struct str path = jval_str(jval_get(version, "path"));

            if (!str_eq_c(jval_str(jval_get(version, "version")), spoken[i].version))
                continue;
            write_params(w, look, d, str_eq(path, STR("/")) ? STR("") : path, spoken[i].protocol,
                         arena);
            return 0;
        }
    }
    return err_tell(err, E_PEER_REFUSED, "", "the other party speaks no version of ours");
}

static int show_params(struct rq *rq, struct err *err)
{
    const struct look *look = rq->cls;
    AUTO(buf_done) struct buf body = buf_init(KIB(16));
    struct jw w = jw_init(&body);

    if (choose(look, &look->documents[0], rq->arena, &w, err) < 0)
        return err_ret(err);
    rq_reply_buf(rq, 200, "application/json", &body);
    return 0;
}

int mgmt_discover_params(struct rq *rq, struct err *err)
{
    struct versions_in in = {0};

    if (read_request(rq, NULL, &in, err) < 0)
        return err_ret(err);
    if (in.peer_id.n == 0)
        return form_missing(err, "value", LD_EDC "counterPartyId");
    return ask_one(rq, &in, show_params, err);
}

/* Connectors that are away or speak another version are left out. */
static int show_connectors(struct rq *rq, struct err *err)
{
    const struct look *look = rq->cls;
    AUTO(buf_done) struct buf body = buf_init(KIB(256));
    struct jw w = jw_init(&body);

    jw_array(&w);
    for (size_t i = 0; i < look->n; i++) {
        if (choose(look, &look->documents[i], rq->arena, &w, err) < 0) {
            log_debug(&rq->log, "connector is left out", L_STR("address", look->documents[i].base),
                      L_C("reason", err->text));
            err_clear(err);
        }
    }
    jw_array_end(&w);
    rq_reply_buf(rq, 200, "application/json", &body);
    return 0;
}

int mgmt_discover_connectors(struct rq *rq, struct err *err)
{
    struct versions_in in = {0};
    struct str_list endpoints = {0};
    struct look *look;
    int known;

    if (read_request(rq, NULL, &in, err) < 0)
        return err_ret(err);
    if (in.peer_id.n == 0)
        return form_missing(err, "value", LD_EDC "counterPartyId");
    known = identity_connectors(rq, in.peer_id, mgmt_discover_connectors, &endpoints, err);
    if (known != 0)
        return known < 0 ? known : 0;
    look = look_new(rq, in.peer_id, endpoints.n, err);
    if (look == NULL)
        return err_ret(err);
    for (size_t i = 0; i < endpoints.n; i++)
        look->documents[i].base = base_of(endpoints.items[i]);
    return ask(rq, look, show_connectors);
}
