/*
 * Random trees, worlds, and both as the engine takes them; see the header.
 */
#include "help_policy_tree.h"

#include <check.h>
#include <inttypes.h>

#include "lib/base/limits.h"
#include "lib/base/timefmt.h"
#include "lib/jdoc/jdoc.h"

#include "lib/base/banned.h"

#define ORDER "eq", "neq", "lt", "lteq", "gt", "gteq"
#define SET   "eq", "neq", "isAnyOf", "isNoneOf"
#define CX    "cx-policy:"

/* clang-format off */
const struct operand help_operands[OPERANDS] = {
    {POLICY_OP_PURPOSE,                 "odrl:purpose",                TEXT,     true,  true,  0,          {SET, "isA", "isPartOf"}},
    {POLICY_OP_BUSINESS_PARTNER_GROUP,  CX "BusinessPartnerGroup",     TEXT,     true,  false, 0,          {SET, "isAllOf"}},
    {POLICY_OP_BUSINESS_PARTNER_NUMBER, CX "BusinessPartnerNumber",    TEXT,     false, false, US_PER_DAY, {SET}},
    {POLICY_OP_MEMBERSHIP,              CX "Membership",               TEXT,     false, false, US_PER_DAY, {"eq", "neq"}},
    {POLICY_OP_USAGE_PURPOSE,           CX "UsagePurpose",             TEXT,     true,  true,  0,          {SET, "isAllOf"}},
    {POLICY_OP_SPATIAL,                 "odrl:spatial",                PLACE,    false, false, 0,          {SET, "isA", "isPartOf"}},
    {POLICY_OP_COUNT,                   "odrl:count",                  NUMBER,   false, false, US_PER_MIN, {ORDER}},
    {POLICY_OP_CALLS,                   "naru:calls",                  NUMBER,   false, false, US_PER_MIN, {ORDER}},
    {POLICY_OP_DATE_TIME,               "odrl:dateTime",               INSTANT,  false, false, 0,          {ORDER}},
    {POLICY_OP_ELAPSED_TIME,            "odrl:elapsedTime",            ELAPSED,  false, false, 0,          {"lt", "lteq", "gt", "gteq"}},
    {POLICY_OP_IN_FORCE_DATE,           "edc:inForceDate",             IN_FORCE, false, false, 0,          {ORDER}},
    {POLICY_OP_USAGE_END_DATE,          CX "DataUsageEndDate",         UNTIL,    false, false, 0,          {"eq"}},
    {POLICY_OP_USAGE_END_DAYS,          CX "DataUsageEndDurationDays", DAYS,     false, false, 0,          {"eq"}},
    {POLICY_OP_JURISDICTION,            CX "JurisdictionLocation",     TERM,     false, false, 0,          {"eq"}},
    {POLICY_OP_PROVISIONING_END_DATE,   CX "DataProvisioningEndDate",  UNTIL,    false, false, 0,          {"eq"}},
    {POLICY_OP_PROVISIONING_END_DAYS,   CX "DataProvisioningEndDurationDays", DAYS, false, false, 0,       {"eq"}},
};
#define FIRST_OF_PERMISSIONS 11 /* these make sense in permissions only */
#define FIRST_OF_OBLIGATIONS 14 /* and these in what the provider must do */
#define FIRST_OF_TIME        8
#define AFTER_TIME           11

static const char *const texts[] = {"a", "b", "c", "d"};
const char *const help_places[5] = {"KR", "KR-11", "JP", "nowhere", "cx.region.asia:1"};

static const enum policy_action actions[] = {POLICY_ACT_USE, POLICY_ACT_READ, POLICY_ACT_DISTRIBUTE, POLICY_ACT_SELL, POLICY_ACT_MODIFY};
static const struct named targets[] = {{NULL, false}, {"t1", false}, {"urn:group:t", true}};
static const struct named assignees[] = {{NULL, false}, {"c1", false}, {"urn:group:c", true}};

/* clang-format on */

static uint64_t state;

unsigned help_pick(unsigned n)
{
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return (unsigned)((state >> 11) % n);
}

#define pick help_pick

void help_seed(unsigned long seed)
{
    state = seed * UINT64_C(0x9E3779B97F4A7C15) + 1;
    for (int i = 0; i < 8; i++)
        (void)pick(2);
}

