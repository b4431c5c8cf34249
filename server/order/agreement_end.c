/*
 * server/order/agreement_end.c - POST /v1/agreements/end: one side has ended an agreement before its
 * time (docs/exchange.md §2)
 *
 * 1 The document is signed by a party that has reported the agreement, with the same counterparty.
 * 2 What counts is the first end: the provider's from its `ended_at` on, which lies neither before
 *   the agreement nor in the future; the consumer's from the instant at which we receive it, since
 *   nobody shortens what he owes by a date of his own. The second one is recorded, without effect.
 * 3 An active order of the deal ends with it (order__end); one that is not active yet does so when
 *   the second report comes (agreement.c). Receipts of accesses after the end are refused.
 * 4 The same again answers as before; another instant is a conflict.
 */
#include "lib/base/limits.h"
#include "lib/base/timefmt.h"
#include "server/audit/audit.h"
#include "server/order/order_private.h"
#include "sql_broker.h"

#include "lib/base/banned.h"

#define REASON_MAX 500

struct ending_body {
    struct str end;
};

/* clang-format off */
static const struct field body_fields[] = {FIELD(struct ending_body, end, "end", F_REQUIRED | F_NONEMPTY)};
static OBJECT(body_object, struct ending_body, body_fields, CLOSED);
static const struct field end_fields[] = {
    FIELD_ENUM(struct agreement_end, role,    "role",         F_REQUIRED, party_role_names),
    FIELD(struct agreement_end, ended_us,     "ended_at",     F_REQUIRED | F_TIME),
    FIELD(struct agreement_end, effective_us, "effective_at", F_REQUIRED | F_TIME),
};
static OBJECT(end_row, struct agreement_end, end_fields, OPEN);
struct found_order {
    struct uuid order_id;
};
static const struct field order_fields[] = {FIELD(struct found_order, order_id, "order_id", F_REQUIRED)};
/* clang-format on */
static OBJECT(order_row, struct found_order, order_fields, OPEN);

struct ending {
    struct rq *rq;
    struct str document;
    struct wire_agreement_end end;
    struct str peer;
    struct uuid deal;
    int64_t now_us;
    bool has_order;
    struct purchase purchase;
    struct order_delivery delivery;
};

int order__ends(struct db *tx, struct uuid deal, struct arena *arena, struct list *ret_ends,
                struct err *err)
{
    return db_list(tx, &q_agreement_end_list, DB_ARGS(DB_UUID(deal)), &end_row, arena, PARTY__COUNT,
                   ret_ends, err);
}

int order__end(struct app *app, struct db *tx, struct purchase *p, int64_t effective_us,
               struct arena *arena, struct order_delivery *ret_delivery, struct err *err)
{
    struct report provider = {0};
    bool found = false;

    if (order__report(tx, p->deal_id, PARTY_PROVIDER, arena, &provider, &found, err) < 0)
        return err_ret(err);
    p->ended_us = effective_us;
    if (found && provider.ends_us != 0 && provider.ends_us < p->ended_us)
        p->ended_us = provider.ends_us;
    if (p->ended_us < p->active_us)
        p->ended_us = p->active_us;
    return order_advance(app, tx, p, ORDER_ENDED, arena, ret_delivery, err);
}

/* Rules 1 and 2. */
static int check(struct db *tx, const struct ending *e, struct err *err)
{
    const struct wire_agreement_end *end = &e->end;
    struct report mine = {0};
    bool found = false;

    if (order__own_report(tx, end->agreement, rq_principal(e->rq)->participant, e->rq->arena, &mine,
                          &found, err) < 0)
        return err_ret(err);
    if (!found || mine.role != end->role || !uuid_eq(mine.deal_id, e->deal))
        return err_tell(err, E_NOT_FOUND, "/end/agreement",
                        "you have not reported this agreement with this counterparty and role");
    if (end->role == PARTY_PROVIDER && end->ended_us < mine.agreed_us)
        return err_tell(err, E_INVALID, "/end/ended_at", "it lies before the agreement");
    if (end->ended_us > e->now_us + ORDER_SKEW_US)
        return err_tell(err, E_INVALID, "/end/ended_at", "it lies in the future");
    return 0;
}

static int store(struct db *tx, const struct ending *e, int64_t effective_us, struct err *err)
{
    const struct wire_agreement_end *end = &e->end;
    AUTO(buf_done) struct buf body = buf_init(KIB(16));
    struct jw w = jw_init(&body);

    jw_object(&w);
    jw_kstr(&w, "agreement", end->agreement);
    jw_kc(&w, "role", party_role_names[end->role]);
    jw_kc(&w, "participant", uuid_format(rq_principal(e->rq)->participant).c);
    jw_kstr(&w, "peer", e->peer);
    jw_kc(&w, "ended_at", time_format(end->ended_us).c);
    jw_kc(&w, "effective_at", time_format(effective_us).c);
    jw_object_end(&w);
    if (db_exec(tx, &q_agreement_end_insert,
                DB_ARGS(DB_UUID(e->deal), DB_TEXT(str_c(party_role_names[end->role])),
                        DB_TIME(end->ended_us), DB_TIME(effective_us), DB_TEXT(e->document),
                        DB_TIME(e->now_us)),
                NULL, err) < 0)
        return err_ret(err);
    return audit_append(tx, ENTRY_AGREEMENT_ENDED, e->now_us, buf_str(&body), err);
}

