/*
 * connector/duty/look.c - what is due: done by us, or overdue
 *
 * One timer stands for the earliest instant of all rows. A look takes at most WORK rows in one
 * operation; what is left is looked at next. Files are removed before the operation, from the
 * timers' thread: a kill between the two finds them gone, which is what was wanted.
 */
#include "connector/duty/duty_private.h"
#include "connector/events/events.h"
#include "connector/timed.h"
#include "lib/base/timefmt.h"
#include "lib/log/counters.h"
#include "lib/log/log.h"
#include "sql_connector.h"

#include "lib/base/banned.h"

#define WORK   32
#define MEMORY MIB(16)

struct work {
    struct app *app;
    struct arena *arena;   /* owned, with everything here */
    struct arena *scratch; /* borrowed, for the copies */
    bool orders;           /* the data bank has told of an order */
    struct list copies;    /* struct copy, looked for and removed before */
    struct duty_out out[WORK];
    size_t n_out;
    int64_t now_us, next_us;
    int64_t n_overdue, n_done;
    struct duty_counts counts;
    struct writer_op op;
};

struct next {
    int64_t next_us;
};
/* clang-format off */
static const struct field next_fields[] = {FIELD(struct next, next_us, "next_us", F_REQUIRED)};
/* clang-format on */
static OBJECT(next_row, struct next, next_fields, OPEN);

/* -- one duty ---------------------------------------------------------------------------------- */

static int settle(struct work *work, struct db *tx, const struct duty *d, enum duty_state state,
                  struct err *err)
{
    const struct settling settling = {
        .state = state, .by = DUTY_BY_CONNECTOR, .now_us = work->now_us};

    work->n_overdue += state == DUTY_OVERDUE;
    work->n_done += state == DUTY_DONE;
    return duty__settle(work->app, tx, d, &settling, work->arena, &work->out[work->n_out++], err);
}

/*
 * Catena-X: to provide until a date. It was done if the agreement stood until then; one that ended
 * before, by whomever, took the duty with it.
 */
static int look_providing(struct work *work, struct db *tx, const struct duty *d, struct err *err)
{
    const struct settling over = {
        .state = d->ended_us != 0 && d->ended_us <= d->due_us ? DUTY_WAIVED : DUTY_DONE,
        .by = DUTY_BY_CONNECTOR,
        .quiet = true, /* both know when the agreement has ended */
        .now_us = d->ended_us != 0 && d->ended_us <= d->due_us ? work->now_us : d->due_us,
    };

    return duty__settle(work->app, tx, d, &over, work->arena, &work->out[work->n_out++], err);
}

/* We do our part; *ret_done: nothing is left for people. */
static int act(struct work *work, struct db *tx, struct duty *d, bool *ret_done, struct err *err)
{
    *ret_done = false;
    if (!duty__is_ours(d) || d->acted_us != 0 || d->act_us == 0 || d->act_us > work->now_us)
        return 0;
    if (duty__act(tx, d, work->now_us, work->arena, ret_done, err) < 0)
        return err_ret(err);
    if (*ret_done || d->acted_us == 0)
        return 0;
    return events_put(
        work->app, tx, EV_DUTY_DUE, d->duty_id,
        arena_printf(work->arena, "to be confirmed, of agreement %.*s", STR_ARG(d->agreement_id)),
        false, work->now_us, err);
}

static int look_at(struct work *work, struct db *tx, struct duty *d, struct err *err)
{
    bool done;

    if (d->provide != 0)
        return look_providing(work, tx, d, err);
    if (act(work, tx, d, &done, err) < 0)
        return err_ret(err);
    if (done)
        return settle(work, tx, d, DUTY_DONE, err);
    if (d->due_us > 0 && d->due_us < work->now_us &&
        str_eq_c(d->state, duty_state_names[DUTY_OPEN]))
        return settle(work, tx, d, DUTY_OVERDUE, err);
    /* what did not come by itself so far may have come shortly before the date */
    if (d->act_us <= work->now_us) {
        d->act_us = d->due_us - duty__lead(d);
        d->act_us = d->act_us > work->now_us ? d->act_us : 0;
    }
    return db_exec(
        tx, &q_duty_look_again,
        DB_ARGS(DB_TEXT(d->duty_id), duty__next(d) > 0 ? DB_I64(duty__next(d)) : DB_NULL(DBT_I64)),
        NULL, err);
}

/* -- all that is due --------------------------------------------------------------------------- */