/* -- trees ------------------------------------------------------------------------------------- */

static struct node *make_node(struct arena *arena, struct policy_tree *tree, unsigned operand)
{
    const struct operand *row = &help_operands[operand];
    struct node *node = ARENA_NEW(arena, struct node);
    unsigned n_ops = 0;

    node->forced = -1;
    node->operand = operand;
    while (n_ops < 8 && row->ops[n_ops] != NULL)
        n_ops++;
    node->op = row->ops[pick(n_ops)];
    node->n_values = strcmp(node->op, "isAnyOf") == 0 || strcmp(node->op, "isNoneOf") == 0 ||
                             strcmp(node->op, "isAllOf") == 0
                         ? 1 + (int)pick(3)
                         : 1;
    for (int i = 0; i < node->n_values; i++)
        node->values[i] = (int)pick(row->form == PLACE ? 5 : row->form == IN_FORCE ? 8 : 4);
    node->whole_day = (row->form == INSTANT || row->form == UNTIL ||
                       (row->form == IN_FORCE && node->values[0] < RELATIVE)) &&
                      pick(3) == 0;
    ck_assert_int_lt(tree->n_atoms, (int)ARRAY_LEN(tree->atoms));
    tree->atoms[tree->n_atoms++] = node;
    return node;
}

struct node *help_tree_atom(struct arena *arena, struct policy_tree *tree, unsigned rules)
{
    return make_node(arena, tree,
                     pick((rules & RULE_P) != 0 ? FIRST_OF_OBLIGATIONS : FIRST_OF_PERMISSIONS));
}

/* The order of satisfaction is understood for constraints on time only, and not for "not then". */
static struct node *make_sequence(struct arena *arena, struct policy_tree *tree)
{
    struct node *node = ARENA_NEW(arena, struct node);

    node->forced = -1;
    node->kind = SEQUENCE;
    node->n_children = 1 + (int)pick(3);
    for (int i = 0; i < node->n_children; i++) {
        struct node *child =
            make_node(arena, tree, FIRST_OF_TIME + pick(AFTER_TIME - FIRST_OF_TIME));

        if (strcmp(child->op, "neq") == 0)
            child->op = "gteq";
        node->children[i] = child;
    }
    return node;
}

static struct node *make_any(struct arena *arena, struct policy_tree *tree, unsigned rules,
                             int depth)
{
    struct node *node;

    if (depth == 0 || pick(3) != 0 || tree->n_atoms > 12)
        return help_tree_atom(arena, tree, rules);
    if (pick(8) == 0)
        return make_sequence(arena, tree);
    node = ARENA_NEW(arena, struct node);
    node->forced = -1;
    node->kind = (enum kind)(AND + pick(3));
    node->n_children = 1 + (int)pick(3);
    for (int i = 0; i < node->n_children; i++)
        node->children[i] = make_any(arena, tree, rules, depth - 1);
    return node;
}

static void make_duty(struct arena *arena, struct policy_tree *tree, enum policy_action action,
                      struct duty *duty)
{
    duty->action = action;
    duty->consequence = pick(3) == 0 ? POLICY_ACT_DELETE : POLICY_ACT__COUNT;
    duty->assignee = pick(4) == 0 ? assignees[1] : assignees[0];
    duty->target = pick(4) == 0 ? targets[1] : targets[0];
    duty->n_nodes = (int)pick(3);
    for (int i = 0; i < duty->n_nodes; i++)
        duty->nodes[i] = make_any(arena, tree, RULE_O, 1);
}

