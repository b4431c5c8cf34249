/*
 * connector/events/dispatch.c - events that somebody waits for become messages of the outbox
 *
 * One operation of the writer takes a piece of what waits, in order, puts a message per callback
 * address that asks for it, and marks the rows as done: a crash loses none and repeats none. Several
 * processes on one database take turns, the rows are locked. A message names the event only, its body
 * is written when it leaves. One stream per address and process keeps the order.
 */
#include "connector/events/events_private.h"

#include "lib/log/counters.h"
#include "lib/log/log.h"
#include "sql_connector.h"

#include "lib/base/banned.h"

#define PIECE     256
#define ARENA_MAX MIB(64)

/* clang-format off */
static const struct field order_fields[] = {
    FIELD(struct event_order, event,        "event",      F_REQUIRED),
    FIELD(struct event_order, auth_key,     "authKey",    F_OMIT),
    FIELD(struct event_order, auth_code_id, "authCodeId", F_OMIT),
};
OBJECT(event_order_object, struct event_order, order_fields, CLOSED);

struct due {
    int64_t seq;
    struct str type, subject, callbacks;
};
static const struct field due_fields[] = {
    FIELD(struct due, seq,       "seq",       F_REQUIRED),
    FIELD(struct due, type,      "type",      F_REQUIRED),
    FIELD(struct due, subject,   "subject",   F_REQUIRED),
    FIELD(struct due, callbacks, "callbacks", 0),
};
static OBJECT(due_row, struct due, due_fields, OPEN);

struct kept_callbacks {
    struct list callbacks;
};
static const struct field kept_fields[] = {
    FIELD_LIST(struct kept_callbacks, callbacks, "callbacks", F_REQUIRED, &event_callback_object),
};
static OBJECT(kept_object, struct kept_callbacks, kept_fields, CLOSED);

/* clang-format on */

struct put {
    struct outbox_msg msg;
    struct put *next;
};

struct dispatch {
    struct writer_op op;
    struct events *events;
    struct arena *arena; /* owned, with what is below; begun anew by each run */
    struct list rows;
    struct put *first, **last;
    int64_t n;
};

static int put_one(struct db *tx, struct dispatch *d, const struct due *due,
                   const struct event_callback *callback, struct err *err)
{
    struct app *app = d->events->app;
    AUTO(buf_done) struct buf body = buf_init(KIB(8));
    const struct event_order order = {due->seq, callback->auth_key, callback->auth_code_id};
    const int64_t now_us = env_wall_us(app->env);
    struct jw w = jw_init(&body);
    struct put *put;

    if (!events__matches(callback, due->type))
        return 0;
    if (atomic_load(&d->events->backlog) + d->n >= LIMIT_CALLBACK_BACKLOG) {
        COUNT(C_CALLBACKS_LOST);
        return 0;
    }
    put = ARENA_NEW(d->arena, struct put);
    if (put == NULL)
        return err_set(err, E_NO_MEMORY, "", "callback");
    object_encode(&event_order_object, &order, &w);
    put->msg = (struct outbox_msg){
        .id = outbox_next_id(app->outbox),
        .stream = arena_printf(d->arena, "event/%016llx/%.*s",
                               (unsigned long long)str_hash(callback->uri), STR_ARG(due->subject)),
        .kind = callback->format == EVENT_CLOUD ? STR("event.cloudevents") : STR("event.edc"),
        .url = arena_str(d->arena, callback->uri),
        .audience = STR(""),
        .body = arena_str(d->arena, buf_str(&body)),
        .deadline_us = now_us + EVENTS_DEADLINE_US,
        .due_us = now_us,
    };
    if (arena_failed(d->arena) || buf_failed(&body))
        return err_set(err, E_NO_MEMORY, "", "callback");
    *d->last = put;
    d->last = &put->next;
    d->n++;
    return outbox_put(app->outbox, tx, &put->msg, err);
}

