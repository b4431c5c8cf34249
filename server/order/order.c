/*
 * server/order/order.c - the state of an order: signed document, log entry, delivery, in one
 * transaction
 */
#include "server/order/order.h"

#include "lib/base/limits.h"
#include "lib/base/timefmt.h"
#include "lib/crypto/hash.h"
#include "lib/crypto/jws.h"
#include "lib/log/log.h"
#include "server/audit/audit.h"
#include "server/catalogue/catalogue.h"
#include "server/order/order_private.h"
#include "server/settlement/ledger.h"
#include "sql_broker.h"

#include "lib/base/banned.h"

#define DELIVERY_LIFE_US (90 * US_PER_DAY) /* a connector may be switched off for long */
#define SEND_TIME_US     (30 * US_PER_S)

/* clang-format off */
static const struct field purchase_fields[] = {
    FIELD(struct purchase, order_id,        "order_id",        F_REQUIRED),
    FIELD(struct purchase, dataset_id,      "dataset_id",      F_REQUIRED),
    FIELD(struct purchase, dataset_version, "dataset_version", F_REQUIRED),
    FIELD(struct purchase, provider_id,     "provider_id",     F_REQUIRED),
    FIELD(struct purchase, consumer_id,     "consumer_id",     F_REQUIRED),
    FIELD(struct purchase, plan_hash,       "plan_hash",       F_REQUIRED),
    FIELD(struct purchase, purpose,         "purpose",         F_REQUIRED),
    FIELD(struct purchase, state,           "state",           F_REQUIRED),
    FIELD(struct purchase, version,         "version",         F_REQUIRED),
    FIELD(struct purchase, document,        "document",        F_REQUIRED),
    FIELD(struct purchase, hold_id,         "hold_id",         0),
    FIELD(struct purchase, hold_minor,      "hold_minor",      F_REQUIRED),
    FIELD(struct purchase, agreement_id,    "agreement_id",    0),
    FIELD(struct purchase, deal_id,         "deal_id",         0),
    FIELD(struct purchase, made_us,         "made_at",         F_REQUIRED | F_TIME),
    FIELD(struct purchase, valid_until_us,  "valid_until",     F_REQUIRED | F_TIME),
    FIELD(struct purchase, active_us,       "active_at",       F_TIME),
    FIELD(struct purchase, ended_us,        "ended_at",        F_TIME),
    FIELD(struct purchase, reason,          "reason",          0),
    FIELD(struct purchase, asset_id,        "asset_id",        0),
};
OBJECT(purchase_row, struct purchase, purchase_fields, OPEN);

#define ROUTE HTTP_ROUTE_ROW
const struct http_route order_routes[] = {
#include "server/order/routes.def"
    {0},
};
const struct http_route order_operator_routes[] = {
#include "server/order/operator_routes.def"
    {0},
};
#undef ROUTE

/* clang-format on */

static int one_order(enum db_result result, struct err *err)
{
    switch (result) {
    case DB_ROW: return 0;
    case DB_NONE: return err_tell(err, E_NOT_FOUND, "", "no such order");
    case DB_FAIL: return err_ret(err);
    }
    CHECK_UNREACHABLE();
}

int order__lock(struct db *tx, struct uuid id, struct arena *arena, struct purchase *ret_purchase,
                struct err *err)
{
    return one_order(
        db_one(tx, &q_purchase_lock, DB_ARGS(DB_UUID(id)), &purchase_row, arena, ret_purchase, err),
        err);
}

static int state_index(struct str name)
{
    for (int i = 0; i < ORDER__COUNT; i++) {
        if (str_eq_c(name, order_state_names[i]))
            return i;
    }
    CHECK_UNREACHABLE();
}

int order__sign(struct app *app, const struct purchase *p, const struct plan *plan,
                const struct participant *provider, const struct participant *consumer,
                struct arena *arena, struct str *ret_document, struct err *err)
{
    AUTO(buf_done) struct buf payload = buf_init(KIB(32));
    AUTO(buf_done) struct buf jws = buf_init(KIB(64));
    struct wire_matching matching = {
        .rule = str_c(match_rule_names[plan->match_rule]),
        .tolerance_ppm = plan->tolerance_ppm,
    };
    const struct wire_order order = {
        .order = p->order_id,
        .version = p->version,
        .state = state_index(p->state),
        .dataset = p->dataset_id,
        .asset = p->asset_id,
        .dataset_version = p->dataset_version,
        .provider = provider->did,
        .consumer = consumer->did,
        .plan = p->plan_hash,
        .purpose = p->purpose,
        .issued_us = env_wall_us(app->env),
        .valid_until_us = p->valid_until_us,
        .agreement = p->agreement_id,
        .endpoint = provider->protocol_url,
        .matching = &matching,
    };

