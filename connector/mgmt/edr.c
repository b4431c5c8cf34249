/*
 * connector/mgmt/edr.c - /v3/edrs: endpoint data references that providers gave us
 *
 * A data address is given with a token that is good for a while: one about to expire is renewed
 * first, unless auto_refresh=false.
 */
#include "connector/dataplane/dataplane.h"
#include "connector/mgmt/mgmt_private.h"
#include "lib/base/timefmt.h"
#include "sql_connector.h"

#include "lib/base/banned.h"

#define TYPE      "EndpointDataReferenceEntry"
#define HTTP_TYPE "https://w3id.org/idsa/v4.1/HTTP"

struct entry {
    struct str transfer_id, agreement_id, negotiation_id, asset_id, provider_id;
    struct str endpoint, token, refresh_endpoint, refresh_token;
    int64_t expires_us, received_us;
    struct str held; /* why the policy lets the transfer wait; STR_NONE: it does not */
};
/* clang-format off */
static const struct field entry_fields[] = {
    FIELD(struct entry, transfer_id,      "transfer_id",      F_REQUIRED),
    FIELD(struct entry, agreement_id,     "agreement_id",     F_REQUIRED),
    FIELD(struct entry, negotiation_id,   "negotiation_id",   F_REQUIRED),
    FIELD(struct entry, asset_id,         "asset_id",         F_REQUIRED),
    FIELD(struct entry, provider_id,      "provider_id",      F_REQUIRED),
    FIELD(struct entry, endpoint,         "endpoint",         F_REQUIRED),
    FIELD(struct entry, token,            "token",            F_REQUIRED),
    FIELD(struct entry, refresh_endpoint, "refresh_endpoint", 0),
    FIELD(struct entry, refresh_token,    "refresh_token",    0),
    FIELD(struct entry, expires_us,       "expires_us",       0),
    FIELD(struct entry, received_us,      "received_us",      F_REQUIRED),
    FIELD(struct entry, held,             "held",             0),
};
/* clang-format on */
static OBJECT(entry_row, struct entry, entry_fields, OPEN);

static enum db_result read_row(struct rq *rq, struct str id, struct arena *arena, struct entry *ret,
                               struct err *err)
{
    const struct worker *worker = rq->thread;

    return db_one(worker->db, &q_mgmt_edr_get, DB_ARGS(DB_TEXT(id)), &entry_row, arena, ret, err);
}

static int write_entry(struct rq *rq, struct str id, struct arena *arena, struct jw *w,
                       bool *ret_found, struct err *err)
{
    struct entry e = {0};

    switch (read_row(rq, id, arena, &e, err)) {
    case DB_NONE: return 0;
    case DB_FAIL: return err_ret(err);
    case DB_ROW: break;
    }
    *ret_found = true;
    jw_object(w);
    jw_kstr(w, "@id", e.transfer_id);
    jw_kc(w, "@type", TYPE);
    jw_kstr(w, "transferProcessId", e.transfer_id);
    jw_kstr(w, "agreementId", e.agreement_id);
    jw_kstr(w, "contractNegotiationId", e.negotiation_id);
    jw_kstr(w, "assetId", e.asset_id);
    jw_kstr(w, "providerId", e.provider_id);
    jw_ki64(w, "createdAt", e.received_us / 1000);
    mgmt__context(w);
    return 0;
}

int mgmt_edr_query(struct rq *rq, struct err *err)
{
    return mgmt__query(rq, ENTITY_EDR, write_entry, err);
}

static void write_refresh(struct jw *w, const struct entry *e, int64_t now_us, struct arena *arena)
{
    if (e->expires_us > 0)
        jw_kstr(w, "tx-auth:expiresIn",
                arena_printf(
                    arena, "%lld",
                    (long long)(e->expires_us > now_us ? (e->expires_us - now_us) / US_PER_S : 0)));
    mgmt__optional(w, "tx-auth:refreshEndpoint", e->refresh_endpoint);
    mgmt__optional(w, "tx-auth:refreshToken", e->refresh_token);
    if (str_present(e->refresh_endpoint))
        jw_kstr(w, "tx-auth:refreshAudience", e->provider_id);
}

