/*
 * server/evidence/export.c - GET /v1/audit/export: entries by kind and time as NDJSON or CSV,
 * resumable; GET /v1/audit/manifest: what the export holds, signed
 *
 * An NDJSON line is the entry's own bytes, so that its leaf hash can be taken from the file. Pages
 * follow `after` (a log index); the answer's header Naru-Next names the next one while there is
 * more.
 */
#include "lib/base/limits.h"
#include "lib/base/timefmt.h"
#include "lib/crypto/hash.h"
#include "server/evidence/evidence_private.h"
#include "server/registry/registry.h"
#include "sql_broker.h"

#include "lib/base/banned.h"

#define PAGE_MAX 10000

struct filter {
    struct str kind;
    bool has_from, has_to;
    int64_t from_us, to_us, after;
};

static int read_filter(struct rq *rq, struct filter *f, struct err *err)
{
    const struct str from = rq_query(rq, "from"), to = rq_query(rq, "to");
    enum entry_kind kind;

    f->kind = rq_query(rq, "kind");
    if (str_present(f->kind) && !entry_kind_parse(f->kind, &kind))
        return err_tell(err, E_INVALID, "?kind", "unknown kind of entry");
    f->has_from = str_present(from);
    f->has_to = str_present(to);
    if (f->has_from && !time_parse(from, &f->from_us))
        return err_tell(err, E_INVALID, "?from", "expected an RFC 3339 time with zone");
    if (f->has_to && !time_parse(to, &f->to_us))
        return err_tell(err, E_INVALID, "?to", "expected an RFC 3339 time with zone");
    return rq_query_i64(rq, "after", -1, -1, INT64_MAX, &f->after, err);
}

static int page(struct rq *rq, const struct filter *f, int64_t after, int64_t most,
                struct list *ret, struct err *err)
{
    const struct worker *worker = rq->thread;

    return db_list(worker->db, &q_audit_export,
                   DB_ARGS(DB_I64(after), DB_TEXT(f->kind),
                           f->has_from ? DB_TIME(f->from_us) : DB_NULL(DBT_TIME),
                           f->has_to ? DB_TIME(f->to_us) : DB_NULL(DBT_TIME), DB_I64(most)),
                   &audit_entry_row_object, rq->arena, (size_t)most, ret, err);
}

/* RFC 4180: quotes doubled, always quoted. */
static void csv_text(struct buf *out, struct str text)
{
    buf_add_char(out, '"');
    for (size_t i = 0; i < text.n; i++) {
        if (text.p[i] == '"')
            buf_add_char(out, '"');
        buf_add_char(out, text.p[i]);
    }
    buf_add_char(out, '"');
}

static void write_ndjson(struct buf *out, const struct list *rows)
{
    for (size_t i = 0; i < rows->n; i++) {
        buf_add_str(out, LIST_ITEMS(struct audit_entry_row, *rows)[i].entry);
        buf_add_char(out, '\n');
    }
}

static void write_csv(struct buf *out, const struct list *rows)
{
    buf_add_c(out, "log_index,at,kind,entry\r\n");
    for (size_t i = 0; i < rows->n; i++) {
        const struct audit_entry_row *row = &LIST_ITEMS(struct audit_entry_row, *rows)[i];

        buf_add_i64(out, row->log_index);
        buf_printf(out, ",%s,", time_format(row->at_us).c);
        csv_text(out, row->kind);
        buf_add_char(out, ',');
        csv_text(out, row->entry);
        buf_add_c(out, "\r\n");
    }
}

static const struct {
    const char *name, *content_type;
    void (*write)(struct buf *out, const struct list *rows);
} formats[] = {
    {"ndjson", "application/x-ndjson",    write_ndjson},
    {"csv",    "text/csv; charset=utf-8", write_csv   },
};

struct noting {
    struct rq *rq;
    struct str kind, from, to;
};

static int log_export(struct db *tx, void *arg, struct err *err)
{
    const struct noting *n = arg;
    AUTO(buf_done) struct buf body = buf_init(KIB(4));
    struct jw w = jw_init(&body);

    jw_object(&w);
    jw_kstr(&w, "by", rq_principal(n->rq)->label);
    jw_kstr(&w, "kind", str_present(n->kind) ? n->kind : STR("all"));
    if (str_present(n->from))
        jw_kstr(&w, "from", n->from);
    if (str_present(n->to))
        jw_kstr(&w, "to", n->to);
    jw_object_end(&w);
    return audit_append(tx, ENTRY_EXPORT_MADE, env_wall_us(n->rq->env), buf_str(&body), err);
}

