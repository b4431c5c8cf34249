/*
 * server/order/add.c - POST /v1/quotes, POST /v1/orders
 *
 * An order fixes dataset version, plan (by hash) and purpose; what the plan costs beforehand
 * (rating_quote) is held on the buyer's receivable account within its credit limit. Order, hold,
 * log entry and both deliveries are one transaction. The same Idempotency-Key, or the same own
 * order id, answers as before.
 */
#include "lib/base/limits.h"
#include "lib/base/money.h"
#include "lib/base/timefmt.h"
#include "server/catalogue/catalogue.h"
#include "server/idempotency.h"
#include "server/order/order_private.h"
#include "server/settlement/ledger.h"
#include "sql_broker.h"

#include "lib/base/banned.h"

#define PURPOSE_MAX 500

struct wanted {
    struct uuid order, dataset;
    struct str plan, purpose;
};
/* clang-format off */
static const struct field wanted_fields[] = {
    FIELD(struct wanted, order,   "order",   0),
    FIELD(struct wanted, dataset, "dataset", F_REQUIRED),
    FIELD(struct wanted, plan,    "plan",    F_REQUIRED),
    FIELD(struct wanted, purpose, "purpose", F_REQUIRED | F_NONEMPTY),
};
static OBJECT(wanted_object, struct wanted, wanted_fields, CLOSED);
static const struct field quoted_fields[] = {
    FIELD(struct wanted, dataset, "dataset", F_REQUIRED),
    FIELD(struct wanted, plan,    "plan",    F_REQUIRED),
};
/* clang-format on */
static OBJECT(quoted_object, struct wanted, quoted_fields, CLOSED);

/* What is bought: visible, listed, offered under this plan, not one's own. */
struct offer {
    struct dataset dataset;
    const struct plan *plan;
    const struct rating *quote;
};

static int offered_under(struct db *db, struct rq *rq, const struct dataset *d, struct str plan,
                         struct err *err)
{
    struct list plans = {0};

    struct offered {
        struct str plan_hash;
    };
    /* clang-format off */
    static const struct field fields[] = {FIELD(struct offered, plan_hash, "plan_hash", F_REQUIRED)};
    /* clang-format on */
    static OBJECT(row, struct offered, fields, OPEN);

    if (db_list(db, &q_dataset_plans, DB_ARGS(DB_UUID(d->dataset_id), DB_I64(d->version)), &row,
                rq->arena, 0, &plans, err) < 0)
        return err_ret(err);
    for (size_t i = 0; i < plans.n; i++) {
        if (str_eq(LIST_ITEMS(struct offered, plans)[i].plan_hash, plan))
            return 0;
    }
    return err_tell(err, E_INVALID, "/plan", "the dataset is not offered under this plan");
}

static int find_offer(struct db *db, struct rq *rq, const struct wanted *wanted,
                      struct offer *offer, struct err *err)
{
    const struct principal *who = rq_principal(rq);

    if (dataset_get(db, wanted->dataset, who->participant, who->did, rq->arena, &offer->dataset,
                    err) < 0)
        return err_at_prefix(err, "/dataset");
    if (!str_eq(offer->dataset.state, STR("listed")))
        return err_tell(err, E_CONFLICT, "/dataset", "the dataset is '%.*s'",
                        STR_ARG(offer->dataset.state));
    if (uuid_eq(offer->dataset.provider_id, who->participant))
        return err_tell(err, E_INVALID, "/dataset", "the dataset is your own");
    if (offered_under(db, rq, &offer->dataset, wanted->plan, err) < 0 ||
        catalogue_plan(db, wanted->plan, rq->arena, &offer->plan, err) < 0 ||
        rating_quote(offer->plan, rq->arena, &offer->quote, err) < 0)
        return err_ret(err);
    return 0;
}

int order_quote(struct rq *rq, struct err *err)
{
    const struct worker *worker = rq->thread;
    AUTO(buf_done) struct buf out = buf_init(KIB(64));
    struct wanted wanted = {0};
    struct offer offer = {0};
    struct jw w = jw_init(&out);

    if (rq_decode(rq, &quoted_object, &wanted, err) < 0 ||
        find_offer(worker->db, rq, &wanted, &offer, err) < 0)
        return err_ret(err);
    jw_object(&w);
    jw_kc(&w, "dataset", uuid_format(wanted.dataset).c);
    jw_kstr(&w, "plan", wanted.plan);
    jw_kc(&w, "currency", offer.plan->currency->code);
    jw_kc(&w, "hold", money_format(offer.quote->total_minor, offer.plan->currency).c);
    jw_key(&w, "rating");
    rating_write(offer.quote, &w);
    jw_object_end(&w);
    rq_reply_buf(rq, 200, "application/json", &out);
    return 0;
}

struct adding {
    struct wanted wanted;
    struct purchase purchase;
    struct order_delivery delivery;
};

static int place_hold(struct app *app, struct db *tx, struct purchase *p, const struct plan *plan,
                      struct err *err)
{
    const struct str currency = str_c(plan->currency->code);
    struct ledger_transfer hold = {
        .transfer_id = uuid_new(app->env),
        .kind = LEDGER_HOLD,
        .journal_id = p->order_id,
        .amount_minor = p->hold_minor,
        .currency = currency,
        .code = STR("order.hold"),
        .effective_us = p->made_us,
    };

