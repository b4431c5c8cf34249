/*
 * server/catalogue/put.c - PUT and DELETE /v1/datasets/{asset} (docs/exchange.md §2, §3)
 *
 * An entry is taken only if its provider signed it, it is in canonical form, and everything in it
 * is understood: plans by lib/rating, the policy by the engine. A version replaces an older one;
 * the same version with the same bytes is acknowledged again; anything else is a conflict.
 */
#include "lib/base/limits.h"
#include "lib/crypto/hash.h"
#include "policy/policy.h"
#include "server/audit/audit.h"
#include "server/catalogue/catalogue_private.h"
#include "server/registry/registry.h"
#include "sql_broker.h"

#include "lib/base/banned.h"

#define PLANS_MAX 16
#define FILTERS   4

struct delivery {
    struct str entry;
};
/* clang-format off */
static const struct field delivery_fields[] = {FIELD(struct delivery, entry, "entry", F_REQUIRED | F_NONEMPTY)};
static OBJECT(delivery_object, struct delivery, delivery_fields, CLOSED);

struct before {
    struct uuid dataset_id;
    int64_t version;
    struct bytes entry_hash;
    struct str state;
};
static const struct field before_fields[] = {
    FIELD(struct before, dataset_id, "dataset_id", F_REQUIRED),
    FIELD(struct before, version,    "version",    F_REQUIRED),
    FIELD(struct before, entry_hash, "entry_hash", F_REQUIRED),
    FIELD(struct before, state,      "state",      F_REQUIRED),
};
/* clang-format on */
static OBJECT(before_row, struct before, before_fields, OPEN);

static const char *const price_kinds[PLAN_KIND__COUNT] = {
    [PLAN_FREE] = "free",
    [PLAN_ONE_OFF] = "one_off",
    [PLAN_SUBSCRIPTION] = "subscription",
    [PLAN_METERED] = "metered",
};

struct put {
    struct rq *rq;
    struct str jws, payload;
    struct wire_dataset entry;
    uint8_t hash[SHA256_LEN];
    const struct plan *plans[PLANS_MAX];
    struct str plan_hashes[PLANS_MAX];
    size_t n_plans;
    enum plan_kind kind;          /* the least binding of the plans */
    struct str_list title, terms; /* of the search index */
    struct uuid dataset_id;
};

static int read_plans(struct put *put, struct err *err)
{
    struct arena *arena = put->rq->arena;

    put->kind = PLAN_METERED;
    put->n_plans = jval_len(put->entry.plans);
    for (size_t i = 0; i < put->n_plans; i++) {
        uint8_t hash[SHA256_LEN];
        char at[32];

        if (plan_decode(jval_at(put->entry.plans, i), arena, &put->plans[i], err) < 0) {
            snprintf(at, sizeof(at), "/plans/%zu", i);
            return err_at_prefix(err, at);
        }
        sha256(plan_canonical(put->plans[i]).p, plan_canonical(put->plans[i]).n, hash);
        put->plan_hashes[i] = arena_str(arena, str_c(hash_hex(hash).c));
        if (put->plans[i]->kind < put->kind)
            put->kind = put->plans[i]->kind;
    }
    return arena_failed(arena) ? err_set(err, E_NO_MEMORY, "", "plans") : 0;
}

static void add_text(struct buf *out, const struct wire_text *text)
{
    if (text == NULL)
        return;
    buf_add_str(out, text->ko);
    buf_add_char(out, ' ');
    buf_add_str(out, text->en);
    buf_add_char(out, ' ');
}

/* The tokens of the texts, and everything else under which the dataset is found. */
static int add_terms(struct put *put, const struct str_list *tokens, struct err *err)
{
    const struct wire_dataset *e = &put->entry;
    struct arena *arena = put->rq->arena;
    const bool for_all = e->visibility == VISIBLE_OPEN || e->visibility == VISIBLE_ON_REQUEST;
    struct str *terms =
        ARENA_ARRAY(arena, struct str, tokens->n + put->title.n + e->visible_to.n + FILTERS + 1);
    size_t n = 0;

    if (terms == NULL)
        return err_set(err, E_NO_MEMORY, "", "search terms");
    for (size_t i = 0; i < tokens->n; i++)
        terms[n++] = tokens->items[i];
    for (size_t i = 0; i < put->title.n; i++)
        terms[n++] = search_term("^", put->title.items[i], arena);
    terms[n++] = search_term("domain=", str_c(data_domain_names[e->domain]), arena);
    terms[n++] = search_term("price=", str_c(price_kinds[put->kind]), arena);
    terms[n++] = search_term("media_type=", e->media_type, arena);
    terms[n++] =
        search_term("provider=", str_c(uuid_format(rq_principal(put->rq)->participant).c), arena);
    if (for_all)
        terms[n++] = STR("to=*");
    for (size_t i = 0; i < e->visible_to.n && !for_all; i++)
        terms[n++] = search_term("to=", e->visible_to.items[i], arena);
    put->terms = (struct str_list){terms, n};
    return arena_failed(arena) ? err_set(err, E_NO_MEMORY, "", "search terms") : 0;
}

