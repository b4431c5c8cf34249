/*
 * The FORCE test suite as policies, questions and facts.
 */
#include "help_policy_force.h"

#include <stdio.h>

#include "lib/base/check.h"
#include "lib/base/limits.h"
#include "lib/base/timefmt.h"
#include "lib/jdoc/jdoc.h"

#include "lib/base/banned.h"

#define ODRL "http://www.w3.org/ns/odrl/2/"
#define EX   "http://example.org/"

void force_done(struct force_case *c)
{
    arena_free(&c->arena);
}

static struct str read_file(struct arena *arena, const char *path)
{
    AUTO(buf_done) struct buf text = buf_init(MIB(4));
    FILE *f = fopen(path, "re");

    CHECK(f != NULL);
    for (size_t n = 1; n > 0;) {
        char *room = buf_room(&text, 65536);

        CHECK(room != NULL);
        n = fread(room, 1, 65536, f);
        buf_grown(&text, n);
    }
    fclose(f);
    return arena_str(arena, buf_str(&text));
}

/* The local file for a source that the index gives as a web address. */
static struct graph read_source(struct force_case *c, struct str test, const char *predicate,
                                const char *folder)
{
    struct str url = graph_object(&c->index, test, predicate, 0), name = url;

    CHECK(str_present(url));
    for (struct str rest = url; str_present(rest);)
        name = str_cut(&rest, '/');
    return help_turtle(
        c->arena,
        read_file(c->arena, arena_printf(c->arena, FORCE "%s/%.*s", folder, STR_ARG(name)).p));
}

/* -- to JSON ----------------------------------------------------------------------------------- */

static void write_constraint(const struct graph *g, struct str node, struct jw *w)
{
    static const char *const logical[] = {ODRL "and", ODRL "or", ODRL "xone"};

    jw_object(w);
    for (size_t k = 0; k < ARRAY_LEN(logical); k++) {
        struct str operand = graph_object(g, node, logical[k], 0);

        if (!str_present(operand))
            continue;
        jw_key(w, logical[k]);
        jw_array(w);
        for (size_t i = 0; str_present(operand); operand = graph_object(g, node, logical[k], ++i))
            write_constraint(g, operand, w);
        jw_array_end(w);
        jw_object_end(w);
        return;
    }
    jw_kstr(w, ODRL "leftOperand", graph_object(g, node, ODRL "leftOperand", 0));
    jw_kstr(w, ODRL "operator", graph_object(g, node, ODRL "operator", 0));
    jw_key(w, ODRL "rightOperand");
    jw_object(w);
    jw_kstr(w, "@value", graph_object(g, node, ODRL "rightOperand", 0));
    jw_kstr(w, "@type", graph_find(g, node, ODRL "rightOperand")->datatype);
    jw_object_end(w);
    jw_object_end(w);
}

static void write_entity(const struct graph *g, struct str rule, const char *predicate,
                         struct jw *w)
{
    struct str id = graph_object(g, rule, predicate, 0);
    struct str type = graph_object(g, id, "http://www.w3.org/1999/02/22-rdf-syntax-ns#type", 0);

    if (!str_present(id))
        return;
    jw_key(w, predicate);
    jw_object(w);
    if (str_present(type))
        jw_kstr(w, "@type", type);
    jw_kstr(w, "@id", id);
    jw_object_end(w);
}

static struct str modern(struct str action)
{
    return str_eq(action, STR(ODRL "write")) ? STR(ODRL "modify") : action;
}

static void write_rule(const struct graph *g, struct str rule, struct str action, struct jw *w)
{
    struct str constraint = graph_object(g, rule, ODRL "constraint", 0);
    struct str duty = graph_object(g, rule, ODRL "duty", 0);

    jw_object(w);
    if (str_present(action))
        jw_kstr(w, ODRL "action", modern(action));
    write_entity(g, rule, ODRL "assignee", w);
    write_entity(g, rule, ODRL "target", w);
    if (str_present(constraint)) {
        jw_key(w, ODRL "constraint");
        write_constraint(g, constraint, w);
    }
    if (str_present(duty)) {
        jw_key(w, ODRL "duty");
        write_rule(g, duty, graph_object(g, duty, ODRL "action", 0), w);
    }
    jw_object_end(w);
}

