/*
 * connector/mgmt/negotiation.c - /v3/contractnegotiations: start, read, query, terminate, delete
 */
#include "connector/dsp/dsp.h"
#include "connector/mgmt/mgmt_private.h"
#include "connector/store/property.h"
#include "policy/policy.h"
#include "sql_connector.h"

#include "lib/base/banned.h"

#define TYPE "ContractNegotiation"

struct request_in {
    struct str peer_address, peer_id, protocol;
    const struct jval *policy, *callbacks;
};
/* clang-format off */
static const struct form_row request_rows[] = {
    FORM_ROW(struct request_in, peer_address, LD_EDC "counterPartyAddress", FORM_TEXT, true),
    FORM_ROW(struct request_in, peer_id,      LD_EDC "counterPartyId",      FORM_TEXT, false),
    FORM_ROW(struct request_in, protocol,     LD_EDC "protocol",            FORM_TEXT, true),
    FORM_ROW(struct request_in, policy,       LD_EDC "policy",              FORM_NODE, true),
    FORM_ROW(struct request_in, callbacks,    LD_EDC "callbackAddresses",   FORM_LIST, false),
};
FORM(request_form, request_rows);

struct offer_in {
    struct str id, assigner, target;
};
static const struct form_row offer_rows[] = {
    FORM_ROW(struct offer_in, id,       "@id",              FORM_ID,   true),
    FORM_ROW(struct offer_in, assigner, LD_ODRL "assigner", FORM_TEXT, true),
    FORM_ROW(struct offer_in, target,   LD_ODRL "target",   FORM_TEXT, true),
};
FORM(offer_form, offer_rows);

/* clang-format on */

/* The offer in the words of the protocol; the dsp unit copies it. */
static int read_offer(const struct rq *rq, const struct jval *node, struct dsp_negotiate *ret,
                      struct str *ret_assigner, struct err *err)
{
    struct arena *arena = rq->arena;
    AUTO(policy_unref) struct policy *policy = NULL;
    AUTO(buf_done) struct buf text = buf_init(MIB(1));
    struct jw w = jw_init(&text);
    struct offer_in offer = {0};

    if (!ld_has_type(node, LD_ODRL "Offer"))
        return err_tell(err, E_INVALID, "/" LD_EDC "policy/@type",
                        "@type was expected to be 'http://www.w3.org/ns/odrl/2/Offer'");
    if (form_decode(&offer_form, node, arena, &offer, err) < 0)
        return form_at(err, LD_EDC "policy");
    if (mgmt__compile(rq->app, node, &policy, err) < 0)
        return err_ret(err);
    policy_write(policy, POLICY_FORM_DSP, &w);
    ret->offer_id = offer.id;
    ret->asset_id = offer.target;
    ret->policy = arena_str(arena, buf_str(&text));
    *ret_assigner = offer.assigner;
    return buf_failed(&text) || arena_failed(arena)
               ? err_tell(err, E_LIMIT, "/" LD_EDC "policy", "the offer is too large")
               : 0;
}

int mgmt__read_contract_request(struct rq *rq, struct dsp_negotiate *ret_request, struct err *err)
{
    AUTO(jdoc_free) struct jdoc *doc = NULL;
    struct dsp_negotiate request = {0};
    struct request_in in = {0};
    const struct jval *node;
    struct str assigner;

    if (mgmt__expand(rq, &v4_contract_request, false, &doc, &node, err) < 0 ||
        form_decode(&request_form, node, rq->arena, &in, err) < 0 ||
        read_offer(rq, in.policy, &request, &assigner, err) < 0 ||
        mgmt__callbacks(rq, in.callbacks, &request.callbacks, err) < 0)
        return err_ret(err);
    request.peer_id = in.peer_id.n > 0 ? in.peer_id : assigner;
    request.peer_address = in.peer_address;
    request.protocol = in.protocol;
    *ret_request = request;
    return 0;
}

int mgmt_negotiation_create(struct rq *rq, struct err *err)
{
    struct dsp_negotiate request;
    struct command_wait *wait;

    if (mgmt__read_contract_request(rq, &request, err) < 0)
        return err_ret(err);
    wait = mgmt__wait(rq, true, err);
    if (wait == NULL)
        return err_ret(err);
    return dsp_negotiate(rq->app, &request, mgmt__done, wait, err);
}

/* -- reading ----------------------------------------------------------------------------------- */

static enum db_result read_row(struct rq *rq, struct str id, struct arena *arena,
                               struct negotiation *ret, struct err *err)
{
    const struct worker *worker = rq->thread;

    return db_one(worker->db, &q_mgmt_negotiation_get, DB_ARGS(DB_TEXT(id)), &negotiation_row,
                  arena, ret, err);
}

