/*
 * connector/dataplane/take.c - access numbers: from a block that is at hand, or by one operation of
 * the writer for all accesses that wait
 *
 * In the operation the state of transfer and agreement is checked once more, and a policy that
 * counts uses is decided, so that neither a stale view nor parallel accesses can slip through. A
 * refusal is the access's own: the others in the operation go on. If the policy counts nothing, a
 * slot of the journal stands for each access, as for one whose number was at hand, and the operation
 * also takes a block of numbers for the view. They are good for as long as the view holds:
 * a change of state makes dataplane_forget() end that before anybody hears of the change. Numbers
 * that are never used leave gaps, which mean nothing.
 */
#include <stdlib.h>

#include "connector/dataplane/dataplane_private.h"
#include "connector/replica.h"
#include "connector/store/store.h"
#include "lib/base/limits.h"
#include "lib/base/timefmt.h"
#include "sql_connector.h"

#include "lib/base/banned.h"

struct taking {
    struct writer_op op;
    struct dataplane *dp;
    struct access *first, **tail;
};

#define BLOCK_FIRST 64
#define BLOCK_MOST  65536

struct number {
    int64_t number;
};
/* clang-format off */
static const struct field number_fields[] = {FIELD(struct number, number, "number", F_REQUIRED)};
/* clang-format on */
static OBJECT(number_row, struct number, number_fields, OPEN);

static bool counts_operand(const struct access *a, enum policy_operand operand)
{
    return policy_needs_operand(policy_needs(a->view->policy, POLICY_AT_ACCESS), operand);
}

/*
 * Policies that count uses are decided here, where nothing comes in between. An answer whose length
 * or rows are not known yet reserves all that is left, and may not take more.
 */
static int check_counters(struct db *tx, struct access *a, struct arena *arena, struct err *err)
{
    const bool rows = !a->head && counts_operand(a, POLICY_OP_ROWS);
    struct meter *m = &a->meter;
    struct taking_of room = {a->unknown ? -1 : m->reserved, rows ? -1 : 0};
    int64_t until_us;

    if (!a->view->counts)
        return 0;
    if (!a->unknown && !rows)
        return dataplane__decide(tx, a->view, room, m->since_us, arena, &until_us, err);
    if (dataplane__room(tx, a->view, m->since_us, arena, &room, err) < 0)
        return err_ret(err);
    if (a->unknown) {
        a->limit = room.bytes;
        m->reserved = a->limit < INT64_MAX ? a->limit : 0;
    }
    if (rows) {
        a->row_limit = room.rows;
        m->rows_reserved = a->row_limit < INT64_MAX ? a->row_limit : 0;
    }
    return 0;
}

static void all_ended(struct access *first, size_t n)
{
    for (struct access *a = first; n > 0; n--, a = a->next_taking)
        IGNORE(err_tell(&a->err, E_NOT_IN_FORCE, "transfer",
                        "the transfer or its agreement has just ended"),
               "it is the access's answer");
}

/* More each time, as long as the same view needs them. */
static int64_t block_size(struct access *a)
{
    struct dataplane *dp = a->meter.dp;
    int64_t block;

    if (a->view->counts || dp->journal == NULL)
        return 0;
    pthread_mutex_lock(&dp->lock);
    block = a->view->block * 4;
    pthread_mutex_unlock(&dp->lock);
    return block < BLOCK_FIRST ? BLOCK_FIRST : block > BLOCK_MOST ? BLOCK_MOST : block;
}

/* An operation that did not come to its commit leaves nothing behind. */
static void give_back(struct access *a)
{
    struct meter *m = &a->meter;

    if (m->slot >= 0)
        journal_free(m->dp->journal, m->slot);
    m->slot = -1;
}

/* What stands for the receipt: a slot, or, for a policy that counts and where none is free, a row and
 * the use that it has reserved. */