static int make_terms(struct put *put, struct err *err)
{
    struct str_list tokens = {0};
    AUTO(buf_done) struct buf title = buf_init(KIB(8));
    AUTO(buf_done) struct buf all = buf_init(KIB(128));
    const struct wire_dataset *e = &put->entry;

    add_text(&title, e->title);
    add_text(&all, e->title);
    for (size_t i = 0; i < e->keywords.n; i++) {
        buf_add_str(&all, e->keywords.items[i]);
        buf_add_char(&all, ' ');
    }
    buf_printf(&all, "%s %.*s ", data_domain_names[e->domain], STR_ARG(e->semantic_id));
    for (size_t i = 0; i < e->schema.n; i++) {
        buf_add_str(&all, LIST_ITEMS(struct wire_column, e->schema)[i].name);
        buf_add_char(&all, ' ');
    }
    add_text(&all, e->description);
    if (buf_failed(&title) || buf_failed(&all))
        return err_tell(err, E_LIMIT, "/keywords", "more text than can be searched");
    if (search_tokens(buf_str(&title), SEARCH_INDEX, put->rq->arena, &put->title, err) < 0 ||
        search_tokens(buf_str(&all), SEARCH_INDEX, put->rq->arena, &tokens, err) < 0)
        return err_ret(err);
    return add_terms(put, &tokens, err);
}

static int check_policy(const struct put *put, struct err *err)
{
    AUTO(policy_unref) struct policy *policy = NULL;

    return policy_compile(put->entry.policy, &policy, err) < 0 ? err_at_prefix(err, "/policy") : 0;
}

static int check_entry(struct put *put, struct str did, const struct jval *root, struct err *err)
{
    AUTO(buf_done) struct buf canonical = buf_init(MIB(1));

    jval_canonical(&canonical, root);
    if (!str_eq(buf_str(&canonical), put->payload))
        return err_tell(err, E_INVALID, "/entry",
                        "the signed bytes are not in canonical form (RFC 8785)");
    if (!str_eq(put->entry.provider, did))
        return err_tell(err, E_INVALID, "/entry/provider", "expected '%.*s'", STR_ARG(did));
    if (!str_eq(put->entry.asset, rq_param(put->rq, "asset")))
        return err_tell(err, E_INVALID, "/entry/asset", "expected the asset of the path");
    if (wire_dataset_check(&put->entry, err) < 0 || read_plans(put, err) < 0 ||
        check_policy(put, err) < 0 || make_terms(put, err) < 0)
        return err_at_prefix(err, "/entry");
    return 0;
}

static int log_plan(struct db *tx, const struct put *put, size_t i, struct err *err)
{
    AUTO(buf_done) struct buf body = buf_init(KIB(60));
    struct jw w = jw_init(&body);

    jw_object(&w);
    jw_kstr(&w, "plan", put->plan_hashes[i]);
    jw_kraw(&w, "text", plan_canonical(put->plans[i]));
    jw_object_end(&w);
    if (buf_failed(&body))
        return err_tell(err, E_LIMIT, "/entry/plans", "a plan is too large");
    return audit_append(tx, ENTRY_PLAN_REGISTERED, env_wall_us(put->rq->env), buf_str(&body), err);
}

