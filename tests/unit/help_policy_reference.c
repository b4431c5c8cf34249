/*
 * The slow evaluator: what docs/policy.md says, word by word. It knows nothing of programs, windows or normal forms: it walks
 * the tree that the generator made, one question at a time.
 */
#include "help_policy_tree.h"
#include "lib/base/timefmt.h"

#include "lib/base/banned.h"

static int not_(int truth)
{
    return T_TRUE - truth;
}

static int least(int a, int b)
{
    return a < b ? a : b;
}

static bool is(const struct node *node, const char *op)
{
    return strcmp(node->op, op) == 0;
}

/* x against something that lasts from first to last */
static int compare(const struct node *node, int64_t x, int64_t first, int64_t last)
{
    bool holds = is(node, "eq")     ? x >= first && x <= last
                 : is(node, "neq")  ? x < first || x > last
                 : is(node, "lt")   ? x < first
                 : is(node, "lteq") ? x <= last
                 : is(node, "gt")   ? x > last
                                    : x >= first;

    return holds ? T_TRUE : T_FALSE;
}

/* -- time -------------------------------------------------------------------------------------- */

static bool before_agreement(const struct place_and_time *w)
{
    return w->scope == POLICY_AT_CATALOGUE || w->scope == POLICY_AT_NEGOTIATION;
}

/* When it was agreed; before there is an agreement, as if now. */
static int64_t agreed(const struct policy_tree *tree, const struct place_and_time *w)
{
    if (w->agreed_us != POLICY_NO_TIME)
        return w->agreed_us;
    if (tree->timestamp_us != POLICY_NO_TIME)
        return tree->timestamp_us;
    return before_agreement(w) ? w->now_us : POLICY_NO_TIME;
}

static bool is_time(const struct node *node)
{
    return help_operands[node->operand].form >= INSTANT &&
           help_operands[node->operand].form <= DAYS;
}

/* The instants that the operand's value stands for; false if that is not known. */
static bool span(const struct policy_tree *tree, const struct node *node,
                 const struct place_and_time *w, int64_t *first, int64_t *last)
{
    enum value_form form = help_operands[node->operand].form;
    bool relative =
        form == ELAPSED || form == DAYS || (form == IN_FORCE && node->values[0] >= RELATIVE);
    int64_t days = form == IN_FORCE && relative ? node->values[0] - RELATIVE : node->values[0];
    int64_t from = relative ? agreed(tree, w) : DAY_ZERO;

    if (from == POLICY_NO_TIME)
        return false;
    *first = from + days * US_PER_DAY;
    *last = *first + (node->whole_day ? US_PER_DAY - 1 : 0);
    return true;
}

static int eval_time(const struct policy_tree *tree, const struct node *node,
                     const struct place_and_time *w)
{
    enum value_form form = help_operands[node->operand].form;
    int64_t first, last;

    if (!span(tree, node, w, &first, &last))
        return T_UNKNOWN;
    if (form == UNTIL || form == DAYS)
        return w->now_us <= last ? T_TRUE : T_FALSE;
    return compare(node, w->now_us, first, last);
}

/* -- facts ------------------------------------------------------------------------------------- */

/* which lies in which: row in column */
/* clang-format off */
static const int within[5][5] = {
    {T_TRUE,    T_UNKNOWN, T_FALSE,   T_UNKNOWN, T_TRUE},
    {T_TRUE,    T_TRUE,    T_FALSE,   T_UNKNOWN, T_TRUE},
    {T_FALSE,   T_FALSE,   T_TRUE,    T_UNKNOWN, T_TRUE},
    {T_UNKNOWN, T_UNKNOWN, T_UNKNOWN, T_TRUE,    T_UNKNOWN},
    {T_UNKNOWN, T_UNKNOWN, T_UNKNOWN, T_UNKNOWN, T_TRUE},
};

/* clang-format on */

