/*
 * connector/dsp/step.c - what we say in a negotiation by ourselves or at an operator's word: agree,
 * accept, verify, finalise
 *
 * One row a step. As the answer to a peer's message it follows at once, unless the operator has
 * kept the step for itself (operator.decides); then it is a command (operator.c). Either way the
 * same function makes the message and what belongs to it.
 */
#include "connector/dsp/dsp_private.h"
#include "connector/facts/facts.h"
#include "lib/base/timefmt.h"
#include "policy/policy.h"

#include "lib/base/banned.h"

/* The offer on the table as an agreement: the rules, their end, the order that it uses up. */
static int agreeing_of(const struct stepping *s, struct agreeing *ret, struct err *err)
{
    AUTO(jdoc_free) struct jdoc *doc = NULL;
    AUTO(policy_unref) struct policy *policy = NULL;
    struct list orders;

    if (jdoc_parse(s->process->policy, NULL, &doc, err) < 0 ||
        policy_compile(jdoc_root(doc), &policy, err) < 0)
        return err_prefix(err, "offer of '%.*s'", STR_ARG(s->process->id));
    *ret = (struct agreeing){
        .rules = message_rules_of(jdoc_root(doc), s->arena),
        .agreed_us = s->now_us - s->now_us % US_PER_S,
    };
    ret->ends_us = dsp__ends_us(policy, s->process->asset_id, s->process->peer_id, ret->agreed_us);
    if (dsp__find_orders(s->db, s->process, ret->rules, s->now_us, s->arena, &orders, err) < 0)
        return err_ret(err);
    ret->order_id = dsp__first_order(&orders);
    return 0;
}

static int say_agreement(const struct stepping *s, struct err *err)
{
    struct message_text text = {.form = MF_AGREEMENT};
    struct agreeing agreeing;

    if (s->agreeing != NULL)
        agreeing = *s->agreeing;
    else if (agreeing_of(s, &agreeing, err) < 0)
        return err_ret(err);
    if (dsp__make_agreement(s->app, s->effect, s->process, &agreeing, s->arena, &text.agreement,
                            err) < 0)
        return err_ret(err);
    return dsp__send(s->app, s->effect, &negotiation_kind, s->process, "dsp.negotiation.agreement",
                     "agreement", &text, s->arena, err);
}

static int say_accepted(const struct stepping *s, struct err *err)
{
    struct message_text text = {.form = MF_EVENT, .event = STR("ACCEPTED")};

    return dsp__send(s->app, s->effect, &negotiation_kind, s->process, "dsp.negotiation.accepted",
                     "events", &text, s->arena, err);
}

/* The agreement was compared with the offer and kept when it came. */
static int say_verification(const struct stepping *s, struct err *err)
{
    struct message_text text = {.form = MF_VERIFICATION};

    return dsp__send(s->app, s->effect, &negotiation_kind, s->process,
                     "dsp.negotiation.verification", "agreement/verification", &text, s->arena,
                     err);
}

/* The contract is final; the broker hears of it from both sides. */
static int say_finalized(const struct stepping *s, struct err *err)
{
    struct message_text text = {.form = MF_EVENT, .event = STR("FINALIZED")};

    if (dsp__send(s->app, s->effect, &negotiation_kind, s->process, "dsp.negotiation.finalized",
                  "events", &text, s->arena, err) < 0)
        return err_ret(err);
    return dsp__report(s->app, s->db, s->effect, s->process->agreement_id, s->arena, err);
}

static const struct {
    const char *name;
    enum operator_step decided; /* setting that keeps it for the operator; 0: never follows */
    int message;
    int (*say)(const struct stepping *s, struct err *err);
} steps[] = {
    [DSP_AGREE] = {"negotiation agree",    OPERATOR_AGREES,    NM_AGREEMENT,    say_agreement   },
    [DSP_ACCEPT] = {"negotiation accept",   0,                  NM_ACCEPTED,     say_accepted    },
    [DSP_VERIFY] = {"negotiation verify",   OPERATOR_VERIFIES,  NM_VERIFICATION, say_verification},
    [DSP_FINALIZE] = {"negotiation finalize", OPERATOR_FINALIZES, NM_FINALIZED,    say_finalized   },
};

bool dsp__operator_decides(const struct app *app, enum operator_step step)
{
    return (app->settings->operator_decides & (int64_t)step) != 0;
}

int dsp__follow(struct inbound *in, enum dsp_negotiation_act act, const struct agreeing *agreeing,
                struct err *err)
{
    const struct worker *worker = in->rq->thread;
    const struct stepping stepping = {
        .app = in->app,
        .db = worker->db,
        .arena = in->rq->arena,
        .effect = &in->effect,
        .process = &in->process,
        .now_us = in->now_us,
        .agreeing = agreeing,
    };

    /* what was said before is said again */
    if (in->again == NULL && dsp__operator_decides(in->app, steps[act].decided))
        return 0;
    in->follow = steps[act].message;
    return steps[act].say(&stepping, err);
}

/* An operator's word binds us no more than a message would. */
static int check_still(const struct stepping *s, struct err *err)
{
    AUTO(buf_done) struct buf reason = buf_init(KIB(2));
    struct policy_decision decision;
    struct peer peer;
    bool shown;

    if (facts_peer(s->db, s->process->peer_id, s->arena, &peer, err) < 0 ||
        dsp__is_shown(s, &peer, &shown, err) < 0)
        return err_ret(err);
    if (!shown)
        return err_tell(err, E_CONFLICT, "", "the other party may not see the offer any more");
    if (dsp__still(s, &peer, &decision, err) < 0)
        return err_ret(err);
    if (decision.verdict == POLICY_PERMIT)
        return 0;
    policy_reason(&decision, POLICY_EN, &reason);
    return err_tell(err, E_CONFLICT, "", "%.*s", STR_ARG(buf_str(&reason)));
}

static int run_step(struct db *tx, struct command *command, struct err *err)
{
    const struct stepping stepping = {
        .app = command->app,
        .db = tx,
        .arena = command->arena,
        .effect = &command->effect,
        .process = &command->process,
        .now_us = command->now_us,
    };

    if (dsp__command_read(tx, command, err) < 0 ||
        dsp__command_step(command, steps[command->act].message, err) < 0)
        return err_ret(err);
    if (dsp__is_provider(&command->process) && check_still(&stepping, err) < 0)
        return err_ret(err);
    command->effect.error = STR(""); /* what was other in the offer that is accepted now */
    return steps[command->act].say(&stepping, err);
}

int dsp_negotiation_act(struct app *app, struct str id, enum dsp_negotiation_act act,
                        dsp_done_fn *done, void *cls, struct err *err)
{
    struct command *command = dsp__command_new(app, done, cls);

    if (command == NULL)
        return err_set(err, E_NO_MEMORY, "", "command");
    command->kind = &negotiation_kind;
    command->id = arena_str(command->arena, id);
    command->act = (int)act;
    command->run = run_step;
    return dsp__command_submit(&command, steps[act].name, err);
}