int mgmt__write_negotiation(struct rq *rq, struct str id, struct arena *arena, struct jw *w,
                            bool *ret_found, struct err *err)
{
    struct negotiation n = {0};

    switch (read_row(rq, id, arena, &n, err)) {
    case DB_NONE: return 0;
    case DB_FAIL: return err_ret(err);
    case DB_ROW: break;
    }
    *ret_found = true;
    jw_object(w);
    jw_kc(w, "@type", TYPE);
    jw_kstr(w, "@id", n.negotiation_id);
    jw_kc(w, "type", str_eq(n.role, STR("provider")) ? "PROVIDER" : "CONSUMER");
    jw_kstr(w, "protocol", n.protocol);
    jw_kc(w, "state", negotiation_state_name(n.state));
    jw_kstr(w, "counterPartyId", n.peer_id);
    jw_kstr(w, "counterPartyAddress", n.peer_address);
    if (mgmt__write_callbacks(w, n.callbacks, err) < 0)
        return err_ret(err);
    jw_ki64(w, "createdAt", n.created_us / 1000);
    jw_ki64(w, "stateTimestamp", n.state_us / 1000);
    jw_kstr(w, "assetId", n.asset_id);
    mgmt__optional(w, "correlationId", n.peer_pid);
    mgmt__optional(w, "contractAgreementId", n.agreement_id);
    mgmt__optional(w, "errorDetail", n.error);
    mgmt__context(w);
    return 0;
}

int mgmt_negotiation_get(struct rq *rq, struct err *err)
{
    return mgmt__read(rq, ENTITY_NEGOTIATION, rq_param(rq, "id"), mgmt__write_negotiation, err);
}

int mgmt_negotiation_query(struct rq *rq, struct err *err)
{
    return mgmt__query(rq, ENTITY_NEGOTIATION, mgmt__write_negotiation, err);
}

static int need(struct rq *rq, struct negotiation *ret, struct err *err)
{
    switch (read_row(rq, rq_param(rq, "id"), rq->arena, ret, err)) {
    case DB_ROW: return 0;
    case DB_NONE: return mgmt__not_found(err, TYPE, rq_param(rq, "id"));
    case DB_FAIL: return err_ret(err);
    }
    return 0;
}

int mgmt_negotiation_state(struct rq *rq, struct err *err)
{
    AUTO(buf_done) struct buf body = buf_init(KIB(4));
    struct jw w = jw_init(&body);
    struct negotiation n = {0};

    if (need(rq, &n, err) < 0)
        return err_ret(err);
    jw_object(&w);
    jw_kc(&w, "@type", "NegotiationState");
    jw_kc(&w, "state", negotiation_state_name(n.state));
    mgmt__context(&w);
    return mgmt__reply(rq, &body, err);
}

int mgmt_negotiation_agreement(struct rq *rq, struct err *err)
{
    struct negotiation n = {0};

    if (need(rq, &n, err) < 0)
        return err_ret(err);
    if (n.agreement_id.n == 0)
        return mgmt__not_found(err, "ContractAgreement of negotiation", n.negotiation_id);
    return mgmt__read(rq, ENTITY_AGREEMENT, n.agreement_id, mgmt__write_agreement, err);
}

/* -- ending ------------------------------------------------------------------------------------ */

int mgmt_negotiation_terminate(struct rq *rq, struct err *err)
{
    struct command_wait *wait;
    struct str reason;

    if (mgmt__reason(rq, &v4_terminate_negotiation, &reason, err) < 0)
        return err_ret(err);
    wait = mgmt__wait(rq, false, err);
    if (wait == NULL)
        return err_ret(err);
    return dsp_negotiation_terminate(rq->app, rq_param(rq, "id"), reason, mgmt__done, wait, err);
}

struct negotiation_delete {
    struct change change;
    struct str id;
};

static int delete_negotiation(struct db *tx, void *arg, struct err *err)
{
    const struct negotiation_delete *c = arg;
    AUTO(arena_free) struct arena *arena = arena_new(MIB(4));
    struct negotiation n = {0};

    if (arena == NULL)
        return err_set(err, E_NO_MEMORY, "", "negotiation");
    switch (db_one(tx, &q_mgmt_negotiation_get, DB_ARGS(DB_TEXT(c->id)), &negotiation_row, arena,
                   &n, err)) {
    case DB_NONE: return mgmt__not_found(err, TYPE, c->id);
    case DB_FAIL: return err_ret(err);
    case DB_ROW: break;
    }
    if (n.state != NEG_TERMINATED || n.agreement_id.n > 0)
        return err_tell(err, E_CONFLICT, "", "Cannot delete negotiation in state %s%s",
                        negotiation_state_name(n.state),
                        n.agreement_id.n > 0 ? ": it has an agreement" : "");
    if (property_clear(tx, ENTITY_NEGOTIATION, c->id, err) < 0 ||
        events_negotiation_gone(tx, c->id, env_wall_us(c->change.rq->env), err) < 0)
        return err_ret(err);
    return db_exec(tx, &q_mgmt_negotiation_delete, DB_ARGS(DB_TEXT(c->id)), NULL, err);
}

int mgmt_negotiation_delete(struct rq *rq, struct err *err)
{
    struct negotiation_delete *c = ARENA_NEW(rq->arena, struct negotiation_delete);

    if (c == NULL)
        return err_set(err, E_LIMIT, "", "memory of the request");
    c->id = rq_param(rq, "id");
    return mgmt__change(rq, &c->change, "negotiation delete", delete_negotiation, err);
}
