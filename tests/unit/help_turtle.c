/*
 * Reads the part of Turtle that the FORCE test suite uses.
 */
#include "help_turtle.h"

#include "lib/base/check.h"

#include "lib/base/banned.h"

#define TRIPLES_MAX 20000
#define RDF_TYPE    "http://www.w3.org/1999/02/22-rdf-syntax-ns#type"

struct turtle {
    struct arena *arena;
    struct str rest;

    struct {
        struct str name, iri;
    } prefixes[16];

    size_t n_prefixes;
};

static void skip(struct turtle *t)
{
    while (t->rest.n > 0 && (t->rest.p[0] <= ' ' || t->rest.p[0] == '#')) {
        if (t->rest.p[0] == '#')
            (void)str_cut(&t->rest, '\n');
        else
            t->rest = str_from(t->rest, 1);
    }
}

static bool take(struct turtle *t, const char *token)
{
    skip(t);
    if (!str_starts(t->rest, str_c(token)))
        return false;
    t->rest = str_from(t->rest, strlen(token));
    return true;
}

static struct str read_iri(struct turtle *t)
{
    size_t n = 0;
    struct str name, prefix;

    if (take(t, "<"))
        return str_cut(&t->rest, '>');
    /* a name may hold dots, but not end with one */
    while (n < t->rest.n && strchr(" \t\r\n;,<>\"^", t->rest.p[n]) == NULL)
        n++;
    while (n > 0 && t->rest.p[n - 1] == '.')
        n--;
    name = str_n(t->rest.p, n);
    t->rest = str_from(t->rest, n);
    if (str_eq(name, STR("a")))
        return STR(RDF_TYPE);
    prefix = str_cut(&name, ':');
    for (size_t i = 0; i < t->n_prefixes; i++) {
        if (str_eq(t->prefixes[i].name, prefix))
            return arena_printf(t->arena, "%.*s%.*s", STR_ARG(t->prefixes[i].iri), STR_ARG(name));
    }
    CHECK_UNREACHABLE(); /* a prefix that was not declared */
}

static void read_object(struct turtle *t, struct triple *triple)
{
    skip(t);
    if (!take(t, "\"")) {
        triple->o = read_iri(t);
        return;
    }
    triple->o = str_cut(&t->rest, '"');
    triple->datatype = STR("http://www.w3.org/2001/XMLSchema#string");
    if (take(t, "^^"))
        triple->datatype = read_iri(t);
}

static void read_prefix(struct turtle *t)
{
    skip(t);
    t->prefixes[t->n_prefixes].name = str_cut(&t->rest, ':');
    skip(t);
    t->prefixes[t->n_prefixes++].iri = read_iri(t);
    CHECK(t->n_prefixes < ARRAY_LEN(t->prefixes) && take(t, "."));
}

struct graph help_turtle(struct arena *arena, struct str text)
{
    struct turtle t = {.arena = arena, .rest = text};
    struct graph graph = {ARENA_ARRAY(arena, struct triple, TRIPLES_MAX), 0};
    struct triple now = {0};

    CHECK(graph.triples != NULL);
    for (skip(&t); t.rest.n > 0; skip(&t)) {
        if (take(&t, "@prefix")) {
            read_prefix(&t);
            continue;
        }
        now.s = read_iri(&t);
        do {
            skip(&t);
            now.p = read_iri(&t);
            do {
                now.datatype = STR_NONE;
                read_object(&t, &now);
                CHECK(graph.n < TRIPLES_MAX);
                graph.triples[graph.n++] = now;
            } while (take(&t, ","));
        } while (take(&t, ";"));
        CHECK(take(&t, "."));
    }
    return graph;
}

struct str graph_object(const struct graph *graph, struct str subject, const char *predicate,
                        size_t i)
{
    for (size_t k = 0; k < graph->n; k++) {
        const struct triple *t = &graph->triples[k];

        if ((!str_present(subject) || str_eq(t->s, subject)) && str_eq_c(t->p, predicate) &&
            i-- == 0)
            return t->o;
    }
    return STR_NONE;
}

struct str graph_typed(const struct graph *graph, const char *type, size_t i)
{
    for (size_t k = 0; k < graph->n; k++) {
        const struct triple *t = &graph->triples[k];

        if (str_eq_c(t->p, RDF_TYPE) && str_eq_c(t->o, type) && i-- == 0)
            return t->s;
    }
    return STR_NONE;
}

const struct triple *graph_find(const struct graph *graph, struct str subject,
                                const char *predicate)
{
    for (size_t k = 0; k < graph->n; k++) {
        if (str_eq(graph->triples[k].s, subject) && str_eq_c(graph->triples[k].p, predicate))
            return &graph->triples[k];
    }
    return NULL;
}
