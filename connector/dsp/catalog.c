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
#define AFTER      'a'
#define BEFORE     'b'

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

/* A token is a side and the id of the dataset there; opaque to others. */
static int read_token(struct rq *rq, struct catalogue_page *page, struct err *err)
{
    AUTO(buf_done) struct buf token = buf_init(LIMIT_ID + 1);
    const struct str text = rq_query(rq, TOKEN);
    struct str id;

    if (!str_present(text))
        return 0;
    if (!decode_base64url(&token, text) || token.n < 2 ||
        (token.p[0] != AFTER && token.p[0] != BEFORE))
        return err_tell(err, E_INVALID, "?" TOKEN, "is not one of ours");
    id = arena_str(rq->arena, str_from(buf_str(&token), 1));
    if (!str_present(id))
        return err_set(err, E_NO_MEMORY, "", "token");
    if (token.p[0] == AFTER)
        page->after = id;
    else
        page->before = id;
    page->offset = 0; /* was left behind on the first page */
    return 0;
}

static int add_link(struct rq *rq, const struct codec *codec, const char *rel, char side,
                    struct str id, struct err *err)
{
    const struct app *app = rq->app;
    AUTO(buf_done) struct buf token = buf_init(LIMIT_ID + 1);
    AUTO(buf_done) struct buf link = buf_init(2 * LIMIT_URL);

    buf_add_char(&token, side);
    buf_add_str(&token, id);
    buf_printf(&link, "<%.*s/catalog/request?" TOKEN "=",
               STR_ARG(dsp__own_url(app, codec, rq->arena)));
    encode_base64url(&link, token.p, token.n);
    buf_printf(&link, ">; rel=\"%s\"", rel);
    if (buf_failed(&link) || buf_failed(&token))
        return err_set(err, E_LIMIT, "", "link to another page");
    rq_reply_header(rq, "Link", buf_str(&link));
    return 0;
}

static int add_links(struct rq *rq, const struct catalogue_page *page, struct err *err)
{
    if (page->more && add_link(rq, page->codec, "next", AFTER, page->last, err) < 0)
        return err_ret(err);
    return page->earlier ? add_link(rq, page->codec, "previous", BEFORE, page->first, err) : 0;
}

/* The catalogue but for its entries, in the words of 2025-1: an object that is still open. */
static void begin(struct buf *out, const struct app *app, const struct catalogue *catalogue,
                  const struct codec *codec)
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
    buf_add_str(out, catalogue_service(catalogue, codec));
    buf_add_char(out, ']');
}

/* The schemas want no empty arrays. */
static void add_entries(struct buf *out, const char *name, const struct buf *entries)
{
    if (entries->n == 0)
        return;
    buf_printf(out, ",\"%s\":[", name);
    buf_add_str(out, buf_str(entries));
    buf_add_char(out, ']');
}

