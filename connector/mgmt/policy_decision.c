/*
 * connector/mgmt/policy_decision.c - how a policy decides: POST /naru/v1/policies/what-if, and
 * GET /naru/v1/agreements/{id}/decision for what holds now
 *
 * With a counterparty the facts are those that a decision of this connector would have; given ones
 * stand in their place. Without one there are only given ones, and what is not given is unknown.
 * Nothing is counted, stored or told to anybody.
 */
#include "connector/facts/facts.h"
#include "connector/mgmt/policy_which.h"
#include "lib/base/timefmt.h"
#include "policy/answer.h"

#include "lib/base/banned.h"

struct what_if {
    struct policy_which which;
    struct str counterparty, dataset, action;
    int64_t instant_us, agreed_us; /* POLICY_NO_TIME: not given */
    int scope, peer;
    struct str_list purpose;
    const struct jval *facts;
};
/* clang-format off */
static const struct field what_if_fields[] = {
    POLICY_WHICH_FIELDS(struct what_if),
    FIELD(struct what_if, counterparty, "counterparty", F_NONEMPTY),
    FIELD(struct what_if, dataset,      "dataset",      F_NONEMPTY),
    FIELD(struct what_if, action,       "action",       F_NONEMPTY),
    FIELD(struct what_if, instant_us,   "instant",      F_TIME),
    FIELD(struct what_if, agreed_us,    "agreed",       F_TIME),
    FIELD_ENUM(struct what_if, scope,   "scope",        0, policy_scope_names),
    FIELD_ENUM(struct what_if, peer,    "peer",         0, policy_peer_names),
    FIELD(struct what_if, purpose,      "purpose",      0),
    FIELD(struct what_if, facts,        "facts",        0),
};
/* clang-format on */
static OBJECT(what_if_object, struct what_if, what_if_fields, CLOSED);

/* A question with everything that its answer needs. */
struct asking {
    struct rq *rq;
    struct policy *policy; /* owned */
    struct agreement agreement;
    struct peer peer;
    struct policy_question question;
    struct policy_facts facts;
    struct policy_decision decision;
    struct policy_peer_opinion opinion;
};

static void end_asking(struct asking **asking)
{
    if (*asking != NULL)
        policy_unref(&(*asking)->policy);
}

/* -- facts ------------------------------------------------------------------------------------- */

static int gather(struct asking *a, struct str counterparty, struct err *err)
{
    const struct worker *worker = a->rq->thread;
    const struct facts_about about = {
        .peer = &a->peer,
        .asset_id = str_present(a->question.target) ? a->question.target : STR(""),
        .agreement = str_present(a->agreement.agreement_id) ? &a->agreement : NULL,
    };

    if (facts_peer(worker->db, counterparty, a->rq->arena, &a->peer, err) < 0)
        return err_ret(err);
    return facts_gather(worker->db, a->policy, &about, a->question.now_us, a->rq->arena, &a->facts,
                        err);
}

static int read_fact(struct asking *a, struct str name, const struct jval *value, struct err *err)
{
    const bool array = jtype_of(value) == J_ARRAY;
    const size_t n = array ? jval_len(value) : jtype_of(value) != J_NULL;
    struct str_list texts = {ARENA_ARRAY(a->rq->arena, struct str, n), n};

    if (texts.items == NULL)
        return err_set(err, E_LIMIT, "", "memory of the request");
    for (size_t i = 0; i < n; i++) {
        const struct jval *item = array ? jval_at(value, i) : value;
        int64_t number;

        if (jtype_of(item) == J_STR)
            texts.items[i] = jval_str(item);
        else if (jval_i64(item, &number))
            texts.items[i] = arena_printf(a->rq->arena, "%lld", (long long)number);
        else if (jtype_of(item) == J_BOOL)
            texts.items[i] = jval_bool(item) ? STR("true") : STR("false");
        else
            return err_tell(err, E_INVALID, "", "expected a value, an array of them, or null");
    }
    return policy_fact_read(name, &texts, a->rq->arena, &a->facts, err);
}

/* Null: it is certain that there is none. */
static int read_facts(struct asking *a, const struct jval *facts, struct err *err)
{
    if (facts != NULL && jtype_of(facts) != J_OBJECT)
        return err_tell(err, E_INVALID, "/facts", "expected an object");
    for (const struct jiter *it = jiter_first(facts); it != NULL; it = jiter_next(facts, it)) {
        AUTO(buf_done) struct buf at = buf_init(sizeof(err->at));

        if (read_fact(a, jiter_key(it), jiter_value(it), err) == 0)
            continue;
        buf_add_c(&at, "/facts/");
        jpointer_escape(&at, jiter_key(it));
        buf_add(&at, "", 1);
        return err_at_prefix(err, buf_failed(&at) ? "/facts" : at.p);
    }
    return 0;
}

/* What an order would declare; a claim of the counterparty, as there. */
static int read_purpose(struct asking *a, const struct str_list *purpose, struct err *err)
{
    static const enum policy_operand operands[] = {POLICY_OP_PURPOSE, POLICY_OP_USAGE_PURPOSE};

    for (size_t i = 0; purpose->items != NULL && i < ARRAY_LEN(operands); i++) {
        if (policy_fact_read(str_c(policy_operand_iri(operands[i])), purpose, a->rq->arena,
                             &a->facts, err) < 0)
            return err_at_prefix(err, "/purpose");
        a->facts.of[operands[i]].claimed = true;
    }
    return 0;
}

/* -- answers ----------------------------------------------------------------------------------- */

