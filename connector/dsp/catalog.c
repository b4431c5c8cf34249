/*
 * connector/dsp/catalog.c - POST /catalog/request, GET /catalog/datasets/{id} (DSP 2025-1, catalog
 * binding)
 *
 * `filter` is an array of what EDC sends (a QuerySpec) or of bare criteria; what is not understood
 * is refused, never ignored. Pages are linked by an opaque token that names the last dataset, so
 * that a page does not shift when something is published meanwhile.
 */
#include "connector/dsp/dsp_private.h"
#include "lib/base/encode.h"
#include "lib/crypto/hash.h"

#include "lib/base/banned.h"

#define PAGE_MAX   10000
#define GZIP_LEAST KIB(4)
#define OFFSET_MAX 10000000
#define TOKEN      "continuationToken"

struct wanted {
    struct id_set filter;
    size_t offset, limit;
};

static const struct jval *member(const struct jval *spec, const char *name)
{
    char full[64];
    const struct jval *v = jval_get(spec, name);

    if (v != NULL)
        return v;
    (void)snprintf(full, sizeof(full), "https://w3id.org/edc/v0.0.1/ns/%s", name);
    return jval_get(spec, full);
}

static int read_number(const struct jval *spec, const char *name, int64_t max, size_t *number,
                       struct err *err)
{
    const struct jval *v = member(spec, name);
    int64_t value;
    char at[32];

    if (v == NULL)
        return 0;
    if (!jval_i64(v, &value) || value < 0 || value > max) {
        (void)snprintf(at, sizeof(at), "/filter/0/%s", name);
        return err_tell(err, E_INVALID, at, "expected a number from 0 to %lld", (long long)max);
    }
    *number = (size_t)value;
    return 0;
}

static int read_filter(const struct jval *filter, struct db *db, struct arena *arena,
                       struct wanted *query, struct err *err)
{
    const struct jval *spec = jval_at(filter, 0);
    const bool is_spec = jval_len(filter) == 1 && jtype_of(spec) == J_OBJECT &&
                         member(spec, "operandLeft") == NULL && member(spec, "operator") == NULL;

    if (jval_len(filter) == 0)
        return 0;
    if (!is_spec)
        return criteria_filter(db, filter, arena, &query->filter, err) < 0
                   ? err_at_prefix(err, "/filter")
                   : 0;
    if (member(spec, "sortField") != NULL && jtype_of(member(spec, "sortField")) != J_NULL)
        return err_tell(err, E_INVALID, "/filter/0/sortField", "sorting is not offered");
    if (read_number(spec, "limit", PAGE_MAX, &query->limit, err) < 0 ||
        read_number(spec, "offset", OFFSET_MAX, &query->offset, err) < 0)
        return err_ret(err);
    if (query->limit == 0)
        query->limit = PAGE_MAX;
    return criteria_filter(db, member(spec, "filterExpression"), arena, &query->filter, err) < 0
               ? err_at_prefix(err, "/filter/0/filterExpression")
               : 0;
}

/*
 * -- pages
 * ------------------------------------------------------------------------------------------
 */

static int read_token(struct rq *rq, struct str *ret_after, struct err *err)
{
    AUTO(buf_done) struct buf after = buf_init(LIMIT_ID);
    const struct str token = rq_query(rq, TOKEN);

    *ret_after = STR_NONE;
    if (!str_present(token))
        return 0;
    if (!decode_base64url(&after, token))
        return err_tell(err, E_INVALID, "?" TOKEN, "is not one of ours");
    *ret_after = arena_str(rq->arena, buf_str(&after));
    return str_present(*ret_after) ? 0 : err_set(err, E_NO_MEMORY, "", "token");
}

static int link_next(struct rq *rq, const struct app *app, struct str last, struct err *err)
{
    AUTO(buf_done) struct buf link = buf_init(2 * LIMIT_URL);

    buf_printf(&link, "<%.*s/catalog/request?" TOKEN "=", STR_ARG(app->dsp_url));
    encode_base64url(&link, last.p, last.n);
    buf_add_c(&link, ">; rel=\"next\"");
    if (buf_failed(&link))
        return err_set(err, E_LIMIT, "", "link to the next page");
    rq_reply_header(rq, "Link", buf_str(&link));
    return 0;
}

static void begin(struct buf *out, const struct app *app, const struct catalogue *catalogue)
{
    uint8_t hash[SHA256_LEN];
    const struct str did = app->settings->participant_did;

    sha256(did.p, did.n, hash);
    buf_printf(out,
               "{\"@context\":[\"" DSP_CONTEXT "\"],\"@id\":\"urn:uuid:%s\",\"@type\":\"Catalog\","
               "\"participantId\":",
               uuid_format(uuid_v8_from(hash)).c);
    json_quote(out, did);
    buf_add_c(out, ",\"service\":[");
    buf_add_str(out, catalogue_service(catalogue));
    buf_add_char(out, ']');
}