/* Is one of the fact's values one of the operand's? */
static int eval_member(const struct node *node, const struct fact *fact)
{
    int best = T_FALSE;

    for (int f = 0; f < fact->n_values; f++) {
        for (int v = 0; v < node->n_values; v++) {
            int one = fact->values[f] == node->values[v] ? T_TRUE : T_FALSE;

            if (help_operands[node->operand].form == PLACE)
                one = within[fact->values[f]][node->values[v]];
            else if ((is(node, "isA") || is(node, "isPartOf")) && one == T_FALSE)
                one = T_UNKNOWN;
            best = one > best ? one : best;
        }
    }
    return best;
}

static int eval_all_of(const struct node *node, const struct fact *fact)
{
    for (int v = 0; v < node->n_values; v++) {
        bool there = false;

        for (int f = 0; f < fact->n_values; f++)
            there = there || fact->values[f] == node->values[v];
        if (!there)
            return T_FALSE;
    }
    return T_TRUE;
}

static int eval_fact(const struct node *node, const struct place_and_time *w)
{
    const struct operand *operand = &help_operands[node->operand];
    const struct fact *fact = &w->facts[node->operand];
    bool negative = is(node, "neq") || is(node, "isNoneOf");

    if (fact->knowledge == POLICY_UNKNOWN)
        return T_UNKNOWN;
    if (fact->claimed && !operand->claims)
        return T_UNKNOWN;
    if (operand->max_age_us != 0 && fact->age_us > operand->max_age_us)
        return T_UNKNOWN;
    if (fact->knowledge == POLICY_ABSENT)
        return !negative ? T_FALSE : operand->many ? T_TRUE : T_UNKNOWN;
    if (fact->n_values == 0 || (!operand->many && fact->n_values != 1))
        return T_UNKNOWN;
    if (operand->form == NUMBER)
        return compare(node, fact->values[0], node->values[0], node->values[0]);
    if (is(node, "isAllOf"))
        return eval_all_of(node, fact);
    return negative ? not_(eval_member(node, fact)) : eval_member(node, fact);
}

/* -- logic ------------------------------------------------------------------------------------- */

/* No operand may begin to hold before the one in front of it. */
static bool in_order(const struct policy_tree *tree, const struct node *node,
                     const struct place_and_time *w)
{
    int64_t before = INT64_MIN;

    for (int i = 0; i < node->n_children; i++) {
        const struct node *child = node->children[i];
        int64_t first = 0, last = 0, since = INT64_MIN;

        (void)span(tree, child, w, &first, &last);
        if (is(child, "eq") || is(child, "gteq"))
            since = first;
        else if (is(child, "gt"))
            since = last + 1;
        if (since < before)
            return false;
        before = since;
    }
    return true;
}

static int eval(const struct policy_tree *tree, const struct node *node,
                const struct place_and_time *w)
{
    int n_true = 0, n_unknown = 0, n_false = 0;

    if (node->forced >= 0)
        return node->forced;
    if (node->kind == ATOM && help_operands[node->operand].form == TERM)
        return T_TRUE;
    if (node->kind == ATOM)
        return is_time(node) ? eval_time(tree, node, w) : eval_fact(node, w);
    for (int i = 0; i < node->n_children; i++) {
        int truth = eval(tree, node->children[i], w);

        n_true += truth == T_TRUE;
        n_unknown += truth == T_UNKNOWN;
        n_false += truth == T_FALSE;
    }
    if (node->kind == SEQUENCE && n_false == 0 && n_unknown == 0)
        return in_order(tree, node, w) ? T_TRUE : T_FALSE;
    if (node->kind == AND || node->kind == SEQUENCE)
        return n_false > 0 ? T_FALSE : n_unknown > 0 ? T_UNKNOWN : T_TRUE;
    if (node->kind == OR)
        return n_true > 0 ? T_TRUE : n_unknown > 0 ? T_UNKNOWN : T_FALSE;
    if (n_true >= 2 || (n_true == 0 && n_unknown == 0))
        return T_FALSE;
    return n_true == 1 && n_unknown == 0 ? T_TRUE : T_UNKNOWN;
}