static void make_rule(struct arena *arena, struct policy_tree *tree, struct rule *rule,
                      unsigned rules)
{
    static const enum policy_action of_duties[] = {POLICY_ACT_COMPENSATE, POLICY_ACT_INFORM};

    rule->action = actions[pick(4) == 0 ? 1 + pick(4) : 0];
    rule->restriction = NOT_RESTRICTED;
    if (rules == RULE_X && pick(5) == 0) {
        rule->action = POLICY_ACT_USE;
        rule->restriction = pick(2) == 0 ? NO_THIRD_PARTY : NO_CHANGE;
    }
    rule->n_nodes = (int)pick(rules == RULE_P ? 4 : 3);
    rule->n_nodes = tree->n_atoms > 12 ? 0 : rule->n_nodes;
    for (int i = 0; i < rule->n_nodes; i++)
        rule->nodes[i] = make_any(arena, tree, rules, 3);
    rule->target = targets[pick(6) == 0 ? 1 + pick(2) : 0];
    rule->assignee = assignees[pick(6) == 0 ? 1 + pick(2) : 0];
    rule->n_duties = rules == RULE_P && pick(4) == 0 ? 1 + (int)pick(2) : 0;
    for (int i = 0; i < rule->n_duties; i++)
        make_duty(arena, tree, of_duties[i], &rule->duties[i]);
}

/* Something to delete, until a day; and an end of provision. */
static void make_obligations(struct arena *arena, struct policy_tree *tree)
{
    struct obligation *first = &tree->obligations[0], *gate = &tree->obligations[1];

    tree->n_obligations = pick(4) == 0 ? 1 + (int)pick(2) : 0;
    if (tree->n_obligations > 0 && pick(2) == 0)
        first->node = make_node(arena, tree, pick(2) == 0 ? FIRST_OF_TIME : 0);
    if (tree->n_obligations < 2)
        return;
    gate->node = make_node(arena, tree, FIRST_OF_OBLIGATIONS + pick(2));
    gate->gate = true;
}

void help_tree_make(struct arena *arena, struct policy_tree *tree)
{
    memset(tree, 0, sizeof(*tree));
    tree->n_permissions = pick(8) == 0 ? 0 : 1 + (int)pick(2);
    tree->n_prohibitions = pick(2) == 0 ? 0 : 1 + (int)pick(2);
    tree->conflict = (int)pick(3);
    tree->timestamp_us = POLICY_NO_TIME;
    if (pick(8) == 0)
        tree->target = targets[1];
    if (pick(8) == 0)
        tree->assignee = assignees[1 + pick(2)];
    if (tree->target.id != NULL && tree->assignee.id != NULL && pick(2) == 0)
        tree->timestamp_us = DAY_ZERO - (int64_t)pick(4) * (US_PER_DAY / 2);
    for (int i = 0; i < tree->n_permissions; i++)
        make_rule(arena, tree, &tree->permissions[i], RULE_P);
    for (int i = 0; i < tree->n_prohibitions; i++)
        make_rule(arena, tree, &tree->prohibitions[i], RULE_X);
    make_obligations(arena, tree);
}

/* -- worlds ------------------------------------------------------------------------------------ */

static void make_facts(struct place_and_time *w)
{
    for (unsigned i = 0; i < OPERANDS; i++) {
        struct fact *fact = &w->facts[i];

        if (help_operands[i].form >= INSTANT)
            continue;
        fact->knowledge = pick(4) == 0   ? POLICY_UNKNOWN
                          : pick(6) == 0 ? POLICY_ABSENT
                                         : POLICY_KNOWN;
        fact->claimed = pick(8) == 0;
        fact->age_us = pick(3) == 0   ? (int64_t)pick(100) * US_PER_S
                       : pick(8) == 0 ? 2 * US_PER_DAY
                                      : 0;
        fact->n_values = help_operands[i].many ? 1 + (int)pick(3) : pick(10) == 0 ? 2 : 1;
        fact->n_values = pick(20) == 0 ? 0 : fact->n_values;
        for (int v = 0; v < fact->n_values; v++)
            fact->values[v] = (int)pick(help_operands[i].form == PLACE ? 5 : 4);
    }
}

static void make_done(struct place_and_time *w)
{
    static const enum policy_action what[] = {POLICY_ACT_COMPENSATE, POLICY_ACT_INFORM,
                                              POLICY_ACT_DELETE};

    w->done_known = pick(3) != 0;
    w->n_done = (int)pick(4);
    for (int i = 0; i < w->n_done; i++)
        w->done[i] = (struct done){.action = what[pick(3)],
                                   .assignee = pick(3) == 0   ? NULL
                                               : pick(3) == 0 ? "c2"
                                                              : "c1",
                                   .target = pick(2) == 0   ? NULL
                                             : pick(3) == 0 ? "t2"
                                                            : "t1",
                                   .at_us = w->now_us - (int64_t)pick(12) * (US_PER_DAY / 2),
                                   .violated = pick(5) == 0};
}

