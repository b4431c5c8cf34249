/*
 * connector/dataplane/take.c - access numbers: one operation of the writer for all accesses that wait
 *
 * In the operation the state of transfer and agreement is checked once more, and a policy that
 * counts uses is decided, so that neither a stale view nor parallel accesses can slip through. A
 * refusal is the access's own: the others in the operation go on.
 */
#include <stdlib.h>

#include "connector/dataplane/dataplane_private.h"
#include "connector/store/store.h"
#include "lib/base/limits.h"
#include "lib/crypto/hash.h"
#include "sql_connector.h"

#include "lib/base/banned.h"

struct taking {
    struct writer_op op;
    struct dataplane *dp;
    struct access *first, **tail;
};

struct number {
    int64_t number;
};
/* clang-format off */
static const struct field number_fields[] = {FIELD(struct number, number, "number", F_REQUIRED)};
/* clang-format on */
static OBJECT(number_row, struct number, number_fields, OPEN);

/*
 * Policies that count uses are decided here, where nothing comes in between. An answer of unknown
 * length reserves all that is left, and may not take more.
 */
static int check_counters(struct db *tx, struct access *a, struct arena *arena, struct err *err)
{
    struct meter *m = &a->meter;
    int64_t until_us;

    if (!a->view->counts)
        return 0;
    if (!a->unknown)
        return dataplane__decide(tx, a->view, m->reserved, m->since_us, arena, &until_us, err);
    if (dataplane__room(tx, a->view, m->since_us, arena, &a->limit, err) < 0)
        return err_ret(err);
    m->reserved = a->limit < INT64_MAX ? a->limit : 0;
    return 0;
}

static int begin(struct db *tx, struct meter *m, int64_t number, struct err *err)
{
    AUTO(buf_done) struct buf input = buf_init(KIB(8));
    uint8_t hash[SHA256_LEN];

    wire_event_input(m->agreement, m->transfer, number, &input);
    if (buf_failed(&input))
        return err_set(err, E_LIMIT, "", "event");
    sha256(buf_str(&input).p, buf_str(&input).n, hash);
    m->event = wire_event_id(m->since_us, hash);
    return dataplane__meter_begin(tx, m, err);
}

static void all_ended(struct access *first, size_t n)
{
    for (struct access *a = first; n > 0; n--, a = a->next_taking)
        IGNORE(err_tell(&a->err, E_NOT_IN_FORCE, "transfer",
                        "the transfer or its agreement has just ended"),
               "it is the access's answer");
}

/* Numbers n accesses of one transfer; one alone if its policy counts. */
static int take_some(struct db *tx, struct access *first, size_t n, struct err *err)
{
    AUTO(arena_free) struct arena *arena = arena_new(MIB(4));
    const struct meter *last = &first->meter;
    struct number number = {0};
    struct access *a = first;
    int64_t reserved = 0;

    if (arena == NULL)
        return err_set(err, E_NO_MEMORY, "", "access");
    if (check_counters(tx, first, arena, err) < 0) {
        if (err->code != E_POLICY)
            return err_ret(err);
        first->err = *err;
        err_clear(err);
        return 0;
    }
    for (size_t i = 0; i < n; i++, a = a->next_taking) {
        if (a->meter.since_us > last->since_us)
            last = &a->meter;
    }
    switch (db_one(tx, &q_access_take,
                   DB_ARGS(DB_TEXT(first->transfer_id), DB_I64(TP_STARTING), DB_I64(TP_STARTED),
                           DB_I64(TP_RESUMING), DB_I64(last->since_us), DB_I64((int64_t)n)),
                   &number_row, arena, &number, err)) {
    case DB_ROW: break;
    case DB_NONE: all_ended(first, n); return 0;
    case DB_FAIL: return err_ret(err);
    }
    a = first;
    for (size_t i = 0; i < n; i++, a = a->next_taking) {
        if (begin(tx, &a->meter, number.number + (int64_t)i, err) < 0)
            return err_ret(err);
        reserved += a->meter.reserved;
    }
    return db_exec(tx, &q_use_add,
                   DB_ARGS(DB_TEXT(first->meter.agreement), DB_I64((int64_t)n), DB_I64(reserved)),
                   NULL, err);
}

static bool together(const struct access *a, const struct access *b)
{
    return !a->view->counts && !b->view->counts && str_eq(a->transfer_id, b->transfer_id) &&
           str_eq(a->meter.agreement, b->meter.agreement);
}

/* No access comes to it any more. */
static void close_taking(struct taking *taking)
{
    struct dataplane *dp = taking->dp;

    pthread_mutex_lock(&dp->lock);
    if (dp->taking == taking)
        dp->taking = NULL;
    pthread_mutex_unlock(&dp->lock);
}

static int take(struct db *tx, void *arg, struct err *err)
{
    struct taking *taking = arg;

    close_taking(taking);
    for (struct access *a = taking->first; a != NULL; a = a->next_taking)
        err_clear(&a->err); /* of an earlier run */
    for (struct access *a = taking->first, *end; a != NULL; a = end) {
        size_t n = 1;

        for (end = a->next_taking; end != NULL && together(a, end); end = end->next_taking)
            n++;
        if (take_some(tx, a, n, err) < 0)
            return err_ret(err);
    }
    return 0;
}

/* A resumed access is no longer ours. */
static void resume(struct access *a, const struct err *err)
{
    if (err->code != E_OK)
        a->err = *err;
    a->taken = a->err.code == E_OK;
    rq_resume(a->rq);
}

static void taken(void *arg, const struct err *err)
{
    struct taking *taking = arg;

    close_taking(taking);
    for (struct access *a = taking->first, *next; a != NULL; a = next) {
        next = a->next_taking;
        resume(a, err);
    }
    free(taking);
}

/* The one that waits for the writer, or a new one. Lock held. */
static struct taking *open_taking(struct dataplane *dp, bool *ret_fresh)
{
    *ret_fresh = dp->taking == NULL;
    if (dp->taking != NULL || (dp->taking = calloc(1, sizeof(*dp->taking))) == NULL)
        return dp->taking;
    dp->taking->op =
        (struct writer_op){.name = "access_take", .fn = take, .arg = dp->taking, .done = taken};
    dp->taking->dp = dp;
    dp->taking->tail = &dp->taking->first;
    return dp->taking;
}

void dataplane__number(struct access *a)
{
    struct dataplane *dp = a->meter.dp;
    struct taking *taking;
    struct err err = {0};
    bool fresh;

    pthread_mutex_lock(&dp->lock);
    taking = open_taking(dp, &fresh);
    if (taking != NULL) {
        *taking->tail = a;
        taking->tail = &a->next_taking;
    }
    pthread_mutex_unlock(&dp->lock);
    if (taking == NULL) {
        IGNORE(err_set(&err, E_NO_MEMORY, "", "access"), "it is the answer");
        resume(a, &err);
    } else if (fresh && writer_submit(dp->app->writer, &taking->op, &err) < 0) {
        taken(taking, &err);
    }
}
