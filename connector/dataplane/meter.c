/*
 * connector/dataplane/meter.c - from the last byte to the receipt
 *
 * While an access runs, its row in `access` or its slot of the journal stands for the receipt that
 * is due. One operation deletes the row and stores the receipt, at once: a crash before it would
 * leave less known than was delivered. A slot is free after the commit; if a crash comes in between,
 * the receipt is found at the next start and not made again. Whatever ends before that operation begins goes with it. If it fails, each meter
 * waits and is tried again alone. What is found at start was cut off by a crash: its receipt says
 * what was known.
 */
#include "connector/dataplane/dataplane_private.h"
#include "connector/receipt.h"
#include "connector/replica.h"
#include "lib/base/limits.h"
#include "lib/crypto/hash.h"
#include "lib/log/log.h"
#include "sql_connector.h"

#include "lib/base/banned.h"

/* clang-format off */
static const struct field known_fields[] = {
    FIELD(struct meter_known, agreement, "agreement", F_REQUIRED),
    FIELD(struct meter_known, receipt,   "receipt",   F_REQUIRED),
};
/* clang-format on */
static OBJECT(known_row, struct meter_known, known_fields, OPEN);

int dataplane__meter_name(struct meter *m, int64_t number, struct err *err)
{
    AUTO(buf_done) struct buf input = buf_init(KIB(8));
    uint8_t hash[SHA256_LEN];

    wire_event_input(m->agreement, m->transfer, number, &input);
    if (buf_failed(&input))
        return err_set(err, E_LIMIT, "", "event");
    sha256(buf_str(&input).p, buf_str(&input).n, hash);
    m->event = wire_event_id(m->since_us, hash);
    return 0;
}

int dataplane__meter_begin(struct db *tx, const struct meter *m, struct err *err)
{
    const struct uuid_text event = uuid_format(m->event);

    return db_exec(tx, &q_access_put,
                   DB_ARGS(DB_TEXT(str_c(event.c)), DB_TEXT(str_c(party_role_names[m->role])),
                           DB_TEXT(m->agreement), DB_TEXT(m->transfer), DB_I64(m->since_us),
                           DB_I64(m->reserved), DB_I64(m->rows_reserved),
                           DB_I64(replica_id(m->dp->app->replica))),
                   NULL, err);
}

bool dataplane__meter_slot(struct meter *m)
{
    const struct journal_entry entry = {
        .role = (int)m->role,
        .event = m->event,
        .agreement = m->agreement,
        .transfer = m->transfer,
        .since_us = m->since_us,
    };

    m->slot = m->dp->journal != NULL ? journal_take(m->dp->journal, &entry) : -1;
    return m->slot >= 0;
}

/* Under the lock, so that the keeper cannot put an older number there afterwards. */
void dataplane__meter_seen(struct meter *m, int64_t bytes, int64_t rows)
{
    struct dataplane *dp = m->dp;

    pthread_mutex_lock(&dp->lock);
    atomic_store(&m->seen_bytes, bytes);
    atomic_store(&m->seen_rows, rows);
    if (m->slot >= 0)
        journal_seen(dp->journal, m->slot, bytes, rows, env_wall_us(dp->app->env));
    pthread_mutex_unlock(&dp->lock);
}

int dataplane__meter_known(struct db *db, const struct meter *m, struct meter_known *ret_known,
                           struct err *err)
{
    const struct uuid_text event = uuid_format(m->event);
    AUTO(arena_free) struct arena *arena = arena_new(KIB(4));

    if (arena == NULL)
        return err_set(err, E_NO_MEMORY, "", "event");
    if (db_one(db, &q_access_known,
               DB_ARGS(DB_TEXT(m->agreement), DB_TEXT(str_c(event.c)),
                       DB_TEXT(str_c(party_role_names[m->role]))),
               &known_row, arena, ret_known, err) == DB_FAIL)
        return err_ret(err);
    return 0;
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
        if (m->slot >= 0) {
            journal_seen(dp->journal, m->slot, atomic_load(&m->seen_bytes),
                         atomic_load(&m->seen_rows), list->now_us);
            continue;
        }
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
    if (dp->journal != NULL)
        journal_sync(dp->journal);
    list->op = (struct writer_op){
        .name = "access_note", .fn = note_all, .arg = list, .done = noted, .lazy = true};
    if (list->n == 0)
        free(list);
    else if (writer_submit(dp->app->writer, &list->op, &err) < 0)
        noted(list, &err);
}

/* -- the receipt ------------------------------------------------------------------------------- */

/* Meters that are settled in one operation. */
struct settling {
    struct writer_op op;
    struct dataplane *dp;
    struct meter *first, **tail;
};

static bool same_account(const struct meter *a, const struct meter *b)
{
    return a->role == b->role && str_eq(a->agreement, b->agreement);
}

/* An event that somebody else has named may come twice; the second one is not counted. */
static int check_once(struct db *tx, struct meter *m, struct err *err)
{
    struct meter_known known = {0};
    const struct uuid_text event = uuid_format(m->event);

    if (m->role == PARTY_PROVIDER)
        return 0;
    if (dataplane__meter_known(tx, m, &known, err) < 0)
        return err_ret(err);
    if (known.receipt)
        log_error(NULL, "the provider has named an event twice, the second one is not counted",
                  L_STR("agreement", m->agreement), L_C("event", event.c));
    m->due = !known.receipt;
    return 0;
}

/* Deletes the access row; m->due tells whether it was there: if not, it has had its receipt. A slot
 * is there as long as its meter is. */
