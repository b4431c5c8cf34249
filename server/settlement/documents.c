/*
 * server/settlement/documents.c - GET /v1/documents, GET /v1/documents/{id}
 *
 * A participant sees its own documents, operator and auditor all. One document is JSON: the members
 * of its body and `parties`; with "Accept: text/html" it is a page.
 */
#include "lib/base/limits.h"
#include "lib/base/timefmt.h"
#include "server/settlement/settlement_private.h"
#include "sql_broker.h"

#include "lib/base/banned.h"

struct listed {
    struct uuid document_id, participant_id;
    struct str kind, number, period, did, currency;
    int64_t net_minor, vat_minor, fee_minor, total_minor, issued_us;
};

struct stored {
    struct uuid document_id, participant_id;
    struct str kind, body, parties;
    int64_t issued_us;
};
/* clang-format off */
static const struct field listed_fields[] = {
    FIELD(struct listed, document_id,    "document_id",    F_REQUIRED),
    FIELD(struct listed, kind,           "kind",           F_REQUIRED),
    FIELD(struct listed, number,         "number",         F_REQUIRED),
    FIELD(struct listed, period,         "period",         F_REQUIRED),
    FIELD(struct listed, participant_id, "participant_id", F_REQUIRED),
    FIELD(struct listed, did,            "did",            F_REQUIRED),
    FIELD(struct listed, currency,       "currency",       F_REQUIRED),
    FIELD(struct listed, net_minor,      "net_minor",      F_REQUIRED),
    FIELD(struct listed, vat_minor,      "vat_minor",      F_REQUIRED),
    FIELD(struct listed, fee_minor,      "fee_minor",      F_REQUIRED),
    FIELD(struct listed, total_minor,    "total_minor",    F_REQUIRED),
    FIELD(struct listed, issued_us,      "issued_at",      F_REQUIRED | F_TIME),
};
static OBJECT(listed_row, struct listed, listed_fields, CLOSED);
static const struct field stored_fields[] = {
    FIELD(struct stored, document_id,    "document_id",    F_REQUIRED),
    FIELD(struct stored, kind,           "kind",           F_REQUIRED),
    FIELD(struct stored, participant_id, "participant_id", F_REQUIRED),
    FIELD(struct stored, body,           "body",           F_REQUIRED),
    FIELD(struct stored, parties,        "parties",        F_REQUIRED),
    FIELD(struct stored, issued_us,      "issued_at",      F_REQUIRED | F_TIME),
};
static OBJECT(stored_row, struct stored, stored_fields, CLOSED);

/* clang-format on */

static bool sees_all(const struct principal *who)
{
    return (who->roles & (W_OPERATOR | W_AUDITOR)) != 0;
}

/* -- list -------------------------------------------------------------------------------------- */

static void write_listed(const struct listed *d, struct jw *w)
{
    jw_object(w);
    jw_kc(w, "document", uuid_format(d->document_id).c);
    jw_kstr(w, "kind", d->kind);
    jw_kstr(w, "number", d->number);
    jw_kstr(w, "period", d->period);
    jw_kc(w, "participant", uuid_format(d->participant_id).c);
    jw_kstr(w, "did", d->did);
    jw_kstr(w, "currency", d->currency);
    settlement__amount(w, "net", d->net_minor, d->currency);
    settlement__amount(w, "vat", d->vat_minor, d->currency);
    if (str_eq(d->kind, STR("statement"))) {
        settlement__amount(w, "fee", d->fee_minor, d->currency);
        settlement__amount(w, "payout", d->total_minor, d->currency);
    } else {
        settlement__amount(w, "total", d->total_minor, d->currency);
    }
    jw_kc(w, "issued_at", time_format(d->issued_us).c);
    jw_object_end(w);
}

int documents__write(struct db *db, struct str period, struct jw *w, struct err *err)
{
    AUTO(arena_free) struct arena *arena = arena_new(MIB(8));
    AUTO(buf_done) struct buf after = buf_init(KIB(1));
    struct list list = {0};

    if (arena == NULL)
        return err_set(err, E_NO_MEMORY, "", "documents");
    jw_key(w, "documents");
    jw_array(w);
    do {
        arena_reset(arena);
        if (db_list(db, &q_document_list,
                    DB_ARGS(DB_NULL(DBT_UUID), DB_NULL(DBT_TEXT), DB_TEXT(period),
                            DB_TEXT(buf_str(&after)), DB_I64(LIMIT_PAGE)),
                    &listed_row, arena, LIMIT_PAGE, &list, err) < 0)
            return err_ret(err);
        for (size_t i = 0; i < list.n; i++)
            write_listed(&LIST_ITEMS(struct listed, list)[i], w);
        buf_reset(&after);
        if (list.n > 0)
            buf_add_str(&after, LIST_ITEMS(struct listed, list)[list.n - 1].number);
    } while (list.n == LIMIT_PAGE);
    jw_array_end(w);
    return 0;
}