static int show_address(struct rq *rq, struct err *err)
{
    AUTO(buf_done) struct buf body = buf_init(KIB(128));
    struct jw w = jw_init(&body);
    struct entry e = {0};

    switch (read_row(rq, rq_param(rq, "id"), rq->arena, &e, err)) {
    case DB_NONE: return mgmt__not_found(err, "EndpointDataReference", rq_param(rq, "id"));
    case DB_FAIL: return err_ret(err);
    case DB_ROW: break;
    }
    if (str_present(e.held)) /* who has the token needs no connector of ours */
        return err_tell(err, E_POLICY, "", "%.*s", STR_ARG(e.held));
    jw_object(&w);
    jw_kc(&w, "@type", "DataAddress");
    jw_kc(&w, "type", HTTP_TYPE);
    jw_kc(&w, "endpointType", HTTP_TYPE);
    jw_kstr(&w, "endpoint", e.endpoint);
    jw_kc(&w, "authType", "bearer");
    jw_kstr(&w, "authorization", e.token);
    jw_kc(&w, "flowType", "PULL");
    jw_kstr(&w, "process_id", e.transfer_id);
    jw_kstr(&w, "participant_id", e.provider_id);
    jw_kstr(&w, "asset_id", e.asset_id);
    jw_kstr(&w, "agreement_id", e.agreement_id);
    write_refresh(&w, &e, env_wall_us(rq->env), rq->arena);
    jw_kraw(&w, "@context",
            STR("{\"@vocab\":\"" LD_EDC "\",\"edc\":\"" LD_EDC "\",\"odrl\":\"" LD_ODRL
                "\",\"tx-auth\":\"https://w3id.org/tractusx/auth/\"}"));
    jw_object_end(&w);
    return mgmt__reply(rq, &body, err);
}

/* -- renewing ---------------------------------------------------------------------------------- */

struct renewal {
    struct rq *rq;
    struct err err;
};

/* Where a renewal fails unasked, the caller gets the old token, which may still be good. */
static void renewed(void *cls, const struct err *err)
{
    struct renewal *renewal = cls;

    renewal->err = *err;
    rq_resume(renewal->rq);
}

static int after_forced(struct rq *rq, struct err *err)
{
    const struct renewal *renewal = rq->cls;

    if (renewal->err.code != E_OK) {
        *err = renewal->err;
        return err_ret(err);
    }
    return show_address(rq, err);
}

static int renew(struct rq *rq, bool force, http_handler *after, struct err *err)
{
    const struct worker *worker = rq->thread;
    struct renewal *renewal = ARENA_NEW(rq->arena, struct renewal);

    if (renewal == NULL)
        return err_set(err, E_LIMIT, "", "memory of the request");
    renewal->rq = rq;
    rq->cls = renewal;
    rq_suspend(rq, after);
    return dataplane_edr_renew(rq->app, worker->db, rq_param(rq, "id"), force, renewed, renewal,
                               err);
}

int mgmt_edr_address(struct rq *rq, struct err *err)
{
    if (str_eq_nocase(rq_query(rq, "auto_refresh"), STR("false")))
        return show_address(rq, err);
    return renew(rq, false, show_address, err);
}

int mgmt_edr_refresh(struct rq *rq, struct err *err)
{
    return renew(rq, true, after_forced, err);
}

struct edr_delete {
    struct change change;
    struct str id;
};

static int delete_edr(struct db *tx, void *arg, struct err *err)
{
    const struct edr_delete *c = arg;
    int64_t n = 0;

    if (db_exec(tx, &q_mgmt_edr_delete, DB_ARGS(DB_TEXT(c->id)), &n, err) < 0)
        return err_ret(err);
    return n > 0 ? 0 : mgmt__not_found(err, "EndpointDataReference", c->id);
}

int mgmt_edr_delete(struct rq *rq, struct err *err)
{
    struct edr_delete *c = ARENA_NEW(rq->arena, struct edr_delete);

    if (c == NULL)
        return err_set(err, E_LIMIT, "", "memory of the request");
    c->id = rq_param(rq, "id");
    return mgmt__change(rq, &c->change, "edr delete", delete_edr, err);
}
