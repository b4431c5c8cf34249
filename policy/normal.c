/*
 * policy/normal.c - the normal form: canonical order and text, and the hashes
 *
 * 1. An atomic constraint is {"leftOperand":IRI,"operator":name,"rightOperand":[text…]}; values in
 * canonical text (value.c) and in the operand's own unit, sorted, each once; an amount has "unit",
 * its currency. A count of bytes or rows is the operand that it means.
 * 2. A logical constraint is {"and":[…]}, {"or":[…]}, {"xone":[…]} or {"andSequence":[…]}. Operands
 * are sorted by their text; of equal ones one stays, except under xone, where two make a
 * difference. andSequence keeps its order.
 * 3. A rule is atomic: {"action":IRI,"assignee","assigner","constraint":[…],"duty":[…],"target"};
 * absent or empty members are left out; "duty" is duty, remedy or consequence, whichever this kind of
 * rule has. A target or party equal to the policy's is left out, but not in a duty inside; a collection is {"collection":id}. A
 * refined action is {"refinement":[…],"value":IRI}, a refined collection has "refinement" beside.
 * 4. The rules are {"conflict","obligation":[…],"permission":[…],"prohibition":[…]}, sorted, each
 * once; conflict only if it is not the default. The policy adds "assignee", "assigner", "profile",
 * "target", "timestamp", "type". "@id" has no part in it.
 * 5. The text is RFC 8785 (members in order of their names); the hash is SHA-256.
 */
#include "policy/policy.h"

#include "lib/base/limits.h"
#include "lib/base/timefmt.h"
#include "lib/crypto/hash.h"
#include "policy/policy_private.h"

#include "lib/base/banned.h"

#define TEXT_MAX                                                                                   \
    MIB(8) /* LIMIT_POLICY_NODES values of LIMIT_ID bytes would be more; then E_LIMIT */

static_assert(POLICY_HASH_LEN == SHA256_LEN, "hash");

static int by_canon_value(const void *a, const void *b)
{
    return str_cmp(((const struct value *)a)->canon, ((const struct value *)b)->canon);
}

static int by_canon_node(const void *a, const void *b)
{
    return str_cmp((*(struct node *const *)a)->canon, (*(struct node *const *)b)->canon);
}

static int by_canon_rule(const void *a, const void *b)
{
    return str_cmp((*(struct rule *const *)a)->canon, (*(struct rule *const *)b)->canon);
}

static int by_str(const void *a, const void *b)
{
    return str_cmp(*(const struct str *)a, *(const struct str *)b);
}

/* Keeps the text that was written to `text`, or reports why there is none. */
static int keep(struct parse *ps, const struct buf *text, struct str *ret_text)
{
    if (buf_failed(text))
        return err_tell(ps->err, E_LIMIT, "", "policy is too large");
    *ret_text = arena_str(ps->arena, buf_str(text));
    return str_present(*ret_text) ? 0 : err_tell(ps->err, E_LIMIT, "", "policy is too large");
}

/* The right operand as written, for people; cut, for it may have thousands of values. */
static struct str required_text(struct arena *arena, const struct node *node)
{
    AUTO(buf_done) struct buf text = buf_init(KIB(4));
    size_t shown = 0;

    while (shown < node->n_values && shown < 8) {
        buf_add_c(&text, shown > 0 ? ", " : "");
        buf_add_str(&text, node->values[shown++].text);
    }
    if (shown < node->n_values)
        buf_add_c(&text, ", …");
    if (str_present(node->unit))
        buf_printf(&text, " %.*s", STR_ARG(node->unit));
    return arena_str(arena, buf_str(&text));
}

static int normalise_atom(struct parse *ps, struct node *node, struct jw *w)
{
    size_t n = 0;

    node->sorted = ARENA_ARRAY(ps->arena, struct value, node->n_values);
    if (node->sorted == NULL)
        return err_set(ps->err, E_NO_MEMORY, "", "policy");
    memcpy(node->sorted, node->values, node->n_values * sizeof(*node->values));
    qsort(node->sorted, node->n_values, sizeof(*node->sorted), by_canon_value);
    for (size_t i = 0; i < node->n_values; i++) {
        if (n == 0 || !str_eq(node->sorted[n - 1].canon, node->sorted[i].canon))
            node->sorted[n++] = node->sorted[i];
    }
    node->n_sorted = n;
    node->required = required_text(ps->arena, node);
    jw_object(w);
    jw_kstr(w, "leftOperand", policy__operands[node->operand].iri);
    jw_kc(w, "operator", policy_operator_name(node->op));
    jw_key(w, "rightOperand");
    jw_array(w);
    for (size_t i = 0; i < n; i++)
        jw_str(w, node->sorted[i].canon);
    jw_array_end(w);
    if (str_present(node->currency))
        jw_kstr(w, "unit", node->currency);
    jw_object_end(w);
    return 0;
}

static int normalise_node(struct parse *ps, struct node *node);