static int list_copies(struct db *tx, void *arg, struct err *err)
{
    struct work *work = arg;

    return db_list(tx, &q_copy_due,
                   DB_ARGS(DB_TEXT(str_c(policy_action_iri(POLICY_ACT_DELETE))),
                           DB_I64(work->now_us), DB_I64(COPIES_MAX)),
                   &duty__copy_row, work->scratch, COPIES_MAX, &work->copies, err);
}

static int note_copies(struct db *tx, void *arg, struct err *err)
{
    const struct work *work = arg;

    return duty__copies_gone(tx, &work->copies, work->now_us, err);
}

/* Files that are to go, before the rows that say so. */
static int remove_copies(struct work *work, struct err *err)
{
    AUTO(arena_free) struct arena *scratch = arena_new(COPIES_MAX * KIB(8));

    if (scratch == NULL)
        return err_set(err, E_NO_MEMORY, "", "copies");
    work->scratch = scratch;
    do {
        arena_reset(scratch);
        if (writer_call(work->app->writer, "duty copies", list_copies, work, err) < 0)
            return err_ret(err);
        if (work->copies.n == 0)
            return 0;
        duty__copies_remove(work->app, &work->copies);
        if (writer_call(work->app->writer, "duty copies", note_copies, work, err) < 0)
            return err_ret(err);
    } while (work->copies.n == COPIES_MAX);
    return 0;
}

static int run(struct db *tx, void *arg, struct err *err)
{
    struct work *work = arg;
    struct list due = {0};
    struct next next = {0};

    work->n_out = 0;
    work->n_overdue = work->n_done = 0;
    if ((work->orders && db_exec(tx, &q_duty_paid,
                                 DB_ARGS(DB_TEXT(str_c(policy_action_iri(POLICY_ACT_COMPENSATE))),
                                         DB_I64(work->now_us)),
                                 NULL, err) < 0) ||
        db_list(tx, &q_duty_due, DB_ARGS(DB_I64(work->now_us), DB_I64(WORK)), &duty__row,
                work->arena, WORK, &due, err) < 0)
        return err_ret(err);
    for (size_t i = 0; i < due.n; i++) {
        struct duty duty = LIST_ITEMS(struct duty, due)[i];

        if (look_at(work, tx, &duty, err) < 0)
            return err_prefix(err, "duty '%.*s'", STR_ARG(duty.duty_id));
    }
    if (db_one(tx, &q_duty_next, DB_NO_ARGS, &next_row, work->arena, &next, err) == DB_FAIL)
        return err_ret(err);
    work->next_us = next.next_us;
    return duty_count(tx, work->arena, &work->counts, err);
}

static void done(void *arg, const struct err *err)
{
    struct work *work = arg;
    struct app *app = work->app;
    struct arena *arena = work->arena;

    if (err->code == E_OK) {
        for (size_t i = 0; i < work->n_out; i++)
            duty__settled(app, &work->out[i]);
        events_committed(app);
        if (work->n_overdue > 0)
            log_warning(NULL, "duties are overdue", L_I64("now", work->n_overdue),
                        L_I64("all", work->counts.overdue));
        if (work->n_done > 0)
            log_info(NULL, "duties are done", L_I64("now", work->n_done));
        for (int64_t i = 0; i < work->n_overdue; i++)
            COUNT(C_DUTIES_MISSED);
        gauge_set(C_DUTIES_OVERDUE, work->counts.overdue);
        if (work->next_us > 0)
            timed_set(app, "duty", STR("due"), work->next_us);
    } else if (err->code != E_SHUTDOWN) {
        log_err(NULL, "duties could not be looked at", err);
        timed_set(app, "duty", work->orders ? STR("orders") : STR("due"),
                  env_wall_us(app->env) + US_PER_S);
    }
    arena_free(&arena);
}

void duty_look(struct app *app, struct str id)
{
    struct arena *arena = arena_new(MEMORY);
    struct work *work = arena != NULL ? ARENA_NEW(arena, struct work) : NULL;
    struct err err = {0};

    if (work == NULL) {
        arena_free(&arena);
        timed_set(app, "duty", id, env_wall_us(app->env) + US_PER_S);
        return;
    }
    *work = (struct work){
        .app = app,
        .arena = arena,
        .orders = str_eq(id, STR("orders")),
        .now_us = env_wall_us(app->env),
        .op = {.name = "duties", .fn = run, .arg = work, .done = done},
    };
    if (remove_copies(work, &err) == 0 && writer_submit(app->writer, &work->op, &err) == 0)
        return;
    if (err.code != E_SHUTDOWN) {
        log_err(NULL, "duties could not be looked at", &err);
        timed_set(app, "duty", id, env_wall_us(app->env) + US_PER_S);
    }
    arena_free(&arena);
}
