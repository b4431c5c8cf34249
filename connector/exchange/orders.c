/*
 * connector/exchange/orders.c - signed orders of the broker: POST /exchange/v1/orders; GET
 * /naru/v1/orders
 *
 * A document is taken only if the broker signed it and we are one of its parties. A newer version
 * replaces an older one; an equal or older one is acknowledged without effect, since the broker
 * repeats until it is answered. With an order that is over our agreement ends, too.
 */
#include "connector/exchange/exchange_private.h"
#include "connector/identity/identity.h"
#include "connector/timed.h"
#include "lib/base/limits.h"
#include "lib/log/log.h"
#include "sql_connector.h"

#include "lib/base/banned.h"

struct delivery {
    struct str order;
};
/* clang-format off */
static const struct field delivery_fields[] = {FIELD(struct delivery, order, "order", F_REQUIRED | F_NONEMPTY)};
/* clang-format on */
static OBJECT(delivery_object, struct delivery, delivery_fields, CLOSED);

struct over {
    struct str agreement_id;
};
/* clang-format off */
static const struct field over_fields[] = {FIELD(struct over, agreement_id, "agreement_id", F_REQUIRED)};
/* clang-format on */
static OBJECT(over_row, struct over, over_fields, OPEN);

struct arrival {
    struct writer_op op;
    struct rq *rq;
    struct str compact, payload;
    struct wire_order order;
    const char *role;
    struct str peer;
    struct over over; /* agreement that is over with the order; STR_NONE: none */
    struct err err;
};

static int store_order(struct db *tx, void *arg, struct err *err)
{
    struct arrival *a = arg;
    const struct wire_order *o = &a->order;
    const struct uuid_text id = uuid_format(o->order);

    a->over = (struct over){0};
    if (db_exec(tx, &q_purchase_put,
                DB_ARGS(DB_TEXT(str_c(id.c)), DB_TEXT(str_c(a->role)), DB_TEXT(a->peer),
                        DB_TEXT(o->asset), DB_TEXT(o->plan), DB_TEXT(o->purpose),
                        DB_TEXT(str_c(order_state_names[o->state])), DB_I64(o->version),
                        DB_TEXT(a->payload), DB_TEXT(a->compact), DB_TEXT(o->agreement),
                        DB_I64(o->valid_until_us), DB_I64(env_wall_us(a->rq->env))),
                NULL, err) < 0)
        return err_ret(err);
    return db_one(tx, &q_purchase_over, DB_ARGS(DB_TEXT(str_c(id.c))), &over_row, a->rq->arena,
                  &a->over, err) == DB_FAIL
               ? err_ret(err)
               : 0;
}

static void order_stored(void *arg, const struct err *err)
{
    struct arrival *a = arg;

    a->err = *err;
    if (err->code == E_OK && str_present(a->over.agreement_id))
        timed_set(a->rq->app, "order-over", a->over.agreement_id, env_wall_us(a->rq->env));
    /* what is owed may be paid with it */
    if (err->code == E_OK && a->order.state == ORDER_ACTIVE)
        timed_set(a->rq->app, "duty", STR("orders"), env_wall_us(a->rq->env));
    if (err->code == E_OK && strcmp(a->role, "provider") == 0)
        timed_set(a->rq->app, "reconsider", a->peer, env_wall_us(a->rq->env));
    rq_resume(a->rq);
}

static int order_answer(struct rq *rq, struct err *err)
{
    const struct arrival *a = rq->cls;

    if (a->err.code != E_OK) {
        *err = a->err;
        return err_ret(err);
    }
    identity_expect(((struct app *)rq->app)->identity, a->peer);
    log_info(&rq->log, "order received", L_UUID("order", a->order.order),
             L_C("state", order_state_names[a->order.state]), L_C("role", a->role));
    rq_reply_empty(rq, 204);
    return 0;
}

static int read_order(struct rq *rq, struct arrival *a, struct err *err)
{
    const struct app *app = rq->app;
    const struct settings *s = app->settings;
    struct delivery delivery = {0};

    if (rq_decode(rq, &delivery_object, &delivery, err) < 0)
        return err_ret(err);
    if (identity_verify_document(app->identity, delivery.order, WIRE_TYP_ORDER, s->broker_did,
                                 rq->arena, &a->payload, err) < 0)
        return err_tell(err, E_TOKEN, "/order", "the order is not signed by the data bank");
    if (object_parse(&wire_order_object, a->payload, &jlimits_default, rq->arena, &a->order, err) <
        0)
        return err_at_prefix(err, "/order");
    a->compact = delivery.order;
    if (str_eq(a->order.provider, s->participant_did)) {
        a->role = "provider";
        a->peer = a->order.consumer;
    } else if (str_eq(a->order.consumer, s->participant_did)) {
        a->role = "consumer";
        a->peer = a->order.provider;
    } else {
        return err_tell(err, E_INVALID, "/order", "we are no party of this order");
    }
    return 0;
}

int exchange_order(struct rq *rq, struct err *err)
{
    const struct app *app = rq->app;
    const int waiting = identity_authenticate_broker(rq, exchange_order, err);
    struct arrival *a;

    if (waiting != 0)
        return waiting < 0 ? err_ret(err) : 0;
    a = ARENA_NEW(rq->arena, struct arrival);
    if (a == NULL)
        return err_set(err, E_NO_MEMORY, "", "order");
    if (read_order(rq, a, err) < 0)
        return err_ret(err);
    a->rq = rq;
    a->op = (struct writer_op){.name = "order", .fn = store_order, .arg = a, .done = order_stored};
    rq->cls = a;
    rq_suspend(rq, order_answer);
    if (writer_submit(app->writer, &a->op, &a->err) < 0)
        rq_resume(rq);
    return 0;
}

int exchange_orders(struct rq *rq, struct err *err)
{
    const struct worker *worker = rq->thread;
    AUTO(buf_done) struct buf out = buf_init(MIB(16));
    struct list orders = {0};
    struct jw w = jw_init(&out);
    int64_t most;

    if (rq_query_i64(rq, "limit", 100, 1, LIMIT_PAGE, &most, err) < 0 ||
        db_list(worker->db, &q_purchase_list, DB_ARGS(DB_TEXT(rq_query(rq, "state")), DB_I64(most)),
                &purchase_row, rq->arena, (size_t)most, &orders, err) < 0)
        return err_ret(err);
    jw_object(&w);
    jw_key(&w, "items");
    jw_array(&w);
    for (size_t i = 0; i < orders.n; i++) {
        const struct purchase *p = &LIST_ITEMS(struct purchase, orders)[i];

        jw_object(&w);
        jw_kstr(&w, "role", p->role);
        jw_kraw(&w, "order", p->document);
        jw_object_end(&w);
    }
    jw_array_end(&w);
    jw_object_end(&w);
    rq_reply_buf(rq, 200, "application/json", &out);
    return 0;
}
