/*
 * policy/write.c - a compiled policy as JSON again, in the order and spelling in which it was read
 *
 * The DSP form follows the DSP 2025-1 contract schema: permission, prohibition, obligation, constraint and the logical operands are
 * arrays, right operands strings or arrays of strings (the schema refuses numbers). Terms that the DSP context does not
 * define are written with the prefix that it does define, so that a JSON-LD reader does not drop them.
 */
#include "policy/policy.h"

#include "lib/base/timefmt.h"
#include "policy/policy_private.h"

#include "lib/base/banned.h"

struct writer {
    struct jw *w;
    bool expanded;
};

static void write_key(const struct writer *o, const char *name)
{
    char iri[NAME_MAX_BYTES];

    if (!o->expanded) {
        jw_key(o->w, name);
        return;
    }
    (void)snprintf(iri, sizeof(iri), "%s%s", ODRL, name);
    jw_key(o->w, iri);
}

/* A member that the DSP context leaves out. */
static void write_prefixed_key(const struct writer *o, const char *name)
{
    char key[NAME_MAX_BYTES];

    (void)snprintf(key, sizeof(key), "%s%s", o->expanded ? ODRL : "odrl:", name);
    jw_key(o->w, key);
}

/* A name of the vocabulary: `bare` where the DSP context knows it, else with prefix. */
static void write_name(const struct writer *o, struct str iri, bool bare)
{
    struct str local = str_from(iri, sizeof(ODRL) - 1);
    char text[NAME_MAX_BYTES];

    if (o->expanded) {
        jw_array(o->w);
        jw_object(o->w);
        jw_kstr(o->w, "@id", iri);
        jw_object_end(o->w);
        jw_array_end(o->w);
    } else if (!str_starts(iri, STR(ODRL))) {
        jw_str(o->w, iri);
    } else if (bare) {
        jw_str(o->w, local);
    } else {
        (void)snprintf(text, sizeof(text), "odrl:%.*s", STR_ARG(local));
        jw_c(o->w, text);
    }
}

static void write_odrl(const struct writer *o, const char *name, bool bare)
{
    char iri[NAME_MAX_BYTES];

    (void)snprintf(iri, sizeof(iri), "%s%s", ODRL, name);
    write_name(o, str_c(iri), bare);
}

static void write_nodes(const struct writer *o, const struct node *node);

static void write_refinement(const struct writer *o, const struct node *refinement)
{
    write_prefixed_key(o, "refinement");
    write_nodes(o, refinement);
}

/* Without refinement it is named as it was read first; a refined one has no id of its own. */
static void write_collection(const struct writer *o, const char *name, const struct entity *entity)
{
    if (o->expanded)
        jw_array(o->w);
    jw_object(o->w);
    jw_kc(o->w, "@type",
          strcmp(name, "target") == 0 ? ODRL "AssetCollection" : ODRL "PartyCollection");
    if (entity->refinement == NULL) {
        jw_kstr(o->w, "@id", entity->id);
    } else {
        write_prefixed_key(o, "source");
        if (o->expanded)
            write_name(o, entity->id, false);
        else
            jw_str(o->w, entity->id);
        write_refinement(o, entity->refinement);
    }
    jw_object_end(o->w);
    if (o->expanded)
        jw_array_end(o->w);
}

/* A party or an asset. */
static void write_entity(const struct writer *o, const char *name, const struct entity *entity)
{
    if (!str_present(entity->id))
        return;
    write_key(o, name);
    if (entity->collection) {
        write_collection(o, name, entity);
    } else if (o->expanded) {
        write_name(o, entity->id, false);
    } else {
        jw_str(o->w, entity->id);
    }
}

static void write_expanded_value(const struct writer *o, const struct value *value)
{
    int64_t number;

    jw_object(o->w);
    if (value->tag == TAG_IRI) {
        jw_kstr(o->w, "@id", value->text);
    } else if (value->tag == TAG_INTEGER && str_to_i64(value->text, &number)) {
        jw_ki64(o->w, "@value", number);
    } else if (value->tag == TAG_BOOLEAN) {
        jw_kbool(o->w, "@value", value->first != 0);
    } else {
        jw_kstr(o->w, "@value", value->text);
    }
    if (str_present(value->datatype))
        jw_kstr(o->w, "@type", value->datatype);
    jw_object_end(o->w);
}

static void write_values(const struct writer *o, const struct node *node)
{
    bool array = o->expanded || node->op == POLICY_IS_ANY_OF || node->op == POLICY_IS_ALL_OF ||
                 node->op == POLICY_IS_NONE_OF;

    write_key(o, "rightOperand");
    if (array)
        jw_array(o->w);
    for (size_t i = 0; i < node->n_values; i++) {
        if (o->expanded)
            write_expanded_value(o, &node->values[i]);
        else
            jw_str(o->w, node->values[i].text);
    }
    if (array)
        jw_array_end(o->w);
}

static void write_unit(const struct writer *o, const struct node *node)
{
    const struct value unit = {.text = node->unit, .tag = TAG_STRING};

    if (!str_present(node->unit) || node->unit_beside)
        return;
    write_prefixed_key(o, "unit");
    if (o->expanded) {
        jw_array(o->w);
        write_expanded_value(o, &unit);
        jw_array_end(o->w);
    } else {
        jw_str(o->w, node->unit);
    }
}

