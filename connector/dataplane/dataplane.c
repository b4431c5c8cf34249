/*
 * connector/dataplane/dataplane.c - opening, closing, and the keeper: streams that outlast their
 * right are cut, receipts that failed are tried again
 */
#include "connector/dataplane/dataplane_private.h"

#include "lib/log/log.h"

#include "lib/base/banned.h"

#define FINISH_S 10 /* for what is under way when the listeners have closed */

#define ROUTE    HTTP_ROUTE_ROW
const struct http_route dataplane_public_routes[] = {
#include "connector/dataplane/public_routes.def"
    {0},
};
const struct http_route dataplane_management_routes[] = {
#include "connector/dataplane/management_routes.def"
    {0},
};
#undef ROUTE

void dataplane__live(struct dataplane *dp, int change)
{
    pthread_mutex_lock(&dp->lock);
    dp->live += (unsigned)change;
    if (dp->live == 0)
        pthread_cond_broadcast(&dp->idle);
    pthread_mutex_unlock(&dp->lock);
}

/* -- the keeper -------------------------------------------------------------------------------- */

/* Waits on a condition with dp->lock held; false after `us` µs. */
static bool wait_us(struct dataplane *dp, pthread_cond_t *cond, int64_t us)
{
    struct timespec until;

    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += us / US_PER_S;
    until.tv_nsec += us % US_PER_S * 1000;
    if (until.tv_nsec >= 1000000000) {
        until.tv_sec++;
        until.tv_nsec -= 1000000000;
    }
    return pthread_cond_timedwait(cond, &dp->lock, &until) == 0;
}

/* Those that have been open since before an instant, each with a reference; *ret_n of them. NULL
 * without any, or without memory. */
static struct access **list_open(struct dataplane *dp, int64_t began_before_us, size_t *ret_n)
{
    struct access **list;
    size_t most = 0, n = 0;

    pthread_mutex_lock(&dp->lock);
    for (const struct access *a = dp->open; a != NULL; a = a->next)
        most++;
    list = most > 0 ? calloc(most, sizeof(struct access *)) : NULL;
    for (struct access *a = dp->open; list != NULL && a != NULL; a = a->next) {
        if (a->began_mono_us > began_before_us || atomic_load(&a->cut))
            continue;
        access_ref(a);
        list[n++] = a;
    }
    pthread_mutex_unlock(&dp->lock);
    *ret_n = n;
    return list;
}

static void cut(struct dataplane *dp, struct access *a)
{
    atomic_store(&a->cut, true);
    pthread_mutex_lock(&dp->lock);
    for (struct access *open = dp->open; open != NULL; open = open->next) {
        if (open == a) /* else its request has just ended */
            a->outlet->cut(a);
    }
    pthread_mutex_unlock(&dp->lock);
}

/* Would these accesses be let in now? */
static void check_open(struct dataplane *dp, struct db *db, int64_t began_before_us)
{
    size_t n = 0;
    struct access **list = list_open(dp, began_before_us, &n);

    for (size_t i = 0; i < n; i++) {
        AUTO(view_unref) struct view *view = NULL;
        struct err err = {0};
        const int loaded = dataplane__view_get(dp, db, list[i]->transfer_id, &view, &err);

        if (loaded == 0 ? view->refusal.code != E_OK : err.code == E_NOT_IN_FORCE) {
            log_info(NULL, "a delivery was cut: its right has ended",
                     L_STR("transfer", list[i]->transfer_id));
            cut(dp, list[i]);
        }
        access_unref(list[i]);
    }
    free(list);
}

/* What has been open for a while is noted; what may have lost its right is checked, at once if
 * something has ended. */
static void look(struct dataplane *dp, struct db **db, int64_t now_us, bool at_once)
{
    struct db_cfg cfg = dp->app->db;
    struct err err = {0};

    cfg.read_only = true;
    dataplane__views_expire(dp);
    dataplane__settle_again(dp);
    if (*db == NULL && db_open(&cfg, db, &err) < 0)
        log_err(NULL, "open deliveries cannot be checked", &err);
    dataplane__meter_note(dp, now_us - RECHECK_US);
    if (*db != NULL)
        check_open(dp, *db, at_once ? now_us : now_us - RECHECK_US);
    if (*db != NULL)
        dataplane__pulls_check(dp, *db, at_once ? now_us : now_us - RECHECK_US);
}

static void *keep_watch(void *cls)
{
    struct dataplane *dp = cls;
    AUTO(db_close) struct db *db = NULL;
    int64_t next_us = 0;

    pthread_mutex_lock(&dp->lock);
    while (!dp->closing) {
        const int64_t now_us = env_mono_us(dp->app->env);
        const bool at_once = dp->check_now;

        dp->check_now = false;
        if (dp->open == NULL && dp->pulls == NULL && dp->running == NULL && dp->unsettled == NULL &&
            !dp->any_view) {
            dp->watching = false;
            CHECK(pthread_cond_wait(&dp->wake, &dp->lock) == 0);
            dp->watching = true;
            continue;
        }
        if (!at_once && now_us < next_us) {
            wait_us(dp, &dp->wake, next_us - now_us);
            continue;
        }
        next_us = now_us + RECHECK_US;
        pthread_mutex_unlock(&dp->lock);
        look(dp, &db, now_us, at_once);
        pthread_mutex_lock(&dp->lock);
    }
    pthread_mutex_unlock(&dp->lock);
    return NULL;
}

