/*
 * connector/main.c - naru-connector: settings, parts, signals
 */
#include <signal.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "connector/app.h"
#include "connector/dataplane/dataplane.h"
#include "connector/dsp/dsp.h"
#include "connector/duty/duty.h"
#include "connector/events/events.h"
#include "connector/exchange/exchange.h"
#include "connector/identity/identity.h"
#include "connector/market/market.h"
#include "connector/mgmt/mgmt.h"
#include "connector/replica.h"
#include "connector/send.h"
#include "connector/store/policies.h"
#include "connector/timed.h"
#include "lib/base/check.h"
#include "lib/db/migrate.h"
#include "lib/log/counters.h"
#include "lib/log/log.h"
#include "lib/run/run.h"
#include "sql_connector.h"

#include "lib/base/banned.h"

static const struct outbox_queries outbox_sql = {
    .insert = &q_outbox_insert,
    .delete = &q_outbox_delete,
    .repeat = &q_outbox_repeat,
    .pending = &q_outbox_pending,
};

static const struct outbox_queries shared_outbox_sql = {
    .insert = &q_outbox_shared_insert,
    .delete = &q_outbox_shared_delete,
    .repeat = &q_outbox_shared_repeat,
    .pending = &q_outbox_shared_pending,
};

static void *worker_new(void *cls, struct err *err)
{
    const struct app *app = cls;
    struct db_cfg cfg = app->db;
    AUTO(db_close) struct db *db = NULL;
    struct worker *worker;

    cfg.read_only = true;
    if (db_open(&cfg, &db, err) < 0)
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

static int open_database(struct app *app, struct arena *arena, struct err *err)
{
    const char *target = arena_cstr(arena, app->settings->database);
    AUTO(db_close) struct db *db = NULL;
    int applied = 0;

    if (target == NULL)
        return err_set(err, E_NO_MEMORY, "", "settings");
    umask(077);
    if (db_target_parse(target, &app->db, err) < 0 || db_open(&app->db, &db, err) < 0 ||
        db_migrate(db, sql_connector_migrations, sql_connector_n_migrations, app->env, &applied,
                   err) < 0)
        return err_prefix(err, "database");
    if (applied > 0)
        log_info(NULL, "schema brought up to date", L_I64("applied", applied));
    return 0;
}

static int take_turn(struct db *tx, void *arg, struct err *err)
{
    const struct app *app = arg;

    if (replica_take_turn(tx, err) < 0)
        return err_ret(err);
    return events_turn(app->events, tx, err);
}

/* Its connection tells who we are among several. */
static int open_writer(struct app *app, struct err *err)
{
    struct db_cfg cfg;

    if (replica_open(app, &app->replica, err) < 0)
        return err_ret(err);
    cfg = app->db;
    replica_writer(app->replica, &cfg);
    return writer_open(&cfg, app->env, &app->writer, err);
}

static const char *path_or_null(struct arena *arena, struct str path)
{
    return path.n > 0 ? arena_cstr(arena, path) : NULL;
}

static int open_fetcher(struct app *app, struct arena *arena, struct err *err)
{
    const struct settings *s = app->settings;
    const struct fetch_cfg cfg = {
        .env = app->env,
        .ca_file = path_or_null(arena, s->ca_file),
        .allow_http = s->allow_http,
        .allow = s->allow_addresses.items,
        .n_allow = s->allow_addresses.n,
        .guest_allow = s->push_addresses.items,
        .n_guest_allow = s->push_addresses.n,
        .user_agent = "naru-connector/" NARU_VERSION,
    };

    return fetcher_open(&cfg, &app->fetcher, err);
}

static int open_listener(struct app *app, const struct http_cfg *form, struct str certificate,
                         struct str key, struct arena *arena, struct http **ret_http,
                         struct err *err)
{
    struct http_cfg cfg = *form;

    cfg.env = app->env;
    cfg.app = app;
    cfg.cert_file = path_or_null(arena, certificate);
    cfg.key_file = path_or_null(arena, key);
    cfg.thread_new = worker_new;
    cfg.thread_free = worker_free;
    if (cfg.cert_file == NULL && !http_is_loopback(cfg.address))
        return err_set(err, E_CONFIG, cfg.name,
                       "'%s.certificate' is needed: '%.*s' is not loopback", cfg.name,
                       STR_ARG(cfg.address));
    return http_open(&cfg, ret_http, err);
}

static int open_listeners(struct app *app, struct arena *arena, struct err *err)
{
    static const struct http_route *const public_routes[] = {
        dsp_routes,      dataplane_public_routes, exchange_public_routes,
        identity_routes, mgmt_public_routes,      duty_public_routes,
    };
    static const struct http_route *const management_routes[] = {
        mgmt_routes,
        dataplane_management_routes,
        dsp_management_routes,
        exchange_management_routes,
        market_routes,
        events_routes,
        duty_management_routes,
    };
    const struct settings *s = app->settings;
    const struct http_cfg public_form = {
        .name = "public",
        .threads = (unsigned)s->threads,
        .address = s->public_listen,
        .route_tables = public_routes,
        .n_route_tables = ARRAY_LEN(public_routes),
        .tolerate_slashes = true,
        .render_error = dsp_render_error,
    };
    const struct http_cfg management_form = {
        .name = "management",
        .threads = (unsigned)s->management_threads,
        .address = s->management_listen,
        .route_tables = management_routes,
        .n_route_tables = ARRAY_LEN(management_routes),
        .tolerate_slashes = true,
        .authorise = mgmt_authorise,
        .render_error = mgmt_render_error,
    };

    if (open_listener(app, &public_form, s->tls_cert, s->tls_key, arena, &app->public_http, err) <
        0)
        return err_ret(err);
    return open_listener(app, &management_form, s->management_tls_cert, s->management_tls_key,
                         arena, &app->management_http, err);
}

/*
 * Our own addresses as others see them: public.url, or https://localhost and the port of
 * public.listen.
 */
static int own_urls(struct app *app, struct arena *arena, struct err *err)
{
    const struct settings *s = app->settings;
    struct str base = s->public_url;
    size_t colon = s->public_listen.n;

    while (colon > 0 && s->public_listen.p[colon - 1] != ':')
        colon--;
    if (base.n == 0)
        base = arena_printf(arena, "%s://localhost:%.*s", s->tls_cert.n > 0 ? "https" : "http",
                            STR_ARG(str_from(s->public_listen, colon)));
    while (base.n > 0 && base.p[base.n - 1] == '/')
        base.n--;
    app->public_url = base;
    app->dsp_root = arena_printf(arena, "%.*s/dsp", STR_ARG(base));
    if (dsp_best_url(s, app->dsp_root, arena, &app->dsp_url, err) < 0)
        return err_ret(err);
    app->data_url = arena_printf(arena, "%.*s/data", STR_ARG(base));
    return arena_failed(arena) ? err_set(err, E_NO_MEMORY, "", "addresses") : 0;
}

static int open_parts(struct app *app, struct arena *arena, struct err *err)
{
    const struct settings *s = app->settings;
    const char *key_file = arena_cstr(arena, s->key_file);
    const char *api_key_file = arena_cstr(arena, s->api_key_file);

    if (own_urls(app, arena, err) < 0 || key_load(key_file, &app->key, err) < 0 ||
        secret_load(api_key_file, &app->api_key, err) < 0 ||
        policies_open(&app->policies, err) < 0 || open_database(app, arena, err) < 0 ||
        open_writer(app, err) < 0 || open_fetcher(app, arena, err) < 0 ||
        identity_open(app, &app->identity, err) < 0 ||
        timers_open(app->env, app, timed_fire, &app->timers, err) < 0 ||
        events_open(app, &app->events, err) < 0)
        return err_ret(err);
    if (app->replica != NULL)
        writer_begin_with(app->writer, take_turn, app);

    const struct outbox_cfg outbox_cfg = {
        .env = app->env,
        .writer = app->writer,
        .db = app->db,
        .queries = app->replica != NULL ? shared_outbox_sql : outbox_sql,
        .owner = replica_id(app->replica),
        .hand = replica_hand,
        .app = app,
        .send = send_message,
        .ended = send_ended,
        .ends_alone = send_ends_alone,
        .ask = send_ask,
        .after = send_after,
    };

    if (outbox_open(&outbox_cfg, &app->outbox, err) < 0 || dsp_open(app, &app->dsp, err) < 0 ||
        dataplane_open(app, &app->dataplane, err) < 0 ||
        exchange_open(app, &app->exchange, err) < 0 || mgmt_open(app, &app->mgmt, err) < 0 ||
        open_listeners(app, arena, err) < 0 || timed_start(app, err) < 0 ||
        outbox_start(app->outbox, err) < 0 || events_start(app, err) < 0 ||
        dataplane_start(app, dsp_transfer_end, err) < 0 || exchange_start(app, err) < 0 ||
        mgmt_start(app, err) < 0 || replica_start(app, err) < 0)
        return err_ret(err);
    return 0;
}

/* Certificates first: if one cannot be used, the settings that name it are not taken either. */
static int reload(void *cls, const void *fresh_settings, struct err *err)
{
    const struct settings *fresh = fresh_settings;
    struct app *app = cls;
    AUTO(arena_free) struct arena *arena = arena_new(KIB(64));

    if (arena == NULL)
        return err_set(err, E_NO_MEMORY, "", "settings");
    if (http_reload(app->public_http, path_or_null(arena, fresh->tls_cert),
                    path_or_null(arena, fresh->tls_key), err) < 0 ||
        http_reload(app->management_http, path_or_null(arena, fresh->management_tls_cert),
                    path_or_null(arena, fresh->management_tls_key), err) < 0)
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

    log_setup(STDERR_FILENO, (enum log_level)settings->log_level,
              (enum log_format)settings->log_format, app.env);
    run_block_signals();
    if (open_parts(&app, run->arena, &err) < 0) {
        log_err_at(LOG_ERROR, NULL, "naru-connector cannot start", &err);
        app_stop(&app);
        return 1;
    }
    log_info(NULL, "ready", L_STR("participant", settings->participant_did),
             L_STR("dsp", app.dsp_url), L_I64("management_port", http_port(app.management_http)));
    run_ready();
    run_until_stopped(run, reload, &app);
    log_info(NULL, "stopping");
    const bool taken_over = replica_taken_over(app.replica);
    app_stop(&app);
    return taken_over;
}

int main(int argc, char **argv)
{
    struct settings settings = {0};

    return run_main(&connector_settings, &settings, sizeof(settings), argc, argv, serve);
}
