/*
 * connector/events/events.c - the unit: the table of events, noting them, forgetting old ones, opening and closing
 */
#include "connector/events/events_private.h"

#include "connector/prune.h"
#include "connector/timed.h"
#include "lib/base/check.h"
#include "lib/base/timefmt.h"
#include "lib/log/log.h"
#include "sql_connector.h"

#include "lib/base/banned.h"

#define ARENA_MAX MIB(1)

/* clang-format off */
const struct event_kind events__kinds[EVENT__COUNT] = {
#define EVENT(id, name, type, about, state) [id] = {(name), (type), (about), (state)},
#include "connector/events/events.def"
#undef EVENT
};

const struct http_route events_routes[] = {
#define ROUTE HTTP_ROUTE_ROW
#include "connector/events/routes.def"
#undef ROUTE
    {0},
};

/* clang-format on */

const struct event_kind *events__kind(struct str name)
{
    for (size_t i = 0; i < EVENT__COUNT; i++) {
        if (str_eq_c(name, events__kinds[i].name))
            return &events__kinds[i];
    }
    return NULL;
}

/* -- noting ------------------------------------------------------------------------------------ */

struct turn {
    int64_t before;
};
/* clang-format off */
static const struct field turn_fields[] = {FIELD(struct turn, before, "before", F_REQUIRED)};
/* clang-format on */
static OBJECT(turn_row, struct turn, turn_fields, CLOSED);

int events_turn(struct events *events, struct db *tx, struct err *err)
{
    AUTO(arena_free) struct arena *arena = arena_new(KIB(4));
    struct turn turn = {0};

    if (arena == NULL)
        return err_set(err, E_NO_MEMORY, "", "events");
    if (db_one(tx, &q_event_turn, DB_NO_ARGS, &turn_row, arena, &turn, err) != DB_ROW)
        return err_ret(err);
    events->last_seq = turn.before;
    return 0;
}

static bool is_listened(const struct events *events, struct str name)
{
    for (size_t i = 0; i < events->callbacks.n; i++) {
        if (events__matches(&LIST_ITEMS(struct event_callback, events->callbacks)[i], name))
            return true;
    }
    return false;
}

int events_put(struct app *app, struct db *tx, enum event_id id, struct str subject,
               struct str detail, bool listened, int64_t now_us, struct err *err)
{
    const struct str name = str_c(events__kinds[id].name);
    const bool waits = listened || is_listened(app->events, name);
    const bool numbered = app->db.kind == DB_PG;

    if (db_exec(tx, &q_event_insert,
                DB_ARGS(numbered ? DB_I64(++app->events->last_seq) : DB_NULL(DBT_I64),
                        DB_TEXT(name), DB_TEXT(subject), DB_TEXT(detail), DB_I64(now_us),
                        DB_I64(waits ? app->events->tag : 0)),
                NULL, err) < 0)
        return err_ret(err);
    if (waits)
        atomic_store(&app->events->due, true);
    atomic_store(&app->events->fresh, true);
    return 0;
}

void events_committed(struct app *app)
{
    struct events *events = app->events;

    if (!atomic_exchange(&events->fresh, false))
        return;
    atomic_fetch_add(&events->generation, 1);
    if (atomic_load(&events->due))
        events__dispatch(events);
    if (atomic_load(&events->n_waiting) == 0)
        return;
    CHECK(pthread_mutex_lock(&events->lock) == 0);
    events->news = true;
    CHECK(pthread_cond_signal(&events->wake) == 0);
    CHECK(pthread_mutex_unlock(&events->lock) == 0);
}

int events_negotiation_gone(struct db *tx, struct str id, int64_t now_us, struct err *err)
{
    return db_exec(tx, &q_event_gone_put, DB_ARGS(DB_TEXT(id), DB_I64(now_us)), NULL, err);
}

/* -- forgetting -------------------------------------------------------------------------------- */

static int prune_events(struct db *tx, struct app *app, int64_t *ret_changed, struct err *err)
{
    const int64_t before_us = env_wall_us(app->env) - app->settings->event_keep_us;

    if (db_exec(tx, &q_event_gone_prune, DB_ARGS(DB_I64(before_us)), NULL, err) < 0)
        return err_ret(err);
    return db_exec(tx, &q_event_prune, DB_ARGS(DB_I64(before_us), DB_I64(PRUNE_PIECE)), ret_changed,
                   err);
}

