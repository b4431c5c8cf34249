/*
 * connector/dsp/sent.c - our messages: what their end means for the process
 *
 * Acknowledged: "on its way" becomes the state itself, and the answer to a first message tells the
 * peer's pid. Refused for good, or not delivered in time: the process ends with the peer's reason.
 * The peer may have been faster than its own acknowledgement, then the state has moved on and
 * stays.
 */
#include "connector/dataplane/dataplane.h"
#include "connector/dsp/dsp_private.h"
#include "connector/events/events.h"
#include "lib/log/counters.h"
#include "lib/log/log.h"
#include "sql_connector.h"

#include "lib/base/banned.h"

#define LATER_ARENA KIB(64)

/* clang-format off */
static const struct sent_kind kinds[] = {
    {"dsp.negotiation.begin",        &negotiation_kind, NM_REQUEST,      "providerPid", false},
    {"dsp.negotiation.propose",      &negotiation_kind, NM_OFFER,        "consumerPid", false},
    {"dsp.negotiation.request",      &negotiation_kind, NM_REQUEST,      NULL, false},
    {"dsp.negotiation.offer",        &negotiation_kind, NM_OFFER,        NULL, false},
    {"dsp.negotiation.accepted",     &negotiation_kind, NM_ACCEPTED,     NULL, false},
    {"dsp.negotiation.agreement",    &negotiation_kind, NM_AGREEMENT,    NULL, false},
    {"dsp.negotiation.verification", &negotiation_kind, NM_VERIFICATION, NULL, false},
    {"dsp.negotiation.finalized",    &negotiation_kind, NM_FINALIZED,    NULL, false},
    {"dsp.negotiation.reminder",     &negotiation_kind, NM_FINALIZED,    NULL, true},
    {"dsp.negotiation.termination",  &negotiation_kind, NM_TERMINATION,  NULL, false},
    {"dsp.transfer.begin",           &transfer_kind,    TM_REQUEST,      "providerPid", false},
    {"dsp.transfer.start",           &transfer_kind,    TM_START,        NULL, false},
    {"dsp.transfer.renewal",         &transfer_kind,    TM_START,        NULL, true},
    {"dsp.transfer.suspension",      &transfer_kind,    TM_SUSPENSION,   NULL, false},
    {"dsp.transfer.completion",      &transfer_kind,    TM_COMPLETION,   NULL, false},
    {"dsp.transfer.termination",     &transfer_kind,    TM_TERMINATION,  NULL, false},
};

/* clang-format on */

const struct sent_kind *dsp__sent_kind(struct str name)
{
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
        if (str_eq_c(name, kinds[i].name))
            return &kinds[i];
    }
    return NULL;
}

int dsp__leads_to(const struct sent_kind *kind)
{
    const struct sm *sm = kind->kind->machine->sm;

    for (size_t i = 0; i < sm->n_rows; i++) {
        if (sm->rows[i].message == kind->message)
            return sm->rows[i].becomes;
    }
    CHECK_UNREACHABLE();
}

/*
 * -- messages put while the end of another one is recorded
 * -----------------------------------------
 */

static void later_free(struct later *later)
{
    struct arena *arena = later->arena;

    arena_free(&arena);
}

/* All that `cause` has put, out of the list. */
static struct later *take_later(struct dsp *dsp, int64_t cause)
{
    struct later *taken = NULL;

    CHECK(pthread_mutex_lock(&dsp->lock) == 0);
    for (struct later **p = &dsp->later; *p != NULL;) {
        struct later *later = *p;

        if (later->cause != cause) {
            p = &later->next;
            continue;
        }
        *p = later->next;
        later->next = taken;
        taken = later;
    }
    CHECK(pthread_mutex_unlock(&dsp->lock) == 0);
    return taken;
}

static void drop_later(struct dsp *dsp, int64_t cause)
{
    for (struct later *later = take_later(dsp, cause), *next; later != NULL; later = next) {
        next = later->next;
        later_free(later);
    }
}