/*
 * Large pages compressed where the peer takes it; the last one is kept, peers ask again and again.
 */
static int reply_page(struct rq *rq, const struct app *app, struct buf *page, struct err *err)
{
    AUTO(buf_done) struct buf packed = buf_init(LIMIT_CATALOG_BYTES);

    rq_reply_header(rq, "Vary", STR("Accept-Encoding"));
    if (page->n < GZIP_LEAST || !http_accepts_gzip(rq)) {
        rq_reply_buf(rq, 200, "application/json", page);
        return 0;
    }
    if (catalogue_pack(app->dsp->catalogue, buf_str(page), &packed, err) < 0)
        return err_ret(err);
    rq_reply_header(rq, "Content-Encoding", STR("gzip"));
    rq_reply_buf(rq, 200, "application/json", &packed);
    return 0;
}

static int answer(struct rq *rq, const struct wanted *query, const struct peer *peer,
                  struct err *err)
{
    const struct app *app = rq->app;
    const struct worker *worker = rq->thread;
    AUTO(catalogue_unref) struct catalogue *catalogue = NULL;
    AUTO(buf_done) struct buf out = buf_init(LIMIT_CATALOG_BYTES);
    struct catalogue_page page = {
        .filter = &query->filter, .offset = query->offset, .limit = query->limit};
    struct catalogue_view *view;
    size_t empty;

    if (read_token(rq, &page.after, err) < 0 ||
        catalogue_get(app->dsp->catalogue, worker->db, &catalogue, err) < 0 ||
        catalogue_view_new(catalogue, worker->db, peer, env_wall_us(rq->env), rq->arena, &view,
                           err) < 0)
        return err_ret(err);
    begin(&out, app, catalogue);
    empty = out.n;
    buf_add_c(&out, ",\"dataset\":[");
    if (catalogue_write_page(view, &page, &out, err) < 0)
        return err_ret(err);
    /* the schema wants no empty arrays */
    if (str_present(page.last))
        buf_add_char(&out, ']');
    else
        out.n = empty;
    buf_add_char(&out, '}');
    if (buf_failed(&out))
        return err_set(err, E_LIMIT, "", "catalogue above %zu bytes", LIMIT_CATALOG_BYTES);
    if (page.more && link_next(rq, app, page.last, err) < 0)
        return err_ret(err);
    return reply_page(rq, app, &out, err);
}

int dsp_catalog_request(struct rq *rq, struct err *err)
{
    const struct worker *worker = rq->thread;
    struct wanted query = {.filter = {.all = true}, .limit = PAGE_MAX};
    struct message message;
    const struct jval *root;
    struct peer peer;
    int rc = identity_authenticate(rq, dsp_catalog_request, &peer, err);

    if (rc != 0)
        return rc > 0 ? 0 : rc;
    if (rq_json(rq, &jlimits_default, &root, err) < 0 ||
        message_decode(MF_CATALOG_REQUEST, root, rq->arena, &message, err) < 0 ||
        read_filter(message.filter, worker->db, rq->arena, &query, err) < 0)
        return err_ret(err);
    return answer(rq, &query, &peer, err);
}

int dsp_catalog_dataset(struct rq *rq, struct err *err)
{
    const struct app *app = rq->app;
    const struct worker *worker = rq->thread;
    const struct str id = rq_param(rq, "id");
    AUTO(catalogue_unref) struct catalogue *catalogue = NULL;
    AUTO(buf_done) struct buf out = buf_init(LIMIT_CATALOG_BYTES);
    struct catalogue_view *view;
    bool found = false;
    struct peer peer;
    int rc = identity_authenticate(rq, dsp_catalog_dataset, &peer, err);

    if (rc != 0)
        return rc > 0 ? 0 : rc;
    if (catalogue_get(app->dsp->catalogue, worker->db, &catalogue, err) < 0 ||
        catalogue_view_new(catalogue, worker->db, &peer, env_wall_us(rq->env), rq->arena, &view,
                           err) < 0 ||
        catalogue_write_dataset(view, id, &out, &found, err) < 0)
        return err_ret(err);
    if (!found)
        return err_tell(err, E_NOT_FOUND, "", "no such dataset: '%.*s'", STR_ARG(id));
    /* a dataset that stands alone has its context: into the object that ends the text */
    CHECK(out.n > 0 && out.p[out.n - 1] == '}');
    out.n--;
    buf_add_c(&out, ",\"@context\":[\"" DSP_CONTEXT "\"]}");
    if (buf_failed(&out))
        return err_set(err, E_LIMIT, "", "dataset");
    rq_reply_buf(rq, 200, "application/json", &out);
    return 0;
}
