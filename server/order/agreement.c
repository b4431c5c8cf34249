/*
 * server/order/agreement.c - POST /v1/agreements: what each side says of an agreement
 * (docs/exchange.md §2)
 *
 * 1 The report is signed by the reporter, who is the party of its role. 2 The first report of an
 *   order contracts it, the second with the same policy hash activates it, another hash makes it
 *   disputed. 3 A repeated report answers as before; one reporter reports an agreement once, in one
 *   role and with one counterparty: anything else is a conflict. 4 An agreement without order is
 *   recorded. 5 Nobody is both sides. 6 Only what the two parties say of each other counts
 *   (order_deal): others may report the same id, with each other, and neither side notices. 7 An
 *   agreement that was ended before both had reported it (agreement_end.c) ends its order at once. 8
 *   An order that became disputed because its second report did not come in time is activated by it
 *   all the same: its hold is still there, and a connector may have been away.
 */
#include "lib/base/limits.h"
#include "lib/base/timefmt.h"
#include "lib/crypto/hash.h"
#include "server/audit/audit.h"
#include "server/order/order_private.h"
#include "sql_broker.h"

#include "lib/base/banned.h"

struct delivery_body {
    struct str report;
};

/* clang-format off */
static const struct field body_fields[] = {FIELD(struct delivery_body, report, "report", F_REQUIRED | F_NONEMPTY)};
static OBJECT(body_object, struct delivery_body, body_fields, CLOSED);
static const struct field report_fields[] = {
    FIELD(struct report, deal_id,        "deal_id",        F_REQUIRED),
    FIELD_ENUM(struct report, role,      "role",           F_REQUIRED, party_role_names),
    FIELD(struct report, order_id,       "order_id",       0),
    FIELD(struct report, agreement_hash, "agreement_hash", F_REQUIRED),
    FIELD(struct report, agreed_us,      "agreed_at",      F_REQUIRED | F_TIME),
    FIELD(struct report, ends_us,        "ends_at",        F_TIME),
};
/* clang-format on */
static OBJECT(report_row, struct report, report_fields, OPEN);

struct reporting {
    struct rq *rq;
    struct wire_agreement report;
    struct uuid deal, order; /* order zero: none */
    struct purchase purchase;
    struct order_delivery delivery;
    int64_t ends_us; /* of the agreement, once both have reported; 0: no end */
};

struct uuid order_deal(struct str provider, struct str consumer, struct str agreement)
{
    const struct str parts[] = {provider, consumer, agreement};
    struct hash *hash = hash_begin();
    uint8_t digest[SHA256_LEN];
    char length[24];

    for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
        hash_add(hash, length, (size_t)snprintf(length, sizeof(length), "%zu:", parts[i].n));
        hash_add(hash, parts[i].p, parts[i].n);
        hash_add(hash, ",", 1);
    }
    hash_end(&hash, digest);
    return uuid_v8_from(digest);
}

static int found(enum db_result result, const struct report *row, struct report *ret_report,
                 bool *ret_found, struct err *err)
{
    if (result == DB_FAIL)
        return err_ret(err);
    *ret_report = *row;
    *ret_found = result == DB_ROW;
    return 0;
}

int order__report(struct db *tx, struct uuid deal, enum party_role role, struct arena *arena,
                  struct report *ret_report, bool *ret_found, struct err *err)
{
    struct report row = {0};

    return found(db_one(tx, &q_agreement_report_get,
                        DB_ARGS(DB_UUID(deal), DB_TEXT(str_c(party_role_names[role]))), &report_row,
                        arena, &row, err),
                 &row, ret_report, ret_found, err);
}

int order__own_report(struct db *tx, struct str agreement, struct uuid participant,
                      struct arena *arena, struct report *ret_report, bool *ret_found,
                      struct err *err)
{
    struct report row = {0};

    return found(db_one(tx, &q_agreement_report_own,
                        DB_ARGS(DB_TEXT(agreement), DB_UUID(participant)), &report_row, arena, &row,
                        err),
                 &row, ret_report, ret_found, err);
}

int order__deal_lock(struct db *tx, struct uuid deal, struct err *err)
{
    return db_exec(tx, &q_deal_lock, DB_ARGS(DB_UUID(deal)), NULL, err);
}

static struct str peer_of(const struct wire_agreement *a)
{
    return a->role == PARTY_PROVIDER ? a->consumer : a->provider;
}