static int store_plans(struct db *tx, const struct put *put, struct err *err)
{
    for (size_t i = 0; i < put->n_plans; i++) {
        int64_t fresh = 0;

        if (db_exec(tx, &q_plan_insert,
                    DB_ARGS(DB_TEXT(put->plan_hashes[i]), DB_TEXT(plan_canonical(put->plans[i])),
                            DB_TEXT(str_c(put->plans[i]->currency->code)),
                            DB_TIME(env_wall_us(put->rq->env))),
                    &fresh, err) < 0 ||
            (fresh > 0 && log_plan(tx, put, i, err) < 0) ||
            db_exec(tx, &q_dataset_plan_insert,
                    DB_ARGS(DB_UUID(put->dataset_id), DB_I64(put->entry.version),
                            DB_TEXT(put->plan_hashes[i])),
                    NULL, err) < 0)
            return err_ret(err);
    }
    return 0;
}

static int log_dataset(struct db *tx, const struct put *put, struct err *err)
{
    AUTO(buf_done) struct buf body = buf_init(KIB(16));
    struct jw w = jw_init(&body);

    jw_object(&w);
    jw_kc(&w, "dataset", uuid_format(put->dataset_id).c);
    jw_kstr(&w, "asset", put->entry.asset);
    jw_kc(&w, "provider", uuid_format(rq_principal(put->rq)->participant).c);
    jw_ki64(&w, "version", put->entry.version);
    jw_kc(&w, "entry_hash", hash_hex(put->hash).c);
    jw_key(&w, "plans");
    jw_array(&w);
    for (size_t i = 0; i < put->n_plans; i++)
        jw_str(&w, put->plan_hashes[i]);
    jw_array_end(&w);
    jw_object_end(&w);
    return audit_append(tx, ENTRY_DATASET_PUBLISHED, env_wall_us(put->rq->env), buf_str(&body),
                        err);
}

static struct str or_empty(struct str s)
{
    return str_present(s) ? s : STR("");
}

static int store_row(struct db *tx, const struct put *put, struct err *err)
{
    const struct wire_dataset *e = &put->entry;

    return db_exec(
        tx, &q_dataset_put,
        DB_ARGS(DB_UUID(put->dataset_id), DB_UUID(rq_principal(put->rq)->participant),
                DB_TEXT(e->asset), DB_I64(e->version), DB_TEXT(put->payload), DB_TEXT(put->jws),
                DB_BYTES(str_n(put->hash, SHA256_LEN)),
                DB_TEXT(e->title->ko.n > 0 ? e->title->ko : e->title->en),
                DB_TEXT(e->title->en.n > 0 ? e->title->en : e->title->ko),
                DB_TEXT(str_c(data_domain_names[e->domain])), DB_TEXT(or_empty(e->semantic_id)),
                DB_TEXT(or_empty(e->media_type)), DB_TEXT(str_c(visibility_names[e->visibility])),
                DB_ARRAY(DBT_TEXT_ARRAY, e->visible_to.items, e->visible_to.n),
                DB_TEXT(str_c(price_kinds[put->kind])), DB_TIME(env_wall_us(put->rq->env))),
        NULL, err);
}

static int store_terms(struct db *tx, const struct put *put, struct err *err)
{
    const struct wire_dataset *e = &put->entry;

    return db_exec(tx, &q_search_put,
                   DB_ARGS(DB_UUID(put->dataset_id), DB_UUID(rq_principal(put->rq)->participant),
                           DB_TEXT(str_c(data_domain_names[e->domain])),
                           DB_TEXT(str_c(price_kinds[put->kind])), DB_TEXT(or_empty(e->media_type)),
                           DB_ARRAY(DBT_TEXT_ARRAY, put->title.items, put->title.n),
                           DB_ARRAY(DBT_TEXT_ARRAY, put->terms.items, put->terms.n)),
                   NULL, err);
}

/* db_tx_fn */
static int store_entry(struct db *tx, void *arg, struct err *err)
{
    struct put *put = arg;
    struct before before = {0};

    switch (db_one(tx, &q_dataset_by_asset,
                   DB_ARGS(DB_UUID(rq_principal(put->rq)->participant), DB_TEXT(put->entry.asset)),
                   &before_row, put->rq->arena, &before, err)) {
    case DB_FAIL: return err_ret(err);
    case DB_NONE: put->dataset_id = uuid_new(put->rq->env); break;
    case DB_ROW:
        put->dataset_id = before.dataset_id;
        if (before.version == put->entry.version && before.entry_hash.n == SHA256_LEN &&
            memcmp(before.entry_hash.p, put->hash, SHA256_LEN) == 0)
            return 0;
        if (put->entry.version <= before.version)
            return err_tell(err, E_CONFLICT, "/entry/version", "version %lld is known already",
                            (long long)before.version);
        break;
    }
    if (store_row(tx, put, err) < 0 || store_terms(tx, put, err) < 0 ||
        store_plans(tx, put, err) < 0)
        return err_ret(err);
    return log_dataset(tx, put, err);
}

