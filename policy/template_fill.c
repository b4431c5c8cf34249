/*
 * policy/template_fill.c - values in the place of placeholders
 *
 * 1. In the policy a placeholder is an object that stands where the value will stand:
 *    {"$parameter": NAME[, "plus": NAME][, "as": "days"]}. "plus" adds an integer, days to a date
 *    or time. "as": "days" writes an integer as a duration of so many days.
 * 2. An object in an array may have "$when": {NAME: true}, it stays if that parameter was given;
 *    {NAME: [VALUE…]}, if it has one of these values. A sentence of the clause has "when" likewise.
 * 3. In the clause {NAME} is the value in words: what the choice of an enum is called, the values of
 *    a list with commas between, a duration in units.
 */
#include "policy/template.h"

#include <inttypes.h>

#include "lib/base/timefmt.h"
#include "policy/explain_private.h"
#include "policy/template_private.h"

#include "lib/base/banned.h"

int policy__parameter_find(const struct policy_template *template, struct str name)
{
    for (size_t i = 0; i < template->parameters.n; i++) {
        if (str_eq(LIST_ITEMS(struct parameter, template->parameters)[i].name, name))
            return (int)i;
    }
    return -1;
}

static const struct parameter *parameter_at(const struct policy_template *template, int i)
{
    return &LIST_ITEMS(struct parameter, template->parameters)[i];
}

/* -- conditions -------------------------------------------------------------------------------- */

static bool has_value(const struct typed *typed, struct str value)
{
    for (size_t i = 0; i < typed->n; i++) {
        if (str_eq(typed->items[i].text, value))
            return true;
    }
    return false;
}

static bool holds(const struct filled *filled, const struct jval *when)
{
    for (const struct jiter *it = jiter_first(when); it != NULL; it = jiter_next(when, it)) {
        const int i = policy__parameter_find(filled->template, jiter_key(it));
        const struct jval *wanted = jiter_value(it);
        bool met = false;

        if (jtype_of(wanted) == J_BOOL)
            met = filled->values[i].n > 0;
        for (size_t v = 0; v < jval_len(wanted); v++)
            met = met || has_value(&filled->values[i], jval_str(jval_at(wanted, v)));
        if (!met)
            return false;
    }
    return true;
}

/* -- the policy -------------------------------------------------------------------------------- */

static int fill_scalar(const struct filled *filled, const struct jval *placeholder, int index,
                       const struct scalar *value, struct arena *arena, struct jw *w,
                       struct err *err)
{
    const struct parameter *p = parameter_at(filled->template, index);
    const struct str plus = jval_str(jval_get(placeholder, "plus"));
    const int more = str_present(plus) ? policy__parameter_find(filled->template, plus) : -1;
    struct scalar sum = *value;

    /* an optional parameter that is not there adds nothing */
    if (more >= 0 && filled->values[more].n > 0 &&
        !policy__plus((enum parameter_type)p->type, value, filled->values[more].items[0].number,
                      arena, &sum))
        return err_tell(err, E_INVALID, "", "'%.*s' and '%.*s' together are out of range",
                        STR_ARG(p->name), STR_ARG(plus));
    if (jval_get(placeholder, "as") != NULL)
        jw_str(w, arena_printf(arena, "P%" PRId64 "D", sum.number));
    else
        jw_str(w, sum.text);
    return 0;
}

static int fill_value(const struct filled *filled, const struct jval *placeholder,
                      struct arena *arena, struct jw *w, struct err *err)
{
    const int i =
        policy__parameter_find(filled->template, jval_str(jval_get(placeholder, "$parameter")));
    const bool list = parameter_at(filled->template, i)->type == PARAMETER_LIST;
    const struct typed *typed = &filled->values[i];

    if (list)
        jw_array(w);
    else if (typed->n == 0)
        jw_null(w); /* which no policy may have: the part wanted a "$when" */
    for (size_t v = 0; v < typed->n; v++) {
        if (fill_scalar(filled, placeholder, i, &typed->items[v], arena, w, err) < 0)
            return err_ret(err);
    }
    if (list)
        jw_array_end(w);
    return 0;
}

int policy__fill_elements(const struct filled *filled, const struct jval *array,
                          struct arena *arena, struct jw *w, struct err *err)
{
    for (size_t i = 0; i < jval_len(array); i++) {
        const struct jval *element = jval_at(array, i);

        if (holds(filled, jval_get(element, "$when")) &&
            policy__fill(filled, element, arena, w, err) < 0)
            return err_ret(err);
    }
    return 0;
}

