/*
 * connector/mgmt/health.c - is the process alive (/healthz), is it ready, and if not: why (/readyz;
 * /check in EDC's form)
 *
 * Ready means: the database answers, what the writer is asked to do is done within
 * WRITER_LAG_MAX_US, and on PostgreSQL other replicas are heard.
 */
#include "connector/mgmt/mgmt_private.h"
#include "connector/replica.h"
#include "lib/base/timefmt.h"
#include "sql_connector.h"

#include "lib/base/banned.h"

#define WRITER_LAG_MAX_US (10 * US_PER_S)

enum part { DATABASE, WRITER, REPLICAS, PARTS };

/* What is wrong with each part, NULL if nothing is; returns whether all are well. */
static bool look(struct rq *rq, const char *wrong[PARTS])
{
    const struct worker *worker = rq->thread;
    const struct app *app = rq->app;
    struct err err = {0};

    wrong[DATABASE] = db_exec(worker->db, &q_mgmt_alive, DB_NO_ARGS, NULL, &err) < 0
                          ? "database is not reachable"
                          : NULL;
    wrong[WRITER] = writer_lag_us(app->writer) > WRITER_LAG_MAX_US ? "writer is stuck" : NULL;
    wrong[REPLICAS] = !replica_hears(app->replica) ? "other replicas are not heard" : NULL;
    return wrong[DATABASE] == NULL && wrong[WRITER] == NULL && wrong[REPLICAS] == NULL;
}

int mgmt_live(struct rq *rq, struct err *err)
{
    (void)err;
    rq_reply_json(rq, 200, STR("{\"status\":\"live\"}"));
    return 0;
}

int mgmt_ready(struct rq *rq, struct err *err)
{
    static const char *const names[] = {
        [DATABASE] = "database", [WRITER] = "writer", [REPLICAS] = "replicas"};
    AUTO(buf_done) struct buf body = buf_init(KIB(4));
    struct jw w = jw_init(&body);
    const char *wrong[PARTS];
    const bool ready = look(rq, wrong);

    (void)err;
    jw_object(&w);
    for (size_t i = 0; i < PARTS; i++)
        jw_kc(&w, names[i], wrong[i] != NULL ? wrong[i] : "ok");
    jw_kc(&w, "status", ready ? "ready" : "not ready");
    jw_object_end(&w);
    rq_reply_json(rq, ready ? 200 : 503, buf_str(&body));
    return 0;
}

int mgmt_health(struct rq *rq, struct err *err)
{
    AUTO(buf_done) struct buf body = buf_init(KIB(4));
    struct jw w = jw_init(&body);
    const char *wrong[PARTS];
    const bool healthy = look(rq, wrong);

    (void)err;
    jw_object(&w);
    jw_kbool(&w, "isSystemHealthy", healthy);
    jw_key(&w, "componentResults");
    jw_array(&w);
    jw_object(&w);
    jw_kc(&w, "component", "naru-connector");
    jw_kbool(&w, "isHealthy", healthy);
    jw_key(&w, "failure");
    if (healthy)
        jw_null(&w);
    else
        jw_c(&w, wrong[DATABASE] != NULL ? wrong[DATABASE] : wrong[WRITER]);
    jw_object_end(&w);
    jw_array_end(&w);
    jw_object_end(&w);
    rq_reply_json(rq, healthy ? 200 : 503, buf_str(&body));
    return 0;
}

const struct http_route mgmt_public_routes[] = {
    {.method = "GET",
     .path = "/healthz",
     .handler = mgmt_live,
     .who = W_PUBLIC,
     .flags = HTTP_NO_LOG,
     .name = "mgmt_live"},
    {0},
};