int force_compile(const struct force_case *c, bool every, struct policy **ret_policy,
                  struct err *err)
{
    static const char *const lists[] = {ODRL "permission", ODRL "prohibition"};
    const struct graph *g = &c->policy;
    AUTO(buf_done) struct buf json = buf_init(MIB(4));
    AUTO(jdoc_free) struct jdoc *doc = NULL;
    struct jw w = jw_init(&json);

    jw_object(&w);
    for (size_t l = 0; l < ARRAY_LEN(lists); l++) {
        struct str rule = graph_object(g, STR_NONE, lists[l], 0), action;

        if (!str_present(rule))
            continue;
        action = graph_object(g, rule, ODRL "action", 0);
        jw_key(&w, lists[l]);
        jw_array(&w);
        write_rule(g, rule, every && !str_present(action) ? STR(ODRL "use") : action, &w);
        if (every && !str_present(action))
            write_rule(g, rule, STR(ODRL "transfer"), &w);
        jw_array_end(&w);
    }
    jw_object_end(&w);
    CHECK(jdoc_parse(buf_str(&json), &jlimits_default, &doc, err) == 0);
    return policy_compile(jdoc_root(doc), ret_policy, err);
}

/* -- the world --------------------------------------------------------------------------------- */

static size_t memberships(const struct graph *g, struct str member, struct str in[static 4])
{
    size_t n = 0;

    while (n < 4 && str_present(graph_object(g, member, ODRL "partOf", n))) {
        in[n] = graph_object(g, member, ODRL "partOf", n);
        n++;
    }
    return n;
}

void force_ask(const struct force_case *c, struct force_setting *s)
{
    struct str asked = graph_object(&c->request, STR_NONE, ODRL "permission", 0);
    struct str state = graph_object(&c->sotw, STR_NONE, FORCE_REPORT "deonticState", 0);
    struct policy_question *q = &s->question;

    memset(s, 0, sizeof(*s));
    q->scope = POLICY_AT_ACCESS;
    q->agreement_us = POLICY_NO_TIME;
    q->collections_known = true;
    CHECK(
        policy_action_find(modern(graph_object(&c->request, asked, ODRL "action", 0)), &q->action));
    q->target = graph_object(&c->request, asked, ODRL "target", 0);
    q->assignee = graph_object(&c->request, asked, ODRL "assignee", 0);
    q->target_in = s->target_in;
    q->n_target_in = memberships(&c->sotw, q->target, s->target_in);
    q->assignee_in = s->assignee_in;
    q->n_assignee_in = memberships(&c->sotw, q->assignee, s->assignee_in);
    CHECK(time_parse(graph_object(&c->sotw, STR_NONE, "http://purl.org/dc/terms/issued", 0),
                     &q->now_us));
    if (!str_present(state))
        return;
    s->facts.performed_known = true;
    s->facts.performed = s->done;
    s->facts.n_performed = str_eq(state, STR(FORCE_REPORT "NonSet")) ? 0 : 1;
    s->done[0] = (struct policy_performed){.action = POLICY_ACT_COMPENSATE,
                                           .assignee = q->assignee,
                                           .at_us = q->now_us,
                                           .violated = str_eq(state, STR(FORCE_REPORT "Violated"))};
}

bool force_is_there(void)
{
    FILE *f = fopen(FORCE "index.ttl", "re");

    if (f != NULL)
        fclose(f);
    return f != NULL;
}

void force_read(struct force_case *c, int i)
{
    struct str test;

    c->arena = arena_new(MIB(64));
    c->index = help_turtle(c->arena, read_file(c->arena, FORCE "index.ttl"));
    test = c->index.triples[0].s;
    for (size_t k = 0; k < c->index.n && i > 0; k++) {
        if (!str_eq(c->index.triples[k].s, test)) {
            test = c->index.triples[k].s;
            i--;
        }
    }
    CHECK(i == 0) /* the index has as many cases */;
    c->policy = read_source(c, test, EX "policySource", "policies");
    c->request = read_source(c, test, EX "requestSource", "requests");
    c->sotw = read_source(c, test, EX "sotwSource", "sotw");
    c->expected = read_source(c, test, EX "expectedReportSource", "test_cases");
}
