/*
 * policy/peer.c - a model of how stock Eclipse connectors evaluate policies (peer.h)
 */
#include "policy/peer.h"

#include "policy/decide_private.h"

#include "lib/base/banned.h"

enum binding { NONE, CHECK, MET };

enum {
    AT_T = 1 << POLICY_AT_TRANSFER,
    AT_NT = AT_T | 1 << POLICY_AT_NEGOTIATION,
    AT_CNT = AT_NT | 1 << POLICY_AT_CATALOGUE,
};

/* clang-format off */
static const struct {
    enum binding binding;
    unsigned scopes;
} bound[POLICY_OP__COUNT][POLICY_PEER__COUNT] = {
#define PEER(operand, edc, edc_scopes, tractusx, tractusx_scopes) \
    [POLICY_OP_##operand] = {{edc, edc_scopes}, {tractusx, tractusx_scopes}},
#include "policy/peer.def"
#undef PEER
};

static const struct {
    const char *slug;
    const char *text[POLICY_LANG__COUNT];
} whys[POLICY_PEER_WHY__COUNT] = {
    [POLICY_PEER_NOT_BOUND]       = {"not-bound",       {"상대 커넥터는 이 조건을 검사하지 않고 건너뜁니다", "the other connector leaves this condition out"}},
    [POLICY_PEER_MET]             = {"met",             {"상대 커넥터는 이 조건을 언제나 충족된 것으로 봅니다", "the other connector always takes this condition as met"}},
    [POLICY_PEER_ACTION]          = {"action",          {"상대 커넥터는 이 행위의 규칙을 건너뜁니다", "the other connector leaves a rule for this action out"}},
    [POLICY_PEER_ALL_PERMISSIONS] = {"all-permissions", {"상대 커넥터는 모든 허가가 충족되어야 허용합니다", "the other connector wants all permissions to pass, not one of them"}},
    [POLICY_PEER_EACH_CONDITION]  = {"each-condition",  {"상대 커넥터는 조건 하나만 맞아도 금지합니다", "for the other connector one condition is enough to prohibit"}},
    [POLICY_PEER_SEQUENCE]        = {"sequence",        {"상대 커넥터는 andSequence를 지원하지 않습니다", "the other connector does not support andSequence"}},
    [POLICY_PEER_PARTY]           = {"party",           {"상대 커넥터는 규칙의 당사자와 대상을 보지 않습니다", "the other connector does not look at the rule's party or data set"}},
    [POLICY_PEER_REFINEMENT]      = {"refinement",      {"상대 커넥터는 행위와 모음의 한정(refinement)을 보지 않습니다", "the other connector does not look at refinements of actions and collections"}},
    [POLICY_PEER_DUTY]            = {"duty",            {"상대 커넥터는 의무를 조건으로만 봅니다", "for the other connector a duty is only one more condition"}},
    [POLICY_PEER_NO_ACCESS]       = {"no-access",       {"상대 커넥터는 데이터에 접근할 때마다 검사하지 않습니다", "the other connector does not decide about each access"}},
};

/* clang-format on */

const char *policy_peer_slug(enum policy_peer_why why)
{
    return whys[why].slug;
}

struct judging {
    struct eval e;
    enum policy_peer peer;
    struct policy_peer_opinion *opinion;
};

static void differ(struct judging *j, enum policy_peer_why why, enum policy_operand operand,
                   struct str at)
{
    struct policy_peer_opinion *o = j->opinion;

    if (o->n == POLICY_PEER_DIFFERENCES) {
        o->more = true;
        return;
    }
    o->differences[o->n].why = why;
    o->differences[o->n].operand = operand;
    o->differences[o->n++].at = at;
}

/* -- constraints ------------------------------------------------------------------------------- */

/* What the peer does with the atom here. */
static enum binding binding_of(const struct judging *j, const struct node *node)
{
    const unsigned scope = 1U << j->e.question->scope;

    return (bound[node->operand][j->peer].scopes & scope) != 0
               ? bound[node->operand][j->peer].binding
               : NONE;
}

static bool judge_atom(struct judging *j, uint32_t pc)
{
    const struct node *node = j->e.code[pc].node;
    const bool truth = policy__eval(&j->e, pc).truth == TRUTH_TRUE;

    switch (binding_of(j, node)) {
    case CHECK: return truth;
    case NONE: differ(j, POLICY_PEER_NOT_BOUND, node->operand, node->at); break;
    case MET:
        if (!truth || policy__operands[node->operand].meaning == MEANING_FACT)
            differ(j, POLICY_PEER_MET, node->operand, node->at);
        break;
    }
    return true;
}

/* Constraints that are left out take no part in `or` and `xone` either. */
static bool is_left_out(const struct judging *j, uint32_t pc)
{
    const struct insn *insn = &j->e.code[pc];

    if (insn->node->refines)
        return true;
    if (insn->node->kind == NODE_ATOM)
        return binding_of(j, insn->node) == NONE;
    if (insn->kind == INSN_SEQUENCE)
        return false;
    for (uint32_t at = pc + 1; at < insn->next; at = j->e.code[at].next) {
        if (!is_left_out(j, at))
            return false;
    }
    return true;
}

static bool judge_node(struct judging *j, uint32_t pc)
{
    const struct insn *insn = &j->e.code[pc];
    unsigned n = 0, n_true = 0;

    if (insn->node->refines) {
        differ(j, POLICY_PEER_REFINEMENT, POLICY_OP__COUNT, insn->node->at);
        return true;
    }
    if (insn->node->kind == NODE_ATOM)
        return judge_atom(j, pc);
    if (insn->kind == INSN_SEQUENCE) {
        differ(j, POLICY_PEER_SEQUENCE, POLICY_OP__COUNT, insn->node->at);
        return false;
    }
    for (uint32_t at = pc + 1; at < insn->next; at = j->e.code[at].next) {
        const bool truth = judge_node(j, at);

        if (is_left_out(j, at))
            continue;
        n++;
        n_true += truth;
    }
    if (n == 0)
        return true;
    return insn->kind == INSN_AND ? n_true == n : insn->kind == INSN_OR ? n_true > 0 : n_true == 1;
}

/* -- rules ------------------------------------------------------------------------------------- */

static bool is_bound_action(const struct judging *j, enum policy_action action)
{
    return action == POLICY_ACT_USE ||
           (action == POLICY_ACT_CX_ACCESS && j->peer == POLICY_PEER_TRACTUSX);
}

/* False if the peer leaves the rule out. */
static bool takes_part(struct judging *j, const struct rule *rule)
{
    if (!is_bound_action(j, rule->action)) {
        differ(j, POLICY_PEER_ACTION, POLICY_OP__COUNT, rule->at);
        return false;
    }
    if (str_present(rule->target.id) || str_present(rule->assignee.id))
        differ(j, POLICY_PEER_PARTY, POLICY_OP__COUNT, rule->at);
    return true;
}

static bool judge_permissions(struct judging *j)
{
    const struct program *program = j->e.program;
    bool pass = true;

    for (uint32_t i = 0; i < program->n_permissions; i++) {
        const struct prog_rule *rule = &program->permissions[i];

        if (!takes_part(j, rule->rule))
            continue;
        if (program->n_permissions > 1)
            differ(j, POLICY_PEER_ALL_PERMISSIONS, POLICY_OP__COUNT, rule->rule->at);
        if (rule->code != NO_CODE && !judge_node(j, rule->code))
            pass = false;
        for (uint32_t d = 0; d < rule->n_duties; d++) {
            differ(j, POLICY_PEER_DUTY, POLICY_OP__COUNT, rule->duties[d].rule->at);
            if (rule->duties[d].code != NO_CODE && !judge_node(j, rule->duties[d].code))
                pass = false;
        }
    }
    return pass;
}

static bool judge_prohibitions(struct judging *j)
{
    const struct program *program = j->e.program;
    bool pass = true;

    for (uint32_t i = 0; i < program->n_prohibitions; i++) {
        const struct prog_rule *rule = &program->prohibitions[i];
        const struct insn *all = rule->code != NO_CODE ? &j->e.code[rule->code] : NULL;

        if (!takes_part(j, rule->rule) || all == NULL)
            continue;
        if (all->n > 1)
            differ(j, POLICY_PEER_EACH_CONDITION, POLICY_OP__COUNT, rule->rule->at);
        for (uint32_t at = rule->code + 1; at < all->next; at = j->e.code[at].next) {
            if (judge_node(j, at) && !is_left_out(j, at))
                pass = false;
        }
    }
    return pass;
}

static bool judge_obligations(struct judging *j)
{
    const struct program *program = j->e.program;
    bool pass = true;

    for (uint32_t i = 0; i < program->n_obligations; i++) {
        const struct prog_duty *duty = &program->obligations[i];

        if (!takes_part(j, duty->rule))
            continue;
        differ(j, POLICY_PEER_DUTY, POLICY_OP__COUNT, duty->rule->at);
        if (duty->code != NO_CODE && !judge_node(j, duty->code))
            pass = false;
    }
    return pass;
}

void policy_peer_decide(const struct policy *policy, enum policy_peer peer,
                        const struct policy_question *question, const struct policy_facts *facts,
                        struct policy_peer_opinion *ret_opinion)
{
    struct judging j = {
        .e = policy__eval_of(policy, question, facts, NULL), .peer = peer, .opinion = ret_opinion};
    bool pass;

    *ret_opinion = (struct policy_peer_opinion){.verdict = POLICY_PERMIT};
    if (question->scope == POLICY_AT_ACCESS) {
        differ(&j, POLICY_PEER_NO_ACCESS, POLICY_OP__COUNT, STR(""));
        return;
    }
    pass = judge_permissions(&j);
    pass = judge_prohibitions(&j) && pass;
    pass = judge_obligations(&j) && pass;
    ret_opinion->verdict = pass ? POLICY_PERMIT : POLICY_DENY;
}

void policy_explain_peer(const struct policy_peer_opinion *opinion, enum policy_lang lang,
                         struct buf *out)
{
    const bool ko = lang == POLICY_KO;

    if (opinion->verdict == POLICY_PERMIT)
        buf_add_c(out, ko ? "상대 커넥터는 허용합니다.\n" : "The other connector permits.\n");
    else
        buf_add_c(out, ko ? "상대 커넥터는 거부합니다.\n" : "The other connector denies.\n");
    for (unsigned i = 0; i < opinion->n; i++) {
        buf_printf(out, "  - %.*s", STR_ARG(opinion->differences[i].at));
        if (opinion->differences[i].operand != POLICY_OP__COUNT)
            buf_printf(out, " (%s)", policy_operand_text(opinion->differences[i].operand, lang));
        buf_printf(out, ": %s\n", whys[opinion->differences[i].why].text[lang]);
    }
    if (opinion->more)
        buf_add_c(out, ko ? "  - 그 밖에 더 있음\n" : "  - and more\n");
}
