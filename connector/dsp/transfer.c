/*
 * connector/dsp/transfer.c - endpoints of the transfer process (DSP 2025-1, transfer process
 * binding)
 *
 * Provider: a request under an agreement in force that the policy permits is started at once, unless
 * an operator decides that; its data address is made for this consumer. Suspended, ended and terminated transfers lose their
 * access with the commit. Consumer: a start brings the data address that we keep.
 */
#include "connector/dataplane/dataplane.h"
#include "connector/dsp/dsp_private.h"
#include "connector/facts/facts.h"
#include "lib/log/log.h"
#include "sql_connector.h"

#include "lib/base/banned.h"

/*
 * -- provider
 * ----------------------------------------------------------------------------------------
 */

/* What the policy refuses is terminated, with its reason. */
static int decide(struct inbound *in, const struct agreement *agreement,
                  struct policy_decision *ret_decision, struct err *err)
{
    const struct worker *worker = in->rq->thread;

    if (dsp__decide_transfer(in->app, worker->db, agreement, &in->peer, in->now_us, in->rq->arena,
                             ret_decision, &in->effect.decide_us, err) < 0)
        return err_ret(err);
    if (ret_decision->verdict == POLICY_PERMIT)
        return 0;

    AUTO(buf_done) struct buf reason = buf_init(KIB(1));
    const char *code = policy_why_slug(ret_decision->n_causes > 0 ? ret_decision->causes[0].why
                                                                  : POLICY_WHY_NO_PERMISSION);

    policy_reason(ret_decision, POLICY_EN, &reason);
    in->follow = TM_TERMINATION;
    log_info(&in->rq->log, "refused by policy", L_C("code", code),
             L_STR("reason", buf_str(&reason)));
    return dsp__terminate(in->app, &in->effect, &transfer_kind, &in->process, str_c(code),
                          arena_str(in->rq->arena, buf_str(&reason)), in->rq->arena, err);
}

/* The agreement, if this peer may use it now. */
static int find_agreement(struct inbound *in, struct str agreement_id,
                          struct agreement *ret_agreement, struct err *err)
{
    const struct worker *worker = in->rq->thread;
    struct agreement a = {0};
    const struct db_arg args[] = {DB_TEXT(agreement_id)};

    if (db_one(worker->db, &q_dsp_agreement_get, args, 1, &agreement_row, in->rq->arena, &a, err) ==
        DB_FAIL)
        return err_ret(err);
    if (!str_eq(a.consumer_id, in->peer.id) || !str_eq(a.role, STR("provider")))
        return err_tell(err, E_INVALID, "/agreementId", "no such agreement");
    if (a.ended_us != 0 || (a.ends_us != 0 && a.ends_us <= in->now_us))
        return err_tell(err, E_INVALID, "/agreementId", "the agreement has ended");
    if (a.retired_us != 0)
        return err_tell(err, E_INVALID, "/agreementId", "the agreement has been retired");
    *ret_agreement = a;
    return 0;
}

struct state_row {
    int64_t state;
};
/* clang-format off */
static const struct field state_fields[] = {FIELD(struct state_row, state, "negotiation_state", 0)};
static OBJECT(state_row, struct state_row, state_fields, OPEN);

/* clang-format on */

/* An agreement counts once its negotiation is final. */
static int check_final(struct inbound *in, struct str agreement_id, struct err *err)
{
    const struct worker *worker = in->rq->thread;
    struct state_row row = {0};

    if (db_one(worker->db, &q_dsp_agreement_get, DB_ARGS(DB_TEXT(agreement_id)), &state_row,
               in->rq->arena, &row, err) == DB_FAIL)
        return err_ret(err);
    if (machine_state(&negotiation_machine, row.state) != NS_FINALIZED)
        return err_tell(err, E_INVALID, "/agreementId", "the agreement is not final");
    return 0;
}

