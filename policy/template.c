/*
 * policy/template.c - sets of templates: reading and checking one, finding it
 *
 * A template is checked as a whole when it is added, so that making a policy of it can fail for the
 * values only: names, types and bounds of parameters, placeholders (template_fill.c), and that its
 * policy compiles with the values that it brings along.
 */
#include "policy/template.h"

#include "lib/base/limits.h"
#include "policy/template_private.h"

#include "lib/base/banned.h"

#define NAME_MAX_CHARS 64
#define SET_ARENA      MIB(16)
#define TRY_ARENA      MIB(4)

/* clang-format off */
static const struct field words_fields[] = {
    FIELD(struct words, of[POLICY_KO], "ko", F_REQUIRED | F_NONEMPTY),
    FIELD(struct words, of[POLICY_EN], "en", F_REQUIRED | F_NONEMPTY),
};
static OBJECT(words_object, struct words, words_fields, CLOSED);
static const struct field choice_fields[] = {
    FIELD(struct choice, value,           "value", F_REQUIRED | F_NONEMPTY),
    FIELD(struct choice, text[POLICY_KO], "ko",    F_REQUIRED | F_NONEMPTY),
    FIELD(struct choice, text[POLICY_EN], "en",    F_REQUIRED | F_NONEMPTY),
};
static OBJECT(choice_object, struct choice, choice_fields, CLOSED);
static const struct field parameter_fields[] = {
    FIELD(struct parameter, name,      "name",     F_REQUIRED),
    FIELD_ENUM(struct parameter, type, "type",     F_REQUIRED, policy__parameter_types),
    FIELD_ENUM(struct parameter, of,   "of",       0,          policy__parameter_types),
    FIELD_SUB(struct parameter, title, "title",    F_REQUIRED, &words_object),
    FIELD(struct parameter, optional,  "optional", 0),
    FIELD(struct parameter, min,       "min",      0),
    FIELD(struct parameter, max,       "max",      0),
    FIELD(struct parameter, standard,  "default",  0),
    FIELD(struct parameter, example,   "example",  0),
    FIELD_LIST(struct parameter, choices, "choices", 0, &choice_object),
};
static OBJECT(parameter_object, struct parameter, parameter_fields, CLOSED);
static const struct field sentence_fields[] = {
    FIELD(struct sentence, when,            "when", 0),
    FIELD(struct sentence, text[POLICY_KO], "ko",   F_REQUIRED | F_NONEMPTY),
    FIELD(struct sentence, text[POLICY_EN], "en",   F_REQUIRED | F_NONEMPTY),
};
static OBJECT(sentence_object, struct sentence, sentence_fields, CLOSED);
static const struct field template_fields[] = {
    FIELD(struct policy_template, id,              "id",          F_REQUIRED),
    FIELD(struct policy_template, version,         "version",     F_REQUIRED | F_NONEMPTY),
    FIELD(struct policy_template, profiles,        "profiles",    F_REQUIRED | F_NONEMPTY),
    FIELD_SUB(struct policy_template, title,       "title",       F_REQUIRED, &words_object),
    FIELD_SUB(struct policy_template, description, "description", F_REQUIRED, &words_object),
    FIELD(struct policy_template, needs,           "needs",       0),
    FIELD_LIST(struct policy_template, parameters, "parameters",  0, &parameter_object),
    FIELD_LIST(struct policy_template, clause,     "clause",      F_REQUIRED | F_NONEMPTY, &sentence_object),
    FIELD(struct policy_template, policy,          "policy",      F_REQUIRED),
};
/* clang-format on */
static OBJECT(template_object, struct policy_template, template_fields, CLOSED);

struct policy_templates {
    struct arena *arena; /* owned: the templates, and this struct too */
    size_t n;
    const struct policy_template *items[POLICY_TEMPLATES];
    struct jdoc *docs[POLICY_TEMPLATES]; /* owned: what they point into */
};

