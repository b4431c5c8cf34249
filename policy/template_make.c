/*
 * policy/template_make.c - one policy of several clauses
 *
 * 1. Each clause's values are read, and its policy compiled by itself, so that a mistake is charged
 *    to its clause.
 * 2. The permission is to use; the conditions (and duties) of all clauses are its own. Prohibitions
 *    and obligations follow in the order of the clauses.
 * 3. A policy for Catena-X has CX-0152's profile, its operands only, and one condition at the top
 *    (version 1.2). Any other has Naru's profile if it has words of that; where it prohibits, a
 *    prohibition prevails.
 * 4. Refused: two values for one term of contract, and what policy_lint calls an error.
 */
#include "policy/template.h"

#include "lib/base/limits.h"
#include "policy/policy_private.h"
#include "policy/template_private.h"

#include "lib/base/banned.h"

#define CONTEXT      "https://w3id.org/dspace/2025/1/odrl-profile.jsonld"
#define PROFILE_CX   "https://w3id.org/catenax/2025/9/policy/"
#define PROFILE_NARU "urn:naru:profile:commercial:1"
#define JSON_MAX     MIB(1)

const char *const policy_dialect_names[POLICY_DIALECT__COUNT + 1] = {
    [POLICY_DIALECT_NARU] = "naru",
    [POLICY_DIALECT_CATENA_X] = "catena-x",
};

/* -- values ------------------------------------------------------------------------------------ */

static int at_parameter(struct err *err, struct str name)
{
    AUTO(buf_done) struct buf at = buf_init(sizeof(err->at));

    buf_add_c(&at, "/parameters/");
    jpointer_escape(&at, name);
    buf_add(&at, "", 1);
    return err_at_prefix(err, buf_failed(&at) ? "/parameters" : at.p);
}

static int not_known(const struct policy_template *template, struct str name, struct err *err)
{
    AUTO(buf_done) struct buf all = buf_init(200);

    for (size_t i = 0; i < template->parameters.n; i++) {
        buf_add_c(&all, i > 0 ? ", " : "");
        buf_add_str(&all, LIST_ITEMS(struct parameter, template->parameters)[i].name);
    }
    IGNORE(err_tell(err, E_INVALID, "", "'%.*s' has no parameter '%.*s'; it has %.*s",
                    STR_ARG(template->id), (int)(name.n > 60 ? 60 : name.n), name.p,
                    STR_ARG(all.n > 0 ? buf_str(&all) : STR("none"))),
           "with its place");
    return at_parameter(err, name);
}

static int take_arguments(const struct policy_template *template,
                          const struct policy_argument *arguments, size_t n,
                          const struct str_list *given[static POLICY_TEMPLATE_PARAMS],
                          struct err *err)
{
    for (size_t i = 0; i < n; i++) {
        const int index = policy__parameter_find(template, arguments[i].name);

        if (index < 0)
            return not_known(template, arguments[i].name, err);
        if (given[index] != NULL) {
            IGNORE(err_tell(err, E_INVALID, "", "is given twice"), "with its place");
            return at_parameter(err, arguments[i].name);
        }
        given[index] = &arguments[i].values;
    }
    return 0;
}

static int read_parameter(const struct policy_template *template, const struct parameter *p,
                          const struct str_list *given, struct arena *arena,
                          struct typed *ret_typed, struct err *err)
{
    struct str_list standard;

    if (given == NULL && p->standard == NULL) {
        if (p->optional)
            return 0;
        return err_tell(err, E_INVALID, "", "'%.*s' wants a value for '%.*s': %.*s (%s)",
                        STR_ARG(template->id), STR_ARG(p->name), STR_ARG(p->title->of[POLICY_EN]),
                        policy__parameter_types[p->type]);
    }
    if (given == NULL) {
        if (!policy__texts_of(p->standard, arena, &standard))
            return err_set(err, E_NO_MEMORY, "", "value");
        given = &standard;
    }
    return policy__typed(p, given, arena, ret_typed, err);
}

int policy__arguments(const struct policy_template *template,
                      const struct policy_argument *arguments, size_t n, struct arena *arena,
                      struct filled *ret_filled, struct err *err)
{
    const struct str_list *given[POLICY_TEMPLATE_PARAMS] = {NULL};