static int normalise_children(struct parse *ps, struct node *node)
{
    size_t n = 0, all = 0;

    if (node->size > 0) /* atomic rules share it */
        return 0;
    node->ordered = ARENA_ARRAY(ps->arena, struct node *, node->n_children);
    if (node->ordered == NULL)
        return err_set(ps->err, E_NO_MEMORY, "", "policy");
    node->size = 1;
    for (size_t i = 0; i < node->n_children; i++) {
        if (node->children[i]->absorbed)
            continue;
        if (normalise_node(ps, node->children[i]) < 0)
            return err_ret(ps->err);
        node->ordered[all++] = node->children[i];
        node->size += node->children[i]->size;
    }
    node->n_ordered = all;
    if (node->kind == NODE_SEQUENCE)
        return 0;
    qsort(node->ordered, all, sizeof(*node->ordered), by_canon_node);
    for (size_t i = 0; i < all && node->kind != NODE_XONE; i++) {
        if (n == 0 || !str_eq(node->ordered[n - 1]->canon, node->ordered[i]->canon))
            node->ordered[n++] = node->ordered[i];
        node->n_ordered = n;
    }
    return 0;
}

static void write_ordered(const struct node *node, struct jw *w)
{
    jw_array(w);
    for (size_t i = 0; i < node->n_ordered; i++)
        jw_raw(w, node->ordered[i]->canon);
    jw_array_end(w);
}

static int normalise_node(struct parse *ps, struct node *node)
{
    static const char *const names[] = {[NODE_AND] = "and",
                                        [NODE_OR] = "or",
                                        [NODE_XONE] = "xone",
                                        [NODE_SEQUENCE] = "andSequence"};
    AUTO(buf_done) struct buf text = buf_init(TEXT_MAX);
    struct jw w = jw_init(&text);

    if (node->kind == NODE_ATOM) {
        node->size = 1;
        if (normalise_atom(ps, node, &w) < 0)
            return err_ret(ps->err);
    } else {
        if (normalise_children(ps, node) < 0)
            return err_ret(ps->err);
        jw_object(&w);
        jw_key(&w, names[node->kind]);
        write_ordered(node, &w);
        jw_object_end(&w);
    }
    return keep(ps, &text, &node->canon);
}

static int normalise_list(struct parse *ps, struct rule_list *list);

static void write_list(const struct rule_list *list, const char *name, struct jw *w)
{
    if (list->n_ordered == 0)
        return;
    jw_key(w, name);
    jw_array(w);
    for (size_t i = 0; i < list->n_ordered; i++)
        jw_raw(w, list->ordered[i]->canon);
    jw_array_end(w);
}

static void write_refinement(struct jw *w, const struct node *refinement)
{
    if (refinement == NULL)
        return;
    jw_key(w, "refinement");
    write_ordered(refinement, w);
}

static void write_entity(struct jw *w, const char *key, const struct entity *entity)
{
    if (!str_present(entity->id))
        return;
    jw_key(w, key);
    if (entity->collection) {
        jw_object(w);
        jw_kstr(w, "collection", entity->id);
        write_refinement(w, entity->refinement);
        jw_object_end(w);
    } else {
        jw_str(w, entity->id);
    }
}

static int normalise_if(struct parse *ps, struct node *node)
{
    return node != NULL ? normalise_children(ps, node) : 0;
}

static bool same_conditions(const struct node *a, const struct node *b)
{
    if (a == NULL || b == NULL)
        return a == b;
    for (size_t i = 0; i < a->n_ordered && a->n_ordered == b->n_ordered; i++) {
        if (!str_eq(a->ordered[i]->canon, b->ordered[i]->canon))
            return false;
    }
    return a->n_ordered == b->n_ordered;
}

int policy__same_entity(struct parse *ps, const struct entity *a, const struct entity *b,
                        bool *ret_same)
{
    if (normalise_if(ps, a->refinement) < 0 || normalise_if(ps, b->refinement) < 0)
        return err_ret(ps->err);
    *ret_same = a->collection == b->collection && str_eq(a->id, b->id) &&
                same_conditions(a->refinement, b->refinement);
    return 0;
}

/*
 * A rule's own target and parties count only where they differ from the policy's. A duty inside a
 * rule keeps them: who is not named there is whoever acts, who need not be the policy's party.
 */
static int drop_repeated(struct parse *ps, struct rule *rule)
{
    const bool inside = rule->kind > RULE_OBLIGATION;
    struct entity *const own[] = {&rule->target, &rule->assigner, &rule->assignee};
    const struct entity *const common[] = {&ps->policy->target, &ps->policy->assigner,
                                           &ps->policy->assignee};

    for (size_t i = 0; i < ARRAY_LEN(own); i++) {
        bool same = false;

        if (policy__same_entity(ps, own[i], common[i], &same) < 0)
            return err_ret(ps->err);
        if (same && !inside)
            *own[i] = (struct entity){0};
    }
    return 0;
}

static void write_action(struct jw *w, const struct rule *rule)
{
    jw_key(w, "action");
    if (rule->refinement == NULL) {
        jw_str(w, policy__actions[rule->action].iri);
        return;
    }
    jw_object(w);
    write_refinement(w, rule->refinement);
    jw_kstr(w, "value", policy__actions[rule->action].iri);
    jw_object_end(w);
}

