/*
 * connector/dataplane/meter.c - from the last byte to the receipt
 *
 * While an access runs, its row in `access` stands for the receipt that is due. One operation
 * deletes the row and stores the receipt, at once: a crash before it would leave less known than
 * was delivered. If it fails, the meter waits and is tried again. Rows that are found at start were
 * cut off by a crash: their receipt says what was known.
 */
#include "connector/dataplane/dataplane_private.h"
#include "connector/receipt.h"
#include "lib/base/limits.h"
#include "lib/log/log.h"
#include "sql_connector.h"

#include "lib/base/banned.h"

struct left {
    struct str event_id, role, agreement_id, transfer_id;
    int64_t since_us, reserved_bytes, bytes, row_count, seen_us;
};
/* clang-format off */
static const struct field left_fields[] = {
    FIELD(struct left, event_id,       "event_id",       F_REQUIRED),
    FIELD(struct left, role,           "role",           F_REQUIRED),
    FIELD(struct left, agreement_id,   "agreement_id",   F_REQUIRED),
    FIELD(struct left, transfer_id,    "transfer_id",    F_REQUIRED),
    FIELD(struct left, since_us,       "since_us",       F_REQUIRED),
    FIELD(struct left, reserved_bytes, "reserved_bytes", F_REQUIRED),
    FIELD(struct left, bytes,          "bytes",          F_REQUIRED),
    FIELD(struct left, row_count,      "row_count",      F_REQUIRED),
    FIELD(struct left, seen_us,        "seen_us",        F_REQUIRED),
};
/* clang-format on */
static OBJECT(left_row, struct left, left_fields, OPEN);

int dataplane__meter_begin(struct db *tx, const struct meter *m, struct err *err)
{
    const struct uuid_text event = uuid_format(m->event);

    return db_exec(tx, &q_access_put,
                   DB_ARGS(DB_TEXT(str_c(event.c)), DB_TEXT(str_c(party_role_names[m->role])),
                           DB_TEXT(m->agreement), DB_TEXT(m->transfer), DB_I64(m->since_us),
                           DB_I64(m->reserved)),
                   NULL, err);
}

void dataplane__meter_run(struct meter *m)
{
    struct dataplane *dp = m->dp;

    m->began_mono_us = env_mono_us(dp->app->env);
    pthread_mutex_lock(&dp->lock);
    m->after = dp->running;
    if (m->after != NULL)
        m->after->prev = m;
    dp->running = m;
    if (!dp->watching)
        pthread_cond_signal(&dp->wake);
    pthread_mutex_unlock(&dp->lock);
}

static void stop_running(struct meter *m)
{
    struct dataplane *dp = m->dp;

    pthread_mutex_lock(&dp->lock);
    if (m->prev != NULL)
        m->prev->after = m->after;
    else if (dp->running == m)
        dp->running = m->after;
    if (m->after != NULL)
        m->after->prev = m->prev;
    m->prev = m->after = NULL;
    pthread_mutex_unlock(&dp->lock);
}

/* -- notes while it runs ----------------------------------------------------------------------- */

#define NOTES_MAX 64 /* in one operation */

struct note {
    struct uuid event;
    enum party_role role;
    int64_t bytes, rows;
};

struct notes {
    struct writer_op op;
    int64_t now_us;
    size_t n;
    struct note notes[NOTES_MAX];
};

static int note_all(struct db *tx, void *arg, struct err *err)
{
    const struct notes *list = arg;

    for (size_t i = 0; i < list->n; i++) {
        const struct note *note = &list->notes[i];
        const struct uuid_text event = uuid_format(note->event);

        if (db_exec(tx, &q_access_seen,
                    DB_ARGS(DB_TEXT(str_c(event.c)), DB_TEXT(str_c(party_role_names[note->role])),
                            DB_I64(note->bytes), DB_I64(note->rows), DB_I64(list->now_us)),
                    NULL, err) < 0)
            return err_ret(err);
    }
    return 0;
}

static void noted(void *arg, const struct err *err)
{
    if (err->code != E_OK)
        log_err(NULL, "what deliveries have taken could not be noted", err);
    free(arg);
}

/* Lock held. */
static void collect(struct dataplane *dp, int64_t began_before_us, struct notes *list)
{
    for (struct access *a = dp->open; a != NULL; a = a->next) {
        if (atomic_load(&a->sends_file) && a->began_mono_us <= began_before_us)
            atomic_store(&a->meter.seen_bytes, (long long)rq_sent(a->rq));
    }
    for (struct meter *m = dp->running; m != NULL && list->n < NOTES_MAX; m = m->after) {
        if (m->began_mono_us > began_before_us)
            continue;
        list->notes[list->n++] = (struct note){
            .event = m->event,
            .role = m->role,
            .bytes = atomic_load(&m->seen_bytes),
            .rows = atomic_load(&m->seen_rows),
        };
    }
}