static const struct prune old_events = {
    .name = "prune events",
    .timer = "events",
    .failed = "old events could not be forgotten",
    .pause_us = US_PER_H,
    .piece = prune_events,
};

void events_prune(struct app *app)
{
    prune_run(app, &old_events);
}

/* -- what others have left --------------------------------------------------------------------- */

void events_take_over(struct app *app)
{
    events__dispatch(app->events);
    if (app->db.kind == DB_PG)
        timed_set(app, "event-due", STR("all"), env_wall_us(app->env) + EVENTS_ABANDONED_US);
}

/* -- opening and closing ----------------------------------------------------------------------- */

struct counted {
    int64_t n;
};
/* clang-format off */
static const struct field counted_fields[] = {FIELD(struct counted, n, "n", F_REQUIRED)};
/* clang-format on */
static OBJECT(counted_row, struct counted, counted_fields, OPEN);

int events__read_backlog(struct events *events, struct db *db, struct err *err)
{
    AUTO(arena_free) struct arena *arena = arena_new(KIB(4));
    struct counted backlog = {0};

    if (arena == NULL)
        return err_set(err, E_NO_MEMORY, "", "events");
    if (db_one(db, &q_event_backlog, DB_NO_ARGS, &counted_row, arena, &backlog, err) == DB_FAIL)
        return err_ret(err);
    atomic_store(&events->backlog, backlog.n);
    return 0;
}

static int open_database(struct events *events, struct err *err)
{
    struct db_cfg cfg = events->app->db;

    cfg.read_only = true;
    if (db_open(&cfg, &events->db, err) < 0)
        return err_ret(err);
    return events__read_backlog(events, events->db, err);
}

static void init_locks(struct events *events)
{
    pthread_condattr_t attributes;

    CHECK(pthread_mutex_init(&events->lock, NULL) == 0);
    CHECK(pthread_condattr_init(&attributes) == 0);
    CHECK(pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC) == 0);
    CHECK(pthread_cond_init(&events->wake, &attributes) == 0);
    (void)pthread_condattr_destroy(&attributes);
}

int events_open(struct app *app, struct events **ret_events, struct err *err)
{
    AUTO(events_close) struct events *events = calloc(1, sizeof(*events));

    if (events == NULL)
        return err_set(err, E_NO_MEMORY, "", "events");
    events->app = app;
    env_random(app->env, &events->tag, sizeof(events->tag));
    events->tag = (events->tag & INT64_MAX) | 1;
    init_locks(events);
    events->arena = arena_new(ARENA_MAX);
    if (events->arena == NULL)
        return err_set(err, E_NO_MEMORY, "", "events");
    if (events__static_read(app, events->arena, &events->callbacks, err) < 0 ||
        open_database(events, err) < 0)
        return err_prefix(err, "events");
    if (pthread_create(&events->thread, NULL, events__run, events) != 0)
        return err_set(err, E_NO_MEMORY, "", "thread of events");
    events->thread_made = true;
    *ret_events = MOVE(events);
    return 0;
}

static int rebase(struct db *tx, void *arg, struct err *err)
{
    (void)arg;
    return db_exec(tx, &q_event_rebase, DB_NO_ARGS, NULL, err);
}

int events_start(struct app *app, struct err *err)
{
    if (app->db.kind == DB_PG && writer_call(app->writer, "event base", rebase, NULL, err) < 0)
        return err_ret(err);
    events_take_over(app);
    prune_begin(app, &old_events);
    return 0;
}

void events_finish(struct events *events)
{
    if (events == NULL || !events->thread_made)
        return;
    CHECK(pthread_mutex_lock(&events->lock) == 0);
    events->closing = true;
    CHECK(pthread_cond_signal(&events->wake) == 0);
    CHECK(pthread_mutex_unlock(&events->lock) == 0);
    CHECK(pthread_join(events->thread, NULL) == 0);
    events->thread_made = false;
}

void events_close(struct events **events_address)
{
    struct events *events = MOVE(*events_address);

    if (events == NULL)
        return;
    events_finish(events);
    events__targets_free(events);
    db_close(&events->db);
    arena_free(&events->arena);
    (void)pthread_cond_destroy(&events->wake);
    (void)pthread_mutex_destroy(&events->lock);
    free(events);
}
