/*
 * connector/dsp/operator.c - an operator's word: steps that wait for one (operator.decides), other
 * rules than those on the table
 *
 * The policy permitted a request when it came, else it would have been refused at once; it is
 * decided again at transfer and at every access.
 */
#include "connector/dsp/dsp_private.h"

#include "lib/base/banned.h"

/*
 * As provider a new offer under an id of its own; as consumer other rules for the one on the table.
 */
static int run_offer(struct db *tx, struct command *command, struct err *err)
{
    struct arena *arena = command->arena;
    struct process *process = &command->process;
    struct message_text text = {0};
    struct offer_text offer;
    bool provider;

    if (dsp__command_read(tx, command, err) < 0)
        return err_ret(err);
    provider = dsp__is_provider(process);
    if (dsp__command_step(command, provider ? NM_OFFER : NM_REQUEST, err) < 0)
        return err_ret(err);
    offer = (struct offer_text){
        .id = provider ? dsp__new_id(command->app, arena) : process->offer_id,
        .target = process->asset_id,
        .assigner = provider ? command->app->settings->participant_did : process->peer_id,
        .rules = command->rules,
    };
    text.form = provider ? MF_OFFER : MF_REQUEST;
    text.offer = message_offer(&offer, arena);
    if (dsp__keep_offer(&command->effect, process, &offer, arena, err) < 0)
        return err_ret(err);
    command->effect.error = STR(""); /* what was other in the offer before */
    return dsp__send(command->app, &command->effect, &negotiation_kind, process,
                     provider ? "dsp.negotiation.offer" : "dsp.negotiation.request",
                     provider ? "offers" : "request", &text, arena, err);
}

int dsp_negotiation_offer_rules(struct app *app, struct str id, struct str policy,
                                dsp_done_fn *done, void *cls, struct err *err)
{
    struct command *command = dsp__command_new(app, done, cls);

    if (command == NULL)
        return err_set(err, E_NO_MEMORY, "", "command");
    if (dsp__rules_of_text(app, policy, command->arena, &command->rules, err) < 0) {
        dsp__command_free(&command);
        return err_ret(err);
    }
    command->kind = &negotiation_kind;
    command->id = arena_str(command->arena, id);
    command->run = run_offer;
    return dsp__command_submit(&command, "negotiation offer", err);
}

/*
 * -- POST /naru/v1/negotiations/{pid}/…, /naru/v1/transfers/{pid}/start --------------------------
 */

static void came(void *cls, struct str id, const struct err *err)
{
    struct rq *rq = cls;
    struct err *kept = rq->cls;

    (void)id;
    *kept = *err;
    rq_resume(rq);
}

static int answer(struct rq *rq, struct err *err)
{
    const struct err *kept = rq->cls;

    if (kept->code != E_OK) {
        *err = *kept;
        return err_ret(err);
    }
    rq_reply_empty(rq, 204);
    return 0;
}

/* Waits for came(). */
static int wait_for(struct rq *rq, struct err *err)
{
    rq->cls = ARENA_NEW(rq->arena, struct err);
    if (rq->cls == NULL)
        return err_set(err, E_NO_MEMORY, "", "request");
    rq_suspend(rq, answer);
    return 0;
}

static int act_now(struct rq *rq, enum dsp_negotiation_act act, struct err *err)
{
    if (wait_for(rq, err) < 0)
        return err_ret(err);
    return dsp_negotiation_act(rq->app, rq_param(rq, "pid"), act, came, rq, err);
}

int dsp_operator_agree(struct rq *rq, struct err *err)
{
    return act_now(rq, DSP_AGREE, err);
}

int dsp_operator_accept(struct rq *rq, struct err *err)
{
    return act_now(rq, DSP_ACCEPT, err);
}

int dsp_operator_verify(struct rq *rq, struct err *err)
{
    return act_now(rq, DSP_VERIFY, err);
}

int dsp_operator_finalize(struct rq *rq, struct err *err)
{
    return act_now(rq, DSP_FINALIZE, err);
}

int dsp_operator_start(struct rq *rq, struct err *err)
{
    if (wait_for(rq, err) < 0)
        return err_ret(err);
    return dsp_transfer_act(rq->app, rq_param(rq, "pid"), DSP_START, STR(""), came, rq, err);
}

struct offer_in {
    const struct jval *policy;
};
/* clang-format off */
static const struct field offer_in_fields[] = {FIELD(struct offer_in, policy, "policy", F_REQUIRED)};
static OBJECT(offer_in_object, struct offer_in, offer_in_fields, CLOSED);

/* clang-format on */

int dsp_operator_offer(struct rq *rq, struct err *err)
{
    AUTO(buf_done) struct buf policy = buf_init(LIMIT_JSON_BYTES);
    struct offer_in in = {0};

    if (rq_decode(rq, &offer_in_object, &in, err) < 0)
        return err_ret(err);
    jval_write(&policy, in.policy);
    if (buf_failed(&policy))
        return err_set(err, E_NO_MEMORY, "", "request");
    if (wait_for(rq, err) < 0)
        return err_ret(err);
    return dsp_negotiation_offer_rules(rq->app, rq_param(rq, "pid"), buf_str(&policy), came, rq,
                                       err);
}
