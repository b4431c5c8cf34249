/*
 * policy/answer.c - answers about policies as JSON
 */
#include "policy/answer.h"

#include "lib/base/limits.h"
#include "lib/base/timefmt.h"
#include "lib/crypto/hash.h"
#include "policy/explain_private.h"

#include "lib/base/banned.h"

#define TEXT_MAX MIB(4)

/* clang-format off */
const char *const policy_scope_names[POLICY_AT__COUNT + 1] = {
    [POLICY_AT_CATALOGUE] = "catalogue", [POLICY_AT_NEGOTIATION] = "negotiation",
    [POLICY_AT_TRANSFER] = "transfer",   [POLICY_AT_ACCESS] = "access",
};
const char *const policy_peer_names[POLICY_PEER__COUNT + 1] = {
    [POLICY_PEER_EDC] = "edc", [POLICY_PEER_TRACTUSX] = "tractusx",
};
static const char *const langs[POLICY_LANG__COUNT] = {[POLICY_KO] = "ko", [POLICY_EN] = "en"};

/* clang-format on */

/* -- facts ------------------------------------------------------------------------------------- */

static int read_value(enum policy_operand operand, struct str text, struct policy_value *value,
                      struct err *err)
{
    value->text = text;
    if (policy_operand_type(operand) == POLICY_V_BOOLEAN) {
        value->number = str_eq(text, STR("true"));
        return value->number != 0 || str_eq(text, STR("false"))
                   ? 0
                   : err_tell(err, E_INVALID, "", "expected true or false, got '%.*s'",
                              STR_ARG(text));
    }
    if (policy_operand_type(operand) == POLICY_V_INTEGER && !str_to_i64(text, &value->number))
        return err_tell(err, E_INVALID, "", "'%.*s' is not a whole number", STR_ARG(text));
    return 0;
}

int policy_fact_read(struct str name, const struct str_list *values, struct arena *arena,
                     struct policy_facts *facts, struct err *err)
{
    static const struct policy_source source = {.kind = POLICY_FROM_QUESTION};
    struct policy_value *items = ARENA_ARRAY(arena, struct policy_value, values->n);
    enum policy_operand operand;

    if (items == NULL)
        return err_set(err, E_NO_MEMORY, "", "fact");
    if (!policy_operand_find(name, &operand))
        return err_tell(err, E_INVALID, "", "'%.*s' is no operand of a policy", STR_ARG(name));
    for (size_t i = 0; i < values->n; i++) {
        if (read_value(operand, values->items[i], &items[i], err) < 0)
            return err_ret(err);
    }
    facts->of[operand] = (struct policy_fact){
        .knowledge = values->n > 0 ? POLICY_KNOWN : POLICY_ABSENT,
        .n_values = values->n,
        .values = items,
        .source = &source,
    };
    return 0;
}

/* -- texts ------------------------------------------------------------------------------------- */

static void write_hash(const char *key, const struct policy *policy, struct jw *w)
{
    jw_kc(w, key, hash_hex(policy_hash(policy)).c);
}

typedef void tell_fn(const void *cls, enum policy_lang lang, struct buf *out);

static void write_texts(tell_fn *tell, const void *cls, struct jw *w)
{
    for (int lang = 0; lang < POLICY_LANG__COUNT; lang++) {
        AUTO(buf_done) struct buf text = buf_init(TEXT_MAX);

        tell(cls, (enum policy_lang)lang, &text);
        jw_kstr(w, langs[lang], buf_str(&text));
    }
}

static void tell_policy(const void *cls, enum policy_lang lang, struct buf *out)
{
    policy_explain(cls, lang, out);
}

/* -- explain ----------------------------------------------------------------------------------- */

static void write_need(const struct policy *policy, enum policy_operand operand, struct jw *w)
{
    bool any = false;

    for (int scope = 0; scope < POLICY_AT__COUNT; scope++) {
        if (!policy_needs_operand(policy_needs(policy, (enum policy_scope)scope), operand))
            continue;
        if (!any) {
            jw_object(w);
            jw_kc(w, "operand", policy_operand_iri(operand));
            for (int lang = 0; lang < POLICY_LANG__COUNT; lang++)
                jw_kc(w, langs[lang], policy_operand_text(operand, (enum policy_lang)lang));
            jw_key(w, "at");
            jw_array(w);
        }
        any = true;
        jw_c(w, policy_scope_names[scope]);
    }
    if (any) {
        jw_array_end(w);
        jw_object_end(w);
    }
}