/* As deep as the document, whose depth was bounded when it was read. */
int policy__fill(const struct filled *filled, const struct jval *part, struct arena *arena,
                 struct jw *w, struct err *err)
{
    if (jval_get(part, "$parameter") != NULL)
        return fill_value(filled, part, arena, w, err);
    if (jtype_of(part) == J_ARRAY) {
        jw_array(w);
        if (policy__fill_elements(filled, part, arena, w, err) < 0)
            return err_ret(err);
        jw_array_end(w);
        return 0;
    }
    if (jtype_of(part) != J_OBJECT) {
        jw_val(w, part);
        return 0;
    }
    jw_object(w);
    for (const struct jiter *it = jiter_first(part); it != NULL; it = jiter_next(part, it)) {
        if (str_eq(jiter_key(it), STR("$when")))
            continue;
        jw_key_str(w, jiter_key(it));
        if (policy__fill(filled, jiter_value(it), arena, w, err) < 0)
            return err_ret(err);
    }
    jw_object_end(w);
    return 0;
}

/* -- the clause -------------------------------------------------------------------------------- */

static void add_words(const struct parameter *p, enum policy_lang lang, struct str text,
                      struct buf *out)
{
    const int type = p->type == PARAMETER_LIST ? p->of : p->type;
    int64_t months, us;

    for (size_t i = 0; type == PARAMETER_ENUM && i < p->choices.n; i++) {
        const struct choice *choice = &LIST_ITEMS(struct choice, p->choices)[i];

        if (str_eq(choice->value, text)) {
            buf_add_str(out, choice->text[lang]);
            return;
        }
    }
    if (type == PARAMETER_DURATION && duration_parse(text, &months, &us))
        policy__explain_span(out, lang, months, us);
    else
        buf_add_str(out, text);
}

static void fill_sentence(const struct filled *filled, enum policy_lang lang, struct str text,
                          struct buf *out)
{
    for (;;) { /* ends with the last plain part */
        const struct str plain = str_cut(&text, '{');
        struct str name;
        int index;

        buf_add_str(out, plain);
        if (!str_present(text))
            return;
        name = str_cut(&text, '}');
        index = policy__parameter_find(filled->template, name);
        for (size_t i = 0; i < filled->values[index].n; i++) {
            buf_add_c(out, i > 0 ? ", " : "");
            add_words(parameter_at(filled->template, index), lang,
                      filled->values[index].items[i].text, out);
        }
    }
}

void policy__fill_clause(const struct filled *filled, enum policy_lang lang, struct buf *out)
{
    const struct list *clause = &filled->template->clause;
    bool any = false;

    for (size_t i = 0; i < clause->n; i++) {
        const struct sentence *sentence = &LIST_ITEMS(struct sentence, *clause)[i];

        if (!holds(filled, sentence->when))
            continue;
        buf_add_c(out, any ? " " : "");
        fill_sentence(filled, lang, sentence->text[lang], out);
        any = true;
    }
}

/* -- checks ------------------------------------------------------------------------------------ */

struct check {
    const struct policy_template *template;
    unsigned used; /* a bit per parameter */
    struct err *err;
};

static int find(struct check *c, struct str name, int *ret_index)
{
    *ret_index = policy__parameter_find(c->template, name);
    if (*ret_index < 0)
        return err_tell(c->err, E_INVALID, "", "there is no parameter '%.*s'", STR_ARG(name));
    return 0;
}

static int check_when(struct check *c, const struct jval *when)
{
    int index;

    if (when == NULL)
        return 0;
    if (jtype_of(when) != J_OBJECT || jval_len(when) == 0)
        return err_tell(c->err, E_INVALID, "",
                        "expected {\"parameter\": true} or "
                        "{\"parameter\": [\"value\"]}");
    for (const struct jiter *it = jiter_first(when); it != NULL; it = jiter_next(when, it)) {
        const struct jval *wanted = jiter_value(it);
        bool texts = jtype_of(wanted) == J_ARRAY && jval_len(wanted) > 0;

        if (find(c, jiter_key(it), &index) < 0)
            return err_ret(c->err);
        c->used |= 1U << index;
        for (size_t i = 0; texts && i < jval_len(wanted); i++)
            texts = jtype_of(jval_at(wanted, i)) == J_STR;
        if (!texts && !(jtype_of(wanted) == J_BOOL && jval_bool(wanted)))
            return err_tell(c->err, E_INVALID, "", "expected true or an array of values");
    }
    return 0;
}

static bool is_integer(const struct check *c, int index)
{
    return parameter_at(c->template, index)->type == PARAMETER_INTEGER;
}

