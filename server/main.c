/*
 * server/main.c - naru-broker: settings, parts, signals
 */
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/check.h"
#include "lib/db/migrate.h"
#include "lib/log/log.h"
#include "lib/run/run.h"
#include "server/app.h"
#include "server/audit/audit.h"
#include "server/catalogue/catalogue.h"
#include "server/evidence/evidence.h"
#include "server/health.h"
#include "server/idempotency.h"
#include "server/metering/metering.h"
#include "server/openapi/openapi.h"
#include "server/order/order.h"
#include "server/registry/auth.h"
#include "server/registry/registry.h"
#include "server/settlement/settlement.h"
#include "sql_broker.h"

#include "lib/base/banned.h"

static const struct outbox_queries outbox_sql = {
    .insert = &q_outbox_insert,
    .delete = &q_outbox_delete,
    .repeat = &q_outbox_repeat,
    .pending = &q_outbox_pending,
};

static void *worker_new(void *cls, struct err *err)
{
    const struct app *app = cls;
    AUTO(db_close) struct db *db = NULL;
    struct worker *worker;

    if (db_open(&app->db, &db, err) < 0)
        return NULL;
    worker = calloc(1, sizeof(*worker));
    if (worker == NULL) {
        (void)err_set(err, E_NO_MEMORY, "", "worker");
        return NULL;
    }
    worker->db = MOVE(db);
    return worker;
}

static void worker_free(void *cls, void *thread)
{
    struct worker *worker = thread;

    (void)cls;
    db_close(&worker->db);
    free(worker);
}

/*
 * Migrations run with the rights of the login role; everything after them with those of naru_app.
 */
static int open_database(struct app *app, struct arena *arena, struct err *err)
{
    const char *target = arena_cstr(arena, app->settings->database);
    AUTO(db_close) struct db *db = NULL;
    int applied = 0;

    if (target == NULL)
        return err_set(err, E_NO_MEMORY, "", "settings");
    if (db_target_parse(target, &app->db, err) < 0)
        return err_ret(err);
    if (app->db.kind != DB_PG)
        return err_set(err, E_CONFIG, "database", "the broker needs PostgreSQL");
    if (db_open(&app->db, &db, err) < 0 ||
        db_migrate(db, sql_broker_migrations, sql_broker_n_migrations, app->env, &applied, err) < 0)
        return err_prefix(err, "database");
    if (applied > 0)
        log_info(NULL, "schema brought up to date", L_I64("applied", applied));
    app->db.role = "naru_app";
    return 0;
}

static const char *path_or_null(struct arena *arena, struct str path)
{
    return path.n > 0 ? arena_cstr(arena, path) : NULL;
}

static int open_listener(struct app *app, const struct http_cfg *form, struct arena *arena,
                         struct http **ret_http, struct err *err)
{
    struct http_cfg cfg = *form;

    cfg.env = app->env;
    cfg.app = app;
    cfg.cert_file = path_or_null(arena, app->settings->tls_cert);
    cfg.key_file = path_or_null(arena, app->settings->tls_key);
    cfg.thread_new = worker_new;
    cfg.thread_free = worker_free;
    cfg.authorise = auth_check;
    if (cfg.cert_file == NULL && !http_is_loopback(cfg.address))
        return err_set(err, E_CONFIG, "tls.certificate", "needed: '%.*s' is not loopback",
                       STR_ARG(cfg.address));
    return http_open(&cfg, ret_http, err);
}

static int open_listeners(struct app *app, struct arena *arena, struct err *err)
{
    static const struct http_route *const api[] = {
        health_routes,   registry_routes,   catalogue_routes, order_routes,
        metering_routes, settlement_routes, evidence_routes,  openapi_routes,
    };
    static const struct http_route *const operator[] = {
        health_routes,         health_operator_routes,     registry_operator_routes,
        order_operator_routes, settlement_operator_routes,
    };
    const struct settings *s = app->settings;
    const struct http_cfg api_form = {
        .name = "api",
        .address = s->listen,
        .threads = (unsigned)s->threads,
        .route_tables = api,
        .n_route_tables = ARRAY_LEN(api),
    };
    const struct http_cfg operator_form = {
        .name = "operator",
        .address = s->operator_listen,
        .threads = 2,
        .route_tables = operator,
        .n_route_tables = ARRAY_LEN(operator),
    };

    if (open_listener(app, &api_form, arena, &app->http, err) < 0)
        return err_ret(err);
    return open_listener(app, &operator_form, arena, &app->operator_http, err);
}

