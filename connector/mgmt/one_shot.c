/*
 * connector/mgmt/one_shot.c - POST /v3/edrs: negotiates, and starts a transfer when the contract is
 * made
 *
 * The wish is a row of one_shot, kept until its transfer has been asked for or the negotiation has
 * failed. A sweep, after every contract while there are wishes, and at start, takes what has been
 * agreed: it marks the rows in the writer, asks for the transfers, and deletes the rows. What a
 * crash leaves marked is taken again at start, unless the transfer is there.
 */
#include <stdatomic.h>

#include "connector/dsp/dsp.h"
#include "connector/mgmt/mgmt_private.h"
#include "connector/replica.h"
#include "lib/log/log.h"
#include "sql_connector.h"

#include "lib/base/banned.h"

#define FORMAT    "HttpData-PULL"
#define SWEEP_MAX 64 /* wishes taken at once; the next sweep follows */

struct wish {
    struct str negotiation_id, agreement_id, callbacks;
};
/* clang-format off */
static const struct field wish_fields[] = {
    FIELD(struct wish, negotiation_id, "negotiation_id", F_REQUIRED),
    FIELD(struct wish, agreement_id,   "agreement_id",   0),
    FIELD(struct wish, callbacks,      "callbacks",      0),
};
/* clang-format on */
static OBJECT(wish_row, struct wish, wish_fields, OPEN);

struct counted {
    int64_t n;
};
/* clang-format off */
static const struct field counted_fields[] = {FIELD(struct counted, n, "n", F_REQUIRED)};
/* clang-format on */
static OBJECT(counted_row, struct counted, counted_fields, OPEN);

/* -- forgetting a wish ------------------------------------------------------------------------- */

struct ended {
    struct writer_op op;
    struct mgmt *mgmt;
    size_t n;
    char id[];
};

static int delete_wish(struct db *tx, void *arg, struct err *err)
{
    const struct ended *e = arg;

    return db_exec(tx, &q_mgmt_one_shot_delete, DB_ARGS(DB_TEXT(str_n(e->id, e->n))), NULL, err);
}

static void deleted(void *arg, const struct err *err)
{
    struct ended *e = arg;

    if (err->code != E_OK)
        log_err(NULL, "a wish for a transfer stays", err);
    else
        atomic_fetch_sub(&e->mgmt->wishes, 1);
    atomic_fetch_sub(&e->mgmt->live, 1);
    free(e);
}

/* The transfer has been asked for, or cannot be. */
static void asked(void *cls, struct str id, const struct err *err)
{
    struct ended *e = cls;
    struct err busy = {0};

    (void)id;
    if (err->code != E_OK)
        log_err(NULL, "no transfer follows the contract", err);
    if (writer_submit(e->mgmt->app->writer, &e->op, &busy) < 0) {
        log_err(NULL, "a wish for a transfer stays", &busy);
        atomic_fetch_sub(&e->mgmt->live, 1);
        free(e);
    }
}

static void ask(struct mgmt *mgmt, const struct wish *wish)
{
    const struct dsp_transfer request = {
        .agreement_id = wish->agreement_id, .format = STR(FORMAT), .callbacks = wish->callbacks};
    struct ended *e = malloc(sizeof(*e) + wish->negotiation_id.n);
    struct err err = {0};

    if (e == NULL)
        return; /* the row is still there at the next start */
    *e = (struct ended){.mgmt = mgmt, .n = wish->negotiation_id.n};
    memcpy(e->id, wish->negotiation_id.p, wish->negotiation_id.n);
    atomic_fetch_add(&mgmt->live, 1);
    e->op = (struct writer_op){
        .name = "one shot end", .fn = delete_wish, .arg = e, .done = deleted, .lazy = true};
    if (!str_present(wish->agreement_id))
        asked(e, STR_NONE, &err); /* the negotiation has failed */
    else if (dsp_transfer_request(mgmt->app, &request, asked, e, &err) < 0)
        asked(e, STR_NONE, &err);
}

/* -- the sweep --------------------------------------------------------------------------------- */

static void sweep(struct mgmt *mgmt, bool first);

struct sweep {
    struct writer_op op;
    struct mgmt *mgmt;
    struct arena *arena; /* owned, with this */
    bool first;          /* after a start: what is marked counts again */
    struct list wishes;
};

int mgmt_wishes_release(struct db *tx, int64_t owner, struct err *err)
{
    if (db_exec(tx, &q_mgmt_one_shot_done, DB_NO_ARGS, NULL, err) < 0)
        return err_ret(err);
    return db_exec(tx, &q_mgmt_one_shot_reset, DB_ARGS(DB_I64(owner + 1)), NULL, err);
}

static int take(struct db *tx, void *arg, struct err *err)
{
    struct sweep *s = arg;
    const int64_t owner = replica_id(s->mgmt->app->replica);

    atomic_store(&s->mgmt->sweeping, false); /* contracts from now on are seen by the next */
    if (s->first && mgmt_wishes_release(tx, owner, err) < 0)
        return err_ret(err);
    if (db_list(tx, &q_mgmt_one_shot_due,
                DB_ARGS(DB_I64(NEG_FINALIZED), DB_I64(NEG_TERMINATED), DB_I64(SWEEP_MAX)),
                &wish_row, s->arena, SWEEP_MAX, &s->wishes, err) < 0)
        return err_ret(err);
    for (size_t i = 0; i < s->wishes.n; i++) {
        if (db_exec(tx, &q_mgmt_one_shot_mark,
                    DB_ARGS(DB_TEXT(LIST_ITEMS(struct wish, s->wishes)[i].negotiation_id),
                            DB_I64(owner + 1)),
                    NULL, err) < 0)
            return err_ret(err);
    }
    return 0;
}