/* -- duties ------------------------------------------------------------------------------------ */

enum state { INACTIVE, OUTSTANDING, FULFILLED, VIOLATED };

/* Constraints on time that must all hold are the window; the others say whether it is active. */
static int window(const struct policy_tree *tree, const struct node *node,
                  const struct place_and_time *w, int64_t *lo, int64_t *hi)
{
    int64_t first, last;

    if (node->kind == AND) {
        int truth = T_TRUE;

        for (int i = 0; i < node->n_children; i++)
            truth = least(truth, window(tree, node->children[i], w, lo, hi));
        return truth;
    }
    if (node->kind != ATOM || !is_time(node) || is(node, "neq") ||
        !span(tree, node, w, &first, &last))
        return eval(tree, node, w);
    if (is(node, "eq") || is(node, "gteq"))
        *lo = first > *lo ? first : *lo;
    if (is(node, "gt"))
        *lo = last + 1 > *lo ? last + 1 : *lo;
    if (is(node, "eq") || is(node, "lteq"))
        *hi = last < *hi ? last : *hi;
    if (is(node, "lt"))
        *hi = first - 1 < *hi ? first - 1 : *hi;
    return T_TRUE;
}

static bool kind_of(enum policy_action general, enum policy_action special)
{
    return general == special ||
           (general == POLICY_ACT_USE && special != POLICY_ACT_SELL &&
            special != POLICY_ACT_TRANSFER) ||
           (general == POLICY_ACT_TRANSFER && special == POLICY_ACT_SELL);
}

/* A record of other data than the policy's is about another duty, unless the duty names its own. */
static bool done_to(const struct policy_tree *tree, const struct duty *duty, const char *target)
{
    const char *common = tree->target.collection ? NULL : tree->target.id;
    const char *own = duty->target.id;

    if (own != NULL)
        return target != NULL && strcmp(own, target) == 0;
    return target == NULL || common == NULL || strcmp(common, target) == 0;
}

static bool done(const struct policy_tree *tree, const struct duty *duty, enum policy_action action,
                 const struct place_and_time *w, bool violated, int64_t lo, int64_t hi)
{
    const char *who = duty->assignee.id != NULL ? duty->assignee.id : w->assignee;

    for (int i = 0; w->done_known && i < w->n_done; i++) {
        const struct done *d = &w->done[i];

        if (d->violated == violated && kind_of(action, d->action) && d->at_us >= lo &&
            d->at_us <= hi && d->at_us <= w->now_us &&
            (who == NULL || (d->assignee != NULL && strcmp(who, d->assignee) == 0)) &&
            done_to(tree, duty, d->target))
            return true;
    }
    return false;
}

static enum state state_of(const struct policy_tree *tree, const struct duty *duty,
                           const struct place_and_time *w)
{
    static const struct duty anybody;
    int64_t lo = INT64_MIN, hi = INT64_MAX;
    int active = T_TRUE;

    for (int i = 0; i < duty->n_nodes; i++)
        active = least(active, window(tree, duty->nodes[i], w, &lo, &hi));
    if (active == T_FALSE)
        return INACTIVE;
    if (done(tree, duty, duty->action, w, false, lo, hi))
        return FULFILLED;
    if (duty->consequence != POLICY_ACT__COUNT &&
        done(tree, duty, duty->action, w, false, INT64_MIN, INT64_MAX) &&
        done(tree, &anybody, duty->consequence, w, false, INT64_MIN, INT64_MAX))
        return FULFILLED;
    return w->now_us > hi || done(tree, duty, duty->action, w, true, INT64_MIN, INT64_MAX)
               ? VIOLATED
               : OUTSTANDING;
}

/* -- rules ------------------------------------------------------------------------------------- */

