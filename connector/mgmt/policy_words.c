/*
 * connector/mgmt/policy_words.c - /naru/v1/policies/…: explain, diff, lint, templates, make
 *
 * Questions that need no world but the policy itself. The answers are those of `naru policy …` with
 * --json (policy/answer.h).
 */
#include "connector/mgmt/policy_which.h"
#include "policy/answer.h"

#include "lib/base/banned.h"

/* clang-format off */
struct about {
    struct policy_which which;
};
static const struct field about_fields[] = {POLICY_WHICH_FIELDS(struct about)};
static OBJECT(about_object, struct about, about_fields, CLOSED);

struct diff {
    struct about *a, *b;
};
static const struct field diff_fields[] = {
    FIELD_SUB(struct diff, a, "a", F_REQUIRED, &about_object),
    FIELD_SUB(struct diff, b, "b", F_REQUIRED, &about_object),
};
static OBJECT(diff_object, struct diff, diff_fields, CLOSED);

struct clause {
    struct str id;
    const struct jval *parameters;
};
static const struct field clause_fields[] = {
    FIELD(struct clause, id,         "id",         F_REQUIRED | F_NONEMPTY),
    FIELD(struct clause, parameters, "parameters", 0),
};
static OBJECT(clause_object, struct clause, clause_fields, CLOSED);

struct make {
    struct list templates;
    int profile;
};
static const struct field make_fields[] = {
    FIELD_LIST(struct make, templates, "templates", F_REQUIRED | F_NONEMPTY, &clause_object),
    FIELD_ENUM(struct make, profile,   "profile",   0, policy_dialect_names),
};
static OBJECT(make_object, struct make, make_fields, CLOSED);

/* clang-format on */

/* -- explain, lint, diff ----------------------------------------------------------------------- */

static int read_about(struct rq *rq, struct policy **ret_policy, struct err *err)
{
    struct agreement ignored;
    struct about in = {0};

    if (rq_decode(rq, &about_object, &in, err) < 0)
        return err_ret(err);
    return mgmt__policy_which(rq, &in.which, ret_policy, &ignored, err);
}

int mgmt_policy_explain(struct rq *rq, struct err *err)
{
    AUTO(policy_unref) struct policy *policy = NULL;
    AUTO(buf_done) struct buf body = buf_init(POLICY_ANSWER_MAX);
    struct jw w = jw_init(&body);

    if (read_about(rq, &policy, err) < 0)
        return err_ret(err);
    jw_object(&w);
    policy_answer_explain(policy, &w);
    return mgmt__answer(rq, &w, err);
}

int mgmt_policy_lint(struct rq *rq, struct err *err)
{
    AUTO(policy_unref) struct policy *policy = NULL;
    AUTO(arena_free) struct arena *arena = arena_new(POLICY_ARENA_MAX);
    AUTO(buf_done) struct buf body = buf_init(POLICY_ANSWER_MAX);
    struct policy_findings findings;
    struct jw w = jw_init(&body);

    if (arena == NULL)
        return err_set(err, E_NO_MEMORY, "", "findings");
    if (read_about(rq, &policy, err) < 0 ||
        policy_lint(policy, env_wall_us(rq->env), arena, &findings, err) < 0)
        return err_ret(err);
    jw_object(&w);
    policy_answer_findings(policy, &findings, &w);
    return mgmt__answer(rq, &w, err);
}

static int read_side(struct rq *rq, const struct about *about, const char *at,
                     struct policy **ret_policy, struct err *err)
{
    struct agreement ignored;

    return mgmt__policy_which(rq, &about->which, ret_policy, &ignored, err) < 0
               ? err_at_prefix(err, at)
               : 0;
}

int mgmt_policy_diff(struct rq *rq, struct err *err)
{
    AUTO(policy_unref) struct policy *a = NULL;
    AUTO(policy_unref) struct policy *b = NULL;
    AUTO(arena_free) struct arena *arena = arena_new(POLICY_ARENA_MAX);
    AUTO(buf_done) struct buf body = buf_init(POLICY_ANSWER_MAX);
    struct policy_comparison comparison;
    struct jw w = jw_init(&body);
    struct diff in = {0};

    if (arena == NULL)
        return err_set(err, E_NO_MEMORY, "", "comparison");
    if (rq_decode(rq, &diff_object, &in, err) < 0 || read_side(rq, in.a, "/a", &a, err) < 0 ||
        read_side(rq, in.b, "/b", &b, err) < 0 ||
        policy_compare(a, b, env_wall_us(rq->env), arena, &comparison, err) < 0)
        return err_ret(err);
    jw_object(&w);
    policy_answer_comparison(a, b, &comparison, &w);
    return mgmt__answer(rq, &w, err);
}

/* -- templates --------------------------------------------------------------------------------- */