static int check_format(struct inbound *in, const struct agreement *agreement, struct err *err)
{
    const struct worker *worker = in->rq->thread;
    struct str address;

    switch (dsp__asset_address(worker->db, agreement->asset_id, in->rq->arena, &address, err)) {
    case DB_ROW: break;
    case DB_NONE: return err_tell(err, E_INVALID, "/agreementId", "its data set is gone");
    case DB_FAIL: return err_ret(err);
    }
    const struct str_list formats = dataplane_formats(in->app, address);

    for (size_t i = 0; i < formats.n; i++) {
        if (str_eq(formats.items[i], in->process.format))
            return 0;
    }
    return err_tell(err, E_INVALID, "/format", "not offered for this data set");
}

/* A start message; for a pull with a fresh data address for this consumer. */
static int send_address(struct app *app, struct effect *effect, const struct process *process,
                        const struct agreement *agreement, int64_t until_us,
                        const char *outbox_kind, struct arena *arena, struct err *err)
{
    AUTO(buf_done) struct buf address = buf_init(KIB(64));
    struct message_text text = {.form = MF_START};
    const struct transfer transfer = {
        .transfer_id = process->id,
        .role = process->role,
        .peer_pid = process->peer_pid,
        .peer_id = process->peer_id,
        .peer_address = process->peer_address,
        .state = TP_STARTING,
        .agreement_id = agreement->agreement_id,
        .asset_id = agreement->asset_id,
        .format = process->format,
        .data_address = process->data_address,
    };

    if (!dataplane_is_push(process->format)) {
        if (dataplane_grant(app, &transfer, agreement, until_us, &address, err) < 0)
            return err_ret(err);
        text.data_address = arena_str(arena, buf_str(&address));
    }
    return dsp__send(app, effect, &transfer_kind, process, outbox_kind, "start", &text, arena, err);
}

int dsp__send_start(struct app *app, struct effect *effect, const struct process *process,
                    const struct agreement *agreement, int64_t until_us, struct arena *arena,
                    struct err *err)
{
    return send_address(app, effect, process, agreement, until_us, "dsp.transfer.start", arena,
                        err);
}

/* Only a push has one; what comes with a pull (EDC's `HttpProxy`) says nothing. */
static int keep_destination(struct inbound *in, struct err *err)
{
    AUTO(buf_done) struct buf address = buf_init(KIB(64));

    if (!dataplane_is_push(in->process.format))
        return 0;
    if (dataplane_destination_read(in->app, in->msg.data_address, &address, err) < 0)
        return err_ret(err);
    in->process.data_address = arena_str(in->rq->arena, buf_str(&address));
    return 0;
}

static int act_begin(struct inbound *in, struct err *err)
{
    struct policy_decision decision;
    struct agreement agreement;

    if (find_agreement(in, in->msg.agreement_id, &agreement, err) < 0 ||
        check_final(in, in->msg.agreement_id, err) < 0)
        return err_ret(err);
    in->process.agreement_id = agreement.agreement_id;
    in->process.asset_id = agreement.asset_id;
    in->process.format = in->msg.format;
    if (check_format(in, &agreement, err) < 0 || keep_destination(in, err) < 0 ||
        decide(in, &agreement, &decision, err) < 0)
        return err_ret(err);
    if (decision.verdict == POLICY_DENY || dsp__operator_decides(in->app, OPERATOR_STARTS)) {
        in->effect.decide_us = 0; /* when it starts */
        return 0;
    }
    in->follow = TM_START;
    return dsp__send_start(in->app, &in->effect, &in->process, &agreement, in->effect.decide_us,
                           in->rq->arena, err);
}

/*
 * The consumer resumes: only while the agreement is in force and the policy still permits. Stock
 * EDC has forgotten its address with the suspension and waits for a start of ours; others would not
 * expect it.
 */
static int resume(struct inbound *in, struct err *err)
{
    struct policy_decision decision;
    struct agreement agreement;

    if (find_agreement(in, in->process.agreement_id, &agreement, err) < 0)
        return err_ret(err);
    if (decide(in, &agreement, &decision, err) < 0)
        return err_ret(err);
    if (decision.verdict == POLICY_DENY || !in->edc)
        return 0;
    return send_address(in->app, &in->effect, &in->process, &agreement, in->effect.decide_us,
                        "dsp.transfer.renewal", in->rq->arena, err);
}