    object_canonical(&wire_order_object, &order, &payload);
    if (buf_failed(&payload) || broker_sign(app, WIRE_TYP_ORDER, buf_str(&payload), &jws, err) < 0)
        return err->code == E_OK ? err_set(err, E_LIMIT, "", "order document") : err_ret(err);
    *ret_document = arena_str(arena, buf_str(&jws));
    return str_present(*ret_document) ? 0 : err_set(err, E_NO_MEMORY, "", "order document");
}

static void log_time(struct jw *w, const char *key, int64_t us)
{
    if (us != 0)
        jw_kc(w, key, time_format(us).c);
}

int order__log(struct app *app, struct db *tx, const struct purchase *p, const struct plan *plan,
               struct err *err)
{
    AUTO(buf_done) struct buf body = buf_init(KIB(16));
    AUTO(buf_done) struct buf salted = buf_init(KIB(8));
    const struct uuid_text id = uuid_format(p->order_id);
    uint8_t hash[SHA256_LEN];
    struct jw w = jw_init(&body);

    buf_printf(&salted, "%s\n", id.c);
    buf_add_str(&salted, p->purpose);
    sha256(salted.p, salted.n, hash);
    jw_object(&w);
    jw_kc(&w, "order", id.c);
    jw_ki64(&w, "version", p->version);
    jw_kstr(&w, "state", p->state);
    jw_kc(&w, "dataset", uuid_format(p->dataset_id).c);
    jw_kc(&w, "provider", uuid_format(p->provider_id).c);
    jw_kc(&w, "consumer", uuid_format(p->consumer_id).c);
    jw_kstr(&w, "plan", p->plan_hash);
    jw_kc(&w, "purpose_hash", hash_hex(hash).c);
    if (p->agreement_id.n > 0)
        jw_kstr(&w, "agreement", p->agreement_id);
    jw_ki64(&w, "hold_minor", p->hold_minor);
    jw_kc(&w, "currency", plan->currency->code);
    jw_kc(&w, "matching_rule", match_rule_names[plan->match_rule]);
    jw_ki64(&w, "tolerance_ppm", plan->tolerance_ppm);
    log_time(&w, "active_at", p->active_us);
    log_time(&w, "ended_at", p->ended_us);
    jw_object_end(&w);
    return audit_append(tx, ENTRY_ORDER_CHANGED, env_wall_us(app->env), buf_str(&body), err);
}

static int put_one(struct app *app, struct db *tx, const struct purchase *p,
                   const struct participant *to, struct arena *arena, struct outbox_msg *msg,
                   struct err *err)
{
    const int64_t now_us = env_wall_us(app->env);
    AUTO(buf_done) struct buf body = buf_init(KIB(80));

    buf_add_c(&body, "{\"order\":\"");
    buf_add_str(&body, p->document);
    buf_add_c(&body, "\"}");
    *msg = (struct outbox_msg){
        .id = outbox_next_id(app->outbox),
        .stream = arena_printf(arena, "order/%s", uuid_format(to->participant_id).c),
        .kind = STR("order"),
        .url = arena_printf(arena, "%.*s/exchange/v1/orders", STR_ARG(to->connector_url)),
        .audience = to->did,
        .body = arena_str(arena, buf_str(&body)),
        .deadline_us = now_us + DELIVERY_LIFE_US,
        .due_us = now_us,
    };
    if (buf_failed(&body) || arena_failed(arena))
        return err_set(err, E_NO_MEMORY, "", "order delivery");
    return outbox_put(app->outbox, tx, msg, err);
}

int order__put(struct app *app, struct db *tx, const struct purchase *p,
               const struct participant *provider, const struct participant *consumer,
               struct arena *arena, struct order_delivery *ret_delivery, struct err *err)
{
    CHECK(ret_delivery->n + 2 <= ARRAY_LEN(ret_delivery->msg));
    if (put_one(app, tx, p, provider, arena, &ret_delivery->msg[ret_delivery->n], err) < 0 ||
        put_one(app, tx, p, consumer, arena, &ret_delivery->msg[ret_delivery->n + 1], err) < 0)
        return err_ret(err);
    ret_delivery->n += 2;
    return 0;
}