void help_tree_world(struct place_and_time *w)
{
    memset(w, 0, sizeof(*w));
    make_facts(w);
    w->now_us = DAY_ZERO + (int64_t)pick(12) * (US_PER_DAY / 2) + (pick(3) == 0 ? pick(3) : 0) -
                (pick(6) == 0 ? 1 : 0);
    w->agreed_us = pick(3) == 0 ? POLICY_NO_TIME : w->now_us - (int64_t)pick(10) * (US_PER_DAY / 2);
    w->scope = (enum policy_scope)pick(POLICY_AT__COUNT);
    w->action = actions[pick(4) == 0 ? 1 + pick(4) : 0];
    w->target = pick(4) == 0 ? NULL : pick(3) == 0 ? "t2" : "t1";
    w->assignee = pick(4) == 0 ? NULL : pick(3) == 0 ? "c2" : "c1";
    w->in_target_group = pick(2) == 0;
    w->in_assignee_group = pick(2) == 0;
    w->groups_known = pick(2) == 0;
    w->flags = pick(4);
    make_done(w);
}

/* -- for the engine ---------------------------------------------------------------------------- */

struct writing {
    struct jw *w;
    unsigned how;
};

static void key(const struct writing *to, const char *name)
{
    char full[64];

    (void)snprintf(full, sizeof(full), "%s%s", (to->how & PREFIXED) != 0 ? "odrl:" : "", name);
    jw_key(to->w, full);
}

static void name(const struct writing *to, const char *key_name, const char *value)
{
    key(to, key_name);
    if ((to->how & PREFIXED) == 0) {
        jw_c(to->w, value);
        return;
    }
    jw_object(to->w);
    jw_kc(to->w, "@id", value);
    jw_object_end(to->w);
}

static void write_value(const struct writing *to, const struct node *node, int v)
{
    char text[64];
    int value = node->values[v];

    switch (help_operands[node->operand].form) {
    case TEXT:
    case TERM: jw_c(to->w, texts[value]); return;
    case PLACE: jw_c(to->w, help_places[value]); return;
    case NUMBER:
    case DAYS: (void)snprintf(text, sizeof(text), "%d", value); break;
    case ELAPSED: (void)snprintf(text, sizeof(text), "P%dD", value); break;
    case INSTANT:
    case UNTIL:
    case IN_FORCE:
        if (help_operands[node->operand].form == IN_FORCE && value >= RELATIVE)
            (void)snprintf(text, sizeof(text), "contractAgreement+%dd", value - RELATIVE);
        else
            (void)snprintf(text, sizeof(text), "2026-06-0%d%s", value + 1,
                           node->whole_day ? "" : "T00:00:00Z");
        break;
    }
    jw_c(to->w, text);
}

static void write_node(const struct writing *to, const struct node *node);

static void write_nodes(const struct writing *to, struct node *const *nodes, int n, bool ordered)
{
    const bool backwards = (to->how & BACKWARDS) != 0 && !ordered;

    jw_array(to->w);
    for (int i = 0; i < n; i++)
        write_node(to, nodes[backwards ? n - 1 - i : i]);
    jw_array_end(to->w);
}

static void write_atom(const struct writing *to, const struct node *node)
{
    char op[32];

    (void)snprintf(op, sizeof(op), "%s%s", (to->how & PREFIXED) != 0 ? "odrl:" : "", node->op);
    name(to, "leftOperand", help_operands[node->operand].name);
    name(to, "operator", op);
    key(to, "rightOperand");
    if (node->n_values == 1 && (to->how & BACKWARDS) != 0) {
        write_value(to, node, 0);
        return;
    }
    jw_array(to->w);
    for (int v = 0; v < node->n_values; v++)
        write_value(to, node, (to->how & BACKWARDS) != 0 ? node->n_values - 1 - v : v);
    jw_array_end(to->w);
}

static void write_node(const struct writing *to, const struct node *node)
{
    static const char *const names[] = {"", "and", "or", "xone", "andSequence"};

    jw_object(to->w);
    if (node->kind == ATOM) {
        write_atom(to, node);
    } else {
        key(to, names[node->kind]);
        write_nodes(to, node->children, node->n_children, node->kind == SEQUENCE);
    }
    jw_object_end(to->w);
}