static int log_report(struct db *tx, const struct reporting *r, struct err *err)
{
    const struct wire_agreement *a = &r->report;
    AUTO(buf_done) struct buf body = buf_init(KIB(16));
    struct jw w = jw_init(&body);

    jw_object(&w);
    jw_kstr(&w, "agreement", a->agreement);
    jw_kc(&w, "role", party_role_names[a->role]);
    jw_kc(&w, "participant", uuid_format(rq_principal(r->rq)->participant).c);
    jw_kstr(&w, "peer", peer_of(a));
    if (!uuid_is_zero(r->order))
        jw_kc(&w, "order", uuid_format(r->order).c);
    jw_kstr(&w, "hash", a->hash);
    jw_kc(&w, "agreed_at", time_format(a->agreed_us).c);
    if (a->ends_us != 0)
        jw_kc(&w, "ends_at", time_format(a->ends_us).c);
    jw_object_end(&w);
    return audit_append(tx, ENTRY_AGREEMENT_REPORTED, env_wall_us(r->rq->env), buf_str(&body), err);
}

static int store_report(struct db *tx, const struct reporting *r, struct err *err)
{
    const struct wire_agreement *a = &r->report;

    if (db_exec(tx, &q_agreement_report_insert,
                DB_ARGS(DB_UUID(r->deal), DB_TEXT(str_c(party_role_names[a->role])),
                        DB_TEXT(a->agreement), DB_UUID(rq_principal(r->rq)->participant),
                        DB_TEXT(peer_of(a)),
                        uuid_is_zero(r->order) ? DB_NULL(DBT_UUID) : DB_UUID(r->order),
                        DB_TEXT(a->hash), DB_TIME(a->agreed_us),
                        a->ends_us != 0 ? DB_TIME(a->ends_us) : DB_NULL(DBT_TIME),
                        DB_TIME(env_wall_us(r->rq->env))),
                NULL, err) < 0)
        return err_ret(err);
    return log_report(tx, r, err);
}

static int check_order(struct db *tx, const struct reporting *r, struct err *err)
{
    const struct purchase *p = &r->purchase;
    const struct wire_agreement *a = &r->report;
    const bool by_provider = a->role == PARTY_PROVIDER;
    const struct uuid party = by_provider ? p->provider_id : p->consumer_id;
    struct participant peer = {0};

    if (!uuid_eq(party, rq_principal(r->rq)->participant))
        return err_tell(err, E_INVALID, "/report/role", "you are not the %s of this order",
                        party_role_names[a->role]);
    if (participant_get(tx, by_provider ? p->consumer_id : p->provider_id, r->rq->arena, &peer,
                        err) < 0)
        return err_ret(err);
    if (!str_eq(peer_of(a), peer.did))
        return err_tell(err, E_INVALID, by_provider ? "/report/consumer" : "/report/provider",
                        "the order is with another company");
    if (!str_eq(p->asset_id, a->asset))
        return err_tell(err, E_INVALID, "/report/asset", "the order is about another dataset");
    if (str_present(p->agreement_id) && !str_eq(p->agreement_id, a->agreement))
        return err_tell(err, E_CONFLICT, "/report/order",
                        "the order is bound to another agreement");
    if (!str_eq(p->state, STR("open")) && !str_eq(p->state, STR("contracted")) &&
        !str_eq(p->state, STR("disputed")))
        return err_tell(err, E_CONFLICT, "/report/order", "the order is '%.*s'", STR_ARG(p->state));
    return 0;
}

/* Rule 7. */
static int end_early(struct db *tx, struct reporting *r, struct err *err)
{
    struct list ends = {0};

    if (order__ends(tx, r->deal, r->rq->arena, &ends, err) < 0)
        return err_ret(err);
    if (ends.n == 0)
        return 0;
    return order__end(r->rq->app, tx, &r->purchase,
                      LIST_ITEMS(struct agreement_end, ends)[0].effective_us, r->rq->arena,
                      &r->delivery, err);
}

static int bind(struct db *tx, struct reporting *r, const struct report *other, bool has_other,
                struct err *err)
{
    struct app *app = r->rq->app;
    const struct wire_agreement *a = &r->report;
    enum order_state state = ORDER_CONTRACTED;

    r->purchase.agreement_id = a->agreement;
    r->purchase.deal_id = r->deal;
    if (has_other) {
        const bool equal = str_eq(other->agreement_hash, a->hash);

        state = equal ? ORDER_ACTIVE : ORDER_DISPUTED;
        /* the provider names beginning and end of the agreement */
        if (equal) {
            r->purchase.active_us = a->role == PARTY_PROVIDER ? a->agreed_us : other->agreed_us;
            r->ends_us = a->role == PARTY_PROVIDER ? a->ends_us : other->ends_us;
        }
    }
    if (str_eq_c(r->purchase.state, order_state_names[state]))
        return 0; /* rule 8, and the reports differ: it stays disputed */
    if (order_advance(app, tx, &r->purchase, state, r->rq->arena, &r->delivery, err) < 0)
        return err_ret(err);
    return state == ORDER_ACTIVE ? end_early(tx, r, err) : 0;
}