/* A termination that waited for the peer's pid. */
static int terminate_now(struct db *tx, struct app *app, const struct process_kind *kind,
                         const struct outbox_msg *cause, struct err *err)
{
    struct arena *arena = arena_new(LATER_ARENA);
    struct later *later = arena != NULL ? ARENA_NEW(arena, struct later) : NULL;
    struct process process = {0};
    struct effect effect = {0};

    if (later == NULL) {
        arena_free(&arena);
        return err_set(err, E_NO_MEMORY, "", "termination");
    }
    if (db_one(tx, kind->get, DB_ARGS(DB_TEXT(cause->stream)), &process_row, arena, &process,
               err) != DB_ROW ||
        dsp__terminate(app, &effect, kind, &process, STR_NONE, process.error, arena, err) < 0 ||
        outbox_put(app->outbox, tx, &effect.out[0], err) < 0) {
        arena_free(&arena);
        return err_ret(err);
    }
    *later = (struct later){.cause = cause->id, .arena = arena, .msg = effect.out[0]};
    CHECK(pthread_mutex_lock(&app->dsp->lock) == 0);
    later->next = app->dsp->later;
    app->dsp->later = later;
    CHECK(pthread_mutex_unlock(&app->dsp->lock) == 0);
    return 0;
}

/*
 * -- the two ends
 * ------------------------------------------------------------------------------------
 */

/* The row of the process; DB_NONE: deleted by the operator. */
static enum db_result lock_process(struct db *tx, const struct sent_kind *sent, struct str id,
                                   struct arena *arena, struct locked *ret_row, struct err *err)
{
    return db_one(tx, sent->kind->lock, DB_ARGS(DB_TEXT(id), DB_TEXT(STR(""))), &locked_row, arena,
                  ret_row, err);
}

/* Its state has moved on before; what the answer told of the peer may still be news. */
static int acknowledged_late(struct db *tx, struct app *app, const struct sent_kind *sent,
                             const struct outbox_msg *msg, struct str peer_pid, struct arena *arena,
                             struct err *err)
{
    const struct machine *machine = sent->kind->machine;
    struct locked row = {0};

    switch (lock_process(tx, sent, msg->stream, arena, &row, err)) {
    case DB_ROW: break;
    case DB_NONE: return 0;
    case DB_FAIL: return err_ret(err);
    }
    if (str_present(row.peer_pid))
        return 0;
    if (str_present(peer_pid) &&
        db_exec(tx, sent->kind->learn, DB_ARGS(DB_TEXT(msg->stream), DB_TEXT(peer_pid)), NULL,
                err) < 0)
        return err_ret(err);
    return sent->pid_member != NULL && row.state == machine->codes[machine->terminated].sending
               ? terminate_now(tx, app, sent->kind, msg, err)
               : 0;
}

/* For the query `settle`. */
#define SETTLE_ARGS(codes, msg, peer_pid)                                                          \
    DB_ARGS(DB_TEXT((msg)->stream), DB_I64((codes)->sending), DB_I64((codes)->rest),               \
            DB_I64((msg)->ended_us), DB_TEXT(peer_pid))

int dsp_ask_ended(struct db *tx, struct app *app, const struct outbox_msg *msg, struct str answer,
                  struct err *err)
{
    const struct sent_kind *sent = dsp__sent_kind(msg->kind);

    (void)app;
    if (sent == NULL)
        return 0;
    return db_ask(tx, sent->kind->settle,
                  SETTLE_ARGS(&sent->kind->machine->codes[dsp__leads_to(sent)], msg, answer), err);
}

static int acknowledged(struct db *tx, struct app *app, const struct sent_kind *sent,
                        const struct outbox_msg *msg, struct str peer_pid, struct arena *arena,
                        struct err *err)
{
    const int state = dsp__leads_to(sent);
    const struct step_codes *codes = &sent->kind->machine->codes[state];
    struct locked row = {0};

