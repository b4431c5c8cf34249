/*
 * cli/policy_what_if.c - naru policy what-if: how a policy would decide, with facts from the command line
 *
 * A fact that is not given is unknown, and unknown never permits.
 */
#include "cli/policy.h"
#include "lib/base/limits.h"
#include "lib/base/timefmt.h"
#include "policy/answer.h"

#include "lib/base/banned.h"

#define VALUES_MAX 64

struct what_if_args {
    struct str at, agreed, scope, action, target, assignee, peer;
    struct str_list facts;
    bool trace;
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
    OPTION(struct what_if_args, trace,    "trace",    't', NULL,     "each rule and condition with its mark, and what would have to change"),
    {.name = NULL},
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
    const struct policy_trace *trace; /* NULL: not wanted */
};

static bool choose(struct str word, const char *const *words, int *ret_choice)
{
    for (int i = 0; words[i] != NULL; i++) {
        if (str_eq_c(word, words[i])) {
            *ret_choice = i;
            return true;
        }
    }
    return false;
}

/* -- facts ------------------------------------------------------------------------------------- */

static int read_fact(struct cli *cli, struct what_if *w, struct str text, struct err *err)
{
    struct str *values = ARENA_ARRAY(cli->arena, struct str, VALUES_MAX);
    const struct str name = str_cut(&text, '=');
    struct str_list list = {values, 0};
    struct err why = {0};

    if (values == NULL)
        return err_set(err, E_NO_MEMORY, "", "fact");
    if (!str_present(text))
        return err_tell(err, E_CONFIG, "", "expected --fact %.*s=VALUE", STR_ARG(name));
    if (str_eq(text, STR("-")))
        text = STR_NONE;
    while (str_present(text)) {
        if (list.n == VALUES_MAX)
            return err_tell(err, E_CONFIG, "", "at most %d values", VALUES_MAX);
        values[list.n++] = str_cut(&text, ',');
    }
    if (policy_fact_read(name, &list, cli->arena, w->facts, &why) < 0)
        return err_tell(err, E_CONFIG, "", "--fact: %s", why.detail);
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
    if (str_present(in->scope) && !choose(in->scope, policy_scope_names, &scope))
        return err_tell(err, E_CONFIG, "",
                        "--scope: expected one of catalogue, negotiation, "
                        "transfer, access");
    if (str_present(in->action) && !policy_action_find(in->action, &q->action))
        return err_tell(err, E_CONFIG, "", "--action: '%.*s' is no action", STR_ARG(in->action));
    w->ask_peer = str_present(in->peer);
    if (w->ask_peer && !choose(in->peer, policy_peer_names, &peer))
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

/* A line whose mark stands first, after blanks, gets the mark's colour. */
static void print_marked(struct str line)
{
    static const struct {
        struct str mark;
        const char *colour;
    } marks[] = {
        {STR_INIT("✓ "), "32"},
        {STR_INIT("✗ "), "31"},
        {STR_INIT("? "),   "33"},
    };
    const struct str rest = str_trim(line);

    for (size_t i = 0; i < ARRAY_LEN(marks); i++) {
        const struct str mark = marks[i].mark;

        if (str_starts(rest, mark)) {
            printf("%.*s\033[%sm%.*s\033[0m%.*s\n", (int)(rest.p - line.p), line.p, marks[i].colour,
                   STR_ARG(mark), STR_ARG(str_from(rest, mark.n)));
            return;
        }
    }
    printf("%.*s\n", STR_ARG(line));
}

static void print_trace(struct cli *cli, const struct what_if *w, enum policy_lang lang)
{
    AUTO(buf_done) struct buf text = buf_init(MIB(4));
    struct str rest;

    policy_trace_text(w->trace, lang, cli->utf8 ? POLICY_MARKS_SIGNS : POLICY_MARKS_ASCII, &text);
    rest = cli_clean(cli, buf_str(&text));
    while (rest.n > 0) {
        const struct str line = str_cut(&rest, '\n');

        if (cli->colour)
            print_marked(line);
        else
            printf("%.*s\n", STR_ARG(line));
    }
}

static int print(struct cli *cli, const struct what_if *w)
{
    const enum policy_lang lang = cli->korean ? POLICY_KO : POLICY_EN;
    const struct policy_asked asked = {
        .policy = w->policy,
        .question = &w->question,
        .facts = w->facts,
        .decision = &w->decision,
        .trace = w->trace,
        .opinion = w->ask_peer ? &w->opinion : NULL,
        .peer = w->peer,
    };
    AUTO(buf_done) struct buf text = buf_init(MIB(1));
    AUTO(buf_done) struct buf out = buf_init(MIB(16));
    struct jw jw = jw_init(&out);

    if (!cli->json) {
        policy_explain_decision(w->policy, &w->decision, lang, &text);
        if (w->ask_peer)
            policy_explain_peer(&w->opinion, lang, &text);
        printf("%.*s", STR_ARG(cli_clean(cli, buf_str(&text))));
        if (w->trace != NULL)
            print_trace(cli, w, lang);
        return CLI_OK;
    }
    jw_object(&jw);
    policy_answer_decision(&asked, &jw);
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
    if (in.trace &&
        policy_trace(policy, &w.question, w.facts, &w.decision, cli->arena, &w.trace, &err) < 0)
        return cli_fail(cli, &err);
    code = print(cli, &w);
    return code == CLI_OK && w.decision.verdict == POLICY_DENY ? CLI_POLICY : code;
}