static void write_named(const struct writing *to, const char *member, const struct named *named)
{
    if (named->id == NULL)
        return;
    if (!named->collection) {
        name(to, member, named->id);
        return;
    }
    key(to, member);
    jw_object(to->w);
    jw_kc(to->w, "@type",
          strcmp(member, "target") == 0 ? "odrl:AssetCollection" : "odrl:PartyCollection");
    jw_kc(to->w, "@id", named->id);
    jw_object_end(to->w);
}

static void write_action(const struct writing *to, enum policy_action action)
{
    name(to, "action", policy_action_iri(action));
}

static void write_duty(const struct writing *to, const struct duty *duty)
{
    jw_object(to->w);
    write_action(to, duty->action);
    write_named(to, "assignee", &duty->assignee);
    write_named(to, "target", &duty->target);
    if (duty->n_nodes > 0) {
        key(to, "constraint");
        write_nodes(to, duty->nodes, duty->n_nodes, false);
    }
    if (duty->consequence != POLICY_ACT__COUNT) {
        key(to, "consequence");
        jw_object(to->w);
        write_action(to, duty->consequence);
        jw_object_end(to->w);
    }
    jw_object_end(to->w);
}

static void write_restriction(const struct writing *to, enum restriction restriction)
{
    jw_object(to->w);
    name(to, "leftOperand", "cx-policy:UsageRestriction");
    name(to, "operator", (to->how & PREFIXED) != 0 ? "odrl:isAllOf" : "isAllOf");
    key(to, "rightOperand");
    jw_c(to->w,
         restriction == NO_CHANGE ? "cx.manipulation.forbidden:1" : "cx.thirdParty.forbidden:1");
    jw_object_end(to->w);
}

static void write_constraints(const struct writing *to, const struct rule *rule,
                              const struct node *extra)
{
    if (rule->n_nodes == 0 && extra == NULL && rule->restriction == NOT_RESTRICTED)
        return;
    key(to, "constraint");
    jw_array(to->w);
    for (int i = 0; i < rule->n_nodes; i++)
        write_node(to, rule->nodes[(to->how & BACKWARDS) != 0 ? rule->n_nodes - 1 - i : i]);
    if (rule->restriction != NOT_RESTRICTED)
        write_restriction(to, rule->restriction);
    if (extra != NULL)
        write_node(to, extra);
    jw_array_end(to->w);
}

static void write_rule(const struct writing *to, const struct rule *rule, const struct node *extra)
{
    jw_object(to->w);
    write_action(to, rule->action);
    write_named(to, "target", &rule->target);
    write_named(to, "assignee", &rule->assignee);
    write_constraints(to, rule, extra);
    if (rule->n_duties > 0) {
        key(to, "duty");
        jw_array(to->w);
        for (int i = 0; i < rule->n_duties; i++)
            write_duty(to, &rule->duties[(to->how & BACKWARDS) != 0 ? rule->n_duties - 1 - i : i]);
        jw_array_end(to->w);
    }
    jw_object_end(to->w);
}

static void write_rules(const struct writing *to, const char *list, const struct rule *rules, int n,
                        const struct node *extra)
{
    if (n == 0)
        return;
    key(to, list);
    jw_array(to->w);
    for (int twice = 0; twice <= ((to->how & TWICE) != 0); twice++) {
        for (int i = 0; i < n; i++)
            write_rule(to, &rules[(to->how & BACKWARDS) != 0 ? n - 1 - i : i], extra);
    }
    jw_array_end(to->w);
}

static void write_obligations(const struct writing *to, const struct policy_tree *tree)
{
    if (tree->n_obligations == 0)
        return;
    key(to, "obligation");
    jw_array(to->w);
    for (int i = 0; i < tree->n_obligations; i++) {
        const struct obligation *obligation = &tree->obligations[i];
        struct node node = obligation->node != NULL ? *obligation->node : (struct node){0};
        struct node *const nodes[] = {&node};

        jw_object(to->w);
        write_action(to, obligation->gate ? POLICY_ACT_USE : POLICY_ACT_DELETE);
        if (obligation->node != NULL) {
            key(to, "constraint");
            write_nodes(to, nodes, 1, false);
        }
        jw_object_end(to->w);
    }
    jw_array_end(to->w);
}