static void write_node(const struct writer *o, const struct node *node);

static void write_nodes(const struct writer *o, const struct node *node)
{
    jw_array(o->w);
    for (size_t i = 0; i < node->n_children; i++)
        write_node(o, node->children[i]);
    jw_array_end(o->w);
}

static void write_node(const struct writer *o, const struct node *node)
{
    static const char *const names[] = {[NODE_AND] = "and",
                                        [NODE_OR] = "or",
                                        [NODE_XONE] = "xone",
                                        [NODE_SEQUENCE] = "andSequence"};

    jw_object(o->w);
    if (node->kind == NODE_ATOM) {
        write_key(o, "leftOperand");
        write_name(o, policy__operands[node->written].iri, false);
        write_key(o, "operator");
        write_odrl(o, policy_operator_name(node->op), true);
        write_values(o, node);
        write_unit(o, node);
    } else {
        write_key(o, names[node->kind]);
        write_nodes(o, node);
    }
    jw_object_end(o->w);
}

/* A refined action is a node of its own: it has a value, which the DSP context does not define. */
static void write_action(const struct writer *o, const struct rule *rule)
{
    const struct str iri = policy__actions[rule->action].iri;

    write_key(o, "action");
    if (rule->refinement == NULL) {
        write_name(o, iri, rule->action == POLICY_ACT_USE);
        return;
    }
    if (o->expanded)
        jw_array(o->w);
    jw_object(o->w);
    jw_key(o->w, RDF "value");
    jw_object(o->w);
    jw_kstr(o->w, "@id", iri);
    jw_object_end(o->w);
    write_refinement(o, rule->refinement);
    jw_object_end(o->w);
    if (o->expanded)
        jw_array_end(o->w);
}

static void write_rule(const struct writer *o, const struct rule *rule)
{
    static const char *const nested[] = {[RULE_PERMISSION] = "duty",
                                         [RULE_PROHIBITION] = "remedy",
                                         [RULE_OBLIGATION] = "consequence",
                                         [RULE_DUTY] = "consequence"};

    jw_object(o->w);
    write_action(o, rule);
    write_entity(o, "target", &rule->target);
    write_entity(o, "assigner", &rule->assigner);
    write_entity(o, "assignee", &rule->assignee);
    if (rule->constraint != NULL && rule->constraint->n_children > 0) {
        write_key(o, "constraint");
        write_nodes(o, rule->constraint);
    }
    if (rule->duties.n_written > 0) {
        write_prefixed_key(o, nested[rule->kind]);
        jw_array(o->w);
        for (size_t i = 0; i < rule->duties.n_written; i++)
            write_rule(o, rule->duties.written[i]);
        jw_array_end(o->w);
    }
    jw_object_end(o->w);
}

static void write_members(const struct writer *o, const struct policy *policy)
{
    if (policy->n_profiles > 0) {
        write_key(o, "profile");
        jw_array(o->w);
        for (size_t i = 0; i < policy->n_profiles; i++) {
            const struct value iri = {.text = policy->profiles[i], .tag = TAG_IRI};

            if (o->expanded)
                write_expanded_value(o, &iri);
            else
                jw_str(o->w, policy->profiles[i]);
        }
        jw_array_end(o->w);
    }
    if (policy->conflict != CONFLICT_INVALID) {
        write_prefixed_key(o, "conflict");
        write_odrl(o, policy__conflict_names[policy->conflict], false);
    }
    for (int i = 0; i < LIST__COUNT; i++) {
        if (policy->rules[i].n_written == 0)
            continue;
        write_key(o, policy__list_names[i]);
        jw_array(o->w);
        for (size_t r = 0; r < policy->rules[i].n_written; r++)
            write_rule(o, policy->rules[i].written[r]);
        jw_array_end(o->w);
    }
}

void policy_write_rules(const struct policy *policy, enum policy_form form, struct jw *w)
{
    const struct writer o = {.w = w, .expanded = form == POLICY_FORM_EXPANDED};

    write_members(&o, policy);
}

void policy_write(const struct policy *policy, enum policy_form form, struct jw *w)
{
    const struct writer o = {.w = w, .expanded = form == POLICY_FORM_EXPANDED};
    char type[NAME_MAX_BYTES];

    (void)snprintf(type, sizeof(type), "%s%s", o.expanded ? ODRL : "",
                   policy_type_name(policy->type));
    jw_object(w);
    jw_key(w, "@type");
    if (o.expanded)
        jw_array(w);
    jw_c(w, type);
    if (o.expanded)
        jw_array_end(w);
    if (str_present(policy->id))
        jw_kstr(w, "@id", policy->id);
    write_entity(&o, "target", &policy->target);
    write_entity(&o, "assigner", &policy->assigner);
    write_entity(&o, "assignee", &policy->assignee);
    if (policy->timestamp_us != POLICY_NO_TIME)
        jw_kc(w, o.expanded ? "https://w3id.org/dspace/2025/1/timestamp" : "timestamp",
              time_format(policy->timestamp_us).c);
    write_members(&o, policy);
    jw_object_end(w);
}