/* -- checking ---------------------------------------------------------------------------------- */

static int at_index(struct err *err, const char *list, size_t i)
{
    char prefix[48];

    (void)snprintf(prefix, sizeof(prefix), "%s/%zu", list, i);
    return err_at_prefix(err, prefix);
}

/* A small letter, then small letters, digits and `more`. */
static bool is_name(struct str name, char more)
{
    if (name.n == 0 || name.n > NAME_MAX_CHARS || name.p[0] < 'a' || name.p[0] > 'z')
        return false;
    for (size_t i = 1; i < name.n; i++) {
        const char c = name.p[i];

        if (!(c >= 'a' && c <= 'z') && !(c >= '0' && c <= '9') && c != more)
            return false;
    }
    return true;
}

static int check_value(const struct parameter *p, const struct jval *value, const char *member,
                       struct arena *arena, struct err *err)
{
    struct str_list texts;
    struct typed typed;

    if (value == NULL)
        return 0;
    if ((jtype_of(value) == J_ARRAY) != (p->type == PARAMETER_LIST) ||
        !policy__texts_of(value, arena, &texts)) {
        if (arena_failed(arena))
            return err_set(err, E_NO_MEMORY, "", "template");
        return err_tell(err, E_INVALID, member,
                        p->type == PARAMETER_LIST ? "expected an array of texts or whole numbers"
                                                  : "expected a text or a whole number");
    }
    if (policy__typed(p, &texts, arena, &typed, err) < 0)
        return err_at_prefix(err, member);
    return 0;
}

/* A bound is a value of the type; of strings, IRIs and lists it is a number. */
static int check_bound(const struct parameter *p, const struct jval *bound, const char *member,
                       struct arena *arena, struct err *err)
{
    const bool counted =
        p->type == PARAMETER_LIST || p->type == PARAMETER_STRING || p->type == PARAMETER_IRI;
    struct parameter free = *p;
    int64_t n;

    if (bound == NULL)
        return 0;
    if (p->type == PARAMETER_ENUM || p->type == PARAMETER_PLACE)
        return err_tell(err, E_INVALID, member, "this type has no bounds");
    if (counted)
        return jval_i64(bound, &n) && n >= 0
                   ? 0
                   : err_tell(err, E_INVALID, member, "expected a number of characters or values");
    free.min = NULL;
    free.max = NULL;
    return check_value(&free, bound, member, arena, err);
}

static int check_types(const struct parameter *p, struct err *err)
{
    const bool choices =
        p->type == PARAMETER_ENUM || (p->type == PARAMETER_LIST && p->of == PARAMETER_ENUM);

    if (!is_name(p->name, '_'))
        return err_tell(err, E_INVALID, "/name",
                        "expected small letters, digits and '_', a letter first");
    if (p->type == PARAMETER_LIST && p->of == PARAMETER_LIST)
        return err_tell(err, E_INVALID, "/of", "a list of lists is not possible");
    if (p->type != PARAMETER_LIST && p->of != PARAMETER_STRING)
        return err_tell(err, E_INVALID, "/of", "only a list has it");
    if (choices != (p->choices.n > 0))
        return err_tell(err, E_INVALID, "/choices",
                        choices ? "an enum wants choices" : "only an enum has choices");
    if (p->standard != NULL && (p->optional || p->example != NULL))
        return err_tell(err, E_INVALID, "/default",
                        "a parameter with a default is neither optional nor wants an example");
    if (p->standard == NULL && p->example == NULL)
        return err_tell(err, E_INVALID, "/example", "expected a default or an example");
    return 0;
}

static int check_parameter(const struct policy_template *t, size_t i, struct arena *arena,
                           struct err *err)
{
    const struct parameter *p = &LIST_ITEMS(struct parameter, t->parameters)[i];