    *ret_filled = (struct filled){.template = template};
    if (take_arguments(template, arguments, n, given, err) < 0)
        return err_ret(err);
    for (size_t i = 0; i < template->parameters.n; i++) {
        const struct parameter *p = &LIST_ITEMS(struct parameter, template->parameters)[i];

        if (read_parameter(template, p, given[i], arena, &ret_filled->values[i], err) < 0)
            return at_parameter(err, p->name);
    }
    return 0;
}

/* -- composing --------------------------------------------------------------------------------- */

/* The elements of one array of all clauses, as JSON array; STR_NONE if there are none. */
static int gather(const struct filled *filled, size_t n, const char *pointer, struct arena *arena,
                  struct str *ret_array, struct err *err)
{
    AUTO(buf_done) struct buf part = buf_init(JSON_MAX);
    struct jw w = jw_init(&part);

    jw_array(&w);
    for (size_t i = 0; i < n; i++) {
        const struct jval *array = jval_pointer(filled[i].template->policy, str_c(pointer));

        if (policy__fill_elements(&filled[i], array, arena, &w, err) < 0)
            return err_ret(err);
    }
    jw_array_end(&w);
    if (buf_failed(&part))
        return err_tell(err, E_LIMIT, "", "the policy is too large");
    *ret_array = part.n > 2 ? arena_str(arena, buf_str(&part)) : STR_NONE;
    return arena_failed(arena) ? err_set(err, E_NO_MEMORY, "", "policy") : 0;
}

static void optional_member(struct jw *w, const char *key, struct str json)
{
    if (str_present(json))
        jw_kraw(w, key, json);
}

/* The parts of all clauses, side by side; STR_NONE: none. */
struct parts {
    struct str constraint, duty, prohibition, obligation;
};

static int gather_parts(const struct filled *filled, size_t n, struct arena *arena,
                        struct parts *ret, struct err *err)
{
    if (gather(filled, n, "/permission/constraint", arena, &ret->constraint, err) < 0 ||
        gather(filled, n, "/permission/duty", arena, &ret->duty, err) < 0 ||
        gather(filled, n, "/prohibition", arena, &ret->prohibition, err) < 0 ||
        gather(filled, n, "/obligation", arena, &ret->obligation, err) < 0)
        return err_ret(err);
    return 0;
}

static void write_permission(const struct parts *parts, enum policy_dialect dialect, struct jw *w)
{
    jw_key(w, "permission");
    jw_array(w);
    jw_object(w);
    jw_kc(w, "action", "use");
    if (dialect == POLICY_DIALECT_CATENA_X && str_present(parts->constraint)) {
        jw_key(w, "constraint");
        jw_array(w);
        jw_object(w);
        jw_kraw(w, "and", parts->constraint);
        jw_object_end(w);
        jw_array_end(w);
    } else {
        optional_member(w, "constraint", parts->constraint);
    }
    optional_member(w, "duty", parts->duty);
    jw_object_end(w);
    jw_array_end(w);
}

static int compose(const struct filled *filled, size_t n, enum policy_dialect dialect,
                   const char *profile, struct arena *arena, struct policy **ret_policy,
                   struct err *err)
{
    AUTO(buf_done) struct buf text = buf_init(JSON_MAX);
    AUTO(jdoc_free) struct jdoc *doc = NULL;
    struct jw w = jw_init(&text);
    struct parts parts = {0};

    if (gather_parts(filled, n, arena, &parts, err) < 0)
        return err_ret(err);
    jw_object(&w);
    jw_kc(&w, "@type", "Set");
    if (profile != NULL)
        jw_kc(&w, "profile", profile);
    if (dialect == POLICY_DIALECT_NARU && str_present(parts.prohibition))
        jw_kc(&w, "conflict", "prohibit");
    write_permission(&parts, dialect, &w);
    optional_member(&w, "prohibition", parts.prohibition);
    optional_member(&w, "obligation", parts.obligation);
    jw_object_end(&w);
    if (buf_failed(&text))
        return err_tell(err, E_LIMIT, "", "the policy is too large");
    if (jdoc_parse(buf_str(&text), &jlimits_default, &doc, err) < 0)
        return err_ret(err);
    return policy_compile(jdoc_root(doc), ret_policy, err);
}

