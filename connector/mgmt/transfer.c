/*
 * connector/mgmt/transfer.c - /v3/transferprocesses: start, read, query; terminate, suspend,
 * resume, complete
 */
#include "connector/dsp/dsp.h"
#include "connector/mgmt/mgmt_private.h"
#include "sql_connector.h"

#include "lib/base/banned.h"

#define TYPE       "TransferProcess"
#define REASON_MAX 2000

struct request_in {
    struct str peer_address, agreement_id, protocol, format;
    const struct jval *data_address, *private_properties, *callbacks;
};

struct reason_in {
    struct str reason;
};
/* clang-format off */
static const struct form_row request_rows[] = {
    FORM_ROW(struct request_in, peer_address,       LD_EDC "counterPartyAddress", FORM_TEXT, true),
    FORM_ROW(struct request_in, agreement_id,       LD_EDC "contractId",          FORM_TEXT, true),
    FORM_ROW(struct request_in, protocol,           LD_EDC "protocol",            FORM_TEXT, true),
    FORM_ROW(struct request_in, format,             LD_EDC "transferType",        FORM_TEXT, true),
    FORM_ROW(struct request_in, data_address,       LD_EDC "dataDestination",     FORM_NODE, false),
    FORM_ROW(struct request_in, private_properties, LD_EDC "privateProperties",   FORM_NODE, false),
    FORM_ROW(struct request_in, callbacks,          LD_EDC "callbackAddresses",   FORM_LIST, false),
};
FORM(request_form, request_rows);
static const struct form_row reason_rows[] = {
    FORM_ROW(struct reason_in, reason, LD_EDC "reason", FORM_TEXT, false),
};
FORM(reason_form, reason_rows);

/* clang-format on */

/* An agreement that we don't have is the caller's mistake, not a missing resource, as in EDC. */
static int check_agreement(struct rq *rq, struct str agreement_id, struct err *err)
{
    const struct worker *worker = rq->thread;
    struct agreement row = {0};

    switch (db_one(worker->db, &q_mgmt_agreement_get, DB_ARGS(DB_TEXT(agreement_id)),
                   &agreement_row, rq->arena, &row, err)) {
    case DB_ROW: return 0;
    case DB_FAIL: return err_ret(err);
    case DB_NONE:
        return err_tell(err, E_INVALID, "", "Contract agreement with id %.*s not found",
                        STR_ARG(agreement_id));
    }
    return 0;
}

static int read_request(struct rq *rq, struct dsp_transfer *ret, struct err *err)
{
    AUTO(jdoc_free) struct jdoc *doc = NULL;
    const struct jval *node;
    struct request_in in = {0};

    if (mgmt__expand(rq, &v4_transfer_request, false, &doc, &node, err) < 0 ||
        form_decode(&request_form, node, rq->arena, &in, err) < 0)
        return err_ret(err);
    if (in.data_address != NULL && jiter_first(in.data_address) != NULL &&
        mgmt__data_address(in.data_address, rq->arena, &ret->data_address, err) < 0)
        return form_at(err, LD_EDC "dataDestination");
    if (in.private_properties != NULL &&
        mgmt__properties(in.private_properties, rq->arena, &ret->private_properties, err) < 0)
        return err_ret(err);
    ret->peer_address = in.peer_address;
    ret->protocol = in.protocol;
    ret->agreement_id = in.agreement_id;
    ret->format = in.format;
    return mgmt__callbacks(rq, in.callbacks, &ret->callbacks, err);
}

int mgmt_transfer_create(struct rq *rq, struct err *err)
{
    struct dsp_transfer request = {0};
    struct command_wait *wait;

    if (read_request(rq, &request, err) < 0 || check_agreement(rq, request.agreement_id, err) < 0)
        return err_ret(err);
    wait = mgmt__wait(rq, true, err);
    if (wait == NULL)
        return err_ret(err);
    return dsp_transfer_request(rq->app, &request, mgmt__done, wait, err);
}

/* -- reading ----------------------------------------------------------------------------------- */

static enum db_result read_row(struct rq *rq, struct str id, struct arena *arena,
                               struct transfer *ret, struct err *err)
{
    const struct worker *worker = rq->thread;

    return db_one(worker->db, &q_mgmt_transfer_get, DB_ARGS(DB_TEXT(id)), &transfer_row, arena, ret,
                  err);
}