    switch (db_one(tx, sent->kind->settle, SETTLE_ARGS(codes, msg, peer_pid), &locked_row, arena,
                   &row, err)) {
    case DB_ROW: break;
    case DB_NONE: return acknowledged_late(tx, app, sent, msg, peer_pid, arena, err);
    case DB_FAIL: return err_ret(err);
    }
    if (dsp__event_reached(app, tx, sent->kind, msg->stream, state, row.error, row.listened != 0,
                           msg->ended_us, err) < 0)
        return err_ret(err);
    return row.deprovision != 0
               ? dsp__deprovisioned(app, tx, msg->stream, row.listened != 0, msg->ended_us, err)
               : 0;
}

static int given_up(struct db *tx, struct app *app, const struct sent_kind *sent,
                    const struct outbox_msg *msg, struct str reason, struct arena *arena,
                    struct err *err)
{
    struct locked row = {0};

    switch (lock_process(tx, sent, msg->stream, arena, &row, err)) {
    case DB_ROW: break;
    case DB_NONE: return 0;
    case DB_FAIL: return err_ret(err);
    }

    const struct machine *machine = sent->kind->machine;
    const int state = machine_state(machine, row.state);
    const int64_t now_us = env_wall_us(app->env);
    struct effect effect = {
        .state = machine->codes[machine->terminated].rest,
        .error = state == machine->terminated ? STR_NONE : reason, /* ours stays */
        .end_reason = str_present(reason) ? reason : STR("terminated"),
        .forget = true,
    };

    if (machine_is_final(machine, row.state) && machine->codes[state].rest == row.state)
        return 0;
    if (dsp__effect_write(app, tx, sent->kind, msg->stream, &effect, now_us, err) < 0 ||
        dsp__event_reached(app, tx, sent->kind, msg->stream, machine->terminated,
                           state == machine->terminated ? row.error : reason, row.listened != 0,
                           now_us, err) < 0 ||
        (row.deprovision != 0 &&
         dsp__deprovisioned(app, tx, msg->stream, row.listened != 0, now_us, err) < 0))
        return err_ret(err);
    /*
     * Only here is it known that this ends the process; a batch that has to be repeated counts
     * twice. A termination of ours was counted when it was decided.
     */
    if (sent->kind == &negotiation_kind && state != machine->terminated)
        COUNT(C_NEGOTIATIONS_TERMINATED);
    return 0;
}

int dsp_ended(struct db *tx, struct app *app, const struct outbox_msg *msg,
              enum outbox_result result, struct str answer, struct err *err)
{
    AUTO(arena_free) struct arena *arena = arena_new(KIB(16));
    const struct sent_kind *sent = dsp__sent_kind(msg->kind);

    if (sent == NULL || (sent->courtesy && result != OUTBOX_SENT)) {
        err_clear(err);
        return 0;
    }
    if (result == OUTBOX_REFUSED && err->code == E_PEER_TIMEOUT)
        answer = STR("the other party did not take our message in time");
    err_clear(err);
    drop_later(app->dsp, msg->id); /* of an earlier run that was rolled back */
    if (arena == NULL)
        return err_set(err, E_NO_MEMORY, "", "end of a message");
    return result == OUTBOX_SENT ? acknowledged(tx, app, sent, msg, answer, arena, err)
                                 : given_up(tx, app, sent, msg, answer, arena, err);
}

void dsp_after(struct app *app, const struct outbox_msg *msg, enum outbox_result result)
{
    const struct sent_kind *sent = dsp__sent_kind(msg->kind);

    events_committed(app);
    if (result != OUTBOX_SENT && (sent == NULL || !sent->courtesy)) {
        log_warning(NULL, "the other party did not take a message, the process has ended",
                    L_STR("kind", msg->kind), L_STR("process", msg->stream));
        dataplane_forget(app->dataplane, msg->stream, STR_NONE);
        outbox_drop_stream(app->outbox, msg->stream);
    } else if (str_eq(msg->kind, STR("dsp.transfer.start"))) {
        dataplane_push_due(app->dataplane);
    }
    for (struct later *later = take_later(app->dsp, msg->id), *next; later != NULL; later = next) {
        next = later->next;
        outbox_wake(app->outbox, &later->msg);
        later_free(later);
    }
}