/* Our own address as others see it: url, or https://localhost and the port of listen. */
static int own_url(struct app *app, struct arena *arena, struct err *err)
{
    const struct settings *s = app->settings;
    size_t colon = s->listen.n;

    while (colon > 0 && s->listen.p[colon - 1] != ':')
        colon--;
    app->url = s->url;
    if (app->url.n == 0)
        app->url = arena_printf(arena, "%s://localhost:%.*s", s->tls_cert.n > 0 ? "https" : "http",
                                STR_ARG(str_from(s->listen, colon)));
    while (app->url.n > 0 && app->url.p[app->url.n - 1] == '/')
        app->url.n--;
    return arena_failed(arena) ? err_set(err, E_NO_MEMORY, "", "address") : 0;
}

/* Keys are ids of orders, but for one. */
static void fire(void *cls, struct str key, int64_t due_us)
{
    if (str_eq(key, STR(IDEM_TIMER)))
        idem_forget(cls);
    else
        order_expire(cls, key, due_us);
}

static int open_parts(struct app *app, struct arena *arena, struct err *err)
{
    const struct settings *s = app->settings;
    const struct fetch_cfg fetch_cfg = {
        .env = app->env,
        .ca_file = path_or_null(arena, s->ca_file),
        .allow_http = s->allow_http,
        .allow = s->allow_addresses.items,
        .n_allow = s->allow_addresses.n,
        .user_agent = "naru-broker/" NARU_VERSION,
    };

    if (own_url(app, arena, err) < 0 ||
        key_load(arena_cstr(arena, s->key_file), &app->key, err) < 0 ||
        key_load(arena_cstr(arena, s->log_key_file), &app->log_key, err) < 0 ||
        open_database(app, arena, err) < 0 ||
        writer_open(&app->db, app->env, &app->writer, err) < 0 ||
        fetcher_open(&fetch_cfg, &app->fetcher, err) < 0 ||
        timers_open(app->env, app, fire, &app->timers, err) < 0)
        return err_ret(err);
    timers_set(app->timers, STR(IDEM_TIMER), env_wall_us(app->env) + US_PER_S);

    const struct outbox_cfg outbox_cfg = {
        .env = app->env,
        .writer = app->writer,
        .db = app->db,
        .queries = outbox_sql,
        .app = app,
        .send = order_send,
        .ended = order_ended,
    };

    if (outbox_open(&outbox_cfg, &app->outbox, err) < 0 ||
        registry_open(app, &app->registry, err) < 0 || sealer_open(app, &app->sealer, err) < 0 ||
        open_listeners(app, arena, err) < 0 || order_start(app, err) < 0 ||
        outbox_start(app->outbox, err) < 0)
        return err_ret(err);
    return 0;
}

static void close_parts(struct app *app)
{
    const int64_t grace_us = app->settings->grace_us;
    /* answers that come while it closes still find it in *app, until the fetcher has ended */
    struct outbox *outbox = app->outbox;

    http_close(&app->operator_http, grace_us);
    http_close(&app->http, grace_us);
    timers_close(&app->timers);
    outbox_close(&outbox, grace_us);
    sealer_close(&app->sealer);
    registry_close(&app->registry);
    fetcher_close(&app->fetcher);
    app->outbox = NULL;
    writer_close(&app->writer);
    key_free(&app->log_key);
    key_free(&app->key);
}

/* Certificates first: if they cannot be used, the settings that name them are not taken either. */
static int reload(void *cls, const void *fresh_settings, struct err *err)
{
    const struct settings *fresh = fresh_settings;
    struct app *app = cls;
    AUTO(arena_free) struct arena *arena = arena_new(KIB(64));

    if (arena == NULL)
        return err_set(err, E_NO_MEMORY, "", "settings");
    const char *cert = path_or_null(arena, fresh->tls_cert);
    const char *key = path_or_null(arena, fresh->tls_key);

    if (http_reload(app->http, cert, key, err) < 0 ||
        http_reload(app->operator_http, cert, key, err) < 0)
        return err_ret(err);
    log_set_level((enum log_level)fresh->log_level);
    app->settings = fresh;
    return 0;
}

static int serve(struct run *run)
{
    const struct settings *settings = run->settings;
    struct app app = {.env = &env_system, .settings = settings};
    struct err err = {0};

    umask(077);
    log_setup(STDERR_FILENO, (enum log_level)settings->log_level,
              (enum log_format)settings->log_format, app.env);
    run_block_signals();
    if (open_parts(&app, run->arena, &err) < 0) {
        log_err_at(LOG_ERROR, NULL, "naru-broker cannot start", &err);
        close_parts(&app);
        return 1;
    }
    log_info(NULL, "ready", L_STR("did", settings->did), L_STR("url", app.url));
    run_ready();
    run_until_stopped(run, reload, &app);
    log_info(NULL, "stopping");
    close_parts(&app);
    return 0;
}

int main(int argc, char **argv)
{
    struct settings settings = {0};

    return run_main(&broker_settings, &settings, sizeof(settings), argc, argv, serve);
}