static int write_transfer(struct rq *rq, struct str id, struct arena *arena, struct jw *w,
                          bool *ret_found, struct err *err)
{
    struct app *app = rq->app;
    struct transfer t = {0};

    switch (read_row(rq, id, arena, &t, err)) {
    case DB_NONE: return 0;
    case DB_FAIL: return err_ret(err);
    case DB_ROW: break;
    }
    *ret_found = true;
    jw_object(w);
    jw_kstr(w, "@id", t.transfer_id);
    jw_kc(w, "@type", TYPE);
    jw_kc(w, "state", transfer_state_name(t.state));
    jw_ki64(w, "stateTimestamp", t.state_us / 1000);
    jw_kc(w, "type", str_eq(t.role, STR("provider")) ? "PROVIDER" : "CONSUMER");
    if (mgmt__write_callbacks(w, t.callbacks, err) < 0)
        return err_ret(err);
    mgmt__optional(w, "correlationId", t.peer_pid);
    jw_kstr(w, "assetId", t.asset_id);
    jw_kstr(w, "contractId", t.agreement_id);
    jw_kstr(w, "transferType", t.format);
    jw_ki64(w, "createdAt", t.created_us / 1000);
    if (mgmt__write_address(w, "dataDestination", t.data_address, err) < 0)
        return err_ret(err);
    if (t.private_properties.n > 0 && !str_eq(t.private_properties, STR("{}")) &&
        mgmt__compact(app->mgmt, w, "privateProperties", t.private_properties, err) < 0)
        return err_ret(err);
    mgmt__optional(w, "errorDetail", t.error);
    mgmt__context(w);
    return 0;
}

int mgmt_transfer_get(struct rq *rq, struct err *err)
{
    return mgmt__read(rq, ENTITY_TRANSFER, rq_param(rq, "id"), write_transfer, err);
}

int mgmt_transfer_query(struct rq *rq, struct err *err)
{
    return mgmt__query(rq, ENTITY_TRANSFER, write_transfer, err);
}

int mgmt_transfer_state(struct rq *rq, struct err *err)
{
    AUTO(buf_done) struct buf body = buf_init(KIB(4));
    struct jw w = jw_init(&body);
    struct transfer t = {0};

    switch (read_row(rq, rq_param(rq, "id"), rq->arena, &t, err)) {
    case DB_NONE: return mgmt__not_found(err, TYPE, rq_param(rq, "id"));
    case DB_FAIL: return err_ret(err);
    case DB_ROW: break;
    }
    jw_object(&w);
    jw_kc(&w, "@type", "TransferState");
    jw_kc(&w, "state", transfer_state_name(t.state));
    mgmt__context(&w);
    return mgmt__reply(rq, &body, err);
}

/* -- acting ------------------------------------------------------------------------------------ */

int mgmt__reason(struct rq *rq, const struct v4_type *type, struct str *ret_reason, struct err *err)
{
    AUTO(jdoc_free) struct jdoc *doc = NULL;
    const struct jval *node;
    struct reason_in in = {.reason = STR("")};

    if (mgmt__expand(rq, type, true, &doc, &node, err) < 0 ||
        form_decode(&reason_form, node, rq->arena, &in, err) < 0)
        return err_ret(err);
    if (in.reason.n > REASON_MAX)
        return err_tell(err, E_LIMIT, "/" LD_EDC "reason", "at most %d bytes", REASON_MAX);
    *ret_reason = in.reason;
    return 0;
}

static int act(struct rq *rq, enum dsp_transfer_act what, const struct v4_type *type,
               struct err *err)
{
    struct command_wait *wait;
    struct str reason;

    if (mgmt__reason(rq, type, &reason, err) < 0)
        return err_ret(err);
    wait = mgmt__wait(rq, false, err);
    if (wait == NULL)
        return err_ret(err);
    return dsp_transfer_act(rq->app, rq_param(rq, "id"), what, reason, mgmt__done, wait, err);
}

int mgmt_transfer_terminate(struct rq *rq, struct err *err)
{
    return act(rq, DSP_TERMINATE, &v4_terminate_transfer, err);
}

int mgmt_transfer_suspend(struct rq *rq, struct err *err)
{
    return act(rq, DSP_SUSPEND, &v4_suspend_transfer, err);
}

int mgmt_transfer_resume(struct rq *rq, struct err *err)
{
    return act(rq, DSP_RESUME, NULL, err);
}

int mgmt_transfer_complete(struct rq *rq, struct err *err)
{
    return act(rq, DSP_COMPLETE, NULL, err);
}

struct deprovision {
    struct change change;
    struct str id;
};

static int deprovision(struct db *tx, void *arg, struct err *err)
{
    const struct deprovision *d = arg;

    if (dsp_transfer_deprovision(d->change.rq->app, tx, d->id, d->change.now_us, err) == 0)
        return 0;
    return err->code == E_NOT_FOUND ? mgmt__not_found(err, TYPE, d->id) : err_ret(err);
}

/* POST …/deprovision (version 3 only). */
int mgmt_transfer_deprovision(struct rq *rq, struct err *err)
{
    struct deprovision *d = ARENA_NEW(rq->arena, struct deprovision);

    if (d == NULL)
        return err_set(err, E_LIMIT, "", "memory of the request");
    d->change.now_us = env_wall_us(rq->env);
    d->id = rq_param(rq, "id");
    return mgmt__change(rq, &d->change, "transfer deprovision", deprovision, err);
}