static int matches(const struct named *own, const struct named *of_policy, const char *asked,
                   bool member, bool known)
{
    const struct named *named = own->id != NULL ? own : of_policy;

    if (named->id == NULL)
        return T_TRUE;
    if (asked == NULL)
        return T_UNKNOWN;
    if (!named->collection)
        return strcmp(named->id, asked) == 0 ? T_TRUE : T_FALSE;
    return member ? T_TRUE : known ? T_FALSE : T_UNKNOWN;
}

static bool speaks_of(const struct rule *rule, enum policy_action action)
{
    switch (rule->restriction) {
    case NOT_RESTRICTED: return kind_of(rule->action, action);
    case NO_THIRD_PARTY:
        return action == POLICY_ACT_DISTRIBUTE || action == POLICY_ACT_SELL ||
               action == POLICY_ACT_TRANSFER;
    case NO_CHANGE: return action == POLICY_ACT_MODIFY;
    }
    return false;
}

/* Whether it is about this; and whether its constraints hold. */
static int applies(const struct policy_tree *tree, const struct rule *rule,
                   const struct place_and_time *w, int *ret_holds)
{
    *ret_holds = T_TRUE;
    for (int i = 0; i < rule->n_nodes; i++)
        *ret_holds = least(*ret_holds, eval(tree, rule->nodes[i], w));
    if (!speaks_of(rule, w->action))
        return T_FALSE;
    return least(
        matches(&rule->target, &tree->target, w->target, w->in_target_group, w->groups_known),
        matches(&rule->assignee, &tree->assignee, w->assignee, w->in_assignee_group,
                w->groups_known));
}

static bool permits(const struct policy_tree *tree, const struct rule *rule,
                    const struct place_and_time *w)
{
    int holds, about = applies(tree, rule, w, &holds);

    for (int i = 0; i < rule->n_duties; i++) {
        enum state state = state_of(tree, &rule->duties[i], w);

        if (state == VIOLATED || (state == OUTSTANDING && (w->flags & POLICY_DUTY_EVENTUAL) == 0))
            return false;
    }
    return about == T_TRUE && holds == T_TRUE;
}

static bool prohibits(const struct policy_tree *tree, const struct rule *rule,
                      const struct place_and_time *w)
{
    int holds, about = applies(tree, rule, w, &holds);

    return about != T_FALSE && holds != T_FALSE;
}

enum policy_verdict help_tree_judge(const struct policy_tree *tree, const struct place_and_time *w)
{
    bool permitted = false, prohibited = false;

    for (int i = 0; i < tree->n_permissions; i++)
        permitted = permitted || permits(tree, &tree->permissions[i], w);
    for (int i = 0; i < tree->n_prohibitions; i++)
        prohibited = prohibited || prohibits(tree, &tree->prohibitions[i], w);
    if (tree->n_permissions + tree->n_prohibitions + tree->n_obligations == 0)
        permitted = (w->flags & POLICY_EMPTY_PERMITS) != 0;
    /* the provider provides no longer */
    for (int i = 0; i < tree->n_obligations && !before_agreement(w); i++) {
        if (tree->obligations[i].gate && eval(tree, tree->obligations[i].node, w) != T_TRUE)
            return POLICY_DENY;
    }
    if (!permitted)
        return POLICY_DENY;
    return prohibited && tree->conflict != 1 ? POLICY_DENY : POLICY_PERMIT;
}

int help_tree_duties(const struct policy_tree *tree, const struct place_and_time *w)
{
    int n = 0;

    for (int i = 0; i < tree->permissions[0].n_duties; i++)
        n += state_of(tree, &tree->permissions[0].duties[i], w) != INACTIVE;
    for (int i = 0; i < tree->n_obligations; i++) {
        struct duty duty = {.consequence = POLICY_ACT__COUNT,
                            .nodes = {tree->obligations[i].node},
                            .n_nodes = tree->obligations[i].node != NULL};

        n += state_of(tree, &duty, w) != INACTIVE;
    }
    return n;
}