static int check_placeholder(struct check *c, const struct jval *placeholder)
{
    const struct jval *plus = jval_get(placeholder, "plus"), *as = jval_get(placeholder, "as");
    const size_t members = 1U + (plus != NULL) + (as != NULL);
    int index, more;
    int type;

    if (jval_len(placeholder) != members)
        return err_tell(c->err, E_INVALID, "", "expected $parameter, plus and as only");
    if (find(c, jval_str(jval_get(placeholder, "$parameter")), &index) < 0)
        return err_ret(c->err);
    c->used |= 1U << index;
    type = parameter_at(c->template, index)->type;
    if (as != NULL && (!str_eq(jval_str(as), STR("days")) || type != PARAMETER_INTEGER))
        return err_tell(c->err, E_INVALID, "/as", "only an integer can be written as 'days'");
    if (plus == NULL)
        return 0;
    if (find(c, jval_str(plus), &more) < 0)
        return err_at_prefix(c->err, "/plus");
    c->used |= 1U << more;
    if (!is_integer(c, more) ||
        (type != PARAMETER_INTEGER && type != PARAMETER_DATE && type != PARAMETER_DATE_TIME))
        return err_tell(c->err, E_INVALID, "/plus",
                        "only an integer can be added, to an integer, a date or a time");
    return 0;
}

static int at_token(struct err *err, struct str token)
{
    AUTO(buf_done) struct buf at = buf_init(sizeof(err->at));

    buf_add_char(&at, '/');
    jpointer_escape(&at, token);
    buf_add(&at, "", 1);
    return err_at_prefix(err, buf_failed(&at) ? "" : at.p);
}

static int at_index(struct err *err, size_t i)
{
    char token[24];

    (void)snprintf(token, sizeof(token), "%zu", i);
    return at_token(err, str_c(token));
}

static int check_part(struct check *c, const struct jval *part)
{
    if (jtype_of(part) == J_ARRAY) {
        for (size_t i = 0; i < jval_len(part); i++) {
            if (check_when(c, jval_get(jval_at(part, i), "$when")) < 0 ||
                check_part(c, jval_at(part, i)) < 0)
                return at_index(c->err, i);
        }
        return 0;
    }
    if (jtype_of(part) != J_OBJECT)
        return 0;
    if (jval_get(part, "$parameter") != NULL)
        return check_placeholder(c, part);
    for (const struct jiter *it = jiter_first(part); it != NULL; it = jiter_next(part, it)) {
        if (!str_eq(jiter_key(it), STR("$when")) && check_part(c, jiter_value(it)) < 0)
            return at_token(c->err, jiter_key(it));
    }
    return 0;
}

static int check_sentence(struct check *c, struct str text)
{
    int index;

    for (;;) { /* ends with the last plain part */
        const struct str plain = str_cut(&text, '{');

        if (memchr(plain.p, '}', plain.n) != NULL)
            return err_tell(c->err, E_INVALID, "", "'}' without '{'");
        if (!str_present(text))
            return 0;
        if (memchr(text.p, '}', text.n) == NULL)
            return err_tell(c->err, E_INVALID, "", "'{' without '}'");
        if (find(c, str_cut(&text, '}'), &index) < 0)
            return err_ret(c->err);
        c->used |= 1U << index;
    }
    return 0;
}

static int check_clause(struct check *c)
{
    static const char *const members[POLICY_LANG__COUNT] = {"/ko", "/en"};

    for (size_t i = 0; i < c->template->clause.n; i++) {
        const struct sentence *s = &LIST_ITEMS(struct sentence, c->template->clause)[i];

        if (check_when(c, s->when) < 0) {
            IGNORE(err_at_prefix(c->err, "/when"), "a longer path");
            return at_index(c->err, i);
        }
        for (int lang = 0; lang < POLICY_LANG__COUNT; lang++) {
            if (check_sentence(c, s->text[lang]) < 0) {
                IGNORE(err_at_prefix(c->err, members[lang]), "a longer path");
                return at_index(c->err, i);
            }
        }
    }
    return 0;
}

int policy__check_parts(const struct policy_template *template, struct err *err)
{
    struct check c = {.template = template, .err = err};

    if (check_clause(&c) < 0)
        return err_at_prefix(err, "/clause");
    c.used = 0; /* what only the words say restricts nothing */
    if (check_part(&c, template->policy) < 0)
        return err_at_prefix(err, "/policy");
    for (size_t i = 0; i < template->parameters.n; i++) {
        if ((c.used >> i & 1) == 0) {
            IGNORE(err_tell(err, E_INVALID, "", "the policy does not use it"), "with its place");
            IGNORE(at_index(err, i), "a longer path");
            return err_at_prefix(err, "/parameters");
        }
    }
    return 0;
}
