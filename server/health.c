/*
 * server/health.c - is the process alive, and if it is not ready: why
 */
#include "server/health.h"

#include "lib/base/timefmt.h"
#include "lib/log/counters.h"
#include "server/audit/audit.h"
#include "server/registry/auth.h"
#include "sql_broker.h"

#include "lib/base/banned.h"

#define SEALER_LAG_MAX_US (10 * US_PER_S)
#define WRITER_LAG_MAX_US (10 * US_PER_S)

static int health_live(struct rq *rq, struct err *err)
{
    (void)err;
    rq_reply_json(rq, 200, STR("{\"status\":\"live\"}"));
    return 0;
}

static const char *database_state(struct rq *rq)
{
    const struct worker *worker = rq->thread;
    struct err err = {0};

    return db_exec(worker->db, &q_health_ping, DB_NO_ARGS, NULL, &err) < 0 ? "not reachable" : "ok";
}

static int health_ready(struct rq *rq, struct err *err)
{
    const struct app *app = rq->app;

    const struct {
        const char *name, *state;
    } parts[] = {
        {"database", database_state(rq)                                                  },
        {"writer",   writer_lag_us(app->writer) > WRITER_LAG_MAX_US ? "stuck" : "ok"     },
        {"sealer",   sealer_lag_us(app->sealer) > SEALER_LAG_MAX_US ? "far behind" : "ok"},
    };
    AUTO(buf_done) struct buf out = buf_init(KIB(4));
    struct jw w = jw_init(&out);
    bool ready = true;

    (void)err;
    jw_object(&w);
    for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
        ready = ready && str_eq_c(STR("ok"), parts[i].state);
        jw_kc(&w, parts[i].name, parts[i].state);
    }
    jw_kc(&w, "status", ready ? "ready" : "not ready");
    jw_object_end(&w);
    rq_reply_json(rq, ready ? 200 : 503, buf_str(&out));
    return 0;
}

const struct http_route health_routes[] = {
    {.method = "GET",
     .path = "/healthz",
     .handler = health_live,
     .who = W_PUBLIC,
     .flags = HTTP_NO_LOG,
     .name = "health_live"},
    {.method = "GET",
     .path = "/readyz",
     .handler = health_ready,
     .who = W_PUBLIC,
     .flags = HTTP_NO_LOG,
     .name = "health_ready"},
    {0  },
};
const struct http_route health_operator_routes[] = {
    {.method = "GET",
     .path = "/metrics",
     .handler = http_metrics,
     .who = W_PUBLIC,
     .flags = HTTP_NO_LOG,
     .name = "metrics"},
    {0},
};