void order_deliver(struct app *app, const struct order_delivery *delivery)
{
    for (unsigned i = 0; i < delivery->n; i++)
        outbox_wake(app->outbox, &delivery->msg[i]);
}

int order_advance(struct app *app, struct db *tx, struct purchase *p, enum order_state state,
                  struct arena *arena, struct order_delivery *ret_delivery, struct err *err)
{
    struct participant provider = {0}, consumer = {0};
    const struct plan *plan;

    p->state = str_c(order_state_names[state]);
    p->version++;
    if (participant_get(tx, p->provider_id, arena, &provider, err) < 0 ||
        participant_get(tx, p->consumer_id, arena, &consumer, err) < 0 ||
        catalogue_plan(tx, p->plan_hash, arena, &plan, err) < 0 ||
        order__sign(app, p, plan, &provider, &consumer, arena, &p->document, err) < 0 ||
        db_exec(tx, &q_purchase_advance,
                DB_ARGS(DB_UUID(p->order_id), DB_TEXT(p->state), DB_I64(p->version),
                        DB_TEXT(p->document), DB_TEXT(p->agreement_id),
                        uuid_is_zero(p->deal_id) ? DB_NULL(DBT_UUID) : DB_UUID(p->deal_id),
                        p->active_us != 0 ? DB_TIME(p->active_us) : DB_NULL(DBT_TIME),
                        p->ended_us != 0 ? DB_TIME(p->ended_us) : DB_NULL(DBT_TIME),
                        DB_TEXT(p->reason)),
                NULL, err) < 0 ||
        order__log(app, tx, p, plan, err) < 0)
        return err_ret(err);
    return order__put(app, tx, p, &provider, &consumer, arena, ret_delivery, err);
}

/* -- delivery ---------------------------------------------------------------------------------- */

struct sending {
    struct app *app;
    const struct outbox_msg *msg;
};

static enum outbox_result meaning(int status)
{
    if (status >= 200 && status < 300)
        return OUTBOX_SENT;
    if (status == 404 || status == 408 || status == 409 || status == 425 || status == 429)
        return OUTBOX_NOT_YET;
    if (status >= 500 || status == 401 || status == 403)
        return OUTBOX_AGAIN; /* it may not know our key yet */
    return OUTBOX_REFUSED;
}

static void sent(void *cls, const struct fetch_response *response, const struct err *err)
{
    struct sending *sending = cls;
    const struct sending s = *sending;
    const enum outbox_result result = response != NULL ? meaning(response->status) : OUTBOX_AGAIN;

    free(sending);
    if (response == NULL)
        log_err(NULL, "a connector does not answer", err);
    else if (result != OUTBOX_SENT)
        log_warning(NULL, "a connector does not take a message", L_STR("kind", s.msg->kind),
                    L_STR("connector", s.msg->audience), L_I64("status", response->status));
    outbox_result(s.app->outbox, s.msg, result, STR_NONE);
}

static int submit(struct app *app, const struct outbox_msg *msg, struct err *err)
{
    AUTO(buf_done) struct buf token = buf_init(LIMIT_TOKEN);
    struct sending *sending = malloc(sizeof(*sending));

    if (sending == NULL)
        return err_set(err, E_NO_MEMORY, "", "order delivery");
    *sending = (struct sending){app, msg};
    if (broker_token(app, msg->audience, &token, err) < 0) {
        free(sending);
        return err_ret(err);
    }

    const struct fetch_header headers[] = {
        {STR("Authorization"), buf_str(&token)        },
        {STR("Content-Type"),  STR("application/json")},
    };
    const struct fetch_request request = {
        .method = "POST",
        .url = msg->url,
        .headers = headers,
        .n_headers = ARRAY_LEN(headers),
        .body = msg->body,
        .deadline_mono_us = env_mono_us(app->env) + SEND_TIME_US,
        .done = sent,
        .cls = sending,
    };

    if (fetch_submit(app->fetcher, &request, NULL, err) < 0) {
        free(sending);
        return err_ret(err);
    }
    return 0;
}

void order_send(void *cls, const struct outbox_msg *msg)
{
    struct app *app = cls;
    struct err err = {0};

    if (submit(app, msg, &err) < 0) {
        log_err(NULL, "a message to a connector could not be sent", &err);
        outbox_result(app->outbox, msg, OUTBOX_AGAIN, STR_NONE);
    }
}

