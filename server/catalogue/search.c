/*
 * server/catalogue/search.c - GET /v1/datasets: search in Korean and English with facets
 *
 * Every token of the query must occur in a dataset; ranked by tokens in the title, then by
 * freshness. Visibility stands in the query itself. Pages follow a keyset token (rank, time, id).
 * Facets and total are exact up to COUNT_MAX results; beyond, the answer says so.
 */
#include "lib/base/encode.h"
#include "lib/base/limits.h"
#include "lib/base/timefmt.h"
#include "server/catalogue/catalogue_private.h"
#include "server/registry/registry.h"
#include "sql_broker.h"

#include "lib/base/banned.h"

#define COUNT_MAX  10000
#define PAGE_MAX   100
#define CURSOR_LEN 32

struct found {
    struct uuid dataset_id;
    struct str asset_id;
    int64_t version;
    struct str title_ko, title_en, domain, media_type, semantic_id, price_kind, visibility;
    struct str provider_did, provider_ko, provider_en;
    int64_t changed_us, rank;
};

struct facet {
    struct str facet, value;
    int64_t n;
};
/* clang-format off */
static const struct field found_fields[] = {
    FIELD(struct found, dataset_id,   "dataset_id",   F_REQUIRED),
    FIELD(struct found, asset_id,     "asset_id",     F_REQUIRED),
    FIELD(struct found, version,      "version",      F_REQUIRED),
    FIELD(struct found, title_ko,     "title_ko",     F_REQUIRED),
    FIELD(struct found, title_en,     "title_en",     F_REQUIRED),
    FIELD(struct found, domain,       "domain",       F_REQUIRED),
    FIELD(struct found, media_type,   "media_type",   F_REQUIRED),
    FIELD(struct found, semantic_id,  "semantic_id",  F_REQUIRED),
    FIELD(struct found, price_kind,   "price_kind",   F_REQUIRED),
    FIELD(struct found, visibility,   "visibility",   F_REQUIRED),
    FIELD(struct found, provider_did, "provider_did", F_REQUIRED),
    FIELD(struct found, provider_ko,  "provider_ko",  F_REQUIRED),
    FIELD(struct found, provider_en,  "provider_en",  F_REQUIRED),
    FIELD(struct found, changed_us,   "changed_at",   F_REQUIRED | F_TIME),
    FIELD(struct found, rank,         "rank",         F_REQUIRED),
};
static OBJECT(found_row, struct found, found_fields, OPEN);
static const struct field facet_fields[] = {
    FIELD(struct facet, facet, "facet", F_REQUIRED),
    FIELD(struct facet, value, "value", F_REQUIRED),
    FIELD(struct facet, n,     "n",     F_REQUIRED),
};
/* clang-format on */
static OBJECT(facet_row, struct facet, facet_fields, OPEN);

/* Place after which a page begins: rank and time big-endian, then the id; base64url. */
struct cursor {
    bool given;
    int64_t rank, at_us;
    struct uuid id;
};

struct search {
    struct str_list tokens;
    bool any_tokens;
    struct str domain, price, media_type;
    struct uuid provider;
    struct cursor after;
    int64_t most;
};

static void put_i64(uint8_t *out, int64_t v)
{
    for (int i = 0; i < 8; i++)
        out[i] = (uint8_t)((uint64_t)v >> (56 - 8 * i));
}

static int64_t get_i64(const uint8_t *in)
{
    uint64_t v = 0;

    for (int i = 0; i < 8; i++)
        v = v << 8 | in[i];
    return (int64_t)v;
}

static void write_cursor(const struct found *last, struct buf *out)
{
    uint8_t bytes[CURSOR_LEN];

    put_i64(bytes, last->rank);
    put_i64(bytes + 8, last->changed_us);
    memcpy(bytes + 16, last->dataset_id.b, 16);
    encode_base64url(out, bytes, sizeof(bytes));
}

static int read_cursor(struct str text, struct cursor *cursor, struct err *err)
{
    AUTO(buf_done) struct buf bytes = buf_init(CURSOR_LEN);

    if (!str_present(text))
        return 0;
    if (!decode_base64url(&bytes, text) || bytes.n != CURSOR_LEN)
        return err_tell(err, E_INVALID, "?after", "expected the 'next' of the page before");
    cursor->given = true;
    cursor->rank = get_i64((const uint8_t *)bytes.p);
    cursor->at_us = get_i64((const uint8_t *)bytes.p + 8);
    memcpy(cursor->id.b, bytes.p + 16, 16);
    return 0;
}

/* By participant id, or by DID as in the facets. */
static int find_provider(struct rq *rq, struct str text, struct uuid *ret_id, struct err *err)
{
    const struct worker *worker = rq->thread;
    struct participant provider = {0};

    if (uuid_parse(text, ret_id))
        return 0;
    if (participant_by_did(worker->db, text, rq->arena, &provider, err) < 0)
        return err->code == E_NOT_FOUND
                   ? err_tell(err, E_INVALID, "?provider", "expected a participant's id or DID")
                   : err_ret(err);
    *ret_id = provider.participant_id;
    return 0;
}

static int read_query(struct rq *rq, struct search *s, struct err *err)
{
    const struct str q = rq_query(rq, "q");
    const struct str provider = rq_query(rq, "provider");

    s->domain = rq_query(rq, "domain");
    s->price = rq_query(rq, "price");
    s->media_type = rq_query(rq, "media_type");
    if (rq_query_i64(rq, "limit", 20, 1, PAGE_MAX, &s->most, err) < 0 ||
        read_cursor(rq_query(rq, "after"), &s->after, err) < 0)
        return err_ret(err);
    if (str_present(provider) && find_provider(rq, provider, &s->provider, err) < 0)
        return err_ret(err);
    if (q.n > 1000)
        return err_tell(err, E_LIMIT, "?q", "at most 1000 bytes");
    if (search_tokens(q, SEARCH_QUERY, rq->arena, &s->tokens, err) < 0)
        return err_at_prefix(err, "?q");
    s->any_tokens = s->tokens.n > 0;
    if (q.n > 0 && !s->any_tokens)
        return err_tell(err, E_INVALID, "?q", "expected at least one letter or digit");
    return 0;
}

