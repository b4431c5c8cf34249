/*
 * lib/jdoc/jdoc_private.h - what the files of this folder share; the only place that includes
 * jansson
 */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "lib/base/arena.h"
#include "lib/jdoc/jdoc.h"

struct jdoc {
    struct arena *memory; /* owned; this struct and all values are in it */
    json_t *root;         /* never freed by itself: it goes with its memory */
};

/* A document without a value; NULL without memory. */
struct jdoc *jdoc__new(void);

/* From here on, what jansson allocates for this thread belongs to `doc`; NULL: to the heap. */
void jdoc__make(const struct jdoc *doc);

/* A view is the jansson value itself. jansson takes some read-only arguments without const, hence
 * the cast. */
static inline json_t *jdoc__json(const struct jval *v)
{
    return (json_t *)(uintptr_t)v;
}

static inline const struct jval *jdoc__view(const json_t *json)
{
    return (const struct jval *)json;
}

/*
 * Appends a finite number by ECMA-262 Number::toString (RFC 8785 §3.2.2.3). With as_real the text
 * gets ".0" where it would otherwise read back as an integer.
 */
void jdoc__add_real(struct buf *out, double value, bool as_real);