int document_list(struct rq *rq, struct err *err)
{
    const struct worker *worker = rq->thread;
    const struct principal *who = rq_principal(rq);
    AUTO(buf_done) struct buf out = buf_init(MIB(2));
    struct list list = {0};
    struct jw w = jw_init(&out);
    int64_t most;

    if (rq_query_i64(rq, "limit", 100, 1, LIMIT_PAGE, &most, err) < 0 ||
        db_list(worker->db, &q_document_list,
                DB_ARGS(sees_all(who) ? DB_NULL(DBT_UUID) : DB_UUID(who->participant),
                        DB_TEXT(rq_query(rq, "kind")), DB_TEXT(rq_query(rq, "period")),
                        DB_TEXT(rq_query(rq, "after")), DB_I64(most)),
                &listed_row, rq->arena, (size_t)most, &list, err) < 0)
        return err_ret(err);
    jw_object(&w);
    jw_key(&w, "items");
    jw_array(&w);
    for (size_t i = 0; i < list.n; i++)
        write_listed(&LIST_ITEMS(struct listed, list)[i], &w);
    jw_array_end(&w);
    if (list.n == (size_t)most)
        jw_kstr(&w, "next", LIST_ITEMS(struct listed, list)[list.n - 1].number);
    jw_object_end(&w);
    rq_reply_buf(rq, 200, "application/json", &out);
    return 0;
}

/* -- one --------------------------------------------------------------------------------------- */

static void write_json(const struct jval *body, const struct jval *parties, struct buf *out)
{
    struct jw w = jw_init(out);

    jw_object(&w);
    for (const struct jiter *it = jiter_first(body); it != NULL; it = jiter_next(body, it)) {
        jw_key_str(&w, jiter_key(it));
        jw_val(&w, jiter_value(it));
    }
    jw_kval(&w, "parties", parties);
    jw_object_end(&w);
}

/* True if the first kind of answer that we know in Accept is HTML. */
static bool wants_page(const struct rq *rq)
{
    struct str rest = rq_header(rq, "Accept");

    while (str_present(rest)) {
        struct str item = str_cut(&rest, ',');
        const struct str type = str_trim(str_cut(&item, ';'));

        if (str_eq_nocase(type, STR("text/html")))
            return true;
        if (str_eq_nocase(type, STR("application/json")))
            return false;
    }
    return false;
}

static int reply_document(struct rq *rq, const struct stored *d, struct err *err)
{
    static const struct jlimits limits = {MIB(1), 16, 100000};
    AUTO(buf_done) struct buf out = buf_init(MIB(4));
    AUTO(jdoc_free) struct jdoc *body = NULL;
    AUTO(jdoc_free) struct jdoc *parties = NULL;
    const bool page = wants_page(rq);

    if (jdoc_parse(d->body, &limits, &body, err) < 0 ||
        jdoc_parse(d->parties, &limits, &parties, err) < 0)
        return err_set(err, E_CORRUPT, "bil.document", "document '%s' cannot be read",
                       uuid_format(d->document_id).c);
    if (page)
        document__html(jdoc_root(body), jdoc_root(parties), &out);
    else
        write_json(jdoc_root(body), jdoc_root(parties), &out);
    if (buf_failed(&out))
        return err_set(err, E_LIMIT, "", "document '%s'", uuid_format(d->document_id).c);
    rq_reply_header(rq, "Vary", STR("Accept"));
    if (page)
        rq_reply_header(rq, "Content-Security-Policy",
                        STR("default-src 'none'; style-src 'unsafe-inline'"));
    rq_reply_buf(rq, 200, page ? "text/html; charset=utf-8" : "application/json", &out);
    return 0;
}

int document_get(struct rq *rq, struct err *err)
{
    const struct worker *worker = rq->thread;
    const struct principal *who = rq_principal(rq);
    struct stored d = {0};
    struct uuid id;

    if (!uuid_parse(rq_param(rq, "id"), &id))
        return err_tell(err, E_NOT_FOUND, "", "no such document");
    switch (db_one(worker->db, &q_document_get, DB_ARGS(DB_UUID(id)), &stored_row, rq->arena, &d,
                   err)) {
    case DB_ROW: break;
    case DB_NONE: return err_tell(err, E_NOT_FOUND, "", "no such document");
    case DB_FAIL: return err_ret(err);
    }
    /* another's document looks like none */
    if (!sees_all(who) && !uuid_eq(d.participant_id, who->participant))
        return err_tell(err, E_NOT_FOUND, "", "no such document");
    return reply_document(rq, &d, err);
}