/* -- whose words ------------------------------------------------------------------------------- */

/* Calls `fn` for each constraint that is no logical one; the first that is true is returned. */
static const struct node *find_atom(const struct node *node,
                                    bool (*fn)(const struct node *node, const void *cls),
                                    const void *cls)
{
    const struct node *found = NULL;

    if (node == NULL || node->kind == NODE_ATOM)
        return node != NULL && fn(node, cls) ? node : NULL;
    for (size_t i = 0; i < node->n_ordered && found == NULL; i++)
        found = find_atom(node->ordered[i], fn, cls);
    return found;
}

static bool is_naru(const struct node *node, const void *cls)
{
    (void)cls;
    return str_starts(policy__operands[node->operand].iri, STR(NARU));
}

static bool is_foreign(const struct node *node, const void *cls)
{
    (void)cls;
    return !str_starts(policy__operands[node->operand].iri, STR(CX));
}

static bool speaks_naru(const struct policy *policy)
{
    for (int l = 0; l < LIST__COUNT; l++) {
        for (size_t i = 0; i < policy->rules[l].n_ordered; i++) {
            const struct rule *rule = policy->rules[l].ordered[i];

            if (str_starts(policy__actions[rule->action].iri, STR(NARU)) ||
                find_atom(rule->constraint, is_naru, NULL) != NULL)
                return true;
        }
    }
    return false;
}

/* CX-0152 forbids constraints and actions that are not its own. */
static int check_catena_x(const struct policy *policy, struct err *err)
{
    for (int l = 0; l < LIST__COUNT; l++) {
        for (size_t i = 0; i < policy->rules[l].n_ordered; i++) {
            const struct rule *rule = policy->rules[l].ordered[i];
            const struct node *node = find_atom(rule->constraint, is_foreign, NULL);

            if (node != NULL)
                return err_tell(err, E_INVALID, "",
                                "a policy for Catena-X must not have '%s' (CX-0152)",
                                policy_operand_iri(node->operand));
            if (rule->action != POLICY_ACT_USE || rule->duties.n_ordered > 0)
                return err_tell(
                    err, E_INVALID, "", "a policy for Catena-X must not have '%s' (CX-0152)",
                    rule->action != POLICY_ACT_USE ? policy_action_iri(rule->action) : "duty");
        }
    }
    return 0;
}

int policy__compose(const struct filled *filled, size_t n, enum policy_dialect dialect,
                    struct arena *arena, struct policy **ret_policy, struct err *err)
{
    AUTO(policy_unref) struct policy *policy = NULL;
    const bool catena_x = dialect == POLICY_DIALECT_CATENA_X;

    if (compose(filled, n, dialect, catena_x ? PROFILE_CX : NULL, arena, &policy, err) < 0)
        return err_ret(err);
    if (catena_x && check_catena_x(policy, err) < 0)
        return err_ret(err);
    if (!catena_x && speaks_naru(policy)) {
        policy_unref(&policy);
        if (compose(filled, n, dialect, PROFILE_NARU, arena, &policy, err) < 0)
            return err_ret(err);
    }
    *ret_policy = MOVE(policy);
    return 0;
}

/* -- contradictions ---------------------------------------------------------------------------- */

static bool contradicts(const struct node *node, const void *cls)
{
    const struct node *other = cls;

    return node->operand == other->operand && node->op == POLICY_EQ &&
           !str_eq(node->sorted[0].canon, other->sorted[0].canon);
}

static bool is_single_term(const struct node *node)
{
    const struct operand_row *row = &policy__operands[node->operand];

    return row->meaning == MEANING_TERM && row->arity == ARITY_ONE && node->op == POLICY_EQ;
}

struct whole {
    const struct node *constraint;
};

/* A term with one value that has another one elsewhere. Terms hold whatever the world is, so that
 * policy_lint does not find this. */