int order_ended(struct db *tx, void *app, const struct outbox_msg *msg, enum outbox_result result,
                struct str answer, struct err *err)
{
    (void)tx;
    (void)app;
    (void)answer;
    (void)err;
    if (result != OUTBOX_SENT)
        log_error(NULL, "a message was not taken by its connector", L_STR("kind", msg->kind),
                  L_STR("connector", msg->audience));
    return 0;
}

/* -- orders whose time is over ----------------------------------------------------------------- */

int order__cancel(struct app *app, struct db *tx, struct purchase *p, struct arena *arena,
                  struct order_delivery *ret_delivery, struct err *err)
{
    if (p->hold_minor > 0 && ledger_release(app, tx, p->hold_id, env_wall_us(app->env), err) < 0)
        return err_ret(err);
    p->ended_us = env_wall_us(app->env);
    return order_advance(app, tx, p, ORDER_CANCELLED, arena, ret_delivery, err);
}

struct expiry {
    struct app *app;
    struct arena *arena;
    struct uuid id;
    struct order_delivery delivery;
};

/* An active order whose agreement has ended. */
static int end(struct db *tx, struct expiry *e, struct purchase *p, int64_t now_us, struct err *err)
{
    struct report report;
    bool found;

    if (order__report(tx, p->deal_id, PARTY_PROVIDER, e->arena, &report, &found, err) < 0)
        return err_ret(err);
    if (!found || report.ends_us == 0 || report.ends_us > now_us)
        return 0;
    p->ended_us = report.ends_us;
    return order_advance(e->app, tx, p, ORDER_ENDED, e->arena, &e->delivery, err);
}

static int expire(struct db *tx, void *arg, struct err *err)
{
    struct expiry *e = arg;
    const int64_t now_us = env_wall_us(e->app->env);
    struct purchase p = {0};

    e->delivery.n = 0;
    if (order__lock(tx, e->id, e->arena, &p, err) < 0)
        return err_ret(err);
    if (str_eq(p.state, STR("open")) && p.valid_until_us <= now_us)
        return order__cancel(e->app, tx, &p, e->arena, &e->delivery, err);
    if (str_eq(p.state, STR("contracted")) && p.valid_until_us <= now_us)
        return order_advance(e->app, tx, &p, ORDER_DISPUTED, e->arena, &e->delivery, err);
    if (str_eq(p.state, STR("active")))
        return end(tx, e, &p, now_us, err);
    return 0; /* another process was here before */
}

void order_expire(void *cls, struct str key, int64_t due_us)
{
    struct expiry e = {.app = cls, .arena = arena_new(MIB(1))};
    AUTO(db_close) struct db *db = NULL;
    struct err err = {0};

    if (e.arena == NULL || !uuid_parse(key, &e.id) || db_open(&e.app->db, &db, &err) < 0 ||
        db_tx(db, "order_expire", expire, &e, &err) < 0) {
        log_err(NULL, "an order whose time is over stays as it is for a minute", &err);
        timers_set(e.app->timers, key, due_us + US_PER_MIN);
    } else {
        order_deliver(e.app, &e.delivery);
    }
    arena_free(&e.arena);
}

struct due_order {
    struct uuid order_id;
    int64_t due_us;
};
/* clang-format off */
static const struct field due_fields[] = {
    FIELD(struct due_order, order_id, "order_id", F_REQUIRED),
    FIELD(struct due_order, due_us,   "due_at",   F_REQUIRED | F_TIME),
};
/* clang-format on */
static OBJECT(due_row, struct due_order, due_fields, OPEN);

static int set_timer(void *cls, const void *value, struct err *err)
{
    const struct due_order *o = value;
    struct app *app = cls;

    (void)err;
    timers_set(app->timers, str_c(uuid_format(o->order_id).c), o->due_us);
    return 0;
}

int order_start(struct app *app, struct err *err)
{
    AUTO(db_close) struct db *db = NULL;

    if (db_open(&app->db, &db, err) < 0)
        return err_ret(err);
    if (db_each(db, &q_purchase_open, DB_NO_ARGS, &due_row, set_timer, app, err) < 0)
        return err_ret(err);
    return db_each(db, &q_purchase_ending, DB_NO_ARGS, &due_row, set_timer, app, err);
}