    if (check_types(p, err) < 0 || check_bound(p, p->min, "/min", arena, err) < 0 ||
        check_bound(p, p->max, "/max", arena, err) < 0 ||
        check_value(p, p->standard, "/default", arena, err) < 0 ||
        check_value(p, p->example, "/example", arena, err) < 0)
        return at_index(err, "/parameters", i);
    if (policy__parameter_find(t, p->name) != (int)i) {
        IGNORE(err_tell(err, E_INVALID, "/name", "there is another parameter of this name"),
               "with its place");
        return at_index(err, "/parameters", i);
    }
    return 0;
}

static int check_profiles(struct policy_template *t, struct err *err)
{
    for (size_t i = 0; i < t->profiles.n; i++) {
        int dialect = 0;

        while (dialect < POLICY_DIALECT__COUNT &&
               !str_eq_c(t->profiles.items[i], policy_dialect_names[dialect]))
            dialect++;
        if (dialect == POLICY_DIALECT__COUNT) {
            IGNORE(err_tell(err, E_INVALID, "", "expected naru or catena-x"), "with its place");
            return at_index(err, "/profiles", i);
        }
        t->fits[dialect] = true;
    }
    return 0;
}

/* The parts that template_make.c knows where to put. */
static int check_shape(const struct policy_template *t, struct err *err)
{
    static const char *const arrays[] = {"/permission/constraint", "/permission/duty",
                                         "/prohibition", "/obligation"};
    const struct jval *permission = jval_get(t->policy, "permission");
    size_t members = 0, inner = 0;

    for (size_t i = 0; i < ARRAY_LEN(arrays); i++) {
        const struct jval *part = jval_pointer(t->policy, str_c(arrays[i]));

        if (part != NULL && (jtype_of(part) != J_ARRAY || jval_len(part) == 0)) {
            IGNORE(err_tell(err, E_INVALID, arrays[i], "expected an array"), "with its place");
            return err_at_prefix(err, "/policy");
        }
        inner += part != NULL && i < 2;
        members += part != NULL && i >= 2;
    }
    members += permission != NULL;
    if (jtype_of(t->policy) != J_OBJECT || members == 0 || jval_len(t->policy) != members ||
        (permission != NULL && (inner == 0 || jval_len(permission) != inner)))
        return err_tell(err, E_INVALID, "/policy",
                        "expected permission {constraint, duty}, prohibition and obligation only");
    return 0;
}

/* With defaults and examples, in each of its dialects. */
static int try_values(const struct policy_template *t, bool with_optional, struct arena *arena,
                      struct err *err)
{
    struct policy_argument arguments[POLICY_TEMPLATE_PARAMS];
    struct filled filled;
    size_t n = 0;

    for (size_t i = 0; i < t->parameters.n; i++) {
        const struct parameter *p = &LIST_ITEMS(struct parameter, t->parameters)[i];

        if (p->example == NULL || (p->optional && !with_optional))
            continue;
        arguments[n].name = p->name;
        if (!policy__texts_of(p->example, arena, &arguments[n++].values))
            return err_set(err, E_NO_MEMORY, "", "template");
    }
    if (policy__arguments(t, arguments, n, arena, &filled, err) < 0)
        return err_ret(err);
    for (int dialect = 0; dialect < POLICY_DIALECT__COUNT; dialect++) {
        AUTO(policy_unref) struct policy *policy = NULL;

        if (t->fits[dialect] &&
            policy__compose(&filled, 1, (enum policy_dialect)dialect, arena, &policy, err) < 0)
            return err_at_prefix(err, "/policy");
    }
    return 0;
}

