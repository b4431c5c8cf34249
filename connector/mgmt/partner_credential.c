/*
 * connector/mgmt/partner_credential.c - /naru/v1/partners/{did}/credentials: what our operator has
 * checked about a partner himself, beside what the data bank says of it
 *
 * For partners without a credential of the data bank, as connectors of other data spaces are. A
 * record says who vouches for it and until when it counts; policies then take it as a fact whose
 * source is our operator (connector/facts/credential.c). It is ours alone: no partner can see or
 * claim it. A change counts at once, also for transfers that run.
 */
#include "connector/facts/facts.h"
#include "connector/mgmt/mgmt_private.h"
#include "connector/replica.h"
#include "connector/timed.h"
#include "lib/base/timefmt.h"
#include "lib/wire/wire.h"
#include "policy/answer.h"
#include "sql_connector.h"

#include "lib/base/banned.h"

#define VALUES_MAX  100 /* of one type */
#define ISSUER_MAX  200
#define LIFE_MAX_US (2 * 366 * US_PER_DAY)
#define LIST_MAX    1000

struct record_in {
    struct str_list values;
    struct str issuer;
    int64_t expires_us;
};
/* clang-format off */
static const struct field record_fields[] = {
    FIELD(struct record_in, values,     "values",     F_REQUIRED | F_NONEMPTY),
    FIELD(struct record_in, issuer,     "issuer",     F_REQUIRED | F_NONEMPTY),
    FIELD(struct record_in, expires_us, "expires_at", F_REQUIRED | F_TIME),
};
/* clang-format on */
static OBJECT(record_object, struct record_in, record_fields, CLOSED);

struct record_change {
    struct change change;
    struct str partner;
    enum facts_credential type;
    struct record_in in;
};

/* -- what may be recorded ---------------------------------------------------------------------- */

static bool is_active(struct str value)
{
    return str_eq(value, STR("active"));
}

static bool is_framework(struct str value)
{
    const struct wire_attestation a = {.kind = ATTEST_FRAMEWORK_AGREEMENT, .value = value};
    struct err why = {0};

    return wire_attestation_check(&a, &why) == 0;
}

static bool is_number(struct str value)
{
    const struct wire_attestation a = {.kind = ATTEST_BUSINESS_PARTNER_NUMBER, .value = value};
    struct err why = {0};

    return wire_attestation_check(&a, &why) == 0;
}

static bool is_capital(char c)
{
    return c >= 'A' && c <= 'Z';
}

/* ISO 3166-1 alpha-2, or ISO 3166-2. */
static bool is_region(struct str value)
{
    if (value.n < 2 || value.n > 6 || !is_capital(value.p[0]) || !is_capital(value.p[1]))
        return false;
    for (size_t i = 3; i < value.n; i++) {
        if (!is_capital(value.p[i]) && !(value.p[i] >= '0' && value.p[i] <= '9'))
            return false;
    }
    return value.n == 2 || (value.n > 3 && value.p[2] == '-');
}

/* by enum facts_credential */
static const struct {
    bool (*is_value)(struct str value);
    const char *form;
    size_t most;
} types[FACTS_CREDENTIAL__COUNT] = {
    [FACTS_MEMBERSHIP] = {is_active,    "'active'",                                1         },
    [FACTS_FRAMEWORK_AGREEMENT] = {is_framework, "1 to 128 characters without spaces",      VALUES_MAX},
    [FACTS_BUSINESS_PARTNER_NUMBER] = {is_number,    "'BPNL' and 12 digits or capital letters", 1         },
    [FACTS_REGION] = {is_region,    "a code of ISO 3166",                      1         },
};

static int find_type(struct rq *rq, enum facts_credential *ret_type, struct err *err)
{
    const struct str name = rq_param(rq, "type");

    for (int type = 0; type < FACTS_CREDENTIAL__COUNT; type++) {
        if (str_eq_c(name, facts_credential_names[type])) {
            *ret_type = (enum facts_credential)type;
            return 0;
        }
    }
    return err_tell(err, E_NOT_FOUND, "", "there is no type of credential '%.*s'", STR_ARG(name));
}