static int answer(struct asking *a, const int *peer, struct jw *w, struct err *err)
{
    struct policy_asked asked = {
        .policy = a->policy,
        .question = &a->question,
        .facts = &a->facts,
        .decision = &a->decision,
    };

    policy_decide(a->policy, &a->question, &a->facts, &a->decision);
    if (policy_trace(a->policy, &a->question, &a->facts, &a->decision, a->rq->arena, &asked.trace,
                     err) < 0)
        return err_ret(err);
    if (peer != NULL) {
        asked.peer = (enum policy_peer) * peer;
        asked.opinion = &a->opinion;
        policy_peer_decide(a->policy, asked.peer, &a->question, &a->facts, &a->opinion);
    }
    policy_answer_decision(&asked, w);
    return mgmt__answer(a->rq, w, err);
}

static int64_t agreed_us(const struct what_if *in, const struct asking *a)
{
    if (in->agreed_us != POLICY_NO_TIME)
        return in->agreed_us;
    if (str_present(a->agreement.agreement_id))
        return a->agreement.agreed_us;
    return in->scope < POLICY_AT_TRANSFER ? POLICY_NO_TIME : a->question.now_us;
}

static int set_question(struct asking *a, const struct what_if *in, struct err *err)
{
    struct policy_question *q = &a->question;
    const bool agreed = str_present(a->agreement.agreement_id);

    *q = (struct policy_question){
        .action = POLICY_ACT_USE,
        .scope = (enum policy_scope)in->scope,
        .now_us = in->instant_us != POLICY_NO_TIME ? in->instant_us : env_wall_us(a->rq->env),
        .target = in->dataset,
        .assignee = in->counterparty,
        .flags = POLICY_EMPTY_PERMITS | POLICY_DUTY_EVENTUAL,
    };
    if (str_present(in->action) && !policy_action_find(in->action, &q->action))
        return err_tell(err, E_INVALID, "/action", "'%.*s' is no action", STR_ARG(in->action));
    if (!str_present(q->target))
        q->target = agreed ? a->agreement.asset_id : in->which.asset;
    if (!str_present(q->assignee) && agreed)
        q->assignee = a->agreement.consumer_id;
    q->agreement_us = agreed_us(in, a);
    return 0;
}

int mgmt_policy_what_if(struct rq *rq, struct err *err)
{
    AUTO(end_asking) struct asking *a = ARENA_NEW(rq->arena, struct asking);
    AUTO(buf_done) struct buf body = buf_init(POLICY_ANSWER_MAX);
    struct what_if in = {.instant_us = POLICY_NO_TIME,
                         .agreed_us = POLICY_NO_TIME,
                         .scope = POLICY_AT_ACCESS,
                         .peer = POLICY_PEER__COUNT};
    struct jw w = jw_init(&body);

    if (a == NULL)
        return err_set(err, E_LIMIT, "", "memory of the request");
    a->rq = rq;
    if (rq_decode(rq, &what_if_object, &in, err) < 0 ||
        mgmt__policy_which(rq, &in.which, &a->policy, &a->agreement, err) < 0 ||
        set_question(a, &in, err) < 0)
        return err_ret(err);
    if (str_present(a->question.assignee) && gather(a, a->question.assignee, err) < 0)
        return err_ret(err);
    if (read_purpose(a, &in.purpose, err) < 0 || read_facts(a, in.facts, err) < 0)
        return err_ret(err);
    jw_object(&w);
    return answer(a, in.peer < POLICY_PEER__COUNT ? &in.peer : NULL, &w, err);
}

/* As long as it is not in force, its policy does not matter. */
static const char *state_of(const struct agreement *agreement, int64_t now_us)
{
    if (agreement->ended_us > 0)
        return "ended";
    if (agreement->ends_us > 0 && agreement->ends_us <= now_us)
        return "expired";
    return agreement->retired_us > 0 ? "retired" : "in-force";
}

static void write_agreement(const struct agreement *agreement, int64_t now_us, struct jw *w)
{
    const bool provider = str_eq(agreement->role, STR("provider"));

    jw_kstr(w, "agreementId", agreement->agreement_id);
    jw_kstr(w, "role", agreement->role);
    jw_kstr(w, "counterparty", provider ? agreement->consumer_id : agreement->provider_id);
    jw_kstr(w, "asset", agreement->asset_id);
    jw_kc(w, "agreed", time_format(agreement->agreed_us).c);
    jw_kc(w, "state", state_of(agreement, now_us));
}

int mgmt_agreement_decision(struct rq *rq, struct err *err)
{
    AUTO(end_asking) struct asking *a = ARENA_NEW(rq->arena, struct asking);
    AUTO(buf_done) struct buf body = buf_init(POLICY_ANSWER_MAX);
    struct jw w = jw_init(&body);

    if (a == NULL)
        return err_set(err, E_LIMIT, "", "memory of the request");
    a->rq = rq;
    if (mgmt__policy_of_agreement(rq, rq_param(rq, "id"), &a->policy, &a->agreement, err) < 0)
        return err_ret(err);
    a->question = (struct policy_question){
        .action = POLICY_ACT_USE,
        .scope = POLICY_AT_ACCESS,
        .now_us = env_wall_us(rq->env),
        .agreement_us = a->agreement.agreed_us,
        .target = a->agreement.asset_id,
        .assignee = a->agreement.consumer_id,
        .flags = POLICY_EMPTY_PERMITS | POLICY_DUTY_EVENTUAL,
    };
    if (gather(a, a->agreement.consumer_id, err) < 0)
        return err_ret(err);
    jw_object(&w);
    write_agreement(&a->agreement, a->question.now_us, &w);
    return answer(a, NULL, &w, err);
}
