/*
 * Policies and worlds in short notation; see the header.
 */
#include "help_policy.h"

#include <check.h>

#include "lib/base/limits.h"
#include "lib/base/timefmt.h"
#include "lib/jdoc/jdoc.h"

#include "lib/base/banned.h"

/* -- policies ---------------------------------------------------------------------------------- */

struct reader {
    struct str rest;
    struct jw *w;
};

static void skip(struct reader *r)
{
    while (r->rest.n > 0 && (r->rest.p[0] == ' ' || r->rest.p[0] == '\n'))
        r->rest = str_from(r->rest, 1);
}

static bool next_is(struct reader *r, char c)
{
    skip(r);
    return r->rest.n > 0 && r->rest.p[0] == c;
}

static bool take(struct reader *r, char c)
{
    if (!next_is(r, c))
        return false;
    r->rest = str_from(r->rest, 1);
    return true;
}

static struct str word(struct reader *r)
{
    size_t n = 0;
    struct str found;

    skip(r);
    while (n < r->rest.n && memchr(" \n()[]", r->rest.p[n], 6) == NULL)
        n++;
    found = str_n(r->rest.p, n);
    r->rest = str_from(r->rest, n);
    ck_assert_msg(n > 0, "word expected at '%.*s'", STR_ARG(r->rest));
    return found;
}

static bool is_logical(struct str s)
{
    return str_eq(s, STR("and")) || str_eq(s, STR("or")) || str_eq(s, STR("xone")) ||
           str_eq(s, STR("andSequence"));
}

static void read_constraint(struct reader *r)
{
    struct str left, first;

    ck_assert(take(r, '('));
    left = word(r);
    jw_object(r->w);
    if (is_logical(left)) {
        jw_key_str(r->w, left);
        jw_array(r->w);
        while (next_is(r, '('))
            read_constraint(r);
        jw_array_end(r->w);
    } else {
        jw_kstr(r->w, "leftOperand", left);
        jw_kstr(r->w, "operator", word(r));
        first = word(r);
        jw_key(r->w, "rightOperand");
        if (next_is(r, ')')) {
            jw_str(r->w, first);
        } else {
            jw_array(r->w);
            jw_str(r->w, first);
            while (!next_is(r, ')'))
                jw_str(r->w, word(r));
            jw_array_end(r->w);
        }
    }
    jw_object_end(r->w);
    ck_assert(take(r, ')'));
}

static void read_member(struct reader *r)
{
    struct str value = word(r), key = str_cut(&value, '=');

    jw_key_str(r->w, key);
    jw_str(r->w, value);
}

static void read_rule(struct reader *r, const char *nested)
{
    bool any = false;

    jw_object(r->w);
    jw_kstr(r->w, "action", word(r));
    if (next_is(r, '(')) {
        jw_key(r->w, "constraint");
        jw_array(r->w);
        while (next_is(r, '('))
            read_constraint(r);
        jw_array_end(r->w);
    }
    while (take(r, '[')) {
        if (!any) {
            jw_key(r->w, nested);
            jw_array(r->w);
        }
        any = true;
        read_rule(r, "consequence");
        ck_assert(take(r, ']'));
    }
    if (any)
        jw_array_end(r->w);
    while (next_is(r, '@') && r->rest.n > 1 && r->rest.p[1] == '@') {
        r->rest = str_from(r->rest, 2);
        read_member(r);
    }
    jw_object_end(r->w);
}

/* All rules of one kind, in one array; the others are passed over. */
static void read_kind(const char *notation, char mark, const char *list, const char *nested,
                      struct jw *w)
{
    AUTO(buf_done) struct buf scratch = buf_init(MIB(4));
    struct jw ignored = jw_init(&scratch);
    struct reader r = {str_c(notation), w};
    bool any = false;

    jw_array(&ignored);
    for (skip(&r); r.rest.n > 0; skip(&r)) {
        char c = r.rest.p[0];

        r.rest = str_from(r.rest, 1);
        if (c == '@') {
            (void)word(&r);
            continue;
        }
        if (c == mark && !any) {
            jw_key(w, list);
            jw_array(w);
            any = true;
        }
        r.w = c == mark ? w : &ignored;
        read_rule(&r, c == mark ? nested : "other");
    }
    if (any)
        jw_array_end(w);
}

static void read_settings(const char *notation, struct jw *w)
{
    AUTO(buf_done) struct buf scratch = buf_init(MIB(4));
    struct jw ignored = jw_init(&scratch);
    struct reader r = {str_c(notation), w};

    jw_array(&ignored);
    for (skip(&r); r.rest.n > 0; skip(&r)) {
        bool setting = r.rest.p[0] == '@';

        r.rest = str_from(r.rest, 1);
        r.w = setting ? w : &ignored;
        if (!setting) {
            read_rule(&r, "other");
            continue;
        }
        if (str_starts(r.rest, STR("type=")))
            jw_key_str(w, STR("@type")), r.rest = str_from(r.rest, 5), jw_str(w, word(&r));
        else
            read_member(&r);
    }
}

struct str help_policy_json(struct arena *arena, const char *notation)
{
    AUTO(buf_done) struct buf text = buf_init(MIB(4));
    struct jw w = jw_init(&text);

    jw_object(&w);
    read_settings(notation, &w);
    read_kind(notation, '+', "permission", "duty", &w);
    read_kind(notation, '-', "prohibition", "remedy", &w);
    read_kind(notation, '!', "obligation", "consequence", &w);
    jw_object_end(&w);
    return arena_str(arena, buf_str(&text));
}

