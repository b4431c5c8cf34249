/*
 * cli/policy_what_if.c - naru policy what-if: how a policy would decide, with facts from the command line
 *
 * A fact that is not given is unknown, and unknown never permits.
 */
#include "cli/policy.h"
#include "lib/base/limits.h"
#include "lib/base/timefmt.h"
#include "policy/peer.h"

#include "lib/base/banned.h"

#define VALUES_MAX 64

struct what_if_args {
    struct str at, agreed, scope, action, target, assignee, peer;
    struct str_list facts;
};
/* clang-format off */
const struct cli_option policy_what_if_options[] = {
    OPTION(struct what_if_args, facts,    "fact",     'f', "NAME=VALUE[,VALUE]", "what is known, e.g. UsagePurpose=cx.pcf.base:1; NAME=- there is none (repeatable)"),
    OPTION(struct what_if_args, at,       "at",       0,   "TIME",   "instant of the use (default: now)"),
    OPTION(struct what_if_args, agreed,   "agreed",   0,   "TIME",   "instant of the agreement (default: --at)"),
    OPTION(struct what_if_args, scope,    "scope",    0,   "NAME",   "catalogue, negotiation, transfer or access (default)"),
    OPTION(struct what_if_args, action,   "action",   0,   "NAME",   "what is done (default: use)"),
    OPTION(struct what_if_args, target,   "dataset",  0,   "ID",     "data set, where the policy names one"),
    OPTION(struct what_if_args, assignee, "party",    0,   "DID",    "who uses it, where the policy names somebody"),
    OPTION(struct what_if_args, peer,     "peer",     0,   "NAME",   "edc or tractusx: also what such a connector would decide"),
    {.name = NULL},
};

static const char *const scopes[POLICY_AT__COUNT] = {
    [POLICY_AT_CATALOGUE] = "catalogue", [POLICY_AT_NEGOTIATION] = "negotiation",
    [POLICY_AT_TRANSFER] = "transfer", [POLICY_AT_ACCESS] = "access",
};
static const char *const peers[POLICY_PEER__COUNT] = {
    [POLICY_PEER_EDC] = "edc", [POLICY_PEER_TRACTUSX] = "tractusx",
};

/* clang-format on */

struct what_if {
    struct policy *policy;
    struct policy_question question;
    struct policy_facts *facts;
    struct policy_decision decision;
    bool ask_peer;
    enum policy_peer peer;
    struct policy_peer_opinion opinion;
};

static bool choose(struct str word, const char *const *words, int n, int *ret_choice)
{
    for (int i = 0; i < n; i++) {
        if (str_eq_c(word, words[i])) {
            *ret_choice = i;
            return true;
        }
    }
    return false;
}

/* -- facts ------------------------------------------------------------------------------------- */

static int read_value(enum policy_operand operand, struct str text, struct policy_value *value,
                      struct err *err)
{
    value->text = text;
    if (policy_operand_type(operand) == POLICY_V_BOOLEAN) {
        value->number = str_eq(text, STR("true"));
        return 0;
    }
    if (policy_operand_type(operand) == POLICY_V_INTEGER && !str_to_i64(text, &value->number))
        return err_tell(err, E_CONFIG, "", "'%.*s' is not a whole number", STR_ARG(text));
    return 0;
}

static int read_fact(struct cli *cli, struct what_if *w, struct str text, struct err *err)
{
    struct policy_value *values = ARENA_ARRAY(cli->arena, struct policy_value, VALUES_MAX);
    const struct str name = str_cut(&text, '=');
    enum policy_operand operand;
    struct policy_fact *fact;

    if (values == NULL)
        return err_set(err, E_NO_MEMORY, "", "fact");
    if (!policy_operand_find(name, &operand))
        return err_tell(err, E_CONFIG, "", "'%.*s' is no operand of a policy", STR_ARG(name));
    fact = &w->facts->of[operand];
    *fact = (struct policy_fact){.knowledge = POLICY_ABSENT, .values = values};
    if (!str_present(text))
        return err_tell(err, E_CONFIG, "", "expected --fact %.*s=VALUE", STR_ARG(name));
    if (str_eq(text, STR("-")))
        return 0;
    fact->knowledge = POLICY_KNOWN;
    while (str_present(text)) {
        if (fact->n_values == VALUES_MAX)
            return err_tell(err, E_CONFIG, "", "at most %d values", VALUES_MAX);
        if (read_value(operand, str_cut(&text, ','), &values[fact->n_values++], err) < 0)
            return err_ret(err);
    }
    return 0;
}

static int read_time(struct str text, const char *option, int64_t otherwise, int64_t *ret_us,
                     struct err *err)
{
    *ret_us = otherwise;
    if (!str_present(text) || time_parse(text, ret_us))
        return 0;
    return err_tell(err, E_CONFIG, "", "--%s: expected a time such as 2026-12-31T00:00:00Z",
                    option);
}

static int read_question(struct cli *cli, const struct what_if_args *in, struct what_if *w,
                         struct err *err)
{
    struct policy_question *q = &w->question;
    int scope = POLICY_AT_ACCESS, peer = 0;

