/*
 * server/order/read.c - GET /v1/orders, GET /v1/orders/{order}, POST /v1/orders/{order}/cancel
 *
 * The buyer cancels while the order is open. After that both sides rely on it: the operator alone
 * cancels what is contracted or disputed, with a reason that both sides see and that stays out of
 * the log.
 */
#include "lib/base/limits.h"
#include "lib/base/timefmt.h"
#include "lib/crypto/jws.h"
#include "server/audit/audit.h"
#include "server/order/order_private.h"
#include "sql_broker.h"

#include "lib/base/banned.h"

int order__write(const struct purchase *p, struct arena *arena, struct jw *w, struct err *err)
{
    struct jws jws;

    if (jws_parse_document(p->document, arena, &jws, err) < 0)
        return err_set(err, E_CORRUPT, "ord.purchase.document", "stored order cannot be read");
    jw_object(w);
    jw_kraw(w, "order", jws.payload);
    jw_kstr(w, "document", p->document);
    jw_ki64(w, "hold_minor", p->hold_minor);
    jw_kc(w, "made_at", time_format(p->made_us).c);
    if (p->active_us != 0)
        jw_kc(w, "active_at", time_format(p->active_us).c);
    if (p->ended_us != 0)
        jw_kc(w, "ended_at", time_format(p->ended_us).c);
    if (str_present(p->reason))
        jw_kstr(w, "reason", p->reason);
    jw_object_end(w);
    return 0;
}

static bool is_party(const struct rq *rq, const struct purchase *p)
{
    const struct principal *who = rq_principal(rq);

    return (who->roles & (W_OPERATOR | W_AUDITOR)) != 0 ||
           uuid_eq(p->consumer_id, who->participant) || uuid_eq(p->provider_id, who->participant);
}

int order_get(struct rq *rq, struct err *err)
{
    const struct worker *worker = rq->thread;
    AUTO(buf_done) struct buf out = buf_init(KIB(256));
    struct purchase p = {0};
    struct jw w = jw_init(&out);
    struct uuid id;

    if (!uuid_parse(rq_param(rq, "order"), &id))
        return err_tell(err, E_NOT_FOUND, "", "no such order");
    switch (db_one(worker->db, &q_purchase_get, DB_ARGS(DB_UUID(id)), &purchase_row, rq->arena, &p,
                   err)) {
    case DB_ROW: break;
    case DB_NONE: return err_tell(err, E_NOT_FOUND, "", "no such order");
    case DB_FAIL: return err_ret(err);
    }
    if (!is_party(rq, &p))
        return err_tell(err, E_NOT_FOUND, "", "no such order");
    if (order__write(&p, rq->arena, &w, err) < 0)
        return err_ret(err);
    rq_reply_buf(rq, 200, "application/json", &out);
    return 0;
}

/* "?before=<time>,<id>" of the page before. */
static int read_before(struct str text, int64_t *ret_us, struct uuid *ret_id, struct err *err)
{
    struct str rest = text;

    if (!str_present(text))
        return 0;
    if (!time_parse(str_cut(&rest, ','), ret_us) || !uuid_parse(rest, ret_id))
        return err_tell(err, E_INVALID, "?before", "expected the 'next' of the page before");
    return 1;
}

int order_list(struct rq *rq, struct err *err)
{
    const struct worker *worker = rq->thread;
    const struct principal *who = rq_principal(rq);
    const struct uuid party = who->participant;
    AUTO(buf_done) struct buf out = buf_init(MIB(16));
    struct list list = {0};
    struct jw w = jw_init(&out);
    struct uuid before_id = {0};
    int64_t most, before_us = 0;
    int more;

    if (rq_query_i64(rq, "limit", 50, 1, LIMIT_PAGE, &most, err) < 0)
        return err_ret(err);
    more = read_before(rq_query(rq, "before"), &before_us, &before_id, err);
    if (more < 0)
        return err_ret(err);
    if (db_list(worker->db, &q_purchase_list,
                DB_ARGS(uuid_is_zero(party) ? DB_NULL(DBT_UUID) : DB_UUID(party),
                        DB_TEXT(rq_query(rq, "state")),
                        more == 1 ? DB_TIME(before_us) : DB_NULL(DBT_TIME), DB_UUID(before_id),
                        DB_I64(most)),
                &purchase_row, rq->arena, (size_t)most, &list, err) < 0)
        return err_ret(err);
    jw_object(&w);
    jw_key(&w, "items");
    jw_array(&w);
    for (size_t i = 0; i < list.n; i++) {
        if (order__write(&LIST_ITEMS(struct purchase, list)[i], rq->arena, &w, err) < 0)
            return err_ret(err);
    }
    jw_array_end(&w);
    if (list.n == (size_t)most) {
        const struct purchase *last = &LIST_ITEMS(struct purchase, list)[list.n - 1];

        jw_kstr(&w, "next",
                arena_printf(rq->arena, "%s,%s", time_format(last->made_us).c,
                             uuid_format(last->order_id).c));
    }
    jw_object_end(&w);
    rq_reply_buf(rq, 200, "application/json", &out);
    return 0;
}