/* The whole body; the names of the two lists are the only words here that differ. */
static int write_body(const struct app *app, const struct catalogue *catalogue,
                      const struct catalogue_page *page, struct buf *out, struct err *err)
{
    AUTO(buf_done) struct buf frame = buf_init(KIB(64));
    const bool translated = page->codec->translated;

    begin(&frame, app, catalogue, page->codec);
    buf_add_char(&frame, '}');
    if (codec_write(page->codec, buf_str(&frame), catalogue_participant(catalogue), out, err) < 0)
        return err_ret(err);
    out->n--;
    add_entries(out, translated ? "dcat:dataset" : "dataset", page->datasets);
    add_entries(out, translated ? "dcat:catalog" : "catalog", page->nested);
    buf_add_char(out, '}');
    if (buf_failed(out) || buf_failed(page->datasets) || buf_failed(page->nested))
        return err_set(err, E_LIMIT, "", "catalogue above %zu bytes", LIMIT_CATALOG_BYTES);
    return 0;
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

static int answer(struct rq *rq, const struct codec *codec, const struct wanted *query,
                  const struct peer *peer, struct err *err)
{
    const struct app *app = rq->app;
    const struct worker *worker = rq->thread;
    AUTO(catalogue_unref) struct catalogue *catalogue = NULL;
    AUTO(buf_done) struct buf out = buf_init(LIMIT_CATALOG_BYTES);
    AUTO(buf_done) struct buf datasets = buf_init(LIMIT_CATALOG_BYTES);
    AUTO(buf_done) struct buf nested = buf_init(LIMIT_CATALOG_BYTES);
    struct catalogue_page page = {.codec = codec,
                                  .filter = &query->filter,
                                  .offset = query->offset,
                                  .limit = query->limit,
                                  .datasets = &datasets,
                                  .nested = &nested};
    struct catalogue_view *view;

    if (read_token(rq, &page, err) < 0 ||
        catalogue_get(app->dsp->catalogue, worker->db, &catalogue, err) < 0 ||
        catalogue_view_new(catalogue, worker->db, peer, env_wall_us(rq->env), rq->arena, &view,
                           err) < 0 ||
        catalogue_write_page(view, &page, err) < 0 ||
        write_body(app, catalogue, &page, &out, err) < 0 || add_links(rq, &page, err) < 0)
        return err_ret(err);
    return reply_page(rq, app, &out, err);
}

int dsp_catalog_request(struct rq *rq, struct err *err)
{
    const struct worker *worker = rq->thread;
    struct wanted query = {.filter = {.all = true}, .limit = PAGE_MAX};
    struct message message;
    const struct jval *root;
    const struct codec *codec;
    struct peer peer;
    int rc;

    if (dsp__codec_of_route(rq, &codec, err) < 0)
        return err_ret(err);
    rc = identity_authenticate(rq, dsp_catalog_request, &peer, err);
    if (rc != 0)
        return rc > 0 ? 0 : rc;
    if (dsp__read_body(rq, codec, &root, err) < 0 ||
        message_decode(codec, MF_CATALOG_REQUEST, root, rq->arena, &message, err) < 0 ||
        read_filter(message.filter, worker->db, rq->arena, &query, err) < 0)
        return err_ret(err);
    return answer(rq, codec, &query, &peer, err);
}

int dsp_catalog_dataset(struct rq *rq, struct err *err)
{
    const struct app *app = rq->app;
    const struct worker *worker = rq->thread;
    const struct str id = rq_param(rq, "id");
    AUTO(catalogue_unref) struct catalogue *catalogue = NULL;
    AUTO(buf_done) struct buf text = buf_init(LIMIT_CATALOG_BYTES);
    AUTO(buf_done) struct buf out = buf_init(LIMIT_CATALOG_BYTES);
    struct catalogue_view *view;
    bool found = false;
    const struct codec *codec;
    struct peer peer;
    int rc;

    if (dsp__codec_of_route(rq, &codec, err) < 0)
        return err_ret(err);
    rc = identity_authenticate(rq, dsp_catalog_dataset, &peer, err);
    if (rc != 0)
        return rc > 0 ? 0 : rc;
    if (catalogue_get(app->dsp->catalogue, worker->db, &catalogue, err) < 0 ||
        catalogue_view_new(catalogue, worker->db, &peer, env_wall_us(rq->env), rq->arena, &view,
                           err) < 0 ||
        catalogue_write_dataset(view, codec, id, &text, &found, err) < 0)
        return err_ret(err);
    if (!found)
        return err_tell(err, E_NOT_FOUND, "", "no such dataset: '%.*s'", STR_ARG(id));
    /* a dataset that stands alone has its context: into the object that ends the text */
    CHECK(text.n > 0 && text.p[text.n - 1] == '}');
    text.n--;
    buf_add_c(&text, ",\"@context\":[\"" DSP_CONTEXT "\"]}");
    if (buf_failed(&text))
        return err_set(err, E_LIMIT, "", "dataset");
    if (codec_write(codec, buf_str(&text), catalogue_participant(catalogue), &out, err) < 0)
        return err_ret(err);
    rq_reply_buf(rq, 200, "application/json", &out);
    return 0;
}