static int begin_one(struct db *tx, struct access *a, int64_t number, struct err *err)
{
    struct meter *m = &a->meter;

    if (dataplane__meter_name(m, number, err) < 0)
        return err_ret(err);
    if (!a->view->counts && dataplane__meter_slot(m))
        return 0;
    if (dataplane__meter_begin(tx, m, err) < 0)
        return err_ret(err);
    if (a->view->counts && counts_operand(a, POLICY_OP_DAYS) &&
        db_exec(tx, &q_use_day, DB_ARGS(DB_TEXT(m->agreement), DB_I64(m->since_us / US_PER_DAY)),
                NULL, err) < 0)
        return err_ret(err);
    return db_exec(
        tx, &q_use_add,
        DB_ARGS(DB_TEXT(m->agreement), DB_I64(1), DB_I64(m->reserved), DB_I64(m->rows_reserved)),
        NULL, err);
}

/* Numbers n accesses of one transfer; one alone if its policy counts. */
static int take_some(struct db *tx, struct access *first, size_t n, struct err *err)
{
    AUTO(arena_free) struct arena *arena = arena_new(MIB(4));
    const struct meter *last = &first->meter;
    struct number number = {0};
    struct access *a = first;

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
    first->block = block_size(first);
    switch (db_one(tx, &q_access_take,
                   DB_ARGS(DB_TEXT(first->transfer_id), DB_I64(TP_STARTING), DB_I64(TP_STARTED),
                           DB_I64(TP_RESUMING), DB_I64(last->since_us),
                           DB_I64((int64_t)n + first->block)),
                   &number_row, arena, &number, err)) {
    case DB_ROW: break;
    case DB_NONE: all_ended(first, n); return 0;
    case DB_FAIL: return err_ret(err);
    }
    first->block_first = number.number + (int64_t)n;
    a = first;
    for (size_t i = 0; i < n; i++, a = a->next_taking) {
        if (begin_one(tx, a, number.number + (int64_t)i, err) < 0)
            return err_ret(err);
    }
    return 0;
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
        err_clear(&a->err), give_back(a), a->block = 0; /* of an earlier run */
    for (struct access *a = taking->first, *end; a != NULL; a = end) {
        size_t n = 1;

        for (end = a->next_taking; end != NULL && together(a, end); end = end->next_taking)
            n++;
        if (take_some(tx, a, n, err) < 0)
            return err_ret(err);
    }
    return 0;
}

static void keep_block(struct access *a)
{
    struct dataplane *dp = a->meter.dp;
    struct view *view = a->view;

    pthread_mutex_lock(&dp->lock);
    if (view->next_number == view->end_number) { /* else another block has come meanwhile */
        view->next_number = a->block_first;
        view->end_number = a->block_first + a->block;
        view->block = a->block;
    }
    pthread_mutex_unlock(&dp->lock);
}

/* A resumed access goes on without us. */
static void resume(struct access *a, const struct err *err)
{
    if (err->code != E_OK) {
        give_back(a);
        a->err = *err;
    }
    a->taken = a->err.code == E_OK;
    if (a->taken && a->block > 0)
        keep_block(a);
    a->outlet->resume(a);
    access_unref(a);
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

bool dataplane__number_at_hand(struct access *a)
{
    struct meter *m = &a->meter;
    struct dataplane *dp = m->dp;
    struct view *view = a->view;
    struct err err = {0};
    int64_t number = -1;

    if (!replica_hears(dp->app->replica)) /* the transfer may have ended elsewhere */
        return false;
    pthread_mutex_lock(&dp->lock);
    if (!view->counts && !view->forgotten && m->since_us < view->until_us &&
        view->next_number < view->end_number)
        number = view->next_number++;
    pthread_mutex_unlock(&dp->lock);
    if (number < 0 || dataplane__meter_name(m, number, &err) < 0)
        return false;

    a->taken = dataplane__meter_slot(m);
    return a->taken;
}

void dataplane__number(struct access *a)
{
    struct dataplane *dp = a->meter.dp;
    struct taking *taking;
    struct err err = {0};
    bool fresh;

    access_ref(a); /* whoever asks may leave before the writer is done */
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