static void tell_duty(const void *cls, enum policy_lang lang, struct buf *out)
{
    const struct rule *rule = cls;

    buf_add_c(out, policy_action_text(rule->action, lang));
    if (rule->constraint == NULL)
        return;
    buf_add_c(out, ": ");
    for (size_t i = 0; i < rule->constraint->n_ordered; i++) {
        buf_add_c(out, i > 0 ? "; " : "");
        policy__explain_node(out, lang, rule->constraint->ordered[i]);
        /* that ends its line */
        if (out->n > 0 && out->p[out->n - 1] == '\n')
            out->n--;
    }
}

static void write_duties_of(const struct rule_list *list, const char *kind, struct jw *w)
{
    for (size_t i = 0; i < list->n_ordered; i++) {
        const struct rule *rule = list->ordered[i];

        jw_object(w);
        jw_kc(w, "kind", kind);
        jw_kstr(w, "at", rule->at);
        jw_kc(w, "action", policy_action_iri(rule->action));
        write_texts(tell_duty, rule, w);
        jw_object_end(w);
    }
}

void policy_answer_explain(const struct policy *policy, struct jw *w)
{
    const struct rule_list *permissions = &policy->rules[LIST_PERMISSION];

    write_hash("hash", policy, w);
    jw_kc(w, "type", policy_type_name(policy_type(policy)));
    jw_key(w, "needs");
    jw_array(w);
    for (int operand = 0; operand < POLICY_OP__COUNT; operand++)
        write_need(policy, (enum policy_operand)operand, w);
    jw_array_end(w);
    jw_key(w, "duties");
    jw_array(w);
    for (size_t i = 0; i < permissions->n_ordered; i++)
        write_duties_of(&permissions->ordered[i]->duties, "duty", w);
    write_duties_of(&policy->rules[LIST_OBLIGATION], "obligation", w);
    jw_array_end(w);
    write_texts(tell_policy, policy, w);
}

/* -- lint -------------------------------------------------------------------------------------- */

static void write_findings(const struct policy_findings *findings, struct jw *w)
{
    jw_key(w, "findings");
    jw_array(w);
    for (size_t i = 0; i < findings->n; i++) {
        const struct policy_finding *finding = &findings->items[i];
        const bool error = policy_lint_weight(finding->lint) == POLICY_LINT_ERROR;

        jw_object(w);
        jw_kc(w, "code", policy_lint_slug(finding->lint));
        jw_kc(w, "weight", error ? "error" : "warning");
        jw_kstr(w, "at", finding->at);
        for (int lang = 0; lang < POLICY_LANG__COUNT; lang++)
            jw_kc(w, langs[lang], policy_lint_text(finding->lint, (enum policy_lang)lang));
        jw_object_end(w);
    }
    jw_array_end(w);
    jw_kbool(w, "more", findings->more);
}

void policy_answer_findings(const struct policy *policy, const struct policy_findings *findings,
                            struct jw *w)
{
    write_hash("hash", policy, w);
    write_findings(findings, w);
}

/* -- diff -------------------------------------------------------------------------------------- */

struct compared {
    const struct policy *a, *b;
    const struct policy_comparison *comparison;
};

static void tell_comparison(const void *cls, enum policy_lang lang, struct buf *out)
{
    const struct compared *c = cls;

    policy_explain_difference(c->a, c->b, lang, out);
    policy_explain_comparison(c->a, c->b, c->comparison, lang, out);
}

static void tell_world(const void *cls, enum policy_lang lang, struct buf *out)
{
    policy_explain_world(cls, lang, out);
}

void policy_answer_comparison(const struct policy *a, const struct policy *b,
                              const struct policy_comparison *comparison, struct jw *w)
{
    static const char *const only[] = {"onlyA", "onlyB"};
    const struct compared compared = {a, b, comparison};

    write_hash("hashA", a, w);
    write_hash("hashB", b, w);
    jw_kc(w, "relation", policy_relation_slug(comparison->relation));
    jw_kbool(w, "complete", comparison->complete);
    jw_key(w, "witnesses");
    jw_object(w);
    for (size_t i = 0; i < ARRAY_LEN(only); i++) {
        if (comparison->only[i] == NULL)
            continue;
        jw_key(w, only[i]);
        jw_object(w);
        write_texts(tell_world, comparison->only[i], w);
        jw_object_end(w);
    }
    jw_object_end(w);
    write_texts(tell_comparison, &compared, w);
}

/* -- decision ---------------------------------------------------------------------------------- */