int audit_get_export(struct rq *rq, struct err *err)
{
    const struct worker *worker = rq->thread;
    struct str format = rq_query(rq, "format");
    AUTO(buf_done) struct buf out = buf_init(MIB(256));
    struct noting noting = {rq, rq_query(rq, "kind"), rq_query(rq, "from"), rq_query(rq, "to")};
    struct filter f = {0};
    struct list rows = {0};
    int64_t most;

    if (!str_present(format))
        format = STR("ndjson");
    if (read_filter(rq, &f, err) < 0 ||
        rq_query_i64(rq, "limit", 1000, 1, PAGE_MAX, &most, err) < 0)
        return err_ret(err);
    for (size_t i = 0; i < ARRAY_LEN(formats); i++) {
        if (!str_eq_c(format, formats[i].name))
            continue;
        if (page(rq, &f, f.after, most, &rows, err) < 0)
            return err_ret(err);
        /* one entry for the whole export: with its first page */
        if (f.after < 0 && db_tx(worker->db, "export", log_export, &noting, err) < 0)
            return err_ret(err);
        formats[i].write(&out, &rows);
        if (rows.n == (size_t)most)
            rq_reply_header(
                rq, "Naru-Next",
                arena_printf(
                    rq->arena, "%lld",
                    (long long)LIST_ITEMS(struct audit_entry_row, rows)[rows.n - 1].log_index));
        rq_reply_buf(rq, 200, formats[i].content_type, &out);
        return 0;
    }
    return err_tell(err, E_INVALID, "?format", "expected ndjson or csv");
}

/* -- manifest ---------------------------------------------------------------------------------- */

struct totals {
    struct hash *hash;
    int64_t rows, first, last;
};

static int add_one(void *cls, const void *value, struct err *err)
{
    const struct audit_entry_row *row = value;
    struct totals *t = cls;

    (void)err;
    hash_add(t->hash, row->entry.p, row->entry.n);
    hash_add(t->hash, "\n", 1);
    if (t->rows++ == 0)
        t->first = row->log_index;
    t->last = row->log_index;
    return 0;
}

static int add_up(struct rq *rq, const struct filter *f, struct totals *t,
                  uint8_t ret_hash[static SHA256_LEN], struct err *err)
{
    const struct worker *worker = rq->thread;

    t->first = t->last = -1;
    t->hash = hash_begin();
    if (db_each(worker->db, &q_audit_export,
                DB_ARGS(DB_I64(f->after), DB_TEXT(f->kind),
                        f->has_from ? DB_TIME(f->from_us) : DB_NULL(DBT_TIME),
                        f->has_to ? DB_TIME(f->to_us) : DB_NULL(DBT_TIME), DB_I64(INT64_MAX)),
                &audit_entry_row_object, add_one, t, err) < 0) {
        hash_free(&t->hash);
        return err_ret(err);
    }
    hash_end(&t->hash, ret_hash);
    return 0;
}

int audit_get_manifest(struct rq *rq, struct err *err)
{
    const struct app *app = rq->app;
    const struct worker *worker = rq->thread;
    AUTO(buf_done) struct buf text = buf_init(KIB(64));
    AUTO(buf_done) struct buf canonical = buf_init(KIB(64));
    AUTO(buf_done) struct buf out = buf_init(KIB(128));
    AUTO(jdoc_free) struct jdoc *doc = NULL;
    struct audit_checkpoint_row newest = {0};
    struct filter f = {0};
    struct totals totals = {0};
    uint8_t hash[SHA256_LEN];
    struct jw w = jw_init(&text);

    if (read_filter(rq, &f, err) < 0 || add_up(rq, &f, &totals, hash, err) < 0 ||
        audit__newest(worker->db, rq->arena, &newest, err) < 0)
        return err_ret(err);
    jw_object(&w);
    jw_kstr(&w, "kind", str_present(f.kind) ? f.kind : STR("all"));
    if (f.has_from)
        jw_kc(&w, "from", time_format(f.from_us).c);
    if (f.has_to)
        jw_kc(&w, "to", time_format(f.to_us).c);
    jw_ki64(&w, "rows", totals.rows);
    jw_ki64(&w, "first_index", totals.first);
    jw_ki64(&w, "last_index", totals.last);
    jw_kc(&w, "ndjson_sha256", hash_hex(hash).c);
    jw_kc(&w, "software", "naru-broker " NARU_VERSION);
    jw_kstr(&w, "checkpoint", newest.note);
    jw_object_end(&w);
    if (jdoc_parse(buf_str(&text), &jlimits_default, &doc, err) < 0)
        return err_ret(err);
    jval_canonical(&canonical, jdoc_root(doc));
    buf_add_c(&out, "{\"manifest\":");
    buf_add_str(&out, buf_str(&canonical));
    buf_add_c(&out, ",\"signature\":\"");
    if (broker_sign(app, "naru-manifest+jws", buf_str(&canonical), &out, err) < 0)
        return err_ret(err);
    buf_add_c(&out, "\"}");
    rq_reply_buf(rq, 200, "application/json", &out);
    return 0;
}