static void taken(void *arg, const struct err *err)
{
    struct sweep *s = arg;
    struct arena *arena = s->arena;
    struct mgmt *mgmt = s->mgmt;
    const bool more = err->code == E_OK && s->wishes.n == SWEEP_MAX;

    if (err->code != E_OK) {
        atomic_store(&mgmt->sweeping, false); /* it may not have begun */
        log_err(NULL, "wishes for transfers cannot be read", err);
    }
    for (size_t i = 0; err->code == E_OK && i < s->wishes.n; i++)
        ask(mgmt, &LIST_ITEMS(struct wish, s->wishes)[i]);
    arena_free(&arena);
    if (more)
        sweep(mgmt, false);
    atomic_fetch_sub(&mgmt->live, 1);
}

static void sweep(struct mgmt *mgmt, bool first)
{
    struct arena *arena = atomic_load(&mgmt->closing) ? NULL : arena_new(MIB(4));
    struct sweep *s = arena != NULL ? ARENA_NEW(arena, struct sweep) : NULL;
    struct err err = {0};

    if (s == NULL) {
        arena_free(&arena);
        atomic_store(&mgmt->sweeping, false);
        return; /* the next contract sweeps too */
    }
    s->mgmt = mgmt;
    s->arena = arena;
    s->first = first;
    s->op = (struct writer_op){
        .name = "one shot", .fn = take, .arg = s, .subject = STR("one shot"), .done = taken};
    atomic_fetch_add(&mgmt->live, 1);
    if (writer_submit(mgmt->app->writer, &s->op, &err) < 0) {
        atomic_fetch_sub(&mgmt->live, 1);
        atomic_store(&mgmt->sweeping, false);
        log_err(NULL, "wishes for transfers are not looked at", &err);
        arena_free(&arena);
    }
}

void mgmt__agreed(void *cls)
{
    struct mgmt *mgmt = cls;

    /* of replicas each may have been told of the wish, and each of the contract */
    if ((mgmt->app->replica != NULL || atomic_load(&mgmt->wishes) > 0) &&
        !atomic_exchange(&mgmt->sweeping, true))
        sweep(mgmt, false);
}

void mgmt_wishes_wake(struct mgmt *mgmt)
{
    sweep(mgmt, false);
}

static int count_wishes(struct db *tx, void *arg, struct err *err)
{
    struct mgmt *mgmt = arg;
    AUTO(arena_free) struct arena *arena = arena_new(KIB(4));
    struct counted counted = {0};

    if (arena == NULL)
        return err_set(err, E_NO_MEMORY, "", "one shot");
    if (db_one(tx, &q_mgmt_one_shot_count, DB_NO_ARGS, &counted_row, arena, &counted, err) ==
        DB_FAIL)
        return err_ret(err);
    atomic_store(&mgmt->wishes, counted.n);
    return 0;
}

int mgmt_start(struct app *app, struct err *err)
{
    if (writer_call(app->writer, "one shot count", count_wishes, app->mgmt, err) < 0)
        return err_ret(err);
    if (atomic_load(&app->mgmt->wishes) > 0)
        sweep(app->mgmt, true);
    return 0;
}

static int nothing(struct db *tx, void *arg, struct err *err)
{
    (void)tx;
    (void)arg;
    (void)err;
    return 0;
}

void mgmt_finish(struct mgmt *mgmt)
{
    struct err err = {0};

    if (mgmt == NULL)
        return;
    atomic_store(&mgmt->closing, true);
    /* each call returns after what was queued before it, which may have queued the next step */
    while (atomic_load(&mgmt->live) > 0 &&
           writer_call(mgmt->app->writer, "one shot finish", nothing, NULL, &err) == 0)
        continue;
}

/* -- the request ------------------------------------------------------------------------------- */

struct asking {
    struct writer_op op;
    struct command_wait wait;
};

static int insert_wish(struct db *tx, void *arg, struct err *err)
{
    const struct asking *a = arg;

    return db_exec(tx, &q_mgmt_one_shot_insert, DB_ARGS(DB_TEXT(str_c(a->wait.id))), NULL, err);
}

static void inserted(void *arg, const struct err *err)
{
    struct asking *a = arg;
    struct app *app = a->wait.rq->app;

    if (err->code == E_OK) {
        atomic_fetch_add(&app->mgmt->wishes, 1);
        sweep(app->mgmt, false); /* the contract may be made already */
    }
    mgmt__done(&a->wait, STR_NONE, err);
}

static void negotiating(void *cls, struct str id, const struct err *err)
{
    struct asking *a = cls;
    struct app *app = a->wait.rq->app;
    struct err busy = {0};

    if (err->code != E_OK || id.n >= sizeof(a->wait.id)) {
        mgmt__done(&a->wait, id, err);
        return;
    }
    memcpy(a->wait.id, id.p, id.n);
    a->op =
        (struct writer_op){.name = "one shot begin", .fn = insert_wish, .arg = a, .done = inserted};
    if (writer_submit(app->writer, &a->op, &busy) < 0)
        mgmt__done(&a->wait, id, &busy);
}

int mgmt_edr_create(struct rq *rq, struct err *err)
{
    struct asking *a = ARENA_NEW(rq->arena, struct asking);
    struct dsp_negotiate request = {0};

    if (a == NULL)
        return err_set(err, E_LIMIT, "", "memory of the request");
    if (mgmt__read_contract_request(rq, &request, err) < 0)
        return err_ret(err);
    mgmt__wait_in(rq, &a->wait, true);
    return dsp_negotiate(rq->app, &request, negotiating, a, err);
}
