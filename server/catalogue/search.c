/*
 * server/catalogue/search.c - GET /v1/datasets: search in Korean and English with facets
 *
 * 1 Every token of the query must occur in a dataset (tokens.c). 2 First come those with more of
 * the tokens in the title, among equals the newest publication. 3 What the caller may not see
 * influences nothing: neither order, total and facets, nor whether COUNT_MAX is reached. 4 Up to
 * COUNT_MAX hits, total and facets are exact; with more, the total is COUNT_MAX, total_is_exact
 * is false, and facets are those of the newest COUNT_MAX. Order and pages never depend on that
 * limit. 5 A facet names its 50 most frequent values. 6 Pages follow a keyset token (rank, place):
 * a place is the number of a publication, so no two are equal, and what is published meanwhile
 * stands before the first page. How it is found: sql/schema/broker/0004-catalogue.sql.
 */
#include "lib/base/encode.h"
#include "lib/base/limits.h"
#include "lib/base/timefmt.h"
#include "server/catalogue/catalogue_private.h"
#include "server/registry/registry.h"
#include "sql_broker.h"

#include "lib/base/banned.h"

#define COUNT_MAX  1000
#define PAGE_MAX   100
#define CURSOR_LEN 16
#define FILTERS    4
#define SEERS      3

struct found {
    struct uuid dataset_id;
    struct str asset_id;
    int64_t version;
    struct str title_ko, title_en, domain, media_type, semantic_id, price_kind, visibility;
    struct str provider_did, provider_ko, provider_en;
    int64_t changed_us;
};

/* A dataset of the page (facet 'item', n is its rank), one value of a facet, or the total. */
struct line {
    struct str facet, value;
    int64_t n, place;
    struct uuid dataset_id;
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
};
static OBJECT(found_row, struct found, found_fields, OPEN);
static const struct field line_fields[] = {
    FIELD(struct line, facet,      "facet",      F_REQUIRED),
    FIELD(struct line, value,      "value",      F_REQUIRED),
    FIELD(struct line, n,          "n",          F_REQUIRED),
    FIELD(struct line, place,      "place",      F_REQUIRED),
    FIELD(struct line, dataset_id, "dataset_id", 0),
};
/* clang-format on */
static OBJECT(line_row, struct line, line_fields, OPEN);

/* After which dataset a page begins: its rank and place, big-endian; base64url. */
struct cursor {
    bool given;
    int64_t rank, place;
};

/* The lists are terms of the search index. */
struct search {
    struct str_list tokens;
    struct str filters[FILTERS];
    struct str seers[SEERS];
    size_t n_filters, n_seers; /* no seers: the caller sees everything */
    struct cursor after;
    int64_t most;
};