    *q = (struct policy_question){
        .action = POLICY_ACT_USE,
        .target = in->target,
        .assignee = in->assignee,
        .flags = POLICY_EMPTY_PERMITS | POLICY_DUTY_EVENTUAL,
    };
    if (str_present(in->scope) && !choose(in->scope, scopes, POLICY_AT__COUNT, &scope))
        return err_tell(err, E_CONFIG, "",
                        "--scope: expected one of catalogue, negotiation, "
                        "transfer, access");
    if (str_present(in->action) && !policy_action_find(in->action, &q->action))
        return err_tell(err, E_CONFIG, "", "--action: '%.*s' is no action", STR_ARG(in->action));
    w->ask_peer = str_present(in->peer);
    if (w->ask_peer && !choose(in->peer, peers, POLICY_PEER__COUNT, &peer))
        return err_tell(err, E_CONFIG, "", "--peer: expected edc or tractusx");
    w->peer = (enum policy_peer)peer;
    q->scope = (enum policy_scope)scope;
    if (read_time(in->at, "at", env_wall_us(cli->env), &q->now_us, err) < 0 ||
        read_time(in->agreed, "agreed", q->scope < POLICY_AT_TRANSFER ? POLICY_NO_TIME : q->now_us,
                  &q->agreement_us, err) < 0)
        return err_ret(err);
    for (size_t i = 0; i < in->facts.n; i++) {
        if (read_fact(cli, w, in->facts.items[i], err) < 0)
            return err_ret(err);
    }
    return 0;
}

/* -- answer ------------------------------------------------------------------------------------ */

static void write_text(const struct what_if *w, enum policy_lang lang, struct buf *out)
{
    policy_explain_decision(w->policy, &w->decision, lang, out);
    if (w->ask_peer)
        policy_explain_peer(&w->opinion, lang, out);
}

static const char *verdict_name(enum policy_verdict verdict)
{
    return verdict == POLICY_PERMIT ? "permit" : "deny";
}

static void write_causes(const struct what_if *w, struct jw *out)
{
    jw_key(out, "causes");
    jw_array(out);
    for (unsigned i = 0; i < w->decision.n_causes; i++) {
        const struct policy_cause *cause = &w->decision.causes[i];

        jw_object(out);
        jw_kc(out, "code", policy_why_slug(cause->why));
        jw_kstr(out, "at", cause->at);
        if (cause->operand != POLICY_OP__COUNT) {
            jw_kc(out, "operand", policy_operand_iri(cause->operand));
            jw_kstr(out, "required", cause->required);
        }
        if (cause->seen[0] != '\0')
            jw_kc(out, "seen", cause->seen);
        jw_object_end(out);
    }
    jw_array_end(out);
}

static void write_peer(const struct what_if *w, struct jw *out)
{
    jw_key(out, "peer");
    jw_object(out);
    jw_kc(out, "verdict", verdict_name(w->opinion.verdict));
    jw_key(out, "differences");
    jw_array(out);
    for (unsigned i = 0; i < w->opinion.n; i++) {
        jw_object(out);
        jw_kc(out, "code", policy_peer_slug(w->opinion.differences[i].why));
        jw_kstr(out, "at", w->opinion.differences[i].at);
        jw_object_end(out);
    }
    jw_array_end(out);
    jw_object_end(out);
}

static int print(struct cli *cli, const struct what_if *w)
{
    AUTO(buf_done) struct buf ko = buf_init(MIB(1));
    AUTO(buf_done) struct buf en = buf_init(MIB(1));
    AUTO(buf_done) struct buf out = buf_init(MIB(4));
    struct jw jw = jw_init(&out);

    write_text(w, POLICY_KO, &ko);
    write_text(w, POLICY_EN, &en);
    if (!cli->json) {
        printf("%.*s", STR_ARG(cli_clean(cli, buf_str(cli->korean ? &ko : &en))));
        return CLI_OK;
    }
    jw_object(&jw);
    jw_kc(&jw, "verdict", verdict_name(w->decision.verdict));
    if (w->decision.valid_until_us != POLICY_FOREVER)
        jw_kc(&jw, "until", time_format(w->decision.valid_until_us).c);
    write_causes(w, &jw);
    if (w->ask_peer)
        write_peer(w, &jw);
    policy_texts(&jw, &ko, &en);
    jw_object_end(&jw);
    return cli_print_buf(cli, &out);
}

int cmd_policy_what_if(struct cli *cli, int argc, char **argv)
{
    AUTO(policy_unref) struct policy *policy = NULL;
    struct what_if_args in = {0};
    struct what_if w = {.facts = ARENA_NEW(cli->arena, struct policy_facts)};
    struct err err = {0};
    int code;

    if (!cli_options(cli, policy_what_if_options, &in, 1, 1, &argc, argv))
        return CLI_USAGE;
    if (w.facts == NULL)
        return cli_fail(cli, &(struct err){.code = E_NO_MEMORY});
    if (policy_read(cli, argv[0], &policy, &err) < 0 || read_question(cli, &in, &w, &err) < 0)
        return cli_fail(cli, &err);
    w.policy = policy;
    policy_decide(policy, &w.question, w.facts, &w.decision);
    if (w.ask_peer)
        policy_peer_decide(policy, w.peer, &w.question, w.facts, &w.opinion);
    code = print(cli, &w);
    return code == CLI_OK && w.decision.verdict == POLICY_DENY ? CLI_POLICY : code;
}