static int normalise_rule(struct parse *ps, struct rule *rule)
{
    AUTO(buf_done) struct buf text = buf_init(TEXT_MAX);
    struct jw w = jw_init(&text);

    if (str_present(rule->canon)) /* a duty of atomic rules that share it */
        return 0;
    if (normalise_list(ps, &rule->duties) < 0 || normalise_if(ps, rule->constraint) < 0 ||
        normalise_if(ps, rule->refinement) < 0 || drop_repeated(ps, rule) < 0)
        return err_ret(ps->err);
    jw_object(&w);
    write_action(&w, rule);
    write_entity(&w, "assignee", &rule->assignee);
    write_entity(&w, "assigner", &rule->assigner);
    if (rule->constraint != NULL && rule->constraint->n_ordered > 0) {
        jw_key(&w, "constraint");
        write_ordered(rule->constraint, &w);
    }
    write_list(&rule->duties, "duty", &w);
    write_entity(&w, "target", &rule->target);
    jw_object_end(&w);
    return keep(ps, &text, &rule->canon);
}

static int normalise_list(struct parse *ps, struct rule_list *list)
{
    size_t n = 0;

    list->ordered = ARENA_ARRAY(ps->arena, struct rule *, list->n_written);
    if (list->ordered == NULL)
        return err_set(ps->err, E_NO_MEMORY, "", "policy");
    for (size_t i = 0; i < list->n_written; i++) {
        if (normalise_rule(ps, list->written[i]) < 0)
            return err_ret(ps->err);
        list->ordered[i] = list->written[i];
    }
    qsort(list->ordered, list->n_written, sizeof(*list->ordered), by_canon_rule);
    for (size_t i = 0; i < list->n_written; i++) {
        if (n == 0 || !str_eq(list->ordered[n - 1]->canon, list->ordered[i]->canon))
            list->ordered[n++] = list->ordered[i];
    }
    list->n_ordered = n;
    return 0;
}

static void write_conflict(const struct policy *policy, struct jw *w)
{
    if (policy->conflict != CONFLICT_INVALID)
        jw_kc(w, "conflict", policy__conflict_names[policy->conflict]);
}

static int hash_rules(struct parse *ps)
{
    AUTO(buf_done) struct buf text = buf_init(TEXT_MAX);
    struct policy *policy = ps->policy;
    struct jw w = jw_init(&text);

    jw_object(&w);
    write_conflict(policy, &w);
    write_list(&policy->rules[LIST_OBLIGATION], "obligation", &w);
    write_list(&policy->rules[LIST_PERMISSION], "permission", &w);
    write_list(&policy->rules[LIST_PROHIBITION], "prohibition", &w);
    jw_object_end(&w);
    if (buf_failed(&text))
        return err_tell(ps->err, E_LIMIT, "", "policy is too large");
    sha256(text.p, text.n, policy->rules_hash);
    return 0;
}

static int hash_policy(struct parse *ps)
{
    AUTO(buf_done) struct buf text = buf_init(TEXT_MAX);
    struct policy *policy = ps->policy;
    struct jw w = jw_init(&text);

    jw_object(&w);
    write_entity(&w, "assignee", &policy->assignee);
    write_entity(&w, "assigner", &policy->assigner);
    write_conflict(policy, &w);
    write_list(&policy->rules[LIST_OBLIGATION], "obligation", &w);
    write_list(&policy->rules[LIST_PERMISSION], "permission", &w);
    if (policy->n_profiles > 0) {
        jw_key(&w, "profile");
        jw_array(&w);
        for (size_t i = 0; i < policy->n_profiles; i++)
            jw_str(&w, policy->profiles[i]);
        jw_array_end(&w);
    }
    write_list(&policy->rules[LIST_PROHIBITION], "prohibition", &w);
    write_entity(&w, "target", &policy->target);
    if (policy->timestamp_us != POLICY_NO_TIME)
        jw_kc(&w, "timestamp", time_format(policy->timestamp_us).c);
    jw_kc(&w, "type", policy_type_name(policy->type));
    jw_object_end(&w);
    if (buf_failed(&text))
        return err_tell(ps->err, E_LIMIT, "", "policy is too large");
    sha256(text.p, text.n, policy->hash);
    return 0;
}

int policy__normalise(struct parse *ps)
{
    struct policy *policy = ps->policy;
    size_t n = 0;
    int index = 0;

    for (int i = 0; i < LIST__COUNT; i++) {
        if (normalise_list(ps, &policy->rules[i]) < 0)
            return err_ret(ps->err);
        for (size_t r = 0; r < policy->rules[i].n_ordered; r++)
            policy->rules[i].ordered[r]->index = index++;
    }
    qsort(policy->profiles, policy->n_profiles, sizeof(*policy->profiles), by_str);
    for (size_t i = 0; i < policy->n_profiles; i++) {
        if (n == 0 || !str_eq(policy->profiles[n - 1], policy->profiles[i]))
            policy->profiles[n++] = policy->profiles[i];
    }
    policy->n_profiles = n;
    if (hash_rules(ps) < 0)
        return err_ret(ps->err);
    return hash_policy(ps);
}