static int drop(struct db *tx, struct meter *m, struct err *err)
{
    const struct uuid_text event = uuid_format(m->event);
    int64_t changed = 0;

    m->due = m->slot >= 0;
    if (m->due)
        return m->counts ? check_once(tx, m, err) : 0;
    if (db_exec(tx, &q_access_drop,
                DB_ARGS(DB_TEXT(str_c(event.c)), DB_TEXT(str_c(party_role_names[m->role]))),
                &changed, err) < 0)
        return err_ret(err);
    m->due = changed > 0;
    return 0;
}

static int store(struct db *tx, const struct meter *m, int64_t seq, struct err *err)
{
    const struct wire_receipt receipt = {
        .agreement = m->agreement,
        .bytes = m->bytes,
        .calls = 1,
        .event = m->event,
        .role = (int)m->role,
        .rows = m->rows,
        .seq = seq,
        .since_us = m->since_us,
        .until_us = m->until_us,
        .transfer = m->transfer,
    };

    return receipt_store(tx, &receipt, m->until_us, err);
}

int dataplane__settle_now(struct db *tx, struct meter *first, size_t n, struct err *err)
{
    int64_t bytes = 0, rows = 0, calls = 0, seq = 0;
    struct meter *m = first;
    size_t receipts = 0;

    for (size_t i = 0; i < n; i++, m = m->next) {
        if (drop(tx, m, err) < 0)
            return err_ret(err);
        if (!m->due)
            continue;
        /* the use of a row was counted when it was taken */
        calls += m->slot >= 0 ? m->counts : -!m->counts;
        bytes += m->bytes + m->given - (m->slot >= 0 ? 0 : m->reserved);
        rows += m->rows_used - (m->slot >= 0 ? 0 : m->rows_reserved);
        receipts += m->counts;
    }
    if (first->role == PARTY_PROVIDER && (calls != 0 || bytes != 0 || rows != 0) &&
        db_exec(tx, &q_use_add,
                DB_ARGS(DB_TEXT(first->agreement), DB_I64(calls), DB_I64(bytes), DB_I64(rows)),
                NULL, err) < 0)
        return err_ret(err);
    if (receipts > 0 && receipt_number(tx, first->agreement, receipts, &seq, err) < 0)
        return err_ret(err);
    m = first;
    for (size_t i = 0; i < n; i++, m = m->next) {
        if (m->due && m->counts && store(tx, m, seq++, err) < 0)
            return err_ret(err);
    }
    return 0;
}

/* No meter comes to it any more. */
static void close_settling(struct settling *settling)
{
    struct dataplane *dp = settling->dp;
    struct settling **open = &dp->settling[settling->op.lazy];

    pthread_mutex_lock(&dp->lock);
    if (*open == settling)
        *open = NULL;
    pthread_mutex_unlock(&dp->lock);
}

static int settle(struct db *tx, void *arg, struct err *err)
{
    struct settling *settling = arg;

    close_settling(settling);
    for (struct meter *m = settling->first, *end; m != NULL; m = end) {
        size_t n = 1;

        for (end = m->next; end != NULL && same_account(m, end); end = end->next)
            n++;
        if (dataplane__settle_now(tx, m, n, err) < 0)
            return err_ret(err);
    }
    return 0;
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
    struct settling *settling = arg;
    bool receipts = false;

    close_settling(settling);
    if (err->code != E_OK)
        log_err(NULL, "receipts could not be written yet", err);
    for (struct meter *m = settling->first, *next; m != NULL; m = next) {
        next = m->next;
        receipts = receipts || m->counts;
        if (err->code != E_OK) {
            keep_for_later(m);
            continue;
        }
        if (m->slot >= 0)
            journal_free(m->dp->journal, m->slot);
        m->settled(m);
    }
    if (err->code == E_OK && receipts)
        receipts_wake(settling->dp->app);
    free(settling);
}

/* Nothing waits for a slot, so more of them go together; what a row has reserved is missed by the next
 * access. */
static struct settling *settling_new(struct dataplane *dp, bool slots)
{
    struct settling *settling = calloc(1, sizeof(*settling));

    if (settling == NULL)
        return NULL;
    settling->op = (struct writer_op){
        .name = "access_settle", .fn = settle, .arg = settling, .done = settle_done, .lazy = slots};
    settling->dp = dp;
    settling->tail = &settling->first;
    return settling;
}

static void add_meter(struct settling *settling, struct meter *m)
{
    m->next = NULL;
    *settling->tail = m;
    settling->tail = &m->next;
}

static void submit(struct settling *settling)
{
    struct err err = {0};

    if (writer_submit(settling->dp->app->writer, &settling->op, &err) < 0)
        settle_done(settling, &err);
}

void dataplane__settle(struct meter *m)
{
    struct dataplane *dp = m->dp;
    const bool slot = m->slot >= 0;
    struct settling **open = &dp->settling[slot];
    struct settling *fresh = NULL;
    bool taken;

    stop_running(m);
    if (slot) /* from here on a kill changes nothing in the receipt */
        journal_seen(dp->journal, m->slot, m->bytes, m->rows, m->until_us);
    pthread_mutex_lock(&dp->lock);
    if (*open == NULL)
        *open = fresh = settling_new(dp, slot);
    taken = *open != NULL;
    if (taken)
        add_meter(*open, m);
    pthread_mutex_unlock(&dp->lock);
    if (!taken)
        keep_for_later(m);
    else if (fresh != NULL)
        submit(fresh);
}

void dataplane__settle_again(struct dataplane *dp)
{
    struct meter *m;

    pthread_mutex_lock(&dp->lock);
    m = MOVE(dp->unsettled);
    pthread_mutex_unlock(&dp->lock);
    for (struct meter *next; m != NULL; m = next) {
        struct settling *alone = settling_new(dp, false);

        next = m->next;
        if (alone == NULL) {
            keep_for_later(m);
            continue;
        }
        add_meter(alone, m);
        submit(alone);
    }
}