static struct db_arg uuid_or_null(struct uuid id)
{
    return uuid_is_zero(id) ? DB_NULL(DBT_UUID) : DB_UUID(id);
}

static int find(struct rq *rq, const struct search *s, struct list *ret_items, struct err *err)
{
    const struct worker *worker = rq->thread;
    const struct principal *who = rq_principal(rq);

    return db_list(worker->db, &q_dataset_search,
                   DB_ARGS(s->any_tokens ? DB_ARRAY(DBT_TEXT_ARRAY, s->tokens.items, s->tokens.n)
                                         : DB_NULL(DBT_TEXT_ARRAY),
                           uuid_or_null(who->participant), DB_TEXT(who->did), DB_TEXT(s->domain),
                           DB_TEXT(s->price), DB_TEXT(s->media_type), uuid_or_null(s->provider),
                           s->after.given ? DB_I64(s->after.rank) : DB_NULL(DBT_I64),
                           DB_TIME(s->after.at_us), DB_UUID(s->after.id), DB_I64(s->most)),
                   &found_row, rq->arena, (size_t)s->most, ret_items, err);
}

static int count(struct rq *rq, const struct search *s, struct list *ret_facets, struct err *err)
{
    const struct worker *worker = rq->thread;
    const struct principal *who = rq_principal(rq);

    return db_list(worker->db, &q_dataset_facets,
                   DB_ARGS(s->any_tokens ? DB_ARRAY(DBT_TEXT_ARRAY, s->tokens.items, s->tokens.n)
                                         : DB_NULL(DBT_TEXT_ARRAY),
                           uuid_or_null(who->participant), DB_TEXT(who->did), DB_TEXT(s->domain),
                           DB_TEXT(s->price), DB_TEXT(s->media_type), uuid_or_null(s->provider),
                           DB_I64(COUNT_MAX + 1)),
                   &facet_row, rq->arena, LIMIT_PAGE, ret_facets, err);
}

static void write_item(const struct found *f, struct jw *w)
{
    jw_object(w);
    jw_kc(w, "dataset", uuid_format(f->dataset_id).c);
    jw_kstr(w, "asset", f->asset_id);
    jw_ki64(w, "version", f->version);
    jw_key(w, "title");
    jw_object(w);
    jw_kstr(w, "ko", f->title_ko);
    jw_kstr(w, "en", f->title_en);
    jw_object_end(w);
    jw_kstr(w, "domain", f->domain);
    jw_kstr(w, "media_type", f->media_type);
    jw_kstr(w, "semantic_id", f->semantic_id);
    jw_kstr(w, "price", f->price_kind);
    jw_kstr(w, "visibility", f->visibility);
    jw_key(w, "provider");
    jw_object(w);
    jw_kstr(w, "did", f->provider_did);
    jw_kstr(w, "ko", f->provider_ko);
    jw_kstr(w, "en", f->provider_en);
    jw_object_end(w);
    jw_kc(w, "changed_at", time_format(f->changed_us).c);
    jw_object_end(w);
}

/* {"domain":{"carbon":3,…},"price":{…},…} and the total; rows come grouped by facet. */
static void write_facets(const struct list *facets, struct jw *w)
{
    struct str open = STR_NONE;
    int64_t total = 0;

    jw_key(w, "facets");
    jw_object(w);
    for (size_t i = 0; i < facets->n; i++) {
        const struct facet *f = &LIST_ITEMS(struct facet, *facets)[i];

        if (str_eq(f->facet, STR("total"))) {
            total = f->n;
            continue;
        }
        if (!str_eq(f->facet, open)) {
            if (str_present(open))
                jw_object_end(w);
            jw_key_str(w, f->facet);
            jw_object(w);
            open = f->facet;
        }
        jw_key_str(w, f->value);
        jw_i64(w, f->n);
    }
    if (str_present(open))
        jw_object_end(w);
    jw_object_end(w);
    jw_ki64(w, "total", total > COUNT_MAX ? COUNT_MAX : total);
    jw_kbool(w, "total_is_exact", total <= COUNT_MAX);
}

int catalogue_search(struct rq *rq, struct err *err)
{
    AUTO(buf_done) struct buf out = buf_init(MIB(4));
    AUTO(buf_done) struct buf next = buf_init(128);
    struct search s = {0};
    struct list items = {0}, facets = {0};
    struct jw w = jw_init(&out);

    if (read_query(rq, &s, err) < 0 || find(rq, &s, &items, err) < 0)
        return err_ret(err);
    jw_object(&w);
    jw_key(&w, "items");
    jw_array(&w);
    for (size_t i = 0; i < items.n; i++)
        write_item(&LIST_ITEMS(struct found, items)[i], &w);
    jw_array_end(&w);
    /* facets belong to the search, not to the page: counted once, with the first */
    if (!s.after.given) {
        if (count(rq, &s, &facets, err) < 0)
            return err_ret(err);
        write_facets(&facets, &w);
    }
    if (items.n == (size_t)s.most) {
        write_cursor(&LIST_ITEMS(struct found, items)[items.n - 1], &next);
        jw_kstr(&w, "next", buf_str(&next));
    }
    jw_object_end(&w);
    rq_reply_buf(rq, 200, "application/json", &out);
    return 0;
}
