/*
 * connector/mgmt/status.c - GET /naru/v1/status
 */
#include "connector/dsp/dsp.h"
#include "connector/exchange/exchange.h"
#include "connector/mgmt/mgmt_private.h"
#include "connector/replica.h"
#include "lib/base/timefmt.h"
#include "sql_connector.h"

#include "lib/base/banned.h"

/* -- status ------------------------------------------------------------------------------------ */

struct counts {
    int64_t assets, policies, definitions, negotiations, agreements, transfers, outbox;
};

struct membership {
    struct str credential;
    int64_t expires_us;
};
/* clang-format off */
static const struct field count_fields[] = {
    FIELD(struct counts, assets,       "assets",       F_REQUIRED),
    FIELD(struct counts, policies,     "policies",     F_REQUIRED),
    FIELD(struct counts, definitions,  "definitions",  F_REQUIRED),
    FIELD(struct counts, negotiations, "negotiations", F_REQUIRED),
    FIELD(struct counts, agreements,   "agreements",   F_REQUIRED),
    FIELD(struct counts, transfers,    "transfers",    F_REQUIRED),
    FIELD(struct counts, outbox,       "outbox",       F_REQUIRED),
};
static OBJECT(counts_object, struct counts, count_fields, CLOSED);
static const struct field membership_fields[] = {
    FIELD(struct membership, credential, "credential", F_REQUIRED | F_SECRET),
    FIELD(struct membership, expires_us, "expires_us", F_REQUIRED),
};
/* clang-format on */
static OBJECT(membership_row, struct membership, membership_fields, OPEN);

static int write_broker(struct rq *rq, struct jw *w, struct err *err)
{
    const struct worker *worker = rq->thread;
    const struct app *app = rq->app;
    const struct settings *s = app->settings;
    struct membership row = {0};

    jw_key(w, "broker");
    if (!exchange_enabled(app)) {
        jw_null(w);
        return 0;
    }
    if (db_one(worker->db, &q_membership_get, DB_ARGS(DB_TEXT(s->participant_did)), &membership_row,
               rq->arena, &row, err) == DB_FAIL)
        return err_ret(err);
    jw_object(w);
    jw_kstr(w, "url", s->broker_url);
    jw_kstr(w, "did", s->broker_did);
    jw_kbool(w, "member", row.expires_us > env_wall_us(rq->env));
    if (row.expires_us > 0)
        jw_kc(w, "member_until", time_format(row.expires_us).c);
    jw_object_end(w);
    return 0;
}

/* null: one process, on SQLite. */
static int write_replicas(struct rq *rq, struct jw *w, struct err *err)
{
    const struct worker *worker = rq->thread;
    const struct app *app = rq->app;
    struct list all = {0};

    jw_key(w, "replica");
    if (app->replica == NULL) {
        jw_null(w);
        return 0;
    }
    if (replica_list(worker->db, rq->arena, &all, err) < 0)
        return err_ret(err);
    jw_object(w);
    jw_ki64(w, "id", replica_id(app->replica));
    jw_kbool(w, "hears", replica_hears(app->replica));
    jw_key(w, "all");
    jw_array(w);
    for (size_t i = 0; i < all.n; i++) {
        const struct replica_entry *e = &LIST_ITEMS(struct replica_entry, all)[i];

        jw_object(w);
        jw_ki64(w, "id", e->replica_id);
        jw_kstr(w, "name", e->name);
        jw_kc(w, "started_at", time_format(e->started_us).c);
        jw_kbool(w, "alive", e->alive);
        jw_object_end(w);
    }
    jw_array_end(w);
    jw_object_end(w);
    return 0;
}

int mgmt_status(struct rq *rq, struct err *err)
{
    const struct worker *worker = rq->thread;
    const struct app *app = rq->app;
    AUTO(buf_done) struct buf body = buf_init(KIB(32));
    struct jw w = jw_init(&body);
    struct counts counts = {0};

    if (db_one(worker->db, &q_mgmt_counts, DB_NO_ARGS, &counts_object, rq->arena, &counts, err) ==
        DB_FAIL)
        return err_ret(err);
    jw_object(&w);
    jw_kstr(&w, "participant", app->settings->participant_did);
    jw_kc(&w, "version", NARU_VERSION);
    jw_kstr(&w, "dsp", app->dsp_url);
    jw_kstr(&w, "data", app->data_url);
    jw_key(&w, "protocols");
    jw_array(&w);
    for (size_t i = 0; str_present(dsp_protocol(app->settings, i)); i++)
        jw_str(&w, dsp_protocol(app->settings, i));
    jw_array_end(&w);
    if (write_broker(rq, &w, err) < 0 || write_replicas(rq, &w, err) < 0)
        return err_ret(err);
    jw_ki64(&w, "writer_lag_us", writer_lag_us(app->writer));
    jw_key(&w, "counts");
    object_encode(&counts_object, &counts, &w);
    jw_object_end(&w);
    return mgmt__reply(rq, &body, err);
}