void dataplane__meter_note(struct dataplane *dp, int64_t began_before_us)
{
    struct notes *list = calloc(1, sizeof(*list));
    struct err err = {0};

    if (list == NULL)
        return; /* the next round tries again */
    list->now_us = env_wall_us(dp->app->env);
    pthread_mutex_lock(&dp->lock);
    collect(dp, began_before_us, list);
    pthread_mutex_unlock(&dp->lock);
    list->op = (struct writer_op){
        .name = "access_note", .fn = note_all, .arg = list, .done = noted, .lazy = true};
    if (list->n == 0)
        free(list);
    else if (writer_submit(dp->app->writer, &list->op, &err) < 0)
        noted(list, &err);
}

/* -- the receipt ------------------------------------------------------------------------------- */

/* Replaces the access row by the receipt. A row that is gone has had its receipt. */
static int settle(struct db *tx, void *arg, struct err *err)
{
    const struct meter *m = arg;
    const struct uuid_text event = uuid_format(m->event);
    struct wire_receipt receipt = {
        .agreement = m->agreement,
        .bytes = m->bytes,
        .calls = 1,
        .event = m->event,
        .role = (int)m->role,
        .rows = m->rows,
        .since_us = m->since_us,
        .until_us = m->until_us,
        .transfer = m->transfer,
    };
    int64_t changed = 0;

    if (db_exec(tx, &q_access_drop,
                DB_ARGS(DB_TEXT(str_c(event.c)), DB_TEXT(str_c(party_role_names[m->role]))),
                &changed, err) < 0)
        return err_ret(err);
    if (changed == 0)
        return 0;
    if (m->role == PARTY_PROVIDER &&
        db_exec(tx, &q_use_add,
                DB_ARGS(DB_TEXT(m->agreement), DB_I64(m->counts ? 0 : -1),
                        DB_I64(m->bytes + m->given - m->reserved)),
                NULL, err) < 0)
        return err_ret(err);
    return m->counts ? receipt_store(tx, &receipt, m->until_us, err) : 0;
}

static void keep_for_later(struct meter *m)
{
    pthread_mutex_lock(&m->dp->lock);
    m->next = m->dp->unsettled;
    m->dp->unsettled = m;
    if (!m->dp->watching)
        pthread_cond_signal(&m->dp->wake);
    pthread_mutex_unlock(&m->dp->lock);
}

static void settle_done(void *arg, const struct err *err)
{
    struct meter *m = arg;

    if (err->code != E_OK) {
        log_err(NULL, "receipt could not be written yet", err);
        keep_for_later(m);
        return;
    }
    if (m->counts)
        receipts_wake(m->dp->app);
    m->settled(m);
}

void dataplane__settle(struct meter *m)
{
    struct err err = {0};

    stop_running(m);
    m->op =
        (struct writer_op){.name = "access_settle", .fn = settle, .arg = m, .done = settle_done};
    if (writer_submit(m->dp->app->writer, &m->op, &err) < 0)
        settle_done(m, &err);
}

void dataplane__settle_again(struct dataplane *dp)
{
    struct meter *m;

    pthread_mutex_lock(&dp->lock);
    m = MOVE(dp->unsettled);
    pthread_mutex_unlock(&dp->lock);
    while (m != NULL) {
        struct meter *next = m->next;

        dataplane__settle(m);
        m = next;
    }
}

/* -- after a crash ----------------------------------------------------------------------------- */

static int recover_one(struct db *tx, struct dataplane *dp, const struct left *left,
                       struct err *err)
{
    struct meter m = {
        .dp = dp,
        .role = str_eq(left->role, STR("provider")) ? PARTY_PROVIDER : PARTY_CONSUMER,
        .agreement = left->agreement_id,
        .transfer = left->transfer_id,
        .since_us = left->since_us,
        .until_us = left->seen_us,
        .bytes = left->bytes,
        .rows = left->row_count,
        .reserved = left->reserved_bytes,
        .counts = true,
    };

    if (!uuid_parse(left->event_id, &m.event))
        return err_set(err, E_CORRUPT, "", "access '%.*s'", STR_ARG(left->event_id));
    return settle(tx, &m, err);
}

struct recovery {
    struct dataplane *dp;
    size_t n;
};

static int recover(struct db *tx, void *arg, struct err *err)
{
    struct recovery *r = arg;
    AUTO(arena_free) struct arena *arena = arena_new(MIB(16));
    struct list rows = {0};

    if (arena == NULL)
        return err_set(err, E_NO_MEMORY, "", "accesses");
    if (db_list(tx, &q_access_left, DB_ARGS(DB_I64(LIMIT_PAGE)), &left_row, arena, LIMIT_PAGE,
                &rows, err) < 0)
        return err_ret(err);
    for (size_t i = 0; i < rows.n; i++) {
        if (recover_one(tx, r->dp, &LIST_ITEMS(struct left, rows)[i], err) < 0)
            return err_ret(err);
    }
    r->n = rows.n;
    return 0;
}

int dataplane__recover(struct dataplane *dp, struct err *err)
{
    struct recovery r = {.dp = dp};
    size_t all = 0;

    do {
        if (writer_call(dp->app->writer, "access_recover", recover, &r, err) < 0)
            return err_ret(err);
        all += r.n;
    } while (r.n == LIMIT_PAGE);
    if (all > 0)
        log_warning(NULL, "accesses that were cut off have their receipts now",
                    L_I64("accesses", (int64_t)all));
    return 0;
}