/* -- life -------------------------------------------------------------------------------------- */

static int open_locks(struct dataplane *dp, struct err *err)
{
    pthread_condattr_t monotonic;

    CHECK(pthread_mutex_init(&dp->lock, NULL) == 0);
    CHECK(pthread_condattr_init(&monotonic) == 0);
    CHECK(pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC) == 0);
    CHECK(pthread_cond_init(&dp->wake, &monotonic) == 0);
    CHECK(pthread_cond_init(&dp->idle, &monotonic) == 0);
    pthread_condattr_destroy(&monotonic);
    if (pthread_create(&dp->keeper, NULL, keep_watch, dp) != 0)
        return err_set(err, E_NO_MEMORY, "", "thread of the data plane");
    dp->keeper_made = true;
    return 0;
}

/*
 * Beside the database, or in data.dir if that is on a server. Without it every access has its row in
 * the database, which is as safe, but waits for a commit.
 */
static void open_journal(struct dataplane *dp)
{
    const struct app *app = dp->app;
    const bool beside = app->db.kind == DB_SQLITE;
    const struct str folder = app->settings->data_dir;
    char path[4096];
    struct err err = {0};
    int n;

    if (beside && strcmp(app->db.target, ":memory:") == 0)
        return;
    n = beside ? snprintf(path, sizeof(path), "%s" DATAPLANE_JOURNAL, app->db.target)
               : snprintf(path, sizeof(path), "%.*s/.naru" DATAPLANE_JOURNAL, STR_ARG(folder));
    if (n < 0 || n >= (int)sizeof(path))
        IGNORE(err_set(&err, E_CONFIG, "database", "the path is too long"), "logged below");
    if (err.code != E_OK || journal_open(path, &dp->journal, &err) < 0)
        log_err(NULL, "accesses are noted in the database, which takes longer", &err);
}

int dataplane_open(struct app *app, struct dataplane **ret_dataplane, struct err *err)
{
    const struct settings *s = app->settings;
    struct dataplane *dp = calloc(1, sizeof(*dp));
    int n;

    if (dp == NULL)
        return err_set(err, E_NO_MEMORY, "", "data plane");
    dp->app = app;
    n = asprintf(&dp->key_url_text, "%.*s#%.*s", STR_ARG(s->participant_did), STR_ARG(s->key_id));
    if (n < 0)
        dp->key_url_text = NULL;
    else
        dp->key_url = str_n(dp->key_url_text, (size_t)n);
    if (n < 0 || token_cache_open(&dp->tokens, err) < 0 || open_locks(dp, err) < 0 ||
        digests_open(&dp->digests, err) < 0) {
        dataplane_close(&dp);
        return err->code != E_OK ? err_ret(err) : err_set(err, E_NO_MEMORY, "", "data plane");
    }
    open_journal(dp);
    if (dataplane__recover(dp, err) < 0) {
        dataplane_close(&dp);
        return err_ret(err);
    }
    *ret_dataplane = dp;
    return 0;
}

static int nothing(struct db *tx, void *arg, struct err *err)
{
    (void)tx;
    (void)arg;
    (void)err;
    return 0;
}

void dataplane_finish(struct dataplane *dp)
{
    struct err err = {0};
    unsigned left;

    if (dp == NULL)
        return;
    dataplane__pusher_finish(dp->pusher);
    pthread_mutex_lock(&dp->lock);
    while (dp->live > 0 && wait_us(dp, &dp->idle, FINISH_S * US_PER_S))
        ;
    left = dp->live;
    pthread_mutex_unlock(&dp->lock);
    if (left > 0)
        log_warning(NULL, "deliveries are left for the next start", L_I64("deliveries", left));
    /* what the last receipts have woken (a batch) has passed the writer when this has */
    IGNORE(writer_call(dp->app->writer, "dataplane_finish", nothing, NULL, &err),
           "then the writer has stopped already");
}

void dataplane_close(struct dataplane **dataplane)
{
    struct dataplane *dp = MOVE(*dataplane);

    if (dp == NULL)
        return;
    dataplane__pusher_close(&dp->pusher);
    if (dp->keeper_made) {
        pthread_mutex_lock(&dp->lock);
        dp->closing = true;
        pthread_cond_broadcast(&dp->wake);
        pthread_mutex_unlock(&dp->lock);
        pthread_join(dp->keeper, NULL);
        pthread_cond_destroy(&dp->wake);
        pthread_cond_destroy(&dp->idle);
        pthread_mutex_destroy(&dp->lock);
    }
    digests_close(&dp->digests);
    token_cache_close(&dp->tokens);
    for (size_t i = 0; i < VIEWS; i++)
        view_unref(&dp->views[i]);
    journal_close(&dp->journal);
    free(dp->key_url_text);
    free(dp);
}