struct result {
    struct list lines, items; /* of struct line, struct found */
    size_t n_items;           /* of the lines */
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

static void write_cursor(const struct line *last, struct buf *out)
{
    uint8_t bytes[CURSOR_LEN];

    put_i64(bytes, last->n);
    put_i64(bytes + 8, last->place);
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
    cursor->place = get_i64((const uint8_t *)bytes.p + 8);
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

static void add_filter(struct rq *rq, struct search *s, const char *name, struct str value)
{
    if (str_present(value))
        s->filters[s->n_filters++] = search_term(name, value, rq->arena);
}

static int read_filters(struct rq *rq, struct search *s, struct err *err)
{
    const struct str provider = rq_query(rq, "provider");
    struct uuid id;

    add_filter(rq, s, "domain=", rq_query(rq, "domain"));
    add_filter(rq, s, "price=", rq_query(rq, "price"));
    add_filter(rq, s, "media_type=", rq_query(rq, "media_type"));
    if (!str_present(provider))
        return 0;
    if (find_provider(rq, provider, &id, err) < 0)
        return err_ret(err);
    add_filter(rq, s, "provider=", str_c(uuid_format(id).c));
    return 0;
}

/* Operator and auditor see everything, members what is for everybody, for them, and their own. */
static void read_seers(struct rq *rq, struct search *s)
{
    const struct principal *who = rq_principal(rq);

    if (uuid_is_zero(who->participant))
        return;
    s->seers[s->n_seers++] = STR("to=*");
    s->seers[s->n_seers++] = search_term("to=", who->did, rq->arena);
    s->seers[s->n_seers++] =
        search_term("provider=", str_c(uuid_format(who->participant).c), rq->arena);
}

static int read_words(struct rq *rq, struct search *s, struct err *err)
{
    const struct str q = rq_query(rq, "q");

    if (q.n > 1000)
        return err_tell(err, E_LIMIT, "?q", "at most 1000 bytes");
    if (search_tokens(q, SEARCH_QUERY, rq->arena, &s->tokens, err) < 0)
        return err_at_prefix(err, "?q");
    if (q.n > 0 && s->tokens.n == 0)
        return err_tell(err, E_INVALID, "?q", "expected at least one letter or digit");
    return 0;
}

static int read_query(struct rq *rq, struct search *s, struct err *err)
{
    if (rq_query_i64(rq, "limit", 20, 1, PAGE_MAX, &s->most, err) < 0 ||
        read_cursor(rq_query(rq, "after"), &s->after, err) < 0 || read_filters(rq, s, err) < 0 ||
        read_words(rq, s, err) < 0)
        return err_ret(err);
    read_seers(rq, s);
    return arena_failed(rq->arena) ? err_set(err, E_NO_MEMORY, "", "search terms") : 0;
}

struct job {
    struct rq *rq;
    const struct search *search;
    struct result *result;
};

/* db_tx_fn: what is found and what is said of it are of one snapshot. */
static int find(struct db *db, void *arg, struct err *err)
{
    const struct job *job = arg;
    const struct search *s = job->search;
    struct result *r = job->result;
    struct arena *arena = job->rq->arena;
    struct uuid ids[PAGE_MAX];

    if (db_list(db, &q_dataset_search,
                DB_ARGS(DB_ARRAY(DBT_TEXT_ARRAY, s->tokens.items, s->tokens.n),
                        DB_ARRAY(DBT_TEXT_ARRAY, s->filters, s->n_filters),
                        s->n_seers > 0 ? DB_ARRAY(DBT_TEXT_ARRAY, s->seers, s->n_seers)
                                       : DB_NULL(DBT_TEXT_ARRAY),
                        s->after.given ? DB_I64(s->after.rank) : DB_NULL(DBT_I64),
                        DB_I64(s->after.place), DB_I64(s->most), DB_I64(COUNT_MAX)),
                &line_row, arena, LIMIT_PAGE, &r->lines, err) < 0)
        return err_ret(err);
    r->n_items = 0;
    for (size_t i = 0; i < r->lines.n; i++) {
        const struct line *line = &LIST_ITEMS(struct line, r->lines)[i];

        if (str_eq(line->facet, STR("item")) && r->n_items < PAGE_MAX)
            ids[r->n_items++] = line->dataset_id;
    }
    return db_list(db, &q_dataset_items, DB_ARGS(DB_ARRAY(DBT_UUID_ARRAY, ids, r->n_items)),
                   &found_row, arena, PAGE_MAX, &r->items, err);
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
static void write_facets(const struct list *lines, struct jw *w)
{
    struct str open = STR_NONE;
    int64_t total = 0;

    jw_key(w, "facets");
    jw_object(w);
    for (size_t i = 0; i < lines->n; i++) {
        const struct line *line = &LIST_ITEMS(struct line, *lines)[i];

        if (str_eq(line->facet, STR("item")))
            continue;
        if (str_eq(line->facet, STR("total"))) {
            total = line->n;
            continue;
        }
        if (!str_eq(line->facet, open)) {
            if (str_present(open))
                jw_object_end(w);
            jw_key_str(w, line->facet);
            jw_object(w);
            open = line->facet;
        }
        jw_key_str(w, line->value);
        jw_i64(w, line->n);
    }
    if (str_present(open))
        jw_object_end(w);
    jw_object_end(w);
    jw_ki64(w, "total", total > COUNT_MAX ? COUNT_MAX : total);
    jw_kbool(w, "total_is_exact", total <= COUNT_MAX);
}

/* The last dataset of the page: the next one begins behind it. */
static const struct line *last_item(const struct result *r)
{
    const struct line *last = NULL;

    for (size_t i = 0; i < r->lines.n; i++) {
        if (str_eq(LIST_ITEMS(struct line, r->lines)[i].facet, STR("item")))
            last = &LIST_ITEMS(struct line, r->lines)[i];
    }
    return last;
}

int catalogue_search(struct rq *rq, struct err *err)
{
    const struct worker *worker = rq->thread;
    AUTO(buf_done) struct buf out = buf_init(MIB(4));
    AUTO(buf_done) struct buf next = buf_init(128);
    struct search s = {0};
    struct result r = {0};
    struct job job = {rq, &s, &r};
    struct jw w = jw_init(&out);

    if (read_query(rq, &s, err) < 0 ||
        db_snapshot(worker->db, "dataset_search", find, &job, err) < 0)
        return err_ret(err);
    jw_object(&w);
    jw_key(&w, "items");
    jw_array(&w);
    for (size_t i = 0; i < r.items.n; i++)
        write_item(&LIST_ITEMS(struct found, r.items)[i], &w);
    jw_array_end(&w);
    /* facets belong to the search, not to the page: they come with the first */
    if (!s.after.given)
        write_facets(&r.lines, &w);
    if (r.n_items == (size_t)s.most) {
        write_cursor(last_item(&r), &next);
        jw_kstr(&w, "next", buf_str(&next));
    }
    jw_object_end(&w);
    rq_reply_buf(rq, 200, "application/json", &out);
    return 0;
}