static bool is_doubtful(const struct node *node, const void *cls)
{
    const struct whole *whole = cls;

    return is_single_term(node) && find_atom(whole->constraint, contradicts, node) != NULL;
}

static int check_terms(const struct policy *policy, struct err *err)
{
    const struct rule *rule = policy->rules[LIST_PERMISSION].ordered[0];
    const struct whole whole = {rule->constraint};
    const struct node *node = find_atom(rule->constraint, is_doubtful, &whole);
    const struct node *other = node != NULL ? find_atom(rule->constraint, contradicts, node) : NULL;

    if (node == NULL)
        return 0;
    return err_tell(err, E_INVALID, "", "the clauses contradict each other: '%s' is %.*s and %.*s",
                    policy_operand_text(node->operand, POLICY_EN), STR_ARG(node->required),
                    STR_ARG(other->required));
}

static int check_findings(const struct policy_findings *findings, struct err *err)
{
    for (size_t i = 0; i < findings->n; i++) {
        const struct policy_finding *finding = &findings->items[i];

        if (policy_lint_weight(finding->lint) == POLICY_LINT_ERROR)
            return err_tell(err, E_INVALID, "", "%s [%s]",
                            policy_lint_text(finding->lint, POLICY_EN),
                            policy_lint_slug(finding->lint));
    }
    return 0;
}

/* -- making ------------------------------------------------------------------------------------ */

struct making {
    const struct policy_templates *templates;
    const struct policy_clause *clauses;
    size_t n;
    struct filled *filled;
    struct arena *arena;
    struct err *err;
};

static int at_clause(struct making *m, size_t i, const char *member)
{
    IGNORE(err_at_prefix(m->err, member), "a longer path");
    return err_at_prefix(m->err, m->clauses[i].at);
}

static const struct filled *find_filled(const struct making *m, size_t n, struct str id)
{
    for (size_t i = 0; i < n; i++) {
        if (str_eq(m->filled[i].template->id, id))
            return &m->filled[i];
    }
    return NULL;
}

static int read_clause(struct making *m, size_t i)
{
    const struct policy_clause *clause = &m->clauses[i];
    const struct policy_template *template = policy_templates_find(m->templates, clause->template);

    if (template == NULL) {
        IGNORE(err_tell(m->err, E_NOT_FOUND, "", "there is no template '%.*s'",
                        (int)(clause->template.n > 60 ? 60 : clause->template.n),
                        clause->template.p),
               "with its place");
        return at_clause(m, i, "/id");
    }
    if (find_filled(m, i, template->id) != NULL) {
        IGNORE(err_tell(m->err, E_INVALID, "", "the template '%.*s' is there twice",
                        STR_ARG(template->id)),
               "with its place");
        return at_clause(m, i, "/id");
    }
    if (policy__arguments(template, clause->arguments, clause->n_arguments, m->arena, &m->filled[i],
                          m->err) < 0)
        return at_clause(m, i, "");
    return 0;
}

/* Catena-X if something asks for it: its own word, or a template that is for it only. */
static int choose_dialect(struct making *m, enum policy_dialect *dialect)
{
    if (*dialect == POLICY_DIALECT__COUNT) {
        *dialect = POLICY_DIALECT_NARU;
        for (size_t i = 0; i < m->n; i++) {
            if (!m->filled[i].template->fits[POLICY_DIALECT_NARU])
                *dialect = POLICY_DIALECT_CATENA_X;
        }
    }
    for (size_t i = 0; i < m->n; i++) {
        const struct policy_template *template = m->filled[i].template;

        if (template->fits[*dialect])
            continue;
        IGNORE(err_tell(m->err, E_INVALID, "",
                        *dialect == POLICY_DIALECT_CATENA_X
                            ? "the template '%.*s' has terms that CX-0152 does not know; it cannot "
                              "be part of a policy for Catena-X"
                            : "the template '%.*s' is for policies for Catena-X only",
                        STR_ARG(template->id)),
               "with its place");
        return at_clause(m, i, "/id");
    }
    return 0;
}

