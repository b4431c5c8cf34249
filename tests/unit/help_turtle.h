/*
 * Reads the part of Turtle that the FORCE test suite uses: prefixes, IRIs, prefixed names, typed literals, ';' and ','.
 */
#pragma once

#include "lib/base/arena.h"
#include "lib/base/str.h"

struct triple {
    struct str s, p, o;  /* IRIs in full; a literal as its text */
    struct str datatype; /* of a literal; STR_NONE for IRIs */
};

struct graph {
    struct triple *triples;
    size_t n;
};

/* Fails the test on anything else. */
struct graph help_turtle(struct arena *arena, struct str text);
/* The i-th object of this subject and predicate (subject STR_NONE: any), STR_NONE after the last. */
struct str graph_object(const struct graph *graph, struct str subject, const char *predicate,
                        size_t i);
/* The i-th subject that has this type. */
struct str graph_typed(const struct graph *graph, const char *type, size_t i);
const struct triple *graph_find(const struct graph *graph, struct str subject,
                                const char *predicate);