static int reply(struct rq *rq, const struct put *put)
{
    AUTO(buf_done) struct buf out = buf_init(KIB(16));
    struct jw w = jw_init(&out);

    jw_object(&w);
    jw_kc(&w, "dataset", uuid_format(put->dataset_id).c);
    jw_ki64(&w, "version", put->entry.version);
    jw_key(&w, "plans");
    jw_array(&w);
    for (size_t i = 0; i < put->n_plans; i++)
        jw_str(&w, put->plan_hashes[i]);
    jw_array_end(&w);
    jw_object_end(&w);
    rq_reply_json(rq, 200, buf_str(&out));
    return 0;
}

int catalogue_put(struct rq *rq, struct err *err)
{
    const struct worker *worker = rq->thread;
    AUTO(jdoc_free) struct jdoc *doc = NULL;
    struct participant provider = {0};
    struct delivery delivery = {0};
    struct put *put = ARENA_NEW(rq->arena, struct put);

    if (put == NULL)
        return err_set(err, E_NO_MEMORY, "", "dataset");
    put->rq = rq;
    if (rq_decode(rq, &delivery_object, &delivery, err) < 0 ||
        participant_get(worker->db, rq_principal(rq)->participant, rq->arena, &provider, err) < 0)
        return err_ret(err);
    if (participant_verify(&provider, delivery.entry, WIRE_TYP_DATASET, rq->arena, &put->payload,
                           err) < 0)
        return err_tell(err, E_INVALID, "/entry",
                        "expected a JWS of typ '%s' signed by the key of '%.*s'", WIRE_TYP_DATASET,
                        STR_ARG(provider.did));
    if (jdoc_parse(put->payload, &jlimits_default, &doc, err) < 0 ||
        object_decode(&wire_dataset_object, jdoc_root(doc), rq->arena, &put->entry, err) < 0)
        return err_at_prefix(err, "/entry");
    put->jws = delivery.entry;
    sha256(put->payload.p, put->payload.n, put->hash);
    if (check_entry(put, provider.did, jdoc_root(doc), err) < 0 ||
        db_tx(worker->db, "dataset_put", store_entry, put, err) < 0)
        return err_ret(err);
    return reply(rq, put);
}

/* -- DELETE ------------------------------------------------------------------------------------ */

static int withdraw(struct db *tx, void *arg, struct err *err)
{
    struct rq *rq = arg;
    AUTO(buf_done) struct buf body = buf_init(KIB(2));
    struct before before = {0};
    struct jw w = jw_init(&body);

    switch (db_one(tx, &q_dataset_by_asset,
                   DB_ARGS(DB_UUID(rq_principal(rq)->participant), DB_TEXT(rq_param(rq, "asset"))),
                   &before_row, rq->arena, &before, err)) {
    case DB_FAIL: return err_ret(err);
    case DB_NONE: return err_tell(err, E_NOT_FOUND, "", "no such dataset");
    case DB_ROW: break;
    }
    if (!str_eq(before.state, STR("listed")))
        return 0;
    jw_object(&w);
    jw_kc(&w, "dataset", uuid_format(before.dataset_id).c);
    jw_kstr(&w, "by", rq_principal(rq)->label);
    jw_object_end(&w);
    if (db_exec(tx, &q_dataset_withdraw,
                DB_ARGS(DB_UUID(before.dataset_id), DB_TIME(env_wall_us(rq->env))), NULL,
                err) < 0 ||
        db_exec(tx, &q_search_remove, DB_ARGS(DB_UUID(before.dataset_id)), NULL, err) < 0)
        return err_ret(err);
    return audit_append(tx, ENTRY_DATASET_WITHDRAWN, env_wall_us(rq->env), buf_str(&body), err);
}

int catalogue_withdraw(struct rq *rq, struct err *err)
{
    const struct worker *worker = rq->thread;

    if (db_tx(worker->db, "dataset_withdraw", withdraw, rq, err) < 0)
        return err_ret(err);
    rq_reply_empty(rq, 204);
    return 0;
}