/* The reporter has reported the agreement before: the same again is well. */
static int repeated(const struct reporting *r, const struct report *mine, struct err *err)
{
    const struct wire_agreement *a = &r->report;

    if (mine->role != a->role)
        return err_tell(err, E_CONFLICT, "/report/role", "you reported it as its %s",
                        party_role_names[mine->role]);
    if (uuid_eq(mine->deal_id, r->deal) && str_eq(mine->agreement_hash, a->hash) &&
        mine->agreed_us == a->agreed_us && mine->ends_us == a->ends_us &&
        uuid_eq(mine->order_id, r->order))
        return 0;
    return err_tell(err, E_CONFLICT, "/report/agreement", "it was reported with other content");
}

/* db_tx_fn */
static int report(struct db *tx, void *arg, struct err *err)
{
    struct reporting *r = arg;
    const struct wire_agreement *a = &r->report;
    struct report mine = {0}, other = {0};
    bool has_mine = false, has_other = false;

    r->delivery.n = 0;
    r->ends_us = 0;
    if (order__deal_lock(tx, r->deal, err) < 0)
        return err_ret(err);
    if (!uuid_is_zero(r->order) && order__lock(tx, r->order, r->rq->arena, &r->purchase, err) < 0)
        return err_at_prefix(err, "/report/order");
    if (order__own_report(tx, a->agreement, rq_principal(r->rq)->participant, r->rq->arena, &mine,
                          &has_mine, err) < 0 ||
        order__report(tx, r->deal, (enum party_role)(1 - a->role), r->rq->arena, &other, &has_other,
                      err) < 0)
        return err_ret(err);
    if (has_mine)
        return repeated(r, &mine, err);
    if (!uuid_is_zero(r->order) && check_order(tx, r, err) < 0)
        return err_ret(err);
    if (!uuid_is_zero(r->order) && has_other && !uuid_is_zero(other.order_id) &&
        !uuid_eq(other.order_id, r->order))
        return err_tell(err, E_CONFLICT, "/report/order",
                        "the other side reported the agreement for another order");
    if (store_report(tx, r, err) < 0)
        return err_ret(err);
    return uuid_is_zero(r->order) ? 0 : bind(tx, r, &other, has_other, err);
}

static int read_report(struct rq *rq, struct reporting *r, struct err *err)
{
    const struct worker *worker = rq->thread;
    struct participant me = {0};
    struct delivery_body body = {0};
    struct str payload, own;

    if (rq_decode(rq, &body_object, &body, err) < 0 ||
        participant_get(worker->db, rq_principal(rq)->participant, rq->arena, &me, err) < 0)
        return err_ret(err);
    if (participant_verify(&me, body.report, WIRE_TYP_AGREEMENT, rq->arena, &payload, err) < 0)
        return err_tell(err, E_INVALID, "/report", "expected a JWS of typ '%s' signed by your key",
                        WIRE_TYP_AGREEMENT);
    if (object_parse(&wire_agreement_object, payload, &jlimits_default, rq->arena, &r->report,
                     err) < 0)
        return err_at_prefix(err, "/report");
    own = r->report.role == PARTY_PROVIDER ? r->report.provider : r->report.consumer;
    if (!str_eq(own, me.did) || !str_eq(r->report.reporter, me.did))
        return err_tell(err, E_INVALID, "/report/reporter", "you are not the %s of this agreement",
                        party_role_names[r->report.role]);
    if (str_eq(peer_of(&r->report), me.did))
        return err_tell(err, E_INVALID,
                        r->report.role == PARTY_PROVIDER ? "/report/consumer" : "/report/provider",
                        "nobody is both sides of an agreement");
    r->deal = order_deal(r->report.provider, r->report.consumer, r->report.agreement);
    if (str_present(r->report.order) && r->report.order.n > 0 &&
        !uuid_parse(r->report.order, &r->order))
        return err_tell(err, E_INVALID, "/report/order", "expected an order id");
    return 0;
}

int order_agreement(struct rq *rq, struct err *err)
{
    struct app *app = rq->app;
    const struct worker *worker = rq->thread;
    AUTO(buf_done) struct buf out = buf_init(KIB(8));
    struct reporting *r = ARENA_NEW(rq->arena, struct reporting);
    struct jw w = jw_init(&out);

    if (r == NULL)
        return err_set(err, E_NO_MEMORY, "", "report");
    r->rq = rq;
    if (read_report(rq, r, err) < 0 || db_tx(worker->db, "agreement_report", report, r, err) < 0)
        return err_ret(err);
    order_deliver(app, &r->delivery);
    if (r->ends_us != 0)
        timers_set(app->timers, str_c(uuid_format(r->order).c), r->ends_us);
    jw_object(&w);
    jw_kstr(&w, "agreement", r->report.agreement);
    if (!uuid_is_zero(r->order)) {
        jw_kc(&w, "order", uuid_format(r->order).c);
        jw_kstr(&w, "state", r->purchase.state);
    }
    jw_object_end(&w);
    rq_reply_json(rq, 200, buf_str(&out));
    return 0;
}