static int check_needs(struct making *m)
{
    for (size_t i = 0; i < m->n; i++) {
        const struct str_list *needs = &m->filled[i].template->needs;

        for (size_t k = 0; k < needs->n; k++) {
            if (find_filled(m, m->n, needs->items[k]) != NULL)
                continue;
            IGNORE(err_tell(m->err, E_INVALID, "", "'%.*s' needs the template '%.*s' beside it",
                            STR_ARG(m->filled[i].template->id), STR_ARG(needs->items[k])),
                   "with its place");
            return at_clause(m, i, "/id");
        }
    }
    return 0;
}

/* So that what the engine refuses is charged to its clause. */
static int try_each(struct making *m, enum policy_dialect dialect)
{
    for (size_t i = 0; i < m->n; i++) {
        AUTO(policy_unref) struct policy *policy = NULL;

        if (policy__compose(&m->filled[i], 1, dialect, m->arena, &policy, m->err) < 0) {
            m->err->at[0] = '\0'; /* a place in a document that nobody has seen */
            return at_clause(m, i, "/parameters");
        }
    }
    return 0;
}

static int write_made(struct making *m, struct policy_made *made)
{
    AUTO(buf_done) struct buf json = buf_init(JSON_MAX);
    struct jw w = jw_init(&json);

    jw_object(&w);
    jw_key(&w, "@context");
    jw_array(&w);
    jw_c(&w, CONTEXT);
    jw_array_end(&w);
    jw_kc(&w, "@type", policy_type_name(POLICY_SET));
    policy_write_rules(made->policy, POLICY_FORM_DSP, &w);
    jw_object_end(&w);
    made->json = buf_failed(&json) ? STR_NONE : arena_str(m->arena, buf_str(&json));
    for (int lang = 0; lang < POLICY_LANG__COUNT; lang++) {
        AUTO(buf_done) struct buf text = buf_init(JSON_MAX);

        for (size_t i = 0; i < m->n; i++) {
            buf_printf(&text, "%zu. %.*s: ", i + 1,
                       STR_ARG(m->filled[i].template->title->of[lang]));
            policy__fill_clause(&m->filled[i], (enum policy_lang)lang, &text);
            buf_add_char(&text, '\n');
        }
        made->clauses[lang] = buf_failed(&text) ? STR_NONE : arena_str(m->arena, buf_str(&text));
        if (!str_present(made->clauses[lang]) || !str_present(made->json))
            return err_set(m->err, E_NO_MEMORY, "", "policy");
    }
    return 0;
}

static int make(struct making *m, enum policy_dialect dialect, int64_t now_us,
                struct policy_made *made)
{
    for (size_t i = 0; i < m->n; i++) {
        if (read_clause(m, i) < 0)
            return err_ret(m->err);
    }
    made->dialect = dialect;
    if (choose_dialect(m, &made->dialect) < 0 || check_needs(m) < 0 ||
        try_each(m, made->dialect) < 0 ||
        policy__compose(m->filled, m->n, made->dialect, m->arena, &made->policy, m->err) < 0 ||
        check_terms(made->policy, m->err) < 0 ||
        policy_lint(made->policy, now_us, m->arena, &made->findings, m->err) < 0 ||
        check_findings(&made->findings, m->err) < 0)
        return err_ret(m->err);
    return write_made(m, made);
}

int policy_make(const struct policy_templates *templates, const struct policy_clause *clauses,
                size_t n_clauses, enum policy_dialect dialect, int64_t now_us, struct arena *arena,
                struct policy_made *ret_made, struct err *err)
{
    AUTO(policy_made_done) struct policy_made made = {0};
    struct making m = {templates, clauses, n_clauses, NULL, arena, err};

    if (n_clauses == 0 || n_clauses > POLICY_CLAUSES)
        return err_tell(err, E_INVALID, "", "expected 1 to %d templates", POLICY_CLAUSES);
    m.filled = ARENA_ARRAY(arena, struct filled, n_clauses);
    if (m.filled == NULL)
        return err_set(err, E_NO_MEMORY, "", "policy");
    if (make(&m, dialect, now_us, &made) < 0)
        return err_ret(err);
    *ret_made = made;
    made.policy = NULL;
    return 0;
}

void policy_made_done(struct policy_made *made)
{
    policy_unref(&made->policy);
}