static int check(const struct record_change *c, int64_t now_us, struct err *err)
{
    const struct record_in *in = &c->in;

    if (in->values.n > types[c->type].most)
        return err_tell(err, E_LIMIT, "/values", "at most %zu", types[c->type].most);
    for (size_t i = 0; i < in->values.n; i++) {
        if (!types[c->type].is_value(in->values.items[i]))
            return err_tell(err, E_INVALID, "/values", "expected %s", types[c->type].form);
    }
    if (in->issuer.n > ISSUER_MAX)
        return err_tell(err, E_LIMIT, "/issuer", "at most %d bytes", ISSUER_MAX);
    if (in->expires_us <= now_us || in->expires_us > now_us + LIFE_MAX_US)
        return err_tell(err, E_INVALID, "/expires_at", "expected a time within two years");
    return 0;
}

/* -- changing ---------------------------------------------------------------------------------- */

static int clear(struct db *tx, const struct record_change *c, int64_t *ret_n, struct err *err)
{
    const struct app *app = c->change.rq->app;

    if (db_exec(tx, &q_partner_credential_clear,
                DB_ARGS(DB_TEXT(c->partner), DB_TEXT(str_c(facts_credential_names[c->type]))),
                ret_n, err) < 0)
        return err_ret(err);
    return replica_tell(tx, app->replica, NEWS_FACTS, c->partner, err);
}

static int put_record(struct db *tx, void *arg, struct err *err)
{
    const struct record_change *c = arg;

    if (clear(tx, c, NULL, err) < 0)
        return err_ret(err);
    for (size_t i = 0; i < c->in.values.n; i++) {
        if (db_exec(tx, &q_partner_credential_put,
                    DB_ARGS(DB_TEXT(c->partner), DB_TEXT(str_c(facts_credential_names[c->type])),
                            DB_TEXT(c->in.values.items[i]), DB_TEXT(c->in.issuer),
                            DB_I64(c->change.now_us), DB_I64(c->in.expires_us)),
                    NULL, err) < 0)
            return err_ret(err);
    }
    return 0;
}

static int delete_record(struct db *tx, void *arg, struct err *err)
{
    const struct record_change *c = arg;
    int64_t n = 0;

    if (clear(tx, c, &n, err) < 0)
        return err_ret(err);
    return n > 0 ? 0 : err_tell(err, E_NOT_FOUND, "", "nothing of this type is recorded");
}

static void changed(struct change *change)
{
    const struct record_change *c = (const struct record_change *)change;

    timed_set(change->rq->app, "facts", c->partner, env_wall_us(change->rq->env));
}

static int begin(struct rq *rq, struct record_change **ret, struct err *err)
{
    struct record_change *c = ARENA_NEW(rq->arena, struct record_change);

    if (c == NULL)
        return err_set(err, E_LIMIT, "", "memory of the request");
    c->partner = arena_str(rq->arena, rq_param(rq, "did"));
    c->change.now_us = env_wall_us(rq->env);
    c->change.after = changed;
    *ret = c;
    if (c->partner.n > LIMIT_ID)
        return err_tell(err, E_LIMIT, "", "the partner's id is longer than %d bytes", LIMIT_ID);
    return find_type(rq, &c->type, err);
}

int mgmt_partner_credential_put(struct rq *rq, struct err *err)
{
    struct record_change *c;

    if (begin(rq, &c, err) < 0 || rq_decode(rq, &record_object, &c->in, err) < 0 ||
        check(c, c->change.now_us, err) < 0)
        return err_ret(err);
    for (size_t i = 1; i < c->in.values.n; i++) {
        for (size_t k = 0; k < i; k++) {
            if (str_eq(c->in.values.items[i], c->in.values.items[k]))
                return err_tell(err, E_INVALID, "/values", "'%.*s' stands there twice",
                                STR_ARG(c->in.values.items[i]));
        }
    }
    return mgmt__change(rq, &c->change, "partner credential", put_record, err);
}

int mgmt_partner_credential_delete(struct rq *rq, struct err *err)
{
    struct record_change *c;

    if (begin(rq, &c, err) < 0)
        return err_ret(err);
    return mgmt__change(rq, &c->change, "partner credential", delete_record, err);
}

/* -- reading ----------------------------------------------------------------------------------- */

