/*
 * lib/jdoc/jbuild.h - builds a document value by value, for code that transforms documents
 *
 * The calls follow the nesting, as those of struct jw do, but make a struct jdoc without any text
 * between. Misuse is a CHECK. Without memory, or deeper than JBUILD_DEPTH, the rest is ignored and
 * jbuild_take() fails. A key that comes twice replaces the earlier value. Text must be valid UTF-8;
 * it is copied.
 */
#pragma once

#include "lib/jdoc/jdoc.h"

#define JBUILD_DEPTH 256

struct jbuild;

/* NULL without memory. */
MUST_CHECK struct jbuild *jbuild_new(void);
void jbuild_free(struct jbuild **build);

void jbuild_object(struct jbuild *build);
void jbuild_array(struct jbuild *build);
void jbuild_end(struct jbuild *build); /* of the object or array that was begun last */
void jbuild_key(struct jbuild *build, struct str key);
void jbuild_str(struct jbuild *build, struct str s);
void jbuild_i64(struct jbuild *build, int64_t v);
void jbuild_real(struct jbuild *build, double v);
void jbuild_bool(struct jbuild *build, bool v);
void jbuild_null(struct jbuild *build);
void jbuild_val(struct jbuild *build, const struct jval *v); /* copies a parsed value */

/*
 * Gives the document and frees *build. One value must have been made and all levels ended.
 * Errors: E_NO_MEMORY, E_LIMIT (nesting)
 */
MUST_CHECK int jbuild_take(struct jbuild **build, struct jdoc **ret_doc, struct err *err);
