/*
 * connector/takeover.c - piece by piece, each in the turn of all writers and only while nobody holds
 * the lock of the replica that is gone; its entry goes with the last piece
 */
#include "connector/takeover.h"

#include "connector/dataplane/dataplane.h"
#include "connector/events/events.h"
#include "connector/exchange/exchange.h"
#include "connector/mgmt/mgmt.h"
#include "connector/replica.h"
#include "connector/timed.h"
#include "lib/base/limits.h"
#include "lib/log/counters.h"
#include "lib/log/log.h"
#include "sql_connector.h"

#include "lib/base/banned.h"

#define MESSAGES 64
#define MEMORY   (MESSAGES * (LIMIT_BATCH_BYTES + KIB(64)))

struct piece {
    struct app *app;
    struct arena *arena;
    int64_t owner;        /* who is gone */
    struct list messages; /* struct outbox_msg */
    size_t accesses;
    bool lives, more;
    bool done_before; /* by another replica */
};

struct dead {
    bool dead;
};
/* clang-format off */
static const struct field dead_fields[] = {FIELD(struct dead, dead, "dead", F_REQUIRED)};
/* clang-format on */
static OBJECT(dead_row, struct dead, dead_fields, CLOSED);

static int take_messages(struct db *tx, struct piece *p, struct err *err)
{
    const struct outbox_msg *items;

    if (db_list(tx, &q_outbox_shared_first, DB_ARGS(DB_I64(p->owner), DB_I64(MESSAGES)),
                &outbox_msg_row, p->arena, MESSAGES, &p->messages, err) < 0)
        return err_ret(err);
    if (p->messages.n == 0)
        return 0;
    p->more = p->messages.n == MESSAGES;
    items = LIST_ITEMS(struct outbox_msg, p->messages);
    return db_exec(tx, &q_outbox_shared_move,
                   DB_ARGS(DB_I64(p->owner), DB_I64(items[p->messages.n - 1].id),
                           DB_I64(replica_id(p->app->replica))),
                   NULL, err);
}

static int take_piece(struct db *tx, void *arg, struct err *err)
{
    struct piece *p = arg;
    struct dead dead = {0};
    int64_t entries = 0;

    arena_reset(p->arena);
    p->messages = (struct list){0};
    p->accesses = 0;
    p->more = false;
    if (db_one(tx, &q_replica_is_dead, DB_ARGS(DB_I64(p->owner)), &dead_row, p->arena, &dead,
               err) != DB_ROW)
        return err_ret(err);
    p->lives = !dead.dead;
    if (p->lives)
        return 0;
    if (take_messages(tx, p, err) < 0 ||
        dataplane_settle_left(tx, p->app->dataplane, p->owner, &p->accesses, err) < 0)
        return err_ret(err);
    p->more = p->more || p->accesses == LIMIT_PAGE;
    if (p->more)
        return 0;
    if (mgmt_wishes_release(tx, p->owner, err) < 0 ||
        db_exec(tx, &q_replica_forget, DB_ARGS(DB_I64(p->owner)), &entries, err) < 0)
        return err_ret(err);
    p->done_before = entries == 0;
    return 0;
}

static void wake_messages(const struct piece *p)
{
    for (size_t i = 0; i < p->messages.n; i++) {
        struct outbox_msg msg = LIST_ITEMS(struct outbox_msg, p->messages)[i];

        msg.owner = replica_id(p->app->replica);
        outbox_wake(p->app->outbox, &msg);
    }
}

int replica_take_over(struct app *app, int64_t owner, struct str name, struct err *err)
{
    AUTO(arena_free) struct arena *arena = arena_new(MEMORY);
    struct piece p = {.app = app, .arena = arena, .owner = owner};
    int64_t messages = 0, accesses = 0;

    if (arena == NULL)
        return err_set(err, E_NO_MEMORY, "", "what a replica has left");
    do {
        if (writer_call(app->writer, "replica_take_over", take_piece, &p, err) < 0)
            return err_ret(err);
        if (p.lives)
            return 0;
        wake_messages(&p);
        messages += (int64_t)p.messages.n;
        accesses += (int64_t)p.accesses;
    } while (p.more);
    if (p.done_before)
        return 0;
    COUNT(C_REPLICA_TAKEOVERS);
    log_warning(NULL, "took over what a replica has left that is gone", L_I64("replica", owner),
                L_STR("name", name), L_I64("messages", messages), L_I64("accesses", accesses));
    exchange_receipts_wake(app->exchange);
    mgmt_wishes_wake(app->mgmt);
    dataplane_push_due(app->dataplane);
    events_take_over(app);
    return timed_start(app, err);
}