static int put_list(struct db *tx, struct dispatch *d, const struct due *due,
                    const struct list *callbacks, struct err *err)
{
    for (size_t i = 0; i < callbacks->n; i++) {
        if (put_one(tx, d, due, &LIST_ITEMS(struct event_callback, *callbacks)[i], err) < 0)
            return err_ret(err);
    }
    return 0;
}

/* The addresses that the process was given, as the management API keeps them. */
static int put_kept(struct db *tx, struct dispatch *d, const struct due *due, struct err *err)
{
    AUTO(arena_free) struct arena *arena = arena_new(MIB(1));
    AUTO(buf_done) struct buf text = buf_init(KIB(512));
    struct kept_callbacks kept = {0};
    struct err cause = {0};

    if (due->callbacks.n == 0)
        return 0;
    if (arena == NULL)
        return err_set(err, E_NO_MEMORY, "", "callbacks");
    buf_add_c(&text, "{\"callbacks\":");
    buf_add_str(&text, due->callbacks);
    buf_add_char(&text, '}');
    if (object_parse(&kept_object, buf_str(&text), NULL, arena, &kept, &cause) < 0) {
        log_err(NULL, "callback addresses of a process cannot be read", &cause);
        return 0;
    }
    return put_list(tx, d, due, &kept.callbacks, err);
}

static int run(struct db *tx, void *arg, struct err *err)
{
    struct dispatch *d = arg;

    arena_reset(d->arena);
    d->first = NULL;
    d->last = &d->first;
    d->n = 0;
    if (db_list(tx, &q_event_due, DB_ARGS(DB_I64(PIECE)), &due_row, d->arena, PIECE, &d->rows,
                err) < 0)
        return err_ret(err);
    for (size_t i = 0; i < d->rows.n; i++) {
        const struct due *due = &LIST_ITEMS(struct due, d->rows)[i];

        if (put_list(tx, d, due, &d->events->callbacks, err) < 0 || put_kept(tx, d, due, err) < 0 ||
            db_exec(tx, &q_event_dispatched, DB_ARGS(DB_I64(due->seq)), NULL, err) < 0)
            return err_ret(err);
    }
    return 0;
}

static void dispatch_free(struct dispatch *d)
{
    arena_free(&d->arena);
    free(d);
}

/* `err` is inside the operation, which ends here. */
static void done(void *arg, const struct err *err)
{
    struct dispatch *d = arg;
    struct events *events = d->events;
    const bool good = err->code == E_OK;
    const bool more = good && d->rows.n == PIECE;

    if (good) {
        atomic_fetch_add(&events->backlog, d->n);
        for (const struct put *put = d->first; put != NULL; put = put->next)
            outbox_wake(events->app->outbox, &put->msg);
    } else {
        log_err(NULL, "events could not be handed to their callbacks", err);
    }
    dispatch_free(d);
    if (!good)
        atomic_store(&events->due, true); /* the next event tries again */
    atomic_store(&events->dispatching, false);
    if (more || (good && atomic_load(&events->due)))
        events__dispatch(events);
}

void events__dispatch(struct events *events)
{
    struct dispatch *d;
    struct err err = {0};

    if (atomic_exchange(&events->dispatching, true))
        return; /* the operation's end looks again */
    atomic_store(&events->due, false);
    d = calloc(1, sizeof(*d));
    if (d == NULL || (d->arena = arena_new(ARENA_MAX)) == NULL) {
        free(d);
        atomic_store(&events->due, true); /* the next event tries again */
        atomic_store(&events->dispatching, false);
        return;
    }
    d->events = events;
    d->op = (struct writer_op){.name = "events", .fn = run, .arg = d, .done = done};
    if (writer_submit(events->app->writer, &d->op, &err) < 0) {
        dispatch_free(d);
        atomic_store(&events->due, true);
        atomic_store(&events->dispatching, false);
    }
}