    if (p->hold_minor == 0)
        return 0;
    p->hold_id = hold.transfer_id;
    if (ledger_account(app, tx, p->consumer_id, LEDGER_RECEIVABLE, currency, &hold.debit_id, err) <
            0 ||
        ledger_account(app, tx, (struct uuid){0}, LEDGER_CLEARING, currency, &hold.credit_id, err) <
            0)
        return err_ret(err);
    return ledger_post(app, tx, &hold, 1, err);
}

static int insert(struct db *tx, const struct purchase *p, struct err *err)
{
    return db_exec(tx, &q_purchase_insert,
                   DB_ARGS(DB_UUID(p->order_id), DB_UUID(p->dataset_id), DB_I64(p->dataset_version),
                           DB_UUID(p->provider_id), DB_UUID(p->consumer_id), DB_TEXT(p->plan_hash),
                           DB_TEXT(p->purpose), DB_TEXT(p->document),
                           uuid_is_zero(p->hold_id) ? DB_NULL(DBT_UUID) : DB_UUID(p->hold_id),
                           DB_I64(p->hold_minor), DB_TIME(p->made_us), DB_TIME(p->valid_until_us)),
                   NULL, err);
}

/* 1: the id is known and means the same (answer as before), 0: new. */
static int known_before(struct db *tx, struct rq *rq, struct adding *adding, struct err *err)
{
    const struct wanted *wanted = &adding->wanted;
    struct purchase *p = &adding->purchase;
    const int bad = order__lock(tx, wanted->order, rq->arena, p, err);

    if (bad < 0 && err->code == E_NOT_FOUND) {
        err_clear(err);
        return 0;
    }
    if (bad < 0)
        return err_ret(err);
    if (!uuid_eq(p->consumer_id, rq_principal(rq)->participant) ||
        !uuid_eq(p->dataset_id, wanted->dataset) || !str_eq(p->plan_hash, wanted->plan) ||
        !str_eq(p->purpose, wanted->purpose))
        return err_tell(err, E_CONFLICT, "/order", "the id was used for another order");
    return 1;
}

static int make_order(struct db *tx, struct rq *rq, struct adding *adding, struct err *err)
{
    struct app *app = rq->app;
    struct purchase *p = &adding->purchase;
    struct participant provider = {0}, consumer = {0};
    struct offer offer = {0};

    if (find_offer(tx, rq, &adding->wanted, &offer, err) < 0 ||
        participant_get(tx, offer.dataset.provider_id, rq->arena, &provider, err) < 0 ||
        participant_get(tx, rq_principal(rq)->participant, rq->arena, &consumer, err) < 0)
        return err_ret(err);
    *p = (struct purchase){
        .order_id = uuid_is_zero(adding->wanted.order) ? uuid_new(rq->env) : adding->wanted.order,
        .dataset_id = offer.dataset.dataset_id,
        .dataset_version = offer.dataset.version,
        .provider_id = provider.participant_id,
        .consumer_id = consumer.participant_id,
        .plan_hash = adding->wanted.plan,
        .purpose = adding->wanted.purpose,
        .state = STR("open"),
        .version = 1,
        .hold_minor = offer.quote->total_minor,
        .made_us = env_wall_us(rq->env),
        .asset_id = offer.dataset.asset_id,
    };
    p->valid_until_us = p->made_us + app->settings->order_life_us;
    if (place_hold(app, tx, p, offer.plan, err) < 0 ||
        order__sign(app, p, offer.plan, &provider, &consumer, rq->arena, &p->document, err) < 0 ||
        insert(tx, p, err) < 0 || order__log(app, tx, p, offer.plan, err) < 0)
        return err_ret(err);
    return order__put(app, tx, p, &provider, &consumer, rq->arena, &adding->delivery, err);
}

static int add(struct db *tx, struct rq *rq, struct idem *idem, struct err *err)
{
    struct adding *adding = idem->cls;
    struct jw w = jw_init(&idem->answer);
    int known = 0;

    adding->delivery.n = 0;
    idem->status = 201;
    if (!uuid_is_zero(adding->wanted.order))
        known = known_before(tx, rq, adding, err);
    if (known < 0 || (known == 0 && make_order(tx, rq, adding, err) < 0))
        return err_ret(err);
    return order__write(&adding->purchase, rq->arena, &w, err);
}

int order_add(struct rq *rq, struct err *err)
{
    struct app *app = rq->app;
    struct adding *adding = ARENA_NEW(rq->arena, struct adding);
    int repeated;

    if (adding == NULL)
        return err_set(err, E_NO_MEMORY, "", "order");
    if (rq_decode(rq, &wanted_object, &adding->wanted, err) < 0)
        return err_ret(err);
    if (adding->wanted.purpose.n > PURPOSE_MAX)
        return err_tell(err, E_LIMIT, "/purpose", "at most %d bytes", PURPOSE_MAX);
    repeated = idem_run(rq, "order_add", add, adding, err);
    if (repeated < 0)
        return err_ret(err);
    if (repeated == 0 && adding->delivery.n > 0) {
        timers_set(app->timers, str_c(uuid_format(adding->purchase.order_id).c),
                   adding->purchase.valid_until_us);
        order_deliver(app, &adding->delivery);
    }
    return 0;
}