#define REASON_MAX 500

struct reason {
    struct str reason;
};
/* clang-format off */
static const struct field reason_fields[] = {FIELD(struct reason, reason, "reason", F_REQUIRED | F_NONEMPTY)};
/* clang-format on */
static OBJECT(reason_object, struct reason, reason_fields, CLOSED);

struct cancelling {
    struct rq *rq;
    struct uuid id;
    bool by_operator;
    struct reason reason; /* of the operator */
    struct purchase purchase;
    struct order_delivery delivery;
};

static bool may_cancel(const struct cancelling *c)
{
    const struct str states[] = {STR("open"), STR("contracted"), STR("disputed")};
    const size_t n = c->by_operator ? ARRAY_LEN(states) : 1;

    for (size_t i = 0; i < n; i++) {
        if (str_eq(c->purchase.state, states[i]))
            return true;
    }
    return false;
}

static int log_operator(struct db *tx, const struct cancelling *c, struct err *err)
{
    AUTO(buf_done) struct buf body = buf_init(KIB(2));
    struct jw w = jw_init(&body);

    jw_object(&w);
    jw_kc(&w, "action", "order.cancel");
    jw_kc(&w, "subject", uuid_format(c->id).c);
    jw_kstr(&w, "by", rq_principal(c->rq)->label);
    jw_object_end(&w);
    return audit_append(tx, ENTRY_OPERATOR_ACTED, env_wall_us(c->rq->env), buf_str(&body), err);
}

static int cancel(struct db *tx, void *arg, struct err *err)
{
    struct cancelling *c = arg;

    c->delivery.n = 0;
    if (order__lock(tx, c->id, c->rq->arena, &c->purchase, err) < 0)
        return err_ret(err);
    if (!c->by_operator && !uuid_eq(c->purchase.consumer_id, rq_principal(c->rq)->participant))
        return err_tell(err, E_NOT_FOUND, "", "no such order");
    if (str_eq(c->purchase.state, STR("cancelled")))
        return 0;
    if (!may_cancel(c))
        return err_tell(err, E_CONFLICT, "", "the order is '%.*s'", STR_ARG(c->purchase.state));
    if (c->by_operator && log_operator(tx, c, err) < 0)
        return err_ret(err);
    c->purchase.reason = c->reason.reason;
    return order__cancel(c->rq->app, tx, &c->purchase, c->rq->arena, &c->delivery, err);
}

int order_cancel(struct rq *rq, struct err *err)
{
    struct app *app = rq->app;
    const struct worker *worker = rq->thread;
    AUTO(buf_done) struct buf out = buf_init(KIB(256));
    struct cancelling c = {.rq = rq};
    struct jw w = jw_init(&out);

    if (!uuid_parse(rq_param(rq, "order"), &c.id))
        return err_tell(err, E_NOT_FOUND, "", "no such order");
    c.by_operator = (rq_principal(rq)->roles & W_OPERATOR) != 0;
    if (c.by_operator && rq_decode(rq, &reason_object, &c.reason, err) < 0)
        return err_ret(err);
    if (c.reason.reason.n > REASON_MAX)
        return err_tell(err, E_LIMIT, "/reason", "at most %d bytes", REASON_MAX);
    if (db_tx(worker->db, "order_cancel", cancel, &c, err) < 0)
        return err_ret(err);
    order_deliver(app, &c.delivery);
    if (order__write(&c.purchase, rq->arena, &w, err) < 0)
        return err_ret(err);
    rq_reply_buf(rq, 200, "application/json", &out);
    return 0;
}