static void write_tree(const struct writing *to, const struct policy_tree *tree,
                       const struct node *extra)
{
    static const char *const conflicts[] = {"invalid", "perm", "prohibit"};

    jw_object(to->w);
    if (tree->timestamp_us != POLICY_NO_TIME) {
        jw_kc(to->w, "@type", "Agreement");
        name(to, "assigner", "p1");
        jw_kc(to->w, "timestamp", time_format(tree->timestamp_us).c);
    }
    write_named(to, "target", &tree->target);
    write_named(to, "assignee", &tree->assignee);
    if (tree->conflict != 0 || (to->how & TWICE) != 0)
        name(to, "conflict", conflicts[tree->conflict]);
    write_rules(to, "permission", tree->permissions, tree->n_permissions, extra);
    write_rules(to, "prohibition", tree->prohibitions, tree->n_prohibitions, NULL);
    write_obligations(to, tree);
    jw_object_end(to->w);
}

struct policy *help_tree_compile(const struct policy_tree *tree, const struct node *extra,
                                 unsigned how)
{
    AUTO(buf_done) struct buf text = buf_init(KIB(256));
    AUTO(jdoc_free) struct jdoc *doc = NULL;
    struct policy *policy = NULL;
    struct jw w = jw_init(&text);
    struct err err = {0};
    const struct writing to = {&w, how};

    write_tree(&to, tree, extra);
    ck_assert(jdoc_parse(buf_str(&text), &jlimits_default, &doc, &err) == 0);
    ck_assert_msg(policy_compile(jdoc_root(doc), &policy, &err) == 0, "%.*s: %s at %s",
                  STR_ARG(buf_str(&text)), err.text, err.at);
    return policy;
}

static void give_facts(struct arena *arena, const struct place_and_time *w,
                       struct policy_facts *facts)
{
    struct policy_performed *done = ARENA_ARRAY(arena, struct policy_performed, 3);

    memset(facts, 0, sizeof(*facts));
    for (unsigned i = 0; i < OPERANDS; i++) {
        struct policy_value *values = ARENA_ARRAY(arena, struct policy_value, 3);
        const struct fact *fact = &w->facts[i];

        for (int v = 0; v < fact->n_values; v++) {
            values[v].number = fact->values[v];
            values[v].text = str_c(help_operands[i].form == PLACE  ? help_places[fact->values[v]]
                                   : help_operands[i].form == TEXT ? texts[fact->values[v]]
                                                                   : NULL);
        }
        facts->of[help_operands[i].id] = (struct policy_fact){.knowledge = fact->knowledge,
                                                              .claimed = fact->claimed,
                                                              .age_us = fact->age_us,
                                                              .n_values = (size_t)fact->n_values,
                                                              .values = values};
    }
    for (int i = 0; i < w->n_done; i++)
        done[i] = (struct policy_performed){.action = w->done[i].action,
                                            .assignee = str_c(w->done[i].assignee),
                                            .target = str_c(w->done[i].target),
                                            .at_us = w->done[i].at_us,
                                            .violated = w->done[i].violated};
    facts->performed = done;
    facts->n_performed = (size_t)w->n_done;
    facts->performed_known = w->done_known;
}

void help_tree_ask(struct arena *arena, const struct policy *policy, const struct place_and_time *w,
                   struct policy_decision *ret_decision)
{
    const struct str target_in = STR("urn:group:t"), assignee_in = STR("urn:group:c");
    struct policy_facts facts;
    struct policy_question q = {.action = w->action,
                                .scope = w->scope,
                                .now_us = w->now_us,
                                .agreement_us = w->agreed_us,
                                .target = str_c(w->target),
                                .assignee = str_c(w->assignee),
                                .target_in = &target_in,
                                .assignee_in = &assignee_in,
                                .n_target_in = w->in_target_group,
                                .n_assignee_in = w->in_assignee_group,
                                .collections_known = w->groups_known,
                                .flags = w->flags};

    give_facts(arena, w, &facts);
    policy_decide(policy, &q, &facts, ret_decision);
}