/* One object per type; rows are in the order of types. Returns how many rows it has taken. */
static size_t write_type(const struct facts_recorded *r, size_t n, int64_t now_us, struct jw *w)
{
    size_t taken = 0;

    jw_object(w);
    jw_kstr(w, "type", r->type);
    jw_key(w, "values");
    jw_array(w);
    while (taken < n && str_eq(r[taken].type, r->type))
        jw_str(w, r[taken++].value);
    jw_array_end(w);
    jw_kstr(w, "issuer", r->issuer);
    jw_kc(w, "recorded_at", time_format(r->recorded_us).c);
    jw_kc(w, "expires_at", time_format(r->expires_us).c);
    jw_kbool(w, "counts", r->expires_us > now_us);
    jw_object_end(w);
    return taken;
}

static int list_rows(struct rq *rq, struct str type, struct list *ret, struct err *err)
{
    const struct worker *worker = rq->thread;

    return db_list(worker->db, &q_partner_credential_list,
                   DB_ARGS(DB_TEXT(rq_param(rq, "did")), DB_TEXT(type), DB_I64(LIST_MAX)),
                   &facts_recorded_row, rq->arena, LIST_MAX, ret, err);
}

int mgmt_partner_credential_get(struct rq *rq, struct err *err)
{
    AUTO(buf_done) struct buf out = buf_init(MIB(1));
    enum facts_credential type;
    struct list rows = {0};
    struct jw w = jw_init(&out);

    if (find_type(rq, &type, err) < 0 ||
        list_rows(rq, str_c(facts_credential_names[type]), &rows, err) < 0)
        return err_ret(err);
    if (rows.n == 0)
        return err_tell(err, E_NOT_FOUND, "", "nothing of this type is recorded");
    (void)write_type(rows.items, rows.n, env_wall_us(rq->env), &w);
    rq_reply_buf(rq, 200, "application/json", &out);
    return 0;
}

static const char *const knowledge_names[] = {
    [POLICY_UNKNOWN] = "unknown", [POLICY_ABSENT] = "absent", [POLICY_KNOWN] = "known"};

static int write_shown(struct rq *rq, struct jw *w, struct err *err)
{
    const struct worker *worker = rq->thread;
    struct facts_shown shown;
    struct peer peer;

    if (facts_peer(worker->db, rq_param(rq, "did"), rq->arena, &peer, err) < 0 ||
        facts_shown(worker->db, &peer, env_wall_us(rq->env), rq->arena, &shown, err) < 0)
        return err_ret(err);
    jw_object(w);
    jw_kc(w, "knowledge", knowledge_names[shown.knowledge]);
    jw_key(w, "source");
    policy_answer_source(&shown.source, w);
    if (peer.member && str_present(peer.credential_id)) {
        jw_kstr(w, "credential", peer.credential_id);
        jw_kstr(w, "issuer", peer.issuer);
        jw_kc(w, "issued_at", time_format(peer.issued_us).c);
        jw_kc(w, "expires_at", time_format(peer.expires_us).c);
        jw_kc(w, "confirmed_at", time_format(env_wall_us(rq->env) - shown.age_us).c);
        if (shown.revoked_us > 0)
            jw_kc(w, "revoked_at", time_format(shown.revoked_us).c);
        if (str_present(peer.attestations))
            jw_kraw(w, "attestations", peer.attestations);
    }
    jw_object_end(w);
    return 0;
}

int mgmt_partner_credentials(struct rq *rq, struct err *err)
{
    AUTO(buf_done) struct buf out = buf_init(MIB(1));
    const int64_t now_us = env_wall_us(rq->env);
    struct list rows = {0};
    struct jw w = jw_init(&out);

    if (list_rows(rq, STR_NONE, &rows, err) < 0)
        return err_ret(err);
    jw_object(&w);
    jw_kstr(&w, "partner", rq_param(rq, "did"));
    jw_key(&w, "membership");
    if (write_shown(rq, &w, err) < 0)
        return err_ret(err);
    jw_key(&w, "recorded");
    jw_array(&w);
    for (size_t i = 0; i < rows.n;)
        i += write_type(&LIST_ITEMS(struct facts_recorded, rows)[i], rows.n - i, now_us, &w);
    jw_array_end(&w);
    jw_object_end(&w);
    rq_reply_buf(rq, 200, "application/json", &out);
    return 0;
}