int mgmt_policy_templates(struct rq *rq, struct err *err)
{
    const struct app *app = rq->app;
    const struct policy_templates *templates = app->mgmt->templates;
    AUTO(buf_done) struct buf body = buf_init(POLICY_ANSWER_MAX);
    struct jw w = jw_init(&body);

    jw_object(&w);
    jw_key(&w, "templates");
    jw_array(&w);
    for (size_t i = 0; i < policy_templates_count(templates); i++)
        jw_val(&w, policy_template_document(policy_templates_at(templates, i)));
    jw_array_end(&w);
    return mgmt__answer(rq, &w, err);
}

int mgmt_policy_template(struct rq *rq, struct err *err)
{
    const struct app *app = rq->app;
    const struct str id = rq_param(rq, "id");
    const struct policy_template *template = policy_templates_find(app->mgmt->templates, id);
    AUTO(buf_done) struct buf body = buf_init(LIMIT_JSON_BYTES);

    if (template == NULL)
        return err_tell(err, E_NOT_FOUND, "", "there is no template '%.*s'", STR_ARG(id));
    jval_write(&body, policy_template_document(template));
    rq_reply_json(rq, 200, buf_str(&body));
    return 0;
}

/* -- make -------------------------------------------------------------------------------------- */

/* A scalar is one value, an array many; booleans and fractions are no values of any type. */
static int read_values(struct rq *rq, const struct jval *value, struct str_list *ret,
                       struct err *err)
{
    const bool array = jtype_of(value) == J_ARRAY;
    const size_t n = array ? jval_len(value) : 1;

    ret->items = ARENA_ARRAY(rq->arena, struct str, n);
    if (ret->items == NULL)
        return err_set(err, E_LIMIT, "", "memory of the request");
    for (size_t i = 0; i < n; i++) {
        const struct jval *item = array ? jval_at(value, i) : value;
        int64_t number;

        if (jtype_of(item) == J_STR)
            ret->items[i] = jval_str(item);
        else if (jval_i64(item, &number))
            ret->items[i] = arena_printf(rq->arena, "%lld", (long long)number);
        else
            return err_tell(err, E_INVALID, "",
                            "expected a text, a whole number, or an array of them; decimals are "
                            "written as texts");
    }
    ret->n = n;
    return 0;
}

static int at_member(struct err *err, const char *at, struct str name)
{
    AUTO(buf_done) struct buf path = buf_init(sizeof(err->at));

    buf_printf(&path, "%s/parameters/", at);
    jpointer_escape(&path, name);
    buf_add(&path, "", 1);
    return err_at_prefix(err, buf_failed(&path) ? at : path.p);
}

static int read_clause(struct rq *rq, const struct clause *in, size_t i,
                       struct policy_clause *ret_clause, struct err *err)
{
    const char *at = arena_cstr(rq->arena, arena_printf(rq->arena, "/templates/%zu", i));
    struct policy_argument *arguments =
        ARENA_ARRAY(rq->arena, struct policy_argument, jval_len(in->parameters));
    size_t n = 0;

    if (at == NULL || arguments == NULL)
        return err_set(err, E_LIMIT, "", "memory of the request");
    if (in->parameters != NULL && jtype_of(in->parameters) != J_OBJECT) {
        IGNORE(err_tell(err, E_INVALID, "/parameters", "expected an object"), "with its place");
        return err_at_prefix(err, at);
    }
    for (const struct jiter *it = jiter_first(in->parameters); it != NULL;
         it = jiter_next(in->parameters, it)) {
        arguments[n].name = jiter_key(it);
        if (read_values(rq, jiter_value(it), &arguments[n++].values, err) < 0)
            return at_member(err, at, jiter_key(it));
    }
    *ret_clause = (struct policy_clause){in->id, arguments, n, at};
    return 0;
}

int mgmt_policy_make(struct rq *rq, struct err *err)
{
    const struct app *app = rq->app;
    AUTO(arena_free) struct arena *arena = arena_new(POLICY_ARENA_MAX);
    AUTO(policy_made_done) struct policy_made made = {0};
    AUTO(buf_done) struct buf body = buf_init(POLICY_ANSWER_MAX);
    struct make in = {.profile = POLICY_DIALECT__COUNT};
    struct policy_clause clauses[POLICY_CLAUSES];
    struct jw w = jw_init(&body);

    if (arena == NULL)
        return err_set(err, E_NO_MEMORY, "", "policy");
    if (rq_decode(rq, &make_object, &in, err) < 0)
        return err_ret(err);
    if (in.templates.n > POLICY_CLAUSES)
        return err_tell(err, E_LIMIT, "/templates", "expected at most %d", POLICY_CLAUSES);
    for (size_t i = 0; i < in.templates.n; i++) {
        if (read_clause(rq, &LIST_ITEMS(struct clause, in.templates)[i], i, &clauses[i], err) < 0)
            return err_ret(err);
    }
    if (policy_make(app->mgmt->templates, clauses, in.templates.n, (enum policy_dialect)in.profile,
                    env_wall_us(rq->env), arena, &made, err) < 0)
        return err_ret(err);
    jw_object(&w);
    policy_answer_made(&made, &w);
    return mgmt__answer(rq, &w, err);
}