static int find_order(struct db *tx, struct ending *e, struct err *err)
{
    struct found_order found = {0};

    switch (db_one(tx, &q_purchase_of_deal, DB_ARGS(DB_UUID(e->deal)), &order_row, e->rq->arena,
                   &found, err)) {
    case DB_ROW: break;
    case DB_NONE: return 0;
    case DB_FAIL: return err_ret(err);
    }
    e->has_order = true;
    return order__lock(tx, found.order_id, e->rq->arena, &e->purchase, err);
}

/* db_tx_fn */
static int end_agreement(struct db *tx, void *arg, struct err *err)
{
    struct ending *e = arg;
    const struct wire_agreement_end *end = &e->end;
    const struct agreement_end *known;
    struct list ends = {0};
    int64_t effective_us;

    e->delivery.n = 0;
    e->has_order = false;
    e->now_us = env_wall_us(e->rq->env);
    if (order__deal_lock(tx, e->deal, err) < 0 || check(tx, e, err) < 0 ||
        order__ends(tx, e->deal, e->rq->arena, &ends, err) < 0 || find_order(tx, e, err) < 0)
        return err_ret(err);
    known = ends.items;
    for (size_t i = 0; i < ends.n; i++) {
        if (known[i].role != end->role)
            continue;
        return known[i].ended_us == end->ended_us
                   ? 0
                   : err_tell(err, E_CONFLICT, "/end/ended_at", "you ended it at another instant");
    }
    effective_us = ends.n > 0                    ? known[0].effective_us
                   : end->role == PARTY_PROVIDER ? end->ended_us
                                                 : e->now_us;
    if (store(tx, e, effective_us, err) < 0)
        return err_ret(err);
    if (!e->has_order || !str_eq(e->purchase.state, STR("active")))
        return 0;
    return order__end(e->rq->app, tx, &e->purchase, effective_us, e->rq->arena, &e->delivery, err);
}

static int read_end(struct rq *rq, struct ending *e, struct err *err)
{
    const struct worker *worker = rq->thread;
    struct participant me = {0};
    struct ending_body body = {0};
    struct str payload;
    bool provider;

    if (rq_decode(rq, &body_object, &body, err) < 0 ||
        participant_get(worker->db, rq_principal(rq)->participant, rq->arena, &me, err) < 0)
        return err_ret(err);
    if (participant_verify(&me, body.end, WIRE_TYP_END, rq->arena, &payload, err) < 0)
        return err_tell(err, E_INVALID, "/end", "expected a JWS of typ '%s' signed by your key",
                        WIRE_TYP_END);
    if (object_parse(&wire_agreement_end_object, payload, &jlimits_default, rq->arena, &e->end,
                     err) < 0)
        return err_at_prefix(err, "/end");
    if (e->end.reason.n > REASON_MAX)
        return err_tell(err, E_LIMIT, "/end/reason", "at most %d bytes", REASON_MAX);
    provider = e->end.role == PARTY_PROVIDER;
    if (!str_eq(provider ? e->end.provider : e->end.consumer, me.did))
        return err_tell(err, E_INVALID, "/end/role", "you are not the %s of this agreement",
                        party_role_names[e->end.role]);
    e->document = body.end;
    e->peer = provider ? e->end.consumer : e->end.provider;
    e->deal = order_deal(e->end.provider, e->end.consumer, e->end.agreement);
    return 0;
}

int order_agreement_end(struct rq *rq, struct err *err)
{
    struct app *app = rq->app;
    const struct worker *worker = rq->thread;
    AUTO(buf_done) struct buf out = buf_init(KIB(8));
    struct ending *e = ARENA_NEW(rq->arena, struct ending);
    struct jw w = jw_init(&out);

    if (e == NULL)
        return err_set(err, E_NO_MEMORY, "", "end of an agreement");
    e->rq = rq;
    if (read_end(rq, e, err) < 0 || db_tx(worker->db, "agreement_end", end_agreement, e, err) < 0)
        return err_ret(err);
    order_deliver(app, &e->delivery);
    jw_object(&w);
    jw_kstr(&w, "agreement", e->end.agreement);
    if (e->has_order) {
        jw_kc(&w, "order", uuid_format(e->purchase.order_id).c);
        jw_kstr(&w, "state", e->purchase.state);
    }
    jw_object_end(&w);
    rq_reply_json(rq, 200, buf_str(&out));
    return 0;
}