/* Provider: the consumer asks again for what runs; it has not kept our start. */
int dsp__again_request(struct inbound *in, struct err *err)
{
    return resume(in, err);
}

/* Consumer: the provider starts again what runs, with a fresh data address. */
int dsp__again_start(struct inbound *in, struct err *err)
{
    (void)err;
    in->effect.address = in->msg.data_address;
    return 0;
}

/*
 * -- both sides
 * ----------------------------------------------------------------------------------------
 */

/* Consumer: until when does the policy let us use what the provider starts? */
static int hold_ourselves(struct inbound *in, struct err *err)
{
    const struct worker *worker = in->rq->thread;
    struct arena *arena = in->rq->arena;
    struct agreement agreement;
    struct verdict verdict;

    if (dsp__read_agreement(worker->db, in->process.agreement_id, arena, &agreement, err) < 0 ||
        dsp__judge(in->app, worker->db, &agreement, in->now_us, arena, &verdict, err) < 0)
        return err_ret(err);
    in->effect.held = STR("");
    in->effect.decide_us = verdict.until_us;
    if (verdict.kind == VERDICT_WAITS)
        in->effect.held =
            arena_printf(arena, "%.*s: %.*s", STR_ARG(verdict.code), STR_ARG(verdict.reason));
    else if (verdict.kind == VERDICT_ENDS)
        in->effect.decide_us = in->now_us; /* it is terminated at once */
    return arena_failed(arena) ? err_set(err, E_NO_MEMORY, "", "transfer") : 0;
}

/* Consumer: the provider starts, with a data address for a pull; provider: the consumer resumes. */
static int act_start(struct inbound *in, struct err *err)
{
    in->effect.error = STR(""); /* why it was suspended */
    if (dsp__is_provider(&in->process)) {
        in->effect.held = STR("");
        return resume(in, err);
    }
    in->effect.address = in->msg.data_address;
    return hold_ourselves(in, err);
}

static int act_suspension(struct inbound *in, struct err *err)
{
    (void)err;
    in->effect.error = message_reason(&in->msg, in->rq->arena);
    return 0;
}

int dsp_transfer_begin(struct rq *rq, struct err *err)
{
    static const struct endpoint endpoint = {.kind = &transfer_kind,
                                             .form = MF_TRANSFER_REQUEST,
                                             .message = TM_REQUEST,
                                             .first = true,
                                             .role = "provider",
                                             .act = act_begin};

    return dsp__receive(rq, &endpoint, err);
}

int dsp_transfer_start(struct rq *rq, struct err *err)
{
    static const struct endpoint endpoint = {
        .kind = &transfer_kind, .form = MF_START, .message = TM_START, .act = act_start};

    return dsp__receive(rq, &endpoint, err);
}

int dsp_transfer_completion(struct rq *rq, struct err *err)
{
    static const struct endpoint endpoint = {
        .kind = &transfer_kind, .form = MF_COMPLETION, .message = TM_COMPLETION};

    return dsp__receive(rq, &endpoint, err);
}

int dsp_transfer_suspension(struct rq *rq, struct err *err)
{
    static const struct endpoint endpoint = {.kind = &transfer_kind,
                                             .form = MF_SUSPENSION,
                                             .message = TM_SUSPENSION,
                                             .act = act_suspension};

    return dsp__receive(rq, &endpoint, err);
}

int dsp_transfer_termination(struct rq *rq, struct err *err)
{
    static const struct endpoint endpoint = {.kind = &transfer_kind,
                                             .form = MF_TRANSFER_TERMINATION,
                                             .message = TM_TERMINATION,
                                             .act = dsp__act_termination};

    return dsp__receive(rq, &endpoint, err);
}

int dsp_transfer_show(struct rq *rq, struct err *err)
{
    return dsp__show(rq, &transfer_kind, err);
}