static void write_causes(const struct policy_decision *decision, struct jw *w)
{
    jw_key(w, "causes");
    jw_array(w);
    for (unsigned i = 0; i < decision->n_causes; i++) {
        const struct policy_cause *cause = &decision->causes[i];

        jw_object(w);
        jw_kc(w, "code", policy_why_slug(cause->why));
        jw_kstr(w, "at", cause->at);
        if (cause->operand != POLICY_OP__COUNT) {
            jw_kc(w, "operand", policy_operand_iri(cause->operand));
            jw_kstr(w, "required", cause->required);
        }
        if (cause->seen[0] != '\0')
            jw_kc(w, "seen", cause->seen);
        policy_answer_sources(cause->source, w);
        jw_object_end(w);
    }
    jw_array_end(w);
}

static void write_duties(const struct policy_decision *decision, struct jw *w)
{
    static const char *const states[] = {
        [POLICY_DUTY_OUTSTANDING] = "outstanding",
        [POLICY_DUTY_FULFILLED] = "fulfilled",
        [POLICY_DUTY_VIOLATED] = "overdue",
    };

    jw_key(w, "duties");
    jw_array(w);
    for (unsigned i = 0; i < decision->n_duties; i++) {
        const struct policy_duty *duty = &decision->duties[i];

        jw_object(w);
        jw_kstr(w, "at", duty->at);
        jw_kc(w, "action", policy_action_iri(duty->action));
        jw_kc(w, "state", states[duty->state]);
        jw_kbool(w, "before", duty->before);
        jw_kc(w, "of", duty->of_assigner ? "provider" : "recipient");
        if (duty->deadline_us != POLICY_FOREVER)
            jw_kc(w, "deadline", time_format(duty->deadline_us).c);
        jw_object_end(w);
    }
    jw_array_end(w);
}

static void write_peer(const struct policy_asked *asked, struct jw *w)
{
    const struct policy_peer_opinion *opinion = asked->opinion;

    jw_key(w, "peer");
    jw_object(w);
    jw_kc(w, "name", policy_peer_names[asked->peer]);
    jw_kc(w, "verdict", opinion->verdict == POLICY_PERMIT ? "permit" : "deny");
    jw_key(w, "differences");
    jw_array(w);
    for (unsigned i = 0; i < opinion->n; i++) {
        jw_object(w);
        jw_kc(w, "code", policy_peer_slug(opinion->differences[i].why));
        jw_kstr(w, "at", opinion->differences[i].at);
        jw_object_end(w);
    }
    jw_array_end(w);
    jw_object_end(w);
}

static void tell_decision(const void *cls, enum policy_lang lang, struct buf *out)
{
    const struct policy_asked *asked = cls;

    policy_explain_decision(asked->policy, asked->decision, lang, out);
    if (asked->opinion != NULL)
        policy_explain_peer(asked->opinion, lang, out);
}

static void tell_trace(const void *cls, enum policy_lang lang, struct buf *out)
{
    policy_trace_text(cls, lang, POLICY_MARKS_SIGNS, out);
}

void policy_answer_decision(const struct policy_asked *asked, struct jw *w)
{
    const struct policy_decision *decision = asked->decision;

    write_hash("hash", asked->policy, w);
    jw_kc(w, "verdict", decision->verdict == POLICY_PERMIT ? "permit" : "deny");
    if (decision->valid_until_us != POLICY_FOREVER)
        jw_kc(w, "until", time_format(decision->valid_until_us).c);
    write_causes(decision, w);
    write_duties(decision, w);
    if (asked->trace != NULL) {
        jw_key(w, "trace");
        policy_trace_write(asked->trace, w);
        jw_key(w, "tree");
        jw_object(w);
        write_texts(tell_trace, asked->trace, w);
        jw_object_end(w);
    }
    if (asked->opinion != NULL)
        write_peer(asked, w);
    write_texts(tell_decision, asked, w);
}

/* -- made policies ----------------------------------------------------------------------------- */

void policy_answer_made(const struct policy_made *made, struct jw *w)
{
    jw_kraw(w, "policy", made->json);
    write_hash("hash", made->policy, w);
    jw_kc(w, "profile", policy_dialect_names[made->dialect]);
    jw_key(w, "clauses");
    jw_object(w);
    for (int lang = 0; lang < POLICY_LANG__COUNT; lang++)
        jw_kstr(w, langs[lang], made->clauses[lang]);
    jw_object_end(w);
    write_findings(&made->findings, w);
    write_texts(tell_policy, made->policy, w);
}