static int compile(struct str json, struct policy **ret_policy, struct err *err)
{
    static const struct jlimits wide = {MIB(8), 200, 200000};
    AUTO(jdoc_free) struct jdoc *doc = NULL;

    ck_assert_msg(jdoc_parse(json, &wide, &doc, err) == 0, "%s: %.*s", err->text, STR_ARG(json));
    return policy_compile(jdoc_root(doc), ret_policy, err);
}

struct policy *help_policy(const char *notation)
{
    AUTO(arena_free) struct arena *arena = arena_new(MIB(8));
    struct policy *policy = NULL;
    struct err err = {0};
    int status = notation[0] == '{' ? help_policy_from(notation, &policy, &err)
                                    : compile(help_policy_json(arena, notation), &policy, &err);

    ck_assert_msg(status == 0, "%s: %s at '%s'", notation, err.text, err.at);
    return policy;
}

int help_policy_from(const char *quoted_json, struct policy **ret_policy, struct err *err)
{
    AUTO(buf_done) struct buf text = buf_init(MIB(8));

    buf_add_c(&text, quoted_json);
    for (size_t i = 0; i < text.n; i++)
        text.p[i] = text.p[i] == '\'' ? '"' : text.p[i];
    return compile(buf_str(&text), ret_policy, err);
}

void help_policy_refused(const char *quoted_json, enum err_code code, const char *at)
{
    struct policy *policy = NULL;
    struct err err = {0};
    const int status = help_policy_from(quoted_json, &policy, &err);

    ck_assert_msg(status < 0 && policy == NULL, "accepted: %s", quoted_json);
    ck_assert_msg(err.code == code, "%s: %s (%s)", quoted_json, err_name(err.code), err.text);
    ck_assert_msg(strcmp(err.at, at) == 0, "%s: at '%s'", quoted_json, err.at);
    ck_assert_msg(err.detail[0] != '\0', "%s: no public detail", quoted_json);
}

/* -- worlds ------------------------------------------------------------------------------------ */

int64_t help_time(const char *text)
{
    int64_t us = POLICY_NO_TIME;

    if (text == NULL || text[0] == '\0')
        return us;
    ck_assert_msg(time_parse(str_c(text), &us), "%s", text);
    return us;
}

static void read_done(struct str text, struct world *world)
{
    struct policy_performed *done = &world->done[world->facts.n_performed];
    struct str what;

    world->facts.performed_known = true;
    world->facts.performed = world->done;
    if (text.n == 0)
        return;
    ck_assert(world->facts.n_performed < ARRAY_LEN(world->done));
    what = str_cut(&text, '@');
    ck_assert_msg(policy_action_find(what, &done->action), "%.*s", STR_ARG(what));
    ck_assert(time_parse(str_cut(&text, ','), &done->at_us));
    done->assignee = str_present(text) ? str_cut(&text, ',') : STR_NONE;
    done->target = text;
    world->facts.n_performed++;
}

static void read_fact(struct arena *arena, struct str text, struct world *world)
{
    static const struct policy_source source = {.kind = POLICY_FROM_ORDER};
    struct str rest = text, name = str_cut(&rest, '=');
    struct policy_value *values = ARENA_ARRAY(arena, struct policy_value, 600);
    enum policy_operand operand;
    struct policy_fact *fact;
    struct str list;
    int64_t age = 0;

    ck_assert_msg(policy_operand_find(name, &operand), "%.*s", STR_ARG(name));
    fact = &world->facts.of[operand];
    *fact = (struct policy_fact){.knowledge = POLICY_KNOWN, .values = values, .source = &source};
    list = str_cut(&rest, '~');
    if (str_present(rest))
        ck_assert(str_to_i64(rest, &age));
    fact->age_us = age * US_PER_S;
    if (str_starts(list, STR("?"))) {
        fact->claimed = true;
        list = str_from(list, 1);
    }
    if (str_eq(list, STR("-"))) {
        fact->knowledge = POLICY_ABSENT;
        return;
    }
    while (str_present(list) && list.n > 0) {
        struct policy_value *value = &values[fact->n_values++];

        value->text = str_cut(&list, ',');
        if (!str_to_i64(value->text, &value->number))
            value->number = 0;
    }
}

void help_world(struct arena *arena, const char *notation, struct world *ret_world)
{
    struct str rest = arena_str(arena, str_c(notation));

    memset(ret_world, 0, sizeof(*ret_world));
    while (str_present(rest)) {
        struct str item = str_cut(&rest, ' ');

        if (str_starts(item, STR("did:")))
            read_done(str_from(item, 4), ret_world);
        else if (item.n > 0)
            read_fact(arena, item, ret_world);
    }
}

struct str help_causes(struct arena *arena, const struct policy_decision *decision)
{
    AUTO(buf_done) struct buf text = buf_init(KIB(16));

    for (unsigned i = 0; i < decision->n_causes; i++) {
        const struct policy_cause *cause = &decision->causes[i];

        if (i > 0)
            buf_add_char(&text, ' ');
        if (cause->rule >= 0)
            buf_printf(&text, "%d:", cause->rule);
        if (cause->operand != POLICY_OP__COUNT) {
            const char *iri = policy_operand_iri(cause->operand);
            const char *slash = strrchr(iri, '/'), *colon = strrchr(iri, ':');

            buf_printf(&text, "%s:", (slash > colon ? slash : colon) + 1);
        }
        buf_add_c(&text, policy_why_slug(cause->why));
    }
    return arena_str(arena, buf_str(&text));
}