static int check_template(struct policy_template *t, struct err *err)
{
    AUTO(arena_free) struct arena *arena = arena_new(TRY_ARENA);

    if (arena == NULL)
        return err_set(err, E_NO_MEMORY, "", "template");
    if (!is_name(t->id, '-'))
        return err_tell(err, E_INVALID, "/id",
                        "expected small letters, digits and '-', a letter first");
    if (t->parameters.n > POLICY_TEMPLATE_PARAMS)
        return err_tell(err, E_LIMIT, "/parameters", "expected at most %d", POLICY_TEMPLATE_PARAMS);
    for (size_t i = 0; i < t->parameters.n; i++) {
        if (check_parameter(t, i, arena, err) < 0)
            return err_ret(err);
    }
    if (check_profiles(t, err) < 0 || check_shape(t, err) < 0 || policy__check_parts(t, err) < 0)
        return err_ret(err);
    if (try_values(t, true, arena, err) < 0)
        return err_ret(err);
    return try_values(t, false, arena, err);
}

/* -- sets -------------------------------------------------------------------------------------- */

static int add(struct policy_templates *set, struct jdoc **doc, struct err *err)
{
    struct policy_template *t = ARENA_NEW(set->arena, struct policy_template);

    if (t == NULL)
        return err_set(err, E_LIMIT, "", "templates take too much memory");
    if (set->n == POLICY_TEMPLATES)
        return err_tell(err, E_LIMIT, "", "expected at most %d templates", POLICY_TEMPLATES);
    t->document = jdoc_root(*doc);
    if (object_decode(&template_object, t->document, set->arena, t, err) < 0 ||
        check_template(t, err) < 0)
        return err_ret(err);
    if (policy_templates_find(set, t->id) != NULL)
        return err_tell(err, E_CONFLICT, "/id", "there is another template '%.*s'", STR_ARG(t->id));
    set->docs[set->n] = MOVE(*doc);
    set->items[set->n++] = t;
    return 0;
}

int policy_templates_add(struct policy_templates *templates, struct str text, struct err *err)
{
    AUTO(jdoc_free) struct jdoc *doc = NULL;

    if (jdoc_parse(text, &jlimits_default, &doc, err) < 0)
        return err_ret(err);
    return add(templates, &doc, err);
}

int policy_templates_new(struct policy_templates **ret_templates, struct err *err)
{
    AUTO(arena_free) struct arena *arena = arena_new(SET_ARENA);
    AUTO(policy_templates_free) struct policy_templates *set = NULL;

    set = arena != NULL ? ARENA_NEW(arena, struct policy_templates) : NULL;
    if (set == NULL)
        return err_set(err, E_NO_MEMORY, "", "templates");
    set->arena = MOVE(arena);
    for (size_t i = 0; str_present(policy__template_text(i)); i++) {
        if (policy_templates_add(set, policy__template_text(i), err) < 0)
            return err_prefix(err, "built-in template %zu", i);
    }
    *ret_templates = MOVE(set);
    return 0;
}

void policy_templates_free(struct policy_templates **templates)
{
    struct policy_templates *set = MOVE(*templates);

    if (set == NULL)
        return;
    for (size_t i = 0; i < set->n; i++)
        jdoc_free(&set->docs[i]);
    struct arena *arena = set->arena;

    arena_free(&arena);
}

size_t policy_templates_count(const struct policy_templates *templates)
{
    return templates->n;
}

const struct policy_template *policy_templates_at(const struct policy_templates *templates,
                                                  size_t i)
{
    return templates->items[i];
}

const struct policy_template *policy_templates_find(const struct policy_templates *templates,
                                                    struct str id)
{
    for (size_t i = 0; i < templates->n; i++) {
        if (str_eq(templates->items[i]->id, id))
            return templates->items[i];
    }
    return NULL;
}

/* -- one template ------------------------------------------------------------------------------ */

struct str policy_template_id(const struct policy_template *template)
{
    return template->id;
}

struct str policy_template_title(const struct policy_template *template, enum policy_lang lang)
{
    return template->title->of[lang];
}

bool policy_template_fits(const struct policy_template *template, enum policy_dialect dialect)
{
    return template->fits[dialect];
}

const struct jval *policy_template_document(const struct policy_template *template)
{
    return template->document;
}
